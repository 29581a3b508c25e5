from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ingest import edition, lake
from ingest.archive import sha256_of
from ingest.edition import CompiledPart, compile_edition
from ingest.errors import IngestError, SourceError
from ingest.lake import Lake
from ingest.load import load_bundled
from ingest.settings import Settings
from ingest.source import Parsed, Source, SourceFile, discover
from tests.factories import synthetic_rows, synthetic_source

CURATED = sorted(code for code, source in discover().items() if source.spec.kind == "curated")
OWN = list(lake.contract("rnd_observation").own_columns)


def compiled(tmp_path: Path, *changes: dict[str, object], **options: str) -> tuple[Source, dict[str, int]]:
    source = synthetic_source(tmp_path / "sources", **options)
    file = tmp_path / "table.csv"
    file.write_text("synthetic bytes")
    in_hand = SourceFile(path=file, name=file.name, sha256=sha256_of(file))
    rows = (
        synthetic_rows("rnd_observation", *changes)
        .select(*OWN, "locator", "status", "note")
        .with_columns(file_sha256=pl.lit(in_hand.sha256))
    )
    part = CompiledPart([in_hand], Parsed({"rnd_observation": rows}, rows.height), date(2024, 5, 1), date(2026, 1, 1))
    counts = compile_edition(source, [part], source.edition_dir)
    return source, counts


@pytest.fixture(autouse=True)
def _no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Source, "trim", property(lambda self: lambda tables: tables))


def test_compiling_and_loading_gives_the_rows_back(tmp_path: Path, settings: Settings) -> None:
    source, counts = compiled(
        tmp_path,
        {"entity_code": "JPN", "value": 13486.123456789, "locator": "row 2"},
        {"entity_code": "USA", "value": None, "locator": "row 3", "note": 'says "no", twice'},
    )
    assert counts == {"rnd_observation": 2}
    (record,) = load_bundled(settings, source)
    rows = pl.read_parquet(settings.lake / record.tables[0].file).sort("entity_code")
    assert rows["value"].to_list() == [13486.123456789, None]
    assert rows["note"].to_list()[1] == 'says "no", twice'
    assert rows["locator"].to_list() == ["row 2", "row 3"]
    assert rows["file_sha256"].unique().to_list() == [sha256_of(tmp_path / "table.csv")]
    assert rows["published_on"].unique().to_list() == [date(2024, 5, 1)]
    assert record.is_bundled and record.edition_id.endswith("+bundled")


def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    changes = ({"entity_code": "JPN"}, {"entity_code": "USA"})
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, _ = compiled(tmp_path / "one", *changes)
    second, _ = compiled(tmp_path / "two", *reversed(changes))
    for name in ("edition.yml", "rnd_observation.csv"):
        assert (first.edition_dir / name).read_bytes() == (second.edition_dir / name).read_bytes()


def test_an_unchanged_share_is_not_written_again(tmp_path: Path, settings: Settings) -> None:
    source, _ = compiled(tmp_path)
    (record,) = load_bundled(settings, source)
    path = settings.lake / record.tables[0].file
    before = path.stat().st_mtime_ns
    load_bundled(settings, source)
    assert path.stat().st_mtime_ns == before
    load_bundled(settings, source, force=True)
    assert path.stat().st_mtime_ns > before
    assert len(Lake(settings.lake).editions()) == 1


def test_a_licence_that_forbids_it_stops_compilation(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="forbids redistribution"):
        compiled(tmp_path, redistribution="never")


def test_rejected_rows_stop_compilation(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="rows were rejected"):
        compiled(tmp_path, {"status": "nonsense"})


def test_a_row_that_refers_to_an_unlisted_file_is_an_error(tmp_path: Path, settings: Settings) -> None:
    source, _ = compiled(tmp_path)
    path = source.edition_dir / "rnd_observation.csv"
    pl.read_csv(path, infer_schema=False).with_columns(file=pl.lit("f9")).write_csv(path)
    with pytest.raises(SourceError, match=r"edition\.yml does not list"):
        load_bundled(settings, source)


def test_a_value_of_another_type_is_an_error(tmp_path: Path, settings: Settings) -> None:
    source, _ = compiled(tmp_path, {"entity_code": "JPN", "value": 1.5}, {"entity_code": "USA", "value": 2.5})
    path = source.edition_dir / "rnd_observation.csv"
    path.write_text(path.read_text().replace("2.5", "two and a half"))
    with pytest.raises(IngestError, match="column value holds a value that is no float64"):
        load_bundled(settings, source)


@pytest.mark.parametrize("code", sorted(discover()))
def test_every_bundled_share_loads_without_a_rejected_row(code: str, settings: Settings) -> None:
    source = discover()[code]
    if not source.has_bundled_edition:
        assert source.spec.licence.redistribution == "never" or source.spec.caveats, "say why there is none"
        return
    assert source.spec.licence.redistribution != "never"
    records = load_bundled(settings, source)
    assert records and all(record.row_count > 0 for record in records)
    rejected = [pl.read_parquet(path) for path in Lake(settings.lake).quarantine_files()]
    assert not rejected, rejected[0].head(3).to_dicts()


def test_the_bundled_edition_is_small_enough_to_review() -> None:
    size = sum(path.stat().st_size for s in discover().values() for path in s.edition_dir.glob("*"))
    assert size < 5_000_000


@pytest.mark.parametrize("code", CURATED)
def test_curated_rows_name_their_document(code: str) -> None:
    source = discover()[code]
    for part in edition.read(source):
        for frame in part.tables.values():
            assert frame["document_url"].null_count() == 0
            assert frame["published_on"].null_count() == 0
            assert (frame["document_url"].str.starts_with("http")).all()
