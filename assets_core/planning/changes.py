"""Which edges of which stale cells changed, and which upstream partitions: arrays, from what was and what is.

Used by `evidence.py` alone. What is stale is decided by both lanes of the recipe; one lane of an edge is enough here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..model.asset import Edge
from ..model.keys import AssetKey
from ..model.mapping import describe_mapping
from ..versions.recipe import Ordinals
from .digests import EdgeNow, narrowed
from .intervals import Flags, Intervals
from .plan_past import PlanPast
from .recorded import RecordedInputs
from .state import AssetState, layout_of
from .world import World


@dataclass(frozen=True, slots=True)
class EdgeChange:
    """One edge of some cells. `waits`: by what is decided what each reads.
    `changed`: it hands over something else now. `rewired`: by another declaration of it.
    `read_at`: the journal position as of which each cell had read it, 0 where it had not."""

    edge: Edge
    reads: Intervals
    waits: Intervals
    changed: Flags
    rewired: Flags
    read_at: Ordinals


@dataclass(frozen=True)
class InputChanges:
    """The edges of the stale cells of one asset; arrays are parallel to `positions`."""

    past: PlanPast
    state: AssetState
    positions: Ordinals
    is_changed: Flags

    @property
    def world(self) -> World:
        return self.past.plan.world

    @cached_property
    def recorded(self) -> RecordedInputs:
        return self.past.inputs_of(self.state.asset.key)

    @cached_property
    def edges(self) -> list[EdgeChange]:
        """Return every edge that hands something over."""
        return [self._edge(now) for now in self.past.digests.edges(self.state.asset, self.positions)]

    def _edge(self, now: EdgeNow) -> EdgeChange:
        name, count = now.edge.name, len(self.positions)
        waits = self.world.waits(self.state.asset, now.edge).take(self.positions)
        if not self.is_changed.any():
            nothing = np.zeros(count, np.bool_)
            return EdgeChange(now.edge, now.reads, waits, nothing, nothing, np.zeros(count, np.int64))
        rows = self.recorded.first_rows(name, len(self.state))[self.positions]
        has = rows >= 0
        then, read_at = np.zeros(count, np.uint64), np.zeros(count, np.int64)
        if has.any():
            then[has] = self.recorded.columns["digest"][rows[has]]
            read_at[has] = self.recorded.columns["as_of"][rows[has]]
        counted = now.digest
        if self.state.cells.narrowed[self.positions].any():
            counted = narrowed(self.world, now, *self.world.readings(self.state.asset.key).of(name, self.positions))
        changed = self.is_changed & (~has | (counted.a != then))
        return EdgeChange(now.edge, now.reads, waits, changed, changed & self._rewired(now.edge), read_at)

    def _rewired(self, edge: Edge) -> Flags:
        """Return for which cells the declaration in force when they were made did not have the edge as it is now."""
        now = (edge.upstream, describe_mapping(edge.mapping))
        known: list[bool] = []
        for declaration in self._declarations:
            then = {given["name"]: (given["asset"], given["mapping"]) for given in declaration["upstreams"]}
            known.append(then.get(edge.name) != now)
        return np.array([*known, False], np.bool_)[self._in_force]

    def no_longer_read(self) -> dict[str, Flags]:
        """Return, by the name of each edge that is gone, which cells had read it."""
        found: dict[str, Flags] = {}
        if self.is_changed.any():
            for name in sorted(set(self.recorded.names()) - {edge.name for edge in self.state.asset.edges}):
                rows = self.recorded.first_rows(name, len(self.state))[self.positions]
                found[name] = self.is_changed & (rows >= 0)
        return found

    @cached_property
    def _declarations(self) -> list[Mapping[str, Any]]:
        return [json.loads(document) for _, document in self._declared]

    @cached_property
    def _declared(self) -> list[tuple[int, str]]:
        declared = self.past.declarations.get(self.state.asset.key, ())
        return [(seq, document) for seq, document in declared if document is not None]

    @cached_property
    def _in_force(self) -> Ordinals:
        """Return for each cell the number of the declaration in force when it was made; -1 where none is known."""
        seqs = np.array([seq for seq, _ in self._declared], np.int64)
        made = np.zeros(len(self.state), np.int64)
        if len(self.recorded.cells):
            made[self.recorded.cells] = self.recorded.columns["seq"]
        if not made[self.positions].all():  # an asset that had no inputs
            made = np.where(made == 0, self.world.details(self.state.asset.key).made_by, made)
        return np.searchsorted(seqs, made[self.positions]) - 1

    def partitions(self, change: EdgeChange, index: Ordinals) -> tuple[Ordinals, Ordinals]:
        """Return the upstream ordinals, ascending, that some cells read and that have changed since these read them,
        and for each the first record as of which one of the cells read it."""
        upstream, reads = self.world.states[change.edge.upstream], change.reads.take(index)
        first, end = reads.hull()
        least = _least(reads, change.read_at[index], first, end - first)
        since = self._since(upstream.asset.key)[first - upstream.first : end - upstream.first]
        moved = np.flatnonzero(since > least)
        return first + moved, least[moved]

    def no_longer_there(self, change: EdgeChange, index: Ordinals) -> int:
        """Return how many partitions fewer an edge hands over to a cell than it did, at most: those of an upstream that
        was redefined."""
        then = np.zeros(len(self.state), np.int64)
        if len(self.recorded.cells) and change.edge.name in self.recorded.edges:
            rows = np.flatnonzero(self.recorded.columns["edge"] == self.recorded.edges.index(change.edge.name))
            counts = self.recorded.columns["end_ordinal"][rows] - self.recorded.columns["first_ordinal"][rows]
            np.add.at(then, self.recorded.cells[rows], counts)
        return max(0, int((then[self.positions[index]] - change.reads.take(index).counts()).max()))

    def columns(self, change: EdgeChange, index: Ordinals) -> list[str]:
        """Return the columns that changed of the partitions that have changed, of those that count for the cells."""
        upstream = self.world.states[change.edge.upstream]
        ordinals, read_at = self.partitions(change, index)
        if upstream.asset.is_external or not (0 < len(ordinals) <= _PARTITIONS_COMPARED) or not read_at.all():
            return []
        keys = [upstream.key(ordinal) for ordinal in ordinals.tolist()]
        names = self.world.past.changed_columns(change.edge.upstream, keys, read_at.tolist())
        if not self.state.cells.narrowed[self.positions[index]].all():
            return list(names)
        kinds, reads = self.world.readings(self.state.asset.key).of(change.edge.name, self.positions[index])
        counted = [reads[kind] for kind in np.unique(kinds).tolist()]
        return [name for name in names if any(one is None or one.with_schema or name in one.names for one in counted)]

    @cached_property
    def _sinces(self) -> dict[AssetKey, Ordinals]:
        return {}

    def _since(self, key: AssetKey) -> Ordinals:
        """Return the journal position from which on each cell of an upstream has the version that it has now."""
        if key not in self._sinces:
            self._sinces[key] = self._make_since(self.world.states[key])
        return self._sinces[key]

    def _make_since(self, upstream: AssetState) -> Ordinals:
        key = upstream.asset.key
        since = upstream.cells.position.copy()
        if upstream.asset.is_external:  # what is seen and not recorded is newer than any record
            return since
        rows = self.past.since(key)
        if rows is not None:
            at, cells = layout_of(upstream).positions(rows)
            since[cells] = rows["since"][at]
        return since


_PARTITIONS_COMPARED = 1_000  # column by column, at most

_NEVER = np.iinfo(np.int64).max


def _least(reads: Intervals, values: Ordinals, first: int, count: int) -> Ordinals:
    """Return for each of `count` ordinals the least value of the cells that read it, the greatest number where none do.

    Each interval is covered by two of a length that is a power of two; these are halved until they are single ordinals.
    """
    low, high = reads.low - first, reads.high - first
    if reads.starts is not None:
        values = np.repeat(values, np.diff(reads.starts))
    filled = high > low
    low, high, values = low[filled], high[filled], values[filled]
    powers = np.frexp((high - low).astype(np.float64))[1] - 1
    table = np.full(count, _NEVER, np.int64)
    for power in range(int(powers.max(initial=0)), -1, -1):
        width, own = 1 << power, powers == power
        np.minimum.at(table, low[own], values[own])
        np.minimum.at(table, high[own] - width, values[own])
        if power:
            half = width >> 1
            np.minimum(table[half:], table[: count - half].copy(), out=table[half:])
    return table


def covered(reads: Intervals, first: int, count: int) -> Flags:
    """Return which of `count` ordinals any of some cells reads."""
    filled = reads.high > reads.low
    change = np.zeros(count + 1, np.int64)
    np.add.at(change, reads.low[filled] - first, 1)
    np.add.at(change, reads.high[filled] - first, -1)
    flags: Flags = np.cumsum(change[:-1]) > 0
    return flags
