"""One step on a worker: load the inputs, call the function, stage, judge, store. Knows no catalog and no journal.

Called by executors with a `Work`, answers with a `StepOutcome`; it never raises.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime

from ..io.reads import Trace
from ..model.asset import HandOff
from ..model.keys import PartitionKey
from ..report import receiving
from .batches import batched_cells
from .failure import failed
from .given import made, require_unchanged_sources
from .logs import Attempt
from .reported import Reported
from .saving import judged_again, saved, stream_for
from .work import AtWork, CellOutcome, StepOutcome, Work, Workshop


def run_step(work: Work, workshop: Workshop) -> StepOutcome:
    """Do the work of one step; every failure becomes an outcome of the cells that it concerns."""
    started_at, start = datetime.now(UTC), time.perf_counter()
    traces = {given.name: Trace(given.columns) for given in work.inputs}
    reported = Reported(work.asset.key, {ordinal: _key(work, ordinal) for ordinal in work.ordinals})
    asks_duckdb = _asks_duckdb(work, workshop)
    connection = workshop.connection.cursor() if asks_duckdb else workshop.connection
    at = AtWork(work, workshop, connection, traces, reported)
    with _listening(at), receiving(reported):
        try:
            cells = tuple(_cells(at))
        except BaseException as error:  # noqa: BLE001  # whatever a function raises is an outcome: SystemExit, a panic of polars
            cells = tuple(failed(work.asset, ordinal, error) for ordinal in work.ordinals)
        finally:
            if asks_duckdb:
                connection.close()
    if any(reported.of(ordinal) for ordinal in work.ordinals):
        cells = tuple(replace(cell, metadata=reported.of(cell.ordinal)) for cell in cells)
    is_stored = any(cell.stored is not None for cell in cells)
    reads = {name: trace.columns() for name, trace in traces.items()} if is_stored else {}
    return StepOutcome(work, cells, started_at, time.perf_counter() - start, reads)


def _asks_duckdb(work: Work, workshop: Workshop) -> bool:
    """Return whether a step needs a connection of its own: to open one takes longer than to hash a small table."""
    runtime = workshop.runtimes.get(work.asset.key)
    if runtime is None or runtime.query is not None:
        return True
    return HandOff.DUCKDB in [given.hand_off for given in work.inputs] + [form for _, form in runtime.checks]


def _key(work: Work, ordinal: int) -> PartitionKey | None:
    return None if work.asset.partitions is None else work.asset.partitions.key(ordinal)


def _listening(at: AtWork) -> AbstractContextManager[object]:
    """Keep what the step says as said by this attempt."""
    work, logbook = at.work, at.workshop.logbook
    if logbook is None:
        return nullcontext()
    return Attempt(logbook, work.asset.key, work.partitions, work.step, work.attempt)


def _cells(at: AtWork) -> Iterable[CellOutcome]:
    if at.work.stored is not None:
        return [judged_again(at, at.work.stored)]
    if at.work.asset.batch:
        return batched_cells(at)
    with made(at) as value:
        outcome = saved(at, at.work.ordinals[0], stream_for(at, value))
    require_unchanged_sources(at.work)
    return [outcome]
