"""Chains: which assets of a plan wait for which, and the chain that takes longest.

Used by the forecast of a plan, and by a run to begin with what its end waits for. One look at each asset and edge: it
must not know of single cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..model.keys import AssetKey
from .plan import AssetSteps, Plan


@dataclass(frozen=True, slots=True)
class Chains:
    """The longest chain of waiting through each asset, in units of what each asset takes by itself.

    `before`: of what an asset waits for, without itself. `behind`: of itself and what waits for it.
    """

    before: Mapping[AssetKey, int]
    behind: Mapping[AssetKey, int]

    def through(self, key: AssetKey) -> int:
        return self.before[key] + self.behind[key]


def waits_of(plan: Plan) -> dict[AssetKey, tuple[AssetKey, ...]]:
    """Return, in topological order, the assets that have a cell to run, each with those of them that it waits for."""
    running = {steps.asset.key for steps in plan.steps if len(steps.runnable)}
    return {
        steps.asset.key: tuple(sorted({edge.upstream for edge in steps.asset.edges} & running - {steps.asset.key}))
        for steps in plan.steps
        if steps.asset.key in running
    }


def cells_in_sequence(steps: AssetSteps) -> int:
    """Return how many cells of an asset are made one behind the other however many threads there are, at most."""
    asset = steps.asset
    reads_itself = any(edge.upstream == asset.key for edge in asset.edges)
    return len(steps.runnable) if asset.batch or reads_itself else 1


def chains_of(waits: Mapping[AssetKey, tuple[AssetKey, ...]], takes: Mapping[AssetKey, int]) -> Chains:
    """Return the chains of assets that wait for each other; whole numbers, so that equal chains are equal."""
    before = dict.fromkeys(waits, 0)
    behind = {key: takes[key] for key in waits}
    for key, upstreams in waits.items():
        before[key] = max((before[upstream] + takes[upstream] for upstream in upstreams), default=0)
    for key in reversed(list(waits)):
        for upstream in waits[key]:
            behind[upstream] = max(behind[upstream], takes[upstream] + behind[key])
    return Chains(before, behind)


def longest_chain(waits: Mapping[AssetKey, tuple[AssetKey, ...]], takes: Mapping[AssetKey, int]) -> list[AssetKey]:
    """Return the chain that takes longest, from its first asset on; empty where nothing runs."""
    before = chains_of(waits, takes).before
    if not waits:
        return []
    chain = [max(waits, key=lambda key: before[key] + takes[key])]
    while upstreams := waits[chain[-1]]:
        chain.append(max(upstreams, key=lambda key: before[key] + takes[key]))
    return chain[::-1]
