from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ingest import edition, load, source
from ingest.errors import GateError, LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file

SOURCE = source.get("epar_annex2")
FACTS = "origin_facts/epar_annex2_biological_active_substance_sites_sample.csv"


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    (part,) = edition.read(SOURCE)
    return part.tables["site_role"]


def test_every_row_cites_its_page(rows: pl.DataFrame) -> None:
    assert rows.height == 25
    assert rows["document_url"].str.starts_with("https://").all()
    assert rows["note"].str.contains("^mirror page in (English|Estonian|Finnish)").all()
    assert set(rows["market_iso3"]) == {"EUU"} and set(rows["measure_basis"]) == {"legal_document"}
    assert set(rows["value_origin"]) == {"transcribed"}
    assert rows["locator"].n_unique() == 25


def test_substance_sites_by_country(rows: pl.DataFrame) -> None:
    made = rows.filter(pl.col("operation") == "drug_substance")
    countries = {name: set(group["country_iso3"]) for (name,), group in made.group_by("product_name")}
    assert countries == {
        "Arzerra": {"GBR", "USA"},
        "MabThera": {"USA", "KOR"},
        "MabThera (older edition)": {"USA"},
        "Herceptin": {"DEU", "USA"},
        "Stelara": {"USA", "NLD", "IRL"},
        "Benepali": {"DNK"},
        "Voncento": {"CHE", "AUS"},
    }


def test_dated_pages_keep_their_date_and_undated_ones_say_so(rows: pl.DataFrame) -> None:
    dates = {str(day): set(group["product_name"]) for (day,), group in rows.group_by("published_on")}
    assert dates["2017-10-05"] == {"Benepali"}
    undated = rows.filter(pl.col("product_name").is_in(["MabThera", "Benepali"]).not_())
    assert undated["note"].str.contains("undated").all()
    older = rows.filter(pl.col("publisher_flags") == "older_edition")
    assert set(older["product_name"]) == {"MabThera (older edition)", "Herceptin"}
    assert older["note"].str.ends_with("older edition of the annex").all()


def test_the_curated_rows_are_the_facts_at_hand(rows: pl.DataFrame) -> None:
    facts = pl.read_csv(shared_file(FACTS)).sort("site_name", "site_place", "mirror_url", "role", nulls_last=True)
    mine = rows.sort("firm_name", "site_place", "document_url", "operation_as_published", nulls_last=True)
    kinds = {"BIO_ACTIVE_SUBSTANCE": "drug_substance", "BATCH_RELEASE": "batch_release"}
    compared = facts.select(
        pl.col("inn").alias("substance_name"),
        pl.col("site_name").alias("firm_name"),
        pl.col("site_place"),
        pl.col("country_iso3"),
        pl.col("role").replace_strict(kinds).alias("operation"),
        pl.col("mirror_url").alias("document_url"),
    )
    order = compared.columns
    assert compared.sort(order, nulls_last=True).equals(mine.select(order).sort(order, nulls_last=True))


def test_the_edition_loads_and_a_file_at_hand_gives_the_same_rows(settings: Settings, rows: pl.DataFrame) -> None:
    (record,) = load.load_bundled(settings, SOURCE)
    assert (record.row_count, record.rows_quarantined) == (25, 0)
    live = load.load_files(settings, SOURCE, [SOURCE.edition_dir / "site_role.csv"])
    frame = pl.read_parquet(settings.lake / live.tables[0].file)
    same = ["product_name", "firm_name", "site_place", "operation", "published_on", "note", "status"]
    assert frame.select(same).sort(same).equals(rows.select(same).sort(same))


def test_a_file_of_another_name_or_type_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "sites.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(GateError, match="matches no file"):
        load.in_hand(SOURCE, [other])
    wrong = tmp_path / "site_role.csv"
    wrong.write_text("product_name,published_on\nX,October 2017\n")
    with pytest.raises(LayoutError, match="published_on"):
        load.parse_files(SOURCE, load.in_hand(SOURCE, [wrong]))
