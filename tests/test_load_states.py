"""Files that hold their own history: each state is an edition, and the same history again adds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest import compile as compiling
from ingest import edition, load, source
from ingest.errors import LayoutError, SourceError
from ingest.lake import Edition, Lake
from ingest.load import load_all, load_files
from ingest.settings import Settings
from ingest.source import Parsed, Source, SourceFile
from tests.factories import synthetic_rows, synthetic_source

TABLE = "rnd_observation"


def parse(files: Sequence[SourceFile]) -> Parsed:
    """A small parser: lines `day,value`; each day is a state with the newest value."""
    lines = [line.split(",") for line in files[0].path.read_text().split()[1:]]
    if any(value == "?" for _, value in lines):
        raise LayoutError("a value is unknown", file=files[0].name, remedy="Ask.")
    states = [
        Parsed(
            {
                TABLE: synthetic_rows(TABLE, {"value": float(value), "file_sha256": files[0].sha256}).drop(
                    "source_code", "edition_id", "edition_partition", "published_on", "ingested_at"
                )
            },
            rows_read=1,
            published_on=date.fromisoformat(day),
            identity="company",
        )
        for day, value in lines
    ]
    states[-1].earlier = states[:-1]
    return states[-1]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(Source, "parse", property(lambda self: parse))
    monkeypatch.setattr(Source, "trim", property(lambda self: lambda tables: tables))
    return synthetic_source(tmp_path / "sources")


def write(folder: Path, *lines: str) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join(["day,value,and,a,long,header", *lines]) + "\n")
    return path


FIRST, SECOND, THIRD = "2022-01-01,1.0", "2023-01-01,2.0", "2024-01-01,3.0"


def committed(settings: Settings) -> dict[str, tuple[float, str]]:
    return {
        record.published_on: (
            pl.read_parquet(settings.lake / record.tables[0].file)["value"].item(),
            record.files[0]["sha256"][:8],
        )
        for record in Lake(settings.lake).editions()
    }


def test_each_state_is_an_edition_and_the_newest_is_returned(
    tmp_path: Path, settings: Settings, made: Source
) -> None:
    record = load_files(settings, made, [write(tmp_path, FIRST, SECOND)])
    assert record.published_on == "2023-01-01"
    assert {day: value for day, (value, _) in committed(settings).items()} == {"2022-01-01": 1.0, "2023-01-01": 2.0}


def test_the_same_history_in_other_bytes_adds_only_the_new_state(
    tmp_path: Path, settings: Settings, made: Source
) -> None:
    load_files(settings, made, [write(tmp_path, FIRST, SECOND)])
    before = committed(settings)
    record = load_files(settings, made, [write(tmp_path, FIRST, SECOND, THIRD)])
    after = committed(settings)
    assert record.published_on == "2024-01-01"
    assert {day: after[day] for day in before} == before
    assert after["2024-01-01"][1] != before["2023-01-01"][1]
    # Nothing new at all: the record of the newest state is returned.
    assert load_files(settings, made, [write(tmp_path, FIRST, SECOND)]).published_on == "2023-01-01"
    assert committed(settings) == after


def test_force_reads_every_state_again(tmp_path: Path, settings: Settings, made: Source) -> None:
    load_files(settings, made, [write(tmp_path, FIRST, SECOND)])
    path = write(tmp_path, "2022-01-01,9.0", SECOND)
    load_files(settings, made, [path])
    assert committed(settings)["2022-01-01"][0] == 1.0
    load_files(settings, made, [path], force=True)
    assert committed(settings)["2022-01-01"][0] == 9.0


def test_files_are_brought_up_to_date_once_however_many_states_they_hold(
    tmp_path: Path, settings: Settings, made: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_files(settings, made, [write(tmp_path, FIRST, SECOND, THIRD)])
    calls: list[str] = []

    def counted(files: Sequence[SourceFile]) -> Parsed:
        calls.append(files[0].sha256)
        return parse(files)

    monkeypatch.setattr(Source, "parse", property(lambda self: counted))
    monkeypatch.setattr(load, "_fingerprint", lambda of: "f" * 64)
    load_all(settings, made)
    assert len(calls) == 1
    assert {record.fingerprint for record in Lake(settings.lake).editions()} == {"f" * 64}


def test_nothing_is_committed_where_a_state_cannot_be_read(tmp_path: Path, settings: Settings, made: Source) -> None:
    with pytest.raises(LayoutError, match="unknown"):
        load_files(settings, made, [write(tmp_path, FIRST, "2023-01-01,?")])
    assert committed(settings) == {}
    assert list(settings.quarantine.rglob("reason.json"))


def test_a_load_that_was_cut_short_between_two_states_is_completed(
    tmp_path: Path, settings: Settings, made: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, FIRST, SECOND, THIRD)
    publish, done = Lake.publish, []

    def one_and_no_more(self: Lake, *arguments: Any) -> Edition:
        if done:
            raise KeyboardInterrupt
        done.append(publish(self, *arguments))
        return done[0]

    monkeypatch.setattr(Lake, "publish", one_and_no_more)
    with pytest.raises(KeyboardInterrupt):
        load_files(settings, made, [path])
    assert list(committed(settings)) == ["2022-01-01"]
    monkeypatch.undo()
    monkeypatch.setattr(Source, "parse", property(lambda self: parse))
    load_all(settings, made)
    assert list(committed(settings)) == ["2022-01-01", "2023-01-01", "2024-01-01"]
    assert [record.completes for record in Lake(settings.lake).editions()] == [False, False, True]


def test_two_states_of_one_day_are_an_error(tmp_path: Path, settings: Settings, made: Source) -> None:
    with pytest.raises(SourceError, match="two editions with the same id"):
        load_files(settings, made, [write(tmp_path, FIRST, "2022-01-01,2.0")])
    assert committed(settings) == {}


def test_the_bundled_edition_keeps_every_state(
    tmp_path: Path, settings: Settings, made: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "get", lambda code: made)
    path = write(tmp_path, FIRST, SECOND)
    assert compiling.compile_source(made.code, [[path]], accessed_on=date(2026, 11, 22)) == {TABLE: 2}
    parts = edition.read(made)
    assert [(part.published_on, part.tables[TABLE]["value"].item()) for part in parts] == [
        (date(2022, 1, 1), 1.0),
        (date(2023, 1, 1), 2.0),
    ]
    assert len(load.load_bundled(settings, made)) == 2
    # The partition counts as one: another group of files for it is refused.
    with pytest.raises(SourceError, match="two editions renew the partition"):
        compiling.compile_source(made.code, [[path], [path]], accessed_on=date(2026, 11, 22))
