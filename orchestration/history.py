"""Dagster's history in SQLite, written in batches instead of opening a file for each of a run's thousands of events.

Dagster's own storage makes an engine, opens and closes the file, and waits for the disk, several times per event, and
asks each time whether its tables are there. Here engines are kept, the answer is remembered, and events that come by
the hundred (planned and evaluated checks, materialisations, outputs) wait in memory for the next event of another
kind, for a read, or for the batch to be full; then they are written in one transaction per file. Everything else is
Dagster's: the same files, the same tables, the same rows. Whatever ends a step is of another kind, so that a process
that is killed loses the bulk events of the step that it was in, and no more. With the write-ahead log that Dagster
sets, waiting less for the disk risks the last events of the history in a power cut and no damage to it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, event
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


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log with engines that are kept (one per run, one for the index) and batches."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._waiting: list[EventLogEntry] = []
        self._open: dict[str, Connection] | None = None
        self._closing = ExitStack()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)
        # Writing a batch takes it again for every event.
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Make the storage from its entry in dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, at once or with the next that is not one of many."""
        with self._db_lock:
            self._waiting.append(event)
            if event.dagster_event_type not in _BULK or len(self._waiting) >= _BATCH:
                self._flush()

    def store_event_batch(self, events: Any) -> None:
        """Store events in one transaction per file."""
        with self._db_lock:
            self._waiting.extend(events)
            self._flush()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; tables do not go away."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _flush(self) -> None:
        """Write what waits, in its order; where a write fails, what waited is lost with it."""
        if not self._waiting or self._open is not None:
            return
        events, self._waiting = self._waiting, []
        self._open = {}
        try:
            with ExitStack() as self._closing:
                for entry in events:
                    super().store_event(entry)
        finally:
            self._open = None

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if self._open is not None:
                if shard not in self._open:
                    connection = self._closing.enter_context(self._engine(shard).connect())
                    self._closing.enter_context(connection.begin())
                    self._open[shard] = connection
                yield self._open[shard]
                return
            # Whoever reads, reads all that has been stored.
            self._flush()
            with self._engine(shard).connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        """The engine of a file, made on first use; the ones used longest ago are closed."""
        if shard not in self._engines or shard not in self._initialized_dbs:
            engine = create_engine(
                self.conn_string_for_shard(shard), connect_args={"timeout": _TIMEOUT_SECONDS}, pool_size=1
            )
            event.listen(engine, "connect", _wait_less)
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
        super().dispose()


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
