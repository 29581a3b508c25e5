"""Legal entities of biopharma groups: reviewed identifiers only, names and countries as registered."""

from __future__ import annotations

import copy
import csv
import json
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import compile as compiling
from ingest import vocabulary
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher, Seen
from tests.sources.connectors import connector
from tests.sources.mutations import Damage, Table, damages
from tests.sources.rnd import bundled, load, same_rows, source_of

CODE = "gleif"
EXTRACT = "gleif/gleif_pharma_bio_name_filtered.csv"
SECTOR = "gleif/gleif_healthcare_medical_devices.parquet"
HOST, PATH = "api.gleif.org", "/api/v1/lei-records"
LONZA, MERCK = "5493000CUPSNUCV6TX18", "529900TG06M02H1IPS16"
# Made up.
PARENT = "5493001KJTIIGC8Y1R12"


def identities(*paths: Path) -> pl.DataFrame:
    return load(CODE, *paths).tables["company_identity"]


# The extract at hand


def test_reviewed_entities_of_the_extract() -> None:
    found = load(CODE, shared_file(EXTRACT), shared_file(SECTOR))
    rows = found.tables["company_identity"]
    assert (found.parsed.rows_read, rows.height) == (728 + 18_304, 39)
    assert sum(found.parsed.dropped.values()) + rows.height == found.parsed.rows_read
    assert found.rejected.height == 0
    assert set(rows["identifier"]) == set(vocabulary.table("lei_entity")["lei"])
    lonza = rows.filter(identifier=LONZA).row(0, named=True)
    assert (lonza["legal_name"], lonza["legal_address_iso3"], lonza["company_id"]) == (
        "LONZA SALES AG",
        "CHE",
        "lonza",
    )
    assert lonza["company_relation"] == "group_company"
    # Nothing is said of what the extract lacks.
    assert lonza["headquarters_iso3"] is None and lonza["registration_status"] is None
    assert set(rows["value_origin"]) == {"republished_copy"}


def test_the_locator_leads_to_the_row() -> None:
    rows = identities(shared_file(EXTRACT))
    table = pl.read_csv(shared_file(EXTRACT), infer_schema=False)
    for lei, locator in rows.select("identifier", "locator").iter_rows():
        assert table["LEI"][int(locator.removeprefix("row ")) - 1] == lei


def test_the_reviewed_list_is_sound() -> None:
    listed = vocabulary.table("lei_entity")
    for lei in listed["lei"]:
        assert int("".join(str(int(character, 36)) for character in lei)) % 97 == 1
    assert set(listed["company_id"].drop_nulls()) <= set(vocabulary.table("company")["company_id"])
    names = dict(pl.read_csv(shared_file(EXTRACT), infer_schema=False).select("LEI", "Entity.LegalName").iter_rows())
    for lei, name in listed.select("lei", "legal_name").iter_rows():
        assert names.get(lei, name) == name


def golden(
    folder: Path, *changes: dict[str, str], name: str = "20251006-gleif-goldencopy-lei2-golden-copy.csv"
) -> Path:
    """A golden copy with the columns that are read, among others; the registry's facts are made up."""
    row = {
        "LEI": LONZA,
        "Entity.LegalName": "LONZA SALES AG",
        "Entity.LegalName.xmllang": "de",
        "Entity.TransliteratedOtherEntityNames.TransliteratedOtherEntityName.1": "Lonza Sales Ltd",
        "Entity.TransliteratedOtherEntityNames.TransliteratedOtherEntityName.1.type": "AUTO_ASCII",
        "Entity.LegalAddress.Country": "CH",
        "Entity.HeadquartersAddress.Country": "CH",
        "Entity.LegalJurisdiction": "CH",
        "Entity.EntityCategory": "GENERAL",
        "Entity.LegalForm.EntityLegalFormCode": "MVII",
        "Entity.EntityStatus": "ACTIVE",
        "Registration.InitialRegistrationDate": "2014-05-01T00:00:00.000Z",
        "Registration.LastUpdateDate": "2025-05-02T08:00:00+02:00",
        "Registration.RegistrationStatus": "ISSUED",
        "Registration.NextRenewalDate": "2026-05-01T00:00:00Z",
    }
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, row, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows({**row, **change} for change in changes or ({},))
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_a_golden_copy_with_all_columns(tmp_path: Path, packed: bool) -> None:
    path = golden(tmp_path, {}, {"LEI": "3358004RU18HJPTP6J24", "Entity.LegalName": "Another"})
    if packed:
        archive = path.with_suffix(".csv.zip")
        with zipfile.ZipFile(archive, "w") as target:
            target.write(path, path.name)
            target.writestr("readme.txt", "x" * 2000)
        path = archive
    found = load(CODE, path)
    row = found.tables["company_identity"].row(0, named=True)
    assert found.parsed.dropped == {"not_on_the_list": 1}
    assert (row["other_name"], row["legal_form"], row["jurisdiction"]) == ("Lonza Sales Ltd", "MVII", "CH")
    assert (row["registered_on"], row["last_updated_on"], row["next_renewal_on"]) == (
        date(2014, 5, 1),
        date(2025, 5, 2),
        date(2026, 5, 1),
    )
    assert (row["headquarters_iso3"], row["registration_status"]) == ("CHE", "ISSUED")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"LEI": "5493000CUPSNUCV6TX1"}, "not laid out as an LEI"),
        ({"LEI": "５493000CUPSNUCV6TX18"}, "not laid out as an LEI"),
        ({"Entity.LegalName": " "}, "the legal name is missing"),
        ({"Entity.LegalAddress.Country": "CHE"}, "CHE is no country"),
        ({"Entity.HeadquartersAddress.Country": "ZZ"}, "ZZ is no country"),
        ({"Registration.LastUpdateDate": "02/05/2025"}, "updated is no date"),
    ],
)
def test_records_that_cannot_be_read_are_rejected(tmp_path: Path, change: dict[str, str], reason: str) -> None:
    found = load(CODE, golden(tmp_path, {"LEI": MERCK}, change))
    assert found.rejected["reason"].str.contains(reason).to_list() == [True]
    assert found.tables["company_identity"]["identifier"].to_list() == [MERCK]


def test_check_digits_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = LONZA[:-1] + "9"
    listed = vocabulary.table("lei_entity")
    added = pl.concat([listed, listed.filter(lei=LONZA).with_columns(lei=pl.lit(wrong))])
    original = vocabulary.table
    monkeypatch.setattr(vocabulary, "table", lambda name: added if name == "lei_entity" else original(name))
    found = load(CODE, golden(tmp_path, {}, {"LEI": wrong}))
    assert found.rejected["reason"].to_list() == ["the check digits of the LEI are wrong"]
    assert found.tables["company_identity"].height == 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages(), encoding=st.sampled_from(["utf-8", "utf-8", "utf-16", "cp932"]))
def test_any_damage_gives_right_rows_or_a_named_error(tmp_path: Path, damage: Damage, encoding: str) -> None:
    with shared_file(EXTRACT).open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    wanted = set(vocabulary.table("lei_entity")["lei"])
    table = Table(header, [row for row in rows if row[0] in wanted] + [list(row) for row in rows[:10]])
    names = {row[0]: row[1] for row in table.rows}
    touched = damage.apply(table)
    path = tmp_path / "gleif_extract.csv"
    with path.open("w", encoding=encoding, errors="replace", newline="") as stream:
        csv.writer(stream).writerows([table.header, *table.rows])
    try:
        found = load(CODE, path)
    except IngestError:
        return
    for lei, name in found.tables["company_identity"].select("identifier", "legal_name").iter_rows():
        assert lei in names
        changed_here = touched is not None and table.rows[touched][0] == lei
        assert changed_here or encoding == "cp932" or name == names[lei]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("LEI,Entity.LegalName\nX,Y\n", "lacks Entity.LegalAddress.Country"),
        ("LEI,Entity.LegalName,Entity.LegalAddress.Country\n" + "A,B\n", "row 1 has 2 cells, the header 3"),
        ("LEI,Entity.LegalName,Entity.LegalAddress.Country\n", "no entity of the reviewed list"),
    ],
)
def test_another_table_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "gleif_other.csv"
    path.write_text(text + "\n" * 60)
    with pytest.raises(LayoutError, match=problem):
        load(CODE, path)


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gleif_cut.parquet"
    path.write_bytes(shared_file(SECTOR).read_bytes()[:20_000])
    with pytest.raises(LayoutError, match="cannot be read"):
        load(CODE, path)


# The API


def record(lei: str = LONZA, **parents: str) -> dict[str, Any]:
    """A record in the form of the API; the registry's facts are made up."""
    address = f"https://{HOST}{PATH}/{lei}"
    links = {kind: {"links": {"lei-record": f"{address}/{kind}"}} for kind in parents}
    none = {"links": {"reporting-exception": f"{address}/direct-parent-reporting-exception"}}
    return {
        "type": "lei-records",
        "id": lei,
        "attributes": {
            "lei": lei,
            "entity": {
                "legalName": {"name": "LONZA SALES AG", "language": "de"},
                "otherNames": [{"name": "ロンザ", "language": "ja", "type": "TRADING_OR_OPERATING_NAME"}],
                "transliteratedOtherNames": [{"name": "Lonza Sales", "language": "en", "type": "AUTO_ASCII"}],
                "legalAddress": {"city": "Basel", "country": "CH"},
                "headquartersAddress": {"city": "Visp", "country": "CH"},
                "registeredAt": {"id": "RA000549", "other": None},
                "registeredAs": "CHE-106.852.394",
                "jurisdiction": "CH",
                "category": "GENERAL",
                "legalForm": {"id": "8888", "other": "AG"},
                "status": "ACTIVE",
            },
            "registration": {
                "initialRegistrationDate": "2014-05-01T00:00:00Z",
                "lastUpdateDate": "2026-05-02T08:00:00Z",
                "status": "LAPSED",
                "nextRenewalDate": "2026-05-01T00:00:00Z",
            },
        },
        "relationships": {"direct-parent": none, "ultimate-parent": none, **links},
    }


def page(*records: dict[str, Any]) -> dict[str, Any]:
    pagination = {"currentPage": 1, "perPage": 200, "total": len(records), "lastPage": 1}
    meta = {"goldenCopy": {"publishDate": "2026-10-05T00:00:00Z"}, "pagination": pagination}
    return {"meta": meta, "data": list(records)}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher) -> None:
    kinds = ("direct-parent", "ultimate-parent")
    listing = page(record(**dict.fromkeys(kinds, PARENT)), record(MERCK))
    publisher.serve(HOST, PATH, Answer(json.dumps(listing).encode()))
    body = json.dumps({**page(), "data": record(PARENT)}).encode()
    publisher.serve(HOST, f"{PATH}/{LONZA}/direct-parent", Answer(body))
    running = connector(settings, publisher, CODE, HOST)
    (edition,) = running.run()
    rows = running.rows(edition, "company_identity")
    assert edition.published_on == "2026-10-05" and rows.height == 2
    lonza = rows.filter(identifier=LONZA).row(0, named=True)
    assert lonza["parent_identifier"] == PARENT
    # The record of the ultimate parent is absent: nothing is said of it.
    assert lonza["ultimate_parent_identifier"] is None
    assert (lonza["other_name"], lonza["other_name_kind"], lonza["legal_form"]) == ("Lonza Sales", "AUTO_ASCII", "AG")
    assert (lonza["registration_status"], lonza["registration_number"]) == ("LAPSED", "CHE-106.852.394")
    assert lonza["locator"] == "data[0]" and lonza["value_origin"] == "publisher_bytes"
    asked = [seen.parameters for seen in publisher.seen if seen.path == PATH]
    assert set(asked[0]["filter[lei]"].split(",")) == set(vocabulary.table("lei_entity")["lei"])
    assert asked[0]["page[size]"] == "200"
    assert rows.filter(identifier=MERCK)["parent_identifier"].to_list() == [None]


def test_more_entities_than_fit_on_a_page(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sources.gleif.fetch.PER_PAGE", 20)

    def answer(seen: Seen) -> Answer:
        return Answer(json.dumps(page(*map(record, seen.parameters["filter[lei]"].split(",")))).encode())

    publisher.serve(HOST, PATH, answer)
    running = connector(settings, publisher, CODE, HOST)
    (edition,) = running.run()
    assert edition.row_count == 39 and len(edition.files) == 2


@pytest.mark.parametrize(
    ("answer", "error", "problem"),
    [
        (b'{"errors": [{"status": "400", "title": "Invalid filter"}]}', FetchError, "lists no records"),
        (b'{"data": []}', FetchError, "lists no records"),
        (b"<html>busy</html>", FetchError, "no JSON"),
        (b'{"data": [{}]}' + b" " * 100, LayoutError, "not laid out as LEI records"),
    ],
)
def test_answers_that_are_no_records(
    settings: Settings, publisher: Publisher, answer: bytes, error: type[Exception], problem: str
) -> None:
    publisher.serve(HOST, PATH, Answer(answer))
    with pytest.raises(error, match=problem):
        connector(settings, publisher, CODE, HOST).run()


def test_a_parent_at_another_host_is_not_asked(settings: Settings, publisher: Publisher) -> None:
    foreign = record(**{"direct-parent": PARENT})
    foreign["relationships"]["direct-parent"]["links"]["lei-record"] = "https://elsewhere.example/record"
    publisher.serve(HOST, PATH, Answer(json.dumps(page(foreign)).encode()))
    with pytest.raises(FetchError, match=r"stands at https://elsewhere\.example"):
        connector(settings, publisher, CODE, HOST).fetch()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_page_gives_known_names_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    content = copy.deepcopy(page(record(), record(MERCK)))
    entity = content["data"][0]["attributes"]["entity"]
    target = data.draw(
        st.sampled_from([content, content["meta"], content["data"][0], entity, content["data"][0]["attributes"]])
    )
    key = data.draw(st.sampled_from(sorted(target)))
    change: Any = data.draw(st.sampled_from(["gone", None, "", [], {}, 7, "２０２６-01-01", [{"name": None}]]))
    if change == "gone":
        del target[key]
    else:
        target[key] = change
    path = tmp_path / "lei_records_001.json"
    path.write_text(json.dumps(content))
    try:
        rows = load(CODE, path).tables["company_identity"]
    except IngestError:
        return
    assert set(rows["identifier"]) <= {LONZA, MERCK}
    assert set(rows["legal_name"]) == {"LONZA SALES AG"}


def test_pages_and_tables_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "lei_records_001.json"
    path.write_text(json.dumps(page(record())))
    with pytest.raises(LayoutError, match="either pages of the API or tables"):
        load(CODE, path, shared_file(EXTRACT))
    (tmp_path / "lei_records_002.json").write_text("{" + " " * 60)
    with pytest.raises(GateError, match="malformed"):
        load(CODE, tmp_path / "lei_records_002.json")


# The bundled edition


def test_the_bundled_edition_is_what_the_files_give(tmp_path: Path) -> None:
    paths = [shared_file(EXTRACT), shared_file(SECTOR)]
    counts = compiling.compile_source(
        CODE, [paths], accessed_on=date(2026, 11, 22), published_on=date(2025, 10, 6), target=tmp_path
    )
    assert counts == {"company_identity": 39}
    held = source_of(CODE).edition_dir
    for path in held.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    rows = identities(*paths).with_columns(published_on=pl.lit(date(2025, 10, 6)))
    assert same_rows(bundled(CODE, "company_identity"), rows)
