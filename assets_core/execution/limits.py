"""How many steps may start now: of an asset, of a pool, of the whole run.

Owned by the coordinator. A slot of a pool is a locked file, so that all runs of a project share it, and the kernel
gives it back however its holder ends.
"""

from __future__ import annotations

import fcntl
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from catalog.errors import disk_errors

from ..model.asset import Asset
from ..model.keys import AssetKey
from ..steps.work import Work

Slots = tuple[int, ...]
"""Descriptors of locked files."""


class Pools:
    """The slots of each pool: files below `folder`, `sizes` of them."""

    def __init__(self, folder: Path, sizes: Mapping[str, int]) -> None:
        self._folder = folder
        self._sizes = sizes

    def take(self, pool: str, number: int) -> Slots | None:
        """Return some slots that are nobody's now; None where there are not so many."""
        taken: list[int] = []
        with disk_errors(self._folder):
            (self._folder / pool).mkdir(parents=True, exist_ok=True)
        for slot in range(self._sizes[pool]):
            if (descriptor := self._locked(self._folder / pool / str(slot))) is not None:
                taken.append(descriptor)
            if len(taken) == number:
                return tuple(taken)
        give_back(tuple(taken))
        return None

    def _locked(self, file: Path) -> int | None:
        with disk_errors(file):
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor


def give_back(slots: Slots) -> None:
    """Let others have some slots: the last descriptor of a locked file unlocks it."""
    for descriptor in slots:
        os.close(descriptor)


class Limits:
    """What the steps of one run hold."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._held: dict[tuple[int, int], Slots] = {}
        self._running: Counter[AssetKey] = Counter()
        self._reserved: dict[AssetKey, list[Slots]] = {}
        self._short: dict[str, int] = {}  # by pool: a step that weighs so much finds no room in it until `settle`

    def room(self, asset: Asset, wanted: int) -> int:
        """Return how many of so many steps of an asset may start; their slots are reserved until `settle`.

        Assets ask in the order of their urgency: behind one of which nothing can run for want of slots, lighter ones
        get none either, or it would wait until they are all done.
        """
        handling = asset.handling
        if handling.concurrency is not None:
            wanted = min(wanted, handling.concurrency - self._running[asset.key])
        if handling.pool is None or wanted <= 0:
            return max(wanted, 0)
        reserved = self._reserved.setdefault(asset.key, [])
        while len(reserved) < wanted and handling.weight < self._short.get(handling.pool, math.inf):
            if (slots := self._pools.take(handling.pool, handling.weight)) is not None:
                reserved.append(slots)
            else:
                self._short[handling.pool] = handling.weight if reserved or self._running[asset.key] else 1
        return min(len(reserved), wanted)

    def start(self, work: Work) -> bool:
        """Note that a step starts; False where there is no room for it."""
        asset = work.asset
        if self.room(asset, 1) < 1:
            return False
        self._running[asset.key] += 1
        self._held[work.step, work.attempt] = self._reserved[asset.key].pop() if asset.handling.pool else ()
        return True

    def end(self, work: Work) -> None:
        """Note that a step has ended, or will not start after all."""
        self._running[work.asset.key] -= 1
        give_back(self._held.pop((work.step, work.attempt)))

    def settle(self) -> None:
        """Give back what was reserved for steps that did not start."""
        for reserved in self._reserved.values():
            for slots in reserved:
                give_back(slots)
        self._reserved.clear()
        self._short.clear()

    def close(self) -> None:
        self.settle()
        for slots in self._held.values():
            give_back(slots)
        self._held.clear()
