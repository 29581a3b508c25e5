"""A connector's test runs once: where `test_connectors.py` plays it, it does not run by itself."""

from __future__ import annotations

import pytest

PLAYED_BY = "test_from_the_publishers_address_to_rows"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that `test_connectors.py`, where it is collected too, runs as they stand."""
    played = {
        str(item.callspec.params["code"])
        for item in items
        if isinstance(item, pytest.Function) and item.originalname == PLAYED_BY
    }
    if not played:
        return
    from tests.sources.test_connectors import DRIVEN

    names = {f"tests.sources.{DRIVEN[code]}" for code in played}
    twice = [
        item
        for item in items
        # A test with parameters is played with one set of them only.
        if isinstance(item, pytest.Function)
        and not hasattr(item, "callspec")
        and f"{item.module.__name__}.{item.originalname}" in names
    ]
    if twice:
        config.hook.pytest_deselected(items=twice)
        items[:] = [item for item in items if item not in twice]
