"""OECD ANBERD: an SDMX message of the data flow DSD_ANBERD@DF_ANBERDi4 to `rnd_observation`.

Key order and codes: https://sdmx.oecd.org/public/rest/datastructure/OECD.STI.STP/DSD_ANBERD/1.0?references=all
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ingest import areas, sdmx
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

_DIMENSIONS = ("REF_AREA", "FREQ", "CRITERIA", "ACTIVITY", "UNIT_MEASURE", "PRICE_BASE", "MEASURE", "TIME_PERIOD")
_CRITERIA = {"MA": "main_activity", "PF": "product_field"}
_UNIT = {"USD_PPP": "usd_ppp"}
_PRICE_BASE = {"V": "current", "Q": "constant"}
_MEASURE = {"B": "berd"}
_UK_NOTE = (
    "By main activity most pharmaceutical R&D of the United Kingdom is classified under R&D services (ISIC M72): "
    "this figure is under a tenth of what the industry performs there."
)


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of an ANBERD query, which may be spread over several messages; values in whole USD PPP.

    Raises LayoutError for a message of another data flow. Rows with an unmapped area, unit, measure or period are
    rejected; observations without a value and without a mark of confidentiality are counted as `no_value`.
    """
    rows, rejected, prepared = [], [], []
    read = dropped = 0
    for file in files:
        message = sdmx.read(file.path, file.name)
        if set(message.dimensions) != set(_DIMENSIONS):
            raise LayoutError(
                f"the message has the dimensions {', '.join(message.dimensions)}, "
                f"those of ANBERD are {', '.join(_DIMENSIONS)}",
                file=file.name,
                remedy="Check that the file comes from the data flow DSD_ANBERD@DF_ANBERDi4.",
            )
        frame = _mapped(message, file.name)
        read += message.observations.height + message.rejected.height
        bad = pl.col("reason").is_not_null()
        empty = pl.col("value").is_null() & (pl.col("status") != "suppressed")
        dropped += frame.filter(~bad & empty).height
        rows.append(frame.filter(~bad & ~empty).drop("reason", "raw").with_columns(file_sha256=pl.lit(file.sha256)))
        rejected += [
            message.rejected.with_columns(table_name=pl.lit("rnd_observation")),
            frame.filter(bad).select(
                pl.lit(file.name).alias("file_name"), "locator", "reason", "raw", table_name=pl.lit("rnd_observation")
            ),
        ]
        prepared.append(message.prepared.date() if message.prepared else file.published_on)
    known = [day for day in prepared if day is not None]
    return Parsed(
        {"rnd_observation": pl.concat(rows)},
        rows_read=read,
        rejected=pl.concat(rejected),
        dropped={"no_value": dropped} if dropped else {},
        published_on=max(known, default=None),
    )


def _mapped(message: sdmx.Message, name: str) -> pl.DataFrame:
    """Observations in canonical columns, with `reason` and `raw` where a code has no meaning here."""
    labels = message.labels
    year = pl.col("TIME_PERIOD").str.extract(r"^(\d{4})$").cast(pl.Int32)
    is_pharma = (pl.col("REF_AREA") == "GBR") & (pl.col("ACTIVITY") == "C21") & (pl.col("CRITERIA") == "MA")
    frame = message.observations.with_columns(value=sdmx.scaled(message, name)).join(
        areas.kinds("oecd"), left_on="REF_AREA", right_on="code", how="left", maintain_order="left"
    )
    return frame.select(
        pl.col("kind").alias("entity_kind"),
        pl.col("REF_AREA").alias("entity_code"),
        pl.col("REF_AREA").replace(labels["REF_AREA"]).alias("entity_name"),
        pl.lit("territory").alias("lens"),
        pl.lit("ISIC4").alias("activity_scheme"),
        pl.col("ACTIVITY").alias("activity_code"),
        pl.col("ACTIVITY")
        .replace_strict(labels["ACTIVITY"], default=None, return_dtype=pl.String)
        .alias("activity_name"),
        _mapping("CRITERIA", _CRITERIA).alias("criteria"),
        _mapping("MEASURE", _MEASURE).alias("measure"),
        pl.date(year, 1, 1).alias("period_start"),
        pl.date(year, 12, 31).alias("period_end"),
        pl.lit("reference_year").alias("period_basis"),
        _mapping("UNIT_MEASURE", _UNIT).alias("unit"),
        _mapping("PRICE_BASE", _PRICE_BASE).alias("price_base"),
        "value",
        "locator",
        sdmx.standing(message.attributes).alias("status"),
        sdmx.is_break(message.attributes).alias("series_break"),
        sdmx.flags(message.attributes).alias("publisher_flags"),
        pl.when(is_pharma).then(pl.lit(_UK_NOTE)).alias("note"),
        pl.concat_str(
            _unmapped("REF_AREA", pl.col("kind").is_null(), "neither a country nor a reviewed group of countries"),
            _unmapped("FREQ", pl.col("FREQ") != "A", "not annual"),
            _unmapped("TIME_PERIOD", year.is_null(), "not a year"),
            *(
                _unmapped(column, ~pl.col(column).is_in(list(codes)), "not mapped")
                for column, codes in (
                    ("CRITERIA", _CRITERIA),
                    ("UNIT_MEASURE", _UNIT),
                    ("PRICE_BASE", _PRICE_BASE),
                    ("MEASURE", _MEASURE),
                )
            ),
            separator="; ",
            ignore_nulls=True,
        )
        .replace("", None)
        .alias("reason"),
        pl.struct(*_DIMENSIONS, sdmx.VALUE).struct.json_encode().alias("raw"),
    )


def _mapping(column: str, codes: dict[str, str]) -> pl.Expr:
    return pl.col(column).replace_strict(codes, default=None, return_dtype=pl.String)


def _unmapped(column: str, condition: pl.Expr, what: str) -> pl.Expr:
    return pl.when(condition | pl.col(column).is_null()).then(pl.format(f"{column} {{}} is {what}", column))
