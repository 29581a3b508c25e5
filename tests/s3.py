"""An S3 server on loopback (moto's), for tests of places far away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from ingest.remote import Remote


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
