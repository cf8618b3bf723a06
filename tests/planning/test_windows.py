"""Windows of time and keys on arrays agree with what a definition says of each partition, in every zone, exactly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
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
    WeeklyPartitions,
    YearlyPartitions,
)
from assets_core.planning.spelling import NOWHERE, keys_of, ordinals_of
from assets_core.planning.windows import holding, starts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = (
    "UTC",
    "Africa/Casablanca",
    "Africa/Freetown",
    "Africa/Monrovia",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Toronto",
    "Asia/Gaza",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Kwajalein",
)
CHANGING = ((2011, "Pacific/Apia"), (2013, "Africa/Casablanca"), (1919, "America/Toronto"), (1972, "Africa/Monrovia"))


def kinds(zone: str) -> list[TimePartitions]:
    """One definition of each kind, and of cron several."""
    return [
        *(MinutePartitions("2013-01-01T12:00", tz=zone, every=every) for every in (1, 15, 40, 720)),
        HourlyPartitions("2013-01-01T12:00", tz=zone),
        DailyPartitions("2013-01-01", tz=zone),
        WeeklyPartitions("2013-01-06", tz=zone, week_start=6),
        MonthlyPartitions("2013-01", tz=zone),
        QuarterlyPartitions("2013-Q1", tz=zone),
        YearlyPartitions("2013", tz=zone),
        *(CronPartitions(text, "2013-01-01", tz=zone) for text in ("*/20 * * * *", "30 2 * * *", "0 0,12 1 * mon")),
    ]


EVERY_KIND = [partitions for zone in ZONES for partitions in kinds(zone)]


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@st.composite
def runs(draw: st.DrawFn) -> tuple[TimePartitions, list[int]]:
    """Some ordinals of a definition, in no order, around a moment from 1905 to 2090, often near a change of clocks."""
    partitions = draw(st.sampled_from(EVERY_KIND))
    year, _ = draw(st.sampled_from([(draw(st.integers(1905, 2090)), ""), *CHANGING]))
    day = date(year, 1, 1) + timedelta(days=draw(st.integers(0, 364)))
    around = partitions.holding(datetime(day.year, day.month, day.day, 3, 30, tzinfo=UTC))
    spread = draw(st.sampled_from([3, 60, 800]))
    return partitions, [around + offset for offset in draw(st.lists(st.integers(-spread, spread), max_size=40))]


@settings(max_examples=400, deadline=None)
@given(runs())
def test_starts_are_those_of_each_partition(run: tuple[TimePartitions, list[int]]) -> None:
    partitions, ordinals = run
    found = starts(partitions, np.array(ordinals, np.int64))
    assert found.tolist() == [microseconds(partitions.starts_at(ordinal)) for ordinal in ordinals]


@settings(max_examples=400, deadline=None)
@given(runs(), st.integers(-1, 1))
def test_moments_are_held_by_the_partitions_that_hold_each(run: tuple[TimePartitions, list[int]], off: int) -> None:
    partitions, ordinals = run
    moments = [
        moment + timedelta(microseconds=off)
        for ordinal in ordinals
        for start in [partitions.starts_at(ordinal).astimezone(UTC)]
        for moment in [start, start + (partitions.starts_at(ordinal + 1).astimezone(UTC) - start) / 3]
    ]
    found = holding(partitions, np.array([microseconds(moment) for moment in moments], np.int64))
    assert found.tolist() == [partitions.holding(moment) for moment in moments]


@pytest.mark.parametrize("zone", ZONES)
def test_starts_over_many_years_follow_every_change(zone: str) -> None:
    for partitions in (DailyPartitions("1960-01-01", tz=zone), CronPartitions("*/20 * * * *", "1971-01-01", tz=zone)):
        first = partitions.fixed_bounds[0]
        ordinals = np.arange(first, first + 20_000)
        sample = ordinals[:: 37 if partitions.kind == "daily" else 97]
        found = starts(partitions, ordinals)[sample - first]
        assert found.tolist() == [microseconds(partitions.starts_at(ordinal)) for ordinal in sample.tolist()]


@settings(max_examples=400, deadline=None)
@given(runs())
def test_keys_are_those_of_each_ordinal_and_are_read_back(run: tuple[TimePartitions, list[int]]) -> None:
    partitions, ordinals = run
    if isinstance(partitions, CronPartitions):
        ordinals = [ordinal for ordinal in ordinals if ordinal >= 0]
    keys = keys_of(partitions, np.array(ordinals, np.int64))
    assert keys == [partitions.key(ordinal) for ordinal in ordinals]
    assert ordinals_of(partitions, keys).tolist() == ordinals


texts = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(Z|[+-]\d{2}:\d{2}|:30Z)?", fullmatch=True),
    st.from_regex(
        r"(19|20)[0-9]{2}(-[01][0-9](-[0-3][0-9](T[0-2][0-9]:[0-5][05](Z|-05:00|\+01:00)?)?)?)?", fullmatch=True
    ),
    st.from_regex(r"20[0-9]{2}-Q[0-9]", fullmatch=True),
    st.sampled_from(["1969-12-31", "2013-01-01\0", "2013-02-29", "0001-01-01", "9999-12-31", "٢٠١٣", "2013-13", ""]),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(EVERY_KIND), st.lists(texts, max_size=20))
def test_a_text_is_a_key_where_it_is_spelled_like_one(partitions: TimePartitions, some: list[str]) -> None:
    """Otherwise a cell recorded under another definition could be taken for one of this."""
    for text, ordinal in zip(some, ordinals_of(partitions, some).tolist(), strict=True):
        try:
            expected = partitions.ordinal(text)
        except Exception:  # noqa: BLE001  # whatever refuses a text, it is no key
            expected = NOWHERE
        if expected != NOWHERE and partitions.key(expected) != text:
            expected = NOWHERE
        assert ordinal == expected, text


@st.composite
def keyed(draw: st.DrawFn) -> Partitions:
    keys = st.lists(
        st.text(min_size=1, max_size=4) | st.sampled_from(["|", "\\", "a|b", "\\|"]), min_size=1, unique=True
    )
    static = keys.map(StaticPartitions)
    dynamic = keys.map(lambda found: DynamicPartitions("set").holding(tuple(found), 1))
    days = st.just(DailyPartitions("1969-12-30", "1970-01-02"))
    inner = draw(st.lists(st.one_of(static, dynamic, days), min_size=2, max_size=3))
    product = ProductPartitions(**{f"d{place}": each for place, each in enumerate(inner)})
    return draw(st.sampled_from([product, inner[0]]))


@settings(max_examples=200, deadline=None)
@given(keyed(), st.lists(st.text(max_size=6) | st.sampled_from(["a\\b|c", "a|1970-01-01"])))
def test_keys_of_any_letters_are_read_back_and_nothing_else_is(partitions: Partitions, others: list[str]) -> None:
    ordinals = np.arange(*partitions.bounds(EPOCH))
    keys = keys_of(partitions, ordinals)
    assert keys == [partitions.key(ordinal) for ordinal in ordinals.tolist()]
    assert ordinals_of(partitions, keys).tolist() == ordinals.tolist()
    unknown = [text for text in others if text not in keys and not text.startswith("19")]
    assert set(ordinals_of(partitions, unknown).tolist()) <= {NOWHERE}
