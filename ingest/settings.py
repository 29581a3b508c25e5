"""Where the warehouse lives and how much of the machine it may use."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import SettingsError

PROJECT_ROOT = Path(__file__).resolve().parents[1]
AUDIENCES = ("public", "private")


def _number(name: str, default: int, *, least: int = 1) -> int:
    text = os.environ.get(name, str(default))
    if not text.strip().isdigit() or int(text) < least:
        raise SettingsError(f"{name} is {text!r}", remedy=f"Set it to a whole number from {least}, or unset it.")
    return int(text)


@dataclass(frozen=True)
class Settings:
    """Directories of one installation, all below `home`.

    `memory_limit` is handed to DuckDB (build and expectations alike) and to Polars, `threads` to DuckDB.
    `audience` is public or private: figures whose licence forbids passing them on enter private releases only.
    `keep_releases` newest releases are kept, and all that are younger than `keep_days` days. `remote` is the address
    of a place (s3://bucket/folder, file:///folder) that is the home of the warehouse: this disk holds a copy then.
    """

    home: Path
    memory_limit: str = "4GB"
    threads: int = 2
    audience: str = "public"
    keep_releases: int = 10
    keep_days: int = 30
    remote: str | None = None

    @classmethod
    def from_env(cls) -> Settings:
        """Settings from BIOPHARMA_HOME (default: `var` in the checkout), BIOPHARMA_MEMORY, BIOPHARMA_THREADS,
        BIOPHARMA_AUDIENCE, BIOPHARMA_KEEP_RELEASES, BIOPHARMA_KEEP_DAYS and BIOPHARMA_REMOTE.

        Raises SettingsError for a value that is none.
        """
        audience = os.environ.get("BIOPHARMA_AUDIENCE", "public")
        if audience not in AUDIENCES:
            raise SettingsError(
                f"BIOPHARMA_AUDIENCE is {audience!r}", remedy=f"Set it to one of {', '.join(AUDIENCES)}, or unset it."
            )
        return cls(
            home=Path(os.environ.get("BIOPHARMA_HOME", PROJECT_ROOT / "var")).expanduser().resolve(),
            memory_limit=os.environ.get("BIOPHARMA_MEMORY", "4GB"),
            threads=_number("BIOPHARMA_THREADS", 2),
            audience=audience,
            keep_releases=_number("BIOPHARMA_KEEP_RELEASES", 10),
            keep_days=_number("BIOPHARMA_KEEP_DAYS", 30, least=0),
            remote=os.environ.get("BIOPHARMA_REMOTE") or None,
        )

    @property
    def memory_bytes(self) -> int | None:
        """`memory_limit` as a number, or None where it is none (4GB and 4GiB are some)."""
        match = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT])(i?)B\s*", self.memory_limit, re.IGNORECASE)
        if match is None:
            return None
        return int(float(match[1]) * (1024 if match[3] else 1000) ** ("KMGT".index(match[2].upper()) + 1))

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


def _limit_polars() -> None:
    """Tell Polars when to spill to disk, and where: as DuckDB does, beyond the memory limit.

    It asks its environment once, as it is imported, so that this is done as this module is. What stands there already
    is left.
    """
    # Whoever asks for the settings is told what is wrong with them.
    with suppress(SettingsError):
        settings = Settings.from_env()
        if settings.memory_bytes is not None:
            os.environ.setdefault("POLARS_OOC_MEMORY_BUDGET_MB", str(max(1, settings.memory_bytes // 1_000_000)))
        os.environ.setdefault("POLARS_OOC_SPILL_DIR", str(settings.work / "spill" / "polars"))


_limit_polars()
