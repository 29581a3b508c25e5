"""The runner: what it reports, what it never does, and that nothing is passed over in silence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from data_quality import runner, specs
from data_quality.runner import CheckResult, CheckSpec, blocking_failures, check_specs, results_frame, run_checks
from ingest import lake
from ingest.settings import PROJECT_ROOT, Settings
from ingest.source import discover


def run_on_examples(settings: Settings, *tables: str) -> list[CheckResult]:
    """Results of some tables, without the checks of single sources' figures, which the example rows do not have."""
    return [result for result in run_checks(settings, "lake", tables=tables) if not result.requires]


def test_listing_checks_does_not_import_great_expectations() -> None:
    code = (
        "import sys\n"
        "from data_quality.runner import check_specs\n"
        "assert check_specs('lake') and check_specs('marts') is not None\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'great_expectations', 'dagster', 'sqlalchemy', 'pandas'}, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_leaves_no_trace(good_lake: Settings, tmp_path: Path) -> None:
    """No progress bar, no warning, nothing that DuckDB says at exit over open connections, no stray file."""
    code = (
        "from pathlib import Path\n"
        "from data_quality.runner import run_checks\n"
        "from ingest.settings import Settings\n"
        f"assert run_checks(Settings(home=Path({str(good_lake.home)!r})), 'lake', tables=['deal'])\n"
    )
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(temporary)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""
    assert not list(home.iterdir())
    assert not list(temporary.iterdir())


def test_check_ids_are_unique_and_fit_for_dagster() -> None:
    ids = [spec.check_id for stage in ("lake", "marts") for spec in check_specs(stage)]
    assert len(set(ids)) == len(ids)
    assert all(check_id.replace("_", "").isalnum() and check_id == check_id.lower() for check_id in ids)


def test_every_canonical_table_has_a_suite() -> None:
    suites = {path.stem for path in (specs.SUITES_DIR / "lake").glob("*.yml")} - {"_every_table"}
    assert suites == set(lake.contracts())


def test_a_table_may_be_empty_only_as_long_as_no_source_bundles_it() -> None:
    declared = {path.stem for source in discover().values() for path in source.edition_dir.glob("*.csv")}
    counted = {spec.table_name for spec in check_specs("lake") if spec.check_id.endswith("__row_count")}
    assert declared <= counted


def test_results_follow_the_specs(good_lake: Settings) -> None:
    results = run_on_examples(good_lake, "claim", "deal")
    wanted = [spec for spec in check_specs("lake") if spec.table_name in {"deal", "claim"} and not spec.requires]
    assert [result.check_id for result in results] == [spec.check_id for spec in wanted]
    assert blocking_failures(results) == []
    frame = results_frame(results)
    assert frame.height == len(results)
    assert frame["success"].all()
    assert json.loads(frame["kwargs"][0])


def test_a_run_over_an_empty_table_says_so(copy_lake: Callable[[], Settings]) -> None:
    settings = copy_lake()
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute("delete from lake.trade_flow")
        connection.execute("delete from lake.edition where table_name = 'trade_flow'")
    results = run_on_examples(settings, "trade_flow")
    passed = [result for result in results if result.success]
    assert passed
    assert {result.observed_value for result in passed} == {runner.NO_ROWS}
    assert {result.element_count for result in passed} == {0}


def test_a_table_may_be_empty_on_a_past_day(copy_lake: Callable[[], Settings]) -> None:
    settings = copy_lake()
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute("delete from lake.deal")
        connection.execute("delete from lake.edition where table_name = 'deal'")
    now = {result.check_id: result for result in run_checks(settings, "lake", tables=["deal"])}
    then = {r.check_id: r for r in run_checks(settings, "lake", tables=["deal"], as_of=date(2000, 1, 1))}
    assert not now["deal__row_count"].success
    assert then["deal__row_count"].success
    assert then["deal__row_count"].observed_value == runner.NO_ROWS


def test_only_severity_fail_blocks(copy_lake: Callable[[], Settings]) -> None:
    settings = copy_lake()
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute("update lake.deal set note = ' ' where locator = 'row 1'")
        connection.execute("update lake.deal set value = -1 where locator = 'row 2'")
    results = run_on_examples(settings, "deal")
    assert {result.check_id for result in results if not result.success} == {
        "deal__blank_text",
        "deal__value_positive",
    }
    (blocking,) = blocking_failures(results)
    assert blocking.check_id == "deal__value_positive"
    assert blocking.unexpected_count == 1
    assert json.loads(blocking.examples or "") == [-1.0]


def test_a_dropped_column_fails_its_checks_and_no_others(copy_lake: Callable[[], Settings]) -> None:
    settings = copy_lake()
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute("alter table lake.deal drop column deal_stage")
    results = {result.check_id: result for result in run_on_examples(settings, "deal")}
    assert {check_id for check_id, result in results.items() if not result.success} == {
        "deal__columns",
        "deal__required",
        "deal__blank_text",
        "deal__deal_stage__allowed",
        "deal__closed_lies_in_the_past",
    }
    assert "deal_stage" in (results["deal__deal_stage__allowed"].exception or "")
    assert results["deal__columns"].exception is None
    assert "deal_stage" in (results["deal__columns"].examples or "")


def test_a_changed_type_is_found(copy_lake: Callable[[], Settings]) -> None:
    settings = copy_lake()
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute("alter table lake.deal alter column capacity_litres type integer")
    failed = [result for result in run_on_examples(settings, "deal") if not result.success]
    (columns,) = (result for result in failed if result.check_id == "deal__columns")
    assert json.loads(columns.examples or "") == [
        {"column_name": "capacity_litres", "found_type": "integer", "expected_type": "double"}
    ]


def test_every_mandatory_column_is_looked_at(copy_lake: Callable[[], Settings]) -> None:
    settings = copy_lake()
    rules = lake.contract("deal")
    mandatory = [column.name for column in rules.columns if not column.nullable]
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute(
            f"update lake.deal set {', '.join(f'{name} = null' for name in mandatory)} where locator = 'row 3'"
        )
    results = {result.check_id: result for result in run_on_examples(settings, "deal")}
    assert results["deal__required"].unexpected_count == len(mandatory)


def test_a_missing_table_fails_all_its_checks(copy_lake: Callable[[], Settings]) -> None:
    settings = copy_lake()
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute("drop table lake.deal")
    results = run_on_examples(settings, "deal", "claim")
    assert {result.success for result in results if result.table_name == "claim"} == {True}
    deals = [result for result in results if result.table_name == "deal"]
    assert deals
    assert all(not result.success and result.exception and "deal" in result.exception for result in deals)


def test_a_check_that_cannot_run_fails_with_the_reason(good_lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    good = next(spec for spec in check_specs("lake") if spec.check_id == "deal__two_parties")
    monkeypatch.setattr(
        runner,
        "check_specs",
        lambda stage: [
            good,
            replace(good, check_id="deal__nonsense", expectation_type="expect_nonsense", kwargs={}),
            replace(
                good, check_id="deal__bad_kwargs", expectation_type="expect_column_values_to_be_in_set", kwargs={}
            ),
            replace(good, check_id="deal__bad_sql", kwargs={"query": "selekt"}),
            replace(good, check_id="deal__absent_source", requires=("no_such_source",)),
        ],
    )
    results = {result.check_id: result for result in run_checks(good_lake, "lake")}
    assert list(results) == [
        f"deal__{name}" for name in ("two_parties", "nonsense", "bad_kwargs", "bad_sql", "absent_source")
    ]
    assert results["deal__two_parties"].success
    for name, words in {"nonsense": "expect_nonsense", "bad_kwargs": "column", "bad_sql": "selekt"}.items():
        result = results[f"deal__{name}"]
        assert not result.success
        assert words in (result.exception or "")
    absent = results["deal__absent_source"]
    assert absent.success
    assert absent.observed_value == runner.NO_ROWS


def test_the_work_file_is_free_and_unchanged_after_a_run(copy_lake: Callable[[], Settings]) -> None:
    settings = copy_lake()
    before = settings.work_file.read_bytes()
    run_checks(settings, "lake", tables=["deal"])
    assert settings.work_file.read_bytes() == before
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute("create table written (x integer)")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("checks: [{id: a, severity: fail, description: d}]", "either a query or an expectation"),
        ("checks: [{id: a, severity: loud, description: d, query: select 1}]", "severity"),
        ("checks: [{id: A!, severity: fail, description: d, query: select 1}]", "id"),
        ("checks: [{id: a, severity: fail, description: d, query: select 1, kwargs: {x: 1}}]", "takes no kwargs"),
        ("chekcs: []", "chekcs"),
        ("table: [", "not valid"),
    ],
)
def test_a_malformed_suite_is_named(text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("lake", "marts", "sources"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "_every_table.yml").write_text("checks: []", encoding="utf-8")
    (tmp_path / "lake" / "deal.yml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(specs, "SUITES_DIR", tmp_path)
    with pytest.raises(specs.SuiteError, match=problem) as caught:
        specs._specs.__wrapped__("lake")
    assert caught.value.file == "deal.yml"


def test_a_result_is_a_spec_with_an_outcome() -> None:
    assert issubclass(CheckResult, CheckSpec)
