"""Partition mappings evaluated: for each cell of a downstream the intervals of upstream ordinals that it reads.

Used by `world.py`. Works on arrays; the slow path (an explicit function) is marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import SelectionError, UserError
from ..model.mapping import (
    AllPartitions,
    ByDimension,
    Explicit,
    FromDimension,
    Identity,
    LastAvailable,
    PartitionMapping,
    StaticMap,
    TimeWindow,
)
from ..model.partitions import Partitions, ProductPartitions, TimePartitions
from ..versions.recipe import Lanes, Ordinals
from .spelling import NOWHERE, join, keys_of, ordinals_of, split
from .windows import holding, starts

Flags = npt.NDArray[np.bool_]
Number = TypeVar("Number", np.int64, np.uint64)


@dataclass(frozen=True, slots=True)
class Intervals:
    """What n cells read: cell i the ordinals `low[k] <= o < high[k]` for k from `starts[i]` to `starts[i + 1]`.

    Where `starts` is None each cell has one interval, k = i. Intervals lie inside of the upstream's bounds; an empty
    one has low == high.
    """

    low: Ordinals
    high: Ordinals
    starts: Ordinals | None = None

    def take(self, index: Ordinals) -> Intervals:
        """Return the intervals of some of the cells, by position."""
        if self.starts is None:
            return Intervals(self.low[index], self.high[index])
        counts = np.diff(self.starts)[index]
        places = _places(self.starts[:-1][index], counts)
        return Intervals(self.low[places], self.high[places], _sums(counts))

    def of(self, position: int) -> list[tuple[int, int]]:
        """Return the intervals of one cell."""
        span = slice(position, position + 1) if self.starts is None else slice(*self.starts[position : position + 2])
        return list(zip(self.low[span].tolist(), self.high[span].tolist(), strict=True))

    def enumerated(self) -> tuple[Ordinals, Ordinals]:
        """Return every ordinal that the cells read, cell by cell, and where each cell's start."""
        ordinals = _places(self.low, self.high - self.low)
        return ordinals, _sums(self.counts())

    def hull(self) -> tuple[int, int]:
        """Return the first ordinal and the end of all that the cells read."""
        filled = self.high > self.low
        if not filled.any():
            return 0, 0
        return int(self.low[filled].min()), int(self.high[filled].max())

    def counts(self) -> Ordinals:
        """Return how many upstream ordinals each cell reads."""
        return self._fold(self.high - self.low)

    def sums(self, lanes: Lanes, first: int) -> Lanes:
        """Return for each cell the wrapping sum of the lanes that it reads; `first` is the ordinal of lane 0."""
        return Lanes(self._sum(lanes.a, first), self._sum(lanes.b, first))

    def differences(self, prefixes: Lanes, first: int) -> Lanes:
        """Return the same as `sums`, from the prefix sums of the lanes."""
        low, high = self.low - first, self.high - first
        return Lanes(
            self._fold(prefixes.a[high] - prefixes.a[low]),
            self._fold(prefixes.b[high] - prefixes.b[low]),
        )

    def numbers(self, flags: Flags, first: int) -> Ordinals:
        """Return for each cell how many of the ordinals that it reads are flagged."""
        return self._sum(flags.astype(np.int64), first)

    def newest(self, flags: Flags, first: int) -> Intervals:
        """Return the last flagged one of what each cell reads, or nothing; `first` is the ordinal of flag 0."""
        if not len(self.low):
            nothing = np.full(len(self.counts()), first, np.int64)
            return Intervals(nothing, nothing)
        start, stop = int(self.low.min()), max(int(self.low.min()), int(self.high.max()))
        flagged = np.where(flags[start - first : stop - first], np.arange(start, stop), NOWHERE)
        # behind each ordinal the last flagged one before it
        last = np.concatenate(([NOWHERE], np.maximum.accumulate(flagged)))
        found = last[self.high - start]
        found = np.where(found >= self.low, found, NOWHERE)
        if self.starts is None:
            return Intervals(
                np.where(found == NOWHERE, self.low, found), np.where(found == NOWHERE, self.low, found + 1)
            )
        latest = np.maximum.accumulate(np.where(found == NOWHERE, -1, np.arange(len(found))))
        place = np.concatenate(([-1], latest))[self.starts[1:]]  # the last interval of the cell with a flagged one
        is_there = place >= self.starts[:-1]
        low = np.where(is_there, found[place], first)
        return Intervals(low, low + is_there)

    def _sum(self, values: npt.NDArray[Number], first: int) -> npt.NDArray[Number]:
        if not len(self.low):
            return self._fold(np.zeros(0, values.dtype))
        start, stop = int(self.low.min()), int(self.high.max())
        prefix = np.zeros(max(stop - start, 0) + 1, values.dtype)
        np.cumsum(values[start - first : stop - first], out=prefix[1:])
        return self._fold(prefix[self.high - start] - prefix[self.low - start])

    def _fold(self, values: npt.NDArray[Number]) -> npt.NDArray[Number]:
        if self.starts is None:
            return values
        prefix = np.zeros(len(values) + 1, values.dtype)
        np.cumsum(values, out=prefix[1:])
        return prefix[self.starts[1:]] - prefix[self.starts[:-1]]

    def advance(self) -> bool:
        """Return whether each cell has one interval that begins and ends no earlier than that of the cell before."""
        return self.starts is None and bool((np.diff(self.low) >= 0).all() and (np.diff(self.high) >= 0).all())

    def span(self, first: int, end: int) -> slice:
        """Return the positions among which all cells lie that read an ordinal in `first <= o < end`.

        Only for cells whose intervals advance (see `advance`).
        """
        start = int(np.searchsorted(self.high, first, "right"))
        return slice(start, max(start, int(np.searchsorted(self.low, end, "left"))))


def _sums(counts: Ordinals) -> Ordinals:
    """Return where each of some runs starts, and where the last ends, if they follow each other."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))


def _places(firsts: Ordinals, counts: Ordinals) -> Ordinals:
    """Return the numbers of runs, one run after the other: `counts[i]` numbers from `firsts[i]` up."""
    ends = np.cumsum(counts, dtype=np.int64)
    return np.repeat(firsts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def is_newest(mapping: PartitionMapping) -> bool:
    """Tell whether of the partitions that a mapping names a cell reads the newest one that is there."""
    if isinstance(mapping, FromDimension):
        return mapping.mapping is not None and is_newest(mapping.mapping)
    return isinstance(mapping, LastAvailable)


def evaluate(
    mapping: PartitionMapping,
    downstream: Partitions | None,
    cells: Ordinals,
    upstream: Partitions | None,
    bounds: tuple[int, int],
) -> Intervals:
    """Return what cells (their ordinals, ascending) of a downstream read of an upstream with those bounds.

    For the last available partition, which depends on what is there, that is what it may be: see `Intervals.newest`.
    """
    found = _evaluate(mapping, downstream, cells, upstream, bounds)
    low = np.clip(found.low, *bounds)
    return Intervals(low, np.maximum(np.clip(found.high, *bounds), low), found.starts)


def _evaluate(
    mapping: PartitionMapping,
    downstream: Partitions | None,
    cells: Ordinals,
    upstream: Partitions | None,
    bounds: tuple[int, int],
) -> Intervals:
    match mapping:
        case AllPartitions():
            return Intervals(np.full(len(cells), bounds[0], np.int64), np.full(len(cells), bounds[1], np.int64))
        case Identity():
            return _identity(downstream, cells, upstream)
        case TimeWindow():
            assert isinstance(downstream, TimePartitions)  # noqa: S101  # refused at load otherwise
            assert isinstance(upstream, TimePartitions)  # noqa: S101
            return _time_window(mapping, downstream, cells, upstream)
        case LastAvailable():
            if isinstance(downstream, TimePartitions) and isinstance(upstream, TimePartitions):
                high = _time_window(TimeWindow(), downstream, cells, upstream).high
            else:
                high = np.full(len(cells), bounds[1], np.int64)
            return Intervals(np.full(len(cells), bounds[0], np.int64), high)
        case StaticMap():
            return _static_map(mapping, downstream, cells, upstream)
        case Explicit():
            return _explicit(mapping, downstream, cells, upstream)
        case FromDimension(name=name, mapping=inner):
            assert isinstance(downstream, ProductPartitions)  # noqa: S101
            own, positions = _dimension_cells(downstream, name, cells)
            return evaluate(_required(inner), own[0], own[1], upstream, bounds).take(positions)
        case ByDimension(dimensions=dimensions):
            assert isinstance(upstream, ProductPartitions)  # noqa: S101
            return _by_dimension(dict(dimensions), downstream, cells, upstream, bounds)


def _required(mapping: PartitionMapping | None) -> PartitionMapping:
    assert mapping is not None  # noqa: S101  # completed at load
    return mapping


def _identity(downstream: Partitions | None, cells: Ordinals, upstream: Partitions | None) -> Intervals:
    assert downstream is not None  # noqa: S101
    assert upstream is not None  # noqa: S101
    if downstream.scheme == upstream.scheme:
        return Intervals(cells, cells + 1)
    ordinals = _same_keys(downstream, cells, upstream)
    is_there = ordinals != NOWHERE  # a key of a dynamic set need not be one of another
    return Intervals(np.where(is_there, ordinals, 0), np.where(is_there, ordinals + 1, 0))


def _same_keys(downstream: Partitions, cells: Ordinals, upstream: Partitions) -> Ordinals:
    """Return the upstream ordinals of the cells' keys, NOWHERE where there is none; of products by each dimension."""
    if downstream.scheme == upstream.scheme:
        return cells
    if not (isinstance(downstream, ProductPartitions) and isinstance(upstream, ProductPartitions)):
        unique, positions = np.unique(cells, return_inverse=True)
        return ordinals_of(upstream, keys_of(downstream, unique))[positions]
    dimensions = zip(downstream.dimensions, split(downstream, cells), upstream.dimensions, strict=True)
    return join(upstream, [_same_keys(own, part, other) for (_, own), part, (_, other) in dimensions])


def _time_window(
    mapping: TimeWindow, downstream: TimePartitions, cells: Ordinals, upstream: TimePartitions
) -> Intervals:
    if downstream.window_rule == upstream.window_rule:
        low, high = cells, cells + 1
    else:
        begin, end = starts(downstream, cells), starts(downstream, cells + 1)
        low, last = holding(upstream, begin), holding(upstream, end)
        high = np.maximum(last + (starts(upstream, last) < end), low)
    if mapping.last is not None:
        low = np.minimum(low, high - mapping.last)
    return Intervals(low + mapping.offset, high + mapping.offset)


def _static_map(
    mapping: StaticMap, downstream: Partitions | None, cells: Ordinals, upstream: Partitions | None
) -> Intervals:
    assert downstream is not None  # noqa: S101
    assert upstream is not None  # noqa: S101
    own = _ordinals_spelled(downstream, [key for key, _ in mapping.keys])
    read = dict.fromkeys(key for _, keys in mapping.keys for key in keys)
    known = dict(zip(read, _ordinals_spelled(upstream, list(read)).tolist(), strict=True))
    rows: dict[int, set[int]] = {}  # by own ordinal, which two spellings of one key share
    for ordinal, (_, keys) in zip(own.tolist(), mapping.keys, strict=True):
        rows.setdefault(ordinal, set()).update(known[key] for key in keys if known[key] != NOWHERE)
    table = sorted(rows)
    places = np.searchsorted(np.array(table, np.int64), cells)
    named = np.append(np.array(table, np.int64), NOWHERE)[places] == cells
    intervals = _from_lists([*(_runs(sorted(rows[ordinal])) for ordinal in table), []])
    return intervals.take(np.where(named, places, len(table)))


def _ordinals_spelled(partitions: Partitions, keys: Sequence[str]) -> Ordinals:
    """Return the ordinals of keys, in any spelling; NOWHERE for what is none (yet)."""
    found = ordinals_of(partitions, keys)
    for place in np.flatnonzero(found == NOWHERE).tolist():
        with suppress(SelectionError):
            found[place] = partitions.ordinal(keys[place])
    return found


def _explicit(
    mapping: Explicit, downstream: Partitions | None, cells: Ordinals, upstream: Partitions | None
) -> Intervals:
    """The slow path: one call a cell."""
    assert downstream is not None  # noqa: S101
    assert upstream is not None  # noqa: S101
    found: list[list[tuple[int, int]]] = []
    for cell in cells.tolist():
        key = downstream.key(cell)
        try:
            found.append(_runs(sorted({upstream.ordinal(text) for text in mapping.function(key)})))
        except UserError:
            raise
        except Exception as error:
            name = getattr(mapping.function, "__qualname__", "function")
            raise UserError(
                f"the mapping {name}() failed for partition {key!r}: {type(error).__name__}: {error}",
                remedy="correct the function; it returns the upstream keys of a partition key",
            ) from error
    return _from_lists(found)


def _runs(ordinals: Sequence[int]) -> list[tuple[int, int]]:
    """Return ascending ordinals as intervals."""
    runs: list[tuple[int, int]] = []
    for ordinal in ordinals:
        if runs and runs[-1][1] == ordinal:
            runs[-1] = (runs[-1][0], ordinal + 1)
        else:
            runs.append((ordinal, ordinal + 1))
    return runs


def _from_lists(found: list[list[tuple[int, int]]]) -> Intervals:
    starts = np.cumsum([0, *(len(intervals) for intervals in found)], dtype=np.int64)
    flat = np.array([interval for intervals in found for interval in intervals], np.int64).reshape(-1, 2)
    return Intervals(flat[:, 0].copy(), flat[:, 1].copy(), starts)


def _dimension_cells(
    product: ProductPartitions, name: str, cells: Ordinals
) -> tuple[tuple[Partitions, Ordinals], Ordinals]:
    """Return a dimension with its ordinals among the cells, each once, and the position of each cell's among them."""
    index = [dimension for dimension, _ in product.dimensions].index(name)
    ordinals = split(product, cells)[index]
    unique, positions = np.unique(ordinals, return_inverse=True)
    return (product.dimensions[index][1], unique), positions


def _by_dimension(
    mappings: dict[str, PartitionMapping],
    downstream: Partitions | None,
    cells: Ordinals,
    upstream: ProductPartitions,
    bounds: tuple[int, int],
) -> Intervals:
    if upstream.inner_size == 0:  # a dimension has no partition
        return Intervals(np.full(len(cells), bounds[0], np.int64), np.full(len(cells), bounds[0], np.int64))
    sizes = [upstream.inner_size, *(size for _, size in upstream.inner)]
    limits = [
        (bounds[0] // upstream.inner_size, bounds[1] // upstream.inner_size),
        *((first, first + size) for first, size in upstream.inner),
    ]
    parts: list[Intervals] = []
    own = dict(downstream.dimensions) if isinstance(downstream, ProductPartitions) else {}
    for (name, dimension), limit in zip(upstream.dimensions, limits, strict=True):
        if name in own:
            assert isinstance(downstream, ProductPartitions)  # noqa: S101
            (partitions, unique), positions = _dimension_cells(downstream, name, cells)
            parts.append(evaluate(mappings[name], partitions, unique, dimension, limit).take(positions))
        else:
            parts.append(evaluate(mappings[name], downstream, cells, dimension, limit))
    strides = [1]
    for size in reversed(sizes[1:]):
        strides.insert(0, strides[0] * size)
    # Behind the last dimension that is not read whole, an interval of it is one of the product.
    inner = max((place for place, part in enumerate(parts) if not _is_whole(part, limits[place])), default=0)
    offsets = [0, *(first for first, _ in limits[1:])]
    return _product_of(parts[: inner + 1], strides[: inner + 1], offsets[: inner + 1], len(cells))


def _is_whole(part: Intervals, limit: tuple[int, int]) -> bool:
    return part.starts is None and bool((part.high - part.low == limit[1] - limit[0]).all())


def _product_of(parts: list[Intervals], strides: list[int], offsets: list[int], count: int) -> Intervals:
    """Return the ordinals of a product that combine what the cells read of its dimensions."""
    low, owners, is_single = np.zeros(count, np.int64), _sums(np.ones(count, np.int64)), True
    for part, stride, offset in zip(parts[:-1], strides, offsets, strict=False):
        ordinals, starts_of = part.enumerated()
        is_single = is_single and bool((np.diff(starts_of) == 1).all())
        low, ordinals, owners = _combined(low, owners, ordinals, starts_of)
        low = low + (ordinals - offset) * stride
    last, stride, offset = parts[-1], strides[len(parts) - 1], offsets[len(parts) - 1]
    if is_single and last.starts is None:
        return Intervals(low + (last.low - offset) * stride, low + (last.high - offset) * stride)
    every = last.starts if last.starts is not None else _sums(np.ones(count, np.int64))
    low, places, owners = _combined(low, owners, np.arange(len(last.low)), every)
    return _merged(low + (last.low[places] - offset) * stride, low + (last.high[places] - offset) * stride, owners)


def _combined(
    left: Ordinals, left_starts: Ordinals, right: Ordinals, right_starts: Ordinals
) -> tuple[Ordinals, Ordinals, Ordinals]:
    """Return every pair of what two sides have of a cell, the right side faster, and where each cell's pairs start."""
    rights = np.diff(right_starts)
    counts = np.diff(left_starts) * rights
    numbers = _places(np.zeros(len(counts), np.int64), counts)
    widths = np.repeat(rights, counts)
    pairs = left[np.repeat(left_starts[:-1], counts) + numbers // widths]
    return pairs, right[np.repeat(right_starts[:-1], counts) + numbers % widths], _sums(counts)


def _merged(low: Ordinals, high: Ordinals, owners: Ordinals) -> Intervals:
    """Return intervals without the empty ones, neighbours of a cell as one."""
    cells = np.repeat(np.arange(len(owners) - 1), np.diff(owners))
    some = high > low
    low, high, cells = low[some], high[some], cells[some]
    begins = np.ones(len(low), np.bool_)
    begins[1:] = (low[1:] != high[:-1]) | (cells[1:] != cells[:-1])
    ends = np.append(begins[1:], True)[: len(low)]
    counts = np.bincount(cells[begins], minlength=len(owners) - 1)
    return Intervals(low[begins], high[ends], _sums(counts))
