"""FDA directory of finished drugs (`product.txt`, tab-separated) to one row per listing.

The columns are described at https://www.fda.gov/drugs/drug-approvals-and-databases/ndc-product-file-definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import numpy as np
import polars as pl

from ingest.celltext import day
from ingest.csv_rows import BLOCK
from ingest.errors import LayoutError
from ingest.product_lists import joined, normal, obtained_on, only, rejected, route_group
from ingest.source import Parsed, SourceFile
from ingest.tabtext import TabTable, TextFile, open_text, read_tables

_COLUMNS = (
    "PRODUCTID",
    "PRODUCTNDC",
    "PRODUCTTYPENAME",
    "PROPRIETARYNAME",
    "PROPRIETARYNAMESUFFIX",
    "NONPROPRIETARYNAME",
    "DOSAGEFORMNAME",
    "ROUTENAME",
    "STARTMARKETINGDATE",
    "ENDMARKETINGDATE",
    "MARKETINGCATEGORYNAME",
    "APPLICATIONNUMBER",
    "LABELERNAME",
    "SUBSTANCENAME",
    "ACTIVE_NUMERATOR_STRENGTH",
    "ACTIVE_INGRED_UNIT",
    "PHARM_CLASSES",
    "DEASCHEDULE",
    "NDC_EXCLUDE_FLAG",
    "LISTING_RECORD_CERTIFIED_THROUGH",
)
_MANDATORY = ("PRODUCTID", "PRODUCTTYPENAME", "PROPRIETARYNAME", "MARKETINGCATEGORYNAME", "LABELERNAME")
_DATES = ("STARTMARKETINGDATE", "ENDMARKETINGDATE")


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Listings as `product_identity`: the marketing category as evidence of the nature, the application as note.

    One file: the publisher's zip, or the text inside it (plain or gzipped) with the day of the list in its name.
    Lines with too few or too many fields, without an identity, name, labeler or category, or with a date that is
    none, are rejected; exact repeats of a line are dropped and counted. A large list comes in batches. Raises
    LayoutError where the header differs, or the day of the list is unknown.
    """
    file = only(files)
    content = open_text(file, "product.txt")
    listed_on = content.dated or obtained_on(file)
    if listed_on is None:
        raise LayoutError(
            "nothing tells the day of the list",
            file=file.name,
            remedy="Load the publisher's zip, or put the day into the name: product_2019-04-29.txt.",
        )
    if content.size > BLOCK:
        return Parsed(
            {}, 0, published_on=content.dated, more=lambda: _batches(content, content.blocks(BLOCK), listed_on)
        )
    (whole,) = _batches(content, [content.read()], listed_on)
    return whole


def _batches(content: TextFile, blocks: Iterable[bytes], listed_on: date) -> Iterator[Parsed]:
    lines = _Lines()
    for table in read_tables(blocks, _COLUMNS, content.file.name):
        yield _parsed(content, table, lines.new(table.rows), listed_on)


class _Lines:
    """The lines met so far, by two hashes of 64 bits: lines that have both in common are the same."""

    def __init__(self) -> None:
        # In the order of the first hash, so that one is found by halving; one pair of zeros is there from the start.
        self._first, self._second = np.zeros(1, np.uint64), np.zeros(1, np.uint64)

    def new(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows that were not met before, each once."""
        hashes = rows.select(_COLUMNS).hash_rows()
        if hashes.is_duplicated().any():
            rows = rows.unique(subset=_COLUMNS, keep="first", maintain_order=True)
            hashes = rows.select(_COLUMNS).hash_rows()
        order = np.argsort(hashes.to_numpy())
        first, second = hashes.to_numpy()[order], rows["PRODUCTID"].hash().to_numpy()[order]
        at = np.searchsorted(self._first, first)
        nearest = np.minimum(at, len(self._first) - 1)
        is_known = (self._first[nearest] == first) & (self._second[nearest] == second)
        self._first, self._second = np.insert(self._first, at, first), np.insert(self._second, at, second)
        return rows.filter(~pl.int_range(pl.len()).is_in(order[is_known])) if is_known.any() else rows


def _parsed(content: TextFile, table: TabTable, rows: pl.DataFrame, listed_on: date) -> Parsed:
    """The rows of a table without those that are repeated, as products."""
    file = content.file
    repeated = table.rows.height - rows.height
    rows = rows.with_columns(
        content.locator(),
        *(day(pl.col(name), "%Y%m%d").alias(f"_{name}") for name in _DATES),
    ).with_columns(_reason=_reasons())
    bad = rows.filter(pl.col("_reason") != "")
    return Parsed(
        {"product_identity": _canonical(rows.filter(pl.col("_reason") == ""), file, listed_on)},
        rows_read=table.rows_read,
        rejected=pl.concat(
            [
                rejected(frame, file, "product_identity")
                for frame in (
                    bad.select(
                        "locator", "_reason", pl.concat_str(_COLUMNS, separator="\t", ignore_nulls=True).alias("raw")
                    ),
                    table.ragged.select(content.locator(), "reason", pl.col("cells").list.join("\t")),
                )
            ]
        ),
        dropped={"repeated_line": repeated} if repeated else {},
        published_on=content.dated,
    )


def _reasons() -> pl.Expr:
    checks = [pl.when(pl.col(name).is_null()).then(pl.lit(f"{name} is empty")) for name in _MANDATORY]
    checks += [
        pl.when(pl.col(name).is_not_null() & pl.col(f"_{name}").is_null()).then(
            pl.format(f"{name} is no date of the form YYYYMMDD: {{}}", name)
        )
        for name in _DATES
    ]
    return pl.concat_str(checks, separator="; ", ignore_nulls=True)


def _canonical(rows: pl.DataFrame, file: SourceFile, listed_on: date) -> pl.DataFrame:
    return rows.select(
        pl.lit("FDA").alias("agency"),
        pl.lit("ndc_list").alias("list_name"),
        pl.col("PRODUCTID").alias("licence_number"),
        pl.lit(listed_on).alias("listed_on"),
        normal(joined(pl.col("PROPRIETARYNAME"), pl.col("PROPRIETARYNAMESUFFIX"), separator=" ")).alias("brand_name"),
        normal(pl.coalesce("SUBSTANCENAME", "NONPROPRIETARYNAME")).alias("ingredient_name"),
        normal(joined(pl.col("ACTIVE_NUMERATOR_STRENGTH"), pl.col("ACTIVE_INGRED_UNIT"), separator=" ")).alias(
            "strength_text"
        ),
        pl.col("DOSAGEFORMNAME").alias("dosage_form"),
        route_group(pl.col("ROUTENAME"), ";").alias("route"),
        pl.col("LABELERNAME").alias("holder_name"),
        pl.lit("USA").alias("market_iso3"),
        pl.col("MARKETINGCATEGORYNAME").alias("modality_evidence"),
        pl.col("_STARTMARKETINGDATE").alias("approved_on"),
        joined(
            pl.col("PRODUCTTYPENAME"),
            pl.when(pl.col("NDC_EXCLUDE_FLAG") == "E").then(pl.lit("NDC_EXCLUDE_FLAG=E")),
            separator=",",
        ).alias("publisher_flags"),
        joined(
            pl.format("application {}", "APPLICATIONNUMBER"),
            pl.format("listed until {}", pl.col("_ENDMARKETINGDATE").cast(pl.String)),
            separator="; ",
        ).alias("note"),
        pl.lit(file.sha256).alias("file_sha256"),
        "locator",
    )
