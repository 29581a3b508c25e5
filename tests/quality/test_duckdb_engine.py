"""Great Expectations on DuckDB: each expectation type passes on good rows and fails on bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from great_expectations.expectations.registry import get_expectation_impl

from data_quality import duckdb_engine
from data_quality.specs import QUERY_EXPECTATION, check_specs
from ingest.settings import Settings

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
    ("expect_column_values_to_be_unique", {"column": "id"}, {"column": "starts_on"}),
    ("expect_column_values_to_not_be_null", {"column": "id"}, {"column": "currency"}),
]

# Queries that return nothing, and queries that return one row; with what Great Expectations or SQLAlchemy would
# stumble over: a table list of its own, braces, colons, joins.
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


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    settings = Settings(home=tmp_path_factory.mktemp("engine") / "a home with a blank", memory_limit="500MB")
    settings.work.mkdir(parents=True)
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute(ROWS)
    datasource = duckdb_engine.ephemeral_context().data_sources.add_duckdb(
        "things",
        connection_string=duckdb_engine.connection_string(settings),
        schema_name="things",
        kwargs=duckdb_engine.connection_arguments(settings),
    )
    yield datasource.add_table_asset("item", table_name="item").add_batch_definition_whole_table("all").get_batch()
    datasource.close()
    _open_for_writing(settings.work_file)


def _open_for_writing(path: Path) -> None:
    """Raises if Great Expectations has left a connection open: DuckDB lets one process write, with one config."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table things.written (x integer)")


def test_every_expectation_type_of_the_suites_is_tried_here() -> None:
    used = {spec.expectation_type for stage in ("lake", "marts") for spec in check_specs(stage)}
    assert used - {case[0] for case in CASES} <= {QUERY_EXPECTATION}


@pytest.mark.parametrize(("kind", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_expectation_passes_and_fails(kind: str, good: dict[str, Any], bad: dict[str, Any], batch: Any) -> None:
    expectation = get_expectation_impl(kind)
    passed = batch.validate(expectation(**good), result_format="BASIC")
    failed = batch.validate(expectation(**bad), result_format="BASIC")
    assert passed.success
    assert not failed.success
    assert not failed.exception_info["raised_exception"]


@pytest.mark.parametrize(("good", "bad"), QUERIES)
def test_query_passes_and_fails(good: str, bad: str, batch: Any) -> None:
    passed, failed = (
        batch.validate(
            duckdb_engine.ExpectQueryToReturnNoRows(unexpected_rows_query=duckdb_engine.query_over_batch(query)),
            result_format="BASIC",
        )
        for query in (good, bad)
    )
    assert passed.success, passed
    assert not failed.success
    assert failed.result["observed_value"] == "1 unexpected row", failed
    assert failed.result["details"]["unexpected_rows"][0].keys() >= {"id"}


def test_a_query_counts_all_rows_and_fetches_few(batch: Any) -> None:
    query = duckdb_engine.query_over_batch("select n from batch cross join range(100000) as r (n)")
    found = batch.validate(duckdb_engine.ExpectQueryToReturnNoRows(unexpected_rows_query=query))
    assert found.result["details"]["unexpected_count"] == 300_000
    assert len(found.result["details"]["unexpected_rows"]) == duckdb_engine.EXAMPLES


def test_a_broken_query_is_an_exception_and_the_next_one_still_runs(batch: Any) -> None:
    broken = duckdb_engine.ExpectQueryToReturnNoRows(
        unexpected_rows_query=duckdb_engine.query_over_batch("select no_such_column from batch")
    )
    found = batch.validate(broken)
    assert not found.success
    assert "no_such_column" in str(found.exception_info)
    assert batch.validate(get_expectation_impl("expect_table_row_count_to_be_between")(min_value=3)).success


def test_the_file_is_opened_read_only(batch: Any) -> None:
    engine = batch.datasource.get_execution_engine()
    import sqlalchemy as sa

    with pytest.raises(sa.exc.DBAPIError, match="read-only"):
        engine.execute_query_in_transaction(sa.text("create table things.other (x integer)"))


def test_a_result_outlives_its_connection(batch: Any) -> None:
    engine = batch.datasource.get_execution_engine()
    import sqlalchemy as sa

    first = engine.execute_query(sa.text("select id from things.item order by id"))
    second = engine.execute_query_in_transaction(sa.text("select count(*) from things.item"))
    assert [row[0] for row in first.fetchall()] == [1, 2, 3]
    assert second.fetchone()[0] == 3
