"""World Bank WDI tables to `rnd_observation` (R&D share of GDP) and `reference_rate` (PPP, deflators, GDP per head).

Four layouts:

* the publisher's CSV download, in its zip archive or taken out of it: byte order mark, `Data Source`, a blank line,
  `Last Updated Date`, a blank line, the header in line 5, one row per area and indicator, years across, a comma at
  the end of every row;
* the answers of the API in JSON, one file per page: `[{page, pages, lastupdated ...}, [{indicator, country,
  countryiso3code, date, value ...}]]`;
* the same body as the CSV download's without the lines above the header, as third parties keep it;
* a long table `Country,Country ID,Year,PPP` with ISO 3166-1 alpha-2 codes (PA.NUS.PPP only), likewise a copy.

The copies carry no date of the publisher's: their editions are dated by whoever loads them. Indicators:
https://data.worldbank.org/indicator
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from itertools import islice
from typing import Any, NoReturn

import polars as pl

from ingest import areas, vocabulary
from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile


@dataclass(frozen=True)
class _Series:
    """What an indicator becomes: value divided by `divisor`, in `unit`."""

    table: str
    code: str
    unit: str
    divisor: float = 1.0


_INDICATORS = {
    "GB.XPD.RSDV.GD.ZS": _Series("rnd_observation", "gerd_gdp_share", "share", 100),
    "PA.NUS.PPP": _Series("reference_rate", "ppp_gdp", "LCU per international dollar"),
    "NY.GDP.DEFL.ZS": _Series("reference_rate", "gdp_deflator_index", "index, base year of the country"),
    "NY.GDP.DEFL.KD.ZG": _Series("reference_rate", "gdp_deflator_growth", "share per year", 100),
    "NY.GDP.PCAP.CD": _Series("reference_rate", "gdp_per_capita_usd", "USD per person"),
    "SP.POP.TOTL": _Series("reference_rate", "population", "persons"),
}
_WIDE = ("Country Name", "Country Code", "Indicator Name", "Indicator Code")
_LONG = ("Country", "Country ID", "Year", "PPP")
_FETCH = "Fetch it again; if the layout has changed, the parser must follow."

# The bundled edition: countries for which business R&D by industry is published, and the OECD's members as a group.
_BUNDLED_AREAS = (
    *("AUS", "AUT", "BEL", "BGR", "CAN", "CHE", "CHL", "CHN", "CZE", "DEU", "DNK", "ESP", "EST", "FIN", "FRA", "GBR"),
    *("GRC", "HRV", "HUN", "IRL", "ISL", "ISR", "ITA", "JPN", "KOR", "LTU", "LVA", "MEX", "NLD", "NOR", "POL", "PRT"),
    *("ROU", "SGP", "SVK", "SVN", "SWE", "TUR", "TWN", "USA", "OED"),
)
_BUNDLED_FROM = date(1995, 1, 1)
_HEAD_BYTES = 4096


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of one indicator, the partition that an edition renews; shares as fractions of one.

    Empty cells are counted as `empty_cell`, rows of indicators that are not taken as `indicator_not_declared`; a
    cell that holds no number and an area that is neither a country nor a known group are rejected. Raises
    LayoutError for another layout, a file that is cut off, no indicator that is taken, or several.
    """
    file = files[0]
    if all(_is_json(part) for part in files):
        layout = _read_pages(files)
    elif len(files) == 1:
        layout = _read(file)
    else:
        _fail(
            ", ".join(part.name for part in files),
            "one file is one edition, unless all are pages of one JSON answer",
            "Give one file at a time, or all pages.",
        )
    cells, others = layout.cells, layout.rows_other
    series = _INDICATORS[layout.indicator]
    text = pl.col("text").fill_null("").str.strip_chars()
    empty = cells.filter(text == "").height
    cells = cells.filter(text != "").with_columns(text, value=text.cast(pl.Float64, strict=False))
    if "file_name" not in cells.columns:
        cells = cells.with_columns(file_name=pl.lit(None, dtype=pl.String), file_sha256=pl.lit(file.sha256))
    known = cells.join(areas.kinds("world_bank"), left_on="area", right_on="code", how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("value").is_null() | ~pl.col("value").is_finite())
        .then(pl.lit("the cell holds no number"))
        .when(pl.col("kind").is_null())
        .then(
            pl.format(
                "{} is neither a country nor a known group of countries", pl.col("published_area").fill_null("?")
            )
        )
    )
    judged = known.with_columns(reason.alias("reason"))
    rows = _canonical(judged.filter(pl.col("reason").is_null()), series, layout)
    rejected = judged.filter(pl.col("reason").is_not_null()).select(
        pl.lit(series.table).alias("table_name"),
        pl.coalesce("file_name", pl.lit(file.name)).alias("file_name"),
        "locator",
        "reason",
        pl.format("{}: {}", pl.col("published_area").fill_null("?"), "text").alias("raw"),
    )
    dropped = {"empty_cell": empty, "indicator_not_declared": others}
    return Parsed(
        {series.table: rows},
        rows_read=layout.rows + others,
        rejected=rejected,
        dropped={rule: count for rule, count in dropped.items() if count},
        published_on=layout.published_on or file.published_on,
        partition=layout.indicator,
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Countries with business R&D by industry, the policy article's focus countries and the OECD; since 1995."""
    focus = vocabulary.table("country").filter(pl.col("is_focus"))["iso3"].to_list()
    column = {"rnd_observation": "entity_code", "reference_rate": "area_code"}
    return {
        name: frame.filter(
            pl.col(column[name]).is_in([*_BUNDLED_AREAS, *focus]) & (pl.col("period_start") >= _BUNDLED_FROM)
        )
        for name, frame in tables.items()
    }


@dataclass(frozen=True)
class _Layout:
    """Cells of one indicator (`area`, `published_area`, `name`, `year`, `text`, `locator`) and what is around."""

    cells: pl.DataFrame
    indicator: str
    rows: int
    rows_other: int
    published_on: date | None
    is_copy: bool


def _read(file: SourceFile) -> _Layout:
    content = _content(file)
    head = list(islice(csv.reader(io.StringIO(content[:_HEAD_BYTES].decode("utf-8-sig", errors="replace"))), 5))
    first = head[0] if head else []
    if first[:1] == ["Data Source"]:
        return _read_wide(file, content, skip=4, published_on=_updated_on(head, file))
    if tuple(first[:4]) == _WIDE:
        return _read_wide(file, content, skip=0, published_on=None)
    if tuple(first) == _LONG:
        return _read_long(file, content)
    return _fail(
        file.name,
        f"the file begins with {', '.join(first[:4])!r}: neither the publisher's table nor a known copy",
        _FETCH,
    )


def _updated_on(head: list[list[str]], file: SourceFile) -> date:
    line = next((row for row in head if row[:1] == ["Last Updated Date"]), [])
    try:
        return date.fromisoformat(line[1])
    except (IndexError, ValueError):
        _fail(file.name, "the line Last Updated Date is missing or holds no date", _FETCH)


def _content(file: SourceFile) -> bytes:
    """The table's bytes; in the publisher's archive it lies beside two files of metadata."""
    if not zipfile.is_zipfile(file.path):
        return file.path.read_bytes()
    with zipfile.ZipFile(file.path) as archive:
        tables = [name for name in archive.namelist() if fnmatch(name, "API_*.csv")]
        if len(tables) != 1:
            _fail(file.name, f"the archive holds {len(tables)} tables named API_*.csv, one is expected", _FETCH)
        return archive.read(tables[0])


def _table(file: SourceFile, content: bytes, skip: int) -> pl.DataFrame:
    require_even_rows(content, file.name, skip_lines=skip)
    try:
        return pl.read_csv(content, skip_lines=skip, infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the table cannot be read ({str(error).splitlines()[0]})", _FETCH)


def _read_wide(file: SourceFile, content: bytes, *, skip: int, published_on: date | None) -> _Layout:
    frame = _table(file, content, skip)
    years = frame.columns[4:-1]
    odd = [column for column in years if not re.fullmatch(r"[0-9]{4}", column)]
    if tuple(frame.columns[:4]) != _WIDE or frame.columns[-1] != "" or odd or not years:
        _fail(
            file.name,
            f"the header is {', '.join([*frame.columns[:4], *odd])!r}; expected are {', '.join(_WIDE)} and years",
            _FETCH,
        )
    if frame[""].fill_null("").ne("").any():
        _fail(file.name, "the last column, which is always empty, holds values: the columns have moved", _FETCH)
    lines = frame.with_row_index("line", offset=skip + 2)
    ours = lines.filter(pl.col("Indicator Code").is_in(list(_INDICATORS)))
    found = ours["Indicator Code"].unique().sort().to_list()
    if len(found) != 1:
        _fail(
            file.name,
            f"it holds {', '.join(found) or 'none'} of the indicators that are taken ({', '.join(_INDICATORS)})",
            "Give a file with exactly one of them.",
        )
    cells = ours.unpivot(
        years, index=["line", "Country Name", "Country Code"], variable_name="year", value_name="text"
    ).select(
        pl.col("Country Code").alias("area"),
        pl.col("Country Code").alias("published_area"),
        pl.col("Country Name").alias("name"),
        pl.col("year").cast(pl.Int32),
        "text",
        pl.format("line {} column {}", "line", "year").alias("locator"),
    )
    return _Layout(cells, found[0], ours.height, frame.height - ours.height, published_on, published_on is None)


def _read_long(file: SourceFile, content: bytes) -> _Layout:
    # Rows end with the figure: one that is cut off in the middle of it would read as another figure.
    if not content.endswith(b"\n"):
        _fail(file.name, "the last line does not end: the file is cut off", "Fetch it again.")
    frame = _table(file, content, 0).with_row_index("line", offset=2)
    unread = frame.filter(~pl.col("Year").str.contains(r"^[0-9]{4}$").fill_null(value=False))
    if unread.height:
        raise LayoutError(
            f"{unread['Year'][0]!r} is no year", file=file.name, row=int(unread["line"][0]), remedy=_FETCH
        )
    cells = frame.join(
        areas.iso2_to_iso3(), left_on="Country ID", right_on="iso2", how="left", maintain_order="left"
    ).select(
        pl.col("iso3").alias("area"),
        pl.col("Country ID").alias("published_area"),
        pl.col("Country").alias("name"),
        pl.col("Year").cast(pl.Int32).alias("year"),
        pl.col("PPP").alias("text"),
        pl.format("line {} column PPP", "line").alias("locator"),
    )
    return _Layout(cells, "PA.NUS.PPP", frame.height, 0, None, is_copy=True)


def _is_json(file: SourceFile) -> bool:
    with file.path.open("rb") as stream:
        return stream.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"{"))


def _read_pages(files: Sequence[SourceFile]) -> _Layout:
    """All pages of one answer of the API; raises LayoutError unless every page is there once."""
    pages = [(file, *_page(file)) for file in files]
    names = ", ".join(file.name for file in files)
    numbers = sorted(int(head["page"]) for _, head, _ in pages)
    expected = list(range(1, int(pages[0][1]["pages"]) + 1))
    if numbers != expected:
        _fail(names, f"the pages are {numbers}, the answer has {len(expected)}", "Give every page once.")
    updated = {str(head.get("lastupdated")) for _, head, _ in pages}
    cells = pl.concat(_cells_of_page(file, records) for file, _, records in pages)
    if cells.height != int(pages[0][1]["total"]):
        _fail(names, f"the pages hold {cells.height} of {pages[0][1]['total']} values", "Fetch it again.")
    found = cells["indicator"].unique().sort().to_list()
    if len(updated) != 1 or len(found) != 1 or found[0] not in _INDICATORS:
        _fail(
            names,
            f"the pages hold {', '.join(found)} as of {', '.join(sorted(updated))}; one indicator of "
            f"{', '.join(_INDICATORS)} and one date are expected",
            "Give the pages of one answer.",
        )
    try:
        published_on = date.fromisoformat(updated.pop())
    except ValueError:
        _fail(names, "lastupdated is no date", _FETCH)
    return _Layout(cells.drop("indicator"), found[0], cells.height, 0, published_on, is_copy=False)


def _page(file: SourceFile) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Head and records of one page; the API reports errors as a page with status 200."""
    try:
        content = json.loads(file.path.read_bytes())
    except ValueError as error:
        _fail(file.name, f"the JSON is cut off or malformed ({error})", "Fetch it again.")
    head = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    if "message" in head:
        _fail(file.name, f"the service reports an error: {head['message']}", "Check the query and fetch it again.")
    if not {"page", "pages", "total"} <= set(head) or len(content) != 2 or not isinstance(content[1], list):
        _fail(file.name, "the JSON is no page of the World Bank's API", _FETCH)
    return head, content[1]


def _cells_of_page(file: SourceFile, records: list[dict[str, Any]]) -> pl.DataFrame:
    named = pl.Struct({"id": pl.String, "value": pl.String})
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "indicator": named,
        "country": named,
        "countryiso3code": pl.String,
        "date": pl.String,
    }
    lacking = next((i for i, record in enumerate(records) if not {*schema, "value"} <= set(record)), None)
    if lacking is not None:
        _fail(file.name, f"record [1][{lacking}] lacks one of {', '.join(schema)}, value", _FETCH)
    try:
        frame = pl.DataFrame([{name: record[name] for name in schema} for record in records], schema=schema)
    except (pl.exceptions.PolarsError, TypeError) as error:
        _fail(file.name, f"the records cannot be read ({str(error).splitlines()[0]})", _FETCH)
    odd = frame.filter(~pl.col("date").str.contains(r"^[0-9]{4}$").fill_null(value=False))
    if odd.height:
        _fail(file.name, f"{odd['date'][0]!r} is no year", _FETCH)
    # The number as written: through text, as in the other layouts, so that what is no number is seen.
    text = [None if record["value"] is None else str(record["value"]) for record in records]
    return frame.with_columns(pl.Series("text", text, dtype=pl.String)).select(
        pl.col("indicator").struct.field("id").alias("indicator"),
        pl.col("countryiso3code").replace("", None).alias("area"),
        pl.coalesce(
            pl.col("countryiso3code").replace("", None), pl.col("country").struct.field("id").alias("id")
        ).alias("published_area"),
        pl.col("country").struct.field("value").alias("name"),
        pl.col("date").cast(pl.Int32).alias("year"),
        "text",
        pl.format("[1][{}]", pl.int_range(pl.len())).alias("locator"),
        pl.lit(file.name).alias("file_name"),
        pl.lit(file.sha256).alias("file_sha256"),
    )


def _canonical(cells: pl.DataFrame, series: _Series, layout: _Layout) -> pl.DataFrame:
    shared = {
        "period_start": pl.date("year", 1, 1),
        "period_end": pl.date("year", 12, 31),
        "unit": pl.lit(series.unit),
        # Dividing leaves dust in the last digit; the publisher gives 15 digits.
        "value": (pl.col("value") / series.divisor).round_sig_figs(15) if series.divisor != 1 else pl.col("value"),
        "file_sha256": pl.col("file_sha256"),
        "locator": pl.col("locator"),
        "value_origin": pl.lit("republished_copy" if layout.is_copy else "publisher_bytes"),
    }
    if series.table == "rnd_observation":
        return cells.select(
            **shared,
            entity_kind=pl.col("kind"),
            entity_code=pl.col("area"),
            entity_name=pl.col("name"),
            entity_iso3=pl.when(pl.col("kind") == areas.COUNTRY).then("area"),
            lens=pl.lit("territory"),
            activity_scheme=pl.lit("none"),
            activity_code=pl.lit("_T"),
            criteria=pl.lit("none"),
            measure=pl.lit(series.code),
            # The UNESCO Institute for Statistics labels a country's fiscal year by a calendar year.
            period_basis=pl.lit("reference_year"),
            price_base=pl.lit("none"),
        )
    return cells.select(
        **shared,
        series_code=pl.lit(series.code),
        area_code=pl.col("area"),
        area_kind=pl.col("kind"),
        rate_basis=pl.lit("annual"),
        period_basis=pl.lit("calendar_year"),
    )


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
