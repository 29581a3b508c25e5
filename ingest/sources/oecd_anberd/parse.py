"""OECD ANBERD: an SDMX message of the data flow DSD_ANBERD@DF_ANBERDi4 to `rnd_observation`.

Key order and codes: https://sdmx.oecd.org/public/rest/datastructure/OECD.STI.STP/DSD_ANBERD/1.0?references=all
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ingest import oecd, sdmx
from ingest.source import Parsed, SourceFile

_FLOW = oecd.Flow(
    "DSD_ANBERD@DF_ANBERDi4",
    ("REF_AREA", "FREQ", "CRITERIA", "ACTIVITY", "UNIT_MEASURE", "PRICE_BASE", "MEASURE", "TIME_PERIOD"),
)
_UNIT = {"USD_PPP": "usd_ppp"}
_PRICE_BASE = {code: oecd.PRICE_BASE[code] for code in ("V", "Q")}
_MEASURE = {"B": "berd"}


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of an ANBERD query, which may be spread over several messages; values in whole USD PPP.

    Raises LayoutError for a message of another data flow. Rows with an unmapped area, unit, measure or period are
    rejected; observations without a value and without a mark of confidentiality are counted as `no_value`.
    """
    return oecd.parse(files, _FLOW, _rows)


def _rows(message: sdmx.Message, name: str) -> pl.DataFrame:
    codes = {"CRITERIA": oecd.CRITERIA, "UNIT_MEASURE": _UNIT, "PRICE_BASE": _PRICE_BASE, "MEASURE": _MEASURE}
    return oecd.prepared(message, name).select(
        *oecd.shared_columns(message),
        *oecd.industry_columns(message),
        oecd.mapping("MEASURE", _MEASURE).alias("measure"),
        oecd.mapping("UNIT_MEASURE", _UNIT).alias("unit"),
        oecd.mapping("PRICE_BASE", _PRICE_BASE).alias("price_base"),
        "value",
        oecd.reason(codes),
        pl.lit(None, dtype=pl.String).alias("rule"),
    )
