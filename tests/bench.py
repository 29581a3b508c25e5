"""What it costs: `make bench`. Results go to docs/performance.json and into the tables of docs/performance.md.

Every command is a process of its own in a throw-away home; seconds, CPU seconds of the process and its children, and
peak memory are the kernel's figures. Ratios are to a bare script (tests/bare.py) that was run beside it.
`python -m tests.bench --rows 1000000 10000000` adds synthetic trade of those sizes; `--only` chooses sections.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ingest.settings import PROJECT_ROOT, Settings

BIOPHARMA = Path(sys.executable).with_name("biopharma")
RESULTS = PROJECT_ROOT / "docs" / "performance.json"
DOCUMENT = PROJECT_ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures of make bench -->", "<!-- end of figures -->"
QUESTION = "select count(*) from marts.mart_rnd_level"
IMPORTS = ("duckdb", "polars", "dagster", "dagster_dbt", "dbt.cli.main", "great_expectations", "orchestration.cli")


@dataclass(frozen=True)
class Cost:
    """Medians over runs of one command."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    runs: int


def cost(command: Sequence[str], home: Path, runs: int = 1) -> tuple[Cost, str]:
    """Cost of a command, and what its last run printed; a command that fails ends the benchmark."""
    found, text = [], ""
    for _ in range(runs):
        with tempfile.TemporaryFile("w+") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                command,
                env={**os.environ, "BIOPHARMA_HOME": str(home)},
                cwd=PROJECT_ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            elapsed = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read()
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{text[-3000:]}")
        found.append((elapsed, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    seconds, cpu, peak = (statistics.median(values) for values in zip(*found, strict=True))
    return Cost(round(seconds, 3), round(cpu, 3), round(peak), runs), text


def commands(home: Path, runs: int) -> dict[str, Cost]:
    """Whole commands on the bundled edition, the long ones `runs` times."""
    plan: list[tuple[str, list[str], int]] = [
        ("biopharma --help", ["--help"], 5),
        ("biopharma run (first)", ["run"], 1),
        ("biopharma run (nothing changed)", ["run"], 5),
        ("biopharma run --force", ["run", "--force"], runs),
        ("biopharma run --force --plain", ["run", "--force", "--plain"], runs),
        ("biopharma query", ["query", QUESTION], 5),
    ]
    found = {name: cost([str(BIOPHARMA), *arguments], home, runs)[0] for name, arguments, runs in plan}
    found["biopharma run (one changed source)"] = changed_source(home)
    return found


def changed_source(home: Path) -> Cost:
    """A run after one source has a new edition."""
    from tests.revised import revise

    revise(Settings(home=home), "cms_part_b")
    return cost([str(BIOPHARMA), "run"], home)[0]


def imports(home: Path) -> dict[str, Cost]:
    """Imports, each in a new process."""
    return {name: cost([sys.executable, "-c", f"import {name}"], home, 3)[0] for name in IMPORTS}


def steps(home: Path) -> dict[str, dict[str, float]]:
    """Seconds and CPU seconds of each step of a plain run, libraries imported on first use."""
    return plain_run(home, force=True)[1]


def plain_run(home: Path, *, force: bool) -> tuple[Cost, dict[str, dict[str, float]]]:
    """Cost of a plain run, and of each of its steps; what the process beside it used stands as a step of its own."""
    code = (
        "import json, resource, sys; from ingest.settings import Settings; from orchestration import pipeline\n"
        "cpu, found = {}, {}\n"
        "def used(): u = resource.getrusage(resource.RUSAGE_SELF); return u.ru_utime + u.ru_stime\n"
        "def follow(event):\n"
        "    if event.seconds is None: cpu.setdefault((event.step, event.detail), used())\n"
        "    else:\n"
        "        step = found.setdefault(event.step, {'seconds': 0, 'cpu_seconds': 0})\n"
        "        step['seconds'] += event.seconds\n"
        "        step['cpu_seconds'] += used() - cpu.pop((event.step, event.detail))\n"
        f"pipeline.run(Settings.from_env(), force={force}, progress=follow)\n"
        "beside = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "found['expectations, beside'] = {'seconds': 0, 'cpu_seconds': beside.ru_utime + beside.ru_stime}\n"
        "print(json.dumps(found), flush=True)\n"
        # As the command line does: what a run has made is not taken apart.
        "import os; os._exit(0)"
    )
    found, text = cost([sys.executable, "-c", code], home)
    # Libraries may have the last word.
    return found, dict(json.loads(next(line for line in reversed(text.splitlines()) if line.startswith('{"load'))))


def bare(kind: str, plan: Path, folder: Path) -> tuple[Cost, dict[str, Any]]:
    """Cost of a bare script and what it reports."""
    with tempfile.TemporaryDirectory() as scratch:
        found, text = cost([sys.executable, "-m", "tests.bare", kind, str(plan), str(folder)], Path(scratch))
    return found, json.loads(text.splitlines()[-1])


def bundled(home: Path) -> dict[str, Any]:
    """The bundled edition: the product's models beside the same SQL run bare."""
    from tests import bench_plan

    with tempfile.TemporaryDirectory() as scratch:
        plan = bench_plan.write(Settings(home=home), Path(scratch) / "plan.json")
        found, told = bare("marts", plan, home)
    return {"bare": asdict(found), "bare_steps": told["seconds"], "marts": len(told["rows"])}


def trade(home: Path, rows: int) -> dict[str, Any]:
    """Synthetic trade from CSV to published marts, beside the bare scripts; the rows of each trade mart are told.

    The warehouse holds the trade of its other sources too: some rows more, and for a few a report that is preferred.
    """
    from orchestration import reader
    from tests import bench_plan, synthetic

    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        folder, own = Path(scratch) / "synthetic", Path(scratch) / "home"
        files = synthetic.write_baci(folder, rows)
        size = sum(path.stat().st_size for path in files)
        shutil.copytree(home, own, symlinks=True)
        before = _bytes(own)
        load = cost([str(BIOPHARMA), "load", "cepii_baci", *map(str, files)], own)[0]
        run, report = plain_run(own, force=False)
        plan = bench_plan.write(Settings(home=own), Path(scratch) / "plan.json", "trade")
        duck, told = bare("trade-duckdb", plan, folder)
        polars, _ = bare("trade-polars", plan, folder)
        with reader.open_release(reader.current_dir(Settings(home=own))) as connection:
            published = {
                name: connection.execute(f"select count(*) from marts.{name}").fetchall()[0][0]
                for name in told["rows"]
            }
        written = _bytes(own) - before
    total, base = load.seconds + run.seconds, duck.seconds
    return {
        "rows": rows,
        "csv_mb": round(size / 1e6),
        "written_mb": round(written / 1e6),
        "load": asdict(load),
        "run": asdict(run),
        "steps": report,
        "bare_duckdb": asdict(duck),
        "bare_duckdb_steps": told["seconds"],
        "bare_polars": asdict(polars),
        "ratio": round(total / base, 2),
        "cpu_ratio": round((load.cpu_seconds + run.cpu_seconds) / duck.cpu_seconds, 2),
        "published_rows": published,
        "bare_rows": told["rows"],
    }


def fsds(home: Path, rows: int) -> dict[str, Any]:
    """A synthetic quarter of the SEC's data sets from its archive to the lake, beside a bare read of it."""
    from tests import synthetic

    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        folder, own = Path(scratch) / "synthetic", Path(scratch) / "home"
        path = synthetic.write_fsds(folder, rows)
        load = cost([str(BIOPHARMA), "load", "sec_fsds", str(path)], own)[0]
        plain, _ = bare("fsds", path, folder)
        return {
            "rows": rows,
            "zip_mb": round(path.stat().st_size / 1e6),
            "load": asdict(load),
            "bare_polars": asdict(plain),
            "ratio": round(load.seconds / plain.seconds, 2),
        }


def readers(home: Path, seconds: float = 25) -> dict[str, dict[str, float]]:
    """Milliseconds of the documented questions, one a second from each process, idle and during a run."""
    found = {}
    for count in (1, 20):
        for state in ("idle", "during a run"):
            busy = None
            if state != "idle":
                busy = subprocess.Popen(
                    [str(BIOPHARMA), "run", "--force", "--plain"],
                    env={**os.environ, "BIOPHARMA_HOME": str(home)},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            asking = [
                subprocess.Popen(
                    [sys.executable, "-m", "tests.bench_readers", str(home), str(seconds), str(number)],
                    cwd=PROJECT_ROOT,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for number in range(count)
            ]
            taken = sorted(value * 1000 for process in asking for value in json.loads(process.communicate()[0]))
            if busy is not None:
                busy.wait()
            found[f"{count} readers, {state}"] = {
                "questions": len(taken),
                **{f"p{p}_ms": round(taken[min(len(taken) - 1, len(taken) * p // 100)], 1) for p in (50, 95, 99)},
            }
    return found


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def about() -> dict[str, Any]:
    """Machine, versions and day."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {memory / 1e9:.0f} GB, {platform.system()}",
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("dagster", "dbt-core", "duckdb", "great-expectations", "polars")
        },
    }


def tables(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    made = results["about"]
    lines = [
        f"Measured {made['measured_at'][:10]} on {made['machine']}, Python {made['python']}, "
        + ", ".join(f"{name} {number}" for name, number in made["versions"].items())
        + f"; load average before: {made['load_before']:.1f}. `make bench` renews what stands here.",
    ]
    for head, section in (("command", "commands"), ("import", "imports")):
        if section in results:
            lines += [
                "",
                f"| {head} | seconds | CPU seconds | peak MB | runs |",
                "| --- | ---: | ---: | ---: | ---: |",
            ]
            lines += [
                f"| `{name}` | {c['seconds']:.2f} | {c['cpu_seconds']:.2f} | {c['peak_mb']} | {c['runs']} |"
                for name, c in results[section].items()
            ]
    if "steps" in results:
        lines += ["", "| step of a plain run | seconds | CPU seconds |", "| --- | ---: | ---: |"]
        lines += [f"| {name} | {s['seconds']:.2f} | {s['cpu_seconds']:.2f} |" for name, s in results["steps"].items()]
    if "bundled" in results:
        found = results["bundled"]["bare"]
        lines += [
            "",
            f"The same SQL of {results['bundled']['marts']} marts, bare, from the lake's Parquet files: "
            f"{found['seconds']:.1f} s, {found['cpu_seconds']:.1f} CPU seconds, {found['peak_mb']} MB.",
        ]
    if "trade" in results:
        lines += [
            "",
            "| synthetic trade rows | CSV MB | written MB | load s | run s | peak MB | bare DuckDB s | peak MB "
            "| ratio | ratio of CPU | expectations, of all CPU |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {t['rows']:,} | {t['csv_mb']} | {t['written_mb']} | {t['load']['seconds']:.1f} | "
            f"{t['run']['seconds']:.1f} | {max(t['load']['peak_mb'], t['run']['peak_mb'])} | "
            f"{t['bare_duckdb']['seconds']:.1f} | {t['bare_duckdb']['peak_mb']} | {t['ratio']} | {t['cpu_ratio']} | "
            f"{_beside(t):.0%} |"
            for t in results["trade"].values()
        ]
    if "fsds" in results:
        lines += [
            "",
            "| synthetic facts of the SEC | zip MB | load s | CPU s | peak MB | bare Polars s | peak MB | ratio |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {f['rows']:,} | {f['zip_mb']} | {f['load']['seconds']:.1f} | {f['load']['cpu_seconds']:.1f} | "
            f"{f['load']['peak_mb']} | {f['bare_polars']['seconds']:.1f} | {f['bare_polars']['peak_mb']} | "
            f"{f['ratio']} |"
            for f in results["fsds"].values()
        ]
    if "readers" in results:
        lines += ["", "| readers | questions | p50 ms | p95 ms | p99 ms |", "| --- | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {name} | {r['questions']} | {r['p50_ms']} | {r['p95_ms']} | {r['p99_ms']} |"
            for name, r in results["readers"].items()
        ]
    return "\n".join(lines)


def _beside(found: dict[str, Any]) -> float:
    whole = found["load"]["cpu_seconds"] + found["run"]["cpu_seconds"]
    return float(found["steps"]["expectations, beside"]["cpu_seconds"] / whole)


def main() -> None:
    """Measure, and renew the results."""
    sections: dict[str, Callable[[Path], Any]] = {
        "commands": lambda home: {name: asdict(c) for name, c in commands(home, chosen.runs).items()},
        "imports": lambda home: {name: asdict(c) for name, c in imports(home).items()},
        "steps": steps,
        "bundled": bundled,
        "readers": readers,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    sized = {"trade": trade, "fsds": fsds}
    parser.add_argument("--only", nargs="*", choices=[*sections, *sized], default=[*sections, *sized])
    parser.add_argument("--rows", nargs="*", type=int, default=[1_000_000], help="Sizes of trade and fsds.")
    parser.add_argument("--home", type=Path, help="An installation with a release; by default one is made.")
    parser.add_argument("--runs", type=int, default=3, help="How often the long commands are run.")
    chosen = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results["about"] = about()
    with tempfile.TemporaryDirectory() as scratch:
        home = chosen.home or Path(scratch) / "home"
        if chosen.home is None and "commands" not in chosen.only:
            cost([str(BIOPHARMA), "run", "--plain"], home)
        for name, measure in sections.items():
            if name in chosen.only:
                results[name] = measure(home)
                _write(results)
        for name, measure_size in sized.items():
            for rows in chosen.rows if name in chosen.only else ():
                results.setdefault(name, {})[str(rows)] = measure_size(home, rows)
                _write(results)
    sys.stdout.write(tables(results) + "\n")


def _write(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{tables(results)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
