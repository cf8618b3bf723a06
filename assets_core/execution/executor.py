"""The executor port: where steps run. `in_process.py` is the default.

Used by the coordinator in `run.py`, from one thread.
"""

from __future__ import annotations

from typing import Protocol

from .step import StepOutcome, Work


class Executor(Protocol):
    """Four methods. Every submitted work comes back exactly once, as an outcome, in any order, unless cancelled."""

    @property
    def slots(self) -> int:
        """Return how many steps run at the same time."""
        ...

    def submit(self, work: Work) -> None:
        """Take a step; never blocks."""
        ...

    def wait(self, seconds: float) -> list[StepOutcome]:
        """Return every outcome that is there; none where none came within so many seconds."""
        ...

    def cancel(self) -> int:
        """Drop the steps that have not begun; return how many. Those that run come back through `wait`."""
        ...

    def close(self) -> None:
        """Give back what this holds; running steps end first."""
        ...
