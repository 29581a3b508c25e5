from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, edited, in_hand, load, source_of

CODE = "eurostat_rd"
FILE = "eurostat/rd_e_gerdtot_legacy_bulk_2018.tsv"
COPIED_ON = date(2018, 4, 13)
HOST = "ec.europa.eu"
PATH = "/eurostat/api/dissemination/sdmx/2.1/data/{}/"


@cache
def whole() -> Loaded:
    return load(CODE, shared_file(FILE), published_on=COPIED_ON)


def found(rows: pl.DataFrame, area: str, measure: str, year: int) -> dict[str, Any]:
    return rows.filter(entity_code=area, measure=measure, period_start=date(year, 1, 1)).row(0, named=True)


def legacy_lines() -> list[str]:
    return shared_file(FILE).read_text(encoding="utf-8").splitlines()


def current_layout(areas: set[str], *, data_set: str = "rd_e_gerdtot") -> str:
    """Series of the real file in the layout since 2023: frequency first, oldest year first, `: ` for missing."""
    lines = legacy_lines()
    years = [year.strip() for year in lines[0].split("\t")[1:]]
    name = "sectperf" if data_set == "rd_e_gerdtot" else "nace_r2"
    result = ["\t".join([f"freq,{name},unit,geo\\TIME_PERIOD", *(f"{year} " for year in reversed(years))])]
    for line in lines[1:]:
        key, *cells = line.split("\t")
        sector, unit, area = key.split(",")
        if area not in areas or (data_set != "rd_e_gerdtot" and sector != "BES"):
            continue
        code = sector if data_set == "rd_e_gerdtot" else "C21"
        result.append("\t".join([f"A,{code},{unit},{area}", *reversed(cells)]))
    return "\n".join(result) + "\n"


def sdmx_csv(areas: set[str]) -> str:
    """The same series as SDMX-CSV."""
    rows = ["DATAFLOW,LAST UPDATE,freq,sectperf,unit,geo,TIME_PERIOD,OBS_VALUE,OBS_FLAG,CONF_STATUS"]
    lines = legacy_lines()
    years = [year.strip() for year in lines[0].split("\t")[1:]]
    for line in lines[1:]:
        key, *cells = line.split("\t")
        if key.split(",")[2] not in areas:
            continue
        for year, cell in zip(years, cells, strict=True):
            value, _, flag = cell.strip().partition(" ")
            if value != ":" or flag:
                shown = "" if value == ":" else value
                rows.append(f"ESTAT:RD_E_GERDTOT(1.0),28/02/26 23:00:00,A,{key},{year},{shown},{flag},")
    return "\n".join(rows) + "\n"


def written(folder: Path, text: str, name: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_shares_and_amounts_of_the_bulk_file() -> None:
    rows = whole().tables["rnd_observation"]
    assert found(rows, "JPN", "gerd_gdp_share", 2015)["value"] == 0.0329
    assert found(rows, "CHN", "gerd_gdp_share", 2015)["value"] == 0.0207
    assert found(rows, "CHE", "gerd_gdp_share", 2015)["entity_iso3"] == "CHE"
    assert found(rows, "JPN", "gerd", 2015)["value"] == 129_819_462_000
    assert found(rows, "AUT", "berd", 2015)["value"] > 1e9
    amounts = rows.filter(unit="currency")
    assert amounts.select("currency", "price_base").unique().rows() == [("EUR", "current")]
    assert rows.filter(unit="share")["value"].max() < 0.1


def test_every_cell_is_a_row_or_is_counted() -> None:
    rows = whole().tables["rnd_observation"]
    assert (whole().parsed.rows_read, rows.height, whole().rejected.height) == (1470, 2983, 0)
    assert whole().dropped == {"sector_not_taken": 10692, "unit_not_taken": 37584, "empty_cell": 1661}
    assert rows.height + sum(whole().dropped.values()) == 1470 * len(range(1981, 2017))
    assert whole().parsed.partition == "rd_e_gerdtot"
    assert whole().parsed.published_on == COPIED_ON


def test_codes_of_areas_are_eurostats_own() -> None:
    rows = whole().tables["rnd_observation"]
    names = dict(rows.select("entity_name", "entity_code").unique().iter_rows())
    assert {code: names[code] for code in ("EL", "UK", "CN_X_HK", "KR", "JP", "US")} == {
        "EL": "GRC",
        "UK": "GBR",
        "CN_X_HK": "CHN",
        "KR": "KOR",
        "JP": "JPN",
        "US": "USA",
    }
    groups = rows.filter(entity_kind="aggregate")
    assert sorted(groups["entity_code"].unique()) == ["EA19", "EU28"]
    assert groups["entity_iso3"].null_count() == groups.height
    assert rows.filter(entity_code="CHN")["note"].unique().to_list() == ["China without Hong Kong."]


def test_flags_are_taken_apart() -> None:
    rows = whole().tables["rnd_observation"]
    japan = found(rows, "JPN", "gerd_gdp_share", 2013)
    assert (japan["value"], japan["status"], japan["series_break"], japan["publisher_flags"]) == (
        0.0332,
        "reported",
        True,
        "b",
    )
    usa = found(rows, "USA", "gerd", 2015)
    assert (usa["status"], usa["publisher_flags"]) == ("provisional", "d,p")
    greece = found(rows, "GRC", "gerd", 2008)
    assert (greece["status"], greece["series_break"], greece["publisher_flags"]) == ("estimated", True, "b,e")
    assert found(rows, "JPN", "gerd", 2014)["publisher_flags"] is None


def test_the_world_bank_gives_the_same_shares() -> None:
    # Published two and eight years later; Japan's figures were not restated in between.
    bank = load("worldbank_wdi", shared_file("worldbank/API_GB.XPD.RSDV.GD.ZS_DS2_en_csv_v2_232.csv"))
    theirs = bank.tables["rnd_observation"]
    rows = whole().tables["rnd_observation"]
    for year in (2010, 2012, 2014):
        ours = found(rows, "JPN", "gerd_gdp_share", year)["value"]
        assert ours == pytest.approx(found(theirs, "JPN", "gerd_gdp_share", year)["value"], abs=2e-3)


def test_locators_name_line_and_year() -> None:
    row = found(whole().tables["rnd_observation"], "JPN", "gerd_gdp_share", 2015)
    number = int(row["locator"].split()[1])
    cells = legacy_lines()[number - 1].split("\t")
    assert cells[0] == "TOTAL,PC_GDP,JP"
    years = [year.strip() for year in legacy_lines()[0].split("\t")]
    assert cells[years.index("2015")].strip() == "3.29"


def test_all_layouts_give_the_same_rows(tmp_path: Path) -> None:
    areas = {"JP", "EL", "UK", "US", "EU28", "CN_X_HK"}
    key = ["entity_code", "measure", "period_start", "value", "status", "series_break", "publisher_flags", "unit"]
    legacy = whole().tables["rnd_observation"].filter(pl.col("entity_name").is_in(areas)).select(key).sort(key)
    now = load(CODE, written(tmp_path, current_layout(areas), "rd_e_gerdtot.tsv"), published_on=COPIED_ON)
    assert now.tables["rnd_observation"].select(key).sort(key).equals(legacy)
    table = load(CODE, written(tmp_path, sdmx_csv(areas), "rd_e_gerdtot_linear.csv"))
    assert table.tables["rnd_observation"].select(key).sort(key).equals(legacy)
    assert table.parsed.published_on == date(2026, 2, 28)
    packed = tmp_path / "rd_e_gerdtot.tsv.gz"
    packed.write_bytes(gzip.compress(current_layout(areas).encode("utf-8")))
    again = load(CODE, packed, published_on=COPIED_ON)
    assert again.tables["rnd_observation"].select(key).sort(key).equals(legacy)


def test_industries_of_the_other_data_set(tmp_path: Path) -> None:
    text = current_layout({"AT", "BE"}, data_set="rd_e_berdindr2")
    text = text.replace("A,C21,MIO_EUR,AT\t: ", "A,C21,MIO_EUR,AT\t: c", 1)
    loaded = load(CODE, written(tmp_path, text, "rd_e_berdindr2.tsv"), published_on=COPIED_ON)
    rows = loaded.tables["rnd_observation"]
    assert loaded.parsed.partition == "rd_e_berdindr2"
    constant = rows.select("measure", "activity_scheme", "activity_code", "criteria", "unit", "currency").unique()
    assert constant.rows() == [("berd", "NACE2", "C21", "main_activity", "currency", "EUR")]
    assert "sector_not_taken" in loaded.dropped or "unit_not_taken" in loaded.dropped
    source = whole().tables["rnd_observation"]
    assert found(rows, "AUT", "berd", 2013)["value"] == found(source, "AUT", "berd", 2013)["value"]


def test_confidential_cells_are_null_and_suppressed(tmp_path: Path) -> None:
    lines = current_layout({"JP"}).splitlines()
    position = next(i for i, line in enumerate(lines) if line.startswith("A,TOTAL,MIO_EUR,JP\t"))
    cells = lines[position].split("\t")
    cells[-2] = ": c"
    lines[position] = "\t".join(cells)
    loaded = load(CODE, written(tmp_path, "\n".join(lines) + "\n", "rd_e_gerdtot.tsv"), published_on=COPIED_ON)
    hidden = loaded.tables["rnd_observation"].filter(status="suppressed")
    assert hidden.select("entity_code", "measure", "value", "publisher_flags", "period_start").rows() == [
        ("JPN", "gerd", None, "c", date(2015, 1, 1))
    ]


def test_unknown_areas_units_sectors_and_cells_are_rejected(tmp_path: Path) -> None:
    path = edited(
        shared_file(FILE),
        tmp_path,
        ("TOTAL,PC_GDP,JP\t: \t3.29 ", "TOTAL,PC_GDP,QX\t: \t3.29 "),
        ("TOTAL,PC_GDP,US\t: \t2.79 dp", "TOTAL,PC_GDP,US\t: \t２.79 dp"),
        ("TOTAL,PC_GDP,AT\t", "TOTAL,FURLONGS,AT\t"),
        ("TOTAL,PC_GDP,BE\t", "SPACE,PC_GDP,BE\t"),
        name="rd_e_gerdtot.tsv",
    )
    loaded = load(CODE, path, published_on=COPIED_ON)
    reasons = set(loaded.rejected["reason"])
    assert reasons == {
        "QX is neither a country nor a known group of countries",
        "the cell holds neither a figure nor a known flag",
        "the unit FURLONGS is unknown",
        "the sector SPACE is unknown",
    }
    assert loaded.rejected.filter(pl.col("raw").str.contains("２.79"))["locator"].to_list() == [
        "line 1429 column 2015"
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("sectperf,unit,geo\\time", "sectperf,unit,geo"), "dimensions, then each year once"),
        (("\t2016 ", "\t2015 "), "each year once"),
        (("sectperf,unit", "sector,unit"), "the dimensions are sector, unit, geo"),
        (("BES,EUR_HAB,AT\t", "BES,EUR_HAB,AT\t\t"), "row 2: the line has another number of cells"),
        (("BES,EUR_HAB,BA\t", "BES,EUR_HAB\t"), "row 3: the series 'BES,EUR_HAB'"),
        (("BES,EUR_HAB,BA\t", "BES,EUR_HAB,AT\t"), "row 2: the series stands twice"),
    ],
)
def test_another_layout_is_an_error(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    path = edited(shared_file(FILE), tmp_path, change, name="rd_e_gerdtot.tsv")
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(path)])


def test_cut_off_files_and_other_data_sets_are_errors(tmp_path: Path) -> None:
    cut = written(tmp_path, shared_file(FILE).read_text(encoding="utf-8")[:100_003], "rd_e_gerdtot.tsv")
    with pytest.raises(LayoutError, match="cut off"):
        source_of(CODE).parse([in_hand(cut)])
    text = sdmx_csv({"JP"})
    other = written(tmp_path, text.replace("RD_E_GERDTOT", "RD_E_GERDACT"), "rd_e_gerdact.csv")
    with pytest.raises(LayoutError, match="the data flow is"):
        source_of(CODE).parse([in_hand(other)])
    flagless = written(tmp_path, text.replace("OBS_FLAG", "NOTE"), "rd_e_gerdtot.csv")
    with pytest.raises(LayoutError, match="neither Eurostat's tab-separated table nor its SDMX-CSV"):
        source_of(CODE).parse([in_hand(flagless)])
    monthly = written(tmp_path, text.replace(",2015,", ",2015-01,", 1), "rd_e_gerdtot.csv")
    with pytest.raises(LayoutError, match="'2015-01' is no year"):
        source_of(CODE).parse([in_hand(monthly)])
    with pytest.raises(LayoutError, match="neither Eurostat"):
        source_of(CODE).parse([in_hand(shared_file("eurostat/eurostat_cofog.json"))])


@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_tables_give_right_rows_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    lines = [line.split("\t") for line in current_layout({"JP", "UK"}).splitlines()]
    line, column = data.draw(st.integers(1, len(lines) - 1)), data.draw(st.integers(1, len(lines[0]) - 1))
    kind = data.draw(st.sampled_from(["cell", "year", "drop", "swap", "blank", "repeat", "encoding"]))
    if kind == "cell":
        lines[line][column] = data.draw(
            st.sampled_from(["", "１２３", "1,5", "1.5 *", ": c", "1.5 q", "--", "1e400"])
        )
    elif kind == "year":
        lines[0][column] = data.draw(st.sampled_from(["2016p", "16", "令和4年", ""]))
    elif kind == "drop":
        for cells in lines:
            del cells[column]
    elif kind == "swap":
        for cells in lines:
            cells[1], cells[column] = cells[column], cells[1]
    elif kind in {"blank", "repeat"}:
        lines.insert(line, [""] if kind == "blank" else list(lines[line]))
    path = tmp_path / "rd_e_gerdtot.tsv"
    encoding = "utf-16" if kind == "encoding" else "utf-8"
    path.write_bytes(("\n".join("\t".join(cells) for cells in lines) + "\n").encode(encoding))
    key = ["entity_code", "measure", "period_start", "value", "status"]
    right = set(whole().tables["rnd_observation"].select(key).iter_rows())
    try:
        rows = load(CODE, path, published_on=COPIED_ON).tables["rnd_observation"]
    except IngestError:
        return
    wrong = set(rows.select(key).iter_rows()) - right
    assert all(status == "suppressed" and value is None for *_, value, status in wrong)


def test_there_is_no_bundled_edition_and_the_caveat_says_why() -> None:
    source = source_of(CODE)
    assert not source.has_bundled_edition
    assert source.spec.caveats[0].startswith("No bundled edition")


def test_the_connector_fetches_both_data_sets(settings: Settings, publisher: Publisher) -> None:
    areas = {"JP", "DE", "CH", "UK"}
    publisher.serve(HOST, PATH.format("rd_e_gerdtot"), Answer(current_layout(areas).encode("utf-8")))
    publisher.serve(
        HOST,
        PATH.format("rd_e_berdindr2"),
        Answer(current_layout(areas, data_set="rd_e_berdindr2").encode("utf-8")),
    )
    live = connector(settings, publisher, CODE, HOST)
    total, industries = live.run()
    assert (total.partition, industries.partition) == ("rd_e_gerdtot", "rd_e_berdindr2")
    assert found(live.rows(total, "rnd_observation"), "JPN", "gerd_gdp_share", 2015)["value"] == 0.0329
    assert live.rows(industries, "rnd_observation")["activity_code"].unique().to_list() == ["C21"]
    assert publisher.seen[0].parameters == {"format": "TSV", "compressed": "false"}


def test_error_pages_are_refused_and_the_edition_before_stands(settings: Settings, publisher: Publisher) -> None:
    good = Answer(current_layout({"JP", "DE"}).encode("utf-8"))
    fault = b'<?xml version="1.0"?><S:Fault xmlns:S="http://x"><faultstring>ERR_NOT_FOUND_6</faultstring></S:Fault>'
    publisher.serve(HOST, PATH.format("rd_e_gerdtot"), good, Answer(fault + b" " * 300))
    publisher.serve(
        HOST,
        PATH.format("rd_e_berdindr2"),
        Answer(current_layout({"JP", "DE"}, data_set="rd_e_berdindr2").encode("utf-8")),
    )
    live = connector(settings, publisher, CODE, HOST)
    first = live.run()
    with pytest.raises(GateError, match="the content is xml"):
        live.run()
    assert live.rows(first[0], "rnd_observation").height > 0
