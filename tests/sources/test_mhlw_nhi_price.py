"""NHI price list: three real lists in three layouts, and what becomes of lists that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import biologics, edition, load
from ingest.archive import sha256_of
from ingest.compile import compile_source
from ingest.errors import GateError, LayoutError
from ingest.settings import Settings
from ingest.source import Parsed, Source, SourceFile
from ingest.sources.mhlw_nhi_price import parse as prices
from tests.conftest import shared_file

SOURCE = Source(Path(prices.__file__).parent)
LISTS = {"20150401": 16_451, "20191001": 16_528, "20250716": 12_434}
HEADER = ",".join(prices._PLAIN)
GOOD = (
    "注射薬,1119402A1030,合成成分（遺伝子組換え）,１ｍｇ１瓶,局,,,合成品,合成製薬,"
    ",先発品,,100.5,R2.3.31まで,R1.9.4収載"
)


def in_hand(path: Path) -> SourceFile:
    return SourceFile(path=path, name=path.name, sha256=sha256_of(path))


def real(day: str) -> Path:
    return shared_file(f"mhlw_nhi_price/mhlw_price_{day}.csv")


@cache
def parsed(day: str) -> Parsed:
    return prices.parse([in_hand(real(day))])


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables, rejected, _ = load.conform_all(
        SOURCE,
        result,
        edition_id="test",
        published_on=result.published_on or date(2020, 1, 1),
        ingested_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return tables[prices.TABLE], rejected


# --- real lists -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", sorted(LISTS))
def test_every_row_of_every_list_keeps_the_contract(day: str) -> None:
    result = parsed(day)
    frame, rejected = conformed(result)
    assert (result.rows_read, frame.height, rejected.height) == (LISTS[day], LISTS[day], 0)
    assert frame["licence_number"].is_unique().all()
    listed_on = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date()
    assert frame["listed_on"].unique().to_list() == [listed_on] == [result.published_on]
    assert result.partition == f"list-{listed_on}"
    # No mark has slipped into a name, whichever column the conversion put the name in.
    assert frame["brand_name"].null_count() == 0
    assert not frame["brand_name"].is_in(["局", "麻", "※"]).any()
    assert (frame["brand_name"] == frame["brand_name"].str.normalize("NFKC")).all()
    assert frame["listed_price"].null_count() == 0 and frame["listed_price"].min() > 0
    assert set(frame["value_origin"]) == {"republished_copy"}
    assert set(frame["route"]) == {"injection", "oral", "topical", "dental"}


def test_recombinant_mark_of_2019() -> None:
    marked = parsed("20191001").tables[prices.TABLE].filter("is_recombinant_marked")
    assert (marked.height, marked["ingredient_name"].n_unique()) == (423, 150)
    assert marked["modality_evidence"].unique().to_list() == ["遺伝子組換え"]
    unmarked = parsed("20191001").tables[prices.TABLE].filter(~pl.col("is_recombinant_marked"))
    assert unmarked["modality_evidence"].null_count() == unmarked.height
    assert not unmarked["ingredient_name"].str.contains("遺伝子").any()


@pytest.mark.parametrize(
    ("day", "code", "brand", "flags"),
    [
        ("20150401", "1121001X1085", "ブロムワレリル尿素「メタル」", "局"),
        ("20191001", "1121001X1131", "ブロムワレリル尿素(山善)", "局,※,R2.3.31まで"),
        # Of the list of 2019 only the dental workbook had the header that spans four columns.
        ("20191001", "2710810U3020", "スキャンドネストカートリッジ3%", "局"),
    ],
)
def test_names_and_marks_in_both_layouts(day: str, code: str, brand: str, flags: str) -> None:
    (row,) = parsed(day).tables[prices.TABLE].filter(pl.col("licence_number") == code).rows(named=True)
    assert (row["brand_name"], row["publisher_flags"]) == (brand, flags)


@pytest.mark.parametrize("day", sorted(LISTS))
def test_locators_lead_to_the_line(day: str) -> None:
    lines = real(day).read_text(encoding="utf-8").splitlines()
    rows = parsed(day).tables[prices.TABLE].select("licence_number", "locator").sample(50, seed=1).rows()
    for code, locator in [
        *rows,
        *parsed(day).tables[prices.TABLE].select("licence_number", "locator").tail(1).rows(),
    ]:
        assert code in lines[int(str(locator).removeprefix("line ")) - 1]


def test_listing_dates_and_generics() -> None:
    frame = parsed("20150401").tables[prices.TABLE]
    assert frame["approved_on"].drop_nulls().min() >= date(2014, 4, 1)
    assert frame["approved_on"].drop_nulls().max() <= date(2015, 4, 1)
    assert (frame["approved_on"] == date(2014, 12, 12)).sum() == 521
    assert frame["is_generic"].sum() == 8_919 + 78


# --- bundled edition --------------------------------------------------------------------------------------------


def test_the_bundled_edition_keeps_each_biologic_and_each_marked_product() -> None:
    parts = {part.partition: part.tables[prices.TABLE] for part in edition.read(SOURCE)}
    assert sorted(parts) == ["list-2015-04-01", "list-2019-10-01", "list-2025-07-16"]
    for day in LISTS:
        whole, _ = conformed(parsed(day))
        wanted = whole.filter(
            biologics.has_biologic_nhi_code(pl.col("licence_number")) | pl.col("is_recombinant_marked")
        )
        kept = parts[str(parsed(day).partition)]
        compared = [
            name for name in whole.columns if name in kept.columns and name not in ("edition_id", "ingested_at")
        ]
        assert set(wanted["licence_number"]) <= set(kept["licence_number"])
        same = whole.join(kept.select("licence_number"), on="licence_number", how="semi")
        assert kept.select(compared).sort("licence_number").equals(same.select(compared).sort("licence_number"))
        assert 1_000 < kept.height < 2_000


def test_the_bundled_edition_is_what_the_pipeline_compiles(tmp_path: Path) -> None:
    compile_source("mhlw_nhi_price", [[real(day)] for day in LISTS], accessed_on=date(2026, 11, 22), target=tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (SOURCE.edition_dir / path.name).read_bytes(), (
            f"{path.name} is out of date: run python -m ingest.compile"
        )


# --- wrong input ------------------------------------------------------------------------------------------------


def written(tmp_path: Path, *rows: str, header: str = HEADER, name: str = "mhlw_price_20200101.csv") -> SourceFile:
    path = tmp_path / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return in_hand(path)


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_synthetic_row_is_read(tmp_path: Path) -> None:
    (row,) = prices.parse([written(tmp_path, GOOD)]).tables[prices.TABLE].rows(named=True)
    assert (row["ingredient_name"], row["strength_text"]) == ("合成成分(遺伝子組換え)", "1mg1瓶")
    assert (row["listed_price"], row["route"], row["is_generic"]) == (100.5, "injection", False)
    assert (row["approved_on"], row["locator"]) == (date(2019, 9, 4), "line 2")
    assert row["publisher_flags"] == "局,先発品,R2.3.31まで,R1.9.4収載"


def test_the_line_is_counted_over_line_breaks_in_cells(tmp_path: Path) -> None:
    rows = [changed("合成品", '"合成\n品"'), changed("1119402A1030", "1119402A1022")]
    frame = prices.parse([written(tmp_path, *rows)]).tables[prices.TABLE]
    assert frame["locator"].to_list() == ["line 2", "line 4"]
    assert frame["brand_name"].to_list() == ["合成 品", "合成品"]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (HEADER.replace("メーカー名", "製造販売業者名"), "lacks メーカー名 and has the unknown 製造販売業者名"),
        (HEADER.replace("日本薬局方", "Unnamed: 7"), None),
        (HEADER + ",価格", "has the unknown 価格"),
    ],
)
def test_only_known_headers_are_read(tmp_path: Path, header: str, problem: str | None) -> None:
    row = GOOD + "," * (header.count(",") - HEADER.count(","))
    if problem is None:  # The spanned layout, in which the name stands in the unnamed column.
        (read,) = (
            prices.parse([written(tmp_path, changed("局,,,合成品", "合成品,,,局"), header=header)])
            .tables[prices.TABLE]
            .rows(named=True)
        )
        assert read["brand_name"] == "合成品"
        return
    with pytest.raises(LayoutError, match=problem) as caught:
        prices.parse([written(tmp_path, row, header=header)])
    assert (caught.value.file, caught.value.row) == ("mhlw_price_20200101.csv", 1)


def test_the_generic_list_of_the_same_publisher_is_another_table(tmp_path: Path) -> None:
    other = tmp_path / "mhlw_price_20250716.csv"
    other.write_bytes(shared_file("mhlw_nhi_price/mhlw_ge_20250716.csv").read_bytes())
    with pytest.raises(LayoutError, match="the header lacks"):
        prices.parse([in_hand(other)])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("注射薬", "吸入薬", "区分 is not one of 内用薬"),
        ("1119402A1030", "1119402A103", "has not the form of a code"),
        ("合成成分（遺伝子組換え）", "", "成分名 is missing"),
        ("合成品", "", "品名 is missing"),
        ("局,,,合成品", "合成品,,,局", "品名 is missing"),
        ("100.5", "百円", "薬価 holds no number"),
        ("100.5", "-100.5", "listed_price is below 0"),
    ],
)
def test_rows_that_cannot_be_used_are_kept_with_the_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    frame, rejected = conformed(
        prices.parse([written(tmp_path, changed(old, new), changed("1119402A1030", "1119402A1022"))])
    )
    assert frame["licence_number"].to_list() == ["1119402A1022"]
    assert rejected["locator"].to_list() == ["line 2"]
    assert reason in rejected["reason"][0]


def test_a_repeated_code_is_rejected(tmp_path: Path) -> None:
    frame, rejected = conformed(prices.parse([written(tmp_path, GOOD, changed("合成製薬", "別製薬"))]))
    assert frame.is_empty()
    assert rejected["locator"].sort().to_list() == ["line 2", "line 3"]
    assert rejected["reason"].str.contains("another row has the same key").all()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda data: data[: len(data) // 2], "the line has"),
        (lambda data: data.decode("utf-8").encode("cp932", errors="replace"), "header|UTF-8"),
        (lambda data: data.split(b"\n")[0] + b"\n", "no row follows"),
    ],
)
def test_a_damaged_list_is_a_named_error(tmp_path: Path, damage: Callable[[bytes], bytes], problem: str) -> None:
    path = tmp_path / "mhlw_price_20191001.csv"
    path.write_bytes(damage(real("20191001").read_bytes()))
    with pytest.raises(LayoutError, match=problem):
        prices.parse([in_hand(path)])


def test_gates_stop_pages_and_other_names(tmp_path: Path, settings: Settings) -> None:
    page = tmp_path / "mhlw_price_20191001.csv"
    page.write_text("<html>" + "x" * 20_000)
    with pytest.raises(GateError, match="HTML page"):
        load.load_files(settings, SOURCE, [page])
    (reason,) = settings.quarantine.glob("mhlw_nhi_price/*/reason.json")
    assert "fetch the file again" in reason.read_text()
    other = tmp_path / "prices.csv"
    other.write_bytes(real("20191001").read_bytes())
    with pytest.raises(GateError, match="matches no file"):
        load.in_hand(SOURCE, [other])


def test_one_list_is_one_edition(tmp_path: Path) -> None:
    files = [written(tmp_path, GOOD), written(tmp_path, GOOD, name="mhlw_price_20200401.csv")]
    with pytest.raises(LayoutError, match="one list is one edition"):
        prices.parse(files)


@pytest.mark.parametrize("name", ["mhlw_price.csv", "mhlw_price_20191301.csv", "mhlw_price_201910011.csv"])
def test_a_name_without_the_day_of_the_list_is_an_error(name: str) -> None:
    with pytest.raises(LayoutError, match="tell"):
        prices.list_date(name)


# --- grammars ---------------------------------------------------------------------------------------------------


@given(day=st.dates(date(1989, 2, 1), date(2060, 12, 31)))
@settings(max_examples=60, deadline=None)
def test_era_dates_of_remarks(day: date) -> None:
    era, first = ("R", 2018) if day >= date(2019, 5, 1) else ("H", 1988)
    remark = f"{era}{day.year - first}.{day.month}.{day.day}収載"
    assert pl.select(prices.era_date(pl.lit(remark))).item() == day
    assert prices.list_date(f"mhlw_price_{day:%Y%m%d}.csv") == day


@given(
    text=st.one_of(st.text(max_size=12), st.sampled_from(["R7.6.1新薬価適用", "R1.13.1収載", "H27.2.30収載", "収載"]))
)
@settings(max_examples=60, deadline=None)
def test_other_remarks_give_no_date(text: str) -> None:
    assert pl.select(prices.era_date(pl.lit(text))).item() is None
