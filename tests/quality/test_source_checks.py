"""The bundled edition keeps what its sources are checked against, and each of these checks can fail."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from data_quality.runner import NO_ROWS, CheckResult, blocking_failures, check_specs, run_checks
from data_quality.specs import CheckSpec
from ingest import lake
from ingest.settings import Settings
from ingest.source import discover
from tests.quality.running import run_only

SPECS = [spec for spec in check_specs("lake") if spec.requires]

# For each check, what is done to the bundled edition, and how many unexpected rows the check must then find.
_SALES = "update lake.sales_observation set"
_PRODUCT = "update lake.product_identity set"
_RND = "update lake.rnd_observation set"
_SITE = "update lake.site_role set"
_FACT = "update lake.company_fact set"
_RATE = "update lake.reference_rate set"
_CLAIM = "update lake.claim set"
_EVENT = "update lake.policy_event set"
_PRODUCTION = "update lake.production_observation set"
_IDENTITY = "update lake.company_identity set"
_AREA = "update lake.area_code set"
_PATENTS = "update lake.patent_count set"
BREAKAGES: dict[str, tuple[str, int]] = {
    "mhlw_ndb__fy2019_total": (
        f"{_SALES} value = value * 1.1 where edition_partition = 'FY2019' and route = 'oral' "
        "and row_kind = 'remainder'",
        1,
    ),
    "mhlw_ndb__injections_by_year": (f"{_SALES} value = value / 1000 where edition_partition = 'FY2016'", 1),
    "mhlw_ndb__fy2019_products": (
        f"{_SALES} value = value * 1.01 where edition_partition = 'FY2019' and product_name like 'キイトルーダ%'",
        1,
    ),
    "mhlw_ndb__fiscal_year": (
        f"{_SALES} period_end = date '2014-12-31' where locator = (select min(locator) from lake.sales_observation "
        "where edition_partition = 'FY2014')",
        1,
    ),
    "mhlw_ndb__product_code_shape": (
        f"{_SALES} product_code = '62' where edition_partition = 'FY2018' "
        "and product_code = (select min(product_code) "
        "from lake.sales_observation where edition_partition = 'FY2018' and setting = 'inpatient') "
        "and setting = 'inpatient'",
        1,
    ),
    "mhlw_nhi_price__code_shape": (
        f"{_PRODUCT} licence_number = '62' where source_code = 'mhlw_nhi_price' and listed_on = date '2015-04-01' "
        "and locator = (select min(locator) from lake.product_identity where source_code = 'mhlw_nhi_price' "
        "and listed_on = date '2015-04-01')",
        1,
    ),
    "mhlw_nhi_price__recombinant_sales": (
        f"{_PRODUCT} is_recombinant_marked = false where listed_on = date '2019-10-01' "
        "and brand_name like 'キイトルーダ%'",
        1,
    ),
    "oecd_anberd__focus_countries": (
        f"{_RND} value = value * 1000 where source_code = 'oecd_anberd' and entity_code = 'DEU' "
        "and year(period_start) = 2018",
        1,
    ),
    "mic_rnd_survey__three_publishers_agree": (
        f"{_RND} value = value * 1.002 where source_code = 'mic_rnd_survey' and activity_code = '165' "
        "and measure = 'berd' and year(period_start) = 2014",
        2,  # and the year in which the World Bank's factor is broken below
    ),
    "mic_rnd_survey__part_of_the_whole": (
        f"{_RND} value = value * 100 where source_code = 'mic_rnd_survey' and activity_code = '165' "
        "and measure = 'basic_rnd' and year(period_start) = 2018",
        1,
    ),
    "worldbank_wdi__ppp_japan": (
        f"{_RATE} value = value + 1 where series_code = 'ppp_gdp' and area_code = 'JPN' "
        "and year(period_start) = 2020",
        1,
    ),
    "worldbank_wdi__gerd_share": (
        f"{_RND} value = value * 100 where source_code = 'worldbank_wdi' and entity_code = 'KOR' "
        "and year(period_start) = 2023",
        1,
    ),
    "jrc_scoreboard__by_headquarters": (
        f"{_RND} entity_iso3 = 'LIE' where source_code = 'jrc_scoreboard' and entity_code = 'roche'",
        1,
    ),
    "jrc_scoreboard__lens": (
        f"{_RND} lens = 'territory' where source_code = 'jrc_scoreboard' and entity_code = 'lonza'",
        1,
    ),
    "ncses_berd__pharmaceuticals": (
        f"{_RND} value = value / 1000 where source_code = 'ncses_berd' and activity_code = '3254' "
        "and measure = 'berd' and year(period_start) = 2008",
        1,
    ),
    "ecb_fx__mean_2019": (
        f"{_RATE} value = value * 1.005 where area_code = 'CHF' and counter_code = 'USD' "
        "and rate_basis = 'period_average' and period_start = date '2019-01-01'",
        1,
    ),
    "ecb_fx__cross_rates_agree": (
        f"{_RATE} value = 1 / value where area_code = 'AUD' and counter_code = 'USD' "
        "and rate_basis = 'period_average' and period_start = date '2015-01-01'",
        1,
    ),
    "ecb_fx__whole_years": (
        f"{_RATE} observation_count = 12 where area_code = 'SEK' and counter_code = 'EUR' "
        "and rate_basis = 'period_average' and period_start = date '2015-01-01'",
        1,
    ),
    "fda_decrs__drug_substance_sites": (
        f"{_SITE} country_iso3 = 'PRK' where locator = (select min(locator) from lake.site_role "
        "where source_code = 'fda_decrs' and country_iso3 = 'KOR' and operation = 'drug_substance')",
        1,
    ),
    "fda_decrs__no_contacts": (
        f"{_SITE} note = 'ask someone@example.org' where locator = (select max(locator) from lake.site_role "
        "where source_code = 'fda_decrs')",
        1,
    ),
    "fda_ndc_unfinished__listings_stand_in_both_tables": (
        f"{_PRODUCT} licence_number = 'lost' where source_code = 'fda_ndc_unfinished' and licence_number = "
        "(select min(licence_number) from lake.product_identity where source_code = 'fda_ndc_unfinished')",
        2,  # the listing without a product, and the product without a listing
    ),
    "fda_ndc_unfinished__no_place_claimed": (
        f"{_SITE} country_iso3 = 'USA' where source_code = 'fda_ndc_unfinished' and locator = (select min(locator) "
        "from lake.site_role where source_code = 'fda_ndc_unfinished')",
        1,
    ),
    "un_comtrade__japan_imports": (
        "update lake.trade_flow set value_usd = value_usd / 1000 where reporter_iso3 = 'JPN' "
        "and partner_iso3 = 'WLD' and flow = 'import' and year(period_start) = 2015",
        1,
    ),
    "un_comtrade__partners_are_the_world": (
        "delete from lake.trade_flow where reporter_iso3 = 'JPN' and partner_iso3 = 'BEL' and flow = 'import' "
        "and year(period_start) = 2019",
        2,  # and the world row that is broken above
    ),
    "unsd_hs__biologic_codes": (
        "update lake.commodity_concordance set to_code = '300290' where from_code = '300215' and to_code = '300210'",
        1,
    ),
    "epar_annex2__both_operations": (
        f"{_SITE} operation = 'other' where product_name = 'Voncento' and operation = 'batch_release'",
        1,
    ),
    "epar_annex2__release_in_europe": (
        f"{_SITE} country_iso3 = 'USA' where product_name = 'Stelara' and operation = 'batch_release'",
        1,
    ),
    "sec_fsds__products_within_revenue": (
        f"{_SALES} value = value / 2 where source_code = 'sec_fsds' and product_name = 'All products' "
        "and market_iso3 = 'USA'",
        1,
    ),
    "sec_fsds__lilly_fy2025": (
        f"{_SALES} value = value * 0.9 where source_code = 'sec_fsds' and product_name = 'Mounjaro' "
        "and market_iso3 = 'WLD'",
        2,  # the product, and the sum over products
    ),
    "sec_fsds__filer_code_shape": (
        f"{_SALES} seller_code = '59478' where source_code = 'sec_fsds' and market_iso3 = 'JPN'",
        1,
    ),
    "sec_companyfacts__restatement_kept": (
        f"{_SALES} value = 93775e6 where source_code = 'sec_companyfacts' and period_end = date '2022-01-02' "
        "and edition_id like '2024-02-16%'",
        1,
    ),
    "sec_companyfacts__lilly_fy2019": (
        f"{_SALES} value = value * 1.001 where source_code = 'sec_companyfacts' and seller_code = '0000059478' "
        "and period_end = date '2019-12-31' and edition_id like '2021-02-17%'",
        1,
    ),
    "sec_companyfacts__one_total_per_year": (
        f"{_SALES} row_kind = 'product' where source_code = 'sec_companyfacts' and edition_id like '2020-02-18%'",
        1,
    ),
    "sec_ixbrl__products_within_revenue": (
        f"{_SALES} value = value / 4 where source_code = 'sec_ixbrl' and product_name = 'All products' "
        "and market_iso3 = 'USA' and period_end = date '2024-12-29'",
        1,
    ),
    "sec_ixbrl__best_sellers": (
        f"{_SALES} value = value * 1.001 where source_code = 'sec_ixbrl' and product_name = 'HUMIRA' "
        "and market_iso3 = 'WLD' and period_end = date '2022-12-31'",
        1,
    ),
    "cms_part_b__total_2019": (
        f"{_SALES} value = value * 1.1 where source_code = 'cms_part_b' and row_kind = 'remainder' "
        "and year(period_start) = 2019",
        1,
    ),
    "cms_part_b__leading_drugs_2019": (
        f"{_SALES} value = value * 1.001, quantity = quantity * 1.001 where product_code = 'J9299' "
        "and year(period_start) = 2019",
        1,
    ),
    "cms_part_b__unit_price": (
        f"{_SALES} unit_price = unit_price * 1.1 where product_code = 'J9271' and year(period_start) = 2018",
        1,
    ),
    "cms_part_b__code_shape": (
        f"{_SALES} product_code = 'J90' where product_code = 'J9035' and year(period_start) = 2015",
        1,
    ),
    "eurostat_prodcom__ireland_immunological": (
        f"{_PRODUCTION} value = value * 1000 where country_iso3 = 'IRL' and category_code = '21202125' "
        "and year(period_start) = 2020",
        1,
    ),
    "eurostat_prodcom__no_series_over_the_change_of_codes": (
        f"{_PRODUCTION} category_code = '21202125' where country_iso3 = 'DNK' and category_code = '21202160' "
        "and year(period_start) = 2023",
        1,
    ),
    "eurostat_prodcom__code_shape": (
        f"{_PRODUCTION} category_code = '21.20.21' where country_iso3 = 'SWE' and category_code = '21202160' "
        "and year(period_start) = 2023",
        1,
    ),
    "mhlw_production__classes_add_up": (
        f"{_PRODUCTION} value = value + 1e6 where source_code = 'mhlw_production' and category_code = '63' "
        "and year(period_start) = 2006",
        1,
    ),
    "mhlw_production__break_of_2019": (
        f"{_PRODUCTION} series_break = false where source_code = 'mhlw_production' and measure = 'exports' "
        "and year(period_start) = 2019",
        1,
    ),
    "cdmo_facts__shares_leave_a_rest": (f"{_FACT} value = 0.9 where metric = 'market_share' and value = 0.33", 1),
    "cdmo_facts__three_firms_2024": (
        f"{_FACT} value = value * 1.1 where company_name = 'Lonza' and metric = 'revenue' and is_cdmo_perimeter",
        1,
    ),
    "cdmo_facts__part_of_the_group": (
        f"{_FACT} value = 5e12 where company_name = 'Samsung Biologics' and metric = 'revenue' "
        "and period_label = 'FY2024' and is_cdmo_perimeter",
        1,
    ),
    "cdmo_facts__document_cited": (
        "update lake.deal set document_url = 'press' where acquirer_name = 'Danaher'",
        1,
    ),
    "edinet__japan_tobacco_fy2024": (
        f"{_SALES} value = value * 1.01 where source_code = 'edinet' and class_code = 'Pharmaceuticals' "
        "and period_end = date '2024-12-31'",
        1,
    ),
    "edinet__one_total_per_year": (
        f"{_SALES} row_kind = 'product' where source_code = 'edinet' and period_end = date '2020-12-31'",
        1,
    ),
    "edinet__segments_within_the_company": (
        f"{_SALES} value = value * 1.5 where source_code = 'edinet' and class_code = 'Tobacco' "
        "and period_end = date '2023-12-31'",
        1,
    ),
    "edinet__reviewed_filers_only": (
        f"{_SALES} seller_code = 'E99999' where source_code = 'edinet' and period_end = date '2021-12-31'",
        1,
    ),
    "edinet__rnd_of_japan_tobacco": (
        f"{_RND} entity_iso3 = 'CHE' where source_code = 'edinet' and activity_code = 'Pharmaceuticals'",
        1,
    ),
    "edinet__pharmaceutical_filers_are_reviewed": (
        f"{_IDENTITY} identifier = 'E99999' where identifier = 'E00919'",
        1,
    ),
    "edinet__reviewed_filers_are_listed": (
        f"{_IDENTITY} identifier = 'E99998', industry = '化学' where identifier = 'E00920'",
        2,  # and the filer whose code is broken above
    ),
    "gleif__only_reviewed_entities": (
        f"{_IDENTITY} identifier = '213800AAAAAAAAAAAA00' where identifier = '335800N9I51O1SZ4AT11'",
        1,
    ),
    "gleif__reviewed_names_hold": (f"{_IDENTITY} legal_name = 'New' where identifier = '335800822YURE5CR8K47'", 1),
    "gleif__lonza_sales": (f"{_IDENTITY} legal_address_iso3 = 'DEU' where identifier = '5493000CUPSNUCV6TX18'", 1),
    "ncses_patents__biotechnology_families": (
        f"{_PATENTS} value = 1 where entity_code = 'JPN' and count_kind = 'family_granted' and field_code = '15' "
        "and period_start = date '2013-01-01'",
        1,
    ),
    "country_reference__listed_codes_are_reviewed": (f"{_AREA} code = '999' where code = '392'", 2),
    "country_reference__reviewed_codes_are_listed": (f"{_AREA} code = '998' where code = '410'", 2),
    "country_reference__names_and_codes_agree": (f"{_AREA} name = 'Elsewhere' where code = '404'", 1),
    "country_reference__list_is_complete": (f"{_AREA} kind = 'sub_region' where code = '142'", 1),
    "policy_claims__seed_statements": (f"{_CLAIM} is_seed_claim = false where topic = 'smart_cell'", 1),
    "policy_claims__seed_numbers": (f"{_CLAIM} value_stated = 0.05 where claim_id = 'meti_2021_cdmo_growth'", 1),
    "policy_claims__opir_2015_overseas_share": (
        f"{_CLAIM} value_stated = 245 where claim_id = 'opir_2015_antibody_weight_domestic'",
        1,
    ),
    "policy_claims__biologics_within_origin": (
        f"{_CLAIM} value_stated = 20 where claim_id = 'opir_2016_origin_jpn_biologic'",
        1,
    ),
    "policy_events__dual_use_programme": (
        f"{_EVENT} project_count = 24 where event_id = 'meti_2023_dual_use_call2_awards'",
        2,  # the awards changed for the next check differ from what was published, too
    ),
    "policy_events__awards_within_applications": (
        f"{_EVENT} amount = 600e9 where event_id = 'meti_2022_dual_use_call1_awards'",
        1,
    ),
}


def _copy(bundled: Settings, folder: Path, statements: list[str]) -> Settings:
    settings = Settings(home=folder / "home", memory_limit="1GB")
    settings.work.mkdir(parents=True)
    shutil.copyfile(bundled.work_file, settings.work_file)
    with duckdb.connect(str(settings.work_file)) as connection:
        for table in lake.contracts():
            connection.execute(f"create table lake.copied as from lake.{table}")
            connection.execute(f"drop view lake.{table}")
            connection.execute(f"alter table lake.copied rename to {table}")
        for statement in statements:
            changed = connection.execute(statement).fetchall()[0][0]
            assert changed > 0, statement
    return settings


@pytest.fixture(scope="module")
def results(bundled: Settings) -> dict[str, CheckResult]:
    return {result.check_id: result for result in run_checks(bundled, "lake")}


@pytest.fixture(scope="module")
def broken(bundled: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CheckResult]:
    statements = [statement for statement, _ in BREAKAGES.values()]
    settings = _copy(bundled, tmp_path_factory.mktemp("broken_sources"), statements)
    return run_only(settings, "lake", SPECS)


def test_nothing_in_the_bundled_edition_blocks(results: dict[str, CheckResult]) -> None:
    assert [(r.check_id, r.examples, r.exception) for r in blocking_failures(list(results.values()))] == []


def test_a_suite_is_named_after_its_source_and_needs_it() -> None:
    assert {spec.suite for spec in SPECS} <= set(discover())
    for spec in SPECS:
        assert spec.suite in {name.split("/")[0].split("@")[0] for name in spec.requires}, spec.check_id


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.check_id)
def test_holds_on_the_bundled_edition(spec: CheckSpec, results: dict[str, CheckResult]) -> None:
    result = results[spec.check_id]
    assert result.success, (result.observed_value, result.examples, result.exception)
    assert result.observed_value != NO_ROWS


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.check_id)
def test_can_fail(spec: CheckSpec, broken: dict[str, CheckResult]) -> None:
    _, count = BREAKAGES[spec.check_id]
    result = broken[spec.check_id]
    assert result.exception is None
    assert not result.success
    assert result.unexpected_count == count, result.examples


def test_an_anchor_without_its_edition_is_passed_over_in_plain_sight(bundled: Settings, tmp_path: Path) -> None:
    """The register of another day has other counts: the anchor of 2025-07-25 then says nothing, and says so."""
    later = "update lake.edition set published_on = date '2026-02-01' where source_code = 'fda_decrs'"
    settings = _copy(bundled, tmp_path, [later])
    results = {result.check_id: result for result in run_checks(settings, "lake", tables=["site_role"])}
    assert results["fda_decrs__drug_substance_sites"].observed_value == NO_ROWS
    assert results["fda_decrs__drug_substance_sites"].success
    assert results["fda_decrs__no_contacts"].observed_value != NO_ROWS


def test_an_anchor_is_compared_with_the_latest_edition(bundled: Settings, tmp_path: Path) -> None:
    """A row of an edition that has been replaced does not count into the published total."""
    superseded = [
        "insert into lake.sales_observation by name select * replace ('2020-01-01.00000000' as edition_id) "
        "from lake.sales_observation where edition_partition = 'FY2019'",
        "insert into lake.edition by name select * replace ('2020-01-01.00000000' as edition_id, "
        "date '2020-01-01' as published_on, false as is_latest) from lake.edition "
        "where edition_partition = 'FY2019' and table_name = 'sales_observation'",
    ]
    settings = _copy(bundled, tmp_path, superseded)
    results = {result.check_id: result for result in run_checks(settings, "lake", tables=["sales_observation"])}
    assert results["mhlw_ndb__fy2019_total"].success
    assert blocking_failures(list(results.values())) == []
