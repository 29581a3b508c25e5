"""Production of medicines in Japan: the curated rows against the facts they were taken from."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import edition, load
from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from ingest.source import SourceFile
from tests.conftest import shared_file
from tests.sources.rnd import bundled, in_hand, source_of

CODE, TABLE = "mhlw_production", "production_observation"
SOURCE = source_of(CODE)
ROWS = bundled(CODE, TABLE)
FILE = SOURCE.edition_dir / f"{TABLE}.csv"


def rows(year: int, measure: str = "production", basis: str = "calendar_year") -> pl.DataFrame:
    found = ROWS.filter(pl.col("period_start").dt.year() == year, measure=measure, period_basis=basis)
    return found.filter(category_scheme="jsccm_2")


def total(frame: pl.DataFrame) -> float:
    (value,) = frame.filter(category_code="_T")["value"].to_list()
    return float(value)


def test_classes_add_up_to_the_printed_total() -> None:
    for year, difference in ((2006, 0), (2005, 1_000_000)):
        frame = rows(year)
        classes = frame.filter(pl.col("category_code") != "_T")
        assert classes.height == 26
        assert abs(float(classes["value"].sum()) - total(frame)) == difference
    assert total(rows(2006)) == 6_438_082_000_000
    assert total(rows(2005)) == 6_390_722_000_000


def test_every_figure_of_the_annual_table() -> None:
    table = pl.read_csv(shared_file("origin_facts/mhlw_yakuji_nenpo_2006_table2_production_by_class.csv"))
    for column, year in (("生産金額_平成18年_百万円", 2006), ("生産金額_平成17年_百万円", 2005)):
        published = dict(table.select("薬効大分類", pl.col(column) * 1_000_000).iter_rows())
        assert dict(rows(year).select("category_name", "value").iter_rows()) == published


def test_every_figure_of_the_monthly_table() -> None:
    table = pl.read_csv(
        shared_file("origin_facts/mhlw_yakuji_geppo_2008-08_table1_partial.csv"), schema_overrides={"番号": pl.String}
    )
    months = {"当月": date(2008, 8, 1), "前月": date(2008, 7, 1), "前年同月": date(2007, 8, 1)}
    for name, measure in (("生産金額", "production"), ("輸入金額", "imports")):
        for column, start in months.items():
            ours = ROWS.filter(period_basis="month", measure=measure, period_start=start)
            codes = table.with_columns(pl.col("番号").fill_null("_T"))
            published = codes.select("番号", pl.col(f"{name}_{column}_千円") * 1000)
            assert dict(ours.select("category_code", "value").iter_rows()) == dict(published.iter_rows())
            assert set(ours["period_end"].dt.month()) == {start.month}
    # Production and imports of the month are the printed sum of both.
    both = ROWS.filter(period_start=date(2008, 8, 1)).group_by("category_name").agg(pl.col("value").sum())
    printed = dict(table.select("薬効分類", pl.col("合計_千円") * 1000).iter_rows())
    assert dict(both.iter_rows()) == printed


def test_totals_that_the_press_reports_and_the_break() -> None:
    table = pl.read_csv(shared_file("origin_facts/mhlw_yakuji_annual_totals_from_news.csv"))
    columns = {
        "production": "domestic_production_jpy_bn",
        "imports": "import_final_products_jpy_bn",
        "exports": "export_or_direct_overseas_shipment_jpy_bn",
    }
    for measure, column in columns.items():
        published = table.select("year", column).drop_nulls()
        for year, value in published.iter_rows():
            assert total(rows(year, measure)) == pytest.approx(value * 1e9, abs=1)
    broken = ROWS.filter("series_break")
    assert broken.select("period_start", "category_code").unique().rows() == [(date(2019, 1, 1), "_T")]
    assert set(broken["measure"]) == {"production", "imports", "exports"}
    assert broken["note"].str.contains("not comparable").all()
    assert total(rows(2017)) == 6_721_300_000_000
    regenerative = ROWS.filter(category_scheme="mhlw_product_group")
    assert regenerative.select("category_code", "value").rows() == [("regenerative_products", 5_500_000_000.0)]


def test_biological_products_are_noted_not_to_be_biologics() -> None:
    biological = ROWS.filter(category_code="63")
    assert biological["category_name"].unique().to_list() == ["生物学的製剤"]
    assert biological["note"].str.contains("Vaccines, antisera and blood products").all()
    assert biological.filter(period_start=date(2006, 1, 1))["value"].to_list() == [249_170_000_000.0]


def test_names_and_codes_go_together() -> None:
    pairs = ROWS.select("category_scheme", "category_code", "category_name").unique()
    assert pairs["category_code"].is_unique().all()
    assert pairs["category_name"].is_unique().all()
    printed = pl.read_csv(
        shared_file("origin_facts/mhlw_yakuji_geppo_2008-08_table1_partial.csv"), schema_overrides={"番号": pl.String}
    ).select(pl.col("番号").fill_null("_T"), "薬効分類")
    known = dict(pairs.select("category_code", "category_name").iter_rows())
    assert all(known[code] == name for code, name in printed.iter_rows())


def test_every_row_is_transcribed_from_a_listed_page() -> None:
    (part,) = edition.read(SOURCE)
    assert set(ROWS["document_url"]) == {file["url"] for file in part.files}
    assert set(ROWS["value_origin"]) == {"transcribed"}
    assert set(ROWS["unit"]) == {"JPY"}
    assert ROWS["locator"].str.contains(": ").all()
    undated = ROWS.filter(published_on=date(2026, 11, 22))
    assert undated["note"].str.contains("Undated page").all()
    assert ROWS.filter(pl.col("published_on") != date(2026, 11, 22)).height == 13


# --- the curated file as an edition ---------------------------------------------------------------------------


def test_the_file_loads_as_the_bundled_edition_does(settings: Settings) -> None:
    record = load.load_files(settings, SOURCE, [FILE])
    assert (record.row_count, record.rows_quarantined, record.partition) == (116, 0, "all")
    other = FILE.with_name("edition.yml")
    with pytest.raises(GateError, match="matches no file"):
        load.load_files(settings, SOURCE, [other])


def test_a_value_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / FILE.name
    path.write_text(FILE.read_text().replace("565940000000", "5,659億円", 1))
    with pytest.raises(LayoutError):
        SOURCE.parse([in_hand(path)])


@given(
    dropped=st.integers(-1, 12),
    repeated=st.sampled_from([0, 1]),
    mark=st.sampled_from(["", "*", "１"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "cp932"]),
)
@settings(max_examples=20, deadline=None)
def test_damage_gives_right_rows_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, dropped: int, repeated: int, mark: str, encoding: str
) -> None:
    frame = pl.read_csv(FILE, infer_schema=False).head(6)
    columns = [name for position, name in enumerate(frame.columns) if position != dropped]
    lines = frame.select(columns).with_columns(value=pl.col("value") + mark) if "value" in columns else frame
    table = lines.select(columns)
    path = tmp_path_factory.mktemp("cut") / FILE.name
    path.write_bytes(pl.concat([table, table.head(repeated)]).write_csv().encode(encoding, errors="replace"))
    try:
        file: SourceFile = in_hand(path)
        parsed = load.parse_files(SOURCE, [file])
        tables, rejected, dropped_rows = load.conform_all(
            SOURCE,
            parsed,
            edition_id="test",
            published_on=date(2026, 11, 22),
            ingested_at=edition.read(SOURCE)[0].ingested_at,
        )
    except IngestError:
        return
    key = ["category_code", "measure", "period_start", "period_end"]
    joined = tables[TABLE].join(ROWS, on=key, suffix="_real")
    assert joined.height == tables[TABLE].height
    assert joined.height + rejected.height + sum(dropped_rows.values()) == 6 + repeated
    assert joined.filter(pl.col("value").is_not_null() & (pl.col("value") != pl.col("value_real"))).is_empty()
