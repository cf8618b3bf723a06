"""Partitions of time: what all kinds of them share.

Used by `calendar.py` and `windows.py`, which say where a partition begins. The windows of a definition tile time: each
ends where the next begins. A day that a zone skips as a whole (Samoa, 2011-12-30) keeps its key and its ordinal, and
its window is empty.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ...errors import SelectionError, did_you_mean
from ..keys import PartitionKey
from .port import Partition, Partitions, PartitionsError

EPOCH = date(1970, 1, 1)
EPOCH_AT = datetime(1970, 1, 1, tzinfo=UTC)


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of a name. Raises PartitionsError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise PartitionsError(
            f"{name!r} is not a time zone{did_you_mean(str(name), available_timezones())}",
            remedy="use an IANA name such as Europe/Berlin or UTC",
        ) from error


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """Return midnight as it reads on a clock: one skipped by a change of the clocks moves behind the gap."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).astimezone(zone)


@dataclass(frozen=True)
class TimePartitions(Partitions):
    """Partitions of time from `start` until `end` (exclusive; None: up to the last one complete now) in zone `tz`.

    `end_offset` moves an open end by so many partitions: 1 includes the one that is running, -1 leaves out the last
    complete one.
    """

    start: str
    end: str | None = None
    tz: str = "UTC"
    end_offset: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        first, end = self.fixed_bounds
        if end is not None and end < first:
            raise PartitionsError(
                f"{self.kind} partitions end at {self.end!r}, before their start {self.start!r}",
                remedy="give an end after the start; it is exclusive",
            )
        if type(self.end_offset) is not int:
            raise PartitionsError(
                f"end_offset={self.end_offset!r} does not count partitions",
                remedy="give a whole number, as in end_offset=-1",
            )
        if self.end_offset and end is not None:
            raise PartitionsError(
                f"end_offset={self.end_offset} moves an open end, but these partitions end at {self.end!r}",
                remedy="leave out end, or end_offset",
            )

    @functools.cached_property
    def zone(self) -> ZoneInfo:
        return zone_named(self.tz)

    @functools.cached_property
    def fixed_bounds(self) -> tuple[int, int | None]:
        """Return the first ordinal and the end ordinal, None where the definition is open-ended."""
        return self._edge(self.start), None if self.end is None else self._edge(self.end)

    def bounds(self, now: datetime) -> tuple[int, int]:
        first, end = self.fixed_bounds
        return (first, max(first, self.holding(now) + self.end_offset)) if end is None else (first, end)

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
        moment = self._moment(text)
        ordinal = self._named(moment)
        if not self._begins(ordinal, moment):
            raise PartitionsError(
                f"{text!r} does not begin a partition of {self.kind} partitions in {self.tz}",
                remedy=f"write {self.key(ordinal)} or {self.key(ordinal + 1)}",
            )
        return ordinal

    def _moment(self, text: str) -> datetime:
        """Return the local time of a start or an end of the definition."""
        try:
            return self._read(text)
        except (TypeError, ValueError) as error:
            raise PartitionsError(
                f"{text!r} is not a date in a text: {error}",
                remedy='write it as "2013-01-31", "2013-01-31T06:00" or "2013-01-31T06:00-05:00"',
            ) from error

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
        moved = {"end_offset": self.end_offset} if self.end_offset else {}
        return {"kind": self.kind, "start": self.start, "end": self.end, "tz": self.tz, **moved}

    @property
    def scheme(self) -> str:
        return self.kind

    @property
    def window_rule(self) -> str:
        return f"{self.scheme} {self.tz}"


@dataclass(frozen=True)
class MomentPartitions(TimePartitions):
    """Partitions whose keys spell the moment of their start: 2013-01-31T06:00-05:00, or 2013-01-31T06:00Z."""

    def _read(self, text: str) -> datetime:
        moment = super()._read(text)
        if moment.utcoffset() != moment.replace(fold=1).utcoffset() and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(f"this hour comes twice or never in {self.tz} and needs an offset from UTC behind it")
        return moment

    def key(self, ordinal: int) -> PartitionKey:
        start = self.starts_at(ordinal)
        text = start.isoformat(timespec="seconds" if start.second else "minutes")
        return PartitionKey(f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text)


@dataclass(frozen=True)
class EvenPartitions(MomentPartitions):
    """Partitions of one length of time that passes, whatever the clocks do."""

    @property
    def length(self) -> timedelta:
        raise NotImplementedError

    @functools.cached_property
    def shift(self) -> timedelta:
        """Return how far the windows are from those that begin with 1970 in UTC (for hours in India 30 minutes)."""
        return (self._read(self.start).utcoffset() or timedelta()) % self.length

    def _named(self, local: datetime) -> int:
        return (local - EPOCH_AT + self.shift) // self.length

    def starts_at(self, ordinal: int) -> datetime:
        return (EPOCH_AT + ordinal * self.length - self.shift).astimezone(self.zone)

    @property
    def scheme(self) -> str:
        return f"{self.kind} {self.tz} {self.shift // timedelta(seconds=1)}"  # its keys spell the zone's offset
