"""Run a plan: the coordinator's loop. It alone writes the journal for its run and moves what is current.

Called by `conduct.py`. A round is: claim ready cells whose recipe still differs and that no other run has claimed, give
them out, wait for outcomes, write all of them into the journal as one group, then release their readers. How a cell is
made is the executor's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from catalog.errors import disk_errors
from catalog.journal import Journal
from catalog.records import Line, Record

from ..errors import Busy
from ..io.parquet_store import make_durable
from ..lineage.recorded import SqlLineage
from ..model.asset import Asset
from ..model.keys import AssetKey, Cell
from ..model.run import Failure, Progress, RunRequest, RunResult, Warned
from ..planning.digests import Digests
from ..planning.observe import Observation
from ..planning.plan import Plan, first_gap
from ..planning.staleness import Cause, own_causes
from ..planning.state import AssetState
from ..versions.recipe import Ordinals
from . import facts
from .executors import Executors
from .interrupt import StopRequest
from .others import OtherRuns
from .prepare import Preparation, scheme_of
from .queue import StepQueue
from .skip_facts import skip_facts
from .step import CellOutcome, StepOutcome, Work

_WAIT_SECONDS = 0.2  # how soon a request to stop is seen
_GROUP_SECONDS = 0.02  # how long a finished step waits for others to share its fsync with
_STEPS_A_SLOT = 16  # waiting at each slot, so that one group of records covers several steps
_LOOK_SECONDS = 0.05  # how soon it is seen that another run has let go of a cell


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How a run gets along with those beside it.

    `takeover` is given runs that hold cells this one waits for, and returns the ending of each that is not at work any
    more; `reread` brings some cells, by asset and ordinal, up to date from the index.
    """

    others: OtherRuns
    takeover: Callable[[Iterable[str]], list[facts.Fact]]
    reread: Callable[[Mapping[AssetKey, Collection[int]]], None]


class Coordinator:
    """Executes one plan under the name `run`. `on_progress` is called after every round."""

    def __init__(
        self,
        run: str,
        plan: Plan,
        root: Path,
        data_folder: Path,
        journal: Journal,
        executors: Executors,
        lineage: SqlLineage,
        neighbours: Neighbours,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._run = run
        self._plan = plan
        self._world = plan.world
        self._data_folder = data_folder
        self._journal = journal
        self._executors = executors
        self._lineage = lineage
        self._neighbours = neighbours
        self._others = neighbours.others
        self._on_progress = on_progress
        self._seq = 0
        self._epoch = 0  # the number of this run's first record
        self._queue = StepQueue(plan)
        self._prepare = Preparation(plan.world, root)
        self._claims: dict[tuple[AssetKey, int], facts.Claim] = {}
        self._elsewhere: dict[AssetKey, set[int]] = {}
        self._facts: list[facts.Fact] = []
        self._withheld: list[list[Any]] = []
        self._is_atomic = False
        self._stop = StopRequest()
        self._in_flight = 0
        self._started = time.perf_counter()
        self._progress = Progress(plan.stale)
        self._result = RunResult(run, fresh=plan.fresh)

    @property
    def _slots(self) -> int:
        return self._executors.get("threads").slots

    @property
    def has_begun(self) -> bool:
        """Return whether the journal knows of this run."""
        return self._epoch > 0

    def run(
        self,
        request: RunRequest,
        before: Callable[[Sequence[Line]], Sequence[facts.Fact]],
        observations: Sequence[Observation],
        looked: Sequence[facts.Fact],
    ) -> RunResult:
        """Execute the plan; every fact of it is in the journal when this returns, also after an interrupt.

        `before` returns facts to record first, such as definitions that are new, given what others wrote since the
        plan was made; `looked` are facts of what was found when it was planned.

        Raises: TakenOver where another process has ended this run, CatalogError.
        """
        self._is_atomic = request.atomic
        self._begin(request, before, observations, looked)
        with self._stop.listening():
            self._loop()
            if self._stop.asked:
                self._result.interrupted = True
                self._drain()
        self._report()
        self._end(self._progress.seconds)
        return self._result

    def _begin(
        self,
        request: RunRequest,
        before: Callable[[Sequence[Line]], Sequence[facts.Fact]],
        observations: Sequence[Observation],
        looked: Sequence[facts.Fact],
    ) -> None:
        started = {
            "run": self._run,
            "kind": request.kind,
            "selection": request.selection,
            "partitions": request.partitions,
            "force": self._plan.forced,
            "atomic": request.atomic,
            "cells": self._plan.stale,
            "plan": request.plan,
        }
        for steps in self._plan.steps:
            blocked = steps.ordinals[steps.blocked]
            if len(blocked):
                self._block(steps.asset, blocked, first_gap(self._plan, steps))

        def decide(lines: Sequence[Line]) -> list[facts.Fact]:
            # What another run has observed meanwhile is newer, and the world has learned of it.
            newer = {
                (payload["asset"], payload["partition"])
                for payload in (line.record().payload for line in lines if line.kind == "observed")
            }
            seen = [
                facts.observed(self._run, observation, scheme_of(self._world.states[observation.asset].asset))
                for observation in observations
                if (observation.asset, observation.partition) not in newer
            ]
            return [*before(lines), ("run_started", started), *looked, *seen, *self._gathered_facts()]

        records = self._turn(decide)
        for record in records:
            if record.kind == "run_started":
                self._epoch = record.seq
            if record.kind == "observed":
                state = self._world.states[AssetKey(record.payload["asset"])]
                state.cells.position[record.payload["ordinal"] - state.first] = record.seq

    def _loop(self) -> None:
        while not self._stop.asked:
            self._dispatch()
            self._report()
            if self._in_flight:
                self._commit(self._gathered_outcomes())
            elif self._elsewhere:
                self._await_others()
            else:
                break

    def _gathered_outcomes(self) -> list[StepOutcome]:
        """Return outcomes for one group: all that come while the executor has enough to do, and soon at any rate."""
        outcomes = self._executors.wait(_WAIT_SECONDS)
        until = time.perf_counter() + _GROUP_SECONDS
        while outcomes and self._in_flight - len(outcomes) > 2 * self._slots and time.perf_counter() < until:
            time.sleep(_GROUP_SECONDS / 10)  # rather than be woken, and take the interpreter, for each outcome
            outcomes += self._executors.wait(0)
        return outcomes

    def _report(self) -> None:
        self._progress.seconds = time.perf_counter() - self._started
        self._on_progress(self._progress)

    def _drain(self) -> None:
        """After an interrupt: let the steps that run end and keep what they made; give out no more."""
        self._in_flight -= len(self._executors.cancel())
        while self._in_flight:
            self._commit(self._executors.wait(_WAIT_SECONDS))

    def _end(self, seconds: float) -> None:
        result, progress = self._result, self._progress
        result.made, result.failed, result.blocked = progress.made, progress.failed, progress.blocked
        result.fresh += progress.fresh
        result.seconds = seconds
        state = "interrupted" if result.interrupted else "failed" if result.failed or result.blocked else "done"
        if self._withheld and state == "done":
            self._facts.append(("published", {"run": self._run, "cells": self._withheld}))
        elif self._withheld:
            result.withheld, result.made = len(self._withheld), result.made - len(self._withheld)
        ended = {
            "run": self._run,
            "state": state,
            "made": result.made,
            "fresh": result.fresh,
            "failed": result.failed,
            "blocked": result.blocked,
            "seconds": round(seconds, 6),
        }
        self._facts.append(("run_ended", ended))
        self._turn(lambda _: self._gathered_facts())

    # Turns at the journal

    def _turn(self, decide: Callable[[Sequence[Line]], Sequence[facts.Fact]]) -> list[Record]:
        """Learn what other runs have written, then append what is decided, before anybody else can write."""

        def learn_and_decide(lines: Sequence[Line]) -> Sequence[facts.Fact]:
            self._learn(lines)
            return decide(lines)

        records = self._journal.turn(learn_and_decide)
        if records:
            self._seq = records[-1].seq
        return records

    def _learn(self, lines: Sequence[Line]) -> None:
        if not lines:
            return
        released = self._others.learn(lines)
        self._seq = lines[-1].seq
        if self._others.moved_back:
            self._neighbours.reread(self._others.moved_back)
            self._others.moved_back.clear()
        self._take_back(released)

    def _take_back(self, released: Iterable[tuple[AssetKey, int]]) -> None:
        """Look again at cells that this run waits for, now that no other run holds them."""
        for key, ordinal in released:
            waiting = self._elsewhere.get(key, set())
            if ordinal in waiting:
                waiting.remove(ordinal)
                self._queue.put_back(key, ordinal)
            if not waiting:
                self._elsewhere.pop(key, None)

    def _gathered_facts(self) -> list[facts.Fact]:
        gathered, self._facts = self._facts, []
        return gathered

    # Giving out steps

    def _dispatch(self) -> None:
        wanted = self._slots * _STEPS_A_SLOT
        if self._in_flight > wanted // 2:  # enough to do: give out many at once rather than one by one
            return
        while self._in_flight < wanted:
            taken = self._queue.take(wanted - self._in_flight)
            if not taken:
                break
            works: list[Work] = []
            self._turn(lambda _, taken=taken, works=works: self._claim(taken, works))  # type: ignore[misc]
            self._in_flight += len(works)
            for work in works:
                self._executors.submit(work)

    def _claim(self, taken: Sequence[tuple[Asset, Ordinals]], works: list[Work]) -> list[facts.Fact]:
        """Add the steps on cells that are stale and that no other run holds to `works`; return the facts of that."""
        for asset, ordinals in taken:
            state = self._world.states[asset.key]
            held = self._others.holds(asset.key, ordinals)
            if held.any():
                self._elsewhere.setdefault(asset.key, set()).update(ordinals[held].tolist())
                ordinals = ordinals[~held]
            causes = own_causes(Digests(self._world), asset, ordinals - state.first)
            if self._plan.forced:
                causes |= Cause.FORCED
            self._skip(asset, ordinals[causes == 0])
            is_judged_only = causes == Cause.CONTRACT_CHANGED
            works += self._prepare.judgements(state, ordinals[is_judged_only])
            made, claims = self._prepare.works(state, ordinals[(causes != 0) & ~is_judged_only], self._seq)
            works += made
            self._claims.update(((asset.key, ordinal), claim) for ordinal, claim in claims.items())
        if works:
            steps = [
                (work.step, work.asset.key, [self._world.states[work.asset.key].key(o) for o in work.ordinals])
                for work in works
            ]
            started_at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            self._facts.append(facts.claimed(self._run, steps, started_at))
        return self._gathered_facts()

    def _skip(self, asset: Asset, ordinals: Ordinals) -> None:
        if len(ordinals):
            self._facts.append(skip_facts(self._run, self._world, asset, ordinals, self._seq))
            self._progress.fresh += len(ordinals)
            self._queue.settle(asset.key, ordinals)

    def _cells_of(self, asset: Asset, ordinals: Ordinals) -> dict[str, Any]:
        state = self._world.states[asset.key]
        return {"run": self._run, "asset": asset.key, "cells": [state.key(ordinal) for ordinal in ordinals.tolist()]}

    def _await_others(self) -> None:
        """Wait for runs that hold what is left to do; take over from those that are not at work any more."""
        runs = {run for key, ordinals in self._elsewhere.items() for run in self._others.runs(key, ordinals)}
        if self._withheld and (older := self._others.atomic_before(runs, self._epoch)):
            raise Busy(
                f"run {older[0]} holds cells that this one needs, and publishes them only at its end, as this one does:"
                " each could wait for the other for ever",
                remedy="wait until that run has ended, then run again: nothing of this one was published",
            )
        time.sleep(_LOOK_SECONDS)
        endings = self._neighbours.takeover(runs)
        self._turn(lambda _: [ending for ending in endings if self._others.is_open(ending[1]["run"])])
        for _, ended in endings:
            self._take_back(self._others.end(ended["run"]))

    # Taking outcomes

    def _commit(self, outcomes: Sequence[StepOutcome]) -> None:
        """Write what became of some steps as one group of facts; after that it is so, for all readers."""
        if not outcomes:
            return
        self._in_flight -= len(outcomes)
        stored = [cell.stored.file for outcome in outcomes for cell in outcome.cells if cell.stored is not None]
        with disk_errors(self._data_folder):
            for folder in {file.rpartition("/")[0] for file in stored}:
                make_durable(self._data_folder / folder)
        settled: dict[AssetKey, list[CellOutcome]] = {}
        made: dict[tuple[AssetKey, int], dict[str, Any]] = {}
        self._turn(lambda _: self._facts_of(outcomes, settled, made))
        for key, cells in settled.items():
            self._settle(self._world.states[key], cells, made)

    def _facts_of(
        self,
        outcomes: Sequence[StepOutcome],
        settled: dict[AssetKey, list[CellOutcome]],
        made: dict[tuple[AssetKey, int], dict[str, Any]],
    ) -> list[facts.Fact]:
        """Return the facts of some outcomes; add what became of each cell, and the payload of what was made.

        Nobody else writes meanwhile: what has its file now keeps it, since whoever collects files sees these facts.
        """
        published: list[list[Any]] = []
        for outcome in outcomes:
            for cell in outcome.cells:
                if cell.stored is not None and not (self._data_folder / cell.stored.file).exists():
                    message = f"its file {cell.stored.file} was removed before it was published: make it again"
                    cell = CellOutcome(cell.ordinal, error="InputError", message=message)
                self._gather(outcome, cell, published, made)
                settled.setdefault(outcome.work.asset.key, []).append(cell)
        if self._is_atomic:
            self._withheld += published
        elif published:
            self._facts.append(("published", {"run": self._run, "cells": published}))
        return self._gathered_facts()

    def _gather(
        self,
        outcome: StepOutcome,
        cell: CellOutcome,
        published: list[list[Any]],
        made: dict[tuple[AssetKey, int], dict[str, Any]],
    ) -> None:
        """Add the facts of one cell to the group."""
        asset = outcome.work.asset
        state = self._world.states[asset.key]
        key = state.key(cell.ordinal)
        claim = self._claims.pop((asset.key, cell.ordinal), None)
        if cell.stored is not None:
            assert claim is not None  # noqa: S101  # every cell to be made was claimed
            claim = self._prepare.settled(state, cell.ordinal, claim, outcome.reads)
            payload = made[asset.key, cell.ordinal] = facts.materialized(self._run, outcome, cell, key, claim)
            self._facts.append(("materialized", payload))
            columns = [(column.name, column.type) for column in cell.stored.data.columns]
            if (lineage := self._lineage.see(asset, columns)) is not None:
                self._facts.append(("column_lineage", lineage))
        self._facts.extend(facts.judged(self._run, outcome, cell, key, check) for check in cell.checks)
        if cell.error is not None:
            self._facts.append(facts.failed(self._run, outcome, cell, key))
            self._result.failures.append(Failure(Cell(asset.key, key), cell.error, cell.message, cell.traceback))
            return
        published.append([asset.key, key, cell.judged_version, state.checks_version])
        self._result.warned.extend(Warned(Cell(asset.key, key), check) for check in cell.checks if not check.passed)

    def _settle(
        self,
        state: AssetState,
        cells: Sequence[CellOutcome],
        made: dict[tuple[AssetKey, int], dict[str, Any]],
    ) -> None:
        """Bring the world up to date with durable facts and release, or block, what waited for them."""
        good = np.array([cell.ordinal for cell in cells if cell.error is None], np.int64)
        bad = np.array([cell.ordinal for cell in cells if cell.error is not None], np.int64)
        for ordinal in good.tolist():
            if (payload := made.get((state.asset.key, ordinal))) is not None:
                state.take(ordinal, payload, self._seq)
            state.judge(ordinal, state.checks_version)
        if len(good):
            self._progress.made += len(good)
            self._queue.settle(state.asset.key, good)
        if len(bad):
            state.cells.failed[bad - state.first] = True
            self._progress.failed += len(bad)
            cause = f"{state.asset.key} failed"
            for asset, ordinals in self._queue.fail(state.asset.key, bad):
                self._block(asset, ordinals, cause)

    def _block(self, asset: Asset, ordinals: Ordinals, reason: str) -> None:
        self._facts.append(("blocked", {**self._cells_of(asset, ordinals), "reason": reason}))
        self._progress.blocked += len(ordinals)
        self._result.blocked_by[f"{asset.key}: {reason}"] += len(ordinals)
