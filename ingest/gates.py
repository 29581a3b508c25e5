"""Gates before parsing: a file must be what its source says it is, judged by content and not by name."""

from __future__ import annotations

import fnmatch
import gzip
import json
import zipfile
import zlib
from pathlib import Path

from ingest.errors import GateError
from ingest.source import Content, FileGate, SourceFile, SourceSpec

_HEAD = 4096
_ZIP_MAGIC = b"PK\x03\x04"
_GZIP_MAGIC = b"\x1f\x8b"
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAX_RATIO = 200
_MAX_UNPACKED = 8_000_000_000
_MAX_ENTRIES = 100_000


def check(spec: SourceSpec, file: SourceFile) -> None:
    """Raise GateError unless the file passes its gate.

    A file whose name matches no gate of the source is refused too: it is probably another source's.
    """
    gate = gate_for(spec, file.name)
    size = file.path.stat().st_size
    if size == 0:
        raise GateError("the file is empty", file=file.name, remedy="Fetch it again.")
    with file.path.open("rb") as stream:
        head = stream.read(_HEAD)
    found = sniff(head)
    if found == "html" and gate.content != "html":
        raise GateError(
            "the file is an HTML page, not data",
            file=file.name,
            remedy="The server sent an error or landing page: fetch the file again or check its address.",
        )
    if size < gate.min_bytes:
        raise GateError(
            f"the file has {size:,} bytes, fewer than the {gate.min_bytes:,} that a complete one has",
            file=file.name,
            remedy="It is probably cut off or an error page: fetch it again.",
        )
    if size > gate.max_bytes:
        raise GateError(
            f"the file has {size:,} bytes, more than the {gate.max_bytes:,} allowed",
            file=file.name,
            remedy="Check that it is the right file; raise max_bytes in source.yml if it is.",
        )
    _check_content(gate.content, found, file)


def gate_for(spec: SourceSpec, name: str) -> FileGate:
    """The gate of a file by its name; raises GateError where none matches."""
    for gate in spec.default_files:
        if fnmatch.fnmatch(name.lower(), gate.pattern.lower()):
            return gate
    patterns = ", ".join(gate.pattern for gate in spec.default_files) or "none"
    raise GateError(
        f"the name matches no file of source {spec.code} (expected: {patterns})",
        file=name,
        remedy="Check the source code, or give the file the publisher's name.",
    )


def sniff(head: bytes) -> str:
    """Kind of content by its first bytes: zip, gzip, ole, pdf, html, xml, json or text."""
    if head.startswith(_ZIP_MAGIC):
        return "zip"
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    if head.startswith(_OLE_MAGIC):
        return "ole"
    if head.startswith(b"%PDF"):
        return "pdf"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "html"
    if text.startswith(b"<"):
        return "xml"
    if text.startswith((b"{", b"[")):
        return "json"
    return "text"


def _check_content(expected: Content, found: str, file: SourceFile) -> None:
    accepts: dict[str, set[str]] = {
        "xlsx": {"zip"},
        "xls": {"ole"},
        "zip": {"zip"},
        "gzip": {"gzip"},
        "csv": {"text", "json"},
        "tsv": {"text", "json"},
        "text": {"text", "json"},
        "json": {"json"},
        "xml": {"xml"},
        "html": {"html", "xml"},
        "pdf": {"pdf"},
    }
    if found not in accepts[expected]:
        raise GateError(
            f"the content is {found}, not {expected}",
            file=file.name,
            remedy="Fetch the file again; if the publisher changed the format, the parser must follow.",
        )
    if found == "zip":
        _check_zip(file)
        if expected == "xlsx" and not _has_member(file.path, "xl/workbook.xml"):
            raise GateError(
                "the zip archive is not an Excel workbook",
                file=file.name,
                remedy="Fetch the workbook itself.",
            )
    elif found == "gzip":
        _check_gzip(file)
    elif expected == "json":
        try:
            json.loads(file.path.read_bytes())
        except ValueError as error:
            raise GateError(
                f"the JSON is cut off or malformed ({error})", file=file.name, remedy="Fetch it again."
            ) from error


def _has_member(path: Path, member: str) -> bool:
    with zipfile.ZipFile(path) as archive:
        return member in archive.namelist()


def _check_zip(file: SourceFile) -> None:
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            packed = sum(entry.compress_size for entry in entries) or 1
            if len(entries) > _MAX_ENTRIES or unpacked > _MAX_UNPACKED or unpacked / packed > _MAX_RATIO:
                raise GateError(
                    f"the archive would unpack to {unpacked:,} bytes in {len(entries):,} entries, "
                    f"{unpacked / packed:.0f} times its size",
                    file=file.name,
                    remedy="Refused as a possible bomb: check where the file came from.",
                )
            unsafe = [
                entry.filename
                for entry in entries
                if entry.filename.startswith(("/", "\\")) or ".." in Path(entry.filename).parts
            ]
            if unsafe:
                raise GateError(
                    f"the archive holds the unsafe path {unsafe[0]!r}",
                    file=file.name,
                    remedy="Refused: check where the file came from.",
                )
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise GateError(
            f"the zip archive is cut off or damaged ({error})", file=file.name, remedy="Fetch it again."
        ) from error
    if damaged:
        raise GateError(
            f"member {damaged!r} of the zip archive fails its checksum",
            file=file.name,
            remedy="Fetch it again.",
        )


def _check_gzip(file: SourceFile) -> None:
    limit = max(_MAX_RATIO * file.path.stat().st_size, 1 << 20)
    total = 0
    try:
        with gzip.open(file.path) as stream:
            while chunk := stream.read(1 << 20):
                total += len(chunk)
                if total > min(limit, _MAX_UNPACKED):
                    raise GateError(
                        f"the gzip file unpacks to more than {_MAX_RATIO} times its size",
                        file=file.name,
                        remedy="Refused as a possible bomb: check where the file came from.",
                    )
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GateError(
            f"the gzip file is cut off or damaged ({error})", file=file.name, remedy="Fetch it again."
        ) from error
