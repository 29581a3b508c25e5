"""Bytes of the corpus: small sound documents of a few sources, and what is done to them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import xlsxwriter

from ingest.source import get

Rows = list[list[str]]
CURRENCIES = ["USD", "JPY", "GBP", "CHF", "CNY", "KRW", "DKK", "SEK", "AUD", "CAD", "INR"]
_EPOCH = (2020, 1, 1, 0, 0, 0)


# --- sound documents --------------------------------------------------------------------------------------------


def rates() -> Rows:
    """Two weeks of synthetic reference rates in the ECB's layout, newest first, a comma at the end of each line."""
    days = [date(2020, 1, 6) + timedelta(days=n) for n in range(12) if n % 7 < 5]
    body = [
        [day.isoformat(), *[f"{1 + n / 100 + at:.4f}" for at in range(len(CURRENCIES))], ""]
        for n, day in enumerate(days)
    ]
    return [["Date", *CURRENCIES, ""], *reversed(body)]


def shares() -> Rows:
    """Synthetic R&D shares in the World Bank's layout, as long as a whole table."""
    areas = ["JPN", "USA", "DEU", "FRA", "GBR", "CHN", "KOR", "ITA", "CAN", "ESP", "SWE", "NOR", "FIN", "DNK", "NLD"]
    years = [str(year) for year in range(1960, 2024)]
    head = [["Data Source", "World Development Indicators", ""], [], ["Last Updated Date", "2024-05-01", ""], []]
    header = ["Country Name", "Country Code", "Indicator Name", "Indicator Code", *years, ""]
    body = [
        [
            f"Synthetic {area}",
            area,
            "Research and development expenditure (% of GDP)",
            "GB.XPD.RSDV.GD.ZS",
            *[f"{1 + at / 10 + n / 1000:.17f}" for n in range(len(years))],
            "",
        ]
        for at, area in enumerate(areas)
    ]
    return [*head, header, *body]


def claims() -> Rows:
    """The curated statements of the project itself."""
    text = (get("policy_claims").edition_dir / "claim.csv").read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text)))


def events() -> Rows:
    """The curated events of the project itself."""
    text = (get("policy_events").edition_dir / "policy_event.csv").read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text)))


def trade() -> Rows:
    """Synthetic trade in the layout of BACI."""
    return [
        ["t", "i", "j", "k", "v", "q"],
        *[["2020", "392", "842", f"3002{n:02}", f"{n}.5", "1.000"] for n in (12, 13, 14, 15, 41, 49)],
    ]


# --- writing ----------------------------------------------------------------------------------------------------


def text(rows: Rows, *, quote: bool = False, newline: str = "\n") -> str:
    """Rows as CSV."""
    stream = io.StringIO(newline="")
    rule = csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL
    csv.writer(stream, lineterminator=newline, quoting=rule).writerows(rows)
    return stream.getvalue()


def zipped(*members: tuple[str, bytes], comment: bytes = b"") -> bytes:
    """A zip archive that is the same every time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
        archive.comment = comment
    return stream.getvalue()


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not compress, the same every time."""
    out = bytearray()
    state = seed
    while len(out) < size:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out += state.to_bytes(8, "little")
    return bytes(out[:size])


def workbook(sheets: dict[str, Sequence[Sequence[Any]]], *, padding: int = 0) -> bytes:
    """A workbook; a text that begins with = is a formula. Padding makes it as large as a publisher's."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        # Otherwise the second in which it was made is written into it.
        book.set_properties({"created": datetime(*_EPOCH, tzinfo=UTC)})
        for name, lines in sheets.items():
            sheet = book.add_worksheet(name)
            for at, line in enumerate(lines):
                sheet.write_row(at, 0, line)
    if not padding:
        return stream.getvalue()
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(zipfile.ZipInfo("docProps/padding.bin", _EPOCH), noise(padding))
    return stream.getvalue()


def flipped(content: bytes, at: int) -> bytes:
    """The content with one byte changed."""
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


def gz(content: bytes) -> bytes:
    """Gzip that is the same every time."""
    return gzip.compress(content, mtime=0)


def bomb_zip(name: str) -> bytes:
    """An archive of a few kilobytes that unpacks to fifty megabytes."""
    return zipped((name, b"0," * 25_000_000))


def bomb_gzip() -> bytes:
    """A gzip file of a few kilobytes that unpacks to fifty megabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(b"0," * 25_000_000) + packer.flush()


# --- changes ----------------------------------------------------------------------------------------------------


def cell(rows: Rows, row: int, column: int | str, value: str, header: int = 0) -> Rows:
    """The rows with another value in a cell."""
    at = rows[header].index(column) if isinstance(column, str) else column
    return [line if n != row else [*line[:at], value, *line[at + 1 :]] for n, line in enumerate(rows)]


def without(rows: Rows, column: str, header: int = 0) -> Rows:
    """The rows without a column; lines above the header stay."""
    at = rows[header].index(column)
    return [line if n < header else [*line[:at], *line[at + 1 :]] for n, line in enumerate(rows)]


def again(rows: Rows, row: int) -> Rows:
    """The rows with one of them twice."""
    return [*rows[: row + 1], rows[row], *rows[row + 1 :]]


def utf8(rows: Rows, **options: Any) -> bytes:
    """Rows as UTF-8 CSV."""
    return text(rows, **options).encode()


def as_json(value: Any) -> bytes:
    """A value as JSON."""
    return json.dumps(value).encode()


HTML = (
    b"<!DOCTYPE html><html><head><title>503</title></head><body>"
    + b"<p>Service unavailable</p>" * 4000
    + b"</body></html>"
)
Build = Callable[[], bytes]
