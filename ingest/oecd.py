"""OECD messages on research and development as rows of `rnd_observation`.

What the data flows ANBERD, BERD by industry and MSTI share: areas, years, flags, the multiplier, and how what cannot
be taken is counted. Which codes of a flow mean what stays with its source.
Structures: https://sdmx.oecd.org/public/rest/datastructure/OECD.STI.STP/{id}/{version}?references=all
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ingest import areas, sdmx
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

PRICE_BASE = {"V": "current", "Q": "constant", "_Z": "none"}
CRITERIA = {"MA": "main_activity", "PF": "product_field"}
UK_NOTE = (
    "By main activity most pharmaceutical R&D of the United Kingdom is classified under R&D services (ISIC M72): "
    "this figure is under a tenth of what the industry performs there."
)
_YEAR = pl.col("TIME_PERIOD").str.extract(r"^([0-9]{4})$").cast(pl.Int32)


@dataclass(frozen=True)
class Flow:
    """A data flow: its id and its dimensions."""

    id: str
    dimensions: tuple[str, ...]


def parse(files: Sequence[SourceFile], flow: Flow, rows: Callable[[sdmx.Message, str], pl.DataFrame]) -> Parsed:
    """Canonical rows of a query, which may be spread over several messages.

    `rows` turns a message (with the file's name) into canonical columns, `reason` (why a row is rejected, or null),
    `rule` (the rule that leaves a row out, or null) and `raw`. Observations without a value and without a mark of
    confidentiality are counted as `no_value`. Raises LayoutError for a message of another data flow.
    """
    taken, rejected, published = [], [], []
    dropped: dict[str, int] = {}
    read = 0
    for file in files:
        message = sdmx.read(file.path, file.name)
        if set(message.dimensions) != set(flow.dimensions):
            raise LayoutError(
                f"the message has the dimensions {', '.join(message.dimensions)}, "
                f"those of {flow.id} are {', '.join(flow.dimensions)}",
                file=file.name,
                remedy=f"Check that the file comes from the data flow {flow.id}.",
            )
        read += message.observations.height + message.rejected.height
        frame = rows(message, file.name)
        empty = pl.col("value").is_null() & (pl.col("status") != "suppressed")
        judged = frame.with_columns(
            pl.when(pl.col("reason").is_null())
            .then(pl.coalesce("rule", pl.when(empty).then(pl.lit("no_value"))))
            .alias("rule")
        )
        for rule, count in judged["rule"].drop_nulls().value_counts().iter_rows():
            dropped[rule] = dropped.get(rule, 0) + count
        taken.append(
            judged.filter(pl.col("reason").is_null() & pl.col("rule").is_null())
            .drop("reason", "rule", "raw")
            .with_columns(file_sha256=pl.lit(file.sha256))
        )
        table = pl.lit("rnd_observation").alias("table_name")
        bad = judged.filter(pl.col("reason").is_not_null())
        rejected += [
            message.rejected.with_columns(table),
            bad.select(pl.lit(file.name).alias("file_name"), "locator", "reason", "raw", table),
        ]
        published.append(message.prepared.date() if message.prepared else file.published_on)
    return Parsed(
        {"rnd_observation": pl.concat(taken)},
        rows_read=read,
        rejected=pl.concat(rejected),
        dropped=dropped,
        published_on=max((day for day in published if day is not None), default=None),
    )


def prepared(message: sdmx.Message, name: str) -> pl.DataFrame:
    """The observations with `kind` (what the area names) and `value` in whole units."""
    return message.observations.with_columns(value=sdmx.scaled(message, name)).join(
        areas.kinds("oecd"), left_on="REF_AREA", right_on="code", how="left", maintain_order="left"
    )


def shared_columns(message: sdmx.Message) -> list[pl.Expr]:
    """Canonical columns that mean the same in every data flow, and `raw`, over the frame of :func:`prepared`."""
    attributes = message.attributes
    return [
        pl.col("kind").alias("entity_kind"),
        pl.col("REF_AREA").alias("entity_code"),
        pl.col("REF_AREA").replace(message.labels["REF_AREA"]).alias("entity_name"),
        pl.when(pl.col("kind") == areas.COUNTRY).then("REF_AREA").alias("entity_iso3"),
        pl.lit("territory").alias("lens"),
        pl.date(_YEAR, 1, 1).alias("period_start"),
        pl.date(_YEAR, 12, 31).alias("period_end"),
        pl.lit("reference_year").alias("period_basis"),
        pl.col("locator"),
        sdmx.standing(attributes).alias("status"),
        sdmx.is_break(attributes).alias("series_break"),
        sdmx.flags(attributes).alias("publisher_flags"),
        pl.struct(*message.dimensions, sdmx.VALUE).struct.json_encode().alias("raw"),
    ]


def industry_columns(message: sdmx.Message) -> list[pl.Expr]:
    """Canonical columns of the dimensions ACTIVITY and CRITERIA, and the note on the United Kingdom's C21."""
    is_small_rest = (pl.col("REF_AREA") == "GBR") & (pl.col("ACTIVITY") == "C21") & (pl.col("CRITERIA") == "MA")
    return [
        pl.lit("ISIC4").alias("activity_scheme"),
        pl.col("ACTIVITY").alias("activity_code"),
        pl.col("ACTIVITY")
        .replace_strict(message.labels["ACTIVITY"], default=None, return_dtype=pl.String)
        .alias("activity_name"),
        mapping("CRITERIA", CRITERIA).alias("criteria"),
        pl.when(is_small_rest).then(pl.lit(UK_NOTE)).alias("note"),
    ]


def mapping(column: str, codes: Mapping[str, str]) -> pl.Expr:
    """The canonical term of a code; null where it has none."""
    return pl.col(column).replace_strict(dict(codes), default=None, return_dtype=pl.String)


def reason(mapped: Mapping[str, Iterable[str]], *others: pl.Expr) -> pl.Expr:
    """Why a row is rejected: an unknown area, a period that is no year, a code outside `mapped`; null if nothing."""
    return (
        pl.concat_str(
            unmapped("REF_AREA", pl.col("kind").is_null(), "neither a country nor a reviewed group of countries"),
            unmapped("FREQ", pl.col("FREQ") != "A", "not annual"),
            unmapped("TIME_PERIOD", _YEAR.is_null(), "not a year"),
            *(unmapped(column, ~pl.col(column).is_in(list(codes)), "not mapped") for column, codes in mapped.items()),
            *others,
            separator="; ",
            ignore_nulls=True,
        )
        .replace("", None)
        .alias("reason")
    )


def unmapped(column: str, condition: pl.Expr, what: str) -> pl.Expr:
    """The reason that a code is `what`, where the condition holds or the code is missing."""
    return pl.when(condition | pl.col(column).is_null()).then(pl.format(f"{column} {{}} is {what}", column))
