"""Releases side by side: what differs, what may go, what is kept, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest import workfile
from ingest.settings import Settings
from ingest.source import discover
from orchestration import differences, fingerprint, pipeline, reader, release, retention, terminal
from orchestration.errors import ReleaseError
from tests.orchestration.conftest import Outcome
from tests.orchestration.test_release import assert_whole, change_work_file

CLAIM = "marts.mart_policy_claim_check"


def republished(settings: Settings, *statements: str) -> release.Release:
    for statement in statements:
        change_work_file(settings, statement)
    return pipeline.publish(settings, force=True)[0]


def compared(settings: Settings, earlier: str = "0001", later: str = "0002") -> differences.ReleaseDiff:
    paths = (settings.releases / name / reader.DATABASE for name in (earlier, later))
    with differences.attached(*paths) as connection:
        return differences.compare(connection)


def test_equal_releases_differ_in_nothing(small: Settings) -> None:
    republished(small)
    diff = compared(small, "0002", "0002")
    assert (diff.tables, diff.headlines, diff.definitions) == ([], [], [])
    assert diff.schema == differences.SchemaDiff([], [], [])


def test_figures_that_changed_came_and_went_are_told_by_key(small: Settings) -> None:
    republished(small)
    one = "country_iso3 = 'JPN' and basis = 'gdp_share' and year ="
    made = republished(
        small,
        f"update marts.mart_rnd_level set share_gdp = 0.5 where {one} 2019",
        f"update marts.mart_rnd_level set share_gdp = share_gdp * (1 + 1e-12) where {one} 2018",
        f"update marts.mart_rnd_level set edition_ids = 'other' where {one} 2017",
        f"delete from marts.mart_rnd_level where {one} 2016",
        f"update {CLAIM} set evidence_low = 0.01 where claim_id = 'meti_2021_overseas_share'",
        "update vocabulary.country set name_ja = 'x' where iso3 = 'JPN'",
    )
    diff = compared(small, "0002", "0003")
    by_table = {table.table: table for table in diff.tables}
    level = by_table["mart_rnd_level"]
    assert (level.added, level.removed, level.changed) == (0, 1, 1)
    [change] = level.examples
    assert (change.key["country_iso3"], change.key["year"], change.column) == ("JPN", 2019, "share_gdp")
    assert change.after == 0.5
    assert by_table["mart_policy_claim_check"].changed == 1
    assert [headline.claim_id for headline in diff.headlines] == ["meti_2021_overseas_share"]
    assert diff.definitions == ["reviewed table `country`: 1 row new or changed, 1 row gone or changed."]
    notes = (made.path / release.NOTES).read_text()
    assert "- `mart_rnd_level`: 0 rows added, 1 row removed, 1 row changed." in notes
    assert f"share_gdp {change.before:.7g} -> 0.5" in notes
    stored = json.loads((made.path / release.DIFF).read_text())
    assert (stored["earlier"], stored["later"]) == ("0002", "0003")
    assert {mart["mart"]: mart["rows_changed"] for mart in stored["marts"]}["mart_rnd_level"] == 1


def test_notes_have_fixed_heads(small: Settings) -> None:
    notes = (republished(small).path / release.NOTES).read_text()
    heads = [line.removeprefix("## ") for line in notes.splitlines() if line.startswith("## ")]
    assert heads[:6] == [
        "New data",
        "Revised data",
        "Expanded coverage",
        "Definitions changed",
        "Schema changes",
        "Known problems",
    ]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (f"alter table {CLAIM} drop column verdict_reason", f"{CLAIM}.verdict_reason"),
        (f"alter table {CLAIM} alter display_order type varchar", f"{CLAIM}.display_order"),
        ("drop table marts.mart_rnd_level", "marts.mart_rnd_level"),
    ],
)
def test_a_published_column_goes_only_with_notice(
    small: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, statement: str, named: str
) -> None:
    announced = tmp_path / "deprecations.yml"
    announced.write_text("deprecations: []")
    monkeypatch.setattr(differences, "DEPRECATIONS", announced)
    change_work_file(small, statement)
    with pytest.raises(ReleaseError, match=named):
        pipeline.publish(small, force=True)
    assert_whole(small, "0001")
    entry = {"name": named, "announced_on": "2026-01-01", "reason": "Wrong.", "replacement": "another"}
    announced.write_text(json.dumps({"deprecations": [entry]}))
    made, _ = pipeline.publish(small, force=True)
    notes = (made.path / release.NOTES).read_text()
    assert f"`{named}" in notes.split("## Schema changes")[1].split("## Known problems")[0]


def test_the_list_of_deprecations_can_be_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    assert isinstance(differences.deprecations(), dict)
    broken = tmp_path / "deprecations.yml"
    broken.write_text("deprecations: [{name: marts.x}]")
    with pytest.raises(ReleaseError, match=r"deprecations\.yml"):
        differences.deprecations(broken)


# Going back ------------------------------------------------------------------------------------------------------


def test_a_withdrawn_release_is_not_switched_back_to(small: Settings) -> None:
    republished(small)
    assert_whole(small, "0002")
    assert retention.rollback(small, reason="wrong figure").release_id == "0001"
    assert_whole(small, "0001")
    assert retention.withdrawals(small)["0002"].reason == "wrong figure"
    # The inputs are those of the withdrawn release: it stands for them, and stays withdrawn.
    assert pipeline.publish(small)[0].release_id == "0002"
    assert_whole(small, "0001")
    assert republished(small).release_id == "0003"
    assert_whole(small, "0003")
    # The way back from there leads past the withdrawn one.
    assert retention.rollback(small, reason="again").release_id == "0001"


def test_rollback_goes_to_a_sound_release_only(small: Settings) -> None:
    with pytest.raises(ReleaseError, match="no sound release before 0001"):
        retention.rollback(small, reason="x")
    republished(small)
    republished(small)
    damaged = small.releases / "0002" / release.NOTES
    damaged.chmod(0o644)
    damaged.write_text("other")
    with pytest.raises(ReleaseError, match=r"notes\.md was changed"):
        retention.rollback(small, "2", reason="x")
    assert_whole(small, "0003")
    assert retention.rollback(small, reason="x").release_id == "0001"


# What is kept ----------------------------------------------------------------------------------------------------


def test_old_releases_go_by_count_and_age_and_never_the_current_one(small: Settings) -> None:
    for _ in range(3):
        republished(small)
    few = replace(small, keep_releases=2, keep_days=7)
    assert retention.prune(few) == []
    later = datetime.now(UTC) + timedelta(days=8)
    retention.rollback(few, "1", reason="x")
    assert retention.prune(few, now=later) == ["0002"]
    assert [made.release_id for made in release.list_releases(few)] == ["0001", "0003", "0004"]
    assert_whole(few, "0001")
    assert not list(few.releases.glob(".*"))


def test_publishing_prunes(small: Settings) -> None:
    few = replace(small, keep_releases=1, keep_days=0)
    republished(few)
    assert [made.release_id for made in release.list_releases(few)] == ["0002"]
    assert_whole(few, "0002")


# Licences --------------------------------------------------------------------------------------------------------


def test_figures_that_may_not_be_passed_on_enter_private_releases_only(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_work_file(small, "update lake.source set redistribution = 'never' where source_code = 'oecd_anberd'")
    with pytest.raises(ReleaseError, match="oecd_anberd may not be passed on"):
        pipeline.publish(small, force=True)
    assert_whole(small, "0001")
    monkeypatch.setattr(workfile, "restricted_sources", lambda: frozenset({"oecd_anberd"}))
    private = replace(small, audience="private")
    for settings, expected in ((small, 0), (private, 727)):
        workfile.prepare(settings)
        connection = workfile.connect(settings.work_file, settings)
        rows = "select count(*) from lake.rnd_observation where source_code = 'oecd_anberd'"
        assert connection.execute(rows).fetchall() == [(expected,)]
        connection.close()


def test_a_private_release_says_so(small: Settings) -> None:
    private = replace(small, audience="private")
    assert fingerprint.of_inputs(private) != fingerprint.of_inputs(small)
    made, _ = pipeline.publish(private, force=True)
    assert made.manifest["audience"] == "private"
    assert "**Private: it may hold figures that may not be passed on.**" in (made.path / release.NOTES).read_text()


def test_restricted_sources_are_those_whose_licence_says_never() -> None:
    expected = {code for code, made in discover().items() if made.spec.licence.redistribution == "never"}
    assert workfile.restricted_sources() == expected


# Commands --------------------------------------------------------------------------------------------------------


def test_commands(small: Settings, biopharma: Callable[..., Outcome]) -> None:
    republished(small, f"update {CLAIM} set finding_en = 'Revised.' where display_order = 1")
    called = biopharma(small, "releases")
    assert called.code == 0
    assert "current" in called.out
    called = biopharma(small, "diff", "1", "2", "--mart", "mart_policy_claim_check")
    assert "finding_en" in called.out
    assert "Revised." in called.out
    assert json.loads(biopharma(small, "diff", "1", "2", "--format", "json").out)["marts"]
    called = biopharma(small, "rollback", "--reason", "a wrong sentence")
    assert "Release 0001 is current" in called.out
    assert "a wrong sentence" in biopharma(small, "releases").out
    called = biopharma(small, "rollback")
    assert called.code == 1
    assert "no sound release before 0001" in called.err


def test_nothing_differs_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = differences.ReleaseDiff([], differences.SchemaDiff([], [], []), [], [])
    terminal.show_difference(terminal.console(), "0001", "0002", nothing)
    assert "No figure differs." in capsys.readouterr().out
