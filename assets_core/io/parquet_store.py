"""The default IO manager: immutable Parquet files under content-addressed names.

A file appears under its final name whole or not at all: it is written to a staging name, made durable, then renamed.
The name is the content's digest, so equal data is stored once and a file is never changed.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from ..errors import InputError
from ..model.keys import AssetKey
from ..versions.data import DataHasher, DataVersion
from .inputs import ParquetInput
from .manager import Reference, Staged, Stored
from .streams import Stream

_ROWS_A_GROUP = 1 << 20
_COMPRESSION: Literal["zstd"] = "zstd"
_COMPRESSION_OF_SMALL: Literal["snappy"] = "snappy"  # starting zstd takes longer than a small table saves
_SMALL_BYTES = 1 << 16
_PART_BYTES = 1 << 20
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class ParquetStore:
    """Parquet files below `folder`. A stream of more than `memory_bytes` is staged in a file, not in memory."""

    folder: Path
    staging: Path
    memory_bytes: int

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
            final = self.folder / file
            size_bytes, file_digest = self._make_durable(staged, temporary)
            _rename(temporary, final)  # over an equal file too: so a damaged one is mended
            return Stored(staged.data, file, size_bytes, file_digest, staged.table)
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
            size_bytes += batch.nbytes
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

    def _make_durable(self, staged: Staged, temporary: Path) -> tuple[int, str]:
        """Bring staged data to the disk, whole; return size and digest of the file."""
        if staged.table is None:
            make_durable(temporary)
            return temporary.stat().st_size, _file_digest(temporary)
        buffer = pa.BufferOutputStream()
        compression = _COMPRESSION if staged.table.nbytes > _SMALL_BYTES else _COMPRESSION_OF_SMALL
        pq.write_table(
            staged.table,
            buffer,
            compression=compression,
            use_dictionary=compression == _COMPRESSION,
            row_group_size=_ROWS_A_GROUP,
        )
        data = buffer.getvalue()
        with _opened(temporary) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        return len(data), blake3(memoryview(data)).hexdigest(_DIGEST_BYTES)

    def _write(self, schema: pa.Schema, tables: Iterator[pa.Table] | Sequence[pa.Table], path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, schema, compression=_COMPRESSION) as writer:
            for table in tables:
                writer.write_table(table, row_group_size=_ROWS_A_GROUP)

    def load(self, references: Sequence[Reference], columns: tuple[str, ...] | None) -> ParquetInput:
        paths = tuple(self.folder / reference.file for reference in references)
        for reference, path in zip(references, paths, strict=True):
            if not path.exists():
                raise InputError(
                    f"the data of {reference.asset} at version {reference.version[:12]} is gone: {path}",
                    remedy=f"materialize it again: assets materialize {reference.asset} --force",
                )
        return ParquetInput(paths, columns)

    def version(self, reference: Reference) -> DataVersion:
        return _version_of(self.folder / reference.file)


def _version_of(path: Path) -> DataVersion:
    with pq.ParquetFile(path) as file:
        hasher = DataHasher(file.schema_arrow)
        for batch in file.iter_batches():
            hasher.update(batch)
    return hasher.finish()


def _file_digest(path: Path) -> str:
    hasher = blake3()
    with path.open("rb", buffering=0) as file:  # no memory map: one of a file that is cut meanwhile ends the process
        while part := file.read(_PART_BYTES):
            hasher.update(part)
    return hasher.hexdigest(_DIGEST_BYTES)


def wrong_with(path: Path, version: str, digests: Collection[str]) -> str | None:
    """Return what is wrong with a published file, None where it is as it was written.

    `digests`: of the bytes that it was written with, each time. Where none was recorded, its content decides: that says
    nothing of what else is in a file, as the statistics by which readers leave out rows.
    """
    try:
        if digests:
            return None if _file_digest(path) in digests else "its bytes are not those that were written"
        found = _version_of(path).digest
    except (OSError, ValueError, pa.ArrowException) as error:  # pyarrow may trip over a name that is no text
        return f"the file cannot be read: {error}"
    return None if found == version else f"the content is {found[:12]}, not {version[:12]}"


def _opened(path: Path) -> FileIO:
    try:
        return open(path, "wb", buffering=0)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "wb", buffering=0)


def _rename(temporary: Path, final: Path) -> None:
    try:
        temporary.rename(final)
    except FileNotFoundError:
        new = [folder for folder in final.parents if not folder.exists()]
        final.parent.mkdir(parents=True, exist_ok=True)
        for folder in new:
            make_durable(folder.parent)
        temporary.rename(final)


def make_durable(path: Path) -> None:
    """Make a file's content durable, or the names in a folder: a rename counts only after this."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
