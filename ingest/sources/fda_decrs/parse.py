"""FDA register of drug establishments (`drls_reg.txt`) to one row per establishment and operation.

The file is tab-separated; the header begins with a blank, rows end with a tab. Its columns with names and e-mail
addresses of contact persons are read into nothing: no output of this parser holds them.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ingest import vocabulary
from ingest.errors import LayoutError
from ingest.fda_operations import OPERATIONS
from ingest.source import Parsed, SourceFile
from ingest.tabtext import open_text, read_table

_PERSONAL = (
    "ESTABLISHMENT_CONTACT_NAME",
    "ESTABLISHMENT_CONTACT_EMAIL",
    "REGISTRANT_CONTACT_NAME",
    "REGISTRANT_CONTACT_EMAIL",
)
_COLUMNS = (
    "FEI_NUMBER",
    "DUNS_NUMBER",
    "FIRM_NAME",
    "ADDRESS",
    "EXPIRATION_DATE",
    "OPERATIONS",
    "ESTABLISHMENT_CONTACT_NAME",
    "ESTABLISHMENT_CONTACT_EMAIL",
    "AGENT_DETAILS",
    "REGISTRANT_NAME",
    "REGISTRANT_DUNS",
    "REGISTRANT_CONTACT_NAME",
    "REGISTRANT_CONTACT_EMAIL",
    "EXCLUSION_FLAG",
)
_E_MAIL = r"\S@\S+\.\w"


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Registrations as `site_role`, one row per establishment (DUNS number, else FEI number) and operation.

    One file: the publisher's zip, or the text inside it, plain or gzipped. The country is the ISO 3166-1 alpha-3
    code in brackets at the end of the address; without one it stays null and the row says so. Lines with too few or
    too many fields, without firm, operation or number, or with an e-mail address in one of these, are rejected and
    named by number alone; lines that differ in nothing but contacts are dropped but for the first, and counted. A
    text whose contact columns are empty throughout is marked as a republished copy, since the publisher's own
    fills them. Raises LayoutError where the header differs.
    """
    if len(files) != 1:
        raise LayoutError(
            f"an edition is one file, not {len(files)}",
            file=", ".join(file.name for file in files),
            remedy="Load each file on its own.",
        )
    file = files[0]
    content = open_text(file, "drls_reg.txt")
    table = read_table(content.read(), _COLUMNS, file.name)
    is_copy = table.rows.select(pl.all_horizontal(pl.col(_PERSONAL).is_null().all())).item()
    public = table.rows.drop(_PERSONAL)
    rows = public.unique(
        subset=[name for name in public.columns if name != "line"], keep="first", maintain_order=True
    )
    repeated = table.rows.height - rows.height
    rows = rows.with_columns(
        content.locator(),
        operations=operations(pl.col("OPERATIONS")),
        country_iso3=country(pl.col("ADDRESS")),
        fei=_number("FEI_NUMBER"),
        duns=_number("DUNS_NUMBER"),
    ).with_columns(_reason=_reasons())
    rejected = pl.concat(
        [
            # A line that cannot be read may hold contacts anywhere: its numbers alone tell which it is.
            rows.filter(pl.col("_reason") != "").select(
                "locator", pl.col("_reason").alias("reason"), _raw(pl.col("FEI_NUMBER"), pl.col("DUNS_NUMBER"))
            ),
            table.ragged.select(
                content.locator(),
                "reason",
                _raw(*(pl.col("cells").list.get(i, null_on_oob=True).str.extract(r"^\s*(\d+)\s*$") for i in (0, 1))),
            ),
        ]
    ).with_columns(pl.lit("site_role").alias("table_name"), pl.lit(file.name).alias("file_name"))
    result = (
        rows.filter(pl.col("_reason") == "")
        .explode("operations")
        .select(
            pl.lit("USA").alias("market_iso3"),
            pl.col("FIRM_NAME").alias("firm_name"),
            pl.coalesce(pl.format("DUNS {}", "duns"), pl.format("FEI {}", "fei")).alias("site_id"),
            pl.col("ADDRESS").alias("site_place"),
            "country_iso3",
            pl.col("operations").replace_strict(OPERATIONS, default="other").alias("operation"),
            pl.col("operations").alias("operation_as_published"),
            pl.lit("registration").alias("measure_basis"),
            pl.lit("republished_copy" if is_copy else "publisher_bytes").alias("value_origin"),
            pl.when(pl.col("EXCLUSION_FLAG") == "Y").then(pl.lit("EXCLUSION_FLAG=Y")).alias("publisher_flags"),
            _note(),
            pl.lit(file.sha256).alias("file_sha256"),
            "locator",
        )
    )
    return Parsed(
        {"site_role": result},
        rows_read=table.rows_read,
        rejected=rejected,
        dropped={"repeated_line": repeated} if repeated else {},
        published_on=content.dated,
    )


def operations(value: pl.Expr) -> pl.Expr:
    """The list of operations in text separated by semicolons: trimmed, upper case, each once, empty ones left out."""
    items = value.str.to_uppercase().str.split(";").list.eval(pl.element().str.strip_chars())
    return items.list.eval(pl.element().filter(pl.element() != "")).list.unique(maintain_order=True)


def country(value: pl.Expr) -> pl.Expr:
    """The three capital letters in brackets that end an address; null where it ends otherwise."""
    return value.str.extract(r"\(([A-Z]{3})\)\s*$")


def _number(name: str) -> pl.Expr:
    """An establishment number, null where it is empty, a placeholder of zeros or no number."""
    value = pl.col(name)
    return pl.when(value.str.contains(r"^\d*[1-9]\d*$")).then(value)


def _reasons() -> pl.Expr:
    checks = [
        pl.when(pl.col("FIRM_NAME").is_null()).then(pl.lit("FIRM_NAME is empty")),
        pl.when(pl.col("duns").is_null() & pl.col("fei").is_null()).then(
            pl.lit("neither DUNS_NUMBER nor FEI_NUMBER identifies the establishment")
        ),
        pl.when(pl.col("operations").list.len().fill_null(0) == 0).then(pl.lit("OPERATIONS is empty")),
        pl.when(pl.any_horizontal(pl.col("FIRM_NAME", "ADDRESS", "OPERATIONS").str.contains(_E_MAIL))).then(
            pl.lit("an e-mail address stands where firm, address or operations should: the cells are shifted")
        ),
    ]
    return pl.concat_str(checks, separator="; ", ignore_nulls=True)


def _raw(fei: pl.Expr, duns: pl.Expr) -> pl.Expr:
    parts = (pl.format("FEI_NUMBER={}", fei), pl.format("DUNS_NUMBER={}", duns))
    return pl.concat_str(parts, separator=" ", ignore_nulls=True).alias("raw")


def _note() -> pl.Expr:
    parts = (
        pl.when(pl.col("duns").is_not_null()).then(pl.format("FEI {}", "fei")),
        pl.when(pl.col("country_iso3").is_null()).then(pl.lit("the address names no country")),
        pl.when(~pl.col("operations").is_in(list(OPERATIONS))).then(pl.lit("operation unknown to the parser")),
    )
    return pl.concat_str(parts, separator="; ", ignore_nulls=True).replace("", None).alias("note")


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """API MANUFACTURE registrations, and all registrations of firms in `firm_site`; addresses only for the latter."""
    named = vocabulary.table("firm_site")["registered_firm"].unique()
    is_named = (
        pl.col("firm_name").str.to_uppercase().str.strip_chars().str.replace_all(r"\s+", " ").is_in(named.implode())
    )
    return {
        "site_role": tables["site_role"]
        .filter((pl.col("operation") == "drug_substance") | is_named)
        .with_columns(pl.when(is_named).then("site_place").alias("site_place"))
    }
