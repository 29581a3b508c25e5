"""Pictures of the README, taken from the current release and its web interface: `python -m tests.screenshots`.

Needs Chromium and a font with Japanese letters (Debian: chromium, fonts-noto-cjk).
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import reader
from orchestration.briefing import site
from tests.browser.conftest import _ARGUMENTS, _NAMES

IMAGES = PROJECT_ROOT / "docs" / "images"
LIMIT = 300_000
_UPSTREAM = "?view=lineage&lineageScope=upstream&lineageDepth=4"


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A browser without a way to anything but this machine."""
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        sys.exit("no Chromium is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*_ARGUMENTS, *arguments])
        yield browser
        browser.close()


def briefing(folder: Path, target: Path) -> None:
    """The figure that answers how much is made overseas, English in light beside Japanese in dark."""
    frames = "".join(
        f'<iframe src="{(folder / language / "manufacturing.html").as_uri()}?{theme}" '
        'style="width:50%;height:100vh;border:0"></iframe>'
        for language, theme in (("en", "light"), ("ja", "dark"))
    )
    with chromium("--allow-file-access-from-files") as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        page.goto((folder / site.FRONT).as_uri())
        page.evaluate(
            "(frames) => { document.body.innerHTML = frames; document.body.style.display = 'flex'; }", frames
        )
        for frame, theme in zip(page.frames[1:], ("light", "dark"), strict=True):
            frame.wait_for_selector("svg.drawing")
            frame.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            frame.evaluate("document.querySelector('#overseas_share').scrollIntoView()")
        page.screenshot(path=target)


def lineage(port: int, target: Path) -> None:
    """What a mart of R&D growth stands on, in the web interface."""
    command = [sys.executable, "-c", "from orchestration.cli import main; main()", "ui", "--port", str(port)]
    served = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert served.stdout is not None
    try:
        if not any("lineage:" in line for line in served.stdout):
            sys.exit("the web interface did not start")
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.goto(f"http://127.0.0.1:{port}/assets/marts/mart_rnd_growth{_UPSTREAM}")
            page.get_by_text("Hide navigation").click()
            page.reload()
            page.get_by_text("int_deflator_index", exact=True).first.wait_for()
            page.wait_for_timeout(3000)
            page.screenshot(path=target)
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait()


def main() -> None:
    """Take both pictures; ends with a reason where one is too large for a README."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    briefing(reader.current_dir(Settings.from_env()) / site.FOLDER, IMAGES / "briefing.png")
    lineage(3078, IMAGES / "lineage.png")
    for path in IMAGES.glob("*.png"):
        if path.stat().st_size > LIMIT:
            sys.exit(f"{path} has {path.stat().st_size:,} bytes, more than {LIMIT:,}")


if __name__ == "__main__":
    main()
