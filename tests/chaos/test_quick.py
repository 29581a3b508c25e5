"""The quick part of the chaos suite; the long one is `make chaos`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.settings import Settings
from tests.built import Home
from tests.chaos import harness, little

SEED = 20260101


@pytest.fixture(scope="module")
def small_home(built: Home, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return little.make(built.settings, tmp_path_factory.mktemp("chaos") / "small")


@pytest.fixture
def home(small_home: Settings, tmp_path: Path) -> Iterator[Settings]:
    made = harness.copy_of(small_home, tmp_path / "home")
    yield made
    shutil.rmtree(made.home)


def test_killed_loads(home: Settings, tmp_path: Path) -> None:
    tally = harness.kill_loads(home, tmp_path / "files", count=15, seed=SEED)
    assert tally.faults + tally.ended_before == tally.releases_verified == 15
    assert tally.faults > 3


def test_killed_publications(home: Settings) -> None:
    tally = harness.kill_publications(home, count=15, seed=SEED)
    assert tally.faults + tally.ended_before == tally.releases_verified == 15
    assert tally.faults > 3
    assert not list(home.releases.glob(".*"))


def test_readers_during_publications(home: Settings) -> None:
    seen = harness.crowd(home, readers=4, publications=4)
    assert seen.errors == []
    assert seen.releases >= 2
    assert seen.queries > 10
