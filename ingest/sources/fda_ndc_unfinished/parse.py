"""FDA directory of unfinished drugs (`unfinished_product.txt`) to listings by firm and to listed products.

The file is tab-separated, in a one-byte encoding; the `.xls` beside it in the archive is the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from ingest import biologics
from ingest.celltext import day
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile
from ingest.tabtext import open_text, read_table

_COLUMNS = (
    "PRODUCTID",
    "PRODUCTNDC",
    "PRODUCTTYPENAME",
    "NONPROPRIETARYNAME",
    "DOSAGEFORMNAME",
    "STARTMARKETINGDATE",
    "ENDMARKETINGDATE",
    "MARKETINGCATEGORYNAME",
    "LABELERNAME",
    "SUBSTANCENAME",
    "ACTIVE_NUMERATOR_STRENGTH",
    "ACTIVE_INGRED_UNIT",
    "DEASCHEDULE",
    "LISTING_RECORD_CERTIFIED_THROUGH",
)
_BULK = "BULK INGREDIENT"
_PROCESSING = "DRUG FOR FURTHER PROCESSING"
# Forms in which substance leaves a plant in bulk. A tablet, an injection or an ointment is a drug product.
_BULK_FORMS = (
    "CONCENTRATE",
    "CRYSTAL",
    "EXTRACT",
    "GAS",
    "GRANULE",
    "LIQUID",
    "OIL",
    "PASTE",
    "PELLET",
    "POWDER",
    "SOLUTION",
    "SOLUTION, CONCENTRATE",
)


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Listings as `site_role` (market USA, no country: a labeler is no place) and as `product_identity`.

    One file: the publisher's zip, or the text inside it with the day of the list in its name. Lines with too few
    or too many fields, without an identity, firm or type, or with a date that is none, are rejected; exact repeats
    of a line are dropped and counted. Raises LayoutError where the header differs, or the day is unknown.
    """
    if len(files) != 1:
        raise LayoutError(
            f"an edition is one file, not {len(files)}",
            file=", ".join(file.name for file in files),
            remedy="Load each file on its own.",
        )
    file = files[0]
    content = open_text(file, "unfinished_product.txt")
    listed_on = content.dated or file.published_on or (file.fetched_at.date() if file.fetched_at else None)
    if listed_on is None:
        raise LayoutError(
            "nothing tells the day of the list",
            file=file.name,
            remedy="Load the publisher's zip, or put the day into the name: unfinished_product_2018-06-25.txt.",
        )
    table = read_table(content.read(), _COLUMNS, file.name)
    rows = table.rows.unique(subset=_COLUMNS, keep="first", maintain_order=True)
    repeated = table.rows.height - rows.height
    rows = rows.with_columns(
        *(day(pl.col(name), "%Y%m%d").alias(f"_{name}") for name in ("STARTMARKETINGDATE", "ENDMARKETINGDATE"))
    ).with_columns(_reason=_reasons())
    locator = content.locator()
    bad = rows.filter(pl.col("_reason") != "")
    rejected = pl.concat(
        [
            _rejected(
                bad.select(locator, "_reason", pl.concat_str(_COLUMNS, separator="\t", ignore_nulls=True)), file
            ),
            _rejected(table.ragged.select(locator, "reason", pl.col("cells").list.join("\t")), file),
        ]
    )
    good = rows.filter(pl.col("_reason") == "").with_columns(locator, pl.lit(file.sha256).alias("file_sha256"))
    return Parsed(
        {"site_role": _site_role(good), "product_identity": _product_identity(good, listed_on)},
        rows_read=table.rows_read,
        rejected=rejected,
        dropped={"repeated_line": repeated} if repeated else {},
        published_on=content.dated,
    )


def _reasons() -> pl.Expr:
    mandatory = ("PRODUCTID", "PRODUCTTYPENAME", "NONPROPRIETARYNAME", "MARKETINGCATEGORYNAME", "LABELERNAME")
    checks = [pl.when(pl.col(name).is_null()).then(pl.lit(f"{name} is empty")) for name in mandatory]
    checks += [
        pl.when(pl.col(name).is_not_null() & pl.col(f"_{name}").is_null()).then(
            pl.format(f"{name} is no date of the form YYYYMMDD: {{}}", name)
        )
        for name in ("STARTMARKETINGDATE", "ENDMARKETINGDATE")
    ]
    return pl.concat_str(checks, separator="; ", ignore_nulls=True)


def _rejected(frame: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    frame.columns = ["locator", "reason", "raw"]
    return frame.with_columns(pl.lit(None, dtype=pl.String).alias("table_name"), pl.lit(file.name).alias("file_name"))


def _is_contradictory() -> pl.Expr:
    return (pl.col("PRODUCTTYPENAME") == _BULK) & (pl.col("MARKETINGCATEGORYNAME") == _PROCESSING)


def operation() -> pl.Expr:
    """The operation of a listing in common terms, from product type, marketing category and dosage form.

    A bulk ingredient is a drug substance and a drug for further processing a drug product. Where the type says the
    first and the marketing category the second, a bulk form (liquid, powder ...) makes it a drug substance and any
    other form a drug product: contract fillers list vials under the type of bulk ingredients.
    """
    kind = pl.col("PRODUCTTYPENAME")
    is_bulk_form = pl.col("DOSAGEFORMNAME").is_in(_BULK_FORMS)
    return (
        pl.when(kind == _PROCESSING)
        .then(pl.lit("drug_product"))
        .when(_is_contradictory() & ~is_bulk_form.fill_null(value=False))
        .then(pl.lit("drug_product"))
        .when(kind == _BULK)
        .then(pl.lit("drug_substance"))
        .otherwise(pl.lit("other"))
    )


def _ends() -> pl.Expr:
    return pl.when(pl.col("_ENDMARKETINGDATE").is_not_null()).then(
        pl.format("listed until {}", pl.col("_ENDMARKETINGDATE").cast(pl.String))
    )


def _site_role(rows: pl.DataFrame) -> pl.DataFrame:
    decided = pl.when(_is_contradictory()).then(
        pl.format(
            "type and marketing category differ; the dosage form {} decides the operation",
            pl.col("DOSAGEFORMNAME").fill_null("(none)"),
        )
    )
    return rows.select(
        pl.lit("USA").alias("market_iso3"),
        pl.col("PRODUCTID").alias("product_code"),
        pl.col("NONPROPRIETARYNAME").alias("product_name"),
        pl.col("SUBSTANCENAME").alias("substance_name"),
        pl.col("LABELERNAME").alias("firm_name"),
        operation().alias("operation"),
        pl.col("PRODUCTTYPENAME").alias("operation_as_published"),
        pl.lit("listing").alias("measure_basis"),
        pl.col("MARKETINGCATEGORYNAME").alias("publisher_flags"),
        _note(decided, _ends()),
        "file_sha256",
        "locator",
    )


def _product_identity(rows: pl.DataFrame, listed_on: date) -> pl.DataFrame:
    def normal(name: str) -> pl.Expr:
        return pl.col(name).str.normalize("NFKC")

    strength = pl.concat_str("ACTIVE_NUMERATOR_STRENGTH", "ACTIVE_INGRED_UNIT", separator=" ", ignore_nulls=True)
    return rows.select(
        pl.lit("FDA").alias("agency"),
        pl.lit("ndc_unfinished").alias("list_name"),
        pl.col("PRODUCTID").alias("licence_number"),
        pl.lit(listed_on).alias("listed_on"),
        normal("NONPROPRIETARYNAME").alias("brand_name"),
        normal("SUBSTANCENAME").alias("ingredient_name"),
        strength.str.normalize("NFKC").replace("", None).alias("strength_text"),
        pl.col("DOSAGEFORMNAME").alias("dosage_form"),
        pl.col("LABELERNAME").alias("holder_name"),
        pl.lit("USA").alias("market_iso3"),
        pl.col("MARKETINGCATEGORYNAME").alias("modality_evidence"),
        pl.col("_STARTMARKETINGDATE").alias("approved_on"),
        _note(_ends()),
        "file_sha256",
        "locator",
    )


def _note(*parts: pl.Expr) -> pl.Expr:
    return pl.concat_str(parts, separator="; ", ignore_nulls=True).replace("", None).alias("note")


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The listings whose substance is a biologic under at least one rule set, in both tables."""
    is_biologic = biologics.comparable(pl.col("substance_name")).is_in(biologics.aliases("us_substance"))
    listings = tables["site_role"].filter(is_biologic)
    products = tables["product_identity"].filter(pl.col("licence_number").is_in(listings["product_code"].implode()))
    return {"site_role": listings, "product_identity": products}
