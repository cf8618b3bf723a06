"""The default executor: threads of this process. polars, DuckDB and Arrow leave the interpreter to others at work."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue

from ..steps.step import run_step
from ..steps.work import Work, Workshop
from .executor import Deliver, Running


class Threads:
    """Runs steps on `slots` threads that share one workshop; threads are started as steps come."""

    backlog = 15  # so that one group of records covers several steps

    def __init__(self, workshop: Workshop, slots: int, deliver: Deliver) -> None:
        self.slots = slots
        self._workshop = workshop
        self._deliver = deliver
        self._works: SimpleQueue[Work | None] = SimpleQueue()
        self._threads: dict[int, threading.Thread] = {}
        self._running: dict[int, Running] = {}

    def submit(self, work: Work) -> None:
        self._works.put(work)
        self._hire(1)

    def resize(self, slots: int) -> None:
        self.slots = slots
        self._hire(self._works.qsize())

    def _hire(self, wanted: int) -> None:
        """Start so many more threads, as far as there are slots."""
        for number in [number for number in range(self.slots) if number not in self._threads][:wanted]:
            thread = threading.Thread(target=self._serve, args=(number,), name=f"assets-step_{number}")
            self._threads[number] = thread
            thread.start()

    def _serve(self, number: int) -> None:
        while (work := self._works.get()) is not None:
            if number >= self.slots:  # there are to be fewer: somebody else takes it
                del self._threads[number]
                self._works.put(work)
                return
            self._running[number] = Running(work, time.monotonic())
            try:
                self._deliver(run_step(work, self._workshop))
            except BaseException as error:  # noqa: BLE001  # handed to the coordinator, which raises it
                self._deliver(error)
            del self._running[number]

    def running(self) -> list[Running]:
        return list(self._running.copy().values())

    def cancel(self) -> list[Work]:
        dropped: list[Work] = []
        with suppress(Empty):
            while (work := self._works.get_nowait()) is not None:
                dropped.append(work)
        return dropped

    def kill(self) -> None:
        """End the commands that run. A thread cannot be ended from outside: any other step ends by itself."""
        self._workshop.commands.end()

    def close(self) -> None:
        self.cancel()
        threads = list(self._threads.values())
        for _ in threads:
            self._works.put(None)
        for thread in threads:
            thread.join()
