"""Every check of the lake passes on good rows and fails, alone, on a row that breaks it."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from data_quality import relation
from data_quality.runner import CheckResult, check_specs
from data_quality.specs import CheckSpec
from ingest import lake
from ingest.settings import Settings
from tests.quality.breakages import break_table, breakage
from tests.quality.running import run_only

# Checks of a source's own figures need that source's edition: test_source_checks.py has them.
SPECS = [spec for spec in check_specs("lake") if not spec.requires]
ROW_COUNTS = [spec for spec in SPECS if spec.check_id.endswith("__row_count")]
BREAKABLE = [spec for spec in SPECS if spec not in ROW_COUNTS]


@pytest.fixture(scope="module")
def good(good_lake: Settings) -> dict[str, CheckResult]:
    return run_only(good_lake, "lake", SPECS)


@pytest.fixture(scope="module")
def broken_lake(copy_lake: Callable[[], Settings]) -> tuple[dict[str, int], Settings]:
    settings = copy_lake()
    expected: dict[str, int] = {}
    with duckdb.connect(str(settings.work_file)) as connection:
        for table in lake.contracts():
            expected |= break_table(connection, table, [spec for spec in SPECS if spec.table_name == table])
    return expected, settings


@pytest.fixture(scope="module")
def broken(broken_lake: tuple[dict[str, int], Settings]) -> tuple[dict[str, int], dict[str, CheckResult]]:
    expected, settings = broken_lake
    return expected, run_only(settings, "lake", SPECS)


@pytest.fixture(scope="module")
def empty(copy_lake: Callable[[], Settings]) -> dict[str, CheckResult]:
    settings = copy_lake()
    with duckdb.connect(str(settings.work_file)) as connection:
        for table in lake.contracts():
            connection.execute(f"delete from lake.{table}")
        connection.execute("delete from lake.edition")
    return run_only(settings, "lake", ROW_COUNTS)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.check_id)
def test_passes_on_good_rows(spec: CheckSpec, good: dict[str, CheckResult]) -> None:
    result = good[spec.check_id]
    assert result.success, (result.observed_value, result.examples, result.exception)
    assert result.exception is None
    assert result.element_count


@pytest.mark.parametrize("spec", BREAKABLE, ids=lambda spec: spec.check_id)
def test_fails_on_exactly_the_row_that_breaks_it(
    spec: CheckSpec, broken: tuple[dict[str, int], dict[str, CheckResult]]
) -> None:
    expected, results = broken
    assert breakage(spec) is not None, f"write a breakage for {spec.check_id}: a check that cannot fail is a defect"
    result = results[spec.check_id]
    assert result.exception is None
    assert not result.success
    assert result.unexpected_count == expected[spec.check_id], result.examples
    assert result.examples


def test_a_large_table_gives_the_same_results(
    broken_lake: tuple[dict[str, int], Settings],
    broken: tuple[dict[str, int], dict[str, CheckResult]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted over values and their combinations, and keys by slices of their hashes, it is the same."""
    monkeypatch.setattr(relation, "LARGE", 1)
    monkeypatch.setattr(relation, "_SLICE", 7)
    large = run_only(broken_lake[1], "lake", SPECS)
    assert large == broken[1]


@pytest.mark.parametrize("spec", ROW_COUNTS, ids=lambda spec: spec.check_id)
def test_an_empty_table_fails_its_row_count(spec: CheckSpec, empty: dict[str, CheckResult]) -> None:
    result = empty[spec.check_id]
    assert not result.success
    assert result.observed_value == "0"
