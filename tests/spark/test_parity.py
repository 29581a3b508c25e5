"""Every mart on Spark against DuckDB's. `make test-spark` sets the environment up and runs this."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from ingest.settings import PROJECT_ROOT
from orchestration import reader
from tests.built import Home
from tests.parity import differences

SPARK_PYTHON = os.environ.get("BIOPHARMA_SPARK_PYTHON")
# `make test-spark OPTIONS=--thrift` builds through a Thrift server.
OPTIONS = os.environ.get("BIOPHARMA_SPARK_OPTIONS", "").split()


def test_the_comparison_finds_what_differs() -> None:
    ours = pl.DataFrame({"key": ["a", "b", "b"], "n": [1, 2, 2], "x": [1.0, None, 3.0]})
    assert differences(ours, ours.reverse()) == []
    assert differences(ours, ours.with_columns(pl.col("x") * (1 + 1e-12))) == []
    assert differences(ours, ours.with_columns(pl.col("x") * (1 + 1e-8))) == [
        "x: 2 values, the first 1.0 against 1.00000001"
    ]
    sums = pl.DataFrame({"x": [1e11, 3.0e-8, None]})
    assert differences(sums, pl.DataFrame({"x": [1e11, 3.1e-8, None]})) == []
    assert len(differences(sums, pl.DataFrame({"x": [1e11, 3.1e-2, None]}))) == 1
    assert differences(ours, ours.with_columns(pl.col("n") + 1)) == ["n: 3 values, the first 1 against 2"]
    assert differences(ours, ours.head(2)) == ["3 rows against 2"]
    assert differences(ours, ours.rename({"n": "m"}))[0].startswith("columns")
    assert differences(ours, ours.with_columns(pl.col("x").fill_null(0.0)))[0].startswith("x: null against a number")
    assert differences(ours, ours.with_columns(pl.col("n").cast(pl.String)))[0] == "n: Int64 against String"


@pytest.mark.slow
@pytest.mark.skipif(not SPARK_PYTHON, reason="needs the Spark environment: make test-spark")
def test_every_mart_is_the_same_on_spark(built: Home, tmp_path: Path) -> None:
    marts, home = tmp_path / "marts", tmp_path / "home"
    shutil.copytree(built.settings.lake, home / "lake")
    run = subprocess.run(
        [str(SPARK_PYTHON), "-m", "orchestration.spark", "--marts", str(marts), *OPTIONS],
        cwd=PROJECT_ROOT,
        env={
            **{k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "JAVA_HOME", "LANG"}},
            "BIOPHARMA_HOME": str(home),
            "BIOPHARMA_MEMORY": "2GB",
            # Hundreds of small queries are over before what Java's second compiler makes of them has paid for itself.
            "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    published = reader.release_dir(built.settings, None) / "parquet"
    names = sorted(path.name for path in published.glob("mart_*.parquet"))
    assert names
    assert sorted(path.name for path in marts.glob("mart_*.parquet")) == names
    found = {name: differences(pl.read_parquet(published / name), pl.read_parquet(marts / name)) for name in names}
    assert {name: what for name, what in found.items() if what} == {}
