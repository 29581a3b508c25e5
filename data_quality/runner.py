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
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from data_quality.specs import QUERY_EXPECTATION, CheckSpec, Stage, check_specs
from ingest import workfile
from ingest.settings import Settings

if TYPE_CHECKING:
    from data_quality.duckdb_engine import DuckDBDatasource

__all__ = ["CheckResult", "CheckSpec", "blocking_failures", "check_specs", "results_frame", "run_checks"]

NO_ROWS = "no rows"
_ROW_COUNT = "expect_table_row_count_to_be_between"
_EXAMPLES = 10
_GX_SEVERITY = {"fail": "critical", "warn": "warning"}

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
    row_counts, loaded = _contents(settings, specs)
    outcomes: dict[str, CheckResult] = {}
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
    partly = {f"{known[name].table_schema}.{known[name].table_name}" for name in known}
    validations = []
    with _quiet(), _datasources(settings, {spec.table_schema for spec in due}) as datasources:
        for (schema, table), group in groupby(due, key=lambda spec: (spec.table_schema, spec.table_name)):
            found, validation = _check_table(datasources[schema], table, list(group), row_counts.get((schema, table)))
            outcomes.update((result.check_id, result) for result in found)
            if validation is not None and f"{schema}.{table}" not in partly:
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
            **vars(result),
            "kwargs": json.dumps(result.kwargs, ensure_ascii=False, default=str),
            "requires": ",".join(result.requires) or None,
        }
        for result in results
    ]
    return pl.DataFrame(rows, schema=_RESULT_SCHEMA, orient="row")


def _contents(settings: Settings, specs: Sequence[CheckSpec]) -> tuple[dict[tuple[str, str], int], set[str]]:
    """Rows of each checked relation that exists, and what has been loaded, as `CheckSpec.requires` names it."""
    connection = workfile.connect(settings.work_file, settings, read_only=True)
    try:
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
    finally:
        connection.close()
    return counts, loaded


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Great Expectations from reporting usage and from warning of its own deprecations."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _datasources(settings: Settings, schemas: Collection[str]) -> Iterator[dict[str, DuckDBDatasource]]:
    """A datasource per schema of the work file, closed at the end."""
    from data_quality import duckdb_engine

    context = duckdb_engine.ephemeral_context()
    opened: dict[str, DuckDBDatasource] = {}
    try:
        for schema in sorted(schemas):
            opened[schema] = context.data_sources.add_duckdb(
                schema,
                connection_string=duckdb_engine.connection_string(settings),
                schema_name=schema,
                kwargs=duckdb_engine.connection_arguments(settings),
            )
        yield opened
    finally:
        for datasource in opened.values():
            datasource.close()


def _check_table(
    datasource: DuckDBDatasource, table: str, specs: Sequence[CheckSpec], row_count: int | None
) -> tuple[list[CheckResult], Any]:
    """Results of all checks of one table, and Great Expectations' own record of them for the Data Docs."""
    import great_expectations as gx

    expectations = []
    results = []
    for spec in specs:
        try:
            expectations.append(_expectation(spec))
        except Exception as error:
            results.append(_result(spec, success=False, exception=f"{type(error).__name__}: {error}"))
    by_id = {spec.check_id: spec for spec in specs}
    left = [by_id[expectation.meta["check_id"]] for expectation in expectations]
    try:
        asset = datasource.add_table_asset(table, table_name=table)
        batch = asset.add_batch_definition_whole_table("all rows").get_batch()
        suite = gx.ExpectationSuite(f"{datasource.schema_name}.{table}", expectations=expectations)
        validation = batch.validate(
            suite, result_format={"result_format": "BASIC", "partial_unexpected_count": _EXAMPLES}
        )
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        return [*results, *(_result(spec, success=False, exception=text) for spec in left)], None
    results.extend(
        _read(by_id[found.expectation_config.meta["check_id"]], found, row_count) for found in validation.results
    )
    return results, validation


def _expectation(spec: CheckSpec) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    from data_quality import duckdb_engine

    common = {
        "description": spec.description,
        "severity": _GX_SEVERITY[spec.severity],
        "meta": {"check_id": spec.check_id},
    }
    if spec.expectation_type == QUERY_EXPECTATION:
        query = duckdb_engine.query_over_batch(spec.kwargs["query"])
        return duckdb_engine.ExpectQueryToReturnNoRows(unexpected_rows_query=query, **common)
    return get_expectation_impl(spec.expectation_type)(**spec.kwargs, **common)


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
