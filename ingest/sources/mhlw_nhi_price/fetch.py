"""Where the workbooks of the NHI price list are: a top page links one page per fiscal year, and that page the files.

The top page's links read 薬価基準収載品目リストについて. A year's page (`tp20250401-01.html`) holds the newest
list of the year: one workbook each for 内用薬, 注射薬, 外用薬 and 歯科用薬剤, named `tp20250716-01_01.xlsx` after
the day of the list, and further files on generics that are not read. Which group a workbook holds is told by the
text of its link or row.

Unverified: no live page was at hand; texts and names are as public programs that read the pages describe them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from lxml import html  # type: ignore[import-untyped]

from ingest.fetch import Client, Download, FetchError
from ingest.sources.mhlw_nhi_price.parse import ROUTES

TOP = "https://www.mhlw.go.jp/stf/seisakunitsuite/bunya/0000078916.html"
LISTS_VARIABLE = "BIOPHARMA_NHI_LISTS"

_LISTS = "薬価基準収載品目リストについて"
_PAGE = re.compile(r"/tp(\d{8})-\d+\.html$")
_WORKBOOK = re.compile(r"tp(\d{8})[-_].*\.xlsx?$", re.IGNORECASE)
_LOOK = "Look at the page: if it has changed, the connector must follow."


def requests(client: Client) -> Iterable[Download]:
    """The four workbooks of the newest list, or of as many years' newest lists as BIOPHARMA_NHI_LISTS says.

    Raises FetchError where the top page links no year, and where a year's page links not exactly one workbook for
    each group of the list.
    """
    pages = _pages(client.get_text(Download(TOP, "top.html")))
    if not pages:
        raise FetchError(f"the page links no list ({_LISTS})", file=TOP, remedy=_LOOK)
    return [
        download
        for address in pages[: _wanted(client, len(pages))]
        for download in _workbooks(client.get_text(Download(address, "year.html")), address)
    ]


def _wanted(client: Client, count: int) -> int:
    text = (client.option(LISTS_VARIABLE) or "1").lower()
    if text == "all":
        return count
    if not re.fullmatch("[1-9][0-9]{0,2}", text):
        raise FetchError(
            f"{LISTS_VARIABLE} is {text!r}, neither a number of lists nor `all`",
            remedy="Set it to a whole number or `all`, or remove it for the newest list.",
        )
    return int(text)


def _pages(page: str) -> list[str]:
    """Addresses of the years' pages, newest first."""
    found = {
        urljoin(TOP, link.get("href"))
        for link in (html.fromstring(page).iter("a") if page.strip() else ())
        if _LISTS in _plain(link.text_content()) and _PAGE.search(urlsplit(link.get("href", "")).path)
    }
    return sorted(found, key=lambda url: _PAGE.findall(urlsplit(url).path), reverse=True)


def _workbooks(page: str, address: str) -> list[Download]:
    chosen: dict[str, str] = {}
    for link in html.fromstring(page).iter("a") if page.strip() else ():
        url = urljoin(address, link.get("href", ""))
        group = _group(link) if _WORKBOOK.search(urlsplit(url).path) else None
        if group is None:
            continue
        if chosen.setdefault(group, url) != url:
            raise FetchError(
                f"two workbooks are linked for {group}: {chosen[group]} and {url}", file=address, remedy=_LOOK
            )
    if missing := [group for group in ROUTES if group not in chosen]:
        raise FetchError(
            f"the page links no workbook named like tp20250716-01_01.xlsx for {', '.join(missing)}",
            file=address,
            remedy=_LOOK,
        )
    return [
        Download(url, f"nhi_{day}_{ROUTES[group]}_{name}", group=urlsplit(address).path.rsplit("/", 1)[-1])
        for group, url in chosen.items()
        for name in [urlsplit(url).path.rsplit("/", 1)[-1]]
        for day in _WORKBOOK.findall(name)
    ]


def _group(link: html.HtmlElement) -> str | None:
    """The group that a link's own text names, else that of the smallest element around it that names just one."""
    for around in (link, *link.iterancestors()):
        text = _plain(around.text_content())
        named = [group for group in ROUTES if group in text]
        # An element that holds several files tells of none of them.
        if len(named) > 1 or (around is not link and len(around.xpath(".//a[@href]")) > 1):
            return None
        if named:
            return named[0]
    return None


def _plain(text: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
