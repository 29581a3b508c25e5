"""Japan's survey of the pharmaceutical industry's production, curated: the table of the bundled edition."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.edition import parse_curated
from ingest.source import Parsed, SourceFile


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Rows of a `production_observation.csv` in the layout of the bundled edition; raises LayoutError otherwise."""
    return parse_curated("mhlw_production", files)
