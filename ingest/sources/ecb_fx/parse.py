"""ECB euro reference rates to `reference_rate`: daily rates, averages and end-of-period rates.

Two layouts: the history (`eurofxref-hist`, ISO dates, newest day first, `N/A` where a currency was not quoted)
and the single day (`eurofxref`, dates such as `30 October 2026`, a blank after each comma). Both end every line
with a comma. https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NoReturn, cast

import polars as pl

from ingest.celltext import day as day_of
from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

# Currencies that both layouts must hold; one that is missing means a renamed or lost column, not a market event.
_REQUIRED = ("USD", "JPY", "GBP", "CHF", "CNY", "KRW", "DKK", "SEK", "AUD", "CAD", "INR")
# A period may begin with a weekend and holidays; rates that begin later than this begin late.
_GRACE_DAYS = 6
_BUNDLED = (*_REQUIRED, "EUR")
_BUNDLED_PERIODS = ("calendar_year", "fiscal_year_april")
_BUNDLED_FROM = date(2010, 1, 1)
_ABSENT = ("", "N/A")
_FETCH = "Fetch it again; if the ECB changed the layout, the parser must follow."

_DAY = pl.col("day")
_PERIOD_START = {
    "month": _DAY.dt.truncate("1mo"),
    "calendar_year": _DAY.dt.truncate("1y"),
    "fiscal_year_april": _DAY.dt.offset_by("-3mo").dt.truncate("1y").dt.offset_by("3mo"),
}
_LENGTH = {"month": "1mo", "calendar_year": "1y", "fiscal_year_april": "1y"}


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rates of one file; the history renews everything (partition `all`), a single day only itself.

    Daily rates are units of a currency for one euro. Averages and end-of-period rates come with the euro and with
    the US dollar as counter currency, the latter from daily cross rates. Raises LayoutError for another layout or
    a day that stands twice; cells that hold no positive number are rejected.
    """
    if len(files) != 1:
        _fail(", ".join(file.name for file in files), "one file is one edition", "Give one file at a time.")
    file = files[0]
    wide = _read(file)
    days, rejected = _long(wide, file)
    if not days.height:
        _fail(file.name, "it holds no rate at all", _FETCH)
    is_history = wide.height > 1
    newest = cast(date, days["day"].max())
    frames = [_daily(days)]
    if is_history:
        rates = _against(days, "EUR"), _against(days, "USD")
        for basis in _PERIOD_START:
            for rate in rates:
                dated = _with_periods(rate, basis)
                frames += [_averages(dated), _period_ends(dated)]
    rows = pl.concat(frames, how="diagonal").with_columns(
        pl.lit("fx").alias("series_code"),
        pl.lit("currency").alias("area_kind"),
        pl.format("{} per {}", "area_code", "counter_code").alias("unit"),
        pl.lit(file.sha256).alias("file_sha256"),
    )
    return Parsed(
        {"reference_rate": rows},
        rows_read=wide.height,
        rejected=rejected,
        published_on=newest,
        partition="all" if is_history else f"day {newest.isoformat()}",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Yearly averages and year-end rates since 2010 of the currencies that the marts convert."""
    rates = tables["reference_rate"]
    return {
        "reference_rate": rates.filter(
            pl.col("period_basis").is_in(_BUNDLED_PERIODS)
            & pl.col("area_code").is_in(_BUNDLED)
            & (pl.col("period_start") >= _BUNDLED_FROM)
        )
    }


def _read(file: SourceFile) -> pl.DataFrame:
    """The table as text with its line numbers; the empty last column is gone."""
    if zipfile.is_zipfile(file.path):
        with zipfile.ZipFile(file.path) as archive:
            members = [member for member in archive.namelist() if member.lower().endswith(".csv")]
            if len(members) != 1:
                _fail(file.name, f"the archive holds {len(members)} CSV files, one is expected", _FETCH)
            content = archive.read(members[0])
    else:
        content = file.path.read_bytes()
    require_even_rows(content, file.name)
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the table cannot be read ({str(error).splitlines()[0]})", _FETCH)
    frame.columns = [column.strip() for column in frame.columns]
    odd = [c for c in frame.columns[1:-1] if not (len(c) == 3 and c.isalpha() and c.isupper())]
    if frame.columns[0] != "Date" or frame.columns[-1] != "" or odd:
        _fail(
            file.name, f"the header is not Date and currency codes ({', '.join(odd) or frame.columns[0]!r})", _FETCH
        )
    if missing := [currency for currency in _REQUIRED if currency not in frame.columns]:
        _fail(file.name, f"the column {', '.join(missing)} is missing", _FETCH)
    if frame[""].fill_null("").str.strip_chars().ne("").any():
        _fail(file.name, "the last column, which is always empty, holds values: the columns have moved", _FETCH)
    if not frame.height:
        _fail(file.name, "the table has no rows", _FETCH)
    return frame.drop("").with_row_index("line", offset=2)


def _long(wide: pl.DataFrame, file: SourceFile) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rates per euro by day and currency, oldest first, and the cells that cannot be read."""
    text = pl.col("Date").str.strip_chars()
    day = pl.coalesce(day_of(text), text.str.to_date("%d %B %Y", strict=False))
    dated = wide.with_columns(day.alias("day"))
    unread = dated.filter(pl.col("day").is_null())
    if unread.height:
        raise LayoutError(
            f"{unread['Date'][0]!r} is no date", file=file.name, row=int(unread["line"][0]), remedy=_FETCH
        )
    twice = dated.filter(pl.col("day").is_duplicated())
    if twice.height:
        raise LayoutError(
            f"the day {twice['day'][0]} stands twice", file=file.name, row=int(twice["line"][0]), remedy=_FETCH
        )
    cells = (
        dated.drop("Date")
        .unpivot(index=["line", "day"], variable_name="area_code", value_name="text")
        .with_columns(pl.col("text").fill_null("").str.strip_chars())
        .filter(~pl.col("text").is_in(_ABSENT))
        .with_columns(pl.col("text").cast(pl.Float64, strict=False).alias("value"))
    )
    good = (pl.col("value") > 0) & pl.col("value").is_finite()
    rejected = cells.filter(~good.fill_null(value=False)).select(
        pl.lit("reference_rate").alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        pl.format("line {} column {}", "line", "area_code").alias("locator"),
        pl.lit("the rate is no positive number").alias("reason"),
        pl.col("text").alias("raw"),
    )
    return cells.filter(good).drop("text").sort("day", "area_code"), rejected


def _daily(days: pl.DataFrame) -> pl.DataFrame:
    return days.select(
        "area_code",
        pl.lit("EUR").alias("counter_code"),
        pl.lit("daily").alias("rate_basis"),
        pl.col("day").alias("period_start"),
        pl.col("day").alias("period_end"),
        pl.lit("day").alias("period_basis"),
        "value",
        pl.lit("reported").alias("status"),
        pl.lit("publisher_bytes").alias("value_origin"),
        pl.format("line {} column {}", "line", "area_code").alias("locator"),
    )


def _against(days: pl.DataFrame, counter: str) -> pl.DataFrame:
    """Daily rates per unit of the counter currency: the ECB's own for EUR, cross rates for USD."""
    if counter == "EUR":
        return days.with_columns(counter_code=pl.lit("EUR"), columns=pl.format("column {}", "area_code"))
    dollar = days.filter(area_code="USD").select("day", "line", per_euro="value")
    crosses = (
        days.filter(pl.col("area_code") != "USD")
        .join(dollar.drop("line"), on="day")
        .with_columns(pl.col("value") / pl.col("per_euro"), columns=pl.format("columns {} and USD", "area_code"))
        .drop("per_euro")
    )
    euro = dollar.select(
        "line", "day", area_code=pl.lit("EUR"), value=1 / pl.col("per_euro"), columns=pl.lit("column USD")
    )
    return pl.concat([crosses, euro], how="diagonal").with_columns(counter_code=pl.lit("USD"))


def _with_periods(rates: pl.DataFrame, basis: str) -> pl.DataFrame:
    """Rates with the period of each, its number of days in the file, and what is missing from it."""
    start, end = pl.col("period_start"), pl.col("period_end")
    # A day stands in as many rates as there are currencies: its period is worked out once.
    calendar = (
        rates.select(_DAY.unique().sort())
        .with_columns(_PERIOD_START[basis].alias("period_start"))
        .with_columns(start.dt.offset_by(_LENGTH[basis]).dt.offset_by("-1d").alias("period_end"))
    )
    newest, oldest = calendar["day"][-1], calendar["day"][0]
    # The last weekday of the period; a holiday on it only makes a finished month look open until the next day.
    last_weekday = end - pl.duration(days=pl.max_horizontal(end.dt.weekday().cast(pl.Int64) - 5, pl.lit(0)))
    periods = calendar.group_by(start, end, maintain_order=True).agg(
        days_in_file=pl.len(),
        last_day=_DAY.max(),
        is_open=(last_weekday > newest).first(),
        is_cut=(start < oldest - timedelta(days=_GRACE_DAYS)).first(),
    )
    note = (
        pl.when("is_open")
        .then(pl.lit(f"The period is under way: rates to {newest}."))
        .when("is_cut")
        .then(pl.lit(f"The rates begin on {oldest}."))
    )
    dated = calendar.join(periods.with_columns(note.alias("note")), on=["period_start", "period_end"])
    return rates.join(dated, on="day", how="left", maintain_order="left").with_columns(
        pl.lit(basis).alias("period_basis")
    )


def _averages(dated: pl.DataFrame) -> pl.DataFrame:
    """Mean of the daily rates of each period."""
    # Counter, period, days and notes are the same in all rows of a group.
    same = ["counter_code", "columns", "period_end", "period_basis", "days_in_file", "is_open", "note"]
    means = dated.group_by("area_code", "period_start", maintain_order=True).agg(
        *(pl.col(name).first() for name in same),
        pl.col("value").mean(),
        pl.len().cast(pl.Int64).alias("observation_count"),
        first=pl.col("line").min(),
        last=pl.col("line").max(),
    )
    short = pl.col("observation_count") < pl.col("days_in_file")
    gap = pl.format("Quoted on {} of {} days of the period.", "observation_count", "days_in_file")
    return means.with_columns(
        pl.lit("period_average").alias("rate_basis"),
        pl.when("is_open").then(pl.lit("provisional")).otherwise(pl.lit("derived")).alias("status"),
        pl.lit("computed").alias("value_origin"),
        pl.format("lines {} to {} {}", "first", "last", "columns").alias("locator"),
        pl.concat_str("note", pl.when(short).then(gap), separator=" ", ignore_nulls=True).replace("", None),
    ).drop("columns", "days_in_file", "is_open", "first", "last")


def _period_ends(dated: pl.DataFrame) -> pl.DataFrame:
    """Rate of the last day of each period; none for a currency that was no longer, or not yet, quoted on it."""
    ends = dated.filter(pl.col("last_day") == _DAY)
    is_own = pl.col("counter_code") == "EUR"
    return ends.select(
        "area_code",
        "counter_code",
        "period_start",
        "period_end",
        "period_basis",
        "value",
        pl.lit("end_of_period").alias("rate_basis"),
        pl.when("is_open")
        .then(pl.lit("provisional"))
        .when(is_own)
        .then(pl.lit("reported"))
        .otherwise(pl.lit("derived"))
        .alias("status"),
        pl.when(is_own).then(pl.lit("publisher_bytes")).otherwise(pl.lit("computed")).alias("value_origin"),
        pl.format("line {} {}", "line", "columns").alias("locator"),
        pl.when("is_open").then("note").alias("note"),
    )


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
