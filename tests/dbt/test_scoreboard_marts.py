"""Scorecard, composite index, uncertainty and sensitivity on the bundled edition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ingest import vocabulary
from ingest.indicators import aggregate, normalise
from tests.dbt.conftest import Build


def card(build: Build, indicator: str, country: str, year: int) -> dict[str, Any]:
    return build.row(
        "select * from marts.mart_competitiveness_scorecard "
        f"where indicator_id = '{indicator}' and country_iso3 = '{country}' and year = {year}"
    )


def test_japan_spends_third_most_and_grows_little(build: Build) -> None:
    level = card(build, "berd_pharma_usd_ppp", "JPN", 2023)
    assert level["value"] == pytest.approx(1.6397e10, rel=1e-3)
    assert (level["rank_best_first"], level["n_countries"]) == (3, 33)
    growth = card(build, "berd_pharma_growth_4y", "JPN", 2023)
    assert growth["value"] == pytest.approx(0.023, abs=5e-4)
    # Without Iceland, whose series breaks in 2023.
    assert (growth["rank_best_first"], growth["n_countries"]) == (16, 29)
    assert growth["unit"] == "share per year"


def test_sites_are_those_of_the_register(build: Build) -> None:
    assert card(build, "api_sites", "JPN", 2025)["value"] == 84
    assert card(build, "api_sites", "IND", 2025)["value"] == 527
    assert card(build, "api_sites", "USA", 2025)["rank_best_first"] == 1


def test_an_unusable_series_has_a_reason_and_no_rank(build: Build) -> None:
    row = card(build, "berd_pharma_usd_ppp", "GBR", 2023)
    assert row["value"] is None and row["rank_best_first"] is None
    assert row["reason_code"] == "main_activity_classification"


def test_absence_from_a_complete_list_is_zero_and_from_others_nothing(build: Build) -> None:
    row = card(build, "listed_companies", "NOR", 2022)
    assert row["value"] == 0 and row["is_zero_by_absence"]
    assert (
        build.rows(
            "select 1 from marts.mart_competitiveness_scorecard "
            "where indicator_id = 'cdmo_revenue_usd' and country_iso3 = 'NOR'"
        )
        == []
    )
    # Outside the panel nobody is put at zero.
    assert (
        build.rows("select 1 from marts.mart_competitiveness_scorecard where is_zero_by_absence and not is_in_panel")
        == []
    )


def test_reasons_of_the_selection(build: Build) -> None:
    found = {
        row["indicator_id"]: row["selection_reason_code"]
        for row in build.rows(
            "select distinct indicator_id, selection_reason_code from marts.mart_competitiveness_scorecard"
        )
    }
    assert found == {
        "berd_pharma_usd_ppp": None,
        "berd_pharma_growth_4y": None,
        "berd_pharma_growth_13y": None,
        "berd_pharma_berd_share": "too_few_countries",
        "gerd_gdp_share": None,
        "gerd_gdp_change_5y": None,
        "listed_rnd_eur": "collinear_in_pillar",
        "listed_rnd_intensity": "too_few_countries",
        "api_sites": None,
        "listed_companies": None,
        "cdmo_revenue_usd": "too_few_countries",
        "cdmo_capacity_litres": "too_few_countries",
        "biologic_substances_sited": "too_old",
        "immunological_production_eur": "too_few_countries",
        "listed_sales_eur": None,
        "japan_vaccine_import_share": "too_many_zeros",
    }


def test_every_indicator_of_the_framework_is_screened(build: Build) -> None:
    rows = build.rows("select indicator_id, is_selected, reason_code from intermediate.int_indicator_selection")
    assert {row["indicator_id"] for row in rows} == set(vocabulary.table("indicator")["indicator_id"])
    assert all(row["is_selected"] == (row["reason_code"] is None) for row in rows)


def test_directions_are_up_or_down() -> None:
    assert set(vocabulary.table("indicator")["direction"]) <= {-1, 1}


def test_every_scheme_weighs_everything_once() -> None:
    weights = vocabulary.table("indicator_weight")
    indicators = set(vocabulary.table("indicator")["indicator_id"])
    for scheme in weights["scheme_id"].unique():
        part = weights.filter(scheme_id=scheme)
        assert set(part.filter(item_kind="indicator")["item_id"]) == indicators
        assert set(part.filter(item_kind="pillar")["item_id"]) == {"inputs", "capability", "outputs", "outcomes"}
        assert part["weight"].min() >= 0  # type: ignore[operator]


def test_countries_without_enough_indicators_are_not_ranked(build: Build) -> None:
    rows = build.rows("select * from marts.mart_composite_index where scheme_id = 'equal' and is_headline_method")
    left_out = {row["country_iso3"] for row in rows if row["score"] is None}
    assert {"GBR", "SGP", "TWN", "IRL", "ISL"} <= left_out
    assert all(row["reason_code"] == "pillar_coverage_below_minimum" for row in rows if row["score"] is None)
    ranked = [row for row in rows if row["score"] is not None]
    assert len(ranked) == ranked[0]["n_countries"] == 29
    assert all(row["outputs_score"] is None and row["n_pillars"] == 3 for row in rows)
    assert [row["country_iso3"] for row in sorted(ranked, key=lambda row: row["rank_best_first"])[:3]] == [
        "CHN",
        "USA",
        "JPN",
    ]


def test_the_index_is_that_of_the_functions(build: Build) -> None:
    """The SQL score against numpy on the treated values: two ways of computing the same."""
    rows = build.rows("select * from intermediate.int_composite_treatment order by position, country_iso3")
    countries = sorted({row["country_iso3"] for row in rows})
    indicators = list(dict.fromkeys(row["indicator_id"] for row in rows))
    values = np.full((len(countries), len(indicators)), np.nan)
    pillar_of: dict[str, str] = {}
    for row in rows:
        at = countries.index(row["country_iso3"]), indicators.index(row["indicator_id"])
        values[at] = row["treated_value"] * row["direction"]
        pillar_of[row["indicator_id"]] = row["pillar"]
    scaled = normalise.minmax(values, 1, 100)
    pillars = list(dict.fromkeys(pillar_of.values()))
    scores = np.column_stack(
        [
            aggregate.weighted_mean(part, np.ones(part.shape[1]))
            for pillar in pillars
            for part in [scaled[:, [pillar_of[code] == pillar for code in indicators]]]
        ]
    )
    for method, expected in (
        ("pillar_geometric", aggregate.weighted_mean(scores, np.ones(len(pillars)), "geometric")),
        ("arithmetic", aggregate.weighted_mean(scores, np.ones(len(pillars)))),
        ("copeland", aggregate.copeland(scores, np.ones(len(pillars)))),
    ):
        found = build.rows(
            "select country_iso3, score from marts.mart_composite_index "
            f"where scheme_id = 'equal' and method = '{method}' and score is not null order by country_iso3"
        )
        assert [row["country_iso3"] for row in found] == countries
        np.testing.assert_allclose([row["score"] for row in found], expected, rtol=0, atol=1e-10)


def test_rank_intervals(build: Build) -> None:
    rows = {row["country_iso3"]: row for row in build.rows("select * from marts.mart_composite_uncertainty")}
    japan = rows["JPN"]
    assert (japan["rank_nominal"], japan["rank_q05"], japan["rank_q95"]) == (3, 3, 4)
    assert japan["p_ahead_of_japan_share"] is None and rows["USA"]["p_ahead_of_japan_share"] > 0.95
    assert japan["p_top_5_share"] > 0.95
    assert rows["KOR"]["rank_interval_width"] >= 3
    assert all(row["data_status"] == "estimated" and row["is_illustrative_weighting"] for row in rows.values())
    assert rows["GBR"]["rank_nominal"] is None and rows["GBR"]["reason_code"]


def test_what_moves_the_ranking_most(build: Build) -> None:
    rows = build.rows("select * from marts.mart_composite_sensitivity")
    assert {row["factor"] for row in rows} == {
        "imputation",
        "winsorisation",
        "normalisation",
        "weights",
        "aggregation",
        "drop_one",
    }
    assert rows[0]["factor"] == "normalisation" and rows[0]["sobol_total_order"] > 0.5
    assert rows[-1]["factor"] == "imputation" and rows[-1]["sobol_total_order"] < 0.05
    assert {row["n_runs"] for row in rows} == {8192}


def test_treated_points_stand_as_rows(build: Build) -> None:
    rows = build.rows(
        "select indicator_id, country_iso3, value, composite_value from marts.mart_competitiveness_scorecard "
        "where treatment_action = 'winsorised' order by all"
    )
    assert {(row["indicator_id"], row["country_iso3"]) for row in rows} >= {
        ("berd_pharma_usd_ppp", "USA"),
        ("berd_pharma_usd_ppp", "JPN"),
        ("api_sites", "CHN"),
    }
    assert card(build, "api_sites", "USA", 2025)["composite_value"] == 91
    assert card(build, "api_sites", "JPN", 2025)["composite_value"] == 84
    assert card(build, "gerd_gdp_share", "JPN", 2023)["treatment_action"] is None
