"""The inbox: files that somebody drops into `inbox/<source_code>/` are loaded as editions.

A file is one edition; the files of a folder below (`inbox/<source_code>/<any name>/`) are one edition together. What
was loaded moves to `inbox/taken/<source_code>/`, what was refused to `inbox/refused/<source_code>/` with the reason
in a `.txt` beside it; nothing is deleted. The archive's gates apply. A file that is still being copied waits: one
whose name says so, and one that has changed within the last seconds.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.archive import write_atomically
from ingest.errors import IngestError, RemoteError
from ingest.lake import Edition
from ingest.settings import Settings
from ingest.source import discover
from orchestration import pipeline
from orchestration.errors import BusyError, RunError

TAKEN, REFUSED = "taken", "refused"
SETTLE_SECONDS = 10.0
_UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".download", ".filepart", "~")


@dataclass(frozen=True)
class Drop:
    """What somebody dropped: the source, the file or folder (relative to the inbox), and its state as a key.

    The key is made of names, sizes and times of change, so that a file that is dropped again has another one.
    """

    source_code: str
    name: str
    key: str
    is_settled: bool


def folder(settings: Settings) -> Path:
    """The inbox of an installation."""
    return settings.home / "inbox"


def scan(settings: Settings, *, now: float | None = None) -> list[Drop]:
    """What lies in the inbox, by source and name; drops that were changed within the last seconds are not settled."""
    root = folder(settings)
    at = datetime.now(UTC).timestamp() if now is None else now
    found = []
    for place in sorted(path for path in _entries(root) if path.is_dir() and path.name not in (TAKEN, REFUSED)):
        for entry in sorted(_entries(place)):
            state = [(path, path.stat()) for path in _files(entry)]
            if not state:
                continue
            lines = [f"{p.relative_to(root).as_posix()} {s.st_size} {s.st_mtime_ns}" for p, s in state]
            unfinished = any(path.name.endswith(_UNFINISHED) for path, _ in state)
            # A copy keeps the time of its original, but its own change of status tells when it was written.
            youngest = max(max(s.st_mtime, s.st_ctime) for _, s in state)
            found.append(
                Drop(
                    source_code=place.name,
                    name=entry.relative_to(root).as_posix(),
                    key=hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16],
                    is_settled=not unfinished and at - youngest >= SETTLE_SECONDS,
                )
            )
    return found


def prepare(settings: Settings) -> None:
    """Make the inbox with a folder for every source, so that whoever drops a file sees where."""
    root = folder(settings)
    for name in (*discover(), TAKEN, REFUSED):
        (root / name).mkdir(parents=True, exist_ok=True)


def take(settings: Settings, name: str) -> Edition | None:
    """Load a file or folder of the inbox (relative name) and move it away; returns the edition's record.

    None where it is there no more, since it was taken before. Raises the IngestError of a file that is refused, after
    it was moved with the reason; where another process holds the warehouse it stays in the inbox.
    """
    root = folder(settings)
    entry = root / name
    code = Path(name).parts[0]
    if not entry.resolve().is_relative_to(root.resolve()) or code in (TAKEN, REFUSED):
        raise RunError(f"{name} is no name in the inbox", remedy=f"Drop files into {root}/<source_code>/.")
    paths = list(_files(entry))
    if not paths:
        return None
    try:
        if code not in discover():
            near = difflib.get_close_matches(code, discover(), n=1)
            raise RunError(
                f"there is no source {code!r}",
                remedy=f"Drop it into the folder of its source{f', {near[0]} perhaps' if near else ''}.",
            )
        edition = pipeline.load_files(settings, code, paths, wait_seconds=pipeline.WAIT_SECONDS)
    except (BusyError, RemoteError):
        raise
    except IngestError as error:
        _move(root, entry, REFUSED, reason=error)
        raise
    _move(root, entry, TAKEN)
    return edition


def _entries(place: Path) -> list[Path]:
    """What lies in a folder, without hidden names; empty where there is no such folder."""
    return [path for path in place.iterdir() if not path.name.startswith(".")] if place.is_dir() else []


def _files(entry: Path) -> Iterator[Path]:
    if entry.is_file():
        yield entry
    elif entry.is_dir():
        yield from sorted(path for path in entry.rglob("*") if path.is_file() and not path.name.startswith("."))


def _move(root: Path, entry: Path, where: str, *, reason: IngestError | None = None) -> Path:
    """Move an entry to `taken` or `refused`, under its name with the time; a name that is there is not replaced."""
    place = root / where / entry.relative_to(root).parts[0]
    place.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = _free(place, f"{stamp}_{entry.name}")
    if reason is not None:
        # The reason comes first: whatever lies in the folder has one.
        problem = reason.text.removesuffix(reason.remedy).strip()
        text = f"{problem}\n\nWhat to do: {reason.remedy}\n"
        write_atomically(target.with_name(target.name + ".txt"), text.encode())
    os.rename(entry, target)  # noqa: PTH104 - a folder is renamed like a file
    return target


def _free(place: Path, name: str) -> Path:
    candidates: Sequence[Path] = [place / name, *(place / f"{number}_{name}" for number in range(2, 1000))]
    return next(path for path in candidates if not path.exists())
