"""The job that makes everything, and its schedule."""

from __future__ import annotations

import dagster as dg


def warehouse_job() -> dg.UnresolvedAssetJobDefinition:
    """Sources, lake, models, expectations and release in one run."""
    return dg.define_asset_job(
        "warehouse",
        selection=dg.AssetSelection.all(),
        description="From the sources' editions to the published release.",
        executor_def=dg.in_process_executor,
    )


def daily_schedule(job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Every day, early in the morning of Tokyo, after the ECB's rates of the day before."""
    return dg.ScheduleDefinition(
        name="daily",
        job=job,
        cron_schedule="30 5 * * *",
        execution_timezone="Asia/Tokyo",
        description="Rebuilds and publishes; with unchanged inputs the present release stays.",
        # Stopped until somebody starts it in the UI: whoever opens the UI to look has not asked for daily runs.
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
