"""Every generic test of the dbt project passes on a sound table and fails on a broken row."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.dbt import pipeline_generic_cases, trade_generic_cases
from tests.dbt.conftest import DBT_PROJECT, DbtRun, run_dbt

Row = dict[str, Any]


@dataclass
class Case:
    """A generic test with its arguments, sound rows, and rows that break it, each for another reason."""

    test: str
    arguments: dict[str, Any]
    sound: list[Row]
    broken: dict[str, list[Row]]


def _counts(**changes: Any) -> Row:
    return {
        "top_n": 10,
        "n_products": 10,
        "n_biologic": 5,
        "n_not_biologic": 4,
        "n_unclassified": 1,
        "is_list_full": True,
        "is_complete": True,
    } | changes


def _growth(**changes: Any) -> Row:
    return {
        "window_id": "a",
        "country": "JPN",
        "first_year": 2010,
        "last_year": 2012,
        "growth": 0.1,
        "has_break": False,
        "n_obs": 3,
        "n_expected": 3,
        "is_usable": True,
        "is_comparable": True,
        "reason_code": "cast(null as string)",
        "cagr_real": 0.1,
    } | changes


def _interval(**changes: Any) -> Row:
    return {"low": 0.2, "high": 0.8, "coverage": 0.5, "mixed": 0.1} | changes


def _scored(**changes: Any) -> Row:
    return {
        "year": 2023,
        "value": 1.0,
        "z_score": -(0.5**0.5),
        "minmax_0_100": 0.0,
        "rank_best_first": 2,
        "n_countries": 2,
    } | changes


def _best(**changes: Any) -> Row:
    return _scored(value=2.0, z_score=0.5**0.5, minmax_0_100=100.0, rank_best_first=1) | changes


def _ranked(**changes: Any) -> Row:
    return {"low": 2, "middle": 3, "high": 5, "n": 5} | changes


def _path(**changes: Any) -> Row:
    return {
        "base_jpy": 500.0,
        "growth_share_per_year": 0.08,
        "years_from_base": 10,
        "base_year": 2019,
        "year": 2029,
        "market_jpy": 500.0 * 1.08**10,
        "data_status": "'forecast'",
    } | changes


def _listed(**changes: Any) -> Row:
    return {
        "hhi_listed": 0.5,
        "n_listed": 2,
        "hhi_bound_low": 0.1,
        "hhi_bound_high": 0.2,
        "is_in_listed_set": True,
        "is_cdmo_perimeter": True,
        "fact_kind": "'actual'",
        "metric": "'revenue'",
        "share_of_listed": 0.5,
    } | changes


_CHAIN = [
    _growth(window_id="'whole'", first_year=2010, last_year=2014, growth=1.1 * 1.2 - 1),
    _growth(window_id="'one'", first_year=2010, last_year=2012, growth=1.1**2 - 1),
    _growth(window_id="'two'", first_year=2012, last_year=2014, growth=1.2**2 - 1),
]


def _contribution(share: float, cumulative: float, **changes: Any) -> Row:
    return {
        "market_iso3": "JPN",
        "fiscal_year": 2019,
        "scope_id": "'s'",
        "price_basis": "'p'",
        "ruleset_id": "'r'",
        "contribution_share": share,
        "cumulative_contribution_share": cumulative,
    } | changes


def _kind(kind: str, count: int) -> Row:
    return {"year": 2019, "kind": f"'{kind}'", "n": count}


CASES = [
    Case(
        "unique_combination",
        {"columns": ["a", "b"]},
        [{"a": 1, "b": 1}, {"a": 1, "b": 2}],
        {"repeat": [{"a": 1, "b": 1}, {"a": 1, "b": 1}], "null": [{"a": 1, "b": "null"}, {"a": 1, "b": "null"}]},
    ),
    Case(
        "shares_sum_to_one",
        {"column": "share", "partition_by": ["year"], "where": "counts"},
        [
            {"year": 1, "share": 0.25, "counts": True},
            {"year": 1, "share": 0.75, "counts": True},
            {"year": 1, "share": 0.75, "counts": False},
            {"year": 2, "share": "cast(null as double)", "counts": True},
        ],
        {
            "short": [{"year": 1, "share": 0.25, "counts": True}, {"year": 1, "share": 0.7, "counts": True}],
            "over": [{"year": 1, "share": 1.1, "counts": True}],
        },
    ),
    Case(
        "interval_order",
        {"low": "low", "high": "high", "coverage": "coverage", "mixed": "mixed"},
        [_interval(), _interval(low=0.9, high=0.9, coverage=1.0, mixed=0.0)],
        {
            "crossed": [_interval(low=0.9)],
            "negative": [_interval(low=-0.1)],
            "above_one": [_interval(high=1.2)],
            "missing": [_interval(low="cast(null as double)")],
            "point_without_coverage": [_interval(low=0.8)],
            "interval_with_coverage": [_interval(coverage=1.0, mixed=0.0)],
        },
    ),
    Case(
        "bounds",
        {"column": "share", "low": 0, "high": 1},
        [{"share": 0.0}, {"share": 1.0}],
        {"low": [{"share": -0.01}], "high": [{"share": 1.01}]},
    ),
    Case(
        "ratio_near_one",
        {"column": "ratio", "tolerance": 0.001},
        [{"ratio": 1.0009}, {"ratio": "cast(null as double)"}],
        {"off": [{"ratio": 1.0011}], "under": [{"ratio": 0.5}]},
    ),
    Case(
        "no_growth_over_break",
        {},
        [_growth(), _growth(has_break=True, is_comparable=False, reason_code="'series_break'", cagr_real="null")],
        {
            "break": [_growth(has_break=True, cagr_real="cast(null as double)")],
            "gap": [_growth(n_obs=2)],
            "growth_over_break": [_growth(has_break=True, is_comparable=False, reason_code="'series_break'")],
            "unusable": [_growth(is_usable=False, is_comparable=False, reason_code="'other'")],
            "no_growth": [_growth(cagr_real="cast(null as double)")],
            "no_reason": [_growth(n_obs=2, is_comparable=False)],
        },
    ),
    Case(
        "one_owner_at_a_time",
        {},
        [
            {"company_id": "'a'", "valid_from": 1, "valid_to": 2},
            {"company_id": "'a'", "valid_from": 2, "valid_to": 9},
            {"company_id": "'b'", "valid_from": 5, "valid_to": 9},
        ],
        {
            "overlap": [
                {"company_id": "'a'", "valid_from": 1, "valid_to": 3},
                {"company_id": "'a'", "valid_from": 2, "valid_to": 9},
            ],
            "gap": [
                {"company_id": "'a'", "valid_from": 1, "valid_to": 2},
                {"company_id": "'a'", "valid_from": 3, "valid_to": 9},
            ],
            "nothing_long": [{"company_id": "'a'", "valid_from": 2, "valid_to": 2}],
        },
    ),
    Case(
        "growth_consistency",
        {"column": "growth", "partition_by": ["country"]},
        [
            _CHAIN[0] | {"growth": (1.1**2 * 1.2**2) ** 0.25 - 1, "country": "'JPN'"},
            _CHAIN[1] | {"growth": 0.1, "country": "'JPN'"},
            _CHAIN[2] | {"growth": 0.2, "country": "'JPN'"},
        ],
        {
            "chain": [
                _CHAIN[0] | {"growth": 0.16, "country": "'JPN'"},
                _CHAIN[1] | {"growth": 0.1, "country": "'JPN'"},
                _CHAIN[2] | {"growth": 0.2, "country": "'JPN'"},
            ]
        },
    ),
    Case(
        "projection_shape",
        {},
        [_path(), _path(years_from_base=0, year=2019, market_jpy=500.0)],
        {
            "wrong_value": [_path(market_jpy=1000.0)],
            "wrong_year": [_path(year=2030)],
            "reported": [_path(data_status="'reported'")],
            "missing": [_path(market_jpy="cast(null as double)")],
        },
    ),
    Case(
        "concentration_bounds",
        {},
        [_listed()],
        {
            "below_equal_shares": [_listed(hhi_listed=0.4)],
            "above_one": [_listed(hhi_listed=1.1)],
            "crossed": [_listed(hhi_bound_low=0.3)],
            "plan_in_set": [_listed(fact_kind="'plan'")],
            "group_in_set": [_listed(is_cdmo_perimeter=False)],
            "share_outside_set": [_listed(is_in_listed_set=False)],
        },
    ),
    Case(
        "every_statement_once",
        {"claims": "ref('claims')"},
        [{"claim_id": "'first'"}, {"claim_id": "'second'"}],
        {
            "missing": [{"claim_id": "'first'"}],
            "twice": [{"claim_id": "'first'"}, {"claim_id": "'second'"}, {"claim_id": "'second'"}],
            "other": [{"claim_id": "'first'"}, {"claim_id": "'second'"}, {"claim_id": "'study'"}],
        },
    ),
    Case(
        "runnable_evidence",
        {},
        [{"evidence_key": "'select definition_id from definitions'"}],
        {
            "no_rows": [{"evidence_key": "'select definition_id from definitions where false'"}],
            "missing": [{"evidence_key": "cast(null as string)"}],
        },
    ),
    Case(
        "standard_scores",
        {"partition_by": ["year"]},
        [_scored(), _best()],
        {
            "count": [_scored(n_countries=3), _best(n_countries=3)],
            "mean": [_scored(z_score=-0.6), _best()],
            "deviation": [_scored(z_score=-1.0), _best(z_score=1.0)],
            "lowest": [_scored(minmax_0_100=1.0), _best()],
            "highest": [_scored(), _best(minmax_0_100=99.0)],
            "no_first": [_scored(), _best(rank_best_first=2)],
            "wrong_first": [_scored(rank_best_first=1), _best(rank_best_first=2)],
        },
    ),
    Case(
        "scored_or_explained",
        {"column": "score"},
        [
            {"score": 1.0, "reason_code": "cast(null as string)"},
            {"score": "cast(null as double)", "reason_code": "'too_few_countries'"},
        ],
        {
            "neither": [{"score": "cast(null as double)", "reason_code": "cast(null as string)"}],
            "both": [{"score": 1.0, "reason_code": "'too_few_countries'"}],
        },
    ),
    Case(
        "rank_interval",
        {"low": "low", "middle": "middle", "high": "high", "n_ranks": "n"},
        [_ranked(), _ranked(low=3, high=3), _ranked(middle="cast(null as int)", low=9)],
        {
            "below_one": [_ranked(low=0)],
            "low_above": [_ranked(low=4)],
            "high_below": [_ranked(high=2)],
            "beyond": [_ranked(high=6)],
            "no_end": [_ranked(high="cast(null as int)")],
        },
    ),
    Case(
        "contributions_make_the_interval",
        {"interval": "ref('intervals')"},
        [_contribution(0.4, 0.4), _contribution(0.1, 0.5)],
        {
            "short": [_contribution(0.4, 0.4)],
            "wrong_running_sum": [_contribution(0.4, 0.4), _contribution(0.1, 0.4)],
            "other_year": [
                _contribution(0.4, 0.4),
                _contribution(0.1, 0.5),
                _contribution(0.5, 0.5, fiscal_year=2020),
            ],
            "missing_year": [_contribution(0.5, 0.5, fiscal_year=2020)],
        },
    ),
    Case(
        "amounts_at_the_rate",
        {"amount": "jpy", "converted": "usd", "rate": "rate"},
        [{"jpy": 220.0, "usd": 2.0, "rate": 110.0}, dict.fromkeys(("jpy", "usd", "rate"), "cast(null as double)")],
        {
            "other_rate": [{"jpy": 220.0, "usd": 2.0, "rate": 120.0}],
            "no_rate": [{"jpy": 220.0, "usd": 2.0, "rate": "cast(null as double)"}],
            "not_converted": [{"jpy": 220.0, "usd": "cast(null as double)", "rate": 110.0}],
        },
    ),
    Case(
        "kinds_make_all",
        {"count": "n", "kind": "kind", "partition_by": ["year"], "apart": ["cord_blood"]},
        [_kind("all", 3), _kind("cell", 1), _kind("gene", 2), _kind("cord_blood", 4)],
        {
            "too_many": [_kind("all", 3), _kind("cell", 4)],
            "no_total": [_kind("cell", 1)],
            "counted_apart": [_kind("all", 5), _kind("cell", 1), _kind("cord_blood", 4)],
        },
    ),
    Case(
        "parts_add_up",
        {"total": "change", "parts": ["price", "volume"]},
        [
            {"change": 3.0, "price": 1.0, "volume": 2.0},
            {"change": 2.0, "price": "cast(null as double)", "volume": 2.0},
            {"change": "cast(null as double)", "price": 1.0, "volume": 2.0},
            {"change": 0.3e12, "price": 0.1e12, "volume": 0.2e12},
        ],
        {
            "residual": [{"change": 3.0, "price": 1.0, "volume": 2.1}],
            "opposite": [{"change": 3.0, "price": 1.0, "volume": -2.0}],
            "part_missing": [{"change": 3.0, "price": 1.0, "volume": "cast(null as double)"}],
        },
    ),
    Case(
        "rank_contiguous",
        {"rank": "place", "partition_by": ["country"], "value": "sales"},
        [
            {"country": "JPN", "place": 1, "sales": 3.0},
            {"country": "JPN", "place": 2, "sales": 3.0},
            {"country": "a", "place": 1, "sales": 1.0},
        ],
        {
            "gap": [{"country": "JPN", "place": 1, "sales": 3.0}, {"country": "JPN", "place": 3, "sales": 2.0}],
            "twice": [{"country": "JPN", "place": 1, "sales": 3.0}, {"country": "JPN", "place": 1, "sales": 3.0}],
            "rising": [{"country": "JPN", "place": 1, "sales": 3.0}, {"country": "JPN", "place": 2, "sales": 4.0}],
            "no_rank": [{"country": "JPN", "place": "cast(null as int)", "sales": 3.0}],
        },
    ),
    Case(
        "count_partition",
        {},
        [_counts(), _counts(top_n=20, is_list_full=False, is_complete=False), _counts(is_complete=False)],
        {
            "not_a_partition": [_counts(n_biologic=6)],
            "longer_than_asked": [_counts(top_n=9, is_list_full=False, is_complete=False)],
            "full_but_short": [_counts(top_n=20, is_complete=False)],
            "complete_but_short": [_counts(top_n=20, is_list_full=False)],
        },
    ),
]

CASES += [Case(*entry) for entry in [*trade_generic_cases.CASES, *pipeline_generic_cases.CASES]]


def _select(rows: list[Row]) -> str:
    def line(row: Row) -> str:
        return "select " + ", ".join(f"{_literal(value)} as {name}" for name, value in row.items())

    return "\nunion all\n".join(line(row) for row in rows)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"cast({value!r} as double)"
    return "'JPN'" if value == "JPN" else "'a'" if value == "a" else str(value)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> DbtRun:
    """One dbt invocation over a sound and several broken tables for each generic test."""
    project = tmp_path_factory.mktemp("generic")
    shutil.copytree(DBT_PROJECT / "tests" / "generic", project / "tests" / "generic")
    shutil.copytree(DBT_PROJECT / "macros", project / "macros")
    shutil.copy(DBT_PROJECT / "profiles.yml", project / "profiles.yml")
    (project / "macros" / "latest_edition.sql").unlink()
    (project / "dbt_project.yml").write_text(
        "name: biopharma\nversion: '1.0'\nprofile: biopharma\nflags: {send_anonymous_usage_stats: false}\n"
    )
    models = project / "models"
    models.mkdir()
    (models / "definitions.sql").write_text("select 'one' as definition_id union all select 'two' as definition_id")
    claims = {"first": True, "second": True, "study": False}
    (models / "claims.sql").write_text(
        _select([{"claim_id": f"'{claim}'", "is_seed_claim": is_seed} for claim, is_seed in claims.items()])
    )
    interval = {"market_iso3": "JPN", "year": 2019, "scope_id": "'s'", "price_basis": "'p'", "ruleset_id": "'r'"}
    interval |= {"basis": "'warehouse_site_evidence'", "measure": "'value'", "modality": "'all'"}
    interval |= {"share_overseas_low": 0.5, "share_overseas_high": 1.0}
    (models / "intervals.sql").write_text(_select([interval, interval | {"measure": "'weight'"}]))
    entries = []
    for case in CASES:
        tables = {f"{case.test}__sound": case.sound}
        tables |= {f"{case.test}__{reason}": rows for reason, rows in case.broken.items()}
        for name, rows in tables.items():
            (models / f"{name}.sql").write_text(_select(rows))
            test = {case.test: {"name": f"test_{name}", "arguments": case.arguments}}
            entries.append({"name": name, "data_tests": [test]})
    (models / "models.yml").write_text(yaml.safe_dump({"version": 2, "models": entries}))
    return run_dbt(["build"], project=project, work_file=project / "tiny.duckdb", target=project / "target")


def test_every_generic_test_is_proven() -> None:
    defined = {path.stem for path in (DBT_PROJECT / "tests" / "generic").glob("*.sql")}
    assert defined == {case.test for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.test)
def test_sound_rows_pass(outcome: DbtRun, case: Case) -> None:
    assert outcome.exception is None
    assert outcome.status[f"test_{case.test}__sound"] == "pass"


@pytest.mark.parametrize(
    ("test", "reason"), [(case.test, reason) for case in CASES for reason in case.broken], ids=lambda value: value
)
def test_broken_rows_fail(outcome: DbtRun, test: str, reason: str) -> None:
    assert outcome.status[f"{test}__{reason}"] == "success", "the broken table itself was built"
    assert outcome.status[f"test_{test}__{reason}"] == "fail"


def test_generic_tests_need_no_package() -> None:
    assert not (DBT_PROJECT / "packages.yml").exists()
    assert not (DBT_PROJECT / "dependencies.yml").exists()
