"""The default IO manager: immutable Parquet files under content-addressed names, in a folder or an object store.

A file appears under its final name whole or not at all (`data_folder.py`). The name is the content's digest, so equal
data is stored once and a file is never changed.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from ..errors import InputError
from ..model.keys import AssetKey
from ..versions.data import DataHasher, DataVersion
from .data_folder import DataFolder, described_folder
from .inputs import Input
from .manager import Reference, Staged, Stored
from .memory import size_of
from .streams import Stream

_ROWS_A_GROUP = 1 << 20
_COMPRESSION: Literal["zstd"] = "zstd"
_COMPRESSION_OF_SMALL: Literal["snappy"] = "snappy"  # starting zstd takes longer than a small table saves
_SMALL_BYTES = 1 << 16
_LARGE_BYTES = 1 << 25  # more is written out as it is encoded, so that it is not in memory twice
_PART_BYTES = 1 << 20
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class ParquetStore:
    """Parquet files in `files`. A stream of more than `memory_bytes` is staged in a file, not in memory."""

    files: DataFolder
    staging: Path
    memory_bytes: int

    def describe(self) -> dict[str, Any]:
        """Return, as JSON, what another process opens this store from (see `opened`)."""
        return {"files": self.files.describe(), "staging": str(self.staging), "memory_bytes": self.memory_bytes}

    def settle(self, stored: Sequence[Stored]) -> None:
        """See to it that what was stored stays so, whatever happens, before a record speaks of it."""
        self.files.settle({one.file: (one.size_bytes, one.tag) for one in stored})

    def missing(self, files: Sequence[str]) -> dict[str, str]:
        """Return which of some files may not be recorded, and why: they are gone, or cannot be asked for."""
        return self.files.missing(files)

    def clear_staging(self) -> None:
        """Remove what a killed process left behind; only while no other process saves."""
        shutil.rmtree(self.staging, ignore_errors=True)

    def save(self, asset: AssetKey, stream: Stream, judge: Callable[[Staged], bool]) -> Stored | None:
        temporary = self.staging / f"{uuid.uuid4().hex}.parquet"
        try:
            staged = self._stage(stream, temporary)
            if not judge(staged):
                temporary.unlink(missing_ok=True)
                return None
            file = f"{asset}/{staged.data.digest}.parquet"
            if staged.table is not None and size_of(staged.table) <= _LARGE_BYTES:
                content = _encoded(staged.table)
                size_bytes, file_digest = len(content), blake3(content).hexdigest(DIGEST_BYTES)
                tag = self.files.put(content, temporary, file)
            else:
                if staged.table is not None:
                    self._write(staged.table.schema, [staged.table], temporary)
                size_bytes, file_digest = temporary.stat().st_size, _file_digest(temporary)
                tag = self.files.take(temporary, file)
            return Stored(staged.data, file, size_bytes, file_digest, staged.table, tag)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _stage(self, stream: Stream, temporary: Path) -> Staged:
        """Hash a stream while it is read; keep it in memory while it is small, else write it out as it comes."""
        hasher = DataHasher(stream.schema)
        kept: list[pa.RecordBatch] = []
        size_bytes = 0
        for batch in stream.batches:
            hasher.update(batch)
            kept.append(batch)
            size_bytes += size_of(batch)
            if size_bytes > self.memory_bytes:
                break
        else:
            return Staged(hasher.finish(), pa.Table.from_batches(kept, stream.schema), None)

        def rest() -> Iterator[pa.Table]:
            yield pa.Table.from_batches(kept, stream.schema)
            kept.clear()
            for batch in stream.batches:
                hasher.update(batch)
                yield pa.Table.from_batches([batch], stream.schema)

        self._write(stream.schema, rest(), temporary)
        return Staged(hasher.finish(), None, temporary)

    def _write(self, schema: pa.Schema, tables: Iterator[pa.Table] | Sequence[pa.Table], path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, schema, compression=_COMPRESSION) as writer:
            for table in tables:
                writer.write_table(table, row_group_size=_ROWS_A_GROUP)

    def load(self, references: Sequence[Reference], columns: tuple[str, ...] | None) -> Input:
        files = [reference.file for reference in references]
        sizes: list[int] = []
        for reference, stat in zip(references, self.files.stats(files), strict=True):
            if stat is None:
                raise InputError(
                    f"the data of {reference.asset} at version {reference.version[:12]} is gone:"
                    f" {self.files.place(reference.file)}",
                    remedy=f"materialize it again: assets materialize {reference.asset} --force",
                )
            sizes.append(stat.size_bytes)
        return self.files.opened(files, sizes, columns)

    def version(self, reference: Reference) -> DataVersion:
        with TemporaryDirectory() as scratch:
            return version_of(self.files.at_hand(reference.file, Path(scratch)))


def opened(description: Mapping[str, Any], staging: Path) -> ParquetStore:
    """Return the store that `describe` described, perhaps on another machine, which has this folder for staging.

    What lies in a folder is staged beside it. Raises: UserError.
    """
    files = described_folder(description["files"])
    place = Path(description["staging"]) if "folder" in description["files"] else staging
    return ParquetStore(files, place, description["memory_bytes"])


def _encoded(table: pa.Table) -> memoryview:
    """Return a table as the content of a file."""
    buffer = pa.BufferOutputStream()
    compression = _COMPRESSION if size_of(table) > _SMALL_BYTES else _COMPRESSION_OF_SMALL
    pq.write_table(
        table,
        buffer,
        compression=compression,
        use_dictionary=compression == _COMPRESSION,
        row_group_size=_ROWS_A_GROUP,
    )
    return memoryview(buffer.getvalue()).cast("B")


def version_of(source: Path | pa.NativeFile) -> DataVersion:
    """Return the version of what a file holds."""
    with pq.ParquetFile(source) as file:
        hasher = DataHasher(file.schema_arrow)
        for batch in file.iter_batches():
            hasher.update(batch)
    return hasher.finish()


def _file_digest(path: Path) -> str:
    hasher = blake3()
    with path.open("rb", buffering=0) as file:  # no memory map: one of a file that is cut meanwhile ends the process
        while part := file.read(_PART_BYTES):
            hasher.update(part)
    return hasher.hexdigest(DIGEST_BYTES)


def wrong_with(path: Path, version: str, digests: Collection[str]) -> str | None:
    """Return what is wrong with a published file, None where it is as it was written.

    `digests`: of the bytes that it was written with, each time. Where none was recorded, its content decides: that says
    nothing of what else is in a file, as the statistics by which readers leave out rows.
    """
    try:
        if digests:
            return None if _file_digest(path) in digests else "its bytes are not those that were written"
        found = version_of(path).digest
    except (OSError, ValueError, pa.ArrowException) as error:  # pyarrow may trip over a name that is no text
        return f"the file cannot be read: {error}"
    return None if found == version else f"the content is {found[:12]}, not {version[:12]}"
