"""How many steps go to a Dask worker at once: about a second of work, by what steps of the same asset have taken.

Owned by `on_dask.py`, which adds steps from one thread and packs them in another. It must not know Dask.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..model.keys import AssetKey
from ..steps.work import StepOutcome, Work

BATCH_SECONDS = 1.0
LONGEST_BATCH = 512  # steps
_LEAST_BACKLOG, _MOST_BACKLOG = 8, 256


@dataclass(frozen=True, slots=True)
class Given:
    """A step as it crosses. `is_alone`: it was in a batch that was lost, so it is tried once more, by itself."""

    work: Work
    text: str
    is_alone: bool = False


@dataclass(slots=True, eq=False)
class Batch:
    """Steps on their way. `ended`: why they are not waited for any more, as kind and message."""

    given: tuple[Given, ...]
    since: float = field(default_factory=time.monotonic)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: tuple[str, str] | None = None


class Waiting:
    """The steps that are in no batch yet, in their order, and what is known of how long such steps take."""

    def __init__(self) -> None:
        self.backlog = _LEAST_BACKLOG
        """How many steps are worth having for each slot: so many that a batch can be long enough."""
        self.added_at = 0.0
        """When the last one came, by the monotonic clock."""
        self._lock = threading.Lock()
        self._given: deque[Given] = deque()
        self._taken: dict[AssetKey, tuple[float, int]] = {}  # seconds, by how many steps of an asset

    def __len__(self) -> int:
        return len(self._given)

    def add(self, given: Given) -> bool:
        """Take a step; return whether it is the only one."""
        with self._lock:
            self._given.append(given)
            self.added_at = time.monotonic()
            return len(self._given) == 1

    def add_again(self, given: Sequence[Given]) -> None:
        """Take the steps of a batch that was lost, to be tried before all others, each by itself."""
        with self._lock:
            self._given.extendleft(replace(one, is_alone=True) for one in reversed(given))

    def clear(self) -> list[Work]:
        """Drop all steps, and return them."""
        with self._lock:
            dropped = [given.work for given in self._given]
            self._given.clear()
        return dropped

    def pack(self, slots: int) -> tuple[Given, ...]:
        """Take steps for one batch, so many that as many are left for each other slot; none where there is none."""
        packed: list[Given] = []
        with self._lock:
            most = min(LONGEST_BATCH, math.ceil(len(self._given) / max(1, slots)))
            seconds = 0.0
            while self._given and len(packed) < most:
                seconds += self._expected(self._given[0])
                if packed and seconds > BATCH_SECONDS:
                    break
                packed.append(self._given.popleft())
        return tuple(packed)

    def _expected(self, given: Given) -> float:
        """Return how long a step may take; what is not known is taken for long."""
        seconds, number = self._taken.get(given.work.asset.key, (0.0, 0))
        return seconds / number if number and not given.is_alone else 2 * BATCH_SECONDS

    def learn(self, outcome: StepOutcome) -> None:
        """Take note of how long a step has taken."""
        key = outcome.work.asset.key
        seconds, number = self._taken.get(key, (0.0, 0))
        seconds, number = seconds + outcome.seconds, number + 1
        self._taken[key] = seconds, number
        of_a_batch = BATCH_SECONDS * number / max(seconds, 1e-6)
        self.backlog = int(min(_MOST_BACKLOG, max(_LEAST_BACKLOG, 2 * of_a_batch)))
