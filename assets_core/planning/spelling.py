"""Keys of partitions on arrays: the keys of many ordinals, and the ordinals of many keys.

Used where all cells of an asset are written down, matched by a pattern, or were recorded under another numbering. It
agrees with `key` and `ordinal` of the definitions, without asking them partition by partition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import numpy as np
import numpy.typing as npt

from ..model.keys import join_dimensions, split_dimensions
from ..model.partitions import (
    DailyPartitions,
    KeyedPartitions,
    MomentPartitions,
    MonthsPartitions,
    Partitions,
    ProductPartitions,
    TimePartitions,
    WeeklyPartitions,
)
from ..versions.recipe import Ordinals
from .windows import DAY, MINUTE, SECOND, clock, first_days, holding, starts

NOWHERE: Final = -(2**62)
"""What stands for the ordinal of a key that is none: far from any, where -1 is the last day of 1969."""

Texts = npt.NDArray[np.str_]
Letters = npt.NDArray[np.uint32]

_ZERO = ord("0")
_LONGEST = 32
"""No key of time has more letters; the longest are those of a zone with seconds, of 28."""


def keys_of(partitions: Partitions, ordinals: Ordinals) -> list[str]:
    """Return the keys of ordinals."""
    if not len(ordinals):
        return []
    match partitions:
        case KeyedPartitions(keys=keys):
            return [keys[ordinal] for ordinal in ordinals.tolist()]
        case ProductPartitions():
            return _product_keys(partitions, ordinals)
        case TimePartitions():
            found: list[str] = _time_texts(partitions, ordinals).tolist()
            return found
        case _:
            raise NotImplementedError(partitions.kind)


def ordinals_of(partitions: Partitions, keys: Sequence[str]) -> Ordinals:
    """Return the ordinals of keys, spelled as `keys_of` spells them; NOWHERE for a text that is no key.

    Ordinals of time may be outside of the definition's bounds.
    """
    if not len(keys):
        return np.zeros(0, np.int64)
    match partitions:
        case KeyedPartitions(positions=positions):
            return _looked_up(positions, keys)
        case ProductPartitions():
            return _product_ordinals(partitions, keys)
        case TimePartitions():
            # numpy drops zeros from the end of a text, and pads all texts to the longest
            texts = [key if len(key) <= _LONGEST and key[-1:] != "\0" else "" for key in keys]
            return _time_ordinals(partitions, np.array(texts, np.str_))
        case _:
            raise NotImplementedError(partitions.kind)


def in_order(partitions: Partitions | None, ordinals: Ordinals) -> Ordinals:
    """Return ordinals in the order in which their partitions are handed over: by time, and by key where they are keys.

    So the order of a list, or that in which keys were added, does not count for what is read.
    """
    match partitions:
        case KeyedPartitions():
            return ordinals[_rank(partitions, ordinals).argsort(kind="stable")]
        case ProductPartitions(dimensions=dimensions):
            parts = zip(dimensions, split(partitions, ordinals), strict=True)
            return ordinals[np.lexsort([_rank(dimension, part) for (_, dimension), part in parts][::-1])]
        case _:
            return ordinals


def _rank(partitions: Partitions, ordinals: Ordinals) -> Ordinals:
    """Return numbers in the order of partitions: of time those there are, else the places of the keys when sorted."""
    if isinstance(partitions, TimePartitions):
        return ordinals
    unique, inverse = np.unique(ordinals, return_inverse=True)
    keys = keys_of(partitions, unique)
    rank = np.empty(len(unique), np.int64)
    rank[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
    return rank[inverse]


def split(product: ProductPartitions, cells: Ordinals) -> list[Ordinals]:
    """Return the ordinals of cells in each dimension."""
    parts: list[Ordinals] = []
    for first, size in reversed(product.inner):
        parts.append(first + cells % size)
        cells = cells // size
    return [cells, *reversed(parts)]


def join(product: ProductPartitions, parts: Sequence[Ordinals]) -> Ordinals:
    """Return the ordinals of combinations; NOWHERE where a part is NOWHERE, or outside of a dimension but the first."""
    found = parts[0]
    outside = found == NOWHERE
    for part, (first, size) in zip(parts[1:], product.inner, strict=True):
        outside = outside | (part < first) | (part >= first + size)
        found = np.where(outside, 0, found * size + part - first)
    return np.where(outside, NOWHERE, found)


def _looked_up(positions: Mapping[str, int], keys: Sequence[str]) -> Ordinals:
    return np.fromiter((positions.get(key, NOWHERE) for key in keys), np.int64, len(keys))


def _product_keys(product: ProductPartitions, ordinals: Ordinals) -> list[str]:
    texts: list[list[str]] = []
    for (_, dimension), part in zip(product.dimensions, split(product, ordinals), strict=True):
        unique, places = np.unique(part, return_inverse=True)
        known = [join_dimensions((key,)) for key in keys_of(dimension, unique)]  # escaped, each once
        texts.append([known[place] for place in places.tolist()])
    return ["|".join(parts) for parts in zip(*texts, strict=True)]


def _product_ordinals(product: ProductPartitions, keys: Sequence[str]) -> Ordinals:
    count = len(product.dimensions)
    rows = [split_dimensions(key) if "\\" in key else tuple(key.split("|")) for key in keys]
    fitting = np.fromiter((len(row) == count for row in rows), np.bool_, len(rows))
    columns = zip(*(row if len(row) == count else ("",) * count for row in rows), strict=True)
    parts: list[Ordinals] = []
    for (_, dimension), column in zip(product.dimensions, columns, strict=True):
        known = list(dict.fromkeys(column))
        table = dict(zip(known, ordinals_of(dimension, known).tolist(), strict=True))
        parts.append(np.fromiter((table[key] for key in column), np.int64, len(column)))
    found = np.where(fitting, join(product, parts), NOWHERE)
    # a key may be escaped where it need not be, and is then spelled otherwise
    for row in [row for row, key in enumerate(keys) if "\\" in key and found[row] != NOWHERE]:
        if product.key(int(found[row])) != keys[row]:
            found[row] = NOWHERE
    return found


def _time_texts(partitions: TimePartitions, ordinals: Ordinals) -> Texts:
    if isinstance(partitions, MomentPartitions):
        return _moment_texts(partitions, ordinals)
    days = first_days(partitions, ordinals).astype("datetime64[D]")
    if isinstance(partitions, MonthsPartitions):
        if partitions.months == 3:
            quarters = (ordinals % 4 + 1).astype(np.str_)
            years: Texts = np.datetime_as_string(days, "Y")
            return np.char.add(np.char.add(years, "-Q"), quarters)
        return np.datetime_as_string(days, "Y" if partitions.months == 12 else "M")
    return np.datetime_as_string(days, "D")


def _moment_texts(partitions: MomentPartitions, ordinals: Ordinals) -> Texts:
    moments = starts(partitions, ordinals)
    offsets = clock(partitions.zone, int(moments.min()), int(moments.max())).offset(moments)
    local = moments + offsets
    known, places = np.unique(offsets, return_inverse=True)
    suffixes = np.array([_suffix(offset) for offset in known.tolist()])
    seconds = local % MINUTE != 0  # the clock of a zone whose offset once had seconds
    texts: Texts = np.datetime_as_string(local.astype("datetime64[us]"), "m")
    if seconds.any():
        whole: Texts = np.datetime_as_string(local.astype("datetime64[us]"), "s")
        texts = np.where(seconds, whole, texts)
    return np.char.add(texts, suffixes[places]) if len(known) > 1 else np.char.add(texts, suffixes[0])


def _suffix(offset: int) -> str:
    text = datetime(1970, 1, 1, tzinfo=timezone(timedelta(microseconds=offset))).isoformat()[19:]
    return "Z" if text == "+00:00" else text


def _time_ordinals(partitions: TimePartitions, texts: Texts) -> Ordinals:
    """Read what has the form of a key, and keep what is spelled the same."""
    match partitions:
        case MomentPartitions():
            found = _moments_read(partitions, texts)
        case DailyPartitions() | WeeklyPartitions():
            found = _days_read(texts)
            if isinstance(partitions, WeeklyPartitions):
                found = np.where(found == NOWHERE, NOWHERE, (found + partitions.shift_days) // 7)
        case _:
            found = _months_read(partitions, texts)
    fitting = np.flatnonzero(found != NOWHERE)
    if len(fitting):
        same = _time_texts(partitions, found[fitting]) == texts[fitting]
        found[fitting[~same]] = NOWHERE
    return found


def _letters(texts: Texts, width: int) -> Letters:
    """Return the letters of texts as numbers, in `width` columns."""
    return texts.astype(f"U{width}").view(np.uint32).reshape(-1, width)


def _has_form(letters: Letters, form: str) -> npt.NDArray[np.bool_]:
    """Return which texts have a form, in which 0 stands for any digit."""
    fits = np.ones(len(letters), np.bool_)
    for column, sign in enumerate(form):
        there = letters[:, column]
        fits &= ((there >= _ZERO) & (there <= _ZERO + 9)) if sign == "0" else there == ord(sign)
    return fits


def _number(letters: Letters, start: int, end: int) -> Ordinals:
    found = np.zeros(len(letters), np.int64)
    for column in range(start, end):
        found = found * 10 + (letters[:, column].astype(np.int64) - _ZERO)
    return found


def _has_years(letters: Letters) -> npt.NDArray[np.bool_]:
    years = _number(letters, 0, 4)
    return (years > 1) & (years < 9999)


def _days(letters: Letters) -> Ordinals:
    """Return the days, counted from 1970, that `2013-01-31` names; no month is checked to have them."""
    months = (_number(letters, 0, 4) - 1970) * 12 + _number(letters, 5, 7) - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + _number(letters, 8, 10) - 1


def _days_read(texts: Texts) -> Ordinals:
    letters = _letters(texts, 11)
    fits = _has_form(letters, "0000-00-00") & (letters[:, 10] == 0) & _has_years(letters)
    return _where(fits, letters, _days)


def _months_read(partitions: TimePartitions, texts: Texts) -> Ordinals:
    form = {"monthly": "0000-00", "quarterly": "0000-Q0", "yearly": "0000"}[partitions.kind]
    letters = _letters(texts, len(form) + 1)
    fits = _has_form(letters, form) & (letters[:, -1] == 0) & _has_years(letters)
    match partitions.kind:
        case "monthly":
            return _where(fits, letters, lambda each: (_number(each, 0, 4) - 1970) * 12 + _number(each, 5, 7) - 1)
        case "quarterly":
            return _where(fits, letters, lambda each: (_number(each, 0, 4) - 1970) * 4 + _number(each, 6, 7) - 1)
    return _where(fits, letters, lambda each: _number(each, 0, 4) - 1970)


def _moments_read(partitions: MomentPartitions, texts: Texts) -> Ordinals:
    width = max(texts.dtype.itemsize // 4, 17)
    letters = _letters(texts, width)
    fits = _has_form(letters, "0000-00-00T00:00") & _has_years(letters)
    suffixes = np.ascontiguousarray(letters[:, 16:]).view(f"U{width - 16}").reshape(-1)
    known, places = np.unique(suffixes, return_inverse=True)
    behind = np.array([_behind(suffix) for suffix in known.tolist()], np.int64)[places]
    fits &= behind != NOWHERE
    moments = _where(
        fits,
        letters,
        lambda each: _days(each) * DAY + (_number(each, 11, 13) * 60 + _number(each, 14, 16)) * MINUTE,
    )
    found = np.full(len(texts), NOWHERE, np.int64)
    found[fits] = holding(partitions, moments[fits] + behind[fits])
    return found


def _behind(suffix: str) -> int:
    """Return how many microseconds of UTC what stands behind the minutes of a key adds to them."""
    try:
        time = datetime.fromisoformat(f"1970-01-02T00:00{suffix}")
    except ValueError:
        return NOWHERE
    if time.tzinfo is None or time.microsecond:
        return NOWHERE
    return (time - datetime(1970, 1, 2, tzinfo=UTC)) // timedelta(seconds=1) * SECOND


def _where(fits: npt.NDArray[np.bool_], letters: Letters, read: Callable[[Letters], Ordinals]) -> Ordinals:
    """Return what is read from the texts that fit, NOWHERE for the others."""
    found = np.full(len(letters), NOWHERE, np.int64)
    found[fits] = read(letters[fits])
    return found
