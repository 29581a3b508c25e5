"""The command as its users see it: what it prints, its errors, its exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ingest import lake
from ingest.settings import Settings
from ingest.source import discover
from orchestration import reader
from tests.built import Home
from tests.orchestration.conftest import Outcome, python

Command = Callable[..., Outcome]


def test_query_formats_hold_the_same_rows(built: Home, biopharma: Command) -> None:
    query = "select claim_id, verdict, claimed_stated from mart_policy_claim_check order by display_order"
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        rows = connection.execute(query).fetchall()
    found = json.loads(biopharma(built.settings, "query", query, "--format", "json").out)
    assert [tuple(record.values()) for record in found] == rows
    lines = list(csv.reader(io.StringIO(biopharma(built.settings, "query", query, "--format", "csv").out)))
    assert lines[0] == ["claim_id", "verdict", "claimed_stated"]
    assert [line[:2] for line in lines[1:]] == [[row[0], row[1]] for row in rows]
    markdown = biopharma(built.settings, "query", query, "--format", "markdown").out.splitlines()
    assert markdown[0] == "| claim_id | verdict | claimed_stated |"
    assert len(markdown) == len(rows) + 2
    table = biopharma(built.settings, "query", query).out
    assert all(row[0] in table for row in rows)


def test_query_limit_is_said(built: Home, biopharma: Command) -> None:
    called = biopharma(built.settings, "query", "select * from range(1000)", "--limit", "3")
    assert "The first 3 rows" in called.err
    assert len(called.out.split()) == 5  # head, rule, three rows
    everything = biopharma(built.settings, "query", "select * from range(1000)", "--limit", "0", "--format", "csv")
    assert len(everything.out.splitlines()) == 1001


@pytest.mark.parametrize("sql", ["", " ; ", "/* a remark */"])
def test_a_query_without_a_statement_says_so(built: Home, biopharma: Command, sql: str) -> None:
    called = biopharma(built.settings, "query", sql)
    assert called.code == 1
    assert "the query is empty" in called.err


def test_query_error_is_one_message(built: Home, biopharma: Command) -> None:
    called = biopharma(built.settings, "query", "select no_such_column from mart_rnd_level")
    assert called.code == 1
    assert "no_such_column" in called.err
    assert "Traceback" not in called.err


def test_describe_lists_the_marts_and_says_what_one_is(built: Home, biopharma: Command) -> None:
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        marts = connection.execute("select table_name from catalog.tables where schema_name = 'marts'").fetchall()
        columns = connection.execute(
            "select column_name from catalog.columns where table_name = 'mart_rnd_level'"
        ).fetchall()
    listed = biopharma(built.settings, "describe").out
    assert marts
    assert all(f"marts.{name} " in listed for (name,) in marts)
    assert "vocabulary.series_caveat " in biopharma(built.settings, "describe", "vocabulary").out
    told = biopharma(built.settings, "describe", "mart_rnd_level").out
    assert "Key: country_iso3" in told
    assert all(f" {name} " in told for (name,) in columns)
    assert "USD at the year's GDP purchasing power parity" in " ".join(told.split())
    missed = biopharma(built.settings, "describe", "mart_rnd_levels")
    assert missed.code == 1
    assert "there is no table 'mart_rnd_levels'" in missed.err
    assert "biopharma describe" in missed.err


def test_unmapped_names_are_listed_with_candidates(built: Home, biopharma: Command) -> None:
    listed = biopharma(built.settings, "unmapped", "ema_medicines", "--limit", "0", "--format", "json")
    rows = json.loads(listed.out)
    assert {row["source_code"] for row in rows} == {"ema_medicines"}
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        names = connection.execute(
            "select count(distinct (kind, name)) from quality.unmapped where source_code = 'ema_medicines'"
        ).fetchall()
    assert len(rows) == len({(row["kind"], row["name"]) for row in rows}) == names[0][0] > 100
    alike = [row["candidates"] for row in rows if row["candidates"]]
    assert alike
    assert all(re.fullmatch(r"\w+ \((8\d|9\d|100)\)(, \w+ \(\d+\))*", text) for text in alike)
    assert biopharma(built.settings, "unmapped", "nobody").code == 1


def test_query_imports_nothing_heavy(built: Home) -> None:
    code = (
        "import sys, time; started = time.perf_counter()\n"
        "sys.argv = ['biopharma', 'query', 'select count(*) from mart_rnd_level']\n"
        "from orchestration import cli\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'dagster', 'dbt', 'great_expectations', 'polars', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    started = time.perf_counter()
    python(code, built.settings)
    assert time.perf_counter() - started < 5


def test_status_shows_sources_and_quality(built: Home, biopharma: Command) -> None:
    called = biopharma(built.settings, "status")
    assert called.code == 0
    assert "Release 0001 (current)" in called.out
    for code in discover():
        assert code in called.out
    checks = built.report.checks
    passed = sum(counts.passed for counts in checks.values())
    warned = sum(counts.warned for counts in checks.values())
    assert f"Expectations: {passed:,} passed, {warned:,} warned, 0 failed" in called.out


def test_unchanged_run_prints_the_statements_from_the_warehouse(built: Home, biopharma: Command) -> None:
    called = biopharma(built.settings, "run", "--plain")
    assert called.code == 0
    assert "nothing changed since release 0001" in called.out
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        verdicts = connection.execute("select verdict from mart_policy_claim_check").fetchall()
    for (verdict,) in verdicts:
        assert verdict in called.out
    assert str(reader.current_dir(built.settings) / "warehouse.duckdb") in called.out.replace("\n", "")
    assert " ui   (make ui)" in called.out


def test_commands_without_release_say_how_to_make_one(settings: Settings, biopharma: Command) -> None:
    for arguments in (["query", "select 1"], ["status"]):
        called = biopharma(settings, *arguments)
        assert called.code == 1
        assert "biopharma run" in called.err


def test_sources_lists_every_source(settings: Settings, biopharma: Command) -> None:
    called = biopharma(settings, "sources")
    assert all(code in called.out for code in discover())


def test_parse_writes_canonical_rows(settings: Settings, biopharma: Command, tmp_path: Path) -> None:
    source = discover()["policy_claims"]
    target = tmp_path / "out" / "claims.parquet"
    called = biopharma(settings, "parse", source.code, str(source.edition_dir / "claim.csv"), "--to", str(target))
    assert called.code == 0, called.err
    frame = pl.read_parquet(target)
    assert frame.schema == lake.contract("claim").schema
    assert frame.height == pl.read_csv(source.edition_dir / "claim.csv").height
    assert f"{frame.height:,} rows of claim" in called.out
    assert not settings.home.exists()


def test_parse_writes_one_file_per_table(settings: Settings, biopharma: Command, tmp_path: Path) -> None:
    folder = discover()["cdmo_facts"].edition_dir
    files = sorted(folder.glob("*.csv"))
    assert len(files) > 1
    target = tmp_path / "facts.parquet"
    called = biopharma(settings, "parse", "cdmo_facts", *map(str, files), "--to", str(target))
    assert called.code == 0, called.err
    assert {path.name for path in tmp_path.glob("*.parquet")} == {f"facts.{file.stem}.parquet" for file in files}


@pytest.mark.parametrize("command", ["parse", "load"])
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.xlsx", b"", "empty"),
        ("page.xlsx", b"<!DOCTYPE html><html><body>404</body></html>" * 500, "HTML"),
        ("cut.xlsx", b"PK\x03\x04" + b"\0" * 50_000, "cut off or damaged"),
    ],
)
def test_bad_file_is_named_quarantined_and_harmless(
    built: Home,
    copied: Settings,
    biopharma: Command,
    tmp_path: Path,
    command: str,
    name: str,
    content: bytes,
    words: str,
) -> None:
    patterns = [gate.pattern for gate in discover()["mhlw_ndb"].spec.default_files if gate.content == "xlsx"]
    file = tmp_path / patterns[0].replace("*", "2019").replace("?", "1")
    file.write_bytes(content)
    target = tmp_path / "out.parquet"
    arguments = ["--to", str(target)] if command == "parse" else []
    called = biopharma(copied, command, "mhlw_ndb", str(file), *arguments)
    assert called.code == 1
    assert file.name in called.err
    assert words in called.err or "fewer than" in called.err
    assert "again" in called.err
    assert "Traceback" not in called.err
    assert not target.exists()
    reasons = list(copied.quarantine.glob("mhlw_ndb/*/reason.json"))
    assert len(reasons) == (1 if command == "load" else 0)
    assert reader.current_dir(copied).name == "0001"
    editions = sorted(p.name for p in (copied.lake / "_editions" / "mhlw_ndb").iterdir())
    assert editions == sorted(p.name for p in (built.settings.lake / "_editions" / "mhlw_ndb").iterdir())


@pytest.mark.parametrize(
    ("source", "table", "column", "value", "reason"),
    [
        ("cdmo_facts", "company_fact", "hq_iso3", "QQQ", "hq_iso3 is not a country"),
        ("cdmo_facts", "deal", "capacity_litres", "-5", "capacity_litres is below 0"),
        ("policy_claims", "claim", "unit", "per cent", "unit is not one of its allowed values"),
    ],
)
def test_bad_row_is_put_aside_with_its_reason(
    settings: Settings,
    biopharma: Command,
    tmp_path: Path,
    source: str,
    table: str,
    column: str,
    value: str,
    reason: str,
) -> None:
    rows = pl.read_csv(discover()[source].edition_dir / f"{table}.csv", infer_schema=False)
    bad = rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 2).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )
    file = tmp_path / f"{table}.csv"
    bad.write_csv(file)
    target = tmp_path / "out.parquet"
    called = biopharma(settings, "parse", source, str(file), "--to", str(target))
    assert called.code == 0, called.err
    assert "1 row could not be taken" in called.out
    (rejected,) = pl.read_parquet(tmp_path / "out.rejected.parquet").iter_rows(named=True)
    assert reason in rejected["reason"]
    assert rejected["locator"] == rows["locator"][2]
    assert pl.read_parquet(target).height == rows.height - 1
    loaded = biopharma(settings, "load", source, str(file))
    assert "1 in quarantine" in loaded.out


def test_repeated_key_puts_both_rows_aside(settings: Settings, biopharma: Command, tmp_path: Path) -> None:
    rows = pl.read_csv(discover()["policy_claims"].edition_dir / "claim.csv", infer_schema=False)
    file = tmp_path / "claim.csv"
    other = rows.head(1).with_columns(pl.lit("Another wording.").alias("statement_en"))
    pl.concat([rows, other]).write_csv(file)
    called = biopharma(settings, "parse", "policy_claims", str(file), "--to", str(tmp_path / "out.parquet"))
    assert "2 rows could not be taken" in called.out
    reasons = pl.read_parquet(tmp_path / "out.rejected.parquet")["reason"]
    assert all("same key (claim_id)" in reason for reason in reasons)


def test_renamed_column_is_named(settings: Settings, biopharma: Command, tmp_path: Path) -> None:
    rows = pl.read_csv(discover()["policy_claims"].edition_dir / "claim.csv", infer_schema=False)
    file = tmp_path / "claim.csv"
    rows.rename({"claimant": "who_says_it"}).write_csv(file)
    called = biopharma(settings, "parse", "policy_claims", str(file), "--to", str(tmp_path / "out.parquet"))
    assert called.code == 1
    assert "claimant" in called.err
    assert "who_says_it" in called.err
    assert list(tmp_path.glob("*.parquet")) == []


def test_unknown_source_suggests_the_near_one(settings: Settings, biopharma: Command, tmp_path: Path) -> None:
    called = biopharma(settings, "parse", "mhlw_ndp", str(tmp_path / "x"), "--to", str(tmp_path / "y.parquet"))
    assert called.code == 1
    assert "mhlw_ndb" in called.err


def test_loaded_file_becomes_part_of_the_next_build(copied: Settings, biopharma: Command) -> None:
    from orchestration import pipeline

    source = discover()["policy_claims"]
    before = pipeline.unchanged(copied)
    called = biopharma(copied, "load", source.code, str(source.edition_dir / "claim.csv"))
    assert called.code == 0, called.err
    assert "Build on it" in called.out
    assert before is not None
    assert pipeline.unchanged(copied) is None
    live = [e for e in pipeline.load_source(copied, source.code) if not e.is_bundled]
    assert [e.source_code for e in live] == [source.code]


def test_defect_is_one_line_unless_asked_for(
    settings: Settings, biopharma: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("ingest.inventory.inventory", broken)
    called = biopharma(settings, "sources")
    assert called.code == 1
    assert "ZeroDivisionError" in called.err
    assert "BIOPHARMA_DEBUG=1" in called.err
    assert "Traceback" not in called.err


def test_version(settings: Settings, biopharma: Command) -> None:
    assert biopharma(settings, "version").out.strip()[0].isdigit()


def test_every_command_has_its_place_and_an_example_that_it_takes() -> None:
    import shlex

    import typer.main

    from orchestration import cli

    placed = [name for commands in cli._MENU.values() for name in commands]
    group = typer.main.get_group(cli.app)
    listed = list(group.commands)
    assert sorted(listed) == sorted(placed)
    assert [name for name in listed if name in placed and name not in {"source", "edition"}] == [
        name for name in placed if name not in {"source", "edition"}
    ]
    for head, commands in cli._MENU.items():
        for name, example in commands.items():
            command = group.commands[name]
            assert getattr(command, "rich_help_panel", None) == head
            words = shlex.split(example)
            assert words[:2] == ["biopharma", name]
            if name in {"source", "edition"}:
                (command,) = [c for key, c in command.commands.items() if key == words[2]]  # type: ignore[attr-defined]
                assert command.epilog == f"Example: {example}"
            else:
                assert command.epilog == f"Example: {example}"
            known = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known, example


def test_help_reads_like_a_menu(settings: Settings, biopharma: Command) -> None:
    shown = biopharma(settings, "--help").out
    heads = [head for head in ("Run", "Ask", "Sources", "Releases", "Operate") if f"─ {head} ─" in shown]
    assert heads == ["Run", "Ask", "Sources", "Releases", "Operate"]
    assert "Begin with: biopharma run." in shown
    assert "Example: biopharma diff 0001 0002" in biopharma(settings, "diff", "--help").out


def test_a_mistyped_command_is_guessed(settings: Settings, biopharma: Command) -> None:
    called = biopharma(settings, "qurey")
    assert called.code == 2
    assert "query" in called.err


def test_the_quarantine_of_an_unknown_source_is_a_mistake(built: Home, biopharma: Command) -> None:
    called = biopharma(built.settings, "quarantine", "ecb_fxx")
    assert called.code == 1
    assert "Did you mean ecb_fx?" in called.err
