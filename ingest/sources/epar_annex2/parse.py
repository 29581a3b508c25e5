"""EPAR Annex II: curated rows (`site_role.csv`), or the product information of one medicine (PDF or its text)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import polars as pl

from ingest.edition import parse_curated
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile
from ingest.sources.epar_annex2 import annex

_SCHEMA = {
    "operation": pl.String(),
    "firm_name": pl.String(),
    "site_place": pl.String(),
    "country_iso3": pl.String(),
    "locator": pl.String(),
    "raw": pl.String(),
    "reason": pl.String(),
}


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Manufacturers as `site_role` (market EUU), from curated tables or from one product information.

    A product information is an edition of its own (partition: the product), so that products are renewed one by
    one. An address whose country cannot be read is rejected with the reason. A text is marked as a copy: the
    publisher's bytes are the PDF. Raises LayoutError where the annex or a heading in it is missing.
    """
    documents = [file for file in files if file.name.lower().endswith((".pdf", ".txt"))]
    if not documents:
        return parse_curated("epar_annex2", files)
    if len(files) != 1:
        raise LayoutError(
            "an edition is the product information of one medicine, or curated tables",
            file=", ".join(file.name for file in files),
            remedy="Load each document on its own.",
        )
    return _from_document(documents[0])


def _from_document(file: SourceFile) -> Parsed:
    found = annex.read(file)
    rows = pl.DataFrame([asdict(entry) for entry in found.manufacturers], schema=_SCHEMA)
    distinct = rows.unique(
        ["operation", "firm_name", "site_place", "country_iso3"], keep="first", maintain_order=True
    )
    good = distinct.filter(pl.col("country_iso3").is_not_null()).select(
        pl.lit("EUU").alias("market_iso3"),
        pl.lit(found.product_name).alias("product_name"),
        "firm_name",
        "site_place",
        "country_iso3",
        "operation",
        pl.col("operation").replace_strict(annex.PUBLISHED).alias("operation_as_published"),
        pl.lit("legal_document").alias("measure_basis"),
        pl.lit(file.url, dtype=pl.String).alias("document_url"),
        pl.lit("publisher_bytes" if file.name.lower().endswith(".pdf") else "republished_copy").alias("value_origin"),
        pl.lit(file.sha256).alias("file_sha256"),
        "locator",
    )
    if good.is_empty():
        raise LayoutError(
            f"no address can be read, the first: {rows['reason'][0]}",
            file=file.name,
            remedy="Add the name of the country to vocabulary/country_alias.csv if it is one.",
        )
    repeated = rows.height - distinct.height
    return Parsed(
        {"site_role": good},
        rows_read=rows.height,
        rejected=distinct.filter(pl.col("country_iso3").is_null()).select(
            pl.lit("site_role").alias("table_name"), pl.lit(file.name).alias("file_name"), "locator", "reason", "raw"
        ),
        dropped={"repeated_entry": repeated} if repeated else {},
        published_on=file.published_on,
        partition=annex.partition(file.name),
    )
