"""NDB Open Data: the published totals on the real workbooks, and what becomes of workbooks that are wrong.

FY2015 and FY2017 (injections JPY 2.38 and 2.59 tn) are not asserted: their workbooks are not at hand.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import biologics, edition, lake, load
from ingest.archive import sha256_of
from ingest.compile import compile_source
from ingest.errors import GateError, LayoutError
from ingest.settings import Settings
from ingest.source import Parsed, Source, SourceFile
from ingest.sources.mhlw_ndb import parse as ndb
from tests.conftest import SHARED_DATA, shared_file

SOURCE = Source(Path(ndb.__file__).parent)
WORKBOOKS = {
    2014: ("ndb_o_2014_in.xlsx", "ndb_o_2014_out.xlsx", "ndb_p_2014.xlsx"),
    2016: ("ndb_p_2016.xlsx",),
    2018: ("ndb_p_2018.xlsx",),
    2019: (
        *("ndb_o_2019_hos.xlsx", "ndb_o_2019_in.xlsx", "ndb_o_2019_out.xlsx", "ndb_p_2019.xlsx"),
        "ndb_t_2019.xlsx",
    ),
}
ACCESSED_ON = date(2026, 11, 22)


def in_hand(paths: Sequence[Path]) -> list[SourceFile]:
    return [SourceFile(path=path, name=path.name, sha256=sha256_of(path)) for path in paths]


def workbooks(year: int) -> list[Path]:
    return [shared_file(f"mhlw_ndb/{name}") for name in WORKBOOKS[year]]


@cache
def parsed(year: int) -> Parsed:
    return ndb.parse(in_hand(workbooks(year)))


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables, rejected, _ = load.conform_all(
        SOURCE,
        result,
        edition_id="test",
        published_on=result.published_on or date(2020, 1, 1),
        ingested_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return tables[ndb.TABLE], rejected


def trillion(frame: pl.DataFrame) -> float:
    return float(frame["value"].sum()) / 1e12


# --- published totals -------------------------------------------------------------------------------------------


def test_fy2019_as_published() -> None:
    result = parsed(2019)
    frame, rejected = conformed(result)
    assert (result.rows_read, frame.height, rejected.height) == (26_714, 26_714, 0)
    assert trillion(frame) == pytest.approx(9.049338, abs=1e-6)
    assert (frame["status"] == "suppressed").sum() == 2_734
    assert result.partition == "FY2019"
    assert frame["period_start"].unique().to_list() == [date(2019, 4, 1)]
    assert frame["period_end"].unique().to_list() == [date(2020, 3, 31)]
    # The newest of the five workbooks, that of injections, was last saved on this day.
    assert result.published_on == date(2021, 10, 7)


@pytest.mark.parametrize(("brand", "billion"), [("オプジーボ", 87.6), ("キイトルーダ", 124.5), ("アイリーア", 76.5)])
def test_brands_of_fy2019(brand: str, billion: float) -> None:
    rows = parsed(2019).tables[ndb.TABLE].filter(pl.col("product_name").str.starts_with(brand))
    assert rows["value"].sum() / 1e9 == pytest.approx(billion, abs=0.05)


@pytest.mark.parametrize(("year", "expected"), [(2014, 2.01), (2016, 2.45), (2018, 2.67), (2019, 2.94)])
def test_injections_by_fiscal_year(year: int, expected: float) -> None:
    rows = parsed(year).tables[ndb.TABLE].filter(pl.col("route") == "injection")
    assert trillion(rows) == pytest.approx(expected, abs=0.005)
    assert set(rows["setting"]) == {"inpatient", "outpatient_in_house", "outpatient_pharmacy"}


def test_matches_the_price_list_and_its_recombinant_mark() -> None:
    prices = pl.read_csv(shared_file("mhlw_nhi_price/mhlw_price_20191001.csv"), infer_schema=False).select(
        product_code="薬価基準収載医薬品コード", ingredient=pl.col("成分名").str.normalize("NFKC")
    )
    rows = parsed(2019).tables[ndb.TABLE].join(prices, on="product_code", how="left")
    matched = rows.filter(pl.col("ingredient").is_not_null())
    assert rows.height == 26_714
    assert matched.height / rows.height == pytest.approx(0.977, abs=5e-4)
    assert matched["value"].sum() / rows["value"].sum() == pytest.approx(0.9945, abs=5e-5)
    marked = matched.filter(pl.col("ingredient").str.contains("遺伝子組換え"))
    assert trillion(marked) == pytest.approx(1.76, abs=0.005)
    assert marked["value"].sum() / rows["value"].sum() == pytest.approx(0.195, abs=5e-4)


@pytest.mark.parametrize("year", sorted(WORKBOOKS))
def test_every_row_of_every_year_keeps_the_contract(year: int) -> None:
    result = parsed(year)
    frame, rejected = conformed(result)
    assert rejected.is_empty() and frame.height == result.rows_read > 8_000
    known, hidden = frame.filter(pl.col("value").is_not_null()), frame.filter(pl.col("value").is_null())
    assert set(known["status"]) == {"derived"} and set(known["value_origin"]) == {"computed"}
    assert set(hidden["status"]) == {"suppressed"} and hidden["quantity"].null_count() == hidden.height
    assert (known["value"] - known["quantity"] * known["unit_price"]).abs().max() == 0
    assert (frame["class_code"] == frame["product_code"].str.slice(0, 3)).all()
    assert frame["class_name"].null_count() == 0
    # Text is in half width; the layout of FY2014 has no unit.
    assert (frame["product_name"] == frame["product_name"].str.normalize("NFKC")).all()
    assert (frame["quantity_unit"].null_count() == frame.height) is (year == 2014)


@pytest.mark.parametrize("name", ["ndb_p_2014.xlsx", "ndb_p_2019.xlsx", "ndb_t_2019.xlsx"])
def test_bands_do_not_exceed_the_total(name: str) -> None:
    path = shared_file(f"mhlw_ndb/{name}")
    rows = ndb.parse(in_hand([path])).tables[ndb.TABLE]
    totals = dict(zip(rows["locator"], rows["quantity"], strict=True))
    workbook = fastexcel.read_excel(path)
    complete = 0
    for sheet in workbook.sheet_names:
        cells = workbook.load_sheet(sheet, header_row=None, skip_rows=4, dtypes="string").to_polars()
        bands = cells.select(pl.all().exclude(cells.columns[: 9 if cells.width == 51 else 8]))
        sums = bands.select(
            total=pl.sum_horizontal(ndb.number(pl.all())),
            hidden=pl.sum_horizontal(ndb.is_suppressed(pl.all()).cast(pl.Int64)),
        ).with_columns(
            published=pl.Series([totals[f"sheet {sheet} row {row}"] for row in range(5, cells.height + 5)])
        )
        known = sums.filter(pl.col("published").is_not_null())
        assert (known["total"] <= known["published"] * (1 + 1e-9) + 1e-6).all()
        whole = known.filter(pl.col("hidden") == 0)
        assert ((whole["total"] / whole["published"] - 1).abs() < 1e-9).all()
        complete += whole.height
    assert complete > 10


def test_locators_lead_to_the_publishers_cells() -> None:
    rows = parsed(2019).tables[ndb.TABLE].filter(pl.col("product_name") == "オプジーボ点滴静注100mg 10mL")
    assert rows.height == 2
    path = shared_file("mhlw_ndb/ndb_p_2019.xlsx")
    for row in rows.iter_rows(named=True):
        assert row["file_sha256"] == sha256_of(path)
        sheet, _, line_text = str(row["locator"]).removeprefix("sheet ").rpartition(" row ")
        line = int(line_text)
        cells = (
            fastexcel.read_excel(path)
            .load_sheet(sheet, header_row=None, skip_rows=line - 1, n_rows=1, dtypes="string")
            .to_polars()
            .row(0)
        )
        assert cells[3] == "オプジーボ点滴静注１００ｍｇ　１０ｍＬ"
        assert (cells[5], float(cells[6]), float(cells[8])) == (
            row["product_code"],
            row["unit_price"],
            row["quantity"],
        )


# --- bundled edition --------------------------------------------------------------------------------------------

TOTALS = ["period_start", "route", "setting", "class_code"]


@cache
def bundled() -> pl.DataFrame:
    return pl.concat([part.tables[ndb.TABLE] for part in edition.read(SOURCE)])


def test_class_totals_of_the_bundled_edition_equal_those_of_the_whole() -> None:
    whole = pl.concat([parsed(year).tables[ndb.TABLE] for year in WORKBOOKS])
    rows = whole.group_by(TOTALS).agg(pl.col("value").sum(), pl.len())
    remainder = bundled().filter(pl.col("row_kind") == "remainder")
    hidden = pl.col("note").str.extract(r"^sum of (\d+) products").cast(pl.Int64)
    kept = bundled().group_by(TOTALS).agg(pl.col("value").sum().alias("bundled"))
    counted = bundled().select(*TOTALS, n=pl.when(pl.col("row_kind") == "remainder").then(hidden).otherwise(1))
    both = rows.join(kept, on=TOTALS, how="full", coalesce=True).join(
        counted.group_by(TOTALS).agg(pl.col("n").sum()), on=TOTALS, how="left"
    )
    assert both.height == rows.height == kept.height > 1_800
    assert ((both["value"] - both["bundled"]).abs() <= both["value"] * 1e-12).all()
    assert (both["len"] == both["n"]).all()
    assert remainder["product_code"].null_count() == remainder.height
    assert remainder["quantity"].null_count() == remainder.height
    assert not remainder.select(pl.struct(TOTALS).is_duplicated().any()).item()


def test_the_bundled_edition_keeps_each_biologic_and_only_those() -> None:
    products = bundled().filter(pl.col("row_kind") == "product")
    assert products.select(biologics.has_biologic_nhi_code(pl.col("product_code")).all()).item()
    own = [name for name in lake.contract(ndb.TABLE).own_columns if name in products.columns]
    whole = pl.concat([conformed(parsed(year))[0] for year in WORKBOOKS])
    expected = whole.filter(biologics.has_biologic_nhi_code(pl.col("product_code")))
    compared = [*own, "file_sha256", "locator", "status", "value_origin"]
    assert products.select(compared).sort(compared).equals(expected.select(compared).sort(compared))
    assert expected.height > 6_000


def test_the_bundled_editions_give_the_recombinant_share() -> None:
    from ingest.sources.mhlw_nhi_price import parse as prices

    lists = edition.read(Source(Path(prices.__file__).parent))
    (listed,) = (part.tables[prices.TABLE] for part in lists if part.partition == "list-2019-10-01")
    marked = listed.filter(pl.col("is_recombinant_marked"))["licence_number"].to_list()
    year = bundled().filter(pl.col("period_start") == date(2019, 4, 1))
    recombinant = year.filter(pl.col("product_code").is_in(marked))
    assert trillion(year) == pytest.approx(9.049338, abs=1e-6)
    assert recombinant["value"].sum() / year["value"].sum() == pytest.approx(0.19456, abs=5e-6)


def test_the_bundled_edition_is_what_the_pipeline_compiles(tmp_path: Path) -> None:
    groups = [workbooks(year) for year in WORKBOOKS]
    compile_source("mhlw_ndb", groups, accessed_on=ACCESSED_ON, target=tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (SOURCE.edition_dir / path.name).read_bytes(), (
            f"{path.name} is out of date: run python -m ingest.compile"
        )


def test_a_class_of_which_nothing_is_known_has_no_value() -> None:
    rows = bundled().filter((pl.col("row_kind") == "remainder") & (pl.col("status") == "suppressed"))
    assert rows.height > 0 and rows["value"].null_count() == rows.height
    counts = rows["note"].str.extract_groups(r"^sum of (?<products>\d+) products, (?<suppressed>\d+) suppressed$")
    assert (counts.struct.field("products") == counts.struct.field("suppressed")).all()


# --- wrong input ------------------------------------------------------------------------------------------------

TITLE = "診療年月：H31年04月～R02年03月　注射薬 入院　※集計結果が400未満の場合は「‐」で表示"
SHEET = "注射薬 入院"
GOOD = ["111", "全身麻酔剤", "620000001", "合成品１ｍｇ", "瓶", "1119402A1030", 100, "0", 2000]


def workbook(
    path: Path, *rows: list[Any], title: str = TITLE, sheet: str = SHEET, header: dict[int, str] | None = None
) -> SourceFile:
    """A small workbook in the layout of FY2016 on; `header` replaces cells of row 3 by column."""
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet(sheet)
        page.write(0, 0, title)
        for line, cells in enumerate(ndb.LAYOUTS[0].header, start=2):
            for column, cell in enumerate(cells):
                page.write(line, column, (header or {}).get(column, cell) if line == 2 else cell)
        for line, cells_of_row in enumerate(rows or (GOOD,), start=4):
            for column, cell in enumerate(cells_of_row):
                page.write(line, column, cell)
    return in_hand([path])[0]


def row_with(**changes: Any) -> list[Any]:
    names = list(ndb._COLUMNS.values())
    row = dict(zip(names, GOOD, strict=True)) | changes
    return [row[name] for name in names]


def edited_copy(
    path: Path, target: Path, edit: Callable[[bytes], bytes], member: str = "xl/sharedStrings.xml"
) -> Path:
    """A copy of a real workbook with one member changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, edit(data) if entry.filename == member else data)
    return target


def test_a_synthetic_workbook_in_the_published_layout_is_read(tmp_path: Path) -> None:
    (row,) = ndb.parse([workbook(tmp_path / "small.xlsx")]).tables[ndb.TABLE].rows(named=True)
    assert (row["quantity"], row["unit_price"], row["value"]) == (2000, 100, 200_000)
    assert (row["product_name"], row["locator"]) == ("合成品1mg", "sheet 注射薬 入院 row 5")


def test_a_renamed_column_of_a_real_workbook_names_sheet_row_and_column(tmp_path: Path) -> None:
    real = shared_file("mhlw_ndb/ndb_t_2019.xlsx")
    broken = edited_copy(
        real, tmp_path / "renamed.xlsx", lambda xml: xml.replace("総計<".encode(), "総数量<".encode())
    )
    with pytest.raises(LayoutError) as caught:
        ndb.parse(in_hand([broken]))
    assert "column 9 of the header is '総数量', expected '総計'" in caught.value.problem
    assert (caught.value.file, caught.value.sheet, caught.value.row) == ("renamed.xlsx", "外用薬 外来 (院内)", 3)
    assert caught.value.remedy


def test_another_table_of_the_series_is_refused(tmp_path: Path) -> None:
    prefectures = workbook(tmp_path / "prefectures.xlsx", header={9: "北海道", 30: "青森県"})
    with pytest.raises(LayoutError, match="column 10 of the header is '北海道', expected '男'"):
        ndb.parse([prefectures])


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_workbook_is_a_named_error(tmp_path: Path, keep: float) -> None:
    real = shared_file("mhlw_ndb/ndb_t_2019.xlsx")
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(real.read_bytes()[: int(real.stat().st_size * keep)])
    with pytest.raises(LayoutError, match=r"cut\.xlsx: the workbook cannot be read"):
        ndb.parse(in_hand([cut]))


def test_a_sheet_cut_off_inside_the_archive_is_a_named_error(tmp_path: Path) -> None:
    real = shared_file("mhlw_ndb/ndb_t_2019.xlsx")
    cut = edited_copy(real, tmp_path / "cut.xlsx", lambda xml: xml[: len(xml) // 2], "xl/worksheets/sheet1.xml")
    with pytest.raises(LayoutError, match=r"cut\.xlsx"):
        ndb.parse(in_hand([cut]))


def test_gates_stop_what_is_no_workbook_and_keep_it_in_quarantine(tmp_path: Path, settings: Settings) -> None:
    real = shared_file("mhlw_ndb/ndb_t_2019.xlsx")
    page, cut, empty = (tmp_path / name for name in ("page.xlsx", "cut.xlsx", "empty.xlsx"))
    page.write_text("<!DOCTYPE html><html><body>404 " + "x" * 30_000 + "</body></html>")
    cut.write_bytes(real.read_bytes()[:500_000])
    empty.write_bytes(b"")
    for path, problem in ((page, "HTML page"), (cut, "cut off or damaged"), (empty, "empty")):
        with pytest.raises(GateError, match=problem):
            load.load_files(settings, SOURCE, [path])
    assert len(list(settings.quarantine.glob("mhlw_ndb/*/reason.json"))) == 3
    assert not list(settings.lake.glob("_editions/*/*"))


def test_files_of_two_fiscal_years_are_not_one_edition() -> None:
    files = in_hand([shared_file("mhlw_ndb/ndb_p_2018.xlsx"), shared_file("mhlw_ndb/ndb_t_2019.xlsx")])
    with pytest.raises(LayoutError, match=r"ndb_p_2018\.xlsx is of FY2018, ndb_t_2019\.xlsx is of FY2019"):
        ndb.parse(files)


def test_a_route_and_setting_stands_once(tmp_path: Path) -> None:
    path = workbook(tmp_path / "one.xlsx").path
    shutil.copy(path, tmp_path / "two.xlsx")
    with pytest.raises(LayoutError, match=r"two\.xlsx.*injection, inpatient stands also in one\.xlsx"):
        ndb.parse(in_hand([path, tmp_path / "two.xlsx"]))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"sheet": "都道府県別"}, "does not tell route and setting"),
        ({"sheet": "外用薬 入院"}, "the title says 注射薬入院"),
        ({"title": "診療年月：H31年04月～R01年12月"}, "not April to March"),
        ({"title": "外来 薬効分類別"}, "does not state 診療年月"),
    ],
)
def test_a_sheet_that_is_not_what_it_should_be(tmp_path: Path, options: dict[str, str], problem: str) -> None:
    with pytest.raises(LayoutError, match=problem) as caught:
        ndb.parse([workbook(tmp_path / "odd.xlsx", **options)])
    assert caught.value.file == "odd.xlsx" and caught.value.sheet


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_text": "百円"}, "薬価 holds no number"),
        ({"price_text": "1,200"}, "薬価 holds no number"),
        ({"quantity_text": "nan"}, "総計 holds neither"),
        ({"quantity_text": None}, "総計 holds neither"),
        ({"product_code": "1119402A103"}, "no price-list code of 12 characters"),
        ({"class_code": "112"}, "differs from the first three digits"),
        ({"product_name": None}, "医薬品名 is missing"),
        ({"generic_text": "2"}, "後発品区分 is neither 0 nor 1"),
        ({"price_text": -100}, "unit_price is below 0"),
        ({"quantity_text": -1}, "quantity is below 0"),
    ],
)
def test_rows_that_cannot_be_used_are_kept_with_the_reason(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    good = row_with(product_name="別の品", product_code="1119402A1022")
    result = ndb.parse([workbook(tmp_path / "rows.xlsx", row_with(**changes), good)])
    frame, rejected = conformed(result)
    assert frame["product_code"].to_list() == ["1119402A1022"]
    assert rejected["locator"].to_list() == ["sheet 注射薬 入院 row 5"]
    assert reason in rejected["reason"][0]
    assert result.rows_read == 2


def test_a_repeated_key_is_rejected_and_a_blank_row_counted(tmp_path: Path) -> None:
    rows = [GOOD, [], row_with(quantity_text=7), row_with(product_name="別の品")]
    result = ndb.parse([workbook(tmp_path / "twice.xlsx", *rows)])
    frame, rejected = conformed(result)
    assert rejected["locator"].sort().to_list() == ["sheet 注射薬 入院 row 5", "sheet 注射薬 入院 row 7"]
    assert rejected["reason"].str.contains("another row has the same key").all()
    assert frame["product_name"].to_list() == ["別の品"]
    assert result.dropped == {"blank_row": 1}


def test_a_suppressed_count_is_null_and_never_zero(tmp_path: Path) -> None:
    (row,) = (
        ndb.parse([workbook(tmp_path / "s.xlsx", row_with(quantity_text="‐"))]).tables[ndb.TABLE].rows(named=True)
    )
    assert (row["quantity"], row["value"], row["status"]) == (None, None, "suppressed")


# --- grammars ---------------------------------------------------------------------------------------------------


@given(
    year=st.integers(1989, 2050),
    wide=st.booleans(),
    dash=st.sampled_from("~～〜-"),
    gap=st.sampled_from(["", " ", "　"]),
)
@settings(max_examples=60, deadline=None)
def test_fiscal_year_of_any_year_in_both_eras(year: int, wide: bool, dash: str, gap: str) -> None:
    def era(western: int, month: int) -> str:
        letter, number = ("R", western - 2018) if (western, month) >= (2019, 5) else ("H", western - 1988)
        return f"{letter}{number:02}年{month:02}月"

    text = f"診療年月{gap}：{era(year, 4)}{dash}{gap}{era(year + 1, 3)}　注射薬"
    digits = str.maketrans("0123456789HR", "０１２３４５６７８９ＨＲ")
    assert ndb.fiscal_year(text.translate(digits) if wide else text) == year


@given(start=st.tuples(st.integers(1, 31), st.integers(1, 12)), end=st.tuples(st.integers(1, 31), st.integers(1, 12)))
@settings(max_examples=60, deadline=None)
def test_no_other_period_is_a_fiscal_year(start: tuple[int, int], end: tuple[int, int]) -> None:
    text = f"診療年月：H{start[0]:02}年{start[1]:02}月～H{end[0]:02}年{end[1]:02}月"
    if start[1] == 4 and end == (start[0] + 1, 3):
        assert ndb.fiscal_year(text) == 1988 + start[0]
    else:
        with pytest.raises(ValueError, match="not April to March"):
            ndb.fiscal_year(text)


@given(
    st.one_of(
        st.floats(-1e12, 1e12, allow_nan=False).map(lambda value: f"{value:.6f}"),
        st.integers(-(10**12), 10**12).map(str),
        st.text(max_size=6),
        st.sampled_from(["-", "‐", "nan", "inf", "1e5", "1,000", "", "１２", "1.", ".5", "--1"]),
    )
)
@settings(max_examples=150, deadline=None)
def test_a_cell_holds_a_plain_number_or_none(text: str) -> None:
    (value,) = pl.DataFrame({"t": [text]}).select(ndb.number(pl.col("t"))).to_series()
    whole, _, fraction = text.removeprefix("-").partition(".")
    is_plain = all(part.isascii() and part.isdigit() for part in (whole, fraction if "." in text else "0"))
    assert value == (float(text) if is_plain else None)
    if text in {"-", "‐"}:
        assert pl.select(ndb.is_suppressed(pl.lit(text))).item()


def test_real_workbooks_are_where_they_should_be() -> None:
    if not SHARED_DATA.exists():
        pytest.skip("no real files here")
    held = {path.name for path in SHARED_DATA.glob("mhlw_ndb/*.xlsx")}
    assert held == {name for names in WORKBOOKS.values() for name in names}
