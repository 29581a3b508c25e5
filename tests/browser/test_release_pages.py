"""The pages of a release open from disk in a browser: no request, no error, and a search by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from orchestration import reader
from tests.browser.conftest import Seen
from tests.built import Home


@pytest.fixture
def release(built: Home) -> Path:
    return reader.current_dir(built.settings)


def test_the_dictionary_is_searched_by_keyboard(
    page: Page, seen: Seen, release: Path, screenshot: Callable[..., Path]
) -> None:
    page.goto((release / "dictionary" / "index.html").as_uri())
    assert page.locator("main details:visible").count() > 100
    page.keyboard.press("/")
    page.keyboard.type("share_overseas_low")
    expect(page.locator("#count")).to_contain_text("entries")
    column = page.locator("[id='marts.mart_overseas_manufacturing_share.share_overseas_low']")
    expect(column).to_be_visible()
    page.wait_for_function(
        "[...document.querySelectorAll('main details')].filter(entry => !entry.hidden).length < 20"
    )
    screenshot("dictionary-search")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Escape")
    expect(page.locator("#count")).to_be_empty()
    assert page.locator("main details:visible").count() > 100
    page.click("nav a[href='#source.mhlw_ndb']")
    expect(page.locator("[id='source.mhlw_ndb']")).to_have_attribute("open", "")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    screenshot("dictionary-dark")
    page.emulate_media(media="print", color_scheme="light")
    expect(page.locator("nav")).to_be_hidden()
    assert seen.requests == [page.url.split("#")[0]]
    assert seen.errors == []


def test_the_models_unpack_themselves_and_ask_nobody(
    page: Page, seen: Seen, release: Path, screenshot: Callable[..., Path]
) -> None:
    address = (release / "dbt_docs" / "index.html").as_uri()
    page.goto(f"{address}#!/model/model.biopharma.mart_market_biologic_share")
    expect(page.get_by_role("heading", name="mart_market_biologic_share")).to_be_visible()
    expect(page.locator("text=How far Japan's medicine market is biologic").first).to_be_visible()
    screenshot("dbt-docs")
    page.evaluate("location.hash = '#!/overview'")
    expect(page.get_by_role("heading", name="Models of the biopharma warehouse")).to_be_visible()
    screenshot("dbt-docs-overview")
    assert [request for request in seen.requests if not request.startswith("data:")] == [address]
    assert seen.errors == []


@pytest.mark.parametrize("name", ["index.html", "lake/sales_observation.html", "marts/mart_policy_claim_check.html"])
def test_data_docs_open_with_their_style(
    page: Page, seen: Seen, release: Path, screenshot: Callable[..., Path], name: str
) -> None:
    page.goto((release / "data_docs" / name).as_uri())
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    screenshot(f"data-docs-{Path(name).stem}")
    assert len(seen.requests) == 2
    assert all(request.startswith("file://") for request in seen.requests)
    assert seen.errors == []
