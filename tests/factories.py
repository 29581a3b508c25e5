"""Synthetic rows and sources for tests; nothing here is a published figure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from ingest import lake
from ingest.source import Source

SOURCE_YML = """
code: {code}
title: Synthetic source
publisher: Synthetic publisher
publisher_country: JPN
description: A source made by the tests.
domain: rnd
kind: {kind}
tables: [rnd_observation]
landing_page: https://publisher.example/data
licence: {{name: CC BY 4.0, redistribution: {redistribution}}}
citation: Synthetic publisher, synthetic table.
cadence: yearly
freshness_days: 400
files:
  - {{pattern: "*.csv", content: csv, min_bytes: 20}}
  - {{pattern: "*.xlsx", content: xlsx}}
  - {{pattern: "*.zip", content: zip}}
  - {{pattern: "*.gz", content: gzip}}
  - {{pattern: "*.json", content: json}}
"""


def synthetic_source(folder: Path, *, redistribution: str = "open", kind: str = "publisher") -> Source:
    """A source folder without a parser, in a temporary directory."""
    code = "synthetic_source"
    (folder / code).mkdir(parents=True, exist_ok=True)
    (folder / code / "source.yml").write_text(
        SOURCE_YML.format(code=code, redistribution=redistribution, kind=kind), encoding="utf-8"
    )
    return Source(folder / code)


_VALUES: dict[str, Any] = {
    "string": "synthetic",
    "int64": 1,
    "float64": 1.0,
    "boolean": False,
    "date": date(2020, 1, 1),
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
}


def synthetic_rows(table: str, *changes: dict[str, Any]) -> pl.DataFrame:
    """Rows that keep the contract of a table, one per `changes`; a change of any key column makes a row distinct.

    Columns take the first allowed value, a known country, or a value of their type; nullable ones too.
    """
    rules = lake.contract(table)
    rows = []
    for change in changes or ({},):
        row = {}
        for column in rules.columns:
            value = _VALUES[column.type]
            if column.allowed:
                value = column.allowed[0]
            elif column.domain == "country":
                value = "JPN"
            row[column.name] = value
        rows.append(row | change)
    return pl.DataFrame(rows, schema=rules.schema, orient="row")
