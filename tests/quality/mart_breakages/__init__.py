"""Breakages of marts, one module per mart or theme; each has `BREAKAGES`: check id to (statement, unexpected rows).

The statement breaks what the check looks at, in a mart that is otherwise good; the number says how many unexpected
rows the check must then find. All statements of all modules are applied to one warehouse.
"""

from __future__ import annotations

import importlib
import pkgutil


def collected() -> dict[str, tuple[str, int]]:
    """Breakages of all modules of this package; a check id that stands in two of them is an error."""
    found: dict[str, tuple[str, int]] = {}
    for module in pkgutil.iter_modules(__path__):
        part: dict[str, tuple[str, int]] = importlib.import_module(f"{__name__}.{module.name}").BREAKAGES
        twice = found.keys() & part.keys()
        if twice:
            raise ValueError(f"breakages given twice: {sorted(twice)}")
        found |= part
    return found
