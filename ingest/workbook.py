"""Excel workbooks as text: every cell as it is stored, rows counted as Excel counts them."""

from __future__ import annotations

import zipfile
from datetime import date, datetime

import fastexcel
import polars as pl
from lxml import etree  # type: ignore[import-untyped]

from ingest.errors import LayoutError
from ingest.source import SourceFile

ROW = "row"
_MODIFIED = "{http://purl.org/dc/terms/}modified"
_CORE = "docProps/core.xml"


def sheets(file: SourceFile) -> dict[str, pl.DataFrame]:
    """The sheets of a workbook by name: text columns `c0`, `c1` ... and `row`, the number that Excel shows.

    Cells are trimmed, empty ones null. Columns to the left of the first one in use are not counted. Raises
    LayoutError for a workbook that cannot be read.
    """
    try:
        workbook = fastexcel.read_excel(file.path)
        frames = {
            name: workbook.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_polars()
            for name in workbook.sheet_names
        }
    except fastexcel.FastExcelError as error:
        raise LayoutError(
            f"the workbook cannot be read ({str(error).splitlines()[0]})",
            file=file.name,
            remedy="It is cut off or no Excel workbook: fetch it again.",
        ) from error
    return {name: _numbered(frame) for name, frame in frames.items()}


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    cells = [
        pl.col(name).cast(pl.String).str.strip_chars().replace("", None).alias(f"c{position}")
        for position, name in enumerate(frame.columns)
    ]
    return frame.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(ROW), *cells)


def saved_on(file: SourceFile) -> date | None:
    """The day on which the workbook was last saved, by its own properties; None where they do not tell."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        with zipfile.ZipFile(file.path) as archive:
            root = etree.fromstring(archive.read(_CORE), parser)
        return datetime.fromisoformat(root.findtext(_MODIFIED)).date()
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile, etree.XMLSyntaxError):
        return None
