"""Archive and lake on any fsspec path (S3 and what speaks like it, a shared disk), copied by manifest.

    <url>/lake/...        as below the installation; a commit record is written after the files that it names
    <url>/archive/...     publishers' bytes; a sidecar is written after the bytes that it describes

Files are immutable and named by what made them, so that a copy is complete when the small file that names the others
is there: an upload that dies leaves nothing that a reader would see, and several machines may write to one place.

Runs read their own disk. A run reads a canonical table several times (expectations, staging, models), and DuckDB's
own reader of S3 is an extension that is not always to be had; each Parquet file is fetched once instead, and checked
against the SHA-256 in its commit record.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from ingest.archive import sha256_of
from ingest.errors import IngestError, LakeError
from ingest.lake import Lake
from ingest.settings import Settings

VARIABLE = "BIOPHARMA_REMOTE"


class RemoteError(IngestError):
    """A place far away cannot be reached, or does not hold what its manifest says."""


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
        try:
            fs, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise RemoteError(
                f"{url} is no address that can be written to ({error})",
                remedy="Give one such as s3://bucket/folder, or file:///folder.",
            ) from error
        self.url = url
        self._fs: Any = fs
        self._root = str(root).rstrip("/")

    @classmethod
    def from_env(cls, url: str | None = None) -> Remote:
        """The place that is named, or that of BIOPHARMA_REMOTE; raises RemoteError where neither is given."""
        chosen = url or os.environ.get(VARIABLE)
        if not chosen:
            raise RemoteError("no remote place is named", remedy=f"Give its address, or set {VARIABLE}.")
        return cls(chosen)

    def names(self, folder: str) -> dict[str, int]:
        """Files below a folder, by their name in it, with their size in bytes."""
        base = f"{self._root}/{folder}"
        try:
            self._fs.invalidate_cache()
            found = self._fs.find(base, detail=True)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._failure(error) from error
        start = len(self._fs._strip_protocol(base)) + 1
        return {name[start:]: int(entry["size"]) for name, entry in found.items() if entry["type"] == "file"}

    def put(self, path: Path, name: str) -> int:
        """Copy a file; returns its size in bytes. It is there whole or not at all."""
        target = f"{self._root}/{name}"
        try:
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            # A driver of local disks writes beside the target and renames; S3 shows an object when it is complete.
            with self._fs.transaction:
                self._fs.put_file(str(path), target)
        except OSError as error:
            raise self._failure(error) from error
        return path.stat().st_size

    def read(self, name: str) -> bytes | None:
        """Content of a small file, or None if it is not there."""
        try:
            self._fs.invalidate_cache()
            content: bytes = self._fs.cat_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failure(error) from error
        return content

    def get(self, name: str, path: Path, *, sha256: str | None = None) -> int:
        """Copy a file to this disk, under its name when it is whole; returns its size in bytes.

        Raises RemoteError where it is not there or has another hash than it should have.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
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
        except OSError as error:
            raise self._failure(error) from error
        finally:
            temporary.unlink(missing_ok=True)
        return size

    def file_system(self, folder: str) -> Any:
        """A file system of fsspec's that sees a folder of the place and nothing else."""
        from fsspec.implementations.dirfs import DirFileSystem

        return DirFileSystem(path=f"{self._root}/{folder}", fs=self._fs)

    def _failure(self, error: Exception) -> RemoteError:
        return RemoteError(
            f"the remote place cannot be used ({error})",
            file=self.url,
            remedy="Look at its address, and at the credentials and endpoint in the environment.",
        )


def push(settings: Settings, remote: Remote) -> Transfer:
    """Copy what the remote place lacks of archive and lake; returns what was copied.

    Raises LakeError where a committed file is gone or damaged here, and RemoteError where the place cannot be used.
    """
    done = Transfer()
    there = remote.names("archive")
    here = {p.relative_to(settings.archive).as_posix(): p for p in _files(settings.archive)}
    # Bytes before the sidecars that make them count.
    for name in sorted(here, key=lambda name: (name.endswith(".json"), name)):
        if name not in there:
            done.add(remote.put(here[name], f"archive/{name}"))
    there = remote.names("lake")
    store = Lake(settings.lake)
    for edition in store.editions():
        record = f"_editions/{edition.source_code}/{edition.edition_id}.json"
        path = settings.lake / record
        if record in there and remote.read(f"lake/{record}") == path.read_bytes():
            continue
        if not store.holds(edition):
            raise LakeError(
                f"the committed files of {edition.source_code} {edition.edition_id} are gone or damaged",
                file=str(path),
                remedy="Load it again before it is pushed: biopharma run --force.",
            )
        for name in _named(edition.tables, edition.quarantine_file):
            local = settings.lake / name
            if there.get(name) != local.stat().st_size:
                done.add(remote.put(local, f"lake/{name}"))
        done.add(remote.put(path, f"lake/{record}"))
    return done


def pull(settings: Settings, remote: Remote) -> Transfer:
    """Copy what is lacking here of archive and lake; returns what was copied.

    An edition counts when its commit record is here, and that is written after the files that it names, each checked
    against its hash. What is here and not there stays. Raises RemoteError.
    """
    done = Transfer()
    there = remote.names("archive")
    for name in sorted(there, key=lambda name: (name.endswith(".json"), name)):
        path = inside(settings.archive, name)
        if not path.exists():
            # Bytes are named by their hash.
            sha256 = None if name.endswith(".json") else path.name
            done.add(remote.get(f"archive/{name}", path, sha256=sha256))
    records = [name for name in remote.names("lake") if name.startswith("_editions/") and name.endswith(".json")]
    store = Lake(settings.lake)
    incoming = Lake(settings.lake / "_incoming")
    for record in sorted(records):
        staged, path = inside(incoming.root, record), inside(settings.lake, record)
        size = remote.get(f"lake/{record}", staged)
        try:
            _, source_code, file_name = record.split("/")
            edition = incoming.edition(source_code, file_name.removesuffix(".json"))
            if edition is None or (
                path.exists() and path.read_bytes() == staged.read_bytes() and store.holds(edition)
            ):
                continue
            hashes = {load.file: load.sha256 for load in edition.tables}
            for name in _named(edition.tables, edition.quarantine_file):
                local, sha256 = inside(settings.lake, name), hashes.get(name)
                if not local.exists() or (sha256 is not None and sha256_of(local) != sha256):
                    done.add(remote.get(f"lake/{name}", local, sha256=sha256))
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(path)
            done.add(size)
        finally:
            staged.unlink(missing_ok=True)
    return done


def inside(root: Path, name: str) -> Path:
    """The path of a name below a folder; raises RemoteError for a name that leads out of it."""
    path = root / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(root.resolve()):
        raise RemoteError(
            f"the remote place names a file outside of its folder: {name}",
            remedy="Nothing was written. Do not use this place until you know who wrote that.",
        )
    return path


def _named(tables: Iterable[Any], quarantine_file: str | None) -> list[str]:
    return [load.file for load in tables] + ([quarantine_file] if quarantine_file else [])


def _files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))
