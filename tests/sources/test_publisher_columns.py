"""The publishers' columns that source.yml names stand in the publishers' real files."""

from __future__ import annotations

import gzip
import html
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import ValidationError

from ingest import lake
from ingest.source import SourceSpec, discover
from tests.conftest import shared_file
from tests.sources.real_files import EDITIONS

MAPPED = {code: source for code, source in discover().items() if source.spec.columns}
# Folders of real files beside those that EDITIONS names.
FOLDERS = {
    "country_reference": ("country_reference",),
    "edinet": ("edinet", "edinet_canonical"),
    "estat": ("estat",),
    "gleif": ("gleif",),
    "un_comtrade": ("un_comtrade", "un_comtrade_legacy"),
}
# Layouts of which no real file is at hand, only the publisher's description: all columns of the source, or some.
NOT_AT_HAND: dict[str, frozenset[str] | None] = {
    "cms_part_b": frozenset({"HCPCS_Cd", "Avg_Spndng_Per_Dsg_Unt_<year>"}),
    "epar_annex2": None,
    "eurostat_prodcom": frozenset({"OBS_FLAG", "OBS_VALUE", "indicators"}),
    "eurostat_rd": frozenset({"OBS_FLAG", "OBS_VALUE", "TIME_PERIOD", "nace_r2"}),
    "gleif": frozenset(
        name
        for names in MAPPED["gleif"].spec.columns["company_identity"].values()
        for name in names
        if name not in {"LEI", "Entity.LegalName", "Entity.LegalAddress.Country", "Entity.EntityCategory"}
    ),
    # Its files have no header; the names are those of the publisher's page on them.
    "health_canada_dpd": None,
    "mof_customs": None,
}
VARYING = {"year": r"(19|20)\d\d", "month": "(Jan|Year)", "currency": "[A-Z]{3}", "country": "[a-z_]+"}
HEAD, TAIL = 300_000, 60_000


def plain(text: str) -> str:
    """Text without blanks, as full-width and broken headers are compared."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", html.unescape(text))).casefold()


def texts(path: Path) -> Iterator[str]:
    """The heads of a file and of what it packs, as text."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    members = [data]
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = []
            for name in archive.namelist():
                with archive.open(name) as stream:
                    members.append(stream.read(HEAD))
    for member in members:
        head = member if b"inlineXBRL" in member[:5000] else member[:HEAD] + member[max(HEAD, len(member) - TAIL) :]
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            yield head.decode("utf-16", errors="replace")
            continue
        try:
            yield head.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            yield head.decode("utf-8" if error.start > HEAD - 4 else "cp932", errors="replace")


@cache
def content(code: str) -> str:
    """All real files of a source as one text without blanks."""
    folders = FOLDERS.get(code) or tuple(dict.fromkeys(name.split("/")[0] for name in EDITIONS[code]))
    files = [
        f for folder in folders for f in sorted(shared_file(folder).rglob("*")) if f.suffix not in {".md", ".pdf"}
    ]
    files = [f for f in files if f.is_file() and f.stat().st_size < 60_000_000]
    return plain("\n".join(text for file in files for text in texts(file)))


def stands_in(name: str, text: str) -> bool:
    """Whether a publisher's column stands in a text: whole, or each part of its path."""

    def found(part: str) -> bool:
        pattern = re.escape(plain(part))
        for kind, form in VARYING.items():
            pattern = pattern.replace(re.escape(f"<{kind}>"), form.casefold())
        if len(part) <= 2:
            pattern = rf"(?<![^\W_]){pattern}(?![^\W\d_])"
        return re.search(pattern, text, re.IGNORECASE) is not None

    return found(name) or all(found(part.lstrip("@")) for part in re.split(r"[./]", name) if part)


@pytest.mark.parametrize("code", [code for code in MAPPED if NOT_AT_HAND.get(code, frozenset()) is not None])
def test_named_columns_stand_in_real_files(code: str) -> None:
    named = {name for table in MAPPED[code].spec.columns.values() for names in table.values() for name in names}
    text = content(code)
    absent = {name for name in named if not stands_in(name, text)}
    assert absent == (NOT_AT_HAND.get(code) or frozenset())


def test_a_column_that_is_not_there_is_seen() -> None:
    text = plain("区分,薬価基準収載\n医薬品コード,Tot_Spndng_2022")
    assert stands_in("薬価基準収載医薬品コード", text)
    assert stands_in("Tot_Spndng_<year>", text)
    assert not stands_in("Tot_Clms_<year>", text)
    assert not stands_in("薬価.値", text)


@pytest.mark.parametrize("code", MAPPED)
def test_every_figure_and_name_has_its_column(code: str) -> None:
    """What the source fills and does not set itself is read from a named column: values above all."""
    for table in MAPPED[code].spec.tables:
        columns = MAPPED[code].spec.columns[table]
        figures = {
            c.name
            for c in lake.contract(table).columns
            if c.type == "float64" and c.name in {"value", "value_usd", "quantity", "unit_price", "listed_price"}
        }
        assert columns, table
        optional = {"quantity", "unit_price", "listed_price", "value" if "value_usd" in columns else "value_usd"}
        assert figures - optional <= set(columns), table


def test_only_curated_sources_name_no_columns() -> None:
    assert {code for code, source in discover().items() if not source.spec.columns} <= {
        code for code, source in discover().items() if source.spec.kind == "curated"
    }


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"site_role": {"firm_nam": ["FIRM_NAME"]}}, "site_role has no column firm_nam"),
        ({"deal": {"value": ["v"]}}, "does not fill deal"),
    ],
)
def test_a_column_that_is_not_canonical_is_refused(columns: dict[str, dict[str, list[str]]], words: str) -> None:
    spec = discover()["fda_decrs"].spec.model_dump(by_alias=True)
    with pytest.raises(ValidationError, match=words):
        SourceSpec.model_validate({**spec, "columns": columns})
