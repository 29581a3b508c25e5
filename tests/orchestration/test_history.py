"""Dagster's history with kept engines holds what Dagster's own storage would."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from ingest.errors import SettingsError
from ingest.settings import Settings
from orchestration import history, ui
from orchestration.defs.job import BUILDS
from orchestration.errors import RunError


@dg.asset(check_specs=[dg.AssetCheckSpec("held", asset="thing")])
def thing() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="held", passed=True)])


def test_many_runs_are_kept_and_dagsters_own_storage_reads_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui.write_dagster_home(settings)
    monkeypatch.setattr(history, "_KEPT", 2)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert isinstance(instance.event_log_storage, history.KeptSqliteEventLogStorage)
        ids = [dg.materialize([thing], instance=instance).run_id for _ in range(3)]
        assert len(instance.event_log_storage._engines) <= history._KEPT
        # The first run's file was closed in between, and is opened again.
        assert any(entry.dagster_event for entry in instance.all_logs(ids[0]))
    with dg.DagsterInstance.local_temp(str(settings.dagster_home)) as plain:
        assert {run.run_id for run in plain.get_runs()} == set(ids)
        latest = plain.get_latest_materialization_event(dg.AssetKey("thing"))
        assert latest is not None
        assert latest.run_id == ids[-1]


def test_home_is_without_telemetry_and_lets_one_build_in(settings: Settings) -> None:
    ui.write_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        concurrency = instance.get_concurrency_config()
        assert concurrency.pool_config.default_pool_limit == 1
        assert concurrency.run_queue_config is not None
        assert concurrency.run_queue_config.tag_concurrency_limits == [
            {"key": key, "value": value, "limit": 1} for key, value in BUILDS.items()
        ]
    written = (settings.dagster_home / "dagster.yaml").stat().st_mtime_ns
    ui.write_dagster_home(settings)
    assert (Path(settings.dagster_home) / "dagster.yaml").stat().st_mtime_ns == written


def test_old_runs_are_deleted_and_the_newest_stay(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ui.write_dagster_home(settings)
    job = dg.Definitions(assets=[thing], jobs=[dg.define_asset_job("warehouse", [thing])]).resolve_job_def(
        "warehouse"
    )
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        ids = [job.execute_in_process(instance=instance).run_id for _ in range(3)]
        files = {path.stem for path in (settings.dagster_home / "history" / "runs").glob("*.db")}
        assert set(ids) < files
        assert history.prune(instance, {"warehouse"}, days=1, keep=1) == []
        later = datetime.now(UTC) + timedelta(days=2)
        assert set(history.prune(instance, {"warehouse"}, days=1, keep=1, now=later)) == set(ids[:2])
        assert [run.run_id for run in instance.get_runs()] == [ids[2]]
        # How the asset was last made, and its check, are still told.
        latest = instance.get_latest_materialization_event(dg.AssetKey("thing"))
        assert latest is not None and latest.run_id == ids[2]
        files = {path.stem for path in (settings.dagster_home / "history" / "runs").glob("*.db")}
        assert files & set(ids) == {ids[2]}
    monkeypatch.setenv(history.KEEP_DAYS, "some")
    with pytest.raises(SettingsError, match="BIOPHARMA_KEEP_RUN_DAYS is 'some'"):
        history.keep_days()


def test_killed_run_keeps_no_pool(settings: Settings) -> None:
    """A run that was killed holds its slot; without clearing up, the next run waits for it and never begins."""
    ui.write_dagster_home(settings)

    @dg.asset(pool="work_file")
    def guarded() -> None: ...

    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        storage = instance.event_log_storage
        killed = dg.DagsterRun(job_name="warehouse", run_id=make_new_run_id(), status=dg.DagsterRunStatus.STARTED)
        instance.add_run(killed)
        storage.initialize_concurrency_limit_to_default("work_file")
        assert storage.claim_concurrency_slot("work_file", killed.run_id, "lake").is_claimed
        assert not storage.claim_concurrency_slot("work_file", "next", "lake").is_claimed
        storage.free_concurrency_slots_for_run("next")
        assert history.bury(instance, pool="site_other") == []
        assert history.bury(instance, pool="work_file") == [killed.run_id]
        assert dg.materialize([guarded], instance=instance).success
        assert history.bury(instance) == [killed.run_id]
        buried = instance.get_run_by_id(killed.run_id)
        assert buried is not None and buried.status is dg.DagsterRunStatus.FAILURE
        assert history.bury(instance) == []


def test_a_port_that_is_taken_is_named_before_anything_starts(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RunError, match=f"port {port} of 127.0.0.1 cannot be used"):
            ui.serve(settings, port=port, daemon=True, ready=print, automation=True)
    assert not settings.home.exists()
