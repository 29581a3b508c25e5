"""The synthetic trade of the benchmarks: as many rows as asked, each flow once, unequal, the same every time."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ingest import load, source, trade
from tests.synthetic import write_baci, write_fsds


def test_rows_of_several_years_are_exact_distinct_and_heavy_tailed(tmp_path: Path) -> None:
    paths = write_baci(tmp_path, 50_001, rows_per_year=20_000, products=300)
    assert [path.name[10:15] for path in paths] == ["Y2020", "Y2021", "Y2022"]
    rows = pl.concat(pl.read_csv(path, schema_overrides={"q": pl.String}) for path in paths)
    assert rows.height == 50_001
    assert rows.select("t", "i", "j", "k").n_unique() == 50_001
    assert rows.filter(pl.col("i") == pl.col("j")).is_empty()
    assert rows["q"].str.len_bytes().unique().to_list() == [13]
    by_country = rows.group_by("i").len().sort("len", descending=True)["len"]
    # The first ten of 226 countries export more than a third of the flows.
    assert by_country.head(10).sum() / rows.height > 0.35
    assert {f"{code:06}"[:4] for code in rows["k"]} >= set(trade.HEADINGS)


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    once = write_baci(tmp_path / "once", 2_000, products=100)[0].read_bytes()
    assert write_baci(tmp_path / "again", 2_000, products=100)[0].read_bytes() == once
    assert write_baci(tmp_path / "other", 2_000, products=100, seed=1)[0].read_bytes() != once


def test_a_year_holds_no_more_flows_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        write_baci(tmp_path, 1_000_000_000, rows_per_year=1_000_000_000)


def test_the_parser_takes_every_row(tmp_path: Path) -> None:
    parsed = load.parse_files(
        source.get("cepii_baci"), load.in_hand(source.get("cepii_baci"), write_baci(tmp_path, 3_000, products=100))
    )
    assert (parsed.rows_read, parsed.tables["trade_flow"].height) == (3_000, 3_000)


def test_a_quarter_of_the_sec_is_read_by_its_parser(tmp_path: Path) -> None:
    path = write_fsds(tmp_path / "once", 60_000)
    assert write_fsds(tmp_path / "again", 60_000).read_bytes() == path.read_bytes()
    parsed = load.parse_files(source.get("sec_fsds"), load.in_hand(source.get("sec_fsds"), [path]))
    assert parsed.rows_read == 60_000
    assert parsed.dropped["not_twelve_months"] > 30_000
    assert parsed.tables["rnd_observation"].height
