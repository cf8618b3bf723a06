"""What the cells of an asset read now, as digests: all of it, or the columns that counted when each was made.

Used by `staleness.py` for all cells of all assets, and by a run for the cells that it is about to start: the same
functions, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..model.asset import Asset, Edge
from ..model.keys import AssetKey
from ..model.reads import ColumnsRead
from ..versions.recipe import Lanes, Ordinals, edge_digest, full_lanes, recipe
from .intervals import Flags, Intervals
from .state import AssetState
from .world import World


@dataclass(frozen=True, slots=True)
class EdgeNow:
    """One edge of some cells: what each reads now, and the digest of it as if all columns counted."""

    edge: Edge
    reads: Intervals
    digest: Lanes


@dataclass(slots=True)
class Digests:
    """Digests of one world, as long as it does not change; what readers of one upstream share is made once."""

    world: World
    _sums: dict[AssetKey, Lanes] = field(default_factory=dict)

    def edges(self, asset: Asset, positions: Ordinals | None = None) -> list[EdgeNow]:
        """Return what each edge hands over now, for all cells or for those at `positions`."""
        found: list[EdgeNow] = []
        for edge in asset.edges:
            if edge.hand_off is None:  # only waited for
                continue
            upstream, reads = self.world.states[edge.upstream], self.world.reads(asset, edge)
            if positions is None:
                sums = reads.differences(self._sums_of(upstream), upstream.first)
            else:
                reads = reads.take(positions)
                sums = reads.sums(upstream.cells.token, upstream.first)
            found.append(EdgeNow(edge, reads, edge_digest(sums, reads.counts(), edge.name, edge.upstream)))
        return found

    def _sums_of(self, upstream: AssetState) -> Lanes:
        """Return the prefix sums of an upstream's tokens."""
        key = upstream.asset.key
        if key not in self._sums:
            self._sums[key] = upstream.cells.token.prefixes()
        return self._sums[key]

    def whole_recipe(self, asset: Asset, code: Lanes, positions: Ordinals | None = None) -> Lanes:
        """Return the recipe of cells as if all columns counted, were they made now by code of these lanes."""
        return recipe(code, [edge.digest for edge in self.edges(asset, positions)])

    def require_recorded(self, assets: Sequence[Asset]) -> None:
        """Read what `recorded_differs` will need of some assets; all together cost little more than one."""
        self.world.require_readings(asset.key for asset in assets)
        narrowed_edges: list[AssetKey] = []
        for asset in assets:
            counted = self.world.readings(asset.key).reads
            names = {name for reads in counted for name in reads}
            narrowed_edges += [edge.upstream for edge in asset.edges if edge.name in names]
        self.world.require_columns(key for key in narrowed_edges if not self.world.states[key].asset.is_external)

    def recorded_differs(self, asset: Asset, positions: Ordinals) -> Flags:
        """Return for cells that had read some columns only whether these, as they are now, make another recipe."""
        readings, state = self.world.readings(asset.key), self.world.states[asset.key]
        edges = self.edges(asset, positions)
        digests = [narrowed(self.world, now, *readings.of(now.edge.name, positions)) for now in edges]
        return readings.recipe[positions].differ(recipe(state.cells.code[positions], digests))


def narrowed(world: World, now: EdgeNow, kinds: Ordinals, reads: Sequence[ColumnsRead | None]) -> Lanes:
    """Return the digest of what counts of an edge: of cell i what `reads[kinds[i]]` says.

    An external upstream, of which no columns are known, counts as a whole.
    """
    upstream = world.states[now.edge.upstream]
    if upstream.asset.is_external or all(one is None for one in reads):
        return now.digest
    digest = Lanes(now.digest.a.copy(), now.digest.b.copy())
    for kind, one in enumerate(reads):
        index = np.flatnonzero(kinds == kind)
        if one is None or not len(index):
            continue
        intervals = now.reads.take(index)
        sums = intervals.sums(world.tokens(upstream.asset.key, one), upstream.first)
        part = edge_digest(sums, intervals.counts(), now.edge.name, now.edge.upstream)
        digest.a[index], digest.b[index] = part.a, part.b
    return digest


def narrowed_alike(world: World, edges: Sequence[EdgeNow], reads: Mapping[str, ColumnsRead | None]) -> list[Lanes]:
    """Return the digest of what counts of each edge, where the same columns of it count for all cells."""
    return [narrowed(world, now, np.zeros(len(now.digest), np.int64), [reads.get(now.edge.name)]) for now in edges]


def code_now(state: AssetState, count: int) -> Lanes:
    """Return the code lanes of an asset as it is defined now, for `count` cells."""
    return full_lanes(state.code_lanes, count)
