"""Does the evidence of a plan name what changed: the upstreams and the partitions that the oracle finds different?

Used by the scenarios. Only what a cell reads now can be listed, so a partition that it reads no more is not required.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from naive_oracle import Cell, Oracle
from naive_partitions import slots

from assets_core.planning.evidence import Evidence
from assets_core.planning.plan import Plan

Causes = Sequence[Mapping[str, Any]]
Keys = dict[str, set[str | None]]
"""Partition keys by upstream."""


def require_evidence(planned: Plan, evidence: Evidence, oracle: Oracle, will_run: set[Cell]) -> None:
    """Require that each cause with an upstream is shown with what the law has against it."""
    for steps in planned.steps:
        found = evidence.of(steps)
        state = planned.world.states[steps.asset.key]
        for index, ordinal in enumerate(steps.ordinals.tolist()):
            cell = str(steps.asset.key), state.key(ordinal)
            causes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
            for cause in found.causes(index):
                causes[cause["kind"]].append(cause)
            if cell in oracle.made:
                _require_changed(cell, causes, oracle)
            if "upstream_will_run" in causes:
                assert _listed(causes["upstream_will_run"], oracle) == _running(cell, oracle, will_run)
            for kind in ("code_changed", "parameter_changed", "library_changed"):
                assert all(cause["parts"] and cause["diff"] for cause in causes[kind])


def _require_changed(cell: Cell, causes: Mapping[str, Causes], oracle: Oracle) -> None:
    """The inputs that differ are named, as what they are, with all partitions that differ and none that is not read."""
    then, now = oracle.made[cell].reads, oracle.reads_now(cell)
    different = oracle.changed_inputs(cell)
    rewired = causes.get("inputs_rewired", ())
    assert {cause["upstream"] for cause in rewired if cause["change"] == "no longer read"} == different - now.keys()
    anew = {name for name in different & now.keys() if oracle.kind(then.get(name), now[name]) == "inputs_rewired"}
    assert {cause["upstream"] for cause in rewired if cause["change"] != "no longer read"} == {
        now[name].upstream for name in anew
    }
    plain = [*causes.get("input_changed", ()), *causes.get("source_changed", ())]
    listed = _listed([cause for cause in plain if "upstream" in cause], oracle)
    changed = (different & now.keys()) - anew
    assert listed.keys() == {now[name].upstream for name in changed}
    required: Keys = defaultdict(set)
    possible: Keys = defaultdict(set)
    for name in changed:
        upstream, versions, former = now[name].upstream, now[name].versions, then[name].versions
        possible[upstream] |= versions.keys()
        required[upstream] |= {key for key in versions if key in former and former[key] != versions[key]}
    for upstream, keys in listed.items():
        if oracle.project.assets[upstream].scheme is not None:
            assert required[upstream] <= keys <= possible[upstream]


def _running(cell: Cell, oracle: Oracle, will_run: set[Cell]) -> Keys:
    asset = oracle.project.assets[cell[0]]
    found: Keys = defaultdict(set)
    for given in asset.inputs:
        keys = {key for key in oracle.waits(asset, given, cell) if (given.upstream, key) in will_run}
        if keys:
            found[given.upstream] |= keys - {None}
    return found


def _listed(causes: Causes, oracle: Oracle) -> Keys:
    """Return the partitions that causes list, by upstream, ranges written out."""
    found: Keys = defaultdict(set)
    for cause in causes:
        keys = [slot.key for slot in slots(oracle.project.assets[cause["upstream"]].scheme)]
        found[cause["upstream"]] |= set()
        for text in cause["partitions"]:
            first, _, last = text.partition("..")
            found[cause["upstream"]] |= set(keys[keys.index(first) : keys.index(last or first) + 1])
    return found
