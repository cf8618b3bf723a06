"""How long it takes to plan: from the cold DuckDB file of the index to the finished plan.

Run it: `python benchmarks/planner.py` (all shapes, up to ten million cells: ten minutes and 2 GB of disk; `--quick`
stops at two million). Indexes have the product's tables, filled with digests made by its functions. Every figure is a
process of its own that opens the file, reads the cells, decides every cell and makes the plan; the least and the
greatest of the repetitions are told with the median. The baseline "cell by cell", in the same run, asks the same of the
same cells in plain Python: one recipe and one comparison after the other, of a sample, scaled, with nothing read. A
table goes to stderr, all figures as one JSON object to the last line of stdout.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from assets_core.errors import Place
from assets_core.model.asset import Asset, AssetKind, Edge, HandOff
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import AllPartitions, PartitionMapping, TimeWindow
from assets_core.model.partitions import DailyPartitions, MinutePartitions, Partitions
from assets_core.model.reads import ColumnsRead
from assets_core.planning.choose import choose_all
from assets_core.planning.digests import Digests, narrowed_alike
from assets_core.planning.history import recorded_world
from assets_core.planning.plan import make_plan
from assets_core.planning.staleness import Cause
from assets_core.planning.world import World, empty_world
from assets_core.versions.recipe import Lanes, full_lanes, recipe
from catalog.apply import create_tables

BASELINE = "cell by cell"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = TimeWindow(last=7)
READS = ColumnsRead(("amount",))
COLUMNS = [("amount", "double"), ("note", "string")]
SEED = 7
SAMPLE = 20_000  # cells that the baseline is timed on

# What is aimed at on a machine with two cores: seconds, by shape.
AIMS = {"1,000 x 1,000": 0.3, "1,000 x 10,000": 2.0}
AIM_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Shape:
    """What is planned: so many assets of so many partitions; `kind`: days, minutes or none (one cell each). With
    `columns` every version has two columns, of which readers have read one."""

    name: str
    kind: str
    assets: int
    partitions: int
    columns: bool = False

    def graph(self, code: str = "code") -> Graph:
        """Return assets of which each reads up to three earlier ones, the first of every hundred none."""
        partitions, mapping = self._partitions()
        random = np.random.default_rng(SEED)
        made: list[Asset] = []
        for number in range(self.assets):
            few = min(number % 100, 3)
            group = np.arange(number - number % 100, number)
            keys = [AssetKey(f"asset_{one:05d}") for one in sorted(random.choice(group, few, replace=False).tolist())]
            edges = tuple(Edge(key, key, mapping, hand_off=HandOff.POLARS_LAZY) for key in keys)
            key = AssetKey(f"asset_{number:05d}")
            made.append(Asset(key, AssetKind.FUNCTION, Place("assets.py", 1), f"{code} {number}", partitions, edges))
        return Graph(made)

    def _partitions(self) -> tuple[Partitions | None, PartitionMapping]:
        start = datetime(1990, 1, 1, tzinfo=UTC)
        if self.kind == "days":
            end = start + timedelta(days=self.partitions)
            return DailyPartitions(start.date().isoformat(), end.date().isoformat()), WINDOW
        if self.kind == "minutes":
            ends = [(start + timedelta(minutes=n)).isoformat() for n in (0, self.partitions)]
            return MinutePartitions(*ends, every=1), WINDOW
        return None, AllPartitions()


SHAPES = (
    Shape("1,000 x 1,000", "days", 1_000, 1_000),
    Shape("1,000 x 1,000, columns", "days", 1_000, 1_000, columns=True),
    Shape("10,000 x 1", "none", 10_000, 1),
    Shape("2 x 1,000,000", "minutes", 2, 1_000_000),
    Shape("1,000 x 3,000", "days", 1_000, 3_000),
    Shape("1,000 x 10,000", "days", 1_000, 10_000),
)
EDITS = ("nothing", "one cell", "all code")
EDITS_OF_COLUMNS = (*EDITS, "column not read")


# Making an index


def column_of(world: World, key: AssetKey, place: int) -> Lanes:
    """Return digests of one column of an asset's cells."""
    token = world.states[key].cells.token
    return Lanes(token.a + np.uint64(place), token.b)


def filled(graph: Graph, *, columns: bool) -> World:
    """Return a world in which every cell is fresh, of random data."""
    world, random = empty_world(graph, NOW), np.random.default_rng(SEED)
    for lanes in (world.cells.token.a, world.cells.token.b):
        lanes[:] = random.integers(0, 2**64, len(lanes), dtype=np.uint64)
    digests = Digests(world)
    for key, asset in graph.assets.items():
        state = world.states[key]
        code = full_lanes(state.code_lanes, len(state))
        whole = digests.whole_recipe(asset, code)
        state.cells.whole.a[:], state.cells.whole.b[:] = whole.a, whole.b
        if columns:
            cells = np.arange(len(state))
            for place in range(len(COLUMNS)):
                numbers = np.full(len(state), place)
                world.columns(key).add(cells, numbers, numbers, COLUMNS, column_of(world, key, place))
    return world


def fill(file: Path, shape: Shape) -> None:
    """Write an index that holds every cell of a shape as made and fresh."""
    graph = shape.graph()
    world = filled(graph, columns=shape.columns)
    with duckdb.connect(str(file), config={"storage_compatibility_version": "v1.5.0"}) as connection:
        create_tables(connection)
        seq = 1
        for key, asset in graph.assets.items():
            _fill_asset(connection, world, asset, seq, narrow=shape.columns and bool(asset.edges))
            if shape.columns:
                _fill_columns(connection, world, key, seq)
            seq += len(world.states[key])
        connection.execute("UPDATE meta SET applied_seq = ?", [seq + 1])


def _fill_asset(connection: duckdb.DuckDBPyConnection, world: World, asset: Asset, seq: int, *, narrow: bool) -> None:
    state = world.states[asset.key]
    cells, count = state.cells, len(state)
    exact = cells.whole
    if narrow:
        edges = Digests(world).edges(asset)
        reads = {now.edge.name: READS for now in edges}
        exact = recipe(full_lanes(state.code_lanes, count), narrowed_alike(world, edges, reads))
        text = json.dumps({name: one.to_json() for name, one in reads.items()})
        connection.execute("INSERT INTO reading VALUES (?, ?, ?)", [seq, asset.key, text])
    made = pa.table(  # noqa: F841  # DuckDB reads it by name
        {
            "ordinal": state.ordinals,
            "seq": np.arange(seq, seq + count),
            "token_a": cells.token.a,
            "token_b": cells.token.b,
            "recipe_a": exact.a,
            "recipe_b": exact.b,
            "whole_a": cells.whole.a if narrow else pa.nulls(count, pa.uint64()),
            "whole_b": cells.whole.b if narrow else pa.nulls(count, pa.uint64()),
        }
    )
    connection.execute(
        """
        INSERT INTO publication
        SELECT $asset, CASE WHEN $scheme <> '' THEN ordinal::VARCHAR END, ordinal, $scheme, seq, NULL, seq, token_a,
            token_b, recipe_a, recipe_b, whole_a, whole_b, $code_a, $code_b, '', NULL
        FROM made
        """,
        {
            "asset": asset.key,
            "scheme": "" if asset.partitions is None else asset.partitions.scheme,
            "code_a": state.code_lanes[0],
            "code_b": state.code_lanes[1],
        },
    )


def _fill_columns(connection: duckdb.DuckDBPyConnection, world: World, key: AssetKey, seq: int) -> None:
    for place, (name, kind) in enumerate(COLUMNS):
        lanes = column_of(world, key, place)
        rows = pa.table({"seq": np.arange(seq, seq + len(lanes)), "a": lanes.a, "b": lanes.b})  # noqa: F841
        connection.execute(
            "INSERT INTO materialization_column SELECT seq, ?, ?, ?, a, b FROM rows", [place, name, kind]
        )


def edit(file: Path, what: str) -> None:
    """Change in an index what an edit changes; done twice, it is undone. Other code is not in an index."""
    with duckdb.connect(str(file)) as connection:
        match what:
            case "one cell":
                connection.execute(
                    """
                    UPDATE publication SET token_a = xor(token_a, 1) WHERE source_seq = (
                        SELECT max(p.source_seq) - least(3, count(*) - 1) FROM publication AS p
                        WHERE p.asset = 'asset_00000')
                    """
                )
            case "column not read":
                connection.execute("UPDATE publication SET token_a = xor(token_a, 1)")
                connection.execute("UPDATE materialization_column SET digest_a = xor(digest_a, 1) WHERE name = 'note'")


# Planning, in a process of its own


@contextmanager
def opened(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(file), read_only=True) as connection:
        yield connection


def plan_once(file: Path, shape: Shape, what: str) -> dict[str, Any]:
    """Plan once and return what it took. Making the definitions is not timed."""
    graph = shape.graph("other code" if what == "all code" else "code")
    start = time.perf_counter()
    with opened(file) as connection:
        world = recorded_world(connection, lambda: opened(file), graph, NOW)
    read = time.perf_counter()
    plan = make_plan(world, choose_all(world))
    end = time.perf_counter()
    causes = {cause.kind: sum(int(((steps.causes & cause) != 0).sum()) for steps in plan.steps) for cause in Cause}
    return {
        "seconds": end - start,
        "read_seconds": read - start,
        "stale": plan.stale,
        "causes": {kind: count for kind, count in causes.items() if count},
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def cell_by_cell(shape: Shape) -> float:
    """Return the seconds a cell that the same decision takes in plain Python, without reading anything."""
    graph = shape.graph()
    world = filled(graph, columns=False)
    reads = [
        (world.states[key], [(world.states[edge.upstream], world.reads(asset, edge)) for edge in asset.edges])
        for key, asset in list(graph.assets.items())[-max(1, SAMPLE // shape.partitions) :]
    ]
    tokens = {key: state.cells.token.a.tolist() for key, state in world.states.items()}
    start, done = time.perf_counter(), 0
    for state, edges in reads:
        for position in range(min(len(state), SAMPLE)):
            total = state.code_lanes[0]
            for upstream, intervals in edges:
                own = tokens[upstream.asset.key]
                for low, high in intervals.of(position):
                    total += hash(sum(own[low - upstream.first : high - upstream.first]))
            done += total != position
    return (time.perf_counter() - start) / done


# All of it


def measure(shape: Shape, folder: Path, repetitions: int) -> list[dict[str, Any]]:
    file = folder / "index.duckdb"
    _child("--fill", str(file), json.dumps(asdict(shape)))
    baseline = cell_by_cell(shape)
    found: list[dict[str, Any]] = []
    for what in EDITS_OF_COLUMNS if shape.columns else EDITS:
        edit(file, what)
        runs = [_child("--plan", str(file), json.dumps(asdict(shape)), what) for _ in range(repetitions)]
        edit(file, what)
        seconds = sorted(run["seconds"] for run in runs)
        cells = shape.assets * shape.partitions
        found.append(
            {
                "shape": shape.name,
                "edit": what,
                "cells": cells,
                "stale": runs[0]["stale"],
                "causes": runs[0]["causes"],
                "seconds": statistics.median(seconds),
                "least": seconds[0],
                "greatest": seconds[-1],
                "seconds_a_million": statistics.median(seconds) / cells * 1e6,
                "ratio": statistics.median(seconds) / (baseline * cells),
                "peak_bytes": max(run["peak_bytes"] for run in runs),
                "file_bytes": file.stat().st_size,
                "aim_seconds": AIMS.get(shape.name),
            }
        )
        _say(found[-1])
    file.unlink()
    return found


def _child(*arguments: str) -> Any:
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None


def _say(row: dict[str, Any]) -> None:
    aim = "" if row["aim_seconds"] is None else f" (aim {row['aim_seconds']:.1f} s, {AIM_BYTES / 2**30:.0f} GiB)"
    sys.stderr.write(
        f"{row['shape']:24} {row['edit']:16} {row['stale']:>10,} stale {row['seconds']:7.3f} s"
        f" [{row['least']:.3f}-{row['greatest']:.3f}] {row['peak_bytes'] / 2**20:6.0f} MiB"
        f" {row['ratio']:7.4f} of {BASELINE}{aim}\n"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to a million cells, once each")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--plan", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--fill", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plan:
        sys.stdout.write(json.dumps(plan_once(Path(given.plan[0]), Shape(**json.loads(given.plan[1])), given.plan[2])))
    elif given.fill:
        fill(Path(given.fill[0]), Shape(**json.loads(given.fill[1])))
    else:
        rows: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory() as temporary:
            for one in SHAPES:
                if not given.quick or one.assets * one.partitions <= 2_000_000:
                    rows += measure(one, Path(temporary), 1 if given.quick else given.repetitions)
        sys.stdout.write(json.dumps({"baseline": BASELINE, "rows": rows}) + "\n")
