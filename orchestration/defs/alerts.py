"""Sensors that turn failed runs, and checks that begin to fail, into alerts."""

from __future__ import annotations

import os
from collections.abc import Sequence

import dagster as dg

from orchestration import alerts

_CHECK_FAILED = dg.DagsterEventType.ASSET_CHECK_EVALUATION


def alert_sensors(status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """One for runs that fail, one for runs that succeed with checks that held before."""

    @dg.run_failure_sensor(
        name="alert_run_failed",
        default_status=status,
        description="Tells of every failed run: to the log, and by e-mail and webhook where they are set.",
    )
    def run_failed(context: dg.RunFailureSensorContext) -> dg.SkipReason:
        run = context.dagster_run
        steps = [
            f"{event.step_key}: {_reason(event)}"
            for event in context.get_step_failure_events()
            if event.step_key is not None
        ]
        blocking = [check for check in _failed_checks(context.instance, run.run_id) if check.blocks]
        told = alerts.send(
            alerts.Alert(
                title=f"{run.job_name} failed",
                text="\n".join(steps) or context.failure_event.message or "No reason given.",
                run_id=run.run_id,
                job=run.job_name,
                url=_url(run.run_id),
                checks=blocking,
            ),
            alerts.channels(),
        )
        return dg.SkipReason(f"Told: {', '.join(told)}.")

    @dg.run_status_sensor(
        name="alert_check_failed",
        run_status=dg.DagsterRunStatus.SUCCESS,
        default_status=status,
        description="Tells of checks that did not hold in a run that succeeded, and held the time before.",
    )
    def check_failed(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        run = context.dagster_run
        failed = _failed_checks(context.instance, run.run_id)
        news = alerts.newly_failed(failed, _failed_before(context.instance, run.run_id, failed))
        if not news:
            return dg.SkipReason(f"{len(failed)} checks did not hold, none of them for the first time.")
        told = alerts.send(
            alerts.Alert(
                title=f"{len(news)} checks no longer hold after {run.job_name}",
                text="The run has succeeded; these checks held the time before, or are new:",
                run_id=run.run_id,
                job=run.job_name,
                url=_url(run.run_id),
                checks=news,
            ),
            alerts.channels(),
        )
        return dg.SkipReason(f"Told: {', '.join(told)}.")

    return [run_failed, check_failed]


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return (data.error.cause or data.error).message.strip() if data.error else "no reason given"


def _failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[alerts.Check]:
    found = []
    for entry in instance.all_logs(run_id, of_type=_CHECK_FAILED):
        if entry.dagster_event is None:
            continue
        evaluation = entry.dagster_event.asset_check_evaluation_data
        if evaluation.passed:
            continue
        seen = evaluation.metadata.get("observed_value") or evaluation.metadata.get("rows_found")
        found.append(
            alerts.Check(
                asset=".".join(evaluation.asset_key.path),
                name=evaluation.check_name,
                blocks=evaluation.severity is dg.AssetCheckSeverity.ERROR,
                seen="" if seen is None else str(seen.value),
            )
        )
    return found


def _failed_before(
    instance: dg.DagsterInstance, run_id: str, checks: Sequence[alerts.Check]
) -> list[tuple[str, str]]:
    """Those of the checks that did not hold the last time before this run either."""
    found = []
    for check in checks:
        key = dg.AssetCheckKey(dg.AssetKey(check.asset.split(".")), check.name)
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        at = next((i for i, record in enumerate(history) if record.run_id == run_id), None)
        before = history[at + 1] if at is not None and at + 1 < len(history) else None
        if before is not None and before.status.value == "FAILED":
            found.append((check.asset, check.name))
    return found


def _url(run_id: str) -> str | None:
    base = os.environ.get("BIOPHARMA_UI_URL")
    return f"{base.rstrip('/')}/runs/{run_id}" if base else None
