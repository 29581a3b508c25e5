from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ingest import gates, vocabulary
from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.lake import Lake
from ingest.load import load_files
from ingest.settings import Settings
from ingest.sources.cepii_baci import parse
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.mutations import Damage, Table, damages
from tests.sources.rnd import Loaded, in_hand, load, source_of

CODE = "cepii_baci"
TABLE = "trade_flow"
HOST = "www.cepii.fr"
PAGE = "/CEPII/en/bdd_modele/bdd_modele_item.asp"
RELEASE = "BACI_HS17_V202301.zip"
YEAR_FILE = "cepii_baci/BACI_HS17_Y2020_V202301_exporters_AFG_ZAF.csv.gz"
CODES = "cepii_baci/country_codes_V202301.csv"
README = "cepii_baci/Readme_V202201.txt"
COLUMNS = [
    "reporter_iso3",
    "partner_iso3",
    "hs_code",
    "value_usd",
    "net_weight_kg",
    "period_end",
    "locator",
    "status",
]
SCOPE = ("2937", "2941", "3002", "3004", "3822")


@cache
def loaded() -> Loaded:
    return load(CODE, *(shared_file(name) for name in (YEAR_FILE, CODES, README)))


def rows() -> pl.DataFrame:
    return loaded().tables[TABLE]


@cache
def text() -> str:
    return gzip.decompress(shared_file(YEAR_FILE).read_bytes()).decode()


def release(*years: int) -> bytes:
    """A release's zip around the real rows, which stand for each of the years, with the files beside them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for year in years:
            archive.writestr(f"BACI_HS17_Y{year}_V202301.csv", text().replace("\n2020,", f"\n{year},"))
        for name in (CODES, README, "cepii_baci/product_codes_HS17_V202301.csv"):
            archive.write(shared_file(name), Path(name).name)
    return buffer.getvalue()


def test_the_real_year_is_taken_whole() -> None:
    result = loaded()
    assert (rows().height, result.parsed.rows_read, result.rejected.height, result.dropped) == (72_097, 72_097, 0, {})
    assert rows().filter(pl.col("hs_code").str.starts_with("3002")).height == 174
    assert rows().filter(pl.col("hs_code").str.starts_with("3004")).height == 205
    assert result.parsed.partition == "HS17-2020"
    assert result.parsed.published_on == date(2022, 2, 24)
    assert set(rows()["reporter_iso3"]) == {"AFG", "ZAF"}
    assert rows().select("flow", "valuation", "is_mirror", "status", "hs_revision").unique().rows() == [
        ("export", "fob", True, "estimated", "HS2017")
    ]


def test_units_are_dollars_and_kilograms() -> None:
    first = rows().filter(locator="line 2").row(0, named=True)
    assert text().splitlines()[1] == "2020,4,24,300431,0.198,        0.001"
    assert (first["value_usd"], first["net_weight_kg"], first["partner_iso3"]) == (198.0, 1.0, "AGO")
    published = pl.read_csv(io.BytesIO(text().encode()), schema_overrides={"q": pl.String})
    assert rows()["value_usd"].sum() == pytest.approx(published["v"].sum() * 1000, abs=1)
    # Three decimals of a thousand dollars are whole dollars.
    assert rows().filter(pl.col("value_usd") != pl.col("value_usd").round(0)).is_empty()


def test_padded_na_is_no_quantity() -> None:
    unknown = rows()["net_weight_kg"].null_count()
    assert unknown == sum(line.endswith("           NA") for line in text().splitlines()) == 2_175
    assert round(unknown / rows().height, 3) == 0.03


def test_leading_zeros_of_codes_are_put_back() -> None:
    assert rows()["hs_code"].str.len_chars().unique().to_list() == [6]
    published = pl.read_csv(io.BytesIO(text().encode()), schema_overrides={"q": pl.String})
    short = published.filter(pl.col("k") < 100_000).height
    assert rows().filter(pl.col("hs_code").str.starts_with("0")).height == short > 1_000
    products = pl.read_csv(shared_file("cepii_baci/product_codes_HS17_V202301.csv"), infer_schema=False)
    assert set(rows()["hs_code"]) <= set(products["code"].str.zfill(6))


def test_codes_are_those_of_comtrade() -> None:
    partners = set(rows()["partner_iso3"])
    assert {"USA", "FRA", "CHE", "IND", "NOR", "TWN", "JPN"} <= partners
    taiwan = rows().filter(partner_iso3="TWN").height
    assert taiwan == sum(line.split(",")[2] == "490" for line in text().splitlines()[1:]) > 0


def test_a_release_is_cut_to_the_scope_and_each_year_is_a_part(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / RELEASE
    path.write_bytes(release(2019, 2020))
    result = load(CODE, path).parsed
    in_scope = rows().filter(pl.col("hs_code").str.slice(0, 4).is_in(SCOPE))
    assert [state.partition for state in result.states] == ["HS17-2019", "HS17-2020"]
    for state in result.states:
        frame = state.tables[TABLE]
        assert frame.height == in_scope.height
        assert state.rows_read == 72_097
        assert state.dropped == {"commodity_outside_scope": 72_097 - in_scope.height}
        assert state.published_on == date(2022, 2, 24)
        assert frame["value_usd"].sum() == in_scope["value_usd"].sum()
        assert frame["period_start"].dt.year().unique().to_list() == [int(state.partition[-4:])]
    locator = result.tables[TABLE]["locator"][0]
    name, line = locator.split(" line ")
    assert name == "BACI_HS17_Y2020_V202301.csv"
    assert text().splitlines()[int(line) - 1].split(",")[3][:4] in SCOPE


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_large_year_comes_in_batches_with_the_same_rows(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(parse, "_LARGE", 1 << 20)
    monkeypatch.setattr(parse, "_BLOCK", 1 << 18)
    path = tmp_path / f"BACI_HS17_Y2020_V202301.csv{suffix}"
    # The last row once more, and one of an unknown country in the first block.
    content = (text() + text().splitlines()[-1] + "\n").replace("2020,4,31,", "2020,4,99999,", 1).encode()
    path.write_bytes(gzip.compress(content) if suffix else content)
    in_batches = load(CODE, path)
    assert in_batches.parsed.tables == {} and len(list(in_batches.parsed.batches())) > 5
    assert (in_batches.rejected.height, in_batches.tables[TABLE].height) == (3, 72_095)
    edition = load_files(settings, source_of(CODE), [path], published_on=date(2023, 1, 1))
    assert (edition.rows_read, edition.rows_quarantined, edition.partition) == (72_098, 3, "HS17-2020")
    live = pl.read_parquet(settings.lake / edition.tables[0].file)
    assert live["locator"].to_list()[:3] == ["line 2", "line 4", "line 5"]
    whole = rows().filter(pl.col("locator").is_in(["line 3", "line 72098"]).not_())
    assert live.sort("locator").select(COLUMNS).equals(whole.sort("locator").select(COLUMNS))


def test_a_large_year_that_is_cut_off_leaves_no_edition(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse, "_LARGE", 1 << 20)
    monkeypatch.setattr(parse, "_BLOCK", 1 << 18)
    path = tmp_path / "BACI_HS17_Y2020_V202301.csv"
    path.write_bytes(text().encode()[:-20])
    with pytest.raises(LayoutError, match="last line is cut off"):
        load_files(settings, source_of(CODE), [path], published_on=date(2023, 1, 1))
    assert Lake(settings.lake).editions() == []
    assert [file for file in settings.lake.rglob("*") if file.is_file()] == []


def test_unpacking_limits_fit_the_real_files(tmp_path: Path) -> None:
    """A release compresses some fourfold, far from the ratio of two hundred at which an archive is refused."""
    path = tmp_path / RELEASE
    path.write_bytes(release(2020))
    gates.check(source_of(CODE).spec, in_hand(path))
    with zipfile.ZipFile(path) as archive:
        (entry,) = (entry for entry in archive.infolist() if entry.filename.startswith("BACI_"))
    assert 3 < entry.file_size / entry.compress_size < 10


# The connector


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


LINKS = b"""<!DOCTYPE html><html><body><ul>
<li><a href="/DATA_DOWNLOAD/baci/data/BACI_HS92_V202501.zip">HS92 (1995-2023, 2.3 Go)</a></li>
<li><a href="/DATA_DOWNLOAD/baci/data/BACI_HS17_V202201.zip">HS17 (2017-2020)</a></li>
<li><a href="/DATA_DOWNLOAD/baci/data/BACI_HS17_V202301.zip">HS17 (2017-2021)</a></li>
</ul></body></html>"""


def test_the_newest_release_is_found_and_loaded(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PAGE, Answer(LINKS))
    publisher.serve(HOST, f"/DATA_DOWNLOAD/baci/data/{RELEASE}", Answer(release(2019, 2020), etag='"v1"'))
    live = connector(settings, publisher, CODE, HOST)
    (newest,) = live.run()
    assert newest.partition == "HS17-2020"
    editions = Lake(settings.lake).editions()
    assert [(e.partition, e.published_on) for e in editions] == [
        ("HS17-2019", "2022-02-24"),
        ("HS17-2020", "2022-02-24"),
    ]
    assert len({e.edition_id for e in editions}) == 2
    loaded_rows = live.rows(newest, TABLE)
    assert loaded_rows.filter(pl.col("hs_code").str.starts_with("3002")).height == 174
    assert publisher.seen[0].parameters == {"id": "37"}
    # Not sent again, not parsed again.
    (again,) = live.run()
    assert again == newest and publisher.seen[-1].headers["if-none-match"] == '"v1"'


def test_a_page_without_releases_is_a_named_error(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PAGE, Answer(b"<html><body>We have moved.</body></html>"))
    with pytest.raises(FetchError, match="names no release in HS17"):
        connector(settings, publisher, CODE, HOST).fetch()


def test_an_error_page_in_place_of_the_zip_is_refused(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PAGE, Answer(LINKS))
    publisher.serve(HOST, f"/DATA_DOWNLOAD/baci/data/{RELEASE}", Answer(b"<html>busy</html>" * 100))
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    assert live.archived() == []


# Damaged files


def cut(lines: int = 60) -> Table:
    table = list(csv.reader(text().splitlines()[: lines + 1]))
    return Table(table[0], table[1:])


def written(folder: Path, table: Table, name: str = "BACI_HS17_Y2020_V202301.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("".join(f"{','.join(row)}\n" for row in [table.header, *table.rows]).encode(encoding))
    return path


def test_a_plain_csv_is_read(tmp_path: Path) -> None:
    assert load(CODE, written(tmp_path, cut())).tables[TABLE].height == 60


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, "2019"), (1, "9999"), (2, "0"), (2, "97"), (3, "1234567"), (4, "-1"), (4, ""), (5, ""), (5, "n.a.")],
)
def test_rows_that_cannot_be_used_are_rejected(column: int, value: str, tmp_path: Path) -> None:
    table = cut()
    table.rows[7][column] = value
    result = load(CODE, written(tmp_path, table))
    assert result.tables[TABLE].height == 59
    (found,) = result.rejected.iter_rows(named=True)
    assert found["locator"] == "line 9" and "unknown country code" in found["reason"]


@pytest.mark.parametrize("column", [0, 1, 2, 3, 4])
def test_a_cell_of_another_type_is_a_named_error(column: int, tmp_path: Path) -> None:
    table = cut()
    table.rows[7][column] = "４２"
    with pytest.raises(LayoutError, match="a cell is of another type"):
        load(CODE, written(tmp_path, table))


def test_other_columns_are_a_named_error(tmp_path: Path) -> None:
    table = cut()
    table.header = ["t", "j", "i", "k", "v", "q"]
    with pytest.raises(LayoutError, match=r"header is 't,j,i,k,v,q'"):
        load(CODE, written(tmp_path, table))


def test_a_cut_off_file_is_a_named_error(tmp_path: Path) -> None:
    path = written(tmp_path, cut())
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(LayoutError, match="last line is cut off"):
        load(CODE, path)


def test_an_unknown_revision_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="revision HS28"):
        load(CODE, written(tmp_path, cut(), name="BACI_HS28_Y2030_V203201.csv"))


def test_a_year_stands_once(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="stands twice"):
        load(CODE, written(tmp_path, cut()), written(tmp_path, cut(), name="BACI_HS17_Y2020_V202401.csv"))


def test_country_codes_alone_are_no_edition() -> None:
    with pytest.raises(LayoutError, match="no CSV of a year"):
        load(CODE, shared_file(CODES))


def test_a_code_given_to_another_country_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "country_codes_V202301.csv"
    path.write_text(shared_file(CODES).read_text().replace("392,Japan,Japan,JP,JPN", "392,Nauru,Nauru,NR,NRU"))
    with pytest.raises(LayoutError, match=r"code 392 is NRU, in vocabulary/comtrade_area\.csv it is JPN"):
        load(CODE, shared_file(YEAR_FILE), path)


def test_every_country_of_the_code_file_is_reviewed() -> None:
    codes = pl.read_csv(shared_file(CODES), infer_schema=False)
    areas = vocabulary.table("comtrade_area")
    assert set(codes["country_code"]) <= set(areas["code"])


@cache
def right() -> set[tuple[object, ...]]:
    return {tuple(row) for row in rows().head(60).drop("locator", "file_sha256", "published_on").rows()}


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_damaged_files_give_right_rows_or_a_named_error(damage: Damage, tmp_path: Path) -> None:
    table = cut()
    damage.apply(table)
    try:
        result = load(CODE, written(tmp_path, table))
    except IngestError:
        return
    found = result.tables[TABLE]
    assert {tuple(row) for row in found.drop("locator", "file_sha256", "published_on").rows()} <= right(), damage
    assert found.height + result.rejected.height + sum(result.dropped.values()) >= 59
