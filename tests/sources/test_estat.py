from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest.errors import GateError, LayoutError
from ingest.estat_api import EstatError
from ingest.fetch import FetchError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher, Seen
from tests.sources.connectors import connector
from tests.sources.rnd import bundled, in_hand, load, source_of

CODE = "estat"
FILE = "estat/getStatsData_0000020202_2025-07-16.json"
HOST = "api.e-stat.go.jp"
API = "/rest/3.0/app/json/"
KEY = {"ESTAT_APP_ID": "s3cret-id"}

INDUSTRIES = {"00": "全産業", "16": "医薬品製造業", "17": "（１）　その他の製造業"}
ITEMS = {"1": "社内使用研究費　総額", "2": "人件費"}
YEARS = {"2022100000": "2022年度", "2023100000": "2023年度", "2023000000": "2023年"}


def table(*values: tuple[str, str, str, str | None], unit: str = "百万円", **numbering: int) -> dict[str, Any]:
    """A table of the survey in the envelope of the real answer; item, industry, time and figure of each value."""
    content: dict[str, Any] = json.loads(shared_file(FILE).read_bytes())
    body = content["GET_STATS_DATA"]["STATISTICAL_DATA"]
    body["RESULT_INF"] = {"TOTAL_NUMBER": len(values), "FROM_NUMBER": 1, "TO_NUMBER": len(values), **numbering}
    body["TABLE_INF"] |= {
        "@id": "0009999999",
        "STAT_NAME": {"@code": "00200543", "$": "科学技術研究調査"},
        "TITLE": {"@no": "1", "$": "産業別研究費（企業）"},
        "UPDATED_DATE": "2025-12-12",
    }

    def members(labels: dict[str, str]) -> list[dict[str, str]]:
        return [{"@code": code, "@name": name, "@level": "1"} for code, name in labels.items()]

    body["CLASS_INF"]["CLASS_OBJ"] = [
        {"@id": "tab", "@name": "表章項目", "CLASS": {"@code": "10", "@name": "金額"}},
        {"@id": "cat01", "@name": "項目", "CLASS": members(ITEMS)},
        {"@id": "cat02", "@name": "産業", "CLASS": members(INDUSTRIES)},
        {"@id": "time", "@name": "時間軸", "CLASS": members(YEARS)},
    ]
    body["DATA_INF"]["VALUE"] = [
        {"@tab": "10", "@cat01": item, "@cat02": industry, "@time": time, "@unit": unit, "$": figure}
        for item, industry, time, figure in values
    ]
    return content


REAL_FIGURES = (
    ("1", "16", "2022100000", "1430400"),
    ("1", "16", "2023100000", "1,538,600"),
    ("1", "17", "2023100000", "5"),
    ("2", "16", "2023100000", "5"),
)


def written(folder: Path, content: Any, name: str = "getStatsData_0009999999_page_001.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_a_table_of_another_survey_is_refused_by_name() -> None:
    with pytest.raises(LayoutError, match=r"table 0000020202 \(Ｂ　自然環境\) belongs to 社会・人口統計体系"):
        source_of(CODE).parse([in_hand(shared_file(FILE))])


def test_the_survey_in_yen_is_what_the_trade_press_reported(tmp_path: Path) -> None:
    loaded = load(CODE, written(tmp_path, table(*REAL_FIGURES)))
    rows = loaded.tables["rnd_observation"].sort("period_start")
    assert rows.select("period_start", "period_end", "value", "unit", "currency", "period_basis").rows() == [
        (date(2022, 4, 1), date(2023, 3, 31), 1_430_400_000_000, "national_currency", "JPY", "fiscal_year"),
        (date(2023, 4, 1), date(2024, 3, 31), 1_538_600_000_000, "national_currency", "JPY", "fiscal_year"),
    ]
    assert loaded.dropped == {"industry_not_declared": 1, "item_not_declared": 1}
    assert (loaded.parsed.published_on, loaded.parsed.partition) == (date(2025, 12, 12), "table 0009999999")
    curated = bundled("mic_rnd_survey", "rnd_observation").filter(activity_code="165", measure="berd")
    key = ["entity_code", "activity_scheme", "activity_code", "measure", "unit", "currency", "period_start", "value"]
    assert rows.join(curated, on=key, how="semi").height == 2


def test_marks_units_and_periods(tmp_path: Path) -> None:
    content = table(
        ("1", "16", "2022100000", "X"),
        ("1", "00", "2022100000", "-"),
        ("1", "00", "2023100000", "***"),
        ("1", "16", "2023000000", "1"),
        ("1", "16", "2023100000", "12億"),
    )
    loaded = load(CODE, written(tmp_path, content))
    hidden = loaded.tables["rnd_observation"]
    assert hidden.select("value", "status", "publisher_flags").rows() == [(None, "suppressed", "X")]
    assert loaded.dropped == {"no_value": 2}
    assert sorted(loaded.rejected["reason"]) == [
        "the period 2023000000 is no fiscal year",
        "the value is neither a number nor a mark that the table explains",
    ]
    assert loaded.parsed.rows_read == 5


@pytest.mark.parametrize(
    ("unit", "factor"), [("円", 1), ("万円", 1e4), ("百万円", 1e6), ("億円", 1e8), ("１００万円", None)]
)
def test_the_unit_is_applied_once(tmp_path: Path, unit: str, factor: float | None) -> None:
    loaded = load(CODE, written(tmp_path, table(("1", "16", "2023100000", "25"), unit=unit)))
    rows = loaded.tables["rnd_observation"]
    if factor is None:
        assert loaded.rejected["reason"].to_list() == ["the unit １００万円 is not declared"]
    else:
        assert rows["value"].to_list() == [25 * factor]


def test_parts_of_a_total_are_left_out(tmp_path: Path) -> None:
    content = table(*REAL_FIGURES[:2])
    body = content["GET_STATS_DATA"]["STATISTICAL_DATA"]
    size = {
        "@id": "cat03",
        "@name": "資本金",
        "CLASS": [{"@code": "0", "@name": "総数"}, {"@code": "1", "@name": "100億円以上"}],
    }
    body["CLASS_INF"]["CLASS_OBJ"].insert(3, size)
    for code, value in zip(("0", "1"), body["DATA_INF"]["VALUE"], strict=True):
        value["@cat03"] = code
    loaded = load(CODE, written(tmp_path, content))
    assert loaded.tables["rnd_observation"].height == 1
    assert loaded.dropped == {"breakdown_not_taken": 1}


def test_a_table_without_declared_items_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"table 0009999999 \(産業別研究費（企業）\) holds no declared item"):
        source_of(CODE).parse([in_hand(written(tmp_path, table(("2", "16", "2023100000", "5"))))])
    content = table(*REAL_FIGURES)
    content["GET_STATS_DATA"]["STATISTICAL_DATA"]["CLASS_INF"]["CLASS_OBJ"][3]["@id"] = "cat09"
    for value in content["GET_STATS_DATA"]["STATISTICAL_DATA"]["DATA_INF"]["VALUE"]:
        value["@cat09"] = value.pop("@time")
    with pytest.raises(LayoutError, match="has no class `time`"):
        source_of(CODE).parse([in_hand(written(tmp_path, content))])


def test_there_is_no_bundled_edition_and_the_caveat_says_why() -> None:
    source = source_of(CODE)
    assert not source.has_bundled_edition
    assert source.spec.caveats[0].startswith("No bundled edition")


def listing(*tables: tuple[str, str], following: int | None = None) -> bytes:
    entries: Any = [{"@id": number, "TITLE": {"$": title}} for number, title in tables]
    inf = {"NUMBER": len(tables), "TABLE_INF": entries[0] if len(entries) == 1 else entries}
    if following:
        inf["RESULT_INF"] = {"NEXT_KEY": following}
    return json.dumps({"GET_STATS_LIST": {"RESULT": {"STATUS": 0}, "DATALIST_INF": inf}}).encode("utf-8")


def serve_table(publisher: Publisher) -> None:
    """The table of REAL_FIGURES, two values a page, whatever page size is asked for."""

    def data(seen: Seen) -> Answer:
        start = int(seen.parameters["startPosition"])
        count = min(2, int(seen.parameters["limit"]))
        values = REAL_FIGURES[start - 1 : start - 1 + count]
        last = start + len(values) - 1
        numbering = {"TOTAL_NUMBER": len(REAL_FIGURES), "FROM_NUMBER": start, "TO_NUMBER": last}
        more = {"NEXT_KEY": last + 1} if last < len(REAL_FIGURES) else {}
        return Answer(json.dumps(table(*values, **numbering, **more)).encode("utf-8"))

    publisher.serve(HOST, API + "getStatsData", data)


def test_the_connector_lists_pages_and_loads(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.sources.estat import fetch as ours

    monkeypatch.setattr(ours, "_PER_PAGE", 2)
    publisher.serve(
        HOST,
        API + "getStatsList",
        lambda seen: Answer(
            listing(("0001", "研究者数"), ("0002", "産業別特許"), following=3)
            if seen.parameters["startPosition"] == "1"
            else listing(("0009999999", "産業別研究費（企業）"))
        ),
    )
    serve_table(publisher)
    live = connector(settings, publisher, CODE, HOST, environment=KEY)
    (edition,) = live.run()
    assert [entry["name"] for entry in edition.files] == [
        "getStatsData_0009999999_page_001.json",
        "getStatsData_0009999999_page_002.json",
    ]
    rows = live.rows(edition, "rnd_observation")
    assert sorted(rows["value"]) == [1_430_400_000_000, 1_538_600_000_000]
    assert edition.published_on == "2025-12-12"
    asked = [seen.parameters for seen in publisher.seen]
    assert all(entry["appId"] == "s3cret-id" for entry in asked)
    assert [entry["startPosition"] for entry in asked] == ["1", "3", "1", "1", "3"]
    assert asked[0]["statsCode"] == "00200543"
    written_files = [path for path in settings.archive.rglob("*") if path.is_file()]
    assert not any(b"s3cret-id" in path.read_bytes() for path in written_files)


def test_without_a_key_nothing_is_asked(settings: Settings, publisher: Publisher) -> None:
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(FetchError, match="ESTAT_APP_ID"):
        live.fetch()
    assert not publisher.seen


def test_an_error_with_http_200_is_named_and_does_not_tell_the_key(settings: Settings, publisher: Publisher) -> None:
    text = "認証に失敗しました。アプリケーションIDを確認して下さい。"
    refusal = {"RESULT": {"STATUS": 100, "ERROR_MSG": text}}
    publisher.serve(
        HOST,
        API + "getStatsList",
        Answer(json.dumps({"GET_STATS_LIST": refusal}).encode("utf-8")),
        Answer(listing(("0009999999", "産業別研究費（企業）"))),
    )
    publisher.serve(HOST, API + "getStatsData", Answer(json.dumps({"GET_STATS_DATA": refusal}).encode("utf-8")))
    live = connector(settings, publisher, CODE, HOST, environment=KEY)
    for _ in range(2):
        with pytest.raises(EstatError, match="status 100: 認証に失敗しました") as caught:
            live.fetch()
        assert "s3cret-id" not in str(caught.value)
    assert not live.archived()


def test_no_table_and_a_page_of_html_are_named_errors(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(
        HOST,
        API + "getStatsList",
        Answer(listing(("0001", "研究者数"))),
        Answer(b"<html><body>maintenance</body></html>"),
        Answer(listing(("0009999999", "産業別研究費（企業）"))),
    )
    live = connector(settings, publisher, CODE, HOST, environment=KEY)
    with pytest.raises(FetchError, match="lists no table of 00200543"):
        live.fetch()
    with pytest.raises(FetchError, match="no JSON"):
        live.fetch()
    head = json.dumps(table(REAL_FIGURES[0])).encode("utf-8")
    publisher.serve(HOST, API + "getStatsData", Answer(head), Answer(b"<!DOCTYPE html><html></html>" + b" " * 200))
    with pytest.raises(GateError, match="HTML page"):
        live.fetch()
    assert not live.archived()


def test_a_cut_table_goes_to_quarantine(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, API + "getStatsList", Answer(listing(("0009999999", "産業別研究費（企業）"))))
    serve_table(publisher)
    # The service sends two values a page though 100,000 were asked for: the rest is missing.
    live = connector(settings, publisher, CODE, HOST, environment=KEY)
    with pytest.raises(LayoutError, match="end with value 2 of 4"):
        live.run()
    assert len(list((settings.quarantine / CODE).glob("*/reason.json"))) == 1


def test_rows_keep_the_hash_of_their_page(tmp_path: Path) -> None:
    pages = [
        written(tmp_path, table(*REAL_FIGURES[:1], TOTAL_NUMBER=2, NEXT_KEY=2), "getStatsData_a.json"),
        written(
            tmp_path, table(*REAL_FIGURES[1:2], TOTAL_NUMBER=2, FROM_NUMBER=2, TO_NUMBER=2), "getStatsData_b.json"
        ),
    ]
    rows = load(CODE, *pages).tables["rnd_observation"]
    assert rows["file_sha256"].n_unique() == 2
    assert rows.filter(pl.col("locator") == "table 0009999999 VALUE[0]").height == 2
