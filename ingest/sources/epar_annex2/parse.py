"""EPAR Annex II, curated: the rows stand in `site_role.csv`, one per product, site and role."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.edition import parse_curated
from ingest.source import Parsed, SourceFile


def parse(files: Sequence[SourceFile]) -> Parsed:
    """The curated rows of a `site_role.csv` in the layout of the bundled edition; raises LayoutError otherwise."""
    return parse_curated("epar_annex2", files)
