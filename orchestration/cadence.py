"""When sources are asked, which parts of them, and whether there is anything to build: all from `source.yml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args
from urllib.parse import urlsplit

from ingest.fetch import FetchError
from ingest.lake import Edition
from ingest.settings import Settings
from ingest.source import PartitionPolicy, Source, discover
from orchestration import fingerprint, release, retention

Cadence = Literal["daily", "weekly", "monthly", "quarterly", "yearly"]
CADENCES: tuple[Cadence, ...] = get_args(Cadence)
TIMEZONE = "Asia/Tokyo"
_SECOND_LEVEL = {"go", "co", "ac", "europa"}


@dataclass(frozen=True)
class Timetable:
    """When the sources of a cadence are asked, and after how many days without an answer somebody should look."""

    cron: str
    days: int
    description: str


TIMETABLES: dict[Cadence, Timetable] = {
    "daily": Timetable("30 5 * * *", 1, "Every day at 05:30, after the ECB's rates of the day before."),
    "weekly": Timetable("0 6 * * 0", 7, "Every Sunday at 06:00."),
    "monthly": Timetable("0 7 5 * *", 31, "On the 5th of every month at 07:00."),
    "quarterly": Timetable(
        "0 8 12 1,4,7,10 *", 92, "On the 12th after the end of a quarter at 08:00, when the SEC has published it."
    ),
    "yearly": Timetable(
        "0 9 20 2,5,8,11 *",
        92,
        "Four times a year (on the 20th of February, May, August and November at 09:00): yearly surveys appear in "
        "different months, and what has not changed is not sent again.",
    ),
}


def cadence_of(source: Source) -> Cadence:
    """How often a source is asked: `fetch.every` of its source.yml, else its cadence; irregular ones monthly."""
    if source.spec.fetch.every:
        return source.spec.fetch.every
    return "monthly" if source.spec.cadence == "irregular" else source.spec.cadence


def fetched(cadence: Cadence) -> list[Source]:
    """The sources that can be fetched and are asked at that cadence, by code."""
    return [source for source in discover().values() if source.has_connector and cadence_of(source) == cadence]


def quiet_days(source: Source) -> tuple[int, int]:
    """Days after the last answer of a publisher at which to warn and to fail: two missed turns, then freshness_days.

    The second is never less than three turns.
    """
    days = TIMETABLES[cadence_of(source)].days
    return 2 * days, max(3 * days, source.spec.freshness_days)


def pool_of(source: Source) -> str:
    """Name of the pool of the publisher's site: sources that ask the same site are asked one after the other."""
    policy = source.spec.fetch
    addresses = [*(download.url for download in policy.downloads), *source.spec.endpoints, source.spec.landing_page]
    labels = (urlsplit(addresses[0]).hostname or source.code).split(".")
    # sec.gov, mhlw.go.jp; below europa.eu every agency runs a site of its own.
    count = 3 if labels[-2] in _SECOND_LEVEL else 2
    return "site_" + ".".join(labels[-count:])


def partition_name(policy: PartitionPolicy, key: str) -> str:
    """The source's own name of a partition (2009q2, FY2014) by its key in Dagster (2009-04, FY2014)."""
    if policy.unit == "quarter":
        first = date.fromisoformat(f"{key}-01")
        return f"{first.year}q{(first.month + 2) // 3}"
    return key


def partition_key(policy: PartitionPolicy, name: str) -> str:
    """The key of a partition by the source's own name; the opposite of :func:`partition_name`."""
    if policy.unit == "quarter":
        return f"{name[:4]}-{int(name[-1]) * 3 - 2:02}"
    return name


def fetch_options(source: Source, keys: Sequence[str]) -> dict[str, str]:
    """What `pipeline.fetch` is given as options to fetch some partitions only; nothing for the usual extent."""
    policy = source.spec.fetch.partitions
    if policy is None or not keys:
        return {}
    return {policy.option: ",".join(partition_name(policy, key) for key in keys)}


def missing(source: Source, keys: Sequence[str], editions: Sequence[Edition]) -> list[str]:
    """Keys of partitions that were asked for and that no edition holds: the publisher does not have them yet."""
    policy = source.spec.fetch.partitions
    if policy is None:
        return []
    had = {edition.partition for edition in editions}
    return [key for key in keys if partition_name(policy, key) not in had]


def not_published(source: Source, keys: Sequence[str]) -> FetchError:
    """The error that says which of the partitions that were asked for the publisher does not have."""
    return FetchError(
        f"{source.spec.publisher} has no {', '.join(keys)} of {source.code} yet",
        remedy=f"Look at {source.spec.landing_page}, and ask again when it is published; what there was is loaded.",
    )


@dataclass(frozen=True)
class Due:
    """Whether there is something to build, the digest of the inputs, and why."""

    is_due: bool
    fingerprint: str
    reason: str


def build_due(settings: Settings) -> Due:
    """Whether editions, vocabulary, suites, models or code differ from those of every release that is kept.

    It costs some hundredths of a second and changes nothing, so it may be asked at every tick of a sensor.
    """
    now = fingerprint.of_inputs(settings)
    releases = [found for found in release.list_releases(settings) if found.as_of is None]
    for found in reversed(releases):
        if found.fingerprint == now:
            told = f"release {found.release_id} stands for the inputs as they are (digest {now[:12]})"
            if found.release_id in retention.withdrawals(settings):
                told += ", and was withdrawn"
            return Due(False, now, told)
    if not releases:
        return Due(True, now, "there is no release yet")
    return Due(True, now, f"the inputs (digest {now[:12]}) are not those of release {releases[-1].release_id}")


def edition_age(source: Source, editions: Sequence[Edition], today: date) -> int | None:
    """Days since the publisher published the newest of some editions, or None where there is none."""
    newest = max((edition.published_on for edition in editions), default=None)
    return None if newest is None else (today - date.fromisoformat(newest)) // timedelta(days=1)
