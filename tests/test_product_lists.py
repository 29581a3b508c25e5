from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from ingest.errors import LayoutError
from ingest.fda_operations import OPERATIONS
from ingest.lake import contract
from ingest.product_lists import joined, normal, obtained_on, only, route_group
from ingest.source import SourceFile


@pytest.mark.parametrize(
    ("routes", "separator", "group"),
    [
        ("Intravenous, Subcutaneous", ",", "injection"),
        ("INTRAMUSCULAR; INTRAVENOUS", ";", "injection"),
        ("Oral", ",", "oral"),
        ("TOPICAL; OPHTHALMIC", ";", "topical"),
        ("DENTAL", ";", "dental"),
        ("Oral, Intravenous", ",", "other"),
        ("Percutaneous", ",", "other"),
        ("Ｏｒａｌ", ",", "oral"),
        ("  ", ",", None),
        (None, ",", None),
    ],
)
def test_route_group(routes: str | None, separator: str, group: str | None) -> None:
    assert pl.select(route_group(pl.lit(routes, dtype=pl.String), separator)).item() == group


def test_names_and_flags() -> None:
    assert pl.select(normal(pl.lit(" ５０ｍｇ\r\n per\u00a0vial "))).item() == "50mg per vial"
    assert pl.select(normal(pl.lit(" \n"))).item() is None
    assert pl.select(joined(pl.lit("a"), pl.lit(None, dtype=pl.String), pl.lit("b"), separator=",")).item() == "a,b"
    assert pl.select(joined(pl.lit(None, dtype=pl.String), separator=",")).item() is None


def test_one_file_and_its_day() -> None:
    file = SourceFile(Path("a"), "a", "0", fetched_at=datetime(2026, 5, 4, 23, 0, tzinfo=UTC))
    assert only([file]) is file and obtained_on(file) == date(2026, 5, 4)
    assert obtained_on(SourceFile(Path("a"), "a", "0")) is None
    for files in ([], [file, file]):
        with pytest.raises(LayoutError, match="an edition is one file"):
            only(files)


def test_operations_are_those_of_the_contract() -> None:
    allowed = contract("site_role").column("operation").allowed
    assert allowed and set(OPERATIONS.values()) <= set(allowed)
