"""The executor port: where steps run. `in_process.py` is the default; `executors.py` picks one for each step.

Used by the coordinator, from one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ..steps.work import CellOutcome, StepOutcome, Work

Deliver = Callable[[StepOutcome | BaseException], None]
"""Takes an outcome, or an error of our own, which ends the run; may be called from any thread."""

WORKER_DIED = "WorkerDied"
TIMED_OUT = "TimedOut"
OUT_OF_MEMORY = "OutOfMemory"
CANCELLED = "Cancelled"


@dataclass(frozen=True, slots=True)
class Running:
    """A step at work, `since` when by the monotonic clock of this process."""

    work: Work
    since: float


class Executor(Protocol):
    """Made with a `Deliver`. Every submitted attempt is delivered exactly once, in any order, unless it was cancelled.

    A worker that dies is a failed attempt (`lost`), no failure of the executor.
    """

    slots: int
    """How many steps run at the same time."""

    backlog: int
    """How many steps are worth having ready for each slot beside the one that it runs."""

    def submit(self, work: Work) -> None:
        """Take a step; never blocks."""
        ...

    def resize(self, slots: int) -> None:
        """Change how many steps run at the same time; what runs goes on to its end."""
        ...

    def running(self) -> list[Running]:
        """Return the steps that run now, as far as that is known."""
        ...

    def cancel(self) -> list[Work]:
        """Drop the steps that have not begun, and return them; those that run are delivered."""
        ...

    def kill(self) -> None:
        """End the steps that run, where that can be done: they are delivered, as `CANCELLED`."""
        ...

    def close(self) -> None:
        """Give back what this holds; running steps end first."""
        ...


def lost(work: Work, error: str, message: str, started_at: datetime | None = None, seconds: float = 0.0) -> StepOutcome:
    """Return the outcome of a step that ended without one of its own: `error` is one of the kinds above."""
    cells = tuple(CellOutcome(ordinal, error=error, message=message, kinds=(error,)) for ordinal in work.ordinals)
    return StepOutcome(work, cells, started_at or datetime.now(UTC), seconds)
