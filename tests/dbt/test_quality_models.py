"""Owners by day, and what the vocabulary does not map, over the bundled edition."""

from __future__ import annotations

import pytest

from tests.dbt.conftest import Build


def test_owner_of_the_day(build: Build) -> None:
    found = build.rows(
        "select company_id, cast(valid_from as varchar) as valid_from, ultimate_parent_id, ultimate_parent_iso3 "
        "from intermediate.int_company_parent where company_id in ('celgene', 'juno', 'roche') order by all"
    )
    assert found == [
        {
            "company_id": c,
            "valid_from": d,
            "ultimate_parent_id": p,
            "ultimate_parent_iso3": "CHE" if c == "roche" else "USA",
        }
        for c, d, p in (
            ("celgene", "1000-01-01", "celgene"),
            ("celgene", "2019-11-20", "bristol_myers_squibb"),
            ("juno", "1000-01-01", "juno"),
            ("juno", "2018-03-06", "celgene"),
            ("juno", "2019-11-20", "bristol_myers_squibb"),
            ("roche", "1000-01-01", "roche"),
        )
    ]


def test_every_company_has_an_owner_on_every_day(build: Build) -> None:
    counts = build.row(
        "select count(distinct company_id) as companies, "
        "count(distinct company_id) filter (valid_from = date '1000-01-01') as beginning, "
        "count(distinct company_id) filter (valid_to = date '9999-12-31') as ending, "
        "(select count(*) from vocabulary.company) as known from intermediate.int_company_parent"
    )
    assert counts["companies"] == counts["beginning"] == counts["ending"] == counts["known"]


@pytest.mark.parametrize(("source_code", "least"), [("mhlw_ndb", 0.98), ("cms_part_b", 0.95)])
def test_share_of_value_mapped(build: Build, source_code: str, least: float) -> None:
    rows = build.rows(
        "select data_year, share_of_value_mapped, named_value, remainder_value from quality.mapped_share "
        f"where kind = 'substance' and source_code = '{source_code}'"
    )
    assert len(rows) >= 4
    assert min(row["share_of_value_mapped"] for row in rows) >= least
    assert all(row["named_value"] > 0 for row in rows)


def test_unmapped_money_is_what_is_missing_from_the_mapped_share(build: Build) -> None:
    missing = build.row(
        "select sum(named_value - mapped_value) as value from quality.mapped_share "
        "where source_code = 'jrc_scoreboard'"
    )
    listed = build.row(
        "select sum(value_at_stake) as value from quality.unmapped where source_code = 'jrc_scoreboard'"
    )
    assert listed["value"] == pytest.approx(missing["value"]) and listed["value"] > 1e10


def test_a_name_that_is_mapped_is_not_listed(build: Build) -> None:
    names = {row["name"] for row in build.rows("select name from quality.unmapped")}
    assert "RINVOQ" in names
    assert names.isdisjoint({"HUMIRA", "STELARA", "PFIZER", "中外製薬"})


def test_every_class_of_ndb_is_in_the_vocabulary_under_its_name(build: Build) -> None:
    odd = build.rows(
        "select distinct sales.class_code, class_name, name_ja from staging.stg_sales_observation as sales "
        "left join vocabulary.therapeutic_class as class using (class_scheme, class_code) "
        "where sales.class_code is not null and class_name is distinct from name_ja"
    )
    used = build.row(
        "select count(distinct class_code) as n from staging.stg_sales_observation where class_scheme = 'jsccm_3'"
    )
    assert odd == []
    assert used["n"] == build.row("select count(*) as n from vocabulary.therapeutic_class")["n"]


@pytest.mark.parametrize(
    ("source_code", "name_scheme", "year", "least"),
    [("mhlw_ndb", "nhi", 2019, 0.9), ("cms_part_b", "us", 2019, 0.95)],
)
def test_originators_cover_the_money_of_recombinant_substances(
    build: Build, source_code: str, name_scheme: str, year: int, least: float
) -> None:
    key = "substr(product_code, 1, 7)" if name_scheme == "nhi" else "lower(replace(substance_name, ' ', ''))"
    schemes = "('nhi_7')" if name_scheme == "nhi" else "('us_substance', 'inn')"
    covered = build.row(
        "with sales as ("
        f"select value, (select max(substance_id) from vocabulary.substance_alias where alias_scheme in {schemes} "
        f"and alias = {key}) as substance_id from staging.stg_sales_observation where source_code = '{source_code}' "
        f"and row_kind = 'product' and year(period_start) = {year}) "
        "select sum(value) filter (substance_id in (select substance_id from vocabulary.product_originator "
        "where origin_basis = 'originator')) / sum(value) as share from sales "
        "join vocabulary.substance using (substance_id) "
        "join vocabulary.modality_rule using (modality) where ruleset_id = 'recombinant_mark' and is_biologic"
    )
    assert covered["share"] >= least


def test_published_owners_leave_open_ends_empty(build: Build) -> None:
    rows = build.rows("select * from quality.company_owner where company_id = 'sandoz' order by valid_to nulls last")
    assert [(r["ultimate_parent_id"], str(r["valid_from"]), str(r["valid_to"])) for r in rows] == [
        ("sandoz", "None", "1996-12-20"),
        ("novartis", "1996-12-20", "2023-10-04"),
        ("sandoz", "2023-10-04", "None"),
    ]
