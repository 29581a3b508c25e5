"""Exported files hold the mart's rows and say what they are; no text of theirs is run as a formula."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from orchestration import export, reader
from orchestration.errors import RunError
from tests.built import Home
from tests.orchestration.conftest import Outcome

MART = "mart_policy_claim_check"
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.fixture
def release(built: Home) -> Path:
    return reader.current_dir(built.settings)


def rows(built: Home) -> int:
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        return int(connection.execute(f"select count(*) from {MART}").fetchall()[0][0])


def test_csv_and_what_it_is(release: Path, built: Home, tmp_path: Path) -> None:
    made = export.export(release, MART, "csv", tmp_path / "new" / "claims.csv")
    frame = pl.read_csv(made.path)
    assert frame.height == made.row_count == rows(built)
    assert made.about is not None
    about = json.loads(made.about.read_text())
    assert [column["column_name"] for column in about["columns"]] == frame.columns
    assert about["release"] == "0001"
    assert "policy_claims" in {source["source_code"] for source in about["sources"]}
    assert all(source["licence_name"] for source in about["sources"])
    named = set(frame["definition_ids"].drop_nulls().str.split(",").explode())
    assert named == {definition["definition_id"] for definition in about["definitions"]}
    assert all(definition["sentence"] for definition in about["definitions"])
    assert len(about["release_fingerprint"]) == 64


def test_workbook_opens_and_has_no_formula(release: Path, built: Home, tmp_path: Path) -> None:
    made = export.export(release, MART, "xlsx", tmp_path / "claims.xlsx")
    book = openpyxl.load_workbook(made.path)
    assert book.sheetnames == ["data", "columns", "definitions", "sources", "about"]
    assert book["data"].max_row == rows(built) + 1
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds


def test_parquet_is_exact(release: Path, tmp_path: Path) -> None:
    made = export.export(release, MART, "parquet", tmp_path / "claims.parquet")
    published = pl.read_parquet(release / "parquet" / f"{MART}.parquet")
    assert_frame_equal(pl.read_parquet(made.path), published, check_row_order=False)
    assert made.about is not None
    assert json.loads(pl.read_parquet_metadata(made.path)["about"]) == json.loads(made.about.read_text())


def test_any_published_table_and_none_other(release: Path, tmp_path: Path) -> None:
    assert export.export(release, "catalog.sources", "csv", tmp_path / "s.csv").row_count > 30
    for name in ("nothing", "main.x", 'marts"; drop table x; --'):
        with pytest.raises(RunError, match="there is no table"):
            export.export(release, name, "csv", tmp_path / "x.csv")


@given(st.lists(st.text(max_size=8), min_size=1, max_size=20))
def test_no_text_in_csv_begins_a_formula(texts: list[str]) -> None:
    frame = pl.DataFrame({"text": texts, "number": [-1.5] * len(texts)})
    written = export.neutral(frame)
    assert not any(text.startswith(DANGEROUS) for text in written["text"])
    assert written["number"].to_list() == frame["number"].to_list()
    expected = [f"'{text}" if text.startswith(DANGEROUS) else text for text in texts]
    assert written["text"].to_list() == expected


def test_a_formula_in_a_workbook_is_text(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["=1+1", "http://example.org", "+5"], "number": [1, 2, 3]})
    empty = pl.DataFrame({"a": ["x"]})
    about: dict[str, object] = dict.fromkeys(
        ("table", "description", "release", "release_made", "release_fingerprint"), "=2"
    )
    export._write_workbook(frame, {"columns": empty, "sources": empty}, about, tmp_path / "x.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx")["data"]
    cells = [sheet.cell(row, 1) for row in (2, 3, 4)]
    assert [(cell.value, cell.data_type) for cell in cells] == [
        ("=1+1", "s"),
        ("http://example.org", "s"),
        ("+5", "s"),
    ]


def test_command(built: Home, biopharma: Callable[..., Outcome], tmp_path: Path) -> None:
    called = biopharma(built.settings, "export", MART, "--to", str(tmp_path / "c.csv"))
    assert called.code == 0
    assert (tmp_path / "c.csv").exists()
    assert "c.csv.about.json" in called.out
