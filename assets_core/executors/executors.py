"""The executors of one run: each is opened when the first step needs it, all deliver into one queue.

Owned by the coordinator. A step runs where its asset says, else where the run says; one that may have to be ended from
outside, in a process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue

from ..model.asset import Asset
from ..steps.work import StepOutcome, Work
from .executor import Deliver, Executor, Running


class Executors:
    """`openers`: how to open each executor, by name; `default`: the name of the run's."""

    def __init__(self, openers: Mapping[str, Callable[[Deliver], Executor]], default: str) -> None:
        self._openers = openers
        self._default = default
        self._slots: int | None = None
        self._open: dict[str, Executor] = {}
        self._outcomes: SimpleQueue[StepOutcome | BaseException] = SimpleQueue()

    def name_of(self, asset: Asset) -> str:
        """Return where the steps of an asset run."""
        name = asset.handling.executor or self._default
        return "processes" if name == "threads" and asset.handling.is_bounded else name

    def get(self, name: str) -> Executor:
        """Return an executor, opened if it is not."""
        if name not in self._open:
            self._open[name] = self._openers[name](self._outcomes.put)
            if self._slots is not None:
                self._open[name].resize(self._slots)
        return self._open[name]

    def submit(self, work: Work) -> None:
        self.get(self.name_of(work.asset)).submit(work)

    def wait(self, seconds: float) -> list[StepOutcome]:
        """Return every outcome that is there; none where none came within so many seconds."""
        outcomes: list[StepOutcome] = []
        with suppress(Empty):
            item = self._outcomes.get(timeout=seconds) if seconds else self._outcomes.get_nowait()
            while True:
                if isinstance(item, BaseException):
                    raise item
                outcomes.append(item)
                item = self._outcomes.get_nowait()
        return outcomes

    @property
    def slots(self) -> int:
        """Return how many steps run at the same time, in all that are open."""
        return sum(executor.slots for executor in self._open.values())

    def room(self, name: str, given: int) -> int:
        """Return how many more steps an executor should have, `given` those it has: many at once or none."""
        executor = self.get(name)
        capacity = executor.slots * (1 + executor.backlog)
        return 0 if given > capacity // 2 else capacity - given

    def resize(self, slots: int) -> None:
        """Change how many steps run at the same time, in each executor."""
        self._slots = slots
        for executor in self._open.values():
            executor.resize(slots)

    def running(self) -> list[Running]:
        """Return the steps that run now, the longest first."""
        found = [running for executor in self._open.values() for running in executor.running()]
        return sorted(found, key=lambda running: running.since)

    def cancel(self) -> list[Work]:
        """Drop the steps that have not begun, and return them."""
        return [work for executor in self._open.values() for work in executor.cancel()]

    def kill(self) -> None:
        """End the steps that run, where that can be done."""
        for executor in self._open.values():
            executor.kill()

    def close(self) -> None:
        for executor in self._open.values():
            executor.close()
