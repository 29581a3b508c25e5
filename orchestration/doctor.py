"""What is wrong with an installation: each finding says what was looked at, how it is, and what to do.

Nothing is changed, and no library that takes seconds to import is needed, so that it works where others do not.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from ingest.errors import IngestError
from ingest.settings import PROJECT_ROOT, Settings

Level = Literal["fine", "note", "wrong"]
LOCK_FILE = PROJECT_ROOT / "requirements.lock"
_GIGABYTE = 1 << 30
_LEAST_PYTHON, _FIRST_UNTRIED = (3, 11), (3, 14)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_MACHINE_MEMORY = Path("/proc/meminfo")
_HISTORY_NOTE_BYTES = 2 * _GIGABYTE


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `wrong` keeps something from working, `note` is worth knowing."""

    level: Level
    subject: str
    told: str
    remedy: str = ""


def examine(settings: Settings | None = None, *, port: int = 3000) -> list[Finding]:
    """Everything that can be said of this installation, in the order in which it matters."""
    found = [_python(), *_packages()]
    try:
        here = settings or Settings.from_env()
    except IngestError as error:
        return [*found, Finding("wrong", "settings", error.problem, error.remedy)]
    examinations: list[Callable[[Settings], Iterator[Finding]]] = [
        _home,
        _disk,
        _memory,
        _locks,
        _lake,
        _work_file,
        _release,
        _remote,
        _sources,
        _quarantine,
        _dagster,
        _alerts,
    ]
    for look in examinations:
        try:
            found += look(here)
        except (IngestError, OSError, ImportError) as error:
            problem = error.problem if isinstance(error, IngestError) else f"{type(error).__name__}: {error}"
            remedy = error.remedy if isinstance(error, IngestError) else "Correct this first, then look again."
            found.append(Finding("wrong", look.__name__.strip("_").replace("_", " "), problem, remedy))
    return [*found, _port(port), *_optional()]


def _python() -> Finding:
    now = sys.version_info[:2]
    told = f"Python {sys.version.split()[0]}"
    if now < _LEAST_PYTHON:
        return Finding("wrong", "python", f"{told}; 3.11 or newer is needed", "make env PYTHON=/path/to/python3.11")
    if now >= _FIRST_UNTRIED:
        return Finding("note", "python", f"{told} is newer than what was tried (3.11 to 3.13)")
    return Finding("fine", "python", told)


def locked(text: str) -> dict[str, str]:
    """Versions by package of a lock file, of the lines that apply to this Python on this system."""
    from packaging.markers import InvalidMarker, Marker

    found = {}
    for match in re.finditer(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\\n]+))?", text, re.MULTILINE):
        name, number, marker = match.groups()
        try:
            applies = marker is None or Marker(marker.strip()).evaluate()
        except InvalidMarker:
            applies = False
        if applies:
            found[name] = number
    return found


def _packages() -> Iterator[Finding]:
    if not LOCK_FILE.exists():
        yield Finding("note", "packages", "requirements.lock is not beside the code, so versions are not compared")
        return
    wanted = locked(LOCK_FILE.read_text(encoding="utf-8"))
    absent, other = [], []
    for name, number in wanted.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            absent.append(name)
            continue
        if installed != number:
            other.append(f"{name} {installed} (locked: {number})")
    if absent:
        yield Finding("wrong", "packages", f"not installed: {_listed(absent)}", "make env")
    if other:
        yield Finding("wrong", "packages", f"another version than the locked one: {_listed(other)}", "make env")
    if not absent and not other:
        yield Finding("fine", "packages", f"all {len(wanted)} have the locked version")


def _home(settings: Settings) -> Iterator[Finding]:
    place = settings.home
    while not place.exists():
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            pass
    except OSError as error:
        yield Finding(
            "wrong",
            "home",
            f"{settings.home} cannot be written ({error.strerror})",
            "Give this user the right to write there, or set BIOPHARMA_HOME to another directory.",
        )
        return
    told = f"{settings.home} can be written" + ("" if settings.home.exists() else ", and is made by the first run")
    yield Finding("fine", "home", told)


def _disk(settings: Settings) -> Iterator[Finding]:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    told = f"{free / _GIGABYTE:,.1f} GB free at {place}"
    remedy = (
        "Free space, or keep fewer releases (BIOPHARMA_KEEP_RELEASES, BIOPHARMA_KEEP_DAYS); docs/operations.md says "
        "what grows."
    )
    if free < _GIGABYTE:
        yield Finding("wrong", "disk", f"{told}; a run needs about 1 GB", remedy)
    elif free < 5 * _GIGABYTE:
        yield Finding("note", "disk", told, remedy)
    else:
        yield Finding("fine", "disk", told)


def _memory(settings: Settings) -> Iterator[Finding]:
    limit = settings.memory_bytes
    if limit is None:
        yield Finding(
            "wrong",
            "memory",
            f"BIOPHARMA_MEMORY is {settings.memory_limit!r}",
            "Set it to a number with its unit, such as 4GB, or unset it.",
        )
        return
    if limit < _GIGABYTE:
        yield Finding(
            "note",
            "memory",
            f"DuckDB and Polars may use {settings.memory_limit} each; under 1GB large models spill to disk",
        )
    if not _MACHINE_MEMORY.exists():
        yield Finding("fine", "memory", f"DuckDB and Polars may use {settings.memory_limit} each")
        return
    whole = int(_MACHINE_MEMORY.read_text().split("MemTotal:")[1].split()[0]) * 1024
    told = f"DuckDB and Polars may use {settings.memory_limit} each of {whole / _GIGABYTE:,.1f} GB"
    if limit > 0.8 * whole:
        yield Finding("wrong", "memory", told, "Set BIOPHARMA_MEMORY to half of the machine's memory or less.")
    else:
        yield Finding("fine", "memory", told)


def _locks(settings: Settings) -> Iterator[Finding]:
    from orchestration.lock import held

    taken = [lock for lock in held(settings) if lock.is_held]
    for lock in taken:
        yield Finding(
            "note",
            "lock",
            f"{lock.name} is held: {lock.about}",
            "Wait for it; if that process hangs, end it by its number. The lock goes with it, and nothing is lost.",
        )
    if not taken:
        yield Finding("fine", "lock", "no run, load or fetch is under way")


def _lake(settings: Settings) -> Iterator[Finding]:
    from ingest.lake import Lake

    editions = Lake(settings.lake).editions()
    gone = [
        f"{edition.source_code} {edition.edition_id} ({load.file})"
        for edition in editions
        for load in edition.tables
        if not (settings.lake / load.file).exists()
    ]
    if gone:
        yield Finding(
            "wrong",
            "lake",
            f"committed files are gone: {_listed(gone)}",
            "biopharma run --force makes them anew from the archive and the bundled edition.",
        )
    elif not editions:
        yield Finding("note", "lake", "no edition is loaded yet", "biopharma run")
    else:
        rows = sum(edition.row_count for edition in editions)
        yield Finding("fine", "lake", f"{len(editions)} editions with {rows:,} rows, all of their files there")


def _work_file(settings: Settings) -> Iterator[Finding]:
    from orchestration import fingerprint, pipeline

    state = pipeline.read_state(settings)
    if state is None:
        yield Finding("fine", "work file", "none is left over")
    elif state.blocked:
        yield Finding("wrong", "work file", state.blocked, f"All results of the checks: {settings.work / 'checks'}.")
    elif missing := [gate for gate in pipeline.GATES if gate not in state.passed]:
        yield Finding(
            "note",
            "work file",
            f"the last run did not pass {', '.join(missing)}: it was stopped or failed",
            "biopharma run; the current release is untouched.",
        )
    elif state.as_of is None and fingerprint.of_inputs(settings) != state.fingerprint:
        yield Finding("note", "work file", "inputs have changed since the last run", "biopharma run")
    else:
        yield Finding("fine", "work file", "it is of the inputs as they are, and has passed every gate")


def _release(settings: Settings) -> Iterator[Finding]:
    from orchestration import release
    from orchestration.errors import ReleaseError

    now = release.current(settings)
    if now is None:
        remedy = "biopharma run" if not settings.releases.exists() else "biopharma rollback, or biopharma run --force"
        yield Finding("wrong", "release", "there is no current release", remedy)
        return
    try:
        release.verify(now.path)
    except ReleaseError as error:
        yield Finding("wrong", "release", f"release {now.release_id}: {error.problem}", "biopharma rollback")
        return
    yield Finding("fine", "release", f"release {now.release_id} is current and is what its manifest says")


def _remote(settings: Settings) -> Iterator[Finding]:
    if settings.remote is None:
        yield Finding("fine", "remote", "BIOPHARMA_REMOTE is not set: this disk is the home of the warehouse")
        return
    from ingest.remote import Remote
    from orchestration import release, remote

    place = Remote.of(settings)
    there, here = remote.current(place), release.current(settings)
    told = f"{place.url} answers; its current release is {there.release_id if there else 'none yet'}"
    if there is None:
        yield Finding("note", "remote", told, "biopharma run makes one and takes it there, if these keys may write.")
    elif here is not None and there != remote.published(here.path):
        told += f", and {here.release_id} is current here"
        yield Finding("note", "remote", told, "biopharma run brings both to one line.")
    else:
        yield Finding("fine", "remote", told)


def _sources(settings: Settings) -> Iterator[Finding]:
    from ingest.inventory import inventory

    states = inventory(settings)
    stale = [f"{s.source.code} ({s.age_days} days)" for s in states if s.freshness == "stale"]
    if stale:
        yield Finding(
            "note",
            "sources",
            f"{len(stale)} of {len(states)} are older than their freshness_days: {_listed(stale)}",
            "biopharma fetch SOURCE, or drop a newer file into the inbox; figures show their age.",
        )
    else:
        loaded = sum(state.edition_id is not None for state in states)
        yield Finding("fine", "sources", f"{loaded} of {len(states)} have an edition, none of them is stale")


def _quarantine(settings: Settings) -> Iterator[Finding]:
    from ingest import quarantine

    files = quarantine.files(settings)
    if files:
        codes = sorted({entry.source_code for entry in files})
        yield Finding("note", "quarantine", f"{len(files)} refused loads of {_listed(codes)}", "biopharma quarantine")
    else:
        yield Finding("fine", "quarantine", "no file was refused")


def _dagster(settings: Settings) -> Iterator[Finding]:
    variable = "BIOPHARMA_DAGSTER_POSTGRES"
    if address := os.environ.get(variable):
        if importlib.util.find_spec("psycopg2") is None:
            yield Finding("wrong", "dagster", "the driver psycopg2 is not installed", "make env")
            return
        import psycopg2  # type: ignore[import-untyped]

        try:
            psycopg2.connect(address, connect_timeout=5).close()
        except psycopg2.Error as error:
            # The address may hold a password: the driver's message does not repeat it.
            told = " ".join(str(error).split())[:200]
            yield Finding(
                "wrong", "dagster", f"PostgreSQL cannot be reached: {told}", f"Start it, or correct {variable}."
            )
            return
        yield Finding("fine", "dagster", "its history is in PostgreSQL, which answers")
        return
    if not (settings.dagster_home / "dagster.yaml").exists():
        yield Finding("note", "dagster", "it has no home yet", "biopharma run, ui or up makes it.")
        return
    size = sum(path.stat().st_size for path in settings.dagster_home.rglob("*") if path.is_file())
    told = f"its history in {settings.dagster_home} has {size / 1e6:,.0f} MB"
    if size > _HISTORY_NOTE_BYTES:
        yield Finding("note", "dagster", told, "The schedule `housekeeping` deletes old runs: biopharma up.")
    else:
        yield Finding("fine", "dagster", told)


def _alerts(settings: Settings) -> Iterator[Finding]:
    from orchestration.alerts import channels

    to = channels()
    named = [name for name, use in (("webhook", to.webhook), ("e-mail", to.smtp)) if use]
    if named:
        yield Finding("fine", "alerts", f"they go to the log and by {' and '.join(named)}")
    else:
        yield Finding(
            "note",
            "alerts",
            "they go to the log only",
            "Set BIOPHARMA_ALERT_WEBHOOK or BIOPHARMA_ALERT_EMAIL (docs/operations.md).",
        )


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    if taken:
        return Finding(
            "note",
            "port",
            f"something answers on 127.0.0.1:{port}",
            f"If it is not the Dagster UI of this installation: biopharma up --port {port + 1}.",
        )
    return Finding("fine", "port", f"127.0.0.1:{port} is free")


def _optional() -> Iterator[Finding]:
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    yield (
        Finding("fine", "browser", browser)
        if browser
        else Finding("note", "browser", "no Chromium: tests of pages are skipped", "apt-get install chromium")
    )
    server = shutil.which("postgres") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), None)
    yield (
        Finding("fine", "postgresql", server)
        if server
        else Finding("note", "postgresql", "no server here: its test is skipped", "apt-get install postgresql")
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
