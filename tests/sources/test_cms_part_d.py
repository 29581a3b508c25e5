"""Medicare Part D: real rows of the release of 2024 in two third parties' copies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from ingest.sources.cms_part_d.fetch import TITLE
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources import cms_tables
from tests.sources.connectors import connector
from tests.sources.rnd import Loaded, in_hand, load, source_of

CODE, TABLE = "cms_part_d", "sales_observation"
# The first 200 rows, through pandas: whole numbers became 6538.0.
FIRST_ROWS = "cms_medicare/THIRDPARTY_partd_ry24_dy22_first200rows_pandas_reserialised.csv"
EXCERPT = "cms_medicare/partd_DSD_PTD_RY24_P04_V10_DY22_BGM_header_and_sample_rows.csv"
NAME = "DSD_PTD_RY24_P04_V10_DY22_BGM.csv"
YEARS = range(2018, 2023)
DRUG = ["product_name", "substance_name", "period_start"]


@cache
def first_rows() -> Loaded:
    return load(CODE, shared_file(FIRST_ROWS))


@cache
def excerpt() -> Loaded:
    return load(CODE, shared_file(EXCERPT))


def text() -> pl.DataFrame:
    return pl.read_csv(shared_file(EXCERPT), infer_schema=False)


def test_every_row_and_year_of_both_copies() -> None:
    for loaded, rows in ((first_rows(), 200), (excerpt(), 9)):
        assert (loaded.parsed.rows_read, loaded.tables[TABLE].height) == (rows, rows * 5)
        assert (loaded.rejected.height, loaded.dropped, loaded.parsed.published_on) == (0, {}, None)
        assert loaded.tables[TABLE]["period_start"].dt.year().unique().sort().to_list() == list(YEARS)
        assert set(loaded.tables[TABLE]["value_origin"]) == {"republished_copy"}


def test_a_row_says_what_its_line_says() -> None:
    rows = excerpt().tables[TABLE]
    row = rows.filter(product_name="Eylea", period_start=date(2019, 1, 1)).row(0, named=True)
    line = shared_file(EXCERPT).read_text().splitlines()[int(row["locator"].split()[1]) - 1]
    assert line.startswith("Eylea,Aflibercept,1,Overall,")
    assert row["locator"].endswith("column Tot_Spndng_2019")
    assert str(row["value"]) in line.split(",")
    # The same drug stands in Part B with USD 2,911 m in that year.
    assert row["value"] == pytest.approx(22e6, rel=0.01)
    assert (row["row_kind"], row["product_code"], row["seller_name"]) == ("total", None, None)
    maker = rows.filter(seller_name="Cipla USA, Inc.", period_start=date(2022, 1, 1)).row(0, named=True)
    assert (maker["product_code"], maker["substance_name"]) == ("Abacavir | Abacavir Sulfate", "Abacavir Sulfate")
    assert (maker["value"], maker["quantity"], maker["unit_price"]) == (841670.56, 282627.0, 2.9780260202)
    assert (maker["setting"], maker["price_basis"], maker["currency"]) == ("part_d", "payer_gross", "USD")


def test_both_copies_agree_on_the_rows_they_share() -> None:
    key = ["row_kind", *DRUG, "seller_name"]
    both = excerpt().tables[TABLE].join(first_rows().tables[TABLE], on=key, nulls_equal=True, suffix="_other")
    assert both.height == 5 * 5
    for name in ("value", "quantity", "unit_price"):
        assert both.filter(pl.col(name).ne_missing(pl.col(f"{name}_other"))).is_empty()


def test_manufacturers_add_up_to_the_publishers_total() -> None:
    rows = first_rows().tables[TABLE]
    sums = rows.group_by(DRUG).agg(
        pl.col("value").filter(pl.col("row_kind") == "total").sum().alias("total"),
        pl.col("value").filter(pl.col("row_kind") == "product").sum().alias("makers"),
        (pl.col("status").filter(pl.col("row_kind") == "product") == "suppressed").sum().alias("blank"),
    )
    # The rows of the last drug are cut off with the copy.
    whole = sums.filter(pl.col("product_name") != "Acyclovir")
    assert whole.height == 43 * 5
    assert whole.filter((pl.col("total") - pl.col("makers")).abs() > 0.01).is_empty()
    assert float(whole["total"].sum()) == pytest.approx(9.52e9, rel=0.01)
    cut = sums.filter(pl.col("product_name") == "Acyclovir")
    assert cut.height == 5
    assert (cut["makers"] < cut["total"]).all()


def test_totals_are_never_products() -> None:
    rows = first_rows().tables[TABLE]
    total = rows.filter(row_kind="total")
    assert total.height == 44 * 5
    assert total["product_code"].null_count() == total["seller_name"].null_count() == total.height
    products = rows.filter(row_kind="product")
    assert products["product_code"].null_count() == products["seller_name"].null_count() == 0
    assert "Overall" not in set(products["seller_name"])
    assert set(products["product_code_system"]) == {"cms_brand_generic"}


def test_marks_leave_names_of_drugs_and_manufacturers() -> None:
    rows = first_rows().tables[TABLE]
    for name in ("product_name", "seller_name", "product_code", "substance_name"):
        assert not rows[name].drop_nulls().str.contains(r"\*", literal=False).any()
    assert set(rows.filter(product_name="Acyclovir", row_kind="total")["publisher_flags"]) <= {"*", "*,outlier"}
    genentech = rows.filter(seller_name="Genentech, Inc.")
    assert genentech.height == 10
    assert genentech["publisher_flags"].str.starts_with("*").all()


def test_cut_names_of_manufacturers_say_so() -> None:
    rows = first_rows().tables[TABLE].drop_nulls("seller_name")
    cut = rows.filter(pl.col("note").str.contains("15 letters").fill_null(False))
    assert set(cut["seller_name"].str.len_chars()) == {15}
    assert rows.filter(pl.col("seller_name").str.len_chars() >= 15).height == cut.height > 100
    assert "Viona Pharmaceu" in set(cut["seller_name"])


def test_a_blank_is_suppressed() -> None:
    rows = excerpt().tables[TABLE]
    row = rows.filter(product_name="Abilify Mycite", period_start=date(2018, 1, 1)).row(0, named=True)
    assert (row["status"], row["value"], row["quantity"], row["unit_price"]) == ("suppressed", None, None, None)
    assert rows.filter(status="suppressed").height == 1
    assert first_rows().tables[TABLE].filter(status="suppressed").height == 122


def test_the_publishers_own_name_marks_the_publishers_bytes(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(shared_file(EXCERPT).read_bytes())
    assert set(load(CODE, path).tables[TABLE]["value_origin"]) == {"publisher_bytes"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Mftr_Name", "Maker", "the column Mftr_Name is missing"),
        ("Avg_Spnd_Per_Dsg_Unt_Wghtd_2020", "Avg_Spndng_Per_Dsg_Unt_2020", "Wghtd_2020 is missing"),
        ("Tot_Spndng_2018,", "Tot_Spndng_2017,", "2017, 2019, 2020, 2021, 2022 do not follow one another"),
        ("Outlier_Flag_2022", "Flag_2022", "Outlier_Flag_2022 is missing"),
        ("Tot_Benes_2018", "Tot_Clms_2018", "the column Tot_Clms_2018 stands twice"),
    ],
)
def test_another_header_is_a_named_error(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / NAME
    path.write_text(shared_file(EXCERPT).read_text().replace(old, new, 1))
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(path)])


def test_part_b_is_another_table(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text("HCPCS_Cd,HCPCS_Desc,Brnd_Name,Gnrc_Name,Tot_Spndng_2022\nJ0178,Aflibercept,Eylea,A,1\n")
    with pytest.raises(LayoutError, match="the column Mftr_Name, Tot_Dsg_Unts_2022"):
        source_of(CODE).parse([in_hand(path)])


def test_a_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "DSD_PTD_RY25_DYT23_Web - 250415.csv"
    path.write_bytes(b"PK\x03\x04" + b" " * 600)
    with pytest.raises(LayoutError, match="a workbook is not read"):
        source_of(CODE).parse([in_hand(path)])
    with pytest.raises(GateError, match="content is zip"):
        load(CODE, path)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher) -> None:
    cms_tables.serve(publisher, TITLE, (NAME, "2024-05-15", shared_file(EXCERPT).read_bytes()))
    live = connector(settings, publisher, CODE, cms_tables.HOST)
    (edition,) = live.run()
    assert (edition.published_on, edition.row_count, edition.rows_quarantined) == ("2024-05-15", 45, 0)
    rows = live.rows(edition, TABLE)
    assert set(rows["value_origin"]) == {"publisher_bytes"}
    ours = excerpt().tables[TABLE].select("row_kind", *DRUG, "value")
    columns = ["row_kind", *DRUG, "value"]
    assert rows.select(columns).sort(pl.all()).equals(ours.sort(pl.all()))
    (again,) = live.run()
    assert again.edition_id == edition.edition_id
    # The next release moves the window by a year: its rows replace those of the years that both hold.
    moved = shared_file(EXCERPT).read_text().replace("2018", "2023")
    later = "DSD_PTD_RY25_P04_V10_DY23_BGM.csv"
    with Publisher() as fresh:
        body = moved.encode()
        cms_tables.serve(
            fresh,
            TITLE,
            (NAME, "2024-05-15", shared_file(EXCERPT).read_bytes()),
            (later, "2025-05-15", body),
        )
        (newer,) = connector(settings, fresh, CODE, cms_tables.HOST).run()
    assert (newer.published_on, newer.rows_dropped) == ("2025-05-15", {"superseded_by_newer_release": 36})
    years = live.rows(newer, TABLE)["period_start"].dt.year().value_counts().sort("period_start")
    assert years["period_start"].to_list() == list(range(2018, 2024))
    assert set(years["count"]) == {9}


def test_pages_and_another_catalogue_are_named_errors(settings: Settings, publisher: Publisher) -> None:
    page = b"<!DOCTYPE html><html><body>Forbidden</body></html>" + b" " * 2000
    cms_tables.serve(publisher, TITLE, (NAME, "2024-05-15", page))
    live = connector(settings, publisher, CODE, cms_tables.HOST)
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    assert not live.archived()
    with Publisher() as other:
        other.serve(cms_tables.HOST, "/data.json", Answer(cms_tables.catalogue("Medicare Part B Spending by Drug")))
        with pytest.raises(FetchError, match="lists no CSV of 'Medicare Part D Spending by Drug'"):
            connector(settings, other, CODE, cms_tables.HOST).run()


@given(
    order=st.permutations(range(46)),
    dropped=st.integers(-1, 45),
    repeated=st.sampled_from([0, 2]),
    blank=st.integers(1, 9),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
)
@settings(max_examples=25, deadline=None)
def test_damage_gives_right_rows_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], dropped: int, repeated: int, blank: int, encoding: str
) -> None:
    frame = text()
    columns = [frame.columns[i] for i in order if i != dropped]
    lines = (
        frame.select(columns).with_columns(Brnd_Name=pl.col("Brnd_Name") + "®*") if "Brnd_Name" in columns else frame
    )
    cells = lines.select(columns).write_csv().splitlines()
    cells[blank:blank] = ["," * (len(columns) - 1)]
    if repeated:
        cells.append(cells[repeated])
    path = tmp_path_factory.mktemp("cut") / NAME
    path.write_bytes("\n".join(cells).encode(encoding))
    try:
        loaded = load(CODE, path)
    except IngestError:
        return
    real = excerpt().tables[TABLE].with_columns(pl.col("product_name") + "®")
    key = ["row_kind", *DRUG, "seller_name"]
    rows = loaded.tables[TABLE]
    joined = rows.join(real, on=key, nulls_equal=True, suffix="_real")
    assert joined.height == rows.height > 0
    for name in ("value", "quantity", "unit_price"):
        assert joined.filter(pl.col(name).ne_missing(pl.col(f"{name}_real"))).is_empty()
