"""The bundled edition: each source's share of canonical rows as reviewable CSV, shipped with the project.

A share is a folder `ingest/sources/<code>/edition/` with `edition.yml` and one `<table>.csv` per canonical
table. `edition.yml` lists the editions (id, partition, publication date, the publisher's files with their
SHA-256) and, per table, the columns that are constant; the CSV holds the others. `edition_id` and `file` in
the CSV refer to `edition.yml`, so that every row keeps the hash and the locator of the publisher's cell.

A share is either compiled by our own parser from publishers' files (:func:`compile_edition`, deterministic) or
curated by hand, each row with its document, page or URL, and date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from ingest import lake
from ingest.archive import sha256_of
from ingest.errors import SourceError
from ingest.source import Parsed, Source, SourceFile

_LINEAGE = ("source_code", "edition_partition", "published_on", "ingested_at", "file_sha256")


@dataclass
class BundledEdition:
    """One edition of a share, with its rows completed to the contract's columns."""

    edition_id: str
    partition: str
    published_on: date
    ingested_at: datetime
    files: list[dict[str, Any]]
    tables: dict[str, pl.DataFrame]

    @property
    def row_count(self) -> int:
        """Rows over all tables."""
        return sum(frame.height for frame in self.tables.values())


def read(source: Source) -> list[BundledEdition]:
    """The editions of a source's share; empty if the source contributes none.

    Raises SourceError where `edition.yml` or a CSV is malformed, or a row refers to an edition or file that
    `edition.yml` does not list.
    """
    manifest_path = source.edition_dir / "edition.yml"
    if not manifest_path.exists():
        return []
    manifest: dict[str, Any] = yaml.safe_load(manifest_path.read_text(encoding="utf-8"))
    frames = {path.stem: _read_table(source, manifest, path) for path in sorted(source.edition_dir.glob("*.csv"))}
    unknown = set(frames) - set(source.spec.tables)
    if unknown:
        raise SourceError(
            f"the bundled edition holds {', '.join(sorted(unknown))}, which source.yml does not name",
            file=str(source.edition_dir),
            remedy="Add the table to source.yml or remove the file.",
        )
    result = []
    for entry in manifest["editions"]:
        rows = {name: frame.filter(pl.col("edition_id") == entry["edition_id"]) for name, frame in frames.items()}
        result.append(
            BundledEdition(
                edition_id=entry["edition_id"],
                partition=entry["partition"],
                published_on=entry["published_on"],
                ingested_at=_midnight(entry["accessed_on"]),
                files=entry["files"],
                tables={name: frame for name, frame in rows.items() if frame.height},
            )
        )
    return result


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _read_table(source: Source, manifest: dict[str, Any], path: Path) -> pl.DataFrame:
    rules = lake.contract(path.stem)
    header = pl.read_csv(path, n_rows=0).columns
    constants: dict[str, Any] = manifest.get("constants", {}).get(path.stem, {})
    frame = pl.read_csv(path, schema_overrides=dict.fromkeys(header, pl.String))
    curated = bool(manifest.get("curated"))
    editions = pl.DataFrame(
        [
            {
                "edition_id": entry["edition_id"],
                "edition_partition": entry["partition"],
                "_published_on": entry["published_on"],
                "ingested_at": _midnight(entry["accessed_on"]),
                "file": file["name"],
                "file_sha256": sha256_of(path) if curated else file["sha256"],
            }
            for entry in manifest["editions"]
            for file in (entry["files"] if not curated else [{"name": path.name}])
        ]
    )
    if curated and "edition_id" not in frame.columns:
        frame = frame.with_columns(pl.lit(manifest["editions"][0]["edition_id"]).alias("edition_id"))
    if "file" not in frame.columns:
        frame = frame.with_columns(pl.lit(editions["file"][0]).alias("file"))
    joined = frame.join(editions, on=["edition_id", "file"], how="left", maintain_order="left")
    lost = joined.filter(pl.col("file_sha256").is_null())
    if lost.height:
        raise SourceError(
            f"{lost.height} rows refer to an edition or file that edition.yml does not list, "
            f"first {lost['edition_id'][0]} / {lost['file'][0]}",
            file=str(path),
            remedy="Compile the edition again, or correct the reference.",
        )
    published = (
        pl.coalesce(pl.col("published_on").cast(pl.Date, strict=False), pl.col("_published_on"))
        if "published_on" in joined.columns
        else pl.col("_published_on")
    )
    added: dict[str, Any] = {"source_code": source.code, **constants}
    if curated and "locator" not in frame.columns:
        joined = joined.with_row_index("_row", offset=2).with_columns(
            pl.format(path.name + " line {}", "_row").alias("locator")
        )
        joined = joined.drop("_row")
    if curated:
        added.setdefault("value_origin", "transcribed")
    for name, value in {"status": "reported", "series_break": False}.items():
        added.setdefault(name, value)
    joined = joined.with_columns(
        published.alias("published_on"),
        *(pl.lit(value).alias(name) for name, value in added.items() if name not in joined.columns),
    ).drop("_published_on", "file")
    try:
        return joined.with_columns(
            _from_text(pl.col(column.name), column.type)
            for column in rules.columns
            if column.name in joined.columns and joined.schema[column.name] == pl.String
        )
    except pl.exceptions.PolarsError as error:
        raise SourceError(
            f"a value cannot be read as the contract's type: {error}",
            file=str(path),
            remedy="Correct the value in the CSV.",
        ) from error


def _from_text(value: pl.Expr, kind: str) -> pl.Expr:
    match kind:
        case "string":
            return value
        case "date":
            return value.str.to_date("%Y-%m-%d")
        case "boolean":
            return value.replace_strict({"true": True, "false": False}, return_dtype=pl.Boolean)
        case "int64":
            return value.cast(pl.Int64)
        case "float64":
            return value.cast(pl.Float64)
        case _:
            return value.str.to_datetime(time_zone="UTC")


@dataclass(frozen=True)
class CompiledPart:
    """One edition to be compiled: its files, what parsing them gave, and when they were published and read."""

    files: Sequence[SourceFile]
    parsed: Parsed
    published_on: date
    accessed_on: date


def compile_edition(source: Source, parts: Sequence[CompiledPart], target: Path) -> dict[str, int]:
    """Write a source's share of the bundled edition from parsed files; returns rows by table.

    Deterministic: rows are sorted by key, and neither the clock nor the machine enters the output.
    """
    from ingest.load import conform_all, make_edition_id

    if source.spec.licence.redistribution == "never":
        raise SourceError(
            f"the licence of {source.code} forbids redistribution",
            remedy="Leave it out of the bundled edition.",
        )
    entries: list[dict[str, Any]] = []
    frames: dict[str, list[pl.DataFrame]] = {}
    for part in sorted(parts, key=lambda p: (p.parsed.partition, p.published_on)):
        hashes = [file.sha256 for file in part.files]
        edition_id = make_edition_id(part.published_on, hashes) + "+bundled"
        tables, rejected, _ = conform_all(
            source,
            part.parsed,
            edition_id=edition_id,
            published_on=part.published_on,
            ingested_at=_midnight(part.accessed_on),
        )
        if rejected.height:
            raise SourceError(
                f"{rejected.height} rows were rejected, first: {rejected['reason'][0]} ({rejected['locator'][0]})",
                remedy="Correct the parser before compiling the edition.",
            )
        names = {file.sha256: file.name for file in part.files}
        for name, frame in source.trim(tables).items():
            if frame.height:
                frames.setdefault(name, []).append(
                    frame.with_columns(
                        pl.col("file_sha256").replace_strict(names, return_dtype=pl.String).alias("file")
                    )
                )
        entries.append(
            {
                "edition_id": edition_id,
                "partition": part.parsed.partition,
                "published_on": part.published_on,
                "accessed_on": part.accessed_on,
                "files": [
                    {"name": f.name, "sha256": f.sha256, **({"url": f.url} if f.url else {})}
                    for f in sorted(part.files, key=lambda f: f.name)
                ],
            }
        )
    target.mkdir(parents=True, exist_ok=True)
    constants: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    for name, parts_of_table in sorted(frames.items()):
        rules = lake.contract(name)
        frame = pl.concat(parts_of_table).drop(_LINEAGE)
        frame = frame.sort(["edition_id", *rules.key], nulls_last=True, maintain_order=True)
        constants[name], frame = _split_constants(frame)
        frame.write_csv(target / f"{name}.csv")
        counts[name] = frame.height
    manifest = {"curated": False, "constants": constants, "editions": entries}
    (target / "edition.yml").write_text(
        yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=110), encoding="utf-8"
    )
    return counts


def _split_constants(frame: pl.DataFrame) -> tuple[dict[str, Any], pl.DataFrame]:
    """Move columns with one value to a map and drop empty ones; references and locators always stay."""
    constants: dict[str, Any] = {}
    for name in frame.columns:
        if name in {"edition_id", "file", "locator"} or frame[name].n_unique() != 1:
            continue
        value = frame[name][0]
        if value is not None:
            constants[name] = value
        frame = frame.drop(name)
    return constants, frame
