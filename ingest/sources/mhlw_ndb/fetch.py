"""Which workbooks the NDB Open Data offer: each round has its page, and each page links the tables of a fiscal year.

The top page links the rounds as `第n回NDBオープンデータ`. A round's page links the tables of medicines with a
text such as `外来（院内） 性年齢別薬効分類別数量`; the route stands in that text or in the heading above it. From
round 11 on all tables of medicines are in a zip archive, one without and one with claims paid in full by public
funds (公費); the one without continues the earlier rounds. Addresses are serial numbers and tell nothing.

Unverified: no live page was at hand; headings, texts and archives are as public programs that read them describe.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from lxml import html  # type: ignore[import-untyped]

from ingest.fetch import Client, Download, FetchError
from ingest.sources.mhlw_ndb.parse import ROUTES, SETTINGS, TABLE_TITLE

TOP = "https://www.mhlw.go.jp/stf/seisakunitsuite/bunya/0000177182.html"
ROUNDS_VARIABLE = "BIOPHARMA_NDB_ROUNDS"
# Round 1 covers the fiscal year 2014, and every round the year after the one before.
_YEAR_BEFORE_FIRST = 2013

_ROUND = re.compile(r"第([0-9]+)回NDBオープンデータ")
_ROUTE = re.compile("|".join(ROUTES))
_ROUTE_HEADING = re.compile(rf"[■◾●○・]?({'|'.join(ROUTES)})薬?")
_SETTING = re.compile("|".join(re.escape(name) for name in SETTINGS))
_SECTION = re.compile("処方薬|薬剤")
_HEADINGS = ("h2", "h3")
# Subsets and other cuts of the same table: dental claims, and claims paid in full by public funds added.
_OTHER_CUTS = ("歯科", "公費")


@dataclass(frozen=True)
class _Link:
    """A link with its text, the heading of its section, the route heading above it, and the text around it."""

    url: str
    text: str
    section: str
    route: str | None
    around: str


def requests(client: Client) -> Iterable[Download]:
    """The workbooks of every round, or of those that BIOPHARMA_NDB_ROUNDS names; a round is an edition.

    The variable holds a number of newest rounds, or fiscal years separated by commas (`FY2018,FY2019`). Raises
    FetchError where it holds anything else or a year without a round, where the top page links no round, where a
    link does not tell its route, and where a round's page lacks a workbook of the set: a fiscal year is loaded whole
    or not at all.
    """
    rounds = _rounds(client.get_text(Download(TOP, "top.html")))
    if not rounds:
        raise FetchError(
            "the page links no round (第n回NDBオープンデータ)",
            file=TOP,
            remedy="Look at the page: if it has changed, the connector must follow.",
        )
    # Oldest first, so that no year is loaded before the one that it follows; all pages before the first workbook.
    return [
        download
        for number in _wanted(client.option(ROUNDS_VARIABLE), sorted(rounds))
        for download in _workbooks(client.get_text(Download(rounds[number], "round.html")), rounds[number], number)
    ]


def _wanted(text: str | None, rounds: list[int]) -> list[int]:
    """The rounds that the user asks for, oldest first."""
    if text is None:
        return rounds
    wanted = text.strip().upper()
    if re.fullmatch("[1-9][0-9]{0,2}", wanted):
        return rounds[-int(wanted) :]
    names = [name.strip() for name in wanted.split(",")]
    known = {f"FY{_YEAR_BEFORE_FIRST + number}": number for number in rounds}
    if unknown := [name for name in names if name not in known]:
        raise FetchError(
            f"{ROUNDS_VARIABLE} names {unknown[0]!r}, no number of rounds and none of {', '.join(known)}",
            file=TOP,
            remedy="Set it to a whole number or to fiscal years that have a round, or remove it for all rounds.",
        )
    return sorted({known[name] for name in names})


def _rounds(page: str) -> dict[int, str]:
    """Address of each round's page by its number."""
    found: dict[int, str] = {}
    for link in html.fromstring(page).iter("a") if page.strip() else ():
        if (match := _ROUND.search(_plain(link.text_content()))) and link.get("href"):
            found.setdefault(int(match[1]), urljoin(TOP, link.get("href")))
    return found


def _workbooks(page: str, address: str, number: int) -> list[Download]:
    links = list(_links(page, address))
    tables = {link.url: link for link in links if TABLE_TITLE in link.text and link.url.endswith(".xlsx")}
    chosen: dict[tuple[str, str | None], str] = {}
    for link in tables.values():
        if any(word in link.text for word in _OTHER_CUTS):
            continue
        stated = _ROUTE.search(link.text)
        route = stated.group() if stated else link.route
        if route is None:
            raise FetchError(
                f"neither the link {link.text[:60]!r} nor the heading above it tells the route",
                file=address,
                remedy="Look at the page: if it has changed, the connector must follow.",
            )
        setting = _SETTING.search(link.text)
        key = route, setting.group() if setting else None
        if key in chosen:
            raise FetchError(
                f"two workbooks are linked for {' '.join(filter(None, key))}: {chosen[key]} and {link.url}",
                file=address,
                remedy="Look at the page: one of them is another cut of the table, and the connector must tell them.",
            )
        chosen[key] = link.url
    if not tables and (archive := _archive(links)):
        return [Download(archive, f"ndb_r{number:02}_all.zip", group=f"round {number}")]
    _require_whole_set(set(chosen), address)
    return [
        Download(
            url,
            "_".join(
                filter(
                    None,
                    (f"ndb_r{number:02}", ROUTES[route], SETTINGS[setting] if setting else None, _file_name(url)),
                )
            ),
            group=f"round {number}",
        )
        for (route, setting), url in sorted(chosen.items(), key=str)
    ]


def _require_whole_set(found: set[tuple[str, str | None]], address: str) -> None:
    """Each route is there, in one workbook for all settings or in one for each."""
    missing = [
        f"{route} {setting}"
        for route in ROUTES
        if (route, None) not in found
        for setting in SETTINGS
        if (route, setting) not in found
    ]
    if missing:
        raise FetchError(
            f"the page links no workbook ({TABLE_TITLE}) of: {', '.join(missing)}",
            file=address,
            remedy="An incomplete year would replace a complete one: look at the page, and if it has changed, the "
            "connector must follow.",
        )


def _archive(links: list[_Link]) -> str | None:
    """The one zip archive of the section on medicines that leaves out claims paid in full by public funds."""
    found = {
        link.url
        for link in links
        if link.url.endswith(".zip")
        and _SECTION.search(link.section)
        and re.search("公費.{0,12}含まない", link.around)
    }
    return found.pop() if len(found) == 1 else None


def _links(page: str, address: str) -> Iterator[_Link]:
    if not page.strip():
        return
    section, route = "", None
    for element in html.fromstring(page).iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag == "a" and element.get("href"):
            parent = element.getparent()
            around = _plain(parent.text_content()) if parent is not None else ""
            url = urljoin(address, element.get("href"))
            yield _Link(url, _plain(element.text_content()), section, route, around)
        elif element.tag in _HEADINGS:
            section, route = _plain(element.text_content()), None
        if heading := _ROUTE_HEADING.fullmatch(_plain(element.text_content())):
            route = heading[1]


def _file_name(url: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", urlsplit(url).path.rsplit("/", 1)[-1])


def _plain(text: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
