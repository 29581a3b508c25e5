"""The long form: `python -m tests.chaos [--kills 1000] [--readers 50] [--publications 20] [--runs 20]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ingest.settings import Settings
from orchestration import pipeline
from tests.chaos import faults, harness, little


def main() -> None:
    """Run everything and print a table; the exit code is not zero where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="kills of loads and of publications, half each")
    parser.add_argument("--runs", type=int, default=20, help="kills of whole runs")
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--publications", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    print(f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {options.seed}\n")
    record: dict[str, Any] = {"seed": options.seed, "kills": [], "faults": [], "readers": None}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # Another user than root tries the read-only directories.
        root.chmod(0o755)
        whole = Settings(home=root / "whole", memory_limit="2GB")
        pipeline.run(whole)
        small = little.make(whole, root / "small")
        _kills(small, root, options, record)
        _faults(small, root, record)
        readings = _readers(small, root, options, record)
        _whole_runs(whole, root, options, record)
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    if readings.errors:
        raise SystemExit("\n".join(readings.errors[:10]))


def _kills(small: Settings, root: Path, options: argparse.Namespace, record: dict[str, Any]) -> None:
    def copy(name: str) -> Settings:
        return harness.copy_of(small, root / name)

    half, seed = options.kills // 2, options.seed
    series: list[Callable[[], harness.Tally]] = [
        lambda: harness.kill_loads(copy("loads"), root / "files", count=half, seed=seed),
        lambda: harness.kill_publications(copy("publications"), count=options.kills - half, seed=seed + 1),
    ]
    print("| fault | calls | killed | ended before the kill | current release verified | seconds | left behind |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |", flush=True)
    for tally in (run() for run in series):
        _show_kills(tally, record)


def _show_kills(tally: harness.Tally, record: dict[str, Any]) -> None:
    calls = tally.faults + tally.ended_before
    print(
        f"| kill -9 during {tally.name} | {calls:,} | {tally.faults:,} | {tally.ended_before:,} | "
        f"{tally.releases_verified:,} | {tally.seconds:,.0f} | {'; '.join(tally.found)} |",
        flush=True,
    )
    record["kills"].append(asdict(tally))


def _faults(small: Settings, root: Path, record: dict[str, Any]) -> None:
    series: list[tuple[str, Callable[[], faults.Faults]]] = [
        ("limit", lambda: faults.file_limit(small, root / "limit", [1, 5, 20, 80, 300, 1_000, 3_000, 10_000])),
        ("gone", lambda: faults.damage(small, root / "gone", "gone")),
        ("changed", lambda: faults.damage(small, root / "changed", "changed")),
        ("clock", lambda: faults.clock(small, root / "clock", [-30, -1, 1, 30, 70, 0])),
        ("two", lambda: faults.two_at_once(small, root / "two", 20)),
    ]
    if faults.can_mount():
        rooms = [0, 50, 100, 300, 700, 1_500, 3_000, 5_000, 8_000, 12_000, 20_000]
        series.insert(0, ("full", lambda: faults.disk_full(small, root / "full", rooms)))
    if os.geteuid() != 0 or faults.other_user_can_read_the_project():
        names = ["lake", "archive", "releases", "work", "."]
        series.insert(1, ("closed", lambda: faults.read_only(small, root / "closed", names)))
    print("\n| fault | attempts | finished | stopped, and what was said | seconds |")
    print("| --- | ---: | ---: | --- | ---: |", flush=True)
    for found in (run() for _, run in series):
        _show_faults(found, record)


def _show_faults(found: faults.Faults, record: dict[str, Any]) -> None:
    said = "; ".join(f"{count} {name}" for name, count in sorted(found.said.items()))
    print(f"| {found.name} | {found.times} | {found.finished} | {said} | {found.seconds:,.0f} |", flush=True)
    record["faults"].append(asdict(found))


def _whole_runs(whole: Settings, root: Path, options: argparse.Namespace, record: dict[str, Any]) -> None:
    print("\nWhole runs:\n", flush=True)
    _show_faults(faults.whole_runs(whole, root / "whole_runs"), record)
    _show_kills(
        harness.kill_runs(harness.copy_of(whole, root / "runs"), count=options.runs, seed=options.seed + 2), record
    )


def _readers(small: Settings, root: Path, options: argparse.Namespace, record: dict[str, Any]) -> harness.Readings:
    readings = harness.crowd(
        harness.copy_of(small, root / "crowd"), readers=options.readers, publications=options.publications
    )
    print(
        f"\n{options.readers} readers during {options.publications} publications: {readings.queries:,} queries over "
        f"{readings.releases} releases, {len(readings.errors)} errors; "
        f"p50 {readings.p50_seconds * 1000:.0f} ms, p95 {readings.p95_seconds * 1000:.0f} ms, "
        f"p99 {readings.p99_seconds * 1000:.0f} ms, longest {readings.longest_seconds * 1000:.0f} ms "
        "(opening included).",
        flush=True,
    )
    record["readers"] = asdict(readings)
    return readings


if __name__ == "__main__":
    main()
