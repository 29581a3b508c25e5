"""dbt's models as assets with their tests as checks, and the expectations on the marts.

The assets are described by dbt's manifest, which `pipeline.dbt_manifest` parses anew whenever a file of the
project has changed. dagster-dbt's state-backed component is not used: it keeps a copy of the whole project and
runs that copy until somebody refreshes it, so an edited test can stay green. Here dbt runs in this process on the
project itself, and a step whose manifest is no longer the project's refuses to run.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets

from data_quality.runner import check_specs
from ingest.settings import PROJECT_ROOT
from orchestration import lineage, model_page, pipeline, preview
from orchestration.defs import keys, metadata
from orchestration.defs.lake import dagster_check_results, dagster_check_specs
from orchestration.defs.resources import Warehouse, failing_loudly
from orchestration.errors import BuildError
from orchestration.progress import timed

_TEST_ID = "dagster_dbt/unique_id"


@dataclass(frozen=True)
class Manifest:
    """dbt's manifest and the file it was read from."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest."""
        return cls(path, json.loads(path.read_text(encoding="utf-8")))

    def models(self) -> list[dict[str, Any]]:
        """The models that become relations."""
        return [
            node
            for node in self.content["nodes"].values()
            if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
        ]


class Translator(DagsterDbtTranslator):  # type: ignore[misc]
    """Keys are schema and name, groups the folder, as everywhere in the project."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Schema and name of a model; the asset that makes it, for a source."""
        if dbt_resource_props["resource_type"] == "source":
            return keys.relation(dbt_resource_props["source_name"], dbt_resource_props["name"])
        return keys.relation(dbt_resource_props["schema"], dbt_resource_props["name"])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Layer and folder: staging, intermediate_market, marts_policy."""
        return "_".join(dbt_resource_props["fqn"][1:-1])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str]:
        """The owner that the model names, else the project's."""
        return super().get_owners(dbt_resource_props) or [keys.OWNER]

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """What dagster-dbt says of a model, and the file that it is written in."""
        path = PROJECT_ROOT / "dbt_project" / dbt_resource_props["original_file_path"]
        return {**super().get_metadata(dbt_resource_props), **metadata.of_code(path)}

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: Any
    ) -> dg.AssetCheckSpec | None:
        """A test as a check that says in words what it looks for."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return None if spec is None else spec._replace(description=described_test(manifest["nodes"][unique_id]))

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The model's description, without its SQL."""
        return str(dbt_resource_props.get("description") or "")


def described_test(test: Mapping[str, Any]) -> str:
    """What a dbt test looks for: its own description, else its kind, its column and its arguments; and its file."""
    kind = test.get("test_metadata") or {}
    arguments = {name: value for name, value in kind.get("kwargs", {}).items() if name != "model"}
    column = arguments.pop("column_name", None)
    named = (kind.get("name") or test["name"]).replace("_", " ")
    told = test.get("description") or "".join(
        [
            f"{named[0].upper()}{named[1:]}",
            f" in column `{column}`" if column else "",
            f" ({'; '.join(f'{name}: {_text(value)}' for name, value in arguments.items())})" if arguments else "",
            ".",
        ]
    )
    return f"{told} A dbt test, written in dbt_project/{test['original_file_path']}."


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def model_assets(manifest: Manifest) -> dg.AssetsDefinition:
    """All models in one step, in the order of their references; a failing test stops what is downstream of it."""

    @dbt_assets(  # type: ignore[untyped-decorator]
        manifest=manifest.content,
        name="dbt_models",
        dagster_dbt_translator=Translator(),
        required_resource_keys={"warehouse"},
        pool=keys.WORK_FILE_POOL,
    )
    def models(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        warehouse: Warehouse = context.resources.warehouse
        with failing_loudly():
            if pipeline.dbt_manifest(warehouse.settings) != manifest.path:
                raise BuildError(
                    "the dbt project has changed since the definitions were loaded",
                    remedy="Reload the definitions and run again.",
                )
            selected = [key.path[-1] for key in context.selected_asset_keys] if context.is_subset else None
            report = pipeline.build_models(
                warehouse.settings, select=selected, progress=warehouse.progress, beside=warehouse.beside
            )
            yield from _materialisations(context, report, warehouse)
            yield from _test_results(context, report)
            report.raise_for_failure()

    return cast(dg.AssetsDefinition, models)


def _materialisations(
    context: dg.AssetExecutionContext, report: pipeline.BuildReport, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult[None]]:
    built = [node for node in report.models if node.ok and node.schema_name and node.table_name]
    summaries = preview.of_relations(warehouse.settings, {node.schema_name for node in built if node.schema_name})
    before = metadata.rows_before(context.instance, context.selected_asset_keys)
    with timed(warehouse.progress, "column lineage"):
        code = pipeline.checks_file(warehouse.settings, "code")
        followed = lineage.of_build(warehouse.settings, code)
        explained = model_page.of_marts(warehouse.settings, code, followed)
    # In the order of dbt, which is that of the references: Dagster takes outputs in no other.
    for node in built:
        key = keys.relation(str(node.schema_name), str(node.table_name))
        if key in context.selected_asset_keys:
            origins = followed.origins(key.path[0], key.path[1])
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    **metadata.of_change(before.get(key), summaries[key.path[0], key.path[1]].row_count),
                    **metadata.of_summary(summaries[key.path[0], key.path[1]], origins=origins),
                    **metadata.of_lineage(origins),
                    **metadata.of_explanation(explained.get(key.path[-1])),
                    "unique_id": node.unique_id,
                    "seconds": node.seconds,
                },
            )


def _test_results(context: dg.AssetExecutionContext, report: pipeline.BuildReport) -> Iterator[dg.AssetCheckResult]:
    keys_by_id = {spec.metadata[_TEST_ID]: spec.key for spec in context.assets_def.check_specs}
    for test in report.tests:
        key = keys_by_id.get(test.unique_id)
        if key is None or key not in context.selected_asset_check_keys or test.status == "skipped":
            continue
        warns = test.severity == "warn" or test.status == "warn"
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=test.status == "pass",
            severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
            metadata={
                "status": test.status,
                "rows_found": test.failures or 0,
                **({"message": test.message} if test.message else {}),
            },
        )


def marts_checks() -> dg.AssetChecksDefinition:
    """The expectations on the marts, in a step of their own after dbt."""

    @dg.multi_asset_check(
        name="marts_expectations",
        specs=dagster_check_specs(check_specs("marts")),
        required_resource_keys={"warehouse"},
        pool=keys.WORK_FILE_POOL,
        can_subset=True,
    )
    def marts_step(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        warehouse: Warehouse = context.resources.warehouse
        with failing_loudly():
            results = pipeline.check(
                warehouse.settings, "marts", progress=warehouse.progress, beside=warehouse.beside
            )
            yield from dagster_check_results(results, context.selected_asset_check_keys)
            pipeline.raise_for_block(warehouse.settings)

    return marts_step
