"""Python's collector of cyclic garbage while a run lasts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects before the young ones are looked at, and how often the older ones are then.
_SELDOM = (100_000, 50, 100)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Have cyclic garbage looked for seldom, and as before afterwards.

    A run imports and makes millions of objects that stay (modules, the manifest of dbt, suites, events). Looking
    through them again and again is a tenth of its time, and finds little.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
