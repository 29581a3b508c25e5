"""Compiling a share of the bundled edition, and giving its rows back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from ingest import compile as compiling
from ingest import edition, lake, source
from ingest.archive import sha256_of
from ingest.edition import CompiledPart, compile_edition
from ingest.errors import SourceError
from ingest.source import Parsed, Source, SourceFile
from tests.conftest import shared_file
from tests.factories import synthetic_rows, synthetic_source

TABLE = "rnd_observation"
OWN = list(lake.contract(TABLE).own_columns)
ACCESSED_ON = date(2026, 11, 22)


@pytest.fixture(autouse=True)
def _untrimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Source, "trim", property(lambda self: lambda tables: tables))


def part(folder: Path, partition: str, name: str, *changes: dict[str, object]) -> CompiledPart:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"synthetic bytes of {partition}")
    file = SourceFile(path=path, name=name, sha256=sha256_of(path))
    rows = synthetic_rows(TABLE, *changes).select(*OWN, "locator", "status", "note")
    frame = rows.with_columns(file_sha256=pl.lit(file.sha256))
    return CompiledPart(
        [file], Parsed({TABLE: frame}, frame.height, partition=partition), date(2024, 5, 1), ACCESSED_ON
    )


def years(tmp_path: Path, *names: str) -> tuple[Source, list[CompiledPart]]:
    made = synthetic_source(tmp_path)
    parts = [
        part(
            tmp_path / str(year),
            f"FY{year}",
            name,
            *(
                {"entity_code": code, "period_start": date(year, 4, 1), "value": float(year), "note": note}
                for code, note in (("JPN", "one"), ("USA", None))
            ),
        )
        for year, name in zip((2018, 2019), names, strict=True)
    ]
    compile_edition(made, parts, made.edition_dir)
    return made, parts


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("same.csv", "same.csv")])
def test_rows_of_several_editions_come_back(tmp_path: Path, names: tuple[str, str]) -> None:
    made, parts = years(tmp_path, *names)
    back = edition.read(made)
    assert [entry.partition for entry in back] == ["FY2018", "FY2019"]
    for entry, given in zip(back, parts, strict=True):
        frame = entry.tables[TABLE]
        expected = given.parsed.tables[TABLE]
        columns = [name for name in expected.columns if name in frame.columns]
        assert {"period_start", "value", "note", "file_sha256"} <= set(columns)
        assert frame.select(columns).sort("entity_code").equals(expected.select(columns).sort("entity_code"))
        assert frame["edition_id"].unique().to_list() == [entry.edition_id]
        assert frame.schema["period_start"] == pl.Date and frame.schema["value"] == pl.Float64


def test_what_a_file_or_an_edition_tells_is_not_repeated_in_each_row(tmp_path: Path) -> None:
    made, _ = years(tmp_path, "a.csv", "b.csv")
    header = pl.read_csv(made.edition_dir / f"{TABLE}.csv", n_rows=0).columns
    assert "file" in header and "note" in header
    assert not {"edition_id", "period_start", "value"} & set(header)
    entries = yaml.safe_load((made.edition_dir / "edition.yml").read_text())["editions"]
    assert [entry["constants"][TABLE]["value"] for entry in entries] == [2018.0, 2019.0]


def test_a_file_name_in_two_editions_keeps_the_reference(tmp_path: Path) -> None:
    made, _ = years(tmp_path, "same.csv", "same.csv")
    assert "edition_id" in pl.read_csv(made.edition_dir / f"{TABLE}.csv", n_rows=0).columns


def test_compile_source_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(shared_file(f"mhlw_nhi_price/mhlw_price_{day}.csv")) for day in ("20191001", "20250716")]
    arguments = ["mhlw_nhi_price", "--accessed-on", "2026-11-22", "--to", str(tmp_path / "out")]
    assert compiling.main([*arguments, "--edition", files[0], "--edition", files[1]]) == 0
    assert capsys.readouterr().out.startswith("product_identity: ")
    entries = yaml.safe_load((tmp_path / "out" / "edition.yml").read_text())["editions"]
    assert [entry["partition"] for entry in entries] == ["list-2019-10-01", "list-2025-07-16"]
    assert {entry["accessed_on"] for entry in entries} == {ACCESSED_ON}


def test_errors_are_named_and_the_exit_code_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "mhlw_price_20191001.csv"
    page.write_text("<html>" + "x" * 20_000)
    arguments = ["mhlw_nhi_price", "--accessed-on", "2026-11-22", "--to", str(tmp_path / "out")]
    assert compiling.main([*arguments, "--edition", str(page)]) == 1
    assert "HTML page" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_partition_is_compiled_from_one_group(tmp_path: Path) -> None:
    path = shared_file("mhlw_nhi_price/mhlw_price_20191001.csv")
    with pytest.raises(SourceError, match="two editions renew the partition list-2019-10-01"):
        compiling.compile_source("mhlw_nhi_price", [[path], [path]], accessed_on=ACCESSED_ON, target=tmp_path)


def test_a_rejected_row_and_an_unknown_date_stop_compilation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = synthetic_source(tmp_path)
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "1,2\n" * 20)
    rejected = pl.DataFrame(
        {"file_name": ["table.csv"], "locator": ["line 2"], "reason": ["no number"], "raw": ["x"]}
    )
    answers = [Parsed({}, 1, rejected=rejected, published_on=date(2024, 5, 1)), Parsed({}, 1)]
    monkeypatch.setattr(source, "get", lambda code: made)
    monkeypatch.setattr(Source, "parse", property(lambda self: lambda files: answers.pop(0)))
    with pytest.raises(SourceError, match=r"1 rows were rejected, first: no number \(line 2\)"):
        compiling.compile_source(made.code, [[path]], accessed_on=ACCESSED_ON)
    with pytest.raises(SourceError, match="do not tell when they were published"):
        compiling.compile_source(made.code, [[path]], accessed_on=ACCESSED_ON)
