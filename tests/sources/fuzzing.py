"""Real files, cut to a few rows, and what can go wrong with them: for the fuzz test of all parsers.

A case turns a cut of real bytes into files. A damage changes the cut (a column, a row, a cell, a node of JSON or
XML) or its bytes. What the parser makes of it is compared with what it makes of the undamaged cut: a figure, date,
unit or code that the original does not have is a wrong row, whatever was done to the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import xlsxwriter
from lxml import etree

from ingest import gates, lake
from ingest.archive import sha256_of
from ingest.errors import IngestError
from ingest.load import conform_all
from ingest.source import Parsed, Source, SourceFile, get
from tests.conftest import shared_file

Cell = Any
Row = tuple[Any, ...]
LINEAGE = ("source_code", "edition_id", "ingested_at", "file_sha256")
FULL_WIDTH = str.maketrans("0123456789.,-", "０１２３４５６７８９．，－")
_ERAS = ((date(2019, 5, 1), "令和", 2018), (date(1989, 1, 8), "平成", 1988), (date(1926, 12, 25), "昭和", 1925))
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y")


# --- cuts of real files -----------------------------------------------------------------------------------------


@dataclass
class Grid:
    """A sheet or a text table: lines above the header, the header, rows; cells are text, or typed in a workbook."""

    above: list[list[Cell]]
    header: list[Cell]
    rows: list[list[Cell]]

    @property
    def width(self) -> int:
        """The number of columns of the header."""
        return len(self.header)

    def lines(self) -> list[list[Cell]]:
        """All lines from the top."""
        return [*self.above, self.header, *self.rows]


Content = dict[str, Any]
"""Grids, JSON values or XML texts of a cut, by the name of the file, sheet or archive member."""


@dataclass(frozen=True)
class Case:
    """A cut of a source's real bytes: how it is made, which parts may be damaged, and how files are made of it."""

    source: str
    label: str
    make: Callable[[], Content]
    write: Callable[[Content, Path], list[Path]]
    # Parts that are damaged; empty for all of them.
    parts: tuple[str, ...] = ()
    # Damages after which other rows are right, with the reason.
    exempt: Mapping[str, str] = field(default_factory=dict, hash=False)
    # Figures are means of cells: a cell less makes another figure, which says of how many it is the mean.
    is_mean: bool = False
    encoding: str | None = None

    @property
    def id(self) -> str:
        """Name of the case in the test's output."""
        return f"{self.source}-{self.label}"


def grid(text: str, delimiter: str, header_at: int, keep: Callable[[list[str]], bool], rows: int) -> Grid:
    """The first rows of delimited text that are worth keeping."""
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting))
    body = [line for line in lines[header_at + 1 :] if line and keep(line)]
    return Grid(lines[:header_at], lines[header_at], body[:rows])


def delimited(table: Grid, delimiter: str = ",", newline: str = "\n") -> str:
    """A text table as its publisher writes it."""
    if delimiter == "\t":
        return "".join(newline.join(["\t".join(map(str, line)) for line in table.lines()])) + newline
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=newline).writerows(table.lines())
    return stream.getvalue()


def text_case(
    source: str,
    name: str,
    relative: str,
    *,
    delimiter: str = ",",
    header_at: int = 0,
    rows: int = 25,
    keep: Callable[[list[str]], bool] = lambda line: True,
    encoding: str = "utf-8",
    newline: str = "\n",
    label: str = "text",
    member: str | None = None,
    exempt: Mapping[str, str] | None = None,
    is_mean: bool = False,
) -> Case:
    """A case of one delimited file; `member` is its name in the publisher's zip."""

    def make() -> Content:
        path = shared_file(relative)
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                data = archive.read(member or "")
        else:
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return {name: grid(data.decode(encoding).removeprefix("\ufeff"), delimiter, header_at, keep, rows)}

    return Case(
        source, label, make, text_writer(delimiter, newline), exempt=exempt or {}, is_mean=is_mean, encoding=encoding
    )


def text_writer(delimiter: str, newline: str = "\n") -> Callable[[Content, Path], list[Path]]:
    """Writes each part as a delimited file."""

    def write(content: Content, folder: Path) -> list[Path]:
        paths = []
        for name, table in content.items():
            path = folder / name
            path.write_bytes(delimited(table, delimiter, newline).encode())
            paths.append(path)
        return paths

    return write


def workbook_case(
    source: str, name: str, relative: str, header_at: int, *, rows: int = 14, sheets: Sequence[str] = ()
) -> Case:
    """A case of the first rows of a real workbook's sheets."""

    def make() -> Content:
        return _sheets(shared_file(relative), header_at, rows, tuple(sheets))

    def write(content: Content, folder: Path) -> list[Path]:
        path = folder / name
        with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
            book.set_properties({"created": datetime(2022, 6, 1)})
            day = book.add_format({"num_format": "yyyy-mm-dd"})
            for sheet, table in content.items():
                page = book.add_worksheet(sheet)
                for at, line in enumerate(table.lines()):
                    for column, cell in enumerate(line):
                        if isinstance(cell, datetime | date):
                            page.write_datetime(at, column, cell, day)
                        elif cell not in (None, ""):
                            page.write_string(at, column, cell) if isinstance(cell, str) else page.write(
                                at, column, cell
                            )
        return [path]

    return Case(source, "workbook", make, write)


def _sheets(path: Path, header_at: int, rows: int, wanted: tuple[str, ...]) -> Content:
    book = openpyxl.load_workbook(path, read_only=True)
    found: Content = {}
    for sheet in book.sheetnames:
        lines = [list(line) for line in book[sheet].iter_rows(max_row=header_at + 1 + rows, values_only=True)]
        width = max(map(len, lines))
        lines = [line + [None] * (width - len(line)) for line in lines]
        at = header_at if not wanted or sheet in wanted else min(header_at, len(lines) - 2)
        found[sheet] = Grid(lines[:at], lines[at], lines[at + 1 :])
    return found


def json_case(source: str, name: str, make: Callable[[], Any], label: str = "json") -> Case:
    """A case of one JSON document."""

    def write(content: Content, folder: Path) -> list[Path]:
        path = folder / name
        path.write_text(json.dumps(content[name], ensure_ascii=False), encoding="utf-8")
        return [path]

    return Case(source, label, lambda: {name: make()}, write, encoding="utf-8")


def xml_case(source: str, name: str, make: Callable[[], bytes], label: str = "xml") -> Case:
    """A case of one XML document."""

    def write(content: Content, folder: Path) -> list[Path]:
        path = folder / name
        path.write_bytes(etree.tostring(content[name], encoding="utf-8", xml_declaration=True))
        return [path]

    return Case(source, label, lambda: {name: etree.fromstring(make())}, write, encoding="utf-8")


# --- what goes wrong --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a parser made of files: rows by table without lineage, and how many rows it set aside."""

    rows: dict[str, list[dict[str, Any]]]
    rejected: int
    dropped: Counter[str]

    def sets_aside_more_than(self, other: Outcome) -> bool:
        """Whether more rows are rejected, or more are dropped by some rule, than in the other."""
        return self.rejected > other.rejected or any(
            count > other.dropped[rule] for rule, count in self.dropped.items()
        )


@dataclass(frozen=True)
class Kind:
    """A way to damage a cut.

    harmless: the same rows, or an error. moves: locators move, so rows are compared without. erases: a figure may
    become null. loses: rows may be gone without a count, since the file no longer holds them. mirrors: a figure
    may have the other sign.
    """

    harmless: bool = False
    moves: bool = False
    erases: bool = False
    loses: bool = False
    mirrors: bool = False


GRID_KINDS: dict[str, Kind] = {
    "drop_column": Kind(erases=True, loses=True),
    "rename_column": Kind(erases=True, loses=True),
    "repeat_column": Kind(moves=True),
    "move_column": Kind(harmless=True, moves=True),
    "reverse_columns": Kind(harmless=True, moves=True),
    "shift_header": Kind(erases=True, loses=True),
    "blank_header_cell": Kind(erases=True, loses=True),
    "blank_row": Kind(harmless=True, moves=True),
    "blank_row_above": Kind(harmless=True, moves=True),
    "repeat_row": Kind(moves=True),
    "repeat_header": Kind(harmless=True, moves=True),
    "drop_row": Kind(moves=True, loses=True, erases=True),
    "short_row": Kind(),
    "long_row": Kind(),
    "shift_row": Kind(loses=True),
    "blank_cell": Kind(erases=True, loses=True),
    "full_width": Kind(),
    "footnote": Kind(),
    "superscript": Kind(),
    "letter_flag": Kind(),
    "thousands": Kind(),
    "decimal_comma": Kind(),
    "negative": Kind(mirrors=True),
    "accounting": Kind(mirrors=True),
    "not_a_number": Kind(erases=True),
    "infinite": Kind(erases=True),
    "words": Kind(erases=True),
    "exponent": Kind(),
    "spaces": Kind(),
    "era_date": Kind(),
}
BYTE_KINDS: dict[str, Kind] = {
    "bom": Kind(harmless=True),
    "utf16": Kind(harmless=True),
    "cp932": Kind(harmless=True),
    "latin1": Kind(harmless=True),
    "crlf": Kind(harmless=True, moves=True),
    "cut": Kind(loses=True),
    "cut_last": Kind(loses=True),
    "zeros": Kind(loses=True, erases=True),
    "html": Kind(),
    "empty": Kind(),
}
JSON_KINDS: dict[str, Kind] = {
    "remove_key": Kind(erases=True, loses=True, moves=True),
    "rename_key": Kind(erases=True, loses=True, moves=True),
    "null": Kind(erases=True, loses=True),
    "as_text": Kind(),
    "as_list": Kind(erases=True, loses=True),
    "as_object": Kind(erases=True, loses=True),
    "json_full_width": Kind(loses=True),
    "json_footnote": Kind(erases=True, loses=True),
    "json_negative": Kind(mirrors=True, loses=True),
    "json_nan": Kind(erases=True, loses=True),
    "repeat_record": Kind(moves=True),
}
XML_KINDS: dict[str, Kind] = {
    "remove_element": Kind(erases=True, loses=True, moves=True),
    "repeat_element": Kind(moves=True),
    "empty_element": Kind(erases=True, loses=True, moves=True),
    "strip_attributes": Kind(erases=True, loses=True, moves=True),
    "xml_full_width": Kind(moves=True, erases=True, loses=True),
    "xml_footnote": Kind(moves=True, erases=True, loses=True),
}
KINDS = GRID_KINDS | BYTE_KINDS | JSON_KINDS | XML_KINDS


def kinds_of(case: Case) -> list[str]:
    """The kinds of damage that a case can suffer."""
    content = content_of(case)
    found: list[str] = []
    values = list(content.values())
    if any(isinstance(value, Grid) for value in values):
        found += GRID_KINDS
    elif any(isinstance(value, etree._Element) for value in values):
        found += XML_KINDS
    else:
        found += JSON_KINDS
    own = BYTE_KINDS if case.encoding else ("cut", "cut_last", "zeros", "html", "empty")
    # A short row of a sheet is one whose last cells are blank.
    left_out = {*case.exempt, *(["short_row"] if case.label == "workbook" else [])}
    return [kind for kind in [*found, *own] if kind not in left_out]


@dataclass(frozen=True)
class Damage:
    """One thing done to a cut; the numbers choose where."""

    kind: str
    part: int
    at: int
    column: int

    def files(self, case: Case, folder: Path) -> list[Path] | None:
        """The damaged files; None where there is nothing of that kind to damage at that place."""
        content = deepcopy(content_of(case))
        if self.kind not in BYTE_KINDS:
            names = case.parts or tuple(content)
            name = names[self.part % len(names)]
            value = content[name]
            if isinstance(value, Grid):
                done = _damage_grid(value, self)
            elif isinstance(value, etree._Element):
                done = _damage_xml(value, self)
            else:
                done = _damage_json(value, self)
            return case.write(content, folder) if done else None
        paths = case.write(content, folder)
        path = paths[self.part % len(paths)]
        data = _damaged_bytes(path.read_bytes(), self)
        if data is None:
            return None
        path.write_bytes(data)
        return paths


def _damage_grid(table: Grid, damage: Damage) -> bool:
    at, column = damage.at % len(table.rows), damage.column % table.width
    row = table.rows[at]
    match damage.kind:
        case "drop_column":
            for line in (table.header, *table.rows):
                del line[column : column + 1]
        case "rename_column":
            table.header[column] = f"{table.header[column] or ''} (new)"
        case "repeat_column":
            for line in (table.header, *table.rows):
                line.insert(column, line[column] if column < len(line) else "")
        case "move_column":
            for line in (table.header, *table.rows):
                if column < len(line):
                    line.append(line.pop(column))
        case "reverse_columns":
            if any(len(line) != table.width for line in table.rows):
                return False
            for line in (table.header, *table.rows):
                line.reverse()
        case "shift_header":
            table.header.insert(column, "")
            table.header.pop()
        case "blank_header_cell":
            table.header[column] = ""
        case "blank_row":
            table.rows.insert(at, [""] * table.width)
        case "blank_row_above":
            table.above.append([""] * table.width)
        case "repeat_row":
            table.rows.insert(at, list(row))
        case "repeat_header":
            table.rows.insert(at, list(table.header))
        case "drop_row":
            del table.rows[at]
        case "short_row":
            del row[column or 1 :]
        case "long_row":
            row.append("7")
        case "shift_row":
            # A row that has lost its first cells to the right: further right a shift of figures is a row like others.
            row.insert(0, "")
            row.pop()
        case "blank_cell":
            if column >= len(row) or row[column] in (None, ""):
                return False
            row[column] = ""
        case _:
            # A damage to a cell goes to the next cell of the row that it can befall.
            for step in range(len(row)):
                place = (column + step) % len(row)
                changed = damaged_cell(row[place], damage.kind)
                if changed is not None:
                    row[place] = changed
                    return True
            return False
    return True


def damaged_cell(cell: Cell, kind: str) -> str | None:
    """A cell as text with that damage; None where the damage does not fit the cell."""
    if cell in (None, "") or isinstance(cell, bool):
        return None
    day = _as_date(cell)
    text = cell.isoformat()[:10] if isinstance(cell, datetime | date) else str(cell)
    bare = text.strip()
    number = re.fullmatch(r"-?[0-9][0-9,]*(\.[0-9]+)?", bare) is not None
    match kind:
        case "full_width":
            return text.translate(FULL_WIDTH) if re.search("[0-9]", text) else None
        case "footnote":
            return f"{bare} *1)" if number else None
        case "superscript":
            return f"{bare}¹" if number else None
        case "letter_flag":
            return f"{bare} r" if number else None
        case "thousands":
            whole = re.fullmatch(r"[1-9][0-9]{3,14}", bare)
            return f"{int(bare):,}" if whole else None
        case "decimal_comma":
            return bare.replace(".", ",") if re.fullmatch(r"-?[0-9]+\.[0-9]+", bare) else None
        case "negative":
            # A negative exponent of ten, as SDMX has in UNIT_MULT, is not a negative figure.
            return f"-{bare}" if number and len(bare) > 2 and not bare.startswith("-") else None
        case "accounting":
            return f"({bare})" if number and len(bare) > 2 and not bare.startswith("-") else None
        case "not_a_number":
            return "NaN" if number else None
        case "infinite":
            return "inf" if number else None
        case "words":
            return "see note" if number or day else None
        case "exponent":
            return f"{float(bare):.17e}" if re.fullmatch(r"[1-9][0-9]*\.[0-9]+", bare) else None
        case "spaces":
            return f"\u00a0{bare}\u3000" if number or day else None
        case "era_date":
            return era(day) if day else None
    return None


def _as_date(cell: Cell) -> date | None:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    for pattern in _DATES:
        try:
            day = datetime.strptime(str(cell).strip()[:10], pattern).date()
        except ValueError:
            continue
        return day if 1926 < day.year < 2100 else None
    return None


def era(day: date) -> str | None:
    """A day in the Japanese calendar: 令和元年10月1日."""
    for start, name, before in _ERAS:
        if day >= start:
            year = day.year - before
            return f"{name}{'元' if year == 1 else year}年{day.month}月{day.day}日"
    return None


def _damaged_bytes(data: bytes, damage: Damage) -> bytes | None:
    try:
        match damage.kind:
            case "bom":
                return b"\xef\xbb\xbf" + data
            case "utf16":
                return data.decode().encode("utf-16")
            case "cp932":
                return data.decode().encode("cp932")
            case "latin1":
                return data.decode().encode("latin-1")
            case "crlf":
                return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    except UnicodeError:
        return None
    at = (damage.at * 7919 + damage.column * 104_729) % max(len(data), 1)
    match damage.kind:
        case "cut":
            return data[:at]
        case "cut_last":
            return data[: -(1 + at % 12)]
        case "zeros":
            return data[:at] + bytes(16) + data[at + 16 :]
        case "html":
            return b"<!DOCTYPE html><html><body>Service unavailable</body></html>"
    return b""


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*path, name)
        yield from _places(inner, (*path, name))


def _damage_json(value: Any, damage: Damage) -> bool:
    places = list(_places(value))
    for step in range(len(places)):
        path = places[(damage.at * 31 + damage.column + step) % len(places)]
        holder = value
        for name in path[:-1]:
            holder = holder[name]
        name, found = path[-1], holder[path[-1]]
        number = isinstance(found, int | float) and not isinstance(found, bool)
        digits = isinstance(found, str) and re.fullmatch(r"-?[0-9][0-9,.]*", found) is not None
        match damage.kind:
            case "remove_key" if isinstance(holder, dict):
                del holder[name]
                return True
            case "rename_key" if isinstance(holder, dict):
                holder[f"{name}New"] = holder.pop(name)
                return True
            case "null" if found is not None:
                holder[name] = None
                return True
            case "as_text" if number:
                holder[name] = str(found)
                return True
            case "as_list" if not isinstance(found, list):
                holder[name] = [found]
                return True
            case "as_object":
                holder[name] = {"value": found}
                return True
            case "json_full_width" if number or digits:
                holder[name] = str(found).translate(FULL_WIDTH)
                return True
            case "json_footnote" if number or digits:
                holder[name] = f"{found} *1)"
                return True
            case "json_negative" if number and found > 0:
                holder[name] = -found
                return True
            case "json_nan" if number:
                holder[name] = float("nan")
                return True
            case "repeat_record" if isinstance(holder, list) and isinstance(found, dict) and len(holder) > 1:
                # At the end, since SDMX counts the members of a dimension from the front.
                holder.append(deepcopy(found))
                return True
    return False


def _damage_xml(root: Any, damage: Damage) -> bool:
    elements = [element for element in root.iter() if isinstance(element.tag, str)][1:]
    for step in range(len(elements)):
        element = elements[(damage.at * 31 + damage.column + step) % len(elements)]
        parent = element.getparent()
        text = element.text or ""
        match damage.kind:
            case "remove_element":
                parent.remove(element)
                return True
            case "repeat_element":
                parent.insert(parent.index(element), deepcopy(element))
                return True
            case "empty_element" if text.strip():
                element.text = ""
                return True
            case "strip_attributes" if element.attrib:
                element.attrib.clear()
                return True
            case "xml_full_width" if re.search("[0-9]", text):
                element.text = text.translate(FULL_WIDTH)
                return True
            case "xml_footnote" if re.fullmatch(r"\s*[0-9][0-9,.]*\s*", text):
                element.text = f"{text} *1)"
                return True
    return False


# --- what came of it --------------------------------------------------------------------------------------------

_contents: dict[str, Content] = {}


def content_of(case: Case) -> Content:
    """The undamaged cut, made once."""
    if case.id not in _contents:
        _contents[case.id] = case.make()
    return _contents[case.id]


@cache
def _relaxed(code: str) -> Source:
    """The source with gates that let a cut of a file pass: what is gated here is content, not size."""
    source = Source(get(code).folder)
    smaller = tuple(gate.model_copy(update={"min_bytes": 1}) for gate in source.spec.default_files)
    source.spec = source.spec.model_copy(update={"default_files": smaller})
    return source


def outcome(code: str, paths: Sequence[Path]) -> Outcome:
    """Gate, parse and conform files as a live load does; errors of libraries pass through, they are defects."""
    source = _relaxed(code)
    files = [SourceFile(path=path, name=path.name, sha256=sha256_of(path)) for path in paths]
    for file in files:
        gates.check(source.spec, file)
    parsed: Parsed = source.parse(files)
    rows: dict[str, list[dict[str, Any]]] = {}
    set_aside = 0
    counts: Counter[str] = Counter()
    for state in parsed.states:
        tables, rejected, dropped = conform_all(
            source,
            state,
            edition_id="cut",
            published_on=state.published_on or date(2026, 1, 1),
            ingested_at=datetime(2026, 11, 22, tzinfo=UTC),
        )
        set_aside += rejected.height
        counts.update(dropped)
        for name, frame in tables.items():
            rows.setdefault(name, []).extend(frame.drop(LINEAGE).iter_rows(named=True))
    return Outcome(rows, set_aside, counts)


_HARD_TYPES = {"float64", "int64", "date", "boolean", "timestamp"}
# Two states of one publication may be told apart by a date that the damage removed.
_SOFT = {"locator", "published_on", "edition_partition"}


@cache
def hard_columns(table: str) -> tuple[str, ...]:
    """Columns that hold figures, dates, units and codes of closed lists: no damage may change them."""
    return tuple(
        column.name
        for column in lake.contract(table).columns
        if column.name not in {*LINEAGE, *_SOFT} and (column.type in _HARD_TYPES or column.allowed or column.domain)
    )


def _is_derived(row: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a row says of itself that it is computed, in place of a published one of about its value."""
    return row["value_origin"] == "computed" and any(
        old["value"] is not None and abs(row["value"] / old["value"] - 1) < 0.01 for old in before
    )


def _agrees(mine: Any, right: Any, kind: Kind) -> bool:
    if mine == right:
        return True
    if mine is None:
        return kind.erases
    if mine == "unknown":
        return kind.erases or kind.mirrors
    if isinstance(mine, float) and isinstance(right, float):
        # A figure that went through an exponent differs in its last digit.
        same = abs(mine - right) <= 1e-9 * max(abs(right), 1e-9)
        return same or (kind.mirrors and abs(mine + right) <= 1e-9 * abs(right))
    return False


def wrong_rows(right: Outcome, mine: Outcome, damage: Damage, *, is_mean: bool = False) -> list[str]:
    """What is wrong with rows read from a damaged cut, given the rows of the undamaged one; empty if nothing is."""
    kind = KINDS[damage.kind]
    set_aside = mine.sets_aside_more_than(right)
    if set_aside or kind.harmless:
        # What a rejected row would have added to another one is missing there, and the rejection says so.
        kind = replace(kind, erases=True)
    problems: list[str] = []
    lost = 0
    for table in {*right.rows, *mine.rows}:
        before, after = right.rows.get(table, []), mine.rows.get(table, [])
        hard = hard_columns(table)
        moved = kind.moves or kind.harmless
        if kind.harmless:
            columns = tuple(name for name in (before or after)[0] if name not in _SOFT) if before or after else ()
        else:
            columns = hard
        places: dict[Any, list[dict[str, Any]]] = {}
        for row in before:
            places.setdefault(None if moved else row["locator"], []).append(row)
        known = Counter(tuple(row[name] for name in columns) for row in before)
        figures = [Counter(tuple(row[name] for name in hard) for row in rows) for rows in (before, after)]
        lost += sum((figures[0] - figures[1]).values()) if moved else len(before) - len(after)
        for row in after:
            if moved and tuple(row[name] for name in columns) in known:
                continue
            candidates = places.get(None if moved else row["locator"], [])
            # A row that is read from other cells than before is known by its key.
            key = lake.contract(table).key
            candidates = candidates or [old for old in before if all(old[name] == row[name] for name in key)]
            if set_aside and _is_derived(row, candidates):
                continue
            if is_mean and (set_aside or kind.loses) and _is_mean_of_fewer(row, before):
                continue
            if not any(all(_agrees(row[name], old[name], kind) for name in columns) for old in candidates):
                near = min(
                    candidates or before or [row], key=lambda old: sum(old[name] != row[name] for name in columns)
                )
                differing = {name: (near[name], row[name]) for name in columns if near[name] != row[name]}
                problems.append(f"{table} {row['locator']}: {differing or 'a row more'}")
    if lost > 0 and not kind.loses and not set_aside and not KINDS[damage.kind].erases:
        problems.append(f"{lost} rows are gone without a word")
    return problems


def _is_mean_of_fewer(row: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> bool:
    key = lake.contract("reference_rate").key
    return any(
        (row["observation_count"] or 0) <= (old["observation_count"] or 0)
        and abs(row["value"] / old["value"] - 1) < 0.02
        for old in before
        if all(old[name] == row[name] for name in key)
    )


def checked(case: Case, damage: Damage, right: Outcome, folder: Path) -> str | None:
    """Why the parser fails on that damage; None where it gives right rows or a named error."""
    paths = damage.files(case, folder)
    if paths is None:
        return None
    try:
        mine = outcome(case.source, paths)
    except IngestError as error:
        return None if error.file and error.remedy else f"the error does not name the file: {error.text}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    problems = wrong_rows(right, mine, damage, is_mean=case.is_mean)
    return "; ".join(problems[:3]) if problems else None
