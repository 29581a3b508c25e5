"""The whole build with every step in a process of its own and the history in PostgreSQL: `make test-cluster`."""

from __future__ import annotations

import dagster as dg
import pytest

from ingest.settings import Settings
from orchestration import release
from orchestration.defs import keys
from orchestration.lock import held


@pytest.mark.slow
def test_steps_in_processes_of_their_own_publish_a_release(by_processes: Settings) -> None:
    made = release.read(by_processes.releases / "0001")
    release.verify(made.path)
    assert [(lock.name, lock.is_held) for lock in held(by_processes)] == [("run", False)]
    with dg.DagsterInstance.from_config(str(by_processes.dagster_home)) as instance:
        assert type(instance.event_log_storage).__name__ == "KeptPostgresEventLogStorage"
        (record,) = instance.get_run_records(dg.RunsFilter(job_name="warehouse"))
        run_id = record.dagster_run.run_id
        started = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTED)
        ended = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
        assert len({entry.step_key for entry in ended}) == len(started) == len(ended)
        assert len(ended) >= len(made.manifest["sources"])
        planned = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
        evaluated = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        assert len(evaluated) == len(planned) > 1000
        published = instance.get_latest_materialization_event(keys.RELEASE)
        assert published is not None and published.asset_materialization is not None
        assert published.asset_materialization.metadata["release"].value == made.release_id
        taken = instance.get_latest_materialization_event(keys.REMOTE)
        assert taken is not None and taken.asset_materialization is not None
        assert taken.asset_materialization.metadata["address"].value == by_processes.remote
        slots = instance.event_log_storage.get_concurrency_info(keys.WORK_FILE_POOL)
        assert (slots.slot_count, slots.active_slot_count) == (1, 0)
