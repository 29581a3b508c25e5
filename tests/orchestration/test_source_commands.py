"""Commands on sources: the list of them, fetching all, a new one, and compiling a share of the bundled edition."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ingest import inventory as inventories
from ingest import scaffold, source
from ingest.lake import Lake
from ingest.load import load_bundled
from ingest.settings import Settings
from orchestration import pipeline
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher

Command = Callable[..., Any]
ECB, ECB_PATH = "www.ecb.europa.eu", "/stats/eurofxref/eurofxref-hist.zip"
FDA, FDA_PATH = "www.accessdata.fda.gov", "/cder/ndc_unfinished.zip"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


@pytest.fixture
def three_sources(monkeypatch: pytest.MonkeyPatch, publisher: Publisher) -> None:
    """The project with two publishers' sources, played on the loopback interface, and a curated one."""
    codes = ("ecb_fx", "fda_ndc_unfinished", "policy_claims")
    few = {code: source.discover()[code] for code in codes}
    monkeypatch.setattr(source, "discover", lambda: few)
    monkeypatch.setattr(pipeline, "fetch", functools.partial(pipeline.fetch, routes=publisher.routes(ECB, FDA)))


@pytest.mark.usefixtures("three_sources")
def test_fetch_without_names_goes_on_after_a_failure_and_says_so(
    settings: Settings, biopharma: Command, publisher: Publisher
) -> None:
    publisher.serve(ECB, ECB_PATH, Answer(shared_file("ecb_fx/eurofxref-hist.zip").read_bytes()))
    publisher.serve(FDA, FDA_PATH, Answer(status=404))
    called = biopharma(settings, "fetch")
    assert called.code == 1
    assert "fda_ndc_unfinished: https://www.accessdata.fda.gov/cder/ndc_unfinished.zip: the publisher answered" in (
        " ".join(called.err.split())
    )
    rows = {line.split()[0]: line.split() for line in called.out.splitlines() if line.strip()}
    assert rows["ecb_fx"][1] == "1" and rows["ecb_fx"][-1] == "fetched"
    assert rows["fda_ndc_unfinished"][1:] == ["0", "0", "0", "failed"]
    # What is curated by hand has nothing to fetch and is not asked for.
    assert "policy_claims" not in called.out + called.err
    assert "not fetched: fda_ndc_unfinished" in called.err
    assert {edition.source_code for edition in Lake(settings.lake).editions()} == {"ecb_fx"}


@pytest.mark.usefixtures("three_sources")
def test_fetch_of_everything_that_works_ends_well(
    settings: Settings, biopharma: Command, publisher: Publisher
) -> None:
    publisher.serve(ECB, ECB_PATH, Answer(shared_file("ecb_fx/eurofxref-hist.zip").read_bytes()))
    publisher.serve(FDA, FDA_PATH, Answer(shared_file("fda_ndc_unfinished/unfinished.zip").read_bytes()))
    called = biopharma(settings, "fetch")
    assert called.code == 0, called.err
    assert "Build on it: biopharma run" in called.out
    listed = biopharma(settings, "sources").out
    assert "live" in next(line for line in listed.splitlines() if "fda_ndc_unfinished" in line)


def test_one_edition_that_fails_does_not_take_the_others_with_it(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.errors import LayoutError
    from ingest.fetch import Download
    from ingest.source import Source
    from orchestration.errors import PartlyFetchedError

    body = shared_file("ecb_fx/eurofxref-hist.zip").read_bytes()
    wrong = b"Date,USD,\n" + b"2020-01-02,1.1,\n" * 100
    publisher.serve(ECB, ECB_PATH, Answer(body))
    publisher.serve(ECB, "/wrong.csv", Answer(wrong))
    both = [
        Download(f"https://{ECB}/wrong.csv", "eurofxref-hist.csv", group="wrong"),
        Download(f"https://{ECB}{ECB_PATH}", "eurofxref-hist.zip", group="right"),
    ]
    monkeypatch.setattr(Source, "downloads", lambda self, client: both)
    with pytest.raises(PartlyFetchedError, match=r"1 of 2 editions could not be loaded \(wrong\)") as caught:
        pipeline.fetch(settings, "ecb_fx", routes=publisher.routes(ECB))
    assert isinstance(caught.value.__cause__, LayoutError)
    assert caught.value.editions == Lake(settings.lake).editions() != []


def test_sources_tells_edition_age_rows_and_the_reason_where_there_are_none(
    settings: Settings, biopharma: Command
) -> None:
    load_bundled(settings, source.get("jrc_scoreboard"))
    called = biopharma(settings, "sources")
    assert called.code == 0
    loaded = next(line for line in called.out.splitlines() if line.split()[:1] == ["jrc_scoreboard"])
    assert "bundled" in loaded
    for code, known in source.discover().items():
        assert any(line.split()[:1] == [code] for line in called.out.splitlines()), code
        if not known.has_bundled_edition:
            told = next(line for line in called.out.splitlines() if line.strip().startswith(f"{code}: "))
            assert "o bundled edition" in told


def test_every_source_without_rows_says_why(settings: Settings) -> None:
    silent = [s.source.code for s in inventories.inventory(settings) if "does not say why" in (s.reason or "")]
    assert not silent


def test_inventory_counts_the_rows_that_staging_takes(settings: Settings) -> None:
    chosen = source.get("mhlw_nhi_price")
    records = load_bundled(settings, chosen)
    (state,) = inventories.inventory(settings, today=date(2025, 8, 20), sources={chosen.code: chosen})
    assert state.row_count == sum(record.row_count for record in records) > 0
    assert (state.state, state.published_on, state.age_days) == ("bundled", date(2025, 7, 16), 35)
    assert (state.freshness, state.reason, state.warnings) == ("fresh", None, ())
    folder = settings.quarantine / chosen.code / "abc"
    folder.mkdir(parents=True)
    (folder / "reason.json").write_text(json.dumps({"quarantined_at": "2026-01-02T00:00", "reason": "cut off"}))
    (again,) = inventories.inventory(settings, sources={chosen.code: chosen})
    assert again.quarantined == ("2026-01-02 cut off",)


@pytest.mark.parametrize(
    ("cadence", "tolerable", "age", "expected"),
    [
        ("yearly", 500, 366, "fresh"),
        ("yearly", 500, 367, "due"),
        ("yearly", 500, 501, "stale"),
        ("daily", 45, 1, "fresh"),
        ("daily", 45, 2, "due"),
        ("irregular", 400, 400, "fresh"),
        ("irregular", 400, 401, "stale"),
    ],
)
def test_age_against_cadence(cadence: str, tolerable: int, age: int, expected: str) -> None:
    assert inventories.freshness_of(cadence, tolerable, age) == expected


def test_warnings_of_the_gates_are_shown(settings: Settings, biopharma: Command, tmp_path: Path) -> None:
    head, *days = unzipped(shared_file("ecb_fx/eurofxref-hist.zip")).splitlines(keepends=True)
    # The newest day first: a history up to the day before, and one that is a day longer and has lost its beginning.
    for name, kept in (("one", days[1:]), ("two", days[:-3000])):
        path = tmp_path / name / "eurofxref-hist.csv"
        path.parent.mkdir()
        path.write_bytes(b"".join([head, *kept]))
        called = biopharma(settings, "load", "ecb_fx", str(path))
        assert called.code == 0, called.err
    assert "warning: size: eurofxref-hist.csv: the file has" in called.out
    listed = " ".join(biopharma(settings, "sources").out.split())
    assert "Warnings of the gates ecb_fx: size: eurofxref-hist.csv: the file has" in listed


def unzipped(path: Path) -> bytes:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])


def test_a_new_source_lists_what_is_missing(
    settings: Settings, biopharma: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaffold, "SOURCES_DIR", tmp_path / "sources")
    monkeypatch.setattr(scaffold, "TESTS_DIR", tmp_path / "tests")
    called = biopharma(settings, "source", "new", "toy_source", "--table", "rnd_observation", "--domain", "rnd")
    assert called.code == 0, called.err
    for part in ("source.yml", "parse.py", "test_toy_source.py"):
        assert f"text in place of REPLACE at {part}:" in called.out
    assert scaffold.missing_parts("toy_source")
    again = biopharma(settings, "source", "new", "toy_source", "--table", "rnd_observation", "--domain", "rnd")
    assert again.code == 1 and "source toy_source exists" in again.err
    unknown = biopharma(settings, "source", "new", "other", "--table", "nothing", "--domain", "rnd")
    assert unknown.code == 1 and "no canonical table" in unknown.err
    assert not (tmp_path / "sources" / "other").exists()


def test_edition_compile_writes_what_the_pipeline_compiles(
    settings: Settings, biopharma: Command, tmp_path: Path
) -> None:
    files = [str(shared_file(f"mhlw_nhi_price/mhlw_price_{day}.csv")) for day in ("20150401", "20191001", "20250716")]
    target = tmp_path / "edition"
    arguments = [files[0], "+", files[1], "+", files[2], "--accessed-on", "2026-11-22", "--to", str(target)]
    called = biopharma(settings, "edition", "compile", "mhlw_nhi_price", *arguments)
    assert called.code == 0, called.err
    assert "rows" in called.out
    for path in sorted(target.iterdir()):
        assert path.read_bytes() == (source.get("mhlw_nhi_price").edition_dir / path.name).read_bytes()
    one = biopharma(settings, "edition", "compile", "mhlw_nhi_price", *files[:2], "--accessed-on", "2026-11-22")
    assert one.code == 1 and "one list is one edition" in one.err
