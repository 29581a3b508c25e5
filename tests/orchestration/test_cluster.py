"""Configurations for a cluster: checked against Dagster's own schemas, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config
from dagster._config.config_schema import UserConfigSchema
from dagster._core.instance.config import dagster_instance_config_schema

from ingest.errors import SettingsError
from ingest.settings import PROJECT_ROOT, Settings
from orchestration.defs.executor import VARIABLE, build_executor

CONFIGURATIONS = sorted((PROJECT_ROOT / "docs" / "cluster").glob("*.yaml"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configurations take from the environment."""
    for name in (
        "BIOPHARMA_DAGSTER_POSTGRES_URL",
        "BIOPHARMA_IMAGE",
        "BIOPHARMA_CELERY_BROKER",
        "BIOPHARMA_CELERY_BACKEND",
    ):
        monkeypatch.setenv(name, "synthetic")


def checked(schema: UserConfigSchema, given: dict[str, Any]) -> list[str]:
    """Messages of what does not fit a schema."""
    result = process_config(schema, given)
    return [error.message for error in result.errors or []]


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_configuration_fits_dagster(path: Path) -> None:
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert checked(dagster_instance_config_schema(), given) == []
    assert checked(dagster_instance_config_schema(), {**given, "surprise": 1}) != []
    assert given["telemetry"] == {"enabled": False}
    assert {"key": "biopharma/uses", "value": "work_file", "limit": 1} in given["concurrency"]["runs"][
        "tag_concurrency_limits"
    ]


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_launcher_is_configured_as_it_asks_for(path: Path) -> None:
    """Needs dagster-k8s and dagster-celery, which an installation on one machine does not have."""
    launcher = yaml.safe_load(path.read_text(encoding="utf-8"))["run_launcher"]
    module = pytest.importorskip(launcher["module"], reason=f"{launcher['module']} is not installed")
    schema = getattr(module, launcher["class"]).config_type()
    assert checked(schema, launcher["config"]) == []
    assert checked(schema, {**launcher["config"], "surprise": 1}) != []


def test_executor_is_the_named_one(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert build_executor(settings) is dg.in_process_executor
    monkeypatch.setenv(VARIABLE, "multiprocess")
    assert build_executor(settings).name == "multiprocess"
    monkeypatch.setenv(VARIABLE, "spark")
    with pytest.raises(SettingsError, match="BIOPHARMA_EXECUTOR is 'spark'"):
        build_executor(settings)
