"""Fetching through the pipeline and the command, against a publisher on the loopback interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import GateError
from ingest.lake import Lake
from ingest.settings import Settings
from orchestration import pipeline
from tests.publisher import Answer, Publisher

HOST, PATH = "www.ecb.europa.eu", "/stats/eurofxref/eurofxref-hist.zip"


def test_fetched_rates_become_an_edition_once(settings: Settings, shared_data: Callable[[str], Path]) -> None:
    body = shared_data("ecb_fx/eurofxref-hist.zip").read_bytes()
    with Publisher() as publisher:
        publisher.serve(HOST, PATH, Answer(body, etag='"today"'))
        (first,) = pipeline.fetch(settings, "ecb_fx", routes=publisher.routes(HOST))
        again = pipeline.fetch(settings, "ecb_fx", routes=publisher.routes(HOST))
    assert first.row_count > 200_000 and not first.is_bundled
    assert again == [first]
    assert [edition.edition_id for edition in Lake(settings.lake).editions()] == [first.edition_id]


def test_a_container_asks_as_the_one_before_it(
    settings: Settings, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    """Where the warehouse is elsewhere: what has not changed is not sent again, though the disk is empty."""
    body = shared_data("ecb_fx/eurofxref-hist.zip").read_bytes()
    one, two = (replace(settings, home=tmp_path / n, remote=(tmp_path / "far").as_uri()) for n in ("one", "two"))
    with Publisher() as publisher:
        publisher.serve(HOST, PATH, Answer(body, etag='"today"'))
        first = pipeline.fetch(one, "ecb_fx", routes=publisher.routes(HOST))
        assert pipeline.fetch(two, "ecb_fx", routes=publisher.routes(HOST)) == first
    asked = [{name.lower(): value for name, value in seen.headers.items()} for seen in publisher.seen]
    assert [headers.get("if-none-match") for headers in asked] == [None, '"today"']
    assert all(Lake(two.lake).holds(edition) for edition in first)


def test_an_error_page_leaves_what_was_committed(settings: Settings, shared_data: Callable[[str], Path]) -> None:
    body = shared_data("ecb_fx/eurofxref-hist.zip").read_bytes()
    page = b"<html><body>The service is not available at the moment.</body></html>"
    with Publisher() as publisher:
        publisher.serve(HOST, PATH, Answer(body), Answer(page))
        before = pipeline.fetch(settings, "ecb_fx", routes=publisher.routes(HOST))
        with pytest.raises(GateError, match="HTML page"):
            pipeline.fetch(settings, "ecb_fx", routes=publisher.routes(HOST))
    assert Lake(settings.lake).editions() == before


def test_command_names_what_it_could_not_fetch(settings: Settings, biopharma: Callable[..., Any]) -> None:
    outcome = biopharma(settings, "fetch", "policy_claims", "no_such_source")
    assert outcome.code == 1
    assert "policy_claims has nothing to fetch" in " ".join(outcome.err.split())
    assert "there is no source 'no_such_source'" in " ".join(outcome.err.split())
