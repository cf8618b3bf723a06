"""From what became of steps to what is written about it: facts, and what the coordinator does next with each cell.

Called by the coordinator inside its turn at the journal. It changes nothing but the claims, which it lets go of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..executors.executor import CANCELLED
from ..io.manager import Stored
from ..io.parquet_store import ParquetStore
from ..lineage.recorded import SqlLineage
from ..model.keys import AssetKey, Cell, PartitionKey
from ..model.run import Failure, Warned
from ..planning.world import World
from ..steps.work import CellOutcome, StepOutcome
from . import facts
from .prepare import Preparation


@dataclass(slots=True)
class Told:
    """What some outcomes come to: `facts` for the journal, in order; `published` for a record of their own.

    `good`, `bad` and `again` (to be tried once more, with the seconds to wait) are ordinals by asset; a cell that is in
    none of them was ended before it was done, without a fault of its own. `made`: payloads by asset and ordinal.
    """

    facts: list[facts.Fact] = field(default_factory=list)
    published: list[list[Any]] = field(default_factory=list)
    good: dict[AssetKey, list[int]] = field(default_factory=dict)
    bad: dict[AssetKey, list[int]] = field(default_factory=dict)
    again: list[tuple[AssetKey, int, float]] = field(default_factory=list)
    made: dict[tuple[AssetKey, int], dict[str, Any]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)


def stored_of(outcomes: Sequence[StepOutcome]) -> list[Stored]:
    """Return what some steps have stored."""
    return [cell.stored for outcome in outcomes for cell in outcome.cells if cell.stored is not None]


@dataclass(slots=True)
class Teller:
    """Tells of the outcomes of one run. `claims`: by asset and ordinal, of the steps that are given out."""

    run: str
    world: World
    store: ParquetStore
    prepare: Preparation
    lineage: SqlLineage
    claims: dict[tuple[AssetKey, int], facts.Claim] = field(default_factory=dict)

    def tell(self, outcomes: Sequence[StepOutcome], chances: Sequence[float], *, may_retry: bool) -> Told:
        """Return what some outcomes come to; `chances`, one each from 0 to 1, spread the waits before another attempt.

        Nobody else writes meanwhile: what has its file now keeps it, since whoever collects files sees these facts.
        """
        told = Told()
        missing = self.store.missing([one.file for one in stored_of(outcomes)])
        for outcome, chance in zip(outcomes, chances, strict=True):
            for cell in outcome.cells:
                if cell.stored is not None and cell.stored.file in missing:
                    why = missing[cell.stored.file]
                    cell = CellOutcome(cell.ordinal, error="InputError", kinds=("InputError",), message=why)
                self._cell(told, outcome, cell, chance if may_retry else None)
        return told

    def _cell(self, told: Told, outcome: StepOutcome, cell: CellOutcome, chance: float | None) -> None:
        work = outcome.work
        asset = work.asset
        state = self.world.states[asset.key]
        key = state.key(cell.ordinal)
        claim = self.claims.pop((asset.key, cell.ordinal), None)
        if cell.error == CANCELLED:
            return
        if cell.stored is not None:
            assert claim is not None  # noqa: S101  # every cell to be made was claimed
            claim = self.prepare.settled(state, cell.ordinal, claim, outcome.reads)
            payload = told.made[asset.key, cell.ordinal] = facts.materialized(self.run, outcome, cell, key, claim)
            told.facts.append(("materialized", payload))
            columns = [(column.name, column.type) for column in cell.stored.data.columns]
            if (lineage := self.lineage.see(asset, columns)) is not None:
                told.facts.append(("column_lineage", lineage))
        told.facts.extend(facts.judged(self.run, outcome, cell, key, check) for check in cell.checks)
        if cell.error is None:
            told.published.append([asset.key, key, cell.judged_version, state.checks_version])
            told.good.setdefault(asset.key, []).append(cell.ordinal)
            told.warned.extend(Warned(Cell(asset.key, key), check) for check in cell.checks if not check.passed)
        else:
            self._failed(told, outcome, cell, key, chance)

    def _failed(
        self, told: Told, outcome: StepOutcome, cell: CellOutcome, key: PartitionKey | None, chance: float | None
    ) -> None:
        work = outcome.work
        retrying = work.asset.handling.retrying
        if chance is not None and retrying.wants(work.attempt, cell.kinds):
            wait = retrying.wait(work.attempt, chance)
            told.facts.append(facts.attempt_failed(self.run, outcome, cell, key, wait))
            told.again.append((work.asset.key, cell.ordinal, wait))
            return
        told.facts.append(facts.failed(self.run, outcome, cell, key))
        told.bad.setdefault(work.asset.key, []).append(cell.ordinal)
        told.failures.append(Failure(Cell(work.asset.key, key), str(cell.error), cell.message, cell.traceback))
