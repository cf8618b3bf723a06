"""Walk lineage from one asset or column, upstream or downstream, each edge once and nearest first.

Called by the command `lineage`. It must not know where the edges are recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..model.graph import Graph


def declared_edges(graph: Graph) -> list[tuple[str, str, str]]:
    """Return the edges between the assets of a graph: upstream, asset, how."""
    return [
        (edge.upstream, key, "reads" if edge.hand_off is not None else "waits for")
        for key, asset in graph.assets.items()
        for edge in asset.edges
    ]


def asset_edges(edges: Iterable[tuple[str, str, str]], start: str, direction: str) -> Iterator[dict[str, Any]]:
    """Yield the edges between assets that are reached from one; `edges`: upstream, asset, how."""
    yield from _walk(list(edges), start, direction)


def column_edges(
    rows: Iterable[tuple[str, str, str, str, str]], start: str, direction: str
) -> Iterator[dict[str, Any]]:
    """Yield the edges between columns that are reached from one; `rows`: asset, column, upstream, its column, how."""
    pairs = [(f"{upstream}.{source}", f"{asset}.{column}", how) for asset, column, upstream, source, how in rows]
    yield from _walk(pairs, start, direction)


def _walk(edges: list[tuple[str, str, str]], start: str, direction: str) -> Iterator[dict[str, Any]]:
    near, far = (1, 0) if direction == "upstream" else (0, 1)
    by_near: dict[str, list[tuple[str, str, str]]] = {}
    for edge in edges:
        by_near.setdefault(edge[near], []).append(edge)
    level, seen = [start], {start}
    while level:
        following: list[str] = []
        for name in level:
            for edge in by_near.get(name, []):
                yield {"direction": direction, "from": edge[0], "to": edge[1], "how": edge[2]}
                if edge[far] not in seen:
                    seen.add(edge[far])
                    following.append(edge[far])
        level = following
