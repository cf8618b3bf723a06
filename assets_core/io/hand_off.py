"""Hand an input to a function in the form that its annotation asks for.

Called by a step. Data libraries are imported only for the forms that are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ..model.asset import HandOff
from .inputs import Input
from .reads import Trace
from .values import value_of

if TYPE_CHECKING:
    import duckdb


def hand_over(
    data: Input, hand_off: HandOff, connection: duckdb.DuckDBPyConnection, trace: Trace | None = None
) -> object:
    """Return the data as its reader wants it; a DuckDB relation belongs to `connection`.

    What is read of a lazy frame is noted in `trace`; in every other form, all of it is.
    """
    match hand_off:
        case HandOff.POLARS_LAZY:
            size_bytes = data.size_bytes
            if trace is None or size_bytes is None:
                return data.lazy_frame()
            return trace.follow(data.lazy_frame(), size_bytes)
        case HandOff.POLARS:
            return data.frame()
        case HandOff.ARROW_TABLE:
            return data.table()
        case HandOff.ARROW_READER:
            return _reader(data.scannable())
        case HandOff.DUCKDB:
            return connection.from_arrow(data.scannable())
        case HandOff.PANDAS:
            return data.table().to_pandas()
        case HandOff.VALUE:
            return value_of(data.table())


def _reader(data: pa.Table | pa.dataset.Dataset) -> pa.RecordBatchReader:
    if isinstance(data, pa.Table):
        return data.to_reader()
    return data.scanner().to_reader()
