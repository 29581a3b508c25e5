from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import edition, gates, load, source, vocabulary
from ingest.archive import sha256_of
from ingest.errors import GateError, LayoutError
from ingest.settings import Settings
from ingest.source import Parsed, SourceFile
from ingest.sources.fda_decrs.parse import country, operations
from tests.conftest import shared_file

CODE = "fda_decrs"
SOURCE = source.get(CODE)
GZ = f"{CODE}/drls_reg_2025-07-25_contacts_blanked.txt.gz"
HEADER = [
    "FEI_NUMBER",
    "DUNS_NUMBER",
    "FIRM_NAME",
    "ADDRESS",
    "EXPIRATION_DATE",
    "OPERATIONS",
    "ESTABLISHMENT_CONTACT_NAME",
    "ESTABLISHMENT_CONTACT_EMAIL",
    "AGENT_DETAILS",
    "REGISTRANT_NAME",
    "REGISTRANT_DUNS",
    "REGISTRANT_CONTACT_NAME",
    "REGISTRANT_CONTACT_EMAIL",
    "EXCLUSION_FLAG",
]
SECRETS = ("Jane Roe", "jane.roe@firm.example", "Rex Doe", "rex@firm.example", "0041 22 700 00 00")
LINE = {
    "FEI_NUMBER": "3009999999",
    "DUNS_NUMBER": "999999999",
    "FIRM_NAME": "Synthetic Biologics Porriño SL",
    "ADDRESS": "La Relba (plant 2), O PORRIÑO, Pontevedra 36410, Spain (ESP)",
    "EXPIRATION_DATE": "12/31/2025",
    "OPERATIONS": "API MANUFACTURE; ANALYSIS",
    "ESTABLISHMENT_CONTACT_NAME": SECRETS[0],
    "ESTABLISHMENT_CONTACT_EMAIL": SECRETS[1],
    "AGENT_DETAILS": f"116988532 - {SECRETS[2]} {SECRETS[3]}",
    "REGISTRANT_NAME": "Synthetic Biologics Inc",
    "REGISTRANT_DUNS": "999999998",
    "REGISTRANT_CONTACT_NAME": SECRETS[2],
    "REGISTRANT_CONTACT_EMAIL": SECRETS[3],
    "EXCLUSION_FLAG": "N",
}


def line(**changes: str) -> str:
    cells = LINE | changes
    return "\t".join(cells[name] for name in HEADER) + "\t"


def text_of(*lines: str, header: str = " " + "\t".join(HEADER)) -> str:
    return "\r\n".join([header, *lines, ""])


def at_hand(path: Path) -> SourceFile:
    return SourceFile(path=path, name=path.name, sha256=sha256_of(path))


def parsed(tmp_path: Path, *lines: str, encoding: str = "utf-8", **options: str) -> Parsed:
    path = tmp_path / "drls_reg.txt"
    path.write_bytes(text_of(*lines, **options).encode(encoding))
    return load.parse_files(SOURCE, [at_hand(path)])


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables, bad, _ = load.conform_all(
        SOURCE, result, edition_id="e", published_on=date(2025, 7, 25), ingested_at=datetime(2026, 11, 22, tzinfo=UTC)
    )
    return tables["site_role"], bad


@pytest.fixture(scope="module")
def real() -> Parsed:
    return load.parse_files(SOURCE, load.in_hand(SOURCE, [shared_file(GZ)]))


@pytest.fixture(scope="module")
def roles(real: Parsed) -> pl.DataFrame:
    rows, bad = conformed(real)
    assert bad.is_empty()
    return rows


def test_the_register_holds_10439_establishments(real: Parsed, roles: pl.DataFrame) -> None:
    assert real.rows_read == 10_439
    assert real.published_on == date(2025, 7, 25)
    assert roles["site_id"].n_unique() == 10_439
    assert roles.height == 18_570
    assert set(roles["value_origin"]) == {"republished_copy"}


@pytest.mark.parametrize(
    ("iso3", "sites", "substance_sites"),
    [
        ("JPN", 151, 84),
        ("USA", 5_738, 539),
        ("CHN", 1_136, 499),
        ("KOR", 177, 45),
        ("CHE", 111, 43),
        ("IRL", 79, 34),
        ("IND", 1_002, 527),
        ("DEU", 260, 91),
        ("ITA", 184, 90),
    ],
)
def test_establishments_by_country(roles: pl.DataFrame, iso3: str, sites: int, substance_sites: int) -> None:
    mine = roles.filter(pl.col("country_iso3") == iso3)
    assert mine["site_id"].n_unique() == sites
    assert mine.filter(pl.col("operation_as_published") == "API MANUFACTURE")["site_id"].n_unique() == substance_sites


def test_the_one_address_without_country_is_kept_and_marked(roles: pl.DataFrame) -> None:
    without = roles.filter(pl.col("country_iso3").is_null())
    assert set(without["firm_name"]) == {"NOVAVAX CZ a.s"}
    assert without["note"].str.ends_with("the address names no country").all()


def test_one_fei_number_may_stand_for_several_buildings(roles: pl.DataFrame) -> None:
    samsung = roles.filter(pl.col("note") == "FEI 3010479596")
    assert set(samsung["firm_name"]) == {"Samsung Biologics Co., Ltd."}
    assert samsung["site_id"].n_unique() == 3
    assert samsung["site_id"].str.contains(r"^DUNS \d{9}$").all()


def test_every_operation_has_a_common_term(roles: pl.DataFrame) -> None:
    assert not roles.filter(pl.col("note").str.contains("unknown")).height
    pairs = dict(roles.select("operation_as_published", "operation").unique().rows())
    assert len(pairs) == 15
    assert pairs["API MANUFACTURE"] == "drug_substance"
    assert pairs["MANUFACTURE"] == "drug_product"
    assert pairs["STERILIZE"] == "sterilisation"
    assert pairs["MEDICATED ANIMAL FEED MANUFACTURE"] == "other"


def test_the_zip_and_the_text_give_the_same_rows(tmp_path: Path, real: Parsed) -> None:
    text = gzip.decompress(shared_file(GZ).read_bytes())
    (tmp_path / "drls_reg_2025-07-25.txt").write_bytes(text)
    with zipfile.ZipFile(tmp_path / "drls_reg.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("drls_reg.txt", date_time=(2025, 7, 25, 7, 0, 0)), text)
        archive.writestr("drls_reg.xls", "not read")
    for name in ("drls_reg_2025-07-25.txt", "drls_reg.zip"):
        result = load.parse_files(SOURCE, [at_hand(tmp_path / name)])
        assert result.published_on == date(2025, 7, 25)
        lineage = ["file_sha256", "locator"]
        assert result.tables["site_role"].drop(lineage).equals(real.tables["site_role"].drop(lineage))


def test_an_establishment_becomes_a_row_per_operation(tmp_path: Path) -> None:
    rows, bad = conformed(parsed(tmp_path, line()))
    assert bad.is_empty()
    assert rows.select("operation", "operation_as_published").rows() == [
        ("drug_substance", "API MANUFACTURE"),
        ("analysis", "ANALYSIS"),
    ]
    first = rows.row(0, named=True)
    assert first["country_iso3"] == "ESP" and first["site_id"] == "DUNS 999999999"
    assert first["note"] == "FEI 3009999999" and first["value_origin"] == "publisher_bytes"
    assert first["product_code"] is None and first["site_place"] == LINE["ADDRESS"]
    assert first["locator"] == "line 2"


def test_no_output_holds_a_contact(tmp_path: Path) -> None:
    good = line()
    shifted = line(FIRM_NAME=SECRETS[1], DUNS_NUMBER="999999997")
    flagged = line(EXCLUSION_FLAG=SECRETS[0], DUNS_NUMBER="999999996")
    ragged = "\t".join([SECRETS[0], *good.split("\t")[:9]])
    unknown = line(DUNS_NUMBER="999999995", ADDRESS="Somewhere (XQZ)")
    lines = (good, shifted, flagged, ragged, unknown)
    result = parsed(tmp_path, *lines)
    rows, bad = conformed(result)
    assert rows["site_id"].unique().sort().to_list() == ["DUNS 999999996", "DUNS 999999999"]
    assert bad["locator"].n_unique() == 3
    with pytest.raises(LayoutError) as headerless:
        parsed(tmp_path, good, header=line())
    written = rows.write_csv() + bad.write_csv() + str(result.dropped) + headerless.value.text
    assert result.rejected is not None
    written += result.rejected.write_csv() + result.tables["site_role"].write_csv()
    for secret in SECRETS:
        assert secret not in written


def test_lines_that_cannot_be_read_are_rejected_with_their_number(tmp_path: Path) -> None:
    result = parsed(
        tmp_path,
        line(),
        "3009999999\t999999999\tShort GmbH",
        line(DUNS_NUMBER="", FEI_NUMBER="0000000000"),
        line(DUNS_NUMBER="999999991", OPERATIONS=" ; "),
        line(DUNS_NUMBER="", FEI_NUMBER="3001111111"),
    )
    assert result.rows_read == 5
    assert result.rejected is not None
    reasons = dict(result.rejected.select("locator", "reason").rows())
    assert reasons == {
        "line 3": "the line has 3 fields, the header 14",
        "line 4": "neither DUNS_NUMBER nor FEI_NUMBER identifies the establishment",
        "line 5": "OPERATIONS is empty",
    }
    assert result.rejected["raw"].to_list()[-1] == "FEI_NUMBER=3009999999 DUNS_NUMBER=999999999"
    assert set(result.tables["site_role"]["site_id"]) == {"DUNS 999999999", "FEI 3001111111"}


def test_an_unknown_country_code_is_rejected(tmp_path: Path) -> None:
    rows, bad = conformed(parsed(tmp_path, line(), line(DUNS_NUMBER="999999991", ADDRESS="Nowhere (XQZ)")))
    assert rows["site_id"].unique().to_list() == ["DUNS 999999999"]
    assert set(bad["reason"]) == {"country_iso3 is not a country of vocabulary/country.csv: XQZ"}
    assert set(bad["locator"]) == {"line 3"}


def test_an_unknown_operation_is_kept_and_marked(tmp_path: Path) -> None:
    rows, bad = conformed(parsed(tmp_path, line(OPERATIONS="GENE EDIT; PACK; PACK")))
    assert bad.is_empty()
    assert rows.select("operation", "operation_as_published", "note").rows() == [
        ("other", "GENE EDIT", "FEI 3009999999; operation unknown to the parser"),
        ("packaging", "PACK", "FEI 3009999999"),
    ]


def test_lines_that_differ_in_contacts_alone_are_one(tmp_path: Path) -> None:
    result = parsed(tmp_path, line(), line(ESTABLISHMENT_CONTACT_NAME="Somebody Else"), line())
    assert result.dropped == {"repeated_line": 2}
    assert result.tables["site_role"].height == 2


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ([*HEADER[:5], "OPERATION", *HEADER[6:]], "lacks OPERATIONS and has the unknown OPERATION"),
        ([*HEADER, "COUNTRY"], "has the unknown COUNTRY"),
    ],
)
def test_another_header_is_an_error(tmp_path: Path, header: list[str], problem: str) -> None:
    with pytest.raises(LayoutError, match=f"row 1: the header {problem}"):
        parsed(tmp_path, line(), header="\t".join(header))


def test_encodings(tmp_path: Path) -> None:
    for encoding in ("utf-8", "cp1252"):
        rows = parsed(tmp_path, line(), encoding=encoding).tables["site_role"]
        assert set(rows["firm_name"]) == {LINE["FIRM_NAME"]}
    with pytest.raises(LayoutError, match="UTF-16"):
        parsed(tmp_path, line(), encoding="utf-16")


def test_gates_refuse_what_is_no_archive(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    page = tmp_path / "drls_reg.zip"
    page.write_bytes(b"\n<html><head><title>FDA apology</title></head></html>" + b" " * 200_000)
    cut = tmp_path / "drls_reg_cut.txt.gz"
    cut.write_bytes(shared_data(GZ).read_bytes()[:400_000])
    small = tmp_path / "drls_reg_small.zip"
    small.write_bytes(b"PK\x03\x04")
    for path, problem in ((page, "HTML page"), (cut, "cut off or damaged"), (small, "fewer than")):
        with pytest.raises(GateError, match=problem):
            gates.check(SOURCE.spec, SourceFile(path=path, name=path.name, sha256=""))


TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\t\r\n", exclude_categories=("Cs", "Cc")), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(TEXT, st.from_regex(r"\A[A-Z]{3}\Z"), st.text(" ", max_size=2))
def test_the_country_is_the_last_code_in_brackets(place: str, code: str, blanks: str) -> None:
    def found(address: str) -> str | None:
        value: str | None = pl.select(country(pl.lit(address))).item()
        return value

    assert found(f"{place} (USA), {place} ({code}){blanks}") == code
    assert found(f"{place} ({code}), rear building") is None
    assert found(f"{place} ({code.lower()})") is None
    assert found(f"{place} ({code}X)") is None


OPERATION = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ -/", min_size=1, max_size=12).filter(lambda text: text.strip() != "")


@settings(max_examples=60, deadline=None)
@given(st.lists(OPERATION, max_size=6), st.sampled_from([";", "; ", " ;  "]))
def test_operations_are_split_trimmed_and_named_once(names: list[str], separator: str) -> None:
    got = pl.select(operations(pl.lit(separator.join([*names, ""])))).item().to_list()
    assert got == list(dict.fromkeys(name.strip() for name in names))


def test_firm_site_rests_on_the_register(roles: pl.DataFrame) -> None:
    normal = pl.col("firm_name").str.to_uppercase().str.strip_chars().str.replace_all(r"\s+", " ")
    sites = roles.select(
        normal.alias("registered_firm"),
        "country_iso3",
        (pl.col("operation") == "drug_substance").alias("makes_substance"),
        pl.col("note").str.extract(r"FEI (\d+)").alias("fei"),
    )
    links = vocabulary.table("firm_site")
    named = (
        links.with_columns(fei=pl.col("evidence").str.extract(r"FEI ([\d ]*\d)").str.split(" "))
        .explode("fei")
        .join(sites, on=["registered_firm", "country_iso3", "fei"], how="left")
        .group_by(links.columns)
        .agg(pl.col("makes_substance").any(ignore_nulls=True), pl.col("makes_substance").null_count().alias("lost"))
    )
    assert named["lost"].sum() == 0
    assert named.filter(pl.col("makes_substance") != pl.col("is_drug_substance_site")).is_empty()
    assert (links["evidence"].str.starts_with("FDA DECRS 2025-07-25, FEI ")).all()
    exact = links.filter(pl.col("link_basis") == "exact_name")
    assert (exact["listed_firm"] == exact["registered_firm"]).all()
    for column in ("listed_firm", "registered_firm"):
        assert (
            links[column] == links[column].str.to_uppercase().str.replace_all(r"\s+", " ").str.strip_chars()
        ).all()


def test_the_bundled_edition_counts_substance_sites_exactly(settings: Settings, roles: pl.DataFrame) -> None:
    (part,) = edition.read(SOURCE)
    bundled = part.tables["site_role"]
    makes = pl.col("operation") == "drug_substance"
    columns = ["firm_name", "site_id", "country_iso3", "operation_as_published", "locator", "note"]
    assert (
        bundled.filter(makes).select(columns).sort(columns).equals(roles.filter(makes).select(columns).sort(columns))
    )
    assert bundled.select(columns).join(roles.select(columns), on=columns, how="anti", nulls_equal=True).is_empty()
    named = set(vocabulary.table("firm_site")["registered_firm"])
    placed = bundled.filter(pl.col("site_place").is_not_null())["firm_name"]
    assert set(placed.str.to_uppercase().str.replace_all(r"\s+", " ")) == named
    (record,) = load.load_bundled(settings, SOURCE)
    assert (record.row_count, record.rows_quarantined) == (bundled.height, 0)
    assert sum(path.stat().st_size for path in SOURCE.edition_dir.iterdir()) < 900_000
