"""Partitions of the clock and the calendar: hours, days, weeks, months, quarters and years of a time zone.

Ordinals count from 1970, so that moving the start or the end of a definition moves no ordinal. A day begins when its
midnight first strikes, or, where the clocks skip midnight, when they have moved on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from ..keys import PartitionKey
from .port import PartitionsError
from .timed import EPOCH, EvenPartitions, TimePartitions, first_moment


@dataclass(frozen=True)
class HourlyPartitions(EvenPartitions):
    """One partition for each hour that passes: a day of a change of the clocks has 23 or 25.

    Keys: 2013-01-31T06:00-05:00, or 2013-01-31T06:00Z. The hours are full hours of the zone at `start`: where the zone
    later moves by half an hour, they begin at :30.
    """

    kind: ClassVar[str] = "hourly"

    @property
    def length(self) -> timedelta:
        return timedelta(hours=1)


@dataclass(frozen=True)
class DailyPartitions(TimePartitions):
    """One partition a calendar day of the zone. Keys: 2013-01-31."""

    kind: ClassVar[str] = "daily"

    def _named(self, local: datetime) -> int:
        return (local.date() - EPOCH).days

    def starts_at(self, ordinal: int) -> datetime:
        return first_moment(EPOCH + timedelta(days=ordinal), self.zone)

    def key(self, ordinal: int) -> PartitionKey:
        return PartitionKey((EPOCH + timedelta(days=ordinal)).isoformat())


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
    def shift_days(self) -> int:
        """Return how many days before 1970 the week of ordinal 0 begins."""
        return (3 - self.week_start) % 7  # 1970-01-01 was a Thursday, day 3

    def _named(self, local: datetime) -> int:
        return ((local.date() - EPOCH).days + self.shift_days) // 7

    def _first_day(self, ordinal: int) -> date:
        return EPOCH + timedelta(days=ordinal * 7 - self.shift_days)

    def starts_at(self, ordinal: int) -> datetime:
        return first_moment(self._first_day(ordinal), self.zone)

    def key(self, ordinal: int) -> PartitionKey:
        return PartitionKey(self._first_day(ordinal).isoformat())

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "week_start": self.week_start}

    @property
    def scheme(self) -> str:
        return f"weekly {self.week_start}"


@dataclass(frozen=True)
class MonthsPartitions(TimePartitions):
    """Partitions of `months` whole calendar months, a divisor of twelve."""

    months: ClassVar[int]

    def _named(self, local: datetime) -> int:
        return ((local.year - 1970) * 12 + local.month - 1) // self.months

    def _first_month(self, ordinal: int) -> tuple[int, int]:
        years, months = divmod(ordinal * self.months, 12)
        return 1970 + years, months + 1

    def starts_at(self, ordinal: int) -> datetime:
        year, month = self._first_month(ordinal)
        return first_moment(date(year, month, 1), self.zone)


@dataclass(frozen=True)
class MonthlyPartitions(MonthsPartitions):
    """One partition a calendar month of the zone. Keys: 2013-01."""

    months: ClassVar[int] = 1
    kind: ClassVar[str] = "monthly"

    def key(self, ordinal: int) -> PartitionKey:
        year, month = self._first_month(ordinal)
        return PartitionKey(f"{year:04d}-{month:02d}")

    def _read(self, text: str) -> datetime:
        return super()._read(f"{text}-01" if len(text) == 7 else text)


@dataclass(frozen=True)
class QuarterlyPartitions(MonthsPartitions):
    """One partition a quarter of the calendar year, from January, April, July or October. Keys: 2013-Q1."""

    months: ClassVar[int] = 3
    kind: ClassVar[str] = "quarterly"

    def key(self, ordinal: int) -> PartitionKey:
        year, month = self._first_month(ordinal)
        return PartitionKey(f"{year:04d}-Q{(month + 2) // 3}")

    def _read(self, text: str) -> datetime:
        if quarter := re.fullmatch(r"(\d{4})-Q([1-4])", text, re.ASCII):
            return super()._read(f"{quarter[1]}-{int(quarter[2]) * 3 - 2:02d}-01")
        return super()._read(f"{text}-01" if len(text) == 7 else text)


@dataclass(frozen=True)
class YearlyPartitions(MonthsPartitions):
    """One partition a calendar year of the zone. Keys: 2013."""

    months: ClassVar[int] = 12
    kind: ClassVar[str] = "yearly"

    def key(self, ordinal: int) -> PartitionKey:
        return PartitionKey(f"{self._first_month(ordinal)[0]:04d}")

    def _read(self, text: str) -> datetime:
        return super()._read(f"{text}-01-01" if len(text) == 4 else f"{text}-01" if len(text) == 7 else text)
