"""What counts as an input of a release."""

from __future__ import annotations

import ast
import sys

import pytest

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import fingerprint


def test_every_library_that_models_compute_with_is_an_engine() -> None:
    files = [
        *(PROJECT_ROOT / "ingest" / "indicators").glob("*.py"),
        *(PROJECT_ROOT / "dbt_project" / "models").rglob("*.py"),
    ]
    imported = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"ingest"}
    assert "numpy" in foreign
    assert foreign <= set(fingerprint.ENGINES)


def test_another_version_of_an_engine_is_another_input(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint.of_inputs(settings)
    assert fingerprint.of_inputs(settings) == before
    versions = fingerprint.engines()
    for name in fingerprint.ENGINES:
        monkeypatch.setattr(fingerprint, "engines", lambda name=name: {**versions, name: "0"})
        assert fingerprint.of_inputs(settings) != before, name
