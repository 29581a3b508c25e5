"""Figures of every mart are walked back to facts, and made again from these facts and nothing else."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.archive import Archive
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import lineage, model_page, pipeline, reader
from orchestration.errors import ExplainError
from orchestration.explain import Workbench, explain, open_workbench, recompute
from orchestration.explain.plan import Role
from tests.built import Home
from tests.orchestration.conftest import Outcome

MARTS = sorted(path.stem for path in (PROJECT_ROOT / "dbt_project" / "models" / "marts").rglob("*.sql"))
DOCUMENT = PROJECT_ROOT / "docs" / "explain.md"
# More figures of each mart, and others: BIOPHARMA_EXPLAIN_FIGURES=20 BIOPHARMA_EXPLAIN_SEED=7.
FIGURES = int(os.environ.get("BIOPHARMA_EXPLAIN_FIGURES", "1"))
ANBERD_2019 = (
    "country_iso3 = 'JPN' and year = 2019 and series_source = 'oecd_anberd' and basis = 'international_statistics'"
)
SEED = int(os.environ.get("BIOPHARMA_EXPLAIN_SEED", "2026"))


@pytest.fixture(scope="module")
def bench(built: Home) -> Iterator[Workbench]:
    with open_workbench(reader.current_dir(built.settings), built.settings) as opened:
        yield opened


def ask(built: Home, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with reader.open_release(reader.current_dir(built.settings)) as connection:
        return connection.execute(sql, parameters or []).fetchall()


def sample(built: Home, bench: Workbench, mart: str) -> list[tuple[str, dict[str, Any], Any]]:
    """Figures drawn from all columns of a mart that hold any: column, key of the row, value."""
    grain = bench.models[f"marts.{mart}"].grain
    keys = ", ".join(f'"{name}"' for name in grain)
    # The same figures in every run of the suite, so that a red test can be looked at.
    draw = random.Random(f"{SEED} {mart}")
    counts = ask(built, f"select {', '.join(f'count({c})' for c in bench.columns(mart))} from {mart}")
    held = [(column, n) for column, n in zip(bench.columns(mart), counts[0], strict=True) if n]
    drawn = []
    for column, count in draw.choices(held, k=FIGURES):
        [row] = ask(
            built,
            f'select {keys}, "{column}" from {mart} where "{column}" is not null '
            f"order by all limit 1 offset {draw.randrange(count)}",
        )
        drawn.append((column, dict(zip(grain, row[:-1], strict=True)), row[-1]))
    return drawn


def test_the_release_has_these_marts(bench: Workbench) -> None:
    assert bench.marts() == MARTS


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_can_be_explained_without_a_rule_of_its_own(mart: str, built: Home, bench: Workbench) -> None:
    lineage = dict(
        ask(
            built,
            "select column_name, value_columns || condition_columns || formula from catalog.lineage "
            "where relation_name = ?",
            [f"marts.{mart}"],
        )
    )
    assert bench.models[f"marts.{mart}"].grain, (
        f"{mart} has no test unique_combination in its yml: add one with the columns that tell its rows apart, "
        "so that a figure can be named"
    )
    assert set(lineage) == set(bench.columns(mart)), (
        f"catalog.lineage does not know every column of {mart}: write the model in SELECTs over named parts (CTEs)"
    )


@pytest.mark.parametrize("mart", MARTS)
def test_drawn_figures_are_made_again_from_their_facts_alone(mart: str, built: Home, bench: Workbench) -> None:
    for column, key, published in sample(built, bench, mart):
        chain = bench.trace(mart, key, column)
        made = bench.recompute(mart, key, column, chain)
        assert len(made) == 1, (mart, column, key, made)
        assert recompute.is_same(published, made[0]), (mart, column, key, published, made)


@pytest.mark.parametrize(
    ("mart", "column", "where"),
    [
        ("mart_rnd_level", "rnd_usd_ppp_2015", "country_iso3 = 'JPN' and year = 2019 and is_headline_series"),
        (
            "mart_market_biologic_share",
            "share_sales",
            "scope_id = 'ndb_injection' and fiscal_year = 2019 and ruleset_id = 'narrow' and modality = 'all'",
        ),
        ("mart_cdmo_landscape", "revenue_jpy", "company_name = 'Lonza' and is_in_listed_set and year = 2024"),
    ],
)
def test_without_its_largest_fact_a_figure_is_another(mart: str, column: str, where: str, bench: Workbench) -> None:
    key, published = bench.find(mart, column, where)
    chain = bench.trace(mart, key, column)
    relation, rows = next(
        (name, rows) for name, rows in chain.rows.items() if name.startswith("staging.") and "rate" not in name
    )
    found = bench.explain(mart, column, where, limit=1)
    largest = next(fact for fact in found.facts if fact.role == "value")
    assert found.is_reproduced
    order = [row for row, role in rows.items() if role is Role.VALUE]
    figures = []
    for gone in order[:3] if len(order) < 10 else order[:1]:
        without = {name: dict(kept) for name, kept in chain.rows.items()}
        del without[relation][gone]
        chain_without = type(chain)(chain.steps, without, chain.columns)
        figures.append(bench.recompute(mart, key, column, chain_without))
    assert largest.value is not None
    assert all(made != [published] for made in figures)


def test_a_chain_holds_no_more_than_it_needs(bench: Workbench) -> None:
    share = bench.explain("mart_rnd_level", "rnd_usd_ppp", ANBERD_2019)
    assert share.fact_counts == {
        "facts.rnd_observation": {"value": 1, "condition": 0},
        "facts.reference_rate": {"value": 1, "condition": 0},
    }, "a row that lists parity and survey beside the figure does not follow from them"
    [fact] = share.facts
    assert fact.value == share.value
    assert (fact.status, fact.source_code, fact.locator[:13]) == ("reported", "oecd_anberd", "observations[")
    assert "not in the archive" in (fact.cell_note or "not in the archive")
    rank = bench.explain("mart_rnd_level", "rank_among_reported", ANBERD_2019)
    assert rank.value > 1
    assert rank.fact_counts["facts.rnd_observation"] == {"value": 0, "condition": rank.value}, "and from who is ahead"


def test_simulations_name_their_seed_and_inputs(bench: Workbench) -> None:
    found = bench.explain("mart_composite_uncertainty", "rank_q95", "country_iso3 = 'JPN'", verify=False)
    assert any(name.endswith("composite_seed") and value == 20231 for name, value in found.seeds.items())
    assert "intermediate.int_composite_input" in [step.relation for step in found.steps]
    assert sum(sum(counts.values()) for counts in found.fact_counts.values()) > 1000


def test_statements_lead_through_other_marts(bench: Workbench) -> None:
    found = bench.explain(
        "mart_policy_claim_check", "evidence_low", "claim_id = 'meti_2021_rnd_japan_sluggish'", verify=False
    )
    assert "marts.mart_rnd_growth" in [step.relation for step in found.steps]
    assert (
        found.fact_counts["facts.rnd_observation"]["value"] + found.fact_counts["facts.rnd_observation"]["condition"]
    )


@pytest.mark.parametrize(
    ("mart", "column", "where", "problem", "remedy"),
    [
        ("mart_nowhere", "year", None, "no mart mart_nowhere", "mart_rnd_level"),
        ("mart_rnd_level", "nothing", None, "no column nothing", "rnd_usd_ppp"),
        ("mart_rnd_level", "rnd_lcu", "year = 1066", "no row", "from mart_rnd_level"),
        (
            "mart_rnd_level",
            "rnd_lcu",
            "year = 2019",
            "rows of mart_rnd_level have year = 2019",
            'the first: --where "',
        ),
        ("mart_rnd_level", "rnd_lcu", None, "rows; they differ in country_iso3, year", 'the first: --where "'),
        ("mart_rnd_level", "rnd_lcu", "yeer = 2019", "cannot be evaluated", "country_iso3"),
        ("mart_rnd_level", "rnd_lcu", "year = 2019; drop table x", "no expression", "as after WHERE"),
        ("mart_rnd_level", "rnd_lcu", "year in (select", "no expression", "as after WHERE"),
        (
            "mart_rnd_level",
            "rnd_lcu",
            "exists (select * from read_csv('/etc/passwd'))",
            "cannot be evaluated",
            "country_iso3",
        ),
    ],
)
def test_what_cannot_be_explained_is_said(
    mart: str, column: str, where: str | None, problem: str, remedy: str, bench: Workbench
) -> None:
    with pytest.raises(ExplainError) as error:
        bench.explain(mart, column, where)
    assert problem in error.value.text
    assert remedy in error.value.remedy


def test_the_first_of_several_rows_can_be_pasted(bench: Workbench) -> None:
    with pytest.raises(ExplainError) as error:
        bench.find("mart_market_biologic_share", "sales_jpy", "fiscal_year = 2019")
    where = re.search(r'--where "(.+)"', error.value.remedy)
    assert where is not None
    key, _ = bench.find("mart_market_biologic_share", "sales_jpy", where[1])
    assert key["fiscal_year"] == 2019


def test_the_command_prints_the_chain(built: Home, biopharma: Callable[..., Outcome]) -> None:
    where = "year = 2015 and basis = 'opir_2015_study' and measure = 'weight' and modality = 'all'"
    arguments = ("explain", "mart_overseas_manufacturing_share", "--column", "share_overseas_low", "--where", where)
    shown = biopharma(built.settings, *arguments)
    assert shown.code == 0, shown.err
    text = " ".join(shown.out.split())
    for part in (
        "Made again from the 3 facts of this chain and nothing else: the same.",
        "Definitions",
        "intermediate.int_study_overseas_share",
        "divided by",
        "facts.claim",
        "transcribed",
        "typed by hand from the document",
        "http",
    ):
        assert part in text, part
    made = json.loads(biopharma(built.settings, *arguments, "--json").out)
    assert made["is_reproduced"] is True
    assert {fact["source_code"] for fact in made["facts"]} == {"policy_claims"}
    assert all(source["licence_name"] for source in made["sources"])
    wrong = biopharma(built.settings, "explain", "mart_nowhere", "--column", "x")
    assert wrong.code == 1
    assert "there is no mart mart_nowhere" in wrong.err


def test_the_macro_follows_a_column_to_the_facts(built: Home) -> None:
    rows = ask(built, "select relation_name, column_name, formula from explain('mart_rnd_level', 'rnd_usd_ppp_2015')")
    assert rows[0][:2] == ("marts.mart_rnd_level", "rnd_usd_ppp_2015")
    assert {("facts.rnd_observation", "value"), ("facts.reference_rate", "value")} <= {row[:2] for row in rows}
    assert any("divided by deflator_index" in (row[2] or "") for row in rows)
    assert ask(built, "from explain('mart_rnd_level', 'no_such_column')")[0][3] is None


def test_pages_of_marts_have_a_command_that_works(built: Home, bench: Workbench) -> None:
    code = pipeline.checks_file(built.settings, "code")
    followed = lineage.of_build(built.settings, code)
    pages = model_page.of_marts(built.settings, code, followed)
    assert sorted(pages) == MARTS
    command = re.search(r"^    biopharma (.+)$", pages["mart_rnd_growth"], re.MULTILINE)
    assert command is not None
    _, mart, _, column, _, where = shlex.split(command[1])
    assert bench.find(mart, column, where)[0]
    assert "real_last divided by real_first" in pages["mart_rnd_growth"]
    assert model_page.of_marts(built.settings, Path("nowhere.parquet"), followed) == {}


def test_lineage_is_small(built: Home) -> None:
    """What releases carry for it is text: models, and one row per column."""
    [(size,)] = ask(
        built,
        "select (select sum(length(code) + length(column_descriptions)) from catalog.models) + "
        "(select sum(length(formula) + length(value_columns) + length(condition_columns)) from catalog.lineage)",
    )
    assert size < (reader.current_dir(built.settings) / reader.DATABASE).stat().st_size / 10


def test_a_release_without_models_is_refused(built: Home, tmp_path: Path) -> None:
    import duckdb

    (tmp_path / "0001").mkdir()
    duckdb.connect(str(tmp_path / "0001" / reader.DATABASE)).execute("create schema catalog")
    with pytest.raises(ExplainError, match="does not carry its models"), open_workbench(tmp_path / "0001"):
        pass


def test_another_function_than_the_release_has_is_not_run(bench: Workbench, tmp_path: Path) -> None:
    run = recompute.python_runner(tmp_path)
    (tmp_path / "int_composite_treatment.py").write_text("def model(dbt, session): raise SystemExit")
    with pytest.raises(ExplainError, match="is not the one that made the release"):
        run(bench.models["intermediate.int_composite_treatment"], pytest.fail)


@pytest.mark.parametrize(
    ("mart", "column", "where", "unit"),
    [
        # The dictionary names the column `unit`, which says `currency`, and that column says which.
        ("mart_policy_claim_check", "evidence_low", "claim_id = 'meti_2021_cdmo_market_size'", "JPY"),
        ("mart_policy_claim_check", "evidence_low", "claim_id = 'meti_2021_top100_biologics'", "count"),
        # A unit is no column because a column has its name: the row's year is not the unit of another year.
        ("mart_rnd_level", "last_data_year", ANBERD_2019, "year"),
    ],
)
def test_the_unit_is_that_of_the_row(bench: Workbench, mart: str, column: str, where: str, unit: str) -> None:
    assert bench.explain(mart, column, where, verify=False).unit == unit


def test_walked_figures_of_the_document(built: Home, bench: Workbench) -> None:
    """Every command of docs/explain.md gives the figure and the count of facts that are printed below it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    walked = re.findall(r"^\$ biopharma (explain mart_.+)$\n((?:.+\n)+)", text, re.MULTILINE)
    on_bundled = [(command, printed) for command, printed in walked if "live edition" not in printed]
    assert len(on_bundled) >= 10
    for command, printed in on_bundled:
        _, mart, _, column, _, where = shlex.split(command)
        found = bench.explain(mart, column, where, verify=False)
        total = sum(sum(counts.values()) for counts in found.fact_counts.values())
        assert f"{total:,} fact" in printed, (command, total)
        value = printed.split()[0].replace(",", "")
        assert float(value) == pytest.approx(float(found.value), rel=5e-4), (command, found.value)


def test_bundled_rows_say_that_there_is_no_file(built: Home) -> None:
    found = explain(
        built.settings,
        "mart_rnd_level",
        "rnd_usd_ppp",
        ANBERD_2019,
    )
    assert found.is_reproduced
    assert all("bundled edition" in (fact.cell_note or "") for fact in found.facts)


def test_cells_of_a_loaded_file_are_read_back(
    built: Home, bench: Workbench, shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    """A file that is in the archive gives the text of the cell that the fact names, its hash checked."""
    from dataclasses import replace

    from ingest.source import get

    file = shared_data("oecd/anberd_c21_usdppp_2000_2023.sdmxjson1.json")
    settings = Settings(home=tmp_path / "home")
    archive = Archive(settings.archive)
    put, _ = archive.put(get("oecd_anberd"), file)
    found = bench.explain("mart_rnd_level", "rnd_usd_ppp", ANBERD_2019, archive=archive, verify=False)
    [fact] = found.facts
    assert fact.file_sha256 == put.sha256, "the bundled edition was compiled from this very file"
    [cell] = fact.cells
    assert str(int(fact.value)) in cell.text
    put.path.chmod(0o644)
    put.path.write_bytes(file.read_bytes() + b" ")
    found = bench.explain("mart_rnd_level", "rnd_usd_ppp", ANBERD_2019, archive=archive, verify=False)
    assert found.facts[0].cells == ()
    assert "no longer have the hash" in str(replace(found.facts[0]).cell_note)
