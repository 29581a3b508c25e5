"""The quick part of the chaos suite; the long one is `make chaos`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from ingest import archive
from ingest.settings import Settings
from orchestration.errors import as_storage_error
from tests.built import Home
from tests.chaos import faults, harness, little

SEED = 20260101


@pytest.fixture(scope="module")
def small_home(built: Home, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return little.make(built.settings, tmp_path_factory.mktemp("chaos") / "small")


@pytest.fixture
def home(small_home: Settings, tmp_path: Path) -> Iterator[Settings]:
    made = harness.copy_of(small_home, tmp_path / "home")
    yield made
    shutil.rmtree(made.home)


def assert_killed(tally: harness.Tally, count: int) -> None:
    """So many calls were killed, or all the calls there may be were made; after each of them the release verified."""
    calls = tally.faults + tally.ended_before
    assert tally.releases_verified == calls
    assert tally.faults == count or calls == 2 * count
    assert tally.faults > count / 3


def test_killed_loads(home: Settings, tmp_path: Path) -> None:
    assert_killed(harness.kill_loads(home, tmp_path / "files", count=10, seed=SEED), 10)
    # What a killed process left half written is in nobody's way, and the next run takes it away.
    archive.clear_leftovers(home.archive, home.lake, home.quarantine)
    assert not [path for path in home.home.rglob("*.tmp*") if "dagster" not in path.parts]


def test_killed_publications(home: Settings) -> None:
    assert_killed(harness.kill_publications(home, count=10, seed=SEED), 10)
    assert not list(home.releases.glob(".*"))


def test_readers_during_publications(home: Settings) -> None:
    seen = harness.crowd(home, readers=3, publications=2)
    assert seen.errors == []
    assert seen.releases >= 2
    assert seen.queries > 10
    assert seen.longest_seconds < 60


def test_a_full_disk(small_home: Settings, tmp_path: Path) -> None:
    if not faults.can_mount():
        pytest.skip("this user may not mount a file system of its own; the limit of a file's size is tried instead")
    found = faults.disk_full(small_home, tmp_path, [50, 3_000])
    assert found.said["StorageError"] >= 1
    assert found.times == 2


def test_files_that_may_not_grow(small_home: Settings, tmp_path: Path) -> None:
    found = faults.file_limit(small_home, tmp_path, [2, 500])
    assert found.said["StorageError"] == found.times == 2


def test_read_only_directories(small_home: Settings) -> None:
    if os.geteuid() == 0 and not faults.other_user_can_read_the_project():
        pytest.skip("root may write everywhere, and no other user can read the project here")
    with tempfile.TemporaryDirectory() as folder:
        # Another user than root must reach it, which pytest's own folders do not allow.
        Path(folder).chmod(0o755)
        found = faults.read_only(small_home, Path(folder), ["lake", "releases"])
    assert found.said["StorageError"] == found.times == 2


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_files_that_vanish_or_change(small_home: Settings, tmp_path: Path, how: str) -> None:
    found = faults.damage(small_home, tmp_path, how)
    assert found.said["made again"] == 2
    assert found.said["named by verify"] == 1
    assert found.said["RunError"] + found.said["ReleaseError"] == 2


def test_a_clock_that_jumps(small_home: Settings, tmp_path: Path) -> None:
    assert faults.clock(small_home, tmp_path, [-11, 70]).finished == 2


def test_two_at_once(small_home: Settings, tmp_path: Path) -> None:
    found = faults.two_at_once(small_home, tmp_path, 2)
    assert found.times == 4
    assert found.finished + found.said["BusyError"] == 4


def test_storage_errors_are_said_in_words() -> None:
    full = as_storage_error(OSError(28, "No space left on device", "/x/y"))
    assert full is not None
    assert "there is no room left to write" in full.text
    assert as_storage_error(OSError(2, "No such file or directory")) is None
    assert as_storage_error(duckdb.IOException("IO Error: Could not write: No space left on device")) is not None
    closed = as_storage_error(PermissionError(13, "Permission denied", "/x"))
    assert closed is not None
    assert "may not be read or written" in closed.text
