from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import fastexcel
import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ingest import edition
from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.mutations import KINDS, Damage, Table, damages
from tests.sources.rnd import Loaded, bundled, in_hand, load, source_of

CODE = "unsd_hs"
TABLE = "commodity_concordance"
HOST = "unstats.un.org"
FOLDER = "/unsd/classifications/Econ/tables"
COPIES = {
    "HS2022-HS2017": "HS2022_to_HS2017_ConversionAndCorrelationTables.xlsx",
    "HS2017-HS2012": "HS2017_to_HS2012_ConversionAndCorrelationTables.xlsx",
    "HS2012-HS2007": "HS2012_to_HS2007_CorrelationAndConversionTables.xls",
}
# Pairs and conversions in each workbook, its header rows not counted.
ROWS = {"HS2022-HS2017": (15_657, 5_613), "HS2017-HS2012": (6_141, 5_388), "HS2012-HS2007": (5_364, 5_205)}
# The .xls file keeps its day of creation where no reader at hand looks.
CREATED = {"HS2022-HS2017": date(2022, 6, 1), "HS2017-HS2012": date(2017, 6, 6), "HS2012-HS2007": None}


def copy_of(pair: str) -> Path:
    return shared_file(f"unsd_hs/{COPIES[pair]}")


@cache
def loaded(pair: str) -> Loaded:
    return load(CODE, copy_of(pair))


def pairs(pair: str) -> pl.DataFrame:
    return loaded(pair).tables[TABLE]


@pytest.mark.parametrize("pair", COPIES)
def test_every_pair_of_the_workbooks_is_read(pair: str) -> None:
    correlations, conversions = ROWS[pair]
    result = loaded(pair)
    rows = pairs(pair)
    assert (rows.height, rows["is_conversion"].sum()) == (correlations, conversions)
    assert (result.rejected.height, result.dropped) == (0, {})
    assert result.parsed.partition == pair
    assert result.parsed.published_on == CREATED[pair]
    assert rows.select("from_revision", "to_revision").unique().rows() == [tuple(pair.split("-"))]
    assert rows["from_code"].str.contains("^[0-9]{6}$").all() and rows["to_code"].str.contains("^[0-9]{6}$").all()
    assert set(rows["value_origin"]) == {"republished_copy"}


@pytest.mark.parametrize("pair", COPIES)
def test_upward_conversion_is_exact(pair: str) -> None:
    """A code that lies wholly within one older code has no other, and is the one it is converted to."""
    upward = pairs(pair).filter(pl.col("relationship").is_in(["1:1", "n:1"]))
    assert upward["from_code"].is_unique().all() and upward["is_conversion"].all()
    assert pairs(pair).filter("is_conversion")["from_code"].is_unique().all()
    # Every newer code is converted to one older code.
    assert set(pairs(pair)["from_code"]) == set(pairs(pair).filter("is_conversion")["from_code"])


def older(pair: str, code: str) -> dict[str, str]:
    found = pairs(pair).filter(from_code=code)
    return dict(found.select("to_code", "relationship").iter_rows())


def newer(pair: str, code: str) -> set[str]:
    return set(pairs(pair).filter(to_code=code)["from_code"])


def test_antibodies_and_plasma_fractions_were_one_code_before_hs2017() -> None:
    for code in ("300211", "300212", "300213", "300214", "300215", "300219"):
        assert older("HS2017-HS2012", code) == {"300210": "n:1"}


def test_headings_moved_in_hs2022() -> None:
    assert older("HS2022-HS2017", "300241") == {"300220": "1:1"}
    assert older("HS2022-HS2017", "300242") == {"300230": "1:1"}
    assert newer("HS2022-HS2017", "300290") == {"300249", "300251", "300259", "300290"}
    # Diagnostics left heading 3002 for 3822: an older code of 3002 that is now found under 3822.
    assert newer("HS2022-HS2017", "300211") == {"382211"}
    for code in ("300213", "300214", "300215"):
        assert {"382211", "382212", "382219"} < newer("HS2022-HS2017", code)


def test_locators_name_the_row() -> None:
    workbook = fastexcel.read_excel(copy_of("HS2022-HS2017"))
    sheet = workbook.load_sheet("Correlation Tables", header_row=None, dtypes="string").to_polars()
    row = pairs("HS2022-HS2017").filter(from_code="382211", to_code="300215").row(0, named=True)
    number = int(row["locator"].removeprefix("sheet Correlation Tables row "))
    assert sheet.row(number - 1) == ("382211", "300215", "n:n") == ("382211", "300215", row["relationship"])


# The bundled edition


def test_bundled_edition_is_what_the_files_give(tmp_path: Path) -> None:
    source = source_of(CODE)
    parts = [
        edition.CompiledPart(
            [in_hand(copy_of(pair))],
            loaded(pair).parsed,
            # As the properties of the .xls file say, which the parser does not read.
            CREATED[pair] or date(2012, 2, 17),
            date(2026, 11, 22),
        )
        for pair in sorted(COPIES)
    ]
    edition.compile_edition(source, parts, tmp_path)
    for name in (f"{TABLE}.csv", "edition.yml"):
        assert (tmp_path / name).read_bytes() == (source.edition_dir / name).read_bytes(), name


def test_bundled_edition_holds_the_headings_of_biological_medicines() -> None:
    rows = bundled(CODE, TABLE)
    headings = {"2937", "2941", "3002", "3004", "3822"}
    either = rows.filter(
        pl.col("from_code").str.slice(0, 4).is_in(headings) | pl.col("to_code").str.slice(0, 4).is_in(headings)
    )
    assert either.height == rows.height == 140
    whole = pl.concat(pairs(pair) for pair in COPIES)
    assert (
        whole.filter(pl.col("from_code").str.starts_with("3002")).height
        == rows.filter(pl.col("from_code").str.starts_with("3002")).height
    )


# The connector


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_the_three_workbooks_arrive_as_editions_of_their_own(settings: Settings, publisher: Publisher) -> None:
    names = {
        "HS2022-HS2017": "HS2022toHS2017ConversionAndCorrelationTables.xlsx",
        "HS2017-HS2012": "HS2017toHS2012ConversionAndCorrelationTables.xlsx",
        "HS2012-HS2007": "HS%202012%20to%20HS%202007%20Correlation%20and%20conversion%20tables.xls",
    }
    for pair, name in names.items():
        publisher.serve(
            HOST,
            f"{FOLDER}/{name}",
            Answer(copy_of(pair).read_bytes(), headers={"Last-Modified": "Fri, 03 Mar 2023 10:00:00 GMT"}),
        )
    live = connector(settings, publisher, CODE, HOST)
    editions = {record.partition: record for record in live.run()}
    assert set(editions) == set(COPIES)
    for pair, record in editions.items():
        rows = live.rows(record, TABLE)
        assert rows.height == ROWS[pair][0]
        # From the publisher's own address, under its own name.
        assert set(rows["value_origin"]) == {"publisher_bytes"}
    assert editions["HS2012-HS2007"].published_on == "2023-03-03"
    assert editions["HS2017-HS2012"].published_on == "2017-06-06"
    assert [item.is_new for item in live.fetch()] == [False] * 3


def test_an_error_page_is_refused(settings: Settings, publisher: Publisher) -> None:
    page = b"<!DOCTYPE html><html><body>Page not found</body></html>" * 1000
    publisher.serve(HOST, f"{FOLDER}/HS2022toHS2017ConversionAndCorrelationTables.xlsx", Answer(page))
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    assert live.archived() == []


# Damaged files


def cut(pair: str = "HS2017-HS2012", heading: str = "3002") -> tuple[Table, Table]:
    """Correlations and conversions of one heading, as in the real workbook."""
    rows = pairs(pair).filter(pl.col("from_code").str.starts_with(heading))
    newest, oldest = (revision.replace("HS", "HS ") for revision in pair.split("-"))
    correlations = [list(row) for row in rows.select("from_code", "to_code", "relationship").iter_rows()]
    conversions = [list(row) for row in rows.filter("is_conversion").select("from_code", "to_code").iter_rows()]
    return Table([newest, oldest, "Relationship"], correlations), Table(
        [f"From {newest}", f"To {oldest}"], conversions
    )


def written(folder: Path, correlations: Table, conversions: Table, **more: Table) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for title, table in {"Conversion": conversions, "Correlation Tables": correlations, **more}.items():
        sheet = book.create_sheet(title)
        for row in [table.header, *table.rows]:
            sheet.append([cell or None for cell in row])
    # Padding, so that the cut passes the gate for complete workbooks.
    notes = book.create_sheet("Notes")
    for number in range(2500):
        notes.append([f"note {number * 7919}", None, None, "x" * 10, f"{number * 104729}"])
    path = folder / "HS2017toHS2012ConversionAndCorrelationTables.xlsx"
    book.save(path)
    return path


def test_a_workbook_cut_from_the_real_one_is_read(tmp_path: Path) -> None:
    result = load(CODE, written(tmp_path, *cut()))
    assert result.tables[TABLE].height == 9
    assert set(result.tables[TABLE]["value_origin"]) == {"publisher_bytes"}


def test_revisions_of_the_two_sheets_must_agree(tmp_path: Path) -> None:
    correlations, conversions = cut()
    conversions.header = ["From HS 2022", "To HS 2017"]
    with pytest.raises(LayoutError, match="correlations lead from HS2017 to HS2012, the conversions from HS2022"):
        load(CODE, written(tmp_path, correlations, conversions))


def test_a_reversed_table_is_refused(tmp_path: Path) -> None:
    correlations, conversions = cut()
    correlations.header[:2] = conversions.header[:2] = ["HS 2012", "HS 2017"]
    with pytest.raises(LayoutError, match="lead from HS2012 to HS2017"):
        load(CODE, written(tmp_path, correlations, conversions))


def test_a_second_correlation_sheet_is_refused(tmp_path: Path) -> None:
    correlations, conversions = cut()
    with pytest.raises(LayoutError, match="2 correlation and 1 conversion sheets"):
        load(CODE, written(tmp_path, correlations, conversions, again=correlations))


def test_a_code_converted_twice_is_refused(tmp_path: Path) -> None:
    correlations, conversions = cut()
    conversions.rows.append([conversions.rows[0][0], "300220"])
    with pytest.raises(LayoutError, match="is converted to two codes"):
        load(CODE, written(tmp_path, correlations, conversions))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["10121", "010121", "1:1"], "the newer code is no HS code"),
        (["300215", "3002", "n:1"], "the older code is no HS code"),
        (["300217", "300210", "2:1"], "the relationship is unknown"),
        (["300217", "300210", ""], "the relationship is unknown"),
        (["３００２１７", "300210", "n:1"], "the newer code is no HS code"),
    ],
)
def test_rows_that_cannot_be_read_are_rejected(row: list[str], reason: str, tmp_path: Path) -> None:
    correlations, conversions = cut()
    correlations.rows.append(row)
    result = load(CODE, written(tmp_path, correlations, conversions))
    assert result.tables[TABLE].height == 9
    (found,) = result.rejected.iter_rows(named=True)
    assert (found["reason"], found["locator"]) == (reason, "sheet Correlation Tables row 11")


def test_a_conversion_outside_the_correlations_is_rejected(tmp_path: Path) -> None:
    correlations, conversions = cut()
    del correlations.rows[0]
    result = load(CODE, written(tmp_path, correlations, conversions))
    assert result.rejected["reason"].to_list() == ["the conversion is not among the correlations"]


def test_two_workbooks_are_not_one_edition() -> None:
    with pytest.raises(LayoutError, match="2 workbooks"):
        load(CODE, copy_of("HS2022-HS2017"), copy_of("HS2017-HS2012"))


@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages(KINDS))
def test_damaged_workbooks_give_right_rows_or_a_named_error(damage: Damage, tmp_path: Path) -> None:
    right = {tuple(row) for row in pairs("HS2017-HS2012").drop("locator", "file_sha256", "value_origin").rows()}
    correlations, conversions = cut()
    damage.apply(correlations)
    try:
        result = load(CODE, written(tmp_path, correlations, conversions))
    except IngestError:
        return
    rows = (
        result.tables[TABLE]
        .drop("locator", "file_sha256", "value_origin")
        .with_columns(
            edition_id=pl.lit("test"),
            # The day of the cut is not that of the real workbook.
            published_on=pl.lit(CREATED["HS2017-HS2012"]),
        )
    )
    assert {tuple(row) for row in rows.rows()} <= right, damage
    assert rows.height + result.rejected.height + sum(result.dropped.values()) >= 8
