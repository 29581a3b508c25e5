"""How much of the publishers' whole tables the vocabulary decides: the bundled editions hold extracts of them."""

from __future__ import annotations

import polars as pl

from ingest import biologics
from tests.sources.test_cms_part_b import workbook
from tests.test_vocabulary_substances import PRICE_LISTS, ndb_2019, price_list, total


def test_at_least_98_percent_of_ndb_yen_is_on_a_price_list_or_mapped() -> None:
    rows = ndb_2019()
    listed = pl.concat([price_list(day)["code"] for day in PRICE_LISTS]).unique()
    decided = rows.filter(pl.col("code").is_in(listed.to_list()) | pl.col("substance_id").is_not_null())
    assert 0.997 < total(decided) / total(rows) < 1


def test_at_least_95_percent_of_part_b_dollars_have_a_modality_in_every_year() -> None:
    drugs = workbook().tables["sales_observation"].filter(pl.col("row_kind") == "product")
    mapped = drugs.join(
        biologics.us_names(), left_on=biologics.comparable(pl.col("substance_name")), right_on="alias", how="left"
    )
    share = (
        mapped.group_by(year=pl.col("period_start").dt.year())
        .agg(share=pl.col("value").filter(pl.col("substance_id").is_not_null()).sum() / pl.col("value").sum())
        .sort("year")
    )
    assert share["year"].to_list() == [2015, 2016, 2017, 2018, 2019]
    assert share["share"].is_between(0.98, 0.996).all()
