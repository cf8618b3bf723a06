"""Do texts of ranges name the partitions that a trial of every key finds, and is what is written read back the same?"""

from __future__ import annotations

import fnmatch
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product
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
    CronPartitions,
    DailyPartitions,
    DynamicPartitions,
    MinutePartitions,
    MonthlyPartitions,
    Partitions,
    ProductPartitions,
    QuarterlyPartitions,
    StaticPartitions,
    TimePartitions,
    YearlyPartitions,
)
from assets_core.planning.ranges import in_ranges, range_texts, runs_of
from assets_core.planning.world import empty_world


def asset(key: str, partitions: Partitions | None) -> Asset:
    return Asset(AssetKey(key), AssetKind.FUNCTION, Place("assets.py", 1), "0" * 32, partitions)


def chosen(partitions: dict[str, Partitions | None], text: str | None) -> dict[str, list[int]]:
    """Return the ordinals of each asset that a text of ranges names."""
    assets = [asset(key, each) for key, each in partitions.items()]
    world = empty_world(Graph(assets), NOW)
    flags = in_ranges(world, assets, text)
    return {key: world.states[AssetKey(key)].ordinals[flags[AssetKey(key)]].tolist() for key in partitions}


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


@settings(max_examples=150, deadline=None)
@given(time_ranges())
def test_a_range_that_is_open_at_one_end_goes_on_to_the_last_or_from_the_first(
    drawn: tuple[TimePartitions, str, date, date],
) -> None:
    partitions, text, first, behind = drawn
    start, _, end = text.partition("..")
    for one, low, high in ((f"{start}..", first, date(2100, 1, 1)), (f"..{end or start}", date(1900, 1, 1), behind)):
        found = _chosen_or_refused({"a": partitions}, one) or {"a": []}
        keys = [partitions.key(ordinal) for ordinal in found["a"]]
        assert without_skipped(partitions, keys) == without_skipped(partitions, naive(partitions, low, high))


@settings(max_examples=150, deadline=None)
@given(some_ordinals(), st.data())
def test_a_range_of_keys_is_what_lies_between_them_in_order(
    drawn: tuple[Partitions, list[int]], data: st.DataObject
) -> None:
    partitions, _ = drawn
    first, end = partitions.bounds(NOW)
    low = data.draw(st.integers(first, end - 1))
    high = data.draw(st.integers(low, end - 1))
    keys = [partitions.key(low), partitions.key(high)]
    assume(without_skipped(partitions, all_keys := keys_of(partitions)) == set(all_keys))
    assert chosen({"a": partitions}, "..".join(keys)) == {"a": [*range(low, high + 1)]}
    assert chosen({"a": partitions}, f"{keys[0]}..") == {"a": [*range(low, end)]}
    assert chosen({"a": partitions}, f"..{keys[1]}") == {"a": [*range(first, high + 1)]}


@settings(max_examples=150, deadline=None)
@given(some_ordinals(), st.data())
def test_a_pattern_names_the_keys_that_it_matches(drawn: tuple[Partitions, list[int]], data: st.DataObject) -> None:
    partitions, ordinals = drawn
    assume(ordinals and not isinstance(partitions, ProductPartitions))
    key = partitions.key(data.draw(st.sampled_from(ordinals)))
    start, end = sorted((data.draw(st.integers(0, len(key))), data.draw(st.integers(0, len(key)))))
    for pattern in (f"{key[:start]}*{key[end:]}", f"{key[:start]}{'?' * (end - start)}{key[end:]}"):
        if pattern != key:
            expected = [o for o, each in _numbered(partitions) if fnmatch.fnmatchcase(each, pattern)]
            assert chosen({"a": partitions}, pattern) == {"a": expected}


def _numbered(partitions: Partitions) -> list[tuple[int, str]]:
    return [(ordinal, partitions.key(ordinal)) for ordinal in range(*partitions.bounds(NOW))]


DAYS = DailyPartitions("2013-01-01", "2013-03-01")
SALES = ProductPartitions(day=DAYS, region=StaticPartitions(["eu-west", "eu-east", "us", "a|b"]))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([(None, DAYS), *((text, None) for text in ("2013-01", "2013-01-30..2013-02-02", "2013-0?-1*"))]),
    st.sampled_from([None, "us", "eu-*", "us,eu-west", "eu-east..us", "..eu-east"]),
    st.booleans(),
)
def test_what_is_said_of_dimensions_by_name_holds_for_each(
    days: tuple[str | None, object], region: str | None, turned: bool
) -> None:
    parts = [f"{name}={text}" for name, text in (("day", days[0]), ("region", region)) if text is not None]
    assume(parts)
    named = {
        "day": chosen({"a": DAYS}, days[0])["a"],
        "region": chosen({"a": SALES.dimensions[1][1]}, region)["a"],
    }
    expected = [SALES.join(both) for both in product(named["day"], named["region"])]
    found = chosen({"a": SALES, "b": DAYS, "c": None}, "|".join(parts[::-1] if turned else parts))
    assert found == {"a": expected, "b": [], "c": [0]}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("2013-01-05|us", ["2013-01-05|us"]),
        ("2013-01-05|eu-*", ["2013-01-05|eu-west", "2013-01-05|eu-east"]),
        ("2013-01-05..2013-01-06|us", ["2013-01-05|us", "2013-01-06|us"]),
        ("2013-01-05|us..2013-01-06|eu-west", ["2013-01-05|us", "2013-01-05|a\\|b", "2013-01-06|eu-west"]),
        ("2013-02-28|us..", ["2013-02-28|us", "2013-02-28|a\\|b"]),
        ("2013-02-27..|us", ["2013-02-27|us", "2013-02-28|us"]),
        ("day=2013-01-05|region=a\\|b", ["2013-01-05|a\\|b"]),
        (" day = 2013-01-05 , 2013-01-07 | region = us", ["2013-01-05|us", "2013-01-07|us"]),
        ("2013-01-05|us, 2013-01-07|us", ["2013-01-05|us", "2013-01-07|us"]),
    ],
)
def test_a_text_of_a_product_is_read_as_its_form_says(text: str, keys: list[str]) -> None:
    assert [SALES.key(ordinal) for ordinal in chosen({"a": SALES}, text)["a"]] == keys


@pytest.mark.parametrize(
    ("partitions", "text", "what", "remedy"),
    [
        (SALES, "dya=2013-01-05|region=us", "no dimension 'dya' (did you mean 'day'?)", "day=...|region=..."),
        (SALES, "day=2013-01-05|region=uss", "did you mean 'us'", "eu-west"),
        (SALES, "day=2013-01-05|day=2013-01-06", "'day' is named twice", "day=...|region=..."),
        (SALES, "day=2013-01-05|us", "no dimension 'us'", "day=...|region=..."),
        (SALES, "day=2014", "no partition", "inside of their partitions"),
        (SALES, "2013-01-05|us|x", "does not name each dimension", "day|region"),
        (DAYS, "2013-01-07..2013-01-05", "ends before it begins", "2013-01-05..2013-01-07"),
        (DAYS, "..", "names no end", "leave it out"),
        (DAYS, "day=2013-01-05", "not a time or a key", "2013-01-01"),
        (StaticPartitions(["eu", "us"]), "us..eu", "ends before it begins", "eu..us"),
        (StaticPartitions(["eu", "us"]), "eu..uss", "did you mean 'us'", "eu, us"),
        (StaticPartitions(["eu", "us"]), "..", "names no end", "leave it out"),
        (StaticPartitions(["eu", "us"]), "x*", "no partition", "inside of their partitions"),
        (DynamicPartitions("who").holding(("ann", "bob"), 0), "bop", "did you mean 'bob'", "ann, bob"),
    ],
)
def test_a_text_that_names_nothing_is_refused_with_a_remedy(
    partitions: Partitions, text: str, what: str, remedy: str
) -> None:
    with pytest.raises(SelectionError) as refused:
        chosen({"a": partitions, "whole": None}, text)
    assert what in refused.value.what
    assert remedy in refused.value.remedy


def test_a_key_is_meant_as_it_stands_whatever_signs_are_in_it() -> None:
    odd = StaticPartitions(["a,b", "a..b", "*", "[x]", "day=1", "b"])
    for ordinal in range(6):
        assert chosen({"a": odd, "b": SALES}, odd.key(ordinal))["a"] == [ordinal]
    assert chosen({"a": odd}, "a..b..[x]") == {"a": [1, 2, 3]}


@pytest.mark.parametrize(
    ("partitions", "text", "keys"),
    [
        (QuarterlyPartitions("2012-Q1", "2014-Q1"), "2013-Q1..2013-Q2", ["2013-Q1", "2013-Q2"]),
        (MonthlyPartitions("2012-01", "2014-01"), "2013-Q4", ["2013-10", "2013-11", "2013-12"]),
        (YearlyPartitions("2012", "2016"), "2013-05..2014-Q1", ["2013", "2014"]),
        (MinutePartitions("2013-01-01", "2013-01-02"), "2013-01-01T06:15", ["2013-01-01T06:15Z"]),
        (
            MinutePartitions("2013-01-01", "2013-01-02", every=30),
            "2013-01-01T06:10..2013-01-01T07:00",
            ["2013-01-01T06:00Z", "2013-01-01T06:30Z", "2013-01-01T07:00Z"],
        ),
        (CronPartitions("0 6 * * *", "2013-01-01", "2013-02-01"), "2013-01-05T06:00", ["2013-01-05T06:00Z"]),
        (
            CronPartitions("0 6 * * *", "2013-01-01", "2013-02-01"),
            "2013-01-05",
            ["2013-01-04T06:00Z", "2013-01-05T06:00Z"],
        ),
    ],
)
def test_times_are_named_by_their_own_precision(partitions: TimePartitions, text: str, keys: list[str]) -> None:
    assert [partitions.key(ordinal) for ordinal in chosen({"a": partitions}, text)["a"]] == keys


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
