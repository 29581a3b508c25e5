from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from ingest import edition, gates, load, source, vocabulary
from ingest.archive import sha256_of
from ingest.errors import GateError, LayoutError
from ingest.settings import Settings
from ingest.source import Parsed, SourceFile
from tests.conftest import shared_file

CODE = "fda_ndc_unfinished"
SOURCE = source.get(CODE)
ZIP = f"{CODE}/unfinished.zip"
HEADER = [
    "PRODUCTID",
    "PRODUCTNDC",
    "PRODUCTTYPENAME",
    "NONPROPRIETARYNAME",
    "DOSAGEFORMNAME",
    "STARTMARKETINGDATE",
    "ENDMARKETINGDATE",
    "MARKETINGCATEGORYNAME",
    "LABELERNAME",
    "SUBSTANCENAME",
    "ACTIVE_NUMERATOR_STRENGTH",
    "ACTIVE_INGRED_UNIT",
    "DEASCHEDULE",
    "LISTING_RECORD_CERTIFIED_THROUGH",
]
LINE = {
    "PRODUCTID": "9999-0001_x",
    "PRODUCTNDC": "9999-0001",
    "PRODUCTTYPENAME": "BULK INGREDIENT",
    "NONPROPRIETARYNAME": "Somatropin",
    "DOSAGEFORMNAME": "POWDER",
    "STARTMARKETINGDATE": "20150401",
    "MARKETINGCATEGORYNAME": "BULK INGREDIENT",
    "LABELERNAME": "Synthetic Schwäbisch AG",
    "SUBSTANCENAME": "SOMATROPIN",
    "ACTIVE_NUMERATOR_STRENGTH": "1",
    "ACTIVE_INGRED_UNIT": "g/g",
}


def line(**changes: str) -> str:
    cells = LINE | changes
    return "\t".join(cells.get(name, "") for name in HEADER)


def text_file(tmp_path: Path, *lines: str, header: str = "\t".join(HEADER), encoding: str = "latin-1") -> SourceFile:
    path = tmp_path / "unfinished_product_2018-06-25.txt"
    path.write_bytes("\r\n".join([header, *lines, ""]).encode(encoding))
    return SourceFile(path=path, name=path.name, sha256=sha256_of(path))


def parsed(tmp_path: Path, *lines: str, **options: str) -> Parsed:
    return load.parse_files(SOURCE, [text_file(tmp_path, *lines, **options)])


def rejected(result: Parsed) -> pl.DataFrame:
    assert result.rejected is not None
    return result.rejected


@pytest.fixture(scope="module")
def real() -> Parsed:
    return load.parse_files(SOURCE, load.in_hand(SOURCE, [shared_file(ZIP)]))


@pytest.fixture(scope="module")
def listings(real: Parsed) -> pl.DataFrame:
    tables, bad, dropped = load.conform_all(
        SOURCE, real, edition_id="e", published_on=date(2018, 6, 25), ingested_at=datetime(2026, 11, 22, tzinfo=UTC)
    )
    assert bad.is_empty() and dropped == {}
    assert tables["product_identity"].height == tables["site_role"].height
    return tables["site_role"]


def firms(listings: pl.DataFrame, substance: str, operation: str | None = None) -> set[str]:
    rows = listings.filter(pl.col("substance_name") == substance)
    return set((rows if operation is None else rows.filter(pl.col("operation") == operation))["firm_name"])


def test_the_list_of_2018_holds_21478_listings(real: Parsed, listings: pl.DataFrame) -> None:
    assert real.rows_read == 21_478
    # One listing is dropped by the ledger of corrections.
    assert listings.height == 21_477
    assert real.published_on == date(2018, 6, 25)
    assert listings["product_code"].n_unique() == 21_477
    assert listings["country_iso3"].null_count() == 21_477
    assert listings["locator"].head(1).to_list() == ["unfinished_product.txt line 2"]


def test_firms_that_list_known_substances(listings: pl.DataFrame) -> None:
    assert firms(listings, "NIVOLUMAB", "drug_substance") == {
        "Bristol-Myers Squibb Company",
        "Lonza Biologics, Inc.",
        "Samsung BioLogics, Ltd",
    }
    assert firms(listings, "ECULIZUMAB", "drug_substance") == {
        "Lonza Biologics Porrino, S.L.",
        "Lonza Biologics Tuas Pte Ltd.",
    }
    assert {"Patheon Italia S.p.A", "Patheon Manufacturing Services LLC"} == firms(
        listings, "ECULIZUMAB", "drug_product"
    )
    assert firms(listings, "PEMBROLIZUMAB") == {"MSD Ireland (Carlow)", "MSD International GmbH"}


def test_every_published_type_keeps_its_words(listings: pl.DataFrame) -> None:
    counts = dict(listings.group_by("operation", "operation_as_published").len().select("operation", "len").rows())
    assert counts.keys() == {"drug_substance", "drug_product", "other"}
    published = dict(listings["operation_as_published"].value_counts().rows())
    assert published["BULK INGREDIENT"] == 19_651
    assert published["DRUG FOR FURTHER PROCESSING"] == 1_667
    decided = listings.filter(pl.col("note").str.contains("the dosage form"))
    assert decided.height == 3_085
    assert dict(decided["operation"].value_counts().rows()) == {"drug_substance": 1_187, "drug_product": 1_898}


def test_letters_of_one_byte_encodings_are_read(listings: pl.DataFrame) -> None:
    assert listings.filter(pl.col("firm_name").str.contains("Schwäbisch Gmünd")).height > 0
    assert not listings.filter(pl.col("firm_name").str.contains("[\u0080-\u009f�]")).height


def test_the_text_gives_the_rows_of_the_zip(tmp_path: Path, real: Parsed) -> None:
    path = tmp_path / "unfinished_product_2018-06-25.txt"
    with zipfile.ZipFile(shared_file(ZIP)) as archive:
        path.write_bytes(archive.read("unfinished_product.txt"))
    result = load.parse_files(SOURCE, load.in_hand(SOURCE, [path]))
    lineage = ["file_sha256", "locator"]
    for name, frame in real.tables.items():
        assert result.tables[name].drop(lineage).equals(frame.drop(lineage))


def test_a_listing_becomes_a_role_and_a_product(tmp_path: Path) -> None:
    result = parsed(tmp_path, line(ENDMARKETINGDATE="20221121"))
    role = result.tables["site_role"].row(0, named=True)
    product = result.tables["product_identity"].row(0, named=True)
    assert role["operation"] == "drug_substance" and role["measure_basis"] == "listing"
    assert role["product_code"] == product["licence_number"] == "9999-0001_x"
    assert product["listed_on"] == date(2018, 6, 25) and product["approved_on"] == date(2015, 4, 1)
    assert product["strength_text"] == "1 g/g" and product["modality_evidence"] == "BULK INGREDIENT"
    assert role["note"] == product["note"] == "listed until 2022-11-21"


@pytest.mark.parametrize(
    ("kind", "category", "form", "operation"),
    [
        ("BULK INGREDIENT", "BULK INGREDIENT", "INJECTION", "drug_substance"),
        ("BULK INGREDIENT", "EXPORT ONLY", "POWDER", "drug_substance"),
        ("BULK INGREDIENT", "DRUG FOR FURTHER PROCESSING", "LIQUID", "drug_substance"),
        ("BULK INGREDIENT", "DRUG FOR FURTHER PROCESSING", "INJECTION, SOLUTION", "drug_product"),
        ("BULK INGREDIENT", "DRUG FOR FURTHER PROCESSING", "", "drug_product"),
        ("DRUG FOR FURTHER PROCESSING", "DRUG FOR FURTHER PROCESSING", "LIQUID", "drug_product"),
        ("LICENSED VACCINE BULK INTERMEDIATE", "EXPORT ONLY", "LIQUID", "other"),
        ("HUMAN OTC DRUG", "BULK INGREDIENT", "POWDER", "other"),
    ],
)
def test_operation(tmp_path: Path, kind: str, category: str, form: str, operation: str) -> None:
    one = line(PRODUCTTYPENAME=kind, MARKETINGCATEGORYNAME=category, DOSAGEFORMNAME=form)
    role = parsed(tmp_path, one).tables["site_role"].row(0, named=True)
    assert role["operation"] == operation
    assert role["operation_as_published"] == kind and role["publisher_flags"] == category
    differs = kind == "BULK INGREDIENT" and category == "DRUG FOR FURTHER PROCESSING"
    assert (role["note"] or "").startswith("type and marketing category differ") == differs


def test_lines_that_cannot_be_read_are_rejected_with_their_number(tmp_path: Path) -> None:
    result = parsed(
        tmp_path,
        line(),
        "9999-0002_x\t9999-0002\tBULK INGREDIENT",
        line(PRODUCTID="9999-0003_x", LABELERNAME=""),
        line(PRODUCTID="9999-0004_x", STARTMARKETINGDATE="2015-04-01"),
        line(PRODUCTID="9999-0005_x") + "\tone more\tand more",
        line(PRODUCTID="9999-0006_x", STARTMARKETINGDATE=""),
    )
    assert result.rows_read == 6
    assert result.tables["site_role"]["product_code"].to_list() == ["9999-0001_x", "9999-0006_x"]
    reasons = dict(rejected(result).select("locator", "reason").rows())
    assert reasons == {
        "line 3": "the line has 3 fields, the header 14",
        "line 4": "LABELERNAME is empty",
        "line 5": "STARTMARKETINGDATE is no date of the form YYYYMMDD: 2015-04-01",
        "line 6": "the line has 16 fields, the header 14",
    }


def test_a_repeated_line_is_counted_and_a_contradicting_one_rejected(tmp_path: Path) -> None:
    result = parsed(tmp_path, line(), line(), line(LABELERNAME="Another AG"))
    assert result.dropped == {"repeated_line": 1}
    tables, bad, _ = load.conform_all(
        SOURCE, result, edition_id="e", published_on=date(2018, 6, 25), ingested_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert tables["product_identity"].is_empty()
    assert set(bad.filter(pl.col("table_name") == "product_identity")["locator"]) == {
        "line 2",
        "line 4",
    }


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ([*HEADER[:8], "LABELER", *HEADER[9:]], "lacks LABELERNAME and has the unknown LABELER"),
        ([*HEADER, "NDC_EXCLUDE_FLAG"], "unknown NDC_EXCLUDE_FLAG"),
        (HEADER[:-1], "lacks LISTING_RECORD_CERTIFIED_THROUGH"),
    ],
)
def test_another_header_is_an_error(tmp_path: Path, header: list[str], problem: str) -> None:
    with pytest.raises(LayoutError, match=f"row 1: the header .*{problem}"):
        parsed(tmp_path, line(), header="\t".join(header))


def test_utf_16_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="UTF-16"):
        parsed(tmp_path, line(), encoding="utf-16")


def test_a_list_without_a_day_is_an_error(tmp_path: Path) -> None:
    file = text_file(tmp_path, line())
    undated = SourceFile(path=file.path, name="unfinished_product.txt", sha256=file.sha256)
    with pytest.raises(LayoutError, match="the day of the list"):
        load.parse_files(SOURCE, [undated])
    fetched = SourceFile(undated.path, undated.name, undated.sha256, fetched_at=datetime(2020, 5, 4, tzinfo=UTC))
    result = load.parse_files(SOURCE, [fetched])
    assert result.tables["product_identity"]["listed_on"].to_list() == [date(2020, 5, 4)]
    assert result.published_on is None


def test_gates_refuse_what_is_no_archive(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    page = tmp_path / "ndc_unfinished.zip"
    page.write_bytes(b"<!DOCTYPE html><html><body>apology</body></html>" + b" " * 200_000)
    cut = tmp_path / "unfinished.zip"
    cut.write_bytes(shared_data(ZIP).read_bytes()[:1_500_000])
    empty = tmp_path / "unfinished_product.txt"
    empty.touch()
    for path, problem in ((page, "HTML page"), (cut, "cut off or damaged"), (empty, "empty")):
        with pytest.raises(GateError, match=problem):
            gates.check(SOURCE.spec, SourceFile(path=path, name=path.name, sha256=""))


def test_the_bundled_edition_is_the_biologic_part_of_the_real_list(
    settings: Settings, listings: pl.DataFrame
) -> None:
    (part,) = edition.read(SOURCE)
    roles, products = part.tables["site_role"], part.tables["product_identity"]
    key = [
        "product_code",
        "product_name",
        "substance_name",
        "firm_name",
        "operation",
        "locator",
        "file_sha256",
        "note",
    ]
    assert roles.height == products.height > 200
    assert roles.select(key).join(listings.select(key), on=key, how="anti", nulls_equal=True).is_empty()
    again = SOURCE.trim(
        {"site_role": listings, "product_identity": products}  # the products follow from the roles
    )["site_role"]
    assert set(again["product_code"]) == set(roles["product_code"])
    (record,) = load.load_bundled(settings, SOURCE)
    assert record.rows_quarantined == 0 and record.row_count == 2 * roles.height


def test_firm_site_names_listing_firms(listings: pl.DataFrame) -> None:
    normal = pl.col("firm_name").str.to_uppercase().str.strip_chars().str.replace_all(r"\s+", " ")
    listed = set(listings.select(normal).to_series())
    assert set(vocabulary.table("firm_site")["listed_firm"]) <= listed


def test_listings_that_contradict_themselves_are_corrected_in_the_open(real: Parsed, listings: pl.DataFrame) -> None:
    wrong = real.tables["site_role"].filter(
        pl.col("product_name") == "lcz696", pl.col("substance_name") == "TEDUGLUTIDE"
    )
    assert wrong.height == 1
    assert "lcz696" not in set(listings.filter(pl.col("substance_name") == "TEDUGLUTIDE")["product_name"])
    (flagged,) = listings.filter(
        pl.col("substance_name") == "CERTOLIZUMAB PEGOL", pl.col("product_name") == "Lactate"
    )["note"]
    assert "corrected (flag): Name and substance contradict each other." in flagged


def test_a_correction_fails_once_the_listing_says_something_else(tmp_path: Path) -> None:
    from ingest import corrections
    from ingest.errors import SourceError

    known = "52076-6259_e4c7f4a3-7395-4173-9a1a-9c98d5dc5315"
    mended = parsed(tmp_path, line(PRODUCTID=known, NONPROPRIETARYNAME="lcz696", SUBSTANCENAME="SACUBITRIL"))
    with pytest.raises(SourceError, match=r"expects .*TEDUGLUTIDE.*SACUBITRIL"):
        corrections.apply(SOURCE, "site_role", mended.tables["site_role"])
    # A list that no longer has the listing needs no correction.
    other = parsed(tmp_path, line()).tables["site_role"]
    assert corrections.apply(SOURCE, "site_role", other).equals(other)
