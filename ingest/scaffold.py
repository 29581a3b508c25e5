"""Making the folder of a new source: what every source needs, with the places to fill marked REPLACE."""

from __future__ import annotations

import re
from pathlib import Path

from ingest import lake
from ingest.errors import SourceError
from ingest.settings import PROJECT_ROOT
from ingest.source import SOURCES_DIR, Source

MARK = "REPLACE"
TESTS_DIR = PROJECT_ROOT / "tests" / "sources"

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
columns:  # REPLACE: for each canonical column that is read, the publisher's own columns behind it
  {table}: {{}}
caveats:
  - "REPLACE: what bites first."
  - "REPLACE: No bundled edition: why there is none (remove this line once there is one)."
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

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest import lake, load, source
from ingest.settings import Settings
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_real_file_gives_the_published_total(shared_data: Callable[[str], Path]) -> None:
    chosen = source.get("{code}")
    files = load.in_hand(chosen, [shared_data("{code}/REPLACE.csv")])
    parsed = load.parse_files(chosen, files)
    rows = parsed.tables["{table}"]
    assert rows["value"].sum() == "REPLACE: the publisher's own total"
    assert set(rows.columns) <= set(lake.contract("{table}").schema.names())


def test_the_connector_fetches_and_loads(
    settings: Settings, publisher: Publisher, shared_data: Callable[[str], Path]
) -> None:
    publisher.serve("REPLACE: host", "/table.csv", Answer(shared_data("{code}/REPLACE.csv").read_bytes()))
    (edition,) = connector(settings, publisher, "{code}", "REPLACE: host").run()
    assert edition.row_count == "REPLACE: rows of the file" and edition.rows_quarantined == 0
'''


def new_source(
    code: str, table: str, domain: str, *, sources_dir: Path | None = None, tests_dir: Path | None = None
) -> list[Path]:
    """Make the folder of a source and its test file; returns the files made.

    Raises SourceError for a code that is no short code, a table that is none, or a source that exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", code):
        raise SourceError(f"{code!r} is no source code", remedy="Use lower-case letters, digits and underscores.")
    rules = lake.contract(table)
    folder = (sources_dir or SOURCES_DIR) / code
    if folder.exists():
        raise SourceError(f"source {code} exists", file=str(folder), remedy="Choose another code.")
    values = {"code": code, "table": table, "domain": domain, "columns": ", ".join(rules.own_columns)}
    tests = tests_dir or TESTS_DIR
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


def missing_parts(code: str, *, sources_dir: Path | None = None, tests_dir: Path | None = None) -> list[str]:
    """What a source lacks to be complete, one line for each thing to do; empty for a complete source."""
    candidate = Source((sources_dir or SOURCES_DIR) / code)
    lacks = []
    parser = candidate.folder / "parse.py"
    if not parser.exists() or "\ndef parse(" not in parser.read_text(encoding="utf-8"):
        lacks.append("parse.py with a parse function")
    test = (tests_dir or TESTS_DIR) / f"test_{code}.py"
    if not test.exists():
        lacks.append(f"tests/sources/{test.name}")
    if candidate.spec.kind == "publisher" and not candidate.has_connector:
        lacks.append("a way to fetch it: addresses under fetch.downloads in source.yml, or fetch.py")
    if candidate.spec.kind == "publisher" and not all(
        candidate.spec.columns.get(table) for table in candidate.spec.tables
    ):
        lacks.append("the publisher's columns behind the canonical ones (columns) in source.yml")
    if (
        candidate.spec.licence.redistribution != "never"
        and not candidate.has_bundled_edition
        and not candidate.spec.caveats
    ):
        lacks.append("a bundled edition, or a caveat that says why there is none")
    lacks.extend(f"text in place of {MARK} at {place}" for place in unfilled(candidate.folder, test))
    if not candidate.spec.default_files:
        lacks.append("file gates (files) in source.yml")
    return lacks


def unfilled(folder: Path, *others: Path) -> list[str]:
    """Places of a source folder, and of other files, that are still marked to be filled, as `file:line`."""
    return [
        f"{path.name}:{number}"
        for path in [*sorted(folder.glob("*.*")), *others]
        if path.suffix in {".yml", ".py"} and path.exists()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MARK in line
    ]
