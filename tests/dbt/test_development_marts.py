"""Domestic development on the bundled edition: approvals, launch lag, origin of sales, patents, capacity."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dbt.conftest import Build


def origin(build: Build, scope: str, basis: str, country: str, year: int = 2019) -> dict[str, Any]:
    """A country's part of the sales of biologics, headline rule set."""
    return build.row(
        "select * from marts.mart_sales_by_origin where is_headline_ruleset and "
        f"scope_id = '{scope}' and origin_basis = '{basis}' and origin_iso3 = '{country}' and year = {year}"
    )


def test_the_bases_disagree_on_whose_biologics_sell_in_japan(build: Build) -> None:
    """Fewer are found in Japan than the country is home to sellers; Swiss owners bought American inventors."""
    found, owned = (origin(build, "ndb_all_routes", basis, "CHE") for basis in ("originator", "parent_at_filing"))
    assert owned["share_sales"] > 5 * found["share_sales"]
    japan = origin(build, "ndb_all_routes", "originator", "JPN")
    assert (round(japan["share_sales"], 3), round(japan["share_sales_high"], 3)) == (0.087, 0.158)
    assert japan["is_domestic"] and not found["is_domestic"]
    america = origin(build, "medicare_part_b", "originator", "JPN")
    assert america["share_sales"] < japan["share_sales"]


def test_the_place_of_the_drug_substance_is_known_for_what_the_interval_of_origin_covers(build: Build) -> None:
    known = build.row(
        "select max(coverage_share) as coverage from marts.mart_sales_by_origin where scope_id = 'ndb_all_routes' "
        "and is_headline_ruleset and origin_basis = 'drug_substance_site' and year = 2019"
    )
    interval = build.row(
        "select coverage_share from marts.mart_overseas_manufacturing_share where scope_id = 'ndb_all_routes' "
        "and is_headline_ruleset and year = 2019 and measure = 'value' and modality = 'all'"
    )
    assert known["coverage"] == pytest.approx(interval["coverage_share"], abs=1e-9)


def test_known_arrivals(build: Build) -> None:
    rows = build.rows(
        "select substance_key, market_iso3, first_anywhere_on, lag_low_days, lag_high_days, is_lost, reason_code "
        "from marts.mart_launch_lag where substance_key in ('dupilumab', 'ocrelizumab', 'nivolumab')"
    )
    by = {(row["substance_key"], row["market_iso3"]): row for row in rows}
    # Approved in the United States on 2017-03-28; on Japan's list of October 2019 and not on that of April 2015.
    assert (by["dupilumab", "JPN"]["lag_low_days"], by["dupilumab", "JPN"]["lag_high_days"]) == (0, 917)
    assert by["dupilumab", "EUU"]["lag_high_days"] == 182
    assert by["ocrelizumab", "JPN"]["is_lost"] and not by["ocrelizumab", "EUU"]["is_lost"]
    # Approved in Japan first, on a day that no list states: no lag.
    assert by["nivolumab", "USA"]["lag_low_days"] is None
    assert by["nivolumab", "USA"]["reason_code"] == "first_approval_elsewhere_undated"


def test_biologics_reach_japan_later_and_fewer_of_them(build: Build) -> None:
    rows = build.rows(
        "select * from marts.mart_launch_lag_summary where modality = 'all' and is_headline_ruleset "
        "and cohort_first_year = 2016 and cohort_last_year = 2019"
    )
    by = {row["market_iso3"]: row for row in rows}
    assert by["JPN"]["share_within_5_years_high"] < by["EUU"]["share_within_5_years_low"]
    assert by["JPN"]["share_lost"] > 2 * by["EUU"]["share_lost"]
    assert by["USA"]["lag_median_high_days"] == 0
    assert by["JPN"]["lag_median_low_days"] < by["JPN"]["lag_median_high_days"]


def test_counts_by_day_are_comparable_and_marked_where_a_list_ends_before(build: Build) -> None:
    rows = build.rows(
        "select agency, as_of_date, max(n_all_origins) as n, bool_or(is_incomplete) as is_incomplete "
        "from marts.mart_approvals_by_modality where basis = 'listed_by_day' and row_level = 'biologics_total' "
        "and is_headline_ruleset and origin_basis = 'originator' group by all"
    )
    by = {(row["agency"], str(row["as_of_date"])): row for row in rows}
    assert by["MHLW", "2019-10-01"]["n"] < by["EMA", "2019-10-01"]["n"] < by["FDA", "2019-10-01"]["n"]
    assert by["EMA", "2025-07-16"]["is_incomplete"] and not by["MHLW", "2025-07-16"]["is_incomplete"]


def test_a_product_classed_by_its_name_says_so(build: Build) -> None:
    row = build.row(
        "select modality, modality_basis, is_lost from marts.mart_launch_lag "
        "where substance_key = 'name: dostarlimab' and market_iso3 = 'JPN'"
    )
    assert row == {"modality": "monoclonal_antibody", "modality_basis": "name_stem", "is_lost": False}


def test_japans_part_of_biotechnology_patents(build: Build) -> None:
    rows = build.rows(
        "select count_kind, last_year, share_of_world, rta, reason_code from marts.mart_patent_rta "
        "where country_iso3 = 'JPN' and field_code = '15' and last_year in (2000, 2020)"
    )
    by = {(row["count_kind"], row["last_year"]): row for row in rows}
    assert by["family_granted", 2000]["share_of_world"] == pytest.approx(2649 / 11303)
    assert by["family_granted", 2020]["share_of_world"] == pytest.approx(3126 / 43514)
    assert by["family_granted", 2020]["rta"] == pytest.approx((3126 / 435990) / (43514 / 2638412), rel=1e-9)
    assert by["uspto_granted", 2020]["rta"] is None
    assert by["uspto_granted", 2020]["reason_code"] == "all_fields_not_at_hand"


def test_japans_part_of_contract_manufacturing_is_an_interval(build: Build) -> None:
    slide = build.row("select * from marts.mart_cdmo_concentration where set_id = 'third_party_shares'")
    assert (round(slide["share_japan_low"], 2), round(slide["share_japan_high"], 2)) == (0.09, 0.38)
    assert (round(slide["hhi_low"], 3), round(slide["hhi_high"], 3)) == (0.165, 0.186)
    japan = build.rows(
        "select standing, capacity_litres, reason_code from marts.mart_cdmo_capacity "
        "where country_iso3 = 'JPN' and standing <> 'estimate_of_all_bioprocessing'"
    )
    assert {row["standing"]: (row["capacity_litres"], row["reason_code"]) for row in japan} == {
        "in_operation": (None, "no_document_at_hand"),
        "under_construction": (14000.0, None),
        "announced": (None, "no_document_at_hand"),
    }


def test_what_is_not_measured_is_null_with_a_reason(build: Build) -> None:
    trials = build.rows("select n_trials, reason_code from marts.mart_trial_share")
    assert {(row["n_trials"], row["reason_code"]) for row in trials} == {(None, "no_trials_at_hand")}
    diagnostics = build.rows("select distinct item_id from marts.mart_diagnostics where measurement = 'not_measured'")
    assert {row["item_id"] for row in diagnostics} >= {
        "trade_diagnostic_reagents",
        "diagnostics_by_originator",
        "diagnostics_approvals",
    }


@pytest.mark.parametrize(
    ("claim_id", "figures"),
    [
        ("meti_2021_diagnostics_competitiveness", ["JPY 190 bn in 2006", "3.0 %", "no figure of Japan"]),
        ("meti_2021_investigational_scale_few", ["14,000 litres", "under construction", "none in operation"]),
        ("meti_2021_biologics_competitiveness", ["8.7 % to 15.8 %", "FY2019", "7.2 % of the patent families"]),
        ("meti_2021_cdmo_growth", ["no evidence", "two companies are no market"]),
    ],
)
def test_what_stands_beside_the_statements(build: Build, claim_id: str, figures: list[str]) -> None:
    row = build.row(f"select finding_en from marts.mart_policy_claim_check where claim_id = '{claim_id}'")
    assert [figure for figure in figures if figure not in row["finding_en"]] == [], row["finding_en"]


def test_the_fall_of_the_yen_is_not_taken_for_growth(build: Build) -> None:
    row = build.row("select * from marts.mart_policy_claim_check where claim_id = 'meti_2021_cdmo_market_size'")
    assert row["decisive_count"] == 4
    assert row["claimed_high"] < row["evidence_low"] < 700e9
    assert row["evidence_high"] == pytest.approx(939e9, rel=1e-3)
