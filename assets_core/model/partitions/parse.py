"""Definitions of partitions read back from JSON values, or from the header of a SQL file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import did_you_mean
from .calendar import (
    DailyPartitions,
    HourlyPartitions,
    MonthlyPartitions,
    QuarterlyPartitions,
    WeeklyPartitions,
    YearlyPartitions,
)
from .dynamic import DynamicPartitions
from .port import Partitions, PartitionsError
from .product import ProductPartitions
from .static import StaticPartitions
from .timed import TimePartitions
from .windows import CronPartitions, MinutePartitions

_TIME_KINDS: dict[str, type[TimePartitions]] = {
    kind.kind: kind
    for kind in (
        MinutePartitions,
        HourlyPartitions,
        DailyPartitions,
        WeeklyPartitions,
        MonthlyPartitions,
        QuarterlyPartitions,
        YearlyPartitions,
        CronPartitions,
    )
}
_NEEDED = {
    "static": "keys",
    "dynamic": "name",
    "product": "dimensions, each with a kind of its own",
    "cron": "cron, start, and end and tz where needed",
    "minute": "every, start, and end and tz where needed",
}


def parse_partitions(document: Mapping[str, Any]) -> Partitions:
    """Return the definition that `describe` gave, or that the header of a SQL file spells.

    Raises: PartitionsError where a member is missing, unknown or wrong.
    """
    kind = None
    try:
        members = dict(document)
        kind = members.pop("kind", None)
        if kind == "static":
            return StaticPartitions(**members)
        if kind == "dynamic":
            name = members.pop("name")
            if members:
                raise TypeError(f"they have no {', '.join(members)}")
            return DynamicPartitions(name)
        if kind == "product":
            dimensions = members.pop("dimensions")
            if members:
                raise TypeError(f"they have no {', '.join(members)}")
            return ProductPartitions(**{name: parse_partitions(part) for name, part in dimensions.items()})
        if kind in _TIME_KINDS:
            return _TIME_KINDS[kind](**members)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise PartitionsError(
            f"the partitions {document!r} cannot be read: {error}",
            remedy=f"give {_NEEDED.get(str(kind), 'start, and end and tz where needed')}",
        ) from error
    known = [*_TIME_KINDS, "static", "dynamic", "product"]
    raise PartitionsError(
        f"{kind!r} is not a kind of partitions{did_you_mean(str(kind), known)}", remedy=f"use one of {', '.join(known)}"
    )
