"""Running a part of the checks, where a test is about that part only."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from data_quality import runner
from data_quality.runner import CheckResult
from data_quality.specs import CheckSpec, Stage
from ingest.settings import Settings


def run_only(settings: Settings, stage: Stage, specs: Collection[CheckSpec]) -> dict[str, CheckResult]:
    """Results of the given checks by check id."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "check_specs", lambda _: list(specs))
        return {result.check_id: result for result in runner.run_checks(settings, stage)}
