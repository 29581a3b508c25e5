"""Grams of active substance, what to look up next, regenerative products, policy events and white biotechnology."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dbt.conftest import Build

# Strengths ---------------------------------------------------------------------------------------------------------

UNITS = {"mg": 1e-3, "μg": 1e-6, "g": 1.0}
CONTAINERS = ["瓶", "筒", "管", "キット", "カセット"]
NOT_A_MASS = ["単位", "国際単位", "万国際単位", "低分子ヘパリン国際単位", "KE", "JAU", "倍"]


@pytest.fixture(scope="module")
def strength(build: Build) -> Callable[[list[str]], dict[str, tuple[float | None, str | None]]]:
    """The compiled model over any strengths: grams and reason by strength."""
    compiled = (
        build.work_file.parent / "dbt/target/compiled/biopharma/models/intermediate/manufacturing/int_strength.sql"
    )
    model = compiled.read_text(encoding="utf-8")
    relation = '"warehouse"."staging"."stg_product_identity"'
    assert model.count(relation) == 1
    connection = duckdb.connect()
    connection.execute("create table given_strength (list_name varchar, strength_text varchar)")
    query = model.replace(relation, "given_strength")

    def run(texts: list[str]) -> dict[str, tuple[float | None, str | None]]:
        connection.execute("delete from given_strength")
        connection.executemany("insert into given_strength values ('nhi_price_list', ?)", [[text] for text in texts])
        return {text: (grams, reason) for text, grams, reason in connection.execute(query).fetchall()}

    return run


def test_every_strength_of_the_bundled_lists_is_a_mass_or_says_why_not(build: Build) -> None:
    rows = build.rows("select reason_code, count(*) as n from intermediate.int_strength group by all")
    assert {row["reason_code"]: row["n"] for row in rows} == {
        None: 459,
        "activity_units": 236,
        "volume_only": 40,
        "blood_volume": 11,
        "no_strength_stated": 10,
        "several_components": 4,
        "area": 4,
        "radioactivity": 3,
        "mass_of_preparation": 2,
        "not_understood": 1,
    }
    wrong = build.rows(
        "select * from intermediate.int_strength where (grams_per_unit is null) <> (reason_code is not null)"
    )
    assert wrong == []


def test_the_list_and_the_name_of_a_product_state_the_same_mass(build: Build) -> None:
    """The claims statistics repeat most strengths in the product's name: a second reading of the figure."""
    rows = build.rows(
        "select product_code, grams_per_unit, grams_in_name from intermediate.int_product_strength "
        "where strength_basis = 'price_list' and grams_per_unit is not null and grams_in_name is not null"
    )
    assert len(rows) > 400
    differing = {
        row["product_code"] for row in rows if row["grams_per_unit"] != pytest.approx(row["grams_in_name"], rel=1e-9)
    }
    assert differing == {"2439400G1020"}  # Forteo: the name ends with the dose of 20 μg, the pen holds 600 μg


@settings(max_examples=25, deadline=None)
@given(
    amount=st.integers(1, 99_999),
    decimals=st.integers(0, 2),
    unit=st.sampled_from(sorted(UNITS)),
    volume=st.sampled_from(["", "5mL", "0.5mL", "1,000mL", "90μL"]),
    container=st.sampled_from(CONTAINERS),
    tail=st.sampled_from(["", "(溶解液付)", "(ゴセレリンとして)"]),
)
def test_a_mass_in_a_container(
    strength: Any, amount: int, decimals: int, unit: str, volume: str, container: str, tail: str
) -> None:
    number = f"{amount / 10**decimals:,.{decimals}f}"
    text = f"{number}{unit}{volume}1{container}{tail}"
    grams, reason = strength([text])[text]
    assert reason is None
    assert grams == pytest.approx(float(number.replace(",", "")) * UNITS[unit], rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    percent=st.integers(1, 500),
    volume=st.integers(1, 5000),
    container=st.sampled_from([f"1{name}" for name in CONTAINERS] + ["", "バイアル"]),
)
def test_a_percentage_of_a_volume(strength: Any, percent: int, volume: int, container: str) -> None:
    text = f"{percent / 10}%{volume}mL{container}"
    grams, reason = strength([text])[text]
    assert reason is None
    assert grams == pytest.approx(percent / 10 * volume / 100, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    amount=st.integers(1, 999_999),
    unit=st.sampled_from(NOT_A_MASS),
    volume=st.sampled_from(["", "5mL"]),
    container=st.sampled_from(["瓶", "筒", "管", "キット", "錠"]),
)
def test_activity_is_never_a_mass(strength: Any, amount: int, unit: str, volume: str, container: str) -> None:
    text = f"{amount:,}{unit}{volume}1{container}"
    assert strength([text])[text] == (None, "activity_units")


@settings(max_examples=50, deadline=None)
@given(text=st.text(alphabet="0123456789.,%mgμLA単位瓶筒1()国際 ", min_size=1, max_size=18))
def test_any_other_text_has_grams_or_a_reason_never_both(strength: Any, text: str) -> None:
    grams, reason = strength([text])[text]
    assert (grams is None) == (reason is not None)
    assert grams is None or grams >= 0


# Overseas share by weight ------------------------------------------------------------------------------------------

ANTIBODY_KG = {2014: 776.9, 2016: 1059.4, 2018: 1382.7, 2019: 1758.4}


@pytest.mark.parametrize(("year", "kilograms"), ANTIBODY_KG.items())
def test_kilograms_of_antibodies(build: Build, year: int, kilograms: float) -> None:
    row = build.row(
        "select * from marts.mart_overseas_manufacturing_share "
        "where scope_id = 'ndb_injection' and measure = 'weight' "
        f"and ruleset_id = 'antibodies_only' and modality = 'all' and year = {year}"
    )
    assert row["weight_kg"] == pytest.approx(kilograms, abs=0.05)
    assert row["coverage_strength_share"] == pytest.approx(1)
    assert row["share_overseas_low"] <= row["share_overseas_high"] == 1
    assert row["is_comparable"] == (year != 2014)


def test_the_study_lies_between_the_years_around_it(build: Build) -> None:
    """OPIR counts 1,199 kg in 2015, from sales of the whole market; claims list each class's top products only."""
    study = build.row(
        "select weight_kg from marts.mart_overseas_manufacturing_share where basis = 'opir_2015_study' "
        "and measure = 'weight'"
    )["weight_kg"]
    assert study == 1199
    assert ANTIBODY_KG[2014] < study < ANTIBODY_KG[2018]
    assert ANTIBODY_KG[2016] / study == pytest.approx(0.88, abs=0.01)


def test_weight_stands_only_where_strengths_are_masses(build: Build) -> None:
    rows = build.rows(
        "select modality, share_overseas_low, weight_kg, coverage_strength_share, reason_code, is_comparable "
        "from marts.mart_overseas_manufacturing_share where measure = 'weight' and scope_id = 'ndb_all_routes' "
        "and ruleset_id = 'broad' and basis = 'warehouse_site_evidence'"
    )
    by_kind = {row["modality"]: row for row in rows}
    insulin = by_kind["recombinant_insulin"]
    assert (insulin["weight_kg"], insulin["share_overseas_low"]) == (None, None)
    assert (insulin["reason_code"], insulin["is_comparable"]) == ("strength_is_no_mass", False)
    assert by_kind["monoclonal_antibody"]["reason_code"] is None
    for row in rows:
        assert (row["weight_kg"] is None) == (row["coverage_strength_share"] == 0)


def test_label_strengths_give_grams_per_unit(build: Build) -> None:
    """Known labels: Opdivo 100 mg, Remicade 100 mg, Actemra syringe 162 mg, Lucentis 0.5 mg, Rituxan 500 mg."""
    rows = build.rows("select product_name, grams_per_unit from intermediate.int_product_strength")
    names = {row["product_name"]: row["grams_per_unit"] for row in rows}

    def grams(start: str, *parts: str) -> set[float | None]:
        return {
            value for name, value in names.items() if name.startswith(start) and all(part in name for part in parts)
        }

    assert grams("オプジーボ", "100mg") == {0.1}
    assert grams("レミケード") == {0.1}
    assert grams("アクテムラ皮下注", "162mg") == {0.162}
    assert grams("リツキサン", "500mg") == {0.5}
    assert grams("カドサイラ", "100mg") == {0.1}  # on none of the lists at hand: by its name


def test_what_to_look_up_next(build: Build) -> None:
    rows = build.rows(
        "select * from marts.mart_overseas_lookup_product where fiscal_year = 2019 and scope_id = 'ndb_all_routes' "
        "and is_headline_ruleset order by lookup_rank"
    )
    assert [row["substance_id"] for row in rows[:3]] == ["pembrolizumab", "aflibercept", "somatropin"]
    assert rows[0]["contribution_share"] == pytest.approx(0.0707, abs=1e-4)
    assert rows[0]["holder_names"] == "MSD"
    width = build.row(
        "select share_overseas_high - share_overseas_low as width from marts.mart_overseas_manufacturing_share "
        "where year = 2019 and scope_id = 'ndb_all_routes' and is_headline_ruleset and modality = 'all' "
        "and measure = 'value'"
    )["width"]
    assert rows[-1]["cumulative_contribution_share"] == pytest.approx(width)
    known = [row for row in rows if row["origin"] == "overseas"]
    assert known and all(row["known_sites"] and row["contribution_share"] == 0 for row in known)
    assert {row["evidence_grade"] for row in known} == {"E"}


# Regenerative products ---------------------------------------------------------------------------------------------


def test_approved_by_the_day_of_japans_list(build: Build) -> None:
    rows = build.rows(
        "select agency, n_approved, n_conditional, is_incomplete from marts.mart_regenerative_approval "
        "where product_kind = 'all' and as_of_date = date '2019-03-31'"
    )
    assert {row["agency"]: (row["n_approved"], row["n_conditional"]) for row in rows} == {
        "MHLW": (7, 3),
        "EMA": (13, 2),
        "FDA": (9, None),
    }
    assert not any(row["is_incomplete"] for row in rows)


def test_approvals_after_a_list_are_a_lower_bound(build: Build) -> None:
    rows = build.rows(
        "select agency, n_approved, is_incomplete from marts.mart_regenerative_approval where product_kind = 'all' "
        "and as_of_date = date '2025-07-16'"
    )
    assert {row["agency"]: row["n_approved"] for row in rows} == {"MHLW": 14, "EMA": 26, "FDA": 36}
    assert all(row["is_incomplete"] for row in rows)


def test_products_of_japan_and_the_same_elsewhere(build: Build) -> None:
    row = build.row(
        "select * from marts.mart_regenerative_product where agency = 'MHLW' and product_name = 'キムリア点滴静注'"
    )
    assert (row["approval_kind"], row["product_kind"], row["agencies"]) == ("full", "cell_therapy", "EMA,FDA,MHLW")
    assert (row["approved_us_on"], row["approved_eu_on"]) == (date(2017, 8, 30), date(2018, 8, 23))
    assert row["approved_on"] is None and row["reason_code"] == "list_without_dates"
    assert row["listed_price_jpy"] == pytest.approx(32_647_761, rel=1e-3)
    kinds = build.rows("select distinct product_kind from marts.mart_regenerative_product")
    assert "unclassified" not in {row["product_kind"] for row in kinds}


def test_the_register_is_no_census(build: Build) -> None:
    rows = build.rows("select * from marts.mart_regenerative_cdmo_register")
    makers = {row["company_name"] for row in rows if row["role"] == "makes_for_others" and row["is_in_japan"]}
    assert len(makers) == 3
    assert {row["n_listed_by_meti"] for row in rows} == {26}
    assert {row["coverage_share"] for row in rows} == {3 / 26}
    licensed = {row["company_name"]: row["licence_on"] for row in rows if row["is_licence_stated"]}
    assert licensed["Hitachi Chemical (later Minaris)"] == date(2020, 6, 2)


def test_without_trials_the_stages_say_so(build: Build) -> None:
    rows = build.rows("select * from marts.mart_regenerative_pipeline where stage <> 'approved'")
    assert rows
    assert {(row["n_trials"], row["reason_code"]) for row in rows} == {(None, "no_trials_at_hand")}


# Policy events and white biotechnology -----------------------------------------------------------------------------


def test_subsidy_in_dollars_of_its_fiscal_year(build: Build) -> None:
    row = build.row("select * from marts.mart_policy_timeline where event_id = 'meti_2021_dual_use_budget'")
    assert (row["fiscal_year"], row["fx_period_basis"]) == (2021, "fiscal_year_april")
    assert row["amount_jpy"] == 227.38e9
    assert row["fx_jpy_per_usd"] == pytest.approx(112.38, abs=0.01)
    assert row["amount_usd"] == pytest.approx(2.023e9, rel=1e-3)


def test_a_figure_of_a_calendar_year_takes_its_rate(build: Build) -> None:
    row = build.row("select * from marts.mart_policy_timeline where event_kind = 'statistics_change'")
    assert (row["calendar_year"], row["fx_period_basis"]) == (2019, "calendar_year")
    assert row["fx_jpy_per_usd"] == pytest.approx(109.0, abs=0.1)
    assert not build.rows("select * from marts.mart_policy_timeline where is_policy and event_kind in ('study')")


def test_biotechnology_outside_pharmaceuticals(build: Build) -> None:
    rows = build.rows(
        "select country_iso3, share_of_biotechnology_rnd as share, is_upper_bound "
        "from marts.mart_white_biotechnology where item_id = 'biotechnology_rnd_outside_pharmaceuticals'"
    )
    assert {row["country_iso3"]: round(row["share"], 3) for row in rows} == {"JPN": 0.278, "USA": 0.254}
    assert all(row["is_upper_bound"] for row in rows)
    missing = build.rows("select item_id, reason_code from marts.mart_white_biotechnology where year is null")
    assert {row["item_id"]: row["reason_code"] for row in missing} == {
        "smart_cell_rnd": "no_public_series",
        "smart_cell_products": "no_public_series",
        "industrial_biotechnology_production": "no_public_series",
        "industrial_biotechnology_patents": "not_at_hand",
        "biotechnology_rnd_by_application": "series_discontinued",
    }


@pytest.mark.parametrize(
    ("claim_id", "figures"),
    [
        ("meti_2021_regenerative_cdmo_few", ["26 contract", "name 3 with", "approved 7", "Union 13", "States 9"]),
        ("meti_2021_smart_cell", ["No public series", "27.8 %", "25.4 %"]),
        ("meti_2021_overseas_share", ["1,760 kg", "40.1 %"]),
    ],
)
def test_findings_of_the_statements(build: Build, claim_id: str, figures: list[str]) -> None:
    row = build.row(f"select finding_en, verdict from marts.mart_policy_claim_check where claim_id = '{claim_id}'")
    assert [figure for figure in figures if figure not in row["finding_en"]] == [], row["finding_en"]
    if claim_id != "meti_2021_overseas_share":
        assert row["verdict"] == "not_checkable"
