"""Every source that can be fetched is driven from the publisher's address to rows in the lake.

The test of a source that plays its publisher is run here, and what it left in the lake is looked at: a live edition
with rows, from files that were archived from https addresses. That test is `test_the_connector_fetches_and_loads` of
`test_<code>.py`, or the one that the table names. A source that has a connector and no such test fails by name.
"""

from __future__ import annotations

import gzip
import importlib
import inspect
import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.archive import Archive
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.source import discover
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector

SOURCES = discover()

NAMED: dict[str, str] = {
    "cepii_baci": "test_cepii_baci.test_the_newest_release_is_found_and_loaded",
    "clinicaltrials": "test_clinicaltrials.test_the_connector_walks_the_pages_and_loads_them_as_one_edition",
    "cms_part_b": "test_cms_part_b.test_the_connector_fetches_every_release_and_takes_each_year_from_the_newest",
    "ema_medicines": "test_ema_medicines.test_the_connector_loads_the_json",
    "epar_annex2": "test_epar_annex2.test_the_connector_fetches_the_annexes_of_authorised_biologics",
    "estat": "test_estat.test_the_connector_lists_pages_and_loads",
    "eurostat_rd": "test_eurostat_rd.test_the_connector_fetches_both_data_sets",
    "fda_decrs": "test_connectors.drive_fda_decrs",
    "fda_drugsatfda": "test_fda_drugsatfda.test_the_connector_loads_the_zip",
    "fda_ndc": "test_fda_ndc.test_the_connector_loads_the_zip",
    "fda_ndc_unfinished": "test_connectors.drive_fda_ndc_unfinished",
    "fda_purple_book": "test_fda_purple_book.test_the_connector_takes_the_newest_month",
    "fda_spl": "test_fda_spl.test_the_connector_pages_through_the_list",
    "jrc_scoreboard": "test_jrc_scoreboard.test_the_connector_finds_the_newest_edition",
    "mhlw_ndb": "test_mhlw_fetch.test_a_round_is_fetched_as_one_edition",
    "mhlw_nhi_price": "test_mhlw_fetch.test_the_newest_list_is_fetched_as_one_edition",
    "mof_customs": "test_mof_customs.test_the_file_of_chapter_30_is_found_for_each_flow_and_year",
    "ncses_patents": "test_ncses_patents.test_the_connector_fetches_and_loads_each_table",
    "sec_companyfacts": "test_sec_companyfacts.test_from_the_publisher_to_the_lake",
    "sec_fsds": "test_sec_fsds.test_from_the_publisher_to_the_lake",
    "sec_ixbrl": "test_sec_ixbrl.test_from_the_publisher_to_the_lake",
    "un_comtrade": "test_un_comtrade.test_preview_without_a_key_is_split_below_its_limit",
    "unsd_hs": "test_unsd_hs.test_the_three_workbooks_arrive_as_editions_of_their_own",
    "worldbank_wdi": "test_worldbank_wdi.test_the_connector_fetches_archives_and_pages",
}
USUAL = "test_the_connector_fetches_and_loads"


def driver_of(code: str) -> str | None:
    """`module.function` of the test that plays the source's publisher, or None where there is none."""
    if code in NAMED:
        return NAMED[code]
    path = Path(__file__).with_name(f"test_{code}.py")
    has_usual = path.exists() and f"\ndef {USUAL}(" in path.read_text(encoding="utf-8")
    return f"{path.stem}.{USUAL}" if has_usual else None


DRIVEN = {code: driver for code in SOURCES if (driver := driver_of(code))}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


@pytest.fixture
def few_years(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    last = datetime.now().year - 1
    monkeypatch.setattr("ingest.sources.un_comtrade.fetch.FIRST_YEAR", last - 2)
    return [last - 2, last - 1, last]


@pytest.fixture
def march() -> Any:
    return importlib.import_module("tests.sources.test_fda_purple_book").march_2025()


@pytest.fixture
def layout() -> int:
    return 0


def drive_fda_decrs(settings: Settings, publisher: Publisher) -> None:
    text = gzip.decompress(shared_file("fda_decrs/drls_reg_2025-07-25_contacts_blanked.txt.gz").read_bytes())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("drls_reg.txt", date_time=(2025, 7, 25, 7, 0, 0)), text)
    publisher.serve("www.accessdata.fda.gov", "/cder/drls_reg.zip", Answer(stream.getvalue()))
    (edition,) = connector(settings, publisher, "fda_decrs", "www.accessdata.fda.gov").run()
    assert (edition.published_on, edition.rows_read) == ("2025-07-25", len(text.splitlines()) - 1)


def drive_fda_ndc_unfinished(settings: Settings, publisher: Publisher) -> None:
    body = shared_file("fda_ndc_unfinished/unfinished.zip").read_bytes()
    publisher.serve("www.accessdata.fda.gov", "/cder/ndc_unfinished.zip", Answer(body))
    (edition,) = connector(settings, publisher, "fda_ndc_unfinished", "www.accessdata.fda.gov").run()
    assert (edition.published_on, edition.rows_read, edition.row_count) == ("2018-06-25", 21_478, 2 * 21_477)


def undriven(sources: dict[str, bool], driven: dict[str, str]) -> list[str]:
    """Sources that can be fetched and are not driven."""
    return sorted(code for code, has_connector in sources.items() if has_connector and code not in driven)


def test_every_connector_is_driven() -> None:
    missing = undriven({code: source.has_connector for code, source in SOURCES.items()}, DRIVEN)
    assert not missing, f"not driven against the local publisher: {', '.join(missing)} (write {USUAL})"
    assert undriven({"one": True, "two": True, "curated": False}, {"one": "x"}) == ["two"]


def test_every_publisher_has_a_connector() -> None:
    lacking = [
        code for code, source in SOURCES.items() if source.spec.kind == "publisher" and not source.has_connector
    ]
    assert not lacking, f"publishers' sources without a way to fetch them: {', '.join(lacking)}"
    assert not [code for code in DRIVEN if not SOURCES[code].has_connector]


@pytest.mark.parametrize("code", sorted(DRIVEN))
def test_from_the_publishers_address_to_rows(code: str, settings: Settings, request: pytest.FixtureRequest) -> None:
    module, name = DRIVEN[code].split(".")
    play: Callable[..., None] = getattr(importlib.import_module(f"tests.sources.{module}"), name)
    play(**{fixture: request.getfixturevalue(fixture) for fixture in inspect.signature(play).parameters})
    live = [e for e in Lake(settings.lake).editions() if e.source_code == code and not e.is_bundled]
    assert live and all(edition.row_count > 0 for edition in live)
    archive = Archive(settings.archive)
    for edition in live:
        for entry in edition.files:
            assert str(entry["url"]).startswith("https://"), entry
            assert archive.get(code, entry["sha256"]).path.stat().st_size > 0
