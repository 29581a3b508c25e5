from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ingest import load
from ingest.errors import LayoutError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import bundled, in_hand, source_of
from tests.sources.rnd import load as parsed_of

CODE = "ncses_patents"
FAMILIES, PHARMACEUTICALS, GRANTS = (f"ncses/{number}/data.csv" for number in (5835, 5836, 5874))
COPIED_ON = date(2025, 3, 27)
US_FAMILIES = [1351, 1331, 1081, 1103, 1060, 1229, 1058, 731, 907, 926, 1005, 1117, 1247, 1274, 1494, 1567, 1736]
US_FAMILIES += [1746, 1729, 1814, 1705, 1661, 1522]


def series(rows: pl.DataFrame, code: str) -> list[float]:
    """Values of an economy in the order of its years."""
    return rows.filter(pl.col("entity_code") == code).sort("period_start")["value"].to_list()


def test_years_are_those_of_a_table_that_kept_them() -> None:
    """Table SINV-42 has the United States by field with the years in its header: the same figures, in that order."""
    loaded = parsed_of(CODE, shared_file(FAMILIES), published_on=COPIED_ON)
    rows = loaded.tables["patent_count"]
    assert series(rows, "USA") == US_FAMILIES
    assert rows["period_start"].min() == date(1998, 1, 1) and rows["period_end"].max() == date(2020, 12, 31)
    assert loaded.rejected.height == 0 and loaded.dropped == {"income_group": 50}
    assert set(rows["count_kind"]) == {"family_granted"} and set(rows["field_code"]) == {"15"}


def test_regions_add_up_to_the_world() -> None:
    """Fractional counts are printed as whole numbers: parts and total differ by no more than the rounding of nine."""
    rows = parsed_of(CODE, shared_file(GRANTS), published_on=COPIED_ON).tables["patent_count"]
    parts = ("north_america", "central_america_caribbean", "south_america", "europe", "asia", "middle_east", "africa")
    regions = rows.filter(pl.col("entity_code").is_in([*parts, "oceania", "unclassified"]))
    by_year = regions.group_by("period_start").agg(pl.col("value").sum().alias("parts"))
    world = rows.filter(pl.col("entity_code") == "WLD").join(by_year, on="period_start")
    assert world.height == 23
    assert world.select((pl.col("value") - pl.col("parts")).abs().max()).item() <= 5


def test_countries_and_groups_have_codes() -> None:
    rows = parsed_of(CODE, shared_file(PHARMACEUTICALS), published_on=COPIED_ON).tables["patent_count"]
    countries = rows.filter(pl.col("entity_kind") == "country")
    assert {"JPN", "KOR", "TWN", "RUS", "MDA", "GBR", "PRI"} <= set(countries["entity_code"])
    assert countries["entity_code"].n_unique() == 36
    assert {"WLD", "EUU", "eu27_uk"} <= set(rows.filter(pl.col("entity_kind") == "aggregate")["entity_code"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace("table_id", "tableid", 1), "the header is"),
        (lambda text: text.replace("5835,", "5834,"), "5834 is not supported"),
        (lambda text: text.replace("5835,", "5836,", 1), "holds 2 tables"),
        (lambda text: text.replace("5835,r001,World,na", "5835,r001,World,12"), "begin with its income group"),
        (lambda text: text.replace("5835,r005,", "5835,r004,"), "does not number the rows"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "not a multiple of 24"),
        (lambda text: text.replace("r003,World,", "r003,Asia,"), "24 consecutive rows"),
    ],
)
def test_another_layout_is_refused(change: object, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "ncses_5835.csv"
    file.write_text(change(shared_file(FAMILIES).read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(LayoutError, match=problem):
        source_of(CODE).parse([in_hand(file, COPIED_ON)])


def test_an_unknown_economy_and_a_cell_without_number_are_rejected(tmp_path: Path) -> None:
    text = shared_file(FAMILIES).read_text(encoding="utf-8").replace("-> Malaysia", "-> Utopia")
    file = tmp_path / "ncses_5835.csv"
    file.write_text(text.replace("World -> Asia -> Japan,840", "World -> Asia -> Japan,D"), encoding="utf-8")
    parsed = source_of(CODE).parse([in_hand(file, COPIED_ON)])
    assert parsed.rejected is not None
    reasons = parsed.rejected["reason"].to_list()
    assert len(reasons) == 24
    assert sum("Utopia is neither" in reason for reason in reasons) == 23
    assert sum("D is no count" in reason for reason in reasons) == 1


def test_the_bundled_edition_is_the_world_and_22_countries(settings: Settings) -> None:
    rows = bundled(CODE, "patent_count")
    assert rows.height == 23 * 23 * 4
    assert rows.group_by("count_kind", "field_code").len().height == 4
    right = parsed_of(CODE, shared_file(FAMILIES), published_on=COPIED_ON).tables["patent_count"]
    key = ["entity_code", "count_kind", "field_code", "period_start", "value", "locator"]
    kept = rows.filter((pl.col("count_kind") == "family_granted") & (pl.col("field_code") == "15"))
    assert kept.select(key).join(right.select(key), on=key, how="anti").is_empty()
    records = load.load_bundled(settings, source_of(CODE))
    assert sum(record.row_count for record in records) == rows.height


def test_the_connector_fetches_and_loads_each_table(settings: Settings) -> None:
    with Publisher() as publisher:
        copy = "/bq-org/ncses_stats_explorer_placeholder/1f879ab65ed260668840db406611ddc10e8455bc/output/tables"
        content = shared_file(FAMILIES).read_bytes()
        for table in ("5820", "5835", "5836", "5874", "5875"):
            answer = content.replace(b"\n5835,", f"\n{table},".encode())
            publisher.serve("raw.githubusercontent.com", f"{copy}/{table}/data.csv", Answer(answer))
        records = connector(settings, publisher, CODE, "raw.githubusercontent.com").run()
    assert len(records) == 5
    assert {record.partition for record in records} >= {"family_granted, All technical fields"}
    assert {record.row_count for record in records} == {1150}
