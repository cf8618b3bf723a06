"""One step on a worker: load the inputs, call the function, stage, judge, store. Knows no catalog and no journal.

Called by executors with a `Work`, answers with a `StepOutcome`; it never raises.
"""

from __future__ import annotations

import sysconfig
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checking.evaluate import evaluate
from ..errors import AssetsError, OutputError, SourceChanged, StepError
from ..io.hand_off import hand_over
from ..io.inputs import Input, MemoryInput, ParquetInput, only_columns
from ..io.manager import IOManager, Reference, Staged, Stored
from ..io.memory import RecentTables
from ..io.reads import Trace
from ..io.sources import SourceInput, read_source
from ..io.streams import stream_of
from ..lineage.sql_reads import QueryReads
from ..loading.runtime import Runtime
from ..model.asset import Asset, HandOff
from ..model.checks import CheckResult, Severity
from ..model.handling import CHECK_FAILED
from ..model.keys import AssetKey, PartitionKey
from ..model.partitions import Partition
from ..model.reads import ColumnsRead
from ..planning.observe import path_signature

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.dataset

_TRACEBACK_CHARACTERS = 8_000

Traces = Mapping[str, Trace]


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
    """What steps share inside one process."""

    store: IOManager
    recent: RecentTables
    runtimes: Mapping[AssetKey, Runtime]
    connection: duckdb.DuckDBPyConnection
    query_reads: QueryReads = field(default_factory=QueryReads)


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
            self.results.append(self.runtime.contract.judge(frame))
        for check, hand_off in self.runtime.checks:
            self.results.append(evaluate(check, hand_over(data, hand_off, self.connection)))
        return not self.refused

    @property
    def refused(self) -> list[CheckResult]:
        return [result for result in self.results if not result.passed and result.severity is Severity.ERROR]


def _staged_input(staged: Staged) -> Input:
    if staged.table is not None:
        return MemoryInput((staged.table,), None)
    assert staged.path is not None  # noqa: S101  # staged data is in one place or the other
    return ParquetInput((staged.path,), None)


def run_step(work: Work, workshop: Workshop) -> StepOutcome:
    """Do the work of one step; every failure becomes an outcome of the cells that it concerns."""
    started_at, start = datetime.now(UTC), time.perf_counter()
    connection = workshop.connection.cursor()
    traces = {given.name: Trace(given.columns) for given in work.inputs}
    try:
        cells = tuple(_cells(work, workshop, connection, traces))
    except BaseException as error:  # noqa: BLE001  # whatever a function raises is an outcome: SystemExit, a panic of polars
        cells = tuple(_failed(work.asset, ordinal, error) for ordinal in work.ordinals)
    finally:
        connection.close()
    is_stored = any(cell.stored is not None for cell in cells)
    reads = {name: trace.columns() for name, trace in traces.items()} if is_stored else {}
    return StepOutcome(work, cells, started_at, time.perf_counter() - start, reads)


def _cells(
    work: Work, workshop: Workshop, connection: duckdb.DuckDBPyConnection, traces: Traces
) -> Iterable[CellOutcome]:
    runtime = workshop.runtimes[work.asset.key]
    if work.stored is not None:
        return [_judge_again(work, work.stored, runtime, workshop, connection)]
    if work.asset.batch:
        return _batched_cells(work, runtime, workshop, connection, traces)
    value = _call(work, runtime, workshop, connection, traces)
    return [_save(work, work.ordinals[0], value, runtime, workshop, connection)]


def _judge_again(
    work: Work, stored: Reference, runtime: Runtime, workshop: Workshop, connection: duckdb.DuckDBPyConnection
) -> CellOutcome:
    judge = _Judge(runtime, connection)
    table = workshop.store.load([stored], None).table()
    judge(Staged(workshop.store.version(stored), table, None))
    outcome = CellOutcome(work.ordinals[0], checks=tuple(judge.results), judged_version=stored.version)
    return _refused(outcome, judge) if judge.refused else outcome


def _save(
    work: Work,
    ordinal: int,
    value: object,
    runtime: Runtime,
    workshop: Workshop,
    connection: duckdb.DuckDBPyConnection,
) -> CellOutcome:
    judge = _Judge(runtime, connection)
    stored = workshop.store.save(work.asset.key, stream_of(value), judge)
    _require_unchanged_sources(work)
    outcome = CellOutcome(ordinal, stored, tuple(judge.results), judge.version)
    if stored is None:
        return _refused(outcome, judge)
    if stored.table is not None:
        workshop.recent.put(work.asset.key, stored.data.digest, stored.table)
    return outcome


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


def _call(
    work: Work, runtime: Runtime, workshop: Workshop, connection: duckdb.DuckDBPyConnection, traces: Traces
) -> object:
    """Call the function, or run the query, with its inputs."""
    if runtime.query is not None:
        return _query(work, runtime.query, workshop, connection, traces)
    assert runtime.function is not None  # noqa: S101  # built for every asset of a function
    arguments: dict[str, Any] = {
        given.name: _handed(given, workshop, connection, traces[given.name]) for given in work.inputs
    }
    arguments |= deepcopy(dict(runtime.parameters))  # a function may change what it is given
    if work.asset.partition_parameter is not None:
        arguments[work.asset.partition_parameter] = work.partitions if work.asset.batch else work.partitions[0]
    return runtime.function(**arguments)


def _query(
    work: Work, query: str, workshop: Workshop, connection: duckdb.DuckDBPyConnection, traces: Traces
) -> duckdb.DuckDBPyRelation:
    partition = work.partitions[0]
    values: dict[str, object] = (
        {}
        if partition is None
        else {"partition_key": partition.key, "partition_start": partition.start, "partition_end": partition.end}
    )
    values |= workshop.runtimes[work.asset.key].parameters
    wanted = connection.extract_statements(query)[0].named_parameters
    if unknown := sorted(wanted - values.keys()):
        raise StepError(
            f"the query wants ${unknown[0]}, which {work.asset.key} does not have",
            remedy="say parameters=...; with partitions there are $partition_key, $partition_start, $partition_end",
        )
    bound = {name: values[name] for name in wanted}
    inputs = {given.name: _input(given, given.parts, workshop).scannable() for given in work.inputs}
    reads = workshop.query_reads.of(query, {name: data.schema for name, data in inputs.items()})
    for given in work.inputs:
        if not any(isinstance(part, Source) for _, part in given.parts):
            traces[given.name].narrow(reads[given.name])
    relation = _relation(query, bound, inputs, traces, connection)
    if relation is None:
        raise OutputError("the query gives no result", remedy="end it with a SELECT")
    return relation


def _relation(
    query: str,
    values: Mapping[str, object],
    inputs: Mapping[str, pa.Table | pa.dataset.Dataset],
    traces: Traces,
    connection: duckdb.DuckDBPyConnection,
) -> duckdb.DuckDBPyRelation | None:
    """Run a query on the columns that it is known to read, and on no others: so nothing else can bear on its result."""
    import duckdb

    for name, data in inputs.items():
        read = traces[name].columns()
        connection.register(name, data if read is None else only_columns(data, read.names))
    try:
        return connection.sql(query, params=dict(values) or None)
    except duckdb.BinderException:  # it reads more than is known, or is wrong: then this fails too
        for name, data in inputs.items():
            traces[name].narrow(None)
            connection.register(name, data)
        return connection.sql(query, params=dict(values) or None)


def _batched_cells(
    work: Work, runtime: Runtime, workshop: Workshop, connection: duckdb.DuckDBPyConnection, traces: Traces
) -> Iterator[CellOutcome]:
    """Call a batched function once and settle each of its cells by itself: one bad partition is one failed cell."""
    ordinals = {
        partition.key: ordinal
        for partition, ordinal in zip(work.partitions, work.ordinals, strict=True)
        if partition is not None
    }
    results = _call(work, runtime, workshop, connection, traces)
    pairs = results.items() if isinstance(results, Mapping) else results
    if not isinstance(pairs, Iterable):
        raise OutputError(
            f"the batched function returned a {type(results).__name__}",
            remedy="return a dict from partition key to frame, or yield (key, frame) pairs",
        )
    iterator = iter(pairs)
    while True:
        try:
            key, value = next(iterator)
        except StopIteration:
            break
        except Exception as error:  # noqa: BLE001  # a user's generator: what it did not yield has failed
            yield from (_failed(work.asset, ordinal, error) for ordinal in ordinals.values())
            return
        if key not in ordinals:
            raise OutputError(
                f"the batched function returned a frame for {key!r}, which it was not asked for (again)",
                remedy="return one frame for each partition that it was given",
            )
        ordinal = ordinals.pop(key)
        try:
            if isinstance(value, Exception):
                raise value
            yield _save(work, ordinal, value, runtime, workshop, connection)
        except Exception as error:  # noqa: BLE001
            yield _failed(work.asset, ordinal, error)
    for key, ordinal in ordinals.items():
        yield CellOutcome(
            ordinal,
            error="OutputError",
            kinds=("OutputError",),
            message=f"the batched function returned nothing for {key!r}",
        )


def _handed(given: WorkInput, workshop: Workshop, connection: duckdb.DuckDBPyConnection, trace: Trace) -> object:
    def hand(parts: tuple[tuple[PartitionKey | None, Reference | Source], ...]) -> object:
        return hand_over(_input(given, parts, workshop), given.hand_off, connection, trace)

    if given.by_partition:
        return {part[0]: hand((part,)) for part in given.parts}
    if given.optional and not given.parts:
        return None
    return hand(given.parts)


def _input(
    given: WorkInput, parts: tuple[tuple[PartitionKey | None, Reference | Source], ...], workshop: Workshop
) -> Input:
    """Return an input from the run's memory where all of it is there, else from the store or from its source."""
    sources = [part for _, part in parts if isinstance(part, Source)]
    if sources:
        return SourceInput(tuple(_read(source, workshop) for source in sources), given.columns)
    references = [part for _, part in parts if isinstance(part, Reference)]
    tables = [workshop.recent.get(reference.asset, reference.version) for reference in references]
    kept = tuple(table for table in tables if table is not None)
    if len(kept) == len(references):
        return MemoryInput(kept, given.columns)
    return workshop.store.load(references, given.columns)


def _read(source: Source, workshop: Workshop) -> object:
    read = workshop.runtimes[source.asset].function
    return read_source(read, source.path if source.path is not None else source.partition)


def _require_unchanged_sources(work: Work) -> None:
    """Refuse what was made from a source that is not, any more, what was observed."""
    for given in work.inputs:
        for _, part in given.parts:
            if not isinstance(part, Source) or part.path is None:
                continue
            try:
                signature = path_signature(part.path, part.reader, datetime.now(UTC)).text
            except FileNotFoundError:
                signature = "gone"
            if signature != part.signature:
                raise SourceChanged(
                    f"{part.path} changed while it was read",
                    remedy="run again; deliver files under a temporary name first",
                )


def _failed(asset: Asset, ordinal: int, error: BaseException) -> CellOutcome:
    """Return the outcome of a cell that an exception ended; its traceback begins with the first frame of the project.

    A query, or a lazy frame that runs when its function has returned, has no such frame: then the declaration is named.
    """
    paths = sysconfig.get_paths()
    own = str(Path(__file__).parents[1])
    foreign = (own, *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")))
    frames = traceback.extract_tb(error.__traceback__)
    first = next((n for n, frame in enumerate(frames) if not frame.filename.startswith(foreign)), len(frames))
    shown = [frame for frame in frames[first:] if not frame.filename.startswith(own)]
    ending = traceback.format_exception_only(error)
    lines = [*traceback.format_list(shown), *ending] if shown else [f"  declared at {asset.place}\n"]
    message = str(error) if isinstance(error, AssetsError) else "".join(ending).strip()
    return CellOutcome(
        ordinal,
        error=type(error).__name__,
        message=message[:_TRACEBACK_CHARACTERS],
        traceback="".join(lines)[-_TRACEBACK_CHARACTERS:],
        kinds=tuple(kind.__name__ for kind in type(error).__mro__[:-1]),
    )
