"""What is killed: small pieces of the pipeline that run in a process of their own."""

from __future__ import annotations

import csv
import os
import resource
import signal
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path

from ingest import archive, load, workfile
from ingest.errors import IngestError
from ingest.settings import Settings
from ingest.source import get
from orchestration import pipeline
from orchestration.errors import as_storage_error
from orchestration.lock import exclusive

MARK = "marts.mart_policy_claim_check"


def synthetic_rates(path: Path, number: int, days: int = 400) -> Path:
    """A synthetic file in the layout of the ECB's history of reference rates, another one for each number."""
    first = date(2012, 1, 2) + timedelta(days=number)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        rest = ["CHF", "GBP", "CNY", "KRW", "DKK", "SEK", "AUD", "CAD", "INR"]
        writer.writerow(["Date", "USD", "JPY", *rest, ""])
        for day in reversed(range(days)):
            when = first + timedelta(days=day)
            if when.weekday() < 5:
                writer.writerow([when.isoformat(), 1 + number / 1000, 100 + day / 10, *[1.1] * len(rest), ""])
    return path


def load_edition(settings: Settings, path: Path) -> None:
    """Archive, gate, parse and commit one file."""
    load.load_files(settings, get("ecb_fx"), [path], force=True)


def publish(settings: Settings, number: int) -> None:
    """Change every row of a mart to a mark of its own, and publish the work file as a new release."""
    connection = workfile.connect(settings.work_file, settings)
    connection.execute(f"update {MARK} set finding_en = 'publication {number}'")
    connection.close()
    pipeline.publish(settings, force=True)


def run(settings: Settings) -> None:
    """A whole run."""
    pipeline.run(settings, force=True)


# Attempts that a fault may stop ----------------------------------------------------------------------------------

DONE = "done"


def load_source(settings: Settings, code: str) -> None:
    """Bring a source's editions up to date, as every run does."""
    pipeline.load_source(settings, code)


def sha256(path: Path) -> str:
    """Hash of a file."""
    return archive.sha256_of(path)


def attempt(
    settings: Settings,
    path: Path,
    number: int,
    words: Path,
    *,
    file_kilobytes: int | None = None,
    user: int | None = None,
    clock_years: int | None = None,
    mark: bool = True,
) -> None:
    """Load a file and publish under a fault; writes what a user would be told, or that it is done."""
    if clock_years is not None:
        _set_clock(clock_years)
    if user is not None:
        # Once as who we are: the interpreter loads what it needs, which the other user may not be able to read.
        load.parse_files(get("ecb_fx"), load.in_hand(get("ecb_fx"), [path]))
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    if file_kilobytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_kilobytes * 1024, resource.RLIM_INFINITY))

    def work() -> None:
        with exclusive(settings, "a run"):
            pipeline.load_files(settings, "ecb_fx", [path], force=True)
            if mark:
                publish(settings, number)
            else:
                pipeline.publish(settings, force=True)

    _say(work, words)


def run_and_say(settings: Settings, words: Path) -> None:
    """A whole run; writes what a user would be told."""
    _say(lambda: run(settings), words)


def _say(work: Callable[[], None], words: Path) -> None:
    try:
        work()
        said = DONE
    except IngestError as error:
        said = f"{type(error).__name__}: {error.text}"
    except Exception as error:
        named = as_storage_error(error)
        said = f"{type(named).__name__}: {named.text}" if named else f"unnamed {type(error).__name__}: {error}"
    words.write_text(said, encoding="utf-8")


def _set_clock(years: int) -> None:
    """Shift what every module of the project takes for the present time."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(days=365 * years)

    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in {"ingest", "orchestration", "data_quality"} and hasattr(module, "datetime"):
            module.datetime = Shifted
