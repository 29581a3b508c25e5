"""The recipes of docs/connect.md that can be run here are run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.settings import PROJECT_ROOT
from orchestration import reader
from tests.built import Home

TEXT = (PROJECT_ROOT / "docs" / "connect.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.+?)\n```", TEXT, flags=re.DOTALL)


def test_python_recipes(built: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd
    import polars as pl

    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "current").symlink_to(reader.current_dir(built.settings))
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"pl": pl, "pd": pd}
    recipes = blocks("python")
    assert len(recipes) == 3
    for recipe in recipes:
        exec(recipe, known)
        if "con" in known:
            known["con"].close()
    with duckdb.connect("var/current/warehouse.duckdb", read_only=True) as connection:
        for recipe in blocks("sql"):
            assert len(connection.execute(recipe).fetchall()) == 15


def test_the_file_cannot_be_opened_for_writing(built: Home) -> None:
    path = reader.current_dir(built.settings) / reader.DATABASE
    assert path.stat().st_mode & 0o222 == 0


def test_every_recipe_says_whether_it_was_run() -> None:
    recipes = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:-1]
    assert len(recipes) == 6
    for recipe in recipes:
        assert re.search(r"^\*(Run|Not run)\*|^\*Run\.\*", recipe, flags=re.MULTILINE), recipe.splitlines()[0]
