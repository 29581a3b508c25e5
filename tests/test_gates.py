from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from ingest import gates
from ingest.errors import GateError
from ingest.load import in_hand
from tests.factories import synthetic_source


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


WORKBOOK = _zip(**{"xl/workbook.xml": b"<workbook/>"})
LONG_ZIP = _zip(table=bytes(range(256)) * 64)
HTML = b"<!DOCTYPE html><html><body>Service unavailable, please come back later</body></html>"

BAD = {
    "empty": ("table.csv", b"", "the file is empty"),
    "too small": ("table.csv", b"a,b\n", "fewer than the 20"),
    "html instead of csv": ("table.csv", HTML, "HTML page, not data"),
    "html instead of workbook": ("book.xlsx", HTML, "HTML page, not data"),
    "html with a byte order mark": ("table.csv", b"\xef\xbb\xbf\r\n" + HTML, "HTML page, not data"),
    "text instead of workbook": ("book.xlsx", b"a,b\n1,2\n", "content is text, not xlsx"),
    "zip that is no workbook": ("book.xlsx", LONG_ZIP, "not an Excel workbook"),
    "truncated zip": ("data.zip", LONG_ZIP[: len(LONG_ZIP) // 2], "cut off or damaged"),
    "zip with a flipped bit": (
        "data.zip",
        LONG_ZIP[:60] + bytes([LONG_ZIP[60] ^ 1]) + LONG_ZIP[61:],
        "damaged|checksum",
    ),
    "zip bomb": ("data.zip", _zip(bomb=b"0" * 20_000_000), "possible bomb"),
    "path traversal": ("data.zip", _zip(**{"../../evil": b"x"}), "unsafe path"),
    "truncated gzip": ("data.gz", gzip.compress(bytes(range(256)) * 64)[:-20], "cut off or damaged"),
    "gzip bomb": ("data.gz", gzip.compress(b"0" * 20_000_000), "possible bomb"),
    "truncated json": ("data.json", b'{"data": [1, 2', "JSON is cut off"),
    "another source's file": ("other.pdf", b"%PDF-1.7 synthetic", "matches no file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused_with_name_and_remedy(case: str, tmp_path: Path) -> None:
    name, content, problem = BAD[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(GateError, match=problem) as caught:
        in_hand(synthetic_source(tmp_path / "sources"), [path])
    assert caught.value.file == name
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("table.csv", b"a,b\n" * 10),
        ("TABLE.CSV", b"a,b\n" * 10),
        ("book.xlsx", WORKBOOK),
        ("data.zip", LONG_ZIP),
        ("data.gz", gzip.compress(bytes(range(256)) * 64)),
        ("data.json", b'\xef\xbb\xbf{"data": [1, 2]}'),
    ],
)
def test_good_file_passes(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert in_hand(synthetic_source(tmp_path / "sources"), [path])[0].name == name


def test_content_decides_and_not_the_name() -> None:
    assert gates.sniff(b"PK\x03\x04") == "zip"
    assert gates.sniff(b"  <html>") == "html"
    assert gates.sniff(b"<?xml version='1.0'?>") == "xml"
    assert gates.sniff("品名,薬価".encode("cp932")) == "text"
