"""What a mart's page in Dagster says of where its figures come from."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ingest import workfile
from ingest.settings import Settings
from orchestration.explain import columns
from orchestration.explain.plan import Model
from orchestration.text import markdown_table

_ABOUT = ("definition_ids", "source_codes", "edition_ids", "last_data_year", "data_status")


def of_marts(settings: Settings, code: Path) -> dict[str, str]:
    """Markdown by mart: how to walk back from a figure of it, and the formula of every column that has one.

    `code` is the Parquet file of the models as the last whole build ran them; without it there is nothing to say.
    """
    if not code.exists():
        return {}
    models = columns.models_of(pl.read_parquet(code).iter_rows(named=True))
    connection = workfile.connect(settings.work_file, settings, read_only=True)
    try:
        (database,) = connection.execute("select current_database()").fetchall()[0]
        columns_of = columns.read_by_models(connection, database)
        known = {(found.relation, found.column): found for found in columns.whole_lineage(models, columns_of)}
        pages = {}
        for name in sorted({relation for relation, _ in known if relation.startswith("marts.")}):
            if name not in columns_of or not models[name].grain:
                continue
            grain = ", ".join(f'"{part}"' for part in models[name].grain)
            first = connection.execute(f"select {grain} from {name} order by all limit 1").fetchall()
            types = {row[0]: row[1] for row in connection.execute(f"describe {name}").fetchall()}
            worked_out = [_worked_out(known, name, column) for column in types if column not in _ABOUT]
            figures = [row for row in worked_out if types[row[0]] == "DOUBLE"] or worked_out
            pages[name.removeprefix("marts.")] = _page(models[name], worked_out, figures[0][0], first)
        return pages
    finally:
        connection.close()


def _worked_out(
    known: dict[tuple[str, str], columns.ColumnLineage], relation: str, column: str
) -> tuple[str, str, str]:
    """A column, its formula, and the columns that the formula reads: of the model that works it out."""
    at: columns.ColumnLineage | None = known[relation, column]
    formula, values = "", ""
    while at is not None:
        formula, values = at.formula, ", ".join(at.values)
        name, _, read = at.values[0].rpartition(".") if len(at.values) == 1 else ("", "", "")
        at = known.get((name, read)) if not formula else None
    return column, formula or "as published", values


def _page(model: Model, worked_out: list[tuple[str, str, str]], figure: str, first: list[tuple[object, ...]]) -> str:
    lines = []
    if first:
        where = columns.condition(dict(zip(model.grain, first[0], strict=True)))
        mart = model.name.removeprefix("marts.")
        lines = [
            "Walk back from a figure to the publishers' cells:",
            "",
            f'    biopharma explain {mart} --column {figure} --where "{where}"',
            "",
        ]
    return "\n".join([*lines, markdown_table(["column", "how it is worked out", "from"], worked_out)])
