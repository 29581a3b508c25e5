"""Where the newest monthly file of the Purple Book is: the page of the downloads lists all months."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from urllib.parse import urljoin

from lxml import html  # type: ignore[import-untyped]

from ingest.fetch import Client, Download, FetchError

PAGE = "https://purplebooksearch.fda.gov/downloads"
# The capitalisation of the month differs from link to link.
_LINK = re.compile(r"/(\d{4})/purplebook-search-([a-z]+)-data-download\.csv$", re.IGNORECASE)
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}


def requests(client: Client) -> Iterable[Download]:
    """The newest monthly file; raises FetchError where the page lists none."""
    page = client.get_text(Download(PAGE, "downloads"))
    links = html.fromstring(page).xpath("//a/@href") if page.strip() else []
    found = [
        (int(match.group(1)), _MONTHS[match.group(2).lower()], urljoin(PAGE, link))
        for link in map(str, links)
        if (match := _LINK.search(link)) and match.group(2).lower() in _MONTHS
    ]
    if not found:
        raise FetchError(
            "the page lists no monthly data download",
            file=PAGE,
            remedy="The FDA refuses some user agents with such a page: set BIOPHARMA_USER_AGENT with a contact "
            "address; if the page has changed, the connector must follow.",
        )
    year, month, url = max(found)
    return [Download(url, f"purplebook_{year}-{month:02}.csv")]
