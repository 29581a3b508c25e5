"""The work file: a private DuckDB file in which expectations run and dbt builds.

It starts as a catalogue over the lake: schema `lake` has a view per canonical table over exactly the Parquet
files of committed editions, and the tables `source`, `edition`, `file_account` and `quarantine`; schema `vocabulary`
has the reviewed tables. dbt reads these relations and no file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from ingest import lake, vocabulary
from ingest.lake import Edition, Lake
from ingest.settings import Settings
from ingest.source import discover

_EDITION_SCHEMA = pl.Schema(
    {
        "source_code": pl.String(),
        "table_name": pl.String(),
        "edition_id": pl.String(),
        "edition_partition": pl.String(),
        "published_on": pl.Date(),
        "ingested_at": pl.Datetime("us", "UTC"),
        "is_bundled": pl.Boolean(),
        "file_count": pl.Int64(),
        "row_count": pl.Int64(),
        "rows_read": pl.Int64(),
        "rows_quarantined": pl.Int64(),
        "rows_dropped": pl.Int64(),
        "previous_row_count": pl.Int64(),
        "is_latest": pl.Boolean(),
        "gate_warnings": pl.String(),
    }
)

_ACCOUNT_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("source_code", "edition_id", "table_name", "file_sha256"), pl.String()),
        **dict.fromkeys(("rows_parsed", "rows_quarantined", "rows_dropped"), pl.Int64()),
    }
)

_SOURCE_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(
            ("source_code", "title", "publisher", "publisher_country", "description", "domain", "kind"), pl.String()
        ),
        **dict.fromkeys(("landing_page", "licence_name", "licence_url", "redistribution", "citation"), pl.String()),
        "cadence": pl.String(),
        "freshness_days": pl.Int64(),
        "caveats": pl.String(),
    }
)


def connect(path: Path, settings: Settings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with this installation's memory limit, threads and spill directory."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.memory_limit,
        "threads": settings.threads,
        "temp_directory": str(settings.work / "spill"),
        "preserve_insertion_order": False,
    }
    connection = duckdb.connect(str(path), read_only=read_only, config=config)
    connection.execute("set enable_progress_bar = false")
    return connection


def prepare(settings: Settings, *, as_of: date | None = None) -> Path:
    """Make the work file anew over the committed editions; returns its path.

    With `as_of`, editions published after that day are left out, so that what is built is what could have been
    built on it. For a public audience, so are editions of sources whose licence forbids passing figures on. Raises
    LakeError where a committed Parquet file is gone.
    """
    settings.work.mkdir(parents=True, exist_ok=True)
    path = settings.work_file
    for leftover in (path, path.with_suffix(".duckdb.wal")):
        leftover.unlink(missing_ok=True)
    connection = connect(path, settings)
    try:
        connection.execute("create schema lake")
        connection.execute("create schema vocabulary")
        _catalogue(connection, settings, lake.contracts(), as_of)
        _create_table(connection, "lake.source", source_frame())
        for name in vocabulary.tables():
            _create_table(connection, f"vocabulary.{name}", vocabulary.table(name))
    finally:
        connection.close()
    return path


def refresh(settings: Settings, tables: Collection[str], *, as_of: date | None = None) -> Path:
    """Bring canonical tables, editions and quarantine of a work file up to the committed editions; returns its path.

    What dbt has built from them stays as it is. Raises LakeError where a committed Parquet file is gone.
    """
    connection = connect(settings.work_file, settings)
    try:
        chosen = {name: rules for name, rules in lake.contracts().items() if name in tables}
        _catalogue(connection, settings, chosen, as_of)
    finally:
        connection.close()
    return settings.work_file


def editions_in(settings: Settings, *, as_of: date | None = None) -> list[Edition]:
    """The committed editions that a work file stands on."""
    held_back = restricted_sources() if settings.audience == "public" else frozenset[str]()
    return [
        e
        for e in Lake(settings.lake).editions()
        if (as_of is None or date.fromisoformat(e.published_on) <= as_of) and e.source_code not in held_back
    ]


def _catalogue(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    tables: Mapping[str, lake.Contract],
    as_of: date | None,
) -> None:
    """Views over the files of canonical tables, and the tables of editions and quarantine."""
    editions = editions_in(settings, as_of=as_of)
    for name, rules in tables.items():
        files = files_of(settings, editions, name)
        _create_view(connection, f"lake.{name}", files, rules)
    for name, frame in records(settings, editions).items():
        _create_table(connection, name, frame)


def editions_named(settings: Settings, names: Collection[str]) -> list[Edition]:
    """Commit records of the editions that are named, each by source code and edition id with a space between them."""
    return [e for e in Lake(settings.lake).editions() if f"{e.source_code} {e.edition_id}" in names]


def files_of(settings: Settings, editions: list[Edition], table_name: str) -> list[Path]:
    """The Parquet files that editions contributed to a canonical table; raises LakeError where one is gone."""
    return Lake(settings.lake).require(
        settings.lake / load.file for edition in editions for load in edition.tables if load.table_name == table_name
    )


def records(settings: Settings, editions: list[Edition]) -> dict[str, pl.DataFrame]:
    """The tables that say what has been loaded, by schema and name."""
    known = {edition.edition_id for edition in editions}
    return {
        "lake.edition": edition_frame(editions),
        "lake.file_account": account_frame(editions),
        "lake.quarantine": quarantine_frame(Lake(settings.lake), known),
    }


def restricted_sources() -> frozenset[str]:
    """Codes of the sources whose licence forbids passing their figures on."""
    return frozenset(code for code, source in discover().items() if source.spec.licence.redistribution == "never")


def edition_frame(editions: list[Edition]) -> pl.DataFrame:
    """One row per edition and canonical table.

    `previous_row_count` is the count of the edition before it in the same partition and of the same scope
    (bundled or full); `is_latest` marks the edition that staging takes: the last published, and of two published
    on one day the full one rather than the bundled extract. Where a live edition of the whole source (partition
    `all`) was published later than a part, or on its day, the part is not taken beside it.
    """
    rows = [
        {
            "source_code": e.source_code,
            "table_name": load.table_name,
            "edition_id": e.edition_id,
            "edition_partition": e.partition,
            "published_on": date.fromisoformat(e.published_on),
            "ingested_at": e.ingested_at,
            "is_bundled": e.is_bundled,
            "file_count": len(e.files),
            "row_count": load.row_count,
            "rows_read": e.rows_read,
            "rows_quarantined": e.rows_quarantined,
            "rows_dropped": sum(e.rows_dropped.values()),
            "gate_warnings": " | ".join(e.warnings) or None,
        }
        for e in editions
        for load in e.tables
    ]
    schema = {k: v for k, v in _EDITION_SCHEMA.items() if k not in ("previous_row_count", "is_latest")}
    schema["ingested_at"] = pl.String()
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("ingested_at").str.to_datetime(time_zone="UTC", time_unit="us")
    )
    part = ["source_code", "table_name", "edition_partition"]
    frame = frame.sort([*part, "published_on", pl.col("is_bundled").not_(), "ingested_at", "edition_id"])
    frame = frame.with_columns(
        pl.col("row_count").shift().over([*part, "is_bundled"]).alias("previous_row_count"),
        (pl.int_range(pl.len()).over(part) == pl.len().over(part) - 1).alias("is_latest"),
    )
    # A live edition of the whole source holds what its parts held up to its day (a history, and single days).
    whole = (pl.col("edition_partition") == "all") & ~pl.col("is_bundled")
    renewed_on = pl.col("published_on").filter(whole).max().over("source_code", "table_name")
    is_renewed = (pl.col("edition_partition") != "all") & (pl.col("published_on") <= renewed_on).fill_null(
        value=False
    )
    return frame.with_columns(pl.col("is_latest") & ~is_renewed).select(_EDITION_SCHEMA.names())


def account_frame(editions: list[Edition]) -> pl.DataFrame:
    """What became of the rows of each file: one row per edition, table and file."""
    rows = [
        {
            "source_code": edition.source_code,
            "edition_id": edition.edition_id,
            "table_name": account.table_name,
            "file_sha256": account.file_sha256,
            "rows_parsed": account.rows_parsed,
            "rows_quarantined": account.rows_quarantined,
            "rows_dropped": account.rows_dropped,
        }
        for edition in editions
        for account in edition.accounts
    ]
    return pl.DataFrame(rows, schema=_ACCOUNT_SCHEMA, orient="row")


def source_frame() -> pl.DataFrame:
    """One row per source: identity, licence, citation, cadence, caveats."""
    rows = [
        {
            "source_code": code,
            "title": spec.title,
            "publisher": spec.publisher,
            "publisher_country": spec.publisher_country,
            "description": spec.description,
            "domain": spec.domain,
            "kind": spec.kind,
            "landing_page": spec.landing_page,
            "licence_name": spec.licence.name,
            "licence_url": spec.licence.url,
            "redistribution": spec.licence.redistribution,
            "citation": spec.citation,
            "cadence": spec.cadence,
            "freshness_days": spec.freshness_days,
            "caveats": " | ".join(spec.caveats) or None,
        }
        for code, spec in ((code, source.spec) for code, source in discover().items())
    ]
    return pl.DataFrame(rows, schema=_SOURCE_SCHEMA, orient="row")


def quarantine_frame(store: Lake, edition_ids: set[str]) -> pl.DataFrame:
    """Rejected rows of the given editions: source, edition, table, file, locator, reason, raw row."""
    schema = {"source_code": pl.String(), "edition_id": pl.String(), **lake.REJECTED_SCHEMA}
    frames = [pl.read_parquet(path) for path in store.quarantine_files()]
    frame = pl.concat([pl.DataFrame(schema=schema), *frames])
    return frame.filter(pl.col("edition_id").is_in(list(edition_ids)))


def _create_view(connection: duckdb.DuckDBPyConnection, name: str, files: list[Path], rules: lake.Contract) -> None:
    if files:
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        body = f"select * from read_parquet([{listed}], hive_partitioning = false)"
    else:
        columns = ", ".join(f"cast(null as {column.sql_type}) as {column.name}" for column in rules.columns)
        body = f"select {columns} where false"
    connection.execute(f"create or replace view {name} as {body}")


def _create_table(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    connection.register("_frame", frame)
    connection.execute(f"create or replace table {name} as select * from _frame")
    connection.unregister("_frame")
