"""Dagster's history in SQLite, written without opening the file anew for each of a run's two thousand events.

Dagster's own storage makes an engine, opens and closes the file, and waits for the disk, once or twice per event;
here engines are kept. Everything else is Dagster's: the same files, the same tables. With the write-ahead log that
Dagster sets, waiting less risks the last events of the history in a power cut and no damage to it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine

_TIMEOUT_SECONDS = 60
_KEPT = 8


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log with engines that are kept: one per run and one for the index."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Make the storage from its entry in dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
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

    def dispose(self) -> None:
        """Close all files."""
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()


def _wait_less(connection: Any, _: Any) -> None:
    connection.execute("pragma synchronous = normal")
