"""Partitions: dense ordinals, keys that are read back, windows that tile time; in every zone, across every change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from assets_core.errors import SelectionError
from assets_core.model.partitions import (
    CronPartitions,
    DailyPartitions,
    DynamicPartitions,
    HourlyPartitions,
    MinutePartitions,
    MonthlyPartitions,
    Partitions,
    PartitionsError,
    ProductPartitions,
    QuarterlyPartitions,
    StaticPartitions,
    TimePartitions,
    WeeklyPartitions,
    YearlyPartitions,
    bind,
    dynamic_names,
    parse_partitions,
)

NOW = datetime(2013, 11, 3, 12, tzinfo=UTC)
ZONES = sorted(available_timezones() - {"localtime"})
zones = st.sampled_from(ZONES)
moments = st.datetimes(
    datetime.fromisoformat("1905-01-01"), datetime.fromisoformat("2090-01-01"), timezones=st.just(UTC)
)
keys = st.lists(st.text(min_size=1, max_size=4) | st.sampled_from(["|", "\\", "a|b", "\\|"]), min_size=1, unique=True)


@st.composite
def time_partitions(draw: st.DrawFn, *, ended: bool | None = None) -> TimePartitions:
    """A definition of any kind, in any zone, that starts between 1905 and 2090."""
    zone = draw(zones)
    first = draw(st.dates(date(1905, 1, 1), date(2090, 12, 31)))
    days = draw(st.integers(0, 400))
    is_ended = draw(st.booleans()) if ended is None else ended

    def until(day: date) -> str | None:
        return day.isoformat() if is_ended else None

    match draw(st.sampled_from(["minute", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly"])):
        case "minute":
            try:
                end = f"{first + timedelta(days=days % 40)}T12:00" if is_ended else None
                return MinutePartitions(f"{first}T12:00", end, tz=zone, every=draw(st.sampled_from([5, 15, 60, 240])))
            except PartitionsError:
                reject()
        case "quarterly":
            quarter = f"{first.year}-Q{first.month // 4 + 1}"
            return QuarterlyPartitions(quarter, f"{first.year + 1 + days // 100}-Q1" if is_ended else None, tz=zone)
        case "yearly":
            return YearlyPartitions(str(first.year), str(first.year + days // 40) if is_ended else None, tz=zone)
        case "hourly":
            try:  # noon, which few changes of the clocks touch
                end = first + timedelta(days=days)
                return HourlyPartitions(f"{first}T12:00", f"{end}T12:00" if is_ended else None, tz=zone)
            except PartitionsError:
                reject()
        case "daily":
            return DailyPartitions(first.isoformat(), until(first + timedelta(days=days)), tz=zone)
        case "weekly":
            weeks = until(first + timedelta(weeks=days))
            return WeeklyPartitions(first.isoformat(), weeks, tz=zone, week_start=first.weekday())
        case _:
            month = first.replace(day=1)
            return MonthlyPartitions(month.isoformat()[:7], until(month.replace(year=month.year + days // 12)), tz=zone)


def instants(partitions: TimePartitions, ordinal: int) -> tuple[datetime, datetime]:
    """The window of a partition in UTC: local times of one zone compare by the clock, not by time."""
    partition = partitions.partition(ordinal)
    assert partition.start is not None
    assert partition.end is not None
    assert partition.start.tzinfo is partitions.zone
    return partition.start.astimezone(UTC), partition.end.astimezone(UTC)


def check_ordinals(partitions: TimePartitions, first: int, count: int) -> None:
    """Every rule of ordinals, keys and windows, on a run of partitions."""
    ordinals = range(first, first + count)
    texts = [partitions.key(ordinal) for ordinal in ordinals]
    windows = [instants(partitions, ordinal) for ordinal in ordinals]
    assert [partitions.ordinal(text) for text in texts] == list(ordinals)
    assert len(set(texts)) == count
    for (_, end), (start, _) in pairwise(windows):
        assert end == start
    for ordinal, (start, end) in zip(ordinals, windows, strict=True):
        assert start <= end
        assert partitions.starts_at(ordinal).astimezone(UTC) == start
        if start < end:
            assert partitions.holding(start) == ordinal
            assert partitions.holding(end - timedelta(microseconds=1)) == ordinal
            assert partitions.holding(start + (end - start) / 2) == ordinal


@settings(max_examples=300, deadline=None)
@given(time_partitions(), st.integers(-200, 200))
def test_ordinals_are_dense_keys_are_read_back_and_windows_tile_time(partitions: TimePartitions, offset: int) -> None:
    check_ordinals(partitions, partitions.fixed_bounds[0] + offset, 60)


def change_days(zone: str, year: int) -> list[date]:
    """The days of a year at whose end the clocks differ from those at their start."""
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(366)]
    offsets = [datetime(d.year, d.month, d.day, 12, tzinfo=ZoneInfo(zone)).utcoffset() for d in days]
    return [day for day, (one, other) in zip(days, pairwise(offsets), strict=False) if one != other]


@settings(max_examples=300, deadline=None)
@given(zones, st.integers(1905, 2037), st.sampled_from([HourlyPartitions, DailyPartitions]), st.sampled_from([1, 7]))
@example("America/New_York", 2013, HourlyPartitions, 1)
@example("Australia/Lord_Howe", 2013, HourlyPartitions, 1)
@example("Australia/Lord_Howe", 2013, HourlyPartitions, 7)
@example("America/St_Johns", 2010, DailyPartitions, 1)
@example("Pacific/Apia", 2011, DailyPartitions, 1)
@example("Pacific/Kwajalein", 1969, DailyPartitions, 1)
@example("Africa/Monrovia", 1972, HourlyPartitions, 1)
@example("Antarctica/Casey", 2010, DailyPartitions, 1)
@example("America/Toronto", 1919, DailyPartitions, 1)
def test_the_rules_hold_around_each_change_of_the_clocks(
    zone: str, year: int, kind: type[TimePartitions], month: int
) -> None:
    try:
        partitions = kind(f"{year - 1}-{month:02d}-03", tz=zone)
    except PartitionsError:
        reject()
    for day in change_days(zone, year):
        around = partitions.holding(datetime(day.year, day.month, day.day, tzinfo=UTC))
        before, count = (30, 90) if kind is HourlyPartitions else (2, 5)
        check_ordinals(partitions, around - before, count)


@settings(max_examples=300, deadline=None)
@given(time_partitions(), moments)
@example(DailyPartitions("2010-01-01", tz="America/St_Johns"), datetime(2010, 11, 7, 2, 31, tzinfo=UTC))
@example(DailyPartitions("2011-01-01", tz="Pacific/Apia"), datetime(2011, 12, 30, 10, tzinfo=UTC))
@example(HourlyPartitions("2013-01-01", tz="Asia/Kolkata"), datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
def test_each_moment_is_in_the_window_that_holds_it(partitions: TimePartitions, moment: datetime) -> None:
    start, end = instants(partitions, partitions.holding(moment))
    assert start <= moment < end
    assert partitions.holding(moment.astimezone(ZoneInfo("Asia/Kathmandu"))) == partitions.holding(moment)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2013-03-10", 23),
        ("America/New_York", "2013-11-03", 25),
        ("Europe/Berlin", "2013-03-31", 23),
        ("Europe/Berlin", "2013-10-27", 25),
        ("Asia/Kolkata", "2013-03-31", 24),
        ("Australia/Lord_Howe", "2013-04-07", 24.5),
        ("America/Sao_Paulo", "2013-10-20", 23),  # midnight does not exist
        ("America/Havana", "2013-11-03", 25),  # midnight strikes twice
        ("Pacific/Kwajalein", "1969-09-30", 47),  # the same date twice
        ("Pacific/Apia", "2011-12-29", 24),
        ("Pacific/Apia", "2011-12-30", 0),  # a date that never was
        ("Pacific/Apia", "2011-12-31", 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_of_its_zone_make_it(zone: str, day: str, hours: float) -> None:
    partitions = DailyPartitions("1960-01-01", tz=zone)
    start, end = instants(partitions, partitions.ordinal(day))
    assert (end - start) / timedelta(hours=1) == hours


def test_an_autumn_day_has_its_repeated_hour_twice_under_different_keys() -> None:
    hours = HourlyPartitions("2013-11-03", "2013-11-04", tz="America/New_York")
    first, end = hours.bounds(NOW)
    assert end - first == 25
    assert [hours.key(first + hour) for hour in (0, 1, 2, 3)] == [
        "2013-11-03T00:00-04:00",
        "2013-11-03T01:00-04:00",
        "2013-11-03T01:00-05:00",
        "2013-11-03T02:00-05:00",
    ]


def test_a_spring_day_lacks_an_hour() -> None:
    hours = HourlyPartitions("2013-03-10", "2013-03-11", tz="America/New_York")
    first, end = hours.bounds(NOW)
    assert end - first == 23
    assert [hours.key(first + hour) for hour in (1, 2)] == ["2013-03-10T01:00-05:00", "2013-03-10T03:00-04:00"]


@pytest.mark.parametrize("key", ["2013-11-03T01:00", "2013-03-10T02:00"])
def test_an_hour_that_comes_twice_or_never_needs_its_offset(key: str) -> None:
    hours = HourlyPartitions("2013-01-01", tz="America/New_York")
    with pytest.raises(SelectionError, match="not a key of hourly") as refused:
        hours.ordinal(key)
    assert "2013-01-01T00:00-05:00" in refused.value.remedy
    with pytest.raises(PartitionsError, match="comes twice or never in America/New_York"):
        HourlyPartitions(key, tz="America/New_York")


def test_hours_of_a_zone_of_half_hours_are_its_own() -> None:
    hours = HourlyPartitions("2013-01-01", tz="Asia/Kolkata")
    first = hours.fixed_bounds[0]
    assert hours.key(first) == "2013-01-01T00:00+05:30"
    assert instants(hours, first)[0] == datetime(2012, 12, 31, 18, 30, tzinfo=UTC)


def test_an_offset_of_seconds_is_kept_in_the_key() -> None:
    hours = HourlyPartitions("1971-06-01", tz="Africa/Monrovia")  # -00:44:30 until 1972
    key = hours.key(hours.holding(datetime(1973, 1, 1, tzinfo=UTC)))
    assert key == "1972-12-31T23:44:30Z"
    assert hours.key(hours.ordinal(key)) == key


@pytest.mark.parametrize("start", ["2013-04-07T01:30+10:30", "2013-04-07T01:45+10:30"])
def test_a_start_that_reads_like_another_time_is_not_taken_for_it(start: str) -> None:
    winter = HourlyPartitions("2013-07-01", tz="Australia/Lord_Howe")  # its hours begin at :30 of UTC
    with pytest.raises(SelectionError):
        winter.ordinal(start)
    assert winter.key(winter.ordinal("2013-04-07T01:30+11:00")) == "2013-04-07T01:30+11:00"


def test_the_day_that_a_zone_skips_has_a_key_an_ordinal_and_no_time() -> None:
    days = DailyPartitions("2011-12-01", "2012-01-01", tz="Pacific/Apia")
    first, end = days.bounds(NOW)
    assert end - first == 31
    skipped = days.ordinal("2011-12-30")
    assert days.key(skipped) == "2011-12-30"
    assert days.ordinal("2011-12-31") == skipped + 1
    assert days.holding(days.starts_at(skipped)) == skipped + 1
    assert DailyPartitions("2011-12-30", tz="Pacific/Apia").fixed_bounds[0] == skipped


def test_a_day_begins_when_its_midnight_first_strikes() -> None:
    days = DailyPartitions("2010-01-01", tz="America/St_Johns")  # at 00:01 back to 23:01, until 2010
    start, _ = instants(days, days.ordinal("2010-11-07"))
    assert start == datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    again = datetime(2010, 11, 6, 23, 30, fold=1, tzinfo=days.zone)
    assert days.key(days.holding(again)) == "2010-11-07"


@settings(max_examples=100, deadline=None)
@given(time_partitions(ended=False), moments)
def test_an_open_end_is_behind_the_last_partition_complete_now(partitions: TimePartitions, now: datetime) -> None:
    first, end = partitions.bounds(now)
    assert first == partitions.fixed_bounds[0]
    assert end >= first
    if end > first:
        assert instants(partitions, end - 1)[1] <= now
    assert now < instants(partitions, end)[1]


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2013-01-04T23:59:59-05:00", "2013-01-03"),
        ("2013-01-05T00:00:00-05:00", "2013-01-04"),
        ("2013-01-05T04:59:00+00:00", "2013-01-03"),
    ],
)
def test_a_day_is_complete_at_midnight_of_its_zone(now: str, last: str) -> None:
    days = DailyPartitions("2013-01-01", tz="America/New_York")
    assert days.key(days.bounds(datetime.fromisoformat(now))[1] - 1) == last


@settings(max_examples=100, deadline=None)
@given(time_partitions(ended=False), st.integers(-5, 5), moments)
def test_an_offset_moves_an_open_end_by_so_many_partitions(
    partitions: TimePartitions, offset: int, now: datetime
) -> None:
    first, end = partitions.bounds(now)
    moved = replace(partitions, end_offset=offset)
    assert moved.bounds(now) == (first, max(first, partitions.holding(now) + offset))
    if end > first + 5:
        assert moved.bounds(now)[1] == end + offset
    assert parse_partitions(json.loads(json.dumps(moved.describe()))) == moved
    assert moved.scheme == partitions.scheme
    assert moved.window_rule == partitions.window_rule


def test_descriptions_of_what_was_there_before_offsets_are_written_as_they_were() -> None:
    """Otherwise every recorded declaration would have changed."""
    assert [
        json.dumps(each.describe())
        for each in (
            DailyPartitions("2013-01-01"),
            WeeklyPartitions("2013-01-07", "2013-01-14", "Asia/Tokyo"),
            ProductPartitions(a=HourlyPartitions("2013-01-01"), b=REGIONS),
        )
    ] == [
        '{"kind": "daily", "start": "2013-01-01", "end": null, "tz": "UTC"}',
        '{"kind": "weekly", "start": "2013-01-07", "end": "2013-01-14", "tz": "Asia/Tokyo", "week_start": 0}',
        '{"kind": "product", "dimensions": {"a": {"kind": "hourly", "start": "2013-01-01", "end": null, "tz": "UTC"},'
        ' "b": {"kind": "static", "keys": ["eu", "us", "apac"]}}}',
    ]


def test_a_dynamic_set_is_its_name_and_holds_the_keys_it_is_given() -> None:
    declared = DynamicPartitions("customers")
    bound = bind(declared, {"customers": (("ann", "bob"), 4), "places": (("eu",), 0)})
    assert bound == declared, "the same set"
    assert bound != DynamicPartitions("places")
    assert bound.bounds(NOW) == (0, 2)
    assert [bound.key(ordinal) for ordinal in (0, 1)] == ["ann", "bob"]
    assert bound.ordinal("bob") == 1
    assert bound.partition(1).key == "bob"
    assert (declared.scheme, bound.scheme) == ("dynamic customers 0", "dynamic customers 4")
    assert declared.window_rule == bound.window_rule
    assert bound.describe() == declared.describe() == {"kind": "dynamic", "name": "customers"}
    assert bind(bound, {}).bounds(NOW) == (0, 0), "an unknown set has no keys"
    with pytest.raises(SelectionError, match="did you mean 'bob'") as refused:
        bound.ordinal("bobb")
    assert "ann, bob" in refused.value.remedy


def test_dynamic_sets_are_bound_inside_of_products_too() -> None:
    declared = ProductPartitions(day=DailyPartitions("2013-01-01", "2013-01-03"), who=DynamicPartitions("customers"))
    assert dynamic_names(declared) == {"customers"}
    assert dynamic_names(DAYS) == set()
    assert declared.bounds(NOW)[0] == declared.bounds(NOW)[1]
    bound = bind(declared, {"customers": (("ann", "b|b"), 4)})
    assert [bound.key(ordinal) for ordinal in range(*bound.bounds(NOW))] == [
        "2013-01-01|ann",
        "2013-01-01|b\\|b",
        "2013-01-02|ann",
        "2013-01-02|b\\|b",
    ]
    assert parse_partitions(bound.describe()) == declared
    assert bind(DAYS, {}) is DAYS


def test_before_its_start_an_open_definition_is_empty() -> None:
    days = DailyPartitions("2013-01-01")
    first, end = days.bounds(datetime(2012, 6, 1, tzinfo=UTC))
    assert first == end == days.ordinal("2013-01-01")


@settings(max_examples=50, deadline=None)
@given(time_partitions(ended=True), moments)
def test_a_fixed_end_does_not_depend_on_now(partitions: TimePartitions, now: datetime) -> None:
    assert partitions.bounds(now) == partitions.fixed_bounds


def test_moving_the_start_moves_no_ordinal() -> None:
    assert DailyPartitions("2013-01-01").ordinal("2013-05-05") == DailyPartitions("1999-01-01").ordinal("2013-05-05")
    assert DailyPartitions("1970-01-01").ordinal("1970-01-01") == 0
    assert DailyPartitions("1970-01-01").scheme == DailyPartitions("2013-01-01", tz="Asia/Tokyo").scheme


def test_schemes_differ_where_ordinals_mean_something_else() -> None:
    half = HourlyPartitions("2013-01-01", tz="Asia/Kolkata")
    schemes = [
        HourlyPartitions("2013-01-01").scheme,
        half.scheme,
        DailyPartitions("2013-01-01").scheme,
        *(WeeklyPartitions(f"2013-01-0{1 + day}", week_start=(1 + day) % 7).scheme for day in range(7)),
        MonthlyPartitions("2013-01").scheme,
        QuarterlyPartitions("2013-Q1").scheme,
        YearlyPartitions("2013").scheme,
        *(MinutePartitions("2013-01-01", every=every).scheme for every in (15, 30)),
        MinutePartitions("2013-01-01", tz="Asia/Kathmandu").scheme,
        *(CronPartitions(text, "2013-01-01").scheme for text in ("0 6 * * *", "0 7 * * *")),
        *(DynamicPartitions(name).holding(("a",), number).scheme for name in ("x", "y") for number in (0, 1)),
        StaticPartitions(["a", "b"]).scheme,
        StaticPartitions(["b", "a"]).scheme,
        StaticPartitions(["ab"]).scheme,
        ProductPartitions(day=DailyPartitions("2013-01-01"), region=StaticPartitions(["a", "b"])).scheme,
        ProductPartitions(day=DailyPartitions("2013-01-01"), region=StaticPartitions(["a", "c"])).scheme,
    ]
    assert len(set(schemes)) == len(schemes)


def test_the_order_of_static_keys_and_the_start_are_not_part_of_what_a_cell_means() -> None:
    assert StaticPartitions(["a", "b"]).window_rule == StaticPartitions(["b", "c", "a"]).window_rule
    assert DailyPartitions("2013-01-01").window_rule == DailyPartitions("2014-01-01").window_rule
    assert DailyPartitions("2013-01-01").window_rule != DailyPartitions("2013-01-01", tz="Asia/Tokyo").window_rule


@pytest.mark.parametrize(
    ("partitions", "spelling", "key"),
    [
        (DailyPartitions("2013-01-01", tz="America/New_York"), "2013-01-31T00:00", "2013-01-31"),
        (DailyPartitions("2013-01-01", tz="America/New_York"), "2013-01-31T05:00Z", "2013-01-31"),
        (MonthlyPartitions("2013-01"), "2013-02-01", "2013-02"),
        (QuarterlyPartitions("2013-Q1"), "2013-04", "2013-Q2"),
        (YearlyPartitions("2013"), "2014-01", "2014"),
        (MinutePartitions("2013-01-01"), "2013-01-31T06:15", "2013-01-31T06:15Z"),
        (CronPartitions("0 6 * * *", "2013-01-01", tz="Europe/Berlin"), "2013-07-01T06:00", "2013-07-01T06:00+02:00"),
        (HourlyPartitions("2013-01-01", tz="America/New_York"), "2013-01-31T06:00", "2013-01-31T06:00-05:00"),
        (HourlyPartitions("2013-01-01", tz="America/New_York"), "2013-01-31T11:00Z", "2013-01-31T06:00-05:00"),
        (HourlyPartitions("2013-01-01"), "2013-01-31T12:00+01:00", "2013-01-31T11:00Z"),
    ],
)
def test_another_spelling_of_the_start_names_the_same_partition(
    partitions: Partitions, spelling: str, key: str
) -> None:
    assert partitions.key(partitions.ordinal(spelling)) == key


DAYS = DailyPartitions("2013-01-01", tz="America/New_York")
REGIONS = StaticPartitions(["eu", "us", "apac"])


@pytest.mark.parametrize(
    ("partitions", "key", "remedy"),
    [
        (DAYS, "2013-02-30", "2013-01-01"),
        (DAYS, "2013-01-31T06:00", "2013-01-01"),
        (DAYS, "2013-01", "2013-01-01"),
        (DAYS, "yesterday", "2013-01-01"),
        (DAYS, "", "2013-01-01"),
        (DAYS, "0001-01-01", "2013-01-01"),
        (DAYS, "0001-01-01T00:00+23:00", "2013-01-01"),
        (DAYS, "9999-12-31", "2013-01-01"),
        (WeeklyPartitions("2013-01-07"), "2013-01-08", "2013-01-07"),
        (MonthlyPartitions("2013-01"), "2013-01-15", "2013-01"),
        (MonthlyPartitions("2013-01"), "2013-13", "2013-01"),
        (HourlyPartitions("2013-01-01"), "2013-01-31T06:30Z", "2013-01-01T00:00Z"),
        (REGIONS, "eus", "eu, us, apac"),
        (REGIONS, "", "eu, us, apac"),
        (ProductPartitions(day=DAYS, region=REGIONS), "2013-01-31", "day|region"),
        (ProductPartitions(day=DAYS, region=REGIONS), "2013-01-31|eu|x", "day|region"),
        (ProductPartitions(day=DAYS, region=REGIONS), "2013-01-31|mars", "eu, us, apac"),
        (ProductPartitions(day=DAYS, region=REGIONS), "2013-01-32|eu", "2013-01-01"),
    ],
)
def test_a_text_that_is_no_key_is_refused_with_a_remedy(partitions: Partitions, key: str, remedy: str) -> None:
    with pytest.raises(SelectionError) as refused:
        partitions.ordinal(key)
    assert remedy in refused.value.remedy


def test_a_near_miss_is_offered() -> None:
    with pytest.raises(SelectionError, match="did you mean 'apac'"):
        REGIONS.ordinal("apca")
    with pytest.raises(PartitionsError, match="did you mean 'Europe/Berlin'"):
        DailyPartitions("2013-01-01", tz="Europe/Berlyn")
    with pytest.raises(PartitionsError, match="did you mean 'daily'"):
        parse_partitions({"kind": "dailly"})


@pytest.mark.parametrize(
    ("kind", "arguments", "what", "remedy"),
    [
        (DailyPartitions, {"start": "2013-02-30"}, "not a date", "2013-01-31"),
        (DailyPartitions, {"start": date(2013, 1, 1)}, "not a date in a text", '"2013-01-31"'),
        (DailyPartitions, {"start": "2013-01-01T06:00"}, "does not begin", "write 2013-01-01 or 2013-01-02"),
        (DailyPartitions, {"start": "2013-01-01", "end": "2012-12-31"}, "before their start", "exclusive"),
        (DailyPartitions, {"start": "9999-01-01"}, "years", "2013-01-31"),
        (DailyPartitions, {"start": "2013-01-01", "tz": "Mars/Olympus"}, "not a time zone", "Europe/Berlin"),
        (DailyPartitions, {"start": "2013-01-01", "tz": "Europe"}, "not a time zone", "Europe/Berlin"),
        (DailyPartitions, {"start": "2013-01-01", "tz": 5}, "not a time zone", "Europe/Berlin"),
        (WeeklyPartitions, {"start": "2013-01-08"}, "does not begin", "write 2013-01-07 or 2013-01-14"),
        (WeeklyPartitions, {"start": "2013-01-07", "week_start": 7}, "week_start=7", "6 for Sunday"),
        (MonthlyPartitions, {"start": "2013-01-15"}, "does not begin", "write 2013-01 or 2013-02"),
        (HourlyPartitions, {"start": "2013-01-01T00:30"}, "does not begin", "2013-01-01T00:00Z"),
        (QuarterlyPartitions, {"start": "2013-02"}, "does not begin", "write 2013-Q1 or 2013-Q2"),
        (QuarterlyPartitions, {"start": "2013-Q5"}, "not a date", "2013-01-31"),
        (YearlyPartitions, {"start": "2013-Q2"}, "not a date", "2013-01-31"),
        (YearlyPartitions, {"start": "2013-02"}, "does not begin", "write 2013 or 2014"),
        (MinutePartitions, {"start": "2013-01-01T00:10"}, "does not begin", "2013-01-01T00:00Z or 2013-01-01T00:15Z"),
        (MinutePartitions, {"start": "2013-01-01", "every": 7}, "do not divide a day", "every=15"),
        (MinutePartitions, {"start": "2013-01-01", "every": 1440}, "do not divide a day", "DailyPartitions"),
        (MinutePartitions, {"start": "2013-01-01", "every": "15"}, "do not divide a day", "every=15"),
        (DailyPartitions, {"start": "2013-01-01", "end_offset": 0.5}, "does not count", "end_offset=-1"),
        (DailyPartitions, {"start": "2013-01-01", "end_offset": True}, "does not count", "end_offset=-1"),
        (DailyPartitions, {"start": "2013-01-01", "end": "2013-01-02", "end_offset": 1}, "an open end", "leave out"),
        (DynamicPartitions, {"name": " "}, "need a name", 'DynamicPartitions("customers")'),
        (DynamicPartitions, {"name": None}, "need a name", 'DynamicPartitions("customers")'),
        (StaticPartitions, {"keys": []}, "list of texts", "StaticPartitions"),
        (StaticPartitions, {"keys": "eu"}, "list of texts", "StaticPartitions"),
        (StaticPartitions, {"keys": ["eu", ""]}, "list of texts", "StaticPartitions"),
        (StaticPartitions, {"keys": [1]}, "list of texts", "StaticPartitions"),
        (StaticPartitions, {"keys": {"eu", "us"}}, "list of texts", "StaticPartitions"),
        (StaticPartitions, {"keys": ["eu", "us", "eu"]}, "'eu' twice", "once"),
        (ProductPartitions, {"day": DAYS}, "two dimensions", "another"),
        (ProductPartitions, {"region": REGIONS, "day": DAYS}, "'day' is open-ended", "first dimension"),
        (ProductPartitions, {"a": REGIONS, "b": "eu"}, "is a str", "static or dynamic"),
        (
            ProductPartitions,
            {"a": REGIONS, "b": ProductPartitions(a=REGIONS, b=REGIONS)},
            "is a ProductPartitions",
            "static or dynamic",
        ),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused_with_a_remedy(
    kind: type[Partitions], arguments: dict[str, Any], what: str, remedy: str
) -> None:
    with pytest.raises(PartitionsError) as refused:
        kind(**arguments)
    assert what in refused.value.what
    assert remedy in refused.value.remedy


def test_a_definition_may_be_empty() -> None:
    days = DailyPartitions("2013-01-01", "2013-01-01")
    assert days.bounds(NOW) == (days.ordinal("2013-01-01"),) * 2
    product = ProductPartitions(region=REGIONS, day=days)
    assert product.bounds(NOW) == (0, 0)
    with pytest.raises(SelectionError, match="outside of its bounds"):
        product.ordinal("eu|2013-01-01")


@settings(deadline=None)
@given(keys)
def test_static_ordinals_are_positions(texts: list[str]) -> None:
    partitions = StaticPartitions(texts)
    assert partitions.bounds(NOW) == (0, len(texts))
    assert [partitions.key(ordinal) for ordinal in range(len(texts))] == texts
    assert [partitions.ordinal(text) for text in texts] == list(range(len(texts)))
    assert partitions.partition(0).start is None


dynamic = keys.map(lambda found: DynamicPartitions("set").holding(tuple(found), 1))
weekdays = st.just(CronPartitions("0 6 * * 1-5", "2013-01-01", "2013-03-01", tz="Europe/Berlin"))
inner_dimensions = st.one_of(keys.map(StaticPartitions), dynamic, weekdays, time_partitions(ended=True))


@st.composite
def products(draw: st.DrawFn) -> ProductPartitions:
    names = draw(st.lists(st.sampled_from("abcd"), min_size=2, max_size=3, unique=True))
    first = draw(st.one_of(inner_dimensions, time_partitions(ended=False)))
    rest = [draw(inner_dimensions) for _ in names[1:]]
    return ProductPartitions(**dict(zip(names, [first, *rest], strict=True)))


@settings(max_examples=100, deadline=None)
@given(products(), st.data())
def test_the_ordinals_of_a_product_count_every_combination_the_last_dimension_fastest(
    product: ProductPartitions, data: st.DataObject
) -> None:
    now = datetime(2050, 6, 1, tzinfo=UTC)
    first, end = product.bounds(now)
    size = 1
    for _, dimension in product.dimensions:
        low, high = dimension.bounds(now)
        size *= high - low
    assert end - first == size
    if not size:
        return
    ordinal = data.draw(st.integers(first, end - 1))
    parts = product.split(ordinal)
    assert product.join(parts) == ordinal
    for (_, dimension), part in zip(product.dimensions, parts, strict=True):
        assert dimension.bounds(now)[0] <= part < dimension.bounds(now)[1]
    key = product.key(ordinal)
    assert product.ordinal(key) == ordinal
    if ordinal + 1 < end:
        assert product.split(ordinal) < product.split(ordinal + 1)
        assert product.key(ordinal + 1) != key
    partition = product.partition(ordinal)
    assert partition.key == key
    assert partition.dimensions is not None
    assert list(partition.dimensions) == [name for name, _ in product.dimensions]
    timed = [part for part in partition.dimensions.values() if part.start is not None]
    assert (partition.start is not None) == (len(timed) == 1)


def test_keys_of_a_product_may_hold_the_signs_that_join_them() -> None:
    product = ProductPartitions(a=StaticPartitions(["x", "x|", "\\"]), b=StaticPartitions(["|x", "x", "\\|"]))
    texts = [product.key(ordinal) for ordinal in range(9)]
    assert len(set(texts)) == 9
    assert [product.ordinal(text) for text in texts] == list(range(9))
    assert product.key(0) == r"x|\|x"


@settings(max_examples=100, deadline=None)
@given(st.one_of(time_partitions(), keys.map(StaticPartitions), products()))
def test_a_definition_is_read_back_from_its_description(partitions: Partitions) -> None:
    again = parse_partitions(json.loads(json.dumps(partitions.describe())))
    assert again == partitions
    assert again.scheme == partitions.scheme or dynamic_names(partitions), "the keys of a set are not described"
    assert again.window_rule == partitions.window_rule


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({}, "None is not a kind"),
        ({"kind": "daily"}, "start"),
        ({"kind": "daily", "start": "2013-01-01", "zone": "UTC"}, "zone"),
        ({"kind": "static"}, "keys"),
        ({"kind": "dynamic"}, "name"),
        ({"kind": "dynamic", "name": "customers", "keys": ["ann"]}, "keys"),
        ({"kind": "cron", "start": "2013-01-01"}, "cron"),
        ({"kind": "product"}, "dimensions"),
        ({"kind": "product", "dimensions": {"a": "daily", "b": "daily"}}, "cannot be read"),
        ({"kind": "product", "dimensions": ["a"]}, "cannot be read"),
        ({"kind": "product", "dimensions": {"a": 1, "b": 2}}, "cannot be read"),
        ({"kind": "product", "tz": "UTC", "dimensions": {}}, "tz"),
        ("daily", "cannot be read"),
        ({"kind": ["daily"]}, "cannot be read"),
    ],
)
def test_a_description_that_cannot_be_read_is_refused(document: dict[str, Any], what: str) -> None:
    with pytest.raises(PartitionsError) as refused:
        parse_partitions(document)
    assert what in refused.value.what
    assert refused.value.remedy
