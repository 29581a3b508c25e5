"""Breakages of the marts on markets, product rankings and companies' R&D."""

from __future__ import annotations

JAPAN = "update marts.mart_japan_biologics_market set"
PART_B = "update marts.mart_medicare_biologic set"
TOP = "update marts.mart_top_product set"
SHARE = "update marts.mart_top_products_biologic_share set"
ORIGIN = "update marts.mart_top_products_origin_share set"
COMPANY = "update marts.mart_company_rnd_intensity set"
FY2019 = "fiscal_year = 2019 and scope_id = 'ndb_injection'"
TOTAL = "dimension = 'total'"
ADDED = "ranking_rule_id = 'sec_products_partners_added'"


def _again(mart: str, condition: str) -> str:
    return f"insert into marts.{mart} select * from marts.{mart} where {condition} order by _row limit 1"


BREAKAGES: dict[str, tuple[str, int]] = {
    "mart_japan_biologics_market__finite": (
        f"{JAPAN} fx_jpy_per_usd = 'inf' where {FY2019} and ruleset_id = 'narrow' and {TOTAL}",
        1,
    ),
    "mart_japan_biologics_market__key": (
        _again("mart_japan_biologics_market", "sales_jpy is null and n_observations = 0 and dimension = 'product'"),
        1,
    ),
    "mart_japan_biologics_market__share_range": (
        f"{JAPAN} coverage_share = 1.5 where {FY2019} and ruleset_id = 'us_bla' and {TOTAL}",
        1,
    ),
    "mart_japan_biologics_market__parts_make_the_change": (
        f"{JAPAN} unmatched_effect_jpy = unmatched_effect_jpy + 1e9 "
        f"where {FY2019} and ruleset_id = 'us_bla' and member = 'inpatient'",
        1,
    ),
    "mart_japan_biologics_market__members_make_the_total": (
        f"{JAPAN} sales_jpy = sales_jpy * 1.1 "
        f"where {FY2019} and ruleset_id = 'broad' and member = 'outpatient_pharmacy'",
        2,  # and the product whose sales are changed below
    ),
    "mart_japan_biologics_market__same_as_share_mart": (
        f"{JAPAN} share_of_market = share_of_market * 0.9, share_of_market_high = share_of_market "
        f"where {FY2019} and ruleset_id = 'broad' and member = 'vaccine'",
        5,  # and the four totals that are broken in the mart it is compared with
    ),
    "mart_japan_biologics_market__indices_in_order": (
        f"{JAPAN} fisher_price_index = 2 where {FY2019} and ruleset_id = 'narrow' and member = 'nivolumab'",
        1,
    ),
    "mart_japan_biologics_market__no_growth_over_another_cut": (
        f"{JAPAN} reason_code = null where fiscal_year = 2016 and ruleset_id = 'narrow' and {TOTAL}",
        1,
    ),
    "mart_japan_biologics_market__earlier_year_compared": (
        f"{JAPAN} years_compared = 1 where fiscal_year = 2018 and ruleset_id = 'narrow' and {TOTAL}",
        1,
    ),
    "mart_japan_biologics_market__fy2019_products": (
        f"{JAPAN} sales_jpy = sales_jpy * 1.01 where {FY2019} and ruleset_id = 'recombinant_mark' "
        "and dimension = 'substance' and member = 'aflibercept'",
        1,
    ),
    "mart_medicare_biologic__finite": (
        f"{PART_B} quantity = null, average_price_usd = 'inf' where calendar_year = 2016 and member = 'J0178' "
        "and ruleset_id = 'narrow'",
        1,
    ),
    "mart_medicare_biologic__key": (
        _again("mart_medicare_biologic", "sales_usd is not null and ruleset_id = 'narrow' and member = 'J0178'"),
        1,
    ),
    "mart_medicare_biologic__share_range": (
        f"{PART_B} coverage_share = 1.5 where calendar_year = 2019 and ruleset_id = 'broad' and {TOTAL}",
        1,
    ),
    "mart_medicare_biologic__parts_make_the_change": (
        f"{PART_B} presentation_effect_usd = presentation_effect_usd + 1e9 "
        f"where calendar_year = 2019 and ruleset_id = 'broad' and {TOTAL}",
        1,
    ),
    "mart_medicare_biologic__members_make_the_total": (
        f"{PART_B} price_effect_usd = price_effect_usd + 1e8, volume_effect_usd = volume_effect_usd - 1e8 "
        "where calendar_year = 2018 and ruleset_id = 'us_bla' and dimension = 'substance' and member = 'nivolumab'",
        3,  # and the product that is repeated, and the one whose spending is changed
    ),
    "mart_medicare_biologic__share_is_of_part_b": (
        f"{PART_B} share_of_part_b = share_of_part_b / 2 "
        f"where calendar_year = 2017 and ruleset_id = 'us_bla' and {TOTAL}",
        1,
    ),
    "mart_medicare_biologic__comparable_only_where_codes_are": (
        f"{PART_B} is_comparable = true, reason_code = null "
        f"where calendar_year = 2017 and ruleset_id = 'broad' and {TOTAL}",
        1,
    ),
    "mart_medicare_biologic__payer_gross_named": (
        f"{PART_B} price_basis_note = null where calendar_year = 2017 and ruleset_id = 'narrow' and {TOTAL}",
        1,
    ),
    "mart_medicare_biologic__total_2019": (
        f"{PART_B} sales_usd = sales_usd * 1.01, share_of_part_b = share_of_part_b * 1.01 "
        "where calendar_year = 2019 and ruleset_id = 'us_bla' and member = 'J9271'",
        1,
    ),
    "mart_top_product__finite": (
        f"{TOP} coverage_share = 'nan' where {ADDED} and year = 2022 and product_rank = 20",
        1,
    ),
    "mart_top_product__key": (
        f"{TOP} product_id = 'opdivo' where ranking_rule_id = 'informa_2019_top10' and product_id = 'eylea'",
        1,
    ),
    "mart_top_product__ranks_contiguous": (
        f"{TOP} product_rank = 99 where {ADDED} and year = 2025 and product_rank = 6",
        1,
    ),
    "mart_top_product__shares_sum_to_one": (
        f"{TOP} share_of_ranking_revenue = 0 where {ADDED} and year = 2024 and product_rank = 1",
        1,
    ),
    "mart_top_product__rule_sets_counted": (
        f"{TOP} is_disputed = true where {ADDED} and year = 2024 and product_id = 'rinvoq'",
        1,
    ),
    "mart_top_product__incomplete_says_so": (
        f"{TOP} reason_code = null where {ADDED} and year = 2024 and product_id = 'vraylar'",
        2,  # and the coverage that is no number
    ),
    "mart_top_product__rollups_in_order": (
        f"{TOP} revenue_usd = revenue_usd * 1.01 where ranking_rule_id = 'sec_products_territories' and year = 2024 "
        "and product_rank = 1",
        1,
    ),
    "mart_top_product__products_within_company": (
        f"{TOP} revenue_usd = 9e10 where {ADDED} and year = 2025 and product_id = 'mounjaro'",
        1,
    ),
    "mart_top_product__known_figures": (
        f"{TOP} revenue_usd = revenue_usd * 1.001 where {ADDED} and year = 2023 and product_id = 'humira'",
        1,
    ),
    "mart_top_product__partners_in_one_currency": (
        f"{TOP} revenue_usd = 8.06e9 where ranking_rule_id = 'informa_2019_top10' and product_rank = 5",
        2,  # and the product that bears its name
    ),
    "mart_top_products_biologic_share__finite": (
        f"{SHARE} coverage_share = 'inf' where ranking_id = 'sec_products_territories/2025' and top_n = 100 "
        "and ruleset_id = 'narrow'",
        1,
    ),
    "mart_top_products_biologic_share__key": (
        _again("mart_top_products_biologic_share", "ranking_id = 'sec_products_territories/2025' and top_n = 10"),
        1,
    ),
    "mart_top_products_biologic_share__every_ruleset": (
        "delete from marts.mart_top_products_biologic_share where ranking_id = 'sec_products_territories/2024' "
        "and top_n = 100 and ruleset_id = 'us_bla'",
        1,
    ),
    "mart_top_products_biologic_share__count_partition": (
        f"{SHARE} n_not_biologic = n_not_biologic + 1 where ranking_id = 'sec_products_territories/2024' "
        "and top_n = 10 and ruleset_id = 'us_bla'",
        1,
    ),
    "mart_top_products_biologic_share__share_range": (
        f"{SHARE} share_sales_high = 0 where ranking_id = 'sec_products_territories/2023' "
        "and top_n = 10 and ruleset_id = 'us_bla'",
        2,  # and the coverage that is infinite
    ),
    "mart_top_products_biologic_share__complete_or_reason": (
        f"{SHARE} reason_code = null where ranking_id = 'sec_products_territories/2022' "
        "and top_n = 10 and ruleset_id = 'us_bla'",
        1,
    ),
    "mart_top_products_biologic_share__claims_stand_beside": (
        f"{SHARE} is_comparable_with_claim = true where ranking_id = 'informa_2019_top10/2019' "
        "and top_n = 10 and ruleset_id = 'us_bla'",
        1,
    ),
    "mart_top_products_biologic_share__broader_counts_more": (
        f"{SHARE} n_biologic = 0, n_biologic_low = 0, n_biologic_high = 0, n_not_biologic = n_products "
        "where ranking_id = 'sec_products_largest_seller/2024' and top_n = 50 "
        "and ruleset_id = 'broad_with_peptides_oligo'",
        1,
    ),
    "mart_top_products_biologic_share__top_ten_2019": (
        f"{SHARE} n_biologic = 6, n_not_biologic = 4, n_biologic_low = 6, n_biologic_high = 6 "
        "where ranking_id = 'informa_2019_top10/2019' and top_n = 10 and ruleset_id = 'narrow'",
        1,
    ),
    "mart_top_products_origin_share__finite": (
        f"{ORIGIN} share_of_nature = 'inf' where ranking_id = 'pmc_2016_top10/2016' and top_n = 10 "
        "and origin_basis = 'main_seller' and ruleset_id = 'broad' and origin_iso3 = 'FRA'",
        1,
    ),
    "mart_top_products_origin_share__key": (
        f"{ORIGIN} nature = 'biologic' where ranking_id = 'sec_products_partners_added/2025' and top_n = 10 "
        "and origin_basis = 'main_seller' and ruleset_id = 'us_bla' and nature = 'not_biologic'",
        1,
    ),
    "mart_top_products_origin_share__shares_sum_to_one": (
        f"{ORIGIN} share_sales = share_sales / 2 where ranking_id = 'pmc_2016_top10/2016' and top_n = 10 "
        "and origin_basis = 'main_seller' and ruleset_id = 'narrow' and origin_iso3 = 'CHE'",
        1,
    ),
    "mart_top_products_origin_share__every_product_once": (
        f"{ORIGIN} n_fractional = 5 where ranking_id = 'pmc_2016_top10/2016' and top_n = 50 "
        "and origin_basis = 'main_seller' and ruleset_id = 'narrow' and origin_iso3 = 'unknown'",
        1,
    ),
    "mart_top_products_origin_share__unknown_is_the_rest_of_coverage": (
        f"{ORIGIN} coverage_share = 1 where ranking_id = 'informa_2019_top10/2019' and top_n = 10 "
        "and origin_basis = 'originator' and ruleset_id = 'narrow'",
        1,
    ),
    "mart_top_products_origin_share__countries_known": (
        f"{ORIGIN} origin_iso3 = 'EUU' where ranking_id = 'pmc_2016_top10/2016' and top_n = 100 "
        "and origin_basis = 'main_seller' and ruleset_id = 'narrow' and origin_iso3 = 'CHE'",
        1,
    ),
    "mart_top_products_origin_share__natures_as_counted": (
        f"{ORIGIN} nature = 'unclassified' where ranking_id = 'pmc_2016_top10/2016' and top_n = 100 "
        "and origin_basis = 'main_seller' and ruleset_id = 'us_bla' and nature = 'biologic' and origin_iso3 = 'CHE'",
        15,  # and what is changed, repeated or taken out in the mart that it is compared with
    ),
    "mart_top_products_origin_share__opdivo_is_half_japanese": (
        f"{ORIGIN} origin_iso3 = 'CHN' where ranking_id = 'informa_2019_top10/2019' and top_n = 10 "
        "and origin_basis = 'originator' and ruleset_id = 'us_bla' and origin_iso3 = 'JPN'",
        1,
    ),
    "mart_company_rnd_intensity__finite": (
        f"{COMPANY} coverage_share = 'nan', rnd_intensity_ratio = null, reason_code = 'no_revenue' "
        "where company_code = 'ISR'",
        1,
    ),
    "mart_company_rnd_intensity__key": (
        f"{COMPANY} company_code = '0000059478' where company_code = '0000200406' and fiscal_year = 2019",
        1,
    ),
    "mart_company_rnd_intensity__bases_not_mixed": (
        f"{COMPANY} rnd_usd = 1e9 where company_code = 'JPN' and row_level = 'headquarters'",
        1,
    ),
    "mart_company_rnd_intensity__intensity_or_reason": (
        f"{COMPANY} rnd_intensity_ratio = 0.5 where company_code = '0000059478' and fiscal_year = 2021",
        1,
    ),
    "mart_company_rnd_intensity__coverage_range": (
        f"{COMPANY} coverage_share = 1.5, rnd_intensity_ratio = 1.5 * rnd_lcu / revenue_lcu "
        "where company_code = '0000059478' and fiscal_year = 2022",
        2,  # and the coverage that is no number
    ),
    "mart_company_rnd_intensity__countries_are_sums": (
        f"{COMPANY} n_companies = n_companies + 1 where company_code = 'DNK' and row_level = 'headquarters'",
        1,
    ),
    "mart_company_rnd_intensity__known_figures": (
        f"{COMPANY} rnd_usd = 13.4e9 where company_code = '0000059478' and fiscal_year = 2025",
        1,
    ),
}
