"""Dagster's view of the pipeline: assets, checks, jobs, schedules and sensors. Every body calls a plain function."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

from ingest.settings import Settings
from orchestration import pipeline
from orchestration.checker import Checker
from orchestration.defs.alerts import alert_sensors
from orchestration.defs.archive import archive_assets, fetch_jobs, fetch_schedules
from orchestration.defs.inbox import inbox_job, inbox_sensor
from orchestration.defs.job import housekeeping, rebuild_sensor, warehouse_job
from orchestration.defs.lake import lake_assets
from orchestration.defs.models import Manifest, marts_checks, model_assets
from orchestration.defs.release import release_asset, remote_asset
from orchestration.defs.resources import Installation, warehouse_resource
from orchestration.defs.sources import publisher_specs, source_assets
from orchestration.progress import Progress, silent

if TYPE_CHECKING:
    from orchestration.remote import Elsewhere

# Dagster warns of what it calls beta, also where it uses that itself. Its version is pinned and tested.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

# `biopharma up` sets it to `on`. Otherwise every schedule and sensor is stopped until somebody starts it: whoever
# opens the interface to look has not asked for publishers to be asked, or for runs.
AUTOMATION = "BIOPHARMA_AUTOMATION"


def warehouse_definitions(
    settings: Settings,
    progress: Progress = silent,
    beside: Checker | None = None,
    taken: Callable[[Elsewhere], None] = lambda _: None,
) -> dg.Definitions:
    """All definitions over one installation; `beside` makes the checks of a run in this process.

    `taken` is told what such a run has copied to the installation's place.

    Where dbt's manifest is not that of the project as it stands, the project is parsed first.
    """
    manifest = Manifest.read(pipeline.dbt_manifest(settings, progress=progress))
    is_on = os.environ.get(AUTOMATION) == "on"
    watched = dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED
    timed = dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED
    job, dropped, fetches = warehouse_job(settings), inbox_job(), fetch_jobs()
    pruning, mondays = housekeeping(timed)
    return dg.Definitions(
        assets=[
            *publisher_specs(),
            *archive_assets(),
            *source_assets(),
            lake_assets(),
            model_assets(manifest),
            release_asset(manifest),
            *([remote_asset(taken)] if settings.remote else []),
        ],
        asset_checks=[marts_checks()],
        jobs=[job, dropped, pruning, *fetches],
        schedules=[*fetch_schedules(fetches, timed), mondays],
        sensors=[
            rebuild_sensor(settings, job, watched),
            inbox_sensor(settings, dropped, watched),
            *alert_sensors(watched),
        ],
        resources={
            "warehouse": warehouse_resource(settings, progress, beside),
            "installation": Installation(settings),
        },
        # DuckDB lets one process write a file, so steps in processes of their own would only wait for each other.
        executor=dg.in_process_executor,
    )
