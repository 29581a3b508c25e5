"""What the briefing says, in each language: message catalogues, names from the vocabulary, and forms of numbers.

Two catalogues: `briefing.po` holds the briefing's own texts under ids, in English and in Japanese; `data.po`
translates English texts of published tables (titles of indicators, findings on statements and so on). There the
source text is the id and every number in it a `{}`: a changed sentence loses its translation, is shown in English and
counted as missing, while a changed figure passes into the Japanese sentence. A text may also stand there with its
numbers: then it is translated as long as nothing of it changes.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import duckdb
from markupsafe import Markup, escape

LANGUAGES = ("en", "ja")
FOLDER = Path(__file__).with_name("messages")

# Columns whose codes are names of the vocabulary or messages `code.<kind>.<value>`.
_CODE_KINDS = {
    "country_iso3": "country",
    "market_iso3": "country",
    "hq_iso3": "country",
    "headquarters_iso3": "country",
    "exporter_iso3": "country",
    "importer_iso3": "country",
    "site_country_iso3": "country",
    "top1_supplier_iso3": "country",
    "origin_iso3": "country",
    "jurisdiction_iso3": "country",
    "ruleset_id": "ruleset",
    "modality": "modality",
    "data_status": "status",
    "reason_code": "reason",
    "measure": "measure",
    "basis": "basis",
    "verdict": "verdict",
    "pillar": "pillar",
    "fact_kind": "fact_kind",
    "stage": "stage",
    "product_kind": "product_kind",
    "agency": "agency",
    "event_kind": "event_kind",
    "amount_kind": "amount_kind",
    "origin": "origin",
    "setting": "setting",
    "role": "role",
    "counter": "counter",
    "ranking_rule_id": "ranking",
    "series": "series",
    "scenario_id": "scenario",
    "flow": "flow",
    "nature": "nature",
    "effect": "effect",
    "evidence": "evidence",
    "window_id": "window",
    "is_biosimilar": "yes_no",
    "is_incomplete": "yes_no",
    "series_break": "yes_no",
    "is_in_composite": "yes_no",
    "is_conditional": "yes_no",
}
_YEARS = re.compile(r"(?:^|_)year$|^fiscal_year$|^calendar_year$")
_NUMBER = re.compile(r"(?:(?<![\w.])[+-])?\d+(?:,\d{3})*(?:\.\d+)?")


@dataclass(frozen=True)
class Pair:
    """The same text in English and in Japanese."""

    en: str
    ja: str

    def in_(self, language: str) -> str:
        """The text in a language."""
        return self.ja if language == "ja" else self.en


@cache
def messages(language: str, domain: str = "briefing") -> dict[str, str]:
    """Messages of a catalogue by id, untranslated ones left out."""
    # Babel reads catalogues only; pages need none of its locale data.
    from babel.messages.pofile import read_po

    path = FOLDER / language / "LC_MESSAGES" / f"{domain}.po"
    with path.open("rb") as stream:
        return {str(m.id): str(m.string) for m in read_po(stream) if m.id and m.string and not m.fuzzy}


def masked(text: str) -> tuple[str, list[str]]:
    """A text with `{}` for every number in it, and these numbers as written."""
    line = _one_line(text)
    return _NUMBER.sub("{}", line), _NUMBER.findall(line)


def _one_line(text: str) -> str:
    return " ".join(text.replace("{", "(").replace("}", ")").split())


class _Figures(Formatter):
    """Puts figures of an English sentence into a Japanese one; `{0:bn}` turns billions of yen into 億 and 兆."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """A figure, as written or in the form asked for."""
        if format_spec == "bn":
            return yen_ja(float(str(value).replace(",", "")) * 1e9)
        return str(value)


def yen_ja(value: float) -> str:
    """An amount of yen as a Japanese document writes it: 1兆2,800億円."""
    sign, rest = ("-" if value < 0 else ""), round(abs(value) / 1e8)
    trillions, hundred_millions = divmod(rest, 10_000)
    if trillions and hundred_millions:
        return f"{sign}{trillions:,}兆{hundred_millions:,}億円"
    if trillions:
        return f"{sign}{trillions:,}兆円"
    if rest:
        return f"{sign}{rest:,}億円"
    return f"{sign}{round(abs(value) / 1e4):,}万円"


class Texts:
    """Texts of one release in both languages; collects in `missing` what has no Japanese."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, published: Collection[str]) -> None:
        """Reads names of countries and kinds of substance from the release, whose tables are `published`."""
        self.missing: set[str] = set()
        self._names: dict[tuple[str, str], Pair] = {}
        for kind, table, columns in (
            ("country", "country", "iso3, name_en, name_ja"),
            ("modality", "modality", "modality, title, title_ja"),
        ):
            if f"vocabulary.{table}" in published:
                for code, en, ja in connection.execute(f"select {columns} from vocabulary.{table}").fetchall():
                    self._names[kind, code] = Pair(self._short_country(en), ja or en)

    @staticmethod
    def _short_country(name: str) -> str:
        """Short names that charts have room for."""
        return {
            "United States of America": "United States",
            "United Kingdom of Great Britain and Northern Ireland": "United Kingdom",
            "Republic of Korea": "Korea",
            "European Union (27, from 2020)": "European Union",
        }.get(name, name)

    def pair(self, key: str, /, **values: Any) -> Pair:
        """A message in both languages; raises KeyError for an id that a catalogue lacks."""
        en, ja = (messages(language)[key] for language in LANGUAGES)
        return Pair(en.format(**values), ja.format(**values)) if values else Pair(en, ja)

    def has(self, key: str) -> bool:
        """Whether there is a message with this id."""
        return key in messages("en")

    def data(self, text: str | None) -> Pair:
        """An English text of a published table, with its Japanese if `data.po` has one."""
        if not text:
            return Pair("", "")
        source, figures = masked(text)
        if source == "{}":
            return Pair(text, text)
        known = messages("ja", "data")
        translated = known.get(source)
        if translated is None:
            exact = known.get(_one_line(text))
            if exact is None:
                self.missing.add(source)
            return Pair(text, exact or text)
        return Pair(text, _Figures().vformat(translated, figures, {}))

    def has_data(self, text: str | None) -> bool:
        """Whether an English text of a published table has a Japanese translation."""
        return not text or not {"{}", *messages("ja", "data")}.isdisjoint({masked(text)[0], _one_line(text)})

    def code(self, kind: str, value: Any) -> Pair:
        """A code of a closed set in words; unknown codes are shown as they are and counted as missing."""
        if value is None:
            return Pair("", "")
        if (found := self._names.get((kind, str(value)))) is not None:
            return found
        key = f"code.{kind}.{str(value).lower()}"
        if key not in messages("en"):
            self.missing.add(key)
            return Pair(str(value), str(value))
        return self.pair(key)

    def column(self, name: str) -> Pair:
        """Head of a table column."""
        return self.pair(f"column.{name}")

    def value(self, column: str, value: Any, language: str) -> Markup:
        """A table cell: codes in words, numbers in the form of their unit, names as their publisher gives them."""
        if value is None or value == "":
            return Markup('<span class="none">–</span>')
        if (kind := _CODE_KINDS.get(column)) is not None:
            return escape(self.code(kind, value).in_(language))
        if column == "source_codes":
            link = Markup('<a href="source-{0}.html">{0}</a>')
            return Markup(", ").join(link.format(code) for code in sorted(str(value).split(",")))
        if column.endswith("_text"):
            return escape(self.data(str(value)).in_(language))
        if column.endswith("_original"):
            return Markup('<span lang="ja">{}</span>').format(value)
        return escape(number(column, value, language))


def number(column: str, value: Any, language: str) -> str:
    """A value in the form that the unit in its column's name asks for."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return f"{value.year}年{value.month}月{value.day}日" if language == "ja" else value.isoformat()
    if isinstance(value, str):
        return value
    if _YEARS.search(column):
        return str(value)
    if column.startswith(("growth", "cagr", "loglinear")) or "_growth_" in column:
        return f"{100 * value:+.1f}\u00a0%" if language == "en" else f"{100 * value:+.1f}%"
    if column.endswith("_points"):
        return f"{100 * value:+.2f}\u00a0pp" if language == "en" else f"{100 * value:+.2f}ポイント"
    if "share" in column or column.startswith(("coverage", "ratio_of")):
        return f"{100 * value:.1f}\u00a0%" if language == "en" else f"{100 * value:.1f}%"
    if column.endswith("_jpy"):
        return yen_ja(value) if language == "ja" else _scaled(value, "JPY")
    for unit, word in (
        ("_usd", "米ドル"),
        ("_eur", "ユーロ"),
        ("_usd_ppp", "購買力平価米ドル"),
        ("_usd_ppp_2015", "2015年実質・購買力平価米ドル"),
    ):
        if column.endswith(unit):
            code = {"_eur": "EUR", "_usd": "USD"}.get(unit, "USD\u00a0PPP")
            return _dollars_ja(value, word) if language == "ja" else _scaled(value, code)
    if isinstance(value, int) or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _scaled(value: float, unit: str) -> str:
    if abs(value) >= 1e9:
        return f"{unit}\u00a0{value / 1e9:,.1f}\u00a0bn"
    return f"{unit}\u00a0{value / 1e6:,.1f}\u00a0m"


def _dollars_ja(value: float, word: str) -> str:
    return f"{value / 1e8:,.1f}億{word}" if abs(value) >= 1e8 else f"{value / 1e6:,.1f}百万{word}"
