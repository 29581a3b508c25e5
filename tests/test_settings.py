"""The memory limit reaches both engines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.settings import Settings

SORT = """
from orchestration import cli
import numpy as np
import polars as pl
rows = pl.DataFrame({"a": np.random.default_rng(1).random(3_000_000), "b": np.arange(3_000_000)})
assert rows.lazy().sort("a").collect(engine="streaming")["a"].is_sorted()
"""


@pytest.mark.parametrize(
    ("limit", "number"), [("4GB", 4_000_000_000), ("1.5 GiB", 1_610_612_736), ("512mb", 512_000_000), ("much", None)]
)
def test_limit_as_a_number(tmp_path: Path, limit: str, number: int | None) -> None:
    assert Settings(home=tmp_path, memory_limit=limit).memory_bytes == number


def test_polars_spills_beyond_the_limit_into_the_installation(tmp_path: Path) -> None:
    def spill(limit: str) -> Path:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("POLARS_")}
        environment |= {"BIOPHARMA_HOME": str(tmp_path / limit), "BIOPHARMA_MEMORY": limit}
        subprocess.run([sys.executable, "-c", SORT], env=environment, check=True)
        return tmp_path / limit / "work" / "spill" / "polars"

    assert spill("1MB").is_dir()
    assert not spill("4GB").exists()
