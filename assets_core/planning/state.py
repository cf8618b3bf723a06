"""What is now: the current cells of every asset as arrays, read from the catalog or observed at the source.

Used by `staleness.py` and by a run, which keeps it up to date as cells are published. Arrays of one asset are indexed
by ordinal minus the first ordinal of its partitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from ..model.asset import Asset
from ..model.keys import Cell, PartitionKey
from ..versions.recipe import Ordinals, lanes_of, text_lanes
from .cells import Cells, Layout
from .columns import ColumnDigests
from .spelling import ordinals_of

Texts = npt.NDArray[np.object_]


@dataclass(slots=True)
class Details:
    """What else is recorded of the cells of one asset; arrays of one length.

    `made_by`: the record that made the version. `checks`: version of the checks that judged it. `signature`: text by
    which an unchanged source is known again.
    """

    version: Texts
    file: Texts
    rows: Ordinals
    size_bytes: Ordinals
    signature: Texts
    checks: Texts
    made_by: Ordinals


@dataclass(slots=True)
class AssetState:
    """The cells of one asset. `code_lanes`, `checks_version`: of the asset as it is defined now. `start`: where its
    cells begin among those of all assets. `outside`: how many
    cells were published that the definition does not have any more. `details`, `columns`: None until the world has read
    them."""

    asset: Asset
    code_lanes: tuple[int, int]
    checks_version: str
    first: int
    end: int
    cells: Cells
    start: int = 0
    outside: int = 0
    details: Details | None = None
    columns: ColumnDigests | None = None

    def take(self, ordinal: int, made: Mapping[str, Any], seq: int) -> None:
        """Make current what a `materialized` record tells of, published by record `seq`."""
        position, cells = ordinal - self.first, self.cells
        cells.present[position] = True
        cells.drifted[position] = cells.expired[position] = False
        cells.narrowed[position] = False  # should its inputs move on once more, it is made once more
        whole = made.get("whole") or made["recipe"]
        for lanes, text in ((cells.token, made["token"]), (cells.whole, whole), (cells.code, made["code_lanes"])):
            lanes.a[position], lanes.b[position] = lanes_of(text)
        cells.position[position] = seq
        if (details := self.details) is not None:
            details.version[position], details.file[position] = made["version"], made["file"]
            details.rows[position], details.size_bytes[position] = made["rows"], made["bytes"]
        if self.columns is not None:
            details = self.details
            assert details is not None  # noqa: S101  # a run reads them before it takes anything
            self.columns.put(position, ((name, kind, d) for name, kind, d in made["columns"]), lambda: details.rows)

    def judge(self, ordinal: int, checks_version: str) -> None:
        """Note that the current version of a cell passed the checks of that version."""
        self.cells.judged[ordinal - self.first] = checks_version == self.checks_version
        self.cells.failed[ordinal - self.first] = False

    def observe(self, ordinal: int, seen: Mapping[str, Any], seq: int) -> None:
        """Make current what an `observed` record, number `seq`, tells of an external cell."""
        position, cells = ordinal - self.first, self.cells
        cells.present[position] = True
        cells.token.a[position], cells.token.b[position] = lanes_of(seen["token"])
        cells.position[position] = seq
        if self.details is not None:
            self.details.version[position], self.details.signature[position] = seen["version"], seen["signature"]

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def ordinals(self) -> Ordinals:
        return np.arange(self.first, self.end, dtype=np.int64)

    def key(self, ordinal: int) -> PartitionKey | None:
        """Return the partition key of an ordinal, None for the one cell of an asset without partitions."""
        return None if self.asset.partitions is None else self.asset.partitions.key(ordinal)

    def cell(self, ordinal: int) -> Cell:
        return Cell(self.asset.key, self.key(ordinal))

    def ordinal(self, partition: str | None) -> int | None:
        """Return the ordinal of a partition key, None where the definition has no such partition (any more)."""
        if self.asset.partitions is None or partition is None:
            return 0 if self.asset.partitions is None and partition is None else None
        try:
            ordinal = self.asset.partitions.ordinal(partition)
        except UserError:
            return None
        # A day's key also spells the hour, the week or the month that begins with it: those are other cells.
        return ordinal if self.first <= ordinal < self.end and self.key(ordinal) == partition else None

    def index_of(self, keys: Sequence[str]) -> Ordinals:
        """Return the places of cells that are known by their partition keys, -1 where none is."""
        if self.asset.partitions is None:
            return np.full(len(keys), -1, np.int64)
        index = ordinals_of(self.asset.partitions, keys) - self.first
        return np.where((index >= 0) & (index < len(self)), index, -1)


def layout_of(state: AssetState) -> Layout:
    """Return the layout of one asset's own arrays."""
    zero = np.zeros(1, np.int64)
    return Layout(zero, zero + state.first, zero + state.end, lambda _, keys: state.index_of(keys))


def code_lanes(asset: Asset) -> tuple[int, int]:
    """Return the lanes of an asset's code version."""
    return text_lanes("code", asset.code_version)


def checks_version(asset: Asset) -> str:
    """Return the version of everything that judges the asset's data; empty where nothing does."""
    if not asset.checks:
        return ""
    return "{:016x}{:016x}".format(*text_lanes("checks", *(f"{spec.name} {spec.version}" for spec in asset.checks)))
