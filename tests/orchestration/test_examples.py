"""The thirty questions of docs/examples.md have the printed answers on the bundled edition, and answer quickly."""

from __future__ import annotations

import time

import pytest

from orchestration import reader
from tests.built import Home
from tests.examples import DOCUMENT, answer, examples

EXAMPLES = examples(DOCUMENT.read_text(encoding="utf-8"))


def test_there_are_thirty() -> None:
    assert len(EXAMPLES) >= 30
    assert len({sql for sql, _ in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_answer_is_the_printed_one(number: int, built: Home) -> None:
    sql, printed = EXAMPLES[number]
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        found = answer(connection, sql)
        started = time.perf_counter()
        for _ in range(3):
            connection.execute(sql).fetchall()
        took = (time.perf_counter() - started) / 3
    assert found == printed
    assert found.count("\n") > 2, "an answer has rows"
    # 50 ms on an idle machine; the suite shares its cores.
    assert took < 0.25


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
        assert ("column", "coverage_strength_share") in ask("select kind, column_name from search('strength')")
        early = ask("select source_code, edition_id from as_of(date '2019-01-01')")
        assert early
        assert all(str(edition) < "2019-01-02" for _, edition in early)
