"""Dynamic partitions: keys that are added while a project runs; the catalog records them, the definition names them.

Ordinals are positions in the order of addition. A definition as declared has no keys; whoever reads the catalog binds
the recorded ones to it (`bind.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from .keyed import KeyedPartitions
from .port import PartitionsError


@dataclass(frozen=True)
class DynamicPartitions(KeyedPartitions):
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

    @property
    def title(self) -> str:
        return f"the dynamic partitions {self.name!r}"

    def _remedy(self) -> str:
        return f"add it to them, or {super()._remedy()}" if self.keys else "add it to them"

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name}

    @property
    def scheme(self) -> str:
        return f"dynamic {self.name} {self.generation}"

    @property
    def window_rule(self) -> str:
        return f"dynamic {self.name}"
