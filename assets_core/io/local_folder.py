"""Published data in a folder of this machine, or one that several machines have mounted.

A file is made durable under a staging name, then renamed; that counts once the folder is durable too. Its size and its
times tell whether it was touched since.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data_folder import OWNER, STORED, FileStat, Owner, Sign, Signs

if TYPE_CHECKING:
    import duckdb

    from .inputs import Input

_GLOB = {ord(letter): f"[{letter}]" for letter in "*?["}  # DuckDB takes every path for a pattern


class LocalFolder:
    """Files below a folder. `owner`: whose it is, where it is not the project's own."""

    def __init__(self, folder: Path, owner: Callable[[], Owner] | None = None) -> None:
        self._folder = folder
        self._owner = owner

    def __str__(self) -> str:
        return str(self._folder)

    def place(self, file: str) -> str:
        return str(self._folder / file)

    def staging(self, local: Path) -> Path:
        return local if self._owner is None else self._folder / ".staging"  # a rename stays within a file system

    def take(self, staged: Path, file: str) -> str:
        make_durable(staged)
        _rename(staged, self._folder / file)  # over an equal file too: so a damaged one is mended
        return ""

    def put(self, content: memoryview, staged: Path, file: str) -> str:
        with _opened(staged) as draft:
            while content:
                content = content[draft.write(content) :]
            os.fsync(draft.fileno())
        _rename(staged, self._folder / file)
        return ""

    def settle(self, stored: Mapping[str, tuple[int, str]]) -> None:
        if stored:
            self.claim()
        for folder in {file.rpartition("/")[0] for file in stored}:
            make_durable(self._folder / folder)

    def stats(self, files: Sequence[str]) -> list[FileStat | None]:
        return [_stat(self._folder / file) for file in files]

    def missing(self, files: Sequence[str]) -> dict[str, str]:
        return {
            file: f"its file {file} was removed before it was published: make it again"
            for file in files
            if not (self._folder / file).exists()
        }

    def names(self) -> Iterable[str]:
        found = (path for path in self._folder.rglob("*") if STORED.fullmatch(path.name))
        return (path.relative_to(self._folder).as_posix() for path in found)

    def remove(self, files: Sequence[str]) -> None:
        for file in files:
            (self._folder / file).unlink(missing_ok=True)

    def settle_removed(self, files: Sequence[str]) -> None:
        for folder in {file.rpartition("/")[0] for file in files}:
            make_durable(self._folder / folder)

    def wrong_with(self, file: str, version: str, digests: Collection[str]) -> str | None:
        from .parquet_store import wrong_with  # the data libraries are seldom needed here

        path = self._folder / file
        return wrong_with(path, version, digests) if path.is_file() else "the file is missing"

    def opened(self, files: Sequence[str], sizes: Sequence[int], columns: tuple[str, ...] | None) -> Input:
        from .inputs import ParquetInput

        del sizes
        return ParquetInput(tuple(self._folder / file for file in files), columns)

    def at_hand(self, file: str, scratch: Path) -> Path:
        del scratch
        return self._folder / file

    def relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[str]) -> duckdb.DuckDBPyRelation:
        return parquet_relation(connection, places)

    def glance(self, counts: Mapping[str, int]) -> Callable[[str], Signs]:
        del counts
        return lambda asset: _signs_in(self._folder / asset)

    def is_as_written(self, sign: Sign, size_bytes: int, made_us: int) -> bool:
        size, changed_ns, touched_ns, _ = sign
        return size == size_bytes and max(int(changed_ns), int(touched_ns)) <= made_us * 1_000

    def written(self) -> dict[str, Sign]:
        return {}

    def noted(self) -> None:
        """Nothing was noted: times tell."""

    def claim(self) -> None:
        if self._owner is None:
            return
        marker = self._folder / OWNER

        def create(content: bytes) -> None:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = marker.with_suffix(f".{os.getpid()}.new")
            draft.write_bytes(content)
            make_durable(draft)
            try:
                os.link(draft, marker)
            except FileExistsError:
                self.claim()
            finally:
                draft.unlink()

        self._owner().require(str(self), marker.read_bytes() if marker.exists() else None, create)

    def describe(self) -> dict[str, Any]:
        return {"folder": str(self._folder)}


def parquet_relation(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> duckdb.DuckDBPyRelation:
    """Return the rows of some Parquet files of this machine; columns are matched by name."""
    files = [path.translate(_GLOB) for path in paths]
    return connection.read_parquet(files, union_by_name=len(files) > 1, hive_partitioning=False)


def readable(folder: str) -> list[str]:
    """Return how DuckDB is told that a folder may be read: as itself, and as the pattern that it is taken for."""
    folder = f"{folder.rstrip('/')}/"
    return [folder, folder.translate(_GLOB)]


def _signs_in(folder: Path) -> Signs:
    try:
        with os.scandir(folder) as entries:
            stats = {entry.name: entry.stat() for entry in entries if entry.name.endswith(".parquet")}
    except FileNotFoundError:
        return {}
    return {name: [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino] for name, s in stats.items()}


def _stat(path: Path) -> FileStat | None:
    try:
        s = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileStat(s.st_size, s.st_mtime, [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino])


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
