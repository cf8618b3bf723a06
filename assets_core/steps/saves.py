"""Store the cells of a batch, several at a time where that can be: to wait for a disk, or for a network, overlaps.

Used by `batches.py`. What is lazy, or may yet be changed by whoever made it, is stored at once, by who calls.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType

from ..io.streams import Stream
from ..model.asset import HandOff
from .failure import failed
from .saving import saved, stream_for
from .work import AtWork, CellOutcome

_AT_ONCE = 4
_WHOLE = {("polars", "DataFrame")}
_WHOLE_WHEN_ENDED = {*_WHOLE, ("pyarrow", "Table"), ("pyarrow", "RecordBatch"), ("pandas", "DataFrame")}


class Saves:
    """Takes what was made for each cell; `outcomes` waits for all of them, and tells them in their order.

    `has_ended`: what made the values is done, so that it changes none of them any more.
    """

    def __init__(self, at: AtWork, *, has_ended: bool) -> None:
        self._at = at
        self._has_ended = has_ended
        # A relation that a check is handed belongs to the connection of the step, which does one thing at a time.
        self._may_overlap = all(hand_off is not HandOff.DUCKDB for _, hand_off in at.runtime.checks)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="assets-save")
        self._room = threading.Semaphore(2 * _AT_ONCE)  # so that a generator is not far ahead, with all its frames
        self._outcomes: list[CellOutcome | Future[CellOutcome]] = []

    def __enter__(self) -> Saves:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)

    def add(self, ordinal: int, value: object) -> None:
        """Store what was made for a cell; an exception as the value is its failure."""
        try:
            if isinstance(value, BaseException):
                raise value
            stream = stream_for(self._at, value)
        except BaseException as error:  # noqa: BLE001  # also a panic of polars: it is of this cell alone
            self._outcomes.append(failed(self._at.work.asset, ordinal, error))
            return
        if not self._may_overlap or not self._is_whole(value):
            self._outcomes.append(_outcome(self._at, ordinal, stream))
            return
        self._room.acquire()
        future = self._pool.submit(copy_context().run, _outcome, self._at, ordinal, stream)
        future.add_done_callback(lambda _: self._room.release())
        self._outcomes.append(future)

    def note(self, outcome: CellOutcome) -> None:
        """Take the outcome of a cell for which there is nothing to store."""
        self._outcomes.append(outcome)

    def outcomes(self) -> list[CellOutcome]:
        return [each.result() if isinstance(each, Future) else each for each in self._outcomes]

    def _is_whole(self, value: object) -> bool:
        kind = type(value).__module__.partition(".")[0], type(value).__name__
        return self._at.runtime.makes_value or kind in (_WHOLE_WHEN_ENDED if self._has_ended else _WHOLE)


def _outcome(at: AtWork, ordinal: int, stream: Stream) -> CellOutcome:
    try:
        return saved(at, ordinal, stream)
    except BaseException as error:  # noqa: BLE001  # as above
        return failed(at.work.asset, ordinal, error)
