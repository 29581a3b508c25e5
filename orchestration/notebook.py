"""Opening the notebook of five analyses: on a copy in the installation, on this machine only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ingest.settings import PROJECT_ROOT, Settings
from orchestration.errors import RunError

ORIGINAL = PROJECT_ROOT / "docs" / "notebooks" / "five_analyses.py"
HOST = "127.0.0.1"


def own_copy(settings: Settings) -> Path:
    """The user's copy of the notebook, made where there is none; what the user has changed in it stays.

    Raises RunError where the checkout has no notebook.
    """
    path = settings.home / "notebooks" / ORIGINAL.name
    if not path.exists():
        if not ORIGINAL.exists():
            raise RunError("the notebook is not here", file=str(ORIGINAL), remedy="Use the project's checkout.")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ORIGINAL, path)
    return path


def command(path: Path, *, port: int, read_only: bool, browser: bool) -> list[str]:
    """The command that serves a notebook on the loopback interface, without looking for updates.

    Editing asks for marimo's access token, which the printed address carries.
    """
    return [
        *(sys.executable, "-m", "marimo"),
        *(("run", "--include-code") if read_only else ("edit", "--skip-update-check")),
        str(path),
        *("--host", HOST, "--port", str(port), "--no-sandbox"),
        *(() if browser else ("--headless",)),
    ]


def serve(settings: Settings, *, port: int, read_only: bool, browser: bool) -> int:
    """Serve the notebook until it is stopped; returns the exit code."""
    path = own_copy(settings)
    # The notebook imports the project: it looks for it where this checkout is, wherever it was started.
    paths = [str(PROJECT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "BIOPHARMA_HOME": str(settings.home), "PYTHONPATH": os.pathsep.join(paths)}
    try:
        return subprocess.run(  # noqa: S603
            command(path, port=port, read_only=read_only, browser=browser), env=environment, check=False
        ).returncode
    except KeyboardInterrupt:
        return 0
