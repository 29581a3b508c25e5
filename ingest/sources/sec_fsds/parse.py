"""Financial Statement Data Sets of one quarter, to `sales_observation` and `rnd_observation`.

A zip archive holds `sub.txt` (filings), `num.txt` (facts), `tag.txt` and `pre.txt`: UTF-8, tabs, one header line, no
quoting. A fact has its concept (`tag`, `version`), the end of its period rounded to the nearest end of a month
(`ddate`), its length in quarters (`qtrs`), a unit and, since the re-issue of December 2024, its dimensions
(`segments`). The format is described in the `readme.htm` of every archive.

Only `sub.txt` and `num.txt` are read, `num.txt` in blocks: a recent quarter has some four million lines, of which a
few thousand are kept. Extracts of `num.txt` as text are read too, for filings that `filings.csv` describes.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO

import polars as pl

from ingest import areas, edgar
from ingest.celltext import day
from ingest.csv_rows import line_blocks
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile
from ingest.tabtext import decode

# Filers whose business is medicines, by the SEC's Standard Industrial Classification: 2834 pharmaceutical
# preparations, 2836 biological products, 8731 commercial physical and biological research (biotechnology companies
# such as Incyte and Exelixis, and contract research). Left out on review: 2833 (vitamins, botanicals), 2835 (in vitro
# diagnostics), 3841 and 3845 (devices), 5122 (wholesale), 8071 (laboratories).
SIC_CODES = ("2834", "2836", "8731")

NUM_COLUMNS = ("adsh", "tag", "version", "ddate", "qtrs", "uom", "segments", "coreg", "value", "footnote")
SUB_COLUMNS = ("adsh", "cik", "name", "sic", "countryba", "form", "period", "fp", "filed")
FILINGS = Path(__file__).with_name("filings.csv")

_BLOCK = 32 << 20
_REMEDY = "Fetch it again from the SEC; if the publisher changed the layout, the parser must follow."
_REISSUED = (
    "It is of the layout before the re-issue of December 2024, which has no products: "
    "download the re-issued archive of the quarter from the SEC."
)


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Sales by product and market, and spending on R&D, of the biopharma filers of one quarter, in whole units.

    Facts of twelve months from annual filings are kept, those of earlier years as rows of their own years. Raises
    LayoutError for archives without `segments` and for files of several quarters. Lines that cannot be read, and
    products that add up to more than the company's revenue, are rejected; what else is left out is counted by rule.
    """
    quarters = [_read(file) for file in files]
    names = ", ".join(file.name for file in files)
    partitions = {quarter.partition: quarter.file_name for quarter in quarters}
    if len(partitions) != 1:
        listed = ", ".join(f"{name} is of {partition}" for partition, name in sorted(partitions.items()))
        raise LayoutError(
            f"the files are not of one quarter: {listed or 'there are none'}",
            file=names,
            remedy="Load each quarter by itself.",
        )
    facts = pl.concat([quarter.facts for quarter in quarters])
    sales, rnd = edgar.sales_rows(facts), edgar.rnd_rows(facts)
    dropped: dict[str, int] = {}
    for counts in (*(quarter.dropped for quarter in quarters), sales.dropped, rnd.dropped):
        for rule, count in counts.items():
            dropped[rule] = dropped.get(rule, 0) + count
    tables = {"sales_observation": sales.rows, "rnd_observation": rnd.rows}
    rejected = [frame for frame in (sales.rejected, *(q.rejected for q in quarters)) if frame is not None]
    return Parsed(
        {name: frame for name, frame in tables.items() if frame.height},
        rows_read=sum(quarter.rows_read for quarter in quarters),
        rejected=pl.concat(rejected),
        dropped={rule: count for rule, count in dropped.items() if count},
        published_on=max((day for q in quarters if (day := q.published_on)), default=None),
        partition=quarters[0].partition,
    )


@dataclass
class _Quarter:
    """Facts of the biopharma filers in one file."""

    file_name: str
    partition: str
    published_on: date | None
    facts: pl.DataFrame
    rejected: pl.DataFrame
    rows_read: int
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass
class _Lines:
    """Lines of `num.txt` that may be of a fiscal year, with their numbers, and how many lines there are in all."""

    rows: pl.DataFrame
    ragged: pl.DataFrame
    lines: int


def _read(file: SourceFile) -> _Quarter:
    with file.path.open("rb") as stream:
        is_zip = stream.read(2) == b"PK"
    if not is_zip:
        with file.path.open("rb") as stream:
            lines = _num(stream, file.name)
        # The SEC publishes whole archives only, so text is somebody's copy of a part.
        return _quarter(file, _described_filings(), lines, None, "republished_copy")
    try:
        with zipfile.ZipFile(file.path) as archive:
            members = {Path(entry.filename).name: entry for entry in archive.infolist()}
            for name in ("sub.txt", "num.txt"):
                if name not in members:
                    raise LayoutError(f"the archive holds no {name}", file=file.name, remedy=_REMEDY)
            written = date(*members["num.txt"].date_time[:3])
            filings = _filings(archive.read(members["sub.txt"]), f"{file.name} sub.txt")
            with archive.open(members["num.txt"]) as stream:
                lines = _num(stream, f"{file.name} num.txt")
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise LayoutError(
            f"the archive is cut off or damaged ({error})", file=file.name, remedy="Fetch it again."
        ) from error
    # An archive without a date has that of the format's beginning.
    return _quarter(file, filings, lines, written if written.year > 1980 else None, "publisher_bytes")


def _quarter(
    file: SourceFile, filings: pl.DataFrame, num: _Lines, written: date | None, value_origin: str
) -> _Quarter:
    here = filings if value_origin == "publisher_bytes" else filings.join(num.rows, on="adsh", how="semi")
    if not here.height:
        raise LayoutError(
            "no filing is known of the facts in this text",
            file=file.name,
            remedy="Load the whole archive of the quarter, or describe the filing in filings.csv.",
        )
    quarter = here.select(pl.format("{}q{}", pl.col("filed").dt.year(), pl.col("filed").dt.quarter()).mode().sort())
    facts, rejected, dropped = _facts(file, filings, num, value_origin)
    return _Quarter(
        file.name,
        str(quarter.item(-1, 0)),
        written or here["filed"].max(),  # type: ignore[arg-type]
        facts,
        rejected,
        num.lines,
        dropped,
    )


def _header(line: bytes, columns: Sequence[str], name: str) -> list[str]:
    found = [cell.strip() for cell in decode(line, name).rstrip("\r\n").split("\t")]
    missing = [column for column in columns if column not in found]
    if missing == ["segments"]:
        raise LayoutError("num.txt has no column segments", file=name, row=1, remedy=_REISSUED)
    if missing or len(set(found)) != len(found):
        problem = f"lacks {', '.join(missing)}" if missing else "repeats a column"
        raise LayoutError(f"the header {problem}", file=name, row=1, remedy=_REMEDY)
    return found


def _filings(data: bytes, name: str) -> pl.DataFrame:
    """Filings of `sub.txt`: one row each, dates as dates; raises LayoutError where one cannot be read."""
    head, _, body = data.partition(b"\n")
    header = _header(head, SUB_COLUMNS, name)
    cells = _split(pl.read_lines(io.BytesIO(decode(body, name).encode()), name="line"))
    ragged = cells.filter(pl.col("cells").list.len() != len(header))
    if ragged.height:
        raise LayoutError(
            f"a line has {ragged['cells'].list.len()[0]} fields, the header {len(header)}",
            file=name,
            row=int(ragged["number"][0]),
            remedy=_REMEDY,
        )
    rows = _named(cells, header).select("number", *SUB_COLUMNS).with_columns(_day("filed"), _day("period"))
    wrong = rows.filter(
        pl.any_horizontal(pl.col("adsh", "name", "form", "filed").is_null())
        | ~pl.col("cik").str.contains(r"^\d{1,10}$").fill_null(False)
    )
    if wrong.height:
        raise LayoutError(
            "a filing lacks its number, filer, form or date", file=name, row=int(wrong["number"][0]), remedy=_REMEDY
        )
    if not rows.height or rows["adsh"].is_duplicated().any():
        problem = "there is no filing" if not rows.height else "a filing stands twice"
        raise LayoutError(problem, file=name, remedy=_REMEDY)
    return rows


def _described_filings() -> pl.DataFrame:
    """Filings of which extracts are at hand, as `sub.txt` would describe them."""
    return pl.read_csv(FILINGS, infer_schema=False).select(*SUB_COLUMNS).with_columns(_day("filed"), _day("period"))


def _day(column: str) -> pl.Expr:
    return day(pl.col(column), "%Y%m%d")


def _split(lines: pl.DataFrame, first: int = 2) -> pl.DataFrame:
    """Lines that hold anything, with their `number` and `cells`."""
    return (
        lines.with_row_index("number", offset=first)
        .with_columns(pl.col("line").str.strip_chars_end("\r"))
        .filter(pl.col("line") != "")
        .select(pl.col("number").cast(pl.Int64), pl.col("line").str.split("\t").alias("cells"))
    )


def _named(cells: pl.DataFrame, header: Sequence[str]) -> pl.DataFrame:
    return cells.select(
        "number",
        *(
            pl.col("cells").list.get(position).str.strip_chars().replace("", None).alias(name)
            for position, name in enumerate(header)
        ),
    )


def _num(stream: IO[bytes], name: str) -> _Lines:
    """Lines of `num.txt` with a field `4` (four quarters); the others are counted and not split."""
    header = _header(stream.readline(), NUM_COLUMNS, name)
    rows, ragged, lines = [], [], 0
    for block in line_blocks(stream, _BLOCK):
        if b"\x00" in block or not block.endswith(b"\n"):
            problem = "holds zero bytes" if b"\x00" in block else "ends within a line"
            raise LayoutError(f"the table {problem}", file=name, remedy="It is cut off or damaged: fetch it again.")
        try:
            text = pl.read_lines(io.BytesIO(block), name="line")
        except pl.exceptions.PolarsError:
            text = pl.read_lines(io.BytesIO(decode(block, name).encode()), name="line")
        text = text.with_row_index("number", offset=lines + 2)
        lines += text.height
        year = text.filter(pl.col("line").str.contains("\t4\t", literal=True)).select(
            pl.col("number").cast(pl.Int64), pl.col("line").str.strip_chars_end("\r").str.split("\t").alias("cells")
        )
        fits = pl.col("cells").list.len() == len(header)
        rows.append(_named(year.filter(fits), header).select("number", *NUM_COLUMNS))
        ragged.append(
            year.filter(~fits).with_columns(
                pl.format(f"the line has {{}} fields, the header {len(header)}", pl.col("cells").list.len()).alias(
                    "reason"
                )
            )
        )
    if not lines:
        raise LayoutError("no fact follows the header", file=name, row=1, remedy=_REMEDY)
    return _Lines(pl.concat(rows), pl.concat(ragged), lines)


def _facts(
    file: SourceFile, filings: pl.DataFrame, num: _Lines, value_origin: str
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Facts of fiscal years by biopharma filers, lines that cannot be read, and counts of those left out by rule."""
    dropped: dict[str, int] = {}

    def keep(frame: pl.DataFrame, condition: pl.Expr, rule: str) -> pl.DataFrame:
        kept = frame.filter(condition)
        dropped[rule] = dropped.get(rule, 0) + frame.height - kept.height
        return kept

    year = keep(num.rows, pl.col("qtrs") == "4", "not_twelve_months")
    dropped["not_twelve_months"] += num.lines - num.rows.height - num.ragged.height
    year = year.join(filings.rename({"number": "_"}, strict=False).drop("_", strict=False), on="adsh", how="left")
    unknown = year.filter(pl.col("filed").is_null())
    known = keep(
        year.filter(pl.col("filed").is_not_null()), pl.col("sic").is_in(SIC_CODES).fill_null(False), "other_industry"
    )
    known = keep(known, pl.col("coreg").is_null(), "co_registrant")
    taxonomy = pl.col("version").str.extract(r"^(us-gaap|ifrs)/").replace("ifrs", "ifrs-full")
    known = known.with_columns(pl.concat_str(taxonomy, pl.lit(":"), "tag").alias("concept"))
    known = keep(known, pl.col("concept").is_in(edgar.CONCEPTS).fill_null(False), "other_concept")
    known = keep(known, pl.col("uom").str.contains("^[A-Z]{3}$").fill_null(False), "no_amount_of_money")
    is_annual = edgar.is_annual_form(pl.col("form")) | (
        (pl.col("fp") == "FY").fill_null(False) & ~edgar.is_interim_form(pl.col("form"))
    )
    known = keep(known, is_annual, "interim_filing")
    known = keep(known, pl.col("value").is_not_null(), "no_value")
    read = known.with_columns(
        _day("ddate").alias("period_end"), pl.col("value").cast(pl.Float64, strict=False).alias("amount")
    )
    is_read = pl.col("period_end").is_not_null() & pl.col("amount").is_finite().fill_null(False)
    facts = keep(
        read.filter(is_read),
        pl.col("period").is_null() | (pl.col("period_end") <= pl.col("period")),
        "after_the_balance_sheet",
    )
    member = "num.txt " if value_origin == "publisher_bytes" else ""
    countries = areas.iso2_to_iso3().rename({"iso2": "countryba", "iso3": "filer_iso3"})
    year_before = pl.col("period_end").dt.offset_by("-1y")
    is_month_end = pl.col("period_end") == pl.col("period_end").dt.month_end()
    shaped = facts.join(countries, on="countryba", how="left", maintain_order="left").select(
        pl.col("adsh").alias("accession"),
        edgar.filer_code(pl.col("cik")).alias("filer_code"),
        pl.col("name").str.normalize("NFKC").alias("filer_name"),
        "filer_iso3",
        "form",
        "filed",
        "concept",
        pl.col("segments").fill_null("").alias("dimensions"),
        (pl.when(is_month_end).then(year_before.dt.month_end()).otherwise(year_before).dt.offset_by("1d")).alias(
            "period_start"
        ),
        "period_end",
        (pl.col("period_end") < pl.col("period")).fill_null(False).alias("is_comparative"),
        pl.col("uom").alias("currency"),
        pl.col("amount").alias("value"),
        pl.format(f"{member}line {{}}", "number").alias("locator"),
        edgar.document_url(pl.col("cik"), pl.col("adsh")).alias("document_url"),
        pl.lit(file.name).alias("file_name"),
        pl.lit(file.sha256).alias("file_sha256"),
        pl.lit(value_origin).alias("value_origin"),
    )
    unread = read.filter(~is_read).with_columns(pl.lit("the date or the value is none").alias("reason"))
    strange = unknown.with_columns(pl.lit("sub.txt does not list the filing").alias("reason"))
    rejected = pl.concat(
        [
            *(
                frame.select(
                    "number", "reason", pl.concat_str(NUM_COLUMNS, separator=" | ", ignore_nulls=True).alias("raw")
                )
                for frame in (unread, strange)
            ),
            num.ragged.select("number", "reason", pl.col("cells").list.join(" | ").alias("raw")),
        ]
    ).select(
        pl.lit("sales_observation").alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        pl.format(f"{member}line {{}}", "number").alias("locator"),
        "reason",
        "raw",
    )
    return shaped.cast(edgar.FACTS), rejected, dropped
