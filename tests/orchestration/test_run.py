"""A run from the bundled edition to the published warehouse, and everything that must not harm a release."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from data_quality import runner
from ingest import lake, workfile
from ingest.archive import sha256_of
from ingest.lake import Edition
from ingest.settings import Settings
from ingest.source import discover
from orchestration import pipeline, reader, release
from orchestration.errors import BlockedError, BuildError, BusyError, RunError
from orchestration.lock import exclusive
from tests.built import Home
from tests.orchestration.conftest import Outcome, holding, python

MARTS = {
    "mart_market_biologic_share",
    "mart_revisions",
    "mart_rnd_level",
    "mart_rnd_growth",
    "mart_overseas_manufacturing_share",
    "mart_overseas_lookup_product",
    "mart_policy_timeline",
    "mart_regenerative_product",
    "mart_regenerative_approval",
    "mart_regenerative_pipeline",
    "mart_regenerative_cdmo_register",
    "mart_white_biotechnology",
    "mart_cdmo_landscape",
    "mart_cdmo_market_projection",
    "mart_policy_claim_check",
    "mart_data_coverage",
}


def ask(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with reader.open_release(reader.current_dir(settings)) as connection:
        return connection.execute(query).fetchall()


def test_run_reports_what_it_did(built: Home) -> None:
    report = built.report
    assert report.is_new_release
    assert report.release_id == "0001"
    assert {e.source_code for e in report.editions} == {c for c, s in discover().items() if s.has_bundled_edition}
    assert set(report.seconds) >= {"load", "prepare", "check lake", "models", "check marts", "release"}
    assert report.build is not None
    assert not report.build.failed
    for stage in ("lake", "marts"):
        found = report.checks[stage]
        assert found.failed == 0
        assert found.passed + found.warned == len(runner.check_specs(stage))


def test_release_holds_every_mart_as_table_and_as_parquet(built: Home) -> None:
    marts = {
        row[0] for row in ask(built.settings, "select table_name from duckdb_tables() where schema_name = 'marts'")
    }
    assert marts >= MARTS
    folder = reader.current_dir(built.settings) / "parquet"
    assert {path.stem for path in folder.iterdir()} == marts
    for mart in sorted(marts):
        rows = ask(built.settings, f"select count(*) from marts.{mart}")[0][0]
        assert rows, f"{mart} is empty"
        assert pl.read_parquet(folder / f"{mart}.parquet").height == rows


def test_every_published_table_and_column_has_a_comment_and_a_catalogue_entry(built: Home) -> None:
    tables = ask(built.settings, "select schema_name, table_name, comment from duckdb_tables()")
    columns = ask(built.settings, "select schema_name, table_name, column_name, comment from duckdb_columns() "
                  "where not internal")  # fmt: skip
    assert {row[0] for row in tables} == {"marts", "facts", "vocabulary", "quality", "catalog"}
    assert [row for row in [*tables, *columns] if not row[-1]] == []
    assert sorted(ask(built.settings, "select schema_name, table_name, description from catalog.tables")) == sorted(
        tables
    )
    described = ask(built.settings, "select schema_name, table_name, column_name, description from catalog.columns")
    assert sorted(described) == sorted(columns)
    counted = ask(built.settings, "select schema_name || '.' || table_name, row_count from catalog.tables")
    assert dict(counted) == release.read(reader.current_dir(built.settings)).manifest["tables"]


def latest_editions(built: Home) -> list[Edition]:
    by_day = sorted(built.report.editions, key=lambda edition: edition.published_on)
    return list({(edition.source_code, edition.partition): edition for edition in by_day}.values())


def test_editions_of_the_lake_are_published(built: Home) -> None:
    loaded = {
        (edition.source_code, edition.edition_id, load.table_name): load.row_count
        for edition in built.report.editions
        for load in edition.tables
    }
    rows = ask(built.settings, "select source_code, edition_id, table_name, row_count from quality.edition")
    assert {row[:3]: row[3] for row in rows} == loaded


def test_facts_are_the_latest_editions_with_their_lineage(built: Home) -> None:
    latest = dict(
        ask(built.settings, "select table_name, sum(row_count) from quality.edition where is_latest group by 1")
    )
    for name, rules in lake.contracts().items():
        counts = ask(
            built.settings,
            f"select count(*), count(*) filter (locator is null or length(file_sha256) <> 64) from facts.{name}",
        )
        assert counts == [(latest.get(name, 0), 0)], name
        columns = ask(built.settings, f"select column_name, unit from catalog.columns where table_name = '{name}'")
        assert {c.name: c.unit for c in rules.columns}.items() <= dict(columns).items()


def test_sources_are_published_with_licence_rows_and_years(built: Home) -> None:
    rows = ask(
        built.settings,
        "select source_code, licence_name, citation, row_count, first_data_year <= last_data_year, latest_edition_id "
        "from catalog.sources",
    )
    assert {row[0] for row in rows} == set(discover())
    latest = dict(
        ask(built.settings, "select source_code, sum(row_count) from quality.edition where is_latest group by 1")
    )
    for code, licence, citation, row_count, ordered, edition in rows:
        assert (licence, citation) == (discover()[code].spec.licence.name, discover()[code].spec.citation)
        assert row_count == latest.get(code, 0)
        assert ordered or not row_count
        assert edition in {e.edition_id for e in built.report.editions if e.source_code == code} or not row_count


def test_check_results_are_published(built: Home) -> None:
    ids = {spec.check_id for stage in ("lake", "marts") for spec in runner.check_specs(stage)}
    published = ask(built.settings, "select check_id from quality.expectation_result")
    assert sorted(row[0] for row in published) == sorted(ids)
    assert built.report.build is not None
    tests = ask(built.settings, "select unique_id from quality.model_test")
    assert {row[0] for row in tests} == {test.unique_id for test in built.report.build.tests}


def test_manifest_names_inputs_checksums_and_licences(built: Home) -> None:
    directory = reader.current_dir(built.settings)
    manifest = json.loads((directory / "manifest.json").read_text())
    for name, about in manifest["files"].items():
        assert sha256_of(directory / name) == about["sha256"]
    present = {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}
    assert present == {*manifest["files"], "manifest.json"}
    assert {"warehouse.duckdb", "dictionary/dictionary.json", "notes.md"} <= present
    assert any(name.startswith("data_docs/") for name in present)
    assert {e["edition_id"] for e in manifest["editions"]} == {e.edition_id for e in built.report.editions}
    assert all(len(file["sha256"]) == 64 for e in manifest["editions"] for file in e["files"] if not _curated(e))
    assert all(source["licence_name"] and source["citation"] for source in manifest["sources"])
    assert manifest["engines"]["duckdb"] == duckdb.__version__


def _curated(edition: dict[str, str]) -> bool:
    return discover()[edition["source_code"]].spec.kind == "curated"


def test_dictionary_is_that_of_the_database(built: Home) -> None:
    dictionary = json.loads((reader.current_dir(built.settings) / "dictionary" / "dictionary.json").read_text())
    columns = [(t["schema"], t["table"], c["name"], c["type"]) for t in dictionary["tables"] for c in t["columns"]]
    described = ask(built.settings, "select schema_name, table_name, column_name, data_type from duckdb_columns() "
                    "where not internal")  # fmt: skip
    assert sorted(columns) == sorted(described)


def test_files_are_read_only_and_current_is_a_relative_link(built: Home) -> None:
    link = built.settings.current
    assert link.readlink() == Path("releases/0001")
    for path in link.resolve().rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o444, path
    versions = ask(built.settings, "select tags from duckdb_databases() where database_name = 'warehouse'")
    assert "v1.0.0" in str(versions)


def test_notes_have_their_heads(built: Home) -> None:
    notes = (reader.current_dir(built.settings) / "notes.md").read_text()
    heads = [line for line in notes.splitlines() if line.startswith("## ")]
    assert heads == [
        "## New data",
        "## Revised data",
        "## Expanded coverage",
        "## Definitions changed",
        "## Schema changes",
        "## Known problems",
        "## Row counts",
        "## Sources and licences",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "create table marts.x (a integer)",
        "insert into marts.mart_policy_claim_check select * from marts.mart_policy_claim_check",
        "drop table marts.mart_policy_claim_check",
        "copy (select 1) to 'out.csv'",
        "select * from read_text('/etc/hostname')",
        "select * from '/etc/hostname.csv'",
        "attach 'other.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
        "set memory_limit = '100GB'",
    ],
)
def test_reader_can_neither_write_nor_reach_out(
    built: Home, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with reader.open_release(reader.current_dir(built.settings)) as connection, pytest.raises(duckdb.Error):
        connection.execute(query).fetchall()
    assert list(tmp_path.iterdir()) == []


def test_unchanged_run_stands_and_imports_no_engine(built: Home) -> None:
    code = (
        "import sys; sys.argv = ['biopharma', 'run']\n"
        "from orchestration import cli\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "for name in ('dagster', 'great_expectations', 'dbt'): assert name not in sys.modules, name\n"
    )
    before = sorted(built.settings.releases.iterdir())
    started = time.perf_counter()
    done = python(code, built.settings)
    assert time.perf_counter() - started < 15
    assert "nothing changed since release 0001" in done.stdout
    assert sorted(built.settings.releases.iterdir()) == before


@pytest.mark.parametrize("change", ["edition", "fingerprint"])
def test_changed_input_is_not_unchanged(copied: Settings, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pipeline.unchanged(copied)
    if change == "edition":
        record = next((copied.lake / "_editions").glob("*/*.json"))
        record.write_text(record.read_text().replace('"rows_read":', '"rows_read" :'))
    else:
        monkeypatch.setattr("orchestration.fingerprint.version", lambda name: "0.0")
    assert pipeline.unchanged(copied) is None


def test_damaged_current_release_is_not_taken_for_unchanged(copied: Settings) -> None:
    path = copied.current.resolve() / "notes.md"
    path.chmod(0o644)
    path.write_text("other notes")
    assert pipeline.unchanged(copied) is None


def test_same_work_file_gives_same_parquet_bytes_and_readers_are_not_disturbed(copied: Settings) -> None:
    with reader.open_release(reader.current_dir(copied)) as connection:
        before = connection.execute("select release_id from catalog.release").fetchall()
        made, is_new = pipeline.publish(copied, force=True)
        assert connection.execute("select release_id from catalog.release").fetchall() == before == [("0001",)]
    assert (made.release_id, is_new) == ("0002", True)
    assert ask(copied, "select release_id from catalog.release") == [("0002",)]
    first, second = (release.read(copied.releases / name).manifest["files"] for name in ("0001", "0002"))
    assert {n: f for n, f in first.items() if n.startswith("parquet/")} == {
        n: f for n, f in second.items() if n.startswith("parquet/")
    }
    assert pipeline.publish(copied) == (made, False)


def test_failing_expectation_blocks(
    copied: Settings, monkeypatch: pytest.MonkeyPatch, biopharma: Callable[..., Outcome]
) -> None:
    prepare = workfile.prepare

    def with_repeated_keys(settings: Settings, *, as_of: date | None = None) -> Path:
        path = prepare(settings, as_of=as_of)
        connection = workfile.connect(path, settings)
        connection.execute("create table lake.twice as select * from lake.claim union all select * from lake.claim")
        connection.execute("create or replace view lake.claim as select * from lake.twice")
        connection.close()
        return path

    monkeypatch.setattr(workfile, "prepare", with_repeated_keys)
    called = biopharma(copied, "run", "--plain", "--force")
    assert called.code == 1
    assert "claim__key" in called.err
    assert "Nothing was published" in called.err.replace("\n", " ")
    assert "Traceback" not in called.err
    kept = pl.read_parquet(pipeline.checks_file(copied, "lake"))
    assert "claim__key" in kept.filter(~pl.col("success"))["check_id"].to_list()
    assert copied.current.readlink() == Path("releases/0001")
    release.verify(copied.current.resolve())
    with pytest.raises(BlockedError):
        pipeline.publish(copied, force=True)
    assert len(list(copied.releases.iterdir())) == 1


def test_failing_mart_expectation_blocks(copied: Settings) -> None:
    connection = workfile.connect(copied.work_file, copied)
    connection.execute("delete from marts.mart_policy_claim_check")
    connection.close()
    results = pipeline.check(copied, "marts")
    assert runner.blocking_failures(results)
    with pytest.raises(BlockedError, match="mart_policy_claim_check"):
        pipeline.publish(copied, force=True)
    assert copied.current.readlink() == Path("releases/0001")


def test_work_file_that_passed_nothing_is_not_published(copied: Settings) -> None:
    pipeline.prepare(copied)
    with pytest.raises(RunError, match="lake, models, marts"):
        pipeline.publish(copied)
    (copied.work / "state.json").unlink()
    with pytest.raises(RunError, match="no work file"):
        pipeline.publish(copied)


def test_corrupt_work_file_is_made_anew(copied: Settings) -> None:
    copied.work_file.write_bytes(b"not a database")
    copied.work_file.with_suffix(".duckdb.wal").write_bytes(b"nor a log")
    pipeline.prepare(copied)
    connection = workfile.connect(copied.work_file, copied, read_only=True)
    assert connection.execute("select count(*) > 0 from lake.claim").fetchall() == [(True,)]
    connection.close()


def test_failing_model_blocks_with_its_name(
    copied: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "dbt_project"
    import shutil

    shutil.copytree(copied.dbt_project, project, ignore=shutil.ignore_patterns("target", "logs"))
    model = project / "models" / "staging" / "stg_claim.sql"
    model.write_text("select no_such_column from {{ source('lake', 'claim') }}")
    monkeypatch.setattr(Settings, "dbt_project", property(lambda self: project))
    report = pipeline.build_models(copied, select=["stg_claim"])
    with pytest.raises(BuildError, match="stg_claim"):
        report.raise_for_failure()
    with pytest.raises(RunError, match="models"):
        pipeline.publish(copied, force=True)


def test_models_of_changed_inputs_are_not_published(copied: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.fingerprint.engines", lambda: {"duckdb": "0.0"})
    code = pipeline.checks_file(copied, "code")
    before = pl.read_parquet(code)
    pipeline.build_models(copied, select=["stg_claim", "int_rnd_window"]).raise_for_failure()
    # What was built is kept as it was run beside all that was not.
    assert pl.read_parquet(code).sort(pl.all()).equals(before.sort(pl.all()))
    with pytest.raises(RunError, match="have changed since the work file was prepared"):
        pipeline.publish(copied, force=True)


def test_build_leaves_no_lock_on_the_work_file(built: Home) -> None:
    code = (
        "import duckdb; from ingest.settings import Settings\n"
        "duckdb.connect(str(Settings.from_env().work_file)).close()"
    )
    assert python(code, built.settings).returncode == 0


def test_run_as_of_a_past_day_is_kept_but_not_current(small: Settings) -> None:
    state = pipeline.read_state(small)
    assert state is not None
    pipeline._write_state(small, replace(state, as_of="2020-01-01", fingerprint="f" * 64))
    made, _ = pipeline.publish(small)
    assert (made.release_id, made.as_of) == ("0002", "2020-01-01")
    assert small.current.readlink() == Path("releases/0001")
    assert "as of 2020-01-01" in (made.path / "notes.md").read_text()


def test_prepare_as_of_leaves_later_publications_out(copied: Settings) -> None:
    day = date(2021, 12, 31)
    pipeline.prepare(copied, as_of=day)
    connection = workfile.connect(copied.work_file, copied, read_only=True)
    latest = connection.execute("select max(published_on), count(*) > 0 from lake.edition").fetchall()
    connection.close()
    assert latest[0][0] <= day
    assert latest[0][1]


def test_second_run_is_refused_with_the_name_of_the_first(copied: Settings) -> None:
    with holding(copied) as process:
        with pytest.raises(BusyError, match=rf"a run by process {process.pid}"):
            pipeline.run(copied)
        process.kill()
    # A killed process leaves nothing that holds the next one up.
    with exclusive(copied, "a run"), exclusive(copied, "a step of it"):
        pass
