"""Dynamic partitions bound to the keys that the journal gives them as of a position.

Used by whoever asks a graph or a definition for cells. Where nothing is dynamic, nothing is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.queries import load as query

from ..model.graph import Graph
from ..model.partitions import Partitions, bind, dynamic_names

if TYPE_CHECKING:
    import duckdb

Sets = Mapping[str, tuple[tuple[str, ...], int]]
"""The keys of each set in the order of addition, and the record that last removed one (0: none did)."""

NOW = 2**63 - 1
"""A position behind every record."""


def read_sets(connection: duckdb.DuckDBPyConnection, position: int = NOW) -> Sets:
    """Return the sets of keys as of a position."""
    rows = connection.sql(query("partition_sets"), params={"position": position}).fetchall()
    return {name: (tuple(keys), generation) for name, keys, generation in rows}


def bind_graph(graph: Graph, sets: Sets) -> Graph:
    """Return the graph with the dynamic partitions of its assets bound to sets of keys."""
    bound: dict[Partitions, Partitions] = {}
    assets = []
    for asset in graph.assets.values():
        partitions = asset.partitions
        if partitions is not None and dynamic_names(partitions):
            if partitions not in bound:
                bound[partitions] = bind(partitions, sets)
            asset = replace(asset, partitions=bound[partitions])
        assets.append(asset)
    return Graph(assets) if bound else graph


def bound_graph(graph: Graph, connection: duckdb.DuckDBPyConnection) -> Graph:
    """Return the graph with its dynamic partitions bound to the keys that there are now."""
    return bind_graph(graph, read_sets(connection)) if _is_dynamic(graph) else graph


def bound_partitions(partitions: Partitions, connection: duckdb.DuckDBPyConnection, position: int = NOW) -> Partitions:
    """Return a definition bound to the keys as of a position; one that is not dynamic as it is."""
    return bind(partitions, read_sets(connection, position)) if dynamic_names(partitions) else partitions


def _is_dynamic(graph: Graph) -> bool:
    return any(asset.partitions is not None and dynamic_names(asset.partitions) for asset in graph.assets.values())
