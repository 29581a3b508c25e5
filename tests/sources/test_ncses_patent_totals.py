from __future__ import annotations

import polars as pl

from ingest import edition, load, source
from ingest.settings import Settings
from tests.sources.rnd import bundled

(PART,) = edition.read(source.get("ncses_patent_totals"))
TOTALS = PART.tables["patent_count"]
# Table SINV-42 (5856), which kept its years: the United States over all technical fields.
US_TOTALS = [62283, 64199, 63321, 63329, 62323, 66806, 64878, 52386, 62169, 56234, 55513, 59228, 73622, 71762, 80835]
US_TOTALS += [85645, 92206, 90807, 90527, 90560, 85666, 98184, 95347]


def test_the_united_states_are_those_of_a_table_that_kept_its_years() -> None:
    united_states = TOTALS.filter(pl.col("entity_code") == "USA").sort("period_start")
    assert united_states["value"].to_list() == US_TOTALS
    assert set(TOTALS.group_by("entity_code").len()["len"]) == {23}


def test_two_fields_are_less_than_all_and_countries_less_than_the_world() -> None:
    fields = bundled("ncses_patents", "patent_count").filter(pl.col("count_kind") == "family_granted")
    of_both = fields.group_by("entity_code", "period_start").agg(pl.col("value").sum().alias("two_fields"))
    joined = TOTALS.join(of_both, on=["entity_code", "period_start"])
    assert joined.height == TOTALS.height
    assert joined.filter(pl.col("two_fields") >= pl.col("value")).is_empty()
    world = TOTALS.filter(pl.col("entity_code") == "WLD").select("period_start", pl.col("value").alias("world"))
    countries = TOTALS.filter(pl.col("entity_kind") == "country").group_by("period_start").agg(pl.col("value").sum())
    shares = countries.join(world, on="period_start").select(pl.col("value") / pl.col("world"))["value"]
    assert shares.min() > 0.75 and shares.max() < 1  # type: ignore[operator]


def test_rows_load_and_cite_the_copy(settings: Settings) -> None:
    (record,) = load.load_bundled(settings, source.get("ncses_patent_totals"))
    assert (record.row_count, record.rows_quarantined) == (391, 0)
    assert TOTALS["document_url"].str.contains("/5820/data.csv").all()
    assert TOTALS["locator"].str.contains(r"^row r[0-9]{3,4}$").all()
