"""A real PostgreSQL server on the loopback interface, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def server_tools() -> Path:
    """Folder of initdb and postgres; skips the test where no server is installed."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    usable = next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)
    if usable is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    return usable


def as_other_user() -> dict[str, int]:
    """PostgreSQL refuses to run as root: another user for it where these tests run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    pytest.skip("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")


@contextmanager
def database() -> Iterator[str]:
    """Address of an empty database; the server ends with the context. Skips the test where none can be started."""
    tools, who = server_tools(), as_other_user()
    # Below /tmp itself: pytest's own folders are closed to other users.
    place = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    if who:
        os.chown(place, who["user"], who["group"])
    data = place / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(
        [tools / "initdb", "-D", data, "-U", "dagster", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"],
        check=True,
        capture_output=True,
        cwd=place,
        **who,
    )
    server = subprocess.Popen(
        [tools / "postgres", "-D", data, "-p", str(port), "-k", place, "-h", "127.0.0.1", "-F"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=place,
        **who,
    )
    try:
        ready = [tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        deadline = time.monotonic() + 20
        while subprocess.run(ready, check=False).returncode:
            assert time.monotonic() < deadline and server.poll() is None, "the server did not start"
            time.sleep(0.1)
        yield f"postgresql://dagster@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(2)
        server.wait(timeout=20)
        shutil.rmtree(place, ignore_errors=True)
