"""Whatever a function returns, as one stream of Arrow record batches.

Called by a step before it saves. Data libraries are recognised by the type's name and imported only if they are in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ..errors import OutputError

ACCEPTED = (
    "a polars LazyFrame or DataFrame, a pyarrow Table, RecordBatch or RecordBatchReader, a DuckDB relation, "
    "a pandas DataFrame, or anything with __arrow_c_stream__"
)

_FEW_ROWS = 10_000

# Of these, the type of a column's array says everything: others keep some of it in the metadata of a frame's schema.
_PLAIN_DTYPES = frozenset(f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)) | {
    "Float32",
    "Float64",
    "Boolean",
    "String",
    "Binary",
    "Date",
    "Time",
    "Datetime",
    "Duration",
    "Decimal",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """Record batches of one schema, to be read once. A lazy source runs while it is read."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def stream_of(value: Any) -> Stream:
    """Return the batches of a function's result.

    Raises: OutputError where the value is not tabular data.
    """
    match _library(value), type(value).__name__:
        case "polars", "LazyFrame":
            return _lazy_frame(value)
        case "polars", "DataFrame":
            return _table(_frame_table(value))
        case "pyarrow", "Table":
            return _table(value)
        case "pyarrow", "RecordBatch":
            return Stream(value.schema, iter([value]))
        case "pyarrow", "RecordBatchReader":
            return Stream(value.schema, iter(value))
        case (("duckdb" | "_duckdb"), "DuckDBPyRelation"):
            reader = value.to_arrow_reader()
            return Stream(reader.schema, iter(reader))
        case "pandas", "DataFrame":
            return _table(pa.Table.from_pandas(value, preserve_index=False).replace_schema_metadata(None))
    if hasattr(value, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(value)
        return Stream(reader.schema, iter(reader))
    shown = "None" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"
    remedy = f"return {ACCEPTED}"
    if isinstance(value, str | int | float | dict | list):
        remedy += "; or annotate its result with a plain type, as in -> str, if the value itself is what it makes"
    raise OutputError(f"the function returned {shown}, which is not a table", remedy=remedy)


def _library(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _table(table: pa.Table) -> Stream:
    return Stream(table.schema, iter(table.to_batches()))


def _frame_table(frame: Any) -> pa.Table:
    """Return a frame as polars' `to_arrow` does, which wakes its threads; a small one goes column by column."""
    columns = frame.get_columns() if frame.height <= _FEW_ROWS else []
    if columns and all(type(one.dtype).__name__ in _PLAIN_DTYPES and one.n_chunks() == 1 for one in columns):
        return pa.Table.from_arrays([column.to_arrow() for column in columns], names=frame.columns)
    table: pa.Table = frame.to_arrow()
    return table


def _lazy_frame(frame: Any) -> Stream:
    """Run a lazy query in streaming mode, a batch at a time, so that a partition larger than memory works."""
    import polars as pl

    batches = (batch for chunk in frame.collect_batches(lazy=True) for batch in _frame_table(chunk).to_batches())
    first = next(batches, None)
    if first is None:
        return Stream(pl.DataFrame(schema=frame.collect_schema()).to_arrow().schema, iter(()))
    return Stream(first.schema, _chain(first, batches))


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
