"""The UN's list of countries and areas, and what it has against the reviewed vocabulary of countries."""

from __future__ import annotations

import csv
import html
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_quality.runner import check_specs
from ingest import compile as compiling
from ingest import load as loading
from ingest import vocabulary, workfile
from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.quality.running import run_only
from tests.sources.connectors import connector
from tests.sources.mutations import Damage, Table, damages
from tests.sources.rnd import bundled, load, same_rows, source_of

CODE = "country_reference"
FILE = "country_reference/UNSD-en.csv"
HOST, PATH = "unstats.un.org", "/unsd/methodology/m49/overview/"


def listed() -> Table:
    """The real list."""
    with shared_file(FILE).open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    return Table(header, rows)


def page(table: Table, table_id: str = "downloadTableEN") -> bytes:
    """The UN's page, as far as it is read: the list as a table, and that of another language beside it."""

    def row(cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>\n" for cell in cells) + "</tr>"

    body = "<thead>" + row(table.header) + "</thead><tbody>" + "".join(map(row, table.rows)) + "</tbody>"
    other = "<table id='downloadTableZH'><thead><tr><td>Country or Area</td></tr></thead></table>"
    table_of_list = f"<table id='{table_id}'>{body}</table>"
    return f"<!DOCTYPE html><html><head></head><body>{other}{table_of_list}</body></html>".encode()


def write(folder: Path, table: Table, *, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    path = folder / "UNSD-en.csv"
    with path.open("w", encoding=encoding, errors="replace", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([table.header, *table.rows])
    return path


def areas(path: Path) -> pl.DataFrame:
    return load(CODE, path).tables["area_code"]


# The list


def test_countries_and_groups_of_the_list() -> None:
    rows = areas(shared_file(FILE))
    assert dict(rows["kind"].value_counts().iter_rows()) == {
        "country": 249,
        "intermediate_region": 7,
        "sub_region": 17,
        "region": 5,
        "world": 1,
    }
    found = {
        code: (name, iso3, parent)
        for code, name, iso3, parent in rows.select("code", "name", "iso3", "parent_code").iter_rows()
    }
    assert found["392"] == ("Japan", "JPN", "030")
    assert found["108"] == ("Burundi", "BDI", "014")
    assert found["014"] == ("Eastern Africa", None, "202")
    assert found["010"] == ("Antarctica", "ATA", "001")
    assert found["001"] == ("World", None, None)
    assert rows.filter(pl.col("is_least_developed"))["kind"].unique().to_list() == ["country"]


def test_namibia_is_no_missing_value() -> None:
    assert areas(shared_file(FILE)).filter(iso3="NAM")["iso2"].to_list() == ["NA"]


def test_the_list_and_the_vocabulary_agree() -> None:
    rows = areas(shared_file(FILE)).filter(kind="country").select("code", "name", "iso2", "iso3")
    reviewed = vocabulary.table("country").filter(
        ~pl.col("is_aggregate")
        & pl.col("m49_code").is_not_null()
        & ~pl.col("name_en").str.contains("(until", literal=True)
    )
    assert set(rows.rows()) == set(reviewed.select("m49_code", "name_en", "iso2", "iso3").rows())


def test_page_and_csv_give_the_same_codes(tmp_path: Path) -> None:
    path = tmp_path / "m49_overview.html"
    path.write_bytes(page(listed()))
    own = ["locator", "file_sha256", "value_origin"]
    expected = areas(shared_file(FILE)).drop(own)
    found = areas(path)
    assert same_rows(found.drop(own), expected)
    assert set(found["value_origin"]) == {"publisher_bytes"}
    assert found.filter(code="012")["locator"].item() == "table downloadTableEN row 2"
    assert same_rows(areas(write(tmp_path, listed(), delimiter=";")).drop(own), expected)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("M49 Code", "３９２", "M49 Code is ３９２"),
        ("M49 Code", "", "M49 Code is empty"),
        ("ISO-alpha3 Code", "JP", "ISO-alpha3 Code is JP"),
        ("ISO-alpha2 Code", "", "ISO-alpha2 Code is empty"),
        ("Country or Area", "", "the name is missing"),
        ("Least Developed Countries (LDC)", "yes", "(LDC) is yes"),
        ("Region Name", "", "Region Code or Region Name is missing"),
        ("Region Code", "42", "Region Code is 42"),
    ],
)
def test_rows_that_cannot_be_read_are_rejected(tmp_path: Path, column: str, value: str, reason: str) -> None:
    table = listed()
    (row,) = [row for row in table.rows if "JPN" in row]
    row[table.header.index(column)] = value
    found = load(CODE, write(tmp_path, table))
    assert found.rejected.height == 1 and reason in found.rejected["reason"].item()
    assert found.tables["area_code"].filter(iso3="JPN").height == 0


@pytest.mark.parametrize("way", ["twice", "short", "column", "region"])
def test_another_list_is_named(tmp_path: Path, way: str) -> None:
    table = listed()
    if way == "twice":
        table.rows[3][table.header.index("M49 Code")] = "392"
        problem = "the code 392 stands twice"
    elif way == "short":
        table = table.cut(150)
        problem = "150 countries and areas, fewer than 200"
    elif way == "column":
        table.header[table.header.index("M49 Code")] = "M49"
        problem = "lacks the columns M49 Code"
    else:
        table.rows[0][table.header.index("Region Name")] = "Afrique"
        problem = "the code 002 stands twice"
    with pytest.raises(LayoutError, match=problem):
        load(CODE, write(tmp_path, table))


@pytest.mark.parametrize("way", ["another_table", "uneven", "no_table"])
def test_another_page_is_named(tmp_path: Path, way: str) -> None:
    table = listed()
    if way == "uneven":
        table.rows[5].pop()
    body = page(table, "countries" if way == "another_table" else "downloadTableEN")
    path = tmp_path / "m49_overview.html"
    path.write_bytes(b"<html><body>Down for maintenance</body></html>" + b" " * 6000 if way == "no_table" else body)
    with pytest.raises(LayoutError, match=r"not one|differ in length"):
        load(CODE, path)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages(), encoding=st.sampled_from(["utf-8", "utf-8", "utf-16", "cp1252"]))
def test_any_damage_gives_right_rows_or_a_named_error(tmp_path: Path, damage: Damage, encoding: str) -> None:
    table = listed()
    code, name = table.header.index("M49 Code"), table.header.index("Country or Area")
    known = {row[code]: row[name] for row in table.rows}
    touched = damage.apply(table)
    try:
        found = areas(write(tmp_path, table, encoding=encoding))
    except IngestError:
        return
    countries = dict(found.filter(kind="country").select("code", "name").iter_rows())
    assert set(countries) <= set(known) and len(countries) >= 248
    changed = {
        known_code for known_code, known_name in known.items() if countries.get(known_code, known_name) != known_name
    }
    assert len(changed) <= (1 if touched is not None else 0)


# Against the vocabulary


def test_differences_are_shown_to_the_reviewer(settings: Settings, tmp_path: Path) -> None:
    """A new country, one that is gone, one renamed; the bundled list, now superseded, hides nothing."""
    table = listed()
    code, name = table.header.index("M49 Code"), table.header.index("Country or Area")
    for row in table.rows:
        if row[code] == "418":
            row[code] = "999"
        if row[code] == "792":
            row[name] = "Turkey"
    source = source_of(CODE)
    loading.load_bundled(settings, source)
    path = tmp_path / "m49_overview.html"
    path.write_bytes(page(table))
    loading.load_files(settings, source, [path], published_on=date(2026, 11, 23))
    workfile.prepare(settings)
    found = run_only(settings, "lake", [spec for spec in check_specs("lake") if spec.suite == CODE])
    shown = {check_id.removeprefix(f"{CODE}__"): result for check_id, result in found.items()}
    assert {name: result.unexpected_count for name, result in shown.items() if not result.success} == {
        "listed_codes_are_reviewed": 1,
        "reviewed_codes_are_listed": 1,
        "names_and_codes_agree": 1,
    }
    assert "999" in str(shown["listed_codes_are_reviewed"].examples)
    assert "LAO" in str(shown["reviewed_codes_are_listed"].examples)
    assert "Turkey" in str(shown["names_and_codes_agree"].examples)


# The connector and the bundled edition


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher) -> None:
    table = listed()
    # As the UN publishes it: without Taiwan.
    table.rows = [row for row in table.rows if "TWN" not in row]
    answer = Answer(page(table), headers={"Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT"}, etag='"1"')
    publisher.serve(HOST, PATH, answer)
    running = connector(settings, publisher, CODE, HOST)
    (edition,) = running.run()
    rows = running.rows(edition, "area_code")
    assert edition.published_on == "2026-11-02"
    assert rows.filter(kind="country").height == 248
    assert [item.is_new for item in running.fetch()] == [False]
    workfile.prepare(settings)
    found = run_only(settings, "lake", [spec for spec in check_specs("lake") if spec.suite == CODE])
    assert all(result.success for result in found.values())


def test_an_empty_answer_is_not_archived(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(b"<html></html>"))
    running = connector(settings, publisher, CODE, HOST)
    with pytest.raises(GateError, match="fewer than the"):
        running.fetch()
    assert running.archived() == []


def test_the_bundled_edition_is_what_the_file_gives(tmp_path: Path) -> None:
    day = date(2026, 11, 22)
    counts = compiling.compile_source(
        CODE, [[shared_file(FILE)]], accessed_on=date(2026, 11, 22), published_on=day, target=tmp_path
    )
    assert counts == {"area_code": 279}
    held = source_of(CODE).edition_dir
    for path in held.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    rows = areas(shared_file(FILE)).with_columns(published_on=pl.lit(day))
    assert same_rows(bundled(CODE, "area_code"), rows)
