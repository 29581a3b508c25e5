from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ingest.errors import LayoutError
from ingest.load import load_bundled
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.sources.rnd import bundled, edited, in_hand, load, same_rows, source_of

CODE = "national_overrides"
FILE = "national_overrides/national_overrides_transcribed.csv"
TABLE = source_of(CODE).edition_dir / "rnd_observation.csv"


def rows() -> pl.DataFrame:
    return bundled(CODE, "rnd_observation")


def test_every_transcribed_figure_is_here_in_whole_units() -> None:
    with shared_file(FILE).open(encoding="utf-8") as stream:
        transcribed = list(csv.DictReader(stream))
    ours = {(row["entity_code"], row["period_start"].year): row for row in rows().iter_rows(named=True)}
    for line in transcribed:
        row = ours[line["ref_area"], int(line["year"][:4])]
        assert row["value"] == pytest.approx(float(line["value"]) * 1e6)
        assert row["currency"] == line["unit"].removesuffix("_m")
        assert row["document_url"] == line["source_url"]
    # The note of the British line holds one more year.
    assert len(ours) == len(transcribed) + 1
    assert ours["GBR", 2022]["value"] == 8_767e6


def test_each_row_says_why_it_is_here_and_that_it_is_second_hand() -> None:
    assert rows()["note"].str.contains("Second-hand").all()
    assert rows()["note"].str.len_chars().min() > 60
    assert rows()["value_origin"].unique().to_list() == ["transcribed"]
    assert rows()["status"].unique().to_list() == ["reported"]
    assert rows()["document_url"].str.starts_with("https://").all()


def test_the_british_figure_is_by_product_group_and_a_dozen_times_the_industrys() -> None:
    anberd = bundled("oecd_anberd", "rnd_observation").filter(entity_code="GBR", period_start=date(2023, 1, 1))
    british = rows().filter(entity_code="GBR", period_start=date(2023, 1, 1)).row(0, named=True)
    assert (british["criteria"], british["activity_code"]) == ("product_field", "C21")
    # Pounds against dollars at purchasing power parity (about 0.67 pounds): the ratio is far beyond any parity.
    assert british["value"] / anberd["value"].item() > 10


def test_japan_ties_out_with_the_curated_survey() -> None:
    key = [
        "entity_code",
        "activity_scheme",
        "activity_code",
        "criteria",
        "measure",
        "currency",
        "period_start",
        "value",
    ]
    survey = bundled("mic_rnd_survey", "rnd_observation")
    assert rows().filter(entity_code="JPN").join(survey, on=key, how="semi").height == 1


def test_the_upper_bound_of_australia_cannot_be_taken_for_pharmaceuticals() -> None:
    australia = rows().filter(entity_code="AUS").row(0, named=True)
    assert (australia["activity_scheme"], australia["activity_code"]) == ("ANZSIC2006", "18")
    assert "upper bound" in australia["note"]
    assert (australia["period_start"], australia["period_end"]) == (date(2023, 7, 1), date(2024, 6, 30))


def test_the_parser_gives_what_the_bundled_edition_holds(settings: Settings) -> None:
    loaded = load(CODE, TABLE)
    stated = pl.lit(date(2026, 11, 22)).alias("published_on")
    assert same_rows(rows(), loaded.tables["rnd_observation"].with_columns(stated))
    (record,) = load_bundled(settings, source_of(CODE))
    assert (record.row_count, record.rows_quarantined) == (6, 0)


def test_a_renamed_column_and_a_text_in_place_of_a_figure_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="has the unknown amount"):
        load(CODE, edited(TABLE, tmp_path, (",value,", ",amount,")))
    with pytest.raises(LayoutError, match="value holds a value that is no float64"):
        source_of(CODE).parse([in_hand(edited(TABLE, tmp_path, ("8767000000", "8767 m")))])
