"""What it costs: `make bench`. Results go to docs/performance.json and into the tables of docs/performance.md.

Every command is a process of its own in a throw-away home, and figures are medians (tests/bench_cost.py). Ratios are
to a bare script (tests/bare.py) that was run beside it. `python -m tests.bench --rows 1000000 10000000` chooses the
sizes of synthetic files, `--only` the sections; with `--only` and no section the tables are written anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from ingest.settings import PROJECT_ROOT, Settings
from tests.bench_cost import BIOPHARMA, Cost, Steps, bare, cost, median, median_steps, plain_run

RESULTS = PROJECT_ROOT / "docs" / "performance.json"
DOCUMENT = PROJECT_ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures of make bench -->", "<!-- end of figures -->"
QUESTION = "select count(*) from marts.mart_rnd_level"
IMPORTS = ("duckdb", "polars", "dagster", "dagster_dbt", "dbt.cli.main", "great_expectations", "orchestration.cli")
# Sources of three domains, each of which has a new edition in one run.
CHANGED = ("cms_part_b", "oecd_anberd", "policy_events")


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
    """A run after one source has a new edition, for three sources in turn."""
    from tests.revised import revise

    costs = []
    for code in CHANGED:
        revise(Settings(home=home), code)
        costs.append(cost([str(BIOPHARMA), "run"], home)[0])
    return median(costs)


def starts(home: Path) -> dict[str, Cost]:
    """What a process does before it works: Dagster's code location with its jobs, and dbt's parse of the project."""
    # What dbt's own command needs to know: the profile names a work file by the environment.
    own = {"BIOPHARMA_WORK_FILE": "none.duckdb", "BIOPHARMA_SPILL": "none", "BIOPHARMA_THREADS": "1"}
    project = str(Settings(home=home).dbt_project)
    with tempfile.TemporaryDirectory() as scratch:
        parse = ["parse", "--no-partial-parse", "--project-dir", project, "--profiles-dir", project]
        parse += ["--target-path", scratch, "--log-path", scratch, "--log-level", "none"]
        plan = {
            "Dagster code location": "from orchestration.definitions import warehouse; "
            "assert warehouse().get_repository_def().get_all_jobs()",
            "dbt parse, all files": f"import os; os.environ.update({own!r}); "
            f"from dbt.cli.main import dbtRunner; assert dbtRunner().invoke({parse!r}).success",
        }
        return {name: cost([sys.executable, "-c", code], home, 3)[0] for name, code in plan.items()}


def imports(home: Path) -> dict[str, Cost]:
    """Imports, each in a new process."""
    return {name: cost([sys.executable, "-c", f"import {name}"], home, 3)[0] for name in IMPORTS}


def steps(home: Path, runs: int) -> Steps:
    """Seconds and CPU seconds of each step of a plain run, libraries imported on first use."""
    return median_steps([plain_run(home, force=True)[1] for _ in range(runs)])


def bundled(home: Path, runs: int) -> dict[str, Any]:
    """The bundled edition: the product's models beside the same SQL run bare."""
    from tests import bench_plan

    with tempfile.TemporaryDirectory() as scratch:
        models = bench_plan.compiled(Settings(home=home))
        plan = bench_plan.write(Settings(home=home), Path(scratch) / "plan.json")
        found, steps_of_it = bare("marts", home, runs, plan=plan, out=Path(scratch))
    return {"bare": asdict(found), "bare_steps": steps_of_it, "marts": sum(m["schema"] == "marts" for m in models)}


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
    for head, section in (("command", "commands"), ("start", "starts"), ("import", "imports")):
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
        plainly = results.get("bundled", {}).get("bare_steps", {})
        lines += [
            "",
            "| step of a plain run | seconds | CPU seconds | bare, CPU seconds | ratio |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {name} | {s['seconds']:.2f} | {s['cpu_seconds']:.2f} | "
            + _against(s["cpu_seconds"], plainly[name]["cpu_seconds"] if name in plainly else None)
            for name, s in results["steps"].items()
        ]
    if "bundled" in results:
        found = results["bundled"]["bare"]
        lines += [
            "",
            f"The same SQL of {results['bundled']['marts']} marts, bare, from the lake's Parquet files: "
            f"{found['seconds']:.1f} s, {found['cpu_seconds']:.1f} CPU seconds, {found['peak_mb']} MB.",
        ]
    if "trade" in results:
        lines += _trade_tables(sorted(results["trade"].values(), key=lambda t: int(t["rows"])))
    if "fsds" in results:
        lines += [
            "",
            "| synthetic facts of the SEC | zip MB | load s | CPU s | peak MB | bare Polars s | CPU s | peak MB "
            "| ratio | runs |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {f['rows']:,} | {f['zip_mb']} | {f['load']['seconds']:.1f} | {f['load']['cpu_seconds']:.1f} | "
            f"{f['load']['peak_mb']} | {f['bare_polars']['seconds']:.1f} | {f['bare_polars']['cpu_seconds']:.1f} | "
            f"{f['bare_polars']['peak_mb']} | {f['ratio']} | {f['load']['runs']} |"
            for f in sorted(results["fsds"].values(), key=lambda f: int(f["rows"]))
        ]
    if "readers" in results:
        lines += ["", "| readers | questions | p50 ms | p95 ms | p99 ms |", "| --- | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {name} | {r['questions']} | {r['p50_ms']} | {r['p95_ms']} | {r['p99_ms']} |"
            for name, r in results["readers"].items()
        ]
    return "\n".join(lines)


def _trade_tables(sizes: list[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "| synthetic trade rows | CSV MB | written MB | load s | run s | peak MB | bare DuckDB s | peak MB | ratio "
        "| ratio of CPU | expectations, of all CPU | bare Polars s | runs |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {t['rows']:,} | {t['csv_mb']} | {t['written_mb']} | {t['load']['seconds']:.1f} | "
        f"{t['run']['seconds']:.1f} | {_peak(t):.0f} | "
        f"{t['bare_duckdb']['seconds']:.1f} | {t['bare_duckdb']['peak_mb']} | {t['ratio']} | {t['cpu_ratio']} | "
        f"{_expectations(t):.1%} | {t['bare_polars']['seconds']:.1f} | {t['load']['runs']} |"
        for t in sizes
    ]
    lines += [
        "",
        "| step, CPU seconds | " + " | ".join(f"{t['rows']:,} rows | bare | ratio" for t in sizes) + " |",
        "| --- |" + " ---: |" * 3 * len(sizes),
    ]
    lines += [
        f"| {step} | "
        + " | ".join(
            f"{t['steps'][step]['product']:.1f} | {_against(**t['steps'][step]).removesuffix(' |')}" for t in sizes
        )
        + " |"
        for step in sizes[0]["steps"]
    ]
    if len(sizes) > 1:
        lines += [
            "",
            "| each million rows more | load s | run s | peak MB | written MB | bare DuckDB s | its peak MB |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| from {a['rows']:,} to {b['rows']:,} | "
            + " | ".join(
                f"{(figure(b) - figure(a)) * 1e6 / (b['rows'] - a['rows']):.2f}"
                for figure in (
                    lambda t: t["load"]["seconds"],
                    lambda t: t["run"]["seconds"],
                    _peak,
                    lambda t: t["written_mb"],
                    lambda t: t["bare_duckdb"]["seconds"],
                    lambda t: t["bare_duckdb"]["peak_mb"],
                )
            )
            + " |"
            for a, b in pairwise(sizes)
        ]
    return lines


def _against(product: float, bare: float | None) -> str:
    """A bare script's CPU seconds and the ratio to them, the latter where they are more than a start's jitter."""
    if bare is None:
        return " | |"
    return f"{bare:.2f} | {product / bare:.1f} |" if bare >= 0.3 else f"{bare:.2f} | |"


def _peak(found: dict[str, Any]) -> float:
    return max(float(found["load"]["peak_mb"]), float(found["run"]["peak_mb"]))


def _expectations(found: dict[str, Any]) -> float:
    whole = found["load"]["cpu_seconds"] + found["run"]["cpu_seconds"]
    return float(found["steps"]["expectations"]["product"] / whole)


def main() -> None:
    """Measure, and renew the results."""
    sections: dict[str, Callable[[Path], Any]] = {
        "commands": lambda home: {name: asdict(c) for name, c in commands(home, chosen.runs).items()},
        "starts": lambda home: {name: asdict(c) for name, c in starts(home).items()},
        "imports": lambda home: {name: asdict(c) for name, c in imports(home).items()},
        "steps": lambda home: steps(home, chosen.runs),
        "bundled": lambda home: bundled(home, chosen.runs),
        "readers": readers,
    }
    from tests import bench_sizes

    parser = argparse.ArgumentParser(description=__doc__)
    sized = {"trade": bench_sizes.trade, "fsds": bench_sizes.fsds}
    parser.add_argument("--only", nargs="*", choices=[*sections, *sized], default=[*sections, *sized])
    parser.add_argument("--rows", nargs="*", type=int, default=[1_000_000], help="Sizes of trade and fsds.")
    parser.add_argument("--home", type=Path, help="An installation with a release; by default one is made.")
    parser.add_argument("--runs", type=int, default=3, help="How often what is long is run.")
    chosen = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if chosen.only:
        results["about"] = about()
    with tempfile.TemporaryDirectory() as scratch:
        home = chosen.home or Path(scratch) / "home"
        if chosen.home is None and chosen.only and "commands" not in chosen.only:
            cost([str(BIOPHARMA), "run", "--plain"], home)
        for name, measure in sections.items():
            if name in chosen.only:
                results[name] = measure(home)
                _write(results)
        for name, measure_size in sized.items():
            for rows in chosen.rows if name in chosen.only else ():
                results.setdefault(name, {})[str(rows)] = measure_size(home, rows, chosen.runs)
                _write(results)
    _write(results)
    sys.stdout.write(tables(results) + "\n")


def _write(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{tables(results)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
