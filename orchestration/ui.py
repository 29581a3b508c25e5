"""Dagster's home of an installation, a run of the job in this process, and the web interface with its daemon."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from ingest.archive import write_atomically
from ingest.errors import IngestError
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import inbox, pipeline
from orchestration.checker import Checker
from orchestration.collector import collecting_seldom
from orchestration.errors import RunError
from orchestration.lock import exclusive, held
from orchestration.progress import Progress, StepEvent, Stopwatch, silent, timed

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.remote import Elsewhere

HOST = "127.0.0.1"
MODULE = "orchestration.definitions"
_PATIENCE_SECONDS = 8

# Address of a PostgreSQL database for Dagster's history; SQLite files in Dagster's home without it.
POSTGRES = "BIOPHARMA_DAGSTER_POSTGRES"
_POSTGRES_URL = "BIOPHARMA_DAGSTER_POSTGRES_URL"

_DAGSTER_YAML = """\
# Written by `biopharma`; changes made here are lost.
telemetry:
  enabled: false
nux:
  enabled: false
freshness:
  enabled: true
concurrency:
  # One step at a time in a pool, across runs: on the work file, since DuckDB lets one process write a file, and on
  # each publisher's site.
  pools:
    granularity: op
    default_limit: 1
  # Publishers may be asked while the warehouse is built; it is built by one run at a time.
  runs:
    max_concurrent_runs: 4
    tag_concurrency_limits:
      - {key: biopharma/uses, value: work_file, limit: 1}
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  # A download of some gigabytes from a slow publisher is done by then; whatever is not is stuck.
  max_runtime_seconds: 43200
$STORAGE
# A run's events are in the history; a console gets what went wrong.
python_logs:
  python_log_level: ERROR
# Output of steps is in the run's events; capturing the streams of the process costs time and hides its progress.
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
retention:
  schedule:
    purge_after_days: {skipped: 7, failure: 90, success: 365}
  sensor:
    purge_after_days: {skipped: 2, failure: 90, success: 365}
"""

_SQLITE = """\
run_storage:
  module: dagster._core.storage.runs
  class: SqliteRunStorage
  config: {base_dir: "$HOME/history"}
event_log_storage:
  module: orchestration.history
  class: KeptSqliteEventLogStorage
  config: {base_dir: "$HOME/history/runs"}
schedule_storage:
  module: dagster._core.storage.schedules
  class: SqliteScheduleStorage
  config: {base_dir: "$HOME/schedules"}"""

# The address holds a password, so the file names the variable only.
_POSTGRES = f"""\
run_storage:
  module: dagster_postgres.run_storage
  class: PostgresRunStorage
  config: {{postgres_url: {{env: {_POSTGRES_URL}}}}}
event_log_storage:
  module: orchestration.postgres
  class: KeptPostgresEventLogStorage
  config: {{postgres_url: {{env: {_POSTGRES_URL}}}}}
schedule_storage:
  module: dagster_postgres.schedule_storage
  class: PostgresScheduleStorage
  config: {{postgres_url: {{env: {_POSTGRES_URL}}}}}"""


def write_dagster_home(settings: Settings) -> None:
    """Make Dagster's home with its configuration: no telemetry, pools, one build at a time, bounded history of ticks.

    The history is in PostgreSQL where the environment names a database, else in SQLite files of the home.
    """
    path = settings.dagster_home / "dagster.yaml"
    storage = _SQLITE.replace("$HOME", str(settings.dagster_home))
    if address := os.environ.get(POSTGRES):
        # SQLAlchemy 2.1 takes an address without a driver for psycopg 3's; the one that is locked is psycopg2.
        os.environ[_POSTGRES_URL] = re.sub("^postgres(ql)?://", "postgresql+psycopg2://", address)
        storage = _POSTGRES
    content = _DAGSTER_YAML.replace("$STORAGE", storage).encode()
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
    kept = pipeline.kept(settings, progress=watch)
    with exclusive(settings, "a run"), collecting_seldom(), kept, Checker(settings) as beside:
        if not force and (known := pipeline.unchanged(settings, as_of=as_of)):
            report.end(known.release_id, pipeline.publish_elsewhere(settings, known.release_id, progress=watch))
            return report
        beside.get_ready()
        with timed(watch, "start dagster"):
            os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
            write_dagster_home(settings)
            import dagster as dg

            from orchestration.defs import warehouse_definitions
            from orchestration.defs.keys import WORK_FILE_POOL
            from orchestration.history import bury

            taken: list[Elsewhere] = []
            job = warehouse_definitions(settings, watch, beside, taken.append).resolve_job_def("warehouse")
        before, started = sum(watch.seconds.values()), time.perf_counter()
        with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
            # This process holds the installation, so whatever holds the pool of the work file is dead.
            bury(instance, pool=WORK_FILE_POOL)
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
            report.is_new_release = bool(publication["is_new"].value)
            report.end(str(publication["release"].value), taken[0] if taken else None)
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


def serve(
    settings: Settings, *, port: int, daemon: bool, ready: Callable[[str], None], automation: bool = False
) -> int:
    """Serve the web interface on this machine only until interrupted; returns the exit code.

    `ready` is called with the address when it answers. The daemon, which starts queued runs and ticks schedules and
    sensors, starts after it; `automation` says that all of them are on unless somebody has stopped them in the
    interface. SIGINT and SIGTERM end both within seconds. Where one of the two ends by itself, the other is ended too
    and RunError raised, so that whoever supervises this process (systemd) starts both again.
    """
    _require_port(port)
    write_dagster_home(settings)
    if automation:
        inbox.prepare(settings)
    if daemon and not any(lock.is_held for lock in held(settings)):
        from dagster import DagsterInstance

        from orchestration.history import bury

        with DagsterInstance.from_config(str(settings.dagster_home)) as instance:
            bury(instance)
    address = f"http://{HOST}:{port}"
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(settings.dagster_home),
        "BIOPHARMA_HOME": str(settings.home),
        "BIOPHARMA_UI_URL": os.environ.get("BIOPHARMA_UI_URL") or address,
        "BIOPHARMA_AUTOMATION": "on" if automation else "off",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(name: str, tool: str, *arguments: str) -> None:
        command = [sys.executable, "-W", "ignore", "-m", tool, *arguments, "-m", MODULE, "-d", str(PROJECT_ROOT)]
        # A session of its own: an interrupt from the terminal reaches this process, which ends the others in order.
        processes[name] = subprocess.Popen(  # noqa: S603
            command, env=environment, cwd=PROJECT_ROOT, start_new_session=True
        )

    # Where the caller ignores interrupts (a background job of a shell), the tools would ignore them too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        start("web interface", "dagster_webserver", "-h", HOST, "-p", str(port), "--log-level", "warning")
        _wait_until_served(address, processes["web interface"])
        if daemon:
            start("daemon", "dagster._daemon", "run", "--log-level", "warning")
        ready(address)
        while True:
            for name, process in processes.items():
                if process.poll() is not None:
                    raise RunError(
                        f"the {name} ended by itself (exit code {process.returncode})",
                        remedy="Its output above says why; start both again.",
                    )
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        _end(processes.values())


def _end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """End processes and all that they started: asked first, then killed."""
    started = list(processes)
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for process in started:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _require_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise RunError(
                f"port {port} of {HOST} cannot be used ({error.strerror})",
                remedy=f"Another program (or another of these) uses it; choose another: --port {port + 1}.",
            ) from None


def _wait_until_served(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RunError(
                f"the web interface ended at once (exit code {process.returncode})",
                remedy="Its output above says why.",
            )
        try:
            urllib.request.urlopen(f"{address}/server_info", timeout=5).close()  # noqa: S310
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.3)
        else:
            return
    raise RunError("the web interface did not answer within three minutes", remedy="Try again.")
