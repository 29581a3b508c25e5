"""Pictures of the README, taken from the current release: `python -m tests.screenshots`.

Needs Chromium and a font with Japanese letters (Debian: chromium, fonts-noto-cjk).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import reader
from orchestration.briefing import site
from tests.browser.conftest import _ARGUMENTS, _NAMES

IMAGES = PROJECT_ROOT / "docs" / "images"
LIMIT = 300_000


def briefing(folder: Path, target: Path) -> None:
    """The figure that answers how much is made overseas, English in light beside Japanese in dark."""
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        sys.exit("no Chromium is installed (Debian: apt-get install chromium)")
    frames = "".join(
        f'<iframe src="{(folder / language / "manufacturing.html").as_uri()}?{theme}" '
        'style="width:50%;height:100vh;border:0"></iframe>'
        for language, theme in (("en", "light"), ("ja", "dark"))
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=[*_ARGUMENTS, "--allow-file-access-from-files"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        page.goto((folder / site.FRONT).as_uri())
        page.evaluate(
            "(frames) => { document.body.innerHTML = frames; document.body.style.display = 'flex'; }", frames
        )
        for frame, theme in zip(page.frames[1:], ("light", "dark"), strict=True):
            frame.wait_for_selector("svg.drawing")
            frame.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            frame.evaluate("document.querySelector('#overseas_share').scrollIntoView()")
        target.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=target)
        browser.close()
    if target.stat().st_size > LIMIT:
        sys.exit(f"{target} has {target.stat().st_size:,} bytes, more than {LIMIT:,}")


if __name__ == "__main__":
    briefing(reader.current_dir(Settings.from_env()) / site.FOLDER, IMAGES / "briefing.png")
