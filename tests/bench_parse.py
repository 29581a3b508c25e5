"""Parse rates on publishers' real bytes against a plain read of the same bytes: `python -m tests.bench_parse`.

Each source runs in a process of its own; the best of three counts, since machines are noisy. The plain read does
nothing but read: Polars for delimited text (every column as text), fastexcel for workbooks (every sheet), the
standard library for JSON, lxml for XML. It knows no header, no canonical row and no locator.
"""

from __future__ import annotations

import gzip
import io
import json
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import SHARED_DATA
from tests.sources.real_files import EDITIONS

_REPEATS = 3


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    data = path.read_bytes()
    if path.suffix == ".gz":
        yield path.stem, gzip.decompress(data)
    elif zipfile.is_zipfile(path) and path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if Path(entry.filename).suffix.lower() in {".txt", ".csv", ".tsv"}:
                    yield entry.filename, archive.read(entry)
    else:
        yield path.name, data


def plain_read(paths: list[Path]) -> None:
    """Read files with the plain reader of their kind, and forget what was read."""
    import fastexcel
    import polars as pl
    from lxml import etree  # type: ignore[import-untyped]

    for path in paths:
        for name, data in _members(path):
            kind = Path(name).suffix.lower()
            if kind in {".xlsx", ".xls"}:
                book = fastexcel.read_excel(data)
                for sheet in book.sheet_names:
                    book.load_sheet(sheet, header_row=None, dtypes="string").to_polars()
            elif kind == ".json":
                json.loads(data)
            elif kind in {".xml", ".htm", ".html"}:
                etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
            else:
                first = data.split(b"\n", 1)[0]
                separator = max(("\t", ",", "~", "|"), key=lambda mark: first.count(mark.encode()))
                pl.read_csv(
                    io.BytesIO(data),
                    separator=separator,
                    infer_schema=False,
                    encoding="utf8-lossy",
                    truncate_ragged_lines=True,
                    quote_char='"' if separator == "," else None,
                )


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def measure(code: str) -> dict[str, object]:
    """Rows, megabytes, seconds of the parse and of the plain read, and peak memory in megabytes, of one source."""
    from ingest import load, source

    paths = [SHARED_DATA / name for name in EDITIONS[code]]
    chosen = source.get(code)
    files = load.in_hand(chosen, paths)
    rows = load.parse_files(chosen, files).rows_read
    parsed = _best(lambda: load.parse_files(chosen, files))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    plain = _best(lambda: plain_read(paths))
    return {
        "source": code,
        "rows": rows,
        "megabytes": round(sum(path.stat().st_size for path in paths) / 1e6, 2),
        "seconds": round(parsed, 3),
        "plain_seconds": round(plain, 3),
        "ratio": round(parsed / plain, 2),
        "rows_per_second": round(rows / parsed),
        "peak_megabytes": round(peak),
    }


def main() -> None:
    """Measure all sources whose real files are at hand and print a Markdown table."""
    print("| source | rows | MB | parse s | plain read s | ratio | rows/s | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for code, names in sorted(EDITIONS.items()):
        if not all((SHARED_DATA / name).exists() for name in names):
            print(f"| {code} | files not at hand | | | | | | |")
            continue
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench_parse", code], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"| {code} | failed: {done.stderr.strip().splitlines()[-1][:120]} | | | | | | |")
            continue
        found = json.loads(done.stdout.splitlines()[0])
        print(
            "| {source} | {rows:,} | {megabytes} | {seconds} | {plain_seconds} | {ratio} | {rows_per_second:,} | "
            "{peak_megabytes} |".format(**found)
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
