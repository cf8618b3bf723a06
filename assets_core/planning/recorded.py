"""What the current versions of an asset's cells had read, as it was recorded: arrays, asked of the past.

Used where the numbers of the cells do not settle a question: which columns had counted, and which edge changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..model.reads import ColumnsRead
from ..versions.recipe import Lanes, Ordinals
from .cells import Columns

Reads = dict[str, ColumnsRead]
"""By name of the edge, the columns that counted; everything of an edge that is not there did."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Which columns of their inputs counted for the cells of an asset; arrays with an element a cell.

    `recipe`: lanes of exactly what counted; `kinds`: the number of each cell's entry in `reads`, -1: everything.
    """

    recipe: Lanes
    kinds: Ordinals
    reads: Sequence[Reads]

    def of(self, name: str, positions: Ordinals) -> tuple[Ordinals, Sequence[ColumnsRead | None]]:
        """Return what counted of an edge: for cell i of `positions` the entry at its number in the list."""
        return self.kinds[positions] + 1, [None, *(reads.get(name) for reads in self.reads)]


@dataclass(frozen=True, slots=True)
class RecordedInputs:
    """Rows of what cells had read: `cells` is the position of the cell of each row, `columns` the rest of the row,
    where `edge` is a number in `edges`."""

    cells: Ordinals
    columns: Columns
    edges: Sequence[str]

    def names(self) -> list[str]:
        """Return the names of all edges that any cell had."""
        return [self.edges[edge] for edge in np.unique(self.columns["edge"]).tolist()] if len(self.cells) else []

    def first_rows(self, name: str, count: int) -> Ordinals:
        """Return for each of `count` cells its first row of an edge, -1 where it has none."""
        found = np.full(count, -1, np.int64)
        if len(self.cells) and name in self.edges:
            rows = np.flatnonzero(self.columns["edge"] == self.edges.index(name))[::-1]
            found[self.cells[rows]] = rows  # of equal places the last one assigned stays: the first row
        return found
