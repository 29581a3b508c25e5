"""Tab-separated text as agencies publish it: plain, zipped or gzipped, one header line, no quoting.

Every line is split on its own, so that a line with too few or too many fields is found and named by its number
instead of shifting the cells of its neighbours. So a table can be read in blocks of lines too.
"""

from __future__ import annotations

import codecs
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import IO

import polars as pl

from ingest.csv_rows import line_blocks, unpacked, unpacked_size
from ingest.errors import LayoutError
from ingest.source import SourceFile

_PIECE = 1 << 16
_DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)-(\d\d)-(\d\d)(?!\d)")


@dataclass(frozen=True)
class TextFile:
    """A file of text: the name of its entry in a zip, the day of that entry or in the file's name, bytes unpacked."""

    file: SourceFile
    member: str | None
    dated: date | None
    size: int

    def locator(self) -> pl.Expr:
        """Where a row stands, from the column `line`: its line, after the name of the zip's entry."""
        prefix = f"{self.member} " if self.member else ""
        return pl.format(f"{prefix}line {{}}", "line").alias("locator")

    def read(self) -> bytes:
        """The text in UTF-8; raises LayoutError as `decode` does, or where the container is damaged."""
        with self._unpacked() as stream:
            data = stream.read()
        return _utf8(data, _encoding([data], self.file.name), self.file.name)

    def blocks(self, size: int) -> Iterator[bytes]:
        """The same in blocks of about `size` bytes, each of whole lines.

        The encoding is that of the whole text, which is read as far as it takes to know it before the first block.
        """
        with self._unpacked() as stream:
            encoding = _encoding(line_blocks(stream, size), self.file.name)
        with self._unpacked() as stream:
            for number, block in enumerate(line_blocks(stream, size)):
                yield _utf8(block, encoding, self.file.name, is_first=number == 0)

    @contextmanager
    def _unpacked(self) -> Iterator[IO[bytes]]:
        with _named_damage(self.file):
            if self.member is None:
                with unpacked(self.file.path, self.file.name) as stream:
                    yield stream
            else:
                with zipfile.ZipFile(self.file.path) as archive, archive.open(self.member) as stream:
                    yield stream


@dataclass(frozen=True)
class TabTable:
    """Rows by name with their line number, and lines whose number of fields differs from the header's.

    `rows` has the column `line` (1 is the header) and the published columns, trimmed, empty cells null.
    `ragged` has `line`, `cells` and `reason`. `rows_read` counts the lines below the header that hold anything.
    """

    rows: pl.DataFrame
    ragged: pl.DataFrame
    rows_read: int


def open_text(file: SourceFile, member: str) -> TextFile:
    """The text of a plain, gzipped or zipped file; in a zip, the one entry whose name matches `member`.

    The date is that of the zip entry, or else the one that stands in the file's name as YYYY-MM-DD. Raises
    LayoutError where a zip has no such entry or several, or is damaged.
    """
    with file.path.open("rb") as stream:
        is_zip = stream.read(2) == b"PK"
    if not is_zip:
        return TextFile(file, None, _date_in_name(file.name), unpacked_size(file.path))
    with _named_damage(file), zipfile.ZipFile(file.path) as archive:
        entry = _entry(archive, member, file.name)
        return TextFile(file, entry.filename, date(*entry.date_time[:3]), entry.file_size)


@contextmanager
def _named_damage(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise LayoutError(
            f"the container is cut off or damaged ({error})", file=file.name, remedy="Fetch it again."
        ) from error


def _entry(archive: zipfile.ZipFile, member: str, name: str) -> zipfile.ZipInfo:
    found = [
        entry for entry in archive.infolist() if fnmatch(PurePosixPath(entry.filename).name.lower(), member.lower())
    ]
    if len(found) != 1:
        held = ", ".join(entry.filename for entry in archive.infolist()[:10]) or "nothing"
        raise LayoutError(
            f"the archive holds {len(found)} entries named {member}, not one (it holds {held})",
            file=name,
            remedy="Check that it is the publisher's archive; if the entry was renamed, the parser must follow.",
        )
    return found[0]


def _date_in_name(name: str) -> date | None:
    if not (match := _DATE_IN_NAME.search(name)):
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def decode(data: bytes, name: str) -> str:
    """Bytes as text: UTF-8 where they are valid UTF-8, else Windows-1252; LayoutError where they are neither.

    Text in a one-byte encoding is valid UTF-8 by accident only if it is ASCII, so the order decides nothing wrong.
    """
    return _utf8(data, _encoding([data], name), name).decode()


def _encoding(blocks: Iterable[bytes], name: str) -> str:
    """The encoding of a text that comes in blocks, each of whole lines: UTF-8 where all are."""
    for number, block in enumerate(blocks):
        _require_text(block, name, is_first=number == 0)
        if not _is_utf8(block):
            return "cp1252"
    return "utf-8"


def _utf8(block: bytes, encoding: str, name: str, *, is_first: bool = True) -> bytes:
    """Text of an encoding of :func:`_encoding` in UTF-8, without the mark of byte order that the first may have."""
    _require_text(block, name, is_first=is_first)
    if encoding == "utf-8":
        return block.removeprefix(codecs.BOM_UTF8) if is_first else block
    # One byte is one letter, so that the text can be cut anywhere; most pieces are ASCII, and stay as they are.
    pieces = (block[start : start + _PIECE] for start in range(0, len(block), _PIECE))
    try:
        return b"".join(piece if piece.isascii() else piece.decode(encoding).encode() for piece in pieces)
    except UnicodeDecodeError as error:
        raise LayoutError(
            "the text is neither UTF-8 nor Windows-1252", file=name, remedy="Use the publisher's file as downloaded."
        ) from error


def _is_utf8(block: bytes) -> bool:
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            return False
    return True


def _require_text(block: bytes, name: str, *, is_first: bool) -> None:
    if (is_first and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))) or b"\x00" in block:
        raise LayoutError(
            "the text holds zero bytes: it is UTF-16 or no text at all",
            file=name,
            remedy="Use the publisher's file as downloaded; a spreadsheet program may have saved it anew.",
        )


def _shown(cell: str) -> str:
    """A header cell for an error message; where the header is missing, data stand in its place and are not shown."""
    return cell if re.fullmatch(r"\w{1,40}", cell) else "(no column name)"


def read_table(content: bytes, columns: Sequence[str], name: str, *, holding: str = "") -> TabTable:
    """The table in tab-separated text (UTF-8) whose header holds exactly `columns`, in any order.

    Lines that do not hold the text `holding` are counted, and their fields are, but make no row. Raises LayoutError
    where a column is missing, unknown or repeated, or where no row follows the header.
    """
    (table,) = read_tables([content], columns, name, holding=holding)
    return table


def read_tables(
    blocks: Iterable[bytes], columns: Sequence[str], name: str, *, holding: str = ""
) -> Iterator[TabTable]:
    """The same table from blocks of whole lines, of which the first begins with the header: a part for each block."""
    header: list[str] = []
    line, rows_read = 2, 0
    for block in blocks:
        content = block
        if not header:
            first, _, content = block.partition(b"\n")
            header = _header(first.decode(), columns, name)
        every = pl.read_lines(io.BytesIO(content), name="text").with_row_index("line", offset=line)
        table = _table(content, every, header, columns, holding)
        line += every.height
        rows_read += table.rows_read
        yield table
    if not header:
        _header("", columns, name)
    if not rows_read:
        raise LayoutError("no row follows the header", file=name, row=1, remedy="Fetch the file again.")


def _header(first: str, columns: Sequence[str], name: str) -> list[str]:
    header = [cell.strip() for cell in first.rstrip("\r").rstrip("\t").split("\t")]
    missing = [column for column in columns if column not in header]
    unknown = [column for column in header if column not in columns]
    if missing or unknown or len(header) != len(columns):
        problem = " and ".join(
            part
            for part in (
                f"lacks {', '.join(missing)}" if missing else "",
                f"has the unknown {', '.join(_shown(cell) for cell in unknown[:5])}" if unknown else "",
            )
            if part
        )
        raise LayoutError(
            f"the header {problem or 'repeats a column'}",
            file=name,
            row=1,
            remedy="Check that it is the right file; if the publisher changed the columns, the parser must follow.",
        )
    return header


def _table(
    content: bytes, every: pl.DataFrame, header: Sequence[str], columns: Sequence[str], holding: str
) -> TabTable:
    """The table of lines (`line`, `text`), which are those of the content."""
    width = len(header)
    lines = every.filter(pl.col("text").str.strip_chars() != "").with_columns(
        pl.col("line").cast(pl.Int64), tabs=pl.col("text").str.count_matches("\t", literal=True)
    )
    cells = pl.col("text").str.strip_suffix("\r").str.split("\t").alias("cells")
    # Lines that could be a repeated header are looked at cell by cell.
    alike = lines.filter(pl.col("text").str.contains(header[0], literal=True)).select("line", cells)
    titles = pl.col("cells").list.eval(pl.element().str.strip_chars()).list.join("\t") == "\t".join(header)
    repeated = alike.filter(titles).with_columns(reason=pl.lit("the header is repeated"))
    # Some publishers end every row, but not the header, with a tab.
    ends_with_tab = (pl.col("tabs") == width) & pl.col("text").str.contains(r"\t\r?$")
    fits = ((pl.col("tabs") == width - 1) | ends_with_tab) & ~pl.col("line").is_in(repeated["line"].implode())
    good = lines.filter(fits).select("line", "text", longer=pl.col("tabs") == width)
    ragged = (
        lines.filter(~fits)
        .join(repeated, on="line", how="anti")
        .select("line", cells, reason=pl.format(f"the line has {{}} fields, the header {width}", pl.col("tabs") + 1))
    )
    if holding:
        good = good.filter(pl.col("text").str.contains(holding, literal=True))
    if good.height < every.height or good["longer"].any():
        whole = pl.when("longer").then(pl.col("text").str.replace(r"\t\r?$", "")).otherwise("text")
        content = good.select(whole.str.join("\n")).item().encode()
    return TabTable(
        _rows(content, good["line"], header).select("line", *columns),
        pl.concat([ragged, repeated]).sort("line"),
        lines.height,
    )


def _rows(content: bytes, line: pl.Series, header: Sequence[str]) -> pl.DataFrame:
    """Lines that all have the header's fields as columns of trimmed text, empty cells null."""
    if not line.len():
        return pl.DataFrame(schema={"line": pl.Int64, **dict.fromkeys(header, pl.String)})
    cells = pl.read_csv(
        io.BytesIO(content),
        separator="\t",
        quote_char=None,
        has_header=False,
        schema=dict.fromkeys(header, pl.String),
    ).select(pl.all().str.strip_chars())
    return cells.select(line, *(pl.when(pl.col(name) != "").then(name) for name in header))
