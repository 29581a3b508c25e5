"""Great Expectations on DuckDB: an execution engine, a datasource and the one expectation that takes SQL.

Great Expectations 1.24 has no engine for DuckDB. Over plain SQLAlchemy it fails, because it hands out a result
after it has closed the connection, at which DuckDB drops what was not fetched. The engine here fetches before it
closes. Importing this module imports Great Expectations, which takes seconds: import it only where checks run.
Importing registers `context.data_sources.add_duckdb(...)`.
"""

from __future__ import annotations

import re
import types
from typing import Any, ClassVar, Literal

# Before Great Expectations: imported after it, DuckDB's classes outlive the interpreter, which says so at exit.
import duckdb_sqlalchemy  # noqa: F401  # isort: skip

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.core.result_format import ResultFormat
from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations import UnexpectedRowsExpectation
from great_expectations.render import LegacyDiagnosticRendererType, RenderedTableContent
from great_expectations.render.renderer.renderer import renderer
from sqlalchemy.pool import StaticPool

from ingest.settings import Settings

EXAMPLES = 20
_COUNT = "unexpected_row_count"

# Great Expectations asks the dialect's module for type names, and chooses how to write a regular expression by
# the names of the dialect classes in it. DuckDB's regexp_matches(text, pattern) searches, as Dremio's does; its
# `~` operator would match the whole text.
_DIALECT = types.ModuleType("duckdb_dialect")
vars(_DIALECT).update({name: value for name, value in vars(sa.types).items() if isinstance(value, type)})
vars(_DIALECT)["DremioDialect"] = object


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]
    """The SQLAlchemy engine of Great Expectations, with results fetched before the connection is given back."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dialect_module = _DIALECT

    def execute_query(self, query: Any) -> Any:
        """Run a query; the result holds all its rows."""
        with self.get_connection() as connection:
            return connection.execute(query).freeze()()

    def execute_query_in_transaction(self, query: Any) -> Any:
        """Run a statement and commit; the result, if it has rows, holds all of them."""
        with self.get_connection() as connection, connection.begin():
            result = connection.execute(query)
            return result.freeze()() if result.returns_rows else result


class DuckDBDatasource(SQLDatasource):  # type: ignore[misc]
    """One schema of a DuckDB file; datasource and execution engine share one connection, closed by `close`."""

    type: Literal["duckdb"] = "duckdb"
    schema_name: str

    @property
    def schema_(self) -> str:
        """Schema of the table assets."""
        return self.schema_name

    @property
    def execution_engine_type(self) -> Any:
        """The engine's class."""
        return DuckDBExecutionEngine

    def get_execution_engine(self) -> DuckDBExecutionEngine:
        """The engine, made once over the datasource's own connection."""
        known: DuckDBExecutionEngine | None = getattr(self, "_execution_engine", None)
        if known is None:
            known = DuckDBExecutionEngine(engine=self.get_engine(), create_temp_table=False)
            self._execution_engine = known
        return known

    def close(self) -> None:
        """Close the connection, so that the file can be opened for writing again."""
        if self._execution_engine is not None:
            self._execution_engine.close()
        if self._engine is not None:
            self._engine.dispose()


class ExpectQueryToReturnNoRows(UnexpectedRowsExpectation):  # type: ignore[misc]
    """Expect a query over the batch, which it reads as `batch`, to return nothing.

    One query gives both the count of unexpected rows and the first of them.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        rows: list[dict[str, Any]] = metrics["unexpected_rows_query.table"]
        count = int(rows[0][_COUNT]) if rows else 0
        if self._get_result_format(runtime_configuration) == ResultFormat.BOOLEAN_ONLY:
            return {"success": count == 0}
        examples = [
            {name: None if value is None else str(value) for name, value in row.items() if name != _COUNT}
            for row in rows
        ]
        return {
            "success": count == 0,
            "result": {
                "observed_value": f"{count:,} unexpected {'row' if count == 1 else 'rows'}",
                "details": {"unexpected_count": count, "unexpected_rows": examples},
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


def query_over_batch(query: str) -> str:
    """A suite's query in the form that Great Expectations takes: over `{batch}`, counted and cut off.

    Braces are doubled and colons escaped, because Great Expectations formats the text and SQLAlchemy looks for
    bind parameters in it.
    """
    body = re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", query.replace("{", "{{").replace("}", "}}"))
    tables = "batch as (select * from {batch})"
    with_tables = re.match(r"with\s+", body, flags=re.IGNORECASE)
    body = f"with {tables}, {body[with_tables.end() :]}" if with_tables else f"with {tables} {body}"
    return f"select *, count(*) over () as {_COUNT} from ({body}) as unexpected limit {EXAMPLES}"


def ephemeral_context() -> Any:
    """A Great Expectations context that lives in memory, writes no file and prints no progress."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False), analytics_enabled=False
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False}
    return context


def connection_string(settings: Settings) -> str:
    """SQLAlchemy URL of the work file."""
    return sa.URL.create("duckdb", database=str(settings.work_file)).render_as_string()


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """SQLAlchemy arguments of a single read-only connection within this installation's limits."""
    return {
        "poolclass": StaticPool,
        "connect_args": {
            "read_only": True,
            "config": {
                "memory_limit": settings.memory_limit,
                "threads": settings.threads,
                "temp_directory": str(settings.work / "spill"),
            },
        },
    }
