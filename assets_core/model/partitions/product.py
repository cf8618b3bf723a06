"""Products of partitions: every combination of the keys of two or more dimensions.

The first dimension may grow without moving an ordinal; the sizes of the others are part of the scheme.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from ...errors import SelectionError
from ..keys import PartitionKey, join_dimensions, split_dimensions
from .keyed import KeyedPartitions
from .port import Partition, Partitions, PartitionsError
from .timed import TimePartitions


@dataclass(frozen=True)
class ProductPartitions(Partitions):
    """Every combination of two or more dimensions, the last one fastest: ProductPartitions(day=..., region=...).

    Keys: the dimensions' keys joined by `|`. Only the first dimension may be open-ended.
    """

    dimensions: tuple[tuple[str, Partitions], ...]
    kind: ClassVar[str] = "product"

    def __init__(self, **dimensions: Partitions) -> None:
        object.__setattr__(self, "dimensions", tuple(dimensions.items()))
        if len(dimensions) < 2:
            raise PartitionsError("a product of partitions needs two dimensions or more", remedy="name another one")
        for position, (name, dimension) in enumerate(self.dimensions):
            if not isinstance(dimension, TimePartitions | KeyedPartitions):
                raise PartitionsError(
                    f"dimension {name!r} is a {type(dimension).__name__}",
                    remedy="use partitions of time, static or dynamic ones",
                )
            if position and isinstance(dimension, TimePartitions) and dimension.end is None:
                raise PartitionsError(
                    f"dimension {name!r} is open-ended", remedy="make it the first dimension, or give it an end"
                )

    @functools.cached_property
    def inner(self) -> tuple[tuple[int, int], ...]:
        """Return first ordinal and size of each dimension but the first."""
        bounds = (dimension.bounds(datetime.max.replace(tzinfo=UTC)) for _, dimension in self.dimensions[1:])
        return tuple((first, end - first) for first, end in bounds)

    @functools.cached_property
    def inner_size(self) -> int:
        """Return how many partitions share one key of the first dimension."""
        size = 1
        for _, count in self.inner:
            size *= count
        return size

    def bounds(self, now: datetime) -> tuple[int, int]:
        first, end = self.dimensions[0][1].bounds(now)
        return first * self.inner_size, end * self.inner_size

    def split(self, ordinal: int) -> tuple[int, ...]:
        """Return the ordinal in each dimension."""
        parts: list[int] = []
        for first, size in reversed(self.inner):
            ordinal, rest = divmod(ordinal, size)
            parts.append(first + rest)
        return (ordinal, *reversed(parts))

    def join(self, ordinals: Sequence[int]) -> int:
        """Return the ordinal of a combination; the inverse of `split`."""
        ordinal = ordinals[0]
        for (first, size), part in zip(self.inner, ordinals[1:], strict=True):
            if not first <= part < first + size:
                raise SelectionError(
                    f"a dimension's partition is outside of its bounds (ordinal {part})",
                    remedy="use a key inside the definition's start and end",
                )
            ordinal = ordinal * size + part - first
        return ordinal

    def key(self, ordinal: int) -> PartitionKey:
        parts = zip(self.dimensions, self.split(ordinal), strict=True)
        return join_dimensions(tuple(dimension.key(part) for (_, dimension), part in parts))

    def ordinal(self, key: str) -> int:
        parts = split_dimensions(key)
        if len(parts) != len(self.dimensions):
            names = "|".join(name for name, _ in self.dimensions)
            raise SelectionError(f"{key!r} does not name each dimension", remedy=f"write a key for each of {names}")
        return self.join([dimension.ordinal(part) for (_, dimension), part in zip(self.dimensions, parts, strict=True)])

    def partition(self, ordinal: int) -> Partition:
        parts = zip(self.dimensions, self.split(ordinal), strict=True)
        dimensions = {name: dimension.partition(part) for (name, dimension), part in parts}
        timed = [part for part in dimensions.values() if part.start is not None]
        start, end = (timed[0].start, timed[0].end) if len(timed) == 1 else (None, None)
        return Partition(self.key(ordinal), start, end, dimensions)

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "dimensions": {name: part.describe() for name, part in self.dimensions}}

    @functools.cached_property
    def _scheme(self) -> str:
        inner = ", ".join(
            f"{name} {part.scheme} {first}+{size}"
            for (name, part), (first, size) in zip(self.dimensions[1:], self.inner, strict=True)
        )
        return f"product {self.dimensions[0][0]} {self.dimensions[0][1].scheme}, {inner}"

    @property
    def scheme(self) -> str:
        return self._scheme

    @property
    def window_rule(self) -> str:
        return "product " + ", ".join(f"{name} {part.window_rule}" for name, part in self.dimensions)
