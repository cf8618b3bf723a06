"""How far a run is, told on stderr while it goes on: a live view on a terminal, else a line now and then.

Used by `execute.py` and by the view. It must not know how a run works, and imports nothing that takes time.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from ..model.run import AssetProgress, Progress
from .output import cells_text, say

if TYPE_CHECKING:
    from catalog.records import Record

_SECONDS_BETWEEN_LINES = 5.0
_RECENT_SECONDS = 10.0
_RECENT_CELLS = 10
_FIRST_SECONDS = 1.0  # before that a rate says more about the start than about the cells
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class Watcher(Protocol):
    """Told of a run while it goes on. What steps print belongs on `stream` meanwhile."""

    stream: TextIO

    def __call__(self, progress: Progress) -> None: ...

    def records(self, records: Sequence[Record]) -> None: ...

    def close(self) -> None: ...


def watcher(*, terminal_is_taken: bool) -> Watcher:
    """Return the view for stderr as it is; `terminal_is_taken`: something else is printed there, line by line."""
    if sys.stderr.isatty() and os.environ.get("TERM") not in (None, "", "dumb", "unknown") and not terminal_is_taken:
        from rich.console import Console

        from .live import LiveView

        return LiveView(Console(file=sys.stderr))
    return PlainLines()


class PlainLines:
    """A line when a run begins, and one now and then while something changes; how it ended is the report's business."""

    def __init__(self) -> None:
        self.stream: TextIO = sys.stderr
        self._due = 0.0
        self._pace = Pace()
        self._said: tuple[object, ...] = ()

    def __call__(self, progress: Progress) -> None:
        if progress.seconds < self._due:
            return
        self._pace.note(progress)
        state = (progress.settled, notes(progress))
        if not self._said:
            say(f"run {progress.run}: {cells_text(progress.planned)} to see to")
        elif state != self._said:
            told = (f"{progress.settled:,}/{progress.planned:,} cells", counts(progress), self._pace.text(progress))
            say(", ".join(filter(None, (*told, *state[1]))))
        self._said = state
        self._due = progress.seconds + _SECONDS_BETWEEN_LINES

    def records(self, records: Sequence[Record]) -> None:
        """What failed is told at the end."""

    def close(self) -> None:
        """Nothing is left on the terminal that has to go."""


class Pace:
    """How quickly cells are done of late, and how long the others take at that.

    Of late: the last ten seconds, or as long as the last ten cells took. Blocked cells took no time and do not count.
    """

    def __init__(self) -> None:
        self._past = deque([(0.0, 0)])  # seconds, and how many cells were done then
        self._now = (0.0, 0)

    def note(self, progress: Progress) -> None:
        """Take in how far a run is now."""
        seconds, done = self._now = progress.seconds, progress.settled - progress.blocked
        past = self._past
        while len(past) > 1 and seconds - past[1][0] >= _RECENT_SECONDS and done - past[1][1] >= _RECENT_CELLS:
            past.popleft()
        if done != past[-1][1] and seconds - past[-1][0] >= 1.0:
            past.append(self._now)

    @property
    def cells_per_second(self) -> float | None:
        """Return the rate; None until something is known."""
        (then, done_then), (now, done) = self._past[0], self._now
        return None if now < _FIRST_SECONDS or done <= done_then else (done - done_then) / (now - then)

    def text(self, progress: Progress) -> str:
        """Return rate and time left in words, empty where nothing is known; a paused run has no time left to tell."""
        rate = self.cells_per_second
        if rate is None:
            return ""
        left = progress.planned - progress.settled
        return rate_text(rate) if progress.paused or not left else f"{rate_text(rate)}, {duration(left / rate)} left"


def rate_text(cells_per_second: float) -> str:
    """Return a rate in the unit in which it is at least about one."""
    for unit, seconds in (("s", 1), ("min", _MINUTE), ("h", _HOUR)):
        cells = cells_per_second * seconds
        if cells >= 0.95 or unit == "h":
            break
    return f"{cells:,.0f}/{unit}" if cells >= 9.95 else f"{cells:.1f}/{unit}"


def duration(seconds: float) -> str:
    """Return a time in its two largest units."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _DAY:,} d {whole % _DAY // _HOUR} h"


def counts(counted: Progress | AssetProgress) -> str:
    """Return what became of cells, what is bad first, without what there is none of."""
    numbers = (
        (counted.failed, "failed"),
        (counted.blocked, "blocked"),
        (counted.made, "made"),
        (counted.fresh, "fresh"),
    )
    return ", ".join(f"{number:,} {word}" for number, word in numbers if number)


def notes(progress: Progress) -> tuple[str, ...]:
    """Return what else is to be said of a run."""
    return (
        *(("paused",) if progress.paused else ()),
        *((f"{progress.retrying:,} to be tried again",) if progress.retrying else ()),
        *((f"{progress.waiting:,} waiting for another run or for a slot",) if progress.waiting else ()),
    )
