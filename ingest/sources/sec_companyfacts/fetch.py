"""Company facts, one JSON per company of the reviewed list `vocabulary/sec_filer.csv`."""

from __future__ import annotations

from collections.abc import Iterable

from ingest import edgar, vocabulary
from ingest.fetch import Client, Download

_ADDRESS = "https://data.sec.gov/api/xbrl/companyfacts/CIK{}.json"


def requests(client: Client) -> Iterable[Download]:
    """One download, and so one edition partition, per company; raises FetchError where no contact address is set."""
    edgar.require_contact(client)
    codes = vocabulary.table("sec_filer")["cik"].to_list()
    return [Download(url=_ADDRESS.format(cik), name=f"CIK{cik}.json", group=f"CIK{cik}") for cik in codes]
