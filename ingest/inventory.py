"""What there is of every source: its latest edition, how old that is, its rows in the lake, or why it has none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal

import polars as pl

from ingest.lake import Edition, Lake
from ingest.settings import Settings
from ingest.source import Source, discover

State = Literal["live", "bundled", "live, bundled", "none"]
Freshness = Literal["fresh", "due", "stale"]

_CADENCE_DAYS = {"daily": 1, "weekly": 7, "monthly": 31, "quarterly": 92, "yearly": 366}
_REASON = re.compile("no bundled edition", re.IGNORECASE)


@dataclass(frozen=True)
class SourceState:
    """One source as it stands. `row_count` counts the rows of the editions that staging takes, over all tables."""

    source: Source
    state: State
    edition_id: str | None
    published_on: date | None
    age_days: int | None
    freshness: Freshness | None
    row_count: int
    reason: str | None
    warnings: tuple[str, ...]
    quarantined: tuple[str, ...] = ()


def inventory(
    settings: Settings, *, today: date | None = None, sources: Mapping[str, Source] | None = None
) -> list[SourceState]:
    """The state of every source, by code. `today` is the day that ages are counted to."""
    from ingest.workfile import edition_frame

    today = today or datetime.now(UTC).date()
    editions = Lake(settings.lake).editions()
    latest = edition_frame(editions).filter(pl.col("is_latest"))
    rows = dict(latest.group_by("source_code").agg(pl.col("row_count").sum()).rows())
    taken = set(latest.select("source_code", "edition_id").rows())
    states = [
        _state(
            source,
            [e for e in editions if e.source_code == code],
            {edition_id for owner, edition_id in taken if owner == code},
            int(rows.get(code, 0)),
            today,
        )
        for code, source in (sources or discover()).items()
    ]
    return [replace(state, quarantined=_quarantined(settings, state.source.code)) for state in states]


def freshness_of(cadence: str, freshness_days: int, age_days: int) -> Freshness:
    """fresh: no newer edition is to be expected yet; due: one is, by the cadence; stale: beyond freshness_days."""
    if age_days > freshness_days:
        return "stale"
    return "due" if age_days > _CADENCE_DAYS.get(cadence, freshness_days) else "fresh"


def why_absent(source: Source) -> str:
    """Why the lake holds no rows of a source, in one sentence."""
    if source.has_bundled_edition:
        return "Its bundled edition is not loaded yet: biopharma run."
    told = next((caveat for caveat in source.spec.caveats if _REASON.search(caveat)), None)
    if told:
        return told
    if source.spec.licence.redistribution == "never":
        return "Its licence forbids redistribution, so there is no bundled edition."
    return "Nothing of it is loaded, and source.yml does not say why there is no bundled edition."


def _state(source: Source, editions: list[Edition], taken: set[str], row_count: int, today: date) -> SourceState:
    newest = max(editions, key=lambda e: (e.published_on, not e.is_bundled), default=None)
    kinds = {e.is_bundled for e in editions}
    state: State = "none"
    if kinds:
        state = "live, bundled" if len(kinds) == 2 else "bundled" if True in kinds else "live"
    published = date.fromisoformat(newest.published_on) if newest else None
    age = (today - published).days if published else None
    spec = source.spec
    return SourceState(
        source=source,
        state=state,
        edition_id=newest.edition_id if newest else None,
        published_on=published,
        age_days=age,
        freshness=None if age is None else freshness_of(spec.cadence, spec.freshness_days, age),
        row_count=row_count,
        reason=None if row_count else why_absent(source),
        warnings=tuple(dict.fromkeys(text for e in editions if e.edition_id in taken for text in e.warnings)),
    )


def _quarantined(settings: Settings, code: str) -> tuple[str, ...]:
    """Reasons of the source's files in quarantine, newest first."""
    found = []
    for path in settings.quarantine.glob(f"{code}/*/reason.json"):
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            found.append((str(entry["quarantined_at"]), str(entry["reason"])))
        except (ValueError, KeyError):
            # A reason that cannot be read is one no more to show than the folder's name.
            found.append(("", f"{path.parent.name}: the reason cannot be read"))
    return tuple(f"{at[:10]} {text}".strip() for at, text in sorted(found, reverse=True))
