"""The briefing of a whole release: complete, linked, light, in two languages, and the same each time."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

import altair
import duckdb
import pytest
import vl_convert
from altair.vegalite.v6.schema.core import Root
from jsonschema import ValidationError
from lxml import html

from ingest.settings import Settings
from orchestration import pipeline, reader
from orchestration.briefing import catalogue, charts, site
from orchestration.errors import ReleaseError
from tests.built import Home
from tests.orchestration.conftest import Outcome, biopharma, small, small_built  # noqa: F401

PAGE_LIMIT = 1_500_000
FIGURES = {figure.figure_id: figure for theme in catalogue.THEMES.values() for figure in theme}


@pytest.fixture(scope="module")
def written(built: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[site.Written]:
    """The briefing written anew, every chart checked against Vega-Lite's schema on the way."""
    made = charts.specification

    def checked(draw: charts.Draw, rows: Sequence[charts.Row], words: charts.Words) -> str | None:
        spec = made(draw, rows, words)
        if spec is not None:
            # The schema has no null for what Vega takes it for: no background, no outline.
            Root.validate({k: v for k, v in json.loads(spec).items() if k not in ("config", "datasets")})
        return spec

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "specification", checked)
        yield site.write(built.settings.current.resolve(), tmp_path_factory.mktemp("briefing") / "site")


def test_charts_are_of_the_version_that_draws_and_a_mistake_in_one_is_seen() -> None:
    """Altair's schema is that of the version of Vega-Lite that specifications name."""
    assert charts.SCHEMA == altair.SCHEMA_URL
    assert vl_convert.get_vegalite_versions()[-1] in charts.SCHEMA
    point = {"data": {"name": "rows0"}, "mark": {"type": "point"}, "encoding": {"x": charts._number("a")}}
    Root.validate(point)
    for wrong in ({"mark": {"type": "point", "colour": "red"}}, {"encoding": {"x": {"field": "a", "kind": "Q"}}}):
        with pytest.raises(ValidationError):
            Root.validate({**point, **wrong})


@pytest.fixture(scope="module")
def pages(built: Home) -> dict[str, html.HtmlElement]:
    """Every page of the release's briefing by its name under the folder."""
    folder = built.settings.current.resolve() / site.FOLDER
    return {
        path.relative_to(folder).as_posix(): html.document_fromstring(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.html"))
    }


def test_every_figure_has_its_tables_and_every_text_its_japanese(written: site.Written) -> None:
    assert written.absent == ()
    assert written.missing == (), "untranslated: add them to messages/ja/LC_MESSAGES"
    assert len(written.drawn) > 40
    # What the bundled edition cannot fill says so; anything else here is a query that lost its rows.
    assert set(written.empty) <= {"pipeline_trials", "rnd_path_gbr"}


def test_the_same_release_gives_the_same_bytes(built: Home, written: site.Written) -> None:
    released = built.settings.current.resolve() / site.FOLDER
    names = [{p.relative_to(f).as_posix() for p in f.rglob("*") if p.is_file()} for f in (released, written.folder)]
    assert names[0] == names[1]
    assert [n for n in names[0] if (released / n).read_bytes() != (written.folder / n).read_bytes()] == []


def test_every_statement_theme_country_and_source_has_its_page_in_both_languages(
    built: Home, pages: dict[str, html.HtmlElement]
) -> None:
    with reader.open_release(built.settings.current.resolve()) as connection:
        statements = [row[0] for row in connection.execute("select claim_id from mart_policy_claim_check").fetchall()]
        sources = [row[0] for row in connection.execute("select source_code from catalog.sources").fetchall()]
    for language in ("en", "ja"):
        ids = pages[f"{language}/index.html"].xpath("//article/@id")
        assert sorted(ids) == sorted(statements)
        for name in (*catalogue.THEMES, *(f"source-{code}" for code in sources), "reading"):
            assert f"{language}/{name}.html" in pages
        for country in ("jpn", "usa", "chn", "kor", "deu", "che", "fra", "gbr"):
            assert f"{language}/country-{country}.html" in pages


def test_links_and_anchors_hold(built: Home, pages: dict[str, html.HtmlElement]) -> None:
    folder = built.settings.current.resolve() / site.FOLDER
    ids = {name: set(page.xpath("//@id")) for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for target in page.xpath("//@href | //@src"):
            if re.match(r"https?:", target):
                continue
            path, _, anchor = target.partition("#")
            found = (folder / name).parent.joinpath(path).resolve() if path else folder / name
            inside = found.is_relative_to(folder) and found.is_file()
            if not inside or (anchor and unescape(anchor) not in ids[found.relative_to(folder).as_posix()]):
                broken.append(f"{name}: {target}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere_and_a_page_is_light(
    built: Home, pages: dict[str, html.HtmlElement]
) -> None:
    folder = built.settings.current.resolve() / site.FOLDER
    shared = sum(path.stat().st_size for path in (folder / "static").iterdir())
    for name, page in pages.items():
        loaded = page.xpath("//script/@src | //link[@rel!='alternate']/@href | //img/@src | //iframe/@src")
        assert all("://" not in address for address in loaded), name
        assert (folder / name).stat().st_size + shared < PAGE_LIMIT, name
    assert "url(" not in (folder / "static/briefing.css").read_text(encoding="utf-8")


def test_pages_say_release_day_and_language_and_can_be_walked_without_eyes(
    pages: dict[str, html.HtmlElement],
) -> None:
    for name, page in pages.items():
        language = name.split("/")[0] if "/" in name else "en"
        assert page.get("lang") == language, name
        repeated = [key for key, times in Counter(page.xpath("//@id")).items() if times > 1]
        assert not repeated, (name, repeated)
        levels = [int(tag.tag[1]) for tag in page.xpath("//main//*[self::h1 or self::h2 or self::h3 or self::h4]")]
        assert levels[0] == 1, name
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), (name, levels)
        text = page.text_content()
        assert re.search(r"(Release |リリース)0\d{3}", text), name
        assert ("時点" if language == "ja" else "Data as of") in text, name
        if "/" in name:
            assert page.xpath("//body/a[1]/@href") == ["#main"], name
        for drawing in page.xpath("//*[local-name()='svg' and @role='img']"):
            assert len(drawing.xpath("string(*[local-name()='title'])")) > 40, name
        for scrolled in page.xpath("//*[contains(@class, 'scroll') or contains(@class, 'chart')]"):
            assert scrolled.get("tabindex") == "0" and scrolled.get("aria-label"), name


@pytest.mark.parametrize("language", ["en", "ja"])
def test_behind_every_chart_stand_its_table_its_query_and_its_rows(
    built: Home, pages: dict[str, html.HtmlElement], language: str
) -> None:
    directory = built.settings.current.resolve()
    with reader.open_release(directory) as connection:
        for theme, figures in catalogue.THEMES.items():
            page = pages[f"{language}/{theme}.html"]
            for figure in figures:
                (block,) = page.xpath(f"//figure[@id='{figure.figure_id}']")
                result = connection.execute(figure.sql)
                names = [column[0] for column in result.description or []]
                rows = result.fetchall()
                assert block.xpath("string(.//details[@class='sql']//code)") == figure.sql
                with (directory / site.FOLDER / "data" / f"{figure.figure_id}.csv").open(
                    encoding="utf-8-sig"
                ) as file:
                    kept = list(csv.reader(file))
                assert kept[0] == names
                assert len(kept) == len(rows) + 1
                assert len(block.xpath(".//table/tbody/tr")) == len(rows)
                drawings = block.xpath(".//*[local-name()='svg' and @role='img']")
                assert len(drawings) == bool(figure.draw and rows), figure.figure_id
                for drawing in drawings:
                    assert charts.marks_in(html.tostring(drawing, encoding="unicode")) > 0, figure.figure_id


def test_no_interval_is_hidden(built: Home, pages: dict[str, html.HtmlElement]) -> None:
    """The interval of the overseas share is drawn for every row that has one, and points only where it is a point."""
    with reader.open_release(built.settings.current.resolve()) as connection:
        rows = connection.execute(
            f"select share_overseas_low, share_overseas_high from ({FIGURES['overseas_share'].sql})"
        ).fetchall()
    open_ended = sum(high > low for low, high in rows)
    assert open_ended > 5
    (block,) = pages["en/manufacturing.html"].xpath("//figure[@id='overseas_share']")
    wide = [line for line in block.xpath(".//*[local-name()='line']") if line.get("stroke-width") == "4"]
    assert len(wide) == open_ended


def test_a_difference_of_shares_is_no_share(pages: dict[str, html.HtmlElement]) -> None:
    for name, written in (("en/country-jpn.html", "+0.22\u00a0pp"), ("ja/country-jpn.html", "+0.22ポイント")):
        assert written in pages[name].text_content()


def test_charts_of_japanese_pages_speak_japanese(pages: dict[str, html.HtmlElement]) -> None:
    names = re.compile(r"[\d.,+\-−%–~ kM]+$")
    for theme in catalogue.THEMES:
        english, japanese = (
            [
                text
                for drawing in pages[f"{language}/{theme}.html"].xpath("//*[local-name()='svg' and @role='img']")
                for text in drawing.xpath(".//*[local-name()='text']/text()")
            ]
            for language in ("en", "ja")
        )
        assert len(english) == len(japanese) > 0 or theme == "pipeline"
        same = {e for e, j in zip(english, japanese, strict=True) if e == j and not names.match(e)}
        # Names of companies and of substances stay as published.
        assert not any("…" in text for text in english), "a shortened label keeps its English in Japanese pages"
        assert all(name[0].isupper() or theme in ("market", "manufacturing") for name in same), same
        assert len(same) < 45, same


def test_a_broken_query_fails_the_release_and_names_the_figure(
    small: Settings,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = replace(catalogue.RESEARCH[3], sql="select no_such_column from mart_rnd_level")
    monkeypatch.setitem(catalogue.THEMES, "research", (broken,))
    with pytest.raises(ReleaseError, match="rnd_level of the briefing failed"):
        pipeline.publish(small, force=True)
    assert small.current.readlink() == Path("releases/0001")
    assert not list(small.releases.glob(".*"))


def test_a_column_that_pages_read_and_a_release_lacks_is_named(small: Settings, tmp_path: Path) -> None:  # noqa: F811
    lacking = tmp_path / reader.DATABASE
    lacking.write_bytes((small.current.resolve() / reader.DATABASE).read_bytes())
    with duckdb.connect(str(lacking)) as connection:
        connection.execute("alter table marts.mart_policy_claim_check drop column note")
    with pytest.raises(ReleaseError, match=r"en/\S+ of the briefing reads what the release does not hold: .*note"):
        site.write(tmp_path, tmp_path / "site")


def test_a_release_without_a_table_says_so_where_its_figure_would_stand(small: Settings) -> None:  # noqa: F811
    page = (small.current.resolve() / site.FOLDER / "en" / "trade.html").read_text(encoding="utf-8")
    assert "This release does not hold mart_trade_balance" in page


def test_the_command_says_where_it_is_writes_it_anew_and_never_over_something(
    small: Settings,  # noqa: F811
    tmp_path: Path,
    biopharma: Callable[..., Outcome],  # noqa: F811
) -> None:
    front = small.current.resolve() / site.FOLDER / site.FRONT
    assert biopharma(small, "briefing").out.strip() == front.as_uri()
    made = biopharma(small, "briefing", "--release", "1", "--to", str(tmp_path / "there"))
    assert made.code == 0
    assert (tmp_path / "there" / site.FRONT).read_bytes() == front.read_bytes()
    again = biopharma(small, "briefing", "--to", str(tmp_path / "there"))
    assert again.code == 1
    assert "there is something already" in again.err


def test_cells_that_a_spreadsheet_would_run_stay_text() -> None:
    assert [site._plain(value) for value in ("=1+1", "@x", "plain", -2.5, None)] == [
        "'=1+1",
        "'@x",
        "plain",
        -2.5,
        None,
    ]
