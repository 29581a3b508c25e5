"""Errors of a run: what stopped it, and what to do. None of them touches the current release."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ingest.errors import IngestError

if TYPE_CHECKING:
    from ingest.lake import Edition


class PartlyFetchedError(IngestError):
    """Some editions of a source could not be loaded; `editions` are the records of those that were."""

    def __init__(self, problem: str, *, editions: list[Edition], remedy: str) -> None:
        super().__init__(problem, remedy=remedy)
        self.editions = editions


class RunError(IngestError):
    """A run, or reading what a run has published, could not be done."""


class BusyError(RunError):
    """Another process holds the warehouse."""


class BlockedError(RunError):
    """An expectation of severity `fail` did not hold, so nothing downstream of it is built or published."""


class BuildError(RunError):
    """dbt could not build a model, or a test of severity `error` failed."""


class ReleaseError(RunError):
    """A release cannot be made, or does not hold what its manifest says."""


class StorageError(RunError):
    """The disk is full, or something may not be written."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_FULL_TEXT = ("No space left on device", "File too large", "Disk quota exceeded", "Failed to offload data block")
_CLOSED_TEXT = ("Read-only file system", "Permission denied", "Operation not permitted")


def as_storage_error(error: BaseException) -> StorageError | None:
    """What the operating system refused, in words; None for an error of another kind.

    Python says it by number; DuckDB and Polars only in the text of their own errors.
    """
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    name = str(error.filename) if isinstance(error, OSError) and error.filename else None
    if number in _FULL or any(words in text for words in _FULL_TEXT):
        return StorageError(
            f"there is no room left to write ({text})",
            file=name,
            remedy="Free space, or raise the quota, and run again; the current release stands.",
        )
    if number in _CLOSED or any(words in text for words in _CLOSED_TEXT):
        return StorageError(
            f"something may not be read or written ({text})",
            file=name,
            remedy="Give this user the installation's folder to write in, and run again; the current release stands.",
        )
    return None


class ExplainError(RunError):
    """A figure cannot be explained: there is none, there are too many, or its models cannot be taken apart."""
