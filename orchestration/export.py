"""A published table as a file for other tools, with what it is beside it.

A text that a spreadsheet would take for a formula is written as text: in CSV with an apostrophe before it, as
spreadsheets themselves write it; in Excel as a cell of type text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import duckdb
import polars as pl

from orchestration import reader
from orchestration.errors import RunError

Form = Literal["csv", "xlsx", "parquet"]

# Characters at which spreadsheets begin to read a formula, also behind a tab or a line break.
_FORMULA = r"^[=+\-@\t\r\n]"
_EXCEL_ROWS = 1_048_576 - 1


@dataclass(frozen=True)
class Exported:
    """What was written: the table's file, the description beside it (None in a workbook, which holds it), rows."""

    path: Path
    about: Path | None
    row_count: int


def export(directory: Path, table: str, form: Form, target: Path) -> Exported:
    """Write a table of the release in `directory` to `target`; returns what was written.

    `table` is a mart, or `schema.table` of any published table. A workbook has further sheets on the columns, the
    definitions, the sources and the release; CSV and Parquet have a JSON file of the same content beside them, and
    Parquet holds it in its metadata too. Raises RunError where there is no such table, or it has more rows than a
    sheet holds.
    """
    with reader.open_release(directory) as connection:
        schema, _, name = table.rpartition(".")
        schema = schema or "marts"
        found = connection.execute(
            "select description from catalog.tables where schema_name = ? and table_name = ?", [schema, name]
        ).fetchall()
        if not found:
            raise RunError(
                f"there is no table {schema}.{name}",
                remedy="See what there is: biopharma describe, or biopharma describe SCHEMA.",
            )
        frame = fetched(connection, f'select * from "{schema}"."{name}"')
        columns = fetched(
            connection,
            "select column_name, data_type, unit, description from catalog.columns "
            "where schema_name = ? and table_name = ? order by position",
            [schema, name],
        )
        codes = _source_codes(frame)
        sources = fetched(
            connection,
            "select source_code, publisher, title, licence_name, licence_url, redistribution, citation "
            "from catalog.sources where list_contains(?, source_code) order by 1",
            [codes],
        )
        definitions = _definitions(connection, frame)
        made, fingerprint = connection.execute("select created_at, fingerprint from catalog.release").fetchall()[0]
    about = {
        "table": f"{schema}.{name}",
        "description": found[0][0],
        "release": directory.name,
        "release_made": made.isoformat(),
        "release_fingerprint": fingerprint,
        "columns": columns.to_dicts(),
        "definitions": definitions.to_dicts(),
        "sources": sources.to_dicts(),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    if form == "xlsx":
        _write_workbook(frame, {"columns": columns, "definitions": definitions, "sources": sources}, about, target)
        return Exported(target, None, frame.height)
    if form == "csv":
        neutral(frame).write_csv(target)
    else:
        # Readers of Parquet that show a file's metadata have it without the file beside it.
        frame.write_parquet(target, metadata={"about": json.dumps(about, ensure_ascii=False)})
    beside = target.with_name(target.name + ".about.json")
    beside.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Exported(target, beside, frame.height)


def neutral(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows with an apostrophe before every text that a spreadsheet would take for a formula."""
    text = pl.col(pl.String)
    return frame.with_columns(
        pl.when(text.str.contains(_FORMULA)).then(pl.lit("'") + text).otherwise(text).name.keep()
    )


def fetched(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
    """What a query returns, with DuckDB's types as Polars' own."""
    return cast(pl.DataFrame, pl.from_arrow(connection.sql(query, params=list(parameters)).to_arrow_table()))


def _source_codes(frame: pl.DataFrame) -> list[str]:
    return _listed(frame, ("source_codes", "source_code"))


def _definitions(connection: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> pl.DataFrame:
    """The definitions that the rows name: id, title, sentence, author and where it is written down."""
    ids = _listed(frame, ("definition_ids",))
    query = "select definition_id, title, sentence, author, source_url from vocabulary.definition "
    return fetched(connection, query + "where list_contains(?::varchar[], definition_id) order by 1", [ids])


def _listed(frame: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """Values of the first of some columns that there is; a cell may hold several, separated by commas."""
    for name in names:
        if name in frame.columns:
            return frame[name].drop_nulls().str.split(",").explode().str.strip_chars().unique().sort().to_list()
    return []


def _write_workbook(
    frame: pl.DataFrame, sheets: Mapping[str, pl.DataFrame], about: dict[str, object], target: Path
) -> None:
    if frame.height > _EXCEL_ROWS:
        raise RunError(
            f"{frame.height:,} rows do not fit on a sheet, which holds {_EXCEL_ROWS:,}",
            remedy="Export it as csv or parquet.",
        )
    from xlsxwriter import Workbook

    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with Workbook(target, {**options, "default_date_format": "yyyy-mm-dd", "remove_timezone": True}) as book:
        frame.write_excel(book, worksheet="data", autofit=True, freeze_panes=(1, 0))
        for name, table in sheets.items():
            table.write_excel(book, worksheet=name, autofit=True, freeze_panes=(1, 0))
        sheet = book.add_worksheet("about")
        for row, name in enumerate(("table", "description", "release", "release_made", "release_fingerprint")):
            sheet.write_string(row, 0, name)
            sheet.write_string(row, 1, str(about[name]))
        sheet.set_column(0, 0, 20)
        sheet.set_column(1, 1, 120)
