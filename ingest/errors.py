"""Errors that tell the reader what was wrong, where, and what to do."""

from __future__ import annotations


class IngestError(Exception):
    """A load could not be done.

    The text names the file, the sheet and the row where they are known, and ends with a remedy.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | None = None,
        sheet: str | None = None,
        row: int | None = None,
        remedy: str,
    ) -> None:
        # Libraries put line breaks, and what they did inside, into what is quoted of them.
        self.problem = " ".join(line.strip() for line in problem.splitlines())
        self.file = file
        self.sheet = sheet
        self.row = row
        self.remedy = remedy
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """One line: where, what, and what to do."""
        where = [
            part
            for part in (
                self.file,
                f"sheet {self.sheet!r}" if self.sheet else None,
                f"row {self.row}" if self.row is not None else None,
            )
            if part
        ]
        prefix = ", ".join(where) + ": " if where else ""
        return f"{prefix}{self.problem.rstrip('.')}. {self.remedy}"


class GateError(IngestError):
    """A file failed its gate before parsing (empty, an HTML page, truncated, of another type)."""


class LayoutError(IngestError):
    """A file passed its gate but is not laid out as the parser expects."""


class ContractError(IngestError):
    """Canonical rows break the contract of their table as a whole (a missing column, a wrong type)."""


class VocabularyError(IngestError):
    """A reviewed map is missing, malformed or contradicts itself."""


class SourceError(IngestError):
    """A source folder is incomplete or a source code is unknown."""


class LakeError(IngestError):
    """The lake or the archive is damaged or does not hold what a record says it holds."""


class SettingsError(IngestError):
    """A setting in the environment has a value that is none."""


class RemoteError(IngestError):
    """A place far away cannot be used, or does not hold what its manifest says."""


class UnreachableError(RemoteError):
    """A place far away does not answer, or refuses what was asked of it; it may be there again at the next try."""
