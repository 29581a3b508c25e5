from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from data_quality.runner import run_checks
from ingest import archive, load, workfile
from ingest.errors import GateError, IngestError, LakeError, LayoutError, SourceError
from ingest.intake import Intake
from ingest.lake import Edition, Lake
from ingest.load import load_all, load_files
from ingest.settings import Settings
from ingest.source import Parsed, Source, SourceFile
from tests.factories import synthetic_rows, synthetic_source

OWN = ["entity_kind", "entity_code", "entity_name", "lens", "activity_scheme", "activity_code", "criteria"]
OWN += ["measure", "period_start", "period_end", "period_basis", "unit", "price_base", "value"]

Parser = Callable[[Sequence[SourceFile]], Parsed]


def parse(files: Sequence[SourceFile]) -> Parsed:
    """A small parser: `entity_code,value` lines."""
    frame = pl.read_csv(files[0].path, schema_overrides={"value": pl.Float64})
    if frame.columns != ["entity_code", "value"]:
        raise LayoutError(
            f"the header is {frame.columns}", file=files[0].name, row=1, remedy="Compare it with the parser."
        )
    template = synthetic_rows("rnd_observation").select(OWN).drop("entity_code", "value")
    rows = frame.join(template, how="cross").with_columns(
        pl.lit(files[0].sha256).alias("file_sha256"),
        pl.format("row {}", pl.int_range(2, pl.len() + 2)).alias("locator"),
    )
    return Parsed({"rnd_observation": rows}, rows_read=frame.height)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(Source, "parse", property(lambda self: parse))
    return synthetic_source(tmp_path / "sources")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


GOOD = "entity_code,value\nJPN,1.5\nUSA,2.5\n"


def test_a_mistyped_path_is_said_and_kept_nowhere(tmp_path: Path, settings: Settings, source: Source) -> None:
    there = write(tmp_path / "t.csv", GOOD)
    for path, problem in ((tmp_path / "u.csv", "there is no such file"), (tmp_path, "this is a folder")):
        with pytest.raises(SourceError, match=problem) as error:
            load_files(settings, source, [there, path])
        assert error.value.file == str(path)
    assert not settings.quarantine.exists()
    assert not settings.archive.exists()


def test_a_file_becomes_an_edition(tmp_path: Path, settings: Settings, source: Source) -> None:
    record = load_files(settings, source, [write(tmp_path / "t.csv", GOOD)], published_on=date(2025, 3, 1))
    assert record.row_count == record.rows_read == 2
    rows = pl.read_parquet(settings.lake / record.tables[0].file)
    assert rows["published_on"].unique().to_list() == [date(2025, 3, 1)]
    assert rows["locator"].to_list() == ["row 2", "row 3"]
    assert rows["status"].unique().to_list() == ["reported"]
    assert record.edition_id.startswith("2025-03-01.")


def test_the_same_bytes_are_not_loaded_twice(tmp_path: Path, settings: Settings, source: Source) -> None:
    first = load_files(settings, source, [write(tmp_path / "t.csv", GOOD)])
    again = load_files(settings, source, [write(tmp_path / "copy.csv", GOOD)])
    assert first == again
    assert len(Lake(settings.lake).editions()) == 1


def test_other_bytes_are_another_edition_and_the_first_one_stays(
    tmp_path: Path, settings: Settings, source: Source
) -> None:
    load_files(settings, source, [write(tmp_path / "t.csv", GOOD)], published_on=date(2025, 3, 1))
    load_files(settings, source, [write(tmp_path / "t.csv", GOOD + "CHN,3.5\n")], published_on=date(2026, 3, 1))
    assert [edition.row_count for edition in Lake(settings.lake).editions()] == [2, 3]


def test_bad_rows_are_quarantined_and_good_ones_loaded(tmp_path: Path, settings: Settings, source: Source) -> None:
    text = GOOD + ",3.5\nCHN,inf\nKOR,1.0\nKOR,2.0\n"
    record = load_files(settings, source, [write(tmp_path / "t.csv", text)])
    assert (record.row_count, record.rows_quarantined, record.rows_read) == (2, 4, 6)
    rejected = pl.read_parquet(settings.lake / (record.quarantine_file or ""))
    assert sorted(rejected["locator"]) == ["row 4", "row 5", "row 6", "row 7"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", GateError),
        ("<html><body>Not found, please go to our home page</body></html>", GateError),
        ("entity,value\nJPN,1.5\nUSA,2.5\n", LayoutError),
        ("entity_code,value\nJPN,1.5,7,8\nUSA,lots\n", SourceError),
    ],
    ids=["empty", "html", "renamed column", "parser breaks"],
)
def test_a_bad_file_goes_to_quarantine_and_the_edition_before_it_stands(
    text: str, error: type[IngestError], tmp_path: Path, settings: Settings, source: Source
) -> None:
    before = load_files(settings, source, [write(tmp_path / "t.csv", GOOD)])
    with pytest.raises(error) as caught:
        load_files(settings, source, [write(tmp_path / "bad.csv", text)])
    (reason_file,) = settings.quarantine.rglob("reason.json")
    reason = json.loads(reason_file.read_text())
    assert reason["reason"] == caught.value.text and "bad.csv" in reason["reason"]
    assert (reason_file.parent / "bad.csv").read_text() == text
    assert Lake(settings.lake).editions() == [before]


def test_a_changed_parser_reads_the_archived_bytes_again(
    tmp_path: Path, settings: Settings, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_files(settings, source, [write(tmp_path / "t.csv", GOOD)], published_on=date(2025, 3, 1))

    def better(files: Sequence[SourceFile]) -> Parsed:
        parsed = parse(files)
        parsed.published_on = date(2025, 2, 1)
        return parsed

    monkeypatch.setattr(Source, "parse", property(lambda self: better))
    (source.folder / "parse.py").write_text("# another reading\n")
    (record,) = load_all(settings, source)
    assert record.published_on == "2025-02-01"
    assert Lake(settings.lake).editions() == [record]


def test_a_table_that_the_source_does_not_name_is_an_error(
    tmp_path: Path, settings: Settings, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Source, "parse", property(lambda self: lambda files: Parsed({"deal": pl.DataFrame()}, 0)))
    with pytest.raises(SourceError, match="yields deal"):
        load_files(settings, source, [write(tmp_path / "t.csv", GOOD)])


@pytest.mark.parametrize("damage", ["gone", "changed"])
@pytest.mark.parametrize("with_archive", [True, False])
def test_a_damaged_file_of_the_lake_is_made_again(
    tmp_path: Path, settings: Settings, source: Source, damage: str, with_archive: bool
) -> None:
    record = load_files(settings, source, [write(tmp_path / "t.csv", GOOD)], published_on=date(2025, 3, 1))
    path = settings.lake / record.tables[0].file
    whole = path.read_bytes()
    if with_archive:
        load_all(settings, source)
        assert path.read_bytes() == whole
    else:
        for kept in settings.archive.rglob("*"):
            if kept.is_file():
                kept.unlink()
        # The lake is whole: the bytes that it was read from are not asked for.
        load_all(settings, source)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    if with_archive:
        load_all(settings, source)
        assert path.read_bytes() == whole
    else:
        with pytest.raises(LakeError, match="the archive holds no bytes"):
            load_all(settings, source)


def latest_id(settings: Settings) -> str:
    frame = workfile.edition_frame(Lake(settings.lake).editions())
    return str(frame.filter(pl.col("is_latest"))["edition_id"].item())


@pytest.mark.parametrize("years", [-11, 70])
def test_a_clock_that_jumps_neither_loses_nor_hides_what_is_loaded(
    tmp_path: Path, settings: Settings, source: Source, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    first = load_files(settings, source, [write(tmp_path / "t.csv", GOOD)])
    day = date.fromisoformat(first.published_on)
    jumped = datetime(day.year + years, 1, 1, tzinfo=UTC)
    for module in (load, archive):
        monkeypatch.setattr(module, "datetime", type("Clock", (datetime,), {"now": lambda tz: jumped}))
    second = load_files(settings, source, [write(tmp_path / "t.csv", GOOD.replace("1.5", "1.75"))])
    assert latest_id(settings) == second.edition_id
    monkeypatch.undo()
    monkeypatch.setattr(Source, "parse", property(lambda self: parse))
    third = load_files(settings, source, [write(tmp_path / "t.csv", GOOD.replace("1.5", "1.875"))])
    days = [record.published_on for record in (first, second, third)]
    assert days == sorted(days)
    assert third.edition_id not in {first.edition_id, second.edition_id}
    assert any(warning.startswith("clock: ") for record in (second, third) for warning in record.warnings)
    # Loaded again, each keeps its day.
    for record in (first, second, third):
        files = [archive.Archive(settings.archive).get(source.code, record.files[0]["sha256"])]
        assert load.load_archived(settings, source, files, force=True).published_on == record.published_on
    assert latest_id(settings) == third.edition_id
    # A day that is stated puts right what the clock had said.
    files = [archive.Archive(settings.archive).get(source.code, third.files[0]["sha256"])]
    redated = load.load_archived(settings, source, files, published_on=day)
    assert redated.published_on == day.isoformat()
    assert datetime.fromisoformat(redated.ingested_at) <= datetime.now(UTC)
    assert Lake(settings.lake).edition(source.code, third.edition_id) == (redated if years < 0 else None)


def test_every_row_of_a_file_is_accounted_for(tmp_path: Path, settings: Settings, source: Source) -> None:
    """Rows parsed = rows in the lake + rows quarantined + rows dropped by a named rule; a lost row is noticed."""
    text = GOOD + "JPN,1.5\nXQZ,3\nDEU,4\nDEU,5\n"
    record = load_files(settings, source, [write(tmp_path / "t.csv", text)], published_on=date(2025, 3, 1))
    [account] = record.accounts
    assert (account.rows_parsed, account.rows_quarantined, account.rows_dropped, record.row_count) == (6, 4, 0, 2)
    assert Lake(settings.lake).edition(source.code, record.edition_id) == record

    def unexpected() -> dict[str, int | None]:
        workfile.prepare(settings)
        with duckdb.connect(str(settings.work_file)) as connection:
            connection.execute("insert into lake.source by name select ? as source_code", [source.code])
        found = run_checks(settings, "lake", tables=["rnd_observation"])
        return {r.check_id: r.unexpected_count for r in found if r.check_id.endswith("_conserved")}

    names = [f"rnd_observation__{kind}_conserved" for kind in ("edition", "file", "quarantine")]
    assert unexpected() == dict.fromkeys(names, 0)
    path = settings.lake / record.tables[0].file
    pl.read_parquet(path).head(1).write_parquet(path)
    assert unexpected() == {names[0]: 1, names[1]: 1, names[2]: 0}
    held = settings.lake / str(record.quarantine_file)
    pl.read_parquet(held).head(1).write_parquet(held)
    assert unexpected()[names[2]] == 1


@pytest.mark.parametrize("batches", [1, 2])
def test_repeats_and_corrections_are_dropped_by_a_named_rule(settings: Settings, batches: int) -> None:
    row = {"entity_code": "JPN", "file_sha256": "a" * 64}
    other = row | {"file_sha256": "b" * 64}
    parsed = synthetic_rows("rnd_observation", row, row, row | {"entity_code": "USA"}, other)
    store = Lake(settings.lake)
    edition = Edition(
        "x", "2025-01-01.00000000", "all", "2025-01-01", "2025-01-01T00:00:00+00:00", False, "f" * 64, ()
    )
    with Intake(store, edition) as intake:
        for at in range(0, 4, 4 // batches):
            part = parsed.slice(at, 4 // batches)
            intake.add("rnd_observation", part.filter(pl.col("entity_code") == "JPN"), part)
        record = store.publish(edition, intake.finish())
    accounts = {entry.file_sha256[0]: entry for entry in record.accounts}
    # Of the first file one repeat and one row of a correction went; the rest of both files share a key and differ.
    assert (accounts["a"].rows_parsed, accounts["a"].rows_quarantined, accounts["a"].rows_dropped) == (3, 1, 2)
    assert (accounts["b"].rows_parsed, accounts["b"].rows_quarantined, accounts["b"].rows_dropped) == (1, 1, 0)
