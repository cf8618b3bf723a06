"""Stop a run on Ctrl-C or SIGTERM without tearing a group of records: the first asks, the second does not wait.

Used by the coordinator around its loop.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody asked to stop. The loop looks at it between groups; a signal changes nothing else."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn signals into requests inside the block; only the main thread of a process is sent signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the form of a signal handler
        if self.asked:
            os._exit(130)  # whatever is half done is repaired by the next start, as after any crash
        self.asked = True
        os.write(2, b"stopping: running steps end first; once more to stop at once\n")  # safe inside a handler
