"""The plan: what will run and why, as data. `plan` prints it, a run executes the same object.

Made by `make_plan` from a world; `evidence.py` words its causes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..model.asset import Asset
from ..model.keys import AssetKey, Cell
from ..versions.recipe import Ordinals
from .intervals import Flags, is_newest
from .staleness import Cause, Causes, assess
from .world import World


@dataclass(frozen=True, slots=True)
class AssetSteps:
    """The stale cells of one asset: parallel arrays, ascending by ordinal.

    `blocked` cells are stale but cannot run, because an input is neither there nor going to be made.
    """

    asset: Asset
    ordinals: Ordinals
    causes: Causes
    blocked: Flags

    def __len__(self) -> int:
        return len(self.ordinals)

    @property
    def provisional(self) -> Flags:
        provisional: Flags = self.causes == Cause.UPSTREAM_WILL_RUN
        return provisional

    @property
    def runnable(self) -> Ordinals:
        return self.ordinals[~self.blocked]


@dataclass(frozen=True, slots=True)
class Plan:
    """Every stale cell of a selection in topological order, with the world that it was made for.

    `fresh_cells`: by asset, which of its cells were selected and need nothing. `seconds`: what a cell of an asset
    takes, where that is known and asked for; a run orders its work by it.
    """

    world: World
    steps: tuple[AssetSteps, ...]
    fresh_cells: Mapping[AssetKey, Flags]
    forced: bool
    seconds: Mapping[AssetKey, float] = field(default_factory=dict)

    @property
    def fresh(self) -> int:
        return int(sum(np.count_nonzero(flags) for flags in self.fresh_cells.values()))

    @property
    def stale(self) -> int:
        return sum(len(steps) for steps in self.steps)

    @property
    def blocked(self) -> int:
        return int(sum(steps.blocked.sum() for steps in self.steps))

    def cells(self) -> Iterator[tuple[AssetSteps, int, Cell]]:
        """Yield each stale cell with its position in its asset's steps."""
        for steps in self.steps:
            state = self.world.states[steps.asset.key]
            for position, ordinal in enumerate(steps.ordinals.tolist()):
                yield steps, position, state.cell(ordinal)


def first_gap(plan: Plan, steps: AssetSteps) -> str:
    """Return, in words, the first input that keeps a blocked cell of an asset from running."""
    world, asset = plan.world, steps.asset
    ordinal = int(steps.ordinals[steps.blocked][0])
    will_run = {other.asset.key: set(other.runnable.tolist()) for other in plan.steps}
    for edge in asset.edges:
        if edge.hand_off is None:
            continue
        upstream = world.states[edge.upstream]
        wanted = [
            o
            for low, high in world.waits(asset, edge).of(ordinal - world.states[asset.key].first)
            for o in range(low, high)
        ]
        if not wanted:
            return f"it reads no partition of {edge.upstream}"
        coming = will_run.get(edge.upstream, set())
        if is_newest(edge.mapping):
            if not any(upstream.cells.present[o - upstream.first] or o in coming for o in wanted):
                return f"no partition of {edge.upstream} up to {upstream.cell(wanted[-1])} is there"
            wanted = [max(o for o in wanted if upstream.cells.present[o - upstream.first] or o in coming)]
        for o in wanted:
            if upstream.cells.drifted[o - upstream.first] and o not in coming:
                return f"the file of {upstream.cell(o)} is not what was published, and it is not going to be made again"
            if not upstream.cells.present[o - upstream.first] and o not in coming:
                where = f" ({upstream.asset.path})" if upstream.asset.path is not None else ""
                return f"{upstream.cell(o)}{where} is not there"
    return "an input is not there"


def make_plan(world: World, selected: Mapping[AssetKey, Flags], *, force: bool = False) -> Plan:
    """Return the plan for the selected cells of a world; with `force` all of them run."""
    found = assess(world, selected, force)
    steps: list[AssetSteps] = []
    fresh: dict[AssetKey, Flags] = {}
    for key, staleness in found.items():
        if key not in selected:
            continue
        stale = selected[key] & staleness.stale
        fresh[key] = selected[key] & ~staleness.stale
        index = np.flatnonzero(stale)
        if len(index):
            state = world.states[key]
            steps.append(
                AssetSteps(state.asset, state.first + index, staleness.causes[index], staleness.blocked[index])
            )
    return Plan(world, tuple(steps), fresh, force)
