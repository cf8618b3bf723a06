"""Cron expressions and the partitions between their ticks, against a walk over every minute of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import SelectionError
from assets_core.model.partitions import CronPartitions, PartitionsError
from assets_core.model.partitions.cron import read_cron

EPOCH = datetime.fromisoformat("1970-01-01")
CHANGES = (
    ("UTC", date(2013, 3, 31)),
    ("Europe/Berlin", date(2013, 3, 31)),
    ("Europe/Berlin", date(2013, 10, 27)),
    ("America/St_Johns", date(2008, 11, 2)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("Australia/Lord_Howe", date(2013, 10, 6)),
    ("Pacific/Apia", date(2011, 12, 30)),
)


def numbers(text: str, low: int, high: int) -> set[int]:
    """What a field of numbers names."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = str(low), str(high)
        elif not last:
            last = str(high) if step else first
        found |= {n for n in range(int(first), int(last) + 1) if (n - int(first)) % int(step or 1) == 0}
    return found


def ticks(text: str, local: datetime) -> bool:
    """Whether an expression of numbers ticks at a minute of the clock."""
    minute, hour, day, month, weekday = text.split()
    is_day = local.day in numbers(day, 1, 31)
    is_weekday = local.isoweekday() % 7 in {n % 7 for n in numbers(weekday, 0, 7)}
    both = day.startswith("*") or weekday.startswith("*")
    return (
        local.minute in numbers(minute, 0, 59)
        and local.hour in numbers(hour, 0, 23)
        and local.month in numbers(month, 1, 12)
        and ((is_day and is_weekday) if both else (is_day or is_weekday))
    )


def naive(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """The moments from start to end at which a clock that people look at ticks, found minute by minute."""
    found: list[datetime] = []
    seen: set[datetime] = set()
    before = (start - timedelta(days=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    moment = start - timedelta(days=1)
    while moment < end:
        moment += timedelta(minutes=1)
        local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        passed = local - before  # more than a minute where the clock skips
        minutes = [before + timedelta(minutes=n) for n in range(1, passed // timedelta(minutes=1) + 1)]
        if any(ticks(text, each) and each not in seen for each in minutes):
            found.append(moment)
        seen.update(minutes)
        before = local
    return [moment for moment in found if start <= moment < end]


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> str:
    def number() -> str:
        return str(draw(st.integers(low, high)))

    match draw(st.sampled_from(["*", "*", "one", "list", "range", "step", "steps of a range"])):
        case "one":
            return number()
        case "list":
            return f"{number()},{number()}"
        case "range":
            first, last = sorted((int(number()), int(number())))
            return f"{first}-{last}"
        case "step":
            return f"*/{draw(st.integers(1, 20))}"
        case "steps of a range":
            first, last = sorted((int(number()), int(number())))
            return f"{first}-{last}/{draw(st.integers(1, 4))}"
        case star:
            return star


expressions = st.tuples(
    st.one_of(st.sampled_from(["0", "30", "*/15", "0,30"]), fields(0, 59)),
    st.one_of(st.sampled_from(["*", "0-5", "2"]), fields(0, 23)),
    st.one_of(st.just("*"), fields(1, 31)),
    st.one_of(st.just("*"), fields(1, 12)),
    st.one_of(st.just("*"), fields(0, 7)),
).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(expressions, st.sampled_from(CHANGES), st.integers(-2, 1))
def test_partitions_begin_at_the_ticks_of_a_clock_that_is_looked_at(
    text: str, change: tuple[str, date], days: int
) -> None:
    zone, day = change
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=days)
    end = start + timedelta(days=2)
    try:
        partitions = CronPartitions(text, start.isoformat(), end.isoformat(), tz=zone)
    except PartitionsError as error:
        assert "never ticks" in error.what  # noqa: PT017  # as on the 31st of February
        return
    ordinals = range(*partitions.bounds(end))
    assert [partitions.starts_at(ordinal).astimezone(UTC) for ordinal in ordinals] == naive(text, zone, start, end)
    for ordinal in ordinals:
        assert partitions.ordinal(partitions.key(ordinal)) == ordinal
        assert partitions.holding(partitions.starts_at(ordinal)) == ordinal
        until = partitions.starts_at(ordinal + 1).astimezone(UTC) - timedelta(microseconds=1)
        assert partitions.holding(until) == ordinal


@settings(max_examples=200, deadline=None)
@given(expressions, st.integers(0, 2**30), st.integers(0, 4_000_000))
def test_ticks_are_numbered_without_gaps(text: str, number: int, minute: int) -> None:
    try:
        cron = read_cron(text)
    except PartitionsError:
        return
    number %= cron.count
    second = cron.tick(number)
    assert cron.ticks_before(second) == number
    assert cron.ticks_before(second + 1) == number + 1
    assert ticks(text, EPOCH + timedelta(seconds=second))
    place = cron.ticks_before(minute * 60)
    assert (cron.ticks_before(minute * 60 + 60) == place + 1) == ticks(text, EPOCH + timedelta(minutes=minute))


@pytest.mark.parametrize(
    ("named", "numbered"),
    [
        ("0 6 * * mon-fri", "0 6 * * 1-5"),
        ("0 6 * jan,DEC sun", "0 6 * 1,12 0"),
        ("0 6 * * 7", "0 6 * * 0"),
        ("0 6 * * fri-sun", "0 6 * * 5,6,0"),
        ("5/20 * * * *", "5,25,45 * * * *"),
    ],
)
def test_names_say_what_numbers_say(named: str, numbered: str) -> None:
    assert read_cron(named) == read_cron(numbered)


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("0 6 * *", "4 fields, not 5", "0 6 * * 1-5"),
        ("@daily", "1 fields, not 5", "0 6 * * 1-5"),
        ("60 * * * *", "'60' is not a minute", "from 0 to 59"),
        ("0 6 * * mo", "is not a day of the week of a cron expression (did you mean 'mon'?)", "such as mon"),
        ("0 6 L * *", "'L' is not a day of the month", "from 1 to 31"),
        ("0 6-3 * * *", "names no hour", "upwards"),
        ("*/0 * * * *", "names no minute", "upwards"),
        ("0 1..3 * * *", "is not a hour", "1-5"),
        ("0 0 30 2 *", "never ticks", "a day that its months have"),
    ],
)
def test_an_expression_that_says_nothing_is_refused_with_a_remedy(text: str, what: str, remedy: str) -> None:
    with pytest.raises(PartitionsError) as refused:
        CronPartitions(text, "2013-01-01")
    assert what in refused.value.what
    assert remedy in refused.value.remedy


def test_moving_the_start_moves_no_ordinal_of_a_cron() -> None:
    one = CronPartitions("0 6 * * 1-5", "2013-01-01", tz="Europe/Berlin")
    other = CronPartitions("0  6 * * 1-5", "1999-06-01T12:00", tz="Europe/Berlin")
    assert one.scheme == other.scheme
    assert one.ordinal("2013-05-06T06:00+02:00") == other.ordinal("2013-05-06T06:00+02:00")
    assert one.key(one.fixed_bounds[0]) == "2013-01-01T06:00+01:00"
    assert other.key(other.fixed_bounds[0]) == "1999-06-02T06:00+02:00"


def test_what_is_no_tick_is_no_key() -> None:
    weekdays = CronPartitions("0 6 * * 1-5", "2013-01-01")
    for text in ("2013-01-05T06:00Z", "2013-01-04T06:01Z", "2013-01-04"):
        with pytest.raises(SelectionError) as refused:
            weekdays.ordinal(text)
        assert "2013-01-01T06:00Z" in refused.value.remedy
    with pytest.raises(PartitionsError, match="not in the years"):
        CronPartitions("0 6 * * *", "1969-01-01")


def test_where_changes_of_the_clocks_merge_ticks_the_scheme_says_which() -> None:
    often = CronPartitions("*/30 * * * *", "2013-01-01", tz="Europe/Berlin")
    daily = CronPartitions("0 6 * * *", "2013-01-01", tz="Europe/Berlin")
    assert daily.scheme == daily.window_rule
    assert often.scheme.startswith(f"{often.window_rule} ")
