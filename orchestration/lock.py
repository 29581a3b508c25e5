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

_STEP = "step."
_PROBE_SECONDS = 10


@contextmanager
def exclusive(
    settings: Settings, purpose: str, *, name: str = "run", wait_seconds: float = 0, run_id: str | None = None
) -> Iterator[None]:
    """Hold the installation for `purpose`; raises BusyError if another process holds it, after `wait_seconds`.

    Other names than `run` are locks of their own, over a part of the installation (the downloads of one source).
    With `run_id` it is held for that run, and processes that the run starts may work in it (`step_of`).

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
            if name == "run":
                _require_no_step(settings)
            write_atomically(holder, json.dumps(_about(purpose, run_id)).encode())
        yield
    finally:
        if lock.lock_counter == 1:
            holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def step_of(settings: Settings, run_id: str) -> Iterator[bool]:
    """Work in the installation as a process of the run that holds it; or hold it, where no run does on its behalf.

    Yields whether a run holds it on its behalf.

    The processes of a run may outlive the one that started them, where that one is killed. Each holds a lock of its
    own, and nobody gets the installation as long as one of them is at work. Raises BusyError where another run holds
    the installation, or this one no longer does.
    """
    if _held_for(settings) != run_id:
        with exclusive(settings, "a Dagster run"):
            yield False
        return
    lock = FileLock(settings.home / "locks" / f"{_STEP}{run_id}.{os.getpid()}.lock")
    holder = Path(lock.lock_file).with_suffix(".json")
    lock.acquire(timeout=_PROBE_SECONDS)
    try:
        write_atomically(holder, json.dumps(_about("a step of a Dagster run", run_id)).encode())
        if _held_for(settings) != run_id or not _is_held(settings.home / "run.lock"):
            raise BusyError(
                "the run that this step belongs to has ended", remedy="Start the run again; nothing was changed."
            )
        yield True
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _require_no_step(settings: Settings) -> None:
    """Raise BusyError while a process of a run that was killed is still at work; clear up what dead ones left."""
    for path in sorted((settings.home / "locks").glob(f"{_STEP}*.lock")):
        if _is_held(path):
            raise BusyError(
                f"another process holds the warehouse: {_describe(path.with_suffix('.json'))}",
                remedy="Its run was killed. Wait until it ends; readers are not affected, and nothing was changed.",
            )
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _held_for(settings: Settings) -> str | None:
    """Id of the run that the installation is held for, by what its holder has written; None where there is none."""
    try:
        about = json.loads((settings.home / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    run_id = about.get("run_id")
    return None if run_id is None else str(run_id)


def _is_held(path: Path) -> bool:
    """Whether a process holds a lock; one that no process holds is taken for an instant."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _about(purpose: str, run_id: str | None = None) -> dict[str, Any]:
    return {
        **({"run_id": run_id} if run_id else {}),
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
        if path.exists():
            is_held = _is_held(path)
            found.append(Lock(path.stem, is_held, _describe(path.with_suffix(".json")) if is_held else ""))
    return found
