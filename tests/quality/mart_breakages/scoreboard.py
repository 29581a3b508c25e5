"""Breakages of the scorecard and of the composite index with its uncertainty."""

from __future__ import annotations

CARD = "update marts.mart_competitiveness_scorecard set"
INDEX = "update marts.mart_composite_index set"
RANGE = "update marts.mart_composite_uncertainty set"
EFFECT = "update marts.mart_composite_sensitivity set"
GERD = "indicator_id = 'gerd_gdp_share'"
BERD = "indicator_id = 'berd_pharma_usd_ppp'"


def _again(mart: str, condition: str) -> str:
    return f"insert into marts.{mart} select * from marts.{mart} where {condition} order by _row limit 1"


BREAKAGES: dict[str, tuple[str, int]] = {
    "mart_competitiveness_scorecard__finite": (
        f"{CARD} coverage_share = 'inf' where {GERD} and year = 2001 and country_iso3 = 'JPN'",
        1,
    ),
    "mart_competitiveness_scorecard__key": (
        _again("mart_competitiveness_scorecard", f"{BERD} and value is null"),
        1,
    ),
    "mart_competitiveness_scorecard__rank_range": (
        f"{CARD} rank_best_first = n_countries + 1 where {GERD} and year = 2003 and rank_best_first = n_countries",
        1,
    ),
    "mart_competitiveness_scorecard__rank_follows_value": (
        f"{CARD} rank_best_first = 1 where {GERD} and year = 2005 and rank_best_first = 2",
        1,
    ),
    "mart_competitiveness_scorecard__score_range": (
        f"{CARD} minmax_0_100 = 120 where {GERD} and year = 2007 and rank_best_first = 1",
        1,
    ),
    "mart_competitiveness_scorecard__no_aggregates": (
        f"{CARD} country_iso3 = 'EUU' where {GERD} and year = 2008 and rank_best_first = 1",
        1,
    ),
    "mart_competitiveness_scorecard__reason_given": (
        f"{CARD} robust_z_score = null where {GERD} and year = 2009 and rank_best_first = 1",
        1,
    ),
    "mart_competitiveness_scorecard__agrees_with_rnd_level": (
        f"{CARD} value = value * 1.0001 where {BERD} and year = 2010 and country_iso3 = 'JPN'",
        1,
    ),
    "mart_competitiveness_scorecard__treatment_told": (
        f"{CARD} treatment_action = null where indicator_id = 'api_sites' and country_iso3 = 'CHN'",
        1,
    ),
    "mart_competitiveness_scorecard__selection_explained": (
        f"{CARD} selection_reason_code = null where indicator_id = 'cdmo_capacity_litres'",
        1,
    ),
    "mart_composite_index__finite": (
        f"{INDEX} coverage_share = 'inf' where country_iso3 = 'TWN' and scheme_id = 'equal' and method = 'harmonic'",
        1,
    ),
    "mart_composite_index__key": (_again("mart_composite_index", "score is null and scheme_id = 'equal'"), 1),
    "mart_composite_index__labelled_illustrative": (
        f"{INDEX} is_illustrative_weighting = false where country_iso3 = 'JPN' and scheme_id = 'equal' "
        "and is_headline_method",
        1,
    ),
    "mart_composite_index__scored_or_explained": (
        f"{INDEX} reason_code = null where country_iso3 = 'TWN' and scheme_id = 'research_twice' "
        "and method = 'copeland'",
        1,
    ),
    "mart_composite_index__enough_countries": (
        f"{INDEX} n_countries = 24 where country_iso3 = 'JPN' and scheme_id = 'research_twice' "
        "and method = 'geometric'",
        1,
    ),
    "mart_composite_index__score_range": (
        f"{INDEX} score = 101 where method = 'arithmetic' and scheme_id = 'research_twice' and rank_best_first = 1",
        1,
    ),
    "mart_composite_index__rank_follows_score": (
        f"{INDEX} rank_best_first = 1 where method = 'arithmetic' and scheme_id = 'equal' and rank_best_first = 2",
        1,
    ),
    "mart_composite_index__means_in_order": (
        f"{INDEX} score = 99.9 where method = 'harmonic' and scheme_id = 'equal' and rank_best_first = 1",
        1,
    ),
    "mart_composite_index__pairwise_sums_to_zero": (
        f"{INDEX} score = score + 1 where method = 'copeland' and scheme_id = 'equal' and rank_best_first = 1",
        1,
    ),
    "mart_composite_uncertainty__finite": (f"{RANGE} coverage_share = 'inf' where country_iso3 = 'SGP'", 1),
    "mart_composite_uncertainty__key": (_again("mart_composite_uncertainty", "country_iso3 = 'TWN'"), 1),
    "mart_composite_uncertainty__labelled_illustrative": (
        f"{RANGE} is_illustrative_weighting = false where country_iso3 = 'POL'",
        1,
    ),
    "mart_composite_uncertainty__interval_order": (
        f"{RANGE} rank_q05 = rank_q95 + 1 where country_iso3 = 'ITA'",
        1,
    ),
    "mart_composite_uncertainty__nominal_is_the_index": (
        f"{RANGE} score_nominal = score_nominal + 0.01 where country_iso3 = 'KOR'",
        1,
    ),
    "mart_composite_uncertainty__shares_of_runs": (
        f"{RANGE} p_top_5_share = p_top_5_share - 0.1 where country_iso3 = 'USA'",
        1,
    ),
    "mart_composite_sensitivity__finite": (f"{EFFECT} coverage_share = 'inf' where factor = 'weights'", 1),
    # Of a row that the shared checks count by what it names, so that its double makes no difference to them.
    "mart_composite_sensitivity__key": (_again("mart_composite_sensitivity", "_row = 3"), 1),
    "mart_composite_sensitivity__labelled_illustrative": (
        f"{EFFECT} is_illustrative_weighting = false where _row = 0",
        1,
    ),
    "mart_composite_sensitivity__total_order_range": (f"{EFFECT} sobol_total_order = 3 where _row = 1", 1),
    "mart_composite_sensitivity__first_within_total": (f"{EFFECT} sobol_first_order = 2 where _row = 2", 1),
}
