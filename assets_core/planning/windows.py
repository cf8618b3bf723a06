"""Windows of time on arrays: when do many partitions start, and which partitions hold many moments?

Used by the mappings (`intervals.py`) and for keys (`spelling.py`). It agrees with `starts_at` and `holding` of the
definitions, without asking them partition by partition. Moments are microseconds of UTC, counted from 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ..model.partitions import (
    CronPartitions,
    DailyPartitions,
    EvenPartitions,
    MonthsPartitions,
    TimePartitions,
    WeeklyPartitions,
)
from ..model.partitions.clocks import changes, offset_at
from ..versions.recipe import Ordinals

Moments = npt.NDArray[np.int64]

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
_EPOCH_AT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The offsets from UTC of a zone around some moments: `offsets[i]` holds from `at[i - 1]` until `at[i]`."""

    at: Moments
    offsets: Moments

    def local(self, moments: Moments) -> Moments:
        """Return what the clock shows at moments."""
        return moments + self.offsets[np.searchsorted(self.at, moments, "right")]

    def offset(self, moments: Moments) -> Moments:
        return self.offsets[np.searchsorted(self.at, moments, "right")]

    def first(self, local: Moments) -> Moments:
        """Return when the clock first shows some times; one that it skips by how it went before the change."""
        return local - self.offsets[self._place(local)]

    def tick(self, local: Moments) -> Moments:
        """Return when the clock first shows some times, or skips them."""
        place = self._place(local)
        found = local - self.offsets[place]
        if len(self.at):
            following = np.minimum(place, len(self.at) - 1)
            skipped = (place < len(self.at)) & (found >= self.at[following])
            found = np.where(skipped, self.at[following], found)
        return found

    def _place(self, local: Moments) -> Moments:
        # A clock that goes back shows times of before the change until its end; one that goes forward never does.
        shown = self.at + np.maximum(self.offsets[:-1], self.offsets[1:])
        return np.searchsorted(shown, local, "right").astype(np.int64)


def clock(zone: ZoneInfo, first: int, last: int) -> Clock:
    """Return the clock of a zone for moments and local times from `first` to `last`."""
    start, end = first // SECOND - 2 * 86_400, last // SECOND + 2 * 86_400
    found = changes(zone, start, end)
    offsets = [offset_at(zone, start), *(change.after for change in found)]
    return Clock(np.array([change.at for change in found], np.int64) * SECOND, np.array(offsets, np.int64) * SECOND)


def starts(partitions: TimePartitions, ordinals: Ordinals) -> Moments:
    """Return when partitions start."""
    if not len(ordinals):
        return np.zeros(0, np.int64)
    if isinstance(partitions, EvenPartitions):
        return ordinals * _microseconds(partitions.length) - _microseconds(partitions.shift)
    local = _ticks(partitions, ordinals) if isinstance(partitions, CronPartitions) else _midnights(partitions, ordinals)
    around = clock(partitions.zone, int(local.min()), int(local.max()))
    if not isinstance(partitions, CronPartitions):
        return around.first(local)
    outside = (ordinals < 0) | (ordinals >= partitions.count)
    found = around.tick(local)
    found[outside] = [_moment(partitions.starts_at(ordinal)) for ordinal in ordinals[outside].tolist()]
    return found


def holding(partitions: TimePartitions, moments: Moments) -> Ordinals:
    """Return the ordinals of the partitions whose windows hold moments."""
    if not len(moments):
        return np.zeros(0, np.int64)
    if isinstance(partitions, EvenPartitions):
        return (moments + _microseconds(partitions.shift)) // _microseconds(partitions.length)
    first, last = (partitions.holding(_time(int(moment))) for moment in (moments.min(), moments.max()))
    edges = starts(partitions, np.arange(first, last + 1, dtype=np.int64))
    return np.maximum(first + np.searchsorted(edges, moments, "right").astype(np.int64) - 1, first)


def first_days(partitions: TimePartitions, ordinals: Ordinals) -> Ordinals:
    """Return the first day of partitions of whole days, counted from 1970."""
    match partitions:
        case DailyPartitions():
            return ordinals
        case WeeklyPartitions():
            return ordinals * 7 - partitions.shift_days
        case MonthsPartitions():
            months = (ordinals * partitions.months).astype("datetime64[M]")
            return months.astype("datetime64[D]").astype(np.int64)
        case _:
            raise NotImplementedError(partitions.kind)


def _midnights(partitions: TimePartitions, ordinals: Ordinals) -> Moments:
    return first_days(partitions, ordinals) * DAY


def _ticks(partitions: CronPartitions, ordinals: Ordinals) -> Moments:
    """Return the local times of cron ticks; those outside of the calendar are moved to its ends."""
    expression = partitions.expression
    numbers = np.clip(ordinals, 0, partitions.count - 1)
    if partitions.mergers:
        at = np.array([merger.ordinal for merger in partitions.mergers], np.int64)
        moved = np.array([0, *(merger.last - merger.ordinal for merger in partitions.mergers)], np.int64)
        numbers = numbers + moved[np.searchsorted(at, numbers, "left")]
    times = np.array(expression.times, np.int64) * MINUTE
    days = np.array(expression.ticking_days, np.int64)
    return days[numbers // len(times)] * DAY + times[numbers % len(times)]


def _microseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _moment(time: datetime) -> int:
    return (time - _EPOCH_AT) // timedelta(microseconds=1)


def _time(moment: int) -> datetime:
    return _EPOCH_AT + timedelta(microseconds=moment)
