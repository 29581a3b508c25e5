"""Company facts: figures as first filed and as restated, each known from its own day on."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import compile as compiling
from ingest import edition, fetch, load, vocabulary, workfile
from ingest.errors import GateError, IngestError, LayoutError
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.source import Parsed
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources import rnd, sec

CODE = "sec_companyfacts"
HOST = "data.sec.gov"
JNJ, LLY = (f"sec_edgar/companyfacts/companyfacts_{name}_trimmed.json" for name in ("jnj", "lly"))
JNJ_CIK = "0000200406"
PATH = "/api/xbrl/companyfacts/CIK{}.json"
REVENUE = "RevenueFromContractWithCustomerExcludingAssessedTax"


def states(path: Path) -> dict[date, Parsed]:
    parsed = rnd.source_of(CODE).parse([rnd.in_hand(path)])
    return {state.published_on: state for state in parsed.states if state.published_on}


def by_year(state: Parsed, table: str) -> dict[date, float]:
    return dict(state.tables[table].select("period_end", pl.col("value") / 1e6).iter_rows())


def message(relative: str = JNJ) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(shared_file(relative).read_bytes())
    return content


def write(folder: Path, content: object, name: str = f"CIK{JNJ_CIK}.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def jnj() -> dict[date, Parsed]:
    return states(shared_file(JNJ))


@pytest.fixture(scope="module")
def lly() -> dict[date, Parsed]:
    return states(shared_file(LLY))


def test_a_restated_figure_stands_beside_the_first_one(jnj: dict[date, Parsed]) -> None:
    year = date(2022, 1, 2)
    known = {day: by_year(state, "sales_observation").get(year) for day, state in jnj.items()}
    assert known == {
        date(2020, 2, 18): None,
        date(2021, 2, 22): None,
        date(2022, 2, 17): 93_775.0,
        date(2023, 2, 16): 93_775.0,
        date(2024, 2, 16): 78_740.0,
        date(2025, 2, 13): 78_740.0,
        date(2026, 2, 11): 78_740.0,
    }


def test_the_latest_state_tells_what_was_stated_before(jnj: dict[date, Parsed]) -> None:
    rows = jnj[date(2026, 2, 11)].tables["sales_observation"].sort("period_end")
    assert rows["series_break"].to_list() == [False, False, True, False, False, False, False]
    restated = rows.row(2, named=True)
    assert restated["note"].endswith("before 93775000000 (filing 0000200406-23-000016 of 2023-02-16)")
    assert restated["locator"] == f"facts.us-gaap.{REVENUE}.units.USD[42]"
    assert restated["document_url"] == "https://www.sec.gov/Archives/edgar/data/200406/000020040624000013/"
    # Before the restatement was filed there was no break.
    assert not jnj[date(2023, 2, 16)].tables["sales_observation"]["series_break"].any()


def test_the_locator_leads_to_the_figure(jnj: dict[date, Parsed]) -> None:
    entry = message()["facts"]["us-gaap"][REVENUE]["units"]["USD"][42]
    assert (entry["end"], entry["val"], entry["accn"]) == ("2022-01-02", 78_740_000_000, "0000200406-24-000013")


def test_fiscal_years_of_52_and_53_weeks_keep_their_days(jnj: dict[date, Parsed]) -> None:
    rows = jnj[date(2026, 2, 11)].tables["sales_observation"].sort("period_end")
    periods = rows.select("period_start", "period_end").rows()
    assert periods[1] == (date(2019, 12, 30), date(2021, 1, 3))
    # The fiscal year 2022 ends in 2023; `fy` of the filing is not looked at.
    assert periods[3] == (date(2022, 1, 3), date(2023, 1, 1))
    assert [(end - start).days + 1 for start, end in periods] == [364, 371, 364, 364, 364, 364, 364]


def test_revenue_of_lilly(lly: dict[date, Parsed]) -> None:
    for state in lly.values():
        assert by_year(state, "sales_observation")[date(2019, 12, 31)] == 22_319.5
    assert by_year(lly[date(2026, 2, 12)], "sales_observation")[date(2025, 12, 31)] == 65_179
    # Millions with a decimal became whole millions: no restatement, and no break.
    rows = lly[date(2026, 2, 12)].tables["sales_observation"]
    assert not rows["series_break"].any()
    note = rows.filter(period_end=date(2023, 12, 31))["note"].item()
    assert note.endswith("before 34124100000 (filing 0000059478-25-000067 of 2025-02-19)")


def test_spending_on_research_is_the_line_of_the_income_statement(
    jnj: dict[date, Parsed], lly: dict[date, Parsed]
) -> None:
    """The plain concept tags acquired projects alone (Johnson & Johnson: 0, 483, 1,841 and 109 million)."""
    assert list(by_year(jnj[date(2026, 2, 11)], "rnd_observation").values()) == [
        11_355,
        12_159,
        14_277,
        14_135,
        15_085,
        17_232,
        14_665,
    ]
    before, after = (by_year(lly[day], "rnd_observation") for day in (date(2022, 2, 23), date(2023, 2, 22)))
    assert (before[date(2020, 12, 31)], after[date(2020, 12, 31)]) == (6_085.7, 5_976.3)
    rows = lly[date(2026, 2, 12)].tables["rnd_observation"]
    assert rows.filter(pl.col("series_break"))["period_end"].to_list() == [date(2020, 12, 31)]


def test_every_row_is_a_company_total(jnj: dict[date, Parsed]) -> None:
    columns = ["row_kind", "product_name", "seller_code", "market_iso3", "price_basis", "period_basis", "currency"]
    for state in jnj.values():
        assert state.tables["sales_observation"].select(columns).unique().rows() == [
            ("total", "All products", JNJ_CIK, "WLD", "company_net", "fiscal_year", "USD")
        ]
        assert state.partition == f"CIK{JNJ_CIK}"


def test_only_the_publishers_own_file_counts_as_its_bytes(tmp_path: Path, jnj: dict[date, Parsed]) -> None:
    origins = {state.tables["sales_observation"]["value_origin"].unique().item() for state in jnj.values()}
    assert origins == {"republished_copy"}
    original = states(write(tmp_path, message()))
    assert (
        original[date(2026, 2, 11)].tables["sales_observation"]["value_origin"].unique().item() == "publisher_bytes"
    )


def test_facts_left_out_are_counted(jnj: dict[date, Parsed]) -> None:
    newest = jnj[date(2026, 2, 11)]
    assert newest.rows_read == 97 + 9 + 85
    quarters = newest.dropped["not_twelve_months"]
    assert newest.rows_read == quarters + 18 + 18 + 9
    assert newest.dropped["another_concept_of_the_filing"] == 9


def changed(**change: object) -> dict[str, Any]:
    """Johnson & Johnson's facts with one more revenue of FY2025, changed."""
    content = message()
    facts = content["facts"]["us-gaap"][REVENUE]["units"]["USD"]
    facts.append({**facts[95], "val": 1.0, "accn": "0000200406-26-000099", "filed": "2026-03-01"} | change)
    return content


@pytest.mark.parametrize(
    "change", [{"form": "10-Q"}, {"start": "2025-10-01"}, {"start": "2025-01-15"}, {"end": "2026-03-01"}]
)
def test_what_is_no_fiscal_year_of_an_annual_filing_is_not_taken(
    tmp_path: Path, change: dict[str, str], jnj: dict[date, Parsed]
) -> None:
    found = states(write(tmp_path, changed(**change)))
    assert list(found) == list(jnj)
    newest = date(2026, 2, 11)
    assert by_year(found[newest], "sales_observation") == by_year(jnj[newest], "sales_observation")


def test_an_amendment_makes_a_state_of_its_own(tmp_path: Path, jnj: dict[date, Parsed]) -> None:
    found = states(write(tmp_path, changed(form="10-K/A")))
    assert list(found) == [*jnj, date(2026, 3, 1)]
    assert by_year(found[date(2026, 3, 1)], "sales_observation")[date(2025, 12, 28)] == 1e-6
    # The amendment states nothing of the years before: they stay.
    assert len(by_year(found[date(2026, 3, 1)], "sales_observation")) == 7


@pytest.mark.parametrize(
    "change", [{"val": None}, {"end": "2025-13-28"}, {"filed": None}, {"accn": None}, {"form": None}]
)
def test_facts_that_cannot_be_read_are_rejected(
    tmp_path: Path, change: dict[str, Any], jnj: dict[date, Parsed]
) -> None:
    parsed = rnd.source_of(CODE).parse([rnd.in_hand(write(tmp_path, changed(**change)))])
    assert parsed.rejected is not None
    assert parsed.rejected["locator"].to_list() == [f"facts.us-gaap.{REVENUE}.units.USD[97]"]
    assert len(parsed.states) == len(jnj)


def test_a_foreign_filer_in_its_own_currency(tmp_path: Path) -> None:
    """As Novo Nordisk files: ifrs-full, in kroner, with a translation for readers in dollars."""
    entry = {"start": "2019-01-01", "end": "2019-12-31", "accn": "0001628280-20-001234", "form": "20-F"}
    entry |= {"filed": "2020-02-05", "fy": 2019, "fp": "FY"}
    units = {"DKK": [{**entry, "val": 122_021e6}], "USD": [{**entry, "val": 18_300e6}]}
    spending = {"units": {"DKK": [{**entry, "val": 14_220e6}]}}
    facts = {"ifrs-full": {"Revenue": {"units": units}, "ResearchAndDevelopmentExpense": spending}}
    path = write(tmp_path, {"cik": 353278, "entityName": "NOVO NORDISK A S", "facts": facts}, "CIK0000353278.json")
    (state,) = states(path).values()
    assert state.tables["sales_observation"].select("value", "currency").rows() == [(122_021e6, "DKK")]
    assert state.tables["rnd_observation"].select("value", "currency").rows() == [(14_220e6, "DKK")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"message": "internal error"}, "has no `facts`"),
        ([1], "has no `facts`"),
        ({"facts": {}}, "does not say whose facts"),
        ({"cik": 200406, "entityName": "Johnson & Johnson", "facts": {}}, "neither revenue nor R&D spending"),
        ({"cik": 59478, "entityName": "ELI LILLY & Co", "facts": {}}, r"those of ELI LILLY & Co \(59478\)"),
        ({"cik": 200406, "entityName": "J", "facts": {"us-gaap": {"Revenues": {"units": {"USD": [1]}}}}}, "laid out"),
        ({"cik": 200406, "entityName": "J", "facts": {"us-gaap": {"Revenues": []}}}, "laid out"),
        (
            {
                "cik": 200406,
                "entityName": "J",
                "facts": {"us-gaap": {"Revenues": {"units": {"USD": [{"val": "a"}]}}}},
            },
            "laid out",
        ),
    ],
)
def test_other_messages_are_named_errors(tmp_path: Path, content: object, problem: str) -> None:
    with pytest.raises(LayoutError, match=problem):
        states(write(tmp_path, content))


def test_companies_are_loaded_one_by_one() -> None:
    files = [rnd.in_hand(shared_file(name)) for name in (JNJ, LLY)]
    with pytest.raises(LayoutError, match="there are 2 files"):
        rnd.source_of(CODE).parse(files)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_gives_known_figures_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    content = copy.deepcopy(message(LLY))
    content["facts"]["us-gaap"] = {
        name: facts for name, facts in content["facts"]["us-gaap"].items() if name in ("Revenues", "Assets")
    }
    facts = content["facts"]["us-gaap"]["Revenues"]["units"]["USD"]
    figures = {float(fact["val"]) for fact in facts}
    kind = data.draw(st.sampled_from(["drop", "repeat", "shuffle", "key", "cell", "cut"]))
    position = data.draw(st.integers(0, len(facts) - 1))
    if kind == "drop":
        del facts[position]
    elif kind == "repeat":
        facts.insert(data.draw(st.integers(0, len(facts))), facts[position])
    elif kind == "shuffle":
        facts[:] = data.draw(st.permutations(facts))
    elif kind == "key":
        del facts[position][data.draw(st.sampled_from(["start", "end", "val", "accn", "form", "filed"]))]
    elif kind == "cell":
        wrong = st.sampled_from([None, "", "２０１９-１２-３１", [], {}, "2019-12-31", "10-K"])
        facts[position][data.draw(st.sampled_from(["start", "end", "accn", "form", "filed"]))] = data.draw(wrong)
    text = json.dumps(content)
    path = tmp_path / "CIK0000059478.json"
    path.write_text(text[: data.draw(st.integers(1000, len(text)))] if kind == "cut" else text)
    try:
        found = rnd.load(CODE, path)
    except IngestError:
        return
    assert set(found.tables["sales_observation"]["value"]) <= figures
    assert found.tables["sales_observation"]["period_end"].is_unique().all()


# In the lake


def revenue_as_of(home: Settings, day: date | None) -> float | None:
    path = workfile.prepare(home, as_of=day)
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(
            "select value / 1e6 from lake.sales_observation join lake.edition using (source_code, edition_id) "
            "where is_latest and table_name = 'sales_observation' and seller_code = ? and period_end = '2022-01-02'",
            [JNJ_CIK],
        ).fetchall()
    assert len(rows) < 2
    return float(rows[0][0]) if rows else None


@pytest.mark.parametrize("way", ["bundled", "live"])
def test_the_lake_knows_what_was_known_when(settings: Settings, way: str) -> None:
    source = rnd.source_of(CODE)
    if way == "bundled":
        load.load_bundled(settings, source)
    else:
        load.load_files(settings, source, [shared_file(JNJ)])
    assert revenue_as_of(settings, date(2021, 12, 31)) is None
    assert revenue_as_of(settings, date(2023, 6, 30)) == 93_775
    assert revenue_as_of(settings, date(2024, 2, 15)) == 93_775
    assert revenue_as_of(settings, date(2024, 2, 16)) == 78_740
    assert revenue_as_of(settings, None) == 78_740


def live(home: Settings) -> dict[str, tuple[str, ...]]:
    return {
        record.edition_id: tuple(file["sha256"] for file in record.files)
        for record in Lake(home.lake).editions()
        if not record.is_bundled
    }


def test_a_later_file_adds_only_what_is_new(settings: Settings, tmp_path: Path) -> None:
    """The same history in other bytes, and one more filing: one more edition."""
    source = rnd.source_of(CODE)
    newest = load.load_files(settings, source, [write(tmp_path, message())])
    assert (newest.published_on, newest.row_count) == ("2026-02-11", 14)
    before = live(settings)
    assert len(before) == 7
    record = load.load_files(settings, source, [write(tmp_path, changed(form="10-K/A"))])
    assert (record.published_on, record.partition) == ("2026-03-01", f"CIK{JNJ_CIK}")
    after = live(settings)
    assert {name: files for name, files in after.items() if name in before} == before
    assert len(after) == 8
    # Loading again, or bringing up to date, does nothing more.
    load.load_files(settings, source, [write(tmp_path, message())])
    assert [one.edition_id for one in load.load_all(settings, source)].count(record.edition_id) == 1
    assert live(settings) == after


def test_new_rules_renew_every_state(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    source = rnd.source_of(CODE)
    load.load_files(settings, source, [shared_file(JNJ)])
    before = {record.edition_id: record.fingerprint for record in Lake(settings.lake).editions()}
    monkeypatch.setattr(load, "_fingerprint", lambda source: "f" * 64)
    assert len(before) > 1
    load.load_all(settings, source)
    after = {record.edition_id: record.fingerprint for record in Lake(settings.lake).editions()}
    assert {name for name in after if not name.endswith("+bundled")} == set(before)
    assert set(after.values()) == {"f" * 64}


# Fetching


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_from_the_publisher_to_the_lake(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = vocabulary.table("sec_filer").filter(pl.col("cik").is_in([JNJ_CIK, "0000059478"]))
    monkeypatch.setattr(vocabulary, "table", lambda name: listed)
    source = rnd.source_of(CODE)
    for cik, name in ((JNJ_CIK, JNJ), ("0000059478", LLY)):
        publisher.serve(HOST, PATH.format(cik), Answer(shared_file(name).read_bytes()))
    items = fetch.fetch_source(settings, source, routes=publisher.routes(HOST), environment=sec.LILLY_CONTACT)
    monkeypatch.undo()
    groups = fetch.editions_of(items)
    assert list(groups) == ["CIK0000059478", f"CIK{JNJ_CIK}"]
    records = [load.load_archived(settings, source, [item.file for item in group]) for group in groups.values()]
    assert [record.published_on for record in records] == ["2026-02-12", "2026-02-11"]
    assert len(live(settings)) == 14
    assert revenue_as_of(settings, date(2023, 6, 30)) == 93_775
    assert {seen.headers["user-agent"] for seen in publisher.seen} == set(sec.LILLY_CONTACT.values())


def test_without_a_contact_nothing_is_asked(settings: Settings, publisher: Publisher) -> None:
    with pytest.raises(fetch.FetchError, match="BIOPHARMA_USER_AGENT holds none"):
        fetch.fetch_source(settings, rnd.source_of(CODE), routes=publisher.routes(HOST), environment={})
    assert publisher.seen == []


def test_a_refusal_in_html_is_not_archived(settings: Settings, publisher: Publisher) -> None:
    cik = vocabulary.table("sec_filer")["cik"][0]
    page = b"<html><head><title>SEC.gov | Request Rate Threshold Exceeded</title></head></html>" + b" " * 2000
    publisher.serve(HOST, PATH.format(cik), Answer(page))
    with pytest.raises(GateError, match="HTML page"):
        fetch.fetch_source(
            settings, rnd.source_of(CODE), routes=publisher.routes(HOST), environment=sec.LILLY_CONTACT
        )
    assert not list(settings.archive.rglob("*.json"))


def test_the_reviewed_list_names_companies_once() -> None:
    filers = vocabulary.table("sec_filer")
    assert filers["cik"].str.contains(r"^\d{10}$").all()
    assert filers["name"].is_unique().all()
    companies = vocabulary.table("company")["company_id"]
    assert set(filers["company_id"].drop_nulls()) <= set(companies)


# The bundled edition


def test_the_bundled_edition_is_what_the_files_give(jnj: dict[date, Parsed], lly: dict[date, Parsed]) -> None:
    parts = edition.read(rnd.source_of(CODE))
    assert [part.published_on for part in parts] == [*lly, *jnj]
    assert len({part.edition_id for part in parts}) == 14
    for part, state in zip(parts, [*lly.values(), *jnj.values()], strict=True):
        for table, frame in state.tables.items():
            columns = [name for name in frame.columns if name in part.tables[table].columns]
            found = part.tables[table].select(columns).cast(dict(frame.select(columns).schema))
            assert found.sort("period_end").equals(frame.select(columns).sort("period_end"))


def test_compiling_writes_every_state(tmp_path: Path) -> None:
    counts = compiling.compile_source(
        CODE, [[shared_file(JNJ)], [shared_file(LLY)]], accessed_on=date(2026, 11, 22), target=tmp_path
    )
    assert counts == {"sales_observation": 56, "rnd_observation": 56}
    held = rnd.source_of(CODE).edition_dir
    for name in ("edition.yml", "sales_observation.csv", "rnd_observation.csv"):
        assert (tmp_path / name).read_bytes() == (held / name).read_bytes()
