"""Parse rates on publishers' real bytes against a plain read of the same bytes: `python -m tests.bench_parse`.

Each measurement runs in a process of its own: CPU seconds (user and system, the median of three, since the clock on
a shared machine says more of its neighbours), and the peak memory of the parse beyond the imported program. The plain
read knows no header, no canonical row and no locator: Polars reads delimited text with the types that it infers,
fastexcel every sheet as text, the standard library JSON, lxml XML. Compressed files are unpacked in both.

Files of a few megabytes say little: most of their time is fixed. So the largest layouts are also measured on files
that repeat real rows under other keys, to five or fifty times as many (`synthetic`), which shows the ratio at size,
and whether memory stays flat.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import resource
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench_cost import cost
from tests.conftest import SHARED_DATA
from tests.sources.real_files import EDITIONS

_REPEATS = 3
# How many times the real rows are written: the smaller file has some 50 MB, the larger five to ten times as much.
_GROWN = {
    "cepii_baci": (24, 240),
    "eurostat_prodcom": (10, 50),
    "fda_ndc": (2, 4),
    "sec_fsds": (2, 20),
    "un_comtrade": (8, 80),
}


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix == ".gz":
        yield path.stem, gzip.decompress(path.read_bytes())
    elif zipfile.is_zipfile(path) and path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if Path(entry.filename).suffix.lower() in {".txt", ".csv", ".tsv"}:
                    yield entry.filename, archive.read(entry)
    else:
        yield path.name, path.read_bytes()


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
                    ignore_errors=True,
                    encoding="utf8-lossy",
                    truncate_ragged_lines=True,
                    quote_char='"' if separator == "," else None,
                )


def grown(code: str, times: int, folder: Path) -> list[Path]:
    """Files in which the real rows of a source stand so many times, under keys of their own where keys count."""
    first = SHARED_DATA / EDITIONS[code][0]
    if code == "sec_fsds":
        path = folder / "2010q2.zip"
        with (
            zipfile.ZipFile(first) as real,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made,
        ):
            for entry in real.infolist():
                header, _, rows = real.read(entry).partition(b"\n")
                with made.open(zipfile.ZipInfo(entry.filename, entry.date_time), "w") as target:
                    target.write(header + b"\n")
                    for _ in range(times if entry.filename == "num.txt" else 1):
                        target.write(rows)
        return [path]
    (name, content), *_ = _members(first)
    header, _, rows = content.partition(b"\n")
    path = folder / (name.removesuffix(".csv") + "_synthetic.csv" if name.endswith(".csv") else name)
    with path.open("wb") as target:
        target.write(header + b"\n")
        for number in range(times):
            # The first column of the list of drugs is the key of a listing; a repeated listing would be dropped.
            target.write(re.sub(rb"(?m)^(?=.)", b"synthetic%d-" % number, rows) if code == "fda_ndc" else rows)
    return [path]


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        started = _cpu()
        work()
        times.append(_cpu() - started)
    return statistics.median(times)


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(code: str, paths: list[Path], what: str) -> dict[str, float]:
    """CPU seconds and peak memory in megabytes of `parse` or `plain` of a source's files, and rows read."""
    from ingest import load, source

    chosen = source.get(code)
    files = load.in_hand(chosen, paths)
    before = _peak_megabytes()
    rows = 0

    def parse() -> None:
        nonlocal rows
        # What was read of a batch is dropped before the next, as the loader does.
        rows = sum(batch.rows_read for state in load.parse_files(chosen, files).states for batch in state.batches())

    work = {"parse": parse, "plain": lambda: plain_read(paths)}[what]
    return {"seconds": _median(work), "rows": rows, "peak": _peak_megabytes(), "before": before}


def _apart(code: str, paths: list[Path], what: str) -> dict[str, float]:
    """What `measure` finds in a process of its own, begun by a small one: peaks are inherited."""
    command = [sys.executable, "-m", "tests.bench_parse", code, what, *map(str, paths)]
    _, text = cost(command, Path(tempfile.gettempdir()) / "unused")
    found: dict[str, float] = json.loads(text.splitlines()[-1])
    return found


def _row(label: str, code: str, paths: list[Path]) -> str:
    parsed, plain = _apart(code, paths, "parse"), _apart(code, paths, "plain")
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    # Less than the clock of CPU time can tell is counted as what it can tell.
    seconds, plainly = max(parsed["seconds"], 0.005), max(plain["seconds"], 0.005)
    return (
        f"| {label} | {parsed['rows']:,.0f} | {megabytes:.2f} | {seconds:.2f} | {plainly:.2f} | "
        f"{seconds / plainly:.1f} | {parsed['rows'] / seconds:,.0f} | {parsed['peak']:.0f} | {plain['peak']:.0f} |"
    )


_HEAD = (
    "| source | rows | MB | parse s | plain read s | ratio | rows/s | peak MB | peak MB plain |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def main() -> None:
    """Measure all sources whose real files are at hand, and large files made of them; print Markdown tables."""
    present = {
        code: [SHARED_DATA / name for name in names]
        for code, names in sorted(EDITIONS.items())
        if all((SHARED_DATA / name).exists() for name in names)
    }
    print(_HEAD)
    for code, paths in present.items():
        print(_row(code, code, paths), flush=True)
    print("\n" + _HEAD)
    for code, sizes in _GROWN.items():
        for times in sizes:
            if code in present:
                with tempfile.TemporaryDirectory() as folder:
                    print(_row(f"{code} x {times}", code, grown(code, times, Path(folder))), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], [Path(name) for name in sys.argv[3:]], sys.argv[2])))
    else:
        main()
