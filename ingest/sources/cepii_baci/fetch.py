"""Finding BACI's current release: the page of the data set links the zips of every revision, named by version.

`BACI_HS17_V202601.zip` is the version of January 2026 in the revision of 2017; a new version comes once a year.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.fetch import Client, Download, FetchError

REVISION = "17"
PAGE = "https://www.cepii.fr/CEPII/en/bdd_modele/bdd_modele_item.asp?id=37"
FILES = "https://www.cepii.fr/DATA_DOWNLOAD/baci/data"


def requests(client: Client) -> Iterable[Download]:
    """The newest release in HS2017, the revision that reaches back before HS2022 moved diagnostics out of 3002."""
    page = client.get_text(Download(PAGE, "page.html"))
    versions = re.findall(rf"BACI_HS{REVISION}_V(\d{{6}})\.zip", page)
    if not versions:
        raise FetchError(
            f"the page of the data set names no release in HS{REVISION}",
            file=PAGE,
            remedy="Look at the page: if CEPII renamed the files, fetch.py must follow.",
        )
    name = f"BACI_HS{REVISION}_V{max(versions)}.zip"
    return [Download(f"{FILES}/{name}", name, group=f"HS{REVISION}")]
