"""The text of the cell that a locator names, read back from a publisher's file.

Parsers write where a figure stands (`locator`); here the same words lead back to the bytes. The grammar, place by
place, each after the name of the zip's entry where the file is an archive:

    line 12 | lines 12, 15 | lines 12 to 40 | line 12 + line 31, with `column NAME` or `columns A and B`
    sheet NAME row 8 | sheet NAME rows 5 to 34, with `column AK`
    row 7                                 (a record of a CSV file)
    facts["x"].units.USD[3] | data[4] | $.a.b[0] | table ID GET_STATS_DATA...VALUE[3]     (JSON)
    ix:nonFraction id f-12                (Inline XBRL)

A place that is a page or a heading of a document (curated rows) has no cell: the document itself must be opened.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ingest.errors import LayoutError

_MOST_CELLS = 12
_LONGEST = 600
# Sources whose `row` counts the records below the header; elsewhere a row is what a spreadsheet program shows.
_ROWS_BELOW_HEADER = frozenset({"gleif"})

_LINES = re.compile(
    r"lines? (?P<numbers>\d+(?:(?:, | to )\d+)*)(?: columns? (?P<columns>.+))?\Z",
)
_SHEET = re.compile(
    r"sheet (?P<sheet>.+) rows? (?P<first>\d+)(?: to (?P<last>\d+))?(?: column (?P<column>[A-Z]{1,3}))?\Z", re.DOTALL
)
_ROW = re.compile(r"row (?P<row>\d+)\Z")
_ELEMENT = re.compile(r"ix:nonFraction id (?P<id>\S+)\Z")
_JSON = re.compile(r"""(?:\$|[A-Za-z_][\w\-]*|\[\d+\])(?:\.[\w\-@$]+|\[\d+\]|\["[^"]*"\])*\Z""")
_STEP = re.compile(r"""\.?([\w\-@$]+)|\[(\d+)\]|\["([^"]*)"\]""")
_SEVERAL = re.compile(r"(?: \+ |, )(?=(?:\S+ )?(?:line|sheet|row) \d)")


@dataclass(frozen=True)
class Cell:
    """A place in a file and the text that stands there."""

    place: str
    text: str


class NoCellError(LayoutError):
    """A locator names no cell of the file: a page of a document, or a place that is not there."""


def read(path: Path, locator: str, *, source_code: str = "", name: str | None = None) -> list[Cell]:
    """Cells of a file that a locator names, with their text as published, at most a dozen.

    Raises NoCellError where the locator names no cell or the file has no such place, LayoutError where the file is
    damaged.
    """
    try:
        return list(islice(_cells(path, locator, source_code), _MOST_CELLS))
    except NoCellError:
        raise
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise NoCellError(
            f"the file has no place {locator} ({type(error).__name__}: {str(error)[:120]})",
            file=name or path.name,
            remedy="Compare the locator with the file; a locator belongs to the file of its hash and no other.",
        ) from error


def _form(part: str) -> re.Match[str] | None:
    for pattern in (_SHEET, _LINES, _ELEMENT, _ROW):
        if found := pattern.search(part):
            head = part[: found.start()]
            if not head or head.endswith(" "):
                return found
    tail = part.rpartition(" ")[2]
    return _JSON.match(tail) if re.search(r"[.\[]", tail) and not re.search(r"[.](?:csv|txt|tsv)\Z", tail) else None


def _cells(path: Path, locator: str, source_code: str) -> Iterator[Cell]:
    for part in _SEVERAL.split(locator):
        found = _form(part)
        if found is None:
            raise NoCellError(
                f"{locator!r} names a document's page or heading and no cell",
                remedy="Open the document that the row cites.",
            )
        if found.re is _SHEET:
            yield from _of_sheet(path, part[: found.start()].strip(), found)
        elif found.re is _LINES:
            yield from _of_lines(path, part[: found.start()].strip(), found)
        elif found.re is _ROW:
            yield from _of_record(path, part[: found.start()].strip(), int(found["row"]), source_code)
        elif found.re is _ELEMENT:
            yield _of_element(path, found["id"])
        else:
            yield _of_json(path, part.rpartition(" ")[2])


# ---------------------------------------------------------------------------------------------------------------
# Containers


@contextmanager
def _opened(path: Path, member: str) -> Iterator[IO[bytes]]:
    """The bytes of a file: unpacked where it is gzipped, the entry named (or the only one) where it is a zip."""
    with path.open("rb") as stream:
        head = stream.read(2)
    if head == b"PK":
        with zipfile.ZipFile(path) as archive, archive.open(_entry(archive, member)) as entry:
            yield entry
    elif head == b"\x1f\x8b":
        with gzip.open(path, "rb") as stream:
            yield stream  # type: ignore[misc]
    else:
        with path.open("rb") as stream:
            yield stream


def _entry(archive: zipfile.ZipFile, member: str) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    found = [name for name in names if name == member or name.rpartition("/")[2] == member]
    if not member and len(names) == 1:
        found = names
    if len(found) != 1:
        raise NoCellError(
            f"the archive holds {len(found)} entries named {member or '(no name given)'}",
            remedy=f"It holds {', '.join(names[:5])}.",
        )
    return found[0]


def _text(stream: IO[bytes]) -> Iterator[str]:
    """Lines of a text in UTF-8 or Windows-1252, without their ends."""
    for number, line in enumerate(stream):
        data = line.rstrip(b"\r\n")
        try:
            yield data.decode("utf-8-sig" if number == 0 else "utf-8")
        except UnicodeDecodeError:
            yield data.decode("cp1252", errors="replace")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


# ---------------------------------------------------------------------------------------------------------------
# Lines of text


def _of_lines(path: Path, member: str, found: re.Match[str]) -> Iterator[Cell]:
    first, *rest = re.split(r", | to ", found["numbers"])
    is_span = " to " in found["numbers"]
    wanted = [int(first), *map(int, rest)]
    columns = re.split(r" and ", found["columns"]) if found["columns"] else []
    kept: dict[int, str] = {}
    held: list[str] = []
    span = range(min(wanted), max(wanted) + 1) if is_span else range(0)
    with _opened(path, member) as stream:
        lines = enumerate(_text(stream), start=1)
        for number, line in lines:
            if number > max(wanted):
                break
            if number <= _HEADER_LINES:
                held.append(line)
            if number in wanted or (number in span and len(kept) < _MOST_CELLS - 1):
                text = line
                # A quoted cell may hold line breaks.
                while text.count('"') % 2 and len(text) < 10 * _LONGEST:
                    text += "\n" + next(lines, (0, '"'))[1]
                kept[number] = text
    if missing := [number for number in wanted if number not in kept]:
        raise IndexError(f"line {missing[0]} of {member or path.name}")
    prefix = f"{member} " if member else ""
    for number in sorted(kept):
        if not columns:
            yield Cell(f"{prefix}line {number}", _short(kept[number]))
        for column in columns:
            below = _under(held[: number - 1], kept[number], column)
            yield Cell(f"{prefix}line {number} column {column}", _short(kept[number] if below is None else below))


_HEADER_LINES = 40


def _under(head: list[str], line: str, column: str) -> str | None:
    """The cell of a line below the header cell `column`; None where no header line has such a cell."""
    for separator in (",", "\t", ";", "|"):
        cells = _split(line, separator)
        if len(cells) < 2:
            continue
        for above in reversed(head):
            titles = [title.strip().lower() for title in _split(above, separator)]
            keys = [title for title in titles if title == column.strip().lower()]
            keys = keys or [title for title in titles if _plain(title) == _plain(column)]
            if keys and titles.index(keys[0]) < len(cells):
                return cells[titles.index(keys[0])].strip()
    return None


def _plain(title: str) -> str:
    return re.sub(r"\W+", "_", title.lower()).strip("_")


def _split(line: str, separator: str) -> list[str]:
    return next(csv.reader(io.StringIO(line), delimiter=separator), [])


def _of_record(path: Path, member: str, row: int, source_code: str) -> Iterator[Cell]:
    number = row + 1 if source_code in _ROWS_BELOW_HEADER else row
    with _opened(path, member) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        record = next(islice(csv.reader(text), number - 1, number), None)
    if record is None:
        raise IndexError(f"row {row}")
    prefix = f"{member} " if member else ""
    yield Cell(f"{prefix}row {row}", _short(" | ".join(record)))


# ---------------------------------------------------------------------------------------------------------------
# Workbooks


def _of_sheet(path: Path, member: str, found: re.Match[str]) -> Iterator[Cell]:
    import fastexcel

    source: Path | bytes = path
    with path.open("rb") as stream:
        head = stream.read(2)
    if head == b"PK" and member:
        with zipfile.ZipFile(path) as archive:
            source = archive.read(_entry(archive, member))
    try:
        workbook = fastexcel.read_excel(source)
        frame = workbook.load_sheet(found["sheet"], header_row=None, skip_rows=0, dtypes="string").to_polars()
    except fastexcel.FastExcelError as error:
        raise NoCellError(
            f"the workbook has no sheet {found['sheet']} that can be read ({str(error).splitlines()[0]})",
            file=path.name,
            remedy="Compare the locator with the workbook.",
        ) from error
    first = int(found["first"])
    last = int(found["last"] or first)
    if last > frame.height:
        raise IndexError(f"row {last} of {frame.height}")
    prefix = f"{member} " if member else ""
    for row in range(first, last + 1):
        cells = frame.row(row - 1)
        where = f"{prefix}sheet {found['sheet']} row {row}"
        if found["column"]:
            yield Cell(f"{where} column {found['column']}", _short(str(cells[_position(found["column"])] or "")))
        else:
            yield Cell(where, _short(" | ".join(str(cell or "") for cell in cells)))


def _position(letters: str) -> int:
    position = 0
    for letter in letters:
        position = position * 26 + ord(letter) - ord("A") + 1
    return position - 1


# ---------------------------------------------------------------------------------------------------------------
# JSON and Inline XBRL


def _of_json(path: Path, place: str) -> Cell:
    with _opened(path, "") as stream:
        content = json.load(stream)
    value: Any = content
    steps = list(_STEP.finditer(place.removeprefix("$")))
    for number, step in enumerate(steps):
        name, index, key = step.groups()
        if index is not None:
            value = value[int(index)]
            continue
        wanted = key if key is not None else name
        if number == 0 and isinstance(value, dict) and wanted not in value:
            # SDMX-JSON keeps observations within its data sets; the path begins at the first of them.
            value = next(_holding(value, wanted))
        value = value[wanted]
    return Cell(place, _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))


def _holding(value: Any, key: str) -> Iterator[dict[str, Any]]:
    children: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        if isinstance(child, dict) and key in child:
            yield child
        yield from _holding(child, key)


def _of_element(path: Path, wanted: str) -> Cell:
    from lxml import etree  # type: ignore[import-untyped]

    parser_options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": True}
    with _opened(path, "") as stream:
        for _, element in etree.iterparse(stream, events=("end",), recover=True, **parser_options):
            if element.get("id") == wanted:
                about = ", ".join(
                    f"{name} {element.get(name)}"
                    for name in ("name", "contextRef", "unitRef", "scale", "sign")
                    if element.get(name)
                )
                return Cell(f"ix:nonFraction id {wanted}", _short(f"{''.join(element.itertext())} ({about})"))
    raise KeyError(f"id {wanted}")
