from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ingest import load
from ingest.archive import sha256_of
from ingest.errors import GateError, IngestError, LayoutError
from ingest.settings import Settings
from ingest.source import Parsed, SourceFile
from ingest.sources.fda_ndc import parse as ndc
from tests.conftest import shared_file
from tests.publisher import Answer, Publisher
from tests.sources.connectors import connector
from tests.sources.mutations import Damage, Table, damages
from tests.sources.rnd import source_of

CODE = "fda_ndc"
SOURCE = source_of(CODE)
REAL = f"{CODE}/product_2019-04-29.txt.gz"
HOST, PATH = "www.accessdata.fda.gov", "/cder/ndctext.zip"
CUT = 40


@cache
def lines() -> tuple[str, ...]:
    """The header, and lines of the real file from two places, biologics among them."""
    with gzip.open(shared_file(REAL), "rt", encoding="cp1252") as stream:
        found = [line.rstrip("\r\n") for line in islice(stream, 2000 + CUT // 2)]
    return (*found[: CUT // 2], *found[2000:])


@pytest.fixture(scope="module")
def real() -> Parsed:
    return load.parse_files(SOURCE, load.in_hand(SOURCE, [shared_file(REAL)]))


@pytest.fixture(scope="module")
def products(real: Parsed) -> pl.DataFrame:
    rows, bad = conformed(real)
    assert bad.is_empty()
    return rows


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def conformed(result: Parsed) -> tuple[pl.DataFrame, pl.DataFrame]:
    tables, bad, _ = load.conform_all(
        SOURCE,
        result,
        edition_id="e",
        published_on=date(2019, 4, 29),
        ingested_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return tables["product_identity"], bad


def cut() -> Table:
    header, *rows = (line.split("\t") for line in lines())
    return Table(header, rows)


def archive(content: str) -> bytes:
    """The publisher's zip around real lines, dated as a zip dates its entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("product.txt", (2019, 4, 29, 6, 0, 0)), content.encode())
        file.writestr(zipfile.ZipInfo("package.txt", (2019, 4, 29, 6, 0, 0)), "not read")
        file.writestr(zipfile.ZipInfo("product.xls", (2019, 4, 29, 6, 0, 0)), "not read")
    return stream.getvalue()


def parsed(tmp_path: Path, table: Table, name: str = "product_2019-04-29.txt", encoding: str = "utf-8") -> Parsed:
    path = tmp_path / name
    path.write_bytes("\r\n".join("\t".join(cells) for cells in (table.header, *table.rows)).encode(encoding))
    return load.parse_files(SOURCE, [SourceFile(path=path, name=name, sha256=sha256_of(path))])


def test_the_directory_of_2019_holds_128241_listings(real: Parsed, products: pl.DataFrame) -> None:
    # The list is large enough to come in batches.
    assert real.tables == {} and real.published_on == date(2019, 4, 29)
    batches = list(real.batches())
    assert sum(batch.rows_read for batch in batches) == products.height == 128_241
    assert len(batches) > 5 and not any(batch.dropped for batch in batches)
    categories = dict(products["modality_evidence"].value_counts().iter_rows())
    assert (categories["BLA"], categories["ANDA"], categories["NDA"]) == (7_198, 45_383, 9_323)
    allergenic = products.filter(pl.col("publisher_flags").str.contains("ALLERGENIC"))
    assert allergenic.filter(pl.col("modality_evidence") == "BLA").height == 2_787


def test_insulins_were_drugs_until_march_2020(products: pl.DataFrame) -> None:
    lantus = products.filter(pl.col("brand_name").str.starts_with("Lantus"))
    assert set(lantus["modality_evidence"]) == {"NDA"}
    assert lantus["note"].str.starts_with("application NDA021081").all()
    humira = products.filter(pl.col("brand_name") == "Humira")
    assert set(humira["modality_evidence"]) == {"BLA"}
    assert set(humira["ingredient_name"]) <= {"ADALIMUMAB", "Adalimumab"}
    assert humira["note"].str.starts_with("application BLA125057").all()


def test_a_line_becomes_a_product(products: pl.DataFrame) -> None:
    first = products.sort("locator").filter(pl.col("locator") == "line 3").row(0, named=True)
    assert first["brand_name"] == "Amyvid" and first["ingredient_name"] == "FLORBETAPIR F-18"
    assert (first["strength_text"], first["route"]) == ("51 mCi/mL", "injection")
    assert (first["approved_on"], first["listed_on"]) == (date(2012, 6, 1), date(2019, 4, 29))
    assert first["publisher_flags"] == "HUMAN PRESCRIPTION DRUG"
    excluded = products.filter(pl.col("publisher_flags").str.contains("NDC_EXCLUDE_FLAG=E"))
    assert excluded.height == 31_654


def test_routes_are_grouped(products: pl.DataFrame) -> None:
    groups = dict(products["route"].value_counts().iter_rows())
    assert groups[None] == 2_238
    assert groups["oral"] > 60_000 and groups["injection"] > 10_000 and groups["dental"] > 1_500


def test_the_connector_loads_the_zip(settings: Settings, publisher: Publisher) -> None:
    table = cut()
    content = "\r\n".join("\t".join(cells) for cells in (table.header, *table.rows)) + "\r\n"
    publisher.serve(HOST, PATH, Answer(status=503), Answer(archive(content), etag='"a"'))
    live = connector(settings, publisher, CODE, HOST)
    (record,) = live.run()
    rows = live.rows(record, "product_identity")
    assert (record.row_count, record.rows_quarantined) == (len(table.rows), 0)
    assert set(rows["listed_on"]) == {date(2019, 4, 29)} and record.published_on == "2019-04-29"
    assert rows["locator"].str.starts_with("product.txt line ").all()


@pytest.mark.parametrize("mood", ["html", "shrunk", "another header", "another zip"])
def test_what_is_no_directory_is_refused(mood: str, settings: Settings, publisher: Publisher) -> None:
    table = cut()
    content = "\n".join("\t".join(cells) for cells in (table.header, *table.rows))
    answers: dict[str, tuple[bytes, type[IngestError]]] = {
        "html": (b"<!DOCTYPE html><html><title>FDA Apology</title></html>" + b" " * 2_000, GateError),
        "shrunk": (archive(content)[:1_500], GateError),
        "another header": (archive(content.replace("LABELERNAME", "LABELER")), LayoutError),
        "another zip": (archive(content).replace(b"product.txt", b"reduced.txt"), LayoutError),
    }
    body, error = answers[mood]
    publisher.serve(HOST, PATH, Answer(body))
    live = connector(settings, publisher, CODE, HOST)
    with pytest.raises(error):
        live.run()
    assert bool(live.archived()) == (error is LayoutError)


def test_a_list_in_batches_has_the_rows_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = cut()
    # A line that cannot be read, one repeated far from the first, and at last the letter that tells the encoding.
    table.rows[30] = table.rows[30][:-1]
    table.rows += [list(table.rows[2]), [*table.rows[3][:3], "Gm\xfcnd", *table.rows[3][4:]]]
    table.rows[-1][0] += "x"
    whole = parsed(tmp_path, table, encoding="cp1252")
    monkeypatch.setattr(ndc, "BLOCK", 2_000)
    batches = list(parsed(tmp_path, table, encoding="cp1252").batches())
    assert len(batches) > 5 and batches[0].tables == {}
    assert sum(batch.rows_read for batch in batches) == whole.rows_read == len(table.rows)
    assert [batch.dropped for batch in batches if batch.dropped] == [whole.dropped] == [{"repeated_line": 1}]
    rows = pl.concat(batch.tables["product_identity"] for batch in batches[1:])
    assert rows.equals(whole.tables["product_identity"]) and rows["brand_name"][-1].startswith("Gm\xfcnd")
    assert whole.rejected is not None and whole.rejected.height == 1
    assert pl.concat(batch.rejected for batch in batches if batch.rejected is not None).equals(whole.rejected)


def test_a_list_without_a_day_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="the day of the list"):
        parsed(tmp_path, cut(), name="product.txt")
    with pytest.raises(LayoutError, match="UTF-16"):
        parsed(tmp_path, cut(), encoding="utf-16")


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_a_damaged_file_gives_right_rows_or_a_named_error(damage: Damage, tmp_path: Path) -> None:
    table = cut()
    right, _ = conformed(parsed(tmp_path, table))
    touched = damage.apply(table)
    try:
        result = parsed(tmp_path, table)
        rows, bad = conformed(result)
    except IngestError:
        return
    facts = ["brand_name", "ingredient_name", "holder_name", "modality_evidence", "approved_on"]
    wrong = rows.select(facts).join(right.select(facts), on=facts, how="anti", nulls_equal=True)
    if touched is None:
        assert wrong.is_empty() and rows.height == right.height
    else:
        assert rows.height + bad.height == right.height and wrong.height <= 1
        assert set(rows["approved_on"]) <= set(right["approved_on"])
