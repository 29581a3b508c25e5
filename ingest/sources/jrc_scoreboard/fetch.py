"""Where the workbook of the newest Scoreboard is: the page of each edition links to it.

An edition appears each December; its page is named after the year, its workbooks after year and scope
(`SB2023_World2500.xlsx`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import unquote, urljoin

from ingest.fetch import AbsentError, Client, Download, FetchError

_PAGE = "https://iri.jrc.ec.europa.eu/scoreboard/{year}-eu-industrial-rd-investment-scoreboard"
_LINK = re.compile(r"""href=["']([^"']+\.xlsx)["']""", re.IGNORECASE)
_WORLD = re.compile(r"SB(20\d\d)[ _-]*(?:-[ _]*)?World[ _-]*\d*\.xlsx", re.IGNORECASE)
_YEARS_BACK = 3


def requests(client: Client) -> Iterator[Download]:
    """The workbook of the newest edition that is published; raises FetchError where no page links to one."""
    newest = datetime.now(UTC).year
    for year in range(newest, newest - _YEARS_BACK, -1):
        address = _PAGE.format(year=year)
        try:
            page = client.get_text(Download(address, "page.html"))
        except AbsentError:
            continue
        links = [link for link in _LINK.findall(page) if _WORLD.search(unquote(link))]
        if not links:
            raise FetchError(
                "the page of the edition links to no workbook named like SB2023_World2500.xlsx",
                file=address,
                remedy="Look at the page: if the name has changed, the connector must follow.",
            )
        name = re.sub(r"[ -]+", "_", unquote(links[0]).rsplit("/", 1)[-1])
        yield Download(urljoin(address, links[0]), name, group=f"edition {year}")
        return
    raise FetchError(
        f"none of the last {_YEARS_BACK} years has a page",
        file=_PAGE.format(year=newest),
        remedy="Compare the address with the publisher's site.",
    )
