"""A publisher that cannot be reached for a month: the rest is published, and the age of what stands is told."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data_quality.runner import run_checks
from ingest import workfile
from ingest.errors import IngestError
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.source import Source, get
from orchestration import pipeline, reader, release
from tests.built import Home
from tests.chaos import victims
from tests.publisher import Answer, Publisher

HOST, PATH = "www.ecb.europa.eu", "/stats/eurofxref/eurofxref-hist.zip"
# The source is stale after 45 days; the month of silence begins when its last edition is some three weeks old. The
# bundled edition, which is as old as the calendar makes it, is taken out first.
DAYS = 52


def rates_until(folder: Path, last: date) -> bytes:
    """Synthetic rates in the ECB's archive, the newest of a day (or the Friday before)."""
    path = victims.synthetic_rates(folder / "eurofxref-hist.csv", (last - date(2012, 1, 2)).days - 399)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.write(path, path.name)
    return stream.getvalue()


def impatient(code: str) -> Source:
    source = get(code)
    quick = source.spec.fetch.model_copy(update={"seconds_between_requests": 0.0, "backoff_seconds": 0.01})
    source.spec = source.spec.model_copy(update={"fetch": quick})
    return source


def test_a_source_down_for_a_month(
    small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, biopharma: Callable[..., Any]
) -> None:
    monkeypatch.setattr(pipeline, "get", impatient)
    for bundled in Lake(small.lake).editions():
        if bundled.source_code == "ecb_fx":
            Lake(small.lake).withdraw(bundled)
    with Publisher() as publisher:
        publisher.serve(HOST, PATH, Answer(rates_until(tmp_path, date.today() - timedelta(days=DAYS))))
        (last_good,) = pipeline.fetch(small, "ecb_fx", routes=publisher.routes(HOST))
    before = Lake(small.lake).editions()
    # Every day of a month somebody, or a schedule, tries again; the publisher answers with errors, then not at all.
    with Publisher() as publisher:
        publisher.serve(HOST, PATH, Answer(b"busy", status=503))
        for _ in range(3):
            with pytest.raises(IngestError, match="503"):
                pipeline.fetch(small, "ecb_fx", routes=publisher.routes(HOST))
        routes = publisher.routes(HOST)
    with pytest.raises(IngestError, match=HOST.replace(".", r"\.")):
        pipeline.fetch(small, "ecb_fx", routes=routes)
    assert Lake(small.lake).editions() == before
    # The last good edition is used, and its age is told by a warning of the expectations ...
    connection = workfile.connect(small.work_file, small)
    frame = workfile.edition_frame(Lake(small.lake).editions())
    connection.register("now", frame)
    connection.execute("create or replace table lake.edition as select * from now")
    connection.close()
    found = run_checks(small, "lake", tables=["reference_rate"])
    freshness = next(result for result in found if result.check_id == "reference_rate__freshness")
    assert (freshness.success, freshness.severity) == (False, "warn")
    assert '"ecb_fx"' in str(freshness.examples)
    # ... and by the notes of the release, which is made all the same.
    made, is_new = pipeline.publish(small, force=True)
    assert is_new
    problems = (made.path / release.NOTES).read_text().split("## Known problems")[1].split("## Row counts")[0]
    told = re.search(r"`ecb_fx` is stale: published (\S+), (\d+) days ago; expected every (\d+) days", problems)
    assert told is not None
    assert told[1] == last_good.published_on
    assert DAYS <= int(told[2]) <= DAYS + 3
    assert int(told[3]) == get("ecb_fx").spec.freshness_days < DAYS
    assert re.search(r"ecb_fx.*stale", biopharma(small, "sources").out.replace("\n", " "))


def test_marts_notes_and_expectations_agree_on_what_is_old(built: Home) -> None:
    directory = built.settings.current.resolve()
    with reader.open_release(directory) as connection:
        old = connection.execute(
            "select distinct source_code, table_name, age_days, freshness_days from mart_data_coverage where is_stale"
        ).fetchall()
        warned = dict(
            connection.execute(
                "select table_name, examples from quality.expectation_result where check_id like '%__freshness' "
                "and not success"
            ).fetchall()
        )
    notes = (directory / release.NOTES).read_text().splitlines()
    assert len({source_code for source_code, *_ in old}) >= 5
    for source_code, table_name, age_days, freshness_days in old:
        assert age_days > freshness_days
        assert f'"{source_code}"' in warned[table_name]
        told = [line for line in notes if line.startswith(f"- `{source_code}` is stale")]
        assert any(" is stale: " in line or f"`{table_name}`" in line for line in told), (source_code, table_name)


def test_old_tables_of_a_source_with_a_newer_file_are_named(built: Home) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"attach '{built.settings.current.resolve() / 'warehouse.duckdb'}' as published (read_only)"
        )
        told = release._stale(connection, date(2026, 11, 29))
        later = release._stale(connection, date(2036, 11, 29))
    # The filings are old on that day, and the list of who files is not; ten years later all of it is.
    assert (
        "- `edinet` is stale in `rnd_observation`, `sales_observation`: published 2025-03-26, 613 days ago; "
        "expected every 450 days."
    ) in told
    assert [line for line in told if line.startswith("- `un_comtrade` is stale: ")]
    assert [line for line in later if line.startswith("- `edinet` is stale: published 2026-05-12, ")]
