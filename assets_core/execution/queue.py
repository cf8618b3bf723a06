"""Which cells of a plan may start: how many upstream cells each still waits for, which are ready, which are blocked.

Owned by the coordinator in `run.py`. Works on arrays of positions in each asset's steps; it must not know what a step
does.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from ..model.asset import Asset
from ..model.keys import AssetKey
from ..planning.chains import cells_in_sequence, chains_of, waits_of
from ..planning.intervals import Flags, Intervals
from ..planning.plan import AssetSteps, Plan
from ..versions.recipe import Ordinals

_WAITING, _READY, _SETTLED, _BLOCKED = 0, 1, 2, 3
_MICRO = 1_000_000


@dataclass(slots=True)
class _AssetQueue:
    """The cells of one asset that the plan wants to run; arrays are parallel to `ordinals`.

    `urgency`: ready cells of the least one are given out first. `is_batch`: all are given out at once, when none waits.
    `ready`: ordinals as a heap; `is_listed`: it stands among the assets that have some.
    """

    steps: AssetSteps
    urgency: tuple[int, int, int]
    is_batch: bool
    ordinals: Ordinals
    waits_for: Ordinals
    status: np.ndarray
    unsettled: int
    readers: list[_Reader] = field(default_factory=list)
    batch_ready: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    is_listed: bool = False


@dataclass(frozen=True, slots=True)
class _Reader:
    """A downstream's cells and what each reads; `advance`: a few upstream cells are read by neighbours only."""

    queue: _AssetQueue
    reads: Intervals
    advance: bool


class StepQueue:
    """Gives out ready cells: those of the highest priority first, then those on the longest chain, of equal ones the
    deepest, then by ordinal.

    A chain is measured from its first asset to its last, by `plan.seconds`: so a cell keeps its urgency while its chain
    gets shorter, and what was just made is read while it is still in memory. Where nothing is known of seconds, the
    deepest assets come first.
    """

    def __init__(self, plan: Plan) -> None:
        self._queues: dict[AssetKey, _AssetQueue] = {}
        self._listed: list[tuple[tuple[int, int, int], AssetKey]] = []  # assets with ready cells, as a heap
        lengths = _chain_lengths(plan)
        for rank, steps in enumerate(plan.steps):
            ordinals = steps.runnable
            if len(ordinals):
                urgency = (-steps.asset.handling.priority, -lengths.get(steps.asset.key, 0), -rank)
                self._add(plan, steps, urgency, ordinals)
        for queue in self._queues.values():
            self._make_ready(queue, np.flatnonzero(queue.waits_for == 0))

    def _add(self, plan: Plan, steps: AssetSteps, urgency: tuple[int, int, int], ordinals: Ordinals) -> None:
        count, asset = len(ordinals), steps.asset
        reads_itself = any(edge.upstream == asset.key for edge in asset.edges)
        waits_for, status = np.zeros(count, np.int64), np.zeros(count, np.int8)
        queue = _AssetQueue(steps, urgency, asset.batch and not reads_itself, ordinals, waits_for, status, count)
        self._queues[asset.key] = queue
        positions = ordinals - plan.world.states[asset.key].first
        for edge in asset.edges:
            upstream = self._queues.get(edge.upstream)
            if upstream is None:
                continue
            reads = plan.world.waits(asset, edge).take(positions)
            upstream.readers.append(_Reader(queue, reads, reads.advance()))
            queue.waits_for += self._numbers(reads, upstream.ordinals)

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

    @property
    def has_ready(self) -> bool:
        """Return whether there are cells that could be given out."""
        return bool(self._listed)

    def is_read(self, key: AssetKey) -> bool:
        """Return whether a cell of an asset is read by others that are to run."""
        return bool(self._queues[key].readers)

    def take(self, room: Callable[[Asset, int], int | None]) -> list[tuple[Asset, Ordinals]]:
        """Return ready cells, asset by asset: as many as there is `room` for, given an asset and a number of its steps;
        none of any more where it answers None.

        Of a batched asset, all that are ready are one step.
        """
        found: list[tuple[Asset, Ordinals]] = []
        passed: list[_AssetQueue] = []
        while self._listed:
            queue = self._queues[heapq.heappop(self._listed)[1]]
            queue.is_listed = False
            passed.append(queue)
            number = room(queue.steps.asset, 1 if queue.is_batch else len(queue.ready))
            if number is None:
                break
            if number > 0:
                count = len(queue.ready) if queue.is_batch else min(number, len(queue.ready))
                taken = [heapq.heappop(queue.ready) for _ in range(count)]
                found.append((queue.steps.asset, np.array(taken, np.int64)))
        for queue in passed:
            self._list(queue)
        return found

    def put_back(self, key: AssetKey, ordinal: int) -> None:
        """Make a cell that was taken ready again."""
        queue = self._queues[key]
        heapq.heappush(queue.ready, ordinal)
        self._list(queue)

    def _list(self, queue: _AssetQueue) -> None:
        if queue.ready and not queue.is_listed:
            queue.is_listed = True
            heapq.heappush(self._listed, (queue.urgency, queue.steps.asset.key))

    def _make_ready(self, queue: _AssetQueue, positions: Ordinals) -> None:
        queue.status[positions] = _READY
        ordinals = queue.ordinals[positions].tolist()
        if queue.is_batch:
            queue.batch_ready.extend(ordinals)
            if (queue.status == _WAITING).any():
                return
            ordinals, queue.batch_ready = queue.batch_ready, []
        for ordinal in ordinals:
            heapq.heappush(queue.ready, ordinal)
        self._list(queue)

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
        failed = np.searchsorted(self._queues[key].ordinals, ordinals)
        self._queues[key].status[failed] = _SETTLED
        self._queues[key].unsettled -= len(ordinals)
        lost = {key: np.zeros(len(self._queues[key].ordinals), np.bool_)}
        lost[key][failed] = True
        for reader_key, queue in self._queues.items():  # upstreams come first
            if reader_key not in lost:
                continue
            gone = lost.pop(reader_key)
            gone |= _behind(queue, gone)
            blocked = gone & (queue.status == _WAITING)
            if blocked.any():
                queue.status[blocked] = _BLOCKED
                queue.unsettled -= int(blocked.sum())
                yield queue.steps.asset, queue.ordinals[blocked]
                self._make_ready(queue, np.zeros(0, np.int64))  # a batch may have waited for these only
            for reader in queue.readers:
                if reader.queue is queue:
                    continue
                hit = self._numbers(reader.reads, queue.ordinals[gone]) > 0
                hit &= reader.queue.status == _WAITING
                if hit.any():
                    downstream = reader.queue.steps.asset.key
                    lost[downstream] = lost[downstream] | hit if downstream in lost else hit


def _behind(queue: _AssetQueue, gone: Flags) -> Flags:
    """Return which waiting cells of an asset that reads itself read a cell that is gone, through others of them too."""
    found = np.zeros(len(gone), np.bool_)
    own = [reader.reads for reader in queue.readers if reader.queue is queue]
    if not own:
        return found
    # Each cell reads earlier ones only: one way through all of them, with the number of cells gone before each.
    spans = [
        (
            np.searchsorted(queue.ordinals, reads.low).tolist(),
            np.searchsorted(queue.ordinals, reads.high).tolist(),
            range(len(gone) + 1) if reads.starts is None else reads.starts.tolist(),
        )
        for reads in own
    ]
    waiting = (queue.status == _WAITING).tolist()
    gone_before = [0]
    for position, is_gone in enumerate(gone.tolist()):
        if not is_gone and waiting[position] and gone_before[-1]:
            is_gone = found[position] = any(
                gone_before[highs[k]] > gone_before[lows[k]]
                for lows, highs, starts in spans
                for k in range(starts[position], starts[position + 1])
            )
        gone_before.append(gone_before[-1] + is_gone)
    return found


def _chain_lengths(plan: Plan) -> dict[AssetKey, int]:
    """Return how long the longest chain through each asset takes, where it is known what some of them take."""
    waits = waits_of(plan)
    known = [plan.seconds[key] for key in waits if key in plan.seconds]
    if not known:
        return {}
    takes = {
        steps.asset.key: round(plan.seconds.get(steps.asset.key, median(known)) * cells_in_sequence(steps) * _MICRO)
        for steps in plan.steps
        if steps.asset.key in waits
    }
    chains = chains_of(waits, takes)
    return {key: chains.through(key) for key in waits}
