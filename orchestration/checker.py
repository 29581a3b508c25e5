"""Expectations beside the run, in a process of their own.

Great Expectations takes seconds to import, and its checks take seconds of one core. A run starts this process at its
beginning and orders the checks of a stage as soon as the work file is ready for them; it goes on with what only reads
the work file (metadata, lineage, imports) and collects the results where it needs them, before anything is built on
them. DuckDB lets processes read a file together as long as none writes it, so there is no second copy of it. What a
run does meanwhile asks DuckDB for little, so that the memory limit is not shared out.

    with Checker(settings) as beside:
        beside.get_ready()
        beside.start("lake")            # the work file is prepared
        ...                             # reads only
        beside.collect("lake", build)   # results, or None: then the caller checks by itself

The process says nothing of its own. What it cannot do (it died, it was killed, it raised) is done again by whoever
collects, so that no stage passes unchecked and an error is raised where it can be told. It reads its orders from a
pipe and ends at once when the pipe closes: with the run, however that ends.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Never, Self

import polars as pl

from ingest.settings import PROJECT_ROOT, Settings
from orchestration.collector import collecting_seldom

if TYPE_CHECKING:
    from data_quality.runner import CheckResult

Stage = Literal["lake", "marts"]
STAGES: tuple[Stage, ...] = ("lake", "marts")
_PATIENCE_SECONDS = 5


class Checker:
    """A process that checks stages of one installation. Used as a context manager it ends with the block."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._ordered: Stage | None = None
        # Why the last order came to nothing, in words.
        self.reason: str | None = None
        self._code: int | None = None

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, whatever it is at."""
        self.end()

    def get_ready(self) -> None:
        """Start the process; what it needs to import, it imports while this one goes on."""
        told = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(self._settings).items()}
        # A session of its own: an interrupt from the terminal reaches this process, whose end is that one's too.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "orchestration.checker", json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=PROJECT_ROOT,
            start_new_session=True,
        )

    def start(self, stage: Stage) -> None:
        """Order the checks of a stage on the work file as it is now; it may be read, not written, until `collect`."""
        self.withdraw()
        if self._process is None or self._process.stdin is None:
            return
        with suppress(OSError):
            self._process.stdin.write(f"{stage}\n".encode())
            self._process.stdin.flush()
        self._ordered = stage

    def collect(self, stage: Stage, build_id: str) -> list[CheckResult] | None:
        """Wait for the results of a stage that was ordered; None where there are none of this build."""
        if self._ordered != stage or self._process is None or self._process.stdout is None:
            return None
        self._ordered = None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            self.end()
            self.reason = f"the process for checks ended before they were made (exit code {self._code})"
            return None
        said = json.loads(line)
        if said.get("build_id") != build_id:
            self.reason = said.get("error") or "another work file was checked"
            return None
        from data_quality.runner import check_specs, results_from

        path = _results_file(self._settings, stage)
        results = results_from(pl.read_parquet(path), stage)
        path.unlink()
        if len(results) != len(check_specs(stage)):
            self.reason = "the process for checks did not make every check"
            return None
        self.reason = None
        return results

    def withdraw(self) -> None:
        """Take back an order that nobody has collected, before the work file is written."""
        if self._ordered is not None:
            self._ordered = None
            self.end()

    def end(self) -> None:
        """End the process at once."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._code = process.returncode


def _results_file(settings: Settings, stage: Stage) -> Path:
    return settings.work / "checks" / f"beside.{stage}.parquet"


def main() -> None:
    """The process: get ready, then check the stages that are named on standard input, one line of answer each."""
    settings = Settings(**{**json.loads(sys.argv[1]), "home": Path(json.loads(sys.argv[1])["home"])})
    orders: queue.Queue[Stage] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin, orders), daemon=True).start()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Whatever a library prints is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with collecting_seldom():
        _get_ready()
        _serve(settings, orders, answers)


def _serve(settings: Settings, orders: queue.Queue[Stage], answers: IO[str]) -> Never:
    while True:
        answers.write(json.dumps(_answer(settings, orders.get())) + "\n")
        answers.flush()


def _listen(orders: IO[str], wanted: queue.Queue[Stage]) -> None:
    for line in orders:
        wanted.put(next(stage for stage in STAGES if stage == line.strip()))
    # Nobody is left who could want an answer; what is under way reads only.
    os._exit(0)


def _get_ready() -> None:
    """Import what checks need, and read what is checked."""
    from data_quality import docs, expectations, specs  # noqa: F401
    from orchestration import pipeline  # noqa: F401

    for stage in STAGES:
        specs.check_specs(stage)


def _answer(settings: Settings, stage: Stage) -> dict[str, str]:
    """Make the checks of a stage and leave the results in their file; returns of which build they are."""
    from data_quality.runner import results_frame
    from orchestration import pipeline

    path = _results_file(settings, stage)
    try:
        state = pipeline.require_state(settings)
        frame = results_frame(pipeline.examine(settings, stage, state))
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"build_id": state.build_id}


if __name__ == "__main__":
    main()
