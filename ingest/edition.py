"""The bundled edition: each source's share of canonical rows as reviewable CSV, shipped with the project.

A share is a folder `ingest/sources/<code>/edition/` with `edition.yml` and one `<table>.csv` per canonical
table. `edition.yml` lists the editions (id, partition, publication date, the publisher's files with their
SHA-256) and, per table, the columns that are constant, over all editions or within each; the CSV holds the
others. `file` (and `edition_id`, where a file name stands in several editions) in the CSV refers to
`edition.yml`, so that every row keeps the hash and the locator of the publisher's cell. In a large table `part` does
so instead: it names the file, what the locators of its rows begin with, and what all of them have in common.

A share is either compiled by our own parser from publishers' files (:func:`compile_edition`, deterministic) or
curated by hand, each row with its document, page or URL, and date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, cast

import polars as pl
import yaml

from ingest import lake, plain_yaml
from ingest.archive import sha256_of
from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError, SourceError
from ingest.source import SOURCES_DIR, Parsed, Source, SourceFile

_WORTH_PARTS = 50_000
# What a curated table may state beside its own columns.
_STATED = (
    *("locator", "document_url", "published_on", "status", "value_origin", "series_break", "publisher_flags", "note"),
    *("edition_id", "file"),
)
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
    if not source.has_bundled_edition:
        return []
    manifest = _manifest(source)
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


def parse_curated(source_code: str, files: Sequence[SourceFile]) -> Parsed:
    """Parse hand-curated tables: one `<table>.csv` per canonical table, in the layout of the bundled edition.

    This is the `parse` of every curated source. Columns that a file lacks are taken from the constants of the
    source's `edition.yml`; `locator` defaults to the line, `value_origin` to `transcribed`. Raises LayoutError
    for a file that is not named after a table of the source or holds a value of another type.
    """
    # Not `get`, which reads every description: a curated table does not depend on other sources.
    source = Source(SOURCES_DIR / source_code)
    manifest = _manifest(source)
    tables: dict[str, pl.DataFrame] = {}
    published: list[date] = []
    for file in files:
        _require_whole_text(file)
        table = file.name.removesuffix(".csv")
        if table not in source.spec.tables:
            raise LayoutError(
                "a curated file is named after its canonical table",
                file=file.name,
                remedy=f"Name it {' or '.join(name + '.csv' for name in source.spec.tables)}.",
            )
        constants = _constants(manifest, table)
        text = _read_text(file.path, file.name)
        frame = _typed(table, _curated(text, file.name), constants, file.name)
        _require_columns(table, text, constants, file.name)
        tables[table] = frame.drop("edition_id", strict=False).with_columns(pl.lit(file.sha256).alias("file_sha256"))
        if "published_on" in frame.columns and (newest := frame["published_on"].max()) is not None:
            published.append(cast(date, newest))
    rows = sum(frame.height for frame in tables.values())
    return Parsed(tables, rows_read=rows, published_on=max(published, default=None))


def _require_whole_text(file: SourceFile) -> None:
    """Raise LayoutError for text that is no UTF-8, holds zero bytes, is cut off, or has rows of uneven width."""
    content = file.path.read_bytes()
    try:
        content.decode("utf-8")
        problem = "the text holds zero bytes" if b"\x00" in content else ""
    except UnicodeDecodeError as error:
        problem = f"the text is not UTF-8 (byte {error.start + 1})"
    if problem:
        raise LayoutError(problem, file=file.name, remedy="Save it as UTF-8 with commas.")
    if not content.endswith(b"\n"):
        raise LayoutError(
            "the last line does not end", file=file.name, remedy="If the file is whole, end it with a line break."
        )
    require_even_rows(content, file.name)


def _require_columns(table: str, frame: pl.DataFrame, constants: dict[str, Any], name: str) -> None:
    """Raise LayoutError unless a curated table has the columns of its contract, lineage aside."""
    rules = lake.contract(table)
    known = {*rules.own_columns, *_STATED}
    needed = [
        column.name
        for column in rules.columns
        if column.name in rules.own_columns and not column.nullable and column.name not in constants
    ]
    unknown = [column for column in frame.columns if column not in known]
    missing = [column for column in needed if column not in frame.columns]
    if unknown or missing:
        problem = " and ".join(
            part
            for part in (
                f"lacks {', '.join(missing)}" if missing else "",
                f"has the unknown {', '.join(column or '(no name)' for column in unknown[:5])}" if unknown else "",
            )
            if part
        )
        raise LayoutError(
            f"the header {problem}",
            file=name,
            row=1,
            remedy=f"The columns are those of {table} in ingest/contracts.yml, each once.",
        )


def _manifest(source: Source) -> dict[str, Any]:
    path = source.edition_dir / "edition.yml"
    try:
        manifest: dict[str, Any] = plain_yaml.load(path.read_text(encoding="utf-8"))
        return manifest
    except (FileNotFoundError, yaml.YAMLError) as error:
        raise SourceError(
            f"edition.yml cannot be read ({error})", file=str(path), remedy="Add it; ingest/edition.py describes it."
        ) from error


def _constants(manifest: dict[str, Any], table: str) -> dict[str, Any]:
    constants: dict[str, Any] = (manifest.get("constants") or {}).get(table, {})
    return constants


def _read_text(path: Path, name: str) -> pl.DataFrame:
    try:
        header = pl.read_csv(path, n_rows=0, encoding="utf8").columns
        return pl.read_csv(path, schema_overrides=dict.fromkeys(header, pl.String), encoding="utf8")
    except pl.exceptions.PolarsError as error:
        raise LayoutError(
            f"the table cannot be read as CSV ({error})", file=name, remedy="Save it as UTF-8 with commas."
        ) from error


def _curated(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Add the defaults of a curated table: the line as locator, `transcribed` as origin."""
    if "locator" not in frame.columns:
        lines = pl.int_range(2, frame.height + 2).cast(pl.String)
        frame = frame.with_columns((pl.lit(f"{name} line ") + lines).alias("locator"))
    if "value_origin" not in frame.columns:
        frame = frame.with_columns(pl.lit("transcribed").alias("value_origin"))
    return frame


def _typed(table: str, frame: pl.DataFrame, constants: dict[str, Any], name: str) -> pl.DataFrame:
    """Add constants and the defaults of honesty columns, and turn text into the contract's types."""
    rules = lake.contract(table)
    added = {"status": "reported", "series_break": False, **constants}
    frame = frame.with_columns(pl.lit(value).alias(key) for key, value in added.items() if key not in frame.columns)
    for column in rules.columns:
        if column.name not in frame.columns or frame.schema[column.name] != pl.String:
            continue
        try:
            frame = frame.with_columns(_from_text(pl.col(column.name), column.type))
        except pl.exceptions.PolarsError as error:
            raise LayoutError(
                f"column {column.name} holds a value that is no {column.type} ({str(error).splitlines()[0]})",
                file=name,
                remedy="Correct the value.",
            ) from error
    return frame


def _read_table(source: Source, manifest: dict[str, Any], path: Path) -> pl.DataFrame:
    curated = bool(manifest.get("curated"))
    frame = _read_text(path, path.name)
    editions = pl.DataFrame(
        [
            {
                "edition_id": entry["edition_id"],
                "edition_partition": entry["partition"],
                "_published_on": entry["published_on"],
                "ingested_at": _midnight(entry["accessed_on"]),
                "file": file.get("key", file["name"]),
                "file_sha256": sha256_of(path) if curated else file["sha256"],
            }
            for entry in manifest["editions"]
            for file in ([{"name": path.name}] if curated else entry["files"])
        ]
    )
    if curated:
        frame = _curated(frame, path.name)
    frame = _with_parts(frame, (manifest.get("parts") or {}).get(path.stem), path)
    if "file" not in frame.columns:
        frame = frame.with_columns(pl.lit(editions["file"][0]).alias("file"))
    if "edition_id" not in frame.columns:
        owner = editions.unique("file", keep="first").select("file", "edition_id")
        frame = frame.join(owner, on="file", how="left", maintain_order="left")
    frame = _within_editions(path.stem, frame, manifest)
    frame = _typed(path.stem, frame, _constants(manifest, path.stem), path.name)
    joined = frame.join(editions, on=["edition_id", "file"], how="left", maintain_order="left")
    lost = joined.filter(pl.col("file_sha256").is_null())
    if lost.height:
        raise SourceError(
            f"{lost.height} rows refer to an edition or file that edition.yml does not list, "
            f"first {lost['edition_id'][0]} / {lost['file'][0]}",
            file=str(path),
            remedy="Compile the edition again, or correct the reference.",
        )
    stated = [pl.col("published_on")] if "published_on" in joined.columns else []
    return joined.with_columns(
        pl.lit(source.code).alias("source_code"),
        pl.coalesce(*stated, pl.col("_published_on")).alias("published_on"),
    ).drop("_published_on", "file")


def _with_parts(frame: pl.DataFrame, parts: dict[str, dict[str, Any]] | None, path: Path) -> pl.DataFrame:
    """Put back what the rows of a part have in common: file, beginning of the locator, constant texts."""
    if not parts:
        return frame
    known = pl.DataFrame(
        [
            {"part": key, "file": part.get("file"), "_prefix": part["locator"], **part.get("constants", {})}
            for key, part in parts.items()
        ],
        schema_overrides={"file": pl.String},
    )
    joined = frame.join(known, on="part", how="left", maintain_order="left")
    lost = joined.filter(pl.col("_prefix").is_null())
    if lost.height:
        raise SourceError(
            f"{lost.height} rows refer to a part that edition.yml does not list, first {lost['part'][0]}",
            file=str(path),
            remedy="Compile the edition again, or correct the reference.",
        )
    joined = joined.with_columns((pl.col("_prefix") + pl.col("locator")).alias("locator"))
    return joined.drop("part", "_prefix", *(["file"] if known["file"].null_count() == known.height else []))


def _within_editions(table: str, frame: pl.DataFrame, manifest: dict[str, Any]) -> pl.DataFrame:
    """Add the columns that are constant within each edition."""
    rows = [
        {"edition_id": entry["edition_id"], **_constants(entry, table)}
        for entry in manifest["editions"]
        if _constants(entry, table)
    ]
    if not rows:
        return frame
    types = {name: kind for name, kind in lake.contract(table).schema.items() if name in rows[0]}
    return frame.join(pl.DataFrame(rows, schema_overrides=types), on="edition_id", how="left", maintain_order="left")


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
    from ingest.load import conform_all, edition_id_of

    if source.spec.licence.redistribution == "never":
        raise SourceError(
            f"the licence of {source.code} forbids redistribution",
            remedy="Leave it out of the bundled edition.",
        )
    entries: list[dict[str, Any]] = []
    frames: dict[str, list[pl.DataFrame]] = {}
    for part in sorted(parts, key=lambda p: (p.parsed.partition, p.published_on)):
        hashes = [file.sha256 for file in part.files]
        edition_id = edition_id_of(part.parsed, part.published_on, hashes) + "+bundled"
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
    parts_by_table: dict[str, dict[str, dict[str, Any]]] = {}
    counts: dict[str, int] = {}
    for name, parts_of_table in sorted(frames.items()):
        rules = lake.contract(name)
        frame = pl.concat(parts_of_table).drop(_LINEAGE)
        frame = frame.sort(["edition_id", *rules.key], nulls_last=True, maintain_order=True)
        constants[name], frame = _split_constants(frame)
        frame = _short_file_names(_split_within_editions(name, frame, entries), entries)
        frame, found = _split_parts(frame)
        if found:
            parts_by_table[name] = found
        frame.write_csv(target / f"{name}.csv")
        counts[name] = frame.height
    manifest: dict[str, Any] = {"curated": False, "constants": constants, "editions": entries}
    if parts_by_table:
        manifest["parts"] = parts_by_table
    (target / "edition.yml").write_text(
        yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=110), encoding="utf-8"
    )
    return counts


def _short_file_names(frame: pl.DataFrame, entries: list[dict[str, Any]]) -> pl.DataFrame:
    """Refer to a file by its key in `edition.yml`, and not at all where the share rests on one file.

    Publishers' file names are long and would stand in every row; a share has to stay small enough to review.
    """
    keys: dict[str, str] = {}
    for entry in entries:
        for file in entry["files"]:
            keys.setdefault(file["name"], f"f{len(keys) + 1}")
            file["key"] = keys[file["name"]]
    if len(keys) == 1:
        return frame.drop("file")
    return frame.with_columns(pl.col("file").replace_strict(keys, return_dtype=pl.String))


def _split_parts(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, dict[str, Any]]]:
    """Write what the rows of one file and sheet have in common once, where that saves at least `_WORTH_PARTS` bytes.

    A part is a file and what its locators begin with, up to the first number.
    """
    prefix = frame["locator"].str.extract(r"^([^0-9]+)[0-9]")
    if prefix.null_count() or prefix.str.len_bytes().sum() < _WORTH_PARTS:
        return frame, {}
    by = ["file", "_prefix"] if "file" in frame.columns else ["_prefix"]
    frame = frame.with_columns(prefix.alias("_prefix"))
    groups = frame.partition_by(by, maintain_order=True)
    fixed = [
        name
        for name, kind in frame.schema.items()
        if kind == pl.String
        and name not in {"edition_id", "file", "locator", "_prefix"}
        and all(group[name].n_unique() == 1 and group[name][0] is not None for group in groups)
    ]
    parts: dict[str, dict[str, Any]] = {}
    for number, group in enumerate(groups, start=1):
        part: dict[str, Any] = {"file": group["file"][0]} if "file" in by else {}
        part["locator"] = group["_prefix"][0]
        if fixed:
            part["constants"] = {name: group[name][0] for name in fixed}
        parts[f"p{number}"] = part
    keys = pl.DataFrame(
        [{"part": key, "_prefix": part["locator"], "file": part.get("file")} for key, part in parts.items()],
        schema_overrides={"file": pl.String},
    ).select("part", *by)
    frame = frame.join(keys, on=by, how="left", maintain_order="left")
    frame = frame.with_columns(pl.col("locator").str.strip_prefix(pl.col("_prefix")))
    return frame.drop(*by, *fixed), parts


def _split_within_editions(table: str, frame: pl.DataFrame, entries: list[dict[str, Any]]) -> pl.DataFrame:
    """Move columns with one value in each edition to its entry; drop `edition_id` where `file` tells it."""
    names = [file["name"] for entry in entries for file in entry["files"]]
    if len(set(names)) != len(names):
        return frame
    within = {part["edition_id"][0]: part for part in frame.partition_by("edition_id", maintain_order=True)}
    fixed = [
        name
        for name in frame.columns
        if name not in {"edition_id", "file", "locator"}
        and all(part[name].n_unique() == 1 and part[name][0] is not None for part in within.values())
    ]
    for entry in entries:
        if fixed and entry["edition_id"] in within:
            part = within[entry["edition_id"]]
            entry.setdefault("constants", {})[table] = {name: part[name][0] for name in fixed}
    return frame.drop("edition_id", *fixed)


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
