"""Do texts of ranges name the partitions that a trial of every key finds, and is what is written read back the same?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from partition_pairs import (
    CHANGES,
    NOW,
    keys_of,
    partitions_around,
    static_partitions,
    time_partitions,
    window,
    without_skipped,
)

from assets_core.errors import Place, SelectionError
from assets_core.model.asset import Asset, AssetKind
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey, split_dimensions
from assets_core.model.partitions import (
    DailyPartitions,
    Partitions,
    ProductPartitions,
    StaticPartitions,
    TimePartitions,
)
from assets_core.planning.ranges import in_ranges, range_texts, runs_of
from assets_core.planning.state import World, empty_state


def asset(key: str, partitions: Partitions | None) -> Asset:
    return Asset(AssetKey(key), AssetKind.FUNCTION, Place("assets.py", 1), "0" * 32, partitions)


def chosen(partitions: dict[str, Partitions | None], text: str | None) -> dict[str, list[int]]:
    """Return the ordinals of each asset that a text of ranges names."""
    assets = [asset(key, each) for key, each in partitions.items()]
    states = {each.key: empty_state(each, NOW) for each in assets}
    flags = in_ranges(World(Graph(assets), states, NOW), assets, text)
    return {key: states[AssetKey(key)].ordinals[flags[AssetKey(key)]].tolist() for key in partitions}


@st.composite
def some_ordinals(draw: st.DrawFn) -> tuple[Partitions, list[int]]:
    partitions = draw(partitions_around(draw(st.sampled_from(CHANGES))))
    every = range(*partitions.bounds(NOW))
    assume(every)
    flags = draw(st.lists(st.booleans(), min_size=len(every), max_size=len(every)))
    return partitions, [ordinal for ordinal, flag in zip(every, flags, strict=True) if flag]


@settings(max_examples=200, deadline=None)
@given(some_ordinals())
def test_runs_are_the_fewest_ranges_that_hold_the_ordinals(drawn: tuple[Partitions, list[int]]) -> None:
    _, ordinals = drawn
    runs = runs_of(np.array(ordinals, np.int64))
    assert [ordinal for first, last in runs for ordinal in range(first, last + 1)] == ordinals
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(runs))


@settings(max_examples=200, deadline=None)
@given(some_ordinals())
def test_what_is_written_as_ranges_is_read_back_as_the_same_partitions(drawn: tuple[Partitions, list[int]]) -> None:
    partitions, ordinals = drawn
    assume(ordinals)
    assume(without_skipped(partitions, keys := keys_of(partitions)) == set(keys))  # a skipped day has no time to name
    texts = range_texts(partitions, np.array(ordinals, np.int64))
    assert chosen({"a": partitions}, ",".join(texts)) == {"a": ordinals}


@settings(max_examples=100, deadline=None)
@given(some_ordinals())
def test_a_key_alone_names_its_partition(drawn: tuple[Partitions, list[int]]) -> None:
    partitions, ordinals = drawn
    assume(ordinals)
    key = partitions.key(ordinals[0])
    assume(without_skipped(partitions, [key]))
    keys = [partitions.key(ordinal) for ordinal in chosen({"a": partitions}, key)["a"]]
    assert without_skipped(partitions, keys) == {key}


@st.composite
def day_texts(draw: st.DrawFn, near: date) -> tuple[str, date, date]:
    """Draw a text of a day, a month or a year, with its first day and the day behind its last."""
    day = near + timedelta(days=draw(st.integers(-20, 20)))
    match draw(st.sampled_from(["day", "day", "day", "month", "year"])):
        case "day":
            return str(day), day, day + timedelta(days=1)
        case "month":
            first = day.replace(day=1)
            return f"{first:%Y-%m}", first, (first + timedelta(days=31)).replace(day=1)
    return f"{day.year}", date(day.year, 1, 1), date(day.year + 1, 1, 1)


@st.composite
def time_ranges(draw: st.DrawFn) -> tuple[TimePartitions, str, date, date]:
    change = draw(st.sampled_from(CHANGES))
    partitions = draw(time_partitions(change))
    (start, first, end), (stop, _, behind) = draw(day_texts(change[1])), draw(day_texts(change[1]))
    assume("2011-12-30" not in (start, stop))  # a day that Samoa skipped: it names no time
    if draw(st.booleans()):
        return partitions, start, first, end
    assume(first < behind)
    return partitions, f"{start}..{stop}", first, behind


def midnight(day: date, partitions: TimePartitions) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(partitions.tz)).astimezone(UTC)


def naive(partitions: TimePartitions, first: date, behind: date) -> set[str]:
    """Return the keys whose time overlaps some days, by trying each."""
    start, end = midnight(first, partitions), midnight(behind, partitions)
    return {key for key in keys_of(partitions) for low, high in [window(partitions, key)] if low < end and high > start}


@settings(max_examples=400, deadline=None)
@given(time_ranges())
def test_a_range_of_days_names_the_cells_that_overlap_it(drawn: tuple[TimePartitions, str, date, date]) -> None:
    partitions, text, first, behind = drawn
    found = _chosen_or_refused({"a": partitions}, text) or {"a": []}
    keys = [partitions.key(ordinal) for ordinal in found["a"]]
    assert without_skipped(partitions, keys) == without_skipped(partitions, naive(partitions, first, behind))


@settings(max_examples=150, deadline=None)
@given(time_ranges(), static_partitions())
def test_a_range_of_days_names_the_cells_of_a_product_by_its_first_dimension(
    drawn: tuple[TimePartitions, str, date, date], regions: StaticPartitions
) -> None:
    days, text, first, behind = drawn
    partitions = ProductPartitions(when=days, region=regions)
    expected = {key for key in keys_of(partitions) if split_dimensions(key)[0] in naive(days, first, behind)}
    found = _chosen_or_refused({"a": partitions}, text) or {"a": []}
    keys = [partitions.key(ordinal) for ordinal in found["a"]]
    assert without_skipped(partitions, keys) == without_skipped(partitions, expected)


@settings(max_examples=150, deadline=None)
@given(time_ranges(), time_ranges())
def test_several_ranges_name_what_any_of_them_names(
    one: tuple[TimePartitions, str, date, date], other: tuple[TimePartitions, str, date, date]
) -> None:
    assets: dict[str, Partitions | None] = {"a": one[0], "b": other[0], "whole": None}
    separate = [_chosen_or_refused(assets, text) for text in (one[1], other[1])]
    together = _chosen_or_refused(assets, f"{one[1]}, {other[1]}")
    found = [each for each in separate if each is not None]
    if len(found) < len(separate):
        assert together is None, "a range outside of everything is refused, in whatever company"
    else:
        assert together == {key: sorted({o for each in found for o in each[key]}) for key in assets}
        assert together["whole"] == [0]


def test_a_range_outside_of_everything_is_refused() -> None:
    with pytest.raises(SelectionError, match="2022"):
        chosen({"a": DailyPartitions("2021-01-01", "2021-01-03"), "whole": None}, "2022")


def test_no_range_names_everything() -> None:
    assets: dict[str, Partitions | None] = {
        "a": DailyPartitions("2021-01-01", "2021-01-03"),
        "b": StaticPartitions(["eu", "us"]),
        "whole": None,
    }
    assert {key: len(found) for key, found in chosen(assets, None).items()} == {"a": 2, "b": 2, "whole": 1}


def _chosen_or_refused(assets: dict[str, Partitions | None], text: str) -> dict[str, list[int]] | None:
    try:
        return chosen(assets, text)
    except SelectionError:
        return None
