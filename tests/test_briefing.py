"""Texts, numbers and charts of the briefing, without a release."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from string import Formatter

import duckdb
import pytest

from orchestration.briefing import catalogue, charts, texts
from orchestration.briefing.texts import Pair

FIGURES = [figure for theme in catalogue.THEMES.values() for figure in theme] + list(catalogue.country_figures("JPN"))
PACKAGE = Path(charts.__file__).parent
# Messages that code or templates put together from a prefix and a code of the data.
FAMILIES = [
    "axis.",
    "column.",
    "code.",
    "series.",
    "figure.",
    "theme.",
    "nav.",
    "verdict.",
    "reading.",
    "statement.nothing_to_draw",
    "direction.",
]


def known_texts() -> texts.Texts:
    """Texts over a vocabulary of two countries."""
    connection = duckdb.connect()
    connection.execute("create schema vocabulary")
    connection.execute(
        "create table vocabulary.country as select * from (values ('JPN', 'Japan', '日本'), "
        "('USA', 'United States of America', '米国')) as c (iso3, name_en, name_ja)"
    )
    return texts.Texts(connection, {"vocabulary.country"})


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_no_message_lacks_a_language() -> None:
    english, japanese = texts.messages("en"), texts.messages("ja")
    assert len(english) > 500
    assert english.keys() == japanese.keys()
    for key, text in english.items():
        assert placeholders(text) == placeholders(japanese[key]), key


def test_japanese_messages_are_japanese() -> None:
    written = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
    # Names that stay as they are.
    same = {"nav.other_language", "figure.sql", "code.counter.opir"}
    plain = [key for key, text in texts.messages("ja").items() if not written.search(text) and key not in same]
    assert all(re.fullmatch(r"[\W\d]*|.*\{.*", texts.messages("ja")[key]) for key in plain), plain


def test_code_and_templates_use_messages_that_exist_and_use_all() -> None:
    sources = "".join(p.read_text(encoding="utf-8") for p in [*PACKAGE.glob("*.py"), *PACKAGE.glob("templates/*.j2")])
    english = texts.messages("en")
    asked = set(re.findall(r"\bsay\(\s*\"([a-z0-9_.]+)\"\s*[,)]", sources))
    asked |= set(re.findall(r"_by_ruleset\(\"\w+\", \"([\w.]+)\"", sources))
    asked |= set(re.findall(r"_draw_share\(\s*\"\w+\",\s*\"([\w.]+)\"", sources))
    assert asked <= english.keys(), sorted(asked - english.keys())
    unused = {key for key in english if key not in asked and not key.startswith(tuple(FAMILIES))}
    assert not {key for key in unused if f'"{key}"' not in sources}, unused
    axes = {key for key in english if key.startswith(("axis.", "series.")) and f'"{key}"' not in sources}
    assert not axes, sorted(axes)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.figure_id)
def test_every_figure_says_what_it_asks_and_what_it_shows(figure: catalogue.Figure) -> None:
    english = texts.messages("en")
    title, note = (english[f"figure.{figure.message}.{part}"] for part in ("title", "note"))
    assert title.endswith("?") or figure.draw is None or "{country}" in title
    assert len(note) > 40
    for column in figure.columns:
        assert f"column.{column}" in english
    # What stands below each figure: its standing, its last year, its sources.
    assert re.search(r"\bdata_status\b", figure.sql)
    assert re.search(r"\bsource_codes?\b", figure.sql)


def test_statements_point_at_figures_that_exist() -> None:
    known = {figure.figure_id for figure in FIGURES} | {"rnd_path_chn"}
    for theme, figure in catalogue.STATEMENTS.values():
        assert theme in catalogue.THEMES
        assert figure is None or figure in known


def test_translations_of_published_texts_take_their_figures_along() -> None:
    for source, japanese in texts.messages("ja", "data").items():
        used = placeholders(japanese)
        assert all(name.isdigit() and int(name) < source.count("{}") for name in used), source
        # Figures stand in the translation by place; a text with figures of its own is translated as it is only.
        assert len(used) == source.count("{}"), source
        assert not (re.search(r"\d", source) and used), source


def test_a_changed_figure_passes_into_japanese_and_a_changed_sentence_is_missing() -> None:
    known = known_texts()
    sentence = (
        "Business R&D of the pharmaceutical industry in Japan changed by -1.5 % a year in 2015-2020 and by +2.3 % a "
        "year in 2019-2023 (2010-2019: +0.3 % a year), in constant national prices."
    )
    assert "2015～2020年に年率-1.5%" in known.data(sentence).ja
    assert not known.missing
    assert known.data(sentence.replace("changed", "moved")).ja.startswith("Business R&D")
    assert len(known.missing) == 1


def test_numbers_in_masked_texts() -> None:
    assert texts.masked("JPY 1,280 bn in FY2016-FY2019 (+12.2 % a year), 37 in 2018, 41") == (
        "JPY {} bn in FY{}-FY{} ({} % a year), {} in {}, {}",
        ["1,280", "2016", "2019", "+12.2", "37", "2018", "41"],
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.28e12, "1兆2,800億円"), (5e11, "5,000億円"), (1e12, "1兆円"), (-2.5e8, "-2億円"), (3.2e6, "320万円")],
)
def test_yen_as_a_japanese_document_writes_it(value: float, written: str) -> None:
    assert texts.yen_ja(value) == written


@pytest.mark.parametrize(
    ("column", "value", "english", "japanese"),
    [
        ("value_points", 0.0022205, "+0.22 pp", "+0.22ポイント"),
        ("share_sales", 0.12345, "12.3 %", "12.3%"),
        ("cagr_real", -0.028, "-2.8 %", "-2.8%"),
        ("fiscal_year", 2019, "2019", "2019"),
        ("n_products", 1071, "1,071", "1,071"),
        ("sales_jpy", 1.1581e12, "JPY 1,158.1 bn", "1兆1,581億円"),
        ("importer_report_usd", 66_820_256.0, "USD 66.8 m", "66.8百万米ドル"),
        ("rnd_usd_ppp", 16.4e9, "USD PPP 16.4 bn", "164.0億購買力平価米ドル"),
        ("hhi", 0.27247, "0.272", "0.272"),
        ("as_of_date", date(2019, 3, 31), "2019-03-31", "2019年3月31日"),
    ],
)
def test_values_in_the_form_of_their_unit(column: str, value: object, english: str, japanese: str) -> None:
    # Spaces inside a figure do not break.
    assert texts.number(column, value, "en").replace("\u00a0", " ") == english
    assert texts.number(column, value, "ja") == japanese
    assert " " not in texts.number(column, value, "en")


def test_an_unknown_code_is_shown_and_counted() -> None:
    known = known_texts()
    assert known.code("country", "JPN") == Pair("Japan", "日本")
    assert known.code("reason", "never_heard_of").en == "never_heard_of"
    assert known.missing == {"code.reason.never_heard_of"}


def drawn(draw: charts.Draw, rows: list[charts.Row]) -> tuple[str, charts.Words]:
    words = charts.Words(known_texts())
    spec = charts.specification(draw, rows, words)
    assert spec is not None
    return charts.draw_svg(spec), words


def intervals(rows: list[charts.Row], words: charts.Words) -> object:
    shown = [{**row, "label": words.code("country", row["country_iso3"])} for row in rows]
    return charts.intervals(
        shown, words, label="label", low="low", high="high", title=words.say("axis.share_overseas"), domain=(0, 1)
    )


def test_an_interval_is_drawn_from_end_to_end_and_words_change_with_the_language() -> None:
    rows = [
        {"country_iso3": "JPN", "low": 0.25, "high": 0.75, "data_status": "derived"},
        {"country_iso3": "USA", "low": 0.5, "high": 0.5, "data_status": "estimated"},
    ]
    svg, words = drawn(intervals, rows)  # type: ignore[arg-type]
    (start,) = re.findall(r'<line transform="translate\((\d+),[\d.]+\)" x2="-?\d+" y2="0" stroke="#0b5cad"', svg)
    (length,) = re.findall(r'<line transform="[^"]+" x2="(-?\d+)" y2="0" stroke="#0b5cad"', svg)
    assert {int(start), int(start) + int(length)} == {charts.WIDTH // 4, 3 * charts.WIDTH // 4}
    # The point of an estimate is hollow.
    assert f'fill="{charts.PAPER}" stroke="#0b5cad" stroke-width="2"' in svg
    page = charts.page_svg(svg, japanese=words.japanese, identity="x", alternative="a < b")
    assert {"日本", "米国", "海外製造割合"} <= set(re.findall(r"<text[^>]*>([^<]*)<", page))
    assert '<title id="x-alt">a &lt; b</title>' in page
    assert "font-family" not in page


def full(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_chart_whose_rows_have_not_changed_is_not_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "drawings.json"
    drawn: list[str] = []
    monkeypatch.setattr(charts, "draw_svg", lambda spec: drawn.append(spec) or f"<svg>{spec}</svg>")

    def draw(*specs: str) -> list[str]:
        drawn.clear()
        drawings = charts.Drawings(file)
        drawings.load()
        made = [drawings.draw(spec) for spec in specs]
        drawings.keep()
        return made

    assert draw("a", "b") == ["<svg>a</svg>", "<svg>b</svg>"]
    # Nothing was there: the engine was loaded before it was needed.
    assert drawn[1:] == ["a", "b"]
    assert draw("a", "c") == ["<svg>a</svg>", "<svg>c</svg>"]
    assert drawn == ["c"]
    # What the last release did not show is not kept for the next.
    assert (draw("c", "b"), drawn) == (["<svg>c</svg>", "<svg>b</svg>"], ["b"])
    monkeypatch.setattr(charts, "version", lambda name: "another version")
    draw("c")
    assert drawn == ["c"]
    for broken in ("", "[1", '{"a"'):
        file.write_text(broken)
        draw("c")
        assert drawn[1:] == ["c"]
    charts.Drawings().keep()
    # A disk that is full does not fail the release that stands already.
    monkeypatch.setattr("ingest.archive.os.fsync", full)
    draw("d")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawings.json"]
    assert charts.Drawings(file).draw("c") == "<svg>c</svg>"


def test_a_word_with_two_translations_is_refused() -> None:
    words = charts.Words(known_texts())
    words.take(Pair("share", "割合"))
    with pytest.raises(ValueError, match="two translations"):
        words.take(Pair("share", "シェア"))


def test_a_line_is_as_soft_as_its_softer_end_and_ends_at_a_break() -> None:
    values = [
        {"series": "a", "x": year, "y": 1, "standing": standing, "piece": piece}
        for year, standing, piece in (
            (1, "firm", 0),
            (2, "firm", 0),
            (3, "soft", 0),
            (4, "firm", 1),
            (5, "forecast", 1),
        )
    ]
    joins = charts._joins(values)
    assert {s: [(v["x"]) for v in rows] for s, rows in joins.items()} == {
        "firm": [1, 2],
        "soft": [2, 3],
        "forecast": [4, 5],
    }


def test_more_names_than_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="9 names for 8 shapes"):
        charts.Words(known_texts()).keys([str(n) for n in range(9)], charts.SERIES, charts._SHAPES)


def test_nothing_is_drawn_of_no_rows() -> None:
    assert charts.specification(intervals, [], charts.Words(known_texts())) is None  # type: ignore[arg-type]
