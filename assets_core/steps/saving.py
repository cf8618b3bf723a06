"""Stage what was made for a cell, judge it, store it; or judge again what is stored already.

Called by `step.py` and `batches.py`. It must not know how the data was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..checking.evaluate import evaluate
from ..io.hand_off import hand_over
from ..io.inputs import Input, MemoryInput, ParquetInput
from ..io.manager import Reference, Staged
from ..io.streams import Stream, stream_of
from ..io.values import value_table
from ..loading.runtime import Runtime
from ..model.checks import CheckResult, Severity
from ..model.handling import CHECK_FAILED
from .secrets import masked, masked_values
from .work import AtWork, CellOutcome

if TYPE_CHECKING:
    import duckdb


@dataclass(slots=True)
class _Judge:
    """Judges staged data with an asset's contract and checks; keeps the verdicts."""

    runtime: Runtime
    connection: duckdb.DuckDBPyConnection
    results: list[CheckResult] = field(default_factory=list)
    version: str | None = None

    def __call__(self, staged: Staged) -> bool:
        self.version = staged.data.digest
        if self.runtime.contract is None and not self.runtime.checks:
            return True
        data = _staged_input(staged)
        if self.runtime.contract is not None:
            frame = data.lazy_frame() if staged.table is None else data.frame()
            self.results.append(_without_secrets(self.runtime.contract.judge(frame)))
        for check, hand_off in self.runtime.checks:
            self.results.append(_without_secrets(evaluate(check, hand_over(data, hand_off, self.connection))))
        return not self.refused

    @property
    def refused(self) -> list[CheckResult]:
        return [result for result in self.results if not result.passed and result.severity is Severity.ERROR]


def _without_secrets(result: CheckResult) -> CheckResult:
    if not (result.message or result.failures or result.metrics):
        return result
    failures = tuple(replace(case, value=masked(case.value)) for case in result.failures)
    return replace(
        result, message=masked(result.message), failures=failures, metrics=masked_values(dict(result.metrics))
    )


def _staged_input(staged: Staged) -> Input:
    if staged.table is not None:
        return MemoryInput((staged.table,), None)
    assert staged.path is not None  # noqa: S101  # staged data is in one place or the other
    return ParquetInput((staged.path,), None)


def stream_for(at: AtWork, value: object) -> Stream:
    """Return what was made for a cell as it is stored.

    Raises: OutputError where it is not what the asset makes: a table, or a plain value.
    """
    return stream_of(value_table(value) if at.runtime.makes_value else value)


def saved(at: AtWork, ordinal: int, stream: Stream) -> CellOutcome:
    """Store what was made for a cell, unless its checks refuse it."""
    judge, asset = _Judge(at.runtime, at.connection), at.work.asset.key
    stored = at.workshop.store.save(asset, stream, judge)
    outcome = CellOutcome(ordinal, stored, tuple(judge.results), judge.version)
    if stored is None:
        return _refused(outcome, judge)
    if stored.table is not None and at.work.is_read:
        at.workshop.recent.put(asset, stored.data.digest, stored.table)
    return outcome


def judged_again(at: AtWork, stored: Reference) -> CellOutcome:
    """Run the checks of a cell on its stored data."""
    judge = _Judge(at.runtime, at.connection)
    table = at.workshop.store.load([stored], None).table()
    judge(Staged(at.workshop.store.version(stored), table, None))
    outcome = CellOutcome(at.work.ordinals[0], checks=tuple(judge.results), judged_version=stored.version)
    return _refused(outcome, judge) if judge.refused else outcome


def _refused(outcome: CellOutcome, judge: _Judge) -> CellOutcome:
    message = "; ".join(result.message or f"check {result.name} did not pass" for result in judge.refused)
    return CellOutcome(
        outcome.ordinal,
        None,
        outcome.checks,
        judge.version,
        error=CHECK_FAILED,
        message=message or "refused",
        kinds=(CHECK_FAILED,),
    )
