"""Which cells a user means: a selection and a range of partitions, against a world.

Used by every command that takes a selection, so that they all mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SelectionError, did_you_mean
from ..model.keys import AssetKey
from ..model.pick import pick
from ..model.selection import parse
from ..versions.recipe import Ordinals
from .intervals import Flags
from .plan import Plan, make_plan
from .ranges import in_ranges
from .staleness import Cause, Causes, assess
from .world import World

if TYPE_CHECKING:  # what explains a cause is seldom needed to choose cells
    from .evidence import CodeNow

Moment = Callable[[str], int]
"""Returns the position in the journal that a text means: a time, or a position."""


@dataclass(frozen=True, slots=True)
class States:
    """The state of every cell of one made asset; each cell is in exactly one."""

    fresh: Flags
    stale: Flags
    missing: Flags
    failed: Flags


def choose(
    world: World,
    selection: str,
    partitions: str | None = None,
    *,
    moment: Moment | None = None,
    code_now: CodeNow | None = None,
) -> dict[AssetKey, Flags]:
    """Return the cells of made assets that a selection and a range name.

    `moment` tells what `changed-since:` means, and `code_now` what `cause:` needs to know of the code.

    Raises: SelectionError, and what `moment` raises.
    """
    picked = {
        key: flags
        for key, flags in pick_cells(world, selection, moment=moment, code_now=code_now).items()
        if not world.graph.assets[key].is_external
    }
    if partitions is None:
        return picked
    ranges = in_ranges(world, [world.graph.assets[key] for key in picked], partitions)
    return {key: flags & ranges[key] for key, flags in picked.items()}


def pick_cells(
    world: World, selection: str, *, moment: Moment | None = None, code_now: CodeNow | None = None
) -> dict[AssetKey, Flags]:
    """Return the cells that a selection picks, by asset in topological order; assets without any are left out.

    An asset that has no cells yet counts as if it had one, which is in no state.

    Raises: SelectionError, and what `moment` raises.
    """
    picked = pick(parse(selection), world.graph, _FlagSets(world, moment, code_now))
    return {key: picked[key][: len(world.states[key])] for key in world.graph.order if key in picked}


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
    assessed = assess(world, choose_all(world), force=False)
    return _states(world, {key: ~staleness.stale for key, staleness in assessed.items()})


def _states(world: World, fresh: Mapping[AssetKey, Flags]) -> dict[AssetKey, States]:
    found: dict[AssetKey, States] = {}
    for key, is_fresh in fresh.items():
        cells = world.states[key].cells
        failed = cells.failed & ~is_fresh
        found[key] = States(
            fresh=is_fresh,
            stale=cells.present & ~is_fresh & ~failed,
            missing=~cells.present & ~failed,
            failed=failed,
        )
    return found


FlagSet = Mapping[AssetKey, Flags]
"""A set of cells: flags by asset, of those assets that have one in it. One flag stands for an asset without cells."""


class _FlagSets:
    """Sets of cells as arrays; states and causes are found when they are first asked for, and once."""

    def __init__(self, world: World, moment: Moment | None, code_now: CodeNow | None) -> None:
        self._world = world
        self._moment = moment
        self._code_now = code_now

    @cached_property
    def _plan(self) -> Plan:
        """Return the plan of everything: by it, a cell has the state and the causes that the commands show."""
        return make_plan(self._world, choose_all(self._world))

    @cached_property
    def _all_states(self) -> dict[AssetKey, States]:
        return _states(self._world, self._plan.fresh_cells)

    @cached_property
    def _all_causes(self) -> list[tuple[AssetKey, Ordinals, Causes]]:
        """Return of each asset the places of its stale cells, and their causes."""
        assert self._code_now is not None  # noqa: S101  # asked before
        from .evidence import Evidence

        evidence = Evidence(self._plan, self._code_now)
        firsts = {key: state.first for key, state in self._world.states.items()}
        return [
            (steps.asset.key, steps.ordinals - firsts[steps.asset.key], evidence.of(steps).refined)
            for steps in self._plan.steps
        ]

    def of_assets(self, keys: frozenset[AssetKey]) -> FlagSet:
        return {key: np.ones(self._count(key), np.bool_) for key in keys}

    def in_states(self, states: Sequence[str]) -> FlagSet:
        return _those_with_any(
            (key, np.logical_or.reduce([getattr(of_asset, state) for state in states]))
            for key, of_asset in self._all_states.items()
        )

    def with_causes(self, kinds: Sequence[str]) -> FlagSet:
        known = {cause.kind: cause for cause in Cause}
        bits = 0
        for kind in kinds:
            if kind not in known:
                raise SelectionError(
                    f"there is no cause {kind!r}{did_you_mean(kind, known)}", remedy=f"use {', '.join(known)}"
                )
            bits |= known[kind]
        if self._code_now is None:
            raise SelectionError(
                f"cause:{'|'.join(kinds)} cannot be told here", remedy="give the function that knows the code of now"
            )
        found: dict[AssetKey, Flags] = {}
        for key, places, causes in self._all_causes:
            found[key] = np.zeros(self._count(key), np.bool_)
            found[key][places[(causes & bits) != 0]] = True
        return _those_with_any(found.items())

    def in_partitions(self, ranges: str) -> FlagSet:
        inside = in_ranges(self._world, list(self._world.graph.assets.values()), ranges)
        return _those_with_any(inside.items())

    def changed_since(self, moment: str) -> FlagSet:
        if self._moment is None:
            raise SelectionError(
                f"changed-since:{moment} cannot be told here",
                remedy="give the function that knows the journal's moments",
            )
        position = self._moment(moment)
        cells = ((key, state.cells) for key, state in self._world.states.items())
        return _those_with_any((key, of_asset.present & (of_asset.position > position)) for key, of_asset in cells)

    def assets(self, cells: FlagSet) -> frozenset[AssetKey]:
        return frozenset(cells)

    def others(self, cells: FlagSet) -> FlagSet:
        return _those_with_any(
            (key, ~cells[key] if key in cells else np.ones(self._count(key), np.bool_))
            for key in self._world.graph.assets
        )

    def both(self, one: FlagSet, other: FlagSet) -> FlagSet:
        return _those_with_any((key, one[key] & other[key]) for key in one.keys() & other.keys())

    def either(self, one: FlagSet, other: FlagSet) -> FlagSet:
        return {**one, **other, **{key: one[key] | other[key] for key in one.keys() & other.keys()}}

    def _count(self, key: AssetKey) -> int:
        return max(len(self._world.states[key]), 1)


def _those_with_any(flags: Iterable[tuple[AssetKey, Flags]]) -> FlagSet:
    return {key: of_asset for key, of_asset in flags if of_asset.any()}
