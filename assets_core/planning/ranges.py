"""Partitions written compactly: many ordinals as a few ranges of keys, and a range of keys as ordinals.

Used by the plan's texts and by `--partitions`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np

from ..errors import SelectionError, UserError
from ..model.asset import Asset
from ..model.keys import AssetKey
from ..model.partitions import (
    DailyPartitions,
    HourlyPartitions,
    MonthlyPartitions,
    Partitions,
    ProductPartitions,
    TimePartitions,
)
from ..versions.recipe import Ordinals
from .intervals import Flags
from .state import World


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
    """Return which cells of each asset a text of ranges names: `A..B`, `A`, or several with commas; None names all.

    Both ends of a range count. Ends of time ranges are dates or months of any precision: a cell is in where its time
    overlaps. Assets without partitions are in. Assets whose partitions the text cannot mean are out.

    Raises: SelectionError where a range fits no asset.
    """
    chosen = {
        asset.key: np.full(len(world.states[asset.key]), text is None or asset.partitions is None) for asset in assets
    }
    if text is None:
        return chosen
    partitioned = [asset for asset in assets if asset.partitions is not None]
    whole = any(_is_key(asset.partitions, text) for asset in partitioned)
    for part in [text] if whole else [part.strip() for part in text.split(",")]:
        errors: list[UserError] = []
        fits = False
        for asset in partitioned:
            assert asset.partitions is not None  # noqa: S101
            state = world.states[asset.key]
            try:
                low, high = _ordinals(asset.partitions, part)
            except UserError as error:
                errors.append(error)
                continue
            inside = (state.ordinals >= low) & (state.ordinals < high)
            fits = fits or bool(inside.any())
            chosen[asset.key] |= inside
        if not fits:
            if errors and len(errors) == len(partitioned):
                raise errors[0]
            raise SelectionError(
                f"no partition of the selected assets is in {part!r}",
                remedy="give a range inside of their partitions (assets list shows them)",
            )
    return chosen


def _is_key(partitions: Partitions | None, text: str) -> bool:
    """Tell whether a text is a key as it stands, commas and dots in it and all."""
    if partitions is None or isinstance(partitions, TimePartitions):
        return False
    try:
        partitions.ordinal(text)
    except UserError:
        return False
    return True


def _ordinals(partitions: Partitions, text: str) -> tuple[int, int]:
    """Return the ordinals that `A..B` or `A` covers, end exclusive."""
    if _is_key(partitions, text):
        return partitions.ordinal(text), partitions.ordinal(text) + 1
    start, dots, end = text.partition("..")
    if isinstance(partitions, TimePartitions):
        return _time_ordinals(partitions, start, end if dots else start)
    if isinstance(partitions, ProductPartitions) and "|" not in text:
        name, dimension = partitions.dimensions[0]
        if not isinstance(dimension, TimePartitions):
            raise SelectionError(f"{text!r} does not name each dimension", remedy=f"write {name}'s key | the others'")
        low, high = _time_ordinals(dimension, start, end if dots else start)
        return low * partitions.inner_size, high * partitions.inner_size
    return partitions.ordinal(start), partitions.ordinal(end if dots else start) + 1


def _time_ordinals(partitions: TimePartitions, start: str, end: str) -> tuple[int, int]:
    low, high = _period(partitions, start)[0], _period(partitions, end)[1]
    if high < low:
        raise SelectionError(f"the range {start}..{end} ends before it begins", remedy=f"write {end}..{start}")
    last = partitions.holding(high)
    return partitions.holding(low), last + (partitions.starts_at(last).astimezone(UTC) < high.astimezone(UTC))


def _period(partitions: TimePartitions, text: str) -> tuple[datetime, datetime]:
    """Return the time that a key or a date covers, by its own precision: a year, a month, a day or an hour."""
    if re.fullmatch(r"\d{4}", text):
        months = MonthlyPartitions(f"{text}-01-01", tz=partitions.tz)
        first = months.ordinal(f"{text}-01")
        return months.starts_at(first), months.starts_at(first + 12)
    try:
        grain = _grain(partitions, text)
        ordinal = grain.ordinal(text)
    except UserError:
        first, _ = partitions.fixed_bounds
        raise SelectionError(
            f"{text!r} is not a time or a key of {partitions.kind} partitions",
            remedy=f"write it like {partitions.key(first)}",
        ) from None
    if partitions.kind == "weekly" and isinstance(grain, DailyPartitions):
        # A week's key is its first day: as a single key or at the end of a range it means the whole week.
        grain, ordinal = partitions, partitions.holding(grain.starts_at(ordinal))
    return grain.starts_at(ordinal), grain.starts_at(ordinal + 1)


def _grain(partitions: TimePartitions, text: str) -> TimePartitions:
    """Return the partitions of which a text is a key, by its form."""
    if re.fullmatch(r"\d{4}-\d{2}", text):
        return MonthlyPartitions("1970-01-01", tz=partitions.tz)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return DailyPartitions("1970-01-01", tz=partitions.tz)
    # Where a zone has moved by less than an hour, full hours are not those of 1970.
    return partitions if isinstance(partitions, HourlyPartitions) else HourlyPartitions(text, tz=partitions.tz)
