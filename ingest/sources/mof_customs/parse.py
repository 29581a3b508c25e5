"""Trade Statistics of Japan, commodity by country, to `trade_flow` in yen.

One CSV for each flow, year and section of the tariff: `Exp or Imp` (1 export, 2 import), `Year`, `HS` (nine digits
between apostrophes), `Country`, two units, and quantity 1, quantity 2 and value (1,000 yen, rounded down) of the year
and of each month. https://www.customs.go.jp/toukei/sankou/howto/yougo_e.htm explains the versions of the figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from ingest import trade
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

TABLE = "trade_flow"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
IDENTITY = ("Exp or Imp", "Year", "HS", "Country", "Unit1", "Unit2")
FLOWS = {"1": "export", "2": "import"}
VALUATION = {"export": "fob", "import": "cif"}
# First years of the revisions in Japan; the first Harmonized System (1988) has no name among the UN's revisions.
REVISIONS = {1988: trade.UNNAMED_REVISION, 1992: "HS1992", 1996: "HS1996", 2002: "HS2002", 2007: "HS2007"} | {
    2012: "HS2012",
    2017: "HS2017",
    2022: "HS2022",
}
NEXT_REVISION = 2028
YEN_PER_UNIT = 1000
KILOGRAMS = {"KG": 1.0, "MT": 1000.0}

_FINAL = re.compile(r"fixed|kakutei", re.IGNORECASE)
_KEY = ("flow", "hs_revision", "hs_code", "partner_iso3", "month")


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Monthly trade of one flow and year, in yen and kilograms (`import-2019`).

    Raises LayoutError for other columns, for the tables by customs office, and for files of several flows or years.
    Rows with unknown codes, with cells that are no number, or whose months do not add up to the year are rejected.
    """
    # Areas that share a country are added up wherever they stand, so that all rows are held, but not as text.
    frames = [_rows(block, file) for file in files for block in trade.read_blocks(file)]
    wide = pl.concat(frames, how="diagonal")
    names = ", ".join(file.name for file in files)
    kinds = wide.select("flow_as_published", "year").unique().drop_nulls().sort("year", "flow_as_published")
    if kinds.height != 1 or (flow := FLOWS.get(kinds["flow_as_published"][0])) is None:
        raise LayoutError(
            f"the files hold {kinds.height} pairs of flow and year ({kinds.rows()[:5]}), not one known",
            file=names,
            remedy="Give the files of one flow and year as one edition.",
        )
    year = kinds["year"][0]
    bad = pl.col("reason").is_not_null()
    blank = wide.filter("is_blank").height
    wide = wide.filter(~pl.col("is_blank")).with_columns(
        # A line that stands twice must not be added up as if it were another area of the same country.
        reason=pl.coalesce(
            "reason",
            pl.when(pl.struct("HS", "country").is_duplicated()).then(
                pl.lit("the commodity and country stand in another line too")
            ),
        )
    )
    good = wide.filter(~bad)
    months = _months(good, int(year))
    traded = months.filter(~pl.col("is_empty"))
    rejected = wide.filter(bad).select(
        "file_name",
        "locator",
        "reason",
        table_name=pl.lit(TABLE),
        raw=pl.struct("flow_as_published", "year", "HS", "country", "year_value").struct.json_encode(),
    )
    return Parsed(
        {TABLE: _canonical(traded, flow)},
        rows_read=wide.height + blank,
        rejected=rejected,
        dropped={
            rule: count
            for rule, count in {
                "blank_row": blank,
                "no_trade_or_not_compiled": months.height - traded.height,
            }.items()
            if count
        },
        partition=f"{flow}-{year}",
    )


def _rows(table: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    """Rows of a file with a reason where one cannot be used; LayoutError for another layout."""
    if "Custom" in table.columns:
        raise LayoutError(
            "the table is by customs office, which would have to be added up",
            file=file.name,
            row=1,
            remedy="Fetch the nationwide table (commodity by country).",
        )
    published = [month for month in MONTHS if f"Value-{month}" in table.columns]
    if published != list(MONTHS[: len(published)]) or not published:
        raise LayoutError(
            f"the months of the table are {', '.join(published) or 'missing'}, not January and what follows it",
            file=file.name,
            row=1,
            remedy="Fetch the file again; if the ministry changed the columns, the parser must follow.",
        )
    measures = ("Quantity1", "Quantity2", "Value")
    numbers = [f"{measure}-{period}" for period in ("Year", *published) for measure in measures]
    trade.require_columns(table, [*IDENTITY, *numbers], file.name)
    table = table.with_columns(
        pl.col("HS").str.strip_chars("'"),
        is_blank=pl.all_horizontal(pl.col([*IDENTITY, *numbers]).is_null()),
        is_unreadable=trade.unreadable(*numbers),
        flow_as_published="Exp or Imp",
        year="Year",
        country="Country",
        year_value=trade.number("Value-Year"),
        file_name=pl.lit(file.name),
        file_sha256=pl.lit(file.sha256),
        is_final=pl.lit(bool(_FINAL.search(file.name))),
        locator=pl.format("line {}", "line"),
    ).with_columns(trade.number(name) for name in numbers)
    of_months = pl.sum_horizontal(f"Value-{month}" for month in published)
    # Each figure is rounded down: the months may fall short of the year by less than one unit each.
    adds_up = (pl.col("year_value") - of_months).is_between(0, len(published))
    revision_known = pl.col("year").str.contains("^(19|20)[0-9]{2}$") & pl.col("year").cast(
        pl.Int32, strict=False
    ).is_between(min(REVISIONS), NEXT_REVISION - 1)
    mapped = trade.with_area(table, "country", "mof_area").collect()
    return mapped.with_columns(
        reason=pl.when(~pl.col("is_blank")).then(
            trade.reasons(
                trade.unmapped("flow_as_published", ~_is_in("flow_as_published", FLOWS), "is no known flow"),
                trade.unmapped("year", ~revision_known.fill_null(False), "is no year of a known tariff"),
                trade.unmapped("HS", ~pl.col("HS").str.contains("^[0-9]{9}$").fill_null(False), "has no nine digits"),
                trade.unmapped("country", pl.col("country_iso3").is_null(), "is no country code"),
                pl.when(pl.col("is_unreadable")).then(pl.lit("a cell is no number")),
                pl.when(~pl.col("is_unreadable") & ~adds_up.fill_null(False)).then(
                    pl.lit("the months do not add up to the year")
                ),
            )
        )
    )


def _is_in(column: str, values: dict[str, str]) -> pl.Expr:
    return pl.col(column).is_in(list(values)).fill_null(False)


def _months(wide: pl.DataFrame, year: int) -> pl.DataFrame:
    """One row per commodity, country and month: yen, kilograms where a unit is one of weight, and the locator."""
    revision = REVISIONS[max(first for first in REVISIONS if first <= year)]
    frames = []
    for number, month in enumerate(MONTHS, start=1):
        if f"Value-{month}" not in wide.columns:
            continue
        value, first, second = (pl.col(f"{name}-{month}") for name in ("Value", "Quantity1", "Quantity2"))
        frames.append(
            wide.select(
                flow=pl.col("flow_as_published").replace_strict(FLOWS),
                hs_revision=pl.lit(revision),
                hs_code="HS",
                partner_iso3="country_iso3",
                country="country",
                month=pl.date(year, number, 1),
                value=value * YEN_PER_UNIT,
                net_weight_kg=pl.coalesce(_kilograms("Unit2", second), _kilograms("Unit1", first)),
                is_empty=(value.fill_null(0) == 0) & (first.fill_null(0) == 0) & (second.fill_null(0) == 0),
                file_sha256="file_sha256",
                is_final="is_final",
                locator=pl.format("{} column Value-" + month, "locator"),
            )
        )
    return pl.concat(frames)


def _kilograms(unit: str, quantity: pl.Expr) -> pl.Expr:
    return quantity * pl.col(unit).replace_strict(KILOGRAMS, default=None, return_dtype=pl.Float64)


def _canonical(months: pl.DataFrame, flow: str) -> pl.DataFrame:
    """Canonical rows; areas that share a country are added up, and such a sum is marked as derived."""
    summed = months.group_by(_KEY, maintain_order=True).agg(
        pl.col("value").sum(),
        net_weight_kg=pl.when(pl.col("net_weight_kg").is_not_null().all()).then(pl.col("net_weight_kg").sum()),
        file_sha256=pl.col("file_sha256").first(),
        locator=pl.col("locator").str.join("; "),
        is_final=pl.col("is_final").all(),
        areas=pl.len(),
        codes=pl.col("country").unique(maintain_order=True).str.join(", "),
    )
    is_sum = pl.col("areas") > 1
    return summed.select(
        "hs_revision",
        "hs_code",
        "partner_iso3",
        "flow",
        "value",
        "net_weight_kg",
        "file_sha256",
        "locator",
        reporter_iso3=pl.lit("JPN"),
        valuation=pl.lit(VALUATION[flow]),
        period_start="month",
        period_end=pl.col("month").dt.month_end(),
        period_basis=pl.lit("month"),
        currency=pl.lit("JPY"),
        is_mirror=pl.lit(False),
        status=pl.when(is_sum)
        .then(pl.lit("derived"))
        .when("is_final")
        .then(pl.lit("reported"))
        .otherwise(pl.lit("provisional")),
        value_origin=pl.when(is_sum).then(pl.lit("computed")).otherwise(pl.lit("publisher_bytes")),
        note=pl.when(is_sum).then(pl.format("Sum of the ministry's areas {}.", "codes")),
    )
