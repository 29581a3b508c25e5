"""Lineage of the columns of all models, worked out once for each state of the models and kept.

`orchestration.explain` takes the compiled SQL of the models apart: which column follows from which, by which formula,
and what only decides. That depends on the models' code and on the columns of what they read, and on no row. So the
result is kept beside the dbt project, for all installations of it, under a digest of all that it depends on: the code
of the models, these columns, the program that works it out and the library that reads SQL. Where the project cannot
be written to, it is kept in the installation. It feeds Dagster's pages, `catalog.lineage`, `catalog.column_lineage`
and `catalog.source_to_mart`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from ingest.archive import write_atomically
from ingest.settings import Settings
from orchestration.catalog import RELATIONS

# A relation (schema and name) and one of its columns.
Origin = tuple[str, str, str]
# A model as `catalog.models` has it.
ModelRow = Mapping[str, Any]

_BASES = ("lake", "vocabulary")
_READ = (*_BASES, "staging", "intermediate", "marts", "quality")
# What of a model decides on its lineage.
_DECIDING = ("schema_name", "table_name", "language", "code", "inputs")
_KEPT = 5


def _method() -> list[str]:
    """How lineage is worked out: the version of the library, and the text of every module that has a part in it."""
    modules = [Path(__file__), *sorted((Path(__file__).parent / "explain").glob("*.py"))]
    return [version("sqlglot"), *(path.read_text(encoding="utf-8") for path in modules)]


# As this process has loaded it; the files may be others by the time that something is worked out.
_METHOD = _method()


@dataclass(frozen=True)
class ColumnLineage:
    """A column of a model: its formula in words and what it follows from, as `schema.table.column`.

    `values` are the columns whose values enter it, `conditions` those that decide which do. `made_from` is all that
    its expressions hold: the values, and what they ask of a row; not what selects, joins or groups rows.
    """

    relation: str
    column: str
    formula: str
    values: tuple[str, ...]
    conditions: tuple[str, ...]
    made_from: tuple[str, ...]


@dataclass(frozen=True)
class Lineage:
    """Lineage of all models. `unresolved` names models whose code cannot be taken apart, with the reason."""

    columns: tuple[ColumnLineage, ...]
    unresolved: tuple[str, ...] = ()

    @cached_property
    def by_column(self) -> dict[tuple[str, str], ColumnLineage]:
        """Lineage by relation and column."""
        return {(found.relation, found.column): found for found in self.columns}

    @cached_property
    def _origins(self) -> dict[tuple[str, str], dict[str, list[Origin]]]:
        found: dict[tuple[str, str], dict[str, list[Origin]]] = {}
        for line in self.columns:
            schema, _, table = line.relation.partition(".")
            found.setdefault((schema, table), {})[line.column] = [_origin(name) for name in line.made_from]
        return found

    def origins(self, schema: str, table: str) -> dict[str, list[Origin]]:
        """For each column of a model the columns that it is made from, one step up."""
        return self._origins.get((schema, table), {})

    def bases(self, schema: str, table: str, column: str) -> frozenset[Origin]:
        """Columns of canonical and reviewed tables that a column is made from; empty for constants and counts."""
        found: set[Origin] = set()
        seen: set[Origin] = set()
        waiting: list[Origin] = [(schema, table, column)]
        while waiting:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            if at[0] in _BASES:
                found.add(at)
            else:
                waiting += self.origins(at[0], at[1]).get(at[2], [])
        return frozenset(found)


def of_build(settings: Settings, code: Path) -> Lineage:
    """Lineage of the models in the work file; `code` is the Parquet file of the models as they were run last.

    Without that file nothing was built, and nothing is known.
    """
    import polars as pl

    from ingest import workfile

    if not code.exists():
        return Lineage(())
    connection = workfile.connect(settings.work_file, settings, read_only=True)
    try:
        return of_models(settings, list(pl.read_parquet(code).iter_rows(named=True)), read_by_models(connection))
    finally:
        connection.close()


def of_models(settings: Settings, models: Sequence[ModelRow], columns_of: Mapping[str, Sequence[str]]) -> Lineage:
    """Lineage of models, as it is kept or worked out now; `columns_of` has the columns of all relations."""
    digest = _digest(models, columns_of)
    name = f"{digest[:16]}.json"
    shared = settings.dbt_project / "target" / "lineage"
    own = settings.work / "dbt" / "lineage"
    for folder in (shared, own):
        if (kept := _read(folder / name, digest)) is not None:
            return kept
    # Taking SQL apart takes its library half a second to load.
    from orchestration.explain import columns

    ordered = sorted(models, key=lambda row: (row["schema_name"], row["table_name"]))
    found = columns.whole_lineage(columns.models_of(ordered, with_staging=True), columns_of)
    if _method() == _METHOD:
        columns_found = [astuple(line) for line in found.columns]
        content = json.dumps({"digest": digest, "unresolved": found.unresolved, "columns": columns_found})
        try:
            _keep(shared / name, content)
        except OSError:
            _keep(own / name, content)
    return found


def read_by_models(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Columns of everything in a work file that models read, and of the models themselves, by relation."""
    found: dict[str, list[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() "
        "where database_name = current_database() and list_contains(?, schema_name) "
        "order by schema_name, table_name, column_index",
        [list(_READ)],
    ).fetchall():
        found.setdefault(f"{schema}.{table}", []).append(column)
    return found


def published_names(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, str]:
    """What models read and a release publishes under another name, with the published table."""
    found = {}
    for schema, table in connection.execute(
        f"select schema_name, table_name from {RELATIONS} where database_name = ?", [database]
    ).fetchall():
        if schema == "facts":
            found[f"staging.stg_{table}"] = f"facts.{table}"
        elif schema == "vocabulary":
            found[f"vocabulary.{table}"] = f"vocabulary.{table}"
        elif schema == "quality":
            found[f"lake.{table}"] = f"quality.{table}"
    return {**found, "lake.source": "catalog.sources"}


def _digest(models: Sequence[ModelRow], columns_of: Mapping[str, Sequence[str]]) -> str:
    """Digest of all that the lineage depends on. The columns of SQL models follow from their code."""
    made = {f"{row['schema_name']}.{row['table_name']}" for row in models if row["language"] != "python"}
    content = [
        _METHOD,
        sorted(
            [f"{row['schema_name']}.{row['table_name']}", row["language"], row["code"], row["inputs"]]
            for row in models
        ),
        sorted([name, *names] for name, names in columns_of.items() if name not in made),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _read(path: Path, digest: str) -> Lineage | None:
    """What is kept in a file, if it was worked out from just this; None in every other case."""
    try:
        kept = json.loads(path.read_bytes())
        if kept["digest"] != digest:
            return None
        columns = (
            ColumnLineage(relation, column, formula, tuple(values), tuple(conditions), tuple(made_from))
            for relation, column, formula, values, conditions, made_from in kept["columns"]
        )
        return Lineage(tuple(columns), tuple(kept["unresolved"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, content: str) -> None:
    """Write what was worked out, whole or not at all, and drop what is older than the five before it."""
    write_atomically(path, content.encode())
    with suppress(OSError):
        for old in sorted(path.parent.glob("*.json"), key=lambda p: p.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)


def _origin(name: str) -> Origin:
    schema, table, column = name.split(".", 2)
    return schema, table, column
