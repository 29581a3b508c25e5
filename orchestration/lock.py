"""One run at a time: a lock over an installation that dies with the process that holds it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ingest.archive import write_atomically
from ingest.settings import Settings
from orchestration.errors import BusyError


@contextmanager
def exclusive(settings: Settings, purpose: str, *, name: str = "run", wait_seconds: float = 0) -> Iterator[None]:
    """Hold the installation for `purpose`; raises BusyError if another process holds it, after `wait_seconds`.

    Other names than `run` are locks of their own, over a part of the installation (the downloads of one source).

    The operating system drops the lock when its process ends, however it ends. Within one process the lock may
    be taken again, so that a run can hold it around steps that each take it.
    """
    folder = settings.home if name == "run" else settings.home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    # A singleton per path that is not bound to a thread: steps may run in another thread than the run.
    lock = FileLock(folder / f"{name}.lock", is_singleton=True, thread_local=False)
    holder = folder / f"{name}.json"
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise BusyError(
            f"another process holds the warehouse: {_describe(holder)}",
            remedy="Wait until it ends; readers are not affected, and nothing was changed.",
        ) from None
    try:
        if lock.lock_counter == 1:
            write_atomically(holder, json.dumps(_about(purpose)).encode())
        yield
    finally:
        if lock.lock_counter == 1:
            holder.unlink(missing_ok=True)
        lock.release()


def _about(purpose: str) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "pid": os.getpid(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _describe(holder: Path) -> str:
    try:
        about = json.loads(holder.read_text(encoding="utf-8"))
        return f"{about['purpose']} by process {about['pid']} (`{about['command']}`) since {about['since']}"
    except (OSError, ValueError, KeyError):
        return "it has just started or is about to end"


@dataclass(frozen=True)
class Lock:
    """A lock of an installation: its name, whether a process holds it, and what is known of the holder."""

    name: str
    is_held: bool
    about: str


def held(settings: Settings) -> list[Lock]:
    """The locks of an installation as they are; a lock that no process holds is taken for an instant."""
    found = []
    for path in [settings.home / "run.lock", *sorted((settings.home / "locks").glob("*.lock"))]:
        if not path.exists():
            continue
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            found.append(Lock(path.stem, True, _describe(path.with_suffix(".json"))))
        else:
            lock.release()
            found.append(Lock(path.stem, False, ""))
    return found
