from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import csv_rows
from ingest.csv_rows import even_blocks, require_even_rows
from ingest.errors import LayoutError


def test_rows_of_equal_width_pass_blank_lines_included() -> None:
    require_even_rows(b'\xef\xbb\xbfa,b,\n1,"x,\ny",\n\n2,3,\n', "even.csv")


@pytest.mark.parametrize("skip", [0, 2])
def test_a_short_row_is_named_by_its_line(skip: int) -> None:
    content = b"first\n\n"[: 0 if skip == 0 else None] + b'a,b,c\n1,"two\nlines",3\n4,5\n6,7,8\n'
    with pytest.raises(LayoutError, match=rf"cut\.csv, row {skip + 4}: the line has 2 cells, the header 3"):
        require_even_rows(content, "cut.csv", skip_lines=skip)


def test_an_open_quotation_mark_is_an_error() -> None:
    with pytest.raises(LayoutError, match="cannot be read as CSV"):
        require_even_rows(b'a,b\n"' + b"1,2\n" * 50_000, "open.csv")


_CELLS = st.text(st.sampled_from('ab,"\n é'), max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(_CELLS, min_size=3, max_size=3), min_size=2, max_size=6), st.integers(1, 5))
def test_any_lost_cell_is_found(rows: list[list[str]], at: int) -> None:
    def text(table: list[list[str]]) -> bytes:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
        return stream.getvalue().encode()

    require_even_rows(text(rows), "even.csv")
    broken = [list(row) for row in rows]
    broken[1 + at % (len(rows) - 1)].pop()
    with pytest.raises(LayoutError):
        require_even_rows(text(broken), "broken.csv")


_LINES = st.lists(st.text(st.sampled_from('a,," \r'), max_size=7), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(_LINES, st.sampled_from(["\n", "\r\n"]))
def test_what_counting_commas_calls_even_a_reader_of_csv_calls_even(lines: list[str], end: str) -> None:
    content = "".join(line + end for line in lines).encode()
    if csv_rows._is_plainly_even(content, 0):
        widths = {len(row) for row in csv.reader(io.StringIO(content.decode(), newline=""))} - {0}
        assert len(widths) == 1


def test_counting_tells_what_publishers_send() -> None:
    assert csv_rows._is_plainly_even(b'\xef\xbb\xbfa,b\r\n"x, ""y""",2\r\n\r\n3,"4"\r\n', 0)
    assert csv_rows._is_plainly_even(b"title\n\na,b\n1,2\n", 2)
    for odd in (b"a,b\n1\n", b'a,b\n"1\n2",3\n', b'a,b\n1 "x, y" z,2\n', b"a,b\r1,2\n", b"a,b\n\xff,2,3\n", b""):
        assert not csv_rows._is_plainly_even(odd, 0)


@settings(max_examples=200, deadline=None)
@given(_LINES, st.sampled_from(["\n", "\r\n"]), st.integers(1, 12), st.booleans())
def test_blocks_hold_the_rows_of_the_whole(lines: list[str], end: str, size: int, is_cut: bool) -> None:
    content = "".join(line + end for line in lines).encode()
    content = content[: -len(end)] if is_cut else content

    def rows(block: bytes) -> list[list[str]]:
        return list(csv.reader(io.StringIO(block.decode(), newline="")))

    try:
        require_even_rows(content, "t.csv")
    except LayoutError as error:
        with pytest.raises(LayoutError, match=f"^{re.escape(str(error))}$"):
            list(even_blocks(io.BytesIO(content), "t.csv", size))
        return
    header, *others = [rows(block) for block in even_blocks(io.BytesIO(content), "t.csv", size)]
    assert header + [row for block in others for row in block[1:]] == rows(content)
    assert all(block[:1] == header[:1] for block in others)


def test_an_uneven_row_of_a_later_block_is_named_by_its_line() -> None:
    content = b"a,b\n1,2\n3,4\n5,6\n7\n"
    with pytest.raises(LayoutError, match=r"cut\.csv, row 5: the line has 1 cells, the header 2"):
        list(even_blocks(io.BytesIO(content), "cut.csv", 4))


def test_gzipped_files_are_unpacked_and_measured(tmp_path: Path) -> None:
    for name, content in (("a.csv", b"a,b\n" * 999), ("a.csv.gz", gzip.compress(b"a,b\n" * 999))):
        path = tmp_path / name
        path.write_bytes(content)
        with csv_rows.unpacked(path, name) as stream:
            assert stream.read() == b"a,b\n" * 999
        assert csv_rows.unpacked_size(path) == 3996
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LayoutError, match="cut off"), csv_rows.unpacked(path, name) as stream:
        stream.read()
