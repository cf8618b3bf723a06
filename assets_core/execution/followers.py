"""Keep the readers of the journal close behind a run: the DuckDB index and the lineage events.

Owned by `materialize.py` while a plan runs. A follower that cannot go on now (its file is held by somebody) catches
up later: the journal is the truth, and nothing is lost.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from catalog.errors import CatalogBusy

_PAUSE_SECONDS = 2.0

Follower = Callable[[], object]
"""Takes in what the journal has gained since the last call."""


class Followers:
    """Calls every follower now and then on a thread of its own, and a last time when the block ends."""

    def __init__(self, followers: Sequence[Follower]) -> None:
        self._ended = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._follow, args=(follower,), name="assets-follower", daemon=True)
            for follower in followers
        ]

    def __enter__(self) -> Followers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._errors and error is None:
            raise self._errors[0]

    def _follow(self, follower: Follower) -> None:
        last = False
        while not last:
            last = self._ended.wait(_PAUSE_SECONDS)
            try:
                follower()
            except (CatalogBusy, OSError) as reason:
                if last:
                    sys.stderr.write(f"catalog: {reason}; the next command brings it up to date\n")
            except BaseException as error:  # noqa: BLE001  # raised on the main thread when the run has ended
                self._errors.append(error)
                return
