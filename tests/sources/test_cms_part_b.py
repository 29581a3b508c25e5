"""Medicare Part B: the real workbook of 2019, and its values in the layouts of other releases."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from pathlib import Path

import fastexcel
import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import biologics, cms, vocabulary
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.sources.cms_part_b.fetch import TITLE
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources import cms_tables
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, bundled, in_hand, load, same_rows, source_of

CODE, TABLE = "cms_part_b", "sales_observation"
WORKBOOK = "cms_medicare/DSD_PTB_R20_P06_V10_YTD19_WebExport - 201203.xlsx"
SHEET = "Spending & Utilization YTD 2019"
YEARS = range(2015, 2020)
RELEASE = "DSD_PTB_RY20_P06_V10_DYT19_HCPCS- 20201203.csv"


@cache
def workbook() -> Loaded:
    return load(CODE, shared_file(WORKBOOK))


@cache
def cells() -> pl.DataFrame:
    """The sheet as it stands, all cells text."""
    book = fastexcel.read_excel(shared_file(WORKBOOK))
    sheet: pl.DataFrame = book.load_sheet(SHEET, header_row=None, dtypes="string").to_polars()
    return sheet


@cache
def as_csv() -> pl.DataFrame:
    """The sheet's values under the header of the CSV releases; a blank is an empty cell."""
    body = cells().slice(6)
    names = ["HCPCS_Cd", "HCPCS_Desc", "Brnd_Name", "Gnrc_Name"]
    measures = ["Tot_Spndng", "Tot_Dsg_Unts", "Tot_Clms", "Tot_Benes", "Avg_Spndng_Per_Dsg_Unt"]
    measures += ["Avg_Spndng_Per_Clm", "Avg_Spndng_Per_Bene", "Outlier_Flag"]
    for year in YEARS:
        last = ("Avg_DY19_ASP_Price",) if year == 2019 else ()
        names += [f"{name}_{year}" for name in measures[:-1]] + [*last, f"{measures[-1]}_{year}"]
    names += ["Chg_Avg_Spndng_Per_Dsg_Unt_18_19", "CAGR_Avg_Spnd_Per_Dsg_Unt_15_19"]
    assert len(names) == body.width == 47
    return body.rename(dict(zip(body.columns, names, strict=True))).with_columns(
        pl.all().str.strip_chars().replace("", None)
    )


def years_of(frame: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """The columns of some years."""
    dropped = [
        column
        for column in frame.columns
        if (match := re.search(r"_(20\d\d)$", column)) and not first <= int(match[1]) <= last
    ]
    return frame.drop(dropped)


def dollars(frame: pl.DataFrame) -> float:
    return float(frame.select(pl.col("value").sum()).item())


def told(frame: pl.DataFrame) -> pl.DataFrame:
    """What rows say, wherever they stand."""
    return frame.drop("locator", "file_sha256", "published_on")


def drug(code: str, year: int) -> dict[str, object]:
    rows = workbook().tables[TABLE].filter(product_code=code, period_start=date(year, 1, 1))
    assert rows.height == 1
    return rows.row(0, named=True)


# --- the real workbook ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "brand", "substance", "usd_m"),
    [
        ("J0178", "Eylea", "Aflibercept", 2911),
        ("J9271", "Keytruda", "Pembrolizumab", 2673),
        ("J9299", "Opdivo", "Nivolumab", 1782),
        ("J9312", "Rituxan", "Rituximab", 1738),
        ("J0897", "Prolia", "Denosumab", 1605),
    ],
)
def test_leading_drugs_of_2019(code: str, brand: str, substance: str, usd_m: int) -> None:
    row = drug(code, 2019)
    assert (row["product_name"], row["substance_name"]) == (brand, substance)
    assert round(float(str(row["value"])) / 1e6) == usd_m
    assert (row["price_basis"], row["market_iso3"], row["currency"]) == ("payer_gross", "USA", "USD")
    assert (row["setting"], row["row_kind"], row["seller_name"]) == ("part_b", "product", None)


def test_every_cell_of_spending_is_a_row() -> None:
    rows = workbook().tables[TABLE]
    assert (workbook().parsed.rows_read, rows.height) == (585, 585 * 5)
    assert (workbook().rejected.height, workbook().dropped) == (0, {})
    assert workbook().parsed.published_on == date(2020, 12, 3)
    spending = [start for start, label in enumerate(cells().row(5)) if label == "Total Spending"]
    for year, column in zip(YEARS, spending, strict=True):
        published = cells().slice(6).to_series(column).str.strip_chars().cast(pl.Float64, strict=False)
        ours = rows.filter(period_start=date(year, 1, 1))
        assert ours["value"].sum() == pytest.approx(published.sum(), rel=1e-12)
        assert ours["value"].null_count() == published.null_count()
    assert rows.filter(period_start=date(2019, 1, 1))["value"].sum() == pytest.approx(37_271_080_631.17)


def test_the_leading_five_are_the_leading_five() -> None:
    top = workbook().tables[TABLE].filter(period_start=date(2019, 1, 1)).top_k(5, by="value")
    assert top.sort("value", descending=True)["product_name"].to_list() == [
        "Eylea",
        "Keytruda",
        "Opdivo",
        "Rituxan",
        "Prolia",
    ]


def test_the_locator_names_the_cell() -> None:
    sheet = openpyxl.load_workbook(shared_file(WORKBOOK), read_only=True)[SHEET]
    for year, code in ((2015, "J0897"), (2019, "J0178")):
        row = drug(code, year)
        match = re.fullmatch(rf"sheet {re.escape(SHEET)} row (\d+) column ([A-Z]+)", str(row["locator"]))
        assert match
        assert sheet[f"{match[2]}{match[1]}"].value == row["value"]
        assert sheet[f"A{match[1]}"].value == code


def test_the_unit_price_is_value_by_quantity_but_for_the_publishers_rounding() -> None:
    rows = workbook().tables[TABLE].drop_nulls("value")
    off = (pl.col("value") / pl.col("quantity") - pl.col("unit_price")).abs()
    assert rows.filter(off > pl.max_horizontal(0.0051, pl.col("unit_price") * 0.003)).is_empty()


def test_marks_leave_the_name_and_stay_as_flags() -> None:
    assert (drug("J0897", 2019)["product_name"], drug("J0897", 2019)["publisher_flags"]) == ("Prolia", "*")
    flu = drug("90686", 2019)
    assert (flu["product_name"], flu["publisher_flags"]) == ("Afluria Quad 2017-2018 (90686)", "*")
    skin = drug("Q4186", 2019)
    assert (skin["product_name"], skin["substance_name"]) == ("Epifix, per square centimeter", None)
    assert skin["publisher_flags"] == "**"
    rows = workbook().tables[TABLE]
    assert not rows["product_name"].str.ends_with("*").any()
    outliers = rows.filter(pl.col("publisher_flags").str.contains("outlier"))
    assert outliers.height == 230


def test_a_blank_is_suppressed_and_never_zero() -> None:
    blank = drug("Q9991", 2015)
    assert blank["status"] == "suppressed"
    assert [blank[name] for name in ("value", "quantity", "unit_price")] == [None] * 3
    assert blank["note"] == "Blank in the table: redacted or not available."
    rows = workbook().tables[TABLE]
    assert rows.filter(status="suppressed").height == rows["value"].null_count() == 331
    assert rows.filter(pl.col("value") == 0).is_empty()


# --- names to substances --------------------------------------------------------------------------------------


def test_generic_names_are_reviewed_for_nearly_all_dollars() -> None:
    rows = workbook().tables[TABLE].filter(period_start=date(2019, 1, 1))
    named = rows.with_columns(alias=biologics.comparable(pl.col("substance_name"))).join(
        biologics.us_names(), on="alias", how="left"
    )
    reviewed = named.filter(pl.col("substance_id").is_not_null())
    share = dollars(reviewed) / dollars(rows)
    assert share == pytest.approx(0.9916, abs=0.0001)
    # What is left above USD 5 m are skin substitutes, to which CMS gives no generic name.
    left = named.filter(pl.col("substance_id").is_null() & (pl.col("value") >= 5e6))
    assert left["product_code"].str.starts_with("Q41").all()
    assert left["substance_name"].null_count() == left.height == 7


@pytest.mark.parametrize(
    ("ruleset_id", "share"), [("antibodies_only", 0.522), ("recombinant_mark", 0.716), ("us_bla", 0.817)]
)
def test_share_of_dollars_by_rule_set(ruleset_id: str, share: float) -> None:
    rows = workbook().tables[TABLE].filter(period_start=date(2019, 1, 1))
    rules = vocabulary.table("modality_rule").filter(pl.col("is_biologic"), ruleset_id=ruleset_id)
    counted = (
        rows.with_columns(alias=biologics.comparable(pl.col("substance_name")))
        .join(biologics.us_names(), on="alias")
        .join(vocabulary.table("substance"), on="substance_id")
        .filter(pl.col("modality").is_in(rules["modality"].to_list()))
    )
    assert dollars(counted) / dollars(rows) == pytest.approx(share, abs=0.0005)


# --- other layouts of the same values -------------------------------------------------------------------------


def test_the_csv_gives_the_same_rows(tmp_path: Path) -> None:
    path = cms_tables.written(tmp_path / RELEASE, as_csv())
    loaded = load(CODE, path)
    assert loaded.parsed.published_on == date(2020, 12, 3)
    assert same_rows(told(loaded.tables[TABLE]), told(workbook().tables[TABLE]))
    eylea = loaded.tables[TABLE].filter(product_code="J0178", period_start=date(2019, 1, 1))
    line = int(eylea["locator"].item().split()[1])
    assert eylea["locator"].item() == f"line {line} column Tot_Spndng_2019"
    assert path.read_text().splitlines()[line - 1].startswith("J0178,")


def test_a_workbook_whose_years_only_its_name_tells_gives_the_same_rows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    # The layout of 2017: header in row 1, numbers as text, a missing cell is one blank.
    header = [re.sub(r" *\(20\d\d-20\d\d\)", "", cell or "") for cell in cells().row(5)]
    for row in [header, *cells().slice(6).rows()]:
        sheet.append([" " if cell is None else cell for cell in row])
    path = tmp_path / "Medicare Part B Drug Spending YTD 2019.xlsx"
    book.save(path)
    loaded = load(CODE, path)
    origin = pl.lit("publisher_bytes").alias("value_origin")
    assert set(loaded.tables[TABLE]["value_origin"]) == {"republished_copy"}
    assert same_rows(told(loaded.tables[TABLE]).with_columns(origin), told(workbook().tables[TABLE]))


def saved(path: Path, changes: dict[str, str | None]) -> Path:
    """A small copy of the real workbook with cells changed by their name."""
    book = openpyxl.load_workbook(shared_file(WORKBOOK))
    for name in book.sheetnames:
        if name != SHEET:
            del book[name]
    sheet = book[SHEET]
    sheet.delete_rows(20, sheet.max_row)
    for name, value in changes.items():
        sheet[name] = value
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"E6": "Spending"}, "do not stand above Total Spending"),
        ({"I6": "Mean Spending"}, "2015 has the column Average Spending Per Dosage Unit 0 times"),
        ({"E5": "Calendar Year 2014"}, "do not follow one another"),
        ({"AU6": "Change in Average Spending Per Dosage Unit (2019-2020)"}, "the last year is 2019, but changes"),
        ({"A6": "NDC"}, "no sheet has a header with billing codes"),
        ({"C6": "Maker"}, "the first columns are"),
        (dict.fromkeys(("E5", "M5", "U5", "AC5", "AK5")), "tell 2018 and 2019"),
    ],
)
def test_another_workbook_is_a_named_error(tmp_path: Path, changes: dict[str, str | None], problem: str) -> None:
    path = saved(tmp_path / "DSD_PTB_R20_P06_V10_YTD18_WebExport - 201203.xlsx", changes)
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(path)])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Avg_Spndng_Per_Dsg_Unt_2017", "Avg_Spnd_Per_Dsg_Unt_Wghtd_2017", "Avg_Spndng_Per_Dsg_Unt_2017 is missing"),
        ("Tot_Spndng_2017", "Total_2017", "2015, 2016, 2018, 2019 do not follow one another"),
        ("Gnrc_Name", "Substance", "the column Gnrc_Name is missing"),
        ("Tot_Clms_2016", "Tot_Spndng_2016", "the column Tot_Spndng_2016 stands twice"),
    ],
)
def test_another_csv_is_a_named_error(tmp_path: Path, old: str, new: str, problem: str) -> None:
    text = as_csv().head(20).write_csv().replace(old, new, 1)
    path = tmp_path / RELEASE
    path.write_text(text)
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(path)])


def test_a_cut_off_csv_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / RELEASE
    path.write_text(as_csv().head(20).write_csv()[:-60])
    with pytest.raises(LayoutError, match="cut off"):
        source_of(CODE).parse([in_hand(path)])


def test_rows_that_cannot_be_used_are_kept_with_the_reason(tmp_path: Path) -> None:
    rows = (
        as_csv()
        .head(4)
        .with_columns(
            pl.Series("Tot_Spndng_2019", ["12O", None, "1", "2"]),
            pl.Series("Brnd_Name", ["A", "B", None, "D"]),
            pl.Series("HCPCS_Cd", ["90371", "90375", "90376", "907"]),
        )
    )
    loaded = load(CODE, cms_tables.written(tmp_path / RELEASE, years_of(rows, 2019, 2019)))
    assert loaded.tables[TABLE].is_empty()
    assert sorted(loaded.rejected.select("locator", "reason").rows()) == [
        ("line 2 column Tot_Spndng_2019", "Total Spending holds no number"),
        ("line 3 column Tot_Spndng_2019", "there are dosage units without spending"),
        ("line 4 column Tot_Spndng_2019", "the brand name is missing"),
        ("line 5 column Tot_Spndng_2019", "the code is no HCPCS code"),
    ]


# --- the bundled edition --------------------------------------------------------------------------------------


def test_the_bundled_edition_is_the_trimmed_parse() -> None:
    assert same_rows(bundled(CODE, TABLE), source_of(CODE).trim(workbook().tables)[TABLE])


def test_the_bundled_edition_keeps_the_totals_and_the_biologics() -> None:
    ours, whole = bundled(CODE, TABLE), workbook().tables[TABLE]
    for year in YEARS:
        at = date(year, 1, 1)
        assert ours.filter(period_start=at)["value"].sum() == pytest.approx(
            whole.filter(period_start=at)["value"].sum(), rel=1e-12
        )
    rest = ours.filter(row_kind="remainder")
    assert rest.height == 5
    last = rest.filter(period_start=date(2019, 1, 1)).row(0, named=True)
    assert (last["status"], last["value_origin"], last["product_code"]) == ("derived", "computed", None)
    assert last["note"].startswith("Sum of 434 drugs, 0 of them blank; 83 are biologics below USD 5 m")
    biologic = whole.filter(biologics.has_biologic_us_name(pl.col("substance_name")))
    kept = ours.filter(row_kind="product")
    assert kept["product_code"].n_unique() == 151
    assert dollars(kept) / dollars(biologic) == pytest.approx(0.997, abs=0.0005)
    assert not {"Alimta", "Abraxane"} & set(kept["product_name"])


# --- the connector --------------------------------------------------------------------------------------------


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_the_connector_fetches_every_release_and_takes_each_year_from_the_newest(
    settings: Settings, publisher: Publisher
) -> None:
    older = years_of(as_csv().head(30), 2015, 2018).with_columns(Tot_Spndng_2017=pl.lit("1"))
    newer = years_of(as_csv().head(40), 2017, 2019)
    cms_tables.serve(
        publisher,
        TITLE,
        ("DSD_PTB_RY19_P06_V10_DYT18_HCPCS-%2020191105.csv", "2019-11-05", older.write_csv().encode()),
        ("DSD_PTB_RY20_P06_V10_DYT19_HCPCS-%2020201203.csv", "2020-12-16", newer.write_csv().encode()),
    )
    live = connector(settings, publisher, CODE, cms_tables.HOST)
    (edition,) = live.run()
    assert (edition.published_on, edition.partition, edition.rows_read) == ("2020-12-16", "all", 70)
    assert {entry["name"] for entry in edition.files} == {
        "DSD_PTB_RY19_P06_V10_DYT18_HCPCS- 20191105.csv",
        "DSD_PTB_RY20_P06_V10_DYT19_HCPCS- 20201203.csv",
    }
    assert edition.rows_dropped == {"superseded_by_newer_release": 60}
    rows = live.rows(edition, TABLE)
    counts = rows.group_by(pl.col("period_start").dt.year()).len().sort("period_start").rows()
    assert counts == [(2015, 30), (2016, 30), (2017, 40), (2018, 40), (2019, 40)]
    real = workbook().tables[TABLE].select("product_code", "period_start", "value")
    joined = rows.join(real, on=["product_code", "period_start"], suffix="_real")
    assert joined.height == rows.height
    assert joined.filter(pl.col("value").ne_missing(pl.col("value_real"))).is_empty()


def test_a_page_in_place_of_a_release_is_not_archived(settings: Settings, publisher: Publisher) -> None:
    page = b"<!DOCTYPE html><html><body>Page not found</body></html>" + b" " * 2000
    cms_tables.serve(publisher, TITLE, ("DSD_PTB_RY20_P06_V10_DYT19_HCPCS.csv", "2020-12-16", page))
    live = connector(settings, publisher, CODE, cms_tables.HOST)
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    assert not live.archived()


def test_a_changed_header_goes_to_quarantine(settings: Settings, publisher: Publisher) -> None:
    body = as_csv().head(30).write_csv().replace("Tot_Dsg_Unts_2018", "Units_2018").encode()
    cms_tables.serve(publisher, TITLE, ("DSD_PTB_RY20_P06_V10_DYT19_HCPCS.csv", "2020-12-16", body))
    with pytest.raises(LayoutError, match="the column Tot_Dsg_Unts_2018 is missing"):
        connector(settings, publisher, CODE, cms_tables.HOST).run()
    assert len(list((settings.quarantine / CODE).glob("*/reason.json"))) == 1


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (cms_tables.catalogue("Medicare Part B Drug Spending Dashboard"), "lists no CSV"),
        (b'{"dataset": []}', "lists no CSV"),
        (b"[]", "lists no CSV"),
        (b"<html><body>Forbidden</body></html>", "no JSON"),
    ],
)
def test_a_catalogue_without_the_data_set_is_a_named_error(
    settings: Settings, publisher: Publisher, body: bytes, problem: str
) -> None:
    publisher.serve(cms_tables.HOST, "/data.json", Answer(body))
    with pytest.raises(FetchError, match=problem):
        connector(settings, publisher, CODE, cms_tables.HOST).run()


def test_two_files_of_one_release_are_an_error(tmp_path: Path) -> None:
    one = cms_tables.written(tmp_path / RELEASE, as_csv().head(3))
    two = cms_tables.written(tmp_path / "DSD_PTB_RY21_P01_V10_DYT19.csv", as_csv().head(4))
    with pytest.raises(LayoutError, match="two files hold the same release"):
        source_of(CODE).parse([in_hand(one), in_hand(two)])


# --- damage ---------------------------------------------------------------------------------------------------


def damaged(order: Sequence[int], dropped: int, repeat: int, blank: int, mark: str) -> str:
    """A cut of the real table: columns in another order or missing, rows blank or repeated, marks, wide digits."""
    header = as_csv().columns
    frame = as_csv().head(6)
    if mark:
        frame = frame.with_columns(pl.col("Brnd_Name") + mark)
    if mark == "*":
        wide = str.maketrans("0123456789", "０１２３４５６７８９")
        frame = frame.with_columns(
            pl.Series("Tot_Spndng_2018", [cell and cell.translate(wide) for cell in frame["Tot_Spndng_2018"]])
        )
    columns = [header[i] for i in order if i != dropped]
    lines = frame.select(columns).write_csv().splitlines()
    lines[blank:blank] = ["," * (len(columns) - 1)]
    if repeat:
        lines.append(lines[repeat])
    return "\n".join(lines)


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_gives_right_rows_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    width = as_csv().width
    body = damaged(
        data.draw(st.permutations(range(width))),
        data.draw(st.integers(-1, width - 1)),
        data.draw(st.sampled_from([0, 1, 3])),
        data.draw(st.integers(1, 6)),
        data.draw(st.sampled_from(["", "*", "**"])),
    )
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16"]))
    path = tmp_path_factory.mktemp("cut") / RELEASE
    path.write_bytes(body.encode(encoding))
    try:
        loaded = load(CODE, path)
    except IngestError:
        return
    real = workbook().tables[TABLE].select("product_code", "period_start", "value", "quantity", "unit_price")
    rows = loaded.tables[TABLE]
    joined = rows.join(real, on=["product_code", "period_start"], suffix="_real")
    assert joined.height == rows.height > 0
    for name in ("value", "quantity", "unit_price"):
        assert joined.filter(pl.col(name).ne_missing(pl.col(f"{name}_real"))).is_empty()
    assert not rows["product_name"].str.ends_with("*").any()


def test_letters_of_columns() -> None:
    assert [cms._letters(n) for n in (0, 25, 26, 36, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AK",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]
