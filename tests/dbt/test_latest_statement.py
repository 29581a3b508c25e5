"""Staging takes each company's year from the last partition that states it, and no year twice."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import jinja2
import pytest

from ingest import load, workfile
from ingest.settings import PROJECT_ROOT, Settings
from tests.sources import rnd
from tests.sources.sec import archive, fact, filing

STAGING = PROJECT_ROOT / "dbt_project" / "models" / "staging"
MACROS = (PROJECT_ROOT / "dbt_project" / "macros" / "latest_edition.sql").read_text(encoding="utf-8")


def compiled(model: str) -> str:
    """The SQL of a staging model, with dbt's `source` bound to the work file."""
    text = MACROS + (STAGING / f"{model}.sql").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=False).from_string(text)
    return template.render(source=lambda schema, table: f"{schema}.{table}")


@pytest.fixture
def work_file(settings: Settings, tmp_path: Path) -> Path:
    """Three quarters: two annual reports of one company with the years before, and another company's report."""
    other = filing(adsh="0000000001-26-000001", cik="1", name="OTHER")
    old = filing(adsh="0000059478-25-000067", period="20241231", fy="2024", filed="20250219", name="LILLY ELI & CO")
    spending = "ResearchAndDevelopmentExpense"
    quarters = {
        "2025q1": (
            [
                fact(45_042.7e6, adsh=old["adsh"], ddate="20241231"),
                fact(34_124.1e6, adsh=old["adsh"], ddate="20231231"),
                fact(3e9, "ProductOrService=Trulicity;", adsh=old["adsh"], ddate="20241231"),
                fact(2e9, "ProductOrService=Humalog;", adsh=old["adsh"], ddate="20241231"),
                fact(10_990.6e6, tag=spending, adsh=old["adsh"], ddate="20241231"),
            ],
            [old],
        ),
        "2026q1": (
            [
                fact(65_179e6),
                fact(45_043e6, ddate="20241231"),
                fact(3.1e9, "ProductOrService=TRULICITY;", ddate="20241231"),
                fact(10_991e6, tag=spending, ddate="20241231"),
                fact(5e9, adsh=other["adsh"]),
            ],
            [filing(), other],
        ),
    }
    for name, (facts, filings) in quarters.items():
        path = archive(tmp_path / f"{name}.zip", facts, filings, written=date(2026, 5, 1))
        load.load_files(settings, rnd.source_of("sec_fsds"), [path])
    for code in ("mic_rnd_survey", "worldbank_wdi"):
        load.load_bundled(settings, rnd.source_of(code))
    return workfile.prepare(settings)


def test_a_year_is_taken_from_the_last_report_that_states_it(work_file: Path) -> None:
    with duckdb.connect(str(work_file), read_only=True) as connection:
        staged = compiled("stg_sales_observation")
        rows = connection.execute(
            f"select seller_code, year(period_end), product_name, value / 1e6 from ({staged}) order by all"
        ).fetchall()
    assert rows == [
        ("0000000001", 2025, "All products", 5_000),
        # Stated for the last time in the older report.
        ("0000059478", 2023, "All products", 34_124.1),
        # The later report as a whole, also where it names a product otherwise or no longer.
        ("0000059478", 2024, "All products", 45_043),
        ("0000059478", 2024, "TRULICITY", 3_100),
        ("0000059478", 2025, "All products", 65_179),
    ]


def test_spending_of_companies_likewise_and_of_countries_untouched(work_file: Path) -> None:
    with duckdb.connect(str(work_file), read_only=True) as connection:
        staged = compiled("stg_rnd_observation")
        filers = connection.execute(
            f"select year(period_end), value / 1e6 from ({staged}) where lens = 'filer'"
        ).fetchall()
        others = connection.execute(
            f"select count(*) from ({staged}) where lens <> 'filer' union all "
            "select sum(row_count) from lake.edition where source_code in ('mic_rnd_survey', 'worldbank_wdi') "
            "and table_name = 'rnd_observation' and is_latest"
        ).fetchall()
        superseded = connection.execute(
            "select count(*) from lake.edition where table_name = 'rnd_observation' and not is_latest"
        ).fetchall()
    assert filers == [(2024, 10_991.0)]
    assert others[0] == others[1] and others[0][0] > 0
    # The bank's edition of 2021 is in the lake too, and staging leaves it out.
    assert superseded[0][0] > 0
