"""Graph: which asset reads which, in an order in which upstreams come first; and what is wrong with that.

Used by selection, planning, lineage and the commands. It must not know what happened. An asset may read its own earlier
partitions: that edge is none of the graph, because nothing waits for it but the asset itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Final

from ..errors import AssetsError, DefinitionError, UnknownUpstream, did_you_mean
from .asset import Asset, Edge
from .keys import AssetKey
from .mapping import is_strictly_earlier

Neighbours = Mapping[AssetKey, tuple[AssetKey, ...]]


class Graph:
    """Assets and their edges, external assets included; a value that does not change.

    `order` puts every asset behind its upstreams: by the length of the longest way to it, then by key. `assets` is in
    that order. The assets are those that `graph_errors` found nothing wrong with.
    """

    __slots__ = ("_downstreams", "_upstreams", "assets", "order")

    def __init__(self, assets: Iterable[Asset]) -> None:
        by_key = {asset.key: asset for asset in assets}
        self._upstreams: Final[Neighbours] = _upstreams(by_key)
        self._downstreams: Final[Neighbours] = _turned(self._upstreams)
        self.order: Final[tuple[AssetKey, ...]] = _order(self._upstreams)
        if len(self.order) < len(by_key):
            raise AssetsError(
                f"a graph with a circle was built: {', '.join(sorted(by_key.keys() - {*self.order}))}",
                remedy="report this as a bug, with the definitions of these assets",
            )
        self.assets: Final[Mapping[AssetKey, Asset]] = MappingProxyType({key: by_key[key] for key in self.order})

    def upstreams(self, key: AssetKey) -> tuple[AssetKey, ...]:
        """Return the assets that an asset reads or waits for itself, sorted, each once."""
        return self._upstreams[key]

    def downstreams(self, key: AssetKey) -> tuple[AssetKey, ...]:
        """Return the assets that read or wait for an asset themselves, sorted, each once."""
        return self._downstreams[key]

    def ancestors(self, keys: Iterable[AssetKey], depth: int | None = None) -> frozenset[AssetKey]:
        """Return what is at most `depth` edges upstream (None: any number), keys themselves only where reached."""
        return _reached(self._upstreams, keys, depth)

    def descendants(self, keys: Iterable[AssetKey], depth: int | None = None) -> frozenset[AssetKey]:
        """Return what is at most `depth` edges downstream (None: any number), keys themselves only where reached."""
        return _reached(self._downstreams, keys, depth)


def graph_errors(assets: Sequence[Asset]) -> list[DefinitionError]:
    """Return everything that is wrong with the assets together: keys defined twice, unknown upstreams, circles."""
    first = {asset.key: asset for asset in reversed(assets)}
    errors = [
        DefinitionError(
            f"asset {asset.key!r} is defined twice, at {first[asset.key].place} and at {asset.place}",
            place=asset.place,
            remedy="rename one of them, or remove it",
        )
        for asset in assets
        if first[asset.key] is not asset
    ]
    for asset in assets:
        for upstream in sorted({edge.upstream for edge in asset.edges if edge.upstream not in first}):
            known = [key for key in first if key != asset.key]
            errors.append(
                UnknownUpstream(
                    f"asset {asset.key!r} reads {upstream!r}, which does not exist{did_you_mean(upstream, known)}",
                    place=asset.place,
                    remedy="correct the name, or define it: as an external asset where it is made elsewhere",
                    upstream=upstream,
                )
            )
    downstreams = _turned(_upstreams(first))
    for knot in _knots(downstreams):
        circle = _circle(min(knot), downstreams)
        others = sorted(knot.difference(circle))
        own = ", or let it read only earlier partitions of itself: mapping=TimeWindow(last=1, offset=-1)"
        also = f"; as do {', '.join(others)}" if others else ""
        errors.append(
            DefinitionError(
                f"assets read each other in a circle, each the one before it: {' -> '.join(circle)}{also}",
                place=first[circle[0]].place,
                remedy=f"remove one of the edges{own if len(circle) == 2 else ''}",
            )
        )
    return sorted(errors, key=lambda error: (error.place, error.what))


def reads_earlier(asset: Asset, edge: Edge) -> bool:
    """Tell whether an edge leads from earlier partitions of an asset to itself."""
    return edge.upstream == asset.key and is_strictly_earlier(edge.mapping, asset.partitions)


def _upstreams(assets: Mapping[AssetKey, Asset]) -> Neighbours:
    return {
        key: tuple(sorted({e.upstream for e in asset.edges if e.upstream in assets and not reads_earlier(asset, e)}))
        for key, asset in assets.items()
    }


def _turned(neighbours: Neighbours) -> Neighbours:
    turned: dict[AssetKey, list[AssetKey]] = {key: [] for key in neighbours}
    for key in sorted(neighbours):
        for neighbour in neighbours[key]:
            turned[neighbour].append(key)
    return {key: tuple(found) for key, found in turned.items()}


def _order(upstreams: Neighbours) -> tuple[AssetKey, ...]:
    """Return the keys that are neither on a circle nor behind one, each behind its upstreams."""
    sorter = TopologicalSorter(upstreams)
    with contextlib.suppress(CycleError):  # the sorter still gives all that does not wait for a circle
        sorter.prepare()
    order: list[AssetKey] = []
    while ready := sorted(sorter.get_ready()):
        order += ready
        sorter.done(*ready)
    return tuple(order)


def _knots(neighbours: Neighbours) -> list[frozenset[AssetKey]]:
    """Return the sets of keys that all reach each other, and themselves: the strongly connected components."""
    turned = _turned(neighbours)
    left = neighbours.keys() - {*_order(neighbours)} - {*_order(turned)}
    knots: list[frozenset[AssetKey]] = []
    while left:
        key = min(left)
        knot = _reached(neighbours, [key], None) & _reached(turned, [key], None)
        left -= {key, *knot}
        if knot:  # empty for a key between two knots
            knots.append(knot)
    return knots


def _circle(start: AssetKey, neighbours: Neighbours) -> list[AssetKey]:
    """Return a shortest way from a key back to itself."""
    came_from: dict[AssetKey, AssetKey] = {}
    frontier = [start]
    while start not in came_from:
        behind = [(key, neighbour) for key in frontier for neighbour in neighbours[key] if neighbour not in came_from]
        for key, neighbour in behind:
            came_from.setdefault(neighbour, key)
        frontier = list(dict.fromkeys(neighbour for _, neighbour in behind))
    way = [start, came_from[start]]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def _reached(neighbours: Neighbours, keys: Iterable[AssetKey], depth: int | None) -> frozenset[AssetKey]:
    frontier = starts = frozenset(keys)
    reached: set[AssetKey] = set()
    while frontier and depth != 0:
        found = {neighbour for key in frontier for neighbour in neighbours[key]} - reached
        reached |= found
        frontier = frozenset(found - starts)  # a start was followed before, and so further
        depth = None if depth is None else depth - 1
    return frozenset(reached)
