from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import fastexcel
import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ingest import load
from ingest.archive import sha256_of
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.source import Parsed, PlainDownload, SourceFile
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.mutations import KINDS, Damage, Table, damages
from tests.sources.rnd import bundled, source_of

CODE = "ema_medicines"
SOURCE = source_of(CODE)
EDITIONS = {
    2018: f"{CODE}/Medicines_output_EPAR_generated_2018-12-23.xlsx",
    2022: f"{CODE}/Medicines_output_EPAR_generated_2022-11-17.xlsx",
    2024: f"{CODE}/medicines_output_medicines_en_2024-08-22.xlsx",
}
RECORD = f"{CODE}/medicines-output-json_single_record_Humira.json"
HOST = "www.ema.europa.eu"
JSON_PATH = "/en/documents/report/medicines-output-medicines_json-report_en.json"
XLSX_PATH = "/en/documents/report/medicines-output-medicines_en.xlsx"
CUT = 15


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables, bad, _ = load.conform_all(
        SOURCE,
        result,
        edition_id="e",
        published_on=date(2026, 1, 1),
        ingested_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return tables["product_identity"], bad


@cache
def parsed_edition(year: int) -> Parsed:
    return load.parse_files(SOURCE, load.in_hand(SOURCE, [shared_file(EDITIONS[year])]))


@cache
def medicines(year: int) -> pl.DataFrame:
    rows, bad = conformed(parsed_edition(year))
    assert bad.is_empty()
    return rows


def row(year: int, name: str) -> dict[str, Any]:
    return medicines(year).filter(pl.col("brand_name") == name).row(0, named=True)


@cache
def sheet(year: int) -> tuple[tuple[str | None, ...], ...]:
    frame = (
        fastexcel.read_excel(shared_file(EDITIONS[year])).load_sheet(0, header_row=None, dtypes="string").to_polars()
    )
    return tuple(frame.head(9 + CUT).iter_rows())


def table(year: int) -> Table:
    return Table([str(c) for c in sheet(year)[8]], [[str(c or "") for c in cells] for cells in sheet(year)[9:]])


def workbook(year: int, content: Table, *, far_column: int = 0) -> bytes:
    """The publisher's workbook around cut or changed rows: real banner, header in row 9."""
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = "Medicine"
    for cells in sheet(year)[:8]:
        page.append([cell for cell in cells if cell])
    for texts in (content.header, *content.rows):
        page.append([text or None for text in texts])
    if far_column:
        page.cell(row=9, column=far_column).number_format = "0"
        page.cell(row=10, column=far_column).value = " "
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def parsed(tmp_path: Path, content: bytes, name: str = "medicines.xlsx") -> Parsed:
    path = tmp_path / name
    path.write_bytes(content)
    return load.parse_files(SOURCE, [SourceFile(path=path, name=name, sha256=sha256_of(path))])


def record(**changes: object) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(shared_file(RECORD).read_bytes())
    content["meta"]["total_records"] = 1
    content["data"][0] |= changes
    return content


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


@pytest.mark.parametrize(
    ("year", "day", "read", "animal", "biosimilars", "orphans", "kinds"),
    [
        (2018, date(2018, 12, 23), 1_562, 228, 57, 168, {"conditional": 21, "exceptional": 34, "full": 1_235}),
        (2022, date(2022, 11, 17), 1_959, 282, 90, 157, {"conditional": 48, "exceptional": 42, "full": 1_532}),
        (2024, date(2024, 8, 22), 2_433, 337, 120, 226, {"conditional": 47, "exceptional": 47, "full": 1_677}),
    ],
)
def test_three_editions(
    year: int, day: date, read: int, animal: int, biosimilars: int, orphans: int, kinds: dict[str, int]
) -> None:
    result, rows = parsed_edition(year), medicines(year)
    assert (result.rows_read, result.dropped) == (read, {"veterinary_medicine": animal})
    assert rows.height == read - animal and result.published_on == day
    assert set(rows["listed_on"]) == {day} and set(rows["market_iso3"]) == {"EUU"}
    assert rows["is_biosimilar"].sum() == biosimilars and rows["is_orphan"].sum() == orphans
    assert dict(rows["approval_kind"].drop_nulls().value_counts().iter_rows()) == kinds
    assert (rows["approved_on"] <= rows["listed_on"]).all()
    # In the number cell of five medicines of 2024 stands the number of a procedure; it is kept as published.
    assert rows["licence_number"].str.contains("^EMEA/H/").not_().sum() == (5 if year == 2024 else 0)


def test_advanced_therapies_of_2024() -> None:
    therapies = medicines(2024).filter(pl.col("is_atmp"))
    assert therapies.height == 26
    assert {"Kymriah", "Zolgensma", "Casgevy", "Glybera"} <= set(therapies["brand_name"])
    assert therapies["modality_evidence"].str.starts_with("Advanced therapy").all()
    assert medicines(2022)["is_atmp"].null_count() == medicines(2022).height
    ended = therapies.filter(pl.col("publisher_flags").str.starts_with("Authorised").not_())
    assert set(ended["brand_name"]) >= {"Glybera", "Provenge", "Zynteglo"}


def test_known_medicines() -> None:
    humira = row(2024, "Humira")
    assert (humira["licence_number"], humira["approved_on"]) == ("EMEA/H/C/000481", date(2003, 9, 8))
    assert (humira["ingredient_name"], humira["modality_evidence"]) == ("adalimumab", "ATC L04AB04")
    assert humira["holder_name"] == "AbbVie Deutschland GmbH Co. KG"  # as published: the ampersand is lost
    benepali = row(2024, "Benepali")
    assert benepali["is_biosimilar"] and benepali["modality_evidence"].startswith("Biosimilar, ATC ")
    assert row(2018, "Simponi")["approved_on"] == date(2009, 10, 1)
    refused = medicines(2024).filter(pl.col("publisher_flags").str.starts_with("Refused"))
    assert refused.height == 55 and refused["approved_on"].null_count() == 55
    assert refused["approval_kind"].null_count() == 55


@pytest.mark.parametrize(("one", "other", "share"), [(2018, 2022, 0.96), (2022, 2024, 0.99)])
def test_text_dates_and_excel_dates_agree(one: int, other: int, share: float) -> None:
    both = medicines(one).join(medicines(other), on="licence_number").drop_nulls(["approved_on", "approved_on_right"])
    assert both.height > 1_200
    apart = (both["approved_on"] - both["approved_on_right"]).dt.total_days().abs()
    assert (apart == 0).sum() > share * both.height
    # The agency has corrected some days since; a day taken for a month would lie further apart.
    assert (apart > 5).sum() <= 12


def test_the_locator_is_the_row_of_the_sheet() -> None:
    for year in EDITIONS:
        cells = sheet(year)
        places = dict(medicines(year).select("locator", "licence_number").iter_rows())
        for number, line in enumerate(cells[9:], start=10):
            found = {place: licence for place, licence in places.items() if place.endswith(f" row {number}")}
            assert not found or set(found.values()) <= set(line)


def test_a_json_record_gives_the_row_of_the_workbook(tmp_path: Path) -> None:
    name = "medicines-output-medicines_json-report_en.json"
    result = parsed(tmp_path, json.dumps(record()).encode(), name)
    rows, bad = conformed(result)
    assert bad.is_empty() and result.published_on == date(2026, 9, 16)
    mine, workbook_row = rows.row(0, named=True), row(2024, "Humira")
    for column in ("licence_number", "brand_name", "ingredient_name", "approved_on", "approval_kind"):
        assert mine[column] == workbook_row[column]
    assert mine["locator"] == "data[0]" and mine["document_url"] == workbook_row["document_url"]
    with pytest.raises(LayoutError, match="says that it holds 2734 records, and holds 1"):
        parsed(tmp_path, shared_file(RECORD).read_bytes(), name)


def test_entities_and_marks_of_the_json(tmp_path: Path) -> None:
    changes = {
        "marketing_authorisation_developer_applicant_holder": "A &amp; B&nbsp;Pharma",
        "conditional_approval": "Yes",
        "advanced_therapy": "Yes",
        "marketing_authorisation_date": "31/12/2019",
        "withdrawal_expiry_revocation_lapse_of_marketing_authorisation_date": "01/02/2024",
    }
    rows, _ = conformed(parsed(tmp_path, json.dumps(record(**changes)).encode(), "medicines.json"))
    mine = rows.row(0, named=True)
    assert mine["holder_name"] == "A & B Pharma"
    assert (mine["approval_kind"], mine["is_atmp"]) == ("conditional", True)
    assert mine["publisher_flags"] == "Authorised,Conditional approval"
    assert mine["note"] == "authorisation ended 2024-02-01"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"marketing_authorisation_date": "2003"}, "the date authorised cannot be read: 2003"),
        ({"marketing_authorisation_date": "31/02/2003"}, "the date authorised cannot be read: 31/02/2003"),
        ({"biosimilar": "perhaps"}, "the mark biosimilar is neither yes nor no: perhaps"),
        ({"category": "Plant"}, "the category is neither Human nor Veterinary: Plant"),
        ({"ema_product_number": ""}, "the number is empty"),
        ({"ema_product_number": "12 345"}, "the product number is none: 12 345"),
    ],
)
def test_rows_that_cannot_be_read_are_rejected(changes: dict[str, str], reason: str, tmp_path: Path) -> None:
    result = parsed(tmp_path, json.dumps(record(**changes)).encode(), "medicines.json")
    assert result.tables["product_identity"].is_empty() and result.rejected is not None
    assert result.rejected.select("locator", "reason").rows() == [("data[0]", reason)]


def test_thousands_of_empty_columns_are_not_read(tmp_path: Path) -> None:
    content = workbook(2024, table(2024), far_column=16_000)
    result = parsed(tmp_path, content)
    assert result.rows_read == CUT


def test_wrong_layouts_are_named_errors(tmp_path: Path) -> None:
    content = table(2024)
    content.header[content.header.index("Biosimilar")] = "Bio-similar"
    with pytest.raises(LayoutError, match="sheet 'Medicine', row 9: the header lacks Biosimilar"):
        parsed(tmp_path, workbook(2024, content))
    content = table(2018)
    content.header[0] = "Kind"
    with pytest.raises(LayoutError, match="none of the first 20 rows is a header"):
        parsed(tmp_path, workbook(2018, content))
    with pytest.raises(LayoutError, match="under `data`"):
        parsed(tmp_path, b'{"error": "internal", "status": 500}' + b" " * 200, "medicines.json")
    renamed = json.dumps(record()).replace('"biosimilar"', '"bio_similar"')
    with pytest.raises(LayoutError, match="lacks biosimilar"):
        parsed(tmp_path, renamed.encode(), "medicines.json")
    timeless = record()
    del timeless["meta"]["timestamp"]
    with pytest.raises(LayoutError, match="day of the list"):
        parsed(tmp_path, json.dumps(timeless).encode(), "medicines.json")


def test_the_connector_loads_the_json(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, JSON_PATH, Answer(status=429), Answer(json.dumps(record()).encode(), etag='"a"'))
    live = connector(settings, publisher, CODE, HOST)
    (loaded,) = live.run()
    rows = live.rows(loaded, "product_identity")
    assert rows.select("brand_name", "listed_on").rows() == [("Humira", date(2026, 9, 16))]
    assert loaded.published_on == "2026-09-16"
    assert live.run()[0].edition_id == loaded.edition_id


def test_the_connector_loads_the_workbook(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, XLSX_PATH, Answer(shared_file(EDITIONS[2024]).read_bytes()))
    live = connector(settings, publisher, CODE, HOST)
    download = PlainDownload(url=f"https://{HOST}{XLSX_PATH}", name="medicines-output-medicines_en.xlsx")
    policy = live.source.spec.fetch.model_copy(update={"downloads": (download,)})
    live.source.spec = live.source.spec.model_copy(update={"fetch": policy})
    (loaded,) = live.run()
    assert loaded.row_count == 2_096 and loaded.rows_dropped == {"veterinary_medicine": 337}


@pytest.mark.parametrize(
    ("answer", "error", "problem"),
    [
        (Answer(b"<!DOCTYPE html><html>" + b" " * 500), GateError, "HTML page"),
        (Answer(b'{"meta": {}, "data": [' + b" " * 500), GateError, "cut off or malformed"),
        (Answer(b'{"error": "try later"}' + b" " * 500), LayoutError, "under `data`"),
        (
            Answer(status=302, headers={"Location": "https://elsewhere.example/x"}),
            FetchError,
            "redirects to elsewhere",
        ),
    ],
)
def test_moods_of_the_publisher(
    answer: Answer, error: type[IngestError], problem: str, settings: Settings, publisher: Publisher
) -> None:
    publisher.serve(HOST, JSON_PATH, answer)
    with pytest.raises(error, match=problem):
        connector(settings, publisher, CODE, HOST).run()


@pytest.mark.parametrize("year", sorted(EDITIONS))
@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages([kind for kind in KINDS if kind != "short_row"]))
def test_a_damaged_workbook_gives_right_rows_or_a_named_error(year: int, damage: Damage, tmp_path: Path) -> None:
    right, _ = conformed(parsed(tmp_path, workbook(year, table(year))))
    content = table(year)
    touched = damage.apply(content)
    try:
        rows, bad = conformed(parsed(tmp_path, workbook(year, content)))
    except IngestError:
        return
    facts = ["licence_number", "brand_name", "ingredient_name", "approved_on", "approval_kind", "is_biosimilar"]
    wrong = rows.select(facts).join(right.select(facts), on=facts, how="anti", nulls_equal=True)
    for name in ("licence_number", "approved_on", "approval_kind"):
        assert set(rows[name]) <= set(right[name])
    if touched is None:
        # A repeated medicine contradicts itself by its row alone.
        assert wrong.is_empty() and rows.height + bad.height // 2 == right.height
    else:
        assert wrong.height <= 1 and rows.height + bad.height >= right.height - 1


def test_the_bundled_edition_holds_biologics(settings: Settings) -> None:
    rows = bundled(CODE, "product_identity")
    assert (rows["is_biosimilar"].sum(), rows["is_atmp"].sum()) == (120, 26)
    assert 600 < rows.height < 700
    key = [
        "licence_number",
        "brand_name",
        "ingredient_name",
        "holder_name",
        "approved_on",
        "approval_kind",
        "locator",
    ]
    assert rows.select(key).join(medicines(2024).select(key), on=key, how="anti", nulls_equal=True).is_empty()
    assert {"Keytruda", "Opdivo", "Humira", "Lantus", "Jemperli", "Comirnaty"} <= set(rows["brand_name"])
    (loaded,) = load.load_bundled(settings, SOURCE)
    assert (loaded.row_count, loaded.rows_quarantined) == (rows.height, 0)
