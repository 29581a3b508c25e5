"""The job that makes everything out of what is in the archive, and the sensor that asks for it."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from ingest.settings import Settings
from orchestration import cadence, history, pipeline
from orchestration.defs.executor import build_executor

# The run queue lets one run with this tag through at a time.
BUILDS = {"biopharma/uses": "work_file"}
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def warehouse_job(settings: Settings) -> dg.UnresolvedAssetJobDefinition:
    """Sources, lake, models, expectations and release in one run."""
    return dg.define_asset_job(
        "warehouse",
        selection=dg.AssetSelection.all() - dg.AssetSelection.groups("archive"),
        description="From the sources' editions to the published release. It asks no publisher.",
        tags=BUILDS,
        executor_def=build_executor(settings),
    )


def rebuild_sensor(
    settings: Settings, job: dg.UnresolvedAssetJobDefinition, status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """Asks for a run when the inputs are not those of any release: after a fetch, a dropped file, a new vocabulary.

    What decides is the digest of all inputs, not the time of the last event: an answer that brought nothing new, or a
    file that says the same as before, builds nothing. One digest is tried once; after a failed run somebody corrects
    an input, or runs it again from the run's page. What is to be built is what the installation's place has, and a
    release that stands here and could not be taken there is tried again every hour.
    """

    @dg.sensor(
        name="inputs_changed",
        job=job,
        minimum_interval_seconds=30,
        default_status=status,
        description="Rebuilds and publishes when editions, vocabulary, suites, models or code have changed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        due = cadence.build_due(pipeline.seen(settings))
        if not due.is_due:
            return dg.SkipReason(f"Nothing to build: {due.reason}.")
        running = context.instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=_UNFINISHED), limit=1)
        if running:
            return dg.SkipReason(f"Run {running[0].run_id} is under way; {due.reason}.")
        key = due.fingerprint
        if settings.remote is not None and not cadence.build_due(settings).is_due:
            # It is published here, and the place was away: that may pass.
            key += f" {datetime.now(UTC):%Y-%m-%dT%H}"
        return dg.RunRequest(run_key=key, tags={"biopharma/reason": due.reason})

    return sensor


def housekeeping(status: dg.DefaultScheduleStatus) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """Deletes old builds from Dagster's history; fetches are small, and tell which partitions there are."""

    @dg.op(name="prune_history", out=dg.Out(dg.Nothing))
    def prune_history(context) -> None:  # type: ignore[no-untyped-def]
        gone = history.prune(context.instance, {"warehouse", "housekeeping", "__ASSET_JOB"}, days=history.keep_days())
        context.log.info(f"{len(gone)} runs deleted: {', '.join(gone) or 'none was old enough'}.")

    @dg.job(
        name="housekeeping",
        description="Deletes builds from Dagster's history that are older than BIOPHARMA_KEEP_RUN_DAYS (180).",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        prune_history()

    schedule = dg.ScheduleDefinition(
        name="housekeeping",
        job=job,
        cron_schedule="0 4 * * 1",
        execution_timezone=cadence.TIMEZONE,
        description=job.description,
        default_status=status,
    )
    return job, schedule
