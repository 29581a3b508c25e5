"""NHI price list (薬価基準収載品目リスト), the publisher's workbooks or a third party's CSV, to `product_identity`.

A list is four workbooks (内用薬, 注射薬, 外用薬, 歯科用薬剤), or a CSV in UTF-8 put together from them. Four
columns of a workbook hold the pharmacopoeia's mark, the narcotic's mark, an added maker's name and the name; in the
older ones the header 品名 spans all four, in the newer ones it stands above the last and the others have none.
The conversion called the first 品名 and the last `Unnamed: 7` in the older layout, and named the others. So there are
three headers of the CSV: all rows in the spanned layout (2015-04), only the dental rows in it (2019-10), and none
(2025-07). The layout of the workbooks is inferred from the conversion and from public programs that read them.
https://www.mhlw.go.jp/stf/seisakunitsuite/bunya/0000078916.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from typing import cast

import polars as pl

from ingest import biologics, workbook
from ingest.celltext import half_width
from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

TABLE = "product_identity"

_CODE_COLUMN = "薬価基準収載医薬品コード"
_GENERIC = "診療報酬において加算等の算定対象となる後発医薬品"
_HAS_GENERIC = "同一剤形・規格の後発医薬品がある先発医薬品"
_USABLE_UNTIL = "経過措置による使用期限"
_PHARMACOPOEIA = "日本薬局方"
_SPANNED_NAME = "Unnamed: 7"
_PLAIN = (
    *("区分", _CODE_COLUMN, "成分名", "規格", _PHARMACOPOEIA, "麻薬", "業者名追記", "品名", "メーカー名"),
    *(_GENERIC, "先発医薬品", _HAS_GENERIC, "薬価", _USABLE_UNTIL, "備考"),
)
LAYOUTS = {
    "plain": frozenset(_PLAIN),
    "spanned in part": frozenset((*_PLAIN, _SPANNED_NAME)),
    "spanned": frozenset((*_PLAIN, _SPANNED_NAME)) - {_PHARMACOPOEIA},
}
ROUTES = {"内用薬": "oral", "注射薬": "injection", "外用薬": "topical", "歯科用薬剤": "dental"}
# Row 1 of a workbook before and after the four columns that hold the name and its marks.
_WORKBOOK_START = ("区分", _CODE_COLUMN, "成分名", "規格")
_WORKBOOK_END = ("メーカー名", _GENERIC, "先発医薬品", _HAS_GENERIC, "薬価", _USABLE_UNTIL, "備考")
_WORKBOOK_MIDDLES = (
    ("品名", "", "", ""),
    ("", "", "", "品名"),
    (_PHARMACOPOEIA, "麻薬", "業者名追記", "品名"),
)
_WORKBOOK = re.compile(rf"nhi_(\d{{8}})_({'|'.join(ROUTES.values())})_.*\.xlsx?", re.IGNORECASE)
_RECOMBINANT = "遺伝子組換え"
_CODE = r"^[0-9]{6}[0-9A-Z][A-Z][0-9]{4}$"
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
_DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?!\d)")
_LISTED_IN_REMARK = r"^([HR])([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{1,2})収載$"


def parse(files: Sequence[SourceFile]) -> Parsed:
    """One row per code of one list; prices in yen per listed unit.

    `approved_on` is the listing date where the remark (備考) tells it. A row whose group (区分) is unknown, whose
    code is malformed, or that has no ingredient, name or price is rejected. A list is one CSV or all four workbooks.
    Raises LayoutError for anything else, a file name without the list's date, another header, a workbook of another
    group than its name says, or text that is no CSV in UTF-8.
    """
    is_workbook = [_WORKBOOK.fullmatch(file.name) for file in files]
    if not any(is_workbook) and len(files) != 1:
        raise LayoutError(
            "one list is one edition", file=", ".join(file.name for file in files), remedy="Give one file at a time."
        )
    if any(is_workbook):
        _require_four_workbooks(files)
    # A workbook that is the same as in the list before keeps its older name: the newest day is the list's.
    listed_on = max(list_date(file.name) for file in files)
    read = _read_workbook if any(is_workbook) else _read
    rows = pl.concat(_judged(read(file)).pipe(_marked_with, file) for file in files)
    rejected = rows.filter(pl.col("reason") != "").select(
        pl.lit(TABLE).alias("table_name"),
        "file_name",
        "locator",
        "reason",
        pl.concat_str(
            pl.col("区分", _CODE_COLUMN, "成分名", "brand_name", "薬価").fill_null(""), separator=" | "
        ).alias("raw"),
    )
    return Parsed(
        {
            TABLE: _canonical(
                rows.filter(pl.col("reason") == ""),
                listed_on,
                "publisher_bytes" if any(is_workbook) else "republished_copy",
            )
        },
        rows_read=rows.height,
        rejected=rejected,
        published_on=max((file.published_on for file in files if file.published_on), default=listed_on),
        partition=f"list-{listed_on.isoformat()}",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Products that are biologics under any rule set, by code or by ingredient, or that are marked as recombinant."""
    is_kept = (
        biologics.has_biologic_nhi_code(pl.col("licence_number"))
        | biologics.has_biologic_ingredient(pl.col("ingredient_name"))
        | pl.col("is_recombinant_marked")
    )
    return {TABLE: tables[TABLE].filter(is_kept)}


def list_date(name: str) -> date:
    """The day of the list, from a file name such as `mhlw_price_20191001.csv`; LayoutError where it tells none."""
    problem = "the file's name does not tell the day of the list"
    if match := _DATE_IN_NAME.search(name):
        try:
            return date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError as error:
            problem = f"the file's name tells no day ({error})"
    raise LayoutError(problem, file=name, remedy="Name the file mhlw_price_YYYYMMDD.csv, with the day of the list.")


def era_date(remark: pl.Expr) -> pl.Expr:
    """The date in a remark such as `R1.9.4収載` (2019-09-04); null for any other text, and for a day that is none."""
    start = pl.when(remark.str.extract(_LISTED_IN_REMARK, 1) == "H").then(1988).otherwise(2018)
    year = start + remark.str.extract(_LISTED_IN_REMARK, 2).cast(pl.Int32)
    month, day = (remark.str.extract(_LISTED_IN_REMARK, group).str.zfill(2) for group in (3, 4))
    return pl.format("{}-{}-{}", year, month, day).str.to_date("%Y-%m-%d", strict=False)


def _read(file: SourceFile) -> pl.DataFrame:
    """Cells as text (NFKC, trimmed, empty ones null) and `locator`; LayoutError unless the header is a known one."""
    content = file.path.read_bytes()
    require_even_rows(content, file.name)
    try:
        frame = pl.read_csv(content, infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        raise LayoutError(
            f"the file is no CSV in UTF-8 ({str(error).splitlines()[0]})", file=file.name, remedy="Fetch it again."
        ) from error
    found = frozenset(frame.columns)
    if found not in LAYOUTS.values():
        nearest = min(LAYOUTS.values(), key=lambda layout: len(layout ^ found))
        parts = {"lacks": nearest - found, "has the unknown": found - nearest}
        problem = " and ".join(
            f"{verb} {', '.join(name[:40] for name in sorted(names)[:5])}" for verb, names in parts.items() if names
        )
        raise LayoutError(
            f"the header {problem}",
            file=file.name,
            row=1,
            remedy="Check that it is the price list; if its columns were renamed, the parser must follow.",
        )
    if not frame.height:
        raise LayoutError("no row follows the header", file=file.name, row=1, remedy="Fetch the file again.")
    # A cell may hold line breaks, so the line of a row is counted from the breaks above it.
    breaks = pl.sum_horizontal(pl.all().str.count_matches("\n").fill_null(0)) + 1
    lines = frame.select((breaks.cum_sum() - breaks + 2).alias("line")).to_series()
    missing = [pl.lit(None, dtype=pl.String).alias(name) for name in (_PHARMACOPOEIA, _SPANNED_NAME)]
    return (
        frame.with_columns(half_width(pl.all()).str.replace_all(r"\s+", " ").str.strip_chars())
        .with_columns(pl.all().replace("", None))
        .with_columns(column for column in missing if column.meta.output_name() not in found)
        .with_columns(pl.format("line {}", lines).alias("locator"))
    )


def _marked_with(rows: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    columns = [*_PLAIN, "locator", "brand_name", "pharmacopoeia", "price", "reason"]
    return rows.select(*columns, pl.lit(file.name).alias("file_name"), pl.lit(file.sha256).alias("file_sha256"))


def _require_four_workbooks(files: Sequence[SourceFile]) -> None:
    """Each group of the list has one workbook, by the names that the connector gave from the page's links."""
    names = ", ".join(file.name for file in files)
    found = [match[2].lower() if (match := _WORKBOOK.fullmatch(file.name)) else None for file in files]
    missing = [group for group, route in ROUTES.items() if route not in found]
    if missing or len(found) != len(ROUTES):
        raise LayoutError(
            f"the files are not the four workbooks of a list; missing: {', '.join(missing) or 'none (one is twice)'}",
            file=names,
            remedy="A list replaces the one of the same day as a whole: give the workbooks of "
            f"{', '.join(ROUTES)}, named nhi_YYYYMMDD_{{{','.join(ROUTES.values())}}}_….xlsx.",
        )


def _read_workbook(file: SourceFile) -> pl.DataFrame:
    """Cells of a workbook under the names of the plain layout, and `locator`; LayoutError for another header."""
    match = cast(re.Match[str], _WORKBOOK.fullmatch(file.name))
    found = workbook.sheets(file)
    if len(found) != 1:
        raise LayoutError(
            f"the workbook has {len(found)} sheets ({', '.join(found)}), expected one",
            file=file.name,
            remedy="Look which of them is the list; the parser must follow.",
        )
    ((sheet, frame),) = found.items()
    cells = frame.drop(workbook.ROW)
    header = (
        [re.sub(r"\s", "", unicodedata.normalize("NFKC", name or "")) for name in cells.row(0)]
        if cells.height
        else []
    )
    while header and not header[-1]:
        header.pop()
    if tuple(header) not in [(*_WORKBOOK_START, *middle, *_WORKBOOK_END) for middle in _WORKBOOK_MIDDLES]:
        expected = (*_WORKBOOK_START, *_WORKBOOK_MIDDLES[1], *_WORKBOOK_END)
        differs = next(
            (i for i, (a, b) in enumerate(zip(header, expected, strict=False)) if a != b),
            min(len(header), len(expected)),
        )
        raise LayoutError(
            f"column {differs + 1} of the header is {(header[differs][:40] if differs < len(header) else '')!r}, "
            f"expected {(expected[differs] if differs < len(expected) else '')!r}",
            file=file.name,
            sheet=sheet,
            row=1,
            remedy="Check that it is the price list; if its columns were changed, the parser must follow.",
        )
    names = (*_WORKBOOK_START, *_WORKBOOK_MIDDLES[2], *_WORKBOOK_END)
    body = (
        frame.slice(1)
        .select(workbook.ROW, *(pl.col(old).alias(new) for old, new in zip(cells.columns, names, strict=False)))
        .with_columns(
            pl.col(names).str.normalize("NFKC").str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)
        )
        .filter(~pl.all_horizontal(pl.col(names).is_null()))
    )
    groups = set(body["区分"].drop_nulls())
    stated = next(group for group, route in ROUTES.items() if route == match[2].lower())
    if groups != {stated}:
        raise LayoutError(
            f"the publisher's page says {stated}, the workbook {', '.join(sorted(groups)) or 'nothing'}",
            file=file.name,
            sheet=sheet,
            remedy="Compare the page with the workbook: one of both is wrong, or the connector misread the page.",
        )
    return body.with_columns(
        pl.format("sheet {} row {}", pl.lit(sheet), workbook.ROW).alias("locator"),
        pl.lit(None, dtype=pl.String).alias(_SPANNED_NAME),
    )


def _judged(cells: pl.DataFrame) -> pl.DataFrame:
    """Cells with `brand_name`, `pharmacopoeia`, `price` and `reason`, which is empty for a row that can be read."""
    is_spanned = pl.col(_SPANNED_NAME).is_not_null()
    brand = pl.when(is_spanned).then(_SPANNED_NAME).otherwise("品名")
    # In the spanned layout the column called 品名 holds the pharmacopoeia's mark.
    mark = pl.when(is_spanned).then("品名").otherwise(_PHARMACOPOEIA)
    price = pl.when(pl.col("薬価").str.contains(_NUMBER)).then("薬価").cast(pl.Float64)
    checks = {
        "区分 is not one of 内用薬, 注射薬, 外用薬, 歯科用薬剤": ~pl.col("区分").is_in(list(ROUTES)).fill_null(False),
        f"{_CODE_COLUMN} has not the form of a code": ~pl.col(_CODE_COLUMN).str.contains(_CODE).fill_null(False),
        "成分名 is missing": pl.col("成分名").is_null(),
        "品名 is missing": brand.is_null() | (brand == "局"),
        "日本薬局方 holds something else than 局": mark.is_not_null() & (mark != "局"),
        "薬価 holds no number": price.is_null(),
    }
    reasons = [pl.when(condition).then(pl.lit(text)) for text, condition in checks.items()]
    return cells.with_columns(
        brand.alias("brand_name"),
        mark.alias("pharmacopoeia"),
        price.alias("price"),
        pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason"),
    )


def _canonical(rows: pl.DataFrame, listed_on: date, value_origin: str) -> pl.DataFrame:
    is_marked = pl.col("成分名").str.contains(_RECOMBINANT, literal=True)
    flags = ("pharmacopoeia", "麻薬", "業者名追記", _GENERIC, "先発医薬品", _HAS_GENERIC, _USABLE_UNTIL, "備考")
    return rows.select(
        pl.lit("MHLW").alias("agency"),
        pl.lit("nhi_price_list").alias("list_name"),
        pl.col(_CODE_COLUMN).alias("licence_number"),
        pl.lit(listed_on).alias("listed_on"),
        "brand_name",
        pl.col("成分名").alias("ingredient_name"),
        pl.col("規格").alias("strength_text"),
        pl.col("区分").replace_strict(ROUTES, return_dtype=pl.String).alias("route"),
        pl.col("メーカー名").alias("holder_name"),
        pl.lit("JPN").alias("market_iso3"),
        pl.when(is_marked).then(pl.lit(_RECOMBINANT)).alias("modality_evidence"),
        is_marked.alias("is_recombinant_marked"),
        era_date(pl.col("備考")).alias("approved_on"),
        pl.col("price").alias("listed_price"),
        pl.lit("JPY").alias("listed_price_currency"),
        # ★ is a generic whose price is not below the original's; it earns the dispenser no addition.
        pl.col(_GENERIC).is_in(["後発品", "★"]).fill_null(False).alias("is_generic"),
        "file_sha256",
        "locator",
        pl.lit(value_origin).alias("value_origin"),
        pl.concat_str(pl.col(flags), separator=",", ignore_nulls=True).replace("", None).alias("publisher_flags"),
    )
