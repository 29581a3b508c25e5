"""The doctor names what is wrong with an installation, with a remedy, and leaves the installation as it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.lake import Lake
from ingest.remote import Remote
from ingest.settings import Settings
from orchestration import doctor, remote
from orchestration.lock import exclusive
from tests.orchestration.conftest import Outcome, holding


def about(findings: list[doctor.Finding], subject: str) -> doctor.Finding:
    """The first finding on a subject."""
    return next(finding for finding in findings if finding.subject == subject)


def test_sound_installation(small: Settings, biopharma: Callable[..., Outcome]) -> None:
    before = sorted(path for path in small.home.rglob("*"))
    outcome = biopharma(small, "doctor")
    assert outcome.code == 0, outcome.out
    assert "0 wrong" in outcome.out
    assert "is current and is what its manifest says" in outcome.out
    assert sorted(path for path in small.home.rglob("*")) == before


def test_empty_installation(settings: Settings) -> None:
    findings = doctor.examine(settings)
    assert about(findings, "release") == doctor.Finding(
        "wrong", "release", "there is no current release", "biopharma run"
    )
    assert about(findings, "home").level == "fine"
    assert not settings.home.exists()


def test_what_is_broken_is_named_with_its_remedy(small: Settings) -> None:
    edition = next(edition for edition in Lake(small.lake).editions() if edition.tables)
    (small.lake / edition.tables[0].file).unlink()
    database = next(small.current.resolve().glob("*.duckdb"))
    database.chmod(0o644)
    database.write_bytes(database.read_bytes()[:-1])
    state = small.work / "state.json"
    state.write_text(state.read_text().replace('"marts"', '"other"'))
    findings = doctor.examine(replace(small, memory_limit="much"))
    for subject, level, told, remedy in (
        ("lake", "wrong", edition.source_code, "biopharma run --force"),
        ("release", "wrong", "was changed", "biopharma rollback"),
        ("work file", "note", "did not pass marts", "biopharma run"),
        ("memory", "wrong", "'much'", "4GB"),
    ):
        found = about(findings, subject)
        assert found.level == level, found
        assert told in found.told
        assert remedy in found.remedy


def test_locks_are_shown_with_their_holder(settings: Settings) -> None:
    with holding(settings):
        (found,) = [finding for finding in doctor.examine(settings) if finding.subject == "lock"]
    assert "run is held: a run by process" in found.told
    with exclusive(settings, "fetching ecb_fx", name="fetch.ecb_fx"):
        assert "fetch.ecb_fx is held: fetching ecb_fx by process" in about(doctor.examine(settings), "lock").told
    assert about(doctor.examine(settings), "lock").level == "fine"


def test_settings_that_cannot_be_are_the_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOPHARMA_KEEP_DAYS", "some")
    found = doctor.examine()[-1]
    assert (found.level, found.subject) == ("wrong", "settings")
    assert "BIOPHARMA_KEEP_DAYS" in found.told


def test_packages_are_compared_with_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "duckdb==1.0.0 \\\n    --hash=sha256:0\nno-such-package==1 \\\n"
        "other-system==1 ; sys_platform == 'nowhere' \\\n    --hash=sha256:0\n"
    )
    monkeypatch.setattr(doctor, "LOCK_FILE", lock)
    told = [(finding.level, finding.told) for finding in doctor._packages()]
    assert told[0] == ("wrong", "not installed: no-such-package")
    assert told[1][1].startswith("another version than the locked one: duckdb 2.")


def test_a_postgres_that_does_not_answer_is_named_without_its_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIOPHARMA_DAGSTER_POSTGRES", "postgresql://u:s3cret@127.0.0.1:1/dagster")
    found = about(doctor.examine(settings), "dagster")
    assert found.level == "wrong"
    assert "s3cret" not in found.told


def test_a_full_disk_and_a_home_without_rights(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())

    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refuse)
    findings = doctor.examine(settings)
    assert about(findings, "disk").level == "wrong"
    assert "cannot be written (Permission denied)" in about(findings, "home").told


def test_the_place_is_looked_at(small: Settings, tmp_path: Path) -> None:
    assert about(doctor.examine(small), "remote").level == "fine"
    here = replace(small, remote=(tmp_path / "place").as_uri())
    empty = about(doctor.examine(here), "remote")
    assert (empty.level, "none yet" in empty.told) == ("note", True)
    assert not (tmp_path / "place").exists()
    place = Remote.of(here)
    remote.push(here, place)
    assert about(doctor.examine(here), "remote").told == f"{place.url} answers; its current release is 0001"
    place.write("current.json", json.dumps({"release_id": "0002", "manifest_sha256": "other"}).encode())
    other = about(doctor.examine(here), "remote")
    assert (other.level, other.remedy) == ("note", "biopharma run brings both to one line.")
    assert "its current release is 0002, and 0001 is current here" in other.told
    away = replace(small, remote=(small.home / "run.lock" / "place").as_uri())
    (small.home / "run.lock").touch()
    found = about(doctor.examine(away), "remote")
    assert (found.level, "cannot be used" in found.told) == ("wrong", True)
