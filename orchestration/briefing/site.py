"""The briefing as a folder: pages in both languages, the rows behind each figure, a style sheet, a small script.

    index.html             choice of language
    en/, ja/               front page, a page for each theme, country and source, and how to read them
    data/<figure>.csv      the rows behind each figure, as the query returned them
    static/                style sheet and script

Every link is relative, nothing is loaded from elsewhere, and charts are drawn in the pages: the folder opens from
disk.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup, escape

from orchestration import reader
from orchestration.briefing import catalogue, charts
from orchestration.briefing.catalogue import Figure
from orchestration.briefing.charts import Row, Words
from orchestration.briefing.texts import LANGUAGES, Pair, Texts, number
from orchestration.catalog import RELATIONS
from orchestration.errors import ReleaseError

FOLDER = "briefing"
FRONT = "index.html"

_HERE = Path(__file__).parent
# Tables that a query names, and the names that it gives to parts of itself.
_RELATION = re.compile(r"\b(?:from|join)\s+([a-z_]\w*(?:\.\w+)?)")
_NAMED = re.compile(r"(?:\bwith|,)\s+(\w+)\s+as\s+\(")
# A standing is shown at its weakest: what is forecast somewhere in a figure is not passed off as reported.
_WEAKEST = ("forecast", "imputed", "estimated", "provisional", "suppressed", "derived", "reported")


@dataclass(frozen=True)
class Written:
    """What was written: the folder, its pages, figures that are drawn and figures without rows, texts without
    Japanese, and tables that figures ask for and the release does not hold."""

    folder: Path
    pages: int
    drawn: tuple[str, ...]
    empty: tuple[str, ...]
    missing: tuple[str, ...]
    absent: tuple[str, ...] = ()


@dataclass
class Answer:
    """A figure with its rows and, once it is drawn, its drawing."""

    figure: Figure
    names: list[str]
    rows: list[Row]
    words: Words
    drawing: Future[str] | None
    absent: tuple[str, ...] = ()

    @property
    def figure_id(self) -> str:
        """Its id, which is its anchor too."""
        return self.figure.figure_id

    @cached_property
    def numeric(self) -> frozenset[str]:
        """Columns that hold numbers."""
        return frozenset(
            name
            for name in self.names
            if any(row[name] is not None for row in self.rows)
            and all(row[name] is None or type(row[name]) in (int, float) for row in self.rows)
        )

    def standings(self) -> list[str]:
        """Standings among the rows, weakest first."""
        found = {row.get("data_status") for row in self.rows}
        return [standing for standing in _WEAKEST if standing in found]

    def span(self, column: str) -> tuple[Any, Any] | None:
        """Least and greatest value of a column, or None where it has none."""
        values = [row[column] for row in self.rows if row.get(column) is not None]
        return (min(values), max(values)) if values else None

    @cached_property
    def sources(self) -> list[str]:
        """Codes of the sources behind the rows."""
        return sorted({code for row in self.rows for code in str(row.get("source_codes") or "").split(",") if code})


@dataclass(frozen=True)
class Release:
    """What every page says of the release it belongs to."""

    release_id: str
    created_on: date
    as_of: date
    is_as_of_past_day: bool


@dataclass
class Site:
    """All answers, sources and statements of a release, read once and written in each language."""

    texts: Texts
    release: Release
    statements: list[Row]
    sources: list[Row]
    countries: list[str]
    answers: dict[str, Answer] = field(default_factory=dict)


def write(directory: Path, target: Path) -> Written:
    """Write the briefing of the release in `directory` to the folder `target`, which must not exist.

    Raises ReleaseError where a figure's query fails or its folder is there already.
    """
    with drawing_thread() as drawing, reader.open_release(directory) as connection:
        return write_pages(read(connection, drawing), target)


@dataclass(frozen=True)
class Drawing:
    """A thread that draws, and the drawings that it keeps."""

    thread: ThreadPoolExecutor
    drawings: charts.Drawings

    def of(self, spec: str) -> Future[str]:
        """The drawing of a specification, when it is ready."""
        return self.thread.submit(self.drawings.draw, spec)


@contextmanager
def drawing_thread(drawings: charts.Drawings | None = None) -> Iterator[Drawing]:
    """One thread that draws: the engine works outside Python, so that pages are prepared meanwhile.

    What has not been drawn when it is left is not drawn any more.
    """
    drawing = Drawing(ThreadPoolExecutor(1, "briefing drawings"), drawings or charts.Drawings())
    drawing.thread.submit(drawing.drawings.load)
    try:
        yield drawing
    finally:
        drawing.thread.shutdown(cancel_futures=True)


def read(connection: duckdb.DuckDBPyConnection, drawing: Drawing) -> Site:
    """Answers, sources and statements of a release, and its charts in drawing; raises ReleaseError as `write` does.

    The connection finds marts without their schema, and the other tables with it.
    """
    published = _published(connection)
    texts = Texts(connection, published)
    release_id, created_at, as_of = connection.execute(
        "select release_id, created_at, as_of from catalog.release"
    ).fetchall()[0]
    site = Site(
        texts,
        Release(release_id, created_at.date(), as_of or created_at.date(), as_of is not None),
        _answer(connection, published, "select * from mart_policy_claim_check order by display_order").rows,
        _answer(connection, published, _SOURCES_SQL).rows,
        [row["country_iso3"] for row in _answer(connection, published, catalogue.COUNTRIES_SQL).rows],
    )
    figures = [figure for theme in catalogue.THEMES.values() for figure in theme]
    figures += [figure for country in site.countries for figure in catalogue.country_figures(country)]
    for figure in figures:
        try:
            answered = _answer(connection, published, figure.sql)
        except duckdb.Error as error:
            raise ReleaseError(
                f"the query of the figure {figure.figure_id} of the briefing failed: {error}",
                remedy="Mend it in orchestration/briefing/catalogue.py.",
            ) from error
        names, rows = answered.names, answered.rows
        words = Words(texts)
        spec = charts.specification(figure.draw, rows, words) if figure.draw else None
        drawn = drawing.of(spec) if spec else None
        site.answers[figure.figure_id] = Answer(figure, names, rows, words, drawn, answered.absent)
    return site


_SOURCES_SQL = """select source.*, edition.row_count_edition, edition.gate_warnings, marts.used_by
from catalog.sources as source
left join (
    select source_code, sum(row_count) as row_count_edition, max(gate_warnings) as gate_warnings
    from quality.edition where is_latest group by source_code
) as edition using (source_code)
left join (
    select source_code, string_agg(distinct used_by_marts, ',') as used_by
    from mart_data_coverage where used_by_marts is not null group by source_code
) as marts using (source_code)
order by source.source_code"""


@dataclass(frozen=True)
class _Rows:
    names: list[str]
    rows: list[Row]
    absent: tuple[str, ...] = ()


def _published(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Published tables by name with schema, and marts also without, as queries name them."""
    names = connection.execute(
        f"select schema_name, table_name from {RELATIONS} where database_name = current_database()"
    ).fetchall()
    return {f"{schema}.{table}" for schema, table in names} | {table for schema, table in names if schema == "marts"}


def _answer(connection: duckdb.DuckDBPyConnection, published: set[str], sql: str) -> _Rows:
    """The rows of a query; none, and which tables are lacking, where the release does not hold all of its tables.

    An error of the query itself is raised: a table that is not there is known beforehand and no error.
    """
    absent = set(_RELATION.findall(sql)) - set(_NAMED.findall(sql)) - published
    if absent:
        return _Rows([], [], tuple(sorted(absent)))
    result = connection.execute(sql)
    names = [column[0] for column in result.description or []]
    return _Rows(names, [dict(zip(names, row, strict=True)) for row in result.fetchall()])


def write_pages(site: Site, target: Path) -> Written:
    """Write what was read to the folder `target`, which must not exist; raises ReleaseError as `write` does."""
    if target.exists():
        raise ReleaseError(
            "there is something already", file=str(target), remedy="Name a folder that is not there, or remove it."
        )
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    target.mkdir(parents=True)
    shutil.copytree(_HERE / "static", target / "static", copy_function=shutil.copyfile)
    (target / "data").mkdir()
    for answer in site.answers.values():
        with (target / "data" / f"{answer.figure_id}.csv").open("w", encoding="utf-8-sig", newline="") as stream:
            rows = csv.writer(stream, lineterminator="\r\n")
            rows.writerow(answer.names)
            rows.writerows([_plain(row[name]) for name in answer.names] for row in answer.rows)
    count = 0
    for language in LANGUAGES:
        (target / language).mkdir()
        view = View(site, language)
        for name, template, context in view.pages():
            try:
                page = environment.get_template(template).render(view=view, page=name, **context)
            except (KeyError, UndefinedError) as error:
                raise ReleaseError(
                    f"the page {language}/{name} of the briefing reads what the release does not hold: {error}",
                    remedy="Mend it in orchestration/briefing, or keep the column.",
                ) from error
            (target / language / name).write_text(page, encoding="utf-8")
            count += 1
    landing = environment.get_template("landing.html.j2")
    (target / FRONT).write_text(
        landing.render(views=[View(site, language) for language in LANGUAGES]), encoding="utf-8"
    )
    answers = site.answers.values()
    return Written(
        target,
        count + 1,
        tuple(a.figure_id for a in answers if a.drawing),
        tuple(a.figure_id for a in answers if not a.rows),
        tuple(sorted(site.texts.missing)),
        tuple(sorted({table for a in answers for table in a.absent})),
    )


def _plain(value: Any) -> Any:
    # A cell that a spreadsheet would take for a formula is kept as text.
    if isinstance(value, str) and value[:1] in "=+@\t":
        return f"'{value}"
    return value


class View:
    """The site in one language: what templates ask for."""

    def __init__(self, site: Site, language: str) -> None:
        self.site = site
        self.language = language
        self.other = "ja" if language == "en" else "en"
        self.release = site.release

    # -- words

    def say(self, key: str, /, **values: Any) -> str:
        """A message."""
        return self.site.texts.pair(key, **values).in_(self.language)

    def has(self, key: str) -> bool:
        """Whether there is such a message."""
        return self.site.texts.has(key)

    def in_language(self, pair: Pair) -> str:
        """A pair's text."""
        return pair.in_(self.language)

    def code(self, kind: str, value: Any) -> str:
        """A code in words."""
        return self.site.texts.code(kind, value).in_(self.language)

    def data(self, text: str | None) -> Markup:
        """An English text of a table, translated, or marked as English where there is no translation."""
        pair = self.site.texts.data(text)
        if self.language == "en" or self.site.texts.has_data(text):
            return Markup("{}").format(pair.in_(self.language))
        return Markup('<span lang="en">{}</span>').format(pair.en)

    def translated(self, text: str | None) -> Markup:
        """A long text of a source: its translation as long as there is one, else as its publisher gives it."""
        if self.language == "ja" and self.site.texts.has_data(text):
            return self.data(text)
        return self.published(text)

    def published(self, text: str | None) -> Markup:
        """A text that stays in the language of its publisher."""
        if text is None:
            return Markup("–")
        if self.language == "ja" and not any("\u3040" <= letter <= "\u9fff" for letter in text):
            return Markup('<span lang="en">{}</span>').format(text)
        if self.language == "en" and any("\u3040" <= letter <= "\u9fff" for letter in text):
            return Markup('<span lang="ja">{}</span>').format(text)
        return Markup("{}").format(text)

    def number(self, column: str, value: Any) -> str:
        """A value in the form of its unit."""
        return "–" if value is None else number(column, value, self.language)

    def day(self, value: date | None) -> str:
        """A day."""
        return "–" if value is None else number("day", value, self.language)

    # -- figures

    def answer(self, figure_id: str) -> Answer:
        """A figure's answer."""
        return self.site.answers[figure_id]

    def title(self, answer: Answer) -> str:
        """The question that a figure answers."""
        subject = self.code("country", answer.figure.subject) if answer.figure.subject else ""
        return self.say(f"figure.{answer.figure.message}.title", country=subject)

    def note(self, answer: Answer) -> str:
        """The definition that a figure shows and where others are."""
        subject = self.code("country", answer.figure.subject) if answer.figure.subject else ""
        return self.say(f"figure.{answer.figure.message}.note", country=subject)

    def empty(self, answer: Answer) -> str:
        """What a figure without rows says."""
        if answer.absent:
            return self.say("figure.absent", tables=", ".join(answer.absent))
        key = f"figure.{answer.figure.message}.empty"
        return self.say(key) if self.has(key) else self.say("figure.no_data")

    def drawing(self, answer: Answer, place: str) -> Markup | None:
        """The drawing of a figure in this language; `place` keeps ids apart where a page shows it twice."""
        if answer.drawing is None:
            return None
        # What stands in a drawing was escaped by the drawing engine and by page_svg.
        return Markup(  # noqa: S704
            charts.page_svg(
                answer.drawing.result(),
                japanese=answer.words.japanese if self.language == "ja" else None,
                identity=f"{place}-{answer.figure_id}",
                alternative=self.alternative(answer),
            )
        )

    def legend(self, answer: Answer) -> list[tuple[str, charts.Key]]:
        """Entries of the legend in this language."""
        japanese = answer.words.japanese
        return [(japanese.get(k.word, k.word) if self.language == "ja" else k.word, k) for k in answer.words.legend]

    def alternative(self, answer: Answer) -> str:
        """What a chart shows, for who does not see it: its question, and its first rows in words."""
        shown = [c for c in answer.figure.columns if c not in ("data_status", "reason_code", "coverage_share")][:5]
        lines = []
        for row in answer.rows[:6]:
            cells = [self.cell(row, c).striptags() for c in shown if row.get(c) is not None]
            lines.append(", ".join(cells))
        rest = len(answer.rows) - len(lines)
        more = self.say("alt.more", n=rest) if rest > 0 else self.say("alt.all")
        joined = self.say("alt.joiner").join(lines)
        return self.say(
            "alt.chart",
            title=self.title(answer),
            columns=", ".join(self.column(c) for c in shown),
            rows=joined,
            more=more,
        )

    def column(self, name: str) -> str:
        """Head of a column."""
        return self.site.texts.column(name).in_(self.language)

    def cell(self, row: Row, column: str) -> Markup:
        """A cell of a table."""
        value = row[column]
        unit = str(row.get("unit_text", ""))
        if column == "value" and value is not None and unit.startswith("share"):
            # Of two shares the difference is no share of anything.
            kind = "value_points" if unit.endswith("(difference)") else "value_share"
            return escape(number(kind, value, self.language))
        return self.site.texts.value(column, value, self.language)

    def is_numeric(self, answer: Answer, column: str) -> bool:
        """Whether a column is to stand to the right."""
        return column in answer.numeric

    def standing(self, answer: Answer) -> str:
        """Standing of a figure, weakest first."""
        joiner = "、" if self.language == "ja" else ", "
        return joiner.join(self.code("status", standing) for standing in answer.standings()) or "–"

    def coverage(self, answer: Answer) -> str:
        """Coverage of a figure: the least and the greatest of its rows, or that it has no meaning here."""
        span = answer.span("coverage_share")
        if span is None:
            return self.say("figure.no_coverage")
        low, high = (number("coverage_share", end, self.language) for end in span)
        return low if low == high else self.say("figure.from_to", low=low, high=high)

    def years(self, answer: Answer) -> str:
        """Last data year of a figure."""
        span = answer.span("last_data_year")
        if span is None:
            return "–"
        return str(span[1]) if span[0] == span[1] else self.say("figure.from_to", low=span[0], high=span[1])

    def soft(self, answer: Answer) -> bool:
        """Whether a figure has estimates or forecasts, whose marks are to be explained."""
        return any(standing in ("forecast", "imputed", "estimated", "provisional") for standing in answer.standings())

    # -- statements, sources, countries

    def statement(self, statement: Row) -> str:
        """A statement in this language; where one sentence holds two statements, with what sets them apart."""
        if self.language == "en":
            return str(statement["statement_en"])
        text = str(statement["statement_original"] or statement["statement_en"])
        twins = [s for s in self.site.statements if s["statement_original"] == text]
        if len(twins) == 1:
            return text
        apart = "market_scope" if len({s["market_scope"] for s in twins}) > 1 else "population"
        return f"{text}（{self.site.texts.data(statement[apart]).ja}）"

    def statement_figure(self, statement: Row) -> Answer | None:
        """The figure that draws a statement, if there is something to draw."""
        figure_id = catalogue.STATEMENTS.get(statement["claim_id"], ("", None))[1]
        return self.site.answers.get(figure_id) if figure_id else None

    def statement_theme(self, statement: Row) -> str | None:
        """The theme whose page has more on a statement."""
        return catalogue.STATEMENTS.get(statement["claim_id"], (None, None))[0]

    def reason(self, statement: Row) -> dict[str, Markup | None]:
        """The reason of a verdict in its parts: the rule, how the evidence's scope differs, what would settle it.

        A part is None where the statement has none, and all but the rule where the mart gives no reason any more.
        """
        before, _, settle = str(statement.get("verdict_reason") or "").partition(" What would settle it: ")
        rule = (
            self.site.texts.pair(f"verdict.{statement['verdict']}.rule")
            if self.has(f"verdict.{statement['verdict']}.rule")
            else None
        )
        scope = before.partition(". ")[2] if ". " in before else ""
        return {
            "rule": Markup("{}").format(rule.in_(self.language))
            if rule
            else self.published(before.partition(". ")[0])
            if before
            else None,
            "scope": self.data(scope) if scope else None,
            "settle": self.data(settle) if settle else None,
        }

    def evidence(self, statement: Row) -> str | None:
        """The interval of the evidence in the unit of the statement; None where there is none."""
        return self._interval(statement, statement["evidence_low"], statement["evidence_high"])

    def claimed(self, statement: Row) -> str | None:
        """What a statement asserts, tolerance included; None where it gives no number."""
        return self._interval(statement, statement["claimed_low"], statement["claimed_high"])

    def _interval(self, statement: Row, low: float | None, high: float | None) -> str | None:
        if low is None or high is None:
            return None
        unit = statement["unit"]
        if unit in ("direction", "none"):
            if unit == "none":
                return self.say("direction.as_stated")
            ends = {round(low), round(high)}
            return (
                self.say(f"direction.{ends.pop()}")
                if len(ends) == 1
                else self.say(
                    "direction.from_to",
                    low=self.say(f"direction.{round(low)}"),
                    high=self.say(f"direction.{round(high)}"),
                )
            )
        column = {
            "share": "share",
            "share_per_year": "growth",
            "currency": f"amount_{str(statement['currency']).lower()}",
        }.get(unit, "count")
        first, last = (number(column, end, self.language) for end in (low, high))
        return first if first == last else self.say("figure.from_to", low=first, high=last)

    def verdict_class(self, verdict: str) -> str:
        """Which of four shapes and colours the badge of a verdict has."""
        if verdict in ("reproduced", "supported"):
            return "holds"
        if verdict in ("contradicted", "inconsistent_other_scope", "not_supported"):
            return "fails"
        return "open" if verdict == "not_checkable" else "depends"

    def age_days(self, source: Row) -> int | None:
        """Age of a source's edition on the day of the release, in days."""
        return (self.release.as_of - source["published_on"]).days if source["published_on"] else None

    def is_stale(self, source: Row) -> bool:
        """Whether a source is older than its cadence allows."""
        age = self.age_days(source)
        return age is not None and age > source["freshness_days"]

    def figures_of_source(self, code: str) -> list[tuple[str, Answer]]:
        """Figures that rest on a source, each with the page that shows it."""
        return [(page, answer) for page, answer in self.placed() if code in answer.sources]

    def placed(self) -> Iterator[tuple[str, Answer]]:
        """Every figure with the page that it stands on."""
        for theme, figures in catalogue.THEMES.items():
            for figure in figures:
                yield f"{theme}.html", self.answer(figure.figure_id)
        for country in self.site.countries:
            for figure in catalogue.country_figures(country):
                yield self.country_page(country), self.answer(figure.figure_id)

    @staticmethod
    def country_page(country: str) -> str:
        """Name of a country's page."""
        return f"country-{country.lower()}.html"

    def themes(self) -> list[str]:
        """Ids of the themes, in order."""
        return list(catalogue.THEMES)

    def source_name(self, code: str) -> Markup:
        """Title of a source."""
        return next(
            (self.data(row["title"]) for row in self.site.sources if row["source_code"] == code),
            Markup("{}").format(code),
        )

    def pages(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Every page: file name, template and what the template needs."""
        yield FRONT, "front.html.j2", {}
        for theme, figures in catalogue.THEMES.items():
            about = [s for s in self.site.statements if self.statement_theme(s) == theme]
            yield (
                f"{theme}.html",
                "theme.html.j2",
                {"theme": theme, "answers": self._answers(figures), "statements": about},
            )
        yield "countries.html", "countries.html.j2", {}
        for country in self.site.countries:
            yield (
                self.country_page(country),
                "country.html.j2",
                {"country": country, "answers": self._answers(catalogue.country_figures(country))},
            )
        yield "sources.html", "sources.html.j2", {}
        for source in self.site.sources:
            yield f"source-{source['source_code']}.html", "source.html.j2", {"source": source}
        yield "reading.html", "reading.html.j2", {"verdicts": list(dict.fromkeys(_VERDICTS))}

    def _answers(self, figures: Iterable[Figure]) -> list[Answer]:
        return [self.answer(figure.figure_id) for figure in figures]


_VERDICTS: Sequence[str] = (
    "reproduced",
    "supported",
    "consistent_other_scope",
    "supported_dated",
    "not_uniform",
    "definition_dependent",
    "inconsistent_other_scope",
    "contradicted",
    "not_supported",
    "not_checkable",
)
