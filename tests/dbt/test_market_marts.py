"""Figures of the marts on Japan's biologics market, Medicare, product rankings and companies' R&D."""

from __future__ import annotations

import re

import duckdb
import pytest

from tests.dbt.conftest import Build

JAPAN = "marts.mart_japan_biologics_market"
INJECTIONS = f"from {JAPAN} where scope_id = 'ndb_injection' and ruleset_id = 'recombinant_mark'"
TOP = "marts.mart_top_product"
OWN = (
    "int_japan_product_change",
    "int_medicare_product",
    "int_medicare_product_change",
    "int_product_revenue",
    "int_ranking_product",
    "int_ranking_coverage",
    "int_company_rnd",
    "int_ranking_origin",
    "mart_japan_biologics_market",
    "mart_medicare_biologic",
    "mart_top_product",
    "mart_top_products_biologic_share",
    "mart_top_products_origin_share",
    "mart_company_rnd_intensity",
)


def test_models_and_their_tests_pass(build: Build) -> None:
    assert build.run.exception is None
    mine = {name: status for name, status in build.run.status.items() if any(model in name for model in OWN)}
    assert len(mine) > len(OWN) + 20
    assert {name: status for name, status in mine.items() if status not in ("success", "pass")} == {}


@pytest.mark.parametrize(
    ("fiscal_year", "trillion"),
    [(2014, 2.01), (2016, 2.45), (2018, 2.67), (2019, 2.94)],
    ids=str,
)
def test_injections_of_a_year_are_those_of_the_workbooks(build: Build, fiscal_year: int, trillion: float) -> None:
    row = build.row(
        f"select sales_jpy / share_of_market as total {INJECTIONS} and fiscal_year = {fiscal_year} "
        "and dimension = 'total'"
    )
    assert row["total"] / 1e12 == pytest.approx(trillion, abs=0.005)


def test_recombinant_share_of_all_medicines(build: Build) -> None:
    row = build.row(
        f"select share_of_market, share_of_market_high from {JAPAN} where scope_id = 'ndb_all_routes' "
        "and ruleset_id = 'recombinant_mark' and dimension = 'total' and fiscal_year = 2019"
    )
    # The mark alone, without the vocabulary, gives 19.456 %.
    assert row["share_of_market"] == pytest.approx(0.19456, abs=0.0001)
    marked = build.row(
        "select sum(case when product.is_recombinant_marked then sales_jpy end) / sum(sales_jpy) as share "
        "from intermediate.int_market_sales as sales left join intermediate.int_product_substance as product "
        "using (product_code_system, product_code) where scope_id = 'ndb_all_routes'"
    )
    assert marked["share"] == pytest.approx(0.19456, abs=0.0001)


@pytest.mark.parametrize(
    ("substance", "billion"),
    [("nivolumab", 87.60), ("pembrolizumab", 124.51), ("aflibercept", 76.45)],
    ids=["Opdivo", "Keytruda", "Eylea"],
)
def test_known_products_of_fy2019(build: Build, substance: str, billion: float) -> None:
    row = build.row(
        f"select sales_jpy {INJECTIONS} and fiscal_year = 2019 and dimension = 'substance' and member = '{substance}'"
    )
    assert row["sales_jpy"] / 1e9 == pytest.approx(billion, abs=0.01)


def test_the_price_cuts_of_opdivo_are_price_and_not_volume(build: Build) -> None:
    row = build.row(
        f"select price_effect_jpy, volume_effect_jpy, sales_change_jpy {INJECTIONS} and fiscal_year = 2019 "
        "and dimension = 'substance' and member = 'nivolumab'"
    )
    assert row["price_effect_jpy"] < 0 < row["volume_effect_jpy"]
    assert row["price_effect_jpy"] + row["volume_effect_jpy"] == pytest.approx(row["sales_change_jpy"], rel=1e-9)


def test_growth_of_biologics_splits_exactly_and_names_its_year(build: Build) -> None:
    rows = build.rows(
        f"select fiscal_year, comparison_fiscal_year, years_compared, sales_growth_share, price_growth_share, "
        f"volume_growth_share, turnover_growth_share, reason_code {INJECTIONS} and dimension = 'total' order by 1"
    )
    assert [(r["fiscal_year"], r["comparison_fiscal_year"], r["reason_code"]) for r in rows] == [
        (2014, None, "no_comparison_year"),
        (2016, 2014, "other_publication_cut"),
        (2018, 2016, None),
        (2019, 2018, None),
    ]
    for row in rows[2:]:
        parts = row["price_growth_share"] + row["volume_growth_share"] + row["turnover_growth_share"]
        assert parts == pytest.approx(row["sales_growth_share"], abs=1e-12)
    assert rows[2]["sales_growth_share"] == pytest.approx(0.2105, abs=0.0005)
    assert rows[2]["price_growth_share"] == pytest.approx(-0.130, abs=0.005)


def test_price_and_volume_by_hand(build: Build) -> None:
    """One product followed from the rows of the workbooks to the mart."""
    sides = {
        row["year"]: row
        for row in build.rows(
            "select fiscal_year as year, sum(sales_jpy) as sales, sum(quantity) as quantity "
            "from intermediate.int_market_sales where scope_id = 'ndb_injection' and product_code = '4291427A1024' "
            "and setting = 'inpatient' and fiscal_year in (2018, 2019) group by 1"
        )
    }
    before, now = sides[2018], sides[2019]
    price_before, price_now = before["sales"] / before["quantity"], now["sales"] / now["quantity"]
    row = build.row(
        "select price_effect, volume_effect from intermediate.int_japan_product_change where fiscal_year = 2019 "
        "and scope_id = 'ndb_injection' and product_code = '4291427A1024' and setting = 'inpatient'"
    )
    mean_quantity = (before["quantity"] + now["quantity"]) / 2
    assert row["price_effect"] == pytest.approx((price_now - price_before) * mean_quantity, rel=1e-9)
    mean_price = (price_before + price_now) / 2
    assert row["volume_effect"] == pytest.approx((now["quantity"] - before["quantity"]) * mean_price, rel=1e-9)


def test_part_b_grows_by_volume_and_a_replaced_code_is_not_called_growth(build: Build) -> None:
    row = build.row(
        "select part_b_total_usd, share_of_part_b, is_comparable, reason_code from marts.mart_medicare_biologic "
        "where calendar_year = 2019 and ruleset_id = 'us_bla' and dimension = 'total'"
    )
    assert row["part_b_total_usd"] / 1e9 == pytest.approx(37.27, abs=0.005)
    assert row["share_of_part_b"] == pytest.approx(0.815, abs=0.0005)
    assert not row["is_comparable"]
    assert row["reason_code"] == "withdrawn_codes_missing"
    rituximab = build.row(
        "select new_substance_effect_usd, sales_usd from marts.mart_medicare_biologic where calendar_year = 2019 "
        "and ruleset_id = 'us_bla' and dimension = 'product' and member = 'J9312'"
    )
    assert rituximab["new_substance_effect_usd"] == rituximab["sales_usd"] == pytest.approx(1.738e9, rel=1e-3)


@pytest.mark.parametrize(
    ("product_id", "year", "billion"),
    [("humira", 2022, 21.237), ("humira", 2024, 8.993), ("stelara", 2024, 10.361), ("darzalex", 2024, 11.670)],
)
def test_products_as_companies_report_them(build: Build, product_id: str, year: int, billion: float) -> None:
    row = build.row(
        f"select revenue_usd from {TOP} where ranking_rule_id = 'sec_products_partners_added' "
        f"and product_id = '{product_id}' and year = {year}"
    )
    assert row["revenue_usd"] / 1e9 == pytest.approx(billion, abs=0.0005)


def test_partners_of_imbruvica_under_every_rule(build: Build) -> None:
    rows = build.rows(
        f"select rollup_id, revenue_usd / 1e6 as million from {TOP} where product_id = 'imbruvica' and year = 2024"
    )
    # AbbVie 3,347 (of it 2,448 in the United States), Johnson & Johnson 3,038 (of it 2,018 elsewhere).
    assert {row["rollup_id"]: round(row["million"]) for row in rows} == {
        "rollup_all_sellers": 6385,
        "rollup_territories": 4466,
        "rollup_largest_seller": 3347,
    }


def test_the_published_totals_of_2019_come_out_of_the_sellers_currencies(build: Build) -> None:
    rows = build.rows(
        f"select product_id, round(revenue_usd / 1e9, 1) as billion from {TOP} "
        "where ranking_rule_id = 'informa_2019_top10' order by product_rank"
    )
    assert [row["billion"] for row in rows] == [19.6, 11.1, 9.4, 8.1, 8.0, 7.9, 7.5, 7.2, 7.1, 6.5]


def test_what_is_missing_from_a_ranking_is_named(build: Build) -> None:
    row = build.row(
        f"select distinct n_companies, is_world_covered, coverage_share, coverage_note from {TOP} "
        "where ranking_id = 'sec_products_partners_added/2024'"
    )
    assert row["n_companies"] == 2
    assert not row["is_world_covered"]
    assert 0.1 < row["coverage_share"] < 0.2
    assert "Roche" in row["coverage_note"]
    assert "Pfizer" in row["coverage_note"]


def test_devices_are_no_medicines(build: Build) -> None:
    assert build.rows(f"select 1 from {TOP} where product_name like 'Juvederm%'") == []


def test_every_product_of_the_bundled_rankings_is_reviewed(build: Build) -> None:
    assert build.rows(f"select distinct product_name from {TOP} where modality is null") == []


def test_counts_of_biologics_and_the_claims_beside_them(build: Build) -> None:
    rows = build.rows(
        "select ruleset_id, n_biologic, is_complete, claimed_n_biologic_meti, counted_n_biologic_opir, "
        "is_comparable_with_claim from marts.mart_top_products_biologic_share "
        "where ranking_id = 'pmc_2016_top10/2016' and top_n = 10"
    )
    assert {row["ruleset_id"]: row["n_biologic"] for row in rows} == {
        "antibodies_only": 5,
        "narrow": 6,
        "recombinant_mark": 7,
        "broad": 8,
        "broad_with_peptides_oligo": 8,
        "us_bla": 8,
    }
    assert {(row["claimed_n_biologic_meti"], row["counted_n_biologic_opir"]) for row in rows} == {(53, 45)}
    assert all(row["is_complete"] and not row["is_comparable_with_claim"] for row in rows)


def test_disputed_products_are_those_between_the_rule_sets(build: Build) -> None:
    rows = build.rows(f"select distinct product_id from {TOP} where is_disputed and year in (2016, 2019)")
    assert {row["product_id"] for row in rows} == {"enbrel", "eylea", "lantus", "prevnar13"}


def test_intensity_by_headquarters_leaves_out_other_trades(build: Build) -> None:
    row = build.row(
        "select n_companies, rnd_eur, rnd_intensity_ratio from marts.mart_company_rnd_intensity "
        "where row_level = 'headquarters' and headquarters_iso3 = 'JPN'"
    )
    assert row["n_companies"] == 24
    assert row["rnd_intensity_ratio"] == pytest.approx(0.1657, abs=0.0005)


def test_a_companys_year_has_one_source(build: Build) -> None:
    rows = build.rows(
        "select fiscal_year, source_codes, rnd_usd / 1e9 as billion from marts.mart_company_rnd_intensity "
        "where company_code = '0000200406' and fiscal_year >= 2023 order by 1"
    )
    assert [(row["fiscal_year"], row["source_codes"]) for row in rows] == [
        (2023, "sec_ixbrl"),
        (2024, "sec_ixbrl"),
        (2025, "sec_companyfacts"),
    ]
    assert rows[1]["billion"] == pytest.approx(17.232)


def test_a_company_without_a_part_that_it_had_is_a_break(build: Build) -> None:
    """Johnson & Johnson restated the years from 2021 on without its consumer business, and no years before."""
    rows = build.rows(
        "select fiscal_year, series_break, revenue_usd / 1e9 as billion from marts.mart_company_rnd_intensity "
        "where company_code = '0000200406' order by 1"
    )
    assert [row["fiscal_year"] for row in rows if row["series_break"]] == [2021]
    before, after = (row["billion"] for row in rows if row["fiscal_year"] in (2020, 2021))
    assert (before, after) == (pytest.approx(82.584), pytest.approx(78.740))


@pytest.mark.parametrize(
    ("basis", "origins"),
    [
        ("originator", {"USA": 4.5, "NLD": 1.0, "JPN": 0.5, "GBR": 0.5, "DEU": 0.5}),
        ("main_seller", {"USA": 5.0, "CHE": 2.0}),
    ],
)
def test_origin_of_the_biologics_among_the_ten_of_2019(build: Build, basis: str, origins: dict[str, float]) -> None:
    rows = build.rows(
        "select origin_iso3, n_fractional from marts.mart_top_products_origin_share "
        "where ranking_rule_id = 'informa_2019_top10' and top_n = 10 and ruleset_id = 'recombinant_mark' "
        f"and nature = 'biologic' and origin_basis = '{basis}'"
    )
    assert {row["origin_iso3"]: row["n_fractional"] for row in rows} == origins


def test_the_order_of_rows_changes_no_sum_of_origins(build: Build) -> None:
    """Digit for digit: a release says that a figure was revised where it differs."""
    [path] = (build.work_file.parent / "dbt" / "target").rglob("compiled/**/mart_top_products_origin_share.sql")
    model = path.read_text(encoding="utf-8")
    relation = re.compile(r'"warehouse"\."(\w+)"\."(\w+)"')
    results = []
    for seed in (1, 2, 3):
        with duckdb.connect(config={"threads": 2}) as connection:
            connection.execute(f"attach '{build.work_file}' as warehouse (read_only)")
            for schema, table in sorted(set(relation.findall(model))):
                connection.execute(
                    f"create table {table} as from warehouse.{schema}.{table} order by hash(rowid + {seed})"
                )
            results.append(sorted(map(str, connection.execute(relation.sub(r"\2", model)).fetchall())))
    assert results[0]
    assert results[0] == results[1] == results[2]


def test_unknown_origin_is_counted(build: Build) -> None:
    row = build.row(
        "select sum(n_fractional) as unknown, max(coverage_share) as coverage "
        "from marts.mart_top_products_origin_share where ranking_rule_id = 'informa_2019_top10' and top_n = 10 "
        "and ruleset_id = 'broad' and origin_basis = 'originator' and origin_iso3 = 'unknown'"
    )
    assert row["unknown"] == pytest.approx(3)
    assert row["coverage"] == pytest.approx(0.7)


def test_a_change_of_unit_is_no_change_of_price(build: Build) -> None:
    """Dosage units of clotting factors are not the same in all years: a price that falls by 99 % is none."""
    rixubis = build.row(
        "select price_effect_usd, volume_effect_usd, unmatched_effect_usd, sales_change_usd "
        "from marts.mart_medicare_biologic where calendar_year = 2017 and ruleset_id = 'us_bla' "
        "and dimension = 'product' and member = 'J7200'"
    )
    assert rixubis["price_effect_usd"] == rixubis["volume_effect_usd"] == 0
    assert rixubis["unmatched_effect_usd"] == pytest.approx(rixubis["sales_change_usd"])
    total = build.row(
        "select fisher_price_index from marts.mart_medicare_biologic where calendar_year = 2017 "
        "and ruleset_id = 'us_bla' and dimension = 'total'"
    )
    assert total["fisher_price_index"] == pytest.approx(1.030, abs=0.001)
