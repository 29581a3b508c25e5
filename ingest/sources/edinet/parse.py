"""Annual securities reports of EDINET (CSV of the API's type 5) and the list of EDINET codes.

A report is a zip with `XBRL_TO_CSV/jpcrp030000-asr-001_<EDINET code>-000_<period end>_<number>_<day filed>.csv`:
UTF-16, tabs, every field in quotation marks, nine columns, `－` for an empty value. Text blocks hold tabs of their
own, so lines are taken apart from the left. A fact's year and perimeter stand in its context
(`Prior1YearDuration_NonConsolidatedMember`); the days of the report's own and previous year stand in the document's
own description (elements `jpdei_cor:...DEI`).

A third party's reading of a report's XBRL document (canonical JSON, gzipped) is read too: the same elements and
contexts, with the facts in `facts` and the identity of the source document beside them.
EDINET API specification, version 2 (June 2025); EDINET taxonomy, guideline for filers.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NoReturn

import polars as pl

from ingest import vocabulary
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

COLUMNS = (
    *("要素ID", "項目名", "コンテキストID", "相対年度", "連結・個別", "期間・時点"),
    *("ユニットID", "単位", "値"),
)
CODE_LIST_COLUMNS = (
    *("EDINETコード", "提出者種別", "上場区分", "連結の有無", "資本金", "決算日", "提出者名", "提出者名(英字)"),
    *("提出者名(ヨミ)", "所在地", "提出者業種", "証券コード", "提出者法人番号"),
)
INDUSTRY = "医薬品"
SEGMENT_SCHEME = "edinet_segment"

# Elements by preference, without the prefix of the taxonomy: the statements before the five-year summary. Companies
# that find no element for their summary in the taxonomy make one of the same name under their own prefix.
REVENUE = {
    "IFRS": (
        *("RevenueIFRS", "NetSalesIFRS"),
        *("RevenueIFRSSummaryOfBusinessResults", "NetSalesIFRSSummaryOfBusinessResults"),
        *("RevenueIFRSKeyFinancialData", "NetSalesIFRSKeyFinancialData"),
    ),
    "US GAAP": ("RevenuesUSGAAPSummaryOfBusinessResults",),
    "Japan GAAP": (
        *("NetSales", "OperatingRevenue1"),
        *("NetSalesSummaryOfBusinessResults", "OperatingRevenue1SummaryOfBusinessResults"),
    ),
}
SEGMENT_REVENUE = ("RevenueFromExternalCustomersIFRS", "RevenuesFromExternalCustomers")
# The income statement, its notes, then the section on activities (rounded by most companies), and last the part of
# R&D within selling and general expenses alone.
RND = (
    "ResearchAndDevelopmentExpensesIFRS",
    "ResearchAndDevelopmentExpenditureRecognizedAsExpenseDuringPeriodIFRS",
    "ResearchAndDevelopmentExpensesIncludedInGeneralAndAdministrativeExpensesAndManufacturingCostForCurrentPeriod",
    "ResearchAndDevelopmentExpensesResearchAndDevelopmentActivities",
    "ResearchAndDevelopmentExpensesSGA",
)
SEGMENT_RND = ("ResearchAndDevelopmentExpensesResearchAndDevelopmentActivities",)

_TAXONOMY = r"^jp(?:(?:crp|pfs|igp)_cor|crp[0-9]+-asr_E[0-9]{5}-[0-9]{3}):"
_REPORT = re.compile(
    r"XBRL_TO_CSV/jpcrp0[0-9]{5}-asr-[0-9]{3}_(?P<code>E[0-9]{5})-[0-9]{3}_(?P<end>[0-9]{4}-[0-9]{2}-[0-9]{2})_"
    r"[0-9]{2}_(?P<filed>[0-9]{4}-[0-9]{2}-[0-9]{2})\.csv"
)
_CODE_LIST = re.compile(r"edinetcode.*\.(zip|csv)", re.IGNORECASE)
_CANONICAL = ".canonical.json.gz"
_CONTEXT = (
    r"^(?:CurrentYear|Prior(?P<years_back>[1-9])Year)Duration(?P<alone>_NonConsolidatedMember)?(?:_(?P<member>.+))?$"
)
_SEGMENT = r"^jp[a-z]+[0-9]+-[a-z]+_[EG][0-9]{5}-[0-9]{3}(.+?)ReportableSegments?Member$"
_OTHER_SEGMENTS = "OperatingSegmentsNotIncludedInReportableSegmentsAndOtherRevenueGeneratingBusinessActivitiesMember"
_NUMBER = r"^-?[0-9]+(?:\.[0-9]+)?$"
_LONGEST_HISTORY = 9
_REMEDY = "Fetch it again; if the publisher changed the format, the parser must follow."
_FACTS = pl.Schema(
    dict.fromkeys(("element", "context", "perimeter", "unit", "value_text", "locator"), pl.String()),
)


@dataclass(frozen=True)
class _Report:
    """A report: its facts as text, what it says of itself, and rows that could not be taken apart."""

    facts: pl.DataFrame
    about: dict[str, str]
    filed: date
    document: str
    value_origin: str
    rejected: pl.DataFrame
    rows_read: int


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Rows of one annual report in whole units of its currency, or of the code list.

    Raises LayoutError for a document that is no annual report of a reviewed filer, that does not tell its fiscal
    year, or whose table has other columns.
    """
    if len(files) != 1:
        _fail(
            ", ".join(file.name for file in files), f"there are {len(files)} files", "Load each document by itself."
        )
    (file,) = files
    if _CODE_LIST.fullmatch(file.name):
        return _code_list(file)
    report = _canonical(file) if file.name.lower().endswith(_CANONICAL) else _csv_report(file)
    return _observations(file, report)


# The report


def _csv_report(file: SourceFile) -> _Report:
    try:
        with zipfile.ZipFile(file.path) as archive:
            found = [(name, match) for name in archive.namelist() if (match := _REPORT.fullmatch(name))]
            if len(found) != 1:
                held = ", ".join(archive.namelist()[:5]) or "nothing"
                _fail(
                    file.name,
                    f"the archive holds {len(found)} annual securities reports, not one (it holds {held})",
                    "Only reports of companies (jpcrp03....-asr) are read.",
                )
            name, match = found[0]
            data = archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        _fail(file.name, f"the archive is damaged ({error})", "Fetch it again.")
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        _fail(file.name, f"{name} is not in UTF-16", _REMEDY)
    try:
        lines = data.decode("utf-16").removesuffix("\r\n").split("\r\n")
    except UnicodeDecodeError as error:
        _fail(file.name, f"{name} cannot be read as UTF-16 ({error.reason})", _REMEDY)
    header = tuple(cell.strip('"') for cell in lines[0].split("\t"))
    if header != COLUMNS:
        _fail(file.name, f"the columns of {name} are {', '.join(header)[:200]}", _REMEDY)
    short = r'"([^"\t]*)"'
    pattern = "^" + r"\t".join([short] * (len(COLUMNS) - 1)) + r'\t"((?s:.*))"$'
    table = (
        pl.DataFrame({"line": lines[1:]}, schema={"line": pl.String})
        .with_row_index("number", offset=2)
        .with_columns(pl.col("line").str.extract_groups(pattern).alias("cells"))
        .select("number", "line", pl.col("cells").struct.rename_fields(list(COLUMNS)))
        .unnest("cells")
    )
    # A text block may hold line ends of its own: then its first line is cut short, and its later lines do not begin
    # like a row.
    is_row = pl.col("line").str.contains(r'^"[A-Za-z0-9_-]+:[^"\t]+"\t')
    is_text = pl.col("line").str.contains(r'^"[^"\t]+TextBlock"\t')
    is_read = pl.col("要素ID").is_not_null()
    locator = pl.format(f"{name} line {{}}", "number")
    rejected = table.filter(is_row & ~is_text & ~is_read).select(
        locator.alias("locator"), pl.lit("the line has not nine cells").alias("reason"), pl.col("line").alias("raw")
    )
    facts = table.filter(is_row & is_read).select(
        pl.col("要素ID").alias("element"),
        pl.col("コンテキストID").alias("context"),
        pl.col("連結・個別").alias("perimeter"),
        pl.col("ユニットID").alias("unit"),
        pl.col("値").alias("value_text"),
        locator.alias("locator"),
    )
    about = _about(facts)
    if about.get("EDINETCodeDEI") != match["code"]:
        _fail(file.name, f"{name} is a report of {about.get('EDINETCodeDEI', 'nobody')}", "Fetch it again.")
    return _Report(
        facts.cast(_FACTS),
        about,
        _day(file, match["filed"], "the day of filing"),
        file.name.split(".")[0],
        "publisher_bytes",
        rejected,
        table.height,
    )


def _canonical(file: SourceFile) -> _Report:
    try:
        content: dict[str, Any] = json.loads(gzip.decompress(file.path.read_bytes()))
        listed = content["facts"]
        rows = [
            {
                "element": fact["dimensions"]["concept"],
                "context": fact["source_context_ref"],
                "perimeter": None,
                "unit": fact.get("source_unit_ref"),
                "value_text": fact.get("value"),
                "locator": f'facts["{name}"]',
            }
            for name, fact in listed.items()
        ]
        package = next(fact["source"]["package_path"] for fact in listed.values())
        document = str(content["filing"]["document_id"])
        facts = pl.DataFrame(rows, schema=_FACTS)
    except (OSError, EOFError, zlib.error, ValueError, TypeError, AttributeError, KeyError, StopIteration) as error:
        _fail(file.name, f"the file is no canonical reading of a report ({type(error).__name__}: {error})", _REMEDY)
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the facts are not laid out alike ({error})", _REMEDY)
    dates = re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(package))
    if len(dates) != 2:
        _fail(file.name, f"the name of the source document does not tell its day of filing ({package})", _REMEDY)
    return _Report(
        facts,
        _about(facts),
        _day(file, dates[1], "the day of filing"),
        document,
        "republished_copy",
        pl.DataFrame(schema={"locator": pl.String, "reason": pl.String, "raw": pl.String}),
        facts.height,
    )


def _about(facts: pl.DataFrame) -> dict[str, str]:
    """What the document says of itself, by element without its prefix."""
    own = facts.filter(
        pl.col("element").str.starts_with("jpdei_cor:") & ~pl.col("value_text").is_in(["－", ""]).fill_null(True)
    )
    return dict(own.select(pl.col("element").str.strip_prefix("jpdei_cor:"), "value_text").iter_rows())


def _observations(file: SourceFile, report: _Report) -> Parsed:
    about = report.about
    code = about.get("EDINETCodeDEI", "")
    filers = vocabulary.table("edinet_filer").filter(pl.col("edinet_code") == code)
    if not filers.height:
        _fail(
            file.name,
            f"the filer {code or 'without a code'} is not on the reviewed list",
            "If it is a pharmaceutical company, add it to vocabulary/edinet_filer.csv.",
        )
    if about.get("TypeOfCurrentPeriodDEI") != "FY":
        _fail(file.name, "the document is no report of a whole fiscal year", "Load annual reports only.")
    standard = about.get("AccountingStandardsDEI", "")
    prepared = about.get("WhetherConsolidatedFinancialStatementsArePreparedDEI")
    if standard not in REVENUE or prepared not in ("true", "false"):
        _fail(
            file.name,
            f"the report does not tell its accounting standard ({standard or 'none'}) or whether it is consolidated "
            f"({prepared or 'not stated'})",
            _REMEDY,
        )
    end = _day(file, about.get("CurrentFiscalYearEndDateDEI"), "the end of the fiscal year")
    dropped: dict[str, int] = {}

    def keep(frame: pl.DataFrame, condition: pl.Expr, rule: str) -> pl.DataFrame:
        kept = frame.filter(condition)
        if frame.height > kept.height:
            dropped[rule] = dropped.get(rule, 0) + frame.height - kept.height
        return kept

    names = {*REVENUE["IFRS"], *REVENUE["US GAAP"], *REVENUE["Japan GAAP"], *SEGMENT_REVENUE, *RND}
    local = pl.col("element").str.replace(_TAXONOMY, "")
    facts = report.facts.with_columns(local.alias("name"))
    is_taken = pl.col("element").str.contains(_TAXONOMY) & pl.col("name").is_in(sorted(names))
    facts = keep(facts, is_taken, "another_element")
    facts = facts.with_columns(pl.col("context").str.extract_groups(_CONTEXT).alias("_context")).unnest("_context")
    facts = keep(facts, pl.col("context").str.contains(_CONTEXT), "no_fiscal_year")
    facts = facts.with_columns(
        pl.col("years_back").fill_null("0").cast(pl.Int64),
        pl.col("alone").is_null().alias("is_consolidated"),
        pl.col("member").str.extract(_SEGMENT, 1).alias("segment"),
    ).with_columns(
        pl.when(pl.col("member") == _OTHER_SEGMENTS)
        .then(pl.lit("OtherSegments"))
        .otherwise(pl.col("segment"))
        .alias("segment"),
    )
    facts = keep(facts, ~pl.col("value_text").is_in(["－", ""]).fill_null(True), "no_value")
    stated = pl.col("perimeter").replace_strict({"連結": True, "個別": False}, default=None, return_dtype=pl.Boolean)
    reason = pl.concat_str(
        pl.when(~pl.col("value_text").str.contains(_NUMBER)).then(pl.lit("the value is no number")),
        pl.when(~pl.col("unit").str.contains("^[A-Z]{3}$").fill_null(False)).then(
            pl.lit("the value is no amount of money")
        ),
        pl.when(stated != pl.col("is_consolidated")).then(pl.lit("the column 連結・個別 contradicts the context")),
        pl.when(pl.struct("element", "context").is_duplicated() & ~_same_value()).then(
            pl.lit("the report states the figure twice, with different values")
        ),
        separator="; ",
        ignore_nulls=True,
    )
    facts = facts.with_columns(reason.alias("reason"))
    refused = facts.filter(pl.col("reason") != "").select(
        "locator", "reason", pl.format("{} {} {}", "element", "context", "value_text").alias("raw")
    )
    facts = facts.filter(pl.col("reason") == "")
    once = facts.unique(["element", "context"], keep="first", maintain_order=True)
    if facts.height > once.height:
        dropped["stated_again"] = facts.height - once.height
    facts = once
    if prepared == "true":
        facts = keep(facts, pl.col("is_consolidated"), "company_alone")
    else:
        facts = keep(facts, ~pl.col("is_consolidated"), "no_consolidated_statements")
    periods = _periods(file, about, end)
    facts = facts.join(periods, on="years_back", how="left", maintain_order="left")
    facts = keep(facts, pl.col("period_start").is_not_null(), "year_not_dated")
    facts = keep(facts, pl.col("member").is_null() | pl.col("segment").is_not_null(), "another_dimension")
    facts = facts.with_columns(pl.col("value_text").cast(pl.Float64).alias("value"))
    company = pl.col("member").is_null()
    order = [*REVENUE[standard], *(name for other in REVENUE if other != standard for name in REVENUE[other])]
    revenue = _preferred(facts.filter(company & pl.col("name").is_in(order)), order, dropped)
    segments = _preferred(facts.filter(~company & pl.col("name").is_in(SEGMENT_REVENUE)), SEGMENT_REVENUE, dropped)
    rnd = _preferred(facts.filter(company & pl.col("name").is_in(RND)), RND, dropped)
    segment_rnd = _preferred(facts.filter(~company & pl.col("name").is_in(SEGMENT_RND)), SEGMENT_RND, dropped)
    used = revenue.height + segments.height + rnd.height + segment_rnd.height
    others = facts.height - used - dropped.get("another_element_of_the_report", 0)
    if others:
        dropped["breakdown_not_read"] = others
    is_correction = about.get("AmendmentFlagDEI") == "true"
    if not revenue.height and not is_correction:
        _fail(
            file.name,
            "the report states no revenue of a fiscal year under the elements taken",
            "The company may use elements of its own making: compare them with ingest/sources/edinet/parse.py.",
        )
    if not revenue.height and is_correction:
        # A correction of words only: it must not replace the report that it corrects.
        dropped["correction_without_revenue"] = used
        revenue, segments, rnd, segment_rnd = (frame.clear() for frame in (revenue, segments, rnd, segment_rnd))
    filer = filers.row(0, named=True)
    name = about.get("FilerNameInEnglishDEI") or about.get("FilerNameInJapaneseDEI") or filer["name"]
    shared: list[pl.Expr | str] = [
        "period_start",
        "period_end",
        pl.lit("fiscal_year").alias("period_basis"),
        pl.col("unit").alias("currency"),
        "value",
        "locator",
        pl.lit(file.sha256).alias("file_sha256"),
        pl.lit(f"https://api.edinet-fsa.go.jp/api/v2/documents/{report.document}?type=5").alias("document_url"),
        pl.lit(report.value_origin).alias("value_origin"),
        pl.concat_str(pl.lit(standard), "perimeter", separator=",", ignore_nulls=True).alias("publisher_flags"),
        _note(report, prepared == "true"),
    ]
    sales = pl.concat([revenue, segments], how="diagonal_relaxed")
    spending = pl.concat([rnd, segment_rnd], how="diagonal_relaxed")
    tables = {
        "sales_observation": _broken(sales, standard).select(
            pl.lit("total").alias("row_kind"),
            pl.coalesce("segment", pl.lit("All products")).alias("product_name"),
            pl.when(pl.col("segment").is_not_null()).then(pl.lit(SEGMENT_SCHEME)).alias("class_scheme"),
            pl.col("segment").alias("class_code"),
            pl.lit(_normal(name)).alias("seller_name"),
            pl.lit(code).alias("seller_code"),
            pl.lit("WLD").alias("market_iso3"),
            pl.lit("all").alias("setting"),
            pl.lit("all").alias("route"),
            pl.lit("company_net").alias("price_basis"),
            *shared,
            "series_break",
        ),
        "rnd_observation": spending.select(
            pl.lit("company").alias("entity_kind"),
            pl.lit(code).alias("entity_code"),
            pl.lit(_normal(name)).alias("entity_name"),
            pl.lit(filer["hq_iso3"]).alias("entity_iso3"),
            pl.lit("filer").alias("lens"),
            pl.when(pl.col("segment").is_null())
            .then(pl.lit("none"))
            .otherwise(pl.lit(SEGMENT_SCHEME))
            .alias("activity_scheme"),
            pl.coalesce("segment", pl.lit("_T")).alias("activity_code"),
            pl.lit("none").alias("criteria"),
            pl.lit("rnd_expense").alias("measure"),
            pl.lit("currency").alias("unit"),
            pl.lit("current").alias("price_base"),
            *shared,
        ),
    }
    return Parsed(
        {table: frame for table, frame in tables.items() if frame.height},
        rows_read=report.rows_read,
        rejected=pl.concat([report.rejected, refused]).select(
            pl.lit("sales_observation").alias("table_name"), pl.lit(file.name).alias("file_name"), pl.all()
        ),
        dropped=dropped,
        published_on=report.filed,
        # Sorts by time: of the reports that state a company's year, staging takes the last partition.
        partition=f"{end} {code}",
    )


def _same_value() -> pl.Expr:
    return pl.col("value_text").n_unique().over("element", "context") == 1


def _periods(file: SourceFile, about: dict[str, str], end: date) -> pl.DataFrame:
    """First and last day of the report's own year and of the years before it, by distance."""
    start = _day(file, about.get("CurrentFiscalYearStartDateDEI"), "the start of the fiscal year")
    if not start < end:
        _fail(file.name, f"the fiscal year runs from {start} to {end}", "Fetch it again.")
    found = [(0, start, end)]
    previous = [about.get(f"PreviousFiscalYear{edge}DateDEI") for edge in ("Start", "End")]
    if all(previous):
        first, last = (_day(file, text, "the previous fiscal year") for text in previous)
        found.append((1, first, last))
        if _is_whole_year(start, end) and _is_whole_year(first, last) and last == start - timedelta(days=1):
            for distance in range(2, _LONGEST_HISTORY + 1):
                first, last = _years_before(start, distance), _years_before(start, distance - 1) - timedelta(days=1)
                found.append((distance, first, last))
    return pl.DataFrame(
        found, schema={"years_back": pl.Int64, "period_start": pl.Date, "period_end": pl.Date}, orient="row"
    )


def _is_whole_year(start: date, end: date) -> bool:
    return _years_before(end + timedelta(days=1), 1) == start


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        # 29 February.
        return day.replace(year=day.year - years, day=28)


def _preferred(facts: pl.DataFrame, order: Sequence[str], dropped: dict[str, int]) -> pl.DataFrame:
    """One fact per year and segment: that of the first element; others are named in `also` where they differ."""
    key = ["years_back", "segment"]
    rank = pl.col("name").replace_strict({name: i for i, name in enumerate(order)}, return_dtype=pl.Int64)
    ranked = facts.with_columns(rank.alias("_rank")).sort(*key, "_rank", maintain_order=True)
    first = ranked.unique(key, keep="first", maintain_order=True)
    others = (
        ranked.join(
            first.select(*key, pl.col("value").alias("_value")), on=key, nulls_equal=True, maintain_order="left"
        )
        .filter(pl.col("value") != pl.col("_value"))
        .group_by(key, maintain_order=True)
        .agg(pl.format("{} {}", "element", "value_text").str.join(", ").alias("also"))
    )
    if facts.height > first.height:
        rule = "another_element_of_the_report"
        dropped[rule] = dropped.get(rule, 0) + facts.height - first.height
    return first.join(others, on=key, how="left", nulls_equal=True, maintain_order="left").drop("_rank")


def _broken(sales: pl.DataFrame, standard: str) -> pl.DataFrame:
    """Add `series_break`: the first year that the report states under another standard than the year before it."""
    name = pl.col("name")
    of_element = (
        pl.when(name.str.contains("IFRS", literal=True))
        .then(pl.lit("IFRS"))
        .when(name.str.contains("USGAAP", literal=True))
        .then(pl.lit("US GAAP"))
        .otherwise(pl.lit("Japan GAAP"))
    )
    ordered = sales.with_columns(of_element.alias("_standard")).sort("segment", "period_end", nulls_last=False)
    before = pl.col("_standard").shift().over("segment")
    return ordered.with_columns((before != pl.col("_standard")).fill_null(False).alias("series_break"))


def _note(report: _Report, is_consolidated: bool) -> pl.Expr:
    perimeter = "consolidated" if is_consolidated else "the company alone: it prepares no consolidated statements"
    return pl.concat_str(
        pl.format(f"{{}}, report {report.document} filed {report.filed}, {perimeter}", "element"),
        pl.when(pl.col("years_back") > 0).then(pl.lit("figure of an earlier year")),
        pl.when(pl.col("years_back") > 1).then(pl.lit("days counted back from the report's own year")),
        pl.when(pl.col("name") == "ResearchAndDevelopmentExpensesSGA").then(
            pl.lit("within selling, general and administrative expenses only")
        ),
        pl.when(pl.col("also").is_not_null()).then(pl.format("the report also states {}", "also")),
        separator="; ",
        ignore_nulls=True,
    ).alias("note")


# The code list


def _code_list(file: SourceFile) -> Parsed:
    text, member = _code_list_text(file)
    banner, _, body = text.partition("\r\n")
    match = re.match(r"ダウンロード実行日,([0-9]{4})年([0-9]{2})月([0-9]{2})日現在,件数,([0-9]+)件", banner)
    if not match:
        _fail(file.name, f"the first line does not tell day and count of the list ({banner[:80]!r})", _REMEDY)
    try:
        table = pl.read_csv(io.BytesIO(body.encode()), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the list cannot be read as CSV ({error})", _REMEDY)
    header = [_normal(name) for name in table.columns]
    if header != list(CODE_LIST_COLUMNS):
        _fail(file.name, f"the columns are {', '.join(header)[:300]}", _REMEDY)
    table.columns = header
    if table.height != int(match[4]):
        _fail(
            file.name,
            f"the list has {table.height:,} filers, its first line says {int(match[4]):,}",
            "Fetch it again.",
        )
    reviewed = vocabulary.table("edinet_filer")
    is_wanted = (pl.col("提出者業種") == INDUSTRY) | pl.col("EDINETコード").is_in(reviewed["edinet_code"].to_list())
    listed = table.with_row_index("line", offset=3)
    wanted = listed.filter(is_wanted.fill_null(False))
    locator = pl.format(f"{member}line {{}}", "line")
    is_read = pl.col("EDINETコード").str.contains("^E[0-9]{5}$") & pl.col("提出者名").is_not_null()
    rejected = wanted.filter(~is_read.fill_null(False))
    kept = wanted.filter(is_read).join(
        reviewed.rename({"edinet_code": "EDINETコード"}), on="EDINETコード", how="left", maintain_order="left"
    )
    if not kept.height:
        _fail(file.name, f"no filer of the list is in the industry {INDUSTRY}", _REMEDY)
    is_domestic = pl.col("提出者種別").str.starts_with("内国").fill_null(False)
    home = pl.when(is_domestic).then(pl.lit("JPN"))
    english = _text("提出者名(英字)")
    rows = kept.select(
        pl.lit("edinet").alias("scheme"),
        pl.col("EDINETコード").alias("identifier"),
        _text("提出者名").alias("legal_name"),
        english.alias("other_name"),
        pl.when(english.is_not_null()).then(pl.lit("提出者名(英字)")).alias("other_name_kind"),
        _text("提出者種別").alias("entity_category"),
        _text("提出者業種").alias("industry"),
        pl.when(is_domestic).then(pl.lit("JP")).alias("jurisdiction"),
        home.alias("legal_address_iso3"),
        pl.coalesce("hq_iso3", home).alias("headquarters_iso3"),
        _text("提出者法人番号").alias("registration_number"),
        _text("証券コード").alias("security_code"),
        "company_id",
        pl.when(pl.col("company_id").is_not_null()).then(pl.lit("itself")).alias("company_relation"),
        locator.alias("locator"),
        pl.lit(file.sha256).alias("file_sha256"),
    )
    return Parsed(
        {"company_identity": rows},
        rows_read=table.height,
        rejected=rejected.select(
            pl.lit("company_identity").alias("table_name"),
            pl.lit(file.name).alias("file_name"),
            locator.alias("locator"),
            pl.lit("the filer has no EDINET code or no name").alias("reason"),
            pl.struct(list(CODE_LIST_COLUMNS)).struct.json_encode().alias("raw"),
        ),
        dropped={"another_industry": table.height - wanted.height},
        published_on=_day(file, "-".join(match.groups()[:3]), "the day of the list"),
        partition="code_list",
    )


def _code_list_text(file: SourceFile) -> tuple[str, str]:
    """The text of the list, and the name of the zip's entry as a prefix of locators."""
    member = ""
    try:
        if zipfile.is_zipfile(file.path):
            with zipfile.ZipFile(file.path) as archive:
                names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
                if len(names) != 1:
                    _fail(file.name, f"the archive holds {len(names)} tables, not one", _REMEDY)
                member = f"{names[0]} "
                data = archive.read(names[0])
        else:
            data = file.path.read_bytes()
        return data.decode("cp932"), member
    except UnicodeDecodeError as error:
        _fail(file.name, f"the list is not in the encoding cp932 ({error.reason})", _REMEDY)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        _fail(file.name, f"the archive is damaged ({error})", "Fetch it again.")


def _text(column: str) -> pl.Expr:
    """A cell with letters normalised and single blanks; null where it is empty."""
    plain = pl.col(column).str.normalize("NFKC").str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(plain != "").then(plain)


def _normal(text: str) -> str:

    return " ".join(unicodedata.normalize("NFKC", text).split())


def _day(file: SourceFile, text: str | None, what: str) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        _fail(file.name, f"{what} is not stated ({text or 'no value'})", _REMEDY)


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
