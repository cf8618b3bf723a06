"""What a step or a query reads of an object store: little of it whole and at once, much of it column by column.

Made by `object_store.py`. Polars reads large objects itself, by the same options; Arrow and DuckDB through here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from ..errors import AssetsError, InputError
from .inputs import require_columns, unified
from .object_store import ObjectFolder, at_once

if TYPE_CHECKING:
    import polars as pl
    import pyarrow.dataset

_WHOLE_BYTES = 32 << 20
"""Up to here all files of an input are fetched whole, once: requests cost more than what is not needed of them."""
_WHOLE_FILE_BYTES = 1 << 20
"""Up to here each file is, where an input is larger."""


@dataclass(frozen=True, slots=True)
class ObjectInput:
    """Parquet objects, one a partition, that were there a moment ago with these sizes: read lazily."""

    folder: ObjectFolder
    files: tuple[str, ...]
    sizes: tuple[int, ...]
    columns: tuple[str, ...] | None
    _whole: dict[str, bytes] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes)

    def _fetch(self) -> bool:
        """Fetch everything whole, if it is little; return whether it was."""
        if self.size_bytes > _WHOLE_BYTES:
            return False
        wanted = [file for file in dict.fromkeys(self.files) if file not in self._whole]
        try:
            self._whole.update(zip(wanted, at_once(self.folder.whole, wanted), strict=True))
        except (AssetsError, FileNotFoundError) as error:
            raise _unreadable(error) from error
        return True

    def _opened(self, file: str) -> pa.NativeFile:
        if file in self._whole:
            return pa.BufferReader(self._whole[file])
        return opened_object(self.folder, file, self.sizes[self.files.index(file)])

    def _schemas(self) -> list[pa.Schema]:
        self._fetch()
        different = list(dict.fromkeys(self.files))
        try:
            found = dict(
                zip(different, at_once(lambda file: pq.read_schema(self._opened(file)), different), strict=True)
            )
        except (AssetsError, OSError, pa.ArrowInvalid) as error:
            raise _unreadable(error) from error
        return [found[file] for file in self.files]

    def scannable(self) -> pa.dataset.Dataset:
        import pyarrow.dataset as ds

        schema = unified(self._schemas())
        if self.columns is not None:
            require_columns(self.columns, schema.names)
            schema = pa.schema([schema.field(name) for name in self.columns])
        scan = ds.ParquetFragmentScanOptions(pre_buffer=True)  # what is near each other comes in one request
        form = ds.ParquetFileFormat(default_fragment_scan_options=scan)
        objects = pa.fs.PyFileSystem(_Objects(self._opened))
        return ds.dataset(list(self.files), schema=schema, format=form, filesystem=objects)

    def table(self) -> pa.Table:
        return self.scannable().to_table()

    def frame(self) -> pl.DataFrame:
        return self.lazy_frame().collect()

    def lazy_frame(self) -> pl.LazyFrame:
        import polars as pl

        schemas = self._schemas() if len(self.files) > 1 or self.columns is not None else []
        if schemas:
            names = unified(schemas).names
            require_columns(self.columns or (), names)
        if all(schema.equals(schemas[0]) for schema in schemas):
            frame = self._scan(self.files)
        else:
            frame = pl.concat([self._scan([file]).select(names) for file in self.files], how="vertical_relaxed")
        return frame if self.columns is None else frame.select(self.columns)

    def _scan(self, files: Sequence[str]) -> pl.LazyFrame:
        import polars as pl

        if self._fetch():
            return pl.scan_parquet([self._whole[file] for file in files], glob=False)
        options: dict[str, Any] = {
            **self.folder.connection.options(),
            "retry_timeout_ms": self.folder.connection.retry_seconds * 1000,
        }
        places = [self.folder.place(file) for file in files]
        return pl.scan_parquet(places, glob=False, storage_options=options, credential_provider=None)


def _unreadable(error: Exception) -> InputError:
    if isinstance(error, AssetsError):
        return InputError(error.what, remedy=error.remedy)
    return InputError(
        f"published data cannot be read: {error}",
        remedy="run `assets audit verify` to see what is damaged, then materialize it with --force",
    )


def opened_object(folder: ObjectFolder, file: str, size_bytes: int) -> pa.NativeFile:
    """Return an object as a file of which only what is asked for is fetched; a small one is fetched whole."""
    if size_bytes <= _WHOLE_FILE_BYTES:
        return pa.BufferReader(folder.whole(file))
    return pa.PythonFile(_Ranges(folder, file, size_bytes), mode="r")


class _Ranges(io.RawIOBase):
    """An object as a file: a read is a request for just these bytes."""

    def __init__(self, folder: ObjectFolder, file: str, size_bytes: int) -> None:
        super().__init__()
        self._folder = folder
        self._file = file
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        rest = max(0, self._size_bytes - self._at)
        length = rest if size is None or size < 0 else min(size, rest)
        found = self._folder.range(self._file, self._at, length) if length else b""
        self._at += len(found)
        return found


def _read_only(*_: object) -> None:
    raise NotImplementedError("published objects are read only")


_refuse: Any = _read_only  # in place of methods of many signatures


class _Objects(pa.fs.FileSystemHandler):
    """The files of one input, for Arrow: they can be opened, and nothing else."""

    def __init__(self, opened: Callable[[str], pa.NativeFile]) -> None:
        self._opened = opened

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = None  # type: ignore[assignment]

    def get_type_name(self) -> str:
        return "objects"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: str | list[str]) -> list[pa.fs.FileInfo]:
        return [pa.fs.FileInfo(path, pa.fs.FileType.File) for path in ([paths] if isinstance(paths, str) else paths)]

    def open_input_file(self, path: str) -> pa.NativeFile:
        return self._opened(path)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self._opened(path)

    get_file_info_selector = create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse
