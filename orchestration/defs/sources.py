"""Publishers as external assets, and one asset per source: its editions in the lake."""

from datetime import UTC, datetime

import dagster as dg

from ingest.inventory import freshness_of, why_absent
from ingest.source import Source, discover
from orchestration import cadence, pipeline, preview
from orchestration.defs import keys, metadata
from orchestration.defs.resources import Warehouse, failing_loudly
from orchestration.text import markdown_table

AGE_CHECK = "edition_is_not_stale"


def publisher_specs() -> list[dg.AssetSpec]:
    """What stands on the publishers' sites: the beginning of every lineage."""
    return [
        dg.AssetSpec(
            keys.publisher(code),
            group_name="publishers",
            description=metadata.glance(source.spec),
            owners=[source.spec.owner],
            tags=metadata.tags_of(source),
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
        deps=[(keys.archive if source.has_connector else keys.publisher)(source.code)],
        group_name=spec.domain,
        description=metadata.glance(spec),
        owners=[spec.owner],
        tags=metadata.tags_of(source),
        kinds={"polars", "parquet"},
        metadata={
            **metadata.of_source(spec),
            **metadata.of_code(source.folder / "parse.py", source.folder / "source.yml"),
        },
        check_specs=[
            dg.AssetCheckSpec(
                AGE_CHECK,
                asset=keys.source(source.code),
                description=(
                    f"The newest edition was published within {spec.freshness_days} days (freshness_days of "
                    f"source.yml; the cadence is {spec.cadence}). An older one stays in use, with its age."
                ),
            )
        ],
        required_resource_keys={"warehouse"},
        # For errors of the operating system, which may pass by themselves; all others are final.
        retry_policy=dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL),
    )
    # Dagster knows the result of a step with checks by the bare class only.
    def source_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        warehouse: Warehouse = context.resources.warehouse
        with failing_loudly():
            editions = pipeline.load_source(
                warehouse.settings, source.code, force=warehouse.force, progress=warehouse.progress
            )
        key = keys.source(source.code)
        before = metadata.rows_before(context.instance, [key]).get(key)
        summary = preview.of_editions(warehouse.settings, editions, with_reader=warehouse.reader)
        newest = max((edition.published_on for edition in editions), default=None)
        age = cadence.edition_age(source, editions, datetime.now(UTC).date())
        columns = ("edition_id", "partition", "published_on", "is_bundled", "row_count", "rows_quarantined")
        return dg.MaterializeResult(
            metadata={
                "freshness": _freshness(source, newest, age),
                **metadata.of_change(before, summary.row_count),
                **metadata.of_source(spec),
                **metadata.of_summary(summary),
                "editions": dg.MetadataValue.md(
                    markdown_table(columns, [[getattr(e, name) for name in columns] for e in editions])
                ),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=AGE_CHECK,
                    passed=age is None or age <= spec.freshness_days,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"age_days": age} if age is not None else {"no edition": why_absent(source)},
                )
            ],
        )

    return source_asset


def _freshness(source: Source, published_on: str | None, age: int | None) -> str:
    if age is None:
        return why_absent(source)
    state = freshness_of(source.spec.cadence, source.spec.freshness_days, age)
    limit = source.spec.freshness_days
    return f"{state}: the newest edition is of {published_on}, {age} days ago; stale after {limit} days"
