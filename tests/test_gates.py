from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from ingest import gates
from ingest.errors import GateError
from ingest.load import in_hand
from ingest.source import FileGate
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
    "json error instead of csv": ("table.csv", b'{"error": "quota exceeded", "code": 429}', "JSON answer, not csv"),
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


# --- against the last edition ---------------------------------------------------------------------------------------


def gate(**changes: object) -> FileGate:
    return FileGate.model_validate({"pattern": "*", "content": "csv", **changes})


@pytest.mark.parametrize(
    ("size", "before", "blocks"),
    [(100, 100, None), (125, 100, None), (126, 100, False), (75, 100, None), (74, 100, False), (49, 100, True)],
)
def test_size_against_the_last_edition(size: int, before: int, blocks: bool | None) -> None:
    finding = gates.compare_size(gate(), "t.csv", size, before)
    assert (finding.blocks if finding else None) == blocks


def test_a_source_declares_what_it_may_lose() -> None:
    tolerant, strict = gate(shrink_blocks=1), gate(shrink_blocks=0.3)
    assert not (gates.compare_size(tolerant, "t", 1, 100) or pytest.fail("no finding")).blocks
    assert (gates.compare_size(strict, "t", 69, 100) or pytest.fail("no finding")).blocks


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        (("a", "b"), ("a", "b"), None),
        (("a", "b", "c"), ("a", "b"), "added 'c'"),
        (("a",), ("a", "b"), "removed 'b'"),
        (("a", "c"), ("a", "b"), "added 'c'; removed 'b'"),
        (("b", "a"), ("a", "b"), "the columns are in another order"),
        (("a", "2024", "2025"), ("a", "2023", "2024"), None),
    ],
)
def test_header_against_the_last_edition(now: tuple[str, ...], before: tuple[str, ...], told: str | None) -> None:
    finding = gates.compare_header(gate(), "t.csv", {"": now}, {"": before})
    assert (finding.problem.split("edition: ")[1] if finding else None) == told


def test_headers_of_tables_archives_and_workbooks(tmp_path: Path) -> None:
    def at(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    assert gates.header_of(at("t.csv", b'\xef\xbb\xbf"a, b",c\r\n1,2\r\n'), "csv") == {"": ("a, b", "c")}
    assert gates.header_of(at("t.tsv", b"a\tb\n1\t2\n"), "tsv") == {"": ("a", "b")}
    assert gates.header_of(at("j.csv", "品名,薬価\n".encode("cp932")), "csv") == {"": ("品名", "薬価")}
    assert gates.header_of(at("u.csv", "a\tb\n".encode("utf-16")), "csv") == {"": ("a", "b")}
    assert gates.header_of(at("g.gz", gzip.compress(b"a|b\n")), "gzip") == {"": ("a", "b")}
    packed = _zip(**{"data_2024.csv": b"x,y\n1,2\n", "readme.md": b"# no table"})
    assert gates.header_of(at("z.zip", packed), "zip") == {"data_#.csv": ("x", "y")}
    assert gates.header_of(at("d.json", b"{}"), "json") == {}
    assert gates.header_of(at("broken.xlsx", b"PK"), "xlsx") == {}
    with xlsxwriter.Workbook(tmp_path / "b.xlsx") as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate(
            (["A note of 2019"], [], ["Group", "", "2024"], ["x", "y", "z"], ["p", "q", 3.5])
        ):
            sheet.write_row(row, 0, cells)
    assert gates.header_of(tmp_path / "b.xlsx", "xlsx") == {"": ("Group", "2024", "x", "y", "z")}


@pytest.mark.parametrize(
    ("partition", "known", "missing"),
    [
        ("FY2021", {"FY2019", "FY2018"}, "FY2020 is missing"),
        ("FY2020", {"FY2019"}, None),
        ("FY2016", {"FY2014", "FY2019"}, None),
        ("2025q2", {"2024q3"}, "2024q4, 2025q1 are missing"),
        ("2025q1", {"2024q4"}, None),
        ("2025-03", {"2025-01"}, "2025-02 is missing"),
        ("import-2024", {"export-2020"}, None),
        ("all", {"FY2019"}, None),
        ("list-2025-07-16", {"list-2019-10-01"}, None),
        ("FY2019", set(), None),
    ],
)
def test_continuity_of_partitions(partition: str, known: set[str], missing: str | None) -> None:
    finding = gates.continuity(partition, known)
    if missing is None:
        assert finding is None
    else:
        assert finding and missing in finding.problem and not finding.blocks


def test_names_that_carry_a_date_are_compared_without_it() -> None:
    assert gates.comparable_name(gate(), "List_2025-03.csv") == "list_2025-03.csv"
    assert gates.comparable_name(gate(dated_names=True), "List_2025-03.csv") == "list_#-#.csv"
