"""Making the folder of a new source: what every source needs, with the places to fill marked REPLACE."""

from __future__ import annotations

import re
from pathlib import Path

from ingest import lake
from ingest.errors import SourceError
from ingest.settings import PROJECT_ROOT
from ingest.source import SOURCES_DIR

MARK = "REPLACE"

_SOURCE_YML = """\
code: {code}
title: "REPLACE: name of the data set"
publisher: "REPLACE: who publishes it"
publisher_country: JPN  # REPLACE: ISO3, or INT
description: >
  REPLACE: what it says, of whom, since when, and what it does not say.
domain: {domain}
kind: publisher
tables: [{table}]
landing_page: "https://REPLACE"
endpoints: []
licence:
  name: "REPLACE: licence"
  url: "https://REPLACE"
  redistribution: never  # REPLACE: open, facts or never
citation: "REPLACE: citation"
cadence: yearly
freshness_days: 500
files:
  - {{pattern: "*.csv", content: csv, min_bytes: 100}}
fetch:
  downloads:
    - {{url: "https://REPLACE/table.csv", name: table.csv}}
  seconds_between_requests: 1
caveats:
  - "REPLACE: what bites first; and why there is no bundled edition, if there is none."
"""

_PARSE = '''\
"""REPLACE: the publisher's format in two sentences, with the page that documents it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

HEADER: tuple[str, ...] = ("REPLACE",)


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of one edition: REPLACE table, grain, units. Raises LayoutError on another header."""
    frames = []
    for file in files:
        raw = pl.read_csv(file.path, infer_schema=False)
        if tuple(raw.columns) != HEADER:
            raise LayoutError(
                f"the header is {{raw.columns}}",
                file=file.name,
                row=1,
                remedy="Compare it with HEADER, and extend the parser if the publisher changed the layout.",
            )
        frames.append(
            raw.with_columns(
                # REPLACE: the columns of {table}: {columns}
                pl.lit(file.sha256).alias("file_sha256"),
                pl.format("line {{}}", pl.int_range(2, pl.len() + 2)).alias("locator"),
            )
        )
    rows = pl.concat(frames)
    return Parsed({{"{table}": rows}}, rows_read=rows.height)
'''

_TEST = '''\
"""REPLACE: what of the publisher's real bytes proves the parser right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ingest import lake, load, source


def test_real_file_gives_the_published_total(shared_data: Callable[[str], Path]) -> None:
    chosen = source.get("{code}")
    files = load.in_hand(chosen, [shared_data("{code}/REPLACE.csv")])
    parsed = load.parse_files(chosen, files)
    rows = parsed.tables["{table}"]
    assert rows["value"].sum() == "REPLACE: the publisher's own total"
    assert set(rows.columns) <= set(lake.contract("{table}").schema.names())
'''


def new_source(
    code: str, table: str, domain: str, *, sources_dir: Path = SOURCES_DIR, tests_dir: Path | None = None
) -> list[Path]:
    """Make the folder of a source and its test file; returns the files made.

    Raises SourceError for a code that is no short code, a table that is none, or a source that exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", code):
        raise SourceError(f"{code!r} is no source code", remedy="Use lower-case letters, digits and underscores.")
    rules = lake.contract(table)
    folder = sources_dir / code
    if folder.exists():
        raise SourceError(f"source {code} exists", file=str(folder), remedy="Choose another code.")
    values = {"code": code, "table": table, "domain": domain, "columns": ", ".join(rules.own_columns)}
    tests = tests_dir or PROJECT_ROOT / "tests" / "sources"
    texts = {
        folder / "__init__.py": f'"""Source {code}; see source.yml."""\n',
        folder / "source.yml": _SOURCE_YML.format(**values),
        folder / "parse.py": _PARSE.format(**values),
        tests / f"test_{code}.py": _TEST.format(**values),
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def unfilled(folder: Path) -> list[str]:
    """Places of a source folder that are still marked to be filled, as `file:line`."""
    return [
        f"{path.name}:{number}"
        for path in sorted(folder.glob("*.*"))
        if path.suffix in {".yml", ".py"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MARK in line
    ]
