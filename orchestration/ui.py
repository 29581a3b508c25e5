"""Dagster's home of an installation, a run of the job in this process, and the web interface."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from ingest.archive import write_atomically
from ingest.errors import IngestError
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import pipeline
from orchestration.errors import RunError
from orchestration.lock import exclusive
from orchestration.progress import Progress, StepEvent, Stopwatch, silent, timed

if TYPE_CHECKING:
    import dagster as dg

HOST = "127.0.0.1"
MODULE = "orchestration.definitions"

_DAGSTER_YAML = """\
# Written by `biopharma`; changes made here are lost.
telemetry:
  enabled: false
nux:
  enabled: false
# One run at a time, and one step at a time on the work file: DuckDB lets one process write a file.
concurrency:
  pools:
    default_limit: 1
  runs:
    max_concurrent_runs: 1
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
run_storage:
  module: dagster._core.storage.runs
  class: SqliteRunStorage
  config: {base_dir: "$HISTORY"}
event_log_storage:
  module: orchestration.history
  class: KeptSqliteEventLogStorage
  config: {base_dir: "$HISTORY/runs"}
schedule_storage:
  module: dagster._core.storage.schedules
  class: SqliteScheduleStorage
  config: {base_dir: "$SCHEDULES"}
# A run's events are in the history; a console gets what went wrong.
python_logs:
  python_log_level: ERROR
# Output of steps is in the run's events; capturing the streams of the process costs time and hides its progress.
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
retention:
  schedule:
    purge_after_days: {skipped: 7, failure: 90, success: -1}
  sensor:
    purge_after_days: {skipped: 7, failure: 90, success: -1}
"""


def write_dagster_home(settings: Settings) -> None:
    """Make Dagster's home with its configuration: no telemetry, one run at a time, bounded history of ticks."""
    path = settings.dagster_home / "dagster.yaml"
    content = (
        _DAGSTER_YAML.replace("$HISTORY", str(settings.dagster_home / "history"))
        .replace("$SCHEDULES", str(settings.dagster_home / "schedules"))
        .encode()
    )
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)


def run_job(
    settings: Settings, *, force: bool = False, as_of: date | None = None, progress: Progress = silent
) -> pipeline.RunReport:
    """Run Dagster's job in this process and record it for the web interface; returns what was published.

    Raises what `pipeline.run` raises: the named error of the step that failed.
    """
    from datetime import UTC, datetime

    watch = Stopwatch(progress)
    report = pipeline.RunReport(started_at=datetime.now(UTC), as_of=as_of, seconds=watch.seconds)
    with exclusive(settings, "a run"):
        if not force and (known := pipeline.unchanged(settings, as_of=as_of)):
            report.release_id = known.release_id
            return report
        with timed(watch, "start dagster"):
            os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
            write_dagster_home(settings)
            import dagster as dg

            from orchestration.defs import warehouse_definitions

            job = warehouse_definitions(settings, watch).resolve_job_def("warehouse")
        before, started = sum(watch.seconds.values()), time.perf_counter()
        with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
            result = job.execute_in_process(
                instance=instance,
                raise_on_error=False,
                tags={"source": "biopharma run", ".dagster/repository": f"__repository__@{MODULE}"},
                run_config={
                    "resources": {
                        "warehouse": {
                            "config": {"force": force, **({"as_of": as_of.isoformat()} if as_of else {})},
                        }
                    },
                    # The error is told once, by the command.
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
            # What is left after the steps is Dagster's: its events, and the metadata that assets carry.
            spent = time.perf_counter() - started - (sum(watch.seconds.values()) - before)
            watch(StepEvent("record in dagster"))
            watch(StepEvent("record in dagster", seconds=spent))
            if not result.success:
                raise _first_error(settings, result)
            publication = result.asset_materializations_for_node("release__warehouse")[0].metadata
            report.release_id = str(publication["release"].value)
            report.is_new_release = bool(publication["is_new"].value)
    return report


def _first_error(settings: Settings, result: dg.ExecuteInProcessResult) -> IngestError:
    """The named error of a failed run: that of the first step that failed."""
    pipeline.raise_for_block(settings)
    advice = "See the run in the web interface: biopharma ui."
    retried: dict[str | None, str] = {}
    for event in result.all_events:
        data: Any = event.event_specific_data
        error = getattr(data, "error", None)
        if event.is_step_up_for_retry and error is not None:
            # The last failure says no more than that there were too many.
            retried[event.step_key] = (error.cause or error).message.strip()
        if not event.is_failure:
            continue
        failure = getattr(data, "user_failure_data", None)
        if failure is not None:
            remedy = failure.metadata.get("remedy")
            said = advice if remedy is None else str(remedy.value)
            return RunError(str(failure.description).removesuffix(said).strip(), remedy=said)
        if error is not None:
            cause = retried.get(event.step_key) or (error.cause or error).message.strip()
            return RunError(f"{event.step_key or 'the run'} failed: {cause}", remedy=advice)
    return RunError("the run failed", remedy=advice)


def serve(settings: Settings, *, port: int, daemon: bool, ready: Callable[[str], None]) -> int:
    """Serve the web interface on this machine only until interrupted; returns the exit code.

    `ready` is called with the address when it answers. The daemon, which starts queued runs and ticks schedules,
    starts after it.
    """
    write_dagster_home(settings)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(settings.dagster_home),
        "BIOPHARMA_HOME": str(settings.home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }

    def start(tool: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", tool, *arguments, "-m", MODULE, "-d", str(PROJECT_ROOT)]
        return subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT)  # noqa: S603

    # Where the caller ignores interrupts (a background job of a shell), the tools would ignore them too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    address = f"http://{HOST}:{port}"
    processes = [start("dagster_webserver", "-h", HOST, "-p", str(port), "--log-level", "warning")]
    try:
        _wait_until_served(address, processes[0])
        ready(address)
        if daemon:
            processes.append(start("dagster._daemon", "run"))
        return processes[0].wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_served(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RunError(
                f"the web interface ended at once (exit code {process.returncode})",
                remedy="Its output above says why; another program may use the port: biopharma ui --port 3001.",
            )
        try:
            urllib.request.urlopen(f"{address}/server_info", timeout=5).close()  # noqa: S310
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.3)
        else:
            return
    raise RunError("the web interface did not answer within three minutes", remedy="Try again.")
