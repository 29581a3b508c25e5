"""What is killed: small pieces of the pipeline that run in a process of their own."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

from ingest import load, workfile
from ingest.settings import Settings
from ingest.source import get
from orchestration import pipeline

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
