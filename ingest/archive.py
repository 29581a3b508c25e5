"""The archive: publishers' bytes, untouched, named by their SHA-256, each with a sidecar.

Layout: `<archive>/<source>/<aa>/<sha256>` for the bytes and `<sha256>.json` beside them. The same bytes again
make no new entry; nothing is ever changed or deleted here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from ingest.errors import LakeError
from ingest.source import Source, SourceFile

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Sidecar:
    """What is known of archived bytes beyond the bytes."""

    source_code: str
    name: str
    sha256: str
    size_bytes: int
    url: str | None
    fetched_at: str
    published_on: str | None
    licence: str
    citation: str


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def copy_atomically(path: Path, target: Path) -> None:
    """Copy a file of any size so that a reader, or a crash, sees all of it or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(path, temporary)
    temporary.replace(target)


def clear_leftovers(*roots: Path) -> list[Path]:
    """Delete temporary files (`.<name>.<process>.tmp`) of processes that are no more; returns their paths."""
    cleared = []
    for root in roots:
        for path in root.rglob(".*.tmp"):
            process = path.name.split(".")[-2]
            if process.isdigit() and not _is_running(int(process)):
                path.unlink(missing_ok=True)
                cleared.append(path)
    return cleared


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Archive:
    """The archive below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _bytes_path(self, source_code: str, sha256: str) -> Path:
        return self.root / source_code / sha256[:2] / sha256

    def put(
        self,
        source: Source,
        path: Path,
        *,
        url: str | None = None,
        published_on: date | None = None,
        fetched_at: datetime | None = None,
        sha256: str | None = None,
    ) -> tuple[SourceFile, bool]:
        """Store a file's bytes; returns the archived file and whether the bytes are new.

        Bytes that are already archived keep their first sidecar, so that an unchanged pull is no new edition.
        `sha256` is the file's hash where the caller has just computed it.
        """
        sha256 = sha256 or sha256_of(path)
        target = self._bytes_path(source.code, sha256)
        sidecar_path = target.with_suffix(".json")
        is_new = not sidecar_path.exists()
        if is_new:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{sha256}.{os.getpid()}.tmp")
            shutil.copyfile(path, temporary)
            temporary.chmod(0o444)
            temporary.replace(target)
            sidecar = Sidecar(
                source_code=source.code,
                name=path.name,
                sha256=sha256,
                size_bytes=path.stat().st_size,
                url=url,
                fetched_at=(fetched_at or datetime.now(UTC)).isoformat(),
                published_on=published_on.isoformat() if published_on else None,
                licence=source.spec.licence.name,
                citation=source.spec.citation,
            )
            # The sidecar comes last: bytes without one are an interrupted put, and are put again.
            write_atomically(sidecar_path, json.dumps(asdict(sidecar), indent=2, ensure_ascii=False).encode())
        return self.get(source.code, sha256), is_new

    def get(self, source_code: str, sha256: str) -> SourceFile:
        """The archived file of that hash; raises LakeError if it is absent or its bytes were changed."""
        path = self._bytes_path(source_code, sha256)
        sidecar_path = path.with_suffix(".json")
        if not (path.exists() and sidecar_path.exists()):
            raise LakeError(
                f"the archive holds no bytes {sha256[:12]}… of {source_code}",
                remedy="Fetch or load the file again.",
            )
        if sha256_of(path) != sha256:
            raise LakeError(
                "archived bytes no longer have the hash they are named by",
                file=str(path),
                remedy="Remove the file and its sidecar, and fetch or load it again.",
            )
        record = Sidecar(**json.loads(sidecar_path.read_text(encoding="utf-8")))
        return SourceFile(
            path=path,
            name=record.name,
            sha256=sha256,
            published_on=date.fromisoformat(record.published_on) if record.published_on else None,
            fetched_at=datetime.fromisoformat(record.fetched_at),
            url=record.url,
        )

    def find(self, sha256: str) -> Path | None:
        """Path of archived bytes of any source by hash, or None."""
        return next((path for path in self.root.glob(f"*/{sha256[:2]}/{sha256}")), None)
