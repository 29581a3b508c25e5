"""Which labels to fetch: DailyMed's paged list by substance, for the biologics of the reviewed vocabulary.

The service is described at https://dailymed.nlm.nih.gov/dailymed/webservices-help/v2/spls_api.cfm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl
from lxml import etree  # type: ignore[import-untyped]

from ingest import biologics, vocabulary
from ingest.fetch import Client, Download, FetchError

LIST = "https://dailymed.nlm.nih.gov/dailymed/services/v2/spls.xml"
LABEL = "https://dailymed.nlm.nih.gov/dailymed/services/v2/spls/{}.xml"
MAX_LABELS = 400
MAX_PAGES = 50
_PAGE_SIZE = 100


@dataclass(frozen=True)
class _Page:
    set_ids: tuple[str, ...]
    is_last: bool


def requests(client: Client) -> Iterable[Download]:
    """One label per set id, all of one edition; at most BIOPHARMA_DAILYMED_MAX_LABELS of them.

    Raises FetchError where a page of the list cannot be read.
    """
    limit = _limit(client)
    chosen: dict[str, None] = {}
    for name in substances():
        for set_id in _set_ids(client, name):
            chosen.setdefault(set_id)
            if len(chosen) >= limit:
                return _downloads(chosen)
    return _downloads(chosen)


def substances() -> list[str]:
    """English names of the biologics of the vocabulary that have a name in US lists, in alphabetical order."""
    aliases = vocabulary.table("substance_alias").filter(pl.col("alias_scheme") == "us_substance")
    listed = vocabulary.table("substance").filter(
        pl.col("substance_id").is_in(aliases["substance_id"].unique().to_list())
        & pl.col("substance_id").is_in(biologics.substance_ids())
    )
    return listed["name_en"].unique().sort().to_list()


def _limit(client: Client) -> int:
    value = client.option("BIOPHARMA_DAILYMED_MAX_LABELS") or str(MAX_LABELS)
    if not value.isdigit() or int(value) == 0:
        raise FetchError(
            f"BIOPHARMA_DAILYMED_MAX_LABELS is {value!r}, no number of labels",
            remedy="Set it to a whole number, or remove it.",
        )
    return int(value)


def _downloads(set_ids: Iterable[str]) -> list[Download]:
    return [Download(LABEL.format(set_id), f"{set_id}.xml", may_be_absent=True) for set_id in sorted(set_ids)]


def _set_ids(client: Client, name: str) -> Iterator[str]:
    for number in range(1, MAX_PAGES + 1):
        page = _page(client, name, number)
        yield from page.set_ids
        if page.is_last:
            return


def _page(client: Client, name: str, number: int) -> _Page:
    parameters = {"drug_name": name, "pagesize": str(_PAGE_SIZE), "page": str(number)}
    text = client.get_text(Download(LIST, "spls.xml", parameters=parameters))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise FetchError(
            f"page {number} of the list for {name} is no XML ({error.msg})",
            file=LIST,
            remedy="The service may be down or changed: try again later, or compare with its page.",
        ) from error
    pages = root.findtext("metadata/total_pages")
    if root.tag != "spls" or pages is None or not pages.strip().isdigit():
        raise FetchError(
            f"page {number} of the list for {name} is no list of labels",
            file=LIST,
            remedy="Compare the answer with the service's page: its layout has changed.",
        )
    set_ids = tuple(entry.strip() for entry in root.xpath("spl/setid/text()") if entry.strip())
    return _Page(set_ids, is_last=number >= int(pages))
