"""The lake: one Parquet data set per canonical table, by source and edition, append-only.

The contract of every table stands in `contracts.yml`; this module turns it into the Parquet schema, checks
rows against it, and keeps the record of which editions are committed. Layout:

    <lake>/<table>/source_code=<code>/edition_id=<id>/<fingerprint>.parquet   canonical rows
    <lake>/_quarantine/<code>/<edition_id>.<fingerprint>.parquet              rejected rows, with the reason
    <lake>/_editions/<code>/<edition_id>.json                                 the commit record, written last

A reader sees only files that a commit record names, so a load that dies half-way is not there.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from ingest import plain_yaml, vocabulary
from ingest.archive import sha256_of, write_atomically
from ingest.errors import ContractError, LakeError

_NO_ROOM = 1 << 20

CONTRACTS_FILE = Path(__file__).resolve().parent / "contracts.yml"

_POLARS_TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}
_SQL_TYPES = {
    "string": "varchar",
    "int64": "bigint",
    "float64": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp with time zone",
}

REJECTED_SCHEMA = pl.Schema(
    {
        "table_name": pl.String(),
        "file_name": pl.String(),
        "locator": pl.String(),
        "reason": pl.String(),
        "raw": pl.String(),
    }
)


@dataclass(frozen=True)
class Column:
    """One column of a contract."""

    name: str
    type: str
    description: str
    nullable: bool = False
    unit: str | None = None
    allowed: tuple[str, ...] | None = None
    min: float | None = None
    domain: str | None = None

    @property
    def sql_type(self) -> str:
        """DuckDB's name of the type."""
        return _SQL_TYPES[self.type]


@dataclass(frozen=True)
class Contract:
    """The contract of one canonical table."""

    name: str
    title: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    own_columns: tuple[str, ...]

    @property
    def schema(self) -> pl.Schema:
        """The Polars (and so the Parquet) schema, columns in contract order."""
        return pl.Schema({column.name: _POLARS_TYPES[column.type] for column in self.columns})

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError if there is none."""
        return next(column for column in self.columns if column.name == name)


@cache
def contracts() -> dict[str, Contract]:
    """All contracts by table name; raises ContractError if `contracts.yml` contradicts itself."""
    raw: dict[str, Any] = plain_yaml.load(CONTRACTS_FILE.read_text(encoding="utf-8"))

    def column(entry: dict[str, Any]) -> Column:
        allowed = entry.pop("allowed", None)
        return Column(**entry, allowed=tuple(allowed) if allowed else None)

    common = [column(dict(entry)) for entry in raw["common"]]
    result = {}
    for name, table in raw["tables"].items():
        own = [column(dict(entry)) for entry in table["columns"]]
        columns = (*own, *common)
        names = [entry.name for entry in columns]
        if len(set(names)) != len(names) or not set(table["key"]) <= set(names):
            raise ContractError(
                f"table {name} repeats a column or keys on one it does not have",
                file=CONTRACTS_FILE.name,
                remedy="Correct the contract.",
            )
        result[name] = Contract(
            name,
            table["title"],
            table["description"],
            tuple(table["key"]),
            columns,
            tuple(c.name for c in own),
        )
    return result


def contract(table: str) -> Contract:
    """The contract of a canonical table; raises ContractError for an unknown name."""
    try:
        return contracts()[table]
    except KeyError:
        raise ContractError(
            f"there is no canonical table {table!r}", remedy=f"Use one of {', '.join(contracts())}."
        ) from None


@dataclass
class Conformed:
    """Rows that keep the contract, rows that do not (each with all its reasons), and exact repeats left out."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    dropped: dict[str, int]
    # Exact repeats by file_sha256.
    repeats: dict[str, int] = field(default_factory=dict)


def conform(table: str, frame: pl.DataFrame) -> Conformed:
    """Check rows against the contract of a table and return them in its schema.

    A missing mandatory column or one that cannot be cast fails as a whole (ContractError). A row with a null
    where none is allowed, a value outside its set, below its minimum, or a country that the vocabulary lacks,
    and rows that share a key but differ, are rejected with the reason. Exact repeats are dropped and counted.
    """
    rules = contract(table)
    frame = to_schema(rules, frame).with_row_index("_row")
    # Exact repeats and rows that share a key are found among the rows of which the hash of the key stands twice.
    twins = frame.filter(key_hash(rules, frame).is_duplicated())
    first = twins.unique(rules.schema.names(), keep="first", maintain_order=True)
    repeated = twins.join(first, on="_row", how="anti")
    repeats = repeated.get_column("_row")
    conflicts = first.filter(pl.struct(rules.key).is_duplicated()).get_column("_row")
    if repeats.len():
        frame = frame.filter(~pl.col("_row").is_in(repeats.implode()))
    in_conflict = pl.col("_row").is_in(conflicts.implode()) if conflicts.len() else pl.lit(value=False)
    bad = frame.filter(is_faulty(rules) | in_conflict)
    rows = frame.join(bad, on="_row", how="anti", maintain_order="left") if bad.height else frame
    reason = f"another row has the same key ({', '.join(rules.key)}) and other values"
    return Conformed(
        rows.drop("_row"),
        rejected_rows(rules, bad.drop("_row"), bad.select(_reason(in_conflict, reason)).to_series()),
        {"exact_repeat": repeats.len()} if repeats.len() else {},
        by_file(repeated),
    )


def by_file(frame: pl.DataFrame, column: str = "file_sha256") -> dict[str, int]:
    """Rows of a frame by the hash of their file; `?` for rows without one."""
    counted = frame.group_by(pl.col(column).fill_null("?")).len()
    return dict(counted.sort(column).iter_rows())


def key_hash(rules: Contract, frame: pl.DataFrame) -> pl.Series:
    """A hash of each row's key: rows of one key have the same, others almost never."""
    return frame.select(pl.struct(rules.key).hash()).to_series()


def is_faulty(rules: Contract) -> pl.Expr:
    """True for a row that breaks a rule of its own, whatever other rows hold; cheap where all rows are right."""
    return pl.any_horizontal(condition for condition, _, _ in _row_rules(rules)).fill_null(value=False)


def rejected_rows(rules: Contract, bad: pl.DataFrame, further: pl.Series | None = None) -> pl.DataFrame:
    """Rows that break the contract in the form of the quarantine, each with all its reasons, `further` ones last."""
    reasons = [_reason(*rule) for rule in _row_rules(rules)]
    return bad.select(
        pl.lit(rules.name).alias("table_name"),
        pl.col("file_sha256").fill_null("?").alias("file_name"),
        pl.col("locator").fill_null("?"),
        pl.concat_str(
            [*reasons, *([] if further is None else [pl.lit(further)])], separator="; ", ignore_nulls=True
        ).alias("reason"),
        pl.struct(list(rules.own_columns)).struct.json_encode().alias("raw"),
    ).cast(REJECTED_SCHEMA)


def _row_rules(rules: Contract) -> list[tuple[pl.Expr, str, pl.Expr | None]]:
    """What a row may break by itself: the condition, the reason, and the value that is shown with it."""
    checks: list[tuple[pl.Expr, str, pl.Expr | None]] = []
    for column in rules.columns:
        value = pl.col(column.name)
        if not column.nullable:
            checks.append((value.is_null(), f"{column.name} is missing", None))
        if column.allowed:
            checks.append(
                (~value.is_in(list(column.allowed)), f"{column.name} is not one of its allowed values", value)
            )
        if column.domain == "country":
            known = value.is_in(vocabulary.country_codes())
            checks.append((~known, f"{column.name} is not a country of vocabulary/country.csv", value))
        if column.min is not None:
            checks.append((value < column.min, f"{column.name} is below {column.min:g}", value))
        if column.type == "float64":
            checks.append((~value.is_finite(), f"{column.name} is not a finite number", None))
    return checks


def _reason(condition: pl.Expr, text: str, value: pl.Expr | None = None) -> pl.Expr:
    message = pl.lit(text) if value is None else pl.format(text + ": {}", value)
    return pl.when(condition).then(message)


def to_schema(rules: Contract, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in the contract's columns and types, absent ones null; raises ContractError where that cannot be."""
    unknown = [name for name in frame.columns if name not in rules.schema]
    missing = [c.name for c in rules.columns if c.name not in frame.columns and not c.nullable]
    if unknown or missing:
        raise ContractError(
            f"rows for {rules.name} "
            + " and ".join(
                part
                for part in (
                    f"lack {', '.join(missing)}" if missing else "",
                    f"have the unknown column {', '.join(unknown)}" if unknown else "",
                )
                if part
            ),
            remedy="Correct the parser, or extend the contract in ingest/contracts.yml.",
        )
    absent = [
        pl.lit(None, dtype=_POLARS_TYPES[c.type]).alias(c.name) for c in rules.columns if c.name not in frame.columns
    ]
    try:
        return frame.with_columns(absent).select(rules.schema.names()).cast(rules.schema)
    except pl.exceptions.PolarsError as error:
        raise ContractError(
            f"rows for {rules.name} cannot be cast to the contract: {error}",
            remedy="Correct the parser, or extend the contract in ingest/contracts.yml.",
        ) from error


@dataclass(frozen=True)
class TableLoad:
    """What one edition put into one canonical table."""

    table_name: str
    file: str
    row_count: int
    # Absent in records of before it was kept.
    sha256: str | None = None


@dataclass(frozen=True)
class FileAccount:
    """What became of the rows that were parsed from one file for one table.

    Parsed are those in the lake, those in quarantine because they break the contract, and those dropped by a named
    rule (exact repeats, corrections that drop), and no others. Rows that the parser itself rejects are in quarantine
    under the file's name, and those that it drops are counted by rule in the edition's record.
    """

    table_name: str
    file_sha256: str
    rows_parsed: int
    rows_quarantined: int = 0
    rows_dropped: int = 0


@dataclass(frozen=True)
class Edition:
    """The commit record of one edition of one source."""

    source_code: str
    edition_id: str
    partition: str
    published_on: str
    ingested_at: str
    is_bundled: bool
    fingerprint: str
    files: tuple[dict[str, Any], ...]
    # What follows is known when its rows have been written.
    tables: tuple[TableLoad, ...] = ()
    rows_read: int = 0
    rows_quarantined: int = 0
    rows_dropped: dict[str, int] = field(default_factory=dict)
    quarantine_file: str | None = None
    # What the gates noticed against the edition before, without stopping the load.
    warnings: tuple[str, ...] = ()
    # False for all but the last edition of files that hold several: without that one the load was cut short.
    completes: bool = True
    accounts: tuple[FileAccount, ...] = ()

    @property
    def row_count(self) -> int:
        """Canonical rows of the edition over all tables."""
        return sum(load.row_count for load in self.tables)


@dataclass(frozen=True)
class StagedFile:
    """A Parquet file that is written under a temporary name until its edition is committed."""

    path: Path
    row_count: int

    @property
    def temporary(self) -> Path:
        """The name before."""
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")


@dataclass
class Staged:
    """What has been written of an edition that is not committed yet."""

    rows_read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    tables: dict[str, StagedFile] = field(default_factory=dict)
    rejected: StagedFile | None = None
    accounts: tuple[FileAccount, ...] = ()

    def discard(self) -> None:
        """Remove what has been written."""
        for part in (*self.tables.values(), *([self.rejected] if self.rejected else [])):
            part.temporary.unlink(missing_ok=True)


class Lake:
    """The lake below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def edition(self, source_code: str, edition_id: str) -> Edition | None:
        """The commit record of an edition, or None if it is not committed."""
        path = self._record_path(source_code, edition_id)
        if not path.exists():
            return None
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            raw["tables"] = tuple(TableLoad(**entry) for entry in raw["tables"])
            raw["files"] = tuple(raw["files"])
            raw["accounts"] = tuple(FileAccount(**entry) for entry in raw.get("accounts", ()))
            raw["warnings"] = tuple(raw.get("warnings", ()))
            return Edition(**raw)
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"the commit record cannot be read ({error})",
                file=str(path),
                remedy="Remove it and load the edition again; its bytes are in the archive.",
            ) from error

    def editions(self) -> list[Edition]:
        """All committed editions, by source, partition and date of publication."""
        found = [
            self.edition(path.parent.name, path.name.removesuffix(".json"))
            for path in self.root.glob("_editions/*/*.json")
        ]
        known = [edition for edition in found if edition is not None]
        return sorted(
            known,
            key=lambda e: (e.source_code, e.partition, e.published_on, e.is_bundled, e.ingested_at, e.edition_id),
        )

    def commit(self, edition: Edition, tables: dict[str, pl.DataFrame], rejected: pl.DataFrame) -> Edition:
        """Write an edition's rows and then its commit record; returns the record as written.

        Rows are sorted by key, so that the same input gives the same bytes.
        """
        staged = Staged(edition.rows_read, dict(edition.rows_dropped), accounts=edition.accounts)
        for name, frame in sorted(tables.items()):
            staged.tables[name] = part = self.staged_table(edition, name, frame.height)
            write_parquet(frame.sort(contract(name).key, nulls_last=True, maintain_order=True), part.temporary)
        if rejected.height:
            staged.rejected = part = self.staged_quarantine(edition, rejected.height)
            write_parquet(quarantined(edition, rejected), part.temporary)
        return self.publish(edition, staged)

    def publish(self, edition: Edition, staged: Staged) -> Edition:
        """Commit what has been written of an edition: files under their names, then the record, which is returned."""
        parts = {**staged.tables, **({"": staged.rejected} if staged.rejected else {})}
        for part in parts.values():
            with part.temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            part.temporary.replace(part.path)
        names = {table: part.path.relative_to(self.root).as_posix() for table, part in parts.items()}
        record = replace(
            edition,
            tables=tuple(
                TableLoad(table, names[table], part.row_count, sha256_of(part.path))
                for table, part in sorted(staged.tables.items())
            ),
            rows_read=staged.rows_read,
            rows_dropped=staged.dropped,
            rows_quarantined=staged.rejected.row_count if staged.rejected else 0,
            quarantine_file=names.get(""),
            accounts=staged.accounts,
        )
        write_atomically(
            self._record_path(edition.source_code, edition.edition_id),
            json.dumps(asdict(record), indent=2, ensure_ascii=False).encode(),
        )
        return record

    def holds(self, edition: Edition) -> bool:
        """Whether the files that a commit record names are there and are what was written."""
        if edition.quarantine_file and not (self.root / edition.quarantine_file).is_file():
            return False
        return all(
            (self.root / load.file).is_file() and load.sha256 in (None, sha256_of(self.root / load.file))
            for load in edition.tables
        )

    def staged_table(self, edition: Edition, table: str, row_count: int = 0) -> StagedFile:
        """Where rows of an edition are written before it is committed, and the name they take then."""
        folder = self.root / table / f"source_code={edition.source_code}" / f"edition_id={edition.edition_id}"
        return StagedFile(folder / f"{edition.fingerprint[:12]}.parquet", row_count)

    def staged_quarantine(self, edition: Edition, row_count: int = 0) -> StagedFile:
        """The same for rejected rows."""
        folder = self.root / "_quarantine" / edition.source_code
        return StagedFile(folder / f"{edition.edition_id}.{edition.fingerprint[:12]}.parquet", row_count)

    def withdraw(self, edition: Edition) -> None:
        """Take back a commit record, so that readers no longer see the edition; its Parquet files stay."""
        self._record_path(edition.source_code, edition.edition_id).unlink(missing_ok=True)

    def quarantine_files(self) -> list[Path]:
        """Parquet files of rejected rows over all committed editions."""
        return self.require(self.root / e.quarantine_file for e in self.editions() if e.quarantine_file)

    def require(self, paths: Iterable[Path]) -> list[Path]:
        """The paths as a list; raises LakeError if one of them is gone."""
        listed = list(paths)
        for path in listed:
            if not path.exists():
                raise LakeError(
                    "a committed file of the lake is gone",
                    file=str(path),
                    remedy="Run with --force to load the edition again.",
                )
        return listed

    def _record_path(self, source_code: str, edition_id: str) -> Path:
        return self.root / "_editions" / source_code / f"{edition_id}.json"


def quarantined(edition: Edition, rejected: pl.DataFrame) -> pl.DataFrame:
    """Rejected rows as the quarantine keeps them, with the source and the edition."""
    return rejected.select(
        pl.lit(edition.source_code).alias("source_code"),
        pl.lit(edition.edition_id).alias("edition_id"),
        *REJECTED_SCHEMA.names(),
    )


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as the lake's Parquet files are written; raises OSError where there is no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        frame.write_parquet(path, compression="zstd", statistics=True)
    except pl.exceptions.PolarsError as error:
        # Of a disk that is full at the end of the file Polars says "Invalid thrift: transport error".
        is_full = shutil.disk_usage(path.parent).free < _NO_ROOM or "transport error" in str(error)
        raise OSError(
            errno.ENOSPC if is_full else errno.EIO, f"rows cannot be written: {error}", str(path)
        ) from error
