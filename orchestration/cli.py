"""The `biopharma` command. Every command calls a plain function and shows what it returned."""

from __future__ import annotations

import atexit
import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from typer.models import CommandInfo, TyperInfo

from ingest.errors import IngestError
from ingest.settings import Settings
from orchestration.errors import as_storage_error

# Libraries that report usage are told not to before any of them is imported.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
}.items():
    os.environ.setdefault(_name, _value)

_CHANGES = "Load also what a gate blocks against the last edition (a shrunk file, say): you have looked at it."

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The biopharma warehouse: publishers' bytes in, defended figures out.",
    epilog="Begin with: biopharma run. Every command has an example: biopharma COMMAND --help.",
)

source_app = typer.Typer(no_args_is_help=True, help="Work on the folder of a source.")
edition_app = typer.Typer(no_args_is_help=True, help="Work on the bundled edition.")
app.add_typer(source_app, name="source")
app.add_typer(edition_app, name="edition")

RowFormat = Annotated[
    Literal["table", "csv", "json", "markdown"], typer.Option("--format", help="How to print the rows.")
]
NoRemote = Annotated[
    bool, typer.Option("--no-remote", help="With what is on this disk only: BIOPHARMA_REMOTE is left alone.")
]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")]
ReleaseOption = Annotated[
    str | None, typer.Option("--release", help="Number of a release; default: the current one.")
]


@app.command()
def run(
    force: Annotated[bool, typer.Option("--force", help="Load, build and publish also what is unchanged.")] = False,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="Build what could have been built on this day; kept as a release, but not made the current one.",
        ),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Without Dagster: the run is not shown in the UI.")] = False,
    no_remote: NoRemote = False,
) -> None:
    """Load, check, build and publish everything, then print what the published warehouse says."""
    settings = _settings(no_remote=no_remote)
    from orchestration import reader, terminal
    from orchestration.retention import withdrawals

    started = time.perf_counter()
    out, progress_out = terminal.console(), terminal.console(stderr=True)
    day = _day(as_of)
    with terminal.Follower(progress_out) as progress:
        if plain:
            from orchestration import pipeline

            report = pipeline.run(settings, force=force, as_of=day, progress=progress)
        else:
            from orchestration import ui

            report = ui.run_job(settings, force=force, as_of=day, progress=progress)
    terminal.show_release(out, reader.release_dir(settings, report.release_id))
    word = (
        f"release {report.release_id} is published"
        if report.is_new_release
        else (f"nothing changed since release {report.release_id}")
    )
    if gone := withdrawals(settings).get(report.release_id or ""):
        word += (
            f", which was withdrawn ({gone.reason}); release {gone.replaced_by} stays current (--force makes another)"
        )
    if day is not None:
        word += f"; it is as of {day} and not the current one (biopharma query --release {report.release_id})"
    if report.elsewhere is not None:
        terminal.show_elsewhere(out, report.elsewhere)
    out.print(f"\n[bold green]Done in {time.perf_counter() - started:.1f} s:[/] {word}.")


@app.command()
def parse(
    source: Annotated[str, typer.Argument(help="Code of the source (biopharma sources).")],
    files: Annotated[list[Path], typer.Argument(help="The publisher's files of one edition.")],
    to: Annotated[Path, typer.Option("--to", help="Parquet file to write; with several tables, one file for each.")],
    published_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Where the files do not tell it."),
    ] = None,
) -> None:
    """Write the canonical rows of a publisher's file, or say why it cannot be read."""
    from orchestration import pipeline, terminal
    from orchestration.text import rows_text

    out = terminal.console()
    for written in pipeline.parse_to(source, files, to, published_on=_day(published_on)):
        if written.is_rejected:
            told = f"{rows_text(written.row_count)} could not be taken; reasons: {written.path}"
            out.print(told, style="yellow", markup=False)
        else:
            out.print(f"{rows_text(written.row_count)} of {written.table_name}: {written.path}", markup=False)


@app.command()
def load(
    source: Annotated[str, typer.Argument(help="Code of the source (biopharma sources).")],
    files: Annotated[list[Path], typer.Argument(help="The publisher's files of one edition.")],
    published_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Where the files do not tell it."),
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Parse also what is committed already.")] = False,
    accept_changes: Annotated[bool, typer.Option("--accept-changes", help=_CHANGES)] = False,
    no_remote: NoRemote = False,
) -> None:
    """Archive a publisher's files and commit them as a live edition; the next run builds on it."""
    from orchestration import pipeline, terminal
    from orchestration.text import rows_text

    edition = pipeline.load_files(
        _settings(no_remote=no_remote),
        source,
        files,
        published_on=_day(published_on),
        force=force,
        accept_changes=accept_changes,
    )
    out = terminal.console()
    out.print(
        f"{edition.source_code}: edition {edition.edition_id} ({edition.partition}), published "
        f"{edition.published_on}: {rows_text(edition.row_count)}, {edition.rows_quarantined:,} in quarantine."
    )
    for warning in edition.warnings:
        out.print(f"warning: {warning}", style="yellow", markup=False, highlight=False)
    out.print("Build on it: biopharma run")


@app.command()
def fetch(
    codes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE]...", help="Codes of sources (biopharma sources); default: all that can be."),
    ] = None,
    accept_changes: Annotated[bool, typer.Option("--accept-changes", help=_CHANGES)] = False,
    no_remote: NoRemote = False,
) -> None:
    """Fetch publishers' current files, archive them and commit them as live editions; the next run builds on them."""
    from ingest.source import discover
    from orchestration import pipeline, terminal
    from orchestration.errors import PartlyFetchedError
    from orchestration.text import rows_text

    settings = _settings(no_remote=no_remote)
    out, errors = terminal.console(), terminal.console(stderr=True)
    chosen = codes or [code for code, source in discover().items() if source.has_connector]
    outcomes: list[terminal.Fetch] = []
    for code in chosen:
        problem = None
        try:
            editions = pipeline.fetch(settings, code, accept_changes=accept_changes)
        except IngestError as error:
            # One publisher that is away does not keep the others from being fetched.
            editions = error.editions if isinstance(error, PartlyFetchedError) else []
            problem = error.text
            errors.print(f"{code}: {problem}", style="red", markup=False, highlight=False)
        for edition in editions:
            out.print(
                f"{code}: edition {edition.edition_id} ({edition.partition}): {rows_text(edition.row_count)}",
                markup=False,
            )
            for warning in edition.warnings:
                out.print(f"  warning: {warning}", style="yellow", markup=False, highlight=False)
        outcomes.append(terminal.Fetch(code, editions, problem))
    if len(outcomes) > 1:
        terminal.show_fetches(out, outcomes)
    failed = [outcome.code for outcome in outcomes if outcome.problem]
    if any(outcome.editions for outcome in outcomes):
        out.print("Build on it: biopharma run")
    if failed:
        _fail(f"not fetched: {', '.join(failed)}", "Their last good editions stay in use; see the messages above.")


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="A query; `-` reads it from standard input.")],
    form: RowFormat = "table",
    limit: Annotated[
        int | None, typer.Option(min=0, help="Rows to print, 0 for all; default: 100 in a table, else all.")
    ] = None,
    release: ReleaseOption = None,
    place: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="Ask what was pushed to S3 or elsewhere, uncopied.")
    ] = None,
) -> None:
    """Ask the published warehouse; it is opened read-only and without access to anything else."""
    import duckdb

    from orchestration import reader, terminal
    from orchestration.errors import RunError

    text = sys.stdin.read() if sql == "-" else sql
    shown = (100 if form == "table" else 0) if limit is None else limit
    if place is None:
        opened = reader.open_release(reader.release_dir(Settings.from_env(), release))
    else:
        from ingest.remote import Remote
        from orchestration import remote

        opened = remote.open_release(Remote(place), release)
    with opened as connection:
        try:
            if (result := reader.ask(connection, text)) is None:
                raise RunError("the query is empty", remedy='For example: biopharma query "from mart_rnd_level".')
            columns = [column[0] for column in result.description or []]
            rows = result.fetchmany(shown + 1) if shown else result.fetchall()
        except duckdb.Error as error:
            raise RunError(
                f"the query failed: {error}".rstrip(),
                remedy="See what there is: biopharma describe, and biopharma describe TABLE for its columns.",
            ) from error
        cut = bool(shown) and len(rows) > shown
        terminal.show_rows(terminal.console(), columns, rows[:shown] if cut else rows, form)
        if cut:
            terminal.console(stderr=True).print(f"[dim]The first {shown} rows; all: --limit 0.[/]")


@app.command()
def describe(
    table: Annotated[
        str | None,
        typer.Argument(help="A mart, `schema.table` of any published table, or a schema; default: list the marts."),
    ] = None,
    release: ReleaseOption = None,
) -> None:
    """Say what a table is: its rows, sources and licences, and each column with unit, meaning and, if few, values."""
    from orchestration import reader, terminal
    from orchestration import shell as shells
    from orchestration.errors import RunError

    with reader.open_release(reader.release_dir(Settings.from_env(), release)) as connection:
        asked = shells.Shell(connection, terminal.console())
        if table is None or table in reader.SEARCHED:
            asked.tables(table or "marts")
        elif asked.names.find(table) is None:
            raise RunError(
                f"there is no table {table!r}",
                remedy="See what there is: biopharma describe, biopharma describe vocabulary (or another schema), "
                "biopharma query \"from search('...')\".",
            )
        else:
            asked.describe(table)


@app.command()
def explain(
    mart: Annotated[str, typer.Argument(help="A mart.")],
    *,
    column: Annotated[str, typer.Option("--column", help="The column of the figure.")],
    where: Annotated[
        str | None,
        typer.Option("--where", help="Which row: a condition as after WHERE, \"country_iso3='JPN' and year=2019\"."),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Every fact and decision of the chain; default: the largest.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    release: ReleaseOption = None,
) -> None:
    """Walk back from a figure to the publishers' cells, and make it again from these alone."""
    from orchestration import explain as explaining
    from orchestration import terminal
    from orchestration.explain import show

    found = explaining.explain(Settings.from_env(), mart, column, where, release_id=release, show_all=show_all)
    if as_json:
        typer.echo(show.as_json(found))
    else:
        show.show(terminal.console(), found)
    if found.is_reproduced is False:
        raise typer.Exit(1)


@app.command()
def shell(release: ReleaseOption = None) -> None:
    """Ask question after question: SQL with completion, history and the catalogue; read-only."""
    from orchestration import reader
    from orchestration import shell as shells

    settings = Settings.from_env()
    directory = reader.release_dir(settings, release)
    if not sys.stdin.isatty():
        _fail(
            "the shell needs a terminal", "Use biopharma query SQL, or biopharma query - to read from standard input."
        )
    shells.run(settings, directory)


@app.command()
def notebook(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 2718,
    read: Annotated[bool, typer.Option("--read", help="As a page to read, not to edit.")] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")] = True,
) -> None:
    """Open five analyses with plots as a notebook, on a copy of your own."""
    from orchestration import notebook as notebooks
    from orchestration import reader

    settings = Settings.from_env()
    # Without a release every cell would fail.
    reader.current_dir(settings)
    raise typer.Exit(notebooks.serve(settings, port=port, read_only=read, browser=browser))


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="A mart, or `schema.table` of any published table.")],
    form: Annotated[Literal["csv", "xlsx", "parquet"], typer.Option("--format", help="Kind of file.")] = "csv",
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write; default: the table's name in this directory.")
    ] = None,
    release: ReleaseOption = None,
) -> None:
    """Write a published table to a file for other tools, with its columns, sources and licences beside it."""
    from orchestration import export as exporting
    from orchestration import reader, terminal
    from orchestration.text import rows_text

    directory = reader.release_dir(Settings.from_env(), release)
    target = to or Path(f"{table.rpartition('.')[2]}.{form}")
    made = exporting.export(directory, table, form, target)
    beside = f"; what it is: {made.about}" if made.about else ""
    terminal.console().print(f"{rows_text(made.row_count)} of {table}: {made.path}{beside}", markup=False)


@app.command()
def briefing(
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="DIR", help="Write it anew, from the release's tables, to a folder of this name."
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the web browser.")] = False,
    release: ReleaseOption = None,
) -> None:
    """Say where the briefing of a release is: statements, charts and sources as pages that open from disk."""
    from orchestration import reader, terminal
    from orchestration.briefing import site

    directory = reader.release_dir(Settings.from_env(), release)
    out = terminal.console()
    if to is not None:
        made = site.write(directory, to)
        out.print(f"{made.pages} pages, {len(made.drawn)} charts of release {directory.name}: {to}", markup=False)
    page = (to or directory / site.FOLDER) / site.FRONT
    if not page.is_file():
        _fail(
            f"Release {directory.name} has no briefing: {page}",
            f"Write one from its tables: biopharma briefing --release {directory.name} --to DIR.",
        )
    out.print(page.resolve().as_uri(), markup=False, highlight=False, soft_wrap=True)
    if show:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            _fail("No web browser could be started.", f"Open this page: {page.resolve()}")


@app.command()
def status(release: ReleaseOption = None) -> None:
    """Show the current release: its sources with edition, age, rows and licence, and its quality."""
    settings = Settings.from_env()
    from orchestration import reader, terminal

    directory = reader.release_dir(settings, release)
    out = terminal.console()
    with reader.open_release(directory) as connection:
        made, as_of, engine = connection.execute(
            "select created_at, as_of, duckdb_version from catalog.release"
        ).fetchall()[0]
        current = directory == settings.current.resolve()
        out.print(
            f"[bold]Release {directory.name}[/]{' (current)' if current else ''}, made {made:%Y-%m-%d %H:%M %Z}"
            f"{f', as of {as_of}' if as_of else ''}, DuckDB {engine}: {directory}"
        )
        terminal.show_sources(out, connection)
        terminal.show_quality(out, connection)
    releases = sorted(path.name for path in settings.releases.glob("[0-9]*"))
    out.print(f"Releases: {', '.join(releases)}")


@app.command()
def quarantine(
    source: Annotated[str | None, typer.Argument(metavar="[SOURCE]", help="One source only.")] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Load again what is there; what can be read now leaves the quarantine.")
    ] = False,
    discard: Annotated[
        str | None, typer.Option("--discard", metavar="ID", help="Delete quarantined files by their id.")
    ] = None,
) -> None:
    """List files and rows that could not be taken, with the reason; after a correction, load them again."""
    settings = Settings.from_env()
    from ingest import quarantine as held
    from ingest.source import get
    from orchestration import pipeline, terminal
    from orchestration.text import rows_text

    out = terminal.console()
    if source is not None:
        get(source)
    if discard is not None:
        pipeline.discard(settings, discard)
        out.print(f"{discard} is deleted.")
        return
    if replay:
        for outcome in pipeline.replay(settings, source):
            told = (
                f"{rows_text(outcome.row_count)} taken"
                if outcome.error is None
                else f"still refused: {outcome.error}"
            )
            out.print(f"{outcome.source_code} {outcome.names}: {told}", markup=False)
    files, rows = pipeline.refused(settings, source), held.rows(settings, source)
    terminal.show_rows(
        out,
        ["id", "source", "file", "since", "reason"],
        [(f.quarantine_id, f.source_code, ", ".join(f.names), f.quarantined_at[:16], f.reason) for f in files],
        "table",
    )
    terminal.show_rows(out, rows.columns, rows.rows(), "table")
    out.print(f"{len(files)} quarantined loads; {rows_text(int(rows['rows'].sum()))} of committed editions.")


@app.command()
def unmapped(
    source: Annotated[str | None, typer.Argument(metavar="[SOURCE]", help="One source only.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows to show; 0 for all.")] = 40,
    form: RowFormat = "table",
    release: ReleaseOption = None,
) -> None:
    """List names that the vocabulary does not map, the largest sales first, with known names that are most alike.

    A person decides: a row of ingest/vocabulary/substance_alias.csv or company_alias.csv with its basis maps a name.
    """
    from ingest.source import get
    from ingest.vocabulary.proposals import by_name, proposals
    from orchestration import export, reader, terminal

    if source is not None:
        get(source)
    with reader.open_release(reader.release_dir(Settings.from_env(), release)) as connection:
        names = export.fetched(
            connection, "from quality.unmapped where source_code = coalesce(?, source_code)", [source]
        )
    found = by_name(proposals(names))
    shown = found.head(limit) if limit else found
    terminal.show_rows(terminal.console(), shown.columns, shown.rows(), form)
    if shown.height < found.height:
        terminal.console(stderr=True).print(f"[dim]The first {limit} rows; all: --limit 0.[/]")


@app.command()
def releases() -> None:
    """List the releases that are kept, with what became of them."""
    settings = Settings.from_env()
    from orchestration import release as published
    from orchestration import terminal
    from orchestration.retention import withdrawals

    now, gone = published.current(settings), withdrawals(settings)
    rows = []
    for found in reversed(published.list_releases(settings)):
        about = found.manifest
        withdrawal = gone.get(found.release_id)
        states = [
            "current" if now is not None and found.path == now.path else "",
            f"as of {found.as_of}" if found.as_of else "",
            "private" if about.get("audience") == "private" else "",
            f"withdrawn {withdrawal.withdrawn_at[:10]}: {withdrawal.reason}" if withdrawal else "",
            "" if about["files"] else "damaged: its manifest cannot be read",
        ]
        rows.append(
            (
                found.release_id,
                about.get("created_at"),
                sum(name.startswith("marts.") for name in about["tables"]),
                sum(about["tables"].values()),
                round(sum(file["bytes"] for file in about["files"].values()) / 1e6, 1),
                "; ".join(filter(None, states)),
            )
        )
    columns = ["release", "made", "marts", "rows", "megabytes", "state"]
    terminal.show_rows(terminal.console(), columns, rows, "table")
    terminal.console().print(
        f"Kept: the {settings.keep_releases} newest, and what is younger than {settings.keep_days} days "
        "(BIOPHARMA_KEEP_RELEASES, BIOPHARMA_KEEP_DAYS). Compare: biopharma diff A B."
    )


@app.command()
def diff(
    earlier: Annotated[str, typer.Argument(metavar="A", help="Number of the earlier release.")],
    later: Annotated[
        str | None, typer.Argument(metavar="B", help="Number of the later release; default: the current one.")
    ] = None,
    mart: Annotated[str | None, typer.Option("--mart", help="One mart only.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Changed rows to show for each mart.")] = 5,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="How to print it.")] = "text",
) -> None:
    """Show what differs between two releases: figures, statements, definitions, columns."""
    settings = Settings.from_env()
    import json

    from orchestration import differences, reader, terminal

    before, after = (reader.release_dir(settings, name) for name in (earlier, later))
    with differences.attached(before / reader.DATABASE, after / reader.DATABASE) as connection:
        found = differences.compare(connection, examples=examples)
    if form == "json":
        typer.echo(json.dumps(differences.as_json(found), indent=2, ensure_ascii=False))
        return
    terminal.show_difference(terminal.console(), before.name, after.name, found, mart)


@app.command()
def rollback(
    to: Annotated[
        str | None, typer.Argument(metavar="RELEASE", help="Release to go back to; default: the last sound one.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the withdrawn release.")] = "not given",
) -> None:
    """Withdraw the current release: readers get an earlier one until new data, code or --force make another."""
    settings = Settings.from_env()
    from orchestration import pipeline, terminal

    made = pipeline.rollback(settings, to, reason=reason)
    terminal.console().print(f"Release {made.release_id} is current. The withdrawn one is kept: biopharma releases.")


Place = Annotated[str | None, typer.Argument(help="Address, such as s3://bucket/folder; default: BIOPHARMA_REMOTE.")]


@app.command()
def push(
    url: Place = None,
    data_only: Annotated[bool, typer.Option("--data-only", help="Archive and lake, without the release.")] = False,
) -> None:
    """Copy archive, lake and the current release to S3 or another remote place."""
    from ingest.remote import Remote
    from orchestration import remote, terminal

    settings = Settings.from_env()
    place = Remote.of(settings, url)
    done = remote.push(settings, place, with_release=not data_only)
    terminal.console().print(f"{done.files} files ({done.size_bytes / 1e6:.1f} MB) copied to {place.url}.")


@app.command()
def pull(
    url: Place = None,
    release_to: Annotated[
        Path | None, typer.Option("--release-to", help="Copy the current release there into this folder instead.")
    ] = None,
    data_only: Annotated[bool, typer.Option("--data-only", help="Archive and lake, without the release.")] = False,
) -> None:
    """Copy archive, lake and the current release from a remote place, for a run here; or the release, to read it."""
    from ingest.remote import Remote
    from orchestration import remote, terminal

    settings, out = Settings.from_env(), terminal.console()
    place = Remote.of(settings, url)
    if release_to is not None:
        out.print(f"Release in {remote.pull_release(place, release_to)}.", soft_wrap=True)
        return
    done = remote.pull(settings, place, with_release=not data_only)
    out.print(done.told())
    for warning in done.warnings():
        out.print(warning, style="yellow", markup=False, highlight=False, soft_wrap=True)


@app.command()
def sources() -> None:
    """List every source: who publishes it, under which licence, its last edition, its age, its rows, or why none."""
    from ingest.inventory import inventory
    from orchestration import terminal

    terminal.show_inventory(terminal.console(), inventory(Settings.from_env()))


@source_app.command("new")
def source_new(
    code: Annotated[str, typer.Argument(help="Short code: lower-case letters, digits, underscores.")],
    table: Annotated[str, typer.Option("--table", help="Canonical table that it fills (ingest/contracts.yml).")],
    domain: Annotated[
        Literal["sales", "rnd", "origin", "contract_manufacturing", "policy", "reference"],
        typer.Option("--domain", help="Theme."),
    ],
) -> None:
    """Make the folder of a new source and its test, and list what is to be filled."""
    from ingest import scaffold
    from orchestration import terminal

    out = terminal.console()
    for path in scaffold.new_source(code, table, domain):
        out.print(f"made {os.path.relpath(path)}", markup=False, highlight=False)
    out.print("To do (tests/test_sources.py lists it until it is done):")
    for lack in scaffold.missing_parts(code):
        out.print(f"  {lack}", markup=False, highlight=False)


@edition_app.command("compile")
def edition_compile(
    source: Annotated[str, typer.Argument(help="Code of the source (biopharma sources).")],
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE... [+ FILE...]", help="All files of the share; a + begins the next edition."),
    ],
    accessed_on: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Day on which the files were obtained."),
    ],
    published_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Where the files do not tell it."),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write to; default: the source's own.")] = None,
) -> None:
    """Write a source's share of the bundled edition from publishers' files, as reviewable CSV."""
    from ingest.compile import compile_source
    from orchestration import terminal
    from orchestration.text import rows_text

    groups: list[list[Path]] = [[]]
    for file in files:
        groups.append([]) if file == "+" else groups[-1].append(Path(file))
    counts = compile_source(
        source,
        [group for group in groups if group],
        accessed_on=accessed_on.date(),
        published_on=_day(published_on),
        target=to,
    )
    for table, count in counts.items():
        terminal.console().print(f"{table}: {rows_text(count)}", markup=False)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 3000,
    daemon: Annotated[
        bool, typer.Option("--daemon/--no-daemon", help="With the daemon that starts runs and schedules.")
    ] = True,
) -> None:
    """Look at lineage, checks and runs in Dagster's web interface; schedules and sensors are off (see up)."""
    from orchestration import terminal
    from orchestration import ui as dagster_ui

    out = terminal.console()
    out.print("Starting the Dagster UI (ten to twenty seconds); stop it with Ctrl+C.")
    code = dagster_ui.serve(
        Settings.from_env(),
        port=port,
        daemon=daemon,
        ready=lambda address: out.print(f"[bold green]{address}[/]  lineage: {address}/asset-groups"),
    )
    raise typer.Exit(code)


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 3000,
    paused: Annotated[
        bool, typer.Option("--paused", help="Schedules and sensors are off until somebody starts them.")
    ] = False,
) -> None:
    """Operate the warehouse: publishers are asked on schedule, dropped files loaded, changes built, failures told."""
    from orchestration import cadence, inbox, terminal
    from orchestration import ui as dagster_ui

    settings, out = Settings.from_env(), terminal.console()

    def ready(address: str) -> None:
        out.print(f"[bold green]{address}[/]  lineage: {address}/asset-groups  automation: {address}/automation")
        if paused:
            out.print("Schedules and sensors are off; start them under Automation.")
            return
        for name, table in cadence.TIMETABLES.items():
            asked = [source.code for source in cadence.fetched(name)]
            out.print(f"  {name}: {len(asked)} sources. {table.description}", markup=False, highlight=False)
        out.print(f"  Times are those of {cadence.TIMEZONE}. Files dropped into {inbox.folder(settings)} are loaded.")

    out.print("Starting the web interface and the daemon (twenty seconds); stop both with Ctrl+C.")
    raise typer.Exit(dagster_ui.serve(settings, port=port, daemon=True, ready=ready, automation=not paused))


@app.command()
def doctor() -> None:
    """Say what is wrong with this installation, and what to do about it; the exit code is 1 if something is."""
    from orchestration import doctor as examination
    from orchestration import terminal

    findings = examination.examine()
    terminal.show_findings(terminal.console(), findings)
    raise typer.Exit(1 if any(finding.level == "wrong" for finding in findings) else 0)


@app.command()
def version() -> None:
    """Print the version."""
    from orchestration import terminal

    terminal.console().print(version_of("biopharma-warehouse"))


# The menu: the head under which `biopharma --help` lists a command, in this order, and an example of each.
_MENU = {
    "Run": {
        "run": "biopharma run --as-of 2021-12-31",
    },
    "Ask": {
        "briefing": "biopharma briefing --open",
        "query": 'biopharma query "select claim_id, verdict from mart_policy_claim_check" --format csv',
        "shell": "biopharma shell",
        "describe": "biopharma describe mart_rnd_level",
        "explain": "biopharma explain mart_rnd_level --column rnd_usd_ppp "
        "--where \"country_iso3 = 'JPN' and year = 2019 and activity_code = 'C21'\"",
        "export": "biopharma export mart_rnd_level --format xlsx --to rnd.xlsx",
        "notebook": "biopharma notebook --read",
    },
    "Sources": {
        "sources": "biopharma sources",
        "fetch": "biopharma fetch ecb_fx worldbank_wdi",
        "load": "biopharma load mhlw_ndb 001235.xlsx --published-on 2021-08-01",
        "parse": "biopharma parse ecb_fx eurofxref-hist.zip --to rates.parquet",
        "quarantine": "biopharma quarantine mhlw_ndb --replay",
        "unmapped": "biopharma unmapped ema_medicines --limit 10",
        "source": "biopharma source new pmda_approvals --table product_identity --domain sales",
        "edition": "biopharma edition compile ecb_fx eurofxref-hist.zip --accessed-on 2026-11-01",
    },
    "Releases": {
        "status": "biopharma status",
        "releases": "biopharma releases",
        "diff": "biopharma diff 0001 0002 --mart mart_rnd_level",
        "rollback": 'biopharma rollback --reason "a publisher\'s file was wrong"',
    },
    "Operate": {
        "up": "biopharma up --port 3000",
        "ui": "biopharma ui --port 3001",
        "doctor": "biopharma doctor",
        "push": "biopharma push s3://bucket/biopharma",
        "pull": "biopharma pull s3://bucket/biopharma --release-to releases",
        "version": "biopharma version",
    },
}


def _arrange(menu: dict[str, dict[str, str]]) -> None:
    """Put every command under its head, in the menu's order, with its example below its help."""
    places = {name: (head, example) for head, commands in menu.items() for name, example in commands.items()}
    order = {name: place for place, name in enumerate(places)}

    def name_of(entry: CommandInfo | TyperInfo) -> str:
        named = entry.name if isinstance(entry.name, str) else None
        return named or str(getattr(entry.callback, "__name__", ""))

    entries: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
    for entry in entries:
        if name_of(entry) in places:
            head, example = places[name_of(entry)]
            entry.rich_help_panel, entry.epilog = head, f"Example: {example}"
    app.registered_commands.sort(key=lambda command: order.get(name_of(command), len(order)))
    for group, name in ((source_app, "source"), (edition_app, "edition")):
        for command in group.registered_commands:
            command.epilog = f"Example: {places[name][1]}"


_arrange(_MENU)


def _settings(*, no_remote: bool) -> Settings:
    settings = Settings.from_env()
    return replace(settings, remote=None) if no_remote else settings


def _day(value: datetime | None) -> date | None:
    return value.date() if value else None


def main() -> None:
    """Run the command; a named error is shown without a traceback unless BIOPHARMA_DEBUG is set."""
    if os.environ.get("BIOPHARMA_DEBUG"):
        app()
        return
    try:
        app()
    except IngestError as error:
        _fail(error.text.removesuffix(error.remedy).strip(), error.remedy)
    except KeyboardInterrupt:
        _fail("Interrupted.", "The current release stands; run again to go on.", code=130)
    except Exception as error:
        if refused := as_storage_error(error):
            _fail(refused.text.removesuffix(refused.remedy).strip(), refused.remedy)
        _fail(
            f"{type(error).__name__}: {error}",
            "This is a defect of the program: set BIOPHARMA_DEBUG=1 to see where; the current release stands.",
        )


def program() -> NoReturn:
    """`main` as a process of its own, which ends without taking apart what a run has made: that takes seconds."""
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # Whoever read along may have left.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _fail(problem: str, remedy: str, code: int = 1) -> None:
    from rich.markup import escape

    from orchestration import terminal

    out = terminal.console(stderr=True)
    out.print(f"[bold red]{escape(problem)}[/]")
    out.print(escape(remedy))
    sys.exit(code)
