from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.csv_rows import require_even_rows
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
