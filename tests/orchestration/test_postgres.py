"""Dagster's history in a real PostgreSQL, where a server is installed; and steps in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import doctor, history, ui
from orchestration.defs import keys
from orchestration.errors import BusyError
from orchestration.lock import exclusive, held, step_of
from tests import postgres

LITTLE = "tests.orchestration.processes"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Address of a database on the loopback interface."""
    with postgres.database() as address:
        yield address


@dg.asset(check_specs=[dg.AssetCheckSpec("held", asset="thing")])
def thing() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="held", passed=True)])


def test_history_is_kept_in_postgresql(settings: Settings, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ui.POSTGRES, database)
    ui.write_dagster_home(settings)
    assert "127.0.0.1" not in (settings.dagster_home / "dagster.yaml").read_text()
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert type(instance.event_log_storage).__name__ == "KeptPostgresEventLogStorage"
        run_id = dg.materialize([thing], instance=instance).run_id
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as again:
        assert [run.run_id for run in again.get_runs()] == [run_id]
        latest = again.get_latest_materialization_event(dg.AssetKey("thing"))
        assert latest is not None and latest.run_id == run_id
        assert again.get_concurrency_config().pool_config.default_pool_limit == 1
    assert not (settings.dagster_home / "history").exists()
    (found,) = [f for f in doctor.examine(settings) if f.subject == "dagster"]
    assert (found.level, found.told) == ("fine", "its history is in PostgreSQL, which answers")
    # Back to files: the setting decides each time.
    monkeypatch.delenv(ui.POSTGRES)
    ui.write_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as files:
        assert isinstance(files.event_log_storage, history.KeptSqliteEventLogStorage)


def test_steps_in_processes_of_their_own_share_the_installation(
    settings: Settings, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's own process holds the lock; its steps work side by side, and nobody else gets in."""
    monkeypatch.setenv(ui.POSTGRES, database)
    ui.write_dagster_home(settings)
    environment = {
        **os.environ,
        "BIOPHARMA_HOME": str(settings.home),
        "BIOPHARMA_EXECUTOR": "multiprocess",
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dagster", "job", "execute", "-m", LITTLE, "-j", "little"],
        env=environment,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    seen = {path.stem: json.loads(path.read_text()) for path in (settings.home / "seen").glob("*.json")}
    assert set(seen) == {"first", "second", "third"}
    assert len({about["pid"] for about in seen.values()}) == 3
    assert "a Dagster run by process" in seen["third"]["refused"]
    assert [(lock.name, lock.is_held) for lock in held(settings)] == [("run", False)]
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        (record,) = instance.get_run_records(dg.RunsFilter(job_name="little"))
        assert record.dagster_run.status == dg.DagsterRunStatus.SUCCESS
        for name in seen:
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            assert event is not None and event.run_id == record.dagster_run.run_id
        slots = instance.event_log_storage.get_concurrency_info(keys.WORK_FILE_POOL)
        assert (slots.slot_count, slots.active_slot_count) == (1, 0)


_STEP = """
import sys; from ingest.settings import Settings; from orchestration.lock import step_of
with step_of(Settings.from_env(), "r1"):
    print("working", flush=True); sys.stdin.read()
"""
_RUN = f"""
import os, subprocess, sys; from ingest.settings import Settings; from orchestration.lock import exclusive
with exclusive(Settings.from_env(), "a Dagster run", run_id="r1"):
    step = subprocess.Popen([sys.executable, "-c", {_STEP!r}])
    print(step.pid, flush=True); step.wait()
"""


def test_a_step_that_outlives_its_run_still_holds_the_installation(settings: Settings) -> None:
    environment = {"PATH": "/usr/bin:/bin", "BIOPHARMA_HOME": str(settings.home)}
    with subprocess.Popen(
        [sys.executable, "-c", _RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=PROJECT_ROOT,
        text=True,
    ) as run:
        assert run.stdout is not None
        step = int(run.stdout.readline())
        assert run.stdout.readline() == "working\n"
        with pytest.raises(BusyError, match=rf"a Dagster run by process {run.pid}"), exclusive(settings, "a run"):
            pass
        with pytest.raises(BusyError, match=rf"by process {run.pid}"), step_of(settings, "r2"):
            pass
        run.send_signal(signal.SIGKILL)
        run.wait()
        with pytest.raises(BusyError, match="has ended"), step_of(settings, "r1"):
            pass
        for intruder in (exclusive(settings, "a run"), step_of(settings, "r2")):
            with pytest.raises(BusyError, match=rf"a step of a Dagster run by process {step}"), intruder:
                pass
        os.kill(step, signal.SIGKILL)
        run.stdout.read()  # until the step has ended too
    deadline = time.monotonic() + 10
    while any(lock.is_held for lock in held(settings)) and time.monotonic() < deadline:
        time.sleep(0.01)
    with exclusive(settings, "a run"):
        assert [lock.name for lock in held(settings)] == ["run"], "what a dead step left is cleared up"
