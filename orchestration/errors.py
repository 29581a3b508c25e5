"""Errors of a run: what stopped it, and what to do. None of them touches the current release."""

from __future__ import annotations

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
