"""Pages of the API v2 of ClinicalTrials.gov: each answer names the next page by a token.

https://clinicaltrials.gov/data-api/api: all parameters but `pageToken` and `countTotal` are the same on every page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.errors import SourceError

if TYPE_CHECKING:
    from ingest.fetch import Client, Download

URL = "https://clinicaltrials.gov/api/v2/studies"
PAGE_SIZE = 1000
# The registry holds about 0.6 million studies; a walk that does not end is an error, not a large registry.
_MAX_PAGES = 2000
_FIELDS = (
    "NCTId",
    "StudyType",
    "Phase",
    "OverallStatus",
    "StartDate",
    "StartDateType",
    "CompletionDate",
    "CompletionDateType",
    "LastUpdatePostDate",
    "LeadSponsorName",
    "LeadSponsorClass",
    "InterventionType",
    "InterventionName",
    "EnrollmentCount",
    "EnrollmentType",
    "LocationFacility",
    "LocationCity",
    "LocationState",
    "LocationCountry",
    "VersionHolder",
)
_FILTER = (
    "AREA[StudyType]INTERVENTIONAL AND AREA[StartDate]RANGE[2015-01-01,MAX]"
    " AND AREA[InterventionType](DRUG OR BIOLOGICAL OR GENETIC OR COMBINATION_PRODUCT)"
)


def requests(client: Client) -> Iterator[Download]:
    """One download for each page, all of one edition.

    Only an answer names the next page: a page is read where it was archived, and asked for once. Raises FetchError
    where an answer is no JSON, and SourceError where the pages go round in a circle.
    """
    from ingest.fetch import Download

    parameters = {
        "format": "json",
        "fields": "|".join(_FIELDS),
        "filter.advanced": _FILTER,
        "pageSize": str(PAGE_SIZE),
    }
    seen: set[str] = set()
    token = ""
    for number in range(1, _MAX_PAGES + 1):
        # The total stands on the first page, so that a page that is lost is noticed.
        turn = {"pageToken": token} if token else {"countTotal": "true"}
        page = Download(url=URL, name=f"studies-{number:04}.json", parameters={**parameters, **turn})
        yield page
        answer = client.get_json(page)
        token = str(answer.get("nextPageToken") or "") if isinstance(answer, dict) else ""
        if not token:
            return
        if token in seen:
            break
        seen.add(token)
    raise SourceError(
        "the pages do not come to an end",
        file=URL,
        remedy="Try again later; if it lasts, compare ingest/sources/clinicaltrials/fetch.py with the API's page.",
    )
