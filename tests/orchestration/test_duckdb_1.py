"""The published file opens in the DuckDB that analysts have: version 1.5, in an environment of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestration import reader
from tests.built import Home

VERSION = "1.5.5"
# Kept between runs; named by what it holds.
PACKAGES = (
    Path(tempfile.gettempdir())
    / f"biopharma-tests-{os.getuid()}"
    / f"duckdb-{VERSION}-pytz-py3.{sys.version_info[1]}"
)

READ = """
import json, sys
sys.path.insert(0, sys.argv[1])
import duckdb
found = {"version": duckdb.__version__, "rows": {}, "macros": {}}
connection = duckdb.connect(sys.argv[2], read_only=True)
for schema, table in connection.execute(
    "select schema_name, table_name from duckdb_tables() where not internal"
).fetchall():
    # Reads every value of every column.
    columns = connection.execute(f"select count(*), hash(count(distinct t)) from {schema}.{table} as t").fetchone()
    connection.execute(f"select * from {schema}.{table} limit 3").fetchall()
    found["rows"][f"{schema}.{table}"] = columns[0]
found["uncommented"] = connection.execute(
    "select table_name from duckdb_tables() where not internal and coalesce(comment, '') = '' union all "
    "select table_name || '.' || column_name from duckdb_columns() where not internal and coalesce(comment, '') = ''"
).fetchall()
connection.execute("set search_path = 'marts,facts,vocabulary,quality,catalog'")
for query in sys.argv[4:]:
    found["macros"][query] = len(connection.execute(query).fetchall())
found["parquet"] = {
    path: connection.execute(f"select count(*) from '{sys.argv[3]}/{path}'").fetchone()[0]
    for path in connection.execute("select string_agg(table_name || '.parquet', ' ') from catalog.tables "
                                   "where schema_name = 'marts'").fetchone()[0].split()
}
print(json.dumps(found))
"""
MACROS = (
    "from search('overseas')",
    "from real_growth('JPN', 2014, 2019)",
    "from in_currency('JPY', 'USD')",
    "from as_of(date '2021-12-31')",
)


@pytest.fixture(scope="module")
def packages() -> Path:
    """Folder with DuckDB 1.5 and what it needs for times with a zone; skips where no registry can be reached."""
    if not (PACKAGES / "duckdb" / "__init__.py").exists():
        pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else [shutil.which("pip") or ""]
        if not pip[0]:
            pytest.skip("there is no pip to install DuckDB 1.5 with")
        making = PACKAGES.with_name(f"{PACKAGES.name}.{os.getpid()}")
        done = subprocess.run(
            [*pip, "install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20",
             "--no-deps", "--only-binary", ":all:", "--target", str(making), f"duckdb=={VERSION}", "pytz"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            shutil.rmtree(making, ignore_errors=True)
            pytest.skip(f"DuckDB {VERSION} cannot be installed from the registry: {done.stderr.strip()[-200:]}")
        making.rename(PACKAGES)
    return PACKAGES


def test_every_table_comment_macro_and_parquet_file_is_read(packages: Path, built: Home) -> None:
    release = reader.current_dir(built.settings)
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    # Neither this project's packages nor its environment: -S leaves out site-packages, where DuckDB 2 is.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", READ, str(packages), str(release / reader.DATABASE),
         str(release / "parquet"), *MACROS],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == VERSION
    assert found["rows"] == manifest["tables"]
    assert found["uncommented"] == []
    assert all(found["macros"][query] > 0 for query in MACROS)
    assert found["parquet"] == {
        f"{name.removeprefix('marts.')}.parquet": rows
        for name, rows in manifest["tables"].items()
        if name.startswith("marts.")
    }
