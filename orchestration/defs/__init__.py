"""Dagster's view of the pipeline: assets, checks, a job and a schedule. Every body calls a plain function."""

from __future__ import annotations

import dagster as dg

from ingest.settings import Settings
from orchestration import pipeline
from orchestration.defs.job import daily_schedule, warehouse_job
from orchestration.defs.lake import lake_assets
from orchestration.defs.models import Manifest, marts_checks, model_assets
from orchestration.defs.release import release_asset
from orchestration.defs.resources import warehouse_resource
from orchestration.defs.sources import publisher_specs, source_assets
from orchestration.progress import Progress, silent


def warehouse_definitions(settings: Settings, progress: Progress = silent) -> dg.Definitions:
    """All definitions over one installation.

    Where dbt's manifest is not that of the project as it stands, the project is parsed first.
    """
    manifest = Manifest.read(pipeline.dbt_manifest(settings, progress=progress))
    job = warehouse_job()
    return dg.Definitions(
        assets=[
            *publisher_specs(),
            *source_assets(),
            lake_assets(),
            model_assets(manifest),
            release_asset(manifest),
        ],
        asset_checks=[marts_checks()],
        jobs=[job],
        schedules=[daily_schedule(job)],
        resources={"warehouse": warehouse_resource(settings, progress)},
        # DuckDB lets one process write a file, so steps in processes of their own would only wait for each other.
        executor=dg.in_process_executor,
    )
