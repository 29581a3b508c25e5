"""The inbox: what is dropped is loaded once behind the gates, what is refused says why, what is half-copied waits."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from ingest.errors import GateError
from ingest.lake import Lake
from ingest.settings import Settings
from orchestration import history, inbox, pipeline
from orchestration.defs import keys
from orchestration.defs.inbox import inbox_job, inbox_sensor
from orchestration.defs.resources import Installation
from orchestration.errors import BusyError, RunError
from tests.conftest import shared_file
from tests.orchestration.conftest import holding

DAY = "ecb_fx/eurofxref.csv"


def drop(settings: Settings, name: str, content: bytes) -> Path:
    """Put a file into the inbox."""
    path = inbox.folder(settings) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(settings: Settings, where: str) -> list[str]:
    """Names in `taken` or `refused`, without the time in front."""
    place = inbox.folder(settings) / where
    return sorted(path.name.split("_", 1)[1] for path in place.glob("*/*"))


def test_dropped_file_is_loaded_by_a_run_and_moved_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "SETTLE_SECONDS", 0.0)
    drop(settings, DAY, shared_file(DAY).read_bytes())
    drop(settings, "ecb_fx/eurofxref-hist.zip", b"<html><body>Service not available</body></html>")
    job = inbox_job()
    sensor = inbox_sensor(settings, job, dg.DefaultSensorStatus.STOPPED)
    defs = dg.Definitions(jobs=[job], sensors=[sensor], resources={"installation": Installation(settings)})
    with dg.DagsterInstance.ephemeral() as instance:
        tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
        requests = {r.run_config["ops"]["take"]["config"]["name"]: r for r in tick.run_requests or []}
        assert set(requests) == {DAY, "ecb_fx/eurofxref-hist.zip"}
        # The next tick comes before the runs have begun: nothing is asked for twice.
        second = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=tick.cursor))
        assert second.skip_message == "Nothing new in the inbox."
        assert second.cursor == tick.cursor
        results = {
            name: defs.resolve_job_def("inbox").execute_in_process(
                run_config=request.run_config, instance=instance, raise_on_error=False
            )
            for name, request in requests.items()
        }
        # A run that is started again finds nothing to do.
        again = defs.resolve_job_def("inbox").execute_in_process(
            run_config=requests[DAY].run_config, instance=instance
        )
        event = instance.get_latest_materialization_event(keys.archive("ecb_fx"))
        third = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=tick.cursor))
    assert results[DAY].success and again.success
    assert not results["ecb_fx/eurofxref-hist.zip"].success
    (edition,) = Lake(settings.lake).editions()
    assert event is not None and event.asset_materialization is not None
    assert event.asset_materialization.metadata["edition_id"].value == edition.edition_id
    assert names(settings, "taken") == ["eurofxref.csv"]
    assert names(settings, "refused") == ["eurofxref-hist.zip", "eurofxref-hist.zip.txt"]
    (reason,) = inbox.folder(settings).glob("refused/*/*.txt")
    assert "HTML page, not data" in reason.read_text()
    assert "What to do: " in reason.read_text()
    assert third.cursor == "{}"


def test_drop_whose_run_was_killed_is_asked_for_again_and_not_for_ever(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "SETTLE_SECONDS", 0.0)
    drop(settings, DAY, b"x")
    sensor = inbox_sensor(settings, inbox_job(), dg.DefaultSensorStatus.STOPPED)
    cursor, asked = None, []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(3):
            tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
            (request,) = tick.run_requests or []
            asked.append(request.run_key)
            cursor = tick.cursor
            run = dg.DagsterRun("inbox", make_new_run_id(), tags=request.tags, status=dg.DagsterRunStatus.STARTED)
            instance.add_run(run)
            busy = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
            assert busy.skip_message == "Nothing new in the inbox."
            history.bury(instance)
        last = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert len(set(asked)) == 3
    assert last.skip_message == f"Failed 3 times, touch it to try again: {DAY}."


def test_half_copied_files_wait(settings: Settings) -> None:
    old = time.time() - 60
    drop(settings, DAY, b"half")
    drop(settings, "sec_fsds/2010q2.zip.part", b"half")
    drop(settings, "sec_fsds/.hidden", b"half")
    (inbox.folder(settings) / "taken" / "ecb_fx").mkdir(parents=True)
    for path in inbox.folder(settings).rglob("*.part"):
        os.utime(path, (old, old))
    settled = {d.name: d.is_settled for d in inbox.scan(settings)}
    assert settled == {DAY: False, "sec_fsds/2010q2.zip.part": False}
    # Its time of change is that of its original; what counts is when the copy was written.
    os.utime(inbox.folder(settings) / DAY, (old, old))
    assert not inbox.scan(settings)[0].is_settled
    later = {d.name: d.is_settled for d in inbox.scan(settings, now=time.time() + inbox.SETTLE_SECONDS + 1)}
    assert later == {DAY: True, "sec_fsds/2010q2.zip.part": False}


def test_a_drop_that_grows_is_another_drop(settings: Settings) -> None:
    path = drop(settings, "ecb_fx/set/one.csv", b"1")
    (before,) = inbox.scan(settings)
    drop(settings, "ecb_fx/set/two.csv", b"2")
    (after,) = inbox.scan(settings)
    assert before.name == after.name == "ecb_fx/set"
    assert before.key != after.key
    shutil.rmtree(path.parent)
    assert inbox.scan(settings) == []


def test_files_of_a_folder_are_one_edition(settings: Settings) -> None:
    for name in ("ndb_p_2019.xlsx", "ndb_t_2019.xlsx"):
        drop(settings, f"mhlw_ndb/round 6/{name}", shared_file(f"mhlw_ndb/{name}").read_bytes())
    edition = inbox.take(settings, "mhlw_ndb/round 6")
    assert edition is not None
    assert (edition.partition, len(edition.files)) == ("FY2019", 2)
    assert names(settings, "taken") == ["round 6"]
    # The same files again are the same edition, and nothing that was taken before is replaced.
    for name in ("ndb_p_2019.xlsx", "ndb_t_2019.xlsx"):
        drop(settings, f"mhlw_ndb/round 6/{name}", shared_file(f"mhlw_ndb/{name}").read_bytes())
    assert inbox.take(settings, "mhlw_ndb/round 6") == edition
    assert len(list((inbox.folder(settings) / "taken" / "mhlw_ndb").iterdir())) == 2


def test_unknown_source_is_refused_and_another_place_is_not_touched(settings: Settings) -> None:
    drop(settings, "ecb_xf/eurofxref.csv", b"x")
    with pytest.raises(RunError, match="Drop it into the folder of its source, ecb_fx perhaps"):
        inbox.take(settings, "ecb_xf/eurofxref.csv")
    assert names(settings, "refused") == ["eurofxref.csv", "eurofxref.csv.txt"]
    outside = settings.home / "lake.csv"
    outside.write_text("x")
    with pytest.raises(RunError, match="no name in the inbox"):
        inbox.take(settings, "../lake.csv")
    assert outside.exists()
    with pytest.raises(GateError, match="matches no file of source"):
        drop(settings, "ecb_fx/other.bin", b"x")
        inbox.take(settings, "ecb_fx/other.bin")


def test_a_drop_waits_in_the_inbox_while_another_process_holds_the_warehouse(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "WAIT_SECONDS", 0.1)
    path = drop(settings, DAY, shared_file(DAY).read_bytes())
    with holding(settings), pytest.raises(BusyError):
        inbox.take(settings, DAY)
    assert path.exists()


def test_every_source_has_a_folder(settings: Settings) -> None:
    inbox.prepare(settings)
    assert (inbox.folder(settings) / "ecb_fx").is_dir()
    assert inbox.scan(settings) == []
