from __future__ import annotations

from ingest import areas, vocabulary


def test_countries_and_groups_are_told_apart() -> None:
    kinds = dict(areas.kinds("world_bank").iter_rows())
    assert kinds["JPN"] == "country"
    assert kinds["TWN"] == "country"
    assert {kinds[code] for code in ("WLD", "EUU", "OED", "HIC", "CHI")} == {"aggregate"}
    assert "EU27_2020" not in kinds
    assert dict(areas.kinds("oecd").iter_rows())["EU27_2020"] == "aggregate"


def test_no_code_names_both_a_country_and_a_group() -> None:
    for scheme in ("world_bank", "oecd"):
        assert areas.kinds(scheme)["code"].is_unique().all()
    countries = vocabulary.table("country").filter(~vocabulary.table("country")["is_aggregate"])["iso3"]
    assert not set(vocabulary.table("area_aggregate")["code"]) & set(countries)


def test_aggregates_of_the_country_table_carry_world_bank_codes() -> None:
    country = vocabulary.table("country")
    groups = vocabulary.table("area_aggregate").filter(scheme="world_bank")["code"]
    # Codes in X are for areas that are no country and that no group of countries is either.
    named = country.filter(country["is_aggregate"] & ~country["iso3"].str.starts_with("X"))
    assert set(named["iso3"]) <= set(groups)


def test_namibia_is_a_country_and_not_a_missing_value() -> None:
    assert dict(areas.iso2_to_iso3().iter_rows())["NA"] == "NAM"


def test_names_of_countries_and_their_aliases() -> None:
    names = areas.names()
    assert names["usa"] == names["united states of america"] == names["u.s.a."] == "USA"
    assert names["korea"] == names["republic of korea"] == "KOR"
    assert names["democratic people's republic of korea"] == "PRK"
    assert names[areas.comparable(" The\u00a0 Netherlands ")] == "NLD"
    assert "european union (27, from 2020)" not in names


def test_aliases_are_comparable_and_name_countries() -> None:
    aliases = vocabulary.table("country_alias")
    countries = vocabulary.table("country").filter(~vocabulary.table("country")["is_aggregate"])
    assert all(alias == areas.comparable(alias) for alias in aliases["alias"])
    assert set(aliases["iso3"]) <= set(countries["iso3"])
    assert not set(aliases["alias"]) & {areas.comparable(name) for name in countries["name_en"]}
