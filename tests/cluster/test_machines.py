"""Three machines that share nothing but S3: one runs, another carries on, a third reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ingest.settings import Settings
from orchestration import pipeline, reader, release, remote
from tests import s3
from tests.revised import revise

_ASKED = "select (select release_id from catalog.release), sum(sales_usd) from mart_medicare_biologic"


@pytest.mark.slow
def test_a_run_goes_on_on_another_machine(
    by_processes: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3.server() as address:
        place = s3.empty_place(address, monkeypatch, "warehouse")
        remote.push(by_processes, place)
        first = remote.pull_release(place, tmp_path / "reader")

        other = replace(by_processes, home=tmp_path / "other")
        remote.pull(other, place)
        revise(other, "cms_part_b")
        with reader.open_release(first) as copied, remote.open_release(place) as straight:
            before = copied.execute(_ASKED).fetchall()
            report = pipeline.run(other)
            assert (report.release_id, report.is_new_release) == ("0002", True)
            remote.push(other, place)
            assert copied.execute(_ASKED).fetchall() == straight.execute(_ASKED).fetchall() == before
        third = replace(by_processes, home=tmp_path / "third")
        remote.pull(third, place)
        nothing = pipeline.run(third)
        assert (nothing.release_id, nothing.is_new_release) == ("0002", False), "it stands where the second ended"
        second = remote.pull_release(place, tmp_path / "reader")
        release.verify(second)
        with reader.open_release(second) as copied, remote.open_release(place) as straight:
            after = copied.execute(_ASKED).fetchall()
            assert straight.execute(_ASKED).fetchall() == after
        assert [row[0] for row in before + after] == ["0001", "0002"]
        assert after[0][1] == pytest.approx(before[0][1] * 1.000001, rel=1e-9)
        assert {path.name for path in (tmp_path / "reader").iterdir()} == {"0001", "0002"}
