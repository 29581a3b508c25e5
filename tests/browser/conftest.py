"""A real browser for the pages that people see: Debian's Chromium, without a way to anything but this machine.

Tests are skipped where no browser is installed. Screenshots are kept in the folder that BIOPHARMA_ARTEFACTS names,
else beside pytest's temporary files, so that somebody can look at them after the run.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever a page asks of another machine fails at once, and is seen in `Seen.requests`.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@dataclass
class Seen:
    """What happened on a page: errors on its console or in its scripts, and every address that it asked for.

    `failed` has requests that could not be answered, `left` those that the browser gave up itself because the page
    was left for another: an icon is asked for after a page has loaded, and may be on its way when the next is opened.
    """

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def not_answered(self, request: Request) -> None:
        """Keep a request that came to nothing, by whose doing it was."""
        if request.failure == "net::ERR_ABORTED":
            self.left.append(request.url)
        else:
            self.failed.append(f"{request.url}: {request.failure}")

    def missing(self) -> list[str]:
        """Addresses of files that do not exist: what was given up is not taken on trust."""
        asked = {request.partition("#")[0] for request in self.requests if request.startswith("file:")}
        return sorted(address for address in asked if not Path(url2pathname(urlsplit(address).path)).is_file())

    def elsewhere(self) -> list[str]:
        """Addresses that are neither a file, nor part of the page, nor on this machine."""
        return [
            address
            for address in self.requests
            if not re.match(r"file:|data:|blob:|about:|(https?|wss?)://(127\.0\.0\.1|localhost)[:/]", address)
        ]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, started once for this folder; each start has a new, empty profile.

    Not for the session: Playwright's event loop runs in this process until then, and no other can.
    """
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium), so pages are not looked at")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, headless=True, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def seen() -> Seen:
    """What happens on `page`."""
    return Seen()


@pytest.fixture
def page(browser: Browser, seen: Seen) -> Iterator[Page]:
    """An empty page of 1440 by 900 that remembers in `seen` what happens on it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: seen.errors.append(str(error)))
    opened.on("request", lambda request: seen.requests.append(request.url))
    opened.on("websocket", lambda socket: seen.requests.append(socket.url))
    opened.on("requestfailed", seen.not_answered)
    yield opened
    context.close()


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that screenshots are kept in."""
    named = os.environ.get("BIOPHARMA_ARTEFACTS")
    folder = Path(named).resolve() if named else tmp_path_factory.mktemp("artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def screenshot(page: Page, artefacts: Path) -> Callable[..., Path]:
    """Function that keeps a picture of the page under a name; `full_page=True` takes what is below the fold too."""

    def keep(name: str, *, full_page: bool = False) -> Path:
        path = artefacts / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=full_page)
        assert path.stat().st_size > 0
        return path

    return keep
