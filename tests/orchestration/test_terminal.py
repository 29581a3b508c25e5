"""What a run shows while it works, and how figures are written for people."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import pytest
from rich.console import Console

from orchestration.progress import Stopwatch, timed
from orchestration.terminal import Follower, show_rows
from orchestration.text import cell, markdown_table


def test_follower_names_each_step_once_even_when_steps_repeat_or_nest() -> None:
    out = io.StringIO()
    with Follower(Console(file=out, width=80)) as follower:
        with timed(follower, "load", "first"):
            pass
        with timed(follower, "load", "second"):
            pass
        with timed(follower, "start"), timed(follower, "parse"):
            pass
        with timed(follower, "release"):
            pass
    assert [line.split(":")[0] for line in out.getvalue().splitlines()] == ["load", "start", "parse", "release"]


def test_follower_does_not_call_a_failed_step_done() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="no"), Follower(Console(file=out, width=80)) as follower:
        with timed(follower, "load"):
            pass
        with timed(follower, "models"):
            raise ValueError("no")
    assert [line.split(":")[0] for line in out.getvalue().splitlines()] == ["load"]


def test_stopwatch_adds_up_and_counts_failed_steps() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with timed(watch, "load"):
            pass
    with pytest.raises(ValueError, match="no"), timed(watch, "models"):
        raise ValueError("no")
    assert set(watch.seconds) == {"load", "models"}
    assert all(seconds >= 0 for seconds in watch.seconds.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (2019, "2019"),
        (26714, "26,714"),
        (True, "True"),
        (0.19512345, "0.19512"),
        (0.0, "0"),
        (1249.6, "1249.6"),
        (1158.0, "1158"),
        (9.05e12, "9,050,000,000,000"),
        (-1234567.8, "-1,234,568"),
        (date(2020, 3, 31), "2020-03-31"),
        (datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC), "2026-11-22 12:00:05+00:00"),
        ("薬", "薬"),
    ],
)
def test_cell(value: object, text: str) -> None:
    assert cell(value) == text


def test_rows_too_wide_for_a_table_are_records() -> None:
    columns = ["country_iso3", "statement", *(f"column_{number:02}" for number in range(12))]
    rows = [["JPN", "医薬品 " * 12, *range(12)], ["USA", None, *range(12)]]
    shown = {}
    for width in (80, 400):
        out = io.StringIO()
        show_rows(Console(file=out, width=width), columns, rows, "table")
        shown[width] = out.getvalue().splitlines()
    assert [line.split() for line in shown[80] if "column_07" in line or "country" in line] == [
        ["country_iso3", "JPN"],
        ["column_07", "7"],
        ["country_iso3", "USA"],
        ["column_07", "7"],
    ]
    assert [line.strip() for line in shown[80] if line.startswith("row ")] == ["row 1", "row 2"]
    assert sum(line.count("医薬品") for line in shown[80]) == 12
    assert sum("column_07" in line and "country_iso3" in line for line in shown[400]) == 1


def test_a_long_text_has_room_or_is_a_record() -> None:
    columns, row = ["claim_id", "finding_en", "reason", "note"], ["one", "word " * 90, "word " * 90, "word " * 90]
    for width, is_record in ((120, True), (240, False)):
        out = io.StringIO()
        show_rows(Console(file=out, width=width), columns, [row], "table")
        assert out.getvalue().startswith("row 1") is is_record


def test_no_rows_are_a_table_of_names() -> None:
    out = io.StringIO()
    show_rows(Console(file=out, width=20), ["country_iso3", "year"], [], "table")
    assert "year" in out.getvalue()


def test_markdown_table_escapes_its_own_signs() -> None:
    assert markdown_table(["a"], [["x|y"], ["two\nlines"]]) == "| a |\n| --- |\n| x\\|y |\n| two lines |"
