"""The port: what every definition of partitions answers, and a partition as a function sees it.

Implemented by the modules beside it, used by mappings and the planner. Nothing here knows a kind of partitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from ...errors import UserError
from ..keys import PartitionKey


class PartitionsError(UserError):
    """A partitions definition that makes no sense."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition as a function sees it, where a parameter is annotated `Partition`.

    `start` and `end` (exclusive) are aware datetimes in the definition's time zone, None where partitions are not of
    time; `dimensions` holds the partition of each dimension of a product.
    """

    key: PartitionKey
    start: datetime | None = None
    end: datetime | None = None
    dimensions: Mapping[str, Partition] | None = None


class Partitions:
    """The port: an ordered set of partition keys with dense ordinals `first <= ordinal < end`."""

    kind: ClassVar[str]

    def bounds(self, now: datetime) -> tuple[int, int]:
        """Return the first ordinal and the end ordinal (exclusive) as of `now`."""
        raise NotImplementedError

    def key(self, ordinal: int) -> PartitionKey:
        """Return the key of an ordinal."""
        raise NotImplementedError

    def ordinal(self, key: str) -> int:
        """Return the ordinal of a key, in or out of the bounds. Raises SelectionError where the key cannot be one."""
        raise NotImplementedError

    def partition(self, ordinal: int) -> Partition:
        """Return the partition of an ordinal as a function sees it."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return the definition as JSON values; `parse_partitions` is the inverse."""
        raise NotImplementedError

    @property
    def scheme(self) -> str:
        """Return what ordinals depend on: equal schemes give a key the same ordinal and an ordinal the same key."""
        raise NotImplementedError

    @property
    def window_rule(self) -> str:
        """Return what a cell's meaning depends on beside its key (grain, zone), for the recipe."""
        return self.scheme
