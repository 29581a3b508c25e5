"""Dagster's interface as an operator sees it: `biopharma up`, the graph, an asset page, a check, a run to its end."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ingest.settings import PROJECT_ROOT
from orchestration import inbox
from tests.browser.conftest import Seen
from tests.built import Home
from tests.network import guard_of_processes

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 120
PATIENCE_MS = 1000 * PATIENCE_SECONDS


@dataclass
class Running:
    """`biopharma up` over a copy of the built installation."""

    address: str
    home: Path
    process: subprocess.Popen[str]
    journal: Path

    def ask(self, query: str) -> Any:
        """The answer of Dagster's GraphQL interface."""
        request = urllib.request.Request(
            f"{self.address}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def runs(self, job: str) -> list[dict[str, Any]]:
        """Status and id of the job's runs, newest first."""
        found = self.ask("{runsOrError(limit: 20) {... on Runs {results {jobName status runId}}}}")
        return [run for run in found["runsOrError"]["results"] if run["jobName"] == job]


@pytest.fixture(scope="module")
def up(browser: Browser, built: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Web interface and daemon, as an operator starts them; ended with SIGTERM, as systemd ends them."""
    home = tmp_path_factory.mktemp("up") / "home"
    shutil.copytree(built.settings.home, home, symlinks=True, ignore=shutil.ignore_patterns("dagster"))
    # Dropped now and looked for last: the daemon takes it while pages are looked at.
    place = inbox.folder(replace(built.settings, home=home)) / "ecb_fx"
    place.mkdir(parents=True)
    (place / "eurofxref-hist.zip").write_bytes(b"<html><body>The service is not available.</body></html>")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    guard, journal = guard_of_processes(tmp_path_factory.mktemp("guard"))
    environment = {**os.environ, **guard, "BIOPHARMA_HOME": str(home), "BIOPHARMA_MEMORY": "2GB"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from orchestration.cli import main; main()", "up", "--port", str(port)],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if "Files dropped into" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield Running(f"http://127.0.0.1:{port}", home, process, journal)
    finally:
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
        seconds = time.monotonic() - started
    assert code == 0
    assert seconds < 30
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_graph_asset_check_and_automation(
    up: Running, page: Page, seen: Seen, screenshot: Callable[..., Path]
) -> None:
    page.set_default_timeout(PATIENCE_MS)
    page.goto(
        f"{up.address}/assets/marts/mart_market_biologic_share?view=lineage&lineageScope=upstream&lineageDepth=1"
    )
    expect(page.get_by_text("int_fx", exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    screenshot("dagster/lineage")
    page.goto(f"{up.address}/assets/source/ecb_fx?view=overview")
    expect(page.get_by_text("Publisher:", exact=False).first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name="European Central Bank").first).to_have_attribute(
        "href", re.compile("ecb.europa.eu")
    )
    screenshot("dagster/asset")
    page.goto(f"{up.address}/assets/source/ecb_fx?view=checks")
    expect(page.get_by_text("edition_is_not_stale").first).to_be_visible(timeout=PATIENCE_MS)
    screenshot("dagster/check")
    page.goto(f"{up.address}/automation")
    for name in ("daily", "inbox_files", "inputs_changed"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    screenshot("dagster/automation")
    assert seen.elsewhere() == []


def test_run_started_in_the_interface_goes_to_its_end(
    up: Running, page: Page, seen: Seen, screenshot: Callable[..., Path]
) -> None:
    """Materialize on a source's page: queued, run by the daemon, shown as done."""
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{up.address}/assets/source/policy_claims?view=overview")
    page.get_by_role("button", name=re.compile("Materialize")).first.click()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (runs := up.runs("__ASSET_JOB")):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    page.goto(f"{up.address}/runs/{runs[0]['runId']}")
    expect(page.get_by_text(re.compile("^Success$")).first).to_be_visible(timeout=PATIENCE_MS)
    screenshot("dagster/run")
    assert up.runs("__ASSET_JOB")[0]["status"] == "SUCCESS"
    assert seen.elsewhere() == []


def test_dropped_file_becomes_a_run_by_the_daemon(up: Running) -> None:
    """A real tick: the sensor saw the file, the queue started the run, the file was refused with its reason."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (runs := up.runs("inbox")) or runs[0]["status"] not in {"FAILURE", "SUCCESS"}:
        assert time.monotonic() < deadline, runs
        time.sleep(0.5)
    assert [run["status"] for run in runs] == ["FAILURE"]
    (reason,) = up.home.glob("inbox/refused/ecb_fx/*.txt")
    assert "HTML page, not data" in reason.read_text()
    assert not list((up.home / "inbox" / "ecb_fx").iterdir())


def test_server_daemon_and_runs_reach_no_other_machine(up: Running) -> None:
    """The last of this file: all processes that the tests above have made had a guard, and none tried."""
    lines = up.journal.read_text(encoding="utf-8").splitlines()
    assert len({line for line in lines if line.startswith("guarded ")}) >= 3
    assert [line for line in lines if line.startswith("attempt ")] == []
