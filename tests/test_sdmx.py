from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import sdmx
from ingest.errors import LayoutError
from tests.conftest import shared_file

ANBERD = "oecd/anberd_c21_usdppp_2000_2023.sdmxjson1.json"
BERD = "oecd/berd_indu_c21_sdmxcsv_labels.csv"
MSTI = "oecd/msti_v1.3_sdmxcsv1_excerpt.csv"
LEGACY = "oecd/legacy_stats_oecd_org_PART2.sdmxjson.json"


def one(message: sdmx.Message, **codes: str) -> dict[str, Any]:
    found = message.observations.filter(**codes).to_dicts()
    assert len(found) == 1
    return found[0]


# --- the publisher's own bytes ---


def test_anberd_message_is_read_whole() -> None:
    message = sdmx.read(shared_file(ANBERD), "anberd.json")
    assert message.observations.height == 727
    assert message.observations["REF_AREA"].n_unique() == 40
    assert message.dimensions == (
        *("REF_AREA", "FREQ", "CRITERIA", "ACTIVITY", "UNIT_MEASURE", "PRICE_BASE", "MEASURE", "TIME_PERIOD"),
    )
    assert message.structure == "OECD.STI.STP:DSD_ANBERD(1.0)"
    assert message.prepared == datetime(2026, 6, 6, 15, 34, 36, tzinfo=UTC)
    assert message.labels["REF_AREA"]["KOR"] == "Korea"
    assert (message.observations["OBS_STATUS"] == "E").sum() == 199
    assert message.rejected.height == 0
    japan = one(message, REF_AREA="JPN", TIME_PERIOD="2018")
    assert japan["OBS_VALUE"] == 13_485_804_428
    assert japan["locator"] == 'observations["4:0:0:0:0:0:0:12"]'
    assert japan["UNIT_MULT"] == "0"


def test_every_locator_leads_back_to_its_value() -> None:
    raw = json.loads(shared_file(ANBERD).read_text())["data"]["dataSets"][0]["observations"]
    message = sdmx.read(shared_file(ANBERD), "anberd.json")
    found = message.observations.with_columns(key=pl.col("locator").str.extract('"(.*)"'))
    assert {key: value[0] for key, value in raw.items()} == dict(found.select("key", "OBS_VALUE").iter_rows())


def test_a_csv_with_labels_scales_millions_once() -> None:
    message = sdmx.read(shared_file(BERD), "berd.csv")
    assert message.structure == "OECD.STI.STP:DSD_RDS_BERD@DF_BERD_INDU(1.0)"
    assert message.dimensions[0] == "REF_AREA"
    assert message.dimensions[-1] == "TIME_PERIOD"
    assert "Reference area" not in message.observations.columns
    assert message.labels["ACTIVITY"]["C21"].startswith("Manufacture of basic pharmaceutical")
    value = pl.Series("value", sdmx.scaled(message, "berd.csv"))
    korea = message.observations.with_columns(value).filter(REF_AREA="KOR", ACTIVITY="C21", TIME_PERIOD="2023")
    assert korea["OBS_VALUE"].item() == 3133.965623
    assert korea["value"].item() == pytest.approx(3_133_965_623, abs=0.01)


def test_a_csv_without_labels_has_the_same_shape() -> None:
    message = sdmx.read(shared_file(MSTI), "msti.csv")
    assert message.observations.height == 36
    assert message.attributes[-3:] == ("UNIT_MULT", "BASE_PER", "DECIMALS")
    assert one(message, REF_AREA="CRI", TIME_PERIOD="2014")["OBS_VALUE"] == 4607
    assert message.observations["locator"][0] == "line 2"


def test_eurostats_csv_has_ids_in_lower_case_and_its_day(tmp_path: Path) -> None:
    path = tmp_path / "message.csv"
    path.write_text(
        "DATAFLOW,LAST UPDATE,freq,nace_r2,geo,TIME_PERIOD,OBS_VALUE,OBS_FLAG\n"
        "ESTAT:RD(1.0),27/02/25 23:00:00,A,C21,DE,2022,1.5,p\nESTAT:RD(1.0),28/02/25 11:00:00,A,C21,EL,2022,,c\n"
    )
    message = sdmx.read(path, path.name)
    assert message.dimensions == ("freq", "nace_r2", "geo", "TIME_PERIOD")
    assert message.attributes == ("OBS_FLAG",)
    assert message.prepared == datetime(2025, 2, 28, 11, 0)
    assert message.observations["OBS_VALUE"].to_list() == [1.5, None]


def test_the_former_oecd_envelope_does_not_shift_flags() -> None:
    # TIME_FORMAT is declared first but takes no place: the position that follows a value belongs to OBS_STATUS.
    message = sdmx.read(shared_file(LEGACY), "legacy.json")
    assert message.attributes == ("OBS_STATUS",)
    assert message.observations["OBS_STATUS"].drop_nulls().to_list() == ["x", "w", "y"]
    assert message.prepared is not None
    assert message.prepared.year == 2021


# --- constructed messages ---


def component(name: str, *codes: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "values": [{"id": code, "name": f"name of {code}"} for code in codes], **more}


def flat(observations: dict[str, list[Any]], **more: Any) -> dict[str, Any]:
    structure = {
        "dimensions": {
            "dataSet": [component("FREQ", "A", keyPosition=0)],
            "observation": [
                component("AREA", "JPN", "KOR", keyPosition=1),
                component("TIME_PERIOD", "2018", "2019", keyPosition=2),
            ],
        },
        "attributes": {
            "dataSet": [component("UNIT_MULT", "3")],
            "observation": [component("OBS_STATUS", "E", "B")],
        },
    }
    data = {"dataSets": [{"attributes": [0], "observations": observations}], "structure": structure, **more}
    return {"meta": {"prepared": "2026-01-02T03:04:05Z"}, "data": data}


def write(folder: Path, message: Any) -> Path:
    path = folder / "message.json"
    path.write_text(message if isinstance(message, str) else json.dumps(message))
    return path


def test_attributes_of_the_data_set_reach_every_observation(tmp_path: Path) -> None:
    message = sdmx.read(write(tmp_path, flat({"0:0": [1.5, None], "1:1": [2, 0]})), "m.json")
    assert message.dimensions == ("FREQ", "AREA", "TIME_PERIOD")
    assert message.observations.select("FREQ", "AREA", "TIME_PERIOD", "OBS_STATUS", "UNIT_MULT").rows() == [
        ("A", "JPN", "2018", None, "3"),
        ("A", "KOR", "2019", "E", "3"),
    ]
    assert sdmx.scaled(message, "m.json").to_list() == [1500.0, 2000.0]


def test_short_observations_mean_absent_attributes(tmp_path: Path) -> None:
    message = sdmx.read(write(tmp_path, flat({"0:0": [1], "0:1": [None, 1]})), "m.json")
    assert message.observations["OBS_STATUS"].to_list() == [None, "B"]
    assert message.observations["OBS_VALUE"].to_list() == [1.0, None]
    assert message.rejected.height == 0


def test_series_layout_with_attributes_on_the_series(tmp_path: Path) -> None:
    structure = {
        "dimensions": {
            "series": [component("AREA", "JPN", "KOR", keyPosition=0), component("UNIT", "USD", keyPosition=1)],
            "observation": [component("TIME_PERIOD", "2018", "2019", keyPosition=2)],
        },
        "attributes": {
            "series": [component("UNIT_MULT", "0", "6")],
            "observation": [component("OBS_STATUS", "P")],
        },
    }
    series = {
        "1:0": {"attributes": [1], "observations": {"0": [7, 0], "1": [8]}},
        "0:0": {"attributes": [0], "observations": {"1": [9]}},
    }
    path = write(tmp_path, {"data": {"dataSets": [{"series": series}], "structure": structure}})
    message = sdmx.read(path, "m.json")
    assert message.dimensions == ("AREA", "UNIT", "TIME_PERIOD")
    assert message.observations.select("locator", "AREA", "TIME_PERIOD", "OBS_STATUS").rows() == [
        ('series["1:0"].observations["0"]', "KOR", "2018", "P"),
        ('series["1:0"].observations["1"]', "KOR", "2019", None),
        ('series["0:0"].observations["1"]', "JPN", "2019", None),
    ]
    assert sdmx.scaled(message, "m.json").to_list() == [7e6, 8e6, 9.0]
    assert message.prepared is None


def test_version_2_with_group_attributes_and_values_in_place_of_positions(tmp_path: Path) -> None:
    structure = {
        "dimensions": {
            "observation": [
                component("AREA", "JPN", "KOR", keyPosition=0),
                component("UNIT", "USD", "PERSONS", keyPosition=1),
                component("TIME_PERIOD", "2018", "2019", keyPosition=2),
            ]
        },
        "attributes": {
            "dimensionGroup": [component("UNIT_MULT", "6", "0"), {"id": "TITLE"}],
            "observation": [component("OBS_STATUS", "E"), {"id": "COMMENT"}],
        },
    }
    data_set = {
        "structure": 0,
        "dimensionGroupAttributes": {":0:": [0], ":1:": [1], "1::": [None, "Korean series"]},
        "observations": {"0:0:0": [1.25], "1:0:1": [2, 0, "revised"], "1:1:1": [3]},
    }
    path = write(tmp_path, {"data": {"dataSets": [data_set], "structures": [structure]}})
    message = sdmx.read(path, "m.json")
    assert sdmx.scaled(message, "m.json").to_list() == [1_250_000.0, 2_000_000.0, 3.0]
    assert message.observations["TITLE"].to_list() == [None, "Korean series", "Korean series"]
    assert message.observations["COMMENT"].to_list() == [None, "revised", None]


def test_several_data_sets_are_told_apart_by_their_locators(tmp_path: Path) -> None:
    message = flat({"0:0": [1]})
    message["data"]["dataSets"].append({"attributes": [0], "observations": {"1:0": [2]}})
    read = sdmx.read(write(tmp_path, message), "m.json")
    assert read.observations.select("locator", "AREA").rows() == [
        ('dataSets[0].observations["0:0"]', "JPN"),
        ('dataSets[1].observations["1:0"]', "KOR"),
    ]


def test_a_value_that_is_no_number_is_rejected_with_its_key(tmp_path: Path) -> None:
    message = sdmx.read(write(tmp_path, flat({"0:0": ["n.a.", 0], "0:1": ["12.5"], "1:1": [None]})), "m.json")
    assert message.observations["OBS_VALUE"].to_list() == [12.5, None]
    assert message.rejected.rows() == [("m.json", 'observations["0:0"]', "OBS_VALUE is no number", "n.a.")]


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 5)),
        st.tuples(st.floats(-1e12, 1e12) | st.none(), st.none() | st.integers(0, 1)),
        min_size=1,
        max_size=12,
    )
)
def test_flat_and_series_layouts_of_the_same_data_agree(
    tmp_path_factory: pytest.TempPathFactory, cells: dict[tuple[int, int, int], tuple[float | None, int | None]]
) -> None:
    area, unit, time = (
        component("AREA", *"abcd", keyPosition=0),
        component("UNIT", *"xyz", keyPosition=1),
        component("TIME_PERIOD", *(str(2000 + i) for i in range(6)), keyPosition=2),
    )
    attributes = {"observation": [component("OBS_STATUS", "E", "B")]}
    series: dict[str, Any] = {}
    for (a, u, t), value in cells.items():
        series.setdefault(f"{a}:{u}", {"observations": {}})["observations"][str(t)] = list(value)
    body = {
        "flat": {
            "dataSets": [{"observations": {f"{a}:{u}:{t}": list(value) for (a, u, t), value in cells.items()}}],
            "structure": {"dimensions": {"observation": [area, unit, time]}, "attributes": attributes},
        },
        "series": {
            "dataSets": [{"series": series}],
            "structure": {"dimensions": {"series": [area, unit], "observation": [time]}, "attributes": attributes},
        },
    }
    folder = tmp_path_factory.mktemp("sdmx")
    read = [
        sdmx.read(write(folder, {"data": body[kind]}), kind).observations.drop("locator").sort(pl.all())
        for kind in ("flat", "series")
    ]
    assert read[0].equals(read[1])
    assert read[0].height == len(cells)
    for row in read[0].iter_rows(named=True):
        key = "abcd".index(row["AREA"]), "xyz".index(row["UNIT"]), int(row["TIME_PERIOD"]) - 2000
        value, flag = cells[key]
        assert row["OBS_VALUE"] == value
        assert row["OBS_STATUS"] == (None if flag is None else "EB"[flag])


# --- what flags mean ---


@pytest.mark.parametrize(
    ("value", "flags", "confidential", "status", "breaks", "shown"),
    [
        (1.0, [None, None], None, "reported", False, None),
        (1.0, ["A", None], "F", "reported", False, None),
        (1.0, ["B", None], None, "reported", True, "B"),
        (1.0, ["P", "B"], None, "provisional", True, "P,B"),
        (1.0, ["P", "E"], None, "estimated", False, "P,E"),
        (1.0, ["I", None], None, "imputed", False, "I"),
        (1.0, ["F", "E"], None, "forecast", False, "F,E"),
        (1.0, ["E", "E"], "C", "estimated", False, "E,C"),
        (None, [None, None], "C", "suppressed", False, "C"),
        (None, ["Q", None], None, "suppressed", False, "Q"),
        (None, ["M", None], None, "reported", False, "M"),
    ],
)
def test_flags_become_a_standing(
    value: float | None,
    flags: list[str | None],
    confidential: str | None,
    status: str,
    breaks: bool,
    shown: str | None,
) -> None:
    names = ("OBS_STATUS", "AUX_OBS_STATUS_2", "CONF_STATUS", "UNIT_MULT")
    frame = pl.DataFrame(
        [(value, *flags, confidential, "0")],
        schema={"OBS_VALUE": pl.Float64} | dict.fromkeys(names, pl.String),
        orient="row",
    )
    result = frame.select(s=sdmx.standing(names), b=sdmx.is_break(names), f=sdmx.flags(names)).row(0)
    assert result == (status, breaks, shown)


def test_a_message_without_flags_reports() -> None:
    frame = pl.DataFrame({"OBS_VALUE": [1.0]})
    assert frame.select(s=sdmx.standing([]), b=sdmx.is_break([]), f=sdmx.flags([])).row(0) == (
        "reported",
        False,
        None,
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(-6, 9), st.floats(-1e9, 1e9))
def test_the_multiplier_is_a_power_of_ten(power: int, value: float) -> None:
    frame = pl.DataFrame({"OBS_VALUE": [value], "UNIT_MULT": [str(power)]})
    message = sdmx.Message(frame, (), ("UNIT_MULT",), {}, pl.DataFrame())
    # To 15 digits: what floats add beyond them is dust, not data.
    assert math.isclose(sdmx.scaled(message, "m")[0], value * 10.0**power, rel_tol=1e-14)
    assert power != 0 or sdmx.scaled(message, "m")[0] == value


def test_scaling_leaves_no_dust() -> None:
    frame = pl.DataFrame({"OBS_VALUE": [586.1664652, 3133.965623], "UNIT_MULT": ["6", "6"]})
    message = sdmx.Message(frame, (), ("UNIT_MULT",), {}, pl.DataFrame())
    assert sdmx.scaled(message, "m").to_list() == [586_166_465.2, 3_133_965_623.0]


# --- messages that must not be read ---


def test_a_value_without_multiplier_is_refused(tmp_path: Path) -> None:
    message = flat({"0:0": [1]})
    message["data"]["dataSets"][0]["attributes"] = [None]
    read = sdmx.read(write(tmp_path, message), "m.json")
    with pytest.raises(LayoutError, match=r"m\.json: an observation has no whole-number UNIT_MULT"):
        sdmx.scaled(read, "m.json")


def without_structure() -> dict[str, Any]:
    message = flat({"0:0": [1]})
    del message["data"]["structure"]
    return message


def deleting() -> dict[str, Any]:
    message = flat({"0:0": [1]})
    message["data"]["dataSets"][0]["action"] = "Delete"
    return message


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ('{"data": {"dataSets": [', "cut off or malformed"),
        ('{"data": {"dataSets": [{"observations": {"0:0": [1], "0:0": [2]}}]}}', "'0:0' stands twice"),
        ("{}", "lacks dataSets or structure"),
        (without_structure(), "lacks dataSets or structure"),
        (flat({"0:0:0": [1]}), "does not have 2 positions"),
        (flat({"0:x": [1]}), "something else than positions"),
        (flat({"0:2": [1]}), "TIME_PERIOD refers to code 2, its list has 2"),
        (flat({"0:0": [1, 5]}), "OBS_STATUS refers to code 5"),
        (flat({"0:0": [1, "E"]}), "OBS_STATUS holds something else than positions"),
        (flat({"0:0": [1, 0, 0]}), "carries 2 attributes, the structure declares 1"),
        (flat({"0:0": [1]}, dataSets=[]), "no data set"),
        (flat({"0:0": [1]}, dataSets=[{}]), "neither observations nor series"),
        (deleting(), "'Delete'"),
    ],
)
def test_surprises_are_named(tmp_path: Path, message: Any, problem: str) -> None:
    with pytest.raises(LayoutError, match=problem) as caught:
        sdmx.read(write(tmp_path, message), "m.json")
    assert caught.value.file == "m.json"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!doctype html><p>Busy</p>\n", "first column is"),
        ("REF_AREA,TIME_PERIOD,OBS_VALUE\nJPN,2018,1\n", "first column is 'REF_AREA'"),
        ("DATAFLOW,REF_AREA,TIME_PERIOD,VALUE\nf,JPN,2018,1\n", "OBS_VALUE is missing"),
        ("DATAFLOW,REF_AREA,OBS_VALUE\nf,JPN,1\ng,JPN,2\n", "several data flows"),
        ("DATAFLOW,REF_AREA,OBS_VALUE\nf,JPN,1\nf,KO", "2 cells, the header 3"),
        ("STRUCTURE,STRUCTURE_ID,ACTION,REF_AREA,OBS_VALUE\nDATAFLOW,f,D,JPN,1\n", "'D'"),
    ],
)
def test_other_tables_are_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(LayoutError, match=problem):
        sdmx.read(path, "table.csv")


def test_keys_of_a_large_message_keep_their_places(tmp_path: Path) -> None:
    areas, years = [f"A{i}" for i in range(1000)], [str(1900 + i) for i in range(100)]
    observations = ",".join(f'"{a}:{y}":[{a + y},null]' for a in range(1000) for y in range(100))
    structure = {
        "dimensions": {"observation": [component("AREA", *areas), component("TIME_PERIOD", *years)]},
        "attributes": {"observation": [component("OBS_STATUS", "E")]},
    }
    text = f'{{"data":{{"dataSets":[{{"observations":{{{observations}}}}}],"structure":{json.dumps(structure)}}}}}'
    message = sdmx.read(write(tmp_path, text), "big.json")
    assert message.observations.height == 100_000
    assert one(message, AREA="A999", TIME_PERIOD="1999")["OBS_VALUE"] == 999 + 99
