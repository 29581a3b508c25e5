"""Running checks: Great Expectations over the work file, results as rows.

check_specs("lake")                          # what is checked; reads YAML only
results = run_checks(settings, "lake")       # imports Great Expectations and reads the work file
blocking_failures(results)                   # what stops the run
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from data_quality.conditions import BATCH, Screen, screens
from data_quality.relation import Relation, count_rows
from data_quality.specs import CheckSpec, Stage, check_specs
from ingest import workfile
from ingest.settings import Settings

__all__ = ["CheckResult", "CheckSpec", "blocking_failures", "check_specs", "results_frame", "run_checks"]

NO_ROWS = "no rows"
_EXAMPLES = 10
_ROW_COUNT = "expect_table_row_count_to_be_between"

_RESULT_SCHEMA = pl.Schema(
    {
        "check_id": pl.String(),
        "stage": pl.String(),
        "suite": pl.String(),
        "table_schema": pl.String(),
        "table_name": pl.String(),
        "column_name": pl.String(),
        "expectation_type": pl.String(),
        "kwargs": pl.String(),
        "severity": pl.String(),
        "description": pl.String(),
        "requires": pl.String(),
        "success": pl.Boolean(),
        "observed_value": pl.String(),
        "element_count": pl.Int64(),
        "unexpected_count": pl.Int64(),
        "examples": pl.String(),
        "exception": pl.String(),
    }
)


@dataclass(frozen=True)
class CheckResult(CheckSpec):
    """A check and what came of it.

    `observed_value` is `no rows` where the check passed because there was nothing to look at. `examples` is a
    JSON list of a few unexpected values or rows. A check that raised has `success` false and the text of the
    exception.
    """

    success: bool = False
    observed_value: str | None = None
    element_count: int | None = None
    unexpected_count: int | None = None
    examples: str | None = None
    exception: str | None = None


def run_checks(
    settings: Settings,
    stage: Stage,
    *,
    docs_dir: Path | None = None,
    tables: Collection[str] | None = None,
    as_of: date | None = None,
    earlier: Mapping[str, CheckResult] | None = None,
) -> list[CheckResult]:
    """Run the checks of a stage on the work file, which is opened read-only; returns one result per check.

    `tables` restricts the run to some relations; with `docs_dir`, the results are also written there as Data
    Docs. `as_of` is that of a work file over past publications: a table may then be empty because nothing had been
    published, so that its row count is passed over. Checks of which `earlier` has the result are not run again, and
    the page of such a table in the Data Docs stays the one of its last full run. The order is that of
    :func:`check_specs`. Nothing is raised for a check that fails or cannot run.
    """
    known = dict(earlier or {})
    specs = [spec for spec in check_specs(stage) if tables is None or spec.table_name in tables]
    outcomes: dict[str, CheckResult] = {}
    partly = {f"{result.table_schema}.{result.table_name}" for result in known.values()}
    validations = []
    with _quiet(), contextlib.closing(workfile.connect(settings.work_file, settings, read_only=True)) as connection:
        # Examples are the first rows, in every run the same ones.
        connection.execute("set preserve_insertion_order = true")
        # Another process may read and spill meanwhile; DuckDB's files in one directory would be mixed up.
        spill = str(settings.work / "spill.checks").replace("'", "''")
        connection.execute(f"set temp_directory = '{spill}'")
        row_counts, loaded = _contents(connection, specs)
        due = []
        for spec in specs:
            if spec.check_id in known:
                outcomes[spec.check_id] = known[spec.check_id]
                continue
            empty = row_counts.get((spec.table_schema, spec.table_name)) == 0
            not_yet = as_of is not None and empty and spec.expectation_type == _ROW_COUNT
            if loaded.issuperset(spec.requires) and not not_yet:
                due.append(spec)
            else:
                outcomes[spec.check_id] = _result(spec, success=True, observed_value=NO_ROWS, element_count=0)
        known_screens = screens(connection, due)
        clean = _clean_elsewhere(connection, known_screens)
        for (schema, table), group in groupby(due, key=lambda spec: (spec.table_schema, spec.table_name)):
            name = f"{schema}.{table}"
            found, validation = _check_table(connection, name, list(group), known_screens, clean)
            outcomes.update((result.check_id, result) for result in found)
            if validation is not None and name not in partly:
                validations.append(validation)
    results = [outcomes[spec.check_id] for spec in specs]
    if docs_dir is not None:
        from data_quality.docs import build_docs

        build_docs(docs_dir, stage, results, validations)
    return results


def blocking_failures(results: Sequence[CheckResult]) -> list[CheckResult]:
    """The failed checks of severity `fail`: nothing downstream of them may be published."""
    return [result for result in results if not result.success and result.severity == "fail"]


def results_from(frame: pl.DataFrame, stage: Stage) -> list[CheckResult]:
    """Results that were kept as :func:`results_frame` writes them, of the checks of a stage that are still made."""
    outcomes = {row["check_id"]: row for row in frame.iter_rows(named=True)}
    names = [field.name for field in fields(CheckResult) if field.name not in CheckSpec.__dataclass_fields__]
    return [
        _result(spec, **{name: outcomes[spec.check_id][name] for name in names})
        for spec in check_specs(stage)
        if spec.check_id in outcomes
    ]


def results_frame(results: Sequence[CheckResult]) -> pl.DataFrame:
    """Results as a frame, one row per check; `kwargs` is JSON, `requires` a list separated by commas."""
    rows = [
        {
            **{name: value for name, value in vars(result).items() if name in _RESULT_SCHEMA},
            "kwargs": json.dumps(result.kwargs, ensure_ascii=False, default=str),
            "requires": ",".join(result.requires) or None,
        }
        for result in results
    ]
    return pl.DataFrame(rows, schema=_RESULT_SCHEMA, orient="row")


def _contents(
    connection: duckdb.DuckDBPyConnection, specs: Sequence[CheckSpec]
) -> tuple[dict[tuple[str, str], int], set[str]]:
    """Rows of each checked relation that exists, and what has been loaded, as `CheckSpec.requires` names it."""
    known = set(connection.execute("select table_schema, table_name from information_schema.tables").fetchall())
    wanted = sorted({(spec.table_schema, spec.table_name) for spec in specs} & known)
    counts: dict[tuple[str, str], int] = {}
    for schema, table in wanted:
        # A view may be there and its files gone; the checks then report why.
        with contextlib.suppress(duckdb.Error):
            counts[schema, table] = connection.execute(f"select count(*) from {schema}.{table}").fetchall()[0][0]
    loaded = {
        name
        for row in connection.execute(
            "select distinct source_code, source_code || '/' || edition_partition, "
            "source_code || '@' || published_on from lake.edition"
        ).fetchall()
        for name in row
    }
    return counts, loaded


def _clean_elsewhere(connection: duckdb.DuckDBPyConnection, known: Mapping[str, Screen]) -> set[str]:
    """Ids of checks that look at another relation than their table's (the editions, say) and find nothing there."""
    clean: set[str] = set()
    for relation in {screen.relation for screen in known.values()} - {BATCH}:
        asked = {check_id: screen for check_id, screen in known.items() if screen.relation == relation}
        with contextlib.suppress(duckdb.Error):
            counts = count_rows(connection, relation, [c for screen in asked.values() for c in screen.conditions])
            clean |= {check_id for check_id, screen in asked.items() if not any(counts[c] for c in screen.conditions)}
    return clean


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Great Expectations from reporting usage and from warning of its own deprecations."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    specs: Sequence[CheckSpec],
    known: Mapping[str, Screen],
    clean_elsewhere: Collection[str],
) -> tuple[list[CheckResult], Any]:
    """Results of all checks of one table, and Great Expectations' own record of them for the Data Docs."""
    from data_quality import expectations

    made: dict[str, Any] = {}
    results = []
    for spec in specs:
        try:
            made[spec.check_id] = expectations.expectation_of(spec)
        except Exception as error:
            results.append(_result(spec, success=False, exception=_told(error)))
    left = [spec for spec in specs if spec.check_id in made]
    key = [name for spec in left for name in spec.unique if name not in {"source_code", "edition_id"}]
    try:
        relation = Relation(connection, name, key)
    except duckdb.Error as error:
        return [*results, *(_result(spec, success=False, exception=_told(error)) for spec in left)], None
    counts, clean = _pass_over(relation, left, known)
    clean.update(clean_elsewhere)
    found = [
        expectations.judge(spec, made[spec.check_id], relation, counts, is_clean=spec.check_id in clean)
        for spec in left
    ]
    results.extend(_read(spec, result, relation.row_count) for spec, result in zip(left, found, strict=True))
    return results, expectations.suite_result(name, found)


def _pass_over(
    relation: Relation, specs: Sequence[CheckSpec], known: Mapping[str, Screen]
) -> tuple[dict[str, int], set[str]]:
    """In how many rows of a relation each condition holds, and the ids of queries that will find nothing.

    Where the conditions cannot be put together (a column is gone), nothing is known, and each check is asked alone.
    """
    asked = {
        spec.check_id: known[spec.check_id].conditions
        for spec in specs
        if spec.check_id in known and known[spec.check_id].relation == BATCH
    }
    counts: dict[str, int] = {}
    clean: set[str] = set()
    with contextlib.suppress(duckdb.Error):
        counts = relation.count([condition for conditions in asked.values() for condition in conditions])
        clean = {check_id for check_id, conditions in asked.items() if not any(counts[c] for c in conditions)}
    for spec in specs:
        if spec.unique:
            with contextlib.suppress(duckdb.Error):
                if not relation.repeats(spec.unique):
                    clean.add(spec.check_id)
    return counts, clean


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _read(spec: CheckSpec, found: Any, row_count: int | None) -> CheckResult:
    """Our result from Great Expectations' result of one expectation."""
    exception = _exception(found.exception_info)
    if exception is not None:
        return _result(spec, success=False, element_count=row_count, exception=exception)
    outcome: dict[str, Any] = found.result
    details: dict[str, Any] = outcome.get("details") or {}
    success = bool(found.success)
    unexpected = details.get("unexpected_count", outcome.get("unexpected_count"))
    elements = outcome.get("element_count", row_count)
    if row_count == 0 and success:
        observed = NO_ROWS
    elif "observed_value" in outcome:
        observed = str(outcome["observed_value"])
    else:
        observed = f"{unexpected or 0:,} of {elements or 0:,} rows unexpected"
    examples = (details.get("unexpected_rows") or outcome.get("partial_unexpected_list") or [])[:_EXAMPLES]
    return _result(
        spec,
        success=success,
        observed_value=observed,
        element_count=elements,
        unexpected_count=unexpected,
        examples=json.dumps(examples, ensure_ascii=False, default=str) if examples else None,
    )


def _exception(info: dict[str, Any] | None) -> str | None:
    """Text of what was raised: Great Expectations gives one record, or one for each metric it wanted."""
    if not info:
        return None
    records = [info] if "raised_exception" in info else [record for record in info.values() if record]
    texts = [str(record["exception_message"]) for record in records if record.get("raised_exception")]
    return "; ".join(dict.fromkeys(texts)) or None


def _result(spec: CheckSpec, **outcome: Any) -> CheckResult:
    return CheckResult(**vars(spec), **outcome)
