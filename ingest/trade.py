"""What publishers of trade statistics have in common: codes of areas and commodities, CSV with a header."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import polars as pl

from ingest import vocabulary
from ingest.csv_rows import BLOCK, even_blocks, require_even_rows, unpacked
from ingest.errors import LayoutError
from ingest.source import SourceFile

# Headings of the Harmonized System that hold hormones (2937), antibiotics (2941), blood products, vaccines and cells
# (3002), medicines (3004) and diagnostics (3822): the trade that the warehouse is about.
HEADINGS = ("2937", "2941", "3002", "3004", "3822")
# Revision of codes that a publisher gives as reported, without saying by which revision.
UNNAMED_REVISION = "HS"
WORLD = "WLD"


def area_map(scheme: str) -> pl.DataFrame:
    """Reviewed areas of a publisher (`code`, `iso3`, `kind`); `scheme` is comtrade_area or mof_area.

    `kind` is `country` where the scheme does not tell kinds apart.
    """
    table = vocabulary.table(scheme)
    kind = pl.col("kind") if "kind" in table.columns else pl.lit("country").alias("kind")
    return table.select("code", "iso3", kind)


def with_area(frame: pl.DataFrame | pl.LazyFrame, column: str, scheme: str) -> pl.LazyFrame:
    """The frame with `<column>_iso3` and `<column>_kind` of the area codes in `column`, null for unknown codes."""
    areas = area_map(scheme).rename({"code": column, "iso3": f"{column}_iso3", "kind": f"{column}_kind"})
    return frame.lazy().join(areas.lazy(), on=column, how="left", maintain_order="left")


def read_csv(content: bytes, name: str) -> pl.DataFrame:
    """CSV as text columns with `line` (the header is line 1), blank cells null; cells are trimmed.

    Raises LayoutError for text that is not UTF-8, repeated column names, and rows of another width than the header's.
    """
    require_even_rows(content, name)
    return _table(content, name, first_line=2)


def read_blocks(file: SourceFile) -> Iterator[pl.DataFrame]:
    """The same of a file, plain or gzipped, in blocks of rows; one block of none where only the header is there."""
    line = 2
    with unpacked(file.path, file.name) as stream:
        for block in even_blocks(stream, file.name, BLOCK):
            table = _table(block, file.name, first_line=line)
            line += table.height
            yield table


def _table(content: bytes, name: str, *, first_line: int) -> pl.DataFrame:
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        raise LayoutError(
            f"the table cannot be read as CSV ({error})",
            file=name,
            remedy="Use the publisher's file as downloaded; a spreadsheet program may have saved it anew.",
        ) from error
    if any("_duplicated_" in column for column in frame.columns):
        header = content.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", errors="replace")
        raise LayoutError(
            f"the header repeats a column ({header.strip()[:200]})", file=name, row=1, remedy="Fetch the file again."
        )
    return frame.select(pl.all().str.strip_chars()).select(
        pl.int_range(first_line, pl.len() + first_line).alias("line"),
        pl.when(pl.all() != "").then(pl.all()),
    )


def require_columns(frame: pl.DataFrame, expected: Sequence[str], name: str) -> None:
    """Raise LayoutError unless the frame (of :func:`read_csv`) has exactly the expected columns, in any order."""
    found = [column for column in frame.columns if column != "line"]
    missing = [column for column in expected if column not in found]
    unknown = [column for column in found if column not in expected]
    if missing or unknown:
        problem = " and ".join(
            part
            for part in (
                f"lacks {', '.join(missing[:8])}" if missing else "",
                f"has the unknown {', '.join(unknown[:8])}" if unknown else "",
            )
            if part
        )
        raise LayoutError(
            f"the header {problem}",
            file=name,
            row=1,
            remedy="Check that it is the right file; if the publisher changed the columns, the parser must follow.",
        )


def unmapped(column: str, condition: pl.Expr, what: str) -> pl.Expr:
    """A reason for rejecting rows in which the condition holds: `<column> <value> <what>`."""
    value = pl.col(column).cast(pl.String).fill_null("(empty)")
    return pl.when(condition).then(pl.format(f"{column} {{}} {what}", value))


def number(column: str) -> pl.Expr:
    """The numbers in a column; null where it is empty or unreadable (see :func:`unreadable`)."""
    value = pl.col(column).cast(pl.Float64, strict=False)
    # NaN and inf are words that Polars reads as numbers.
    return pl.when(value.is_finite()).then(value)


def unreadable(*columns: str) -> pl.Expr:
    """True where one of the columns holds something that is no number."""
    return pl.any_horizontal(pl.col(name).is_not_null() & number(name).is_null() for name in columns)


def reasons(*found: pl.Expr) -> pl.Expr:
    """The reasons that apply to a row, joined; null where there is none."""
    return pl.concat_str(found, separator="; ", ignore_nulls=True).replace("", None)
