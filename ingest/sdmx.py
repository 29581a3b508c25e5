"""SDMX messages as frames: SDMX-JSON 1.0 and 2.0, SDMX-CSV 1.0 and 2.0.

OECD, Eurostat, the ECB and others answer with these formats. A message becomes one row per observation with the
codes of its dimensions and attributes as text, so that a source only has to map codes. Formats:
https://github.com/sdmx-twg/sdmx-json and https://github.com/sdmx-twg/sdmx-csv.

In SDMX-JSON an observation is `"0:3:0": [value, attribute, ...]`: positions in the lists of codes that the
structure part declares. Attributes may hang on the data set, on a group of dimensions, on a series or on the
observation; here each becomes a column, whatever it hangs on. Nothing is scaled until :func:`scaled` is called.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError

VALUE = "OBS_VALUE"
LOCATOR = "locator"
_UPDATED = "LAST UPDATE"
REJECTED_COLUMNS = ("file_name", "locator", "reason", "raw")

_ID = re.compile(r"[A-Z][A-Z0-9_]*")
_FETCH = "Fetch it again; if the publisher changed the format, ingest/sdmx.py must follow."
_FLAG_COLUMNS = re.compile(r"(AUX_)?OBS_STATUS(_\d+)?|CONF_STATUS")
_HIDDEN = ("C", "N", "S", "D", "Q")
_NO_FLAG = ("A", "F")
# Actions of SDMX-CSV 2.0 and SDMX-JSON under which a row states a value: information, append, replace, merge.
_STATING = ("i", "information", "a", "append", "r", "replace", "m", "merge")


@dataclass(frozen=True)
class Message:
    """One SDMX message.

    `observations` has the columns `locator`, one text column per dimension, `OBS_VALUE` (float, as published,
    not scaled) and one text column per attribute. `labels` maps a component to the English names of its codes.
    `prepared` is when the publisher made the message, where the format says so. `rejected` holds observations
    whose value is no number (`file_name`, `locator`, `reason`, `raw`).
    """

    observations: pl.DataFrame
    dimensions: tuple[str, ...]
    attributes: tuple[str, ...]
    labels: dict[str, dict[str, str]]
    rejected: pl.DataFrame
    structure: str | None = None
    prepared: datetime | None = None


def read(path: Path, name: str) -> Message:
    """Read a message in any of the formats, judged by its content; `name` is what errors call the file.

    Raises LayoutError for anything that is not such a message.
    """
    with path.open("rb") as stream:
        head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    return read_json(path, name) if head.startswith(b"{") else read_csv(path, name)


# --- what the columns mean ---------------------------------------------------------------------------------


def scaled(message: Message, name: str) -> pl.Series:
    """Values in whole units: `OBS_VALUE` times ten to the power of `UNIT_MULT`.

    Raises LayoutError where a value has no multiplier: the same unit code comes in units in one data flow and
    in millions in the next, so a missing one cannot be guessed.
    """
    frame = message.observations
    if "UNIT_MULT" not in frame.columns:
        _fail(name, "the message has no UNIT_MULT", "Ask the publisher's service for the attributes too.")
    power = frame["UNIT_MULT"].cast(pl.Int32, strict=False)
    if frame.filter(pl.Series(power.is_null()) & pl.col(VALUE).is_not_null()).height:
        _fail(name, "an observation has no whole-number UNIT_MULT", "Ask the service for the attributes too.")
    ten = pl.lit(10.0).pow(pl.col("power").abs().cast(pl.Float64))
    value = pl.col(VALUE)
    return frame.select(VALUE, power.alias("power")).select(
        # Scaling leaves dust in the last digit; no value is published with more than 15.
        pl.when(pl.col("power") == 0)
        .then(value)
        .when(pl.col("power") < 0)
        .then((value / ten).round_sig_figs(15))
        .otherwise((value * ten).round_sig_figs(15))
        .alias("value")
    )["value"]


def flags(attributes: Iterable[str]) -> pl.Expr:
    """All status and confidentiality flags of an observation, untouched, separated by commas; null if none.

    `A` (normal value) and the confidentiality mark `F` (free) say nothing and are left out.
    """
    columns = [name for name in attributes if _FLAG_COLUMNS.fullmatch(name)]
    if not columns:
        return pl.lit(None, dtype=pl.String)

    def mark(name: str) -> pl.Expr:
        silent = _NO_FLAG[1] if name == "CONF_STATUS" else _NO_FLAG[0]
        return pl.when(pl.col(name) != silent).then(pl.col(name))

    listed = pl.concat_list([mark(name) for name in columns]).list.drop_nulls().list.unique(maintain_order=True)
    return pl.when(listed.list.len() > 0).then(listed.list.join(","))


def standing(attributes: Iterable[str]) -> pl.Expr:
    """The contract's `status` of an observation, from the code list CL_OBS_STATUS.

    Where several flags stand together the weakest standing wins: suppressed, forecast, imputed, estimated,
    provisional. `B` (break) is no standing: see :func:`is_break`.
    """
    names = list(attributes)
    status = [name for name in names if _FLAG_COLUMNS.fullmatch(name) and name != "CONF_STATUS"]

    def has(code: str) -> pl.Expr:
        return pl.any_horizontal([pl.col(name) == code for name in status]).fill_null(value=False)

    confidential = pl.lit(value=False)
    if "CONF_STATUS" in names:
        confidential = pl.col("CONF_STATUS").is_in(_HIDDEN[:-1]).fill_null(value=False)
    hidden = pl.col(VALUE).is_null() & (confidential | (has("Q") if status else pl.lit(value=False)))
    if not status:
        return pl.when(hidden).then(pl.lit("suppressed")).otherwise(pl.lit("reported"))
    return (
        pl.when(hidden)
        .then(pl.lit("suppressed"))
        .when(has("F"))
        .then(pl.lit("forecast"))
        .when(has("I"))
        .then(pl.lit("imputed"))
        .when(has("E"))
        .then(pl.lit("estimated"))
        .when(has("P"))
        .then(pl.lit("provisional"))
        .otherwise(pl.lit("reported"))
    )


def is_break(attributes: Iterable[str]) -> pl.Expr:
    """Whether any status flag is `B`, a break in the series before this value."""
    status = [name for name in attributes if _FLAG_COLUMNS.fullmatch(name) and name != "CONF_STATUS"]
    if not status:
        return pl.lit(value=False)
    return pl.any_horizontal([pl.col(name) == "B" for name in status]).fill_null(value=False)


# --- SDMX-JSON ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Component:
    """A dimension or attribute with its codes in the order in which the message counts them.

    Where `is_inline` (2.0, a component without a list of codes) the message holds values instead of positions.
    """

    id: str
    codes: list[str]
    labels: dict[str, str]
    position: int
    is_inline: bool = False


def read_json(path: Path, name: str) -> Message:
    """Read SDMX-JSON 1.0 or 2.0, with observations flat or grouped by series.

    The envelope of the former stats.oecd.org (no `data` level) is accepted too; there an attribute without codes
    takes no place in an observation. Raises LayoutError for other
    JSON, for keys that do not fit the structure, and for an observation that stands twice.
    """
    try:
        return _message(_load(path, name), name)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, pl.exceptions.PolarsError) as error:
        _fail(name, f"a part of the message is of another kind than SDMX-JSON says ({error!r})", _FETCH)


def _message(message: dict[str, Any], name: str) -> Message:
    body = message.get("data", message)
    kind = "legacy" if body is message else ("2.0" if "structures" in body else "1.0")
    try:
        structures: list[dict[str, Any]] = body["structures"] if "structures" in body else [body["structure"]]
        data_sets: list[dict[str, Any]] = body["dataSets"]
    except (KeyError, TypeError):
        _fail(name, "the JSON is no SDMX message: it lacks dataSets or structure", "Check the address; " + _FETCH)
    parts: list[_Part] = []
    for number, data_set in enumerate(data_sets):
        action = str(data_set.get("action", "Information"))
        if action.lower() not in _STATING:
            _fail(name, f"data set {number} has the action {action!r}, which states no values", "Ask for all data.")
        structure = structures[int(data_set.get("structure", 0))]
        where = "" if len(data_sets) == 1 else f"dataSets[{number}]."
        parts.append(_read_data_set(data_set, structure, kind, where, name))
    if not parts:
        _fail(name, "the message holds no data set", "The query found nothing: check its key and years.")
    first = parts[0]
    if any((part.dimensions, part.attributes) != (first.dimensions, first.attributes) for part in parts):
        _fail(name, "its data sets have different dimensions", "Ask for one data flow at a time.")
    header = message.get("meta") or message.get("header") or {}
    return Message(
        observations=pl.concat(part.frame for part in parts),
        dimensions=first.dimensions,
        attributes=first.attributes,
        labels={key: {k: v for part in parts for k, v in part.labels[key].items()} for key in first.labels},
        rejected=pl.concat(part.rejected for part in parts),
        structure=_structure_id(data_sets[0], structures[0]),
        prepared=_prepared(header.get("prepared"), name),
    )


@dataclass(frozen=True)
class _Part:
    frame: pl.DataFrame
    dimensions: tuple[str, ...]
    attributes: tuple[str, ...]
    labels: dict[str, dict[str, str]]
    rejected: pl.DataFrame


def _load(path: Path, name: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            _fail(name, f"the key {twice!r} stands twice in one object", _FETCH)
        return result

    try:
        message = json.loads(path.read_bytes(), object_pairs_hook=unique)
    except ValueError as error:
        _fail(name, f"the JSON is cut off or malformed ({error})", "Fetch it again.")
    if not isinstance(message, dict):
        _fail(name, "the JSON is no SDMX message: its top level is no object", _FETCH)
    return message


def _read_data_set(data_set: dict[str, Any], structure: dict[str, Any], kind: str, where: str, name: str) -> _Part:
    try:
        dimensions = {level: _components(structure["dimensions"], level, name, "1.0") for level in _LEVELS}
        attributes = {level: _components(structure.get("attributes", {}), level, name, kind) for level in _LEVELS}
    except (KeyError, TypeError, AttributeError) as error:
        _fail(name, f"the structure part cannot be read ({error!r})", _FETCH)
    measures = structure.get("measures", {}).get("observation", [])
    if len(measures) > 1:
        _fail(name, f"it has {len(measures)} measures per observation, one is expected", "Ask for one measure.")
    if "observations" in data_set:
        keys, values = list(data_set["observations"]), list(data_set["observations"].values())
        locators = pl.Series(keys, dtype=pl.String).to_frame("k").select(pl.format(where + 'observations["{}"]', "k"))
        indexes = _split(keys, dimensions["observation"], name)
        series_attributes = pl.DataFrame()
    elif "series" in data_set:
        locators, indexes, series_attributes, values = _read_series(
            data_set["series"], dimensions, attributes["series"], where, name
        )
    else:
        _fail(name, "a data set has neither observations nor series", "The query found nothing: check its key.")
    columns = list(itertools.zip_longest(*values)) or [()]
    held = len(attributes["observation"])
    if len(columns) - 1 > held:
        _fail(name, f"an observation carries {len(columns) - 1} attributes, the structure declares {held}", _FETCH)
    number, bad = _numbers(columns[0])
    empty = (None,) * len(values)
    own = pl.DataFrame(
        [
            _decode(columns[i + 1] if i + 1 < len(columns) else empty, component, name)
            for i, component in enumerate(attributes["observation"])
        ]
    )
    varying = [*dimensions["series"], *dimensions["observation"]]
    groups = _group_attributes(data_set, attributes["dimensionGroup"], varying, indexes, name)
    coded = pl.DataFrame([_decode(indexes[component.id], component, name) for component in varying])
    constant = _constants(dimensions["dataSet"], [0] * len(dimensions["dataSet"]), name) | _constants(
        attributes["dataSet"], data_set.get("attributes", []), name
    )
    fixed = [pl.repeat(value, len(values), dtype=pl.String, eager=True).alias(key) for key, value in constant.items()]
    frame = pl.concat(
        [
            pl.DataFrame([locators.to_series().alias(LOCATOR), number.alias(VALUE), *fixed]),
            *(part for part in (coded, series_attributes, groups, own) if part.width),
        ],
        how="horizontal",
    )
    dimension_ids = tuple(
        component.id
        for component in sorted((c for level in _LEVELS for c in dimensions[level]), key=lambda c: c.position)
    )
    attribute_ids = tuple(component.id for level in _LEVELS for component in attributes[level])
    labels = {c.id: c.labels for level in _LEVELS for c in (*dimensions[level], *attributes[level])}
    rejected = _rejected(name, frame[LOCATOR], columns[0], bad)
    frame = frame.filter(~bad).select(LOCATOR, *dimension_ids, VALUE, *attribute_ids)
    return _Part(frame, dimension_ids, attribute_ids, labels, rejected)


_LEVELS = ("dataSet", "dimensionGroup", "series", "observation")


def _components(levels: Mapping[str, Any], level: str, name: str, kind: str) -> list[_Component]:
    # Version 1.0 as OECD serves it writes `dataset` among the dimensions and `dataSet` among the attributes.
    entries = levels.get(level) or (levels.get("dataset") if level == "dataSet" else None) or []
    result = []
    for position, entry in enumerate(entries):
        values = entry.get("values") or []
        if kind == "legacy" and not values:
            continue
        pairs = [_code_and_label(value) for value in values]
        codes = [code for code, _ in pairs]
        if len(set(codes)) != len(codes):
            _fail(name, f"component {entry['id']} lists a code twice", _FETCH)
        labels = {code: label for code, label in pairs if label is not None}
        result.append(_Component(entry["id"], codes, labels, int(entry.get("keyPosition", position)), kind == "2.0"))
    return result


def _code_and_label(value: Any) -> tuple[str, str | None]:
    if not isinstance(value, dict):
        return str(value), None
    names = value.get("names") or {}
    label = names.get("en") or value.get("name")
    code = value.get("id", value.get("value", label))
    if not isinstance(label, str | None) or isinstance(code, list | dict | None):
        raise TypeError(f"a code or its name is no text: {value!r}"[:200])
    return str(code), label


def _split(keys: Sequence[str] | pl.Series, components: Sequence[_Component], name: str) -> pl.DataFrame:
    """Positions of the components in keys such as `0:3:0`, one column each."""
    frame = pl.DataFrame({"key": keys}, schema={"key": pl.String})
    wrong = frame.filter(pl.col("key").str.count_matches(":", literal=True) != len(components) - 1)
    if wrong.height:
        _fail(name, f"key {wrong['key'][0]!r} does not have {len(components)} positions", _FETCH)
    parts = frame.select(pl.col("key").str.split_exact(":", len(components) - 1)).unnest("key")
    parts.columns = [component.id for component in components]
    try:
        return parts.cast(pl.UInt32)
    except pl.exceptions.InvalidOperationError:
        _fail(name, "a key holds something else than positions", _FETCH)


def _read_series(
    series: dict[str, Any],
    dimensions: dict[str, list[_Component]],
    attributes: Sequence[_Component],
    where: str,
    name: str,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, list[list[Any]]]:
    """Locators, positions, series attributes and raw values of observations that are grouped by series."""
    groups = [body.get("observations") or {} for body in series.values()]
    keys = pl.Series(list(itertools.chain.from_iterable(groups)), dtype=pl.String)
    values = list(itertools.chain.from_iterable(group.values() for group in groups))
    counts = pl.Series([len(group) for group in groups], dtype=pl.UInt32)
    numbers = pl.int_range(0, len(groups), dtype=pl.UInt32, eager=True).repeat_by(counts).explode().drop_nulls()
    locators = pl.DataFrame({"s": pl.Series(list(series), dtype=pl.String).gather(numbers), "k": keys}).select(
        pl.format(where + 'series["{}"].observations["{}"]', "s", "k")
    )
    of_series = _split(list(series), dimensions["series"], name)[numbers]
    indexes = pl.concat([of_series, _split(keys, dimensions["observation"], name)], how="horizontal")
    raw = list(itertools.zip_longest(*(body.get("attributes") or [] for body in series.values())))
    if len(raw) > len(attributes):
        _fail(name, f"a series carries {len(raw)} attributes, the structure declares {len(attributes)}", _FETCH)
    raw += [(None,) * len(groups)] * (len(attributes) - len(raw))
    decoded = pl.DataFrame([_decode(column, c, name) for column, c in zip(raw, attributes, strict=True)])
    return locators, indexes, decoded[numbers] if decoded.width else decoded, values


def _decode(positions: Sequence[Any] | pl.Series, component: _Component, name: str) -> pl.Series:
    """Codes at the positions; a component without a list of codes gives its values as they stand."""
    if isinstance(positions, pl.Series):
        index = positions
    elif not component.codes and component.is_inline:
        texts = [None if value is None else str(value) for value in positions]
        return pl.Series(component.id, texts, dtype=pl.String)
    else:
        try:
            index = pl.Series(list(positions), dtype=pl.Int64)
        except TypeError:
            _fail(name, f"{component.id} holds something else than positions in its list of codes", _FETCH)
    outside = index.filter((index < 0) | (index >= len(component.codes)))
    if outside.len():
        _fail(name, f"{component.id} refers to code {outside[0]}, its list has {len(component.codes)}", _FETCH)
    return pl.Series(component.id, component.codes, dtype=pl.String).gather(index.cast(pl.UInt32))


def _numbers(raw: Sequence[Any]) -> tuple[pl.Series, pl.Series]:
    """Values as floats, and which of them are no number."""
    number = pl.Series(list(raw), dtype=pl.Float64, strict=False)
    if number.null_count() == raw.count(None):
        return number, pl.repeat(value=False, n=len(raw), dtype=pl.Boolean, eager=True)
    absent = pl.Series([value is None for value in raw], dtype=pl.Boolean)
    return number, number.is_null() & ~absent


def _constants(components: Sequence[_Component], positions: Sequence[Any], name: str) -> dict[str, str | None]:
    if len(positions) > len(components):
        _fail(name, f"the data set carries {len(positions)} attributes, {len(components)} are declared", _FETCH)
    padded = [*positions, *[None] * (len(components) - len(positions))]
    return {
        component.id: _decode([position], component, name)[0]
        for component, position in zip(components, padded, strict=True)
    }


def _group_attributes(
    data_set: dict[str, Any],
    components: Sequence[_Component],
    dimensions: Sequence[_Component],
    indexes: pl.DataFrame,
    name: str,
) -> pl.DataFrame:
    """Attributes that hang on some of the dimensions (2.0: partial keys such as `0::1`), one column each."""
    if not components:
        return pl.DataFrame()
    result = pl.DataFrame({c.id: pl.repeat(None, indexes.height, dtype=pl.String, eager=True) for c in components})
    ordered = sorted(dimensions, key=lambda c: c.position)
    by_pattern: dict[tuple[int, ...], list[tuple[list[int], list[Any]]]] = {}
    for key, positions in (data_set.get("dimensionGroupAttributes") or {}).items():
        parts = key.split(":")
        if len(parts) != len(ordered) or not all(part == "" or part.isdecimal() for part in parts):
            _fail(name, f"the partial key {key!r} does not fit the {len(ordered)} dimensions", _FETCH)
        held = tuple(i for i, part in enumerate(parts) if part)
        by_pattern.setdefault(held, []).append(([int(parts[i]) for i in held], positions))
    for held, entries in by_pattern.items():
        on = [ordered[i].id for i in held]
        columns = list(itertools.zip_longest(*(positions for _, positions in entries)))
        known = pl.DataFrame([key for key, _ in entries], schema=dict.fromkeys(on, pl.UInt32), orient="row")
        found = pl.concat(
            [known, *(_decode(c, components[i], name).to_frame() for i, c in enumerate(columns))], how="horizontal"
        )
        joined = (
            indexes.join(found, on=on, how="left", maintain_order="left") if on else indexes.join(found, how="cross")
        )
        result = result.with_columns(
            pl.coalesce(pl.Series(joined[component.id]), pl.col(component.id)).alias(component.id)
            for component in components[: len(columns)]
        )
    return result


def _structure_id(data_set: dict[str, Any], structure: dict[str, Any]) -> str | None:
    links = [*data_set.get("links", []), *structure.get("links", [])]
    urns = [str(link["urn"]) for link in links if "urn" in link]
    return urns[0].partition("=")[2] or urns[0] if urns else None


def _prepared(text: Any, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        _fail(name, f"the message's date {text!r} cannot be read", _FETCH)


# --- SDMX-CSV ----------------------------------------------------------------------------------------------


def read_csv(path: Path, name: str) -> Message:
    """Read SDMX-CSV 1.0 (first column DATAFLOW) or 2.0 (first column STRUCTURE), with or without labels.

    Columns up to OBS_VALUE are dimensions, those after it attributes; a column that is not named like an id
    holds the labels of the column before it. Eurostat adds `LAST UPDATE`, which is when the message was prepared, and
    writes ids in lower case, without labels. Raises LayoutError for another header, several data flows in one
    file, rows that state no values, and rows that are cut off.
    """
    content = path.read_bytes()
    require_even_rows(content, name)
    try:
        frame = pl.read_csv(content, infer_schema=False, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        _fail(name, f"the table cannot be read as CSV ({str(error).splitlines()[0]})", _FETCH)
    frame = frame.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)).name.keep())
    header = frame.columns
    if header[0] == "DATAFLOW":
        leading = 1
    elif header[:2] == ["STRUCTURE", "STRUCTURE_ID"]:
        leading = 2
    else:
        _fail(name, f"the first column is {header[0]!r}; SDMX-CSV begins with DATAFLOW or STRUCTURE", _FETCH)
    components: list[str] = []
    label_of: dict[str, str] = {}
    is_eurostat = _UPDATED in header
    for column in header[leading:]:
        if column in {"STRUCTURE_NAME", "ACTION", _UPDATED}:
            continue
        if is_eurostat or _ID.fullmatch(column):
            components.append(column)
        elif components:
            label_of[components[-1]] = column
    if VALUE not in components:
        _fail(name, f"the column {VALUE} is missing", _FETCH)
    if "ACTION" in header and (odd := frame.filter(~pl.col("ACTION").str.to_lowercase().is_in(_STATING))).height:
        _fail(name, f"a row has the action {odd['ACTION'][0]!r}, which states no value", "Ask for all data.")
    flow = header[leading - 1]
    if frame[flow].n_unique() > 1:
        _fail(name, "rows belong to several data flows", "Give one data flow at a time.")
    split = components.index(VALUE)
    dimensions, attributes = tuple(components[:split]), tuple(components[split + 1 :])
    lines = pl.int_range(2, frame.height + 2, dtype=pl.Int64, eager=True)
    raw = frame[VALUE]
    number = raw.cast(pl.Float64, strict=False)
    bad = number.is_null() & raw.is_not_null()
    frame = frame.with_columns((pl.lit("line ") + lines.cast(pl.String)).alias(LOCATOR), number.alias(VALUE))
    labels = {
        component: dict(frame.select(component, label).drop_nulls().unique(component).iter_rows())
        for component, label in label_of.items()
    }
    return Message(
        observations=frame.filter(~bad).select(LOCATOR, *dimensions, VALUE, *attributes),
        dimensions=dimensions,
        attributes=attributes,
        labels={component: labels.get(component, {}) for component in (*dimensions, *attributes)},
        rejected=_rejected(name, frame[LOCATOR], raw.to_list(), bad),
        structure=frame[flow][0] if frame.height else None,
        prepared=_last_update(frame) if is_eurostat else None,
    )


def _last_update(frame: pl.DataFrame) -> datetime | None:
    """The newest of Eurostat's days, such as `28/02/25 23:00:00`; None where none can be read."""
    newest = frame.select(pl.col(_UPDATED).str.to_datetime("%d/%m/%y %H:%M:%S", strict=False).max()).item()
    return newest if isinstance(newest, datetime) else None


# --- shared ------------------------------------------------------------------------------------------------


def _rejected(name: str, locators: pl.Series, raw: Sequence[Any], bad: pl.Series) -> pl.DataFrame:
    where = bad.arg_true().to_list()
    return pl.DataFrame(
        {
            "file_name": [name] * len(where),
            "locator": [locators[i] for i in where],
            "reason": [f"{VALUE} is no number"] * len(where),
            "raw": [str(raw[i]) for i in where],
        },
        schema=dict.fromkeys(REJECTED_COLUMNS, pl.String),
    )


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
