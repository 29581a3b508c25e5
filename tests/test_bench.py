"""What the benchmark measures is the command's own, and its two sides make the same figures."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from tests import bare
from tests.bench_cost import Cost, cost, median, median_steps


def test_peak_memory_is_that_of_the_command(tmp_path: Path) -> None:
    held = bytearray(b"synthetic" * 30_000_000)
    found, text = cost([sys.executable, "-I", "-S", "-c", "print('told')"], tmp_path)
    assert text == "told\n"
    assert 1 < found.peak_mb < 60 < len(held) / 1e6
    large, _ = cost([sys.executable, "-I", "-S", "-c", "bytearray(b'x' * 150_000_000)"], tmp_path)
    assert large.peak_mb > found.peak_mb + 140
    assert large.cpu_seconds > 0


def test_a_command_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)failed:.*no such thing"):
        cost([sys.executable, "-I", "-S", "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_figures_are_medians() -> None:
    assert median([Cost(1, 5, 10, 1), Cost(9, 4, 30, 1), Cost(2, 6, 20, 1)]) == Cost(2, 5, 20, 3)
    runs = [{"read": {"seconds": value}} for value in (3.0, 1.0, 2.0)]
    assert median_steps(runs) == {"read": {"seconds": 2.0}}


def test_bare_polars_makes_the_figures_of_a_basket() -> None:
    """One basket of two codes, three countries, by hand; a basket with a code that nobody trades is left out."""
    flows = pl.DataFrame(
        {
            "t": [2020, 2020, 2020],
            "exporter": ["DEU", "USA", "JPN"],
            "importer": ["JPN", "JPN", "USA"],
            "k": [300212, 300215, 300215],
            "v": [30.0, 10.0, 20.0],
        },
        schema_overrides={"t": pl.Int32, "k": pl.Int32},
    )
    members = pl.DataFrame(
        {"basket_id": ["whole", "whole", "part", "part"], "k": [300212, 300215, 300215, 382200]},
        schema_overrides={"k": pl.Int32},
    )
    made = bare.polars_marts(flows, members)
    japan = pl.col("country_iso3") == "JPN"
    (balance,) = made["mart_trade_balance"].filter(japan).to_dicts()
    assert balance["basket_id"] == "whole"
    assert (balance["export_usd"], balance["import_usd"], balance["balance_usd"]) == (20.0, 40.0, -20.0)
    assert balance["normalised_balance"] == pytest.approx(-1 / 3)
    # 1 - (|0 - 30| + |20 - 10|) / 60.
    assert balance["grubel_lloyd"] == pytest.approx(1 / 3)
    (dependency,) = made["mart_import_dependency"].filter(japan).to_dicts()
    assert (dependency["n_suppliers"], dependency["top1_supplier_iso3"]) == (2, "DEU")
    assert dependency["hhi"] == pytest.approx(0.75**2 + 0.25**2)
    assert (dependency["top1_share"], dependency["top3_share"]) == (0.75, 1.0)
