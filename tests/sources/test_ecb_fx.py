from __future__ import annotations

import io
import statistics
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ingest.errors import GateError, LayoutError
from ingest.load import load_files
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, bundled, edited, in_hand, load, same_rows, source_of

HISTORY = "ecb_fx/eurofxref-hist.zip"
ONE_DAY = "ecb_fx/eurofxref.csv"
CODE = "ecb_fx"


@pytest.fixture(scope="module")
def history() -> Loaded:
    return load(CODE, shared_file(HISTORY))


@pytest.fixture(scope="module")
def rates(history: Loaded) -> pl.DataFrame:
    return history.tables["reference_rate"]


def text() -> str:
    with zipfile.ZipFile(shared_file(HISTORY)) as archive:
        return archive.read("eurofxref-hist.csv").decode()


def short_history(folder: Path, *changes: tuple[str, str], lines: int = 400) -> Path:
    """The newest days of the real history as a CSV file, with replacements."""
    path = folder / "eurofxref-hist.csv"
    path.write_text("\n".join(text().splitlines()[:lines]) + "\n")
    return edited(path, folder, *changes)


def rate(
    frame: pl.DataFrame, area: str, counter: str, basis: str, start: date, period: str = "calendar_year"
) -> float:
    found = frame.filter(
        area_code=area, counter_code=counter, rate_basis=basis, period_start=start, period_basis=period
    )
    assert found.height == 1
    return float(found["value"].item())


@pytest.mark.parametrize(
    ("area", "counter", "mean", "relative"),
    [
        ("JPY", "USD", 108.98, 1e-4),
        ("CHF", "USD", 0.9937, 1e-4),
        ("CNY", "USD", 6.910, 3e-4),
        ("KRW", "USD", 1166.0, 3e-4),
        ("USD", "EUR", 1.1195, 1e-4),
    ],
)
def test_yearly_means_of_2019(rates: pl.DataFrame, area: str, counter: str, mean: float, relative: float) -> None:
    assert rate(rates, area, counter, "period_average", date(2019, 1, 1)) == pytest.approx(mean, rel=relative)


def test_year_ends(rates: pl.DataFrame) -> None:
    year = date(2019, 1, 1)
    assert rate(rates, "USD", "EUR", "end_of_period", year) == 1.1234
    assert rate(rates, "JPY", "EUR", "end_of_period", year) == 121.94
    assert rate(rates, "CHF", "EUR", "end_of_period", year) == 1.0854
    assert rate(rates, "JPY", "USD", "end_of_period", year) == pytest.approx(121.94 / 1.1234)
    assert rate(rates, "EUR", "USD", "end_of_period", year) == pytest.approx(1 / 1.1234)
    assert rate(rates, "JPY", "EUR", "end_of_period", date(2024, 1, 1)) == 163.06


def test_averages_are_means_of_the_daily_rates(rates: pl.DataFrame) -> None:
    lines = [line.split(",") for line in text().splitlines()]
    jpy, usd = lines[0].index("JPY"), lines[0].index("USD")
    days = [line for line in lines[1:] if "2019-04-01" <= line[0] <= "2020-03-31"]
    start = date(2019, 4, 1)
    mean = statistics.fmean(float(line[jpy]) for line in days)
    cross = statistics.fmean(float(line[jpy]) / float(line[usd]) for line in days)
    inverse = statistics.fmean(1 / float(line[usd]) for line in days)
    expected = {("JPY", "EUR"): mean, ("JPY", "USD"): cross, ("EUR", "USD"): inverse}
    for (area, counter), value in expected.items():
        found = rate(rates, area, counter, "period_average", start, "fiscal_year_april")
        assert found == pytest.approx(value, rel=1e-12)
    row = rates.filter(area_code="JPY", counter_code="EUR", period_start=start, rate_basis="period_average").filter(
        period_basis="fiscal_year_april"
    )
    assert row["observation_count"].item() == len(days)
    assert row["period_end"].item() == date(2020, 3, 31)
    # A fiscal year is not a calendar year.
    assert rate(rates, "JPY", "EUR", "period_average", date(2019, 1, 1)) != pytest.approx(mean, rel=1e-4)


def test_locators_name_the_lines(rates: pl.DataFrame) -> None:
    lines = text().splitlines()
    year = rates.filter(area_code="JPY", period_start=date(2019, 1, 1), period_basis="calendar_year")
    found = {(c, b): locator for c, b, locator in year.select("counter_code", "rate_basis", "locator").iter_rows()}
    assert found["EUR", "end_of_period"] == "line 1753 column JPY"
    assert lines[1753 - 1].startswith("2019-12-31,")
    assert found["USD", "period_average"] == "lines 1753 to 2007 columns JPY and USD"
    assert lines[2007 - 1].startswith("2019-01-02,")
    day = rates.filter(area_code="CHF", rate_basis="daily", period_start=date(1999, 1, 4)).row(0, named=True)
    assert (day["value"], day["locator"]) == (1.6168, "line 7127 column CHF")


def test_every_quoted_cell_is_a_daily_rate(history: Loaded, rates: pl.DataFrame) -> None:
    cells = [cell for line in text().splitlines()[1:] for cell in line.split(",")[1:]]
    quoted = sum(cell not in {"", "N/A"} for cell in cells)
    assert rates.filter(rate_basis="daily").height == quoted == 221_702
    assert history.parsed.rows_read == 7126
    assert (history.rejected.height, history.dropped) == (0, {})
    assert history.parsed.published_on == date(2026, 10, 30)
    assert history.parsed.partition == "all"


def test_standing_says_whose_figure_it_is(rates: pl.DataFrame) -> None:
    closed = rates.filter(pl.col("period_start") == date(2019, 1, 1), period_basis="calendar_year")
    standing = closed.select("counter_code", "rate_basis", "status", "value_origin").unique().sort(pl.all()).rows()
    assert standing == [
        ("EUR", "end_of_period", "reported", "publisher_bytes"),
        ("EUR", "period_average", "derived", "computed"),
        ("USD", "end_of_period", "derived", "computed"),
        ("USD", "period_average", "derived", "computed"),
    ]


def test_a_period_under_way_is_provisional(rates: pl.DataFrame) -> None:
    opened = rates.filter(status="provisional")
    assert opened["period_start"].unique().sort().to_list() == [date(2026, 1, 1), date(2026, 4, 1)]
    assert opened["note"].unique().to_list() == ["The period is under way: rates to 2026-10-30."]
    # October 2026 ends on a Saturday: its last rate is that of Friday the 30th.
    october = rates.filter(period_start=date(2026, 10, 1), period_basis="month")
    assert october.height > 0
    assert "provisional" not in october["status"]


def test_gaps_and_late_starts_are_noted(rates: pl.DataFrame) -> None:
    yearly = rates.filter(period_basis="calendar_year", counter_code="EUR")
    renminbi = yearly.filter(area_code="CNY", period_start=date(2005, 1, 1), rate_basis="period_average")
    assert renminbi["note"].item() == "Quoted on 195 of 257 days of the period."
    assert renminbi["observation_count"].item() == 195
    # The rouble was last quoted on 2022-03-01: there is no rate for the end of that year.
    assert yearly.filter(area_code="RUB", period_start=date(2022, 1, 1))["rate_basis"].to_list() == ["period_average"]
    first = rates.filter(period_start=date(1998, 4, 1), area_code="JPY", rate_basis="period_average")
    assert first["note"].unique().to_list() == ["The rates begin on 1999-01-04."]
    whole = yearly.filter(area_code="JPY", period_start=date(1999, 1, 1))
    assert whole["note"].null_count() == whole.height == 2


def test_the_one_day_file_gives_daily_rates_and_renews_only_its_day(rates: pl.DataFrame) -> None:
    loaded = load(CODE, shared_file(ONE_DAY))
    day = loaded.tables["reference_rate"]
    assert loaded.parsed.partition == "day 2026-10-30"
    assert loaded.parsed.published_on == date(2026, 10, 30)
    assert day["rate_basis"].unique().to_list() == ["daily"]
    same = rates.filter(rate_basis="daily", period_start=date(2026, 10, 30)).sort("area_code")
    columns = ["area_code", "counter_code", "value", "unit", "period_start", "period_end"]
    assert day.sort("area_code").select(columns).equals(same.select(columns))


def test_the_archive_and_the_table_in_it_give_the_same(tmp_path: Path) -> None:
    plain = short_history(tmp_path)
    packed = tmp_path / "eurofxref-hist.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, "eurofxref-hist.csv")
    rows = [load(CODE, path).tables["reference_rate"].drop("file_sha256") for path in (plain, packed)]
    assert rows[0].equals(rows[1])


def test_cells_that_are_no_rate_are_rejected(tmp_path: Path) -> None:
    path = short_history(tmp_path, ("1.1172,175.68,", "-1.1172,17S.68,"))
    loaded = load(CODE, path)
    assert loaded.rejected.select("locator", "reason", "raw").sort("locator").rows() == [
        ("line 2 column JPY", "the rate is no positive number", "17S.68"),
        ("line 2 column USD", "the rate is no positive number", "-1.1172"),
    ]
    newest = loaded.tables["reference_rate"].filter(rate_basis="daily", period_start=date(2026, 10, 30))
    assert not {"USD", "JPY"} & set(newest["area_code"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("Date,USD,JPY,", "Date,USD,YEN,"), "the column JPY is missing"),
        (("Date,USD,JPY,", "Day,USD,JPY,"), "header is not Date and currency codes"),
        (("Date,USD,JPY,", "Date,USD,Yen to the euro,"), "Yen to the euro"),
        (("\n2026-10-29,", "\n2026-10-30,"), "row 2: the day 2026-10-30 stands twice"),
        (("\n2026-10-29,", "\nyesterday,"), "row 3: 'yesterday' is no date"),
        (("2026-10-30,1.1172,", "2026-10-30,1.1172,1.1172,"), "row 2: the line has 44 cells, the header 43"),
    ],
)
def test_another_layout_is_an_error(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    path = short_history(tmp_path, change)
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(path)])


def test_a_cut_off_table_is_an_error(tmp_path: Path) -> None:
    path = short_history(tmp_path)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(LayoutError, match="cut off"):
        source_of(CODE).parse([in_hand(path)])


def test_pages_and_cut_off_archives_stop_at_the_gate(tmp_path: Path, settings: Settings) -> None:
    page = tmp_path / "eurofxref-hist.zip"
    page.write_text("<html><head><title>Not found</title></head></html>" + " " * 300)
    with pytest.raises(GateError, match="HTML page"):
        load_files(settings, source_of(CODE), [page])
    page.write_bytes(shared_file(HISTORY).read_bytes()[:300_000])
    with pytest.raises(GateError, match="cut off or damaged"):
        load_files(settings, source_of(CODE), [page])
    assert len(list((settings.quarantine / CODE).glob("*/reason.json"))) == 2


def test_an_archive_of_something_else_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "eurofxref-hist.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with pytest.raises(LayoutError, match="holds 0 CSV files"):
        source_of(CODE).parse([in_hand(path)])


def test_the_bundled_edition_is_the_trimmed_parse(history: Loaded) -> None:
    ours = bundled(CODE, "reference_rate")
    trimmed = source_of(CODE).trim(history.tables)["reference_rate"]
    assert same_rows(ours, trimmed)
    assert set(ours["period_basis"]) == {"calendar_year", "fiscal_year_april"}
    currencies = {"JPY", "CHF", "CNY", "KRW", "GBP", "DKK", "EUR", "USD", "INR", "CAD", "AUD", "SEK"}
    assert set(ours["area_code"]) == currencies


def test_the_bundled_edition_holds_the_yearly_means() -> None:
    ours = bundled(CODE, "reference_rate")
    assert rate(ours, "JPY", "USD", "period_average", date(2019, 1, 1)) == pytest.approx(108.98, rel=1e-4)
    assert rate(ours, "USD", "EUR", "end_of_period", date(2019, 1, 1)) == 1.1234


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def packed_history(lines: int, *changes: tuple[str, str]) -> bytes:
    """The newest days of the real history in an archive like the publisher's."""
    table = "\n".join(text().splitlines()[:lines]) + "\n"
    for old, new in changes:
        assert old in table
        table = table.replace(old, new, 1)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("eurofxref-hist.csv", table)
    return stream.getvalue()


HOST, PATH = "www.ecb.europa.eu", "/stats/eurofxref/eurofxref-hist.zip"


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher) -> None:
    body = packed_history(400)
    publisher.serve(
        HOST, PATH, Answer(body, resumable=True, drop_after=900), Answer(body, resumable=True, etag='"30 October"')
    )
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    assert edition.published_on == "2026-10-30"
    rows = live.rows(edition, "reference_rate")
    assert rate(rows, "USD", "EUR", "daily", date(2026, 10, 30), "day") == 1.1172
    (again,) = live.run()
    assert (again.edition_id, publisher.seen[-1].headers["if-none-match"]) == (edition.edition_id, '"30 October"')


def test_a_changed_header_goes_to_quarantine_and_the_edition_before_it_stands(
    settings: Settings, publisher: Publisher
) -> None:
    publisher.serve(
        HOST, PATH, Answer(packed_history(400)), Answer(packed_history(400, ("Date,USD,JPY,", "Date,USD,YEN,")))
    )
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    with pytest.raises(LayoutError, match="the column JPY is missing"):
        live.run()
    assert len(list((settings.quarantine / CODE).glob("*/reason.json"))) == 1
    assert live.rows(edition, "reference_rate").height > 0


def test_an_error_page_with_status_200_is_not_archived(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(
        HOST, PATH, Answer(b"<!DOCTYPE html><html><body>Scheduled maintenance</body></html>" + b" " * 500)
    )
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    assert not live.archived()


def test_a_day_beside_the_history_is_not_counted_twice(settings: Settings, tmp_path: Path) -> None:
    from ingest.lake import Lake
    from ingest.load import load_files
    from ingest.workfile import edition_frame

    source = source_of(CODE)
    day = load_files(settings, source, [shared_file("ecb_fx/eurofxref.csv")])
    history = load_files(settings, source, [shared_file("ecb_fx/eurofxref-hist.zip")])
    assert (day.partition, history.partition) == ("day 2026-10-30", "all")
    latest = edition_frame(Lake(settings.lake).editions()).filter("is_latest")
    assert latest["edition_id"].to_list() == (
        [history.edition_id] if history.published_on >= day.published_on else [day.edition_id, history.edition_id]
    )
