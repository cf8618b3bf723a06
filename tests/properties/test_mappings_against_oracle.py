"""Are the partitions and mappings of a project, as they are written, those that dates and loops alone find?

The oracle of the random projects is asked here for every kind at once, in more zones than projects that run can try.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from naive_partitions import TIME_KINDS, Reading, Scheme, cells_read, newest, slots

import assets_core
from assets_core.model.mapping import ByDimension, MappingError, PartitionMapping, parse_mapping, resolve
from assets_core.model.partitions import Partitions, bind, parse_partitions
from assets_core.planning.intervals import evaluate
from assets_core.planning.spelling import keys_of, ordinals_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)
REGIONS = ("eu", "us", "a|b", "apac")
BASES = (
    ("UTC", date(2021, 3, 28)),
    ("Europe/Berlin", date(2021, 3, 28)),
    ("Europe/Berlin", date(2021, 10, 31)),
    ("America/New_York", date(2021, 3, 14)),
    ("America/New_York", date(2021, 11, 7)),
    ("Africa/Casablanca", date(2021, 4, 11)),
    ("America/Vancouver", date(2021, 11, 7)),
)


@st.composite
def schemes(draw: st.DrawFn, base: tuple[str, date], kinds: tuple[str, ...]) -> Scheme:
    """Draw a definition of few partitions around a day on which the clocks of a zone change."""
    kind = draw(st.sampled_from(kinds))
    tz, day = base
    before, after = draw(st.integers(0, 2)), draw(st.integers(1, 3))
    match kind:
        case "static":
            return Scheme(kind, keys=tuple(draw(st.lists(st.sampled_from(REGIONS), min_size=1, unique=True))))
        case "dynamic":
            return Scheme(kind, keys=REGIONS[: draw(st.integers(0, 4))], name="places")
        case "product":
            inner = {
                "day": ("daily", "hourly", "monthly", "cron"),
                "region": ("static", "dynamic"),
                "other": ("static",),
            }
            names = draw(st.permutations(["day", "region", "other"]))[: draw(st.integers(2, 3))]
            return Scheme(kind, dimensions=tuple((name, draw(schemes(base, inner[name]))) for name in names))
        case "minute" | "hourly" | "cron":
            start, end = f"{day}T00:00", f"{day + timedelta(days=after)}T00:00"
            ticks = (tuple(draw(st.sets(st.integers(0, 23), min_size=1, max_size=5))), (0, 2, 5, 6))
            every = draw(st.sampled_from([15, 30, 60]))
            tz = draw(st.sampled_from([tz, "UTC"]))
            return Scheme(
                kind, start, f"{day}T04:15" if kind == "minute" and every == 15 else end, tz, every=every, ticks=ticks
            )
        case "daily":
            return Scheme(kind, str(day - timedelta(days=before)), str(day + timedelta(days=after)), tz)
        case "weekly":
            monday = day - timedelta(days=day.weekday())
            return Scheme(kind, str(monday - timedelta(weeks=before)), str(monday + timedelta(weeks=after)), tz)
        case "monthly":
            return Scheme(kind, f"2021-0{3 - before}", f"2021-0{3 + after}", tz)
        case "quarterly":
            return Scheme(kind, f"2020-Q{1 + before}", f"2021-Q{1 + after}", tz)
    return Scheme(kind, "2020", str(2020 + after), tz)


ONE_DIMENSION = (*TIME_KINDS, "static", "dynamic")


def definition(scheme: Scheme, by_header: bool) -> Partitions:
    """The definition as it is written in a SQL file or in Python, with the keys of its dynamic sets."""
    names = {name: getattr(assets_core, name) for name in assets_core.__all__ if name.endswith("Partitions")}
    declared: Any = (
        parse_partitions(tomllib.loads(f"it = {scheme.header()}")["it"])
        if by_header and "'" not in scheme.header()
        else eval(scheme.source(), names)  # noqa: S307  # the source is the test's own
    )
    every = [scheme, *(dimension for _, dimension in scheme.dimensions)]
    return bind(declared, {each.name: (each.keys, 7) for each in every if each.kind == "dynamic"})


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(BASES).flatmap(lambda base: schemes(base, (*ONE_DIMENSION, "product"))), st.booleans())
def test_a_definition_has_the_partitions_that_a_calendar_and_a_clock_give(scheme: Scheme, by_header: bool) -> None:
    assume(
        "a|b" not in [key for _, dimension in scheme.dimensions for key in dimension.keys]
    )  # the oracle escapes none
    partitions = definition(scheme, by_header)
    ordinals = np.arange(*partitions.bounds(NOW))
    expected = slots(scheme)
    assert keys_of(partitions, ordinals) == [slot.key for slot in expected]
    for ordinal, slot in zip(ordinals.tolist(), expected, strict=True):
        partition = partitions.partition(ordinal)
        assert partition.key == slot.key
        times = [None if time is None else time.astimezone(UTC) for time in (partition.start, partition.end)]
        assert times == [slot.start, slot.end]


@st.composite
def readings(draw: st.DrawFn, downstream: Scheme, upstream: Scheme) -> Reading:
    own, known = ([str(slot.key) for slot in slots(scheme)] for scheme in (downstream, upstream))
    choices = [st.just(Reading()), st.just(Reading("all"))]
    if own and known:
        table = st.dictionaries(st.sampled_from(own), st.lists(st.sampled_from(known), max_size=4).map(tuple))
        choices.append(table.map(lambda rows: Reading("table", table=tuple(rows.items()))))
    if upstream.is_time:
        choices.append(st.just(Reading("newest")))
    if upstream.is_time and downstream.is_time:
        last, offset = st.none() | st.integers(1, 5), st.integers(-3, 3)
        windows = st.builds(lambda last, offset: Reading("window", last=last, offset=offset), last, offset)
        choices += [windows, windows]
    if upstream.kind == "product":
        parts = dict(downstream.dimensions)
        dimensions = {
            name: readings(parts.get(name, downstream), dimension)
            for name, dimension in upstream.dimensions
            if name in parts or downstream.kind != "product"
        }
        given_some = st.fixed_dictionaries({}, optional=dimensions)
        choices.append(given_some.map(lambda found: Reading("by_dimension", dimensions=tuple(found.items()))))
    elif downstream.kind == "product":
        name, dimension = draw(st.sampled_from(downstream.dimensions))
        inner = readings(dimension, upstream)
        choices.append(inner.map(lambda found: Reading("from_dimension", dimensions=((name, found),))))
    return draw(st.one_of(choices))


def mapping(reading: Reading, downstream: Partitions, upstream: Partitions) -> PartitionMapping | None:
    header = reading.header()
    declared = None if header is None else parse_mapping(tomllib.loads(f"it = {header}")["it"])
    try:
        return resolve(declared, downstream, upstream)
    except MappingError:
        return None


def has_newest(reading: Reading) -> bool:
    return reading.kind == "newest" or any(has_newest(inner) for _, inner in reading.dimensions)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_mapping_reads_what_the_oracle_reads(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(BASES))
    kinds = (*ONE_DIMENSION, "product", "product")
    downstream, upstream = data.draw(schemes(base, kinds)), data.draw(schemes(base, kinds))
    scheme_keys = [key for scheme in (downstream, upstream) for _, inner in scheme.dimensions for key in inner.keys]
    assume("a|b" not in scheme_keys)
    assume(all(len(slots(scheme)) < 200 for scheme in (downstream, upstream)))
    sets = {
        scheme.keys for top in (downstream, upstream) for scheme in [top, *dict(top.dimensions).values()] if scheme.name
    }
    assume(len(sets) < 2)  # a set has one state at a time
    reading = data.draw(readings(downstream, upstream))
    one, other = definition(downstream, by_header=False), definition(upstream, by_header=False)
    resolved = mapping(reading, one, other)
    assume(resolved is not None)
    assert resolved is not None
    event(f"{downstream.kind} reads {upstream.kind} by {reading.kind}")
    cells, bounds = np.arange(*one.bounds(NOW)), other.bounds(NOW)
    found = evaluate(resolved, one, cells, other, bounds)
    expected = cells_read(reading, downstream, upstream)
    there = np.array(
        data.draw(st.lists(st.booleans(), min_size=bounds[1] - bounds[0], max_size=bounds[1] - bounds[0])), np.bool_
    )
    if is_newest := has_newest(reading) and not isinstance(resolved, ByDimension):
        found = found.newest(there, bounds[0])
    for position, key in enumerate(keys_of(one, cells)):
        ordinals = [ordinal for low, high in found.of(position) for ordinal in range(low, high)]
        naive = set(expected[key])
        if is_newest:
            naive = newest(naive, upstream, lambda key: there[ordinals_of(other, [str(key)])[0] - bounds[0]])
        assert set(keys_of(other, np.array(ordinals, np.int64))) == naive
