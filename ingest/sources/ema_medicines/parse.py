"""EMA medicines table to one row per medicine for people, in three layouts.

The workbook of the years to 2023 has its header in row 9 and dates as text (2018) or Excel dates (later); that of
2024 has other columns; the JSON file has the columns of 2024 under other names. The agency describes them at
https://www.ema.europa.eu/en/about-us/about-website/download-website-data-json-data-format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import fastexcel
import polars as pl

from ingest import biologics
from ingest.errors import LayoutError
from ingest.product_lists import joined, normal, only, rejected
from ingest.source import Parsed, SourceFile

# Our name of a column, by the name in each layout. What the layouts have beside these is not read.
_TO_2023 = {
    "Category": "category",
    "Medicine name": "name",
    "International non-proprietary name (INN) / common name": "inn",
    "Active substance": "substance",
    "Product number": "number",
    "Authorisation status": "status",
    "ATC code": "atc",
    "Generic": "generic",
    "Biosimilar": "biosimilar",
    "Conditional approval": "conditional",
    "Exceptional circumstances": "exceptional",
    "Accelerated assessment": "accelerated",
    "Orphan medicine": "orphan",
    "Marketing authorisation date": "authorised",
    "Marketing authorisation holder/company name": "holder",
    "URL": "url",
}
_SINCE_2024 = {
    "Category": "category",
    "Name of medicine": "name",
    "International non-proprietary name (INN) / common name": "inn",
    "Active substance": "substance",
    "EMA product number": "number",
    "Medicine status": "status",
    "ATC code (human)": "atc",
    "Generic or hybrid": "generic",
    "Biosimilar": "biosimilar",
    "Conditional approval": "conditional",
    "Exceptional circumstances": "exceptional",
    "Accelerated assessment": "accelerated",
    "Orphan medicine": "orphan",
    "Advanced therapy": "atmp",
    "PRIME: priority medicine": "prime",
    "Marketing authorisation date": "authorised",
    "Withdrawal / expiry / revocation / lapse of marketing authorisation date": "ended",
    "Marketing authorisation developer / applicant / holder": "holder",
    "Medicine URL": "url",
}
_JSON = {
    "category": "category",
    "name_of_medicine": "name",
    "international_non_proprietary_name_common_name": "inn",
    "active_substance": "substance",
    "ema_product_number": "number",
    "medicine_status": "status",
    "atc_code_human": "atc",
    "generic": "generic",
    "biosimilar": "biosimilar",
    "conditional_approval": "conditional",
    "exceptional_circumstances": "exceptional",
    "accelerated_assessment": "accelerated",
    "orphan_medicine": "orphan",
    "advanced_therapy": "atmp",
    "prime_priority_medicine": "prime",
    "marketing_authorisation_date": "authorised",
    "withdrawal_expiry_revocation_lapse_of_marketing_authorisation_date": "ended",
    "marketing_authorisation_developer_applicant_holder": "holder",
    "medicine_url": "url",
}
_MARKS = ("generic", "biosimilar", "conditional", "exceptional", "accelerated", "orphan", "atmp", "prime")
_DATES = ("authorised", "ended")
_BANNER_ROWS = 20
_GENERATED = re.compile(r"(\d\d)/(\d\d)/(\d{4})")
_ENTITIES = {
    "&nbsp;": " ",
    "&quot;": '"',
    "&#039;": "'",
    "&#39;": "'",
    "&lt;": "<",
    "&gt;": ">",
    "&amp;": "&",
}


@dataclass(frozen=True)
class _Table:
    rows: pl.DataFrame
    """Our columns as text, empty cells null, and `locator`."""
    listed_on: date


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Medicines for people as `product_identity` (market EUU); one workbook or JSON file.

    The list is dated by the day on which the agency generated it. `approval_kind` is given where a day of
    authorisation stands. Medicines for animals are dropped and counted; rows of another category, without number or
    name, with a mark that is neither yes nor no, or with a date that cannot be read are rejected. Raises LayoutError
    where a column is missing, the day of the list is not told, or the JSON holds fewer records than it says.
    """
    file = only(files)
    with file.path.open("rb") as stream:
        is_workbook = stream.read(2) == b"PK"
    table = _workbook(file) if is_workbook else _json(file)
    absent = [pl.lit(None, dtype=pl.String).alias(n) for n in (*_MARKS, *_DATES) if n not in table.rows.columns]
    rows = (
        table.rows.with_columns(absent)
        .with_columns(
            *(_yes(pl.col(name)).alias(f"is_{name}") for name in _MARKS),
            *(_day(pl.col(name)).alias(f"{name}_on") for name in _DATES),
        )
        .with_columns(_reason=_reasons())
    )
    is_animal = (pl.col("category").str.to_lowercase() == "veterinary").fill_null(value=False)
    human = rows.filter(~is_animal)
    bad = human.filter(pl.col("_reason") != "")
    raw = pl.concat_str("category", "number", "name", "status", *_DATES, separator="|", ignore_nulls=True)
    return Parsed(
        {"product_identity": _canonical(human.filter(pl.col("_reason") == ""), file, table.listed_on)},
        rows_read=rows.height,
        rejected=rejected(bad.select("locator", "_reason", raw.alias("raw")), file, "product_identity"),
        dropped={"veterinary_medicine": rows.height - human.height} if rows.height > human.height else {},
        published_on=table.listed_on,
    )


def _workbook(file: SourceFile) -> _Table:
    try:
        workbook = fastexcel.read_excel(file.path)
        # The sheet may claim thousands of empty columns: the header decides which are read.
        name = workbook.sheet_names[0]
        top = workbook.load_sheet(0, header_row=None, skip_rows=0, n_rows=_BANNER_ROWS, dtypes="string").to_polars()
    except fastexcel.FastExcelError as error:
        raise LayoutError(
            f"the workbook cannot be read ({str(error).splitlines()[0]})", file=file.name, remedy="Fetch it again."
        ) from error
    header_row = next(
        (i for i, row in enumerate(top.iter_rows()) if {"Category", "Active substance"} <= {*row}), None
    )
    if header_row is None:
        raise LayoutError(
            f"none of the first {_BANNER_ROWS} rows is a header with Category and Active substance",
            file=file.name,
            sheet=name,
            remedy="Check that it is the table of medicines; if the agency moved the header, the parser must follow.",
        )
    header = [" ".join(cell.split()) if cell else "" for cell in top.row(header_row)]
    layout = _TO_2023 if "Medicine name" in header else _SINCE_2024
    _require(layout, header, file, sheet=name, row=header_row + 1)
    banner = " ".join(cell for row in top.head(header_row).iter_rows() for cell in row if cell)
    positions = [header.index(column) for column in layout]
    frame = workbook.load_sheet(
        0, header_row=None, skip_rows=header_row + 1, use_columns=sorted(positions), dtypes="string"
    ).to_polars()
    ours = [layout[header[position]] for position in sorted(positions)]
    frame = frame.rename(dict(zip(frame.columns, ours, strict=True))).select(
        *ours,
        pl.format(f"sheet {name} row {{}}", pl.int_range(header_row + 2, pl.len() + header_row + 2)).alias("locator"),
    )
    return _Table(_text(frame), _generated(banner, file, name))


def _json(file: SourceFile) -> _Table:
    try:
        content = json.loads(file.path.read_bytes())
    except ValueError as error:
        raise LayoutError(
            f"the JSON is cut off or malformed ({error})", file=file.name, remedy="Fetch it again."
        ) from error
    records = content.get("data") if isinstance(content, Mapping) else None
    meta = content.get("meta") if isinstance(content, Mapping) else None
    if not isinstance(records, list) or not records or not all(isinstance(r, Mapping) for r in records):
        raise LayoutError(
            "the JSON holds no list of medicines under `data`",
            file=file.name,
            remedy="The service may have sent an error: fetch it again; else the parser must follow.",
        )
    meta = meta if isinstance(meta, Mapping) else {}
    total = meta.get("total_records", len(records))
    if total != len(records):
        raise LayoutError(
            f"the file says that it holds {total} records, and holds {len(records)}",
            file=file.name,
            remedy="It is cut off: fetch it again.",
        )
    columns = list(dict.fromkeys(key for record in records for key in record))
    _require(_JSON, columns, file)
    frame = pl.DataFrame(
        {ours: [record.get(theirs) for record in records] for theirs, ours in _JSON.items()},
        schema=dict.fromkeys(_JSON.values(), pl.String),
        strict=False,
    ).with_columns(locator=pl.format("data[{}]", pl.int_range(pl.len())))
    try:
        listed_on = date.fromisoformat(str(meta.get("timestamp"))[:10])
    except ValueError as error:
        raise LayoutError(
            "meta.timestamp does not tell the day of the list",
            file=file.name,
            remedy="Fetch it again; if the agency renamed the field, the parser must follow.",
        ) from error
    return _Table(_text(frame), listed_on)


def _require(
    layout: Mapping[str, str],
    header: Sequence[str],
    file: SourceFile,
    *,
    sheet: str | None = None,
    row: int | None = None,
) -> None:
    missing = [name for name in layout if name not in header]
    repeated = [name for name in layout if header.count(name) > 1]
    if missing or repeated:
        raise LayoutError(
            "the header "
            + " and ".join(
                part
                for part in (
                    f"lacks {', '.join(missing)}" if missing else "",
                    f"repeats {', '.join(repeated)}" if repeated else "",
                )
                if part
            ),
            file=file.name,
            sheet=sheet,
            row=row,
            remedy="Compare it with the layouts in the parser, and add one if the agency changed the columns.",
        )


def _generated(banner: str, file: SourceFile, sheet: str) -> date:
    match = _GENERATED.search(banner)
    try:
        day, month, year = (int(part) for part in match.groups()) if match else (0, 0, 0)
        return date(year, month, day)
    except ValueError as error:
        raise LayoutError(
            "the rows above the header do not tell when the list was generated",
            file=file.name,
            sheet=sheet,
            remedy="Use the agency's file as downloaded.",
        ) from error


def _text(frame: pl.DataFrame) -> pl.DataFrame:
    """Text with entities resolved and single blanks; rows that hold nothing are left out."""
    columns = [name for name in frame.columns if name != "locator"]
    return frame.with_columns(
        normal(pl.col(columns).str.replace_many(list(_ENTITIES), list(_ENTITIES.values())))
    ).filter(pl.any_horizontal(pl.col(columns).is_not_null()))


def _yes(value: pl.Expr) -> pl.Expr:
    return value.str.to_lowercase().replace_strict({"yes": True, "no": False}, default=None, return_dtype=pl.Boolean)


def _day(value: pl.Expr) -> pl.Expr:
    """A day as dd/mm/yyyy, or as the ISO date to which an Excel date is converted."""
    return pl.coalesce(
        value.str.to_date("%d/%m/%Y", strict=False),
        value.str.extract(r"^(\d{4}-\d\d-\d\d)(?: \d\d:\d\d:\d\d(?:\.\d+)?)?$").str.to_date("%Y-%m-%d", strict=False),
    )


def _reasons() -> pl.Expr:
    checks = [pl.when(pl.col(name).is_null()).then(pl.lit(f"the {name} is empty")) for name in ("number", "name")]
    checks.append(
        pl.when((pl.col("category").str.to_lowercase() != "human").fill_null(value=True)).then(
            pl.format("the category is neither Human nor Veterinary: {}", pl.col("category").fill_null("(empty)"))
        )
    )
    checks.append(
        pl.when(pl.col("number").str.contains(r"^[A-Z]+(/[A-Z0-9-]+)+$").not_()).then(
            pl.format("the product number is none: {}", "number")
        )
    )
    checks += [
        pl.when(pl.col(name).is_not_null() & pl.col(f"is_{name}").is_null()).then(
            pl.format(f"the mark {name} is neither yes nor no: {{}}", name)
        )
        for name in _MARKS
    ]
    checks += [
        pl.when(pl.col(name).is_not_null() & pl.col(f"{name}_on").is_null()).then(
            pl.format(f"the date {name} cannot be read: {{}}", name)
        )
        for name in _DATES
    ]
    return pl.concat_str(checks, separator="; ", ignore_nulls=True)


def _canonical(rows: pl.DataFrame, file: SourceFile, listed_on: date) -> pl.DataFrame:
    def mark(name: str, words: str) -> pl.Expr:
        return pl.when(pl.col(f"is_{name}")).then(pl.lit(words))

    kind = (
        pl.when(pl.col("authorised_on").is_null())
        .then(None)
        .when(pl.col("is_conditional"))
        .then(pl.lit("conditional"))
        .when(pl.col("is_exceptional"))
        .then(pl.lit("exceptional"))
        .when(pl.col("is_conditional").is_not_null() & pl.col("is_exceptional").is_not_null())
        .then(pl.lit("full"))
    )
    return rows.select(
        pl.lit("EMA").alias("agency"),
        pl.lit("ema_medicines").alias("list_name"),
        pl.col("number").alias("licence_number"),
        pl.lit(listed_on).alias("listed_on"),
        pl.col("name").alias("brand_name"),
        pl.coalesce("inn", "substance").alias("ingredient_name"),
        pl.col("holder").alias("holder_name"),
        pl.lit("EUU").alias("market_iso3"),
        joined(
            mark("atmp", "Advanced therapy"),
            mark("biosimilar", "Biosimilar"),
            pl.format("ATC {}", "atc"),
            separator=", ",
        ).alias("modality_evidence"),
        pl.col("authorised_on").alias("approved_on"),
        pl.col("is_generic"),
        kind.alias("approval_kind"),
        pl.col("is_biosimilar"),
        pl.col("is_orphan"),
        pl.col("is_atmp"),
        joined(
            pl.col("status"),
            mark("conditional", "Conditional approval"),
            mark("exceptional", "Exceptional circumstances"),
            mark("accelerated", "Accelerated assessment"),
            mark("prime", "PRIME"),
            separator=",",
        ).alias("publisher_flags"),
        pl.format("authorisation ended {}", pl.col("ended_on").cast(pl.String)).alias("note"),
        pl.col("url").alias("document_url"),
        pl.lit(file.sha256).alias("file_sha256"),
        "locator",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Biosimilars, advanced therapies, and medicines whose substance is a biologic by the vocabulary or its name."""
    is_biologic = biologics.comparable(pl.col("ingredient_name")).is_in(biologics.aliases("inn"))
    is_named = biologics.has_biologic_stem(pl.col("ingredient_name"))
    marked = pl.col("is_biosimilar").fill_null(value=False) | pl.col("is_atmp").fill_null(value=False)
    # The address is the agency's page of the medicine; the number leads there too.
    kept = tables["product_identity"].filter(marked | is_named | is_biologic.fill_null(value=False))
    return {"product_identity": kept.with_columns(document_url=pl.lit(None, dtype=pl.String))}
