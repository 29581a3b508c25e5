"""The release: the last asset of every lineage, or the last but one where it is taken to another place."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

from ingest import vocabulary
from orchestration import pipeline, release
from orchestration.defs import keys, metadata
from orchestration.defs.models import Manifest
from orchestration.defs.resources import Warehouse, failing_loudly
from orchestration.text import markdown_table

if TYPE_CHECKING:
    from orchestration.remote import Elsewhere

_PUBLISHED_LAYERS = {"staging", "marts", "quality"}


def release_asset(manifest: Manifest) -> dg.AssetsDefinition:
    """The published warehouse: made only when every blocking check upstream has passed."""
    relations = [
        *((node["schema"], node["name"]) for node in manifest.models() if node["schema"] in _PUBLISHED_LAYERS),
        *(("lake", name) for name in ("edition", "source", "file_account", "quarantine")),
        *(("vocabulary", name) for name in vocabulary.tables()),
    ]

    @dg.asset(
        key=keys.RELEASE,
        deps=[keys.relation(schema, name) for schema, name in relations],
        group_name="release",
        description=(
            "The published warehouse: a numbered, verified, read-only directory with a DuckDB file, a Parquet file "
            "per mart, dictionary, manifest and notes. Readers open it through the link `current`."
        ),
        owners=[keys.OWNER],
        kinds={"duckdb", "parquet"},
        required_resource_keys={"warehouse"},
        pool=keys.WORK_FILE_POOL,
    )
    def warehouse_release(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        warehouse: Warehouse = context.resources.warehouse
        with failing_loudly():
            made, is_new = pipeline.publish(warehouse.settings, force=warehouse.force, progress=warehouse.progress)
        tables = made.manifest["tables"]
        before = metadata.rows_before(context.instance, [keys.RELEASE]).get(keys.RELEASE)
        sources = [source for source in made.manifest["sources"] if source["row_count"]]
        columns = ("source_code", "licence_name", "published_on", "row_count", "last_data_year")
        return dg.MaterializeResult(
            metadata={
                "release": made.release_id,
                "is_new": is_new,
                "path": dg.MetadataValue.path(str(made.path)),
                **metadata.of_change(before, sum(tables.values())),
                "dagster/row_count": sum(tables.values()),
                "last_data_year": max((s["last_data_year"] or 0 for s in sources), default=0),
                "licences": ", ".join(sorted({source["licence_name"] for source in sources})),
                "preview": dg.MetadataValue.md(markdown_table(("table", "rows"), sorted(tables.items()))),
                "sources": dg.MetadataValue.md(
                    markdown_table(columns, [[source[name] for name in columns] for source in sources])
                ),
                "notes": dg.MetadataValue.md((made.path / release.NOTES).read_text(encoding="utf-8")),
            }
        )

    return warehouse_release


def remote_asset(taken: "Callable[[Elsewhere], None]") -> dg.AssetsDefinition:
    """The release at the installation's place, with the lake and the archive that it rests on."""

    @dg.asset(
        key=keys.REMOTE,
        deps=[keys.RELEASE],
        group_name="release",
        description=(
            "The release at the place that BIOPHARMA_REMOTE names, which is the home of the warehouse: made current "
            "there if the one that was current lies behind it, with what the place lacked of lake and archive."
        ),
        owners=[keys.OWNER],
        kinds={"duckdb", "parquet"},
        required_resource_keys={"warehouse"},
        pool=keys.WORK_FILE_POOL,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
    )
    def release_remote(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        warehouse: Warehouse = context.resources.warehouse
        with failing_loudly():
            made = pipeline.standing(warehouse.settings)
            done = pipeline.publish_elsewhere(warehouse.settings, made.release_id, progress=warehouse.progress)
        if done is None:
            raise dg.Failure("BIOPHARMA_REMOTE was unset since the definitions were loaded: reload them.")
        taken(done)
        return dg.MaterializeResult(
            metadata={
                "release": done.release_id,
                "is_new": done.is_new,
                "address": done.address,
                "files": done.files,
                "bytes": done.size_bytes,
                "seconds": done.seconds,
            }
        )

    return release_remote
