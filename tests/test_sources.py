from __future__ import annotations

from pathlib import Path

import pytest

from ingest import lake, scaffold, source
from ingest.errors import SourceError
from ingest.settings import PROJECT_ROOT

SOURCES = source.discover()


@pytest.mark.parametrize("code", sorted(SOURCES))
def test_source_is_complete(code: str) -> None:
    lacks = scaffold.missing_parts(code)
    assert not lacks, f"source {code} is incomplete:\n" + "\n".join(f"  - {lack}" for lack in lacks)


@pytest.mark.parametrize("code", sorted(SOURCES))
def test_source_names_canonical_tables_only(code: str) -> None:
    assert set(SOURCES[code].spec.tables) <= set(lake.contracts())


def test_a_new_folder_is_valid_and_incomplete_until_its_places_are_filled(tmp_path: Path) -> None:
    made = scaffold.new_source("synthetic_new", "deal", "rnd", sources_dir=tmp_path, tests_dir=tmp_path / "tests")
    assert [path.name for path in made] == ["__init__.py", "source.yml", "parse.py", "test_synthetic_new.py"]
    lacks = scaffold.missing_parts("synthetic_new", sources_dir=tmp_path, tests_dir=tmp_path / "tests")
    for file in ("source.yml", "parse.py", "test_synthetic_new.py"):
        assert any(f"REPLACE at {file}:" in lack for lack in lacks), file
    for path in made:
        compile(path.read_text(), path.name, "exec") if path.suffix == ".py" else None
    with pytest.raises(SourceError, match="exists"):
        scaffold.new_source("synthetic_new", "deal", "rnd", sources_dir=tmp_path)
    with pytest.raises(SourceError, match="no source code"):
        scaffold.new_source("New Source", "deal", "rnd", sources_dir=tmp_path)


def test_unknown_source_proposes_near_codes() -> None:
    with pytest.raises(SourceError, match="mhlw_ndb"):
        source.get("mhlw_ndbb")


def test_a_folder_without_description_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "nameless").mkdir()
    with pytest.raises(SourceError, match=r"source\.yml is missing"):
        source.Source(tmp_path / "nameless")


def test_an_invalid_description_names_the_field(tmp_path: Path) -> None:
    from tests.factories import SOURCE_YML

    (tmp_path / "synthetic").mkdir()
    text = SOURCE_YML.format(code="synthetic", redistribution="perhaps", kind="publisher")
    (tmp_path / "synthetic" / "source.yml").write_text(text)
    with pytest.raises(SourceError, match="redistribution"):
        source.Source(tmp_path / "synthetic")


def test_the_code_is_the_name_of_the_folder(tmp_path: Path) -> None:
    from tests.factories import synthetic_source

    folder = synthetic_source(tmp_path).folder
    folder.rename(tmp_path / "renamed")
    with pytest.raises(SourceError, match="differs from the folder's name"):
        source.Source(tmp_path / "renamed")


def test_ingest_and_data_quality_never_import_dagster() -> None:
    for package in ("ingest", "data_quality"):
        for path in (PROJECT_ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "import dagster" not in text and "from dagster" not in text, path
            assert "from orchestration" not in text and "import orchestration" not in text, path


def test_an_unknown_source_is_named_with_what_is_near() -> None:
    with pytest.raises(SourceError) as near:
        source.get("ecb_fxx")
    assert near.value.remedy == "Did you mean ecb_fx?"
    with pytest.raises(SourceError) as far:
        source.get("qqqq")
    assert far.value.remedy == "See the sources: biopharma sources."
