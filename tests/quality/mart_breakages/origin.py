"""Breakages of what to look up next, policy events, regenerative products and white biotechnology."""

from __future__ import annotations

LOOKUP = "update marts.mart_overseas_lookup_product set"
EVENT = "update marts.mart_policy_timeline set"
PRODUCT = "update marts.mart_regenerative_product set"
APPROVAL = "update marts.mart_regenerative_approval set"
STAGE = "update marts.mart_regenerative_pipeline set"
REGISTER = "update marts.mart_regenerative_cdmo_register set"
WHITE = "update marts.mart_white_biotechnology set"


def of_lookup(ruleset: str, year: int, rank: int) -> str:
    """Condition that holds for one row of mart_overseas_lookup_product."""
    part = f"scope_id = 'ndb_injection' and fiscal_year = {year} and ruleset_id = '{ruleset}'"
    return f"where {part} and lookup_rank = {rank}"


BREAKAGES: dict[str, tuple[str, int]] = {
    "mart_overseas_lookup_product__finite": (
        f"{LOOKUP} share_weight = 'inf' {of_lookup('narrow', 2014, 2)}",
        1,
    ),
    "mart_overseas_lookup_product__key": (
        "insert into marts.mart_overseas_lookup_product select * replace (null as market_iso3, 1 as lookup_rank, "
        "0 as cumulative_contribution_share) "
        "from marts.mart_overseas_lookup_product where origin = 'overseas' and ruleset_id = 'narrow' "
        "and fiscal_year = 2014 limit 1",
        1,
    ),
    "mart_overseas_lookup_product__ranks_contiguous": (
        f"{LOOKUP} lookup_rank = 5000 where _row = (select max(_row) from marts.mart_overseas_lookup_product "
        "where ruleset_id = 'us_bla' and scope_id = 'ndb_injection' and fiscal_year = 2014)",
        1,
    ),
    "mart_overseas_lookup_product__interval_explained": (
        f"{LOOKUP} contribution_share = contribution_share * 0.9, cumulative_contribution_share = "
        "cumulative_contribution_share * 0.9 where ruleset_id = 'broad' and fiscal_year = 2016",
        1,
    ),
    "mart_overseas_lookup_product__cumulative_is_the_running_sum": (
        f"{LOOKUP} cumulative_contribution_share = 0 {of_lookup('narrow', 2016, 3)}",
        1,
    ),
    "mart_overseas_lookup_product__only_open_origin_contributes": (
        f"{LOOKUP} reason_code = null {of_lookup('narrow', 2018, 1)}",
        1,
    ),
    "mart_overseas_lookup_product__share_range": (
        f"{LOOKUP} share_sales = 1.5 {of_lookup('narrow', 2018, 2)}",
        2,  # and the share that is no number
    ),
    "mart_overseas_lookup_product__weight_needs_a_strength": (
        f"{LOOKUP} weight_grams = -1 {of_lookup('antibodies_only', 2018, 3)}",
        1,
    ),
    "mart_policy_timeline__finite": (
        f"{EVENT} amount_usd = 'nan' where event_id = 'mhlw_2019_production_survey_change'",
        1,
    ),
    "mart_policy_timeline__key": (
        "insert into marts.mart_policy_timeline select * from marts.mart_policy_timeline "
        "where event_id = 'meti_2023_dual_use_call2_awards'",
        1,
    ),
    "mart_policy_timeline__every_event": (
        f"{EVENT} event_id = 'nobody_2024_nothing' where event_id = 'mhlw_2024_startup_team_report'",
        2,  # the event that is missing, and the one that nobody recorded
    ),
    "mart_policy_timeline__years_of_the_day": (
        f"{EVENT} fiscal_year = 2023 where event_id = 'meti_2023_dual_use_conditions'",
        1,
    ),
    "mart_policy_timeline__converted_at_the_rate": (
        f"{EVENT} amount_usd = amount_usd * 2 where event_id = 'meti_2021_dual_use_budget'",
        2,  # and the amount that is no number
    ),
    "mart_policy_timeline__award_within_applications": (
        f"{EVENT} amount_jpy = 600e9, amount_usd = 600e9 / fx_jpy_per_usd "
        "where event_id = 'meti_2022_dual_use_call1_awards'",
        1,
    ),
    "mart_policy_timeline__document_cited": (
        f"{EVENT} document_url = 'press' where event_id = 'fujifilm_2025_toyama_completed'",
        1,
    ),
    "mart_regenerative_product__finite": (
        f"{PRODUCT} listed_price_jpy = 'inf' where agency = 'MHLW' and product_name = 'デリタクト注'",
        1,
    ),
    "mart_regenerative_product__key": (
        "insert into marts.mart_regenerative_product select * from marts.mart_regenerative_product "
        "where agency = 'EMA' and product_name = 'Glybera'",
        1,
    ),
    "mart_regenerative_product__kinds_known": (
        f"{PRODUCT} product_kind = 'device' where agency = 'EMA' and product_name = 'Maci'",
        1,
    ),
    "mart_regenerative_product__kinds_found": (
        f"{PRODUCT} product_kind = 'unclassified' where agency = 'EMA' and product_name = 'Holoclar'",
        1,
    ),
    "mart_regenerative_product__day_or_reason": (
        f"{PRODUCT} reason_code = null where agency = 'MHLW' and product_name = 'ジャック'",
        1,
    ),
    "mart_regenerative_product__approved_before_the_list": (
        f"{PRODUCT} approved_on = approval_list_on + 1 where agency = 'EMA' and product_name = 'Casgevy'",
        1,
    ),
    "mart_regenerative_product__japan_2019_list": (
        f"{PRODUCT} is_conditional = true where agency = 'MHLW' and product_name = 'ジェイス'",
        1,
    ),
    "mart_regenerative_approval__finite": (
        f"{APPROVAL} coverage_share = 'inf' where agency = 'FDA' and basis = 'approved_in_year' and year = 2010 "
        "and product_kind = 'all'",
        1,
    ),
    "mart_regenerative_approval__key": (
        "insert into marts.mart_regenerative_approval select * from marts.mart_regenerative_approval "
        "where agency = 'FDA' and product_kind = 'cord_blood' and year = 2012 and basis = 'approved_in_year'",
        1,
    ),
    "mart_regenerative_approval__kinds_make_all": (
        f"{APPROVAL} n_approved = n_approved + 1 where agency = 'EMA' and basis = 'approved_in_year' and year = 2009 "
        "and product_kind = 'all'",
        1,
    ),
    "mart_regenerative_approval__count_or_reason": (
        f"{APPROVAL} reason_code = null where agency = 'FDA' and basis = 'approved_in_year' and year = 2011 "
        "and product_kind = 'all'",
        1,
    ),
    "mart_regenerative_approval__parts_within_the_count": (
        f"{APPROVAL} n_orphan = n_approved + 1 where agency = 'EMA' and basis = 'approved_in_year' and year = 2012 "
        "and product_kind = 'all'",
        1,
    ),
    "mart_regenerative_approval__never_fewer_by_a_later_day": (
        f"{APPROVAL} n_approved = 1 where agency = 'FDA' and basis = 'approved_by_day' "
        "and product_kind = 'cord_blood' and as_of_date = date '2025-07-16'",
        1,
    ),
    "mart_regenerative_approval__japan_2019_list": (
        f"{APPROVAL} n_conditional = 4 where agency = 'MHLW' and product_kind = 'all' "
        "and as_of_date = date '2019-03-31'",
        1,
    ),
    "mart_regenerative_pipeline__finite": (
        f"{STAGE} share_of_trials = 'inf' where country_iso3 = 'CHE' and stage = 'phase_1' "
        "and product_kind = 'cell_therapy'",
        1,
    ),
    "mart_regenerative_pipeline__key": (
        "insert into marts.mart_regenerative_pipeline select * from marts.mart_regenerative_pipeline "
        "where country_iso3 = 'DEU' and stage = 'phase_2' and product_kind = 'tissue_product'",
        1,
    ),
    "mart_regenerative_pipeline__stages_known": (
        f"{STAGE} stage = 'phase_4' where country_iso3 = 'DEU' and stage = 'phase_1' "
        "and product_kind = 'tissue_product'",
        1,
    ),
    "mart_regenerative_pipeline__count_or_reason": (
        f"{STAGE} reason_code = null where country_iso3 = 'CHN' and stage = 'phase_1' "
        "and product_kind = 'gene_therapy'",
        1,
    ),
    "mart_regenerative_pipeline__parts_within_the_count": (
        f"{STAGE} n_trials = 3, n_trials_industry = 4, n_sites = 9, edition_ids = '' where country_iso3 = 'KOR' "
        "and stage = 'phase_1' and product_kind = 'gene_therapy'",
        2,  # and the share that is no number
    ),
    "mart_regenerative_pipeline__editions_where_counted": (
        f"{STAGE} edition_ids = null where country_iso3 = 'EUU' and product_kind = 'cell_therapy'",
        1,
    ),
    # The register is shorter than the shared breakages are many.
    "mart_regenerative_cdmo_register__last_data_year_plausible": (
        f"{REGISTER} last_data_year = 1066 where company_name = 'Nipro'",
        1,
    ),
    "mart_regenerative_cdmo_register__finite": (
        f"{REGISTER} coverage_share = 'inf' where company_name = 'Nikon CeLL innovation'",
        1,
    ),
    "mart_regenerative_cdmo_register__key": (
        "insert into marts.mart_regenerative_cdmo_register select * replace ('reported' as data_status) "
        "from marts.mart_regenerative_cdmo_register where company_name = 'Nikon CeLL innovation'",
        1,
    ),
    "mart_regenerative_cdmo_register__roles_known": (
        f"{REGISTER} role = 'unknown' where company_name = 'Aldevron'",
        1,
    ),
    "mart_regenerative_cdmo_register__value_or_reason": (
        f"{REGISTER} currency = null where company_name = 'Teijin / J-TEC'",
        1,
    ),
    "mart_regenerative_cdmo_register__plans_are_no_capacity": (
        f"{REGISTER} fact_kind = 'plan' where company_name like 'Hitachi%'",
        1,
    ),
    "mart_regenerative_cdmo_register__document_cited": (
        f"{REGISTER} document_url = null where company_name = 'Aldevron'",
        1,
    ),
    "mart_regenerative_cdmo_register__no_more_than_listed": (
        f"{REGISTER} n_cdmo_japan_in_register = 27 where company_name = 'Nipro'",
        1,
    ),
    "mart_white_biotechnology__finite": (
        f"{WHITE} value_usd_ppp = 'inf' where item_id = 'biotechnology_rnd_research_services' "
        "and country_iso3 = 'USA'",
        1,
    ),
    "mart_white_biotechnology__key": (
        "insert into marts.mart_white_biotechnology select * from marts.mart_white_biotechnology "
        "where item_id = 'industrial_biotechnology_production'",
        1,
    ),
    "mart_white_biotechnology__value_or_reason": (
        f"{WHITE} reason_code = null where item_id = 'biotechnology_rnd_by_application'",
        1,
    ),
    "mart_white_biotechnology__parts_make_the_whole": (
        f"{WHITE} value_lcu = value_lcu + 1e9 where item_id = 'biotechnology_rnd_outside_pharmaceuticals' "
        "and country_iso3 = 'USA'",
        1,
    ),
    "mart_white_biotechnology__share_range": (
        f"{WHITE} share_of_business_rnd = 1.2 where item_id = 'biotechnology_rnd_chemicals' and country_iso3 = 'USA'",
        1,
    ),
    "mart_white_biotechnology__japan_fy2022": (
        f"{WHITE} share_of_biotechnology_rnd = 0.7 where item_id = 'biotechnology_rnd_pharmaceuticals' "
        "and country_iso3 = 'JPN'",
        1,
    ),
    "mart_white_biotechnology__smart_cells_named": (
        f"{WHITE} item_id = 'smart_cell' where item_id = 'smart_cell_products'",
        1,
    ),
}
