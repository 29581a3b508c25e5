"""OECD MSTI: SDMX messages of the data flow DSD_MSTI@DF_MSTI to `rnd_observation`.

Key order and codes: https://sdmx.oecd.org/public/rest/datastructure/OECD.STI.STP/DSD_MSTI/1.3?references=all
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ingest import oecd, sdmx
from ingest.source import Parsed, SourceFile

_FLOW = oecd.Flow(
    "DSD_MSTI@DF_MSTI",
    ("REF_AREA", "FREQ", "MEASURE", "UNIT_MEASURE", "PRICE_BASE", "TRANSFORMATION", "TIME_PERIOD"),
)
# Measure and unit as published; canonical measure and unit, and what the value is divided by.
_INDICATORS = {
    ("G", "PT_B1GQ"): ("gerd_gdp_share", "share", 100.0),
    ("G", "USD_PPP"): ("gerd", "usd_ppp", 1.0),
    ("B", "USD_PPP"): ("berd", "usd_ppp", 1.0),
    ("T_RS", "PS"): ("researchers", "persons", 1.0),
}


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of an MSTI query, which may be spread over several messages; shares as fractions of one.

    Indicators outside the contract's measures are counted as `indicator_not_declared`, growth rates as
    `transformation_not_taken`, empty values as `no_value`; an unmapped area, price base or period is rejected.
    Raises LayoutError for a message of another data flow.
    """
    return oecd.parse(files, _FLOW, _rows)


def _rows(message: sdmx.Message, name: str) -> pl.DataFrame:
    declared = pl.DataFrame(
        [(*published, *ours) for published, ours in _INDICATORS.items()],
        schema=["MEASURE", "UNIT_MEASURE", "measure", "unit", "divisor"],
        orient="row",
    )
    frame = oecd.prepared(message, name).join(
        declared, on=["MEASURE", "UNIT_MEASURE"], how="left", maintain_order="left"
    )
    # Dividing leaves dust in the last digit; no value is published with more than 15.
    value = pl.when(pl.col("divisor") == 1).then("value").otherwise((pl.col("value") / 100).round_sig_figs(15))
    return frame.select(
        *oecd.shared_columns(message),
        pl.lit("none").alias("activity_scheme"),
        pl.lit("_T").alias("activity_code"),
        pl.lit("none").alias("criteria"),
        "measure",
        "unit",
        oecd.mapping("PRICE_BASE", oecd.PRICE_BASE).alias("price_base"),
        value.alias("value"),
        oecd.reason({"PRICE_BASE": oecd.PRICE_BASE}),
        pl.when(pl.col("measure").is_null())
        .then(pl.lit("indicator_not_declared"))
        .when(pl.col("TRANSFORMATION") != "_Z")
        .then(pl.lit("transformation_not_taken"))
        .alias("rule"),
    )
