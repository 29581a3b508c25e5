"""A figure made again from nothing but the facts that its chain names.

The models run as the release holds them, over tables that contain the named rows only; reviewed decisions are taken
whole, since what they leave out has no row of its own. If a fact were missing from the chain, the figure would
differ.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

from ingest.settings import PROJECT_ROOT
from orchestration.errors import ExplainError
from orchestration.explain.columns import in_order, is_of_facts
from orchestration.explain.plan import Model

# Sums of the same numbers in another order differ in their last digits.
_TOLERANCE = 1e-9
_RELATION = re.compile(r'"\w+"\."(\w+)"\."(\w+)"')


def python_runner(folder: Path | None = None) -> Callable[[Model, Callable[[str], duckdb.DuckDBPyRelation]], Any]:
    """Runs a model that is a Python function: the project's own, never code from a release.

    Raises ExplainError where the project's function is another than the one that made the release.
    """
    root = folder or PROJECT_ROOT / "dbt_project" / "models"

    def run(model: Model, relation: Callable[[str], duckdb.DuckDBPyRelation]) -> Any:
        name = model.name.rpartition(".")[2]
        path = next(iter(root.rglob(f"{name}.py")), None)
        if path is None or path.read_text(encoding="utf-8").strip() != model.code:
            raise ExplainError(
                f"the function {name} of this installation is not the one that made the release",
                file=str(path) if path else None,
                remedy="Explain it with the version that made the release, or make a new release: biopharma run.",
            )
        spec = importlib.util.spec_from_file_location(f"explained_{name}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        reads = {part.rpartition(".")[2]: part for part in model.inputs}
        dbt = SimpleNamespace(
            ref=lambda wanted: relation(reads[wanted]),
            source=lambda schema, wanted: relation(f"{schema}.{wanted}"),
            config=SimpleNamespace(get=lambda key, default=None: model.settings.get(key, default)),
        )
        return module.model(dbt, None)

    return run


def recompute(
    connection: duckdb.DuckDBPyConnection,
    models: Mapping[str, Model],
    published: Mapping[str, str],
    rows: Mapping[str, Iterable[int]],
    figure: tuple[str, str, Mapping[str, Any]],
) -> list[Any]:
    """A figure (mart, column, key of the row) from the named rows of facts (row ids by relation) alone.

    An empty list says that without the other facts there is no such row, which the chain then lacks.
    """
    mart, column, key = figure
    order = in_order(models, [mart])
    read = {relation for name in order for relation in models[name].inputs}
    tables = dict(published)
    schemas = {f"again_{name.partition('.')[0]}" for name in {*order, *read}}
    for schema in schemas:
        connection.execute(f"create schema {schema}")
    try:
        for relation in sorted(read):
            if is_of_facts(relation):
                tables[relation] = f"again_{relation}"
                connection.execute(
                    f"create table {tables[relation]} as select * from {published[relation]} "
                    "where rowid in (select unnest(?::bigint[])) order by rowid",
                    [list(rows.get(relation, ()))],
                )
        run_python = python_runner()
        for name in order:
            model = models[name]
            tables[name] = f"again_{name}"
            if model.language == "python":
                made = run_python(model, lambda wanted: connection.sql(f"from {tables[wanted]}"))
                connection.register("_again", made)
                connection.execute(f"create table {tables[name]} as from _again")
                connection.unregister("_again")
            else:
                connection.execute(f"create table {tables[name]} as {_renamed(model.code, tables)}")
        match = " and ".join(f'"{name}" is not distinct from ?' for name in key)
        found = connection.execute(
            f'select "{column}" from {tables[mart]} where {match}', list(key.values())
        ).fetchall()
        return [row[0] for row in found]
    finally:
        for schema in schemas:
            connection.execute(f"drop schema {schema} cascade")


def _renamed(code: str, tables: Mapping[str, str]) -> str:
    """The query over other tables. dbt writes every relation as "database"."schema"."name"."""
    return _RELATION.sub(lambda found: tables[f"{found[1]}.{found[2]}"], code)


def is_same(published: Any, again: Any) -> bool:
    """Whether two values of a column are the same figure."""
    if isinstance(published, float) and isinstance(again, float):
        return math.isclose(published, again, rel_tol=_TOLERANCE, abs_tol=1e-12) or (
            math.isnan(published) and math.isnan(again)
        )
    if isinstance(published, date) and isinstance(again, date):
        return published.isoformat() == again.isoformat()
    return bool(published == again) and (published is None) == (again is None)
