"""What the catalogue of a release says of its tables and columns, and from where.

Nothing is written here that stands elsewhere: keys and units come from the contracts, the vocabulary and the dbt
project, sources and definitions from the rows themselves, example queries from the documents whose answers the tests
check, and what a mart's column is made from, from the compiled models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from ingest import lake, vocabulary
from ingest.settings import PROJECT_ROOT, Settings
from ingest.source import discover
from orchestration import differences
from orchestration.lineage import Lineage

Table = tuple[str, str]

EXAMPLES = (PROJECT_ROOT / "README.md", PROJECT_ROOT / "docs" / "examples.md")

# How a column came about that a mart rests on; the words stand in catalog.source_to_mart.
READ, TYPED, RULE = "column", "document", "rule"

_QUERY = re.compile(r"```sql\n(.+?)\n```", re.DOTALL)
_STATED_UNIT = re.compile(r"\bUnit: ([^.]+)\.")
# What the name of a numeric column says of its unit: the first that fits holds.
_UNITS = tuple(
    (re.compile(pattern), unit)
    for pattern, unit in (
        (r"_usd_ppp_\d{4}$", "international USD (PPP), constant prices of the year in the name"),
        (r"_usd_ppp$", "international USD (PPP)"),
        (r"(^|_)lcu_per_usd$", "national currency for one USD"),
        (r"(^|_)jpy_per_usd$", "JPY for one USD"),
        (r"_usd$", "USD"),
        (r"_jpy$", "JPY"),
        (r"_eur$", "EUR"),
        (r"_lcu$", "national currency"),
        (r"_litres$", "litres"),
        (r"_kg$", "kg"),
        (r"_grams$", "g"),
        (r"_m2$", "square metres"),
        (r"(^|_)days$", "days"),
        (r"^seconds$", "seconds"),
        (r"(^|_)(cagr|loglinear)_|share_per_year$", "share per year (0.1 = 10 %)"),
        (r"growth_share$", "share (0.1 = 10 %)"),
        (r"(^|_)share(_|$)", "share (1 = 100 %)"),
        (r"(^|_)ratio(_|$)", "ratio"),
        (r"(^|_)year$", "year"),
        (r"(^|_)rank(_|$)", "rank (1 = first)"),
        (r"z_score$", "standard deviations"),
        (r"^n_|_count$|^row_count$|^file_count$|^failures$|^rows_", "count"),
    )
)
_NUMBERS = ("DOUBLE", "BIGINT", "INTEGER", "HUGEINT")


@dataclass(frozen=True)
class TableFacts:
    """What the catalogue says of a table beside its description and its size; lists are separated by commas."""

    theme: str | None
    key_columns: str | None
    source_codes: str | None
    licences: str | None
    definition_ids: str | None
    example_sql: str


def of_tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[Table, TableFacts]:
    """Theme, key, sources, licences, definitions and an example query of every table of database `published`."""
    names = _published(connection)
    licences = dict(connection.execute("select source_code, licence_name from published.catalog.sources").fetchall())
    themes, keys, examples = _themes(settings), keys_of_tables(), _examples()
    found = {}
    for (schema, table), held in names.items():
        codes = _distinct(connection, (schema, table), held, ("source_codes", "source_code"))
        definitions = _distinct(connection, (schema, table), held, ("definition_ids",))
        key = keys.get((schema, table), [])
        sources = [code for code in codes if code in licences]
        found[schema, table] = TableFacts(
            theme=themes.get(table) if schema == "marts" else None,
            key_columns=", ".join(key) or None,
            source_codes=", ".join(sources) or None,
            licences="; ".join(dict.fromkeys(licences[code] for code in sources)) or None,
            definition_ids=", ".join(definitions) or None,
            example_sql=examples.get(table) or f"select *\nfrom {schema}.{table}\nlimit 10",
        )
    return found


def unit_of(column: str, data_type: str, description: str) -> str | None:
    """The unit of a column: as its description states it, else as its name says; None where neither does."""
    if stated := _STATED_UNIT.search(description):
        return stated[1]
    if data_type not in _NUMBERS:
        return None
    return next((unit for pattern, unit in _UNITS if pattern.search(column)), None)


def keys_of_tables() -> dict[Table, list[str]]:
    """The columns that tell the rows of a table apart, where a contract, the vocabulary or a dbt test says so."""
    keys: dict[Table, list[str]] = {("facts", name): list(rules.key) for name, rules in lake.contracts().items()}
    keys |= {("vocabulary", name): list(table.key) for name, table in vocabulary.tables().items()}
    keys |= {("marts", name): list(key) for name, key in differences.mart_keys().items()}
    return keys


def write_lineage(connection: duckdb.DuckDBPyConnection, followed: Lineage) -> None:
    """Make catalog.column_lineage and catalog.source_to_mart in database `published`, from the models' lineage."""
    rows = [
        (schema, table, line.column, *_published_as(*origin[:2]), origin[2])
        for line in followed.columns
        if (schema := line.relation.partition(".")[0]) in {"marts", "quality"}
        and (table := line.relation.partition(".")[2])
        for origin in followed.bases(schema, table, line.column)
    ]
    lineage = ("schema_name", "table_name", "column_name", "origin_schema", "origin_table", "origin_column")
    _create(connection, "column_lineage", "select * from _rows order by all", _rows=_frame(rows, lineage))
    read = _frame(publisher_columns(), ("source_code", "origin_table", "origin_column", "publisher_column"))
    known = _frame(
        [(name, column) for name, rules in lake.contracts().items() for column in rules.own_columns],
        ("origin_table", "origin_column"),
    )
    curated = [code for code, source in discover().items() if source.spec.kind == "curated"]
    _create(
        connection,
        "source_to_mart",
        f"""
        with contributors as ({_contributors(connection)}),
        named as ({_named(connection)}),
        lineage as (
            select * from published.catalog.column_lineage where schema_name = 'marts' and origin_schema = 'facts'
        )
        select
            contributors.source_code,
            _read.publisher_column,
            lineage.origin_table as fact_table,
            lineage.origin_column as fact_column,
            lineage.table_name as mart_name,
            lineage.column_name as mart_column,
            case when _read.publisher_column is not null then '{READ}'
                when list_contains({curated!r}::varchar[], contributors.source_code) then '{TYPED}'
                else '{RULE}' end as origin_kind
        from lineage
        inner join contributors on contributors.origin_table = lineage.origin_table
        inner join named
            on named.table_name = lineage.table_name and named.source_code = contributors.source_code
        left join _known
            on _known.origin_table = lineage.origin_table and _known.origin_column = lineage.origin_column
        left join _read
            on _read.source_code = contributors.source_code
            and _read.origin_table = lineage.origin_table
            and _read.origin_column = lineage.origin_column
        where _known.origin_column is not null or _read.publisher_column is not null
        order by all""",
        _read=read,
        _known=known,
    )


def publisher_columns() -> list[tuple[str, str, str, str]]:
    """Source, canonical table, canonical column and the publisher's column behind it, as source.yml names them."""
    return [
        (code, table, column, name)
        for code, source in discover().items()
        for table, found in source.spec.columns.items()
        for column, names in found.items()
        for name in names
    ]


def content(connection: duckdb.DuckDBPyConnection, database: str = "published") -> dict[str, Any]:
    """The whole dictionary: release, schemas, tables with columns, definitions, sources with their columns."""

    def records(query: str) -> list[dict[str, Any]]:
        result = connection.execute(query)
        heads = [column[0] for column in result.description or []]
        return [dict(zip(heads, map(_plain, row), strict=True)) for row in result.fetchall()]

    catalog = f"{database}.catalog"
    found: dict[Table, list[dict[str, Any]]] = {}
    fed: dict[tuple[str, str], list[str]] = {}
    for row in connection.execute(
        f"""
        select mart_name, mart_column, source_code || case
            when count(publisher_column) > 0
                then ': ' || string_agg(distinct publisher_column, ', ' order by publisher_column)
            when bool_or(origin_kind = 'document') then ' (typed from documents)'
            else ' (set in reading)' end
        from {catalog}.source_to_mart
        group by mart_name, mart_column, source_code, fact_table
        order by all"""
    ).fetchall():
        texts = fed.setdefault((row[0], row[1]), [])
        if row[2] not in texts:
            texts.append(row[2])
    for column in records(
        "select schema_name, table_name, column_name as name, data_type as type, unit, allowed_values, description "
        f"from {catalog}.columns order by schema_name, table_name, position"
    ):
        schema, table = column.pop("schema_name"), column.pop("table_name")
        if schema == "marts" and (table, column["name"]) in fed:
            column["read_from"] = fed[table, column["name"]]
        found.setdefault((schema, table), []).append({k: v for k, v in column.items() if v is not None})
    tables = []
    for entry in records(f"select * from {catalog}.tables order by schema_name, table_name"):
        name = entry.pop("schema_name"), entry.pop("table_name")
        known = {key: value for key, value in entry.items() if value is not None}
        tables.append({"schema": name[0], "table": name[1], **known, "columns": found[name]})
    names = set(_published(connection, database))
    return {
        "release": records(f"select * from {catalog}.release")[0],
        "tables": tables,
        "definitions": records(f"select * from {database}.vocabulary.definition order by definition_id")
        if ("vocabulary", "definition") in names
        else [],
        "sources": records(f"select * from {catalog}.sources order by source_code"),
        "publisher_columns": records(
            f"""
            select source_code, publisher_column,
                string_agg(distinct fact_table || '.' || fact_column, ', ' order by fact_table || '.' || fact_column)
                    as facts,
                string_agg(distinct mart_name, ', ' order by mart_name) as marts
            from {catalog}.source_to_mart
            where publisher_column is not null
            group by all
            order by all"""
        ),
    }


def _published_as(schema: str, table: str) -> Table:
    """Where a table of the work file stands in a release."""
    if schema != "lake":
        return schema, table
    if table == "source":
        return "catalog", "sources"
    # What the lake holds beside canonical rows is the record of what was loaded.
    return ("facts" if table in lake.contracts() else "quality"), table


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _published(connection: duckdb.DuckDBPyConnection, database: str = "published") -> dict[Table, list[str]]:
    names: dict[Table, list[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = ? "
        "order by schema_name, table_name, column_index",
        [database],
    ).fetchall():
        names.setdefault((schema, table), []).append(column)
    return names


def _distinct(
    connection: duckdb.DuckDBPyConnection, table: Table, held: Iterable[str], candidates: Iterable[str]
) -> list[str]:
    """Values of the first of some columns that a table has; a cell may hold several, separated by commas."""
    name = next((candidate for candidate in candidates if candidate in set(held)), None)
    if name is None:
        return []
    rows = connection.execute(
        f"select distinct trim(item) from (select unnest(string_split({name}, ',')) as item "
        f"from (select distinct {name} from published.{table[0]}.{table[1]} where {name} is not null)) order by 1"
    ).fetchall()
    return [row[0] for row in rows if row[0]]


def _contributors(connection: duckdb.DuckDBPyConnection) -> str:
    """Query for the sources that have rows in a table of schema facts."""
    parts = [
        f"select distinct '{table}' as origin_table, source_code from published.facts.{table}"
        for schema, table in _published(connection)
        if schema == "facts"
    ]
    return (
        " union all ".join(parts) or "select null::varchar as origin_table, null::varchar as source_code where false"
    )


def _named(connection: duckdb.DuckDBPyConnection) -> str:
    """Query for the sources that the rows of a mart name."""
    parts = [
        f"select distinct '{table}' as table_name, trim(unnest(string_split(source_codes, ','))) as source_code "
        f"from published.marts.{table}"
        for (schema, table), held in _published(connection).items()
        if schema == "marts" and "source_codes" in held
    ]
    return " union all ".join(parts) or "select '' as table_name, '' as source_code where false"


def _themes(settings: Settings) -> dict[str, str]:
    """Theme of each mart: the folder of its model."""
    folder = settings.dbt_project / "models" / "marts"
    return {path.stem: path.parent.name for path in folder.glob("*/*.sql")}


def _examples() -> dict[str, str]:
    """For each mart the first documented query on it; where it is the only table, before others."""
    queries = [
        found for path in EXAMPLES if path.exists() for found in _QUERY.findall(_text(path)) if "mart_" in found
    ]
    chosen: dict[str, str] = {}
    for alone in (True, False):
        for query in queries:
            marts = dict.fromkeys(re.findall(r"\b(mart_\w+)", query))
            for mart in marts:
                if (len(marts) == 1) == alone:
                    chosen.setdefault(mart, query)
    return chosen


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _frame(rows: list[tuple[Any, ...]], names: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _create(connection: duckdb.DuckDBPyConnection, name: str, query: str, **frames: pl.DataFrame) -> None:
    inputs: Mapping[str, pl.DataFrame] = frames
    for view, frame in inputs.items():
        connection.register(view, frame)
    connection.execute(f"create table published.catalog.{name} as {query}")
    for view in inputs:
        connection.unregister(view)
