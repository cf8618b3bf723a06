"""Which cells a user means: a selection of assets and a range of partitions, against a world.

Used by every command that takes a selection, so that they all mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.keys import AssetKey
from ..model.selection import select
from .intervals import Flags
from .ranges import in_ranges
from .staleness import assess
from .state import World


@dataclass(frozen=True, slots=True)
class States:
    """The state of every cell of one made asset; each cell is in exactly one."""

    fresh: Flags
    stale: Flags
    missing: Flags
    failed: Flags


def choose(world: World, selection: str, partitions: str | None = None) -> dict[AssetKey, Flags]:
    """Return the cells of made assets that a selection and a range name.

    Raises: SelectionError.
    """

    def in_state(state: str) -> frozenset[AssetKey]:
        return frozenset(key for key, states in states_of(world).items() if getattr(states, state).any())

    keys = select(selection, world.graph, in_state)
    assets = [asset for key, asset in world.graph.assets.items() if key in keys and not asset.is_external]
    return in_ranges(world, assets, partitions)


def choose_all(world: World) -> dict[AssetKey, Flags]:
    """Return every cell of every made asset."""
    return {
        key: np.ones(len(world.states[key]), np.bool_)
        for key, asset in world.graph.assets.items()
        if not asset.is_external
    }


def states_of(world: World) -> dict[AssetKey, States]:
    """Return the state of every cell: fresh; else failed where the last attempt failed, missing or stale.

    A cell is stale also where only something upstream of it is: it may turn out fresh when its turn comes.
    """
    found: dict[AssetKey, States] = {}
    for key, staleness in assess(world, choose_all(world), force=False).items():
        cells = world.states[key]
        failed = cells.failed & staleness.stale
        found[key] = States(
            fresh=~staleness.stale,
            stale=cells.present & staleness.stale & ~failed,
            missing=~cells.present & ~failed,
            failed=failed,
        )
    return found
