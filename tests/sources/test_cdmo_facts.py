from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ingest import edition, lake, load, source, vocabulary
from ingest.errors import GateError, LayoutError
from ingest.lake import Lake
from ingest.settings import Settings
from tests.conftest import shared_file

SOURCE = source.get("cdmo_facts")
(PART,) = edition.read(SOURCE)
FACTS = PART.tables["company_fact"]
DEALS = PART.tables["deal"]
CLAIMS = PART.tables["claim"]

UNDATED = "no date at hand; published_on is the day of access"
# How the facts at hand name what the curated table names by id; one name may stand for several ids.
COMPANY_IDS = {
    "Lonza": "lonza",
    "Samsung Biologics": "samsung_biologics",
    "WuXi Biologics": "wuxi_biologics",
    "Boehringer Ingelheim": "boehringer_ingelheim",
    "Catalent": "catalent",
    "Fujifilm (Diosynth)": "fujifilm",
    "AGC": "agc",
}
METRICS = {
    "revenue": ("revenue", "actual"),
    "revenue_target": ("revenue", "target"),
    "operating_profit": ("operating_profit", "actual"),
    "core_ebitda_margin": ("core_ebitda_margin", "actual"),
    "capex": ("capex", "actual"),
    "capex_announced": ("capex", "announced"),
    "order_backlog": ("order_backlog", "actual"),
    "impairment": ("impairment", "actual"),
    "bioreactor_capacity": ("bioreactor_capacity", "actual"),
    "bioreactor_capacity_plan": ("bioreactor_capacity", "plan"),
    "bioreactor_added": ("bioreactor_capacity_added", "actual"),
}
MULTIPLIERS = {"CHF_m": 1e6, "CNY_m": 1e6, "EUR_m": 1e6, "USD_m": 1e6, "KRW_bn": 1e9, "JPY_bn": 1e9, "USD_bn": 1e9}


def facts(company_id: str, metric: str, **columns: object) -> pl.DataFrame:
    """Rows of one company and metric, and of further columns as given."""
    wanted = {"company_id": company_id, "metric": metric} | columns
    return FACTS.filter([pl.col(column) == value for column, value in wanted.items()])


def at_hand() -> pl.DataFrame:
    """The company facts at hand in the units, metrics and company ids of the curated table."""
    raw = pl.read_csv(shared_file("cdmo/cdmo_company_facts_transcribed.csv"))
    factor = pl.col("unit").replace_strict(MULTIPLIERS | {"L": 1.0, "PT": 0.01}, return_dtype=pl.Float64)
    kinds = {name: kind for name, (_, kind) in METRICS.items()}
    return raw.select(
        pl.col("company").replace_strict(COMPANY_IDS).alias("company_id"),
        pl.col("metric").replace_strict({name: metric for name, (metric, _) in METRICS.items()}),
        pl.col("metric").replace_strict(kinds).alias("fact_kind"),
        "period",
        (pl.col("value").cast(pl.Float64) * factor).alias("value"),
        pl.when(pl.col("unit").is_in(["L", "PT"]).not_()).then(pl.col("unit").str.head(3)).alias("currency"),
        "source_url",
    )


def test_every_row_cites_a_dated_document() -> None:
    documents = {file["url"] for file in PART.files}
    cited: set[str] = set()
    for frame in PART.tables.values():
        assert frame["document_url"].str.starts_with("http").all()
        assert frame["published_on"].null_count() == 0
        undated = frame.filter(pl.col("published_on") == PART.ingested_at.date())
        assert undated["note"].str.contains(UNDATED, literal=True).all()
        assert frame["locator"].str.contains(": ").all()
        cited |= set(frame["document_url"])
    assert cited == documents


def test_the_edition_loads_without_a_rejected_row(settings: Settings) -> None:
    (record,) = load.load_bundled(settings, SOURCE)
    assert {entry.table_name: entry.row_count for entry in record.tables} == {
        "company_fact": FACTS.height,
        "deal": DEALS.height,
        "claim": CLAIMS.height,
    }
    assert record.rows_quarantined == 0 and record.rows_dropped == {}
    assert Lake(settings.lake).quarantine_files() == []


def test_the_reviewed_tables_load_as_files_too_and_other_files_are_refused(
    settings: Settings, tmp_path: Path
) -> None:
    paths = [SOURCE.edition_dir / f"{name}.csv" for name in SOURCE.spec.tables]
    record = load.load_files(settings, SOURCE, paths)
    assert record.row_count == PART.row_count and record.rows_quarantined == 0
    other = tmp_path / "sales_observation.csv"
    other.write_text("value\n1\n")
    with pytest.raises(GateError, match="matches no file of source cdmo_facts"):
        load.load_files(settings, SOURCE, [other])
    words = tmp_path / "deal.csv"
    words.write_text((SOURCE.edition_dir / "deal.csv").read_text().replace("7200000000", "7.2 bn"))
    with pytest.raises(LayoutError, match="column value holds a value that is no float64"):
        load.load_files(settings, SOURCE, [words])


def test_money_has_a_currency_and_revenue_a_period_of_one_year() -> None:
    money = FACTS.filter(pl.col("unit") == "currency")
    assert money["currency"].null_count() == 0
    assert FACTS.filter(pl.col("unit") != "currency")["currency"].null_count() == FACTS.height - money.height
    revenue = FACTS.filter(pl.col("metric") == "revenue")
    days = (revenue["period_end"] - revenue["period_start"]).dt.total_days() + 1
    assert days.is_in([365, 366]).all()
    assert revenue["value"].null_count() == 0 and (revenue["value"] > 1e8).all()
    calendar = revenue.filter(pl.col("period_basis") == "calendar_year")
    assert (calendar["period_start"].dt.strftime("%m-%d") == "01-01").all()
    starts = {row["company_id"]: row["period_start"].month for row in revenue.iter_rows(named=True)}
    assert (starts["catalent"], starts["fujifilm"], starts["lonza"]) == (7, 4, 1)


def test_actual_figures_lie_before_their_document_and_future_ones_are_not_actual() -> None:
    actual = FACTS.filter(pl.col("fact_kind") == "actual")
    assert (actual["period_end"] <= actual["published_on"]).all()
    assert set(actual["status"]) <= {"reported", "derived"}
    later = FACTS.filter(pl.col("period_end") > pl.col("published_on"))
    assert later.height >= 5
    assert set(later["fact_kind"]) <= {"announced", "plan", "target"}
    others = FACTS.filter(pl.col("fact_kind").is_in(["plan", "target", "announced", "third_party_estimate"]))
    assert "reported" not in set(others["status"])
    assert set(FACTS.filter(pl.col("fact_kind") == "third_party_estimate")["status"]) == {"estimated"}


def test_figures_of_pure_contract_manufacturers_in_2024() -> None:
    listed = FACTS.filter(pl.col("metric") == "revenue", pl.col("is_cdmo_perimeter"), pl.col("fact_kind") == "actual")
    in_2024 = {
        row["company_id"]: (row["value"], row["currency"])
        for row in listed.filter(pl.col("period_label") == "FY2024").iter_rows(named=True)
    }
    assert in_2024 == {
        "lonza": (2883e6, "CHF"),
        "samsung_biologics": (3497.1e9, "KRW"),
        "wuxi_biologics": (18675.4e6, "CNY"),
    }
    per_year = listed.group_by("company_id", "period_label").len()
    assert (per_year["len"] == 1).all(), "one perimeter per company and year may feed a total"
    low = FACTS.filter(pl.col("confidence") == "low", pl.col("metric") == "revenue")
    assert low.is_empty()


def test_platforms_and_stand_alone_figures_are_parts_of_their_groups() -> None:
    lonza = facts("lonza", "revenue", period_label="FY2024")
    group = lonza.filter(pl.col("perimeter").str.starts_with("group"))["value"].item()
    platforms = lonza.filter(pl.col("perimeter").str.contains("platform"))
    assert platforms.height == 3 and platforms["series_break"].all()
    assert platforms["value"].sum() == 5348e6 < group
    margins = platforms.join(facts("lonza", "core_ebitda_margin"), on="perimeter", suffix="_margin")
    assert (margins["value"] * margins["value_margin"] / 1e6).to_list() == pytest.approx([1045, 488, 192], abs=2)
    samsung = facts("samsung_biologics", "revenue").sort("period_label", "value")
    assert samsung["series_break"].to_list() == [False, False, False, True]


def test_conflicting_and_ambiguous_figures_stand_as_low_rows() -> None:
    samsung = facts("samsung_biologics", "bioreactor_capacity").filter(pl.col("period_label").str.starts_with("2022"))
    assert sorted(samsung["value"]) == [364000, 420000]
    assert set(samsung["confidence"]) == {"low"} and samsung["note"].str.contains("conflict").all()
    boulder = FACTS.filter(pl.col("site_name") == "Boulder, Colorado")
    assert boulder["value"].to_list() == [None, 40000] and set(boulder["confidence"]) == {"low"}
    backlog = facts("samsung_biologics", "order_backlog")
    assert sorted(backlog["value"]) == [16.3e9, 17.6e9] and set(backlog["confidence"]) == {"low"}


def test_computed_volumes_follow_from_the_arithmetic_in_their_note() -> None:
    computed = FACTS.filter(pl.col("value_origin") == "computed", pl.col("unit") == "litres")
    assert computed.height == 7
    ahead = pl.col("period_end") > pl.col("published_on")
    assert (
        computed["status"].to_list()
        == computed.select(pl.when(ahead).then(pl.lit("forecast")).otherwise(pl.lit("derived"))).to_series().to_list()
    )
    terms = computed.select(
        pl.col("value"),
        pl.col("note")
        .str.replace_all(",", "")
        .str.extract_all(r"\d+ (?:single-use )?(?:vessels )?x \d+ L")
        .list.eval(
            pl.element().str.extract(r"^(\d+)").cast(pl.Float64)
            * pl.element().str.extract(r"x (\d+) L").cast(pl.Float64)
        )
        .list.sum()
        .alias("sum"),
    )
    products = terms.filter(pl.col("sum") > 0)
    assert products.height == computed.height - 1, "all but the difference for Samsung's plants 1 to 4"
    assert products["sum"].to_list() == products["value"].to_list()
    assert 14000 in products["value"].to_list() and 400000 in products["value"].to_list()
    assert (
        facts("samsung_biologics", "bioreactor_capacity", perimeter="plants 1 to 4")["value"].item() == 784e3 - 180e3
    )


def test_the_shares_of_the_slide_sum_to_96_per_cent() -> None:
    shares = FACTS.filter(pl.col("metric") == "market_share")
    others = CLAIMS.filter(pl.col("claim_id") == "mhlw_2024_cdmo_share_others")["value_stated"].item()
    assert shares.height == 5 and set(shares["fact_kind"]) == {"third_party_estimate"}
    assert shares["value"].sum() + others == pytest.approx(0.96)
    assert shares["note"].str.contains("96 %").all()
    assert shares["period_label"].n_unique() == 1 and shares["document_url"].n_unique() == 1


def test_fujifilms_statement_carried_three_years_gives_the_size_in_the_article() -> None:
    value = dict(CLAIMS.select("claim_id", "value_stated").iter_rows())
    size, growth = value["fujifilm_2017_cdmo_market_size"], value["fujifilm_2017_cdmo_market_growth"]
    assert size * (1 + growth) ** 3 / 1e9 == pytest.approx(503.9, abs=0.05)
    base, rate = value["vendor_2025_japan_cdmo_size"], value["vendor_2025_japan_cdmo_growth"]
    assert base * (1 + rate) ** 9 / 1e9 == pytest.approx(21.6, abs=0.05), "so the base is the figure of 2024"


def test_claims_keep_the_rules_of_their_table() -> None:
    ranged = CLAIMS.filter(pl.col("value_low") < pl.col("value_high"))
    assert ranged["tolerance_rule"].null_count() == 0
    assert CLAIMS.filter(
        (pl.col("value_low") > pl.col("value_stated")) | (pl.col("value_stated") > pl.col("value_high"))
    ).is_empty()
    assert not CLAIMS["is_seed_claim"].any()
    policy = edition.read(source.get("policy_claims"))[0].tables["claim"]
    assert set(CLAIMS["claim_id"]).isdisjoint(policy["claim_id"])


def test_companies_stand_in_the_vocabulary() -> None:
    companies = vocabulary.table("company")
    assert set(FACTS["company_id"]) <= set(companies["company_id"])
    assert set(DEALS["acquirer_name"]) <= set(companies["name_en"])
    regions = companies.filter(pl.col("kind") == "region")
    assert regions["hq_iso3"].null_count() == regions.height
    assert set(companies["hq_iso3"].drop_nulls()) <= set(vocabulary.country_codes())
    pairs = FACTS.filter(pl.col("company_id").is_in(regions["company_id"].to_list()))
    assert pairs["hq_iso3"].null_count() == pairs.height == 7
    assert FACTS.height - pairs.height == FACTS["hq_iso3"].len() - FACTS["hq_iso3"].null_count()


def test_contract_sites_for_cell_therapy_in_japan_can_be_listed() -> None:
    sites = FACTS.filter(
        pl.col("modality") == "cell_therapy", pl.col("is_cdmo_perimeter"), pl.col("site_country_iso3") == "JPN"
    )
    assert set(sites["company_id"]) == {"minaris", "nikon_cell_innovation", "teijin"}
    assert sites.filter(pl.col("fact_kind") == "actual").height == 2


def test_company_facts_equal_those_at_hand() -> None:
    """Every figure at hand stands in the curated table, in whole units.

    Three stand otherwise on purpose: the company's own KRW 4,557 bn for the press's 4,560, the ambiguous Boulder
    row without a value, and Samsung's pro-forma 845,000 L as announced instead of actual.
    """
    wanted = at_hand()
    assert wanted.height == 34
    period = (
        pl.when(pl.col("metric").is_in(["bioreactor_capacity"]) & (pl.col("fact_kind") == "plan"))
        .then(pl.lit("c. 2030"))
        .otherwise(pl.col("period"))
    )
    missing = wanted.with_columns(period.alias("period_label"), pl.col("value").round(6)).join(
        FACTS.with_columns(pl.col("value").round(6)),
        on=["company_id", "metric", "fact_kind", "period_label", "value", "currency"],
        how="anti",
        nulls_equal=True,
    )
    left = {(row["company_id"], row["period_label"]): row["value"] for row in missing.iter_rows(named=True)}
    assert left == {("samsung_biologics", "FY2025"): 4560e9, ("samsung_biologics", "2026-03"): 845e3}
    assert facts("samsung_biologics", "revenue", period_label="FY2025")["value"].item() == pytest.approx(
        4560e9, rel=1e-3
    )
    assert (
        facts("samsung_biologics", "bioreactor_capacity", period_label="2026-03")["fact_kind"].item() == "announced"
    )


def test_deals_equal_those_at_hand() -> None:
    raw = pl.read_csv(shared_file("cdmo/cdmo_deals_transcribed.csv"), schema_overrides={"value": pl.Float64})
    billions = raw.filter(pl.col("value").is_not_null()).select(
        pl.col("announced_or_closed").alias("deal_date_label"), (pl.col("value") * 1e9).round(0).alias("value")
    )
    assert billions.height == 7
    assert billions.join(DEALS, on=["deal_date_label", "value"], how="anti").is_empty()
    assert DEALS.filter(pl.col("deal_on").is_null()).is_empty()
    assert DEALS.filter(~pl.col("is_cdmo"))["target_name"].to_list() == ["PPD"]
    assert DEALS.filter(pl.col("value").is_null())["target_name"].to_list() == ["WuXi Vaccines' Dundalk facility"]


def test_capacities_and_shares_equal_those_at_hand() -> None:
    raw = pl.read_csv(shared_file("origin_facts/cdmo_sites_and_capacity_facts.csv"))
    world = raw.filter(pl.col("company").str.contains("BioPlan")).select(
        pl.col("status_or_year").alias("period_label"), pl.col("capacity").cast(pl.Float64).alias("value")
    )
    assert world.height == 7
    estimates = FACTS.filter(pl.col("fact_kind") == "third_party_estimate", pl.col("unit") == "litres")
    assert world.sort("value").equals(estimates.select("period_label", "value").sort("value"))
    slide = raw.filter(pl.col("company").str.starts_with("CDMO market share"))["capacity"].item().split("/")
    shares = FACTS.filter(pl.col("metric") == "market_share")["value"].to_list()
    assert [round(100 * share) for share in shares] == [int(part) for part in slide[:-1]]
    toyama = raw.filter(pl.col("site").str.contains("Toyama"))["capacity"].item()
    assert toyama == "2x5000 + 2x2000"
    assert facts("fujifilm", "bioreactor_capacity", site_name="Toyama, building 704")["value"].item() == 14000


def test_market_claims_equal_those_at_hand() -> None:
    raw = pl.read_csv(shared_file("cdmo/cdmo_market_size_claims_transcribed.csv"))
    rest = raw.filter(~pl.col("claimant").str.starts_with("METI"))
    sizes = CLAIMS.filter(pl.col("metric") == "market_size", ~pl.col("claim_id").str.contains("answersnews"))
    growths = CLAIMS.filter(pl.col("metric") == "growth_per_year")
    assert sorted(rest["value"] * 1e9) == pytest.approx(sorted(sizes["value_stated"]))
    assert sorted(rest["growth_pct_per_year"] / 100) == pytest.approx(sorted(growths["value_stated"]))
    sources = set(rest["source_url"])
    assert sources == set(sizes["document_url"]) == set(growths["document_url"])


def test_metrics_and_kinds_are_those_of_the_contract() -> None:
    allowed = lake.contract("company_fact").column("metric").allowed or ()
    assert set(FACTS["metric"]) == set(allowed), "each metric of the contract has a row to show"
