"""Whoever reads a plain value: does the upstream make one, and is one partition read?

Called by `build.py` when mappings are resolved. What depends on the partition is left to the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import DefinitionError
from ..model.asset import Asset, Edge, HandOff
from ..model.keys import AssetKey
from ..model.mapping import AllPartitions, ByDimension, FromDimension, PartitionMapping, StaticMap, TimeWindow
from ..model.partitions import Partitions, TimePartitions
from .runtime import Runtime


def value_errors(
    asset: Asset, partitions: Mapping[AssetKey, Partitions | None], runtimes: Mapping[AssetKey, Runtime]
) -> Iterator[DefinitionError]:
    """Yield what is wrong with the parameters of an asset that are annotated with a plain type."""
    for edge in asset.edges:
        if edge.hand_off is not HandOff.VALUE or edge.upstream not in partitions:
            continue
        what = f"{asset.key}: parameter {edge.name!r} is annotated with a plain type"
        if not runtimes[edge.upstream].makes_value:
            yield DefinitionError(
                f"{what}, but {edge.upstream} makes a table",
                place=asset.place,
                remedy="annotate it with a table, as in pl.DataFrame; or give it a default if it is not an upstream",
            )
        elif edge.columns is not None:
            yield DefinitionError(
                f"{what}, but columns={list(edge.columns)!r} are named of it",
                place=asset.place,
                remedy="leave out columns=: a value is read whole",
            )
        elif _reads_many(edge, asset.partitions, partitions[edge.upstream]):
            yield DefinitionError(
                f"{what}, but reads many partitions of {edge.upstream}, each with a value",
                place=asset.place,
                remedy="annotate it pl.DataFrame (a row each), or Mapping[str, pl.DataFrame] (by partition key)",
            )


def _reads_many(edge: Edge, own: Partitions | None, upstream: Partitions | None) -> bool:
    return upstream is not None and _is_to_many(edge.mapping, own, upstream)


def _is_to_many(mapping: PartitionMapping | None, own: Partitions | None, upstream: Partitions | None) -> bool:
    """Tell whether a mapping reads several partitions by what it is; that it may come to do so does not count."""
    match mapping:
        case AllPartitions():
            return True
        case TimeWindow(last=int(last)):
            return last > 1
        case TimeWindow():
            return isinstance(own, TimePartitions) and isinstance(upstream, TimePartitions) and _is_finer(upstream, own)
        case StaticMap():
            return any(len(row) > 1 for _, row in mapping.keys)
        case ByDimension():
            return any(_is_to_many(inner, None, None) for _, inner in mapping.dimensions)
        case FromDimension():
            return _is_to_many(mapping.mapping, None, None)
    return False


def _is_finer(one: TimePartitions, other: TimePartitions) -> bool:
    window = other.partition(other.fixed_bounds[0])
    assert window.start is not None and window.end is not None  # noqa: S101, PT018  # of time
    return one.starts_at(one.holding(window.start) + 1) < window.end
