"""Partitions that are keys in a list: what static and dynamic ones have in common.

Ordinals are positions in the list. Where the list comes from is said by the definitions.
"""

from __future__ import annotations

import functools
from datetime import datetime

from ...errors import SelectionError, did_you_mean
from ..keys import PartitionKey
from .port import Partition, Partitions

_SHOWN = 8


class KeyedPartitions(Partitions):
    """Keys of any text, in an order."""

    keys: tuple[str, ...]

    @property
    def title(self) -> str:
        """Return what an error calls these partitions."""
        return f"these {self.kind} partitions"

    @functools.cached_property
    def positions(self) -> dict[str, int]:
        """Return the ordinal of each key."""
        return {key: position for position, key in enumerate(self.keys)}

    def bounds(self, now: datetime) -> tuple[int, int]:  # noqa: ARG002  # the port passes it
        return 0, len(self.keys)

    def key(self, ordinal: int) -> PartitionKey:
        return PartitionKey(self.keys[ordinal])

    def ordinal(self, key: str) -> int:
        try:
            return self.positions[key]
        except KeyError:
            raise SelectionError(
                f"{key!r} is not a key of {self.title}{did_you_mean(key, self.keys)}", remedy=self._remedy()
            ) from None

    def _remedy(self) -> str:
        return f"use one of {', '.join(self.keys[:_SHOWN])}{' ...' if len(self.keys) > _SHOWN else ''}"

    def partition(self, ordinal: int) -> Partition:
        return Partition(self.key(ordinal))
