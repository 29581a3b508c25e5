"""Drug Product Database of Health Canada (a zip of quoted CSV tables without headers) to one row per product.

The tables and their columns are described in the "Read me" of the extract:
https://www.canada.ca/en/health-canada/services/drugs-health-products/drug-products/drug-product-database/read-file-drug-product-database-data-extract.html
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from datetime import date

import polars as pl

from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.product_lists import joined, normal, only, route_group
from ingest.source import Parsed, SourceFile
from ingest.tabtext import decode

TABLE = "product_identity"
# Width of each table, and the columns that are read, by their place.
_TABLES: dict[str, tuple[int, dict[int, str]]] = {
    "drug": (14, {0: "drug_code", 2: "class", 3: "din", 4: "brand"}),
    "comp": (18, {0: "drug_code", 3: "company", 4: "company_type", 13: "country"}),
    "form": (4, {0: "drug_code", 2: "form"}),
    "ingred": (15, {0: "drug_code", 2: "ingredient", 4: "strength", 5: "unit"}),
    "route": (4, {0: "drug_code", 2: "route"}),
    "schedule": (3, {0: "drug_code", 1: "schedule"}),
    "status": (7, {0: "drug_code", 1: "is_current", 2: "status", 3: "day"}),
    "biosimilar": (4, {0: "drug_code", 1: "mark"}),
}
_HUMAN = ("Human", "Radiopharmaceutical")
_OTHER = ("Veterinary", "Disinfectant")
# Canada's words for routes, where they are not those of the FDA.
_ROUTES = {
    "BLOCK/INFILTRATION": "INFILTRATION",
    "OTIC": "AURICULAR (OTIC)",
    "INTRACUTANEOUS": "INTRADERMAL",
    "PARENTERAL (UNSPECIFIED)": "PARENTERAL",
    "SUBARACHNOIDAL": "SUBARACHNOID",
    "INTRACAVERNOSAL": "INTRACAVERNOUS",
    "PERCUTANEOUS": "CUTANEOUS",
}
_REMEDY = "Use the publisher's zip as downloaded; if a table has changed, the parser must follow."


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Products for human use as `product_identity`, one row per drug identification number (DIN).

    One file, the publisher's zip; the day of the list is that of its `drug.txt`. `modality_evidence` holds the
    schedules, of which Schedule D is the list of biologics; the locator names the line of the product. Products for
    animals and disinfectants are dropped and counted; products without a DIN of eight digits, without a name, of
    another class, or whose day of approval is none, are rejected. Raises LayoutError where a table is missing or has
    another width, a code or DIN stands twice, or a table names products that `drug.txt` does not have.
    """
    file = only(files)
    tables, listed_on = _tables(file)
    drugs = tables["drug"].with_columns(pl.col("class").replace("", None))
    twice = drugs.filter(pl.col("drug_code").is_duplicated() | pl.col("din").is_duplicated())
    if twice.height:
        raise LayoutError(
            f"product {twice['drug_code'][0]} (DIN {twice['din'][0]}) stands twice",
            file=f"{file.name} drug.txt",
            row=int(twice["line"][0]),
            remedy=_REMEDY,
        )
    for name, table in tables.items():
        strange = table.join(drugs, on="drug_code", how="anti")
        if strange.height:
            raise LayoutError(
                f"product {strange['drug_code'][0]} is not in drug.txt",
                file=f"{file.name} {name}.txt",
                row=int(strange["line"][0]),
                remedy=_REMEDY,
            )
    rows = _joined(drugs.filter(~pl.col("class").is_in(_OTHER).fill_null(value=False)), tables)
    rows = rows.with_columns(_reason=_reasons())
    bad = rows.filter(pl.col("_reason") != "")
    dropped = dict(
        drugs.filter(pl.col("class").is_in(_OTHER)).group_by("class", maintain_order=True).len().iter_rows()
    )
    return Parsed(
        {TABLE: _canonical(rows.filter(pl.col("_reason") == ""), file, listed_on)},
        rows_read=drugs.height,
        rejected=bad.select(
            pl.lit(TABLE).alias("table_name"),
            pl.lit(file.name).alias("file_name"),
            "locator",
            pl.col("_reason").alias("reason"),
            pl.concat_str("drug_code", "class", "din", "brand", separator=" | ", ignore_nulls=True).alias("raw"),
        ),
        dropped={f"{name.lower()}_product": count for name, count in dropped.items()},
        published_on=listed_on,
    )


def _tables(file: SourceFile) -> tuple[dict[str, pl.DataFrame], date]:
    """The tables that are read, by name, and the day on which the list was written."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = {
                match[1]: entry
                for entry in archive.infolist()
                if (match := re.fullmatch(r"(?:.*/)?([a-z]+)\.txt", entry.filename.lower()))
            }
            missing = [name for name in _TABLES if name not in entries]
            if missing:
                raise LayoutError(
                    f"the archive lacks {', '.join(f'{name}.txt' for name in missing)}",
                    file=file.name,
                    remedy="Give the extract of marketed products (allfiles.zip), whole.",
                )
            tables = {name: _table(archive.read(entries[name]), name, file) for name in _TABLES}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise LayoutError(
            f"the archive is cut off or damaged ({error})", file=file.name, remedy="Fetch it again."
        ) from error
    return tables, date(*entries["drug"].date_time[:3])


def _table(data: bytes, name: str, file: SourceFile) -> pl.DataFrame:
    width, places = _TABLES[name]
    content = decode(data, f"{file.name} {name}.txt").encode()
    if not content and name == "biosimilar":
        return pl.DataFrame(schema={"line": pl.Int64, **dict.fromkeys(places.values(), pl.String)})
    require_even_rows(content, f"{file.name} {name}.txt")
    try:
        cells = pl.read_csv(io.BytesIO(content), has_header=False, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise LayoutError(
            f"the table cannot be read as CSV ({str(error).splitlines()[0]})",
            file=f"{file.name} {name}.txt",
            remedy=_REMEDY,
        ) from error
    first = cells.to_series(0)
    if cells.width != width or not first.str.contains("^[0-9]+$").fill_null(value=False).all():
        raise LayoutError(
            f"the table has {cells.width} columns and begins with {first[0]!r}; {width} columns that begin with a "
            "product's number are expected",
            file=f"{file.name} {name}.txt",
            row=1,
            remedy=_REMEDY,
        )
    return cells.select(
        pl.int_range(1, pl.len() + 1).alias("line"),
        *(pl.nth(place).str.strip_chars().alias(column) for place, column in places.items()),
    )


def _joined(drugs: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Products with what the other tables say of them, several values of one joined in the publisher's order."""
    strength = joined(pl.col("strength").replace("", None), pl.col("unit").replace("", None), separator=" ")
    approved = tables["status"].filter(pl.col("status") == "APPROVED")
    several = {
        "comp": (
            tables["comp"].filter(pl.col("company_type") == "DIN_OWNER"),
            [pl.col("company").first(), pl.col("country").first()],
        ),
        "form": (tables["form"], [pl.col("form").unique(maintain_order=True).str.join("; ")]),
        "ingred": (
            tables["ingred"].with_columns(strength=strength),
            [pl.col("ingredient").str.join("; "), pl.col("strength").drop_nulls().str.join("; ")],
        ),
        "route": (
            tables["route"],
            [pl.col("route").str.to_uppercase().replace(_ROUTES).unique(maintain_order=True).str.join(";")],
        ),
        "schedule": (tables["schedule"], [pl.col("schedule").unique(maintain_order=True).str.join("; ")]),
        "status": (
            approved.with_columns(approved_on=pl.col("day").str.to_date("%d-%b-%Y", strict=False)),
            [pl.col("approved_on").min(), pl.col("approved_on").is_null().any().alias("has_wrong_day")],
        ),
        "biosimilar": (tables["biosimilar"], [pl.col("mark").first()]),
    }
    for table, values in several.values():
        found = table.group_by("drug_code", maintain_order=True).agg(values)
        drugs = drugs.join(found, on="drug_code", how="left", maintain_order="left")
    return drugs.with_columns(locator=pl.format("drug.txt line {}", "line"))


def _reasons() -> pl.Expr:
    checks = {
        "the DIN has not eight digits": ~pl.col("din").str.contains("^[0-9]{8}$").fill_null(value=False),
        "the product has no name": pl.col("brand").fill_null("") == "",
        "the class is not known": ~pl.col("class").is_in(_HUMAN).fill_null(value=False),
        "a day of approval is none": pl.col("has_wrong_day").fill_null(value=False),
    }
    return pl.concat_str(
        [pl.when(condition).then(pl.lit(text)) for text, condition in checks.items()],
        separator="; ",
        ignore_nulls=True,
    )


def _canonical(rows: pl.DataFrame, file: SourceFile, listed_on: date) -> pl.DataFrame:
    return rows.select(
        pl.lit("Health Canada").alias("agency"),
        pl.lit("dpd_marketed").alias("list_name"),
        pl.col("din").alias("licence_number"),
        pl.lit(listed_on).alias("listed_on"),
        normal(pl.col("brand")).alias("brand_name"),
        normal(pl.col("ingredient")).alias("ingredient_name"),
        normal(pl.col("strength")).alias("strength_text"),
        pl.col("form").alias("dosage_form"),
        route_group(pl.col("route"), ";").alias("route"),
        pl.col("company").alias("holder_name"),
        pl.lit("CAN").alias("market_iso3"),
        pl.col("schedule").alias("modality_evidence"),
        "approved_on",
        (pl.col("mark").fill_null("") == "Biosimilar").alias("is_biosimilar"),
        pl.col("class").alias("publisher_flags"),
        pl.format("owner of the number in {}", pl.col("country").replace("", None)).alias("note"),
        pl.lit(file.sha256).alias("file_sha256"),
        "locator",
    )
