"""Partitions of windows finer or freer than the calendar: every so many minutes, or from one cron tick to the next.

Their keys spell the moment of their start. Windows of minutes are counted from 1970 like hours; cron ticks are
numbered from 1970 too, so that moving the start of a definition moves no ordinal.
"""

from __future__ import annotations

import functools
import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from .clocks import Change, gaps
from .cron import END_YEAR, FIRST_YEAR, Cron, read_cron
from .port import PartitionsError
from .timed import EPOCH_AT, EvenPartitions, MomentPartitions

_LAST_SECOND = (datetime(END_YEAR, 1, 2, tzinfo=UTC) - EPOCH_AT) // timedelta(seconds=1)
_DAY_MINUTES = 1440


@dataclass(frozen=True)
class MinutePartitions(EvenPartitions):
    """One partition for each `every` minutes that pass. Keys: 2013-01-31T06:15-05:00, or 2013-01-31T06:15Z.

    The windows are counted from midnight of the zone at `start`, and go on in time that passes where clocks change.
    """

    every: int = 15
    kind: ClassVar[str] = "minute"

    def __post_init__(self) -> None:
        if type(self.every) is not int or not 0 < self.every < _DAY_MINUTES or _DAY_MINUTES % self.every:
            raise PartitionsError(
                f"every={self.every!r} minutes do not divide a day",
                remedy="give a divisor of 1440, as in every=15, or use DailyPartitions",
            )
        super().__post_init__()

    @property
    def length(self) -> timedelta:
        return timedelta(minutes=self.every)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "every": self.every}

    @property
    def scheme(self) -> str:
        return f"minute {self.every} {self.tz} {self.shift // timedelta(seconds=1)}"


@dataclass(frozen=True)
class Merger:
    """Ticks `first` to `last` of an unchanging clock that are one, `ordinal`, because a change skips them."""

    ordinal: int
    first: int
    last: int


@dataclass(frozen=True)
class CronPartitions(MomentPartitions):
    """From each tick of a cron expression to the next: CronPartitions("0 6 * * 1-5", "2013-01-01", tz="Europe/Berlin").

    Keys: the tick, 2013-01-31T06:00+01:00. The first partition begins with the first tick at or after `start`. The
    fields are minute, hour, day of the month, month, day of the week. Local times that a change of the clocks skips
    tick once, right after it; one that comes twice ticks once, the first time. From 1970 until 2100.
    """

    cron: str = field(kw_only=True)  # its place is first: see __init__
    kind: ClassVar[str] = "cron"

    def __init__(self, cron: str, start: str, end: str | None = None, tz: str = "UTC", *, end_offset: int = 0) -> None:
        members = {"cron": cron, "start": start, "end": end, "tz": tz, "end_offset": end_offset}
        for name, value in members.items():
            object.__setattr__(self, name, value)
        self.__post_init__()

    @functools.cached_property
    def expression(self) -> Cron:
        return read_cron(self.cron)

    @functools.cached_property
    def gaps(self) -> tuple[Change, ...]:
        """Return the changes of the clocks that skip local times."""
        return gaps(self.zone, 0, _LAST_SECOND)

    @functools.cached_property
    def mergers(self) -> tuple[Merger, ...]:
        """Return where several ticks of an unchanging clock are one of this zone's."""
        found: list[Merger] = []
        merged = 0
        for change in self.gaps:
            first = self.expression.ticks_before(change.at + change.before)
            last = self.expression.ticks_before(change.at + change.after + 1) - 1
            if last > first:
                found.append(Merger(first - merged, first, last))
                merged += last - first
        return tuple(found)

    @functools.cached_property
    def count(self) -> int:
        """Return how many ticks there are until the end of the calendar."""
        return self.expression.count - sum(merger.last - merger.first for merger in self.mergers)

    def starts_at(self, ordinal: int) -> datetime:
        if not 0 <= ordinal < self.count:  # all time before the first tick is one window, and all behind the last
            return datetime(2 if ordinal < 0 else END_YEAR, 1, 1, tzinfo=UTC).astimezone(self.zone)
        place = bisect_left(self.mergers, ordinal, key=lambda merger: merger.ordinal)
        number = ordinal
        if place:
            number += self.mergers[place - 1].last - self.mergers[place - 1].ordinal
        second = self.expression.tick(number)
        place = bisect_right(self.gaps, second, key=lambda change: change.at + change.before)
        if place and second < self.gaps[place - 1].at + self.gaps[place - 1].after:
            return (EPOCH_AT + timedelta(seconds=self.gaps[place - 1].at)).astimezone(self.zone)
        local = EPOCH_AT.replace(tzinfo=self.zone) + timedelta(seconds=second)
        return local.astimezone(UTC).astimezone(self.zone)

    def holding(self, moment: datetime) -> int:
        if moment < self.starts_at(0):
            return -1
        return self.count if moment >= self.starts_at(self.count) else super().holding(moment)

    def _named(self, local: datetime) -> int:
        second = (local.replace(tzinfo=UTC) - EPOCH_AT) // timedelta(seconds=1)
        number = self.expression.ticks_before(second + 1) - 1
        place = bisect_right(self.mergers, number, key=lambda merger: merger.first)
        if not place:
            return number
        merger = self.mergers[place - 1]
        return merger.ordinal + max(0, number - merger.last)

    def _edge(self, text: str) -> int:
        moment = self._moment(text)
        if not FIRST_YEAR <= moment.year < END_YEAR:
            raise PartitionsError(
                f"{text!r} is not in the years of cron partitions",
                remedy=f"give a time from {FIRST_YEAR} to {END_YEAR - 1}",
            )
        ordinal = self.holding(moment)
        return ordinal if self._begins(ordinal, moment) else ordinal + 1

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "cron": self.cron}

    @functools.cached_property
    def _scheme(self) -> str:
        # The ordinals behind a merger depend on it, and zones' rules are corrected at times.
        text = ",".join(f"{merger.first}-{merger.last}" for merger in self.mergers)
        merged = f" {hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}" if text else ""
        return f"{self.window_rule}{merged}"

    @property
    def scheme(self) -> str:
        return self._scheme

    @property
    def window_rule(self) -> str:
        return f"cron {' '.join(self.cron.split())} {self.tz}"
