"""The bare baseline of the benchmark: the same figures from the same files, with nothing around them.

`python -m tests.bare trade-duckdb PLAN FOLDER` and `trade-polars PLAN FOLDER` read synthetic files in BACI's layout;
`fsds PLAN FOLDER` reads a synthetic quarter of the SEC; `marts PLAN HOME` starts from the Parquet files of a lake.
DuckDB runs the SQL that dbt compiled, model after model, without tests, contracts, comments, expectations, lineage or
release; Polars computes the annual totals by reporter and commodity that all trade marts begin with. Seconds by step
and the rows of each mart are printed as JSON.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl

from ingest import lake, trade, vocabulary, workfile
from ingest.settings import Settings


class Steps:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A file with the name that compiled SQL knows, under the limits of the product."""
    settings.work.mkdir(parents=True, exist_ok=True)
    settings.work_file.unlink(missing_ok=True)
    connection = workfile.connect(settings.work_file, settings)
    # As dbt does, and for the same reason.
    connection.execute("set threads = 1")
    return connection


def vocabulary_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The reviewed tables, straight from their CSV."""
    connection.execute("create schema vocabulary")
    for name in vocabulary.tables():
        frame = vocabulary.table(name)
        connection.register("_frame", frame)
        connection.execute(f"create table vocabulary.{name} as select * from _frame")
        connection.unregister("_frame")


def empty_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Canonical tables without rows, for the models that a benchmark gives none."""
    connection.execute("create schema if not exists lake")
    for name, rules in lake.contracts().items():
        columns = ", ".join(f"{column.name} {column.sql_type}" for column in rules.columns)
        connection.execute(f"create table if not exists lake.{name} ({columns})")


def build(connection: duckdb.DuckDBPyConnection, plan: list[dict[str, Any]], steps: Steps) -> dict[str, int]:
    """Make the relations of a plan in its order; returns the rows of each mart."""
    for schema in ("staging", "intermediate", "quality", "marts"):
        connection.execute(f"create schema if not exists {schema}")
    with steps("models"):
        for model in plan:
            name = f"{model['schema']}.{model['name']}"
            if model["language"] == "python":
                scope: dict[str, Any] = {}
                exec(model["sql"], scope)
                made = scope["model"](_Dbt(connection, model["config"]), connection)
                connection.register("_made", made)
                connection.execute(f"create table {name} as select * from _made")
                connection.unregister("_made")
            else:
                connection.execute(f"create {model['materialized']} {name} as {model['sql']}")
    return {
        model["name"]: connection.execute(f"select count(*) from marts.{model['name']}").fetchall()[0][0]
        for model in plan
        if model["schema"] == "marts"
    }


class _Dbt:
    """What the project's Python models ask of dbt."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, config: dict[str, Any]) -> None:
        self._connection = connection
        self.config = SimpleNamespace(get=config.get)

    def source(self, schema: str, name: str) -> Any:
        return self._connection.table(f"{schema}.{name}")

    def ref(self, name: str) -> Any:
        row = self._connection.execute(
            "select table_schema from information_schema.tables where table_name = ?", [name]
        ).fetchall()[0]
        return self._connection.table(f"{row[0]}.{name}")


def trade_duckdb(settings: Settings, plan: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """BACI's CSV files through DuckDB alone."""
    steps = Steps()
    connection = connect(settings)
    connection.execute(f"set threads = {settings.threads}")
    areas = trade.area_map("comtrade_area").drop_nulls("iso3")
    connection.register("areas", areas)
    with steps("read"):
        connection.execute("create schema lake")
        connection.execute(
            "create table lake.trade_flow as select 'cepii_baci' as source_code, 'synthetic' as edition_id, "
            "'HS' || revision || '-' || t as edition_partition, date '2023-01-01' as published_on, "
            "i.iso3 as reporter_iso3, j.iso3 as partner_iso3, 'HS20' || revision as hs_revision, "
            "lpad(k::varchar, 6, '0') as hs_code, 'export' as flow, 'fob' as valuation, "
            "make_date(t, 1, 1) as period_start, make_date(t, 12, 31) as period_end, "
            "'calendar_year' as period_basis, v * 1000 as value_usd, "
            "try_cast(trim(q) as double) * 1000 as net_weight_kg, "
            "true as is_mirror, 'estimated' as status, cast(null as varchar) as file_sha256, "
            "cast(null as varchar) as locator "
            "from (select *, regexp_extract(filename, 'BACI_HS(\\d\\d)', 1) as revision from "
            f"read_csv('{folder}/BACI_*.csv', header = true, filename = true, columns = "
            "{'t': 'integer', 'i': 'integer', 'j': 'integer', 'k': 'integer', 'v': 'double', 'q': 'varchar'})) as f "
            "join areas as i on i.code::integer = f.i join areas as j on j.code::integer = f.j"
        )
        known = {row[0] for row in connection.execute("describe lake.trade_flow").fetchall()}
        for column in lake.contract("trade_flow").columns:
            if column.name not in known:
                connection.execute(f"alter table lake.trade_flow add column {column.name} {column.sql_type}")
        connection.execute(
            "create table lake.edition as select source_code, 'trade_flow' as table_name, edition_id, "
            "edition_partition, any_value(published_on) as published_on, now() as ingested_at, false as is_bundled, "
            "1::bigint as file_count, count(*) as row_count, count(*) as rows_read, 0::bigint as rows_quarantined, "
            "0::bigint as rows_dropped, null::bigint as previous_row_count, true as is_latest, "
            "null::varchar as gate_warnings from lake.trade_flow group by source_code, edition_id, edition_partition"
        )
        _sources(connection)
        empty_tables(connection)
        vocabulary_tables(connection)
    connection.execute("set threads = 1")
    rows = build(connection, plan, steps)
    connection.close()
    return {"seconds": steps.seconds, "rows": rows}


def trade_polars(settings: Settings, plan: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """BACI's CSV files through Polars alone, to annual totals by reporter, partner heading and commodity."""
    steps = Steps()
    areas = trade.area_map("comtrade_area").drop_nulls("iso3").select(pl.col("code").cast(pl.Int32), "iso3").lazy()
    schema = {"t": pl.Int32, "i": pl.Int32, "j": pl.Int32, "k": pl.Int32, "v": pl.Float64, "q": pl.String}
    with steps("read and total"):
        totals = (
            pl.scan_csv(sorted(folder.glob("BACI_*.csv")), schema=schema)
            .filter((pl.col("k") // 100).is_in([int(heading) for heading in trade.HEADINGS]))
            .join(areas, left_on="i", right_on="code")
            .group_by("t", "iso3", "k")
            .agg(pl.col("v").sum() * 1000)
            .collect(engine="streaming")
        )
    return {"seconds": steps.seconds, "rows": {"totals": totals.height}}


def fsds(settings: Settings, plan: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Facts of medicine makers' fiscal years in a quarter of the SEC's data sets, through Polars alone."""
    steps = Steps()
    (path,) = folder.glob("*.zip")
    with steps("read and filter"), zipfile.ZipFile(path) as archive:
        tables = [
            pl.read_csv(archive.read(name), separator="\t", quote_char=None, infer_schema=False)
            for name in ("sub.txt", "num.txt")
        ]
        makers = tables[0].filter(pl.col("sic").is_in(["2834", "2836", "8731"]) & (pl.col("form") == "10-K"))
        found = tables[1].filter(pl.col("qtrs") == "4").join(makers, on="adsh")
    return {"seconds": steps.seconds, "rows": {"facts": found.height}}


def marts(settings: Settings, plan: list[dict[str, Any]], home: Path) -> dict[str, Any]:
    """All marts from the Parquet files of an installation's lake."""
    steps = Steps()
    connection = connect(settings)
    source = Settings(home=home)
    with steps("read"):
        editions = workfile.editions_in(source)
        connection.execute("create schema lake")
        for name in lake.contracts():
            files = [str(source.lake / t.file) for e in editions for t in e.tables if t.table_name == name]
            if files:
                connection.execute(
                    f"create view lake.{name} as select * from read_parquet({files}, hive_partitioning = false)"
                )
        empty_tables(connection)
        for name, frame in {
            "edition": workfile.edition_frame(editions),
            "quarantine": workfile.quarantine_frame(lake.Lake(source.lake), {e.edition_id for e in editions}),
        }.items():
            connection.register("_frame", frame)
            connection.execute(f"create table lake.{name} as select * from _frame")
            connection.unregister("_frame")
        _sources(connection)
        vocabulary_tables(connection)
    rows = build(connection, plan, steps)
    connection.close()
    return {"seconds": steps.seconds, "rows": rows}


def _sources(connection: duckdb.DuckDBPyConnection) -> None:
    connection.register("_frame", workfile.source_frame())
    connection.execute("create table lake.source as select * from _frame")
    connection.unregister("_frame")


_RUNS: dict[str, Callable[[Settings, list[dict[str, Any]], Path], dict[str, Any]]] = {
    "trade-duckdb": trade_duckdb,
    "trade-polars": trade_polars,
    "marts": marts,
    "fsds": fsds,
}


def _read_plan(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else []


def main() -> None:
    """Run one baseline."""
    kind, plan, folder = sys.argv[1:4]
    found = _RUNS[kind](Settings.from_env(), _read_plan(Path(plan)), Path(folder))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
