"""The same dbt models on Spark, over the same lake.

`python -m orchestration.spark` builds every model in a local Spark session and writes each mart as Parquet. It runs
in an environment of its own (`requirements-spark.lock`, `make env-spark`), since PySpark does not go with the pandas
of the main one. Nothing here is needed on one machine: it is the road to a cluster, and the parity test
(`make test-spark`) holds the two engines against each other, mart by mart.

What is not portable: the Python models (found in the manifest by their language). dbt-spark runs no Python models in
a session, so their functions are called here on the same inputs, and the result is saved as the
table that the models after them read.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from ingest import lake, vocabulary, workfile
from ingest.settings import Settings
from orchestration.errors import BuildError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMAS = ("lake", "vocabulary", "staging", "intermediate", "marts", "quality", "main")
_LOOPBACK = "127.0.0.1"
_SPARK_TYPES = {
    "VARCHAR": "string",
    "BIGINT": "bigint",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "TIMESTAMPTZ": "timestamp",
}
_FROM_POLARS = {pl.String: "string", pl.Int64: "bigint", pl.Float64: "double", pl.Boolean: "boolean", pl.Date: "date"}


def session(settings: Settings, *, thrift_port: int | None = None) -> SparkSession:
    """A local Spark session on loopback, with this installation's threads and memory; dbt takes the active one.

    With `thrift_port` the session, where it is new, also serves its catalogue as a Thrift server on that port.
    """
    from pyspark.sql import SparkSession

    root = settings.work / "spark"
    builder = (
        SparkSession.builder.master(f"local[{settings.threads}]")
        .appName("biopharma-warehouse")
        .config("spark.driver.memory", settings.memory_limit.lower().removesuffix("b"))
        .config("spark.driver.host", _LOOPBACK)
        .config("spark.driver.bindAddress", _LOOPBACK)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.catalogImplementation", "in-memory")
        .config("spark.sql.warehouse.dir", str(root / "warehouse"))
        .config("spark.local.dir", str(root / "spill"))
        .config("spark.sql.session.timeZone", "UTC")
        # The models are many and small: a partition per thread costs less than the 200 that Spark begins with.
        .config("spark.sql.shuffle.partitions", str(settings.threads))
    )
    if thrift_port is not None:
        builder = (
            builder.config("spark.hadoop.hive.server2.thrift.port", str(thrift_port))
            .config("spark.hadoop.hive.server2.thrift.bind.host", _LOOPBACK)
            # Hive, whose server it is, keeps a database in memory, and would write its log where it stands.
            .config("spark.driver.extraJavaOptions", f"-Dderby.stream.error.file={os.devnull}")
        )
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    if thrift_port is not None:
        server = made._jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2
        server.startWithContext(made._jsparkSession.sqlContext())
    return made


def statements(settings: Settings, *, as_of: date | None = None) -> Iterator[str]:
    """SQL that lays a Spark catalogue over the committed editions and the vocabulary, as `workfile.prepare` does.

    The tables that stand beside the canonical ones are written as Parquet below the work directory first. Raises
    LakeError where a committed file is gone.
    """
    editions = workfile.editions_in(settings, as_of=as_of)
    yield from (f"create database if not exists {name}" for name in SCHEMAS)
    for name, rules in lake.contracts().items():
        columns = {c.name: _SPARK_TYPES[c.sql_type.upper()] for c in rules.columns}
        if files := workfile.files_of(settings, editions, name):
            yield _table_over(f"lake.{name}", columns, files)
        else:
            nulls = ", ".join(f"cast(null as {kind}) as {column}" for column, kind in columns.items())
            yield f"create or replace view lake.{name} as select {nulls} where false"
    folder = settings.work / "spark" / "own"
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        **workfile.records(settings, editions),
        "lake.source": workfile.source_frame(),
        **{f"vocabulary.{name}": vocabulary.table(name) for name in vocabulary.tables()},
    }
    for name, frame in own.items():
        path = folder / f"{name}.parquet"
        frame.write_parquet(path)
        yield _table_over(name, {column: _type_of(dtype) for column, dtype in frame.schema.items()}, [path])


def _table_over(name: str, columns: Mapping[str, str], files: Sequence[Path]) -> str:
    """SQL for a table over files as they lie.

    One glob names them all, and the columns are stated: over a view that unites files, Spark opens each of them again
    for its columns whenever a model reads the view, and makes at least one task of each.
    """
    stated = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    folder = Path(os.path.commonpath([file.parent for file in files]))
    names = [_literally(str(file.relative_to(folder))) for file in files]
    glob = f"{_literally(str(folder))}/{{{','.join(names)}}}" if len(files) > 1 else _literally(str(files[0]))
    location = glob.replace("\\", "\\\\").replace("'", "\\'")
    return f"create table {name} ({stated}) using parquet location '{location}'"


def _literally(path: str) -> str:
    """A path as a glob that means that path only."""
    return re.sub(r"([\\*?\[\]{},])", r"\\\1", path)


def _type_of(dtype: pl.DataType) -> str:
    return "timestamp" if isinstance(dtype, pl.Datetime) else _FROM_POLARS[dtype.base_type()]


@dataclass(frozen=True)
class _Frame:
    """A relation as the Python models ask for it."""

    spark: SparkSession
    name: str

    def pl(self) -> pl.DataFrame:
        return pl.DataFrame(self.spark.table(self.name).toArrow())


@dataclass(frozen=True)
class _Handle:
    """What a Python model gets as `dbt`: relations, and its configuration as `config`."""

    spark: SparkSession
    relations: Mapping[str, str]
    config: Mapping[str, Any]

    def ref(self, name: str) -> _Frame:
        return _Frame(self.spark, self.relations[name])

    def source(self, schema: str, name: str) -> _Frame:
        return _Frame(self.spark, f"{schema}.{name}")


def build(
    settings: Settings, *, as_of: date | None = None, tests: bool = False, thrift: bool = False
) -> dict[str, str]:
    """Build every model in a fresh Spark session's catalogue; returns the status of each node by its name.

    With `tests`, the data tests run too. With `thrift`, the session is served as a Thrift server on loopback, and dbt
    builds through that (target `spark_thrift`), as it would on a cluster. Raises BuildError for what fails.
    """
    shutil.rmtree(settings.work / "spark", ignore_errors=True)
    port = _free_port() if thrift else None
    if port is not None:
        os.environ.update(
            BIOPHARMA_SPARK_METHOD="thrift",
            BIOPHARMA_SPARK_HOST=_LOOPBACK,
            BIOPHARMA_SPARK_PORT=str(port),
            BIOPHARMA_SPARK_USER="biopharma",
            # A query on loopback is asked after at once, not every other second.
            BIOPHARMA_SPARK_POLL_SECONDS="0",
        )
    spark = session(settings, thrift_port=port)
    dbt = partial(_dbt, settings, "spark_thrift" if thrift else "spark", settings.work / "spark" / "target")
    for statement in statements(settings, as_of=as_of):
        spark.sql(statement)
    dbt(["parse"])
    manifest = json.loads((settings.work / "spark" / "target" / "manifest.json").read_text(encoding="utf-8"))
    models = {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "model"}
    python = sorted(name for name, node in models.items() if node["language"] == "python")
    relations = {name: f"{node['schema']}.{node['alias']}" for name, node in models.items()}
    command = "build" if tests else "run"
    downstream = [f"{name}+" for name in python]
    done = dbt([command, *_without_unit_tests(command), "--exclude", *downstream])
    for name in _in_order(python, models):
        done[name] = _python_model(settings, spark, models[name], relations)
    after = ["--select", *downstream, "--exclude", *python]
    return done | dbt([command, *_without_unit_tests(command), *after])


def write_marts(settings: Settings, folder: Path) -> list[Path]:
    """Write every mart of the session's catalogue as a Parquet file, columns in its order; returns the paths."""
    spark = session(settings)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in sorted(row.tableName for row in spark.sql("show tables in marts").collect()):
        path = folder / f"{name}.parquet"
        pl.DataFrame(spark.table(f"marts.{name}").toArrow()).write_parquet(path)
        paths.append(path)
    return paths


def _in_order(names: Sequence[str], models: Mapping[str, dict[str, Any]]) -> list[str]:
    """Python models so that each comes after those that it reads."""
    ordered: list[str] = []
    waiting = list(names)
    while waiting:
        free = [n for n in waiting if not {r["name"] for r in models[n]["refs"]} & set(waiting) - {n}]
        if not free:
            raise BuildError(f"the Python models {', '.join(waiting)} read each other", remedy="Break the circle.")
        ordered += free
        waiting = [n for n in waiting if n not in free]
    return ordered


def _python_model(
    settings: Settings, spark: SparkSession, node: Mapping[str, Any], relations: Mapping[str, str]
) -> str:
    path = settings.dbt_project / node["original_file_path"]
    spec = importlib.util.spec_from_file_location(node["name"], path)
    if spec is None or spec.loader is None:
        raise BuildError(f"the model {node['name']} cannot be read", file=str(path), remedy="It is to be a .py file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.model(_Handle(spark, relations, node["config"]), spark)
    spark.createDataFrame(made).write.mode("overwrite").saveAsTable(relations[node["name"]])
    return "success"


def _without_unit_tests(command: str) -> list[str]:
    return ["--exclude-resource-type", "unit_test"] if command == "build" else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _dbt(settings: Settings, profile: str, target: Path, command: list[str]) -> dict[str, str]:
    from dbt.cli.main import dbtRunner

    os.environ.update(DBT_SEND_ANONYMOUS_USAGE_STATS="false", DO_NOT_TRACK="1")
    project = str(settings.dbt_project)
    outcome = dbtRunner().invoke(
        [
            *command,
            *("--target", profile, "--project-dir", project, "--profiles-dir", project),
            *("--target-path", str(target), "--log-path", str(target.parent / "logs")),
            *("--log-level", "warn", "--no-use-colors", "--no-version-check"),
            # Spark has to be kept busy: most of a small query is the driver's, which takes one core.
            *("--threads", str(settings.threads)),
        ]
    )
    if outcome.exception is not None:
        raise BuildError(f"dbt could not {command[0]} on Spark: {outcome.exception}", remedy="Correct the project.")
    if command[0] == "parse":
        return {}
    found = {str(entry.node.name): str(entry.status) for entry in outcome.result.results}
    failed = [f"{e.node.name}: {e.message}" for e in outcome.result.results if str(e.status) in {"error", "fail"}]
    if failed:
        raise BuildError(
            f"{len(failed)} nodes failed on Spark; the first: {failed[0]}",
            remedy="Use what both engines know, or a macro of dbt_project/macros/portable.sql.",
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Build on Spark and write the marts."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.spark", description=__doc__)
    parser.add_argument("--marts", type=Path, required=True, help="folder for one Parquet file per mart")
    parser.add_argument("--tests", action="store_true", help="run the data tests too")
    parser.add_argument("--thrift", action="store_true", help="build through a Thrift server on loopback")
    parser.add_argument("--as-of", type=date.fromisoformat, help="only what was published by this day")
    given = parser.parse_args(arguments)
    settings = Settings.from_env()
    done = build(settings, as_of=given.as_of, tests=given.tests, thrift=given.thrift)
    written = write_marts(settings, given.marts)
    sys.stdout.write(f"{len(done)} nodes built on Spark; {len(written)} marts in {given.marts}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
