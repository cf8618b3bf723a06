"""The table that is handed from one step to the next, and what its two functions note about it.

Imported by the two steps of every case of `handoff.py`, in whatever process they run; needs Arrow only. The notes go to
the folder that HANDOFF_NOTES names; times are of one clock for all processes of a machine.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

FLOATS, INTEGERS = 8, 8
BYTES_A_ROW = 8 * (FLOATS + INTEGERS) + 4 + 12  # the text has twelve letters and an offset


def make() -> pa.Table:
    """Return a table of about HANDOFF_BYTES bytes, never more: floats, integers and one column of texts."""
    rows = int(os.environ["HANDOFF_BYTES"]) // BYTES_A_ROW
    columns: dict[str, pa.Array[Any]] = {}
    for number in range(FLOATS):
        columns[f"float_{number}"] = pc.random(rows, initializer=number)
    for number in range(INTEGERS):
        chance = pc.random(rows, initializer=FLOATS + number)
        columns[f"integer_{number}"] = pc.cast(pc.floor(pc.multiply(chance, 1e6)), pa.int64())
    digits = pc.cast(pc.add(pc.multiply(columns["integer_0"], 100_000), 10**11), pa.string())
    columns["text"] = digits
    return pa.table(columns)


def _sums(table: pa.Table) -> dict[str, float]:
    """Touch every value of every column."""
    return {
        name: pc.sum(pc.cast(column, pa.int64()) if pa.types.is_string(column.type) else column).as_py()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _addresses(table: pa.Table) -> list[int]:
    return [
        buffer.address
        for column in table.columns
        for chunk in column.chunks
        for buffer in chunk.buffers()
        if buffer is not None
    ]


def _note(name: str, **what: Any) -> None:
    (Path(os.environ["HANDOFF_NOTES"]) / f"{name}.json").write_text(json.dumps(what), encoding="utf-8")


def made() -> pa.Table:
    """The first step: make the table, and note when it is done."""
    table = make()
    sums, addresses = _sums(table), _addresses(table)
    _note("made", at=time.monotonic(), process=os.getpid(), sums=sums, addresses=addresses)
    return table


def received(table: pa.Table) -> pa.Table:
    """The second step: note when it has the table, and when it has touched all of it; return one row."""
    had_at = time.monotonic()
    sums = _sums(table)
    touched_at = time.monotonic()
    _note(
        "received",
        had_at=had_at,
        touched_at=touched_at,
        process=os.getpid(),
        rows=table.num_rows,
        bytes=table.nbytes,
        sums=sums,
        addresses=_addresses(table),
    )
    return pa.table({"rows": [table.num_rows]})
