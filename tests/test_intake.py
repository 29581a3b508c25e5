"""Rows that come in batches end up as if they had come at once: kept, rejected, counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest import corrections, intake, lake, load
from ingest.errors import ContractError, LayoutError, SourceError
from ingest.intake import Intake
from ingest.lake import Lake, Staged
from ingest.settings import Settings
from ingest.source import Parsed, Source, SourceFile
from tests.factories import synthetic_rows, synthetic_source
from tests.test_lake import edition

TABLE = "rnd_observation"


def taken_in(root: Path, batches: Sequence[pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame, Staged]:
    """Kept rows, rejected rows, and what was staged, of batches that were taken in and committed."""
    store = Lake(root)
    with Intake(store, edition()) as taking:
        for batch in batches:
            taking.add(TABLE, batch)
            taking.count(batch.height, {})
        staged = taking.finish()
    record = store.publish(edition(), staged)
    rows = pl.read_parquet(root / record.tables[0].file)
    assert record.tables[0].row_count == rows.height
    rejected = (
        pl.read_parquet(root / record.quarantine_file).select(lake.REJECTED_SCHEMA.names())
        if record.quarantine_file
        else pl.DataFrame(schema=lake.REJECTED_SCHEMA)
    )
    assert record.rows_quarantined == rejected.height
    assert [path for path in root.rglob("*") if path.name.endswith((".tmp", ".bad", ".again"))] == []
    return rows, rejected, staged


def rows_of(choices: Sequence[tuple[str, float, str]]) -> pl.DataFrame:
    changes: list[dict[str, Any]] = [{"entity_code": e, "value": v, "locator": where} for e, v, where in choices]
    return pl.concat([synthetic_rows(TABLE).clear(), *(synthetic_rows(TABLE, change) for change in changes)])


# An infinite value is a fault; few values make repeats and conflicts likely.
ROWS = st.lists(
    st.tuples(st.sampled_from(["JPN", "USA", "CHN"]), st.sampled_from([1.0, 2.0, float("inf")]), st.just("line 1")),
    min_size=2,
    max_size=12,
)


@given(ROWS, st.integers(1, 5), st.integers(1, 6))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_batches_give_what_the_whole_gives(
    tmp_path_factory: pytest.TempPathFactory, choices: list[tuple[str, float, str]], size: int, row_group: int
) -> None:
    rows = rows_of(choices)
    whole = lake.conform(TABLE, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "ROW_GROUP", row_group)
        root = tmp_path_factory.mktemp("lake")
        kept, rejected, staged = taken_in(root, [rows.slice(i, size) for i in range(0, rows.height, size)])
    assert kept.schema == whole.rows.schema
    assert sorted(map(str, kept.rows())) == sorted(map(str, whole.rows.rows()))
    assert sorted(rejected.rows()) == sorted(whole.rejected.rows())
    assert staged.dropped == {f"{TABLE}.{rule}": count for rule, count in whole.dropped.items()}
    assert staged.rows_read == rows.height
    assert kept.height + rejected.height + sum(staged.dropped.values()) == rows.height


def test_a_conflict_between_far_batches_is_found(tmp_path: Path) -> None:
    one, two, three = (
        rows_of([("JPN", 1.0, "line 1"), ("USA", 5.0, "line 2")]),
        rows_of([("CHN", 3.0, "line 3")]),
        rows_of([("JPN", 2.0, "line 4"), ("USA", 5.0, "line 2")]),
    )
    kept, rejected, staged = taken_in(tmp_path, [one, two, three])
    assert sorted(kept["entity_code"]) == ["CHN", "USA"]
    assert sorted(rejected["locator"]) == ["line 1", "line 4"]
    assert rejected["reason"].str.contains("another row has the same key").all()
    assert staged.dropped == {f"{TABLE}.exact_repeat": 1}


def test_text_that_is_constant_at_first_and_changes_later_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "ROW_GROUP", 2)
    batches = [
        synthetic_rows(TABLE, *({"entity_code": f"A{i}{k}", "note": note, "document_url": None} for k in range(2)))
        for i, note in enumerate([None, "first", "second", None])
    ]
    batches[3] = batches[3].with_columns(document_url=pl.Series(["https://publisher.example/a", None]))
    kept, _, _ = taken_in(tmp_path, batches)
    assert kept.sort("entity_code").equals(pl.concat(batches).sort("entity_code"))
    # In the publisher's order, row groups as they came.
    assert kept["entity_code"].to_list() == [code for batch in batches for code in batch["entity_code"]]


def test_what_is_discarded_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "ROW_GROUP", 1)
    with pytest.raises(ContractError, match="unknown column price"), Intake(Lake(tmp_path), edition()) as taking:
        taking.add(TABLE, rows_of([("JPN", 1.0, "line 1")]))
        taking.add(TABLE, rows_of([("JPN", float("inf"), "line 1")]))
        taking.add(TABLE, rows_of([("USA", 1.0, "line 2")]).with_columns(price=1))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# From the parser to the lake


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    def parse(files: Sequence[SourceFile]) -> Parsed:
        lines = files[0].path.read_text().split()

        def more() -> Iterator[Parsed]:
            for number, line in enumerate(lines, start=1):
                if line == "cut":
                    raise LayoutError("the last line is cut off", file=files[0].name, row=number, remedy="Again.")
                if line == "bug":
                    raise ZeroDivisionError("a bug")
                code, value = line.split(",")
                frame = synthetic_rows(
                    TABLE, {"entity_code": code, "value": float(value), "locator": f"line {number}"}
                )
                yield Parsed({TABLE: frame.select([*lake.contract(TABLE).own_columns, "file_sha256", "locator"])}, 1)

        return Parsed({}, 0, partition="all", more=more)

    monkeypatch.setattr(Source, "parse", property(lambda self: parse))
    return synthetic_source(tmp_path / "sources")


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n" * 20)
    return path


def test_a_parser_that_yields_batches_is_loaded(tmp_path: Path, settings: Settings, source: Source) -> None:
    record = load.load_files(settings, source, [written(tmp_path, "JPN,1", "USA,2", "USA,3", "CHN,4")])
    assert (record.rows_read, record.row_count, record.rows_quarantined) == (4, 2, 2)
    rows = pl.read_parquet(settings.lake / record.tables[0].file)
    assert rows.select("entity_code", "value", "locator").rows() == [("JPN", 1.0, "line 1"), ("CHN", 4.0, "line 4")]
    assert rows["source_code"].unique().to_list() == [source.code]
    assert Lake(settings.lake).editions() == [record]


def test_batches_are_held_together_where_a_frame_is_asked_for(tmp_path: Path, source: Source) -> None:
    parsed = load.parse_files(source, load.in_hand(source, [written(tmp_path, "JPN,1", "USA,2", "USA,3", "CHN,4")]))
    tables, rejected, _ = load.conform_all(
        source,
        parsed,
        edition_id="2026-01-01.a",
        published_on=date(2026, 1, 1),
        ingested_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert (sorted(tables[TABLE]["entity_code"]), rejected.height) == (["CHN", "JPN"], 2)


@pytest.mark.parametrize(("last", "error"), [("cut", "last line is cut off"), ("bug", "ZeroDivisionError: a bug")])
def test_an_error_in_a_late_batch_leaves_no_edition(
    tmp_path: Path, settings: Settings, source: Source, last: str, error: str
) -> None:
    with pytest.raises((LayoutError, SourceError), match=error):
        load.load_files(settings, source, [written(tmp_path, "JPN,1", "USA,2", last)])
    assert Lake(settings.lake).editions() == []
    assert [path for path in settings.lake.rglob("*") if path.is_file()] == []
    assert len(list(settings.quarantine.rglob("reason.json"))) == 1


def test_a_correction_may_match_in_any_batch(tmp_path: Path, settings: Settings, source: Source) -> None:
    ledger = source.folder / "corrections.yml"
    ledger.write_text(
        "[{table: rnd_observation, action: override, column: value, to: 9.0, key: {entity_code: CHN},"
        " expect: {value: 4.0}, reason: Erratum., evidence: https://publisher.example}]"
    )
    record = load.load_files(settings, source, [written(tmp_path, "JPN,1", "USA,2", "CHN,4")])
    rows = pl.read_parquet(settings.lake / record.tables[0].file)
    assert dict(rows.select("entity_code", "value").iter_rows()) == {"JPN": 1.0, "USA": 2.0, "CHN": 9.0}
    with pytest.raises(SourceError, match="matches no row"):
        load.load_files(settings, source, [written(tmp_path, "JPN,1", "USA,2")])
    assert len(corrections.read(source)) == 1
