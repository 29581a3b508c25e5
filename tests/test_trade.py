from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from ingest import trade
from ingest.errors import LayoutError
from ingest.source import SourceFile


def test_cells_are_text_with_their_line_and_without_outer_blanks() -> None:
    frame = trade.read_csv(b"code,name\n004,  Japan \n\n, \n", "t.csv")
    assert frame.rows() == [(2, "004", "Japan"), (3, None, None), (4, None, None)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a,b\n1,2\n3\n", "the line has 1 cells, the header 2"),
        (b"a,a\n1,2\n", "repeats a column"),
        ("a,b\n1,é\n".encode("latin-1"), "cannot be read as CSV"),
        (b"", "cannot be read as CSV"),
    ],
)
def test_what_is_no_table_is_a_named_error(content: bytes, problem: str) -> None:
    with pytest.raises(LayoutError, match=problem):
        trade.read_csv(content, "t.csv")


def test_columns_are_compared_as_a_set() -> None:
    frame = trade.read_csv(b"a,b\n1,2\n", "t.csv")
    trade.require_columns(frame, ["b", "a"], "t.csv")
    with pytest.raises(LayoutError, match="lacks c and has the unknown b"):
        trade.require_columns(frame, ["a", "c"], "t.csv")


def test_a_file_is_read_in_blocks_and_a_cut_one_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\xef\xbb\xbfa,b\n" + b"".join(b"%d, x \n" % number for number in range(99)) + b'"9\n9",\n\n,1'
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(content))
    file = SourceFile(path=path, name=path.name, sha256="0" * 64)
    (whole,) = trade.read_blocks(file)
    assert whole.equals(trade.read_csv(content, "t.csv")) and whole.height == 102
    monkeypatch.setattr(trade, "BLOCK", 100)
    blocks = list(trade.read_blocks(file))
    assert len(blocks) > 5 and pl.concat(blocks).equals(whole)
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(LayoutError, match="cut off"):
        list(trade.read_blocks(file))


def test_areas_are_looked_up_and_unknown_ones_left_empty() -> None:
    frame = pl.DataFrame({"partner": ["490", "0", "97", "9999"]})
    found = trade.with_area(frame, "partner", "comtrade_area").collect()
    assert found["partner_iso3"].to_list() == ["TWN", "WLD", None, None]
    assert found["partner_kind"].to_list() == ["country", "world", "group", None]
    mof = trade.with_area(pl.DataFrame({"country": ["106"]}), "country", "mof_area").collect()
    assert mof.rows() == [("106", "TWN", "country")]


def test_numbers_and_what_is_none() -> None:
    frame = pl.DataFrame({"value": ["1.5", None, "１", "2 *"]})
    assert frame.select(trade.number("value"))["value"].to_list() == [1.5, None, None, None]
    assert frame.select(bad=trade.unreadable("value"))["bad"].to_list() == [False, False, True, True]


def test_reasons_are_joined() -> None:
    frame = pl.DataFrame({"code": ["x", None, "004"]})
    wrong = trade.unmapped("code", pl.col("code") != "004", "is unknown")
    missing = trade.unmapped("code", pl.col("code").is_null(), "is missing")
    assert frame.select(r=trade.reasons(wrong, missing))["r"].to_list() == [
        "code x is unknown",
        "code (empty) is missing",
        None,
    ]
