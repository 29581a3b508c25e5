"""Questions in plain words: `python -m tests.examples` renews the answers in docs/examples.md.

The answers are those of the current release; a test compares them with the bundled edition's.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import reader
from orchestration.text import markdown_table

DOCUMENT = PROJECT_ROOT / "docs" / "examples.md"
_EXAMPLE = re.compile(r"```sql\n(.+?)\n```\n\n((?:\|[^\n]*\n)*)", re.DOTALL)


def examples(text: str) -> list[tuple[str, str]]:
    """Each example's SQL and printed answer."""
    return [(found.group(1), found.group(2)) for found in _EXAMPLE.finditer(text)]


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The answer as a Markdown table, as `biopharma query --format markdown` prints it."""
    result = connection.execute(sql)
    columns = [column[0] for column in result.description or []]
    return markdown_table(columns, result.fetchall()) + "\n"


def renew(path: Path = DOCUMENT) -> int:
    """Write the answers of the current release into the document; returns how many there are."""
    text = path.read_text(encoding="utf-8")
    with reader.open_release(reader.current_dir(Settings.from_env())) as connection:
        renewed = _EXAMPLE.sub(lambda m: f"```sql\n{m.group(1)}\n```\n\n{answer(connection, m.group(1))}", text)
    path.write_text(renewed, encoding="utf-8")
    return len(examples(renewed))


if __name__ == "__main__":
    print(f"{renew()} answers")
