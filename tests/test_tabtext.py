from __future__ import annotations

import re
import tempfile
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.archive import sha256_of
from ingest.errors import LayoutError
from ingest.source import SourceFile
from ingest.tabtext import decode, open_text, read_table, read_tables

CELL = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=("Cs", "Cc")), max_size=8)


def in_hand(path: Path) -> SourceFile:
    return SourceFile(path=path, name=path.name, sha256=sha256_of(path))


def zipped(path: Path, **members: str) -> SourceFile:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "."), date_time=(2025, 7, 25, 8, 0, 0)), text)
    return in_hand(path)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=8))
def test_every_line_is_read_or_named_and_none_shifts_another(lines: list[list[str]]) -> None:
    text = "A\tB\tC\r\n" + "\r\n".join("\t".join(line) for line in lines)
    held = [line for line in lines if "".join(line).strip()]
    if not held:
        with pytest.raises(LayoutError, match="no row"):
            read_table(text.encode(), ("A", "B", "C"), "table.txt")
        return
    table = read_table(text.encode(), ("A", "B", "C"), "table.txt")
    fitting = [line for line in held if len(line) == 3 or (len(line) == 4 and not line[3])]
    assert table.rows_read == len(held)
    assert table.rows.height + table.ragged.height == len(held)
    expected = [tuple(cell.strip() or None for cell in line[:3]) for line in fitting]
    got = table.rows.select("A", "B", "C").rows()
    assert [[c or None for c in row] for row in got] == [[c or None for c in row] for row in expected]
    numbers = sorted([*table.rows["line"].to_list(), *table.ragged["line"].to_list()])
    assert numbers == [2 + i for i, line in enumerate(lines) if "".join(line).strip()]


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("AB\t\t\n\n\r \xe9\u20ac"), max_size=40),
    st.integers(1, 12),
    st.sampled_from(["utf-8", "cp1252"]),
)
def test_blocks_hold_the_lines_of_the_whole(text: str, size: int, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.txt"
        path.write_bytes(f"A\tB\n{text}".encode(encoding))
        file = open_text(in_hand(path), "t.txt")
        content = file.read()
        assert content.decode() == f"A\tB\n{text}"
        try:
            whole = read_table(content, ("A", "B"), "t.txt")
        except LayoutError as error:
            with pytest.raises(LayoutError, match=f"^{re.escape(str(error))}$"):
                list(read_tables(file.blocks(size), ("A", "B"), "t.txt"))
            return
        parts = list(read_tables(file.blocks(size), ("A", "B"), "t.txt"))
    assert sum(part.rows_read for part in parts) == whole.rows_read
    assert pl.concat(part.rows for part in parts).equals(whole.rows)
    assert pl.concat(part.ragged for part in parts).equals(whole.ragged)


def test_the_encoding_is_that_of_the_whole_text(tmp_path: Path) -> None:
    # The first letters would be UTF-8 if the last were not.
    (tmp_path / "t.txt").write_bytes(b"A\n\xc2\xae\n\xe4\n")
    file = open_text(in_hand(tmp_path / "t.txt"), "t.txt")
    assert b"".join(file.blocks(1)).decode() == file.read().decode() == "A\n\xc2\xae\n\xe4\n"
    # A mark of byte order is one at the beginning only.
    (tmp_path / "t.txt").write_bytes("\ufeffA\n\ufeff\xe4\n".encode())
    file = open_text(in_hand(tmp_path / "t.txt"), "t.txt")
    assert b"".join(file.blocks(1)).decode() == file.read().decode() == "A\n\ufeff\xe4\n"
    for last in (b"\x00", b"\x81\xe4"):
        (tmp_path / "t.txt").write_bytes(b"A\n\xc2\xae\n" + last)
        with pytest.raises(LayoutError, match=r"zero bytes|neither"):
            list(open_text(in_hand(tmp_path / "t.txt"), "t.txt").blocks(1))


def test_lines_without_a_text_are_counted_and_make_no_row() -> None:
    table = read_table(b"A\tB\n1\tx\n2\ty\n3\n4\t x\n", ("A", "B"), "t.txt", holding="x")
    assert table.rows.rows() == [(2, "1", "x"), (5, "4", "x")]
    assert (table.rows_read, table.ragged["line"].to_list()) == (4, [4])


def test_columns_are_taken_by_name() -> None:
    table = read_table(b" B\tA\n2\t1\t\n", ("A", "B"), "t.txt")
    assert table.rows.rows() == [(2, "1", "2")]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("A\tX", "lacks B and has the unknown X"),
        ("A\tB\tX", "has the unknown X"),
        ("A", "lacks B"),
        ("A\tB\tB", "repeats a column"),
        ("A\tjane@example.org Doe", r"\(no column name\)"),
    ],
)
def test_another_header_is_an_error(header: str, problem: str) -> None:
    with pytest.raises(LayoutError, match=rf"^t\.txt, row 1: the header .*{problem}") as caught:
        read_table(f"{header}\n1\t2\n".encode(), ("A", "B"), "t.txt")
    assert "jane" not in caught.value.text


def test_an_empty_text_is_an_error() -> None:
    with pytest.raises(LayoutError, match="lacks A"):
        read_table(b"", ("A",), "t.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "iso8859-1"])
def test_encodings_of_agencies_are_read(encoding: str) -> None:
    assert decode("Porriño, Gmünd".encode(encoding), "t.txt") == "Porriño, Gmünd"


@pytest.mark.parametrize("data", ["Porriño".encode("utf-16"), "Porriño".encode("utf-16-le"), b"Porri\x81o"])
def test_other_encodings_are_an_error(data: bytes) -> None:
    with pytest.raises(LayoutError, match=r"UTF-16|neither"):
        decode(data, "t.txt")


def test_a_zip_gives_the_day_of_its_entry(tmp_path: Path) -> None:
    content = open_text(
        zipped(tmp_path / "list_2001-01-01.zip", drls_reg__txt="A", drls_reg__xls="A"), "drls_reg.txt"
    )
    assert (content.member, content.dated) == ("drls_reg.txt", date(2025, 7, 25))


def test_a_zip_without_the_entry_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"0 entries named drls_reg.txt.*it holds other.txt"):
        open_text(zipped(tmp_path / "a.zip", other__txt="A"), "drls_reg.txt")


def test_a_plain_text_gives_the_day_in_its_name(tmp_path: Path) -> None:
    for name, dated in (("t_2018-06-25.txt", date(2018, 6, 25)), ("t.txt", None), ("t_2018-13-45.txt", None)):
        (tmp_path / name).write_text("A")
        assert open_text(in_hand(tmp_path / name), "t.txt").dated == dated


def test_a_damaged_container_is_an_error(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.zip", t__txt="A\tB\n" * 500).path.read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00")
    for name in ("cut.zip", "cut.gz"):
        with pytest.raises(LayoutError, match="cut off or damaged"):
            open_text(in_hand(tmp_path / name), "t.txt").read()
