"""Dagster's history with kept engines holds what Dagster's own storage would."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
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
        # What somebody reports in the interface is there for other processes at once.
        for event in (
            dg.AssetMaterialization("told"),
            dg.AssetCheckEvaluation(check_name="held", asset_key=dg.AssetKey("thing"), passed=False),
        ):
            instance.report_runless_asset_event(event)
        runs = SqliteEventLogStorage(str(settings.dagster_home / "history" / "runs"))
        assert [record.asset_entry.last_run_id for record in runs.get_asset_records([dg.AssetKey("told")])] == [""]
        key = dg.AssetCheckKey(dg.AssetKey("thing"), "held")
        states = [execution.status.value for execution in runs.get_asset_check_execution_history(key, limit=9)]
        assert states == ["FAILED", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]
    with dg.DagsterInstance.local_temp(str(settings.dagster_home)) as plain:
        assert {run.run_id for run in plain.get_runs()} == set(ids)
        latest = plain.get_latest_materialization_event(dg.AssetKey("thing"))
        assert latest is not None
        assert latest.run_id == ids[-1]


@dg.multi_asset(
    specs=[dg.AssetSpec("first"), dg.AssetSpec("second", deps=["first", "thing"])],
    check_specs=[dg.AssetCheckSpec(name, asset=asset) for asset in ("first", "second") for name in ("one", "two")],
)
def several(
    context: dg.AssetExecutionContext,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult | dg.AssetObservation]:
    yield dg.MaterializeResult(asset_key="first", metadata={"dagster/row_count": 3})
    yield dg.MaterializeResult(asset_key="second", tags={"of": "test"}, metadata={"text": dg.MetadataValue.md("é")})
    yield dg.AssetObservation("first", metadata={"seen": 1})
    for name, passed in (("one", True), ("two", False)):
        for asset in ("first", "second"):
            yield dg.AssetCheckResult(
                asset_key=asset, check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN
            )


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def parted() -> None: ...


@pytest.fixture(scope="module")
def events() -> list[EventLogEntry]:
    """Events of runs of all kinds, the last of which failed, and had not planned one of its checks."""

    @dg.asset(deps=["second"])
    def broken() -> None:
        raise ValueError("broken on purpose")

    def told(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> list[EventLogEntry]:
        return list(instance.all_logs(result.run_id))

    with dg.DagsterInstance.ephemeral() as instance:
        all_events = [
            *told(dg.materialize([thing, several], instance=instance), instance),
            *told(dg.materialize([parted], instance=instance, partition_key="b"), instance),
            *told(dg.materialize([several, broken], instance=instance, raise_on_error=False), instance),
        ]
    planned = [e for e in all_events if e.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED]
    return [event for event in all_events if event is not planned[-1]]


def stored(folder: Path) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    """All rows of all tables by file and table, without the time at which a row was written."""
    found: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for path in sorted(folder.glob("*.db")):
        with sqlite3.connect(path) as file:
            for (table,) in file.execute("select name from sqlite_master where type = 'table'").fetchall():
                columns = [
                    f'"{name}"'
                    for _, name, *_ in file.execute(f"pragma table_info({table})")
                    if name not in {"create_timestamp", "migration_completed"}
                ]
                rows = file.execute(f"select {', '.join(columns)} from {table} order by 1").fetchall()
                found[path.name, table] = rows
        file.close()
    return found


def test_rows_are_those_of_dagsters_own_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[EventLogEntry]
) -> None:
    kinds = {event.dagster_event_type for event in events}
    assert kinds >= history._BULK - {dg.DagsterEventType.HANDLED_OUTPUT}
    keys = [dg.AssetKey(name) for name in ("thing", "second", "first", "parted", "broken", "unknown")]
    plain = SqliteEventLogStorage(str(tmp_path / "plain"))
    for event in events:
        plain.store_event(event)
    rows = stored(tmp_path / "plain")
    assert len(rows["index.db", "asset_check_executions"]) == 9
    for batch in (7, 500):
        monkeypatch.setattr(history, "_BATCH", batch)
        kept = history.KeptSqliteEventLogStorage(str(tmp_path / str(batch)))
        for event in events:
            kept.store_event(event)
        # What is remembered of assets is what stands in the files.
        assert kept.get_asset_records(keys) == plain.get_asset_records(keys)
        kept.dispose()
        assert stored(tmp_path / str(batch)) == rows


def test_what_others_write_is_seen_at_once(tmp_path: Path, events: list[EventLogEntry]) -> None:
    """The storage remembers how assets were last made, and another process makes one of them again."""
    keys = [dg.AssetKey(name) for name in ("thing", "first", "second", "parted")]
    here, there = (history.KeptSqliteEventLogStorage(str(tmp_path)) for _ in range(2))
    plain = SqliteEventLogStorage(str(tmp_path))
    assert here.get_asset_records(keys) == []
    for i, event in enumerate(events):
        (here if i % 3 else there).store_event(event)
        for storage in (here, there):
            storage._flush()
        assert here.get_asset_records(keys) == there.get_asset_records(keys) == plain.get_asset_records(keys)
    assert len(here.get_asset_records(keys)) == 4
    for storage in (here, there):
        assert storage._records.keys() == set(keys)
    # Wiped by one, gone for the other; and there again when it has been made again.
    there.wipe_asset(keys[0])
    assert [record.asset_entry.asset_key for record in here.get_asset_records(keys[:1])] == []
    assert len(here.get_asset_records(keys)) == 3
    here.wipe_asset(keys[1])
    assert here.get_asset_records(keys[1:2]) == there.get_asset_records(keys[1:2]) == []
    made = next(e for e in events if e.dagster_event_type is dg.DagsterEventType.ASSET_MATERIALIZATION)
    again = made._replace(timestamp=datetime.now(UTC).timestamp() + 1)
    here.store_event(again)
    assert here.get_asset_records(keys[:1]) == plain.get_asset_records(keys[:1])
    assert len(here.get_asset_records(keys[:1])) == 1
    # What is written of pools does not concern assets.
    assert len(here.get_asset_records(keys)) == 3
    remembered = dict(here._records)
    here.set_concurrency_slots("work_file", 1)
    assert here.claim_concurrency_slot("work_file", "run", "step").is_claimed
    here.get_asset_records(keys[:1])
    assert here._records == remembered


def test_events_of_a_killed_process_can_be_read(settings: Settings) -> None:
    """What ends a step writes all before it; of the step that was under way, only bulk events are lost."""
    ui.write_dagster_home(settings)
    script = """
import os, sys
import dagster as dg
@dg.asset
def early(): ...
@dg.multi_asset(specs=[dg.AssetSpec("late", deps=["early"]), dg.AssetSpec("never", deps=["late"])])
def step():
    yield dg.MaterializeResult(asset_key="late")
    os.kill(os.getpid(), 9)
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    dg.materialize([early, step], instance=instance)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(history.__file__).parents[1])}
    ended = subprocess.run([sys.executable, "-c", script, str(settings.dagster_home)], env=environment, check=False)
    assert ended.returncode == -9
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.STARTED
        steps = {(e.step_key, e.dagster_event_type) for e in instance.all_logs(run.run_id)}
        assert {("early", dg.DagsterEventType.STEP_SUCCESS), ("step", dg.DagsterEventType.STEP_START)} <= steps
        assert instance.get_latest_materialization_event(dg.AssetKey("early")) is not None
        assert instance.get_latest_materialization_event(dg.AssetKey("late")) is None
        assert dg.materialize([thing], instance=instance).success


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
