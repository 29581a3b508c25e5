"""SQL expressions in words, so that a formula can be read by somebody who reads no SQL."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from orchestration.explain.plan import DIALECT

_LONGEST = 400

_BINARY: dict[type[exp.Expr], str] = {
    exp.Div: "divided by",
    exp.Mul: "times",
    exp.Add: "plus",
    exp.Sub: "minus",
    exp.EQ: "is",
    exp.NEQ: "is not",
    exp.GT: "is above",
    exp.GTE: "is at least",
    exp.LT: "is below",
    exp.LTE: "is at most",
    exp.And: "and",
    exp.Or: "or",
    exp.Like: "is like",
    exp.NullSafeEQ: "is",
    exp.NullSafeNEQ: "is not",
    exp.DPipe: "followed by",
    exp.Mod: "modulo",
}
_OF: dict[type[exp.Expr], str] = {
    exp.Sum: "the sum of",
    exp.Avg: "the mean of",
    exp.Max: "the largest",
    exp.Min: "the smallest",
    exp.Median: "the median of",
    exp.StddevSamp: "the standard deviation of",
    exp.Abs: "the size of",
    exp.Ln: "the logarithm of",
    exp.Exp: "the exponential of",
    exp.Sqrt: "the square root of",
    exp.LogicalAnd: "whether always",
    exp.LogicalOr: "whether ever",
    exp.Lag: "the one before of",
    exp.Lead: "the next of",
    exp.Lower: "in small letters",
    exp.Upper: "in capitals",
    exp.Floor: "rounded down,",
    exp.Ceil: "rounded up,",
}


def of(expression: exp.Expr) -> str:
    """An expression in words, names of columns as they are; SQL where there are no words for it."""
    text = _say(expression)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def is_plain(expression: exp.Expr) -> bool:
    """Whether an expression only hands on a column or a constant."""
    while isinstance(expression, exp.Cast | exp.Paren | exp.Alias):
        expression = expression.this
    return isinstance(expression, exp.Column | exp.Literal | exp.Null | exp.Boolean)


def _say(node: exp.Expr) -> str:
    for kinds, say in _SAY:
        if isinstance(node, kinds):
            return say(node)
    word = _BINARY.get(type(node))
    if word is not None:
        return f"{_inner(node.this)} {word} {_inner(node.expression)}"
    word = _OF.get(type(node))
    if word is not None:
        return f"{word} {_inner(node.this)}"
    return node.sql(DIALECT)


def _inner(node: exp.Expr) -> str:
    """A part of an expression, in brackets where it holds an operation of its own."""
    while isinstance(node, exp.Cast | exp.Paren):
        node = node.this
    text = _say(node)
    needs = isinstance(node, exp.Binary) and not isinstance(node, exp.Dot)
    return f"({text})" if needs else text


def _case(node: exp.Expr) -> str:
    branches = [(_say(branch.this), _say(branch.args["true"])) for branch in node.args.get("ifs", [])]
    subject = node.args.get("this")
    if subject is not None:
        branches = [(f"{_say(subject)} is {condition}", result) for condition, result in branches]
    default = node.args.get("default")
    parts = [f"{result} where {condition}" for condition, result in branches]
    if default is not None and not isinstance(default, exp.Null):
        parts.append(f"{_say(default)} otherwise")
    return "; ".join(parts)


def _count(node: exp.Expr) -> str:
    argument = node.this
    if argument is None or isinstance(argument, exp.Star):
        return "the number of rows"
    if isinstance(argument, exp.Distinct):
        return f"the number of different {' and '.join(_say(item) for item in argument.expressions)}"
    return f"the number of rows with {_inner(argument)}"


def _window(node: exp.Expr) -> str:
    within = ", ".join(_say(key) for key in node.args.get("partition_by") or [])
    order = node.args.get("order")
    ordered = ", ".join(_say(item) for item in order.expressions) if order is not None else ""
    what = node.this
    if isinstance(what, exp.RowNumber | exp.Rank | exp.DenseRank):
        text = f"the place by {ordered}" if ordered else "a running number"
    elif isinstance(what, exp.PercentRank):
        text = f"the share of places by {ordered}"
    else:
        text = _say(what) + (f" in the order of {ordered}" if ordered else "")
    return text + (f" within the same {within}" if within else " over all")


def _listing(node: exp.Expr) -> str:
    argument = node.this
    if isinstance(argument, exp.Order):
        argument = argument.this
    if isinstance(argument, exp.Distinct):
        return f"the different {' and '.join(_say(item) for item in argument.expressions)}, listed"
    return f"{_say(argument)}, listed"


def _in(node: exp.Expr) -> str:
    return f"{_say(node.this)} is one of {', '.join(_say(item) for item in node.expressions)}"


_SAY: list[tuple[type[exp.Expr] | tuple[type[exp.Expr], ...], Callable[[exp.Expr], str]]] = [
    ((exp.Cast, exp.Paren, exp.Alias), lambda node: _say(node.this)),
    (exp.Column, lambda node: node.name),
    (exp.Literal, lambda node: node.name),
    (exp.Null, lambda _: "nothing"),
    (exp.Boolean, lambda node: "true" if node.this else "false"),
    (exp.Nullif, lambda node: _say(node.this)),
    (
        exp.Coalesce,
        lambda node: (
            f"{_inner(node.this)}, or where it is missing {', or '.join(_inner(item) for item in node.expressions)}"
        ),
    ),
    (exp.Case, _case),
    (exp.Count, _count),
    (exp.Window, _window),
    (exp.GroupConcat, _listing),
    (exp.Filter, lambda node: f"{_say(node.this)} where {_say(node.expression.this)}"),
    (exp.In, _in),
    (
        exp.Between,
        lambda node: f"{_say(node.this)} is between {_say(node.args['low'])} and {_say(node.args['high'])}",
    ),
    (
        exp.Is,
        lambda node: (
            f"{_say(node.this)} is missing"
            if isinstance(node.expression, exp.Null)
            else f"{_say(node.this)} is {_say(node.expression)}"
        ),
    ),
    (
        exp.Not,
        lambda node: (
            f"{_say(node.this.this)} is there"
            if isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null)
            else f"not {_inner(node.this)}"
        ),
    ),
    (exp.Neg, lambda node: f"minus {_inner(node.this)}"),
    (exp.Pow, lambda node: f"{_inner(node.this)} to the power of {_inner(node.expression)}"),
    (exp.Greatest, lambda node: f"the larger of {', '.join(_inner(i) for i in [node.this, *node.expressions])}"),
    (exp.Least, lambda node: f"the smaller of {', '.join(_inner(i) for i in [node.this, *node.expressions])}"),
    (exp.Ordered, lambda node: _say(node.this) + (", largest first" if node.args.get("desc") else "")),
    (exp.Extract, lambda node: f"the {node.name.lower() or node.this} of {_inner(node.expression)}"),
]
