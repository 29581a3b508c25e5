"""Records of the Global LEI System, from the API's pages or from a copy of the golden copy, to company_identity.

The API answers `{meta: {goldenCopy: {publishDate}}, data: [{id, attributes: {lei, entity, registration}}]}` (in the
form of JSON:API); the record of a parent is one such record. The golden copy and extracts of it are tables with
columns named by path (`Entity.LegalName`, `Entity.LegalAddress.Country`); an extract may have few of them.
https://www.gleif.org/en/lei-data/access-and-use-lei-data
"""

from __future__ import annotations

import csv
import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import polars as pl

from ingest import areas, vocabulary
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

# Columns of the golden copy (LEI-CDF 3.1, CSV) by the column of company_identity; the first three must be there.
_TABLE = {
    "identifier": "LEI",
    "legal_name": "Entity.LegalName",
    "legal_iso2": "Entity.LegalAddress.Country",
    "headquarters_iso2": "Entity.HeadquartersAddress.Country",
    "other_name": "Entity.TransliteratedOtherEntityNames.TransliteratedOtherEntityName.1",
    "other_name_kind": "Entity.TransliteratedOtherEntityNames.TransliteratedOtherEntityName.1.type",
    "legal_form": "Entity.LegalForm.EntityLegalFormCode",
    "entity_category": "Entity.EntityCategory",
    "jurisdiction": "Entity.LegalJurisdiction",
    "entity_status": "Entity.EntityStatus",
    "registration_status": "Registration.RegistrationStatus",
    "registered": "Registration.InitialRegistrationDate",
    "updated": "Registration.LastUpdateDate",
    "renewal": "Registration.NextRenewalDate",
    "registration_number": "Entity.RegistrationAuthority.RegistrationAuthorityEntityID",
}
_REQUIRED = ("identifier", "legal_name", "legal_iso2")
_PARENT_OF = re.compile(r"lei_parents_(?P<lei>[0-9A-Z]{20})_(?P<kind>direct|ultimate)\.json", re.IGNORECASE)
_REMEDY = "Fetch it again; if the publisher changed the format, the parser must follow."
_RAW = pl.Schema(dict.fromkeys((*_TABLE, "parent_identifier", "ultimate_parent_identifier", "locator"), pl.String()))
_LATIN = re.compile(r"[A-Za-z]")


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Identities of the reviewed entities; files of one edition are pages of the API, or tables.

    Entities that are not on the reviewed list are counted (`not_on_the_list`), as are those that an earlier file of
    the edition holds already. Raises LayoutError for another layout, or where no reviewed entity is found.
    """
    pages = [file for file in files if file.name.lower().endswith(".json") and not _PARENT_OF.fullmatch(file.name)]
    parents = {
        match["lei"].upper() + match["kind"].lower(): file
        for file in files
        if (match := _PARENT_OF.fullmatch(file.name))
    }
    tables = [file for file in files if not file.name.lower().endswith(".json")]
    if bool(pages) == bool(tables) or (tables and parents):
        _fail(files[0].name, "an edition is either pages of the API or tables", "Load one kind at a time.")
    reviewed = vocabulary.table("lei_entity")
    published: date | None = None
    frames = []
    read = 0
    for file in files:
        if file in tables:
            frame, rows = _table(file, reviewed["lei"].to_list())
        elif file in pages:
            frame, rows, day = _page(file)
            published = max(published, day) if published else day
        else:
            continue
        read += rows
        frames.append(
            frame.with_columns(pl.lit(file.name).alias("file_name"), pl.lit(file.sha256).alias("file_sha256"))
        )
    found = _with_parents(pl.concat(frames), parents)
    is_shaped = pl.col("identifier").str.contains("^[0-9A-Z]{18}[0-9]{2}$").fill_null(False)
    wanted = found.filter(pl.col("identifier").is_in(reviewed["lei"].to_list()) | ~is_shaped)
    once = wanted.unique("identifier", keep="first", maintain_order=True)
    checked = once.with_columns(_reason(is_shaped).alias("reason"))
    kept = checked.filter(pl.col("reason") == "")
    if not kept.height:
        _fail(files[0].name, "the file holds no entity of the reviewed list", "Compare vocabulary/lei_entity.csv.")
    dropped = {"not_on_the_list": read - wanted.height, "in_an_earlier_file": wanted.height - once.height}
    return Parsed(
        {"company_identity": _rows(kept, reviewed, is_original=bool(pages))},
        rows_read=read,
        rejected=checked.filter(pl.col("reason") != "").select(
            pl.lit("company_identity").alias("table_name"),
            "file_name",
            "locator",
            "reason",
            pl.struct(_RAW.names()).struct.json_encode().alias("raw"),
        ),
        dropped={rule: count for rule, count in dropped.items() if count},
        published_on=published,
    )


def _reason(is_shaped: pl.Expr) -> pl.Expr:
    """Why a record cannot be taken; empty where it can."""
    countries = areas.iso2_to_iso3()["iso2"].to_list()
    dates = [
        pl.when(pl.col(name).is_not_null() & _day(name).is_null()).then(pl.lit(f"{name} is no date"))
        for name in ("registered", "updated", "renewal")
    ]
    return pl.concat_str(
        pl.when(~is_shaped).then(pl.lit("the identifier is not laid out as an LEI")),
        pl.when(is_shaped & ~_digits_agree()).then(pl.lit("the check digits of the LEI are wrong")),
        pl.when(pl.col("legal_name").is_null()).then(pl.lit("the legal name is missing")),
        *(
            pl.when(pl.col(name).is_not_null() & ~pl.col(name).is_in(countries)).then(
                pl.format("{} is no country of the vocabulary", name)
            )
            for name in ("legal_iso2", "headquarters_iso2")
        ),
        *dates,
        separator="; ",
        ignore_nulls=True,
    )


def _digits_agree() -> pl.Expr:
    """ISO 17442: letters as numbers from 10 to 35, the whole number leaves 1 when divided by 97."""
    rest = pl.lit(0, dtype=pl.Int64)
    for position in range(20):
        character = pl.col("identifier").str.slice(position, 1)
        number = character.str.to_integer(base=36, strict=False).cast(pl.Int64)
        rest = (rest * pl.when(number >= 10).then(100).otherwise(10) + number) % 97
    return (rest == 1).fill_null(False)


def _day(name: str) -> pl.Expr:
    return pl.col(name).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


def _rows(kept: pl.DataFrame, reviewed: pl.DataFrame, *, is_original: bool) -> pl.DataFrame:
    codes = areas.iso2_to_iso3()
    to_iso3 = dict(codes.select("iso2", "iso3").iter_rows())
    companies = reviewed.select(pl.col("lei").alias("identifier"), "company_id", "relation")
    joined = kept.join(companies, on="identifier", how="left", maintain_order="left")

    def text(name: str) -> pl.Expr:
        return pl.col(name).str.normalize("NFKC").str.replace_all(r"\s+", " ").str.strip_chars()

    return joined.select(
        pl.lit("lei").alias("scheme"),
        "identifier",
        text("legal_name").alias("legal_name"),
        text("other_name").alias("other_name"),
        "other_name_kind",
        "legal_form",
        "entity_category",
        "jurisdiction",
        *(
            pl.col(f"{kind}_iso2").replace_strict(to_iso3, default=None, return_dtype=pl.String).alias(name)
            for kind, name in (("legal", "legal_address_iso3"), ("headquarters", "headquarters_iso3"))
        ),
        "entity_status",
        "registration_status",
        _day("registered").alias("registered_on"),
        _day("updated").alias("last_updated_on"),
        _day("renewal").alias("next_renewal_on"),
        "registration_number",
        "parent_identifier",
        "ultimate_parent_identifier",
        "company_id",
        pl.col("relation").alias("company_relation"),
        "locator",
        "file_sha256",
        pl.format("https://search.gleif.org/#/record/{}", "identifier").alias("document_url"),
        pl.lit("publisher_bytes" if is_original else "republished_copy").alias("value_origin"),
    )


# Pages of the API


def _json(file: SourceFile) -> dict[str, Any]:
    try:
        content = json.loads(file.path.read_bytes())
    except ValueError as error:
        _fail(file.name, f"the file is no JSON ({error})", _REMEDY)
    if not isinstance(content, dict) or "data" not in content:
        _fail(file.name, "the answer has no records", _REMEDY)
    return content


def _page(file: SourceFile) -> tuple[pl.DataFrame, int, date]:
    content = _json(file)
    try:
        day = date.fromisoformat(content["meta"]["goldenCopy"]["publishDate"][:10])
        rows = [_record(record, f"data[{position}]") for position, record in enumerate(content["data"])]
        return pl.DataFrame(rows, schema=_RAW, strict=True), len(rows), day
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError) as error:
        _fail(file.name, f"the records are not laid out as LEI records ({type(error).__name__}: {error})", _REMEDY)


def _record(record: dict[str, Any], locator: str) -> dict[str, str | None]:
    attributes = record["attributes"]
    entity, registration = attributes["entity"], attributes["registration"]
    named = [*(entity.get("transliteratedOtherNames") or []), *(entity.get("otherNames") or [])]
    other: dict[str, Any] = next((name for name in named if _LATIN.search(name["name"] or "")), {})
    form = entity.get("legalForm") or {}
    # 8888 and 9999 stand for forms without a code: the text then says which it is.
    has_code = form.get("id") not in (None, "8888", "9999")
    return {
        "identifier": attributes["lei"],
        "legal_name": entity["legalName"]["name"] or None,
        "legal_iso2": (entity.get("legalAddress") or {}).get("country"),
        "headquarters_iso2": (entity.get("headquartersAddress") or {}).get("country"),
        "other_name": other.get("name"),
        "other_name_kind": other.get("type"),
        "legal_form": form.get("id") if has_code else form.get("other") or form.get("id"),
        "entity_category": entity.get("category"),
        "jurisdiction": entity.get("jurisdiction"),
        "entity_status": entity.get("status"),
        "registration_status": registration.get("status"),
        "registered": registration.get("initialRegistrationDate"),
        "updated": registration.get("lastUpdateDate"),
        "renewal": registration.get("nextRenewalDate"),
        "registration_number": entity.get("registeredAs"),
        "locator": locator,
    }


def _with_parents(found: pl.DataFrame, parents: dict[str, SourceFile]) -> pl.DataFrame:
    rows = []
    for key, file in parents.items():
        record = _json(file)["data"]
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            _fail(file.name, "the answer is not the record of one parent", _REMEDY)
        rows.append({"identifier": key[:20], "kind": key[20:], "parent": record["id"]})
    schema = {"identifier": pl.String, "kind": pl.String, "parent": pl.String}
    listed = pl.DataFrame(rows, schema=schema)
    for kind, column in (("direct", "parent_identifier"), ("ultimate", "ultimate_parent_identifier")):
        of_kind = listed.filter(kind=kind).select("identifier", pl.col("parent").alias(column))
        found = found.drop(column).join(of_kind, on="identifier", how="left", maintain_order="left")
    return found


# Tables


def _table(file: SourceFile, wanted: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """Rows of the wanted entities of a golden copy (or an extract), and the count of all rows."""
    try:
        with TemporaryDirectory() as folder:
            scan, prefix = _scan(file, Path(folder))
            names = scan.collect_schema().names()
            missing = [_TABLE[key] for key in _REQUIRED if _TABLE[key] not in names]
            if missing:
                _fail(file.name, f"the table lacks {', '.join(missing)}", _REMEDY)
            held = {key: name for key, name in _TABLE.items() if name in names}
            shaped = scan.with_row_index("_row", offset=1).select(
                *(_cell(name).alias(key) for key, name in held.items()),
                pl.format(f"{prefix}row {{}}", "_row").alias("locator"),
            )
            count = int(scan.select(pl.len()).collect().item())
            known = pl.col("identifier").is_in(list(wanted))
            is_odd = ~pl.col("identifier").str.contains("^[0-9A-Z]{18}[0-9]{2}$").fill_null(False)
            rows = shaped.filter(known | is_odd).collect()
    except (pl.exceptions.PolarsError, OSError, csv.Error) as error:
        if isinstance(error, LayoutError):
            raise
        _fail(file.name, f"the table cannot be read ({str(error).splitlines()[0][:200]})", _REMEDY)
    absent = [pl.lit(None, dtype=pl.String).alias(name) for name in _RAW.names() if name not in rows.columns]
    return rows.with_columns(absent).select(_RAW.names()).cast(_RAW), count


def _cell(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def _scan(file: SourceFile, folder: Path) -> tuple[pl.LazyFrame, str]:
    name = file.name.lower()
    if name.endswith(".parquet"):
        return pl.scan_parquet(file.path), ""
    if not name.endswith(".zip"):
        _require_even(file.path, file.name)
        return pl.scan_csv(file.path, infer_schema=False), ""
    try:
        with zipfile.ZipFile(file.path) as archive:
            members = [member for member in archive.namelist() if member.lower().endswith(".csv")]
            if len(members) != 1:
                _fail(file.name, f"the archive holds {len(members)} tables, not one", _REMEDY)
            path = Path(archive.extract(members[0], folder))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        _fail(file.name, f"the archive is damaged ({error})", "Fetch it again.")
    _require_even(path, file.name)
    return pl.scan_csv(path, infer_schema=False), f"{members[0]} "


def _require_even(path: Path, name: str) -> None:
    """Raise LayoutError where a row has another number of cells than the header (the file was cut off)."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as stream:
        widths = map(len, csv.reader(stream))
        first = next(widths, 0)
        for row, width in enumerate(widths, start=1):
            if width not in (first, 0):
                _fail(
                    name,
                    f"row {row} has {width} cells, the header {first}",
                    "It is probably cut off: fetch it again.",
                )


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
