"""The hand-off in memory between steps of one run: recent tables, up to a number of bytes.

Owned by a run, used by its steps from many threads. What does not fit is read again from the store.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import pyarrow as pa


class RecentTables:
    """Tables by version of data, the least recently used dropped first; never more than `limit_bytes` of them."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._tables: OrderedDict[tuple[str, str], pa.Table] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, asset: str, version: str, table: pa.Table) -> None:
        size_bytes = table.nbytes
        if size_bytes > self._limit_bytes:
            return
        with self._lock:
            if (asset, version) in self._tables:
                return
            self._tables[asset, version] = table
            self._size_bytes += size_bytes
            while self._size_bytes > self._limit_bytes:
                _, dropped = self._tables.popitem(last=False)
                self._size_bytes -= dropped.nbytes

    def get(self, asset: str, version: str) -> pa.Table | None:
        with self._lock:
            table = self._tables.get((asset, version))
            if table is not None:
                self._tables.move_to_end((asset, version))
            return table
