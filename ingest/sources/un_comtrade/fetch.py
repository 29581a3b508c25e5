"""Asking the UN Comtrade service: by reporter and heading, in parts where an answer would be cut off.

The service says how many rows a query has when it is asked with `countOnly=true`. A query that reaches the limit is
halved (years, then commodities, then flows) until every part stays below it. With a key (COMTRADE_API_KEY, free) an
answer has up to 100,000 rows of twelve periods; without one the public preview gives 500 rows of one period.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from ingest.fetch import Client, Download, FetchError

KEY_VARIABLE = "COMTRADE_API_KEY"
PARTS_VARIABLE = "BIOPHARMA_COMTRADE_PARTS"
FIRST_YEAR = 2010
COMMODITIES = {
    "2937": (
        *(
            "293710",
            "293711",
            "293712",
            "293719",
            "293721",
            "293722",
            "293723",
            "293729",
            "293731",
            "293739",
            "293740",
        ),
        *("293750", "293790", "293791", "293792", "293799"),
    ),
    "2941": ("294110", "294120", "294130", "294140", "294150", "294190"),
    # The codes of every revision since HS1992: what a revision does not have comes back as no row.
    "3002": (
        *("300210", "300211", "300212", "300213", "300214", "300215", "300219", "300220", "300230", "300231"),
        *("300239", "300241", "300242", "300249", "300251", "300259", "300290"),
    ),
    "3004": (
        *("300410", "300420", "300431", "300432", "300439", "300440", "300441", "300442", "300443", "300449"),
        *("300450", "300460", "300490"),
    ),
    "3822": ("382200", "382211", "382212", "382213", "382219", "382290"),
}
PREVIEW_HEADINGS = ("3002",)
JAPAN = "392"
# Codes of the service (not M49): Japan, the countries it is compared with, and the large makers of biologics.
REPORTERS = {
    JAPAN: "JPN",
    "842": "USA",
    "757": "CHE",
    "276": "DEU",
    "410": "KOR",
    "156": "CHN",
    "372": "IRL",
    "56": "BEL",
    "251": "FRA",
    "826": "GBR",
    "528": "NLD",
    "208": "DNK",
    "380": "ITA",
    "702": "SGP",
    "699": "IND",
    "752": "SWE",
    "40": "AUT",
    "724": "ESP",
    "124": "CAN",
}
_HOST = "https://comtradeapi.un.org"
_REMEDY = "Check the key and the day's quota of calls, and try again later; the last good edition stays in use."


@dataclass(frozen=True)
class _Service:
    """One of the two ways to ask: its address, its limits, and the key."""

    name: str
    url: str
    most_rows: int
    most_periods: int
    key: str | None

    @property
    def secret_headers(self) -> dict[str, str]:
        return {"Ocp-Apim-Subscription-Key": self.key} if self.key else {}


@dataclass(frozen=True)
class _Query:
    """Yearly trade of one reporter with all partners in some commodities of one heading."""

    reporter: str
    heading: str
    years: tuple[int, ...]
    commodities: tuple[str, ...]
    flows: tuple[str, ...] = ("M", "X", "RM", "RX")

    def address(self, service: _Service, **more: str) -> str:
        """The address of its answer; only totals over transport modes, procedures and second partners."""
        parameters = {
            "reporterCode": self.reporter,
            "period": ",".join(map(str, self.years)),
            "cmdCode": ",".join(self.commodities),
            "flowCode": ",".join(self.flows),
            "partner2Code": "0",
            "motCode": "0",
            "customsCode": "C00",
            **more,
        }
        return f"{service.url}?{urlencode(parameters, safe=',')}"

    @property
    def group(self) -> str:
        return _part(self.reporter, self.heading)

    @property
    def name(self) -> str:
        """A file name that tells the parts of a query apart."""
        parts = [self.group, _span(self.years)]
        if self.commodities != COMMODITIES[self.heading]:
            parts.append(_span(self.commodities))
        if len(self.flows) < 4:
            parts.append("".join(self.flows))
        return "_".join(parts)

    def halves(self) -> tuple[_Query, _Query]:
        """The query in two parts; FetchError where one year, commodity and flow is left."""
        if len(self.years) > 1:
            middle = len(self.years) // 2
            return replace(self, years=self.years[:middle]), replace(self, years=self.years[middle:])
        if len(self.commodities) > 1:
            middle = len(self.commodities) // 2
            return (
                replace(self, commodities=self.commodities[:middle]),
                replace(self, commodities=self.commodities[middle:]),
            )
        if len(self.flows) > 1:
            middle = len(self.flows) // 2
            return replace(self, flows=self.flows[:middle]), replace(self, flows=self.flows[middle:])
        raise FetchError(
            f"a single commodity, year and flow ({self.name}) has more rows than the service returns",
            file=_HOST,
            remedy="Compare the number of partners with the service's limit; the service may have changed.",
        )


def requests(client: Client) -> Iterable[Download]:
    """What to fetch: all reporters and headings with a key, Japan's heading 3002 without one.

    BIOPHARMA_COMTRADE_PARTS limits that to parts by name, separated by commas (`annual-JPN-3002`). A part is a
    reporter's trade in a heading, all years, since an edition replaces all of them. Raises FetchError for a part that
    there is not, or not without a key.
    """
    key = client.key(KEY_VARIABLE)
    if key:
        service = _Service("data", f"{_HOST}/data/v1/get/C/A/HS", 100_000, 12, key)
        scope = [(reporter, heading) for reporter in REPORTERS for heading in COMMODITIES]
    else:
        service = _Service("preview", f"{_HOST}/public/v1/preview/C/A/HS", 500, 1, None)
        scope = [(JAPAN, heading) for heading in PREVIEW_HEADINGS]
    scope = _chosen(client.option(PARTS_VARIABLE), scope)
    years = tuple(range(FIRST_YEAR, datetime.now(UTC).year))
    for reporter, heading in scope:
        for start in range(0, len(years), service.most_periods):
            query = _Query(reporter, heading, years[start : start + service.most_periods], COMMODITIES[heading])
            yield from _parts(client, service, query)


def parts() -> list[str]:
    """Names of all parts: reporter and heading."""
    return [_part(reporter, heading) for reporter in REPORTERS for heading in COMMODITIES]


def _part(reporter: str, heading: str) -> str:
    return f"annual-{REPORTERS[reporter]}-{heading}"


def _chosen(text: str | None, scope: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if text is None:
        return scope
    known = {_part(*pair): pair for pair in scope}
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in known]:
        raise FetchError(
            f"{PARTS_VARIABLE} names {unknown[0]!r}, which is none of the {len(known)} parts that can be fetched",
            file=_HOST,
            remedy=f"Parts are named annual-JPN-3002; without {KEY_VARIABLE} that is the only one.",
        )
    return [known[name] for name in names]


def _parts(client: Client, service: _Service, query: _Query) -> Iterator[Download]:
    rows = _count(client, service, query)
    if rows >= service.most_rows:
        for half in query.halves():
            yield from _parts(client, service, half)
    elif rows:
        yield Download(
            url=query.address(service),
            name=f"comtrade_{service.name}_{query.name}.json",
            group=query.group,
            secret_headers=service.secret_headers,
        )


def _count(client: Client, service: _Service, query: _Query) -> int:
    """Rows that the query has, as the service counts them; FetchError for an answer that is an error message."""
    answer = client.get_json(
        Download(
            url=query.address(service, countOnly="true"),
            name="count.json",
            secret_headers=service.secret_headers,
        )
    )
    told = answer if isinstance(answer, dict) else {}
    count = told.get("count")
    if not isinstance(count, int) or told.get("error") or "statusCode" in told:
        message = " ".join(str(told[name]) for name in ("statusCode", "message", "error") if told.get(name))
        raise FetchError(
            f"the service answered with an error: {message[:200] or str(answer)[:200]}",
            file=service.url,
            remedy=_REMEDY,
        )
    return count


def _span(values: tuple[int, ...] | tuple[str, ...]) -> str:
    return f"{values[0]}" if len(values) == 1 else f"{values[0]}-{values[-1]}"
