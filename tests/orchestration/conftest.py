"""One full run on the bundled edition, shared by the tests of this folder; those that change it take a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import cli
from tests.built import Home
from tests.chaos import little


@pytest.fixture
def copied(built: Home, tmp_path: Path) -> Iterator[Settings]:
    """A copy of the installation that a test may change."""
    target = tmp_path / "home"
    shutil.copytree(built.settings.home, target, symlinks=True)
    yield replace(built.settings, home=target)
    shutil.rmtree(target)


@pytest.fixture(scope="session")
def small_built(built: Home, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation whose work file and only release hold little. Nothing may be changed in it."""
    return little.make(built.settings, tmp_path_factory.mktemp("small") / "home")


@pytest.fixture
def small(small_built: Settings, tmp_path: Path) -> Iterator[Settings]:
    """A copy of the little installation that a test may change."""
    target = tmp_path / "home"
    shutil.copytree(small_built.home, target, symlinks=True)
    yield replace(small_built, home=target)
    shutil.rmtree(target)


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def biopharma(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """The command, called in this process."""

    def call(settings: Settings, *arguments: str) -> Outcome:
        monkeypatch.setenv("BIOPHARMA_HOME", str(settings.home))
        monkeypatch.setenv("BIOPHARMA_MEMORY", settings.memory_limit)
        monkeypatch.delenv("BIOPHARMA_DEBUG", raising=False)
        monkeypatch.setattr(sys, "argv", ["biopharma", *arguments])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@contextmanager
def holding(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the installation."""
    code = (
        "import sys; from ingest.settings import Settings; from orchestration.lock import exclusive\n"
        "with exclusive(Settings.from_env(), 'a run'):\n    print('held', flush=True); sys.stdin.read()"
    )
    environment = {"PATH": "/usr/bin:/bin", "BIOPHARMA_HOME": str(settings.home)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=PROJECT_ROOT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def python(code: str, settings: Settings, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, over an installation."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": "/usr/bin:/bin",
            "BIOPHARMA_HOME": str(settings.home),
            "BIOPHARMA_MEMORY": settings.memory_limit,
        },
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=check,
        timeout=120,
    )
