"""Partition mappings: which partitions of an upstream a partition reads, declared or inferred from the two definitions.

Used when a project is loaded; `planning/intervals.py` evaluates them on arrays of ordinals. A mapping that cannot work
is refused here, with the remedy, before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from ..errors import SelectionError, UserError, did_you_mean
from .partitions import (
    CronPartitions,
    DailyPartitions,
    DynamicPartitions,
    EvenPartitions,
    KeyedPartitions,
    MonthsPartitions,
    Partitions,
    ProductPartitions,
    StaticPartitions,
    TimePartitions,
    dynamic_names,
)


class MappingError(UserError):
    """A mapping that cannot connect the two partitions definitions."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The partition of the same key."""

    kind: ClassVar[str] = "identity"


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The upstream partitions that overlap the partition's time, reaching back until there are `last` of them.

    `TimeWindow()` gives a month its days and an hour its day. `TimeWindow(last=7)` between two daily assets gives a day
    itself and the six before it; `offset=-1` moves the window one upstream partition back. Partitions before the
    upstream's start or behind its end are left out.
    """

    last: int | None = None
    offset: int = 0
    kind: ClassVar[str] = "time_window"

    def __post_init__(self) -> None:
        if not all(isinstance(number, int) for number in (self.last or 1, self.offset)):
            raise MappingError(
                f"TimeWindow(last={self.last!r}, offset={self.offset!r}) does not count partitions",
                remedy="give whole numbers",
            )
        if self.last is not None and self.last < 1:
            raise MappingError(f"TimeWindow(last={self.last}) reads nothing", remedy="give last=1 or more")


@dataclass(frozen=True, slots=True)
class AllPartitions:
    """Every partition of the upstream; its one cell where it has no partitions."""

    kind: ClassVar[str] = "all"


@dataclass(frozen=True, slots=True)
class LastAvailable:
    """The newest upstream partition that is there, among those that begin before the partition ends.

    Of all of them where the asset itself has no partitions of time. It is for an upstream of time that is not always
    there: what is missing is passed over, where other mappings wait for it.
    """

    kind: ClassVar[str] = "last_available"


@dataclass(frozen=True, slots=True)
class StaticMap:
    """A table from own keys to upstream keys: StaticMap({"europe": ["de", "fr"]}).

    A partition that the table does not name reads nothing.
    """

    keys: tuple[tuple[str, tuple[str, ...]], ...]
    kind: ClassVar[str] = "static_map"

    def __init__(self, keys: Mapping[str, Sequence[str]]) -> None:
        if not isinstance(keys, Mapping) or not all(_is_row(key, row) for key, row in keys.items()):
            raise MappingError(
                f"StaticMap() needs a table from own keys to lists of upstream keys, not {keys!r}",
                remedy='write StaticMap({"europe": ["de", "fr"]})',
            )
        object.__setattr__(self, "keys", tuple((key, tuple(row)) for key, row in keys.items()))


def _is_row(key: object, row: object) -> bool:
    return isinstance(key, str) and isinstance(row, list | tuple) and all(isinstance(each, str) for each in row)


@dataclass(frozen=True, slots=True)
class Explicit:
    """The upstream keys that a function of the partition key returns: the slow path, one call a partition."""

    function: Callable[[str], Iterable[str]]
    kind: ClassVar[str] = "explicit"


@dataclass(frozen=True, slots=True)
class ByDimension:
    """A mapping for each dimension of an upstream product, by name; dimensions not named are inferred."""

    dimensions: tuple[tuple[str, PartitionMapping], ...]
    kind: ClassVar[str] = "by_dimension"

    def __init__(self, **dimensions: PartitionMapping) -> None:
        object.__setattr__(self, "dimensions", tuple(dimensions.items()))


@dataclass(frozen=True, slots=True)
class FromDimension:
    """For a product that reads an upstream of other partitions: the mapping from one of its own dimensions."""

    name: str
    mapping: PartitionMapping | None = None
    kind: ClassVar[str] = "from_dimension"


PartitionMapping = (
    Identity | TimeWindow | AllPartitions | LastAvailable | StaticMap | Explicit | ByDimension | FromDimension
)


def infer(downstream: Partitions | None, upstream: Partitions | None) -> PartitionMapping:
    """Return the mapping between two definitions where only one makes sense; `resolve` proves that it can work.

    Raises: MappingError where none or several make sense; the remedy names what to declare.
    """
    if upstream is None or downstream is None:
        return AllPartitions()
    if isinstance(upstream, ProductPartitions):
        return _complete(ByDimension(), downstream, upstream)
    if isinstance(downstream, ProductPartitions):
        return _from_dimension(downstream, upstream)
    if isinstance(downstream, TimePartitions) and isinstance(upstream, TimePartitions):
        return _infer_time(downstream, upstream)
    if isinstance(downstream, StaticPartitions) and isinstance(upstream, StaticPartitions):
        return Identity()
    if isinstance(downstream, DynamicPartitions) and downstream == upstream:
        return Identity()
    raise MappingError(
        f"{downstream.kind} partitions cannot be matched with {upstream.kind} partitions of the upstream",
        remedy="declare mapping=AllPartitions() or mapping=Explicit(function)",
    )


def _infer_time(downstream: TimePartitions, upstream: TimePartitions) -> PartitionMapping:
    if downstream.window_rule == upstream.window_rule:
        return Identity()
    if not (_nests(downstream, upstream) or _nests(upstream, downstream)):
        raise MappingError(
            f"{downstream.window_rule} partitions do not align with {upstream.window_rule} partitions of the upstream",
            remedy="declare mapping=TimeWindow() to read every upstream partition that overlaps",
        )
    return TimeWindow()


def _nests(fine: TimePartitions, coarse: TimePartitions) -> bool:
    """Tell whether each partition of the one lies in one of the other, as hours lie in days."""
    if fine.tz != coarse.tz or isinstance(fine, CronPartitions) or isinstance(coarse, CronPartitions):
        return False
    if isinstance(fine, EvenPartitions):
        if isinstance(coarse, EvenPartitions):
            longer = fine.length < coarse.length and not coarse.length % fine.length
            return longer and coarse.shift % fine.length == fine.shift
        return not timedelta(hours=1) % fine.length  # longer ones lie askew to the days when the clocks change
    if isinstance(fine, MonthsPartitions):
        return isinstance(coarse, MonthsPartitions) and fine.months < coarse.months  # each a divisor of the longer one
    return isinstance(fine, DailyPartitions) and not isinstance(coarse, EvenPartitions | DailyPartitions)


def _from_dimension(downstream: ProductPartitions, upstream: Partitions) -> PartitionMapping:
    """Return the mapping of a product that reads an upstream of one dimension: that of its one fitting dimension."""
    fitting: list[FromDimension] = []
    for name, dimension in downstream.dimensions:
        try:
            fitting.append(FromDimension(name, resolve(None, dimension, upstream)))
        except MappingError:
            continue
    if len(fitting) != 1:
        raise MappingError(
            f"{len(fitting) or 'no'} dimensions of the product match the {upstream.kind} partitions of the upstream",
            remedy=f"declare mapping=FromDimension({downstream.dimensions[0][0]!r}, ...) or AllPartitions()",
        )
    return fitting[0]


def resolve(
    declared: PartitionMapping | None, downstream: Partitions | None, upstream: Partitions | None
) -> PartitionMapping:
    """Return the mapping to use: the declared one if it can work, else the inferred one.

    Raises: MappingError, also where a fixed range of the downstream leaves the range of the upstream.
    """
    mapping = infer(downstream, upstream) if declared is None else _complete(declared, downstream, upstream)
    if isinstance(mapping, Identity):
        _check_identity(downstream, upstream)
    return mapping


def _complete(
    declared: PartitionMapping, downstream: Partitions | None, upstream: Partitions | None
) -> PartitionMapping:
    match declared:
        case Explicit() if downstream is None or upstream is None:
            raise MappingError(
                "Explicit() needs partitions on both sides", remedy="leave the mapping out: it reads all there is"
            )
        case TimeWindow() if not (isinstance(downstream, TimePartitions) and isinstance(upstream, TimePartitions)):
            raise MappingError(
                "TimeWindow() needs partitions of time on both sides",
                remedy="declare ByDimension(name=TimeWindow()) for a product, or AllPartitions()",
            )
        case LastAvailable():
            _check_last_available(downstream, upstream)
        case StaticMap():
            _check_table(declared, downstream, upstream)
        case ByDimension(dimensions=given):
            if not isinstance(upstream, ProductPartitions):
                raise MappingError(
                    "ByDimension() needs an upstream with product partitions", remedy="give the mapping itself"
                )
            own = dict(downstream.dimensions) if isinstance(downstream, ProductPartitions) else {}
            named = dict(given)
            if unknown := sorted(named.keys() - dict(upstream.dimensions).keys()):
                raise MappingError(
                    f"the upstream has no dimension {unknown[0]!r}",
                    remedy=f"use {', '.join(dict(upstream.dimensions))}",
                )
            if newest := [name for name, part in given if isinstance(part, LastAvailable)]:
                raise MappingError(
                    f"LastAvailable() is for a whole upstream, not for its dimension {newest[0]!r}",
                    remedy=f"declare {newest[0]}=TimeWindow(last=...)",
                )
            return ByDimension(
                **{
                    name: _dimension(named.get(name), own.get(name), downstream, dimension)
                    for name, dimension in upstream.dimensions
                }
            )
        case FromDimension(name=name, mapping=mapping):
            own = dict(downstream.dimensions) if isinstance(downstream, ProductPartitions) else {}
            if name not in own:
                raise MappingError(
                    f"the asset has no dimension {name!r}",
                    remedy=f"use {', '.join(own)}" if own else "FromDimension() is for assets with product partitions",
                )
            return FromDimension(name, resolve(mapping, own[name], upstream))
    return declared


def _dimension(
    declared: PartitionMapping | None, own: Partitions | None, downstream: Partitions | None, upstream: Partitions
) -> PartitionMapping:
    """Return the mapping of one upstream dimension: to the own dimension of that name, or to the own partitions."""
    if own is not None or downstream is None or isinstance(downstream, ProductPartitions):
        return resolve(declared, own, upstream)
    if declared is None and not _are_alike(downstream, upstream):
        return AllPartitions()
    return resolve(declared, downstream, upstream)


def _are_alike(one: Partitions, other: Partitions) -> bool:
    """Tell whether two definitions speak of the same thing: both of time, lists that share a key, one dynamic set."""
    if isinstance(one, StaticPartitions) and isinstance(other, StaticPartitions):
        return not set(one.keys).isdisjoint(other.keys)
    if isinstance(one, DynamicPartitions):
        return one == other
    return isinstance(one, TimePartitions) and isinstance(other, TimePartitions)


def _check_last_available(downstream: Partitions | None, upstream: Partitions | None) -> None:
    if not isinstance(upstream, TimePartitions):
        order = (
            "has no partitions"
            if upstream is None
            else f"has {upstream.kind} partitions, which are in no order of time"
        )
        raise MappingError(
            f"LastAvailable() needs an upstream of time, but this one {order}",
            remedy="leave the mapping out, or declare AllPartitions()",
        )
    if isinstance(downstream, ProductPartitions):
        raise MappingError(
            "LastAvailable() needs to know of which dimension of the product the time is",
            remedy=f"declare FromDimension({downstream.dimensions[0][0]!r}, LastAvailable())",
        )


def _check_table(table: StaticMap, downstream: Partitions | None, upstream: Partitions | None) -> None:
    """Refuse a table that names keys which the definitions cannot have; keys of dynamic sets are not known yet."""
    if downstream is None or upstream is None:
        raise MappingError(
            "StaticMap() needs partitions on both sides", remedy="leave the mapping out: it reads all there is"
        )
    sides = (
        ("own", downstream, [key for key, _ in table.keys]),
        ("upstream", upstream, list(dict.fromkeys(key for _, row in table.keys for key in row))),
    )
    for side, partitions, keys in sides:
        if dynamic_names(partitions):
            continue
        for key in keys:
            try:
                partitions.ordinal(key)
            except SelectionError as error:
                raise MappingError(
                    f"StaticMap() names {key!r} as an {side} partition: {error.what}", remedy=error.remedy
                ) from error


def is_strictly_earlier(mapping: PartitionMapping, partitions: Partitions | None) -> bool:
    """Tell whether a mapping from partitions to themselves reads only what comes before a partition.

    That is a window of time with an offset below zero; for a product, one of its first dimension.
    """
    match mapping:
        case TimeWindow(offset=offset):
            return isinstance(partitions, TimePartitions) and offset < 0
        case ByDimension(dimensions=dimensions) if isinstance(partitions, ProductPartitions):
            name, first = partitions.dimensions[0]
            return name in dict(dimensions) and is_strictly_earlier(dict(dimensions)[name], first)
        case _:
            return False


def _check_identity(downstream: Partitions | None, upstream: Partitions | None) -> None:
    """Refuse an identity where the upstream cannot have each partition of the downstream."""
    match downstream, upstream:
        case TimePartitions(), TimePartitions():
            if downstream.scheme != upstream.scheme:
                raise MappingError(
                    f"{downstream.scheme} partitions do not have the keys of the {upstream.scheme} partitions upstream",
                    remedy="declare mapping=TimeWindow() to read every upstream partition that overlaps",
                )
            first, end = downstream.fixed_bounds
            upstream_first, upstream_end = upstream.fixed_bounds
            if first < upstream_first or _ends_behind(
                (end, downstream.end_offset), (upstream_end, upstream.end_offset)
            ):
                raise MappingError(
                    f"partitions from {downstream.start} to {downstream.end or 'now'} reach outside of those of the"
                    f" upstream, from {upstream.start} to {upstream.end or 'now'}",
                    remedy="give both the same range, or declare mapping=TimeWindow(), which reads what exists",
                )
        case StaticPartitions(), StaticPartitions():
            known = set(upstream.keys)
            if missing := [key for key in downstream.keys if key not in known]:
                raise MappingError(
                    f"static partition {missing[0]!r} does not exist upstream{did_you_mean(missing[0], upstream.keys)}",
                    remedy="declare mapping=AllPartitions() or mapping=Explicit(function)",
                )
        case KeyedPartitions(), KeyedPartitions():
            pass  # which keys a dynamic set has is seen when it is read: one that is not there reads nothing
        case ProductPartitions(), ProductPartitions() if len(downstream.dimensions) == len(upstream.dimensions):
            for (_, own), (_, other) in zip(downstream.dimensions, upstream.dimensions, strict=True):
                _check_identity(own, other)
        case _:
            raise MappingError(
                "Identity() needs partitions of one kind on both sides",
                remedy="leave the mapping out to have it inferred, or declare AllPartitions()",
            )


def _ends_behind(own: tuple[int | None, int], upstream: tuple[int | None, int]) -> bool:
    """Tell whether one end, an ordinal or None and the offset of an open one, is behind another's."""
    if own[0] is None:
        return upstream[0] is not None or own[1] > upstream[1]
    return upstream[0] is not None and own[0] > upstream[0]


def describe_mapping(mapping: PartitionMapping) -> dict[str, Any]:
    """Return a mapping as JSON values; `parse_mapping` is the inverse, except for an explicit function."""
    match mapping:
        case TimeWindow(last=last, offset=offset):
            return {"kind": mapping.kind, "last": last, "offset": offset}
        case ByDimension(dimensions=dimensions):
            return {"kind": mapping.kind, "dimensions": {name: describe_mapping(part) for name, part in dimensions}}
        case StaticMap(keys=keys):
            return {"kind": mapping.kind, "keys": {key: list(row) for key, row in keys}}
        case Explicit(function=function):
            return {"kind": mapping.kind, "function": f"{function.__module__}.{function.__qualname__}"}
        case FromDimension(name=name, mapping=inner):
            return {"kind": mapping.kind, "name": name, "mapping": None if inner is None else describe_mapping(inner)}
        case _:
            return {"kind": mapping.kind}


_PLAIN: Mapping[str, type[Identity | TimeWindow | AllPartitions | LastAvailable | StaticMap]] = {
    plain.kind: plain for plain in (Identity, TimeWindow, AllPartitions, LastAvailable, StaticMap)
}


def parse_mapping(document: Mapping[str, Any]) -> PartitionMapping:
    """Return the mapping that `describe_mapping` gave, or that the header of a SQL file spells."""
    try:
        members = dict(document)
        kind = members.pop("kind", None)
        if kind == "by_dimension":
            return ByDimension(**{name: parse_mapping(part) for name, part in members["dimensions"].items()})
        if kind == "from_dimension":
            inner = members.get("mapping")
            return FromDimension(members["name"], None if inner is None else parse_mapping(inner))
        return _PLAIN[str(kind)](**members)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise MappingError(
            f"the mapping {document!r} cannot be read",
            remedy='write {kind = "identity"}, {kind = "time_window", last = 7}, {kind = "all"}, {kind ='
            ' "last_available"} or {kind = "static_map", keys = {europe = ["de", "fr"]}}',
        ) from error
