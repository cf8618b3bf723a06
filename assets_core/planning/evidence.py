"""The evidence for each cause of a plan: which upstream, which of its partitions, which code. JSON comes from here
alone, words from `words.py`.

Used by the commands that print a plan or explain a cell. It looks at the same digests as `staleness.py`, so that an
explanation cannot disagree with a decision.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.code_part import CodePart
from ..model.keys import AssetKey
from ..versions.code_changes import PartChange, compare
from ..versions.recipe import Ordinals
from .changes import EdgeChange, InputChanges, covered
from .intervals import Flags
from .plan import AssetSteps, Plan
from .plan_past import PlanPast
from .ranges import range_texts
from .staleness import Cause, Causes, unknown_values
from .state import AssetState, layout_of

CodeNow = Callable[[AssetKey], Sequence[CodePart]]
_DEEPEST = 50  # levels that a chain is told up; the roots of each cause are named at any depth
_KINDS = {"parameter": Cause.PARAMETER_CHANGED, "library": Cause.LIBRARY_CHANGED}


class Evidence:
    """The evidence for a plan. `code_now` returns the parts of an asset's code as it is defined now. `in_full`: also
    which columns of an input changed, which is asked of the past group by group."""

    def __init__(self, plan: Plan, code_now: CodeNow, *, in_full: bool = False) -> None:
        self.plan = plan
        self.code_now = code_now
        self.in_full = in_full
        self.past = PlanPast(plan)
        self._found: dict[AssetKey, StepEvidence] = {}
        self._running: dict[AssetKey, Flags] = {}
        self._roots: dict[AssetKey, list[tuple[AssetKey, str]]] = {}

    def of(self, steps: AssetSteps) -> StepEvidence:
        """Return the evidence for the stale cells of one asset."""
        key = steps.asset.key
        if key not in self._found:
            self._found[key] = StepEvidence(self, steps)
        return self._found[key]

    def upstream(self, key: AssetKey) -> StepEvidence | None:
        """Return the evidence for an upstream, None where nothing of it will run."""
        return self.of(self.past.steps[key]) if key in self.past.steps else None

    def will_run(self, key: AssetKey) -> Ordinals:
        """Return the cells of an asset that will be made: one that is only judged again changes nothing."""
        steps = self.past.steps.get(key)
        if steps is None:
            return np.zeros(0, np.int64)
        made: Ordinals = steps.ordinals[~steps.blocked & (steps.causes != Cause.CONTRACT_CHANGED)]
        return made

    def running(self, key: AssetKey) -> tuple[Flags, int]:
        """Return which cells of an asset will be made, and its first ordinal."""
        state = self.plan.world.states[key]
        if key not in self._running:
            self._running[key] = np.zeros(len(state), np.bool_)
            self._running[key][self.will_run(key) - state.first] = True
        return self._running[key], state.first

    def roots(self, key: AssetKey) -> list[tuple[AssetKey, str]]:
        """Return which certain causes, of which assets, make cells of an asset run: its own, and, where some of its
        cells are only provisional, those further up."""
        if not self._roots:
            for steps in self.plan.steps:  # upstreams come first
                self._roots[steps.asset.key] = self._roots_of(steps)
        return self._roots.get(key, [])

    def _roots_of(self, steps: AssetSteps) -> list[tuple[AssetKey, str]]:
        runs = self.of(steps).refined[~steps.blocked]
        kinds = Cause(int(np.bitwise_or.reduce(runs, initial=0))) & ~Cause.UPSTREAM_WILL_RUN
        found = dict.fromkeys((steps.asset.key, cause.kind) for cause in Cause if cause in kinds)
        if (runs == Cause.UPSTREAM_WILL_RUN).any():
            for edge in steps.asset.edges:
                if edge.hand_off is not None:
                    found |= dict.fromkeys(self._roots.get(edge.upstream, []))
        return list(found)


@dataclass(frozen=True)
class StepEvidence:
    """The evidence for the stale cells of one asset; arrays are parallel to `steps.ordinals`."""

    whole: Evidence
    steps: AssetSteps

    @property
    def state(self) -> AssetState:
        return self.whole.plan.world.states[self.steps.asset.key]

    @cached_property
    def _positions(self) -> Ordinals:
        return self.steps.ordinals - self.state.first

    @cached_property
    def _changes(self) -> InputChanges:
        changed = (self.steps.causes & Cause.INPUT_CHANGED) != 0
        return InputChanges(self.whole.past, self.state, self._positions, changed)

    @cached_property
    def refined(self) -> Causes:
        """Return the causes of each cell, with what kind of change each change of code or of inputs is."""
        causes = self.steps.causes & ~(Cause.CODE_CHANGED | Cause.INPUT_CHANGED)
        for change in self._changes.edges:
            plain = Cause.SOURCE_CHANGED if self._is_external(change) else Cause.INPUT_CHANGED
            causes[change.rewired] |= Cause.INPUTS_REWIRED
            causes[change.changed & ~change.rewired] |= plain
        for flags in self._changes.no_longer_read().values():
            causes[flags] |= Cause.INPUTS_REWIRED
        unexplained = (self.steps.causes & Cause.INPUT_CHANGED != 0) & (causes & _OF_INPUTS == 0)
        causes[unexplained] |= Cause.INPUT_CHANGED
        for kind, (bits, _) in enumerate(self._code_changes):
            causes[self._code_kinds == kind] |= bits
        causes[self._rolled_back & (causes != 0)] |= Cause.ROLLED_BACK
        return causes

    def _is_external(self, change: EdgeChange) -> bool:
        return self.whole.plan.world.states[change.edge.upstream].asset.is_external

    # Code

    @cached_property
    def _code_kinds(self) -> Ordinals:
        """Return for each cell the number of its change in `_code_changes`, -1 where its code is that of now."""
        return self._code[0]

    @cached_property
    def _code_changes(self) -> list[tuple[Cause, tuple[PartChange, ...]]]:
        return self._code[1]

    @cached_property
    def _code(self) -> tuple[Ordinals, list[tuple[Cause, tuple[PartChange, ...]]]]:
        kinds = np.full(len(self.steps), -1, np.int64)
        index = np.flatnonzero(self.steps.causes & Cause.CODE_CHANGED)
        if not len(index):
            return kinds, []
        lanes = self.state.cells.code[self._positions[index]]
        unique, inverse = np.unique(lanes.a, return_inverse=True)
        kinds[index] = inverse
        then, now = self.whole.past.code_then.get(self.steps.asset.key, {}), self.whole.code_now(self.steps.asset.key)
        found: list[tuple[Cause, tuple[PartChange, ...]]] = []
        for lane in unique.tolist():
            changes = compare(then[lane], now) if lane in then else ()
            bits = Cause(0)
            for change in changes:
                bits |= _KINDS.get(change.kind, Cause.CODE_CHANGED)
            found.append((bits or Cause.CODE_CHANGED, changes))
        return kinds, found

    # Groups

    def groups(self) -> Iterator[tuple[Ordinals, list[dict[str, Any]]]]:
        """Yield the stale cells in groups of equal causes: their positions and the causes that they share."""
        yield from self.grouped(np.arange(len(self.steps)))

    def grouped(self, chosen: Ordinals) -> Iterator[tuple[Ordinals, list[dict[str, Any]]]]:
        """Yield some of the stale cells in groups of equal causes."""
        keys = self._kinds[chosen]
        for key in dict.fromkeys(keys.tolist()):
            index = chosen[keys == key]
            yield index, self.causes_of(index)

    @cached_property
    def _kinds(self) -> Ordinals:
        """Return numbers that are equal for cells of equal causes through equal edges."""
        keys = self.refined * (len(self._code_changes) + 1) + self._code_kinds
        for change, through in self._provisional:
            keys = _numbered(keys) * 4 + change.changed * 2 + through
        judged_anew = (self.steps.causes & Cause.CONTRACT_CHANGED) != 0
        if judged_anew.any():
            checks = self.whole.past.checks_of(self.steps.asset.key)[self._positions].astype(np.str_)
            keys = _numbered(keys) * len(keys) + _numbered(np.where(judged_anew, checks, ""))
        return keys

    def chain(self, chosen: Ordinals) -> list[dict[str, Any]]:
        """Return why some cells are stale, down to the roots: `asset`, `partitions`, `causes`, and `upstream`, the same
        of what will run upstream of them; what stands in the chain already is left out, and what is very far away."""
        told: list[dict[str, Any]] = []
        seen: set[tuple[AssetKey, bytes]] = set()
        pending = deque([(self, chosen, told, 0, True)])
        while pending:
            evidence, cells, nodes, depth, goes_back = pending.popleft()
            key, partitions = evidence.steps.asset.key, evidence.steps.asset.partitions
            for index, causes in evidence.grouped(cells):
                if (key, index.tobytes()) in seen:
                    continue
                seen.add((key, index.tobytes()))
                ranges = range_texts(partitions, evidence.steps.ordinals[index])
                node: dict[str, Any] = {"asset": key, "partitions": ranges, "causes": causes, "upstream": []}
                nodes.append(node)
                if depth < _DEEPEST:
                    for one, positions, is_own in evidence.running_steps(index):
                        if goes_back or not is_own:
                            pending.append((one, positions, node["upstream"], depth + 1, not is_own))
        return told

    def running_steps(self, index: Ordinals) -> Iterator[tuple[StepEvidence, Ordinals, bool]]:
        """Yield what will run upstream of some cells: evidence, positions, and whether it is of the same asset.

        Of earlier cells of the same asset, those that are not provisional: through the others leads the same way.
        """
        for change, ordinals in self.running_upstream(index):
            evidence = self.whole.upstream(change.edge.upstream)
            if evidence is None:
                continue
            is_own = evidence.steps.asset.key == self.steps.asset.key
            if is_own:
                earlier = np.arange(int(index.max()))
                yield evidence, earlier[self.steps.causes[earlier] != Cause.UPSTREAM_WILL_RUN], True
            else:
                yield evidence, np.searchsorted(evidence.steps.ordinals, ordinals), False

    def causes(self, index: int) -> list[dict[str, Any]]:
        """Return the causes of one cell as JSON values, the certain ones first."""
        return self.causes_of(np.array([index], np.int64))

    def causes_of(self, index: Ordinals) -> list[dict[str, Any]]:
        """Return the causes that some cells of equal causes share, with the upstream partitions of all of them."""
        bits = Cause(int(self.refined[index[0]]))
        found = [cause for kind in Cause if kind in bits for cause in self._evidence(kind, index)]
        return sorted(found, key=lambda cause: cause["kind"] == Cause.UPSTREAM_WILL_RUN.kind)

    def _evidence(self, cause: Cause, index: Ordinals) -> Iterator[dict[str, Any]]:
        plain = {"kind": cause.kind}
        match cause:
            case Cause.CODE_CHANGED | Cause.PARAMETER_CHANGED | Cause.LIBRARY_CHANGED:
                yield {**plain, **self._code_evidence(cause, index)}
            case Cause.INPUT_CHANGED | Cause.SOURCE_CHANGED:
                yield from self._changed(cause, index)
            case Cause.INPUTS_REWIRED:
                yield from self._rewired(index)
            case Cause.UPSTREAM_WILL_RUN:
                yield from self._will_run(index)
            case Cause.UNKNOWN:
                yield {**plain, "values": unknown_values(self.whole.plan.world, self.steps.asset)}
            case Cause.EXPIRED:
                yield {**plain, "after_seconds": self.steps.asset.expires_after_seconds}
            case Cause.ROLLED_BACK:
                records = sorted({self._rollbacks[p] for p in self._positions[index].tolist() if p in self._rollbacks})
                yield {**plain, "record": records[-1][0], "reason": records[-1][1]}
            case Cause.MISSING:
                yield {**plain, **self._redefined}
            case Cause.CONTRACT_CHANGED:
                yield {**plain, "checks": self._changed_checks(index)}
            case _:
                yield plain

    def _code_evidence(self, cause: Cause, index: Ordinals) -> dict[str, Any]:
        kind = int(self._code_kinds[index[0]])
        changes = self._code_changes[kind][1] if kind >= 0 else ()
        own = [change for change in changes if _KINDS.get(change.kind, Cause.CODE_CHANGED) is cause]
        return {
            "parts": [{"kind": change.kind, "name": change.name, "change": change.change} for change in own],
            "diff": [line for change in own for line in change.diff()],
        }

    def _changed(self, cause: Cause, index: Ordinals) -> Iterator[dict[str, Any]]:
        found = False
        for change in self._changes.edges:
            own = index[change.changed[index] & ~change.rewired[index]]
            if len(own) and self._is_external(change) == (cause is Cause.SOURCE_CHANGED):
                found = True
                told = self._upstream(cause, change, self._changes.partitions(change, own)[0])
                if not told["partitions"] and (fewer := self._changes.no_longer_there(change, own)):
                    told["fewer"] = fewer
                columns = self._changes.columns(change, own) if self.whole.in_full else []
                yield told | ({"columns": columns} if columns else {})
        if not found:  # a second lane alone tells them apart, or what was read is not recorded any more
            yield {"kind": cause.kind}

    def _rewired(self, index: Ordinals) -> Iterator[dict[str, Any]]:
        kind = Cause.INPUTS_REWIRED.kind
        for change in self._changes.edges:
            if change.rewired[index].any():
                yield {"kind": kind, "upstream": change.edge.upstream, "partitions": [], "change": "declared anew"}
        for name, flags in self._changes.no_longer_read().items():
            if flags[index].any():
                yield {"kind": kind, "upstream": name, "partitions": [], "change": "no longer read"}

    @cached_property
    def _provisional(self) -> list[tuple[EdgeChange, Flags]]:
        """Return with each edge which cells are provisional, among others, through it."""
        provisional = (self.steps.causes & Cause.UPSTREAM_WILL_RUN) != 0
        found: list[tuple[EdgeChange, Flags]] = []
        for change in self._changes.edges:
            running, first = self.whole.running(change.edge.upstream)
            found.append((change, provisional & (change.waits.numbers(running, first) > 0)))
        return found

    def running_upstream(self, index: Ordinals) -> Iterator[tuple[EdgeChange, Ordinals]]:
        """Yield, edge by edge, the upstream ordinals that some cells wait for and that will run."""
        for change, through in self._provisional:
            own = index[through[index]]
            if len(own):
                waits = change.waits.take(own)
                running, first = self.whole.running(change.edge.upstream)
                low, high = waits.hull()
                hit = running[low - first : high - first] & covered(waits, low, high - low)
                yield change, low + np.flatnonzero(hit)

    def _will_run(self, index: Ordinals) -> Iterator[dict[str, Any]]:
        for change, ordinals in self.running_upstream(index):
            cause = self._upstream(Cause.UPSTREAM_WILL_RUN, change, ordinals)
            roots = self.whole.roots(change.edge.upstream)
            yield {**cause, "roots": [{"asset": asset, "kind": kind} for asset, kind in roots]}

    def _upstream(self, cause: Cause, change: EdgeChange, ordinals: Ordinals) -> dict[str, Any]:
        partitions = self.whole.plan.world.states[change.edge.upstream].asset.partitions
        return {"kind": cause.kind, "upstream": change.edge.upstream, "partitions": range_texts(partitions, ordinals)}

    def _changed_checks(self, index: Ordinals) -> list[dict[str, str]]:
        """Return which checks are not those that judged a cell, as far as their declaration is recorded."""
        judged_by = self.whole.past.checks_of(self.steps.asset.key)[self._positions[index[0]]]
        for _, document in self.whole.past.declarations.get(self.steps.asset.key, ()):
            declared = {} if document is None else json.loads(document)
            if "checks" in declared and declared["checks_version"] == (judged_by or ""):
                then = dict(declared["checks"])
                now = {spec.name: spec.version for spec in self.steps.asset.checks}
                words = {(True, True): "changed", (True, False): "removed", (False, True): "added"}
                names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
                return [{"name": name, "change": words[name in then, name in now]} for name in names]
        return []

    # What is asked of the past

    @cached_property
    def _rollbacks(self) -> dict[int, tuple[int, str | None]]:
        """Return record and reason of the rollback of each cell that one made current, by position."""
        rows = self.whole.past.rollbacks.get(self.steps.asset.key)
        if rows is None:
            return {}
        at, cells = layout_of(self.state).positions(rows)
        seqs, reasons = rows["seq"][at].tolist(), rows["reason"][at].tolist()
        return dict(zip(cells.tolist(), zip(seqs, reasons, strict=True), strict=True))

    @property
    def _rolled_back(self) -> Flags:
        return np.isin(self._positions, np.array(list(self._rollbacks), np.int64))

    @cached_property
    def _redefined(self) -> dict[str, Any]:
        """Return what the partitions were, where cells are recorded that the definition does not have any more."""
        if not self.state.outside:
            return {}
        declared = [document for _, document in self.whole.past.declarations.get(self.steps.asset.key, ())]
        given = None if declared[-1:] in ([], [None]) else json.loads(declared[-1] or "null")
        now = self.steps.asset.partitions
        if given is None or given["partitions"] == (None if now is None else now.describe()):
            return {}
        return {"partitions_were": given["partitions"], "outside": self.state.outside}


_OF_INPUTS = int(Cause.INPUT_CHANGED | Cause.INPUTS_REWIRED | Cause.SOURCE_CHANGED)


def _numbered(keys: npt.NDArray[Any]) -> Ordinals:
    """Return small numbers that are equal where the keys are."""
    return np.unique(keys, return_inverse=True)[1]
