from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import edited, in_hand, load, source_of

CODE = "oecd_msti"
FILE = "oecd/msti_v1.3_sdmxcsv1_excerpt.csv"
HOST = "sdmx.oecd.org"
PATH = "/public/rest/data/OECD.STI.STP,DSD_MSTI@DF_MSTI,1.3/.A.G+B+T_RS.USD_PPP+PT_B1GQ+PS.."
FLOW = "OECD.STI.STP:DSD_MSTI@DF_MSTI(1.3)"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def with_rows(folder: Path, *rows: str) -> Path:
    """The real header with rows of our own: the excerpt at hand holds one indicator only."""
    header = shared_file(FILE).read_text(encoding="utf-8").splitlines()[0]
    path = folder / "msti_synthetic.csv"
    path.write_text("\n".join([header, *(f"{FLOW},{row}" for row in rows)]) + "\n", encoding="utf-8")
    return path


def test_researchers_of_the_excerpt() -> None:
    loaded = load(CODE, shared_file(FILE))
    rows = loaded.tables["rnd_observation"]
    assert (loaded.parsed.rows_read, rows.height, loaded.rejected.height, loaded.dropped) == (36, 36, 0, {})
    assert rows.select("measure", "unit", "price_base", "activity_code", "criteria").unique().rows() == [
        ("researchers", "persons", "none", "_T", "none")
    ]
    newest = rows.filter(entity_code="KOR", period_start=date(2024, 1, 1)).row(0, named=True)
    assert (newest["value"], newest["entity_iso3"], newest["locator"]) == (615_063, "KOR", "line 37")
    assert rows.filter(entity_code="DEU", period_start=date(2003, 1, 1))["value"].item() == 397_130


def test_indicators_become_measures_of_the_contract(tmp_path: Path) -> None:
    path = with_rows(
        tmp_path,
        "JPN,A,G,PT_B1GQ,_Z,_Z,2022,3.41,,,,,,0,,2",
        "JPN,A,G,USD_PPP,V,_Z,2022,200000.5,P,E,,,,6,,1",
        "JPN,A,G,USD_PPP,Q,_Z,2022,190000,B,,,,,6,2015,0",
        "JPN,A,B,USD_PPP,V,_Z,2022,160000,,,,,,6,,0",
        "OECD,A,G,PT_B1GQ,_Z,_Z,2022,2.7,E,,,,,0,,1",
        "JPN,A,P_TRIAD,PATN,_Z,_Z,2020,17000,,,,,,0,,0",
        "JPN,A,G,PT_B1GQ,_Z,G1,2022,1.5,,,,,,0,,1",
        "JPN,A,T_RS,PS,_Z,_Z,2021,,,,,,,0,,0",
        "JPN,A,T_RS,PS,_Z,_Z,2020,,Q,,,,,0,,0",
        "QQQ,A,G,PT_B1GQ,_Z,_Z,2022,2.7,,,,,,0,,1",
    )
    loaded = load(CODE, path)
    rows = loaded.tables["rnd_observation"]
    found = {
        (m, u, p): v
        for m, u, p, v in rows.filter(entity_code="JPN", period_start=date(2022, 1, 1))
        .select("measure", "unit", "price_base", "value")
        .iter_rows()
    }
    assert found == {
        ("gerd_gdp_share", "share", "none"): 0.0341,
        ("gerd", "usd_ppp", "current"): 200_000_500_000,
        ("gerd", "usd_ppp", "constant"): 190_000_000_000,
        ("berd", "usd_ppp", "current"): 160_000_000_000,
    }
    flagged = rows.filter(unit="usd_ppp", measure="gerd").sort("price_base")
    assert flagged.select("status", "series_break", "publisher_flags").rows() == [
        ("reported", True, "B"),
        ("estimated", False, "P,E"),
    ]
    group = rows.filter(entity_kind="aggregate").select("entity_code", "entity_iso3").rows()
    assert group == [("OECD", None)]
    assert rows.filter(status="suppressed").select("value", "publisher_flags").rows() == [(None, "Q")]
    assert loaded.dropped == {"indicator_not_declared": 1, "transformation_not_taken": 1, "no_value": 1}
    assert loaded.rejected["reason"].to_list() == [
        "REF_AREA QQQ is neither a country nor a reviewed group of countries"
    ]
    assert rows.height + loaded.rejected.height + sum(loaded.dropped.values()) == loaded.parsed.rows_read


def test_a_value_without_multiplier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no whole-number UNIT_MULT"):
        load(CODE, with_rows(tmp_path, "JPN,A,G,USD_PPP,V,_Z,2022,200000.5,,,,,,,,1"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("TRANSFORMATION,", "ADJUSTMENT,"), "those of DSD_MSTI@DF_MSTI are"),
        (("DATAFLOW,", "FLOW,"), "the first column is 'FLOW'"),
        (("2015,5043,,,,,,0,,0", "2015,5043,,,,,,0"), "cut off"),
        (("(1.3),CRI,A,T_RS,PS,_Z,_Z,2015", "(1.4),CRI,A,T_RS,PS,_Z,_Z,2015"), "several data flows"),
    ],
)
def test_another_layout_is_an_error(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    with pytest.raises(LayoutError, match=problem):
        load(CODE, edited(shared_file(FILE), tmp_path, change))


def test_berd_is_refused() -> None:
    with pytest.raises(LayoutError, match="those of DSD_MSTI@DF_MSTI are"):
        source_of(CODE).parse([in_hand(shared_file("oecd/berd_indu_c21_sdmxcsv_labels.csv"))])


@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    column=st.integers(0, 16),
    line=st.integers(1, 36),
    text=st.sampled_from(["", "１２３", "4,607", "*", "2014-15", "JP", "6", '"', "\ufeff"]),
)
def test_an_odd_cell_never_passes_as_another_figure(tmp_path: Path, column: int, line: int, text: str) -> None:
    lines = shared_file(FILE).read_text(encoding="utf-8").splitlines()
    cells = lines[line].split(",")
    cells[column] = text
    lines[line] = ",".join(cells)
    path = tmp_path / "msti_fuzzed.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole = load(CODE, shared_file(FILE)).tables["rnd_observation"]
    try:
        loaded = load(CODE, path)
    except IngestError:
        return
    rows = loaded.tables["rnd_observation"]
    key = ["entity_code", "period_start", "value", "measure", "unit"]
    others = rows.join(whole, on=key, how="anti", nulls_equal=True)
    assert others.height <= 1
    # A multiplier is the publisher's word: 6 in place of 0 is a million times the figure, and nothing else is.
    if others.height and column not in (1, 7, 8):
        assert (column, text) == (14, "6")
    assert rows.height + loaded.rejected.height + sum(loaded.dropped.values()) == loaded.parsed.rows_read == 36


def test_there_is_no_bundled_edition_and_the_caveat_says_why() -> None:
    source = source_of(CODE)
    assert not source.has_bundled_edition
    assert any("No bundled edition" in caveat for caveat in source.spec.caveats)


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(
        HOST,
        PATH,
        Answer(status=429, headers={"Retry-After": "0"}),
        Answer(shared_file(FILE).read_bytes(), etag='"march"'),
    )
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    assert live.rows(edition, "rnd_observation").height == 36
    assert publisher.seen[0].parameters["format"] == "csvfile"
    (again,) = live.run()
    assert again.edition_id == edition.edition_id
    assert publisher.seen[-1].headers["if-none-match"] == '"march"'


def test_pages_and_unknown_queries_are_named_errors(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(
        HOST,
        PATH,
        Answer(b"NoRecordsFound", status=404),
        Answer(b"<html><body>maintenance</body></html>" + b" " * 300),
    )
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(FetchError, match="HTTP 404"):
        live.run()
    with pytest.raises(GateError, match="HTML page"):
        live.run()
    assert not live.archived()
