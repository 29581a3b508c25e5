"""A little installation: a release and a work file that hold few tables, so that faults can be many."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl

from ingest import workfile
from ingest.settings import Settings
from orchestration import pipeline

KEPT = frozenset(
    {"mart_policy_claim_check", "mart_rnd_level", "stg_claim", "stg_rnd_observation", "country", "definition"}
)


def make(whole: Settings, home: Path) -> Settings:
    """Copy an installation without its releases, thin its work file out, and publish that as its only release."""
    settings = replace(whole, home=home)
    shutil.copytree(whole.home, home, symlinks=True, ignore=shutil.ignore_patterns("releases", "current"))
    connection = workfile.connect(settings.work_file, settings)
    for schema, name, kind in connection.execute(
        "select table_schema, table_name, table_type from information_schema.tables "
        "where table_schema in ('marts', 'staging', 'vocabulary', 'intermediate')"
    ).fetchall():
        if name not in KEPT:
            connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {schema}.{name}")
    connection.close()
    # What the dropped models were made by is not published either: a release explains what it holds.
    code = pipeline.checks_file(settings, "code")
    pl.read_parquet(code).clear().write_parquet(code)
    pipeline.publish(settings, force=True)
    return settings
