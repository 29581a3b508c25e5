"""Three publishers describe Japan's pharmaceutical R&D; the bundled edition must let them agree."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from tests.conftest import shared_file
from tests.sources.rnd import bundled

YEAR = pl.col("period_start").dt.year().cast(pl.Int64).alias("year")


def anberd() -> pl.DataFrame:
    return bundled("oecd_anberd", "rnd_observation").select("entity_code", YEAR, usd_ppp="value")


def rate(series: str) -> pl.DataFrame:
    rows = bundled("worldbank_wdi", "reference_rate").filter(series_code=series)
    return rows.select(YEAR, entity_code="area_code", rate="value")


@pytest.mark.parametrize("year", [2014, 2018, 2020, 2022, 2023])
def test_anberd_times_ppp_is_the_survey_in_yen(year: int) -> None:
    usd_ppp = anberd().filter(entity_code="JPN", year=year)["usd_ppp"].item()
    ppp = rate("ppp_gdp").filter(entity_code="JPN", year=year)["rate"].item()
    survey = (
        bundled("mic_rnd_survey", "rnd_observation")
        .filter(activity_code="165", measure="berd")
        .filter(year == YEAR)["value"]
        .item()
    )
    assert usd_ppp * ppp == pytest.approx(survey, rel=1e-3)
    # The publishers agree closer than the tolerance: to the rounding of the survey's press figure.
    assert usd_ppp * ppp == pytest.approx(survey, abs=6e7)


@cache
def real() -> pl.DataFrame:
    """R&D in national currency at current and at constant national prices (up to a factor per country)."""
    deflator = (
        rate("gdp_deflator_growth")
        .sort("entity_code", "year")
        .with_columns(index=(1 + pl.col("rate")).cum_prod().over("entity_code"))
    )
    return (
        anberd()
        .join(rate("ppp_gdp").rename({"rate": "ppp"}), on=["entity_code", "year"])
        .join(deflator.drop("rate"), on=["entity_code", "year"])
        .with_columns(nominal=pl.col("usd_ppp") * pl.col("ppp"))
        .with_columns(constant=pl.col("nominal") / pl.col("index"))
    )


def growth(column: str, iso3: str, first: int, last: int) -> float:
    values = dict(real().filter(entity_code=iso3).select("year", column).iter_rows())
    return float((values[last] / values[first]) ** (1 / (last - first)) - 1)


@pytest.mark.parametrize(
    ("iso3", "first", "last", "per_cent"),
    [
        ("JPN", 2014, 2019, -2.8),
        ("JPN", 2019, 2023, 2.3),
        ("USA", 2014, 2019, 7.7),
        ("CHN", 2014, 2019, 7.1),
        ("FRA", 2014, 2019, -2.3),
    ],
)
def test_real_growth_of_the_bundled_edition(iso3: str, first: int, last: int, per_cent: float) -> None:
    assert round(growth("constant", iso3, first, last) * 100, 1) == per_cent


def test_growth_of_every_country_of_the_reference_case() -> None:
    reference = pl.read_csv(shared_file("method/rnd_growth/expected_cagr.csv"))
    assert reference.height == 40
    for row in reference.iter_rows(named=True):
        period = row["iso3"], row["y0"], row["y1"]
        assert growth("usd_ppp", *period) == pytest.approx(row["cagr_current_usd_ppp"], abs=1e-7)
        assert growth("nominal", *period) == pytest.approx(row["cagr_nominal_lcu"], abs=1e-7)
        assert growth("constant", *period) == pytest.approx(row["cagr_real_constant_ppp2015"], abs=1e-7)


def test_rates_of_the_reference_case_are_bundled() -> None:
    reference = pl.read_csv(shared_file("method/rnd_growth/input_and_levels.csv"))
    for series, column, factor in (("ppp_gdp", "ppp", 1), ("gdp_deflator_growth", "infl", 100)):
        both = reference.join(rate(series), left_on=["iso3", "year"], right_on=["entity_code", "year"], how="left")
        assert both["rate"].null_count() == 0
        assert (both["rate"] * factor - both[column]).abs().max() < 1e-4
