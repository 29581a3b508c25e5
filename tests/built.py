"""One full run on the bundled edition, made once for all tests that read it."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.settings import Settings
from orchestration import pipeline


@dataclass(frozen=True)
class Home:
    """An installation, the run that made its release, and what that run tried to reach on the network."""

    settings: Settings
    report: pipeline.RunReport
    reached: tuple[str, ...] = ()
