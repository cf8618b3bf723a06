"""Pick: what a selection picks, over any sets of cells that know how to find, join and turn over.

Used by planning, whose sets are arrays of flags, and where assets alone are asked for. It must not know how a state or
a cause is found.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Protocol, TypeVar

from ..errors import SelectionError, did_you_mean
from .asset import Asset
from .graph import Graph
from .keys import AssetKey
from .selection import (
    And,
    Around,
    Caused,
    ChangedSince,
    Grouped,
    InPartitions,
    InState,
    Named,
    Not,
    OfKind,
    Or,
    Owned,
    Selection,
    Tagged,
)

Picked = TypeVar("Picked")


class CellSets(Protocol[Picked]):
    """Sets of cells of one graph's assets; a set is a value of any type."""

    def of_assets(self, keys: frozenset[AssetKey]) -> Picked:
        """Return all cells of some assets."""
        ...

    def in_states(self, states: Sequence[str]) -> Picked:
        """Return the cells in one of some states of `selection.STATES`."""
        ...

    def with_causes(self, kinds: Sequence[str]) -> Picked:
        """Return the cells that are stale for one of some causes."""
        ...

    def in_partitions(self, ranges: str) -> Picked:
        """Return the cells in a range of partitions."""
        ...

    def changed_since(self, moment: str) -> Picked:
        """Return the cells whose current version became current after a moment."""
        ...

    def assets(self, cells: Picked) -> frozenset[AssetKey]:
        """Return the assets of which a set has a cell."""
        ...

    def others(self, cells: Picked) -> Picked:
        """Return the cells that are not in a set."""
        ...

    def both(self, one: Picked, other: Picked) -> Picked:
        """Return the cells that are in each of two sets."""
        ...

    def either(self, one: Picked, other: Picked) -> Picked:
        """Return the cells that are in any of two sets."""
        ...


def pick(selection: Selection, graph: Graph, cells: CellSets[Picked]) -> Picked:
    """Return the cells that a selection picks.

    Raises: SelectionError where a key, tag, owner or group matches nothing, and what the sets raise.
    """
    if is_of_assets(selection):
        return cells.of_assets(pick_assets(selection, graph))
    match selection:
        case InState(states):
            return cells.in_states(states)
        case Caused(kinds):
            return cells.with_causes(kinds)
        case InPartitions(ranges):
            return cells.in_partitions(ranges)
        case ChangedSince(moment):
            return cells.changed_since(moment)
        case Around(inner, up, down):
            picked = pick(inner, graph, cells)
            keys = cells.assets(picked)
            return cells.either(picked, cells.of_assets(graph.ancestors(keys, up) | graph.descendants(keys, down)))
        case Not(inner):
            return cells.others(pick(inner, graph, cells))
        case And(selections):
            return reduce(cells.both, (pick(inner, graph, cells) for inner in selections))
        case Or(selections):
            return reduce(cells.either, (pick(inner, graph, cells) for inner in selections))
        case _:
            raise TypeError(f"{selection} was told of assets alone")


def is_of_assets(selection: Selection) -> bool:
    """Return whether a selection can be told from the definitions alone: no part of it looks at cells."""
    match selection:
        case InState() | Caused() | InPartitions() | ChangedSince():
            return False
        case Around(inner) | Not(inner):
            return is_of_assets(inner)
        case And(selections) | Or(selections):
            return all(is_of_assets(inner) for inner in selections)
        case _:
            return True


def pick_assets(selection: Selection, graph: Graph) -> frozenset[AssetKey]:
    """Return the assets that a selection picks whole; only for one that `is_of_assets`.

    Raises: SelectionError where a key, tag, owner or group matches nothing.
    """
    assets = graph.assets.values()
    match selection:
        case Named(pattern):
            return _matching("asset", pattern, ((asset.key, asset) for asset in assets))
        case Tagged(name, value):
            tagged = _matching("tag", name, ((tag, asset) for asset in assets for tag in asset.tags), exact=True)
            if value is None:
                return tagged
            valued = ((asset.tags[name], asset) for asset in assets if name in asset.tags)
            return _matching(f"value of the tag {name!r}", value, valued)
        case Owned(pattern):
            return _matching("owner", pattern, ((owner, asset) for asset in assets for owner in asset.owners))
        case Grouped(pattern):
            return _matching("group", pattern, ((asset.group, asset) for asset in assets))
        case OfKind(kind):
            return frozenset(asset.key for asset in assets if asset.kind is kind)
        case Around(inner, up, down):
            keys = pick_assets(inner, graph)
            return keys | graph.ancestors(keys, up) | graph.descendants(keys, down)
        case Not(inner):
            return frozenset(graph.assets) - pick_assets(inner, graph)
        case And(selections):
            return frozenset.intersection(*(pick_assets(inner, graph) for inner in selections))
        case Or(selections):
            return frozenset[AssetKey]().union(*(pick_assets(inner, graph) for inner in selections))
        case _:
            raise TypeError(f"{selection} looks at cells")


def _matching(
    word: str, pattern: str, pairs: Iterable[tuple[str, Asset]], *, exact: bool = False
) -> frozenset[AssetKey]:
    """Return the assets whose text matches; refuse a pattern that matches none."""
    of_text: dict[str, list[AssetKey]] = {}
    for text, asset in pairs:
        of_text.setdefault(text, []).append(asset.key)
    if exact or "*" not in pattern:
        found = of_text.get(pattern, [])
    else:
        only_stars = re.sub(r"[\[?]", r"[\g<0>]", pattern)
        matches = re.compile(fnmatch.translate(only_stars)).match
        found = [key for text, keys in of_text.items() if matches(text) for key in keys]
    if not found:
        known = sorted(of_text)
        ending = [f" (did you mean {text!r}?)" for text in known if text.endswith(f"/{pattern}")]
        raise SelectionError(
            f"no {word} matches {pattern!r}{ending[0] if ending else did_you_mean(pattern, known)}",
            remedy=f"use one of {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}"
            if known
            else f"remove it: no asset has any {word}",
        )
    return frozenset(found)
