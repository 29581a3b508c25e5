"""Shared fixtures: where the publishers' real files are, and a throw-away installation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.built import Home

from ingest.settings import PROJECT_ROOT, Settings

SHARED_DATA = Path(os.environ.get("BIOPHARMA_SHARED_DATA", PROJECT_ROOT.parent / "shared" / "data"))


def shared_file(relative: str) -> Path:
    """A publisher's real file; skips the test where the folder of real files is absent."""
    path = SHARED_DATA / relative
    if not path.exists():
        pytest.skip(f"publisher's file {relative} is not here; set BIOPHARMA_SHARED_DATA to the folder that has it")
    return path


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Function from a relative name to a publisher's real file."""
    return shared_file


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty installation in a temporary directory."""
    return Settings(home=tmp_path / "home", memory_limit="2GB")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An installation after one full plain run. Nothing may be changed in it."""
    from ingest.settings import Settings
    from orchestration import pipeline
    from tests.built import Home
    from tests.network import guarded

    settings = Settings(home=tmp_path_factory.mktemp("built") / "home", memory_limit="2GB")
    with guarded() as attempts:
        report = pipeline.run(settings)
    return Home(settings, report, tuple(attempts))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share something costly in one process where several run side by side (pytest-xdist)."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        folder = item.path.parent.name
        shared = (
            "quality"
            if folder == "quality"
            else next((name for name in ("built", "build") if name in fixtures), None)
        )
        item.add_marker(pytest.mark.xdist_group(shared or item.path.name))
