"""The one resource: the installation, held for the length of a run, and how the run was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date

import dagster as dg
from duckdb import DuckDBPyConnection

from ingest.errors import IngestError, UnreachableError
from ingest.settings import Settings
from orchestration import pipeline, preview
from orchestration.checker import Checker
from orchestration.collector import collecting_seldom
from orchestration.errors import BusyError
from orchestration.lock import step_of
from orchestration.progress import Progress


@dataclass(frozen=True)
class Warehouse:
    """What every step gets.

    `reader` is a DuckDB in memory for summaries of editions; `beside` a process that makes checks, if there is one.
    """

    settings: Settings
    progress: Progress
    force: bool
    as_of: date | None
    reader: DuckDBPyConnection
    beside: Checker | None = None


@dataclass(frozen=True)
class Installation:
    """What steps get that take the installation's lock for as long as they need it, and no longer.

    `routes` sends publishers' hosts elsewhere (see `ingest.fetch`).
    """

    settings: Settings
    routes: Mapping[str, str] | None = None


def warehouse_resource(
    settings: Settings, progress: Progress, beside: Checker | None = None
) -> dg.ResourceDefinition:
    """A resource that holds the installation's lock while a run lasts; a second is refused and told of the first.

    Where all steps of a run are in one process it is made once per run, and brings before what the installation's
    place has. Where each has its own, the run's executor does both, and the resource of a step sees that it does.
    """

    @dg.resource(
        description="The installation. One run at a time holds it.",
        config_schema={
            "force": dg.Field(bool, default_value=False, description="Load and publish also what is unchanged."),
            "as_of": dg.Field(
                str, is_required=False, description="Build what could have been built on this day (YYYY-MM-DD)."
            ),
        },
    )
    @contextmanager
    def warehouse(context: dg.InitResourceContext) -> Iterator[Warehouse]:
        config = context.resource_config
        as_of = config.get("as_of")
        # Also for the process of a run that the web interface or the daemon has started.
        with (
            failing_loudly(),
            step_of(settings, context.run_id or "") as is_held,
            nullcontext() if is_held else pipeline.kept(settings) as place,
            collecting_seldom(),
            preview.reader(settings) as reader,
        ):
            if place is not None and context.log is not None:
                context.log.info(place.told())
                for warning in place.warnings():
                    context.log.warning(warning)
            yield Warehouse(
                settings=settings,
                progress=progress,
                force=bool(config.get("force", False)),
                as_of=date.fromisoformat(as_of) if as_of else None,
                reader=reader,
                beside=beside,
            )

    return warehouse


@contextmanager
def failing_loudly() -> Iterator[None]:
    """Turn errors into failures that show their text and are not tried again, since another try cannot cure them.

    Errors of the operating system pass, and a warehouse that another process holds: a share that is away may be there
    again at the next try, and so may a remote place.
    """
    try:
        yield
    except (BusyError, UnreachableError) as error:
        # Another process holds the warehouse: it will end.
        raise dg.Failure(description=error.text, metadata={"remedy": error.remedy}) from error
    except IngestError as error:
        raise dg.Failure(description=error.text, metadata={"remedy": error.remedy}, allow_retries=False) from error
    except (OSError, dg.Failure):
        raise
    except Exception as error:
        raise dg.Failure(description=f"{type(error).__name__}: {error}", allow_retries=False) from error
