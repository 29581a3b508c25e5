"""ClinicalTrials.gov: three real records, alone and as the pages of one answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import lake
from ingest.errors import GateError, IngestError, LayoutError, SourceError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.sources.clinicaltrials import fetch
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher, Seen
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, in_hand, load, source_of

CODE = "clinicaltrials"
HOST, PATH = "clinicaltrials.gov", "/api/v2/studies"
DUPILUMAB, GET73, LASER = "NCT02210780", "NCT03418623", "NCT04207047"
NUMBERS = (DUPILUMAB, GET73, LASER)


@cache
def record(number: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared_file(f"clinicaltrials/{number}.v2.json").read_bytes())
    return found


@cache
def loaded() -> Loaded:
    return load(CODE, *(shared_file(f"clinicaltrials/{number}.v2.json") for number in NUMBERS))


def trial(number: str) -> dict[str, Any]:
    return loaded().tables["trial"].filter(nct_id=number).row(0, named=True)


def page(*records: dict[str, Any], **envelope: object) -> bytes:
    return json.dumps({**envelope, "studies": list(records)}).encode()


def written(folder: Path, *pages: bytes) -> list[Path]:
    paths = [folder / f"studies-{number:04}.json" for number in range(1, len(pages) + 1)]
    for path, body in zip(paths, pages, strict=True):
        path.write_bytes(body)
    return paths


def changed(number: str, *path: str, to: object) -> dict[str, Any]:
    """A real record with one value changed, or taken away where `to` is None."""
    result = deepcopy(record(number))
    place = result
    for name in path[:-1]:
        place = place[name]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return result


# --- real records ---------------------------------------------------------------------------------------------


def test_a_trial_of_an_antibody_that_the_registry_calls_a_drug() -> None:
    found = trial(DUPILUMAB)
    assert (found["study_type"], found["phase"], found["overall_status"]) == ("INTERVENTIONAL", "PHASE2", "COMPLETED")
    assert (found["start_on"], found["start_precision"], found["start_kind"]) == (date(2014, 8, 5), "day", "ACTUAL")
    assert (found["completion_on"], found["completion_kind"]) == (date(2015, 9, 15), "ACTUAL")
    assert (found["lead_sponsor_name"], found["lead_sponsor_class"]) == ("Regeneron Pharmaceuticals", "INDUSTRY")
    assert (found["intervention_names"], found["intervention_types"]) == ("Dupilumab | Placebo", "DRUG | DRUG")
    assert (found["enrollment_count"], found["enrollment_kind"]) == (194, "ACTUAL")


def test_a_trial_of_devices_has_no_phase_that_applies() -> None:
    found = trial(LASER)
    assert (found["phase"], found["overall_status"], found["enrollment_count"]) == ("NA", "UNKNOWN", 3)
    assert found["intervention_names"] == "Genius | eC02 | PicoPlus | LaseMD | LaseMD Flex"
    assert (found["completion_on"], found["completion_kind"]) == (date(2020, 3, 31), "ESTIMATED")


def test_every_site_of_every_record() -> None:
    sites = loaded().tables["trial_site"]
    for number in NUMBERS:
        published = record(number)["protocolSection"]["contactsLocationsModule"]["locations"]
        ours = sites.filter(nct_id=number).sort("site_number")
        assert ours["site_number"].to_list() == list(range(1, len(published) + 1))
        assert ours["city"].to_list() == [place["city"] for place in published]
        assert ours["facility_name"].to_list() == [place.get("facility") for place in published]
    assert sites.height == 44
    assert set(sites["country_iso3"]) == {"USA"}
    assert set(sites["country_name"]) == {"United States"}


def test_the_locator_leads_to_the_place_in_the_file() -> None:
    sites = loaded().tables["trial_site"]
    last = sites.filter(nct_id=DUPILUMAB).sort("site_number").row(-1, named=True)
    assert last["locator"] == "$.protocolSection.contactsLocationsModule.locations[41]"
    place = record(DUPILUMAB)["protocolSection"]["contactsLocationsModule"]["locations"][41]
    assert (last["city"], last["region"]) == (place["city"], place["state"])
    assert set(loaded().tables["trial"]["locator"]) == {"$.protocolSection"}


def test_the_registrys_version_is_the_day_of_publication() -> None:
    assert loaded().parsed.published_on == date(2023, 12, 7)
    assert (loaded().parsed.rows_read, loaded().rejected.height, loaded().dropped) == (3, 0, {})


def test_terms_are_those_of_the_registrys_own_document() -> None:
    document = yaml.safe_load(shared_file("clinicaltrials/ctgov_api_v2_openapi.yaml").read_text())
    terms = {
        name: set(schema["enum"]) for name, schema in document["components"]["schemas"].items() if "enum" in schema
    }
    rules = lake.contract("trial")
    same = {
        "study_type": "StudyType",
        "overall_status": "Status",
        "lead_sponsor_class": "AgencyClass",
        "start_kind": "DateType",
        "completion_kind": "DateType",
        "enrollment_kind": "EnrollmentType",
    }
    for column, name in same.items():
        assert set(rules.column(column).allowed or ()) == terms[name], column
    phases = {part for phase in rules.column("phase").allowed or () for part in phase.split("|")}
    assert phases == terms["Phase"]


# --- layouts and damage ---------------------------------------------------------------------------------------


def test_the_retired_api_is_refused_by_name(tmp_path: Path) -> None:
    legacy = shared_file("clinicaltrials/legacy_v1_FullStudiesResponse_NCT00023673.json")
    with pytest.raises(LayoutError, match=r"of the API v1 \(1\.01\.05\), which was retired in 2024"):
        load(CODE, legacy)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"message": "Internal error"}', "neither studies nor a record"),
        (b'{"studies": []}', "holds no study"),
        (b'[{"protocolSection": {}}, {"protocolSection": {}}]', "a list, not an answer"),
        (b'{"studies": [5, 6, 7]}', "the records cannot be read"),
        (b'{"studies": {"NCT02210780": 1}}', "the records cannot be read|has no NCT number|neither studies"),
    ],
)
def test_another_answer_is_a_named_error(tmp_path: Path, body: bytes, problem: str) -> None:
    (path,) = written(tmp_path, body)
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(path)])


def test_a_missing_page_is_an_error(tmp_path: Path) -> None:
    one = page(record(DUPILUMAB), totalCount=3, nextPageToken="A")
    two = page(record(GET73), nextPageToken="B")
    three = page(record(LASER))
    assert load(CODE, *written(tmp_path, one, two, three)).tables["trial"].height == 3
    with pytest.raises(LayoutError, match="2 of 2 pages name a page after them"):
        source_of(CODE).parse([in_hand(path) for path in written(tmp_path, one, two)])
    with pytest.raises(LayoutError, match="the pages hold 2 of 3 studies"):
        source_of(CODE).parse([in_hand(path) for path in written(tmp_path, one, three)])


def test_a_trial_that_moved_to_a_later_page_is_taken_once(tmp_path: Path) -> None:
    again = changed(DUPILUMAB, "protocolSection", "statusModule", "overallStatus", to="TERMINATED")
    paths = written(
        tmp_path, page(record(DUPILUMAB), nextPageToken="A"), page(again, record(GET73), record(LASER), totalCount=4)
    )
    result = load(CODE, *paths)
    assert result.dropped == {"repeated_on_a_later_page": 1}
    found = result.tables["trial"].filter(nct_id=DUPILUMAB)
    assert found["overall_status"].to_list() == ["TERMINATED"]
    assert found["locator"].to_list() == ["studies[0].protocolSection"]
    assert result.tables["trial_site"].height == 44


@pytest.mark.parametrize(
    ("text", "day", "precision"),
    [
        ("2019", date(2019, 1, 1), "year"),
        ("2019-07", date(2019, 7, 1), "month"),
        ("2019-07-09", date(2019, 7, 9), "day"),
    ],
)
def test_dates_keep_their_precision(tmp_path: Path, text: str, day: date, precision: str) -> None:
    one = changed(GET73, "protocolSection", "statusModule", "startDateStruct", to={"date": text})
    found = load(CODE, *written(tmp_path, page(one))).tables["trial"].row(0, named=True)
    assert (found["start_on"], found["start_precision"], found["start_kind"]) == (day, precision, None)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("identificationModule", "nctId"), "NCT1", "no NCT number"),
        (("statusModule", "startDateStruct"), {"date": "July 2019"}, "date of start cannot be read"),
        (("statusModule", "completionDateStruct"), {"date": "2019-13"}, "date of completion cannot be read"),
        (("statusModule", "overallStatus"), "DONE", "overall_status is not one of its allowed values: DONE"),
        (("designModule", "phases"), ["PHASE5"], "phase is not one of its allowed values: PHASE5"),
        (("designModule", "enrollmentInfo"), {"count": -3}, "enrollment_count is below 0"),
    ],
)
def test_records_that_cannot_be_used_are_kept_with_the_reason(
    tmp_path: Path, place: tuple[str, str], value: object, reason: str
) -> None:
    odd = changed(GET73, "protocolSection", *place, to=value)
    result = load(CODE, *written(tmp_path, page(odd, record(LASER))))
    assert result.tables["trial"]["nct_id"].to_list() == [LASER]
    (found,) = result.rejected["reason"].to_list()
    assert reason in found


def test_what_a_record_lacks_is_null(tmp_path: Path) -> None:
    bare = {"protocolSection": {"identificationModule": {"nctId": "NCT00000001"}}}
    mixed = changed(GET73, "protocolSection", "designModule", "phases", to=["PHASE1", "PHASE2"])
    result = load(CODE, *written(tmp_path, page(bare, mixed)))
    rows = {row["nct_id"]: row for row in result.tables["trial"].rows(named=True)}
    own = [name for name in lake.contract("trial").own_columns if name != "nct_id"]
    assert [name for name in own if rows["NCT00000001"][name] is not None] == []
    assert rows[GET73]["phase"] == "PHASE1|PHASE2"
    assert set(result.tables["trial_site"]["nct_id"]) == {GET73}


def test_countries_by_name_and_unknown_ones(tmp_path: Path) -> None:
    places = [
        {"country": name}
        for name in ("Korea, Republic of", "Turkey (Türkiye)", "Japan", "United  Kingdom", "Utopia", "Côte D'Ivoire")
    ]
    odd = changed(GET73, "protocolSection", "contactsLocationsModule", "locations", to=[*places, {"city": "Nowhere"}])
    sites = load(CODE, *written(tmp_path, page(odd))).tables["trial_site"].sort("site_number")
    assert sites["country_iso3"].to_list() == ["KOR", "TUR", "JPN", "GBR", None, "CIV", None]
    assert sites["country_name"].to_list()[3:5] == ["United Kingdom", "Utopia"]
    assert sites["note"].null_count() == 6


def test_a_bar_in_a_name_does_not_make_two_interventions(tmp_path: Path) -> None:
    names = [{"type": "DRUG", "name": "A | B"}, {"type": "BIOLOGICAL", "name": "C"}]
    odd = changed(GET73, "protocolSection", "armsInterventionsModule", "interventions", to=names)
    found = load(CODE, *written(tmp_path, page(odd))).tables["trial"].row(0, named=True)
    assert (found["intervention_names"], found["intervention_types"]) == ("A / B | C", "DRUG | BIOLOGICAL")


# --- the connector --------------------------------------------------------------------------------------------


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def registry(seen: Seen) -> Answer:
    """The registry with three studies on three pages; other parameters than on the first page are refused."""
    asked = {name: value for name, value in seen.parameters.items() if name not in {"pageToken", "countTotal"}}
    if set(asked) != {"format", "fields", "filter.advanced", "pageSize"} or asked["format"] != "json":
        return Answer(b"unexpected parameters", status=400)
    token = seen.parameters.get("pageToken")
    first = {"totalCount": 3} if seen.parameters.get("countTotal") == "true" else {}
    pages = {
        None: page(record(DUPILUMAB), nextPageToken="NF0g5JGDl_A", **first),
        "NF0g5JGDl_A": page(record(GET73), nextPageToken="NF0g5JGDlvc"),
        "NF0g5JGDlvc": page(record(LASER)),
    }
    return Answer(pages[token], headers={"Content-Type": "application/json"})


def test_the_connector_walks_the_pages_and_loads_them_as_one_edition(
    settings: Settings, publisher: Publisher
) -> None:
    publisher.serve(HOST, PATH, registry)
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    assert [entry["name"] for entry in edition.files] == [f"studies-000{n}.json" for n in (1, 2, 3)]
    assert (edition.published_on, edition.partition, edition.rows_quarantined) == ("2023-12-07", "all", 0)
    assert live.rows(edition, "trial")["nct_id"].to_list() == sorted(NUMBERS)
    assert live.rows(edition, "trial_site").height == 44
    asked = publisher.seen[0].parameters
    assert "RANGE[2015-01-01,MAX]" in asked["filter.advanced"]
    assert {"NCTId", "LocationCountry", "VersionHolder"} <= set(asked["fields"].split("|"))
    assert not [name for name in asked["fields"].split("|") if "Contact" in name or "Official" in name]
    # Each page is asked for once.
    assert [seen.parameters.get("pageToken") for seen in publisher.seen] == [None, "NF0g5JGDl_A", "NF0g5JGDlvc"]
    (again,) = live.run()
    assert again.edition_id == edition.edition_id


def test_pages_without_end_are_an_error(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(page(record(LASER), nextPageToken="A")))
    with pytest.raises(SourceError, match="do not come to an end"):
        connector(settings, publisher, CODE, HOST).run()


@pytest.mark.parametrize(
    ("answer", "error", "problem"),
    [
        (Answer(b"filter.advanced: syntax error", status=400), FetchError, "HTTP 400"),
        (Answer(b"<!DOCTYPE html><html>Maintenance</html>"), GateError, "HTML page"),
        (Answer(b'{"message": "Too many requests, try later"}'), LayoutError, "neither studies nor a record"),
        (Answer(page(record(LASER))[:-40]), GateError, "JSON is cut off"),
    ],
)
def test_moods_of_the_registry_are_named_errors(
    settings: Settings, publisher: Publisher, answer: Answer, error: type[IngestError], problem: str
) -> None:
    publisher.serve(HOST, PATH, answer)
    with pytest.raises(error, match=problem):
        connector(settings, publisher, CODE, HOST).run()


def test_a_page_that_turns_into_html_stops_at_the_gate(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(
        HOST, PATH, Answer(page(record(LASER), nextPageToken="A")), Answer(b"<html><body>Maintenance</body></html>")
    )
    with pytest.raises(GateError, match="HTML page"):
        connector(settings, publisher, CODE, HOST).run()


def test_the_walk_asks_politely() -> None:
    policy = source_of(CODE).spec.fetch
    assert policy.seconds_between_requests >= 1.2
    assert fetch.PAGE_SIZE == 1000


# --- fuzz -----------------------------------------------------------------------------------------------------

_MODULES = ("statusModule", "designModule", "sponsorCollaboratorsModule", "armsInterventionsModule")


@given(
    module=st.sampled_from([*_MODULES, "contactsLocationsModule", "identificationModule"]),
    value=st.one_of(st.none(), st.text(max_size=5), st.integers(), st.lists(st.integers(), max_size=2), st.just({})),
    repeats=st.integers(1, 3),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-16"]),
)
@settings(max_examples=25, deadline=None)
def test_damage_gives_right_rows_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, module: str, value: object, repeats: int, encoding: str
) -> None:
    odd = deepcopy(record(GET73))
    odd["protocolSection"][module] = value
    body = page(record(DUPILUMAB), *([odd] * repeats)).decode().encode(encoding)
    (path,) = written(tmp_path_factory.mktemp("cut"), body)
    try:
        result = load(CODE, path)
    except IngestError:
        return
    own = list(lake.contract("trial").own_columns)
    real = loaded().tables["trial"].filter(nct_id=DUPILUMAB).select(own)
    assert result.tables["trial"].filter(nct_id=DUPILUMAB).select(own).equals(real)
    others = result.tables["trial"].filter(pl.col("nct_id") != DUPILUMAB)
    assert others.height + result.rejected.height >= 1
    assert others.height <= 1
    assert result.tables["trial_site"].filter(nct_id=DUPILUMAB).height == 42
