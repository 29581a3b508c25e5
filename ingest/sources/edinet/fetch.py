"""Which documents to fetch: annual reports of the reviewed filers, found in the lists of documents by day.

The API answers errors with HTTP 200 and a JSON body: `metadata.status` other than 200, or `StatusCode` 401 for a
wrong key. Lists of past days change (corrections, withdrawals), so all days of the window are asked for each time.
EDINET API specification, version 2 (June 2025), sections 3-1 and 3-3.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ingest import vocabulary
from ingest.fetch import Client, Download, FetchError

API = "https://api.edinet-fsa.go.jp/api/v2/"
CODE_LIST = "https://disclosure2dl.edinet-fsa.go.jp/searchdocument/codelist/Edinetcode.zip"
KEY = "EDINET_API_KEY"
SINCE = "EDINET_SINCE"
_WINDOW = timedelta(days=400)
_KEPT_FOR = timedelta(days=3653)
# Annual securities reports and their corrections, of companies (ordinance 010).
_ANNUAL = {("010", "030000", "120"), ("010", "030001", "130")}
_REGISTER = "Register at https://api.edinet-fsa.go.jp/api/auth/index.aspx?mode=1 and set the variable; it is free."


def requests(client: Client) -> Iterator[Download]:
    """The code list, and each annual report of a reviewed filer as an edition of its own.

    Raises FetchError where no key is set, the first day makes no sense, or the service reports an error.
    """
    key = client.key(KEY)
    if key is None:
        raise FetchError(f"the subscription key is missing ({KEY})", file=API, remedy=_REGISTER)
    secret = {"Subscription-Key": key}
    filers = set(vocabulary.table("edinet_filer")["edinet_code"])
    today = datetime.now(UTC).date()
    first = _first_day(client, today)
    for distance in range((today - first).days + 1):
        day = first + timedelta(days=distance)
        # Nothing is filed at weekends.
        if day.weekday() >= 5:
            continue
        for document in _documents(client, day, secret):
            if _is_wanted(document, filers):
                name = str(document["docID"])
                yield Download(
                    f"{API}documents/{name}",
                    f"{name}.zip",
                    group=name,
                    parameters={"type": "5"},
                    secret_parameters=secret,
                )
    yield Download(CODE_LIST, "Edinetcode.zip", group="code_list")


def _first_day(client: Client, today: date) -> date:
    text = client.option(SINCE)
    if text is None:
        return today - _WINDOW
    try:
        first = date.fromisoformat(text)
    except ValueError:
        first = None
    if first is None or not today - _KEPT_FOR <= first <= today:
        raise FetchError(
            f"{SINCE} is {text!r}, no day of the last ten years",
            remedy="Set it to a day as YYYY-MM-DD, or remove it.",
        )
    return first


def _documents(client: Client, day: date, secret: dict[str, str]) -> list[dict[str, Any]]:
    """The documents filed on a day; raises FetchError where the answer reports an error or lists nothing."""
    address = f"{API}documents.json"
    parameters = {"date": day.isoformat(), "type": "2"}
    answer = client.get_json(Download(address, "documents.json", parameters=parameters, secret_parameters=secret))
    place = f"{address}?date={day}"
    if isinstance(answer, dict) and "StatusCode" in answer:
        raise FetchError(
            f"the service answers {answer['StatusCode']}: {answer.get('message')}",
            file=place,
            remedy=f"Check the subscription key in {KEY}.",
        )
    metadata = answer.get("metadata") if isinstance(answer, dict) else None
    status = metadata.get("status") if isinstance(metadata, dict) else None
    if status != "200":
        message = metadata.get("message") if isinstance(metadata, dict) else None
        raise FetchError(
            f"the service answers {status or 'without a status'}: {message}",
            file=place,
            remedy="Try again later; EDINET announces maintenance on its page.",
        )
    found = answer.get("results")
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise FetchError("the answer has no list of documents", file=place, remedy="Try again later.")
    return found


def _is_wanted(document: dict[str, Any], filers: set[str]) -> bool:
    kind = tuple(document.get(name) for name in ("ordinanceCode", "formCode", "docTypeCode"))
    return (
        kind in _ANNUAL
        and document.get("edinetCode") in filers
        and document.get("csvFlag") == "1"
        and document.get("withdrawalStatus") == "0"
    )
