"""Archive, lake and quarantine on any fsspec path (S3 and what speaks like it, a shared disk), copied by manifest.

    <url>/lake/...        as below the installation; a commit record is written after the files that it names
    <url>/archive/...     publishers' bytes; a sidecar is written after the bytes that it describes
    <url>/quarantine/...  refused files; the reason is written after them

Files are immutable and named by what made them, so that a copy is complete when the small file that names the others
is there: an upload that dies leaves nothing that a reader would see, and several machines may write to one place.

Runs read their own disk. A run reads a canonical table several times (expectations, staging, models), and DuckDB's
own reader of S3 is an extension that is not always to be had; each Parquet file is fetched once instead, and checked
against the SHA-256 in its commit record.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ingest.archive import copy_atomically, sha256_of, write_atomically
from ingest.errors import IngestError, LakeError, RemoteError, UnreachableError
from ingest.lake import Edition, Lake
from ingest.settings import Settings

VARIABLE = "BIOPHARMA_REMOTE"

# Most files are small, so that what a copy takes is the time of answers: some are waited for side by side.
_SIDE_BY_SIDE = 8
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REASON = "reason.json"
# Bytes and sidecars are named by their hash; what else lies in the archive (the validators of a publisher's answers)
# is written again and again.
_IMMUTABLE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}(\.json)?$")
_USER = re.compile(r"(?<=://)[^/@]*@")

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass
class Transfer:
    """What was copied."""

    files: int = 0
    size_bytes: int = 0

    def add(self, size: int) -> None:
        """Count a file."""
        self.files += 1
        self.size_bytes += size


class Remote:
    """A folder on a file system that fsspec knows. Credentials and endpoints come from the environment of its driver
    (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL), never from the address.
    """

    def __init__(self, url: str) -> None:
        # What is shown of it, in case that somebody has put a password there.
        self.url = _USER.sub("", url)
        try:
            # What others have written since is to be seen.
            fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            raise RemoteError(
                f"{self.url} is no address that can be written to ({error})",
                remedy="Give one such as s3://bucket/folder, or file:///folder.",
            ) from error
        self._fs: Any = fs
        self._root = str(root).rstrip("/")
        self._is_disk = isinstance(fs, LocalFileSystem)
        protocol = fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)
        # Objects have names with slashes, and no folders.
        self._has_folders = "s3" not in protocol
        # Without first asking how large a file is.
        self._whole: dict[str, Any] = {} if self._has_folders else {"max_concurrency": 1}

    @classmethod
    def of(cls, settings: Settings, url: str | None = None) -> Remote:
        """The place that is named, or that of the settings; raises RemoteError where neither is given."""
        chosen = url or settings.remote
        if not chosen:
            raise RemoteError("no remote place is named", remedy=f"Give its address, or set {VARIABLE}.")
        return cls(chosen)

    def names(self, folder: str) -> dict[str, int]:
        """Files below a folder, by their name in it, with their size in bytes."""
        return {name: int(entry["size"]) for name, entry in self._found(folder).items()}

    def stamps(self, folder: str) -> dict[str, str]:
        """Files below a folder, by their name in it, with what changes when their content does."""
        return {
            name: f"{entry['size']} {entry.get('ETag') or entry.get('mtime') or ''}"
            for name, entry in self._found(folder).items()
        }

    def last_change(self, folder: str) -> datetime | None:
        """When the last file below a folder was written, by the clock of the place; None where it does not say."""
        times = [entry.get("LastModified") or entry.get("mtime") for entry in self._found(folder).values()]
        moments = [
            moment if isinstance(moment, datetime) else datetime.fromtimestamp(float(moment), UTC)
            for moment in times
            if moment is not None
        ]
        return max(moments, default=None)

    def folders(self, folder: str) -> list[str]:
        """Names of the folders directly in a folder."""
        try:
            with self._reaching():
                found = self._fs.ls(f"{self._root}/{folder}", detail=True)
        except FileNotFoundError:
            return []
        return sorted(e["name"].rstrip("/").rpartition("/")[2] for e in found if e["type"] == "directory")

    def put(self, path: Path, name: str) -> int:
        """Copy a file; returns its size in bytes. It is there whole or not at all."""
        target = f"{self._root}/{name}"
        with self._writing():
            if self._is_disk:
                copy_atomically(path, Path(target))
            else:
                self._make_folder(target)
                self._fs.put_file(str(path), target)
        return path.stat().st_size

    def write(self, name: str, content: bytes) -> int:
        """Write a small file, over one of that name; returns its size in bytes."""
        target = f"{self._root}/{name}"
        with self._writing():
            if self._is_disk:
                write_atomically(Path(target), content)
            else:
                self._make_folder(target)
                self._fs.pipe_file(target, content)
        return len(content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless one of that name is there; returns whether it was written.

        Of several that try at once one succeeds: on S3 by If-None-Match, on a disk by a link that must be new.
        """
        target = f"{self._root}/{name}"
        with self._writing():
            try:
                if self._is_disk:
                    aside = Path(f"{target}.{os.getpid()}.{os.urandom(4).hex()}")
                    aside = aside.with_name(f".{aside.name}.tmp")
                    write_atomically(aside, content)
                    try:
                        Path(target).hardlink_to(aside)
                    finally:
                        aside.unlink()
                else:
                    self._make_folder(target)
                    self._fs.pipe_file(target, content, mode="create")
            except FileExistsError:
                return False
            except OSError:
                # Servers differ in how they say that it is there.
                if self.read(name) is None:
                    raise
                return False
        return True

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""
        try:
            with self._reaching():
                self._fs.rm_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return

    def read(self, name: str) -> bytes | None:
        """Content of a small file, or None if it is not there."""
        try:
            with self._reaching():
                content: bytes = self._fs.cat_file(f"{self._root}/{name}", **self._whole)
        except FileNotFoundError:
            return None
        return content

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """Content of small files by name, without those that are not there."""
        listed = list(names)
        found = zip(listed, side_by_side(self.read, listed), strict=True)
        return {name: content for name, content in found if content is not None}

    def get(self, name: str, path: Path, *, sha256: str | None = None) -> int:
        """Copy a file to this disk, under its name when it is whole; returns its size in bytes.

        Raises RemoteError where it is not there or has another hash than it should have.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with self._reaching():
                self._fs.get_file(f"{self._root}/{name}", str(temporary))
            if sha256 is not None and sha256_of(temporary) != sha256:
                raise RemoteError(
                    "the file has not the hash that its manifest says",
                    file=f"{self.url}/{name}",
                    remedy="Remove it there, and push it again from an installation that holds it.",
                )
            size = temporary.stat().st_size
            temporary.replace(path)
        except FileNotFoundError as error:
            raise RemoteError(
                "the file that a manifest names is not there",
                file=f"{self.url}/{name}",
                remedy="Push it again from an installation that holds it.",
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return size

    def file_system(self, folder: str) -> Any:
        """A file system of fsspec's that sees a folder of the place and nothing else."""
        from fsspec.implementations.dirfs import DirFileSystem

        return DirFileSystem(path=f"{self._root}/{folder}", fs=self._fs)

    def _found(self, folder: str) -> dict[str, dict[str, Any]]:
        base = f"{self._root}/{folder}"
        try:
            with self._reaching():
                found = self._fs.find(base, detail=True)
        except FileNotFoundError:
            return {}
        start = len(self._fs._strip_protocol(base)) + 1
        entries = {name[start:]: entry for name, entry in found.items() if entry["type"] == "file"}
        # A copy that is under way, on a disk.
        return {name: entry for name, entry in entries.items() if not name.rpartition("/")[2].startswith(".")}

    def _make_folder(self, target: str) -> None:
        if self._has_folders:
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn what a driver raises, each its own, into one error; what tells of a file passes, and a full disk."""
        try:
            yield
        except (FileNotFoundError, FileExistsError, IngestError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            raise self._failure(error) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._reaching():
                yield
        except (FileNotFoundError, FileExistsError) as error:
            # There is no such bucket, or a file has the name of a folder.
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"the remote place cannot be used ({str(error) or type(error).__name__})",
            file=self.url,
            remedy="Look at its address, and at the credentials and endpoint in the environment.",
        )


def side_by_side(work: Callable[[Given], Made], items: Iterable[Given]) -> list[Made]:
    """What a function returns for each item, some of them at a time; raises what the first that fails raises."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE, "remote") as pool:
        waiting = [pool.submit(work, item) for item in items]
        try:
            return [each.result() for each in waiting]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass(frozen=True)
class Known:
    """What an installation remembers of a place: the commit records that both had, and whether it owes it some."""

    url: str
    records: tuple[str, ...] = ()
    is_behind: bool = False


def known(settings: Settings, remote: Remote) -> Known:
    """What is remembered of this place; nothing where it is another one than the last time."""
    try:
        raw: dict[str, Any] = json.loads(_known_file(settings).read_text(encoding="utf-8"))
        found = Known(**{**raw, "records": tuple(raw["records"])})
    except (OSError, ValueError, TypeError, KeyError):
        return Known(remote.url)
    return found if found.url == remote.url else Known(remote.url)


def remember(settings: Settings, found: Known) -> None:
    """Keep what is known of a place, for whoever goes on in this installation."""
    write_atomically(_known_file(settings), json.dumps(asdict(found), indent=1).encode())


def push(
    settings: Settings,
    remote: Remote,
    *,
    sources: Collection[str] | None = None,
    with_lake: bool = True,
    withdrawn: Collection[str] = (),
    leave_damaged: bool = False,
) -> Transfer:
    """Copy what the remote place lacks of archive, quarantine and lake, of some sources or all; returns what was.

    Commit records of `withdrawn` editions are deleted there. Raises LakeError where a committed file is gone or
    damaged here, unless such editions are to be left out, and RemoteError where the place cannot be used.
    """
    done = Transfer()
    _push_folder(settings.archive, remote, "archive", sources, done, last=".json")
    _push_folder(settings.quarantine, remote, "quarantine", sources, done, last=_REASON)
    if with_lake:
        _push_lake(settings, remote, sources, done, leave_damaged=leave_damaged)
        for record in withdrawn:
            remote.delete(f"lake/{record}")
    return done


def _push_folder(
    here: Path, remote: Remote, name: str, sources: Collection[str] | None, done: Transfer, *, last: str
) -> None:
    """Copy files of sources that the place lacks; those that make the others count come `last`."""
    lacking: tuple[list[str], list[str]] = [], []
    for part in _parts(name, sources):
        there = remote.names(part)
        base = here / part.partition("/")[2]
        for path in _files(base):
            own = path.relative_to(base).as_posix()
            full = f"{part}/{own}"
            if own in there and (name != "archive" or _IMMUTABLE.search(own) or _same(remote, full, path)):
                continue
            lacking[own.endswith(last)].append(full)
    root = here.parent
    for names in lacking:
        for size in side_by_side(lambda each: remote.put(root / each, each), names):
            done.add(size)


def _same(remote: Remote, name: str, path: Path) -> bool:
    return remote.read(name) == path.read_bytes()


def _push_lake(
    settings: Settings, remote: Remote, sources: Collection[str] | None, done: Transfer, *, leave_damaged: bool
) -> None:
    store = Lake(settings.lake)
    editions = {_record_of(e): e for e in store.editions() if sources is None or e.source_code in sources}
    there = remote.names("lake")
    said = remote.read_all(f"lake/{record}" for record in editions if record in there)
    lacking = {
        record: edition
        for record, edition in editions.items()
        if said.get(f"lake/{record}") != (settings.lake / record).read_bytes()
    }
    for record, edition in list(lacking.items()):
        if store.holds(edition):
            continue
        if not leave_damaged:
            raise LakeError(
                f"the committed files of {edition.source_code} {edition.edition_id} are gone or damaged",
                file=str(settings.lake / record),
                remedy="Load it again before it is pushed: biopharma run --force.",
            )
        del lacking[record]
    names = [name for edition in lacking.values() for name in _named(edition)]
    names = [name for name in names if there.get(name) != (settings.lake / name).stat().st_size]
    for part in (names, list(lacking)):
        for size in side_by_side(lambda name: remote.put(settings.lake / name, f"lake/{name}"), part):
            done.add(size)


def pull(
    settings: Settings, remote: Remote, *, sources: Collection[str] | None = None, with_lake: bool = True
) -> Transfer:
    """Copy what is lacking here of archive and lake, of some sources or all; returns what was copied.

    An edition counts when its commit record is here, and that is written after the files that it names, each checked
    against its hash. What is here and not there stays. Raises RemoteError.
    """
    done = Transfer()
    bytes_first: tuple[list[str], list[str]] = [], []
    for part in _parts("archive", sources):
        for own in remote.names(part):
            name = f"{part}/{own}"
            path = inside(settings.archive, name.removeprefix("archive/"))
            if not path.exists() or not (_IMMUTABLE.search(own) or _same(remote, name, path)):
                bytes_first[own.endswith(".json")].append(name)

    def get(name: str) -> int:
        path = inside(settings.archive, name.removeprefix("archive/"))
        # Bytes are named by their hash.
        return remote.get(name, path, sha256=None if name.endswith(".json") else path.name)

    for names in bytes_first:
        for size in side_by_side(get, names):
            done.add(size)
    if with_lake:
        _pull_lake(settings, remote, sources, done)
    return done


def _pull_lake(settings: Settings, remote: Remote, sources: Collection[str] | None, done: Transfer) -> None:
    parts = _parts("lake/_editions", sources)
    found = [f"{part}/{name}" for part in parts for name in remote.names(part) if name.endswith(".json")]
    store, incoming = Lake(settings.lake), Lake(settings.lake / "_incoming")
    said = remote.read_all(found)
    wanted: dict[str, Edition] = {}
    try:
        for name, content in sorted(said.items()):
            record = name.removeprefix("lake/")
            staged, path = inside(incoming.root, record), inside(settings.lake, record)
            write_atomically(staged, content)
            _, source_code, file_name = record.split("/")
            edition = incoming.edition(source_code, file_name.removesuffix(".json"))
            if edition is not None and not (path.exists() and path.read_bytes() == content and store.holds(edition)):
                wanted[record] = edition
        hashes = {load.file: load.sha256 for edition in wanted.values() for load in edition.tables}
        lacking = []
        for name in dict.fromkeys(name for edition in wanted.values() for name in _named(edition)):
            local, sha256 = inside(settings.lake, name), hashes.get(name)
            if not local.exists() or (sha256 is not None and sha256_of(local) != sha256):
                lacking.append(name)
        for size in side_by_side(
            lambda name: remote.get(f"lake/{name}", settings.lake / name, sha256=hashes.get(name)), lacking
        ):
            done.add(size)
        for record in wanted:
            path = settings.lake / record
            path.parent.mkdir(parents=True, exist_ok=True)
            (incoming.root / record).replace(path)
            done.add(path.stat().st_size)
    finally:
        for name in said:
            (incoming.root / name.removeprefix("lake/")).unlink(missing_ok=True)


def shared_records(settings: Settings, remote: Remote) -> tuple[str, ...]:
    """Commit records of the lake that are both here and there."""
    there = [f"_editions/{name}" for name in remote.names("lake/_editions")]
    return tuple(sorted(record for record in there if inside(settings.lake, record).exists()))


def pull_quarantine(settings: Settings, remote: Remote) -> list[str]:
    """Bring refused files that are in quarantine there; returns the folders (`<source>/<id>`) that both have now."""
    there = remote.names("quarantine")
    whole = [name.removesuffix(f"/{_REASON}") for name in there if name.endswith(f"/{_REASON}")]
    for folder in whole:
        if inside(settings.quarantine, folder).exists():
            continue
        names = [name for name in there if name.startswith(f"{folder}/")]
        for name in sorted(names, key=lambda name: name.endswith(_REASON)):
            remote.get(f"quarantine/{name}", inside(settings.quarantine, name))
    return whole


def drop_quarantine(settings: Settings, remote: Remote, folders: Iterable[str]) -> None:
    """Delete there what has left the quarantine here, of some folders; the reason, which makes it count, first."""
    gone = [folder for folder in folders if not (settings.quarantine / folder).exists()]
    for folder in gone:
        names = remote.names(f"quarantine/{folder}")
        for name in sorted(names, key=lambda name: name != _REASON):
            remote.delete(f"quarantine/{folder}/{name}")


def inside(root: Path, name: str) -> Path:
    """The path of a name below a folder; raises RemoteError for a name that leads out of it."""
    path = root / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(root.resolve()):
        raise RemoteError(
            f"the remote place names a file outside of its folder: {name}",
            remedy="Nothing was written. Do not use this place until you know who wrote that.",
        )
    return path


def _known_file(settings: Settings) -> Path:
    return settings.work / "remote.json"


def _parts(name: str, sources: Collection[str] | None) -> list[str]:
    return [name] if sources is None else [f"{name}/{code}" for code in sorted(sources)]


def _record_of(edition: Edition) -> str:
    return f"_editions/{edition.source_code}/{edition.edition_id}.json"


def _named(edition: Edition) -> list[str]:
    return [load.file for load in edition.tables] + ([edition.quarantine_file] if edition.quarantine_file else [])


def _files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))
