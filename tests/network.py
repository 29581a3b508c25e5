"""A guard that notes every attempt to reach another machine, and refuses it."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from ingest.settings import PROJECT_ROOT

_HELD: list[object] = []


class NoNetworkError(OSError):
    """Something tried to reach another machine."""


@contextmanager
def guarded(journal: Path | None = None) -> Iterator[list[str]]:
    """Refuse connections and name look-ups beyond loopback, of all threads; yields what was attempted.

    What is attempted is also added to a journal, which other processes may share.
    """
    attempts: list[str] = []
    connect, connect_ex, resolve = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse(host: object) -> None:
        attempts.append(str(host))
        if journal is not None:
            _note(journal, f"attempt {host}")
        raise NoNetworkError(f"an attempt to reach {host}")

    def checked(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            refuse(address)

    def guarded_connect(self: socket.socket, address: Any) -> None:
        checked(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        checked(self, address)
        return connect_ex(self, address)

    def guarded_resolve(host: Any, *arguments: Any, **options: Any) -> Any:
        if host is not None and not _is_loopback(host):
            refuse(host)
        return resolve(host, *arguments, **options)

    with (
        mock.patch.object(socket.socket, "connect", guarded_connect),
        mock.patch.object(socket.socket, "connect_ex", guarded_connect_ex),
        mock.patch.object(socket, "getaddrinfo", guarded_resolve),
    ):
        yield attempts


def guard_of_processes(folder: Path) -> tuple[dict[str, str], Path]:
    """Variables under which every Python process guards itself, and the journal: a line for each, and each attempt.

    Sockets that a library opens without Python's module (gRPC does) are not seen.
    """
    journal = folder / "journal.txt"
    (folder / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(PROJECT_ROOT)!r})\n"
        "from pathlib import Path\n"
        "from tests import network\n"
        f"network.guard_this_process(Path({str(journal)!r}))\n",
        encoding="utf-8",
    )
    return {"PYTHONPATH": str(folder)}, journal


def guard_this_process(journal: Path) -> None:
    """Guard until the process ends."""
    _note(journal, f"guarded {os.getpid()}")
    guard = guarded(journal)
    guard.__enter__()
    # A guard that nobody holds is taken down.
    _HELD.append(guard)


def _note(journal: Path, line: str) -> None:
    with journal.open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")


def _is_loopback(host: Any) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return text == "localhost" or ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
