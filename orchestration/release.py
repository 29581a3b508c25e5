"""A release: a numbered, immutable directory, built aside, verified, and switched to in one step.

    releases/0004/warehouse.duckdb    schemas marts, facts, vocabulary, quality, catalog; every column described
                  parquet/<mart>.parquet
                  facts/<table>/      facts of a table of millions of rows, which the database has as a view of them
                  dictionary/         every table, column, definition and source, as a page and as JSON
                  manifest.json       inputs, licences, engines, and the SHA-256 of every other file
                  notes.md            what is new, what was revised, what is known to be wrong
                  diff.json           what differs from the release before it, mart by mart
                  data_docs/          the expectations as pages
                  dbt_docs/           the models, their SQL and their graph as one page
                  briefing/           charts, tables and statements as pages, in English and Japanese
    current -> releases/0004

A release is built in a hidden directory and renamed when it has verified; then the link is replaced. Whatever
happens in between, `current` names a whole release: the old one or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from ingest.archive import write_atomically
from ingest.settings import Settings
from orchestration import dictionary, dictionary_page, differences, lineage, model_docs, reader
from orchestration import fingerprint as inputs
from orchestration.briefing import charts, site
from orchestration.catalog import OWN_TABLES, RELATIONS, SCHEMAS
from orchestration.errors import ExplainError, ReleaseError, as_storage_error
from orchestration.text import rows_text

STORAGE_VERSION = "v1.0.0"
MANIFEST = "manifest.json"
NOTES = "notes.md"
DIFF = "diff.json"

# Facts of more rows than this are not copied into the database: the lake's own files are published, by a second name
# on the disk, and the database has a view of them. A copy in order would take longer than everything before it.
LARGE_ROWS = 5_000_000

_EXAMPLES = 3
# Bytes of a work file from which on it pays to try this way of packing texts on every column: below, the trial takes
# half of the time in which a release is written, and the file is no smaller for it.
_LARGE = 500_000_000
_RELATION = re.compile(r"(?:from|join)\s+((?:marts|facts|vocabulary|quality|catalog)\.\w+)")
# The highest number of a release that is taken where releases are shared with other machines.
_RESERVED = "taken_elsewhere"
_STALE_TEMPORARY = ".*.tmp-*"
# Columns that say when a row is about, by preference.
_PERIOD_COLUMNS = ("period_start", "period_end", "listed_on", "deal_on")


@dataclass(frozen=True)
class Release:
    """A release on disk, with its manifest."""

    path: Path
    manifest: dict[str, Any] = field(repr=False)

    @property
    def release_id(self) -> str:
        """Its number, four digits."""
        return self.path.name

    @property
    def fingerprint(self) -> str:
        """Digest of everything that it was made from."""
        return str(self.manifest["fingerprint"])

    @property
    def as_of(self) -> str | None:
        """Day up to which publications were taken, or None for all."""
        value: str | None = self.manifest["as_of"]
        return value


@dataclass(frozen=True)
class Content:
    """What is to be published: the work file's build, and where the results of its checks are.

    `checks` maps the stages lake and marts to Parquet files of expectation results, and models to one of dbt's;
    `code` is the Parquet file of the models as they were run.
    """

    build_id: str
    fingerprint: str
    as_of: date | None
    checks: dict[str, Path]
    code: Path
    data_docs: Path
    model_docs: Path | None = None


def make(settings: Settings, content: Content, *, progress: Callable[[str], None] = lambda at: None) -> Release:
    """Publish the work file as the next release and switch to it; returns the release.

    A release made as of a past day is kept beside the others but not switched to. Raises ReleaseError where the
    work file is another than said, a published table or column has no description, one of the release before it is
    gone without having been announced, a public release holds figures that may not be passed on, or the release
    does not verify. Until the last step, and if any of them fails, the current release is the one before.
    """
    settings.releases.mkdir(parents=True, exist_ok=True)
    for leftover in settings.releases.glob(_STALE_TEMPORARY):
        shutil.rmtree(leftover)
    previous = current(settings)
    highest = max((int(r.release_id) for r in list_releases(settings)), default=0)
    release_id = f"{max(highest, _reserved(settings)) + 1:04d}"
    directory = settings.releases / release_id
    building = settings.releases / f".{release_id}.tmp-{os.getpid()}"
    created_at = datetime.now(UTC).replace(microsecond=0)
    drawings = charts.Drawings(settings.work / "drawings.json")
    try:
        building.mkdir()
        _reached("begun", progress)
        with site.drawing_thread(drawings) as drawing, ThreadPoolExecutor(1, "briefing pages") as paging:
            with _building_connection(settings, content, building) as connection:
                connection.begin()
                _copy_tables(connection, content)
                _publish_facts(connection, settings, building)
                _reached("tables", progress)
                _write_catalog(connection, release_id, created_at, content, previous)
                _write_lineage(connection, settings)
                _describe(connection, settings)
                connection.commit()
                _create_macros(connection, settings)
                _refuse_restricted(connection, settings)
                # What is published stands. DuckDB compares and writes it while Python makes pages of it.
                briefing = paging.submit(_read_briefing, connection, drawing)
                pages = paging.submit(lambda: site.write_pages(briefing.result(), building / site.FOLDER))
                try:
                    diff = _difference(connection, previous)
                    _reached("catalog", progress)
                    _write_parquet(connection, building / "parquet")
                    _reached("parquet", progress)
                    described = dictionary.content(connection)
                    manifest = _manifest(connection, settings, content, previous, (release_id, created_at))
                    notes = _notes(connection, manifest, previous, diff, created_at.date())
                finally:
                    # A database that is still read is not closed.
                    wait([briefing])
                connection.execute("checkpoint published")
            dictionary_page.write(building / dictionary_page.FOLDER, described, SCHEMAS)
            (building / NOTES).write_text(notes, encoding="utf-8")
            if diff is not None:
                compared = {"earlier": previous.release_id if previous else None, "later": release_id}
                _write_json(building / DIFF, {**compared, **differences.as_json(diff)})
            if content.data_docs.is_dir():
                shutil.copytree(content.data_docs, building / "data_docs", copy_function=shutil.copyfile)
            model_docs.copy(content.model_docs, building / "dbt_docs")
            pages.result()
        _reached("documents", progress)
        manifest["files"] = _checksums(building)
        _write_json(building / MANIFEST, manifest)
        _reached("manifest", progress)
        verify(building)
        _seal(building)
        _reached("verified", progress)
        building.rename(directory)
        _sync(settings.releases)
        _reached("renamed", progress)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    if content.as_of is None:
        switch(settings, directory)
        _reached("switched", progress)
    drawings.keep()
    return read(directory)


def switch(settings: Settings, directory: Path) -> None:
    """Make a release the current one, in one step: readers see the old one or the new one."""
    link = settings.home / f".{settings.current.name}.tmp-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(directory.relative_to(settings.home))
    link.replace(settings.current)
    _sync(settings.home)


def reserve(settings: Settings, number: int) -> None:
    """Number what is made next after a number that is taken elsewhere."""
    if number > _reserved(settings):
        settings.releases.mkdir(parents=True, exist_ok=True)
        write_atomically(settings.releases / _RESERVED, str(number).encode())


def _reserved(settings: Settings) -> int:
    path = settings.releases / _RESERVED
    return int(path.read_text()) if path.exists() else 0


def read(directory: Path) -> Release:
    """The release in a directory; raises ReleaseError where it has no readable manifest."""
    path = directory / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in ("fingerprint", "as_of", "files", "tables") if key not in manifest]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")  # noqa: TRY301
    except (OSError, ValueError) as error:
        raise ReleaseError(
            f"the manifest cannot be read ({error})",
            file=str(path),
            remedy="Make a new release: biopharma run --force.",
        ) from error
    return Release(directory.resolve(), manifest)


def list_releases(settings: Settings) -> list[Release]:
    """All releases with a readable manifest, oldest first."""
    found = []
    for path in sorted(settings.releases.glob("[0-9]*")):
        try:
            found.append(read(path))
        except ReleaseError:
            # Its number stays taken; verify names the reason to whoever asks for it.
            found.append(Release(path.resolve(), {"fingerprint": "", "as_of": None, "files": {}, "tables": {}}))
    return found


def current(settings: Settings) -> Release | None:
    """The current release, or None if there is none that can be read."""
    if not settings.current.is_symlink():
        return None
    try:
        return read(settings.current.resolve())
    except ReleaseError:
        return None


def standing_for(settings: Settings, fingerprint: str) -> Release | None:
    """The newest release with this fingerprint that verifies, made current unless it is as of a past day.

    A run that died after it had built a release, and before it had switched to it, is completed that way. A release
    that was withdrawn is not switched back to.
    """
    from orchestration.retention import withdrawals

    withdrawn = withdrawals(settings)
    for candidate in reversed(list_releases(settings)):
        if candidate.fingerprint != fingerprint:
            continue
        try:
            verify(candidate.path)
        except ReleaseError:
            continue
        now = current(settings)
        if candidate.release_id in withdrawn:
            return candidate
        if candidate.as_of is None and (now is None or now.path != candidate.path):
            switch(settings, candidate.path)
        return candidate
    return None


def verify(directory: Path) -> None:
    """Check a release against its manifest and open it as a reader would; raises ReleaseError with what is wrong.

    Every file has its checksum and no other file is there, every table its rows, every mart its Parquet file, and
    every published table and column a description.
    """
    manifest = read(directory).manifest
    expected: dict[str, Any] = manifest["files"]
    found = {p.relative_to(directory).as_posix(): p for p in directory.rglob("*") if p.is_file()}
    found.pop(MANIFEST, None)
    problems = [f"{name} is missing" for name in sorted(set(expected) - set(found))]
    problems += [f"{name} does not belong to it" for name in sorted(set(found) - set(expected))]
    problems += [
        f"{name} was changed"
        for name in sorted(set(expected) & set(found))
        if _sha256(found[name]) != expected[name]["sha256"]
    ]
    if not problems:
        problems += _verify_database(directory, manifest)
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise ReleaseError(
            f"the release does not verify: {'; '.join(problems[:5])}{more}",
            file=str(directory),
            remedy="Nothing was switched to it; make a new one: biopharma run --force.",
        )


def _verify_database(directory: Path, manifest: dict[str, Any]) -> list[str]:
    problems = []
    try:
        with reader.open_release(directory) as connection:
            counts = _row_counts(connection)
            problems += [
                f"{name} has {counts.get(name, 'no')} rows, not {rows}"
                for name, rows in manifest["tables"].items()
                if counts.get(name) != rows
            ]
            problems += [f"{name} is not in the manifest" for name in counts if name not in manifest["tables"]]
            problems += [f"{name} has no description" for name in _undescribed(connection)]
            marts = [name.removeprefix("marts.") for name in counts if name.startswith("marts.")]
    except duckdb.Error as error:
        return [f"the database cannot be read ({error})"]
    if not marts:
        problems.append("it has no marts")
    problems += [f"mart {n} has no Parquet file" for n in marts if f"parquet/{n}.parquet" not in manifest["files"]]
    return problems


def _row_counts(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> dict[str, int]:
    """Rows of every table, counted in one query."""
    prefix = f"{database}." if database else ""
    names = [f"{schema}.{table}" for schema, table in _tables(connection, database)]
    query = " union all ".join(f"select '{name}', count(*) from {prefix}{name}" for name in names)
    counts = dict(connection.execute(query).fetchall()) if names else {}
    return {name: counts[name] for name in names}


@contextmanager
def _building_connection(settings: Settings, content: Content, building: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    from ingest import workfile

    try:
        connection = workfile.connect(settings.work_file, settings)
    except duckdb.Error as error:
        raise as_storage_error(error) or ReleaseError(
            f"the work file cannot be opened ({error})",
            file=str(settings.work_file),
            remedy="It is made anew by a run: biopharma run --force.",
        ) from error
    try:
        found = connection.execute("select build_id from run.build").fetchall()
        if found != [(content.build_id,)]:
            raise ReleaseError(
                "the work file is of another run than the checks", remedy="Run again: biopharma run --force."
            )
        if settings.work_file.stat().st_size < _LARGE:
            connection.execute("set disabled_compression_methods = 'fsst'")
        # Rows are published in a fixed order, so that the same figures give the same Parquet bytes.
        connection.execute("set preserve_insertion_order = true")
        connection.execute(
            f"attach '{_quoted(building / reader.DATABASE)}' as published (storage_version '{STORAGE_VERSION}')"
        )
        for schema in SCHEMAS:
            connection.execute(f"create schema published.{schema}")
        yield connection
    except duckdb.Error as error:
        raise as_storage_error(error) or ReleaseError(
            f"the work file cannot be read, or the release cannot be written ({error})",
            file=str(settings.work_file),
            remedy="Run again, which makes the work file anew: biopharma run --force.",
        ) from error
    finally:
        connection.close()


def _copy_tables(connection: duckdb.DuckDBPyConnection, content: Content) -> None:
    def copy(target: str, query: str) -> None:
        connection.execute(f"create table published.{target} as select * from ({query}) order by all")

    for table in _work_relations(connection, "marts"):
        copy(f"marts.{table}", f"select * from marts.{table}")
    for table in _work_relations(connection, "vocabulary"):
        copy(f"vocabulary.{table}", f"select * from vocabulary.{table}")
    for table in _work_relations(connection, "quality"):
        copy(f"quality.{table}", f"select * from quality.{table}")
    for table in ("edition", "file_account", "quarantine"):
        copy(f"quality.{table}", f"select * from lake.{table}")
    results = ", ".join(f"'{_quoted(content.checks[stage])}'" for stage in ("lake", "marts"))
    copy("quality.expectation_result", f"select * from read_parquet([{results}])")
    copy(
        "quality.model_test", f"select * from read_parquet('{_quoted(content.checks['models'])}') where kind = 'test'"
    )
    copy("catalog.models", f"select * from read_parquet('{_quoted(content.code)}')")


def _publish_facts(connection: duckdb.DuckDBPyConnection, settings: Settings, building: Path) -> None:
    """Facts as tables in a fixed order, or, where they are many, as the files that hold them and a view."""
    for relation, table in _fact_tables(connection).items():
        if _one(connection, f"select count(*) from staging.{relation}") <= LARGE_ROWS:
            connection.execute(
                f"create table published.facts.{table} as select * from staging.{relation} order by all"
            )
            continue
        folder = building / reader.FACTS / table
        folder.mkdir(parents=True)
        names = []
        for file in _latest_files(connection, settings, table):
            # By what they hold: DuckDB looks in the reader's own folder first, which may be another release.
            names.append(f"{reader.FACTS}/{table}/{_sha256(file)}.parquet")
            _link(file, building / names[-1])
        # The files are named from the folder of the database, wherever it is read.
        connection.execute(f"set global file_search_path = '{_quoted(building)}'")
        connection.execute(
            f"create view published.facts.{table} as select * from read_parquet("
            f"[{', '.join(_literal(name) for name in names)}], hive_partitioning = false)"
        )


def _latest_files(connection: duckdb.DuckDBPyConnection, settings: Settings, table: str) -> list[Path]:
    """Files of the editions of a canonical table that are the latest ones in the work file."""
    from ingest import workfile

    rows = connection.execute(
        "select source_code || ' ' || edition_id from lake.edition where table_name = ? and is_latest", [table]
    ).fetchall()
    return workfile.files_of(settings, workfile.editions_named(settings, {name for (name,) in rows}), table)


def _link(file: Path, target: Path) -> None:
    """Give a file of the lake, which is never written again, a second name; a copy where a disk cannot."""
    try:
        target.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, target)


def _work_relations(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    rows = connection.execute(
        "select table_name from information_schema.tables "
        "where table_catalog = current_database() and table_schema = ? order by 1",
        [schema],
    ).fetchall()
    return [row[0] for row in rows]


def _fact_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Staging relations of canonical tables, each with the table's name."""
    from ingest import lake

    known = {f"stg_{name}": name for name in lake.contracts()}
    return {name: known[name] for name in _work_relations(connection, "staging") if name in known}


def _write_catalog(
    connection: duckdb.DuckDBPyConnection,
    release_id: str,
    created_at: datetime,
    content: Content,
    previous: Release | None,
) -> None:
    connection.execute(
        "create table published.catalog.release as select cast(? as varchar) as release_id, "
        "cast(? as timestamp with time zone) as created_at, cast(? as date) as as_of, "
        "cast(? as varchar) as previous_release_id, cast(? as varchar) as fingerprint, "
        "cast(? as varchar) as duckdb_version",
        [
            release_id,
            created_at,
            content.as_of,
            previous.release_id if previous else None,
            content.fingerprint,
            inputs.engines()["duckdb"],
        ],
    )
    connection.execute(_sources_query(connection))
    connection.execute(
        "create table published.catalog.columns (schema_name varchar, table_name varchar, column_name varchar, "
        "position integer, data_type varchar, unit varchar, allowed_values varchar, description varchar)"
    )
    connection.execute(
        "create table published.catalog.tables (schema_name varchar, table_name varchar, description varchar, "
        "row_count bigint, column_count bigint, last_data_year bigint, theme varchar, key_columns varchar, "
        "source_codes varchar, licences varchar, definition_ids varchar, example_sql varchar)"
    )


def _write_lineage(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """From which columns every column of a model follows: by which formula, down to facts, and up to publishers."""
    models = _records(connection, "from published.catalog.models order by all")
    followed = lineage.of_models(settings, models, lineage.read_by_models(connection))
    if followed.unresolved:
        raise ExplainError(followed.unresolved[0], remedy="No figure that rests on it could be explained.")
    published = lineage.published_names(connection, "published")
    connection.execute(
        "create table published.catalog.lineage (relation_name varchar, column_name varchar, formula varchar, "
        "value_columns varchar, condition_columns varchar)"
    )
    _insert(
        connection,
        "catalog.lineage",
        [
            (
                line.relation,
                line.column,
                line.formula,
                *(
                    ",".join(sorted(_published_column(column, published) for column in part))
                    for part in (line.values, line.conditions)
                ),
            )
            for line in followed.columns
            # Views of staging are published as facts.
            if not line.relation.startswith("staging.")
        ],
    )
    dictionary.write_lineage(connection, followed)


def _published_column(column: str, published: dict[str, str]) -> str:
    relation, _, name = column.rpartition(".")
    return f"{published.get(relation, relation)}.{name}"


def _sources_query(connection: duckdb.DuckDBPyConnection) -> str:
    """Statement that makes catalog.sources: the sources as described, with what the release holds of them."""
    counted = []
    for table, names in _columns(connection, "facts").items():
        dated = [name for name in _PERIOD_COLUMNS if name in names] or ["published_on"]
        counted.append(
            f"select source_code, year(coalesce({', '.join(dated)})) as data_year from published.facts.{table}"
        )
    rows = " union all ".join(counted) or "select null::varchar as source_code, null::bigint as data_year"
    return f"""
        create table published.catalog.sources as
        with facts as (
            select source_code, count(*) as row_count, min(data_year) as first_data_year,
                max(data_year) as last_data_year
            from ({rows}) group by source_code
        ),
        editions as (
            select source_code, count(distinct edition_id) as edition_count
            from published.quality.edition group by source_code
        ),
        latest as (
            select source_code, edition_id as latest_edition_id, published_on, is_bundled
            from published.quality.edition where is_latest
            qualify row_number() over (
                partition by source_code order by published_on desc, is_bundled, edition_id desc
            ) = 1
        ),
        quarantined as (
            select source_code, count(*) as quarantined_row_count
            from published.quality.quarantine group by source_code
        )
        select source.*, coalesce(edition_count, 0) as edition_count, latest_edition_id, published_on, is_bundled,
            coalesce(row_count, 0) as row_count, cast(first_data_year as bigint) as first_data_year,
            cast(last_data_year as bigint) as last_data_year,
            coalesce(quarantined_row_count, 0) as quarantined_row_count
        from lake.source as source
        left join facts using (source_code)
        left join editions using (source_code)
        left join latest using (source_code)
        left join quarantined using (source_code)
        order by source_code"""


@dataclass
class _ColumnText:
    description: str | None
    unit: str | None = None
    allowed: str | None = None


def _texts(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], tuple[str | None, dict[str, _ColumnText]]]:
    """Descriptions of every published table: from dbt, the contracts, the vocabulary, and the catalogue here."""
    from ingest import lake, vocabulary

    commented = _work_comments(connection)
    texts: dict[tuple[str, str], tuple[str | None, dict[str, _ColumnText]]] = {}
    for schema in ("marts", "quality"):
        for table in _work_relations(connection, schema):
            text, columns = commented[schema, table]
            texts[schema, table] = (text, {name: _ColumnText(comment) for name, comment in columns.items()})
    for relation, table in _fact_tables(connection).items():
        rules = lake.contract(table)
        text, columns = commented["staging", relation]
        known = {
            c.name: _ColumnText(c.description, c.unit, ", ".join(c.allowed) if c.allowed else None)
            for c in rules.columns
        }
        added = {name: _ColumnText(comment) for name, comment in columns.items() if name not in known}
        texts["facts", table] = (text or rules.description, known | added)
    for name, spec in vocabulary.tables().items():
        texts["vocabulary", name] = (
            f"{spec.title}. {spec.description}",
            {
                column: _ColumnText(
                    entry.get("description"), entry.get("unit"), ", ".join(entry.get("allowed", [])) or None
                )
                for column, entry in spec.columns.items()
            },
        )
    for key, described in OWN_TABLES.items():
        texts[key] = (described.text, {name: _ColumnText(text) for name, text in described.columns.items()})
    return texts


def _work_comments(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], tuple[str | None, dict[str, str | None]]]:
    found: dict[tuple[str, str], tuple[str | None, dict[str, str | None]]] = {}
    relations = connection.execute(
        f"select schema_name, table_name, comment from {RELATIONS} where database_name = current_database()"
    ).fetchall()
    for schema, table, comment in relations:
        found[schema, table] = (comment, {})
    columns = connection.execute(
        "select schema_name, table_name, column_name, comment from duckdb_columns() "
        "where database_name = current_database()"
    ).fetchall()
    for schema, table, column, comment in columns:
        if (schema, table) in found:
            found[schema, table][1][column] = comment
    return found


def _describe(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Comment every published table and column, and fill catalog.tables and catalog.columns."""
    texts = _texts(connection)
    columns_of: dict[tuple[str, str], list[Any]] = {}
    undescribed = []
    for schema, table, column, position, data_type in connection.execute(
        "select schema_name, table_name, column_name, column_index, data_type from duckdb_columns() "
        "where database_name = 'published' order by schema_name, table_name, column_index"
    ).fetchall():
        text = texts.get((schema, table), (None, {}))[1].get(column) or _ColumnText(None)
        if not text.description:
            undescribed.append(f"{schema}.{table}.{column}")
        unit = text.unit or dictionary.unit_of(column, data_type, text.description or "")
        columns_of.setdefault((schema, table), []).append(
            (schema, table, column, position, data_type, unit, text.allowed, text.description)
        )
    undescribed += [f"{schema}.{table}" for schema, table in columns_of if not texts.get((schema, table), (None,))[0]]
    if undescribed:
        raise ReleaseError(
            f"{len(undescribed)} published tables or columns have no description: {', '.join(undescribed[:8])}",
            remedy="Describe them where they are defined (the dbt model's yml, contracts.yml, vocabulary.yml, "
            "orchestration/catalog.py).",
        )
    comments = []
    views = connection.execute(
        f"select schema_name, table_name from {RELATIONS} where database_name = 'published' and not is_table"
    ).fetchall()
    for (schema, table), columns in columns_of.items():
        kind = "view" if (schema, table) in views else "table"
        comments.append(f"comment on {kind} published.{schema}.{table} is {_literal(str(texts[schema, table][0]))}")
        comments += [
            f'comment on column published.{schema}.{table}."{column[2]}" is {_literal(str(column[7]))}'
            for column in columns
        ]
    connection.execute(";".join(comments))
    _insert(connection, "catalog.columns", [column for columns in columns_of.values() for column in columns])
    tables = []
    facts, counts = dictionary.of_tables(connection, settings), _row_counts(connection, "published")
    for (schema, table), columns in columns_of.items():
        has_year = any(column[2] == "last_data_year" for column in columns)
        # It holds a row of itself as well.
        rows = len(columns_of) if (schema, table) == ("catalog", "tables") else counts[f"{schema}.{table}"]
        year = _one(connection, f"select max(last_data_year) from published.{schema}.{table}") if has_year else None
        more = astuple(facts[schema, table])
        tables.append((schema, table, texts[schema, table][0], rows, len(columns), year, *more))
    _insert(connection, "catalog.tables", tables)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    import polars as pl

    schema, name = table.split(".")
    names = _columns(connection, schema)[name]
    connection.register("_rows", pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None))
    connection.execute(f"insert into published.{table} select * from _rows")
    connection.unregister("_rows")


def _undescribed(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        f"select schema_name || '.' || table_name from {RELATIONS} where coalesce(comment, '') = '' union all "
        "select schema_name || '.' || table_name || '.' || column_name from duckdb_columns() "
        "where not internal and coalesce(comment, '') = ''"
    ).fetchall()
    return [row[0] for row in rows]


def _read_briefing(connection: duckdb.DuckDBPyConnection, drawing: site.Drawing) -> site.Site:
    """What the briefing shows, read beside whatever else reads the database."""
    own = connection.cursor()
    try:
        own.execute(f"set search_path = '{','.join(f'published.{schema}' for schema in reader.SEARCHED)}'")
        return site.read(own, drawing)
    finally:
        own.close()


def _write_parquet(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write every mart, sorted, by one thread: how rows are grouped must not depend on how many there are."""
    folder.mkdir()
    threads = _one(connection, "select current_setting('threads')")
    connection.execute("set threads = 1")
    for schema, table in _tables(connection, "published"):
        if schema == "marts":
            connection.execute(
                f"copy (select * from published.marts.{table} order by all) "
                f"to '{_quoted(folder / f'{table}.parquet')}' (format parquet, compression zstd)"
            )
    connection.execute(f"set threads = {threads}")


def _manifest(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    content: Content,
    previous: Release | None,
    about: tuple[str, datetime],
) -> dict[str, Any]:
    release_id, created_at = about
    sources = _records(
        connection,
        "select source_code, title, publisher, landing_page, licence_name, licence_url, redistribution, citation, "
        "cadence, published_on, row_count, first_data_year, last_data_year from published.catalog.sources order by 1",
    )
    return {
        "release_id": release_id,
        "created_at": created_at.isoformat(),
        "as_of": content.as_of.isoformat() if content.as_of else None,
        "audience": settings.audience,
        "previous_release_id": previous.release_id if previous else None,
        # With its number it tells one line of releases from another, where several machines publish.
        "previous_manifest_sha256": _sha256(previous.path / MANIFEST) if previous else None,
        "fingerprint": content.fingerprint,
        "engines": inputs.engines(),
        "storage_version": STORAGE_VERSION,
        "tables": _row_counts(connection, "published"),
        "checks": _records(
            connection,
            "select stage, count(*) filter (success) as passed, "
            "count(*) filter (not success and severity = 'warn') as warned, "
            "count(*) filter (not success and severity = 'fail') as failed "
            "from published.quality.expectation_result group by stage order by stage",
        ),
        "editions": _editions(connection, settings),
        "sources": sources,
        "files": {},
    }


def _editions(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[dict[str, Any]]:
    """Editions behind the release, with the hashes of their files as their commit records have them."""
    from ingest import workfile

    latest = dict(
        connection.execute(
            "select source_code || ' ' || edition_id, bool_or(is_latest) from published.quality.edition group by 1"
        ).fetchall()
    )
    return [
        {
            "source_code": edition.source_code,
            "edition_id": edition.edition_id,
            "partition": edition.partition,
            "published_on": edition.published_on,
            "ingested_at": edition.ingested_at,
            "is_bundled": edition.is_bundled,
            "is_latest": latest[f"{edition.source_code} {edition.edition_id}"],
            "row_count": edition.row_count,
            "rows_quarantined": edition.rows_quarantined,
            "rows_dropped": edition.rows_dropped,
            "files": list(edition.files),
        }
        for edition in workfile.editions_named(settings, latest)
    ]


def _create_macros(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Put the table macros of the dbt project into the release, those whose tables are published."""
    text = (settings.dbt_project / "published" / "macros.sql").read_text(encoding="utf-8")
    names = {f"{schema}.{table}" for schema, table in _tables(connection, "published")}
    work = _one(connection, "select current_database()")
    connection.execute("use published")
    try:
        for statement in duckdb.extract_statements(text):
            used = set(_RELATION.findall(statement.query))
            if used <= names:
                connection.execute(statement)
    finally:
        connection.execute(f'use "{work}"')


def _refuse_restricted(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """A public release holds nothing of a source that may be read and not passed on."""
    if settings.audience != "public":
        return
    found = connection.execute(
        "select source_code from published.catalog.sources "
        "where redistribution = 'never' and row_count > 0 order by 1"
    ).fetchall()
    if found:
        raise ReleaseError(
            f"figures of {', '.join(code for (code,) in found)} may not be passed on",
            remedy="Run again for a public release, or set BIOPHARMA_AUDIENCE=private for your own use.",
        )


def _difference(connection: duckdb.DuckDBPyConnection, previous: Release | None) -> differences.ReleaseDiff | None:
    """What differs from the release before; None for the first, and where that one cannot be read.

    Raises ReleaseError where a published table or column is gone that no deprecation announced.
    """
    if previous is None:
        return None
    try:
        connection.execute(f"attach '{_quoted(previous.path / reader.DATABASE)}' as earlier (read_only)")
    except duckdb.Error:
        return None
    try:
        diff = differences.compare(connection, earlier="earlier", later="published")
    finally:
        connection.execute("detach earlier")
    missing = differences.unannounced(diff.schema, differences.deprecations())
    if missing:
        raise ReleaseError(
            f"{len(missing)} published tables or columns are gone or have another type: {', '.join(missing[:5])}",
            file=differences.DEPRECATIONS.name,
            remedy="Bring them back, or announce it there with the day, the reason and what replaces them.",
        )
    return diff


def _notes(
    connection: duckdb.DuckDBPyConnection,
    manifest: dict[str, Any],
    previous: Release | None,
    diff: differences.ReleaseDiff | None,
    today: date,
) -> str:
    """Release notes as Markdown, with the same heads in every release."""
    unread = "No earlier release to compare with." if previous is None else "The earlier release cannot be read."
    heads = {
        "New data": _new_editions(manifest, previous),
        "Revised data": _revised(diff) if diff else [unread],
        "Expanded coverage": _expanded(manifest, previous),
        "Definitions changed": [f"- {line}" for line in diff.definitions] if diff else [unread],
        "Schema changes": _schema_changes(diff.schema) if diff else [unread],
        "Known problems": _problems(connection, today),
        "Row counts": _count_lines(manifest, previous),
        "Sources and licences": [
            f"- `{s['source_code']}`: {s['publisher']}, {s['title']} ({s['licence_name']}; "
            f"redistribution: {s['redistribution']}). {s['citation']}"
            for s in manifest["sources"]
            if s["row_count"]
        ],
    }
    scope = f" as of {manifest['as_of']}: publications after that day are left out" if manifest["as_of"] else ""
    compared = f"Compared with release {previous.release_id}." if previous else "The first release."
    lines = [f"# Release {manifest['release_id']}", "", f"Made {manifest['created_at']}{scope}. {compared}"]
    if manifest["audience"] == "private":
        lines += ["", "**Private: it may hold figures that may not be passed on.**"]
    for head, content in heads.items():
        lines += ["", f"## {head}", "", *(content or ["None."])]
    return "\n".join(lines) + "\n"


def _new_editions(manifest: dict[str, Any], previous: Release | None) -> list[str]:
    known = (
        {(e["source_code"], e["edition_id"]) for e in previous.manifest.get("editions", [])} if previous else set()
    )
    return [
        f"- `{e['source_code']}` {e['edition_id']} ({e['partition']}), published {e['published_on']}: "
        f"{rows_text(e['row_count'])}" + ("" if e["is_latest"] else ", superseded by a later edition")
        for e in manifest["editions"]
        if (e["source_code"], e["edition_id"]) not in known
    ]


def _revised(diff: differences.ReleaseDiff) -> list[str]:
    """Rows of marts that came, went or changed, with examples, and statements whose evidence changed."""
    lines = []
    for headline in diff.headlines:
        lines.append(f"- Statement `{headline.claim_id}`: {headline.before or 'none'} -> {headline.after or 'none'}.")
    for table in diff.tables:
        lines.append(
            f"- `{table.table}`: {rows_text(table.added)} added, {rows_text(table.removed)} removed, "
            f"{rows_text(table.changed)} changed."
        )
        for change in table.examples[:_EXAMPLES]:
            key = ", ".join(f"{name} {value}" for name, value in change.key.items() if value is not None)
            lines.append(f"  - {key}: {change.column} {_short(change.before)} -> {_short(change.after)}")
    return lines


def _expanded(manifest: dict[str, Any], previous: Release | None) -> list[str]:
    """Sources that reach further back or forward, or came or went, against the release before."""
    before = {s["source_code"]: s for s in previous.manifest.get("sources", [])} if previous else {}
    lines = []
    for source in manifest["sources"]:
        code, old = source["source_code"], before.get(source["source_code"])
        had = old["row_count"] if old else 0
        span = f"{source['first_data_year']} to {source['last_data_year']}"
        if source["row_count"] and not had:
            lines.append(f"- `{code}`: {rows_text(source['row_count'])}, {span}.")
        elif had and not source["row_count"]:
            lines.append(f"- `{code}` has no rows any more.")
        elif old and (old["first_data_year"], old["last_data_year"]) != (
            source["first_data_year"],
            source["last_data_year"],
        ):
            lines.append(f"- `{code}`: {old['first_data_year']} to {old['last_data_year']} -> {span}.")
    return lines


def _schema_changes(schema: differences.SchemaDiff) -> list[str]:
    announced = differences.deprecations()
    lines = [f"- New: `{name}`." for name in schema.added]
    for name in schema.removed:
        entry = announced.get(name) or announced.get(".".join(name.split(".")[:2]))
        told = f": {entry.reason}" + (f" Use {entry.replacement}." if entry.replacement else "") if entry else "."
        lines.append(f"- Gone: `{name}`{told}")
    return lines + [f"- Another type: `{name}`." for name in schema.retyped]


def _short(value: Any, length: int = 60) -> str:
    text = f"{value:.7g}" if isinstance(value, float) else "null" if value is None else str(value)
    return text if len(text) <= length else text[: length - 1] + "…"


def _count_lines(manifest: dict[str, Any], previous: Release | None) -> list[str]:
    before = previous.manifest["tables"] if previous else {}
    lines = ["| table | rows | before |", "| --- | ---: | ---: |"]
    for name in sorted({*manifest["tables"], *before}):
        rows, old = manifest["tables"].get(name), before.get(name)
        lines.append(
            f"| {name} | {'not published' if rows is None else f'{rows:,}'} | {'-' if old is None else f'{old:,}'} |"
        )
    return lines


def _stale(connection: duckdb.DuckDBPyConnection, today: date) -> list[str]:
    """Sources whose newest edition is too old; where only some tables of a source are, these tables."""
    rows = connection.execute(
        """
        with newest as (
            select source_code, table_name, max(published_on) as published_on
            from published.quality.edition
            group by source_code, table_name
        ),
        aged as (
            select
                newest.*,
                sources.freshness_days,
                date_diff('day', newest.published_on, ?::date) as age,
                age > sources.freshness_days as is_stale,
                bool_and(is_stale) over (partition by newest.source_code) as is_whole
            from newest
            join published.catalog.sources as sources using (source_code)
        )
        select
            source_code,
            if(is_whole, '', ' in ' || string_agg('`' || table_name || '`', ', ' order by table_name)),
            max(published_on),
            min(age),
            any_value(freshness_days)
        from aged
        where is_stale
        group by source_code, is_whole, if(is_whole, null, published_on)
        order by all
        """,
        [today],
    ).fetchall()
    return [
        f"- `{code}` is stale{where}: published {day}, {age:,} days ago; expected every {limit:,} days."
        for code, where, day, age, limit in rows
    ]


def _problems(connection: duckdb.DuckDBPyConnection, today: date) -> list[str]:
    checks = connection.execute(
        "select check_id, table_schema || '.' || table_name, description, unexpected_count, exception "
        "from published.quality.expectation_result where not success order by 1"
    ).fetchall()
    tests = connection.execute(
        "select name, coalesce(table_name, 'several tables'), failures from published.quality.model_test "
        "where status <> 'pass' order by 1"
    ).fetchall()
    absent = connection.execute(
        "select source_code from published.catalog.sources where edition_count = 0 order by 1"
    ).fetchall()
    rejected = connection.execute(
        "select source_code, reason, count(*) from published.quality.quarantine group by all order by all"
    ).fetchall()
    reading_only = connection.execute(
        "select source_code from published.catalog.sources "
        "where redistribution = 'never' and row_count > 0 order by 1"
    ).fetchall()
    return [
        *(
            f"- Expectation `{check}` on {table} did not hold: {text}"
            + (f" ({exception})" if exception else f" ({rows_text(count)})" if count is not None else "")
            for check, table, text, count, exception in checks
        ),
        *(f"- Test `{name}` on {table} found {rows_text(failures)}." for name, table, failures in tests),
        *_stale(connection, today),
        *(f"- `{code}` has no edition in the lake." for (code,) in absent),
        *(f"- `{code}`: {rows_text(count)} in quarantine: {reason}" for code, reason, count in rejected),
        *(f"- `{code}` may be read but not passed on: do not share this release." for (code,) in reading_only),
    ]


def _reached(step: str, progress: Callable[[str], None]) -> None:
    """Mark that a step of making a release is behind; whatever fails after it must leave the current one whole."""
    progress(step)


def _tables(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> list[tuple[str, str]]:
    rows = connection.execute(
        f"select schema_name, table_name from {RELATIONS} "
        "where database_name = coalesce(?, current_database()) order by 1, 2",
        [database],
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def _columns(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, list[str]]:
    """Columns of every published table of a schema, in their order."""
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "select table_name, column_name from duckdb_columns() where database_name = 'published' and schema_name = ? "
        "order by table_name, column_index",
        [schema],
    ).fetchall():
        found.setdefault(table, []).append(column)
    return found


def _records(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query)
    names = [column[0] for column in result.description or []]
    return [
        {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in result.fetchall()
    ]


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    return connection.execute(query).fetchall()[0][0]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checksums(directory: Path) -> dict[str, dict[str, Any]]:
    return {
        path.relative_to(directory).as_posix(): {"sha256": _sha256(path), "bytes": path.stat().st_size}
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _seal(directory: Path) -> None:
    """Make every file read-only and put everything on disk, folders last."""
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_file():
            path.chmod(0o444)
        _sync(path)
    _sync(directory)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
