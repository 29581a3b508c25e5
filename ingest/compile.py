"""Compile a publisher source's share of the bundled edition from files at hand.

    python -m ingest.compile SOURCE --accessed-on 2026-11-22 --edition FILE... [--edition FILE...]

Each `--edition` names the files of one edition (for `mhlw_ndb` all workbooks of one fiscal year). The files pass
their gates, are parsed and trimmed by the source, and are written as reviewable CSV; the same files give the same
bytes. Run it again whenever the parser, the vocabulary or the contract has changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ingest import edition, load, source
from ingest.errors import IngestError, SourceError


def compile_source(
    source_code: str,
    groups_of_files: Sequence[Sequence[Path]],
    *,
    accessed_on: date,
    published_on: date | None = None,
    target: Path | None = None,
) -> dict[str, int]:
    """Write a source's `edition/` folder (or `target`) from publishers' files; returns rows by canonical table.

    Each group is one edition. Its date of publication is the one that the files tell, else `published_on`;
    `accessed_on` is the day on which the files were obtained. Raises the named error of the gate, the parser or the
    contract, and SourceError where no date of publication is known or two groups renew the same partition on one day.
    """
    chosen = source.get(source_code)
    parts: list[edition.CompiledPart] = []
    for paths in groups_of_files:
        files = load.in_hand(chosen, paths)
        parsed = load.parse_files(chosen, files)
        names = ", ".join(file.name for file in files)
        before = {part.published_on for part in parts if part.parsed.partition == parsed.partition}
        for state in parsed.states:
            published = state.published_on or published_on
            if published is None:
                raise SourceError(
                    "the files do not tell when they were published",
                    file=names,
                    remedy="Give the date of publication.",
                )
            if published in before:
                raise SourceError(
                    f"two editions renew the partition {parsed.partition} on {published}",
                    file=names,
                    remedy="Give the files of one partition and day as one edition.",
                )
            if state.rejected is not None and state.rejected.height:
                first = state.rejected.row(0, named=True)
                raise SourceError(
                    f"{state.rejected.height} rows were rejected, first: {first['reason']} ({first['locator']})",
                    file=names,
                    remedy="Correct the parser, or the file, before compiling the edition.",
                )
            parts.append(edition.CompiledPart(files, state, published, accessed_on))
    return edition.compile_edition(chosen, parts, target or chosen.edition_dir)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ingest.compile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", help="code of the source")
    parser.add_argument("--accessed-on", type=date.fromisoformat, required=True, help="day the files were obtained")
    parser.add_argument("--published-on", type=date.fromisoformat, help="where the files themselves do not tell")
    parser.add_argument("--edition", type=Path, nargs="+", action="append", required=True, metavar="FILE")
    parser.add_argument("--to", type=Path, help="folder to write to; by default the source's own")
    chosen = parser.parse_args(arguments)
    try:
        counts = compile_source(
            chosen.source,
            chosen.edition,
            accessed_on=chosen.accessed_on,
            published_on=chosen.published_on,
            target=chosen.to,
        )
    except IngestError as error:
        sys.stderr.write(f"{error.text}\n")
        return 1
    for table, rows in counts.items():
        sys.stdout.write(f"{table}: {rows:,} rows\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
