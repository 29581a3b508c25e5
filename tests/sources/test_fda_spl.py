from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]

from ingest import gates, load
from ingest.archive import sha256_of
from ingest.errors import IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.source import Parsed, SourceFile
from ingest.sources.fda_spl import fetch
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher, Seen
from tests.sources.connectors import connector
from tests.sources.rnd import load as load_files
from tests.sources.rnd import source_of

CODE = "fda_spl"
SOURCE = source_of(CODE)
VIAGRA = f"{CODE}/viagra_64f8040f-938d-4236-8e22-c838c9b5f8da.xml"
LIPITOR, COUGH, HUMIRA = (f"{CODE}/{name}.xml" for name in ("lipitor-repack", "cough", "humira"))
LIST = f"{CODE}/dailymed_services_v2_spls_page1_2021-05-12.xml"
HOST, SPLS = "dailymed.nlm.nih.gov", "/dailymed/services/v2/spls"


@cache
def content(name: str) -> bytes:
    return shared_file(name).read_bytes()


@cache
def short() -> str:
    """The real label of Viagra without its sections of text: author and products."""
    text = content(VIAGRA).decode()
    first = text.index("<component>")
    section = text[first : text.index("</section>", first) + len("</section>")]
    return text[:first] + section + "</component></structuredBody></component></document>"


def parsed(tmp_path: Path, *labels: bytes | str) -> Parsed:
    files = []
    for number, label in enumerate(labels):
        path = tmp_path / f"{number}.xml"
        path.write_bytes(label if isinstance(label, bytes) else label.encode())
        files.append(SourceFile(path=path, name=path.name, sha256=sha256_of(path)))
    return load.parse_files(SOURCE, files)


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables, bad, _ = load.conform_all(
        SOURCE,
        result,
        edition_id="e",
        published_on=date(2026, 1, 1),
        ingested_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return tables["site_role"], bad


@pytest.fixture(scope="module")
def real() -> Parsed:
    paths = [shared_file(name) for name in (VIAGRA, LIPITOR, COUGH, HUMIRA)]
    return load.parse_files(SOURCE, load.in_hand(SOURCE, paths))


@pytest.fixture(scope="module")
def roles(real: Parsed) -> pl.DataFrame:
    rows, bad = conformed(real)
    assert bad.is_empty()
    return rows


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_establishments_of_real_labels(real: Parsed, roles: pl.DataFrame) -> None:
    assert roles.height == 27
    assert real.dropped == {"label_without_establishments": 1}
    assert real.published_on == date(2017, 11, 7)
    viagra = roles.filter(pl.col("product_name") == "Viagra")
    made = {
        (row["operation"], row["firm_name"]) for row in viagra.select("operation", "firm_name").iter_rows(named=True)
    }
    assert ("drug_substance", "Pfizer Ireland Pharmaceuticals") in made
    assert {firm for operation, firm in made if operation == "drug_product"} == {
        "Pfizer Pharmaceuticals LLC",
        "Fareva Amboise",
    }
    assert set(viagra["product_code"]) == {"0069-4200", "0069-4210", "0069-4220"}
    assert set(viagra["published_on"]) == {date(2017, 11, 7)}
    assert set(roles["measure_basis"]) == {"label"} and roles["country_iso3"].null_count() == 27


def test_a_label_of_a_biologic_without_establishments_gives_no_row(tmp_path: Path) -> None:
    result = parsed(tmp_path, content(HUMIRA))
    assert result.tables == {} and result.rows_read == 1
    assert result.dropped == {"label_without_establishments": 1}
    assert result.published_on == date(2013, 9, 30)


def test_an_operation_of_the_whole_label_is_about_each_product(roles: pl.DataFrame) -> None:
    repacked = roles.filter(pl.col("operation") == "repackaging").row(0, named=True)
    assert (repacked["product_code"], repacked["product_name"]) == ("55289-800", "Lipitor")
    assert repacked["operation_as_published"] == "repack" and "whole label" in repacked["note"]
    syrup = roles.filter(pl.col("product_code") == "0067-6344")
    assert set(syrup["substance_name"]) == {"DIPHENHYDRAMINE HYDROCHLORIDE; PHENYLEPHRINE HYDROCHLORIDE"}
    assert set(syrup["product_name"]) == {"TRIAMINIC Childrens Night Time Cold and Cough"}


def test_the_locator_is_the_line_of_the_operation(roles: pl.DataFrame) -> None:
    lines = content(VIAGRA).decode().splitlines()
    for place, published in (
        roles.filter(pl.col("product_name") == "Viagra").select("locator", "operation_as_published").iter_rows()
    ):
        start = int(place.removeprefix("line ")) - 1
        assert "<actDefinition>" in lines[start] and f'displayName="{published}"' in lines[start + 1]


def test_numbers_of_establishments_are_those_of_the_register(roles: pl.DataFrame) -> None:
    register = load_files("fda_decrs", shared_file("fda_decrs/drls_reg_2025-07-25_contacts_blanked.txt.gz"))
    countries = register.tables["site_role"].unique("site_id").select("site_id", country="country_iso3")
    found = dict(roles.unique("site_id").join(countries, on="site_id").select("firm_name", "country").iter_rows())
    # Years lie between the labels and the register: one of the six sites is no longer in it.
    assert found["Fareva Amboise"] == "FRA" and found["Pfizer Pharmaceuticals LLC"] == "USA"
    assert len(found) == roles["site_id"].n_unique() - 1 == 5


def test_codes_decide_and_unknown_operations_are_marked(tmp_path: Path) -> None:
    label = short().replace('displayName="API MANUFACTURE"', 'displayName="api"')
    label = label.replace('code="C84731"', 'code="C99999"').replace('displayName="PACK"', 'displayName="GENE EDIT"')
    rows, bad = conformed(parsed(tmp_path, label))
    assert bad.is_empty()
    api = rows.filter(pl.col("operation_as_published") == "api")
    assert set(api["operation"]) == {"drug_substance"}
    other = rows.filter(pl.col("operation_as_published") == "GENE EDIT")
    assert set(other["operation"]) == {"other"} and other["note"].str.contains("unknown to the parser").all()


def test_older_versions_and_repeats_are_dropped(tmp_path: Path) -> None:
    older = short().replace('<versionNumber value="20"/>', '<versionNumber value="3"/>').replace("Fareva", "Older")
    result = parsed(tmp_path, older, short())
    rows, _ = conformed(result)
    assert result.dropped["superseded_label"] == 1
    assert rows.height == 24 and not rows["firm_name"].str.contains("Older").any()
    block = re.search(r"<performance>.*?</performance>", short(), re.DOTALL)
    assert block
    twice = short().replace(block.group(), block.group() * 2)
    assert parsed(tmp_path, twice).dropped == {"repeated_operation": 1}


def test_what_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    unnamed = short().replace("<name>Fareva Amboise</name>", "")
    result = parsed(tmp_path, unnamed)
    assert result.rejected is not None
    assert set(result.rejected["reason"]) == {"the establishment has no name"} and result.rejected.height == 9
    stranger = short().replace('<code code="0069-4220" codeSystem="2.16.840.1.113883.6.69"/>', "", 0)
    stranger = stranger.replace(
        '<manufacturedMaterialKind>\n                                    <code code="0069-4220"',
        '<manufacturedMaterialKind>\n                                    <code code="9999-0001"',
    )
    result = parsed(tmp_path, stranger)
    assert result.rejected is not None
    assert set(result.rejected["reason"]) == {"the label describes no product 9999-0001"}


XXE = '<!DOCTYPE document [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
LAUGHS = (
    '<!DOCTYPE document [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("<document/>", "no structured product label"),
        ("<spls><metadata/></spls>", "no structured product label .*spls"),
        ('<document xmlns="urn:hl7-org:v3"/>', "no effective date"),
        ('<document xmlns="urn:hl7-org:v3"><title>', "cut off or malformed"),
        ('<?xml version="1.0"?>' + XXE + '<document xmlns="urn:hl7-org:v3">&x;</document>', "document type"),
        ('<?xml version="1.0"?>' + LAUGHS + '<document xmlns="urn:hl7-org:v3">&j;</document>', "amplification"),
        (
            '<?xml version="1.0"?>' + LAUGHS + '<document xmlns="urn:hl7-org:v3" title="&j;"/>',
            "amplification",
        ),
    ],
)
def test_bad_xml_is_a_named_error(label: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=problem) as caught:
        parsed(tmp_path, label)
    assert Path("/etc/hostname").read_text().strip() not in caught.value.text


def test_a_page_in_place_of_a_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "label.xml"
    path.write_bytes(b"<!DOCTYPE html><html>" + b" " * 500)
    with pytest.raises(IngestError, match="HTML page"):
        gates.check(SOURCE.spec, SourceFile(path=path, name=path.name, sha256=""))


def page(*set_ids: str, number: int = 1, pages: int = 1) -> bytes:
    """A page of the service's list around the recorded metadata."""
    head = content(LIST).split(b"<spl>")[0]
    head = re.sub(rb"<total_pages>\d+<", f"<total_pages>{pages}<".encode(), head)
    head = re.sub(rb"<current_page>\d+<", f"<current_page>{number}<".encode(), head)
    return head + b"".join(f"<spl><setid>{entry}</setid></spl>".encode() for entry in set_ids) + b"</spls>"


def label_of(set_id: str) -> bytes:
    return short().replace("0b0be196-0c62-461c-94f4-9a35339b4501", set_id).encode()


def test_the_list_is_asked_for_biologics_with_a_name_in_us_lists() -> None:
    names = fetch.substances()
    assert len(names) > 100 and names == sorted(names)
    assert {"nivolumab", "abatacept"} <= set(names)


def test_the_connector_pages_through_the_list(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = names = ["nivolumab", "somatropin"]
    monkeypatch.setattr(fetch, "substances", lambda: names)
    lists = {
        (first, "1"): page("aaaa", "bbbb", pages=2),
        (first, "2"): page("cccc", number=2, pages=2),
        (second, "1"): page("bbbb", "gone"),
    }

    def answer(seen: Seen) -> Answer:
        return Answer(lists.get((seen.parameters["drug_name"], seen.parameters["page"]), page()))

    publisher.serve(HOST, f"{SPLS}.xml", answer)
    for set_id in ("aaaa", "bbbb", "cccc"):
        publisher.serve(HOST, f"{SPLS}/{set_id}.xml", Answer(label_of(set_id)))
    live = connector(settings, publisher, CODE, HOST)
    (record,) = live.run()
    rows = live.rows(record, "site_role")
    assert {file["name"] for file in record.files} == {"aaaa.xml", "bbbb.xml", "cccc.xml"}
    assert rows.height == 24 and record.rows_dropped["repeated_operation"] == 48
    asked = [seen.parameters["drug_name"] for seen in publisher.seen if seen.path.endswith("spls.xml")]
    assert asked == [first, *names]


def test_the_number_of_labels_is_limited(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, f"{SPLS}.xml", Answer(page("aaaa", "bbbb", pages=1_389)))
    publisher.serve(HOST, f"{SPLS}/aaaa.xml", Answer(label_of("aaaa")))
    limit = {"BIOPHARMA_DAILYMED_MAX_LABELS": "1"}
    (item,) = connector(settings, publisher, CODE, HOST, environment=limit).fetch()
    assert item.download.name == "aaaa.xml"
    with pytest.raises(FetchError, match="no number of labels"):
        connector(settings, publisher, CODE, HOST, environment={"BIOPHARMA_DAILYMED_MAX_LABELS": "many"}).fetch()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (json.dumps({"error": "unavailable"}).encode(), "is no XML"),
        (b"<html><body>down</body></html>", "is no list of labels"),
        (b"<spls><metadata><total_elements>1</total_elements></metadata></spls>", "is no list of labels"),
    ],
)
def test_a_list_that_is_none_is_a_named_error(
    body: bytes, problem: str, settings: Settings, publisher: Publisher
) -> None:
    publisher.serve(HOST, f"{SPLS}.xml", Answer(body))
    with pytest.raises(FetchError, match=problem):
        connector(settings, publisher, CODE, HOST).fetch()


@cache
def elements() -> int:
    return sum(1 for _ in etree.fromstring(short().encode()).iter())


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(1, 10_000), action=st.sampled_from(["remove", "repeat", "empty", "strip"]))
def test_a_damaged_label_gives_right_rows_or_a_named_error(at: int, action: str, tmp_path: Path) -> None:
    root = etree.fromstring(short().encode())
    element = list(root.iter())[1 + at % (elements() - 1)]
    parent = element.getparent()
    match action:
        case "remove":
            parent.remove(element)
        case "repeat":
            parent.insert(parent.index(element), deepcopy(element))
        case "empty":
            element.text = ""
        case "strip":
            element.attrib.clear()
    try:
        result = parsed(tmp_path, etree.tostring(root))
    except IngestError:
        return
    if not result.tables:
        return
    rows, _ = conformed(result)
    right, _ = conformed(parsed(tmp_path, short()))
    # A product that has lost its name is known by its generic one; an operation without name by its code.
    generic = {"Viagra": "sildenafil citrate"}
    for facts in (
        ["product_code", "firm_name", "operation"],
        ["firm_name", "site_id"],
        ["product_code", "product_name"],
    ):
        whole = right.select(facts)
        known = pl.concat(
            [
                whole,
                whole.with_columns(pl.lit(None, pl.String).alias(facts[-1])),
                whole.with_columns(pl.col(facts[-1]).replace(generic)),
            ]
        )
        assert rows.select(facts).join(known, on=facts, how="anti", nulls_equal=True).is_empty()
