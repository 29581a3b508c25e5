"""Dagster's definitions: one connected lineage, every asset described, every check there, one job run for real."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import dagster as dg
import pytest

from data_quality.runner import check_specs
from ingest import lake, vocabulary
from ingest.errors import LakeError
from ingest.settings import Settings
from ingest.source import discover
from orchestration import fingerprint, reader, release, ui
from orchestration.defs import keys, warehouse_definitions
from orchestration.defs.resources import failing_loudly, warehouse_resource
from orchestration.progress import silent
from tests.built import Home
from tests.network import guarded
from tests.orchestration.conftest import holding

LAYERS = ("publisher", "source", "lake", "staging", "intermediate", "marts", "release")


@pytest.fixture(scope="module")
def definitions(built: Home) -> dg.Definitions:
    return warehouse_definitions(built.settings)


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


def ancestors(graph: dg.AssetGraph, key: dg.AssetKey) -> set[dg.AssetKey]:
    found: set[dg.AssetKey] = set()
    ahead = [key]
    while ahead:
        for parent in graph.get(ahead.pop()).parent_keys:
            if parent not in found:
                found.add(parent)
                ahead.append(parent)
    return found


def test_one_lineage_from_every_publisher_to_the_release(graph: dg.AssetGraph) -> None:
    upstream = ancestors(graph, keys.RELEASE)
    assert {keys.publisher(code) for code in discover()} <= upstream
    assert {keys.source(code) for code in discover()} <= upstream
    assert {keys.relation("vocabulary", name) for name in vocabulary.tables()} <= upstream
    assert upstream | {keys.RELEASE} == set(graph.get_all_asset_keys())


def test_every_mart_goes_back_to_a_publisher_through_every_layer(graph: dg.AssetGraph) -> None:
    marts = [key for key in graph.get_all_asset_keys() if key.path[0] == "marts"]
    assert len(marts) >= 8
    for mart in marts:
        layers = {key.path[0] for key in ancestors(graph, mart)}
        assert layers >= {"publisher", "source", "lake"}, mart
    assert {key.path[0] for key in graph.get_all_asset_keys()} == {*LAYERS, "vocabulary", "quality"}


def test_canonical_tables_come_from_the_sources_that_declare_them(graph: dg.AssetGraph) -> None:
    for name in lake.contracts():
        declared = {keys.source(code) for code, source in discover().items() if name in source.spec.tables}
        assert graph.get(keys.relation("lake", name)).parent_keys == declared


def test_every_asset_has_description_owner_group_and_kind(graph: dg.AssetGraph) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert all(re.fullmatch(r"\S+@\S+\.\S+|team:\S+", owner) for owner in node.owners), key
        assert node.group_name != "default", key
        assert any(tag.startswith("dagster/kind/") for tag in node.tags), key
    for code, source in discover().items():
        node = graph.get(keys.source(code))
        assert node.group_name == source.spec.domain
        assert node.tags["redistribution"] == source.spec.licence.redistribution
        assert {"landing_page", "licence", "citation"} <= set(node.metadata)


def test_every_expectation_and_model_test_is_a_check(graph: dg.AssetGraph) -> None:
    checks = {key: graph.get(key) for key in graph.asset_check_keys}
    names = {key.name: key for key in checks}
    for stage in ("lake", "marts"):
        for spec in check_specs(stage):
            key = names[spec.check_id]
            assert key.asset_key == keys.relation(spec.table_schema, spec.table_name)
            assert checks[key].blocking == (spec.severity == "fail")
    tested = {key.asset_key.path[0] for key in checks}
    assert tested >= {"lake", "marts"}


def test_job_and_schedule(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    job = repository.get_job("warehouse")
    assert {node.name for node in job.nodes} >= {"lake", "dbt_models", "marts_expectations", "release__warehouse"}
    assert job.executor_def is dg.in_process_executor
    schedule = repository.get_schedule_def("daily")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == "warehouse"


def test_changed_dbt_project_has_another_manifest(
    built: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint.of_dbt_project(built.settings)
    project = tmp_path / "dbt_project"
    shutil.copytree(built.settings.dbt_project, project, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(Settings, "dbt_project", property(lambda self: project))
    assert fingerprint.of_dbt_project(built.settings) == before
    test = project / "models" / "staging" / "stg_claim.sql"
    test.write_text(test.read_text() + "-- changed\n")
    assert fingerprint.of_dbt_project(built.settings) != before


def test_job_publishes_and_records_everything(
    built: Home, graph: dg.AssetGraph, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("dagster") / "home"
    shutil.copytree(built.settings.home, home, symlinks=True)
    settings = Settings(home=home, memory_limit=built.settings.memory_limit)
    with guarded() as attempts:
        report = ui.run_job(settings, force=True)
    assert attempts == []
    assert (report.release_id, report.is_new_release) == ("0002", True)
    release.verify(reader.current_dir(settings))
    first, second = (release.read(settings.releases / name).manifest for name in ("0001", "0002"))
    assert first["tables"] == second["tables"]

    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.SUCCESS
        for key in graph.materializable_asset_keys:
            event = instance.get_latest_materialization_event(key)
            assert event is not None, key
            assert event.asset_materialization is not None
            found = event.asset_materialization.metadata
            assert {"dagster/row_count", "preview"} <= set(found), key
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(graph.asset_check_keys))
        assert set(latest) == set(graph.asset_check_keys)
        statuses = {record.status.value for record in latest.values()}
        assert statuses <= {"SUCCEEDED", "FAILED"}
    assert ui.run_job(settings).release_id == "0002"


@pytest.mark.parametrize(
    ("raised", "text", "remedy"),
    [
        (
            LakeError("a committed file of the lake is gone", file="x.parquet", remedy="Run with --force."),
            "x.parquet: a committed file of the lake is gone. Run with --force.",
            "Run with --force.",
        ),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero", "biopharma ui"),
        (OSError(28, "No space left on device"), "No space left on device", "biopharma ui"),
    ],
)
def test_failing_step_surfaces_its_error(settings: Settings, raised: Exception, text: str, remedy: str) -> None:
    tries = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def failing() -> None:
        tries.append(raised)
        with failing_loudly():
            raise raised

    result = dg.materialize([failing], raise_on_error=False, instance=dg.DagsterInstance.ephemeral())
    error = ui._first_error(settings, result)
    assert text in error.text
    assert remedy in error.remedy
    # Only what may pass by itself is tried again.
    assert len(tries) == (2 if isinstance(raised, OSError) else 1)


def test_second_run_is_refused_by_the_resource(settings: Settings) -> None:
    @dg.asset(required_resource_keys={"warehouse"})
    def step() -> None:
        raise AssertionError("the step must not run")

    with holding(settings):
        result = dg.materialize(
            [step],
            resources={"warehouse": warehouse_resource(settings, silent)},
            raise_on_error=False,
            instance=dg.DagsterInstance.ephemeral(),
        )
    assert not result.success
    assert "a run by process" in str([event.event_specific_data for event in result.all_events if event.is_failure])
