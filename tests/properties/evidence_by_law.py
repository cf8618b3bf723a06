"""Does the evidence of a plan name what changed: the upstreams and the partitions that the oracle finds different?

Used by the scenarios. Only what a cell reads now can be listed, so a partition that it reads no more is not required.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from naive_oracle import Cell, Oracle
from naive_partitions import slots

from assets_core.planning.evidence import evidence_of
from assets_core.planning.history import CatalogHistory
from assets_core.planning.plan import Plan

Causes = Sequence[Mapping[str, Any]]
Keys = dict[str, set[str | None]]
"""Partition keys by upstream."""


def require_evidence(planned: Plan, state_folder: Path, oracle: Oracle, will_run: set[Cell]) -> None:
    """Require that each cause with an upstream is shown with what the law has against it."""
    history = CatalogHistory(state_folder)
    for steps in planned.steps:
        evidence = evidence_of(planned, steps, history)
        state = planned.world.states[steps.asset.key]
        for index, ordinal in enumerate(steps.ordinals.tolist()):
            cell = str(steps.asset.key), state.key(ordinal)
            causes = {
                kind: [cause for cause in evidence.causes(index) if cause["kind"] == kind]
                for kind in ("input_changed", "upstream_will_run")
            }
            if causes["input_changed"]:
                _require_changed(cell, causes["input_changed"], oracle)
            if causes["upstream_will_run"]:
                assert _listed(causes["upstream_will_run"], oracle) == _running(cell, oracle, will_run)


def _require_changed(cell: Cell, causes: Causes, oracle: Oracle) -> None:
    before, now = oracle.made[cell].inputs, oracle.inputs(cell)
    gone = {cause["upstream"] for cause in causes if cause.get("no_longer_read")}
    assert gone == before.keys() - now.keys()
    listed = _listed([cause for cause in causes if not cause.get("no_longer_read")], oracle)
    different = {name for name in now if before.get(name) != now[name]}
    assert listed.keys() == {now[name][0] for name in different}
    required: Keys = defaultdict(set)
    possible: Keys = defaultdict(set)
    for name in different:
        upstream, versions = now[name]
        former = before[name][1] if name in before and before[name][0] == upstream else {}
        possible[upstream] |= versions.keys()
        required[upstream] |= {key for key in versions if key in former and _differs(former[key], versions[key])}
    for upstream, keys in listed.items():
        if oracle.project.assets[upstream].scheme is not None:
            assert required[upstream] <= keys <= possible[upstream]


def _differs(former: object, now: object) -> bool:
    """Tell whether two versions, as they are read, differ in the same columns."""
    if isinstance(former, dict) and isinstance(now, dict):
        return former.keys() == now.keys() and former != now
    return isinstance(former, dict) == isinstance(now, dict) and former != now


def _running(cell: Cell, oracle: Oracle, will_run: set[Cell]) -> Keys:
    asset = oracle.project.assets[cell[0]]
    found: Keys = defaultdict(set)
    for given in asset.inputs:
        keys = {key for key in oracle.reads(asset, given, cell) if (given.upstream, key) in will_run}
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
