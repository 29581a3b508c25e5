"""Eurostat PRODCOM (DS-059358) to `production_observation`: sold production of division 21, medicines.

Two layouts: SDMX-CSV of the COMEXT service (dimensions freq, reporter, product, indicators), and a table that a third
party made of such answers (a row per year, country and product, with the columns PRODQNT and PRODVAL; behind two
columns of row numbers). In both a confidential cell has no row, while 0 is a published zero. PRODVAL is in euro.
https://ec.europa.eu/eurostat/web/prodcom/methodology

`categories.csv` beside this file holds the texts of the codes, the units of quantities, and what followed what.
"""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import NoReturn

import polars as pl

from ingest import areas, sdmx
from ingest.celltext import half_width
from ingest.csv_rows import require_even_rows
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
# Codes beside ISO 3166-1 alpha-2; the total of the Union is the sum that Eurostat publishes, estimates included.
_OTHER_CODES = {"EL": "GRC", "UK": "GBR", "XK": "XKX", "EU27_2020": "EUU"}
# Countries of the bundled edition: those whose published production of biologics reaches this in a year.
_KEPT_FROM_EUR = 200e6


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Production by country, code and calendar year: values in euro, quantities where the unit of the code is known.

    Rows of other divisions are counted as `other_division`, of groups of countries as `group_of_countries`,
    quantities of codes without a unit as `quantity_without_unit`, other indicators as `other_indicator`. A row whose
    country, code, year or number cannot be read is rejected. Raises LayoutError for another layout or several files.
    """
    if len(files) != 1:
        _fail(", ".join(file.name for file in files), "one file is one edition", "Give one file at a time.")
    file = files[0]
    content = file.path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    header = content[:2000].decode("utf-8-sig", errors="replace").split("\n", 1)[0]
    table = _read_sdmx(file, content) if header.startswith(("DATAFLOW", "STRUCTURE")) else _read_pivot(file, content)
    judged = _judged(table.cells)
    rule, reason = pl.col("rule"), pl.col("reason")
    dropped = dict(judged["rule"].drop_nulls().value_counts().sort("rule").iter_rows())
    rejected = judged.filter(rule.is_null() & (reason != "")).select(
        pl.lit(TABLE).alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        "locator",
        "reason",
        pl.concat_str(pl.col("year", "reporter", "product", "indicator", "text").fill_null(""), separator=" ").alias(
            "raw"
        ),
    )
    good = judged.filter(rule.is_null() & (reason == ""))
    return Parsed(
        {TABLE: _canonical(good, file, table)},
        rows_read=table.row_count,
        rejected=rejected,
        dropped=dropped,
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
    """Cells as text: `year`, `reporter`, `product`, `indicator`, `text`, `flag`, `locator`."""

    cells: pl.DataFrame
    row_count: int
    published_on: date | None
    value_origin: str


def _read_sdmx(file: SourceFile, content: bytes) -> _Table:
    with tempfile.NamedTemporaryFile(suffix=".csv") as plain:
        plain.write(content)
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
    return _Table(
        cells.select(
            pl.col("TIME_PERIOD").alias("year"),
            "reporter",
            "product",
            pl.col("indicators").alias("indicator"),
            pl.col(sdmx.VALUE).cast(pl.String).alias("text"),
            (pl.col(flag) if flag else pl.lit(None, dtype=pl.String)).alias("flag"),
            "locator",
        ),
        cells.height,
        message.prepared.date() if message.prepared else None,
        "publisher_bytes",
    )


def _read_pivot(file: SourceFile, content: bytes) -> _Table:
    require_even_rows(content, file.name)
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the table cannot be read as CSV ({str(error).splitlines()[0]})", _FETCH)
    numbered = {"", "Unnamed: 0", "column_1"}
    named = [column for column in frame.columns if column not in numbered]
    if sorted(named) != sorted(_PIVOT):
        found = ", ".join(column[:30] for column in named[:8])
        _fail(file.name, f"the columns are {found}; {', '.join(_PIVOT)} are expected", _FETCH)
    if not content.endswith(b"\n"):
        _fail(file.name, "the last line does not end: the file is cut off", "Fetch it again.")
    frame = frame.with_row_index("line", offset=2)
    is_blank = pl.all_horizontal(pl.col(_PIVOT).fill_null("").str.strip_chars() == "")
    rows = frame.filter(~is_blank)
    if not rows.height:
        _fail(file.name, "no row follows the header", "Fetch it again.")
    cells = rows.unpivot(
        [_VALUE, _QUANTITY],
        index=["line", "TIME_PERIOD", "reporter", "product"],
        variable_name="indicator",
        value_name="text",
    ).select(
        pl.col("TIME_PERIOD").alias("year"),
        "reporter",
        "product",
        "indicator",
        "text",
        pl.lit(None, dtype=pl.String).alias("flag"),
        pl.format("line {} column {}", "line", "indicator").alias("locator"),
    )
    # A cell that the answer did not hold is empty in the table; it is no row here either.
    held = cells.filter(pl.col("text").fill_null("").str.strip_chars() != "")
    return _Table(held, rows.height, None, "republished_copy")


def _judged(cells: pl.DataFrame) -> pl.DataFrame:
    """Cells with country, category, `rule` (why they are left out) and `reason` (why they cannot be used)."""
    names = ("year", "reporter", "product", "indicator", "text")
    cells = cells.with_columns(half_width(pl.col(names)).str.strip_chars().replace("", None))
    frame = cells.join(_areas(), on="reporter", how="left", maintain_order="left").join(
        categories(), left_on="product", right_on="category_code", how="left", maintain_order="left"
    )
    is_code = pl.col("product").str.contains(r"^[0-9]{8}$").fill_null(False)
    is_suppressed = pl.col("text").is_null() & pl.col("flag").str.contains("(?i)c").fill_null(False)
    rule = (
        pl.when(is_code & ~pl.col("product").str.starts_with(_DIVISION))
        .then(pl.lit("other_division"))
        .when(pl.col("kind") == areas.AGGREGATE)
        .then(pl.lit("group_of_countries"))
        .when(~pl.col("indicator").is_in([_VALUE, _QUANTITY]))
        .then(pl.lit("other_indicator"))
        .when(is_code & (pl.col("indicator") == _QUANTITY) & pl.col("quantity_unit").is_null())
        .then(pl.lit("quantity_without_unit"))
    )
    checks = {
        "the product is no PRODCOM code of eight digits": ~is_code,
        "the country is not known": pl.col("kind").is_null(),
        "the year has not four digits": ~pl.col("year").str.contains(r"^(19|20)[0-9]{2}$").fill_null(False),
        "the value is no number": ~(pl.col("text").str.contains(_NUMBER).fill_null(False) | is_suppressed),
    }
    reasons = [pl.when(condition).then(pl.lit(text)) for text, condition in checks.items()]
    return frame.with_columns(
        rule.alias("rule"), pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason")
    )


def _areas() -> pl.DataFrame:
    """Reporters (`reporter`) with their country or group (`country_iso3`, `kind`)."""
    iso = areas.iso2_to_iso3().rename({"iso2": "reporter", "iso3": "country_iso3"})
    others = pl.DataFrame({"reporter": list(_OTHER_CODES), "country_iso3": list(_OTHER_CODES.values())})
    countries = pl.concat([iso.filter(~pl.col("reporter").is_in(list(_OTHER_CODES))), others]).with_columns(
        pl.lit(areas.COUNTRY).alias("kind")
    )
    groups = areas.kinds("eurostat").filter(
        (pl.col("kind") == areas.AGGREGATE) & ~pl.col("code").is_in(list(_OTHER_CODES))
    )
    return pl.concat(
        [countries, groups.select(pl.col("code").alias("reporter"), pl.col("code").alias("country_iso3"), "kind")]
    )


def _canonical(cells: pl.DataFrame, file: SourceFile, table: _Table) -> pl.DataFrame:
    year = pl.col("year").cast(pl.Int32)
    flag = pl.col("flag").fill_null("").str.to_lowercase()
    dotted = pl.concat_str([pl.col("product").str.slice(2 * place, 2) for place in range(4)], separator=".")
    notes = pl.concat_list(
        "note",
        pl.when(pl.col("category_name").is_null()).then(pl.lit("The text of the code is not in the list at hand.")),
    ).list.drop_nulls()
    return cells.select(
        "country_iso3",
        pl.lit("PRODCOM").alias("category_scheme"),
        pl.col("product").alias("category_code"),
        pl.coalesce("category_name", dotted).alias("category_name"),
        pl.lit("production").alias("measure"),
        pl.date(year, 1, 1).alias("period_start"),
        pl.date(year, 12, 31).alias("period_end"),
        pl.lit("calendar_year").alias("period_basis"),
        pl.col("text").cast(pl.Float64).alias("value"),
        pl.when(pl.col("indicator") == _VALUE).then(pl.lit("EUR")).otherwise("quantity_unit").alias("unit"),
        "locator",
        pl.lit(file.sha256).alias("file_sha256"),
        pl.when(pl.col("text").is_null())
        .then(pl.lit("suppressed"))
        .when(flag.str.contains("[es]"))
        .then(pl.lit("estimated"))
        .when(flag.str.contains("p"))
        .then(pl.lit("provisional"))
        .otherwise(pl.lit("reported"))
        .alias("status"),
        pl.lit(table.value_origin).alias("value_origin"),
        flag.str.contains("b").alias("series_break"),
        pl.col("flag").alias("publisher_flags"),
        pl.when(notes.list.len() > 0).then(notes.list.join(" ")).alias("note"),
    )


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
