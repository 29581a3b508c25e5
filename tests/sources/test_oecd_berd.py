from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.errors import IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import bundled, edited, in_hand, load, same_rows, source_of

CODE = "oecd_berd"
FILE = "oecd/berd_indu_c21_sdmxcsv_labels.csv"
ANBERD = "oecd/anberd_c21_usdppp_2000_2023.sdmxjson1.json"
HOST = "sdmx.oecd.org"
PATH = "/public/rest/data/OECD.STI.STP,DSD_RDS_BERD@DF_BERD_INDU,1.0/.A.B.BES._T._T._Z.C21+_T.MA.USD_PPP.V"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def copy(folder: Path) -> Path:
    path = folder / "berd_indu_c21_copy.csv"
    path.write_bytes(shared_file(FILE).read_bytes())
    return path


def value(rows: pl.DataFrame, area: str, activity: str, year: int) -> float:
    found = rows.filter(entity_code=area, activity_code=activity, period_start=date(year, 1, 1))
    assert found.height == 1
    return float(found["value"].item())


def test_millions_become_units() -> None:
    loaded = load(CODE, shared_file(FILE))
    rows = loaded.tables["rnd_observation"]
    assert (loaded.parsed.rows_read, rows.height, loaded.rejected.height, loaded.dropped) == (32, 32, 0, {})
    assert value(rows, "KOR", "C21", 2023) == 3_133_965_623
    assert value(rows, "JPN", "_T", 2023) == 169_200_988_200
    constant = rows.select("lens", "activity_scheme", "criteria", "measure", "unit", "price_base", "period_basis")
    assert constant.unique().rows() == [
        ("territory", "ISIC4", "main_activity", "berd", "usd_ppp", "current", "reference_year")
    ]
    assert rows.filter(entity_code="KOR")["entity_name"].unique().to_list() == ["Korea"]
    assert (rows["entity_iso3"] == rows["entity_code"]).all()


def test_the_same_industry_in_anberd_comes_in_units() -> None:
    # ANBERD writes units where BERD writes millions; read right, they are a few per cent apart.
    ours = load(CODE, shared_file(FILE)).tables["rnd_observation"]
    theirs = load("oecd_anberd", shared_file(ANBERD)).tables["rnd_observation"]
    for area, year in (("KOR", 2023), ("KOR", 2020), ("CHE", 2023)):
        assert value(ours, area, "C21", year) == pytest.approx(value(theirs, area, "C21", year), rel=0.05)


def test_only_three_countries_report_pharmaceuticals() -> None:
    rows = load(CODE, shared_file(FILE)).tables["rnd_observation"]
    assert sorted(rows.filter(activity_code="C21")["entity_code"].unique()) == ["CAN", "CHE", "KOR"]
    assert rows.filter(activity_code="_T")["entity_code"].n_unique() == 10


def test_breaks_and_provisional_values_are_marked() -> None:
    rows = load(CODE, shared_file(FILE)).tables["rnd_observation"].filter(pl.col("publisher_flags").is_not_null())
    marked = rows.select("entity_code", pl.col("period_start").dt.year(), "status", "series_break", "publisher_flags")
    assert sorted(marked.rows()) == [("GBR", 2021, "provisional", False, "P"), ("GBR", 2022, "reported", True, "B")]


def test_national_currency_carries_its_code(tmp_path: Path) -> None:
    text = shared_file(FILE).read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text)))
    unit, currency = rows[0].index("UNIT_MEASURE"), rows[0].index("CURRENCY")
    rows[1][unit], rows[1][currency] = "XDC", "KRW"
    rows[2][unit], rows[2][currency] = "XDC", ""
    path = tmp_path / "berd_indu_c21.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    loaded = load(CODE, path)
    national = loaded.tables["rnd_observation"].filter(unit="national_currency")
    assert national.select("entity_code", "currency").rows() == [("KOR", "KRW")]
    assert loaded.rejected.select("locator", "reason").rows() == [("line 3", "the national currency is not named")]


def test_parts_of_business_rnd_are_left_out_and_counted(tmp_path: Path) -> None:
    government_funded = ("BES,Business enterprise sector,_T,Total", "BES,Business enterprise sector,GOV,Government")
    loaded = load(CODE, edited(shared_file(FILE), tmp_path, government_funded))
    assert loaded.dropped == {"breakdown_not_taken": 1}
    assert loaded.tables["rnd_observation"].height == 31


def test_copies_are_marked_as_copies(tmp_path: Path) -> None:
    origins = [
        load(CODE, path).tables["rnd_observation"]["value_origin"].unique().to_list()
        for path in (copy(tmp_path), shared_file(FILE))
    ]
    assert origins == [["republished_copy"], ["publisher_bytes"]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("SECT_PERF,Sector of performance", "SECTOR,Sector of performance"), "SECTOR"),
        ((",OBS_VALUE,", ",VALUE,"), "OBS_VALUE is missing"),
        ((",UNIT_MULT,Unit multiplier", ",UNIT,Unit multiplier"), "no UNIT_MULT"),
        (("\nDATAFLOW,OECD", "\nDATAFLOW,x,OECD"), "cells, the header"),
        (("Millions,,,USD", "Millions,,,USD\nDATAFLOW,OECD"), "cut off"),
    ],
)
def test_another_layout_is_an_error(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    with pytest.raises(LayoutError, match=problem):
        load(CODE, edited(shared_file(FILE), tmp_path, change))


def test_anberd_is_refused() -> None:
    with pytest.raises(LayoutError, match=r"those of DSD_RDS_BERD@DF_BERD_INDU are"):
        source_of(CODE).parse([in_hand(shared_file(ANBERD))])


@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_tables_give_right_rows_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    rows = list(csv.reader(io.StringIO(shared_file(FILE).read_text(encoding="utf-8"))))
    width = len(rows[0])
    order = data.draw(st.sampled_from(["same", "swapped", "dropped"]))
    one, other = data.draw(st.integers(4, width - 1)), data.draw(st.integers(4, width - 1))
    if order == "swapped":
        for row in rows:
            row[one], row[other] = row[other], row[one]
    elif order == "dropped":
        for row in rows:
            del row[one]
    line = data.draw(st.integers(1, len(rows) - 1))
    noise = data.draw(st.sampled_from(["", "3,133.97", "３１３４", "n.a.*", "1e999", "-"]))
    column = data.draw(st.integers(0, len(rows[0]) - 1))
    if data.draw(st.booleans()):
        rows[line][column] = noise
    if data.draw(st.booleans()):
        rows.insert(line, data.draw(st.sampled_from([[], rows[line]])))
    path = tmp_path / "berd_indu_fuzzed.csv"
    with path.open("w", encoding=data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), newline="") as stream:
        csv.writer(stream).writerows(rows)
    right = {
        tuple(row)
        for row in load(CODE, shared_file(FILE))
        .tables["rnd_observation"]
        .select("entity_code", "activity_code", "period_start", "unit", "value")
        .iter_rows()
    }
    try:
        loaded = load(CODE, path)
    except IngestError:
        return
    found = loaded.tables["rnd_observation"]
    assert found.height + loaded.rejected.height + sum(loaded.dropped.values()) == loaded.parsed.rows_read
    wrong = {
        tuple(row)
        for row in found.select("entity_code", "activity_code", "period_start", "unit", "value").iter_rows()
    } - right
    # One cell was overwritten: at most its own row may differ, and only by what stands in the file.
    assert len(wrong) <= 1


def test_the_bundled_edition_is_what_the_parser_gives(tmp_path: Path) -> None:
    ours, theirs = bundled(CODE, "rnd_observation"), load(CODE, copy(tmp_path)).tables["rnd_observation"]
    dates = {"published_on": date(2026, 11, 22)}
    assert same_rows(ours, theirs.with_columns(pl.lit(value).alias(name) for name, value in dates.items()))
    assert sum(path.stat().st_size for path in source_of(CODE).edition_dir.iterdir()) < 10_000


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(shared_file(FILE).read_bytes()))
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    rows = live.rows(edition, "rnd_observation")
    assert value(rows, "KOR", "C21", 2023) == 3_133_965_623
    assert rows["value_origin"].unique().to_list() == ["publisher_bytes"]
    seen = publisher.seen[0]
    assert seen.parameters == {"startPeriod": "2000", "dimensionAtObservation": "AllDimensions"}
    assert seen.headers["accept"] == "application/vnd.sdmx.data+csv; version=2.0.0"


def test_a_query_that_finds_nothing_is_a_named_error(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(b"NoRecordsFound", status=404))
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(FetchError, match="HTTP 404"):
        live.run()
    assert len(publisher.seen) == 1
    assert not live.archived()


@pytest.mark.parametrize("code", ["oecd_anberd", "oecd_berd", "oecd_msti"])
def test_requests_keep_within_the_service_limit_of_60_an_hour(code: str) -> None:
    assert source_of(code).spec.fetch.seconds_between_requests >= 60
