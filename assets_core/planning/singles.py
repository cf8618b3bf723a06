"""The whole recipes of assets of one cell that read assets of one cell: all of them as one array.

Used by `staleness.py`. Ten thousand such assets are an array of ten thousand cells, not ten thousand arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..model.asset import Asset
from ..model.graph import Graph
from ..versions.recipe import Lanes, Ordinals, edge_digest_of_one, recipe_of_sums, text_lanes, zeros
from .world import World


@dataclass(frozen=True, slots=True)
class Singles:
    """Assets of one cell. `cells`: the place of each in the world's arrays. Of each edge `downs` is the number of its
    asset, `ups` the place of the cell that it reads, `salts` what stands for its name and upstream."""

    assets: Sequence[Asset]
    cells: Ordinals
    downs: Ordinals
    ups: Ordinals
    salts: Lanes

    def whole_recipes(self, world: World, code: Lanes) -> Lanes:
        """Return the recipe of each as if all columns counted, were it made now by code of these lanes."""
        digests = edge_digest_of_one(world.cells.token[self.ups], self.salts)
        sums = zeros(len(self.assets))
        np.add.at(sums.a, self.downs, digests.a)
        np.add.at(sums.b, self.downs, digests.b)
        return recipe_of_sums(code, sums)


def is_single(graph: Graph, asset: Asset) -> bool:
    """Tell whether an asset has one cell and reads one cell through each of its edges."""
    return asset.partitions is None and all(
        edge.hand_off is None or graph.assets[edge.upstream].partitions is None for edge in asset.edges
    )


def singles_of(world: World) -> Singles:
    """Return the made assets of a world that are of one cell and read such."""
    chosen = [asset for asset in world.graph.assets.values() if not asset.is_external and is_single(world.graph, asset)]
    salts: dict[tuple[str, str], tuple[int, int]] = {}
    downs: list[int] = []
    ups: list[int] = []
    lanes: list[tuple[int, int]] = []
    for number, asset in enumerate(chosen):
        for edge in asset.edges:
            if edge.hand_off is not None:
                key = (edge.name, edge.upstream)
                if key not in salts:
                    salts[key] = text_lanes("edge", *key)
                downs.append(number)
                ups.append(world.states[edge.upstream].start)
                lanes.append(salts[key])
    pairs = np.array(lanes, np.uint64).reshape(-1, 2)
    cells = np.array([world.states[asset.key].start for asset in chosen], np.int64)
    return Singles(chosen, cells, np.array(downs, np.int64), np.array(ups, np.int64), Lanes(pairs[:, 0], pairs[:, 1]))
