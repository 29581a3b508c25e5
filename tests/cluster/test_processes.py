"""The whole build with every step in a process of its own and the history in PostgreSQL: `make test-cluster`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import release, ui
from orchestration.defs import keys
from orchestration.defs.executor import VARIABLE
from orchestration.lock import held
from tests import postgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get(VARIABLE) != "multiprocess", reason="takes minutes: make test-cluster"),
]


@pytest.fixture
def database() -> Iterator[str]:
    """Address of an empty database on the loopback interface."""
    with postgres.database() as address:
        yield address


def test_steps_in_processes_of_their_own_publish_a_release(
    settings: Settings, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for as docs/scale.md says: nothing but what Dagster's own command and the environment hold."""
    monkeypatch.setenv(ui.POSTGRES, database)
    monkeypatch.setenv("BIOPHARMA_HOME", str(settings.home))
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    ui.write_dagster_home(settings)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dagster", "job", "execute", "-m", ui.MODULE, "-j", "warehouse"],
        env=os.environ,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    made = release.current(settings)
    assert made is not None
    release.verify(made.path)
    assert [(lock.name, lock.is_held) for lock in held(settings)] == [("run", False)]
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        (record,) = instance.get_run_records(dg.RunsFilter(job_name="warehouse"))
        run_id = record.dagster_run.run_id
        events = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTED)
        steps = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
        assert len({entry.step_key for entry in steps}) == len(events) == len(steps) > len(made.manifest["sources"])
        planned = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
        evaluated = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        assert len(evaluated) == len(planned) > 1000
        published = instance.get_latest_materialization_event(keys.RELEASE)
        assert published is not None and published.asset_materialization is not None
        assert published.asset_materialization.metadata["release"].value == made.release_id
        slots = instance.event_log_storage.get_concurrency_info(keys.WORK_FILE_POOL)
        assert (slots.slot_count, slots.active_slot_count) == (1, 0)
