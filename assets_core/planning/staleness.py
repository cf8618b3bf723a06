"""The one law: a cell is fresh if, and only if, the recipe recorded with its version is the recipe computed now.

Called by `plan.py` for what will run and by `status` for what is. It must not know how anything is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from ..model.asset import Asset
from ..model.keys import AssetKey
from ..versions.recipe import Lanes, Ordinals
from .cells import Cells
from .digests import Digests, code_now
from .intervals import Flags, Intervals, is_newest
from .singles import is_single, singles_of
from .world import World

Causes = npt.NDArray[np.int64]
_Doubt = tuple[Asset, Causes, Ordinals]
_CELLS_AT_A_TIME = 1_000_000  # of which it is read in one go what their inputs have in columns


class Cause(IntFlag):
    """Why a cell is stale; several may hold. `UPSTREAM_WILL_RUN` alone is provisional: it may turn out fresh.

    The law finds the first group; `evidence.py` finds which of the second group a change of code or inputs is.
    """

    MISSING = 1
    CODE_CHANGED = 2
    INPUT_CHANGED = 4
    CONTRACT_CHANGED = 8
    UPSTREAM_WILL_RUN = 16
    UNKNOWN = 32
    FORCED = 64
    OUTPUT_DRIFTED = 128
    EXPIRED = 256

    PARAMETER_CHANGED = 512
    LIBRARY_CHANGED = 1024
    INPUTS_REWIRED = 2048
    SOURCE_CHANGED = 4096
    ROLLED_BACK = 8192

    @property
    def kind(self) -> str:
        """Return the word for this one cause in every output."""
        assert self.name is not None  # noqa: S101
        return self.name.lower()


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
    for asset, causes in _all_own_causes(world):
        may_run = selected.get(asset.key)
        if force and may_run is not None:
            causes[may_run] |= Cause.FORCED
        blocked = _pass_on(world, asset, causes, may_run, will_run)
        found[asset.key] = Staleness(causes, blocked)
    return found


def _all_own_causes(world: World) -> list[tuple[Asset, Causes]]:
    """Return why cells are stale by what is there now, for all made assets in topological order."""
    digests = Digests(world)
    by_key = dict(_single_causes(digests))
    for asset in world.graph.assets.values():
        if not asset.is_external and asset.key not in by_key:
            by_key[asset.key] = _told_by_numbers(digests, asset, None)
    found = [(asset, by_key[key]) for key, asset in world.graph.assets.items() if not asset.is_external]
    doubts = [(asset, causes, doubtful) for asset, (causes, doubtful) in found if len(doubtful)]
    for some in _portions(doubts):
        digests.require_recorded([asset for asset, _, _ in some])
        for asset, causes, doubtful in some:
            causes[doubtful[digests.recorded_differs(asset, doubtful)]] |= Cause.INPUT_CHANGED
        if len(some) < len(doubts):
            world.forget_columns()
    return [(asset, causes) for asset, (causes, _) in found]


def _single_causes(digests: Digests) -> Iterator[tuple[AssetKey, tuple[Causes, Ordinals]]]:
    """Yield the same as `_told_by_numbers` for every asset of one cell that reads such."""
    world = digests.world
    singles = singles_of(world)
    if not singles.assets:
        return
    cells, index = world.cells, singles.cells
    lanes = np.array([world.states[asset.key].code_lanes for asset in singles.assets], np.uint64)
    is_unknown = np.array([bool(unknown_values(world, asset)) for asset in singles.assets], np.bool_)
    recipes = singles.whole_recipes(world, cells.code[index])
    causes, doubtful = _by_numbers(cells, index, recipes, Lanes(lanes[:, 0], lanes[:, 1]), is_unknown)
    nothing, first = np.zeros(0, np.int64), np.zeros(1, np.int64)
    for number, (asset, is_doubtful) in enumerate(zip(singles.assets, doubtful.tolist(), strict=True)):
        yield asset.key, (causes[number : number + 1], first if is_doubtful else nothing)


def _portions(doubts: Sequence[_Doubt]) -> Iterator[list[_Doubt]]:
    """Yield the doubts in portions of not many more than a million cells."""
    portion: list[_Doubt] = []
    cells = 0
    for doubt in doubts:
        portion.append(doubt)
        cells += len(doubt[2])
        if cells >= _CELLS_AT_A_TIME:
            yield portion
            portion, cells = [], 0
    if portion:
        yield portion


def own_causes(digests: Digests, asset: Asset, positions: Ordinals) -> Causes:
    """Return why the cells at `positions` of an asset are stale by what is there now."""
    causes, doubtful = _told_by_numbers(digests, asset, positions)
    if len(doubtful):
        causes[doubtful[digests.recorded_differs(asset, positions[doubtful])]] |= Cause.INPUT_CHANGED
    return causes


def _told_by_numbers(digests: Digests, asset: Asset, positions: Ordinals | None) -> tuple[Causes, Ordinals]:
    """Return the causes that the numbers of the cells tell, and which of these have inputs that changed, but perhaps in
    columns alone that did not count."""
    state = digests.world.states[asset.key]
    index = slice(None) if positions is None else positions
    code = state.cells.code[index]
    recipes = digests.whole_recipe(asset, code, positions)
    is_unknown = bool(unknown_values(digests.world, asset))
    causes, doubtful = _by_numbers(state.cells, index, recipes, code_now(state, len(code)), is_unknown)
    return causes, np.flatnonzero(doubtful)


def _by_numbers(
    cells: Cells, index: Ordinals | slice, recipes: Lanes, code: Lanes, is_unknown: Flags | bool
) -> tuple[Causes, Flags]:
    """Return the causes of cells from their whole recipes and their code as they are now, and which are doubtful."""
    present = cells.present[index]
    changed = present & cells.whole[index].differ(recipes)
    doubtful = changed & cells.narrowed[index]
    causes = np.where(present, 0, int(Cause.MISSING))
    for flags, cause in (
        (present & cells.code[index].differ(code), Cause.CODE_CHANGED),
        (changed & ~doubtful, Cause.INPUT_CHANGED),
        (present & ~cells.judged[index], Cause.CONTRACT_CHANGED),
        (cells.drifted[index], Cause.OUTPUT_DRIFTED),
        (cells.expired[index], Cause.EXPIRED),
        (is_unknown, Cause.UNKNOWN),
    ):
        if np.any(flags):
            causes |= np.where(flags, int(cause), 0)
    return causes, doubtful


def unknown_values(world: World, asset: Asset) -> list[str]:
    """Return what the code of an asset, or of the readers of its external inputs, uses but cannot be determined."""
    readers = [world.graph.assets[edge.upstream] for edge in asset.edges if edge.hand_off is not None]
    return [*asset.unknown, *(name for reader in readers if reader.is_external for name in reader.unknown)]


def _pass_on(
    world: World, asset: Asset, causes: Causes, may_run: Flags | None, will_run: dict[AssetKey, Flags]
) -> Flags:
    """Add what follows from upstream cells that will run; note which cells of the asset will; return the blocked ones.

    An asset that reads its own earlier partitions is walked through from the first of them.
    """
    state = world.states[asset.key]
    blocked = np.zeros(len(state), np.bool_)
    if is_single(world.graph, asset):
        _pass_on_single(world, asset, causes, blocked, may_run, will_run)
        return blocked
    own: list[Intervals] = []
    for edge in asset.edges:
        if edge.hand_off is None:  # only waited for
            continue
        reads = world.waits(asset, edge)
        if edge.upstream == asset.key:  # an optional input: the first partition has none before it
            own.append(reads)
            continue
        upstream = world.states[edge.upstream]
        runs = will_run.get(edge.upstream)
        there = upstream.cells.present & ~upstream.cells.drifted  # what was changed from outside is not read
        if runs is not None:
            there = there | runs
            if may_run is not None:
                causes[may_run & (reads.numbers(runs, upstream.first) > 0)] |= Cause.UPSTREAM_WILL_RUN
        wanted = reads.counts()
        if not edge.optional:
            blocked |= wanted == 0
        if is_newest(edge.mapping):
            needs = (wanted > 0) & (not edge.optional) | (world.reads(asset, edge).counts() > 0)
            blocked |= needs & (reads.numbers(there, upstream.first) == 0)
        elif not there.all():
            blocked |= reads.numbers(there, upstream.first) < wanted
    if may_run is None:
        may_run = np.zeros(len(state), np.bool_)
    if own:
        _walk(own, state.first, causes, blocked, may_run, state.cells.present & ~state.cells.drifted)
    runs = may_run & _makes(causes) & ~blocked
    if runs.any():
        will_run[asset.key] = runs
    return blocked


def _pass_on_single(
    world: World,
    asset: Asset,
    causes: Causes,
    blocked: Flags,
    may_run: Flags | None,
    will_run: dict[AssetKey, Flags],
) -> None:
    """Do the same for an asset of one cell that reads such: no arrays for the sake of one number."""
    may = may_run is not None and bool(may_run[0])
    for edge in asset.edges:
        if edge.hand_off is None:
            continue
        if edge.upstream in will_run:
            if may:
                causes[0] |= Cause.UPSTREAM_WILL_RUN
        else:
            upstream = world.states[edge.upstream].cells
            blocked[0] |= not upstream.present[0] or upstream.drifted[0]
    if may and causes[0] not in (0, Cause.CONTRACT_CHANGED) and not blocked[0]:
        will_run[asset.key] = np.ones(1, np.bool_)


def _makes(causes: Causes) -> Flags:
    """Return which cells are made anew: one that is only judged again changes nothing for its readers."""
    makes: Flags = (causes != 0) & (causes != Cause.CONTRACT_CHANGED)
    return makes


def _walk(own: list[Intervals], first: int, causes: Causes, blocked: Flags, may_run: Flags, there: Flags) -> None:
    """Add what follows for each cell from earlier cells of its own asset, in order."""
    running, missing = [0], [0]  # how many of the first n cells will run, and will not be there
    for position in range(len(causes)):
        for low, high in (interval for reads in own for interval in reads.of(position)):
            if running[high - first] > running[low - first] and may_run[position]:
                causes[position] |= Cause.UPSTREAM_WILL_RUN
            if missing[high - first] > missing[low - first]:
                blocked[position] = True
        runs = may_run[position] and not blocked[position] and _makes(causes[position : position + 1])[0]
        running.append(running[-1] + int(runs))
        missing.append(missing[-1] + int(not runs and not there[position]))
