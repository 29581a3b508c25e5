"""A release is made whole or not at all: faults and kills at every step, damage, missing descriptions."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ingest import workfile
from ingest.settings import Settings
from orchestration import pipeline, reader, release
from orchestration.errors import ReleaseError
from tests.orchestration.conftest import python

STEPS = ("begun", "tables", "catalog", "parquet", "documents", "manifest", "verified", "renamed")


def change_work_file(settings: Settings, statement: str) -> None:
    connection = workfile.connect(settings.work_file, settings)
    connection.execute(statement)
    connection.close()


def assert_whole(settings: Settings, release_id: str) -> None:
    assert settings.current.readlink() == Path(f"releases/{release_id}")
    release.verify(settings.current.resolve())


def test_fault_at_any_step_leaves_the_current_release_whole(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []

    def fail_at(step: str) -> Callable[..., None]:
        def reached(at: str, progress: object) -> None:
            passed.append(at)
            if at == step:
                raise OSError(28, "No space left on device")

        return reached

    for step in STEPS:
        monkeypatch.setattr(release, "_reached", fail_at(step))
        with pytest.raises(OSError, match="No space left"):
            pipeline.publish(small, force=True)
        assert passed[-1] == step
        assert_whole(small, "0001")
        assert not list(small.releases.glob(".*")), f"a leftover after {step}"
    monkeypatch.undo()
    made, _ = pipeline.publish(small)
    assert_whole(small, made.release_id)


@pytest.mark.parametrize("step", ["catalog", "verified", "renamed", "switched"])
def test_kill_at_a_step_leaves_a_whole_release_and_the_next_run_goes_on(small: Settings, step: str) -> None:
    code = (
        "import os; from ingest.settings import Settings; from orchestration import pipeline, release\n"
        f"release._reached = lambda at, progress: os._exit(9) if at == {step!r} else None\n"
        "pipeline.publish(Settings.from_env(), force=True)"
    )
    assert python(code, small, check=False).returncode == 9
    assert_whole(small, "0002" if step == "switched" else "0001")
    made, is_new = pipeline.publish(small)
    # Nothing has changed: what stands for the inputs is switched to, also where the kill came just before that.
    assert (made.release_id, is_new) == ("0002" if step in {"renamed", "switched"} else "0001", False)
    assert_whole(small, made.release_id)


def test_facts_of_large_tables_are_the_files_of_the_lake(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    question = "select * from facts.rnd_observation order by all"

    def ask(query: str) -> list[tuple[object, ...]]:
        with reader.open_release(reader.current_dir(small)) as connection:
            return connection.execute(query).fetchall()

    copied, count = ask(question), len(ask(question))
    monkeypatch.setattr(release, "LARGE_ROWS", count - 1)
    made, _ = pipeline.publish(small, force=True)
    assert_whole(small, made.release_id)
    files = sorted((made.path / reader.FACTS / "rnd_observation").iterdir())
    assert {path.stat().st_ino for path in files} <= {path.stat().st_ino for path in small.lake.rglob("*.parquet")}
    assert ask(question) == copied
    assert ask("select view_name, comment is not null from duckdb_views() where not internal") == [
        ("rnd_observation", True)
    ]
    listed = "select row_count from catalog.tables where schema_name = 'facts' and table_name = 'rnd_observation'"
    assert ask(listed) == [(count,)]
    # Everything else on the disk stays out of reach, and the lake may lose what the release holds.
    other = next(path for path in small.lake.rglob("*.parquet") if path.stat().st_nlink == 1)
    with pytest.raises(duckdb.PermissionException):
        ask(f"select * from '{other}'")
    for path in small.lake.glob("rnd_observation/**/*.parquet"):
        path.unlink()
    assert ask(question) == copied


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_verify_names_damage(small: Settings, damage: str) -> None:
    directory = small.current.resolve()
    path = directory / "parquet" / "mart_rnd_level.parquet"
    match damage:
        case "changed":
            path.chmod(0o644)
            with path.open("r+b") as stream:
                stream.seek(10)
                stream.write(b"\0\1\2")
        case "missing":
            path.unlink()
        case "added":
            path = directory / "parquet" / "other.parquet"
            path.write_bytes(b"")
    with pytest.raises(ReleaseError, match=path.name):
        release.verify(directory)


def test_verify_refuses_a_truncated_database(small: Settings) -> None:
    path = small.current.resolve() / reader.DATABASE
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ReleaseError, match=r"warehouse\.duckdb was changed"):
        release.verify(path.parent)


def test_verify_refuses_a_release_without_manifest(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="manifest"):
        release.verify(tmp_path)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("comment on column marts.mart_rnd_level.definition_ids is null", "marts.mart_rnd_level.definition_ids"),
        ("comment on table marts.mart_rnd_level is null", "marts.mart_rnd_level"),
    ],
)
def test_undescribed_mart_is_refused(small: Settings, statement: str, named: str) -> None:
    change_work_file(small, statement)
    with pytest.raises(ReleaseError, match=named):
        pipeline.publish(small, force=True)
    assert_whole(small, "0001")


def test_work_file_of_another_build_is_refused(small: Settings) -> None:
    change_work_file(small, "update run.build set build_id = 'other'")
    with pytest.raises(ReleaseError, match="another run"):
        pipeline.publish(small, force=True)
    assert_whole(small, "0001")


def test_notes_tell_what_was_revised(small: Settings) -> None:
    change_work_file(
        small, "update marts.mart_policy_claim_check set finding_en = 'Revised.' where display_order = 1"
    )
    made, _ = pipeline.publish(small, force=True)
    notes = (made.path / release.NOTES).read_text()
    assert "`mart_policy_claim_check`: 0 rows added, 0 rows removed, 1 row changed." in notes
    assert "`mart_rnd_level`" not in notes.split("## Revised data")[1].split("## Expanded coverage")[0]
    assert made.manifest["previous_release_id"] == "0001"


def test_leftover_of_a_killed_run_is_cleared(small: Settings) -> None:
    leftover = small.releases / ".0002.tmp-999999"
    leftover.mkdir()
    (leftover / "warehouse.duckdb").write_bytes(b"half")
    assert pipeline.publish(small, force=True)[0].release_id == "0002"
    assert not leftover.exists()


def test_reader_says_when_there_is_no_release(settings: Settings) -> None:
    with pytest.raises(ReleaseError, match="no release yet"):
        reader.current_dir(settings)


def test_reader_says_when_the_current_release_is_gone(settings: Settings) -> None:
    settings.home.mkdir()
    settings.current.symlink_to("releases/0009")
    with pytest.raises(ReleaseError, match="gone"):
        reader.current_dir(settings)
    with pytest.raises(ReleaseError, match="no release 7"):
        reader.release_dir(settings, "7")
