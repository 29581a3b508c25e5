"""What a command costs: its seconds, CPU seconds with its children, and peak memory, as the kernel counts them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.settings import PROJECT_ROOT

BIOPHARMA = Path(sys.executable).with_name("biopharma")
Steps = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Cost:
    """Medians over runs of one command."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    runs: int


# A process counts the memory of the one that it was forked from as its own peak. So a small process starts the
# command, waits for it, and writes down what the kernel says of it.
_LAUNCHER = """
import json, os, sys, time
started = time.perf_counter()
child = os.fork()
if not child:
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
found = [time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
open(sys.argv[1], "w").write(json.dumps(found))
sys.exit(bool(status))
"""


def cost(command: Sequence[str], home: Path, runs: int = 1) -> tuple[Cost, str]:
    """Cost of a command, and what its last run printed; a command that fails ends the benchmark."""
    found, text = [], ""
    for _ in range(runs):
        with tempfile.NamedTemporaryFile("r") as figures:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, figures.name, *command],
                env={**os.environ, "BIOPHARMA_HOME": str(home)},
                cwd=PROJECT_ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            text = done.stdout
            if done.returncode:
                sys.exit(f"{' '.join(command)} failed:\n{text[-3000:]}")
            found.append(Cost(*json.load(figures), runs=1))
    return median(found), text


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        round(statistics.median(c.seconds for c in costs), 3),
        round(statistics.median(c.cpu_seconds for c in costs), 3),
        round(statistics.median(c.peak_mb for c in costs)),
        len(costs),
    )


def median_steps(runs: Sequence[Mapping[str, Mapping[str, float]]]) -> Steps:
    """The median of each figure of each step."""
    return {
        step: {what: round(statistics.median(run[step][what] for run in runs), 3) for what in figures}
        for step, figures in runs[0].items()
    }


def bare(kind: str, folder: Path, runs: int = 1, **paths: Path) -> tuple[Cost, Steps]:
    """Cost of a bare script (tests/bare.py) and of each of its steps; each run has a throw-away home."""
    options = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    found, steps = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            one, text = cost([sys.executable, "-m", "tests.bare", kind, str(folder), *options], Path(scratch))
        found.append(one)
        steps.append(json.loads(text.splitlines()[-1]))
    return median(found), median_steps(steps)


def plain_run(home: Path, *, force: bool) -> tuple[Cost, Steps]:
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
    steps: Steps = json.loads(next(line for line in reversed(text.splitlines()) if line.startswith('{"load')))
    return found, steps


def as_json(found: Mapping[str, Any], path: Path) -> Path:
    """Write JSON to a file; returns its path."""
    path.write_text(json.dumps(found), encoding="utf-8")
    return path
