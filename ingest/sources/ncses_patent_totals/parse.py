"""Patents of all technical fields by country, curated: reviewed rows in the layout of the bundled edition."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.edition import parse_curated
from ingest.source import Parsed, SourceFile


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Rows of `patent_count.csv`, one per economy and year; raises LayoutError for any other table or layout."""
    return parse_curated("ncses_patent_totals", files)
