"""What to fetch of the WDI: the CSV archives that `source.yml` lists, and the parities from the JSON API.

The parities are restated outside the yearly round, and only recent decades are used: the API answers for those years
in a page or two, each archived as a file of its own. https://datahelpdesk.worldbank.org/knowledgebase/articles/889392
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ingest.fetch import Client, Download, FetchError

_INDICATOR = "PA.NUS.PPP"
_URL = f"https://api.worldbank.org/v2/country/all/indicator/{_INDICATOR}"
_SINCE = 1990
_PER_PAGE = 20_000


def requests(client: Client) -> Iterator[Download]:
    """The plain downloads, then every page of the parities; raises FetchError where the API reports an error."""
    query = {"format": "json", "date": f"{_SINCE}:{datetime.now(UTC).year}"}
    head = client.get_json(Download(_URL, "head.json", parameters={**query, "per_page": "1"}))
    pages = max(1, -(-_total(head) // _PER_PAGE))
    yield from (Download(**entry.model_dump()) for entry in client.policy.downloads)
    for page in range(1, pages + 1):
        yield Download(
            _URL,
            f"API_{_INDICATOR}_page_{page:03}.json",
            group=_INDICATOR,
            parameters={**query, "per_page": str(_PER_PAGE), "page": str(page)},
        )


def _total(head: Any) -> int:
    """How many values the answer has; the API reports errors with status 200, as a message."""
    try:
        return int(head[0]["total"])
    except (KeyError, IndexError, TypeError, ValueError):
        raise FetchError(
            f"the service reports an error: {str(head)[:200]}",
            file=_URL,
            remedy="Compare the query with the publisher's documentation, or try again later.",
        ) from None
