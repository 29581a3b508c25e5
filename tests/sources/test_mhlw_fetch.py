"""The connectors of the Japanese ministry's pages: pages written after public descriptions, the real workbooks."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from ingest import load
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.lake import Lake
from ingest.load import load_bundled, load_files
from ingest.settings import Settings
from ingest.sources.mhlw_ndb import fetch as ndb
from ingest.sources.mhlw_nhi_price import fetch as nhi
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import Connector, connector
from tests.sources.rnd import source_of

HOST = "www.mhlw.go.jp"
NDB_TOP, NHI_TOP = "/stf/seisakunitsuite/bunya/0000177182.html", "/stf/seisakunitsuite/bunya/0000078916.html"
ROUND = "/stf/seisakunitsuite/bunya/0000177221_00010.html"
CONTENT = "/content/12400000/{}.xlsx"
# The text of the link under the heading of its route, by the name of the real workbook.
LINKS = {
    "ndb_o_2019_out": ("内服", "外来（院外） 性年齢別薬効分類別数量[1,845KB]"),
    "ndb_o_2019_in": ("内服", "外来（院内） 性年齢別薬効分類別数量[1,748KB]"),
    "ndb_o_2019_hos": ("内服", "入院 性年齢別薬効分類別数量[1,554KB]"),
    "ndb_t_2019": ("外用", "性年齢別薬効分類別数量[1,347KB]"),
    "ndb_p_2019": ("注射", "性年齢別薬効分類別数量[2,253KB]"),
}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def ndb_page(*left_out: str, more: str = "", swap: dict[str, str] | None = None) -> bytes:
    """A round's page: other tables before, the workbooks under the headings of their routes, other cuts between."""
    parts = ["<html><body><h3>医科診療行為</h3><h4>注射</h4><a href='/content/1/x.xlsx'>性年齢別算定回数</a>"]
    parts.append("<h3>処方薬（内服／外用／注射）</h3>")
    for route in ("内服", "外用", "注射"):
        parts.append(f"<h4>{route}</h4><ul>")
        for name, (under, text) in LINKS.items():
            if under == route and name not in left_out:
                file = (swap or {}).get(name, name)
                parts.append(f"<li><a href='{CONTENT.format(file)}'>{text}</a></li>")
        parts.append(f"<li><a href='{CONTENT.format('pref')}'>都道府県別薬効分類別数量[1,912KB]</a></li>")
        parts.append(f"<li><a href='{CONTENT.format('d')}'>性年齢別薬効分類別数量_歯科</a></li></ul>")
    return "".join([*parts, more, "</body></html>"]).encode()


def serve_ndb(publisher: Publisher, page: bytes, number: int = 6) -> None:
    """Play the ministry with one round."""
    top = f"<html><body><a href='{ROUND}'>第{number}回 NDBオープンデータ</a><a href='/x'>使い方</a></body></html>"
    publisher.serve(HOST, NDB_TOP, Answer(top.encode()))
    publisher.serve(HOST, ROUND, Answer(page))
    for name in LINKS:
        publisher.serve(HOST, CONTENT.format(name), Answer(shared_file(f"mhlw_ndb/{name}.xlsx").read_bytes()))


def test_a_round_is_fetched_as_one_edition(settings: Settings, publisher: Publisher) -> None:
    serve_ndb(publisher, ndb_page())
    live = connector(settings, publisher, "mhlw_ndb", HOST)
    (edition,) = live.run()
    assert (edition.partition, edition.row_count, edition.rows_quarantined) == ("FY2019", 26_714, 0)
    assert sorted(entry["name"] for entry in edition.files) == [
        "ndb_r06_injection_ndb-p-2019.xlsx",
        "ndb_r06_oral_inpatient_ndb-o-2019-hos.xlsx",
        "ndb_r06_oral_outpatient_in_house_ndb-o-2019-in.xlsx",
        "ndb_r06_oral_outpatient_pharmacy_ndb-o-2019-out.xlsx",
        "ndb_r06_topical_ndb-t-2019.xlsx",
    ]
    assert live.rows(edition, "sales_observation")["value"].sum() / 1e12 == pytest.approx(9.049338, abs=1e-6)


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (b"<html><body>We have moved</body></html>", "no workbook .*内服 入院"),
        (ndb_page("ndb_o_2019_hos"), "no workbook .* of: 内服 入院$"),
        (ndb_page("ndb_p_2019"), r"注射 外来\(院内\), 注射 外来\(院外\), 注射 入院$"),
        (
            ndb_page(more=f"<h4>注射</h4><a href='{CONTENT.format('again')}'>性年齢別薬効分類別数量</a>"),
            "two workbooks are linked for 注射",
        ),
        (
            b"<h3>x</h3><a href='/content/1.xlsx'>" + "性年齢別薬効分類別数量</a>".encode(),
            "neither the link .* tells the route",
        ),
    ],
    ids=["moved", "one setting", "one route", "twice", "no route"],
)
def test_a_round_that_is_not_whole_is_refused_before_anything_is_fetched(
    settings: Settings, publisher: Publisher, page: bytes, problem: str
) -> None:
    publisher.serve(HOST, NDB_TOP, Answer(f"<a href='{ROUND}'>第6回NDBオープンデータ</a>".encode()))
    publisher.serve(HOST, ROUND, Answer(page))
    live = connector(settings, publisher, "mhlw_ndb", HOST)
    with pytest.raises(FetchError) as caught:
        live.fetch()
    assert pl.Series([caught.value.problem]).str.contains(problem).all(), caught.value.problem
    assert not live.archived()


def test_a_top_page_without_rounds_and_an_option_that_is_no_number(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(
        HOST, NDB_TOP, Answer(b"<html></html>"), Answer(f"<a href='{ROUND}'>第6回NDBオープンデータ</a>".encode())
    )
    with pytest.raises(FetchError, match="links no round"):
        connector(settings, publisher, "mhlw_ndb", HOST).fetch()
    environment = {ndb.ROUNDS_VARIABLE: "some"}
    with pytest.raises(FetchError, match="BIOPHARMA_NDB_ROUNDS names 'SOME', no number of rounds and none of FY2019"):
        connector(settings, publisher, "mhlw_ndb", HOST, environment=environment).fetch()


def test_rounds_are_chosen_by_number_or_by_fiscal_year() -> None:
    rounds = [1, 2, 5, 6]
    assert ndb._wanted(None, rounds) == rounds
    assert ndb._wanted("2", rounds) == [5, 6]
    assert ndb._wanted("FY2019, fy2014", rounds) == [1, 6]
    with pytest.raises(FetchError, match="names 'FY2016'"):
        ndb._wanted("FY2019,FY2016", rounds)


@pytest.mark.parametrize(
    ("number", "swap", "problem"),
    [
        (7, {}, "the publisher's page says FY2020 .* the workbook FY2019"),
        (
            6,
            {"ndb_o_2019_hos": "ndb_o_2019_in", "ndb_o_2019_in": "ndb_o_2019_hos"},
            "page says FY2019 oral inpatient",
        ),
    ],
    ids=["other year", "other setting"],
)
def test_a_workbook_that_is_not_what_the_page_says_is_refused(
    settings: Settings, publisher: Publisher, number: int, swap: dict[str, str], problem: str
) -> None:
    serve_ndb(publisher, ndb_page(swap=swap), number)
    live = connector(settings, publisher, "mhlw_ndb", HOST)
    with pytest.raises(LayoutError, match=problem):
        live.run()
    assert not Lake(settings.lake).editions() and len(list(settings.quarantine.rglob("reason.json"))) == 1


def test_a_round_in_a_zip_archive_gives_the_rows_of_its_workbooks(settings: Settings, publisher: Publisher) -> None:
    members = {
        f"処方薬/【{route}】{text.split('[')[0].replace(' ', '_')}.xlsx": real_workbook(name)
        for name, (route, text) in LINKS.items()
    }
    members["処方薬/【内服】性年齢別薬効分類別数量_歯科.xlsx"] = b"another cut"
    publisher.serve(HOST, "/content/12400000/001742577.zip", Answer(zip_in_cp932(members)))
    page = (
        "<h3>処方薬</h3><p>公費レセプトを含まないデータは<a href='/content/12400000/001742577.zip'>こちら</a></p>"
        "<p>公費レセプトを含むデータは<a href='/content/12400000/001742578.zip'>こちら</a></p>"
    )
    serve_ndb(publisher, page.encode())
    live = connector(settings, publisher, "mhlw_ndb", HOST)
    (edition,) = live.run()
    assert [entry["name"] for entry in edition.files] == ["ndb_r06_all.zip"]
    rows = live.rows(edition, "sales_observation")
    assert rows.height == 26_714 and rows["value"].sum() / 1e12 == pytest.approx(9.049338, abs=1e-6)
    assert rows["locator"].str.starts_with("member 【").all()


def real_workbook(name: str) -> bytes:
    return shared_file(f"mhlw_ndb/{name}.xlsx").read_bytes()


def zip_in_cp932(members: dict[str, bytes]) -> bytes:
    """An archive whose names are cp932 without the flag that says UTF-8, as Windows makes it.

    zipfile marks every name that is not ASCII, so names of the same length stand in until the bytes are there.
    """
    names = [name.encode("cp932") for name in members]
    stand_ins = [f"{number}".ljust(len(name), "x") for number, name in enumerate(names)]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for stand_in, content in zip(stand_ins, members.values(), strict=True):
            archive.writestr(stand_in, content)
    data = stream.getvalue()
    for stand_in, name in zip(stand_ins, names, strict=True):
        data = data.replace(stand_in.encode(), name)
    return data


# --- a year is replaced whole -------------------------------------------------------------------------------------


def test_a_single_workbook_does_not_replace_its_year(settings: Settings) -> None:
    source = source_of("mhlw_ndb")
    load_bundled(settings, source)
    before = Lake(settings.lake).editions()
    injections = shared_file("mhlw_ndb/ndb_p_2019.xlsx")
    with pytest.raises(GateError, match="would replace FY2019 without oral inpatient, oral outpatient") as caught:
        load_files(settings, source, [injections])
    assert "topical" in caught.value.problem and "(in ndb_o_2019_hos.xlsx, ndb_o_2019_in.xlsx" in caught.value.problem
    assert "ndb_p_2019" not in caught.value.problem
    assert Lake(settings.lake).editions() == before
    assert len(list(settings.quarantine.rglob("reason.json"))) == 1
    accepted = load_files(settings, source, [injections], accept_changes=True)
    assert any(text.startswith("kept: the edition would replace FY2019 without oral") for text in accepted.warnings)


# --- price list -----------------------------------------------------------------------------------------------------

YEAR = "/topics/2019/10/tp20191001-01.html"
GROUPS = {"内用薬": 1, "注射薬": 2, "外用薬": 3, "歯科用薬剤": 4}
NEW, OLD = 0, 1


def price_workbook(path: Path, group: str, layout: int = NEW, rows: int = 60) -> bytes:
    """A workbook of a group, its rows those of the real list, its header one of the two inferred layouts."""
    real = pl.read_csv(shared_file("mhlw_nhi_price/mhlw_price_20191001.csv"), infer_schema=False)
    dental = group == "歯科用薬剤"
    picked = real.filter(pl.col("区分") == group).head(rows)
    name = pl.coalesce("Unnamed: 7", "品名") if dental else pl.col("品名")
    mark = pl.col("品名") if dental else pl.col("日本薬局方")
    start, end = ["区分", "薬価基準収載医薬品コード", "成分名", "規格"], real.columns[8:15]
    body = picked.select(*start, mark.alias("a"), pl.col("麻薬"), pl.col("業者名追記"), name.alias("n"), *end)
    middle = ["", "", "", "品名"] if layout == NEW else ["品名", "", "", ""]
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Sheet1")
        for column, head in enumerate([*start, *middle, *end]):
            sheet.write(0, column, head.replace("後発医薬品", "後発医薬品\n") or None)
        for line, cells in enumerate(body.rows(), start=1):
            for column, cell in enumerate(cells):
                if cell is not None:
                    sheet.write(line, column, float(cell) if column == 12 else cell)
    return path.read_bytes()


def nhi_page(*left_out: str, more: str = "") -> bytes:
    items = "".join(
        f"<li>（{number}）{group}<span class='ico-excel'>"
        f"<a href='/topics/2019/10/xls/tp20191001-01_{number:02}.xlsx'>エクセル</a></span></li>"
        for group, number in GROUPS.items()
        if group not in left_out
    )
    generics = "<li>後発医薬品に関する情報 <a href='/topics/2019/10/xls/tp20191001-01_05.xlsx'>エクセル</a></li>"
    return f"<html><body><div id='contents'><ul>{items}{generics}</ul>{more}</div></body></html>".encode()


def nhi_connector(settings: Settings, publisher: Publisher, page: bytes) -> Connector:
    top = (
        "<a href='/topics/2018/04/tp20180401-01.html'>薬価基準収載品目リストについて（平成30年度）</a>"
        f"<a href='{YEAR}'>薬価基準収載品目リストについて（令和元年度）</a><a href='/other.html'>薬価調査</a>"
    )
    publisher.serve(HOST, NHI_TOP, Answer(top.encode()))
    publisher.serve(HOST, YEAR, Answer(page))
    return connector(settings, publisher, "mhlw_nhi_price", HOST)


def serve_workbooks(publisher: Publisher, tmp_path: Path, layout: int = NEW) -> None:
    for group, number in GROUPS.items():
        body = price_workbook(tmp_path / f"{number}.xlsx", group, layout)
        publisher.serve(HOST, f"/topics/2019/10/xls/tp20191001-01_{number:02}.xlsx", Answer(body))


@pytest.mark.parametrize("layout", [NEW, OLD])
def test_the_newest_list_is_fetched_as_one_edition(
    settings: Settings, publisher: Publisher, tmp_path: Path, layout: int
) -> None:
    live = nhi_connector(settings, publisher, nhi_page())
    serve_workbooks(publisher, tmp_path, layout)
    (edition,) = live.run()
    assert (edition.partition, edition.published_on) == ("list-2019-10-01", "2019-10-01")
    rows = live.rows(edition, "product_identity")
    assert rows.height == 60 * 3 + 28 and edition.rows_quarantined == 0
    assert rows["route"].value_counts().sort("route")["count"].to_list() == [28, 60, 60, 60]
    assert set(rows["value_origin"]) == {"publisher_bytes"}
    # The same rows as from the conversion to CSV, but for where they stand.
    source = source_of("mhlw_nhi_price")
    csv = load.parse_files(source, load.in_hand(source, [shared_file("mhlw_nhi_price/mhlw_price_20191001.csv")]))
    own = ["licence_number", "brand_name", "ingredient_name", "listed_price", "publisher_flags", "is_generic"]
    assert (
        rows.select(own)
        .join(csv.tables["product_identity"].select(own), on=own, how="anti", nulls_equal=True)
        .is_empty()
    )
    assert rows["locator"][0].startswith("sheet Sheet1 row ")


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (b"<html><body>Moved</body></html>", "for 内用薬, 注射薬, 外用薬, 歯科用薬剤"),
        (nhi_page("注射薬"), "named like tp20250716-01_01.xlsx for 注射薬"),
        (
            nhi_page(more="<p>注射薬<a href='/x/tp20190401-01_02.xlsx'>旧</a></p>"),
            "two workbooks are linked for 注射薬",
        ),
    ],
    ids=["moved", "one missing", "twice"],
)
def test_a_list_that_is_not_whole_is_refused(
    settings: Settings, publisher: Publisher, page: bytes, problem: str
) -> None:
    live = nhi_connector(settings, publisher, page)
    with pytest.raises(FetchError, match=problem):
        live.fetch()
    assert not live.archived()


def test_a_top_page_without_lists_is_an_error(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, NHI_TOP, Answer(b"<html><body></body></html>"))
    with pytest.raises(FetchError, match="links no list"):
        connector(settings, publisher, "mhlw_nhi_price", HOST).fetch()


def test_the_option_says_how_many_lists(settings: Settings, publisher: Publisher) -> None:
    for number in ("2", "all"):
        environment = {nhi.LISTS_VARIABLE: number}
        live = nhi_connector(settings, publisher, nhi_page())
        live.environment = environment
        with pytest.raises(FetchError, match="HTTP 404"):
            live.fetch()
        assert publisher.seen[-1].path == "/topics/2018/04/tp20180401-01.html"
    live.environment = {nhi.LISTS_VARIABLE: "0"}
    with pytest.raises(FetchError, match="BIOPHARMA_NHI_LISTS is '0'"):
        live.fetch()


def test_wrong_workbooks_are_named_errors(tmp_path: Path) -> None:
    source = source_of("mhlw_nhi_price")
    routes = {"内用薬": "oral", "注射薬": "injection", "外用薬": "topical", "歯科用薬剤": "dental"}
    paths = [tmp_path / f"nhi_20191001_{route}_tp20191001-01_01.xlsx" for route in routes.values()]
    for path, group in zip(paths, routes, strict=True):
        price_workbook(path, group)

    def problem(files: list[Path]) -> str:
        with pytest.raises(IngestError) as caught:
            load.parse_files(source, load.in_hand(source, files))
        assert isinstance(caught.value, LayoutError)
        return caught.value.text

    assert "missing: 歯科用薬剤" in problem(paths[:3])
    price_workbook(paths[1], "外用薬")
    assert "the publisher's page says 注射薬, the workbook 外用薬" in problem(paths)
    with xlsxwriter.Workbook(paths[1]) as book:
        sheet = book.add_worksheet("Sheet1")
        for column in range(15):
            sheet.write(0, column, f"列{column}" * 200)
    assert "column 1 of the header is" in problem(paths)
