"""Do the intervals of planning/intervals.py hold exactly the partitions that a trial of every key finds?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from partition_pairs import CHANGES, NOW, keys_of, mappings, partitions_around, reads, without_skipped

from assets_core.model.mapping import PartitionMapping
from assets_core.model.partitions import HourlyPartitions, Partitions
from assets_core.planning.intervals import Intervals, evaluate
from assets_core.versions.recipe import Lanes, Ordinals


@dataclass(frozen=True)
class Pair:
    """Two definitions, a mapping between them, some cells of the downstream and what each reads, by trial."""

    downstream: Partitions
    upstream: Partitions
    mapping: PartitionMapping
    cells: Ordinals
    bounds: tuple[int, int]
    naive: list[set[int]]

    def intervals(self) -> Intervals:
        return evaluate(self.mapping, self.downstream, self.cells, self.upstream, self.bounds)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    change = draw(st.sampled_from(CHANGES))
    downstream, upstream = draw(partitions_around(change)), draw(partitions_around(change))
    if isinstance(downstream, HourlyPartitions) and draw(st.booleans()):
        upstream = downstream
    mapping = mappings(draw, downstream, upstream)
    assume(mapping is not None)
    assert mapping is not None
    event(f"{downstream.kind} reads {upstream.kind} by {mapping.kind}")
    first, end = downstream.bounds(NOW)
    every = np.arange(first, end, dtype=np.int64)
    chosen = draw(st.lists(st.booleans(), min_size=len(every), max_size=len(every))) if draw(st.booleans()) else None
    cells = every if chosen is None else every[np.array(chosen, np.bool_)]
    known = keys_of(upstream)
    naive = [
        {upstream.ordinal(key) for key in reads(mapping, downstream, downstream.key(cell), upstream, known)}
        for cell in cells.tolist()
    ]
    return Pair(downstream, upstream, mapping, cells, upstream.bounds(NOW), naive)


def ordinals_of(intervals: Intervals, position: int) -> list[int]:
    return [ordinal for low, high in intervals.of(position) for ordinal in range(low, high)]


@settings(max_examples=250, deadline=None)
@given(pairs())
def test_every_mapping_reads_what_a_trial_of_every_key_finds(pair: Pair) -> None:
    found = pair.intervals()
    for position, expected in enumerate(pair.naive):
        ordinals = ordinals_of(found, position)
        assert len(ordinals) == len(set(ordinals)), "an ordinal is read twice"
        keys = without_skipped(pair.upstream, map(pair.upstream.key, ordinals))
        assert keys == without_skipped(pair.upstream, map(pair.upstream.key, expected))


@settings(max_examples=100, deadline=None)
@given(pairs(), st.integers(0, 2**32 - 1))
def test_sums_numbers_and_counts_are_those_of_the_ordinals_read(pair: Pair, seed: int) -> None:
    found = pair.intervals()
    first, end = pair.bounds
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 2**64, (2, end - first), np.uint64)
    flags = random.integers(0, 2, end - first).astype(np.bool_)
    sums, numbers, counts = found.sums(Lanes(a, b), first), found.numbers(flags, first), found.counts()
    assert len(sums) == len(numbers) == len(counts) == len(pair.cells)
    for position in range(len(pair.cells)):
        ordinals = ordinals_of(found, position)
        assert counts[position] == len(ordinals)
        assert numbers[position] == sum(bool(flags[ordinal - first]) for ordinal in ordinals)
        assert int(sums.a[position]) == sum(int(a[ordinal - first]) for ordinal in ordinals) % 2**64
        assert int(sums.b[position]) == sum(int(b[ordinal - first]) for ordinal in ordinals) % 2**64


@settings(max_examples=150, deadline=None)
@given(pairs(), st.integers(0, 2**32 - 1))
def test_the_newest_is_the_last_flagged_one_that_each_cell_reads(pair: Pair, seed: int) -> None:
    found, (first, end) = pair.intervals(), pair.bounds
    flags = np.random.default_rng(seed).integers(0, 2, end - first).astype(np.bool_)
    newest = found.newest(flags, first)
    assert len(newest.counts()) == len(pair.cells)
    assert newest.starts is None
    for position in range(len(pair.cells)):
        there = [ordinal for ordinal in ordinals_of(found, position) if flags[ordinal - first]]
        assert ordinals_of(newest, position) == there[-1:]
        assert all(first <= low <= high <= end for low, high in newest.of(position))


@settings(max_examples=100, deadline=None)
@given(pairs(), st.data())
def test_taken_intervals_are_those_of_the_cells_taken(pair: Pair, data: st.DataObject) -> None:
    found = pair.intervals()
    assume(len(pair.cells))
    index = data.draw(st.lists(st.integers(0, len(pair.cells) - 1)))
    taken = found.take(np.array(index, np.int64))
    assert len(taken.counts()) == len(index)
    for position, original in enumerate(index):
        assert ordinals_of(taken, position) == ordinals_of(found, original)


@settings(max_examples=100, deadline=None)
@given(pairs(), st.data())
def test_a_span_holds_every_cell_that_reads_one_of_its_ordinals(pair: Pair, data: st.DataObject) -> None:
    found = pair.intervals()
    if not found.advance():
        return
    low = data.draw(st.integers(pair.bounds[0] - 2, pair.bounds[1] + 2))
    high = data.draw(st.integers(low, pair.bounds[1] + 3))
    span = range(len(pair.cells))[found.span(low, high)]
    readers = [i for i in range(len(pair.cells)) if any(low <= ordinal < high for ordinal in ordinals_of(found, i))]
    assert set(readers) <= set(span)
