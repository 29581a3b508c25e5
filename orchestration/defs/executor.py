"""In how many processes a build runs."""

from __future__ import annotations

import os

import dagster as dg

from ingest.errors import SettingsError

VARIABLE = "BIOPHARMA_EXECUTOR"
_EXECUTORS = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}


def build_executor() -> dg.ExecutorDefinition:
    """The executor that BIOPHARMA_EXECUTOR names: in_process (default) or multiprocess.

    DuckDB lets one process write a file, so steps in processes of their own mostly wait for each other and pay their
    start; they are for sources whose loading takes longer than that. Raises SettingsError for another name.
    """
    name = os.environ.get(VARIABLE, "in_process")
    if name not in _EXECUTORS:
        raise SettingsError(
            f"{VARIABLE} is {name!r}", remedy=f"Set it to one of {', '.join(_EXECUTORS)}, or unset it."
        )
    return _EXECUTORS[name]
