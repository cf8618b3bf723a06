"""Who may start: nothing before what it waits for, the longest chain first, and a failure blocks what reads it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import Place
from assets_core.execution.queue import StepQueue
from assets_core.model.asset import Asset, AssetKind, Edge, HandOff
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import AllPartitions, Identity, PartitionMapping, TimeWindow
from assets_core.model.partitions import DailyPartitions
from assets_core.planning.plan import AssetSteps, Plan
from assets_core.planning.staleness import Cause
from assets_core.planning.world import World, empty_world

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = TimeWindow(last=1, offset=-1)
Cell = tuple[str, int]


def asset(key: str, days: int | None = None, *, batch: bool = False, **reads: PartitionMapping) -> Asset:
    partitions = None if days is None else DailyPartitions("1970-01-01", _day(days))
    edges = tuple(Edge(up, AssetKey(up), mapping, hand_off=HandOff.POLARS) for up, mapping in reads.items())
    place = Place("assets.py")
    return Asset(AssetKey(key), AssetKind.FUNCTION, place, "0" * 32, partitions=partitions, edges=edges, batch=batch)


def _day(number: int) -> str:
    return str(np.datetime64("1970-01-01") + number)


def plan_of(
    assets: Sequence[Asset],
    seconds: Mapping[str, float] | None = None,
    planned: Mapping[str, Iterable[int]] | None = None,
) -> Plan:
    """A plan in which the planned cells, all unless told, are missing."""
    world = empty_world(Graph(assets), NOW)
    steps = []
    for key in world.graph.order:
        state = world.states[key]
        ordinals = np.array(sorted(planned[key]) if planned and key in planned else state.ordinals, np.int64)
        causes = np.full(len(ordinals), int(Cause.MISSING), np.int64)
        steps.append(AssetSteps(state.asset, ordinals, causes, np.zeros(len(ordinals), np.bool_)))
    known = {AssetKey(key): value for key, value in (seconds or {}).items()}
    return Plan(world, tuple(steps), {}, False, known)


def taken(queue: StepQueue, limit: int = 1) -> list[Cell]:
    left = limit

    def room(_: Asset, number: int) -> int | None:
        nonlocal left
        found = min(left, number)
        left -= found
        return found if left + found else None

    return [(str(of.key), ordinal) for of, ordinals in queue.take(room) for ordinal in ordinals.tolist()]


def settle(queue: StepQueue, *cells: Cell) -> None:
    for key, ordinal in cells:
        queue.settle(AssetKey(key), np.array([ordinal], np.int64))


def fail(queue: StepQueue, *cells: Cell) -> set[Cell]:
    return {
        (str(of.key), ordinal)
        for key, failed in cells
        for of, ordinals in queue.fail(AssetKey(key), np.array([failed], np.int64))
        for ordinal in ordinals.tolist()
    }


def order_of(queue: StepQueue) -> list[Cell]:
    """The cells in the order in which one thread makes them."""
    found: list[Cell] = []
    while cells := taken(queue):
        settle(queue, *cells)
        found += cells
    assert queue.unsettled == 0
    return found


SKEWED = [
    asset("x_quick"),
    asset("y_quick", x_quick=AllPartitions()),
    asset("z_quick", y_quick=AllPartitions()),
    asset("slow"),
    asset("slower", slow=AllPartitions()),
]


def test_the_longest_chain_is_started_first_where_it_is_known() -> None:
    seconds = {"x_quick": 1.0, "y_quick": 1.0, "z_quick": 1.0, "slow": 1.0, "slower": 60.0}
    assert order_of(StepQueue(plan_of(SKEWED)))[0] == ("x_quick", 0)
    assert [key for key, _ in order_of(StepQueue(plan_of(SKEWED, seconds)))][:2] == ["slow", "slower"]


def test_two_threads_end_earlier_by_the_longest_chain_first() -> None:
    quick = [f"z{number}" for number in range(8)]
    assets = [*(asset(key) for key in quick), asset("a"), asset("b", a=AllPartitions())]
    seconds = {**dict.fromkeys(quick, 1.0), "a": 4.0, "b": 4.0}

    def seconds_until_the_end(queue: StepQueue) -> float:
        running: list[tuple[float, Cell]] = []
        clock = 0.0
        while True:
            if len(running) < 2:
                running.extend((clock + seconds[cell[0]], cell) for cell in taken(queue, 2 - len(running)))
            if not running:
                return clock
            clock, cell = min(running)
            running.remove((clock, cell))
            settle(queue, cell)

    assert seconds_until_the_end(StepQueue(plan_of(assets))) == 12.0
    assert seconds_until_the_end(StepQueue(plan_of(assets, seconds))) == 8.0


def test_assets_without_history_take_what_half_of_the_others_take_less_than() -> None:
    assets = [asset("a"), asset("b"), asset("c"), asset("new"), asset("newer", new=AllPartitions())]
    seconds = {"a": 1.0, "b": 5.0, "c": 7.0}  # new and newer: 10 together
    assert [key for key, _ in order_of(StepQueue(plan_of(assets, seconds)))] == ["new", "newer", "c", "b", "a"]


def test_what_was_just_made_is_read_next_on_chains_of_one_length() -> None:
    chain = [asset("a", 3), asset("b", 3, a=Identity()), asset("c", 3, b=Identity())]
    depth_first = [(key, day) for day in range(3) for key in "abc"]
    assert order_of(StepQueue(plan_of(chain))) == depth_first
    assert order_of(StepQueue(plan_of(chain, {"a": 0.1, "b": 0.7, "c": 0.2}))) == depth_first


def test_a_chain_of_cells_of_one_asset_counts_as_long_as_it_is() -> None:
    assets = [asset("a", 10), asset("b", 10, b=EARLIER)]
    assert order_of(StepQueue(plan_of(assets, {"a": 5.0, "b": 1.0})))[0] == ("b", 0)
    assert order_of(StepQueue(plan_of(assets, {"a": 15.0, "b": 1.0})))[0] == ("a", 0)


def test_an_asset_that_reads_itself_is_made_from_its_first_cell_on() -> None:
    queue = StepQueue(plan_of([asset("a", 4, a=EARLIER)]))
    assert taken(queue, 9) == [("a", 0)]
    assert taken(queue, 9) == []
    settle(queue, ("a", 0))
    assert taken(queue, 9) == [("a", 1)]
    queue.put_back(AssetKey("a"), 1)
    assert order_of(queue) == [("a", day) for day in (1, 2, 3)]


def test_a_batch_that_reads_itself_is_given_out_as_it_gets_ready() -> None:
    assert order_of(StepQueue(plan_of([asset("a", 3, batch=True, a=EARLIER)]))) == [("a", 0), ("a", 1), ("a", 2)]


def test_a_failure_blocks_the_later_cells_of_an_asset_that_reads_itself_and_their_readers() -> None:
    assets = [asset("a", 5, a=EARLIER), asset("b", 5, a=Identity()), asset("c", b=AllPartitions())]
    queue = StepQueue(plan_of(assets))
    settle(queue, *taken(queue))
    assert taken(queue, 9) == [("b", 0), ("a", 1)]
    blocked = fail(queue, ("a", 1))
    assert blocked == {*(("a", day) for day in (2, 3, 4)), *(("b", day) for day in (1, 2, 3, 4)), ("c", 0)}
    assert queue.unsettled == 1
    settle(queue, ("b", 0))
    assert queue.unsettled == 0


def test_a_failure_does_not_reach_over_a_cell_that_is_not_in_the_plan() -> None:
    queue = StepQueue(plan_of([asset("a", 6, a=EARLIER)], planned={"a": [0, 1, 3, 4]}))
    assert taken(queue, 9) == [("a", 0), ("a", 3)]
    assert fail(queue, ("a", 0)) == {("a", 1)}
    settle(queue, ("a", 3))
    assert taken(queue, 9) == [("a", 4)]


def test_a_failure_at_the_start_of_a_long_chain_is_told_at_once() -> None:
    queue = StepQueue(plan_of([asset("a", 20_000, a=EARLIER), asset("b", 20_000, a=Identity())]))
    assert taken(queue) == [("a", 0)]
    started = time.perf_counter()
    told = list(queue.fail(AssetKey("a"), np.array([0], np.int64)))
    assert time.perf_counter() - started < 2
    assert [(str(of.key), len(ordinals)) for of, ordinals in told] == [("a", 19_999), ("b", 20_000)]
    assert queue.unsettled == 0


def test_a_batch_that_waited_for_what_is_blocked_goes_on_without_it() -> None:
    assets = [asset("a", 3), asset("b", 3, batch=True, a=Identity())]
    queue = StepQueue(plan_of(assets))
    assert taken(queue, 3) == [("a", 0), ("a", 1), ("a", 2)]
    settle(queue, ("a", 0), ("a", 2))
    assert taken(queue, 9) == []
    assert fail(queue, ("a", 1)) == {("b", 1)}
    assert taken(queue, 1) == [("b", 0), ("b", 2)]


mappings = st.sampled_from([Identity(), AllPartitions(), TimeWindow(last=2), TimeWindow(last=1, offset=-2)])
earlier = st.sampled_from([EARLIER, TimeWindow(last=3, offset=-1), TimeWindow(last=2, offset=-3)])
days = st.sets(st.integers(0, 7))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    keys = ["a", "b", "c", "d", "e"]
    assets = []
    for place, key in enumerate(keys):
        upstreams = draw(st.sets(st.sampled_from(keys[:place]))) if place else set()
        reads = {up: draw(mappings) for up in sorted(upstreams)}
        if draw(st.booleans()):
            reads[key] = draw(earlier)
        assets.append(asset(key, 8, batch=draw(st.booleans()), **reads))
    seconds = draw(st.dictionaries(st.sampled_from(keys), st.floats(0, 100)))
    return plan_of(assets, seconds, {key: draw(days) for key in keys})


def reads_of(world: World, planned: set[Cell]) -> dict[Cell, set[Cell]]:
    """The planned cells that each planned cell reads."""
    found: dict[Cell, set[Cell]] = {}
    for key, ordinal in planned:
        of = world.graph.assets[AssetKey(key)]
        own = {
            (str(edge.upstream), up)
            for edge in of.edges
            for low, high in world.reads(of, edge).of(ordinal - world.states[of.key].first)
            for up in range(low, high)
        }
        found[key, ordinal] = own & planned
    return found


@settings(max_examples=300, deadline=None)
@given(plans(), st.randoms(use_true_random=False))
def test_no_cell_starts_too_early_and_a_failure_blocks_just_what_reads_it(plan: Plan, chance: Random) -> None:
    queue = StepQueue(plan)
    planned = {(str(steps.asset.key), ordinal) for steps in plan.steps for ordinal in steps.ordinals.tolist()}
    reads = reads_of(plan.world, planned)
    settled: set[Cell] = set()
    failed: set[Cell] = set()
    blocked: set[Cell] = set()
    running: list[Cell] = []
    while True:
        if cells := taken(queue, chance.randint(1, 3)):
            assert all(reads[cell] <= settled for cell in cells)
            assert not {*cells} & (settled | failed | blocked | {*running})
            running += cells
        if not running:
            break
        cell = running.pop(chance.randrange(len(running)))
        if chance.random() < 0.2:
            failed.add(cell)
            told = fail(queue, cell)
            assert not told & blocked
            blocked |= told
            lost = failed | blocked
            assert blocked == {other for other in planned - failed if reads[other] & lost}
        else:
            settle(queue, cell)
            settled.add(cell)
        assert queue.unsettled == len(planned - settled - failed - blocked)
    assert settled | failed | blocked == planned
