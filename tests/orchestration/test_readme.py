"""The README's questions give the printed answers on the bundled edition."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from ingest.settings import PROJECT_ROOT
from tests.built import Home

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"```sql\n(.+?)\n```\n\n((?:\|[^\n]*\n)+)", README, flags=re.DOTALL)


def test_there_are_five_questions() -> None:
    assert len(QUESTIONS) == 5


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_answer_is_the_printed_one(number: int, built: Home, biopharma: Callable[..., Any]) -> None:
    sql, answer = QUESTIONS[number]
    outcome = biopharma(built.settings, "query", sql, "--format", "markdown")
    assert outcome.code == 0, outcome.err
    assert outcome.out.strip() == answer.strip()
