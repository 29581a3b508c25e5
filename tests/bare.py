"""The bare baseline of the benchmark: the same figures from the same files, with nothing around them.

`python -m tests.bare KIND FOLDER [--plan PLAN] [--home HOME] [--out OUT]`, where KIND is

    trade-duckdb    synthetic files in BACI's layout, with the rows of all other sources from the lake of HOME
    trade-polars    the same files, without other sources
    fsds            a synthetic quarter of the SEC
    download        the addresses of PLAN to FOLDER
    marts           all marts, from the Parquet files of the installation in FOLDER, written as Parquet to OUT

DuckDB runs the SQL that dbt compiled, model after model, without tests, contracts, comments, expectations, lineage or
release. With OUT it also writes what it read and the marts as Parquet, which is the least that a lake and a release
are. Polars computes the figures of two marts its own way. What each step cost is printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import duckdb
import polars as pl

from ingest import lake, trade, vocabulary, workfile
from ingest.lake import Edition
from ingest.settings import Settings
from ingest.sources.cepii_baci.parse import REVISIONS


class Steps:
    """Seconds and CPU seconds by step."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started, used = time.perf_counter(), time.process_time()
        yield
        self.found[name] = {
            "seconds": round(time.perf_counter() - started, 3),
            "cpu_seconds": round(time.process_time() - used, 3),
        }


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


def build(connection: duckdb.DuckDBPyConnection, plan: list[dict[str, Any]], steps: Steps) -> None:
    """Make the relations of a plan in its order."""
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


def trade_duckdb(settings: Settings, given: argparse.Namespace) -> Steps:
    """BACI's CSV files through DuckDB alone, beside the canonical rows of the installation's other sources."""
    steps, plan = Steps(), _plan(given)
    connection = connect(settings)
    connection.execute(f"set threads = {settings.threads}")
    areas = trade.area_map("comtrade_area").drop_nulls("iso3")
    connection.register("areas", areas)
    with steps("read"):
        connection.execute("create schema lake")
        connection.execute(
            "create table lake.trade_flow as select 'cepii_baci' as source_code, 'synthetic-' || t as edition_id, "
            "'HS' || revision || '-' || t as edition_partition, date '2023-01-01' as published_on, "
            "i.iso3 as reporter_iso3, j.iso3 as partner_iso3, 'HS20' || revision as hs_revision, "
            "lpad(k::varchar, 6, '0') as hs_code, 'export' as flow, 'fob' as valuation, "
            "make_date(t, 1, 1) as period_start, make_date(t, 12, 31) as period_end, "
            "'calendar_year' as period_basis, v * 1000 as value_usd, "
            "try_cast(trim(q) as double) * 1000 as net_weight_kg, "
            "true as is_mirror, 'estimated' as status, cast(null as varchar) as file_sha256, "
            "cast(null as varchar) as locator "
            "from (select *, regexp_extract(filename, 'BACI_HS(\\d\\d)', 1) as revision from "
            f"read_csv('{given.folder}/BACI_*.csv', header = true, filename = true, columns = "
            "{'t': 'integer', 'i': 'integer', 'j': 'integer', 'k': 'integer', 'v': 'double', 'q': 'varchar'})) as f "
            "join areas as i on i.code::integer = f.i join areas as j on j.code::integer = f.j"
        )
        known = {row[0] for row in connection.execute("describe lake.trade_flow").fetchall()}
        for column in lake.contract("trade_flow").columns:
            if column.name not in known:
                connection.execute(f"alter table lake.trade_flow add column {column.name} {column.sql_type}")
    if given.out:
        with steps("lake"):
            _write(connection, "lake.trade_flow", given.out)
    with steps("others"):
        _others(connection, Settings(home=given.home))
    connection.execute("set threads = 1")
    build(connection, plan, steps)
    if given.out:
        _release(connection, plan, given.out, steps)
    connection.close()
    return steps


def _release(connection: duckdb.DuckDBPyConnection, plan: list[dict[str, Any]], folder: Path, steps: Steps) -> None:
    with steps("release"):
        for model in plan:
            if model["schema"] == "marts":
                _write(connection, f"marts.{model['name']}", folder)


def _write(connection: duckdb.DuckDBPyConnection, table: str, folder: Path) -> None:
    connection.execute(f"copy {table} to '{folder}/{table.partition('.')[2]}.parquet' (compression zstd)")


def _others(connection: duckdb.DuckDBPyConnection, home: Settings) -> None:
    """What the lake of an installation has beside BACI, and what the models read beside the lake."""
    editions = [edition for edition in workfile.editions_in(home) if edition.source_code != "cepii_baci"]
    known = workfile.edition_frame(editions)
    connection.register("_frame", known)
    connection.execute("create table lake.edition as select * from _frame")
    connection.unregister("_frame")
    connection.execute(
        "insert into lake.edition by name select source_code, 'trade_flow' as table_name, edition_id, "
        "edition_partition, any_value(published_on) as published_on, now() as ingested_at, false as is_bundled, "
        "1 as file_count, count(*) as row_count, count(*) as rows_read, 0 as rows_quarantined, 0 as rows_dropped, "
        "true as is_latest from lake.trade_flow group by source_code, edition_id, edition_partition"
    )
    _lake_tables(connection, home, editions)
    _beside(connection, home, editions)


def trade_polars(settings: Settings, given: argparse.Namespace) -> Steps:
    """BACI's CSV files through Polars alone, to the figures of mart_trade_balance and mart_import_dependency."""
    steps = Steps()
    areas = trade.area_map("comtrade_area").drop_nulls("iso3").select(pl.col("code").cast(pl.Int32), "iso3").lazy()
    files = sorted(given.folder.glob("BACI_*.csv"))
    revision = REVISIONS[files[0].name.removeprefix("BACI_HS")[:2]]
    members = (
        vocabulary.table("commodity_basket_code")
        .filter((pl.col("hs_revision") == revision) & (pl.col("hs_code") != "TOTAL"))
        .select("basket_id", pl.col("hs_code").cast(pl.Int32).alias("k"))
    )
    schema = {"t": pl.Int32, "i": pl.Int32, "j": pl.Int32, "k": pl.Int32, "v": pl.Float64, "q": pl.String}
    with steps("read"):
        flows = (
            pl.scan_csv(files, schema=schema)
            .filter(pl.col("k").is_in(members["k"].unique().to_list()))
            .join(areas.rename({"code": "i", "iso3": "exporter"}), on="i")
            .join(areas.rename({"code": "j", "iso3": "importer"}), on="j")
            .group_by("t", "exporter", "importer", "k")
            .agg(pl.col("v").sum() * 1000)
            .collect(engine="streaming")
        )
    with steps("marts"):
        found = polars_marts(flows, members)
    for name, frame in found.items():
        if given.out:
            frame.write_parquet(given.out / f"{name}.parquet")
    return steps


def polars_marts(flows: pl.DataFrame, members: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Figures by basket, year and country, where all codes of a basket are traded by somebody in some year."""
    whole = (
        members.join(flows.select("k").unique().with_columns(is_loaded=True), on="k", how="left")
        .group_by("basket_id")
        .agg(pl.col("is_loaded").fill_null(value=False).all())
        .filter("is_loaded")
    )
    traded = flows.join(members.join(whole, on="basket_id", how="semi"), on="k")
    key = ["basket_id", "year", "country_iso3"]
    sides = {
        "export": traded.rename({"t": "year", "exporter": "country_iso3", "importer": "partner"}),
        "import": traded.rename({"t": "year", "importer": "country_iso3", "exporter": "partner"}),
    }
    by_code = pl.concat(
        frame.group_by(*key, "k").agg(pl.col("v").sum().alias("v")).with_columns(side=pl.lit(side))
        for side, frame in sides.items()
    ).pivot("side", index=[*key, "k"], values="v")
    for side in sides:
        by_code = by_code.with_columns(pl.col(side).fill_null(0.0))
    exports, imports = pl.col("export"), pl.col("import")
    balance = (
        by_code.group_by(key)
        .agg(
            exports.sum().alias("export_usd"),
            imports.sum().alias("import_usd"),
            (1 - (exports - imports).abs().sum() / (exports + imports).sum()).alias("grubel_lloyd"),
            pl.len().cast(pl.Int32).alias("n_commodities"),
        )
        .with_columns((pl.col("export_usd") - pl.col("import_usd")).alias("balance_usd"))
        .with_columns(
            (pl.col("balance_usd") / (pl.col("export_usd") + pl.col("import_usd"))).alias("normalised_balance")
        )
    )
    share = pl.col("v") / pl.col("v").sum()
    suppliers = (
        sides["import"]
        .group_by(*key, "partner")
        .agg(pl.col("v").sum())
        .group_by(key)
        .agg(
            pl.len().cast(pl.Int32).alias("n_suppliers"),
            (share**2).sum().alias("hhi"),
            (-(share * share.log()).sum()).exp().alias("n_effective_entropy"),
            pl.col("partner").sort_by(-pl.col("v"), "partner").first().alias("top1_supplier_iso3"),
            share.max().alias("top1_share"),
            share.top_k(3).sum().alias("top3_share"),
        )
    )
    dependency = balance.select(*key, "import_usd", "export_usd").join(suppliers, on=key)
    return {"mart_trade_balance": balance, "mart_import_dependency": dependency}


def download(settings: Settings, given: argparse.Namespace) -> Steps:
    """The addresses of a plan, one after the other, to a folder."""
    steps = Steps()
    with steps("download"):
        for address in _plan(given):
            with urlopen(address) as answer, (given.folder / address.rpartition("/")[2]).open("wb") as target:
                shutil.copyfileobj(answer, target)
    return steps


def fsds(settings: Settings, given: argparse.Namespace) -> Steps:
    """Facts of medicine makers' fiscal years in a quarter of the SEC's data sets, through Polars alone."""
    steps = Steps()
    (path,) = given.folder.glob("*.zip")
    with steps("read and filter"), zipfile.ZipFile(path) as archive:
        tables = [
            pl.read_csv(archive.read(name), separator="\t", quote_char=None, infer_schema=False)
            for name in ("sub.txt", "num.txt")
        ]
        makers = tables[0].filter(pl.col("sic").is_in(["2834", "2836", "8731"]) & (pl.col("form") == "10-K"))
        tables[1].filter(pl.col("qtrs") == "4").join(makers, on="adsh")
    return steps


def marts(settings: Settings, given: argparse.Namespace) -> Steps:
    """All marts from the Parquet files of an installation's lake."""
    steps, home = Steps(), Settings(home=given.folder)
    connection = connect(settings)
    with steps("read"):
        editions = workfile.editions_in(home)
        connection.execute("create schema lake")
        _lake_tables(connection, home, editions)
        connection.register("_frame", workfile.edition_frame(editions))
        connection.execute("create table lake.edition as select * from _frame")
        connection.unregister("_frame")
        _beside(connection, home, editions)
    plan = _plan(given)
    build(connection, plan, steps)
    _release(connection, plan, given.out, steps)
    connection.close()
    return steps


def _lake_tables(connection: duckdb.DuckDBPyConnection, home: Settings, editions: Sequence[Edition]) -> None:
    """The rows of editions: views of their files, or more rows of a table that is there."""
    present = {row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()}
    for name in lake.contracts():
        files = [str(home.lake / load.file) for e in editions for load in e.tables if load.table_name == name]
        if files:
            begin = f"insert into lake.{name} by name" if name in present else f"create view lake.{name} as"
            connection.execute(f"{begin} select * from read_parquet({files}, hive_partitioning = false)")


def _beside(connection: duckdb.DuckDBPyConnection, home: Settings, editions: Sequence[Edition]) -> None:
    """Tables without rows, and what the models read beside the lake."""
    empty_tables(connection)
    held = {edition.edition_id for edition in editions}
    for name, frame in {
        "quarantine": workfile.quarantine_frame(lake.Lake(home.lake), held),
        "source": workfile.source_frame(),
    }.items():
        connection.register("_frame", frame)
        connection.execute(f"create table lake.{name} as select * from _frame")
        connection.unregister("_frame")
    vocabulary_tables(connection)


_RUNS: dict[str, Callable[[Settings, argparse.Namespace], Steps]] = {
    "trade-duckdb": trade_duckdb,
    "trade-polars": trade_polars,
    "marts": marts,
    "fsds": fsds,
    "download": download,
}


def _plan(given: argparse.Namespace) -> list[Any]:
    found: list[Any] = json.loads(given.plan.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Run one baseline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=_RUNS)
    parser.add_argument("folder", type=Path)
    for name in ("--plan", "--home", "--out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    sys.stdout.write(json.dumps(_RUNS[given.kind](Settings.from_env(), given).found))


if __name__ == "__main__":
    main()
