"""Lineage of columns: from which columns, by which formula. The rule that finds the facts behind any row again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from ingest import lake
from orchestration.explain import plan, words
from orchestration.explain.plan import Model, Role, Step

_MOST_STEPS = 6
_KEPT: dict[str, list[ColumnLineage]] = {}


@dataclass(frozen=True)
class ColumnLineage:
    """A column of a model: its formula in words, the columns whose values enter it, and those that decide."""

    relation: str
    column: str
    formula: str
    values: tuple[str, ...]
    conditions: tuple[str, ...]


def models_of(rows: Iterable[Mapping[str, str | None]]) -> dict[str, Model]:
    """Models by name from rows of `catalog.models`; views of the staging layer are left out: facts are published."""
    return {
        name: Model(
            name=name,
            language=str(row["language"]),
            code=str(row["code"]),
            description=row["description"] or "",
            grain=tuple((row["grain"] or "").split(",")) if row["grain"] else (),
            inputs=tuple(part for part in (row["inputs"] or "").split(",") if part),
            settings=json.loads(row["settings"] or "{}"),
        )
        for row in rows
        if (name := f"{row['schema_name']}.{row['table_name']}") and row["schema_name"] != "staging"
    }


def published_names(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, str]:
    """What models read and a release publishes under another name, with the published table."""
    found = {}
    for schema, table in connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ?", [database]
    ).fetchall():
        if schema == "facts":
            found[f"staging.stg_{table}"] = f"facts.{table}"
        elif schema == "vocabulary":
            found[f"vocabulary.{table}"] = f"vocabulary.{table}"
        elif schema == "quality":
            found[f"lake.{table}"] = f"quality.{table}"
    return {**found, "lake.source": "catalog.sources"}


def is_of_facts(relation: str) -> bool:
    """Whether what a model reads are rows of a canonical table: the latest editions, or all of them (`lake.*`)."""
    schema, _, table = relation.partition(".")
    return schema == "staging" or (schema == "lake" and table in lake.contracts())


def read_by_models(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, list[str]]:
    """Columns of everything in a work file that models read, and of the models themselves, by relation."""
    found: dict[str, list[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = ? "
        "and schema_name in ('staging', 'vocabulary', 'lake', 'intermediate', 'marts', 'quality') "
        "order by schema_name, table_name, column_index",
        [database],
    ).fetchall():
        found.setdefault(f"{schema}.{table}", []).append(column)
    return found


def in_order(models: Mapping[str, Model], wanted: Iterable[str]) -> list[str]:
    """Models that the wanted ones rest on, inputs first."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen or name not in models:
            return
        seen.add(name)
        for relation in models[name].inputs:
            visit(relation)
        order.append(name)

    for name in wanted:
        visit(name)
    return order


def steps_by_model(models: Mapping[str, Model], columns_of: Mapping[str, Sequence[str]]) -> dict[str, list[Step]]:
    """Steps of all models. `columns_of` has the columns of everything that is not a model, and of Python models.

    A model whose inputs are not all there (in a release that holds a part only) is left out.
    """
    known = dict(columns_of)
    found = {}
    for name in in_order(models, models):
        model = models[name]
        if not known.keys() >= set(model.inputs) or (model.language == "python" and name not in known):
            continue
        found[name] = plan.steps_of(model, known, {relation: relation for relation in model.inputs})
        known[name] = found[name][-1].columns
    return found


def whole_lineage(models: Mapping[str, Model], columns_of: Mapping[str, Sequence[str]]) -> list[ColumnLineage]:
    """Lineage of every column of every model; what was worked out last is kept for the same models and columns.

    `columns_of` has the columns of all relations (`read_by_models`).
    """
    columns_of = {
        name: names for name, names in columns_of.items() if name not in models or models[name].language == "python"
    }
    content = repr([*((m.name, m.code, m.inputs) for m in models.values()), sorted(columns_of.items())])
    digest = hashlib.sha256(content.encode()).hexdigest()
    if digest not in _KEPT:
        found = [
            column
            for name, steps in steps_by_model(models, columns_of).items()
            for column in lineage(models[name], steps)
        ]
        _KEPT.clear()
        _KEPT[digest] = found
    return _KEPT[digest]


def lineage(model: Model, steps: Sequence[Step]) -> list[ColumnLineage]:
    """Lineage of every column of a model down to what the model reads."""
    last = steps[-1]
    by_name = {step.name: step for step in steps}
    return [_column(model, by_name, last, column) for column in last.columns]


def _column(model: Model, steps: Mapping[str, Step], last: Step, column: str) -> ColumnLineage:
    reads: dict[tuple[str, str], Role] = {}
    formulas: list[str] = []
    done: dict[tuple[str, str], Role] = {}
    todo: list[tuple[str, str, Role]] = [(last.name, column, Role.VALUE)]
    while todo:
        name, wanted, role = todo.pop(0)
        if done.get((name, wanted), 9) <= role:
            continue
        done[name, wanted] = role
        step = steps.get(name)
        if step is None:
            key = (name, wanted)
            reads[key] = min(role, reads.get(key, Role.CONDITION))
            continue
        if step.python_inputs:
            reads.update(dict.fromkeys(((relation, "*") for relation in step.python_inputs), Role.VALUE))
            formulas.append(f"{column} = computed by the function in the model {model.name}")
            continue
        if step.branches:
            position = step.columns.index(wanted)
            todo += [(branch, steps[branch].columns[position], role) for branch in step.branches]
            continue
        relations = {source.alias: source.relation for source in step.sources}
        expression = step.projections[wanted]
        if role is Role.VALUE and not words.is_plain(expression) and len(formulas) < _MOST_STEPS:
            said = f"{wanted} = {words.of(expression)}"
            if said not in formulas:
                formulas.append(said)
        for (alias, read), does in plan.column_roles(expression, role).items():
            todo.append((relations[alias], read, does))
        for clause in step.clauses():
            todo += [(relations[a], c, Role.CONDITION) for a, c in plan.column_roles(clause, Role.CONDITION)]
    return ColumnLineage(
        model.name,
        column,
        "; ".join(formulas),
        tuple(sorted(f"{name}.{read}" for (name, read), role in reads.items() if role is Role.VALUE)),
        tuple(sorted(f"{name}.{read}" for (name, read), role in reads.items() if role is Role.CONDITION)),
    )


def condition(key: Mapping[str, object]) -> str:
    """A key as a condition of SQL."""
    return " and ".join(_equals(name, value) for name, value in key.items())


def _equals(name: str, value: object) -> str:
    if value is None:
        return f"{name} is null"
    if isinstance(value, bool | int | float):
        return f"{name} = {value}"
    text = str(value).replace("'", "''")
    return f"{name} = '{text}'"
