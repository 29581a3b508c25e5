"""Japanese approvals of regenerative medical products, curated: the rows stand in `product_identity.csv`."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.edition import parse_curated
from ingest.source import Parsed, SourceFile


def parse(files: Sequence[SourceFile]) -> Parsed:
    """The curated rows of a `product_identity.csv`, one per product; raises LayoutError for another layout."""
    return parse_curated("regenerative_products", files)
