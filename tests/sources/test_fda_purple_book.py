from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest import edition, load
from ingest.archive import sha256_of
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.source import Parsed, SourceFile
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher, Seen
from tests.sources.connectors import connector
from tests.sources.mutations import Damage, Table, damages
from tests.sources.rnd import bundled, source_of

CODE = "fda_purple_book"
SOURCE = source_of(CODE)
COPY = f"{CODE}/purplebook_concatenated_2025.csv"
PAGES, FILES = "purplebooksearch.fda.gov", "www.accessdata.fda.gov"
TITLE = "Purple Book Monthly Historical Data Changes Report - March 2025"
# The third of the lists that the copy joins begins with these rows of changes, and its database after them.
CHANGES = slice(4180, 4211)
DATABASE = slice(4211, None)


def copy() -> Table:
    rows = list(csv.reader(io.StringIO(shared_file(COPY).read_text("utf-8-sig"), newline="")))
    return Table(rows[0], rows[1:])


def since_2025(table: Table) -> Table:
    """The same rows in the layout since 2025: another name, three columns more, product numbers of three digits."""
    header = ["License Type" if name == "BLA Type" else name for name in table.header]
    number = header.index("Product Number")
    rows = [[*row[:number], row[number].zfill(3), *row[number + 1 :], "", "", ""] for row in table.rows]
    return Table([*header, "Inter. Approval Date", "Inter. Supplement Number", "Patent List Provided"], rows)


def written(*rows: list[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue()


def official(changes: Table, database: Table, title: str = TITLE) -> bytes:
    """The publisher's file as its downloads page describes it, around real rows: title, changes, whole database."""
    text = (
        written([title, "", ""], [])
        + written(["Newly Approved Products (N) / Products Added (R) / Updated Products (U)"], changes.header)
        + written(*changes.rows, [], ["Purple Book Database Extract", ""], database.header, *database.rows)
        + ",,,,\r\n,,,,\r\n"
    )
    return text.encode("utf-8-sig")


def in_hand(path: Path, content: bytes, url: str | None = None) -> SourceFile:
    path.write_bytes(content)
    return SourceFile(path=path, name=path.name, sha256=sha256_of(path), url=url)


def parsed(tmp_path: Path, content: bytes, name: str = "purplebook-search-march-data-download.csv") -> Parsed:
    return load.parse_files(SOURCE, [in_hand(tmp_path / name, content)])


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables, bad, _ = load.conform_all(
        SOURCE,
        result,
        edition_id="e",
        published_on=date(2026, 1, 1),
        ingested_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return tables["product_identity"], bad


def without_place(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("locator", "file_sha256", "listed_on", "value_origin").sort("licence_number")


@pytest.fixture(scope="module")
def real() -> Parsed:
    return load.parse_files(SOURCE, load.in_hand(SOURCE, [shared_file(COPY)]))


@pytest.fixture(scope="module")
def products(real: Parsed) -> pl.DataFrame:
    rows, bad = conformed(real)
    assert bad.is_empty()
    return rows


def march_2025() -> tuple[Table, Table]:
    """Changes and database of March 2025, as the publisher's two sections."""
    table = copy()
    return Table(table.header, table.rows[CHANGES]), Table(table.header, table.rows[DATABASE])


@pytest.fixture(scope="module")
def march() -> tuple[Table, Table]:
    return march_2025()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_the_copy_of_2025_holds_796_licences(real: Parsed, products: pl.DataFrame) -> None:
    assert real.rows_read == 6_279
    assert real.dropped == {"repeated_row": 4_196, "superseded_row": 12}
    assert products.height == 2_071
    assert products["licence_number"].str.split("-").list.first().n_unique() == 796
    assert products["is_biosimilar"].sum() == 188
    assert set(products["value_origin"]) == {"republished_copy"}
    assert real.published_on == date(2025, 3, 14)


def test_known_products(products: pl.DataFrame) -> None:
    rows = {row["licence_number"]: row for row in products.iter_rows(named=True)}
    humira, amjevita = rows["BLA125057-001"], rows["BLA761024-001"]
    assert (humira["brand_name"], humira["ingredient_name"]) == ("Humira", "adalimumab")
    assert (humira["approved_on"], humira["is_biosimilar"]) == (date(2002, 12, 31), False)
    assert humira["holder_name"] == "AbbVie Inc." and humira["route"] == "injection"
    assert (amjevita["is_biosimilar"], amjevita["note"]) == (True, "reference product adalimumab (Humira)")
    assert amjevita["modality_evidence"] == "351(k) Interchangeable, Licensed, CDER"
    # Insulins moved to the Purple Book in March 2020 with the number and day of their NDA.
    humulin = products.filter(pl.col("brand_name").str.to_lowercase().str.contains("humulin r"))
    assert set(humulin["licence_number"].str.head(9)) >= {"BLA018780"}
    assert humulin["approved_on"].min() == date(1982, 10, 28)


def test_years_of_two_digits_belong_to_the_past(products: pl.DataFrame) -> None:
    approved = products["approved_on"].drop_nulls()
    assert (approved.min(), approved.max()) == (date(1930, 6, 14), date(2025, 3, 14))
    assert (products["approved_on"] <= products["listed_on"]).all()
    assert products.filter(pl.col("approved_on") == date(1954, 2, 8)).height == 1
    assert products["approved_on"].null_count() == 15


def test_of_contradicting_rows_in_the_copy_the_last_stands(products: pl.DataFrame) -> None:
    names = dict(products.select("licence_number", "ingredient_name").rows())
    assert names["BLA103463-001"] == "muromonab-CD3"
    assert names["BLA125678-001"] == "Smallpox and Mpox Vaccine, Live, Non-replicating"
    holders = products.filter(pl.col("licence_number").str.starts_with("BLA125696"))["holder_name"]
    assert set(holders) == {"Greer Laboratories, Inc."}


def test_line_breaks_in_cells_become_blanks(products: pl.DataFrame) -> None:
    assert any("\n" in cell for row in copy().rows for cell in row)
    assert not any(products[name].str.contains(r"\s\s|\n|^\s|\s$").any() for name in ("strength_text", "brand_name"))


def test_a_row_is_counted_as_a_spreadsheet_shows_it(products: pl.DataFrame) -> None:
    table = copy()
    number, product = table.header.index("BLA Number"), table.header.index("Product Number")
    for place, licence in products.select("locator", "licence_number").sample(20, seed=1).iter_rows():
        row = table.rows[int(place.removeprefix("row ")) - 2]
        assert f"BLA{row[number].zfill(6)}-{row[product].zfill(3)}" == licence


@pytest.mark.parametrize("layout", ["to_2024", "since_2025"])
def test_the_publishers_two_sections_in_both_layouts(
    layout: str, tmp_path: Path, march: tuple[Table, Table], products: pl.DataFrame
) -> None:
    changes, database = march
    if layout == "since_2025":
        changes, database = since_2025(changes), since_2025(database)
    result = parsed(tmp_path, official(changes, database))
    rows, bad = conformed(result)
    assert bad.is_empty()
    assert result.dropped == {"change_section": 31}
    assert result.rows_read == 31 + len(database.rows) == 31 + rows.height
    assert result.published_on == date(2025, 3, 31) == rows["listed_on"].unique().item()
    assert set(rows["value_origin"]) == {"publisher_bytes"}
    expected = products.filter(pl.col("licence_number").is_in(rows["licence_number"].implode()))
    assert without_place(rows).drop("published_on").equals(without_place(expected).drop("published_on"))


def test_the_address_tells_the_month_where_the_title_does_not(tmp_path: Path, march: tuple[Table, Table]) -> None:
    changes, database = march[0].cut(3), march[1].cut(9)
    content = official(changes, database, title="Purple Book")
    url = f"https://{FILES}/drugsatfda_docs/PurpleBook/2024/purplebook-search-JUNE-data-download.csv"
    result = load.parse_files(SOURCE, [in_hand(tmp_path / "purplebook.csv", content, url)])
    assert set(result.tables["product_identity"]["listed_on"]) == {date(2024, 6, 30)}
    result = load.parse_files(SOURCE, [in_hand(tmp_path / "purplebook_2023-12.csv", content)])
    assert set(result.tables["product_identity"]["listed_on"]) == {date(2023, 12, 31)}
    with pytest.raises(LayoutError, match="nothing tells the year"):
        parsed(tmp_path, content)


def test_long_dates_are_read_and_others_rejected(tmp_path: Path, march: tuple[Table, Table]) -> None:
    table = march[1].cut(4)
    day = table.header.index("Approval Date")
    for row, text in zip(table.rows, ("May 22, 2025", "31-Dec-54", "22.05.2025", ""), strict=True):
        row[day] = text
    result = parsed(tmp_path, official(table.cut(1), table, title=TITLE.replace("March", "June")))
    assert result.tables["product_identity"]["approved_on"].to_list() == [date(2025, 5, 22), date(1954, 12, 31), None]
    assert result.rejected is not None
    # Title, blank, section, header, one change, blank, section, header: the database begins in row 9.
    assert result.rejected.select("locator", "reason").rows() == [
        ("row 11", "Approval Date cannot be read: 22.05.2025")
    ]


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(day=st.dates(date(1926, 1, 1), date(2025, 3, 31)))
def test_every_day_of_a_century_before_the_list_is_read(
    day: date, tmp_path: Path, march: tuple[Table, Table]
) -> None:
    table = march[1].cut(1)
    table.rows[0][table.header.index("Approval Date")] = f"{day.day}-{day:%b-%y}"
    result = parsed(tmp_path, official(table, table))
    assert result.tables["product_identity"]["approved_on"].to_list() == [day]


def test_contradicting_rows_of_the_publisher_are_rejected(tmp_path: Path, march: tuple[Table, Table]) -> None:
    table = march[1].cut(3)
    other = list(table.rows[0])
    other[table.header.index("Applicant")] = "Somebody Else"
    table.rows += [other, list(table.rows[1])]
    result = parsed(tmp_path, official(table.cut(1), table))
    rows, bad = conformed(result)
    assert result.dropped == {"change_section": 1, "repeated_row": 1}
    assert (rows.height, bad.height) == (2, 2)
    assert bad["reason"].str.starts_with("another row has the same key").all()


def test_wrong_layouts_are_named_errors(tmp_path: Path, march: tuple[Table, Table]) -> None:
    changes, database = march[0].cut(5), march[1].cut(20)
    whole = official(changes, database)
    cases = {
        "section with the whole database is missing": whole[: whole.index(b"Purple Book Database Extract")],
        "database section has 3 rows": official(changes, database.cut(3)),
        "no line is a header": whole.replace(b"BLA Number", b"Licence"),
        "lacks Licensure and has the unknown Status": whole.replace(b"Licensure,A", b"Status,A"),
        "has 10 cells, the header 25": whole[: whole.rindex(b"Licensed") - 4],
        "UTF-16": whole.decode("utf-8-sig").encode("utf-16"),
    }
    for problem, content in cases.items():
        with pytest.raises(LayoutError, match=problem):
            parsed(tmp_path, content)


CUT = 12


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_a_damaged_file_gives_right_rows_or_a_named_error(
    damage: Damage, tmp_path: Path, march: tuple[Table, Table]
) -> None:
    changes, database = march[0].cut(2), march[1].cut(CUT)
    right, _ = conformed(parsed(tmp_path, official(changes, database)))
    touched = damage.apply(database)
    try:
        rows, bad = conformed(parsed(tmp_path, official(changes, database)))
    except IngestError:
        return
    facts = ["licence_number", "brand_name", "ingredient_name", "holder_name", "approved_on", "is_biosimilar"]
    wrong = rows.select(facts).join(right.select(facts), on=facts, how="anti", nulls_equal=True)
    if touched is None:
        assert wrong.is_empty() and rows.height == right.height
    else:
        assert rows.height + bad.height >= right.height - 1 and wrong.height <= 1
        for name in ("licence_number", "approved_on"):
            assert set(rows[name]) <= set(right[name])


def downloads_page(*links: str) -> bytes:
    return ("<!DOCTYPE html><html><body>" + "".join(f"<a href='{link}'>x</a>" for link in links) + "</body>").encode()


def test_the_connector_takes_the_newest_month(
    settings: Settings, publisher: Publisher, march: tuple[Table, Table]
) -> None:
    folder = "/drugsatfda_docs/PurpleBook"
    page = downloads_page(
        "/about",
        f"https://{FILES}{folder}/2024/purplebook-search-december-data-download.csv",
        f"https://{FILES}{folder}/2025/purplebook-search-January-data-download.csv",
        f"https://{FILES}{folder}/2025/purplebook-search-MARCH-data-download.csv",
        f"https://{FILES}{folder}/2025/purplebook-search-february-data-download.csv",
    )
    publisher.serve(PAGES, "/downloads", Answer(page))
    content = official(*march)
    publisher.serve(FILES, f"{folder}/2025/purplebook-search-MARCH-data-download.csv", Answer(content, etag='"m"'))
    live = connector(settings, publisher, CODE, PAGES, FILES)
    (record,) = live.run()
    rows = live.rows(record, "product_identity")
    assert rows.height == len(march[1].rows) and record.rows_quarantined == 0
    assert set(rows["listed_on"]) == {date(2025, 3, 31)}
    assert record.files[0]["name"] == "purplebook_2025-03.csv"
    (again,) = live.run()
    assert again.edition_id == record.edition_id


def test_a_refused_user_agent_is_a_named_error(
    settings: Settings, publisher: Publisher, march: tuple[Table, Table]
) -> None:
    apology = downloads_page("https://www.fda.gov/apology")
    path = "/drugsatfda_docs/PurpleBook/2025/purplebook-search-March-data-download.csv"
    link = downloads_page(f"https://{FILES}{path}")

    def page(seen: Seen) -> Answer:
        return Answer(link if "mail@" in seen.headers["user-agent"] else apology)

    def file(seen: Seen) -> Answer:
        return Answer(official(*march) if "mail@" in seen.headers["user-agent"] else apology)

    publisher.serve(PAGES, "/downloads", page)
    publisher.serve(FILES, path, file)
    with pytest.raises(FetchError, match="BIOPHARMA_USER_AGENT"):
        connector(settings, publisher, CODE, PAGES, FILES).run()
    known = {"BIOPHARMA_USER_AGENT": "ours/1 (mail@example.org)"}
    (record,) = connector(settings, publisher, CODE, PAGES, FILES, environment=known).run()
    assert record.row_count == len(march[1].rows)


def test_an_html_page_in_place_of_the_file_is_not_archived(settings: Settings, publisher: Publisher) -> None:
    path = "/drugsatfda_docs/PurpleBook/2025/purplebook-search-March-data-download.csv"
    publisher.serve(PAGES, "/downloads", Answer(downloads_page(f"https://{FILES}{path}")))
    publisher.serve(FILES, path, Answer(downloads_page("https://www.fda.gov/apology") + b" " * 4_000))
    live = connector(settings, publisher, CODE, PAGES, FILES)
    with pytest.raises(GateError, match="HTML page, not data"):
        live.run()
    assert live.archived() == []


def test_the_bundled_edition_holds_one_product_per_licence(settings: Settings, products: pl.DataFrame) -> None:
    rows = bundled(CODE, "product_identity")
    assert rows.height == 796 == rows["licence_number"].str.split("-").list.first().n_unique()
    key = ["licence_number", "brand_name", "holder_name", "approved_on", "is_biosimilar", "locator", "file_sha256"]
    assert rows.select(key).join(products.select(key), on=key, how="anti", nulls_equal=True).is_empty()
    first = products.group_by(licence=pl.col("licence_number").str.head(9)).agg(pl.col("approved_on").min())
    mine = rows.select(licence=pl.col("licence_number").str.head(9), mine="approved_on").join(first, on="licence")
    assert mine.filter(pl.col("mine") > pl.col("approved_on")).height <= 5
    (record,) = load.load_bundled(settings, SOURCE)
    assert (record.row_count, record.rows_quarantined) == (796, 0)
    assert [part.published_on for part in edition.read(SOURCE)] == [date(2025, 3, 14)]
