"""Readers beside a run: `python -m tests.bench_readers HOME SECONDS SEED` asks a question a second."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from ingest.settings import Settings
from orchestration import reader
from tests.examples import DOCUMENT, examples

PAUSE_SECONDS = 1.0


def main() -> None:
    """Ask the documented questions in turn until the time is over; seconds of each, as JSON."""
    settings, until = Settings(home=Path(sys.argv[1])), time.monotonic() + float(sys.argv[2])
    questions = [sql for sql, _ in examples(DOCUMENT.read_text(encoding="utf-8"))]
    order = random.Random(sys.argv[3])
    taken = []
    with reader.open_release(reader.current_dir(settings)) as connection:
        for sql in questions:
            # The first time, a question is read from the disk and not asked of the engine alone.
            connection.execute(sql).fetchall()
        while time.monotonic() < until:
            time.sleep(order.random() * 2 * PAUSE_SECONDS)
            started = time.perf_counter()
            connection.execute(order.choice(questions)).fetchall()
            taken.append(time.perf_counter() - started)
    sys.stdout.write(json.dumps(taken))


if __name__ == "__main__":
    main()
