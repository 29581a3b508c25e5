"""After a change in one source only what it reaches is built and checked, and the result is that of a full run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data_quality import runner
from data_quality.specs import Stage
from ingest.settings import Settings
from orchestration import pipeline, reader, release, selective
from tests.orchestration.conftest import Followed
from tests.revised import revise

STAGES: tuple[Stage, ...] = ("lake", "marts")
BUILT_SCHEMAS = ("lake", "staging", "intermediate", "marts", "quality")


def build(settings: Settings, *, force: bool = False) -> tuple[set[str], set[str]]:
    """Prepare and build without expectations and release; returns models that were built, and that were kept."""
    pipeline.prepare(settings, force=force)
    report = pipeline.build_models(settings)
    report.raise_for_failure()
    return (
        {node.name for node in report.models if not node.is_carried},
        {node.name for node in report.models if node.is_carried},
    )


def differing(settings: Settings, other: Settings) -> list[str]:
    """Relations of two work files that do not hold the same rows."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{settings.work_file}' as a (read_only)")
        connection.execute(f"attach '{other.work_file}' as b (read_only)")

        def names(database: str) -> set[tuple[str, str, str]]:
            rows = connection.execute(
                "select table_schema, table_name, string_agg(column_name || ' ' || data_type, ',' order by 1) "
                "from information_schema.columns where table_catalog = ? and table_schema in ? group by all",
                [database, list(BUILT_SCHEMAS)],
            ).fetchall()
            return {(row[0], row[1], row[2]) for row in rows}

        assert names("a") == names("b")
        return [f"{s}.{t}" for s, t, _ in sorted(names("a")) if not _same(connection, f"{s}.{t}")]


def _same(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a relation holds the same rows in both files; numbers to twelve digits.

    Sums are made in the order in which a join yields its rows, which DuckDB may choose otherwise for the same rows.
    """
    held = []
    for database in ("a", "b"):
        # Views read their sources by the name of the file they were made in.
        connection.execute(f"use {database}")
        columns = connection.execute(f"describe {name}").fetchall()
        listed = ", ".join(
            f"printf('%.11e', \"{column}\")" if kind == "DOUBLE" else f'"{column}"' for column, kind, *_ in columns
        )
        # The sum does not ask for an order, and a row that stands twice counts twice.
        held.append(connection.execute(f"select count(*), sum(hash({listed})::hugeint) from {name}").fetchall())
        connection.execute("use memory")
    return bool(held[0] == held[1])


def downstream(settings: Settings, tables: Iterable[str]) -> set[str]:
    """Models that read lake tables, directly or through others, and those that read the list of editions itself."""
    manifest = json.loads(pipeline.dbt_manifest(settings).read_text())
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    found = {
        key
        for key, node in nodes.items()
        if any(
            parent == f"source.biopharma.lake.{table}" for table in tables for parent in manifest["parent_map"][key]
        )
        or node["name"] == "mart_data_coverage"
    }
    while more := {key for key in nodes if key not in found and found & set(manifest["parent_map"][key])}:
        found |= more
    return {nodes[key]["name"] for key in found}


def test_one_changed_source_is_followed_to_its_marts_and_no_further(followed: Followed) -> None:
    everything = {spec.check_id for stage in STAGES for spec in runner.check_specs(stage)}
    assert followed.report.is_new_release
    tables = [load.table_name for load in followed.edition.tables]
    built = {node.name for node in followed.build.models if not node.is_carried}
    assert built == downstream(followed.settings, tables)
    assert "mart_medicare_biologic" in built
    assert "mart_rnd_growth" not in built
    # Checks of a table that did not change and that ask for nothing that did are kept.
    assert 0 < len(followed.checks) < len(everything) / 2
    assert not [name for name in followed.checks if name.startswith("rnd_observation__key")]
    with reader.open_release(reader.current_dir(followed.settings)) as connection:
        published = connection.execute("select check_id from quality.expectation_result").fetchall()
        tests = connection.execute("select count(*) from quality.model_test").fetchall()
    assert {row[0] for row in published} == everything
    assert tests == [(len(followed.build.tests),)]
    release.verify(reader.current_dir(followed.settings))


def test_changes_one_after_the_other_are_what_a_whole_build_makes_of_them(
    followed: Followed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two more sources, one after the other over the same file, then all of it made anew."""
    settings = replace(followed.settings, home=tmp_path / "home")
    shutil.copytree(followed.settings.home, settings.home, symlinks=True)

    # No test of the models changes a row.
    invoke = pipeline._invoke_dbt

    def without_tests(given: Settings, command: list[str], *rest: Any, **options: Any) -> Any:
        return invoke(given, [*command, "--exclude-resource-type", "test"], *rest, **options)

    monkeypatch.setattr(pipeline, "_invoke_dbt", without_tests)
    for code in ("ecb_fx", "oecd_anberd"):
        revise(settings, code)
        _, left = build(settings)
        assert left
        selective.keep(settings, selective.basis(settings))
    fresh = replace(settings, home=tmp_path / "fresh")
    fresh.work.mkdir(parents=True)
    (fresh.home / "lake").symlink_to(settings.lake)
    _, left = build(fresh, force=True)
    assert not left
    assert differing(settings, fresh) == []


def test_what_is_not_as_it_was_left_is_made_anew(copied: Settings) -> None:
    basis = selective.kept(copied)
    assert basis is not None
    assert basis.changed(selective.basis(copied)) == set()
    edition = revise(copied, "policy_events")
    now = selective.basis(copied)
    tables = {f"lake.{load.table_name}" for load in edition.tables}
    assert basis.changed(now) - {selective.ACCOUNT} == {*tables, selective.EDITION}
    assert replace(now, code="other").code != basis.code
    with duckdb.connect(str(copied.work_file)) as connection:
        connection.execute("create table marts.made_by_hand as select 1 as one")
    assert selective.kept(copied) is None
    pipeline.prepare(copied)
    state = pipeline.read_state(copied)
    assert state is not None
    assert state.stale is None


def test_checks_are_stale_by_what_they_read() -> None:
    stale = {"lake.trade_flow", "lake.edition"}
    assert selective.is_stale("lake.trade_flow", "", stale, is_new_day=False)
    assert not selective.is_stale("lake.claim", "select * from batch", stale, is_new_day=False)
    assert selective.is_stale("lake.claim", "select 1 from lake.edition", stale, is_new_day=False)
    own = "select 1 from lake.edition where table_name = 'claim'"
    assert not selective.is_stale("lake.claim", own, stale, is_new_day=False)
    today = f"{own} and current_date > published_on"
    assert selective.is_stale("lake.claim", today, stale, is_new_day=True)
    assert not selective.is_stale("lake.claim", today, stale, is_new_day=False)
