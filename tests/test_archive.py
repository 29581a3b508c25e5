from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from ingest.archive import Archive, clear_leftovers, sha256_of
from ingest.errors import LakeError
from tests.factories import synthetic_source


def test_bytes_are_kept_untouched_under_their_hash(tmp_path: Path) -> None:
    source = synthetic_source(tmp_path / "sources")
    file = tmp_path / "table.csv"
    file.write_bytes(b"a,b\n1,\xff\n")
    archived, is_new = Archive(tmp_path / "archive").put(
        source, file, url="https://publisher.example/table.csv", published_on=date(2026, 1, 2)
    )
    assert is_new
    assert archived.path.name == archived.sha256 == sha256_of(file)
    assert archived.path.read_bytes() == file.read_bytes()
    sidecar = json.loads(archived.path.with_suffix(".json").read_text())
    assert sidecar["url"] == "https://publisher.example/table.csv"
    assert sidecar["published_on"] == "2026-01-02"
    assert sidecar["licence"] == "CC BY 4.0"


def test_an_unchanged_pull_makes_no_new_entry_and_keeps_the_first_sidecar(tmp_path: Path) -> None:
    source = synthetic_source(tmp_path / "sources")
    archive = Archive(tmp_path / "archive")
    file = tmp_path / "table.csv"
    file.write_text("a\n1\n")
    first, _ = archive.put(source, file)
    again, is_new = archive.put(source, file)
    assert not is_new
    assert again.fetched_at == first.fetched_at
    assert len(list((tmp_path / "archive").rglob("*.json"))) == 1


def test_an_interrupted_put_is_repeated(tmp_path: Path) -> None:
    source = synthetic_source(tmp_path / "sources")
    archive = Archive(tmp_path / "archive")
    file = tmp_path / "table.csv"
    file.write_text("a\n1\n")
    stored, _ = archive.put(source, file)
    stored.path.with_suffix(".json").unlink()
    _, is_new = archive.put(source, file)
    assert is_new


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    source = synthetic_source(tmp_path / "sources")
    archive = Archive(tmp_path / "archive")
    file = tmp_path / "table.csv"
    file.write_text("a\n1\n")
    stored, _ = archive.put(source, file)
    stored.path.chmod(0o644)
    stored.path.write_text("a\n2\n")
    with pytest.raises(LakeError, match="no longer have the hash"):
        archive.get(source.code, stored.sha256)


def test_absent_bytes_are_named(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="holds no bytes"):
        Archive(tmp_path).get("synthetic_source", "0" * 64)


def test_temporary_files_of_dead_processes_are_cleared(tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = tmp_path / "lake" / "a" / f".x.parquet.{int(dead.stdout)}.tmp"
    kept = [
        left.with_name(f".x.parquet.{os.getpid()}.tmp"),
        left.with_name("x.parquet"),
        left.with_name(".other.tmp"),
    ]
    left.parent.mkdir(parents=True)
    for path in (left, *kept):
        path.write_bytes(b"half")
    assert clear_leftovers(tmp_path / "lake", tmp_path / "not there") == [left]
    assert all(path.exists() for path in kept)
