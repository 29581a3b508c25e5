"""Measure speed and memory: `make bench`. Prints where the time goes; nothing here is a timed test.

Each command runs as a process of its own in a throw-away home. The
parse of real workbooks is measured where the folder of real files is present.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.conftest import SHARED_DATA

BIOPHARMA = Path(sys.executable).with_name("biopharma")
PARSE = """
import sys, time
from pathlib import Path
from ingest import load, source
started = time.perf_counter()
chosen = source.get(sys.argv[1])
parsed = load.parse_files(chosen, load.in_hand(chosen, [Path(p) for p in sys.argv[2:]]))
print(parsed.rows_read, time.perf_counter() - started)
"""


def timed(command: list[str], home: str) -> tuple[float, float, str]:
    """Seconds, peak memory in MB (the kernel's figure for that process) and standard output of a command."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env={**os.environ, "BIOPHARMA_HOME": home}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{text[-3000:]}")
    return elapsed, usage.ru_maxrss / 1024, text


def main() -> None:
    """Run the measurements and print them; a JSON file is written where BIOPHARMA_BENCH_JSON says."""
    console = Console()
    results: dict[str, object] = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": {
            name: version(name) for name in ("dagster", "dbt-core", "duckdb", "great-expectations", "polars")
        },
        "python": platform.python_version(),
    }
    table = Table("command", "median s", "peak MB", "runs", title="Whole commands")
    with tempfile.TemporaryDirectory() as home:
        plan = [
            ("help", [str(BIOPHARMA), "--help"], 3),
            ("run (first)", [str(BIOPHARMA), "run"], 1),
            ("run (nothing changed)", [str(BIOPHARMA), "run"], 3),
            ("run --force", [str(BIOPHARMA), "run", "--force"], 2),
            ("run --force --plain", [str(BIOPHARMA), "run", "--force", "--plain"], 2),
            ("query", [str(BIOPHARMA), "query", "select count(*) from marts.mart_rnd_level"], 3),
        ]
        for name, command, runs in plan:
            measured = [timed(command, home) for _ in range(runs)]
            seconds = statistics.median(m[0] for m in measured)
            peak = max(m[1] for m in measured)
            results[name] = {"seconds": seconds, "peak_mb": peak, "runs": runs}
            table.add_row(name, f"{seconds:.1f}", f"{peak:.0f}", str(runs))
    console.print(table)
    _steps(console, results)
    _parse(console, results)
    if target := os.environ.get("BIOPHARMA_BENCH_JSON"):
        Path(target).write_text(json.dumps(results, indent=2), encoding="utf-8")


def _steps(console: Console, results: dict[str, object]) -> None:
    """Where the time of a plain run goes, step by step, inside one process."""
    from ingest.settings import Settings
    from orchestration import pipeline

    with tempfile.TemporaryDirectory() as home:
        report = pipeline.run(Settings(home=Path(home)), force=True)
    table = Table("step", "s", title="Steps of one run without Dagster, libraries imported on first use")
    for step, seconds in report.seconds.items():
        table.add_row(step, f"{seconds:.2f}")
    results["steps"] = dict(report.seconds)
    console.print(table)


def _parse(console: Console, results: dict[str, object]) -> None:
    files = sorted(SHARED_DATA.glob("mhlw_ndb/ndb_*_2019*.xlsx"))
    if not files:
        console.print("Parsing of real workbooks is not measured: the folder of real files is absent.")
        return
    with tempfile.TemporaryDirectory() as home:
        measured = [
            timed([sys.executable, "-c", PARSE, "mhlw_ndb", *map(str, files)], home)[2].split() for _ in range(3)
        ]
    seconds = statistics.median(float(m[1]) for m in measured)
    results["parse mhlw_ndb FY2019"] = {"seconds": seconds, "rows": int(measured[0][0]), "files": len(files)}
    console.print(
        f"Parse of {len(files)} NDB workbooks FY2019, {int(measured[0][0]):,} rows: {seconds:.2f} s (median of 3)"
    )


if __name__ == "__main__":
    main()
