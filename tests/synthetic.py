"""Synthetic files in publishers' layouts, as large as a benchmark needs them: seeded, and named synthetic.

`python -m tests.synthetic FOLDER ROWS [SEED]` writes trade rows. No figure in the files is anybody's.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingest import edgar, trade, vocabulary
from ingest.sources.cepii_baci.parse import REVISIONS

ROWS_PER_YEAR = 10_000_000
LAST_YEAR = 2022
_AREAS = 226
# Ranks of countries and commodities follow a power law; partners of one country are less unequal than countries.
_EXPORTER_TAIL, _PARTNER_TAIL, _PRODUCT_TAIL = 0.9, 0.8, 0.6
_LARGEST = ("CHN", "USA", "DEU", "JPN", "NLD", "FRA", "ITA", "GBR", "KOR", "CHE", "BEL", "IRL", "IND")
_UNKNOWN_QUANTITY = 0.03
_FACTS_AT_ONCE = 1_000_000


def write_baci(
    folder: Path,
    rows: int,
    *,
    seed: int = 20_260_101,
    revision: str = "17",
    rows_per_year: int = ROWS_PER_YEAR,
    products: int = 5_200,
) -> list[Path]:
    """Write synthetic files in the layout of BACI, one per year up to 2022; returns their paths, oldest year first.

    Exactly `rows` rows over all files, each exporter, importer, commodity and year at most once, in the order of the
    publisher's files. Countries and commodities follow heavy-tailed laws; the warehouse's commodities are among
    them, out of `products` in all. The same arguments give the same bytes. One exporter is held in memory at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    years = max(1, -(-rows // rows_per_year))
    paths = []
    for index in range(years):
        year = LAST_YEAR - years + 1 + index
        share = rows // years + (index < rows % years)
        path = folder / f"BACI_HS{revision}_Y{year}_V000000_synthetic.csv"
        _write_year(path, year, share, np.random.default_rng([seed, year]), _products(revision, products))
        paths.append(path)
    return paths


def write_fsds(folder: Path, rows: int, *, seed: int = 20_260_101) -> Path:
    """Write a synthetic quarter of the SEC's Financial Statement Data Sets with `rows` lines in `num.txt`; its path.

    A filing has some 600 facts; the shares of lengths, dimensions, industries and forms are about those of a recent
    quarter, and concepts follow a heavy-tailed law in which revenue and research are among the frequent ones. The
    same arguments give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "2024q1_synthetic.zip"
    random = np.random.default_rng(seed)
    filings = _filings(max(2, rows // 600), random)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(_member("sub.txt"), _tabs(filings))
        with archive.open(_member("num.txt"), "w", force_zip64=True) as member:
            for first in range(0, rows, _FACTS_AT_ONCE):
                count = min(_FACTS_AT_ONCE, rows - first)
                member.write(_tabs(_facts(filings, count, random), header=not first))
    return path


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2024, 4, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _tabs(frame: pl.DataFrame, *, header: bool = True) -> bytes:
    text = io.BytesIO()
    frame.write_csv(text, separator="\t", include_header=header, quote_style="never", null_value="")
    return text.getvalue()


def _filings(count: int, random: np.random.Generator) -> pl.DataFrame:
    is_medicine = random.random(count) < 0.08
    return pl.DataFrame(
        {
            "adsh": [f"0009{number:06d}-24-{number % 1_000_000:06d}" for number in range(count)],
            "cik": [str(9_000_000 + number) for number in range(count)],
            "name": [f"SYNTHETIC {number}" for number in range(count)],
            "sic": np.where(is_medicine, "2834", "7372"),
            "countryba": "US",
            "form": np.where(random.random(count) < 0.6, "10-K", "10-Q"),
            "period": "20231231",
            "fp": "FY",
            "filed": "20240215",
        }
    )


def _facts(filings: pl.DataFrame, count: int, random: np.random.Generator) -> pl.DataFrame:
    names = [concept.partition(":")[2] for concept in edgar.CONCEPTS if concept.startswith("us-gaap:")]
    tags = np.array([*names, *(f"SyntheticConcept{number}" for number in range(4_000))])
    weight = np.arange(1, len(tags) + 1, dtype=np.float64) ** -0.9
    filing = np.sort(random.integers(0, filings.height, count))
    has_segment = random.random(count) < 0.55
    named = np.char.add("ProductOrService=Synthetic", np.char.add(random.integers(0, 40, count).astype(str), ";"))
    return pl.DataFrame(
        {
            "adsh": filings["adsh"].to_numpy()[filing],
            "tag": tags[random.choice(len(tags), count, p=weight / weight.sum())],
            "version": "us-gaap/2023",
            "ddate": random.choice(["20231231", "20221231", "20211231"], count, p=[0.5, 0.35, 0.15]),
            "qtrs": random.choice(["0", "1", "2", "3", "4"], count, p=[0.45, 0.17, 0.06, 0.05, 0.27]),
            "uom": random.choice(["USD", "shares", "pure"], count, p=[0.88, 0.08, 0.04]),
            "segments": np.where(has_segment, named, ""),
            "coreg": "",
            "value": np.char.add(random.integers(0, 10**9, count).astype(str), ".0000"),
            "footnote": "",
        }
    )


def _write_year(path: Path, year: int, rows: int, random: np.random.Generator, products: NDArray[np.int64]) -> None:
    areas = _areas()
    tail = np.arange(1, len(areas) + 1, dtype=np.float64)
    partner_weight = tail**-_PARTNER_TAIL
    # Which commodity is traded most is the same in every year, and no matter of its code.
    product_weight = np.random.default_rng(len(products)).permutation(
        np.arange(1, len(products) + 1, dtype=np.float64) ** -_PRODUCT_TAIL
    )
    order = np.argsort(areas)
    per_exporter = _shares(tail**-_EXPORTER_TAIL, rows, (len(areas) - 1) * len(products))
    with path.open("wb") as target:
        target.write(b"t,i,j,k,v,q\n")
        for rank in order:
            count = int(per_exporter[rank])
            if not count:
                continue
            partners = order[order != rank]
            weight = np.outer(partner_weight[partners], product_weight).ravel().astype(np.float32)
            # The first to arrive of exponential clocks: a weighted sample without repetition.
            clock = random.standard_exponential(weight.size, dtype=np.float32) / weight
            cells = np.sort(np.argpartition(clock, count - 1)[:count])
            where, which = np.divmod(cells, len(products))
            _exporter(year, int(areas[rank]), areas[partners][where], products[which], random).write_csv(
                target, include_header=False
            )


def _exporter(
    year: int, exporter: int, partners: NDArray[np.int64], products: NDArray[np.int64], random: np.random.Generator
) -> pl.DataFrame:
    count = len(partners)
    value = np.maximum(np.round(random.lognormal(2.5, 2.6, count), 3), 0.001)
    # Thousandths of a tonne, so that the text has three decimals as the publisher's has.
    grams = np.maximum(value * random.lognormal(-1.5, 1.5, count) * 1000, 1).astype(np.int64)
    known = random.random(count) >= _UNKNOWN_QUANTITY
    milli = pl.col("milli")
    tonnes = pl.concat_str((milli // 1000).cast(pl.String), pl.lit("."), (milli % 1000).cast(pl.String).str.zfill(3))
    return pl.DataFrame({"j": partners, "k": products, "v": value, "milli": grams, "known": known}).select(
        pl.lit(year).alias("t"),
        pl.lit(exporter).alias("i"),
        "j",
        "k",
        "v",
        pl.when("known").then(tonnes).otherwise(pl.lit("NA")).str.pad_start(13).alias("q"),
    )


def _shares(weight: NDArray[np.float64], rows: int, most: int) -> NDArray[np.int64]:
    """Whole numbers that add up to `rows`, about in proportion to the weights; none beyond 90 % of `most` cells."""
    if rows > 0.5 * most * len(weight):
        raise ValueError(f"a year cannot hold {rows:,} different flows between {len(weight)} countries")

    def expected(factor: float) -> NDArray[np.float64]:
        return 0.9 * most * (1 - np.exp(-factor * weight))

    low, high = 0.0, 1.0
    while expected(high).sum() < rows:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle).sum() < rows else (low, middle)
    shares = np.floor(expected(low)).astype(np.int64)
    # What rounding left over: a row for each of the first ranks.
    shares[: rows - int(shares.sum())] += 1
    return shares


def _areas() -> NDArray[np.int64]:
    """Numeric codes of 226 countries by rank: a few large ones first, the others in an order without meaning."""
    codes = dict(
        trade.area_map("comtrade_area")
        .filter((pl.col("kind") == "country") & pl.col("iso3").is_in(vocabulary.country_codes()))
        .group_by("iso3")
        .agg(pl.col("code").cast(pl.Int64).max())
        .iter_rows()
    )
    others = np.random.default_rng(_AREAS).permutation(sorted(set(codes) - set(_LARGEST)))
    return np.array([codes[iso3] for iso3 in (*_LARGEST, *others)][:_AREAS], dtype=np.int64)


def _products(revision: str, count: int) -> NDArray[np.int64]:
    """Commodity codes in ascending order: those that the warehouse asks for, and made ones of all chapters."""
    named = (
        vocabulary.table("commodity_basket_code")
        .filter((pl.col("hs_revision") == REVISIONS[revision]) & pl.col("hs_code").str.contains(r"^\d{6}$"))
        .get_column("hs_code")
        .cast(pl.Int64)
        .to_list()
    )
    headings = {int(heading) for heading in trade.HEADINGS}
    wanted = {*named, *(heading * 100 + 90 for heading in headings - {code // 100 for code in named})}
    every = [code for code in range(10_110, 979_999, 100) if code // 100 not in headings]
    chosen = np.linspace(0, len(every) - 1, count - len(wanted)).astype(np.int64)
    return np.array(sorted({*wanted, *(every[index] for index in chosen)}), dtype=np.int64)


if __name__ == "__main__":
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20_260_101
    for written in write_baci(Path(sys.argv[1]), int(sys.argv[2]), seed=seed):
        print(written)
