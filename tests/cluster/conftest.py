"""One build by processes with its history in PostgreSQL, which the tests of this folder share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ingest.settings import PROJECT_ROOT, Settings
from orchestration import ui
from orchestration.defs.executor import VARIABLE
from tests import postgres, s3


@pytest.fixture(scope="session")
def by_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An installation after the job `warehouse`, asked for as docs/scale.md says; the database and S3 run on."""
    if os.environ.get(VARIABLE) != "multiprocess":
        pytest.skip("takes minutes: make test-cluster")
    with postgres.database() as address, s3.server() as store, pytest.MonkeyPatch.context() as patch:
        place = s3.empty_place(store, patch, "warehouse").url
        home = tmp_path_factory.mktemp("cluster") / "home"
        settings = Settings(home=home, memory_limit="2GB", remote=place)
        patch.setenv("BIOPHARMA_REMOTE", place)
        patch.setenv(ui.POSTGRES, address)
        patch.setenv("BIOPHARMA_HOME", str(settings.home))
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        ui.write_dagster_home(settings)
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "dagster", "job", "execute", "-m", ui.MODULE, "-j", "warehouse"],
            env=os.environ,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=1500,
        )
        assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
        yield settings
