"""Company facts of one filer, to `sales_observation` (company totals) and `rnd_observation`, by day of filing.

The JSON holds all facts without dimensions that a company ever tagged:
`{cik, entityName, facts: {taxonomy: {Concept: {units: {USD: [{start, end, val, accn, fy, fp, form, filed}]}}}}}`.
A fact stands once for every filing that states it. `fy` and `fp` are those of the filing, not of the fact, and are
not read; fiscal years are told by their first and last day.

What was known on a day is what had been filed by then: each day on which figures of a fiscal year were filed makes an
edition of its own, with the latest figure of every year. So a restatement stands beside the figure it replaces, and
growth over a restatement that does not reach back is marked as a break.
https://www.sec.gov/search-filings/edgar-application-programming-interfaces
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from ingest import edgar
from ingest.celltext import day
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

# First to last day of 52 weeks (364 days), of a calendar year and of 53 weeks (371 days), with a few days of grace.
SHORTEST_YEAR, LONGEST_YEAR = 361, 373

_PUBLISHER_NAME = re.compile(r"cik(\d{10})\.json", re.IGNORECASE)
_REMEDY = "Fetch it again from data.sec.gov; if the publisher changed the format, the parser must follow."
_ENTRY: dict[str, pl.DataType] = {
    "start": pl.String(),
    "end": pl.String(),
    "val": pl.Float64(),
    "accn": pl.String(),
    "form": pl.String(),
    "filed": pl.String(),
}
_FACT = pl.Schema({"concept": pl.String(), "currency": pl.String(), "position": pl.Int64(), **_ENTRY})


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Revenue and R&D spending of one company by fiscal year, in whole units of its reporting currency.

    The newest state is returned, with the states of earlier filing days in `earlier`. Raises LayoutError for a file
    that is not the facts of one company, or that states neither revenue nor R&D spending of a fiscal year.
    """
    if len(files) != 1:
        raise LayoutError(
            f"there are {len(files)} files",
            file=", ".join(f.name for f in files),
            remedy="Load each company by itself.",
        )
    (file,) = files
    message = _message(file)
    facts, rejected, dropped, read = _facts(file, message)
    days = facts["filed"].unique().sort().to_list()
    if not days:
        raise LayoutError(
            "the company states neither revenue nor R&D spending of a fiscal year under the concepts taken",
            file=file.name,
            remedy="Leave the company out of vocabulary/sec_filer.csv, or add its concept to ingest/edgar.py.",
        )
    states = [_state(facts.filter(pl.col("filed") <= day), day) for day in days]
    newest = states[-1]
    newest.rows_read = read
    newest.rejected = rejected
    newest.dropped |= dropped
    newest.earlier = states[:-1]
    return newest


def _message(file: SourceFile) -> dict[str, Any]:
    try:
        message = json.loads(file.path.read_bytes())
    except ValueError as error:
        raise LayoutError(f"the file is no JSON ({error})", file=file.name, remedy=_REMEDY) from error
    if not isinstance(message, dict) or not isinstance(message.get("facts"), dict):
        raise LayoutError("the message has no `facts`", file=file.name, remedy=_REMEDY)
    if not str(message.get("cik", "")).isdigit() or not isinstance(message.get("entityName"), str):
        raise LayoutError("the message does not say whose facts they are", file=file.name, remedy=_REMEDY)
    named = _PUBLISHER_NAME.fullmatch(file.name)
    if named and int(named[1]) != int(message["cik"]):
        raise LayoutError(
            f"the facts are those of {message['entityName']} ({message['cik']})",
            file=file.name,
            remedy="Give the file the name under which the SEC publishes it.",
        )
    return message


def _listed(file: SourceFile, message: dict[str, Any]) -> pl.DataFrame:
    """All facts under the concepts taken, with the position in their list."""
    frames = []
    for name in edgar.CONCEPTS:
        taxonomy, concept = name.split(":")
        try:
            units = message["facts"].get(taxonomy, {}).get(concept, {}).get("units", {})
            for unit, entries in units.items():
                if not entries:
                    continue
                rows = pl.from_dicts([{key: entry.get(key) for key in _ENTRY} for entry in entries], schema=_ENTRY)
                frames.append(
                    rows.with_row_index("position").select(
                        pl.lit(name).alias("concept"), pl.lit(unit).alias("currency"), "position", *_ENTRY
                    )
                )
        except (AttributeError, TypeError, pl.exceptions.PolarsError) as error:
            raise LayoutError(
                f"{name} is not laid out as a list of facts by unit ({error})", file=file.name, remedy=_REMEDY
            ) from error
    return pl.concat([pl.DataFrame(schema=_FACT), *(frame.cast(_FACT) for frame in frames)])


def _facts(file: SourceFile, message: dict[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int], int]:
    """Facts of fiscal years, facts that cannot be read, counts of facts left out by rule, and the count of all."""
    listed = _listed(file, message)
    dropped: dict[str, int] = {}

    def keep(frame: pl.DataFrame, condition: pl.Expr, rule: str) -> pl.DataFrame:
        kept = frame.filter(condition)
        if frame.height > kept.height:
            dropped[rule] = frame.height - kept.height
        return kept

    dated = listed.with_columns(day(pl.col("start", "end", "filed")).name.suffix("_on"))
    is_read = pl.all_horizontal(pl.col("start_on", "end_on", "filed_on", "accn", "form").is_not_null()) & (
        pl.col("val").is_finite().fill_null(False)
    )
    days = (pl.col("end_on") - pl.col("start_on")).dt.total_days() + 1
    locator = pl.format(
        "facts.{}.units.{}[{}]", pl.col("concept").str.replace(":", ".", literal=True), "currency", "position"
    )
    rejected = dated.filter(~is_read).select(
        pl.lit("sales_observation").alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        locator.alias("locator"),
        pl.lit("the fact lacks a date, a value, its filing or its form").alias("reason"),
        pl.struct(list(_ENTRY)).struct.json_encode().alias("raw"),
    )
    money = keep(dated.filter(is_read), pl.col("currency").str.contains("^[A-Z]{3}$"), "no_amount_of_money")
    years = keep(money, days.is_between(SHORTEST_YEAR, LONGEST_YEAR), "not_twelve_months")
    annual = keep(years, ~edgar.is_interim_form(pl.col("form")), "interim_filing")
    is_original = _PUBLISHER_NAME.fullmatch(file.name) is not None
    facts = annual.select(
        pl.col("accn").alias("accession"),
        edgar.filer_code(pl.lit(str(message["cik"]))).alias("filer_code"),
        pl.lit(str(message["entityName"])).str.normalize("NFKC").alias("filer_name"),
        pl.lit(None, dtype=pl.String).alias("filer_iso3"),
        "form",
        pl.col("filed_on").alias("filed"),
        "concept",
        pl.lit("").alias("dimensions"),
        pl.col("start_on").alias("period_start"),
        pl.col("end_on").alias("period_end"),
        (pl.col("end_on") < pl.col("end_on").max().over("accn")).alias("is_comparative"),
        "currency",
        pl.col("val").alias("value"),
        locator.alias("locator"),
        edgar.document_url(pl.lit(str(message["cik"])), pl.col("accn")).alias("document_url"),
        pl.lit(file.name).alias("file_name"),
        pl.lit(file.sha256).alias("file_sha256"),
        pl.lit("publisher_bytes" if is_original else "republished_copy").alias("value_origin"),
    )
    return facts.cast(edgar.FACTS), rejected, dropped, listed.height


def _state(facts: pl.DataFrame, day: date) -> Parsed:
    """What had been filed by a day: of every fiscal year the figure of the latest filing."""
    sales, rnd = edgar.sales_rows(facts), edgar.rnd_rows(facts)
    tables = {"sales_observation": sales.rows, "rnd_observation": rnd.rows}
    code = facts["filer_code"][0]
    dropped = dict(sales.dropped)
    for rule, count in rnd.dropped.items():
        dropped[rule] = dropped.get(rule, 0) + count
    return Parsed(
        {name: frame for name, frame in tables.items() if frame.height},
        rows_read=facts.height,
        dropped=dropped,
        published_on=day,
        partition=f"CIK{code}",
        identity=f"CIK{code}",
    )
