"""Faults other than kills: no room, no right to write, files gone or damaged, a clock that jumps, two runs at once.

Each is put into a copy of an installation while one file is loaded and one release made. Then the promise is looked
at: what was stopped says why in words, the current release opens and its checksums hold, the lake is whole; and
when the fault is gone, the next run finishes, and every file stands in the lake once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest.lake import Lake
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import release
from orchestration.errors import ReleaseError
from tests.chaos import harness, victims

NOBODY = 65534


@dataclass
class Faults:
    """What came of one kind of fault. `said` counts the errors by name; `finished` the attempts it did not stop."""

    name: str
    times: int = 0
    finished: int = 0
    said: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Site:
    """An installation that is hurt, the files that are loaded into it, and what the attempts said."""

    def __init__(self, home: Settings, folder: Path, name: str) -> None:
        self.settings = home
        self.files = folder
        self.paths: list[Path] = []
        self.result = Faults(name)
        self.folder_of_words = folder / "words"
        self.folder_of_words.mkdir(parents=True)
        self.folder_of_words.chmod(0o777)
        self._began = time.perf_counter()
        self.processes = harness.context()

    def attempt(self, **fault: Any) -> str:
        """Load another file and publish while the fault is there; returns what was said, and looks at the rest."""
        said = self.start(**fault)()
        harness.assert_release_whole(self.settings)
        harness.assert_lake_whole(self.settings)
        return said

    def start(self, **fault: Any) -> Callable[[], str]:
        """Begin an attempt; the function returned waits for it."""
        number = len(self.paths)
        path = victims.synthetic_rates(self.files / f"eurofxref-hist-synthetic-{number}.csv", number)
        path.chmod(0o644)
        self.paths.append(path)
        words = self.folder_of_words / f"{number}.txt"
        process = self.processes.Process(
            target=victims.attempt, args=(self.settings, path, number, words), kwargs=fault
        )
        process.start()

        def wait() -> str:
            process.join()
            assert process.exitcode == 0, f"the attempt ended with {process.exitcode}"
            said = words.read_text(encoding="utf-8")
            self.result.times += 1
            if said == victims.DONE:
                self.result.finished += 1
            else:
                assert not said.startswith("unnamed"), said
                self.result.said[said.split(":")[0]] += 1
            return said

        return wait

    def recovered(self) -> Faults:
        """With the fault gone: everything is loaded, once, and a release is made; returns the result."""
        for number, path in enumerate(self.paths):
            harness.undisturbed(self.processes, victims.load_edition, (self.settings, path))
            if number == len(self.paths) - 1:
                harness.undisturbed(self.processes, victims.publish, (self.settings, number))
        harness.assert_release_whole(self.settings)
        harness.assert_loaded_once(self.settings, self.paths)
        self.result.seconds = time.perf_counter() - self._began
        return self.result


@cache
def can_mount() -> bool:
    """Whether this user may mount a file system of its own; tried once."""
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
        if made.returncode == 0:
            subprocess.run(["umount", folder], capture_output=True, check=True)
        return made.returncode == 0


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of that size in a folder; yields what leaves it so many kilobytes of room."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)

    def leave(kilobytes: int) -> None:
        used = shutil.disk_usage(folder).used
        subprocess.run(
            ["mount", "-o", f"remount,size={used // 1024 + kilobytes}k", str(folder)], check=True, capture_output=True
        )

    try:
        yield leave
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def disk_full(home: Settings, folder: Path, rooms: list[int]) -> Faults:
    """The disk has room for so many kilobytes more, and then none. Needs the right to mount a file system."""
    with small_disk(folder / "disk", 2048) as leave:
        site = Site(harness.copy_of(home, folder / "disk" / "home"), folder / "files", "disk full")
        for kilobytes in rooms:
            leave(kilobytes)
            site.attempt()
        leave(500_000)
        return site.recovered()


def file_limit(home: Settings, folder: Path, limits: list[int]) -> Faults:
    """No file may grow beyond so many kilobytes (`ulimit -f`), which any user can try."""
    site = Site(harness.copy_of(home, folder / "home"), folder / "files", "limit of a file's size")
    for kilobytes in limits:
        site.attempt(file_kilobytes=kilobytes)
    return site.recovered()


def read_only(home: Settings, folder: Path, names: list[str]) -> Faults:
    """A directory of the installation may be read and not written; tried as a user that is not root."""
    settings = harness.copy_of(home, folder / "home")
    site = Site(settings, folder / "files", "read-only directories")
    user = NOBODY if os.geteuid() == 0 else None
    if user is not None:
        _own(settings.home, user)
    for name in names:
        closed = [settings.home / name, *(p for p in (settings.home / name).rglob("*") if p.is_dir())]
        before = {path: path.stat().st_mode for path in closed}
        for path in closed:
            path.chmod(0o555)
        try:
            site.attempt(user=user)
        finally:
            for path, mode in before.items():
                path.chmod(mode)
    if user is not None:
        _own(settings.home, 0)
    return site.recovered()


def other_user_can_read_the_project() -> bool:
    """Whether a user that is not root could run the project where it lies."""
    return all(path.stat().st_mode & 0o005 == 0o005 for path in [PROJECT_ROOT, *PROJECT_ROOT.parents])


def _own(folder: Path, user: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user, user, follow_symlinks=False)


def damage(home: Settings, folder: Path, how: str) -> Faults:
    """Files of the installation vanish (`gone`) or have other bytes (`changed`) between two runs.

    The lake is made whole by the next load. A release that was damaged is named by `verify`, and the next one is
    whole; readers of a release whose database stands are not disturbed.
    """
    site = Site(harness.copy_of(home, folder / "home"), folder / "files", f"files {how}")
    settings = site.settings
    hurt: Callable[[Path], None] = _vanish if how == "gone" else _change
    for code in ("oecd_anberd", "ecb_fx"):
        harness.undisturbed(site.processes, victims.load_source, (settings, code))
    assert site.attempt() == victims.DONE
    editions = Lake(settings.lake).editions()
    bundled = next(e for e in editions if e.source_code == "oecd_anberd")
    live = next(e for e in editions if e.source_code == "ecb_fx" and not e.is_bundled)
    for path in (settings.lake / bundled.tables[0].file, settings.lake / live.tables[0].file):
        whole = path.read_bytes()
        hurt(path)
        harness.assert_release_whole(settings)
        for code in ("oecd_anberd", "ecb_fx"):
            harness.undisturbed(site.processes, victims.load_source, (settings, code))
        assert path.read_bytes() == whole
        site.result.times += 1
        site.result.said["made again"] += 1
    # A release: readers are told, and the next one is whole.
    current = settings.current.resolve()
    path = current / "parquet" / "mart_rnd_level.parquet"
    hurt(path)
    with pytest.raises(ReleaseError, match=path.name):
        release.verify(current)
    site.result.times += 1
    site.result.said["named by verify"] += 1
    harness.undisturbed(site.processes, victims.publish, (settings, 100))
    harness.assert_release_whole(settings)
    # The work file and what has passed on it.
    for path in (settings.work / "state.json", settings.work_file):
        whole = path.read_bytes()
        hurt(path)
        assert site.attempt(mark=False) != victims.DONE
        path.write_bytes(whole)
    return site.recovered()


def _vanish(path: Path) -> None:
    path.unlink()


def _change(path: Path) -> None:
    path.chmod(0o644)
    size = path.stat().st_size
    with path.open("r+b") as stream:
        for at in range(0, size, max(size // 50, 1)):
            stream.seek(at)
            byte = stream.read(1)[0]
            stream.seek(at)
            stream.write(bytes([byte ^ 0x55]))


def clock(home: Settings, folder: Path, years: list[int]) -> Faults:
    """The clock jumps by so many years before each load and publication."""
    site = Site(harness.copy_of(home, folder / "home"), folder / "files", "clock jumps")
    for jump in years:
        assert site.attempt(clock_years=jump) == victims.DONE
    return site.recovered()


def two_at_once(home: Settings, folder: Path, rounds: int) -> Faults:
    """Two processes load and publish at the same moment: at least one finishes, the other finishes or refuses."""
    site = Site(harness.copy_of(home, folder / "home"), folder / "files", "two at once")
    for _ in range(rounds):
        said = [wait() for wait in [site.start(), site.start()]]
        assert victims.DONE in said, said
        assert all(text == victims.DONE or text.startswith("BusyError: another process holds") for text in said), said
        harness.assert_release_whole(site.settings)
        harness.assert_lake_whole(site.settings)
    return site.recovered()


# Whole runs, for the long form -----------------------------------------------------------------------------------


def whole_runs(home: Settings, folder: Path) -> Faults:
    """Whole runs over a damaged installation, on a full disk, and two at once."""
    result = Faults("whole runs")
    began = time.perf_counter()
    settings = harness.copy_of(home, folder / "home")
    processes = harness.context()
    hurt = sorted((settings.lake / "rnd_observation").rglob("*.parquet"))
    _vanish(hurt[0])
    _change(hurt[-1])
    _change(settings.work_file)
    (settings.work / "state.json").write_text("{")
    harness.assert_release_whole(settings)
    harness.undisturbed(processes, victims.run, (settings,))
    harness.assert_release_whole(settings)
    harness.assert_lake_whole(settings)
    result.times += 1
    result.said["damaged lake and work file made again"] += 1
    words = folder / "words"
    words.mkdir()
    both = [processes.Process(target=victims.run_and_say, args=(settings, words / str(n))) for n in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    said = sorted((words / str(n)).read_text() for n in range(2))
    assert said[0].startswith("BusyError: another process holds"), said
    assert said[1] == victims.DONE, said
    harness.assert_release_whole(settings)
    result.times += 2
    result.finished += 1
    result.said["BusyError"] += 1
    if can_mount():
        with small_disk(folder / "disk", 4096) as leave:
            moved = harness.copy_of(settings, folder / "disk" / "home")
            for kilobytes in (64, 2_000, 8_000, 20_000):
                leave(kilobytes)
                process = processes.Process(target=victims.run_and_say, args=(moved, words / "full"))
                process.start()
                process.join()
                text = (words / "full").read_text()
                assert not text.startswith("unnamed"), text
                result.times += 1
                result.finished += text == victims.DONE
                if text != victims.DONE:
                    result.said[text.split(":")[0]] += 1
                harness.assert_release_whole(moved)
            leave(800_000)
            harness.undisturbed(processes, victims.run, (replace(moved, keep_releases=3, keep_days=0),))
            harness.assert_release_whole(moved)
            harness.assert_lake_whole(moved)
    result.seconds = time.perf_counter() - began
    return result
