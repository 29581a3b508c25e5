"""Where a published figure comes from: down to the publisher's cell, and made again from what the chain names.

A release carries the compiled SQL of its models. `explain` runs the models behind a mart again over the release's
own facts, walks back from one row and column to the facts that it follows from, reads their cells in the archive
where the publisher's file is there, and makes the figure again from these facts alone. No rule is written by hand for
a mart, so a new mart is explained like the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import sqlglot

from ingest import cells, lake, workfile
from ingest.archive import Archive
from ingest.errors import IngestError
from ingest.settings import Settings
from orchestration import reader
from orchestration.errors import ExplainError
from orchestration.explain import columns as lineage_of
from orchestration.explain import recompute as again
from orchestration.explain import words
from orchestration.explain.plan import Model, Role, Step
from orchestration.explain.trace import Lineage, Workshop
from orchestration.lineage import published_names
from orchestration.text import sql_condition

__all__ = ["Decision", "Explanation", "Fact", "FormulaStep", "Workbench", "explain", "open_workbench"]

SHOWN = 8
# The column that says how much a row of a canonical table is; rows are shown in this order, largest first.
_WEIGHTS = ("value_usd", "value", "value_stated", "amount", "listed_price", "enrollment_count")
_LINEAGE = (
    "source_code",
    "edition_id",
    "edition_partition",
    "file_sha256",
    "locator",
    "document_url",
    "published_on",
    "status",
    "value_origin",
    "publisher_flags",
    "note",
)
_UNITS = ("currency", "unit", "quantity_unit", "listed_price_currency")


@dataclass(frozen=True)
class Fact:
    """A row of a canonical table in a chain. `role` is value (its figure enters) or condition (it decides)."""

    table: str
    role: str
    key: dict[str, Any]
    value: Any
    value_column: str | None
    unit: str | None
    status: str
    value_origin: str
    source_code: str
    edition_id: str
    published_on: Any
    file_sha256: str
    locator: str
    document_url: str | None
    note: str | None
    cells: tuple[cells.Cell, ...] = ()
    cell_note: str | None = None


@dataclass(frozen=True)
class Decision:
    """A row of a reviewed table in a chain."""

    table: str
    row: dict[str, Any]


@dataclass(frozen=True)
class FormulaStep:
    """A model on the way, with its formulas in words."""

    relation: str
    description: str
    formulas: tuple[str, ...]
    row_count: int


@dataclass(frozen=True)
class Explanation:
    """A figure and its chain. Lists of facts and decisions may be cut; the counts are of all."""

    release_id: str
    mart: str
    column: str
    description: str
    unit: str | None
    key: dict[str, Any]
    value: Any
    status: str | None
    definitions: tuple[tuple[str, str], ...]
    steps: tuple[FormulaStep, ...]
    facts: tuple[Fact, ...]
    rates: tuple[Fact, ...]
    decisions: tuple[Decision, ...]
    fact_counts: dict[str, dict[str, int]]
    decision_counts: dict[str, int]
    sources: tuple[dict[str, Any], ...]
    again: tuple[Any, ...] = ()
    is_reproduced: bool | None = None
    row_count: int = 1
    seeds: dict[str, Any] = field(default_factory=dict)


class Workbench:
    """Models of a release run again, for several figures of it. Made by `open_workbench`."""

    def __init__(
        self,
        directory: Path,
        connection: duckdb.DuckDBPyConnection,
        published: duckdb.DuckDBPyConnection,
        settings: Settings,
    ) -> None:
        self.directory = directory
        self._settings = settings
        self._connection = connection
        self._release = published
        rows = _records(connection, "from release.catalog.models")
        self.models: dict[str, Model] = lineage_of.models_of(rows)
        self.relations = {name: f"release.{table}" for name, table in published_names(connection, "release").items()}
        self._workshop = Workshop(connection, self.models, self.relations, again.python_runner())

    def _bring_editions(self, mart: str) -> None:
        """Put the rows of all editions beside the release, for a mart that compares editions.

        A release publishes the latest ones; those before are in the lake of the installation that made it.
        """
        read = {name for model in lineage_of.in_order(self.models, [mart]) for name in self.models[model].inputs}
        wanted = sorted(n for n in read - set(self.relations) if lineage_of.is_of_facts(n))
        if not wanted:
            return
        known = {
            row[0]
            for row in self._release.execute(
                "select source_code || ' ' || edition_id from quality.edition"
            ).fetchall()
        }
        editions = workfile.editions_named(self._settings, known)
        for relation in wanted:
            table = relation.partition(".")[2]
            files = workfile.files_of(self._settings, editions, table)
            frame = (
                pl.concat([pl.read_parquet(file) for file in files])
                if files
                else pl.DataFrame(schema=lake.contract(table).schema)
            )
            self._connection.register("_editions", frame)
            self._connection.execute(f"create table lake_{table} as select * from _editions")
            self._connection.unregister("_editions")
            self.relations[relation] = f"lake_{table}"

    # -- finding the figure -------------------------------------------------------------------------------------

    def marts(self) -> list[str]:
        """Names of the marts, without their schema."""
        return sorted(name.removeprefix("marts.") for name in self.models if name.startswith("marts."))

    def columns(self, mart: str) -> list[str]:
        """Columns of a mart; raises ExplainError for a mart that the release does not have."""
        self._model(mart)
        return [
            name
            for (name,) in self._release.execute(
                "select column_name from catalog.columns where schema_name = 'marts' and table_name = ? "
                "order by position",
                [mart],
            ).fetchall()
        ]

    def find(self, mart: str, column: str, where: str | None) -> tuple[dict[str, Any], Any]:
        """Key and value of the one row of a mart that a condition selects.

        Raises ExplainError where the mart or column is unknown, the condition is no expression, or it selects no row
        or several.
        """
        model = self._model(mart)
        names = self.columns(mart)
        if column not in names:
            raise ExplainError(f"{mart} has no column {column}", remedy=f"It has {', '.join(names)}.")
        grain = list(model.grain)
        if not grain:
            raise ExplainError(
                f"nothing says which columns tell the rows of {mart} apart",
                remedy="Give the model a test unique_combination in its yml file.",
            )
        condition = _condition(where)
        chosen = ", ".join(f'"{name}"' for name in dict.fromkeys([*grain, column]))
        try:
            (count,) = self._release.execute(f"select count(*) from marts.{mart} where {condition}").fetchall()[0]
            found = _records(
                self._release, f"select {chosen} from marts.{mart} where {condition} order by all limit 500"
            )
        except duckdb.Error as error:
            raise ExplainError(
                f"the condition cannot be evaluated: {error}".rstrip(),
                remedy=f"Its columns are those of {mart}: {', '.join(names)}.",
            ) from error
        if not found:
            raise ExplainError(
                f"no row of {mart} has {where}", remedy=f'See its rows: biopharma query "from {mart}".'
            )
        if count > 1:
            differing = [name for name in grain if len({repr(row[name]) for row in found}) > 1]
            first = sql_condition({name: found[0][name] for name in grain})
            raise ExplainError(
                (f"{count:,} rows of {mart} have {where}" if where else f"{mart} has {count:,} rows")
                + f"; they differ in {', '.join(differing)}",
                remedy=f'Explain one of them; the first: --where "{first}".',
            )
        return {name: found[0][name] for name in grain}, found[0][column]

    def _model(self, mart: str) -> Model:
        model = self.models.get(f"marts.{mart}")
        if model is None:
            raise ExplainError(f"there is no mart {mart}", remedy=f"There are {', '.join(self.marts())}.")
        return model

    # -- walking back -------------------------------------------------------------------------------------------

    def trace(self, mart: str, key: dict[str, Any], column: str, *, is_wide: bool = False) -> Lineage:
        """Chain behind the figure in the row with this key; wide: with all rows that were only compared."""
        name = f"marts.{mart}"
        self._bring_editions(name)
        self._workshop.run(name)
        match = " and ".join(f'"{part}" is not distinct from ?' for part in key)
        table = self._workshop.table(name)
        rows = self._connection.execute(f"select rowid from {table} where {match}", list(key.values())).fetchall()
        if len(rows) != 1:
            raise ExplainError(
                f"the models of the release give {len(rows)} rows of {mart} for {key}, not one",
                remedy="This is a defect: the release and its models differ. Make a new one: biopharma run --force.",
            )
        return self._workshop.trace(name, [rows[0][0]], column, list(key), is_wide=is_wide)

    def recompute(self, mart: str, key: dict[str, Any], column: str, chain: Lineage) -> list[Any]:
        """The figure from the facts of its chain alone; a list of one value, or none where the row is not made."""
        return again.recompute(
            self._connection, self.models, self.relations, chain.rows, (f"marts.{mart}", column, key)
        )

    def explain(
        self,
        mart: str,
        column: str,
        where: str | None = None,
        *,
        archive: Archive | None = None,
        limit: int | None = SHOWN,
        verify: bool = True,
    ) -> Explanation:
        """The chain behind one figure; `limit` cuts the lists of facts and decisions (None: all of them)."""
        key, value = self.find(mart, column, where)
        chain = self.trace(mart, key, column)
        made = self.recompute(mart, key, column, chain) if verify else []
        if verify and not _is_figure(value, made):
            chain = self.trace(mart, key, column, is_wide=True)
            made = self.recompute(mart, key, column, chain)
        described = _one(
            self._release,
            "select description, unit from catalog.columns where schema_name = 'marts' and table_name = ? "
            "and column_name = ?",
            [mart, column],
        )
        match = " and ".join(f'"{name}" is not distinct from ?' for name in key)
        row = _records(self._release, f"select * from marts.{mart} where {match}", list(key.values()))[0]
        facts, rates, counts = self._facts(chain, limit, archive)
        decisions, decision_counts = self._decisions(chain, limit)
        codes = sorted({fact.source_code for fact in [*facts, *rates]} | self._sources_of(chain))
        return Explanation(
            release_id=self.directory.name,
            mart=mart,
            column=column,
            description=described[0],
            unit=_unit(row, described[1]),
            key=key,
            value=value,
            status=row.get("data_status"),
            definitions=self._definitions(row.get("definition_ids")),
            steps=self._formulas(chain),
            facts=tuple(facts),
            rates=tuple(rates),
            decisions=tuple(decisions),
            fact_counts=counts,
            decision_counts=decision_counts,
            sources=tuple(self._source_records(codes)),
            again=tuple(made),
            is_reproduced=_is_figure(value, made) if verify else None,
            seeds={
                f"{passed.step.model}.{name}": setting
                for passed in chain.steps
                if passed.step.python_inputs
                for name, setting in self.models[passed.step.model].settings.items()
            },
        )

    def _definitions(self, ids: str | None) -> tuple[tuple[str, str], ...]:
        wanted = [part for part in (ids or "").split(",") if part]
        known = dict(
            self._release.execute(
                "select definition_id, sentence from vocabulary.definition where definition_id in (select unnest(?))",
                [wanted],
            ).fetchall()
        )
        return tuple((name, known.get(name, "")) for name in wanted)

    def _formulas(self, chain: Lineage) -> tuple[FormulaStep, ...]:
        """The models of a chain, the mart first, with what they work out of the figure's values."""
        by_model: dict[str, list[Step]] = {}
        formulas: dict[str, list[str]] = {}
        counts: dict[str, int] = {}
        for passed in chain.steps:
            name = passed.step.model
            by_model.setdefault(name, []).append(passed.step)
            said = formulas.setdefault(name, [])
            counts.setdefault(name, passed.row_count)
            if passed.step.python_inputs:
                said.append(f"the function of {name.rpartition('.')[2]} over all its inputs")
            for column, role in passed.columns.items():
                expression = passed.step.projections.get(column)
                if role is Role.VALUE and expression is not None and not words.is_plain(expression):
                    text = f"{column} = {words.of(expression)}"
                    if text not in said:
                        said.append(text)
        return tuple(
            FormulaStep(name, self.models[name].description, tuple(formulas[name]), counts[name]) for name in by_model
        )

    def _facts(
        self, chain: Lineage, limit: int | None, archive: Archive | None
    ) -> tuple[list[Fact], list[Fact], dict[str, dict[str, int]]]:
        facts: list[Fact] = []
        rates: list[Fact] = []
        counts: dict[str, dict[str, int]] = {}
        for relation, rows in sorted(chain.rows.items()):
            if not lineage_of.is_of_facts(relation) or not rows:
                continue
            table = relation.partition(".")[2].removeprefix("stg_")
            counts[_label(relation)] = {
                role.name.lower(): sum(does is role for does in rows.values()) for role in Role
            }
            read = chain.columns.get(relation, {})
            made = self._fact_rows(relation, rows, read, limit)
            (rates if table == "reference_rate" else facts).extend(made)
        if archive is not None:
            known: dict[str, Path | str] = {}
            facts = [_with_cells(fact, archive, known) for fact in facts]
            rates = [_with_cells(fact, archive, known) for fact in rates]
        facts.sort(key=lambda fact: (fact.role != "value",))
        return facts, rates, counts

    def _fact_rows(
        self, relation: str, rows: dict[int, Role], read: dict[str, Role], limit: int | None
    ) -> list[Fact]:
        rules = lake.contract(relation.partition(".")[2].removeprefix("stg_"))
        names = [column.name for column in rules.columns]
        weight = next((name for name in _WEIGHTS if name in names), None)
        order = f"abs({weight}) desc nulls last" if weight else "1"
        units = [name for name in _UNITS if name in names]
        found = _records(
            self._connection,
            f"select t.*, given.role as __role from {self.relations[relation]} as t "
            "join (select unnest(?::bigint[]) as rid, unnest(?::tinyint[]) as role) as given on given.rid = t.rowid "
            f"order by __role, {order}, t.rowid" + (f" limit {limit}" if limit is not None else ""),
            [list(rows), [int(role) for role in rows.values()]],
        )
        shown = weight if weight and read.get(weight) is not None else None
        if shown is None:
            plain = [name for name in names if name in read and name not in rules.key and name not in _LINEAGE]
            shown = min(plain, key=lambda name: read[name]) if plain else weight
        return [
            Fact(
                table=_label(relation),
                role=Role(row["__role"]).name.lower(),
                key={name: row[name] for name in rules.key if row[name] is not None},
                value=row[shown] if shown else None,
                value_column=shown,
                unit=next((str(row[name]) for name in units if row[name] is not None), None)
                if shown == weight
                else None,
                status=row["status"],
                value_origin=row["value_origin"],
                source_code=row["source_code"],
                edition_id=row["edition_id"],
                published_on=row["published_on"],
                file_sha256=row["file_sha256"],
                locator=row["locator"],
                document_url=row["document_url"],
                note=row["note"],
            )
            for row in found
        ]

    def _decisions(self, chain: Lineage, limit: int | None) -> tuple[list[Decision], dict[str, int]]:
        decisions, counts = [], {}
        for relation, rows in sorted(chain.rows.items()):
            if not relation.startswith("vocabulary.") or not rows:
                continue
            counts[relation] = len(rows)
            wanted = sorted(rows)[:limit] if limit is not None else sorted(rows)
            found = _records(
                self._connection,
                f"select * from {self.relations[relation]} where rowid in (select unnest(?::bigint[])) "
                "order by rowid",
                [wanted],
            )
            decisions += [Decision(relation, {k: v for k, v in row.items() if v is not None}) for row in found]
        return decisions, counts

    def _sources_of(self, chain: Lineage) -> set[str]:
        codes: set[str] = set()
        for relation, rows in chain.rows.items():
            if lineage_of.is_of_facts(relation) and rows:
                codes |= {
                    code
                    for (code,) in self._connection.execute(
                        f"select distinct source_code from {self.relations[relation]} "
                        "where rowid in (select unnest(?::bigint[]))",
                        [list(rows)],
                    ).fetchall()
                }
        return codes

    def _source_records(self, codes: Sequence[str]) -> list[dict[str, Any]]:
        return _records(
            self._release,
            "select source_code, publisher, title, landing_page, licence_name, licence_url, redistribution, citation "
            "from catalog.sources where source_code in (select unnest(?)) order by 1",
            [list(codes)],
        )


@contextmanager
def open_workbench(directory: Path, settings: Settings | None = None) -> Iterator[Workbench]:
    """A workbench over the release in a directory: in memory, the release read-only, nothing else within reach.

    Raises ExplainError for a release that was made before releases carried their models.
    """
    limits = settings or Settings.from_env()
    database = directory.resolve() / reader.DATABASE
    connection = duckdb.connect(
        config={
            # Sums are taken in one order, as when the release was made.
            "threads": 1,
            "memory_limit": limits.memory_limit,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        path = str(database).replace("'", "''")
        connection.execute(f"attach '{path}' as release (read_only)")
        reader.reach_facts(connection, directory.resolve())
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        known = connection.execute(
            "select count(*) from duckdb_tables() where database_name = 'release' and schema_name = 'catalog' "
            "and table_name = 'models'"
        ).fetchall()
        if known == [(0,)]:
            raise ExplainError(
                "the release does not carry its models",
                file=str(directory),
                remedy="It was made by an earlier version; make a new one: biopharma run.",
            )
        with reader.open_release(directory) as published:
            yield Workbench(directory, connection, published, limits)
    finally:
        connection.close()


def explain(
    settings: Settings,
    mart: str,
    column: str,
    where: str | None = None,
    *,
    release_id: str | None = None,
    show_all: bool = False,
) -> Explanation:
    """The chain behind one figure of a published mart, with the cells of the facts that are shown.

    `where` selects one row of the mart; it is evaluated on a connection that can only read the release. Raises
    ExplainError for an unknown mart or column, or where the condition selects no row or several.
    """
    directory = reader.release_dir(settings, release_id)
    with open_workbench(directory, settings) as bench:
        return bench.explain(
            mart.removeprefix("marts."),
            column,
            where,
            archive=Archive(settings.archive),
            limit=None if show_all else SHOWN,
        )


def _label(relation: str) -> str:
    """What rows of a canonical table are called: as they are published, or `lake` for those of all editions."""
    schema, _, table = relation.partition(".")
    return f"facts.{table.removeprefix('stg_')}" if schema == "staging" else f"lake.{table}"


def _unit(row: Mapping[str, Any], stated: str | None) -> str | None:
    """Unit of a figure: the dictionary's or, where that names columns of the row that hold texts, what these say."""
    unit, passed = stated, set[str]()
    while unit is not None and unit not in passed and isinstance(said := row.get(unit), str):
        passed.add(unit)
        unit = said
    return unit


def _is_figure(value: Any, made: Sequence[Any]) -> bool:
    return len(made) == 1 and again.is_same(value, made[0])


def _condition(where: str | None) -> str:
    if where is None or not where.strip():
        return "true"
    try:
        parsed = sqlglot.parse_one(where, dialect="duckdb", into=sqlglot.exp.Condition)
    except sqlglot.errors.SqlglotError as error:
        raise ExplainError(
            f"the condition is no expression: {where}",
            remedy="Write it as after WHERE in SQL, for example: country_iso3 = 'JPN' and year = 2019.",
        ) from error
    return f"({parsed.sql('duckdb')})"


def _with_cells(fact: Fact, archive: Archive, known: dict[str, Path | str]) -> Fact:
    """The fact with the text of its cells, or with the reason why there is none."""
    from dataclasses import replace

    if fact.value_origin == "transcribed":
        return replace(fact, cell_note="typed by hand from the document: open it at the place that the locator names")
    if fact.file_sha256 not in known:
        known[fact.file_sha256] = _archived(fact, archive)
    path = known[fact.file_sha256]
    if isinstance(path, str):
        return replace(fact, cell_note=path)
    try:
        read = cells.read(path, fact.locator, source_code=fact.source_code)
    except IngestError as error:
        return replace(fact, cell_note=error.text)
    return replace(fact, cells=tuple(read))


def _archived(fact: Fact, archive: Archive) -> Path | str:
    """Path of the publisher's file in the archive, its hash checked, or why it is not there."""
    if archive.find(fact.file_sha256) is None:
        if fact.edition_id.endswith("+bundled"):
            return "not in the archive: the row came with the bundled edition, which holds rows and no files"
        return "not in the archive: the file was archived elsewhere, or removed"
    try:
        return archive.get(fact.source_code, fact.file_sha256).path
    except IngestError as error:
        return error.text


def _records(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    result = connection.execute(query, list(parameters))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _one(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
    rows = connection.execute(query, list(parameters)).fetchall()
    return rows[0] if rows else (None, None)
