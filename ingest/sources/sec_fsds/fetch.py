"""Archives of the Financial Statement Data Sets, one per quarter of filing.

Their addresses follow from the quarter. The first is 2009q2; the archive of a quarter appears some days after its
end, so the newest one may not be there yet and is then left out with a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from ingest import edgar
from ingest.fetch import Client, Download, FetchError

QUARTERS_VARIABLE = "BIOPHARMA_SEC_QUARTERS"
_DEFAULT = 8
_FIRST = (2009, 2)
_ADDRESS = "https://www.sec.gov/files/dera/data/financial-statement-data-sets/{}.zip"


def requests(client: Client) -> Iterable[Download]:
    """One download, and so one edition, per quarter: the last eight, or those that BIOPHARMA_SEC_QUARTERS names.

    The variable holds a number of quarters, `all`, or names separated by commas (`2020q1,2020q2`). Raises FetchError
    where it holds anything else, and where no contact address is set.
    """
    edgar.require_contact(client)
    known = quarters(datetime.now(UTC).date())
    return [
        Download(url=_ADDRESS.format(name), name=f"{name}.zip", group=name, may_be_absent=name == known[-1])
        for name in chosen(client.option(QUARTERS_VARIABLE), known)
    ]


def quarters(today: date) -> list[str]:
    """Names of the quarters that have ended, from the first one published on."""
    ended = (today.year * 4 + (today.month - 1) // 3) - 1
    first = _FIRST[0] * 4 + _FIRST[1] - 1
    return [f"{index // 4}q{index % 4 + 1}" for index in range(first, ended + 1)]


def chosen(text: str | None, known: list[str]) -> list[str]:
    """The quarters that the user asks for; FetchError where the text is none of what :func:`requests` describes."""
    if text is None:
        return known[-_DEFAULT:]
    wanted = text.strip().lower()
    if wanted == "all":
        return known
    if re.fullmatch("[1-9][0-9]{0,2}", wanted):
        return known[-int(wanted) :]
    names = [name.strip() for name in wanted.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise FetchError(
            f"{QUARTERS_VARIABLE} names {unknown[0]!r}, which is no quarter from {known[0]} to {known[-1]}",
            remedy="Give a number of quarters, `all`, or names such as 2020q1,2020q2.",
        )
    return sorted(set(names))
