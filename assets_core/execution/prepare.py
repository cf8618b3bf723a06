"""From cells to work: what a worker needs for a step, and what is claimed about each of its cells.

Called by the coordinator when it gives out steps. It looks at the world and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..io.manager import Reference
from ..model.asset import Asset, Edge
from ..model.keys import AssetKey
from ..model.partitions import Partition
from ..model.reads import ColumnsRead
from ..planning.digests import Digests, EdgeNow, code_now, narrowed_alike
from ..planning.intervals import Intervals
from ..planning.observe import source_path
from ..planning.spelling import in_order
from ..planning.state import AssetState
from ..planning.world import World
from ..steps.work import Source, Work, WorkInput
from ..versions.recipe import Ordinals, lanes_text, recipe
from .facts import Claim


@dataclass(slots=True)
class Preparation:
    """Numbers the steps of one run. `root` is the project's folder, against which the paths of sources are read.
    `reads`: which columns of each edge the last cell of an asset has read, all of an edge that is not named."""

    world: World
    root: Path
    steps: int = 0
    reads: dict[AssetKey, Mapping[str, ColumnsRead | None]] = field(default_factory=dict)

    def judgements(self, state: AssetState, ordinals: Ordinals) -> list[Work]:
        """Return the steps that only run the checks of cells again."""
        details = self.world.details(state.asset.key)
        works: list[Work] = []
        for ordinal in ordinals.tolist():
            position = ordinal - state.first
            stored = Reference(state.asset.key, details.version[position], details.file[position])
            works.append(Work(self._number(), state.asset, (ordinal,), (None,), stored=stored))
        return works

    def works(self, state: AssetState, ordinals: Ordinals, seq: int) -> tuple[list[Work], dict[int, Claim]]:
        """Return the steps that make cells, and the claim of each by ordinal; `seq`: the record up to which the world
        is known."""
        if not len(ordinals):
            return [], {}
        asset = state.asset
        edges = Digests(self.world).edges(asset, ordinals - state.first)
        claims = self._claims(state, ordinals, edges, seq)
        works: list[Work] = []
        for group in _runs(ordinals) if asset.batch else [np.array([index]) for index in range(len(ordinals))]:
            chosen = tuple(ordinals[group].tolist())
            partitions = tuple(_partition(asset, ordinal) for ordinal in chosen)
            given = tuple(self._input(now.edge, now.reads, group) for now in edges)
            works.append(Work(self._number(), asset, chosen, partitions, given))
        return works, claims

    def _claims(self, state: AssetState, ordinals: Ordinals, edges: Sequence[EdgeNow], seq: int) -> dict[int, Claim]:
        """Return what is claimed of cells, in the belief that they will read the columns that the last ones read."""
        asset = state.asset
        reads = self.reads.get(asset.key, {})
        code = code_now(state, len(ordinals))
        whole = recipe(code, [now.digest for now in edges]).hexadecimal()
        counted = narrowed_alike(self.world, edges, reads)
        recipes = recipe(code, counted).hexadecimal()
        digests = [digest.hexadecimal() for digest in counted]
        wholes = [now.digest.hexadecimal() for now in edges]
        scheme, code_text = scheme_of(asset), lanes_text(state.code_lanes)
        claims: dict[int, Claim] = {}
        for index, ordinal in enumerate(ordinals.tolist()):
            inputs = [
                [now.edge.name, low, high, digests[number][index]]
                for number, now in enumerate(edges)
                for low, high in now.reads.of(index) or [(0, 0)]  # so that it is on record that nothing was read
            ]
            by_edge = {now.edge.name: wholes[number][index] for number, now in enumerate(edges)}
            claims[ordinal] = Claim(scheme, recipes[index], whole[index], code_text, inputs, by_edge, reads, seq)
        return claims

    def settled(self, state: AssetState, ordinal: int, claim: Claim, reads: Mapping[str, ColumnsRead | None]) -> Claim:
        """Return the claim of a cell now that it is known which columns it has read.

        Where its inputs have moved on meanwhile, the columns that it read are no longer those of the world: then all of
        every input counts.
        """
        if reads == claim.reads:
            return claim
        self.reads[state.asset.key] = reads
        edges = Digests(self.world).edges(state.asset, np.array([ordinal - state.first], np.int64))
        again = self._claims(state, np.array([ordinal], np.int64), edges, claim.position)[ordinal]
        if again.whole == claim.whole:
            return again
        self.reads[state.asset.key] = {}
        whole = [[name, low, high, claim.digests[name]] for name, low, high, _ in claim.inputs]
        return replace(claim, recipe=claim.whole, inputs=whole, reads={})

    def _number(self) -> int:
        self.steps += 1
        return self.steps

    def _input(self, edge: Edge, reads: Intervals, group: Ordinals) -> WorkInput:
        """Return what a step reads through an edge: each upstream partition once, in the order of `in_order`."""
        assert edge.hand_off is not None  # noqa: S101  # edges_now leaves out those only waited for
        upstream = self.world.states[edge.upstream]
        self.world.require_details([edge.upstream])
        if len(group) == 1:
            wanted = [o for low, high in reads.of(int(group[0])) for o in range(low, high)]
        else:
            wanted = np.unique(reads.take(group).enumerated()[0]).tolist()
        if len(wanted) > 1:
            wanted = in_order(upstream.asset.partitions, np.array(wanted, np.int64)).tolist()
        parts = tuple((upstream.key(ordinal), self._part(upstream, ordinal)) for ordinal in wanted)
        return WorkInput(edge.name, edge.hand_off, edge.columns, edge.by_partition, parts, edge.optional)

    def _part(self, upstream: AssetState, ordinal: int) -> Reference | Source:
        asset, position = upstream.asset, ordinal - upstream.first
        details = self.world.details(asset.key)
        if not asset.is_external:
            return Reference(asset.key, details.version[position], details.file[position])
        path = None if asset.path is None else source_path(asset, upstream.key(ordinal), self.root)
        partition = None if asset.partitions is None else asset.partitions.partition(ordinal)
        return Source(asset.key, path, partition, asset.code_version, details.signature[position] or "")


def scheme_of(asset: Asset) -> str:
    """Return what the ordinals of an asset's cells depend on."""
    return "" if asset.partitions is None else asset.partitions.scheme


def _partition(asset: Asset, ordinal: int) -> Partition | None:
    """Return the partition for a function or query that may ask for it."""
    if asset.partitions is None or (asset.partition_parameter is None and asset.query is None):
        return None
    return asset.partitions.partition(ordinal)


def _runs(ordinals: Ordinals) -> list[Ordinals]:
    """Return the positions of ascending ordinals in runs of neighbours."""
    return np.split(np.arange(len(ordinals)), np.flatnonzero(np.diff(ordinals) != 1) + 1)
