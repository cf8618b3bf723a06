"""What other runs are doing meanwhile: which cells they have claimed, and what they have published.

Owned by the coordinator, which shows it every record that another process appends. It keeps the world up to date with
them; it must not know how this run's own steps are done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from catalog.records import Line, Record

from ..errors import TakenOver
from ..model.keys import AssetKey
from ..planning.intervals import Flags
from ..planning.world import World
from ..versions.recipe import Ordinals

_TELLING = frozenset(
    ("run_started", "claimed", "materialized", "published", "failed", "observed", "rolled_back", "run_ended")
)

Cells = list[tuple[AssetKey, int]]
"""Asset and ordinal."""


class OtherRuns:
    """The claims of the runs that go on beside `own`, by cell; cells that the world does not have are left out."""

    def __init__(self, world: World, own: str) -> None:
        self._world = world
        self._own = own
        self._claims: dict[AssetKey, dict[int, str]] = {}
        self._made: dict[tuple[str, str | None, str], Mapping[str, Any]] = {}
        self._ended: set[str] = set()
        self._atomic: dict[str, int] = {}
        self.moved_back: dict[AssetKey, set[int]] = {}
        """Cells of which a pointer was moved back: they must be read from the index again."""

    def holds(self, asset: AssetKey, ordinals: Ordinals) -> Flags:
        """Return which cells of an asset another run has claimed."""
        claims = self._claims.get(asset)
        if not claims:
            return np.zeros(len(ordinals), np.bool_)
        return np.array([ordinal in claims for ordinal in ordinals.tolist()], np.bool_)

    def runs(self, asset: AssetKey, ordinals: Iterable[int]) -> set[str]:
        """Return the runs that hold some cells of an asset."""
        claims = self._claims.get(asset, {})
        return {claims[ordinal] for ordinal in ordinals if ordinal in claims}

    def recall(self, records: Iterable[Record]) -> None:
        """Take in records that the world knows of already, for the claims in them."""
        for record in records:
            if record.kind in _TELLING and record.v == 1:
                self._take(record, is_known=True)

    def learn(self, lines: Sequence[Line]) -> Cells:
        """Take in records that others have appended; return the cells that are no longer claimed.

        Raises: TakenOver where one of them ended this run.
        """
        released: Cells = []
        for line in lines:
            if line.kind in _TELLING and line.v == 1:
                released += self._take(line.record(), is_known=False)
        return released

    def atomic_before(self, runs: Iterable[str], seq: int) -> list[str]:
        """Return those of some runs that publish all at their end, and that began before record `seq`."""
        return sorted(run for run in runs if self._atomic.get(run, seq) < seq)

    def is_open(self, run: str) -> bool:
        """Return whether no end of a run was seen."""
        return run not in self._ended

    def end(self, run: str) -> Cells:
        """Take note of the end of a run; return the cells that it had claimed."""
        if run == self._own:
            raise TakenOver(
                f"run {run} was taken for dead: another process has ended it, and its cells are free for others",
                remedy="run the same command again: what this run had published before stays published",
            )
        self._ended.add(run)
        self._made = {cell: made for cell, made in self._made.items() if made["run"] != run}
        freed = [(key, ordinal) for key, claims in self._claims.items() for ordinal in claims if claims[ordinal] == run]
        return self._release(freed)

    def _take(self, record: Record, *, is_known: bool) -> Cells:
        payload = record.payload
        match record.kind:
            case "run_started" if payload["atomic"]:
                self._atomic[payload["run"]] = record.seq
            case "claimed":
                for _, asset, cells in payload["steps"]:
                    for key, ordinal in self._found(asset, cells):
                        self._claims.setdefault(key, {})[ordinal] = payload["run"]
            case "materialized":
                self._made[payload["asset"], payload["partition"], payload["version"]] = payload
            case "failed":
                cells = self._found(payload["asset"], [payload["partition"]])
                for key, ordinal in cells if not is_known else ():
                    state = self._world.states[key]
                    state.cells.failed[ordinal - state.first] = True
                return self._release(cells)
            case "published":
                seq = None if is_known else record.seq
                return [cell for entry in payload["cells"] for cell in self._publish(seq, *entry)]
            case "observed" if not is_known:
                for key, ordinal in self._found(payload["asset"], [payload["partition"]]):
                    self._world.states[key].observe(ordinal, payload, record.seq)
            case "rolled_back" if not is_known:
                for asset, partition, _ in payload["cells"]:
                    for key, ordinal in self._found(asset, [partition]):
                        self.moved_back.setdefault(key, set()).add(ordinal)
            case "run_ended":
                return self.end(payload["run"])
        return []

    def _publish(self, seq: int | None, asset: str, partition: str | None, version: str, checks_version: str) -> Cells:
        """Make a version current in the world, unless the record that says so, `seq`, was known before (None)."""
        cells = self._found(asset, [partition])
        made = self._made.pop((asset, partition, version), None)
        if seq is not None:
            for key, ordinal in cells:
                state = self._world.states[key]
                if made is not None:
                    state.take(ordinal, made, seq)
                state.judge(ordinal, checks_version)
        return self._release(cells)

    def _release(self, cells: Cells) -> Cells:
        return [(key, ordinal) for key, ordinal in cells if self._claims.get(key, {}).pop(ordinal, None) is not None]

    def _found(self, asset: str, partitions: Iterable[str | None]) -> Cells:
        """Return the cells that the world has; definitions of another process may differ from those in use here."""
        key = AssetKey(asset)
        state = self._world.states.get(key)
        if state is None:
            return []
        ordinals = (state.ordinal(partition) for partition in partitions)
        return [(key, ordinal) for ordinal in ordinals if ordinal is not None]
