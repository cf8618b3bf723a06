"""Run a command for one cell: hand it its inputs as files, attend to what it reports, give back what it has made.

Called by a step. It must not know stores, plans or runs.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from ..errors import CommandFailed, OutputError
from ..io.inputs import Input, ParquetInput
from ..io.sources import read_source
from ..io.streams import Stream, stream_of
from ..loading.commands import Command, variable_of
from ..model.keys import PartitionKey
from ..model.partitions import Partition
from .command_guard import REPORT
from .command_process import CommandProcess, RunningCommands
from .reported import Reported
from .secrets import without

_LONGEST_NAME = 200
# These say where things are: without them no path in a message could be read. What else a command is given is masked.
_OPEN = frozenset(["PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV"])


@dataclass(frozen=True, slots=True)
class CommandCall:
    """One call of a command: the cell, its inputs (by partition key where it wants a folder), and a folder to work in.

    `scratch`: where folders of calls are made, and removed again; None: where the system keeps temporary files.
    """

    cell: str
    partition: Partition | None
    inputs: Mapping[str, Input | Mapping[PartitionKey | None, Input]]
    reported: Reported
    scratch: Path | None = None
    running: RunningCommands = field(default_factory=RunningCommands)


@contextmanager
def result_of_command(command: Command, call: CommandCall) -> Iterator[pa.RecordBatchReader | str | None]:
    """Run a command to its end and give what it made, which can be read inside the block: the rows of its output; of a
    command without one, the version that it told, if it told one.

    Raises: CommandFailed, OutputError where it did not write what it should have.
    """
    scratch = call.scratch or Path(tempfile.gettempdir())
    folder = scratch.absolute() / f"command-{uuid.uuid4().hex}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "tmp").mkdir(parents=True)
        taken = _taken(command, call.cell)
        call.reported.mask = _mask(taken)
        output = None if command.output is None else folder / f"output.{command.output}"
        inputs = {name: _written(data, folder / "inputs", name) for name, data in call.inputs.items()}
        values = _values(call.partition, output, inputs)
        arguments = [argument.fill(values) for argument in command.arguments]
        environment = {"TMPDIR": str(folder / "tmp"), **taken, **command.fixed, **_told(values)}
        for text in (*arguments, *environment.values()):
            if "\0" in text:
                raise CommandFailed(
                    f"an argument of {call.cell} holds a NUL, which no command can be given: {text!r}",
                    remedy="give the partition a key without it",
                )
        CommandProcess(call.cell, arguments, environment, command.folder, call.reported).run(call.running)
        if output is None:
            yield call.reported.told_version
        else:
            if call.reported.told_version is not None:
                call.reported.log("the version that it told does not count: its output does", "warning")
            yield _read(output, call, stack)


def _taken(command: Command, cell: str) -> dict[str, str]:
    """Return the variables that a command may have of the environment of this process."""
    missing = [name for name in command.variables if name not in os.environ]
    if missing:
        raise CommandFailed(
            f"{cell} is to be given {', '.join(missing)}, which is not set in the environment of the run",
            remedy="set it, or leave it out of environment=[...]",
        )
    return {name: os.environ[name] for name in command.variables}


def _mask(taken: Mapping[str, str]) -> Callable[[str], str]:
    values = tuple(value for name, value in taken.items() if name not in _OPEN)
    return lambda text: without(text, values)


def _values(partition: Partition | None, output: Path | None, inputs: Mapping[str, Path]) -> dict[str, str]:
    """Return what stands for each placeholder of a command's arguments."""
    values = {"report": f"/dev/fd/{REPORT}"}
    if partition is not None:
        values["partition"] = partition.key
        values |= {f"dimension.{name}": part.key for name, part in (partition.dimensions or {}).items()}
        if partition.start is not None and partition.end is not None:
            values["partition_start"] = partition.start.isoformat()
            values["partition_end"] = partition.end.isoformat()
    if output is not None:
        values["output"] = str(output)
    for name, path in inputs.items():
        values[f"inputs.{name}" if path.is_dir() else f"input.{name}"] = str(path)
    return values


def _told(values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell a command what its placeholders do."""
    told = {"ASSETS_REPORT_FD": str(REPORT)}
    for placeholder, value in values.items():
        if (name := variable_of(placeholder)) is not None:
            told[name] = value
    return told


def _written(data: Input | Mapping[PartitionKey | None, Input], folder: Path, name: str) -> Path:
    """Write an input as one Parquet file, or as a folder with one for each partition; return the path."""
    if isinstance(data, Mapping):
        target = folder / name
        target.mkdir(parents=True)
        for key, each in data.items():
            _write(each, target / f"{file_name(key or '')}.parquet")
        return target
    folder.mkdir(exist_ok=True)
    target = folder / f"{name}.parquet"
    _write(data, target)
    return target


def file_name(key: str) -> str:
    """Return a partition key as a name of a file: all but letters, digits, `-` and `_` as `%` and two digits a byte.

    A very long one is cut, and ends in `~` and a digest of the key.

    >>> file_name("2026-01-05|eu west")
    '2026-01-05%7Ceu%20west'
    """
    text = quote(key, safe="", errors="surrogatepass").replace(".", "%2E").replace("~", "%7E")
    if len(text) <= _LONGEST_NAME:
        return text
    return f"{text[:_LONGEST_NAME]}~{blake3(key.encode('utf-8', 'surrogatepass')).hexdigest(8)}"


def _write(data: Input, path: Path) -> None:
    if isinstance(data, ParquetInput) and len(data.paths) == 1 and data.columns is None:
        shutil.copyfile(data.paths[0], path)  # no link: a command could change what is published
        return
    rows = data.scannable()
    if isinstance(rows, pa.Table):
        pq.write_table(rows, path)
        return
    with pq.ParquetWriter(path, rows.schema) as writer:
        for batch in rows.to_batches():
            writer.write_batch(batch)


def _read(path: Path, call: CommandCall, stack: ExitStack) -> pa.RecordBatchReader:
    """Return the rows of the file that a command wrote, a batch at a time."""
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except OSError:
        is_file = False
    if not is_file:
        raise OutputError(
            f"the command of {call.cell} ended well, but it wrote no file at the path that it was given: {path.name}",
            remedy="let it write to {output}, which is also in ASSETS_OUTPUT; a command without data has output=None",
        )
    with _unreadable(path, call):
        stream = _stream(path, stack)
    return pa.RecordBatchReader.from_batches(stream.schema, _guarded(stream, path, call))


def _guarded(stream: Stream, path: Path, call: CommandCall) -> Iterator[pa.RecordBatch]:
    with _unreadable(path, call):
        yield from stream.batches


@contextmanager
def _unreadable(path: Path, call: CommandCall) -> Iterator[None]:
    import polars as pl

    try:
        yield
    except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        said = call.reported.mask(str(error))
        raise OutputError(
            f"what the command of {call.cell} wrote cannot be read as {path.suffix[1:]}: {said[:1000]}",
            remedy="look at what it writes; output=... says which format that is",
        ) from error


def _stream(path: Path, stack: ExitStack) -> Stream:
    if path.suffix == ".parquet":
        file = stack.enter_context(pq.ParquetFile(path))
        return Stream(file.schema_arrow, iter(file.iter_batches()))
    if path.suffix == ".arrow":
        source = stack.enter_context(pa.OSFile(str(path), "r"))  # no memory map: one of a cut file ends the process
        try:
            reader = stack.enter_context(pa.ipc.open_file(source))
        except pa.ArrowInvalid:
            source.seek(0)
            stream = stack.enter_context(pa.ipc.open_stream(source))
            return Stream(stream.schema, iter(stream))
        return Stream(reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches)))
    return stream_of(read_source(None, path))
