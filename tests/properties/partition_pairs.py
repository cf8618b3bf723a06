"""Which partitions are there to try, and what does a cell read of an upstream, found by trying every key?

Used by the property tests of planning/intervals.py and planning/ranges.py. It knows keys and windows of time, no
ordinals' arithmetic and no arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import permutations

from hypothesis import strategies as st

from assets_core.model.keys import split_dimensions
from assets_core.model.mapping import (
    AllPartitions,
    ByDimension,
    Explicit,
    FromDimension,
    Identity,
    LastAvailable,
    MappingError,
    PartitionMapping,
    StaticMap,
    TimeWindow,
    resolve,
)
from assets_core.model.partitions import (
    CronPartitions,
    DailyPartitions,
    DynamicPartitions,
    HourlyPartitions,
    MinutePartitions,
    MonthlyPartitions,
    Partitions,
    ProductPartitions,
    QuarterlyPartitions,
    StaticPartitions,
    TimePartitions,
    WeeklyPartitions,
    YearlyPartitions,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)

# A zone and a day on which its clocks do something: go forward, back, over midnight, by half an hour, skip a day.
CHANGES = (
    ("UTC", date(2021, 3, 28)),
    ("Europe/Berlin", date(2021, 3, 28)),
    ("Europe/Berlin", date(2021, 10, 31)),
    ("America/New_York", date(2021, 3, 14)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/St_Johns", date(2010, 11, 7)),
    ("Australia/Lord_Howe", date(2021, 10, 3)),
    ("Asia/Kathmandu", date(2021, 3, 28)),
    ("Pacific/Apia", date(2011, 12, 30)),
)
REGIONS = ("apac", "eu", "us")
CRONS = ("0 6 * * 1-5", "30 2 * * *", "0 */3 * * *", "15,45 0-4 * * *", "0 0 1,15 * *")


@st.composite
def static_partitions(draw: st.DrawFn) -> StaticPartitions:
    """Draw some regions, in any order."""
    return StaticPartitions(draw(st.lists(st.sampled_from(REGIONS), min_size=1, unique=True)))


@st.composite
def dynamic_partitions(draw: st.DrawFn) -> DynamicPartitions:
    """Draw one of two sets, as of some time: keys are only added within a generation."""
    generation = draw(st.integers(0, 5))
    keys = list(permutations(REGIONS))[generation][: draw(st.integers(0, 3))]
    return DynamicPartitions(draw(st.sampled_from(["places", "areas"]))).holding(keys, generation)


@st.composite
def time_partitions(draw: st.DrawFn, change: tuple[str, date]) -> TimePartitions:
    """Draw partitions of time around the day of a change of the clocks, in its zone or in another one."""
    tz = change[0] if draw(st.integers(0, 3)) else draw(st.sampled_from([zone for zone, _ in CHANGES]))
    day = change[1] + timedelta(days=draw(st.integers(-4, 2)))
    month = day.year * 12 + day.month - 1
    months = draw(st.integers(0, 3))
    noon = f"{day}T10:00+00:00" if (tz, day) == ("Pacific/Apia", date(2011, 12, 30)) else f"{day}T12:00"
    match draw(st.sampled_from(["minute", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "cron"])):
        case "minute":
            minutes = MinutePartitions(noon, tz=tz, every=draw(st.sampled_from([15, 30, 45, 180])))
            first, _ = minutes.fixed_bounds
            return replace(minutes, end=minutes.key(first + draw(st.integers(0, 50))))
        case "cron":
            end = day + timedelta(days=draw(st.integers(0, 7)))
            return CronPartitions(draw(st.sampled_from(CRONS)), f"{day}T12:00+00:00", f"{end}T12:00+00:00", tz=tz)
        case "quarterly":
            quarter = day.year * 4 + (day.month - 1) // 3
            last = quarter + draw(st.integers(0, 3))
            return QuarterlyPartitions(f"{quarter // 4}-Q{quarter % 4 + 1}", f"{last // 4}-Q{last % 4 + 1}", tz=tz)
        case "yearly":
            return YearlyPartitions(str(day.year), str(day.year + draw(st.integers(0, 2))), tz=tz)
        case "hourly":
            hours = HourlyPartitions(noon, tz=tz)
            first, _ = hours.fixed_bounds
            return replace(hours, end=hours.key(first + draw(st.integers(0, 50))))
        case "daily":
            return DailyPartitions(str(day), str(day + timedelta(days=draw(st.integers(0, 12)))), tz=tz)
        case "weekly":
            end = day + timedelta(weeks=draw(st.integers(0, 3)))
            return WeeklyPartitions(str(day), str(end), tz=tz, week_start=day.weekday())
        case _:
            return MonthlyPartitions(_month_text(month - 1), _month_text(month - 1 + months), tz=tz)


def _month_text(month: int) -> str:
    return f"{month // 12}-{month % 12 + 1:02d}"


@st.composite
def product_partitions(draw: st.DrawFn, change: tuple[str, date]) -> ProductPartitions:
    """Draw a product of two or three dimensions; two products share names of dimensions, not always their kinds."""
    names = draw(st.lists(st.sampled_from(["when", "region", "other"]), min_size=2, unique=True))
    kinds = {"when": time_partitions(change), "region": st.one_of(static_partitions(), dynamic_partitions())}
    dimensions = {
        name: draw(kinds.get(name, st.one_of(time_partitions(change), static_partitions()))) for name in names
    }
    return ProductPartitions(**dimensions)


def partitions_around(change: tuple[str, date]) -> st.SearchStrategy[Partitions]:
    """Draw partitions of any kind, small enough to try every cell."""
    return st.one_of(
        time_partitions(change), static_partitions(), dynamic_partitions(), product_partitions(change)
    ).filter(lambda partitions: len(range(*partitions.bounds(NOW))) <= 150)


def mappings(draw: st.DrawFn, downstream: Partitions | None, upstream: Partitions | None) -> PartitionMapping | None:
    """Draw a mapping between two definitions, completed as on load; None where the one drawn is refused."""
    try:
        return resolve(draw(st.one_of(_declared(downstream, upstream))), downstream, upstream)
    except MappingError:
        return None


def _declared(
    downstream: Partitions | None, upstream: Partitions | None
) -> list[st.SearchStrategy[PartitionMapping | None]]:
    choices: list[st.SearchStrategy[PartitionMapping | None]] = [st.just(None), st.just(AllPartitions())]
    if upstream is None or downstream is None:
        return choices
    if type(downstream) is type(upstream):
        choices.append(st.just(Identity()))
    if isinstance(downstream, TimePartitions) and isinstance(upstream, TimePartitions):
        windows = st.builds(TimeWindow, st.none() | st.integers(1, 40), st.integers(-3, 3))
        choices += [windows, windows, windows]
    table = _table(downstream, upstream)
    choices += [table.map(lambda rows: Explicit(lambda key: rows.get(key, []))), table.map(StaticMap)]
    if isinstance(upstream, TimePartitions):
        choices.append(st.just(LastAvailable()))
    if isinstance(upstream, ProductPartitions):
        own = dict(downstream.dimensions) if isinstance(downstream, ProductPartitions) else {}
        inner = {
            name: st.one_of(_declared(own.get(name, None if own else downstream), dimension))
            for name, dimension in upstream.dimensions
        }
        named = st.fixed_dictionaries({}, optional=inner)
        chosen = named.map(lambda found: ByDimension(**{k: v for k, v in found.items() if v is not None}))
        choices += [chosen, chosen]
    if isinstance(downstream, ProductPartitions):
        choices += [
            st.builds(FromDimension, st.just(name), st.one_of(_declared(dimension, upstream)))
            for name, dimension in downstream.dimensions
        ]
    return choices


def _table(downstream: Partitions, upstream: Partitions) -> st.SearchStrategy[dict[str, list[str]]]:
    """Draw a table from own keys to some upstream keys, in any order, some twice, a few outside of the bounds."""
    own = keys_of(downstream)
    first, end = upstream.bounds(NOW)
    more = 2 if isinstance(upstream, TimePartitions) else 0
    known = [upstream.key(ordinal) for ordinal in range(first - more, end + more)]
    if not known or not own:
        return st.just({})
    return st.dictionaries(st.sampled_from(own), st.lists(st.sampled_from(known), max_size=6), max_size=20)


def keys_of(partitions: Partitions) -> list[str]:
    """Return every key inside of the bounds, ascending."""
    return [partitions.key(ordinal) for ordinal in range(*partitions.bounds(NOW))]


def window(partitions: TimePartitions, key: str) -> tuple[datetime, datetime]:
    """Return the time of a key in UTC, where times of one zone compare as they follow each other."""
    partition = partitions.partition(partitions.ordinal(key))
    assert partition.start is not None
    assert partition.end is not None
    return partition.start.astimezone(UTC), partition.end.astimezone(UTC)


def reads(
    mapping: PartitionMapping, downstream: Partitions | None, key: str, upstream: Partitions, known: Sequence[str]
) -> set[str]:
    """Return the upstream keys, among the known ones, that a cell reads."""
    match mapping:
        case AllPartitions():
            return set(known)
        case Identity():
            return {other for other in known if other == key or _same_moment(downstream, key, upstream, other)}
        case TimeWindow(last=last, offset=offset):
            assert isinstance(downstream, TimePartitions)
            assert isinstance(upstream, TimePartitions)
            return set(known) & _overlapping(window(downstream, key), upstream, last, offset)
        case LastAvailable():
            if not isinstance(downstream, TimePartitions):
                return set(known)
            assert isinstance(upstream, TimePartitions)
            end = window(downstream, key)[1]
            overlapping = _overlapping(window(downstream, key), upstream, None, 0)
            return {other for other in known if other in overlapping or window(upstream, other)[0] < end}
        case StaticMap(keys=rows):
            return set(known) & {other for own, others in rows if own == key for other in others}
        case Explicit(function=function):
            return set(known) & set(function(key))
        case FromDimension(name=name, mapping=inner):
            assert isinstance(downstream, ProductPartitions)
            assert inner is not None
            own = dict(downstream.dimensions)[name]
            return reads(inner, own, _part(downstream, name, key), upstream, known)
        case ByDimension(dimensions=dimensions):
            assert isinstance(upstream, ProductPartitions)
            found = {
                name: _by_dimension(dict(dimensions)[name], downstream, key, name, upstream) for name, _ in dimensions
            }
            return {other for other in known if all(_part(upstream, name, other) in found[name] for name in found)}


def _by_dimension(
    mapping: PartitionMapping, downstream: Partitions | None, key: str, name: str, upstream: ProductPartitions
) -> set[str]:
    dimension = dict(upstream.dimensions)[name]
    if isinstance(downstream, ProductPartitions) and name in dict(downstream.dimensions):
        own, part = dict(downstream.dimensions)[name], _part(downstream, name, key)
        return reads(mapping, own, part, dimension, keys_of(dimension))
    return reads(mapping, downstream, key, dimension, keys_of(dimension))


def _part(product: ProductPartitions, name: str, key: str) -> str:
    return split_dimensions(key)[[known for known, _ in product.dimensions].index(name)]


def _same_moment(downstream: Partitions | None, key: str, upstream: Partitions, other: str) -> bool:
    """Tell whether two keys of hours spell one hour, each with the offset of its own zone."""
    if not (isinstance(downstream, HourlyPartitions) and isinstance(upstream, HourlyPartitions)):
        return False
    return window(downstream, key) == window(upstream, other)


def _overlapping(time: tuple[datetime, datetime], upstream: TimePartitions, last: int | None, offset: int) -> set[str]:
    """Return the keys that overlap a time, those up to two outside of the bounds included."""
    if upstream.kind in ("minute", "hourly", "daily", "cron"):  # too many to try each
        low, before = upstream.holding(time[0]), upstream.holding(time[1] - timedelta(microseconds=1))
        high = low if time[0] == time[1] == upstream.starts_at(low) else max(before, low) + 1
        low = low if last is None else min(low, high - last)
        first, end = upstream.bounds(NOW)
        return {upstream.key(place) for place in range(first - 2, end + 2) if low <= place - offset < high}
    everything = _windows_around(upstream)
    places = [place for place, (_, start, end) in enumerate(everything) if start < time[1] and end > time[0]]
    if last is not None:
        places = list(range(min(places[0], places[-1] + 1 - last), places[-1] + 1))
    return {everything[place + offset][0] for place in places}


@lru_cache(maxsize=256)
def _windows_around(upstream: TimePartitions) -> list[tuple[str, datetime, datetime]]:
    first, end = upstream.bounds(NOW)
    margin = {"weekly": 220, "monthly": 100, "quarterly": 70, "yearly": 60}[upstream.kind]
    keys = [upstream.key(ordinal) for ordinal in range(first - margin, end + margin)]
    return [(key, *window(upstream, key)) for key in keys]


def without_skipped(partitions: Partitions, keys: Iterable[str]) -> set[str]:
    """Leave out the days that a zone skips: they have a key and no time, so nothing says who reads them."""
    return {key for key in keys if not _is_skipped(partitions, key)}


def _is_skipped(partitions: Partitions, key: str) -> bool:
    if isinstance(partitions, ProductPartitions):
        parts = zip(partitions.dimensions, split_dimensions(key), strict=True)
        return any(_is_skipped(dimension, part) for (_, dimension), part in parts)
    if not isinstance(partitions, TimePartitions):
        return False
    start, end = window(partitions, key)
    return start == end
