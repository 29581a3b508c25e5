"""The curated rows, and the parser of annexes: the annexes here are authored after the agency's template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest import edition, load, source
from ingest.archive import sha256_of
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.source import Parsed, SourceFile
from tests.conftest import shared_file
from tests.pdf_pages import pdf
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector

SOURCE = source.get("epar_annex2")
FACTS = "origin_facts/epar_annex2_biological_active_substance_sites_sample.csv"


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    (part,) = edition.read(SOURCE)
    return part.tables["site_role"]


def test_every_row_cites_its_page(rows: pl.DataFrame) -> None:
    assert rows.height == 25
    assert rows["document_url"].str.starts_with("https://").all()
    assert rows["note"].str.contains("^mirror page in (English|Estonian|Finnish)").all()
    assert set(rows["market_iso3"]) == {"EUU"} and set(rows["measure_basis"]) == {"legal_document"}
    assert set(rows["value_origin"]) == {"transcribed"}
    assert rows["locator"].n_unique() == 25


def test_substance_sites_by_country(rows: pl.DataFrame) -> None:
    made = rows.filter(pl.col("operation") == "drug_substance")
    countries = {name: set(group["country_iso3"]) for (name,), group in made.group_by("product_name")}
    assert countries == {
        "Arzerra": {"GBR", "USA"},
        "MabThera": {"USA", "KOR"},
        "MabThera (older edition)": {"USA"},
        "Herceptin": {"DEU", "USA"},
        "Stelara": {"USA", "NLD", "IRL"},
        "Benepali": {"DNK"},
        "Voncento": {"CHE", "AUS"},
    }


def test_dated_pages_keep_their_date_and_undated_ones_say_so(rows: pl.DataFrame) -> None:
    dates = {str(day): set(group["product_name"]) for (day,), group in rows.group_by("published_on")}
    assert dates["2017-10-05"] == {"Benepali"}
    undated = rows.filter(pl.col("product_name").is_in(["MabThera", "Benepali"]).not_())
    assert undated["note"].str.contains("undated").all()
    older = rows.filter(pl.col("publisher_flags") == "older_edition")
    assert set(older["product_name"]) == {"MabThera (older edition)", "Herceptin"}
    assert older["note"].str.ends_with("older edition of the annex").all()


def test_the_curated_rows_are_the_facts_at_hand(rows: pl.DataFrame) -> None:
    facts = pl.read_csv(shared_file(FACTS)).sort("site_name", "site_place", "mirror_url", "role", nulls_last=True)
    mine = rows.sort("firm_name", "site_place", "document_url", "operation_as_published", nulls_last=True)
    kinds = {"BIO_ACTIVE_SUBSTANCE": "drug_substance", "BATCH_RELEASE": "batch_release"}
    compared = facts.select(
        pl.col("inn").alias("substance_name"),
        pl.col("site_name").alias("firm_name"),
        pl.col("site_place"),
        pl.col("country_iso3"),
        pl.col("role").replace_strict(kinds).alias("operation"),
        pl.col("mirror_url").alias("document_url"),
    )
    order = compared.columns
    assert compared.sort(order, nulls_last=True).equals(mine.select(order).sort(order, nulls_last=True))


def test_the_edition_loads_and_a_file_at_hand_gives_the_same_rows(settings: Settings, rows: pl.DataFrame) -> None:
    (record,) = load.load_bundled(settings, SOURCE)
    assert (record.row_count, record.rows_quarantined) == (25, 0)
    live = load.load_files(settings, SOURCE, [SOURCE.edition_dir / "site_role.csv"])
    frame = pl.read_parquet(settings.lake / live.tables[0].file)
    same = ["product_name", "firm_name", "site_place", "operation", "published_on", "note", "status"]
    assert frame.select(same).sort(same).equals(rows.select(same).sort(same))


def test_a_file_of_another_name_or_type_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "sites.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(GateError, match="matches no file"):
        load.in_hand(SOURCE, [other])
    wrong = tmp_path / "site_role.csv"
    wrong.write_text("product_name,published_on\nX,October 2017\n")
    with pytest.raises(LayoutError, match="published_on"):
        load.parse_files(SOURCE, load.in_hand(SOURCE, [wrong]))


SUBSTANCE = "Name and address of the manufacturer(s) of the biological active substance(s)"
RELEASE = "Name and address of the manufacturer(s) responsible for batch release"
HEAD = """ANNEX I

SUMMARY OF PRODUCT CHARACTERISTICS

1. NAME OF THE MEDICINAL PRODUCT

Stelara 130 mg concentrate for solution for infusion

2. QUALITATIVE AND QUANTITATIVE COMPOSITION

ANNEX II

A. MANUFACTURER(S) OF THE BIOLOGICAL ACTIVE SUBSTANCE(S) AND MANUFACTURER(S) RESPONSIBLE FOR BATCH RELEASE

B. CONDITIONS OR RESTRICTIONS REGARDING SUPPLY AND USE

A. MANUFACTURER(S) OF THE BIOLOGICAL ACTIVE SUBSTANCE(S) AND MANUFACTURER(S) RESPONSIBLE FOR BATCH RELEASE
""".splitlines()
TAIL = """
The printed package leaflet of the medicinal product must state the name and address of the manufacturer
responsible for the release of the concerned batch.

B. CONDITIONS OR RESTRICTIONS REGARDING SUPPLY AND USE

Medicinal product subject to restricted medical prescription

ANNEX III

LABELLING AND PACKAGE LEAFLET

Name and address of the manufacturer(s) responsible for batch release
Nobody
Nowhere
""".splitlines()
# The sites are those of the curated rows, in the form of the template.
STELARA = [
    ["Gallus Biopharmaceuticals, LLC", "4766 LaGuardia Drive", "St. Louis, MO", "United States"],
    ["Janssen Biologics B.V.", "Einsteinweg 101", "Leiden", "The Netherlands"],
    ["Janssen Biologics (Ireland)", "Barnahely", "Ringaskiddy", "Co. Cork", "Ireland"],
]
RELEASING = [["Janssen Biologics B.V.", "Einsteinweg 101", "Leiden", "The Netherlands"]]


def annex(
    makers: Sequence[Sequence[str]], releasing: Sequence[Sequence[str]] = RELEASING, *, blank: bool = True
) -> list[str]:
    """Lines of a product information; without blanks between addresses where `blank` is not set."""

    def block(addresses: Sequence[Sequence[str]]) -> list[str]:
        return [line for address in addresses for line in (*address, *([""] if blank else []))]

    return [*HEAD, SUBSTANCE, "", *block(makers), RELEASE, "", *block(releasing), *TAIL]


def in_hand(path: Path, content: bytes, url: str | None = None) -> SourceFile:
    path.write_bytes(content)
    return SourceFile(path=path, name=path.name, sha256=sha256_of(path), url=url)


def parsed(tmp_path: Path, lines: Sequence[str], name: str = "stelara-epar-product-information_en.txt") -> Parsed:
    """The lines read as a text, or as a PDF of pages of 30 lines."""
    if name.endswith(".txt"):
        content = "\n".join(lines).encode()
    else:
        content = pdf([lines[at : at + 30] for at in range(0, len(lines), 30)])
    return load.parse_files(SOURCE, [in_hand(tmp_path / name, content)])


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables, bad, _ = load.conform_all(
        SOURCE,
        result,
        edition_id="e",
        published_on=date(2026, 1, 1),
        ingested_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return tables["site_role"], bad


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


@pytest.mark.parametrize("form", ["txt", "pdf"])
@pytest.mark.parametrize("blank", [True, False])
def test_an_annex_gives_the_curated_sites(form: str, blank: bool, tmp_path: Path, rows: pl.DataFrame) -> None:
    result = parsed(tmp_path, annex(STELARA, blank=blank), f"stelara-epar-product-information_en.{form}")
    found, bad = conformed(result)
    assert bad.is_empty() and result.rows_read == 4
    facts = ["product_name", "firm_name", "country_iso3", "operation", "operation_as_published", "market_iso3"]
    curated = rows.filter(pl.col("product_name") == "Stelara")
    assert found.select(facts).sort(facts).equals(curated.select(facts).sort(facts))
    places = dict(found.select("firm_name", "site_place").iter_rows())
    assert places["Gallus Biopharmaceuticals, LLC"] == "4766 LaGuardia Drive, St. Louis, MO"
    assert places["Janssen Biologics (Ireland)"] == "Barnahely, Ringaskiddy, Co. Cork"
    assert result.partition == "stelara"
    assert set(found["value_origin"]) == {"publisher_bytes" if form == "pdf" else "republished_copy"}
    assert found["locator"].str.contains(r"^page \d+ line \d+$" if form == "pdf" else r"^line \d+$").all()


def test_the_locator_is_the_line_of_the_name(tmp_path: Path) -> None:
    lines = annex(STELARA)
    for place, firm in conformed(parsed(tmp_path, lines))[0].select("locator", "firm_name").iter_rows():
        assert lines[int(place.removeprefix("line ")) - 1] == firm


def test_an_address_may_run_over_a_page_and_its_number(tmp_path: Path) -> None:
    lines = annex(STELARA)
    cut = lines.index("Ringaskiddy")
    pages = [[*lines[:cut], "", "24"], ["", *lines[cut:]]]
    path = tmp_path / "stelara-epar-product-information_en.pdf"
    rows, bad = conformed(load.parse_files(SOURCE, [in_hand(path, pdf(pages))]))
    assert bad.is_empty() and rows.height == 4
    assert "Barnahely, Ringaskiddy, Co. Cork" in set(rows["site_place"])


@pytest.mark.parametrize(
    ("address", "firm", "place", "country"),
    [
        (
            ["Genentech, Inc.", "1 Antibody Way", "Oceanside, CA 92056 USA"],
            "Genentech, Inc.",
            "1 Antibody Way, Oceanside, CA 92056",
            "USA",
        ),
        (
            ["Genentech, Inc., 1 Antibody Way, Oceanside, CA 92056, USA"],
            "Genentech, Inc.",
            "1 Antibody Way, Oceanside, CA 92056",
            "USA",
        ),
        (
            ["Samsung BioLogics Co., Ltd.", "300 Songdo Bio Way", "Incheon, Korea"],
            "Samsung BioLogics Co., Ltd.",
            "300 Songdo Bio Way, Incheon",
            "KOR",
        ),
        (
            ["Lonza Biologics plc", "228 Bath Road", "Slough", "UK."],
            "Lonza Biologics plc",
            "228 Bath Road, Slough",
            "GBR",
        ),
        (
            ["Catalent", "1 Main Street", "Athens, Georgia", "USA"],
            "Catalent",
            "1 Main Street, Athens, Georgia",
            "USA",
        ),
        (["CSL Behring GmbH", "Germany"], "CSL Behring GmbH", None, "DEU"),
        (
            ["Novo Nordisk A/S", "Hallas Alle 1", "DK-4400 Kalundborg", "Denmark"],
            "Novo Nordisk A/S",
            "Hallas Alle 1, DK-4400 Kalundborg",
            "DNK",
        ),
    ],
)
def test_forms_of_addresses(address: list[str], firm: str, place: str | None, country: str, tmp_path: Path) -> None:
    rows, bad = conformed(parsed(tmp_path, annex([address])))
    made = rows.filter(pl.col("operation") == "drug_substance")
    assert bad.is_empty()
    assert made.select("firm_name", "site_place", "country_iso3").rows() == [(firm, place, country)]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (["Unknown GmbH", "Hauptstrasse 1", "Neverland"], "names no known country: Neverland"),
        (["Unknown Inc.", "1 Main Street", "Atlanta, Georgia"], "the country or the American state"),
        (["Unknown Inc."], "the entry has no address"),
        (
            ["Unknown", "Hauptstrasse 1", "Neverland", "Known GmbH", "Ulm", "Germany"],
            "Known GmbH looks like the name",
        ),
    ],
)
def test_an_address_without_a_readable_country_is_rejected(address: list[str], reason: str, tmp_path: Path) -> None:
    result = parsed(tmp_path, annex([*STELARA, address]))
    rows, _ = conformed(result)
    assert rows.height == 4 and result.rejected is not None
    (found,) = result.rejected.iter_rows(named=True)
    assert reason in found["reason"] and found["raw"] == " | ".join(address)
    assert found["locator"].startswith("line ")


def test_repeats_conjunctions_and_names_of_products(tmp_path: Path) -> None:
    result = parsed(tmp_path, annex([STELARA[0], ["and"], STELARA[1], STELARA[1]]))
    assert result.dropped == {"repeated_entry": 1}
    assert result.tables["site_role"].height == 3
    for line, name in (
        ("Prevenar 13 suspension for injection", "Prevenar 13"),
        ("Insuman Rapid 40 IU/ml solution for injection in a vial", "Insuman Rapid"),
        ("Kymriah 1.2 x 106 – 6 x 108 cells dispersion for infusion", "Kymriah"),
        ("Herceptin", "Herceptin"),
    ):
        lines = annex(STELARA)
        lines[lines.index("Stelara 130 mg concentrate for solution for infusion")] = line
        assert set(parsed(tmp_path, lines).tables["site_role"]["product_name"]) == {name}


def test_what_is_no_annex_is_a_named_error(tmp_path: Path) -> None:
    lines = annex(STELARA)
    chemical = [line for line in lines if line != SUBSTANCE]
    empty = annex([])
    for wrong, problem in (
        (chemical, "no heading names the manufacturer of the biological active substance"),
        (empty, "no address follows the heading of the manufacturer of the biological active substance"),
        (["ANNEX II"], "no heading names"),
        (annex([["A", "B", "Neverland"]], [["C", "D", "Neverland"]]), "no address can be read"),
    ):
        with pytest.raises(LayoutError, match=problem):
            parsed(tmp_path, wrong)
    broken = in_hand(tmp_path / "x-epar-product-information_en.pdf", pdf([lines])[:300])
    with pytest.raises(LayoutError, match=r"PDF cannot be read|no heading names"):
        load.parse_files(SOURCE, [broken])
    scan = in_hand(tmp_path / "y-epar-product-information_en.pdf", pdf([[]]))
    with pytest.raises(LayoutError, match="no heading names"):
        load.parse_files(SOURCE, [scan])
    other = in_hand(tmp_path / "z-epar-product-information_en.txt", "\n".join(lines).encode())
    with pytest.raises(LayoutError, match="one medicine"):
        load.parse_files(SOURCE, [broken, other])


HOST = "www.ema.europa.eu"
MEDICINES = "/en/documents/report/medicines-output-medicines_json-report_en.json"
DOCUMENTS = "/en/documents/report/documents-output-epar_documents_json-report_en.json"
FOLDER = "/en/documents/product-information/"


def medicine(name: str, substance: str, status: str = "Authorised", biosimilar: str = "No") -> dict[str, Any]:
    """A record in the layout of the agency's, around the real one."""
    record: dict[str, Any] = json.loads(
        shared_file("ema_medicines/medicines-output-json_single_record_Humira.json").read_bytes()
    )["data"][0]
    return record | {
        "name_of_medicine": name,
        "active_substance": substance,
        "international_non_proprietary_name_common_name": substance,
        "medicine_status": status,
        "biosimilar": biosimilar,
        "medicine_url": f"https://{HOST}/en/medicines/human/EPAR/{name.lower()}",
    }


def document(name: str, kind: str = "product-information") -> dict[str, str]:
    return {
        "name": f"{name} : EPAR - {kind}",
        "type": kind,
        "last_updated_date": "01/06/2024",
        "document_url": f"https://{HOST}/en/documents/{kind}/{name}-epar-{kind}_en.pdf",
    }


def test_the_connector_fetches_the_annexes_of_authorised_biologics(settings: Settings, publisher: Publisher) -> None:
    medicines = [
        medicine("Stelara", "ustekinumab"),
        medicine("Uzpruvo", "something-new", biosimilar="Yes"),
        medicine("Viagra", "sildenafil"),
        medicine("Raptiva", "efalizumab", status="Withdrawn"),
        medicine("Lost", "adalimumab"),
    ]
    documents = [
        document("stelara"),
        document("stelara", "public-assessment-report"),
        *(document(name) for name in ("uzpruvo", "viagra", "raptiva", "lost")),
    ]
    publisher.serve(HOST, MEDICINES, Answer(json.dumps({"data": medicines}).encode()))
    publisher.serve(HOST, DOCUMENTS, Answer(json.dumps({"data": documents}).encode()))
    lines = annex(STELARA)
    for name in ("stelara", "uzpruvo", "viagra", "raptiva"):
        publisher.serve(
            HOST, f"{FOLDER}{name}-epar-product-information_en.pdf", Answer(pdf([lines[:20], lines[20:]]))
        )
    # The same bytes would be one archived file; the second product names another.
    other = [line.replace("Stelara 130 mg", "Uzpruvo 130 mg") for line in lines]
    publisher._answers[HOST, f"{FOLDER}uzpruvo-epar-product-information_en.pdf"] = [Answer(pdf([other]))]
    live = connector(settings, publisher, "epar_annex2", HOST)
    records = live.run()
    assert [record.partition for record in records] == ["stelara", "uzpruvo"]
    assert {record.published_on for record in records} == {"2024-06-01"}
    rows = live.rows(records[0], "site_role")
    assert rows.height == 4
    assert set(rows["document_url"]) == {f"https://{HOST}{FOLDER}stelara-epar-product-information_en.pdf"}
    assert set(live.rows(records[1], "site_role")["product_name"]) == {"Uzpruvo"}
    limited = connector(settings, publisher, "epar_annex2", HOST, environment={"BIOPHARMA_EPAR_MAX_DOCUMENTS": "1"})
    assert [item.download.group for item in limited.fetch()] == []  # `lost` comes first, and is not there


@pytest.mark.parametrize(
    ("medicines", "documents", "problem"),
    [
        ({"error": "internal"}, {"data": []}, "no list under `data`"),
        ({"data": []}, {"data": [1, 2]}, "no product information of an authorised biologic"),
    ],
)
def test_lists_that_are_none_are_named_errors(
    medicines: object, documents: object, problem: str, settings: Settings, publisher: Publisher
) -> None:
    publisher.serve(HOST, MEDICINES, Answer(json.dumps(medicines).encode()))
    publisher.serve(HOST, DOCUMENTS, Answer(json.dumps(documents).encode()))
    with pytest.raises(FetchError, match=problem):
        connector(settings, publisher, "epar_annex2", HOST).run()


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), action=st.sampled_from(["remove", "repeat", "blank", "join", "footnote"]))
def test_a_damaged_annex_gives_right_countries_or_a_named_error(at: int, action: str, tmp_path: Path) -> None:
    lines = annex(STELARA)
    at = lines.index(SUBSTANCE) + at % (lines.index(RELEASE) - lines.index(SUBSTANCE))
    match action:
        case "remove":
            del lines[at]
        case "repeat":
            lines.insert(at, lines[at])
        case "blank":
            lines.insert(at, "")
        case "join":
            lines[at] += " " + lines.pop(at + 1)
        case "footnote":
            lines[at] += "*"
    try:
        rows, _ = conformed(parsed(tmp_path, lines))
    except IngestError:
        return
    ends = {line: address[-1] for address in STELARA for line in address}
    iso3 = {"United States": "USA", "The Netherlands": "NLD", "Ireland": "IRL"}
    for firm, country in rows.select("firm_name", "country_iso3").iter_rows():
        # Whatever line of an address an entry begins with, its country is the one that stands at its end.
        (end,) = {end for line, end in ends.items() if firm.removesuffix("*").startswith(line)}
        assert country == iso3[end]
