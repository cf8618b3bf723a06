"""Which dynamic sets does a definition name, and what is it with the keys that are recorded of them?

Used by whoever plans or reads with a catalog at hand. It must not know where the keys come from.
"""

from __future__ import annotations

from collections.abc import Mapping

from .dynamic import DynamicPartitions
from .port import Partitions
from .product import ProductPartitions


def bind(partitions: Partitions, sets: Mapping[str, tuple[tuple[str, ...], int]]) -> Partitions:
    """Return the definition with the keys and the generation of each dynamic set; an unknown set has no keys."""
    match partitions:
        case DynamicPartitions(name=name):
            return partitions.holding(*sets.get(name, ((), 0)))
        case ProductPartitions(dimensions=dimensions) if dynamic_names(partitions):
            return ProductPartitions(**{name: bind(dimension, sets) for name, dimension in dimensions})
        case _:
            return partitions


def dynamic_names(partitions: Partitions) -> set[str]:
    """Return the names of the dynamic sets that a definition uses."""
    match partitions:
        case DynamicPartitions(name=name):
            return {name}
        case ProductPartitions(dimensions=dimensions):
            return {name for _, dimension in dimensions for name in dynamic_names(dimension)}
        case _:
            return set()
