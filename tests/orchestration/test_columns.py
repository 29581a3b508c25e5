"""Columns are followed through the SQL of the models, down to canonical and reviewed tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ingest import workfile
from ingest.settings import Settings
from orchestration import columns
from tests.built import Home

SCHEMAS: dict[columns.Relation, list[str]] = {
    ("lake", "a"): ["id", "x", "y"],
    ("lake", "b"): ["id", "z"],
    ("vocabulary", "v"): ["id", "word"],
    ("staging", "stg_a"): ["id", "x", "y"],
    ("intermediate", "int_p"): ["id", "x", "made"],
    ("marts", "m"): ["one", "two"],
}
BASE = 'select * from "w"."lake"."a"'


def one(sql: str, *names: str) -> list[str]:
    """Origins of the columns of a mart in one step, as text."""
    schemas = {**SCHEMAS, ("marts", "m"): list(names or ("one",))}
    found = columns.trace({("staging", "stg_a"): BASE, ("marts", "m"): sql}, schemas)
    assert found.unresolved == []
    return [
        " ".join(sorted(f"{o[1]}.{o[2]}" for o in found.bases(("marts", "m"), name))) for name in names or ("one",)
    ]


@pytest.mark.parametrize(
    ("sql", "origins"),
    [
        ("select x + y as one from staging.stg_a", "a.x a.y"),
        ("select 1 as one from staging.stg_a where x > 0", ""),
        ("select count(*) as one from staging.stg_a", ""),
        ("with c as (select x * 2 as w from staging.stg_a) select sum(w) as one from c", "a.x"),
        ("select a.x as one from staging.stg_a as a inner join lake.b as b on b.id = a.id where b.z = 1", "a.x"),
        ("select x as one from staging.stg_a union all select z from lake.b", "a.x b.z"),
        ("select (select max(z) from lake.b where b.id = s.id) as one from staging.stg_a as s", "b.z"),
        ("select if(word = 'x', x, 0) as one from staging.stg_a join vocabulary.v using (id)", "a.x v.word"),
        ("select sum(x) over (partition by y) as one from staging.stg_a", "a.x"),
        ("select rank() over (order by x) as one from staging.stg_a", "a.x"),
        ("select item as one from (select unnest(string_split(y, ',')) as item from staging.stg_a)", "a.y"),
        ("select t.item as one from staging.stg_a as s, unnest([s.x, s.y]) as t(item)", "a.x a.y"),
        ("with recursive r as (select x as n from staging.stg_a union all select n from r) select n as one from r",
         "a.x"),
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
    text = 'def model(dbt, session):\n    rows = dbt.ref("stg_a")\n    words = dbt.source("vocabulary", "v")\n'
    found = columns.trace({("intermediate", "int_p"): text, ("staging", "stg_a"): BASE}, SCHEMAS)
    assert found.bases(("intermediate", "int_p"), "x") == {("lake", "a", "x")}
    assert len(found.bases(("intermediate", "int_p"), "made")) == 5


def test_what_cannot_be_followed_is_named() -> None:
    found = columns.trace({("marts", "m"): "select one from"}, SCHEMAS)
    assert found.unresolved[0].startswith("marts.m: ")
    missing = columns.trace({("marts", "m"): "select x as one from lake.a"}, SCHEMAS)
    assert missing.unresolved == ["marts.m.two: not in the query"]


def relations(settings: Settings) -> dict[columns.Relation, list[str]]:
    found: dict[columns.Relation, list[str]] = {}
    connection = workfile.connect(settings.work_file, settings, read_only=True)
    for schema, table, name in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = current_database() "
        "and schema_name in ('lake', 'vocabulary', 'staging', 'intermediate', 'quality', 'marts') "
        "order by schema_name, table_name, column_index"
    ).fetchall():
        found.setdefault((schema, table), []).append(name)
    connection.close()
    return found


def test_every_model_is_followed(built: Home) -> None:
    held = relations(built.settings)
    models = columns.of_build(built.settings, held)
    assert models.unresolved == []
    assert set(models.columns) == {relation for relation in held if relation[0] not in {"lake", "vocabulary"}}
    for relation, names in held.items():
        if relation[0] == "staging":
            table = relation[1].removeprefix("stg_")
            assert all(models.bases(relation, name) == {("lake", table, name)} for name in names)
    made = [(r, n) for r, names in held.items() if r[0] == "marts" for n in names]
    assert sum(not models.bases(*entry) for entry in made) < len(made) / 8


def test_it_is_worked_out_once_for_a_state_of_the_project(built: Home, tmp_path: Path) -> None:
    work = tmp_path / "work" / "dbt"
    model = work / "target" / "compiled" / "p" / "models" / "m.sql"
    model.parent.mkdir(parents=True)
    model.write_text("select x as one, y as two from lake.a")
    settings = replace(built.settings, home=tmp_path)
    first = columns.of_build(settings, SCHEMAS)
    kept = work / "columns.json"
    content = json.loads(kept.read_text())
    kept.write_text(json.dumps({**content, "unresolved": ["as it was kept"]}))
    assert columns.of_build(settings, SCHEMAS).unresolved == ["as it was kept"]
    model.write_text("select y as one, y as two from lake.a")
    again = columns.of_build(settings, SCHEMAS)
    assert first.bases(("marts", "m"), "one") == {("lake", "a", "x")}
    assert again.bases(("marts", "m"), "one") == {("lake", "a", "y")}
    kept.write_text("{")
    assert columns.of_build(settings, SCHEMAS) == again
