"""Eurostat R&D tables to `rnd_observation`.

Three layouts:

* the tab-separated one of the former bulk download: first column `sectperf,unit,geo\\time`, newest year first, a
  blank after every year and every cell without a flag;
* the one since 2023: first column `freq,sectperf,unit,geo\\TIME_PERIOD`, oldest year first;
* SDMX-CSV: columns `DATAFLOW, LAST UPDATE, freq, ..., geo, TIME_PERIOD, OBS_VALUE, OBS_FLAG`.

In the first two a cell holds the value with its flags glued on (`896.3 p`), `:` for a missing and `: c` for a
confidential one. https://ec.europa.eu/eurostat/web/user-guides/data-browser/api-data-access
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NoReturn, cast

import polars as pl

from ingest import areas
from ingest.csv_rows import require_even_rows, unpacked
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

_FETCH = "Fetch it again; if the layout has changed, the parser must follow."
# Data sets by their dimensions (in any order, without the frequency, which the former layout lacks).
_DATA_SETS = {
    frozenset({"sectperf", "unit", "geo"}): "rd_e_gerdtot",
    frozenset({"nace_r2", "unit", "geo"}): "rd_e_berdindr2",
}
# What is taken: sector of performance (or `nace`) and unit as published; measure, unit, multiplier, divisor.
_TAKEN = {
    ("TOTAL", "PC_GDP"): ("gerd_gdp_share", "share", 1.0, 100.0),
    ("TOTAL", "MIO_EUR"): ("gerd", "currency", 1e6, 1.0),
    ("BES", "MIO_EUR"): ("berd", "currency", 1e6, 1.0),
    ("nace", "MIO_EUR"): ("berd", "currency", 1e6, 1.0),
}
_SECTORS = ("TOTAL", "BES", "GOV", "HES", "PNP")
_UNITS = ("EUR_HAB", "MIO_EUR", "MIO_NAC", "MIO_PPS", "MIO_PPS_KP05", "PC_GDP", "PPS_HAB_KP05", "PPS_HAB_KP15")
_UNITS_PATTERN = r"(MIO|PPS|EUR|PC|THS)_[A-Z0-9_]+"
# Eurostat's codes that are not ISO 3166-1 alpha-2.
_OTHER_CODES = {"EL": "GRC", "UK": "GBR", "CN_X_HK": "CHN", "XK": "XKX"}
_CHINA_NOTE = "China without Hong Kong."
_FLAG_CODES = "bcdefinprsuz"
_CELL = rf"^(?<value>:|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?: (?<flag>[{_FLAG_CODES}]+))?$"
_CSV_LEADING = (("DATAFLOW", "LAST UPDATE"), ("STRUCTURE", "STRUCTURE_ID"), ("DATAFLOW",))


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of one data set: shares as fractions of one, amounts in whole euro.

    Empty cells (`:`) are counted as `empty_cell`, series in other units or of other sectors as `unit_not_taken` and
    `sector_not_taken`; confidential cells are kept as null. An unknown area or a cell that cannot be read is
    rejected. Raises LayoutError for another layout or data set.
    """
    if len(files) != 1:
        _fail(", ".join(file.name for file in files), "one file is one edition", "Give one file at a time.")
    file = files[0]
    with unpacked(file.path, file.name) as stream:
        content = stream.read()
    first = content[:400].decode("utf-8-sig", errors="replace").partition("\n")[0]
    table = _read_tsv(file, content) if "\t" in first else _read_csv(file, content)
    is_nace = table.data_set == "rd_e_berdindr2"
    judged, dropped = _judged(table, is_nace)
    rows = _canonical(judged.filter(pl.col("reason").is_null()), file, is_nace)
    rejected = judged.filter(pl.col("reason").is_not_null()).select(
        pl.lit("rnd_observation").alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        "locator",
        "reason",
        pl.format("{} {} {}: {}", "what", "unit", "geo", "text").alias("raw"),
    )
    return Parsed(
        {"rnd_observation": rows},
        rows_read=table.series,
        rejected=rejected,
        dropped={rule: count for rule, count in dropped.items() if count},
        published_on=table.published_on or file.published_on,
        partition=table.data_set,
    )


@dataclass(frozen=True)
class _Table:
    """Cells in long form (`what`, `unit`, `geo`, `year`, `text`, `locator`) and how many series were read."""

    data_set: str
    cells: pl.DataFrame
    series: int
    published_on: date | None


def _data_set(dimensions: Sequence[str], file: SourceFile) -> str:
    names = frozenset(dimensions) - {"freq"}
    if names not in _DATA_SETS or len(names) != len([name for name in dimensions if name != "freq"]):
        _fail(
            file.name,
            f"the dimensions are {', '.join(dimensions)}; supported are "
            + " and ".join(f"{', '.join(sorted(known))} ({name})" for known, name in _DATA_SETS.items()),
            "Give a file of one of these data sets.",
        )
    return _DATA_SETS[names]


def _read_tsv(file: SourceFile, content: bytes) -> _Table:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        _fail(file.name, f"the text is not UTF-8 ({error.reason})", _FETCH)
    header = [label.strip() for label in lines[0].split("\t")]
    dimensions, separator, time = header[0].partition("\\")
    years = header[1:]
    odd = [year for year in years if not re.fullmatch(r"[0-9]{4}", year)]
    if (
        separator == ""
        or time.lower() not in {"time", "time_period"}
        or odd
        or not years
        or len(set(years)) != len(years)
    ):
        _fail(
            file.name,
            f"the header is {', '.join(header[:4])!r} ...: dimensions, then each year once, are expected",
            _FETCH,
        )
    names = dimensions.split(",")
    data_set = _data_set(names, file)
    frame = pl.DataFrame({"text": lines[1:]}, schema={"text": pl.String}).with_row_index("line", offset=2)
    frame = frame.filter(pl.col("text").str.strip_chars() != "")
    widths = frame.filter(pl.col("text").str.count_matches("\t", literal=True) != len(years))
    if widths.height:
        raise LayoutError(
            f"the line has another number of cells than the header, which has {len(header)}",
            file=file.name,
            row=int(widths["line"][0]),
            remedy="It is probably cut off: fetch it again.",
        )
    if not content.endswith(b"\n"):
        _fail(file.name, "the last line does not end: the file is cut off", "Fetch it again.")
    cells = frame.select("line", pl.col("text").str.split_exact("\t", len(years))).unnest("text")
    cells.columns = ["line", "key", *years]
    keys = pl.col("key").str.strip_chars().str.split_exact(",", len(names) - 1)
    short = cells.filter(pl.col("key").str.count_matches(",", literal=True) != len(names) - 1)
    if short.height:
        raise LayoutError(
            f"the series {short['key'][0]!r} does not have the dimensions {', '.join(names)}",
            file=file.name,
            row=int(short["line"][0]),
            remedy=_FETCH,
        )
    split = cells.with_columns(keys.struct.rename_fields(names)).unnest("key")
    twice = split.filter(pl.struct(names).is_duplicated())
    if twice.height:
        raise LayoutError("the series stands twice", file=file.name, row=int(twice["line"][0]), remedy=_FETCH)
    long = split.unpivot(years, index=["line", *names], variable_name="year", value_name="text")
    return _Table(data_set, _long(long, pl.format("line {} column {}", "line", "year"), names), frame.height, None)


def _read_csv(file: SourceFile, content: bytes) -> _Table:
    require_even_rows(content, file.name)
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8").with_row_index("line", offset=2)
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the table cannot be read as CSV ({str(error).splitlines()[0]})", _FETCH)
    header = frame.columns[1:]
    leading = next((names for names in _CSV_LEADING if tuple(header[: len(names)]) == names), None)
    if leading is None or not {"TIME_PERIOD", "OBS_VALUE", "OBS_FLAG"} <= set(header):
        _fail(
            file.name,
            f"the header is {', '.join(header)}: it is neither Eurostat's tab-separated table nor its SDMX-CSV",
            _FETCH,
        )
    names = [
        name
        for name in header[len(leading) : header.index("TIME_PERIOD")]
        if name not in {"STRUCTURE_NAME", "ACTION"}
    ]
    data_set = _data_set(names, file)
    flow = frame[leading[-1] if leading[0] == "STRUCTURE" else "DATAFLOW"]
    if flow.n_unique() != 1 or data_set not in str(flow[0]).lower():
        _fail(file.name, f"the data flow is {flow[0]!r}, not {data_set} alone", "Give one data set at a time.")
    flag = pl.col("OBS_FLAG").fill_null("").str.strip_chars()
    value = pl.col("OBS_VALUE").fill_null("").str.strip_chars().replace("", ":")
    glued = pl.concat_str(value, pl.when(flag != "").then(flag), separator=" ", ignore_nulls=True)
    long = frame.with_columns(glued.alias("text"), pl.col("TIME_PERIOD").str.extract(r"^([0-9]{4})$").alias("year"))
    if long["year"].null_count():
        raise LayoutError(
            f"{frame.filter(long['year'].is_null())['TIME_PERIOD'][0]!r} is no year",
            file=file.name,
            row=int(frame.filter(long["year"].is_null())["line"][0]),
            remedy=_FETCH,
        )
    return _Table(data_set, _long(long, pl.format("line {}", "line"), names), frame.height, _updated_on(frame))


def _updated_on(frame: pl.DataFrame) -> date | None:
    """The newest `LAST UPDATE` (`28/02/25 23:00:00`), None where the layout has none."""
    if "LAST UPDATE" not in frame.columns:
        return None
    newest = frame["LAST UPDATE"].str.to_datetime("%d/%m/%y %H:%M:%S", strict=False).max()
    return cast(datetime, newest).date() if newest is not None else None


def _long(frame: pl.DataFrame, locator: pl.Expr, names: Sequence[str]) -> pl.DataFrame:
    what = "nace_r2" if "nace_r2" in names else "sectperf"
    frequency = pl.col("freq") if "freq" in names else pl.lit("A")
    return frame.select(
        frequency.alias("freq"),
        pl.col(what).alias("what"),
        "unit",
        "geo",
        pl.col("year").cast(pl.Int32),
        pl.col("text").fill_null("").str.strip_chars(),
        locator.alias("locator"),
    )


def _judged(table: _Table, is_nace: bool) -> tuple[pl.DataFrame, dict[str, int]]:
    """Cells that are taken or rejected, with value, flag, measure and area; and counts of those left out by rule."""
    taken = pl.DataFrame(
        [(*published, *ours) for published, ours in _TAKEN.items()],
        schema=["group", "unit", "measure", "canonical_unit", "multiplier", "divisor"],
        orient="row",
    )
    group = pl.lit("nace") if is_nace else pl.col("what")
    known_group = pl.lit(value=True) if is_nace else pl.col("what").is_in(_SECTORS)
    unit_is_known = pl.col("unit").is_in(_UNITS) | pl.col("unit").str.contains(f"^{_UNITS_PATTERN}$")
    parts = pl.col("text").str.replace_all(r"\s+", " ").str.extract_groups(_CELL)
    frame = (
        table.cells.with_columns(group.alias("group"), parts.alias("parts"))
        .join(taken, on=["group", "unit"], how="left", maintain_order="left")
        .join(_areas(), on="geo", how="left", maintain_order="left")
        .with_columns(
            pl.col("parts").struct.field("value").alias("number"),
            pl.col("parts").struct.field("flag").alias("flag"),
        )
    )
    is_confidential = pl.col("flag").str.contains("c").fill_null(value=False)
    unit_is_used = pl.col("unit").is_in(list({unit for _, unit in _TAKEN}))
    rule = (
        pl.when(pl.col("measure").is_null() & known_group & unit_is_known)
        .then(pl.when(unit_is_used).then(pl.lit("sector_not_taken")).otherwise(pl.lit("unit_not_taken")))
        .when((pl.col("number") == ":") & ~is_confidential)
        .then(pl.lit("empty_cell"))
    )
    reason = pl.concat_str(
        pl.when(pl.col("freq") != "A").then(pl.format("the frequency {} is not annual", "freq")),
        pl.when(~known_group).then(pl.format("the sector {} is unknown", "what")),
        pl.when(~unit_is_known).then(pl.format("the unit {} is unknown", "unit")),
        pl.when(pl.col("kind").is_null()).then(
            pl.format("{} is neither a country nor a known group of countries", "geo")
        ),
        pl.when(pl.col("number").is_null()).then(pl.lit("the cell holds neither a figure nor a known flag")),
        separator="; ",
        ignore_nulls=True,
    ).replace("", None)
    # An unread cell is an unread cell, whatever its unit; a unit that is not taken is counted once it can be read.
    judged = frame.with_columns(
        rule.alias("rule"), pl.when(rule.is_null() | pl.col("number").is_null()).then(reason).alias("reason")
    )
    dropped = judged.filter(pl.col("reason").is_null())["rule"].drop_nulls()
    counts = dict(dropped.value_counts().iter_rows())
    return judged.filter(pl.col("reason").is_not_null() | pl.col("rule").is_null()), counts


def _areas() -> pl.DataFrame:
    """Eurostat's area codes (`geo`) with what they name (`kind`), the canonical code (`area`) and a note."""
    iso = (
        areas.iso2_to_iso3().filter(~pl.col("iso2").is_in(["GR", "GB", "CN"])).rename({"iso2": "geo", "iso3": "area"})
    )
    others = pl.DataFrame({"geo": list(_OTHER_CODES), "area": list(_OTHER_CODES.values())})
    countries = pl.concat([iso.filter(~pl.col("geo").is_in(list(_OTHER_CODES))), others]).with_columns(
        pl.lit(areas.COUNTRY).alias("kind")
    )
    groups = areas.kinds("eurostat").filter(pl.col("kind") == areas.AGGREGATE)
    return pl.concat([countries, groups.select(pl.col("code").alias("geo"), pl.col("code").alias("area"), "kind")])


def _canonical(cells: pl.DataFrame, file: SourceFile, is_nace: bool) -> pl.DataFrame:
    flag = pl.col("flag").fill_null("")
    value = pl.col("number").replace(":", None).cast(pl.Float64) * pl.col("multiplier") / pl.col("divisor")
    return cells.select(
        pl.col("kind").alias("entity_kind"),
        pl.col("area").alias("entity_code"),
        pl.col("geo").alias("entity_name"),
        pl.when(pl.col("kind") == areas.COUNTRY).then("area").alias("entity_iso3"),
        pl.lit("territory").alias("lens"),
        pl.lit("NACE2" if is_nace else "none").alias("activity_scheme"),
        (pl.col("what").replace("TOTAL", "_T") if is_nace else pl.lit("_T")).alias("activity_code"),
        pl.lit("main_activity" if is_nace else "none").alias("criteria"),
        "measure",
        pl.date("year", 1, 1).alias("period_start"),
        pl.date("year", 12, 31).alias("period_end"),
        pl.lit("reference_year").alias("period_basis"),
        pl.col("canonical_unit").alias("unit"),
        pl.when(pl.col("canonical_unit") == "currency").then(pl.lit("EUR")).alias("currency"),
        pl.when(pl.col("canonical_unit") == "share")
        .then(pl.lit("none"))
        .otherwise(pl.lit("current"))
        .alias("price_base"),
        # Scaling leaves dust in the last digit; no value is published with more than 15.
        value.round_sig_figs(15).alias("value"),
        pl.when(flag.str.contains("c") & value.is_null())
        .then(pl.lit("suppressed"))
        .when(flag.str.contains("f"))
        .then(pl.lit("forecast"))
        .when(flag.str.contains("i"))
        .then(pl.lit("imputed"))
        .when(flag.str.contains("[es]"))
        .then(pl.lit("estimated"))
        .when(flag.str.contains("p"))
        .then(pl.lit("provisional"))
        .otherwise(pl.lit("reported"))
        .alias("status"),
        flag.str.contains("b").alias("series_break"),
        pl.when(flag != "").then(flag.str.split("").list.join(",").str.strip_chars(",")).alias("publisher_flags"),
        pl.when(pl.col("geo") == "CN_X_HK").then(pl.lit(_CHINA_NOTE)).alias("note"),
        "locator",
        pl.lit(file.sha256).alias("file_sha256"),
    )


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
