"""Five-field cron expressions: at which minutes, on a clock that never changes, does one tick?

Used by `windows.py`, which knows clocks that do change. Ticks are numbered from 1970-01-01T00:00, exactly and without
counting them one by one; the calendar ends with the year 2100.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ...errors import did_you_mean
from .port import PartitionsError

FIRST_YEAR, END_YEAR = 1970, 2101
_DAY_SECONDS = 86_400
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Sequence[tuple[str, int, int, tuple[str, ...]]] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class Cron:
    """What an expression says. `times` are minutes of the day; Monday is weekday 0.

    A day ticks in one of the `months` where both its day and its weekday are named, or either, if `either` is set:
    where an expression restricts both fields, each of them names days.
    """

    times: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def has_day(self, day: int, weekday: int) -> bool:
        """Tell whether a day of one of its months ticks."""
        named = (day in self.days, weekday in self.weekdays)
        return any(named) if self.either else all(named)

    @functools.cached_property
    def _calendar(self) -> tuple[list[int], list[tuple[int, ...]], list[int]]:
        """Return of each month the day (from 1970) before its first, the days that tick, and how many do until it."""
        known: dict[tuple[int, int], tuple[int, ...]] = {}
        firsts, ticking = [-1], []
        for month in range((END_YEAR - FIRST_YEAR) * 12):
            weekday, length = shape = monthrange(FIRST_YEAR + month // 12, month % 12 + 1)
            if shape not in known:
                known[shape] = tuple(day for day in range(1, length + 1) if self.has_day(day, (weekday + day - 1) % 7))
            ticking.append(known[shape] if month % 12 + 1 in self.months else ())
            firsts.append(firsts[-1] + length)
        return firsts, ticking, [0, *accumulate(map(len, ticking))]

    @functools.cached_property
    def ticking_days(self) -> tuple[int, ...]:
        """Return every day that ticks, counted from 1970."""
        firsts, ticking, _ = self._calendar
        return tuple(first + day for first, days in zip(firsts, ticking, strict=False) for day in days)

    @property
    def count(self) -> int:
        """Return how many ticks there are."""
        return self._calendar[2][-1] * len(self.times)

    def tick(self, number: int) -> int:
        """Return the second of a tick, counted from 1970-01-01T00:00."""
        firsts, ticking, totals = self._calendar
        place, time = divmod(number, len(self.times))
        month = bisect_right(totals, place) - 1
        day = firsts[month] + ticking[month][place - totals[month]]
        return day * _DAY_SECONDS + self.times[time] * 60

    def ticks_before(self, second: int) -> int:
        """Return how many ticks come before a second counted from 1970-01-01T00:00."""
        firsts, ticking, totals = self._calendar
        day, rest = divmod(second, _DAY_SECONDS)
        if day < 0:
            return 0
        month = min(bisect_left(firsts, day) - 1, len(ticking))
        if month == len(ticking):
            return self.count
        date = day - firsts[month]
        days = totals[month] + bisect_left(ticking[month], date)
        return days * len(self.times) + (sum(time * 60 < rest for time in self.times) if date in ticking[month] else 0)


def read_cron(text: str) -> Cron:
    """Return what an expression says: minute, hour, day of the month, month, day of the week.

    Raises: PartitionsError where it says nothing, or never ticks.
    """
    fields = text.split() if isinstance(text, str) else []
    if len(fields) != len(_FIELDS):
        raise PartitionsError(
            f"{text!r} is not a cron expression: it has {len(fields)} fields, not {len(_FIELDS)}",
            remedy='write minute, hour, day of the month, month and day of the week, as in "0 6 * * 1-5"',
        )
    minutes, hours, days, months, weekdays = (
        _read_field(field, *rule) for field, rule in zip(fields, _FIELDS, strict=True)
    )
    cron = Cron(
        tuple(hour * 60 + minute for hour in sorted(hours) for minute in sorted(minutes)),
        days,
        months,
        frozenset((weekday - 1) % 7 for weekday in weekdays),  # cron begins with Sunday, and 7 is Sunday too
        either=not (fields[2].startswith("*") or fields[4].startswith("*")),
    )
    if not cron.count:
        raise PartitionsError(f"the cron expression {text!r} never ticks", remedy="name a day that its months have")
    return cron


def _read_field(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", part, re.ASCII)
        if match is None:
            raise PartitionsError(
                f"{part!r} is not a {name} of a cron expression", remedy="write *, a number, 1-5, */15 or 0,30"
            )
        step = int(match[3] or 1)
        first = low if match[1] is None else _number(match[1], name, low, high, words)
        if match[1] is None or (match[2] is None and match[3] is not None):
            last = high - (words is _WEEKDAYS)  # Sunday is there as 0 already
        else:
            last = first if match[2] is None else _number(match[2], name, low, high, words)
        if words is _WEEKDAYS and match[2] is not None and last == 0 < first:
            last = 7  # as in fri-sun
        if last < first or step < 1:
            raise PartitionsError(
                f"{part!r} names no {name} in a cron expression", remedy=f"count upwards, from {low} to {high}"
            )
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + (words is _MONTHS)
    if text.isdecimal() and low <= int(text) <= high:
        return int(text)
    raise PartitionsError(
        f"{text!r} is not a {name} of a cron expression{did_you_mean(text.lower(), words)}",
        remedy=f"write a number from {low} to {high}{' or a name such as ' + words[1] if words else ''}",
    )
