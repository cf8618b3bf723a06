"""Which partition a row belongs to, by key, date or time, through changes of the clocks, and which belongs to none."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import OutputError
from assets_core.model.partitions import (
    DailyPartitions,
    HourlyPartitions,
    MonthlyPartitions,
    StaticPartitions,
    TimePartitions,
)
from assets_core.steps.partition_rows import rows_by_partition

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]
NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def clock(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001  # as a clock shows it


def placed(definition: Any, values: pa.Array, first: int = 0, count: int | None = None) -> list[list[Any]]:
    """Return the numbers of the rows in each of some partitions of a definition."""
    low, high = definition.bounds(NOW)
    ordinals = range(low + first, high if count is None else low + first + count)
    partitions = [definition.partition(ordinal) for ordinal in ordinals]
    table = pa.table({"when": values, "row": range(len(values))})
    return [rows["row"].to_pylist() for rows in rows_by_partition(table, "when", partitions, definition)]


def asked(definition: TimePartitions, moments: list[dt.datetime]) -> list[list[int]]:
    low, high = definition.bounds(NOW)
    found: list[list[int]] = [[] for _ in range(low, high)]
    for row, moment in enumerate(moments):
        found[definition.holding(moment) - low].append(row)
    return found


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(ZONES), st.lists(st.integers(0, 366 * 24 * 60 - 1), max_size=60), st.sampled_from(["d", "m"]))
def test_a_moment_is_in_the_partition_that_holds_it(zone: str, minutes: list[int], grain: str) -> None:
    kind = DailyPartitions if grain == "d" else MonthlyPartitions
    definition = kind("2018-01-01", "2019-02-01", tz=zone)
    start = dt.datetime(2018, 1, 2, tzinfo=dt.UTC)
    moments = [start + dt.timedelta(minutes=minute) for minute in minutes]
    expected = asked(definition, moments)
    for unit in ("s", "ms", "us", "ns"):
        assert placed(definition, pa.array(moments, pa.timestamp(unit, tz="UTC"))) == expected
    clocks = [moment.astimezone(definition.zone).replace(tzinfo=None) for moment in moments]
    assert placed(definition, pa.array(clocks, pa.timestamp("us"))) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_every_date_of_a_year_is_in_its_day_also_where_midnight_is_skipped(zone: str) -> None:
    definition = DailyPartitions("2018-01-01", "2019-01-01", tz=zone)
    dates = [dt.date(2018, 1, 1) + dt.timedelta(days=n) for n in range(365)]
    assert placed(definition, pa.array(dates, pa.date32())) == [[n] for n in range(365)]
    midnights = [dt.datetime.combine(date, dt.time()) for date in dates]
    assert placed(definition, pa.array(midnights, pa.timestamp("us"))) == [[n] for n in range(365)]
    keys = [str(date) for date in dates]
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        assert placed(definition, pa.array(keys).cast(kind)) == [[n] for n in range(365)]


def test_a_date_that_a_zone_skips_is_nowhere() -> None:
    definition = DailyPartitions("2011-12-28", "2012-01-02", tz="Pacific/Apia")
    assert placed(definition, pa.array([dt.date(2011, 12, 31)])) == [[], [], [], [0], []]
    with pytest.raises(OutputError, match="1 row of the query of no partition"):
        placed(definition, pa.array([dt.date(2011, 12, 30)]))


def test_a_time_that_the_clocks_skip_is_nowhere_and_one_that_they_show_twice_is_refused_between_hours() -> None:
    spring = HourlyPartitions("2024-03-31", "2024-04-01", tz="Europe/Berlin")
    with pytest.raises(OutputError, match="1 row of the query of no partition"):
        placed(spring, pa.array([clock(2024, 3, 31, 2, 30)]))
    autumn = clock(2024, 10, 27, 2, 30)
    with pytest.raises(OutputError, match="at a time that the clock shows twice"):
        placed(HourlyPartitions("2024-10-27", "2024-10-28", tz="Europe/Berlin"), pa.array([autumn]))
    assert placed(DailyPartitions("2024-10-27", "2024-10-28", tz="Europe/Berlin"), pa.array([autumn])) == [[0]]


def test_rows_stay_in_their_order_and_partitions_without_any_have_the_schema() -> None:
    definition = StaticPartitions(["a", "b", "c"])
    assert placed(definition, pa.array(["c", "a", "c", "a", "a"])) == [[1, 3, 4], [], [0, 2]]
    assert placed(definition, pa.array([], pa.string())) == [[], [], []]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            pa.array(["b", "d", "d", "e"]),
            "of no partition that was asked for (b to c): when is 'd' (2), 'e' (1)",
        ),
        (pa.array(["a"]), "1 row of the query of no partition that was asked for (b to c): when is 'a' (1)"),
        (pa.array(["b", None]), "1 row of the query with NULL in 'when', which is no partition"),
        (pa.array([1]), "column 'when' tells partitions apart but is of type int64"),
        (pa.array([dt.date(2024, 1, 1)]), "column 'when' tells partitions apart but is of type date32[day]"),
        (pa.array(list("stuvw")), "'s' (1), 't' (1), 'u' (1) and 2 values more"),
    ],
)
def test_a_row_that_cannot_be_placed_is_told_with_its_value(values: pa.Array, said: str) -> None:
    with pytest.raises(OutputError) as caught:
        placed(StaticPartitions(["a", "b", "c"]), values, first=1)
    assert said in caught.value.what
    assert caught.value.remedy
