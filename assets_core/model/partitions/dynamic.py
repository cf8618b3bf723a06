"""Dynamic partitions: keys that are added while a project runs; the catalog records them, the definition names them.

Ordinals are positions in the order of addition. A definition as declared has no keys; whoever reads the catalog binds
the recorded ones to it (`bind.py`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from ...errors import SelectionError, did_you_mean
from ..keys import PartitionKey
from .port import Partition, Partitions, PartitionsError


@dataclass(frozen=True)
class DynamicPartitions(Partitions):
    """The keys of a set that is known by name: DynamicPartitions("customers"). Two of one name are equal.

    `keys` are in the order of their addition; `generation` is the number of the record of the last removal, because a
    removal moves ordinals and an addition does not.
    """

    name: str
    keys: tuple[str, ...] = field(default=(), compare=False)
    generation: int = field(default=0, compare=False)
    kind: ClassVar[str] = "dynamic"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise PartitionsError(
                f"dynamic partitions need a name, not {self.name!r}", remedy='write DynamicPartitions("customers")'
            )

    def holding(self, keys: tuple[str, ...], generation: int) -> DynamicPartitions:
        """Return the set with the keys that are recorded of it."""
        return replace(self, keys=keys, generation=generation)

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
                f"{key!r} is not a key of the dynamic partitions {self.name!r}{did_you_mean(key, self.keys)}",
                remedy=f"add it to them, or use one of {', '.join(self.keys[:8])}{' ...' if self.keys[8:] else ''}"
                if self.keys
                else "add it to them",
            ) from None

    def partition(self, ordinal: int) -> Partition:
        return Partition(self.key(ordinal))

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name}

    @property
    def scheme(self) -> str:
        return f"dynamic {self.name} {self.generation}"

    @property
    def window_rule(self) -> str:
        return f"dynamic {self.name}"
