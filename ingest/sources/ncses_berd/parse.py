"""NCSES tables on business R&D to `rnd_observation`.

Two layouts: third parties' CSV copies of the Statistics Explorer, one table per file, recognised by `table_id`, whose
cells are printed lists such as `['48,131', 'i']` (value and flag) or plain text; and the publisher's workbook of
domestic R&D by industry (`nsf25354-tab058.xlsx`), recognised by its title. Each supported table has a reader of its
own; any other table is refused by name. https://ncses.nsf.gov/surveys/business-enterprise-research-development
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import polars as pl

from ingest import areas, oecd, workbook
from ingest.celltext import half_width
from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

_FETCH = "Fetch it again; if the publisher changed the layout, the parser must follow."
_MILLION = 1e6
_INDUSTRY_LEVELS = (
    *(
        "industry_and_company_size_full_path",
        "industry_and_company_size_level_1",
        "industry_and_company_size_level_2",
    ),
    *("industry_and_company_size_level_3", "industry_and_company_size_level_4", "industry_and_company_size_level_5"),
    *("industry_and_company_size_hierarchy_depth", "field_naics_code"),
)
_DOMESTIC_HEADER = ("table_id", "row_id", *_INDUSTRY_LEVELS, *(f"field_{year}" for year in range(2008, 2023)))
_BIOTECHNOLOGY_HEADER = (
    *("table_id", "row_id", *_INDUSTRY_LEVELS),
    *("field_domestic_r_d_companiesa_number_", "field_domestic_r_d_amount"),
    *("field_biotechnology_r_d_total_companiesb_number_", "field_biotechnology_r_d_total_amount"),
    "field_biotechnology_r_d_paid_for_by_the_company_companiesb_number_",
    "field_biotechnology_r_d_paid_for_by_the_company_amount",
    "field_biotechnology_r_d_paid_for_by_others_companiesb_number_",
    "field_biotechnology_r_d_paid_for_by_others_amount",
)
_LONG_HEADER = (
    *("table_id", "row_id", "time_period", "isic_rev_4_level_1", "isic_rev_4_level_2"),
    *("isic_rev_4_hierarchy_depth", "value"),
)
_WIDE_COUNTRIES = ("united_states", "france", "germany", "united_kingdom", "china", "japan")
_WIDE_HEADER = (
    *("table_id", "row_id", "industry_full_path", "industry_level_1", "industry_level_2", "industry_level_3"),
    *("industry_level_4", "industry_level_5", "industry_hierarchy_depth"),
    *("field_isic_rev_4_section", "field_isic_rev_4_division"),
    *(f"field_{country}_2016_" for country in _WIDE_COUNTRIES),
    "field_south_korea_2015_",
)
_WIDE_HEADINGS = ("PPP current $millions", "Percentage of total business enterprise")
# ISIC as the tables write it (division, else section) and as the OECD codes it.
_ISIC = {
    **{"A-U": "_T", "C": "C", "20": "C20", "21": "C21", "26": "C26", "29": "C29", "30": "C30", "303": "C303"},
    **{"G-U": "GTU", "J": "J", "58": "J58", "582": "J582", "62": "J62", "M": "M", "72": "M72"},
}
_BREAKS = {
    2009: "Industries by NAICS 2007 from this year, by NAICS 2002 before.",
    2014: "Industries by NAICS 2012 from this year, by NAICS 2007 before.",
    2018: "From this year companies with USD 50,000 of R&D or more and ten or more employees.",
    2020: "Industries by NAICS 2017 from this year, by NAICS 2012 before.",
}
_ALL_INDUSTRIES = "21-23, 31-33, 42-81"
_TITLE = re.compile(
    r"Domestic R&D paid for by the company and others and performed by the company, by industry and company size: "
    r"2008[-\u2013]([0-9]{2}|[0-9]{4})"
)
_UNIT_LINE = "(Millions of U.S. dollars)"
_SHEET_HEADER = ("Industry and company size", "NAICS code")
_HEADER_WITHIN = 10

_BUNDLED_ACTIVITIES = ("_T", "325", "3254", "5417", "541714", "C21")


@dataclass(frozen=True)
class _Cells:
    """Cells of one table in long form.

    `cells` has `activity_code`, `activity_name`, `code` (of the industry as published; null for a row that is none),
    `period`, `text` (value and flag as published), `flag`, `locator`, and `iso3` and `country` where they vary.
    """

    cells: pl.DataFrame
    rows_read: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class _Layout:
    """A supported table: its header, its partition, its reader, and how its rows are described."""

    partition: str
    header: tuple[str, ...]
    read: Callable[[pl.DataFrame, SourceFile], _Cells]
    measure: str
    is_international: bool = False
    vintage: str | None = None


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of one table, in whole US dollars (at purchasing power parity for other countries).

    Left out and counted: rows by company size, headings and notes (`no_industry_row`), percentages
    (`percentage_row`), cells that are empty (`empty_cell`), `NA` (`not_available`) or `*`
    (`asterisk_without_figure`). Suppressed cells and ranges are kept as null. Raises LayoutError for a table that
    is not supported and for another layout of a supported one.
    """
    if len(files) != 1:
        _fail(", ".join(file.name for file in files), "one table is one edition", "Give one file at a time.")
    file = files[0]
    with file.path.open("rb") as stream:
        is_workbook = stream.read(2) == b"PK"
    if is_workbook:
        layout, table = _DOMESTIC, _read_workbook(file)
        published_on = workbook.saved_on(file) or file.published_on
    else:
        frame = _read_csv(file)
        layout = _layout_of(frame, file)
        table, published_on = layout.read(frame, file), file.published_on
    rows, rejected, dropped = _canonical(table, layout, file)
    origin = "publisher_bytes" if is_workbook else "republished_copy"
    return Parsed(
        {"rnd_observation": rows.with_columns(pl.lit(origin).alias("value_origin"))},
        rows_read=table.rows_read,
        rejected=rejected,
        dropped={rule: count for rule, count in (table.dropped | dropped).items() if count},
        published_on=published_on,
        partition=layout.partition,
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """All industries, chemicals, pharmaceuticals, R&D services, those for biotechnology; C21 of other countries."""
    return {name: frame.filter(pl.col("activity_code").is_in(_BUNDLED_ACTIVITIES)) for name, frame in tables.items()}


# --- readers -----------------------------------------------------------------------------------------------


def _read_csv(file: SourceFile) -> pl.DataFrame:
    content = file.path.read_bytes()
    require_even_rows(content, file.name)
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the table cannot be read ({str(error).splitlines()[0]})", _FETCH)
    return frame.with_row_index("line", offset=2)


def _layout_of(frame: pl.DataFrame, file: SourceFile) -> _Layout:
    ids = frame["table_id"].unique().to_list() if "table_id" in frame.columns else []
    if len(ids) != 1:
        _fail(file.name, f"the file holds {len(ids)} tables (column table_id), one is expected", _FETCH)
    if ids[0] not in _TABLES:
        _fail(
            file.name,
            f"table {ids[0]} is not supported",
            f"Supported are {', '.join(_TABLES)}; another table needs a layout of its own in the parser.",
        )
    layout = _TABLES[ids[0]]
    header = tuple(frame.columns[1:])
    if header != layout.header:
        odd = sorted(set(header) ^ set(layout.header)) or ["the order of the columns"]
        _fail(file.name, f"the header of table {ids[0]} differs: {', '.join(odd)}", _FETCH)
    if (twice := frame.filter(pl.col("row_id").is_duplicated())).height:
        raise LayoutError(
            f"row_id {twice['row_id'][0]} stands twice", file=file.name, row=int(twice["line"][0]), remedy=_FETCH
        )
    return layout


def _us_cells(wide: pl.DataFrame, periods: dict[str, int], rows_read: int) -> _Cells:
    """Cells of a table by US industry: `path`, `naics`, one column per period, `place` for the locator."""
    naics = _plain(pl.col("naics"))
    # Rows by company size carry a dash, headings and notes nothing.
    coded = wide.with_columns(naics.alias("code")).filter(~pl.col("code").is_in(["", "-"]).fill_null(value=True))
    cells = coded.unpivot(
        list(periods), index=["path", "code", "place"], variable_name="column", value_name="printed"
    ).select(
        pl.when(pl.col("code") == _ALL_INDUSTRIES).then(pl.lit("_T")).otherwise("code").alias("activity_code"),
        _plain(pl.col("path").str.split(" -> ").list.last()).alias("activity_name"),
        pl.col("column").replace_strict(periods, return_dtype=pl.Int32).alias("period"),
        "printed",
        pl.lit("USA").alias("iso3"),
        pl.lit("United States").alias("country"),
        pl.format("{} column {}", "place", "column").alias("locator"),
    )
    return _Cells(cells, rows_read, {"no_industry_row": rows_read - coded.height})


def _read_domestic(frame: pl.DataFrame, file: SourceFile) -> _Cells:
    periods = {f"field_{year}": year for year in range(2008, 2023)}
    return _us_cells(_renamed(frame), periods, frame.height)


def _read_biotechnology(frame: pl.DataFrame, file: SourceFile) -> _Cells:
    return _us_cells(_renamed(frame), {"field_biotechnology_r_d_total_amount": 2022}, frame.height)


def _renamed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.rename({"industry_and_company_size_full_path": "path", "field_naics_code": "naics"}).with_columns(
        pl.format("line {}", "line").alias("place")
    )


def _read_long(frame: pl.DataFrame, file: SourceFile) -> _Cells:
    """Table 6313: industries in `time_period`, countries in `isic_rev_4_level_1`; each industry stands twice, first
    in millions, then as a share of the total. Section and division of the industry are rows of their own."""
    number = pl.col("row_id").str.extract(r"^r([0-9]+)_[0-9]+$").cast(pl.Int32)
    numbered = frame.with_columns(number.alias("number"))
    code = (
        numbered.filter(pl.col("isic_rev_4_level_1") == "ISIC, Rev.4")
        .group_by("number", maintain_order=True)
        .agg(
            pl.col("value").filter(pl.col("isic_rev_4_level_2") == "Section").first().alias("section"),
            pl.col("value").filter(pl.col("isic_rev_4_level_2") == "Division").first().alias("division"),
        )
        .select("number", pl.coalesce("section", "division").alias("code"))
    )
    place = pl.col("isic_rev_4_level_1").str.extract_groups(r"^(?<country>.+) \((?<year>[0-9]{4})\)$")
    figures = (
        numbered.filter(pl.col("isic_rev_4_level_1") != "ISIC, Rev.4")
        .join(code, on="number", how="left", maintain_order="left")
        .with_columns(place.alias("place"))
    )
    totals = figures.filter(_isic(pl.col("code")) == "_T")
    rows_of_totals = totals["number"].unique(maintain_order=True).to_list()
    if len(rows_of_totals) != 2 or set(totals.filter(number=rows_of_totals[1])["value"]) != {"100.0"}:
        _fail(file.name, "the total does not stand twice, in millions and as 100.0 per cent", _FETCH)
    millions = figures.filter(pl.col("number") < rows_of_totals[1])
    return _Cells(
        millions.select(
            _isic(pl.col("code")).alias("activity_code"),
            pl.col("time_period").alias("activity_name"),
            pl.col("place").struct.field("year").cast(pl.Int32).alias("period"),
            pl.col("value").alias("printed"),
            _iso3(pl.col("place").struct.field("country")).alias("iso3"),
            pl.col("place").struct.field("country").alias("country"),
            pl.format("line {}", "line").alias("locator"),
        ),
        figures.height,
        {"percentage_row": figures.height - millions.height},
    )


def _read_wide(frame: pl.DataFrame, file: SourceFile) -> _Cells:
    """Table 1883: countries across; a heading tells where millions end and percentages begin."""
    is_heading = pl.col("field_isic_rev_4_section").is_null() & pl.col("field_isic_rev_4_division").is_null()
    headings = frame.filter(is_heading)
    if tuple(headings["industry_full_path"]) != _WIDE_HEADINGS:
        _fail(file.name, f"the headings {', '.join(_WIDE_HEADINGS)} do not stand once each", _FETCH)
    rows = frame.filter(~is_heading)
    millions = rows.filter(pl.col("line").is_between(headings["line"][0], headings["line"][1]))
    columns = list(_WIDE_HEADER[11:])
    place = pl.col("column").str.extract_groups(r"^field_(?<country>.+)_(?<year>[0-9]{4})_$")
    cells = (
        millions.with_columns(
            pl.coalesce("field_isic_rev_4_section", "field_isic_rev_4_division").alias("code"),
            pl.col("industry_full_path").str.split(" -> ").list.last().alias("name"),
        )
        .unpivot(columns, index=["line", "code", "name"], variable_name="column", value_name="printed")
        .with_columns(place.alias("place"))
        .with_columns(pl.col("place").struct.field("country").str.replace_all("_", " ").alias("country"))
    )
    return _Cells(
        cells.select(
            _isic(pl.col("code")).alias("activity_code"),
            pl.col("name").alias("activity_name"),
            pl.col("place").struct.field("year").cast(pl.Int32).alias("period"),
            "printed",
            _iso3(pl.col("country")).alias("iso3"),
            pl.col("country").str.to_titlecase().alias("country"),
            pl.format("line {} column {}", "line", "column").alias("locator"),
        ),
        rows.height,
        {"percentage_row": rows.height - millions.height},
    )


def _read_workbook(file: SourceFile) -> _Cells:
    """The publisher's workbook: table number, title, unit and header in the first rows, then one industry a row.

    A column without a label holds the flags of the column before it.
    """
    found = workbook.sheets(file)
    if len(found) != 1:
        _fail(file.name, f"the workbook has {len(found)} sheets, one is expected", _FETCH)
    ((name, frame),) = found.items()
    head = frame.head(_HEADER_WITHIN)
    texts = [text for column in head.columns[1:] for text in head[column].drop_nulls().to_list()]
    title = next((match for text in texts if (match := _TITLE.search(" ".join(text.split())))), None)
    if title is None:
        shown = next((text for text in texts if len(text) > 20), "none")
        _fail(
            file.name,
            f"the table titled {shown!r} is not supported",
            "Supported is domestic R&D by industry and company size since 2008; another table needs its own layout.",
            name,
        )
    if _UNIT_LINE not in texts:
        _fail(file.name, f"the line {_UNIT_LINE} is missing", _FETCH, name)
    header = head.filter((pl.col("c0") == _SHEET_HEADER[0]) & (pl.col("c1") == _SHEET_HEADER[1]))
    if header.height != 1:
        _fail(file.name, f"no row is headed {' and '.join(_SHEET_HEADER)}", _FETCH, name)
    labels = [header[column][0] for column in frame.columns[1:]]
    last = int(title[1]) if len(title[1]) == 4 else 2000 + int(title[1])
    years = {
        label: position for position, label in enumerate(labels) if label and re.fullmatch(r"20[0-9][0-9]", label)
    }
    odd = [label for label in labels[2:] if label and label not in years]
    if sorted(years) != [str(year) for year in range(2008, last + 1)] or odd:
        _fail(
            file.name, f"the columns {', '.join(odd or sorted(years))} are not the years 2008 to {last}", _FETCH, name
        )
    is_blank = pl.all_horizontal(pl.exclude(workbook.ROW).is_null())
    body = frame.filter((pl.col(workbook.ROW) > header[workbook.ROW][0]) & ~is_blank)
    flags = [
        f"c{position + 1}" if position + 1 < len(labels) and labels[position + 1] is None else None
        for position in years.values()
    ]
    wide = body.select(
        pl.col("c0").alias("path"),
        pl.col("c1").alias("naics"),
        pl.format(f"sheet {name} row {{}}", workbook.ROW).alias("place"),
        *(
            pl.concat_str(f"c{position}", *([flag] if flag else []), separator=" ", ignore_nulls=True).alias(label)
            for (label, position), flag in zip(years.items(), flags, strict=True)
        ),
    )
    return _us_cells(wide, {label: int(label) for label in years}, body.height)


_DOMESTIC = _Layout("domestic R&D by industry", _DOMESTIC_HEADER, _read_domestic, "berd")
_TABLES = {
    "12342": _DOMESTIC,
    "12260": _Layout("biotechnology R&D 2022", _BIOTECHNOLOGY_HEADER, _read_biotechnology, "biotechnology_rnd"),
    "6313": _Layout(
        "business R&D by country 2018",
        _LONG_HEADER,
        _read_long,
        "berd",
        is_international=True,
        vintage="ANBERD as NCSES read it on 2021-12-22; the OECD has restated it since.",
    ),
    "1883": _Layout(
        "business R&D by country 2016",
        _WIDE_HEADER,
        _read_wide,
        "berd",
        is_international=True,
        vintage="ANBERD as NCSES read it for its comparison of 2016; the OECD has restated it since.",
    ),
}


# --- what the cells mean -----------------------------------------------------------------------------------


def _canonical(table: _Cells, layout: _Layout, file: SourceFile) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Rows of the contract, rejected cells, and counts of those left out by rule."""
    printed = pl.col("printed").fill_null("").str.extract_groups(r"^\['(?<value>[^']*)', '(?<flag>[^']*)'\]$")
    listed = printed.struct.field("value")
    text = _plain(pl.coalesce(listed, pl.col("printed").fill_null("")))
    figure = text.str.extract_groups(
        r"^(?<low>[0-9][[0-9],]*(?:\.[0-9]+)?)(?: - (?<high>[0-9][[0-9],]*(?:\.[0-9]+)?))?(?: (?<mark>[a-z]))?$"
    )
    mark = pl.coalesce(_plain(printed.struct.field("flag")).replace("", None), figure.struct.field("mark"))
    number = figure.struct.field("low").str.replace_all(",", "").cast(pl.Float64, strict=False)
    cells = table.cells.with_columns(
        text.alias("text"),
        mark.alias("mark"),
        number.alias("low"),
        figure.struct.field("high").alias("high"),
    ).with_columns(
        pl.col("text")
        .replace_strict(
            {"": "empty_cell", "NA": "not_available", "na": "not_available", "*": "asterisk_without_figure"},
            default=None,
            return_dtype=pl.String,
        )
        .alias("rule"),
        pl.col("text").is_in(["D", "D i"]).alias("is_hidden"),
    )
    reason = pl.concat_str(
        pl.when(pl.col("activity_code").is_null()).then(pl.lit("the industry has no code of ISIC or NAICS here")),
        pl.when(pl.col("iso3").is_null()).then(
            pl.format("{} is no country of the vocabulary", pl.col("country").fill_null("?"))
        ),
        pl.when(pl.col("period").is_null()).then(pl.lit("the column tells no year")),
        pl.when(pl.col("low").is_null() & ~pl.col("is_hidden")).then(pl.lit("the cell holds no figure")),
        pl.when(pl.col("mark").is_not_null() & ~pl.col("mark").is_in(["i", "r"])).then(
            pl.format("the flag {} is unknown", "mark")
        ),
        separator="; ",
        ignore_nulls=True,
    ).replace("", None)
    judged = cells.with_columns(pl.when(pl.col("rule").is_null()).then(reason).alias("reason"))
    dropped = dict(judged["rule"].drop_nulls().value_counts().iter_rows())
    rejected = judged.filter(pl.col("reason").is_not_null()).select(
        pl.lit("rnd_observation").alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        "locator",
        "reason",
        pl.format("{}: {}", pl.col("activity_name").fill_null("?"), "text").alias("raw"),
    )
    good = judged.filter(pl.col("rule").is_null() & pl.col("reason").is_null())
    return _described(good, layout, file), rejected, dropped


def _described(cells: pl.DataFrame, layout: _Layout, file: SourceFile) -> pl.DataFrame:
    is_range, is_hidden = pl.col("high").is_not_null(), pl.col("is_hidden")
    range_note = pl.when(is_range).then(
        pl.format(
            "Published as a range, to protect companies: USD {} million.", pl.col("text").str.replace(r" [a-z]$", "")
        )
    )
    is_break = pl.lit(value=False)
    break_note = pl.lit(None, dtype=pl.String)
    if not layout.is_international and layout.measure == "berd":
        # A change of classification does not move the total of all industries.
        concerned = (pl.col("period") == 2018) | (pl.col("activity_code") != "_T")
        is_break = pl.col("period").is_in(list(_BREAKS)) & concerned
        break_note = pl.when(is_break).then(
            pl.col("period").replace_strict(_BREAKS, default=None, return_dtype=pl.String)
        )
    uk_note = pl.when((pl.col("iso3") == "GBR") & (pl.col("activity_code") == "C21")).then(pl.lit(oecd.UK_NOTE))
    notes = [range_note, break_note, pl.lit(layout.vintage, dtype=pl.String), uk_note]
    return cells.select(
        pl.lit("country").alias("entity_kind"),
        pl.col("iso3").alias("entity_code"),
        pl.col("country").alias("entity_name"),
        pl.col("iso3").alias("entity_iso3"),
        pl.lit("territory").alias("lens"),
        pl.lit("ISIC4" if layout.is_international else "NAICS").alias("activity_scheme"),
        "activity_code",
        "activity_name",
        pl.lit("main_activity").alias("criteria"),
        pl.lit(layout.measure).alias("measure"),
        pl.date("period", 1, 1).alias("period_start"),
        pl.date("period", 12, 31).alias("period_end"),
        pl.lit("reference_year" if layout.is_international else "calendar_year").alias("period_basis"),
        pl.lit("usd_ppp" if layout.is_international else "national_currency").alias("unit"),
        pl.lit(None if layout.is_international else "USD", dtype=pl.String).alias("currency"),
        pl.lit("current").alias("price_base"),
        pl.when(is_range | is_hidden).then(None).otherwise(pl.col("low") * _MILLION).alias("value"),
        pl.when(is_range | is_hidden)
        .then(pl.lit("suppressed"))
        .when(pl.col("mark") == "i")
        .then(pl.lit("imputed"))
        .otherwise(pl.lit("reported"))
        .alias("status"),
        is_break.alias("series_break"),
        pl.concat_str(pl.when(is_hidden).then(pl.lit("D")), "mark", separator=",", ignore_nulls=True)
        .replace("", None)
        .alias("publisher_flags"),
        pl.concat_str(*notes, separator=" ", ignore_nulls=True).replace("", None).alias("note"),
        "locator",
        pl.lit(file.sha256).alias("file_sha256"),
    )


def _plain(text: pl.Expr) -> pl.Expr:
    """Text without character references, dashes as hyphens, blanks single, cut at its ends."""
    without_references = (
        text.str.replace_all(r"<[^>]*>", "")
        .str.replace_all("&nbsp;|&#160;", " ")
        .str.replace_all("&#8211;", "-")
        .str.replace_all("&amp;", "&")
    )
    return (
        half_width(without_references)
        .str.replace_all(r"[\u2010-\u2015\u2212]", "-")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )


def _isic(code: pl.Expr) -> pl.Expr:
    compact = _plain(code).str.replace_all(" ", "")
    return compact.replace_strict(_ISIC, default=None, return_dtype=pl.String)


def _iso3(name: pl.Expr) -> pl.Expr:
    return name.str.to_lowercase().replace_strict(areas.names(), default=None, return_dtype=pl.String)


def _fail(name: str, problem: str, remedy: str, sheet: str | None = None) -> NoReturn:
    raise LayoutError(problem, file=name, sheet=sheet, remedy=remedy)
