"""OECD BERD by industry: SDMX messages of the data flow DSD_RDS_BERD@DF_BERD_INDU to `rnd_observation`.

Key order and codes: https://sdmx.oecd.org/public/rest/datastructure/OECD.STI.STP/DSD_RDS_BERD/1.0?references=all
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ingest import oecd, sdmx
from ingest.source import Parsed, SourceFile

_FLOW = oecd.Flow(
    "DSD_RDS_BERD@DF_BERD_INDU",
    (
        *("REF_AREA", "FREQ", "MEASURE", "SECT_PERF", "SECT_FUND", "TYPE_COST", "SIZE_CLASS", "ACTIVITY"),
        *("CRITERIA", "UNIT_MEASURE", "PRICE_BASE", "TIME_PERIOD"),
    ),
)
_UNIT = {"USD_PPP": "usd_ppp", "XDC": "national_currency"}
_PRICE_BASE = {code: oecd.PRICE_BASE[code] for code in ("V", "Q")}
_MEASURE = {"B": "berd"}
# The whole of business R&D: rows by source of funds, type of cost or size of enterprise are parts of it.
_WHOLE = {"SECT_PERF": ("BES",), "SECT_FUND": ("_T",), "TYPE_COST": ("_T",), "SIZE_CLASS": ("_Z", "_T")}


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of a BERD query, which may be spread over several messages; values in whole units.

    Rows by source of funds, type of cost or size class are counted as `breakdown_not_taken`, empty ones as
    `no_value`; rows with an unmapped area, unit or period, or in national currency without its code, are rejected.
    Raises LayoutError for a message of another data flow.
    """
    parsed = oecd.parse(files, _FLOW, _rows)
    copies = [file.sha256 for file in files if "copy" in file.name.lower()]
    origin = pl.when(pl.col("file_sha256").is_in(copies)).then(pl.lit("republished_copy"))
    parsed.tables["rnd_observation"] = parsed.tables["rnd_observation"].with_columns(
        origin.otherwise(pl.lit("publisher_bytes")).alias("value_origin")
    )
    return parsed


def _rows(message: sdmx.Message, name: str) -> pl.DataFrame:
    codes = {"CRITERIA": oecd.CRITERIA, "UNIT_MEASURE": _UNIT, "PRICE_BASE": _PRICE_BASE, "MEASURE": _MEASURE}
    is_national = pl.col("UNIT_MEASURE") == "XDC"
    code = pl.col("CURRENCY") if "CURRENCY" in message.attributes else pl.lit(None, dtype=pl.String)
    nameless = pl.when(is_national & code.is_null()).then(pl.lit("the national currency is not named"))
    part = pl.any_horizontal(~pl.col(column).is_in(list(whole)) for column, whole in _WHOLE.items())
    return oecd.prepared(message, name).select(
        *oecd.shared_columns(message),
        *oecd.industry_columns(message),
        oecd.mapping("MEASURE", _MEASURE).alias("measure"),
        oecd.mapping("UNIT_MEASURE", _UNIT).alias("unit"),
        pl.when(is_national).then(code).alias("currency"),
        oecd.mapping("PRICE_BASE", _PRICE_BASE).alias("price_base"),
        "value",
        oecd.reason(codes, nameless),
        pl.when(part).then(pl.lit("breakdown_not_taken")).alias("rule"),
    )
