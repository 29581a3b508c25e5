from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest.errors import GateError, IngestError, LayoutError
from ingest.fetch import FetchError
from ingest.load import load_files
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.rnd import bundled, edited, in_hand, load, source_of

FILE = "oecd/anberd_c21_usdppp_2000_2023.sdmxjson1.json"
CODE = "oecd_anberd"
HOST = "sdmx.oecd.org"
PATH = "/public/rest/data/OECD.STI.STP,DSD_ANBERD@DF_ANBERDi4,1.0/.A.MA.C21.USD_PPP.V.B"
USD_PPP_MILLION = {
    ("USA", 2018): 75_624,
    ("USA", 2022): 117_520,
    ("USA", 2023): 130_057,
    ("CHN", 2018): 14_188,
    ("CHN", 2022): 27_646,
    ("CHN", 2023): 33_379,
    ("JPN", 2018): 13_486,
    ("JPN", 2022): 15_069,
    ("JPN", 2023): 16_397,
    ("DEU", 2018): 7_106,
    ("DEU", 2023): 8_040,
    ("KOR", 2018): 1_848,
    ("KOR", 2023): 3_201,
    ("CHE", 2018): 4_337,
    ("CHE", 2023): 5_502,
}


def millions(rows: pl.DataFrame) -> dict[tuple[str, int], float]:
    wanted = rows.select("entity_code", pl.col("period_start").dt.year(), pl.col("value") / 1e6)
    return {(code, year): value for code, year, value in wanted.iter_rows()}


def message() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(shared_file(FILE).read_text(encoding="utf-8"))
    return content


def write(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "anberd_changed.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_published_values_come_out() -> None:
    loaded = load(CODE, shared_file(FILE))
    rows = loaded.tables["rnd_observation"]
    assert (loaded.parsed.rows_read, rows.height, loaded.rejected.height, loaded.dropped) == (727, 727, 0, {})
    values = millions(rows)
    assert {key: round(values[key]) for key in USD_PPP_MILLION} == USD_PPP_MILLION
    assert ("GBR", 2018) not in values
    assert loaded.parsed.published_on == date(2026, 6, 6)
    assert loaded.parsed.partition == "all"


def test_china_passes_japan_in_2018() -> None:
    values = millions(load(CODE, shared_file(FILE)).tables["rnd_observation"])
    ahead = [year for year in range(2000, 2024) if values.get(("CHN", year), 0) > values["JPN", year]]
    assert min(ahead) == 2018
    assert ahead == list(range(2018, 2024))


def test_flags_lens_and_unit_are_those_of_the_message() -> None:
    rows = load(CODE, shared_file(FILE)).tables["rnd_observation"]
    assert dict(rows["status"].value_counts().iter_rows()) == {"reported": 528, "estimated": 199}
    assert rows.filter(status="estimated")["publisher_flags"].unique().to_list() == ["E"]
    assert rows.filter(status="reported")["publisher_flags"].null_count() == 528
    constant = rows.select("lens", "activity_scheme", "activity_code", "criteria", "measure", "unit", "price_base")
    assert constant.unique().rows() == [
        ("territory", "ISIC4", "C21", "main_activity", "berd", "usd_ppp", "current"),
    ]
    assert rows["period_basis"].unique().to_list() == ["reference_year"]
    assert rows["entity_kind"].unique().to_list() == ["country"]
    assert rows.filter(entity_code="TWN")["entity_name"][0] == "Chinese Taipei"
    uk = rows.filter(entity_code="GBR")
    assert uk.height == uk["note"].drop_nulls().len() == rows["note"].drop_nulls().len() > 0


def test_a_message_in_version_2_gives_the_same_rows(tmp_path: Path) -> None:
    content = message()
    content["data"]["structures"] = [content["data"].pop("structure")]
    changed = load(CODE, write(tmp_path, content)).tables["rnd_observation"].drop("file_sha256")
    assert changed.equals(load(CODE, shared_file(FILE)).tables["rnd_observation"].drop("file_sha256"))


def test_millions_in_the_message_become_units(tmp_path: Path) -> None:
    content = message()
    content["data"]["structure"]["attributes"]["dataSet"][0]["values"][0]["id"] = "6"
    rows = load(CODE, write(tmp_path, content)).tables["rnd_observation"]
    assert rows.filter(entity_code="JPN", period_start=date(2018, 1, 1))["value"].item() == 13_485_804_428e6


def test_flags_of_breaks_and_provisional_values(tmp_path: Path) -> None:
    content = message()
    content["data"]["structure"]["attributes"]["observation"][0]["values"] += [{"id": "B"}, {"id": "P"}]
    observations = content["data"]["dataSets"][0]["observations"]
    observations["4:0:0:0:0:0:0:12"][1] = 1
    observations["4:0:0:0:0:0:0:23"][1] = 2
    rows = load(CODE, write(tmp_path, content)).tables["rnd_observation"].filter(entity_code="JPN")
    flagged = rows.filter(publisher_flags="B").select("status", "series_break", "period_start")
    assert flagged.rows() == [("reported", True, date(2018, 1, 1))]
    flagged = rows.filter(publisher_flags="P").select("status", "series_break", "period_start")
    assert flagged.rows() == [("provisional", False, date(2023, 1, 1))]


def test_unmapped_codes_are_rejected_one_by_one(tmp_path: Path) -> None:
    content = message()
    dimensions = {d["id"]: d["values"] for d in content["data"]["structure"]["dimensions"]["observation"]}
    dimensions["REF_AREA"][0]["id"] = "QQQ"
    dimensions["REF_AREA"][1]["id"] = "OECD"
    dimensions["UNIT_MEASURE"].append({"id": "XDC"})
    observations = content["data"]["dataSets"][0]["observations"]
    observations["4:0:0:0:1:0:0:12"] = [1_404_700_000_000, None, None]
    loaded = load(CODE, write(tmp_path, content))
    assert loaded.tables["rnd_observation"].filter(entity_kind="aggregate")["entity_code"].unique().item() == "OECD"
    reasons = dict(loaded.rejected["reason"].value_counts().iter_rows())
    assert reasons["UNIT_MEASURE XDC is not mapped"] == 1
    unknown = "REF_AREA QQQ is neither a country nor a reviewed group of countries"
    mexico = sum(key.startswith("0:") for key in observations)
    assert reasons[unknown] == mexico > 0
    assert loaded.tables["rnd_observation"].height + loaded.rejected.height == loaded.parsed.rows_read == 728
    odd = loaded.rejected.filter(pl.col("reason").str.starts_with("UNIT")).row(0, named=True)
    assert odd["locator"] == 'observations["4:0:0:0:1:0:0:12"]'
    assert odd["file_name"] == "anberd_changed.json"
    assert odd["table_name"] == "rnd_observation"
    assert "1404700000000" in odd["raw"]


def test_confidential_values_are_kept_as_null_and_missing_ones_counted(tmp_path: Path) -> None:
    content = message()
    content["data"]["structure"]["attributes"]["observation"][0]["values"].append({"id": "Q"})
    observations = content["data"]["dataSets"][0]["observations"]
    observations["4:0:0:0:0:0:0:12"] = [None, 1, None]
    observations["4:0:0:0:0:0:0:23"] = [None, None, None]
    loaded = load(CODE, write(tmp_path, content))
    hidden = loaded.tables["rnd_observation"].filter(status="suppressed")
    assert hidden.select("entity_code", "value", "publisher_flags").rows() == [("JPN", None, "Q")]
    assert loaded.dropped == {"no_value": 1}


def test_an_edition_may_come_in_several_messages(tmp_path: Path) -> None:
    first, second = message(), message()
    for content, keep in ((first, lambda area: area < 20), (second, lambda area: area >= 20)):
        observations = content["data"]["dataSets"][0]["observations"]
        content["data"]["dataSets"][0]["observations"] = {
            key: value for key, value in observations.items() if keep(int(key.split(":")[0]))
        }
    first["meta"]["prepared"] = "2026-06-05T10:00:00Z"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    loaded = load(CODE, write(tmp_path / "a", first), write(tmp_path / "b", second))
    assert loaded.tables["rnd_observation"].height == 727
    assert loaded.parsed.published_on == date(2026, 6, 6)


def test_the_same_observation_in_two_messages_with_other_values_is_rejected(tmp_path: Path) -> None:
    content = message()
    content["data"]["dataSets"][0]["observations"] = {"4:0:0:0:0:0:0:12": [1, None, None]}
    loaded = load(CODE, shared_file(FILE), write(tmp_path, content))
    assert loaded.rejected.height == 2
    assert loaded.rejected["reason"].str.contains("another row has the same key").all()


def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    path = edited(
        shared_file(FILE), tmp_path, ('{"0:0:0:0:0:0:0:0":', '{"0:0:0:0:0:0:0:1":[1,null,null],"0:0:0:0:0:0:0:0":')
    )
    with pytest.raises(LayoutError, match="'0:0:0:0:0:0:0:1' stands twice"):
        source_of(CODE).parse([in_hand(path)])


def test_another_data_flow_is_refused() -> None:
    berd = shared_file("oecd/berd_indu_c21_sdmxcsv_labels.csv")
    with pytest.raises(LayoutError, match=r"SECT_PERF.*those of DSD_ANBERD@DF_ANBERDi4 are"):
        source_of(CODE).parse([in_hand(berd)])


def test_a_renamed_dimension_is_refused(tmp_path: Path) -> None:
    path = edited(
        shared_file(FILE), tmp_path, ('{"id":"ACTIVITY","name":"Economic', '{"id":"INDUSTRY","name":"Economic')
    )
    with pytest.raises(LayoutError, match="INDUSTRY") as caught:
        source_of(CODE).parse([in_hand(path)])
    assert caught.value.file == path.name


def test_pages_and_cut_off_files_go_to_quarantine(tmp_path: Path, settings: Settings) -> None:
    page = tmp_path / "anberd_c21.json"
    page.write_text("<!DOCTYPE html><html><body>Service unavailable</body></html>" + " " * 2000)
    with pytest.raises(GateError, match="HTML page"):
        load_files(settings, source_of(CODE), [page])
    cut = tmp_path / "anberd_cut.json"
    cut.write_bytes(shared_file(FILE).read_bytes()[:20_000])
    with pytest.raises(IngestError, match="cut off"):
        load_files(settings, source_of(CODE), [cut])
    assert len(list((settings.quarantine / CODE).glob("*/reason.json"))) == 2


def test_a_live_load_commits_what_the_bundled_edition_holds(settings: Settings) -> None:
    record = load_files(settings, source_of(CODE), [shared_file(FILE)])
    assert (record.row_count, record.partition, record.published_on) == (727, "all", "2026-06-06")
    assert record.edition_id + "+bundled" in set(bundled(CODE, "rnd_observation")["edition_id"])


def test_the_bundled_edition_is_what_the_parser_gives() -> None:
    lineage = ["edition_id", "ingested_at"]
    ours = bundled(CODE, "rnd_observation").drop(lineage).sort("entity_code", "period_start")
    theirs = load(CODE, shared_file(FILE)).tables["rnd_observation"].drop(lineage).sort("entity_code", "period_start")
    assert ours.select(theirs.columns).equals(theirs)


def test_the_bundled_edition_holds_the_published_values() -> None:
    values = millions(bundled(CODE, "rnd_observation"))
    assert {key: round(values[key]) for key in USD_PPP_MILLION} == USD_PPP_MILLION


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def test_the_connector_fetches_and_loads(settings: Settings, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(status=503), Answer(shared_file(FILE).read_bytes()))
    live = connector(settings, publisher, CODE, HOST)
    (edition,) = live.run()
    rows = live.rows(edition, "rnd_observation")
    assert {key: round(millions(rows)[key]) for key in USD_PPP_MILLION} == USD_PPP_MILLION
    assert edition.published_on == "2026-06-06"
    seen = publisher.seen[-1]
    assert seen.parameters == {"dimensionAtObservation": "AllDimensions", "startPeriod": "2000"}
    assert seen.headers["accept"] == "application/vnd.sdmx.data+json; version=1.0"


def test_restated_figures_make_an_edition_of_their_own(settings: Settings, publisher: Publisher) -> None:
    content = message()
    content["meta"]["prepared"] = "2026-11-20T10:00:00Z"
    content["data"]["dataSets"][0]["observations"]["4:0:0:0:0:0:0:12"][0] = 13_600_000_000
    publisher.serve(HOST, PATH, Answer(shared_file(FILE).read_bytes()), Answer(json.dumps(content).encode("utf-8")))
    live = connector(settings, publisher, CODE, HOST)
    (first,), (second,) = live.run(), live.run()
    assert (first.published_on, second.published_on) == ("2026-06-06", "2026-11-20")
    values = [
        live.rows(edition, "rnd_observation").filter(entity_code="JPN", period_start=date(2018, 1, 1))["value"].item()
        for edition in (first, second)
    ]
    assert values == [13_485_804_428, 13_600_000_000]


def test_nothing_found_and_another_answer_are_named_errors(settings: Settings, publisher: Publisher) -> None:
    berd = shared_file("oecd/berd_indu_c21_sdmxcsv_labels.csv").read_bytes()
    publisher.serve(HOST, PATH, Answer(b"NoRecordsFound", status=404), Answer(berd), Answer(b'{"errors": []}' * 100))
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(FetchError, match="HTTP 404"):
        live.run()
    for problem in ("not json", "malformed"):
        with pytest.raises(GateError, match=problem):
            live.run()
    assert not live.archived()
