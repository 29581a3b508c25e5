"""How a run, a release and a query look in a terminal. Figures come from the published warehouse, not from code."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from orchestration import reader
from orchestration.briefing import site
from orchestration.progress import StepEvent
from orchestration.text import cell, markdown_table

if TYPE_CHECKING:
    from ingest.inventory import SourceState
    from ingest.lake import Edition
    from orchestration.differences import ReleaseDiff
    from orchestration.doctor import Finding
    from orchestration.remote import Elsewhere

Format = Literal["table", "csv", "json", "markdown"]

_VERDICT_STYLE = {
    "reproduced": "green",
    "supported": "green",
    "consistent_other_scope": "green",
    "contradicted": "red",
    "inconsistent_other_scope": "red",
    "not_checkable": "dim",
}
_PIPE_WIDTH = 160
# How narrow the column of a table may become before its rows are printed as records, and what lies between columns.
_LEAST_NAME, _LEAST_TEXT, _GAP = 10, 20, 3
# Lines over which a long text may run in a cell.
_MOST_LINES = 8


def console(*, stderr: bool = False) -> Console:
    """A console; where the output goes to a file or a pipe, wide enough for tables."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


class Follower:
    """Shows a run's steps while it works: a spinner per step in a terminal, one line per step elsewhere.

    A step may be entered several times (one source after the other) and hold another; it counts as done when it
    has ended and the next one begins.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self._tasks: dict[str, TaskID] = {}
        self._seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}", justify="left"),
            TextColumn("[dim]{task.fields[detail]}"),
            console=out,
            refresh_per_second=5,
        )

    def __enter__(self) -> Follower:
        if self._out.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        if self._out.is_terminal:
            self._bars.stop()

    def __call__(self, event: StepEvent) -> None:
        """Take in an event."""
        step = event.step
        if event.seconds is not None:
            self._seconds[step] = self._seconds.get(step, 0.0) + event.seconds
            self._running.remove(step)
            return
        if step not in self._tasks:
            self._finish()
            self._tasks[step] = self._bars.add_task(step, total=1, detail="")
        if step not in self._running:
            self._running.append(step)
        self._bars.update(self._tasks[step], detail=escape(event.detail))

    def _finish(self) -> None:
        """Mark what has ended as done."""
        for step, task in self._tasks.items():
            if step not in self._running and not self._bars.tasks[task].finished:
                spent = f"{self._seconds[step]:.1f} s"
                self._bars.update(task, completed=1, detail=spent)
                if not self._out.is_terminal:
                    self._out.print(f"{step}: {spent}")


def show_release(out: Console, directory: Path) -> None:
    """Print what a release says: the statements and their verdicts, what was loaded, checks, where it is."""
    with reader.open_release(directory) as connection:
        _show_claims(out, connection)
        show_sources(out, connection)
        show_quality(out, connection)
    database = directory / reader.DATABASE
    out.print(f"\nWarehouse: {escape(str(database))} (release {directory.name}, read-only)")
    asked = "select claim_id, verdict, verdict_reason from mart_policy_claim_check"
    out.print(f'Query it:  {_command()} query "{asked}"', markup=False)
    out.print(f"           or: duckdb.connect({str(database)!r}, read_only=True)", markup=False)
    out.print(f"Lineage:   {_command()} ui   (make ui)", markup=False)
    page = directory / site.FOLDER / site.FRONT
    if page.is_file():
        out.print(f"Briefing:  {page.as_uri()}", markup=False, highlight=False, soft_wrap=True)
    words = directory / "dictionary" / "index.html"
    if words.is_file():
        out.print(f"Dictionary: {words.as_uri()}", markup=False, highlight=False, soft_wrap=True)


def show_elsewhere(out: Console, done: Elsewhere) -> None:
    """Print what was copied to the place that is the home of the warehouse."""
    told = f"{done.files} files, {done.size_bytes / 1e6:.1f} MB" if done.files else "it lacked nothing"
    if done.is_remade is not None:
        told += "; another machine was faster, and its release " + (
            "lies before this one" if done.is_remade else "stands for the same inputs"
        )
    out.print(f"Also at:   {done.address} ({told})", markup=False, highlight=False, soft_wrap=True)


def _show_claims(out: Console, connection: duckdb.DuckDBPyConnection) -> None:
    table = Table(title="What METI states, and what the data say", box=box.HORIZONTALS, show_lines=True, expand=True)
    table.add_column("Statement", ratio=3)
    table.add_column("What the data say", ratio=5)
    table.add_column("Verdict", no_wrap=True)
    for statement, finding, verdict in connection.execute(
        "select statement_en, finding_en, verdict from marts.mart_policy_claim_check order by display_order"
    ).fetchall():
        style = _VERDICT_STYLE.get(verdict, "yellow")
        table.add_row(escape(statement), escape(finding or ""), f"[{style}]{escape(verdict)}[/]")
    out.print(table)


def show_sources(out: Console, connection: duckdb.DuckDBPyConnection, today: date | None = None) -> None:
    """Print what was loaded: edition, age, rows, data years and licence of every source."""
    today = today or datetime.now(UTC).date()
    table = Table(title="What was loaded", box=box.HORIZONTALS)
    for head, justify in (
        ("Source", "left"),
        ("Edition", "left"),
        ("Published", "left"),
        ("Rows", "right"),
        ("Data years", "left"),
        ("Licence", "left"),
    ):
        table.add_column(head, justify="right" if justify == "right" else "left", overflow="fold")
    for code, edition, published, rows, first, last, licence, stale_after in connection.execute(
        "select source_code, latest_edition_id, published_on, row_count, first_data_year, last_data_year, "
        "licence_name, freshness_days from catalog.sources where edition_count > 0 order by source_code"
    ).fetchall():
        # As of a past day, a source may have editions and none of them in the release.
        age = (today - published).days if published else None
        stale = age is not None and age > stale_after
        years = f"{first}–{last}" if first != last else cell(first)
        dated = f"{published} ({_age(age)})" if age is not None else "not loaded"
        table.add_row(
            code,
            escape(edition or ""),
            f"[yellow]{dated}, stale[/]" if stale else dated,
            f"{rows:,}",
            years,
            escape(licence),
        )
    out.print(table)
    absent = connection.execute(
        "select source_code from catalog.sources where edition_count = 0 order by source_code"
    ).fetchall()
    if absent:
        out.print(f"Known and not loaded: {', '.join(code for (code,) in absent)}", style="dim")


@dataclass(frozen=True)
class Fetch:
    """What fetching one source gave: the editions committed, and what went wrong."""

    code: str
    editions: list[Edition]
    problem: str | None


def show_fetches(out: Console, outcomes: Sequence[Fetch]) -> None:
    """Print one line per fetched source: editions, rows, warnings, outcome."""
    table = Table(title="What was fetched", box=box.HORIZONTALS)
    table.add_column("Source", no_wrap=True)
    for head in ("Editions", "Rows", "Warnings"):
        table.add_column(head, justify="right")
    table.add_column("Outcome")
    for outcome in outcomes:
        table.add_row(
            outcome.code,
            f"{len(outcome.editions)}",
            f"{sum(edition.row_count for edition in outcome.editions):,}",
            f"{sum(len(edition.warnings) for edition in outcome.editions)}",
            "[red]failed[/]" if outcome.problem else "[green]fetched[/]",
        )
    out.print(table)


def show_inventory(out: Console, states: Sequence[SourceState]) -> None:
    """Print every source with its edition, age and rows; below, why some have none, warnings, and quarantine."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Source", no_wrap=True)
    for head in ("Publisher", "Licence", "Last edition", "Age"):
        table.add_column(head, overflow="fold")
    table.add_column("Rows", justify="right", no_wrap=True)
    table.add_column("State", overflow="fold")
    for entry in states:
        age = "" if entry.freshness is None else f"{_age(entry.age_days)}, {entry.freshness}"
        style = {"due": "yellow", "stale": "red"}.get(entry.freshness or "", "")
        table.add_row(
            entry.source.code,
            escape(entry.source.spec.publisher),
            escape(entry.source.spec.licence.name),
            escape(entry.edition_id or ""),
            f"[{style}]{age}[/]" if style else age,
            f"{entry.row_count:,}",
            entry.state + (f", {len(entry.warnings)} warnings" if entry.warnings else ""),
        )
    out.print(table)
    out.print("fresh, due, stale: within the publisher's cadence, past it, past what the source declares tolerable.")
    for head, lines in (
        ("Without rows", [(entry.source.code, entry.reason) for entry in states if entry.reason]),
        ("Warnings of the gates", [(entry.source.code, text) for entry in states for text in entry.warnings]),
        ("Files in quarantine", [(entry.source.code, text) for entry in states for text in entry.quarantined]),
    ):
        if lines:
            out.print(f"\n[bold]{head}[/]")
        for code, text in lines:
            out.print(f"  {code}: {text}", markup=False, highlight=False)


def show_quality(out: Console, connection: duckdb.DuckDBPyConnection) -> None:
    """Print how many expectations and model tests passed, were warned of or failed, and which did not pass."""
    for title, query, missed in (
        (
            "Expectations",
            "select count(*) filter (success), count(*) filter (not success and severity = 'warn'), "
            "count(*) filter (not success and severity = 'fail') from quality.expectation_result",
            "select check_id, description from quality.expectation_result where not success order by 1",
        ),
        (
            "Model tests",
            "select count(*) filter (status = 'pass'), count(*) filter (status = 'warn'), "
            "count(*) filter (status not in ('pass', 'warn')) from quality.model_test",
            "select name, coalesce(message, status) from quality.model_test where status <> 'pass' order by 1",
        ),
    ):
        passed, warned, failed = connection.execute(query).fetchall()[0]
        out.print(f"{title}: {passed:,} passed, {warned:,} warned, {failed:,} failed", style="bold")
        for name, text in connection.execute(missed).fetchall():
            out.print(f"  [yellow]{escape(name)}[/]: {escape(text)}")
    # Releases made before the gates compared editions have no such column.
    if "gate_warnings" in {name for name, *_ in connection.execute("describe quality.edition").fetchall()}:
        noticed = connection.execute(
            "select distinct source_code, gate_warnings from quality.edition "
            "where is_latest and gate_warnings is not null order by 1, 2"
        ).fetchall()
        out.print(f"Editions with warnings of the gates: {len(noticed):,}", style="bold")
        for code, text in noticed:
            out.print(f"  [yellow]{escape(code)}[/]: {escape(text)}")
    (rows,) = connection.execute("select count(*) from quality.quarantine").fetchall()[0]
    out.print(f"Rows in quarantine: {rows:,}", style="bold")


def show_rows(out: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]], form: Format) -> None:
    """Print the rows of a query. CSV and JSON hold exact values, the other forms readable ones.

    A table that would be too wide to read is printed as records: a line for each column of each row.
    """
    match form:
        case "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        case "json":
            records = [dict(zip(columns, row, strict=True)) for row in rows]
            print(json.dumps(records, ensure_ascii=False, indent=2, default=str))  # noqa: T201
        case "markdown":
            print(markdown_table(columns, rows))  # noqa: T201
        case "table":
            texts = [[cell(value) for value in row] for row in rows]
            if rows and _least_width(columns, texts) > out.width:
                _show_records(out, columns, texts)
                return
            table = Table(box=box.SIMPLE_HEAD)
            for index, name in enumerate(columns):
                numeric = any(isinstance(row[index], int | float) for row in rows)
                table.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
            for text in texts:
                table.add_row(*map(escape, text))
            out.print(table)


def _least_width(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> int:
    """Characters that a table needs to be readable: long names and texts may be folded, but not to a few letters."""
    widest = [max(map(cell_len, values)) for values in zip(*texts, strict=True)]
    return sum(
        _GAP + max(min(cell_len(name), _LEAST_NAME), min(width, max(_LEAST_TEXT, width // _MOST_LINES)))
        for name, width in zip(columns, widest, strict=True)
    )


def _show_records(out: Console, columns: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    """Print each row as lines of name and value."""
    for number, text in enumerate(texts, start=1):
        record = Table(box=None, show_header=False, title=f"row {number}", title_justify="left", title_style="dim")
        record.add_column(no_wrap=True, style="bold")
        record.add_column(overflow="fold")
        for name, value in zip(columns, text, strict=True):
            record.add_row(escape(name), escape(value))
        out.print(record)


def show_findings(out: Console, findings: Sequence[Finding]) -> None:
    """Print what was found of an installation, what is wrong with its remedy, and the sum."""
    styles = {"fine": "green", "note": "yellow", "wrong": "bold red"}
    for finding in findings:
        out.print(f"[{styles[finding.level]}]{finding.level:<5}[/] {finding.subject:<11} {escape(finding.told)}")
        if finding.remedy and finding.level != "fine":
            out.print(f"{'':18}{escape(finding.remedy)}", style="dim")
    wrong, notes = (sum(finding.level == level for finding in findings) for level in ("wrong", "note"))
    out.print(f"{wrong} wrong, {notes} worth knowing, {len(findings) - wrong - notes} fine.")


def show_difference(out: Console, earlier: str, later: str, diff: ReleaseDiff, mart: str | None = None) -> None:
    """Print what differs between two releases, or in one mart of them."""
    out.print(f"[bold]Release {earlier} -> {later}[/]")
    tables = [table for table in diff.tables if mart in (None, table.table)]
    if mart is None:
        for headline in diff.headlines:
            out.print(f"Statement {headline.claim_id}: {headline.before} -> {headline.after}", markup=False)
    if tables:
        counts = [(table.table, table.added, table.removed, table.changed) for table in tables]
        show_rows(out, ["mart", "rows_added", "rows_removed", "rows_changed"], counts, "table")
    for table in tables:
        for change in table.examples:
            key = ", ".join(f"{name}={value}" for name, value in change.key.items() if value is not None)
            before, after = cell(change.before) or "null", cell(change.after) or "null"
            out.print(f"{table.table} [{key}] {change.column}: {before} -> {after}", markup=False)
    lines = [*diff.definitions, *(f"new: {name}" for name in diff.schema.added)]
    lines += [f"gone: {name}" for name in diff.schema.removed]
    lines += [f"another type: {name}" for name in diff.schema.retyped]
    for line in lines if mart is None else []:
        out.print(line, markup=False)
    if not (tables or (mart is None and (lines or diff.headlines))):
        out.print("No figure differs.")


def _age(days: int | None) -> str:
    if days is None:
        return ""
    return f"{days} days" if days < 730 else f"{days / 365.25:.1f} years"


def _command() -> str:
    """The command as this user can type it: its name where the shell finds it, else its path from here."""
    if shutil.which("biopharma"):
        return "biopharma"
    path = Path(sys.executable).with_name("biopharma")
    return os.path.relpath(path) if path.exists() else "biopharma"
