"""A random project as arrays alone, a catalog in dictionaries, and the law beside both.

Used by the planner's properties: no file is written and nothing is imported, so that thousands of histories take
seconds. Runs are simulated in the order in which the product would make the cells; each records what a run records.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from array_project import assets_of, code_parts, digest
from evidence_by_law import require_evidence
from histories import History, Step
from hypothesis import currently_in_test_context, event
from naive_code import counted
from naive_oracle import JUDGED_ONLY, Cell, Made, Oracle, Outcome
from random_project import Asset as Drawn
from random_project import Frame, Project, csv_text
from recorded_past import Entry, Recorded
from require import kinds_of, plain_cause, require_equal

from assets_core.execution.facts import declared
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey
from assets_core.model.reads import ColumnsRead
from assets_core.planning.cells import NOT_RECORDED
from assets_core.planning.choose import states_of
from assets_core.planning.digests import Digests, code_now, narrowed_alike
from assets_core.planning.evidence import Evidence
from assets_core.planning.outputs import expire
from assets_core.planning.plan import make_plan
from assets_core.planning.staleness import own_causes
from assets_core.planning.world import World, empty_world
from assets_core.versions.recipe import lanes_text, recipe, token

START = datetime(2030, 1, 1, tzinfo=UTC)


class Simulated(Oracle):
    """An oracle that records what it makes as a run does, and compares what the product thinks of each cell before."""

    def __init__(self) -> None:
        super().__init__(Project({}, {}, {}))
        self.recorded = Recorded()
        self.now = START
        self.world = empty_world(Graph([]), START)
        self.drifted: set[Cell] = set()

    def look(self) -> World:
        """Return the world as the product would read it."""
        world = empty_world(Graph(assets_of(self.project)), self.now, self.recorded)
        self.recorded.partitioned = frozenset(
            key for key, asset in self.project.assets.items() if asset.scheme is not None
        )
        for cell, entry in self.recorded.current.items():
            state = world.states.get(AssetKey(cell[0]))
            if state is None or state.asset.is_external or (ordinal := state.ordinal(cell[1])) is None:
                continue
            state.take(ordinal, entry.payload, entry.published_seq)
            position = ordinal - state.first
            state.cells.narrowed[position] = entry.payload["whole"] is not None
            state.cells.judged[position] = entry.checks == state.checks_version
            state.cells.drifted[position] = self.is_drifted(cell)
        for key, state in world.states.items():
            for ordinal in state.ordinals.tolist() if state.asset.is_external else ():
                self._observe(world, key, ordinal)
        expire(world)
        return world

    def _observe(self, world: World, key: AssetKey, ordinal: int) -> None:
        state = world.states[key]
        position, cell = ordinal - state.first, (str(key), state.key(ordinal))
        rows, cells = self.project.files[cell], state.cells
        cells.present[position] = rows is not None
        cells.position[position] = NOT_RECORDED
        if rows is not None:
            version = digest((state.asset.code_version, csv_text(rows)))
            cells.token.a[position], cells.token.b[position] = token(cell[1], version)
            known, seq = self.recorded.observed.get(cell, ("", 0))
            if known == version:
                cells.position[position] = seq

    def begin(self) -> None:
        """Read what a run reads before anything moves; record definitions, code, what was observed."""
        self.world.require_details(self.world.states)
        self.world.require_readings(self.world.states)
        self.world.require_columns(key for key, state in self.world.states.items() if not state.asset.is_external)
        for asset in self.world.graph.assets.values():
            text = json.dumps(declared(asset))
            listed = self.recorded.declared.setdefault(asset.key, [])
            if not listed or listed[-1][1] != text:
                listed.append((self.recorded.next(), text))
            self.recorded.parts[asset.key, asset.code_version] = code_parts(
                self.project.assets[asset.key], self.project
            )
            state = self.world.states[asset.key]
            for ordinal in state.ordinals.tolist() if asset.is_external else ():
                cell, position = (str(asset.key), state.key(ordinal)), ordinal - state.first
                rows = self.project.files[cell]
                if rows is not None and state.cells.position[position] == NOT_RECORDED:
                    seq = self.recorded.next()
                    self.recorded.observed[cell] = digest((asset.code_version, csv_text(rows))), seq
                    state.cells.position[position] = seq
        for key in self.recorded.declared.keys() - self.world.graph.assets.keys():
            if self.recorded.declared[key][-1][1] is not None:
                self.recorded.declared[key].append((self.recorded.next(), None))

    def settle(self, asset: Drawn, cell: Cell, force: bool, outcome: Outcome) -> None:
        """Compare what a run would decide when the turn of a cell has come with what the law says."""
        state = self.world.states[AssetKey(asset.key)]
        ordinal = state.ordinal(cell[1])
        assert ordinal is not None
        found = own_causes(Digests(self.world), state.asset, np.array([ordinal - state.first], np.int64))
        by_law = {plain_cause(cause) for cause in self.own_causes(cell)} - {""}
        by_law |= {"output_drifted"} if cell in self.drifted else set()  # though another may have mended the file
        assert kinds_of(int(found[0])) == by_law, f"at the turn of {cell}: {kinds_of(int(found[0]))}, not {by_law}"
        super().settle(asset, cell, force, outcome)

    def publish(self, cell: Cell, made: Made) -> None:
        super().publish(cell, made)
        before = self.recorded.current.get(cell)
        self.now += timedelta(seconds=1)
        is_judged_anew = before is not None and made.reads is before.made.reads
        entry = before if before is not None and is_judged_anew else self._entry(cell, made)
        state = self.world.states[AssetKey(cell[0])]
        seq = self.recorded.next()
        is_same = before is not None and before.payload["token"] == entry.payload["token"]
        since = before.since if before is not None and is_same else seq
        entry = replace(entry, made=made, published_seq=seq, since=since, checks=state.checks_version)
        self.recorded.current[cell] = entry
        self.recorded.had.setdefault(cell, []).append(entry)
        ordinal = state.ordinal(cell[1])
        assert ordinal is not None
        state.take(ordinal, entry.payload, seq)
        state.judge(ordinal, entry.checks)

    def _entry(self, cell: Cell, made: Made) -> Entry:
        """Return what a run records of a cell that it makes: digests of what it read, as the product computes them."""
        state = self.world.states[AssetKey(cell[0])]
        ordinal = state.ordinal(cell[1])
        assert ordinal is not None
        asset, drawn = state.asset, self.project.assets[cell[0]]
        kinds = {given.name: counted(drawn, given, self.project.assets[given.upstream]) for given in drawn.inputs}
        reads = {name: None if kind is None else ColumnsRead(*kind) for name, kind in kinds.items()}
        edges = Digests(self.world).edges(asset, np.array([ordinal - state.first], np.int64))
        narrow = narrowed_alike(self.world, edges, reads)
        now = code_now(state, 1)
        whole, exact = (
            recipe(now, [edge.digest for edge in edges]).hexadecimal()[0],
            recipe(now, narrow).hexadecimal()[0],
        )
        version = digest(made.frame)
        payload = {
            "version": version,
            "file": f"{cell[0]}/{version}.parquet",
            "rows": len(made.frame.rows),
            "bytes": 1,
            "token": lanes_text(token(cell[1], version)),
            "recipe": exact,
            "whole": None if whole == exact else whole,
            "code_lanes": lanes_text(state.code_lanes),
            "columns": [[name, "int64", digest(values)] for name, values in _columns(made.frame)],
        }
        inputs = [
            (edge.edge.name, low, high, int(narrow[number].a[0]))
            for number, edge in enumerate(edges)
            for low, high in edge.reads.of(0) or [(0, 0)]
        ]
        text = {name: one.to_json() for name, one in sorted(reads.items()) if one is not None}
        position = self.recorded.seq
        reading = json.dumps(text) if text else None
        made_us = int(self.now.timestamp() * 1e6)
        return Entry(made, payload, inputs, reading, position, self.recorded.next(), 0, 0, made_us, "")

    def roll_back(self, cell: Cell, frame: Frame) -> None:
        """Go back, and record it."""
        entry = [one for one in self.recorded.had[cell] if one.made.frame == frame][-1]
        made = replace(entry.made, rolled_back=True)
        Oracle.publish(self, cell, made)
        seq = self.recorded.next()
        entry = replace(entry, made=made, published_seq=seq, since=seq)
        self.recorded.current[cell] = entry
        self.recorded.had[cell].append(entry)

    def expired(self, cell: Cell) -> bool:
        hours = self.project.assets[cell[0]].expires
        entry = self.recorded.current[cell]
        is_old = self.world.now - datetime.fromtimestamp(entry.made_us / 1e6, UTC) > timedelta(hours=hours or 0)
        return hours is not None and is_old and cell not in self.renewed


def _columns(frame: Frame) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(row[place] for row in frame.rows)) for place, name in enumerate(frame.columns)]


def check_plans(history: History) -> None:
    """Require of every step of a history that plan, causes and evidence are what the law says."""
    oracle = Simulated()
    for step in history:
        _check(oracle, step)


def _check(oracle: Simulated, step: Step) -> None:
    oracle.project = step.project
    _happen(oracle, step)
    oracle.now = step.project.now or oracle.now + timedelta(hours=step.later)
    oracle.renewed = set()
    oracle.world = world = oracle.look()
    every = set(oracle.cells())
    fresh = {
        (str(key), state.key(state.first + position))
        for key, found in states_of(world).items()
        for state in [world.states[key]]
        for position in np.flatnonzero(found.fresh).tolist()
    }
    stale = oracle.plan(every, force=False).keys()
    assert not fresh & stale, "fresh for the product, stale by the law"
    assert fresh == every - stale
    selected = {cell for cell in every if step.keys is None or cell[0] in step.keys}
    flags = {
        key: np.ones(len(state), np.bool_)
        for key, state in world.states.items()
        if not state.asset.is_external and (step.keys is None or key in step.keys)
    }
    planned = make_plan(world, flags, force=step.force)
    evidence = Evidence(planned, lambda key: code_parts(step.project.assets[key], step.project))
    by_law = {cell: each for cell, each in oracle.plan(selected, step.force).items() if cell in selected}
    found: dict[Cell, tuple[frozenset[str], bool]] = {}
    for steps, index, cell in planned.cells():
        causes = kinds_of(int(evidence.of(steps).refined[index]))
        found[str(cell.asset), cell.partition] = causes, bool(steps.blocked[index])
        assert kinds_of(int(steps.causes[index])) == {plain_cause(cause) for cause in causes} - {""}
        for cause in causes if currently_in_test_context() else ():
            event(cause)
    wanted = {cell: (each.causes, each.blocked) for cell, each in by_law.items()}
    require_equal(found, wanted)
    will_run = {cell for cell, each in by_law.items() if each.causes - JUDGED_ONLY and not each.blocked}
    require_evidence(planned, evidence, oracle, will_run)
    if planned.stale:
        oracle.begin()
        oracle.drifted = {cell for cell in oracle.made if oracle.is_drifted(cell)}
        oracle.run(selected, step.force)


def _happen(oracle: Simulated, step: Step) -> None:
    current = [cell for cell in oracle.cells() if cell in oracle.made]
    moves = oracle.moves(current)
    if step.rollback is not None and moves:
        oracle.roll_back(*moves[step.rollback % len(moves)])
    if step.damage is not None and (cell := oracle.harmed(step.damage[0], step.keys)) is not None:
        oracle.damaged.setdefault((cell[0], oracle.made[cell].frame), step.damage[1])
