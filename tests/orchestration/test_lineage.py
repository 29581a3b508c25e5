"""Columns are followed through the SQL of the models, down to canonical and reviewed tables, once for their state."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest import workfile
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import lineage, pipeline, reader
from orchestration.explain import columns
from orchestration.lineage import Lineage
from tests.built import Home

COLUMNS = {
    "lake.a": ["id", "x", "y"],
    "lake.b": ["id", "z"],
    "vocabulary.v": ["id", "word"],
    "intermediate.int_p": ["id", "x", "made"],
}
BASE = 'select a.* from "w"."lake"."a" as a'
READ = "staging.stg_a,lake.a,lake.b,vocabulary.v"


def row(name: str, code: str, inputs: str = READ, language: str = "sql") -> dict[str, Any]:
    schema, _, table = name.partition(".")
    return {
        "schema_name": schema,
        "table_name": table,
        "language": language,
        "code": code,
        "settings": "{}",
        "inputs": inputs,
        "grain": None,
        "description": None,
    }


STAGING = row("staging.stg_a", BASE, "lake.a")


def followed(*rows: dict[str, Any]) -> Lineage:
    return columns.whole_lineage(columns.models_of([STAGING, *rows], with_staging=True), COLUMNS)


def one(sql: str, *names: str) -> list[str]:
    """Origins of the columns of a mart, as text."""
    found = followed(row("marts.m", sql))
    assert found.unresolved == ()
    return [" ".join(sorted(f"{o[1]}.{o[2]}" for o in found.bases("marts", "m", name))) for name in names or ("one",)]


@pytest.mark.parametrize(
    ("sql", "origins"),
    [
        ("select x + y as one from staging.stg_a", "a.x a.y"),
        ("select 1 as one from staging.stg_a where x > 0", ""),
        ("select count(*) as one from staging.stg_a", ""),
        ("with c as (select x * 2 as w from staging.stg_a) select sum(w) as one from c", "a.x"),
        ("select a.x as one from staging.stg_a as a inner join lake.b as b on b.id = a.id where b.z = 1", "a.x"),
        ("select x as one from staging.stg_a union all select z from lake.b", "a.x b.z"),
        ("select x - (select max(z) from lake.b) as one from staging.stg_a", "a.x b.z"),
        ("select if(word = 'x', x, 0) as one from staging.stg_a join vocabulary.v using (id)", "a.x v.word"),
        ("select sum(x) filter (where y > 0) as one from staging.stg_a", "a.x a.y"),
        ("select sum(x) over (partition by y) as one from staging.stg_a", "a.x"),
        ("select rank() over (order by x) as one from staging.stg_a", "a.x"),
        ("select item as one from (select unnest(string_split(y, ',')) as item from staging.stg_a)", "a.y"),
        ("select x as one from staging.stg_a group by x having max(y) > 0", "a.x"),
    ],
)  # fmt: skip
def test_what_a_column_is_made_from(sql: str, origins: str) -> None:
    assert one(sql) == [origins]


def test_stars_and_positions() -> None:
    assert one("select * exclude (id) from staging.stg_a", "x", "y") == ["a.x", "a.y"]
    assert one("select x, y from staging.stg_a union all select z, id from lake.b", "x", "y") == [
        "a.x b.z",
        "a.y b.id",
    ]


def test_a_python_model_passes_names_on_and_makes_the_rest_from_everything() -> None:
    found = followed(
        row("intermediate.int_p", "def model(dbt, session): ...", "staging.stg_a,vocabulary.v", "python")
    )
    assert found.bases("intermediate", "int_p", "x") == {("lake", "a", "x")}
    assert len(found.bases("intermediate", "int_p", "made")) == 5
    assert found.by_column["intermediate.int_p", "made"].values == ("staging.stg_a.*", "vocabulary.v.*")


@pytest.mark.parametrize(
    "sql",
    [
        "select one from",
        "select nothing as one from staging.stg_a",
        "select t.item as one from staging.stg_a as s, unnest([s.x, s.y]) as t(item)",
        "select (select max(z) from lake.b where b.id = s.id) as one from staging.stg_a as s",
        "with recursive r as (select x as n from staging.stg_a union all select n from r) select n as one from r",
    ],
)
def test_what_cannot_be_followed_is_named(sql: str) -> None:
    found = followed(row("marts.m", sql), row("marts.n", "select x as one from staging.stg_a"))
    assert len(found.unresolved) == 1
    assert "marts.m" in found.unresolved[0]
    assert ("marts.n", "one") in found.by_column


def test_every_model_is_followed(built: Home) -> None:
    connection = workfile.connect(built.settings.work_file, built.settings, read_only=True)
    held = lineage.read_by_models(connection)
    connection.close()
    found = lineage.of_build(built.settings, pipeline.checks_file(built.settings, "code"))
    assert found.unresolved == ()
    made = {
        (relation, name)
        for relation, names in held.items()
        if not relation.startswith(("lake.", "vocabulary."))
        for name in names
    }
    assert found.by_column.keys() == made
    for relation, name in made:
        if relation.startswith("staging."):
            table = relation.removeprefix("staging.stg_")
            assert found.bases("staging", f"stg_{table}", name) == {("lake", table, name)}
    marts = [(relation.partition(".")[2], name) for relation, name in made if relation.startswith("marts.")]
    assert sum(not found.bases("marts", *entry) for entry in marts) < len(marts) / 8


class Elsewhere(Settings):
    """Settings over a dbt project beside the installation."""

    @property
    def dbt_project(self) -> Path:
        return self.home.parent / "project"


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    """An installation over a dbt project of its own, both empty."""
    return Elsewhere(home=tmp_path / "home")


def kept(settings: Settings) -> list[Path]:
    return sorted((settings.dbt_project / "target" / "lineage").glob("*.json"))


def origins(settings: Settings, code: str = "select x as one from staging.stg_a", **columns_of: list[str]) -> str:
    rows = [STAGING, row("marts.m", code)]
    found = lineage.of_models(settings, rows, {**COLUMNS, **{f"lake.{name}": c for name, c in columns_of.items()}})
    return " ".join(".".join(origin) for origin in sorted(found.bases("marts", "m", "one")))


def test_it_is_worked_out_once_for_a_state_of_the_models(place: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    worked_out = []
    whole: Callable[..., Lineage] = columns.whole_lineage
    monkeypatch.setattr(columns, "whole_lineage", lambda *given: worked_out.append(given) or whole(*given))
    assert origins(place) == "lake.a.x"
    assert origins(place) == "lake.a.x"
    # Another installation of the same project has it at once.
    assert origins(replace(place, home=place.home.with_name("other"))) == "lake.a.x"
    assert len(worked_out) == len(kept(place)) == 1
    assert origins(place, "select y as one from staging.stg_a") == "lake.a.y"
    assert origins(place, "select * exclude (id, x) rename (y as one) from lake.a") == "lake.a.y"
    assert origins(place, "select * exclude (id, x) rename (y as one) from lake.a", a=["id", "x", "y", "w"])
    assert len(worked_out) == len(kept(place)) == 4
    for number in range(4):
        origins(place, f"select {number} as one from lake.a")
    assert len(kept(place)) == 5


def test_what_is_kept_is_read_only_where_it_is_of_just_this_state(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins(place)
    [path] = kept(place)
    whole = path.read_text()
    for broken in ("", whole[:-20], "[]", json.dumps({**json.loads(whole), "digest": path.stem + "0" * 48})):
        path.write_text(broken)
        assert origins(place) == "lake.a.x"
        assert path.read_text() == whole
    # Another way of working it out, or another version of the library, finds nothing of the one before.
    monkeypatch.setattr(lineage, "_METHOD", ["another version", *lineage._METHOD[1:]])
    path.write_text(whole.replace("lake.a.x", "lake.a.y"))
    assert origins(place) == "lake.a.x"
    # What this process has loaded is not what stands on the disk: nothing is kept under the name of either.
    assert kept(place) == [path]


def test_every_module_that_has_a_part_in_it_counts() -> None:
    """A change of any of them must not leave what was worked out before in use."""
    texts = set(lineage._method())
    for name in ("lineage", "explain/columns", "explain/plan", "explain/words"):
        assert (PROJECT_ROOT / "orchestration" / f"{name}.py").read_text(encoding="utf-8") in texts


def test_a_project_that_cannot_be_written_to_leaves_it_in_the_installation(place: Settings) -> None:
    place.dbt_project.mkdir()
    (place.dbt_project / "target").write_text("no folder")
    assert origins(place) == "lake.a.x"
    [path] = (place.work / "dbt" / "lineage").glob("*.json")
    path.write_text(path.read_text().replace('["lake.a.x"]', '["lake.a.id"]'))
    assert origins(place) == "lake.a.id"


def test_nothing_is_known_before_a_build(place: Settings) -> None:
    assert lineage.of_build(place, place.work / "checks" / "code.parquet") == Lineage(())


def test_the_release_finds_what_the_pages_have(built: Home) -> None:
    """Both ask for the same state of the models: one from the work file, one from the release that is made of it."""
    rows = list(pl.read_parquet(pipeline.checks_file(built.settings, "code")).iter_rows(named=True))
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        published = connection.sql("from catalog.models order by all").pl().to_dicts()
    assert lineage._digest(rows, COLUMNS) == lineage._digest(published, COLUMNS)
