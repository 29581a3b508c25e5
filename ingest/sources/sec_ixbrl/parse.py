"""Annual reports in Inline XBRL, to `sales_observation` and `rnd_observation`.

The document is XHTML in which figures are tagged: `ix:nonFraction` has a concept (`name`), a context (`contextRef`:
period and dimensions), a unit, a `scale` (power of ten) and a `sign`; what the document is, and whose, stands in
`ix:nonNumeric` of the taxonomy dei. Specification: https://www.xbrl.org/specification/inlinexbrl-part1/rec-2013-11-18/

Concepts and dimensions are those of the Financial Statement Data Sets (:mod:`ingest.edgar`), but periods are exact.
The day of filing is not in the document: it is in the name under which the file is archived.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
from lxml import etree  # type: ignore[import-untyped]

from ingest import edgar
from ingest.celltext import day
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

_IX = "{http://www.xbrl.org/2013/inlineXBRL}"
_XBRLI = "{http://www.xbrl.org/2003/instance}"
_XBRLDI = "{http://xbrl.org/2006/xbrldi}"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"

# First to last day of 52 weeks (364 days), of a calendar year and of 53 weeks (371 days), with a few days of grace.
_SHORTEST_YEAR, _LONGEST_YEAR = 361, 373

_FILED = re.compile(r"(?:^|_)filed_(\d{4}-\d\d-\d\d)")
_ACCESSION = re.compile(r"^(\d{10}-\d\d-\d{6})_")
# Formats of figures (registry of transformation rules): names end alike in all its versions.
_DOT, _COMMA, _ZERO = "num-?dot-?decimal$", "num-?comma-?decimal$", "(fixed-zero|zerodash|numdash)$"
_NUMBER_DOT, _NUMBER_COMMA = r"^[0-9]{1,3}(,?[0-9]{3})*(\.[0-9]+)?$", r"^[0-9]{1,3}(\.?[0-9]{3})*(,[0-9]+)?$"
_REMEDY = "Fetch the annual report's main document again; if the tagging changed, the parser must follow."


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Revenue by product and market, and R&D spending, of one annual report by fiscal year, in whole units.

    Raises LayoutError for a file that is no Inline XBRL document, does not say whose it is, or states no revenue, and
    for a name without the day of filing (`..._filed_YYYY-MM-DD...`). Figures that cannot be read are rejected.
    """
    if len(files) != 1:
        raise LayoutError(
            f"there are {len(files)} files",
            file=", ".join(f.name for f in files),
            remedy="Load each annual report by itself.",
        )
    (file,) = files
    document = _document(file)
    facts, rejected, dropped, read = _facts(file, document)
    if not facts.height:
        raise LayoutError("no figure of a fiscal year is tagged with a concept taken", file=file.name, remedy=_REMEDY)
    sales, rnd = edgar.sales_rows(facts), edgar.rnd_rows(facts)
    for counts in (sales.dropped, rnd.dropped):
        for rule, count in counts.items():
            dropped[rule] = dropped.get(rule, 0) + count
    tables = {"sales_observation": sales.rows, "rnd_observation": rnd.rows}
    return Parsed(
        {name: frame for name, frame in tables.items() if frame.height},
        rows_read=read,
        rejected=pl.concat(frame for frame in (rejected, sales.rejected) if frame is not None),
        dropped=dropped,
        published_on=document.filed,
        partition=f"CIK{document.cik} {facts.select(pl.col('period_end').max().cast(pl.String)).item()}",
    )


@dataclass(frozen=True)
class _Context:
    """Period and dimensions of figures."""

    start: str | None
    end: str | None
    dimensions: str


@dataclass(frozen=True)
class _Document:
    """An Inline XBRL document: whose it is, when it was filed, its contexts and units."""

    root: etree._Element
    cik: str
    name: str
    form: str
    filed: date
    accession: str | None
    contexts: dict[str, _Context]
    units: dict[str, str]


def _document(file: SourceFile) -> _Document:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        root = etree.parse(file.path, parser).getroot()
    except (etree.XMLSyntaxError, OSError) as error:
        raise LayoutError(f"the document is no XHTML ({error})", file=file.name, remedy=_REMEDY) from error
    said = {
        element.get("name", ""): " ".join("".join(element.itertext()).split())
        for element in root.iter(f"{_IX}nonNumeric")
        if element.get("name", "").startswith("dei:")
    }
    missing = [
        name
        for name in ("dei:EntityCentralIndexKey", "dei:EntityRegistrantName", "dei:DocumentType")
        if not said.get(name)
    ]
    if missing or not said["dei:EntityCentralIndexKey"].isdigit():
        raise LayoutError(
            f"the document does not say whose it is ({', '.join(missing) or 'dei:EntityCentralIndexKey'})",
            file=file.name,
            remedy=_REMEDY,
        )
    filed = _FILED.search(file.name)
    try:
        day = date.fromisoformat(filed[1]) if filed else file.published_on
    except ValueError:
        day = None
    if day is None:
        raise LayoutError(
            "the day of filing is not known",
            file=file.name,
            remedy="Put it into the file's name, as in abbv-20241231_10-K_filed_2025-02-14.htm.",
        )
    accession = _ACCESSION.match(file.name)
    return _Document(
        root=root,
        cik=said["dei:EntityCentralIndexKey"].zfill(10),
        name=said["dei:EntityRegistrantName"],
        form=said["dei:DocumentType"],
        filed=day,
        accession=accession[1] if accession else None,
        contexts=dict(_contexts(root)),
        units=dict(_units(root)),
    )


def _contexts(root: etree._Element) -> Iterator[tuple[str, _Context]]:
    for context in root.iter(f"{_XBRLI}context"):
        parts = [
            (edgar.short_name(member.get("dimension", "")), edgar.short_name((member.text or "").strip()))
            for member in context.iter(f"{_XBRLDI}explicitMember")
        ]
        # A typed dimension names its member in words; no product axis does.
        parts += [
            (edgar.short_name(member.get("dimension", "")), "".join(member.itertext()).strip())
            for member in context.iter(f"{_XBRLDI}typedMember")
        ]
        dimensions = "".join(f"{axis}={member};" for axis, member in sorted(parts))
        start, end = (context.findtext(f".//{_XBRLI}{name}") for name in ("startDate", "endDate"))
        yield context.get("id", ""), _Context(start and start.strip(), end and end.strip(), dimensions)


def _units(root: etree._Element) -> Iterator[tuple[str, str]]:
    for unit in root.iter(f"{_XBRLI}unit"):
        measures = [(measure.text or "").strip() for measure in unit.iter(f"{_XBRLI}measure")]
        yield unit.get("id", ""), "/".join(measures)


def _facts(file: SourceFile, document: _Document) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int], int]:
    """Facts of fiscal years, figures that cannot be read, counts of those left out by rule, and the count of all."""
    empty = _Context(None, None, "")
    rows = []
    read = 0
    for element in document.root.iter(f"{_IX}nonFraction"):
        read += 1
        if element.get("name") in edgar.CONCEPTS and element.get(_NIL) != "true":
            context = document.contexts.get(element.get("contextRef", ""), empty)
            rows.append(
                {
                    "concept": element.get("name"),
                    "unit": document.units.get(element.get("unitRef", "")),
                    "start": context.start,
                    "end": context.end,
                    "dimensions": context.dimensions,
                    "format": element.get("format") or "num-dot-decimal",
                    "scale": element.get("scale") or "0",
                    "sign": element.get("sign"),
                    "decimals": element.get("decimals"),
                    "text": "".join(element.itertext()),
                    "id": element.get("id") or "?",
                }
            )
    names = ("concept", "unit", "start", "end", "dimensions", "format", "scale", "sign", "decimals", "text", "id")
    figures = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))
    dropped: dict[str, int] = {"other_concept": read - figures.height}

    def keep(frame: pl.DataFrame, condition: pl.Expr, rule: str) -> pl.DataFrame:
        kept = frame.filter(condition)
        dropped[rule] = dropped.get(rule, 0) + frame.height - kept.height
        return kept

    figures = figures.with_columns(
        day(pl.col("start", "end")).name.suffix("_on"),
        _value().alias("value"),
        pl.col("unit").str.extract(r"^iso4217:([A-Z]{3})$").alias("currency"),
        pl.format("ix:nonFraction id {}", "id").alias("locator"),
    )
    is_unread = pl.col("value").is_null() | pl.col("unit").is_null() | pl.col("end_on").is_null()
    rejected = figures.filter(is_unread).select(
        pl.lit("sales_observation").alias("table_name"),
        pl.lit(file.name).alias("file_name"),
        "locator",
        pl.lit("the figure, its context or its unit cannot be read").alias("reason"),
        pl.struct(names).struct.json_encode().alias("raw"),
    )
    money = keep(figures.filter(~is_unread), pl.col("currency").is_not_null(), "no_amount_of_money")
    days = (pl.col("end_on") - pl.col("start_on")).dt.total_days() + 1
    years = keep(money, days.is_between(_SHORTEST_YEAR, _LONGEST_YEAR).fill_null(False), "not_twelve_months")
    # The same figure may stand in several places, in a text rounded to billions: the most precise one is taken.
    precision = pl.col("decimals").replace("INF", "99").cast(pl.Int64, strict=False)
    once = years.sort(precision, descending=True, nulls_last=True, maintain_order=True).unique(
        ["concept", "start_on", "end_on", "dimensions", "currency"], keep="first", maintain_order=True
    )
    dropped["repeated_in_the_document"] = years.height - once.height
    company = f"https://www.sec.gov/Archives/edgar/data/{int(document.cik)}/"
    folder = f"{document.accession.replace('-', '')}/" if document.accession else ""
    is_original = document.accession is not None
    facts = once.select(
        pl.lit(document.accession or file.name).alias("accession"),
        pl.lit(document.cik).alias("filer_code"),
        pl.lit(document.name).str.normalize("NFKC").alias("filer_name"),
        pl.lit(None, dtype=pl.String).alias("filer_iso3"),
        pl.lit(document.form).alias("form"),
        pl.lit(document.filed).alias("filed"),
        "concept",
        "dimensions",
        pl.col("start_on").alias("period_start"),
        pl.col("end_on").alias("period_end"),
        (pl.col("end_on") < pl.col("end_on").max()).alias("is_comparative"),
        "currency",
        "value",
        "locator",
        pl.lit(file.url or company + folder).alias("document_url"),
        pl.lit(file.name).alias("file_name"),
        pl.lit(file.sha256).alias("file_sha256"),
        pl.lit("publisher_bytes" if is_original else "republished_copy").alias("value_origin"),
    )
    return facts.cast(edgar.FACTS), rejected, {rule: count for rule, count in dropped.items() if count}, read


def _value() -> pl.Expr:
    """The number that a figure states: its text by the format, times its scale, with its sign; null if unreadable."""
    text = pl.col("text").str.replace_all(r"\s", "")
    kind = pl.col("format")
    with_dot = pl.when(kind.str.contains(_DOT) & text.str.contains(_NUMBER_DOT)).then(
        text.str.replace_all(",", "", literal=True)
    )
    with_comma = pl.when(kind.str.contains(_COMMA) & text.str.contains(_NUMBER_COMMA)).then(
        text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    )
    number = pl.coalesce(with_dot, with_comma).cast(pl.Float64)
    scale = pl.lit(10.0).pow(pl.col("scale").cast(pl.Int64, strict=False))
    # Millions with one decimal are whole again after scaling, but for the last bit of the product.
    scaled = (number * scale * 100).round(0) / 100
    zero = pl.when(kind.str.contains(_ZERO)).then(0.0)
    return pl.coalesce(zero, pl.when(pl.col("sign") == "-").then(-scaled).otherwise(scaled))
