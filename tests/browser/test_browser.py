"""The browser fixtures see what they are meant to see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.conftest import Seen


def test_errors_and_requests_of_a_page_are_seen_and_none_leaves_the_machine(
    page: Page, seen: Seen, screenshot: Callable[..., Path], tmp_path: Path
) -> None:
    document = tmp_path / "page.html"
    document.write_text(
        '<h1>text</h1><img src="https://elsewhere.example/logo.png"><script>console.error("told"); no_such()</script>'
    )
    page.goto(document.as_uri())
    assert page.inner_text("h1") == "text"
    assert "told" in seen.errors
    assert any("no_such is not defined" in error for error in seen.errors)
    assert seen.elsewhere() == ["https://elsewhere.example/logo.png"]
    assert seen.failed == ["https://elsewhere.example/logo.png: net::ERR_NAME_NOT_RESOLVED"]
    assert screenshot("browser/first").read_bytes().startswith(b"\x89PNG")
