from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest import corrections
from ingest.errors import GateError, IngestError, LayoutError, SourceError
from ingest.fetch import FetchError
from ingest.load import load_files
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, bundled, in_hand, load, same_rows, source_of

CODE = "jrc_scoreboard"
FILE = "jrc_scoreboard/SB2023_World2500.xlsx"
HOST = "iri.jrc.ec.europa.eu"
PHARMA = "Pharmaceuticals & Biotechnology"
# R&D of pharmaceuticals and biotechnology in 2022 by headquarters: EUR million and companies.
BY_HEADQUARTERS = {
    "USA": (121_688, 268),
    "CHE": (24_542, 10),
    "DEU": (16_257, 8),
    "GBR": (15_906, 17),
    "JPN": (14_842, 24),
    "CHN": (14_002, 83),
}


@cache
def whole() -> Loaded:
    return load(CODE, shared_file(FILE))


@cache
def cells() -> list[list[Any]]:
    """The header and the first 40 companies of the real workbook, as stored."""
    frame = pl.read_excel(shared_file(FILE), engine="calamine", infer_schema_length=None)
    return [frame.columns, *(list(row) for row in frame.head(40).iter_rows())]


def written(path: Path, rows: list[list[Any]], sheet: str = "Sheet 1") -> Path:
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet(sheet)
        for number, row in enumerate(rows):
            page.write_row(number, 0, ["" if cell is None else cell for cell in row])
    return path


def rnd(rows: pl.DataFrame, company: str, measure: str = "rnd_expense") -> dict[str, Any]:
    return rows.filter(entity_name=company, measure=measure).row(0, named=True)


def by_headquarters(rows: pl.DataFrame) -> dict[str, tuple[int, int]]:
    pharma = rows.filter(activity_code=PHARMA, measure="rnd_expense")
    sums = pharma.group_by("entity_iso3").agg(pl.col("value").sum() / 1e6, pl.len().alias("companies"))
    return {iso3: (round(value), companies) for iso3, value, companies in sums.iter_rows() if iso3 in BY_HEADQUARTERS}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_pharmaceutical_rnd_by_headquarters() -> None:
    assert by_headquarters(whole().tables["rnd_observation"]) == BY_HEADQUARTERS


def test_every_company_is_read() -> None:
    rows = whole().tables["rnd_observation"].filter(measure="rnd_expense")
    assert (whole().parsed.rows_read, rows.height, whole().rejected.height) == (2500, 2500, 0)
    assert rows["value"].sum() == pytest.approx(1_249.4e9, rel=1e-4)
    assert rows.filter(activity_code=PHARMA).height == 486
    assert rows.filter(activity_code=PHARMA)["value"].sum() == pytest.approx(233.6e9, rel=1e-3)
    assert rows["entity_code"].is_unique().all()
    assert whole().dropped == {"no_net_sales": 11, "no_intensity": 102}
    assert whole().tables["sales_observation"].height == 2500 - 11
    assert (whole().parsed.partition, whole().parsed.published_on) == ("year 2022", date(2023, 12, 7))


def test_amounts_are_whole_euro_and_shares_fractions() -> None:
    rows = whole().tables["rnd_observation"]
    millions = {
        name: rnd(rows, name)["value"] / 1e6 for name in ("ROCHE", "MERCK US", "PFIZER", "TAKEDA PHARMACEUTICAL")
    }
    assert {name: round(value, 1) for name, value in millions.items()} == {
        "ROCHE": 14267.8,
        "MERCK US": 11080.1,
        "PFIZER": 10712.5,
        "TAKEDA PHARMACEUTICAL": 4476.3,
    }
    lonza = rnd(rows, "LONZA")
    assert (lonza["value"], lonza["entity_code"], lonza["entity_iso3"]) == (197_006_711, "lonza", "CHE")
    assert rnd(rows, "LONZA", "rnd_sales_share")["value"] == pytest.approx(197.006711 / 6319.447232)
    assert rnd(rows, "BEIGENE", "rnd_sales_share")["value"] == pytest.approx(1.12554725899)
    sales = whole().tables["sales_observation"].filter(seller_name="LONZA").row(0, named=True)
    assert (sales["value"], sales["row_kind"], sales["product_name"]) == (6_319_447_232, "total", "All products")
    assert (sales["market_iso3"], sales["price_basis"], sales["currency"]) == ("WLD", "company_net", "EUR")
    assert (sales["period_start"], sales["period_basis"]) == (date(2022, 1, 1), "reference_year")


def test_the_lens_is_headquarters_and_never_a_territory() -> None:
    rows = whole().tables["rnd_observation"]
    constant = rows.select("entity_kind", "lens", "activity_scheme", "criteria", "period_basis").unique()
    assert constant.rows() == [("company", "headquarters", "ICB", "main_activity", "reference_year")]


def test_contract_manufacturers_in_other_sectors_carry_a_note() -> None:
    noted = (
        whole()
        .tables["rnd_observation"]
        .filter(pl.col("note").str.contains("Contract manufacturer"), measure="rnd_expense")
    )
    sectors = dict(noted.select("entity_name", "activity_code").iter_rows())
    assert sectors["LONZA"] == "Chemicals"
    assert sectors["FUJIFILM"] == "Electronic & Electrical Equipment"
    assert sectors["AGC"] == "General Industrials"
    assert sectors["THERMO FISHER SCIENTIFIC"] == "Health Care Equipment & Services"
    assert rnd(noted, "AGC")["note"].endswith("in the sector General Industrials; figures of the group.")


def test_the_defect_in_the_sales_of_csl_is_flagged_and_not_mended() -> None:
    sales = whole().tables["sales_observation"].filter(seller_name="CSL").row(0, named=True)
    assert sales["value"] == 1_235_140_226
    assert sales["note"].startswith("corrected (flag): Not the group's sales of a full year")
    share = rnd(whole().tables["rnd_observation"], "CSL", "rnd_sales_share")
    assert "not those of a full year" in share["note"]
    assert rnd(whole().tables["rnd_observation"], "CSL")["note"] is None


def test_the_flag_fails_once_the_publisher_has_mended_the_figure(tmp_path: Path) -> None:
    header = cells()[0][:11]
    mended = [194, "CSL", 2022, "Australia", "RoW", PHARMA, 1157.885365, 6.8, 10_000.0, 3.5, 11.6]
    parsed = source_of(CODE).parse([in_hand(written(tmp_path / "SB2023_World2500.xlsx", [header, mended]))])
    with pytest.raises(SourceError, match=r"expects \{'value': 1235140226.0\}"):
        corrections.apply(source_of(CODE), "sales_observation", parsed.tables["sales_observation"], False)


def test_locators_name_the_row() -> None:
    row = rnd(whole().tables["rnd_observation"], "TAKEDA PHARMACEUTICAL")
    number = int(row["locator"].removeprefix("sheet Sheet 1 row "))
    frame = pl.read_excel(shared_file(FILE), engine="calamine")
    assert frame.row(number - 2, named=True)["Company"] == "TAKEDA PHARMACEUTICAL"


@pytest.mark.parametrize(
    ("labels", "year"),
    [
        ({"Industry": "Industry -ICB3 sector name", "R&D (€ million)": "R&D 2021 (€million)"}, 2021),
        ({"R&D (€ million)": "R&D 2018/19 (€million)", "Net sales (€ million)": "Net sales (€million)"}, 2018),
        ({"R&D (€ million)": "R&D 2017/18 (€mn)", "Net sales (€ million)": "Net sales (€mn)"}, 2017),
        (
            {"Company": "Name", "Industry": "Industrial sector (ICB-3D)", "R&D (€ million)": "R&D 2013 (€million)"},
            2013,
        ),
    ],
)
def test_labels_of_other_editions(tmp_path: Path, labels: dict[str, str], year: int) -> None:
    header, *rows = [list(row) for row in cells()]
    position = header.index("Year")
    header = [labels.get(label, label) for label in header]
    for row in (header, *rows):
        del row[position]
    path = written(tmp_path / "SB_World2500.xlsx", [header, *rows])
    parsed = source_of(CODE).parse([in_hand(path)])
    assert parsed.partition == f"year {year}"
    assert parsed.tables["rnd_observation"]["period_start"].unique().to_list() == [date(year, 1, 1)]
    assert parsed.tables["rnd_observation"].filter(measure="rnd_expense").height == 40


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"R&D (€ million)": "R&D (USD million)"}, "0 columns are labelled as rnd"),
        ({"R&D (€ million)": "R&D (€ thousand)"}, "0 columns are labelled as rnd"),
        ({"Capex (€ million)": "Net sales (€ million)"}, "2 columns are labelled as sales"),
        ({"Year": "Edition"}, "the year of the data is told 0 times"),
        ({"Company": "Firm"}, "none of the sheets Sheet 1 has a header"),
        ({"Industry": "Branch"}, "0 columns are labelled as sector"),
    ],
)
def test_another_header_is_an_error(tmp_path: Path, change: dict[str, str], problem: str) -> None:
    header, *rows = cells()
    path = written(tmp_path / "SB_World.xlsx", [[change.get(label, label) for label in header], *rows])
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(path)])


def test_rows_that_cannot_be_read_are_rejected_one_by_one(tmp_path: Path) -> None:
    header, *rows = [list(row) for row in cells()]
    column = {label: position for position, label in enumerate(header)}
    rows[0][column["Country"]] = "Atlantis"
    rows[1][column["R&D (€ million)"]] = "n.a."
    rows[2][column["Company"]] = None
    rows[3][column["Net sales (€ million)"]] = "3１５,2*"
    rows.append(["Note: figures in euro."])
    path = written(tmp_path / "SB_World.xlsx", [header, *rows])
    parsed = source_of(CODE).parse([in_hand(path)])
    assert parsed.rejected is not None
    reasons = dict(parsed.rejected.select("locator", "reason").iter_rows())
    assert reasons["sheet Sheet 1 row 2"] == "Atlantis is no country of the vocabulary"
    assert reasons["sheet Sheet 1 row 3"] == "rnd is no number: n.a."
    assert reasons["sheet Sheet 1 row 4"] == "the company has no name"
    assert reasons["sheet Sheet 1 row 5"] == "sales is no number: 3１５,2*"
    assert parsed.tables["rnd_observation"].filter(measure="rnd_expense").height == 36
    assert parsed.rows_read == 41
    assert parsed.dropped["footnote"] == 1


def test_rows_of_several_years_are_refused(tmp_path: Path) -> None:
    header, *rows = [list(row) for row in cells()]
    rows[7][header.index("Year")] = 2021
    with pytest.raises(LayoutError, match="2 years of data"):
        source_of(CODE).parse([in_hand(written(tmp_path / "SB_World.xlsx", [header, *rows]))])


@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_workbooks_give_right_rows_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    rows = [list(row) for row in cells()[:16]]
    width = len(rows[0])
    order = data.draw(st.permutations(range(width)))
    rows = [[row[position] for position in order] for row in rows]
    if data.draw(st.booleans()):
        gone = data.draw(st.integers(0, width - 1))
        for row in rows:
            del row[gone]
    touched = data.draw(st.integers(1, 15))
    if data.draw(st.booleans()):
        rows[touched][data.draw(st.integers(0, len(rows[0]) - 1))] = data.draw(
            st.sampled_from([None, "１２３", "12,5", "*", "7 (e)", -1.0, "令和4年"])
        )
    for _ in range(data.draw(st.integers(0, 3))):
        rows.insert(data.draw(st.integers(0, len(rows))), data.draw(st.sampled_from([[], ["a) footnote"]])))
    if data.draw(st.booleans()):
        rows.append(list(rows[-1]))
    path = written(tmp_path / "SB_World.xlsx", rows)
    key = ["entity_code", "entity_iso3", "activity_code", "measure", "value"]
    right = set(whole().tables["rnd_observation"].select(key).iter_rows())
    try:
        parsed = source_of(CODE).parse([in_hand(path)])
    except IngestError:
        return
    wrong = set(parsed.tables["rnd_observation"].select(key).iter_rows()) - right
    # A cell that was overwritten with something readable changes its own company and no other.
    assert len({row[0] for row in wrong}) <= 1
    taken = parsed.tables["rnd_observation"].filter(measure="rnd_expense").height
    assert parsed.rejected is not None
    assert taken + parsed.rejected.height + parsed.dropped.get("footnote", 0) == parsed.rows_read


def test_pages_and_cut_off_workbooks_go_to_quarantine(tmp_path: Path, settings: Settings) -> None:
    page = tmp_path / "SB2023_World2500.xlsx"
    page.write_text("<!DOCTYPE html><html><body>Access denied</body></html>" + " " * 30_000)
    with pytest.raises(GateError, match="HTML page"):
        load_files(settings, source_of(CODE), [page])
    page.write_bytes(shared_file(FILE).read_bytes()[:300_000])
    with pytest.raises(GateError, match="cut off or damaged"):
        load_files(settings, source_of(CODE), [page])
    assert len(list((settings.quarantine / CODE).glob("*/reason.json"))) == 2


def test_the_bundled_edition_is_the_trimmed_parse() -> None:
    trimmed = source_of(CODE).trim(whole().tables)
    stated = [pl.lit(date(2023, 12, 7)).alias("published_on")]
    for table in ("rnd_observation", "sales_observation"):
        assert same_rows(bundled(CODE, table), trimmed[table].with_columns(stated))
    assert by_headquarters(bundled(CODE, "rnd_observation")) == BY_HEADQUARTERS
    assert sum(path.stat().st_size for path in source_of(CODE).edition_dir.iterdir()) < 120_000


def page_of(year: int) -> str:
    return f"/scoreboard/{year}-eu-industrial-rd-investment-scoreboard"


def test_the_connector_finds_the_newest_edition(settings: Settings, publisher: Publisher) -> None:
    year = datetime.now(UTC).year - 1
    links = (
        b'<html><body><a href="/sites/default/files/SB2023_EU1000.xlsx">EU</a>'
        b'<a href="/sites/default/files/2023-12/SB2023%20World%202500.xlsx">World</a></body></html>'
    )
    publisher.serve(HOST, page_of(year), Answer(links))
    publisher.serve(
        HOST, "/sites/default/files/2023-12/SB2023%20World%202500.xlsx", Answer(shared_file(FILE).read_bytes())
    )
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    assert (edition.partition, edition.published_on) == ("year 2022", "2023-12-07")
    assert edition.files[0]["name"] == "SB2023_World_2500.xlsx"
    assert by_headquarters(live.rows(edition, "rnd_observation")) == BY_HEADQUARTERS
    assert live.rows(edition, "sales_observation").height == 2489
    assert [seen.path for seen in publisher.seen[:2]] == [page_of(year + 1), page_of(year)]


def test_a_page_without_the_workbook_is_a_named_error(settings: Settings, publisher: Publisher) -> None:
    year = datetime.now(UTC).year
    publisher.serve(HOST, page_of(year), Answer(b"<html><body>Coming soon</body></html>"))
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(FetchError, match="links to no workbook"):
        live.fetch()


def test_no_page_at_all_is_a_named_error(settings: Settings, publisher: Publisher) -> None:
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(FetchError, match="none of the last 3 years"):
        live.fetch()
    assert len(publisher.seen) == 3


def test_an_html_page_in_place_of_the_workbook_is_refused(settings: Settings, publisher: Publisher) -> None:
    year = datetime.now(UTC).year
    publisher.serve(HOST, page_of(year), Answer(b'<a href="/files/SB2026_World2000.xlsx">World</a>'))
    publisher.serve(HOST, "/files/SB2026_World2000.xlsx", Answer(b"<html>login</html>" + b" " * 30_000))
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    assert not live.archived()
