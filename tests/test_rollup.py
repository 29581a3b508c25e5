"""Groups of products told apart from products, on companies' own figures."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import rollup
from ingest.rollup import Member, Slice

YEAR = date(2025, 12, 31)

# Eli Lilly, FY2025, USD million: United States and the rest, as in the company's annual report.
LILLY = {
    "Mounjaro": (13651, 9315),
    "Zepbound": (13484, 58),
    "Jardiance": (1582, 1849),
    "Trulicity": (2914, 1362),
    "RestOfCardiometabolic": (2233, 1773),
    "Verzenio": (3464, 2259),
    "RestOfOncology": (1888, 1765),
    "Taltz": (2333, 1230),
    "RestOfImmunology": (631, 1053),
    "Neuroscience": (997, 394),
    "RestOfProducts": (304, 639),
    "CardiometabolicHealth": (33864, 14357),
    "Oncology": (5352, 4024),
    "Immunology": (2964, 2283),
}
GROUPS = {
    "CardiometabolicHealth": {"Mounjaro", "Zepbound", "Jardiance", "Trulicity", "RestOfCardiometabolic"},
    "Oncology": {"Verzenio", "RestOfOncology"},
    "Immunology": {"Taltz", "RestOfImmunology"},
}


def member(name: str, home: float, abroad: float) -> Member:
    return Member(name, {(YEAR, "USA"): home * 1e6, (YEAR, "XUS"): abroad * 1e6})


def lilly() -> list[Member]:
    return [member(name, *values) for name, values in LILLY.items()]


def found(members: list[Member]) -> dict[str, set[str]]:
    return {
        members[position].name: {members[part].name for part in parts}
        for position, parts in rollup.groups(members).items()
    }


def test_groups_are_found_by_arithmetic_alone() -> None:
    assert found(lilly()) == GROUPS


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(sorted(LILLY)), unique=True, max_size=4))
def test_what_is_found_is_true_in_any_order_and_with_members_missing(
    shuffled: random.Random, missing: list[str]
) -> None:
    members = [one for one in lilly() if one.name not in missing]
    shuffled.shuffle(members)
    held = {one.name for one in members}
    # A group of which a member is missing is a product like any other: nothing in the figures says what it is.
    assert found(members) == {name: parts for name, parts in GROUPS.items() if {name, *parts} <= held}


def test_groups_of_groups_are_found() -> None:
    whole = [sum(LILLY[name][market] for name in GROUPS) for market in (0, 1)]
    members = [*lilly(), member("Medicines", *whole)]
    assert set(found(members)) == {*GROUPS, "Medicines"}


def test_a_sum_that_chance_explains_is_no_group() -> None:
    """In one year and market, among many small figures, some sum hits nearly any value."""
    small = [Member(f"P{value}", {(YEAR, "WLD"): value * 1e6}) for value in range(11, 41)]
    assert found([*small, Member("Large", {(YEAR, "WLD"): 100e6})]) == {}


def test_a_few_years_make_the_same_sum_evidence() -> None:
    def series(name: str, *values: float) -> Member:
        return Member(name, {(date(2020 + n, 12, 31), "WLD"): value * 1e6 for n, value in enumerate(values)})

    parts = [series("A", 1203, 1417, 1888), series("B", 977, 1020, 1101), series("C", 310, 299, 288)]
    assert found([*parts, series("Vaccines", 2180, 2437, 2989)]) == {"Vaccines": {"A", "B"}}
    # One year in which it does not add up is enough against it.
    assert found([*parts, series("Vaccines", 2180, 2437, 2889)]) == {}


def test_the_rest_of_a_group_speaks_for_it() -> None:
    """Oncology and OtherOncology: fewer figures are needed where a member is named as the rest."""
    year: Slice = (YEAR, "WLD")
    values = {"Oncology": 90, "OtherOncology": 30, "A": 60, "B": 45, "C": 20, "D": 17, "E": 55, "F": 48, "G": 52}
    members = [Member(name, {year: value * 1e6}) for name, value in values.items()]
    assert found(members) == {"Oncology": {"OtherOncology", "A"}}
    renamed = [Member(one.name.replace("OtherOncology", "H"), one.values) for one in members]
    assert found(renamed) == {}
    assert rollup.named_groups([one.name for one in members]) == {0}


def test_a_repeated_member_is_counted_once() -> None:
    twice = [*lilly(), Member("MounjaroTirzepatide", {(YEAR, "USA"): 13651e6})]
    assert found(twice)["MounjaroTirzepatide"] == {"Mounjaro"}


def test_a_product_without_figures_in_early_years_is_part_of_its_group() -> None:
    years = [date(year, 12, 31) for year in (2022, 2023, 2024)]
    old = Member("Old", dict(zip([(year, "WLD") for year in years], [1234e6, 1411e6, 1509e6], strict=True)))
    new = Member("New", {(years[2], "WLD"): 177e6})
    group = Member("Area", dict(zip([(year, "WLD") for year in years], [1234e6, 1411e6, 1686e6], strict=True)))
    assert found([old, new, group]) == {"Area": {"Old", "New"}}


@pytest.mark.parametrize(
    ("values", "unit"),
    [([13651e6, 58e6], 1e6), ([22319.5e6], 1e5), ([1053561e3], 1e3), ([12345.0], 1.0), ([0.0], 1e6), ([], 1e6)],
)
def test_the_unit_of_rounding(values: list[float], unit: float) -> None:
    assert rollup.rounding_unit(values) == unit


def test_of_world_home_and_abroad_two_give_the_third() -> None:
    key = {market: (YEAR, market) for market in ("WLD", "USA", "XUS")}
    full = {key["WLD"]: 10.0, key["USA"]: 7.0, key["XUS"]: 3.0}
    for missing in key.values():
        assert rollup.completed({where: value for where, value in full.items() if where != missing}) == full
    assert rollup.completed({key["USA"]: 7.0}) == {key["USA"]: 7.0}
