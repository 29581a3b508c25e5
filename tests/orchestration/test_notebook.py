"""The notebook runs from end to end on the current release without a network, and every plot has marks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import Settings
from orchestration import notebook
from tests.built import Home
from tests.network import guarded

CHARTS = {"market_chart", "overseas_chart", "level_chart", "growth_chart", "cdmo_chart", "claim_chart"}


def run(path: Path) -> tuple[list[Any], dict[str, Any]]:
    spec = importlib.util.spec_from_file_location("five_analyses", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outputs, definitions = module.app.run()
    return list(outputs), dict(definitions)


def test_every_analysis_draws_something(built: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import vl_convert

    monkeypatch.setenv("BIOPHARMA_HOME", str(built.settings.home))
    with guarded() as attempts:
        outputs, definitions = run(notebook.ORIGINAL)
        assert {name for name in definitions if name.endswith("_chart")} == CHARTS
        # DuckDB opens a file in one way per process: as the notebook opens it, no other test could read the release.
        definitions["ask"].__globals__["warehouse"].close()
        for name in CHARTS:
            drawing = vl_convert.vegalite_to_svg(definitions[name].to_dict())
            assert drawing.count('aria-roledescription="') > 5 or drawing.count("<path") > 20, name
    assert attempts == []
    shown = " ".join(output.text for output in outputs if output is not None and hasattr(output, "text"))
    assert shown.count("last data year") >= 6
    assert "None." not in shown
    for word in ("OPIR", "grade E", "Licences: "):
        assert word in shown


def test_it_is_served_on_this_machine_only(settings: Settings) -> None:
    path = notebook.own_copy(settings)
    editing = notebook.command(path, port=2718, read_only=False, browser=False)
    reading = notebook.command(path, port=2718, read_only=True, browser=True)
    for command in (editing, reading):
        assert command[command.index("--host") + 1] == "127.0.0.1"
        assert "--no-token" not in command
    assert "--skip-update-check" in editing
    assert "--headless" in editing
    assert reading[3] == "run"


def test_what_the_user_wrote_stays(settings: Settings) -> None:
    path = notebook.own_copy(settings)
    assert path.read_bytes() == notebook.ORIGINAL.read_bytes()
    path.write_text("mine")
    assert notebook.own_copy(settings).read_text() == "mine"
