"""Partitions: the definition of the set of an asset's partitions, and the ordinal of each.

Used by declarations, mappings and the planner. Ordinals are whole numbers without gaps: for time they count from 1970,
so that moving the start or the end of a definition moves no ordinal; for static keys they are positions in the list.
Nothing here reads the clock: where a definition is open-ended, `now` is passed in.

The windows of time partitions tile time: each ends where the next begins. A day begins when its midnight first strikes,
or, where the clocks skip midnight, when they have moved on. A day that a zone skips as a whole (Samoa, 2011-12-30)
keeps its key and its ordinal, and its window is empty.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ..errors import SelectionError, UserError, did_you_mean
from .keys import PartitionKey, join_dimensions, split_dimensions

_EPOCH = date(1970, 1, 1)
_EPOCH_AT = datetime(1970, 1, 1, tzinfo=UTC)


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


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise PartitionsError(
            f"{name!r} is not a time zone{did_you_mean(str(name), available_timezones())}",
            remedy="use an IANA name such as Europe/Berlin or UTC",
        ) from error


@dataclass(frozen=True)
class TimePartitions(Partitions):
    """Partitions of time from `start` until `end` (exclusive; None: up to the last one complete now) in zone `tz`."""

    start: str
    end: str | None = None
    tz: str = "UTC"

    def __post_init__(self) -> None:
        first, end = self.fixed_bounds
        if end is not None and end < first:
            raise PartitionsError(
                f"{self.kind} partitions end at {self.end!r}, before their start {self.start!r}",
                remedy="give an end after the start; it is exclusive",
            )

    @functools.cached_property
    def zone(self) -> ZoneInfo:
        return _zone(self.tz)

    @functools.cached_property
    def fixed_bounds(self) -> tuple[int, int | None]:
        """Return the first ordinal and the end ordinal, None where the definition is open-ended."""
        return self._edge(self.start), None if self.end is None else self._edge(self.end)

    def bounds(self, now: datetime) -> tuple[int, int]:
        first, end = self.fixed_bounds
        return (first, max(first, self.holding(now))) if end is None else (first, end)

    def starts_at(self, ordinal: int) -> datetime:
        """Return the start of a partition: an aware local time."""
        raise NotImplementedError

    def holding(self, moment: datetime) -> int:
        """Return the ordinal of the partition whose window holds an aware time."""
        moment = moment.astimezone(UTC)
        ordinal = self._named(moment.astimezone(self.zone))
        # The date on the clock is not always that of the window: clocks may go back over midnight (St. John's until
        # 2010), and a skipped day begins with the day behind it.
        while moment < self.starts_at(ordinal).astimezone(UTC):
            ordinal -= 1
        while moment >= self.starts_at(ordinal + 1).astimezone(UTC):
            ordinal += 1
        return ordinal

    def partition(self, ordinal: int) -> Partition:
        return Partition(self.key(ordinal), self.starts_at(ordinal), self.starts_at(ordinal + 1))

    def ordinal(self, key: str) -> int:
        try:
            moment = self._read(key)
            if self._begins(ordinal := self._named(moment), moment):
                return ordinal
        except ValueError:
            pass  # the same refusal as for a date that begins no partition
        raise SelectionError(
            f"{key!r} is not a key of {self.kind} partitions", remedy=f"write it like {self.key(self.fixed_bounds[0])}"
        )

    def _edge(self, text: str) -> int:
        """Return the ordinal of the partition that a start or an end of the definition begins."""
        try:
            moment = self._read(text)
        except (TypeError, ValueError) as error:
            raise PartitionsError(
                f"{text!r} is not a date in a text: {error}",
                remedy='write it as "2013-01-31", "2013-01-31T06:00" or "2013-01-31T06:00-05:00"',
            ) from error
        ordinal = self._named(moment)
        if not self._begins(ordinal, moment):
            raise PartitionsError(
                f"{text!r} does not begin a partition of {self.kind} partitions in {self.tz}",
                remedy=f"write {self.key(ordinal)} or {self.key(ordinal + 1)}",
            )
        return ordinal

    def _read(self, text: str) -> datetime:
        """Return the local time that a text spells. Raises ValueError where it spells none."""
        moment = datetime.fromisoformat(text)
        if not 1 < moment.year < 9999:
            raise ValueError("years go from 2 to 9998")  # so that a window and a zone's offset still fit
        return moment.astimezone(self.zone) if moment.tzinfo else moment.replace(tzinfo=self.zone)

    def _begins(self, ordinal: int, moment: datetime) -> bool:
        """Tell whether a time is the start of a partition, however it was spelled (with a time, another offset)."""
        # in UTC, because local times compare equal where the clocks show one twice
        return self.starts_at(ordinal).astimezone(UTC) == moment.astimezone(UTC)

    def _named(self, local: datetime) -> int:
        """Return the ordinal of the partition that the clock names at a local time."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "start": self.start, "end": self.end, "tz": self.tz}

    @property
    def scheme(self) -> str:
        return self.kind

    @property
    def window_rule(self) -> str:
        return f"{self.scheme} {self.tz}"


@dataclass(frozen=True)
class HourlyPartitions(TimePartitions):
    """One partition for each hour that passes: a day of a change of the clocks has 23 or 25.

    Keys: 2013-01-31T06:00-05:00, or 2013-01-31T06:00Z. The hours are full hours of the zone at `start`: where the zone
    later moves by half an hour, they begin at :30.
    """

    kind: ClassVar[str] = "hourly"

    @functools.cached_property
    def _shift(self) -> timedelta:
        """Return how far the zone's hours are from those of UTC (30 minutes in India)."""
        return (self._read(self.start).utcoffset() or timedelta()) % timedelta(hours=1)

    def _read(self, text: str) -> datetime:
        moment = super()._read(text)
        if moment.utcoffset() != moment.replace(fold=1).utcoffset() and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(f"this hour comes twice or never in {self.tz} and needs an offset from UTC behind it")
        return moment

    def _named(self, local: datetime) -> int:
        return (local - _EPOCH_AT + self._shift) // timedelta(hours=1)

    def starts_at(self, ordinal: int) -> datetime:
        return (_EPOCH_AT + timedelta(hours=ordinal) - self._shift).astimezone(self.zone)

    def key(self, ordinal: int) -> PartitionKey:
        start = self.starts_at(ordinal)
        text = start.isoformat(timespec="seconds" if start.second else "minutes")
        return PartitionKey(f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text)

    @property
    def scheme(self) -> str:
        return f"hourly {self.tz} {self._shift // timedelta(seconds=1)}"  # its keys spell the zone's offset


@dataclass(frozen=True)
class DailyPartitions(TimePartitions):
    """One partition a calendar day of the zone. Keys: 2013-01-31."""

    kind: ClassVar[str] = "daily"

    def _named(self, local: datetime) -> int:
        return (local.date() - _EPOCH).days

    def starts_at(self, ordinal: int) -> datetime:
        return _first_moment(_EPOCH + timedelta(days=ordinal), self.zone)

    def key(self, ordinal: int) -> PartitionKey:
        return PartitionKey((_EPOCH + timedelta(days=ordinal)).isoformat())


@dataclass(frozen=True)
class WeeklyPartitions(TimePartitions):
    """One partition a week that begins on `week_start` (0 is Monday, 6 is Sunday). Keys: its first day, 2013-01-28."""

    week_start: int = 0
    kind: ClassVar[str] = "weekly"

    def __post_init__(self) -> None:
        if self.week_start not in range(7):
            raise PartitionsError(
                f"week_start={self.week_start!r} is not a day of the week", remedy="use 0 for Monday to 6 for Sunday"
            )
        super().__post_init__()

    @property
    def _shift_days(self) -> int:
        return (3 - self.week_start) % 7  # 1970-01-01 was a Thursday, day 3

    def _named(self, local: datetime) -> int:
        return ((local.date() - _EPOCH).days + self._shift_days) // 7

    def _first_day(self, ordinal: int) -> date:
        return _EPOCH + timedelta(days=ordinal * 7 - self._shift_days)

    def starts_at(self, ordinal: int) -> datetime:
        return _first_moment(self._first_day(ordinal), self.zone)

    def key(self, ordinal: int) -> PartitionKey:
        return PartitionKey(self._first_day(ordinal).isoformat())

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "week_start": self.week_start}

    @property
    def scheme(self) -> str:
        return f"weekly {self.week_start}"


@dataclass(frozen=True)
class MonthlyPartitions(TimePartitions):
    """One partition a calendar month of the zone. Keys: 2013-01."""

    kind: ClassVar[str] = "monthly"

    def _named(self, local: datetime) -> int:
        return (local.year - 1970) * 12 + local.month - 1

    def starts_at(self, ordinal: int) -> datetime:
        return _first_moment(date(1970 + ordinal // 12, ordinal % 12 + 1, 1), self.zone)

    def key(self, ordinal: int) -> PartitionKey:
        return PartitionKey(f"{1970 + ordinal // 12:04d}-{ordinal % 12 + 1:02d}")

    def _read(self, key: str) -> datetime:
        return super()._read(f"{key}-01" if len(key) == 7 else key)


def _first_moment(day: date, zone: ZoneInfo) -> datetime:
    """Return midnight as it reads on a clock: one skipped by a change of the clocks moves behind the gap."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).astimezone(zone)


@dataclass(frozen=True)
class StaticPartitions(Partitions):
    """A fixed list of keys, of any text."""

    keys: tuple[str, ...]
    kind: ClassVar[str] = "static"

    def __init__(self, keys: Sequence[str]) -> None:
        # a set would order the keys, and with them the ordinals, anew in each process
        in_order = isinstance(keys, Sequence) and not isinstance(keys, str)
        if not in_order or not keys or not all(isinstance(key, str) and key for key in keys):
            raise PartitionsError(
                f"static partitions need a list of texts that are not empty, not {keys!r}",
                remedy='write StaticPartitions(["eu", "us"])',
            )
        object.__setattr__(self, "keys", tuple(keys))
        if twice := [key for key, count in Counter(keys).items() if count > 1]:
            raise PartitionsError(f"static partitions name {twice[0]!r} twice", remedy="name each key once")

    @functools.cached_property
    def _positions(self) -> dict[str, int]:
        return {key: position for position, key in enumerate(self.keys)}

    def bounds(self, now: datetime) -> tuple[int, int]:  # noqa: ARG002  # the port passes it
        return 0, len(self.keys)

    def key(self, ordinal: int) -> PartitionKey:
        return PartitionKey(self.keys[ordinal])

    def ordinal(self, key: str) -> int:
        try:
            return self._positions[key]
        except KeyError:
            raise SelectionError(
                f"{key!r} is not a key of these static partitions{did_you_mean(key, self.keys)}",
                remedy=f"use one of {', '.join(self.keys[:8])}{' ...' if len(self.keys) > 8 else ''}",
            ) from None

    def partition(self, ordinal: int) -> Partition:
        return Partition(self.key(ordinal))

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "keys": list(self.keys)}

    @functools.cached_property
    def _scheme(self) -> str:
        return f"static {hashlib.blake2b(json.dumps(self.keys).encode(), digest_size=8).hexdigest()}"

    @property
    def scheme(self) -> str:
        return self._scheme

    @property
    def window_rule(self) -> str:
        return self.kind


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
            if not isinstance(dimension, TimePartitions | StaticPartitions):
                raise PartitionsError(
                    f"dimension {name!r} is a {type(dimension).__name__}", remedy="use time or static partitions"
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


_KINDS: dict[str, type[TimePartitions]] = {
    kind.kind: kind for kind in (HourlyPartitions, DailyPartitions, WeeklyPartitions, MonthlyPartitions)
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
        if kind == "product":
            dimensions = members.pop("dimensions")
            if members:
                raise TypeError(f"they have no {', '.join(members)}")
            return ProductPartitions(**{name: parse_partitions(part) for name, part in dimensions.items()})
        if kind in _KINDS:
            return _KINDS[kind](**members)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        needed = {"static": "keys", "product": "dimensions, each with a kind of its own"}
        raise PartitionsError(
            f"the partitions {document!r} cannot be read: {error}",
            remedy=f"give {needed.get(str(kind), 'start, and end and tz where needed')}",
        ) from error
    known = [*_KINDS, "static", "product"]
    raise PartitionsError(
        f"{kind!r} is not a kind of partitions{did_you_mean(str(kind), known)}", remedy=f"use one of {', '.join(known)}"
    )
