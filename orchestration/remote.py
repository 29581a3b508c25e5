"""The line of releases on any fsspec path, and what a run brings from there and takes back.

    <url>/releases/0004/...           the files of a release, as its manifest lists them; the manifest is written last
    <url>/releases/0004/claim.json    who publishes under this number, written first and never over another one
    <url>/releases/withdrawn.json     releases that were rolled back from
    <url>/current.json                {"release_id": "0004", "manifest_sha256": "..."}

Where `Settings.remote` names a place, it is the home of the warehouse, and an installation is a copy of it that can
be thrown away: what works in it does so in `kept`, and a release is published with `push_release`.

There is one line of releases. A number belongs to whoever creates its claim, which only one can, and a release
becomes current only if the one that was current lies behind it: a manifest names the release before it, and the
SHA-256 of that one's manifest. Whoever pulls reads `current.json` first and then only files of that release, each
checked against the manifest: an old release or a new one, never a mixture. A release can also be read where it lies,
without a copy.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingest import remote as lake_remote
from ingest.archive import write_atomically
from ingest.errors import IngestError, RemoteError
from ingest.remote import Known, Remote, Transfer, side_by_side
from ingest.settings import Settings
from orchestration import reader, release, retention
from orchestration.lock import exclusive
from orchestration.progress import Progress, silent, timed

CURRENT = "current.json"
CLAIM = "claim.json"
_WITHDRAWN = f"releases/{retention.WITHDRAWN}"

# After this time without a new file, whoever has claimed a number is taken to have died.
PATIENCE = timedelta(minutes=15)

# Installations whose work is being kept in a place by this process.
_kept: set[Path] = set()


class OvertakenError(RemoteError):
    """Another machine has published, or is publishing, so that a release cannot follow on what was current before.

    `number` is that of the release in the way; `is_unfinished` says that the other one is still at it.
    """

    def __init__(self, problem: str, *, file: str, remedy: str, number: int, is_unfinished: bool = False) -> None:
        super().__init__(problem, file=file, remedy=remedy)
        self.number = number
        self.is_unfinished = is_unfinished


@dataclass(frozen=True)
class Published:
    """A release by its number and the SHA-256 of its manifest, which tells it from others of that number."""

    release_id: str
    manifest_sha256: str

    @property
    def number(self) -> int:
        """Its number."""
        return int(self.release_id)


@dataclass(frozen=True)
class Elsewhere:
    """What was copied to the place: a release (`is_new` there) and what else it lacked.

    `is_remade` says that another machine was faster: True where the release was made again to follow on that one's,
    False where that one's stands for the same inputs; None otherwise.
    """

    address: str
    release_id: str
    is_new: bool
    is_remade: bool | None
    files: int
    size_bytes: int
    seconds: float


@dataclass
class Place:
    """A place that an installation works for, and what was brought from it."""

    remote: Remote
    brought: Transfer = field(default_factory=Transfer)
    seconds: float = 0.0
    set_aside: list[Path] = field(default_factory=list)

    def told(self) -> str:
        """What was brought, as a sentence."""
        size = self.brought.size_bytes / 1e6
        return f"{self.brought.files} files ({size:.1f} MB) brought from {self.remote.url}."

    def warnings(self) -> list[str]:
        """What somebody may look for who had published here, a sentence each."""
        return [
            f"Release {path.name.partition('-')[0]} of this machine is not of the line there; it is kept in {path}."
            for path in self.set_aside
        ]


@contextmanager
def kept(
    settings: Settings,
    *,
    sources: Collection[str] | None = None,
    with_lake: bool = True,
    with_quarantine: bool = False,
    progress: Progress = silent,
) -> Iterator[Place | None]:
    """Work in an installation as in a copy of its place, if it has one: yields the place, with what was brought.

    Before, what the place has and this disk lacks is brought: archive and lake, of some sources or all, and with all
    of them the current release. After, archive, lake and quarantine are taken there, also where the work failed:
    bytes and editions that are committed are harmless, and what was refused is to be looked at. A release is not
    (`push_release`). The caller holds the installation. Within such work this does nothing.

    Raises RemoteError where the place cannot be used; before the work nothing has changed then, and after it what
    could not be taken there is taken by the next.
    """
    if settings.remote is None or settings.home in _kept:
        yield None
        return
    place = Place(Remote.of(settings))
    started = time.perf_counter()
    with timed(progress, "pull", place.remote.url):
        held = lake_remote.pull_quarantine(settings, place.remote) if with_quarantine else []
        bring(settings, place, sources=sources, with_lake=with_lake)
    place.seconds = time.perf_counter() - started
    if with_lake:
        _kept.add(settings.home)
    try:
        yield place
    except Exception as error:
        # The error of the work is the one to tell. A place that has just been away is not asked again.
        if not isinstance(error, RemoteError):
            with suppress(IngestError):
                take_back(settings, place.remote, sources=sources, with_lake=with_lake, progress=progress)
        raise
    else:
        if not with_lake or lake_remote.known(settings, place.remote).is_behind:
            take_back(settings, place.remote, sources=sources, with_lake=with_lake, progress=progress)
        lake_remote.drop_quarantine(settings, place.remote, held)
    finally:
        _kept.discard(settings.home)


def bring(
    settings: Settings, place: Place, *, sources: Collection[str] | None = None, with_lake: bool = True
) -> None:
    """Copy what is lacking here; where the last work could not be taken there, that first. Raises RemoteError."""
    remote = place.remote
    before = lake_remote.known(settings, remote)
    if with_lake and before.is_behind:
        # What is here is newer than what is there: it is not to be replaced by that.
        lake_remote.push(settings, remote, leave_damaged=True)
    found = lake_remote.pull(settings, remote, sources=sources, with_lake=with_lake)
    place.brought.files += found.files
    place.brought.size_bytes += found.size_bytes
    if with_lake:
        if sources is None:
            place.set_aside += settle(settings, remote, place.brought)
        lake_remote.remember(
            settings, Known(remote.url, lake_remote.shared_records(settings, remote), is_behind=True)
        )


def take_back(
    settings: Settings,
    remote: Remote,
    *,
    sources: Collection[str] | None = None,
    with_lake: bool = True,
    progress: Progress = silent,
) -> Transfer:
    """Copy archive, lake and quarantine to the place; an edition that was withdrawn here since it was brought is
    withdrawn there. Raises RemoteError, and LakeError for damaged files.
    """
    with timed(progress, "push", remote.url):
        if not with_lake:
            return lake_remote.push(settings, remote, sources=sources, with_lake=False)
        records = lake_remote.known(settings, remote).records
        gone = [record for record in records if not (settings.lake / record).exists()]
        done = lake_remote.push(settings, remote, sources=sources, withdrawn=gone)
        now = lake_remote.shared_records(settings, remote)
        lake_remote.remember(settings, Known(remote.url, now, is_behind=False))
    return done


def push(settings: Settings, remote: Remote, *, with_release: bool = True) -> Transfer:
    """Copy archive, lake and the current release to a remote place, and make the release current there.

    Raises RemoteError, LakeError for damaged files, ReleaseError where the release does not verify here, and
    OvertakenError where it does not follow on the one that is current there.
    """
    with exclusive(settings, "pushing to a remote place"):
        done = lake_remote.push(settings, remote)
        if with_release:
            push_release(settings, remote, reader.release_dir(settings, None), done)
    return done


def pull(settings: Settings, remote: Remote, *, with_release: bool = True) -> Place:
    """Copy archive, lake, quarantine and the current release from a remote place; returns what was done.

    The release becomes the current one here, unless the one that is here follows on it. A release of another line is
    set aside (`settle`). Raises RemoteError.
    """
    place = Place(remote)
    with exclusive(settings, "pulling from a remote place"):
        lake_remote.pull_quarantine(settings, remote)
        found = lake_remote.pull(settings, remote)
        place.brought.files, place.brought.size_bytes = found.files, found.size_bytes
        if with_release:
            place.set_aside += settle(settings, remote, place.brought)
    return place


def current(remote: Remote) -> Published | None:
    """The current release of a remote place, or None if it has none."""
    content = remote.read(CURRENT)
    return Published(**json.loads(content)) if content is not None else None


def push_release(settings: Settings, remote: Remote, directory: Path, done: Transfer) -> bool:
    """Publish a release at a place, and make it current there unless it is as of a past day; returns if it was new.

    Its number is claimed first. A release that is there, or that others follow on there, is left as it is. Raises
    OvertakenError where another has the number, or what is current there does not lie behind this release, and
    ReleaseError where it does not verify here.
    """
    release.verify(directory)
    mine = published(directory)
    as_of = release.read(directory).as_of
    if as_of is None and not _is_ahead(settings, remote, mine):
        return False
    at = f"releases/{mine.release_id}"
    _claim(remote, mine, as_of)
    present = remote.names(at)
    is_new = release.MANIFEST not in present
    lacking = [
        name
        for name in sorted(release.read(directory).manifest["files"])
        if present.get(name) != (directory / name).stat().st_size
    ]
    for size in side_by_side(lambda name: remote.put(directory / name, f"{at}/{name}"), lacking):
        done.add(size)
    if is_new:
        done.add(remote.put(directory / release.MANIFEST, f"{at}/{release.MANIFEST}"))
    # It took a while: somebody may have thought that this machine had died.
    if as_of is None and _is_ahead(settings, remote, mine):
        done.add(remote.write(CURRENT, json.dumps(asdict(mine)).encode()))
    return is_new


def settle(settings: Settings, remote: Remote, done: Transfer) -> list[Path]:
    """Make the releases here those of the place: the current one is brought unless the one here follows on it.

    Releases here that do not lie on the line there, or have a number that another has there, are moved to
    `releases/aside/`, whose folders are returned: nothing of them is lost, and what is made next is numbered after
    all that is there. What was withdrawn there is withdrawn here. Raises RemoteError.
    """
    taken = [name for name in remote.folders("releases") if name.isdigit()]
    release.reserve(settings, max(map(int, taken), default=0))
    withdrawn = _merge_withdrawals(settings, remote)
    theirs = current(remote)
    if theirs is None:
        return []
    if _is_withdrawn_here(settings, theirs):
        _withdraw_there(settings, remote)
        return []
    for name in withdrawn:
        # It stands for its inputs, so that a run that finds the same ones does not make it again.
        if int(name) > theirs.number and not (settings.releases / name).exists():
            _download(remote, name, settings.releases, done)
    mine = release.current(settings)
    forked = _forked(settings, remote, mine, theirs)
    conflicting = {
        directory.name
        for directory in settings.releases.glob("[0-9]*")
        if directory.name in taken
        and int(directory.name) >= theirs.number
        and (directory / release.MANIFEST).exists()
        and (digest := _claimed(remote, directory.name))
        and digest != published(directory).manifest_sha256
    }
    aside = [settings.releases / name for name in sorted(forked | conflicting)]
    gone = mine is not None and mine.release_id in retention.withdrawals(settings)
    if mine is not None and not aside and not gone and _contains(settings, remote, published(mine.path), theirs):
        return []
    target = lake_remote.inside(settings.releases, theirs.release_id)
    building = None
    if target in aside or not target.exists():
        building = _building(remote, theirs, settings.releases, done)
    else:
        release.switch(settings, target)
    moved = [_set_aside(settings, directory) for directory in aside]
    if building is not None:
        building.rename(target)
        release.switch(settings, target)
    return moved


def rollback(settings: Settings, release_id: str | None = None, *, reason: str) -> release.Release:
    """Withdraw the current release here and at the installation's place; returns the one that is current then.

    Where the place cannot be used after it was withdrawn here, the next run withdraws it there. Raises ReleaseError
    as `retention.rollback` does, and RemoteError.
    """
    place = Place(Remote.of(settings))
    remote = place.remote
    settle(settings, remote, place.brought)
    now = current(remote)
    mine = release.current(settings)
    if now is not None and mine is not None and now != published(mine.path):
        raise RemoteError(
            f"release {mine.release_id} is current here, and {now.release_id} there",
            file=remote.url,
            remedy="Run first, which brings both to one line: biopharma run.",
        )
    if now is not None:
        _bring_before(settings, remote, now, release_id, place.brought)
    made = retention.rollback(settings, release_id, reason=reason)
    if now is not None:
        _withdraw_there(settings, remote)
    return made


def seen(settings: Settings) -> Settings:
    """The installation, or where it has a place, a shadow of what is there that tells whether there is something to
    build: commit records and manifests, without the files that they name. Raises RemoteError.
    """
    if settings.remote is None:
        return settings
    remote = Remote.of(settings)
    shadow = replace(settings, home=settings.work / "seen", remote=None)
    records = {f"lake/_editions/{name}": stamp for name, stamp in remote.stamps("lake/_editions").items()}
    manifests = [f"releases/{name}/{release.MANIFEST}" for name in remote.folders("releases")]
    stamps_file = shadow.home / "stamps.json"
    try:
        stamps: dict[str, str] = json.loads(stamps_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stamps = {}
    for name in set(stamps) - set(records):
        lake_remote.inside(shadow.home, name).unlink(missing_ok=True)
    wanted = [name for name, stamp in records.items() if stamps.get(name) != stamp]
    wanted += [name for name in manifests if not (shadow.home / name).exists()]
    for name, content in remote.read_all([*wanted, _WITHDRAWN]).items():
        write_atomically(lake_remote.inside(shadow.home, name), content)
    write_atomically(stamps_file, json.dumps(records).encode())
    return shadow


def pull_release(remote: Remote, folder: Path) -> Path:
    """Copy the current release of a remote place into a new directory below a folder; returns the directory.

    A release that is there already is kept as it is. Raises RemoteError where there is none or a file is not what the
    manifest says, and ReleaseError where the whole does not verify.
    """
    now = current(remote)
    if now is None:
        raise RemoteError("there is no release", file=remote.url, remedy="Push one: biopharma push.")
    target = lake_remote.inside(folder, now.release_id)
    if not target.exists():
        _building(remote, now, folder, Transfer()).rename(target)
    elif published(target) != now:
        raise RemoteError(
            f"another release has the number {now.release_id} here",
            file=str(target),
            remedy="Take another folder.",
        )
    return target


@contextmanager
def open_release(remote: Remote, release_id: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a release where it lies, without a copy: the current one, or the one of a number.

    DuckDB reads the parts of the file that a query needs through fsspec; its own reader of S3 is an extension. It
    checks its blocks' checksums, and not the file's SHA-256, for which the whole file would have to be fetched. Who
    has opened a release goes on reading it when another becomes current. Raises RemoteError where there is none.
    """
    if release_id is None:
        if (now := current(remote)) is None:
            raise RemoteError("there is no release", file=remote.url, remedy="Push one: biopharma push.")
        release_id = now.release_id
    folder = f"releases/{release_id.zfill(4)}"
    if remote.read(f"{folder}/{release.MANIFEST}") is None:
        raise RemoteError(
            f"there is no release {release_id}", file=remote.url, remedy="Leave its number out for the current one."
        )
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": "",
        }
    )
    try:
        files = remote.file_system(folder)
        connection.register_filesystem(files)
        # An address of S3 itself would make DuckDB ask for its extension.
        try:
            connection.execute(f"attach '{files.protocol}://{reader.DATABASE}' as release (read_only)")
        except (duckdb.Error, OSError) as error:
            raise RemoteError(
                f"the release cannot be opened ({error})",
                file=f"{remote.url}/{folder}",
                remedy="Look at the place, or bring the release here: biopharma pull --release-to DIR.",
            ) from error
        connection.execute("use release")
        reader.close_off(connection)
        yield connection
    finally:
        connection.close()


def published(directory: Path) -> Published:
    """A release of this disk by its number and the hash of its manifest."""
    return Published(directory.name, hashlib.sha256((directory / release.MANIFEST).read_bytes()).hexdigest())


def _digest_there(remote: Remote, release_id: str) -> str | None:
    """SHA-256 of the manifest of a release at a place, or None if it is not there whole."""
    content = remote.read(f"releases/{release_id}/{release.MANIFEST}")
    return None if content is None else hashlib.sha256(content).hexdigest()


def _claimed(remote: Remote, release_id: str) -> str | None:
    """SHA-256 of the manifest of whatever has a number at a place, published or about to be."""
    claim = remote.read(f"releases/{release_id}/{CLAIM}")
    return str(json.loads(claim)["manifest_sha256"]) if claim is not None else _digest_there(remote, release_id)


def _claim(remote: Remote, mine: Published, as_of: str | None) -> None:
    """Take the number of a release at a place; raises OvertakenError where another has it."""
    at = f"releases/{mine.release_id}"
    # A release that was pushed before there were claims has none.
    if (digest := _digest_there(remote, mine.release_id)) is None:
        content = {
            **asdict(mine),
            "as_of": as_of,
            "claimed_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "by": socket.gethostname(),
        }
        if remote.create(f"{at}/{CLAIM}", json.dumps(content).encode()):
            return
        digest = _claimed(remote, mine.release_id)
    if digest == mine.manifest_sha256:
        return
    is_unfinished = _digest_there(remote, mine.release_id) is None
    raise overtaken(remote, mine.release_id, mine.release_id, is_unfinished=is_unfinished)


def overtaken(remote: Remote, release_id: str, other: str, *, is_unfinished: bool) -> OvertakenError:
    """The error of a release that another one is in the way of, with who made that one."""
    about = json.loads(remote.read(f"releases/{other}/{CLAIM}") or b"{}")
    who = f" by {about['by']} since {about['claimed_at']}" if about else ""
    if is_unfinished:
        return OvertakenError(
            f"release {release_id} cannot be published: release {other} is being published there{who}",
            file=remote.url,
            number=int(other),
            remedy="Run again when it is through, which follows on it: biopharma run. If that machine has died, its "
            f"number is passed over {int(PATIENCE.total_seconds() / 60)} minutes after its last file.",
            is_unfinished=True,
        )
    return OvertakenError(
        f"release {release_id} does not follow on release {other}, which was published there meanwhile{who}",
        file=remote.url,
        number=int(other),
        remedy="Run again, which brings that one and follows on it: biopharma run.",
    )


def _is_ahead(settings: Settings, remote: Remote, mine: Published) -> bool:
    """Whether a release may become current at a place; False where it is, or the one that is follows on it.

    Raises OvertakenError where it is of another line, or may turn out to be: another release is being published.
    """
    if gone := _withdrawn_there(remote).get(mine.release_id):
        raise RemoteError(
            f"release {mine.release_id} was withdrawn there ({gone.reason})",
            file=remote.url,
            remedy="Bring what is current there: biopharma pull.",
        )
    theirs = current(remote)
    if theirs == mine:
        return False
    if theirs is not None and not _contains(settings, remote, mine, theirs):
        if _contains(settings, remote, theirs, mine):
            return False
        raise overtaken(remote, mine.release_id, theirs.release_id, is_unfinished=False)
    least = theirs.number if theirs is not None else 0
    between = [n for n in remote.folders("releases") if n.isdigit() and least < int(n) < mine.number]
    for name in between:
        if _may_become_current(settings, remote, mine, name):
            raise overtaken(remote, mine.release_id, name, is_unfinished=True)
    return True


def _may_become_current(settings: Settings, remote: Remote, mine: Published, name: str) -> bool:
    """Whether a number below that of a release belongs to one of another line that is about to be made current."""
    claim = json.loads(remote.read(f"releases/{name}/{CLAIM}") or b"{}")
    if not claim or claim["as_of"] is not None or name in _withdrawn_there(remote):
        return False
    if _contains(settings, remote, mine, Published(name, claim["manifest_sha256"])):
        return False
    last = remote.last_change(f"releases/{name}") or datetime.fromisoformat(claim["claimed_at"])
    return datetime.now(UTC) - last < PATIENCE


def _contains(settings: Settings, remote: Remote, start: Published, wanted: Published) -> bool:
    """Whether a release is another or follows on it, by what manifests here and there say."""
    at: Published | None = start
    while at is not None and at.number > wanted.number:
        at = _before(settings, remote, at)
    return at == wanted


def _before(settings: Settings, remote: Remote, at: Published) -> Published | None:
    """The release that one was made after, or None where there is none or its manifest is nowhere."""
    path = settings.releases / at.release_id / release.MANIFEST
    for content in (path.read_bytes() if path.exists() else None, remote.read(_manifest_name(at.release_id))):
        if content is None or hashlib.sha256(content).hexdigest() != at.manifest_sha256:
            continue
        manifest: dict[str, Any] = json.loads(content)
        name, digest = manifest["previous_release_id"], manifest.get("previous_manifest_sha256")
        if name is None:
            return None
        if digest is None:
            # Made before it was kept: releases of one installation are of one line.
            earlier = settings.releases / name
            digest = published(earlier).manifest_sha256 if earlier.exists() else _digest_there(remote, name)
        return None if digest is None else Published(name, digest)
    return None


def _manifest_name(release_id: str) -> str:
    return f"releases/{release_id}/{release.MANIFEST}"


def _forked(settings: Settings, remote: Remote, mine: release.Release | None, theirs: Published) -> set[str]:
    """Numbers of releases here that the current one follows on, or is, and that the place's line does not hold."""
    if mine is None:
        return set()
    at: Published | None = published(mine.path)
    if at is None or _contains(settings, remote, at, theirs):
        return set()
    found: set[str] = set()
    while at is not None and not _contains(settings, remote, theirs, at):
        is_there = _digest_there(remote, at.release_id) == at.manifest_sha256
        if not is_there and (settings.releases / at.release_id).exists():
            found.add(at.release_id)
        at = _before(settings, remote, at)
    return found


def _set_aside(settings: Settings, directory: Path) -> Path:
    target = settings.releases / "aside" / f"{directory.name}-{published(directory).manifest_sha256[:8]}"
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    return directory.rename(target)


def _building(remote: Remote, wanted: Published, folder: Path, done: Transfer) -> Path:
    """Copy a release into a hidden directory of a folder and verify it; returns the directory, which is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{wanted.release_id}.tmp-", dir=folder))
    try:
        at = f"releases/{wanted.release_id}"
        manifest = building / release.MANIFEST
        done.add(remote.get(f"{at}/{release.MANIFEST}", manifest, sha256=wanted.manifest_sha256))
        files: dict[str, Any] = release.read(building).manifest["files"]
        targets = {name: lake_remote.inside(building, name) for name in files}
        for size in side_by_side(
            lambda name: remote.get(f"{at}/{name}", targets[name], sha256=files[name]["sha256"]), files
        ):
            done.add(size)
        release.verify(building)
        building.chmod(0o755)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return building


def _download(remote: Remote, release_id: str, folder: Path, done: Transfer) -> None:
    digest = _digest_there(remote, release_id)
    if digest is not None:
        target = lake_remote.inside(folder, release_id)
        _building(remote, Published(release_id, digest), folder, done).rename(target)


def _bring_before(settings: Settings, remote: Remote, now: Published, release_id: str | None, done: Transfer) -> None:
    """Bring the release that is to be gone back to, if the place has it and this disk does not."""
    gone = retention.withdrawals(settings)
    earlier = [name for name in remote.folders("releases") if name.isdigit() and int(name) < now.number]
    for name in reversed(earlier):
        if name in gone or (release_id is not None and name != release_id.zfill(4)):
            continue
        content = remote.read(_manifest_name(name))
        if content is None or json.loads(content)["as_of"] is not None:
            continue
        if not (settings.releases / name).exists():
            _download(remote, name, settings.releases, done)
        return


def _withdrawn_there(remote: Remote) -> dict[str, retention.Withdrawal]:
    return retention.parsed(remote.read(_WITHDRAWN) or b"[]", f"{remote.url}/{_WITHDRAWN}")


def _is_withdrawn_here(settings: Settings, theirs: Published) -> bool:
    """Whether what is current there was rolled back from here, which the place was not told."""
    directory = settings.releases / theirs.release_id
    if theirs.release_id not in retention.withdrawals(settings) or not (directory / release.MANIFEST).exists():
        return False
    now = release.current(settings)
    return published(directory) == theirs and now is not None and now.path != directory.resolve()


def _withdraw_there(settings: Settings, remote: Remote) -> None:
    """Record there what was withdrawn here, and make what is current here current there."""
    now = release.current(settings)
    _merge_withdrawals(settings, remote)
    remote.write(_WITHDRAWN, (settings.releases / retention.WITHDRAWN).read_bytes())
    if now is not None:
        remote.write(CURRENT, json.dumps(asdict(published(now.path))).encode())


def _merge_withdrawals(settings: Settings, remote: Remote) -> list[str]:
    """Record here what was withdrawn there; returns the numbers of what was withdrawn there."""
    there, here = _withdrawn_there(remote), retention.withdrawals(settings)
    if any(name not in here for name in there):
        retention.record(settings, {**here, **there})
    return sorted(there)
