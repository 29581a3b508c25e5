"""A good lake, copied for each test that breaks it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import workfile
from ingest.load import load_bundled
from ingest.settings import Settings
from ingest.source import discover
from tests.quality.good_lake import write_good_lake


@pytest.fixture(scope="session")
def good_lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Installation whose work file keeps every expectation; not to be changed."""
    settings = Settings(home=tmp_path_factory.mktemp("quality") / "home", memory_limit="1GB")
    write_good_lake(settings)
    return settings


@pytest.fixture(scope="session")
def copy_lake(good_lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Settings]:
    """Function that gives a copy of the good work file, free to be broken."""

    def copy() -> Settings:
        settings = Settings(home=Path(tmp_path_factory.mktemp("broken")) / "home", memory_limit="1GB")
        settings.work.mkdir(parents=True)
        shutil.copyfile(good_lake.work_file, settings.work_file)
        return settings

    return copy


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Installation whose work file stands over the bundled edition of every source; not to be changed."""
    settings = Settings(home=tmp_path_factory.mktemp("bundled") / "home", memory_limit="1GB")
    for source in discover().values():
        load_bundled(settings, source)
    workfile.prepare(settings)
    return settings
