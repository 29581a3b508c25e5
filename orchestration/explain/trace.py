"""Which published rows a figure follows from: its models are run again, step by step, and walked back row by row.

Every step is kept as a table whose hidden columns say from which input rows each of its rows was made (a group keeps
its keys instead). Walking back, a step is asked for some of its rows and columns; it passes the question on to the
input rows that these follow from. What arrives at the published tables is the chain: facts and reviewed decisions,
each as a value that enters the figure or as a condition that decides what enters it.

Peers that were only compared and lost (the older edition of a price list, say) are not part of a chain: without them
the figure is the same. Where a figure is itself a rank or a share of all, its peers are part of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
from sqlglot import exp

from orchestration.explain import plan
from orchestration.explain.plan import DIALECT, Model, Role, Step

# Stands for a row as such, where it is counted and none of its columns is read.
_COUNTED = ""
_Columns = frozenset[tuple[str, Role]]
_MOST_QUESTIONS = 8
RunPython = Callable[[Model, Callable[[str], duckdb.DuckDBPyRelation]], object]


@dataclass(frozen=True)
class Passed:
    """What a step was asked for on the way back: how many of its rows, and which columns."""

    step: Step
    row_count: int
    columns: dict[str, Role]


@dataclass
class Lineage:
    """The chain behind one figure: steps from the mart down, and rows of published tables with their role."""

    steps: list[Passed] = field(default_factory=list)
    rows: dict[str, dict[int, Role]] = field(default_factory=dict)
    columns: dict[str, dict[str, Role]] = field(default_factory=dict)


class Workshop:
    """Models of a release run again over its own facts, in memory; keeps what was run, for the next figure.

    `connection` has the release attached as `release` and nothing else; `relations` maps the names that models use
    to published tables.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        models: Mapping[str, Model],
        published: Mapping[str, str],
        run_python: RunPython,
    ) -> None:
        self._connection = connection
        self._models = models
        self._published = published
        self._run_python = run_python
        self._tables: dict[str, str] = {}
        self._steps: dict[str, Step] = {}
        self._columns: dict[str, list[str]] = {}
        self._n = 0

    # -- running ------------------------------------------------------------------------------------------------

    def table(self, relation: str) -> str:
        """Name of the table that holds a step, a model or a published table."""
        return self._tables.get(relation) or self._published[relation]

    def step(self, name: str) -> Step | None:
        """A step that was run, or None for a published table."""
        return self._steps.get(name)

    def columns(self, relation: str) -> list[str]:
        """Columns of a published table or of a step that was run."""
        if relation in self._steps:
            return list(self._steps[relation].columns)
        if relation not in self._columns:
            described = self._connection.execute(f"describe {self._published[relation]}").fetchall()
            self._columns[relation] = [row[0] for row in described]
        return self._columns[relation]

    def run(self, name: str) -> None:
        """Run a model and what it reads, where that has not been done."""
        if name in self._tables or name in self._published:
            return
        model = self._models[name]
        for relation in model.inputs:
            self.run(relation)
        columns_of = {relation: self.columns(relation) for relation in model.inputs}
        if model.language == "python":
            made = self._run_python(model, lambda relation: self._connection.table(self.table(relation)))
            table = self._new_table(name)
            self._connection.register("_made", made)
            self._connection.execute(f"create table {table} as select * from _made")
            self._connection.unregister("_made")
            columns_of[name] = [row[0] for row in self._connection.execute(f"describe {table}").fetchall()]
        for step in plan.steps_of(model, columns_of, {relation: relation for relation in model.inputs}):
            self._steps[step.name] = step
            if not step.python_inputs:
                self._materialise(step)

    def _new_table(self, relation: str) -> str:
        self._n += 1
        self._tables[relation] = f"step_{self._n}"
        return self._tables[relation]

    def _materialise(self, step: Step) -> None:
        if step.branches:
            self._materialise_union(step)
            return
        assert step.select is not None
        query = step.select.copy()
        self.bind(query, step)
        if step.is_aggregate:
            if step.is_distinct and query.args.get("group") is None:
                keys = [item.unalias() for item in query.expressions]
            else:
                keys = step.group_keys
            hidden = [exp.alias_(key.copy(), f"__k{n}") for n, key in enumerate(keys)]
        else:
            hidden = [
                exp.alias_(exp.column("rowid", table=source.alias), f"__r{n}")
                for n, source in enumerate(step.sources)
            ]
        query.set("expressions", [*query.expressions, *hidden])
        self._connection.execute(f"create table {self._new_table(step.name)} as {query.sql(DIALECT)}")

    def _materialise_union(self, step: Step) -> None:
        parts = []
        for number, branch in enumerate(step.branches):
            names = ", ".join(
                f'"{own}" as "{name}"' for own, name in zip(self._steps[branch].columns, step.columns, strict=True)
            )
            parts.append(f"select {names}, {number} as __b, rowid as __r from {self.table(branch)}")
        query = " union all ".join(parts)
        if step.is_distinct:
            keys = ", ".join(f'"{name}"' for name in step.columns)
            query = f"select {keys}, list(__b) as __bs, list(__r) as __rs from ({query}) group by {keys}"
        self._connection.execute(f"create table {self._new_table(step.name)} as {query}")

    def bind(self, query: exp.Expr, step: Step) -> None:
        """Put the tables of this workshop for the inputs of a step."""
        relations = {source.alias: source.relation for source in step.sources}
        entries = [query.args.get("from_") or query.args.get("from"), *query.args.get("joins", [])]
        for entry in entries:
            if entry is not None:
                alias = entry.this.alias_or_name
                entry.set("this", exp.alias_(exp.to_table(self.table(relations[alias])), alias, table=True))

    # -- walking back -------------------------------------------------------------------------------------------

    def trace(
        self, name: str, rows: Sequence[int], column: str, key: Sequence[str] = (), *, is_wide: bool = False
    ) -> Lineage:
        """What a column follows from in some rows (by row id) of a model, down to published tables.

        What the columns of the key follow from decides that there is such a row at all. Wide: with all rows that were
        compared, also those that lost.
        """
        columns = {**dict.fromkeys(key, Role.CONDITION), column: Role.VALUE}
        return _Walk(self, self._connection, is_wide=is_wide).back(name, rows, columns)

    def order(self) -> list[str]:
        """Steps in the order in which they were run."""
        return list(self._steps)


class _Walk:
    def __init__(self, workshop: Workshop, connection: duckdb.DuckDBPyConnection, *, is_wide: bool) -> None:
        self._shop = workshop
        self._is_wide = is_wide
        self._connection = connection
        # What is asked of a relation: tables of rows by the columns that are wanted of them. Rows that are wanted for
        # different columns are kept apart, so that a row that only has to be there is not asked for its figures.
        self._asked: dict[str, dict[_Columns, list[str]]] = defaultdict(dict)
        self._made: list[str] = []

    def back(self, name: str, rows: Sequence[int], columns: Mapping[str, Role]) -> Lineage:
        found = Lineage()
        values = ", ".join(f"({row}, {int(Role.VALUE)})" for row in rows)
        self._ask(name, f"select * from (values {values}) as given(__rid, __role)", columns)
        try:
            for step_name in reversed(self._shop.order()):
                if step_name not in self._asked:
                    continue
                step = self._shop.step(step_name)
                assert step is not None
                asked = self._questions(step_name)
                for demand, wanted in asked:
                    self._pass_on(step, demand, wanted)
                if asked:
                    found.steps.append(self._passed(step, asked))
            for relation in [name for name in self._asked if self._shop.step(name) is None]:
                asked = self._questions(relation)
                if asked:
                    everything = self._demand([demand for demand, _ in asked])
                    found.rows[relation] = {
                        row: Role(role)
                        for row, role in self._connection.execute(f"from {everything} order by __rid").fetchall()
                    }
                    found.columns[relation] = {name: role for name, role in _columns_of(asked).items() if name}
        finally:
            for table in self._made:
                self._connection.execute(f"drop table if exists {table}")
        return found

    def _questions(self, relation: str) -> list[tuple[str, dict[str, Role]]]:
        """What is asked of a relation: tables of its rows, each with the columns wanted; empty ones left out."""
        asked = self._asked[relation]
        if len(asked) > _MOST_QUESTIONS:
            tables = [table for held in asked.values() for table in held]
            asked = {frozenset(_columns_of([("", dict(columns)) for columns in asked]).items()): tables}
        made = [(self._demand(tables), dict(sorted(columns))) for columns, tables in asked.items()]
        return [question for question in made if self._count(question[0])]

    def _passed(self, step: Step, asked: Sequence[tuple[str, dict[str, Role]]]) -> Passed:
        everything = asked[0][0] if len(asked) == 1 else self._demand([demand for demand, _ in asked])
        wanted = _columns_of(asked)
        columns = {name: wanted[name] for name in step.columns if name in wanted}
        return Passed(step, self._count(everything), columns)

    def _count(self, table: str) -> int:
        return int(self._connection.execute(f"select count(*) from {table}").fetchall()[0][0])

    def _temporary(self, query: str) -> str:
        table = f"walk_{len(self._made) + 1}"
        self._made.append(table)
        self._connection.execute(f"create temp table {table} as {query}")
        return table

    def _ask(self, relation: str, query: str, columns: Mapping[str, Role]) -> None:
        """Ask an input for rows (a query of their ids and roles) and columns."""
        self._asked[relation].setdefault(frozenset(columns.items()), []).append(self._temporary(query))

    def _demand(self, tables: Sequence[str]) -> str:
        parts = " union all ".join(f"from {table}" for table in tables)
        return self._temporary(
            f"select __rid, cast(min(__role) as tinyint) as __role from ({parts}) where __rid is not null "
            "group by __rid"
        )

    def _pass_on(self, step: Step, demand: str, columns: dict[str, Role]) -> None:
        if step.python_inputs:
            for relation in step.python_inputs:
                self._ask(
                    relation,
                    f"select rowid as __rid, {int(Role.VALUE)} as __role from {self._shop.table(relation)}",
                    dict.fromkeys(self._shop.columns(relation), Role.VALUE),
                )
        elif step.branches:
            self._pass_on_union(step, demand, columns)
        elif step.is_aggregate:
            self._pass_on_groups(step, demand, columns)
        else:
            self._pass_on_rows(step, demand, columns)

    def _pass_on_union(self, step: Step, demand: str, columns: dict[str, Role]) -> None:
        table = self._shop.table(step.name)
        if step.is_distinct:
            rows = (
                f"select unnest(__bs) as b, unnest(__rs) as r, __role from {table} as t "
                f"join {demand} on __rid = t.rowid"
            )
        else:
            rows = f"select __b as b, __r as r, __role from {table} as t join {demand} on __rid = t.rowid"
        rows = self._temporary(rows)
        for number, branch in enumerate(step.branches):
            source = self._shop.step(branch)
            assert source is not None
            names = dict(zip(step.columns, source.columns, strict=True))
            self._ask(
                branch,
                f"select r as __rid, __role from {rows} where b = {number}",
                {names.get(name, name): role for name, role in columns.items()},
            )

    def _pass_on_rows(self, step: Step, demand: str, columns: dict[str, Role]) -> None:
        """A row follows from the input rows that were joined for it; a window function from its whole window."""
        expressions = [(step.projections[name], role) for name, role in columns.items() if name]
        reads = _merged(
            [
                *(plan.column_roles(expression, role) for expression, role in expressions),
                *(plan.column_roles(clause, Role.CONDITION) for clause in step.clauses()),
            ]
        )
        needed = _needed(step, reads)
        if columns.get(_COUNTED) is Role.VALUE and step.sources:
            needed[step.sources[0].alias, _COUNTED] = Role.VALUE
        own = self._temporary(
            f"select {_listed('t.__r{}', step.sources)}__role "
            f"from {self._shop.table(step.name)} as t join {demand} on __rid = t.rowid"
        )
        by_source = _by_source(needed)
        for n, source in enumerate(step.sources):
            if source.alias in by_source:
                roles = by_source[source.alias]
                self._ask(source.relation, _role_query(own, f"__r{n}", roles), roles)
        for window, role in _windows_of(step, expressions):
            self._pass_on_window(step, window, role, own, needed)

    def _pass_on_window(
        self, step: Step, window: exp.Window, role: Role, own: str, needed: Mapping[tuple[str, str], Role]
    ) -> None:
        is_rank = isinstance(window.this, plan.RANKS)
        if is_rank and role is Role.CONDITION and not _is_reckoned_with(window) and not self._is_wide:
            # What lost against the rows at hand changes nothing for them.
            return
        keys = [key.copy() for key in window.args.get("partition_by") or []]
        select = self._inputs(step)
        outputs = [
            exp.alias_(exp.column("rowid", table=source.alias), f"__r{n}") for n, source in enumerate(step.sources)
        ]
        outputs += [exp.alias_(key, f"__k{n}") for n, key in enumerate(keys)]
        is_neighbour = isinstance(window.this, plan.NEIGHBOURS)
        if not is_rank and not is_neighbour and isinstance(window.this, exp.AggFunc | exp.Filter):
            counts = plan.contributes(window.this)
        else:
            counts = exp.true()
        outputs.append(exp.alias_(counts, "__counts"))
        until = _until(window)
        if until is not None:
            outputs.append(exp.alias_(until[0].copy(), "__o"))
        select.set("expressions", outputs)
        peers = self._temporary(select.sql(DIALECT))
        same = [f"peer.__r{n} is not distinct from mine.__r{n}" for n in range(len(step.sources))]
        parts = "".join(f"peer.__k{n}, " for n in range(len(keys)))
        match = " and ".join(f"peer.__k{n} is not distinct from own.__k{n}" for n in range(len(keys))) or "true"
        if until is not None:
            parts += f"{until[1]}(peer.__o) as __o, bool_or(peer.__o is null) as __open, "
            match += f" and (peer.__o is null or own.__open or peer.__o {until[2]} own.__o)"
        rows = self._temporary(
            f"select {_listed('peer.__r{}', step.sources)}own.__role "
            f"from {peers} as peer join (select {parts}min(mine.__role) as __role from {peers} as peer "
            f"join {own} as mine on {' and '.join(same)} group by all) as own on {match} where peer.__counts"
        )
        value = Role.CONDITION if is_rank else role
        by_source = _by_source({key: max(r, value) for key, r in needed.items()})
        for n, source in enumerate(step.sources):
            if source.alias in by_source:
                self._ask(
                    source.relation, _role_query(rows, f"__r{n}", by_source[source.alias]), by_source[source.alias]
                )

    def _pass_on_groups(self, step: Step, demand: str, columns: dict[str, Role]) -> None:
        """A group follows from the rows that its aggregates count; one that is only named, from one of its rows."""
        expressions = [(step.projections[name], role) for name, role in columns.items() if name]
        clauses = [(clause, Role.CONDITION) for clause in step.clauses()]
        having = step.select.args.get("having") if step.select is not None else None
        if having is not None:
            expressions.append((having.this, Role.CONDITION))
        keys = step.group_keys
        reads = _merged(
            [
                *(plan.column_roles(expression, role) for expression, role in [*expressions, *clauses]),
                *(plan.column_roles(key, Role.CONDITION) for key in keys),
            ]
        )
        needed = _needed(step, reads)
        if columns.get(_COUNTED) is Role.VALUE or _counts_rows(expressions):
            needed[step.sources[0].alias, _COUNTED] = Role.VALUE
        select = self._inputs(step)
        outputs = [
            exp.alias_(exp.column("rowid", table=source.alias), f"__r{n}") for n, source in enumerate(step.sources)
        ]
        outputs += [exp.alias_(key.copy(), f"__k{n}") for n, key in enumerate(keys)]
        for name, role in (("__values", Role.VALUE), ("__conditions", Role.CONDITION)):
            counted = [
                plan.contributes(aggregate)
                for expression, own_role in expressions
                for aggregate, does in plan.aggregates(expression, own_role)
                if does is role
            ]
            outputs.append(exp.alias_(exp.or_(*counted) if counted else exp.false(), name))
        select.set("expressions", outputs)
        inputs = self._temporary(select.sql(DIALECT))
        groups = self._temporary(
            f"select {_listed('t.__k{}', keys)}__role, __rid "
            f"from {self._shop.table(step.name)} as t join {demand} on __rid = t.rowid"
        )
        match = " and ".join(f"i.__k{n} is not distinct from g.__k{n}" for n in range(len(keys))) or "true"
        rows = self._temporary(
            f"select {_listed('i.__r{}', step.sources)}"
            f"case when coalesce(i.__values, false) then g.__role else {int(Role.CONDITION)} end as __role "
            f"from {inputs} as i join {groups} as g on {match} "
            "qualify coalesce(i.__values, false) or coalesce(i.__conditions, false) or (row_number() over ("
            f"partition by g.__rid order by {_listed('i.__r{}', step.sources)}1) = 1)"
        )
        has_aggregates = any(r is Role.VALUE for e, own in expressions for _, r in plan.aggregates(e, own))
        if not has_aggregates and any(r is Role.VALUE for r in columns.values()):
            self._connection.execute(f"update {rows} set __role = {int(Role.VALUE)}")
        by_source = _by_source(needed)
        for n, source in enumerate(step.sources):
            if source.alias in by_source:
                self._ask(
                    source.relation, _role_query(rows, f"__r{n}", by_source[source.alias]), by_source[source.alias]
                )

    def _inputs(self, step: Step) -> exp.Select:
        """The joined input rows of a step, before grouping and windows."""
        assert step.select is not None
        select = step.select.copy()
        for clause in ("group", "having", "qualify", "distinct", "order", "windows"):
            select.set(clause, None)
        self._shop.bind(select, step)
        return select


def _columns_of(asked: Sequence[tuple[str, Mapping[str, Role]]]) -> dict[str, Role]:
    columns: dict[str, Role] = {}
    for _, wanted in asked:
        for name, role in wanted.items():
            columns[name] = min(role, columns.get(name, Role.CONDITION))
    return columns


def _merged(reads: Sequence[Mapping[tuple[str, str], Role]]) -> dict[tuple[str, str], Role]:
    merged: dict[tuple[str, str], Role] = {}
    for read in reads:
        for key, role in read.items():
            merged[key] = min(role, merged.get(key, Role.CONDITION))
    return merged


def _needed(step: Step, reads: dict[tuple[str, str], Role]) -> dict[tuple[str, str], Role]:
    """With the columns by which the inputs that are needed are joined; a left join that nothing reads is left out."""
    needed = dict(reads)
    done: set[str] = set()
    while True:
        wanted = {alias for alias, _ in needed}
        for source in step.sources:
            if not source.is_optional:
                needed.setdefault((source.alias, _COUNTED), Role.CONDITION)
        todo = [
            source
            for source in step.sources
            if source.alias not in done and (not source.is_optional or source.alias in wanted)
        ]
        if not todo:
            return needed
        for source in todo:
            done.add(source.alias)
            if source.on is not None:
                for key, role in plan.column_roles(source.on, Role.CONDITION).items():
                    needed[key] = min(role, needed.get(key, Role.CONDITION))


def _listed(form: str, items: Sequence[object]) -> str:
    return "".join(f"{form.format(n)}, " for n in range(len(items)))


def _by_source(needed: Mapping[tuple[str, str], Role]) -> dict[str, dict[str, Role]]:
    by_source: dict[str, dict[str, Role]] = defaultdict(dict)
    for (alias, name), role in needed.items():
        by_source[alias][name] = role
    return by_source


def _role_query(rows: str, column: str, columns: Mapping[str, Role]) -> str:
    """Rows of an input: values where one of its columns enters the figure, conditions where none does."""
    role = "__role" if Role.VALUE in columns.values() else str(int(Role.CONDITION))
    return f"select {column} as __rid, {role} as __role from {rows} where {column} is not null"


def _is_reckoned_with(window: exp.Window) -> bool:
    """Whether a rank is part of a sum or difference (runs of years, say) instead of being compared with a number."""
    parent = window.parent
    while isinstance(parent, exp.Cast | exp.Paren):
        parent = parent.parent
    return isinstance(parent, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod)


def _counts_rows(expressions: Sequence[tuple[exp.Expr, Role]]) -> bool:
    """Whether an expression counts rows as such, whatever is in them."""
    return any(
        isinstance(counted, exp.Count) and (counted.this is None or isinstance(counted.this, exp.Star | exp.Literal))
        for expression, role in expressions
        for aggregate, does in plan.aggregates(expression, role)
        if does is Role.VALUE
        for counted in [aggregate.this if isinstance(aggregate, exp.Filter) else aggregate]
    )


def _until(window: exp.Window) -> tuple[exp.Expr, str, str] | None:
    """Up to where in its order a window function looks: the order, the furthest of several rows, the comparison.

    None where it looks at its whole partition, or has an order of several parts.
    """
    order = window.args.get("order")
    # A place follows from who is ahead; a share of places, and a neighbour, from the others too.
    others = (*plan.NEIGHBOURS, exp.PercentRank, exp.CumeDist, exp.Ntile)
    is_running = isinstance(window.this, exp.AggFunc | exp.RowNumber) and not isinstance(window.this, others)
    spec = window.args.get("spec")
    if order is None or len(order.expressions) != 1 or not (is_running or isinstance(window.this, exp.Lag)):
        return None
    if spec is not None and str(spec.args.get("end_side") or "").upper() == "FOLLOWING":
        return None
    ordered = order.expressions[0]
    return (ordered.this, "min", ">=") if ordered.args.get("desc") else (ordered.this, "max", "<=")


def _windows_of(step: Step, expressions: Sequence[tuple[exp.Expr, Role]]) -> list[tuple[exp.Window, Role]]:
    found = [found for expression, role in expressions for found in plan.windows(expression, role)]
    qualify = step.select.args.get("qualify") if step.select is not None else None
    if qualify is not None:
        found += plan.windows(qualify, Role.CONDITION)
    return found
