"""Reading YAML with libyaml where it is there: the project reads some 150 files, which takes Python seconds."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str) -> Any:
    """Plain values of a YAML text; raises yaml.YAMLError where it is none."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506  (both loaders are safe ones)
