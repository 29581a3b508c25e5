"""A past day is rebuilt from the editions known on it, and the same inputs give the same bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingest import workfile
from ingest.archive import sha256_of
from ingest.settings import Settings
from orchestration import pipeline, release
from orchestration.errors import RunError

# Enough for two marts; the ministry's survey and the OECD's editions are of 2025 and 2026.
SOURCES = ("worldbank_wdi", "oecd_anberd", "ncses_berd", "mic_rnd_survey", "sec_companyfacts")
MARTS = ("mart_rnd_level", "mart_revisions")
# Between the World Bank's editions of 2021 and of July 2026.
DAY = date(2026, 6, 30)


def rebuild(settings: Settings, sources: tuple[str, ...]) -> Path:
    """Load, prepare and build as of the day; returns a folder with the marts as a release writes them."""
    for code in sources:
        pipeline.load_source(settings, code)
    pipeline.prepare(settings, as_of=DAY)
    report = pipeline.build_models(settings, select=[f"+{mart}" for mart in MARTS])
    assert [(node.name, node.message) for node in report.failed] == []
    folder = settings.home / "parquet"
    connection = workfile.connect(settings.work_file, settings)
    connection.execute(f"attach '{settings.home / 'published.duckdb'}' as published")
    connection.execute("create schema published.marts")
    for mart in MARTS:
        connection.execute(f"create table published.marts.{mart} as from marts.{mart}")
    release._write_parquet(connection, folder)
    connection.close()
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two installations: in other folders, loaded in another order, with other threads and memory."""
    one = Settings(home=tmp_path_factory.mktemp("one") / "home", memory_limit="2GB", threads=2)
    other = replace(one, home=tmp_path_factory.mktemp("other") / "a" / "b" / "home", memory_limit="1GB", threads=1)
    return [rebuild(one, SOURCES), rebuild(other, SOURCES[::-1])]


def test_two_installations_give_equal_bytes(folders: list[Path]) -> None:
    one, other = ({path.name: sha256_of(path) for path in folder.iterdir()} for folder in folders)
    assert set(one) == {f"{mart}.parquet" for mart in MARTS}
    assert one == other


def test_two_lakes_are_equal_bytes(folders: list[Path]) -> None:
    lakes = [folder.parent / "lake" for folder in folders]
    one, other = (
        {p.relative_to(lake).as_posix(): sha256_of(p) for p in lake.rglob("*") if p.is_file()} for lake in lakes
    )
    assert len(one) > 20
    assert one == other


def test_what_is_written_tells_no_time_of_the_clock_and_no_place(folders: list[Path]) -> None:
    with duckdb.connect() as connection:
        for path in folders[0].iterdir():
            made_by, others = connection.execute(
                f"select created_by, (select count(*) from parquet_kv_metadata('{path}')) "
                f"from parquet_file_metadata('{path}')"
            ).fetchall()[0]
            assert made_by.startswith("DuckDB version v")
            assert others == 0


def test_a_past_day_knows_what_was_published_by_then(folders: list[Path]) -> None:
    with duckdb.connect() as connection:
        level, revisions = (f"'{folders[0] / f'{mart}.parquet'}'" for mart in MARTS)
        shares = connection.execute(
            f"select share_gdp, edition_ids from {level} "
            "where country_iso3 = 'JPN' and year = 2018 and basis = 'gdp_share'"
        ).fetchall()
        assert shares == [(0.0326451, "2021-09-15.1df2dcc3+bundled")]
        assert connection.execute(
            f"select count(*) from {level} where basis = 'gdp_share' and year > 2020"
        ).fetchall() == [(0,)]
        sources = connection.execute(f"select distinct source_code from {revisions} order by 1").fetchall()
    # The World Bank had published once by then, the OECD's edition of June 2026 was out, companies had restated.
    assert sources == [("oecd_anberd",), ("sec_companyfacts",)]


def test_a_day_of_which_nothing_is_known_is_refused(folders: list[Path]) -> None:
    settings = Settings(home=folders[0].parent)
    with pytest.raises(RunError, match="no edition was published by 1990-01-01") as refused:
        pipeline.prepare(settings, as_of=date(1990, 1, 1))
    assert "the first edition here was published on 20" in (refused.value.remedy or "")
    with pytest.raises(RunError, match="2999-01-01 has not come yet"):
        pipeline.prepare(settings, as_of=date(2999, 1, 1))
