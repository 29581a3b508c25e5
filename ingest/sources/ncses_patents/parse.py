"""NCSES tables of patents by country and technical field to `patent_count`.

Third parties' CSV copies of the Statistics Explorer, one table per file, recognised by `table_id`. The copy has lost
the headings of the columns: each economy stands in 24 consecutive rows, first its income group, then the years 1998
to 2020 in order, as the tables' titles say. https://ncses.nsf.gov/indicators
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NoReturn

import polars as pl

from ingest import areas
from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

_HEADER = ("table_id", "row_id", "time_period", "value")
_YEARS = range(1998, 2021)
_BLOCK = 1 + len(_YEARS)
_INCOME_GROUPS = ("na", "High", "Upper middle", "Lower middle", "Low")
# How a table counts, and the field of WIPO's 35 that it is about (_T: all).
_TABLES = {
    "5820": ("family_granted", "_T", "All technical fields"),
    "5835": ("family_granted", "15", "Biotechnology"),
    "5836": ("family_granted", "16", "Pharmaceuticals"),
    "5874": ("uspto_granted", "15", "Biotechnology"),
    "5875": ("uspto_granted", "16", "Pharmaceuticals"),
}
_GROUPS = {
    **{"World": "WLD", "North America": "north_america", "South America": "south_america", "Europe": "europe"},
    **{"Central America and Caribbean": "central_america_caribbean", "EU-27 + UK": "eu27_uk", "EU-27": "EUU"},
    **{"Other Europe": "other_europe", "Other Europe-2020": "other_europe_2020", "Asia": "asia"},
    **{"Middle East": "middle_east", "Africa": "africa", "Australia and Oceania": "oceania"},
    "Unclassified": "unclassified",
}
_FETCH = "Fetch it again; if the copy changed its layout, the parser must follow."

# Countries of the bundled edition beside the world: those that reports on the industry compare.
_BUNDLED = (
    *("WLD", "AUS", "AUT", "BEL", "CAN", "CHE", "CHN", "DEU", "DNK", "ESP", "FRA", "GBR", "IND", "IRL", "ISR"),
    *("ITA", "JPN", "KOR", "NLD", "SGP", "SWE", "TWN", "USA"),
)


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of one table: patents per economy and year, fractional counts as printed.

    Left out and counted: the row of the income group (`income_group`). Rejected: economies that are neither a country
    of the vocabulary nor a known group, and cells without a number. Raises LayoutError for a table that is not
    supported, and where an economy does not stand in 24 consecutive rows that begin with its income group.
    """
    if len(files) != 1:
        _fail(", ".join(file.name for file in files), "one table is one edition", "Give one file at a time.")
    file = files[0]
    frame = _read(file)
    count_kind, field_code, field_name = _TABLES[frame["table_id"][0]]
    _require_blocks(frame, file)
    name = pl.col("time_period").str.split(" -> ").list.last().str.replace(r"<sup>\w+</sup>$", "")
    cells = frame.with_columns(name.alias("entity_name")).filter(pl.col("position") > 0)
    iso3 = (
        pl.col("entity_name").str.to_lowercase().replace_strict(areas.names(), default=None, return_dtype=pl.String)
    )
    group = pl.col("entity_name").replace_strict(_GROUPS, default=None, return_dtype=pl.String)
    judged = cells.with_columns(
        pl.coalesce(group, iso3).alias("entity_code"),
        pl.when(group.is_not_null()).then(pl.lit("aggregate")).otherwise(pl.lit("country")).alias("entity_kind"),
        (pl.col("position") + (_YEARS.start - 1)).alias("year"),
        pl.col("value").str.replace_all(",", "").cast(pl.Float64, strict=False).alias("number"),
        pl.format("line {}", "line").alias("locator"),
        pl.col("value").fill_null("an empty cell").alias("printed"),
    ).with_columns(
        pl.when(pl.col("entity_code").is_null())
        .then(pl.format("{} is neither a country of the vocabulary nor a known group", "entity_name"))
        .when(pl.col("number").is_null() | ~pl.col("number").is_finite() | (pl.col("number") < 0))
        .then(pl.format("{} is no count of patents", "printed"))
        .alias("reason"),
        pl.format("{} {}: {}", "entity_name", "year", "printed").alias("raw"),
    )
    rows = judged.filter(pl.col("reason").is_null()).select(
        "entity_kind",
        "entity_code",
        "entity_name",
        pl.lit(count_kind).alias("count_kind"),
        pl.lit("wipo_35").alias("field_scheme"),
        pl.lit(field_code).alias("field_code"),
        pl.lit(field_name).alias("field_name"),
        pl.date("year", 1, 1).alias("period_start"),
        pl.date("year", 12, 31).alias("period_end"),
        pl.col("number").alias("value"),
        pl.lit("republished_copy").alias("value_origin"),
        pl.lit(file.sha256).alias("file_sha256"),
        "locator",
    )
    rejected = judged.filter(pl.col("reason").is_not_null()).select(
        pl.lit("patent_count").alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        "locator",
        "reason",
        "raw",
    )
    return Parsed(
        {"patent_count": rows},
        rows_read=frame.height,
        rejected=rejected,
        dropped={"income_group": frame.height // _BLOCK},
        published_on=file.published_on,
        partition=f"{count_kind}, {field_name}",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The world and 22 countries; other countries and regions are left out."""
    return {"patent_count": tables["patent_count"].filter(pl.col("entity_code").is_in(_BUNDLED))}


def _read(file: SourceFile) -> pl.DataFrame:
    content = file.path.read_bytes()
    require_even_rows(content, file.name)
    # The last column is the figure: without the end of its line, it may lack digits.
    if not content.endswith(b"\n"):
        _fail(file.name, "the last line does not end: the file is cut off", "Fetch it again.")
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the table cannot be read ({str(error).splitlines()[0]})", _FETCH)
    if tuple(frame.columns) != _HEADER:
        _fail(file.name, f"the header is {', '.join(frame.columns)} and not {', '.join(_HEADER)}", _FETCH)
    ids = frame["table_id"].unique().to_list()
    if len(ids) != 1:
        _fail(file.name, f"the file holds {len(ids)} tables (column table_id), one is expected", _FETCH)
    if ids[0] not in _TABLES:
        _fail(
            file.name,
            f"table {ids[0]} is not supported",
            f"Supported are {', '.join(_TABLES)}; another field needs an entry in the parser.",
        )
    return frame.with_row_index("line", offset=2).with_columns(
        (pl.int_range(pl.len()) % _BLOCK).cast(pl.Int32).alias("position"),
        (pl.int_range(pl.len()) // _BLOCK).alias("block"),
    )


def _require_blocks(frame: pl.DataFrame, file: SourceFile) -> None:
    """Every economy stands in one block, numbered without gaps, that begins with an income group."""
    if frame.height % _BLOCK:
        _fail(file.name, f"{frame.height} rows are not a multiple of {_BLOCK} (income group and 23 years)", _FETCH)
    number = pl.col("row_id").str.extract(r"^r([0-9]+)$").cast(pl.Int64, strict=False)
    odd = frame.filter(number.is_null() | (number != pl.col("line") - 1))
    mixed = frame.filter(pl.col("time_period").is_null() | (pl.col("time_period").n_unique().over("block") > 1))
    again = frame.filter(pl.col("block").n_unique().over("time_period") > 1)
    headless = frame.filter((pl.col("position") == 0) & ~pl.col("value").is_in(_INCOME_GROUPS))
    for wrong, problem in (
        (odd, "row_id does not number the rows without gaps"),
        (mixed, f"an economy does not stand in {_BLOCK} consecutive rows"),
        (again, "an economy stands in two places"),
        (headless, "an economy does not begin with its income group, so that the years cannot be told"),
    ):
        if wrong.height:
            raise LayoutError(problem, file=file.name, row=int(wrong["line"][0]), remedy=_FETCH)


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
