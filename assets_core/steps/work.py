"""What a step is and what becomes of it: `Work` for a worker, with what workers share, and `StepOutcome` as the answer.

Made by `prepare.py`, carried by executors, done by `step.py`. It must not know how a step is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io.manager import IOManager, Reference, Stored
from ..io.memory import Tables
from ..io.reads import Trace
from ..lineage.sql_reads import QueryReads
from ..loading.runtime import Runtime
from ..model.asset import Asset, HandOff
from ..model.checks import CheckResult
from ..model.keys import AssetKey, PartitionKey
from ..model.partitions import Partition
from ..model.reads import ColumnsRead
from .command_process import RunningCommands
from .logs import Logbook
from .reported import Reported

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Source:
    """Where one partition of an external upstream is read, and by what signature it was observed (empty: none)."""

    asset: AssetKey
    path: Path | None
    partition: Partition | None
    reader: str
    signature: str


@dataclass(frozen=True, slots=True)
class WorkInput:
    """One input of a step: what to read, by partition key, and how to hand it over. Where it is `optional` and there is
    nothing to read, None is handed over."""

    name: str
    hand_off: HandOff
    columns: tuple[str, ...] | None
    by_partition: bool
    parts: tuple[tuple[PartitionKey | None, Reference | Source], ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs for one step: one cell, or a range of cells in one call of a batched function.

    `step` is its number in the run, `attempt` how often it is tried with this one. `stored` is set where only the
    checks are to be run again, on the data that it refers to. `is_read`: another step of the run reads what is made.
    """

    step: int
    asset: Asset
    ordinals: tuple[int, ...]
    partitions: tuple[Partition | None, ...]
    inputs: tuple[WorkInput, ...] = ()
    stored: Reference | None = None
    attempt: int = 1
    is_read: bool = True


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """What became of one cell: stored, judged (nothing stored anew), or failed (`error` is its kind; `kinds` are the
    names of the exception's classes, the most special first).

    `metadata`: what the step reported about the cell, JSON values by name.
    """

    ordinal: int
    stored: Stored | None = None
    checks: tuple[CheckResult, ...] = ()
    judged_version: str | None = None
    error: str | None = None
    message: str = ""
    traceback: str = ""
    kinds: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of a step and of each of its cells. `reads`: the columns of each input that it read; empty where it
    stored nothing."""

    work: Work
    cells: tuple[CellOutcome, ...]
    started_at: datetime
    seconds: float
    reads: Mapping[str, ColumnsRead | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What steps share inside one process. `logbook`: where what they say is kept; None: it is not captured.
    `scratch`: where commands have their files; None: where the system has them."""

    store: IOManager
    recent: Tables
    runtimes: Mapping[AssetKey, Runtime]
    connection: duckdb.DuckDBPyConnection
    query_reads: QueryReads = field(default_factory=QueryReads)
    logbook: Logbook | None = None
    scratch: Path | None = None
    commands: RunningCommands = field(default_factory=RunningCommands)


@dataclass(frozen=True, slots=True)
class AtWork:
    """One step while it is done: with a DuckDB connection (its own, if it asks for one), and a trace of each input."""

    work: Work
    workshop: Workshop
    connection: duckdb.DuckDBPyConnection
    traces: Mapping[str, Trace]
    reported: Reported

    @property
    def runtime(self) -> Runtime:
        return self.workshop.runtimes[self.work.asset.key]
