"""Published rankings: every figure is one that companies report, cited, and none comes from IQVIA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from ingest import edition, source

SOURCE = source.get("published_benchmarks")
SharedData = Callable[[str], Path]


def rows() -> pl.DataFrame:
    """The bundled rows."""
    return edition.read(SOURCE)[0].tables["sales_observation"]


def test_two_lists_of_ten_products() -> None:
    counts = rows().group_by("class_code").agg(pl.col("product_name").n_unique()).sort("class_code")
    assert counts.rows() == [("informa_2019_top10", 10), ("pmc_2016_top10", 10)]


def test_every_row_is_company_reported_and_cited() -> None:
    frame = rows()
    assert set(frame["price_basis"]) == {"company_net"}
    assert set(frame["value_origin"]) == {"transcribed"}
    assert frame["document_url"].str.starts_with("https://").all()
    assert SOURCE.spec.licence.redistribution == "facts"


def test_values_are_those_of_the_transcription(shared_data: SharedData) -> None:
    printed = pl.read_csv(shared_data("published_benchmarks/global_top_products_published_values.csv")).filter(
        (pl.col("compiler") == "PMC5777977 Tab2") & (pl.col("year") == 2016) & pl.col("rank").is_not_null()
    )
    ours = rows().filter(pl.col("class_code") == "pmc_2016_top10")
    joined = printed.join(ours, left_on="product", right_on="product_name")
    assert joined.height == printed.height >= 9
    assert ((joined["value_usd_bn"] * 1e9 - joined["value"]).abs() < 1).all()


def test_nothing_from_list_price_rankings(shared_data: SharedData) -> None:
    listed = pl.read_csv(shared_data("published_benchmarks/global_top_products_published_values.csv")).filter(
        pl.col("basis").str.contains("IQVIA")
    )
    values = set((listed["value_usd_bn"] * 1e9).round().to_list())
    assert values.isdisjoint(rows()["value"].to_list())
