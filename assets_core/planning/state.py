"""What is now: the current cells of every asset as arrays, read from the catalog or observed at the source.

Used by `staleness.py` and by a run, which keeps it up to date as cells are published. Arrays are indexed by ordinal
minus the first ordinal of the asset's partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SelectionError, UserError, did_you_mean
from ..model.asset import Asset, Edge
from ..model.graph import Graph
from ..model.keys import AssetKey, Cell, PartitionKey
from ..versions.recipe import Lanes, Ordinals, edge_digest, full_lanes, lanes_of, narrowed_token, text_lanes, zeros
from .intervals import Flags, Intervals, evaluate

Texts = npt.NDArray[np.object_]


@dataclass(slots=True)
class AssetState:
    """The cells of one asset; all arrays have `end - first` elements.

    `code_lanes`, `checks_version`: of the asset as it is defined now. `present`: a version is published (or, for an
    external asset, was observed). `failed`: the last attempt failed since. `token`, `recipe`, `code`: lanes recorded
    with the current version. `checks`: version of the checks that judged it. `position`: journal position as of which
    it was published. `narrowed`: for each set of columns that a reader is narrowed to, the token of these columns
    alone.
    """

    asset: Asset
    code_lanes: tuple[int, int]
    checks_version: str
    first: int
    end: int
    present: Flags
    failed: Flags
    token: Lanes
    recipe: Lanes
    code: Lanes
    checks: Texts
    version: Texts
    file: Texts
    rows: Ordinals
    size_bytes: Ordinals
    signature: Texts
    position: Ordinals
    narrowed: dict[tuple[str, ...], Lanes] = field(default_factory=dict)

    def narrow(self, position: int, columns: Collection[tuple[str, str, str]]) -> None:
        """Set the narrowed tokens of one cell from name, type and digest of its columns."""
        key = self.key(self.first + position)
        for names, lanes in self.narrowed.items():
            lanes.a[position], lanes.b[position] = narrowed_token(key, [c for c in columns if c[0] in names])

    def take(self, ordinal: int, made: Mapping[str, Any], seq: int) -> None:
        """Make current what a `materialized` record tells of, published by record `seq`."""
        position = ordinal - self.first
        self.present[position] = True
        self.version[position], self.file[position] = made["version"], made["file"]
        self.rows[position], self.size_bytes[position] = made["rows"], made["bytes"]
        for lanes, name in ((self.token, "token"), (self.recipe, "recipe"), (self.code, "code_lanes")):
            lanes.a[position], lanes.b[position] = lanes_of(made[name])
        self.position[position] = seq
        self.narrow(position, [(name, kind, digest) for name, kind, digest in made["columns"]])

    def judge(self, ordinal: int, checks_version: str) -> None:
        """Note that the current version of a cell passed the checks of that version."""
        self.checks[ordinal - self.first] = checks_version
        self.failed[ordinal - self.first] = False

    def observe(self, ordinal: int, seen: Mapping[str, Any], seq: int) -> None:
        """Make current what an `observed` record, number `seq`, tells of an external cell."""
        position = ordinal - self.first
        self.present[position] = True
        self.version[position], self.signature[position] = seen["version"], seen["signature"]
        self.token.a[position], self.token.b[position] = lanes_of(seen["token"])
        self.position[position] = seq

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


def empty_state(asset: Asset, now: datetime) -> AssetState:
    """Return the state of an asset of which nothing was ever made."""
    first, end = (0, 1) if asset.partitions is None else asset.partitions.bounds(now)
    count = end - first

    def texts() -> Texts:
        return np.full(count, None, np.object_)

    def flags() -> Flags:
        return np.zeros(count, np.bool_)

    def numbers() -> Ordinals:
        return np.zeros(count, np.int64)

    return AssetState(
        asset,
        code_lanes(asset),
        checks_version(asset),
        first,
        end,
        present=flags(),
        failed=flags(),
        token=zeros(count),
        recipe=zeros(count),
        code=zeros(count),
        checks=texts(),
        version=texts(),
        file=texts(),
        rows=numbers(),
        size_bytes=numbers(),
        signature=texts(),
        position=numbers(),
    )


@dataclass(slots=True)
class World:
    """The states of all assets of a project at one moment, and what each reads of which."""

    graph: Graph
    states: dict[AssetKey, AssetState]
    now: datetime
    intervals: dict[tuple[AssetKey, str], Intervals] = field(default_factory=dict)

    def reads(self, asset: Asset, edge: Edge) -> Intervals:
        """Return the intervals of the upstream's ordinals that each cell of the asset reads."""
        key = (asset.key, edge.name)
        if key not in self.intervals:
            state, upstream = self.states[asset.key], self.states[edge.upstream]
            self.intervals[key] = evaluate(
                edge.mapping,
                asset.partitions,
                state.ordinals,
                upstream.asset.partitions,
                (upstream.first, upstream.end),
            )
        return self.intervals[key]

    def edges_now(self, asset: Asset, positions: Ordinals | None = None) -> list[tuple[Edge, Intervals, Lanes]]:
        """Return what each edge hands over now and its digest, for all cells or for those at `positions`."""
        found: list[tuple[Edge, Intervals, Lanes]] = []
        for edge in asset.edges:
            if edge.hand_off is None:  # only waited for
                continue
            upstream = self.states[edge.upstream]
            reads = self.reads(asset, edge) if positions is None else self.reads(asset, edge).take(positions)
            tokens = upstream.token if edge.columns is None else upstream.narrowed.get(edge.columns, upstream.token)
            sums = reads.sums(tokens, upstream.first)
            found.append((edge, reads, edge_digest(sums, reads.counts(), edge.name, edge.upstream)))
        return found

    def code_now(self, asset: Asset, count: int) -> Lanes:
        """Return the code lanes of the asset as it is defined now, for `count` cells."""
        return full_lanes(self.states[asset.key].code_lanes, count)


def code_lanes(asset: Asset) -> tuple[int, int]:
    """Return the lanes of an asset's code version."""
    return text_lanes("code", asset.code_version)


def checks_version(asset: Asset) -> str:
    """Return the version of everything that judges the asset's data; empty where nothing does."""
    if not asset.checks:
        return ""
    return "{:016x}{:016x}".format(*text_lanes("checks", *(f"{spec.name} {spec.version}" for spec in asset.checks)))


def cell_members(graph: Graph) -> dict[str, list[str]]:
    """Return what the query `cells` is asked with: of each asset its key, the scheme of its partitions, its checks."""
    assets = graph.assets.values()
    return {
        "assets": [asset.key for asset in assets],
        "schemes": ["" if asset.partitions is None else asset.partitions.scheme for asset in assets],
        "checks": [checks_version(asset) for asset in assets],
    }


def read_world(
    graph: Graph, now: datetime, columns: Mapping[str, Any], failures: Iterable[tuple[str, str | None]]
) -> World:
    """Return the world that the catalog's current cells describe.

    `columns`: the arrays of the query `cells`, asked with `cell_members`. `failures`: cells whose last attempt failed.
    """
    states = {key: empty_state(asset, now) for key, asset in graph.assets.items()}
    places = columns["place"]
    if (places[1:] < places[:-1]).any():
        order = np.argsort(places, kind="stable")
        columns = {name: values[order] for name, values in columns.items()}
    bounds = np.searchsorted(columns["place"], np.arange(len(states) + 1)).tolist()
    for known, start, stop in zip(states.values(), bounds, bounds[1:], strict=False):
        if start < stop:
            fill(known, {name: values[start:stop] for name, values in columns.items()})
    for asset, partition in failures:
        state = states.get(AssetKey(asset))
        if state is not None and (ordinal := state.ordinal(partition)) is not None:
            state.failed[ordinal - state.first] = True
    return World(graph, states, now)


ColumnRows = Iterable[tuple[str | None, str, str, str]]
"""Partition, and the name, type and digest of a column; the rows of a partition stand together."""


def read_narrowed(world: World, digests: Callable[[AssetKey, list[str]], ColumnRows]) -> None:
    """Fill in the narrowed tokens of every asset that is read by columns; `digests` asks for some columns."""
    for asset in world.graph.assets.values():
        for edge in asset.edges:
            upstream = world.states[edge.upstream]
            if edge.columns is not None and not upstream.asset.is_external:
                upstream.narrowed[edge.columns] = zeros(len(upstream))
    for key, state in world.states.items():
        if not state.narrowed:
            continue
        names = sorted({name for names in state.narrowed for name in names})
        for partition, rows in groupby(digests(key, names), key=lambda row: row[0]):
            ordinal = state.ordinal(partition)
            if ordinal is not None:
                state.narrow(ordinal - state.first, [(name, kind, digest) for _, name, kind, digest in rows])


def fill(state: AssetState, columns: Mapping[str, Any]) -> None:
    """Put the recorded cells of one asset in their places; cells that the definition no longer has are left out.

    `columns`: the arrays of the query `cells`, of this asset alone.
    """
    index = columns["ordinal"] - state.first
    for row in np.flatnonzero(~columns["is_numbered"]).tolist():
        found = state.ordinal(columns["partition"][row : row + 1].tolist()[0])  # NULL becomes None
        index[row] = -1 if found is None else found - state.first
    inside = (index >= 0) & (index < len(state))
    rows, index = np.flatnonzero(inside), index[inside]
    state.present[index] = True
    for lanes, name in ((state.token, "token"), (state.recipe, "recipe"), (state.code, "code")):
        lanes.a[index] = columns[f"{name}_a"][rows]
        lanes.b[index] = columns[f"{name}_b"][rows]
    state.checks[index] = np.where(columns["is_judged"], state.checks_version, columns["other_checks"])[rows]
    state.version[index] = columns["version"][rows]
    state.file[index] = columns["file"][rows]
    state.rows[index] = columns["rows"][rows]
    state.size_bytes[index] = columns["bytes"][rows]
    state.signature[index] = columns["signature"][rows]
    state.position[index] = columns["published_seq"][rows]


def reread(state: AssetState, ordinals: Collection[int], columns: Mapping[str, Any], digests: ColumnRows) -> None:
    """Bring some cells of an asset up to date, and no others.

    `columns`: the arrays of the query `cells_of`. `digests`: of the columns that readers are narrowed to, of all cells.
    """
    keys = {state.key(ordinal) for ordinal in ordinals}
    positions = np.array(sorted(ordinal - state.first for ordinal in ordinals), np.int64)
    state.present[positions] = False
    for lanes in state.narrowed.values():
        lanes.a[positions], lanes.b[positions] = 0, 0
    chosen = [row for row, key in enumerate(columns["partition"].tolist()) if key in keys]
    fill(state, {name: values[chosen] for name, values in columns.items()})
    for partition, rows in groupby(digests, key=lambda row: row[0]):
        ordinal = state.ordinal(partition) if partition in keys else None
        if ordinal is not None:
            state.narrow(ordinal - state.first, [(name, kind, digest) for _, name, kind, digest in rows])


def find_cell(world: World, cell: Cell) -> tuple[AssetState, int]:
    """Return the state and the position of a cell.

    Raises: SelectionError where the asset or the partition does not exist, with the nearest that does.
    """
    state = world.states.get(cell.asset)
    if state is None:
        raise SelectionError(
            f"there is no asset {cell.asset!r}{did_you_mean(cell.asset, world.states)}", remedy="see: assets list"
        )
    partitions = state.asset.partitions
    if partitions is None or cell.partition is None:
        if partitions is None and cell.partition is None:
            return state, 0
        first = None if partitions is None or not len(state) else state.cell(state.first)
        raise SelectionError(
            f"{cell.asset} has {'no partitions' if partitions is None else 'partitions'}",
            remedy=f"write {cell.asset}" if partitions is None else f"name one, as in {first or f'{cell.asset}@KEY'}",
        )
    position = partitions.ordinal(cell.partition) - state.first
    if not 0 <= position < len(state):
        known = f"{state.key(state.first)} to {state.key(state.end - 1)}" if len(state) else "none yet"
        raise SelectionError(f"{cell} is outside of its partitions ({known})", remedy="name one inside")
    return state, position
