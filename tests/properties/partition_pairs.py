"""Which partitions are there to try, and what does a cell read of an upstream, found by trying every key?

Used by the property tests of planning/intervals.py and planning/ranges.py. It knows keys and windows of time, no
ordinals' arithmetic and no arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from hypothesis import strategies as st

from assets_core.model.keys import split_dimensions
from assets_core.model.mapping import (
    AllPartitions,
    ByDimension,
    Explicit,
    FromDimension,
    Identity,
    MappingError,
    PartitionMapping,
    TimeWindow,
    resolve,
)
from assets_core.model.partitions import (
    DailyPartitions,
    HourlyPartitions,
    MonthlyPartitions,
    Partitions,
    ProductPartitions,
    StaticPartitions,
    TimePartitions,
    WeeklyPartitions,
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


@st.composite
def static_partitions(draw: st.DrawFn) -> StaticPartitions:
    """Draw some regions, in any order."""
    return StaticPartitions(draw(st.lists(st.sampled_from(REGIONS), min_size=1, unique=True)))


@st.composite
def time_partitions(draw: st.DrawFn, change: tuple[str, date]) -> TimePartitions:
    """Draw partitions of time around the day of a change of the clocks, in its zone or in another one."""
    tz = change[0] if draw(st.integers(0, 3)) else draw(st.sampled_from([zone for zone, _ in CHANGES]))
    day = change[1] + timedelta(days=draw(st.integers(-4, 2)))
    month = day.year * 12 + day.month - 1
    months = draw(st.integers(0, 3))
    match draw(st.sampled_from(["hourly", "daily", "weekly", "monthly"])):
        case "hourly":
            start = f"{day}T12:00+00:00" if (tz, day) == ("Pacific/Apia", date(2011, 12, 30)) else f"{day}T12:00"
            first, _ = HourlyPartitions(start, tz=tz).fixed_bounds
            return HourlyPartitions(start, HourlyPartitions(start, tz=tz).key(first + draw(st.integers(0, 50))), tz=tz)
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
    kinds = {"when": time_partitions(change), "region": static_partitions()}
    dimensions = {
        name: draw(kinds.get(name, st.one_of(time_partitions(change), static_partitions()))) for name in names
    }
    return ProductPartitions(**dimensions)


def partitions_around(change: tuple[str, date]) -> st.SearchStrategy[Partitions]:
    """Draw partitions of any kind, small enough to try every cell."""
    return st.one_of(time_partitions(change), static_partitions(), product_partitions(change)).filter(
        lambda partitions: len(range(*partitions.bounds(NOW))) <= 150
    )


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
    choices.append(_explicit(downstream, upstream))
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


def _explicit(downstream: Partitions, upstream: Partitions) -> st.SearchStrategy[PartitionMapping | None]:
    """Draw a table from each own key to some upstream keys, in any order, some twice, a few outside of the bounds."""
    own = keys_of(downstream)
    first, end = upstream.bounds(NOW)
    more = 0 if isinstance(upstream, StaticPartitions | ProductPartitions) else 2
    known = [upstream.key(ordinal) for ordinal in range(first - more, end + more)]
    if not known or len(own) > 20:
        return st.just(Explicit(lambda _: []))
    rows = st.lists(st.sampled_from(known), max_size=6)
    tables = st.lists(rows, min_size=len(own), max_size=len(own)).map(lambda found: dict(zip(own, found, strict=True)))
    return tables.map(lambda table: Explicit(table.__getitem__))


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
    """Return the keys that overlap a time: of all partitions of that grain, those outside of the bounds included."""
    everything = _windows_around(upstream)
    places = [place for place, (_, start, end) in enumerate(everything) if start < time[1] and end > time[0]]
    if last is not None:
        places = list(range(min(places[0], places[-1] + 1 - last), places[-1] + 1))
    return {everything[place + offset][0] for place in places}


@lru_cache(maxsize=256)
def _windows_around(upstream: TimePartitions) -> list[tuple[str, datetime, datetime]]:
    first, end = upstream.bounds(NOW)
    margin = {"hourly": 24 * 80, "daily": 120, "weekly": 60, "monthly": 50}[upstream.kind]
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
