from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest import lake
from ingest.errors import ContractError, LakeError
from ingest.lake import Edition, Lake
from ingest.settings import Settings
from ingest.workfile import connect, edition_frame, prepare
from tests.factories import synthetic_rows

TABLES = sorted(lake.contracts())


def edition(**changes: Any) -> Edition:
    values: dict[str, Any] = {
        "source_code": "synthetic_source",
        "edition_id": "2026-01-01.abcd1234",
        "partition": "all",
        "published_on": "2026-01-01",
        "ingested_at": "2026-01-02T00:00:00+00:00",
        "is_bundled": False,
        "fingerprint": "f" * 64,
        "files": ({"name": "table.csv", "sha256": "0" * 64},),
        "tables": (),
        "rows_read": 1,
        "rows_quarantined": 0,
    }
    return Edition(**(values | changes))


NOTHING = pl.DataFrame(schema=lake.REJECTED_SCHEMA)


@pytest.mark.parametrize("table", TABLES)
def test_every_contract_describes_each_column_and_keys_on_its_own(table: str) -> None:
    rules = lake.contract(table)
    assert rules.description and rules.title
    assert all(len(column.description) > 5 for column in rules.columns)
    assert set(rules.key) <= set(rules.own_columns)
    assert {"source_code", "edition_id", "file_sha256", "locator", "status"} <= set(rules.schema.names())


@pytest.mark.parametrize("table", TABLES)
def test_rows_that_keep_the_contract_pass(table: str) -> None:
    result = lake.conform(table, synthetic_rows(table))
    assert result.rows.height == 1
    assert result.rows.schema == lake.contract(table).schema
    assert result.rejected.is_empty()


@pytest.mark.parametrize("table", TABLES)
def test_each_rule_of_each_column_rejects_a_row_that_breaks_it(table: str) -> None:
    rules = lake.contract(table)
    for column in rules.columns:
        breaks: list[tuple[Any, str]] = []
        if not column.nullable:
            breaks.append((None, f"{column.name} is missing"))
        if column.allowed:
            breaks.append(("nonsense", f"{column.name} is not one of its allowed values: nonsense"))
        if column.domain == "country":
            breaks.append(("XXX", f"{column.name} is not a country"))
        if column.min is not None:
            breaks.append((column.min - 1, f"{column.name} is below"))
        if column.type == "float64":
            breaks.append((float("inf"), f"{column.name} is not a finite number"))
        for value, reason in breaks:
            result = lake.conform(table, synthetic_rows(table, {column.name: value}))
            assert result.rows.is_empty(), (column.name, value)
            assert reason in result.rejected["reason"][0]


def test_a_rejected_row_keeps_all_reasons_its_locator_and_its_content() -> None:
    rows = synthetic_rows("sales_observation", {"unit_price": -5.0, "market_iso3": "ATL", "locator": "sheet A row 7"})
    rejected = lake.conform("sales_observation", rows).rejected
    assert rejected["locator"][0] == "sheet A row 7"
    assert "below 0: -5" in rejected["reason"][0]
    assert "not a country of vocabulary/country.csv: ATL" in rejected["reason"][0]
    assert '"unit_price":-5.0' in rejected["raw"][0]


def test_conflicting_rows_of_one_key_are_rejected_and_exact_repeats_dropped() -> None:
    rows = synthetic_rows(
        "rnd_observation",
        {"entity_code": "JPN", "value": 1.0},
        {"entity_code": "JPN", "value": 2.0},
        {"entity_code": "USA"},
        {"entity_code": "USA"},
        {"entity_code": "CHN"},
    )
    result = lake.conform("rnd_observation", rows)
    assert sorted(result.rows["entity_code"]) == ["CHN", "USA"]
    assert result.rejected.height == 2
    assert result.dropped == {"exact_repeat": 1}
    assert "another row has the same key" in result.rejected["reason"][0]


def test_missing_and_unknown_columns_fail_as_a_whole() -> None:
    rows = synthetic_rows("deal")
    with pytest.raises(ContractError, match="lack acquirer_name"):
        lake.conform("deal", rows.drop("acquirer_name"))
    with pytest.raises(ContractError, match="unknown column price"):
        lake.conform("deal", rows.with_columns(price=1))
    with pytest.raises(ContractError, match="cannot be cast"):
        lake.conform("deal", rows.with_columns(value=pl.lit("many")))
    with pytest.raises(ContractError, match="no canonical table"):
        lake.contract("deals")


def test_a_load_without_its_commit_record_is_not_there(settings: Settings) -> None:
    store = Lake(settings.lake)
    record = store.commit(edition(), {"deal": synthetic_rows("deal")}, NOTHING)
    assert store.editions() == [record]
    (settings.lake / "_editions/synthetic_source/2026-01-01.abcd1234.json").unlink()
    assert store.editions() == []
    path = prepare(settings)
    connection = connect(path, settings, read_only=True)
    assert connection.execute("select count(*) from lake.deal").fetchall() == [(0,)]
    connection.close()


def test_the_same_rows_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    rows = synthetic_rows("deal", {"target_name": "A"}, {"target_name": "B"}, {"target_name": "C"})
    written = []
    for name, frame in {"one": rows, "two": rows.reverse()}.items():
        record = Lake(tmp_path / name).commit(edition(), {"deal": frame}, NOTHING)
        written.append((tmp_path / name / record.tables[0].file).read_bytes())
    assert written[0] == written[1]


def test_a_committed_file_that_is_gone_is_named(settings: Settings) -> None:
    record = Lake(settings.lake).commit(edition(), {"deal": synthetic_rows("deal")}, NOTHING)
    (settings.lake / record.tables[0].file).unlink()
    with pytest.raises(LakeError, match="committed file of the lake is gone"):
        prepare(settings)


def test_a_damaged_commit_record_is_named(settings: Settings) -> None:
    Lake(settings.lake).commit(edition(), {"deal": synthetic_rows("deal")}, NOTHING)
    (settings.lake / "_editions/synthetic_source/2026-01-01.abcd1234.json").write_text("{")
    with pytest.raises(LakeError, match="commit record cannot be read"):
        Lake(settings.lake).editions()


def test_latest_edition_is_per_partition_and_a_full_one_wins_over_the_bundled_extract(settings: Settings) -> None:
    store = Lake(settings.lake)
    rows = synthetic_rows("deal")
    for partition, published, bundled in [
        ("FY2018", "2020-01-01", True),
        ("FY2018", "2020-01-01", False),
        ("FY2018", "2019-01-01", False),
        ("FY2019", "2018-01-01", True),
    ]:
        suffix = "+bundled" if bundled else ""
        store.commit(
            edition(
                partition=partition,
                published_on=published,
                is_bundled=bundled,
                edition_id=f"{published}.{partition}{suffix}",
            ),
            {"deal": rows},
            NOTHING,
        )
    frame = edition_frame(store.editions())
    latest = frame.filter("is_latest")
    assert sorted(latest["edition_id"]) == ["2018-01-01.FY2019+bundled", "2020-01-01.FY2018"]
    newest = frame.filter(pl.col("edition_id") == "2020-01-01.FY2018")
    assert newest["previous_row_count"][0] == 1


def test_a_live_edition_of_the_whole_renews_its_parts(tmp_path: Path) -> None:
    cases = {
        "live": [("day before", "2026-10-29"), ("same day", "2026-10-30"), ("day after", "2026-11-02")],
        # A bundled extract of the whole does not hold what a live part holds.
        "bundled": [("day before", "2026-10-29")],
    }
    latest = {}
    for kind, parts in cases.items():
        store = Lake(tmp_path / kind)
        made = [edition(partition=f"day {day}", published_on=day, edition_id=name) for name, day in parts]
        whole = edition(
            published_on="2026-10-30", is_bundled=kind == "bundled", edition_id="history", partition="all"
        )
        for record in [*made, whole]:
            store.commit(record, {"deal": synthetic_rows("deal")}, NOTHING)
        latest[kind] = sorted(edition_frame(store.editions()).filter("is_latest")["edition_id"])
    assert latest == {"live": ["day after", "history"], "bundled": ["day before", "history"]}


def test_as_of_leaves_out_editions_published_later(settings: Settings) -> None:
    from datetime import date

    store = Lake(settings.lake)
    store.commit(
        edition(edition_id="2020-01-01.a", published_on="2020-01-01"), {"deal": synthetic_rows("deal")}, NOTHING
    )
    store.commit(
        edition(edition_id="2024-01-01.b", published_on="2024-01-01"), {"deal": synthetic_rows("deal")}, NOTHING
    )
    connection = connect(prepare(settings, as_of=date(2022, 1, 1)), settings, read_only=True)
    found = connection.execute("select edition_id from lake.edition").fetchall()
    connection.close()
    assert found == [("2020-01-01.a",)]


def test_quarantined_rows_reach_the_work_file(settings: Settings) -> None:
    rows = synthetic_rows("deal", {"target_name": "A"}, {"target_name": "B", "capacity_litres": -1.0})
    result = lake.conform("deal", rows)
    Lake(settings.lake).commit(edition(), {"deal": result.rows}, result.rejected)
    connection = connect(prepare(settings), settings, read_only=True)
    found = connection.execute("select source_code, table_name, reason from lake.quarantine").fetchall()
    kept = connection.execute("select target_name from lake.deal").fetchall()
    connection.close()
    assert kept == [("A",)]
    assert len(found) == 1 and found[0][:2] == ("synthetic_source", "deal") and "below 0" in found[0][2]


@pytest.mark.parametrize("said", ["Invalid thrift: transport error", "No space left on device (os error 28)"])
def test_rows_that_cannot_be_written_are_an_error_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError(f"parquet: File out of specification: {said}")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OSError, match="rows cannot be written") as raised:
        lake.write_parquet(pl.DataFrame({"a": [1]}), tmp_path / "x.parquet")
    assert raised.value.filename == str(tmp_path / "x.parquet")
