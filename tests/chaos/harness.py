"""Kill, starve and crowd the pipeline, and look at what is left: the current release and the lake must be whole."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import polars as pl

from ingest.lake import Lake
from ingest.settings import Settings
from orchestration import reader, release
from tests.chaos import victims

# A process is forked from a server that has imported everything and used nothing: kills then fall into the work.
_PRELOAD = [
    "babel",
    "jinja2",
    "sqlglot",
    "vl_convert",
    "orchestration.explain.trace",
    "orchestration.pipeline",
    "orchestration.release",
    "ingest.load",
    "ingest.workfile",
    "tests.chaos.victims",
]


def context() -> ForkServerContext:
    """Processes that start within milliseconds, without the threads of this one."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_PRELOAD)
    return made


@dataclass
class Tally:
    """What came of a series of faults."""

    name: str
    faults: int = 0
    ended_before: int = 0
    releases_verified: int = 0
    editions: int = 0
    seconds: float = 0.0
    found: list[str] = field(default_factory=list)


def assert_release_whole(settings: Settings) -> str:
    """The current release verifies and opens; returns its number."""
    directory = settings.current.resolve()
    release.verify(directory)
    with reader.open_release(directory) as connection:
        [(name,)] = connection.execute("select release_id from catalog.release").fetchall()
    assert name == directory.name
    return str(name)


def assert_lake_whole(settings: Settings) -> int:
    """Every committed edition has its files with the rows that its record says, once; returns editions."""
    store = Lake(settings.lake)
    editions = store.editions()
    twice = [key for key, n in Counter((e.source_code, e.edition_id) for e in editions).items() if n > 1]
    assert not twice, twice
    for edition in editions:
        for table in edition.tables:
            path = settings.lake / table.file
            assert pl.scan_parquet(path).select(pl.len()).collect().item() == table.row_count, path
    return len(editions)


def assert_loaded_once(settings: Settings, paths: list[Path]) -> None:
    """Each file is the bytes of one committed edition of ecb_fx, and no other edition is there."""
    hashes = Counter(
        tuple(sorted(file["sha256"] for file in edition.files))
        for edition in Lake(settings.lake).editions()
        if edition.source_code == "ecb_fx" and not edition.is_bundled
    )
    assert hashes == Counter((victims.sha256(path),) for path in paths)
    assert_lake_whole(settings)


def kills(
    settings: Settings,
    target: Callable[..., None],
    arguments: Callable[[int], tuple[Any, ...]],
    *,
    count: int,
    seed: int,
    name: str,
) -> Tally:
    """Start `target` again and again until `count` calls were killed at a random instant; look at release and lake.

    The instants are spread over the time that an undisturbed call takes; a call that ended before its kill says
    how long that is by now. There are never more than twice as many calls. Afterwards an undisturbed call must do
    its work.
    """
    processes, chance, tally = context(), random.Random(seed), Tally(name)
    began = time.perf_counter()
    full = undisturbed(processes, target, (settings, *arguments(0)))
    calls = 0
    while tally.faults < count and calls < 2 * count:
        calls += 1
        process = processes.Process(target=target, args=(settings, *arguments(calls)))
        started = time.perf_counter()
        process.start()
        process.join(chance.uniform(0, full * 1.05))
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGKILL)
            tally.faults += 1
        else:
            tally.ended_before += 1
            assert process.exitcode == 0
            full = time.perf_counter() - started
        process.join()
        assert_release_whole(settings)
        tally.releases_verified += 1
        assert_lake_whole(settings)
        if calls % 50 == 0:
            print(
                f"{name}: {tally.faults} killed in {time.perf_counter() - began:,.0f} s", file=sys.stderr, flush=True
            )
    undisturbed(processes, target, (settings, *arguments(calls + 1)))
    assert_release_whole(settings)
    tally.editions = assert_lake_whole(settings)
    tally.seconds = time.perf_counter() - began
    return tally


def undisturbed(processes: ForkServerContext, target: Callable[..., None], arguments: tuple[Any, ...]) -> float:
    began = time.perf_counter()
    process = processes.Process(target=target, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0, f"an undisturbed call ended with {process.exitcode}"
    return time.perf_counter() - began


def kill_loads(settings: Settings, folder: Path, *, count: int, seed: int) -> Tally:
    """Kill the loading of files; afterwards each file is loaded, and no row of it stands twice or is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []

    def another(number: int) -> tuple[Path]:
        paths.append(victims.synthetic_rates(folder / f"eurofxref-hist-synthetic-{number}.csv", number))
        return (paths[-1],)

    tally = kills(settings, victims.load_edition, another, count=count, seed=seed, name="load")
    for path in paths:
        victims.load_edition(settings, path)
    assert_loaded_once(settings, paths)
    left = [path for path in settings.home.rglob("*.tmp*") if "dagster" not in path.parts]
    tally.found.append(f"{len(left)} temporary files left")
    return tally


def kill_publications(settings: Settings, *, count: int, seed: int) -> Tally:
    """Kill the making of releases, the switch included."""
    return kills(settings, victims.publish, lambda n: (n,), count=count, seed=seed, name="publish")


def kill_runs(settings: Settings, *, count: int, seed: int) -> Tally:
    """Kill whole runs."""
    return kills(settings, victims.run, lambda n: (), count=count, seed=seed, name="run")


# Readers ---------------------------------------------------------------------------------------------------------


@dataclass
class Readings:
    """What readers saw during publications: queries, releases seen, errors, and latencies in seconds."""

    queries: int
    releases: int
    errors: list[str]
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    longest_seconds: float


def _read(settings: Settings, until: Any, results: Any) -> None:
    seen, errors, latencies = set(), [], []
    while not until.is_set():
        began = time.perf_counter()
        try:
            with reader.open_release(reader.current_dir(settings)) as connection:
                rows = connection.execute(
                    f"select (select release_id from catalog.release), count(distinct finding_en), count(*) "
                    f"from {victims.MARK}"
                ).fetchall()
            latencies.append(time.perf_counter() - began)
            [(name, marks, statements)] = rows
            seen.add(name)
            if (marks, statements > 0) != (1, True):
                errors.append(f"release {name} shows {marks} publications at once")
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    results.put((sorted(seen), errors, latencies))


def crowd(settings: Settings, *, readers: int, publications: int) -> Readings:
    """Publish again and again while processes read; none may wait, fail, or see two publications in one."""
    processes = context()
    victims.publish(settings, 0)
    until, results = processes.Event(), processes.Queue()
    crowd_of = [processes.Process(target=_read, args=(settings, until, results)) for _ in range(readers)]
    for process in crowd_of:
        process.start()
    for number in range(1, publications + 1):
        victims.publish(settings, number)
    until.set()
    collected = [results.get(timeout=60) for _ in crowd_of]
    for process in crowd_of:
        process.join()
    latencies = pl.Series([value for _, _, values in collected for value in values])
    quantile = {q: float(latencies.quantile(q) or 0) for q in (0.5, 0.95, 0.99)}
    return Readings(
        queries=latencies.len(),
        releases=len({name for names, _, _ in collected for name in names}),
        errors=[error for _, errors, _ in collected for error in errors],
        p50_seconds=quantile[0.5],
        p95_seconds=quantile[0.95],
        p99_seconds=quantile[0.99],
        longest_seconds=max(latencies, default=0.0),
    )


def copy_of(home: Settings, folder: Path) -> Settings:
    """A copy of an installation that may be hurt."""
    from dataclasses import replace

    shutil.copytree(home.home, folder, symlinks=True)
    return replace(home, home=folder, keep_releases=3, keep_days=0)
