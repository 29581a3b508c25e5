"""The inbox as a job and a sensor: a dropped file is loaded by a run of its own."""

import json

import dagster as dg

from ingest.settings import Settings
from ingest.source import discover
from orchestration import inbox, preview
from orchestration.defs import keys, metadata
from orchestration.defs.resources import Installation, failing_loudly

_RETRIES = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

_DROP = "biopharma/drop"
_MOST_TRIES = 3


def inbox_job() -> dg.JobDefinition:
    """Load one dropped file or folder behind the archive's gates, and move it away."""

    @dg.op(
        name="take",
        description="Archives, gates, parses and commits what was dropped; moves it to `taken`, or to `refused`.",
        config_schema={"name": dg.Field(str, description="File or folder, relative to the inbox.")},
        required_resource_keys={"installation"},
        retry_policy=_RETRIES,
        out=dg.Out(dg.Nothing),
    )
    def take(context: dg.OpExecutionContext) -> None:
        here: Installation = context.resources.installation
        name: str = context.op_config["name"]
        with failing_loudly():
            edition = inbox.take(here.settings, name)
        if edition is None:
            context.log.info(f"{name} is no longer in the inbox: it was taken before.")
            return
        source = discover()[edition.source_code]
        fetched = source.has_connector and source.spec.fetch.partitions is None
        context.log_event(
            dg.AssetMaterialization(
                keys.archive(source.code) if fetched else keys.source(source.code),
                description=f"Taken from the inbox: {name}.",
                metadata={
                    **metadata.of_summary(preview.of_editions(here.settings, [edition])),
                    "edition_id": edition.edition_id,
                    "partition": edition.partition,
                    "rows_quarantined": edition.rows_quarantined,
                    "warnings": dg.MetadataValue.md("\n".join(f"- {text}" for text in edition.warnings) or "none"),
                },
            )
        )

    @dg.job(
        name="inbox",
        description="Loads what somebody dropped into inbox/<source_code>/; started by the sensor of the same name.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        take()

    return job


def inbox_sensor(settings: Settings, job: dg.JobDefinition, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Looks into the inbox; every settled drop is asked for once.

    The cursor holds the keys of the drops that were asked for and still lie there. What a run takes or refuses is
    moved, so a drop that lies there after its run has ended met something that passes (the process was ended, the
    disk was full): it is asked for twice more. After that, `touch` it to have it asked for again.
    """

    @dg.sensor(
        name="inbox_files",
        job=job,
        minimum_interval_seconds=15,
        default_status=status,
        description="Loads files that are dropped into inbox/<source_code>/ of the installation.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        asked: dict[str, str] = json.loads(context.cursor or "{}")
        drops = inbox.scan(settings)
        requests, left = {}, []
        for drop in drops:
            if not drop.is_settled:
                continue
            tries = 0
            if asked.get(drop.name) == drop.key:
                runs = context.instance.get_runs(dg.RunsFilter(tags={_DROP: drop.key}))
                tries = len(runs)
                if not runs or not all(run.is_finished for run in runs):
                    continue
                if tries >= _MOST_TRIES:
                    left.append(drop.name)
                    continue
            requests[drop.name] = dg.RunRequest(
                run_key=f"{drop.name} {drop.key} {tries}",
                run_config={"ops": {"take": {"config": {"name": drop.name}}}},
                tags={"biopharma/source": keys.tag_value(drop.source_code), _DROP: drop.key},
            )
        waiting = [drop.name for drop in drops if not drop.is_settled]
        told = [
            f"Still being copied: {', '.join(waiting)}." if waiting else "",
            f"Failed {_MOST_TRIES} times, touch it to try again: {', '.join(left)}." if left else "",
        ]
        cursor = {d.name: d.key for d in drops if d.name in requests or asked.get(d.name) == d.key}
        return dg.SensorResult(
            run_requests=list(requests.values()),
            skip_reason=None
            if requests
            else dg.SkipReason(" ".join(filter(None, told)) or "Nothing new in the inbox."),
            cursor=json.dumps(cursor, ensure_ascii=False),
        )

    return sensor
