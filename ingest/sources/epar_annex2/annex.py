"""Annex II of a European product information (PDF, or its text): who makes the biological substance, who releases.

The wording of the headings is that of the agency's template for product information,
https://www.ema.europa.eu/en/human-regulatory-overview/marketing-authorisation/product-information-requirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import dropwhile

import pypdf
from pypdf.errors import PyPdfError

from ingest import areas
from ingest.errors import LayoutError
from ingest.source import SourceFile
from ingest.tabtext import decode

_NAME_AND_ADDRESS = r"names?\s+and\s+address(?:es)?\s+of\s+(?:the\s+)?manufacturers?\s*(?:\(s\))?\s+"
_HEADINGS = {
    "drug_substance": re.compile(
        _NAME_AND_ADDRESS + r"of\s+(?:the\s+)?biological\s+active\s+substances?\s*(?:\(s\))?", re.IGNORECASE
    ),
    "batch_release": re.compile(_NAME_AND_ADDRESS + r"responsible\s+for\s+(?:the\s+)?batch\s+release", re.IGNORECASE),
}
PUBLISHED = {
    "drug_substance": "manufacturer of the biological active substance",
    "batch_release": "manufacturer responsible for batch release",
}
_END = re.compile(r"^[ \t]*(?:[B-F]\.[ \t]+[A-Z]{3}|The printed package leaflet\b)", re.MULTILINE)
_NEXT_ANNEX = re.compile(r"^[ \t]*ANNEX[ \t]+III\b", re.MULTILINE)
_PAGE_NUMBER = re.compile(r"\d{1,3}(?:/\d{1,3})?")
_CONJUNCTION = re.compile(r"(?:and|or|and/or)[:,]?", re.IGNORECASE)
_PRODUCT = re.compile(r"^\s*1\.\s*NAME OF THE MEDICINAL PRODUCT\s*$", re.MULTILINE)
# Where the name of a product ends: before its strength, or before its pharmaceutical form.
_STRENGTH_OR_FORM = re.compile(
    r"\s+(?:\d[\d.,]*\s*(?:mg|g|micrograms?|mcg|µg|ml|IU|I\.U\.|units?|million|x|%|nanograms?|mmol|vector|cells)\b"
    r"|(?:suspension|solution|powder|concentrate|tablets?|capsules?|emulsion|dispersion|lyophilisate|implant|eye|"
    r"granules|pre-filled|film-coated|hard|soft|gel|cream|ointment)\b).*",
    re.IGNORECASE | re.DOTALL,
)
_LEGAL_FORMS = (
    r"Inc|LLC|L\.L\.C|Ltd|Limited|Corp|Corporation|Company|plc|GmbH|AG|KG|S\.A\.S?|SAS|S\.?p\.?A|S\.?r\.?l|"
    r"B\.?V|N\.?V|A/S|ApS|Oy|Unlimited|L\.P|S\.L\.?U?"
)
_LEGAL_FORM = re.compile(rf"(?:{_LEGAL_FORMS}|Co)\.?", re.IGNORECASE)
_FIRM = re.compile(rf"(?:^|[\s,])(?:{_LEGAL_FORMS})\.?$")
# A second line that belongs to the name above it.
_PART = re.compile(r"(?:division|part|subsidiary|member|an?|c/o|trading)\b|\(|&", re.IGNORECASE)
# A name of a country that is one of an American state too: alone it decides nothing.
_AMBIGUOUS = {"georgia"}


@dataclass(frozen=True)
class Manufacturer:
    """One entry of the annex; `country_iso3` is None where the address names no known country, with the reason."""

    operation: str
    firm_name: str
    site_place: str | None
    country_iso3: str | None
    locator: str
    raw: str
    reason: str | None = None


@dataclass(frozen=True)
class Annex:
    """The product as the document calls it, and its manufacturers in the order of the annex."""

    product_name: str
    manufacturers: list[Manufacturer]


@dataclass
class _Line:
    text: str
    locator: str


@dataclass
class _Document:
    """Lines with their places, and the offsets at which they begin in the joined text."""

    lines: list[_Line]
    starts: list[int] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        for line in self.lines:
            self.starts.append(len(self.text))
            self.text += line.text + "\n"

    def between(self, start: int, end: int) -> list[_Line]:
        """Lines that begin in that range of the text."""
        return [line for line, at in zip(self.lines, self.starts, strict=True) if start <= at < end]


def read(file: SourceFile) -> Annex:
    """The manufacturers that Annex II names; raises LayoutError where a heading is missing or has no entry."""
    document = _pdf(file) if file.name.lower().endswith(".pdf") else _plain(file)
    first = min((match.start() for h in _HEADINGS.values() if (match := h.search(document.text))), default=0)
    following_annex = _NEXT_ANNEX.search(document.text, first)
    last = following_annex.start() if following_annex else len(document.text)
    found = sorted(
        (match.start(), match.end(), operation)
        for operation, heading in _HEADINGS.items()
        for match in heading.finditer(document.text, 0, last)
    )
    missing = [name for name in _HEADINGS if name not in {operation for _, _, operation in found}]
    if missing:
        raise LayoutError(
            "no heading names the " + " or the ".join(PUBLISHED[name] for name in missing),
            file=file.name,
            remedy="Only English product information of a biological medicine has both: check the document, and "
            "whether its text can be copied from it (a scan has none).",
        )
    manufacturers: list[Manufacturer] = []
    for number, (_, end, operation) in enumerate(found):
        following = found[number + 1][0] if number + 1 < len(found) else last
        stop = _END.search(document.text, end)
        entries = _entries(document.between(end, min(following, stop.start() if stop else following)), operation)
        if not entries:
            raise LayoutError(
                f"no address follows the heading of the {PUBLISHED[operation]}",
                file=file.name,
                remedy="The document's text is out of order or cut off: fetch it again, or transcribe it by hand.",
            )
        manufacturers += entries
    return Annex(_product(document.text, file.name), manufacturers)


def partition(name: str) -> str:
    """The short name of a product from the file's name, as in mabthera-epar-product-information_en.pdf."""
    stem = name.rsplit(".", 1)[0].lower()
    return re.sub(r"[-_]epar[-_]product[-_]information.*$", "", stem) or stem


def _pdf(file: SourceFile) -> _Document:
    try:
        reader = pypdf.PdfReader(file.path)
        lines: list[_Line] = []
        for number, page in enumerate(reader.pages, start=1):
            text = page.extract_text()
            lines += _printed(
                [_Line(line.strip(), f"page {number} line {at}") for at, line in enumerate(text.split("\n"), start=1)]
            )
            if _NEXT_ANNEX.search(text):
                break
    except (PyPdfError, OSError) as error:
        raise LayoutError(
            f"the PDF cannot be read ({type(error).__name__}: {error})",
            file=file.name,
            remedy="Fetch it again; a PDF with a password must be transcribed by hand.",
        ) from error
    return _Document(lines)


def _printed(page: list[_Line]) -> list[_Line]:
    """A page without the blank lines and the number at its ends: an address may run on over the break."""

    def is_margin(line: _Line) -> bool:
        return not line.text or _PAGE_NUMBER.fullmatch(line.text) is not None

    return list(dropwhile(is_margin, reversed(list(dropwhile(is_margin, page)))))[::-1]


def _plain(file: SourceFile) -> _Document:
    text = decode(file.path.read_bytes(), file.name).replace("\r\n", "\n").replace("\f", "\n")
    return _Document(
        [_Line(line.strip(), f"line {position}") for position, line in enumerate(text.split("\n"), start=1)]
    )


def _product(text: str, name: str) -> str:
    if match := _PRODUCT.search(text):
        line = next((line.strip() for line in text[match.end() :].splitlines() if line.strip()), "")
        if shortened := _STRENGTH_OR_FORM.sub("", line).strip():
            return " ".join(shortened.split())
    return partition(name)


def _entries(lines: list[_Line], operation: str) -> list[Manufacturer]:
    return [
        _manufacturer(entry, operation)
        for block in _blocks(lines)
        for piece in _pieces(block)
        for entry in _one_line_entries(piece)
    ]


def _blocks(lines: list[_Line]) -> Iterator[list[_Line]]:
    """Lines between blank ones, without page numbers and marks; a line that only joins addresses parts them too."""
    block: list[_Line] = []
    for line in lines:
        if _PAGE_NUMBER.fullmatch(line.text) or (line.text and not re.search(r"\w", line.text)):
            continue
        if line.text and not _CONJUNCTION.fullmatch(line.text):
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _pieces(block: list[_Line]) -> Iterator[list[_Line]]:
    """A block, parted after each line that is a country: addresses may follow one another without a blank line."""
    pieces: list[list[_Line]] = [[]]
    for line in block:
        pieces[-1].append(line)
        if _country(line.text):
            pieces.append([])
    if not pieces[-1]:
        pieces.pop()
    merged: list[list[_Line]] = []
    for piece in pieces:
        # A country alone belongs to the address before it: Georgia, USA.
        if merged and len(piece) == 1:
            merged[-1] += piece
        else:
            merged.append(piece)
    yield from merged


def _one_line_entries(piece: list[_Line]) -> Iterator[list[_Line]]:
    """Addresses that stand in one line each, separated by commas, one by one."""
    if all(line.text.count(",") >= 2 and _country(line.text.rsplit(",", 1)[1]) for line in piece):
        for line in piece:
            yield _parts(line)
    else:
        yield piece


def _parts(line: _Line) -> list[_Line]:
    parts = [part.strip() for part in line.text.split(",")]
    name = parts.pop(0)
    while len(parts) > 1 and _LEGAL_FORM.fullmatch(parts[0]):
        name += f", {parts.pop(0)}"
    return [_Line(text, line.locator) for text in (name, *parts)]


def _manufacturer(entry: list[_Line], operation: str) -> Manufacturer:
    raw = " | ".join(line.text for line in entry)
    name, *address = (line.text.rstrip(",") for line in entry)
    place: str | None = None
    country: str | None = None
    reason: str | None = "the entry has no address"
    if address:
        rest, last = _split_country(address[-1])
        country = _country(last)
        reason = None if country else f"the last line of the address names no known country: {address[-1]}"
        if areas.comparable(last.rstrip(".")) in _AMBIGUOUS:
            country, reason = None, f"{last} may be the country or the American state"
        if stranger := next((line for line in address[:-1] if _FIRM.search(line) and not _PART.match(line)), None):
            country, reason = None, f"the entry may hold two addresses: {stranger} looks like the name of a firm"
        place = ", ".join(part for part in (*address[:-1], rest) if part) or None
    return Manufacturer(operation, name, place, country, entry[0].locator, raw, reason)


def _split_country(line: str) -> tuple[str, str]:
    """The last line of an address, parted before the country: after a comma, or after a postcode."""
    if _country(line):
        return "", line
    for pattern in (r"(.*),\s*([^,]+)", r"(.*\d\S*)\s+(\D+)"):
        if (match := re.fullmatch(pattern, line)) and _country(match.group(2)):
            return match.group(1).rstrip(", "), match.group(2)
    return line, line


def _country(text: str) -> str | None:
    names = areas.names()
    plain = areas.comparable(text)
    return names.get(plain) or names.get(plain.rstrip("."))
