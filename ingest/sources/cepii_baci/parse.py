"""BACI of CEPII to `trade_flow`: yearly CSV files `t,i,j,k,v,q`, alone or in the zip of a release.

t is the year, i the exporter, j the importer, k the six-digit commodity, v the value in thousand US dollars (fob), q
the quantity in tonnes; the Readme of each release says so. The revision of the Harmonized System and the year stand
in the name of the file (`BACI_HS17_Y2020_V202301.csv`).
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import PurePosixPath
from typing import IO, cast

import polars as pl

from ingest import trade, vocabulary
from ingest.csv_rows import line_blocks, unpacked_size
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

TABLE = "trade_flow"
COLUMNS = ("t", "i", "j", "k", "v", "q")
REVISIONS = {
    "92": "HS1992",
    "96": "HS1996",
    "02": "HS2002",
    "07": "HS2007",
    "12": "HS2012",
    "17": "HS2017",
    "22": "HS2022",
}

_DATA_NAME = re.compile(r"BACI_HS(\d{2})_Y(\d{4})_V\d{6}[^/]*\.csv(?:\.gz)?$", re.IGNORECASE)
_CODES_NAME = re.compile(r"country_codes_V\d+\.csv$", re.IGNORECASE)
_README_NAME = re.compile(r"readme[^/]*\.txt$", re.IGNORECASE)
_RELEASED = re.compile(r"Release\s+Date\s*:\s*(\d{4})[ /-](\d{1,2})[ /-](\d{1,2})", re.IGNORECASE)
_ISO3_COLUMNS = ("iso_3digit_alpha", "country_iso3")
_SCHEMA = {"t": pl.Int32, "i": pl.Int32, "j": pl.Int32, "k": pl.Int32, "v": pl.Float64, "q": pl.String}
_THOUSAND = 1000
# A year of more bytes than this (unpacked, some six hundred thousand rows) is yielded in batches.
_LARGE = 24 << 20
_BLOCK = 8 << 20
_HIGHEST_CODE = 999_999
_MISFIT = "an unknown country code, no six-digit commodity code, another year, or no number"
_REMEDY = "Fetch the file again; if CEPII changed the layout, the parser must follow."


@dataclass(frozen=True)
class _Year:
    """The CSV of one year, and where it stands."""

    name: str
    revision: str
    year: int
    file: SourceFile
    is_in_release: bool

    @property
    def partition(self) -> str:
        return f"HS{self.revision}-{self.year}"


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Reconciled exports in whole US dollars and kilograms, one part for each revision and year (`HS17-2020`).

    The CSV of a year is taken whole, a large one in batches; of a release's zip only the headings of the warehouse's
    scope. A country code file beside the data must agree with the reviewed areas. Raises LayoutError for other
    columns, a file that is cut off, or a cell of another type; rows with unknown codes are rejected.
    """
    states: list[Parsed] = []
    released: date | None = None
    for file in files:
        for name, stream in _members(file):
            if match := _DATA_NAME.search(name):
                states.append(_parsed(_year(match, name, stream, file), stream))
            elif _CODES_NAME.search(name):
                _check_codes(stream.read(), name)
            elif _README_NAME.search(name):
                released = _released(stream.read()) or released
    names = ", ".join(file.name for file in files)
    if not states:
        raise LayoutError(
            "there is no CSV of a year (BACI_HSxx_Yyyyy_Vyyyymm.csv)",
            file=names,
            remedy="Give a release's zip, or the CSV of a year, under CEPII's name.",
        )
    states.sort(key=lambda state: state.partition)
    if len({state.partition for state in states}) < len(states):
        raise LayoutError("a year stands twice", file=names, remedy="Give each year of a revision once.")
    for state in states:
        state.published_on = released
        # One year makes an edition of its files; each of several has an id of its own.
        state.identity = state.identity if len(states) > 1 else None
    last = states[-1]
    last.earlier = states[:-1]
    return last


def _parsed(year: _Year, stream: IO[bytes]) -> Parsed:
    identity = f"{year.partition} {year.file.sha256}"
    if not year.is_in_release and unpacked_size(year.file.path) > _LARGE:
        return Parsed({}, 0, partition=year.partition, identity=identity, more=lambda: _large(year))
    batches = list(_batches(year, stream))
    rows = pl.concat([batch.tables[TABLE] for batch in batches])
    rejected = pl.concat([batch.rejected for batch in batches if batch.rejected is not None])
    rows_read = sum(batch.rows_read for batch in batches)
    outside = rows_read - rows.height - rejected.height
    return Parsed(
        {TABLE: rows},
        rows_read=rows_read,
        rejected=rejected,
        dropped={"commodity_outside_scope": outside} if outside else {},
        partition=year.partition,
        identity=identity,
    )


def _large(year: _Year) -> Iterator[Parsed]:
    for _, stream in _members(year.file):
        _require_header(stream, year.name)
        yield from _batches(year, stream)


def _batches(year: _Year, stream: IO[bytes]) -> Iterator[Parsed]:
    """The rows below the header, block by block; LayoutError for a file that is cut off or has no row."""
    line = 2
    try:
        for block in line_blocks(stream, _BLOCK):
            if not block.endswith(b"\n"):
                raise LayoutError("the last line is cut off", file=year.name, remedy="Fetch the file again.")
            batch = _batch(year, block, line)
            line += batch.rows_read
            yield batch
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise _damaged(year.name, error) from error
    except pl.exceptions.PolarsError as error:
        raise LayoutError(
            f"a cell is of another type ({str(error).splitlines()[0]})", file=year.name, remedy=_REMEDY
        ) from error
    if line == 2:
        raise LayoutError("no row follows the header", file=year.name, row=1, remedy=_REMEDY)


def _batch(year: _Year, block: bytes, line: int) -> Parsed:
    """Rows of whole lines, of which the first is the given line of the file."""
    frame = pl.read_csv(
        io.BytesIO(block), has_header=False, schema=_SCHEMA, row_index_name="line", row_index_offset=line
    )
    rows_read = frame.height
    if year.is_in_release:
        # Before all else, so that of ten million rows only a hundred thousand are ever widened.
        frame = frame.filter((pl.col("k") // 100).is_in([int(heading) for heading in trade.HEADINGS]))
    frame = _canonical(year, frame)
    bad = frame.filter(~pl.col("fits"))
    rejected = bad.select(
        "locator",
        reason=pl.lit(_MISFIT),
        table_name=pl.lit(TABLE),
        file_name=pl.lit(year.name),
        raw=pl.struct("reporter", "partner", "hs_code", "value_usd", "quantity").struct.json_encode(),
    )
    if bad.height:
        frame = frame.filter(pl.col("fits"))
    return Parsed({TABLE: frame.drop("fits", "reporter", "partner", "quantity")}, rows_read, rejected)


def _canonical(year: _Year, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a year in canonical columns, and in `fits` whether a row can be used."""
    iso3 = _iso3_by_code()
    prefix = f"{year.name} " if year.is_in_release else ""
    # One plain condition over columns that are there anyway: reasons one by one would take longer than all the rest.
    fits = (
        pl.col("reporter_iso3").is_not_null()
        & pl.col("partner_iso3").is_not_null()
        & pl.col("k").is_between(0, _HIGHEST_CODE)
        & (pl.col("t") == year.year)
        & (pl.col("v") >= 0)
        & (pl.col("tonnes").is_not_null() | (pl.col("q") == "NA"))
    ).fill_null(False)
    return (
        frame.with_columns(
            pl.col("q").str.strip_chars(),
            reporter_iso3=pl.col("i").replace_strict(iso3, default=None, return_dtype=pl.String),
            partner_iso3=pl.col("j").replace_strict(iso3, default=None, return_dtype=pl.String),
        )
        .with_columns(tonnes=pl.col("q").cast(pl.Float64, strict=False))
        .select(
            "reporter_iso3",
            "partner_iso3",
            hs_revision=pl.lit(REVISIONS[year.revision]),
            hs_code=pl.col("k").cast(pl.String).str.zfill(6),
            flow=pl.lit("export"),
            valuation=pl.lit("fob"),
            period_start=pl.lit(date(year.year, 1, 1)),
            period_end=pl.lit(date(year.year, 12, 31)),
            period_basis=pl.lit("calendar_year"),
            # Both have three decimals: what the multiplication adds beyond them is noise.
            value_usd=(pl.col("v") * _THOUSAND).round(3),
            net_weight_kg=(pl.col("tonnes") * _THOUSAND).round(3),
            is_mirror=pl.lit(True),
            file_sha256=pl.lit(year.file.sha256),
            locator=pl.format(prefix + "line {}", "line"),
            status=pl.lit("estimated"),
            reporter="i",
            partner="j",
            quantity="q",
            fits=fits,
        )
    )


@cache
def _iso3_by_code() -> dict[int, str]:
    areas = trade.area_map("comtrade_area").filter(pl.col("kind").is_in(["country", "former_country", "unspecified"]))
    return dict(areas.drop_nulls("iso3").select(pl.col("code").cast(pl.Int32), "iso3").iter_rows())


def _members(file: SourceFile) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and streams of what a file holds: the entries of a zip, or the file itself, gunzipped."""
    if zipfile.is_zipfile(file.path):
        with zipfile.ZipFile(file.path) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as stream:
                    yield PurePosixPath(entry.filename).name, stream
    elif file.name.lower().endswith(".gz"):
        with gzip.open(file.path) as unzipped:
            yield file.name, cast(IO[bytes], unzipped)
    else:
        with file.path.open("rb") as stream:
            yield file.name, stream


def _year(match: re.Match[str], name: str, stream: IO[bytes], file: SourceFile) -> _Year:
    """What the name of a year's CSV says; the header is read from the stream and checked."""
    revision, year = match[1], int(match[2])
    if revision not in REVISIONS:
        raise LayoutError(
            f"revision HS{revision} of the Harmonized System is unknown",
            file=name,
            remedy="Add the revision to the parser and to the expectations.",
        )
    _require_header(stream, name)
    return _Year(name, revision, year, file, zipfile.is_zipfile(file.path))


def _require_header(stream: IO[bytes], name: str) -> None:
    try:
        header = stream.readline()
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise _damaged(name, error) from error
    columns = tuple(header.decode("utf-8-sig", errors="replace").replace('"', "").strip().split(","))
    if columns != COLUMNS:
        raise LayoutError(
            f"the header is {','.join(columns)[:80]!r}, not {','.join(COLUMNS)}", file=name, row=1, remedy=_REMEDY
        )


def _damaged(name: str, error: Exception) -> LayoutError:
    return LayoutError(f"the file is cut off or damaged ({error})", file=name, remedy="Fetch it again.")


def _check_codes(content: bytes, name: str) -> None:
    """Raise LayoutError where CEPII's country codes name another country than the reviewed areas do."""
    table = trade.read_csv(content, name)
    column = next((column for column in _ISO3_COLUMNS if column in table.columns), None)
    if column is None or "country_code" not in table.columns:
        raise LayoutError(
            f"the country codes have the columns {', '.join(table.columns[1:])}", file=name, row=1, remedy=_REMEDY
        )
    # What CEPII itself gives no ISO code of the vocabulary (areas not specified) is left to the reviewed map.
    theirs = table.filter(pl.col(column).is_in(vocabulary.country_codes()))
    differing = theirs.join(
        trade.area_map("comtrade_area"), left_on="country_code", right_on="code", how="inner", maintain_order="left"
    ).filter(pl.col(column) != pl.col("iso3"))
    if differing.height:
        first = differing.row(0, named=True)
        raise LayoutError(
            f"code {first['country_code']} is {first[column]}, in vocabulary/comtrade_area.csv it is {first['iso3']}",
            file=name,
            row=int(first["line"]),
            remedy="Review the area: its code may have been given to another country.",
        )


def _released(content: bytes) -> date | None:
    match = _RELEASED.search(content.decode("utf-8", errors="replace"))
    try:
        return date(*(int(part) for part in match.groups())) if match else None
    except ValueError:
        return None
