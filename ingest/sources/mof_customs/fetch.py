"""Finding the files of the Trade Statistics of Japan: e-Stat lists one CSV per section of the tariff, flow and year.

The list of a year either links the files (`file-download?statInfId=...&fileKind=1`) or the months in which the year's
files were published; then the newest month is followed. A file is told by the chapters that its title names. This is
unverified: no live list was at hand when it was written.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from lxml import html  # type: ignore[import-untyped]

from ingest.fetch import Client, Download, FetchError

LIST = "https://www.e-stat.go.jp/en/stat-search/files"
DOWNLOAD = "https://www.e-stat.go.jp/en/stat-search/file-download"
FLOWS = {"export": "000001013181", "import": "000001013182"}
CHAPTER = 30
# The year under way and the three before it: older years are final and do not change.
YEARS_BACK = 3

_CHAPTERS = re.compile(
    r"chapters?\s*(\d{1,2})(?:\s*[-–~]\s*(\d{1,2}))?|(\d{1,2})(?:\s*[-–~～－]\s*(\d{1,2}))?\s*類", re.I
)
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_MONTH_NAME = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*\b", re.IGNORECASE)
_NOT_FINAL = re.compile(r"provisional|detailed|revised|速報|確報|確々報", re.IGNORECASE)
_FINAL = re.compile(r"fixed|確定", re.IGNORECASE)


@dataclass(frozen=True)
class _Offer:
    """A CSV that a list offers."""

    number: str
    title: str

    @property
    def is_final(self) -> bool:
        return bool(_FINAL.search(self.title)) and not _NOT_FINAL.search(self.title)

    @property
    def last_month(self) -> int:
        """The last month that the title names; 12 where it names none, as the titles of whole years do."""
        named = [int(month) for month in re.findall(r"(\d{1,2})\s*月", self.title)]
        named += [_MONTHS[month[:3].lower()] for month in _MONTH_NAME.findall(self.title)]
        return max(named, default=12)

    @property
    def holds_chapter(self) -> bool:
        ranges = [
            (int(first or alone), int(last or end or first or alone))
            for first, last, alone, end in _CHAPTERS.findall(self.title)
        ]
        return any(low <= CHAPTER <= high for low, high in ranges)


def requests(client: Client) -> Iterable[Download]:
    """The file of chapters 28 to 38 for each flow and recent year; a year that is not listed yet is left out."""
    this_year = datetime.now(UTC).year
    for flow, table in FLOWS.items():
        found = 0
        for year in range(this_year - YEARS_BACK, this_year + 1):
            for offer in _offers(client, table, year):
                kind = "fixed" if offer.is_final else "provisional"
                found += 1
                yield Download(
                    url=f"{DOWNLOAD}?statInfId={offer.number}&fileKind=1",
                    name=f"mof_{flow}_{year}_{kind}_{offer.number}.csv",
                    group=f"{flow}-{year}",
                )
        if not found:
            raise FetchError(
                f"no list names a CSV of chapter {CHAPTER} ({flow})",
                file=LIST,
                remedy="Look at the list: if e-Stat changed its pages, fetch.py must follow.",
            )


def _offers(client: Client, table: str, year: int) -> list[_Offer]:
    """The newest CSV with chapter 30 that the list of a year offers, or none."""
    address = f"{LIST}?" + urlencode(
        {
            "page": 1,
            "layout": "datalist",
            "toukei": "00350300",
            "tstat": "000001013141",
            "cycle": 1,
            "tclass1": "000001013180",
            "tclass2": table,
            "tclass3val": 0,
            "year": f"{year}0",
        }
    )
    page = client.get_text(Download(address, "list.html"))
    offers = list(_listed(page))
    if not offers and (newest := _newest_month(page, address, year)):
        offers = list(_listed(client.get_text(Download(newest, "list.html"))))
    fitting = [offer for offer in offers if offer.holds_chapter]
    # Of several versions of the year the final one counts, else the one that reaches furthest into the year.
    return sorted(fitting, key=lambda offer: (not offer.is_final, -offer.last_month))[:1]


def _listed(page: str) -> Iterator[_Offer]:
    """The CSV links of a list, each with its title: the nearest text around the link that names chapters."""
    if not page.strip():
        return
    for link in html.fromstring(page).iter("a"):
        query = parse_qs(urlsplit(link.get("href", "")).query)
        if query.get("fileKind") != ["1"] or "statInfId" not in query:
            continue
        for around in link.iterancestors():
            title = " ".join(around.text_content().split())
            if _CHAPTERS.search(title):
                # A title that covers several links belongs to none of them.
                if len(around.xpath('.//a[contains(@href, "fileKind=1")]')) == 1:
                    yield _Offer(query["statInfId"][0], title)
                break


def _newest_month(page: str, address: str, year: int) -> str | None:
    """Address of the year's newest month among the links of a list, or None."""
    months: dict[str, str] = {}
    for link in html.fromstring(page).iter("a") if page.strip() else ():
        query = parse_qs(urlsplit(link.get("href", "")).query)
        if query.get("year") == [f"{year}0"] and "month" in query:
            months[query["month"][0]] = urljoin(address, link.get("href"))
    return months[max(months)] if months else None
