"""Runs that the tests of this folder share; those that change an installation take a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from data_quality import runner
from data_quality.specs import Stage
from ingest.lake import Edition
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import cli, pipeline, ui
from orchestration.checker import Checker
from tests.built import Home
from tests.chaos import little
from tests.network import guarded
from tests.revised import revise


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
class Followed:
    """An installation after Dagster's job has followed a new edition of one source, and what that run did."""

    settings: Settings
    edition: Edition
    report: pipeline.RunReport
    build: pipeline.BuildReport
    checks: frozenset[str]
    reached: tuple[str, ...]


@pytest.fixture(scope="session")
def followed(built: Home, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """A copy of the installation after Dagster's job has followed a new edition. Nothing may be changed in it.

    It has a place on this disk, which was empty before.
    """
    folder = tmp_path_factory.mktemp("followed")
    settings = replace(built.settings, home=folder / "home", remote=(folder / "place").as_uri())
    shutil.copytree(built.settings.home, settings.home, symlinks=True)
    edition = revise(settings, "cms_part_b")
    run: set[str] = set()
    builds: list[pipeline.BuildReport] = []
    run_checks, build_models = runner.run_checks, pipeline.build_models

    def checked(settings: Settings, stage: Stage, **options: Any) -> list[runner.CheckResult]:
        run.update({spec.check_id for spec in runner.check_specs(stage)} - set(options.get("earlier") or {}))
        return run_checks(settings, stage, **options)

    def built_models(*arguments: Any, **options: Any) -> pipeline.BuildReport:
        builds.append(build_models(*arguments, **options))
        return builds[-1]

    with pytest.MonkeyPatch.context() as patch, guarded() as attempts:
        # Checks are made here, where it can be seen which.
        patch.setattr(Checker, "get_ready", lambda _: None)
        patch.setattr(runner, "run_checks", checked)
        patch.setattr(pipeline, "build_models", built_models)
        report = ui.run_job(settings)
    (build,) = builds
    return Followed(settings, edition, report, build, frozenset(run), tuple(attempts))


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
