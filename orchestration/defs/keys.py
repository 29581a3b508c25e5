"""Asset keys, groups and owners: one spelling of each."""

from __future__ import annotations

import re

import dagster as dg

RELEASE = dg.AssetKey(["release", "warehouse"])
# The release at the place that is the home of the warehouse, where an installation has one.
REMOTE = dg.AssetKey(["release", "remote"])
# Only one step at a time may have the work file, also across runs.
WORK_FILE_POOL = "work_file"
OWNER = "data-team@biopharma-warehouse.example"


def publisher(code: str) -> dg.AssetKey:
    """What the publisher of a source has on its site."""
    return dg.AssetKey(["publisher", code])


def archive(code: str) -> dg.AssetKey:
    """What was fetched of a source."""
    return dg.AssetKey(["archive", code])


def source(code: str) -> dg.AssetKey:
    """A source's editions in the lake."""
    return dg.AssetKey(["source", code])


def relation(schema: str, name: str) -> dg.AssetKey:
    """A relation of the work file: lake, vocabulary, staging, intermediate, marts or quality."""
    return dg.AssetKey([schema, name])


def tag_value(text: str) -> str:
    """Text as a value that Dagster takes for a tag."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_")[:63]
