"""Charts of the briefing: Altair specifications from rows, drawn as SVG by vl-convert without browser or network.

A chart is drawn once, with English words; for Japanese pages the words in the drawing are replaced, which costs
nothing and keeps the layout (Japanese words are shorter than English ones). Colours are those of the light theme; the
dark theme replaces them by style sheet (`static/briefing.css` names each). Standing is told by shape and dash and not
by colour alone: reported and derived figures are filled marks and solid lines, estimates hollow marks and dashed
lines, forecasts hollow marks and dotted lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape, unescape
from itertools import pairwise
from math import isclose
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

    from orchestration.briefing.texts import Pair, Texts

Row = dict[str, Any]

INK, MUTED, GRID, BAND, PAPER = "#1b1f24", "#57606a", "#d8dee4", "#fff1c2", "#fffffe"
# Told apart by brightness too; three to one against paper in both themes.
SERIES = ("#0b5cad", "#b3421e", "#1a7f5a", "#7b3fa0", "#8a6100", "#4d5560", "#00707a", "#a3195b")
FOCUS, OTHER = SERIES[1], "#6b7a89"
_SOFT = ("forecast", "estimated", "provisional", "imputed")
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")

# The plot's width in pixels: with labels a chart stays readable at the width of a text column.
WIDTH = 400
_CONFIG: dict[str, Any] = {
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

    def data(self, values: list[Row]) -> alt.NamedData:
        """These rows as data of the chart: by name, because Altair copies what stands in a chart many times."""
        import altair as alt

        name = f"rows{len(self.rows)}"
        self.rows[name] = values
        return alt.NamedData(name=name)

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


Draw = Callable[[Sequence[Row], Words], "alt.TopLevelMixin | None"]


def specification(draw: Draw, rows: Sequence[Row], words: Words) -> str | None:
    """The Vega-Lite specification of a chart as JSON, or None where there is nothing to draw."""
    import altair as alt
    from altair.utils.schemapi import debug_mode

    if not rows:
        return None
    # Checking every node against the schema takes longer than drawing; the tests check each chart.
    with debug_mode(CHECKED):
        chart = draw(rows, words)
        if chart is None:
            return None
        made: dict[str, Any] = chart.to_dict(validate=CHECKED)
    made["config"] = _CONFIG
    made["datasets"] = words.rows
    made["$schema"] = alt.SCHEMA_URL
    return json.dumps(made, ensure_ascii=False)


CHECKED = False


def draw_svg(spec: str) -> str:
    """SVG of a specification. Reads nothing from network or disk; other threads run meanwhile."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def warm_up() -> Thread:
    """Load the drawing engine in a thread of its own: that takes half a second in which a run has other work."""

    def load() -> None:
        import altair

        draw_svg(json.dumps({"$schema": altair.SCHEMA_URL, "data": {"values": [{}]}, "mark": "point"}))

    thread = Thread(target=load, name="briefing drawings", daemon=True)
    thread.start()
    return thread


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
) -> alt.TopLevelMixin:
    """One line from low to high for each row, ends marked; `band` shades what a statement asserts.

    Rows whose ends are equal are points. `label` and `group` name columns that hold words already.
    """
    import altair as alt

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
    scale = alt.Scale(type="log") if log else alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=False)
    groups = list(dict.fromkeys(value["group"] for value in values))
    x = alt.X("low:Q", title=title, scale=scale, axis=_value_axis(form))
    y = alt.Y("label:N", title=None, sort=order, scale=alt.Scale(paddingOuter=0.2), axis=_names_axis())
    offset: dict[str, Any] = {"yOffset": alt.YOffset("group:N", sort=groups)} if len(groups) > 1 else {}
    colours = alt.Scale(domain=groups, range=list(SERIES[: len(groups)]))
    words.keys(groups, SERIES, _SHAPES)
    colour = alt.Color("group:N", sort=groups, scale=colours, legend=None)
    shape = alt.Shape(
        "group:N", sort=groups, scale=alt.Scale(domain=groups, range=list(_SHAPES[: len(groups)])), legend=None
    )
    layers: list[alt.Chart] = []
    if band:
        layers.append(
            alt.Chart(words.data([{"a": band[0], "b": band[1]}]))
            .mark_rect(color=BAND, stroke=MUTED, strokeDash=[2, 2], strokeWidth=1)
            .encode(x=alt.X("a:Q", scale=scale, title=title), x2="b:Q")
        )
    for soft in (False, True):
        spans = [v for v in values if v["soft"] is soft and v["high"] > v["low"]]
        if spans:
            span = alt.Chart(words.data(spans))
            layers.append(
                span.mark_rule(strokeWidth=4, strokeDash=[6, 3] if soft else [1, 0]).encode(
                    x=x, x2="high:Q", y=y, color=colour, **offset
                )
            )
            layers += [
                span.mark_tick(thickness=2, size=14).encode(x=alt.X(end, scale=scale), y=y, color=colour, **offset)
                for end in ("low:Q", "high:Q")
            ]
        points = [
            {**v, "middle": v["low"] if v["middle"] is None else v["middle"]}
            for v in values
            if v["soft"] is soft and (v["middle"] is not None or v["low"] == v["high"])
        ]
        if points:
            layers.append(
                _points(words.data(points), 80, hollow=soft).encode(
                    x=alt.X("middle:Q", scale=scale, title=title, axis=_value_axis(form)),
                    y=y,
                    color=colour,
                    shape=shape,
                    **offset,
                )
            )
    per_row = 20 if len(groups) <= 1 else 15 * len(groups) + 6
    return alt.layer(*layers, width=WIDTH, height=max(60, per_row * len(order)))


def _value_axis(form: str | None, ticks: int = 6, **more: Any) -> alt.Axis:
    import altair as alt

    # Ticks no finer than what their labels can tell apart.
    step = {".0%": 0.01, "+.0%": 0.01, ".1%": 0.001, "d": 1}.get(form or "")
    known: dict[str, Any] = {"format": form} if form else {}
    if step:
        known["tickMinStep"] = step
    return alt.Axis(tickCount=ticks, **known, **more)


def _points(data: alt.NamedData, size: int, *, hollow: bool) -> alt.Chart:
    """Points, hollow where their figures are estimates or forecasts."""
    import altair as alt

    chart: Any = alt.Chart(data)
    if hollow:
        made: alt.Chart = chart.mark_point(size=size, filled=False, opacity=1, strokeWidth=2, fill=PAPER)
    else:
        made = chart.mark_point(size=size, filled=True, opacity=1)
    return made


def _names_axis() -> alt.Axis:
    import altair as alt

    return alt.Axis(ticks=False, domain=False, labelPadding=6)


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
) -> alt.TopLevelMixin:
    """Horizontal bars in the order of the rows; with `segment` stacked, with `high` a line up to the upper end.

    `marker` is a value with a word: a line through all bars.
    """
    import altair as alt

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
    y = alt.Y("label:N", sort=order, title=None, axis=_names_axis())
    x = alt.X("value:Q", title=title, axis=_value_axis(form), stack="zero" if segment else None)
    if segment:
        colour = alt.Color(
            "segment:N",
            sort=segments,
            scale=alt.Scale(domain=segments, range=list(SERIES[: len(segments)])),
            legend=None,
        )
        words.keys(segments, SERIES, ["square"] * len(segments))
    else:
        colour = alt.Color("segment:N", scale=alt.Scale(domain=["focus", "other"], range=[FOCUS, OTHER]), legend=None)
    encoding: dict[str, Any] = {"x": x, "y": y, "color": colour}
    if segment:
        encoding["order"] = alt.Order("order:Q")
    layers: list[alt.Chart] = [
        # A dashed outline marks what is estimated or forecast, so that it does not hang on colour.
        alt.Chart(words.data([v for v in values if v["soft"] is soft]))
        .mark_bar(
            stroke=INK if soft else PAPER,
            strokeDash=[4, 3] if soft else [1, 0],
            strokeWidth=1.5 if soft else 0.5,
            fillOpacity=0.45 if soft else 1,
        )
        .encode(**encoding)
        for soft in (False, True)
        if any(v["soft"] is soft for v in values)
    ]
    if high and any(v["high"] is not None for v in values):
        ends = alt.Chart(words.data([v for v in values if v["high"] is not None]))
        layers += [
            ends.mark_rule(strokeWidth=2, color=INK).encode(x=alt.X("value:Q"), x2="high:Q", y=y),
            ends.mark_tick(thickness=2, size=12, color=INK).encode(x=alt.X("high:Q"), y=y),
        ]
    if marker:
        at = alt.Chart(words.data([{"at": marker[0], "word": marker[1]}]))
        layers += [
            at.mark_rule(color=INK, strokeDash=[5, 4], strokeWidth=1.5).encode(x="at:Q"),
            at.mark_text(align="left", dx=4, dy=-6, baseline="bottom").encode(
                x="at:Q", y=alt.value(0), text="word:N"
            ),
        ]
    return alt.layer(*layers, width=WIDTH, height=max(60, 22 * len(order)))


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
) -> alt.TopLevelMixin:
    """Values by year, one line and one shape for each series; intervals as bars, estimates hollow and dashed."""
    import altair as alt

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
    colour = alt.Color(
        "series:N", sort=names, scale=alt.Scale(domain=names, range=list(SERIES[: len(names)])), legend=None
    )
    shape = alt.Shape(
        "series:N", sort=names, scale=alt.Scale(domain=names, range=list(_SHAPES[: len(names)])), legend=None
    )
    years = sorted({v["x"] for v in values})
    span = years[-1] - years[0]
    step = 1 if span <= 8 else 2 if span <= 16 else 5
    ticks = [year for year in range(years[0], years[-1] + 1) if (year - years[0]) % step == 0] if span else years
    ex = alt.X(
        "x:Q",
        title=None,
        scale=alt.Scale(domain=[years[0] - 0.4, years[-1] + 0.4], nice=False),
        axis=alt.Axis(format="d", values=ticks, grid=False),
    )
    ey = alt.Y(
        "y:Q",
        title=title,
        scale=alt.Scale(zero=zero),
        axis=_value_axis(
            form, titleAngle=0, titleAlign="left", titleAnchor="start", titleX=0, titleY=-12, titleBaseline="bottom"
        ),
    )
    layers: list[alt.Chart] = []
    if threshold is not None:
        layers.append(
            alt.Chart(words.data([{"y": threshold}]))
            .mark_rule(color=INK, strokeDash=[5, 4], strokeWidth=1.5)
            .encode(y="y:Q")
        )
    if low and high:
        spans = [v for v in values if v["low"] is not None and v["high"] is not None]
        layers.append(
            alt.Chart(words.data(spans))
            .mark_rule(strokeWidth=3, opacity=0.55)
            .encode(x=ex, y=alt.Y("low:Q"), y2="high:Q", color=colour)
        )
    joins = _joins(values) if joined else {}
    for standing, dash in _DASHES.items():
        if joins.get(standing):
            layers.append(
                alt.Chart(words.data(joins[standing]))
                .mark_line(strokeWidth=2, strokeDash=dash)
                .encode(x=ex, y=ey, color=colour, detail="join:N")
            )
    for standing in _DASHES:
        part = [v for v in values if v["standing"] == standing]
        if part:
            layers.append(
                _points(words.data(part), 55, hollow=standing != "firm").encode(x=ex, y=ey, color=colour, shape=shape)
            )
    return alt.layer(*layers, width=WIDTH + 60, height=height)


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
) -> alt.TopLevelMixin:
    """Two figures of each row joined by a line, told apart by shape: two windows, two reporters, two methods."""
    import altair as alt

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
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False, padding=10)
    y = alt.Y("label:N", sort=order, title=None, axis=_names_axis())
    ex = alt.X("value:Q", title=title, scale=scale, axis=_value_axis(form))
    layers: list[alt.Chart] = []
    if zero_line:
        layers.append(
            alt.Chart(words.data([{"z": 0}]))
            .mark_rule(color=INK, strokeWidth=1)
            .encode(x=alt.X("z:Q", title=title, scale=scale))
        )
    if first_low and first_high:
        ends = [
            {"label": r[label], "a": r[first_low], "b": r[first_high]} for r in rows if r.get(first_low) is not None
        ]
        layers.append(
            alt.Chart(words.data(ends))
            .mark_rule(strokeWidth=6, color=SERIES[0], opacity=0.3)
            .encode(x=alt.X("a:Q", scale=scale, title=title), x2="b:Q", y=y)
        )
    layers += [
        alt.Chart(words.data(spans))
        .mark_rule(color=MUTED, strokeWidth=1.5)
        .encode(x=alt.X("a:Q", scale=scale, title=title), x2="b:Q", y=y),
    ]
    layers += [
        _points(words.data([v for v in points if v["soft"] is soft]), 85, hollow=soft).encode(
            x=ex,
            y=y,
            color=alt.Color(
                "which:N", sort=names, scale=alt.Scale(domain=names, range=[SERIES[0], SERIES[1]]), legend=None
            ),
            shape=alt.Shape(
                "which:N", sort=names, scale=alt.Scale(domain=names, range=["circle", "diamond"]), legend=None
            ),
        )
        for soft in (False, True)
        if any(v["soft"] is soft for v in points)
    ]
    return alt.layer(*layers, width=WIDTH, height=max(60, 24 * len(order)))


def strip(
    rows: Sequence[Row], words: Words, *, label: str, value: str, group: str, title: str, form: str | None = None
) -> alt.TopLevelMixin:
    """Every row a tick on its line; the named groups as shapes above them (a null group is a mere tick)."""
    import altair as alt

    order = list(dict.fromkeys(row[label] for row in rows))
    values = [
        {"label": r[label], "value": r[value], "group": r[group], "soft": r.get("data_status") in _SOFT}
        for r in rows
        if r[value] is not None
    ]
    named = [v for v in values if v["group"] is not None]
    names = list(dict.fromkeys(v["group"] for v in named))
    y = alt.Y("label:N", sort=order, title=None, axis=_names_axis())
    x = alt.X("value:Q", title=title, axis=_value_axis(form, 5))
    colours = [SERIES[at] for at in (1, 0, 2, 3, 4, 6, 7, 5)][: len(names)]
    words.keys(names, colours, _SHAPES)
    colour = alt.Color("group:N", sort=names, scale=alt.Scale(domain=names, range=colours), legend=None)
    shape = alt.Shape(
        "group:N", sort=names, scale=alt.Scale(domain=names, range=list(_SHAPES[: len(names)])), legend=None
    )
    return alt.layer(
        alt.Chart(words.data([v for v in values if v["group"] is None]))
        .mark_tick(color=OTHER, thickness=1.5, size=12)
        .encode(x=x, y=y),
        *(
            _points(words.data([v for v in named if v["soft"] is soft]), 70, hollow=soft).encode(
                x=x, y=y, color=colour, shape=shape
            )
            for soft in (False, True)
        ),
    ).properties(width=WIDTH, height=max(60, 26 * len(order)))


def timeline(rows: Sequence[Row], words: Words, *, when: str, label: str, group: str) -> alt.TopLevelMixin:
    """Events in order of date: one line for each, the kind by shape."""
    import altair as alt

    values = [
        {"label": r[label], "when": r[when].year + (r[when].timetuple().tm_yday - 1) / 366, "group": r[group]}
        for r in rows
    ]
    order = list(dict.fromkeys(v["label"] for v in values))
    names = list(dict.fromkeys(v["group"] for v in values))
    words.keys(names, SERIES, _SHAPES)
    colour = alt.Color(
        "group:N", sort=names, scale=alt.Scale(domain=names, range=list(SERIES[: len(names)])), legend=None
    )
    shape = alt.Shape(
        "group:N", sort=names, scale=alt.Scale(domain=names, range=list(_SHAPES[: len(names)])), legend=None
    )
    made: alt.Chart = (
        _points(words.data(values), 110, hollow=False)
        .encode(
            # A year and its part as a number: dates on an axis would depend on the time zone of the machine.
            x=alt.X(
                "when:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(format="d", tickMinStep=1, grid=True)
            ),
            y=alt.Y(
                "label:N",
                sort=order,
                title=None,
                axis=alt.Axis(ticks=False, domain=False, labelPadding=6, grid=True),
            ),
            color=colour,
            shape=shape,
        )
        .properties(width=330, height=max(60, 26 * len(order)))
    )
    return made
