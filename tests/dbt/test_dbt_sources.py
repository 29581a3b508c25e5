"""The generated dbt files say what the contracts and the vocabulary say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ingest import dbt_sources, lake, vocabulary
from ingest.settings import PROJECT_ROOT


def test_generated_files_are_up_to_date() -> None:
    assert dbt_sources.stale() == [], "run python -m ingest.dbt_sources"


def test_check_tells_of_an_outdated_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dbt_sources, "MODELS_DIR", tmp_path)
    monkeypatch.setattr(dbt_sources, "PROJECT_ROOT", tmp_path)
    assert dbt_sources.main(["--check"]) == 1
    assert dbt_sources.main([]) == 0
    assert dbt_sources.main(["--check"]) == 0
    path = tmp_path / "sources.yml"
    path.write_text(path.read_text().replace("Sales of medicines", "Something else"))
    assert dbt_sources.main(["--check"]) == 1


def test_check_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingest.dbt_sources", "--check"], cwd=PROJECT_ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_every_table_and_column_has_a_description_and_an_asset_key() -> None:
    document = yaml.safe_load((dbt_sources.MODELS_DIR / "sources.yml").read_text(encoding="utf-8"))
    described = {
        source["name"]: {table["name"]: table for table in source["tables"]} for source in document["sources"]
    }
    assert set(described["lake"]) == set(lake.contracts()) | {"edition", "source", "quarantine", "file_account"}
    assert set(described["vocabulary"]) == set(vocabulary.tables())
    for source, tables in described.items():
        for name, table in tables.items():
            assert table["description"].strip()
            assert all(column["description"].strip() for column in table["columns"])
            assert table["config"]["meta"]["dagster"]["asset_key"] == [source, name]
    for name, rules in lake.contracts().items():
        assert [c["name"] for c in described["lake"][name]["columns"]] == [c.name for c in rules.columns]
    for name, spec in vocabulary.tables().items():
        assert [c["name"] for c in described["vocabulary"][name]["columns"]] == list(spec.columns)


def test_every_canonical_table_has_a_staging_model() -> None:
    models = {path.stem for path in (dbt_sources.MODELS_DIR / "staging").glob("stg_*.sql")}
    assert models == {f"stg_{name}" for name in lake.contracts()}


def test_every_canonical_table_is_counted_by_the_coverage_mart() -> None:
    model = (dbt_sources.MODELS_DIR / "intermediate" / "scoreboard" / "int_indicator_coverage.sql").read_text()
    assert [name for name in lake.contracts() if f"['{name}'," not in model] == []
