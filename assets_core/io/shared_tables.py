"""The hand-off between processes of one machine: recent tables in memory-mapped Arrow files, up to a number of bytes.

Used by the steps of one run in its worker processes, which share a folder and nothing else. What is not there is read
again from the store, so nothing here is made durable, and whatever fails is as if it had not been tried.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from .memory import Tables

_WORTH_BYTES = 1 << 18  # less is read from Parquet as soon as it is written here and mapped


@dataclass(frozen=True, slots=True)
class SharedTables:
    """Tables by version of data as files of `folder`, the oldest dropped first; about `limit_bytes` of them at most.

    The folder is one of the run's staging, on disk, rather than /dev/shm: a GB takes 0.21 s to write and 4 ms to map
    and touch there, 0.38 s and 0.11 s in /dev/shm, whose pages are small; the kernel may write its pages out where
    memory is short; and it goes when staging is cleared. A file appears under its name when it is whole, and is never
    changed; a reader's map stays valid when its file is dropped.
    """

    folder: Path
    limit_bytes: int

    def put(self, asset: str, version: str, table: pa.Table) -> bool:
        """Return whether the table is there now."""
        if not _WORTH_BYTES <= table.nbytes <= self.limit_bytes:
            return False
        target = self._path(asset, version)
        if target.exists():
            return True
        draft = self.folder / f"{uuid.uuid4().hex}.new"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(table.nbytes)
            _write(draft, table)
            draft.rename(target)
        except (OSError, pa.ArrowException):  # a disk that is full, a type that the format does not know
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            return False
        return True

    def get(self, asset: str, version: str) -> pa.Table | None:
        try:
            with pa.memory_map(str(self._path(asset, version))) as file, pa.ipc.open_file(file) as reader:
                return reader.read_all()
        except (OSError, pa.ArrowException):
            return None

    def _path(self, asset: str, version: str) -> Path:
        return self.folder / f"{asset.replace('/', '.')}@{version}.arrow"

    def _make_room(self, size_bytes: int) -> None:
        """Drop the oldest files until there is room for so many bytes; another process may do the same meanwhile."""
        found: list[tuple[int, int, str]] = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    stat = entry.stat()
                    found.append((stat.st_mtime_ns, stat.st_size, entry.path))
        total_bytes = size_bytes + sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total_bytes <= self.limit_bytes:
                return
            if path.endswith(".arrow"):
                Path(path).unlink(missing_ok=True)
                total_bytes -= size


@dataclass(frozen=True, slots=True)
class NearTables:
    """A process's own memory, and what processes share: a table that is there is not kept here, too."""

    own: Tables
    shared: SharedTables

    def put(self, asset: str, version: str, table: pa.Table) -> None:
        if not self.shared.put(asset, version, table):
            self.own.put(asset, version, table)

    def get(self, asset: str, version: str) -> pa.Table | None:
        table = self.own.get(asset, version)
        return self.shared.get(asset, version) if table is None else table


def _write(path: Path, table: pa.Table) -> None:
    # A file holds one dictionary a column: those of chunks become one. Nothing is compressed, so that it can be mapped.
    options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table)
