from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ingest import edition, load, source
from ingest.errors import LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file

SOURCE = source.get("policy_events")
(PART,) = edition.read(SOURCE)
EVENTS = PART.tables["policy_event"]
SUBSIDY = "origin_facts/meti_dual_use_biologics_subsidy.csv"


def event(event_id: str) -> dict[str, object]:
    """One event by its id."""
    return EVENTS.row(by_predicate=pl.col("event_id") == event_id, named=True)


def test_the_programme_is_the_facts_at_hand() -> None:
    """Every amount, count and address of the programme stands in the facts."""
    facts = pl.read_csv(shared_file(SUBSIDY), infer_schema=False)
    ours = EVENTS.filter(pl.col("programme_name").str.contains("dual-use"))
    missing = set(ours["document_url"]) - set(facts["source_url"])
    assert missing == set()
    text = " ".join(facts.select(pl.concat_str("fact", "value", separator=": ", ignore_nulls=True))["fact"])
    stated = ours.select(
        pl.col("event_id"),
        (pl.col("amount") / 1e9).round(2).cast(pl.String).str.strip_suffix(".0").alias("amount_bn"),
        pl.coalesce("project_count", "application_count").cast(pl.String).alias("count"),
    ).filter(pl.col("amount_bn").is_not_null())
    assert stated.height == 4
    for row in stated.to_dicts():
        assert row["amount_bn"] in text, row
        assert row["count"] is None or row["count"] in text, row
    assert "decision 2022-09-30" in text and event("meti_2022_dual_use_call1_awards")["event_on"] == date(2022, 9, 30)


@pytest.mark.parametrize(
    ("event_id", "amount", "kind"),
    [
        ("meti_2021_dual_use_budget", 227.38e9, "budget"),
        ("meti_2022_dual_use_call1_applications", 569.1e9, "applied_for"),
        ("meti_2022_dual_use_call1_awards", 226.5e9, "awarded"),
        ("meti_2023_dual_use_call2_awards", 95.5e9, "awarded"),
        ("mof_2021_05_vaccine_import_peak", 126.3e9, "trade_value"),
        ("mhlw_2019_production_survey_change", 5.5e9, "production_value"),
    ],
)
def test_amounts_in_whole_yen(event_id: str, amount: float, kind: str) -> None:
    row = event(event_id)
    assert (row["amount"], row["amount_kind"], row["currency"]) == (amount, kind, "JPY")


def test_marks_of_series_are_the_facts_at_hand() -> None:
    trade = pl.read_csv(shared_file("origin_facts/japan_trade_statistics_quotes.csv"), infer_schema=False)
    peak = trade.filter(pl.col("period") == "2021-05").row(0, named=True)
    row = event("mof_2021_05_vaccine_import_peak")
    assert (float(peak["value"]) * 1e9, peak["source_url"]) == (row["amount"], row["document_url"])
    production = pl.read_csv(shared_file("origin_facts/mhlw_yakuji_annual_totals_from_news.csv"), infer_schema=False)
    change = production.filter(pl.col("year") == "2019").row(0, named=True)
    assert "regenerative products first surveyed: production 5.5" in change["note"]
    assert change["source_url"] == event("mhlw_2019_production_survey_change")["document_url"]


def test_every_event_says_how_exactly_it_is_dated() -> None:
    same_day = EVENTS.filter(pl.col("event_precision") == "document_day")
    assert same_day.height > 0
    assert same_day.filter(pl.col("event_on") != pl.col("published_on")).is_empty()
    assert (
        EVENTS["note"].drop_nulls().str.contains("day of access").sum()
        == (EVENTS["published_on"] == PART.published_on).sum()
    )


def test_the_edition_loads_and_a_wrong_value_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (record,) = load.load_bundled(settings, SOURCE)
    assert (record.row_count, record.rows_quarantined) == (EVENTS.height, 0)
    path = tmp_path / "policy_event.csv"
    text = (SOURCE.edition_dir / "policy_event.csv").read_text(encoding="utf-8")
    path.write_text(text.replace("2022-09-30,day", "30 September 2022,day"), encoding="utf-8")
    with pytest.raises(LayoutError, match="event_on"):
        load.parse_files(SOURCE, load.in_hand(SOURCE, [path]))
    path.write_text(text, encoding="utf-8")
    assert load.parse_files(SOURCE, load.in_hand(SOURCE, [path])).tables["policy_event"].height == EVENTS.height
