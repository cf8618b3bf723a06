"""The current cells of all assets as arrays, one asset behind the other, filled from batches of the catalog's rows.

Used by `world.py`, whose states are views of these arrays. Ten million cells are ten million places in a dozen arrays:
nothing here is done once a cell.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..versions.recipe import Lanes, Ordinals, zeros
from .intervals import Flags

BATCH_ROWS = 1_000_000
"""Rows of the catalog that are in memory beside the arrays at a time."""

NOT_RECORDED = 2**62
"""The position of what was seen just now: behind every record."""

_THREADS = 2
_NEIGHBOURS = 100  # so many in a row are copied faster than one by one

Columns = dict[str, npt.NDArray[Any]]
"""Arrays of one length by the name of their column."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Arrays of one length.

    `present`: a version is published (or, of an external asset, was observed). `failed`: the last attempt failed since.
    `judged`: the checks of now passed the version. `narrowed`: not all columns that its inputs have counted. `drifted`:
    its file is not what was published. `expired`: it is older than it may be. `token`, `whole`, `code`: lanes recorded
    with the version (`whole`: the recipe as if all columns had counted). `position`: the journal position as of which
    it was published.
    """

    present: Flags
    failed: Flags
    judged: Flags
    narrowed: Flags
    drifted: Flags
    expired: Flags
    token: Lanes
    whole: Lanes
    code: Lanes
    position: Ordinals

    def view(self, start: int, stop: int) -> Cells:
        """Return some of the cells; what is written there is written here."""
        span = slice(start, stop)
        return Cells(
            self.present[span],
            self.failed[span],
            self.judged[span],
            self.narrowed[span],
            self.drifted[span],
            self.expired[span],
            self.token[span],
            self.whole[span],
            self.code[span],
            self.position[span],
        )


def no_cells(count: int) -> Cells:
    """Return `count` cells of which nothing was ever made."""

    def flags() -> Flags:
        return np.zeros(count, np.bool_)

    return Cells(
        present=flags(),
        failed=flags(),
        judged=flags(),
        narrowed=flags(),
        drifted=flags(),
        expired=flags(),
        token=zeros(count),
        whole=zeros(count),
        code=zeros(count),
        position=np.zeros(count, np.int64),
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each asset stands in the arrays: `starts`, and its bounds `firsts` and `ends`, by the asset's place.

    `index_of` returns the places, within the asset, of cells that are known by their partition key: -1 where none is.
    """

    starts: Ordinals
    firsts: Ordinals
    ends: Ordinals
    index_of: Callable[[int, Sequence[str]], Ordinals]

    def positions(self, columns: Columns) -> tuple[Ordinals, Ordinals]:
        """Return for rows of `place`, `ordinal` and `is_renumbered` which are cells of now, and where these stand.

        `partition`: the keys of those rows that are renumbered.
        """
        place, ordinal = columns["place"], columns["ordinal"]
        index: Ordinals = ordinal - self.firsts[place]
        renumbered = np.flatnonzero(columns["is_renumbered"])
        for one in np.unique(place[renumbered]).tolist():
            rows = renumbered[place[renumbered] == one]
            keys = columns["partition"][np.searchsorted(renumbered, rows)]
            index[rows] = self.index_of(one, keys.tolist())
        inside = (index >= 0) & (index < (self.ends - self.firsts)[place])
        rows = np.arange(len(place)) if inside.all() else np.flatnonzero(inside)
        return rows, self.starts[place[rows]] + index[rows]


def fill(cells: Cells, layout: Layout, batches: Iterable[Columns]) -> Ordinals:
    """Put the rows of the query `cells` in their places; return, by place of the asset, how many have none any more."""
    outside = np.zeros(len(layout.starts), np.int64)
    at_work: deque[Future[Ordinals]] = deque()
    with ThreadPoolExecutor(_THREADS, "fill-cells") as pool:  # no two rows are of one cell
        for batch in batches:
            at_work.append(pool.submit(_fill, cells, layout, batch))
            if len(at_work) > _THREADS:  # rather than have all batches in memory
                outside += at_work.popleft().result()
        for one in at_work:
            outside += one.result()
    np.not_equal(cells.position, 0, out=cells.present)
    return outside


def _fill(cells: Cells, layout: Layout, columns: Columns) -> Ordinals:
    rows, index = layout.positions(columns)
    every = len(rows) == len(columns["place"])
    places = _as_slices(index)
    for name, target in {
        "token_a": cells.token.a,
        "token_b": cells.token.b,
        "whole_a": cells.whole.a,
        "whole_b": cells.whole.b,
        "code_a": cells.code.a,
        "code_b": cells.code.b,
        "published_seq": cells.position,
    }.items():
        values = columns[name] if every else columns[name][rows]
        for taken, put in places:
            target[put] = values[taken]
    for name, flags in {"is_judged": cells.judged, "is_narrowed": cells.narrowed}.items():
        flags[index[columns[name] if every else columns[name][rows]]] = True
    if every:
        return np.zeros(len(layout.starts), np.int64)
    is_outside = np.ones(len(columns["place"]), np.bool_)
    is_outside[rows] = False
    return np.bincount(columns["place"][is_outside], minlength=len(layout.starts))


def _as_slices(index: Ordinals) -> list[tuple[slice, slice | Ordinals]]:
    """Return which values go where: as a few slices, which are copied fast, where most neighbours stay neighbours."""
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    if len(breaks) * _NEIGHBOURS >= len(index):
        return [(slice(None), index)]
    starts = [0, *breaks.tolist()]
    stops = [*starts[1:], len(index)]
    return [
        (slice(a, b), slice(to, to + b - a)) for a, b, to in zip(starts, stops, index[starts].tolist(), strict=True)
    ]
