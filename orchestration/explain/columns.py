"""Lineage of columns: from which columns, by which formula. The rule that finds the facts behind any row again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from ingest import lake
from orchestration.errors import ExplainError
from orchestration.explain import plan, words
from orchestration.explain.plan import Model, Role, Step
from orchestration.lineage import ColumnLineage, Lineage

_MOST_STEPS = 6


def models_of(rows: Iterable[Mapping[str, str | None]], *, with_staging: bool = False) -> dict[str, Model]:
    """Models by name from rows of `catalog.models`.

    Views of the staging layer are left out unless they are asked for: a release publishes their rows as facts.
    """
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
        if (name := f"{row['schema_name']}.{row['table_name']}") and (with_staging or row["schema_name"] != "staging")
    }


def is_of_facts(relation: str) -> bool:
    """Whether what a model reads are rows of a canonical table: the latest editions, or all of them (`lake.*`)."""
    schema, _, table = relation.partition(".")
    return schema == "staging" or (schema == "lake" and table in lake.contracts())


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


def whole_lineage(models: Mapping[str, Model], columns_of: Mapping[str, Sequence[str]]) -> Lineage:
    """Lineage of every column of every model, inputs first.

    `columns_of` has the columns of everything that is not a model, and of Python models. A model whose code cannot
    be taken apart is named in `unresolved`; one whose inputs are not all there is left out.
    """
    known = {
        name: names for name, names in columns_of.items() if name not in models or models[name].language == "python"
    }
    found: list[ColumnLineage] = []
    unresolved: list[str] = []
    for name in in_order(models, models):
        model = models[name]
        if not known.keys() >= set(model.inputs) or (model.language == "python" and name not in known):
            continue
        try:
            steps = plan.steps_of(model, known, {relation: relation for relation in model.inputs})
        except ExplainError as error:
            unresolved.append(error.text)
            continue
        known[name] = steps[-1].columns
        reader = _Reader(model, steps, known)
        found += [reader.column(column) for column in steps[-1].columns]
    return Lineage(tuple(found), tuple(unresolved))


class _Reads:
    """What the columns of one step follow from, each expression looked at once."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._relations = {source.alias: source.relation for source in step.sources}
        self._roles: dict[str, list[tuple[str, str, Role]]] = {}
        self._held: dict[str, list[tuple[str, str]]] = {}

    def roles(self, column: str) -> list[tuple[str, str, Role]]:
        """Columns (relation, name) that the expression of a column reads, with their role for it."""
        if column not in self._roles:
            self._roles[column] = [
                (self._relations[alias], name, role)
                for (alias, name), role in plan.column_roles(self.step.projections[column], Role.VALUE).items()
            ]
        return self._roles[column]

    @cached_property
    def conditions(self) -> list[tuple[str, str]]:
        """Columns (relation, name) that decide on rows and groups."""
        return [
            (self._relations[alias], name)
            for clause in self.step.clauses()
            for alias, name in plan.column_roles(clause, Role.CONDITION)
        ]

    def held(self, column: str) -> list[tuple[str, str]]:
        """Columns (relation, name) that the expression of a column is made from."""
        if column not in self._held:
            self._held[column] = [
                (self._relations[found.table], found.name)
                for found in plan.columns_made_from(self.step.projections[column])
            ]
        return self._held[column]


class _Reader:
    """Follows the columns of a model down to what the model reads."""

    def __init__(self, model: Model, steps: Sequence[Step], columns_of: Mapping[str, Sequence[str]]) -> None:
        self._model = model
        self._last = steps[-1]
        self._steps = {step.name: step for step in steps}
        self._reads = {step.name: _Reads(step) for step in steps}
        self._columns = columns_of

    def column(self, column: str) -> ColumnLineage:
        """Lineage of one column."""
        roles, formulas = self._roles(column)
        return ColumnLineage(
            self._model.name,
            column,
            "; ".join(formulas),
            tuple(sorted(f"{name}.{read}" for (name, read), role in roles.items() if role is Role.VALUE)),
            tuple(sorted(f"{name}.{read}" for (name, read), role in roles.items() if role is Role.CONDITION)),
            tuple(sorted(f"{name}.{read}" for name, read in self._made_from(column))),
        )

    def _roles(self, column: str) -> tuple[dict[tuple[str, str], Role], list[str]]:
        """What a column follows from, and the formulas on the way."""
        roles: dict[tuple[str, str], Role] = {}
        formulas: list[str] = []
        done: dict[tuple[str, str], Role] = {}
        todo: list[tuple[str, str, Role]] = [(self._last.name, column, Role.VALUE)]
        while todo:
            name, wanted, role = todo.pop(0)
            if done.get((name, wanted), 9) <= role:
                continue
            done[name, wanted] = role
            step = self._steps.get(name)
            if step is None:
                roles[name, wanted] = min(role, roles.get((name, wanted), Role.CONDITION))
                continue
            if step.python_inputs:
                roles.update(dict.fromkeys(((relation, "*") for relation in step.python_inputs), Role.VALUE))
                formulas.append(f"{column} = computed by the function in the model {self._model.name}")
                continue
            if step.branches:
                todo += [(branch, read, role) for branch, read in self._branches(step, wanted)]
                continue
            expression = step.projections[wanted]
            if role is Role.VALUE and not words.is_plain(expression) and len(formulas) < _MOST_STEPS:
                said = f"{wanted} = {words.of(expression)}"
                if said not in formulas:
                    formulas.append(said)
            reads = self._reads[name]
            todo += [(relation, read, max(role, does)) for relation, read, does in reads.roles(wanted)]
            todo += [(relation, read, Role.CONDITION) for relation, read in reads.conditions]
        return roles, formulas

    def _made_from(self, column: str) -> set[tuple[str, str]]:
        """What the expressions of a column hold; a Python model hands on names and makes the rest of all it reads."""
        found: set[tuple[str, str]] = set()
        seen: set[tuple[str, str]] = set()
        todo = [(self._last.name, column)]
        while todo:
            name, wanted = todo.pop()
            if (name, wanted) in seen:
                continue
            seen.add((name, wanted))
            step = self._steps.get(name)
            if step is None:
                found.add((name, wanted))
            elif step.python_inputs:
                everything = [(relation, read) for relation in step.python_inputs for read in self._columns[relation]]
                found.update([entry for entry in everything if entry[1] == wanted] or everything)
            elif step.branches:
                todo += self._branches(step, wanted)
            else:
                todo += self._reads[name].held(wanted)
        return found

    def _branches(self, step: Step, column: str) -> list[tuple[str, str]]:
        position = step.columns.index(column)
        return [(branch, self._steps[branch].columns[position]) for branch in step.branches]
