"""What Polars does not give: a guard against rows that are too short (it fills them), and bounded reading."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING

import polars as pl

from ingest.errors import LayoutError

if TYPE_CHECKING:
    import _csv


def require_even_rows(content: bytes, name: str, *, skip_lines: int = 0) -> None:
    """Raise LayoutError unless every row has as many cells as the header, which stands after `skip_lines` lines.

    Wholly empty lines are let pass. `name` is what the error calls the file; its row is the line of the file.
    """
    if _is_plainly_even(content, skip_lines):
        return
    try:
        widths = list(map(len, _reader(content, skip_lines)))
    except csv.Error as error:
        raise LayoutError(
            f"the table cannot be read as CSV ({error})",
            file=name,
            remedy="A quotation mark may be open: fetch it again.",
        ) from error
    if not widths or set(widths) <= {widths[0], 0}:
        return
    wrong = next(i for i, width in enumerate(widths) if width not in (widths[0], 0))
    reader = _reader(content, skip_lines)
    next(islice(reader, wrong, None))
    raise LayoutError(
        f"the line has {widths[wrong]} cells, the header {widths[0]}",
        file=name,
        row=skip_lines + reader.line_num,
        remedy="It is probably cut off: fetch it again.",
    )


# A quoted cell on one line, from the mark that opens it at the beginning of a cell.
_QUOTED = r'(^|,)"(?:[^"]|"")*"'


def _is_plainly_even(content: bytes, skip_lines: int) -> bool:
    """Whether all rows are even, where counting commas can tell; false where it takes a reader of CSV to know."""
    if content.count(b"\r") != content.count(b"\r\n"):
        return False
    try:
        lines = pl.read_lines(io.BytesIO(content), name="line").slice(skip_lines)["line"].str.strip_suffix("\r")
    except pl.exceptions.PolarsError:
        return False
    if not lines.len() or lines[0] == "":
        return False
    bare = lines.str.replace_all(_QUOTED, "$1") if b'"' in content else lines
    if bare.str.contains('"', literal=True).any():
        return False
    return bare.filter(lines != "").str.count_matches(",", literal=True).n_unique() == 1


def line_blocks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The rest of a stream in blocks of about `size` bytes, each of whole lines; the last may lack its line's end.

    Polars' own batches of a scan are no bound on memory: its reader runs ahead of what is consumed.
    """
    while block := stream.read(size):
        yield block if block.endswith(b"\n") else block + stream.readline()


def _reader(content: bytes, skip_lines: int) -> _csv._reader:
    stream = io.StringIO(content.decode("utf-8-sig", errors="replace"), newline="")
    for _ in range(skip_lines):
        stream.readline()
    return csv.reader(stream)
