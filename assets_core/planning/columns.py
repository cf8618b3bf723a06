"""The columns of an asset's cells as digests, and the tokens by which some of them enter what a reader reads.

Used by `world.py` where whole partitions have changed, to see whether the columns that count have. A digest of a column
covers its values, their number and their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..model.partitions import KeyedPartitions, Partitions, ProductPartitions
from ..model.reads import ColumnsRead
from ..versions.recipe import Lanes, Ordinals, lanes_of, mixed, text_lanes, zeros
from .spelling import keys_of, split

_PLACE_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def key_lanes(partitions: Partitions | None, ordinals: Ordinals) -> Lanes:
    """Return for each partition what stands for its key: equal for equal keys of equal schemes alone."""
    match partitions:
        case ProductPartitions(dimensions=dimensions):
            lanes = zeros(len(ordinals))
            for (name, dimension), part in zip(dimensions, split(partitions, ordinals), strict=True):
                own, (salt_a, salt_b) = key_lanes(dimension, part), text_lanes("dimension", name)
                mixed_own = mixed(Lanes(own.a + np.uint64(salt_a), own.b + np.uint64(salt_b)))
                lanes = Lanes(lanes.a + mixed_own.a, lanes.b + mixed_own.b)
            return lanes
        case KeyedPartitions():
            unique, inverse = np.unique(ordinals, return_inverse=True)
            keyed = [text_lanes("key", key) for key in keys_of(partitions, unique)]
            of_key = np.array(keyed, np.uint64).reshape(-1, 2)
            return Lanes(of_key[:, 0][inverse], of_key[:, 1][inverse])
        case _:
            salt_a, salt_b = text_lanes("keys", "" if partitions is None else partitions.scheme)
            numbers = ordinals.astype(np.uint64)
            return mixed(Lanes(numbers + np.uint64(salt_a), numbers + np.uint64(salt_b)))


@dataclass(slots=True)
class ColumnDigests:
    """The columns of the cells of one asset. `keys`: lanes of the partition keys; `of`: by name of the column, zero
    where a cell has none; `schema`: of the names and types of all. All arrays have one length.
    """

    keys: Lanes
    of: dict[str, Lanes]
    schema: Lanes
    _tokens: dict[ColumnsRead, Lanes] = field(default_factory=dict)

    def tokens(self, reads: ColumnsRead, rows: Callable[[], Ordinals]) -> Lanes:
        """Return for each cell the token of some of its columns; `rows` gives the number of rows of each."""
        if reads not in self._tokens:
            self._tokens[reads] = self._make(reads, rows, slice(None))
        return self._tokens[reads]

    def _make(self, reads: ColumnsRead, rows: Callable[[], Ordinals], span: slice) -> Lanes:
        a, b = self.keys.a[span].copy(), self.keys.b[span].copy()
        wanted = {name.casefold() for name in reads.names}  # SQL takes names of either case for the same
        parts = [lanes[span] for name, lanes in self.of.items() if name.casefold() in wanted]
        if reads.with_schema:
            parts.append(self.schema[span])
        if not reads.names:
            counted, salt = rows()[span].astype(np.uint64), text_lanes("rows")
            parts.append(mixed(Lanes(counted + np.uint64(salt[0]), counted + np.uint64(salt[1]))))
        for part in parts:
            a += part.a
            b += part.b
        salt = text_lanes("columns", str(reads.with_schema), *reads.names)
        return mixed(Lanes(a + np.uint64(salt[0]), b + np.uint64(salt[1])))

    def put(self, position: int, columns: Iterable[tuple[str, str, str]], rows: Callable[[], Ordinals]) -> None:
        """Take in name, type and digest of the columns of a cell that was made anew."""
        for lanes in (*self.of.values(), self.schema):
            lanes.a[position], lanes.b[position] = 0, 0
        listed = list(columns)
        numbers = np.array([lanes_of(digest) for _, _, digest in listed], np.uint64).reshape(-1, 2)
        places = np.arange(len(listed))
        pairs = [(name, kind) for name, kind, _ in listed]
        self.add(np.full(len(listed), position), places, places, pairs, Lanes(numbers[:, 0], numbers[:, 1]))
        for reads, tokens in self._tokens.items():
            made = self._make(reads, rows, slice(position, position + 1))
            tokens.a[position], tokens.b[position] = made.a[0], made.b[0]

    def copy(self, index: Ordinals, other: ColumnDigests, places: Ordinals) -> None:
        """Take over the columns of some cells from those at `places` of other digests."""
        for name in other.of.keys() - self.of.keys():
            self.of[name] = zeros(len(self.keys))
        nothing = zeros(len(other.keys))
        pairs = [(lanes, other.of.get(name, nothing)) for name, lanes in self.of.items()]
        for ours, theirs in [*pairs, (self.schema, other.schema)]:
            ours.a[index], ours.b[index] = theirs.a[places], theirs.b[places]
        self._tokens.clear()

    def add(
        self, cells: Ordinals, places: Ordinals, codes: Ordinals, pairs: Sequence[tuple[str, str]], digests: Lanes
    ) -> None:
        """Add rows of columns: the cell of each, its place among the cell's columns, the number of its name and type in
        `pairs`, its digest."""
        for code in np.unique(codes).tolist():
            name, kind = pairs[code]
            rows = np.flatnonzero(codes == code)
            salt_a, salt_b = (np.uint64(lane) for lane in text_lanes("column", name, kind))
            of = self.of.setdefault(name, zeros(len(self.keys)))
            lanes = mixed(Lanes(digests.a[rows] + salt_a, digests.b[rows] + salt_b))
            of.a[cells[rows]], of.b[cells[rows]] = lanes.a, lanes.b
            place = places[rows].astype(np.uint64) * _PLACE_FACTOR
            shape = mixed(Lanes(place + salt_a, place + salt_b))
            self.schema.a[cells[rows]] += shape.a  # a cell has a name once: no place stands twice in the index
            self.schema.b[cells[rows]] += shape.b


def column_digests(partitions: Partitions | None, ordinals: Ordinals) -> ColumnDigests:
    """Return the digests of the cells of an asset of which no columns are known yet."""
    return ColumnDigests(key_lanes(partitions, ordinals), {}, zeros(len(ordinals)))
