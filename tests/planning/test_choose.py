"""What a selection picks of a world is what a naive reading picks, cell by cell, from sets of (asset, partition)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assets_core.planning.choose as under_test
from assets_core.errors import Place, SelectionError
from assets_core.model.asset import Asset, AssetKind, Edge, HandOff
from assets_core.model.code_part import CodePart
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import infer
from assets_core.model.partitions import DailyPartitions, MonthlyPartitions, Partitions, StaticPartitions
from assets_core.model.selection import parse
from assets_core.planning.choose import choose, choose_all, pick_cells, states_of
from assets_core.planning.digests import Digests, code_now
from assets_core.planning.plan import make_plan
from assets_core.planning.staleness import Cause
from assets_core.planning.world import World, empty_world

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = DailyPartitions("2013-01-30", "2013-02-03")
MONTHS = MonthlyPartitions("2013-01", "2013-03")
PLACES = StaticPartitions(["eu", "us, east", "a (b)"])
LATER = DailyPartitions("2030-01-01")
Cell = tuple[str, str | None]


def asset(key: str, partitions: Partitions | None = None, *upstreams: Asset, **more: object) -> Asset:
    edges = tuple(Edge(up.key, up.key, infer(partitions, up.partitions), hand_off=HandOff.POLARS) for up in upstreams)
    kind = AssetKind.FUNCTION if edges else AssetKind.EXTERNAL
    place = Place("assets.py")
    return Asset(AssetKey(key), kind, place, "0" * 32, partitions=partitions, edges=edges, **more)


SOURCE = asset("source", DAYS)
OTHER = asset("other")
A = asset("a", DAYS, SOURCE, tags={"tier": "one two"})
B = asset("b", MONTHS, A, group="marts")
C = asset("c", None, B, OTHER, group="marts")
REGIONS = asset("regions", PLACES, OTHER)
FUTURE = asset("future", LATER, SOURCE)
GRAPH = Graph([SOURCE, OTHER, A, B, C, REGIONS, FUTURE])
POSITIONS = {"noon": 6, "3": 3, "9": 9}


def code_of(key: AssetKey) -> Sequence[CodePart]:
    del key
    return ()


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world in which each cell was made or not, by this code or another, from these inputs or others."""
    world = empty_world(GRAPH, NOW)
    for key, of in GRAPH.assets.items():
        cells, count = world.states[key].cells, len(world.states[key])
        several = st.lists(st.booleans(), min_size=count, max_size=count)
        cells.present[:], cells.failed[:] = draw(several), draw(several)
        cells.judged[:] = True
        cells.position[:] = draw(st.lists(st.integers(1, 12), min_size=count, max_size=count))
        cells.token.a[:] = draw(st.lists(st.integers(1, 99), min_size=count, max_size=count))
        if of.is_external:
            continue
        code = code_now(world.states[key], count)
        cells.code.a[:], cells.code.b[:] = code.a + np.array(draw(several), np.uint64), code.b
        recipe = Digests(world).whole_recipe(of, cells.code)
        cells.whole.a[:], cells.whole.b[:] = recipe.a + np.array(draw(several), np.uint64), recipe.b
    return world


def cells_of(world: World, key: str) -> list[Cell]:
    state = world.states[AssetKey(key)]
    return [(key, state.key(ordinal)) for ordinal in state.ordinals.tolist()]


class Naive:
    """The grammar on sets, from what each single cell is."""

    def __init__(self, world: World) -> None:
        self.every = {cell for key in GRAPH.assets for cell in cells_of(world, key)}
        self.states: dict[str, set[Cell]] = {name: set() for name in ("stale", "missing", "fresh", "failed")}
        for key, states in states_of(world).items():
            for name, found in self.states.items():
                found |= {cell for cell, has in zip(cells_of(world, key), getattr(states, name), strict=True) if has}
        self.causes: dict[str, set[Cell]] = {cause.kind: set() for cause in Cause}
        for steps, index, cell in make_plan(world, choose_all(world)).cells():
            for cause in Cause:
                if steps.causes[index] & cause:
                    self.causes[cause.kind].add((str(cell.asset), cell.partition))
        self.position = {
            cell: int(position)
            for key, state in world.states.items()
            for cell, position in zip(cells_of(world, key), state.cells.position, strict=True)
            if state.cells.present[cells_of(world, key).index(cell)]
        }

    def assets(self, keys: Iterable[str]) -> set[Cell]:
        return {cell for cell in self.every if cell[0] in keys}

    def since(self, moment: str) -> set[Cell]:
        return {cell for cell, position in self.position.items() if position > POSITIONS[moment]}

    def around(self, cells: set[Cell], up: int, down: int) -> set[Cell]:
        found = set(cells)
        for steps, neighbours in ((up, GRAPH.upstreams), (down, GRAPH.downstreams)):
            level = {AssetKey(key) for key, _ in cells}
            for _ in range(steps):
                level = {near for key in level for near in neighbours(key)}
                found |= self.assets(level)
        return found


JANUARY = {
    *(("a", day) for day in ("2013-01-30", "2013-01-31")),
    *(("source", day) for day in ("2013-01-30", "2013-01-31")),
}
UNPARTITIONED: set[Cell] = {("c", None), ("other", None)}
TERMS = st.sampled_from(
    [
        ("a", lambda of: of.assets("a")),
        ("*", lambda of: of.every),
        ("group:marts", lambda of: of.assets("bc")),
        ('tag:tier="one two"', lambda of: of.assets("a")),
        ("kind:external", lambda of: of.assets(["source", "other"])),
        *((f"state:{name}", lambda of, name=name: of.states[name]) for name in ("stale", "missing", "fresh", "failed")),
        ("state:missing|failed", lambda of: of.states["missing"] | of.states["failed"]),
        *((f"cause:{name}", lambda of, name=name: of.causes[name]) for name in ("missing", "code_changed")),
        ("cause:upstream_will_run|missing", lambda of: of.causes["upstream_will_run"] | of.causes["missing"]),
        ("cause:forced", lambda of: set()),
        ("partition:2013-01", lambda of: JANUARY | {("b", "2013-01")} | UNPARTITIONED),
        (
            "partition:2013-01-31",
            lambda of: {("a", "2013-01-31"), ("source", "2013-01-31"), ("b", "2013-01")} | UNPARTITIONED,
        ),
        ('partition:"us, east"', lambda of: {("regions", "us, east")} | UNPARTITIONED),
        ('partition:"eu,a (b)"', lambda of: {("regions", "eu"), ("regions", "a (b)")} | UNPARTITIONED),
        ("changed-since:noon", lambda of: of.since("noon")),
        ("changed-since:3", lambda of: of.since("3")),
    ]
)


def _grown(inner: st.SearchStrategy) -> st.SearchStrategy:
    def both(pair):
        (one, first), (other, second) = pair
        return f"({one} and {other})", lambda of: first(of) & second(of)

    def either(pair):
        (one, first), (other, second) = pair
        return f"({one} or {other})", lambda of: first(of) | second(of)

    def negated(term):
        return f"(not {term[0]})", lambda of: of.every - term[1](of)

    def around(parts):
        (text, found), up, down = parts
        spelled = (
            f"{'+' if up == 9 else f'{up}+' if up else ''}({text}){'+' if down == 9 else f'+{down}' if down else ''}"
        )
        return spelled, lambda of: of.around(found(of), up, down)

    pairs, reach = st.tuples(inner, inner), st.sampled_from([0, 1, 2, 9])
    return st.one_of(pairs.map(both), pairs.map(either), inner.map(negated), st.tuples(inner, reach, reach).map(around))


@settings(max_examples=300, deadline=None)
@given(worlds(), st.recursive(TERMS, _grown, max_leaves=6))
def test_a_selection_picks_of_a_world_what_a_naive_reading_picks(world: World, term: tuple) -> None:
    text, expected = term
    for spelled in (text, str(parse(text))):
        picked = pick_cells(world, spelled, moment=POSITIONS.__getitem__, code_now=code_of)
        found = {
            cell
            for key, flags in picked.items()
            for cell, is_picked in zip(cells_of(world, key), flags.tolist(), strict=True)
            if is_picked
        }
        assert found == expected(Naive(world))
        assert all(flags.any() for key, flags in picked.items() if key != "future")


def test_an_asset_without_cells_counts_as_if_it_had_one_in_no_state() -> None:
    world = empty_world(GRAPH, NOW)
    for text in ("future", "*", "not state:missing", "source+1", "not partition:2013-01"):
        assert len(pick_cells(world, text)["future"]) == 0
    for text in ("state:missing", "partition:2013-01", "not future", "+state:missing"):
        assert "future" not in pick_cells(world, text)


def test_a_selection_and_a_range_pick_what_is_in_both_and_nothing_external() -> None:
    world = empty_world(GRAPH, NOW)
    chosen = choose(world, "+b or c", "2013-02")
    assert {key: flags.tolist() for key, flags in chosen.items()} == {
        "a": [False, False, True, True],
        "b": [False, True],
        "c": [True],
    }
    assert not choose(world, "source")


def test_a_cause_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(SelectionError, match=r"no cause 'code_change' \(did you mean 'code_changed'\?\)") as refused:
        choose(empty_world(GRAPH, NOW), "a and cause:missing|code_change", code_now=code_of)
    assert "use missing, code_changed, input_changed" in refused.value.remedy


def test_a_range_that_fits_nothing_is_refused() -> None:
    with pytest.raises(SelectionError, match="1999"):
        choose(empty_world(GRAPH, NOW), "a and partition:1999")


@pytest.mark.parametrize("text", ["changed-since:3", "cause:missing"])
def test_what_cannot_be_told_is_refused(text: str) -> None:
    with pytest.raises(SelectionError, match="cannot be told here"):
        choose(empty_world(GRAPH, NOW), text)


def test_what_is_stale_is_found_once_for_a_selection_and_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 0

    def counted(*arguments: object) -> object:
        nonlocal count
        count += 1
        return make_plan(*arguments)

    monkeypatch.setattr(under_test, "make_plan", counted)
    world = empty_world(GRAPH, NOW)
    choose(world, "+a or group:marts and partition:2013")
    assert count == 0
    choose(world, "state:stale or cause:missing or not (state:missing|fresh and cause:unknown)", code_now=code_of)
    assert count == 1
