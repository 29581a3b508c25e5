"""Answers of the e-Stat API, version 3.0, as frames (JSON of getStatsData and getStatsList).

A table is sent in pages of up to 100,000 values; `RESULT_INF` tells the first and the last of a page, how many there
are in all, and as NEXT_KEY where the next page begins. Two habits of the service have to be undone: it answers errors
with HTTP status 200 and its own `RESULT.STATUS`, and a list with one member comes as that member.
https://www.e-stat.go.jp/api/api-info/e-stat-manual3-0
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from ingest.errors import IngestError, LayoutError
from ingest.source import SourceFile

VALUE = "value"
TEXT = "text"
UNIT = "unit"
LOCATOR = "locator"
MARK = "mark"
# What stands in place of a figure where the table's own NOTE does not say: not surveyed, none, hidden.
_MARKS = ("***", "-", "X", "…", "x")
HIDDEN_MARKS = ("X", "x")
_FETCH = "Fetch it again; if the service changed its answers, ingest/estat_api.py must follow."


class EstatError(IngestError):
    """The service answered, and its answer is an error."""


@dataclass(frozen=True)
class Class:
    """A dimension of a table: its id (`tab`, `cat01`, `area`, `time`), its name, and its codes with their names."""

    id: str
    name: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Table:
    """One statistical table, whole or the pages at hand.

    `values` has one text column per class (`tab`, `cat01`, ...), `unit`, `text` (as sent), `value` (float; null
    where a mark stands in its place), `mark`, `locator` and `file_sha256`. `rejected` holds values that are neither
    (`file_name`, `locator`, `reason`, `raw`).
    """

    table_id: str
    survey_code: str
    survey: str
    statistics: str
    title: str
    updated_on: date | None
    total: int
    next_key: int | None
    classes: dict[str, Class]
    marks: dict[str, str]
    values: pl.DataFrame
    rejected: pl.DataFrame = field(compare=False)


def total_of(answer: Any, name: str) -> int:
    """How many values the table of an answer of getStatsData has. Raises EstatError and LayoutError."""
    inf = _inside(_statistics(answer, name), "RESULT_INF", name)
    try:
        return int(inf["TOTAL_NUMBER"])
    except (KeyError, TypeError, ValueError):
        _fail(name, "the answer does not tell how many values the table has", _FETCH)


def tables_of(answer: Any, name: str) -> tuple[list[dict[str, str]], int | None]:
    """Tables of an answer of getStatsList (`id`, `statistics`, `title`), and where its next page begins.

    Raises EstatError where the service reports an error and LayoutError for another answer.
    """
    body = _inside(answer, "GET_STATS_LIST", name)
    _refuse_errors(body, name)
    listing = _inside(body, "DATALIST_INF", name)
    found = [
        {
            "id": str(entry.get("@id", "")),
            "statistics": _text(entry.get("STATISTICS_NAME")),
            "title": _text(entry.get("TITLE")),
        }
        for entry in _listed(listing.get("TABLE_INF"))
    ]
    return found, _next_key(listing.get("RESULT_INF") or {})


def read(files: Sequence[SourceFile], survey_code: str | None = None) -> Table:
    """The table of one or more pages of getStatsData, in any order; where `survey_code` is given, of that survey.

    Raises EstatError where a page is the service's error message, and LayoutError for other JSON, a table of another
    survey, pages of different tables, a page that is missing or stands twice, and values that name an unknown class
    or code.
    """
    if not files:
        raise LayoutError("no file is given", remedy="Give the pages of one table.")
    pages = [_page(file) for file in files]
    name = ", ".join(file.name for file in files)
    first = pages[0]
    if survey_code is not None and first.survey_code != survey_code:
        _fail(
            name,
            f"table {first.table_id} ({_text(first.info.get('TITLE'))}) belongs to "
            f"{_text(first.info.get('STAT_NAME'))} ({first.survey_code}), not to {survey_code}",
            "Give a table of that survey; another survey needs a source of its own.",
        )
    if any((page.table_id, page.total) != (first.table_id, first.total) for page in pages):
        _fail(name, "the pages are of different tables or states", "Give the pages of one answer.")
    pages.sort(key=lambda page: page.first)
    expected = 1
    for page in pages:
        if page.first != expected:
            _fail(
                name,
                f"a page that begins with value {expected} is expected, the next one begins with {page.first}",
                "Give every page once.",
            )
        expected = page.last + 1
    if expected <= first.total:
        _fail(
            name,
            f"the pages end with value {expected - 1} of {first.total}",
            f"Fetch on from startPosition={expected}, and give every page.",
        )
    return _table(pages, name)


def read_page(path: Path, name: str, sha256: str = "") -> Table:
    """One page on its own, whatever its place in the answer; raises as :func:`read`."""
    page = _page(SourceFile(path=path, name=name, sha256=sha256))
    return _table([page], name)


@dataclass(frozen=True)
class _Page:
    file: SourceFile
    table_id: str
    info: dict[str, Any]
    total: int
    first: int
    last: int
    next_key: int | None
    class_objects: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    values: list[dict[str, Any]]

    @property
    def survey_code(self) -> str:
        """Code of the government statistics that the table belongs to."""
        stat = self.info.get("STAT_NAME")
        return str(stat.get("@code", "")) if isinstance(stat, dict) else ""


def _page(file: SourceFile) -> _Page:
    try:
        answer = json.loads(file.path.read_bytes())
    except ValueError as error:
        _fail(file.name, f"the JSON is cut off or malformed ({error})", "Fetch it again.")
    body = _statistics(answer, file.name)
    inf = _inside(body, "RESULT_INF", file.name)
    info = _inside(body, "TABLE_INF", file.name)
    data = _inside(body, "DATA_INF", file.name)
    values = _listed(data.get("VALUE"))
    try:
        total, first, last = (int(inf[key]) for key in ("TOTAL_NUMBER", "FROM_NUMBER", "TO_NUMBER"))
        class_objects = _listed(body["CLASS_INF"]["CLASS_OBJ"])
        table_id = str(info["@id"])
    except (KeyError, TypeError, ValueError) as error:
        _fail(file.name, f"the answer lacks its numbering, its classes or the table's id ({error!r})", _FETCH)
    if last - first + 1 != len(values):
        _fail(file.name, f"the page holds {len(values)} values and announces {last - first + 1}", "Fetch it again.")
    return _Page(
        file, table_id, info, total, first, last, _next_key(inf), class_objects,
        _listed(data.get("NOTE")), values,
    )  # fmt: skip


def _table(pages: list[_Page], name: str) -> Table:
    first = pages[0]
    classes: dict[str, Class] = {}
    for page in pages:
        for entry in page.class_objects:
            found = _class(entry, page.file.name)
            known = classes.get(found.id)
            classes[found.id] = found if known is None else Class(found.id, found.name, known.labels | found.labels)
    marks = {
        str(note.get("@char", "")): _text(note.get("$"))
        for page in pages
        for note in page.notes
        if isinstance(note, dict)
    }
    frames = [_values(page, classes, [*marks, *_MARKS]) for page in pages]
    values = pl.concat(frame for frame, _ in frames)
    return Table(
        table_id=first.table_id,
        survey_code=first.survey_code,
        survey=_text(first.info.get("STAT_NAME")),
        statistics=_text(first.info.get("STATISTICS_NAME")),
        title=_text(first.info.get("TITLE")),
        updated_on=_day(first.info.get("UPDATED_DATE")),
        total=first.total,
        next_key=pages[-1].next_key,
        classes=classes,
        marks=marks,
        values=values,
        rejected=pl.concat(rejected for _, rejected in frames),
    )


def _class(entry: dict[str, Any], name: str) -> Class:
    try:
        members = _listed(entry.get("CLASS"))
        labels = {str(member["@code"]): str(member["@name"]) for member in members}
        return Class(str(entry["@id"]), str(entry["@name"]), labels)
    except (KeyError, TypeError, AttributeError) as error:
        _fail(name, f"a class lacks its id, name or codes ({error!r})", _FETCH)


def _values(page: _Page, classes: dict[str, Class], marks: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    names = list(classes)
    keys = {"@unit", "$", "@annotation", *(f"@{name}" for name in names)}
    odd = next((i for i, value in enumerate(page.values) if not isinstance(value, dict) or "$" not in value), None)
    if odd is not None:
        _fail(page.file.name, f"VALUE[{odd}] is no value", _FETCH)
    unknown = sorted({key for value in page.values for key in value} - keys)
    if unknown:
        _fail(page.file.name, f"a value names {', '.join(unknown)}, which CLASS_INF does not describe", _FETCH)
    columns: dict[str, list[str | None]] = {
        **{name: [_optional(value.get(f"@{name}")) for value in page.values] for name in names},
        UNIT: [_optional(value.get("@unit")) for value in page.values],
        TEXT: [_optional(value["$"]) for value in page.values],
    }
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(
        pl.format("VALUE[{}]", pl.int_range(pl.len())).alias(LOCATOR),
        pl.lit(page.file.sha256).alias("file_sha256"),
    )
    for name in names:
        strange = frame.filter(~pl.col(name).is_in(list(classes[name].labels)).fill_null(value=False))
        if strange.height:
            _fail(
                page.file.name,
                f"{strange[LOCATOR][0]} has the {name} {strange[name][0]!r}, which its class lacks",
                _FETCH,
            )
    text = pl.col(TEXT).str.strip_chars()
    is_number = text.str.contains(r"^-?[0-9][0-9,]*(\.[0-9]+)?$").fill_null(value=False)
    frame = frame.with_columns(
        pl.when(is_number).then(text.str.replace_all(",", "")).cast(pl.Float64, strict=False).alias(VALUE),
        pl.when(text.is_in([mark for mark in marks if mark])).then(text).alias(MARK),
    )
    unread = pl.col(VALUE).is_null() & pl.col(MARK).is_null()
    rejected = frame.filter(unread).select(
        pl.lit(page.file.name).alias("file_name"),
        LOCATOR,
        pl.lit("the value is neither a number nor a mark that the table explains").alias("reason"),
        pl.col(TEXT).alias("raw"),
    )
    return frame.filter(~unread), rejected


def _statistics(answer: Any, name: str) -> dict[str, Any]:
    """The part of an answer of getStatsData that holds the table."""
    body = _inside(answer, "GET_STATS_DATA", name)
    _refuse_errors(body, name)
    return _inside(body, "STATISTICAL_DATA", name)


def _refuse_errors(body: dict[str, Any], name: str) -> None:
    result = _inside(body, "RESULT", name)
    status = str(result.get("STATUS"))
    if status != "0":
        raise EstatError(
            f"the service reports status {status}: {_text(result.get('ERROR_MSG'))}",
            file=name,
            remedy="Check the application id (ESTAT_APP_ID) and the query; status 1 means that nothing was found.",
        )


def _inside(body: Any, key: str, name: str) -> dict[str, Any]:
    inner = body.get(key) if isinstance(body, dict) else None
    if not isinstance(inner, dict):
        _fail(name, f"the JSON is no answer of the e-Stat API: {key} is missing", _FETCH)
    return inner


def _next_key(inf: dict[str, Any]) -> int | None:
    """Where the next page begins; None on the last one."""
    key = inf.get("NEXT_KEY")
    return int(key) if key else None


def _listed(member: Any) -> list[Any]:
    """A list, which the service sends as its only member where it has one."""
    if member is None:
        return []
    return member if isinstance(member, list) else [member]


def _text(member: Any) -> str:
    """Text that may come alone or beside attributes (`{"@code": ..., "$": ...}`)."""
    if isinstance(member, dict):
        member = member.get("$")
    return "" if member is None else str(member)


def _optional(member: Any) -> str | None:
    return None if member is None else str(member)


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
