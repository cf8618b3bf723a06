"""What a run writes about cells that it did not make because they were fresh: which, and what was compared and equal.

Called by a run that is planned or whose cells' turn has come. Ranges of neighbours and sums of digests, so that a
record stays small however many cells it tells of. It must not decide what is fresh.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..model.asset import Asset
from ..planning.digests import Digests
from ..planning.plan import Plan
from ..planning.ranges import runs_of
from ..planning.state import AssetState
from ..planning.world import World
from ..versions.recipe import Lanes, Ordinals, lanes_text
from .facts import Fact
from .prepare import scheme_of


def found_fresh(run: str, plan: Plan, position: int) -> list[Fact]:
    """Return the fact of the cells that a plan, made as of a position, selects but that need nothing; none: no fact."""
    assets: list[dict[str, Any]] = []
    for key, flags in plan.fresh_cells.items():
        state = plan.world.states[key]
        index = np.flatnonzero(flags)
        if len(index):
            assets.append(_looked(state, state.first + index))
    return [("found_fresh", {"run": run, "position": position, "assets": assets})] if assets else []


def skip_facts(run: str, world: World, asset: Asset, ordinals: Ordinals, position: int) -> Fact:
    """Return the fact of cells (ascending ordinals) that are fresh, now that their turn has come, as of a position.

    `reads`: edge by edge the upstream ordinals between which all reads lie, and the sum of the digests of what each
    cell reads now, as if all columns counted.
    """
    state = world.states[asset.key]
    reads = [
        [now.edge.name, now.edge.upstream, *_covered(now.reads.low, now.reads.high), _sum(now.digest)]
        for now in Digests(world).edges(asset, ordinals - state.first)
    ]
    return "skipped", {"run": run, "position": position, **_looked(state, ordinals), "reads": reads}


def _looked(state: AssetState, ordinals: Ordinals) -> dict[str, Any]:
    """Return which cells were looked at, and the sum of the recipes by which their current versions were made."""
    return {
        "asset": state.asset.key,
        "scheme": scheme_of(state.asset),
        "ranges": [[first, last, state.key(first), state.key(last)] for first, last in runs_of(ordinals)],
        "number": len(ordinals),
        "code_version": state.asset.code_version,
        "recipes": _sum(state.cells.whole[ordinals - state.first]),
    }


def _sum(lanes: Lanes) -> str:
    """Return the wrapping sum of digests."""
    return lanes_text((int(lanes.a.sum(dtype=np.uint64)), int(lanes.b.sum(dtype=np.uint64))))


def _covered(low: Ordinals, high: Ordinals) -> tuple[int, int]:
    """Return the first ordinal and the end of what some intervals cover; those that are empty do not count."""
    filled = low < high
    return (int(low[filled].min()), int(high[filled].max())) if filled.any() else (0, 0)
