"""The reviewed legal entities, page by page, and the records of the parents of those that report one.

https://www.gleif.org/en/lei-data/gleif-api : `filter[lei]` takes identifiers separated by commas, at most 200 on a
page. A record links to its parents (`relationships.direct-parent.links.lei-record`) without naming them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest import vocabulary
from ingest.fetch import Client, Download, FetchError

API = "https://api.gleif.org/api/v1/lei-records"
PER_PAGE = 200
_REMEDY = "Try again later; if the answer has changed, compare it with the documentation of the API."


def requests(client: Client) -> Iterator[Download]:
    """Pages of records and of parents, all of one edition.

    Raises FetchError where the answer is no list of records, or names a parent at another host.
    """
    wanted = vocabulary.table("lei_entity")["lei"].sort().to_list()
    for page, start in enumerate(range(0, len(wanted), PER_PAGE), start=1):
        part = wanted[start : start + PER_PAGE]
        parameters = {"filter[lei]": ",".join(part), "page[size]": str(PER_PAGE), "page[number]": "1"}
        download = Download(API, f"lei_records_{page:03}.json", parameters=parameters)
        answer = client.get_json(download)
        records = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(records, list) or not records:
            raise FetchError("the answer lists no records", file=API, remedy=_REMEDY)
        yield download
        for record in records:
            for kind in ("direct", "ultimate"):
                address = _parent(record, kind)
                if address is not None:
                    yield Download(address, f"lei_parents_{record['id']}_{kind}.json", may_be_absent=True)


def _parent(record: dict[str, Any], kind: str) -> str | None:
    """Address of the record of the parent, None where the entity reports none."""
    try:
        address = record["relationships"][f"{kind}-parent"]["links"].get("lei-record")
    except (KeyError, TypeError, AttributeError):
        return None
    if address is None:
        return None
    if not isinstance(address, str) or not address.startswith(f"{API}/"):
        raise FetchError(f"the parent of {record.get('id')} stands at {address}", file=API, remedy=_REMEDY)
    return address
