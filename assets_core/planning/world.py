"""The states of all assets of a project at one moment, and what else the past tells of them when it is asked.

Read from the catalog by `history.py`; used by `staleness.py`, and by a run, which keeps it up to date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..errors import SelectionError, did_you_mean
from ..model.asset import Asset, Edge
from ..model.graph import Graph
from ..model.keys import AssetKey, Cell
from ..model.partitions import Partitions
from ..model.reads import ColumnsRead
from ..versions.recipe import Lanes, Ordinals, zeros
from .cells import Cells, Columns, Layout, fill, no_cells
from .columns import ColumnDigests, column_digests
from .intervals import Intervals, evaluate, is_newest
from .past import ClosedPast, NothingPast, Past
from .recorded import Readings, Reads, RecordedInputs
from .state import AssetState, Details, checks_version, code_lanes, layout_of


@dataclass(slots=True)
class World:
    """The states of all assets of a project at one moment, and what else the past tells of them when asked.

    `cells`: those of all assets, of which each state has a view.
    """

    graph: Graph
    states: dict[AssetKey, AssetState]
    now: datetime
    cells: Cells
    past: Past
    _intervals: dict[object, Intervals] = field(default_factory=dict)
    _readings: dict[AssetKey, Readings] = field(default_factory=dict)
    _inputs: dict[AssetKey, RecordedInputs] = field(default_factory=dict)

    def reads(self, asset: Asset, edge: Edge) -> Intervals:
        """Return the intervals of the upstream's ordinals that each cell of the asset reads now."""
        found, upstream = self.candidates(asset, edge), self.states[edge.upstream]
        return found.newest(upstream.cells.present, upstream.first) if is_newest(edge.mapping) else found

    def waits(self, asset: Asset, edge: Edge) -> Intervals:
        """Return the intervals of the upstream's ordinals by which it is decided what each cell of the asset reads.

        Where a cell reads the newest partition that is there, that one, and those behind it that may yet come.
        """
        found = self.candidates(asset, edge)
        if not is_newest(edge.mapping):
            return found
        now = self.reads(asset, edge)
        return Intervals(np.where(now.high > now.low, now.low, found.low), found.high)

    def candidates(self, asset: Asset, edge: Edge) -> Intervals:
        """Return the intervals of the upstream's ordinals that the mapping of an edge names."""
        state, upstream = self.states[asset.key], self.states[edge.upstream]
        bounds = (upstream.first, upstream.end)
        key: object = (edge.mapping, asset.partitions, state.first, state.end, upstream.asset.partitions, bounds)
        try:
            found = self._intervals.get(key)
        except TypeError:  # a mapping that holds a table
            key, found = (asset.key, edge.name), self._intervals.get((asset.key, edge.name))
        if found is None:
            found = evaluate(edge.mapping, asset.partitions, state.ordinals, upstream.asset.partitions, bounds)
            self._intervals[key] = found
        return found

    def require_details(self, assets: Iterable[AssetKey]) -> None:
        """Read the details of some assets where they are not read yet; several in one go cost little more than one."""
        wanted = [key for key in dict.fromkeys(assets) if self.states[key].details is None]
        present = [key for key in wanted if self.states[key].cells.present.any()]
        found = self.past.details(present) if present else {}
        for key in wanted:
            self.states[key].details = _details(self.states[key], found.get(key))

    def details(self, asset: AssetKey) -> Details:
        """Return the details of an asset."""
        self.require_details([asset])
        details = self.states[asset].details
        assert details is not None  # noqa: S101  # just read
        return details

    def made_us(self, assets: Sequence[AssetKey]) -> dict[AssetKey, Ordinals]:
        """Return when the versions of cells were made, in microseconds since 1970; 0 where there is none."""
        found = self.past.made_at(assets) if assets else {}
        times = {key: np.zeros(len(self.states[key]), np.int64) for key in assets}
        for key, columns in found.items():
            rows, index = layout_of(self.states[key]).positions(columns)
            times[key][index] = columns["made_us"][rows]
        return times

    def require_columns(self, assets: Iterable[AssetKey]) -> None:
        """Read the digests of the columns of some assets where they are not read yet."""
        wanted = [key for key in dict.fromkeys(assets) if self.states[key].columns is None]
        present = [key for key in wanted if self.states[key].cells.present.any()]
        found, pairs = self.past.columns(present) if present else ({}, ())
        for key in wanted:
            state = self.states[key]
            state.columns = column_digests(state.asset.partitions, state.ordinals)
            if (columns := found.get(key)) is not None:
                rows, cells = layout_of(state).positions(columns)
                digests = Lanes(columns["digest_a"][rows], columns["digest_b"][rows])
                state.columns.add(cells, columns["position"][rows], columns["pair"][rows], pairs, digests)

    def columns(self, asset: AssetKey) -> ColumnDigests:
        """Return the digests of the columns of an asset's cells."""
        self.require_columns([asset])
        columns = self.states[asset].columns
        assert columns is not None  # noqa: S101  # just read
        return columns

    def tokens(self, asset: AssetKey, reads: ColumnsRead) -> Lanes:
        """Return the tokens of some columns of an asset's cells."""
        return self.columns(asset).tokens(reads, lambda: self.details(asset).rows)

    def close_past(self) -> None:
        """Let nobody ask the past any more: from now on this world moves on, and the past does not."""
        self.past = cast("Past", ClosedPast())

    def forget_columns(self) -> None:
        """Let go of the digests of columns: those of very many cells do not fit into memory together."""
        for state in self.states.values():
            state.columns = None

    def require_readings(self, assets: Iterable[AssetKey]) -> None:
        """Read which columns counted for the cells of some assets where that is not read yet."""
        wanted = [key for key in dict.fromkeys(assets) if key not in self._readings]
        narrowed = [key for key in wanted if self.states[key].cells.narrowed.any()]
        recipes, found = ({}, {}) if not narrowed else (self.past.recipes(narrowed), self.past.readings(narrowed))
        for key in wanted:
            self._readings[key] = _readings(self.states[key], recipes.get(key), found.get(key, ()))

    def readings(self, asset: AssetKey) -> Readings:
        """Return which columns of their inputs counted for the cells of an asset."""
        self.require_readings([asset])
        return self._readings[asset]

    def require_inputs(self, assets: Iterable[AssetKey]) -> None:
        """Read what the cells of some assets had read where that is not read yet."""
        wanted = [key for key in dict.fromkeys(assets) if key not in self._inputs]
        found, names = self.past.inputs(wanted) if wanted else ({}, ())
        for key in wanted:
            rows, cells = np.zeros(0, np.int64), np.zeros(0, np.int64)
            if (columns := found.get(key)) is not None:
                rows, cells = layout_of(self.states[key]).positions(columns)
            kept = {name: values[rows] for name, values in (columns or {}).items() if name != "partition"}
            self._inputs[key] = RecordedInputs(cells, kept, names)

    def inputs(self, asset: AssetKey) -> RecordedInputs:
        """Return what the cells of an asset had read when they were made."""
        self.require_inputs([asset])
        return self._inputs[asset]

    def reread(self, cells: Mapping[AssetKey, Collection[int]], newer: World) -> None:
        """Bring some cells, by asset and ordinal, up to date from a world that was read later, and no others."""
        newer.require_details(cells)
        for key, ordinals in cells.items():
            state, other = self.states[key], newer.states[key]
            index = np.array([o for o in ordinals if other.first <= o < other.end], np.int64)
            _copy(state.cells, index - state.first, other.cells, index - other.first)
            state.cells.narrowed[index - state.first] = False  # what was read of it before is not true any more
            if state.details is not None and other.details is not None:
                _copy(state.details, index - state.first, other.details, index - other.first)
            if state.columns is not None:
                newer.require_columns([key])
                state.columns.copy(index - state.first, newer.columns(key), index - other.first)


def _copy(target: Any, index: Ordinals, source: Any, places: Ordinals) -> None:
    for name in target.__slots__:
        ours, theirs = getattr(target, name), getattr(source, name)
        if isinstance(ours, Lanes):
            ours.a[index], ours.b[index] = theirs.a[places], theirs.b[places]
        else:
            ours[index] = theirs[places]


def _readings(state: AssetState, recipes: Columns | None, found: Sequence[tuple[int, str | None]]) -> Readings:
    recipe, source = zeros(len(state)), np.zeros(len(state), np.int64)
    if recipes is not None:
        rows, index = layout_of(state).positions(recipes)
        recipe.a[index], recipe.b[index] = recipes["recipe_a"][rows], recipes["recipe_b"][rows]
        source[index] = recipes["source_seq"][rows]
    kinds = np.searchsorted(np.array([seq for seq, _ in found], np.int64), source, "right") - 1
    return Readings(recipe, kinds, [_reads(text) for _, text in found])


def _reads(text: str | None) -> Reads:
    documents = {} if text is None else json.loads(text)
    return {name: ColumnsRead(tuple(one["columns"]), one["schema"]) for name, one in documents.items()}


def _details(state: AssetState, columns: Columns | None) -> Details:
    count = len(state)
    texts = [np.full(count, None, np.object_) for _ in range(4)]
    numbers = [np.zeros(count, np.int64) for _ in range(3)]
    details = Details(texts[0], texts[1], numbers[0], numbers[1], texts[2], texts[3], numbers[2])
    if columns is not None:
        rows, index = layout_of(state).positions(columns)
        targets: dict[str, npt.NDArray[Any]] = {
            "version": details.version,
            "file": details.file,
            "rows": details.rows,
            "bytes": details.size_bytes,
            "signature": details.signature,
            "checks_version": details.checks,
            "source_seq": details.made_by,
        }
        for name, target in targets.items():
            target[index] = columns[name][rows]
    return details


def members_of(assets: Collection[Asset]) -> dict[str, list[str]]:
    """Return what the queries of cells are asked with: of each asset its key and the scheme of its partitions."""
    return {
        "assets": [asset.key for asset in assets],
        "schemes": ["" if asset.partitions is None else asset.partitions.scheme for asset in assets],
    }


def cell_members(graph: Graph) -> dict[str, list[str]]:
    """Return what the query `cells` is asked with: also the version of each asset's checks."""
    assets = graph.assets.values()
    return {**members_of(assets), "checks": [checks_version(asset) for asset in assets]}


def empty_world(graph: Graph, now: datetime, past: Past | None = None) -> World:
    """Return the world of a project of which nothing was ever made."""
    bounds: dict[Partitions | None, tuple[int, int]] = {None: (0, 1)}
    for asset in graph.assets.values():
        if asset.partitions not in bounds and asset.partitions is not None:
            bounds[asset.partitions] = asset.partitions.bounds(now)
    each = [bounds[asset.partitions] for asset in graph.assets.values()]
    starts = np.cumsum([0, *(end - first for first, end in each)], dtype=np.int64).tolist()
    cells = no_cells(starts[-1])
    states = {
        key: AssetState(asset, code_lanes(asset), checks_version(asset), first, end, cells.view(start, stop), start)
        for (key, asset), (first, end), start, stop in zip(graph.assets.items(), each, starts, starts[1:], strict=False)
    }
    return World(graph, states, now, cells, NothingPast() if past is None else past)


def read_world(
    graph: Graph,
    now: datetime,
    batches: Iterable[Columns],
    failures: Callable[[], Iterable[tuple[str, str | None]]],
    past: Past,
) -> World:
    """Return the world that the catalog's current cells describe.

    `batches`: the rows of the query `cells`, asked with `cell_members`. `failures` returns, when the batches have
    been read, the cells whose last attempt failed.
    """
    world = empty_world(graph, now, past)
    states = list(world.states.values())
    firsts = np.array([state.first for state in states], np.int64)
    ends = np.array([state.end for state in states], np.int64)
    starts = np.cumsum(ends - firsts) - (ends - firsts)
    layout = Layout(starts, firsts, ends, lambda place, keys: states[place].index_of(keys))
    for state, outside in zip(states, fill(world.cells, layout, batches).tolist(), strict=True):
        state.outside = outside
    for asset, partition in failures():
        failed = world.states.get(AssetKey(asset))
        if failed is not None and (ordinal := failed.ordinal(partition)) is not None:
            failed.cells.failed[ordinal - failed.first] = True
    return world


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
