"""Rows on their way into the lake: conformed and written batch by batch, seen by nobody before they are committed.

A table that comes in one batch is checked in memory and sorted by key. One that comes in several is streamed: each
batch is checked by itself and appended to the Parquet file in the publisher's order. What no batch can tell by
itself, whether a key stands twice, is found by the hashes of all keys (eight bytes a row): rows of which the hash
stands twice are read again and compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ingest import lake
from ingest.lake import Contract, Edition, FileAccount, Lake, Staged

# Rejected rows and rows of small batches are gathered up to this number before they are written.
ROW_GROUP = 250_000

Hashes = NDArray[np.uint64]


class Intake:
    """The rows of one edition until its commit: `add` and `reject` as often as it takes, then `finish`.

    Used as a context manager it removes what it has written where an error leaves the block.
    """

    def __init__(self, store: Lake, edition: Edition) -> None:
        self._store = store
        self._edition = edition
        self._tables: dict[str, _Table] = {}
        self._staged = Staged()
        self._rejected = _Appender(store.staged_quarantine(edition).temporary)
        self._parsed: Counter[tuple[str, str]] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()
        # Reason and place of the first row that was rejected.
        self.first_rejected: tuple[str, str] | None = None

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.discard()

    def add(self, table: str, rows: pl.DataFrame, parsed: pl.DataFrame | None = None) -> None:
        """Take rows with their lineage; raises ContractError where they lack a column or cannot be cast.

        `parsed` are the rows before corrections, where those can have dropped some.
        """
        for sha256, number in lake.by_file(rows).items():
            self._parsed[table, sha256] += number
        if parsed is not None and parsed.height > rows.height:
            kept = lake.by_file(rows)
            for sha256, number in lake.by_file(parsed).items():
                self._parsed[table, sha256] += number - kept.get(sha256, 0)
                self._dropped[table, sha256] += number - kept.get(sha256, 0)
        if table not in self._tables:
            self._tables[table] = _Table(
                lake.contract(table), self._store.staged_table(self._edition, table).temporary
            )
        self._tables[table].add(rows)

    def reject(self, rows: pl.DataFrame) -> None:
        """Take rows that could not be read, in the form of the quarantine."""
        if rows.height:
            if self.first_rejected is None:
                self.first_rejected = rows["reason"][0], rows["locator"][0] or "place unknown"
            self._rejected.add(lake.quarantined(self._edition, rows))

    def count(self, rows_read: int, dropped: dict[str, int]) -> None:
        """Add rows that were read, and rows that a rule left out, to what the record will say."""
        self._staged.rows_read += rows_read
        for rule, number in dropped.items():
            self._staged.dropped[rule] = self._staged.dropped.get(rule, 0) + number

    def finish(self) -> Staged:
        """Check keys, close the files, and return what is to be committed."""
        quarantined: Counter[tuple[str, str]] = Counter()

        def reject(rows: pl.DataFrame) -> None:
            for sha256, number in lake.by_file(rows, "file_name").items():
                quarantined[name, sha256] += number
            self.reject(rows)

        for name, table in sorted(self._tables.items()):
            rows, repeats = table.finish(reject)
            self._staged.tables[name] = self._store.staged_table(self._edition, name, rows)
            self._dropped.update({(name, sha256): number for sha256, number in repeats.items()})
            if repeats:
                self.count(0, {f"{name}.exact_repeat": sum(repeats.values())})
        self._staged.accounts = tuple(
            FileAccount(*key, number, quarantined[key], self._dropped[key])
            for key, number in sorted(self._parsed.items())
        )
        if rejected_rows := self._rejected.close():
            self._staged.rejected = self._store.staged_quarantine(self._edition, rejected_rows)
        return self._staged

    def discard(self) -> None:
        """Close and remove what has been written."""
        for table in self._tables.values():
            table.discard()
        self._rejected.discard()


class _Table:
    """Rows of one canonical table: the first batch is kept until there is a second."""

    def __init__(self, rules: Contract, path: Path) -> None:
        self._rules = rules
        self._path = path
        self._only: pl.DataFrame | None = None
        self._good = _Appender(path)
        self._bad = _Appender(path.with_name(f"{path.name}.bad"))
        self._hashes: list[Hashes] = []

    def add(self, rows: pl.DataFrame) -> None:
        if self._only is None and not self._hashes:
            self._only = rows
            return
        if self._only is not None:
            self._stream(self._only)
            self._only = None
        self._stream(rows)

    def _stream(self, rows: pl.DataFrame) -> None:
        rows = lake.to_schema(self._rules, rows)
        self._hashes.append(np.sort(lake.key_hash(self._rules, rows).to_numpy()))
        faulty = rows.select(lake.is_faulty(self._rules)).to_series()
        if faulty.any():
            self._bad.add(rows.filter(faulty))
            rows = rows.filter(~faulty)
        self._good.add(rows)

    def finish(self, reject: Callable[[pl.DataFrame], None]) -> tuple[int, dict[str, int]]:
        """Hand over rejected rows; returns how many rows are kept, and exact repeats that were left out by file."""
        if self._only is not None:
            result = lake.conform(self._rules.name, self._only)
            sorted_rows = result.rows.sort(self._rules.key, nulls_last=True, maintain_order=True)
            lake.write_parquet(sorted_rows, self._path)
            reject(result.rejected)
            return result.rows.height, result.repeats
        kept = self._good.close(self._rules.schema)
        repeats: dict[str, int] = {}
        self._bad.close()
        twice = _that_stand_twice(self._hashes)
        self._hashes.clear()
        if len(twice):
            kept, repeats = self._compare(twice, reject)
        for batch in self._bad.read():
            reject(lake.rejected_rows(self._rules, batch.filter(~self._is_among(batch, twice))))
        self._bad.discard()
        return kept, repeats

    def _compare(self, twice: Hashes, reject: Callable[[pl.DataFrame], None]) -> tuple[int, dict[str, int]]:
        """Compare the rows whose hash stands twice, and write the table anew without those that go."""
        again = _Appender(self._path.with_name(f"{self._path.name}.again"))
        for batch in self._good.read():
            again.add(batch.filter(~self._is_among(batch, twice)))
        repeats: Counter[str] = Counter()
        for some in np.array_split(twice, -(-len(twice) // ROW_GROUP)):
            rows = [
                batch.filter(self._is_among(batch, some)) for part in (self._good, self._bad) for batch in part.read()
            ]
            result = lake.conform(self._rules.name, pl.concat(rows))
            again.add(result.rows)
            reject(result.rejected)
            repeats.update(result.repeats)
        kept = again.close(self._rules.schema)
        again.path.replace(self._path)
        return kept, dict(repeats)

    def _is_among(self, rows: pl.DataFrame, twice: Hashes) -> pl.Series:
        return pl.Series(np.isin(lake.key_hash(self._rules, rows).to_numpy(), twice))

    def discard(self) -> None:
        for appender in (self._good, self._bad):
            appender.discard()
        self._path.unlink(missing_ok=True)


class _Appender:
    """A Parquet file that grows by batches; it is made when the first row group is full, or when it is closed.

    Polars writes whole frames only; pyarrow's writer takes batches. Text that is the same in every row, of which a
    row's lineage has much, goes in as a dictionary and costs nothing. A full row group is written by a thread of its
    own while the next is parsed; one at a time, so that no more than two are held.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._waiting: list[pl.DataFrame] = []
        self._writer: pq.ParquetWriter | None = None
        self._texts: set[str] = set()
        self._constant: set[str] = set()
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: Future[None] | None = None

    def add(self, frame: pl.DataFrame) -> None:
        if not frame.height:
            return
        self._waiting.append(frame)
        self.rows += frame.height
        if sum(part.height for part in self._waiting) >= ROW_GROUP:
            self._write()

    def _write(self) -> None:
        rows = pl.concat(self._waiting)
        self._waiting.clear()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "parquet")
            self._texts = {name for name, kind in rows.schema.items() if kind == pl.String}
            self._constant = {name for name in self._texts if _is_constant(rows[name])}
        table = self._to_arrow(rows)
        self._settle()
        self._under_way = self._thread.submit(self._append, table)

    def _settle(self) -> None:
        """Wait for what is being written; raises what became of it."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def _append(self, table: pa.Table) -> None:
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self.path,
                table.schema,
                compression="zstd",
                # A locator is another one in every row: to look for repeated ones is wasted.
                use_dictionary=sorted(self._texts - {"locator"}),
                # Read back, a dictionary is text like any other.
                store_schema=False,
            )
        self._writer.write_table(table)

    def _to_arrow(self, rows: pl.DataFrame) -> pa.Table:
        return pa.table(
            {
                column.name: _dictionary(column)
                if column.name in self._constant
                else column.to_arrow(compat_level=pl.CompatLevel.newest())
                for column in rows.iter_columns()
            }
        )

    def close(self, schema: pl.Schema | None = None) -> int:
        """Finish the file and return its rows; without rows there is a file only if a schema is given."""
        self._settle()
        if self._waiting and self._writer is None:
            lake.write_parquet(pl.concat(self._waiting), self.path)
        elif self._waiting:
            self._write()
            self._settle()
        elif self._writer is None and schema is not None:
            lake.write_parquet(pl.DataFrame(schema=schema), self.path)
        self._release()
        return self.rows

    def read(self) -> Iterator[pl.DataFrame]:
        """The rows of the closed file, a row group at a time; none where there is no file."""
        if self.path.exists():
            with pq.ParquetFile(self.path) as file:
                for number in range(file.num_row_groups):
                    yield cast(pl.DataFrame, pl.from_arrow(file.read_row_group(number)))

    def discard(self) -> None:
        """Close and remove the file."""
        self._release()
        self.path.unlink(missing_ok=True)

    def _release(self) -> None:
        self._waiting.clear()
        if self._thread is not None:
            # What is left here is no row that anybody counts on: the file is removed, or was written whole.
            self._thread.shutdown()
            self._thread = self._under_way = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _that_stand_twice(sorted_parts: list[Hashes]) -> Hashes:
    """Hashes that stand twice in all parts together, merged a sixteenth at a time to need no second copy."""
    twice = []
    bounds = np.arange(1, 16, dtype=np.uint64) << np.uint64(60)
    slices = [np.split(part, np.searchsorted(part, bounds)) for part in sorted_parts]
    for some in zip(*slices, strict=True):
        # Runs that are sorted already are merged.
        merged = np.sort(np.concatenate(some), kind="stable")
        twice.append(np.unique(merged[1:][merged[1:] == merged[:-1]]))
    return np.concatenate(twice) if twice else np.array([], dtype=np.uint64)


def _is_constant(column: pl.Series) -> bool:
    if column.null_count() == len(column):
        return True
    return column.null_count() == 0 and column[0] == column[-1] and bool((column == column[0]).all())


def _dictionary(column: pl.Series) -> pa.Array:
    """A text column as a dictionary of text."""
    if not _is_constant(column):
        return column.to_arrow().cast(pa.string()).dictionary_encode()
    if column[0] is None:
        return pa.DictionaryArray.from_arrays(pa.nulls(len(column), pa.int32()), pa.array([], pa.string()))
    zeros = pa.array(np.zeros(len(column), dtype=np.int32))
    return pa.DictionaryArray.from_arrays(zeros, pa.array([column[0]], pa.string()))
