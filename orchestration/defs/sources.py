"""Publishers as external assets, and one asset per source: its editions in the lake."""

import dagster as dg

from ingest.source import Source, discover
from orchestration import pipeline, preview
from orchestration.defs import keys, metadata
from orchestration.defs.resources import Warehouse, failing_loudly
from orchestration.text import markdown_table


def publisher_specs() -> list[dg.AssetSpec]:
    """What stands on the publishers' sites: the beginning of every lineage."""
    return [
        dg.AssetSpec(
            keys.publisher(code),
            group_name="publishers",
            description=f"{source.spec.publisher}: {source.spec.title}.",
            owners=[source.spec.owner],
            tags=_tags(source),
            kinds={"external"},
            metadata=metadata.of_source(source.spec),
        )
        for code, source in discover().items()
    ]


def source_assets() -> list[dg.AssetsDefinition]:
    """One asset per source folder."""
    return [_source_asset(source) for source in discover().values()]


def _source_asset(source: Source) -> dg.AssetsDefinition:
    spec = source.spec

    @dg.asset(
        key=keys.source(source.code),
        deps=[keys.publisher(source.code)],
        group_name=spec.domain,
        description=f"{spec.title} ({spec.publisher}). {spec.description}",
        owners=[spec.owner],
        tags=_tags(source),
        kinds={"polars", "parquet"},
        metadata=metadata.of_source(spec),
        required_resource_keys={"warehouse"},
        # For errors of the operating system, which may pass by themselves; all others are final.
        retry_policy=dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL),
    )
    def source_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        warehouse: Warehouse = context.resources.warehouse
        with failing_loudly():
            editions = pipeline.load_source(
                warehouse.settings, source.code, force=warehouse.force, progress=warehouse.progress
            )
        columns = ("edition_id", "partition", "published_on", "is_bundled", "row_count", "rows_quarantined")
        return dg.MaterializeResult(
            metadata={
                **metadata.of_source(spec),
                **metadata.of_summary(preview.of_editions(warehouse.settings, editions)),
                "editions": dg.MetadataValue.md(
                    markdown_table(columns, [[getattr(e, name) for name in columns] for e in editions])
                ),
            }
        )

    return source_asset


def _tags(source: Source) -> dict[str, str]:
    spec = source.spec
    return {
        "licence": keys.tag_value(spec.licence.name),
        "redistribution": spec.licence.redistribution,
        "domain": spec.domain,
    }
