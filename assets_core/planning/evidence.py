"""The evidence for each cause of a plan: which upstream, which of its partitions. Words and JSON come from here alone.

Used by the commands that print a plan or explain a cell. It looks at the same digests as `staleness.py`, so that an
explanation cannot disagree with a decision.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..model.asset import Edge
from ..model.keys import AssetKey
from ..versions.recipe import Ordinals
from .intervals import Flags, Intervals
from .plan import AssetSteps, Plan
from .ranges import range_texts
from .staleness import Cause, unknown_values
from .state import AssetState, World


@dataclass(frozen=True, slots=True)
class RecordedInput:
    """What an edge handed over when a cell's current version was made, as of which journal position.

    `digest`: the first lane of it, enough for evidence; what is stale is decided by both lanes of the recipe.
    """

    digest: int
    position: int


class History(Protocol):
    """What the catalog knows of the past, for the assets of a plan."""

    def inputs(self, asset: AssetKey) -> Mapping[tuple[str | None, str], RecordedInput]:
        """Return what was read, by partition key of the cell and name of the edge."""
        ...

    def versions(self, asset: AssetKey) -> Mapping[str | None, tuple[list[int], list[str]]]:
        """Return the versions that each cell had, by partition key: journal positions, ascending, and versions."""
        ...


@dataclass(slots=True)
class _EdgeEvidence:
    """One edge of an asset's stale cells: which cells it makes stale, and where each reads."""

    edge: Edge
    reads: Intervals
    changed: Flags
    will_run: Flags
    recorded: list[RecordedInput | None]


@dataclass(slots=True)
class StepEvidence:
    """The evidence for the stale cells of one asset; arrays are parallel to `steps.ordinals`."""

    steps: AssetSteps
    world: World
    history: History
    edges: list[_EdgeEvidence] = field(default_factory=list)
    no_longer_read: dict[str, Flags] = field(default_factory=dict)
    will_run: Mapping[AssetKey, Ordinals] = field(default_factory=dict)

    def causes(self, index: int) -> list[dict[str, Any]]:
        """Return the causes of one cell as JSON values, the certain ones first."""
        return self.causes_of(np.array([index], np.int64))

    def causes_of(self, index: Ordinals) -> list[dict[str, Any]]:
        """Return the causes that some cells of equal causes share, with the upstream partitions of all of them."""
        found: list[dict[str, Any]] = []
        bits = Cause(int(self.steps.causes[index[0]]))
        for cause in Cause:
            if cause not in bits:
                continue
            if cause is Cause.INPUT_CHANGED:
                found.extend(self._changed(index))
            elif cause is Cause.UPSTREAM_WILL_RUN:
                found.extend(self._will_run(index))
            elif cause is Cause.UNKNOWN:
                found.append({"kind": cause.kind, "values": unknown_values(self.world, self.steps.asset)})
            else:
                found.append({"kind": cause.kind})
        return found

    def _changed(self, index: Ordinals) -> Iterator[dict[str, Any]]:
        for evidence in self.edges:
            own = index[evidence.changed[index]]
            if len(own):
                ordinals = {o for i in own.tolist() for o in self._changed_partitions(evidence, i)}
                yield self._upstream(Cause.INPUT_CHANGED, evidence.edge, ordinals)
        for name, flags in self.no_longer_read.items():
            if flags[index].any():
                yield {"kind": Cause.INPUT_CHANGED.kind, "upstream": name, "partitions": [], "no_longer_read": True}

    def _will_run(self, index: Ordinals) -> Iterator[dict[str, Any]]:
        for evidence in self.edges:
            own = index[evidence.will_run[index]]
            if len(own):
                running = set(self.will_run[evidence.edge.upstream].tolist())
                ordinals = {
                    o
                    for i in own.tolist()
                    for low, high in evidence.reads.of(i)
                    for o in range(low, high)
                    if o in running
                }
                yield self._upstream(Cause.UPSTREAM_WILL_RUN, evidence.edge, ordinals)

    def _upstream(self, cause: Cause, edge: Edge, ordinals: Iterable[int]) -> dict[str, Any]:
        partitions = self.world.states[edge.upstream].asset.partitions
        ascending = np.array(sorted(ordinals), np.int64)
        return {"kind": cause.kind, "upstream": edge.upstream, "partitions": range_texts(partitions, ascending)}

    def _changed_partitions(self, evidence: _EdgeEvidence, index: int) -> Iterator[int]:
        """Yield the upstream ordinals whose version is not the one that the cell read."""
        upstream = self.world.states[evidence.edge.upstream]
        recorded = evidence.recorded[index]
        for low, high in evidence.reads.of(index):
            for ordinal in range(low, high):
                if recorded is None or self._version_then(upstream, ordinal, recorded) != _version_now(
                    upstream, ordinal
                ):
                    yield ordinal

    def _version_then(self, upstream: AssetState, ordinal: int, recorded: RecordedInput) -> str | None:
        positions, versions = self.history.versions(upstream.asset.key).get(upstream.key(ordinal), ([], []))
        place = bisect.bisect_right(positions, recorded.position)
        return versions[place - 1] if place else None

    def groups(self) -> Iterator[tuple[Ordinals, list[dict[str, Any]]]]:
        """Yield the stale cells in groups of equal causes: their positions and the causes that they share."""
        keys = self.steps.causes.astype(np.int64)
        for evidence in self.edges:
            keys = keys * 4 + evidence.changed * 2 + evidence.will_run
        for key in dict.fromkeys(keys.tolist()):
            index = np.flatnonzero(keys == key)
            yield index, self.causes_of(index)


def _version_now(upstream: AssetState, ordinal: int) -> str | None:
    version: str | None = upstream.version[ordinal - upstream.first]
    return version


def evidence_of(plan: Plan, steps: AssetSteps, history: History) -> StepEvidence:
    """Return the evidence for the stale cells of one asset of a plan."""
    state = plan.world.states[steps.asset.key]
    will_run = {  # a cell that is only judged again changes nothing for its readers
        other.asset.key: other.ordinals[~other.blocked & (other.causes != Cause.CONTRACT_CHANGED)]
        for other in plan.steps
    }
    evidence = StepEvidence(steps, plan.world, history, will_run=will_run)
    input_changed = (steps.causes & Cause.INPUT_CHANGED) != 0
    keys = [state.key(ordinal) for ordinal in steps.ordinals.tolist()]
    recorded = history.inputs(steps.asset.key) if input_changed.any() else {}
    for edge, reads, now in plan.world.edges_now(steps.asset, steps.ordinals - state.first):
        then = [recorded.get((key, edge.name)) for key in keys]
        flags = input_changed & (now.a != np.array([0 if item is None else item.digest for item in then], np.uint64))
        upstream = plan.world.states[edge.upstream]
        running = np.zeros(len(upstream), np.bool_)
        if edge.upstream in will_run:
            running[will_run[edge.upstream] - upstream.first] = True
        provisional = (steps.causes & Cause.UPSTREAM_WILL_RUN) != 0
        evidence.edges.append(
            _EdgeEvidence(edge, reads, flags, provisional & (reads.numbers(running, upstream.first) > 0), then)
        )
    names = {edge.name for edge in steps.asset.edges}
    for name in sorted({name for _, name in recorded} - names):
        evidence.no_longer_read[name] = input_changed & np.array([(key, name) in recorded for key in keys], np.bool_)
    return evidence


def words(cause: Mapping[str, Any]) -> str:
    """Return a cause in words: `input changed: raw_flights@2013-01-01`."""
    text = str(cause["kind"]).replace("_", " ")
    if "upstream" in cause:
        partitions = cause["partitions"]
        shown = ", ".join(partitions[:3]) + (f" and {len(partitions) - 3} more" if len(partitions) > 3 else "")
        text += f": {cause['upstream']}{f'@{shown}' if shown else ''}"
        text += " is no longer read" if cause.get("no_longer_read") else ""
    if cause.get("values"):
        text += f": the content of {', '.join(cause['values'])} cannot be determined"
    return text
