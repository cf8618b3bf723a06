"""Does a recipe change with everything that it is made of, and with nothing else; are the sums of slices exact?"""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assets_core.planning.intervals import Intervals
from assets_core.versions.recipe import Lanes, edge_digest, full_lanes, recipe, text_lanes, token

LANE = st.integers(0, 2**64 - 1)
DIGEST = st.tuples(LANE, LANE)
TEXT = st.text(max_size=6)
EDGE = st.tuples(TEXT, TEXT, st.lists(st.tuples(st.none() | TEXT, TEXT), max_size=5, unique_by=lambda part: part[0]))
"""An edge: its name, its upstream, and partition and version of each cell that is read, in any order."""


def lanes(digests: list[tuple[int, int]]) -> Lanes:
    array = np.array(digests, np.uint64).reshape(-1, 2)
    return Lanes(array[:, 0].copy(), array[:, 1].copy())


def digest_of_edge(name: str, upstream: str, parts: list[tuple[str | None, str]]) -> Lanes:
    tokens = lanes([token(*part) for part in parts])
    everything = Intervals(np.array([0], np.int64), np.array([len(parts)], np.int64))
    return edge_digest(everything.sums(tokens, 0), everything.counts(), name, upstream)


def recipe_of(code: tuple[int, int], edges: list[tuple[str, str, list[tuple[str | None, str]]]]) -> str:
    return recipe(full_lanes(code, 1), [digest_of_edge(*edge) for edge in edges]).hexadecimal()[0]


@settings(max_examples=300, deadline=None)
@given(st.lists(DIGEST, min_size=1, max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))), LANE)
def test_the_sum_of_an_interval_is_the_wrapping_sum_of_its_slice(
    digests: list[tuple[int, int]], ends: list[tuple[int, int]], first: int
) -> None:
    first %= 2**40
    pairs = [sorted(min(end, len(digests)) for end in pair) for pair in ends]
    bounds = np.array(pairs, np.int64).reshape(-1, 2) + first
    sums = Intervals(bounds[:, 0], bounds[:, 1]).sums(lanes(digests), first)
    for position, (low, high) in enumerate(pairs):
        assert int(sums.a[position]) == sum(a for a, _ in digests[low:high]) % 2**64
        assert int(sums.b[position]) == sum(b for _, b in digests[low:high]) % 2**64


@settings(max_examples=200, deadline=None)
@given(DIGEST, st.lists(EDGE, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_edges_and_of_what_they_read_does_not_count(
    code: tuple[int, int], edges: list[tuple[str, str, list[tuple[str | None, str]]]], random: Random
) -> None:
    shuffled = [(name, upstream, random.sample(parts, len(parts))) for name, upstream, parts in edges]
    random.shuffle(shuffled)
    assert recipe_of(code, shuffled) == recipe_of(code, edges)


@settings(max_examples=300, deadline=None)
@given(DIGEST, st.lists(EDGE, min_size=1, max_size=4, unique_by=lambda edge: edge[0]), st.data())
def test_every_token_edge_and_code_counts(
    code: tuple[int, int], edges: list[tuple[str, str, list[tuple[str | None, str]]]], data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(edges) - 1))
    name, upstream, parts = edges[position]
    others = [
        (code, [*edges[:position], *edges[position + 1 :]]),
        (code, [*edges, (f"{name} again", upstream, parts)]),
        (code, [*edges[:position], (f"{name}+", upstream, parts), *edges[position + 1 :]]),
        (code, [*edges[:position], (name, f"{upstream}+", parts), *edges[position + 1 :]]),
        (code, [*edges[:position], (name, upstream, [*parts, ("another", "version")]), *edges[position + 1 :]]),
        ((code[0] ^ 1, code[1]), edges),
        ((code[0], code[1] ^ 2**63), edges),
    ]
    if parts:
        (partition, version), *rest = data.draw(st.permutations(parts))
        moved = f"{partition}+"
        others += [
            (code, [*edges[:position], (name, upstream, changed), *edges[position + 1 :]])
            for changed in (rest, [(partition, f"{version}+"), *rest], [(moved, version), *rest])
            if changed is rest or (moved not in dict(rest))
        ]
    recipes = [recipe_of(*other) for other in others]
    assert recipe_of(code, edges) not in recipes


@settings(max_examples=200, deadline=None)
@given(DIGEST, st.lists(EDGE, min_size=2, max_size=2, unique_by=lambda edge: edge[0]))
def test_two_edges_that_swap_what_they_read_make_another_recipe(
    code: tuple[int, int], edges: list[tuple[str, str, list[tuple[str | None, str]]]]
) -> None:
    (one, first, its), (other, second, others) = edges
    assume(sorted(its, key=repr) != sorted(others, key=repr))
    swapped = [(one, first, others), (other, second, its)]
    assert recipe_of(code, swapped) != recipe_of(code, edges)


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_texts_do_not_run_into_each_other(one: list[str], other: list[str]) -> None:
    assert (text_lanes(*one) == text_lanes(*other)) == (one == other)
