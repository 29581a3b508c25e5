"""dbt in process over a throw-away work file, and the build of the bundled edition for all tests that read it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import pipeline
from orchestration.progress import silent
from tests.built import Home

DBT_PROJECT = PROJECT_ROOT / "dbt_project"


@dataclass
class DbtRun:
    """Outcome of a dbt command: status of every node by its name."""

    success: bool
    exception: BaseException | None
    status: dict[str, str]


def run_dbt(arguments: Sequence[str], *, project: Path, work_file: Path, target: Path) -> DbtRun:
    """Run dbt in this process on a work file and let go of the file afterwards."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters
    from dbt.cli.main import dbtRunner

    # The project itself is parsed once for all builds of it, as in a run.
    parsed = None
    if project == DBT_PROJECT:
        parsed = pipeline._parsed_project(Settings(home=work_file.parents[1]), silent)[1]
    before = dict(os.environ)
    os.environ |= {"BIOPHARMA_WORK_FILE": str(work_file), "BIOPHARMA_MEMORY": "2GB", "BIOPHARMA_THREADS": "2"}
    try:
        result = dbtRunner(manifest=pipeline._read_parsed(parsed)).invoke(
            [
                *arguments,
                *("--project-dir", str(project), "--profiles-dir", str(project)),
                *("--target-path", str(target), "--log-path", str(target)),
                *("--quiet", "--log-level", "none", "--log-level-file", "none"),
            ]
        )
    finally:
        DuckDBConnectionManager.close_all_connections()
        reset_adapters()
        os.environ.clear()
        os.environ.update(before)
    rows: Any = getattr(result.result, "results", None) or []
    return DbtRun(result.success, result.exception, {row.node.name: str(row.status.value) for row in rows})


@dataclass
class Build:
    """A work file after `dbt build`, with the outcome of every node."""

    run: DbtRun
    work_file: Path

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query as dicts."""
        with duckdb.connect(str(self.work_file), read_only=True) as connection:
            relation = connection.sql(query)
            return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    def row(self, query: str) -> dict[str, Any]:
        """The only row of a query."""
        rows = self.rows(query)
        assert len(rows) == 1, f"{len(rows)} rows: {query}"
        return rows[0]


@pytest.fixture(scope="session")
def build(built: Home) -> Build:
    """The models of the full run on the bundled edition, which all tests share."""
    report = built.report.build
    assert report is not None
    status = {node.name: node.status for node in [*report.models, *report.tests]}
    return Build(DbtRun(not report.failed, None, status), built.settings.work_file)
