"""Medicare Part D spending by drug to `sales_observation`: the CSV of ingest/cms.py, a row per manufacturer.

A drug is a pair of brand and generic name; there is no code. The row of the manufacturer `Overall` is the
publisher's total of the drug: it becomes a `total`, never a product.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest import cms
from ingest.source import Parsed, SourceFile


def parse(files: Sequence[SourceFile]) -> Parsed:
    """One row per drug, manufacturer and calendar year, in US dollars, gross of rebates.

    Rules and errors are those of :func:`ingest.cms.parse`. The unit price is the publisher's average weighted over
    the strengths of a drug, so that it need not be value by quantity.
    """
    return cms.parse(files, cms.PART_D)
