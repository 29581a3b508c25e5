"""The long form: `python -m tests.chaos [--kills 1000] [--readers 50] [--publications 20] [--runs 20]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from ingest.settings import Settings
from orchestration import pipeline
from tests.chaos import harness, little


def main() -> None:
    """Run everything and print a table; the exit code is not zero where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="kills of loads and publications, half each")
    parser.add_argument("--runs", type=int, default=20, help="kills of whole runs")
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--publications", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        whole = Settings(home=root / "whole", memory_limit="2GB")
        pipeline.run(whole)
        small = little.make(whole, root / "small")
        tallies = [
            harness.kill_loads(
                harness.copy_of(small, root / "a"), root / "files", count=options.kills // 2, seed=options.seed
            ),
            harness.kill_publications(
                harness.copy_of(small, root / "b"), count=options.kills // 2, seed=options.seed + 1
            ),
            harness.kill_runs(harness.copy_of(whole, root / "c"), count=options.runs, seed=options.seed + 2),
        ]
        readings = harness.crowd(
            harness.copy_of(small, root / "d"), readers=options.readers, publications=options.publications
        )
    print(f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {options.seed}\n")
    print("| fault | calls | killed | ended before the kill | current release verified | seconds | left behind |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for tally in tallies:
        calls = tally.faults + tally.ended_before
        print(
            f"| kill -9 during {tally.name} | {calls:,} | {tally.faults:,} | {tally.ended_before:,} | "
            f"{tally.releases_verified:,} | {tally.seconds:,.0f} | {'; '.join(tally.found)} |"
        )
    print(
        f"\n{options.readers} readers during {options.publications} publications: {readings.queries:,} queries over "
        f"{readings.releases} releases, {len(readings.errors)} errors; "
        f"p50 {readings.p50_seconds * 1000:.0f} ms, p95 {readings.p95_seconds * 1000:.0f} ms, "
        f"p99 {readings.p99_seconds * 1000:.0f} ms (opening included)."
    )
    if options.json:
        record = {"seed": options.seed, "kills": [asdict(t) for t in tallies], "readers": asdict(readings)}
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    if readings.errors:
        raise SystemExit("\n".join(readings.errors[:10]))


if __name__ == "__main__":
    main()
