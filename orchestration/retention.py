"""Which releases are kept, which one is current, and which were withdrawn.

A release is never changed. It can be withdrawn: readers get the one before it until the inputs change, and its
directory stays for whoever wants to see what was wrong with it.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.archive import write_atomically
from ingest.settings import Settings
from orchestration import release
from orchestration.errors import ReleaseError
from orchestration.release import Release

WITHDRAWN = "withdrawn.json"


@dataclass(frozen=True)
class Withdrawal:
    """A release that was rolled back from: when, why, and to which one."""

    release_id: str
    withdrawn_at: str
    reason: str
    replaced_by: str


def withdrawals(settings: Settings) -> dict[str, Withdrawal]:
    """Withdrawn releases by number; empty where none ever was. Raises ReleaseError for a damaged record."""
    path = settings.releases / WITHDRAWN
    return parsed(path.read_bytes(), str(path)) if path.exists() else {}


def parsed(content: bytes, file: str) -> dict[str, Withdrawal]:
    """Withdrawn releases by number, from the record's content; raises ReleaseError where it is damaged."""
    try:
        entries: list[dict[str, Any]] = json.loads(content)
        return {entry["release_id"]: Withdrawal(**entry) for entry in entries}
    except (ValueError, TypeError, KeyError) as error:
        raise ReleaseError(
            f"the record of withdrawn releases cannot be read ({error})",
            file=file,
            remedy="Correct the file, or delete it: the releases themselves are not touched by it.",
        ) from error


def rollback(settings: Settings, release_id: str | None = None, *, reason: str) -> Release:
    """Withdraw the current release in favour of an earlier one; returns the one that is current then.

    Without a number it is the newest release before the current one that is not withdrawn, is not as of a past
    day, and verifies. Raises ReleaseError where there is no such release, or the one named does not verify; the
    current release stands then.
    """
    now = release.current(settings)
    if now is None:
        raise ReleaseError("there is no current release", remedy="Make one: biopharma run.")
    gone = withdrawals(settings)
    earlier = [
        candidate
        for candidate in release.list_releases(settings)
        if candidate.release_id < now.release_id and candidate.as_of is None and candidate.release_id not in gone
    ]
    if release_id is not None:
        wanted = release_id.zfill(4)
        earlier = [candidate for candidate in earlier if candidate.release_id == wanted]
    for candidate in reversed(earlier):
        try:
            release.verify(candidate.path)
        except ReleaseError:
            if release_id is not None:
                raise
            continue
        entry = Withdrawal(
            now.release_id, datetime.now(UTC).isoformat(timespec="seconds"), reason, candidate.release_id
        )
        # The record first: a run that finds the withdrawn release must not switch back to it.
        record(settings, {**gone, now.release_id: entry})
        release.switch(settings, candidate.path)
        return candidate
    raise ReleaseError(
        f"there is no release {release_id} before {now.release_id} to go back to"
        if release_id
        else f"there is no sound release before {now.release_id}",
        file=str(settings.releases),
        remedy="See the releases: biopharma releases.",
    )


def prune(settings: Settings, *, now: datetime | None = None) -> list[str]:
    """Delete releases that are neither among the newest nor young enough to be kept; returns their numbers.

    `settings.keep_releases` newest are kept whatever their age, and all that are younger than
    `settings.keep_days` days; the current one always. A reader that has one open keeps it until it closes it.
    """
    now = now or datetime.now(UTC)
    current = release.current(settings)
    everything = release.list_releases(settings)
    deleted = []
    for candidate in everything[: max(len(everything) - settings.keep_releases, 0)]:
        if current is None or candidate.path == current.path:
            continue
        made = candidate.manifest.get("created_at")
        if made and now - datetime.fromisoformat(made) < timedelta(days=settings.keep_days):
            continue
        # Renamed first, so that a half-deleted directory is a leftover and never a release.
        aside = settings.releases / f".{candidate.release_id}.tmp-{os.getpid()}"
        candidate.path.rename(aside)
        shutil.rmtree(aside)
        deleted.append(candidate.release_id)
    return deleted


def record(settings: Settings, entries: dict[str, Withdrawal]) -> None:
    """Keep which releases are withdrawn."""
    text = json.dumps([vars(entries[name]) for name in sorted(entries)], indent=2) + "\n"
    write_atomically(settings.releases / WITHDRAWN, text.encode())
