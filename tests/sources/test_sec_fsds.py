"""Financial Statement Data Sets: a whole real quarter, Lilly's real revenue lines, and what can go wrong."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import edition, fetch, load
from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from ingest.sources.sec_fsds import fetch as fsds_fetch
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources import rnd, sec
from tests.sources.sec import QUARTER, SLICE, archive, fact, filing

CODE = "sec_fsds"
HOST = "www.sec.gov"
PATH = "/files/dera/data/financial-statement-data-sets/{}.zip"


def loaded(*paths: Path) -> rnd.Loaded:
    return rnd.load(CODE, *paths)


def sales(*paths: Path) -> pl.DataFrame:
    return loaded(*paths).tables["sales_observation"]


def millions(frame: pl.DataFrame, **where: object) -> dict[str, float]:
    rows = frame.filter(**where).select("product_name", pl.col("value") / 1e6).iter_rows()
    return {name: round(value, 3) for name, value in rows}


@pytest.fixture(scope="module")
def quarter() -> rnd.Loaded:
    return loaded(shared_file(QUARTER))


@pytest.fixture(scope="module")
def lilly() -> pl.DataFrame:
    return sales(shared_file(SLICE))


# A whole quarter of the publisher


def test_figures_of_the_quarter(quarter: rnd.Loaded) -> None:
    rows = quarter.tables["sales_observation"].select("seller_name", "seller_code", "period_end", "value").rows()
    assert sorted(rows) == [
        ("FOREST LABORATORIES INC", "0000038074", date(2008, 3, 31), 3_836_329_000.0),
        ("FOREST LABORATORIES INC", "0000038074", date(2009, 3, 31), 3_922_782_000.0),
        ("FOREST LABORATORIES INC", "0000038074", date(2010, 3, 31), 4_192_862_000.0),
        ("GENZYME CORP", "0000732485", date(2007, 12, 31), 3_813_519_000.0),
        ("GENZYME CORP", "0000732485", date(2008, 12, 31), 4_605_039_000.0),
        ("GENZYME CORP", "0000732485", date(2009, 12, 31), 4_515_525_000.0),
    ]
    spending = quarter.tables["rnd_observation"].select("entity_name", "period_end", "value").rows()
    assert ("FOREST LABORATORIES INC", date(2010, 3, 31), 1_053_561_000.0) in spending
    assert ("GENZYME CORP", date(2009, 12, 31), 865_257_000.0) in spending
    assert len(spending) == 6


def test_every_line_of_the_quarter_is_accounted_for(quarter: rnd.Loaded) -> None:
    kept = sum(table.height for table in quarter.tables.values())
    assert quarter.parsed.rows_read == 136_044
    assert kept + sum(quarter.dropped.values()) == 136_044
    assert quarter.rejected.height == 0
    assert quarter.dropped["not_twelve_months"] == 118_697


def test_the_quarter_tells_what_it_is(quarter: rnd.Loaded) -> None:
    assert (quarter.parsed.partition, quarter.parsed.published_on) == ("2010q2", date(2024, 11, 22))


def test_lineage_leads_to_the_line_and_to_the_filing(quarter: rnd.Loaded) -> None:
    row = quarter.tables["sales_observation"].filter(value=4_192_862_000.0).row(0, named=True)
    assert row["locator"] == "num.txt line 96781"
    with zipfile.ZipFile(shared_file(QUARTER)) as held:
        line = held.read("num.txt").decode().split("\n")[96_780]
    assert line.split("\t")[:5] == ["0000038074-10-000009", "Revenues", "us-gaap/2009", "20100331", "4"]
    assert row["document_url"] == "https://www.sec.gov/Archives/edgar/data/38074/000003807410000009/"
    assert row["note"].startswith("us-gaap:Revenues, 10-K filed 2010-05-26; the filing also states")
    assert (row["period_start"], row["period_basis"]) == (date(2009, 4, 1), "fiscal_year")
    assert (row["value_origin"], row["status"]) == ("publisher_bytes", "reported")


def test_a_quarter_is_read_in_less_than_three_seconds() -> None:
    files = [rnd.in_hand(shared_file(QUARTER))]
    parse = rnd.source_of(CODE).parse
    started = time.perf_counter()
    parse(files)
    assert time.perf_counter() - started < 3


def test_blocks_of_any_size_give_the_same_rows(quarter: rnd.Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.sources.sec_fsds.parse._BLOCK", 500_000)
    again = loaded(shared_file(QUARTER))
    assert again.dropped == quarter.dropped
    for name, table in quarter.tables.items():
        assert rnd.same_rows(again.tables[name], table)


# Products: Lilly's revenue of FY2025


def test_products_of_lilly(lilly: pl.DataFrame) -> None:
    assert millions(lilly, market_iso3="WLD", row_kind="product") == {
        "Mounjaro": 22_966,
        "Zepbound": 13_542,
        "Verzenio": 5_723,
        "Trulicity": 4_276,
        "Taltz": 3_563,
        "Jardiance": 3_432,
    }
    assert millions(lilly, market_iso3="USA", row_kind="product")["Zepbound"] == 13_484
    assert millions(lilly, market_iso3="XUS", row_kind="product")["Zepbound"] == 58


def test_groups_of_products_and_kinds_of_revenue_are_totals(lilly: pl.DataFrame) -> None:
    assert millions(lilly, market_iso3="WLD", row_kind="total") == {
        "All products": 65_179,
        "Product": 60_958,
        "CollaborationandOtherRevenue": 4_221,
        "CardiometabolicHealth": 48_221,
        "Oncology": 9_376,
        "Immunology": 5_247,
    }
    note = lilly.filter(product_name="Oncology", market_iso3="USA")["note"].item()
    assert note.endswith("; a group: OtherOncology, Verzenio")


def test_what_the_company_calls_other_products_is_a_remainder(lilly: pl.DataFrame) -> None:
    rest = millions(lilly, market_iso3="WLD", row_kind="remainder")
    assert rest == {
        "OtherCardiometabolicHealth": 4_006,
        "OtherOncology": 3_653,
        "OtherImmunology": 1_684,
        "OtherProductTotal": 943,
        "Neuroscience": 1_391,
    }


@pytest.mark.parametrize("market", ["WLD", "USA", "XUS"])
def test_nothing_is_counted_twice(lilly: pl.DataFrame, market: str) -> None:
    rows = lilly.filter(market_iso3=market)
    leaves = rows.filter(pl.col("row_kind") != "total")["value"].sum()
    revenue = rows.filter(row_kind="total", product_name="All products")["value"].item()
    # Jardiance's arrangements and collaborations are not told by market; the rest is rounding.
    assert leaves == pytest.approx(revenue, abs=2e6)
    assert leaves <= 1.02 * revenue


def test_sums_are_marked_as_ours(lilly: pl.DataFrame) -> None:
    row = lilly.filter(product_name="Zepbound", market_iso3="WLD").row(0, named=True)
    assert (row["status"], row["value_origin"]) == ("derived", "computed")
    assert row["locator"] == "line 2 + line 38"
    assert "sum of the United States and the rest of the world" in row["note"]
    stated = lilly.filter(product_name="Jardiance", market_iso3="WLD").row(0, named=True)
    assert (stated["status"], stated["value_origin"], stated["locator"]) == (
        "reported",
        "republished_copy",
        "line 18",
    )


def test_only_products_have_a_code(lilly: pl.DataFrame) -> None:
    assert (lilly["product_code"].is_not_null() == (lilly["row_kind"] == "product")).all()
    assert lilly.filter(row_kind="product")["product_code_system"].unique().to_list() == ["sec_member"]


def test_revenue_by_country(lilly: pl.DataFrame) -> None:
    totals = lilly.filter(product_name="All products").select("market_iso3", pl.col("value") / 1e6)
    assert dict(totals.iter_rows()) == {"WLD": 65_179, "USA": 43_481, "XUS": 21_698, "JPN": 2_132, "CHN": 1_951}


def test_what_is_left_out_of_the_extract_is_counted() -> None:
    result = loaded(shared_file(SLICE))
    assert result.parsed.rows_read == 41
    # Two arrangements of Jardiance, the one segment, Europe and the rest of the world.
    assert result.dropped == {"further_breakdown": 2, "by_segment": 1, "market_without_country": 2}
    assert result.tables["sales_observation"].filter(pl.col("value_origin") != "computed").height == 41 - 5
    assert (result.parsed.partition, result.parsed.published_on) == ("2026q1", date(2026, 2, 12))


def test_an_archive_with_the_same_lines_gives_the_same_rows(lilly: pl.DataFrame, tmp_path: Path) -> None:
    whole = loaded(archive(tmp_path / "2026q1.zip", shared_file(SLICE).read_text()))
    assert (whole.parsed.partition, whole.parsed.published_on) == ("2026q1", date(2026, 4, 10))
    rows = whole.tables["sales_observation"]
    figures = ["row_kind", "product_name", "market_iso3", "value", "status"]
    assert rows.select(figures).sort(figures).equals(lilly.select(figures).sort(figures))
    assert set(rows["value_origin"]) == {"publisher_bytes", "computed"}


# Rules


def test_an_archive_of_the_old_layout_names_the_remedy(tmp_path: Path) -> None:
    old = [column for column in sec.NUM if column != "segments"]
    path = archive(tmp_path / "2019q1.zip", [fact(5e9)], columns=old)
    with pytest.raises(LayoutError, match="no column segments") as caught:
        loaded(path)
    assert "download the re-issued archive" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"qtrs": "1"}, "not_twelve_months"),
        ({"coreg": "LillyUSA"}, "co_registrant"),
        ({"tag": "CostOfRevenue"}, "other_concept"),
        ({"version": "0000059478-26-000013"}, "other_concept"),
        ({"uom": "shares"}, "no_amount_of_money"),
        ({"value": ""}, "no_value"),
        ({"ddate": "20261231"}, "after_the_balance_sheet"),
        ({"segments": "LegalEntity=LillyKorea;"}, "further_breakdown"),
        ({"segments": "BusinessSegments=HumanPharma;"}, "by_segment"),
        ({"segments": "Geographical=Europe;"}, "market_without_country"),
        ({"uom": "JPY"}, "translated_into_another_currency"),
    ],
)
def test_facts_left_out_by_rule(tmp_path: Path, change: dict[str, str], rule: str) -> None:
    others = [fact(5e9), fact(1e9, "Geographical=US;")]
    result = loaded(archive(tmp_path / "2026q1.zip", [*others, {**fact(7e9), **change}]))
    assert result.dropped == {rule: 1}
    assert result.tables["sales_observation"]["value"].to_list() == [5e9, 1e9]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"sic": "3711"}, "other_industry"),
        ({"sic": ""}, "other_industry"),
        ({"form": "10-Q", "fp": "Q1"}, "interim_filing"),
        ({"form": "10-Q/A", "fp": "FY"}, "interim_filing"),
        ({"form": "8-K", "fp": "Q2"}, "interim_filing"),
    ],
)
def test_filings_left_out_by_rule(tmp_path: Path, change: dict[str, str], rule: str) -> None:
    other = filing(adsh="0000000001-26-000001", cik="1", name="OTHER", **change)
    facts = [fact(5e9), fact(7e9, adsh=other["adsh"])]
    result = loaded(archive(tmp_path / "2026q1.zip", facts, [filing(), other]))
    assert result.dropped == {rule: 1}
    assert result.tables["sales_observation"]["value"].to_list() == [5e9]


@pytest.mark.parametrize(
    "change", [{"form": "20-F"}, {"form": "10-K/A"}, {"form": "8-K", "fp": "FY"}, {"sic": "8731"}]
)
def test_filings_taken(tmp_path: Path, change: dict[str, str]) -> None:
    result = loaded(archive(tmp_path / "2026q1.zip", [fact(5e9)], [filing(**change)]))
    assert result.tables["sales_observation"]["value"].to_list() == [5e9]


def test_years_of_comparison_are_rows_of_their_own(tmp_path: Path) -> None:
    facts = [fact(65e9), fact(45e9, ddate="20241231"), fact(34e9, ddate="20231231")]
    rows = sales(archive(tmp_path / "2026q1.zip", facts)).sort("period_end")
    assert rows.select("period_start", "period_end", "value").rows() == [
        (date(2023, 1, 1), date(2023, 12, 31), 34e9),
        (date(2024, 1, 1), date(2024, 12, 31), 45e9),
        (date(2025, 1, 1), date(2025, 12, 31), 65e9),
    ]
    assert ["figure of an earlier year" in note for note in rows["note"]] == [True, True, False]


@pytest.mark.parametrize(
    ("ddate", "start"),
    [("20250630", "2024-07-01"), ("20130228", "2012-03-01"), ("20240229", "2023-03-01"), ("20251231", "2025-01-01")],
)
def test_a_year_begins_on_the_first_of_a_month(tmp_path: Path, ddate: str, start: str) -> None:
    rows = sales(archive(tmp_path / "2026q1.zip", [fact(5e9, ddate=ddate)]))
    assert rows["period_start"].to_list() == [date.fromisoformat(start)]


def test_of_two_filings_of_a_year_the_later_one_is_taken_and_says_so(tmp_path: Path) -> None:
    amended = filing(adsh="0000059478-26-000099", form="10-K/A", filed="20260320")
    facts = [fact(65e9), fact(1e9, tag="ResearchAndDevelopmentExpense"), fact(64e9, adsh=amended["adsh"])]
    result = loaded(archive(tmp_path / "2026q1.zip", facts, [filing(), amended]))
    row = result.tables["sales_observation"].row(0, named=True)
    assert (row["value"], result.tables["sales_observation"].height) == (64e9, 1)
    assert "before 65000000000 (filing 0000059478-26-000013 of 2026-02-12)" in row["note"]
    # The amendment says nothing of R&D, so the first filing stands there.
    assert result.tables["rnd_observation"]["value"].to_list() == [1e9]
    assert result.dropped == {"superseded_by_later_filing": 1}


def test_spending_without_acquired_projects_comes_first(tmp_path: Path) -> None:
    tags = {
        "ResearchAndDevelopmentExpense": 483e6,
        "ResearchAndDevelopmentExpenseExcludingAcquiredInProcessCost": 15e9,
    }
    result = loaded(archive(tmp_path / "2026q1.zip", [fact(value, tag=tag) for tag, value in tags.items()]))
    row = result.tables["rnd_observation"].row(0, named=True)
    assert (row["value"], row["entity_code"], row["entity_iso3"], row["lens"]) == (15e9, "0000059478", "USA", "filer")
    assert row["note"].endswith("the filing also states us-gaap:ResearchAndDevelopmentExpense 483000000")


def test_foreign_filers_keep_their_currency_and_taxonomy(tmp_path: Path) -> None:
    novo = filing(adsh="0000353278-26-000001", cik="353278", name="NOVO NORDISK A S", form="20-F", countryba="DK")
    ifrs = {"adsh": novo["adsh"], "version": "ifrs/2024", "uom": "DKK"}
    facts = [
        fact(122_021e6, tag="Revenue", **ifrs),
        fact(58e9, "ProductsAndServices=Ozempic;", tag="Revenue", **ifrs),
        fact(40e9, "GeographicalAreas=US;ProductsAndServices=Ozempic;", tag="Revenue", **ifrs),
        fact(14_220e6, tag="ResearchAndDevelopmentExpense", **ifrs),
    ]
    result = loaded(archive(tmp_path / "2026q1.zip", facts, [filing(), novo]))
    rows = result.tables["sales_observation"].sort("value")
    assert rows.select("row_kind", "product_name", "market_iso3", "currency").rows() == [
        ("product", "Ozempic", "USA", "DKK"),
        ("product", "Ozempic", "WLD", "DKK"),
        ("total", "All products", "WLD", "DKK"),
    ]
    assert result.tables["rnd_observation"].select("currency", "entity_iso3").rows() == [("DKK", "DNK")]


def test_a_third_region_forbids_the_sum(tmp_path: Path) -> None:
    """Johnson & Johnson's Remicade: the United States, exports from them, and the rest."""
    facts = [
        fact(1009e6, "Geographical=US;ProductOrService=Remicade;"),
        fact(98e6, "Geographical=UNITEDSTATESExports;ProductOrService=Remicade;"),
        fact(497e6, "Geographical=NonUs;ProductOrService=Remicade;"),
    ]
    rows = sales(archive(tmp_path / "2026q1.zip", facts))
    assert sorted(rows["market_iso3"]) == ["USA", "XUS"]


def test_products_within_segments_keep_them_and_devices_are_left_out(tmp_path: Path) -> None:
    pharma = "BusinessSegments=InnovativeMedicine;ConsolidationItems=OperatingSegments;ProductOrService=Stelara;"
    facts = [
        fact(10_361e6, pharma + "Subsegments=Immunology;"),
        fact(3_049e6, "BusinessSegments=MedTech;ProductOrService=TRAUMA;Subsegments=Orthopaedics;"),
    ]
    result = loaded(archive(tmp_path / "2026q1.zip", facts))
    rows = result.tables["sales_observation"].select("product_name", "class_scheme", "class_code").rows()
    assert rows == [("Stelara", "filer_segment", "InnovativeMedicine/Immunology")]
    assert result.dropped == {"not_a_medicine": 1}


def test_products_that_exceed_the_revenue_are_rejected(tmp_path: Path) -> None:
    """Franchises and products of one year and market: nothing tells them apart, so nothing is published."""
    values = {"Care": 60, "Relief": 40, "A": 31, "B": 17, "C": 29}
    facts = [fact(100e6), *(fact(value * 1e6, f"ProductOrService={name};") for name, value in values.items())]
    result = loaded(archive(tmp_path / "2026q1.zip", facts))
    assert result.tables["sales_observation"].select("row_kind", "value").rows() == [("total", 100e6)]
    assert result.rejected.height == 5
    assert "add up to 177% of the company's revenue" in result.rejected["reason"][0]


def test_names_tell_where_arithmetic_does_not(tmp_path: Path) -> None:
    """Of a group whose members do not add up (one is missing), the company's own name for the rest speaks."""
    values = {"Oncology": 60, "OtherOncology": 13, "A": 31, "B": 38}
    facts = [fact(100e6), *(fact(value * 1e6, f"ProductOrService={name};") for name, value in values.items())]
    rows = sales(archive(tmp_path / "2026q1.zip", facts))
    assert dict(rows.select("product_name", "row_kind").iter_rows())["Oncology"] == "total"
    assert rows.filter(pl.col("row_kind") != "total")["value"].sum() == 82e6


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{adsh}\tRevenues\tus-gaap/2025\t20251231\t4\tUSD\t\t5.0\t", "the line has 9 fields, the header 10"),
        ("{adsh}\tRevenues\tus-gaap/2025\t20251331\t4\tUSD\t\t\t5.0\t", "the date or the value is none"),
        ("{adsh}\tRevenues\tus-gaap/2025\t20251231\t4\tUSD\t\t\tmany\t", "the date or the value is none"),
        ("{adsh}\tRevenues\tus-gaap/2025\t20251231\t4\tUSD\t\t\tinf\t", "the date or the value is none"),
        ("0-0-0\tRevenues\tus-gaap/2025\t20251231\t4\tUSD\t\t\t5.0\t", "sub.txt does not list the filing"),
    ],
)
def test_lines_that_cannot_be_read_are_rejected(tmp_path: Path, text: str, reason: str) -> None:
    good = sec.table([fact(5e9)], sec.NUM)
    result = loaded(archive(tmp_path / "2026q1.zip", good + text.format(adsh=sec.LILLY["adsh"]) + "\n"))
    assert result.rejected.select("locator", "reason").rows() == [("num.txt line 3", reason)]
    assert result.tables["sales_observation"]["value"].to_list() == [5e9]


def test_a_footnote_in_latin_letters_of_another_encoding_is_no_obstacle(tmp_path: Path) -> None:
    text = sec.table([fact(5e9, footnote="Société"), fact(2e9, "Geographical=US;")], sec.NUM)
    assert sales(archive(tmp_path / "2026q1.zip", text.encode("latin-1")))["value"].to_list() == [5e9, 2e9]


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    rows = [fact(5e9), fact(2e9, "Geographical=US;")]
    turned = sales(archive(tmp_path / "2026q1.zip", rows, columns=sec.NUM[::-1]))
    assert turned["value"].to_list() == [5e9, 2e9]


@pytest.mark.parametrize(
    ("facts", "filings", "problem"),
    [
        ([fact(5e9)], [], "there is no filing"),
        ([fact(5e9)], [filing(), filing()], "a filing stands twice"),
        ([fact(5e9)], [filing(filed="soon")], "lacks its number, filer, form or date"),
        ([fact(5e9)], [filing(cik="Lilly")], "lacks its number, filer, form or date"),
        ("adsh\tvalue\n1\t2\n", [filing()], "lacks tag, version"),
        ("\t".join(sec.NUM) + "\n", [filing()], "no fact follows the header"),
        ("\t".join([*sec.NUM, "adsh"]) + "\n1\n", [filing()], "repeats a column"),
        (b"\xff\xfe" + sec.table([fact(5e9)], sec.NUM).encode("utf-16-le"), [filing()], "zero bytes"),
    ],
)
def test_wrong_archives_are_named_errors(tmp_path: Path, facts: Any, filings: Any, problem: str) -> None:
    with pytest.raises(LayoutError, match=problem):
        loaded(archive(tmp_path / "2026q1.zip", facts, filings))


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "2026q1.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("data.csv", "a,b\n" + "1,2\n" * 500)
    with pytest.raises(LayoutError, match=r"holds no sub\.txt"):
        rnd.source_of(CODE).parse([rnd.in_hand(path)])


def test_quarters_are_loaded_one_by_one(tmp_path: Path) -> None:
    one = archive(tmp_path / "2026q1.zip", [fact(5e9)])
    two = archive(tmp_path / "2025q1.zip", [fact(5e9)], [filing(filed="20250210")])
    with pytest.raises(LayoutError, match=r"2025q1\.zip is of 2025q1, 2026q1\.zip is of 2026q1"):
        loaded(one, two)


def test_an_extract_of_unknown_filings(tmp_path: Path) -> None:
    path = tmp_path / "num_of_somebody.txt"
    path.write_text(sec.table([fact(5e9, adsh="0000000001-26-000001")] * 5, sec.NUM))
    with pytest.raises(LayoutError, match="no filing is known") as caught:
        loaded(path)
    assert "filings.csv" in caught.value.remedy


def test_a_cut_or_wrong_file_does_not_pass_the_gate(tmp_path: Path) -> None:
    cut = tmp_path / "2010q2.zip"
    cut.write_bytes(shared_file(QUARTER).read_bytes()[:200_000])
    with pytest.raises(GateError, match="cut off or damaged"):
        loaded(cut)
    page = tmp_path / "2010q3.zip"
    page.write_text("<html>Your Request Originates from an Undeclared Automated Tool</html>" + " " * 2000)
    with pytest.raises(GateError, match="HTML page"):
        loaded(page)


CELL = st.sampled_from(
    ["", "4", "Revenues", "20251231", "－", "１２", "Geographical=US;", "x\ty", "ProductOrService=;", "=;"]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_gives_right_rows_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    text = shared_file(SLICE).read_text()
    lines = [line.split("\t") for line in text.rstrip("\n").split("\n")]
    known = sales(shared_file(SLICE))
    figures = {tuple(row) for row in known.select("product_name", "market_iso3", "value").rows()}
    kind = data.draw(st.sampled_from(["drop", "repeat", "shuffle", "columns", "cell", "blank", "encode"]))
    if kind == "drop":
        column = data.draw(st.integers(0, 9))
        lines = [line[:column] + line[column + 1 :] for line in lines]
    elif kind == "repeat":
        lines.insert(data.draw(st.integers(1, 41)), lines[data.draw(st.integers(1, 41))])
    elif kind == "shuffle":
        lines = [lines[0], *data.draw(st.permutations(lines[1:]))]
    elif kind == "columns":
        order = data.draw(st.permutations(range(10)))
        lines = [[line[column] for column in order] for line in lines]
    elif kind == "cell":
        lines[data.draw(st.integers(0, 41))][data.draw(st.integers(0, 9))] = data.draw(CELL)
    elif kind == "blank":
        lines.insert(data.draw(st.integers(0, 41)), data.draw(st.sampled_from([[""], [" "], [""] * 10])))
    changed = "\n".join("\t".join(line) for line in lines) + "\n"
    encoding = data.draw(st.sampled_from(["utf-16", "utf-8-sig", "cp1252"])) if kind == "encode" else "utf-8"
    path = tmp_path / "num_changed.txt"
    path.write_bytes(changed.encode(encoding, errors="replace"))
    try:
        result = loaded(path)
    except IngestError:
        return
    rows = result.tables.get("sales_observation", known.clear()).filter(pl.col("value_origin") != "computed")
    if kind != "cell":
        assert {tuple(row) for row in rows.select("product_name", "market_iso3", "value").rows()} <= figures
    assert rows["value"].is_finite().all()
    leaves = rows.filter(pl.col("row_kind") != "total", market_iso3="USA")["value"].sum()
    assert leaves <= 1.02 * 43_481e6


# Fetching


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def fetched(settings: Settings, publisher: Publisher, **environment: str) -> list[fetch.Fetched]:
    return fetch.fetch_source(
        settings, rnd.source_of(CODE), routes=publisher.routes(HOST), environment={**sec.LILLY_CONTACT, **environment}
    )


def test_from_the_publisher_to_the_lake(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH.format("2010q2"), Answer(shared_file(QUARTER).read_bytes()))
    items = fetched(settings, publisher, BIOPHARMA_SEC_QUARTERS="2010q2")
    groups = fetch.editions_of(items)
    assert list(groups) == ["2010q2"]
    record = load.load_archived(settings, rnd.source_of(CODE), [item.file for item in groups["2010q2"]])
    assert (record.partition, record.published_on, record.row_count, record.rows_read) == (
        "2010q2",
        "2024-11-22",
        12,
        136_044,
    )
    assert publisher.seen[0].headers["user-agent"] == sec.LILLY_CONTACT["BIOPHARMA_USER_AGENT"]


def test_a_quarter_that_is_not_published_yet_is_left_out(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = ["2010q1", "2010q2", "2010q3"]
    monkeypatch.setattr(fsds_fetch, "quarters", lambda today: known)
    publisher.serve(HOST, PATH.format("2010q2"), Answer(shared_file(QUARTER).read_bytes()))
    assert [item.download.name for item in fetched(settings, publisher, BIOPHARMA_SEC_QUARTERS="2")] == ["2010q2.zip"]
    assert "2010q3.zip is not published yet" in caplog.text
    # One that must be there is an error.
    with pytest.raises(fetch.FetchError, match="HTTP 404"):
        fetched(settings, publisher, BIOPHARMA_SEC_QUARTERS="3")


@pytest.mark.parametrize("agent", [None, "", "biopharma-warehouse/0.1"])
def test_without_a_contact_nothing_is_asked(settings: Settings, publisher: Publisher, agent: str | None) -> None:
    environment = {} if agent is None else {"BIOPHARMA_USER_AGENT": agent}
    with pytest.raises(fetch.FetchError, match="BIOPHARMA_USER_AGENT holds none") as caught:
        fetch.fetch_source(settings, rnd.source_of(CODE), routes=publisher.routes(HOST), environment=environment)
    assert "e-mail" in str(caught.value)
    assert publisher.seen == []


def test_quarters_that_have_ended() -> None:
    known = fsds_fetch.quarters(date(2026, 11, 22))
    assert (known[0], known[-1], len(known)) == ("2009q2", "2026q3", 70)
    assert fsds_fetch.quarters(date(2027, 1, 1))[-1] == "2026q4"
    assert fsds_fetch.quarters(date(2026, 12, 31))[-1] == "2026q3"


def test_quarters_that_the_user_asks_for() -> None:
    known = fsds_fetch.quarters(date(2026, 11, 22))
    assert fsds_fetch.chosen(None, known) == known[-8:]
    assert fsds_fetch.chosen("all", known) == known
    assert fsds_fetch.chosen("2", known) == ["2026q2", "2026q3"]
    assert fsds_fetch.chosen("2020q2, 2020Q1", known) == ["2020q1", "2020q2"]
    for wrong in ("2026q4", "2020", "0", "-1", "", "2020q1,"):
        with pytest.raises(fetch.FetchError, match="BIOPHARMA_SEC_QUARTERS"):
            fsds_fetch.chosen(wrong, known)


# The bundled edition


def test_the_bundled_edition_is_what_the_files_give(quarter: rnd.Loaded, lilly: pl.DataFrame) -> None:
    parts = edition.read(rnd.source_of(CODE))
    assert [(part.partition, part.published_on) for part in parts] == [
        ("2010q2", date(2024, 11, 22)),
        ("2026q1", date(2026, 2, 12)),
    ]
    expected = pl.concat([quarter.tables["sales_observation"], lilly])
    columns = [name for name in expected.columns if name not in ("edition_id", "ingested_at", "published_on")]
    found = rnd.bundled(CODE, "sales_observation").select(columns)
    assert found.sort(pl.all()).equals(expected.select(columns).sort(pl.all()))
    assert rnd.bundled(CODE, "rnd_observation").height == 6
