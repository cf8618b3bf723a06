"""Graph: order, ancestors and descendants against a naive walk; every fault of the definitions found at once."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import AssetsError, DefinitionErrors, Place
from assets_core.model.asset import Asset, AssetKind, Edge
from assets_core.model.graph import Graph, graph_errors
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import (
    AllPartitions,
    ByDimension,
    Explicit,
    Identity,
    LastAvailable,
    PartitionMapping,
    TimeWindow,
    resolve,
)
from assets_core.model.partitions import DailyPartitions, Partitions, ProductPartitions, StaticPartitions

Reads = dict[str, list[str]]


def asset(key: str, *upstreams: str, line: int = 1, file: str = "assets.py") -> Asset:
    edges = tuple(Edge(f"input_{n}", AssetKey(up), AllPartitions()) for n, up in enumerate(upstreams))
    kind = AssetKind.FUNCTION if upstreams else AssetKind.EXTERNAL
    return Asset(AssetKey(key), kind, Place(file, line), "0" * 32, edges=edges)


def graph(reads: Reads) -> Graph:
    return Graph(asset(key, *upstreams) for key, upstreams in reads.items())


def keys(*texts: str) -> list[AssetKey]:
    return [AssetKey(text) for text in texts]


def walk(reads: Reads, start: str, depth: int) -> set[str]:
    """What lies upstream of a key, one way after the other."""
    if depth == 0:
        return set()
    return {found for up in reads[start] for found in {up, *walk(reads, up, depth - 1)}}


def turned(reads: Reads) -> Reads:
    return {key: [other for other in reads if key in reads[other]] for key in reads}


@st.composite
def any_reads(draw: st.DrawFn, *, circles: bool) -> Reads:
    """Assets a, b, c ... in any order; without circles each reads only assets before it in some hidden order."""
    names = draw(st.permutations("abcdefg"[: draw(st.integers(1, 7))]))
    reads = {
        name: draw(st.lists(st.sampled_from(names if circles else names[:position]), max_size=3))
        if circles or position
        else []
        for position, name in enumerate(names)
    }
    return {name: reads[name] for name in draw(st.permutations(names))}


@settings(deadline=None)
@given(any_reads(circles=False))
def test_each_asset_comes_behind_its_upstreams(reads: Reads) -> None:
    built = graph(reads)
    assert sorted(built.order) == sorted(reads)
    assert list(built.assets) == list(built.order)
    for key, upstreams in reads.items():
        assert built.assets[AssetKey(key)].key == key
        for upstream in upstreams:
            assert built.order.index(AssetKey(upstream)) < built.order.index(AssetKey(key))


@settings(deadline=None)
@given(any_reads(circles=False), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_definitions(reads: Reads, chance: random.Random) -> None:
    shuffled = list(reads)
    chance.shuffle(shuffled)
    assert graph({key: reads[key][::-1] for key in shuffled}).order == graph(reads).order


def test_assets_equally_deep_are_in_the_order_of_their_keys() -> None:
    assert graph({"d": [], "c": ["d"], "b": ["d"], "a": ["c"], "e": []}).order == ("d", "e", "b", "c", "a")


@settings(deadline=None)
@given(any_reads(circles=False))
def test_neighbours_are_named_once_and_sorted(reads: Reads) -> None:
    built = graph(reads)
    for key in reads:
        assert built.upstreams(AssetKey(key)) == tuple(sorted(set(reads[key])))
        assert built.downstreams(AssetKey(key)) == tuple(sorted(turned(reads)[key]))


@settings(max_examples=200, deadline=None)
@given(any_reads(circles=False), st.data())
def test_ancestors_and_descendants_are_those_of_a_naive_walk(reads: Reads, data: st.DataObject) -> None:
    starts = keys(*data.draw(st.lists(st.sampled_from(sorted(reads)), max_size=3)))
    depth = data.draw(st.none() | st.integers(0, 4))
    built = graph(reads)
    steps = len(reads) if depth is None else depth
    assert built.ancestors(starts, depth) == {found for key in starts for found in walk(reads, key, steps)}
    assert built.descendants(starts, depth) == {found for key in starts for found in walk(turned(reads), key, steps)}


def test_a_start_is_among_the_ancestors_only_where_another_start_reaches_it() -> None:
    built = graph({"a": [], "b": ["a"], "c": ["b"]})
    assert built.ancestors(keys("c")) == {"a", "b"}
    assert built.ancestors(keys("b", "c"), 1) == {"a", "b"}
    assert built.descendants(keys("b")) == {"c"}


def test_a_graph_does_not_change() -> None:
    built = graph({"a": []})
    with pytest.raises(TypeError):
        built.assets[AssetKey("b")] = asset("b")  # type: ignore[index]
    with pytest.raises(AttributeError):
        built.extra = 1  # type: ignore[attr-defined]


def test_a_graph_with_a_circle_is_a_bug_of_ours() -> None:
    with pytest.raises(AssetsError, match="a, b") as raised:
        graph({"a": ["b"], "b": ["a"], "c": []})
    assert raised.value.exit_code == 3


def test_a_long_chain_is_walked() -> None:
    chain: Reads = {f"a{n:05}": [f"a{n - 1:05}"] if n else [] for n in range(3000)}
    built = graph(chain)
    assert built.order == tuple(sorted(chain))
    assert len(built.ancestors(keys("a02999"))) == 2999
    assert graph_errors(list(built.assets.values())) == []
    closed = graph_errors([asset("a00000", "a02999"), *list(built.assets.values())[1:]])
    assert len(closed) == 1


@settings(deadline=None)
@given(any_reads(circles=False))
def test_nothing_is_wrong_with_assets_that_read_each_other_forwards(reads: Reads) -> None:
    assert graph_errors([asset(key, *upstreams) for key, upstreams in reads.items()]) == []


def test_a_key_defined_twice_names_both_places() -> None:
    twice = [asset("flights", line=3), asset("planes", line=9), asset("flights", file="more.py", line=7)]
    (error,) = graph_errors(twice)
    assert "'flights' is defined twice" in error.what
    assert "assets.py:3" in error.what
    assert error.place == Place("more.py", 7)
    assert "rename" in error.remedy
    assert len(graph_errors([*twice, asset("flights", line=20)])) == 2


def test_an_unknown_upstream_is_reported_with_the_nearest_name() -> None:
    (error,) = graph_errors([asset("flights", line=3), asset("delays", "flihgts", "flihgts", line=9)])
    assert "'delays' reads 'flihgts', which does not exist (did you mean 'flights'?)" in error.what
    assert error.place == Place("assets.py", 9)
    assert "external" in error.remedy


def test_an_asset_is_not_offered_itself_for_an_unknown_upstream() -> None:
    (error,) = graph_errors([asset("flights", "flight"), asset("planes")])
    assert "did you mean" not in error.what


@pytest.mark.parametrize(
    ("reads", "written"),
    [
        ({"b": ["a"], "a": ["b"]}, ["a -> b -> a"]),
        ({"a": ["a"]}, ["a -> a"]),
        ({"a": ["c"], "b": ["a"], "c": ["b"]}, ["a -> b -> c -> a"]),
        ({"a": ["b"], "b": ["a"], "c": ["b", "d"], "d": ["c"], "e": ["d"]}, ["a -> b -> a", "c -> d -> c"]),
        ({"a": ["a", "b"], "b": ["a"]}, ["a -> a; as do b"]),
        ({"a": ["b"], "b": ["a", "c"], "c": ["b"]}, ["a -> b -> a; as do c"]),
    ],
)
def test_a_circle_is_written_once_in_the_direction_of_the_data(reads: Reads, written: list[str]) -> None:
    lines = {key: line for line, key in enumerate(reads, start=1)}
    errors = graph_errors([asset(key, *upstreams, line=lines[key]) for key, upstreams in reads.items()])
    found = [error.what.split(": ")[1] for error in errors]
    assert sorted(found) == written
    for error, text in zip(errors, found, strict=True):
        assert error.place.line == lines[text[0]]
        assert "remove one of the edges" in error.remedy


@settings(max_examples=300, deadline=None)
@given(any_reads(circles=True))
def test_each_knot_of_circles_is_reported_once_and_is_a_real_circle(reads: Reads) -> None:
    reach = {key: walk(reads, key, len(reads)) for key in reads}
    knots = {frozenset(other for other in reach[key] if key in reach[other]) for key in reads if key in reach[key]}
    errors = graph_errors([asset(key, *upstreams) for key, upstreams in reads.items()])
    named: set[frozenset[str]] = set()
    for error in errors:
        circle, _, others = error.what.split(": ")[1].partition("; as do ")
        way = circle.split(" -> ")
        assert way[0] == way[-1] == min(way)
        assert len(set(way)) == len(way) - 1
        for upstream, downstream in pairwise(way):
            assert upstream in reads[downstream]
        named.add(frozenset(way) | frozenset(others.split(", ") if others else ()))
    assert named == knots
    assert len(errors) == len(knots)


DAYS, PLACES = DailyPartitions("2013-01-01"), StaticPartitions(["eu", "us"])
PRODUCT = ProductPartitions(day=DAYS, region=PLACES)


def reading_itself(mapping: PartitionMapping, partitions: Partitions | None) -> Asset:
    edges = (
        Edge("before", AssetKey("stock"), resolve(mapping, partitions, partitions)),
        Edge("orders", AssetKey("orders"), AllPartitions()),
    )
    return Asset(AssetKey("stock"), AssetKind.FUNCTION, Place("assets.py", 3), "0" * 32, partitions, edges)


@pytest.mark.parametrize(
    ("mapping", "partitions"),
    [
        (TimeWindow(last=1, offset=-1), DAYS),
        (TimeWindow(last=7, offset=-2), DAYS),
        (ByDimension(day=TimeWindow(last=1, offset=-1)), PRODUCT),
        (ByDimension(day=TimeWindow(offset=-1), region=AllPartitions()), PRODUCT),
    ],
)
def test_an_asset_may_read_its_own_earlier_partitions(mapping: PartitionMapping, partitions: Partitions) -> None:
    assets = [reading_itself(mapping, partitions), asset("orders"), asset("report", "stock")]
    assert graph_errors(assets) == []
    built = Graph(assets)
    assert built.order == ("orders", "stock", "report")
    assert built.upstreams(AssetKey("stock")) == ("orders",)
    assert built.downstreams(AssetKey("stock")) == ("report",)


@pytest.mark.parametrize(
    ("mapping", "partitions"),
    [
        (AllPartitions(), None),
        (AllPartitions(), DAYS),
        (Identity(), DAYS),
        (TimeWindow(last=7), DAYS),
        (TimeWindow(last=7, offset=1), DAYS),
        (LastAvailable(), DAYS),
        (Explicit(lambda key: [key]), DAYS),
        (ByDimension(region=AllPartitions()), PRODUCT),
        (
            ByDimension(day=TimeWindow(offset=-1)),
            ProductPartitions(region=PLACES, day=DailyPartitions("2013-01-01", "2014-01-01")),
        ),
    ],
)
def test_an_asset_that_reads_itself_otherwise_is_told_how_it_may(
    mapping: PartitionMapping, partitions: Partitions | None
) -> None:
    (error,) = graph_errors([reading_itself(mapping, partitions), asset("orders")])
    assert error.what.endswith("stock -> stock")
    assert "mapping=TimeWindow(last=1, offset=-1)" in error.remedy


def test_everything_wrong_is_reported_at_once_in_the_order_of_places() -> None:
    errors = graph_errors(
        [
            asset("c", "d", line=30),
            asset("d", "c", line=40),
            asset("a", "nowhere", line=20),
            asset("a", line=50),
            asset("z", "z", line=10),
        ]
    )
    assert [error.place.line for error in errors] == [10, 20, 30, 50]
    assert str(DefinitionErrors(errors)).endswith("4 definition errors")
