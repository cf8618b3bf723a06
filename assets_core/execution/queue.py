"""Which cells of a plan may start: how many upstream cells each still waits for, which are ready, which are blocked.

Owned by the coordinator in `run.py`. Works on arrays of positions in each asset's steps; it must not know what a step
does.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..model.asset import Asset
from ..model.keys import AssetKey
from ..planning.intervals import Flags, Intervals
from ..planning.plan import AssetSteps, Plan
from ..versions.recipe import Ordinals

_WAITING, _READY, _SETTLED, _BLOCKED = 0, 1, 2, 3


@dataclass(slots=True)
class _AssetQueue:
    """The cells of one asset that the plan wants to run; arrays are parallel to `ordinals`."""

    steps: AssetSteps
    rank: int
    ordinals: Ordinals
    waits_for: Ordinals
    status: np.ndarray
    unsettled: int
    readers: list[_Reader] = field(default_factory=list)
    batch_ready: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Reader:
    """A downstream's cells and what each reads; `advance`: a few upstream cells are read by neighbours only."""

    queue: _AssetQueue
    reads: Intervals
    advance: bool


class StepQueue:
    """Gives out ready cells, deepest assets first, so that what was just made is read while it is still in memory."""

    def __init__(self, plan: Plan) -> None:
        self._queues: dict[AssetKey, _AssetQueue] = {}
        self._heap: list[tuple[int, int, AssetKey]] = []
        for rank, steps in enumerate(plan.steps):
            ordinals = steps.runnable
            if len(ordinals):
                self._add(plan, steps, rank, ordinals)
        for queue in self._queues.values():
            self._make_ready(queue, np.flatnonzero(queue.waits_for == 0))

    def _add(self, plan: Plan, steps: AssetSteps, rank: int, ordinals: Ordinals) -> None:
        count = len(ordinals)
        queue = _AssetQueue(steps, rank, ordinals, np.zeros(count, np.int64), np.zeros(count, np.int8), count)
        positions = ordinals - plan.world.states[steps.asset.key].first
        for edge in steps.asset.edges:
            upstream = self._queues.get(edge.upstream)
            if upstream is None:
                continue
            reads = plan.world.reads(steps.asset, edge).take(positions)
            upstream.readers.append(_Reader(queue, reads, reads.advance()))
            queue.waits_for += self._numbers(reads, upstream.ordinals)
        self._queues[steps.asset.key] = queue

    @staticmethod
    def _numbers(reads: Intervals, ordinals: Ordinals) -> Ordinals:
        """Return how many of some upstream ordinals each cell reads."""
        if not len(ordinals):
            return np.zeros(len(reads.counts()), np.int64)
        low = int(min(reads.low.min(initial=ordinals[0]), ordinals[0]))
        high = int(max(reads.high.max(initial=ordinals[-1] + 1), ordinals[-1] + 1))
        flags: Flags = np.zeros(high - low, np.bool_)
        flags[ordinals - low] = True
        return reads.numbers(flags, low)

    @property
    def unsettled(self) -> int:
        """Return how many cells are neither settled nor blocked."""
        return sum(queue.unsettled for queue in self._queues.values())

    def take(self, limit: int) -> list[tuple[Asset, Ordinals]]:
        """Return up to `limit` ready cells, asset by asset (of a batched one all that are ready)."""
        found: list[tuple[Asset, Ordinals]] = []
        while self._heap and limit > 0:
            _, _, key = self._heap[0]
            queue = self._queues[key]
            taken: list[int] = []
            while self._heap and self._heap[0][2] == key and (queue.steps.asset.batch or len(taken) < limit):
                taken.append(heapq.heappop(self._heap)[1])
            found.append((queue.steps.asset, np.array(sorted(taken), np.int64)))
            limit -= len(taken)
        return found

    def put_back(self, key: AssetKey, ordinal: int) -> None:
        """Make a cell that was taken ready again."""
        heapq.heappush(self._heap, (-self._queues[key].rank, ordinal, key))

    def _make_ready(self, queue: _AssetQueue, positions: Ordinals) -> None:
        queue.status[positions] = _READY
        ordinals = queue.ordinals[positions].tolist()
        if queue.steps.asset.batch:
            queue.batch_ready.extend(ordinals)
            if (queue.status == _WAITING).any():
                return
            ordinals, queue.batch_ready = queue.batch_ready, []
        for ordinal in ordinals:
            heapq.heappush(self._heap, (-queue.rank, ordinal, queue.steps.asset.key))

    def settle(self, key: AssetKey, ordinals: Ordinals) -> None:
        """Note that cells are done (made, judged or found fresh): their readers wait for one less."""
        queue = self._queues[key]
        queue.status[np.searchsorted(queue.ordinals, ordinals)] = _SETTLED
        queue.unsettled -= len(ordinals)
        for reader in queue.readers:
            downstream, span, reads = reader.queue, slice(None), reader.reads
            if reader.advance:
                span = reads.span(int(ordinals.min()), int(ordinals.max()) + 1)
                reads = Intervals(reads.low[span], reads.high[span])
            numbers = self._numbers(reads, np.sort(ordinals))
            waits = downstream.waits_for[span]
            waits -= numbers
            ready = np.flatnonzero((numbers > 0) & (waits == 0) & (downstream.status[span] == _WAITING))
            if len(ready):
                self._make_ready(downstream, ready + (span.start or 0))

    def fail(self, key: AssetKey, ordinals: Ordinals) -> Iterator[tuple[Asset, Ordinals]]:
        """Note that cells failed; yield, asset by asset, the waiting cells that this blocks, through all levels."""
        queue = self._queues[key]
        queue.status[np.searchsorted(queue.ordinals, ordinals)] = _SETTLED
        queue.unsettled -= len(ordinals)
        yield from self._block_readers(queue, ordinals)

    def _block_readers(self, queue: _AssetQueue, ordinals: Ordinals) -> Iterator[tuple[Asset, Ordinals]]:
        for reader in queue.readers:
            downstream = reader.queue
            reads_failed = self._numbers(reader.reads, np.sort(ordinals)) > 0
            hit = np.flatnonzero(reads_failed & (downstream.status == _WAITING))
            if not len(hit):
                continue
            downstream.status[hit] = _BLOCKED
            downstream.unsettled -= len(hit)
            blocked = downstream.ordinals[hit]
            yield downstream.steps.asset, blocked
            yield from self._block_readers(downstream, blocked)
            self._make_ready(downstream, np.zeros(0, np.int64))  # a batch may have waited for these only
