"""Medicare tables for tests: real values in the layouts of other releases, and a catalogue that lists them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from tests.publisher import Answer, Publisher

HOST = "data.cms.gov"
FOLDER = "/sites/default/files/2025-05"


def catalogue(title: str, *releases: tuple[str, str], folder: str = FOLDER) -> bytes:
    """A catalogue in the DCAT-US layout: one data set with its releases (file name in the address, day modified)."""
    distributions: list[dict[str, Any]] = [
        {
            "@type": "dcat:Distribution",
            "format": "API",
            "description": "latest",
            "accessURL": f"https://{HOST}/data-api/v1/dataset/00000000-0000-0000-0000-000000000000/data",
            "title": f"{title} : latest",
        },
        *(
            {
                "@type": "dcat:Distribution",
                "downloadURL": f"https://{HOST}{folder}/{name}",
                "mediaType": "text/csv",
                "modified": modified,
                "title": f"{title} : {modified}",
            }
            for name, modified in releases
        ),
    ]
    other = {"@type": "dcat:Dataset", "title": "Hospital Enrollments", "distribution": distributions[1:]}
    data_set = {"@type": "dcat:Dataset", "title": title, "distribution": distributions}
    return json.dumps({"@type": "dcat:Catalog", "dataset": [other, data_set]}).encode()


def serve(publisher: Publisher, title: str, *releases: tuple[str, str, bytes]) -> None:
    """Play the catalogue and the releases it lists: file name in the address, day modified, bytes."""
    publisher.serve(HOST, "/data.json", Answer(catalogue(title, *((name, day) for name, day, _ in releases))))
    for name, _, body in releases:
        publisher.serve(HOST, f"{FOLDER}/{name}", Answer(body))


def written(path: Path, frame: pl.DataFrame) -> Path:
    """The frame as a CSV file, as CMS writes it: a missing cell is empty."""
    frame.write_csv(path)
    return path
