"""EDINET: annual reports of pharmaceutical companies by fiscal year, and the code list of filers."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import compile as compiling
from ingest import load as loading
from ingest import vocabulary, workfile
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.sources.edinet.parse import COLUMNS, INDUSTRY, SEGMENT_SCHEME
from tests.conftest import shared_file
from tests.dbt.test_latest_statement import compiled
from tests.publisher import Answer, Publisher, Seen
from tests.sources import edinet_report as report
from tests.sources.connectors import Connector, connector
from tests.sources.rnd import Loaded, bundled, load, same_rows, source_of

CODE = "edinet"
CODE_LIST = "edinet/EdinetcodeDlInfo_20260512.csv"
ZIPS = ("S100W523", "S100WEV7", "S100WGBJ", "S100WH6F", "S100WHS2", "S100WHUS")
API, FILES = "api.edinet-fsa.go.jp", "disclosure2dl.edinet-fsa.go.jp"
LIST_PATH = "/api/v2/documents.json"
SECRET = "s3cret-key"


def revenue(loaded: Loaded) -> dict[int, float]:
    """The company's revenue in million, by year of the period's end."""
    rows = loaded.tables["sales_observation"].filter(pl.col("class_code").is_null()).sort("period_end")
    return {end.year: value / 1e6 for end, value in rows.select("period_end", "value").iter_rows()}


def by_segment(loaded: Loaded, year: int) -> dict[str, float]:
    rows = loaded.tables["sales_observation"].filter(
        pl.col("class_scheme") == SEGMENT_SCHEME, pl.col("period_end").dt.year() == year
    )
    return {name: value / 1e6 for name, value in rows.select("class_code", "value").iter_rows()}


@pytest.fixture(scope="module")
def tobacco() -> Loaded:
    return load(CODE, shared_file(report.CANONICAL))


# Figures


def test_revenue_of_the_company_over_five_years(tobacco: Loaded) -> None:
    assert revenue(tobacco) == {2020: 2_092_561, 2021: 2_324_838, 2022: 2_657_832, 2023: 2_841_077, 2024: 3_149_759}
    assert tobacco.parsed.published_on == date(2025, 3, 26)
    assert tobacco.parsed.partition == "2024-12-31 E00492"


def test_segments_add_up_to_the_company(tobacco: Loaded) -> None:
    segments = by_segment(tobacco, 2024)
    assert segments == {
        "Tobacco": 2_896_555,
        "Pharmaceuticals": 94_464,
        "ProcessedFood": 157_183,
        "OtherSegments": 1_556,
    }
    assert abs(sum(segments.values()) - revenue(tobacco)[2024]) <= 1
    # Internal sales, reconciling items and the sum of the reportable segments are left out.
    assert set(by_segment(tobacco, 2023)) == set(segments)


def test_spending_on_research_and_that_of_the_segment(tobacco: Loaded) -> None:
    """Published: JPY 78.6 billion, 33.9 billion of it in medicines; the notes state 78,614 million."""
    rows = tobacco.tables["rnd_observation"].filter(pl.col("period_end") == date(2024, 12, 31))
    found = {name: value / 1e6 for name, value in rows.select("activity_code", "value").iter_rows()}
    assert found == {"_T": 78_614, "Pharmaceuticals": 33_900, "Tobacco": 30_400, "ProcessedFood": 900}
    whole = rows.filter(activity_code="_T").row(0, named=True)
    assert whole["note"].endswith(
        "the report also states jpcrp_cor:ResearchAndDevelopmentExpensesResearchAndDevelopmentActivities 78600000000"
    )
    assert whole["lens"] == "filer" and whole["entity_iso3"] == "JPN"


def test_days_counted_back_are_those_of_the_document(tobacco: Loaded) -> None:
    """The CSV does not state them; the contexts of the document do."""
    content = json.loads(gzip.decompress(shared_file(report.CANONICAL).read_bytes()))
    facts = content["facts"]
    for table in tobacco.tables.values():
        for start, end, locator in table.select("period_start", "period_end", "locator").iter_rows():
            period = facts[locator.split('"')[1]]["dimensions"]["period"]
            assert (start.isoformat(), end.isoformat()) == (period["start"], period["end"])


def test_the_csv_gives_the_same_rows(tmp_path: Path, tobacco: Loaded) -> None:
    found = load(CODE, report.write(tmp_path, report.facts()))
    for name, frame in tobacco.tables.items():
        own = ["file_sha256", "locator", "value_origin", "publisher_flags"]
        assert same_rows(found.tables[name].drop(own), frame.drop(own))
        assert set(found.tables[name]["publisher_flags"]) == {"IFRS,連結"}
        assert set(found.tables[name]["value_origin"]) == {"publisher_bytes"}
    locator = found.tables["rnd_observation"].filter(pl.col("value") == 78_614e6)["locator"].item()
    with zipfile.ZipFile(tmp_path / f"{report.DOCUMENT}.zip") as archive:
        name, number = locator.split(" line ")
        line = archive.read(name).decode("utf-16").split("\r\n")[int(number) - 1]
    assert line.endswith('\t"78614000000"') and "ExpenditureRecognizedAsExpense" in line
    assert found.parsed.dropped == tobacco.parsed.dropped and not found.rejected.height


# The publisher's container


@pytest.mark.parametrize("name", ZIPS)
def test_real_documents_of_other_kinds_are_named(name: str) -> None:
    path = shared_file(f"edinet/csv_type5_zips/{name}.zip")
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            lines = archive.read(member).decode("utf-16").split("\r\n")
            assert tuple(cell.strip('"') for cell in lines[0].split("\t")) == COLUMNS
    with pytest.raises(LayoutError, match="0 annual securities reports"):
        load(CODE, path)


def test_tabs_within_real_text_shift_nothing(tmp_path: Path, tobacco: Loaded) -> None:
    with zipfile.ZipFile(shared_file("edinet/csv_type5_zips/S100WEV7.zip")) as archive:
        text = archive.read(archive.namelist()[0]).decode("utf-16").split("\r\n")[1]
    assert text.count("\t") > 300
    lines = report.table(report.facts()).split("\r\n")
    broken = text.replace("独立監査人の監査報告書", '引用"符\r\n次の行')
    content = "\r\n".join([lines[0], text, broken, *lines[1:]])
    found = load(CODE, report.write(tmp_path, content))
    assert revenue(found) == revenue(tobacco) and not found.rejected.height


def test_a_report_alone_where_nothing_is_consolidated(tmp_path: Path) -> None:
    alone = report.changed(
        ("WhetherConsolidatedFinancialStatementsArePreparedDEI", "false"), ("AccountingStandardsDEI", "Japan GAAP")
    )
    found = load(CODE, report.write(tmp_path, alone))
    expected = {2020: 596_887, 2021: 592_220, 2023: 537_261, 2024: 530_247}
    assert {year: value for year, value in revenue(found).items() if year != 2022} == expected
    assert set(found.tables["sales_observation"]["publisher_flags"]) == {"Japan GAAP,個別"}
    rows = found.tables["rnd_observation"]
    assert rows.filter(pl.col("period_end") == date(2024, 12, 31))["value"].to_list() == [64_712e6]
    assert rows["note"].str.contains("administrative expenses only").all()
    assert found.parsed.dropped["no_consolidated_statements"] > 0


def test_the_parent_alone_does_not_stand_beside_the_group(tobacco: Loaded) -> None:
    assert tobacco.parsed.dropped["company_alone"] == 9
    assert 530_247e6 not in tobacco.tables["sales_observation"]["value"].to_list()


def test_a_change_of_standard_is_a_break(tmp_path: Path) -> None:
    rows = [
        replace(row, element="jpcrp_cor:NetSalesSummaryOfBusinessResults")
        if row.element.endswith(":RevenueIFRSSummaryOfBusinessResults")
        and row.context in ("Prior3YearDuration", "Prior4YearDuration")
        else row
        for row in report.facts()
    ]
    found = load(CODE, report.write(tmp_path, rows)).tables["sales_observation"]
    company = found.filter(pl.col("class_code").is_null()).sort("period_end")
    assert company["series_break"].to_list() == [False, False, True, False, False]


def test_a_summary_under_the_companys_own_prefix(tmp_path: Path, tobacco: Loaded) -> None:
    own = "jpcrp030000-asr_E00492-000:NetSalesIFRSSummaryOfBusinessResults"
    rows = [
        replace(row, element=own) if row.element.endswith(":RevenueIFRSSummaryOfBusinessResults") else row
        for row in report.facts()
    ]
    found = load(CODE, report.write(tmp_path, rows))
    assert revenue(found) == revenue(tobacco)
    assert found.tables["sales_observation"].filter(pl.col("note").str.starts_with(own)).height == 3


def test_years_before_a_short_year_are_left_out(tmp_path: Path) -> None:
    """Nine months from April to December before the report's year: what came before cannot be counted back."""
    found = load(CODE, report.write(tmp_path, report.changed(("PreviousFiscalYearStartDateDEI", "2023-04-01"))))
    rows = found.tables["sales_observation"].filter(pl.col("class_code").is_null()).sort("period_end")
    assert rows.select("period_start", "period_end").rows() == [
        (date(2023, 4, 1), date(2023, 12, 31)),
        (date(2024, 1, 1), date(2024, 12, 31)),
    ]
    assert found.parsed.dropped["year_not_dated"] >= 3


def test_a_year_that_ends_in_february(tmp_path: Path) -> None:
    rows = report.changed(
        ("CurrentFiscalYearStartDateDEI", "2024-03-01"),
        ("CurrentFiscalYearEndDateDEI", "2025-02-28"),
        ("PreviousFiscalYearStartDateDEI", "2023-03-01"),
        ("PreviousFiscalYearEndDateDEI", "2024-02-29"),
    )
    found = load(CODE, report.write(tmp_path, rows)).tables["sales_observation"]
    ends = found.filter(pl.col("class_code").is_null()).sort("period_end")["period_end"].to_list()
    assert ends == [date(2021, 2, 28), date(2022, 2, 28), date(2023, 2, 28), date(2024, 2, 29), date(2025, 2, 28)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": "９４４６４０００００００"}, "no number"),
        ({"value": "94,464"}, "no number"),
        ({"unit": "shares"}, "no amount of money"),
        ({"perimeter": "個別"}, "contradicts the context"),
    ],
)
def test_figures_that_cannot_be_read_are_rejected(tmp_path: Path, change: dict[str, str], reason: str) -> None:
    element, context = "jpigp_cor:RevenueFromExternalCustomersIFRS", f"CurrentYearDuration_{report.SEGMENT}"
    rows = [
        replace(row, **change) if (row.element, row.context) == (element, context) else row for row in report.facts()
    ]
    found = load(CODE, report.write(tmp_path, rows))
    assert found.rejected["reason"].str.contains(reason).to_list() == [True]
    assert "Pharmaceuticals" not in by_segment(found, 2024) and len(by_segment(found, 2023)) == 4


def test_a_figure_stated_twice_differently_is_rejected(tmp_path: Path) -> None:
    (row, *_) = [
        r for r in report.facts() if r.element == "jpigp_cor:RevenueIFRS" and r.context == "CurrentYearDuration"
    ]
    found = load(CODE, report.write(tmp_path, [*report.facts(), row.with_value("1")]))
    assert set(found.rejected["reason"]) == {"the report states the figure twice, with different values"}
    # The five-year summary still states the year.
    assert revenue(found)[2024] == 3_149_759


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ([("EDINETCodeDEI", "E00919")], "is a report of E00919"),
        ([("EDINETCodeDEI", None)], "is a report of nobody"),
        ([("TypeOfCurrentPeriodDEI", "HY")], "no report of a whole fiscal year"),
        ([("AccountingStandardsDEI", "－")], r"accounting standard \(none\)"),
        ([("CurrentFiscalYearStartDateDEI", None)], "start of the fiscal year is not stated"),
        ([("CurrentFiscalYearEndDateDEI", "2024-13-31")], "end of the fiscal year is not stated"),
        ([("CurrentFiscalYearEndDateDEI", "2023-12-31")], "the fiscal year runs from"),
        ([("RevenueIFRS", None), ("RevenueIFRSSummaryOfBusinessResults", None)], "states no revenue"),
    ],
)
def test_reports_that_do_not_tell_what_they_are(
    tmp_path: Path, changes: list[tuple[str, str | None]], problem: str
) -> None:
    with pytest.raises(LayoutError, match=problem):
        load(CODE, report.write(tmp_path, report.changed(*changes)))


def test_an_unreviewed_filer_is_named(tmp_path: Path) -> None:
    rows = report.changed(("EDINETCodeDEI", "E00004"))
    member = f"jpcrp030000-asr-001_E00004-000_{report.END}_01_{report.FILED}.csv"
    with pytest.raises(LayoutError, match="E00004 is not on the reviewed list"):
        load(CODE, report.write(tmp_path, rows, member=member))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (report.table([], COLUMNS[:8]), "the columns of"),
        (report.table([], COLUMNS[::-1]), "the columns of"),
        (report.table([]).encode("utf-8"), "not in UTF-16"),
        (report.table([]).encode("utf-16") + b"\x00", "cannot be read as UTF-16"),
    ],
)
def test_another_layout_is_named(tmp_path: Path, content: str | bytes, problem: str) -> None:
    with pytest.raises(LayoutError, match=problem):
        load(CODE, report.write(tmp_path, content))


def test_a_correction_of_words_replaces_nothing(tmp_path: Path) -> None:
    words = report.changed(
        ("AmendmentFlagDEI", "true"), ("RevenueIFRS", None), ("RevenueIFRSSummaryOfBusinessResults", None)
    )
    found = load(CODE, report.write(tmp_path, words))
    assert found.tables == {} and found.parsed.dropped["correction_without_revenue"] > 0
    whole = load(CODE, report.write(tmp_path, report.changed(("AmendmentFlagDEI", "true"))))
    assert revenue(whole)[2024] == 3_149_759


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_gives_known_figures_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    rows = [
        row
        for row in report.facts()
        if "Revenue" in row.element or "jpdei" in row.element or "Research" in row.element
    ]
    known = {row.value for row in rows}
    lines = report.table(rows).removesuffix("\r\n").split("\r\n")
    kind = data.draw(st.sampled_from(["drop", "repeat", "shuffle", "cell", "column", "cut", "blank", "full_width"]))
    at = data.draw(st.integers(1, len(lines) - 1))
    if kind == "drop":
        del lines[at]
    elif kind == "repeat":
        lines.insert(at, lines[data.draw(st.integers(1, len(lines) - 1))])
    elif kind == "shuffle":
        lines[1:] = data.draw(st.permutations(lines[1:]))
    elif kind == "cell":
        cells = lines[at].split("\t")
        cells[data.draw(st.integers(0, 8))] = data.draw(st.sampled_from(['""', '"－"', '"*1"', '"連結"', ""]))
        lines[at] = "\t".join(cells)
    elif kind == "column":
        gone = data.draw(st.integers(0, 8))
        lines = ["\t".join(c for i, c in enumerate(line.split("\t")) if i != gone) for line in lines]
    elif kind == "blank":
        lines.insert(at, "")
    elif kind == "full_width":
        lines[at] = lines[at].translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    text = "\r\n".join(lines)
    if kind == "cut":
        text = text[: data.draw(st.integers(1, len(text)))]
    try:
        found = load(CODE, report.write(tmp_path, text))
    except IngestError:
        return
    for table in found.tables.values():
        assert {str(int(value)) for value in table["value"]} <= known
    company = found.tables["sales_observation"].filter(pl.col("class_code").is_null())
    assert company["period_end"].is_unique().all()


@pytest.mark.parametrize(
    "content", [[], {}, {"facts": {}}, {"facts": {"a": 1}}, {"facts": {"a": {"dimensions": {}}}}]
)
def test_another_canonical_file_is_named(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "other.canonical.json.gz"
    path.write_bytes(gzip.compress(json.dumps(content).encode() + b" " * 2000, compresslevel=0))
    with pytest.raises(LayoutError, match="no canonical reading"):
        load(CODE, path)


# The code list


def test_filers_of_the_industry_and_of_the_reviewed_list() -> None:
    found = load(CODE, shared_file(CODE_LIST))
    rows = found.tables["company_identity"]
    assert found.parsed.published_on == date(2026, 5, 12)
    assert found.parsed.rows_read == 11_286 and rows.height + found.parsed.dropped["another_industry"] == 11_286
    in_industry = rows.filter(pl.col("industry") == INDUSTRY)
    assert (in_industry.height, in_industry["security_code"].count()) == (96, 83)
    names = dict(rows.select("identifier", "other_name").iter_rows())
    assert names["E00919"] == "Takeda Pharmaceutical Company Limited"
    chugai = rows.filter(identifier="E00932").row(0, named=True)
    assert chugai["legal_name"] == "中外製薬株式会社" and chugai["registration_number"] == "5011501002900"
    assert (chugai["headquarters_iso3"], chugai["legal_address_iso3"]) == ("JPN", "JPN")
    foreign = rows.filter(identifier="E05958").row(0, named=True)
    assert (foreign["legal_address_iso3"], foreign["headquarters_iso3"]) == (None, "USA")
    assert rows.filter(identifier="E02474")["company_id"].item() == "takara_bio"


def test_the_reviewed_list_holds_the_industry() -> None:
    reviewed = vocabulary.table("edinet_filer")
    rows = load(CODE, shared_file(CODE_LIST)).tables["company_identity"]
    industry = set(rows.filter(pl.col("industry") == INDUSTRY)["identifier"])
    assert set(reviewed.filter(basis="industry")["edinet_code"]) == industry
    assert set(reviewed["edinet_code"]) == set(rows["identifier"])
    assert reviewed.filter(basis="reviewed")["reason"].null_count() == 0
    assert set(reviewed["company_id"].drop_nulls()) <= set(vocabulary.table("company")["company_id"])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("11286件", "11285件", "the list has 11,286 filers"),
        ("ダウンロード実行日", "作成日", "the first line does not tell"),
        ("2026年05月12日", "2026年13月12日", "the day of the list is not stated"),
        ("提出者業種", "業種", "the columns are"),
        ("医薬品", "化学", None),
    ],
)
def test_another_code_list_is_named(tmp_path: Path, old: str, new: str, problem: str | None) -> None:
    text = shared_file(CODE_LIST).read_bytes().decode("cp932")
    path = tmp_path / "EdinetcodeDlInfo.csv"
    path.write_bytes(text.replace(old, new).encode("cp932"))
    if problem is None:
        assert load(CODE, path).tables["company_identity"].height == 105
        return
    with pytest.raises(LayoutError, match=problem):
        load(CODE, path)


def test_a_code_list_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "EdinetcodeDlInfo.csv"
    path.write_bytes(shared_file(CODE_LIST).read_bytes().decode("cp932").encode("utf-8"))
    with pytest.raises(LayoutError, match=r"not in the encoding cp932|does not tell day and count"):
        load(CODE, path)


# Over several reports


def test_a_later_report_replaces_years_but_keeps_older_segments(settings: Settings, tmp_path: Path) -> None:
    earlier = report.changed(
        ("CurrentFiscalYearStartDateDEI", "2022-01-01"),
        ("CurrentFiscalYearEndDateDEI", "2022-12-31"),
        ("PreviousFiscalYearStartDateDEI", "2021-01-01"),
        ("PreviousFiscalYearEndDateDEI", "2021-12-31"),
    )
    old = report.write(
        tmp_path, earlier, name="S100QQQQ.zip", member="jpcrp030000-asr-001_E00492-000_2022-12-31_01_2023-03-24.csv"
    )
    for path in (old, report.write(tmp_path, report.facts())):
        loading.load_files(settings, source_of(CODE), [path])
    with duckdb.connect(str(workfile.prepare(settings)), read_only=True) as connection:
        sales = connection.execute(
            "select year(period_end), class_code is not null, count(*), sum(value) / 1e6 "
            f"from ({compiled('stg_sales_observation')}) group by all order by all"
        ).fetchall()
        spending = connection.execute(
            f"select year(period_end), activity_code, count(*) from ({compiled('stg_rnd_observation')}) "
            "group by all having count(*) > 1"
        ).fetchall()
    company = {year: (count, value) for year, is_segment, count, value in sales if not is_segment}
    assert {count for count, _ in company.values()} == {1}
    # 2022 as the later report restates it, 2018 and 2019 as only the earlier one states them.
    assert company[2022] == (1, 2_657_832) and sorted(company) == list(range(2018, 2025))
    # The later report states segments of 2023 and 2024; those of 2021 and 2022 stay.
    assert {year: count for year, is_segment, count, _ in sales if is_segment} == dict.fromkeys(range(2021, 2025), 4)
    assert spending == []


# The connector


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


TODAY = datetime.now(UTC).date()


def documents(*entries: dict[str, Any]) -> dict[str, Any]:
    """The real answer of the list, with entries made like its own."""
    answer: dict[str, Any] = json.loads(shared_file("edinet_canonical/documents_success.json").read_bytes())
    like = answer["results"][0]
    answer["results"] += [{**like, **entry} for entry in entries]
    return answer


ANNUAL = {
    "docID": report.DOCUMENT,
    "edinetCode": report.CODE,
    "ordinanceCode": "010",
    "formCode": "030000",
    "docTypeCode": "120",
}


def serve(publisher: Publisher, tmp_path: Path, *entries: dict[str, Any], document: bytes | None = None) -> None:
    """The list holds the entries on the first day that is asked for, and nothing of interest on the others."""
    first: list[str] = []

    def listing(seen: Seen) -> Answer:
        first.append(seen.parameters["date"])
        shown = entries if seen.parameters["date"] == first[0] else ()
        return Answer(json.dumps(documents(*shown)).encode())

    publisher.serve(API, LIST_PATH, listing)
    body = document or report.write(tmp_path, report.facts()).read_bytes()
    publisher.serve(API, f"/api/v2/documents/{report.DOCUMENT}", Answer(body))
    packed = tmp_path / "Edinetcode.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(shared_file(CODE_LIST), "EdinetcodeDlInfo.csv")
    publisher.serve(FILES, "/searchdocument/codelist/Edinetcode.zip", Answer(packed.read_bytes()))


def ready(settings: Settings, publisher: Publisher, **environment: str) -> Connector:
    given_by_user = {"EDINET_API_KEY": SECRET, "EDINET_SINCE": (TODAY - timedelta(days=8)).isoformat()} | environment
    return connector(settings, publisher, CODE, API, FILES, environment=given_by_user)


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher, tmp_path: Path) -> None:
    others = [
        {"docID": "S100AAAA", "formCode": "053000", "docTypeCode": "180"},
        {"docID": "S100BBBB", "edinetCode": "E00004"},
        {"docID": "S100CCCC", "csvFlag": "0"},
        {"docID": "S100DDDD", "withdrawalStatus": "2"},
    ]
    serve(publisher, tmp_path, ANNUAL, *({**ANNUAL, **other} for other in others))
    running = ready(settings, publisher)
    annual, codes = running.run()
    assert (codes.partition, annual.partition) == ("code_list", "2024-12-31 E00492")
    assert annual.published_on == "2025-03-26"
    assert running.rows(codes, "company_identity").height == 105
    sales = running.rows(annual, "sales_observation")
    assert sales.filter(pl.col("value") == 3_149_759e6).height == 1 and sales.height == 13
    asked = [seen for seen in publisher.seen if seen.path == LIST_PATH]
    days = [date.fromisoformat(seen.parameters["date"]) for seen in asked]
    assert all(day.weekday() < 5 for day in days) and 5 <= len(days) <= 7
    assert {seen.parameters["Subscription-Key"] for seen in publisher.seen if seen.host == API} == {SECRET}
    assert all("Subscription-Key" not in seen.parameters for seen in publisher.seen if seen.host == FILES)
    (document,) = [seen for seen in publisher.seen if seen.path.endswith(report.DOCUMENT)]
    assert document.parameters["type"] == "5"
    for path in settings.home.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_a_second_fetch_adds_nothing(settings: Settings, publisher: Publisher, tmp_path: Path) -> None:
    serve(publisher, tmp_path, ANNUAL)
    running = ready(settings, publisher, EDINET_SINCE=(TODAY - timedelta(days=4)).isoformat())
    assert all(item.is_new for item in running.fetch())
    again = running.fetch()
    assert [item.file.name for item in again] == ["S100VH9B.zip", "Edinetcode.zip"]
    assert not any(item.is_new for item in again)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("auth_error.json", "the service answers 401: Access denied"),
        ("bad_request.json", "the service answers 400: Bad Request"),
        ("not_found.json", "the service answers 404: Not Found"),
        (b'{"metadata": {"status": "200"}}', "no list of documents"),
        (b'{"metadata": null}', "without a status"),
        (b"[]", "without a status"),
        (b"<html><body>Sorry</body></html>", "the answer is no JSON"),
    ],
)
def test_errors_that_come_with_http_200(
    settings: Settings, publisher: Publisher, tmp_path: Path, answer: str | bytes, problem: str
) -> None:
    body = answer if isinstance(answer, bytes) else shared_file(f"edinet_canonical/{answer}").read_bytes()
    publisher.serve(API, LIST_PATH, Answer(body))
    running = ready(settings, publisher)
    with pytest.raises(FetchError, match=problem) as caught:
        running.fetch()
    assert SECRET not in str(caught.value) and not running.archived()


def test_an_error_in_place_of_a_document_is_not_archived(
    settings: Settings, publisher: Publisher, tmp_path: Path
) -> None:
    serve(
        publisher,
        tmp_path,
        ANNUAL,
        document=shared_file("edinet_canonical/not_found.json").read_bytes() + b" " * 2000,
    )
    running = ready(settings, publisher)
    with pytest.raises(GateError, match="the content is json, not zip"):
        running.fetch()
    assert [path for path in running.archived() if "S100" in path.read_text()] == []


@pytest.mark.parametrize("since", ["yesterday", "1999-01-01", "2999-01-01"])
def test_a_first_day_that_makes_no_sense(settings: Settings, publisher: Publisher, since: str) -> None:
    with pytest.raises(FetchError, match="no day of the last ten years"):
        ready(settings, publisher, EDINET_SINCE=since).fetch()
    assert publisher.seen == []


def test_without_a_key_nothing_is_asked(settings: Settings, publisher: Publisher) -> None:
    with pytest.raises(FetchError, match=r"EDINET_API_KEY"):
        connector(settings, publisher, CODE, API, FILES).fetch()
    assert publisher.seen == []


# The bundled edition


def test_the_bundled_edition_is_what_the_files_give(tmp_path: Path, tobacco: Loaded) -> None:
    files = [[shared_file(CODE_LIST)], [shared_file(report.CANONICAL)]]
    counts = compiling.compile_source(CODE, files, accessed_on=date(2026, 11, 22), target=tmp_path)
    assert counts == {"company_identity": 105, "rnd_observation": 5, "sales_observation": 13}
    held = source_of(CODE).edition_dir
    assert sorted(path.name for path in held.iterdir()) == sorted(path.name for path in tmp_path.iterdir())
    for path in held.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    for name, frame in tobacco.tables.items():
        assert same_rows(bundled(CODE, name), frame)
