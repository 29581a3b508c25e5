"""Dagster's definitions: one connected lineage, every asset described, every check there, one job run for real."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from data_quality.runner import check_specs
from ingest import lake, vocabulary
from ingest.errors import LakeError
from ingest.lake import Lake
from ingest.remote import Remote
from ingest.settings import Settings
from ingest.source import Source, discover
from ingest.sources.sec_fsds.fetch import quarters as quarter_names
from orchestration import cadence, fingerprint, reader, release, remote, ui
from orchestration.defs import archive, keys, metadata, warehouse_definitions
from orchestration.defs.models import described_test
from orchestration.defs.resources import Installation, failing_loudly, warehouse_resource
from orchestration.progress import silent
from tests.built import Home
from tests.conftest import shared_file
from tests.orchestration.conftest import Followed, holding
from tests.publisher import Answer, Publisher

LAYERS = ("publisher", "archive", "source", "lake", "staging", "intermediate", "marts", "release")


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
    assert [key for key, node in checks.items() if not node.description] == []
    tested = {key.asset_key.path[0] for key in checks}
    assert tested >= {"lake", "marts"}


def test_the_job_builds_from_the_archive_and_asks_nobody(definitions: dg.Definitions) -> None:
    job = definitions.get_repository_def().get_job("warehouse")
    nodes = {node.name for node in job.nodes}
    assert nodes >= {"lake", "dbt_models", "marts_expectations", "release__warehouse", "source__ecb_fx"}
    assert not [name for name in nodes if name.startswith("archive")]
    assert job.executor_def is dg.in_process_executor
    assert job.tags["biopharma/uses"] == "work_file"


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


def test_job_publishes_and_records_everything(followed: Followed, graph: dg.AssetGraph) -> None:
    """What the run made, and what it left as an earlier one had made it."""
    settings, report = followed.settings, followed.report
    assert followed.reached == ()
    assert (report.release_id, report.is_new_release) == ("0002", True)
    release.verify(reader.current_dir(settings))
    # The release before is that of a run without Dagster, and the new edition has as many rows as the old one: only
    # what tells of editions and revisions grows.
    first, second = (release.read(settings.releases / name).manifest for name in ("0001", "0002"))
    assert first["tables"].keys() == second["tables"].keys()
    assert {name for name, rows in second["tables"].items() if rows != first["tables"][name]} == {
        "catalog.source_to_mart",
        "marts.mart_revisions",
        "quality.edition",
        "quality.figure_statement",
        "quality.file_account",
    }

    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.SUCCESS
        for key in graph.materializable_asset_keys:
            if key.path[0] == "archive":
                continue
            event = instance.get_latest_materialization_event(key)
            assert event is not None, key
            assert event.asset_materialization is not None
            found = event.asset_materialization.metadata
            assert {"dagster/row_count", "preview"} <= set(found), key
            if key.path[0] == "marts":
                lineage = found["dagster/column_lineage"].value.deps_by_column
                assert all(graph.has(dep.asset_key) for deps in lineage.values() for dep in deps), key
        share = instance.get_latest_materialization_event(keys.relation("marts", "mart_market_biologic_share"))
        assert share is not None and share.asset_materialization is not None
        columns = {c.name: c for c in share.asset_materialization.metadata["dagster/column_schema"].value.columns}
        assert "Made from intermediate.int_market_product_class.sales_jpy" in (columns["sales_jpy"].description or "")
        event = instance.get_latest_materialization_event(keys.REMOTE)
        assert event is not None and event.asset_materialization is not None
        told = event.asset_materialization.metadata
        assert (told["release"].value, told["address"].value, told["is_new"].value) == ("0002", settings.remote, True)
        assert told["files"].value > 500 and told["bytes"].value > 1_000_000
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(graph.asset_check_keys))
        assert set(latest) == set(graph.asset_check_keys)
        statuses = {record.status.value for record in latest.values()}
        assert statuses <= {"SUCCEEDED", "FAILED"}
    assert report.elsewhere is not None and report.elsewhere.files == told["files"].value
    place = Remote.of(settings)
    assert remote.current(place) == remote.published(reader.current_dir(settings))
    assert set(place.names("lake")) >= {f"_editions/cms_part_b/{followed.edition.edition_id}.json"}
    again = ui.run_job(settings)
    assert (again.release_id, again.elsewhere and again.elsewhere.files) == ("0002", 0)


def test_a_place_is_the_end_of_the_lineage_where_there_is_one(built: Home, tmp_path: Path) -> None:
    far = warehouse_definitions(replace(built.settings, remote=tmp_path.as_uri())).resolve_asset_graph()
    node = far.get(keys.REMOTE)
    assert node.parent_keys == {keys.RELEASE} and node.description and node.owners
    assert far.get(keys.RELEASE).child_keys == {keys.REMOTE}


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


def source_with(**changes: object) -> Source:
    """The ECB's source without politeness, which the loopback interface does not need."""
    source = Source(discover()["ecb_fx"].folder)
    policy = source.spec.fetch.model_copy(
        update={"seconds_between_requests": 0.0, "backoff_seconds": 0.01, **changes}
    )
    source.spec = source.spec.model_copy(update={"fetch": policy})
    return source


def test_every_source_that_can_be_fetched_is_asked_on_schedule_in_the_pool_of_its_site(
    definitions: dg.Definitions, graph: dg.AssetGraph
) -> None:
    repository = definitions.get_repository_def()
    asked = {
        key.path[1]
        for schedule in repository.schedule_defs
        if schedule.job_name.startswith("fetch_")
        for key in repository.get_job(schedule.job_name).asset_layer.selected_asset_keys
    }
    fetchable = {code: source for code, source in discover().items() if source.has_connector}
    assert asked == set(fetchable)
    crons = {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs}
    assert crons["daily"] == "30 5 * * *"
    assert repository.get_job("fetch_daily").asset_layer.selected_asset_keys == {keys.archive("ecb_fx")}
    weekly = repository.get_job("fetch_weekly").asset_layer.selected_asset_keys
    assert {keys.archive(code) for code in ("fda_ndc", "fda_drugsatfda", "ema_medicines")} <= weekly
    for code, source in fetchable.items():
        definition = graph.get(keys.archive(code)).assets_def
        (op,) = definition.node_def.iterate_op_defs()
        assert op.pool == cadence.pool_of(source)
        assert op.retry_policy is not None and op.retry_policy.jitter and op.retry_policy.backoff
        policy = graph.get(keys.archive(code)).freshness_policy_or_from_metadata
        assert policy is not None
        assert policy.fail_window.to_timedelta().days >= source.spec.freshness_days
    sec = {cadence.pool_of(discover()[code]) for code in ("sec_fsds", "sec_companyfacts", "sec_ixbrl")}
    assert sec == {"site_sec.gov"}


@pytest.mark.parametrize(("setting", "status"), [("on", "RUNNING"), ("off", "STOPPED")])
def test_nothing_ticks_until_somebody_operates(
    built: Home, monkeypatch: pytest.MonkeyPatch, setting: str, status: str
) -> None:
    monkeypatch.setenv("BIOPHARMA_AUTOMATION", setting)
    repository = warehouse_definitions(built.settings).get_repository_def()
    ticking = [*repository.schedule_defs, *repository.sensor_defs]
    assert len(ticking) > 10
    assert {definition.default_status.value for definition in ticking} == {status}


def test_partitions_are_the_publishers(graph: dg.AssetGraph) -> None:
    def of(code: str) -> list[str]:
        partitions = graph.get(keys.archive(code)).partitions_def
        assert partitions is not None
        return list(partitions.get_partition_keys())

    assert of("sec_fsds")[:2] == ["2009-04", "2009-07"]
    assert of("mhlw_ndb")[:6] == ["FY2014", "FY2015", "FY2016", "FY2017", "FY2018", "FY2019"]
    assert "annual-JPN-3002" in of("un_comtrade")
    quarters, years = (discover()[code] for code in ("sec_fsds", "mhlw_ndb"))
    # What Dagster calls a quarter is what the connector takes for it.
    names = [cadence.partition_name(quarters.spec.fetch.partitions, key) for key in of("sec_fsds")]
    assert names == quarter_names(datetime.now(UTC).date())[: len(names)]
    assert [cadence.partition_key(quarters.spec.fetch.partitions, name) for name in names] == of("sec_fsds")
    assert cadence.fetch_options(quarters, ["2010-01", "2010-04"]) == {"BIOPHARMA_SEC_QUARTERS": "2010q1,2010q2"}
    assert cadence.fetch_options(years, ["FY2019"]) == {"BIOPHARMA_NDB_ROUNDS": "FY2019"}
    assert cadence.fetch_options(years, []) == {}


HOST, PATH = "www.ecb.europa.eu", "/stats/eurofxref/eurofxref-hist.zip"


def materialize(asset: dg.AssetsDefinition, settings: Settings, publisher: Publisher, *hosts: str, **how: object):
    return dg.materialize(
        [asset],
        resources={"installation": Installation(settings, publisher.routes(*hosts))},
        raise_on_error=False,
        instance=dg.DagsterInstance.ephemeral(),
        **how,
    )


def test_a_fetch_commits_what_is_new_and_asks_for_a_build_once(settings: Settings) -> None:
    body = shared_file("ecb_fx/eurofxref-hist.zip").read_bytes()
    asset = archive._archive_asset(source_with())
    with Publisher() as publisher:
        publisher.serve(HOST, PATH, Answer(body, etag='"today"'))
        before = cadence.build_due(settings)
        first = materialize(asset, settings, publisher, HOST)
        after = cadence.build_due(settings)
        again = materialize(asset, settings, publisher, HOST)
    assert first.success and again.success
    (found,) = first.asset_materializations_for_node("archive__ecb_fx")
    assert found.metadata["dagster/row_count"].value > 200_000
    assert "2" in found.metadata["editions"].value
    assert len(before.fingerprint) == 64
    assert before.fingerprint != after.fingerprint
    # The publisher says that nothing has changed: nor has what a build would be made from.
    assert cadence.build_due(settings).fingerprint == after.fingerprint
    assert after.is_due and after.reason == "there is no release yet"


def test_a_publisher_that_is_away_fails_its_own_step_with_the_reason(settings: Settings) -> None:
    asset = archive._archive_asset(source_with())
    with Publisher() as publisher:
        publisher.serve(HOST, PATH, Answer(b"<html><body>Maintenance of the service today.</body></html>"))
        result = materialize(asset, settings, publisher, HOST)
    assert not result.success
    assert "HTML page" in ui._first_error(settings, result).text


def test_a_backfill_asks_for_its_quarters_and_says_which_are_absent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = shared_file("sec_edgar/fsds/2010q2.zip").read_bytes()
    monkeypatch.setenv("BIOPHARMA_USER_AGENT", "test somebody@example.org")
    source = Source(discover()["sec_fsds"].folder)
    policy = source.spec.fetch.model_copy(update={"seconds_between_requests": 0.0})
    source.spec = source.spec.model_copy(update={"fetch": policy})
    asset = archive._archive_asset(source)
    with Publisher() as publisher:
        publisher.serve("www.sec.gov", "/files/dera/data/financial-statement-data-sets/2010q2.zip", Answer(body))
        good = materialize(asset, settings, publisher, "www.sec.gov", partition_key="2010-04")
        assert [seen.path.rpartition("/")[2] for seen in publisher.seen] == ["2010q2.zip"]
    assert good.success
    (found,) = good.asset_materializations_for_node("archive__sec_fsds")
    assert found.partition == "2010-04"


def test_what_was_asked_for_and_is_not_published_is_named() -> None:
    source = discover()["mhlw_ndb"]
    assert cadence.missing(source, ["FY2024"], []) == ["FY2024"]
    assert "has no FY2024 of mhlw_ndb yet" in cadence.not_published(source, ["FY2024"]).text


def test_a_build_is_asked_for_when_the_inputs_are_those_of_no_release(
    copied: Settings, definitions: dg.Definitions
) -> None:
    sensor = warehouse_definitions(copied).get_repository_def().get_sensor_def("inputs_changed")
    with dg.DagsterInstance.ephemeral() as instance:
        quiet = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
        assert quiet.skip_message is not None and " stands for the inputs as they are" in quiet.skip_message
        Lake(copied.lake).withdraw(Lake(copied.lake).editions()[0])
        (request,) = sensor.evaluate_tick(dg.build_sensor_context(instance=instance)).run_requests or []
    assert request.run_key == cadence.build_due(copied).fingerprint
    assert "are not those of release 000" in request.tags["biopharma/reason"]


def test_a_dbt_test_says_what_it_looks_for() -> None:
    test = {
        "name": "accepted_values_mart_x_status__a__b",
        "original_file_path": "models/marts/x.yml",
        "test_metadata": {
            "name": "accepted_values",
            "kwargs": {"model": "m", "column_name": "status", "values": ["a", "b"]},
        },
    }
    assert described_test(test) == (
        "Accepted values in column `status` (values: a, b). A dbt test, written in dbt_project/models/marts/x.yml."
    )
    assert described_test({**test, "description": "Known."}).startswith("Known. A dbt test")


def test_rows_are_compared_with_the_last_time() -> None:
    assert metadata.of_change(None, 5) == {}
    assert metadata.of_change(200, 200) == {"rows_last_time": 200, "rows_change": "none"}
    assert metadata.of_change(200, 210) == {"rows_last_time": 200, "rows_change": "+10 (+5.0%)"}
    assert metadata.of_change(0, 3) == {"rows_last_time": 0, "rows_change": "+3"}


def test_code_is_a_file_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    path = discover()["ecb_fx"].folder / "parse.py"
    assert metadata.of_code(path)["code"] == "ingest/sources/ecb_fx/parse.py"
    monkeypatch.setenv("BIOPHARMA_CODE_URL", "https://code.example/blob/main/")
    (reference,) = metadata.of_code(path)["dagster/code_references"].code_references
    assert reference.url == "https://code.example/blob/main/ingest/sources/ecb_fx/parse.py"
