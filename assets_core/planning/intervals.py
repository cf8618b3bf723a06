"""Partition mappings evaluated: for each cell of a downstream the intervals of upstream ordinals that it reads.

Used by `state.py`. Works on arrays; the slow paths (an explicit function, some products) are marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from ..model.mapping import (
    AllPartitions,
    ByDimension,
    Explicit,
    FromDimension,
    Identity,
    PartitionMapping,
    TimeWindow,
)
from ..model.partitions import Partitions, ProductPartitions, TimePartitions
from ..versions.recipe import Lanes, Ordinals

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
        spans = [slice(self.starts[i], self.starts[i + 1]) for i in index.tolist()]
        starts = np.cumsum([0, *(span.stop - span.start for span in spans)], dtype=np.int64)
        if not spans:
            return Intervals(self.low[:0], self.high[:0], starts)
        return Intervals(
            np.concatenate([self.low[span] for span in spans]),
            np.concatenate([self.high[span] for span in spans]),
            starts,
        )

    def of(self, position: int) -> list[tuple[int, int]]:
        """Return the intervals of one cell."""
        span = slice(position, position + 1) if self.starts is None else slice(*self.starts[position : position + 2])
        return list(zip(self.low[span].tolist(), self.high[span].tolist(), strict=True))

    def counts(self) -> Ordinals:
        """Return how many upstream ordinals each cell reads."""
        return self._fold(self.high - self.low)

    def sums(self, lanes: Lanes, first: int) -> Lanes:
        """Return for each cell the wrapping sum of the lanes that it reads; `first` is the ordinal of lane 0."""
        return Lanes(self._sum(lanes.a, first), self._sum(lanes.b, first))

    def numbers(self, flags: Flags, first: int) -> Ordinals:
        """Return for each cell how many of the ordinals that it reads are flagged."""
        return self._sum(flags.astype(np.int64), first)

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


def evaluate(
    mapping: PartitionMapping,
    downstream: Partitions | None,
    cells: Ordinals,
    upstream: Partitions | None,
    bounds: tuple[int, int],
) -> Intervals:
    """Return what cells (their ordinals, ascending) of a downstream read of an upstream with those bounds."""
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
    ordinals = np.fromiter((upstream.ordinal(downstream.key(cell)) for cell in cells.tolist()), np.int64, len(cells))
    return Intervals(ordinals, ordinals + 1)


def _time_window(
    mapping: TimeWindow, downstream: TimePartitions, cells: Ordinals, upstream: TimePartitions
) -> Intervals:
    if downstream.window_rule == upstream.window_rule:
        low, high = cells, cells + 1
    else:
        edges = {}
        for edge in {*cells.tolist(), *(cells + 1).tolist()}:
            moment = downstream.starts_at(edge)
            holding = upstream.holding(moment)
            begins = upstream.starts_at(holding).astimezone(UTC)
            edges[edge] = (holding, holding + (begins < moment.astimezone(UTC)))
        low = np.fromiter((edges[cell][0] for cell in cells.tolist()), np.int64, len(cells))
        high = np.fromiter((edges[cell + 1][1] for cell in cells.tolist()), np.int64, len(cells))
        high = np.maximum(high, low)
    if mapping.last is not None:
        low = np.minimum(low, high - mapping.last)
    return Intervals(low + mapping.offset, high + mapping.offset)


def _explicit(
    mapping: Explicit, downstream: Partitions | None, cells: Ordinals, upstream: Partitions | None
) -> Intervals:
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
    ordinals = _split(product, cells)[index]
    unique, positions = np.unique(ordinals, return_inverse=True)
    return (product.dimensions[index][1], unique), positions


def _split(product: ProductPartitions, cells: Ordinals) -> list[Ordinals]:
    """Return the ordinals of cells in each dimension."""
    parts: list[Ordinals] = []
    for first, size in reversed(product.inner):
        parts.append(first + cells % size)
        cells = cells // size
    return [cells, *reversed(parts)]


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
    if all(part.starts is None for part in parts):
        widths = [part.high - part.low for part in parts]
        full = [True]  # whether all dimensions behind one are read whole, so that its interval is one of the product
        for width, (first, end) in reversed(list(zip(widths[1:], limits[1:], strict=True))):
            full.insert(0, full[0] and bool((width == end - first).all()))
        inner = full.index(True)
        if all(bool((width == 1).all()) for width in widths[:inner]):
            offsets = [0, *(first for first, _ in limits[1:])]
            low = sum((part.low - off) * s for part, off, s in zip(parts[: inner + 1], offsets, strides, strict=False))
            return Intervals(np.asarray(low, np.int64), low + widths[inner] * strides[inner])
    return _product_of(parts, strides, [0, *(first for first, _ in limits[1:])], len(cells))


def _product_of(parts: list[Intervals], strides: list[int], offsets: list[int], count: int) -> Intervals:
    """The slow path: enumerate the combinations of each cell."""
    found: list[list[tuple[int, int]]] = []
    for position in range(count):
        ordinals = [0]
        for part, stride, offset in zip(parts, strides, offsets, strict=True):
            own = [o for low, high in part.of(position) for o in range(low, high)]
            ordinals = [base + (o - offset) * stride for base in ordinals for o in own]
        found.append(_runs(sorted(ordinals)))
    return _from_lists(found)
