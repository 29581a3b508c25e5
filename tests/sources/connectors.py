"""What the tests of live connectors share: fetch from the local publisher, load what was archived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ingest.fetch import Fetched, editions_of, fetch_source
from ingest.lake import Edition
from ingest.load import load_archived
from ingest.settings import Settings
from ingest.source import Source
from tests.publisher import Publisher
from tests.sources.rnd import source_of


@dataclass
class Connector:
    """One source against the local publisher, without waiting between requests."""

    settings: Settings
    publisher: Publisher
    source: Source
    hosts: tuple[str, ...]
    environment: Mapping[str, str]

    def fetch(self) -> list[Fetched]:
        """Fetch all current files into the archive."""
        return fetch_source(
            self.settings, self.source, routes=self.publisher.routes(*self.hosts), environment=self.environment
        )

    def run(self) -> list[Edition]:
        """Fetch and load every edition, as the pipeline does."""
        groups = editions_of(self.fetch())
        return [load_archived(self.settings, self.source, [item.file for item in group]) for group in groups.values()]

    def rows(self, edition: Edition, table: str) -> pl.DataFrame:
        """The rows that an edition put into a canonical table of the lake."""
        (found,) = [load for load in edition.tables if load.table_name == table]
        return pl.read_parquet(self.settings.lake / found.file)

    def archived(self) -> list[Path]:
        """Sidecars in the archive."""
        return list(self.settings.archive.glob("*/*/*.json"))


def connector(
    settings: Settings,
    publisher: Publisher,
    code: str,
    *hosts: str,
    environment: Mapping[str, str] | None = None,
) -> Connector:
    """A connector of a source whose politeness is switched off, since it talks to the loopback interface."""
    source = source_of(code)
    quick = source.spec.fetch.model_copy(update={"seconds_between_requests": 0.0, "backoff_seconds": 0.01})
    source.spec = source.spec.model_copy(update={"fetch": quick})
    return Connector(settings, publisher, source, hosts, environment or {})
