"""Canada's list of marketed products: counts that the publisher's tables give themselves, and damaged zips."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from ingest.errors import LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, load

CODE = "health_canada_dpd"
FILE = "health_canada_dpd/allfiles.zip"
HOST = "www.canada.ca"
PATH = "/content/dam/hc-sc/documents/services/drug-product-database/allfiles.zip"


@cache
def members() -> dict[str, bytes]:
    with zipfile.ZipFile(shared_file(FILE)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@cache
def table(name: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(members()[f"{name}.txt"].decode())))


@cache
def loaded() -> Loaded:
    return load(CODE, shared_file(FILE))


def rows() -> pl.DataFrame:
    return loaded().tables["product_identity"]


def test_every_product_is_a_row_or_counted() -> None:
    classes = [cells[2] for cells in table("drug")]
    assert loaded().parsed.rows_read == len(classes) == 13_454
    assert loaded().dropped == {
        "veterinary_product": classes.count("Veterinary"),
        "disinfectant_product": classes.count("Disinfectant"),
    }
    assert (rows().height, loaded().rejected.height) == (11_589, 0)
    assert loaded().parsed.published_on == date(2026, 4, 1)


def test_schedule_d_and_biosimilars_are_those_of_the_publishers_tables() -> None:
    in_schedule = {cells[0] for cells in table("schedule") if cells[1] == "SCHEDULE D"}
    human = {cells[0] for cells in table("drug") if cells[2] in ("Human", "Radiopharmaceutical")}
    # 858 products are marketed under Schedule D; eight of them are for animals.
    assert len(in_schedule) == 858
    biologics = rows().filter(pl.col("modality_evidence").str.contains("SCHEDULE D"))
    assert biologics.height == len(in_schedule & human) == 850
    assert rows()["is_biosimilar"].sum() == len({cells[0] for cells in table("biosimilar")} & human) == 169


def test_a_product_is_what_its_tables_say() -> None:
    product = rows().filter(licence_number="02456869").row(0, named=True)
    assert (product["brand_name"], product["ingredient_name"], product["route"]) == (
        "KEYTRUDA",
        "PEMBROLIZUMAB",
        "injection",
    )
    assert (product["approved_on"], product["holder_name"]) == (date(2016, 8, 9), "MERCK CANADA INC")
    line = int(product["locator"].removeprefix("drug.txt line "))
    assert '"02456869"' in members()["drug.txt"].decode().splitlines()[line - 1]
    assert product["note"] == "owner of the number in CANADA"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_the_connector_fetches_and_loads(
    settings: Settings, publisher: Publisher, shared_data: Callable[[str], Path]
) -> None:
    publisher.serve(HOST, PATH, Answer(shared_data(FILE).read_bytes()))
    (edition,) = connector(settings, publisher, CODE, HOST).run()
    assert edition.row_count == 11_589 and edition.rows_quarantined == 0


# Damaged zips


def cut(count: int = 40) -> dict[str, list[list[str]]]:
    """The rows of the first products, by table."""
    codes = {cells[0] for cells in table("drug")[:count]}
    return {name: [cells for cells in table(name) if cells[0] in codes] for name in map(_stem, members())}


def _stem(member: str) -> str:
    return member.removesuffix(".txt")


def damaged(folder: Path, **changed: list[list[str]] | None) -> Path:
    """A small zip of the first products, with tables changed or left out."""
    path, whole = folder / "allfiles.zip", cut()
    with zipfile.ZipFile(path, "w") as archive:
        for member in members():
            name = _stem(member)
            part = changed[name] if name in changed else whole[name]
            if part is not None:
                stream = io.StringIO()
                csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(part)
                archive.writestr(member, stream.getvalue())
    return path


def first(count: int = 40) -> list[list[str]]:
    return [list(cells) for cells in table("drug")[:count]]


def test_the_undamaged_cut_is_read(tmp_path: Path) -> None:
    assert load(CODE, damaged(tmp_path)).parsed.rows_read == 40


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("drug", lambda: [cells[:-1] for cells in first()], "the table has 13 columns"),
        ("drug", lambda: [[*cells[1:], cells[0]] for cells in first()], "product's number are expected"),
        ("drug", lambda: [*first(), first()[0]], r"product 9 \(DIN 00015741\) stands twice"),
        ("drug", lambda: first(39), "is not in drug.txt"),
        ("comp", lambda: None, "lacks comp.txt"),
        ("route", lambda: [["9", "56", "ORAL"], ["15", "56", "ORAL", "Orale"]], "the line has 4 cells, the header 3"),
    ],
)
def test_another_layout_is_a_named_error(
    tmp_path: Path, name: str, change: Callable[[], list[list[str]] | None], message: str
) -> None:
    with pytest.raises(LayoutError, match=message):
        load(CODE, damaged(tmp_path, **{name: change()}))


def test_rows_that_cannot_be_used_are_rejected_with_their_reasons(tmp_path: Path) -> None:
    drugs = first()
    drugs[0][3], drugs[1][2], drugs[2][4] = "0001574", "Herbal", " "
    status = [list(cells) for cells in table("status") if cells[0] in {row[0] for row in drugs}]
    fourth = next(
        cells
        for cells in status
        if cells[2] == "APPROVED" and cells[0] in {row[0] for row in drugs[3:] if row[2] == "Human"}
    )
    fourth[3] = "31-FEB-2001"
    line = 1 + [row[0] for row in drugs].index(fourth[0])
    found = load(CODE, damaged(tmp_path, drug=drugs, status=status))
    assert dict(found.rejected.select("locator", "reason").iter_rows()) == {
        "drug.txt line 1": "the DIN has not eight digits",
        "drug.txt line 2": "the class is not known",
        "drug.txt line 3": "the product has no name",
        f"drug.txt line {line}": "a day of approval is none",
    }
    products = [cells[2] for cells in first()].count("Human")
    assert found.tables["product_identity"].height == products - 4
