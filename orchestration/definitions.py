"""What Dagster loads: `dagster-webserver -m orchestration.definitions`, or any of its tools in this directory."""

from __future__ import annotations

import dagster as dg

from ingest.settings import Settings
from orchestration.defs import warehouse_definitions


@dg.definitions
def warehouse() -> dg.Definitions:
    """Definitions over the installation that the environment names."""
    return warehouse_definitions(Settings.from_env())
