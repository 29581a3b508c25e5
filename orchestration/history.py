"""Dagster's history in SQLite, written in batches instead of opening a file for each of a run's thousands of events.

Dagster's own storage makes an engine, opens and closes the file, and waits for the disk, several times per event, and
asks each time whether its tables are there. Here engines are kept, the answer is remembered, and events that come by
the hundred (planned and evaluated checks, materialisations, outputs) wait in memory for the next event of another
kind, for a read that they bear on, or for the batch to be full; then they are written in one transaction per file.
How assets were last made is remembered for as long as nobody else writes to the index. Everything else is Dagster's:
the same files, the same tables, the same rows. Whatever ends a step is of another kind, so that a process that is
killed loses the bulk events of the step that it was in, and no more. With the write-ahead log that Dagster sets,
waiting less for the disk risks the last events of the history in a power cut and no damage to it.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    EventLogRecord,
    RunsFilter,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData
from dagster._time import datetime_from_timestamp
from dagster_shared.record import replace
from sqlalchemy import bindparam, create_engine, event, func, select
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.engine import Connection, Engine

from ingest.errors import SettingsError

KEEP_DAYS = "BIOPHARMA_KEEP_RUN_DAYS"
_ALIVE = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_TIMEOUT_SECONDS = 60
_KEPT = 8
_BATCH = 500

_BULK = frozenset(
    {
        DagsterEventType.ASSET_CHECK_EVALUATION,
        DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        DagsterEventType.HANDLED_OUTPUT,
        DagsterEventType.STEP_OUTPUT,
    }
)
_MIRRORED = frozenset({*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS})

_EVENTS = SqlEventLogStorageTable
_CHECKS = AssetCheckExecutionsTable
_LAST_EVENT = select(func.max(_EVENTS.c.id))
# Reading, and what is written of pools: every step that needs one does.
_CHANGES_NO_ASSET = re.compile(
    r"(?i)^\s*(select|pragma|begin)\b|\b(concurrency_limits|concurrency_slots|pending_steps)\b"
)
# Sets the columns that it is given.
_EVALUATED = _CHECKS.update().where(
    _CHECKS.c.asset_key == bindparam("of_asset"),
    _CHECKS.c.check_name == bindparam("of_check"),
    _CHECKS.c.run_id == bindparam("of_run"),
    _CHECKS.c.partition.is_not_distinct_from(bindparam("of_partition")),
)


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log with engines that are kept (one per run, one for the index) and batches."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._waiting: list[EventLogEntry] = []
        self._waiting_assets: set[AssetKey] = set()
        self._index: Connection | None = None
        self._known: set[tuple[str, str]] = set()
        self._records: dict[AssetKey, AssetRecord | None] = {}
        self._read_at: tuple[object, int] | None = None
        super().__init__(base_dir, inst_data)
        # Writing a batch takes it again.
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Make the storage from its entry in dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, at once or with the next that is not one of many."""
        with self._db_lock:
            self._wait(event)
            # Nothing follows what is reported outside of runs.
            if not event.run_id or event.dagster_event_type not in _BULK or len(self._waiting) >= _BATCH:
                self._flush()

    def store_event_batch(self, events: Any) -> None:
        """Store events in one transaction per file."""
        with self._db_lock:
            for event in events:
                self._wait(event)
            self._flush()

    def get_asset_records(self, asset_keys: Sequence[AssetKey] | None = None) -> Sequence[AssetRecord]:
        """How assets were last made: from memory, unless somebody else has written to the index since it was read.

        Dagster asks for the inputs of every asset that is made, and for the asset of every check that is evaluated.
        """
        if asset_keys is None:
            return super().get_asset_records()
        with self._db_lock:
            if not self._waiting_assets.isdisjoint(asset_keys):
                self._flush()
            with self._opened(INDEX_SHARD_NAME) as connection:
                self._forget_if_changed(connection)
            if unread := [key for key in asset_keys if key not in self._records]:
                read = {record.asset_entry.asset_key: record for record in super().get_asset_records(unread)}
                self._records.update({key: read.get(key) for key in unread})
            found = [record for key in set(asset_keys) if (record := self._records[key]) is not None]
        return sorted(found, key=lambda record: record.asset_entry.asset_key.to_string())

    def _get_latest_materialization_records(self, raw_asset_rows: Any) -> Any:
        """Nothing for no rows, without a query."""
        return super()._get_latest_materialization_records(raw_asset_rows) if raw_asset_rows else {}

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; tables do not go away."""
        return self._remembered("table", table_name, super().has_table)

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether the index's table of assets has a column; columns do not go away."""
        return self._remembered("column", column_name, super().has_asset_key_col)

    def has_secondary_index(self, name: str) -> bool:
        """Whether a migration of the index has been made; it is not undone."""
        return self._remembered("migration", name, super().has_secondary_index)

    def _remembered(self, kind: str, name: str, ask: Callable[[str], bool]) -> bool:
        if (kind, name) not in self._known and ask(name):
            self._known.add((kind, name))
        return (kind, name) in self._known

    def _wait(self, event: EventLogEntry) -> None:
        self._waiting.append(event)
        if (asset := _asset_of(event)) is not None:
            self._waiting_assets.add(asset)

    def _flush(self) -> None:
        """Write what waits, in its order; where a write fails, what waited is lost with it."""
        if not self._waiting or self._index is not None:
            return
        events, self._waiting, self._waiting_assets = self._waiting, [], set()
        written = [_Written(event, self._event_to_row(event)) for event in events]
        of_runs: dict[str, list[dict[str, Any]]] = {}
        for it in written:
            of_runs.setdefault(it.event.run_id, []).append(it.row)
        for run_id, rows in of_runs.items():
            with self._opened(run_id) as connection:
                connection.execute(_EVENTS.insert(), rows)
        if mirrored := [it for it in written if it.event.dagster_event_type in _MIRRORED]:
            try:
                with self._opened(INDEX_SHARD_NAME) as self._index:
                    self._mirror(self._index, mirrored)
            except BaseException:
                # What was remembered of these events has not been written.
                self._read_at = None
                raise
            finally:
                self._index = None

    def _mirror(self, index: Connection, written: list[_Written]) -> None:
        """Write to the index what Dagster writes there event by event (`SqliteEventLogStorage.store_event`)."""
        # Whoever holds the lock to write may number the rows: nobody else adds any.
        index.exec_driver_sql("begin immediate")
        self._forget_if_changed(index)
        last = index.execute(_LAST_EVENT).scalar() or 0
        for number, it in enumerate(written, start=last + 1):
            it.number = number
        index.execute(_EVENTS.insert(), [{**it.row, "id": it.number} for it in written])
        self._mirror_assets(index, [it for it in written if it.event.dagster_event_type in ASSET_EVENTS])
        self._mirror_checks(index, [it for it in written if it.event.dagster_event_type in ASSET_CHECK_EVENTS])
        self._read_at = _state_of(index)

    def _mirror_assets(self, index: Connection, written: list[_Written]) -> None:
        """Tags of what was made, and of every asset how it was last made."""
        self._store_asset_event_tags(index, [it.event for it in written], [it.number for it in written])
        lasts: dict[AssetKey, dict[str, Any]] = {}
        for it in written:
            if (asset := _asset_of(it.event)) is not None:
                lasts.setdefault(asset, {}).update(self._last_of_asset(it))
                self._remember(asset, it)
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for asset, last in lasts.items():
            if last:
                alike.setdefault(tuple(last), []).append({"asset_key": asset.to_string(), **last})
        for columns, rows in alike.items():
            index.execute(_upsert_of_asset(columns), rows)

    def _last_of_asset(self, it: _Written) -> dict[str, Any]:
        """Columns that tell how an asset was last made, planned or observed."""
        if not it.event.get_dagster_event().is_step_materialization:
            return dict(self._get_asset_entry_values(it.event, it.number, self.has_asset_key_index_cols()))
        # An `EventLogRecord` as Dagster serialises it: the event has been serialised already, and is long.
        head, tail = '{"__class__": "EventLogRecord", "event_log_entry": ', f', "storage_id": {it.number}}}'
        return {
            "last_materialization": head + it.row["event"] + tail,
            "last_run_id": it.event.run_id,
            "last_materialization_timestamp": datetime_from_timestamp(it.event.timestamp),
        }

    def _mirror_checks(self, index: Connection, written: list[_Written]) -> None:
        """A row for every check that is planned in a run, and later its result in the same row."""
        planned, others = [], []
        for it in written:
            check = it.event.get_dagster_event().event_specific_data
            if isinstance(check, AssetCheckEvaluationPlanned) and check.partitions_subset is None:
                status = AssetCheckExecutionRecordStatus.PLANNED
                planned.append(
                    {
                        "asset_key": check.asset_key.to_string(),
                        "check_name": check.check_name,
                        "run_id": it.event.run_id,
                        **_standing(it, status),
                    }
                )
            else:
                others.append((it, check))
        if planned:
            index.execute(_CHECKS.insert(), planned)
        for it, check in others:
            updated = 0
            if isinstance(check, AssetCheckEvaluation) and it.event.run_id:
                passed = AssetCheckExecutionRecordStatus.SUCCEEDED
                status = passed if check.passed else AssetCheckExecutionRecordStatus.FAILED
                target = check.target_materialization_data
                updated = index.execute(
                    _EVALUATED,
                    {
                        "of_asset": check.asset_key.to_string(),
                        "of_check": check.check_name,
                        "of_run": it.event.run_id,
                        "of_partition": check.partition,
                        "materialization_event_storage_id": target.storage_id if target else None,
                        **_standing(it, status),
                    },
                ).rowcount
            if updated != 1:
                # What is out of the ordinary (nothing was planned, or twice) is for Dagster to store or refuse.
                self.store_asset_check_event(it.event, it.number)

    def _remember(self, asset: AssetKey, it: _Written) -> None:
        """Keep what is remembered of an asset in step with an event that has just been written."""
        record = self._records.get(asset)
        if record is None or record.asset_entry.asset_details is not None:
            # New, or wiped before: to be read from the file.
            self._records.pop(asset, None)
            return
        happened = it.event.get_dagster_event()
        entry = record.asset_entry
        if happened.is_step_materialization:
            made = EventLogRecord(storage_id=it.number, event_log_entry=it.event)
            entry = replace(entry, last_materialization_record=made, last_run_id=it.event.run_id)
        elif happened.is_asset_materialization_planned:
            entry = replace(entry, last_run_id=it.event.run_id)
        self._records[asset] = replace(record, asset_entry=entry)

    def _forget_if_changed(self, index: Connection) -> None:
        state = _state_of(index)
        if state != self._read_at:
            self._records.clear()
            self._read_at = state

    def _notice(self, _connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        """Forget what is remembered of assets where this process writes to the index, but for batches."""
        if self._index is None and not _CHANGES_NO_ASSET.search(statement):
            self._read_at = None

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if self._index is not None and shard == INDEX_SHARD_NAME:
                yield self._index
                return
            # Whoever reads, reads all that has been stored.
            self._flush()
            with self._opened(shard) as connection:
                yield connection

    @contextmanager
    def _opened(self, shard: str) -> Iterator[Connection]:
        with self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        """The engine of a file, made on first use; the ones used longest ago are closed."""
        if shard not in self._engines or shard not in self._initialized_dbs:
            engine = create_engine(
                self.conn_string_for_shard(shard), connect_args={"timeout": _TIMEOUT_SECONDS}, pool_size=1
            )
            event.listen(engine, "connect", _wait_less)
            if shard == INDEX_SHARD_NAME:
                event.listen(engine, "before_cursor_execute", self._notice)
            self._initdb(engine)
            self._initialized_dbs.add(shard)
            self._engines[shard] = engine
            while len(self._engines) > _KEPT:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events, and the file that held them."""
        super().delete_events(run_id)
        if kept := self._engines.pop(run_id, None):
            kept.dispose()
        self._initialized_dbs.discard(run_id)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)

    def dispose(self) -> None:
        """Write what waits, and close all files."""
        with self._db_lock:
            self._flush()
        while self._engines:
            self._engines.popitem()[1].dispose()
        self._records.clear()
        self._read_at = None
        super().dispose()


@dataclass
class _Written:
    """An event, its row in the file of its run and, in the index, its number."""

    event: EventLogEntry
    row: dict[str, Any]
    number: int = 0


def _asset_of(event: EventLogEntry) -> AssetKey | None:
    """The asset whose last materialisation or observation an event changes."""
    return event.get_dagster_event().asset_key if event.dagster_event_type in ASSET_EVENTS else None


@cache
def _upsert_of_asset(columns: tuple[str, ...]) -> Insert:
    statement = insert(AssetKeyTable)
    changes = {name: statement.excluded[name] for name in columns}
    return statement.on_conflict_do_update(index_elements=["asset_key"], set_=changes)


def _standing(it: _Written, status: AssetCheckExecutionRecordStatus) -> dict[str, Any]:
    return {
        "execution_status": status.value,
        "evaluation_event": it.row["event"],
        "evaluation_event_timestamp": it.row["timestamp"],
        "evaluation_event_storage_id": it.number,
    }


def _state_of(connection: Connection) -> tuple[object, int]:
    """What differs whenever a file has been written to through another connection than this one."""
    version: int = connection.exec_driver_sql("pragma data_version").scalar_one()
    return connection.connection.dbapi_connection, version


def _wait_less(connection: Any, _: Any) -> None:
    connection.execute("pragma synchronous = normal")


def keep_days() -> int:
    """Days for which runs are kept (BIOPHARMA_KEEP_RUN_DAYS, default 180); raises SettingsError for no number."""
    text = os.environ.get(KEEP_DAYS, "180")
    if not text.strip().isdigit() or int(text) < 1:
        raise SettingsError(f"{KEEP_DAYS} is {text!r}", remedy="Set it to a whole number from 1, or unset it.")
    return int(text)


def prune(
    instance: DagsterInstance, jobs: Collection[str], *, days: int, now: datetime | None = None, keep: int = 10
) -> list[str]:
    """Delete the runs of some jobs that are older than `days`; returns their ids.

    The newest `keep` runs of each job stay, however old, so that every asset still shows how it was last made. Runs
    that have not ended are left alone.
    """
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    gone = []
    for job in sorted(jobs):
        old = instance.get_run_records(RunsFilter(job_name=job, created_before=before))
        newest = {
            record.dagster_run.run_id for record in instance.get_run_records(RunsFilter(job_name=job), limit=keep)
        }
        for record in old:
            run = record.dagster_run
            if run.is_finished and run.run_id not in newest:
                instance.delete_run(run.run_id)
                gone.append(run.run_id)
    return gone


def bury(instance: DagsterInstance, *, pool: str | None = None) -> list[str]:
    """Clear up after runs whose processes were killed; returns the ids of those runs.

    A killed run keeps its slot in a pool, and every later run would wait for it. Only who knows that no such run is
    alive may call this: who holds the lock over what the `pool` guards, or, for all pools, who sees no lock held.
    Without a pool the dead runs are also told to have failed.
    """
    storage = instance.event_log_storage
    pools = [pool] if pool else sorted(storage.get_concurrency_keys())
    dead = {
        run_id
        for name in pools
        if name in storage.get_concurrency_keys()
        for info in [storage.get_concurrency_info(name)]
        for run_id in (*info.active_run_ids, *info.assigned_run_ids, *info.pending_run_ids)
    }
    if pool is None:
        for run in instance.get_runs(RunsFilter(statuses=_ALIVE)):
            instance.report_run_failed(run, "The process of this run was killed. Start it again.")
            dead.add(run.run_id)
    for run_id in dead:
        storage.free_concurrency_slots_for_run(run_id)
    return sorted(dead)
