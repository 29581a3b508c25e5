"""Dagster's history in a real PostgreSQL, which this test starts where a server is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ingest.settings import Settings
from orchestration import doctor, history, ui


def server_tools() -> Path:
    """Folder of initdb and postgres; skips the test where no server is installed."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    usable = next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)
    if usable is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    return usable


def as_other_user() -> dict[str, int]:
    """PostgreSQL refuses to run as root: another user for it where these tests run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    pytest.skip("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an empty database on the loopback interface."""
    tools, who = server_tools(), as_other_user()
    # Below /tmp itself: pytest's own folders are closed to other users.
    place = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    if who:
        os.chown(place, who["user"], who["group"])
    data = place / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(
        [tools / "initdb", "-D", data, "-U", "dagster", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"],
        check=True,
        capture_output=True,
        cwd=place,
        **who,
    )
    server = subprocess.Popen(
        [tools / "postgres", "-D", data, "-p", str(port), "-k", place, "-h", "127.0.0.1", "-F"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=place,
        **who,
    )
    try:
        ready = [tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        deadline = time.monotonic() + 20
        while subprocess.run(ready, check=False).returncode:
            assert time.monotonic() < deadline and server.poll() is None, "the server did not start"
            time.sleep(0.1)
        yield f"postgresql://dagster@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(2)
        server.wait(timeout=20)
        shutil.rmtree(place, ignore_errors=True)


@dg.asset(check_specs=[dg.AssetCheckSpec("held", asset="thing")])
def thing() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="held", passed=True)])


def test_history_is_kept_in_postgresql(settings: Settings, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ui.POSTGRES, database)
    ui.write_dagster_home(settings)
    assert "127.0.0.1" not in (settings.dagster_home / "dagster.yaml").read_text()
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        run_id = dg.materialize([thing], instance=instance).run_id
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as again:
        assert [run.run_id for run in again.get_runs()] == [run_id]
        latest = again.get_latest_materialization_event(dg.AssetKey("thing"))
        assert latest is not None and latest.run_id == run_id
        assert again.get_concurrency_config().pool_config.default_pool_limit == 1
    assert not (settings.dagster_home / "history").exists()
    (found,) = [f for f in doctor.examine(settings) if f.subject == "dagster"]
    assert (found.level, found.told) == ("fine", "its history is in PostgreSQL, which answers")
    # Back to files: the setting decides each time.
    monkeypatch.delenv(ui.POSTGRES)
    ui.write_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as files:
        assert isinstance(files.event_log_storage, history.KeptSqliteEventLogStorage)
