"""Breakages of sales by origin, diagnostics, trials, and of capacity, deals and concentration of contract makers."""

from __future__ import annotations

ORIGIN = "mart_sales_by_origin"
CAPACITY = "mart_cdmo_capacity"
DEAL = "mart_cdmo_deal"
SETS = "mart_cdmo_concentration"
TRIALS = "mart_trial_share"
DIAGNOSTICS = "mart_diagnostics"
SLIDE = "set_id = 'third_party_shares'"


def of_japan(year: int, ruleset: str, basis: str, country: str) -> str:
    """Condition for one row of sales in Japan's insurance, injections."""
    return (
        f"scope_id = 'ndb_injection' and year = {year} and ruleset_id = '{ruleset}' and origin_basis = '{basis}' "
        f"and origin_iso3 = '{country}'"
    )


def trial(country: str, year: int, **values: str) -> str:
    """Statement that adds a row of trials, which the bundled edition does not have, otherwise sound."""
    sound = {"n_fractional_sites": "1", "share_of_trials": "1", "n_trials": "1", "n_trials_industry": "0"}
    sound |= {
        "n_sponsors": "1",
        "n_sites": "2",
        "n_world": "1",
        "reason_code": "null",
        "modality": "'vaccine'",
    } | values
    columns = ", ".join(f"{value} as {name}" for name, value in sound.items())
    return (
        f"insert into marts.{TRIALS} select * replace ('{country}' as country_iso3, {year} as year, {columns}, "
        f"'reported' as data_status, 'clinicaltrials' as source_codes, null as edition_ids, 2020 as last_data_year, "
        f"'trial_by_name' as definition_ids) from marts.{TRIALS} where country_iso3 = 'USA' and year is null"
    )


BREAKAGES: dict[str, tuple[str, int]] = {
    f"{ORIGIN}__finite": (
        f"update marts.{ORIGIN} set share_sales_high = '-inf' where {of_japan(2014, 'broad', 'originator', 'JPN')}",
        1,
    ),
    f"{ORIGIN}__key": (
        f"insert into marts.{ORIGIN} select * replace (0 as sales_lcu, 0 as share_sales, "
        f"1 - coverage_share as share_sales_high) from marts.{ORIGIN} "
        f"where {of_japan(2016, 'broad', 'originator', 'JPN')}",
        1,
    ),
    f"{ORIGIN}__shares_sum_to_one": (
        f"delete from marts.{ORIGIN} where {of_japan(2018, 'broad', 'originator', 'USA')}",
        1,
    ),
    f"{ORIGIN}__same_sales_under_every_basis": (
        f"update marts.{ORIGIN} set biologic_sales_lcu = biologic_sales_lcu * 2 "
        f"where {of_japan(2014, 'narrow', 'applicant', 'JPN')}",
        1,
    ),
    f"{ORIGIN}__interval_order": (
        f"update marts.{ORIGIN} set share_sales_high = share_sales "
        f"where {of_japan(2016, 'narrow', 'originator', 'USA')}",
        2,  # and the bound that is infinite
    ),
    f"{ORIGIN}__totals_of_the_market_mart": (
        f"update marts.{ORIGIN} set biologic_sales_lcu = biologic_sales_lcu + 1000 where scope_id = 'ndb_injection' "
        "and year = 2018 and ruleset_id = 'us_bla'",
        3,  # and two totals of the other mart that were broken for checks of its own
    ),
    f"{CAPACITY}__finite": (
        f"update marts.{CAPACITY} set share_of_stated = 'nan' where country_iso3 = 'IND'",
        1,
    ),
    f"{CAPACITY}__key": (
        f"insert into marts.{CAPACITY} select * from marts.{CAPACITY} where country_iso3 = 'GBR' "
        "and standing = 'announced'",
        1,
    ),
    f"{CAPACITY}__stated_or_reason": (
        f"update marts.{CAPACITY} set reason_code = null where country_iso3 = 'GBR' "
        "and standing = 'under_construction'",
        1,
    ),
    f"{CAPACITY}__shares_of_what_is_stated": (
        f"update marts.{CAPACITY} set share_of_stated = 0.9 where country_iso3 = 'DNK' and standing = 'in_operation'",
        2,  # and the share that is no number
    ),
    f"{CAPACITY}__japanese_part_within_the_whole": (
        f"update marts.{CAPACITY} set japanese_owned_litres = 1e9 where country_iso3 = 'USA' "
        "and standing = 'in_operation'",
        1,
    ),
    f"{CAPACITY}__documents_2025": (
        f"update marts.{CAPACITY} set capacity_litres = 15000 where country_iso3 = 'JPN' "
        "and standing = 'under_construction'",
        1,
    ),
    f"{DEAL}__finite": (f"update marts.{DEAL} set value_usd = 'inf' where target_name = 'Patheon'", 1),
    f"{DEAL}__key": (f"update marts.{DEAL} set target_name = null where target_name = 'PPD'", 1),
    f"{DEAL}__every_deal": (f"delete from marts.{DEAL} where target_name = 'Aldevron'", 1),
    f"{DEAL}__converted_at_the_rate": (
        f"update marts.{DEAL} set value_jpy = value_jpy * 2 where target_name = 'Catalent'",
        2,  # and the price that is infinite
    ),
    f"{DEAL}__price_or_reason": (
        f"update marts.{DEAL} set reason_code = 'no_price_stated' where acquirer_name = 'AGC'",
        1,
    ),
    f"{DEAL}__document_cited": (
        f"update marts.{DEAL} set document_url = 'a book' where acquirer_name = 'Fujifilm'",
        1,
    ),
    f"{SETS}__finite": (f"update marts.{SETS} set share_listed = 'inf' where period_label = '2021'", 1),
    f"{SETS}__key": (f"update marts.{SETS} set period_label = null where period_label = '2025'", 1),
    f"{SETS}__concentration_bounds": (f"update marts.{SETS} set hhi_low = 0.1 where period_label = '2022'", 1),
    f"{SETS}__shares_within_one": (
        f"update marts.{SETS} set share_largest_three = 0.2 where period_label = '2024'",
        2,  # and the share that is infinite
    ),
    f"{SETS}__japan_from_low_to_high": (f"update marts.{SETS} set share_japan_high = 0.5 where {SLIDE}", 1),
    f"{SETS}__slide_of_2024": (f"update marts.{SETS} set hhi_high = 0.19 where {SLIDE}", 1),
    f"{TRIALS}__finite": (trial("JPN", 2001, share_of_trials="'nan'"), 1),
    f"{TRIALS}__key": (
        f"insert into marts.{TRIALS} select * from marts.{TRIALS} where country_iso3 = 'JPN' and year is null",
        1,
    ),
    f"{TRIALS}__shares_sum_to_one": (
        trial("JPN", 2002, share_of_trials="0.4"),
        2,  # and the share that is no number
    ),
    f"{TRIALS}__count_or_reason": (trial("JPN", 2003, reason_code="'no_trials_at_hand'"), 1),
    f"{TRIALS}__parts_within_the_count": (trial("JPN", 2004, n_trials_industry="2"), 1),
    f"{DIAGNOSTICS}__finite": (
        f"update marts.{DIAGNOSTICS} set share_of_total = 'nan' where item_id = 'in_vivo_diagnostics_insurance' "
        "and year = 2014",
        1,
    ),
    f"{DIAGNOSTICS}__key": (
        f"insert into marts.{DIAGNOSTICS} select * from marts.{DIAGNOSTICS} where item_id = 'diagnostics_approvals'",
        1,
    ),
    f"{DIAGNOSTICS}__measured_or_reason": (
        f"update marts.{DIAGNOSTICS} set measurement = 'measured' where item_id = 'diagnostics_by_originator'",
        1,
    ),
    f"{DIAGNOSTICS}__share_range": (
        f"update marts.{DIAGNOSTICS} set share_of_total = 1.5 where item_id = 'in_vivo_diagnostics_insurance' "
        "and year = 2016",
        2,  # and the share that is no number
    ),
    f"{DIAGNOSTICS}__break_of_2022": (
        f"update marts.{DIAGNOSTICS} set is_break = true where item_id = 'trade_diagnostic_reagents'",
        1,
    ),
    f"{DIAGNOSTICS}__production_2006": (
        f"update marts.{DIAGNOSTICS} set value_lcu = 1 where item_id = 'in_vitro_diagnostics_production' "
        "and year = 2006",
        1,
    ),
}
