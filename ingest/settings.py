"""Where the warehouse lives and how much of the machine it may use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """Directories of one installation, all below `home`.

    `memory_limit` and `threads` are handed to DuckDB (build and expectations alike).
    """

    home: Path
    memory_limit: str = "4GB"
    threads: int = 2

    @classmethod
    def from_env(cls) -> Settings:
        """Settings from BIOPHARMA_HOME (default: `var` in the checkout), BIOPHARMA_MEMORY, BIOPHARMA_THREADS."""
        return cls(
            home=Path(os.environ.get("BIOPHARMA_HOME", PROJECT_ROOT / "var")).expanduser().resolve(),
            memory_limit=os.environ.get("BIOPHARMA_MEMORY", "4GB"),
            threads=int(os.environ.get("BIOPHARMA_THREADS", "2")),
        )

    @property
    def archive(self) -> Path:
        """Publishers' bytes, named by their SHA-256."""
        return self.home / "archive"

    @property
    def lake(self) -> Path:
        """Canonical rows as Parquet."""
        return self.home / "lake"

    @property
    def quarantine(self) -> Path:
        """Files that failed their gate, each with the reason."""
        return self.home / "quarantine"

    @property
    def work(self) -> Path:
        """Private work files of a run."""
        return self.home / "work"

    @property
    def work_file(self) -> Path:
        """The DuckDB file that a run builds; never opened by readers."""
        return self.work / "warehouse.duckdb"

    @property
    def releases(self) -> Path:
        """Numbered, immutable releases."""
        return self.home / "releases"

    @property
    def current(self) -> Path:
        """Symbolic link to the current release."""
        return self.home / "current"

    @property
    def dagster_home(self) -> Path:
        """Dagster's run history."""
        return self.home / "dagster"

    @property
    def dbt_project(self) -> Path:
        """The dbt project of this checkout."""
        return PROJECT_ROOT / "dbt_project"
