"""The briefing in a real browser, opened from disk: charts are drawn, no network is asked, everything can be read.

Pictures of every kind of page, in both languages and themes, on a phone and in print, are kept as artefacts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from orchestration.briefing import catalogue, site
from tests.browser.conftest import Seen
from tests.built import Home

KINDS = ["index", *catalogue.THEMES, "countries", "country-jpn", "sources", "source-mhlw_ndb", "reading"]

# Contrast of every visible text against what lies behind it, and of the marks of charts, as WCAG 2.2 computes it.
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => {
    const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) { return colour; }
    }
    return [255, 255, 255, 255];
  };
  const poor = [];
  const shown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const looked = {texts: 0, marks: 0};
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !shown(element) || element.closest('.skip, title')) { continue; }
    const style = getComputedStyle(element);
    const inside = element.closest('svg');
    const found = ratio(rgba(inside ? style.fill : style.color), behind(inside ?? element));
    looked.texts += 1;
    if (found < 4.5) { poor.push([walker.currentNode.data.trim().slice(0, 40), found.toFixed(2)]); }
  }
  const marks = '.drawing .role-mark path, .drawing .role-mark line, .key.mark path';
  for (const mark of document.querySelectorAll(marks)) {
    const style = getComputedStyle(mark);
    // A mark stands out by its outline or by its filling.
    const painted = [style.stroke, style.fill].filter((colour) => colour !== 'none').map(rgba);
    const parts = painted.filter((colour) => colour[3] === 255);
    // A band is a background; what it says is in the text below the chart.
    if (!parts.length || !shown(mark.closest('svg')) || mark.getAttribute('fill') === '#fff1c2') { continue; }
    looked.marks += 1;
    const best = Math.max(...parts.map((colour) => ratio(colour, behind(mark.closest('svg')))));
    if (best < 3) { poor.push([mark.outerHTML.slice(0, 80), best.toFixed(2)]); }
  }
  return {poor, ...looked};
}"""

MARKS = """() => [...document.querySelectorAll('svg.drawing')].map((drawing) => {
  const frame = drawing.getBoundingClientRect();
  const marks = [...drawing.querySelectorAll('.role-mark > *')].filter((mark) => {
    const box = mark.getBoundingClientRect();
    return (box.width > 0 || box.height > 0) && box.right > frame.left && box.left < frame.right;
  });
  return [drawing.querySelector('title').id, marks.length];
})"""


@pytest.fixture(scope="module")
def folder(built: Home) -> Path:
    """The briefing of a whole release."""
    return built.settings.current.resolve() / site.FOLDER


def opened(page: Page, folder: Path, name: str) -> None:
    page.goto((folder / name).as_uri())


@pytest.mark.parametrize("language", ["en", "ja"])
def test_pages_open_from_disk_draw_their_charts_and_ask_nothing_of_the_network(
    folder: Path, page: Page, seen: Seen, screenshot: Callable[..., Path], language: str
) -> None:
    drawn = 0
    for kind in KINDS:
        opened(page, folder, f"{language}/{kind}.html")
        assert page.evaluate("document.documentElement.lang") == language
        marks = page.evaluate(MARKS)
        assert all(count > 0 for _, count in marks), marks
        drawn += len(marks)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), kind
        if kind in ("index", "manufacturing"):
            screenshot(f"briefing/{kind}_{language}", full_page=True)
    assert drawn > 50
    assert seen.errors == [] and seen.failed == [] and seen.missing() == [] and seen.elsewhere() == []
    assert {request for request in seen.requests if not request.startswith("file:")} == set()


def test_the_language_is_switched_at_the_same_page_and_figure(folder: Path, page: Page, seen: Seen) -> None:
    opened(page, folder, site.FRONT)
    page.click("text=日本語で読む")
    assert page.url.endswith("/ja/index.html")
    page.click("nav >> text=製造地")
    page.evaluate("location.hash = '#lookup_next'")
    page.click("header >> text=English")
    assert page.url.endswith("/en/manufacturing.html#lookup_next")
    assert page.inner_text("h1") == "Where it is made"
    page.click("header >> text=日本語")
    assert page.inner_text("h1") == "製造地"
    assert seen.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_in_both_themes(
    folder: Path, page: Page, screenshot: Callable[..., Path], theme: Any
) -> None:
    page.emulate_media(color_scheme=theme)
    for name in ("en/index.html", "ja/research.html", "en/scorecard.html", "ja/country-jpn.html", "en/reading.html"):
        opened(page, folder, name)
        found = page.evaluate(CONTRAST)
        assert found["poor"] == [], name
        assert found["texts"] > 50, name
        if name == "ja/research.html":
            assert found["marks"] > 100
            screenshot(f"briefing/research_ja_{theme}", full_page=True)


def test_the_theme_is_switched_by_keyboard_and_kept(folder: Path, page: Page) -> None:
    page.emulate_media(color_scheme="light")
    opened(page, folder, "en/market.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.focus("[data-theme-switch]")
    page.keyboard.press("Enter")
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    opened(page, folder, "ja/trade.html")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after
    summary = page.locator("figure details.rows summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("figure details.rows table").first.is_visible()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_phone_shows_every_kind_of_page_without_sideways_scrolling(
    folder: Path, page: Page, screenshot: Callable[..., Path], language: str
) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    for kind in KINDS:
        opened(page, folder, f"{language}/{kind}.html")
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, kind
    opened(page, folder, f"{language}/manufacturing.html")
    screenshot(f"briefing/phone_{language}", full_page=True)


def test_without_script_pages_are_whole_and_dark_where_asked(browser: Browser, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme="dark")
    plain = context.new_page()
    plain.goto((folder / "en/contract.html").as_uri())
    assert plain.locator("svg.drawing").count() >= 4
    assert not plain.locator("[data-theme-switch]").is_visible()
    # Light ink on dark paper, in charts too.
    ink, paper = (
        plain.locator(place).first.evaluate(f"(element) => getComputedStyle(element).{what}")
        for place, what in (("svg.drawing text", "fill"), ("body", "backgroundColor"))
    )
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert brightness[0] > 600 > 150 > brightness[1]
    context.close()


def test_pages_print(folder: Path, page: Page, artefacts: Path) -> None:
    opened(page, folder, "ja/index.html")
    page.emulate_media(media="print")
    assert not page.locator("header nav").is_visible()
    assert page.locator("svg.drawing").first.is_visible()
    path = artefacts / "briefing" / "front_ja.pdf"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.pdf(path=path, format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "15mm"))
    assert path.read_bytes().startswith(b"%PDF")
