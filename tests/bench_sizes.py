"""Large synthetic files from their publisher to published marts, beside bare scripts that make the same rows.

A script whose rows are others measures another thing: the marts of the bare script in DuckDB are compared with the
published ones, and the benchmark ends where they differ. So are the figures that Polars makes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from ingest.settings import Settings
from orchestration import reader
from tests import bench_plan, synthetic
from tests.bench_cost import BIOPHARMA, Cost, Steps, as_json, bare, cost, median, median_steps, plain_run
from tests.factories import SOURCE_YML
from tests.parity import differences

# What the two sides name differently: the bare script has no editions of its own.
_NAMES_OF_EDITIONS = "edition_ids"


def trade(home: Path, rows: int, runs: int) -> dict[str, Any]:
    """Synthetic trade from CSV to published marts, `runs` times, beside the bare scripts.

    `steps` has the product's and the bare script's CPU seconds of each step. Ends the benchmark where the bare
    script's marts are not the published ones, row by row.
    """
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        folder, own, out = (Path(scratch) / name for name in ("synthetic", "home", "out"))
        files = synthetic.write_baci(folder, rows)
        fetched = fetch(folder, files, Path(scratch))
        parsed = _parsed(files, Path(scratch))
        loads, builds, steps = [], [], []
        for _ in range(runs):
            shutil.rmtree(own, ignore_errors=True)
            shutil.copytree(home, own, symlinks=True)
            before = _bytes(own)
            loads.append(cost([str(BIOPHARMA), "load", "cepii_baci", *map(str, files)], own)[0])
            run, report = plain_run(own, force=False)
            builds.append(run)
            steps.append(report)
            written = _bytes(own) - before
        load, run = median(loads), median(builds)
        plan = bench_plan.write(Settings(home=own), Path(scratch) / "plan.json", "trade")
        duck, duck_steps = bare("trade-duckdb", folder, runs, plan=plan, home=own)
        out.mkdir()
        _, whole = bare("trade-duckdb", folder, plan=plan, home=own, out=out)
        compared = _compare(own, out)
        (polars_out := Path(scratch) / "polars").mkdir()
        polars, polars_steps = bare("trade-polars", folder, runs, out=polars_out)
        figures = _compare_figures(own, polars_out)
        return {
            "rows": rows,
            "csv_mb": round(sum(path.stat().st_size for path in files) / 1e6),
            "written_mb": round(written / 1e6),
            "load": asdict(load),
            "run": asdict(run),
            "bare_duckdb": asdict(duck),
            "bare_polars": asdict(polars),
            "ratio": round((load.seconds + run.seconds) / duck.seconds, 2),
            "cpu_ratio": round((load.cpu_seconds + run.cpu_seconds) / duck.cpu_seconds, 2),
            "steps": _by_step(
                fetched, parsed, load, median_steps(steps), duck_steps | _only(whole, "lake", "release")
            ),
            "steps_of_run": median_steps(steps),
            "bare_polars_steps": polars_steps,
            "equal_rows": compared,
            "equal_figures": figures,
        }


def fsds(home: Path, rows: int, runs: int) -> dict[str, Any]:
    """A synthetic quarter of the SEC's data sets from its archive to the lake, beside a bare read of it."""
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        folder, own = Path(scratch) / "synthetic", Path(scratch) / "home"
        path = synthetic.write_fsds(folder, rows)
        loads = []
        for _ in range(runs):
            shutil.rmtree(own, ignore_errors=True)
            loads.append(cost([str(BIOPHARMA), "load", "sec_fsds", str(path)], own)[0])
        load, plain = median(loads), bare("fsds", folder, runs)[0]
        return {
            "rows": rows,
            "zip_mb": round(path.stat().st_size / 1e6),
            "load": asdict(load),
            "bare_polars": asdict(plain),
            "ratio": round(load.seconds / plain.seconds, 2),
        }


def fetch(folder: Path, files: Sequence[Path], scratch: Path) -> tuple[Cost, Cost]:
    """Cost of fetching files from a server on loopback into an archive, and of a bare download of them.

    The product checks what came against the gates of its source, hashes it, and keeps it named by its hash.
    """
    source, target = scratch / "synthetic_source", scratch / "downloaded"
    spec = yaml.safe_load(SOURCE_YML.format(code=source.name, redistribution="open", kind="publisher"))
    spec["files"][0]["max_bytes"] = sum(path.stat().st_size for path in files)
    with _served(folder) as address:
        urls = [f"{address}/{path.name}" for path in files]
        spec["fetch"] = {
            "downloads": [
                {"url": url.replace(address, "https://files.publisher.example"), "name": path.name}
                for url, path in zip(urls, files, strict=True)
            ],
            "seconds_between_requests": 0,
        }
        source.mkdir()
        (source / "source.yml").write_text(yaml.safe_dump(spec), encoding="utf-8")
        code = (
            "import sys; from pathlib import Path; from ingest import fetch, settings, source\n"
            f"fetch.fetch_source(settings.Settings.from_env(), source.Source(Path({str(source)!r})), "
            f"routes={{'files.publisher.example': {address!r}}})"
        )
        found = cost([sys.executable, "-c", code], scratch / "fetched")[0]
        target.mkdir()
        plain = bare("download", target, plan=as_json(urls, scratch / "urls.json"))[0]
    kept = [path for path in (scratch / "fetched" / "archive").rglob("*") if path.stat().st_size > 100_000]
    if len(kept) != len(files):
        sys.exit(f"{len(kept)} of {len(files)} files were fetched into the archive")
    shutil.rmtree(scratch / "fetched")
    shutil.rmtree(target)
    return found, plain


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _parsed(files: Sequence[Path], scratch: Path) -> Cost:
    """Cost of the parser alone, whose batches are dropped as they come."""
    code = (
        "import sys; from pathlib import Path; from ingest import load, source\n"
        "chosen = source.get('cepii_baci'); paths = [Path(name) for name in sys.argv[1:]]\n"
        "states = load.parse_files(chosen, load.in_hand(chosen, paths)).states\n"
        "print(sum(batch.rows_read for state in states for batch in state.batches()))"
    )
    return cost([sys.executable, "-c", code, *map(str, files)], scratch / "none")[0]


def _by_step(
    fetched: tuple[Cost, Cost], parsed: Cost, load: Cost, run: Steps, plain: Steps
) -> dict[str, dict[str, float | None]]:
    """CPU seconds of the product and of the bare scripts by step.

    What a load has beyond parsing is its archive, the contract, keys and lineage of the rows, and Parquet. The bare
    script's part of it is one COPY of what it read, and of a release one of each mart: neither is in the ratio of the
    whole.
    """
    checks = ("expectations, beside", "check lake", "check marts")
    pairs = {
        "fetch": (fetched[0].cpu_seconds, fetched[1].cpu_seconds),
        "parse": (parsed.cpu_seconds, plain["read"]["cpu_seconds"]),
        "lake": (load.cpu_seconds - parsed.cpu_seconds, plain["lake"]["cpu_seconds"]),
        "expectations": (sum(run[name]["cpu_seconds"] for name in checks), None),
        "models": (run["prepare"]["cpu_seconds"] + run["models"]["cpu_seconds"], plain["models"]["cpu_seconds"]),
        "release": (run["release"]["cpu_seconds"], plain["release"]["cpu_seconds"]),
    }
    return {
        step: {"product": round(product, 2), "bare": None if base is None else round(base, 2)}
        for step, (product, base) in pairs.items()
    }


def _only(steps: Steps, *names: str) -> Steps:
    return {name: steps[name] for name in names}


def _compare(home: Path, folder: Path) -> dict[str, int]:
    """Rows of each mart, all of which the bare script has as published; ends the benchmark otherwise."""
    published = reader.current_dir(Settings(home=home)) / "parquet"
    found = {}
    for path in sorted(folder.glob("mart_*.parquet")):
        ours, theirs = (pl.read_parquet(p).drop(_NAMES_OF_EDITIONS) for p in (published / path.name, path))
        _end_where(differences(ours, theirs), path.stem)
        found[path.stem] = ours.height
    return found


def _compare_figures(home: Path, folder: Path) -> dict[str, int]:
    """Rows of each mart that rest on BACI alone, all of whose figures Polars has made too."""
    published = reader.current_dir(Settings(home=home)) / "parquet"
    found = {}
    for path in sorted(folder.glob("mart_*.parquet")):
        theirs = pl.read_parquet(path)
        ours = (
            pl.read_parquet(published / path.name)
            .filter(pl.col("source_codes") == "cepii_baci", pl.col("reason_code").is_null())
            .select(theirs.columns)
        )
        key = ["basket_id", "year", "country_iso3"]
        _end_where(differences(ours, theirs.join(ours, on=key, how="semi")), path.stem)
        found[path.stem] = ours.height
    return found


def _end_where(differing: list[str], mart: str) -> None:
    if differing:
        sys.exit(f"{mart} of the bare script differs from the published one: {'; '.join(differing[:3])}")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
