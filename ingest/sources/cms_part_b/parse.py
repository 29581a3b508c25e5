"""Medicare Part B spending by drug to `sales_observation`: the CSV and the workbooks of ingest/cms.py.

A drug is a billing code (HCPCS), which several makers' products may share; manufacturers are not named. Footnotes:
`*` several names share the code, `**` the name is the short description of the code.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ingest import biologics, cms
from ingest.source import Parsed, SourceFile

# Smaller biologics enter the remainder of the bundled edition, which says so.
_KEPT_FROM_USD = 5e6


def parse(files: Sequence[SourceFile]) -> Parsed:
    """One row per billing code and calendar year, in US dollars; quantity in billing units of the code.

    Rules and errors are those of :func:`ingest.cms.parse`.
    """
    return cms.parse(files, cms.PART_B)


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Biologics under any rule set that reach USD 5 m in a year, and one `remainder` per year that sums the others.

    Drugs are judged by their generic names. The remainder's note tells how many drugs it sums, how many of them are
    blank in that year, and how much of it are smaller biologics.
    """
    frame = tables[cms.TABLE].with_columns(_is_biologic=biologics.has_biologic_us_name(pl.col("substance_name")))
    large = frame.filter("_is_biologic").group_by("product_code").agg(pl.col("value").max())
    is_kept = pl.col("product_code").is_in(large.filter(pl.col("value") >= _KEPT_FROM_USD)["product_code"].to_list())
    kept = frame.filter(is_kept & pl.col("value").is_not_null()).drop("_is_biologic")
    return {cms.TABLE: pl.concat([kept, _remainder(frame.filter(~is_kept), kept.schema)])}


def _remainder(others: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """One row per file and year that sums the given drugs."""
    row = pl.col("locator").str.extract(r" (?:row|line) ([0-9]+)").cast(pl.Int64)
    smaller = pl.col("value").filter("_is_biologic")
    summed = others.group_by("file_sha256", "period_start", maintain_order=True).agg(
        pl.exclude("file_sha256", "period_start", "value").first(),
        pl.col("value").sum(),
        pl.len().alias("_drugs"),
        pl.col("value").null_count().alias("_blank"),
        smaller.count().alias("_smaller"),
        smaller.sum().alias("_smaller_usd"),
        row.min().alias("_first"),
        row.max().alias("_last"),
        pl.col("locator").str.extract(r"^(.*?)(?:row|line) ").first().alias("_sheet"),
        pl.col("locator").str.extract(r" (column .*)$").first().alias("_column"),
    )
    computed = {
        "row_kind": pl.lit("remainder"),
        "product_name": pl.lit("All other drugs"),
        "status": pl.lit("derived"),
        "value_origin": pl.lit("computed"),
        "locator": pl.format("{}rows {} to {} {}", "_sheet", "_first", "_last", "_column"),
        "note": pl.format(
            "Sum of {} drugs, {} of them blank; {} are biologics below USD 5 m in every year, USD {} in all.",
            "_drugs",
            "_blank",
            "_smaller",
            pl.col("_smaller_usd").round(0).cast(pl.Int64),
        ),
    }
    blanked = ("product_code_system", "product_code", "substance_name", "quantity", "unit_price", "publisher_flags")
    return summed.with_columns(
        *(expression.alias(name) for name, expression in computed.items()),
        *(pl.lit(None, dtype=schema[name]).alias(name) for name in blanked),
    ).select(schema.names())
