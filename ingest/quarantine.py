"""What could not be taken: whole files that failed, and rows of committed editions that were left out.

Files lie in `<home>/quarantine/<source>/<id>/` with `reason.json`; rows in the lake beside their edition. Nothing is
deleted by itself: after a correction of the parser, the vocabulary or the file, what is there is loaded again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ingest import lake, load
from ingest.errors import IngestError, LakeError, SourceError
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.source import get

_REASON = "reason.json"


@dataclass(frozen=True)
class Held:
    """Files of one load that failed whole. `quarantine_id` is `<source>/<folder>`."""

    quarantine_id: str
    source_code: str
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    reason: str
    quarantined_at: str
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What became of files or rows that were loaded again; `error` is the reason where they are refused still."""

    source_code: str
    names: str
    row_count: int = 0
    error: str | None = None


def files(settings: Settings, source_code: str | None = None) -> list[Held]:
    """Quarantined files, oldest first, of one source or all. Raises LakeError for an unreadable record."""
    found = []
    for path in settings.quarantine.glob(f"{source_code or '*'}/*/{_REASON}"):
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found.append(
                Held(
                    quarantine_id=f"{path.parent.parent.name}/{path.parent.name}",
                    source_code=record["source_code"],
                    names=tuple(record["files"]),
                    paths=tuple(sorted(p for p in path.parent.iterdir() if p.name != _REASON)),
                    reason=record["reason"],
                    quarantined_at=record["quarantined_at"],
                    folder=path.parent,
                )
            )
        except (OSError, ValueError, KeyError) as error:
            raise LakeError(
                f"the record of a quarantined file cannot be read ({error})",
                file=str(path),
                remedy="Correct it, or delete its folder if the publisher still has the file.",
            ) from error
    return sorted(found, key=lambda held: (held.quarantined_at, held.quarantine_id))


def rows(settings: Settings, source_code: str | None = None) -> pl.DataFrame:
    """Quarantined rows of committed editions, counted.

    Columns: source_code, edition_id, table_name, reason, rows, first_locator, first_raw (the row as it was read).
    """
    schema = {"source_code": pl.String(), "edition_id": pl.String(), **lake.REJECTED_SCHEMA}
    frames = [pl.read_parquet(path) for path in Lake(settings.lake).quarantine_files()]
    frame = pl.concat([pl.DataFrame(schema=schema), *frames])
    if source_code is not None:
        frame = frame.filter(pl.col("source_code") == source_code)
    keys = ["source_code", "edition_id", "table_name", "reason"]
    return (
        frame.group_by(keys)
        .agg(
            pl.len().alias("rows"),
            pl.col("locator").first().alias("first_locator"),
            pl.col("raw").first().alias("first_raw"),
        )
        .sort(keys, nulls_last=True)
    )


def replay(settings: Settings, source_code: str | None = None) -> Iterator[Outcome]:
    """Load again what is in quarantine; yields what became of it. What can be read now leaves the quarantine."""
    for held in files(settings, source_code):
        names = ", ".join(held.names)
        try:
            edition = load.load_files(settings, get(held.source_code), held.paths)
        except IngestError as error:
            yield Outcome(held.source_code, names, error=error.text)
            continue
        shutil.rmtree(held.folder)
        yield Outcome(held.source_code, names, edition.row_count)
    counted = rows(settings, source_code)
    for code in counted["source_code"].unique().sort():
        before = int(counted.filter(pl.col("source_code") == code)["rows"].sum())
        try:
            load.load_all(settings, get(code), force=True)
        except IngestError as error:
            yield Outcome(code, "rows of committed editions", error=error.text)
            continue
        yield Outcome(code, "rows of committed editions", before - int(rows(settings, code)["rows"].sum()))


def discard(settings: Settings, quarantine_id: str) -> None:
    """Delete quarantined files by their id; raises SourceError where there are none."""
    for held in files(settings):
        if held.quarantine_id == quarantine_id:
            shutil.rmtree(held.folder)
            return
    raise SourceError(f"there is no {quarantine_id} in quarantine", remedy="See what there is: biopharma quarantine.")
