from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.errors import GateError, IngestError, LayoutError
from ingest.load import load_files
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, bundled, edited, in_hand, load, same_rows, source_of

CODE = "ncses_berd"
DOMESTIC, BIOTECHNOLOGY, COUNTRIES_2018, COUNTRIES_2016 = (
    f"ncses/{number}/data.csv" for number in (12342, 12260, 6313, 1883)
)
COPIED_ON = date(2025, 3, 27)
HOST = "ncses.nsf.gov"
PATH = "/pubs/nsf25354/assets/data-tables/tables/nsf25354-tab058.xlsx"
TITLE = (
    "Domestic R&D paid for by the company and others and performed by the company, by industry and company size: "
    "2008\u201323"
)


def table(name: str) -> Loaded:
    return load(CODE, shared_file(name), published_on=COPIED_ON)


def cell(rows: pl.DataFrame, activity: str, year: int, area: str = "USA") -> dict[str, Any]:
    return rows.filter(entity_code=area, activity_code=activity, period_start=date(year, 1, 1)).row(0, named=True)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_domestic_rnd_by_industry() -> None:
    loaded = table(DOMESTIC)
    rows = loaded.tables["rnd_observation"]
    assert cell(rows, "3254", 2008)["value"] == 48_131e6
    assert cell(rows, "3254", 2022)["value"] == 116_073e6
    assert cell(rows, "541714", 2022)["value"] == 10_226e6
    assert cell(rows, "_T", 2022)["value"] == 691_547e6
    assert (loaded.parsed.partition, loaded.parsed.published_on) == ("domestic R&D by industry", COPIED_ON)
    assert loaded.rejected.height == 0
    # 73 industries over 15 years; sixteen rows by company size or their headings.
    assert (loaded.parsed.rows_read, loaded.dropped) == (89, {"no_industry_row": 16, "not_available": 92})
    assert rows.height == 73 * 15 - 92
    constant = rows.select("measure", "unit", "currency", "activity_scheme", "period_basis", "value_origin", "lens")
    assert constant.unique().rows() == [
        ("berd", "national_currency", "USD", "NAICS", "calendar_year", "republished_copy", "territory")
    ]
    assert cell(rows, "3254", 2022)["activity_name"] == "Pharmaceuticals and medicines"
    assert cell(rows, "3254", 2022)["locator"] == "line 15 column field_2022"


def test_ranges_suppressed_and_imputed_cells() -> None:
    rows = table(DOMESTIC).tables["rnd_observation"]
    ranged = cell(rows, "3254", 2016)
    assert (ranged["value"], ranged["status"]) == (None, "suppressed")
    assert ranged["note"] == "Published as a range, to protect companies: USD 62,346 - 67,504 million."
    hidden = cell(rows, "311", 2010)
    assert (hidden["value"], hidden["status"], hidden["publisher_flags"]) == (None, "suppressed", "D")
    imputed = cell(rows, "541714", 2015)
    assert (imputed["value"], imputed["status"], imputed["publisher_flags"]) == (5_594e6, "imputed", "i")


def test_breaks_of_classification_and_coverage() -> None:
    rows = table(DOMESTIC).tables["rnd_observation"]
    for activity, years in (("3254", [2009, 2014, 2018, 2020]), ("_T", [2018])):
        broken = rows.filter(activity_code=activity, series_break=True)
        assert sorted(broken["period_start"].dt.year()) == years
    assert "USD 50,000 of R&D" in cell(rows, "_T", 2018)["note"]


def test_industries_add_up_to_manufacturing() -> None:
    rows = table(DOMESTIC).tables["rnd_observation"].filter(period_start=date(2022, 1, 1))
    values = dict(rows.select("activity_code", "value").iter_rows())
    parts = [
        *("311", "312", "313-16", "321", "322", "323", "324", "325", "326", "327", "331", "332", "333", "334", "335"),
        *("336", "337", "339"),
    ]
    assert sum(values[part] for part in parts) == pytest.approx(values["31-33"], rel=1e-3)


def test_biotechnology_focus() -> None:
    loaded = table(BIOTECHNOLOGY)
    rows = loaded.tables["rnd_observation"]
    assert cell(rows, "_T", 2022)["value"] == 117_108e6
    assert cell(rows, "3254", 2022)["value"] == 87_320e6
    assert rows["measure"].unique().to_list() == ["biotechnology_rnd"]
    assert loaded.dropped == {"no_industry_row": 14, "asterisk_without_figure": 2}
    assert loaded.parsed.partition == "biotechnology R&D 2022"


def test_the_international_comparison_is_an_older_reading_of_anberd() -> None:
    rows = table(COUNTRIES_2018).tables["rnd_observation"]
    pharma = rows.filter(activity_code="C21")
    millions = {row["entity_code"]: row["value"] / 1e6 for row in pharma.iter_rows(named=True)}
    assert millions == {
        "USA": 74_592,
        "JPN": 13_545,
        "CHN": 13_741,
        "KOR": 1_825,
        "DEU": 7_094,
        "FRA": 1_079,
        "GBR": 658,
    }
    assert pharma["note"].str.contains("on 2021-12-22").all()
    assert "ISIC M72" in cell(rows, "C21", 2018, "GBR")["note"]
    assert cell(rows, "C21", 2017, "FRA")["value"] == 1_079e6
    assert rows.select("unit", "lens", "activity_scheme", "period_basis").unique().rows() == [
        ("usd_ppp", "territory", "ISIC4", "reference_year")
    ]
    # The OECD has restated those figures since.
    now = load("oecd_anberd", shared_file("oecd/anberd_c21_usdppp_2000_2023.sdmxjson1.json")).tables[
        "rnd_observation"
    ]
    for area in ("USA", "JPN", "CHN", "KOR"):
        restated = now.filter(entity_code=area, period_start=date(2018, 1, 1))["value"].item() / 1e6
        assert restated != millions[area]
        assert restated == pytest.approx(millions[area], rel=0.04)


def test_shares_of_the_comparison_are_not_taken_for_millions() -> None:
    for name, read in ((COUNTRIES_2018, 210), (COUNTRIES_2016, 30)):
        loaded = table(name)
        assert loaded.parsed.rows_read == read
        assert loaded.dropped["percentage_row"] == read / 2
        assert loaded.tables["rnd_observation"]["value"].min() > 1e6
        assert loaded.rejected.height == 0
    rows = table(COUNTRIES_2016).tables["rnd_observation"]
    assert cell(rows, "C21", 2016, "JPN")["value"] == 13_168e6
    assert cell(rows, "C21", 2015, "KOR")["value"] == 1_576e6


@pytest.mark.parametrize("number", [11764, 12262, 12271, 12286, 12317, 12323, 12343, 5835, 6241, 6293, 6304])
def test_other_tables_are_refused_by_name(number: int) -> None:
    with pytest.raises(LayoutError, match=f"table {number} is not supported"):
        source_of(CODE).parse([in_hand(shared_file(f"ncses/{number}/data.csv"))])


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        (DOMESTIC, ("field_2022", "field_2023"), "field_2022, field_2023"),
        (DOMESTIC, ("12342,r003,", "12342,r002,"), "row_id r002 stands twice"),
        (DOMESTIC, ("12342,r003,", "12343,r003,"), "holds 2 tables"),
        (DOMESTIC, ("table_id,", "table,"), "holds 0 tables"),
        (BIOTECHNOLOGY, ("field_domestic_r_d_amount", "field_worldwide_r_d_amount"), "field_worldwide_r_d_amount"),
        (
            COUNTRIES_2018,
            ("r018_3,Total business enterprise,United States (2018),,1,100.0", "r018_3,x,y (2018),,1,9"),
            "twice",
        ),
        (COUNTRIES_2016, ("Percentage of total business enterprise", "Share"), "headings"),
        (DOMESTIC, (",3254,", ",3254"), "cells, the header"),
    ],
)
def test_another_layout_is_an_error(tmp_path: Path, name: str, change: tuple[str, str], problem: str) -> None:
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(edited(shared_file(name), tmp_path, change))])


def test_cells_that_cannot_be_read_are_rejected(tmp_path: Path) -> None:
    path = edited(
        shared_file(DOMESTIC),
        tmp_path,
        ("\"['116,073', '  ']\"", "\"['116,O73', '  ']\""),
        ("\"['103,534', '  ']\"", "\"['103,534', 'q ']\""),
    )
    loaded = load(CODE, path, published_on=COPIED_ON)
    assert dict(loaded.rejected.select("locator", "reason").iter_rows()) == {
        "line 15 column field_2022": "the cell holds no figure",
        "line 15 column field_2021": "the flag q is unknown",
    }


@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_tables_give_right_rows_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([DOMESTIC, BIOTECHNOLOGY, COUNTRIES_2018, COUNTRIES_2016]))
    rows = list(csv.reader(io.StringIO(shared_file(name).read_text(encoding="utf-8"))))
    kind = data.draw(st.sampled_from(["cell", "drop", "swap", "blank", "repeat", "remove"]))
    line = data.draw(st.integers(1, len(rows) - 1))
    one, other = data.draw(st.integers(0, len(rows[0]) - 1)), data.draw(st.integers(0, len(rows[0]) - 1))
    if kind == "cell":
        rows[line][one] = data.draw(
            st.sampled_from(["", "１２３", "12,5*", "['1', 'x', 'y']", "[]", "1 - 2 - 3", "na"])
        )
    elif kind == "drop":
        for row in rows:
            del row[one]
    elif kind == "swap":
        for row in rows:
            row[one], row[other] = row[other], row[one]
    elif kind == "blank":
        rows.insert(line, [])
    elif kind == "repeat":
        rows.insert(line, list(rows[line]))
    else:
        del rows[line]
    path = tmp_path / "ncses_fuzzed.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    key = ["entity_code", "activity_code", "measure", "period_start", "value", "status"]
    right = set(table(name).tables["rnd_observation"].select(key).iter_rows())
    try:
        found = load(CODE, path, published_on=COPIED_ON).tables["rnd_observation"]
    except IngestError:
        return
    wrong = set(found.select(key).iter_rows()) - right
    # One cell was overwritten, perhaps the industry's code or name: nothing beyond that row may change.
    assert not wrong if kind != "cell" else len({row[1] for row in wrong}) <= 1


def workbook(path: Path, *, title: str = TITLE, unit: str = "(Millions of U.S. dollars)", years: range) -> Path:
    """A workbook after the descriptions of the publisher's layout; the figures to 2022 are those of table 12342."""
    known = table(DOMESTIC).tables["rnd_observation"]
    industries = [
        ("All industries", "21\u201323, 31\u201333, 42\u201381", "_T"),
        ("Pharmaceuticals and medicines", "3254", "3254"),
        ("Research and development in biotechnology (except nanobiotechnology)", "541714", "541714"),
    ]
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet("Table 58")
        for row, text in enumerate(("TABLE 58", title, unit)):
            page.write(row, 0, text)
        page.write_row(3, 0, ["Industry and company size", "NAICS code", *years])
        for row, (name, naics, code) in enumerate(industries, start=4):
            page.write_row(row, 0, [name, naics])
            for column, year in enumerate(years, start=2):
                found = known.filter(activity_code=code, period_start=date(year, 1, 1))
                value = found["value"].item() if found.height else None
                page.write(row, column, value / 1e6 if value is not None else "NA" if not found.height else "D")
        page.write(7, 0, "All companies (number of domestic employees)")
        page.write(7, 1, "\u2013")
        page.write(8, 0, "D = suppressed to avoid disclosure of confidential information.")
    return path


def test_the_workbook_gives_what_the_copy_gives(tmp_path: Path) -> None:
    path = workbook(tmp_path / "nsf25354-tab058.xlsx", years=range(2008, 2024))
    loaded = load(CODE, path, published_on=date(2025, 9, 30))
    rows = loaded.tables["rnd_observation"]
    assert loaded.parsed.partition == "domestic R&D by industry"
    assert rows["value_origin"].unique().to_list() == ["publisher_bytes"]
    assert loaded.dropped == {"no_industry_row": 2, "not_available": 4}
    key = ["activity_code", "activity_name", "period_start", "value"]
    copy = table(DOMESTIC).tables["rnd_observation"].filter(pl.col("value").is_not_null())
    theirs = rows.filter(pl.col("value").is_not_null())
    assert theirs.join(copy, on=key, how="anti").height == 0
    assert theirs.height == 15 + 14 + 13
    assert cell(rows, "3254", 2022)["locator"] == "sheet Table 58 row 6 column 2022"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"title": TITLE.replace("Domestic", "Worldwide")}, "titled 'Worldwide R&D .* is not supported"),
        ({"unit": "(Billions of U.S. dollars)"}, "Millions of U.S. dollars"),
        ({"years": range(2009, 2024)}, "are not the years 2008 to 2023"),
    ],
)
def test_other_workbooks_are_refused(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    path = workbook(tmp_path / "nsf25354-tab058.xlsx", **{"years": range(2008, 2024), **change})
    with pytest.raises(LayoutError, match=problem) as caught:
        source_of(CODE).parse([in_hand(path)])
    assert caught.value.sheet == "Table 58"


def test_the_bundled_edition_is_the_trimmed_parse() -> None:
    ours = bundled(CODE, "rnd_observation")
    theirs = [
        source_of(CODE).trim(table(name).tables)["rnd_observation"]
        for name in (DOMESTIC, BIOTECHNOLOGY, COUNTRIES_2018)
    ]
    for rows in theirs:
        part = ours.filter(pl.col("file_sha256") == rows["file_sha256"][0])
        partition = part["edition_partition"].unique()
        assert partition.len() == 1
        assert same_rows(part.drop("edition_partition"), rows.drop("edition_partition"))
    assert ours["published_on"].unique().to_list() == [COPIED_ON]
    assert sum(path.stat().st_size for path in source_of(CODE).edition_dir.iterdir()) < 30_000


def test_a_newer_table_renews_the_partition_of_the_older(tmp_path: Path, settings: Settings) -> None:
    older = load_files(settings, source_of(CODE), [shared_file(DOMESTIC)], published_on=COPIED_ON)
    path = workbook(tmp_path / "nsf25354-tab058.xlsx", years=range(2008, 2024))
    newer = load_files(settings, source_of(CODE), [path], published_on=date(2025, 9, 30))
    other = load_files(settings, source_of(CODE), [shared_file(BIOTECHNOLOGY)], published_on=COPIED_ON)
    assert older.partition == newer.partition != other.partition


def test_the_connector_fetches_and_loads(tmp_path: Path, settings: Settings, publisher: Publisher) -> None:
    path = workbook(tmp_path / "published.xlsx", years=range(2008, 2024))
    publisher.serve(HOST, PATH, Answer(status=502), Answer(path.read_bytes()))
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    assert edition.files[0]["name"] == "nsf25354-tab058.xlsx"
    assert cell(live.rows(edition, "rnd_observation"), "3254", 2022)["value"] == 116_073e6


def test_a_page_or_another_workbook_is_refused(tmp_path: Path, settings: Settings, publisher: Publisher) -> None:
    other = workbook(
        tmp_path / "published.xlsx", title="Worldwide R&D: 2008\u201323 by industry", years=range(2008, 2024)
    )
    page = b"<!DOCTYPE html><html><body>Page not found</body></html>" + b" " * 9_000
    publisher.serve(HOST, PATH, Answer(page), Answer(other.read_bytes()))
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    with pytest.raises(LayoutError, match="is not supported"):
        live.run()
    assert len(list((settings.quarantine / CODE).glob("*/reason.json"))) == 1
