"""Locators lead back to the cell: every form of the grammar on made files, and every source on its real files."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from ingest import cells
from orchestration import pipeline
from tests.sources.real_files import EDITIONS

CSV = 'about\n\n"code","2019","name"\n"A","1.5","x, y"\n"B","2.5","two\nlines"\n"C","3.5",""\n'


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    """A made file by its kind."""

    def make(kind: str) -> Path:
        path = tmp_path / kind
        if kind == "text.csv":
            path.write_text(CSV, encoding="utf-8")
        elif kind == "text.gz":
            path.write_bytes(gzip.compress(CSV.encode()))
        elif kind == "text.zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("in/a file.csv", CSV)
                archive.writestr("other.csv", "nothing\n")
        elif kind == "tabs.txt":
            path.write_bytes("code\tname\nA\tcaf\xe9\n".encode("cp1252"))
        elif kind == "book.xlsx":
            book = openpyxl.Workbook()
            sheet = book.create_sheet("注射薬 (院内)")
            for row in range(1, 5):
                sheet.append([f"r{row}c{column}" for column in range(1, 30)])
            book.save(path)
        elif kind == "tree.json":
            path.write_text(
                json.dumps({"dataSets": [{"observations": {"0:1": [7, None]}}], "a-b": {"c": [{"v": "ü"}]}})
            )
        elif kind == "list.json":
            path.write_text(json.dumps([{"page": 1}, [{"value": 3}]]))
        elif kind == "report.htm":
            path.write_text(
                '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:ix="http://www.xbrl.org/2013/inlineXBRL"><body>'
                '<ix:nonFraction id="f-1" name="us-gaap:Revenues" scale="6">1,<b>234</b></ix:nonFraction>'
                "</body></html>"
            )
        return path

    return make


@pytest.mark.parametrize(
    ("kind", "locator", "expected"),
    [
        ("text.csv", "line 4", ['"A","1.5","x, y"']),
        ("text.csv", "line 4 column 2019", ["1.5"]),
        ("text.csv", "line 4 columns 2019 and name", ["1.5", "x, y"]),
        ("text.csv", "line 5 column name", ["two lines"]),
        ("text.csv", "lines 4, 7", ['"A","1.5","x, y"', '"C","3.5",""']),
        ("text.csv", "lines 4 to 7 column 2019", ["1.5", "2.5", "3.5"]),
        ("text.csv", "line 4 + line 7", ['"A","1.5","x, y"', '"C","3.5",""']),
        ("text.csv", "row 4", ["A | 1.5 | x, y"]),
        ("text.gz", "line 4 column code", ["A"]),
        ("text.zip", "a file.csv line 4 column code", ["A"]),
        ("text.zip", "a file.csv line 4, other.csv line 1", ['"A","1.5","x, y"', "nothing"]),
        ("tabs.txt", "line 2 column name", ["café"]),
        ("book.xlsx", "sheet 注射薬 (院内) row 3 column AB", ["r3c28"]),
        ("book.xlsx", "sheet 注射薬 (院内) rows 2 to 3 column A", ["r2c1", "r3c1"]),
        ("tree.json", 'observations["0:1"]', ["[7, null]"]),
        ("tree.json", "$.a-b.c[0].v", ["ü"]),
        ("tree.json", 'a-b["c"][0]', ['{"v": "ü"}']),
        ("list.json", "[1][0]", ['{"value": 3}']),
        ("report.htm", "ix:nonFraction id f-1", ["1,234 (name us-gaap:Revenues, scale 6)"]),
    ],
)
def test_every_form_of_locator(kind: str, locator: str, expected: list[str], file: Callable[[str], Path]) -> None:
    assert [cell.text for cell in cells.read(file(kind), locator)] == expected


@pytest.mark.parametrize(
    ("kind", "locator"),
    [
        ("text.csv", "line 99"),
        ("text.csv", "row 99"),
        ("text.zip", "absent.csv line 1"),
        ("text.zip", "line 1"),
        ("book.xlsx", "sheet Absent row 1"),
        ("book.xlsx", "sheet 注射薬 (院内) row 99"),
        ("book.xlsx", "sheet 注射薬 (院内) row 1 column ZZ"),
        ("tree.json", 'observations["9:9"]'),
        ("tree.json", "$.a-b.c[4]"),
        ("report.htm", "ix:nonFraction id f-2"),
        ("text.csv", "JPMA Newsletter No. 181, page 2: weights"),
        ("text.csv", "Table 2, row seven"),
    ],
)
def test_a_place_that_is_not_there_is_named(kind: str, locator: str, file: Callable[[str], Path]) -> None:
    with pytest.raises(cells.NoCellError) as error:
        cells.read(file(kind), locator)
    assert locator in error.value.text or "no sheet" in error.value.text or "entries" in error.value.text


def test_a_row_counts_as_the_source_counts(file: Callable[[str], Path]) -> None:
    path = file("tabs.txt")
    assert cells.read(path, "row 2")[0].text == "A caf\ufffd"
    assert cells.read(path, "row 1", source_code="gleif")[0].text == "A caf\ufffd"


# Small enough to be parsed here; the others have the same forms of locators.
@pytest.mark.parametrize(
    "code",
    ["cms_part_b", "ema_medicines", "fda_purple_book", "ncses_berd", "oecd_anberd", "oecd_berd", "sec_companyfacts"],
)
def test_figures_of_real_files_are_read_back(code: str, shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """The cell that a parser names holds the figure, or the name, that it made of it."""
    from ingest.archive import sha256_of

    paths = {sha256_of(path): path for path in map(shared_data, EDITIONS[code])}
    for written in pipeline.parse_to(
        code, list(paths.values()), tmp_path / "rows.parquet", published_on=date(2024, 1, 1)
    ):
        frame = pl.read_parquet(written.path)
        if written.is_rejected:
            continue
        seen = 0
        for row in frame.sample(min(4, frame.height), seed=1).iter_rows(named=True):
            read = cells.read(paths[row["file_sha256"]], row["locator"], source_code=code)
            text = " ".join(cell.text for cell in read)
            assert text, row["locator"]
            held = [row.get(name) for name in ("brand_name", "product_name", "entity_name") if row.get(name)]
            value = row.get("value")
            if value is not None:
                figures = {f"{value / scale:.{digits}f}" for scale in (1, 1e3, 1e6) for digits in (0, 1, 2, 3)}
                held += [figure for figure in figures if len(figure) > 2]
            seen += any(str(part) in text.replace(",", "") or str(part) in text for part in held)
        assert seen, (code, written.path.name)
