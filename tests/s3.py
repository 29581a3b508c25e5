"""An S3 server on loopback (moto's), for tests of places far away."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from ingest.remote import Remote, Transfer
from ingest.settings import Settings
from orchestration import reader, release, remote
from orchestration.remote import Published


@contextmanager
def server() -> Iterator[str]:
    """Address of an S3 server, which ends with the context."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        running.stop()


def empty_place(address: str, patch: pytest.MonkeyPatch, bucket: str) -> Remote:
    """A place in a new bucket; the environment names the server and its keys."""
    patch.setenv("AWS_ENDPOINT_URL", address)
    patch.setenv("AWS_ACCESS_KEY_ID", "synthetic")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "synthetic")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    fsspec.filesystem("s3").mkdir(bucket)
    return Remote(f"s3://{bucket}/biopharma")


def little_release(settings: Settings, number: int, before: Published | None, *, text: str = "synthetic") -> Path:
    """A directory that is laid out as a release and holds a few bytes, in an installation."""
    directory = settings.releases / f"{number:04d}"
    directory.mkdir(parents=True)
    files = {"own.txt": text.encode() * 1000, "other/own.txt": b"synthetic", reader.DATABASE: b""}
    for name, content in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content)
    manifest = {
        "release_id": directory.name,
        "created_by": settings.home.name,
        "as_of": None,
        "fingerprint": text,
        "tables": {},
        "previous_release_id": before.release_id if before else None,
        "previous_manifest_sha256": before.manifest_sha256 if before else None,
        "files": {name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()},
    }
    (directory / release.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return directory


def racing(runners: list[tuple[Settings, Remote, Path]]) -> list[bool]:
    """Push releases of several installations at the same instant; returns which were published."""
    begin = threading.Barrier(len(runners))

    def push(settings: Settings, place: Remote, directory: Path) -> bool:
        begin.wait()
        try:
            return remote.push_release(settings, place, directory, Transfer())
        except remote.OvertakenError:
            return False

    with ThreadPoolExecutor(len(runners)) as pool:
        return list(pool.map(lambda runner: push(*runner), runners))
