"""The marts over the bundled edition keep their invariants, and each check of them can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from data_quality.runner import CheckResult, blocking_failures, check_specs, run_checks
from data_quality.specs import CheckSpec
from ingest.settings import Settings
from tests.quality.mart_breakages import collected
from tests.quality.running import run_only

SPECS = check_specs("marts")
MARTS = sorted({spec.table_name for spec in SPECS})
BREAKABLE = [spec for spec in SPECS if not spec.check_id.endswith("__row_count")]

# What the shared checks are shown, each in a row of its own.
SHARED = {
    "data_status_known": "data_status = 'claim' where _row = 0",
    "data_status_filled": "data_status = null where _row = 1",
    "sources_named": "source_codes = source_codes || ',nobody' where _row = 2",
    "editions_named": "edition_ids = edition_ids || ',2001-01-01.00000000' where _row = 3",
    "definitions_known": "definition_ids = 'made_up' where _row = 4",
    "last_data_year_plausible": "last_data_year = 1066 where _row = 5",
}

MARKET = "update marts.mart_market_biologic_share set"
LEVEL = "update marts.mart_rnd_level set"
GROWTH = "update marts.mart_rnd_growth set"
ORIGIN = "update marts.mart_overseas_manufacturing_share set"
LANDSCAPE = "update marts.mart_cdmo_landscape set"
PATH = "update marts.mart_cdmo_market_projection set"
CLAIM = "update marts.mart_policy_claim_check set"
COVERAGE = "update marts.mart_data_coverage set"
KNOWN = ("coverage_share", "share_overseas_low", "coverage_grade_e_share")
TOTAL = "row_level = 'biologics_total' and scope_id = 'ndb_injection'"
OECD = "basis = 'international_statistics' and is_headline_series"
GDP = "basis = 'gdp_share' and country_iso3 = "


def again(mart: str, condition: str) -> str:
    """Statement that repeats the first row of those that meet a condition."""
    return f"insert into marts.{mart} select * from marts.{mart} where {condition} order by _row limit 1"


def one(mart: str, condition: str) -> str:
    """Condition that holds for the first row of those that meet another."""
    return f"where _row = (select min(_row) from marts.{mart} where {condition})"


def quoted(text: str) -> str:
    """SQL literal."""
    return f"'{text}'"


# For each check, what is done to the marts, and how many unexpected rows it must then find; where that is more than
# one, another breakage of the same mart cannot be had without this check noticing.
BREAKAGES: dict[str, tuple[str, int]] = {
    "mart_market_biologic_share__finite": (
        f"{MARKET} fx_jpy_per_usd = 'inf' where sales_jpy is null and ruleset_id = 'broad' and fiscal_year = 2016 "
        "and modality = 'radioimmunoconjugate'",
        1,
    ),
    "mart_market_biologic_share__key": (
        again("mart_market_biologic_share", "sales_jpy is null and fiscal_year = 2018 and ruleset_id = 'broad'"),
        1,
    ),
    "mart_market_biologic_share__share_range": (
        f"{MARKET} coverage_share = 1.5 {one('mart_market_biologic_share', TOTAL)}",
        1,
    ),
    "mart_market_biologic_share__shares_sum_to_one": (
        f"{MARKET} sales_jpy = sales_jpy * 0.9, sales_usd = sales_usd * 0.9, share_sales = share_sales * 0.9 "
        "where row_level = 'rest' and modality = 'not_biologic' and ruleset_id = 'broad' and fiscal_year = 2016",
        1,
    ),
    "mart_market_biologic_share__total_is_sum_of_modalities": (
        f"{MARKET} sales_jpy = sales_jpy * 0.9, sales_usd = sales_usd * 0.9, share_sales = share_sales * 0.9 "
        f"where {TOTAL} and ruleset_id = 'broad' and fiscal_year = 2018",
        1,
    ),
    "mart_market_biologic_share__share_is_sales_over_total": (
        f"{MARKET} share_sales = share_sales / 2 where {TOTAL} and ruleset_id = 'us_bla' and fiscal_year = 2018",
        1,
    ),
    "mart_market_biologic_share__low_before_high": (
        f"{MARKET} share_sales_high = share_sales - 0.01 where {TOTAL} and ruleset_id = 'narrow' "
        "and fiscal_year = 2018",
        1,
    ),
    "mart_market_biologic_share__dollars_follow_from_yen": (
        f"{MARKET} sales_usd = sales_usd * 2 where {TOTAL} and ruleset_id = 'narrow' and fiscal_year = 2014",
        1,
    ),
    "mart_market_biologic_share__every_ruleset": (
        "delete from marts.mart_market_biologic_share where fiscal_year = 2016 and ruleset_id = 'us_bla'",
        1,
    ),
    "mart_market_biologic_share__scopes_nested": (
        f"{MARKET} market_total_jpy = 1e14, share_sales = sales_jpy / 1e14 "
        f"where {TOTAL} and ruleset_id = 'narrow' and fiscal_year = 2019",
        1,
    ),
    "mart_market_biologic_share__fy2019_recombinant_share": (
        f"{MARKET} market_total_jpy = 9.1e12, share_sales = sales_jpy / 9.1e12 where fiscal_year = 2019 "
        "and scope_id = 'ndb_all_routes' and ruleset_id = 'recombinant_mark' and row_level = 'biologics_total'",
        1,
    ),
    "mart_market_biologic_share__reason_given": (
        f"{MARKET} is_comparable = false, reason_code = null where {TOTAL} and ruleset_id = 'broad' "
        "and fiscal_year = 2019",
        1,
    ),
    "mart_rnd_level__finite": (
        f"{LEVEL} national_survey_lcu = 'inf' {one('mart_rnd_level', GDP + quoted('FIN'))}",
        1,
    ),
    "mart_rnd_level__key": (again("mart_rnd_level", "basis = 'gdp_share' and country_iso3 = 'USA'"), 1),
    "mart_rnd_level__no_aggregates": (
        f"{LEVEL} country_iso3 = 'EUU' {one('mart_rnd_level', GDP + quoted('AUT'))}",
        1,
    ),
    "mart_rnd_level__not_negative": (
        f"{LEVEL} share_gdp = 3.4 {one('mart_rnd_level', GDP + quoted('JPN'))}",
        1,
    ),
    "mart_rnd_level__dollars_times_parity": (
        f"{LEVEL} ppp_lcu_per_usd = 1 where basis = 'national_survey' and year = 2022 and country_iso3 = 'JPN'",
        1,
    ),
    "mart_rnd_level__three_publishers_agree": (
        f"{LEVEL} ratio_to_national_survey = 1.01 where {OECD} and country_iso3 = 'JPN' and year = 2014",
        1,
    ),
    "mart_rnd_level__ranks_contiguous": (f"{LEVEL} n_reported = n_reported + 1 where {OECD} and year = 2012", 1),
    "mart_rnd_level__rank_follows_spending": (
        f"{LEVEL} rank_among_reported = 5 - rank_among_reported where {OECD} and year = 2010 "
        "and rank_among_reported in (2, 3)",
        2,  # two countries that changed places
    ),
    "mart_rnd_level__unusable_is_not_ranked": (
        f"{LEVEL} is_usable = false where {OECD} and year = 2009 and rank_among_reported = 5",
        1,
    ),
    "mart_rnd_level__focus_countries_present": (
        f"{LEVEL} country_iso3 = 'PRK' where {OECD} and country_iso3 = 'KOR'",
        1,
    ),
    "mart_rnd_growth__finite": (f"{GROWTH} loglinear_real_se = 'inf' where _row = 6", 1),
    "mart_rnd_growth__key": (again("mart_rnd_growth", "not is_comparable and _row > 40"), 1),
    "mart_rnd_growth__window_order": (
        f"{GROWTH} last_year = first_year - 1 {one('mart_rnd_growth', 'is_comparable')}",
        1,
    ),
    "mart_rnd_growth__coverage": (
        f"{GROWTH} coverage_share = 0.123 where {OECD} and country_iso3 = 'USA' and window_id = 'last_five'",
        1,
    ),
    "mart_rnd_growth__no_growth_over_break": (
        f"{GROWTH} has_break = true where {OECD} and country_iso3 = 'JPN' and window_id = '2014-2019'",
        1,
    ),
    "mart_rnd_growth__reason_given": (
        f"{GROWTH} reason_code = null where basis = 'national_survey' and window_id = '2010-2019'",
        1,
    ),
    "mart_rnd_growth__growth_range": (
        f"{GROWTH} cagr_current_usd_ppp = 9 where {OECD} and country_iso3 = 'JPN' and window_id = '2010-2019'",
        1,
    ),
    "mart_rnd_growth__growth_plausible": (
        f"{GROWTH} cagr_real = 3.4 where {OECD} and country_iso3 = 'FRA' and window_id = 'last_five'",
        1,
    ),
    "mart_rnd_growth__windows_chain": (
        f"{GROWTH} cagr_real = cagr_real + 0.01 where {OECD} and country_iso3 = 'JPN' and window_id = '2010-2023'",
        1,
    ),
    "mart_overseas_manufacturing_share__finite": (f"{ORIGIN} sales_jpy = 'inf' where _row = 6", 1),
    "mart_overseas_manufacturing_share__key": (
        again(
            "mart_overseas_manufacturing_share",
            "measure = 'value' and year = 2014 and ruleset_id = 'broad' and modality = 'all'",
        ),
        1,
    ),
    "mart_overseas_manufacturing_share__interval_order": (
        f"{ORIGIN} share_overseas_low = 0.9, share_overseas_high = 0.8 where year = 2016 and ruleset_id = 'broad' "
        "and modality = 'all' and measure = 'value'",
        1,
    ),
    "mart_overseas_manufacturing_share__interval_width": (
        f"{ORIGIN} share_overseas_high = share_overseas_high - 0.01 where year = 2018 and ruleset_id = 'broad' "
        "and modality = 'all' and measure = 'value'",
        2,  # an inverted interval has no right width either
    ),
    "mart_overseas_manufacturing_share__share_range": (
        f"{ORIGIN} coverage_legal_document_share = 1.5 where _row = 7",
        1,
    ),
    "mart_overseas_manufacturing_share__grades_sum_to_coverage": (
        f"{ORIGIN} coverage_grade_a_share = 0.001 where year = 2018 and ruleset_id = 'narrow' and modality = 'all' "
        "and measure = 'value'",
        1,
    ),
    "mart_overseas_manufacturing_share__known_products_are_products": (
        f"{ORIGIN} n_products_known = n_products + 1 where year = 2018 and ruleset_id = 'us_bla' "
        "and modality = 'all' and measure = 'value'",
        1,
    ),
    "mart_overseas_manufacturing_share__opir_2015_study": (
        f"{ORIGIN} share_overseas_low = 0.9, share_overseas_high = 0.9 where basis = 'opir_2015_study' "
        "and measure = 'weight'",
        1,
    ),
    "mart_overseas_manufacturing_share__coverage_enough": (
        f"{ORIGIN} {', '.join(f'{name} = if(year = 2018, 0.4, 0.6)' for name in KNOWN)}, share_mixed = 0, "
        "share_overseas_high = 1 "
        "where is_headline_ruleset and modality = 'all' and measure = 'value' and basis = 'warehouse_site_evidence'",
        1,
    ),
    "mart_cdmo_landscape__finite": (f"{LANDSCAPE} fx_lcu_per_usd = 'inf' where metric = 'impairment'", 1),
    "mart_cdmo_landscape__last_actual_year_plausible": (
        f"{LANDSCAPE} last_data_year = 2999 where metric = 'core_ebitda_margin' and value = 0.29",
        1,
    ),
    "mart_cdmo_landscape__key": (again("mart_cdmo_landscape", "metric = 'order_backlog'"), 1),
    "mart_cdmo_landscape__shares_sum_to_one": (
        f"{LANDSCAPE} share_of_listed = share_of_listed * 0.9 where is_in_listed_set and year = 2022 "
        "and company_name like 'WuXi%'",
        1,
    ),
    "mart_cdmo_landscape__listed_once": (
        f"{LANDSCAPE} is_cdmo_perimeter = false where is_in_listed_set and year = 2021",
        1,
    ),
    "mart_cdmo_landscape__concentration_bounds": (
        f"{LANDSCAPE} hhi_listed = hhi_listed + 0.1 where is_in_listed_set and year = 2024",
        2,  # and the year whose shares are broken above
    ),
    "mart_cdmo_landscape__slide_bounds": (
        f"{LANDSCAPE} hhi_bound_low = 0.9 where metric = 'market_share' and company_name = 'Lonza'",
        1,
    ),
    "mart_cdmo_landscape__revenue_follows_from_value": (
        f"{LANDSCAPE} revenue_usd = revenue_usd * 2 where metric = 'revenue' and company_name = 'Lonza' "
        "and year = 2022",
        1,
    ),
    "mart_cdmo_landscape__plans_are_not_revenue": (
        f"{LANDSCAPE} revenue_jpy = value where metric = 'revenue' and fact_kind = 'target' "
        "and period_label = 'FY2028'",
        1,
    ),
    "mart_cdmo_landscape__three_firms_2024": (
        f"{LANDSCAPE} value = value * 1.1, revenue_usd = revenue_usd * 1.1, revenue_jpy = revenue_jpy * 1.1 "
        "where is_in_listed_set and year = 2024 and company_name = 'Samsung Biologics'",
        1,
    ),
    "mart_cdmo_landscape__document_cited": (f"{LANDSCAPE} document_url = null where metric = 'impairment'", 1),
    "mart_cdmo_market_projection__finite": (
        f"{PATH} market_jpy = 'inf' where scenario_id = 'meti_500bn_base_2020' and year = 2030",
        1,
    ),
    "mart_cdmo_market_projection__key": (
        again("mart_cdmo_market_projection", "scenario_id = 'meti_500bn_base_2019' and year = 2029"),
        1,
    ),
    "mart_cdmo_market_projection__shape": (
        f"{PATH} market_jpy = market_jpy * 1.01 where scenario_id = 'meti_500bn_base_2019' and year = 2028",
        2,  # and the infinite market above
    ),
    "mart_cdmo_market_projection__no_missing_years": (
        "delete from marts.mart_cdmo_market_projection where scenario_id = 'fujifilm_400bn_fy2016' and year = 2019",
        2,  # and the path with a year too many
    ),
    "mart_cdmo_market_projection__never_reported": (
        f"{PATH} data_status = 'reported' where scenario_id = 'meti_500bn_base_2019' and year = 2027",
        2,  # and the row whose standing is none of the known ones
    ),
    "mart_cdmo_market_projection__ratio": (
        f"{PATH} ratio_reported_to_path = 3 where scenario_id = 'meti_500bn_base_2019' and year = 2024",
        1,
    ),
    "mart_cdmo_market_projection__same_revenue_in_every_scenario": (
        f"{PATH} reported_listed_revenue_jpy = reported_listed_revenue_jpy * 2, "
        "ratio_reported_to_path = ratio_reported_to_path * 2 "
        "where scenario_id = 'meti_500bn_base_2019' and year = 2022",
        1,
    ),
    "mart_cdmo_market_projection__scenarios_have_claims": (
        f"{PATH} size_claim_id = 'nobody_said' where scenario_id = 'meti_500bn_base_2020' and year = 2028",
        1,
    ),
    "mart_cdmo_market_projection__base_year_said_or_assumed": (
        f"{PATH} is_base_year_assumed = false where scenario_id = 'meti_500bn_base_2020' and year = 2027",
        1,
    ),
    "mart_policy_claim_check__finite": (
        f"{CLAIM} evidence_low = 'inf', evidence_high = 'inf' "
        "where claim_id = 'meti_2021_diagnostics_competitiveness'",
        2,  # columns
    ),
    "mart_policy_claim_check__every_statement_once": (
        f"{CLAIM} claim_id = 'nobody_said' where claim_id = 'meti_2021_smart_cell'",
        2,  # the statement that is missing, and the one that nobody made
    ),
    "mart_policy_claim_check__verdict_known": (
        f"{CLAIM} verdict = 'true' where claim_id = 'meti_2021_rnd_china_rising'",
        1,
    ),
    "mart_policy_claim_check__sentences_filled": (
        f"{CLAIM} finding_en = ' ' where claim_id = 'meti_2021_rnd_china_rising'",
        1,
    ),
    "mart_policy_claim_check__scope_filled": (
        f"{CLAIM} denominator = null where claim_id = 'meti_2021_rnd_china_rising'",
        1,
    ),
    "mart_policy_claim_check__order_contiguous": (
        f"{CLAIM} display_order = 99 where claim_id = 'meti_2021_rnd_china_rising'",
        1,
    ),
    "mart_policy_claim_check__claimed_as_in_the_document": (
        f"{CLAIM} claimed_stated = 54 where claim_id = 'meti_2021_top100_biologics'",
        1,
    ),
    "mart_policy_claim_check__interval_order": (
        f"{CLAIM} evidence_high = evidence_low - 1 where claim_id = 'meti_2021_cdmo_leaders'",
        1,
    ),
    "mart_policy_claim_check__verdict_follows_from_ranges": (
        f"{CLAIM} verdict = 'contradicted' where claim_id = 'meti_2021_overseas_share'",
        1,
    ),
    "mart_policy_claim_check__verdict_needs_evidence": (
        f"{CLAIM} decisive_count = 0 where claim_id = 'meti_2021_japan_sales_rising'",
        1,
    ),
    "mart_policy_claim_check__coverage_range": (
        f"{CLAIM} coverage_share = 0.2 where claim_id = 'meti_2021_rnd_west_rising'",
        1,
    ),
    "mart_data_coverage__finite": (f"{COVERAGE} share_estimated = 'nan' where source_code = 'oecd_anberd'", 1),
    "mart_data_coverage__last_data_year_plausible": (
        f"{COVERAGE} last_data_year = 1066, first_data_year = 1066 where source_code = 'oecd_anberd'",
        1,
    ),
    "mart_data_coverage__key": (
        f"{COVERAGE} indicator = null {one('mart_data_coverage', 'n_rows > 0')}",
        1,
    ),
    "mart_data_coverage__every_source": (f"{COVERAGE} source_code = 'nobody' where source_code = 'ecb_fx'", 1),
    "mart_data_coverage__rows_conserved": (
        f"{COVERAGE} n_rows = n_rows + 1 where source_code = 'oecd_anberd'",
        3,  # and the source that is missing above, and the one in its place
    ),
    "mart_data_coverage__share_range": (
        f"{COVERAGE} share_derived = 2 where source_code = 'mhlw_ndb'",
        2,  # and the share that is no number
    ),
    "mart_data_coverage__years_in_order": (
        f"{COVERAGE} first_data_year = last_data_year + 1 where source_code = 'mhlw_ndb'",
        1,
    ),
    "mart_data_coverage__staleness": (f"{COVERAGE} is_stale = not is_stale where source_code = 'mhlw_ndb'", 1),
    "mart_data_coverage__licence_named": (f"{COVERAGE} licence_name = null where source_code = 'mhlw_ndb'", 1),
}

BREAKAGES |= collected()


def breakage(spec: CheckSpec) -> tuple[str, int]:
    """Statement that breaks what a check looks at, and how many unexpected rows there are then."""
    if spec.check_id in BREAKAGES:
        return BREAKAGES[spec.check_id]
    name = spec.check_id.removeprefix(f"{spec.table_name}__")
    return f"update marts.{spec.table_name} set {SHARED[name]}", 1


@pytest.fixture(scope="module")
def built(bundled: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Work file with the marts over the bundled edition, built by dbt in a process of its own."""
    folder = tmp_path_factory.mktemp("built")
    settings = Settings(home=folder / "home", memory_limit="1GB")
    settings.work.mkdir(parents=True)
    shutil.copyfile(bundled.work_file, settings.work_file)
    command = [sys.executable, "-m", "dbt.cli.main", "run", "--project-dir", str(settings.dbt_project)]
    command += ["--profiles-dir", str(settings.dbt_project), "--target-path", str(folder / "target")]
    environment = {
        **os.environ,
        "BIOPHARMA_WORK_FILE": str(settings.work_file),
        "BIOPHARMA_MEMORY": "1GB",
        "BIOPHARMA_THREADS": "2",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return settings


def _copy(built: Settings, folder: Path) -> Settings:
    settings = Settings(home=folder / "home", memory_limit="1GB")
    settings.work.mkdir(parents=True)
    shutil.copyfile(built.work_file, settings.work_file)
    return settings


@pytest.fixture(scope="module")
def results(built: Settings) -> dict[str, CheckResult]:
    return {result.check_id: result for result in run_checks(built, "marts")}


@pytest.fixture(scope="module")
def broken(built: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CheckResult]:
    settings = _copy(built, tmp_path_factory.mktemp("broken_marts"))
    with duckdb.connect(str(settings.work_file)) as connection:
        for mart in MARTS:
            # A copy has no constraints: the expectations are to find what dbt would not have let in.
            connection.execute(f"create or replace table marts.{mart} as select *, rowid as _row from marts.{mart}")
        for spec in BREAKABLE:
            statement, _ = breakage(spec)
            changed = connection.execute(statement).fetchall()[0][0]
            assert changed > 0, statement
    return {result.check_id: result for result in run_checks(settings, "marts")}


def test_every_mart_has_a_suite() -> None:
    models = (Path(__file__).resolve().parents[2] / "dbt_project" / "models" / "marts").rglob("mart_*.sql")
    assert {path.stem for path in models} == set(MARTS)


def test_nothing_in_the_marts_over_the_bundled_edition_blocks(results: dict[str, CheckResult]) -> None:
    assert [(r.check_id, r.examples, r.exception) for r in blocking_failures(list(results.values()))] == []


@pytest.mark.parametrize("spec", BREAKABLE, ids=lambda spec: spec.check_id)
def test_can_fail(spec: CheckSpec, broken: dict[str, CheckResult]) -> None:
    _, count = breakage(spec)
    result = broken[spec.check_id]
    assert result.exception is None
    assert not result.success
    assert result.unexpected_count == count, result.examples


def test_an_empty_mart_fails(built: Settings, tmp_path: Path) -> None:
    settings = _copy(built, tmp_path)
    with duckdb.connect(str(settings.work_file)) as connection:
        for mart in MARTS:
            connection.execute(f"delete from marts.{mart}")
    results = run_only(settings, "marts", [spec for spec in SPECS if spec not in BREAKABLE])
    assert results.keys() == {f"{mart}__row_count" for mart in MARTS}
    assert not any(result.success for result in results.values())
