"""What a step is given: its inputs, in the form that its function or query asks for, and the call of the function.

Called by `step.py` and `batches.py`. It must not know what becomes of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import InputError, SourceChanged
from ..io.hand_off import hand_over
from ..io.inputs import Input, MemoryInput
from ..io.manager import Reference
from ..io.sources import SourceInput, read_source
from ..model.asset import HandOff
from ..model.keys import Cell, PartitionKey
from ..planning.observe import path_signature
from .command import CommandCall, result_of_command
from .query import result_of
from .work import AtWork, Source, Work, WorkInput, Workshop

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset

Part = tuple[PartitionKey | None, Reference | Source]


def called(at: AtWork) -> object:
    """Call the function, or run the query, with its inputs."""
    work, runtime = at.work, at.runtime
    if runtime.query is not None:
        return result_of(at, runtime.query, _scannable(at))
    assert runtime.function is not None  # noqa: S101  # built for every asset of a function
    arguments: dict[str, Any] = {given.name: _handed(given, at) for given in work.inputs}
    arguments |= deepcopy(dict(runtime.parameters))  # a function may change what it is given
    if work.asset.partition_parameter is not None:
        arguments[work.asset.partition_parameter] = work.partitions if work.asset.batch else work.partitions[0]
    return runtime.function(**arguments)


@contextmanager
def made(at: AtWork) -> Iterator[object]:
    """Give what the function, query or command of one cell makes; of a command, it can be read inside the block."""
    work, command = at.work, at.runtime.command
    if command is None:
        yield called(at)
        return
    inputs: dict[str, Input | Mapping[PartitionKey | None, Input]] = {
        given.name: {key: _input(given, ((key, part),), at.workshop) for key, part in given.parts}
        if given.by_partition
        else _input(given, given.parts, at.workshop)
        for given in work.inputs
    }
    cell = str(Cell(work.asset.key, None if work.partitions[0] is None else work.partitions[0].key))
    call = CommandCall(cell, work.partitions[0], inputs, at.reported, at.workshop.scratch, at.workshop.commands)
    with result_of_command(command, call) as value:
        yield value


def _scannable(at: AtWork) -> dict[str, pa.Table | pa.dataset.Dataset]:
    return {given.name: _input(given, given.parts, at.workshop).scannable() for given in at.work.inputs}


def _handed(given: WorkInput, at: AtWork) -> object:
    def hand(parts: Sequence[Part]) -> object:
        return hand_over(_input(given, parts, at.workshop), given.hand_off, at.connection, at.traces[given.name])

    if given.by_partition:
        return {part[0]: hand((part,)) for part in given.parts}
    if given.optional and not given.parts:
        return None
    if given.hand_off is HandOff.VALUE and len(given.parts) != 1:
        raise InputError(
            f"{given.name} is annotated with a plain type, but is of {len(given.parts)} partitions, each with a value",
            remedy="annotate it pl.DataFrame (a row each), or Mapping[str, pl.DataFrame] (by partition key)",
        )
    return hand(given.parts)


def _input(given: WorkInput, parts: Sequence[Part], workshop: Workshop) -> Input:
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


def require_unchanged_sources(work: Work) -> None:
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
