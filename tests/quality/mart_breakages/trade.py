"""Breakages of the trade and supply marts; rows are those of the marts' own order over the bundled edition."""

from __future__ import annotations

BALANCE = "update marts.mart_trade_balance set"
ADVANTAGE = "update marts.mart_trade_specialisation set"
DEPENDENCY = "update marts.mart_import_dependency set"
SUPPLY = "update marts.mart_supply_self_sufficiency set"
MIRROR = "update marts.mart_mirror_gap set"
CHANGE = "update marts.mart_export_cms set"
IRELAND = "basket_id = 'vaccines_human' and year = 2017 and exporter_iso3 = 'IRL' and importer_iso3 = 'JPN'"


def _again(mart: str, row: int) -> str:
    """Statement that repeats a row."""
    return f"insert into marts.{mart} select * from marts.{mart} where _row = {row}"


# Japan's vaccines are rows 0 to 7 of balance, advantage and dependency (2010, 2011, 2013, 2015, 2016, 2017, 2019 and
# 2020); in supply, rows 0 to 6 are Japan's survey (2005, 2006, 2011, 2013, 2017, 2019, 2021).
BREAKAGES: dict[str, tuple[str, int]] = {
    "mart_trade_balance__finite": (f"{BALANCE} export_usd = 'inf' where _row = 22", 1),
    "mart_trade_balance__key": (_again("mart_trade_balance", 47), 1),
    "mart_trade_balance__balance_follows": (
        f"{BALANCE} balance_usd = balance_usd * 1.01 where _row = 6",
        2,  # and the imports of 2017 below
    ),
    "mart_trade_balance__normalised_follows": (
        f"{BALANCE} normalised_balance = 0.5 where _row = 4",
        2,  # and the imports of 2017 below
    ),
    "mart_trade_balance__intra_industry_within_sums": (
        f"{BALANCE} grubel_lloyd = 0.9 where _row = 3",
        2,  # and the imports of 2017 below
    ),
    "mart_trade_balance__reason_given": (f"{BALANCE} reason_code = null where _row = 20", 1),
    "mart_trade_balance__coverage": (f"{BALANCE} coverage_share = 0.9 where _row = 21", 1),
    "mart_trade_balance__no_figure_without_codes": (
        f"{BALANCE} import_usd = 1 where _row = 23",
        2,  # and the infinite exports above
    ),
    "mart_trade_balance__japan_vaccines_2017": (f"{BALANCE} import_usd = import_usd * 1.1 where _row = 5", 1),
    "mart_trade_specialisation__finite": (f"{ADVANTAGE} import_usd = 'inf' where _row = 2", 1),
    "mart_trade_specialisation__key": (_again("mart_trade_specialisation", 7), 1),
    "mart_trade_specialisation__world_needs_reporters": (
        f"{ADVANTAGE} rca = 1, rsca = 0 where _row = 6",
        2,  # and the wrong symmetric form below
    ),
    "mart_trade_specialisation__reason_given": (
        f"{ADVANTAGE} reason_code = null where _row = 5",
        3,  # and the two rows with an index and a reason
    ),
    "mart_trade_specialisation__symmetric_form_follows": (f"{ADVANTAGE} rca = 2, rsca = 0.9 where _row = 4", 1),
    "mart_trade_specialisation__exports_within_basket": (
        f"{ADVANTAGE} country_export_usd = export_usd / 2 where _row = 3",
        1,
    ),
    "mart_trade_specialisation__world_share_range": (f"{ADVANTAGE} world_share = 1.5 where _row = 1", 1),
    "mart_import_dependency__finite": (f"{DEPENDENCY} export_usd = 'inf' where _row = 31", 1),
    "mart_import_dependency__key": (_again("mart_import_dependency", 47), 1),
    "mart_import_dependency__concentration_bounds": (f"{DEPENDENCY} n_suppliers = 3 where _row = 7", 1),
    "mart_import_dependency__shares_in_order": (f"{DEPENDENCY} top3_share = top1_share / 2 where _row = 3", 1),
    "mart_import_dependency__criteria_follow": (f"{DEPENDENCY} is_import_concentrated = true where _row = 6", 1),
    "mart_import_dependency__dependent_meets_all": (f"{DEPENDENCY} is_dependent = true where _row = 5", 1),
    "mart_import_dependency__years_of_the_window": (f"{DEPENDENCY} n_years_met = 4 where _row = 2", 1),
    "mart_import_dependency__world_needs_reporters": (
        f"{DEPENDENCY} hhi_world_export = 0.2, is_world_export_concentrated = false where _row = 4",
        1,
    ),
    "mart_import_dependency__no_figure_without_codes": (f"{DEPENDENCY} import_usd = 5 where _row = 30", 1),
    "mart_import_dependency__ireland_supplies_japan_2017": (
        f"{DEPENDENCY} top1_supplier_iso3 = 'USA' where _row = 5",
        1,
    ),
    "mart_supply_self_sufficiency__finite": (f"{SUPPLY} production_usd = 'inf' where _row = 52", 1),
    "mart_supply_self_sufficiency__key": (_again("mart_supply_self_sufficiency", 100), 1),
    "mart_supply_self_sufficiency__consumption_follows": (
        f"{SUPPLY} apparent_consumption_value = apparent_consumption_value * 1.1 where _row = 2",
        2,  # and the production of 2017 below
    ),
    "mart_supply_self_sufficiency__ratios_add_up": (f"{SUPPLY} self_sufficiency_ratio = 2 where _row = 3", 1),
    "mart_supply_self_sufficiency__headline_follows": (
        f"{SUPPLY} import_share_of_supply = 0.9 where _row = 3",
        2,  # and the production of 2017 below
    ),
    "mart_supply_self_sufficiency__hub_marked": (f"{SUPPLY} is_hub = true where _row = 5", 1),
    "mart_supply_self_sufficiency__hub_has_no_ratio": (
        f"{SUPPLY} is_back_solved = true where _row = 2",
        2,  # and the hub that is none above
    ),
    "mart_supply_self_sufficiency__reason_given": (f"{SUPPLY} reason_code = null where _row = 50", 1),
    "mart_supply_self_sufficiency__partial_production_marked": (
        f"{SUPPLY} is_production_partial = not is_production_partial where _row = 51",
        1,
    ),
    "mart_supply_self_sufficiency__japan_production_2017": (
        f"{SUPPLY} production_value = production_value * 2 where _row = 4",
        1,
    ),
    "mart_mirror_gap__finite": (f"{MIRROR} import_export_ratio = 'inf' where _row = 16", 1),
    "mart_mirror_gap__key": (_again("mart_mirror_gap", 200), 1),
    "mart_mirror_gap__two_countries": (f"{MIRROR} importer_iso3 = exporter_iso3 where _row = 14", 1),
    "mart_mirror_gap__band_in_order": (
        f"{MIRROR} low_usd = high_usd * 2 where _row = 10",
        2,  # and Ireland's report below
    ),
    "mart_mirror_gap__ratio_follows": (
        f"{MIRROR} log_ratio = log_ratio + 1 where _row = 11",
        3,  # and Ireland's report below, and the infinite ratio above
    ),
    "mart_mirror_gap__gap_follows": (
        f"{MIRROR} symmetric_gap = 1.99 where _row = 12",
        2,  # and Ireland's report below
    ),
    "mart_mirror_gap__agreement_follows": (
        f"{MIRROR} agrees_within_10_percent = not agrees_within_10_percent where _row = 13",
        1,
    ),
    "mart_mirror_gap__ireland_japan_2017": (
        f"{MIRROR} exporter_report_usd = exporter_report_usd * 2 where {IRELAND}",
        1,
    ),
    "mart_export_cms__finite": (f"{CHANGE} all_markets_growth_share = 'inf' where _row = 61", 1),
    "mart_export_cms__key": (_again("mart_export_cms", 50), 1),
    "mart_export_cms__change_follows": (
        f"{CHANGE} export_change_usd = export_change_usd + 1e6 where _row = 11",
        1,
    ),
    "mart_export_cms__terms_add_up": (
        f"{CHANGE} market_share_effect_usd = market_share_effect_usd + 1e6 where _row = 10",
        2,  # and the change above
    ),
    "mart_export_cms__window_sums": (
        f"{CHANGE} market_structure_usd = 1e6, market_share_effect_usd = market_share_effect_usd - 1e6 "
        "where _row = 40",
        2,  # and the window of the terms above
    ),
    "mart_export_cms__window_order": (f"{CHANGE} last_year = first_year where _row = 63", 1),
    "mart_export_cms__same_markets": (f"{CHANGE} n_importers = 2 where _row = 64", 1),
    "mart_export_cms__reason_follows": (
        f"{CHANGE} reason_code = null where _row = 62",
        2,  # and the second market above
    ),
}
