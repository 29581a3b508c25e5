"""Each malformed input gives a named error, or named rejected rows, and goes to quarantine; all else stands."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from ingest import load, quarantine
from ingest.errors import IngestError
from ingest.lake import Edition, Lake
from ingest.settings import Settings
from ingest.source import get
from orchestration import release
from tests.built import Home
from tests.chaos import little
from tests.corpus import build
from tests.corpus.inputs import INPUTS, Input

# Sound files that are loaded first, so that each source of the deeper damages has an edition that must stand.
SOUND = {
    ("ecb_fx", "eurofxref-hist.csv"): lambda: build.utf8(build.rates()),
    ("worldbank_wdi", "API_GB.XPD.RSDV.GD.ZS_DS2_en_csv_v2.csv"): lambda: build.utf8(build.shares()),
    ("cepii_baci", "BACI_HS17_Y2020_V202301.csv"): lambda: build.utf8(build.trade()),
    ("policy_claims", "claim.csv"): lambda: build.utf8(build.claims()),
    ("policy_events", "policy_event.csv"): lambda: build.utf8(build.events()),
}


@pytest.fixture(scope="module")
def home(built: Home, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = little.make(built.settings, tmp_path_factory.mktemp("corpus") / "home")
    folder = tmp_path_factory.mktemp("sound")
    for (source, name), content in SOUND.items():
        (folder / name).write_bytes(content())
        record = load.load_files(made, get(source), [folder / name])
        assert record.row_count
        assert not record.rows_quarantined
    return made


def test_the_list_is_long_and_spread() -> None:
    assert len(INPUTS) >= 100
    assert len({item.id for item in INPUTS}) == len(INPUTS)
    assert len({item.source for item in INPUTS}) >= 30
    assert all(item.reason and ":" in item.expect for item in INPUTS)
    contents = Counter(item.build() for item in INPUTS)
    # An error page or an empty file is the same for every source; all else is its own.
    assert len(contents) >= 95
    assert max(map(len, contents)) < 250_000


@pytest.mark.parametrize("item", INPUTS, ids=lambda item: item.id)
def test_malformed_input(item: Input, home: Settings, tmp_path: Path) -> None:
    path = tmp_path / item.name
    path.write_bytes(item.build())
    assert item.build() == path.read_bytes(), "the bytes are not the same every time"
    before = {(e.source_code, e.edition_id): e for e in Lake(home.lake).editions()}
    kind, _, words = item.expect.partition(": ")
    if kind.startswith("rows:"):
        record = load.load_files(home, get(item.source), [path], force=True, accept_changes=True)
        expect_rejected(home, record, int(kind.removeprefix("rows:")), words)
        Lake(home.lake).withdraw(record)
    else:
        with pytest.raises(IngestError) as raised:
            load.load_files(home, get(item.source), [path])
        assert type(raised.value).__name__ == kind
        assert words in raised.value.text
        assert "\n" not in raised.value.text
        assert raised.value.remedy
        expect_held(home, item, raised.value)
    after = {(e.source_code, e.edition_id): e for e in Lake(home.lake).editions()}
    assert after == before


def expect_rejected(home: Settings, record: Edition, count: int, words: str) -> None:
    """The rows are in quarantine with the reason and their place, and the sound ones in the lake."""
    assert record.rows_quarantined == count
    assert record.row_count > 0
    rejected = pl.read_parquet(home.lake / str(record.quarantine_file))
    assert all(words in reason for reason in rejected["reason"])
    assert rejected["locator"].null_count() == 0
    assert rejected["raw"].null_count() == 0


def expect_held(home: Settings, item: Input, error: IngestError) -> None:
    """The file lies in quarantine as it came, with the error."""
    held = [entry for entry in quarantine.files(home, item.source) if entry.reason == error.text]
    assert held
    assert held[-1].paths[0].read_bytes() == item.build()
    assert json.loads((held[-1].folder / "reason.json").read_text())["error"] == type(error).__name__


def test_the_release_stands(home: Settings) -> None:
    release.verify(home.current.resolve())
    assert not list(home.releases.glob(".*"))
