"""NDB Open Data, drugs by sex and age (性年齢別薬効分類別数量), to `sales_observation`.

One workbook holds one route (注射, 内服, 外用) with a sheet per setting, or one route and setting. Row 1 tells the
months (診療年月), rows 3 and 4 are a header in two levels, data start in row 5. Two layouts: 46 columns without 単位
and with 90歳以上 as last age band (FY2014, FY2015), and 51 columns (FY2016 on). 薬効分類 and its name stand only in
the first row of a class. `-` is a suppressed count.

The publisher gives the price at the start of the fiscal year (薬価) and the quantity (総計); their product is our
computation, so rows are `derived` and `computed`. https://www.mhlw.go.jp/stf/seisakunitsuite/bunya/0000177182.html
"""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import fastexcel
import polars as pl

from ingest import biologics
from ingest.celltext import half_width
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

TABLE = "sales_observation"

_ERA_START = {"H": 1988, "R": 2018}
_MONTHS = re.compile(r"診療年月:([HR])(\d{1,2}|元)年(\d{1,2})月[~〜-]([HR])(\d{1,2}|元)年(\d{1,2})月")
_SHEET = re.compile(r"(注射|内服|外用)薬?(外来\(院内\)|外来\(院外\)|入院)")
# As the publisher's page titles the table.
TABLE_TITLE = "性年齢別薬効分類別数量"
ROUTES = {"注射": "injection", "内服": "oral", "外用": "topical"}
SETTINGS = {
    "外来(院内)": "outpatient_in_house",
    "外来(院外)": "outpatient_pharmacy",
    "入院": "inpatient",
}
# As fetch.py names a file: the round, and the route and setting that the page's link tells.
_NAMED = re.compile(
    rf"ndb_r(\d+)_(?:all|({'|'.join(ROUTES.values())})(?:_({'|'.join(SETTINGS.values())}))?)[_.]", re.IGNORECASE
)
# Round n holds the claims of fiscal year n + 2013.
_YEAR_BEFORE_FIRST_ROUND = 2013
_MAX_MEMBER_BYTES = 200_000_000
_SUPPRESSED = ("-", "‐", "–", "−")
_HEADER_ROWS = 4
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
_CODE = r"^[0-9]{6}[0-9A-Z][A-Z][0-9]{4}$"
_FETCH = "Fetch the workbook again; if the publisher changed the layout, the parser must follow."
_COLUMNS = {
    "薬効分類": "class_code",
    "薬効分類名称": "class_name",
    "医薬品コード": "claim_code",
    "医薬品名": "product_name",
    "単位": "quantity_unit",
    "薬価基準収載医薬品コード": "product_code",
    "薬価": "price_text",
    "後発品区分": "generic_text",
    "総計": "quantity_text",
}


@dataclass(frozen=True)
class Layout:
    """A published layout: the header in two levels, cells without blanks, sexes as 男 and 女."""

    name: str
    columns: tuple[str, ...]
    bands: tuple[str, ...]

    @property
    def header(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Rows 3 and 4 of a sheet; a merged cell has its text in the first column."""
        rest = ("",) * (len(self.bands) - 1)
        return (*self.columns, "男", *rest, "女", *rest), (*("",) * len(self.columns), *self.bands, *self.bands)


def _bands(last: int) -> tuple[str, ...]:
    return (*(f"{age}~{age + 4}歳" for age in range(0, last, 5)), f"{last}歳以上")


LAYOUTS = (
    Layout("51 columns, FY2016 on", tuple(_COLUMNS), _bands(100)),
    Layout("46 columns, FY2014 and FY2015", tuple(name for name in _COLUMNS if name != "単位"), _bands(90)),
)


def parse(files: Sequence[SourceFile]) -> Parsed:
    """One row per product, setting and route of one fiscal year; quantity in the unit of 単位, value in yen.

    The files are all workbooks of one fiscal year. Suppressed quantities give null quantity and value with status
    `suppressed`. Blank rows are counted as `blank_row`. A row without class, code, name or price, whose class is not
    the first three digits of its code, or whose cells hold no number, is rejected. Raises LayoutError for files of
    several fiscal years, a route and setting that stands twice, an unknown sheet or header, or a damaged workbook,
    and where a fetched workbook is not of the round, route and setting that the publisher's page said.
    """
    sheets = [sheet for file in files for sheet in _read(file)]
    _require_one_edition(files, sheets)
    _require_what_the_page_said(sheets)
    year = sheets[0].fiscal_year
    cells = pl.concat([sheet.cells for sheet in sheets])
    rows = _judged(cells)
    rejected = rows.filter(pl.col("reason") != "").select(
        pl.lit(TABLE).alias("table_name"),
        "file_name",
        "locator",
        "reason",
        pl.concat_str(
            pl.col("class_code", "product_code", "product_name", "price_text", "quantity_text").fill_null(""),
            separator=" | ",
        ).alias("raw"),
    )
    blank = sum(sheet.blank_rows for sheet in sheets)
    return Parsed(
        {TABLE: _canonical(rows.filter(pl.col("reason") == ""), year)},
        rows_read=cells.height,
        rejected=rejected,
        dropped={"blank_row": blank} if blank else {},
        published_on=_published_on(files),
        partition=f"FY{year}",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Products that are biologics under any rule set, and the others as one `remainder` row per class and sheet.

    The remainder's value is the sum of the known values, so that totals of classes, settings and routes stay exact;
    its note says how many products it sums and how many of them are suppressed.
    """
    frame = tables[TABLE]
    is_kept = biologics.has_biologic_nhi_code(pl.col("product_code"))
    return {TABLE: pl.concat([frame.filter(is_kept), _remainder(frame.filter(~is_kept))])}


def fiscal_year(text: str) -> int:
    """The fiscal year (April to March) that 診療年月 states, as in `診療年月：H31年04月～R02年03月`: 2019.

    Raises ValueError where the text states no such period, or one that is not a whole fiscal year.
    """
    match = _MONTHS.search(_plain(text))
    if not match:
        raise ValueError("the text does not state 診療年月 as in H31年04月～R02年03月")
    start_era, start_year, start_month, end_era, end_year, end_month = match.groups()
    start = (_western(start_era, start_year), int(start_month))
    end = (_western(end_era, end_year), int(end_month))
    if start[1] != 4 or end != (start[0] + 1, 3):
        raise ValueError(f"診療年月 is {start[0]}-{start[1]:02} to {end[0]}-{end[1]:02}, not April to March")
    return start[0]


def _western(era: str, year: str) -> int:
    return _ERA_START[era] + (1 if year == "元" else int(year))


def number(text: pl.Expr) -> pl.Expr:
    """The number that a cell holds; null for anything else, suppressed cells among them."""
    return pl.when(text.str.contains(_NUMBER)).then(text).cast(pl.Float64)


def is_suppressed(text: pl.Expr) -> pl.Expr:
    """Whether a cell holds the publisher's sign for a suppressed count."""
    return text.is_in(list(_SUPPRESSED))


def _plain(text: str | None) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text or ""))


@dataclass(frozen=True)
class _Sheet:
    """Cells of one sheet as text, one row per product, with route, setting and locator."""

    file_name: str
    name: str
    route: str
    setting: str
    fiscal_year: int
    cells: pl.DataFrame
    blank_rows: int


def _read(file: SourceFile) -> list[_Sheet]:
    if file.name.lower().endswith(".zip"):
        return [
            sheet for name, content in _members(file) for sheet in _read_workbook(file, content, f"member {name} ")
        ]
    return _read_workbook(file, file.path)


def _members(file: SourceFile) -> list[tuple[str, bytes]]:
    """Name and bytes of the workbooks of this table in an archive of all tables of medicines."""
    found = []
    with zipfile.ZipFile(file.path) as archive:
        for entry in archive.infolist():
            name = _member_name(entry).rsplit("/", 1)[-1]
            plain = _plain(name)
            if TABLE_TITLE in plain and plain.endswith(".xlsx") and "歯科" not in plain and "公費" not in plain:
                if entry.file_size > _MAX_MEMBER_BYTES:
                    raise LayoutError(
                        f"member {name} would unpack to {entry.file_size:,} bytes", file=file.name, remedy=_FETCH
                    )
                found.append((name, archive.read(entry)))
    if not found:
        raise LayoutError(f"the archive holds no workbook titled {TABLE_TITLE}", file=file.name, remedy=_FETCH)
    return sorted(found)


def _member_name(entry: zipfile.ZipInfo) -> str:
    """The member's name; without the flag for UTF-8 the publisher's archives hold cp932."""
    if entry.flag_bits & 0x800:
        return entry.filename
    return entry.filename.encode("cp437", errors="replace").decode("cp932", errors="replace")


def _read_workbook(file: SourceFile, content: Path | bytes, prefix: str = "") -> list[_Sheet]:
    try:
        workbook = fastexcel.read_excel(content)
        frames = {
            name: workbook.load_sheet(name, header_row=None, dtypes="string").to_polars()
            for name in workbook.sheet_names
        }
    except fastexcel.FastExcelError as error:
        raise LayoutError(
            f"the workbook cannot be read ({str(error).splitlines()[0]})",
            file=file.name,
            remedy="It is cut off or no Excel workbook: fetch it again.",
        ) from error
    return [_sheet(file, name, frame, prefix) for name, frame in frames.items()]


def _sheet(file: SourceFile, name: str, frame: pl.DataFrame, prefix: str) -> _Sheet:
    match = _SHEET.fullmatch(_plain(name))
    if not match:
        raise LayoutError(
            "the sheet's name does not tell route and setting, as in 注射薬 外来（院内）",
            file=file.name,
            sheet=name,
            remedy=_FETCH,
        )
    if frame.height <= _HEADER_ROWS:
        raise LayoutError(
            f"the sheet has {frame.height} rows, no product among them",
            file=file.name,
            sheet=name,
            remedy="The workbook is cut off: fetch it again.",
        )
    title = _plain(frame.item(0, 0))
    try:
        year = fiscal_year(title)
    except ValueError as error:
        raise LayoutError(str(error), file=file.name, sheet=name, row=1, remedy=_FETCH) from error
    stated = _SHEET.search(title)
    if stated and stated.groups() != match.groups():
        raise LayoutError(
            f"the title says {stated.group()}, the sheet's name {match.group()}",
            file=file.name,
            sheet=name,
            row=1,
            remedy="One of both is wrong: compare with the publisher's page.",
        )
    layout = _layout(file, name, frame)
    texts = pl.col(frame.columns[: len(layout.columns)])
    body = (
        frame.select(half_width(texts).str.strip_chars().replace("", None))
        .rename({old: _COLUMNS[new] for old, new in zip(frame.columns, layout.columns, strict=False)})
        .with_row_index("row", offset=1)
        .slice(_HEADER_ROWS)
    )
    if "quantity_unit" not in body.columns:
        body = body.with_columns(pl.lit(None, dtype=pl.String).alias("quantity_unit"))
    is_blank = pl.all_horizontal(pl.col(list(_COLUMNS.values())).is_null())
    cells = body.filter(~is_blank).select(
        pl.col("class_code", "class_name").forward_fill(),
        *(column for column in _COLUMNS.values() if column not in ("class_code", "class_name")),
        pl.lit(ROUTES[match[1]]).alias("route"),
        pl.lit(SETTINGS[match[2]]).alias("setting"),
        pl.lit(file.name).alias("file_name"),
        pl.lit(file.sha256).alias("file_sha256"),
        pl.concat_str(pl.lit(f"{prefix}sheet {name} row "), "row").alias("locator"),
    )
    return _Sheet(
        file.name, name, ROUTES[match[1]], SETTINGS[match[2]], year, cells, blank_rows=body.height - cells.height
    )


def _layout(file: SourceFile, name: str, frame: pl.DataFrame) -> Layout:
    """The layout whose header the sheet has; LayoutError names the first cell that differs from the nearest one."""
    found = tuple(tuple(_header_cell(cell) for cell in frame.row(row)) for row in (2, 3))
    for layout in LAYOUTS:
        if found == layout.header:
            return layout
    width = max(len(found[0]), *(len(layout.header[0]) for layout in LAYOUTS))

    def differences(layout: Layout) -> list[tuple[int, int, str, str]]:
        return [
            (row, column, is_, should)
            for row, (cells, header) in enumerate(zip(found, layout.header, strict=True), start=3)
            for column, (is_, should) in enumerate(
                zip(_padded(cells, width), _padded(header, width), strict=True), start=1
            )
            if is_ != should
        ]

    nearest = min(LAYOUTS, key=lambda layout: len(differences(layout)))
    if not differences(nearest):
        raise LayoutError(
            f"the sheet has {len(found[0])} columns, its header {len(nearest.header[0])}",
            file=file.name,
            sheet=name,
            row=3,
            remedy="Cells stand to the right of the table: use the publisher's workbook as downloaded.",
        )
    row, column, is_, should = differences(nearest)[0]
    raise LayoutError(
        f"column {column} of the header is {is_[:40]!r}, expected {should!r} (layout of {nearest.name})",
        file=file.name,
        sheet=name,
        row=row,
        remedy="It may be another table of the same series (by prefecture, by month); " + _FETCH,
    )


def _header_cell(cell: str | None) -> str:
    return {"男性": "男", "女性": "女"}.get(plain := _plain(cell), plain)


def _padded(cells: tuple[str, ...], width: int) -> tuple[str, ...]:
    return cells + ("",) * (width - len(cells))


def _require_one_edition(files: Sequence[SourceFile], sheets: Sequence[_Sheet]) -> None:
    names = ", ".join(file.name for file in files)
    years = {sheet.fiscal_year: sheet.file_name for sheet in sheets}
    if len(years) != 1:
        listed = ", ".join(f"{name} is of FY{year}" for year, name in sorted(years.items())) or "no sheets"
        raise LayoutError(
            f"the files are not of one fiscal year: {listed}", file=names, remedy="Load each fiscal year by itself."
        )
    seen: dict[tuple[str, str], _Sheet] = {}
    for sheet in sheets:
        other = seen.setdefault((sheet.route, sheet.setting), sheet)
        if other is not sheet:
            raise LayoutError(
                f"{sheet.route}, {sheet.setting} stands also in {other.file_name}, sheet {other.name!r}",
                file=sheet.file_name,
                sheet=sheet.name,
                remedy="Give each route and setting once.",
            )


def _require_what_the_page_said(sheets: Sequence[_Sheet]) -> None:
    for sheet in sheets:
        named = _NAMED.match(sheet.file_name)
        if named is None:
            continue
        year, route, setting = int(named[1]) + _YEAR_BEFORE_FIRST_ROUND, named[2], named[3]
        said = f"FY{year}", route or sheet.route, setting or sheet.setting
        found = f"FY{sheet.fiscal_year}", sheet.route, sheet.setting
        if said != found:
            raise LayoutError(
                f"the publisher's page says {' '.join(said)}, the workbook {' '.join(found)}",
                file=sheet.file_name,
                sheet=sheet.name,
                remedy="Compare the page with the workbook: one of both is wrong, or the connector misread the page.",
            )


def _judged(cells: pl.DataFrame) -> pl.DataFrame:
    """Cells with `price`, `quantity` and `reason`, which is empty for a row that can be read."""
    price, quantity = number(pl.col("price_text")), number(pl.col("quantity_text"))
    suppressed = is_suppressed(pl.col("quantity_text")).fill_null(False)
    code, class_code = pl.col("product_code").fill_null(""), pl.col("class_code").fill_null("")
    checks = {
        "薬効分類 is not three digits": ~class_code.str.contains(r"^[0-9]{3}$"),
        "薬価基準収載医薬品コード is no price-list code of 12 characters": ~code.str.contains(_CODE),
        "薬効分類 differs from the first three digits of the code": class_code != code.str.slice(0, 3),
        "医薬品名 is missing": pl.col("product_name").is_null(),
        "薬価 holds no number": price.is_null(),
        "総計 holds neither a number nor the sign for a suppressed count": quantity.is_null() & ~suppressed,
        "後発品区分 is neither 0 nor 1": ~pl.col("generic_text").is_in(["0", "1"]).fill_null(False),
    }
    reasons = [pl.when(condition).then(pl.lit(text)) for text, condition in checks.items()]
    return cells.with_columns(
        price.alias("unit_price"),
        quantity.alias("quantity"),
        suppressed.alias("suppressed"),
        pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason"),
    )


def _canonical(rows: pl.DataFrame, year: int) -> pl.DataFrame:
    suppressed = pl.col("suppressed")
    return rows.select(
        pl.lit("product").alias("row_kind"),
        pl.lit("nhi_12").alias("product_code_system"),
        "product_code",
        "product_name",
        pl.lit("jsccm_3").alias("class_scheme"),
        "class_code",
        "class_name",
        pl.lit("JPN").alias("market_iso3"),
        "setting",
        "route",
        pl.lit(date(year, 4, 1)).alias("period_start"),
        pl.lit(date(year + 1, 3, 31)).alias("period_end"),
        pl.lit("fiscal_year").alias("period_basis"),
        pl.lit("national_reimbursement_price").alias("price_basis"),
        "quantity",
        "quantity_unit",
        "unit_price",
        (pl.col("unit_price") * pl.col("quantity")).alias("value"),
        pl.lit("JPY").alias("currency"),
        (pl.col("generic_text") == "1").alias("is_generic"),
        "file_sha256",
        "locator",
        pl.when(suppressed).then(pl.lit("suppressed")).otherwise(pl.lit("derived")).alias("status"),
        pl.when(suppressed).then(pl.lit("publisher_bytes")).otherwise(pl.lit("computed")).alias("value_origin"),
    )


def _published_on(files: Sequence[SourceFile]) -> date | None:
    """The last day on which the publisher saved one of the workbooks, unless the archive knows the publication."""
    known = [file.published_on for file in files if file.published_on]
    saved = [day for file in files if (day := _saved_on(file))]
    return max(known) if known else max(saved, default=None)


def _saved_on(file: SourceFile) -> date | None:
    try:
        with zipfile.ZipFile(file.path) as archive:
            properties = archive.read("docProps/core.xml").decode("utf-8", errors="replace")
    except (KeyError, OSError, zipfile.BadZipFile):
        return None
    match = re.search(r"<dcterms:modified\b[^>]*>\s*(\d{4}-\d{2}-\d{2})", properties)
    return date.fromisoformat(match[1]) if match else None


def _remainder(others: pl.DataFrame) -> pl.DataFrame:
    """One row per class and sheet that sums the given products; null and `suppressed` where none is known."""
    row_number = pl.col("locator").str.extract(r" row (\d+)$").cast(pl.Int64)
    known = pl.col("value").is_not_null().sum()
    grouped = (
        others.sort("file_sha256", "route", "setting", "class_code", row_number)
        .with_columns(row_number.alias("_row"), pl.col("locator").str.extract(r"^(.*) row \d+$").alias("_sheet"))
        .group_by("class_code", "setting", "route", maintain_order=True)
    )
    # Columns that say what a product is have no meaning for a sum over products of different units.
    blanked = (
        *("product_code", "quantity", "quantity_unit", "unit_price", "is_generic", "publisher_flags", "document_url"),
    )
    computed = {
        "row_kind": pl.lit("remainder"),
        "product_name": pl.format("All other products of class {}", "class_code"),
        "value": pl.when(pl.col("_known") > 0).then(pl.col("value")),
        "status": pl.when(pl.col("_known") > 0).then(pl.lit("derived")).otherwise(pl.lit("suppressed")),
        "value_origin": pl.lit("computed"),
        "locator": pl.when(pl.col("_first") == pl.col("_last"))
        .then(pl.format("{} row {}", "_sheet", "_first"))
        .otherwise(pl.format("{} rows {} to {}", "_sheet", "_first", "_last")),
        "note": pl.format("sum of {} products, {} suppressed", "_products", "_suppressed"),
    }
    carried = [name for name in others.columns if name not in ("class_code", "setting", "route", "value")]
    summed = grouped.agg(
        pl.col(carried).first(),
        pl.col("value").sum(),
        known.alias("_known"),
        pl.len().alias("_products"),
        (pl.len() - known).alias("_suppressed"),
        pl.col("_row").min().alias("_first"),
        pl.col("_row").max().alias("_last"),
        pl.col("_sheet").first(),
    )
    return summed.with_columns(
        *(expression.alias(name) for name, expression in computed.items()),
        *(pl.lit(None, dtype=others.schema[name]).alias(name) for name in blanked),
    ).select(others.columns)
