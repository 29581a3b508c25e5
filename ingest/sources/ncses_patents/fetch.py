"""The copies of NCSES's tables, one edition each.

The publisher's own workbooks (https://ncses.nsf.gov/indicators) were not at hand; what is fetched is the copy of a
third party at one commit, whose bytes do not change, from which the bundled edition is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ingest.fetch import Client, Download

_COMMIT = "1f879ab65ed260668840db406611ddc10e8455bc"
_ADDRESS = "https://raw.githubusercontent.com/bq-org/ncses_stats_explorer_placeholder/{commit}/output/tables/{table}/data.csv"
_COPIED_ON = date(2025, 3, 27)
TABLES = ("5820", "5835", "5836", "5874", "5875")


def requests(client: Client) -> Iterable[Download]:
    """One download per table; all technical fields (5820) too, which the bundled edition has from a curated table."""
    for table in TABLES:
        yield Download(
            url=_ADDRESS.format(commit=_COMMIT, table=table),
            name=f"ncses_{table}.csv",
            group=table,
            published_on=_COPIED_ON,
        )
