"""What a check says of single rows, as conditions that one pass over a relation can count.

Most checks look at rows one by one. Such a check has nothing to report exactly if its condition holds in no row, so
that many of them are answered by one query that counts in how many rows each condition holds; only a check whose
condition does hold somewhere is asked by itself, for its count and examples. Conditions of queries are taken out of
DuckDB's own parse of them, those of Great Expectations' types are written here, those of the contract come with it.

A key is no matter of single rows: no two rows share one exactly if no two of its hashes are equal, or else the query
tells (see `relation.Relation.repeats`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from data_quality.specs import QUERY_EXPECTATION, CheckSpec

BATCH = "batch"


@dataclass(frozen=True)
class Screen:
    """Conditions of which one holds in a row of a relation (`batch` is the checked one) if a check finds anything."""

    relation: str
    conditions: tuple[str, ...]


def screens(connection: duckdb.DuckDBPyConnection, specs: Sequence[CheckSpec]) -> dict[str, Screen]:
    """The screen of each check that has one, by check id."""
    found: dict[str, Screen] = {}
    for spec in specs:
        if spec.conditions:
            found[spec.check_id] = Screen(BATCH, spec.conditions)
        elif spec.expectation_type in _TYPES:
            # What is wrong with the arguments of a check is said when it is its turn.
            with suppress(KeyError, TypeError, ValueError):
                found[spec.check_id] = Screen(BATCH, (unexpected(spec), nulls(spec)))
    asked = [s for s in specs if s.expectation_type == QUERY_EXPECTATION and not s.conditions and not s.unique]
    parsed = _parse(connection, [spec.kwargs["query"] for spec in asked])
    wheres = {
        spec.check_id: (relation, where)
        for spec, tree in zip(asked, parsed, strict=True)
        if tree is not None
        for relation, where in _filter_of(tree)
    }
    texts = _unparse(connection, [where for _, where in wheres.values()])
    for (check_id, (relation, _)), text in zip(wheres.items(), texts, strict=True):
        found[check_id] = Screen(relation, (text,))
    return found


def unexpected(spec: CheckSpec) -> str:
    """The condition of the rows that are unexpected; raises ValueError or KeyError for arguments that make none."""
    column, given = f'"{spec.kwargs.get("column", "")}"', spec.kwargs
    match spec.expectation_type:
        case "expect_column_values_to_not_be_null":
            return f"{column} is null"
        case "expect_column_values_to_be_in_set":
            return f"{column} not in ({', '.join(_literal(value) for value in given['value_set'])})"
        case "expect_column_values_to_match_regex":
            return f"not regexp_matches({column}, {_literal(given['regex'])})"
        case "expect_column_values_to_be_between":
            low, high = given.get("min_value"), given.get("max_value")
            if low is None and high is None:
                raise ValueError("min_value and max_value cannot both be None")
            sides = [
                f"{column} {'<=' if given.get('strict_min') else '<'} {_literal(low)}" if low is not None else "",
                f"{column} {'>=' if given.get('strict_max') else '>'} {_literal(high)}" if high is not None else "",
            ]
            return " or ".join(side for side in sides if side)
        case "expect_column_pair_values_a_to_be_greater_than_b":
            return f'not "{given["column_A"]}" {">=" if given.get("or_equal") else ">"} "{given["column_B"]}"'
    raise ValueError(f"{spec.expectation_type} is not answered here: write the check as a query")


def nulls(spec: CheckSpec) -> str:
    """The condition of the rows that such a check passes over because they have no value."""
    if spec.expectation_type != "expect_column_pair_values_a_to_be_greater_than_b":
        return f'"{spec.kwargs["column"]}" is null'
    either = spec.kwargs.get("ignore_row_if") == "either_value_is_missing"
    return f'"{spec.kwargs["column_A"]}" is null {"or" if either else "and"} "{spec.kwargs["column_B"]}" is null'


_TYPES = {
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_be_between",
    "expect_column_pair_values_a_to_be_greater_than_b",
}


def columns_of(
    connection: duckdb.DuckDBPyConnection, conditions: Sequence[str], columns: Sequence[str]
) -> list[set[str]]:
    """The columns of a relation that each condition may read."""
    trees = _parse(connection, [f"select {condition}" for condition in conditions])
    return [set(columns) if tree is None else set(_names(tree)) & set(columns) for tree in trees]


def _literal(value: Any) -> str:
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _filter_of(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Relation and condition of a query that filters one relation, in groups or not, and does nothing else."""
    origin, where = tree.get("from_table") or {}, tree.get("where_clause")
    further = [tree.get(part) for part in ("having", "qualify", "modifiers", "sample", "group_sets")]
    if tree["type"] != "SELECT_NODE" or origin.get("type") != "BASE_TABLE" or where is None or any(further):
        return
    if tree["cte_map"]["map"] or origin["alias"] or origin["sample"] or origin["column_name_alias"]:
        return
    # Without groups, an aggregate gives a row whatever the filter leaves.
    if tree["group_expressions"] or (tree["aggregate_handling"] != "FORCE_AGGREGATES" and _aggregates(tree)):
        return
    yield ".".join(part for part in (origin["schema_name"], origin["table_name"]) if part), where


def _aggregates(tree: dict[str, Any]) -> bool:
    return any(node.get("class") not in {"COLUMN_REF", "STAR"} for node in tree["select_list"])


def _names(node: Any) -> Iterator[str]:
    """Last parts of all names of columns in a parsed text; a star may be any."""
    if isinstance(node, list):
        for item in node:
            yield from _names(item)
    elif isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield node["column_names"][-1]
        for value in node.values():
            yield from _names(value)


def _parse(connection: duckdb.DuckDBPyConnection, queries: Sequence[str]) -> list[dict[str, Any] | None]:
    """DuckDB's parse of each query, None where it is not one that can be parsed."""
    texts = connection.execute("select [json_serialize_sql(q) for q in ?::varchar[]]", [list(queries)]).fetchall()[0][
        0
    ]
    trees = [json.loads(text) for text in texts]
    return [None if tree["error"] else tree["statements"][0]["node"] for tree in trees]


def _unparse(connection: duckdb.DuckDBPyConnection, expressions: Sequence[dict[str, Any]]) -> list[str]:
    """The texts of parsed expressions."""
    blank = json.loads(connection.execute("select json_serialize_sql('select 1')").fetchall()[0][0])
    asked = []
    for expression in expressions:
        blank["statements"][0]["node"]["select_list"] = [expression]
        asked.append(json.dumps(blank))
    rows = connection.execute("select [json_deserialize_sql(q::json) for q in ?::varchar[]]", [asked]).fetchall()
    return [text.removeprefix("SELECT ") for text in rows[0][0]]
