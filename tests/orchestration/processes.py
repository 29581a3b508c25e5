"""A little job whose steps are processes of their own, for test_postgres.py."""

from __future__ import annotations

import json
import os
import time

import dagster as dg

from ingest.settings import Settings
from orchestration.defs import keys
from orchestration.defs.executor import build_executor
from orchestration.defs.resources import warehouse_resource
from orchestration.errors import BusyError
from orchestration.lock import exclusive
from orchestration.progress import silent

SETTINGS = Settings.from_env()
SEEN = SETTINGS.home / "seen"


def tell(name: str, **about: str) -> None:
    SEEN.mkdir(parents=True, exist_ok=True)
    (SEEN / f"{name}.tmp").write_text(json.dumps({"pid": os.getpid(), **about}))
    (SEEN / f"{name}.tmp").rename(SEEN / f"{name}.json")


def meet(name: str, other: str) -> None:
    """Tell that a step is at work, and wait until the other is too."""
    tell(name)
    deadline = time.monotonic() + 60
    while not (SEEN / f"{other}.json").exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{other} did not start beside {name}")
        time.sleep(0.02)


@dg.asset(required_resource_keys={"warehouse"})
def first() -> None:
    meet("first", "second")


@dg.asset(required_resource_keys={"warehouse"})
def second() -> None:
    meet("second", "first")


@dg.asset(deps=[first, second], required_resource_keys={"warehouse"}, pool=keys.WORK_FILE_POOL)
def third() -> None:
    try:
        with exclusive(SETTINGS, "an intruder"):
            raise RuntimeError("an intruder got the installation")
    except BusyError as error:
        tell("third", refused=error.text)


defs = dg.Definitions(
    assets=[first, second, third],
    jobs=[dg.define_asset_job("little", executor_def=build_executor(SETTINGS))],
    resources={"warehouse": warehouse_resource(SETTINGS, silent)},
)
