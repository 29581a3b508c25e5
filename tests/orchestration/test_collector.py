"""Python's collector works as before once a run has ended, however it ended."""

import gc

import pytest

from orchestration.collector import collecting_seldom


def test_thresholds_are_given_back_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="on purpose"), collecting_seldom():
        assert gc.isenabled()
        assert gc.get_threshold() > before
        raise ValueError("on purpose")
    assert gc.get_threshold() == before
