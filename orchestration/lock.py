"""One run at a time: a lock over an installation that dies with the process that holds it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ingest.archive import write_atomically
from ingest.settings import Settings
from orchestration.errors import BusyError


@contextmanager
def exclusive(settings: Settings, purpose: str) -> Iterator[None]:
    """Hold the installation for `purpose`; raises BusyError at once if another process holds it.

    The operating system drops the lock when its process ends, however it ends. Within one process the lock may
    be taken again, so that a run can hold it around steps that each take it.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    # A singleton per path that is not bound to a thread: steps may run in another thread than the run.
    lock = FileLock(settings.home / "run.lock", is_singleton=True, thread_local=False)
    holder = settings.home / "run.json"
    try:
        lock.acquire(timeout=0)
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
