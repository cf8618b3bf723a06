"""Partition mappings: what is inferred between two definitions, what is refused, and that a refusal's remedy works."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    describe_mapping,
    parse_mapping,
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

NOW = datetime(2013, 6, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"
GRAINS: dict[str, Any] = {
    "hourly": lambda tz: HourlyPartitions("2012-10-01", tz=tz),
    "daily": lambda tz: DailyPartitions("2012-10-01", tz=tz),
    "weekly": lambda tz: WeeklyPartitions("2012-10-01", tz=tz),
    "monthly": lambda tz: MonthlyPartitions("2012-10", tz=tz),
    "quarterly": lambda tz: QuarterlyPartitions("2012-Q4", tz=tz),
    "yearly": lambda tz: YearlyPartitions("2012", tz=tz),
    "minute": lambda tz: MinutePartitions("2012-10-01", tz=tz),
}
PAIRS_OF_GRAINS = list(product(GRAINS, GRAINS))
HOURS, DAYS, WEEKS, MONTHS, QUARTERS, YEARS, MINUTES = (GRAINS[grain]("UTC") for grain in GRAINS)
CUSTOMERS = DynamicPartitions("customers")
MORNINGS = CronPartitions("0 6 * * 1-5", "2013-01-01")
MORE_DAYS = DailyPartitions("2012-01-01")
MARCH = DailyPartitions("2013-03-01", "2013-04-01")
EU, ALL_REGIONS = StaticPartitions(["eu", "us"]), StaticPartitions(["us", "apac", "eu"])
COLORS = StaticPartitions(["red", "blue"])


def previous(key: str) -> list[str]:
    return [key]


def refusal(
    declared: PartitionMapping | None, downstream: Partitions | None, upstream: Partitions | None
) -> MappingError:
    with pytest.raises(MappingError) as refused:
        resolve(declared, downstream, upstream)
    assert refused.value.remedy
    return refused.value


@pytest.mark.parametrize(("downstream", "upstream"), PAIRS_OF_GRAINS)
def test_times_of_one_zone_are_matched_by_key_or_by_window_unless_they_overlap_askew(
    downstream: str, upstream: str
) -> None:
    one, other = GRAINS[downstream](BERLIN), GRAINS[upstream](BERLIN)
    if "weekly" in {downstream, upstream} and {downstream, upstream} & {"monthly", "quarterly", "yearly"}:
        refused = refusal(None, one, other)
        assert f"{downstream}" in refused.what
        assert "TimeWindow()" in refused.remedy
        assert resolve(TimeWindow(), one, other) == TimeWindow()
    else:
        assert resolve(None, one, other) == (Identity() if downstream == upstream else TimeWindow())


@pytest.mark.parametrize(("downstream", "upstream"), PAIRS_OF_GRAINS)
def test_times_of_two_zones_are_never_matched_unasked(downstream: str, upstream: str) -> None:
    one, other = GRAINS[downstream](BERLIN), GRAINS[upstream]("UTC")
    refused = refusal(None, one, other)
    assert BERLIN in refused.what
    assert "UTC" in refused.what
    assert "TimeWindow()" in refused.remedy
    assert resolve(TimeWindow(), one, other) == TimeWindow()


@pytest.mark.parametrize(
    ("downstream", "upstream"),
    [
        (WeeklyPartitions("2013-01-07"), WeeklyPartitions("2012-01-01", week_start=6)),
        (
            HourlyPartitions("2013-07-01", tz="Australia/Lord_Howe"),
            HourlyPartitions("2013-01-01", tz="Australia/Lord_Howe"),
        ),
    ],
)
@pytest.mark.parametrize("declared", [None, Identity()])
def test_windows_of_one_grain_that_lie_askew_are_refused(
    declared: PartitionMapping | None, downstream: TimePartitions, upstream: TimePartitions
) -> None:
    assert "TimeWindow()" in refusal(declared, downstream, upstream).remedy


@pytest.mark.parametrize(
    ("downstream", "upstream", "mapping"),
    [
        (None, None, AllPartitions()),
        (None, DAYS, AllPartitions()),
        (DAYS, None, AllPartitions()),
        (None, ProductPartitions(day=DAYS, region=EU), AllPartitions()),
        (EU, ALL_REGIONS, Identity()),
        (CUSTOMERS, CUSTOMERS.holding(("ann",), 3), Identity()),
        (MORNINGS, CronPartitions("0 6 * * 1-5", "2012-01-01"), Identity()),
        (MINUTES, MinutePartitions("2012-01-01", every=5), TimeWindow()),
        (MinutePartitions("2012-01-01", every=5), MINUTES, TimeWindow()),
        (HOURS, MinutePartitions("2012-01-01", every=20), TimeWindow()),
        (CUSTOMERS, ProductPartitions(day=DAYS, who=CUSTOMERS), ByDimension(day=AllPartitions(), who=Identity())),
        (ProductPartitions(day=DAYS, who=CUSTOMERS), DAYS, FromDimension("day", Identity())),
        (ProductPartitions(day=DAYS, region=EU), DAYS, FromDimension("day", Identity())),
        (ProductPartitions(day=DAYS, region=EU), HOURS, FromDimension("day", TimeWindow())),
        (ProductPartitions(day=DAYS, region=EU), ALL_REGIONS, FromDimension("region", Identity())),
        (DAYS, ProductPartitions(day=DAYS, region=EU), ByDimension(day=Identity(), region=AllPartitions())),
        (MONTHS, ProductPartitions(day=DAYS, region=EU), ByDimension(day=TimeWindow(), region=AllPartitions())),
        (EU, ProductPartitions(day=DAYS, region=ALL_REGIONS), ByDimension(day=AllPartitions(), region=Identity())),
        (EU, ProductPartitions(region=EU, color=COLORS), ByDimension(region=Identity(), color=AllPartitions())),
        (
            ProductPartitions(day=MARCH, region=EU),
            ProductPartitions(region=ALL_REGIONS, day=MARCH, color=COLORS),
            ByDimension(region=Identity(), day=Identity(), color=AllPartitions()),
        ),
        (
            ProductPartitions(month=MONTHS, region=EU),
            ProductPartitions(month=DAYS, region=EU),
            ByDimension(month=TimeWindow(), region=Identity()),
        ),
    ],
)
def test_what_is_inferred(
    downstream: Partitions | None, upstream: Partitions | None, mapping: PartitionMapping
) -> None:
    assert resolve(None, downstream, upstream) == mapping


@pytest.mark.parametrize(
    ("downstream", "upstream", "what", "remedy"),
    [
        (DAYS, EU, "daily partitions cannot be matched with static", "AllPartitions()"),
        (CUSTOMERS, DynamicPartitions("places"), "dynamic partitions cannot be matched", "AllPartitions()"),
        (CUSTOMERS, EU, "dynamic partitions cannot be matched with static", "AllPartitions()"),
        (DAYS, MORNINGS, "do not align", "TimeWindow()"),
        (HOURS, MinutePartitions("2012-01-01", every=45), "do not align", "TimeWindow()"),
        (DAYS, MinutePartitions("2012-01-01", every=240), "do not align", "TimeWindow()"),
        (DailyPartitions("2012-10-01", end_offset=1), DAYS, "reach outside", "same range"),
        (EU, DAYS, "static partitions cannot be matched with daily", "AllPartitions()"),
        (ALL_REGIONS, EU, "'apac' does not exist upstream", "Explicit(function)"),
        (StaticPartitions(["eus"]), EU, "did you mean 'us'", "AllPartitions()"),
        (ProductPartitions(a=EU, b=EU), EU, "2 dimensions", "FromDimension('a', ...)"),
        (ProductPartitions(day=DAYS, region=EU), COLORS, "no dimensions", "FromDimension('day', ...)"),
        (
            ProductPartitions(day=DAYS, region=EU),
            ProductPartitions(region=EU, day=MARCH),
            "reach outside",
            "same range",
        ),
        # a dimension that nearly matches must not quietly be read whole
        (GRAINS["daily"](BERLIN), ProductPartitions(day=DAYS, region=EU), "do not align", "TimeWindow()"),
        (MORE_DAYS, ProductPartitions(day=DAYS, region=EU), "reach outside", "same range"),
        (ALL_REGIONS, ProductPartitions(day=DAYS, region=EU), "'apac' does not exist", "AllPartitions()"),
    ],
)
def test_what_cannot_be_inferred_is_refused_with_a_remedy(
    downstream: Partitions, upstream: Partitions, what: str, remedy: str
) -> None:
    refused = refusal(None, downstream, upstream)
    assert what in refused.what
    assert remedy in refused.remedy


@pytest.mark.parametrize("declared", [None, Identity()])
@pytest.mark.parametrize(
    ("downstream", "upstream"),
    [
        (MORE_DAYS, DAYS),  # begins before
        (DAYS, MARCH),  # ends never
        (DailyPartitions("2013-03-01", "2013-04-02"), MARCH),  # ends behind
    ],
)
def test_a_range_that_leaves_that_of_the_upstream_is_refused(
    declared: PartitionMapping | None, downstream: Partitions, upstream: Partitions
) -> None:
    refused = refusal(declared, downstream, upstream)
    assert "reach outside" in refused.what
    assert "TimeWindow()" in refused.remedy
    assert resolve(TimeWindow(), downstream, upstream) == TimeWindow()


def test_a_range_inside_of_that_of_the_upstream_is_taken() -> None:
    assert resolve(None, MARCH, DAYS) == Identity()
    assert resolve(None, MARCH, MARCH) == Identity()


@pytest.mark.parametrize(
    ("declared", "downstream", "upstream", "what", "remedy"),
    [
        (Identity(), None, DAYS, "one kind on both sides", "inferred"),
        (Identity(), DAYS, None, "one kind on both sides", "inferred"),
        (Identity(), DAYS, EU, "one kind on both sides", "inferred"),
        (Identity(), DAYS, HOURS, "do not have the keys", "TimeWindow()"),
        (Identity(), ALL_REGIONS, EU, "'apac'", "AllPartitions()"),
        (Identity(), ProductPartitions(a=EU, b=EU), ProductPartitions(a=EU, b=EU, c=EU), "one kind", "inferred"),
        (Identity(), ProductPartitions(a=EU, b=ALL_REGIONS), ProductPartitions(a=EU, b=EU), "'apac'", "AllPart"),
        (TimeWindow(), None, DAYS, "partitions of time on both sides", "AllPartitions()"),
        (TimeWindow(), DAYS, EU, "partitions of time on both sides", "AllPartitions()"),
        (TimeWindow(), DAYS, ProductPartitions(day=DAYS, region=EU), "partitions of time", "ByDimension"),
        (StaticMap({}), None, DAYS, "partitions on both sides", "leave the mapping out"),
        (StaticMap({"eus": []}), EU, DAYS, "'eus' as an own partition", "use one of eu, us"),
        (StaticMap({"eus": []}), EU, DAYS, "did you mean 'us'", "eu, us"),
        (StaticMap({"eu": ["apca"]}), EU, ALL_REGIONS, "did you mean 'apac'", "us, apac, eu"),
        (StaticMap({"eu": ["2013-02-30"]}), EU, DAYS, "'2013-02-30' as an upstream partition", "2012-10-01"),
        (LastAvailable(), DAYS, EU, "static partitions, which are in no order", "AllPartitions()"),
        (LastAvailable(), DAYS, CUSTOMERS, "dynamic partitions, which are in no order", "AllPartitions()"),
        (LastAvailable(), DAYS, None, "has no partitions", "leave the mapping out"),
        (LastAvailable(), ProductPartitions(day=DAYS, region=EU), DAYS, "which dimension", "FromDimension('day', Last"),
        (
            ByDimension(day=LastAvailable()),
            DAYS,
            ProductPartitions(day=DAYS, region=EU),
            "its dimension 'day'",
            "last=",
        ),
        (Explicit(previous), None, DAYS, "partitions on both sides", "leave the mapping out"),
        (Explicit(previous), DAYS, None, "partitions on both sides", "leave the mapping out"),
        (ByDimension(day=Identity()), DAYS, DAYS, "upstream with product partitions", "the mapping itself"),
        (ByDimension(hour=Identity()), DAYS, ProductPartitions(day=DAYS, region=EU), "no dimension 'hour'", "day, reg"),
        (ByDimension(region=Identity()), DAYS, ProductPartitions(day=DAYS, region=EU), "one kind", "inferred"),
        (FromDimension("hour"), ProductPartitions(day=DAYS, region=EU), DAYS, "no dimension 'hour'", "use day, region"),
        (FromDimension("day"), DAYS, DAYS, "no dimension 'day'", "product partitions"),
        (FromDimension("region", Identity()), ProductPartitions(day=DAYS, region=EU), DAYS, "one kind", "inferred"),
    ],
)
def test_a_declared_mapping_that_cannot_work_is_refused_with_a_remedy(
    declared: PartitionMapping, downstream: Partitions | None, upstream: Partitions | None, what: str, remedy: str
) -> None:
    refused = refusal(declared, downstream, upstream)
    assert what in refused.what
    assert remedy in refused.remedy


@pytest.mark.parametrize(
    ("declared", "downstream", "upstream", "resolved"),
    [
        (AllPartitions(), DAYS, EU, AllPartitions()),
        (Explicit(previous), DAYS, EU, Explicit(previous)),
        (LastAvailable(), DAYS, MONTHS, LastAvailable()),
        (LastAvailable(), None, MONTHS, LastAvailable()),
        (LastAvailable(), EU, MONTHS, LastAvailable()),
        (StaticMap({"eu": ["apac", "us"]}), EU, ALL_REGIONS, StaticMap({"eu": ("apac", "us")})),
        (StaticMap({"ann": ["eu"]}), CUSTOMERS, EU, StaticMap({"ann": ["eu"]})),
        (Identity(), CUSTOMERS, DynamicPartitions("places"), Identity()),
        (
            FromDimension("day", LastAvailable()),
            ProductPartitions(day=DAYS, region=EU),
            MONTHS,
            FromDimension("day", LastAvailable()),
        ),
        (TimeWindow(last=7, offset=-1), DAYS, DAYS, TimeWindow(last=7, offset=-1)),
        (Identity(), GRAINS["daily"](BERLIN), DAYS, Identity()),  # the same date in another zone, when asked for
        (Identity(), ProductPartitions(a=EU, b=EU), ProductPartitions(x=EU, y=ALL_REGIONS), Identity()),
        (
            ByDimension(day=TimeWindow(last=7)),
            ProductPartitions(day=DAYS, region=EU),
            ProductPartitions(day=DAYS, region=ALL_REGIONS),
            ByDimension(day=TimeWindow(last=7), region=Identity()),
        ),
        (
            ByDimension(region=AllPartitions()),
            DAYS,
            ProductPartitions(day=DAYS, region=EU),
            ByDimension(day=Identity(), region=AllPartitions()),
        ),
        (
            FromDimension("day"),
            ProductPartitions(day=DAYS, region=EU),
            HOURS,
            FromDimension("day", TimeWindow()),
        ),
        (
            FromDimension("day", TimeWindow(last=3)),
            ProductPartitions(day=DAYS, region=EU),
            DAYS,
            FromDimension("day", TimeWindow(last=3)),
        ),
    ],
)
def test_a_declared_mapping_is_taken_and_completed(
    declared: PartitionMapping, downstream: Partitions, upstream: Partitions, resolved: PartitionMapping
) -> None:
    assert resolve(declared, downstream, upstream) == resolved


ONE_DIMENSION: list[Partitions] = [HOURS, DAYS, MORE_DAYS, MARCH, WEEKS, MONTHS, EU, ALL_REGIONS, COLORS]
definitions: st.SearchStrategy[Partitions | None] = st.one_of(
    st.none(),
    st.sampled_from(ONE_DIMENSION),
    st.sampled_from([GRAINS[grain](BERLIN) for grain in GRAINS]),
    st.builds(
        lambda names, first, rest: ProductPartitions(**dict(zip(names, [first, *rest], strict=False))),
        st.permutations(["day", "region", "color"]),
        st.sampled_from(ONE_DIMENSION),
        st.lists(st.sampled_from([MARCH, EU, ALL_REGIONS, COLORS]), min_size=1, max_size=2),
    ),
)


@settings(max_examples=400, deadline=None)
@given(definitions, definitions)
def test_an_inferred_mapping_may_as_well_be_declared(
    downstream: Partitions | None, upstream: Partitions | None
) -> None:
    try:
        inferred = resolve(None, downstream, upstream)
    except MappingError:
        assert resolve(AllPartitions(), downstream, upstream) == AllPartitions()
        return
    assert resolve(inferred, downstream, upstream) == inferred
    assert parse_mapping(json.loads(json.dumps(describe_mapping(inferred)))) == inferred


@settings(max_examples=200, deadline=None)
@given(definitions, definitions)
def test_identity_finds_every_partition_upstream(downstream: Partitions | None, upstream: Partitions | None) -> None:
    try:
        resolve(Identity(), downstream, upstream)
    except MappingError:
        return
    assert downstream is not None
    assert upstream is not None
    first, end = downstream.bounds(NOW)
    low, high = upstream.bounds(NOW)
    for ordinal in {*range(first, min(first + 50, end)), *range(max(first, end - 50), end)}:
        assert low <= upstream.ordinal(downstream.key(ordinal)) < high


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [({"last": 0}, "last=1"), ({"last": -3}, "last=1"), ({"last": "7"}, "whole"), ({"offset": 1.5}, "whole")],
)
def test_a_window_that_counts_nothing_is_refused(arguments: dict[str, Any], remedy: str) -> None:
    with pytest.raises(MappingError) as refused:
        TimeWindow(**arguments)
    assert remedy in refused.value.remedy


mappings: st.SearchStrategy[PartitionMapping] = st.recursive(
    st.one_of(
        st.just(Identity()),
        st.just(AllPartitions()),
        st.just(LastAvailable()),
        st.dictionaries(st.text(), st.lists(st.text())).map(StaticMap),
        st.builds(TimeWindow, st.none() | st.integers(1, 400), st.integers(-9, 9)),
        st.builds(FromDimension, st.sampled_from("abc")),
    ),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(lambda parts: ByDimension(**parts)),
        st.builds(FromDimension, st.sampled_from("abc"), inner),
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(mappings)
def test_a_mapping_is_read_back_from_its_description(mapping: PartitionMapping) -> None:
    assert parse_mapping(json.loads(json.dumps(describe_mapping(mapping)))) == mapping


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "window"},
        {"kind": "identity", "last": 1},
        {"kind": "time_window", "latest": 7},
        {"kind": "by_dimension"},
        {"kind": "by_dimension", "dimensions": {"day": "identity"}},
        {"kind": "from_dimension"},
        {"kind": "static_map"},
        {"kind": "last_available", "last": 2},
        describe_mapping(Explicit(previous)),
    ],
)
def test_a_description_that_cannot_be_read_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(MappingError, match="cannot be read") as refused:
        parse_mapping(document)
    assert "time_window" in refused.value.remedy


@pytest.mark.parametrize("keys", [[("eu", ["de"])], {"eu": "de"}, {"eu": [1]}, {1: ["de"]}, None])
def test_a_table_that_is_none_is_refused(keys: Any) -> None:
    with pytest.raises(MappingError, match="needs a table") as refused:
        StaticMap(keys)
    assert 'StaticMap({"europe": ["de", "fr"]})' in refused.value.remedy


def test_an_explicit_function_is_described_by_its_name() -> None:
    assert describe_mapping(Explicit(previous))["function"].endswith("test_mapping.previous")
