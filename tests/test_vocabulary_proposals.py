"""Proposals: what is similar is proposed, the largest sales first, and nothing is decided."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from ingest import vocabulary
from ingest.vocabulary.proposals import proposals


def unmapped(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows of quality.unmapped."""
    schema = {
        "kind": pl.String,
        "source_code": pl.String,
        "name": pl.String,
        "row_count": pl.Int64,
        "value_at_stake": pl.Float64,
        "currency": pl.String,
        "data_year": pl.Int32,
    }
    empty = {"source_code": "list", "row_count": 1, "value_at_stake": None, "currency": None, "data_year": None}
    return pl.DataFrame([empty | row for row in rows], schema=schema)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("substance", "Pembrolizumabum", "pembrolizumab"),
        ("substance", "trastuzumab-zzzz", "trastuzumab"),
        ("substance", "ペムブロリズマブ（遺伝子組換え)", "pembrolizumab"),
        ("modality", "nivolumab recombinant", "nivolumab"),
        ("company", "Amgen Holding GmbH", "amgen"),
        ("company", "NOVO-NORDISK PHARMA LIMITED", "novo_nordisk"),
        ("company", "中外製薬工業株式会社", "chugai"),
    ],
)
def test_the_similar_name_comes_first(kind: str, name: str, expected: str) -> None:
    found = proposals(unmapped({"kind": kind, "name": name}))
    assert found.row(0, named=True)["candidate_id"] == expected
    assert found["candidate_rank"].to_list() == list(range(1, found.height + 1))
    assert found["candidate_id"].is_unique().all()
    assert found["score"].is_sorted(descending=True)
    assert found["score"].is_between(80, 100).all()


def test_what_is_like_nothing_stays_without_a_candidate() -> None:
    found = proposals(unmapped({"kind": "company", "name": "Qqxzzy"}, {"kind": "country", "name": "Japan"}))
    assert found["name"].to_list() == ["Qqxzzy", "Japan"] or found["name"].to_list() == ["Japan", "Qqxzzy"]
    assert found["candidate_id"].null_count() == found["score"].null_count() == found.height == 2


def test_the_largest_sales_come_first_and_names_without_sales_last() -> None:
    names = unmapped(
        {"kind": "company", "name": "none"},
        {"kind": "company", "name": "yen", "value_at_stake": 1e9, "currency": "JPY", "data_year": 2019},
        {"kind": "company", "name": "dollar", "value_at_stake": 1e8, "currency": "USD", "data_year": 2019},
        {"kind": "company", "name": "small", "value_at_stake": 1e6, "currency": "USD", "data_year": 2019},
    )

    def order(frame: pl.DataFrame) -> list[str]:
        return frame["name"].unique(maintain_order=True).to_list()

    assert order(proposals(names)) == ["yen", "dollar", "small", "none"]
    assert order(proposals(names, usd_per_unit={"JPY": 0.009, "USD": 1.0})) == ["dollar", "yen", "small", "none"]


def test_every_known_alias_finds_itself() -> None:
    known = vocabulary.table("company_alias").filter(pl.col("scheme") == "nhi_manufacturer")
    names = known.select(name="alias").unique().to_dicts()
    found = proposals(unmapped(*({"kind": "company"} | row for row in names)), most_candidates=400)
    own = known.join(found, left_on=["alias", "company_id"], right_on=["name", "candidate_id"])
    assert own.height == known.height > 90
    assert own["score"].min() == 100


def test_limits_hold_and_nothing_in_gives_nothing_out() -> None:
    one = proposals(unmapped({"kind": "substance", "name": "insulin"}), most_candidates=1)
    assert one.height == 1
    assert proposals(unmapped({"kind": "substance", "name": "insuline"}), least_score=100)["score"].to_list() == [
        None
    ]
    assert proposals(unmapped()).is_empty()
