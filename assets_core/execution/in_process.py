"""The default executor: threads of this process. polars, DuckDB and Arrow leave the interpreter to others at work."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from .executor import Deliver
from .step import Work, Workshop, run_step

_KEPT_FUTURES = 64  # for each slot, before those that are done are dropped


class Threads:
    """Runs steps on `slots` threads that share one workshop."""

    backlog = 16  # so that one group of records covers several steps

    def __init__(self, workshop: Workshop, slots: int, deliver: Deliver) -> None:
        self.slots = slots
        self._workshop = workshop
        self._deliver = deliver
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="assets-step")
        self._futures: dict[Future[None], Work] = {}

    def submit(self, work: Work) -> None:
        if len(self._futures) > _KEPT_FUTURES * self.slots:
            self._futures = {future: known for future, known in self._futures.items() if not future.done()}
        self._futures[self._pool.submit(self._run, work)] = work

    def _run(self, work: Work) -> None:
        try:
            self._deliver(run_step(work, self._workshop))
        except BaseException as error:  # noqa: BLE001  # handed to the coordinator, which raises it
            self._deliver(error)

    def cancel(self) -> list[Work]:
        return [work for future, work in self._futures.items() if future.cancel()]

    def kill(self) -> None:
        """A thread cannot be ended from outside: its step ends by itself."""

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
