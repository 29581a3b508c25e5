"""Correlation and conversion tables between two revisions of the Harmonized System, as workbooks.

One sheet lists every pair of codes that share goods, with the kind of relationship; another lists the one older code
that the publisher chooses for each newer code when it converts figures. Both say in their header which revisions
they are about, in one row or in two. Published at https://unstats.un.org/unsd/classifications/Econ.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import fastexcel
import polars as pl

from ingest import trade
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

TABLE = "commodity_concordance"

_CODE = r"^[0-9]{6}$"
_HEADER_CELL = re.compile(r"^(?:from|to)?\s*(?:hs\s*(\d{4}))?$", re.IGNORECASE)
_LONGEST_HEADER = 2
_CREATED = re.compile(rb"<dcterms:created[^>]*>(\d{4}-\d{2}-\d{2})")
_REMEDY = "Check that it is a table of the UN Statistics Division; if it changed the layout, the parser must follow."


@dataclass(frozen=True)
class _Sheet:
    """The body of a sheet: `row` (as in the workbook), `newer`, `older` and, for a correlation, `relationship`."""

    name: str
    newer: str
    older: str
    rows: pl.DataFrame
    is_correlation: bool


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Pairs of codes of one workbook, from the newer to the older revision.

    Raises LayoutError where a sheet is missing or repeated, or where the sheets are about different revisions. Rows
    whose codes are no six digits, or whose relationship is unknown, are rejected.
    """
    if len(files) != 1:
        raise LayoutError(
            f"{len(files)} workbooks were given as one edition",
            file=", ".join(file.name for file in files),
            remedy="Each workbook, of one pair of revisions, is an edition of its own.",
        )
    file = files[0]
    correlation, conversion = _sheets(file)
    filled = pl.any_horizontal(pl.col("newer", "older", "relationship").is_not_null())
    pairs = correlation.rows.filter(filled)
    unique = pairs.unique(["newer", "older", "relationship"], keep="first", maintain_order=True)
    chosen = conversion.rows.drop_nulls(["newer", "older"]).unique(["newer", "older"])
    twice = chosen.filter(pl.col("newer").is_duplicated())
    if twice.height:
        raise LayoutError(
            f"code {twice['newer'][0]} is converted to two codes",
            file=file.name,
            sheet=conversion.name,
            row=int(twice["row"][0]),
            remedy=_REMEDY,
        )
    converted = chosen.join(unique, on=["newer", "older"], how="semi")["newer"].implode()
    rows = unique.join(
        chosen.select("newer", "older", is_conversion=True), on=["newer", "older"], how="left", maintain_order="left"
    ).select(
        from_revision=pl.lit(correlation.newer),
        from_code="newer",
        to_revision=pl.lit(correlation.older),
        to_code="older",
        relationship="relationship",
        is_conversion=pl.col("is_conversion").fill_null(False),
        file_sha256=pl.lit(file.sha256),
        locator=pl.format("sheet {} row {}", pl.lit(correlation.name), "row"),
        value_origin=pl.lit("republished_copy" if "_to_" in file.name.lower() else "publisher_bytes"),
        reason=pl.concat_str(
            pl.when(~pl.col("newer").str.contains(_CODE).fill_null(False)).then(
                pl.lit("the newer code is no HS code")
            ),
            pl.when(~pl.col("older").str.contains(_CODE).fill_null(False)).then(
                pl.lit("the older code is no HS code")
            ),
            pl.when(~pl.col("relationship").is_in(["1:1", "n:1", "1:n", "n:n"]).fill_null(False)).then(
                pl.lit("the relationship is unknown")
            ),
            separator="; ",
            ignore_nulls=True,
        ).replace("", None),
        is_converted=pl.col("newer").is_in(converted),
        raw=pl.struct("newer", "older", "relationship").struct.json_encode(),
    )
    # Every newer code is converted to one older code: of a code without conversion a row or a cell is lost.
    unconverted = pl.when(~pl.col("is_converted")).then(pl.lit("no conversion of the newer code can be read"))
    rows = rows.with_columns(reason=pl.coalesce("reason", unconverted)).drop("is_converted")
    unmatched = chosen.join(unique, on=["newer", "older"], how="anti", maintain_order="left").select(
        locator=pl.format("sheet {} row {}", pl.lit(conversion.name), "row"),
        reason=pl.lit("the conversion is not among the correlations"),
        raw=pl.struct("newer", "older").struct.json_encode(),
    )
    bad = pl.col("reason").is_not_null()
    rejected = pl.concat([rows.filter(bad).select("locator", "reason", "raw"), unmatched])
    return Parsed(
        {TABLE: rows.filter(~bad).drop("reason", "raw")},
        rows_read=correlation.rows.height + conversion.rows.height,
        rejected=rejected.with_columns(table_name=pl.lit(TABLE), file_name=pl.lit(file.name)),
        dropped={
            rule: count
            for rule, count in {
                "blank_row": correlation.rows.height - pairs.height,
                "repeated_row": pairs.height - unique.height,
            }.items()
            if count
        },
        published_on=_created(file),
        partition=f"{correlation.newer}-{correlation.older}",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The bundled share: pairs in which either code is under a heading of biological medicines."""
    headings = [pl.col(code).str.slice(0, 4).is_in(trade.HEADINGS) for code in ("from_code", "to_code")]
    return {name: frame.filter(pl.any_horizontal(headings)) for name, frame in tables.items()}


def _sheets(file: SourceFile) -> tuple[_Sheet, _Sheet]:
    """The correlation and the conversion sheet, told by their headers; LayoutError unless there is one of each."""
    try:
        workbook = fastexcel.read_excel(file.path)
        read = [
            (name, workbook.load_sheet(name, header_row=None, dtypes="string").to_polars())
            for name in workbook.sheet_names
        ]
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise LayoutError(
            f"the workbook cannot be read ({error})", file=file.name, remedy="Fetch it again."
        ) from error
    sheets = [sheet for name, frame in read if (sheet := _sheet(name, frame))]
    correlations = [sheet for sheet in sheets if sheet.is_correlation]
    conversions = [sheet for sheet in sheets if not sheet.is_correlation]
    if len(correlations) != 1 or len(conversions) != 1:
        raise LayoutError(
            f"the workbook has {len(correlations)} correlation and {len(conversions)} conversion sheets, not one of "
            f"each (its sheets: {', '.join(name for name, _ in read)})",
            file=file.name,
            remedy=_REMEDY,
        )
    first, second = correlations[0], conversions[0]
    if (first.newer, first.older) != (second.newer, second.older) or first.newer <= first.older:
        raise LayoutError(
            f"the correlations lead from {first.newer} to {first.older}, "
            f"the conversions from {second.newer} to {second.older}",
            file=file.name,
            remedy=_REMEDY,
        )
    return first, second


def _sheet(name: str, frame: pl.DataFrame) -> _Sheet | None:
    """A sheet whose header names two revisions, or None for any other sheet."""
    if frame.width not in (2, 3):
        return None
    frame = frame.select(pl.all().str.strip_chars().replace("", None))
    revisions: list[str | None] = [None, None]
    labels = []
    for depth in range(min(_LONGEST_HEADER, frame.height)):
        cells = [cell or "" for cell in frame.row(depth)]
        found = [_HEADER_CELL.match(cell) for cell in cells[:2]]
        if not all(found):
            break
        revisions = [match[1] if match and match[1] else known for match, known in zip(found, revisions, strict=True)]
        labels.append(cells[2] if frame.width > 2 else "")
    if not all(revisions):
        return None
    is_correlation = frame.width > 2
    if is_correlation and "relationship" not in (label.lower() for label in labels):
        return None
    body = frame.with_row_index("row", offset=1).slice(len(labels))
    names = ["row", "newer", "older", *(["relationship"] if is_correlation else [])]
    return _Sheet(
        name,
        f"HS{revisions[0]}",
        f"HS{revisions[1]}",
        body.rename(dict(zip(body.columns, names, strict=True))),
        is_correlation,
    )


def _created(file: SourceFile) -> date | None:
    """Day on which the workbook was created, as the properties of an .xlsx file say; None where they do not."""
    if not zipfile.is_zipfile(file.path):
        return None
    try:
        with zipfile.ZipFile(file.path) as archive:
            found = _CREATED.search(archive.read("docProps/core.xml"))
        return date.fromisoformat(found[1].decode()) if found else None
    except (KeyError, ValueError):
        return None
