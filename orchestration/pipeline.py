"""A run as plain functions: load, prepare, check, build, check, publish.

Each function does one step on disk and may be called alone; `run` calls them in order. Dagster and the command
line call these same functions. The work file is private and made anew by `prepare`, so a damaged or half-built one
never matters; what has passed on it is kept beside it, and only a work file that has passed everything is
published.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from ingest import lake, load, quarantine, workfile
from ingest.archive import clear_leftovers, write_atomically
from ingest.errors import IngestError, RemoteError
from ingest.lake import Edition
from ingest.settings import Settings
from ingest.source import discover, get
from orchestration import fingerprint, model_docs, release, retention, selective
from orchestration.checker import Checker
from orchestration.collector import collecting_seldom
from orchestration.errors import BlockedError, BuildError, PartlyFetchedError, RunError
from orchestration.lock import exclusive
from orchestration.progress import Progress, StepEvent, Stopwatch, silent, timed

if TYPE_CHECKING:
    from data_quality.runner import CheckResult, CheckSpec
    from ingest.remote import Remote, Transfer
    from orchestration.remote import Elsewhere, OvertakenError, Place

Stage = Literal["lake", "marts"]

_CODE_SCHEMA = dict.fromkeys(
    (
        "schema_name",
        "table_name",
        "language",
        "code",
        "settings",
        "inputs",
        "grain",
        "description",
        "column_descriptions",
    ),
    pl.String(),
)
# A run takes about a minute; what waits for it longer than this says who holds the warehouse.
WAIT_SECONDS = 900

# How often a release is made again that another machine was faster than, and how long that one is waited for.
_TRIES = 5
_OTHER_SECONDS = 120.0
_LOOK_SECONDS = 1.0

# Models that do not read each other are built side by side. Each query runs on the thread that asks it, as DuckDB has
# none of its own, so that its sums are added in one order all the same.
_DBT_THREADS = 2

# A parsed project that the next build takes.
_read_ahead: dict[Path, Any] = {}

# What a work file must have passed to be published, in this order.
GATES = ("lake", "models", "marts")


@dataclass(frozen=True)
class NodeResult:
    """What dbt reports of one model or test. `status` is dbt's word; `failures` counts the rows a test found."""

    unique_id: str
    kind: str
    name: str
    schema_name: str | None
    table_name: str | None
    status: str
    severity: str | None
    failures: int | None
    message: str | None
    seconds: float
    # Built by an earlier run, and reached by no change since.
    is_carried: bool = False

    @property
    def ok(self) -> bool:
        """Whether the node leaves what is downstream of it free to go on."""
        return self.status in {"success", "pass", "warn"}


@dataclass(frozen=True)
class BuildReport:
    """Models and tests of one dbt build."""

    models: list[NodeResult]
    tests: list[NodeResult]

    @property
    def failed(self) -> list[NodeResult]:
        """Nodes that failed or were skipped because of one that did."""
        return [node for node in [*self.models, *self.tests] if not node.ok]

    def raise_for_failure(self) -> None:
        """Raise BuildError if a model or a test of severity `error` failed."""
        causes = [node for node in self.failed if node.status != "skipped"] or self.failed
        if causes:
            first = causes[0]
            more = f" and {len(causes) - 1} more" if len(causes) > 1 else ""
            raise BuildError(
                f"{first.kind} {first.name} {_outcome(first)}{more}",
                remedy="Correct the model or its inputs and run again; the current release is untouched.",
            )


@dataclass
class Counts:
    """How many expectations of a stage passed, were warned of, or failed."""

    passed: int = 0
    warned: int = 0
    failed: int = 0


@dataclass
class RunReport:
    """What a run did. `seconds` is by step; `release_id` is the release that stands for the inputs."""

    started_at: datetime
    as_of: date | None = None
    release_id: str | None = None
    is_new_release: bool = False
    editions: list[Edition] = field(default_factory=list)
    checks: dict[str, Counts] = field(default_factory=dict)
    build: BuildReport | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    # What was copied to the place that is the home of the warehouse, where there is one.
    elsewhere: Elsewhere | None = None

    def end(self, release_id: str, elsewhere: Elsewhere | None) -> None:
        """Take in the release that stands for the inputs, and what was copied to the place."""
        self.release_id, self.elsewhere = release_id, elsewhere
        if elsewhere is not None:
            self.release_id = elsewhere.release_id
            if elsewhere.is_remade is not None:
                self.is_new_release = elsewhere.is_remade


@dataclass(frozen=True)
class WorkState:
    """What stands in the work file and which gates it has passed."""

    build_id: str
    fingerprint: str
    as_of: str | None
    passed: tuple[str, ...] = ()
    blocked: str | None = None
    # Relations that are not what the last published work file held; None where all was made anew.
    stale: tuple[str, ...] | None = None
    is_new_day: bool = True


def load_source(settings: Settings, code: str, *, force: bool = False, progress: Progress = silent) -> list[Edition]:
    """Bring a source's editions into the lake and up to the present rules; returns their commit records.

    The bundled edition is read, and live editions whose parser, contract or vocabulary has changed since are
    parsed again from the archive. Raises IngestError; what was committed before stands.
    """
    source = get(code)
    with timed(progress, "load", code):
        return load.load_all(settings, source, force=force)


def load_files(
    settings: Settings,
    code: str,
    paths: Sequence[Path],
    *,
    published_on: date | None = None,
    force: bool = False,
    accept_changes: bool = False,
    wait_seconds: float = 0,
) -> Edition:
    """Archive a publisher's files and commit them to the lake as a live edition; returns its commit record.

    A run that is under way is waited for as long as `wait_seconds`. Raises IngestError for files that fail; they go
    into quarantine with the reason, and what was committed before stands. Where the installation has a place, all of
    it is taken there, and RemoteError raised if it cannot be.
    """
    source = get(code)
    with exclusive(settings, f"loading {code}", wait_seconds=wait_seconds), kept(settings, sources={code}):
        return load.load_files(
            settings, source, paths, published_on=published_on, force=force, accept_changes=accept_changes
        )


def fetch(
    settings: Settings,
    code: str,
    *,
    routes: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    force: bool = False,
    accept_changes: bool = False,
) -> list[Edition]:
    """Fetch a source's current files into the archive and commit each edition; returns the commit records.

    Files that the publisher has not changed are not sent again, and an edition that is committed is not parsed
    again. Raises FetchError and GateError for a publisher that cannot be reached or sends no data, and IngestError
    for files that cannot be parsed; earlier editions stand. One edition that cannot be loaded does not keep the
    others from being loaded: where some were, PartlyFetchedError holds them. `routes` sends hosts elsewhere (see
    `ingest.fetch`); `options` are set over those of the environment (which parts to fetch, say); `accept_changes`
    takes what a gate blocks against the last edition. A run that is under way does not keep files from being
    downloaded; committing them waits for its end. Where the installation has a place, what the publisher sent and
    what was made of it is taken there, and RemoteError raised if it cannot be.
    """
    from ingest.fetch import editions_of, fetch_source

    source = get(code)
    fetching = exclusive(settings, f"fetching {code}", name=f"fetch.{code}")
    with fetching, kept(settings, sources={code}, with_lake=False):
        environment = {**os.environ, **(options or {})}
        groups = editions_of(fetch_source(settings, source, routes=routes, environment=environment))
    with exclusive(settings, f"loading {code}", wait_seconds=WAIT_SECONDS), kept(settings, sources={code}):
        loaded: list[Edition] = []
        failed: dict[str, IngestError] = {}
        for group, items in groups.items():
            try:
                files = [item.file for item in items]
                loaded.append(load.load_archived(settings, source, files, force=force, accept_changes=accept_changes))
            except IngestError as error:
                failed[group] = error
    if not failed:
        return loaded
    first = next(iter(failed.values()))
    if not loaded and len(failed) == 1:
        raise first
    raise PartlyFetchedError(
        f"{len(failed)} of {len(groups)} editions could not be loaded ({', '.join(failed)}); the first: {first.text}",
        editions=loaded,
        remedy="The others are loaded; the files of these are in quarantine with the reason.",
    ) from first


def replay(settings: Settings, code: str | None = None) -> list[quarantine.Outcome]:
    """Load again what is in quarantine, of one source or all; returns what became of each file."""
    sources = None if code is None else {code}
    with exclusive(settings, "replaying the quarantine"), kept(settings, sources=sources, with_quarantine=True):
        return list(quarantine.replay(settings, code))


def refused(settings: Settings, code: str | None = None) -> list[quarantine.Held]:
    """Files in quarantine, oldest first, of one source or all; with those of the installation's place."""
    if settings.remote is not None:
        from ingest import remote

        remote.pull_quarantine(settings, remote.Remote.of(settings))
    return quarantine.files(settings, code)


def discard(settings: Settings, quarantine_id: str) -> None:
    """Delete refused files by their id, also at the installation's place; raises SourceError where there are none."""
    code = quarantine_id.partition("/")[0]
    with exclusive(settings, "clearing the quarantine"), kept(settings, sources={code}, with_quarantine=True):
        quarantine.discard(settings, quarantine_id)


def rollback(settings: Settings, release_id: str | None = None, *, reason: str) -> release.Release:
    """Withdraw the current release, also at the installation's place; returns the one that is current then.

    Raises ReleaseError as `retention.rollback` does, and RemoteError.
    """
    with exclusive(settings, "a rollback"):
        if settings.remote is None:
            return retention.rollback(settings, release_id, reason=reason)
        from orchestration import remote

        return remote.rollback(settings, release_id, reason=reason)


@dataclass(frozen=True)
class Written:
    """A file of canonical (or rejected) rows."""

    path: Path
    table_name: str
    row_count: int
    is_rejected: bool = False


def parse_to(code: str, paths: Sequence[Path], target: Path, *, published_on: date | None = None) -> list[Written]:
    """Parse files that somebody has at hand into canonical rows as Parquet; returns what was written.

    All states of files that hold their own history are written. One table goes to `target`; several go beside it
    as `<stem>.<table>.parquet`, and rows that could not be read or break the contract to `<stem>.rejected.parquet`
    with the reason. Raises IngestError for files that are not what the source publishes; nothing is written then.
    """
    source = get(code)
    files = load.in_hand(source, paths)
    parsed = load.parse_files(source, files)
    read_at = datetime.now(UTC)
    frames: dict[str, list[pl.DataFrame]] = {}
    rejects: list[pl.DataFrame] = []
    for state in parsed.states:
        published = state.published_on or published_on or read_at.date()
        tables, rejected, _ = load.conform_all(
            source,
            state,
            edition_id=load.edition_id_of(state, published, [file.sha256 for file in files]),
            published_on=published,
            ingested_at=read_at,
        )
        rejects.append(rejected)
        for name, frame in tables.items():
            frames.setdefault(name, []).append(frame)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for name, parts in frames.items():
        path = target if len(frames) == 1 else target.with_name(f"{target.stem}.{name}.parquet")
        rows = pl.concat(parts)
        _write_frame(rows, path)
        written.append(Written(path, name, rows.height))
    left_out = pl.concat(rejects)
    if left_out.height:
        path = target.with_name(f"{target.stem}.rejected.parquet")
        _write_frame(left_out, path)
        written.append(Written(path, ", ".join(sorted(frames)), left_out.height, is_rejected=True))
    return written


def _require_known_day(settings: Settings, as_of: date) -> None:
    first = min((edition.published_on for edition in workfile.editions_in(settings)), default=None)
    if as_of > datetime.now(UTC).date():
        raise RunError(f"{as_of} has not come yet", remedy="Leave --as-of out for all that is known today.")
    if first is not None and as_of < date.fromisoformat(first):
        raise RunError(
            f"no edition was published by {as_of}",
            remedy=f"Give a later day: the first edition here was published on {first} (biopharma sources).",
        )


def prepare(
    settings: Settings,
    *,
    as_of: date | None = None,
    force: bool = False,
    progress: Progress = silent,
    beside: Checker | None = None,
) -> Path:
    """Bring the work file to the committed editions; returns its path. Nothing has passed on it yet.

    Where it is the one that was published last and nothing but editions has changed, what they do not reach stays;
    otherwise, or with `force`, the file is made anew. `beside` is ordered to begin with the lake's checks. Raises
    RunError for a day of which nothing was known, or that has not come.
    """
    with timed(progress, "prepare"):
        if beside is not None:
            beside.withdraw()
        if as_of is not None:
            _require_known_day(settings, as_of)
        _state_file(settings).unlink(missing_ok=True)
        clear_leftovers(settings.archive, settings.lake, settings.quarantine)
        before, now = None if force else selective.kept(settings), selective.basis(settings, as_of=as_of)
        selective.forget(settings)
        state = WorkState(
            build_id=uuid.uuid4().hex,
            fingerprint=fingerprint.of_inputs(settings, as_of=as_of),
            as_of=as_of.isoformat() if as_of else None,
        )
        if before is not None and before.code == now.code and _has_results(settings):
            changed = before.changed(now)
            path = workfile.refresh(settings, {name.partition(".")[2] for name in changed}, as_of=as_of)
            manifest = _manifest(settings, progress)
            models = selective.relations_of(manifest, selective.stale_models(manifest, changed))
            state = replace(state, stale=tuple(sorted(changed | models)), is_new_day=before.day != now.day)
        else:
            for made in (settings.work / "checks", settings.work / "data_docs"):
                shutil.rmtree(made, ignore_errors=True)
            path = workfile.prepare(settings, as_of=as_of)
        connection = workfile.connect(path, settings)
        try:
            connection.execute("create schema if not exists run")
            connection.execute("create or replace table run.build as select ? as build_id", [state.build_id])
        finally:
            connection.close()
        _write_state(settings, state)
        if beside is not None:
            beside.start("lake")
    return path


def check(
    settings: Settings, stage: Stage, *, progress: Progress = silent, beside: Checker | None = None
) -> list[CheckResult]:
    """Run the expectations of a stage on the work file; returns their results, also of those that did not hold.

    Results are kept for the release and for whoever looks for the reason. Call `raise_for_block` to stop on
    an expectation of severity `fail`. Where `beside` has been ordered to make them, they are taken from there; if it
    could not, they are made here.
    """
    from data_quality import runner

    with timed(progress, f"check {stage}"):
        state = require_state(settings)
        _write_state(settings, _without(state, stage))
        results = None if beside is None else beside.collect(stage, state.build_id)
        if results is None:
            if beside is not None and beside.reason:
                progress(StepEvent(f"check {stage}", f"made here, since {beside.reason}"))
            results = examine(settings, stage, state)
        _write_frame(runner.results_frame(results), checks_file(settings, stage))
        blocking = runner.blocking_failures(results)
        passed = _without(state, stage)
        if blocking:
            passed = replace(passed, blocked=_block_text(stage, blocking))
        else:
            passed = replace(passed, passed=(*passed.passed, stage))
        _write_state(settings, passed)
    return results


def examine(settings: Settings, stage: Stage, state: WorkState) -> list[CheckResult]:
    """Results of a stage; on a work file that was brought up to date, only of what a change reaches, else as kept.

    The work file and what is known of it are read; nothing is written but the Data Docs.
    """
    from data_quality import runner

    docs = settings.work / "data_docs"
    as_of = date.fromisoformat(state.as_of) if state.as_of else None
    if state.stale is None:
        return runner.run_checks(settings, stage, docs_dir=docs, as_of=as_of)
    before = {r.check_id: r for r in runner.results_from(pl.read_parquet(checks_file(settings, stage)), stage)}
    stale = {
        spec.check_id
        for spec in runner.check_specs(stage)
        if spec.check_id not in before
        or (spec.requires and selective.EDITION in state.stale)
        or selective.is_stale(
            _of(spec), str(spec.kwargs.get("query") or ""), state.stale, is_new_day=state.is_new_day
        )
    }
    kept = {name: before[name] for name in before if name not in stale}
    results = runner.run_checks(settings, stage, docs_dir=docs, as_of=as_of, earlier=kept)
    # A table of which only some checks were run keeps its page; where one came out otherwise, all of it is run.
    differing = {_of(r) for r in results if r.check_id in before and r.success != before[r.check_id].success}
    if again := differing & {_of(r) for r in results if r.check_id not in stale}:
        kept = {r.check_id: r for r in results if _of(r) not in again}
        results = runner.run_checks(settings, stage, docs_dir=docs, as_of=as_of, earlier=kept)
    return results


def _of(spec: CheckSpec) -> str:
    return f"{spec.table_schema}.{spec.table_name}"


def raise_for_block(settings: Settings) -> None:
    """Raise BlockedError if an expectation of severity `fail` did not hold on the present work file."""
    state = read_state(settings)
    if state and state.blocked:
        raise BlockedError(
            state.blocked,
            remedy=(
                "Nothing was published and the current release stands. "
                f"All results: {settings.work / 'checks'}; as pages: {settings.work / 'data_docs'}."
            ),
        )


def get_ready_to_build(settings: Settings, *, progress: Progress = silent) -> None:
    """Import dbt and read the parsed project, two seconds that are best spent while the checks are made beside."""
    parsed = _parsed_project(settings, progress)[1]
    with _environment({"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}):
        _read_ahead.clear()
        _read_ahead[parsed] = _read_parsed(parsed)


def build_models(
    settings: Settings,
    *,
    select: Sequence[str] | None = None,
    progress: Progress = silent,
    beside: Checker | None = None,
) -> BuildReport:
    """Build and test the dbt models on the work file, in this process; returns what became of each node.

    `select` limits the build to models by name, with their tests. Raises BuildError where dbt could not start
    (a syntax error in a model, say); call `BuildReport.raise_for_failure` to stop on a failed node. If none failed,
    `beside` is ordered to begin with the checks of the marts.
    """
    with timed(progress, "models"):
        if beside is not None:
            beside.withdraw()
        state = require_state(settings)
        # Whatever is built anew has not passed the expectations on the marts. Models built from other inputs than
        # the rest of the work file may be looked at, and are not published under its fingerprint.
        as_of = date.fromisoformat(state.as_of) if state.as_of else None
        is_current = fingerprint.of_inputs(settings, as_of=as_of) == state.fingerprint
        state = _without(state, "marts") if select and is_current else _without(state, "models", "marts")
        _write_state(settings, state)
        nodes = _build_stale(settings, state, progress) if select is None else _dbt_build(settings, select, progress)
        report = BuildReport(
            models=[node for node in nodes if node.kind != "test"],
            tests=[node for node in nodes if node.kind == "test"],
        )
        if select is None:
            _write_frame(_nodes_frame(nodes), checks_file(settings, "models"))
            if not report.failed and is_current:
                _write_state(settings, replace(state, passed=(*state.passed, "models")))
        elif report.failed:
            _write_state(settings, _without(state, "models"))
        if beside is not None and not report.failed:
            beside.start("marts")
    return report


def dbt_manifest(settings: Settings, *, progress: Progress = silent) -> Path:
    """dbt's manifest of the project as it stands now; parsed again whenever a file of the project has changed.

    The file is named by the project's digest, so a manifest of another state of the project cannot be taken
    for it. It says nothing of an installation, and is kept beside the project for all of them; where the project
    cannot be written to, it is kept in the installation.
    """
    return _parsed_project(settings, progress)[0]


def _parsed_project(settings: Settings, progress: Progress) -> tuple[Path, Path]:
    """The project as dbt has parsed it: the manifest as JSON, and in dbt's own form, which builds start from."""
    name = fingerprint.of_dbt_project(settings)[:16]
    own = settings.work / "dbt" / "manifests"
    shared = settings.dbt_project / "target" / "manifests"
    for folder in (shared, own):
        found = (folder / f"{name}.json", folder / f"{name}.msgpack")
        if all(path.exists() for path in found):
            return found
    with timed(progress, "dbt parse"):
        target = settings.work / "dbt" / f"parse.{os.getpid()}"
        try:
            _invoke_dbt(settings, ["parse", "--no-partial-parse"], target)
            try:
                made = _keep_parsed(target, shared, name)
            except OSError:
                made = _keep_parsed(target, own, name)
        finally:
            shutil.rmtree(target, ignore_errors=True)
    return made


def _keep_parsed(target: Path, folder: Path, name: str) -> tuple[Path, Path]:
    """Move what dbt has parsed into a folder, whole or not at all, and drop what is older than the five before it."""
    folder.mkdir(parents=True, exist_ok=True)
    made = (folder / f"{name}.json", folder / f"{name}.msgpack")
    for source, path in zip((target / "manifest.json", target / "partial_parse.msgpack"), made, strict=True):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        shutil.copyfile(source, temporary)
        temporary.replace(path)
    for old in sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime)[:-5]:
        old.unlink(missing_ok=True)
        old.with_suffix(".msgpack").unlink(missing_ok=True)
    return made


def publish(settings: Settings, *, force: bool = False, progress: Progress = silent) -> tuple[release.Release, bool]:
    """Publish the work file as a release; returns the release and whether it is new.

    With unchanged inputs the release that stands for them is returned, unless `force` is set. Raises RunError
    for a work file that has not passed every gate, and ReleaseError where the release does not verify; the
    current release stands in both cases.
    """
    raise_for_block(settings)
    with timed(progress, "release"):
        state = require_state(settings)
        missing = [gate for gate in GATES if gate not in state.passed]
        as_of = date.fromisoformat(state.as_of) if state.as_of else None
        if "models" in missing and fingerprint.of_inputs(settings, as_of=as_of) != state.fingerprint:
            raise RunError(
                "inputs (editions, vocabulary, suites, models or code) have changed since the work file was prepared",
                remedy="Run again: biopharma run.",
            )
        if missing:
            raise RunError(
                f"the work file has not passed: {', '.join(missing)}",
                remedy="Run the whole pipeline: biopharma run.",
            )
        if not force and (known := release.standing_for(settings, state.fingerprint)):
            return known, False
        content = release.Content(
            build_id=state.build_id,
            fingerprint=state.fingerprint,
            as_of=as_of,
            checks={stage: checks_file(settings, stage) for stage in GATES},
            code=checks_file(settings, "code"),
            data_docs=settings.work / "data_docs",
            model_docs=_model_docs(settings, progress),
        )
        made = release.make(settings, content, progress=lambda at: progress(StepEvent("release", at)))
        # What stands in the lake now may be newer than what was built: only the inputs of this release are kept.
        if fingerprint.of_inputs(settings, as_of=as_of) == state.fingerprint:
            selective.keep(settings, selective.basis(settings, as_of=as_of))
        retention.prune(settings)
    return made, True


def standing(settings: Settings) -> release.Release:
    """The release of the work file as it stands; raises RunError where it was not published."""
    found = release.standing_for(settings, require_state(settings).fingerprint)
    if found is None:
        raise RunError("the work file has not been published", remedy="Run the whole pipeline: biopharma run.")
    return found


def _model_docs(settings: Settings, progress: Progress) -> Path:
    manifest, parsed = _parsed_project(settings, progress)
    return model_docs.build(
        settings, manifest, lambda command, target: _invoke_dbt(settings, command, target, parsed=parsed)
    )


def kept(
    settings: Settings,
    *,
    sources: Collection[str] | None = None,
    with_lake: bool = True,
    with_quarantine: bool = False,
    progress: Progress = silent,
) -> AbstractContextManager[Place | None]:
    """`orchestration.remote.kept`, which is not imported where the installation has no place."""
    if settings.remote is None:
        return nullcontext()
    from orchestration import remote

    return remote.kept(
        settings, sources=sources, with_lake=with_lake, with_quarantine=with_quarantine, progress=progress
    )


def seen(settings: Settings) -> Settings:
    """Where to look for whether there is something to build: here, or what `orchestration.remote.seen` shows."""
    if settings.remote is None:
        return settings
    from orchestration import remote

    return remote.seen(settings)


def publish_elsewhere(settings: Settings, release_id: str, *, progress: Progress = silent) -> Elsewhere | None:
    """Take lake, archive and a release to the installation's place, and make it current there; returns what was done.

    None where the installation has no place. Of several machines one publishes under a number. Whoever was slower
    brings that release, sets its own aside, and either finds that the other one stands for the same inputs, or makes
    its own again under the next number. Raises OvertakenError where that one brought inputs that were not built here,
    and RemoteError where the place cannot be used; the release stands here then, and the next run takes it there.
    """
    if settings.remote is None:
        return None
    from ingest.remote import Remote
    from orchestration import remote

    place = remote.Place(Remote.of(settings))
    started = time.perf_counter()
    try:
        done = remote.take_back(settings, place.remote, progress=progress)
        made = release.read(settings.releases / release_id)
        is_remade: bool | None = None
        for trial in range(_TRIES):
            try:
                with timed(progress, "push", f"release {made.release_id}"):
                    is_new = _push_made(settings, place.remote, made, done)
                break
            except remote.OvertakenError as error:
                if trial == _TRIES - 1:
                    raise
                made, is_remade = _after_other(settings, place, made, error, progress=progress)
    except remote.OvertakenError:
        raise
    except RemoteError as error:
        raise type(error)(
            f"release {release_id} is published here, and could not be taken to the place: {error.problem}",
            file=error.file,
            remedy=f"{error.remedy} The next run takes it there.",
        ) from error
    return remote.Elsewhere(
        address=place.remote.url,
        release_id=made.release_id,
        is_new=is_new,
        is_remade=is_remade,
        files=done.files,
        size_bytes=done.size_bytes,
        seconds=time.perf_counter() - started,
    )


def _push_made(settings: Settings, place: Remote, made: release.Release, done: Transfer) -> bool:
    """Push the release that a run ended with: as of a past day beside the current one, else the current one."""
    from orchestration import remote

    now = release.current(settings)
    chosen = made if made.as_of is not None or now is None else now
    return remote.push_release(settings, place, chosen.path, done)


def _after_other(
    settings: Settings, place: Place, made: release.Release, error: OvertakenError, *, progress: Progress
) -> tuple[release.Release, bool]:
    """The release that stands for the inputs after another machine was faster: that one's, or one that follows on it,
    which is new. Raises the error where it needs another run.
    """
    from orchestration import remote

    deadline = time.monotonic() + _OTHER_SECONDS
    theirs = remote.current(place.remote)
    while error.is_unfinished and (theirs is None or theirs.number < error.number):
        if time.monotonic() > deadline:
            raise error
        time.sleep(_LOOK_SECONDS)
        theirs = remote.current(place.remote)
    as_of = date.fromisoformat(made.as_of) if made.as_of else None
    with timed(progress, "pull", "another machine was faster"):
        remote.bring(settings, place)
    if known := unchanged(settings, as_of=as_of):
        return known, False
    state = read_state(settings)
    if state is None or fingerprint.of_inputs(settings, as_of=as_of) != state.fingerprint:
        if theirs is None or not error.is_unfinished:
            raise error
        # The other one is through by now, and so it is to be said.
        raise remote.overtaken(place.remote, made.release_id, theirs.release_id, is_unfinished=False)
    again, _ = publish(settings, force=True, progress=progress)
    return again, True


def unchanged(settings: Settings, *, as_of: date | None = None) -> release.Release | None:
    """The release that stands for the inputs as they are now, if there is one and it verifies.

    Neither Dagster, nor dbt, nor Great Expectations is imported for it.
    """
    return release.standing_for(settings, fingerprint.of_inputs(settings, as_of=as_of))


def run(
    settings: Settings, *, force: bool = False, as_of: date | None = None, progress: Progress = silent
) -> RunReport:
    """Everything from the lake to the current release; returns what was done.

    Raises BusyError if another process holds the installation, IngestError for a source that cannot be loaded,
    BuildError for a model, BlockedError for an expectation of severity `fail`, ReleaseError for a release that
    does not verify. The current release stands in all these cases. Where the installation has a place, what it lacks
    is brought from there before, and what was made is taken there after (`orchestration.remote`): RemoteError says
    that the place cannot be used.
    """
    watch = Stopwatch(progress)
    report = RunReport(started_at=datetime.now(UTC), as_of=as_of, seconds=watch.seconds)
    held = exclusive(settings, "a run")
    with held, collecting_seldom(), kept(settings, progress=watch), Checker(settings) as beside:
        if not force and (known := unchanged(settings, as_of=as_of)):
            report.end(known.release_id, publish_elsewhere(settings, known.release_id, progress=watch))
            return report
        beside.get_ready()
        for code in discover():
            report.editions += load_source(settings, code, force=force, progress=watch)
        prepare(settings, as_of=as_of, force=force, progress=watch, beside=beside)
        get_ready_to_build(settings, progress=watch)
        report.checks["lake"] = counts(check(settings, "lake", progress=watch, beside=beside))
        raise_for_block(settings)
        report.build = build_models(settings, progress=watch, beside=beside)
        report.build.raise_for_failure()
        report.checks["marts"] = counts(check(settings, "marts", progress=watch, beside=beside))
        raise_for_block(settings)
        made, report.is_new_release = publish(settings, force=force, progress=watch)
        report.end(made.release_id, publish_elsewhere(settings, made.release_id, progress=watch))
    return report


def counts(results: Sequence[CheckResult]) -> Counts:
    """Results by outcome: a check that did not hold is warned of or failed by its severity."""
    missed = [result for result in results if not result.success]
    failed = sum(result.severity == "fail" for result in missed)
    return Counts(passed=len(results) - len(missed), warned=len(missed) - failed, failed=failed)


def _has_results(settings: Settings) -> bool:
    return all(checks_file(settings, name).exists() for name in (*GATES, "code"))


def checks_file(settings: Settings, stage: str) -> Path:
    """Where the results of a stage (lake, models or marts) are kept, or the models' code, as Parquet."""
    return settings.work / "checks" / f"{stage}.parquet"


def read_state(settings: Settings) -> WorkState | None:
    """What stands in the work file, or None if there is none or it was left half-made."""
    try:
        raw: dict[str, Any] = json.loads(_state_file(settings).read_text(encoding="utf-8"))
        stale = raw.get("stale")
        return WorkState(**{**raw, "passed": tuple(raw["passed"]), "stale": None if stale is None else tuple(stale)})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _state_file(settings: Settings) -> Path:
    return settings.work / "state.json"


def _write_state(settings: Settings, state: WorkState) -> None:
    write_atomically(_state_file(settings), json.dumps(asdict(state), indent=2).encode())


def require_state(settings: Settings) -> WorkState:
    """What stands in the work file; raises RunError where there is none."""
    state = read_state(settings)
    if state is None or not settings.work_file.exists():
        raise RunError("there is no work file", remedy="Run the whole pipeline: biopharma run.")
    return state


def _without(state: WorkState, *gates: str) -> WorkState:
    return replace(state, passed=tuple(gate for gate in state.passed if gate not in gates), blocked=None)


def _block_text(stage: str, blocking: Sequence[CheckResult]) -> str:
    first = blocking[0]
    found = first.exception or first.examples or first.observed_value
    more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
    return (
        f"expectation {first.check_id} on {first.table_schema}.{first.table_name} did not hold{more}: "
        f"{first.description.rstrip('.')}" + (f"; found {_shorten(found)}" if found else "")
    )


def _shorten(text: str, length: int = 300) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _write_frame(frame: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    lake.write_parquet(frame, temporary)
    temporary.replace(path)


def _nodes_frame(nodes: Sequence[NodeResult]) -> pl.DataFrame:
    schema = {
        "unique_id": pl.String(),
        "kind": pl.String(),
        "name": pl.String(),
        "schema_name": pl.String(),
        "table_name": pl.String(),
        "status": pl.String(),
        "severity": pl.String(),
        "failures": pl.Int64(),
        "message": pl.String(),
        "seconds": pl.Float64(),
    }
    rows = [{name: value for name, value in asdict(node).items() if name in schema} for node in nodes]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _outcome(node: NodeResult) -> str:
    if node.kind == "test" and node.status == "fail":
        return f"found {node.failures} rows on {node.table_name or 'the project'}"
    return f"ended as {node.status}: {_shorten(node.message or 'no message')}"


def _dbt_build(settings: Settings, select: Sequence[str] | None, progress: Progress) -> list[NodeResult]:
    def follow(event: Any) -> None:
        if event.info.name == "NodeStart":
            progress(StepEvent("models", str(event.data.node_info.node_name)))

    # Unit tests are about the models on made-up rows, not about this build's data: the test suite runs them.
    command = ["build", "--no-write-json", "--exclude-resource-type", "unit_test"]
    if select is not None:
        command += ["--select", *select]
    parsed = _parsed_project(settings, progress)[1]
    result = _invoke_dbt(settings, command, settings.work / "dbt" / "target", follow, parsed=parsed)
    # What dbt does at the end of a build (comments) is no node of it; if that fails, dbt has failed.
    hooks = [entry for entry in result.results if str(entry.node.resource_type) == "operation"]
    if failed := [hook for hook in hooks if str(hook.status) != "success"]:
        raise BuildError(
            f"dbt could not end the build: {_shorten(failed[0].message or failed[0].node.name)}",
            remedy="Correct the macro that on-run-end of dbt_project.yml names.",
        )
    nodes = [entry for entry in result.results if entry not in hooks]
    _keep_code(settings, nodes, None if select is None else _manifest(settings, progress))
    relations = {e.node.unique_id: (e.node.schema, e.node.alias) for e in nodes if not _is_test(e.node)}
    return [_node_result(entry, relations) for entry in nodes]


def _keep_code(settings: Settings, results: Sequence[Any], manifest: dict[str, Any] | None) -> None:
    """Keep the models as they were run; after a build of some (with the manifest), the others as they ran before."""
    path = checks_file(settings, "code")
    known = manifest["nodes"].items() if manifest else []
    code = _code_frame(results, {name: f"{node['schema']}.{node['alias']}" for name, node in known})
    if manifest and path.exists():
        before = pl.read_parquet(path).join(code, on=["schema_name", "table_name"], how="anti")
        code = pl.concat([code, before], how="diagonal").select(_CODE_SCHEMA.keys())
    _write_frame(code, path)


def _code_frame(results: Sequence[Any], known: Mapping[str, str]) -> pl.DataFrame:
    """Every model as it was run: its code, its settings, what it reads, and the columns that tell its rows apart."""
    nodes = [entry.node for entry in results]
    names = {**known, **{node.unique_id: f"{node.schema}.{node.alias}" for node in nodes if not _is_test(node)}}
    grains = {
        node.attached_node: ",".join(node.test_metadata.kwargs["columns"])
        for node in nodes
        if _is_test(node) and getattr(node.test_metadata, "name", "") == "unique_combination"
    }

    def read_by(node: Any) -> list[str]:
        # A source is named source.<project>.<schema>.<table>.
        return [names.get(name) or ".".join(name.split(".")[-2:]) for name in node.depends_on.nodes]

    rows = [
        (
            node.schema,
            node.alias,
            str(node.language),
            str(node.raw_code if str(node.language) == "python" else node.compiled_code).strip(),
            json.dumps({name: node.config.get(name) for name in node.config.get("config_keys_used") or []}),
            ",".join(dict.fromkeys(read_by(node))),
            grains.get(node.unique_id),
            node.description or None,
            json.dumps({name: column.description for name, column in node.columns.items() if column.description}),
        )
        for node in nodes
        # What was skipped was not compiled.
        if str(node.resource_type) == "model" and (str(node.language) == "python" or node.compiled_code)
    ]
    return pl.DataFrame(rows, schema=_CODE_SCHEMA, orient="row")


def _build_stale(settings: Settings, state: WorkState, progress: Progress) -> list[NodeResult]:
    """Every node of the project, built as far as a change reaches it, else as it was built before."""
    if state.stale is None:
        return _dbt_build(settings, None, progress)
    manifest = _manifest(settings, progress)
    ids = selective.stale_models(manifest, state.stale)
    nodes = manifest["nodes"]
    models = sorted(nodes[i]["name"] for i in ids if nodes[i]["resource_type"] == "model")
    built = _dbt_build(settings, models, progress) if models else []
    fresh = {node.unique_id for node in built}
    before = list(pl.read_parquet(checks_file(settings, "models")).iter_rows(named=True))
    carried = [NodeResult(**row, is_carried=True) for row in before if row["unique_id"] not in fresh]
    # In the order of references, as a whole build has it.
    order = {row["unique_id"]: place for place, row in enumerate(before)}
    return sorted([*built, *carried], key=lambda node: order.get(node.unique_id, len(order)))


def _manifest(settings: Settings, progress: Progress) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(dbt_manifest(settings, progress=progress).read_text(encoding="utf-8"))
    return content


def _is_test(node: Any) -> bool:
    return str(node.resource_type) in {"test", "unit_test"}


def _node_result(entry: Any, relations: dict[str, tuple[str, str]]) -> NodeResult:
    node = entry.node
    kind = "test" if _is_test(node) else str(node.resource_type)
    tested = [getattr(node, "attached_node", None), *node.depends_on.nodes]
    schema, table = next((relations[name] for name in [node.unique_id, *tested] if name in relations), (None, None))
    return NodeResult(
        unique_id=node.unique_id,
        kind=kind,
        name=node.name,
        schema_name=schema,
        table_name=table,
        status=str(entry.status),
        severity=str(getattr(node.config, "severity", "error")).lower() if kind == "test" else None,
        failures=entry.failures,
        message=entry.message or None,
        seconds=float(entry.execution_time),
    )


def _invoke_dbt(
    settings: Settings, command: list[str], target: Path, follow: Any = None, *, parsed: Path | None = None
) -> Any:
    """Run dbt in this process; returns its result object. Leaves no connection, directory or variable behind.

    With `parsed`, the project is not read again: dbt takes it as it was parsed into that file.
    """
    variables = {
        "BIOPHARMA_WORK_FILE": str(settings.work_file),
        "BIOPHARMA_MEMORY": settings.memory_limit,
        # One thread per query adds numbers in one order: equal inputs give equal figures to the last digit, and a
        # release that nothing was revised in says so. The models are small beside what dbt itself costs.
        "BIOPHARMA_THREADS": "1",
        "BIOPHARMA_SPILL": str(settings.work / "spill"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    with _environment(variables):
        from dbt.cli.main import dbtRunner

        arguments = [
            *command,
            "--project-dir",
            str(settings.dbt_project),
            "--profiles-dir",
            str(settings.dbt_project),
            "--target-path",
            str(target),
            "--log-path",
            str(settings.work / "dbt" / "logs"),
            "--log-level",
            "none",
            "--no-use-colors",
            "--no-version-check",
            "--threads",
            str(_DBT_THREADS),
        ]
        try:
            runner = dbtRunner(manifest=_taken(parsed), callbacks=[follow] if follow else [])
            outcome = runner.invoke(arguments)
        finally:
            _close_dbt()
    if outcome.exception is not None or outcome.result is None:
        raise BuildError(
            f"dbt could not {command[0]}: {_shorten(str(outcome.exception or 'no reason given'), 1000)}",
            remedy="Correct the dbt project; the current release is untouched.",
        )
    return outcome.result


def _taken(path: Path | None) -> Any:
    """The parsed project that was read ahead, which a build changes and nobody has after it, or else as read now."""
    ahead = _read_ahead.pop(path, None) if path is not None else None
    return ahead if ahead is not None else _read_parsed(path)


def _read_parsed(path: Path | None) -> Any:
    """dbt's manifest from its own form, completed as dbt does after reading it; None without a file."""
    if path is None:
        return None
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    manifest = Manifest.from_msgpack(path.read_bytes(), decoder=extended_mashumuro_decoder)
    manifest.build_parent_and_child_maps()
    manifest.build_group_map()
    manifest.build_flat_graph()
    return manifest


def _close_dbt() -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters

    # dbt keeps its connection for the life of the process, and with it the lock on the work file.
    with suppress(AttributeError):
        DuckDBConnectionManager.close_all_connections()
    reset_adapters()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables, and undo that and any change of directory."""
    before = {name: os.environ.get(name) for name in variables}
    directory = Path.cwd()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.chdir(directory)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
