"""Expectations on DuckDB: each type passes on good rows and fails on bad ones, whichever way its rows are counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from data_quality import relation
from data_quality.conditions import screens
from data_quality.expectations import expectation_of, judge
from data_quality.relation import Relation
from data_quality.specs import QUERY_EXPECTATION, CheckSpec, check_specs

ROWS = """
    create schema things;
    create table things.item as select * from (values
        (1, 'JPY', date '2019-04-01', date '2020-03-31', 1.5, 'observations["12:0:0"]'),
        (2, 'USD', date '2019-01-01', date '2019-12-31', 2.5, 'a{3}b'),
        (3, null,  date '2019-01-01', date '2019-01-01', null, 'plain')
    ) as rows (id, currency, starts_on, ends_on, amount, locator);
"""

# Expectation type, arguments that the rows above meet, arguments that they do not.
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "expect_column_values_to_be_in_set",
        {"column": "currency", "value_set": ["JPY", "USD"]},
        {"column": "currency", "value_set": ["JPY"]},
    ),
    (
        "expect_column_values_to_be_between",
        {"column": "amount", "min_value": 1.5},
        {"column": "amount", "min_value": 1.5, "strict_min": True},
    ),
    # A pattern that is only found within the text, and one that is not: DuckDB must search, not match the whole.
    (
        "expect_column_values_to_match_regex",
        {"column": "currency", "regex": "[A-Z]{2}"},
        {"column": "currency", "regex": "^J"},
    ),
    ("expect_table_row_count_to_be_between", {"min_value": 3}, {"min_value": 4}),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "ends_on", "column_B": "starts_on", "or_equal": True},
        {"column_A": "ends_on", "column_B": "starts_on"},
    ),
    ("expect_column_values_to_not_be_null", {"column": "id"}, {"column": "currency"}),
]

# Queries that return nothing, and queries that return one row.
QUERIES = [
    ("select id from batch where amount < 0", "select id from batch where amount < 2"),
    (
        "with big as (select * from batch where amount > 2) select id from big where currency is null",
        "with big as (select * from batch where amount > 2) select id from big",
    ),
    (
        "select id from batch where regexp_matches(locator, 'b{3}')",
        "select id from batch where locator = 'a{3}b' and regexp_matches(locator, '^a[{]3[}]b$')",
    ),
    (
        "select id from batch where locator = ':none'",
        "select id, cast(id as varchar)::integer as n from batch where locator = 'observations[\"12:0:0\"]'",
    ),
    (
        "select a.id from batch a join batch b on a.id = b.id and a.amount <> b.amount",
        "select a.id from batch a join things.item b on a.id = b.id + 2",
    ),
]


@pytest.fixture(scope="module", params=["small", "large"])
def item(request: pytest.FixtureRequest) -> Iterator[Relation]:
    with duckdb.connect() as connection, pytest.MonkeyPatch.context() as patch:
        if request.param == "large":
            patch.setattr(relation, "LARGE", 1)
            patch.setattr(relation, "_SLICE", 2)
        connection.execute(ROWS)
        yield Relation(connection, "things.item", ["locator"])


def spec_of(kind: str, kwargs: dict[str, Any]) -> CheckSpec:
    return CheckSpec("item__check", "lake", "item", "things", "item", None, kind, kwargs, "fail", "A check.")


def result_of(item: Relation, kind: str, kwargs: dict[str, Any]) -> Any:
    """The result of one expectation, its conditions counted beforehand where they can be."""
    spec = spec_of(kind, kwargs)
    screen = screens(item._connection, [spec]).get(spec.check_id)
    counts = item.count(screen.conditions) if screen else {}
    is_clean = screen is not None and not any(counts.values())
    return judge(spec, expectation_of(spec), item, counts, is_clean=is_clean)


def test_every_expectation_type_of_the_suites_is_tried_here() -> None:
    used = {spec.expectation_type for stage in ("lake", "marts") for spec in check_specs(stage)}
    assert used - {case[0] for case in CASES} <= {QUERY_EXPECTATION}


@pytest.mark.parametrize(("kind", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_expectation_passes_and_fails(kind: str, good: dict[str, Any], bad: dict[str, Any], item: Relation) -> None:
    passed, failed = result_of(item, kind, good), result_of(item, kind, bad)
    assert passed.success
    assert not failed.success
    assert not failed.exception_info["raised_exception"]
    # Asked alone, as it is where a neighbour's condition cannot be put, it says the same.
    alone = judge(spec_of(kind, bad), expectation_of(spec_of(kind, bad)), item, {}, is_clean=False)
    assert alone.to_json_dict() == failed.to_json_dict()


@pytest.mark.parametrize(("good", "bad"), QUERIES)
def test_query_passes_and_fails(good: str, bad: str, item: Relation) -> None:
    passed, failed = (result_of(item, QUERY_EXPECTATION, {"query": query}) for query in (good, bad))
    assert passed.success, passed
    assert not failed.success
    assert failed.result["observed_value"] == "1 unexpected row", failed
    assert failed.result["details"]["unexpected_rows"][0].keys() >= {"id"}


def test_a_query_counts_all_rows_and_fetches_few(item: Relation) -> None:
    count, rows = item.find("select n from batch cross join range(100000) as r (n)")
    assert count == 300_000
    assert len(rows) == relation.EXAMPLES


def test_a_broken_query_is_an_exception_and_the_next_one_still_runs(item: Relation) -> None:
    found = result_of(item, QUERY_EXPECTATION, {"query": "select no_such_column from batch"})
    assert not found.success
    assert "no_such_column" in str(found.exception_info)
    assert result_of(item, "expect_table_row_count_to_be_between", {"min_value": 3}).success


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("select id from batch where amount < 0", "amount < 0"),
        ("select id, count(*) as n from batch where amount < 0 or id in (select 2) group by all", "amount < 0"),
        ("select id, locator as where_found from batch where locator = 'a from b where c' ", "'a from b where c'"),
        # What these return does not follow from single rows.
        ("select count(*) from batch where amount < 0", None),
        ("select id, count(*) as n from batch where amount < 0 group by all having count(*) > 1", None),
        ("select id from batch as a where amount < 0", None),
        ("select id from batch join things.item using (id) where id < 0", None),
        ("with some as (select 1 as id) select id from some where id < 0", None),
        ("select id from batch where id < 0 union all select 1", None),
        ("select id from batch where id < 0 order by id limit 1", None),
        ("select id from batch qualify row_number() over (partition by id) > 1", None),
        ("selekt", None),
    ],
)
def test_conditions_are_taken_from_queries_about_single_rows_only(query: str, condition: str | None) -> None:
    with duckdb.connect() as connection:
        found = screens(connection, [spec_of(QUERY_EXPECTATION, {"query": query})])
    if condition is None:
        assert not found
    else:
        (screen,) = found.values()
        assert screen.relation == "batch"
        assert condition in screen.conditions[0]


def test_repeats_are_found_whichever_slice_their_hash_is_in(item: Relation) -> None:
    assert not item.repeats(["id"])
    assert item.repeats(["starts_on"])
    assert not item.repeats(["currency", "amount"])
