"""The models behind a mart, taken apart into steps that can be traced one by one.

A release carries the compiled SQL of its models (`catalog.models`). A model is a query of named parts (CTEs); every
part becomes a step of its own: one SELECT over named inputs, or one UNION of such steps. Columns are qualified and
stars expanded by sqlglot, so that a step says of each of its columns from which columns of which input it follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from orchestration.errors import ExplainError

DIALECT = "duckdb"
HIDDEN = "__"
RANKS = (exp.Rank, exp.DenseRank, exp.RowNumber, exp.PercentRank, exp.CumeDist, exp.Ntile)
NEIGHBOURS = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)


class Role(IntEnum):
    """What a row or column does for a figure: its value enters it, or it decides what enters it."""

    VALUE = 1
    CONDITION = 2


@dataclass(frozen=True)
class Model:
    """A model as the release describes it."""

    name: str
    language: str
    code: str
    description: str
    grain: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """An input of a step: another step or a published table, under the name it has in the query."""

    alias: str
    relation: str
    join: str
    on: exp.Expr | None = field(repr=False)

    @property
    def is_optional(self) -> bool:
        """True where rows stand also without a match."""
        return self.join == "left"


@dataclass(frozen=True)
class Step:
    """One SELECT (or UNION of steps) of a model. Its last step is the model's own relation."""

    name: str
    model: str
    columns: tuple[str, ...]
    select: exp.Select | None = field(default=None, repr=False)
    sources: tuple[Source, ...] = ()
    branches: tuple[str, ...] = ()
    is_distinct: bool = False
    python_inputs: tuple[str, ...] = ()

    @cached_property
    def projections(self) -> dict[str, exp.Expr]:
        """Expression of every column."""
        if self.select is None:
            return {}
        return {item.alias_or_name: item.unalias() for item in self.select.expressions}

    @cached_property
    def is_aggregate(self) -> bool:
        """True where rows of the inputs are put together."""
        if self.select is None:
            return False
        return (
            self.is_distinct
            or self.select.args.get("group") is not None
            or any(True for item in self.select.expressions for _ in aggregates(item))
        )

    @cached_property
    def group_keys(self) -> list[exp.Expr]:
        """Expressions that tell the groups apart."""
        if self.select is None:
            return []
        if self.is_distinct and self.select.args.get("group") is None:
            return list(self.projections.values())
        group = self.select.args.get("group")
        return list(group.expressions) if group is not None else []

    def clauses(self) -> Iterator[exp.Expr]:
        """Conditions on rows and groups: what stands after WHERE, HAVING and QUALIFY."""
        for name in ("where", "having", "qualify"):
            clause = self.select.args.get(name) if self.select is not None else None
            if clause is not None:
                yield clause.this


def contributes(aggregate: exp.Expr) -> exp.Expr:
    """Condition under which a row counts for an aggregate: its argument is not null and its filter holds."""
    conditions = []
    if isinstance(aggregate, exp.Filter):
        conditions.append(aggregate.expression.this.copy())
        aggregate = aggregate.this
    argument = aggregate.this
    if isinstance(argument, exp.Distinct):
        argument = argument.expressions[0]
    if isinstance(argument, exp.Order):
        argument = argument.this
        if isinstance(argument, exp.Distinct):
            argument = argument.expressions[0]
    if argument is not None and not isinstance(argument, exp.Star):
        conditions.append(exp.Not(this=exp.Is(this=exp.paren(argument.copy()), expression=exp.Null())))
    return exp.and_(*conditions) if conditions else exp.true()


def parts_with_role(expression: exp.Expr, role: Role) -> Iterator[tuple[exp.Expr, Role]]:
    """Every node of an expression with what it does for the result: what is asked in a CASE, a filter or an order
    decides, all else enters."""
    yield expression, role
    for name, value in expression.args.items():
        decides = (
            (isinstance(expression, exp.Case | exp.If) and name == "this")
            or (isinstance(expression, exp.Filter) and name == "expression")
            or (isinstance(expression, exp.Window) and (name != "this" or isinstance(expression.this, RANKS)))
            or (isinstance(expression, exp.Order) and name != "this")
        )
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr):
                yield from parts_with_role(child, Role.CONDITION if decides else role)


def column_roles(expression: exp.Expr, role: Role) -> dict[tuple[str, str], Role]:
    """Columns (alias, name) that an expression reads, each with what it does for the result."""
    found: dict[tuple[str, str], Role] = {}
    for node, does in parts_with_role(expression, role):
        if isinstance(node, exp.Column):
            key = (node.table, node.name)
            found[key] = min(does, found.get(key, Role.CONDITION))
    return found


def columns_made_from(expression: exp.Expr) -> Iterator[exp.Column]:
    """Columns that an expression holds, but for what a window is divided by: that selects rows."""
    if isinstance(expression, exp.Column):
        yield expression
    for name, value in expression.args.items():
        if not (isinstance(expression, exp.Window) and name == "partition_by"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, exp.Expr):
                    yield from columns_made_from(child)


def aggregates(expression: exp.Expr, role: Role = Role.VALUE) -> Iterator[tuple[exp.Expr, Role]]:
    """Aggregates in an expression (with their FILTER, where they have one) and their role; no window functions."""
    for node, does in parts_with_role(expression, role):
        if isinstance(node.parent, exp.Window) and node.parent.this is node:
            continue
        is_filtered = isinstance(node.parent, exp.Filter)
        if isinstance(node, exp.Filter) or (isinstance(node, exp.AggFunc) and not is_filtered):
            yield node, does


def windows(expression: exp.Expr, role: Role = Role.VALUE) -> list[tuple[exp.Window, Role]]:
    """Window functions in an expression and their role."""
    return [(node, does) for node, does in parts_with_role(expression, role) if isinstance(node, exp.Window)]


def steps_of(model: Model, columns_of: Mapping[str, Sequence[str]], relation_of: Mapping[str, str]) -> list[Step]:
    """Steps of a model in the order in which they follow from one another, the model's own relation last.

    `columns_of` has the columns of every relation that the model may read, `relation_of` what dbt's names stand for.
    Raises ExplainError for SQL that cannot be taken apart.
    """
    if model.language == "python":
        return [Step(model.name, model.name, tuple(columns_of[model.name]), python_inputs=model.inputs)]
    try:
        tree = sqlglot.parse_one(model.code, dialect=DIALECT)
    except sqlglot.errors.SqlglotError as error:
        raise _not_understood(model.name, error) from error
    builder = _Builder(model.name, columns_of, relation_of)
    try:
        builder.add_query(model.name, tree, {})
    except (sqlglot.errors.SqlglotError, KeyError) as error:
        raise _not_understood(model.name, error) from error
    return builder.steps


def _not_understood(name: str, error: Exception) -> ExplainError:
    return ExplainError(
        f"the SQL of {name} cannot be taken apart ({str(error).splitlines()[0]})",
        remedy="Write the model in SELECTs over named parts (CTEs), as its neighbours are.",
    )


class _Builder:
    def __init__(self, model: str, columns_of: Mapping[str, Sequence[str]], relation_of: Mapping[str, str]) -> None:
        self.model = model
        self.steps: list[Step] = []
        self._columns = dict(columns_of)
        self._relations = relation_of
        self._n = 0

    def add_query(self, name: str, query: exp.Expr, known: dict[str, str]) -> None:
        known = dict(known)
        with_ = query.args.get("with_") or query.args.get("with")
        if with_ is not None:
            for cte in with_.expressions:
                part = f"{self.model}/{cte.alias}"
                self.add_query(part, cte.this, known)
                known[cte.alias] = part
            with_.pop()
        if isinstance(query, exp.Subquery):
            query = query.unnest()
        if isinstance(query, exp.Union):
            self._add_union(name, query, known)
        else:
            self._add_select(name, query, known)

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self._columns[step.name] = step.columns

    def _add_union(self, name: str, query: exp.Union, known: dict[str, str]) -> None:
        parts: list[exp.Expr] = []
        is_distinct = False

        def flatten(node: exp.Expr) -> None:
            nonlocal is_distinct
            if isinstance(node, exp.Union):
                is_distinct = is_distinct or bool(node.args.get("distinct"))
                flatten(node.this)
                flatten(node.expression)
            else:
                parts.append(node)

        flatten(query)
        names = []
        for number, part in enumerate(parts, start=1):
            names.append(f"{name}#{number}")
            self.add_query(names[-1], part, known)
        self._add(
            Step(name, self.model, tuple(self._columns[names[0]]), branches=tuple(names), is_distinct=is_distinct)
        )

    def _add_select(self, name: str, query: exp.Expr, known: dict[str, str]) -> None:
        if not isinstance(query, exp.Select):
            raise sqlglot.errors.ParseError(f"{type(query).__name__} is no SELECT")
        self._lift_scalars(name, query, known)
        relations: dict[str, str] = {}
        schema: dict[str, object] = {}
        inputs = [query.args.get("from_") or query.args.get("from"), *query.args.get("joins", [])]
        for entry in inputs:
            if entry is None:
                continue
            table = entry.this
            if isinstance(table, exp.Subquery):
                self._n += 1
                part = f"{self.model}/{table.alias or 'part'}.{self._n}"
                alias = table.alias or f"part_{self._n}"
                self.add_query(part, table.this, known)
            else:
                if not isinstance(table, exp.Table):
                    raise sqlglot.errors.ParseError(f"{table.sql(DIALECT)} is no table")
                key = ".".join(p.name for p in table.parts)
                part = known.get(key) or self._relations[".".join(p.name for p in table.parts[-2:])]
                alias = table.alias_or_name
            relations[alias] = part
            physical = f"t_{alias}"
            schema[physical] = dict.fromkeys(self._columns[part], "unknown")
            entry.set("this", exp.alias_(exp.to_table(physical), alias, table=True))
        select = qualify(
            query,
            schema=schema,
            dialect=DIALECT,
            quote_identifiers=False,
            isolate_tables=False,
            validate_qualify_columns=True,
        )
        assert isinstance(select, exp.Select)
        _resolve_named_windows(select)
        sources = []
        for position, entry in enumerate(
            [select.args.get("from_") or select.args.get("from"), *select.args.get("joins", [])]
        ):
            if entry is None:
                continue
            join = "from" if position == 0 else (entry.side or entry.kind or "inner").lower()
            sources.append(
                Source(entry.this.alias_or_name, relations[entry.this.alias_or_name], join, entry.args.get("on"))
            )
        select.set("order", None)
        self._add(
            Step(
                name,
                self.model,
                tuple(item.alias_or_name for item in select.expressions),
                select=select,
                sources=tuple(sources),
                is_distinct=select.args.get("distinct") is not None,
            )
        )

    def _lift_scalars(self, name: str, query: exp.Select, known: dict[str, str]) -> None:
        """Turn a subquery that stands for one value into an input of one row."""
        own = [s for s in query.find_all(exp.Subquery) if not isinstance(s.parent, exp.From | exp.Join)]
        for subquery in own:
            self._n += 1
            alias = f"scalar_{self._n}"
            part = f"{self.model}/{alias}"
            self.add_query(part, subquery.this.copy(), known)
            known[alias] = part
            column = self._columns[part][0]
            subquery.replace(exp.column(column, table=alias))
            query.args.setdefault("joins", []).insert(0, exp.Join(this=exp.to_table(alias), kind="CROSS"))


def _resolve_named_windows(select: exp.Select) -> None:
    named = {window.name.lower(): window for window in select.args.get("windows") or []}
    for window in select.find_all(exp.Window):
        alias = window.args.get("alias")
        if alias is not None and alias.name.lower() in named and window not in named.values():
            source = named[alias.name.lower()]
            for key in ("partition_by", "order", "spec"):
                value = source.args.get(key)
                if value is not None:
                    window.set(key, [v.copy() for v in value] if isinstance(value, list) else value.copy())
            window.set("alias", None)
    select.set("windows", None)
