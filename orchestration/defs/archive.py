"""The archive: what was fetched of each source, with the jobs and schedules that ask the publishers."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from ingest.lake import Edition
from ingest.source import PartitionPolicy, Source, discover
from orchestration import cadence, pipeline, preview
from orchestration.cadence import Cadence
from orchestration.defs import keys, metadata
from orchestration.defs.resources import Installation, failing_loudly
from orchestration.errors import PartlyFetchedError
from orchestration.text import markdown_table

_RETRIES = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
_COLUMNS = ("edition_id", "partition", "published_on", "row_count", "rows_quarantined")


def archive_assets() -> list[dg.AssetsDefinition]:
    """One asset per source that can be fetched; making it asks the publisher and commits what is new."""
    return [_archive_asset(source) for source in discover().values() if source.has_connector]


def _archive_asset(source: Source) -> dg.AssetsDefinition:
    spec = source.spec
    policy = spec.fetch.partitions
    partitions = partitions_of(source)
    warn, fail = cadence.quiet_days(source)
    asked = cadence.cadence_of(source)

    @dg.asset(
        key=keys.archive(source.code),
        deps=[keys.publisher(source.code)],
        group_name="archive",
        description=(
            f"{metadata.glance(spec)}\n\nMaking this asset asks the publisher, archives new bytes behind the gates "
            f"and commits them as editions; what has not changed is not sent again. Asked {asked}."
        ),
        owners=[spec.owner],
        tags={**metadata.tags_of(source), "cadence": asked},
        kinds={"https"},
        metadata={**metadata.of_source(spec), **metadata.of_code(*_connector(source))},
        required_resource_keys={"installation"},
        pool=cadence.pool_of(source),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(days=fail), warn_window=timedelta(days=warn)
        ),
        retry_policy=_RETRIES,
    )
    def archive_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        here: Installation = context.resources.installation
        named = list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else []
        problem = None
        with failing_loudly():
            try:
                editions = pipeline.fetch(
                    here.settings, source.code, routes=here.routes, options=cadence.fetch_options(source, named)
                )
            except PartlyFetchedError as error:
                editions, problem = error.editions, error
            if policy and not named:
                _log_partitions(context, policy, partitions, editions)
            absent = cadence.missing(source, named, editions)
        if problem or absent:
            # What was committed stands, and is shown; the step fails so that somebody hears of the rest.
            context.log_event(dg.AssetObservation(keys.archive(source.code), metadata=_seen(here, editions)))
            with failing_loudly():
                raise problem or cadence.not_published(source, absent)
        return dg.MaterializeResult(metadata=_seen(here, editions))

    return archive_asset


def _connector(source: Source) -> list[Path]:
    written = source.folder / "fetch.py"
    return [written if written.exists() else source.folder / "source.yml"]


def _seen(here: Installation, editions: Iterable[Edition]) -> dict[str, Any]:
    found = list(editions)
    return {
        **metadata.of_summary(preview.of_editions(here.settings, found)),
        "editions": dg.MetadataValue.md(
            markdown_table(_COLUMNS, [[getattr(e, name) for name in _COLUMNS] for e in found])
        ),
        "warnings": dg.MetadataValue.md("\n".join(f"- {text}" for e in found for text in e.warnings) or "none"),
    }


def _log_partitions(
    context: dg.AssetExecutionContext,
    policy: PartitionPolicy,
    partitions: dg.PartitionsDefinition[str] | None,
    editions: Iterable[Edition],
) -> None:
    """Without named partitions the publisher decides what there is: each edition is told of its own partition."""
    known = set(partitions.get_partition_keys()) if partitions else set()
    for edition in editions:
        key = cadence.partition_key(policy, edition.partition)
        if key in known:
            context.log_event(
                dg.AssetMaterialization(
                    context.asset_key, partition=key, metadata={"dagster/row_count": edition.row_count}
                )
            )


def partitions_of(source: Source) -> dg.PartitionsDefinition[str] | None:
    """Quarters and fiscal years that have ended, or the parts that the source lists; None for one that has none."""
    policy = source.spec.fetch.partitions
    if policy is None:
        return None
    if policy.unit == "part":
        return dg.StaticPartitionsDefinition(source.parts())
    if policy.first is None:
        raise ValueError(f"{source.code}: source.yml must say the first {policy.unit}")
    cron, key = ("0 0 1 1,4,7,10 *", "%Y-%m") if policy.unit == "quarter" else ("0 0 1 4 *", "FY%Y")
    first = datetime.combine(policy.first, time())
    return dg.TimeWindowPartitionsDefinition(start=first, cron_schedule=cron, fmt=key)


def fetch_jobs() -> list["dg.UnresolvedAssetJobDefinition"]:
    """A job per cadence, and one per partitioned source, whose partitions no other source shares."""
    jobs = []
    for name in cadence.CADENCES:
        sources = cadence.fetched(name)
        if plain := [source for source in sources if source.spec.fetch.partitions is None]:
            codes = ", ".join(source.code for source in plain)
            jobs.append(_job(f"fetch_{name}", plain, name, f"Asks the publishers that are asked {name}: {codes}."))
        jobs += [
            _job(
                f"fetch_{source.code}",
                [source],
                name,
                f"Asks for {source.spec.title}. Launched without a partition it takes what is usual; with partitions "
                "(Materialize, or a backfill of the asset) only those.",
            )
            for source in sources
            if source.spec.fetch.partitions is not None
        ]
    return jobs


def _job(name: str, sources: list[Source], asked: Cadence, description: str) -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*(keys.archive(source.code) for source in sources)),
        description=description,
        tags={"cadence": asked},
        executor_def=dg.in_process_executor,
    )


def fetch_schedules(
    jobs: Iterable["dg.UnresolvedAssetJobDefinition"], status: dg.DefaultScheduleStatus
) -> list[dg.ScheduleDefinition]:
    """A schedule per fetch job, at its cadence."""
    return [
        dg.ScheduleDefinition(
            name=job.name.removeprefix("fetch_"),
            job=job,
            cron_schedule=table.cron,
            execution_timezone=cadence.TIMEZONE,
            description=f"{table.description} {job.description}",
            default_status=status,
            tags={"cadence": asked},
        )
        for job in jobs
        for asked in [_cadence_tag(job)]
        for table in [cadence.TIMETABLES[asked]]
    ]


def _cadence_tag(job: "dg.UnresolvedAssetJobDefinition") -> Cadence:
    return next(name for name in cadence.CADENCES if name == (job.tags or {})["cadence"])
