"""Trade Statistics of Japan. No real file of these chapters was at hand: the tables here are made after the published
layout, with round figures that nobody published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ingest import vocabulary
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.sources.mof_customs.parse import IDENTITY, MONTHS
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher, Seen
from tests.sources.connectors import Connector, connector
from tests.sources.mutations import Damage, Table, damages
from tests.sources.rnd import load

CODE = "mof_customs"
TABLE = "trade_flow"
HOST = "www.e-stat.go.jp"
LIST, FILE = "/en/stat-search/files", "/en/stat-search/file-download"
IMPORT, EXPORT = "000001013182", "000001013181"
FIXED = "mof_import_2019_fixed_000012345678.csv"

Month = tuple[int, int]


def line(
    hs: str,
    country: str,
    months: Mapping[int, Month],
    *,
    flow: str = "2",
    year: int = 2019,
    unit: str = "KG",
    last: int = 12,
) -> list[str]:
    """A synthetic row: (quantity 2, value in 1,000 yen) by month, and the year's sums."""
    filled = [months.get(number, (0, 0)) for number in range(1, last + 1)]
    total = tuple(sum(figures) for figures in zip(*filled, strict=True))
    cells = [cell for quantity, value in [total, *filled] for cell in ("0", str(quantity), str(value))]
    return [flow, str(year), f"'{hs}'", country, "  ", unit, *cells]


def table(*rows: list[str], last: int = 12) -> Table:
    periods = ["Year", *MONTHS[:last]]
    header = [*IDENTITY, *(f"{name}-{p}" for p in periods for name in ("Quantity1", "Quantity2", "Value"))]
    return Table(header, list(rows))


def imports() -> Table:
    return table(
        line("300220000", "206", {1: (10, 2_000), 3: (5, 1_500)}),
        line("300215000", "213", {2: (7, 1_234_567)}),
        line("300212000", "304", {2: (900, 50_000), 12: (100, 5_000)}),
        line("382219000", "106", {6: (3, 400)}),
    )


def written(folder: Path, content: Table, name: str = FIXED, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("".join(f"{','.join(row)}\n" for row in [content.header, *content.rows]).encode(encoding))
    return path


def test_months_become_rows_in_whole_yen(tmp_path: Path) -> None:
    result = load(CODE, written(tmp_path, imports()))
    rows = result.tables[TABLE]
    assert result.parsed.partition == "import-2019"
    assert result.parsed.rows_read == 4
    assert result.dropped == {"no_trade_or_not_compiled": 4 * 12 - 6}
    assert rows.height == 6 and result.rejected.is_empty()
    vaccine = rows.filter(hs_code="300220000").sort("period_start")
    assert vaccine.select("value", "net_weight_kg", "period_start", "period_end").rows() == [
        (2_000_000.0, 10.0, date(2019, 1, 1), date(2019, 1, 31)),
        (1_500_000.0, 5.0, date(2019, 3, 1), date(2019, 3, 31)),
    ]
    assert vaccine.select(
        "reporter_iso3", "partner_iso3", "flow", "valuation", "currency", "hs_revision", "status"
    ).unique().rows() == [("JPN", "IRL", "import", "cif", "JPY", "HS2017", "reported")]
    assert rows["value_usd"].null_count() == rows.height
    assert vaccine["locator"].to_list() == ["line 2 column Value-Jan", "line 2 column Value-Mar"]
    assert rows.filter(partner_iso3="TWN").height == 1
    assert rows["value"].sum() == sum(int(row[8]) for row in imports().rows) * 1000


def test_exports_are_fob(tmp_path: Path) -> None:
    content = table(line("300220000", "105", {1: (1, 300)}, flow="1", year=2023))
    result = load(CODE, written(tmp_path, content, "mof_export_2023_provisional_1.csv"))
    row = result.tables[TABLE].row(0, named=True)
    assert result.parsed.partition == "export-2023"
    assert (row["flow"], row["valuation"], row["partner_iso3"]) == ("export", "fob", "CHN")
    assert (row["hs_revision"], row["status"]) == ("HS2022", "provisional")


@pytest.mark.parametrize(
    ("name", "status"),
    [(FIXED, "reported"), ("mof_import_2019_provisional_1.csv", "provisional"), ("mof_import.csv", "provisional")],
)
def test_only_files_called_fixed_are_final(name: str, status: str, tmp_path: Path) -> None:
    assert set(load(CODE, written(tmp_path, imports(), name)).tables[TABLE]["status"]) == {status}


@pytest.mark.parametrize(
    ("year", "revision"), [(1988, "HS"), (1995, "HS1992"), (2011, "HS2007"), (2012, "HS2012"), (2027, "HS2022")]
)
def test_revision_in_force(year: int, revision: str, tmp_path: Path) -> None:
    content = table(line("300210000", "304", {1: (1, 300)}, year=year))
    assert load(CODE, written(tmp_path, content)).tables[TABLE]["hs_revision"].to_list() == [revision]


def test_a_year_under_way_has_fewer_months(tmp_path: Path) -> None:
    content = table(line("300215000", "304", {5: (1, 300)}, year=2026, last=5), last=5)
    rows = load(CODE, written(tmp_path, content)).tables[TABLE]
    assert rows["period_end"].to_list() == [date(2026, 5, 31)]


def test_tonnes_and_other_units(tmp_path: Path) -> None:
    content = table(
        line("300215000", "304", {1: (2, 300)}, unit="MT"), line("300490000", "304", {1: (2, 300)}, unit="NO")
    )
    rows = load(CODE, written(tmp_path, content)).tables[TABLE].sort("hs_code")
    assert rows["net_weight_kg"].to_list() == [2000.0, None]


def test_areas_of_one_country_are_added_up_and_marked(tmp_path: Path) -> None:
    content = table(line("300215000", "217", {2: (1, 5)}), line("300215000", "216", {2: (2, 7)}))
    (row,) = load(CODE, written(tmp_path, content)).tables[TABLE].iter_rows(named=True)
    assert (row["partner_iso3"], row["value"], row["net_weight_kg"]) == ("PRT", 12_000.0, 3.0)
    assert (row["status"], row["value_origin"]) == ("derived", "computed")
    assert row["note"] == "Sum of the ministry's areas 217, 216."
    assert row["locator"] == "line 2 column Value-Feb; line 3 column Value-Feb"


def test_rounding_of_the_months_is_not_an_error(tmp_path: Path) -> None:
    content = imports()
    content.rows[0][8] = str(int(content.rows[0][8]) + 1)
    assert load(CODE, written(tmp_path, content)).rejected.is_empty()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("Exp or Imp", "3", "is no known flow"),
        ("HS", "'30022000'", "HS 30022000 has no nine digits"),
        ("HS", "", "HS (empty) has no nine digits"),
        ("Country", "999", "country 999 is no country code"),
        ("Value-Jan", "9 *", "a cell is no number"),
        ("Value-Jan", "2010", "the months do not add up to the year"),
        ("Value-Year", "2000", "the months do not add up to the year"),
        ("Value-Year", "", "the months do not add up to the year"),
    ],
)
def test_rows_that_cannot_be_used_are_rejected(column: str, value: str, reason: str, tmp_path: Path) -> None:
    content = imports()
    content.rows[0][content.header.index(column)] = value
    try:
        result = load(CODE, written(tmp_path, content))
    except LayoutError as error:
        # Another flow in one row is another edition: the file as a whole is refused.
        assert column == "Exp or Imp" and "flow and year" in error.text
        return
    (found,) = result.rejected.iter_rows(named=True)
    assert reason in found["reason"] and found["locator"] == "line 2"
    assert result.tables[TABLE].height == 4


def test_a_line_that_stands_twice_is_not_added_up(tmp_path: Path) -> None:
    content = imports()
    content.rows.append(list(content.rows[0]))
    result = load(CODE, written(tmp_path, content))
    assert result.rejected["locator"].to_list() == ["line 2", "line 6"]
    assert result.tables[TABLE].filter(hs_code="300220000").is_empty()


def test_tables_by_customs_office_are_refused(tmp_path: Path) -> None:
    content = imports()
    content.header.insert(2, "Custom")
    for row in content.rows:
        row.insert(2, "104")
    with pytest.raises(LayoutError, match="by customs office"):
        load(CODE, written(tmp_path, content))


def test_a_missing_month_is_a_named_error(tmp_path: Path) -> None:
    content = imports()
    for cells in (content.header, *content.rows):
        at = imports().header.index("Quantity1-Mar")
        del cells[at : at + 3]
    with pytest.raises(LayoutError, match="not January and what follows it"):
        load(CODE, written(tmp_path, content))


def test_an_unknown_column_is_a_named_error(tmp_path: Path) -> None:
    content = imports()
    content.header[content.header.index("Value-Jan")] = "Value-January"
    with pytest.raises(LayoutError, match="the months of the table are Feb"):
        load(CODE, written(tmp_path, content))
    content = imports()
    content.header[content.header.index("Unit1")] = "Unit"
    with pytest.raises(LayoutError, match="lacks Unit1 and has the unknown Unit"):
        load(CODE, written(tmp_path, content))


def test_years_are_editions_of_their_own(tmp_path: Path) -> None:
    content = table(line("300215000", "304", {1: (2, 300)}), line("300215000", "304", {1: (2, 300)}, year=2020))
    with pytest.raises(LayoutError, match="2 pairs of flow and year"):
        load(CODE, written(tmp_path, content))
    with pytest.raises(LayoutError, match="0 pairs of flow and year"):
        load(CODE, written(tmp_path, table()))


def test_a_tariff_that_is_not_known_yet_is_rejected(tmp_path: Path) -> None:
    result = load(CODE, written(tmp_path, table(line("300215000", "304", {1: (2, 300)}, year=2028))))
    assert result.tables[TABLE].is_empty()
    assert "is no year of a known tariff" in result.rejected["reason"][0]


def test_every_country_of_the_ministry_is_reviewed() -> None:
    published = pl.read_csv(shared_file("mof_customs/Countries.csv"), infer_schema=False)
    areas = vocabulary.table("mof_area")
    assert set(published["Code"].str.strip_chars()) == set(areas["code"])
    assert set(areas["iso3"]) <= set(vocabulary.country_codes())
    names = dict(areas.select("code", "iso3").iter_rows())
    assert [names[code] for code in ("103", "105", "106", "206", "213", "215", "304")] == [
        "KOR",
        "CHN",
        "TWN",
        "IRL",
        "DEU",
        "CHE",
        "USA",
    ]
    # Only areas that the ministry keeps apart share a country.
    shared = areas.filter(pl.col("iso3").is_duplicated())
    assert set(shared["iso3"]) == {"PRT", "ESP"}


# The connector


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def page(*offers: tuple[str, str]) -> bytes:
    """A list as e-Stat lays it out: an article with a title and a CSV and an Excel link for each table."""
    articles = "".join(
        f"""<article class="stat-dataset_list-item"><ul><li><span>{number}</span>
        <a href="/en/stat-search/files?stat_infid={number}">{title}</a></li>
        <li><a href="/en/stat-search/file-download?statInfId={number}&amp;fileKind=1" data-file_type="CSV">CSV</a>
        <a href="/en/stat-search/file-download?statInfId={number}&amp;fileKind=0">EXCEL</a></li></ul></article>"""
        for number, title in offers
    )
    return f'<!DOCTYPE html><html><body><div class="stat-dataset_list-body">{articles}</div></body></html>'.encode()


THIS_YEAR = datetime.now().year


def lists(seen: Seen) -> Answer:
    """Lists of the last year (fixed) and of this year (by month); earlier years are not offered."""
    asked = int(seen.parameters["year"][:4])
    flow = "1" if seen.parameters["tclass2"] == EXPORT else "2"
    if asked == THIS_YEAR - 1:
        return Answer(
            page(
                (f"0000{flow}1900001", "Commodity by Country (Fixed Annual) Section V Chapter 25-27"),
                (f"0000{flow}1900002", "Commodity by Country (Jan-Dec:Revised) Section VI Chapter 28-38"),
                (f"0000{flow}1900003", "Commodity by Country (Fixed Annual) Section VI Chapter 28-38"),
                (f"0000{flow}1900004", "Commodity by Country (Fixed Annual) Section VII Chapter 39-40"),
            )
        )
    if asked == THIS_YEAR and "month" in seen.parameters:
        newest = seen.parameters["month"] == "24101210"
        return Answer(
            page(
                (f"0000{flow}2600002", "Commodity by Country (Jan-Feb:Detailed) Section VI Chapter 28-38"),
                (f"0000{flow}260000{int(newest)}", "品別国別表 (1-9月：確報 , 10月：輸入9桁速報) 第6部 28-38類"),
            )
        )
    if asked == THIS_YEAR:
        links = "".join(
            f'<a href="{LIST}?tclass2={seen.parameters["tclass2"]}&amp;year={asked}0&amp;month={month}">{month}</a>'
            for month in ("11010301", "24101210", "12040404")
        )
        return Answer(f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
    return Answer(b"<!DOCTYPE html><html><body>No tables.</body></html>")


def tables(seen: Seen) -> Answer:
    number = seen.parameters["statInfId"]
    flow, year = number[4], THIS_YEAR - 1 if number[5:7] == "19" else THIS_YEAR
    last = 12 if year < THIS_YEAR else 10
    content = table(line("300215000", "206", {1: (3, 700)}, flow=flow, year=year, last=last), last=last)
    return Answer("".join(f"{','.join(row)}\n" for row in [content.header, *content.rows]).encode())


def live(settings: Settings, publisher: Publisher) -> Connector:
    publisher.serve(HOST, LIST, lists)
    publisher.serve(HOST, FILE, tables)
    return connector(settings, publisher, CODE, HOST)


def test_the_file_of_chapter_30_is_found_for_each_flow_and_year(settings: Settings, publisher: Publisher) -> None:
    connected = live(settings, publisher)
    editions = {record.partition: record for record in connected.run()}
    assert set(editions) == {f"{flow}-{year}" for flow in ("import", "export") for year in (THIS_YEAR - 1, THIS_YEAR)}
    final = connected.rows(editions[f"import-{THIS_YEAR - 1}"], TABLE)
    assert final.select("partner_iso3", "flow", "value", "status").rows() == [
        ("IRL", "import", 700_000.0, "reported")
    ]
    running = connected.rows(editions[f"export-{THIS_YEAR}"], TABLE)
    assert running.select("flow", "status").rows() == [("export", "provisional")]
    taken = sorted(seen.parameters["statInfId"] for seen in publisher.seen if seen.path == FILE)
    # The fixed version rather than the revised one, the newest month rather than the last link.
    assert taken == ["000011900003", "000012600001", "000021900003", "000022600001"]
    assert all(seen.parameters["fileKind"] == "1" for seen in publisher.seen if seen.path == FILE)
    assert all(
        seen.parameters["toukei"] == "00350300" and seen.parameters["tstat"] == "000001013141"
        for seen in publisher.seen
        if seen.path == LIST and "month" not in seen.parameters
    )


def test_lists_without_the_chapter_are_a_named_error(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, LIST, Answer(page(("000000000001", "Section V Chapter 25-27"))))
    with pytest.raises(FetchError, match="no list names a CSV of chapter 30"):
        connector(settings, publisher, CODE, HOST).fetch()


def test_a_title_over_several_links_belongs_to_none(settings: Settings, publisher: Publisher) -> None:
    links = "".join(f'<a href="{FILE}?statInfId=00000000000{n}&fileKind=1">CSV</a>' for n in range(3))
    publisher.serve(HOST, LIST, Answer(f"<html><body>Chapter 28-38 {links}</body></html>".encode()))
    with pytest.raises(FetchError, match="no list names a CSV"):
        connector(settings, publisher, CODE, HOST).fetch()


def test_an_error_page_in_place_of_the_table_is_refused(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, LIST, lists)
    publisher.serve(HOST, FILE, Answer(b"<!DOCTYPE html><html><body>Under maintenance</body></html>" * 10))
    connected = connector(settings, publisher, CODE, HOST)
    with pytest.raises(GateError, match="HTML page"):
        connected.run()
    assert connected.archived() == []


# Damaged files


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_damaged_tables_give_right_rows_or_a_named_error(damage: Damage, tmp_path: Path) -> None:
    read = ["hs_code", "partner_iso3", "flow", "period_start", "value", "net_weight_kg"]
    right = set(load(CODE, written(tmp_path, imports())).tables[TABLE].select(read).rows())
    content = imports()
    damage.apply(content)
    try:
        result = load(CODE, written(tmp_path, content))
    except IngestError:
        return
    found = result.tables[TABLE].select(read)
    # A damaged unit leaves the weight unknown; it must not change it.
    known = {row[:-1] for row in right}
    assert {row[:-1] for row in found.rows()} <= known, damage
    assert {row for row in found.rows() if row[-1] is not None} <= right, damage
    assert set(found["hs_code"]) | set(result.rejected["locator"])
