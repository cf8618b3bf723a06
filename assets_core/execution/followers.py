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

_PAUSE_SECONDS = 0.5

Follower = Callable[[], object]
"""Takes in what the journal has gained since the last call."""


class Followers:
    """Calls every follower now and then on a thread of its own, and a last time when the block ends."""

    def __init__(self, followers: Sequence[Follower]) -> None:
        self._followers = followers
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, name="assets-followers", daemon=True)

    def __enter__(self) -> Followers:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error
        self._catch_up(last=True)

    def _follow(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            try:
                self._catch_up(last=False)
            except BaseException as error:  # noqa: BLE001  # raised on the main thread when the run has ended
                self._error = error
                return

    def _catch_up(self, *, last: bool) -> None:
        for follower in self._followers:
            try:
                follower()
            except CatalogBusy as busy:
                if last:
                    sys.stderr.write(f"catalog: {busy}; the next command brings it up to date\n")
