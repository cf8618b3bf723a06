"""Run a plan: the coordinator's loop. It alone writes the journal for its run and moves what is current.

Called by `conduct.py`. A round is: claim ready cells whose recipe still differs and that no other run has claimed, give
them out as far as limits allow, wait for outcomes, write all of them into the journal as one group, then release their
readers. How a cell is made is the executor's business.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from catalog.errors import disk_errors
from catalog.journal import Journal
from catalog.records import Line, Record

from ..errors import Busy
from ..executors.executors import Executors
from ..io.parquet_store import ParquetStore
from ..lineage.recorded import SqlLineage
from ..model.asset import Asset
from ..model.keys import AssetKey
from ..model.run import AssetProgress, Progress, Running, RunRequest, RunResult
from ..planning.digests import Digests
from ..planning.observe import Observation
from ..planning.plan import Plan, first_gap
from ..planning.staleness import Cause, own_causes
from ..steps.work import StepOutcome, Work
from ..versions.recipe import Ordinals
from . import facts
from .interrupt import StopRequest
from .limits import Limits
from .others import OtherRuns
from .outcomes import Teller, Told, stored_of
from .prepare import Preparation, scheme_of
from .queue import StepQueue
from .skip_facts import skip_facts
from .steering import Steering

_WAIT_SECONDS = 0.2  # how soon a request to stop is seen
_GROUP_SECONDS = 0.02  # how long a finished step waits for others to share its fsync with
_LOOK_SECONDS = 0.05  # how soon it is seen that another run has let go of a cell, or of a slot
_HEAR_SECONDS = 0.5  # how soon a wish of another process is heard


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How a run gets along with those beside it.

    `takeover` is given runs that hold cells this one waits for, and returns the ending of each that is not at work any
    more; `reread` brings some cells, by asset and ordinal, up to date from the index.
    """

    others: OtherRuns
    takeover: Callable[[Iterable[str]], list[facts.Fact]]
    reread: Callable[[Mapping[AssetKey, Collection[int]]], None]


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told meanwhile: of progress after every round, of records after they are durable."""

    progress: Callable[[Progress], None]
    records: Callable[[Sequence[Record]], None]


class Coordinator:
    """Executes one plan under the name `run`."""

    def __init__(
        self,
        run: str,
        plan: Plan,
        root: Path,
        store: ParquetStore,
        journal: Journal,
        executors: Executors,
        limits: Limits,
        lineage: SqlLineage,
        neighbours: Neighbours,
        listeners: Listeners,
    ) -> None:
        self._run = run
        self._plan = plan
        self._world = plan.world
        self._store = store
        self._journal = journal
        self._executors = executors
        self._limits = limits
        self._neighbours = neighbours
        self._others = neighbours.others
        self._listeners = listeners
        self._seq = 0
        self._epoch = 0  # the number of this run's first record
        self._queue = StepQueue(plan)
        self._prepare = Preparation(plan.world, root)
        self._teller = Teller(run, plan.world, store, self._prepare, lineage)
        self._given: dict[tuple[int, int], Work] = {}  # by step and attempt: what is not back yet
        self._given_to: Counter[str] = Counter()  # by name of the executor
        self._pooled: Counter[str] = Counter()  # those of them that hold slots of a pool
        self._held: list[Work] = []  # claimed, but there was no room, or the run is paused
        self._delayed: list[tuple[float, AssetKey, int]] = []  # to be tried again, and when, as a heap
        self._attempts: dict[tuple[AssetKey, int], int] = {}  # that have failed, of cells that are tried again
        self._places = {executors.name_of(steps.asset) for steps in plan.steps}
        self._elsewhere: dict[AssetKey, set[int]] = {}
        self._facts: list[facts.Fact] = []
        self._withheld: list[list[Any]] = []
        self._request = RunRequest("", "", None)
        self._stop = StopRequest()
        self._steering = Steering(run)
        self._heard_at = 0.0
        self._started = time.perf_counter()
        self._progress = Progress(
            plan.stale,
            run=run,
            assets={steps.asset.key: AssetProgress(len(steps.ordinals)) for steps in plan.steps},
            running=self._running_now,
        )
        self._result = RunResult(run, fresh=plan.fresh)

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
        self._request = request
        self._begin(before, observations, looked)
        with closing(self._limits), self._stop.listening():
            self._loop()
            self._drain()
        self._report()
        self._end(self._progress.seconds)
        return self._result

    def _begin(
        self,
        before: Callable[[Sequence[Line]], Sequence[facts.Fact]],
        observations: Sequence[Observation],
        looked: Sequence[facts.Fact],
    ) -> None:
        request = self._request
        started = {
            "run": self._run,
            "kind": request.kind,
            "selection": request.selection,
            "partitions": request.partitions,
            "force": self._plan.forced,
            "atomic": request.atomic,
            "cells": self._plan.stale,
            "plan": request.plan,
            "continues": request.continues,
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
        while not self._is_over:
            self._dispatch()
            self._report()
            if self._given:
                self._commit(self._gathered_outcomes())
            elif self._elsewhere:
                self._await_others()
            elif self._delayed or self._held or self._queue.has_ready:
                time.sleep(_LOOK_SECONDS)
            else:
                break
            self._hear()

    @property
    def _is_over(self) -> bool:
        """Return whether no more steps are to be given out, though there are some."""
        return self._stop.asked or self._steering.cancelled or (self._request.fail_fast and self._progress.failed > 0)

    def _hear(self) -> None:
        """Hear what others have written, should no turn of this run's own have been of late."""
        now = time.perf_counter()
        if now - self._heard_at >= _HEAR_SECONDS:
            self._turn(lambda _: [])

    def _gathered_outcomes(self) -> list[StepOutcome]:
        """Return outcomes for one group: all that come while the executors have enough to do, and soon at any rate."""
        outcomes = self._executors.wait(_WAIT_SECONDS)
        until = time.perf_counter() + _GROUP_SECONDS
        while outcomes and len(self._given) - len(outcomes) > 2 * self._executors.slots and time.perf_counter() < until:
            time.sleep(_GROUP_SECONDS / 10)  # rather than be woken, and take the interpreter, for each outcome
            outcomes += self._executors.wait(0)
        return outcomes

    def _report(self) -> None:
        progress = self._progress
        progress.seconds = time.perf_counter() - self._started
        progress.paused = self._steering.paused
        progress.retrying = len(self._delayed)
        progress.waiting = len(self._held) + sum(map(len, self._elsewhere.values()))
        self._listeners.progress(progress)

    def _running_now(self) -> list[Running]:
        now = time.monotonic()
        return [
            Running(
                work.asset.key,
                self._world.states[work.asset.key].key(work.ordinals[0]),
                len(work.ordinals),
                work.attempt,
                now - running.since,
            )
            for running in self._executors.running()
            for work in [running.work]
        ]

    def _drain(self) -> None:
        """Give out no more; let the steps that run end, and keep what they made, unless the run was cancelled."""
        self._recall()
        while self._given:
            if self._steering.cancelled:
                self._executors.kill()
            self._commit(self._executors.wait(_WAIT_SECONDS))
            self._report()
            self._hear()

    def _end(self, seconds: float) -> None:
        result, progress = self._result, self._progress
        result.made, result.failed, result.blocked = progress.made, progress.failed, progress.blocked
        result.fresh += progress.fresh
        result.left = progress.planned - progress.settled
        result.seconds = seconds
        result.cancelled = self._steering.cancelled
        result.interrupted = self._stop.asked or result.cancelled
        state = "cancelled" if result.cancelled else "interrupted" if result.interrupted else "done"
        if state == "done" and (result.failed or result.blocked):
            state = "failed"
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
        self._heard_at = time.perf_counter()
        if records:
            self._seq = records[-1].seq
            self._listeners.records(records)
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
        wanted = self._steering.concurrency
        self._steering.learn(lines)
        if self._steering.concurrency is not None and self._steering.concurrency != wanted:
            self._executors.resize(self._steering.concurrency)

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
        if self._steering.paused:
            self._held += self._recall()
            return
        now = time.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            _, key, ordinal = heapq.heappop(self._delayed)
            self._queue.put_back(key, ordinal)
        held, self._held = self._held, []
        for work in held:
            self._give(work)
        while taken := self._queue.take(self._rooms()):
            works: list[Work] = []
            self._turn(lambda _, taken=taken, works=works: self._claim(taken, works))  # type: ignore[misc]
            for work in works:
                self._give(work)
        self._limits.settle()

    def _rooms(self) -> Callable[[Asset, int], int | None]:
        """Return what tells how many steps of an asset may be given out now; None where none of any asset may."""
        rooms = {name: self._executors.room(name, self._given_to[name]) for name in self._places}
        # A step that waits in an executor's backlog would keep a slot from other runs: so no more of them than can run.
        pooled = {name: self._executors.get(name).slots - self._pooled[name] for name in self._places}

        def room(asset: Asset, number: int) -> int | None:
            if not any(rooms.values()):
                return None
            name = self._executors.name_of(asset)
            number = min(number, rooms[name])
            found = self._limits.room(asset, min(number, pooled[name]) if asset.handling.pool else number)
            rooms[name] -= found
            pooled[name] -= found if asset.handling.pool else 0
            return found

        return room

    def _give(self, work: Work) -> None:
        if not self._limits.start(work):
            self._held.append(work)
            return
        self._given[work.step, work.attempt] = work
        self._given_to[name := self._executors.name_of(work.asset)] += 1
        self._pooled[name] += work.asset.handling.pool is not None
        self._executors.submit(work)

    def _recall(self) -> list[Work]:
        """Return the steps that were given out but have not begun; they are not given out any more."""
        return [work for work in self._executors.cancel() if self._back(work)]

    def _back(self, work: Work) -> bool:
        """Note that a step has come back; False where it is not waited for."""
        if self._given.pop((work.step, work.attempt), None) is None:
            return False
        self._given_to[name := self._executors.name_of(work.asset)] -= 1
        self._pooled[name] -= work.asset.handling.pool is not None
        self._limits.end(work)
        return True

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
            judged = self._prepare.judgements(state, ordinals[is_judged_only])
            made, claims = self._prepare.works(state, ordinals[(causes != 0) & ~is_judged_only], self._seq)
            is_read = self._queue.is_read(asset.key)
            works += [replace(work, is_read=is_read, attempt=self._attempt(work)) for work in (*judged, *made)]
            self._teller.claims.update(((asset.key, ordinal), claim) for ordinal, claim in claims.items())
        if works:
            steps = [
                (work.step, work.asset.key, [self._world.states[work.asset.key].key(o) for o in work.ordinals])
                for work in works
            ]
            started_at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            self._facts.append(facts.claimed(self._run, steps, started_at))
        return self._gathered_facts()

    def _attempt(self, work: Work) -> int:
        if not self._attempts:
            return 1
        return 1 + max(self._attempts.get((work.asset.key, ordinal), 0) for ordinal in work.ordinals)

    def _skip(self, asset: Asset, ordinals: Ordinals) -> None:
        if len(ordinals):
            self._facts.append(skip_facts(self._run, self._world, asset, ordinals, self._seq))
            self._progress.count(asset.key, fresh=len(ordinals))
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
        outcomes = [outcome for outcome in outcomes if self._back(outcome.work)]
        if not outcomes:
            return
        with disk_errors(self._store.staging):
            self._store.settle(stored_of(outcomes))
        chances = [random.random() for _ in outcomes]  # noqa: S311  # spreads waits, keeps no secret
        told = Told()

        def decide(_: Sequence[Line]) -> list[facts.Fact]:
            nonlocal told
            told = self._teller.tell(outcomes, chances, may_retry=not self._is_over)
            self._facts += told.facts
            if self._request.atomic:
                self._withheld += told.published
            elif told.published:
                self._facts.append(("published", {"run": self._run, "cells": told.published}))
            return self._gathered_facts()

        self._turn(decide)
        self._result.failures += told.failures
        self._result.warned += told.warned
        for key, ordinals in told.good.items():
            self._settle(key, ordinals, told)
        for key, ordinals in told.bad.items():
            self._fail(key, np.array(ordinals, np.int64))
        now = time.monotonic()
        for key, ordinal, wait in told.again:
            self._attempts[key, ordinal] = self._attempts.get((key, ordinal), 0) + 1
            heapq.heappush(self._delayed, (now + wait, key, ordinal))
            self._result.retried += 1

    def _settle(self, key: AssetKey, ordinals: Sequence[int], told: Told) -> None:
        """Bring the world up to date with durable facts, and release what waited for them."""
        state = self._world.states[key]
        for ordinal in ordinals:
            if (payload := told.made.get((key, ordinal))) is not None:
                state.take(ordinal, payload, self._seq)
            state.judge(ordinal, state.checks_version)
        self._progress.count(key, made=len(ordinals))
        self._queue.settle(key, np.array(ordinals, np.int64))

    def _fail(self, key: AssetKey, ordinals: Ordinals) -> None:
        state = self._world.states[key]
        state.cells.failed[ordinals - state.first] = True
        self._progress.count(key, failed=len(ordinals))
        for asset, blocked in self._queue.fail(key, ordinals):
            self._block(asset, blocked, f"{key} failed")

    def _block(self, asset: Asset, ordinals: Ordinals, reason: str) -> None:
        self._facts.append(("blocked", {**self._cells_of(asset, ordinals), "reason": reason}))
        self._progress.count(asset.key, blocked=len(ordinals))
        self._result.blocked_by[f"{asset.key}: {reason}"] += len(ordinals)
