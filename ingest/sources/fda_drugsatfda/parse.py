"""Drugs@FDA (a zip of tab-separated tables) to one row per product of an NDA or BLA.

The tables and their keys are described at
https://www.fda.gov/drugs/drug-approvals-and-databases/drugsfda-data-files.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from ingest import biologics
from ingest.celltext import day
from ingest.errors import LayoutError
from ingest.product_lists import joined, normal, only, rejected, route_group
from ingest.source import Parsed, SourceFile
from ingest.tabtext import TabTable, open_text, read_table

_TABLES = {
    "Applications": ("ApplNo", "ApplType", "ApplPublicNotes", "SponsorName"),
    "Products": (
        "ApplNo",
        "ProductNo",
        "Form",
        "Strength",
        "ReferenceDrug",
        "DrugName",
        "ActiveIngredient",
        "ReferenceStandard",
    ),
    "Submissions": (
        "ApplNo",
        "SubmissionClassCodeID",
        "SubmissionType",
        "SubmissionNo",
        "SubmissionStatus",
        "SubmissionStatusDate",
        "SubmissionsPublicNotes",
        "ReviewPriority",
    ),
    "SubmissionClass_Lookup": ("SubmissionClassCodeID", "SubmissionClassCode", "SubmissionClassCodeDescription"),
    "SubmissionPropertyType": (
        "ApplNo",
        "SubmissionType",
        "SubmissionNo",
        "SubmissionPropertyTypeCode",
        "SubmissionPropertyTypeID",
    ),
    "MarketingStatus": ("MarketingStatusID", "ApplNo", "ProductNo"),
    "MarketingStatus_Lookup": ("MarketingStatusID", "MarketingStatusDescription"),
    "ApplicationDocs": (
        "ApplicationDocsID",
        "ApplicationDocsTypeID",
        "ApplNo",
        "SubmissionType",
        "SubmissionNo",
        "ApplicationDocsTitle",
        "ApplicationDocsURL",
        "ApplicationDocsDate",
    ),
    "ApplicationsDocsType_Lookup": ("ApplicationDocsType_Lookup_ID", "ApplicationDocsType_Lookup_Description"),
}
_KINDS = ("BLA", "NDA")


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Products of BLAs and NDAs as `product_identity`, with the first approved original submission.

    One file, the publisher's zip. `licence_number` joins type, application and product (BLA125057-001); the locator
    names the lines of product and approval; `document_url` is the letter of the approval. Products of abbreviated
    applications, and of applications that the zip does not hold, are dropped and counted; products without a name,
    of applications of another type, and with an approval date that cannot be read, are rejected. Raises LayoutError
    where a table is missing or its header differs.
    """
    file = only(files)
    texts = {name: open_text(file, f"{name}.txt") for name in _TABLES}
    tables = {
        # Of submissions only the original ones count.
        name: read_table(
            texts[name].read(), columns, file.name, holding="ORIG" if "SubmissionType" in columns else ""
        )
        for name, columns in _TABLES.items()
    }
    listed_on = texts["Products"].dated
    if listed_on is None:
        raise LayoutError(
            "the tables are in no zip, so that nothing tells their day", file=file.name, remedy="Load the zip."
        )
    products = tables["Products"].rows
    rows = (
        products.join(tables["Applications"].rows.drop("line"), on="ApplNo", how="left", maintain_order="left")
        .join(_approvals(tables), on="ApplNo", how="left", maintain_order="left")
        .join(_orphans(tables), on="ApplNo", how="left", maintain_order="left")
        .join(_marketing(tables), on=["ApplNo", "ProductNo"], how="left", maintain_order="left")
        .with_columns(
            locator=joined(
                pl.format("Products.txt line {}", "line"),
                pl.format("Submissions.txt line {}", "submission_line"),
                separator=", ",
            ),
            _reason=_reasons(),
        )
    )
    is_known = pl.col("ApplNo").is_in(tables["Applications"].rows["ApplNo"].implode()).fill_null(value=False)
    is_abbreviated = (pl.col("ApplType") == "ANDA").fill_null(value=False)
    kept = rows.filter(is_known & ~is_abbreviated)
    bad = kept.filter(pl.col("_reason") != "")
    raw = pl.concat_str(_TABLES["Products"], separator="\t", ignore_nulls=True).alias("raw")
    ragged = [
        table.ragged.select(pl.format(f"{name}.txt line {{}}", "line"), "reason", pl.col("cells").list.join("\t"))
        for name, table in tables.items()
    ]
    dropped = {
        "abbreviated_application": rows.filter(is_abbreviated).height,
        "application_not_in_file": rows.filter(~is_known).height,
    }
    return Parsed(
        {"product_identity": _canonical(kept.filter(pl.col("_reason") == ""), file, listed_on)},
        rows_read=tables["Products"].rows_read,
        rejected=pl.concat(
            [rejected(frame, file, "product_identity") for frame in (bad.select("locator", "_reason", raw), *ragged)]
        ),
        dropped={name: count for name, count in dropped.items() if count},
        published_on=listed_on,
    )


def _approvals(tables: dict[str, TabTable]) -> pl.DataFrame:
    """By application, the first approved original submission: day, class, line, and the address of its letter."""
    letters = (
        tables["ApplicationDocs"]
        .rows.join(
            tables["ApplicationsDocsType_Lookup"].rows.drop("line"),
            left_on="ApplicationDocsTypeID",
            right_on="ApplicationDocsType_Lookup_ID",
        )
        .filter((pl.col("SubmissionType") == "ORIG") & (pl.col("ApplicationDocsType_Lookup_Description") == "Letter"))
        .sort("line")
        .unique(["ApplNo", "SubmissionNo"], keep="first", maintain_order=True)
        .select("ApplNo", "SubmissionNo", pl.col("ApplicationDocsURL").alias("letter_url"))
    )
    return (
        tables["Submissions"]
        .rows.filter((pl.col("SubmissionType") == "ORIG") & (pl.col("SubmissionStatus") == "AP"))
        .with_columns(approved_on=day(pl.col("SubmissionStatusDate"), "%Y-%m-%d %H:%M:%S"))
        .sort("approved_on", "line", nulls_last=True)
        .unique("ApplNo", keep="first", maintain_order=True)
        .join(tables["SubmissionClass_Lookup"].rows.drop("line"), on="SubmissionClassCodeID", how="left")
        .join(letters, on=["ApplNo", "SubmissionNo"], how="left")
        .select(
            "ApplNo",
            "approved_on",
            "SubmissionStatusDate",
            pl.col("SubmissionClassCodeDescription").alias("submission_class"),
            pl.col("line").alias("submission_line"),
            "letter_url",
        )
    )


def _orphans(tables: dict[str, TabTable]) -> pl.DataFrame:
    """By application, whether an original submission has the property Orphan."""
    properties = tables["SubmissionPropertyType"].rows.filter(pl.col("SubmissionType") == "ORIG")
    return properties.group_by("ApplNo").agg(is_orphan=(pl.col("SubmissionPropertyTypeCode") == "Orphan").any())


def _marketing(tables: dict[str, TabTable]) -> pl.DataFrame:
    """By product, the marketing statuses in words, separated by commas."""
    lookup = tables["MarketingStatus_Lookup"].rows.drop("line")
    statuses = tables["MarketingStatus"].rows.join(lookup, on="MarketingStatusID", how="left")
    return (
        statuses.select(
            "ApplNo", "ProductNo", marketing=pl.coalesce("MarketingStatusDescription", "MarketingStatusID")
        )
        .unique()
        .sort("marketing")
        .group_by("ApplNo", "ProductNo")
        .agg("marketing")
        .with_columns(pl.col("marketing").list.join(","))
    )


def _reasons() -> pl.Expr:
    checks = [
        pl.when(pl.col("ApplNo").str.contains(r"^[0-9]{6}$").not_().fill_null(value=True)).then(
            pl.format("ApplNo is no number of six digits: {}", pl.col("ApplNo").fill_null("(empty)"))
        ),
        pl.when(pl.col("ProductNo").str.contains(r"^[0-9]{3}$").not_().fill_null(value=True)).then(
            pl.format("ProductNo is no number of three digits: {}", pl.col("ProductNo").fill_null("(empty)"))
        ),
        pl.when(pl.col("ApplType").is_in(_KINDS).not_().fill_null(value=True)).then(
            pl.format("the type of application is unknown: {}", pl.col("ApplType").fill_null("(empty)"))
        ),
        pl.when(pl.col("DrugName").is_null()).then(pl.lit("DrugName is empty")),
        pl.when(pl.col("SubmissionStatusDate").is_not_null() & pl.col("approved_on").is_null()).then(
            pl.format("SubmissionStatusDate cannot be read: {}", "SubmissionStatusDate")
        ),
    ]
    return pl.concat_str(checks, separator="; ", ignore_nulls=True)


def _canonical(rows: pl.DataFrame, file: SourceFile, listed_on: date) -> pl.DataFrame:
    form = pl.col("Form").str.split_exact(";", 1)
    return rows.select(
        pl.lit("FDA").alias("agency"),
        pl.lit("drugs_at_fda").alias("list_name"),
        pl.format("{}{}-{}", "ApplType", "ApplNo", "ProductNo").alias("licence_number"),
        pl.lit(listed_on).alias("listed_on"),
        normal(pl.col("DrugName")).alias("brand_name"),
        normal(pl.col("ActiveIngredient")).alias("ingredient_name"),
        normal(pl.col("Strength")).alias("strength_text"),
        normal(form.struct.field("field_0")).alias("dosage_form"),
        route_group(form.struct.field("field_1"), ",").alias("route"),
        normal(pl.col("SponsorName")).alias("holder_name"),
        pl.lit("USA").alias("market_iso3"),
        pl.col("ApplType").alias("modality_evidence"),
        "approved_on",
        "is_orphan",
        pl.col("letter_url").alias("document_url"),
        pl.col("marketing").alias("publisher_flags"),
        pl.col("submission_class").alias("note"),
        pl.lit(file.sha256).alias("file_sha256"),
        "locator",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """One product (the lowest number) per BLA, and per NDA of a biologic under at least one rule set.

    What is about one presentation alone (strength, form, route) is left out, and letters are kept for BLAs only.
    """
    products = tables["product_identity"]
    is_biologic = biologics.comparable(pl.col("ingredient_name")).is_in(
        [*biologics.aliases("us_substance"), *biologics.aliases("inn")]
    )
    kept = (
        products.filter((pl.col("modality_evidence") == "BLA") | is_biologic.fill_null(value=False))
        .sort("licence_number")
        .with_columns(_licence=pl.col("licence_number").str.split("-").list.first())
        .unique("_licence", keep="first", maintain_order=True)
    )
    blank = [pl.lit(None, dtype=pl.String).alias(name) for name in ("strength_text", "dosage_form", "route")]
    letter = pl.when(pl.col("modality_evidence") == "BLA").then("document_url").alias("document_url")
    return {"product_identity": kept.drop("_licence").with_columns(*blank, letter)}
