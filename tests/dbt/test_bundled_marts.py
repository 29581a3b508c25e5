"""The marts on the bundled edition: published figures come out, and every table says what it is."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ingest import vocabulary
from ingest.source import discover
from tests.dbt.conftest import DBT_PROJECT, Build

MARTS = {path.stem for path in (DBT_PROJECT / "models" / "marts").rglob("mart_*.sql")}
# Marts over sources of which the bundled edition holds nothing: their rows say so and name no edition.
WITHOUT_EDITION = {"mart_trial_share"}
# Their data_status may be null or is that of another table, and the expectations look at it.
WITHOUT_STATUS_CHECK = {"mart_data_coverage", "mart_revisions"}
COMMON = {"data_status", "source_codes", "edition_ids", "last_data_year", "definition_ids"}


def test_every_node_of_the_build_succeeds(build: Build) -> None:
    bad = {name: status for name, status in build.run.status.items() if status not in ("success", "pass")}
    assert build.run.exception is None
    assert not bad
    assert build.run.success


def test_marts_with_comments_on_every_table_and_column(build: Build) -> None:
    tables = build.rows("select table_name, comment from duckdb_tables() where schema_name = 'marts'")
    columns = build.rows("select table_name, column_name, comment from duckdb_columns() where schema_name = 'marts'")
    assert {row["table_name"] for row in tables} == MARTS
    assert all(row["comment"] for row in tables)
    assert [row for row in columns if not row["comment"]] == []
    for mart in MARTS:
        assert {row["column_name"] for row in columns if row["table_name"] == mart} >= COMMON


def test_staging_views_carry_the_contract_as_comments(build: Build) -> None:
    columns = build.rows("select table_name, comment from duckdb_columns() where schema_name = 'staging'")
    assert columns
    assert all(row["comment"] for row in columns)


def test_contracts_are_enforced_on_all_marts() -> None:
    project = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["models"]["biopharma"]["marts"]["+contract"] == {"enforced": True}
    assert project["flags"]["send_anonymous_usage_stats"] is False


def test_the_contract_stands_in_the_tables(build: Build) -> None:
    """not_null and check are constraints of the table: a build with a row that breaks them fails."""
    said = {
        (model["name"], column["name"])
        for path in (DBT_PROJECT / "models").rglob("*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
        for column in model.get("columns", [])
        if {"type": "not_null"} in column.get("constraints", [])
    }
    kept = build.rows("select table_name, column_name from duckdb_columns() where not is_nullable and not internal")
    assert len(said) > 250
    assert said <= {(row["table_name"], row["column_name"]) for row in kept}
    checked = build.rows(
        "select table_name from duckdb_constraints() where constraint_type = 'CHECK' and schema_name = 'marts' "
        "and constraint_text like '%data_status%suppressed%'"
    )
    assert {row["table_name"] for row in checked} >= MARTS - WITHOUT_STATUS_CHECK


@pytest.mark.parametrize("mart", sorted(MARTS))
def test_lineage_names_known_sources_and_editions(build: Build, mart: str) -> None:
    rows = build.rows(f"select distinct source_codes, edition_ids from marts.{mart} where edition_ids is not null")
    editions = {(row["source_code"], row["edition_id"]) for row in build.rows("select * from lake.edition")}
    assert bool(rows) == (mart not in WITHOUT_EDITION)
    for row in rows:
        codes = row["source_codes"].split(",")
        assert codes == sorted(set(codes))
        assert set(codes) <= set(discover())
        for edition in row["edition_ids"].split(","):
            assert any((code, edition) in editions for code in codes)


# Market ----------------------------------------------------------------------------------------------------------


def market(build: Build, **where: Any) -> dict[str, Any]:
    conditions = " and ".join(f"{key} = {value!r}" for key, value in where.items())
    return build.row(f"select * from marts.mart_market_biologic_share where modality = 'all' and {conditions}")


def test_recombinant_share_of_fy2019(build: Build) -> None:
    row = market(build, fiscal_year=2019, scope_id="ndb_all_routes", ruleset_id="recombinant_mark")
    assert row["market_total_jpy"] == pytest.approx(9.05e12, rel=1e-3)
    assert row["share_sales"] == pytest.approx(0.195, abs=5e-4)
    assert row["sales_jpy"] == pytest.approx(1.76e12, rel=2e-3)
    assert row["fx_jpy_per_usd"] == pytest.approx(108.7, abs=0.1)
    assert row["sales_usd"] == pytest.approx(row["sales_jpy"] / row["fx_jpy_per_usd"])
    assert row["data_status"] == "derived"


@pytest.mark.parametrize(("year", "total_tn"), [(2014, 2.01), (2016, 2.45), (2018, 2.67), (2019, 2.94)])
def test_injections_by_year(build: Build, year: int, total_tn: float) -> None:
    row = market(build, fiscal_year=year, scope_id="ndb_injection", ruleset_id="recombinant_mark")
    assert row["market_total_jpy"] / 1e12 == pytest.approx(total_tn, abs=0.006)
    assert row["is_comparable"] == (year != 2014)
    assert row["reason_code"] == ("other_publication_cut" if year == 2014 else None)


def test_a_scope_stands_only_where_it_is_complete(build: Build) -> None:
    rows = build.rows(
        "select distinct fiscal_year from marts.mart_market_biologic_share where scope_id='ndb_all_routes'"
    )
    assert [row["fiscal_year"] for row in rows] == [2019]


def test_wider_rule_sets_give_larger_shares(build: Build) -> None:
    share = {
        rules: market(build, fiscal_year=2019, scope_id="ndb_all_routes", ruleset_id=rules)["share_sales"]
        for rules in ("antibodies_only", "narrow", "recombinant_mark", "broad", "broad_with_peptides_oligo")
    }
    assert list(share.values()) == sorted(share.values())
    assert len(set(share.values())) == len(share)


# Research --------------------------------------------------------------------------------------------------------

EXPECTED_GROWTH = {
    "2014-2019": {"JPN": -2.8, "USA": 7.7, "CHN": 7.1, "KOR": 8.0, "CHE": 6.5, "DEU": 4.4, "FRA": -2.3, "DNK": -0.2},
    "2019-2023": {"JPN": 2.3, "CHN": 17.0, "DNK": 13.1, "USA": 5.7, "DEU": -3.1},
    "2010-2019": {"JPN": 0.3, "FRA": -1.4, "CHE": 2.5},
}


@pytest.mark.parametrize(
    ("window", "country", "per_cent"),
    [(window, country, value) for window, values in EXPECTED_GROWTH.items() for country, value in values.items()],
)
def test_real_growth_of_pharmaceutical_rnd(build: Build, window: str, country: str, per_cent: float) -> None:
    row = build.row(
        "select * from marts.mart_rnd_growth where is_headline_series and activity_code = 'C21' "
        f"and window_id = '{window}' and country_iso3 = '{country}'"
    )
    assert 100 * row["cagr_real"] == pytest.approx(per_cent, abs=0.051)
    assert row["is_comparable"]


def test_current_parities_can_turn_the_sign(build: Build) -> None:
    row = build.row(
        "select * from marts.mart_rnd_growth where is_headline_series and window_id = '2010-2019' "
        "and country_iso3 = 'FRA'"
    )
    assert row["cagr_real"] < 0 < row["cagr_current_usd_ppp"]


def test_log_linear_growth_and_its_error(build: Build) -> None:
    row = build.row(
        "select * from marts.mart_rnd_growth where is_headline_series and window_id = '2014-2019' "
        "and country_iso3 = 'JPN'"
    )
    assert row["loglinear_real"] == pytest.approx(-0.0210588, abs=1e-6)
    assert row["loglinear_real_se"] == pytest.approx(0.00967208, abs=1e-6)


def test_british_series_is_shown_and_never_used(build: Build) -> None:
    levels = build.rows(
        "select * from marts.mart_rnd_level where is_headline_series and country_iso3 = 'GBR' order by year"
    )
    growth = build.rows("select * from marts.mart_rnd_growth where is_headline_series and country_iso3 = 'GBR'")
    assert levels
    assert growth
    assert {row["rank_among_reported"] for row in levels} == {None}
    assert {row["reason_code"] for row in levels + growth} == {"main_activity_classification"}
    assert {row["cagr_real"] for row in growth} == {None}


def test_three_publishers_agree_on_japan(build: Build) -> None:
    rows = build.rows(
        "select year, ratio_to_national_survey as ratio from marts.mart_rnd_level where country_iso3 = 'JPN' "
        "and ratio_to_national_survey is not null order by year"
    )
    assert [row["year"] for row in rows] == [2014, 2018, 2020, 2022, 2023]
    assert all(abs(row["ratio"] - 1) < 1e-3 for row in rows)


def test_china_passes_japan_in_2018(build: Build) -> None:
    rank = {
        (row["year"], row["country_iso3"]): row["rank_among_reported"]
        for row in build.rows("select * from marts.mart_rnd_level where is_headline_series and year in (2017, 2018)")
    }
    assert rank[2017, "JPN"] == 2
    assert rank[2018, "CHN"] == 2
    assert rank[2018, "JPN"] == 3


# Manufacturing ---------------------------------------------------------------------------------------------------


def test_study_rows_reproduce_opir(build: Build) -> None:
    rows = {
        row["measure"]: row
        for row in build.rows(
            "select * from marts.mart_overseas_manufacturing_share where basis = 'opir_2015_study' and year = 2015"
        )
    }
    assert rows["weight"]["share_overseas_low"] == pytest.approx(0.879, abs=5e-4)
    assert rows["value"]["share_overseas_low"] == pytest.approx(0.946, abs=5e-4)
    assert all(row["share_overseas_low"] == row["share_overseas_high"] for row in rows.values())
    assert {row["data_status"] for row in rows.values()} == {"derived"}


def test_japan_rests_on_other_markets_evidence(build: Build) -> None:
    rows = build.rows(
        "select * from marts.mart_overseas_manufacturing_share "
        "where basis = 'warehouse_site_evidence' and modality = 'all'"
    )
    assert rows
    assert {row["evidence_grades"] for row in rows} == {"E"}
    for row in rows:
        assert row["coverage_grade_e_share"] == pytest.approx(row["coverage_share"])
        parts = ("legal_document", "listing_one_country", "listing_several_countries")
        assert sum(row[f"coverage_{part}_share"] for part in parts) == pytest.approx(row["coverage_share"])
        assert row["n_products_known"] < row["n_products"]
        assert row["top_unknown_substances"]


def test_an_originator_does_not_take_the_sites_of_its_biosimilar(build: Build) -> None:
    sites = build.rows(
        "select substance_id, is_biosimilar, country_iso3 from intermediate.int_substance_site "
        "where substance_id in ('infliximab', 'etanercept') and is_biosimilar"
    )
    assert {(row["substance_id"], row["country_iso3"]) for row in sites} == {
        ("infliximab", "KOR"),
        ("etanercept", "DNK"),
    }
    row = build.row(
        "select top_unknown_substances as unknown from marts.mart_overseas_manufacturing_share where year = 2019 "
        "and basis = 'warehouse_site_evidence' and modality = 'all' and scope_id = 'ndb_all_routes' "
        "and is_headline_ruleset and measure = 'value'"
    )
    assert "infliximab" in row["unknown"], "Remicade is not made at Celltrion's site"


def test_interval_is_that_of_the_products(build: Build) -> None:
    row = build.row(
        "select * from marts.mart_overseas_manufacturing_share where basis = 'warehouse_site_evidence' "
        "and modality = 'all' and year = 2019 and scope_id = 'ndb_all_routes' and is_headline_ruleset "
        "and measure = 'value'"
    )
    sales = market(build, fiscal_year=2019, scope_id="ndb_all_routes", ruleset_id="recombinant_mark")["sales_jpy"]
    assert row["sales_jpy"] == pytest.approx(sales)
    assert 0 < row["share_overseas_low"] < row["share_overseas_high"] <= 1 + 1e-9


# Contract manufacturing ------------------------------------------------------------------------------------------


def test_three_firms_of_2024(build: Build) -> None:
    rows = build.rows("select * from marts.mart_cdmo_landscape where is_in_listed_set and year = 2024")
    assert {row["company_id"] for row in rows} == {"lonza", "samsung_biologics", "wuxi_biologics"}
    assert sum(row["revenue_jpy"] for row in rows) == pytest.approx(1277e9, rel=2e-3)
    assert all(row["hhi_listed"] == pytest.approx(0.338, abs=1e-3) for row in rows)


def test_slide_bounds(build: Build) -> None:
    row = build.row(
        "select distinct hhi_bound_low, hhi_bound_high, share_residual from marts.mart_cdmo_landscape "
        "where hhi_bound_low is not null"
    )
    assert row["share_residual"] == pytest.approx(0.29)
    assert row["hhi_bound_low"] == pytest.approx(0.165, abs=5e-4)
    assert row["hhi_bound_high"] == pytest.approx(0.186, abs=5e-4)


def test_one_listed_company_makes_no_concentration(build: Build) -> None:
    rows = build.rows("select * from marts.mart_cdmo_landscape where is_in_listed_set and n_listed = 1")
    assert all(row["hhi_listed"] is None and row["share_of_listed"] is None for row in rows)


def test_paths_of_the_statements(build: Build) -> None:
    rows = build.rows("select * from marts.mart_cdmo_market_projection")
    paths = {(row["scenario_id"], row["year"]): row for row in rows}
    assert {scenario for scenario, _ in paths} == {
        "meti_500bn_base_2019",
        "meti_500bn_base_2020",
        "fujifilm_400bn_fy2016",
    }
    assert paths["meti_500bn_base_2019", 2029]["market_jpy"] == pytest.approx(1079e9, rel=1e-3)
    assert paths["fujifilm_400bn_fy2016", 2019]["market_jpy"] == pytest.approx(503.9e9, rel=1e-3)
    assert paths["meti_500bn_base_2019", 2024]["n_companies"] == 3
    assert paths["meti_500bn_base_2019", 2024]["ratio_reported_to_path"] > 1.7
    assert not paths["fujifilm_400bn_fy2016", 2024]["is_within_stated_horizon"]
    assert {row["data_status"] for row in rows} == {"forecast"}


# Statements ------------------------------------------------------------------------------------------------------

VERDICTS = {
    "meti_2021_world_share_rising": "consistent_other_scope",
    "meti_2021_top100_biologics": "definition_dependent",
    "meti_2021_japan_sales_rising": "supported",
    "meti_2021_overseas_share": "consistent_other_scope",
    "meti_2021_rnd_west_rising": "not_uniform",
    "meti_2021_rnd_china_rising": "consistent_other_scope",
    "meti_2021_rnd_japan_sluggish": "supported_dated",
    "meti_2021_biologics_competitiveness": "supported_dated",
    "meti_2021_diagnostics_competitiveness": "not_checkable",
    "meti_2021_cdmo_market_size": "inconsistent_other_scope",
    "meti_2021_cdmo_growth": "not_checkable",
    "meti_2021_cdmo_leaders": "consistent_other_scope",
    "meti_2021_regenerative_cdmo_few": "not_checkable",
    "meti_2021_investigational_scale_few": "not_checkable",
    "meti_2021_smart_cell": "not_checkable",
}


def test_verdicts(build: Build) -> None:
    rows = build.rows("select claim_id, verdict from marts.mart_policy_claim_check")
    assert {row["claim_id"]: row["verdict"] for row in rows} == VERDICTS


def test_a_reviewed_break_has_no_growth_over_it(build: Build) -> None:
    """Iceland's figure of 2023 is 1,360 times that of 2022, which is no growth though the publisher marks nothing."""
    rows = build.rows(
        "select window_id, cagr_real, has_break, reason_code from marts.mart_rnd_growth where country_iso3 = 'ISL' "
        "and series_source = 'oecd_anberd' and last_year = 2023 and first_year > 2010 order by window_id"
    )
    assert [row["window_id"] for row in rows] == ["2019-2023", "last_five"]
    assert all(row["cagr_real"] is None and row["has_break"] for row in rows)
    assert {row["reason_code"] for row in rows} == {"series_break"}
    levels = build.rows(
        "select year, is_usable, series_break from marts.mart_rnd_level where country_iso3 = 'ISL' "
        "and series_source = 'oecd_anberd' and year >= 2022 order by year"
    )
    assert [tuple(row.values()) for row in levels] == [(2022, True, False), (2023, True, True)]


@pytest.mark.parametrize(
    ("claim_id", "figures"),
    [
        ("meti_2021_top100_biologics", ["45 of the 100", "8 fewer"]),
        ("meti_2021_overseas_share", ["87.9 %", "94.6 %", "2015"]),
        ("meti_2021_rnd_west_rising", ["12 of 17", "France -2.3 % a year", "in 2019-2023 it rose in 9 of 15"]),
        ("meti_2021_rnd_china_rising", ["+7.1 % a year in 2014-2019", "+17.0 % a year in 2019-2023"]),
        ("meti_2021_rnd_japan_sluggish", ["-2.8 % a year in 2014-2019", "+2.3 % a year in 2019-2023"]),
        ("meti_2021_biologics_competitiveness", ["Of the 13", "2 were biologics", "18 of 48", "6 of 11", "4 of 4"]),
        ("meti_2021_cdmo_market_size", ["JPY 1,280 bn for 2024", "JPY 500 bn", "JPY 504 bn in 2019"]),
        ("meti_2021_cdmo_growth", ["JPY 1,080 bn in ten years"]),
        ("meti_2021_regenerative_cdmo_few", ["26 contract manufacturers"]),
    ],
)
def test_findings_are_made_of_the_figures(build: Build, claim_id: str, figures: list[str]) -> None:
    finding = build.row(f"select finding_en from marts.mart_policy_claim_check where claim_id = '{claim_id}'")[
        "finding_en"
    ]
    assert [figure for figure in figures if figure not in finding] == [], finding


def test_every_verdict_is_a_definition_with_a_reason(build: Build) -> None:
    rules = {row["definition_id"] for row in vocabulary.table("definition").filter(kind="verdict_rule").to_dicts()}
    rows = build.rows("select * from marts.mart_policy_claim_check")
    assert {row["verdict"] for row in rows} <= rules
    assert all("What would settle it" in row["verdict_reason"] for row in rows)
    assert [row["display_order"] for row in rows] == list(range(1, len(rows) + 1))


# Coverage --------------------------------------------------------------------------------------------------------


def test_every_source_is_listed_and_those_of_the_marts_are_used(build: Build) -> None:
    rows = build.rows("select * from marts.mart_data_coverage")
    assert {row["source_code"] for row in rows} == set(discover())
    used = {row["source_code"] for row in rows if row["used_by_marts"]}
    assert used >= {
        *("mhlw_ndb", "mhlw_nhi_price", "ecb_fx", "oecd_anberd", "worldbank_wdi", "mic_rnd_survey"),
        *("epar_annex2", "fda_ndc_unfinished", "fda_decrs", "cdmo_facts", "policy_claims"),
    }


def test_coverage_counts_the_latest_editions(build: Build) -> None:
    counted = build.rows(
        "select source_code, table_name, sum(n_rows) as n from marts.mart_data_coverage group by all"
    )
    latest = build.rows(
        "select source_code, table_name, sum(row_count) as n from lake.edition where is_latest group by all"
    )
    by_table = {(row["source_code"], row["table_name"]): row["n"] for row in latest}
    assert {(row["source_code"], row["table_name"]): row["n"] for row in counted if row["n"]} == by_table


def test_ages_are_counted_to_the_newest_bytes(build: Build) -> None:
    day = build.row("select max(cast(ingested_at as date)) as day from lake.edition")["day"]
    assert {row["as_of_date"] for row in build.rows("select as_of_date from marts.mart_data_coverage")} == {day}
