"""One full run on the bundled edition, made once for all tests that read it."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.settings import Settings
from orchestration import pipeline


@dataclass(frozen=True)
class Home:
    """An installation and the run that made its release."""

    settings: Settings
    report: pipeline.RunReport
