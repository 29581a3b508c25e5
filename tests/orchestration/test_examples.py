"""The questions of docs/examples.md have the printed answers on the bundled edition, and answer quickly."""

from __future__ import annotations

import re
import time

import duckdb
import pytest

from ingest.settings import PROJECT_ROOT
from orchestration import reader
from tests.built import Home
from tests.examples import DOCUMENT, answer, examples

EXAMPLES = examples(DOCUMENT.read_text(encoding="utf-8"))


def test_there_are_forty() -> None:
    assert len(EXAMPLES) >= 40
    assert len({sql for sql, _ in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_answer_is_the_printed_one(number: int, built: Home) -> None:
    sql, printed = EXAMPLES[number]
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        found = answer(connection, sql)
        took = []
        for _ in range(5):
            started = time.perf_counter()
            connection.execute(sql).fetchall()
            took.append(time.perf_counter() - started)
    assert found == printed
    assert found.count("\n") > 2, "an answer has rows"
    # 50 ms on an idle machine; the suite shares its cores, so that the quickest of five may take twice that.
    assert min(took) < 0.1


def test_every_statement_leads_to_its_rows_in_the_release(built: Home) -> None:
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        keys = connection.execute("select claim_id, evidence_key from mart_policy_claim_check").fetchall()
        lists = connection.execute("select distinct series_to_lay_over from mart_policy_timeline").fetchall()
        empty = [claim for claim, key in keys if not connection.execute(key).fetchall()]
        for relation in {name for (names,) in lists for name in str(names).split(",")}:
            assert connection.execute(f"from {relation} limit 1").description
    assert len(keys) == 15
    assert empty == []


def test_table_macros_agree_with_the_marts(built: Home) -> None:
    with reader.open_release(reader.current_dir(built.settings)) as connection:

        def ask(sql: str) -> list[tuple[object, ...]]:
            return connection.execute(sql).fetchall()

        [(growth, reason)] = ask("select real_growth_share, reason_code from real_growth('JPN', 2014, 2019)")
        [(published,)] = ask(
            "select cagr_real from mart_rnd_growth where is_headline_series and country_iso3 = 'JPN' "
            "and basis = 'international_statistics' and window_id = '2014-2019'"
        )
        assert reason is None
        assert growth == pytest.approx(published, rel=1e-9)
        assert ask("select real_growth_share, reason_code from real_growth('XXX', 2014, 2019)") == [
            (None, "end_missing")
        ]
        assert ask("select reason_code from real_growth('JPN', 2019, 2014)") == [("no_window",)]
        [(there,)] = ask("select rate from in_currency('JPY', 'USD') where year = 2019")
        [(back,)] = ask("select rate from in_currency('USD', 'JPY') where year = 2019")
        assert there * back == pytest.approx(1, rel=1e-12)  # type: ignore[operator]
        assert ask("select population, reason_code from per_capita('JPN')") == [(None, "population_not_at_hand")]
        assert ("column", "coverage_strength_share") in ask("select kind, column_name from search('strength')")
        early = ask("select source_code, edition_id from as_of(date '2019-01-01')")
        assert early
        assert all(str(edition) < "2019-01-02" for _, edition in early)


def test_per_capita_divides_by_the_population_of_the_year() -> None:
    macros = (PROJECT_ROOT / "dbt_project" / "published" / "macros.sql").read_text(encoding="utf-8")
    [statement] = re.findall(r"create macro marts\.per_capita.+?;", macros, flags=re.DOTALL)
    with duckdb.connect() as connection:
        connection.execute("create schema marts; create schema facts")
        connection.execute(
            "create table facts.reference_rate as select 'population' as series_code, 'country' as area_kind, "
            "'JPN' as area_code, date '2019-01-01' as period_start, 100.0 as value, 'reported' as status, "
            "'synthetic' as source_code, 'synthetic' as edition_id"
        )
        connection.execute(statement)
        rows = connection.execute("select year, 500 * per_capita_factor, reason_code from marts.per_capita('JPN')")
        assert rows.fetchall() == [(2019, 5.0, None)]
        none = connection.execute("select year, population, reason_code from marts.per_capita('KOR')")
        assert none.fetchall() == [(None, None, "population_not_at_hand")]
