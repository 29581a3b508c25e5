"""Archive, lake and releases on S3, played by moto's server on loopback; and on another folder of this disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest import remote as lake_remote
from ingest.archive import Archive
from ingest.errors import LakeError
from ingest.lake import Lake
from ingest.remote import Remote, RemoteError
from ingest.settings import PROJECT_ROOT, Settings
from ingest.source import get
from orchestration import pipeline, release, remote
from tests.orchestration.conftest import Outcome
from tests.s3 import empty_place, server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Address of an S3 server on loopback."""
    with server() as address:
        yield address


@pytest.fixture(params=["s3", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A remote place with nothing in it."""
    if request.param == "disk":
        return Remote((tmp_path / "far").as_uri())
    bucket = f"warehouse-{abs(hash(request.node.name)) % 10**8}"
    return empty_place(request.getfixturevalue("s3"), monkeypatch, bucket)


@pytest.fixture
def little(small: Settings) -> Settings:
    """An installation whose lake holds three sources, so that it can be copied often."""
    for edition in Lake(small.lake).editions():
        if edition.source_code not in {"oecd_anberd", "cdmo_facts", "policy_claims"}:
            Lake(small.lake).withdraw(edition)
    assert len(Lake(small.lake).editions()) >= 3
    return small


@pytest.fixture
def elsewhere(small: Settings, tmp_path: Path) -> Settings:
    """Another machine's installation with nothing in it."""
    return replace(small, home=tmp_path / "elsewhere")


def test_lake_and_archive_arrive_elsewhere(
    little: Settings, elsewhere: Settings, place: Remote, tmp_path: Path
) -> None:
    own = tmp_path / "rates.csv"
    own.write_text("Date,USD\n", encoding="utf-8")
    archived, _ = Archive(little.archive).put(get("ecb_fx"), own)
    first = remote.push(little, place)
    assert first.files > 3
    assert remote.push(little, place).files == 0, "nothing has changed"

    assert remote.pull(elsewhere, place).files > 2
    assert Lake(elsewhere.lake).editions() == Lake(little.lake).editions()
    assert all(Lake(elsewhere.lake).holds(edition) for edition in Lake(elsewhere.lake).editions())
    assert Archive(elsewhere.archive).get("ecb_fx", archived.sha256).path.read_bytes() == own.read_bytes()
    assert remote.pull(elsewhere, place).files == 0


def test_a_release_is_read_elsewhere(little: Settings, place: Remote, tmp_path: Path) -> None:
    remote.push(little, place)
    mine = release.current(little)
    assert mine is not None
    there = remote.current(place)
    assert there is not None
    assert there.release_id == mine.release_id

    directory = remote.pull_release(place, tmp_path / "readers")
    release.verify(directory)
    connection = duckdb.connect(str(directory / "warehouse.duckdb"), read_only=True)
    try:
        assert connection.execute("select release_id from catalog.release").fetchall() == [(mine.release_id,)]
    finally:
        connection.close()
    assert remote.pull_release(place, tmp_path / "readers") == directory


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_release_is_asked_where_it_lies(little: Settings, place: Remote, biopharma: Callable[..., Outcome]) -> None:
    """Without a copy, as closed off as a release on this disk; who has opened one goes on reading it."""
    remote.push(little, place)
    with remote.open_release(place) as old:
        assert old.execute("select count(*) > 0 from mart_rnd_level").fetchall() == [(True,)]
        for forbidden in (
            f"select * from '{little.releases}/0001/parquet/mart_rnd_level.parquet'",
            f"attach '{little.home}/other.duckdb'",
            "create table marts.mine as select 1",
            "set enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                old.execute(forbidden)
        # The recipe of the documentation, which needs nothing of this package.
        text = (PROJECT_ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
        recipe = text.split("```python\n")[1].split("```")[0]
        told: dict[str, Any] = {}
        exec(recipe.replace("bucket/biopharma", place.url.removeprefix("s3://")), told)
        assert told["connection"].execute("select count(*) > 0 from mart_rnd_level").fetchall() == [(True,)]
        told["connection"].close()
        pipeline.publish(little, force=True)
        remote.push(little, place)
        said = biopharma(
            little, "query", "select release_id from catalog.release", "--from", place.url, "--format", "csv"
        )
        assert (said.code, said.out.split()) == (0, ["release_id", "0002"])
        assert old.execute("select release_id from catalog.release").fetchall() == [("0001",)]
    with remote.open_release(place, "1") as first:
        assert first.execute("select release_id from catalog.release").fetchall() == [("0001",)]
    refused = biopharma(little, "query", "select 1", "--from", place.url, "--release", "9")
    assert refused.code == 1
    assert "there is no release 9" in refused.err
    refused = biopharma(little, "query", "select 1", "--from", place.url + "-nothing")
    assert refused.code == 1
    assert "there is no release" in refused.err


@pytest.mark.parametrize("place", ["disk"], indirect=True)
def test_the_line_of_releases_goes_on_elsewhere(little: Settings, elsewhere: Settings, place: Remote) -> None:
    """Machines take turns: what is published next is numbered after what was pulled, and pushed from there."""
    remote.push(little, place)
    remote.pull(elsewhere, place)
    taken = release.current(elsewhere)
    assert taken is not None and taken.release_id == "0001"
    release.verify(taken.path)
    assert remote.pull(elsewhere, place).files == 0

    shutil.copytree(little.work, elsewhere.work)
    made, is_new = pipeline.publish(elsewhere, force=True)
    assert (made.release_id, is_new, made.manifest["previous_release_id"]) == ("0002", True, "0001")
    remote.push(elsewhere, place)
    there = remote.current(place)
    assert there is not None and there.release_id == "0002"
    remote.pull(little, place)
    current = release.current(little)
    assert current is not None and current.release_id == "0002"

    # Two machines that run at once fork the line: the second is told, on either side.
    pipeline.publish(little, force=True)
    remote.push(little, place)
    pipeline.publish(elsewhere, force=True)
    with pytest.raises(RemoteError, match="another release has the number 0003 there"):
        remote.push(elsewhere, place)
    with pytest.raises(RemoteError, match="another release has the number 0003 here"):
        remote.pull(elsewhere, place)
    remote.pull(elsewhere, place, with_release=False)


def test_a_push_that_dies_leaves_nothing_that_counts(
    little: Settings, elsewhere: Settings, place: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the connection breaks: what is there is complete or does not count, and a second push ends it."""
    put = Remote.put
    total = remote.push(little, Remote(place.url + "-whole")).files
    for at in range(0, total, max(1, total // 8)):
        count = 0

        def breaking(self: Remote, path: Path, name: str, at: int = at) -> int:
            nonlocal count
            if count == at:
                raise RemoteError("the connection broke", remedy="Push again.")
            count += 1
            return put(self, path, name)

        broken = Remote(f"{place.url}-{at}")
        monkeypatch.setattr(Remote, "put", breaking)
        with pytest.raises(RemoteError, match="the connection broke"):
            remote.push(little, broken)
        monkeypatch.setattr(Remote, "put", put)
        here = replace(elsewhere, home=elsewhere.home.with_name(f"elsewhere-{at}"))
        remote.pull(here, broken)
        assert all(Lake(here.lake).holds(edition) for edition in Lake(here.lake).editions())
        if remote.current(broken) is not None:
            release.verify(remote.pull_release(broken, here.home / "readers"))
        remote.push(little, broken)
        assert remote.pull_release(broken, here.home / "again").is_dir()


def test_damage_there_is_noticed_and_nothing_is_taken(little: Settings, elsewhere: Settings, place: Remote) -> None:
    remote.push(little, place)
    edition = next(edition for edition in Lake(little.lake).editions() if edition.tables)
    name = f"lake/{edition.tables[0].file}"
    other = elsewhere.home.with_name("other.parquet")
    other.write_bytes(b"PAR1 of somebody else")
    place.put(other, name)
    with pytest.raises(RemoteError, match="has not the hash that its manifest says"):
        remote.pull(elsewhere, place)
    assert edition.edition_id not in {e.edition_id for e in Lake(elsewhere.lake).editions()}


def test_damage_here_is_not_pushed(little: Settings, place: Remote) -> None:
    edition = next(edition for edition in Lake(little.lake).editions() if edition.tables)
    path = little.lake / edition.tables[0].file
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(LakeError, match="gone or damaged"):
        remote.push(little, place)


def test_a_name_that_leads_out_of_the_folder_is_refused(little: Settings, place: Remote, tmp_path: Path) -> None:
    remote.push(little, place)
    there = remote.current(place)
    assert there is not None
    evil = tmp_path / "current.json"
    evil.write_text(json.dumps({"release_id": "../outside", "manifest_sha256": there.manifest_sha256}))
    place.put(evil, "current.json")
    with pytest.raises(RemoteError, match="outside of its folder"):
        remote.pull_release(place, tmp_path / "readers")
    with pytest.raises(RemoteError, match="outside of its folder"):
        lake_remote.inside(tmp_path, "/etc/passwd")


def test_a_place_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIOPHARMA_REMOTE", raising=False)
    with pytest.raises(RemoteError, match="no remote place is named"):
        Remote.from_env()
    with pytest.raises(RemoteError, match="no address that can be written to"):
        Remote("nonsense://bucket/folder")
