"""What the tests of the SEC's sources share: archives in the layout of the Financial Statement Data Sets."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

SLICE = "sec_edgar/fsds/num_slice_LLY_FY2025.txt"
QUARTER = "sec_edgar/fsds/2010q2.zip"
LILLY_CONTACT = {"BIOPHARMA_USER_AGENT": "Example Institute data@example.org"}

NUM = ("adsh", "tag", "version", "ddate", "qtrs", "uom", "segments", "coreg", "value", "footnote")
SUB = (
    *("adsh", "cik", "name", "sic", "countryba", "stprba", "cityba", "zipba", "bas1", "bas2", "baph", "countryma"),
    *(
        "stprma",
        "cityma",
        "zipma",
        "mas1",
        "mas2",
        "countryinc",
        "stprinc",
        "ein",
        "former",
        "changed",
        "afs",
        "wksi",
    ),
    *("fye", "form", "period", "fy", "fp", "filed", "accepted", "prevrpt", "detail", "instance", "nciks", "aciks"),
)

LILLY = {
    "adsh": "0000059478-26-000013",
    "cik": "59478",
    "name": "ELI LILLY & Co",
    "sic": "2834",
    "countryba": "US",
    "form": "10-K",
    "period": "20251231",
    "fy": "2025",
    "fp": "FY",
    "filed": "20260212",
}
FACT = {
    "adsh": LILLY["adsh"],
    "tag": "Revenues",
    "version": "us-gaap/2025",
    "ddate": "20251231",
    "qtrs": "4",
    "uom": "USD",
}


def fact(value: float, segments: str = "", **changes: str) -> dict[str, str]:
    """A fact of Lilly's annual report, by default its revenue."""
    return {**FACT, "segments": segments, "value": f"{value:.4f}", **changes}


def filing(**changes: str) -> dict[str, str]:
    """Lilly's annual report, or another."""
    return {**LILLY, **changes}


def table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Rows as the data sets write them: tabs, a header line, no quoting, empty cells empty."""
    lines = ["\t".join(columns), *("\t".join(row.get(column, "") for column in columns) for row in rows)]
    return "\n".join(lines) + "\n"


def archive(
    path: Path,
    facts: Sequence[Mapping[str, str]] | str | bytes,
    filings: Sequence[Mapping[str, str]] = (LILLY,),
    *,
    columns: Sequence[str] = NUM,
    written: date = date(2026, 4, 10),
) -> Path:
    """A quarter's archive; `facts` are rows, or the text of num.txt."""
    num = facts if isinstance(facts, str | bytes) else table(facts, columns)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        # The other members are not read; real ones are large.
        other = random.Random(0).randbytes(2000)
        for name, text in (("sub.txt", table(filings, SUB)), ("num.txt", num), ("readme.htm", other)):
            entry = zipfile.ZipInfo(name, datetime(written.year, written.month, written.day).timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, text)
    return path
