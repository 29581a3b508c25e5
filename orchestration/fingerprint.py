"""What decides the content of a release: if none of it has changed, neither has the release.

Standard library only, so that an unchanged run costs next to nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

from ingest.settings import PROJECT_ROOT, Settings

# What computes figures or judges them: another version makes another release, and the manifest names them.
ENGINES = ("duckdb", "polars", "numpy", "SALib", "dbt-core", "dbt-duckdb", "great-expectations")

_SUFFIXES = {".py", ".yml", ".yaml", ".csv", ".sql", ".md", ".po", ".j2", ".css", ".js", ".svg"}
_MADE = {"__pycache__", "target", "logs", "dbt_packages"}


def engines() -> dict[str, str]:
    """Versions of the libraries that compute figures."""
    return {name: version(name) for name in ENGINES}


def of_inputs(settings: Settings, *, as_of: date | None = None) -> str:
    """Digest of committed editions, vocabulary, suites, dbt project, code and engines, as hexadecimal SHA-256."""
    digest = _setting(settings, as_of)
    for root in _roots(settings):
        _add(digest, root, _files(root))
    records = settings.lake / "_editions"
    _add(digest, records, sorted(records.glob("*/*.json")))
    return digest.hexdigest()


def of_code(settings: Settings, *, as_of: date | None = None) -> str:
    """Digest of all that `of_inputs` covers except the editions, as hexadecimal SHA-256.

    The rows of the bundled edition are editions once they are loaded: of their files only the names count here.
    """
    digest = _setting(settings, as_of)
    for root in _roots(settings):
        files = list(_files(root))
        rows = [path for path in files if path.parent.name == "edition" and path.parents[2].name == "sources"]
        digest.update("\n".join(path.relative_to(root).as_posix() for path in rows).encode())
        _add(digest, root, [path for path in files if path not in set(rows)])
    return digest.hexdigest()


def of_dbt_project(settings: Settings) -> str:
    """Digest of the dbt project and of the versions that compile it, as hexadecimal SHA-256."""
    digest = hashlib.sha256()
    for name in ("dbt-core", "dbt-duckdb"):
        digest.update(f"{name}={version(name)}\n".encode())
    _add(digest, settings.dbt_project, _files(settings.dbt_project))
    return digest.hexdigest()


def _setting(settings: Settings, as_of: date | None) -> hashlib._Hash:
    digest = hashlib.sha256()
    for name, number in engines().items():
        digest.update(f"{name}={number}\n".encode())
    digest.update(f"as_of={as_of}\n".encode())
    digest.update(f"audience={settings.audience}\n".encode())
    return digest


def _roots(settings: Settings) -> list[Path]:
    return [*(PROJECT_ROOT / name for name in ("ingest", "data_quality", "orchestration")), settings.dbt_project]


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file() and not _MADE & set(path.relative_to(root).parts):
            yield path


def _add(digest: hashlib._Hash, root: Path, paths: Iterator[Path] | list[Path]) -> None:
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{root.name}/{path.relative_to(root).as_posix()}:{len(content)}\n".encode())
        digest.update(content)
