from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest import edition
from ingest.archive import sha256_of
from ingest.errors import GateError, LayoutError
from ingest.fetch import FetchError
from ingest.load import load_files
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher, Seen
from tests.sources.connectors import connector
from tests.sources.rnd import bundled, edited, in_hand, load, same_rows, source_of

CODE = "worldbank_wdi"
GERD = "worldbank/API_GB.XPD.RSDV.GD.ZS_DS2_en_csv_v2_232.csv"
TOPIC_2021 = "worldbank/API_14_DS2_en_csv_v2_3054360_science-and-technology-raw-2021.csv"
DEFLATOR_2019 = "worldbank/API_NY.GDP.DEFL.ZS_DS2_en_csv_v2_10405103.csv"
GDP_PER_HEAD = "worldbank/API_NY.GDP.PCAP.CD_DS2_en_csv_v2_33610.csv"
FCRF = "worldbank/API_PA.NUS.FCRF_DS2_en_csv_v2_10322214.csv"
DEFLATOR_COPY = "worldbank/datahub_archive_NY.GDP.DEFL.KD.ZG.csv"
PPP_COPY = "worldbank/datahub_ppp-gdp_PA.NUS.PPP.csv"
COPIED_ON = date(2026, 3, 5)


def value(rows: pl.DataFrame, area: str, year: int) -> float:
    column = "entity_code" if "entity_code" in rows.columns else "area_code"
    found = rows.filter(pl.col(column) == area, period_start=date(year, 1, 1))
    assert found.height == 1
    return float(found["value"].item())


def test_gerd_shares_are_fractions() -> None:
    loaded = load(CODE, shared_file(GERD))
    rows = loaded.tables["rnd_observation"]
    assert loaded.parsed.published_on == date(2026, 7, 13)
    assert loaded.parsed.partition == "GB.XPD.RSDV.GD.ZS"
    assert loaded.rejected.height == 0
    published = {("JPN", 2022): 3.40053, ("JPN", 2023): 3.44125}
    assert {key: value(rows, *key) for key in published} == {k: pytest.approx(v / 100) for k, v in published.items()}
    assert round(value(rows, "JPN", 2023) * 100, 3) == 3.441
    rounded = {
        ("USA", 2022): 3.49,
        ("KOR", 2023): 4.94,
        ("CHN", 2023): 2.58,
        ("DEU", 2023): 3.15,
        ("GBR", 2023): 2.68,
    }
    assert {key: round(value(rows, *key) * 100, 2) for key in rounded} == rounded
    constant = rows.select("measure", "unit", "lens", "activity_code", "criteria", "price_base").unique()
    assert constant.rows() == [("gerd_gdp_share", "share", "territory", "_T", "none", "none")]
    assert rows["period_basis"].unique().to_list() == ["reference_year"]


def test_every_cell_is_a_row_or_is_counted() -> None:
    loaded = load(CODE, shared_file(GERD))
    cells = 265 * len(range(1960, 2026))
    assert loaded.parsed.rows_read == 265
    assert loaded.tables["rnd_observation"].height == 3198
    assert loaded.dropped == {"empty_cell": cells - 3198}


def test_locators_name_line_and_year() -> None:
    rows = load(CODE, shared_file(GERD)).tables["rnd_observation"]
    row = rows.filter(entity_code="JPN", period_start=date(2023, 1, 1)).row(0, named=True)
    _, number, _, year = row["locator"].split()
    lines = shared_file(GERD).read_text(encoding="utf-8-sig").splitlines()
    cells = lines[int(number) - 1].strip('",').split('","')
    assert cells[1] == "JPN"
    assert cells[lines[4].strip('",').split('","').index(year)] == "3.44125"
    assert row["value_origin"] == "publisher_bytes"


def test_groups_of_countries_are_told_from_countries() -> None:
    rows = load(CODE, shared_file(GDP_PER_HEAD)).tables["reference_rate"]
    kinds = dict(rows.select("area_code", "area_kind").unique().iter_rows())
    assert {kinds[code] for code in ("JPN", "USA", "CHE", "XKX", "NAM")} == {"country"}
    assert {kinds[code] for code in ("WLD", "EUU", "OED", "HIC", "AFE", "CHI")} == {"aggregate"}
    assert value(rows, "JPN", 2019) == 41424.8655601543


def test_the_2021_topic_file_holds_an_older_vintage() -> None:
    loaded = load(CODE, shared_file(TOPIC_2021))
    assert loaded.parsed.published_on == date(2021, 9, 15)
    assert loaded.parsed.partition == "GB.XPD.RSDV.GD.ZS"
    assert loaded.dropped["indicator_not_declared"] == 266 * 12
    assert loaded.parsed.rows_read == 266 * 13
    older, newer = loaded.tables["rnd_observation"], load(CODE, shared_file(GERD)).tables["rnd_observation"]
    assert older.height == 1965
    key = ["entity_code", "period_start"]
    both = older.join(newer, on=key).filter((pl.col("value") - pl.col("value_right")).abs() > 1e-9)
    assert both.height > 0


def test_the_deflator_index_of_2019() -> None:
    loaded = load(CODE, shared_file(DEFLATOR_2019))
    rows = loaded.tables["reference_rate"]
    assert loaded.parsed.published_on == date(2019, 1, 30)
    assert loaded.parsed.partition == "NY.GDP.DEFL.ZS"
    assert rows["series_code"].unique().to_list() == ["gdp_deflator_index"]
    assert (value(rows, "JPN", 2010), value(rows, "JPN", 2017)) == (100, 101.126390555458)


def test_the_copied_deflator_is_a_yearly_fraction() -> None:
    loaded = load(CODE, shared_file(DEFLATOR_COPY), published_on=date(2025, 12, 31))
    rows = loaded.tables["reference_rate"]
    assert loaded.parsed.published_on == date(2025, 12, 31)
    assert loaded.parsed.partition == "NY.GDP.DEFL.KD.ZG"
    assert rows["value_origin"].unique().to_list() == ["republished_copy"]
    assert rows["unit"].unique().to_list() == ["share per year"]
    # NY.GDP.DEFL.ZS, a vintage that the publisher sent itself, moves with it.
    index = load(CODE, shared_file(DEFLATOR_2019)).tables["reference_rate"]
    for year in range(2005, 2016):
        growth = value(index, "DEU", year) / value(index, "DEU", year - 1) - 1
        assert value(rows, "DEU", year) == pytest.approx(growth, abs=0.004)


def test_the_copied_ppp_table_is_long_with_two_letter_codes() -> None:
    loaded = load(CODE, shared_file(PPP_COPY), published_on=COPIED_ON)
    rows = loaded.tables["reference_rate"]
    assert (loaded.parsed.rows_read, rows.height, loaded.rejected.height) == (6856, 6856, 0)
    assert loaded.parsed.published_on == COPIED_ON
    assert loaded.parsed.partition == "PA.NUS.PPP"
    assert {year: round(value(rows, "JPN", year), 2) for year in (2014, 2018, 2020, 2022, 2023)} == {
        2014: 103.05,
        2018: 104.16,
        2020: 100.74,
        2022: 94.92,
        2023: 93.83,
    }
    assert value(rows, "NAM", 2020) > 0
    assert rows.filter(area_code="JPN", period_start=date(2024, 1, 1))["locator"].item().endswith("column PPP")
    assert rows["value_origin"].unique().to_list() == ["republished_copy"]
    assert rows["area_code"].n_unique() == 205


def test_copies_have_no_date_of_their_own() -> None:
    for name in (DEFLATOR_COPY, PPP_COPY):
        assert source_of(CODE).parse([in_hand(shared_file(name))]).published_on is None


def test_the_publishers_archive_is_read(tmp_path: Path) -> None:
    path = tmp_path / "API_GB.XPD.RSDV.GD.ZS_DS2_en_csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Metadata_Indicator_API_GB.XPD.RSDV.GD.ZS_DS2_en_csv_v2_232.csv", "not read")
        archive.write(shared_file(GERD), shared_file(GERD).name)
    packed, plain = load(CODE, path), load(CODE, shared_file(GERD))
    assert packed.parsed.published_on == plain.parsed.published_on
    assert same_rows(
        *(loaded.tables["rnd_observation"].drop("file_sha256", "published_on") for loaded in (packed, plain))
    )


def test_exchange_rates_and_metadata_are_not_taken() -> None:
    with pytest.raises(LayoutError, match="none of the indicators that are taken"):
        load(CODE, shared_file(FCRF))
    metadata = shared_file("worldbank/Metadata_Country_API_NY.GDP.DEFL.ZS_DS2_en_csv_v2_10405103.csv")
    with pytest.raises(GateError, match="matches no file of source"):
        load(CODE, metadata)
    with pytest.raises(LayoutError, match="neither the publisher's table nor a known copy"):
        source_of(CODE).parse([in_hand(metadata)])


def test_one_edition_is_one_indicator(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="one file is one edition"):
        load(CODE, shared_file(GERD), shared_file(GDP_PER_HEAD))
    afghanistan = '"AFG","Research and development expenditure (% of GDP)",'
    mixed = edited(shared_file(GERD), tmp_path, (afghanistan + '"GB.XPD.RSDV.GD.ZS"', afghanistan + '"PA.NUS.PPP"'))
    with pytest.raises(LayoutError, match=r"holds GB\.XPD\.RSDV\.GD\.ZS, PA\.NUS\.PPP of the indicators"):
        load(CODE, mixed)


def test_odd_cells_and_unknown_areas_are_rejected(tmp_path: Path) -> None:
    path = edited(
        shared_file(GERD),
        tmp_path,
        ('"Zambia","ZMB"', '"Sambia","ZZZ"'),
        ('"3.44125"', '"3.44125 b"'),
        ('"3.40053"', '"inf"'),
    )
    loaded = load(CODE, path)
    reasons = dict(loaded.rejected["reason"].value_counts().iter_rows())
    assert reasons.pop("the cell holds no number") == 2
    (unknown,) = reasons
    assert unknown == "ZZZ is neither a country nor a known group of countries"
    zambia = load(CODE, shared_file(GERD)).tables["rnd_observation"].filter(entity_code="ZMB").height
    assert reasons[unknown] == zambia > 0
    assert loaded.tables["rnd_observation"].height == 3198 - 2 - zambia
    cell = loaded.rejected.filter(pl.col("raw").str.contains("3.44125 b"))
    assert cell["locator"].item().endswith("column 2023")
    assert cell["raw"].item() == "JPN: 3.44125 b"


def test_an_area_that_stands_twice_with_other_values_is_rejected(tmp_path: Path) -> None:
    path = edited(shared_file(GERD), tmp_path, ('"Japan","JPN"', '"Korea, Rep.","KOR"'))
    loaded = load(CODE, path)
    assert loaded.rejected["reason"].str.contains("another row has the same key").all()
    assert "KOR" not in loaded.tables["rnd_observation"].filter(period_start=date(2023, 1, 1))["entity_code"]
    korea = loaded.rejected.filter(pl.col("raw").str.contains('"entity_code":"KOR"'))
    assert korea.height >= 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('"Country Code"', '"Country ISO"'), "Country ISO"),
        (('"Last Updated Date","2026-07-13",', '"Last Updated Date","13.07.2026",'), "Last Updated Date"),
        (('"Last Updated Date"', '"Updated"'), "Last Updated Date"),
        (('"1960",', '"1960 [YR1960]",'), r"1960 \[YR1960\]"),
        (('"Data Source"', '"Database"'), "neither the publisher's table"),
        (('"Aruba","ABW",', '"Aruba",'), "row 6: the line has"),
    ],
)
def test_another_layout_is_an_error(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    with pytest.raises(LayoutError, match=problem) as caught:
        load(CODE, edited(shared_file(GERD), tmp_path, change))
    assert caught.value.file == Path(GERD).name


@pytest.mark.parametrize("name", [GERD, DEFLATOR_COPY, PPP_COPY])
def test_a_cut_off_table_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / Path(name).name
    path.write_bytes(shared_file(name).read_bytes()[:60_000].rstrip(b"0123456789."))
    with pytest.raises(LayoutError, match="cut off"):
        load(CODE, path)


def test_a_year_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"row 2: '2024f' is no year"):
        load(CODE, edited(shared_file(PPP_COPY), tmp_path, (",2024,", ",2024f,")))


def test_pages_go_to_quarantine(tmp_path: Path, settings: Settings) -> None:
    page = tmp_path / Path(GERD).name
    page.write_text("<!DOCTYPE html>\n<html><body>Request blocked</body></html>" + " " * 30_000)
    with pytest.raises(GateError, match="HTML page"):
        load_files(settings, source_of(CODE), [page])
    assert len(list((settings.quarantine / CODE).glob("*/reason.json"))) == 1


def test_a_newer_vintage_of_one_indicator_leaves_the_others(settings: Settings) -> None:
    editions = [
        load_files(settings, source_of(CODE), [shared_file(TOPIC_2021)]),
        load_files(settings, source_of(CODE), [shared_file(GERD)]),
        load_files(settings, source_of(CODE), [shared_file(PPP_COPY)], published_on=COPIED_ON),
    ]
    assert [(e.partition, e.published_on) for e in editions] == [
        ("GB.XPD.RSDV.GD.ZS", "2021-09-15"),
        ("GB.XPD.RSDV.GD.ZS", "2026-07-13"),
        ("PA.NUS.PPP", "2026-03-05"),
    ]


@pytest.mark.parametrize(
    ("name", "published_on", "table"),
    [
        (TOPIC_2021, None, "rnd_observation"),
        (GERD, None, "rnd_observation"),
        (DEFLATOR_COPY, date(2025, 12, 31), "reference_rate"),
        (PPP_COPY, COPIED_ON, "reference_rate"),
    ],
)
def test_the_bundled_edition_is_the_trimmed_parse(name: str, published_on: date | None, table: str) -> None:
    loaded = load(CODE, shared_file(name), published_on=published_on)
    # Two editions of the R&D shares are bundled, so that a revision can be seen.
    ours = bundled(CODE, table).filter(file_sha256=sha256_of(shared_file(name)))
    assert set(ours["edition_partition"]) == {loaded.parsed.partition}
    assert same_rows(ours, source_of(CODE).trim(loaded.tables)[table])
    assert ours["period_start"].min() >= date(1995, 1, 1)


def test_the_bundled_edition_is_small_and_dated() -> None:
    folder = source_of(CODE).edition_dir
    assert sum(path.stat().st_size for path in folder.iterdir()) < 600_000
    dates = {part.partition: part.published_on for part in edition.read(source_of(CODE))}
    assert dates == {
        "GB.XPD.RSDV.GD.ZS": date(2026, 7, 13),
        "NY.GDP.DEFL.KD.ZG": date(2025, 12, 31),
        "PA.NUS.PPP": COPIED_ON,
    }


HOST = "api.worldbank.org"
API_PATH = "/v2/country/all/indicator/PA.NUS.PPP"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def records(areas: set[str]) -> list[dict[str, Any]]:
    """Parities of the real table as the API writes them."""
    iso3 = {"JP": "JPN", "US": "USA", "CH": "CHE"}
    with shared_file(PPP_COPY).open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Country ID"] in areas]
    return [
        {
            "indicator": {"id": "PA.NUS.PPP", "value": "PPP conversion factor, GDP (LCU per international $)"},
            "country": {"id": row["Country ID"], "value": row["Country"]},
            "countryiso3code": iso3[row["Country ID"]],
            "date": row["Year"],
            "value": float(row["PPP"]),
            "unit": "",
            "obs_status": "",
            "decimal": 0,
        }
        for row in rows
    ]


SYNTHETIC: dict[str, Any] = {
    "indicator": {"id": "PA.NUS.PPP", "value": "synthetic"},
    "country": {"id": "JP", "value": "Japan"},
    "countryiso3code": "JPN",
    "date": "2020",
    "value": 1.0,
}


def page(number: int, pages: int, content: list[dict[str, Any]], total: int, **head: Any) -> bytes:
    start = {"page": number, "pages": pages, "per_page": 60, "total": total, "sourceid": "2"}
    return json.dumps([{**start, "lastupdated": "2026-07-13", **head}, content]).encode("utf-8")


def written(folder: Path, *pages: bytes) -> list[Path]:
    paths = [folder / f"API_PA.NUS.PPP_page_{number:03}.json" for number in range(1, len(pages) + 1)]
    for path, content in zip(paths, pages, strict=True):
        path.write_bytes(content)
    return paths


def test_pages_of_the_api_give_what_the_table_gives(tmp_path: Path) -> None:
    every = records({"JP", "US", "CH"})
    every[3] |= {"value": None}
    paths = written(tmp_path, page(1, 2, every[:60], len(every)), page(2, 2, every[60:], len(every)))
    loaded = load(CODE, *reversed(paths))
    rows = loaded.tables["reference_rate"]
    assert loaded.parsed.published_on == date(2026, 7, 13)
    assert loaded.parsed.partition == "PA.NUS.PPP"
    assert loaded.dropped == {"empty_cell": 1}
    assert rows["value_origin"].unique().to_list() == ["publisher_bytes"]
    assert rows["file_sha256"].n_unique() == 2
    table = load(CODE, shared_file(PPP_COPY), published_on=COPIED_ON).tables["reference_rate"]
    key = ["area_code", "period_start", "value", "unit"]
    assert rows.height == len(every) - 1
    assert rows.join(table, on=key, how="semi").height == rows.height
    where = rows.filter(area_code="JPN", period_start=date(2018, 1, 1))["locator"].item()
    position = int(where.removeprefix("[1][").removesuffix("]"))
    assert any(json.loads(path.read_bytes())[1][position]["date"] == "2018" for path in paths)


def test_areas_and_values_that_cannot_be_read_are_rejected(tmp_path: Path) -> None:
    some = records({"JP"})[:3]
    some[0] |= {"countryiso3code": "", "country": {"id": "XQ", "value": "Nowhere"}}
    some[1] |= {"value": "n/a"}
    loaded = load(CODE, *written(tmp_path, page(1, 1, some, 3)))
    assert sorted(loaded.rejected["reason"]) == [
        "XQ is neither a country nor a known group of countries",
        "the cell holds no number",
    ]
    assert loaded.tables["reference_rate"].height == 1


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        (
            [b'[{"message": [{"id": "120", "key": "Invalid value", "value": "not valid"}]}]'],
            "reports an error.*not valid",
        ),
        ([page(1, 2, [SYNTHETIC, SYNTHETIC], 4)], r"the pages are \[1\], the answer has 2"),
        ([page(1, 1, [SYNTHETIC, SYNTHETIC], 4)], "hold 2 of 4 values"),
        ([page(1, 1, [{**SYNTHETIC, "date": "2020M01"}], 1)], "'2020M01' is no year"),
        ([page(1, 1, [{"date": "2020"}], 1)], r"record \[1\]\[0\] lacks"),
        ([page(1, 1, [SYNTHETIC], 1, lastupdated="July")], "lastupdated is no date"),
        (
            [page(1, 2, [SYNTHETIC], 2), page(2, 2, [SYNTHETIC], 2, lastupdated="2026-07-14")],
            "as of 2026-07-13, 2026-07-14",
        ),
        ([b'{"dataSets": []}'], "no page of the World Bank's API"),
    ],
)
def test_other_answers_of_the_api_are_errors(tmp_path: Path, pages: list[bytes], problem: str) -> None:
    paths = written(tmp_path, *pages)
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(path) for path in paths])


def zipped(name: str, *, head: bytes = b"") -> bytes:
    """A real table in an archive like the publisher's, with the lines above its header where a copy lacks them."""
    stream = io.BytesIO()
    indicator = next(
        part
        for part in ("GB.XPD.RSDV.GD.ZS", "NY.GDP.DEFL.ZS", "NY.GDP.DEFL.KD.ZG", "NY.GDP.PCAP.CD")
        if part in name
    )
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"API_{indicator}_DS2_en_csv_v2_1.csv", head + shared_file(name).read_bytes())
        archive.writestr(f"Metadata_Country_API_{indicator}_DS2_en_csv_v2_1.csv", "Country Code\n")
    return stream.getvalue()


def test_the_connector_fetches_archives_and_pages(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.sources.worldbank_wdi import fetch as ours

    monkeypatch.setattr(ours, "_PER_PAGE", 60)
    every = records({"JP", "US", "CH"})

    def answer(seen: Seen) -> Answer:
        if seen.parameters["per_page"] == "1":
            return Answer(page(1, len(every), every[:1], len(every)))
        number, size = int(seen.parameters["page"]), int(seen.parameters["per_page"])
        pages = -(-len(every) // size)
        return Answer(page(number, pages, every[(number - 1) * size : number * size], len(every)))

    publisher.serve(HOST, API_PATH, answer)
    for indicator, name in (
        ("GB.XPD.RSDV.GD.ZS", GERD),
        ("NY.GDP.DEFL.ZS", DEFLATOR_2019),
        ("NY.GDP.PCAP.CD", GDP_PER_HEAD),
    ):
        publisher.serve(HOST, f"/v2/en/indicator/{indicator}", Answer(zipped(name)))
    head = b'"Data Source","World Development Indicators",\n\n"Last Updated Date","2026-07-13",\n\n'
    publisher.serve(HOST, "/v2/en/indicator/NY.GDP.DEFL.KD.ZG", Answer(zipped(DEFLATOR_COPY, head=head)))
    # No file of the population is at hand: another table of the same layout, under its code.
    synthetic_population = io.BytesIO()
    with zipfile.ZipFile(synthetic_population, "w", zipfile.ZIP_DEFLATED) as archive:
        table = shared_file(GDP_PER_HEAD).read_bytes().replace(b"NY.GDP.PCAP.CD", b"SP.POP.TOTL")
        archive.writestr("API_SP.POP.TOTL_DS2_en_csv_v2_1.csv", table)
    publisher.serve(HOST, "/v2/en/indicator/SP.POP.TOTL", Answer(synthetic_population.getvalue()))
    live = connector(settings, publisher, CODE, HOST)
    editions = {edition.partition: edition for edition in live.run()}
    assert {partition: edition.published_on for partition, edition in editions.items()} == {
        "GB.XPD.RSDV.GD.ZS": "2026-07-13",
        "NY.GDP.DEFL.KD.ZG": "2026-07-13",
        "NY.GDP.DEFL.ZS": "2019-01-30",
        "NY.GDP.PCAP.CD": "2026-07-13",
        "PA.NUS.PPP": "2026-07-13",
        "SP.POP.TOTL": "2026-07-13",
    }
    population = live.rows(editions["SP.POP.TOTL"], "reference_rate")
    assert set(population["series_code"]) == {"population"} and set(population["unit"]) == {"persons"}
    assert len(editions["PA.NUS.PPP"].files) == 2
    assert value(live.rows(editions["PA.NUS.PPP"], "reference_rate"), "JPN", 2018) == pytest.approx(104.16, abs=0.005)
    assert value(live.rows(editions["GB.XPD.RSDV.GD.ZS"], "rnd_observation"), "JPN", 2023) == pytest.approx(0.0344125)
    asked = [seen.parameters for seen in publisher.seen if seen.path == API_PATH]
    assert [entry.get("page") for entry in asked] == [None, "1", "2"]
    assert all(entry["format"] == "json" and entry["date"].startswith("1990:") for entry in asked)


def test_errors_with_status_200_are_named(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(
        HOST, API_PATH, Answer(b'[{"message": [{"id": "175", "value": "The indicator was not found."}]}]')
    )
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(FetchError, match="The indicator was not found"):
        live.fetch()
    assert not live.archived()
