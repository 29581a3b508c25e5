"""Reading a release: a connection that can neither write nor reach anything but the release.

Imports DuckDB and the standard library only, so that a query answers at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from ingest.settings import Settings
from orchestration.errors import ReleaseError

DATABASE = "warehouse.duckdb"
# Files of a release that its database has as views.
FACTS = "facts"
# Where a table is looked for that is named without its schema.
SEARCHED = ("marts", "facts", "vocabulary", "quality", "catalog")


def current_dir(settings: Settings) -> Path:
    """Directory of the current release; raises ReleaseError if there is none."""
    if not settings.current.is_symlink():
        raise ReleaseError("there is no release yet", remedy="Make one: biopharma run.")
    path = settings.current.resolve()
    if not (path / DATABASE).is_file():
        raise ReleaseError(
            "the current release is gone",
            file=str(path),
            remedy="Make it anew: biopharma run --force.",
        )
    return path


def release_dir(settings: Settings, release_id: str | None = None) -> Path:
    """Directory of a release by its number, the current one without; raises ReleaseError if there is none."""
    if release_id is None:
        return current_dir(settings)
    name = release_id.zfill(4)
    path = settings.releases / name
    if not name.isdigit() or not (path / DATABASE).is_file():
        raise ReleaseError(
            f"there is no release {release_id}",
            file=str(settings.releases),
            remedy="See the releases: biopharma releases.",
        )
    return path


@contextmanager
def open_release(directory: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a release, without access to other files, network or extensions."""
    # The directory itself and not the link to it: DuckDB shares open databases by path.
    directory = directory.resolve()
    connection = duckdb.connect(
        str(directory / DATABASE),
        read_only=True,
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": "",
        },
    )
    try:
        close_off(connection, directory)
        yield connection
    finally:
        connection.close()


def ask(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()
) -> duckdb.DuckDBPyConnection | None:
    """The result of a text of SQL; None where it holds no statement but blanks and remarks. Raises duckdb.Error."""
    # DuckDB's types do not say that it returns None then.
    return connection.execute(sql, list(parameters))


def close_off(connection: duckdb.DuckDBPyConnection, directory: Path | None = None) -> None:
    """Let a connection look at the database that it uses, and at nothing else from now on.

    With the directory of a release, the files that its database has views of are open to it too.
    """
    # Marts first, so that a query may name them without their schema; then nothing can be set any more.
    connection.execute(f"set search_path = '{','.join(SEARCHED)}'")
    # Another connection of this process to the same release has locked it for both.
    if connection.execute("select current_setting('lock_configuration')").fetchall() == [(False,)]:
        if directory is not None:
            reach_facts(connection, directory)
        connection.execute("set enable_external_access = false")
        # A progress bar would be written into what is piped elsewhere.
        connection.execute("set enable_progress_bar = false")
        connection.execute("set lock_configuration = true")


def reach_facts(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    """Let a connection find the files that the database of a release has views of, if there are any."""
    files = [str(path) for path in sorted((directory / FACTS).glob("*/*.parquet"))]
    if files:
        # The views name them from the folder of the database.
        files += [str(path.relative_to(directory)) for path in map(Path, files)]
        quoted = ["'" + name.replace("'", "''") + "'" for name in files]
        connection.execute(f"set global allowed_paths = [{', '.join(quoted)}]")
        connection.execute("set global file_search_path = '" + str(directory).replace("'", "''") + "'")
