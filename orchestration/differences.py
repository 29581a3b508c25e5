"""What two releases differ in: rows of marts by key, headline figures, definitions, columns.

Works on a DuckDB connection to which both databases are attached, so that a release can be compared while it is
being made, and two that stand at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import yaml

from ingest import plain_yaml
from ingest.settings import PROJECT_ROOT
from orchestration.errors import ReleaseError
from orchestration.text import rows_text

DEPRECATIONS = PROJECT_ROOT / "dbt_project" / "deprecations.yml"

# A revision is a change of the figure; which edition it was read from is not part of it.
_NOT_COMPARED = frozenset({"edition_ids"})
_HEADLINE = "mart_policy_claim_check"

# Columns of a table with their types, in their order; and tables, by schema and name.
Columns = dict[str, str]
Tables = dict[tuple[str, str], Columns]


@dataclass(frozen=True)
class CellChange:
    """A figure that changed: the key of its row, the column, and the values before and after."""

    key: dict[str, Any]
    column: str
    before: Any
    after: Any


@dataclass(frozen=True)
class TableDiff:
    """Rows of one mart that came, went or changed, compared over the columns that both releases have."""

    table: str
    added: int
    removed: int
    changed: int
    examples: list[CellChange] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed)


@dataclass(frozen=True)
class SchemaDiff:
    """Published tables and columns that came, went, or have another type; names are `schema.table[.column]`."""

    added: list[str]
    removed: list[str]
    retyped: list[str]


@dataclass(frozen=True)
class Headline:
    """A statement whose evidence or verdict changed."""

    claim_id: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ReleaseDiff:
    """Everything that differs between an earlier and a later release."""

    tables: list[TableDiff]
    schema: SchemaDiff
    headlines: list[Headline]
    definitions: list[str]


@dataclass(frozen=True)
class Deprecation:
    """A published table or column that may go: when that was announced, why, and what to use instead."""

    name: str
    announced_on: date
    reason: str
    replacement: str | None = None


@contextmanager
def attached(earlier: Path, later: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with two databases attached read-only, as `earlier` and `later`."""
    connection = duckdb.connect()
    try:
        for path, name in ((earlier, "earlier"), (later, "later")):
            quoted = str(path).replace("'", "''")
            connection.execute(f"attach '{quoted}' as {name} (read_only)")
        yield connection
    finally:
        connection.close()


def compare(
    connection: duckdb.DuckDBPyConnection, *, earlier: str = "earlier", later: str = "later", examples: int = 3
) -> ReleaseDiff:
    """Compare two attached releases; up to `examples` changed figures are given for each mart."""
    old, new = (_tables(connection, name) for name in (earlier, later))
    keys = mart_keys()
    both = sorted(name for schema, name in old.keys() & new.keys() if schema == "marts")
    tables = [
        _compare_mart(
            connection,
            table,
            keys.get(table, ()),
            (old["marts", table], new["marts", table]),
            names=(earlier, later),
            examples=examples,
        )
        for table in both
    ]
    return ReleaseDiff(
        [diff for diff in tables if not diff.is_equal],
        _compare_schemas(old, new),
        _headlines(connection, earlier, later) if _HEADLINE in both else [],
        _definitions(connection, (old, new), names=(earlier, later)),
    )


def _compare_mart(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    key: tuple[str, ...],
    columns: tuple[Columns, Columns],
    *,
    names: tuple[str, str],
    examples: int,
) -> TableDiff:
    """Compare one mart by its key, over the columns that both have; without a usable key, by whole rows.

    Seven significant digits of a number count: another order of adding up is no revision.
    """
    (old, new), (earlier, later) = columns, names
    common = [name for name in new if name in old and name not in _NOT_COMPARED]
    if not key or not set(key) <= set(common):
        listed = ", ".join(_compared(name, new[name]) for name in common)
        added, removed = (
            _one(
                connection,
                f"select count(*) from (select {listed} from {a}.marts.{table} "
                f"except all select {listed} from {b}.marts.{table})",
            )
            for a, b in ((later, earlier), (earlier, later))
        )
        return TableDiff(table, added, removed, 0)
    values = [name for name in common if name not in key]
    same_key = " and ".join(f'a."{name}" is not distinct from b."{name}"' for name in key)
    differs = {
        name: f"{_compared(name, old[name], 'a')} is distinct from {_compared(name, new[name], 'b')}"
        for name in values
    }
    changed = " or ".join(differs.values()) or "false"
    source = (
        f"(select *, true as _is_there from {earlier}.marts.{table}) as a "
        f"full join (select *, true as _is_there from {later}.marts.{table}) as b on {same_key}"
    )
    added, removed, altered = connection.execute(
        "select count(*) filter (a._is_there is null), count(*) filter (b._is_there is null), "
        f"count(*) filter (a._is_there and b._is_there and ({changed})) from {source}"
    ).fetchall()[0]
    found: list[CellChange] = []
    if altered and examples:
        pairs = ", ".join(f'a."{name}", b."{name}"' for name in values)
        flags = ", ".join(differs.values())
        keys = ", ".join(f'b."{name}"' for name in key)
        rows = connection.execute(
            f"select {keys}, {pairs}, {flags} from {source} where a._is_there and b._is_there and ({changed}) "
            f"order by {keys} limit {examples}"
        ).fetchall()
        for row in rows:
            named = dict(zip(key, row, strict=False))
            cells, flagged = row[len(key) : len(key) + 2 * len(values)], row[len(key) + 2 * len(values) :]
            found += [
                CellChange(named, name, cells[2 * i], cells[2 * i + 1]) for i, name in enumerate(values) if flagged[i]
            ]
    return TableDiff(table, added, removed, altered, found)


def _compare_schemas(earlier: Tables, later: Tables) -> SchemaDiff:
    """Tables and columns of all schemas that only one release has, or with another type."""
    old, new = (
        {f"{schema}.{table}.{name}": kind for (schema, table), held in tables.items() for name, kind in held.items()}
        for tables in (earlier, later)
    )
    gone_tables, new_tables = (
        {".".join(table) for table in a.keys() - b.keys()} for a, b in ((earlier, later), (later, earlier))
    )
    return SchemaDiff(
        added=sorted(new_tables) + sorted(n for n in new.keys() - old.keys() if _table_of(n) not in new_tables),
        removed=sorted(gone_tables) + sorted(n for n in old.keys() - new.keys() if _table_of(n) not in gone_tables),
        retyped=[f"{n} ({old[n]} to {new[n]})" for n in sorted(old.keys() & new.keys()) if old[n] != new[n]],
    )


def deprecations(path: Path | None = None) -> dict[str, Deprecation]:
    """Announced removals by `schema.table` or `schema.table.column`; raises ReleaseError for a malformed file."""
    path = path or DEPRECATIONS
    try:
        entries = (plain_yaml.load(path.read_text(encoding="utf-8")) or {}).get("deprecations") or []
        found = [Deprecation(**entry) for entry in entries]
    except (OSError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ReleaseError(
            f"the list of deprecations cannot be read ({error})",
            file=str(path),
            remedy="Each entry has name, announced_on and reason, and may have a replacement.",
        ) from error
    return {entry.name: entry for entry in found}


def unannounced(schema: SchemaDiff, announced: dict[str, Deprecation]) -> list[str]:
    """Removed or retyped tables and columns that no deprecation announces."""
    gone = [*schema.removed, *(name.split(" ")[0] for name in schema.retyped)]
    return [name for name in gone if name not in announced and _table_of(name) not in announced]


def as_json(diff: ReleaseDiff) -> dict[str, Any]:
    """The comparison as plain values for JSON."""
    return {
        "marts": [
            {
                "mart": table.table,
                "rows_added": table.added,
                "rows_removed": table.removed,
                "rows_changed": table.changed,
                "examples": [
                    {
                        "key": {name: _plain(value) for name, value in change.key.items()},
                        "column": change.column,
                        "before": _plain(change.before),
                        "after": _plain(change.after),
                    }
                    for change in table.examples
                ],
            }
            for table in diff.tables
        ],
        "schema": {"added": diff.schema.added, "removed": diff.schema.removed, "retyped": diff.schema.retyped},
        "headlines": [{"claim_id": h.claim_id, "before": h.before, "after": h.after} for h in diff.headlines],
        "definitions": diff.definitions,
    }


@cache
def mart_keys() -> dict[str, tuple[str, ...]]:
    """Columns that tell the rows of a mart apart, as its test of uniqueness in the dbt project has them."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((PROJECT_ROOT / "dbt_project" / "models" / "marts").rglob("*.yml")):
        # The safe reader in C takes a tenth of the time, where PyYAML was built with it.
        reader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=reader)  # noqa: S506
        for model in (content or {}).get("models") or []:
            for test in model.get("data_tests") or []:
                if isinstance(test, dict) and "unique_combination" in test:
                    found[model["name"]] = tuple(test["unique_combination"]["arguments"]["columns"])
    return found


def _headlines(connection: duckdb.DuckDBPyConnection, earlier: str, later: str) -> list[Headline]:
    text = (
        "verdict || coalesce(': ' || format('{:.4g}', evidence_low) || ' to ' || format('{:.4g}', evidence_high), '')"
    )
    rows = connection.execute(
        f"select claim_id, a.said, b.said "
        f"from (select claim_id, {text} as said from {earlier}.marts.{_HEADLINE}) as a "
        f"full join (select claim_id, {text} as said from {later}.marts.{_HEADLINE}) as b using (claim_id) "
        "where a.said is distinct from b.said order by claim_id"
    ).fetchall()
    return [Headline(*row) for row in rows]


def _definitions(
    connection: duckdb.DuckDBPyConnection, tables: tuple[Tables, Tables], *, names: tuple[str, str]
) -> list[str]:
    """Reviewed tables whose rows differ, and definitions by id."""
    lines = []
    (before, after), (earlier, later) = tables, names
    both = {table for schema, table in before.keys() & after.keys() if schema == "vocabulary"}
    if "definition" in both:
        old, new = (
            dict(connection.execute(f"select definition_id, sentence from {name}.vocabulary.definition").fetchall())
            for name in (earlier, later)
        )
        lines += [f"definition `{name}` is new: {new[name]}" for name in sorted(new.keys() - old.keys())]
        lines += [f"definition `{name}` is withdrawn." for name in sorted(old.keys() - new.keys())]
        lines += [
            f"definition `{name}` reads otherwise: {new[name]}"
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]
        ]
    for table in sorted(both - {"definition"}):
        key = ("vocabulary", table)
        listed = ", ".join(f'"{name}"' for name in after[key] if name in before[key])
        added, removed = (
            _one(
                connection,
                f"select count(*) from (select {listed} from {a}.vocabulary.{table} "
                f"except all select {listed} from {b}.vocabulary.{table})",
            )
            for a, b in ((later, earlier), (earlier, later))
        )
        if added or removed:
            lines.append(
                f"reviewed table `{table}`: {rows_text(added)} new or changed, {rows_text(removed)} gone or changed."
            )
    return lines


def _compared(name: str, kind: str, alias: str | None = None) -> str:
    column = f'{alias}."{name}"' if alias else f'"{name}"'
    return f"cast({column} as float)" if kind == "DOUBLE" else column


def _table_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> Tables:
    """Tables of a database with their columns; one question for all, as each goes through the whole catalogue."""
    found: Tables = {}
    for schema, table, name, kind in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and not internal order by schema_name, table_name, column_index",
        [database],
    ).fetchall():
        found.setdefault((schema, table), {})[name] = kind
    return found


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    return connection.execute(query).fetchall()[0][0]
