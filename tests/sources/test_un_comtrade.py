from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest import edition, vocabulary
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.lake import Lake
from ingest.load import load_files
from ingest.settings import Settings
from ingest.sources.un_comtrade import fetch
from ingest.sources.un_comtrade.parse import FIELDS, LEGACY_HEADER
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher, Seen
from tests.sources.connectors import Connector, connector
from tests.sources.mutations import Damage, Table, damages
from tests.sources.rnd import Loaded, bundled, in_hand, load, source_of

CODE = "un_comtrade"
TABLE = "trade_flow"
HOST = "comtradeapi.un.org"
DATA, PREVIEW = "/data/v1/get/C/A/HS", "/public/v1/preview/C/A/HS"
BODY = "un_comtrade/data_v1_get_C_A_HS.raw_body_CHN_2010.json"
YEARS = (2010, 2011, 2013, 2014, 2015, 2016, 2017, 2019, 2020)
# USD m as published; the table of 2014 has no report of Japan.
JAPAN_IMPORTS = {
    2010: 557.2,
    2011: 1196.7,
    2013: 566.0,
    2015: 369.8,
    2016: 538.9,
    2017: 445.1,
    2019: 360.9,
    2020: 514.4,
}

Record = dict[str, Any]


def legacy_name(year: int) -> str:
    return f"un_comtrade_legacy/Comtrade_Vacciness_Data_{year}.csv.gz"


@cache
def legacy(year: int) -> Loaded:
    return load(CODE, shared_file(legacy_name(year)))


def rows_of(year: int) -> pl.DataFrame:
    return legacy(year).tables[TABLE]


def recorded() -> Record:
    body: Record = json.loads(shared_file(BODY).read_text())
    return body


def answer(folder: Path, *changes: Callable[[Record], object], name: str = "comtrade_data_test.json") -> Path:
    """The recorded answer after changes to it, with its count kept true unless a change sets it."""
    body = recorded()
    for change in changes:
        change(body)
    path = folder / name
    path.write_text(json.dumps(body))
    return path


def first(**values: object) -> Callable[[Record], object]:
    """A change to the first record."""
    return lambda body: body["data"][0].update(values)


# The retired tables


@pytest.mark.parametrize(("year", "million"), JAPAN_IMPORTS.items())
def test_japans_imports_of_vaccines(year: int, million: float) -> None:
    imports = rows_of(year).filter(reporter_iso3="JPN", flow="import", hs_code="300220")
    world = float(imports.filter(partner_iso3="WLD")["value_usd"].sum())
    partners = float(imports.filter(pl.col("partner_iso3") != "WLD")["value_usd"].sum())
    assert round(world / 1e6, 1) == million
    assert abs(world - partners) <= 6
    assert imports["period_start"].n_unique() == 12
    assert set(imports["valuation"]) == {"cif"}


def test_japans_report_of_2014_is_missing() -> None:
    assert rows_of(2014).filter(reporter_iso3="JPN").is_empty()
    assert rows_of(2014).filter(partner_iso3="JPN").height > 100


def test_mirror_reports_of_one_trade_are_both_kept() -> None:
    rows = rows_of(2017)
    japan = rows.filter(reporter_iso3="JPN", partner_iso3="IRL", flow="import")["value_usd"].sum()
    ireland = rows.filter(reporter_iso3="IRL", partner_iso3="JPN", flow="export")
    assert round(japan / 1e6, 1) == 208.9
    assert round(ireland["value_usd"].sum() / 1e6, 1) == 46.8
    assert set(ireland["valuation"]) == {"fob"}
    assert not rows["is_mirror"].any()


def test_every_row_of_the_retired_tables_is_read() -> None:
    assert sum(rows_of(year).height for year in YEARS) == 152_883
    for year in YEARS:
        result = legacy(year)
        assert (result.rejected.height, result.dropped) == (0, {})
        assert result.parsed.rows_read == rows_of(year).height
        assert result.parsed.partition == f"legacy-monthly-{year}"
    rows = rows_of(2020)
    assert set(rows["value_origin"]) == {"republished_copy"}
    assert set(rows["hs_revision"]) == {"HS"}
    assert rows["period_end"].max() == date(2020, 12, 31)
    assert rows.filter(period_start=date(2020, 2, 1))["period_end"].unique().to_list() == [date(2020, 2, 29)]


def test_locators_name_the_line() -> None:
    lines = gzip.decompress(shared_file(legacy_name(2019)).read_bytes()).decode().splitlines()
    sample = rows_of(2019).filter(reporter_iso3="JPN", flow="import", partner_iso3="FRA").head(3)
    assert sample.height == 3
    for row in sample.iter_rows(named=True):
        cells = next(csv.reader([lines[int(row["locator"].removeprefix("line ")) - 1]]))
        published = dict(zip(LEGACY_HEADER, cells, strict=True))
        assert published["Reporter Code"] == "392" and published["Partner"] == "France"
        assert float(published["Trade Value (US$)"]) == row["value_usd"]
        assert float(published["Netweight (kg)"]) == row["net_weight_kg"]
        assert published["Period"] == f"{row['period_start']:%Y%m}"


def test_no_reporter_has_partners_above_its_world_row() -> None:
    """As the expectation on the lake has it: 0.1 % and USD 1,000 for rounding."""
    key = ["reporter_iso3", "flow", "period_start"]
    for year in YEARS:
        world = rows_of(year).filter(partner_iso3="WLD").select(*key, world="value_usd")
        partners = rows_of(year).filter(pl.col("partner_iso3") != "WLD").group_by(key).agg(pl.col("value_usd").sum())
        above = partners.join(world, on=key).filter(pl.col("value_usd") > 1.001 * pl.col("world") + 1000)
        assert above.is_empty(), (year, above)


def test_codes_are_not_m49() -> None:
    assert {"USA", "FRA", "CHE", "IND", "NOR", "ITA"} <= set(rows_of(2017)["reporter_iso3"])
    taiwan = pl.concat(rows_of(year) for year in YEARS).filter(partner_iso3="TWN")
    assert taiwan.height == 639
    assert taiwan["note"].str.contains("Other Asia").all()
    # Areas that are no country are kept: without them the partners would not add up to the world.
    unspecified = {"XAN", "XBU", "XFZ", "XSC", "XEU", "XAF"}
    assert unspecified <= set(pl.concat(rows_of(year) for year in YEARS)["partner_iso3"])


def test_every_area_of_the_publisher_is_reviewed() -> None:
    areas = vocabulary.table("comtrade_area")
    partners = pl.read_csv(shared_file("un_comtrade/partner.csv"), infer_schema=False).select(
        code="PartnerCode", theirs="PartnerCodeIsoAlpha3", ended="entryExpiredDate"
    )
    reporters = pl.DataFrame(
        json.loads(shared_file("un_comtrade/reference_Reporters.json").read_text("utf-8-sig"))["results"],
        schema_overrides={"reporterCode": pl.String},
    )["reporterCode"]
    assert set(partners["code"]) | set(reporters) <= set(areas["code"])
    both = partners.join(areas, on="code")
    countries = vocabulary.table("country").filter(~pl.col("is_aggregate"))["iso3"]
    # Where the UN itself gives an ISO code, ours is the same one.
    theirs_is_iso = both.filter(pl.col("theirs").is_in(countries.implode()))
    assert theirs_is_iso.filter(pl.col("theirs") != pl.col("iso3")).is_empty()
    assert theirs_is_iso.height > 230
    # Only areas that ended long ago are left without a code.
    unmapped = both.filter(pl.col("iso3").is_null())
    assert str(unmapped["ended"].drop_nulls().max()) < "1994"
    assert unmapped["ended"].null_count() == 0
    assert set(areas["iso3"].drop_nulls()) <= set(vocabulary.country_codes())


# The service of today


def test_recorded_answer() -> None:
    result = load(CODE, shared_file(BODY))
    rows = result.tables[TABLE]
    assert result.parsed.partition == "annual-CHN-TOTAL"
    assert (result.rejected.height, result.dropped, result.parsed.rows_read) == (0, {}, 4)
    found = {
        (partner, flow, valuation): value
        for partner, flow, valuation, value in rows.select(
            "partner_iso3", "flow", "valuation", "value_usd"
        ).iter_rows()
    }
    assert found == {
        ("ARG", "import", "cif"): 6_804_128_143.0,
        ("ARG", "export", "fob"): 6_115_764_185.0,
        ("DEU", "import", "cif"): 74_251_272_075.0,
        ("DEU", "export", "fob"): 68_047_133_397.0,
    }
    assert set(rows["hs_revision"]) == {"HS2007"}
    # Month 52 stands for the year.
    assert set(rows["period_start"]) == {date(2010, 1, 1)} and set(rows["period_end"]) == {date(2010, 12, 31)}
    assert set(rows["period_basis"]) == {"calendar_year"}
    assert rows["locator"].to_list() == [f"data[{i}]" for i in range(4)]
    assert set(rows["value_origin"]) == {"publisher_bytes"}
    assert rows["net_weight_kg"].null_count() == 4


def test_monthly_answers(tmp_path: Path) -> None:
    path = answer(tmp_path, lambda body: [r.update(freqCode="M", refMonth=2, period="201002") for r in body["data"]])
    result = load(CODE, path)
    assert result.parsed.partition == "monthly-CHN-TOTAL"
    assert set(result.tables[TABLE]["period_end"]) == {date(2010, 2, 28)}
    assert set(result.tables[TABLE]["period_basis"]) == {"month"}


def test_estimates_are_told_from_reports(tmp_path: Path) -> None:
    path = answer(
        tmp_path,
        lambda body: body["data"][0].update(isReported=False, isAggregate=False),
        lambda body: body["data"][1].update(isReported=False, isAggregate=True),
        lambda body: body["data"][2].update(netWgt=12.5, isNetWgtEstimated=True, legacyEstimationFlag=4),
        lambda body: body["data"][3].update(isOriginalClassification=False),
    )
    rows = load(CODE, path).tables[TABLE].sort("locator")
    assert rows["status"].to_list() == ["estimated", "reported", "reported", "reported"]
    assert rows["publisher_flags"].to_list() == [
        "isReported=false",
        "isReported=false,isAggregate",
        "isNetWgtEstimated,legacyEstimationFlag=4",
        "isOriginalClassification=false",
    ]
    assert rows["net_weight_kg"].to_list() == [None, None, 12.5, None]


@pytest.mark.parametrize(
    ("cif", "fob", "valuation"), [(90.0, 100.0, "fob"), (100.0, 100.0, "cif"), (90.0, 80.0, "unknown")]
)
def test_valuation_is_the_one_that_the_answer_states(cif: float, fob: float, valuation: str, tmp_path: Path) -> None:
    path = answer(tmp_path, first(primaryValue=100.0, cifvalue=cif, fobvalue=fob))
    assert load(CODE, path).tables[TABLE].sort("locator")["valuation"][0] == valuation


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"motCode": 1000}, "broken_down_by_transport_procedure_or_second_partner"),
        ({"customsCode": "C01"}, "broken_down_by_transport_procedure_or_second_partner"),
        ({"partner2Code": 392}, "broken_down_by_transport_procedure_or_second_partner"),
        ({"flowCode": "MIP"}, "flow_that_is_part_of_another"),
        ({"reporterCode": 97}, "group_of_countries"),
    ],
)
def test_rows_that_would_multiply_the_trade_are_counted_and_left_out(
    values: Record, rule: str, tmp_path: Path
) -> None:
    result = load(CODE, answer(tmp_path, first(**values)))
    assert result.dropped == {rule: 1}
    assert (result.tables[TABLE].height, result.rejected.height, result.parsed.rows_read) == (3, 0, 4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"partnerCode": 9999}, "partner 9999 is no area with a country code"),
        ({"partnerCode": 200}, "partner 200 is no area with a country code"),
        ({"reporterCode": 0}, "reporter 0 is no area with a country code"),
        ({"reporterCode": 899}, "reporter 899 is no area with a country code"),
        ({"typeCode": "S"}, "it is not trade in goods"),
        ({"flowCode": "Z"}, "flow_as_published Z is no known flow"),
        ({"classificationCode": "S4"}, "classification S4 is no revision"),
        ({"cmdCode": "30022"}, "commodity 30022 is no commodity code"),
        ({"primaryValue": None}, "it has no value"),
        ({"refMonth": 6}, "is no year or month"),
        ({"period": "2011"}, "is no year or month"),
    ],
)
def test_rows_that_cannot_be_used_are_rejected_with_the_reason(values: Record, reason: str, tmp_path: Path) -> None:
    result = load(CODE, answer(tmp_path, first(**values)))
    assert result.tables[TABLE].height == 3
    (found,) = result.rejected.iter_rows(named=True)
    assert reason in found["reason"] and found["locator"] == "data[0]"


def test_answers_for_several_reporters_are_parts_of_their_own(settings: Settings, tmp_path: Path) -> None:
    path = answer(
        tmp_path, *(lambda body, i=i: body["data"][i].update(reporterCode=392, cmdCode="300215") for i in (2, 3))
    )
    result = load(CODE, path).parsed
    assert [state.partition for state in result.states] == ["annual-CHN-TOTAL", "annual-JPN-3002"]
    assert [state.tables[TABLE].height for state in result.states] == [2, 2]
    assert sum(state.rows_read for state in result.states) == 4
    load_files(settings, source_of(CODE), [path], published_on=date(2026, 1, 1))
    editions = Lake(settings.lake).editions()
    assert [e.partition for e in editions] == ["annual-CHN-TOTAL", "annual-JPN-3002"]
    assert len({e.edition_id for e in editions}) == 2
    assert [e.row_count for e in editions] == [2, 2]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"statusCode": 401, "message": "Access denied due to missing subscription key."}', "401 Access denied"),
        ('{"statusCode": 403, "message": "Out of call volume quota."}', "Out of call volume quota"),
        ('{"count": 0, "data": [], "error": "Invalid period"}', "Invalid period"),
        ('{"count": 0}', "no data"),
        ('{"count": 2, "data": [1, 2], "error": ""}', "no records"),
        ('{"count": 5, "data": "none", "error": ""}', "holds 5 rows, and holds None"),
        ("[1, 2]", "cannot be read"),
    ],
)
def test_error_messages_are_no_data(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "comtrade_data_test.json"
    path.write_text(text)
    with pytest.raises(LayoutError, match=problem):
        load(CODE, path)


def test_recorded_empty_answer_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "comtrade_data_test.json"
    path.write_bytes(shared_file("un_comtrade/bulk_v1_get_C_A_HS.error_sample.json").read_bytes())
    with pytest.raises(LayoutError, match="hold no row"):
        load(CODE, path)


def test_a_cut_off_answer_is_refused(tmp_path: Path) -> None:
    def fill(length: int, count: int | None = None) -> Callable[[Record], object]:
        return lambda body: body.update(data=[body["data"][0]] * length, count=length if count is None else count)

    with pytest.raises(LayoutError, match="says that it holds 7 rows, and holds 5"):
        load(CODE, answer(tmp_path, fill(5, 7)))
    with pytest.raises(LayoutError, match="500 rows, the most"):
        load(CODE, answer(tmp_path, fill(500), name="comtrade_preview_test.json"))
    # The same number of rows from the full service is no limit there.
    assert load(CODE, answer(tmp_path, fill(500))).parsed.rows_read == 500


def test_a_renamed_field_is_a_named_error(tmp_path: Path) -> None:
    path = answer(tmp_path, lambda body: [r.pop("primaryValue") for r in body["data"]])
    with pytest.raises(LayoutError, match="lack primaryValue"):
        load(CODE, path)


def test_layouts_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="mixed"):
        load(CODE, shared_file(legacy_name(2020)), shared_file(BODY))


def test_gates(tmp_path: Path) -> None:
    page = tmp_path / "comtrade_data_x.json"
    page.write_text("<html><body>Service unavailable</body></html>")
    with pytest.raises(GateError, match="HTML page"):
        load(CODE, page)
    cut = tmp_path / "Comtrade_2020.csv.gz"
    cut.write_bytes(shared_file(legacy_name(2020)).read_bytes()[:50_000])
    with pytest.raises(GateError, match="cut off"):
        load(CODE, cut)


# The bundled edition


def test_bundled_edition_is_what_the_files_give(tmp_path: Path) -> None:
    source = source_of(CODE)
    parts = [
        edition.CompiledPart(
            [in_hand(shared_file(legacy_name(year)))], legacy(year).parsed, date(2021, 8, 15), date(2026, 11, 22)
        )
        for year in YEARS
    ]
    edition.compile_edition(source, parts, tmp_path)
    for name in ("trade_flow.csv", "edition.yml"):
        assert (tmp_path / name).read_bytes() == (source.edition_dir / name).read_bytes(), name


def test_bundled_edition_holds_japans_trade_both_ways() -> None:
    rows = bundled(CODE, TABLE)
    assert 500 < rows.height < 1000
    assert rows.filter((pl.col("reporter_iso3") != "JPN") & (pl.col("partner_iso3") != "JPN")).is_empty()
    assert set(rows["status"]) == {"derived"} and set(rows["value_origin"]) == {"computed"}
    assert set(rows["period_basis"]) == {"calendar_year"}
    imports = rows.filter(reporter_iso3="JPN", flow="import", partner_iso3="WLD")
    found = {
        start.year: round(value / 1e6, 1) for start, value in imports.select("period_start", "value_usd").iter_rows()
    }
    assert found == JAPAN_IMPORTS
    gap = rows.filter(period_start=date(2017, 1, 1))
    both = [
        gap.filter(reporter_iso3=reporter, partner_iso3=partner, flow=flow)["value_usd"].item()
        for reporter, partner, flow in (("JPN", "IRL", "import"), ("IRL", "JPN", "export"))
    ]
    assert [round(value / 1e6, 1) for value in both] == [208.9, 46.8]


def test_bundled_sums_agree_with_an_independent_computation() -> None:
    """A reference made with another engine from the same rows: yearly sums by reporter, partner and flow."""
    areas = vocabulary.table("comtrade_area").select(pl.col("code").cast(pl.Int64), "iso3")
    reference = (
        pl.read_csv(shared_file("method/trade_vaccines_300220/input_flows_focus.csv"))
        .join(areas, left_on="reporter_m49", right_on="code")
        .join(areas, left_on="partner_m49", right_on="code", suffix="_partner")
        .select(
            "year",
            "trade_usd",
            reporter_iso3="iso3",
            partner_iso3="iso3_partner",
            flow=pl.col("flow").replace_strict({"M": "import", "X": "export"}, default=None),
        )
        .drop_nulls("flow")
    )
    ours = bundled(CODE, TABLE).with_columns(year=pl.col("period_start").dt.year().cast(pl.Int64))
    both = ours.join(reference, on=["year", "reporter_iso3", "partner_iso3", "flow"])
    assert both.height > 600
    assert both.filter((pl.col("value_usd") - pl.col("trade_usd")).abs() > 0.5).is_empty()


def test_the_note_of_a_sum_says_how_many_months_it_rests_on() -> None:
    rows = bundled(CODE, TABLE)
    months = rows["locator"].str.count_matches(",") + 1
    assert rows["note"].str.extract(r"months_with_trade=(\d+)").cast(pl.UInt32).to_list() == months.to_list()
    japan = rows.filter(reporter_iso3="JPN", partner_iso3="WLD")
    assert japan["note"].str.contains("months_reported=12.", literal=True).all()
    # A reporter with months missing: the partial year is visible.
    assert rows.filter(~pl.col("note").str.contains("months_reported=12.", literal=True)).height > 0


# The connector


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


@pytest.fixture
def few_years(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    last = datetime.now().year - 1
    monkeypatch.setattr(fetch, "FIRST_YEAR", last - 2)
    return [last - 2, last - 1, last]


def service(rows_per_code: int, cap: int) -> Callable[[Seen], Answer]:
    """Plays the service: synthetic rows for each year and commodity asked for, cut off at its limit of rows."""

    def respond(seen: Seen) -> Answer:
        template = recorded()["data"][0]
        countries = vocabulary.table("comtrade_area").filter(kind="country").unique("iso3", keep="none").sort("code")
        partners = countries["code"].to_list()[:rows_per_code]
        asked = {key: value.split(",") for key, value in seen.parameters.items()}
        flows = [flow for flow in asked["flowCode"] if flow == "M"]
        found = [
            {
                **template,
                "refYear": int(year),
                "period": year,
                "reporterCode": int(asked["reporterCode"][0]),
                "partnerCode": int(partner),
                "classificationCode": "H5",
                "cmdCode": code,
                "flowCode": flow,
                "primaryValue": 1000.0,
                "cifvalue": 1000.0,
            }
            for year in asked["period"]
            for code in asked["cmdCode"]
            for flow in flows
            for partner in partners
        ]
        if asked.get("countOnly") == ["true"]:
            return Answer(
                json.dumps({"elapsedTime": "0 secs", "count": len(found), "data": [], "error": ""}).encode()
            )
        cut = found[:cap]
        return Answer(json.dumps({"elapsedTime": "0 secs", "count": len(cut), "data": cut, "error": ""}).encode())

    return respond


def keyed(settings: Settings, publisher: Publisher) -> Connector:
    return connector(settings, publisher, CODE, HOST, environment={"COMTRADE_API_KEY": "s3cret"})


def test_preview_without_a_key_is_split_below_its_limit(
    settings: Settings, publisher: Publisher, few_years: list[int]
) -> None:
    publisher.serve(HOST, PREVIEW, service(rows_per_code=60, cap=500))
    live = connector(settings, publisher, CODE, HOST)
    (loaded,) = live.run()
    assert loaded.partition == "annual-JPN-3002"
    rows = live.rows(loaded, TABLE)
    codes = len(fetch.COMMODITIES["3002"])
    # Three years of 17 commodities with 60 partners each: 1,020 rows a year, in parts of at most 500.
    assert rows.height == 3 * codes * 60
    assert rows.group_by(pl.col("period_start").dt.year()).len().sort("period_start").rows() == [
        (year, codes * 60) for year in few_years
    ]
    assert {seen.path for seen in publisher.seen} == {PREVIEW}
    asked = [seen.parameters for seen in publisher.seen]
    assert all(p["partner2Code"] == "0" and p["motCode"] == "0" and p["customsCode"] == "C00" for p in asked)
    assert all("," not in p["period"] for p in asked)
    fetched = [p for p in asked if "countOnly" not in p]
    assert len(fetched) > 3
    assert len(loaded.files) == len(fetched)
    assert all("/preview/" in file["url"] and "cmdCode=" in file["url"] for file in loaded.files)


def test_a_limit_that_the_count_does_not_show_is_found_in_the_answer(
    settings: Settings, publisher: Publisher, few_years: list[int]
) -> None:
    """A service that lies about its count and cuts off: nothing is loaded."""
    honest = service(rows_per_code=60, cap=500)

    def lying(seen: Seen) -> Answer:
        return Answer(b'{"count": 10, "data": [], "error": ""}') if "countOnly" in seen.parameters else honest(seen)

    publisher.serve(HOST, PREVIEW, lying)
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(LayoutError, match="500 rows, the most"):
        live.run()


def test_what_cannot_be_split_further_is_a_named_error(
    settings: Settings, publisher: Publisher, few_years: list[int]
) -> None:
    publisher.serve(HOST, PREVIEW, Answer(b'{"count": 500, "data": [], "error": ""}'))
    with pytest.raises(FetchError, match="single commodity, year and flow"):
        connector(settings, publisher, CODE, HOST).fetch()


def test_parts_are_chosen_by_name() -> None:
    scope = [("392", "3002"), ("842", "3002")]
    assert fetch._chosen(None, scope) == scope
    assert fetch._chosen("annual-USA-3002, annual-USA-3002", scope) == [("842", "3002")]
    assert {"annual-JPN-3002", "annual-CAN-3822"} < set(fetch.parts())
    with pytest.raises(FetchError, match="names 'annual-JPN-3004', which is none of the 2 parts"):
        fetch._chosen("annual-JPN-3004", scope)


def test_key_fetches_all_reporters_and_headings_and_stays_secret(
    settings: Settings, publisher: Publisher, few_years: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "REPORTERS", {"392": "JPN", "842": "USA"})
    publisher.serve(HOST, DATA, service(rows_per_code=2, cap=100_000))
    live = keyed(settings, publisher)
    editions = live.run()
    assert sorted(e.partition for e in editions) == sorted(
        f"annual-{country}-{heading}" for country in ("JPN", "USA") for heading in fetch.COMMODITIES
    )
    vaccines = next(e for e in editions if e.partition == "annual-USA-3002")
    assert set(live.rows(vaccines, TABLE)["reporter_iso3"]) == {"USA"}
    # All years of a heading come in one answer.
    assert len(publisher.seen) == 2 * 2 * len(fetch.COMMODITIES)
    assert all(seen.headers["ocp-apim-subscription-key"] == "s3cret" for seen in publisher.seen)
    assert all("s3cret" not in str(seen.parameters) for seen in publisher.seen)
    written = b"".join(path.read_bytes() for path in settings.archive.rglob("*") if path.is_file())
    assert b"s3cret" not in written


def test_recorded_answer_arrives_in_the_lake(
    settings: Settings, publisher: Publisher, few_years: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "REPORTERS", {"156": "CHN"})
    monkeypatch.setattr(fetch, "COMMODITIES", {"3002": ("300220",)})
    body = shared_file(BODY).read_bytes()
    publisher.serve(HOST, DATA, Answer(b'{"count": 4, "data": [], "error": ""}'), Answer(body))
    live = keyed(settings, publisher)
    (loaded,) = live.run()
    assert loaded.files[0]["url"].startswith(f"https://{HOST}{DATA}?reporterCode=156&period=")
    assert live.rows(loaded, TABLE)["value_usd"].sum() == pytest.approx(155_218_297_800.0)


def test_busy_service_is_waited_for(
    settings: Settings, publisher: Publisher, few_years: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "REPORTERS", {"392": "JPN"})
    monkeypatch.setattr(fetch, "COMMODITIES", {"3002": ("300220",)})
    busy = Answer(
        b'{"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}',
        status=429,
        headers={"Retry-After": "1"},
    )
    publisher.serve(HOST, DATA, busy, service(rows_per_code=3, cap=100_000))
    started = datetime.now()
    (loaded,) = keyed(settings, publisher).run()
    assert (datetime.now() - started).total_seconds() >= 0.9
    assert loaded.row_count == 9


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b'{"statusCode": 401, "message": "Access denied due to invalid key."}', 200, "401 Access denied"),
        (b'{"count": 0, "data": [], "error": "Wrong period"}', 200, "Wrong period"),
        (b'{"statusCode": 403, "message": "Out of call volume quota."}', 403, "HTTP 403"),
        (b"<html><body>Sorry</body></html>", 200, "no JSON"),
        (b'["unexpected"]', 200, "unexpected"),
    ],
)
def test_errors_of_the_service_archive_nothing(
    body: bytes, status: int, problem: str, settings: Settings, publisher: Publisher, few_years: list[int]
) -> None:
    publisher.serve(HOST, DATA, Answer(body, status=status))
    live = keyed(settings, publisher)
    with pytest.raises(FetchError, match=problem):
        live.run()
    assert live.archived() == []


def test_an_error_in_place_of_the_data_is_quarantined(
    settings: Settings, publisher: Publisher, few_years: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "REPORTERS", {"392": "JPN"})
    monkeypatch.setattr(fetch, "COMMODITIES", {"3002": ("300220",)})
    publisher.serve(
        HOST,
        DATA,
        Answer(b'{"count": 4, "data": [], "error": ""}'),
        Answer(b'{"statusCode": 403, "message": "Out of call volume quota."}'),
    )
    with pytest.raises(LayoutError, match="Out of call volume quota"):
        keyed(settings, publisher).run()
    assert list(settings.quarantine.rglob("reason.json"))


def test_the_plan_names_codes_that_exist() -> None:
    with gzip.open(shared_file("un_comtrade/reference_HS.json.gz")) as stream:
        known = {entry["id"] for entry in json.load(stream)["results"]}
    for heading, codes in fetch.COMMODITIES.items():
        assert set(codes) == {code for code in known if len(code) == 6 and code.startswith(heading)}
    areas = dict(vocabulary.table("comtrade_area").select("code", "iso3").iter_rows())
    assert all(areas[code] == iso3 for code, iso3 in fetch.REPORTERS.items())


# Damaged files


@cache
def table() -> Table:
    text = gzip.decompress(shared_file(legacy_name(2019)).read_bytes()).decode()
    rows = list(csv.reader(io.StringIO(text)))
    japan = [row for row in rows[1:] if row[8] == "392"]
    return Table(rows[0], japan[:40])


def written(table: Table, path: Path, encoding: str = "utf-8") -> Path:
    stream = io.StringIO()
    csv.writer(stream).writerows([table.header, *table.rows])
    path.write_bytes(stream.getvalue().encode(encoding))
    return path


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages(), encoding=st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))
# The flag, in full width.
@example(damage=Damage("full_width", 0, 34), encoding="utf-8")
def test_damaged_tables_give_right_rows_or_a_named_error(damage: Damage, encoding: str, tmp_path: Path) -> None:
    whole = load(CODE, written(table(), tmp_path / "comtrade_whole.csv")).tables[TABLE]
    right = {tuple(row) for row in whole.drop("locator", "file_sha256").rows()}
    damaged = table().cut(40)
    touched = damage.apply(damaged)
    try:
        found = load(CODE, written(damaged, tmp_path / "comtrade_damaged.csv", encoding))
    except IngestError:
        return
    rows = found.tables[TABLE]
    wrong = [row for row in rows.drop("locator", "file_sha256").rows() if tuple(row) not in right]
    # A cell that is not read (a name, a description) may change without consequence; a number must not.
    assert wrong == [], (damage, touched)
    assert rows.height + found.rejected.height + sum(found.dropped.values()) >= len(damaged.rows) - 1


@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    record=st.integers(0, 3),
    field=st.sampled_from(FIELDS),
    value=st.one_of(st.none(), st.text(max_size=5), st.integers(-5, 10_000), st.booleans(), st.lists(st.integers())),
)
def test_damaged_answers_give_right_rows_or_a_named_error(
    record: int, field: str, value: object, tmp_path: Path
) -> None:
    right = {tuple(row) for row in load(CODE, shared_file(BODY)).tables[TABLE].drop("locator", "file_sha256").rows()}
    try:
        found = load(CODE, answer(tmp_path, lambda body: body["data"][record].update({field: value})))
    except IngestError:
        return
    others = found.tables[TABLE].filter(pl.col("locator") != f"data[{record}]")
    assert {tuple(row) for row in others.drop("locator", "file_sha256").rows()} <= right
