"""Every release of Part D spending that the catalogue of data.cms.gov lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ingest import cms

if TYPE_CHECKING:
    from ingest.fetch import Client, Download

TITLE = "Medicare Part D Spending by Drug"


def requests(client: Client) -> Iterable[Download]:
    """The CSV of every release, one edition in all; raises FetchError where the catalogue lists none."""
    return cms.releases(client, TITLE)
