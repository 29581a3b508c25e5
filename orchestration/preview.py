"""What stands in a relation, in short: rows, last data year, columns, licences and a few rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import duckdb

from ingest import lake, workfile
from ingest.lake import Edition
from ingest.settings import Settings
from orchestration.text import markdown_table

_YEARS = ("last_data_year", "data_year", "year", "fiscal_year")
_DATES = ("period_start", "period_end", "listed_on", "deal_on", "published_on")
_ROWS = 5


@dataclass(frozen=True)
class Column:
    """A column as it stands in the work file."""

    name: str
    type: str
    description: str | None


@dataclass(frozen=True)
class Summary:
    """A relation in short; `last_data_year` is None where no column says what its rows are about."""

    row_count: int
    last_data_year: int | None
    columns: list[Column]
    licences: list[str]
    preview: str


def of_relations(settings: Settings, schemas: Collection[str]) -> dict[tuple[str, str], Summary]:
    """Summaries of all tables and views of some schemas of the work file, by schema and name."""
    connection = workfile.connect(settings.work_file, settings, read_only=True)
    try:
        columns: dict[tuple[str, str], list[Column]] = {}
        for schema, table, name, kind, comment in connection.execute(
            "select schema_name, table_name, column_name, data_type, comment from duckdb_columns() "
            "where list_contains(?, schema_name) order by schema_name, table_name, column_index",
            [list(schemas)],
        ).fetchall():
            columns.setdefault((schema, table), []).append(Column(name, kind, comment))
        licence_rows = connection.execute("select source_code, licence_name from lake.source").fetchall()
        licences: dict[str, str] = dict(licence_rows)
        return {key: _summary(connection, ".".join(key), found, licences) for key, found in columns.items()}
    finally:
        connection.close()


@contextmanager
def reader(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory, to read editions with; opening one costs more than reading those of a small source."""
    connection = duckdb.connect(config={"memory_limit": settings.memory_limit, "threads": settings.threads})
    try:
        yield connection
    finally:
        connection.close()


def of_editions(
    settings: Settings, editions: Sequence[Edition], *, with_reader: duckdb.DuckDBPyConnection | None = None
) -> Summary:
    """Summary of what a source's editions hold; the preview is of the first table of the last published one.

    `with_reader` is a connection that `reader` has opened; without it one is opened for this summary.
    """
    files: dict[str, list[str]] = {}
    for edition in sorted(editions, key=lambda e: (e.published_on, e.edition_id), reverse=True):
        for load in edition.tables:
            files.setdefault(load.table_name, []).append(str(settings.lake / load.file))
    summaries = []
    with nullcontext(with_reader) if with_reader else reader(settings) as connection:
        for name in sorted(files):
            relation = connection.read_parquet(files[name], hive_partitioning=False)
            described = {column.name: column.description for column in lake.contract(name).columns}
            found = [
                Column(c, str(t), described.get(c)) for c, t in zip(relation.columns, relation.types, strict=True)
            ]
            relation.create_view(name)
            summaries.append(_summary(connection, name, found, {}))
    years = [summary.last_data_year for summary in summaries if summary.last_data_year is not None]
    return Summary(
        row_count=sum(summary.row_count for summary in summaries),
        last_data_year=max(years, default=None),
        columns=summaries[0].columns if summaries else [],
        licences=[],
        preview="\n\n".join(summary.preview for summary in summaries[:1]),
    )


def _summary(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: list[Column], licences: dict[str, str]
) -> Summary:
    names = [column.name for column in columns]
    year = next((name for name in _YEARS if name in names), None)
    dates = [name for name in _DATES if name in names]
    last = f"max({year})" if year else f"max(year(coalesce({', '.join(dates)})))" if dates else "null"
    sources = (
        "list(distinct source_code)"
        if "source_code" in names
        else "list_distinct(flatten(list(string_split(source_codes, ','))))"
        if "source_codes" in names
        else "[]"
    )
    row_count, last_year, codes = connection.execute(
        f"select count(*), {last}, {sources} from {relation}"
    ).fetchall()[0]
    rows = connection.execute(f"select * from {relation} limit {_ROWS}").fetchall()
    return Summary(
        row_count=row_count,
        last_data_year=int(last_year) if last_year is not None else None,
        columns=columns,
        licences=sorted({licences[code] for code in codes or [] if code in licences}),
        preview=markdown_table(names, rows),
    )
