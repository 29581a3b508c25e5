"""National R&D figures, curated: the reviewed table in the layout of the bundled edition."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.edition import parse_curated
from ingest.source import Parsed, SourceFile


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of the curated table `rnd_observation.csv`; see :func:`ingest.edition.parse_curated`."""
    return parse_curated("national_overrides", files)
