"""What a mart's page in Dagster says of where its figures come from."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ingest import workfile
from ingest.settings import Settings
from orchestration.lineage import ColumnLineage, Lineage
from orchestration.text import markdown_table, sql_condition

_ABOUT = ("definition_ids", "source_codes", "edition_ids", "last_data_year", "data_status")


def of_marts(settings: Settings, code: Path, known: Lineage) -> dict[str, str]:
    """Markdown by mart: how to walk back from a figure of it, and the formula of every column that has one.

    `code` is the Parquet file of the models as they were run last, `known` their lineage; without them there is
    nothing to say.
    """
    if not code.exists():
        return {}
    models = pl.read_parquet(code, columns=["schema_name", "table_name", "grain"])
    grains = {
        table: grain.split(",")
        for schema, table, grain in models.iter_rows()
        if schema == "marts" and grain is not None
    }
    connection = workfile.connect(settings.work_file, settings, read_only=True)
    try:
        types: dict[str, dict[str, str]] = {}
        for table, column, kind in connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'marts' "
            "order by table_name, column_index"
        ).fetchall():
            types.setdefault(table, {})[column] = kind
        pages = {}
        followed = {line.relation.removeprefix("marts.") for line in known.columns}
        for table in sorted(followed & types.keys() & grains.keys()):
            grain = ", ".join(f'"{part}"' for part in grains[table])
            first = connection.execute(f"select {grain} from marts.{table} order by all limit 1").fetchall()
            worked_out = [
                _worked_out(known, f"marts.{table}", column)
                for column in types[table]
                if column not in _ABOUT and (f"marts.{table}", column) in known.by_column
            ]
            figures = [row for row in worked_out if types[table][row[0]] == "DOUBLE"] or worked_out
            where = sql_condition(dict(zip(grains[table], first[0], strict=True))) if first else None
            pages[table] = _page(table, worked_out, figures[0][0], where)
        return pages
    finally:
        connection.close()


def _worked_out(known: Lineage, relation: str, column: str) -> tuple[str, str, str]:
    """A column, its formula, and the columns that the formula reads: of the model that works it out."""
    at: ColumnLineage | None = known.by_column[relation, column]
    formula, values = "", ""
    while at is not None and not at.relation.startswith("staging."):
        formula, values = at.formula, ", ".join(at.values)
        name, _, read = at.values[0].rpartition(".") if len(at.values) == 1 else ("", "", "")
        at = known.by_column.get((name, read)) if not formula else None
    return column, formula or "as published", values


def _page(mart: str, worked_out: list[tuple[str, str, str]], figure: str, where: str | None) -> str:
    lines = []
    if where is not None:
        lines = [
            "Walk back from a figure to the publishers' cells:",
            "",
            f'    biopharma explain {mart} --column {figure} --where "{where}"',
            "",
        ]
    return "\n".join([*lines, markdown_table(["column", "how it is worked out", "from"], worked_out)])
