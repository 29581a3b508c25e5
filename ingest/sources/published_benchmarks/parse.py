"""Published rankings of medicines, curated: reviewed tables in the layout of the bundled edition."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.edition import parse_curated
from ingest.source import Parsed, SourceFile


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Rows of `sales_observation.csv`; raises LayoutError for any other table or layout."""
    return parse_curated("published_benchmarks", files)
