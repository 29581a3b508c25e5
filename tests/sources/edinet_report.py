"""Annual reports in the layout of EDINET's type 5, made of the real facts of one of them."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ingest.sources.edinet.parse import COLUMNS
from tests.conftest import shared_file

CANONICAL = "edinet_canonical/E00492-S100VH9B_JT_FY2024.canonical.json.gz"
CODE, DOCUMENT, END, FILED = "E00492", "S100VH9B", "2024-12-31", "2025-03-26"
SEGMENT = "jpcrp030000-asr_E00492-000PharmaceuticalsReportableSegmentMember"


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    element: str
    context: str
    perimeter: str
    unit: str
    value: str

    def with_value(self, value: str) -> Row:
        """The same fact with another value."""
        return replace(self, value=value)

    def line(self) -> str:
        """As the publisher writes it."""
        cells = [self.element, "項目", self.context, "当期", self.perimeter, "期間", self.unit, "円", self.value]
        return "\t".join(f'"{cell}"' for cell in cells)


@cache
def facts() -> tuple[Row, ...]:
    """The facts of Japan Tobacco's report for 2024, by number of its line in the document."""
    content = json.loads(gzip.decompress(shared_file(CANONICAL).read_bytes()))
    listed = sorted(content["facts"].values(), key=lambda fact: (fact["source"]["line"], fact["source_context_ref"]))
    rows = []
    for fact in listed:
        context = fact["source_context_ref"]
        perimeter = (
            "個別" if "NonConsolidated" in context else "その他" if context.startswith("FilingDate") else "連結"
        )
        value = "－" if fact["value"] is None else " ".join(fact["value"].split())
        rows.append(
            Row(fact["dimensions"]["concept"], context, perimeter, fact.get("source_unit_ref") or "－", value)
        )
    return tuple(rows)


def changed(*changes: tuple[str, str | None], rows: Sequence[Row] | None = None) -> list[Row]:
    """The facts, the values of elements replaced; None removes an element."""
    new = dict(changes)
    local = {name: name.rsplit(":", 1)[-1] for name in new}
    result = []
    for row in facts() if rows is None else rows:
        name = row.element.rsplit(":", 1)[-1]
        if name not in local:
            result.append(row)
        elif (value := new[name]) is not None:
            result.append(row.with_value(value))
    return result


def table(rows: Sequence[Row], header: Sequence[str] = COLUMNS) -> str:
    """The text of the table."""
    first = "\t".join(f'"{name}"' for name in header)
    return "\r\n".join([first, *(row.line() for row in rows)]) + "\r\n"


def write(
    folder: Path,
    content: Sequence[Row] | str | bytes,
    *,
    name: str = f"{DOCUMENT}.zip",
    member: str = f"jpcrp030000-asr-001_{CODE}-000_{END}_01_{FILED}.csv",
) -> Path:
    """An archive with the report, and an auditor's report beside it."""
    if not isinstance(content, str | bytes):
        content = table(content)
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        other = table([Row("jpcrp_cor:AuditTextBlock", "FilingDateInstant", "その他", "－", "監査報告書" * 200)])
        name_of_other = f"XBRL_TO_CSV/jpaud-aai-cc-001_{CODE}-000_{END}_01_{FILED}.csv"
        archive.writestr(name_of_other, other.encode("utf-16"), zipfile.ZIP_STORED)
        archive.writestr(f"XBRL_TO_CSV/{member}", content if isinstance(content, bytes) else content.encode("utf-16"))
    return path
