"""The JRC's ASEM data with the results that COINr computes from it, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingest.indicators.treatment import Floats, denominate, impute, treat_columns
from ingest.indicators.uncertainty import Level

SUB_INDICES = ["Conn", "Sust"]

# The files print 15 digits, with which three values of this indicator look level that the peer ranks apart.
MERGED_BY_PRINTING = {("TolMin", "BGR"), ("TolMin", "CZE"), ("TolMin", "NOR")}


@dataclass(frozen=True)
class Asem:
    """The case: 51 countries, 49 indicators, 8 pillars, 2 sub-indices."""

    path: Callable[[str], Path]

    def table(self, name: str) -> pl.DataFrame:
        """One of the case's files, countries in the order of their codes where it has them."""
        frame = pl.read_csv(
            self.path(f"method/coinr_asem/{name}.csv"), null_values=["NA", ""], infer_schema_length=None
        )
        return frame.sort("uCode") if "uCode" in frame.columns else frame

    def stage(self, name: str) -> Floats:
        """Indicators of a stage by country."""
        return self.table(name).select(self.indicators).cast(pl.Float64).to_numpy()

    @cached_property
    def countries(self) -> list[str]:
        """Country codes in order."""
        return self.table("expected_raw")["uCode"].to_list()

    @cached_property
    def indicators(self) -> list[str]:
        """Indicator codes in the order of the files."""
        return self.table("expected_raw").columns[1:]

    @cached_property
    def meta(self) -> dict[str, dict[str, object]]:
        """Direction, parent and denominator by code."""
        return {row["iCode"]: row for row in self.table("input_asem_imeta").to_dicts()}

    @cached_property
    def pillars(self) -> list[str]:
        """Pillar codes."""
        return [code for code, row in self.meta.items() if row["Level"] == 2]

    @cached_property
    def directions(self) -> NDArray[np.int64]:
        """1 or -1 by indicator."""
        return np.array([self.meta[code]["Direction"] for code in self.indicators], dtype=np.int64)

    def parent(self, code: str) -> str:
        """Pillar of an indicator, sub-index of a pillar."""
        return str(self.meta[code]["Parent"])

    def levels(self, noise: float) -> tuple[Level, ...]:
        """Levels with equal weights; noise above the indicators."""
        return (
            Level(
                np.array([self.pillars.index(self.parent(code)) for code in self.indicators]),
                np.ones(len(self.indicators)),
                0.0,
            ),
            Level(np.array([SUB_INDICES.index(self.parent(code)) for code in self.pillars]), np.ones(8), noise),
            Level(np.zeros(2, dtype=np.int64), np.ones(2), noise),
        )

    @cached_property
    def denominated(self) -> Floats:
        """Raw values over their denominators, by the project's function."""
        inputs = self.table("input_asem_idata")
        columns = [
            denominate(
                raw, np.ones(len(raw)) if not (of := self.meta[code]["Denominator"]) else inputs[str(of)].to_numpy()
            )
            for code, raw in zip(self.indicators, self.stage("expected_raw").T, strict=True)
        ]
        return np.column_stack(columns)

    @cached_property
    def imputed(self) -> Floats:
        """The same with gaps filled by the mean of Europe or of Asia, by the project's function."""
        groups = self.table("input_asem_idata")["EurAsia_group"].to_numpy().astype(str)
        return impute(self.denominated, "mean", groups)

    @cached_property
    def treated(self) -> Floats:
        """Values after denominators, imputation and treatment, by the project's functions."""
        return treat_columns(self.imputed, 5)
