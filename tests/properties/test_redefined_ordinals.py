"""Does a definition that is edited keep exactly the cells that it still has, whatever becomes of their ordinals?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

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
    YearlyPartitions,
)
from assets_core.planning.spelling import keys_of, ordinals_of

NOW = datetime(2021, 3, 20, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"
KINDS = (HourlyPartitions, DailyPartitions, MonthlyPartitions, QuarterlyPartitions, YearlyPartitions)


def kept(before: Partitions, after: Partitions) -> dict[str, int]:
    """The cells of a definition that another one still has: their keys as recorded, their ordinals now."""
    recorded = np.arange(*before.bounds(NOW))
    keys = keys_of(before, recorded)
    ordinals = recorded if before.scheme == after.scheme else ordinals_of(after, keys)
    first, end = after.bounds(NOW)
    return {key: o for key, o in zip(keys, ordinals.tolist(), strict=True) if first <= o < end}


def exactly_the_common_keys_are_kept(before: Partitions, after: Partitions) -> None:
    old, new = ([each.key(ordinal) for ordinal in range(*each.bounds(NOW))] for each in (before, after))
    found = kept(before, after)
    assert [*found] == [key for key in old if key in {*new}]
    assert found == {key: after.bounds(NOW)[0] + place for place, key in enumerate(new) if key in {*old}}


@st.composite
def times(draw: st.DrawFn) -> TimePartitions:
    """Draw a definition of one kind, as it may be before or after an edit of its start, end or end_offset."""
    kind = draw(st.sampled_from([*KINDS, MinutePartitions, CronPartitions]))
    start = date(2021, 3, 1) + timedelta(days=draw(st.integers(0, 25)))
    ends: dict[str, Any] = {"end": str(start + timedelta(days=draw(st.integers(0, 20))))}
    if draw(st.booleans()):
        ends = {"end_offset": draw(st.integers(-3, 3))}
    if kind is MonthlyPartitions:
        start, ends = start.replace(month=draw(st.integers(1, 3)), day=1), {"end_offset": ends.get("end_offset", 0)}
    if kind in (QuarterlyPartitions, YearlyPartitions):
        start, ends = date(draw(st.integers(2018, 2021)), 1, 1), {"end_offset": ends.get("end_offset", 0)}
    if kind is CronPartitions:
        return CronPartitions("*/30 1-4,6 * * 1-5", str(start), tz=BERLIN, **ends)
    found: TimePartitions = kind(str(start), tz=BERLIN, **ends)
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(times(), min_size=2, max_size=8))
def test_moving_start_end_or_offset_keeps_exactly_the_common_partitions(drawn: list[TimePartitions]) -> None:
    for before, after in pairwise(sorted(drawn, key=lambda each: each.kind)):
        if before.kind == after.kind:
            assert before.scheme == after.scheme, "no ordinal moves"
            exactly_the_common_keys_are_kept(before, after)


regions = st.lists(st.sampled_from(["eu", "us", "apac", "a|b", "\\"]), min_size=1, unique=True)


@settings(max_examples=200, deadline=None)
@given(regions, regions)
def test_editing_a_list_keeps_exactly_the_keys_that_stay_wherever_they_stand(old: list[str], new: list[str]) -> None:
    exactly_the_common_keys_are_kept(StaticPartitions(old), StaticPartitions(new))
    days = DailyPartitions("2021-03-01", "2021-03-04")
    later = replace(days, end="2021-03-06")
    for turn in (1, -1):
        before = ProductPartitions(**dict([("day", days), ("region", StaticPartitions(old))][::turn]))
        after = ProductPartitions(**dict([("day", later), ("region", StaticPartitions(new))][::turn]))
        exactly_the_common_keys_are_kept(before, after)


@settings(max_examples=100, deadline=None)
@given(regions, regions)
def test_a_set_keeps_its_ordinals_while_keys_are_added_and_finds_them_when_one_was_removed(
    old: list[str], more: list[str]
) -> None:
    grown = [*old, *(key for key in more if key not in old)]
    before, after = (DynamicPartitions("set").holding(tuple(keys), 3) for keys in (old, grown))
    assert before.scheme == after.scheme
    assert before == after
    exactly_the_common_keys_are_kept(before, after)
    exactly_the_common_keys_are_kept(after, after.holding(tuple(grown[1:]), 9))
    days = DailyPartitions("2021-03-01", "2021-03-04")
    one, other = ProductPartitions(region=before, day=days), ProductPartitions(region=after, day=days)
    assert one.scheme == other.scheme, "the first dimension may grow"
    exactly_the_common_keys_are_kept(one, other)
    one, other = ProductPartitions(day=days, region=before), ProductPartitions(day=days, region=after)
    assert (one.scheme == other.scheme) == (old == grown), "another one may not"
    exactly_the_common_keys_are_kept(one, other)


def test_adding_a_dimension_keeps_nothing() -> None:
    days, places = DailyPartitions("2021-03-01", "2021-03-04"), StaticPartitions(["eu", "us"])
    product = ProductPartitions(day=days, region=places)
    for before, after in ((days, product), (product, days), (product, ProductPartitions(d=days, r=places, s=places))):
        assert before.scheme != after.scheme
        assert kept(before, after) == {}
