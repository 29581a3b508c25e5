"""What the tests of the R&D and rate sources share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from ingest import edition, gates, lake
from ingest.archive import sha256_of
from ingest.load import conform_all
from ingest.source import SOURCES_DIR, Parsed, Source, SourceFile


def source_of(code: str) -> Source:
    return Source(SOURCES_DIR / code)


def in_hand(path: Path, published_on: date | None = None) -> SourceFile:
    return SourceFile(path=path, name=path.name, sha256=sha256_of(path), published_on=published_on)


@dataclass
class Loaded:
    parsed: Parsed
    tables: dict[str, pl.DataFrame]
    rejected: pl.DataFrame
    dropped: dict[str, int]


def load(code: str, *paths: Path, published_on: date | None = None) -> Loaded:
    """Gate, parse and conform files as a live load does, without the lake."""
    source = source_of(code)
    files = [in_hand(path, published_on) for path in paths]
    for file in files:
        gates.check(source.spec, file)
    parsed = source.parse(files)
    tables, rejected, dropped = conform_all(
        source,
        parsed,
        edition_id="test",
        published_on=parsed.published_on or date(2026, 1, 1),
        ingested_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return Loaded(parsed, tables, rejected, dropped)


def bundled(code: str, table: str) -> pl.DataFrame:
    """The rows that a source contributes to a canonical table in the bundled edition."""
    parts = [
        lake.conform(table, part.tables[table]) for part in edition.read(source_of(code)) if table in part.tables
    ]
    assert not any(part.rejected.height for part in parts)
    return pl.concat(part.rows for part in parts)


def same_rows(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two frames hold the same rows, whatever their order and edition."""
    frames = [frame.drop("edition_id", "ingested_at") for frame in (one, other)]
    return frames[0].sort(pl.all()).equals(frames[1].sort(pl.all()))


def edited(path: Path, target: Path, *changes: tuple[str, str], name: str | None = None) -> Path:
    """A copy of a text file in the folder `target` in which each text was replaced once; it must occur."""
    text = path.read_bytes().decode("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    result = target / (name or path.name)
    result.write_bytes(text.encode("utf-8"))
    return result
