"""Breakages of approvals, launch lags, trials and patents."""

from __future__ import annotations

APPROVALS = "mart_approvals_by_modality"
LAG = "mart_launch_lag"
SUMMARY = "mart_launch_lag_summary"
PATENTS = "mart_patent_rta"


def one(mart: str, condition: str) -> str:
    """Condition that holds for the last row of those that meet another."""
    return f"where _row = (select max(_row) from marts.{mart} where {condition})"


def again(mart: str, condition: str) -> str:
    """Statement that repeats the last row of those that meet a condition."""
    return f"insert into marts.{mart} select * from marts.{mart} where {condition} order by _row desc limit 1"


def of_year(year: int) -> str:
    """Condition: new substances that the FDA licensed in a year, headline rule set, by originator."""
    return (
        "basis = 'approved_in_year' and licence_kind = 'new_substance' and agency = 'FDA' and is_headline_ruleset "
        f"and origin_basis = 'originator' and year = {year}"
    )


def families(country: str, year: int) -> str:
    """Condition: a country's patent families of biotechnology in the three years to a year."""
    return (
        f"country_iso3 = '{country}' and count_kind = 'family_granted' and field_code = '15' and last_year = {year}"
    )


BREAKAGES: dict[str, tuple[str, int]] = {
    f"{APPROVALS}__finite": (
        f"update marts.{APPROVALS} set share_classed_by_name = 'nan' "
        f"{one(APPROVALS, of_year(2012) + ' and n_with_lag > 0')}",
        1,
    ),
    f"{APPROVALS}__key": (
        f"insert into marts.{APPROVALS} "
        "select * replace (null as origin_iso3, 0 as n_approved, 0 as share_of_approvals) "
        f"from marts.{APPROVALS} {one(APPROVALS, of_year(2013))}",
        1,
    ),
    f"{APPROVALS}__shares_sum_to_one": (
        f"update marts.{APPROVALS} set share_of_approvals = share_of_approvals / 2 "
        f"{one(APPROVALS, of_year(2010) + ' and origin_iso3 = ' + repr('USA'))}",
        1,
    ),
    f"{APPROVALS}__total_is_sum_of_modalities": (
        f"update marts.{APPROVALS} set n_approved = n_approved + 1 "
        f"{one(APPROVALS, of_year(2011) + ' and row_level = ' + repr('biologics_total'))}",
        1,
    ),
    f"{APPROVALS}__same_count_under_every_basis": (
        f"update marts.{APPROVALS} set n_all_origins = n_all_origins + 1 "
        f"{one(APPROVALS, of_year(2009) + ' and row_level = ' + repr('modality'))}",
        1,
    ),
    f"{APPROVALS}__lag_or_reason": (
        f"update marts.{APPROVALS} set lag_median_days = -1 {one(APPROVALS, of_year(2008) + ' and n_with_lag > 0')}",
        1,
    ),
    f"{APPROVALS}__never_fewer_by_a_later_day": (
        f"update marts.{APPROVALS} set n_all_origins = 1 where basis = 'listed_by_day' and agency = 'MHLW' "
        "and ruleset_id = 'narrow' and row_level = 'biologics_total' and as_of_date = date '2025-07-16'",
        1,
    ),
    f"{APPROVALS}__coverage_range": (
        f"update marts.{APPROVALS} set coverage_share = 1.5 "
        f"{one(APPROVALS, of_year(2007) + ' and origin_iso3 = ' + repr('USA'))}",
        2,  # and the share that is no number
    ),
    f"{LAG}__key": (f"delete from marts.{LAG} where substance_key = 'pembrolizumab' and market_iso3 = 'JPN'", 1),
    f"{LAG}__interval_order": (
        f"update marts.{LAG} set lag_low_days = lag_high_days + 1 where substance_key = 'dupilumab' "
        "and market_iso3 = 'JPN'",
        1,
    ),
    f"{LAG}__censored_means_not_come": (
        f"update marts.{LAG} set is_right_censored = true where substance_key = 'ocrelizumab' "
        "and market_iso3 = 'EUU'",
        1,
    ),
    f"{LAG}__somebody_was_first": (
        f"update marts.{LAG} set available_to = available_to + 1 where substance_key = 'atezolizumab' "
        "and market_iso3 = 'USA'",
        1,
    ),
    f"{LAG}__lost_after_five_years": (
        f"update marts.{LAG} set observed_to = first_foreign_on + 100 where substance_key = 'ocrelizumab' "
        "and market_iso3 = 'JPN'",
        1,
    ),
    f"{LAG}__reason_where_the_list_does_not_tell": (
        f"update marts.{LAG} set is_lost = null where substance_key = 'ramucirumab' and market_iso3 = 'EUU'",
        1,
    ),
    f"{LAG}__nivolumab": (
        f"update marts.{LAG} set is_japanese_origin = false where substance_key = 'nivolumab' "
        "and market_iso3 = 'EUU'",
        1,
    ),
    f"{SUMMARY}__finite": (
        f"update marts.{SUMMARY} set share_within_5_years_high = 'inf' where market_iso3 = 'EUU' "
        "and cohort_first_year = 2006 and ruleset_id = 'narrow' and modality = 'all'",
        1,
    ),
    f"{SUMMARY}__key": (
        again(
            SUMMARY, "market_iso3 = 'EUU' and cohort_first_year = 2011 and ruleset_id = 'narrow' and modality = 'all'"
        ),
        1,
    ),
    f"{SUMMARY}__counts_add_up": (
        f"update marts.{SUMMARY} set n_lost = n_censored + 1 where market_iso3 = 'JPN' and cohort_first_year = 2011 "
        "and ruleset_id = 'narrow' and modality = 'all'",
        1,
    ),
    f"{SUMMARY}__modalities_make_all": (
        f"delete from marts.{SUMMARY} where market_iso3 = 'USA' and cohort_first_year = 2011 "
        "and ruleset_id = 'narrow' and modality = 'monoclonal_antibody'",
        2,  # and the row that stands twice
    ),
    f"{SUMMARY}__intervals_ordered": (
        f"update marts.{SUMMARY} set share_within_1_year_low = 1, share_within_1_year_high = 0.5 "
        "where market_iso3 = 'JPN' and cohort_first_year = 2006 and ruleset_id = 'us_bla' and modality = 'all'",
        2,  # and the share that is infinite
    ),
    f"{SUMMARY}__share_is_the_count_where_all_were_followed": (
        f"update marts.{SUMMARY} set share_within_5_years_low = 0.9, share_within_5_years_high = 0.95 "
        "where market_iso3 = 'JPN' and cohort_first_year = 2016 and ruleset_id = 'us_bla' and modality = 'all'",
        1,
    ),
    f"{SUMMARY}__half_or_reason": (
        f"update marts.{SUMMARY} set lag_median_high_days = null, reason_code = null where market_iso3 = 'USA' "
        "and cohort_first_year = 2006 and ruleset_id = 'us_bla' and modality = 'all'",
        1,
    ),
    f"{PATENTS}__finite": (
        f"update marts.{PATENTS} set share_of_own_patents = '-inf', n_all_fields = 1e9 where {families('KOR', 2010)}",
        1,
    ),
    f"{PATENTS}__key": (again(PATENTS, families("KOR", 2011)), 1),
    f"{PATENTS}__no_aggregates": (
        f"update marts.{PATENTS} set country_iso3 = 'EUU' where {families('DNK', 2012)}",
        1,
    ),
    f"{PATENTS}__shares_of_the_world": (
        f"update marts.{PATENTS} set share_of_world = share_of_world / 2 where {families('USA', 2013)}",
        3,  # and the country that stands twice, and the one that has more than the world's rest
    ),
    f"{PATENTS}__advantage_is_share_over_share": (
        f"update marts.{PATENTS} set rta_symmetric = 0.99 where {families('USA', 2014)}",
        1,
    ),
    f"{PATENTS}__advantage_or_reason": (
        f"update marts.{PATENTS} set reason_code = 'no_patents' where {families('USA', 2015)}",
        1,
    ),
    f"{PATENTS}__own_share_is_a_share": (
        f"update marts.{PATENTS} set share_of_own_patents = 1.5 where {families('USA', 2016)}",
        2,  # and the share that is no number
    ),
    f"{PATENTS}__japan_2018_2020": (
        f"update marts.{PATENTS} set n_fractional = n_fractional * 2, share_of_world = share_of_world * 2 "
        f"where {families('JPN', 2020)}",
        1,
    ),
}
