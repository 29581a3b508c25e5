"""Great Expectations over DuckDB: its expectations judge, and its pages show, what our passes over a table found.

Great Expectations 1.24 has no engine for DuckDB. Over SQLAlchemy it asks a query or more per expectation, and copies
every configuration several times to find out what to ask, one to four milliseconds for each. Here the figures that an
expectation wants (its metrics) come from `relation`, for all expectations of a table together, and the expectation
says what they mean. Importing this module imports Great Expectations, which takes seconds: import it only where
checks run.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any

# Before Great Expectations: imported after it, DuckDB's classes outlive the interpreter, which says so at exit.
import duckdb  # noqa: F401  # isort: skip

from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.core.result_format import ResultFormat
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.registry import get_expectation_impl
from great_expectations.render import LegacyDiagnosticRendererType, RenderedTableContent
from great_expectations.render.renderer.renderer import renderer
from great_expectations.validator.exception_info import ExceptionInfo
from great_expectations.validator.validator import calc_validation_statistics

from data_quality.conditions import nulls, unexpected
from data_quality.relation import Relation
from data_quality.specs import QUERY_EXPECTATION, CheckSpec

EXAMPLES = 10
_SEVERITY = {"fail": "critical", "warn": "warning"}
_ROW_COUNT = "expect_table_row_count_to_be_between"
_ROWS, _COUNT = "query.unexpected_rows", "query.unexpected_row_count"
_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": EXAMPLES}


class ExpectQueryToReturnNoRows(BatchExpectation):  # type: ignore[misc]
    """Expect a query over the checked relation, which it reads as `batch`, to return nothing."""

    query: str

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        count: int = metrics[_COUNT]
        if self._get_result_format(runtime_configuration) == ResultFormat.BOOLEAN_ONLY:
            return {"success": count == 0}
        return {
            "success": count == 0,
            "result": {
                "observed_value": f"{count:,} unexpected {'row' if count == 1 else 'rows'}",
                "details": {"unexpected_count": count, "unexpected_rows": metrics[_ROWS]},
            },
        }

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_TABLE)  # type: ignore[untyped-decorator]
    def _diagnostic_unexpected_table_renderer(
        cls,
        configuration: Any = None,
        result: Any = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> list[RenderedTableContent] | None:
        """The first unexpected rows as a table of the Data Docs."""
        rows = result.result.get("details", {}).get("unexpected_rows") if result is not None else None
        if not rows:
            return None
        return [
            RenderedTableContent(
                content_block_type="table",
                header_row=list(rows[0]),
                table=[["" if value is None else value for value in row.values()] for row in rows],
            )
        ]


def expectation_of(spec: CheckSpec) -> Any:
    """The expectation of a check; raises what Great Expectations raises for one that it does not know or accept."""
    common = {
        "description": spec.description,
        "severity": _SEVERITY[spec.severity],
        "meta": {"check_id": spec.check_id},
    }
    if spec.expectation_type == QUERY_EXPECTATION:
        return ExpectQueryToReturnNoRows(query=spec.kwargs["query"], **common)
    return get_expectation_impl(spec.expectation_type)(**spec.kwargs, **common)


def judge(spec: CheckSpec, expectation: Any, relation: Relation, counts: Mapping[str, int], *, is_clean: bool) -> Any:
    """Great Expectations' result of one expectation on a relation; what is raised on the way is in it.

    `counts` says in how many rows conditions hold, as far as that is known; what it does not say is asked.
    `is_clean` says of a query that it is known to return nothing.
    """
    try:
        if spec.expectation_type == QUERY_EXPECTATION:
            count, rows = (0, []) if is_clean else relation.find(spec.kwargs["query"])
            metrics: dict[str, Any] = {_COUNT: count, _ROWS: rows}
        else:
            metrics = {"table.row_count": relation.row_count}
            if spec.expectation_type != _ROW_COUNT:
                metrics |= _map_metrics(spec, expectation.map_metric, relation, counts)
        found = expectation._validate(metrics=metrics, runtime_configuration={"result_format": dict(_FORMAT)})
        return expectation._build_evr(raw_response=found)
    except Exception as error:
        return ExpectationValidationResult(
            success=False,
            exception_info=ExceptionInfo(traceback.format_exc(), f"{type(error).__name__}: {error}"),
            expectation_config=expectation.configuration,
        )


def suite_result(name: str, results: Sequence[Any]) -> Any:
    """Great Expectations' record of a suite, from the results of its expectations."""
    found = calc_validation_statistics(results)
    return ExpectationSuiteValidationResult(
        success=found.success, results=list(results), suite_name=name, statistics=found._asdict(), meta={}
    )


def _map_metrics(spec: CheckSpec, name: str, relation: Relation, counts: Mapping[str, int]) -> dict[str, Any]:
    """What an expectation on the values of each row wants to know, under Great Expectations' names."""
    condition, passed_over = unexpected(spec), nulls(spec)
    if condition not in counts or passed_over not in counts:
        counts = relation.count([condition, passed_over])
    columns = [spec.kwargs[given] for given in ("column", "column_A", "column_B") if given in spec.kwargs]
    return {
        "column_values.nonnull.unexpected_count": counts[passed_over],
        f"{name}.filtered_row_count": relation.row_count - counts[passed_over],
        f"{name}.unexpected_count": counts[condition],
        f"{name}.unexpected_values": relation.values(columns, condition, EXAMPLES) if counts[condition] else [],
    }
