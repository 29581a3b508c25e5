"""Releases on any fsspec path: pushed file by file, and made current by one small file that is written last.

    <url>/releases/0004/...   the files of a release, as its manifest lists them
    <url>/current.json        {"release_id": "0004", "manifest_sha256": "..."}

Whoever pulls reads `current.json` first and then only files of that release, each checked against the manifest: an
old release or a new one, never a mixture. A release can also be read where it lies, without a copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ingest import remote as lake_remote
from ingest.remote import Remote, RemoteError, Transfer
from ingest.settings import Settings
from orchestration import reader, release
from orchestration.lock import exclusive

CURRENT = "current.json"


@dataclass(frozen=True)
class Published:
    """What a remote place has as its current release."""

    release_id: str
    manifest_sha256: str


def push(settings: Settings, remote: Remote, *, with_release: bool = True) -> Transfer:
    """Copy archive, lake and the current release to a remote place, and make the release current there.

    Raises RemoteError, LakeError for damaged files, and ReleaseError where the release does not verify here.
    """
    with exclusive(settings, "pushing to a remote place"):
        done = lake_remote.push(settings, remote)
        if with_release:
            _push_release(reader.release_dir(settings, None), remote, done)
    return done


def pull(settings: Settings, remote: Remote, *, with_release: bool = True) -> Transfer:
    """Copy archive, lake and the current release from a remote place, for a run on this machine; raises RemoteError.

    The release becomes the current one here unless a later one is. What is run next is numbered after it and compared
    with it, wherever it was made; a run that finds nothing changed makes none.
    """
    with exclusive(settings, "pulling from a remote place"):
        done = lake_remote.pull(settings, remote)
        if with_release and (published := current(remote)):
            _take_release(settings, remote, published, done)
    return done


def current(remote: Remote) -> Published | None:
    """The current release of a remote place, or None if it has none."""
    content = remote.read(CURRENT)
    return Published(**json.loads(content)) if content is not None else None


def pull_release(remote: Remote, folder: Path) -> Path:
    """Copy the current release of a remote place into a new directory below a folder; returns the directory.

    A release that is there already is kept as it is. Raises RemoteError where there is none or a file is not what the
    manifest says, and ReleaseError where the whole does not verify.
    """
    published = current(remote)
    if published is None:
        raise RemoteError("there is no release", file=remote.url, remedy="Push one: biopharma push.")
    target = lake_remote.inside(folder, published.release_id)
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{published.release_id}.tmp-", dir=folder))
    try:
        at = f"releases/{published.release_id}"
        remote.get(f"{at}/{release.MANIFEST}", building / release.MANIFEST, sha256=published.manifest_sha256)
        for name, entry in release.read(building).manifest["files"].items():
            remote.get(f"{at}/{name}", lake_remote.inside(building, name), sha256=entry["sha256"])
        release.verify(building)
        building.chmod(0o755)
        building.rename(target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return target


@contextmanager
def open_release(remote: Remote, release_id: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a release where it lies, without a copy: the current one, or the one of a number.

    DuckDB reads the parts of the file that a query needs through fsspec; its own reader of S3 is an extension. It
    checks its blocks' checksums, and not the file's SHA-256, for which the whole file would have to be fetched. Who
    has opened a release goes on reading it when another becomes current. Raises RemoteError where there is none.
    """
    if release_id is None:
        if (published := current(remote)) is None:
            raise RemoteError("there is no release", file=remote.url, remedy="Push one: biopharma push.")
        release_id = published.release_id
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


def _take_release(settings: Settings, remote: Remote, published: Published, done: Transfer) -> None:
    there = lake_remote.inside(settings.releases, published.release_id)
    if there.exists():
        if _sha256_of_manifest(there) != published.manifest_sha256:
            raise RemoteError(
                f"another release has the number {published.release_id} here",
                file=str(there),
                remedy="Releases are made from one line; pull into an empty home, or only the data: --data-only.",
            )
    else:
        pull_release(remote, settings.releases)
        for path in there.rglob("*"):
            if path.is_file():
                done.add(path.stat().st_size)
    standing = release.current(settings) if settings.current.is_symlink() else None
    if standing is None or int(standing.release_id) < int(published.release_id):
        release.switch(settings, there)


def _sha256_of_manifest(directory: Path) -> str:
    return hashlib.sha256((directory / release.MANIFEST).read_bytes()).hexdigest()


def _push_release(directory: Path, remote: Remote, done: Transfer) -> None:
    release.verify(directory)
    manifest = directory / release.MANIFEST
    digest = _sha256_of_manifest(directory)
    if (there := current(remote)) and there.manifest_sha256 == digest:
        return
    at = f"releases/{directory.name}"
    present = remote.names(at)
    if release.MANIFEST in present and remote.read(f"{at}/{release.MANIFEST}") != manifest.read_bytes():
        raise RemoteError(
            f"another release has the number {directory.name} there",
            file=f"{remote.url}/{at}",
            remedy="Pull before the run, so that its release is numbered after the one there; or take another place.",
        )
    for name in sorted(release.read(directory).manifest["files"]):
        if present.get(name) != (directory / name).stat().st_size:
            done.add(remote.put(directory / name, f"{at}/{name}"))
    done.add(remote.put(manifest, f"{at}/{release.MANIFEST}"))
    descriptor, path = tempfile.mkstemp(suffix=".json")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"release_id": directory.name, "manifest_sha256": digest}, stream)
        done.add(remote.put(Path(path), CURRENT))
    finally:
        Path(path).unlink(missing_ok=True)
