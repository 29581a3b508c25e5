"""The newest annual report of every company of the reviewed list, found in EDGAR's list of the company's filings.

`submissions/CIK##########.json` holds the latest filings as columns of equal length: accessionNumber, filingDate,
form, primaryDocument and more. The main document is archived under a name that tells accession, form and day of
filing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from ingest import edgar, vocabulary
from ingest.fetch import Client, Download, FetchError

_LISTING = "https://data.sec.gov/submissions/CIK{}.json"
_DOCUMENT = "https://www.sec.gov/Archives/edgar/data/{}/{}/{}"


def requests(client: Client) -> Iterable[Download]:
    """One download, and so one edition, per company; raises FetchError where a listing is not as described above."""
    edgar.require_contact(client)
    for cik in vocabulary.table("sec_filer")["cik"].to_list():
        address = _LISTING.format(cik)
        listing = client.get_json(Download(url=address, name=f"CIK{cik}.json"))
        yield from _newest(cik, listing, address)


def _newest(cik: str, listing: Any, address: str) -> Iterator[Download]:
    try:
        recent = listing["filings"]["recent"]
        columns = [
            recent[name] for name in ("accessionNumber", "filingDate", "form", "primaryDocument", "isInlineXBRL")
        ]
        filings = sorted(
            (date.fromisoformat(filed), accession, form, document)
            for accession, filed, form, document, is_inline in zip(*columns, strict=True)
            if is_inline and form in edgar.ANNUAL_FORMS
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FetchError(
            f"the list of filings is not laid out as expected ({type(error).__name__}: {error})",
            file=address,
            remedy="If the SEC changed the format, fetch.py of sec_ixbrl must follow.",
        ) from error
    # A company that has been taken over may have no annual report among its latest filings.
    for filed, accession, form, document in filings[-1:]:
        yield Download(
            url=_DOCUMENT.format(int(cik), accession.replace("-", ""), document),
            name=f"{accession}_{form}_filed_{filed}_{document}",
            group=accession,
            published_on=filed,
        )
