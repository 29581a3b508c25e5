"""Shared fixtures: where the publishers' real files are, and a throw-away installation."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from filelock import FileLock
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from tests.built import Home

from ingest.settings import PROJECT_ROOT, Settings

# The suite says the same of the same code: examples of properties are drawn from a fixed seed. A search draws others,
# as many times more as this says (`make search`); what it finds becomes an `@example` beside the correction.
SEARCH = int(os.environ.get("BIOPHARMA_SEARCH", "0"))
hypothesis.settings.register_profile("suite", derandomize=not SEARCH, database=None)
hypothesis.settings.load_profile("suite")

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
    """An installation after one full plain run. Nothing may be changed in it.

    Of the processes of pytest-xdist one makes it, and each other one has a copy.
    """
    home = tmp_path_factory.mktemp("built") / "home"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return _run(home)
    kept = tmp_path_factory.getbasetemp().parent / "built.pickle"
    with FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            made = _run(home)
            kept.write_bytes(pickle.dumps(made))
            return made
    first: Home = pickle.loads(kept.read_bytes())
    shutil.copytree(first.settings.home, home, symlinks=True)
    return replace(first, settings=replace(first.settings, home=home))


def _run(home: Path) -> Home:
    from orchestration import pipeline
    from tests.built import Home
    from tests.network import guarded

    settings = Settings(home=home, memory_limit="2GB")
    with guarded() as attempts:
        report = pipeline.run(settings)
    return Home(settings, report, tuple(attempts))


# Files whose tests share something costly, and so run in one process where several run side by side (pytest-xdist).
TOGETHER = {
    **dict.fromkeys(("orchestration/test_definitions.py", "orchestration/test_selective.py"), "followed"),
}
# What takes longest goes first, so that the processes end at the same time.
LONGEST = (
    "quality",
    "followed",
    "browser/test_dagster_ui.py",
    "chaos/test_quick.py",
    "orchestration/test_run.py",
    "browser/test_briefing.py",
    "test_briefing_site.py",
    "orchestration/test_explain.py",
    "orchestration/test_release.py",
    "orchestration/test_releases.py",
    "orchestration/test_remote.py",
    "orchestration/test_as_of.py",
    "browser/test_release_pages.py",
)


def _group(nodeid: str) -> str:
    name = nodeid.partition("::")[0].removeprefix("tests/")
    return "quality" if name.startswith("quality/") else TOGETHER.get(name, name)


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Each group of files in one process, in the order of collection.

    In place of `--dist loadgroup`: pytest 9.2 takes no notice of the group that pytest-xdist 3.8 writes into the
    `_nodeid` of a test.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Let pytest-xdist hand out groups of files, in the order of `LONGEST` and not by their number of tests."""
    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest first where several processes run side by side; give a search its number of examples."""
    for item in items if SEARCH else ():
        test = getattr(item, "function", None)
        if hypothesis.is_hypothesis_test(test):
            # Hypothesis has no public way to change what a test's own decorator says.
            own = test._hypothesis_internal_use_settings
            test._hypothesis_internal_use_settings = hypothesis.settings(own, max_examples=own.max_examples * SEARCH)
    if hasattr(config, "workerinput"):
        order = {group: place for place, group in enumerate(LONGEST)}
        items.sort(key=lambda item: order.get(_group(item.nodeid), len(order)))
