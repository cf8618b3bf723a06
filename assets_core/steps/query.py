"""Run the query of a step on its inputs: the values of its parameters, and only the columns that it is known to read.

Called by `given.py`. It must not know where the inputs come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import OutputError, StepError
from ..io.inputs import only_columns
from .work import AtWork, Source

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.dataset


def result_of(at: AtWork, query: str, inputs: Mapping[str, pa.Table | pa.dataset.Dataset]) -> duckdb.DuckDBPyRelation:
    """Return what a query gives of its inputs, by the names of its tables."""
    values = {**_of_partitions(at), **at.runtime.parameters}
    wanted = at.connection.extract_statements(query)[0].named_parameters
    if unknown := sorted(wanted - values.keys()):
        raise StepError(
            f"the query wants ${unknown[0]}, which {at.work.asset.key} does not have",
            remedy="say parameters=...; with partitions there are $partition_key, $partition_start, $partition_end",
        )
    reads = at.workshop.query_reads.of(query, {name: data.schema for name, data in inputs.items()})
    for given in at.work.inputs:
        if not any(isinstance(part, Source) for _, part in given.parts):
            at.traces[given.name].narrow(reads[given.name])
    relation = _relation(at, query, {name: values[name] for name in wanted}, inputs)
    if relation is None:
        raise OutputError("the query gives no result", remedy="end it with a SELECT")
    return relation


def _of_partitions(at: AtWork) -> dict[str, object]:
    """Return what a query is told of its partition; of a range, where it starts and ends, and its keys."""
    partitions = [partition for partition in at.work.partitions if partition is not None]
    if not partitions:
        return {}
    if not at.work.asset.batch:
        (partition,) = partitions
        return {"partition_key": partition.key, "partition_start": partition.start, "partition_end": partition.end}
    starts = [partition.start for partition in partitions if partition.start is not None]
    ends = [partition.end for partition in partitions if partition.end is not None]
    return {
        "partition_keys": [partition.key for partition in partitions],
        "partition_start": min(starts, default=None),
        "partition_end": max(ends, default=None),
    }


def _relation(
    at: AtWork, query: str, values: Mapping[str, object], inputs: Mapping[str, pa.Table | pa.dataset.Dataset]
) -> duckdb.DuckDBPyRelation | None:
    """Run a query on the columns that it is known to read, and on no others: so nothing else can bear on its result."""
    import duckdb

    for name, data in inputs.items():
        read = at.traces[name].columns()
        at.connection.register(name, data if read is None else only_columns(data, read.names))
    try:
        return at.connection.sql(query, params=dict(values) or None)
    except duckdb.BinderException:  # it reads more than is known, or is wrong: then this fails too
        for name, data in inputs.items():
            at.traces[name].narrow(None)
            at.connection.register(name, data)
        return at.connection.sql(query, params=dict(values) or None)
