"""A whole year in zones whose clocks change: windows tile time, counts are exact, days and hours find each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from assets_core.model.mapping import TimeWindow
from assets_core.model.partitions import (
    CronPartitions,
    DailyPartitions,
    HourlyPartitions,
    MinutePartitions,
    TimePartitions,
)
from assets_core.planning.intervals import evaluate
from assets_core.planning.spelling import keys_of, ordinals_of

# A zone, a year, its length in hours, the hours of the days on which its clocks change.
YEARS = [
    ("Europe/Berlin", 2013, 8760, {"2013-03-31": 23, "2013-10-27": 25}),
    ("America/New_York", 2012, 8784, {"2012-03-11": 23, "2012-11-04": 25}),
    ("Australia/Lord_Howe", 2013, 8760, {"2013-04-07": 24.5, "2013-10-06": 23.5}),
    ("America/St_Johns", 2008, 8784, {"2008-03-09": 23, "2008-11-02": 25}),  # at one minute past midnight
]
every_year = pytest.mark.parametrize(("zone", "year", "hours", "changed"), YEARS)
every_zone = pytest.mark.parametrize(("zone", "year"), [(zone, year) for zone, year, _, _ in YEARS])
every_kind = pytest.mark.parametrize("kind", [HourlyPartitions, DailyPartitions, MinutePartitions])


def of_year(kind: type[TimePartitions], zone: str, year: int) -> TimePartitions:
    return kind(f"{year}-01-01", f"{year + 1}-01-01", tz=zone)


def ordinals_within(partitions: TimePartitions) -> range:
    return range(*partitions.bounds(datetime.now(UTC)))


@every_kind
@every_year
def test_windows_tile_the_year(
    zone: str, year: int, hours: int, changed: dict[str, float], kind: type[TimePartitions]
) -> None:
    partitions = of_year(kind, zone, year)
    starts = [partitions.starts_at(ordinal).astimezone(UTC) for ordinal in ordinals_within(partitions)]
    starts.append(datetime(year + 1, 1, 1, tzinfo=partitions.zone).astimezone(UTC))
    assert starts[0] == datetime(year, 1, 1, tzinfo=partitions.zone).astimezone(UTC)
    assert starts[-1] - starts[0] == timedelta(hours=hours)
    lengths = [end - start for start, end in pairwise(starts)]
    if kind is DailyPartitions:
        keys = [partitions.key(ordinal) for ordinal in ordinals_within(partitions)]
        long = {key: each / timedelta(hours=1) for key, each in zip(keys, lengths, strict=True)}
        assert {key: length for key, length in long.items() if length != 24} == changed
        assert len(keys) == hours // 24
    else:
        (length,) = set(lengths)
        assert len(lengths) == hours * timedelta(hours=1) // length


@every_kind
@every_zone
def test_keys_are_read_back_and_are_all_different(zone: str, year: int, kind: type[TimePartitions]) -> None:
    partitions = of_year(kind, zone, year)
    ordinals = ordinals_within(partitions)
    keys = keys_of(partitions, np.array(ordinals))
    assert len(set(keys)) == len(keys) >= 365
    assert ordinals_of(partitions, keys).tolist() == [*ordinals]
    for ordinal in ordinals[:: max(1, len(ordinals) // 500)]:
        assert partitions.ordinal(partitions.key(ordinal)) == ordinal


@pytest.mark.parametrize("kind", [HourlyPartitions, MinutePartitions])
@every_year
def test_days_read_their_hours_and_hours_their_day(
    zone: str, year: int, hours: int, changed: dict[str, float], kind: type[TimePartitions]
) -> None:
    days, fine = of_year(DailyPartitions, zone, year), of_year(kind, zone, year)
    day_cells, cells = np.array(ordinals_within(days)), np.array(ordinals_within(fine))
    per_hour = len(cells) / hours
    down = evaluate(TimeWindow(), days, day_cells, fine, (cells[0], cells[-1] + 1))
    counts = dict(zip(keys_of(days, day_cells), down.counts().tolist(), strict=True))
    # Where the clocks move by less than an hour, an hour is of two days until they move back.
    if zone == "Australia/Lord_Howe" and kind is HourlyPartitions:
        shared = int((down.low[1:] < down.high[:-1]).sum())
        assert down.counts().sum() == len(cells) + shared
        assert shared == 182
    else:
        assert down.counts().sum() == len(cells)
        assert {day: count for day, count in counts.items() if count != 24 * per_hour} == {
            day: length * per_hour for day, length in changed.items()
        }
        assert (down.low[1:] == down.high[:-1]).all()
    up = evaluate(TimeWindow(), fine, cells, days, (day_cells[0], day_cells[-1] + 1))
    for day, low, high in zip(day_cells.tolist(), down.low.tolist(), down.high.tolist(), strict=True):
        readers = cells[(up.low <= day) & (day < up.high)]
        assert readers.tolist() == [*range(low, high)]


@every_zone
def test_every_mapping_between_zones_is_the_one_of_the_moments(zone: str, year: int) -> None:
    own, other = of_year(DailyPartitions, zone, year), of_year(HourlyPartitions, "Asia/Kolkata", year)
    cells = np.array(ordinals_within(own))
    bounds = other.bounds(datetime.now(UTC))
    found = evaluate(TimeWindow(), own, cells, other, bounds)
    for position, cell in enumerate(cells.tolist()):
        start, end = own.starts_at(cell).astimezone(UTC), own.starts_at(cell + 1).astimezone(UTC)
        low, high = other.holding(start), other.holding(end - timedelta(microseconds=1)) + 1
        expected = (max(low, bounds[0]), min(high, bounds[1]))
        assert (found.low[position], found.high[position]) == expected


@every_year
def test_a_daily_tick_comes_once_a_day_also_where_its_time_comes_never_or_twice(
    zone: str, year: int, hours: int, changed: dict[str, float]
) -> None:
    ticks = CronPartitions("0,30 0-3 * * *", f"{year}-01-01", f"{year + 1}-01-01", tz=zone)
    keys = keys_of(ticks, np.array(ordinals_within(ticks)))
    by_day = {day: [key[11:16] for key in keys if key[:10] == day] for day in changed}
    assert by_day == {
        day: times
        for day, times in {
            "2013-03-31": ["00:00", "00:30", "01:00", "01:30", "03:00", "03:30"],
            "2012-03-11": ["00:00", "00:30", "01:00", "01:30", "03:00", "03:30"],
            "2013-10-06": ["00:00", "00:30", "01:00", "01:30", "02:30", "03:00", "03:30"],
            "2008-03-09": ["00:00", "01:01", "01:30", "02:00", "02:30", "03:00", "03:30"],
        }.items()
        if day in changed
    } | {
        day: ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30", "03:00", "03:30"]
        for day, length in changed.items()
        if length > 24
    }
    once = CronPartitions("30 2 * * *", f"{year}-01-01", f"{year + 1}-01-01", tz=zone)
    assert len(ordinals_within(once)) == hours // 24
