"""Archive, lake and releases on S3, played by moto's server on loopback; and on another folder of this disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from ingest import remote as lake_remote
from ingest.archive import Archive
from ingest.errors import GateError, LakeError, RemoteError, UnreachableError
from ingest.lake import REJECTED_SCHEMA, Edition, Lake
from ingest.remote import Remote, Transfer
from ingest.settings import PROJECT_ROOT, Settings
from ingest.source import get
from orchestration import cadence, doctor, fingerprint, inbox, pipeline, release, remote, retention
from orchestration.defs import keys
from orchestration.defs.job import rebuild_sensor
from orchestration.defs.release import remote_asset
from orchestration.defs.resources import warehouse_resource
from orchestration.errors import ReleaseError
from orchestration.progress import silent
from tests.conftest import shared_file
from tests.orchestration.conftest import Outcome
from tests.revised import revise
from tests.s3 import empty_place, little_release, racing, server


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
    # Its release stands for what is left, so that a run has nothing to build.
    path = small.current / release.MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.chmod(0o644)
    now = fingerprint.of_inputs(small)
    path.write_text(json.dumps({**manifest, "fingerprint": now}), encoding="utf-8")
    pipeline._write_state(small, replace(pipeline.require_state(small), fingerprint=now))
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

    assert remote.pull(elsewhere, place).brought.files > 2
    assert Lake(elsewhere.lake).editions() == Lake(little.lake).editions()
    assert all(Lake(elsewhere.lake).holds(edition) for edition in Lake(elsewhere.lake).editions())
    assert Archive(elsewhere.archive).get("ecb_fx", archived.sha256).path.read_bytes() == own.read_bytes()
    assert remote.pull(elsewhere, place).brought.files == 0


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
    assert remote.pull(elsewhere, place).brought.files == 0

    shutil.copytree(little.work, elsewhere.work)
    made, is_new = pipeline.publish(elsewhere, force=True)
    assert (made.release_id, is_new, made.manifest["previous_release_id"]) == ("0002", True, "0001")
    remote.push(elsewhere, place)
    there = remote.current(place)
    assert there is not None and there.release_id == "0002"
    remote.pull(little, place)
    current = release.current(little)
    assert current is not None and current.release_id == "0002"


def test_a_push_that_dies_leaves_nothing_that_counts(
    little: Settings, elsewhere: Settings, place: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the connection breaks: what is there is complete or does not count, and a second push ends it."""
    put = Remote.put
    total = remote.push(little, Remote(place.url + "-whole")).files
    points = 3 if place.url.startswith("s3") else 8
    for at in range(0, total, max(1, total // points)):
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


def test_a_place_that_cannot_be_used_is_named(settings: Settings) -> None:
    with pytest.raises(RemoteError, match="no remote place is named"):
        Remote.of(settings)
    # Not even by mistake is a password repeated.
    assert Remote("memory://somebody:secret@host/folder").url == "memory://host/folder"
    with pytest.raises(RemoteError, match="no address that can be written to"):
        Remote("nonsense://bucket/folder")


def at(settings: Settings, place: Remote, home: Path | None = None) -> Settings:
    """An installation of which the place is the home."""
    return replace(settings, remote=place.url, home=home or settings.home)


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_containers_with_an_empty_disk_carry_on(little: Settings, place: Remote, tmp_path: Path) -> None:
    """The first run takes all there; later ones begin with nothing, find nothing changed, and make nothing."""
    first = pipeline.run(at(little, place))
    assert first.elsewhere is not None and first.elsewhere.is_new
    assert (first.release_id, first.is_new_release) == ("0001", False)
    for number in (2, 3):
        here = at(little, place, tmp_path / f"container-{number}")
        report = pipeline.run(here)
        assert (report.release_id, report.is_new_release) == ("0001", False)
        assert report.elsewhere is not None
        assert (report.elsewhere.files, report.elsewhere.is_new) == (0, False)
        assert fingerprint.of_inputs(here) == fingerprint.of_inputs(little)
        release.verify(here.current.resolve())
        assert not cadence.build_due(pipeline.seen(here)).is_due
        assert cadence.build_due(pipeline.seen(here)).fingerprint == fingerprint.of_inputs(here)
    assert remote.published(little.current.resolve()) == remote.current(place)


@pytest.mark.parametrize("place", ["disk"], indirect=True)
def test_what_is_fetched_loaded_or_refused_outlives_its_container(
    little: Settings, place: Remote, tmp_path: Path
) -> None:
    file = shared_file("ecb_fx/eurofxref.csv")
    page = tmp_path / "eurofxref-hist.zip"
    page.write_bytes(b"<html><body>Service not available</body></html>")
    with pytest.raises(GateError):
        pipeline.load_files(at(little, place, tmp_path / "one"), "ecb_fx", [page])
    edition = pipeline.load_files(at(little, place, tmp_path / "two"), "ecb_fx", [file])
    # The inbox of a container whose place is away keeps the file.
    away = tmp_path / "away"
    away.write_text("no folder")
    three = replace(little, home=tmp_path / "three", remote=(away / "place").as_uri())
    dropped = inbox.folder(three) / "ecb_fx" / file.name
    dropped.parent.mkdir(parents=True)
    shutil.copyfile(file, dropped)
    with pytest.raises(UnreachableError):
        inbox.take(three, f"ecb_fx/{file.name}")
    assert dropped.exists()
    assert inbox.take(at(three, place), f"ecb_fx/{file.name}") == edition
    assert not dropped.exists()

    four = at(little, place, tmp_path / "four")
    with pipeline.kept(four):
        assert edition in Lake(four.lake).editions()
        assert Archive(four.archive).find(str(edition.files[0]["sha256"])) is not None
    (held,) = pipeline.refused(four)
    assert held.names == (page.name,) and "HTML" in held.reason
    pipeline.discard(at(little, place, tmp_path / "five"), held.quarantine_id)
    assert place.names("quarantine") == {}


@pytest.mark.parametrize("place", ["disk"], indirect=True)
def test_an_edition_that_newer_rules_withdraw_stays_withdrawn(
    little: Settings, elsewhere: Settings, place: Remote
) -> None:
    """Else each run would find it again, read its bytes again, and make another release."""
    here = at(little, place)
    with pipeline.kept(here):
        pass
    gone = Lake(here.lake).editions()[0]
    there = at(elsewhere, place)
    with pipeline.kept(there):
        Lake(there.lake).withdraw(gone)
    with pipeline.kept(at(elsewhere, place, elsewhere.home / "third")):
        pass
    assert gone not in Lake(elsewhere.home / "third" / "lake").editions()
    # An edition of which this disk has never had a record is nobody's to withdraw.
    assert len(place.names("lake/_editions")) == len(Lake(little.lake).editions()) - 1


def test_a_place_that_is_away_at_the_start_stops_the_run(
    little: Settings, tmp_path: Path, biopharma: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than go on with what is here, and fork the line; --no-remote does that when it is meant."""
    away = tmp_path / "away"
    away.write_text("no folder")
    monkeypatch.setenv("BIOPHARMA_REMOTE", (away / "place").as_uri())
    refused = biopharma(little, "run", "--plain")
    assert refused.code == 1
    assert "the remote place cannot be used" in refused.err
    assert "credentials and endpoint" in refused.err
    assert biopharma(little, "run", "--plain", "--no-remote").code == 0
    (found,) = [finding for finding in doctor.examine() if finding.subject == "remote"]
    assert (found.level, "cannot be used" in found.told) == ("wrong", True)


@pytest.mark.parametrize("place", ["disk"], indirect=True)
def test_a_place_that_is_away_at_the_end_gets_the_release_from_the_next_run(
    little: Settings, place: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = at(little, place)
    with monkeypatch.context() as patch:
        patch.setattr(
            Remote, "create", lambda *_: (_ for _ in ()).throw(UnreachableError("it broke", remedy="Wait."))
        )
        with pytest.raises(
            UnreachableError, match="release 0001 is published here, and could not be taken"
        ) as caught:
            pipeline.run(here)
    assert "The next run takes it there." in caught.value.remedy
    assert remote.current(place) is None
    # What a sensor asks: at the place there is something to do, though not here.
    assert cadence.build_due(here).is_due is False
    assert cadence.build_due(pipeline.seen(here)).is_due
    job = dg.define_asset_job("warehouse", selection="*")
    sensor = rebuild_sensor(here, job, dg.DefaultSensorStatus.STOPPED)
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = sensor.evaluate_tick(dg.build_sensor_context(instance=instance)).run_requests or []
    assert str(request.run_key).startswith(f"{fingerprint.of_inputs(here)} 20"), "again every hour"
    report = pipeline.run(here)
    assert report.elsewhere is not None and report.elsewhere.is_new
    with dg.DagsterInstance.ephemeral() as instance:
        assert sensor.evaluate_tick(dg.build_sensor_context(instance=instance)).run_requests == []
    due = cadence.build_due(pipeline.seen(here))
    assert (due.is_due, due.fingerprint) == (False, fingerprint.of_inputs(here))


def test_one_of_two_that_publish_at_once_wins(place: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many times over: each number has one release, whole, and what is current never goes back."""
    monkeypatch.setattr(release, "verify", lambda _: None)
    homes = [Settings(home=tmp_path / name) for name in ("one", "two")]
    before = None
    for number in range(1, 13):
        directories = [little_release(s, number, before, text=s.home.name) for s in homes]
        won = racing([(s, place, d) for s, d in zip(homes, directories, strict=True)])
        assert sorted(won) == [False, True], number
        winner = directories[won.index(True)]
        assert remote.current(place) == remote.published(winner)
        files = release.read(winner).manifest["files"]
        assert place.names(f"releases/{winner.name}").keys() == {*files, "manifest.json", "claim.json"}
        assert place.read(f"releases/{winner.name}/own.txt") == (winner / "own.txt").read_bytes()
        # The slower one goes on from there, as a pull has it.
        loser = directories[won.index(False)]
        shutil.rmtree(loser)
        shutil.copytree(winner, loser)
        before = remote.published(winner)


def test_a_number_is_created_once(place: Remote) -> None:
    for number in range(10):
        with ThreadPoolExecutor(4) as pool:
            name = f"releases/{number}/claim.json"
            made = list(pool.map(lambda i, name=name: place.create(name, b"%d" % i), range(4)))
        assert sorted(made) == [False, False, False, True]
        assert place.read(name) == b"%d" % made.index(True)
        assert list(place.names(f"releases/{number}")) == ["claim.json"]


@pytest.mark.parametrize("place", ["disk"], indirect=True)
def test_a_machine_that_died_while_publishing_is_waited_for_and_then_passed_over(
    place: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "verify", lambda _: None)
    one, two = (Settings(home=tmp_path / name) for name in ("one", "two"))
    first = little_release(one, 1, None)
    remote.push_release(one, place, first, Transfer())
    dead = little_release(one, 2, remote.published(first))
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "put", lambda *_: (_ for _ in ()).throw(UnreachableError("it broke", remedy="Wait.")))
        with pytest.raises(UnreachableError):
            remote.push_release(one, place, dead, Transfer())
    # Somebody else: its own 0002 cannot have that number, and is set aside; what comes next is numbered after it.
    shutil.copytree(first, two.releases / "0001")
    mine = little_release(two, 2, remote.published(first), text="mine")
    release.switch(two, mine)
    with pytest.raises(remote.OvertakenError, match="release 0002 is being published there by") as caught:
        remote.push_release(two, place, mine, Transfer())
    assert caught.value.is_unfinished and "15 minutes" in caught.value.remedy
    assert [path.name[:5] for path in remote.settle(two, place, Transfer())] == ["0002-"]
    assert two.current.resolve().name == "0001"
    assert release._reserved(two) == 2
    follows = little_release(two, 3, remote.published(first))
    with pytest.raises(remote.OvertakenError, match="release 0002 is being published"):
        remote.push_release(two, place, follows, Transfer())
    monkeypatch.setattr(remote, "PATIENCE", timedelta(0))
    assert remote.push_release(two, place, follows, Transfer())
    # It was not dead after all: it is refused, and what is current stands.
    with pytest.raises(remote.OvertakenError, match="does not follow on release 0003"):
        remote.push_release(one, place, dead, Transfer())
    assert remote.current(place) == remote.published(follows)


@pytest.mark.parametrize("place", ["disk"], indirect=True)
def test_dagster_brings_before_and_publishes_after(little: Settings, place: Remote) -> None:
    here = at(little, place)
    far = revise(replace(here, home=here.home), "oecd_anberd")
    with pipeline.kept(here):
        pass
    Lake(here.lake).withdraw(far)
    taken: list[remote.Elsewhere] = []
    result = dg.materialize(
        [remote_asset(taken.append)],
        resources={"warehouse": warehouse_resource(here, silent)},
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert far in Lake(here.lake).editions(), "it was brought"
    (made,) = result.asset_materializations_for_node("release__remote")
    told = {name: entry.value for name, entry in made.metadata.items()}
    assert made.asset_key == keys.REMOTE
    assert told["address"] == place.url and told["release"] == "0001" and told["is_new"] is True
    assert told["files"] > 10 and told["bytes"] > 100_000 and told["seconds"] > 0
    assert [entry.release_id for entry in taken] == ["0001"]
    there = remote.current(place)
    assert there is not None and there.release_id == "0001"


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases of a few bytes, which nothing but their manifest tells from others."""

    def publish(settings: Settings, **_: object) -> tuple[release.Release, bool]:
        now = release.current(settings)
        before = remote.published(now.path) if now else None
        number = max(
            release._reserved(settings), *(int(found.release_id) for found in release.list_releases(settings))
        )
        state = pipeline.read_state(settings)
        text = state.fingerprint if state else fingerprint.of_inputs(settings)
        directory = little_release(settings, number + 1, before, text=text)
        release.switch(settings, directory)
        return release.read(directory), True

    monkeypatch.setattr(release, "verify", lambda _: None)
    monkeypatch.setattr(pipeline, "publish", publish)


def beginning(settings: Settings) -> None:
    """A first release of an empty lake."""
    release.switch(settings, little_release(settings, 1, None, text=fingerprint.of_inputs(settings)))


def built(settings: Settings) -> release.Release:
    """As after a build of what is in the lake: the release, and what is known of the work file."""
    pipeline._write_state(settings, pipeline.WorkState("synthetic", fingerprint.of_inputs(settings), None))
    return pipeline.publish(settings)[0]


def heard(settings: Settings, code: str) -> None:
    """Commit an edition that holds nothing."""
    about = Edition(code, "2026-01-01.synthetic", "all", "2026-01-01", "2026-01-01T00:00:00", False, "synthetic", ())
    Lake(settings.lake).commit(about, {}, pl.DataFrame(schema=REJECTED_SCHEMA))


@pytest.mark.usefixtures("quickly")
def test_a_fork_is_told_and_kept_aside(settings: Settings, place: Remote, tmp_path: Path) -> None:
    """Whoever pushes a release of another line takes nothing back, whatever its number."""
    one, two = settings, replace(settings, home=tmp_path / "two")
    beginning(one)
    remote.push(one, place)
    remote.pull(two, place)
    built(one)
    remote.push(one, place)
    there = remote.current(place)
    for _ in range(2):
        built(two)
    told = "release 0003 does not follow on release 0002, which was published there meanwhile by"
    with pytest.raises(remote.OvertakenError, match=told) as caught:
        remote.push(two, place)
    assert "biopharma run" in caught.value.remedy
    assert remote.current(place) == there
    pulled = remote.pull(two, place)
    assert [path.name[:5] for path in pulled.set_aside] == ["0002-", "0003-"]
    assert all((path / "manifest.json").exists() for path in pulled.set_aside)
    assert "Release 0002 of this machine" in pulled.warnings()[0]
    assert remote.published(two.current.resolve()) == there
    # Releases that were made without the place, and follow on what is there, may skip numbers.
    for _ in range(2):
        built(two)
    remote.push(two, place)
    assert remote.current(place) == remote.published(two.releases / "0004")
    assert remote.pull(one, place).set_aside == []
    assert one.current.resolve().name == "0004"


@pytest.mark.parametrize("place", ["disk"], indirect=True)
@pytest.mark.usefixtures("quickly")
def test_whoever_was_slower_takes_the_others_release_or_follows_on_it(
    settings: Settings, place: Remote, tmp_path: Path
) -> None:
    one, two = at(settings, place), at(settings, place, tmp_path / "two")
    beginning(one)
    pipeline.publish_elsewhere(one, "0001")
    with pipeline.kept(two):
        pass
    # Both have built from the same inputs.
    built(one), built(two)
    pipeline.publish_elsewhere(one, "0002")
    done = pipeline.publish_elsewhere(two, "0002")
    assert done is not None and (done.release_id, done.is_remade, done.is_new) == ("0002", False, False)
    assert remote.published(two.current.resolve()) == remote.current(place)

    # The second has one edition more, which the first does not know: its release is made again, and follows.
    heard(two, "oecd_anberd")
    built(one), built(two)
    pipeline.publish_elsewhere(one, "0003")
    done = pipeline.publish_elsewhere(two, "0003")
    assert done is not None and (done.release_id, done.is_remade, done.is_new) == ("0004", True, True)
    made = release.read(two.current.resolve())
    assert made.manifest["previous_manifest_sha256"] == remote.published(one.releases / "0003").manifest_sha256

    # Now the first has one of its own: from both nobody has built yet, and it is told to run again.
    heard(one, "cdmo_facts")
    built(one)
    with pytest.raises(remote.OvertakenError, match="0004") as caught:
        pipeline.publish_elsewhere(one, "0004")
    assert "biopharma run" in caught.value.remedy
    assert remote.published(one.current.resolve()) == remote.current(place)
    assert [path.name[:5] for path in (one.releases / "aside").iterdir()] == ["0004-"]


@pytest.mark.parametrize("place", ["disk"], indirect=True)
@pytest.mark.usefixtures("quickly")
def test_a_release_that_is_withdrawn_is_withdrawn_everywhere(
    settings: Settings, place: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (at(settings, place, tmp_path / name) for name in ("one", "two", "three"))
    beginning(one)
    pipeline.publish_elsewhere(one, "0001")
    heard(one, "oecd_anberd")
    built(one)
    pipeline.publish_elsewhere(one, "0002")
    with pytest.raises(ReleaseError, match="no release 7 before 0002"):
        pipeline.rollback(two, "7", reason="a wrong file")
    # On a disk that never had the one before, and with a place that is away in the middle: the next run tells it.
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "write", lambda *_: (_ for _ in ()).throw(UnreachableError("it broke", remedy="Wait.")))
        with pytest.raises(UnreachableError):
            pipeline.rollback(two, reason="a wrong file")
    assert two.current.resolve().name == "0001"
    pipeline.run(two)
    there = remote.current(place)
    assert there is not None and there.release_id == "0001"
    # The machine that made it cannot bring it back, follows, and finds nothing to do; nor does an empty one.
    with pytest.raises(RemoteError, match="was withdrawn there"):
        remote.push(one, place)
    for here in (one, three):
        report = pipeline.run(here)
        assert (report.release_id, report.is_new_release) == ("0002", False)
        assert retention.withdrawals(here)["0002"].reason == "a wrong file"
        assert here.current.resolve().name == "0001"
    assert remote.current(place) == there
    # What is made next is a release of its own.
    heard(three, "cdmo_facts")
    assert built(three).release_id == "0003"
    pipeline.publish_elsewhere(three, "0003")
    assert remote.current(place) == remote.published(three.releases / "0003")
    assert pipeline.rollback(one, reason="another").release_id == "0001"
    assert remote.current(place) == there
