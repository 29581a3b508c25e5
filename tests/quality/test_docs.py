"""Data Docs: complete, and readable without a network."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from data_quality.docs import STYLE_SHEET
from data_quality.runner import CheckResult, run_checks
from ingest import lake
from ingest.settings import Settings

HOSTILE = "<script>alert(1)</script><img src=https://example.org/x.png>"


class _Page(HTMLParser):
    """What a page would load, which elements it has, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.append(name)
            if name in {"src", "srcset", "poster", "background", "action"} or (name == "href" and tag != "a"):
                self.loads.append(value or "")
            elif name == "href":
                self.links.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def docs(
    copy_lake: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[CheckResult]]:
    settings = copy_lake()
    with duckdb.connect(str(settings.work_file)) as connection:
        connection.execute("update lake.deal set currency = ? where locator = 'row 4'", [HOSTILE])
        connection.execute("update lake.deal set asset_iso3 = ? where locator = 'row 5'", [HOSTILE])
        connection.execute("alter table lake.claim alter column value_low type varchar")
        connection.execute("update lake.claim set value_low = ? where claim_id = 'claim_1'", [HOSTILE])
        connection.execute("drop table lake.trade_flow")
    folder = tmp_path_factory.mktemp("docs") / "data_docs"
    return folder, run_checks(settings, "lake", docs_dir=folder)


def _pages(folder: Path) -> dict[str, _Page]:
    return {
        path.relative_to(folder).as_posix(): _Page(path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.html")
    }


def test_every_table_that_could_be_checked_has_a_page(docs: tuple[Path, list[CheckResult]]) -> None:
    folder, _ = docs
    tables = set(lake.contracts()) - {"trade_flow"}
    assert set(_pages(folder)) == {"index.html", *(f"lake/{table}.html" for table in tables)}


def test_pages_load_nothing_but_the_style_sheet_beside_them(docs: tuple[Path, list[CheckResult]]) -> None:
    folder, _ = docs
    for name, page in _pages(folder).items():
        assert page.loads == [("" if name == "index.html" else "../") + STYLE_SHEET]
        assert page.tags.isdisjoint({"script", "img", "iframe", "object", "embed", "style", "form", "base"}), name
        assert not page.handlers
    style = (folder / STYLE_SHEET).read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style


def test_links_lead_to_pages_that_exist(docs: tuple[Path, list[CheckResult]]) -> None:
    folder, _ = docs
    for name, page in _pages(folder).items():
        for link in page.links:
            if not link.startswith("#"):
                assert ((folder / name).parent / link).resolve().is_file(), (name, link)


def test_publishers_text_is_shown_as_text(docs: tuple[Path, list[CheckResult]]) -> None:
    folder, _ = docs
    pages = _pages(folder)
    for name in ("index.html", "lake/deal.html"):
        assert any("alert(1)" in text for text in pages[name].text), name


def test_the_index_names_what_did_not_pass(docs: tuple[Path, list[CheckResult]]) -> None:
    folder, results = docs
    text = " ".join(_pages(folder)["index.html"].text)
    failed = [result for result in results if not result.success]
    assert {"deal__currency_shape", "claim__columns"} <= {result.check_id for result in failed}
    assert all(result.check_id in text for result in failed)


def test_a_page_says_what_was_expected_and_found(docs: tuple[Path, list[CheckResult]]) -> None:
    folder, results = docs
    text = " ".join(" ".join(_pages(folder)["lake/deal.html"].text).split())
    deals = [result for result in results if result.table_name == "deal"]
    assert all(" ".join(result.description.split()) in text for result in deals)
    deal_rows = next(result.element_count for result in deals if result.check_id == "deal__key")
    assert f"{deal_rows} rows" in text
