"""FDA Purple Book (monthly CSV) to one row per licensed product.

The publisher's file has a title with the month, a section of the month's changes, and a section with the whole
database under the same header; only the second is read. The page of the downloads describes the two sections:
https://purplebooksearch.fda.gov/downloads.
"""

from __future__ import annotations

import calendar
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import polars as pl

from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.product_lists import joined, normal, obtained_on, only, rejected, route_group
from ingest.source import Parsed, SourceFile
from ingest.tabtext import decode

_COLUMNS = (
    "N/R/U",
    "Applicant",
    "BLA Number",
    "Proprietary Name",
    "Proper Name",
    "Strength",
    "Dosage Form",
    "Route of Administration",
    "Product Presentation",
    "Marketing Status",
    "Licensure",
    "Approval Date",
    "Ref. Product Proper Name",
    "Ref. Product Proprietary Name",
    "Supplement Number",
    "Submission Type",
    "License Number",
    "Product Number",
    "Center",
    "Date of First Licensure",
    "Exclusivity Expiration Date",
    "First Interchangeable Exclusivity Exp. Date",
    "Ref. Product Exclusivity Exp. Date",
    "Orphan Exclusivity Exp. Date",
)
_TYPE = "License Type"
# The column of the licence type, and the columns that came with its new name in 2025.
_LAYOUTS = (
    {*_COLUMNS, "BLA Type"},
    {*_COLUMNS, _TYPE, "Inter. Approval Date", "Inter. Supplement Number", "Patent List Provided"},
)
_HEADER = re.compile(r"^(?=[^\r\n]*N/R/U)(?=[^\r\n]*BLA Number)[^\r\n]+", re.MULTILINE)
_MONTH_NAMES = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS = {**_MONTH_NAMES, **{f"{number:02}": number for number in range(1, 13)}}
_TITLE = re.compile(rf"\b({'|'.join(_MONTH_NAMES)})\s+((?:19|20)\d\d)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"/((?:19|20)\d\d)/purplebook-search-([a-z]+)-data-download", re.IGNORECASE)
_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)-(\d\d)(?!\d)")
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
_EMPTY_TAIL = re.compile(r"\r?\n[,\s]*\Z")


@dataclass(frozen=True)
class _Section:
    """The rows of one section, with `row` counted as a spreadsheet program shows them."""

    rows: pl.DataFrame
    changes: int
    is_copy: bool
    month: date | None


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Licensed products as `product_identity`; one CSV file, in the layout before 2025 or the one since.

    `licence_number` joins BLA and product number (BLA125057-001), as Drugs@FDA counts them. The list is dated with
    the last day of the month that its title, address or name tells. A copy without title and sections is read too:
    it is marked as such, repeated rows are dropped, of rows that contradict each other the last stands (both are
    counted), and its day is that of the newest approval. Rows without a number, name or readable date are rejected.
    Raises LayoutError for another header, a missing section, or a file of unknown year.
    """
    file = only(files)
    section = _read(file)
    latest = section.month or _end_of_year(file)
    rows = section.rows.with_columns(
        bla=normal(pl.col("BLA Number")).str.extract(r"^0*([0-9]{1,6})$").str.zfill(6),
        product=normal(pl.col("Product Number")).str.extract(r"^0*([0-9]{1,3})$").str.zfill(3),
        approved_on=_day(normal(pl.col("Approval Date")), latest),
        locator=pl.format("row {}", "row"),
    ).with_columns(_reason=_reasons())
    raw = pl.concat_str(pl.exclude("row", "bla", "product", "approved_on", "locator", "_reason"), separator="|")
    bad = rejected(
        rows.filter(pl.col("_reason") != "").select("locator", "_reason", raw.alias("raw")), file, "product_identity"
    )
    good = rows.filter(pl.col("_reason") == "")
    kept, dropped = _distinct(good, is_copy=section.is_copy)
    listed_on = section.month or kept["approved_on"].max()
    if not isinstance(listed_on, date):
        raise LayoutError(
            "no row has an approval date, and no title tells the month",
            file=file.name,
            remedy="Load the publisher's file as downloaded.",
        )
    known = obtained_on(file)
    return Parsed(
        {"product_identity": _canonical(kept, file, section, listed_on)},
        rows_read=section.rows.height + section.changes,
        rejected=bad,
        dropped={name: count for name, count in {"change_section": section.changes, **dropped}.items() if count},
        published_on=file.published_on or (min(listed_on, known) if known else listed_on),
    )


def _read(file: SourceFile) -> _Section:
    text = decode(file.path.read_bytes(), file.name)
    headers = list(_HEADER.finditer(text))
    if not headers:
        raise LayoutError(
            "no line is a header with N/R/U and BLA Number",
            file=file.name,
            remedy="Check that it is the monthly data download of the Purple Book.",
        )
    before = text[: headers[0].start()]
    has_title = bool(before.strip(" ,\r\n"))
    if has_title and len(headers) == 1:
        raise LayoutError(
            "the section with the whole database is missing",
            file=file.name,
            remedy="The file is probably cut off: fetch it again.",
        )
    start = headers[-1].start()
    body = _EMPTY_TAIL.sub("\n", text[start:])
    changes = sum(
        _table(text[head.start() : following.start()], file).height for head, following in pairwise(headers)
    )
    require_even_rows((text[:start] + body).encode(), file.name, skip_lines=text[:start].count("\n"))
    first = sum(1 for _ in csv.reader(io.StringIO(text[:start], newline=""))) + 2
    rows = _table(body, file, first)
    if rows.height < changes or not rows.height:
        raise LayoutError(
            f"the database section has {rows.height} rows, the section of changes {changes}",
            file=file.name,
            remedy="The file is probably cut off: fetch it again.",
        )
    is_copy = not has_title and ".fda.gov/" not in (file.url or "")
    return _Section(rows, changes, is_copy, _month(before, file))


def _table(text: str, file: SourceFile, first: int = 0) -> pl.DataFrame:
    """The rows of a section under the names of the layout since 2025; `first` is the row after the header."""
    header = next(csv.reader(io.StringIO(text)))
    while header and not header[-1].strip():
        header.pop()
    names = [name.strip() for name in header]
    if set(names) not in _LAYOUTS or len(set(names)) != len(names):
        nearest = min(_LAYOUTS, key=lambda layout: len(layout ^ set(names)))
        parts = (
            f"lacks {', '.join(sorted(nearest - set(names)))}" if nearest - set(names) else "",
            f"has the unknown {', '.join(sorted(set(names) - nearest))}" if set(names) - nearest else "",
        )
        raise LayoutError(
            f"the header {' and '.join(part for part in parts if part) or 'repeats a column'}",
            file=file.name,
            row=first - 1 if first else None,
            remedy="Compare it with the layouts in the parser, and extend the parser if the FDA changed the columns.",
        )
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False, truncate_ragged_lines=True)
    except pl.exceptions.PolarsError as error:
        raise LayoutError(
            f"the table cannot be read as CSV ({str(error).splitlines()[0]})",
            file=file.name,
            remedy="A quotation mark may be open: fetch it again.",
        ) from error
    frame = frame.select(
        pl.col(raw).str.strip_chars().replace("", None).alias(_TYPE if name == "BLA Type" else name)
        for raw, name in zip(frame.columns, names, strict=False)
    ).with_row_index("row", offset=first)
    return frame.filter(pl.any_horizontal(pl.exclude("row", "N/R/U").is_not_null()))


def _month(title: str, file: SourceFile) -> date | None:
    """Last day of the month that the title, the address or the name of the file tells."""
    for text, pattern in ((title, _TITLE), (file.url or "", _ADDRESS), (file.name, _NAME)):
        if match := pattern.search(text):
            year = next(int(part) for part in match.groups() if len(part) == 4 and part.isdigit())
            month = next(_MONTHS.get(part.lower(), 0) for part in match.groups() if part != str(year))
            if month:
                return date(year, month, calendar.monthrange(year, month)[1])
    return None


def _end_of_year(file: SourceFile) -> date:
    if match := _YEAR.search(file.name):
        return date(int(match.group(1)), 12, 31)
    if known := obtained_on(file):
        return known
    raise LayoutError(
        "nothing tells the year of the list, on which years of two digits depend",
        file=file.name,
        remedy="Put year and month into the name: purplebook_2025-03.csv.",
    )


def _day(value: pl.Expr, latest: date) -> pl.Expr:
    """A date as 31-Dec-54 or December 31, 1954; one of two digits that lies after `latest` is a century older."""
    short = value.str.to_date("%d-%b-%y", strict=False)
    return pl.coalesce(
        pl.when(short > latest).then(short.dt.offset_by("-100y")).otherwise(short),
        value.str.to_date("%B %d, %Y", strict=False),
    )


def _reasons() -> pl.Expr:
    checks = [
        pl.when(pl.col(name).is_null()).then(pl.lit(f"{name} is empty"))
        for name in ("Applicant", "Proper Name", _TYPE, "Licensure")
    ]
    for name, column in (("BLA Number", "bla"), ("Product Number", "product")):
        checks.append(pl.when(pl.col(column).is_null()).then(pl.format(f"{name} is no number: {{}}", _shown(name))))
    is_known = pl.col(_TYPE).str.contains(r"^351\((a|k)\)")
    checks.append(
        pl.when(pl.col(_TYPE).is_not_null() & ~is_known).then(pl.format("the type of licence is unknown: {}", _TYPE))
    )
    checks.append(
        pl.when(pl.col("Approval Date").is_not_null() & pl.col("approved_on").is_null()).then(
            pl.format("Approval Date cannot be read: {}", "Approval Date")
        )
    )
    return pl.concat_str(checks, separator="; ", ignore_nulls=True)


def _shown(name: str) -> pl.Expr:
    return pl.col(name).fill_null("(empty)")


def _distinct(rows: pl.DataFrame, *, is_copy: bool) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows without repeats; in a copy of several lists, of rows that contradict each other the last."""
    content = [name for name in rows.columns if name not in {"row", "locator", "N/R/U"}]
    distinct = rows.unique(subset=content, keep="last", maintain_order=True)
    dropped = {"repeated_row": rows.height - distinct.height}
    if is_copy:
        latest = distinct.unique(subset=["bla", "product"], keep="last", maintain_order=True)
        dropped["superseded_row"] = distinct.height - latest.height
        distinct = latest
    return distinct, dropped


def _canonical(rows: pl.DataFrame, file: SourceFile, section: _Section, listed_on: date) -> pl.DataFrame:
    proper, brand = normal(pl.col("Ref. Product Proper Name")), normal(pl.col("Ref. Product Proprietary Name"))
    is_named = proper.is_not_null() & (proper.str.to_uppercase() != "N/A")
    reference = pl.when(is_named).then(
        pl.when(brand.is_not_null() & (brand.str.to_uppercase() != "N/A"))
        .then(pl.format("reference product {} ({})", proper, brand))
        .otherwise(pl.format("reference product {}", proper))
    )
    return rows.select(
        pl.lit("FDA").alias("agency"),
        pl.lit("purple_book").alias("list_name"),
        pl.format("BLA{}-{}", "bla", "product").alias("licence_number"),
        pl.lit(listed_on).alias("listed_on"),
        normal(pl.coalesce("Proprietary Name", "Proper Name")).alias("brand_name"),
        normal(pl.col("Proper Name")).alias("ingredient_name"),
        normal(pl.col("Strength")).alias("strength_text"),
        joined(normal(pl.col("Dosage Form")), normal(pl.col("Product Presentation")), separator=", ").alias(
            "dosage_form"
        ),
        route_group(pl.col("Route of Administration"), ",").alias("route"),
        normal(pl.col("Applicant")).alias("holder_name"),
        pl.lit("USA").alias("market_iso3"),
        joined(pl.col(_TYPE), pl.col("Licensure"), pl.col("Center"), separator=", ").alias("modality_evidence"),
        "approved_on",
        pl.col(_TYPE).str.contains("351(k)", literal=True).alias("is_biosimilar"),
        pl.when(pl.col("Orphan Exclusivity Exp. Date").is_not_null()).then(pl.lit(True)).alias("is_orphan"),
        joined(pl.col("Marketing Status"), pl.col("Submission Type"), separator=",").alias("publisher_flags"),
        reference.alias("note"),
        pl.lit("republished_copy" if section.is_copy else "publisher_bytes").alias("value_origin"),
        pl.lit(file.sha256).alias("file_sha256"),
        "locator",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """One product per licence: of the original submission, the one approved first, else the lowest number.

    What is about one presentation of the licence alone (strength, form, route) is left out.
    """
    is_original = pl.col("publisher_flags").str.ends_with("Original").fill_null(value=False)
    products = (
        tables["product_identity"]
        .sort(~is_original, "approved_on", "licence_number", nulls_last=True)
        .with_columns(_licence=pl.col("licence_number").str.split("-").list.first())
        .unique("_licence", keep="first", maintain_order=True)
    )
    blank = [pl.lit(None, dtype=pl.String).alias(name) for name in ("strength_text", "dosage_form", "route")]
    return {"product_identity": products.drop("_licence").with_columns(blank)}
