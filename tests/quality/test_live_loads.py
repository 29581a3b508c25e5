"""Whole files of publishers beside the bundled edition, as an installation with network has them: no check blocks.

A check that was written on the trimmed bundle may be wrong of the file that it was trimmed from, and would stop the
first run after a fetch.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from data_quality.runner import blocking_failures, run_checks
from ingest import load, workfile
from ingest.settings import Settings
from ingest.source import discover, get
from tests.conftest import shared_file
from tests.sources.real_files import EDITIONS


@pytest.mark.slow
def test_no_check_blocks_what_publishers_send(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", memory_limit="2GB")
    files = {code: [shared_file(name) for name in names] for code, names in EDITIONS.items()}
    for source in discover().values():
        load.load_bundled(settings, source)
    for code, paths in files.items():
        edition = load.load_files(settings, get(code), paths, published_on=date(2026, 11, 28), accept_changes=True)
        assert edition.row_count > 0, code
        assert not edition.is_bundled
    workfile.prepare(settings)
    results = run_checks(settings, "lake")
    assert len(results) > 500
    assert {result.check_id: result.examples for result in blocking_failures(results)} == {}
