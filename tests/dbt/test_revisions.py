"""What publishers changed between editions, on the real cases of the bundled edition."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import duckdb
import jinja2
import pytest

from ingest import lake
from ingest.settings import PROJECT_ROOT
from tests.dbt.conftest import Build

REVISIONS = "marts.mart_revisions"


def revision(build: Build, condition: str) -> dict[str, Any]:
    return build.row(f"select * from {REVISIONS} where {condition}")


def test_japan_2018_was_rebased_by_the_parity_and_the_yen_stand(build: Build) -> None:
    row = revision(build, "source_code = 'oecd_anberd' and entity_code = 'JPN' and year = 2018")
    assert (row["first_value"], round(row["last_value"] / 1e6)) == (13_545e6, 13_486)
    assert row["revision_kind"] == "rebased_by_ppp"
    assert row["difference_share"] == pytest.approx(-0.00437, abs=1e-5)
    assert (row["first_known_on"], row["changed_on"]) == (date(2021, 12, 22), date(2026, 6, 6))
    assert row["is_first_quoted"]
    assert row["source_codes"] == "ncses_berd,oecd_anberd"
    # Figures whose national original is not at hand are not said to be rebased.
    kinds = build.rows(
        f"select entity_code, revision_kind as kind from {REVISIONS} where source_code = 'oecd_anberd'"
    )
    others = {found["entity_code"]: found["kind"] for found in kinds}
    assert others == {**dict.fromkeys(("CHN", "DEU", "FRA", "KOR", "USA"), "revised"), "JPN": "rebased_by_ppp"}
    # Of the United Kingdom the quotation says what the OECD's table no longer does, which is no revision.
    statements = build.rows(
        "select activity_code, value, is_quotation from quality.figure_statement where source_code = 'oecd_anberd' "
        "and entity_code = 'GBR' and year(period_start) = 2018 order by activity_code"
    )
    assert [tuple(row.values()) for row in statements] == [("C21", 658e6, True), ("_T", 36_644e6, True)]


@pytest.mark.parametrize(("later", "changes"), [(658_499_999, 0), (657_500_001, 0), (658_500_001, 1)])
def test_a_difference_below_the_precision_of_a_quotation_is_none(build: Build, later: int, changes: int) -> None:
    model = PROJECT_ROOT / "dbt_project" / "models" / "intermediate" / "revisions" / "int_figure_change.sql"
    template = jinja2.Environment(autoescape=False).from_string(model.read_text(encoding="utf-8"))
    with duckdb.connect() as connection:
        connection.execute(f"attach '{build.work_file}' as built (read_only)")
        connection.execute(
            "create table figure_statement as from built.quality.figure_statement "
            "where source_code = 'oecd_anberd' and entity_code = 'GBR' and activity_code = 'C21' and is_quotation"
        )
        connection.execute(
            "insert into figure_statement select * replace ("
            f"{later} as value, date '2026-06-06' as known_on, false as is_quotation, 0 as rounded_to) "
            "from figure_statement"
        )
        found = connection.execute(f"select n_statements, n_changes from ({template.render(ref=str)})").fetchall()
    assert found == ([(2, changes)] if changes else [])


def test_a_company_that_parted_with_a_business_restated_its_sales(build: Build) -> None:
    row = revision(
        build,
        "source_code = 'sec_companyfacts' and entity_name = 'Johnson & Johnson' and year = 2021 "
        "and measure = 'sales_value'",
    )
    assert (row["first_value"], row["last_value"]) == (93_775e6, 78_740e6)
    assert (row["revision_kind"], row["changed_on"]) == ("restated", date(2024, 2, 16))
    assert (row["n_statements"], row["n_changes"]) == (5, 1)


def test_a_figure_in_whole_millions_is_rounded_and_not_restated(build: Build) -> None:
    row = revision(
        build,
        "source_code = 'sec_companyfacts' and entity_code = '0000059478' and year = 2023 and measure = 'sales_value'",
    )
    assert (row["revision_kind"], row["difference"]) == ("rounded", -100_000)


def test_the_world_banks_shares_of_2021_and_2026(build: Build) -> None:
    row = revision(build, "source_code = 'worldbank_wdi' and entity_code = 'JPN' and year = 2018")
    assert (row["first_value"], row["last_value"]) == (0.0326451, 0.032192)
    assert (row["first_known_on"], row["last_known_on"]) == (date(2021, 9, 15), date(2026, 7, 13))
    assert row["revision_kind"] == "revised"
    appeared = build.rows(
        f"select distinct entity_code from {REVISIONS} "
        "where revision_kind = 'appeared' and source_code = 'worldbank_wdi'"
    )
    assert {found["entity_code"] for found in appeared} == {"CHL", "DNK", "IRL", "OED", "SGP", "TUR"}
    # Years that the first edition could not know are no revision.
    assert build.row(f"select max(year) as year from {REVISIONS} where source_code = 'worldbank_wdi'")["year"] == 2018


def test_figures_are_compared_by_the_keys_of_the_contracts() -> None:
    model = PROJECT_ROOT / "dbt_project" / "models" / "quality" / "figure_statement.sql"
    calls = re.findall(r"figure_statements\(\s*'(\w+)',\s*\[([^\]]*)\]", model.read_text(encoding="utf-8"))
    assert len(calls) == 5
    for table, key in calls:
        assert tuple(re.findall(r"'(\w+)'", key)) == lake.contract(table).key
