"""Eurostat PRODCOM (DS-059358) to `production_observation`: sold production of division 21, medicines.

Two layouts: SDMX-CSV of the COMEXT service (dimensions freq, reporter, product, indicators), and a table that a third
party made of such answers (a row per year, country and product, with the columns PRODQNT and PRODVAL; behind two
columns of row numbers). In both a confidential cell has no row, while 0 is a published zero. PRODVAL is in euro.
https://ec.europa.eu/eurostat/web/prodcom/methodology

`categories.csv` beside this file holds the texts of the codes, the units of quantities, and what followed what.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import NoReturn

import polars as pl

from ingest import areas, sdmx
from ingest.celltext import half_width
from ingest.csv_rows import BLOCK, even_blocks, unpacked, unpacked_size
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

TABLE = "production_observation"

_FETCH = "Fetch it again; if Eurostat changed the layout, the parser must follow."
_DIVISION = "21"
_FLOW = "DS-059358"
_DIMENSIONS = ("freq", "reporter", "product", "indicators", "TIME_PERIOD")
_PIVOT = ("TIME_PERIOD", "reporter", "product", "PRODQNT", "PRODVAL")
_VALUE, _QUANTITY = "PRODVAL", "PRODQNT"
_NUMBER = r"^[0-9]+(\.[0-9]+)?([eE]\+?[0-9]+)?$"
_OF_PRODUCT = ("category_code", "category_name", "quantity_unit", "note", "is_code")
# Codes beside ISO 3166-1 alpha-2; the total of the Union is the sum that Eurostat publishes, estimates included.
_OTHER_CODES = {"EL": "GRC", "UK": "GBR", "XK": "XKX", "EU27_2020": "EUU"}
# Countries of the bundled edition: those whose published production of biologics reaches this in a year.
_KEPT_FROM_EUR = 200e6


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Production by country, code and calendar year: values in euro, quantities where the unit of the code is known.

    Rows of other divisions are counted as `other_division`, of groups of countries as `group_of_countries`,
    quantities of codes without a unit as `quantity_without_unit`, other indicators as `other_indicator`. A row whose
    country, code, year or number cannot be read is rejected. A large table comes in batches. Raises LayoutError for
    another layout or several files.
    """
    if len(files) != 1:
        _fail(", ".join(file.name for file in files), "one file is one edition", "Give one file at a time.")
    file = files[0]
    with unpacked(file.path, file.name) as stream:
        header = stream.readline(2000).decode("utf-8-sig", errors="replace")
    if header.startswith(("DATAFLOW", "STRUCTURE")):
        return _parsed(_read_sdmx(file), file)
    if unpacked_size(file.path) > BLOCK:
        return Parsed({}, 0, published_on=file.published_on, more=lambda: _pivot_batches(file, BLOCK))
    (whole,) = _pivot_batches(file, -1)
    return whole


def _pivot_batches(file: SourceFile, size: int) -> Iterator[Parsed]:
    line, rows_read = 2, 0
    with unpacked(file.path, file.name) as stream:
        for block in even_blocks(stream, file.name, size):
            frame = _pivot_rows(file, block, line)
            batch = _parsed(_read_pivot(frame), file)
            line += frame.height
            rows_read += batch.rows_read
            yield batch
    if not rows_read:
        _fail(file.name, "no row follows the header", "Fetch it again.")


def _parsed(table: _Table, file: SourceFile) -> Parsed:
    judged = _judged(table.cells)
    is_kept = pl.col("rule").is_null()
    dropped = dict(judged["rule"].drop_nulls().value_counts().iter_rows())
    if table.other_division:
        dropped["other_division"] = table.other_division
    rejected = judged.filter(is_kept & "is_bad").select(
        pl.lit(TABLE).alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        "locator",
        pl.concat_str(
            [pl.when(condition).then(pl.lit(reason)) for reason, condition in _UNUSABLE.items()],
            separator="; ",
            ignore_nulls=True,
        ).alias("reason"),
        pl.concat_str(
            _trimmed(pl.col("year", "reporter", "product", "indicator", "text")).fill_null(""), separator=" "
        ).alias("raw"),
    )
    return Parsed(
        {TABLE: _canonical(judged.filter(is_kept & ~pl.col("is_bad")), file, table)},
        rows_read=table.row_count,
        rejected=rejected,
        dropped=dict(sorted(dropped.items())),
        published_on=table.published_on or file.published_on,
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Codes of biologics, for countries whose published production of them reaches EUR 200 m in some year."""
    codes = categories().filter("is_biologic_related")["category_code"].to_list()
    rows = tables[TABLE].filter(pl.col("category_code").is_in(codes))
    makers = rows.filter((pl.col("unit") == "EUR") & (pl.col("value") >= _KEPT_FROM_EUR))["country_iso3"].unique()
    return {TABLE: rows.filter(pl.col("country_iso3").is_in(makers.to_list()))}


@cache
def categories() -> pl.DataFrame:
    """Texts of PRODCOM codes, units of their quantities, and what followed what; from `categories.csv`."""
    overrides = {"category_code": pl.String, "is_biologic_related": pl.Boolean}
    return pl.read_csv(Path(__file__).with_name("categories.csv"), schema_overrides=overrides)


@dataclass(frozen=True)
class _Table:
    """Cells as text (`year`, `reporter`, `product`, `indicator`, `text`, `flag`), what `_products` tells, `locator`.

    Cells of other divisions, of which such tables have many, are only counted.
    """

    cells: pl.DataFrame
    other_division: int
    row_count: int
    published_on: date | None
    value_origin: str


def _read_sdmx(file: SourceFile) -> _Table:
    with tempfile.NamedTemporaryFile(suffix=".csv") as plain:
        with unpacked(file.path, file.name) as stream:
            shutil.copyfileobj(stream, plain)
        plain.flush()
        message = sdmx.read_csv(Path(plain.name), file.name)
    if tuple(message.dimensions) != _DIMENSIONS:
        _fail(file.name, f"the dimensions are {', '.join(message.dimensions)}", f"Ask for {_FLOW}; {_FETCH}")
    if message.structure is not None and _FLOW not in message.structure.replace("_", "-").upper():
        _fail(file.name, f"the data flow is {message.structure!r}, not {_FLOW}", "Ask for that data flow.")
    if message.rejected.height:
        first = message.rejected["locator"][0]
        _fail(file.name, f"{first} holds no number as {sdmx.VALUE}", _FETCH)
    cells = message.observations
    if other := sorted(set(cells["freq"].drop_nulls()) - {"A"}):
        _fail(file.name, f"the frequency {other[0]} is not annual", "Ask for the frequency A.")
    flag = next((name for name in ("OBS_FLAG", "OBS_STATUS") if name in message.attributes), None)
    categorized = _with_meaning(cells, "product", _products)
    is_other = pl.col("is_other_division")
    return _Table(
        categorized.filter(~is_other).select(
            pl.col("TIME_PERIOD").alias("year"),
            "reporter",
            "product",
            *_OF_PRODUCT,
            _trimmed(pl.col("indicators")).alias("indicator"),
            pl.col(sdmx.VALUE).cast(pl.String).alias("text"),
            (pl.col(flag) if flag else pl.lit(None, dtype=pl.String)).alias("flag"),
            "locator",
        ),
        categorized.filter(is_other).height,
        cells.height,
        message.prepared.date() if message.prepared else None,
        "publisher_bytes",
    )


def _pivot_rows(file: SourceFile, block: bytes, line: int) -> pl.DataFrame:
    """Rows below the header as text with their `line`, of which the first is given."""
    try:
        frame = pl.read_csv(io.BytesIO(block), infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the table cannot be read as CSV ({str(error).splitlines()[0]})", _FETCH)
    numbered = {"", "Unnamed: 0", "column_1"}
    named = [column for column in frame.columns if column not in numbered]
    if sorted(named) != sorted(_PIVOT):
        found = ", ".join(column[:30] for column in named[:8])
        _fail(file.name, f"the columns are {found}; {', '.join(_PIVOT)} are expected", _FETCH)
    if not block.endswith(b"\n"):
        _fail(file.name, "the last line does not end: the file is cut off", "Fetch it again.")
    return frame.select(_PIVOT).with_row_index("line", offset=line)


def _read_pivot(frame: pl.DataFrame) -> _Table:
    blank = frame
    for name in _PIVOT:
        # One after the other: few rows, if any, are left to be looked at after the first.
        blank = blank.filter(pl.col(name).fill_null("").str.strip_chars() == "")
    # A cell that the answer did not hold is empty in the table; it is no row here either.
    rows = _with_meaning(frame.with_columns(_trimmed(pl.col(_VALUE, _QUANTITY))), "product", _products)
    other = rows.filter("is_other_division").select(_VALUE, _QUANTITY)
    cells = (
        rows.filter(~pl.col("is_other_division"))
        .unpivot(
            [_VALUE, _QUANTITY],
            index=["line", "TIME_PERIOD", "reporter", "product", *_OF_PRODUCT],
            variable_name="indicator",
            value_name="text",
        )
        .filter(pl.col("text").is_not_null())
        .select(
            pl.col("TIME_PERIOD").alias("year"),
            "reporter",
            "product",
            *_OF_PRODUCT,
            "indicator",
            "text",
            pl.lit(None, dtype=pl.String).alias("flag"),
            pl.format("line {} column {}", "line", "indicator").alias("locator"),
        )
    )
    held_elsewhere = other.select(pl.sum_horizontal(pl.all().count())).item()
    return _Table(cells, held_elsewhere, frame.height - blank.height, None, "republished_copy")


def _trimmed(text: pl.Expr) -> pl.Expr:
    return half_width(text).str.strip_chars().replace("", None)


# Why a cell cannot be used.
_UNUSABLE = {
    "the product is no PRODCOM code of eight digits": ~pl.col("is_code"),
    "the country is not known": pl.col("kind").is_null(),
    "the year has not four digits": pl.col("period_start").is_null(),
    "the value is no number": ~(
        pl.col("text").str.contains(_NUMBER).fill_null(False) | (pl.col("text").is_null() & pl.col("is_confidential"))
    ),
}


def _judged(cells: pl.DataFrame) -> pl.DataFrame:
    """Cells with what their codes mean, `rule` (why they are left out) and `is_bad` (whether they cannot be used)."""
    for column, meaning in {"year": _years, "reporter": _areas, "flag": _flags}.items():
        cells = _with_meaning(cells, column, meaning)
    rule = (
        pl.when(pl.col("kind") == areas.AGGREGATE)
        .then(pl.lit("group_of_countries"))
        .when(~pl.col("indicator").is_in([_VALUE, _QUANTITY]))
        .then(pl.lit("other_indicator"))
        .when(pl.col("is_code") & (pl.col("indicator") == _QUANTITY) & pl.col("quantity_unit").is_null())
        .then(pl.lit("quantity_without_unit"))
    )
    return cells.with_columns(rule.alias("rule"), pl.any_horizontal(_UNUSABLE.values()).alias("is_bad"))


def _with_meaning(cells: pl.DataFrame, column: str, meaning: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """Cells with what the texts of a column mean: few texts stand in very many cells, and each is read once."""
    texts = cells.select(pl.col(column).unique())
    return cells.join(meaning(texts), on=column, how="left", nulls_equal=True, maintain_order="left")


def _years(texts: pl.DataFrame) -> pl.DataFrame:
    """Texts (`year`) with the first and last day of the year, null for what is none."""
    text = _trimmed(pl.col("year"))
    year = pl.when(text.str.contains(r"^(19|20)[0-9]{2}$")).then(text).cast(pl.Int32)
    return texts.with_columns(pl.date(year, 1, 1).alias("period_start"), pl.date(year, 12, 31).alias("period_end"))


def _areas(texts: pl.DataFrame) -> pl.DataFrame:
    """Texts (`reporter`) with their country or group (`country_iso3`, `kind`)."""
    iso = areas.iso2_to_iso3().rename({"iso2": "code", "iso3": "country_iso3"})
    others = pl.DataFrame({"code": list(_OTHER_CODES), "country_iso3": list(_OTHER_CODES.values())})
    countries = pl.concat([iso.filter(~pl.col("code").is_in(list(_OTHER_CODES))), others]).with_columns(
        pl.lit(areas.COUNTRY).alias("kind")
    )
    groups = areas.kinds("eurostat").filter(
        (pl.col("kind") == areas.AGGREGATE) & ~pl.col("code").is_in(list(_OTHER_CODES))
    )
    known = pl.concat([countries, groups.select("code", pl.col("code").alias("country_iso3"), "kind")])
    return (
        texts.with_columns(_trimmed(pl.col("reporter")).alias("code")).join(known, on="code", how="left").drop("code")
    )


def _products(texts: pl.DataFrame) -> pl.DataFrame:
    """Texts (`product`) with the category that each is the code of, if it is one (`is_code`)."""
    code = pl.col("category_code")
    is_code = code.str.contains(r"^[0-9]{8}$").fill_null(False)
    dotted = pl.concat_str([code.str.slice(2 * place, 2) for place in range(4)], separator=".")
    is_unknown = pl.col("category_name").is_null()
    unknown = pl.when(is_unknown).then(pl.lit("The text of the code is not in the list at hand."))
    return (
        texts.with_columns(_trimmed(pl.col("product")).alias("category_code"))
        .join(categories(), on="category_code", how="left")
        .select(
            "product",
            "category_code",
            pl.coalesce("category_name", dotted).alias("category_name"),
            "quantity_unit",
            pl.concat_str("note", unknown, separator=" ", ignore_nulls=True).replace("", None).alias("note"),
            is_code.alias("is_code"),
            (is_code & ~code.str.starts_with(_DIVISION)).alias("is_other_division"),
        )
    )


def _flags(texts: pl.DataFrame) -> pl.DataFrame:
    """Texts (`flag`) with what they say of a figure."""
    flag = pl.col("flag").fill_null("").str.to_lowercase()
    return texts.with_columns(
        flag.str.contains("c").alias("is_confidential"),
        pl.when(flag.str.contains("[es]"))
        .then(pl.lit("estimated"))
        .when(flag.str.contains("p"))
        .then(pl.lit("provisional"))
        .otherwise(pl.lit("reported"))
        .alias("status"),
        flag.str.contains("b").alias("series_break"),
    )


def _canonical(cells: pl.DataFrame, file: SourceFile, table: _Table) -> pl.DataFrame:
    return cells.select(
        "country_iso3",
        pl.lit("PRODCOM").alias("category_scheme"),
        "category_code",
        "category_name",
        pl.lit("production").alias("measure"),
        "period_start",
        "period_end",
        pl.lit("calendar_year").alias("period_basis"),
        pl.col("text").cast(pl.Float64).alias("value"),
        pl.when(pl.col("indicator") == _VALUE).then(pl.lit("EUR")).otherwise("quantity_unit").alias("unit"),
        "locator",
        pl.lit(file.sha256).alias("file_sha256"),
        pl.when(pl.col("text").is_null()).then(pl.lit("suppressed")).otherwise("status").alias("status"),
        pl.lit(table.value_origin).alias("value_origin"),
        "series_break",
        pl.col("flag").alias("publisher_flags"),
        "note",
    )


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
