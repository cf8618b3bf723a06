"""What a text of `--partitions` means for one definition of partitions: a key, a range, a pattern, or dimensions.

Used by `ranges.py`, which knows of assets.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import reduce

import numpy as np

from ..errors import SelectionError, UserError, did_you_mean
from ..model.keys import split_dimensions
from ..model.partitions import (
    DailyPartitions,
    HourlyPartitions,
    MinutePartitions,
    MonthlyPartitions,
    Partitions,
    PartitionsError,
    ProductPartitions,
    QuarterlyPartitions,
    TimePartitions,
    YearlyPartitions,
)
from .intervals import Flags
from .spelling import keys_of

Bounds = tuple[int, int]

_NAMED = re.compile(r"\s*([^\W\d]\w*)\s*=(.*)", re.DOTALL)


def is_key(partitions: Partitions, text: str) -> bool:
    """Tell whether a text is a key as it stands, commas and dots in it and all."""
    if isinstance(partitions, TimePartitions):
        return False
    try:
        partitions.ordinal(text)
    except UserError:
        return False
    return True


def names_a_dimension(partitions: Partitions, text: str) -> bool:
    """Tell whether a text begins with the name of a dimension: `day=...`."""
    named = _NAMED.fullmatch(text)
    return isinstance(partitions, ProductPartitions) and bool(named and named[1] in dict(partitions.dimensions))


def meant(partitions: Partitions, bounds: Bounds, text: str) -> Flags:
    """Return which ordinals inside of the bounds a text names that is not several with commas.

    Raises: SelectionError where the text can mean nothing of these partitions.
    """
    if is_key(partitions, text):
        return _between(bounds, partitions.ordinal(text), partitions.ordinal(text) + 1)
    if isinstance(partitions, ProductPartitions):
        return _meant_of_product(partitions, bounds, text)
    if not isinstance(partitions, TimePartitions) and _ends(partitions, text) is not None:
        return _between(bounds, *_key_ordinals(partitions, bounds, text))
    if _is_pattern(text):
        return _matching(partitions, bounds, text)
    if isinstance(partitions, TimePartitions):
        return _between(bounds, *_time_ordinals(partitions, bounds, text))
    return _between(bounds, *_key_ordinals(partitions, bounds, text))


def _any_meant(partitions: Partitions, bounds: Bounds, text: str) -> Flags:
    """Return which ordinals a text names that may be several with commas."""
    parts = [text] if is_key(partitions, text) else [part.strip() for part in text.split(",")]
    return reduce(np.logical_or, [meant(partitions, bounds, part) for part in parts])


def _between(bounds: Bounds, low: int, high: int) -> Flags:
    flags = np.zeros(bounds[1] - bounds[0], np.bool_)
    flags[max(low - bounds[0], 0) : max(high - bounds[0], 0)] = True
    return flags


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _matching(partitions: Partitions, bounds: Bounds, pattern: str) -> Flags:
    matches = re.compile(fnmatch.translate(pattern)).match
    keys = keys_of(partitions, np.arange(*bounds, dtype=np.int64))
    return np.fromiter((matches(key) is not None for key in keys), np.bool_, len(keys))


def _ends(partitions: Partitions, text: str) -> tuple[str, str] | None:
    """Return the keys at the ends of `A..B`, empty where one is open, None where they are none; a key may hold dots."""
    for place in (match.start() for match in re.finditer(r"(?=\.\.)", text)):
        start, end = text[:place], text[place + 2 :]
        if start + end and all(not side or is_key(partitions, side) for side in (start, end)):
            return start, end
    return None


def _key_ordinals(partitions: Partitions, bounds: Bounds, text: str) -> Bounds:
    """Return the ordinals of `A..B`, `A..`, `..B` or `A` of keys that are of no time."""
    start, dots, end = text.partition("..")
    start, end = _ends(partitions, text) or (start, end if dots else start)
    if not start + end:
        raise SelectionError("the range .. names no end", remedy="leave it out: all partitions are meant then")
    low = partitions.ordinal(start) if start else bounds[0]
    high = partitions.ordinal(end) + 1 if end else bounds[1]
    if start and end and high <= low:
        raise SelectionError(f"the range {start}..{end} ends before it begins", remedy=f"write {end}..{start}")
    return low, high


def _meant_of_product(product: ProductPartitions, bounds: Bounds, text: str) -> Flags:
    parts = split_dimensions(text)
    if names_a_dimension(product, text) or all(_NAMED.fullmatch(part) for part in parts):
        return _combined(product, bounds, _by_name(product, parts))
    if len(parts) == 1:
        name, dimension = product.dimensions[0]
        if not isinstance(dimension, TimePartitions) and not _is_pattern(text):
            raise SelectionError(
                f"{text!r} does not name each dimension", remedy=f"write {name}={text}, or {name}'s key | the others'"
            )
        return _combined(product, bounds, [text, *[None] * len(product.inner)])
    if len(parts) == len(product.dimensions) and _ends(product, text) is None:
        return _combined(product, bounds, parts)
    return _between(bounds, *_key_ordinals(product, bounds, text))


def _by_name(product: ProductPartitions, parts: Sequence[str]) -> list[str | None]:
    """Return the text of each dimension, None for those left out."""
    found: dict[str, str] = {}
    known = [name for name, _ in product.dimensions]
    for part in parts:
        named = _NAMED.fullmatch(part)
        if named is None or named[1] not in known or named[1] in found:
            name = part if named is None else named[1]
            problem = f"dimension {name!r} is named twice" if name in found else f"there is no dimension {name!r}"
            raise SelectionError(
                f"{problem}{'' if name in found else did_you_mean(name, known)}",
                remedy=f"write {'|'.join(f'{each}=...' for each in known)}; what is left out is not restricted",
            )
        found[named[1]] = named[2].strip()
    return [found.get(name) for name in known]


def _combined(product: ProductPartitions, bounds: Bounds, texts: Sequence[str | None]) -> Flags:
    """Return the combinations of what each dimension's text names; None names all of it."""
    if not product.inner_size:
        return np.zeros(0, np.bool_)
    limits = [
        (bounds[0] // product.inner_size, bounds[1] // product.inner_size),
        *((first, first + size) for first, size in product.inner),
    ]
    chosen = [
        np.ones(limit[1] - limit[0], np.bool_) if text is None else _any_meant(dimension, limit, text)
        for (_, dimension), limit, text in zip(product.dimensions, limits, texts, strict=True)
    ]
    return reduce(np.logical_and.outer, chosen).reshape(-1)


def _time_ordinals(partitions: TimePartitions, bounds: Bounds, text: str) -> Bounds:
    """Return the ordinals of the partitions whose time overlaps `A..B`, `A..`, `..B` or `A`."""
    start, dots, end = text.partition("..")
    if dots and not start + end:
        raise SelectionError("the range .. names no end", remedy="leave it out: all partitions are meant then")
    first = _period(partitions, start) if start or not dots else None
    last = _period(partitions, end) if end else None if dots else first
    if first is not None and last is not None and last[1] < first[0]:
        raise SelectionError(f"the range {start}..{end} ends before it begins", remedy=f"write {end}..{start}")
    low = bounds[0] if first is None else partitions.holding(first[0])
    if last is None:
        return low, bounds[1]
    high = partitions.holding(last[1])
    return low, high + (partitions.starts_at(high).astimezone(UTC) < last[1].astimezone(UTC))


def _period(partitions: TimePartitions, text: str) -> tuple[datetime, datetime]:
    """Return the time that a key or a date covers, by its own precision: from a year to a minute."""
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
    forms: list[tuple[str, type[TimePartitions]]] = [
        (r"\d{4}", YearlyPartitions),
        (r"\d{4}-Q\d", QuarterlyPartitions),
        (r"\d{4}-\d{2}", MonthlyPartitions),
        (r"\d{4}-\d{2}-\d{2}", DailyPartitions),
    ]
    for form, kind in forms:
        if re.fullmatch(form, text, re.ASCII):
            return kind("1970-01-01", tz=partitions.tz)
    try:
        partitions.ordinal(text)
    except UserError:
        # Where a zone has moved by less than an hour, full hours are not those of 1970.
        try:
            return HourlyPartitions(text, tz=partitions.tz)
        except PartitionsError:
            return MinutePartitions(text, tz=partitions.tz, every=1)
    return partitions
