"""The checked relations of the work file, asked in as few passes over their rows as it takes.

A small relation is read once for all conditions. In a large one most columns say the same in millions of rows (what
edition, what status, what flow) or have few values (countries, commodity codes); DuckDB groups such columns without
looking at each row's text. There, conditions on columns of few values are counted over the combinations of these
values, conditions on one part of the key over its values, and only what is left, numbers above all, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from data_quality.conditions import BATCH, columns_of

EXAMPLES = 20
LARGE = 2_000_000
_SAMPLE = 100_000
_FEW = 50
# Hashes that are sorted at once, eight bytes each, and as much again while they are fetched.
_SLICE = 128_000_000
_NUMBERS = ("DOUBLE", "FLOAT", "DECIMAL")


class Relation:
    """A relation of the work file; queries read it as `batch`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, key: Sequence[str] = ()) -> None:
        """`key` are the columns that tell rows of one edition apart.

        Raises duckdb.Error where the relation cannot be read.
        """
        self._connection = connection
        self._key = key
        connection.execute(f"create or replace temp view {BATCH} as from {name}")
        self.row_count = int(self._rows(f"select count(*) from {BATCH}")[0][0])

    def find(self, query: str) -> tuple[int, list[dict[str, str | None]]]:
        """How many rows a query over `batch` returns, and the first of them as text."""
        self._connection.execute(
            f"select *, count(*) over () as _row_count from ({query}) as unexpected limit {EXAMPLES}"
        )
        names = [column[0] for column in self._connection.description or ()][:-1]
        rows = self._connection.fetchall()
        texts = [[None if value is None else str(value) for value in row[:-1]] for row in rows]
        return (int(rows[0][-1]) if rows else 0), [dict(zip(names, text, strict=True)) for text in texts]

    def values(self, columns: Sequence[str], condition: str, limit: int) -> list[Any]:
        """Values of a column in the first rows that meet a condition; of several columns, as tuples."""
        listed = ", ".join(f'"{column}"' for column in columns)
        rows = self._rows(f"select {listed} from {BATCH} where {condition} limit {limit}")
        return [row[0] for row in rows] if len(columns) == 1 else rows

    def count(self, conditions: Sequence[str]) -> dict[str, int]:
        """In how many rows each condition holds. Raises duckdb.Error for a condition that cannot be put."""
        if self.row_count < LARGE:
            return count_rows(self._connection, BATCH, conditions)
        few, single = self._by_variety()
        reads = dict(zip(conditions, columns_of(self._connection, conditions, [*self._types()]), strict=True))
        groups: dict[str, list[str]] = {}
        alone: list[str] = []
        for condition, columns in reads.items():
            if columns and columns <= few:
                listed = few & set().union(*(names for names in reads.values() if names <= few))
            elif columns <= single and len(columns) == 1:
                listed = columns
            else:
                listed = set()
            if listed:
                names = ", ".join(f'"{name}"' for name in sorted(listed))
                origin = f"(select {names}, count(*) as _rows from {BATCH} group by all) as {BATCH}"
                groups.setdefault(origin, []).append(condition)
            elif len(columns) == 1:
                # As a filter by itself, it is held against the statistics of the files first.
                alone.append(condition)
            else:
                groups.setdefault(BATCH, []).append(condition)
        found = {c: int(self._rows(f"select count(*) from {BATCH} where {c}")[0][0]) for c in dict.fromkeys(alone)}
        for origin, asked in groups.items():
            found |= count_rows(self._connection, origin, asked, is_grouped=origin != BATCH)
        return found

    def repeats(self, columns: Sequence[str]) -> bool:
        """Whether two rows may agree on all of some columns; False is certain, True is not.

        Equal values have equal hashes, so that without a hash that stands twice there is no row that does. Sorting
        eight bytes a row costs a tenth of grouping the rows, and a slice of the hashes is held at a time.
        """
        listed = ", ".join(f'"{column}"' for column in columns)
        slices = -(-max(self.row_count, 1) // _SLICE)
        for number in range(slices):
            some = "" if slices == 1 else f" where hash({listed}) % {slices} = {number}"
            self._connection.execute(f"select hash({listed}) as hash from {BATCH}{some}")
            hashes = self._connection.fetchnumpy()["hash"]
            hashes.sort()
            if bool(np.any(hashes[1:] == hashes[:-1])):
                return True
        return False

    def _types(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self._rows(f"describe {BATCH}")}

    def _by_variety(self) -> tuple[set[str], set[str]]:
        """Columns of few values, and parts of the key of some.

        Judged by the first rows; where they mislead, it costs time and nothing else.
        """
        names = [name for name, kind in self._types().items() if not kind.startswith(_NUMBERS)]
        counts = ", ".join(f'count(distinct "{name}")' for name in names)
        row = self._rows(f"select {counts} from (from {BATCH} limit {_SAMPLE})")[0]
        distinct = dict(zip(names, row, strict=True))
        texts = {name for name, kind in self._types().items() if kind == "VARCHAR"}
        single = {name for name in texts.intersection(self._key) if distinct[name] < _SAMPLE // 4}
        return {name for name, number in distinct.items() if number <= _FEW} - single, single

    def _rows(self, query: str) -> list[Any]:
        return self._connection.execute(query).fetchall()


def count_rows(
    connection: duckdb.DuckDBPyConnection, origin: str, conditions: Sequence[str], *, is_grouped: bool = False
) -> dict[str, int]:
    """In how many rows of a relation each condition holds; grouped rows say in `_rows` for how many they stand."""
    asked = list(dict.fromkeys(conditions))
    if not asked:
        return {}
    number = "coalesce(sum(_rows) filter (where {}), 0)" if is_grouped else "count(*) filter (where {})"
    counts = ", ".join(number.format(f"({condition})") for condition in asked)
    row = connection.execute(f"select {counts} from {origin}").fetchall()[0]
    return dict(zip(asked, map(int, row), strict=True))
