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

from ingest import workfile
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import cli, pipeline


@dataclass(frozen=True)
class Home:
    """An installation and the run that made its release."""

    settings: Settings
    report: pipeline.RunReport


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An installation after one full plain run. Nothing may be changed in it."""
    settings = Settings(home=tmp_path_factory.mktemp("built") / "home", memory_limit="2GB")
    return Home(settings, pipeline.run(settings))


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
    settings = replace(built.settings, home=tmp_path_factory.mktemp("small") / "home")
    left_out = shutil.ignore_patterns("releases", "current")
    shutil.copytree(built.settings.home, settings.home, symlinks=True, ignore=left_out)
    connection = workfile.connect(settings.work_file, settings)
    kept = {"mart_policy_claim_check", "mart_rnd_level", "stg_claim", "stg_rnd_observation", "country", "definition"}
    for schema, name, kind in connection.execute(
        "select table_schema, table_name, table_type from information_schema.tables "
        "where table_schema in ('marts', 'staging', 'vocabulary', 'intermediate')"
    ).fetchall():
        if name not in kept:
            connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {schema}.{name}")
    connection.close()
    pipeline.publish(settings, force=True)
    return settings


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
