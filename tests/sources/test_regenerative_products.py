from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ingest import load, vocabulary
from ingest.errors import LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.sources.rnd import bundled, source_of

CODE = "regenerative_products"
SOURCE = source_of(CODE)
FACTS = "origin_facts/japan_regenerative_products_approved_2019-03.csv"


def test_seven_products_of_which_three_conditional() -> None:
    rows = bundled(CODE, "product_identity")
    assert rows.height == 7
    assert dict(rows["approval_kind"].value_counts().iter_rows()) == {"full": 4, "conditional": 3}
    assert rows["is_atmp"].all() and set(rows["market_iso3"]) == {"JPN"}
    assert set(rows["listed_on"]) == {date(2019, 3, 31)}
    assert rows["approved_on"].null_count() == 7
    assert set(rows["value_origin"]) == {"transcribed"}
    assert rows["document_url"].str.starts_with("https://").all()


def test_the_rows_are_the_facts_at_hand() -> None:
    facts = pl.read_csv(shared_file(FACTS)).select(
        pl.col("販売名").alias("brand_name"),
        pl.col("区分").alias("ingredient_name"),
        pl.format("再生医療等製品 {} {}", "区分", "approval_type").alias("modality_evidence"),
        pl.col("approval_type")
        .replace_strict({"承認": "full", "条件及び期限付承認": "conditional"})
        .alias("approval_kind"),
        pl.col("source_url").alias("document_url"),
    )
    mine = bundled(CODE, "product_identity").select(facts.columns)
    assert mine.sort("brand_name").equals(facts.sort("brand_name"))


def test_products_of_the_vocabulary_are_found_by_brand() -> None:
    rows = bundled(CODE, "product_identity")
    brands = vocabulary.table("substance_alias").filter(alias_scheme="brand")["alias"]
    assert {"ジェイス", "ジャック", "ハートシート"} <= set(rows["brand_name"]) & set(brands)


def test_the_edition_loads_and_a_wrong_value_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (record,) = load.load_bundled(settings, SOURCE)
    assert (record.row_count, record.rows_quarantined) == (7, 0)
    path = tmp_path / "product_identity.csv"
    path.write_text("licence_number,brand_name,is_orphan\nX,X,perhaps\n")
    with pytest.raises(LayoutError, match="is_orphan"):
        load.parse_files(SOURCE, load.in_hand(SOURCE, [path]))
