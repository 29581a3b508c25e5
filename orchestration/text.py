"""Figures and tables as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime


def cell(value: object) -> str:
    """A value as a person reads it: nulls empty, long fractions rounded, numbers of four digits left as years are."""
    if value is None:
        return ""
    if isinstance(value, float):
        if abs(value) >= 10_000:
            return f"{value:,.0f}"
        return f"{value:.5g}" if abs(value) < 1_000 else f"{value:.1f}".removesuffix(".0")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def rows_text(count: int) -> str:
    """A number of rows: `1 row`, `26,714 rows`."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in cells) + " |"

    head = [line(columns), line("---" for _ in columns)]
    return "\n".join([*head, *(line(map(cell, row)) for row in rows)])


def sql_condition(key: Mapping[str, object]) -> str:
    """A key as a condition of SQL, for people to copy."""
    return " and ".join(_equals(name, value) for name, value in key.items())


def _equals(name: str, value: object) -> str:
    if value is None:
        return f"{name} is null"
    if isinstance(value, bool | int | float):
        return f"{name} = {value}"
    text = str(value).replace("'", "''")
    return f"{name} = '{text}'"
