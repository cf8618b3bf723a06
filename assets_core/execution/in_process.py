"""The default executor: threads of this process. polars, DuckDB and Arrow leave the interpreter to others at work."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

from .step import StepOutcome, Work, Workshop, run_step

_KEPT_FUTURES = 64  # for each slot, before those that are done are dropped


class Threads:
    """Runs steps on `slots` threads that share one workshop."""

    def __init__(self, workshop: Workshop, slots: int) -> None:
        self.slots = slots
        self._workshop = workshop
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="assets-step")
        self._futures: list[Future[None]] = []
        self._outcomes: SimpleQueue[StepOutcome | BaseException] = SimpleQueue()

    def submit(self, work: Work) -> None:
        if len(self._futures) > _KEPT_FUTURES * self.slots:
            self._futures = [future for future in self._futures if not future.done()]
        self._futures.append(self._pool.submit(self._run, work))

    def _run(self, work: Work) -> None:
        try:
            self._outcomes.put(run_step(work, self._workshop))
        except BaseException as error:  # noqa: BLE001  # handed to the coordinator, which raises it
            self._outcomes.put(error)

    def wait(self, seconds: float) -> list[StepOutcome]:
        try:
            found = [self._outcomes.get(timeout=seconds) if seconds else self._outcomes.get_nowait()]
        except Empty:
            return []
        while True:
            try:
                found.append(self._outcomes.get_nowait())
            except Empty:
                break
        outcomes: list[StepOutcome] = []
        for item in found:
            if isinstance(item, BaseException):
                raise item
            outcomes.append(item)
        return outcomes

    def cancel(self) -> int:
        return sum(future.cancel() for future in self._futures)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
