"""What Polars does not give: a guard against rows that are too short (it fills them), and bounded reading."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import polars as pl

from ingest.errors import LayoutError

if TYPE_CHECKING:
    import _csv

# A file of more bytes than this is read in blocks of as many: they keep the memory flat, and the processor's caches.
BLOCK = 8 << 20
_GZIP = b"\x1f\x8b"


def require_even_rows(content: bytes, name: str, *, skip_lines: int = 0, lines_between: int = 0) -> None:
    """Raise LayoutError unless every row has as many cells as the header, which stands after `skip_lines` lines.

    Wholly empty lines are let pass. `name` is what the error calls the file; its row is the line of the file, in
    which so many `lines_between` stand between the header and the first row of the content.
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
        row=skip_lines + lines_between + reader.line_num,
        remedy="It is probably cut off: fetch it again.",
    )


# A quoted cell on one line, from the mark that opens it at the beginning of a cell.
_QUOTED = r'(^|,)"(?:[^"]|"")*"'


def _is_plainly_even(content: bytes, skip_lines: int) -> bool:
    """Whether all rows are even, where counting commas can tell; false where it takes a reader of CSV to know."""
    has_returns = b"\r" in content
    if has_returns and content.count(b"\r") != content.count(b"\r\n"):
        return False
    try:
        lines = pl.read_lines(io.BytesIO(content), name="line").slice(skip_lines)["line"]
    except pl.exceptions.PolarsError:
        return False
    if has_returns:
        lines = lines.str.strip_suffix("\r")
    if not lines.len() or lines[0] == "":
        return False
    bare = lines
    if b'"' in content:
        bare = lines.str.replace_all(_QUOTED, "$1")
        if bare.str.contains('"', literal=True).any():
            return False
    commas = bare.str.count_matches(",", literal=True)
    return commas.n_unique() == 1 or commas.filter(lines != "").n_unique() == 1


def even_blocks(stream: IO[bytes], name: str, size: int) -> Iterator[bytes]:
    """A CSV in blocks of about `size` bytes, each the header and whole rows below it; one block for a small file.

    Raises LayoutError as :func:`require_even_rows` does. From the block on in which counting commas cannot tell
    whether rows are even (a quoted cell may hold the end of a line), all that is left of the stream is one block.
    """
    header = stream.readline()
    lines = 0
    is_empty = True
    for rows in line_blocks(stream, size):
        is_empty = False
        block = header + rows
        if not _is_plainly_even(block, 0):
            block += stream.read()
            require_even_rows(block, name, lines_between=lines)
        yield block
        lines += rows.count(b"\n")
    if is_empty:
        require_even_rows(header, name)
        yield header


@contextmanager
def unpacked(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, gunzipped where need be; LayoutError, in reading them too, where they are cut off."""
    try:
        with path.open("rb") as packed:
            is_gzip = packed.read(2) == _GZIP
            packed.seek(0)
            if is_gzip:
                with gzip.open(packed) as stream:
                    yield cast(IO[bytes], stream)
            else:
                yield packed
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise LayoutError(
            f"the gzip file is cut off or damaged ({error})", file=name, remedy="Fetch it again."
        ) from error


def unpacked_size(path: Path) -> int:
    """Bytes of a plain file; of a gzipped one those that its last four bytes state (modulo 4 GiB)."""
    with path.open("rb") as stream:
        if stream.read(2) != _GZIP:
            return path.stat().st_size
        stream.seek(-4, io.SEEK_END)
        return int.from_bytes(stream.read(4), "little")


def line_blocks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The rest of a stream in blocks of about `size` bytes, each of whole lines; the last may lack its line's end.

    A negative `size` makes one block of all.
    Polars' own batches of a scan are no bound on memory: its reader runs ahead of what is consumed.
    """
    while block := stream.read(size):
        yield block if block.endswith(b"\n") else block + stream.readline()


def _reader(content: bytes, skip_lines: int) -> _csv._reader:
    stream = io.StringIO(content.decode("utf-8-sig", errors="replace"), newline="")
    for _ in range(skip_lines):
        stream.readline()
    return csv.reader(stream)
