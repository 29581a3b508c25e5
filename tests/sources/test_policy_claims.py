from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ingest import edition, load, source
from ingest.errors import LayoutError
from ingest.lake import Lake
from ingest.settings import Settings
from tests.conftest import shared_file

SOURCE = source.get("policy_claims")
(PART,) = edition.read(SOURCE)
CLAIMS = PART.tables["claim"]
NOT_STATED = "not stated"
SCOPE = ["population", "market_scope", "reference_period", "denominator"]

# The statements of the article, with what each asserts: low, high, as stated.
STATEMENTS: dict[str, tuple[float | None, float | None, float | None]] = {
    "meti_2021_world_share_rising": (1, 1, 1),
    "meti_2021_top100_biologics": (53, 53, 53),
    "meti_2021_japan_sales_rising": (1, 1, 1),
    "meti_2021_overseas_share": (0.85, 0.95, 0.9),
    "meti_2021_rnd_west_rising": (1, 1, 1),
    "meti_2021_rnd_china_rising": (1, 1, 1),
    "meti_2021_rnd_japan_sluggish": (-1, 0, 0),
    "meti_2021_biologics_competitiveness": (None, None, None),
    "meti_2021_diagnostics_competitiveness": (None, None, None),
    "meti_2021_cdmo_market_size": (450e9, 550e9, 500e9),
    "meti_2021_cdmo_growth": (0.07, 0.09, 0.08),
    "meti_2021_cdmo_leaders": (None, None, None),
    "meti_2021_regenerative_cdmo_few": (None, None, None),
    "meti_2021_investigational_scale_few": (None, None, None),
    "meti_2021_smart_cell": (None, None, None),
}
# The closed vocabulary of metrics: what SQL may select on, by topic.
METRICS = {
    "cdmo_market": {"growth_per_year", "market_share_others", "market_size", "named_leaders"},
    "domestic_development": {
        "competitiveness_low",
        "count_top100_origin",
        "count_top100_origin_biologic",
        "share_top100_sales_origin",
    },
    "market_size": {
        "biologic_sales_direction",
        "biologic_share_direction",
        "market_value_biologic",
        "share_market_biologic",
    },
    "overseas_manufacturing": {
        "antibody_value_domestic",
        "antibody_value_overseas",
        "antibody_weight_domestic_kg",
        "antibody_weight_total_kg",
        "share_antibody_of_biologic_weight",
        "share_domestic_weight",
        "share_overseas",
        "subsidy_applications",
        "subsidy_applications_value",
        "subsidy_budget",
        "subsidy_projects_adopted",
        "subsidy_projects_adopted_tokyo",
        "subsidy_projects_adopted_value",
    },
    "regenerative_cdmo": {"count_investigational_scale_cdmo", "count_regenerative_cdmo"},
    "rnd_spending": {"rnd_direction"},
    "smart_cell": {"smart_cell_importance"},
    "top_products": {
        "count_top100_biologic",
        "count_top100_non_small_molecule",
        "share_top100_biologic",
        "share_top100_sales_biologic",
        "share_top100_sales_non_small_molecule",
    },
}


def stated(claim_id: str) -> float:
    """The number that one statement gives."""
    value: float = CLAIMS.filter(pl.col("claim_id") == claim_id)["value_stated"].item()
    return value


def test_every_statement_of_the_article_is_there_with_its_range() -> None:
    seed = CLAIMS.filter("is_seed_claim")
    found = {row["claim_id"]: (row["value_low"], row["value_high"], row["value_stated"]) for row in seed.to_dicts()}
    assert found == STATEMENTS
    assert set(seed["claimant"]) == {"METI (as restated by the press)"}
    assert set(seed["claim_kind"]) == {"policy_statement"}


def test_scope_is_kept_as_stated_and_what_is_missing_is_named() -> None:
    for column in SCOPE:
        assert CLAIMS[column].null_count() == 0
        almost = CLAIMS[column].str.to_lowercase().str.contains(r"^(not|un|n/a|none|unknown|-)")
        assert set(CLAIMS[column].filter(almost)) <= {NOT_STATED}
    share = CLAIMS.row(by_predicate=pl.col("claim_id") == "meti_2021_overseas_share", named=True)
    assert (share["market_scope"], share["reference_period"], share["denominator"]) == (
        "Japan",
        NOT_STATED,
        NOT_STATED,
    )
    size = CLAIMS.row(by_predicate=pl.col("claim_id") == "meti_2021_cdmo_market_size", named=True)
    assert (size["market_scope"], size["reference_period"], size["currency"]) == ("world", NOT_STATED, "JPY")
    top = CLAIMS.row(by_predicate=pl.col("claim_id") == "meti_2021_top100_biologics", named=True)
    assert (top["market_scope"], top["reference_period"]) == ("world", "2019")


def test_ranges_hold_the_number_and_name_their_rule() -> None:
    assert CLAIMS.filter(pl.col("value_stated").is_not_null())["tolerance_rule"].null_count() == 0
    inside = CLAIMS.filter(pl.col("value_stated").is_not_null()).select(
        pl.col("value_stated").is_between("value_low", "value_high").all()
    )
    assert inside.item()
    wordless = CLAIMS.filter(pl.col("value_stated").is_null())
    assert wordless.height == 6 and set(wordless["unit"]) == {"none"}
    exact = CLAIMS.filter(pl.col("unit") == "count")
    assert exact["value_low"].to_list() == exact["value_high"].to_list()
    shares = CLAIMS.filter(pl.col("unit").is_in(["share", "share_per_year"]))
    assert shares["value_high"].max() == 1 and shares["value_low"].min() == 0.0475
    assert CLAIMS.filter(pl.col("unit") == "currency")["currency"].null_count() == 0
    assert CLAIMS.filter(pl.col("unit") != "currency")["currency"].drop_nulls().is_empty()
    about = CLAIMS.filter(pl.col("statement_original").str.contains("約9割|about 90%"))
    assert about.height == 3 and set(about["value_low"]) == {0.85} and set(about["value_high"]) == {0.95}


def test_topics_and_metrics_are_a_closed_vocabulary() -> None:
    """Every pair of topic and metric in the two curated tables of claims is listed above, and the other way round."""
    market = edition.read(source.get("cdmo_facts"))[0].tables["claim"]
    pairs = pl.concat([CLAIMS.select("topic", "metric"), market.select("topic", "metric")]).unique()
    assert set(pairs.iter_rows()) == {(topic, metric) for topic, metrics in METRICS.items() for metric in metrics}


def test_what_could_not_be_read_says_so() -> None:
    unread = CLAIMS.filter(pl.col("statement_original").str.starts_with("（要旨）") & pl.col("is_seed_claim"))
    assert set(unread["claim_id"]) == {
        "meti_2021_regenerative_cdmo_few",
        "meti_2021_investigational_scale_few",
        "meti_2021_smart_cell",
    }
    assert set(unread["confidence"]) == {"low"} and unread["note"].str.contains("wording is unchecked").all()
    quoted = CLAIMS.filter("is_seed_claim").join(unread, on="claim_id", how="anti")
    assert set(quoted["document_url"]) == {"https://qlifepro.com/news/20210208/bio.html"}
    assert (quoted["statement_original"].str.len_chars() < 80).all(), "short quotations"


def test_every_row_cites_a_dated_document() -> None:
    assert set(CLAIMS["document_url"]) == {file["url"] for file in PART.files}
    assert CLAIMS["published_on"].null_count() == 0
    access = CLAIMS.filter(pl.col("published_on") == PART.ingested_at.date())
    assert access["note"].str.contains("published_on is the day of access").all()
    year = CLAIMS["reference_period"].str.extract(r"(\d{4})").cast(pl.Int32)
    assert (year <= CLAIMS["published_on"].dt.year()).all()


def test_opir_antibodies_give_87_9_and_94_6_per_cent() -> None:
    """The warehouse computes the two shares; the table holds the four figures they follow from and no share."""
    weight = 1 - stated("opir_2015_antibody_weight_domestic") / stated("opir_2015_antibody_weight_total")
    overseas, domestic = stated("opir_2015_antibody_value_overseas"), stated("opir_2015_antibody_value_domestic")
    assert weight == pytest.approx(0.879, abs=5e-4)
    assert overseas / (overseas + domestic) == pytest.approx(0.946, abs=5e-4)
    primary = CLAIMS.filter(pl.col("metric").str.starts_with("antibody_"), pl.col("reference_period") == "2015")
    assert primary["metric"].n_unique() == primary.height == 4
    assert set(primary["claim_kind"]) == {"study_result"}
    assert not CLAIMS["value_stated"].round(3).is_in([0.879, 0.946]).any()


def test_the_size_and_the_growth_of_the_market_pair_by_claimant_and_document() -> None:
    pair = CLAIMS.filter(pl.col("topic") == "cdmo_market", pl.col("metric").is_in(["market_size", "growth_per_year"]))
    assert pair.height == 2
    assert pair.select("claimant", "document_title", "document_url").unique().height == 1
    assert stated("meti_2021_cdmo_market_size") * 1.08**10 / 1e9 == pytest.approx(1079, abs=1)


def test_the_edition_loads_without_a_rejected_row(settings: Settings) -> None:
    (record,) = load.load_bundled(settings, SOURCE)
    assert record.row_count == CLAIMS.height and record.rows_quarantined == 0 and record.rows_dropped == {}
    assert Lake(settings.lake).quarantine_files() == []


def test_the_reviewed_table_loads_as_a_file_and_a_repeated_claim_is_quarantined(
    settings: Settings, tmp_path: Path
) -> None:
    path = SOURCE.edition_dir / "claim.csv"
    assert load.load_files(settings, SOURCE, [path]).row_count == CLAIMS.height
    twice = tmp_path / "claim.csv"
    text = path.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("meti_2021_top100_biologics,"))
    twice.write_text(text + line.replace(",53,", ",54,", 1) + "\n", encoding="utf-8")
    record = load.load_files(settings, SOURCE, [twice])
    assert record.rows_quarantined == 2 and record.row_count == CLAIMS.height - 1
    wrong = tmp_path / "wrong" / "claim.csv"
    wrong.parent.mkdir()
    wrong.write_text(text.replace(",true,medium,", ",perhaps,medium,"), encoding="utf-8")
    with pytest.raises(LayoutError, match="is_seed_claim"):
        load.load_files(settings, SOURCE, [wrong])


def test_counts_equal_those_at_hand() -> None:
    raw = pl.read_csv(
        shared_file("published_benchmarks/top100_modality_and_origin_counts.csv"), infer_schema_length=None
    )
    opir = raw.filter(pl.col("compiler") == "JPMA-OPIR")
    for row in opir.filter(pl.col("n_biologic").is_not_null()).iter_rows(named=True):
        claim = CLAIMS.row(by_predicate=pl.col("claim_id") == f"opir_top100_biologics_{row['year']}", named=True)
        assert claim["value_stated"] == row["n_biologic"] == 100 - row["n_small_molecule"]
        assert claim["document_url"] == row["url"]
    assert opir["n_biologic"].count() == 5
    for row in opir.filter(pl.col("n_origin_jp").is_not_null()).iter_rows(named=True):
        assert stated(f"opir_{row['year']}_origin_jpn_total") == row["n_origin_jp"]
    first = opir.row(by_predicate=pl.col("year") == 2016, named=True)
    counts = {iso: stated(f"opir_2016_origin_{iso}_total") for iso in ("usa", "che", "dnk")}
    assert counts == {"usa": first["n_origin_us"], "che": first["n_origin_ch"], "dnk": first["n_origin_dk"]}
    biologic = {iso: stated(f"opir_2016_origin_{iso}_biologic") for iso in ("jpn", "usa", "che", "dnk")}
    assert biologic == {"jpn": 2, "usa": 18, "che": 6, "dnk": 4}
    meti = raw.row(by_predicate=pl.col("compiler").str.starts_with("METI"), named=True)
    assert stated("meti_2021_top100_biologics") == meti["n_biologic"]
    echemi = raw.row(by_predicate=pl.col("compiler").str.starts_with("echemi"), named=True)
    assert stated("echemi_2020_top100_non_small_molecule") == 100 - echemi["n_small_molecule"]
    assert (
        stated("echemi_2020_top100_non_small_molecule_sales_share") * 100
        == echemi["biologic_share_of_top100_sales_pct"]
    )


def test_the_basis_of_the_90_per_cent_equals_the_facts_at_hand() -> None:
    raw = pl.read_csv(shared_file("origin_facts/ninety_percent_claim_and_basis.csv"))
    at_hand = dict(raw.select("claim_id", "value").iter_rows())
    assert stated("opir_2015_antibody_weight_total") == float(at_hand["OPIR-2015-weight-total"])
    assert stated("opir_2005_antibody_weight_total") == float(at_hand["OPIR-2015-weight-total-2005"])
    assert stated("opir_2015_antibody_weight_domestic") == float(at_hand["OPIR-2015-weight-domestic"])
    assert stated("opir_2015_antibody_value_domestic") == 1e9 * float(at_hand["OPIR-2015-value-domestic"])
    assert stated("opir_2015_antibody_value_overseas") == 1e9 * float(at_hand["OPIR-2015-value-overseas"])
    world, japan = (float(part) / 100 for part in at_hand["JPMA-RP71"].split(" / "))
    assert stated("opir_2016_biologic_market_share_world") == pytest.approx(world)
    assert stated("opir_2016_biologic_market_share_japan") == pytest.approx(japan)
    cited = set(raw.filter(pl.col("kind") != "derived")["source_url"])
    assert cited <= set(CLAIMS["document_url"])


def test_the_subsidy_programme_equals_the_facts_at_hand() -> None:
    raw = pl.read_csv(shared_file("origin_facts/meti_dual_use_biologics_subsidy.csv"))
    text = " ".join(raw["value"].drop_nulls())
    for claim_id, printed, factor in (
        ("meti_2021_dual_use_budget", "227.38", 1e9),
        ("meti_2022_dual_use_call1_applications", "41", 1),
        ("meti_2022_dual_use_call1_applications_value", "569.1", 1e9),
        ("meti_2022_dual_use_call1_adopted", "17", 1),
        ("meti_2022_dual_use_call1_adopted_value", "226.5", 1e9),
        ("meti_2023_dual_use_call2_adopted", "23", 1),
        ("meti_2023_dual_use_call2_adopted_value", "95.5", 1e9),
    ):
        assert printed in text
        assert stated(claim_id) == pytest.approx(float(printed) * factor)
