"""Machines that share nothing but S3, and say nothing but `biopharma run`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.lake import Lake
from ingest.remote import Remote
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import reader, release, remote, ui
from tests.revised import revise

_ASKED = "select (select release_id from catalog.release), sum(sales_usd) from mart_medicare_biologic"
_COMMAND = [sys.executable, "-c", "from orchestration.cli import program; program()", "run"]


def begin(machine: Settings) -> subprocess.Popen[str]:
    """`biopharma run` on a machine, with a history of its own."""
    environment = {name: value for name, value in os.environ.items() if name not in {ui.POSTGRES, "DAGSTER_HOME"}}
    return subprocess.Popen(
        _COMMAND,
        env={**environment, "BIOPHARMA_HOME": str(machine.home), "BIOPHARMA_MEMORY": machine.memory_limit},
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code of a run, and what it said."""
    said, _ = process.communicate(timeout=600)
    return process.returncode, said


def run(machine: Settings) -> str:
    """What a run that has to succeed says."""
    code, said = end(begin(machine))
    assert code == 0, said[-4000:]
    return said


@pytest.mark.slow
def test_machines_carry_on_where_others_ended(by_processes: Settings, tmp_path: Path) -> None:
    place = Remote.of(by_processes)
    first = remote.pull_release(place, tmp_path / "reader")
    assert first.name == "0001", "the build by processes has taken it there"

    other = replace(by_processes, home=tmp_path / "other")
    assert "nothing changed since release 0001" in run(other)
    revise(other, "cms_part_b")
    with reader.open_release(first) as copied, remote.open_release(place) as straight:
        before = copied.execute(_ASKED).fetchall()
        assert "release 0002 is published" in run(other)
        assert copied.execute(_ASKED).fetchall() == straight.execute(_ASKED).fetchall() == before
    # An empty one, one that was there before, and a reader.
    assert "nothing changed since release 0002" in run(replace(by_processes, home=tmp_path / "third"))
    assert "nothing changed since release 0002" in run(by_processes)
    second = remote.pull_release(place, tmp_path / "reader")
    release.verify(second)
    with reader.open_release(second) as copied, remote.open_release(place) as straight:
        after = copied.execute(_ASKED).fetchall()
        assert straight.execute(_ASKED).fetchall() == after
    assert [row[0] for row in before + after] == ["0001", "0002"]
    assert after[0][1] == pytest.approx(before[0][1] * 1.000001, rel=1e-9)
    assert {path.name for path in (tmp_path / "reader").iterdir()} == {"0001", "0002"}


@pytest.mark.slow
def test_machines_that_run_at_once_end_on_one_line(by_processes: Settings, tmp_path: Path) -> None:
    """Each has heard of something else. One is faster; the other is told, and says the same again."""
    machines = [replace(by_processes, home=tmp_path / name) for name in ("one", "two")]
    for machine in machines:
        run(machine)
    editions = [revise(machine, code) for machine, code in zip(machines, ("cms_part_b", "oecd_anberd"), strict=True)]
    place = Remote.of(by_processes)
    last = remote.current(place)
    assert last is not None
    ended = [end(process) for process in [begin(machine) for machine in machines]]
    slower = [machine for machine, (code, _) in zip(machines, ended, strict=True) if code]
    for machine, (code, said) in zip(machines, ended, strict=True):
        if code:
            assert "does not follow on release" in said, said[-4000:]
            assert "Run again" in said
            run(machine)
    # Where one has begun after the other had ended, both have succeeded.
    there = remote.current(place)
    assert len(slower) <= 1 and there is not None and there.number == last.number + 2
    made = release.read(remote.pull_release(place, tmp_path / "reader"))
    held = {(entry["source_code"], entry["edition_id"]) for entry in made.manifest["editions"]}
    assert {(edition.source_code, edition.edition_id) for edition in editions} <= held
    for machine in machines:
        assert f"nothing changed since release {there.release_id}" in run(machine)
        assert all(edition in Lake(machine.lake).editions() for edition in editions)
        assert remote.published(machine.current.resolve()) == there
