from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest import load
from ingest.archive import sha256_of
from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from ingest.source import Parsed, SourceFile
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.mutations import Damage, Table, damages
from tests.sources.rnd import bundled, source_of

CODE = "fda_drugsatfda"
SOURCE = source_of(CODE)
REAL = f"{CODE}/drugsatfda_2019-07-02.zip"
HOST, PATH = "www.fda.gov", "/media/89850/download"
# Nivolumab, adalimumab, insulin glargine, a drug, an abbreviated application, and one that Applications.txt lacks.
APPLICATIONS = {"125554", "125057", "021081", "002139", "020374", "040850"}
Tables = dict[str, Table]


@pytest.fixture(scope="module")
def real() -> Parsed:
    return load.parse_files(SOURCE, load.in_hand(SOURCE, [shared_file(REAL)]))


@pytest.fixture(scope="module")
def products(real: Parsed) -> pl.DataFrame:
    rows, bad = conformed(real)
    assert bad.is_empty()
    return rows


@cache
def tables() -> Tables:
    """The real tables, cut to a few applications; lookups whole. Copy them before changing them."""
    found: Tables = {}
    with zipfile.ZipFile(shared_file(REAL)) as archive:
        for entry in archive.namelist():
            lines = archive.read(entry).decode("cp1252").split("\r\n")
            header = lines[0].split("\t")
            rows = [line.split("\t") for line in lines[1:] if line]
            if "ApplNo" in header:
                rows = [row for row in rows if row[header.index("ApplNo")] in APPLICATIONS]
            found[entry] = Table(header, rows)
    return found


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows, bad, _ = load.conform_all(
        SOURCE,
        result,
        edition_id="e",
        published_on=date(2019, 7, 2),
        ingested_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return rows["product_identity"], bad


def copied(tables: Tables) -> Tables:
    return {name: table.cut(len(table.rows)) for name, table in tables.items()}


def zipped(tables: Tables) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in tables.items():
            text = "\r\n".join("\t".join(cells) for cells in (table.header, *table.rows)) + "\r\n"
            archive.writestr(zipfile.ZipInfo(name, (2019, 7, 2, 14, 30, 0)), text.encode())
    return stream.getvalue()


def parsed(tmp_path: Path, tables: Tables) -> Parsed:
    path = tmp_path / "drugsatfda.zip"
    path.write_bytes(zipped(tables))
    return load.parse_files(SOURCE, [SourceFile(path=path, name=path.name, sha256=sha256_of(path))])


def test_the_files_of_2019(real: Parsed, products: pl.DataFrame) -> None:
    assert real.rows_read == 39_473
    assert real.dropped == {"abbreviated_application": 29_059, "application_not_in_file": 5}
    assert dict(products["modality_evidence"].value_counts().iter_rows()) == {"BLA": 276, "NDA": 10_133}
    assert products.height == 39_473 - 29_059 - 5
    licences = products.filter(pl.col("modality_evidence") == "BLA")
    # 182 BLAs, of which one has no product.
    assert licences["licence_number"].str.split("-").list.first().n_unique() == 181
    assert real.published_on == date(2019, 7, 2)


def test_approvals_of_known_products(products: pl.DataFrame) -> None:
    rows = {row["licence_number"]: row for row in products.iter_rows(named=True)}
    opdivo, humira = rows["BLA125554-001"], rows["BLA125057-001"]
    assert (opdivo["brand_name"], opdivo["ingredient_name"]) == ("OPDIVO", "NIVOLUMAB")
    assert (opdivo["approved_on"], opdivo["is_orphan"]) == (date(2014, 12, 22), True)
    assert opdivo["document_url"].startswith("http://www.accessdata.fda.gov/drugsatfda_docs/appletter/2014/125554")
    assert (humira["approved_on"], humira["holder_name"]) == (date(2002, 12, 31), "ABBVIE INC")
    assert rows["NDA021081-001"]["approved_on"] == date(2000, 4, 20)
    assert rows["NDA021081-001"]["ingredient_name"] == "INSULIN GLARGINE RECOMBINANT"
    letters = products.filter((pl.col("modality_evidence") == "BLA") & pl.col("document_url").is_not_null())
    assert letters["licence_number"].str.head(9).n_unique() > 150


def test_the_locator_names_table_and_line(products: pl.DataFrame) -> None:
    with zipfile.ZipFile(shared_file(REAL)) as archive:
        lines = {
            name: archive.read(f"{name}.txt").decode("cp1252").split("\r\n") for name in ("Products", "Submissions")
        }
    sample = products.filter(pl.col("approved_on").is_not_null()).sample(20, seed=2)
    for place, licence, day in sample.select("locator", "licence_number", "approved_on").iter_rows():
        product, submission = (int(part.rsplit(" ", 1)[1]) for part in place.split(", "))
        number = licence[3:9]
        assert lines["Products"][product - 1].startswith(f"{number}\t{licence[-3:]}")
        cells = [cell.strip() for cell in lines["Submissions"][submission - 1].split("\t")]
        assert (cells[0], cells[2], cells[4], cells[5][:10]) == (number, "ORIG", "AP", day.isoformat())


def test_applications_without_approval_have_no_day(products: pl.DataFrame) -> None:
    without = products.filter(pl.col("approved_on").is_null())
    assert without.height == 883
    assert not without["locator"].str.contains("Submissions").any()
    assert (products["approved_on"] <= products["listed_on"]).all()


def test_the_connector_loads_the_zip(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(zipped(tables()), headers={"Last-Modified": "Wed, 03 Jul 2019 09:00:00 GMT"}))
    live = connector(settings, publisher, CODE, HOST)
    (record,) = live.run()
    rows = live.rows(record, "product_identity")
    assert set(rows["licence_number"].str.head(9)) == {"BLA125554", "BLA125057", "NDA021081", "NDA002139"}
    assert record.rows_dropped["abbreviated_application"] >= 1
    assert record.rows_dropped["application_not_in_file"] == 1
    assert record.rows_quarantined == 0 and record.published_on == "2019-07-02"
    assert rows["locator"].str.starts_with("Products.txt line ").all()


@pytest.mark.parametrize("mood", ["html", "cut", "table missing", "another header"])
def test_what_is_no_data_is_refused(mood: str, settings: Settings, publisher: Publisher) -> None:
    other = copied(tables())
    other["Products.txt"].header[5] = "BrandName"
    less = {name: table for name, table in tables().items() if name != "Submissions.txt"}
    answers: dict[str, tuple[bytes, type[IngestError], str]] = {
        "html": (b"<html><title>FDA Apology</title></html>" + b" " * 2_000, GateError, "HTML page"),
        "cut": (zipped(tables())[:2_000], GateError, "cut off or damaged"),
        "table missing": (zipped(less), LayoutError, r"0 entries named Submissions\.txt"),
        "another header": (zipped(other), LayoutError, "lacks DrugName and has the unknown BrandName"),
    }
    body, error, problem = answers[mood]
    publisher.serve(HOST, PATH, Answer(body))
    with pytest.raises(error, match=problem):
        connector(settings, publisher, CODE, HOST).run()


def test_rows_that_cannot_be_read_are_rejected(tmp_path: Path) -> None:
    mine = copied(tables())
    approvals = mine["Submissions.txt"]
    (opdivo,) = (row for row in approvals.rows if row[0] == "125554" and row[2].strip() == "ORIG" and row[3] == "1")
    opdivo[5] = "22 December 2014"
    types = mine["Applications.txt"]
    next(row for row in types.rows if row[0] == "002139")[1] = "XYZ"
    result = parsed(tmp_path, mine)
    assert result.rejected is not None
    reasons = set(result.rejected["reason"])
    assert "the type of application is unknown: XYZ" in reasons
    assert any("125554" in row for row in result.rejected["raw"]) or "22 December 2014" in str(reasons)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages(), name=st.sampled_from(["Applications.txt", "Products.txt", "Submissions.txt"]))
def test_damaged_tables_give_right_rows_or_a_named_error(damage: Damage, name: str, tmp_path: Path) -> None:
    right, _ = conformed(parsed(tmp_path, tables()))
    mine = copied(tables())
    touched = damage.apply(mine[name])
    try:
        rows, _ = conformed(parsed(tmp_path, mine))
    except IngestError:
        return
    key = ["licence_number", "approved_on"]
    if touched is None and name == "Products.txt":
        # A repeated product contradicts itself by its line alone.
        assert rows.select(key).join(right.select(key), on=key, how="anti", nulls_equal=True).is_empty()
    elif touched is None:
        assert set(rows["licence_number"]) <= set(right["licence_number"])
    assert set(rows["licence_number"]) <= set(right["licence_number"])
    assert set(rows["approved_on"]) <= {*right["approved_on"], None, *_original_days(tables())}


def _original_days(tables: Tables) -> set[date]:
    return {
        date.fromisoformat(row[5][:10])
        for row in tables["Submissions.txt"].rows
        if row[2].strip() == "ORIG" and row[5]
    }


def test_the_bundled_edition_holds_biologics(settings: Settings, products: pl.DataFrame) -> None:
    rows = bundled(CODE, "product_identity")
    kinds = dict(rows["modality_evidence"].value_counts().iter_rows())
    assert kinds["BLA"] == 181 and kinds["NDA"] > 100
    key = ["licence_number", "brand_name", "holder_name", "approved_on", "is_orphan", "locator", "note"]
    assert rows.select(key).join(products.select(key), on=key, how="anti", nulls_equal=True).is_empty()
    assert rows.filter(pl.col("ingredient_name") == "SEMAGLUTIDE").height == 1
    (record,) = load.load_bundled(settings, SOURCE)
    assert (record.row_count, record.rows_quarantined) == (rows.height, 0)
