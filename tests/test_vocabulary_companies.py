"""Companies, their names and owners, and the originators of substances: whole in themselves."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from ingest import biologics, vocabulary

TABLES = ("company", "company_alias", "company_ownership", "product_originator", "therapeutic_class")
BEGINNING, END = date(1000, 1, 1), date(9999, 12, 31)
REVIEWED = date(2026, 11, 22)


def owner(company_id: str, day: date) -> str | None:
    """Direct owner of a company on a day, by the rows of the table."""
    rows = vocabulary.table("company_ownership").filter(
        (pl.col("company_id") == company_id)
        & (pl.col("valid_from").fill_null(BEGINNING) <= day)
        & (pl.col("valid_to").fill_null(END) > day)
    )
    assert rows.height <= 1, f"{company_id} has several owners on {day}"
    return rows["parent_company_id"].to_list()[0] if rows.height else None


def ultimate_owner(company_id: str, day: date) -> str:
    """Company at the end of the chain of owners on a day."""
    seen = [company_id]
    while found := owner(seen[-1], day):
        assert found not in seen, f"{seen} is a circle"
        seen.append(found)
    return seen[-1]


@pytest.mark.parametrize("name", TABLES)
def test_rows_stand_in_the_order_of_their_key(name: str) -> None:
    frame = vocabulary.table(name)
    assert frame.height > 0
    assert frame.equals(frame.sort(list(vocabulary.tables()[name].key)))


def test_every_reference_is_known() -> None:
    companies = set(vocabulary.table("company")["company_id"])
    countries = set(vocabulary.country_codes())
    ownership, originator = vocabulary.table("company_ownership"), vocabulary.table("product_originator")
    named = [ownership["company_id"], ownership["parent_company_id"], originator["company_id"]]
    named += [
        vocabulary.table("company_alias")["company_id"],
        vocabulary.table("sec_filer")["company_id"].drop_nulls(),
    ]
    assert [set(column) - companies for column in named] == [set()] * len(named)
    assert set(originator["substance_id"]) <= set(vocabulary.table("substance")["substance_id"])
    located = [vocabulary.table("company")["home_iso3"], vocabulary.table("company")["hq_iso3"]]
    located += [originator["country_iso3"], originator["first_approved_iso3"]]
    assert [set(column.drop_nulls()) - countries for column in located] == [set()] * len(located)


def test_a_company_has_one_owner_at_a_time() -> None:
    spans = (
        vocabulary.table("company_ownership")
        .with_columns(pl.col("valid_from").fill_null(BEGINNING), pl.col("valid_to").fill_null(END))
        .sort("company_id", "valid_from")
        .with_columns(next_from=pl.col("valid_from").shift(-1).over("company_id"))
    )
    assert spans.filter(pl.col("valid_from") >= pl.col("valid_to")).is_empty()
    assert spans.filter(pl.col("next_from") < pl.col("valid_to")).is_empty()
    assert spans.filter(pl.col("company_id") == pl.col("parent_company_id")).is_empty()


def test_owners_form_no_circle_on_any_day_on_which_something_changed() -> None:
    table = vocabulary.table("company_ownership")
    days = pl.concat([table["valid_from"], table["valid_to"]]).drop_nulls().unique().sort()
    # A circle needs a chain that is longer than there are owned companies.
    for day in [BEGINNING, *days, REVIEWED]:
        valid = table.filter(
            (pl.col("valid_from").fill_null(BEGINNING) <= day) & (pl.col("valid_to").fill_null(END) > day)
        )
        of = dict(valid.select("company_id", "parent_company_id").iter_rows())
        for company_id in of:
            chain = [company_id]
            while chain[-1] in of:
                chain.append(of[chain[-1]])
                assert len(chain) <= len(of) + 1, f"{chain[:6]} is a circle on {day}"
            # int_company_parent looks six owners up, the last of which must find none.
            assert len(chain) <= 6


def test_headquarters_are_those_of_the_ultimate_owner_today() -> None:
    table = vocabulary.table("company").filter(pl.col("home_iso3").is_not_null())
    home = dict(table.select("company_id", "home_iso3").iter_rows())
    wrong = [
        (company_id, hq_iso3)
        for company_id, hq_iso3 in table.select("company_id", "hq_iso3").iter_rows()
        if home[ultimate_owner(company_id, REVIEWED)] != hq_iso3
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("company_id", "day", "expected"),
    [
        ("celgene", date(2019, 11, 19), "celgene"),
        ("celgene", date(2019, 11, 20), "bristol_myers_squibb"),
        ("shire", date(2019, 1, 7), "shire"),
        ("shire", date(2019, 1, 8), "takeda"),
        ("baxalta", date(2015, 6, 30), "baxter"),
        ("baxalta", date(2016, 1, 1), "baxalta"),
        ("baxalta", date(2018, 1, 1), "shire"),
        ("baxalta", date(2019, 2, 1), "takeda"),
        ("allergan", date(2020, 5, 7), "allergan_plc"),
        ("allergan", date(2020, 5, 8), "abbvie"),
        ("genentech", date(1990, 9, 6), "genentech"),
        ("genentech", date(1995, 1, 1), "roche"),
        ("wyeth", date(2009, 10, 15), "pfizer"),
        ("genzyme", date(2011, 4, 8), "sanofi"),
        ("medimmune", date(2008, 1, 1), "astrazeneca"),
        ("chugai", date(2002, 9, 30), "chugai"),
        ("chugai", date(2002, 10, 1), "roche"),
        ("alexion", date(2021, 7, 21), "astrazeneca"),
        ("immunomedics", date(2020, 10, 23), "gilead"),
        ("seagen", date(2023, 12, 14), "pfizer"),
        ("horizon", date(2023, 10, 6), "amgen"),
        ("amylin", date(2013, 1, 1), "bristol_myers_squibb"),
        ("amylin", date(2014, 2, 1), "astrazeneca"),
        ("sandoz", date(2023, 10, 3), "novartis"),
        ("sandoz", date(2023, 10, 4), "sandoz"),
        ("organon_biosciences", date(2008, 6, 9), "schering_plough"),
        ("organon_biosciences", date(2009, 11, 3), "msd"),
        ("kyowa_kirin", date(2008, 3, 31), "kyowa_kirin"),
        ("kyowa_kirin", date(2019, 7, 1), "kirin_holdings"),
    ],
)
def test_owner_of_the_day(company_id: str, day: date, expected: str) -> None:
    assert ultimate_owner(company_id, day) == expected


def test_evidence_names_a_document_and_addresses_are_addresses() -> None:
    for name in ("company_ownership", "product_originator"):
        frame = vocabulary.table(name)
        assert (frame["evidence"].str.len_chars() > 15).all()
        assert frame["source_url"].drop_nulls().str.contains(r"^https://[^ ]+$").all()


def test_aliases_stand_in_the_form_in_which_they_are_compared() -> None:
    table = vocabulary.table("company_alias")
    assert table.filter(pl.col("alias") != biologics.comparable(pl.col("alias"))).is_empty()
    assert set(table["scheme"]) == set(vocabulary.tables()["company_alias"].columns["scheme"]["allowed"])


# Originators


def test_weights_add_up_to_one_and_countries_share_equally() -> None:
    table = vocabulary.table("product_originator")
    key = ["substance_id", "origin_basis"]
    whole = table.group_by(key).agg(pl.col("weight").sum())
    assert whole.filter((pl.col("weight") - 1).abs() > 1e-9).is_empty()
    by_country = table.group_by([*key, "country_iso3"]).agg(pl.col("weight").sum(), low=pl.col("weight").min())
    spread = by_country.group_by(key).agg(pl.col("weight").max() - pl.col("weight").min())
    assert spread.filter(pl.col("weight") > 1e-9).is_empty()
    inside = table.group_by([*key, "country_iso3"]).agg(pl.col("weight").max() - pl.col("weight").min())
    assert inside.filter(pl.col("weight") > 1e-9).is_empty()


def test_countries_are_the_homes_of_the_companies() -> None:
    home = vocabulary.table("company").select("company_id", "home_iso3")
    joined = vocabulary.table("product_originator").join(home, on="company_id", how="left")
    assert joined.filter(pl.col("country_iso3") != pl.col("home_iso3")).is_empty()


def test_first_approvals_are_dated_by_fda_or_ema() -> None:
    table = vocabulary.table("product_originator")
    assert table.filter(pl.col("first_approved_on").is_null() != pl.col("first_approved_iso3").is_null()).is_empty()
    assert set(table["first_approved_iso3"].drop_nulls()) == {"USA", "EUU"}
    per_substance = table.filter(pl.col("first_approved_on").is_not_null()).group_by("substance_id")
    assert per_substance.agg(pl.col("first_approved_on").n_unique())["first_approved_on"].max() == 1


@pytest.mark.parametrize(
    ("substance_id", "basis", "expected"),
    [
        ("nivolumab", "originator", {"ono": ("JPN", 0.5), "medarex": ("USA", 0.5)}),
        ("tocilizumab", "originator", {"chugai": ("JPN", 0.5), "osaka_university": ("JPN", 0.5)}),
        ("emicizumab", "originator", {"chugai": ("JPN", 1.0)}),
        ("emicizumab", "parent_at_filing", {"roche": ("CHE", 1.0)}),
        ("pembrolizumab", "originator", {"organon_biosciences": ("NLD", 1.0)}),
        ("pembrolizumab", "main_seller", {"msd": ("USA", 1.0)}),
        ("bevacizumab", "originator", {"genentech": ("USA", 1.0)}),
        ("bevacizumab", "parent_at_filing", {"roche": ("CHE", 1.0)}),
        ("bevacizumab", "applicant", {"genentech": ("USA", 1.0)}),
        ("adalimumab", "main_seller", {"abbvie": ("USA", 1.0)}),
    ],
)
def test_known_origins(substance_id: str, basis: str, expected: dict[str, tuple[str, float]]) -> None:
    rows = vocabulary.table("product_originator").filter(
        (pl.col("substance_id") == substance_id) & (pl.col("origin_basis") == basis)
    )
    assert {row["company_id"]: (row["country_iso3"], row["weight"]) for row in rows.to_dicts()} == expected
