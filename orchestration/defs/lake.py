"""The lake's canonical tables and the vocabulary, as the work file catalogues them, with their expectations."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import dagster as dg

from data_quality.runner import CheckResult, CheckSpec, check_specs
from ingest import lake, vocabulary
from ingest.source import discover
from orchestration import pipeline, preview
from orchestration.defs import keys, metadata
from orchestration.defs.resources import Warehouse, failing_loudly

_RECORDS = {
    "edition": "Committed editions, one row per edition and canonical table.",
    "source": "Sources as their source.yml describes them: publisher, licence, citation, cadence.",
    "file_account": "What became of the rows parsed from each file.",
    "quarantine": "Rows that could not be read or break their contract, with the reason.",
}


def lake_assets() -> dg.AssetsDefinition:
    """One step that makes the work file over the committed editions and checks every canonical table.

    A failed expectation of severity `fail` blocks: neither models nor release are made.
    """

    @dg.multi_asset(
        name="lake",
        specs=[*_table_specs(), *_record_specs(), *_vocabulary_specs()],
        check_specs=dagster_check_specs(check_specs("lake")),
        required_resource_keys={"warehouse"},
        pool=keys.WORK_FILE_POOL,
        # Everything is made and checked in any case; whoever asks for one table gets the events of one table.
        can_subset=True,
    )
    def lake_step(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        warehouse: Warehouse = context.resources.warehouse
        with failing_loudly():
            pipeline.prepare(
                warehouse.settings,
                as_of=warehouse.as_of,
                force=warehouse.force,
                progress=warehouse.progress,
                beside=warehouse.beside,
            )
            before = metadata.rows_before(context.instance, context.selected_asset_keys)
            for (schema, table), summary in preview.of_relations(warehouse.settings, ("lake", "vocabulary")).items():
                key = keys.relation(schema, table)
                if key in context.selected_asset_keys:
                    yield dg.MaterializeResult(
                        asset_key=key,
                        metadata={
                            **metadata.of_change(before.get(key), summary.row_count),
                            **metadata.of_summary(summary, with_schema=False),
                            **_from_sources(schema, table, summary),
                        },
                    )
            if warehouse.beside is not None:
                pipeline.get_ready_to_build(warehouse.settings, progress=warehouse.progress)
            results = pipeline.check(warehouse.settings, "lake", progress=warehouse.progress, beside=warehouse.beside)
            yield from dagster_check_results(results, context.selected_asset_check_keys)
            pipeline.raise_for_block(warehouse.settings)

    return lake_step


def dagster_check_specs(specs: Iterable[CheckSpec]) -> list[dg.AssetCheckSpec]:
    """Expectations as Dagster's check specifications; those of severity `fail` block what is downstream."""
    return [
        dg.AssetCheckSpec(
            name=spec.check_id,
            asset=keys.relation(spec.table_schema, spec.table_name),
            description=spec.description,
            blocking=spec.severity == "fail",
            metadata={"expectation": spec.expectation_type, "suite": spec.suite, "severity": spec.severity},
        )
        for spec in specs
    ]


def dagster_check_results(
    results: Iterable[CheckResult], selected: Collection[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    """Results of the selected expectations as Dagster's check results, with what was seen."""
    for result in results:
        key = dg.AssetCheckKey(keys.relation(result.table_schema, result.table_name), result.check_id)
        if key not in selected:
            continue
        seen = {
            "observed_value": result.observed_value,
            "element_count": result.element_count,
            "unexpected_count": result.unexpected_count,
            "examples": result.examples,
            "exception": result.exception,
        }
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=result.success,
            severity=dg.AssetCheckSeverity.ERROR if result.severity == "fail" else dg.AssetCheckSeverity.WARN,
            metadata={name: value for name, value in seen.items() if value is not None},
        )


def _from_sources(schema: str, table: str, summary: preview.Summary) -> dict[str, Any]:
    """A canonical table's columns are the columns of the sources that fill it."""
    codes = [code for code, source in discover().items() if schema == "lake" and table in source.spec.tables]
    return metadata.of_lineage({c.name: [("source", code, c.name) for code in codes] for c in summary.columns})


def _table_specs() -> list[dg.AssetSpec]:
    sources = discover()
    return [
        dg.AssetSpec(
            keys.relation("lake", name),
            deps=[keys.source(code) for code, source in sources.items() if name in source.spec.tables],
            group_name="lake",
            description=f"{rules.title}. {rules.description}",
            owners=[keys.OWNER],
            kinds={"parquet", "duckdb"},
            metadata={**metadata.of_contract(rules), **metadata.of_code(lake.CONTRACTS_FILE)},
        )
        for name, rules in lake.contracts().items()
    ]


def _record_specs() -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            keys.relation("lake", name),
            deps=[keys.source(code) for code in discover()],
            group_name="lake",
            description=description,
            owners=[keys.OWNER],
            kinds={"duckdb"},
        )
        for name, description in _RECORDS.items()
    ]


def _vocabulary_specs() -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            keys.relation("vocabulary", name),
            group_name="vocabulary",
            description=f"{table.title}. {table.description}",
            owners=[keys.OWNER],
            kinds={"csv", "duckdb"},
            metadata={**metadata.of_vocabulary(table), **metadata.of_code(vocabulary.VOCABULARY_DIR / f"{name}.csv")},
        )
        for name, table in vocabulary.tables().items()
    ]
