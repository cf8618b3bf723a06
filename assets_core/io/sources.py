"""Read an external source: by the project's own function, or by the ending of its file.

Called by a step for inputs that are external.
"""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ..errors import InputError
from .inputs import MemoryInput, require_columns
from .streams import stream_of

if TYPE_CHECKING:
    import polars as pl


def read_source(read: Callable[..., object] | None, argument: object) -> object:
    """Return what `read` makes of a source (a path, or the partition), or what the ending of the path says.

    Raises: InputError where the ending says nothing.
    """
    if read is not None:
        return read(argument)
    if not isinstance(argument, Path):
        raise InputError("an external asset with a version function has no read function", remedy="give read=...")
    import polars as pl

    # A path is one path: a * in a partition's key must not read the files of others.
    match argument.suffix:
        case ".csv":
            return pl.scan_csv(argument, infer_schema_length=None, glob=False)
        case ".parquet":
            return pl.scan_parquet(argument, glob=False)
        case ".ndjson" | ".jsonl":
            return pl.scan_ndjson(glob.escape(str(argument)), infer_schema_length=None)
        case ".arrow":
            return pl.scan_ipc(argument, glob=False)
    raise InputError(
        f"nothing says how to read {argument}",
        remedy="give read=..., a function of its path that returns a frame (.csv, .parquet, .ndjson, .arrow need none)",
    )


@dataclass(frozen=True, slots=True)
class SourceInput:
    """What external sources gave, one value a partition, in whatever form their readers return."""

    values: tuple[object, ...]
    columns: tuple[str, ...] | None

    @property
    def size_bytes(self) -> None:
        return None

    def table(self) -> pa.Table:
        tables = []
        for value in self.values:
            stream = stream_of(value)
            tables.append(pa.Table.from_batches(stream.batches, stream.schema))
        return MemoryInput(tuple(tables), self.columns).table()

    def scannable(self) -> pa.Table:
        return self.table()

    def frame(self) -> pl.DataFrame:
        return self.lazy_frame().collect()

    def lazy_frame(self) -> pl.LazyFrame:
        import polars as pl

        frames = [value for value in self.values if isinstance(value, pl.LazyFrame)]
        if len(frames) < len(self.values):
            return MemoryInput((self.table(),), None).lazy_frame()
        frame = frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical_relaxed")
        if self.columns is None:
            return frame
        require_columns(self.columns, frame.collect_schema().names())
        return frame.select(self.columns)
