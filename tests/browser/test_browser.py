"""The browser fixtures see what they are meant to see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.conftest import Seen
from tests.publisher import Answer, Publisher


def test_errors_and_requests_of_a_page_are_seen_and_none_leaves_the_machine(
    page: Page, seen: Seen, screenshot: Callable[..., Path], tmp_path: Path
) -> None:
    document = tmp_path / "page.html"
    document.write_text(
        '<h1>text</h1><img src="https://elsewhere.example/logo.png"><img src="not_there.png">'
        '<script>console.error("told"); no_such()</script>'
    )
    page.goto(document.as_uri())
    assert page.inner_text("h1") == "text"
    assert "told" in seen.errors
    assert any("no_such is not defined" in error for error in seen.errors)
    assert seen.elsewhere() == ["https://elsewhere.example/logo.png"]
    not_there = (tmp_path / "not_there.png").as_uri()
    assert sorted(seen.failed) == [
        f"{not_there}: net::ERR_FILE_NOT_FOUND",
        "https://elsewhere.example/logo.png: net::ERR_NAME_NOT_RESOLVED",
    ]
    assert seen.missing() == [not_there] and seen.left == []
    assert screenshot("browser/first").read_bytes().startswith(b"\x89PNG")


def test_a_request_that_the_browser_gives_up_on_leaving_a_page_is_no_failure(
    page: Page, seen: Seen, tmp_path: Path
) -> None:
    waiting = tmp_path / "waiting.html"
    with Publisher() as publisher:
        publisher.serve("", "/slow.svg", Answer(b"<svg/>", trickle_seconds=0.5))
        slow = f"{publisher.address}/slow.svg"
        waiting.write_text(f'<img src="{slow}">')
        with page.expect_request(slow):
            page.goto(waiting.as_uri(), wait_until="commit")
        with page.expect_event("requestfailed"):
            page.goto("about:blank")
    assert seen.left == [slow] and seen.failed == []
