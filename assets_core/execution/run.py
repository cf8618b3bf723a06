"""Run a plan: the coordinator's loop. It alone writes the journal and moves what is current.

Called by `materialize.py`. A round is: give out ready cells whose recipe still differs, wait for outcomes, write all of
them into the journal as one group, then release their readers. How a cell is made is the executor's business.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from catalog.journal import Journal, Record

from ..io.manager import Reference
from ..io.parquet_store import make_durable
from ..lineage.recorded import SqlLineage
from ..model.asset import Asset, Edge
from ..model.keys import AssetKey, Cell, PartitionKey
from ..model.partitions import Partition
from ..model.run import Failure, Progress, RunRequest, RunResult, Warned
from ..planning.intervals import Intervals
from ..planning.observe import Observation, source_path
from ..planning.plan import Plan, first_gap
from ..planning.staleness import Cause, own_causes
from ..planning.state import AssetState
from ..versions.recipe import Ordinals, lanes_text, recipe, token
from . import facts
from .executor import Executor
from .interrupt import StopRequest
from .queue import StepQueue
from .step import CellOutcome, Source, StepOutcome, Work, WorkInput

_WAIT_SECONDS = 0.2  # how soon a request to stop is seen
_GROUP_SECONDS = 0.02  # how long a finished step waits for others to share its fsync with
_STEPS_A_SLOT = 16  # waiting at each slot, so that one group of records covers several steps


class Coordinator:
    """Executes one plan. `on_progress` is called after every round."""

    def __init__(
        self,
        plan: Plan,
        root: Path,
        data_folder: Path,
        journal: Journal,
        executor: Executor,
        lineage: SqlLineage,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._plan = plan
        self._world = plan.world
        self._root = root
        self._data_folder = data_folder
        self._journal = journal
        self._executor = executor
        self._lineage = lineage
        self._on_progress = on_progress
        self._seq = journal.tail.seq
        self._run = str(uuid.uuid4())
        self._queue = StepQueue(plan)
        self._claims: dict[tuple[AssetKey, int], facts.Claim] = {}
        self._facts: list[facts.Fact] = []
        self._stop = StopRequest()
        self._in_flight = 0
        self._started = time.perf_counter()
        self._progress = Progress(plan.stale)
        self._result = RunResult(self._run, fresh=plan.fresh)

    def run(self, request: RunRequest, before: Sequence[facts.Fact], observations: Sequence[Observation]) -> RunResult:
        """Execute the plan; every fact of it is in the journal when this returns, also after an interrupt.

        `before` are facts to record first, such as definitions that are new.
        """
        self._begin(request, before, observations)
        with self._stop.listening():
            self._loop()
            if self._stop.asked:
                self._result.interrupted = True
                self._drain()
        self._report()
        self._end(self._progress.seconds)
        return self._result

    def _begin(self, request: RunRequest, before: Sequence[facts.Fact], observations: Sequence[Observation]) -> None:
        started = {
            "run": self._run,
            "kind": request.kind,
            "selection": request.selection,
            "partitions": request.partitions,
            "force": self._plan.forced,
            "cells": self._plan.stale,
        }
        schemes = {key: _scheme(state.asset) for key, state in self._world.states.items()}
        seen = [facts.observed(self._run, observation, schemes[observation.asset]) for observation in observations]
        self._facts.extend([*before, ("run_started", started), *seen])
        for steps in self._plan.steps:
            blocked = steps.ordinals[steps.blocked]
            if len(blocked):
                self._block(steps.asset, blocked, first_gap(self._plan, steps))
        records = self._flush()
        for record in records:
            if record.kind == "observed":
                state = self._world.states[AssetKey(record.payload["asset"])]
                state.position[record.payload["ordinal"] - state.first] = record.seq

    def _loop(self) -> None:
        while not self._stop.asked:
            self._dispatch()
            self._report()
            if not self._in_flight:
                break
            self._commit(self._gathered())

    def _gathered(self) -> list[StepOutcome]:
        """Return outcomes for one group: all that come while the executor has enough to do, and soon at any rate."""
        outcomes = self._executor.wait(_WAIT_SECONDS)
        until = time.perf_counter() + _GROUP_SECONDS
        while outcomes and self._in_flight - len(outcomes) > 2 * self._executor.slots and time.perf_counter() < until:
            time.sleep(_GROUP_SECONDS / 10)  # rather than be woken, and take the interpreter, for each outcome
            outcomes += self._executor.wait(0)
        return outcomes

    def _report(self) -> None:
        self._progress.seconds = time.perf_counter() - self._started
        self._on_progress(self._progress)

    def _drain(self) -> None:
        """After an interrupt: let the steps that run end and keep what they made; give out no more."""
        self._in_flight -= self._executor.cancel()
        while self._in_flight:
            self._commit(self._executor.wait(_WAIT_SECONDS))

    def _end(self, seconds: float) -> None:
        result, progress = self._result, self._progress
        result.made, result.failed, result.blocked = progress.made, progress.failed, progress.blocked
        result.fresh += progress.fresh
        result.seconds = seconds
        state = "interrupted" if result.interrupted else "failed" if result.failed or result.blocked else "done"
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
        self._flush()

    def _flush(self) -> list[Record]:
        """Make the gathered facts durable, as one group."""
        gathered, self._facts = self._facts, []
        records = self._journal.append(gathered) if gathered else []
        if records:
            self._seq = records[-1].seq
        return records

    # Giving out steps

    def _dispatch(self) -> None:
        wanted = self._executor.slots * _STEPS_A_SLOT
        if self._in_flight > wanted // 2:  # enough to do: give out many at once rather than one by one
            return
        while self._in_flight < wanted and (taken := self._queue.take(wanted - self._in_flight)) is not None:
            asset, ordinals = taken
            state = self._world.states[asset.key]
            positions = ordinals - state.first
            causes = own_causes(self._world, asset, positions)
            if self._plan.forced:
                causes |= Cause.FORCED
            self._skip(asset, ordinals[causes == 0])
            judge_only = causes == Cause.CONTRACT_CHANGED
            for ordinal in ordinals[judge_only].tolist():
                self._submit_judgement(state, ordinal)
            self._submit(state, ordinals[(causes != 0) & ~judge_only])

    def _skip(self, asset: Asset, ordinals: Ordinals) -> None:
        if len(ordinals):
            self._facts.append(("skipped", self._cells_of(asset, ordinals)))
            self._progress.fresh += len(ordinals)
            self._queue.settle(asset.key, ordinals)

    def _cells_of(self, asset: Asset, ordinals: Ordinals) -> dict[str, Any]:
        state = self._world.states[asset.key]
        return {"run": self._run, "asset": asset.key, "cells": [state.key(ordinal) for ordinal in ordinals.tolist()]}

    def _submit_judgement(self, state: AssetState, ordinal: int) -> None:
        position = ordinal - state.first
        stored = Reference(state.asset.key, state.version[position], state.file[position])
        work = Work(self._new_step(), state.asset, (ordinal,), (None,), stored=stored)
        self._claim(work, [state.key(ordinal)])

    def _submit(self, state: AssetState, ordinals: Ordinals) -> None:
        if not len(ordinals):
            return
        asset = state.asset
        positions = ordinals - state.first
        edges = self._world.edges_now(asset, positions)
        code = self._world.code_now(asset, len(positions))
        recipes = recipe(code, [digest for _, _, digest in edges]).hexadecimal()
        digests = [digest.hexadecimal() for _, _, digest in edges]
        scheme, code_text, seq = _scheme(asset), lanes_text(state.code_lanes), self._seq
        for index, ordinal in enumerate(ordinals.tolist()):
            inputs = [
                [edge.name, low, high, digests[number][index]]
                for number, (edge, reads, _) in enumerate(edges)
                for low, high in reads.of(index)
            ]
            self._claims[asset.key, ordinal] = facts.Claim(scheme, recipes[index], code_text, inputs, seq)
        for group in _runs(ordinals) if asset.batch else [np.array([index]) for index in range(len(ordinals))]:
            chosen = tuple(ordinals[group].tolist())
            partitions = tuple(_partition(asset, ordinal) for ordinal in chosen)
            given = tuple(self._input(edge, reads, group) for edge, reads, _ in edges)
            work = Work(self._new_step(), asset, chosen, partitions, given)
            self._claim(work, [state.key(ordinal) for ordinal in chosen])

    def _input(self, edge: Edge, reads: Intervals, group: Ordinals) -> WorkInput:
        """Return what a step reads through an edge: each upstream partition once, ascending."""
        assert edge.hand_off is not None  # noqa: S101  # edges_now leaves out those only waited for
        upstream = self._world.states[edge.upstream]
        if len(group) == 1:
            wanted: Iterable[int] = (o for low, high in reads.of(int(group[0])) for o in range(low, high))
        else:
            wanted = sorted({o for i in group.tolist() for low, high in reads.of(i) for o in range(low, high)})
        parts = tuple((upstream.key(ordinal), self._part(upstream, ordinal)) for ordinal in wanted)
        return WorkInput(edge.name, edge.hand_off, edge.columns, edge.by_partition, parts)

    def _part(self, upstream: AssetState, ordinal: int) -> Reference | Source:
        asset, position = upstream.asset, ordinal - upstream.first
        if not asset.is_external:
            return Reference(asset.key, upstream.version[position], upstream.file[position])
        path = None if asset.path is None else source_path(asset, upstream.key(ordinal), self._root)
        partition = None if asset.partitions is None else asset.partitions.partition(ordinal)
        return Source(asset.key, path, partition, asset.code_version, upstream.signature[position] or "")

    def _new_step(self) -> str:
        return str(uuid.uuid4())

    def _claim(self, work: Work, cells: list[PartitionKey | None]) -> None:
        started_at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        self._facts.append(facts.claimed(self._run, work.step, work.asset.key, cells, started_at))
        self._in_flight += 1
        self._executor.submit(work)

    # Taking outcomes

    def _commit(self, outcomes: Sequence[StepOutcome]) -> None:
        """Write what became of some steps as one group of facts; after that it is so, for all readers."""
        if not outcomes:
            return
        published: list[list[Any]] = []
        folders: set[str] = set()
        for outcome in outcomes:
            self._in_flight -= 1
            for cell in outcome.cells:
                self._gather(outcome, cell, published, folders)
        for folder in folders:
            make_durable(self._data_folder / folder)
        if published:
            self._facts.append(("published", {"run": self._run, "cells": published}))
        self._flush()
        by_asset: dict[AssetKey, list[CellOutcome]] = {}
        for outcome in outcomes:
            by_asset.setdefault(outcome.work.asset.key, []).extend(outcome.cells)
        for key, cells in by_asset.items():
            self._settle(self._world.states[key], cells)

    def _gather(self, outcome: StepOutcome, cell: CellOutcome, published: list[list[Any]], folders: set[str]) -> None:
        """Add the facts of one cell to the group."""
        asset = outcome.work.asset
        state = self._world.states[asset.key]
        key = state.key(cell.ordinal)
        claim = self._claims.pop((asset.key, cell.ordinal), None)
        if cell.stored is not None:
            assert claim is not None  # noqa: S101  # every cell to be made was claimed
            self._facts.append(facts.materialized(self._run, outcome, cell, key, claim))
            folders.add(cell.stored.file.rpartition("/")[0])
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

    def _settle(self, state: AssetState, cells: Sequence[CellOutcome]) -> None:
        """Bring the world up to date with durable facts and release, or block, what waited for them."""
        good = [cell for cell in cells if cell.error is None]
        bad = np.array([cell.ordinal for cell in cells if cell.error is not None], np.int64)
        for cell in good:
            position = cell.ordinal - state.first
            state.checks[position] = state.checks_version
            state.failed[position] = False
            if cell.stored is None:
                continue
            data = cell.stored.data
            state.present[position] = True
            state.version[position], state.file[position] = data.digest, cell.stored.file
            state.rows[position], state.size_bytes[position] = data.rows, cell.stored.size_bytes
            state.token.a[position], state.token.b[position] = token(state.key(cell.ordinal), data.digest)
            state.position[position] = self._seq
            state.narrow(position, [(column.name, column.type, column.digest) for column in data.columns])
        if good:
            self._progress.made += len(good)
            self._queue.settle(state.asset.key, np.array([cell.ordinal for cell in good], np.int64))
        if len(bad):
            state.failed[bad - state.first] = True
            self._progress.failed += len(bad)
            cause = f"{state.asset.key} failed"
            for asset, ordinals in self._queue.fail(state.asset.key, bad):
                self._block(asset, ordinals, cause)

    def _block(self, asset: Asset, ordinals: Ordinals, reason: str) -> None:
        self._facts.append(("blocked", {**self._cells_of(asset, ordinals), "reason": reason}))
        self._progress.blocked += len(ordinals)
        self._result.blocked_by[f"{asset.key}: {reason}"] += len(ordinals)


def _scheme(asset: Asset) -> str:
    return "" if asset.partitions is None else asset.partitions.scheme


def _partition(asset: Asset, ordinal: int) -> Partition | None:
    """Return the partition for a function or query that may ask for it."""
    if asset.partitions is None or (asset.partition_parameter is None and asset.query is None):
        return None
    return asset.partitions.partition(ordinal)


def _runs(ordinals: Ordinals) -> list[Ordinals]:
    """Return the positions of ascending ordinals in runs of neighbours."""
    return np.split(np.arange(len(ordinals)), np.flatnonzero(np.diff(ordinals) != 1) + 1)
