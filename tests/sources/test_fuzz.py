"""Every parser over damaged real files: right rows or a named error, never wrong rows, never a library's traceback.

A search (`make search`) tries more damages on each cut, and others each time.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ingest.source import discover
from tests.conftest import SEARCH
from tests.sources.fuzz_cases import CASES
from tests.sources.fuzzing import Case, Damage, Outcome, checked, content_of, kinds_of, outcome

EXAMPLES = 20 * max(1, SEARCH)


@cache
def undamaged(case: Case) -> Outcome:
    """What the parser makes of the cut itself."""
    with tempfile.TemporaryDirectory() as folder:
        return outcome(case.source, case.write(content_of(case), Path(folder)))


# Fuzzed over their own cuts in the test module of the source.
ELSEWHERE = ("country_reference", "edinet", "gleif")


def test_every_source_is_fuzzed() -> None:
    assert sorted(discover()) == sorted({*ELSEWHERE, *(case.source for case in CASES)})
    for code in ELSEWHERE:
        assert "@given(" in Path(__file__).with_name(f"test_{code}.py").read_text(encoding="utf-8"), code


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_cut_itself_gives_rows(case: Case) -> None:
    right = undamaged(case)
    assert sum(map(len, right.rows.values())) > 0


@pytest.mark.hypothesis
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_damaged_files_give_right_rows_or_a_named_error(case: Case) -> None:
    right = undamaged(case)
    kinds = kinds_of(case)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.builds(Damage, st.sampled_from(kinds), st.integers(0, 9), st.integers(0, 999), st.integers(0, 99)))
    def run(damage: Damage) -> None:
        with tempfile.TemporaryDirectory() as folder:
            problem = checked(case, damage, right, Path(folder))
        assert problem is None, f"{case.id} after {damage}: {problem}"

    run()


# What searches have found, and the correction that stands against it.
FOUND = [
    # A fact that lost its dimensions passed for the company's revenue, which its markets then exceeded.
    ("sec_fsds-text", Damage("blank_cell", 0, 8, 6)),
]


@pytest.mark.parametrize(("case_id", "damage"), FOUND)
def test_what_was_found_is_found_again(case_id: str, damage: Damage, tmp_path: Path) -> None:
    (case,) = (case for case in CASES if case.id == case_id)
    problem = checked(case, damage, undamaged(case), tmp_path)
    assert problem is None, f"{case.id} after {damage}: {problem}"


@pytest.mark.parametrize("case", [case for case in CASES if "cut_last" in kinds_of(case)], ids=lambda case: case.id)
def test_a_figure_cut_off_at_the_end_of_a_file_is_none(case: Case, tmp_path: Path) -> None:
    """Wherever the last line ends, from its line break to its twelfth last character."""
    right = undamaged(case)
    for cut in range(12):
        folder = tmp_path / str(cut)
        folder.mkdir()
        problem = checked(case, Damage("cut_last", 0, cut, 0), right, folder)
        assert problem is None, f"{case.id} without its last {cut + 1} characters: {problem}"
