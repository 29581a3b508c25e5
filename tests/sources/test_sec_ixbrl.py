"""Annual reports in Inline XBRL: products of AbbVie and Johnson & Johnson, tied to the companies' own totals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import edition, fetch, load, vocabulary
from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources import rnd, sec

CODE = "sec_ixbrl"
ABBVIE = "sec_edgar/ixbrl_10k/abbv-20241231_10-K_filed_2025-02-14.htm"
JNJ = "sec_edgar/ixbrl_10k/jnj-20241229_10-K_filed_2025-02-13.htm"

DOCUMENT = """<?xml version='1.0' encoding='ASCII'?>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:ix="http://www.xbrl.org/2013/inlineXBRL"
 xmlns:xbrli="http://www.xbrl.org/2003/instance" xmlns:xbrldi="http://xbrl.org/2006/xbrldi"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ixt="http://www.xbrl.org/inlineXBRL/transformation/2020-02-12">
<head><title>synthetic report</title></head><body>{padding}<div style="display:none"><ix:header><ix:resources>
<xbrli:context id="year"><xbrli:entity><xbrli:identifier scheme="http://www.sec.gov/CIK">0000000001</xbrli:identifier>
</xbrli:entity><xbrli:period><xbrli:startDate>2024-01-01</xbrli:startDate><xbrli:endDate>2024-12-31</xbrli:endDate>
</xbrli:period></xbrli:context>
<xbrli:context id="typed"><xbrli:entity><xbrli:identifier scheme="http://www.sec.gov/CIK">0000000001</xbrli:identifier>
<xbrli:segment><xbrldi:typedMember dimension="srt:MajorCustomersAxis"><x>Some</x></xbrldi:typedMember></xbrli:segment>
</xbrli:entity><xbrli:period><xbrli:startDate>2024-01-01</xbrli:startDate><xbrli:endDate>2024-12-31</xbrli:endDate>
</xbrli:period></xbrli:context>
<xbrli:unit id="usd"><xbrli:measure>iso4217:USD</xbrli:measure></xbrli:unit>
</ix:resources></ix:header>
<ix:nonNumeric contextRef="year" name="dei:EntityCentralIndexKey">0000000001</ix:nonNumeric>
<ix:nonNumeric contextRef="year" name="dei:EntityRegistrantName">Example &#160;Therapeutics</ix:nonNumeric>
<ix:nonNumeric contextRef="year" name="dei:DocumentType">10-K</ix:nonNumeric></div>
<p>{figures}</p></body></html>
"""
REVENUE = (
    '<ix:nonFraction contextRef="{context}" unitRef="usd" name="us-gaap:Revenues" {attributes} id="{id}">'
    "{text}</ix:nonFraction>"
)


def figure(text: str, attributes: str = 'format="ixt:num-dot-decimal" scale="6"', context: str = "year") -> str:
    return REVENUE.format(text=text, attributes=attributes, context=context, id=f"f-{len(text)}{len(attributes)}")


def write(folder: Path, *figures: str, name: str = "x_filed_2025-03-01.htm") -> Path:
    path = folder / name
    path.write_text(DOCUMENT.format(figures="".join(figures), padding="<p>" + "text " * 3000 + "</p>"))
    return path


@pytest.fixture(scope="module")
def abbvie() -> rnd.Loaded:
    return rnd.load(CODE, shared_file(ABBVIE))


@pytest.fixture(scope="module")
def jnj() -> rnd.Loaded:
    return rnd.load(CODE, shared_file(JNJ))


def millions(result: rnd.Loaded, product: str, market: str = "WLD") -> list[float]:
    rows = result.tables["sales_observation"].filter(product_name=product, market_iso3=market).sort("period_end")
    return [value / 1e6 for value in rows["value"]]


def test_humira_stelara_darzalex(abbvie: rnd.Loaded, jnj: rnd.Loaded) -> None:
    assert millions(abbvie, "HUMIRA") == [21_237, 14_404, 8_993]
    assert millions(abbvie, "HUMIRA", "USA") == [18_619, 12_160, 7_142]
    assert millions(abbvie, "HUMIRA", "XUS") == [2_618, 2_244, 1_851]
    assert millions(jnj, "Stelara")[-1] == 10_361
    assert millions(jnj, "DARZALEX")[-1] == 11_670
    assert millions(abbvie, "All products") == [58_054, 54_318, 56_334]
    assert millions(jnj, "All products") == [79_990, 85_159, 88_821]


def test_products_of_abbvie_add_up_to_its_revenue(abbvie: rnd.Loaded) -> None:
    """Creon is sold in the United States only and is stated there alone; with it the sum is exact."""
    rows = abbvie.tables["sales_observation"].filter(period_end=date(2024, 12, 31))
    leaves = rows.filter(pl.col("row_kind") != "total", market_iso3="WLD")["value"].sum()
    creon = rows.filter(product_name="Creon").select("market_iso3", "value").rows()
    assert creon == [("USA", 1_383e6)]
    assert leaves + 1_383e6 == 56_334e6


def test_medicines_of_johnson_and_johnson_add_up_to_the_segment(jnj: rnd.Loaded) -> None:
    """Innovative Medicine: USD 56,964 million in 2024, as the company states for the segment; the rest is devices."""
    rows = jnj.tables["sales_observation"].filter(period_end=date(2024, 12, 29), market_iso3="WLD")
    leaves = rows.filter(pl.col("row_kind") != "total")
    assert leaves["value"].sum() == pytest.approx(56_964e6, abs=3e6)
    assert leaves["class_code"].str.contains("^(InnovativeMedicine|Pharmaceutical)/").all()
    assert jnj.dropped["not_a_medicine"] == 108


@pytest.mark.parametrize("market", ["WLD", "USA", "XUS"])
def test_products_do_not_exceed_revenue(abbvie: rnd.Loaded, jnj: rnd.Loaded, market: str) -> None:
    for result in (abbvie, jnj):
        rows = result.tables["sales_observation"].filter(market_iso3=market)
        revenue = rows.filter(product_name="All products").select("period_end", revenue="value")
        leaves = rows.filter(pl.col("row_kind") != "total").group_by("period_end").agg(pl.col("value").sum())
        checked = leaves.join(revenue, on="period_end")
        # AbbVie states its revenue for the United States and single countries, not for the rest as a whole.
        assert checked.height == (0 if market == "XUS" and result is abbvie else 3)
        assert (checked["value"] <= 1.02 * checked["revenue"]).all()
        assert result.rejected.height == 0


def test_periods_are_exact(jnj: rnd.Loaded) -> None:
    rows = jnj.tables["sales_observation"].filter(product_name="All products", market_iso3="WLD")
    assert sorted(rows.select("period_start", "period_end").rows()) == [
        (date(2022, 1, 3), date(2023, 1, 1)),
        (date(2023, 1, 2), date(2023, 12, 31)),
        (date(2024, 1, 1), date(2024, 12, 29)),
    ]


def test_spending_on_research(abbvie: rnd.Loaded, jnj: rnd.Loaded) -> None:
    for result, expected in ((abbvie, [6_510, 7_675, 12_791]), (jnj, [14_135, 15_085, 17_232])):
        rows = result.tables["rnd_observation"].sort("period_end")
        assert [value / 1e6 for value in rows["value"]] == expected
    assert jnj.dropped["rnd_by_dimension"] == 6


def test_two_sources_of_the_same_filing_agree(jnj: rnd.Loaded) -> None:
    facts = json.loads(shared_file("sec_edgar/companyfacts/companyfacts_jnj_trimmed.json").read_bytes())
    units = facts["facts"]["us-gaap"]["RevenueFromContractWithCustomerExcludingAssessedTax"]["units"]["USD"]
    stated = {fact["end"]: fact["val"] for fact in units if fact["accn"] == "0000200406-25-000038"}
    rows = jnj.tables["sales_observation"].filter(product_name="All products", market_iso3="WLD")
    for end, value in rows.select("period_end", "value").iter_rows():
        assert stated[end.isoformat()] == value


def test_every_figure_is_accounted_for(abbvie: rnd.Loaded, jnj: rnd.Loaded) -> None:
    for result, read in ((abbvie, 2_235), (jnj, 2_994)):
        kept = pl.concat(table.select("value_origin") for table in result.tables.values())
        assert result.parsed.rows_read == read
        assert kept.filter(pl.col("value_origin") != "computed").height + sum(result.dropped.values()) == read


def test_lineage(abbvie: rnd.Loaded) -> None:
    row = abbvie.tables["sales_observation"].filter(product_name="HUMIRA", market_iso3="USA", value=7_142e6)
    assert row.select("locator", "value_origin", "class_code").rows() == [
        ("ix:nonFraction id f-2185", "republished_copy", "Immunology")
    ]
    assert row["document_url"].item() == "https://www.sec.gov/Archives/edgar/data/1551152/"
    assert (abbvie.parsed.partition, abbvie.parsed.published_on) == ("CIK0001551152 2024-12-31", date(2025, 2, 14))


@pytest.mark.parametrize(
    ("text", "attributes", "value"),
    [
        ("7,142", 'format="ixt:num-dot-decimal" scale="6"', 7_142e6),
        ("1.25", 'format="ixt:num-dot-decimal" scale="9"', 1.25e9),
        ("22,319.5", 'format="ixt:num-dot-decimal" scale="6"', 22_319.5e6),
        ("1.234,5", 'format="ixt:num-comma-decimal" scale="6"', 1_234.5e6),
        ("1,234", 'format="ixt:numdotdecimal"', 1234.0),
        ("1 234", 'format="ixt:numcommadecimal" scale="3"', 1_234e3),
        ("(<b>5</b>)".strip("()"), 'sign="-"', -5.0),
        ("&#8212;", 'format="ixt:fixed-zero" scale="6"', 0.0),
        ("100", "", 100.0),
    ],
)
def test_figures_are_read_by_their_format(tmp_path: Path, text: str, attributes: str, value: float) -> None:
    rows = rnd.load(CODE, write(tmp_path, figure(text, attributes))).tables["sales_observation"]
    assert rows["value"].to_list() == [value]
    assert rows["seller_name"].to_list() == ["Example Therapeutics"]


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("five", ""),
        ("7.142.000", ""),
        ("1,0001,000", ""),
        ("1,00", ""),
        ("5", 'format="ixt:numwordsen"'),
        ("5", 'scale="six"'),
        ("", ""),
    ],
)
def test_figures_that_cannot_be_read_are_rejected(tmp_path: Path, text: str, attributes: str) -> None:
    result = rnd.load(CODE, write(tmp_path, figure("5,000"), figure(text, attributes)))
    assert result.tables["sales_observation"]["value"].to_list() == [5e9]
    assert result.rejected["reason"].to_list() == ["the figure, its context or its unit cannot be read"]


def test_of_a_figure_stated_twice_the_precise_one_is_taken(tmp_path: Path) -> None:
    rounded = figure("1.3", 'decimals="-8" scale="9" format="ixt:num-dot-decimal"')
    exact = figure("1,284", 'decimals="-6" scale="6" format="ixt:num-dot-decimal"')
    result = rnd.load(CODE, write(tmp_path, rounded, exact))
    assert result.tables["sales_observation"]["value"].to_list() == [1_284e6]
    assert result.dropped == {"repeated_in_the_document": 1}


def test_nil_and_parts_of_revenue_are_left_out(tmp_path: Path) -> None:
    parts = [figure("5,000"), figure("10", context="typed"), figure("", 'xsi:nil="true"')]
    result = rnd.load(CODE, write(tmp_path, *parts))
    assert result.tables["sales_observation"]["value"].to_list() == [5e9]
    assert result.dropped == {"further_breakdown": 1, "other_concept": 1}


def test_a_name_as_fetched_tells_the_filing(tmp_path: Path) -> None:
    name = "0000000001-25-000007_10-K_filed_2025-03-01_example-20241231.htm"
    result = rnd.load(CODE, write(tmp_path, figure("5"), name=name))
    row = result.tables["sales_observation"].row(0, named=True)
    assert row["document_url"] == "https://www.sec.gov/Archives/edgar/data/1/000000000125000007/"
    assert row["value_origin"] == "publisher_bytes"


def test_what_is_no_annual_report_is_a_named_error(tmp_path: Path) -> None:
    for old, new, problem in (
        ("dei:EntityRegistrantName", "dei:Other", "whose it is .dei:EntityRegistrantName."),
        (">0000000001</ix:nonNumeric>", ">none</ix:nonNumeric>", "whose it is .dei:EntityCentralIndexKey."),
        ("us-gaap:Revenues", "us-gaap:Assets", "no figure of a fiscal year"),
        ("</html>", "", "is no XHTML"),
    ):
        path = write(tmp_path, figure("5"))
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        with pytest.raises(LayoutError, match=problem):
            rnd.source_of(CODE).parse([rnd.in_hand(path)])
    path = write(tmp_path, figure("5"), name="x_filed_2025-13-01.htm")
    with pytest.raises(LayoutError, match="day of filing is not known"):
        rnd.source_of(CODE).parse([rnd.in_hand(path)])
    with pytest.raises(LayoutError, match="there are 2 files"):
        rnd.source_of(CODE).parse([rnd.in_hand(path), rnd.in_hand(path)])
    with pytest.raises(GateError, match="matches no file"):
        rnd.load(CODE, write(tmp_path, figure("5"), name="x.htm"))


def test_entities_of_the_outside_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("7")
    path = write(tmp_path, figure("5"), figure("&outside;", 'scale="3"'))
    text = path.read_text().replace(
        "<html", f'<!DOCTYPE html [<!ENTITY outside SYSTEM "{secret.as_uri()}">]><html', 1
    )
    path.write_text(text)
    try:
        result = rnd.load(CODE, path)
    except IngestError:
        return
    assert 7e3 not in result.tables["sales_observation"]["value"].to_list()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_gives_known_figures_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    figures = [
        figure(f"{n},000", f'decimals="-6" scale="6" format="ixt:num-dot-decimal" class="c{n}"') for n in (1, 2)
    ]
    text = write(tmp_path, *figures).read_text()
    tags = [match.span() for match in re.finditer("<[^>]+>|[^<>]{3,40}", text)]
    start, end = data.draw(st.sampled_from(tags))
    kind = data.draw(st.sampled_from(["drop", "repeat", "replace"]))
    new = {"drop": "", "repeat": text[start:end] * 2, "replace": data.draw(st.sampled_from(["１", "<x/>", "—", "&"]))}
    path = tmp_path / "changed_filed_2025-03-01.htm"
    path.write_text(text[:start] + new[kind] + text[end:], encoding="utf-8")
    try:
        rows = rnd.load(CODE, path).tables["sales_observation"]
    except IngestError:
        return
    assert set(rows["value"]) <= {1e9, 2e9}


# Fetching


LISTINGS, DOCUMENTS = "data.sec.gov", "www.sec.gov"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def listing(**changes: Any) -> bytes:
    recent = {
        "accessionNumber": ["0000200406-26-000050", "0000200406-25-000038", "0000200406-24-000013"],
        "filingDate": ["2026-04-30", "2025-02-13", "2024-02-16"],
        "form": ["10-Q", "10-K", "10-K"],
        "primaryDocument": ["jnj-20260329.htm", "jnj-20241229.htm", "jnj-20231231.htm"],
        "isInlineXBRL": [1, 1, 1],
    }
    return json.dumps({"cik": "200406", "filings": {"recent": recent | changes}}).encode()


def fetched(home: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> list[fetch.Fetched]:
    listed = vocabulary.table("sec_filer").filter(cik="0000200406")
    with monkeypatch.context() as patched:
        patched.setattr(vocabulary, "table", lambda name: listed)
        return fetch.fetch_source(
            home,
            rnd.source_of(CODE),
            routes=publisher.routes(LISTINGS, DOCUMENTS),
            environment=sec.LILLY_CONTACT,
        )


def test_from_the_publisher_to_the_lake(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.serve(LISTINGS, "/submissions/CIK0000200406.json", Answer(listing()))
    path = "/Archives/edgar/data/200406/000020040625000038/jnj-20241229.htm"
    publisher.serve(DOCUMENTS, path, Answer(shared_file(JNJ).read_bytes()))
    (item,) = fetched(settings, publisher, monkeypatch)
    assert item.download.name == "0000200406-25-000038_10-K_filed_2025-02-13_jnj-20241229.htm"
    record = load.load_archived(settings, rnd.source_of(CODE), [item.file])
    assert (record.partition, record.published_on) == ("CIK0000200406 2024-12-29", "2025-02-13")
    assert record.row_count == 234 + 3
    assert all(seen.headers["user-agent"] == sec.LILLY_CONTACT["BIOPHARMA_USER_AGENT"] for seen in publisher.seen)


def test_a_company_without_a_recent_annual_report_is_passed_over(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.serve(LISTINGS, "/submissions/CIK0000200406.json", Answer(listing(form=["10-Q", "8-K", "4"])))
    with pytest.raises(fetch.FetchError, match="nothing to fetch"):
        fetched(settings, publisher, monkeypatch)


@pytest.mark.parametrize(
    "body", [b'{"filings": {}}', listing(form=["10-K"]), listing(filingDate=["soon"] * 3), b"[]"]
)
def test_another_listing_is_a_named_error(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    publisher.serve(LISTINGS, "/submissions/CIK0000200406.json", Answer(body))
    with pytest.raises(fetch.FetchError, match="not laid out as expected"):
        fetched(settings, publisher, monkeypatch)


# The bundled edition


def test_the_bundled_edition_is_what_the_files_give(abbvie: rnd.Loaded, jnj: rnd.Loaded) -> None:
    parts = edition.read(rnd.source_of(CODE))
    assert [part.partition for part in parts] == ["CIK0000200406 2024-12-29", "CIK0001551152 2024-12-31"]
    for table in ("sales_observation", "rnd_observation"):
        expected = pl.concat([abbvie.tables[table], jnj.tables[table]])
        columns = [name for name in expected.columns if name not in ("edition_id", "ingested_at", "published_on")]
        found = rnd.bundled(CODE, table).select(columns)
        assert found.sort(pl.all()).equals(expected.select(columns).sort(pl.all()))
