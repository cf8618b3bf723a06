"""Partitions written compactly: many ordinals as a few ranges of keys, and a text of ranges as ordinals.

Used by the plan's texts and by `--partitions`. What a text means for the partitions of one asset is in `meaning.py`.
"""

from __future__ import annotations

import numpy as np

from ..errors import SelectionError, UserError
from ..model.asset import Asset
from ..model.keys import AssetKey
from ..model.partitions import Partitions
from ..versions.recipe import Ordinals
from .intervals import Flags
from .meaning import is_key, meant, names_a_dimension
from .world import World


def runs_of(ordinals: Ordinals) -> list[tuple[int, int]]:
    """Return ascending ordinals as runs of neighbours: (first, last), both inclusive."""
    if not len(ordinals):
        return []
    breaks = np.flatnonzero(np.diff(ordinals) != 1)
    firsts = ordinals[np.concatenate(([0], breaks + 1))]
    lasts = ordinals[np.concatenate((breaks, [len(ordinals) - 1]))]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def range_texts(partitions: Partitions | None, ordinals: Ordinals) -> list[str]:
    """Return ascending ordinals as texts: `2013-01-01..2013-01-31`, or the key alone where a run has one."""
    if partitions is None:
        return []
    return [
        partitions.key(first) if first == last else f"{partitions.key(first)}..{partitions.key(last)}"
        for first, last in runs_of(ordinals)
    ]


def in_ranges(world: World, assets: list[Asset], text: str | None) -> dict[AssetKey, Flags]:
    """Return which cells of each asset a text names; None names all.

    The text is a key, a range `A..B`, `A..` or `..B`, a pattern such as `2013-0*`, or several of these with commas; or
    one of them for dimensions of a product: `day=2013-01-01..2013-01-07|region=eu,us`. Both ends of a range count. Ends
    of time ranges are dates, months, quarters or years: a cell is in where its time overlaps. Assets without partitions
    are in. Assets whose partitions the text cannot mean are out.

    Raises: SelectionError where a part of the text fits no asset.
    """
    chosen = {
        asset.key: np.full(len(world.states[asset.key]), text is None or asset.partitions is None) for asset in assets
    }
    if text is None:
        return chosen
    partitioned = [(asset, asset.partitions) for asset in assets if asset.partitions is not None]
    is_one = any(is_key(partitions, text) or names_a_dimension(partitions, text) for _, partitions in partitioned)
    for part in [text] if is_one else [part.strip() for part in text.split(",")]:
        errors: list[UserError] = []
        fits = False
        for asset, partitions in partitioned:
            state = world.states[asset.key]
            try:
                inside = meant(partitions, (state.first, state.end), part)
            except UserError as error:
                errors.append(error)
                continue
            fits = fits or bool(inside.any())
            chosen[asset.key] |= inside
        if not fits:
            if errors and len(errors) == len(partitioned):
                raise max(errors, key=lambda error: "did you mean" in error.what)  # the first that is a near miss
            raise SelectionError(
                f"no partition of the selected assets is in {part!r}",
                remedy="give a range inside of their partitions (assets list shows them)",
            )
    return chosen
