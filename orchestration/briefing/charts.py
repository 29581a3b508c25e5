"""Charts of the briefing: Vega-Lite specifications from rows, drawn as SVG by vl-convert without browser or network.

Specifications are plain dictionaries: Altair's objects, which are copied with every change, take longer to make than
the drawings. The tests check each against the schema of Vega-Lite.

A chart is drawn once, with English words; for Japanese pages the words in the drawing are replaced, which costs
nothing and keeps the layout (Japanese words are shorter than English ones). Colours are those of the light theme; the
dark theme replaces them by style sheet (`static/briefing.css` names each). Standing is told by shape and dash and not
by colour alone: reported and derived figures are filled marks and solid lines, estimates hollow marks and dashed
lines, forecasts hollow marks and dotted lines.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape, unescape
from importlib.metadata import version
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.briefing.texts import Pair, Texts

Row = dict[str, Any]
# A Vega-Lite specification, or a part of one.
Spec = dict[str, Any]

# The version of Vega-Lite that draws.
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.4.1.json"

INK, MUTED, GRID, BAND, PAPER = "#1b1f24", "#57606a", "#d8dee4", "#fff1c2", "#fffffe"
# Told apart by brightness too; three to one against paper in both themes.
SERIES = ("#0b5cad", "#b3421e", "#1a7f5a", "#7b3fa0", "#8a6100", "#4d5560", "#00707a", "#a3195b")
FOCUS, OTHER = SERIES[1], "#6b7a89"
_SOFT = ("forecast", "estimated", "provisional", "imputed")
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")

# The plot's width in pixels: with labels a chart stays readable at the width of a text column.
WIDTH = 400
_CONFIG: Spec = {
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": MUTED,
        "gridColor": GRID,
        "domainColor": MUTED,
        "tickColor": MUTED,
        # A shortened word would not be found when words are replaced.
        "labelLimit": 0,
        "titleLimit": 0,
    },
    "text": {"fontSize": 13, "color": INK},
}


# Outlines of the shapes that Vega draws, for the legend beside a chart, in a square of two to a side.
_OUTLINES = {
    "circle": "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",
    "square": "M-.85,-.85h1.7v1.7h-1.7Z",
    "diamond": "M-.8,0L0,-1.1L.8,0L0,1.1Z",
    "triangle-up": "M-1,.8h2L0,-1Z",
    "cross": "M-1,-.35h.65V-1h.7v.65H1v.7H.35V1h-.7V.35H-1Z",
    "triangle-down": "M-1,-.8h2L0,1Z",
    "triangle-right": "M-.8,-1v2L1,0Z",
    "triangle-left": "M.8,-1v2L-1,0Z",
}


@dataclass(frozen=True)
class Key:
    """An entry of a legend: its English word, its colour and the outline of its shape."""

    word: str
    colour: str
    outline: str


@dataclass
class Words:
    """The words of one drawing: gives them in English and remembers the Japanese and the legend.

    The legend is no part of the drawing: beside it, it is text that a page can wrap and translate.
    """

    texts: Texts
    japanese: dict[str, str] = field(default_factory=dict)
    legend: list[Key] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def data(self, values: list[Row]) -> Spec:
        """These rows as data of the chart, by name."""
        name = f"rows{len(self.rows)}"
        self.rows[name] = values
        return {"name": name}

    def take(self, pair: Pair) -> str:
        """The English of a pair; raises ValueError where one English word would have two Japanese ones."""
        if self.japanese.setdefault(pair.en, pair.ja) != pair.ja:
            raise ValueError(f"{pair.en!r} has two translations in one chart: {self.japanese[pair.en]}, {pair.ja}")
        return pair.en

    def say(self, key: str) -> str:
        """A message of the catalogue."""
        return self.take(self.texts.pair(key))

    def code(self, kind: str, value: Any) -> str:
        """A code in words."""
        return self.take(self.texts.code(kind, value))

    def text(self, text: str) -> str:
        """An English text of a published table."""
        return self.take(self.texts.data(text))

    def keys(self, names: Sequence[str], colours: Sequence[str], shapes: Sequence[str]) -> None:
        """Put these names into the legend; one name alone needs none.

        Raises ValueError for more names than shapes: two of them would look the same.
        """
        if len(names) > min(len(colours), len(shapes)):
            raise ValueError(f"{len(names)} names for {len(shapes)} shapes: {', '.join(names)}")
        if len(names) > 1:
            self.legend = [Key(n, c, _OUTLINES[s]) for n, c, s in zip(names, colours, shapes, strict=False)]


Draw = Callable[[Sequence[Row], Words], "Spec | None"]


def specification(draw: Draw, rows: Sequence[Row], words: Words) -> str | None:
    """The Vega-Lite specification of a chart as JSON, or None where there is nothing to draw."""
    chart = draw(rows, words) if rows else None
    if chart is None:
        return None
    made = {"$schema": SCHEMA, "config": _CONFIG, "datasets": words.rows, **chart}
    return json.dumps(made, ensure_ascii=False)


def draw_svg(spec: str) -> str:
    """SVG of a specification. Reads nothing from network or disk; other threads run meanwhile."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


class Drawings:
    """Drawings by their specification, kept in a file from one release to the next.

    A drawing follows from its specification and the engine alone, so a chart whose rows have not changed is not drawn
    again. Without a file nothing is kept.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._used: dict[str, str] = {}
        self._kept: dict[str, str] = {}
        if file is not None:
            with suppress(OSError, ValueError):
                self._kept = dict(json.loads(file.read_bytes()))

    def draw(self, spec: str) -> str:
        """SVG of a specification."""
        key = hashlib.sha256(f"{version('vl-convert-python')} {spec}".encode()).hexdigest()
        svg = self._kept.get(key) or draw_svg(spec)
        self._used[key] = svg
        return svg

    def load(self) -> None:
        """Load the drawing engine where all is to be drawn: half a second, in which a run has other work."""
        if not self._kept:
            draw_svg(json.dumps({"$schema": SCHEMA, "data": {"values": [{}]}, "mark": "point"}))

    def keep(self) -> None:
        """Keep what was drawn or used again, and nothing else; where that cannot be written, the next run draws."""
        if self._file is None or self._used == self._kept:
            return
        # The command line asks this module for names, and does without Polars.
        from ingest.archive import write_atomically

        try:
            write_atomically(self._file, json.dumps(self._used).encode())
        except OSError:
            for part in self._file.parent.glob(f".{self._file.name}.*.tmp"):
                part.unlink(missing_ok=True)


_TEXT = re.compile(r"(<text\b[^>]*>)([^<]*)(</text>)")
_HEAD = re.compile(r"^\s*(?:<!DOCTYPE[^>]*>\s*)?<svg\b[^>]*?viewBox=\"([^\"]+)\"[^>]*>")
_NUMBERS = re.compile(r"-?\d+\.\d{3,}")


def page_svg(svg: str, *, japanese: dict[str, str] | None, identity: str, alternative: str) -> str:
    """The drawing as part of a page: named for screen readers, as wide as its column, in the page's language."""
    head = _HEAD.match(svg)
    if head is None:
        raise ValueError(f"{identity}: the drawing does not begin as an SVG: {svg[:80]!r}")
    # A reader's font may be wider than the one that the drawing was measured with: room to either side.
    left, top, width, height = (float(part) for part in head[1].split())
    left, width = left - 28, width + 48
    body = svg[head.end() :]
    if japanese is not None:
        body = _TEXT.sub(
            lambda m: m[1] + escape(japanese.get(unescape(m[2]), unescape(m[2])), quote=False) + m[3], body
        )
    body = _NUMBERS.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), body)
    body = body.replace(' font-family="sans-serif"', "")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" role="img" aria-labelledby="{identity}-alt" '
        f'viewBox="{left:g} {top:g} {width:g} {height:g}" style="max-width:{1.12 * width:.0f}px">'
        f'<title id="{identity}-alt">{escape(alternative)}</title>{body}'
    )


def marks_in(svg: str) -> int:
    """Drawn marks (points, bars, lines) of a drawing, axes and legends left out."""
    return len(
        re.findall(
            r'<g class="mark-(?:symbol|rect|line|rule|area|text) role-mark[^"]*"[^>]*>\s*<(?:path|line|rect|text|g)',
            svg,
        )
    )


# ---- forms of charts ------------------------------------------------------------------------------------------


def _layer(data: Spec, mark: str, encoding: Spec, **look: Any) -> Spec:
    """Marks of one kind, one for each row of the data."""
    return {"data": data, "mark": {"type": mark, **look}, "encoding": encoding}


def _layered(layers: Sequence[Spec], height: float, width: int = WIDTH) -> Spec:
    return {"layer": list(layers), "width": width, "height": height}


def _number(column: str, **how: Any) -> Spec:
    return {"field": column, "type": "quantitative", **how}


def _word(column: str, **how: Any) -> Spec:
    return {"field": column, "type": "nominal", **how}


def _to(column: str) -> Spec:
    """The other end of what reaches from one column to another, on the same scale."""
    return {"field": column}


def _told_apart(column: str, names: Sequence[str], values: Sequence[str]) -> Spec:
    """Names told apart by colours or shapes, in their order; the legend stands beside the drawing."""
    scale = {"domain": list(names), "range": list(values[: len(names)])}
    return _word(column, sort=list(names), scale=scale, legend=None)


def intervals(
    rows: Sequence[Row],
    words: Words,
    *,
    label: str,
    low: str,
    high: str,
    title: str,
    middle: str | None = None,
    group: str | None = None,
    band: tuple[float, float] | None = None,
    domain: tuple[float, float] | None = None,
    form: str | None = ".0%",
    log: bool = False,
) -> Spec:
    """One line from low to high for each row, ends marked; `band` shades what a statement asserts.

    Rows whose ends are equal are points. `label` and `group` name columns that hold words already.
    """
    values = [
        {
            "label": row[label],
            # Ends that differ by the error of arithmetic only are one point.
            "low": row[high] if isclose(row[low], row[high], rel_tol=1e-9) else row[low],
            "high": row[high],
            "middle": row.get(middle) if middle else None,
            "group": row.get(group) if group else "",
            "soft": row.get("data_status") in _SOFT,
        }
        for row in rows
        if row[low] is not None and row[high] is not None
    ]
    order = list(dict.fromkeys(value["label"] for value in values))
    scale: Spec = {"type": "log"} if log else {"domain": list(domain)} if domain else {"zero": False}
    groups = list(dict.fromkeys(value["group"] for value in values))
    x = _number("low", title=title, scale=scale, axis=_value_axis(form))
    y = _word("label", title=None, sort=order, scale={"paddingOuter": 0.2}, axis=_NAMES)
    offset = {"yOffset": _word("group", sort=groups)} if len(groups) > 1 else {}
    words.keys(groups, SERIES, _SHAPES)
    colour, shape = _told_apart("group", groups, SERIES), _told_apart("group", groups, _SHAPES)
    layers: list[Spec] = []
    if band:
        layers.append(
            _layer(
                words.data([{"a": band[0], "b": band[1]}]),
                "rect",
                {"x": _number("a", scale=scale, title=title), "x2": _to("b")},
                color=BAND,
                stroke=MUTED,
                strokeDash=[2, 2],
                strokeWidth=1,
            )
        )
    for soft in (False, True):
        spans = [v for v in values if v["soft"] is soft and v["high"] > v["low"]]
        if spans:
            data = words.data(spans)
            placed = {"y": y, "color": colour, **offset}
            dash = [6, 3] if soft else [1, 0]
            layers.append(_layer(data, "rule", {"x": x, "x2": _to("high"), **placed}, strokeWidth=4, strokeDash=dash))
            layers += [
                _layer(data, "tick", {"x": _number(end, scale=scale), **placed}, thickness=2, size=14)
                for end in ("low", "high")
            ]
        points = [
            {**v, "middle": v["low"] if v["middle"] is None else v["middle"]}
            for v in values
            if v["soft"] is soft and (v["middle"] is not None or v["low"] == v["high"])
        ]
        if points:
            layers.append(
                _points(
                    words.data(points),
                    {
                        "x": _number("middle", scale=scale, title=title, axis=_value_axis(form)),
                        "y": y,
                        "color": colour,
                        "shape": shape,
                        **offset,
                    },
                    80,
                    hollow=soft,
                )
            )
    per_row = 20 if len(groups) <= 1 else 15 * len(groups) + 6
    return _layered(layers, max(60, per_row * len(order)))


def _value_axis(form: str | None, ticks: int = 6, **more: Any) -> Spec:
    # Ticks no finer than what their labels can tell apart.
    step = {".0%": 0.01, "+.0%": 0.01, ".1%": 0.001, "d": 1}.get(form or "")
    return {
        "tickCount": ticks,
        **({"format": form} if form else {}),
        **({"tickMinStep": step} if step else {}),
        **more,
    }


_NAMES: Spec = {"ticks": False, "domain": False, "labelPadding": 6}


def _points(data: Spec, encoding: Spec, size: int, *, hollow: bool) -> Spec:
    """Points, hollow where their figures are estimates or forecasts."""
    if hollow:
        return _layer(data, "point", encoding, size=size, filled=False, opacity=1, strokeWidth=2, fill=PAPER)
    return _layer(data, "point", encoding, size=size, filled=True, opacity=1)


def bars(
    rows: Sequence[Row],
    words: Words,
    *,
    label: str,
    value: str,
    title: str,
    focus: Callable[[Row], bool] = lambda row: False,
    segment: str | None = None,
    form: str | None = None,
    marker: tuple[float, str] | None = None,
    high: str | None = None,
) -> Spec:
    """Horizontal bars in the order of the rows; with `segment` stacked, with `high` a line up to the upper end.

    `marker` is a value with a word: a line through all bars.
    """
    values = [
        {
            "label": row[label],
            "value": row[value],
            "segment": row[segment] if segment else ("focus" if focus(row) else "other"),
            "high": row[high] if high and row[high] is not None and row[high] - row[value] > 1e-6 else None,
            "soft": row.get("data_status") in _SOFT,
            "order": index,
        }
        for index, row in enumerate(rows)
        if row[value] is not None
    ]
    order = list(dict.fromkeys(v["label"] for v in values))
    segments = list(dict.fromkeys(v["segment"] for v in values))
    y = _word("label", sort=order, title=None, axis=_NAMES)
    x = _number("value", title=title, axis=_value_axis(form), stack="zero" if segment else None)
    if segment:
        colour = _told_apart("segment", segments, SERIES)
        words.keys(segments, SERIES, ["square"] * len(segments))
    else:
        colour = _word("segment", scale={"domain": ["focus", "other"], "range": [FOCUS, OTHER]}, legend=None)
    encoding = {"x": x, "y": y, "color": colour, **({"order": _number("order")} if segment else {})}
    layers = [
        # A dashed outline marks what is estimated or forecast, so that it does not hang on colour.
        _layer(
            words.data([v for v in values if v["soft"] is soft]),
            "bar",
            encoding,
            stroke=INK if soft else PAPER,
            strokeDash=[4, 3] if soft else [1, 0],
            strokeWidth=1.5 if soft else 0.5,
            fillOpacity=0.45 if soft else 1,
        )
        for soft in (False, True)
        if any(v["soft"] is soft for v in values)
    ]
    if high and any(v["high"] is not None for v in values):
        ends = words.data([v for v in values if v["high"] is not None])
        layers += [
            _layer(ends, "rule", {"x": _number("value"), "x2": _to("high"), "y": y}, strokeWidth=2, color=INK),
            _layer(ends, "tick", {"x": _number("high"), "y": y}, thickness=2, size=12, color=INK),
        ]
    if marker:
        at = words.data([{"at": marker[0], "word": marker[1]}])
        text = {"x": _number("at"), "y": {"value": 0}, "text": _word("word")}
        layers += [
            _layer(at, "rule", {"x": _number("at")}, color=INK, strokeDash=[5, 4], strokeWidth=1.5),
            _layer(at, "text", text, align="left", dx=4, dy=-6, baseline="bottom"),
        ]
    return _layered(layers, max(60, 22 * len(order)))


def lines(
    rows: Sequence[Row],
    words: Words,
    *,
    x: str,
    y: str,
    series: str,
    title: str,
    form: str | None = None,
    low: str | None = None,
    high: str | None = None,
    threshold: float | None = None,
    zero: bool = False,
    joined: bool = True,
    height: int = 240,
) -> Spec:
    """Values by year, one line and one shape for each series; intervals as bars, estimates hollow and dashed."""
    values = [
        {
            "x": row[x],
            "y": row[y],
            "series": row[series],
            "low": row[low] if low else None,
            "high": row[high] if high else None,
            "standing": "forecast"
            if row.get("data_status") == "forecast"
            else "soft"
            if row.get("data_status") in _SOFT
            else "firm",
            "piece": row.get("piece", 0),
        }
        for row in rows
        if row[y] is not None and row[x] is not None
    ]
    names = list(dict.fromkeys(v["series"] for v in values))
    words.keys(names, SERIES, _SHAPES)
    colour, shape = _told_apart("series", names, SERIES), _told_apart("series", names, _SHAPES)
    years = sorted({v["x"] for v in values})
    span = years[-1] - years[0]
    step = 1 if span <= 8 else 2 if span <= 16 else 5
    ticks = [year for year in range(years[0], years[-1] + 1) if (year - years[0]) % step == 0] if span else years
    ex = _number(
        "x",
        title=None,
        scale={"domain": [years[0] - 0.4, years[-1] + 0.4], "nice": False},
        axis={"format": "d", "values": ticks, "grid": False},
    )
    above: Spec = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "start", "titleX": 0, "titleY": -12}
    axis = _value_axis(form, titleBaseline="bottom", **above)
    ey = _number("y", title=title, scale={"zero": zero}, axis=axis)
    layers: list[Spec] = []
    if threshold is not None:
        at = words.data([{"y": threshold}])
        layers.append(_layer(at, "rule", {"y": _number("y")}, color=INK, strokeDash=[5, 4], strokeWidth=1.5))
    if low and high:
        spans = words.data([v for v in values if v["low"] is not None and v["high"] is not None])
        reach = {"x": ex, "y": _number("low"), "y2": _to("high"), "color": colour}
        layers.append(_layer(spans, "rule", reach, strokeWidth=3, opacity=0.55))
    joins = _joins(values) if joined else {}
    for standing, dash in _DASHES.items():
        if joins.get(standing):
            line = {"x": ex, "y": ey, "color": colour, "detail": _word("join")}
            layers.append(_layer(words.data(joins[standing]), "line", line, strokeWidth=2, strokeDash=dash))
    for standing in _DASHES:
        part = [v for v in values if v["standing"] == standing]
        if part:
            point = {"x": ex, "y": ey, "color": colour, "shape": shape}
            layers.append(_points(words.data(part), point, 55, hollow=standing != "firm"))
    return _layered(layers, height, WIDTH + 60)


_DASHES: dict[str, list[int]] = {"firm": [1, 0], "soft": [6, 4], "forecast": [2, 3]}


def _joins(values: Sequence[Row]) -> dict[str, list[Row]]:
    """Lines between neighbouring points of a series by standing: a line to a softer point is as soft as that point.

    Points of different pieces (before and after a break) are not joined.
    """
    weaker = list(_DASHES)
    joins: dict[str, list[Row]] = {}
    for name in dict.fromkeys(v["series"] for v in values):
        points = sorted((v for v in values if v["series"] == name), key=lambda v: v["x"])
        for number, (one, two) in enumerate(pairwise(points)):
            if one["piece"] == two["piece"]:
                standing = max(one["standing"], two["standing"], key=weaker.index)
                joins.setdefault(standing, []).extend({**end, "join": f"{name}{number}"} for end in (one, two))
    return joins


def pairs(
    rows: Sequence[Row],
    words: Words,
    *,
    label: str,
    first: str,
    second: str,
    first_name: str,
    second_name: str,
    title: str,
    form: str | None = ".0%",
    log: bool = False,
    zero_line: bool = False,
    first_low: str | None = None,
    first_high: str | None = None,
) -> Spec:
    """Two figures of each row joined by a line, told apart by shape: two windows, two reporters, two methods."""
    order = list(dict.fromkeys(row[label] for row in rows))
    spans = [
        {"label": r[label], "a": r[first], "b": r[second]}
        for r in rows
        if r[first] is not None and r[second] is not None
    ]
    points = [
        {"label": row[label], "value": row[column], "which": name, "soft": row.get("data_status") in _SOFT}
        for row in rows
        for column, name in ((first, first_name), (second, second_name))
        if row[column] is not None
    ]
    names = [first_name, second_name]
    words.keys(names, SERIES, ["circle", "diamond"])
    scale: Spec = {"type": "log"} if log else {"zero": False, "padding": 10}
    y = _word("label", sort=order, title=None, axis=_NAMES)
    from_a = {"x": _number("a", scale=scale, title=title), "x2": _to("b"), "y": y}
    layers: list[Spec] = []
    if zero_line:
        zero = {"x": _number("z", title=title, scale=scale)}
        layers.append(_layer(words.data([{"z": 0}]), "rule", zero, color=INK, strokeWidth=1))
    if first_low and first_high:
        ends = [
            {"label": r[label], "a": r[first_low], "b": r[first_high]} for r in rows if r.get(first_low) is not None
        ]
        layers.append(_layer(words.data(ends), "rule", from_a, strokeWidth=6, color=SERIES[0], opacity=0.3))
    layers.append(_layer(words.data(spans), "rule", from_a, color=MUTED, strokeWidth=1.5))
    point = {
        "x": _number("value", title=title, scale=scale, axis=_value_axis(form)),
        "y": y,
        "color": _told_apart("which", names, SERIES),
        "shape": _told_apart("which", names, ["circle", "diamond"]),
    }
    layers += [
        _points(words.data([v for v in points if v["soft"] is soft]), point, 85, hollow=soft)
        for soft in (False, True)
        if any(v["soft"] is soft for v in points)
    ]
    return _layered(layers, max(60, 24 * len(order)))


def strip(
    rows: Sequence[Row], words: Words, *, label: str, value: str, group: str, title: str, form: str | None = None
) -> Spec:
    """Every row a tick on its line; the named groups as shapes above them (a null group is a mere tick)."""
    order = list(dict.fromkeys(row[label] for row in rows))
    values = [
        {"label": r[label], "value": r[value], "group": r[group], "soft": r.get("data_status") in _SOFT}
        for r in rows
        if r[value] is not None
    ]
    named = [v for v in values if v["group"] is not None]
    names = list(dict.fromkeys(v["group"] for v in named))
    y = _word("label", sort=order, title=None, axis=_NAMES)
    x = _number("value", title=title, axis=_value_axis(form, 5))
    colours = [SERIES[at] for at in (1, 0, 2, 3, 4, 6, 7, 5)][: len(names)]
    words.keys(names, colours, _SHAPES)
    point = {
        "x": x,
        "y": y,
        "color": _told_apart("group", names, colours),
        "shape": _told_apart("group", names, _SHAPES),
    }
    rest = words.data([v for v in values if v["group"] is None])
    layers = [_layer(rest, "tick", {"x": x, "y": y}, color=OTHER, thickness=1.5, size=12)]
    layers += [
        _points(words.data([v for v in named if v["soft"] is soft]), point, 70, hollow=soft) for soft in (False, True)
    ]
    return _layered(layers, max(60, 26 * len(order)))


def timeline(rows: Sequence[Row], words: Words, *, when: str, label: str, group: str) -> Spec:
    """Events in order of date: one line for each, the kind by shape."""
    values = [
        {"label": r[label], "when": r[when].year + (r[when].timetuple().tm_yday - 1) / 366, "group": r[group]}
        for r in rows
    ]
    order = list(dict.fromkeys(v["label"] for v in values))
    names = list(dict.fromkeys(v["group"] for v in values))
    words.keys(names, SERIES, _SHAPES)
    encoding = {
        # A year and its part as a number: dates on an axis would depend on the time zone of the machine.
        "x": _number("when", title=None, scale={"zero": False}, axis={"format": "d", "tickMinStep": 1, "grid": True}),
        "y": _word("label", sort=order, title=None, axis={**_NAMES, "grid": True}),
        "color": _told_apart("group", names, SERIES),
        "shape": _told_apart("group", names, _SHAPES),
    }
    points = _points(words.data(values), encoding, 110, hollow=False)
    return {**points, "width": 330, "height": max(60, 26 * len(order))}
