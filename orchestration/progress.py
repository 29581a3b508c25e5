"""Progress of a run as events, so that a terminal, a log and a report can follow the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class StepEvent:
    """A step has begun (`seconds` is None), is at `detail`, or has ended after `seconds`."""

    step: str
    detail: str = ""
    seconds: float | None = None


Progress = Callable[[StepEvent], None]


def silent(event: StepEvent) -> None:
    """Follow nothing."""


@contextmanager
def timed(progress: Progress, step: str, detail: str = "") -> Iterator[None]:
    """Report the beginning and, with its duration in seconds, the end of a step, even of one that fails."""
    progress(StepEvent(step, detail))
    started = time.perf_counter()
    try:
        yield
    finally:
        progress(StepEvent(step, detail, time.perf_counter() - started))


class Stopwatch:
    """A follower that adds up the seconds of each step, and passes events on."""

    def __init__(self, progress: Progress = silent) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    def __call__(self, event: StepEvent) -> None:
        """Take in an event."""
        if event.seconds is not None:
            self.seconds[event.step] = self.seconds.get(event.step, 0.0) + event.seconds
        self._progress(event)
