"""The IO manager port: how a step's data is stored and found again, with the values that cross it.

Implemented by `parquet_store.py`; stores of other packages implement the same three methods. It must not know assets'
definitions, runs or the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from ..model.keys import AssetKey
from ..versions.data import DataVersion
from .inputs import Input
from .streams import Stream


@dataclass(frozen=True, slots=True)
class Staged:
    """Data that no reader can find yet: in memory as a table, or in a file where it is too large for that."""

    data: DataVersion
    table: pa.Table | None
    path: Path | None


@dataclass(frozen=True, slots=True)
class Stored:
    """Data at its final, immutable place. `file` is relative to the store; `table` is what is still in memory.

    `file_digest`: BLAKE3 of the file's bytes, 32 hex digits. `tag`: what an object store calls these bytes.
    """

    data: DataVersion
    file: str
    size_bytes: int
    file_digest: str
    table: pa.Table | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where one partition's data lies: what a reader needs to load it."""

    asset: AssetKey
    version: str
    file: str


class IOManager(Protocol):
    """Three methods, called by many threads at once."""

    def save(self, asset: AssetKey, stream: Stream, judge: Callable[[Staged], bool]) -> Stored | None:
        """Stage a stream, let `judge` look at it, make it durable under its final name; None where the judge refuses.

        Nothing is left behind where the judge or the stream fails.
        """
        ...

    def load(self, references: Sequence[Reference], columns: tuple[str, ...] | None) -> Input:
        """Return the data of some partitions, read lazily.

        Raises: InputError where a partition's data is missing.
        """
        ...

    def version(self, reference: Reference) -> DataVersion:
        """Return the version of what is stored, computed from the data itself."""
        ...
