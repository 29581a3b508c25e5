"""In how many processes a build runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.executor.multiprocess import MultiprocessExecutor

from ingest.errors import SettingsError
from ingest.settings import Settings
from orchestration import pipeline
from orchestration.lock import exclusive

VARIABLE = "BIOPHARMA_EXECUTOR"
_EXECUTORS = ("in_process", "multiprocess")
# What the processes of steps are forked from has imported these: most of their start, and none that starts threads,
# which a fork would lose (Polars does as it is imported).
_PRELOADED = ("dagster", "dagster_dbt", "dagster_postgres")


def build_executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor that BIOPHARMA_EXECUTOR names: in_process (default) or multiprocess.

    DuckDB lets one process write a file, so steps in processes of their own mostly wait for each other and pay their
    start; they are for sources whose loading takes longer than that. Raises SettingsError for another name.
    """
    name = os.environ.get(VARIABLE, "in_process")
    if name not in _EXECUTORS:
        raise SettingsError(
            f"{VARIABLE} is {name!r}", remedy=f"Set it to one of {', '.join(_EXECUTORS)}, or unset it."
        )
    return dg.in_process_executor if name == "in_process" else _processes(settings)


def _processes(settings: Settings) -> dg.ExecutorDefinition:
    @dg.executor(
        name="multiprocess",
        config_schema={
            "max_concurrent": dg.Field(
                dg.Noneable(int), default_value=None, description="Steps at a time; one per core by default."
            )
        },
        requirements=dg.multiple_process_executor_requirements(),
    )
    def multiprocess(context: dg.InitExecutorContext) -> Processes:
        at_a_time: Any = context.executor_config["max_concurrent"]
        return Processes(settings, at_a_time)

    return multiprocess


class Processes(MultiprocessExecutor):
    """Dagster's multiprocess executor, which holds the installation for the processes that it starts."""

    def __init__(self, settings: Settings, max_concurrent: int | None) -> None:
        from dagster._core.execution.retries import RetryMode

        super().__init__(
            retries=RetryMode.ENABLED,
            max_concurrent=max_concurrent,
            start_method="forkserver",
            explicit_forkserver_preload=_PRELOADED,
        )
        self._settings = settings

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Run the steps of a plan in a copy of the installation's place, if it has one.

        Raises BusyError where another process holds the installation, and RemoteError where the place cannot be used.
        """
        with exclusive(self._settings, "a Dagster run", run_id=plan_context.run_id), pipeline.kept(self._settings):
            yield from super().execute(plan_context, execution_plan)
