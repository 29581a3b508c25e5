"""Checks in a process beside the run: the same results, and nothing unchecked or left over when a process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from data_quality import runner
from ingest import workfile
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import pipeline
from orchestration.checker import Checker
from orchestration.errors import BlockedError
from orchestration.progress import StepEvent


@pytest.fixture
def beside(copied: Settings) -> Iterator[Checker]:
    """A checker of which every process is ended after the test."""
    with Checker(copied) as made:
        yield made


def _pid(beside: Checker) -> int:
    assert beside._process is not None
    return beside._process.pid


def _is_gone(pid: int, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def _build_id(settings: Settings) -> str:
    return pipeline.require_state(settings).build_id


def test_what_is_found_beside_the_run_blocks_it(copied: Settings, beside: Checker) -> None:
    connection = workfile.connect(copied.work_file, copied)
    connection.execute("delete from marts.mart_policy_claim_check")
    connection.close()
    before = pl.read_parquet(pipeline.checks_file(copied, "marts"))
    beside.get_ready()
    beside.start("marts")
    # Reading goes on meanwhile.
    workfile.connect(copied.work_file, copied, read_only=True).close()
    found = pipeline.check(copied, "marts", beside=beside)
    assert beside.reason is None
    assert [result.check_id for result in found] == before["check_id"].to_list()
    kept = pl.read_parquet(pipeline.checks_file(copied, "marts"))
    others = pl.col("table_name") != "mart_policy_claim_check"
    assert kept.filter(others).equals(before.filter(others))
    with pytest.raises(BlockedError, match="mart_policy_claim_check"):
        pipeline.publish(copied, force=True)
    # The file is free again.
    workfile.connect(copied.work_file, copied).close()


def test_a_killed_process_leaves_nothing_unchecked(
    copied: Settings, beside: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def examine(settings: Settings, stage: pipeline.Stage, state: pipeline.WorkState) -> list[runner.CheckResult]:
        made.append(stage)
        return [runner.CheckResult(**vars(runner.check_specs(stage)[0]), success=False)]

    monkeypatch.setattr(pipeline, "examine", examine)
    beside.get_ready()
    beside.start("lake")
    os.kill(_pid(beside), signal.SIGKILL)
    events: list[StepEvent] = []
    pipeline.check(copied, "lake", progress=events.append, beside=beside)
    assert made == ["lake"]
    assert "exit code -9" in " ".join(event.detail for event in events)
    # The next stage is checked here from the beginning.
    beside.start("marts")
    pipeline.check(copied, "marts", beside=beside)
    assert made == ["lake", "marts"]
    assert not {"lake", "marts"} & set(pipeline.require_state(copied).passed)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('{"error": "IOException: no such file"}', "no such file"),
        ('{"build_id": "that of another"}', "another work file"),
    ],
)
def test_an_answer_that_is_no_result_is_not_taken_for_one(
    answer: str, reason: str, copied: Settings, beside: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen
    script = f"import sys\nfor line in sys.stdin: print({answer!r}, flush=True)"
    monkeypatch.setattr(subprocess, "Popen", lambda command, **how: real([sys.executable, "-c", script], **how))
    beside.get_ready()
    beside.start("lake")
    assert beside.collect("lake", _build_id(copied)) is None
    assert reason in (beside.reason or "")
    assert beside.collect("lake", _build_id(copied)) is None


def test_an_order_is_withdrawn_before_the_work_file_is_written(copied: Settings, beside: Checker) -> None:
    beside.get_ready()
    pid = _pid(beside)
    beside.start("marts")
    beside.withdraw()
    assert _is_gone(pid)
    assert beside.collect("marts", _build_id(copied)) is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_run(how: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import signal, time\nfrom pathlib import Path\n"
        "from ingest.settings import Settings\nfrom orchestration.checker import Checker\n"
        # Where the tests ignore interrupts (a background job of a shell), the run would too.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"with Checker(Settings(home=Path({str(tmp_path)!r}))) as beside:\n"
        "    beside.get_ready(); beside.start('lake')\n"
        "    print(beside._process.pid, flush=True); time.sleep(60)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    assert not _is_gone(pid, seconds=0.1)
    run.send_signal(how)
    run.wait(20)
    assert _is_gone(pid)
