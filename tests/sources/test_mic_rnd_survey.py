from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ingest.errors import GateError, LayoutError
from tests.conftest import shared_file
from tests.sources.rnd import bundled, edited, load, same_rows, source_of

CODE = "mic_rnd_survey"
TABLE = source_of(CODE).edition_dir / "rnd_observation.csv"
TRANSCRIPT = "mic_rnd_survey/mic_survey_rnd_pharma_transcribed.csv"
MEASURES = {
    "pharma_mfg_rnd": ("165", "berd"),
    "pharma_mfg_rnd_to_sales": ("165", "rnd_sales_share"),
    "pharma_mfg_basic_rnd": ("165", "basic_rnd"),
    "pharma_mfg_applied_rnd": ("165", "applied_rnd"),
    "pharma_mfg_development_rnd": ("165", "experimental_development_rnd"),
    "pharma_mfg_biotechnology_rnd": ("165", "biotechnology_rnd"),
    "business_rnd": ("_T", "berd"),
    "business_biotechnology_rnd": ("_T", "biotechnology_rnd"),
    "business_life_science_rnd": ("_T", "life_science_rnd"),
    "total_rnd": ("_T", "gerd"),
}


def pharma(measure: str) -> dict[int, float]:
    rows = bundled(CODE, "rnd_observation").filter(activity_code="165", measure=measure)
    return dict(rows.select(pl.col("period_start").dt.year(), "value").iter_rows())


def test_pharmaceutical_rnd_in_yen() -> None:
    assert pharma("berd") == {
        2014: 1_495_300_000_000,
        2018: 1_404_700_000_000,
        2020: 1_321_600_000_000,
        2022: 1_430_400_000_000,
        2023: 1_538_600_000_000,
        2024: 1_660_700_000_000,
    }
    assert pharma("rnd_sales_share")[2024] == 0.1101


def test_every_transcribed_figure_is_there_once() -> None:
    transcript = pl.read_csv(shared_file(TRANSCRIPT))
    rows = bundled(CODE, "rnd_observation")
    found = {
        (start.year, code, measure): (value, url)
        for start, code, measure, value, url in rows.select(
            "period_start", "activity_code", "measure", "value", "document_url"
        ).iter_rows()
    }
    for year, series, value, unit, url in transcript.select(
        "fiscal_year", "series", "value", "unit", "source_url"
    ).iter_rows():
        factor = {"JPY_100m": 100_000_000, "PT": 0.01}[unit]
        assert found.pop((year, *MEASURES[series])) == (pytest.approx(value * factor, rel=1e-12), url)
    assert set(found) == {(2023, "165", "berd")}


def test_types_of_rnd_add_up() -> None:
    parts = [pharma(measure) for measure in ("basic_rnd", "applied_rnd", "experimental_development_rnd")]
    for year in (2022, 2023, 2024):
        # Articles round to 100 million yen.
        assert sum(part[year] for part in parts) == pytest.approx(pharma("berd")[year], abs=1e8)


def test_the_total_of_fiscal_2023_is_marked_as_derived() -> None:
    rows = bundled(CODE, "rnd_observation")
    derived = rows.filter(status="derived").row(0, named=True)
    assert derived["period_start"] == date(2023, 4, 1)
    assert (derived["measure"], derived["value_origin"]) == ("berd", "computed")
    assert "Sum of basic, applied and experimental development" in derived["note"]
    others = rows.filter(pl.col("status") != "derived")
    assert others.select("status", "value_origin").unique().rows() == [("reported", "transcribed")]
    assert rows.height == others.height + 1 == 36


def test_rows_cite_their_document_and_its_date() -> None:
    rows = bundled(CODE, "rnd_observation")
    assert rows["document_url"].null_count() == 0
    assert rows["document_url"].str.starts_with("https://").all()
    dated = rows.filter(pl.col("document_url").str.contains("qlifepro"))
    in_url = dated["document_url"].str.extract(r"/(\d{8})/").str.to_date("%Y%m%d")
    assert (in_url == dated["published_on"]).all()
    assert rows.filter(~pl.col("document_url").str.contains("qlifepro"))["note"].str.contains("bears no date").all()
    assert rows["period_basis"].unique().to_list() == ["fiscal_year"]
    year = pl.col("period_start").dt.year()
    assert rows.filter(pl.col("period_start") != pl.date(year, 4, 1)).height == 0
    assert rows.filter(pl.col("period_end") != pl.date(year + 1, 3, 31)).height == 0


def test_the_reviewed_table_can_be_parsed_as_a_file() -> None:
    loaded = load(CODE, TABLE)
    assert loaded.rejected.height == 0
    ours = bundled(CODE, "rnd_observation")
    assert same_rows(loaded.tables["rnd_observation"], ours)


def test_bad_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"rnd_observation\.csv.*value.*float64"):
        load(CODE, edited(TABLE, tmp_path, ("1495300000000", "1.4953 trillion")))
    with pytest.raises(GateError, match="matches no file"):
        load(CODE, edited(TABLE, tmp_path, name="survey.csv"))
    page = tmp_path / "rnd_observation.csv"
    page.write_text("<html><body>Sign in</body></html>")
    with pytest.raises(GateError, match="HTML page"):
        load(CODE, page)


def test_a_figure_entered_twice_is_rejected(tmp_path: Path) -> None:
    line = next(line for line in TABLE.read_text(encoding="utf-8").splitlines() if "1404700000000" in line)
    path = edited(TABLE, tmp_path, (line, line + "\n" + line.replace("1404700000000", "1404800000000")))
    loaded = load(CODE, path)
    assert loaded.rejected.height == 2
    assert loaded.rejected["reason"].str.contains("another row has the same key").all()


def test_a_measure_outside_the_contract_is_rejected(tmp_path: Path) -> None:
    loaded = load(CODE, edited(TABLE, tmp_path, ("main_activity,berd,", "main_activity,in_house_rnd,")))
    assert loaded.rejected["reason"].to_list() == ["measure is not one of its allowed values: in_house_rnd"]
