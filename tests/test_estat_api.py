from __future__ import annotations

import copy
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest import estat_api
from ingest.errors import IngestError, LayoutError
from ingest.source import SourceFile
from tests.conftest import shared_file

FILE = "estat/getStatsData_0000020202_2025-07-16.json"


def answer() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(shared_file(FILE).read_bytes())
    return content


def inside(content: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = content["GET_STATS_DATA"]["STATISTICAL_DATA"]
    return body


def written(folder: Path, content: Any, name: str = "getStatsData_x.json") -> SourceFile:
    path = folder / name
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return SourceFile(path=path, name=name, sha256=name)


def page(first: int, last: int, total: int) -> dict[str, Any]:
    """A page of the real table: some of its ten values, numbered as asked for."""
    content = answer()
    body = inside(content)
    numbering = {"TOTAL_NUMBER": total, "FROM_NUMBER": first, "TO_NUMBER": last}
    body["RESULT_INF"] = numbering | ({"NEXT_KEY": last + 1} if last < total else {})
    body["DATA_INF"]["VALUE"] = body["DATA_INF"]["VALUE"][first - 1 : last]
    return content


def test_a_real_page() -> None:
    path = shared_file(FILE)
    table = estat_api.read_page(path, path.name)
    assert (table.table_id, table.survey_code, table.survey) == ("0000020202", "00200502", "社会・人口統計体系")
    assert (table.total, table.next_key, table.updated_on) == (403_227, 11, date(2025, 6, 20))
    # The class with one code comes as that code, the others as lists.
    assert {name: len(c.labels) for name, c in table.classes.items()} == {
        "tab": 1,
        "cat01": 9,
        "area": 1913,
        "time": 44,
    }
    assert table.classes["tab"].labels == {"00001": "観測値"}
    assert table.marks == {
        "***": "調査又は集計していないもの",
        "-": "データが得られないもの",
        "X": "数値が秘匿されているもの",
    }
    first = table.values.row(0, named=True)
    assert (first["cat01"], first["area"], first["time"], first["unit"]) == ("B1101", "01100", "1981100000", "ｈａ")
    assert (first["value"], first["text"], first["mark"], first["locator"]) == (111_801, "111801", None, "VALUE[0]")
    assert table.values.height == 10 and table.rejected.height == 0


def test_the_first_page_alone_is_not_the_table() -> None:
    path = shared_file(FILE)
    with pytest.raises(LayoutError, match="end with value 10 of 403227") as caught:
        estat_api.read([SourceFile(path=path, name=path.name, sha256="")])
    assert "startPosition=11" in caught.value.remedy


def test_pages_join_in_any_order(tmp_path: Path) -> None:
    pages = [
        written(tmp_path, page(first, last, 10), f"page_{first}.json") for first, last in ((8, 10), (1, 4), (5, 7))
    ]
    table = estat_api.read(pages)
    assert (table.values.height, table.next_key) == (10, None)
    assert table.values["file_sha256"].to_list()[:5] == ["page_1.json"] * 4 + ["page_5.json"]
    path = shared_file(FILE)
    assert table.values["text"].equals(estat_api.read_page(path, path.name).values["text"])


@pytest.mark.parametrize(
    ("spans", "problem"),
    [
        ([(1, 4), (8, 10)], "begins with value 5 is expected, the next one begins with 8"),
        ([(1, 4), (1, 4), (5, 10)], "begins with value 5 is expected, the next one begins with 1"),
        ([(1, 4), (5, 7)], "end with value 7 of 10"),
        ([(5, 10)], "begins with value 1 is expected"),
    ],
)
def test_missing_and_repeated_pages_are_errors(tmp_path: Path, spans: list[tuple[int, int]], problem: str) -> None:
    pages = [written(tmp_path, page(*span, 10), f"{i}.json") for i, span in enumerate(spans)]
    with pytest.raises(LayoutError, match=problem):
        estat_api.read(pages)


def test_lists_with_one_member_come_as_that_member(tmp_path: Path) -> None:
    content = page(1, 1, 1)
    body = inside(content)
    body["DATA_INF"]["VALUE"] = body["DATA_INF"]["VALUE"][0]
    body["DATA_INF"]["NOTE"] = body["DATA_INF"]["NOTE"][0]
    body["CLASS_INF"]["CLASS_OBJ"] = [
        {**entry, "CLASS": entry["CLASS"][:1] if isinstance(entry["CLASS"], list) else entry["CLASS"]}
        for entry in body["CLASS_INF"]["CLASS_OBJ"]
    ]
    body["CLASS_INF"]["CLASS_OBJ"][3]["CLASS"] = {"@code": "1981100000", "@name": "1981年度"}
    table = estat_api.read([written(tmp_path, content)])
    assert table.values["value"].to_list() == [111_801]
    assert list(table.marks) == ["***"]


def test_marks_are_kept_apart_from_figures_and_the_rest_is_rejected(tmp_path: Path) -> None:
    content = page(1, 10, 10)
    values = inside(content)["DATA_INF"]["VALUE"]
    for value, text in zip(
        values, ["***", "-", "X", "1,234.5", "-7", "１２３", "12e", " 5 ", None, "･"], strict=True
    ):
        value["$"] = text
    table = estat_api.read([written(tmp_path, content)])
    assert table.values.select("mark", "value").rows() == [
        ("***", None),
        ("-", None),
        ("X", None),
        (None, 1234.5),
        (None, -7.0),
        (None, 5.0),
    ]
    assert table.rejected.select("locator", "raw").rows() == [
        ("VALUE[5]", "１２３"),
        ("VALUE[6]", "12e"),
        ("VALUE[8]", None),
        ("VALUE[9]", "･"),
    ]


@pytest.mark.parametrize(
    ("status", "text"),
    [(100, "認証に失敗しました。アプリケーションIDを確認して下さい。"), (1, "該当データはありませんでした。")],
)
def test_errors_with_http_200_are_named(tmp_path: Path, status: int, text: str) -> None:
    content = {"GET_STATS_DATA": {"RESULT": {"STATUS": status, "ERROR_MSG": text, "DATE": "2025-07-16"}}}
    with pytest.raises(estat_api.EstatError, match=f"status {status}: {text}"):
        estat_api.read([written(tmp_path, content)])
    with pytest.raises(estat_api.EstatError, match=f"status {status}"):
        estat_api.total_of(content, "head")
    listing = {"GET_STATS_LIST": content["GET_STATS_DATA"]}
    with pytest.raises(estat_api.EstatError, match=f"status {status}"):
        estat_api.tables_of(listing, "list")


def test_tables_of_a_listing() -> None:
    entry = {"@id": "0003", "STATISTICS_NAME": "結果の概要", "TITLE": {"@no": "1", "$": "産業別研究費"}}
    body = {"RESULT": {"STATUS": 0}, "DATALIST_INF": {"NUMBER": 2, "TABLE_INF": entry}}
    assert estat_api.tables_of({"GET_STATS_LIST": body}, "list") == (
        [{"id": "0003", "statistics": "結果の概要", "title": "産業別研究費"}],
        None,
    )
    body["DATALIST_INF"] = {"RESULT_INF": {"NEXT_KEY": 2}, "TABLE_INF": [entry, {**entry, "TITLE": "別表"}]}
    found, following = estat_api.tables_of({"GET_STATS_LIST": body}, "list")
    assert ([table["title"] for table in found], following) == (["産業別研究費", "別表"], 2)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda body: body.pop("TABLE_INF"), "TABLE_INF is missing"),
        (lambda body: body.pop("RESULT_INF"), "RESULT_INF is missing"),
        (lambda body: body.pop("CLASS_INF"), "lacks its numbering, its classes"),
        (lambda body: body["RESULT_INF"].update(TO_NUMBER=9), "holds 10 values and announces 9"),
        (lambda body: body["DATA_INF"]["VALUE"][3].update({"@cat01": "Z9"}), r"VALUE\[3\] has the cat01 'Z9'"),
        (lambda body: body["DATA_INF"]["VALUE"][3].pop("@area"), r"VALUE\[3\] has the area None"),
        (lambda body: body["DATA_INF"]["VALUE"][3].update({"@cat02": "1"}), "names @cat02, which CLASS_INF"),
        (lambda body: body["DATA_INF"]["VALUE"][3].pop("$"), r"VALUE\[3\] is no value"),
        (lambda body: body["CLASS_INF"]["CLASS_OBJ"][1].pop("@id"), "a class lacks its id"),
    ],
)
def test_another_layout_is_an_error(tmp_path: Path, change: Any, problem: str) -> None:
    content = page(1, 10, 10)
    change(inside(content))
    with pytest.raises(LayoutError, match=problem):
        estat_api.read([written(tmp_path, content)])


def test_other_json_and_pages_of_other_tables_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="GET_STATS_DATA is missing"):
        estat_api.read([written(tmp_path, {"dataSets": []})])
    cut = tmp_path / "cut.json"
    cut.write_bytes(shared_file(FILE).read_bytes()[:5000])
    with pytest.raises(LayoutError, match="cut off or malformed"):
        estat_api.read([SourceFile(path=cut, name="cut.json", sha256="")])
    other = page(5, 10, 10)
    inside(other)["TABLE_INF"]["@id"] = "0000020203"
    with pytest.raises(LayoutError, match="different tables or states"):
        estat_api.read([written(tmp_path, page(1, 4, 10), "1.json"), written(tmp_path, other, "2.json")])
    with pytest.raises(
        LayoutError, match=r"table 0000020202 .*自然環境.* belongs to 社会・人口統計体系 \(00200502\)"
    ):
        estat_api.read([written(tmp_path, page(1, 10, 10))], "00200543")


@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_answers_give_right_values_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    content = page(1, 10, 10)
    whole = copy.deepcopy(content)
    node: Any = content
    for _ in range(data.draw(st.integers(3, 8))):
        if isinstance(node, dict) and node:
            keys = list(node)
            key: Any = data.draw(st.sampled_from(keys))
        elif isinstance(node, list) and node:
            key = data.draw(st.integers(0, min(len(node), 10) - 1))
        else:
            break
        if isinstance(node[key], dict | list) and data.draw(st.booleans()):
            node = node[key]
            continue
        node[key] = data.draw(st.sampled_from([None, [], {}, "", "x", 3, "令和4年"]))
        break
    try:
        table = estat_api.read([written(tmp_path, content)])
    except IngestError:
        return
    right = {(value["@time"], value["$"]) for value in inside(whole)["DATA_INF"]["VALUE"]}
    found = set(table.values.select("time", "text").iter_rows())
    # A value that was overwritten shows as written; no other value may change.
    assert len(found - right) <= 1
