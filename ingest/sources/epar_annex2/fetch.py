"""Which product information to fetch: that of the authorised biologics in the agency's list of medicines.

Both lists are described at
https://www.ema.europa.eu/en/about-us/about-website/download-website-data-json-data-format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from ingest import biologics
from ingest.fetch import Client, Download, FetchError

_REPORTS = "https://www.ema.europa.eu/en/documents/report/"
MEDICINES = _REPORTS + "medicines-output-medicines_json-report_en.json"
DOCUMENTS = _REPORTS + "documents-output-epar_documents_json-report_en.json"
MAX_DOCUMENTS = 500
_ENDING = "-epar-product-information_en.pdf"


def requests(client: Client) -> Iterable[Download]:
    """One PDF per medicine, each an edition of its own; at most BIOPHARMA_EPAR_MAX_DOCUMENTS of them.

    Raises FetchError where a list is no list of records, or none of its documents is wanted.
    """
    limit = _limit(client)
    wanted = _biologics(_records(client, MEDICINES))
    found = {name: document for document in _records(client, DOCUMENTS) if (name := _medicine(document)) in wanted}
    if not found:
        raise FetchError(
            "the list of documents holds no product information of an authorised biologic",
            file=DOCUMENTS,
            remedy="Compare the list with the agency's page: its fields may have changed.",
        )
    return [
        Download(
            str(found[name]["document_url"]),
            f"{name}{_ENDING}",
            group=name,
            published_on=_day(found[name].get("last_updated_date")),
            may_be_absent=True,
        )
        for name in sorted(found)[:limit]
    ]


def _limit(client: Client) -> int:
    value = client.option("BIOPHARMA_EPAR_MAX_DOCUMENTS") or str(MAX_DOCUMENTS)
    if not value.isdigit() or int(value) == 0:
        raise FetchError(
            f"BIOPHARMA_EPAR_MAX_DOCUMENTS is {value!r}, no number of documents",
            remedy="Set it to a whole number, or remove it.",
        )
    return int(value)


def _records(client: Client, url: str) -> list[Mapping[str, Any]]:
    content = client.get_json(Download(url, "list.json"))
    records = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(records, list):
        raise FetchError(
            "the answer holds no list under `data`",
            file=url,
            remedy="The service may have sent an error: try again later, or compare with its page.",
        )
    return [record for record in records if isinstance(record, Mapping)]


def _biologics(medicines: list[Mapping[str, Any]]) -> set[str]:
    """Short names of the authorised medicines for people that are biologics by mark or by substance."""
    fields = ("category", "medicine_status", "biosimilar", "advanced_therapy", "medicine_url")
    names = ("international_non_proprietary_name_common_name", "active_substance")
    frame = pl.DataFrame(
        {name: [str(record.get(name) or "") for record in medicines] for name in (*fields, *names)},
        schema=dict.fromkeys((*fields, *names), pl.String),
    )
    is_biologic = pl.any_horizontal(
        pl.col("biosimilar") == "Yes",
        pl.col("advanced_therapy") == "Yes",
        *(biologics.comparable(pl.col(name)).is_in(biologics.aliases("inn")) for name in names),
    )
    kept = frame.filter(is_biologic & (pl.col("category") == "Human") & (pl.col("medicine_status") == "Authorised"))
    return set(kept["medicine_url"].str.split("/").list.last())


def _medicine(document: Mapping[str, Any]) -> str:
    """Short name of the medicine whose English product information the document is; empty for another document."""
    url = str(document.get("document_url") or "")
    return url.rsplit("/", 1)[-1].removesuffix(_ENDING) if url.endswith(_ENDING) else ""


def _day(value: object) -> date | None:
    text = str(value or "")[:10]
    for form in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None
