"""When do the clocks of a zone change?

Used where many moments are placed at once, and by cron partitions. `zoneinfo` does not tell its changes, so they are
found by looking at the offset every three days and halving where it differs.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

# The offset of no zone has ever held for less than four days: the shortest is that of Freetown, December 1939.
_STEP = timedelta(days=3)
_EPOCH_AT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """The second of UTC, counted from 1970, at which the offset from UTC changes, and both offsets in seconds."""

    at: int
    before: int
    after: int


def offset_at(zone: ZoneInfo, at: int) -> int:
    """Return the offset from UTC, in seconds, at a second of UTC counted from 1970."""
    offset = (_EPOCH_AT + timedelta(seconds=at)).astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(seconds=1)


def changes(zone: ZoneInfo, first: int, end: int) -> list[Change]:
    """Return the changes after the second `first` and not after the second `end`, ascending."""
    if zone.utcoffset(None) is not None:  # a zone of one offset
        return []
    found: list[Change] = []
    moment, last = _EPOCH_AT + timedelta(seconds=first), _EPOCH_AT + timedelta(seconds=end)
    before = moment.astimezone(zone).utcoffset()
    while moment < last:
        until = min(moment + _STEP, last)
        after = until.astimezone(zone).utcoffset()
        if after != before:
            found.append(_change(zone, moment, until))
        moment, before = until, after
    return found


def _change(zone: ZoneInfo, moment: datetime, until: datetime) -> Change:
    """Return the one change between two moments of unlike offsets."""
    low, high = ((each - _EPOCH_AT) // timedelta(seconds=1) for each in (moment, until))
    before, after = offset_at(zone, low), offset_at(zone, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset_at(zone, middle) == before else (low, middle)
    return Change(high, before, after)


@functools.cache
def gaps(zone: ZoneInfo, first: int, end: int) -> tuple[Change, ...]:
    """Return the changes by which local times are skipped, as `changes` does; a zone is looked at once."""
    return tuple(change for change in changes(zone, first, end) if change.after > change.before)
