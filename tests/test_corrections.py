from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from ingest import corrections
from ingest.errors import SourceError
from ingest.source import Source
from tests.factories import synthetic_rows, synthetic_source

ROWS = synthetic_rows(
    "rnd_observation", {"entity_code": "JPN", "value": 5.0, "note": None}, {"entity_code": "USA", "value": 7.0}
)


def ledger(tmp_path: Path, **changes: object) -> Source:
    source = synthetic_source(tmp_path)
    entry = {
        "table": "rnd_observation",
        "action": "override",
        "key": {"entity_code": "JPN"},
        "column": "value",
        "to": 50.0,
        "expect": {"value": 5.0},
        "reason": "The multiplier was left out.",
        "evidence": "https://publisher.example/erratum",
    }
    entry |= changes
    (source.folder / "corrections.yml").write_text(
        yaml.safe_dump([{name: value for name, value in entry.items() if value is not None}])
    )
    return source


@pytest.mark.parametrize(
    ("action", "to", "value"), [("override", 50.0, 50.0), ("scale", 2, 10.0), ("flag", None, 5.0)]
)
def test_a_correction_changes_its_row_alone_and_says_so(
    action: str, to: float | None, value: float, tmp_path: Path
) -> None:
    source = ledger(tmp_path, action=action, to=to)
    mended = corrections.apply(source, "rnd_observation", ROWS)
    assert mended["value"].to_list() == [value, 7.0]
    assert (
        mended["note"][0] == f"corrected ({action}): The multiplier was left out. https://publisher.example/erratum"
    )
    assert mended["note"][1] == ROWS["note"][1]
    assert mended["value_origin"][0] == (ROWS["value_origin"][0] if action == "flag" else "computed")


def test_drop_leaves_the_row_out(tmp_path: Path) -> None:
    source = ledger(tmp_path, action="drop", column=None, to=None)
    assert corrections.apply(source, "rnd_observation", ROWS)["entity_code"].to_list() == ["USA"]


def test_other_tables_are_left_alone(tmp_path: Path) -> None:
    rows = synthetic_rows("deal")
    assert corrections.apply(ledger(tmp_path), "deal", rows).equals(rows)


def test_a_correction_fails_once_the_publisher_has_mended_the_figure(tmp_path: Path) -> None:
    mended = ROWS.with_columns(value=pl.lit(50.0))
    with pytest.raises(SourceError, match=r"expects .*5\.0.* publisher says .*50\.0"):
        corrections.apply(ledger(tmp_path), "rnd_observation", mended)


def test_a_correction_that_matches_no_row_is_an_error_unless_the_part_need_not_hold_it(tmp_path: Path) -> None:
    source = ledger(tmp_path, key={"entity_code": "KOR"})
    with pytest.raises(SourceError, match="matches no row"):
        corrections.apply(source, "rnd_observation", ROWS)
    assert corrections.apply(source, "rnd_observation", ROWS, partition_is_complete=False).equals(ROWS)


@pytest.mark.parametrize(
    "changes", [{"expect": {}}, {"key": {}}, {"action": "guess"}, {"action": "scale", "to": "x"}, {"reason": None}]
)
def test_an_entry_that_lacks_something_is_refused(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="an entry is not valid"):
        corrections.read(ledger(tmp_path, **changes))
