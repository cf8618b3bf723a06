"""What a plan will take: sums that hold on average, honest bounds, chains, and what is not known is said."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_core.errors import Place
from assets_core.model.asset import Asset, AssetKind, Edge, HandOff
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import AllPartitions, Identity, PartitionMapping, TimeWindow
from assets_core.model.partitions import DailyPartitions
from assets_core.planning.chains import chains_of, longest_chain
from assets_core.planning.forecast import Costs, Sample, Span, costs_of, forecast
from assets_core.planning.plan import AssetSteps, Plan
from assets_core.planning.staleness import Cause
from assets_core.planning.world import empty_world
from catalog.queries import load as query

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = DailyPartitions("1970-01-01", "1970-01-11")


def asset(key: str, *, batch: bool = False, **reads: PartitionMapping) -> Asset:
    edges = tuple(Edge(up, AssetKey(up), mapping, hand_off=HandOff.POLARS) for up, mapping in reads.items())
    place = Place("assets.py")
    return Asset(AssetKey(key), AssetKind.FUNCTION, place, "0" * 32, partitions=DAYS, edges=edges, batch=batch)


def plan_of(assets: Sequence[Asset], causes: Mapping[str, Sequence[Cause]], blocked: Sequence[str] = ()) -> Plan:
    """A plan in which the first cells of each asset are stale for the given causes."""
    world = empty_world(Graph(assets), NOW)
    steps = []
    for key in world.graph.order:
        own = np.array([int(cause) for cause in causes[key]], np.int64)
        flags = np.full(len(own), key in blocked)
        steps.append(AssetSteps(world.graph.assets[key], np.arange(len(own), dtype=np.int64), own, flags))
    return Plan(world, tuple(steps), {}, False)


def cost(low: float, mean: float, high: float, deviation: float = 0.0) -> Costs:
    sample = Sample(low, mean, high, deviation)
    return Costs(50, sample, Sample(10, 100, 1000, 0), Sample(1, 2, 3, 0))


MISSING, PROVISIONAL, JUDGED = Cause.MISSING, Cause.UPSTREAM_WILL_RUN, Cause.CONTRACT_CHANGED


def test_work_is_the_sum_over_cells_and_provisional_ones_are_not_in_the_low_bound() -> None:
    plan = plan_of([asset("a")], {"a": [MISSING] * 3 + [PROVISIONAL] * 2})
    found = forecast(plan, {AssetKey("a"): cost(1, 2, 4)}, threads=1)
    assert found.seconds == Span(3, 10, 20)
    assert found.rows == Span(30, 500, 5000)
    assert (found.cells, found.provisional) == (5, 2)
    assert found.wall_seconds == found.seconds


def test_a_cell_that_is_only_judged_again_writes_nothing_and_may_take_its_time() -> None:
    found = forecast(plan_of([asset("a")], {"a": [JUDGED] * 2}), {AssetKey("a"): cost(1, 2, 4)}, threads=1)
    assert (found.seconds, found.rows, found.size_bytes) == (Span(0, 4, 8), Span(), Span())
    assert found.provisional == 0


def test_blocked_cells_take_nothing() -> None:
    plan = plan_of([asset("a"), asset("b")], {"a": [MISSING], "b": [MISSING] * 4}, blocked=["b"])
    found = forecast(plan, {AssetKey("a"): cost(1, 2, 4), AssetKey("b"): cost(1, 2, 4)}, threads=1)
    assert found.seconds == Span(1, 2, 4)


def test_the_high_bound_covers_rare_slow_cells_that_a_quantile_does_not_see() -> None:
    found = forecast(
        plan_of([asset("a")], {"a": [MISSING] * 9}), {AssetKey("a"): cost(1, 5, 1, deviation=20)}, threads=1
    )
    assert found.seconds == Span(9, 45, 45 + 2 * 20 * 3)


def test_time_on_the_clock_is_that_of_the_work_on_all_threads_or_that_of_the_longest_chain() -> None:
    assets = [asset("a"), asset("b", a=Identity()), asset("c")]
    plan = plan_of(assets, {"a": [MISSING] * 10, "b": [MISSING] * 10, "c": [MISSING]})
    costs = {AssetKey("a"): cost(1, 1, 1), AssetKey("b"): cost(2, 2, 2), AssetKey("c"): cost(2, 2, 2)}
    wide = forecast(plan, costs, threads=4)
    assert wide.wall_seconds == Span(8, 8, 8)
    assert forecast(plan, costs, threads=1000).wall_seconds == Span(3, 3, 3)
    assert wide.chain == (("a", 1), ("b", 2))


def test_cells_that_are_made_one_behind_the_other_are_all_on_the_chain() -> None:
    assets = [asset("a", a=TimeWindow(last=1, offset=-1)), asset("b", batch=True, a=AllPartitions())]
    costs = {AssetKey("a"): cost(1, 1, 1), AssetKey("b"): cost(1, 1, 1)}
    found = forecast(plan_of(assets, {"a": [MISSING] * 10, "b": [MISSING] * 4}), costs, threads=1000)
    assert found.wall_seconds == Span(14, 14, 14)


def test_what_was_never_made_is_told_and_counts_for_nothing() -> None:
    plan = plan_of([asset("a"), asset("b", a=Identity())], {"a": [MISSING] * 2, "b": [MISSING] * 3})
    found = forecast(plan, {AssetKey("a"): cost(1, 2, 4)}, threads=1)
    assert found.without_history == {"b": 3}
    assert found.seconds == Span(2, 4, 8)
    document = found.to_json()
    assert document["without_history"] == [{"asset": "b", "cells": 3}]
    assert document["seconds"] == {"low": 2, "expected": 4, "high": 8}
    assert [part["asset"] for part in document["assets"]] == ["a", "b"]


def test_a_plan_of_nothing_takes_nothing() -> None:
    found = forecast(plan_of([asset("a")], {"a": []}), {}, threads=2)
    assert (found.seconds, found.wall_seconds, found.chain, found.assets) == (Span(), Span(), (), ())


def test_three_of_four_sums_of_real_samples_lie_within_the_bounds() -> None:
    chance = np.random.default_rng(7)
    past = chance.lognormal(0, 1, 100)
    low, high = np.quantile(past, [0.1, 0.9])
    sample = Sample(low, float(np.mean(past)), high, float(np.std(past)))
    for cells in (1, 10, 1000):
        span = sample.of(cells, 0)
        sums = chance.choice(past, (200, cells)).sum(axis=1)
        assert np.mean((sums >= span.low) & (sums <= span.high)) > 0.75
        assert span.low <= span.expected <= span.high


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 9), st.integers(0, 9))
def test_a_span_is_always_in_order(
    low: float, mean: float, high: float, deviation: float, certain: int, uncertain: int
) -> None:
    span = Sample(low, mean, high, deviation).of(certain, uncertain)
    assert span.low <= span.expected <= span.high


@given(st.data())
def test_the_longest_chain_is_the_longest_of_all_chains(data: st.DataObject) -> None:
    keys = [AssetKey(key) for key in "abcdef"]
    waits = {
        key: tuple(sorted(data.draw(st.sets(st.sampled_from(keys[:place]))))) if place else ()
        for place, key in enumerate(keys)
    }
    takes = {key: data.draw(st.integers(0, 5)) for key in keys}

    def every(chain: tuple[AssetKey, ...]) -> list[tuple[AssetKey, ...]]:
        return [chain, *(longer for upstream in waits[chain[0]] for longer in every((upstream, *chain)))]

    all_chains = [chain for key in keys for chain in every((key,))]
    length = {chain: sum(takes[key] for key in chain) for chain in all_chains}
    found = tuple(longest_chain(waits, takes))
    assert length[found] == max(length.values())
    chains = chains_of(waits, takes)
    for key in keys:
        assert chains.through(key) == max(length[one] for one in all_chains if key in one)
        assert chains.behind[key] == max(length[one] for one in all_chains if one[0] == key)


@pytest.fixture
def index() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE materialized (seq BIGINT, asset VARCHAR, seconds DOUBLE, rows BIGINT, bytes BIGINT)"
    )
    return connection


def told(connection: duckdb.DuckDBPyConnection) -> dict[AssetKey, Costs]:
    return costs_of(connection.sql(query("costs")).fetchall())


def test_costs_are_those_of_the_newest_hundred_versions_of_each_asset(index: duckdb.DuckDBPyConnection) -> None:
    index.execute("INSERT INTO materialized SELECT i, 'old', 1000, 5, 5 FROM range(1, 500) AS t(i)")
    index.execute("INSERT INTO materialized SELECT 500 + i, 'old', i, 10 * i, 7 FROM range(1, 101) AS t(i)")
    index.execute("INSERT INTO materialized SELECT 900000 + i, 'new', 3, 8, 9 FROM range(1, 300000) AS t(i)")
    found = told(index)
    old = found[AssetKey("old")]
    assert old.versions == 100
    assert (old.seconds.low, old.seconds.mean, old.seconds.high) == pytest.approx((10.9, 50.5, 90.1))
    assert old.seconds.deviation == pytest.approx(np.std(range(1, 101)))
    assert (old.rows.mean, old.size_bytes.mean) == (505, 7)
    assert found[AssetKey("new")].seconds == Sample(3, 3, 3, 0)


def test_a_few_versions_spread_more(index: duckdb.DuckDBPyConnection) -> None:
    index.execute("INSERT INTO materialized VALUES (1, 'a', 4.0, 10, 20)")
    assert told(index)[AssetKey("a")].seconds == Sample(2, 4, 8, 0)
    assert told(index)[AssetKey("a")].versions == 1


def test_nothing_is_told_of_an_empty_past(index: duckdb.DuckDBPyConnection) -> None:
    assert told(index) == {}


def test_a_long_past_is_asked_in_no_time(index: duckdb.DuckDBPyConnection) -> None:
    index.execute("INSERT INTO materialized SELECT 1, 'once', 1, 1, 1")
    index.execute(
        "INSERT INTO materialized SELECT i + 2, 'asset_' || (i % 50), random(), i % 999, i FROM range(2000000) AS t(i)"
    )
    told(index)
    started = time.perf_counter()
    found = told(index)
    assert time.perf_counter() - started < 1.0
    assert len(found) == 51
