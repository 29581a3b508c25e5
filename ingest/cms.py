"""Medicare spending by drug: what the tables of Part B and of Part D have in common.

Each release holds five calendar years side by side. In the CSV the year ends the column's name (`Tot_Spndng_2022`);
Part B says `Avg_Spndng_Per_Dsg_Unt_2022` where Part D says `Avg_Spnd_Per_Dsg_Unt_Wghtd_2022`. In the workbooks of
earlier releases the same header repeats for each year below a merged `Calendar Year 2019`, or below nothing, where
only the file's name tells the last year. The window moves with every release, so the years are read from the names.
https://data.cms.gov/summary-statistics-on-use-and-payments/medicare-medicaid-spending-by-drug
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

import fastexcel
import polars as pl

from ingest.celltext import half_width
from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile
from ingest.tabtext import decode

if TYPE_CHECKING:
    from ingest.fetch import Client, Download

TABLE = "sales_observation"
CATALOGUE = "https://data.cms.gov/data.json"
OVERALL = "Overall"

# A mark is stripped from a name and kept as a flag; the publisher's outlier flag stands beside it.
_MARKS = r"\*+$"
_OUTLIER = "outlier"
_HEADER_WITHIN = 20
_CUT = 15
_NUMBER = r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
_HCPCS = r"^[0-9A-Z][0-9]{3}[0-9A-Z]$"
_DATED = re.compile(r"[-_ ](?:20)?([0-9]{6})\.[a-z]+$", re.IGNORECASE)
_LAST_YEAR = re.compile(r"(?:YTD|CY|DYT?) ?(?:20)?([0-9]{2})(?![0-9])", re.IGNORECASE)
_CALENDAR_YEAR = re.compile(r"Calendar Year (20[0-9]{2})")
_CHANGE = re.compile(r"\((20[0-9]{2})-(20[0-9]{2})\)")
_PUBLISHERS_NAME = re.compile(r"DSD_PT[BD]_R[A-Z]?[0-9]{2}_.+\.(csv|xlsx)", re.IGNORECASE)
_FETCH = "Fetch it again; if CMS changed the layout, ingest/cms.py must follow."

_NAME_COLUMNS = {
    "HCPCS_Cd": "code",
    "HCPCS_Desc": "description",
    "Brnd_Name": "brand",
    "Gnrc_Name": "generic",
    "Mftr_Name": "manufacturer",
}
_WORKBOOK_NAMES = {
    "Medicare Billing Code (HCPCS Code)": "code",
    "Drug Description": "description",
    "Brand Name": "brand",
    "Generic Name": "generic",
}
_WORKBOOK_MEASURES = {
    "Total Spending": "spending",
    "Total Dosage Units": "units",
    "Average Spending Per Dosage Unit": "unit_price",
    "Outlier Flag": "outlier",
}
_MEASURES = tuple(_WORKBOOK_MEASURES.values())
_CELLS = ("code", "description", "brand", "generic", "manufacturer", *_MEASURES)


@dataclass(frozen=True)
class Program:
    """What differs between the programs: setting, columns that name a drug, and the name of the average."""

    setting: str
    names: tuple[str, ...]
    average: str

    def columns(self, year: int) -> dict[str, str]:
        """Columns of one year in the CSV, with what they hold."""
        return {
            f"Tot_Spndng_{year}": "spending",
            f"Tot_Dsg_Unts_{year}": "units",
            f"{self.average}_{year}": "unit_price",
            f"Outlier_Flag_{year}": "outlier",
        }


PART_B = Program("part_b", ("HCPCS_Cd", "HCPCS_Desc", "Brnd_Name", "Gnrc_Name"), "Avg_Spndng_Per_Dsg_Unt")
PART_D = Program("part_d", ("Brnd_Name", "Gnrc_Name", "Mftr_Name"), "Avg_Spnd_Per_Dsg_Unt_Wghtd")


# --- fetching ------------------------------------------------------------------------------------------------


def releases(client: Client, title: str) -> Iterable[Download]:
    """Every release of a data set that the catalogue of data.cms.gov lists as CSV, as one edition.

    The catalogue follows the DCAT-US schema. Raises FetchError where it does not hold the data set.
    """
    from ingest.fetch import Download, FetchError

    catalogue = client.get_json(Download(url=CATALOGUE, name="data.json"))
    found = catalogue.get("dataset", []) if isinstance(catalogue, dict) else []
    listed = [entry for data_set in found if data_set.get("title") == title for entry in data_set["distribution"]]
    addresses = {
        address: _day(entry.get("modified"))
        for entry in listed
        if (address := str(entry.get("downloadURL") or "")) and urlsplit(address).path.lower().endswith(".csv")
    }
    if not addresses:
        raise FetchError(
            f"the catalogue lists no CSV of {title!r}",
            file=CATALOGUE,
            remedy="Look the data set up on data.cms.gov: it may have another title.",
        )
    return [
        Download(url=address, name=unquote(PurePosixPath(urlsplit(address).path).name), published_on=modified)
        for address, modified in addresses.items()
    ]


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None


# --- parsing -------------------------------------------------------------------------------------------------


def parse(files: Sequence[SourceFile], program: Program) -> Parsed:
    """Sales of all releases given, one row per drug (and manufacturer) and calendar year, in US dollars.

    A year that several releases hold is taken from the newest; the older rows are counted as
    `superseded_by_newer_release`. A blank cell gives a null value with status `suppressed`. Cells that hold no
    number and rows without a name are rejected. Raises LayoutError for another header, a year that is incomplete or
    repeated, and two files of the same release.
    """
    tables = [_read(file, program) for file in files]
    last = [table.years[-1] for table in tables]
    if len(set(last)) != len(last):
        names = ", ".join(file.name for file in files)
        raise LayoutError("two files hold the same release", file=names, remedy="Give each release once.")
    newest_first = sorted(tables, key=lambda table: table.years[-1], reverse=True)
    taken: set[int] = set()
    kept: list[pl.DataFrame] = []
    superseded = 0
    for table in newest_first:
        known = pl.col("year").is_in(sorted(taken))
        kept.append(table.rows.filter(~known))
        superseded += table.rows.select(known.sum()).item()
        taken |= set(table.years)
    rows = _judged(pl.concat(kept), program)
    dropped = {
        "superseded_by_newer_release": superseded,
        "blank_row": sum(table.blank_rows for table in tables),
    }
    is_good = pl.col("reason") == ""
    return Parsed(
        {TABLE: _canonical(rows.filter(is_good), program)},
        rows_read=sum(table.row_count for table in tables),
        rejected=rows.filter(~is_good).select(
            pl.lit(TABLE).alias("table_name"),
            "file_name",
            "locator",
            "reason",
            pl.concat_str(pl.col(_CELLS).fill_null(""), separator=" | ").alias("raw"),
        ),
        dropped={rule: count for rule, count in dropped.items() if count},
        published_on=max((day for file in files if (day := published_on(file))), default=None),
    )


def published_on(file: SourceFile) -> date | None:
    """Day of publication: what the archive knows, else the day at the end of the file's name; None without one."""
    if file.published_on:
        return file.published_on
    match = _DATED.search(file.name)
    try:
        return datetime.strptime(match[1], "%y%m%d").date() if match else None
    except ValueError:
        return None


@dataclass(frozen=True)
class _Table:
    """One release as text: a row per published row and year, with the columns of `_CELLS`."""

    years: tuple[int, ...]
    rows: pl.DataFrame
    row_count: int
    blank_rows: int


def _read(file: SourceFile, program: Program) -> _Table:
    with file.path.open("rb") as stream:
        is_workbook = stream.read(2) == b"PK"
    if is_workbook and program is not PART_B:
        _fail(file, "a workbook is not read for this program", "Give the CSV of the release.")
    return _read_workbook(file) if is_workbook else _read_csv(file, program)


def _read_csv(file: SourceFile, program: Program) -> _Table:
    text = decode(file.path.read_bytes(), file.name)
    require_even_rows(text.encode(), file.name)
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        _fail(file, f"the table cannot be read as CSV ({str(error).splitlines()[0]})", _FETCH)
    header = next(csv.reader(io.StringIO(text, newline="")))
    if repeated := sorted({column for column in header if header.count(column) > 1}):
        _fail(file, f"the column {repeated[0]} stands twice", _FETCH)
    years = tuple(sorted(int(match[1]) for c in header if (match := re.fullmatch(r"Tot_Spndng_(20\d\d)", c))))
    _require_years(file, years)
    of_years = {year: program.columns(year) for year in years}
    needed = (*program.names, *(column for columns in of_years.values() for column in columns))
    if missing := [column for column in needed if column not in frame.columns]:
        _fail(file, f"the column {', '.join(missing[:5])} is missing", _FETCH, row=1)
    # A cell may hold line breaks, so the line of a row is counted from the breaks above it.
    breaks = pl.sum_horizontal(pl.all().str.count_matches("\n").fill_null(0)) + 1
    frame = frame.with_columns(pl.format("line {}", breaks.cum_sum() - breaks + 2).alias("_where"))
    filled = frame.filter(~pl.all_horizontal(pl.col(header).fill_null("").str.strip_chars() == ""))
    if not filled.height:
        _fail(file, "no row follows the header", "Fetch it again.", row=1)
    names = {column: _NAME_COLUMNS[column] for column in program.names}
    rows = [_of_year(filled, file, year, names | columns, f"Tot_Spndng_{year}") for year, columns in of_years.items()]
    return _Table(years, pl.concat(rows), filled.height, frame.height - filled.height)


@dataclass(frozen=True)
class _Sheet:
    """A worksheet as text with the position of its header row."""

    file: SourceFile
    name: str
    frame: pl.DataFrame
    position: int

    def cells(self, row: int) -> list[str]:
        """Cells of a row by its position from 0; blank ones where there is no such row."""
        return [_plain(cell) for cell in self.frame.row(row)] if row >= 0 else [""] * self.frame.width

    def fail(self, problem: str) -> NoReturn:
        """Raise LayoutError about the header row."""
        _fail(self.file, problem, _FETCH, sheet=self.name, row=self.position + 1)


def _read_workbook(file: SourceFile) -> _Table:
    """The sheet whose header names billing codes and spending; sheets of other tables are passed over."""
    try:
        workbook = fastexcel.read_excel(file.path)
        frames = {
            name: workbook.load_sheet(name, header_row=None, dtypes="string").to_polars()
            for name in workbook.sheet_names
        }
    except fastexcel.FastExcelError as error:
        _fail(file, f"the workbook cannot be read ({str(error).splitlines()[0]})", "Fetch it again.")
    sheets = (
        _Sheet(file, name, frame, position)
        for name, frame in frames.items()
        for position in range(min(frame.height, _HEADER_WITHIN))
    )
    for sheet in sheets:
        header = sheet.cells(sheet.position)
        if header[:1] == ["Medicare Billing Code (HCPCS Code)"] and "Total Spending" in header:
            return _read_sheet(sheet, header)
    return _fail(file, "no sheet has a header with billing codes and total spending", _FETCH)


def _read_sheet(sheet: _Sheet, header: list[str]) -> _Table:
    if header[: len(_WORKBOOK_NAMES)] != list(_WORKBOOK_NAMES):
        sheet.fail(f"the first columns are {', '.join(header[: len(_WORKBOOK_NAMES)])}")
    starts = [column for column, label in enumerate(header) if label == "Total Spending"]
    years = _years_of_sheet(sheet, header, starts)
    columns = sheet.frame.columns
    body = sheet.frame.with_row_index("_row", offset=1).slice(sheet.position + 1)
    is_blank = pl.all_horizontal(pl.col(columns).fill_null("").str.strip_chars() == "")
    filled = body.filter(~is_blank).with_columns(_where=pl.format("sheet {} row {}", pl.lit(sheet.name), "_row"))
    if not filled.height:
        sheet.fail("no row follows the header")
    names = dict(zip(columns, _WORKBOOK_NAMES.values(), strict=False))
    parts = []
    for year, start, end in zip(years, starts, [*starts[1:], len(header)], strict=True):
        labels = header[start:end]
        if wrong := [label for label in _WORKBOOK_MEASURES if labels.count(label) != 1]:
            sheet.fail(f"{year} has the column {wrong[0]} {labels.count(wrong[0])} times")
        held = {columns[start + labels.index(label)]: cell for label, cell in _WORKBOOK_MEASURES.items()}
        parts.append(_of_year(filled, sheet.file, year, names | held, _letters(start)))
    return _Table(years, pl.concat(parts), filled.height, body.height - filled.height)


def _years_of_sheet(sheet: _Sheet, header: list[str], starts: list[int]) -> tuple[int, ...]:
    """Years of the repeated columns: those above the header, else counted back from the last one in the names."""
    above = sheet.cells(sheet.position - 1)
    stated = {column: int(match[1]) for column, text in enumerate(above) if (match := _CALENDAR_YEAR.search(text))}
    if stated:
        if list(stated) != starts:
            sheet.fail("the calendar years do not stand above Total Spending")
        years = tuple(stated.values())
    else:
        texts = (sheet.file.name, sheet.name)
        named = {2000 + int(match[1]) for text in texts if (match := _LAST_YEAR.search(text))}
        if len(named) != 1:
            told = " and ".join(str(year) for year in sorted(named)) or "no year"
            sheet.fail(f"the header has no years, and the names of file and sheet tell {told}")
        last = named.pop()
        years = tuple(range(last - len(starts) + 1, last + 1))
    _require_years(sheet.file, years)
    changes = {int(match[2]) for label in header if (match := _CHANGE.search(label))}
    if changes and changes != {years[-1]}:
        told = ", ".join(str(year) for year in sorted(changes))
        sheet.fail(f"the last year is {years[-1]}, but changes are to {told}")
    return years


def _require_years(file: SourceFile, years: Sequence[int]) -> None:
    if not years:
        _fail(file, "no column holds the total spending of a year", _FETCH)
    if any(after - before != 1 for before, after in pairwise(years)):
        _fail(file, f"the years {', '.join(map(str, years))} do not follow one another", _FETCH)


def _of_year(
    frame: pl.DataFrame, file: SourceFile, year: int, columns: Mapping[str, str], column: str
) -> pl.DataFrame:
    """Cells of one year as text: `columns` says what they hold, `column` where the locator puts the spending."""
    held = {cell: source for source, cell in columns.items()}
    texts = [
        half_width(pl.col(held[cell])).str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)
        if cell in held
        else pl.lit(None, dtype=pl.String)
        for cell in _CELLS
    ]
    return frame.select(
        *(text.alias(cell) for text, cell in zip(texts, _CELLS, strict=True)),
        pl.lit(year, dtype=pl.Int32).alias("year"),
        pl.format("{} column {}", "_where", pl.lit(column)).alias("locator"),
        pl.lit(file.name).alias("file_name"),
        pl.lit(file.sha256).alias("file_sha256"),
        pl.lit("publisher_bytes" if _PUBLISHERS_NAME.fullmatch(file.name) else "republished_copy").alias(
            "value_origin"
        ),
    )


def _plain(cell: str | None) -> str:
    return re.sub(r"\s+", " ", cell or "").strip()


def _letters(column: int) -> str:
    """Name of a worksheet's column by its position from 0: A to Z, AA and so on."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _judged(cells: pl.DataFrame, program: Program) -> pl.DataFrame:
    """Cells with `reason`, which is empty for a row that can be read."""
    is_blank = pl.col("spending").is_null()
    checks: dict[str, pl.Expr] = {
        f"{label} holds no number": ~pl.col(cell).str.contains(_NUMBER).fill_null(True)
        for label, cell in _WORKBOOK_MEASURES.items()
        if cell != "outlier"
    }
    checks |= {
        "Outlier Flag is neither 0 nor 1": ~pl.col("outlier").str.contains(r"^[01](\.0)?$").fill_null(True),
        "there are dosage units without spending": is_blank & pl.col("units").is_not_null(),
        "the brand name is missing": pl.col("brand").is_null(),
    }
    if "HCPCS_Cd" in program.names:
        checks["the code is no HCPCS code"] = ~pl.col("code").str.contains(_HCPCS).fill_null(False)
    if "Mftr_Name" in program.names:
        checks["the manufacturer is missing"] = pl.col("manufacturer").is_null()
    reasons = [pl.when(condition).then(pl.lit(text)) for text, condition in checks.items()]
    return cells.with_columns(pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason"))


def _canonical(rows: pl.DataFrame, program: Program) -> pl.DataFrame:
    by_code = "HCPCS_Cd" in program.names
    brand, generic, maker = (_unmarked(pl.col(name)) for name in ("brand", "generic", "manufacturer"))
    is_total = (maker == OVERALL).fill_null(False)
    code = pl.col("code") if by_code else pl.concat_str(brand, generic, separator=" | ", ignore_nulls=True)
    marks = pl.concat_list(
        pl.col("brand", "generic", "manufacturer").str.extract(f"({_MARKS})"),
        pl.when(pl.col("outlier").str.starts_with("1")).then(pl.lit(_OUTLIER)),
    ).list.drop_nulls()
    is_blank = pl.col("spending").is_null()
    notes = pl.concat_list(
        pl.when(is_blank).then(pl.lit("Blank in the table: redacted or not available.")),
        pl.when(maker.str.len_chars() >= _CUT).then(pl.lit("The publisher cuts manufacturers' names to 15 letters.")),
    ).list.drop_nulls()
    return rows.select(
        pl.when(is_total).then(pl.lit("total")).otherwise(pl.lit("product")).alias("row_kind"),
        pl.lit("hcpcs" if by_code else "cms_brand_generic").alias("product_code_system"),
        pl.when(~is_total).then(code).alias("product_code"),
        brand.alias("product_name"),
        generic.alias("substance_name"),
        pl.when(~is_total).then(maker).alias("seller_name"),
        pl.lit("USA").alias("market_iso3"),
        pl.lit(program.setting).alias("setting"),
        pl.lit("all").alias("route"),
        pl.date("year", 1, 1).alias("period_start"),
        pl.date("year", 12, 31).alias("period_end"),
        pl.lit("calendar_year").alias("period_basis"),
        pl.lit("payer_gross").alias("price_basis"),
        pl.col("units").cast(pl.Float64).alias("quantity"),
        pl.lit("HCPCS billing unit" if by_code else "dosage unit").alias("quantity_unit"),
        pl.col("unit_price").cast(pl.Float64),
        pl.col("spending").cast(pl.Float64).alias("value"),
        pl.lit("USD").alias("currency"),
        "file_sha256",
        "locator",
        pl.when(is_blank).then(pl.lit("suppressed")).otherwise(pl.lit("reported")).alias("status"),
        "value_origin",
        pl.when(marks.list.len() > 0)
        .then(marks.list.unique(maintain_order=True).list.join(","))
        .alias("publisher_flags"),
        pl.when(notes.list.len() > 0).then(notes.list.join(" ")).alias("note"),
    )


def _unmarked(name: pl.Expr) -> pl.Expr:
    """A name without its footnote mark; null where nothing else is left."""
    return name.str.replace(_MARKS, "").str.strip_chars().replace("", None)


def _fail(
    file: SourceFile, problem: str, remedy: str, *, sheet: str | None = None, row: int | None = None
) -> NoReturn:
    raise LayoutError(problem, file=file.name, sheet=sheet, row=row, remedy=remedy)
