"""The one law: a cell is fresh if, and only if, the recipe recorded with its version is the recipe computed now.

Called by `plan.py` for what will run and by `status` for what is. It must not know how anything is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from ..model.asset import Asset
from ..model.keys import AssetKey
from ..versions.recipe import recipe
from .intervals import Flags
from .state import World

Causes = npt.NDArray[np.int64]


class Cause(IntFlag):
    """Why a cell is stale; several may hold. `UPSTREAM_WILL_RUN` alone is provisional: it may turn out fresh."""

    MISSING = 1
    CODE_CHANGED = 2
    INPUT_CHANGED = 4
    CONTRACT_CHANGED = 8
    UPSTREAM_WILL_RUN = 16
    UNKNOWN = 32
    FORCED = 64

    @property
    def kind(self) -> str:
        """Return the word for this one cause in every output."""
        assert self.name is not None  # noqa: S101
        return self.name.lower()


CERTAIN = Cause.MISSING | Cause.CODE_CHANGED | Cause.INPUT_CHANGED | Cause.UNKNOWN | Cause.FORCED


@dataclass(frozen=True, slots=True)
class Staleness:
    """What is known of the cells of one asset. `blocked`: an input is neither there nor going to be made."""

    causes: Causes
    blocked: Flags

    @property
    def stale(self) -> Flags:
        stale: Flags = self.causes != 0
        return stale


def assess(world: World, selected: Mapping[AssetKey, Flags], force: bool) -> dict[AssetKey, Staleness]:
    """Return the staleness of every cell of every made asset, in topological order.

    `selected` says which cells may run: the others are judged all the same, but make no reader provisional.
    """
    found: dict[AssetKey, Staleness] = {}
    will_run: dict[AssetKey, Flags] = {}
    for key, asset in world.graph.assets.items():
        if asset.is_external:
            continue
        state = world.states[key]
        may_run = selected.get(key, np.zeros(len(state), np.bool_))
        causes = own_causes(world, asset)
        if force:
            causes[may_run] |= Cause.FORCED
        upstream_runs, blocked = _through_edges(world, asset, will_run)
        causes[upstream_runs & may_run] |= Cause.UPSTREAM_WILL_RUN
        found[key] = Staleness(causes, blocked)
        will_run[key] = may_run & (causes != 0) & (causes != Cause.CONTRACT_CHANGED) & ~blocked
    return found


def own_causes(world: World, asset: Asset, positions: npt.NDArray[np.int64] | None = None) -> Causes:
    """Return why cells are stale by what is there now, for all cells of the asset or for those at `positions`."""
    state = world.states[asset.key]
    index = slice(None) if positions is None else positions
    present, recorded, code = state.present[index], state.recipe[index], state.code[index]
    causes = np.zeros(len(present), np.int64)
    causes[~present] = Cause.MISSING
    causes[present & code.differ(world.code_now(asset, len(present)))] |= Cause.CODE_CHANGED
    edges = [digest for _, _, digest in world.edges_now(asset, positions)]
    causes[present & recorded.differ(recipe(code, edges))] |= Cause.INPUT_CHANGED
    causes[present & (state.checks[index] != state.checks_version)] |= Cause.CONTRACT_CHANGED
    if unknown_values(world, asset):
        causes[:] |= Cause.UNKNOWN
    return causes


def unknown_values(world: World, asset: Asset) -> list[str]:
    """Return what the code of an asset, or of the readers of its external inputs, uses but cannot be determined."""
    readers = [world.graph.assets[edge.upstream] for edge in asset.edges if edge.hand_off is not None]
    return [*asset.unknown, *(name for reader in readers if reader.is_external for name in reader.unknown)]


def _through_edges(world: World, asset: Asset, will_run: Mapping[AssetKey, Flags]) -> tuple[Flags, Flags]:
    """Return which cells read one that will run, and which read one that is not there and will not be made."""
    count = len(world.states[asset.key])
    upstream_runs, blocked = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    for edge in asset.edges:
        if edge.hand_off is None:  # only waited for
            continue
        upstream = world.states[edge.upstream]
        reads = world.reads(asset, edge)
        runs = will_run.get(edge.upstream)
        there = upstream.present if runs is None else upstream.present | runs
        if runs is not None:
            upstream_runs |= reads.numbers(runs, upstream.first) > 0
        wanted = reads.counts()
        blocked |= (wanted == 0) | (reads.numbers(there, upstream.first) < wanted)
    return upstream_runs, blocked
