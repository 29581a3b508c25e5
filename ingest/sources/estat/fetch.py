"""The tables of the Survey of Research and Development in the e-Stat database, each in pages.

getStatsList tells the tables of government statistics 00200543; those whose title speaks of R&D expenditure by
industry are asked for page by page. https://www.e-stat.go.jp/api/api-info/e-stat-manual3-0
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest import estat_api
from ingest.fetch import Client, Download, FetchError
from ingest.sources.estat.parse import SURVEY_CODE

_API = "https://api.e-stat.go.jp/rest/3.0/app/json/"
_KEY = "ESTAT_APP_ID"
_PER_PAGE = 100_000
_TITLE_WORDS = ("産業", "研究費")


def requests(client: Client) -> Iterator[Download]:
    """Every page of every table that may hold R&D expenditure by industry.

    Raises FetchError where no application id is set or no table is found, EstatError where the service reports an
    error.
    """
    key = client.key(_KEY)
    if key is None:
        raise FetchError(
            f"the application id is missing ({_KEY})",
            file=_API,
            remedy="Register at https://www.e-stat.go.jp/api/ and set the variable; it is free.",
        )
    secret = {"appId": key}
    tables = _tables(client, secret)
    if not tables:
        raise FetchError(
            f"the database lists no table of {SURVEY_CODE} titled with {' and '.join(_TITLE_WORDS)}",
            file=_API + "getStatsList",
            remedy="The survey may be published as Excel files only: see its page at e-Stat.",
        )
    for table_id in tables:
        query = {"lang": "J", "statsDataId": table_id}
        head = Download(
            _API + "getStatsData",
            "head.json",
            parameters={**query, "metaGetFlg": "N", "startPosition": "1", "limit": "1"},
            secret_parameters=secret,
        )
        total = estat_api.total_of(client.get_json(head), table_id)
        for page, start in enumerate(range(1, total + 1, _PER_PAGE), start=1):
            yield Download(
                _API + "getStatsData",
                f"getStatsData_{table_id}_page_{page:03}.json",
                group=table_id,
                parameters={**query, "metaGetFlg": "Y", "startPosition": str(start), "limit": str(_PER_PAGE)},
                secret_parameters=secret,
            )


def _tables(client: Client, secret: dict[str, str]) -> list[str]:
    found: list[str] = []
    start: int | None = 1
    while start is not None:
        query = {"lang": "J", "statsCode": SURVEY_CODE, "startPosition": str(start)}
        address = Download(_API + "getStatsList", "list.json", parameters=query, secret_parameters=secret)
        listed, start = estat_api.tables_of(client.get_json(address), "getStatsList")
        found += [entry["id"] for entry in listed if all(word in entry["title"] for word in _TITLE_WORDS)]
    return found
