"""PRODCOM: real figures in a third party's table, and the same figures as the service's SDMX-CSV."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from ingest.sources.eurostat_prodcom import parse as prodcom
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, bundled, in_hand, load, same_rows, source_of

CODE, TABLE = "eurostat_prodcom", "production_observation"
REAL = "eurostat_prodcom/prodcom_2013to2025_29+30.csv.gz"
HOST = "ec.europa.eu"
OWN = ["country_iso3", "category_code", "category_name", "period_start", "value", "unit", "status", "note"]


@cache
def loaded() -> Loaded:
    return load(CODE, shared_file(REAL))


@cache
def text() -> pl.DataFrame:
    return pl.read_csv(gzip.decompress(shared_file(REAL).read_bytes()), infer_schema=False)


def rows(**columns: object) -> pl.DataFrame:
    return loaded().tables[TABLE].filter(**columns)


def euro(country: str, code: str, year: int) -> float | None:
    found = rows(country_iso3=country, category_code=code, unit="EUR", period_start=date(year, 1, 1))
    assert found.height <= 1
    return found["value"].item() if found.height else None


def some() -> pl.DataFrame:
    """A cut of the real table: three codes of two countries, one of them of another division."""
    wanted = pl.col("product").is_in(["21202125", "21202146", "20141120"]) & pl.col("reporter").is_in(["IE", "BE"])
    return text().filter(wanted).drop("", "Unnamed: 0")


def as_sdmx(frame: pl.DataFrame, updated: str = "15/07/26 11:00:00") -> pl.DataFrame:
    """Rows of the table as the service's SDMX-CSV: a row per indicator, none where the table has an empty cell."""
    return (
        frame.unpivot(
            ["PRODVAL", "PRODQNT"], index=["TIME_PERIOD", "reporter", "product"], variable_name="indicators"
        )
        .drop_nulls("value")
        .select(
            pl.lit("ESTAT:DS-059358(1.0)").alias("DATAFLOW"),
            pl.lit(updated).alias("LAST UPDATE"),
            pl.lit("A").alias("freq"),
            "reporter",
            "product",
            "indicators",
            "TIME_PERIOD",
            pl.col("value").alias("OBS_VALUE"),
            pl.lit(None, dtype=pl.String).alias("OBS_FLAG"),
        )
    )


def written(folder: Path, frame: pl.DataFrame, name: str = "prodcom.csv") -> Path:
    path = folder / name
    frame.write_csv(path)
    return path


# --- the real figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("year", "value"), [(2013, 4016402000.0), (2018, 16638654000.0), (2020, 20037988000.0)])
def test_irelands_immunological_products(year: int, value: float) -> None:
    assert euro("IRL", "21202125", year) == value


def test_every_figure_of_medicines_is_a_row_and_the_rest_is_counted() -> None:
    published = text()
    medicines = published.filter(pl.col("product").str.starts_with("21"))
    kept = rows(unit="EUR")
    assert kept.height == medicines["PRODVAL"].count()
    assert float(kept["value"].sum()) == pytest.approx(float(medicines["PRODVAL"].cast(pl.Float64).sum()), rel=1e-12)
    pieces = rows(unit="pieces")
    assert pieces.height == medicines.filter(product="21202146")["PRODQNT"].count() == 96
    assert set(pieces["category_code"]) == {"21202146"}
    others = published.filter(~pl.col("product").str.starts_with("21"))
    assert loaded().dropped == {
        "other_division": others["PRODVAL"].count() + others["PRODQNT"].count(),
        "quantity_without_unit": medicines["PRODQNT"].count() - 96,
    }
    assert (loaded().parsed.rows_read, loaded().rejected.height) == (49_361, 0)
    years = kept["period_start"].dt.year()
    assert (years.min(), years.max(), kept["country_iso3"].n_unique()) == (2013, 2024, 27)


def test_a_published_zero_is_zero_and_a_confidential_cell_is_no_row() -> None:
    assert euro("CYP", "21202125", 2015) == 0.0
    # The Netherlands never publish immunological products, Ireland never vaccines, Belgium not in 2013 and 2017.
    assert rows(country_iso3="NLD", category_code="21202125").is_empty()
    assert rows(country_iso3="IRL", category_code="21202145").is_empty()
    assert [year for year in range(2013, 2022) if euro("BEL", "21202125", year) is None] == [2013, 2017]
    assert rows(status="suppressed").is_empty()


def test_growth_of_the_visible_sum_is_partly_coverage() -> None:
    def visible(year: int) -> float:
        return float(rows(category_code="21202125", unit="EUR", period_start=date(year, 1, 1))["value"].sum()) / 1e9

    assert visible(2013) == pytest.approx(7.1, abs=0.05)
    assert visible(2020) == pytest.approx(27.8, abs=0.05)
    assert [euro("BEL", "21202145", year) for year in (2017, 2018)] == [None, None]
    vaccines = euro("BEL", "21202145", 2019)
    assert vaccines is not None and vaccines / 1e9 == pytest.approx(8.1, abs=0.05)


def test_the_locator_names_line_and_column() -> None:
    found = rows(country_iso3="IRL", category_code="21202125", period_start=date(2020, 1, 1)).row(0, named=True)
    line = gzip.decompress(shared_file(REAL).read_bytes()).decode().splitlines()[int(found["locator"].split()[1]) - 1]
    assert line.endswith(",2020,IE,21202125,,20037988000.0")
    assert found["locator"].endswith("column PRODVAL")
    assert (found["value_origin"], found["status"], found["measure"]) == (
        "republished_copy",
        "reported",
        "production",
    )


def test_codes_that_end_name_their_successors() -> None:
    assert set(rows(category_code="21202125")["note"]) == {"Ends with 2021; 21.20.21.26 follows."}
    assert rows(category_code="21202125")["period_start"].dt.year().max() == 2021
    assert rows(category_code="21202145")["period_start"].dt.year().max() == 2020
    assert rows(category_code="21202126").is_empty()
    assert not loaded().tables[TABLE]["series_break"].any()


def test_texts_are_those_of_the_list_of_2025(tmp_path: Path) -> None:
    import fastexcel

    book = fastexcel.read_excel(shared_file("eurostat_prodcom/PRODCOM_CN_correspondance_table_2025_EN.xlsx"))
    listed = book.load_sheet("Prodcom codes 2025", header_row=None, dtypes="string").to_polars()
    published = {
        code.replace(".", ""): (" ".join(name.split()), unit)
        for code, name, unit in listed.select(pl.nth(1), pl.nth(2), pl.nth(3)).iter_rows()
    }
    ours = prodcom.categories()
    assert ours["category_code"].is_unique().all()
    of_list = ours.filter(basis="PRODCOM list of 2025")
    assert of_list.height == 33
    for code, name, unit in of_list.select("category_code", "category_name", "quantity_unit").iter_rows():
        assert (name, {"Pieces": "pieces"}.get(published[code][1])) == (published[code][0], unit)
    assert not set(ours.filter(pl.col("basis") != "PRODCOM list of 2025")["category_code"]) & set(published)
    unnamed = rows(category_code="21201380").row(0, named=True)
    assert (unnamed["category_name"], unnamed["note"]) == (
        "21.20.13.80",
        "The text of the code is not in the list at hand.",
    )


def test_a_large_table_comes_in_batches_with_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prodcom, "BLOCK", 1 << 18)
    # A quoted cell from which on all that is left is read at once.
    path = tmp_path / "prodcom.csv"
    path.write_bytes(gzip.decompress(shared_file(REAL).read_bytes()).replace(b",2021,IE,", b',2021,"IE\n",'))
    for file in (shared_file(REAL), path):
        large = load(CODE, file)
        assert large.parsed.tables == {} and len(list(large.parsed.batches())) > 3
        assert sum(batch.rows_read for batch in large.parsed.batches()) == loaded().parsed.rows_read
        assert large.dropped == loaded().dropped and large.rejected.is_empty()
        ours, theirs = (found.tables[TABLE].drop("file_sha256").sort("locator") for found in (large, loaded()))
        assert ours.equals(theirs)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(LayoutError, match="the last line does not end"):
        load(CODE, path)


# --- the service's own layout ---------------------------------------------------------------------------------


def test_sdmx_csv_gives_the_same_rows(tmp_path: Path) -> None:
    result = load(CODE, written(tmp_path, as_sdmx(text().filter(pl.col("product").str.starts_with("21")))))
    assert result.parsed.published_on == date(2026, 7, 15)
    assert set(result.tables[TABLE]["value_origin"]) == {"publisher_bytes"}
    ours, theirs = (frame.select(OWN).sort(pl.all()) for frame in (result.tables[TABLE], loaded().tables[TABLE]))
    assert ours.equals(theirs)


@pytest.mark.parametrize(
    ("flag", "value", "status"),
    [("c", None, "suppressed"), (":C", None, "suppressed"), ("e", "5", "estimated"), ("p", "5", "provisional")],
)
def test_flags_give_the_standing(tmp_path: Path, flag: str, value: str | None, status: str) -> None:
    one = as_sdmx(some().filter(product="21202125", reporter="IE").head(1)).with_columns(
        OBS_VALUE=pl.lit(value, dtype=pl.String), OBS_FLAG=pl.lit(flag)
    )
    found = load(CODE, written(tmp_path, one)).tables[TABLE].row(0, named=True)
    assert (found["status"], found["publisher_flags"]) == (status, flag)
    assert (found["value"] is None) == (value is None)


def test_areas_greece_by_both_codes_and_groups(tmp_path: Path) -> None:
    one = as_sdmx(some().filter(product="21202125", reporter="IE").head(1))
    codes = ["EL", "GR", "UK", "EU27_2020", "EU28", "ZZ"]
    frame = pl.concat(
        [one.with_columns(reporter=pl.lit(code), product=pl.lit(f"2120214{i}")) for i, code in enumerate(codes)]
    )
    result = load(CODE, written(tmp_path, frame))
    kept = result.tables[TABLE].sort("category_code")["country_iso3"].to_list()
    assert kept == ["GRC", "GRC", "GBR", "EUU"]
    assert result.dropped == {"group_of_countries": 1}
    assert result.rejected.select("locator", "reason").rows() == [("line 7", "the country is not known")]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"freq": "M"}, "the frequency M is not annual"),
        ({"DATAFLOW": "ESTAT:DS-045409(1.0)"}, "not DS-059358"),
        ({"OBS_VALUE": "many"}, "holds no number"),
    ],
)
def test_another_message_is_an_error(tmp_path: Path, changes: dict[str, str], problem: str) -> None:
    frame = as_sdmx(some()).with_columns(pl.lit(value).alias(name) for name, value in changes.items())
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(written(tmp_path, frame))])


def test_trade_is_another_data_flow(tmp_path: Path) -> None:
    frame = as_sdmx(some()).with_columns(partner=pl.lit("JP"))
    columns = [*frame.columns[:4], "partner", *frame.columns[4:-1]]
    with pytest.raises(LayoutError, match="the dimensions are freq, reporter, partner"):
        source_of(CODE).parse([in_hand(written(tmp_path, frame.select(columns)))])


def test_another_table_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, some().rename({"PRODVAL": "EXPVAL"}))
    with pytest.raises(LayoutError, match=r"the columns are .*EXPVAL"):
        source_of(CODE).parse([in_hand(path)])
    path.write_text(path.read_text().replace("EXPVAL", "PRODVAL")[:-4])
    with pytest.raises(LayoutError, match="the last line does not end"):
        source_of(CODE).parse([in_hand(path)])
    path.write_text("TIME_PERIOD,reporter,product,PRODQNT,PRODVAL\n2013,IE,21202125,,1\n2014,IE\n")
    with pytest.raises(LayoutError, match="cut off"):
        source_of(CODE).parse([in_hand(path)])
    path.write_text("TIME_PERIOD,reporter,product,PRODQNT,PRODVAL\n,,,,\n\n")
    with pytest.raises(LayoutError, match="no row follows the header"):
        source_of(CODE).parse([in_hand(path)])


def test_rows_that_cannot_be_used_are_kept_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "prodcom.csv"
    path.write_text(
        "TIME_PERIOD,reporter,product,PRODQNT,PRODVAL\n"
        "2013,IE,21202125,,-1\n13,IE,21202125,,1\n2014,QQ,21202125,,1\n2014,IE,2120.21.25,,1\n2015,IE,21202125,,２\n"
    )
    result = load(CODE, path)
    assert sorted(result.rejected.select("locator", "reason").rows()) == [
        ("line 2 column PRODVAL", "the value is no number"),
        ("line 3 column PRODVAL", "the year has not four digits"),
        ("line 4 column PRODVAL", "the country is not known"),
        ("line 5 column PRODVAL", "the product is no PRODCOM code of eight digits"),
    ]
    assert result.tables[TABLE]["value"].to_list() == [2.0]


# --- the bundled edition and the connector --------------------------------------------------------------------


def test_the_bundled_edition_is_the_trimmed_parse() -> None:
    ours = bundled(CODE, TABLE)
    trimmed = source_of(CODE).trim(loaded().tables)[TABLE]
    assert same_rows(ours.drop("published_on"), trimmed.drop("published_on"))
    assert ours["country_iso3"].n_unique() == 9
    assert {"IRL", "BEL", "DEU", "DNK", "FRA"} < set(ours["country_iso3"])
    assert set(ours["value_origin"]) == {"republished_copy"}
    ireland = ours.filter(country_iso3="IRL", category_code="21202125", period_start=date(2013, 1, 1))
    assert ireland["value"].to_list() == [4016402000.0]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def path_of_source() -> str:
    (download,) = source_of(CODE).spec.fetch.downloads
    return urlsplit(download.url).path


def test_the_address_asks_for_every_code_of_biologics() -> None:
    codes = set(path_of_source().rsplit("/", 1)[1].split(".")[2].split("+"))
    wanted = set(prodcom.categories().filter("is_biologic_related")["category_code"])
    assert wanted <= codes


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher) -> None:
    body = as_sdmx(some()).write_csv().encode()
    publisher.serve(HOST, path_of_source(), Answer(body))
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    assert (edition.published_on, edition.partition, edition.rows_quarantined) == ("2026-07-15", "all", 0)
    ours = live.rows(edition, TABLE).filter(country_iso3="IRL", category_code="21202125")
    assert ours.filter(period_start=date(2020, 1, 1))["value"].to_list() == [20037988000.0]
    assert publisher.seen[0].parameters == {"startPeriod": "2013", "format": "SDMX-CSV"}


def test_an_xml_error_and_a_page_are_not_archived(settings: Settings, publisher: Publisher) -> None:
    xml = b'<?xml version="1.0"?><env:Envelope><env:Fault>413 ASYNCHRONOUS_RESPONSE</env:Fault></env:Envelope>'
    publisher.serve(
        HOST, path_of_source(), Answer(xml + b" " * 100), Answer(b"<html>Maintenance</html>" + b" " * 100)
    )
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(GateError, match="content is xml"):
        live.run()
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    assert not live.archived()


# --- fuzz -----------------------------------------------------------------------------------------------------


@given(
    is_sdmx=st.booleans(),
    order=st.randoms(use_true_random=False),
    dropped=st.integers(-1, 8),
    repeated=st.sampled_from([0, 3]),
    blank=st.integers(1, 8),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=25, deadline=None)
def test_damage_gives_right_rows_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory,
    is_sdmx: bool,
    order: object,
    dropped: int,
    repeated: int,
    blank: int,
    encoding: str,
) -> None:
    frame = as_sdmx(some()) if is_sdmx else some()
    columns = list(frame.columns)
    order.shuffle(columns)  # type: ignore[attr-defined]
    columns = [name for name in columns if dropped < 0 or name != frame.columns[dropped % frame.width]]
    lines = frame.select(columns).write_csv().splitlines()
    lines[blank:blank] = ["," * (len(columns) - 1)]
    if repeated:
        lines.append(lines[repeated])
    path = tmp_path_factory.mktemp("cut") / "prodcom.csv"
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    try:
        result = load(CODE, path)
    except IngestError:
        return
    key = ["country_iso3", "category_code", "unit", "period_start"]
    joined = result.tables[TABLE].join(loaded().tables[TABLE], on=key, suffix="_real")
    assert joined.height == result.tables[TABLE].height > 0
    assert (joined["value"] == joined["value_real"]).all()
