"""What was refused is listed with its reason, and taken once it can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import load, quarantine
from ingest.errors import IngestError, LakeError, SourceError
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.source import Source, get


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def source() -> Source:
    return get("mhlw_ndb")


def refused(settings: Settings, source: Source, path: Path) -> quarantine.Held:
    with pytest.raises(IngestError):
        load.load_files(settings, source, [path])
    [held] = quarantine.files(settings, source.code)
    return held


def test_a_refused_file_is_listed_and_stays_until_it_can_be_read(
    settings: Settings, source: Source, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    path = tmp_path / "ndb_p_2018.xlsx"
    path.write_bytes(b"<html><body>Service unavailable</body></html>")
    held = refused(settings, source, path)
    assert held.names == ("ndb_p_2018.xlsx",)
    assert "HTML" in held.reason
    [outcome] = quarantine.replay(settings)
    assert outcome.error is not None
    assert [found.quarantine_id for found in quarantine.files(settings)] == [held.quarantine_id]
    assert quarantine.files(settings, "ecb_fx") == []
    # The publisher's real file in its place is what a corrected file looks like.
    (held.folder / "ndb_p_2018.xlsx").write_bytes(shared_data("mhlw_ndb/ndb_p_2018.xlsx").read_bytes())
    [outcome] = quarantine.replay(settings, "mhlw_ndb")
    assert (outcome.error, outcome.row_count > 1000) == (None, True)
    assert quarantine.files(settings) == []
    assert [edition.partition for edition in Lake(settings.lake).editions()] == ["FY2018"]


def test_discard(settings: Settings, source: Source, tmp_path: Path) -> None:
    path = tmp_path / "ndb_p_2018.xlsx"
    path.write_bytes(b"")
    held = refused(settings, source, path)
    with pytest.raises(SourceError, match="nothing/here"):
        quarantine.discard(settings, "nothing/here")
    quarantine.discard(settings, held.quarantine_id)
    assert quarantine.files(settings) == []


def test_a_damaged_record_is_named(settings: Settings, source: Source, tmp_path: Path) -> None:
    path = tmp_path / "ndb_p_2018.xlsx"
    path.write_bytes(b"")
    held = refused(settings, source, path)
    (held.folder / "reason.json").write_text("{")
    with pytest.raises(LakeError, match=r"reason\.json"):
        quarantine.files(settings)


def test_no_rows_without_editions(settings: Settings) -> None:
    assert quarantine.rows(settings).is_empty()
