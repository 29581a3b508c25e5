"""An explanation in a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from orchestration.explain import Explanation, Fact
from orchestration.text import cell

_WIDE = 110


def as_json(found: Explanation) -> str:
    """The whole explanation as JSON, values exact."""
    return json.dumps(asdict(found), ensure_ascii=False, indent=2, default=str)


def show(out: Console, found: Explanation) -> None:
    """Print the chain behind a figure, the figure first and the publishers' cells last."""
    about = ", ".join(f"{name} {cell(value)}" for name, value in found.key.items() if value is not None)
    _line(out, f"[bold]{found.mart}.{found.column}[/] ({escape(about)}), release {found.release_id}")
    unit = f" {found.unit}" if found.unit else ""
    _line(out, f"  [bold green]{escape(_exact(found.value))}[/]{escape(unit)}  {escape(found.status or '')}")
    _line(out, f"  {escape(found.description or '')}")
    _verified(out, found)
    if found.definitions:
        _head(out, "Definitions")
        for name, sentence in found.definitions:
            _item(out, f"[cyan]{escape(name)}[/]: {escape(sentence)}")
    _head(out, "How it was worked out (the mart first)")
    for number, step in enumerate(found.steps, start=1):
        _item(
            out,
            f"{number}. [cyan]{escape(step.relation)}[/], {step.row_count:,} of its rows. "
            f"{escape(_first(step.description))}",
        )
        for formula in step.formulas[:6]:
            _item(out, escape(formula), 5)
        if len(step.formulas) > 6:
            _item(out, f"and {len(step.formulas) - 6} more", 5)
    for name, value in found.seeds.items():
        _item(out, f"{escape(name)} = {escape(str(value))}", 5)
    if found.rates:
        _head(out, f"Exchange rates, parities and deflators ({_counted(found, 'facts.reference_rate')})")
        _facts(out, found.rates, found)
    tables = [name for name in found.fact_counts if name != "facts.reference_rate"]
    for table in tables:
        _head(out, f"Rows of {table} ({_counted(found, table)})")
        _facts(out, [fact for fact in found.facts if fact.table == table], found)
    if found.decision_counts:
        _head(out, "Reviewed decisions")
        for table, count in found.decision_counts.items():
            rows = [decision.row for decision in found.decisions if decision.table == table]
            first = "; ".join(f"{name} {cell(value)}" for name, value in list(rows[0].items())[:5]) if rows else ""
            more = f" (first of {count:,})" if count > 1 else ""
            _item(out, f"[cyan]{table}[/]{more}: {escape(_cut(first))}")
    _head(out, "Sources")
    for source in found.sources:
        _item(
            out,
            f"[cyan]{source['source_code']}[/]: {escape(source['publisher'])}, {escape(source['title'])}; "
            f"{escape(source['licence_name'])}; {escape(source['landing_page'] or '')}",
        )


def _verified(out: Console, found: Explanation) -> None:
    total = sum(sum(counts.values()) for counts in found.fact_counts.values())
    rows = f"{total:,} fact{'' if total == 1 else 's'}"
    if found.is_reproduced is None:
        return
    if found.is_reproduced:
        _line(out, f"  [green]Made again from the {rows} of this chain and nothing else: the same.[/]")
    else:
        what = escape(_exact(found.again[0])) if found.again else "no such row"
        _line(out, f"  [bold red]Made again from the {rows} of this chain: {what}. The chain is not complete.[/]")


def _facts(out: Console, facts: Iterable[Fact], found: Explanation) -> None:
    shown = list(facts)
    notes = {fact.cell_note for fact in shown if not fact.cells}
    common = next(iter(notes)) if len(notes) == 1 and len(shown) > 1 else None
    for fact in shown:
        key = ", ".join(f"{cell(value)}" for name, value in fact.key.items() if name not in ("period_end",))
        value = "" if fact.value is None else f"[bold]{escape(_exact(fact.value))}[/]"
        unit = f" {fact.unit}" if fact.unit else ""
        name = f"{fact.value_column} " if fact.value_column and fact.value is not None else ""
        role = "" if fact.role == "value" else "decides: "
        _item(
            out,
            f"{role}{escape(name)}{value}{escape(unit)}  {fact.status}, {fact.value_origin}  "
            f"[dim]{escape(_cut(key))}[/]",
        )
        _item(
            out,
            f"{fact.source_code} {fact.edition_id}, file {fact.file_sha256[:12]}…, {escape(fact.locator)}"
            + (f", {escape(fact.document_url)}" if fact.document_url else ""),
            5,
        )
        for read in fact.cells:
            _item(out, f"[green]reads[/] {escape(_cut(read.text, 200))}", 7)
        if fact.cell_note and fact.cell_note != common:
            _item(out, f"[dim]{escape(fact.cell_note)}[/]", 7)
    if common:
        _item(out, f"[dim]{escape(common)}[/]")
    if shown:
        total = sum(found.fact_counts[shown[0].table].values())
        if total > len(shown):
            _item(out, f"[dim]and {total - len(shown):,} more; all of them: --all[/]")


def _counted(found: Explanation, table: str) -> str:
    counts = found.fact_counts[table]
    parts = []
    if counts["value"]:
        parts.append(f"{counts['value']:,} whose figures enter")
    if counts["condition"]:
        parts.append(f"{counts['condition']:,} that decide what enters")
    return ", ".join(parts)


def _exact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) >= 1000 else f"{value:.10g}"
    return cell(value) if value is not None else "null"


def _first(text: str) -> str:
    return _cut(" ".join(text.split()).partition(". ")[0].rstrip(".") + ".", 160) if text else ""


def _cut(text: str, length: int = 140) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _head(out: Console, text: str) -> None:
    out.print()
    out.print(f"[bold]{text}[/]")


def _line(out: Console, text: str) -> None:
    out.print(text)


def _item(out: Console, text: str, indent: int = 2) -> None:
    out.print(Padding(text, (0, 0, 0, indent)))
