"""Structured product labels (HL7 version 3 XML) to one row per product, establishment and operation.

The FDA describes the format at https://www.fda.gov/industry/fda-data-standards-advisory-board/structured-product-
labeling-resources: `author/assignedEntity/representedOrganization` is the labeler, below it stand the establishments,
each with its operations (`performance`) and the products that an operation is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
from lxml import etree  # type: ignore[import-untyped]

from ingest.errors import LayoutError
from ingest.fda_operations import OPERATIONS
from ingest.source import Parsed, SourceFile

_NS = {"v3": "urn:hl7-org:v3"}
_DUNS = "1.3.6.1.4.1.519.1"
# Codes of the NCI Thesaurus that decide the operation whatever name stands beside them.
_CODES = {"C82401": "API MANUFACTURE", "C43360": "MANUFACTURE", "C25391": "ANALYSIS", "C84731": "PACK"}
_SCHEMA = {
    "product_code": pl.String(),
    "product_name": pl.String(),
    "substance_name": pl.String(),
    "firm_name": pl.String(),
    "site_id": pl.String(),
    "operation": pl.String(),
    "operation_as_published": pl.String(),
    "document_url": pl.String(),
    "published_on": pl.Date(),
    "note": pl.String(),
    "file_sha256": pl.String(),
    "locator": pl.String(),
    "file_name": pl.String(),
    "set_id": pl.String(),
    "version": pl.Int64(),
    "reason": pl.String(),
}


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Establishments of labels as `site_role` (market USA, no country: a label gives a number and no address).

    Any number of labels, one XML file each. An operation that names no product is about every product of its label.
    Labels without establishments, older versions of a label, and repeated operations are dropped and counted;
    establishments without a name, and operations without one, are rejected. `published_on` of a row is the day on
    which its label took effect. Raises LayoutError for a file that is no well-formed label or declares entities.
    """
    labels = [(file, _root(file)) for file in files]
    read = [row for file, root in labels for row in _rows(file, root)]
    frame = pl.DataFrame(read, schema=_SCHEMA, orient="row")
    newest = frame.filter(pl.col("version") == pl.col("version").max().over("set_id"))
    good = newest.filter(pl.col("reason").is_null() & pl.col("firm_name").is_not_null())
    distinct = good.unique(
        ["product_code", "product_name", "substance_name", "firm_name", "site_id", "operation_as_published"],
        keep="first",
        maintain_order=True,
    )
    bad = newest.filter(pl.col("reason").is_not_null())
    with_rows = frame.filter(pl.col("operation").is_not_null() | pl.col("reason").is_not_null())[
        "file_name"
    ].n_unique()
    dropped = {
        "label_without_establishments": len(labels) - with_rows,
        "superseded_label": with_rows - newest["file_name"].n_unique() if with_rows else 0,
        "repeated_operation": good.height - distinct.height,
    }
    rows = distinct.drop("file_name", "set_id", "version", "reason").with_columns(
        pl.lit("USA").alias("market_iso3"), pl.lit("label").alias("measure_basis")
    )
    return Parsed(
        {"site_role": rows} if rows.height else {},
        rows_read=len(read) + dropped["label_without_establishments"],
        rejected=bad.select(
            pl.lit("site_role").alias("table_name"),
            "file_name",
            "locator",
            "reason",
            pl.concat_str("set_id", "firm_name", "operation_as_published", separator=" ", ignore_nulls=True).alias(
                "raw"
            ),
        ),
        dropped={name: count for name, count in dropped.items() if count},
        published_on=max((_effective(file, root) for file, root in labels), default=None),
    )


def _root(file: SourceFile) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        tree = etree.parse(str(file.path), parser)
    except (etree.XMLSyntaxError, OSError) as error:
        # libxml reports bytes that are no text as an error of reading.
        raise LayoutError(
            f"the XML is cut off or malformed ({getattr(error, 'msg', None) or 'bytes that are no text'})",
            file=file.name,
            row=getattr(error, "lineno", None),
            remedy="Fetch the label again.",
        ) from error
    if tree.docinfo.doctype or tree.docinfo.internalDTD is not None:
        raise LayoutError(
            "the XML declares a document type, which a label never does",
            file=file.name,
            remedy="Refused, because entities may read other files or grow without bound: check where it came from.",
        )
    root = tree.getroot()
    if root.tag != f"{{{_NS['v3']}}}document":
        raise LayoutError(
            f"the XML is no structured product label (its root is {etree.QName(root).localname})",
            file=file.name,
            remedy="Load the XML of a label, not a list or an answer of the service.",
        )
    return root


def _effective(file: SourceFile, root: Any) -> date:
    value = _attribute(root, "v3:effectiveTime/@value") or ""
    try:
        return datetime.strptime(value[:8], "%Y%m%d").date()
    except ValueError as error:
        raise LayoutError(
            f"the label has no effective date of the form YYYYMMDD: {value or '(none)'}",
            file=file.name,
            remedy="Fetch the label again.",
        ) from error


def _rows(file: SourceFile, root: Any) -> Iterator[tuple[object, ...]]:
    set_id = _attribute(root, "v3:setId/@root") or _attribute(root, "v3:id/@root") or file.name
    version = _attribute(root, "v3:versionNumber/@value") or "0"
    effective = _effective(file, root)
    products = _products(root)
    url = f"https://dailymed.nlm.nih.gov/dailymed/drugInfo.cfm?setid={set_id}"
    for entity in root.xpath("v3:author//v3:assignedEntity[v3:performance]", namespaces=_NS):
        firm = _text(entity, "v3:assignedOrganization/v3:name")
        duns = _attribute(entity, f"v3:assignedOrganization/v3:id[@root='{_DUNS}']/@extension")
        for act in entity.xpath("v3:performance/v3:actDefinition", namespaces=_NS):
            code = _attribute(act, "v3:code/@code")
            published = _attribute(act, "v3:code/@displayName") or code
            name = _CODES.get(code or "", (published or "").upper())
            named = act.xpath("v3:product//v3:manufacturedMaterialKind/v3:code/@code", namespaces=_NS)
            notes = [f"set id {set_id}", f"version {version}"]
            if not named:
                notes.append("the operation names no product: it is about the whole label")
            if name not in OPERATIONS:
                notes.append("operation unknown to the parser")
            reason = (
                "the establishment has no name"
                if not firm
                else "the operation has neither code nor name"
                if not published
                else None
                if named or products
                else "the label names no product"
            )
            about: list[str | None] = [str(code) for code in named] or [*products] or [None]
            for product in about:
                brand, substances = products.get(product or "", (None, None))
                yield (
                    product,
                    brand,
                    substances,
                    firm,
                    f"DUNS {duns}" if duns else None,
                    OPERATIONS.get(name, "other"),
                    published,
                    url,
                    effective,
                    "; ".join(notes),
                    file.sha256,
                    f"line {act.sourceline}",
                    file.name,
                    set_id,
                    int(version) if version.isdigit() else 0,
                    reason or (None if brand else f"the label describes no product {product}"),
                )


def _products(root: Any) -> dict[str, tuple[str | None, str | None]]:
    """Name and active substances by product code; the parts of a kit count as products, and theirs as the kit's."""
    found: dict[str, tuple[str | None, str | None]] = {}
    paths = "//v3:manufacturedProduct[v3:code/@code] | //v3:partProduct[v3:code/@code]"
    for product in root.xpath(paths, namespaces=_NS):
        code = _attribute(product, "v3:code/@code")
        active = product.xpath(".//v3:ingredient[starts-with(@classCode,'ACT')]", namespaces=_NS)
        substances = [_text(entry, "v3:ingredientSubstance/v3:name") for entry in active]
        distinct = list(dict.fromkeys(name for name in substances if name))
        name = _text(product, "v3:name") or _text(product, "v3:asEntityWithGeneric/v3:genericMedicine/v3:name")
        if code and code not in found:
            found[code] = (name, "; ".join(distinct) or None)
    return found


def _attribute(node: Any, path: str) -> str | None:
    values = node.xpath(path, namespaces=_NS)
    return str(values[0]).strip() or None if values else None


def _text(node: Any, path: str) -> str | None:
    """The text of the first element of that path, of its children too, with single blanks."""
    found = node.xpath(path, namespaces=_NS)
    return " ".join(" ".join(found[0].itertext()).split()) or None if found else None
