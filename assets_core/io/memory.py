"""The hand-off in memory between steps of one run: recent tables, up to a number of bytes.

Owned by a run, used by its steps from many threads. What does not fit is read again from the store.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

import pyarrow as pa

_SMALL_BYTES = 1 << 12
_MOST_TABLES = 10_000  # however little is in a table, it takes 3 KB


def size_of(data: pa.Table | pa.RecordBatch) -> int:
    """Return how many bytes data takes. Of small buffers all counts, also what is not used: that is told at once."""
    held = data.get_total_buffer_size()
    return held if held <= _SMALL_BYTES else data.nbytes


class Tables(Protocol):
    """Where a step leaves a table for those that read it next, and looks for one before it goes to the store."""

    def put(self, asset: str, version: str, table: pa.Table) -> None: ...

    def get(self, asset: str, version: str) -> pa.Table | None: ...


class RecentTables:
    """Tables by version of data, the least recently used dropped first; never more than `limit_bytes` of them, nor more
    than 10,000."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._tables: OrderedDict[tuple[str, str], tuple[pa.Table, int]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, asset: str, version: str, table: pa.Table) -> None:
        size_bytes = size_of(table)
        if size_bytes > self._limit_bytes:
            return
        with self._lock:
            if (asset, version) in self._tables:
                return
            self._tables[asset, version] = (table, size_bytes)
            self._size_bytes += size_bytes
            while self._size_bytes > self._limit_bytes or len(self._tables) > _MOST_TABLES:
                _, (_, dropped) = self._tables.popitem(last=False)
                self._size_bytes -= dropped

    def get(self, asset: str, version: str) -> pa.Table | None:
        with self._lock:
            found = self._tables.get((asset, version))
            if found is None:
                return None
            self._tables.move_to_end((asset, version))
            return found[0]
