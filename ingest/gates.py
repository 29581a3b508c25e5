"""Gates before parsing: a file must be what its source says it is, judged by content and not by name.

:func:`check` judges a file by itself. :func:`compare`, :func:`continuity` and :func:`kept` judge it against what came
before: size, header, partitions, and the parts of a partition that it would replace. What they find is a warning that
the edition's record keeps, or blocks the edition; a person who has looked may accept what blocks.
"""

from __future__ import annotations

import csv
import fnmatch
import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fastexcel

from ingest.errors import GateError
from ingest.source import Content, FileGate, SourceFile, SourceSpec

_HEAD = 4096
_ZIP_MAGIC = b"PK\x03\x04"
_GZIP_MAGIC = b"\x1f\x8b"
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAX_RATIO = 200
_MAX_UNPACKED = 8_000_000_000
_MAX_ENTRIES = 100_000
# A size that differs by more than this share from the last edition's is worth a look.
SIZE_WARNS = 0.25
_HEADER_BYTES = 1 << 16
_HEADER_ROWS = 15
_HEADER_MEMBERS = 20
_TABLE_SUFFIXES = (".csv", ".txt", ".tsv", ".tab")
_ACCEPT = "If the new file is right, load it with --accept-changes."

Header = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Finding:
    """What a gate noticed against the last edition; `blocks` where the edition must not be loaded unseen."""

    gate: Literal["size", "header", "continuity", "kept", "clock"]
    problem: str
    remedy: str
    file: str | None = None
    blocks: bool = False

    @property
    def text(self) -> str:
        """One line for the edition's record."""
        return f"{self.gate}: {self.file + ': ' if self.file else ''}{self.problem}"

    def error(self) -> GateError:
        """The finding as the error that stops the load."""
        return GateError(self.problem, file=self.file, remedy=self.remedy)


def check(spec: SourceSpec, file: SourceFile) -> None:
    """Raise GateError unless the file passes its gate.

    A file whose name matches no gate of the source is refused too: it is probably another source's.
    """
    gate = gate_for(spec, file.name)
    size = file.path.stat().st_size
    if size == 0:
        raise GateError("the file is empty", file=file.name, remedy="Fetch it again.")
    with file.path.open("rb") as stream:
        head = stream.read(_HEAD)
    found = sniff(head)
    if found == "html" and gate.content != "html":
        raise GateError(
            "the file is an HTML page, not data",
            file=file.name,
            remedy="The server sent an error or landing page: fetch the file again or check its address.",
        )
    if size < gate.min_bytes:
        raise GateError(
            f"the file has {size:,} bytes, fewer than the {gate.min_bytes:,} that a complete one has",
            file=file.name,
            remedy="It is probably cut off or an error page: fetch it again.",
        )
    if size > gate.max_bytes:
        raise GateError(
            f"the file has {size:,} bytes, more than the {gate.max_bytes:,} allowed",
            file=file.name,
            remedy="Check that it is the right file; raise max_bytes in source.yml if it is.",
        )
    _check_content(gate.content, found, file)


def gate_for(spec: SourceSpec, name: str) -> FileGate:
    """The gate of a file by its name; raises GateError where none matches."""
    for gate in spec.default_files:
        if fnmatch.fnmatch(name.lower(), gate.pattern.lower()):
            return gate
    patterns = ", ".join(gate.pattern for gate in spec.default_files) or "none"
    raise GateError(
        f"the name matches no file of source {spec.code} (expected: {patterns})",
        file=name,
        remedy="Check the source code, or give the file the publisher's name.",
    )


def comparable_name(gate: FileGate, name: str) -> str:
    """The name by which a file is found again in the last edition: without digits where they tell the edition."""
    return re.sub(r"[0-9]+", "#", name.lower()) if gate.dated_names else name.lower()


def compare(spec: SourceSpec, name: str, path: Path, before: Path) -> list[Finding]:
    """What a file's size and header say against the same file of the last edition."""
    gate = gate_for(spec, name)
    found = [
        compare_size(gate, name, path.stat().st_size, before.stat().st_size),
        compare_header(gate, name, header_of(path, gate.content), header_of(before, gate.content)),
    ]
    return [finding for finding in found if finding]


def compare_size(gate: FileGate, name: str, size: int, before: int) -> Finding | None:
    """A finding where a file has shrunk or grown by more than a quarter; it blocks beyond `shrink_blocks`."""
    change = size / max(before, 1) - 1
    if abs(change) <= SIZE_WARNS:
        return None
    blocks = -change > gate.shrink_blocks
    return Finding(
        "size",
        f"the file has {size:,} bytes, {abs(change):.0%} {'fewer' if change < 0 else 'more'} than the last edition's "
        f"{before:,}",
        f"It may be cut off, or the publisher has changed its extent: compare it with the publisher's. {_ACCEPT}",
        name,
        blocks,
    )


def header_of(path: Path, content: Content) -> Header:
    """Column names of a file, by member or sheet: the first line of text, the rows above the data of a first sheet.

    Empty for kinds of files that have no header, and for a workbook that cannot be read (its parser says why).
    """
    if content in ("csv", "tsv", "text"):
        with path.open("rb") as stream:
            return {"": _first_line(stream.read(_HEADER_BYTES))}
    if content == "gzip":
        with gzip.open(path) as stream:
            return {"": _first_line(stream.read(_HEADER_BYTES))}
    if content == "zip":
        with zipfile.ZipFile(path) as archive:
            tables = [name for name in archive.namelist() if name.lower().endswith(_TABLE_SUFFIXES)]
            heads = {}
            for name in sorted(tables)[:_HEADER_MEMBERS]:
                with archive.open(name) as member:
                    heads[re.sub(r"[0-9]+", "#", name)] = _first_line(member.read(_HEADER_BYTES))
            return heads
    if content in ("xlsx", "xls"):
        return _sheet_header(path)
    return {}


def compare_header(gate: FileGate, name: str, now: Header, before: Header) -> Finding | None:
    """A finding that names added and removed columns; it blocks where `source.yml` pins the header.

    A further year among columns that are years is data and no change.
    """
    added: list[str] = []
    removed: list[str] = []
    moved = False
    for part in sorted(set(now) & set(before)):
        new, old = now[part], before[part]
        added += [column for column in new if column not in old and not _is_year(column)]
        removed += [column for column in old if column not in new and not _is_year(column)]
        kept_now, kept_before = ([c for c in columns if c in new and c in old] for columns in (new, old))
        moved |= kept_now != kept_before
    if not (added or removed or moved):
        return None
    told = [
        f"{word} {', '.join(repr(column[:60]) for column in columns[:10])}"
        + (f" and {len(columns) - 10} more" if len(columns) > 10 else "")
        for word, columns in (("added", added), ("removed", removed))
        if columns
    ]
    return Finding(
        "header",
        f"the header has changed since the last edition: {'; '.join(told) or 'the columns are in another order'}",
        f"Compare the layout with the parser before the figures are used. {_ACCEPT}",
        name,
        gate.pinned_header,
    )


def continuity(partition: str, known: Iterable[str]) -> Finding | None:
    """A finding where a new partition leaves a gap after the last one of its kind (years, quarters or months)."""
    here = _period(partition)
    if here is None:
        return None
    kind, index = here
    others = [period[1] for name in known if (period := _period(name)) and period[0] == kind]
    if not others or index <= max(others) + 1:
        return None
    missing = [_period_name(kind, number) for number in range(max(others) + 1, index)]
    return Finding(
        "continuity",
        f"between the last edition and {partition} {_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing",
        "Fetch or load what is missing, if the publisher has it.",
    )


def kept(partition: str, missing: Mapping[str, Iterable[str]]) -> Finding | None:
    """A finding that blocks where an edition would replace its partition without parts that the partition has.

    `missing` maps each part that is gone to the files of the present edition that hold it.
    """
    if not missing:
        return None
    files = sorted({file for names in missing.values() for file in names})
    return Finding(
        "kept",
        f"the edition would replace {partition} without {_listed(sorted(missing))}, which the present edition has "
        f"(in {', '.join(files)})",
        "Load all files of the partition together. If the publisher has withdrawn the rest, load with "
        "--accept-changes.",
        blocks=True,
    )


def _first_line(head: bytes) -> tuple[str, ...]:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head.decode("utf-16", errors="replace")
    else:
        try:
            text = head.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            # A cut in the middle of a character is no other encoding.
            text = head.decode("utf-8-sig" if error.start > len(head) - 4 else "cp932", errors="replace")
    line = next((line for line in text.splitlines() if line.strip()), "")
    separator = max("\t,;|~", key=line.count)
    return tuple(cell.strip() for cell in next(csv.reader([line], delimiter=separator), []))


def _sheet_header(path: Path) -> Header:
    """Cells above the first row that holds numbers, of rows with two cells or more (one is a title or note)."""
    try:
        workbook = fastexcel.read_excel(path)
        rows = workbook.load_sheet(0, header_row=None, n_rows=_HEADER_ROWS, dtypes="string").to_polars().rows()
    except fastexcel.FastExcelError:
        return {}
    cells: list[str] = []
    for row in rows:
        filled = [" ".join(str(cell).split()) for cell in row if cell is not None and str(cell).strip()]
        if len(filled) < 2:
            continue
        if any(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", cell) and not _is_year(cell) for cell in filled):
            break
        cells += filled
    return {"": tuple(dict.fromkeys(cells))}


def _is_year(column: str) -> bool:
    return re.fullmatch(r"(19|20)[0-9]{2}", column.strip()) is not None


def _period(partition: str) -> tuple[tuple[str, str], int] | None:
    """What a partition's name says of its period: its kind (prefix and unit) and a running number."""
    if match := re.fullmatch(r"(.*?)(\d{4})-?[qQ]([1-4])", partition):
        return (match[1], "quarter"), int(match[2]) * 4 + int(match[3]) - 1
    if match := re.fullmatch(r"(.*?)(\d{4})-(0[1-9]|1[0-2])", partition):
        return (match[1], "month"), int(match[2]) * 12 + int(match[3]) - 1
    if match := re.fullmatch(r"(.*?)((?:19|20)\d{2})", partition):
        return (match[1], "year"), int(match[2])
    return None


def _period_name(kind: tuple[str, str], number: int) -> str:
    prefix, unit = kind
    match unit:
        case "quarter":
            return f"{prefix}{number // 4}q{number % 4 + 1}"
        case "month":
            return f"{prefix}{number // 12}-{number % 12 + 1:02}"
        case _:
            return f"{prefix}{number}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def sniff(head: bytes) -> str:
    """Kind of content by its first bytes: zip, gzip, ole, pdf, html, xml, json or text."""
    if head.startswith(_ZIP_MAGIC):
        return "zip"
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    if head.startswith(_OLE_MAGIC):
        return "ole"
    if head.startswith(b"%PDF"):
        return "pdf"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "html"
    if text.startswith(b"<"):
        return "xml"
    if text.startswith((b"{", b"[")):
        return "json"
    return "text"


def _check_content(expected: Content, found: str, file: SourceFile) -> None:
    accepts: dict[str, set[str]] = {
        "xlsx": {"zip"},
        "xls": {"ole"},
        "zip": {"zip"},
        "gzip": {"gzip"},
        "csv": {"text", "json"},
        "tsv": {"text", "json"},
        "text": {"text", "json"},
        "json": {"json"},
        "xml": {"xml"},
        "html": {"html", "xml"},
        "pdf": {"pdf"},
    }
    if found not in accepts[expected]:
        raise GateError(
            f"the content is {found}, not {expected}",
            file=file.name,
            remedy="Fetch the file again; if the publisher changed the format, the parser must follow.",
        )
    if found == "json" and expected in ("csv", "tsv", "text") and (message := _json_message(file.path)):
        raise GateError(
            f"the content is a JSON answer, not {expected}: {message}",
            file=file.name,
            remedy="The server sent an error with the status of success: read it, and fetch the file again.",
        )
    if found == "zip":
        _check_zip(file)
        if expected == "xlsx" and not _has_member(file.path, "xl/workbook.xml"):
            raise GateError(
                "the zip archive is not an Excel workbook",
                file=file.name,
                remedy="Fetch the workbook itself.",
            )
    elif found == "gzip":
        _check_gzip(file)
    elif expected == "json":
        try:
            json.loads(file.path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise GateError(
                f"the JSON is cut off or malformed ({error})", file=file.name, remedy="Fetch it again."
            ) from error


def _json_message(path: Path) -> str | None:
    """The beginning of a small file that is JSON as a whole; None for a table that only begins like one."""
    if path.stat().st_size > _HEADER_BYTES:
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return " ".join(text.split())[:200]


def _has_member(path: Path, member: str) -> bool:
    with zipfile.ZipFile(path) as archive:
        return member in archive.namelist()


def _check_zip(file: SourceFile) -> None:
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            packed = sum(entry.compress_size for entry in entries) or 1
            if len(entries) > _MAX_ENTRIES or unpacked > _MAX_UNPACKED or unpacked / packed > _MAX_RATIO:
                raise GateError(
                    f"the archive would unpack to {unpacked:,} bytes in {len(entries):,} entries, "
                    f"{unpacked / packed:.0f} times its size",
                    file=file.name,
                    remedy="Refused as a possible bomb: check where the file came from.",
                )
            unsafe = [
                entry.filename
                for entry in entries
                if entry.filename.startswith(("/", "\\")) or ".." in Path(entry.filename).parts
            ]
            if unsafe:
                raise GateError(
                    f"the archive holds the unsafe path {unsafe[0]!r}",
                    file=file.name,
                    remedy="Refused: check where the file came from.",
                )
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise GateError(
            f"the zip archive is cut off or damaged ({error})", file=file.name, remedy="Fetch it again."
        ) from error
    if damaged:
        raise GateError(
            f"member {damaged!r} of the zip archive fails its checksum",
            file=file.name,
            remedy="Fetch it again.",
        )


def _check_gzip(file: SourceFile) -> None:
    limit = max(_MAX_RATIO * file.path.stat().st_size, 1 << 20)
    total = 0
    try:
        with gzip.open(file.path) as stream:
            while chunk := stream.read(1 << 20):
                total += len(chunk)
                if total > min(limit, _MAX_UNPACKED):
                    raise GateError(
                        f"the gzip file unpacks to more than {_MAX_RATIO} times its size",
                        file=file.name,
                        remedy="Refused as a possible bomb: check where the file came from.",
                    )
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GateError(
            f"the gzip file is cut off or damaged ({error})", file=file.name, remedy="Fetch it again."
        ) from error
