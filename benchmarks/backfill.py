"""A year of the sample project in one backfill, with each executor: how long, how much of the machine, how much memory.

Run it: `make bench-backfill`. Each time on a copy of the project with its landed raw files, in processes of its own;
the executors and the baseline "plain loop" take turns. A table goes to stderr, all figures as one JSON object to the
last line of stdout; exit 1 where an executor failed, or published other versions than the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from handoff import memory_of, tree_of

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from assets_core.loading.runtime import Runtime
    from assets_core.model.asset import Edge
    from assets_core.model.keys import AssetKey
    from assets_core.planning.state import AssetState
    from assets_core.planning.world import World

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "sample_project"
YEAR = "2013-01-01..2013-12-31"
EXECUTORS = ("threads", "processes", "dask")
PLAIN = "plain loop"
REPETITIONS = 3
LIMIT_SECONDS = 900
SAMPLE_SECONDS = 0.2
TICKS = os.sysconf("SC_CLK_TCK")

Figures = dict[str, Any]


class Failed(Exception):
    """A case could not be measured."""


# One backfill, in a process of its own


def backfill(folder: Path, executor: str) -> Figures:
    """Make the year with one executor; return what it took and what was published."""
    from one_run import load

    from assets_core.materialize import look, materialize

    project = load(folder)
    began = time.perf_counter()
    result = materialize(project, "*", YEAR, kind="backfill", executor=executor)
    ended = time.perf_counter()
    if result.failed or result.blocked:
        raise SystemExit(f"the backfill is not what is to be measured: {result.failures[:1] or result}")
    world = look(project).world
    made = [state for key, state in world.states.items() if not state.asset.is_external]
    published = sorted(
        f"{state.asset.key} {state.key(ordinal)} {version}\n"
        for state in made
        for ordinal, version in zip(state.ordinals.tolist(), world.details(state.asset.key).version, strict=True)
    )
    return {
        "began": began,
        "ended": ended,
        "cells": result.made,
        "rows": int(sum(world.details(state.asset.key).rows.sum() for state in made)),
        "data_bytes": sum(file.stat().st_size for file in (project.state / "data").rglob("*.parquet")),
        "versions": hashlib.blake2b("".join(published).encode(), digest_size=16).hexdigest(),
    }


# The baseline, in a process of its own


def plain(folder: Path) -> Figures:
    """Call the same functions cell by cell, in order, and store what they return: no hash, no check, no record.

    What each cell reads is worked out before the clock starts.
    """
    import duckdb
    import polars as pl
    from one_run import load
    from plain_loop import store

    from assets_core.materialize import look

    project = load(folder)
    world, output = look(project).world, folder / "plain"
    cells = [
        (world.states[key], ordinal)
        for key, asset in project.graph.assets.items()
        if not asset.is_external
        for ordinal in world.states[key].ordinals.tolist()
    ]
    for key in world.states:
        (output / key).mkdir(parents=True)
    handed = _Handed(world, project.loaded.runtimes, folder, output, duckdb.connect(config={"threads": "1"}))
    handed.connection.execute("SET TimeZone = 'UTC'")
    rows = size_bytes = 0
    began = time.perf_counter()
    for state, ordinal in cells:
        made = handed.call(state, ordinal)
        if isinstance(made, pl.LazyFrame):
            frame = made.collect()
        else:
            frame = pl.DataFrame(made.to_arrow_table() if isinstance(made, duckdb.DuckDBPyRelation) else made)
        size_bytes += store(frame, output / state.asset.key, str(state.key(ordinal)))
        rows += frame.height
    ended = time.perf_counter()
    return {"began": began, "ended": ended, "cells": len(cells), "rows": rows, "data_bytes": size_bytes}


@dataclass(frozen=True, slots=True)
class _Handed:
    """Hands the plain files of the upstreams to the functions and queries of a project."""

    world: World
    runtimes: Mapping[AssetKey, Runtime]
    root: Path
    output: Path
    connection: duckdb.DuckDBPyConnection

    def call(self, state: AssetState, ordinal: int) -> Any:
        """Return what the function or query of an asset makes for a cell."""
        asset, runtime = state.asset, self.runtimes[state.asset.key]
        inputs = {edge.name: self.scan(state, ordinal, edge) for edge in asset.edges}
        partition = None if asset.partitions is None else asset.partitions.partition(ordinal)
        if runtime.query is not None:
            for name, frame in inputs.items():
                self.connection.register(name, frame.collect().to_arrow())
            values = None if partition is None else {"partition_key": partition.key}
            return self.connection.sql(runtime.query, params=values)
        given: dict[str, Any] = {edge.name: self.handed(inputs[edge.name], edge) for edge in asset.edges}
        if asset.partition_parameter is not None:
            given[asset.partition_parameter] = partition
        return cast("Any", runtime.function)(**given)

    def scan(self, state: AssetState, ordinal: int, edge: Edge) -> pl.LazyFrame:
        """Return what a cell reads through an edge."""
        import polars as pl

        upstream = self.world.states[edge.upstream]
        spans = self.world.reads(state.asset, edge).of(ordinal - state.first)
        keys = [upstream.key(number) for low, high in spans for number in range(low, high)]
        if upstream.asset.is_external:
            (key,) = keys
            path = self.root / str(upstream.asset.path).replace("{partition}", str(key))
            return cast("pl.LazyFrame", cast("Any", self.runtimes[edge.upstream].function)(path))
        frame = pl.scan_parquet([self.output / edge.upstream / f"{key}.parquet" for key in keys], glob=False)
        return frame if edge.columns is None else frame.select(edge.columns)

    def handed(self, frame: pl.LazyFrame, edge: Edge) -> Any:
        """Return a frame in the form that a function asks for."""
        from assets_core.model.asset import HandOff

        if edge.hand_off is HandOff.POLARS_LAZY:
            return frame
        table = frame.collect().to_arrow()
        return self.connection.from_arrow(table) if edge.hand_off is HandOff.DUCKDB else table


# Watching it


@dataclass(slots=True)
class Watch:
    """What a process and all that it started use: processor time by the clock, and the greatest memory, where pages
    that they share count once. `machine`: processor time of everything on this machine."""

    root: int
    clock: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    machine: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    _seconds: dict[int, float] = field(default_factory=dict)

    def run(self, ended: threading.Event) -> None:
        while not ended.wait(SAMPLE_SECONDS):
            self.look()

    def look(self) -> None:
        tree = tree_of(self.root)
        for process in tree:
            self._seconds[process] = max(self._seconds.get(process, 0.0), _processor_seconds(process))
        self.clock.append(time.perf_counter())
        self.used.append(sum(self._seconds.values()))
        self.machine.append(_machine_seconds())
        self.peak_bytes = max(self.peak_bytes, sum(map(memory_of, tree)))

    def cores(self, series: list[float], began: float, ended: float) -> float:
        """Return how many cores were used between two moments."""
        first = max((place for place, at in enumerate(self.clock) if at <= began), default=0)
        last = max((place for place, at in enumerate(self.clock) if at <= ended), default=0)
        if first == last:
            raise Failed("it was over before it could be watched")
        return (series[last] - series[first]) / (self.clock[last] - self.clock[first])


def _processor_seconds(process: int) -> float:
    """Return the processor time of a process, without that of its children, each of which is watched itself."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it has ended: what was seen of it last counts
    return (int(fields[11]) + int(fields[12])) / TICKS


def _machine_seconds() -> float:
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, interrupts, soft, *_ = (int(number) for number in file.readline().split()[1:])
    return (user + nice + system + interrupts + soft) / TICKS


def measure(case: str, template: Path, folder: Path) -> Figures:
    """Do a case once, on a copy of the project.

    Raises: Failed.
    """
    shutil.copytree(template, folder)
    talk = folder.with_name(f"{folder.name}.talk")
    with talk.open("w+b") as said:
        process = subprocess.Popen(
            [sys.executable, __file__, "--run", case, str(folder)], stdout=subprocess.PIPE, stderr=said
        )
        watch, ended = Watch(process.pid), threading.Event()
        watcher = threading.Thread(target=watch.run, args=(ended,))
        watcher.start()
        try:
            printed, _ = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise Failed(f"not done after {LIMIT_SECONDS} s") from error
        finally:
            ended.set()
            watcher.join()
        said.seek(0)
        if process.returncode:
            raise Failed(f"exit {process.returncode}: {said.read().decode(errors='replace').strip()[-1500:]}")
    found: Figures = json.loads(printed.splitlines()[-1])
    began, over, cores = found.pop("began"), found.pop("ended"), os.cpu_count() or 1
    return {
        **found,
        "seconds": over - began,
        "cells_per_second": found["cells"] / (over - began),
        "cpu_seconds": watch.cores(watch.used, began, over) * (over - began),
        "cpu_share": watch.cores(watch.used, began, over) / cores,
        "machine_share": watch.cores(watch.machine, began, over) / cores,
        "peak_memory_bytes": watch.peak_bytes,
    }


# All of it


def print_table(found: Mapping[str, list[Figures]], failures: Mapping[str, str], ratios: Mapping[str, Any]) -> None:
    """Print what a person wants to see on stderr."""
    heads = ("seconds", "cells/s", "of threads", "CPU s", "of threads", "CPU", "machine", "memory", "data")
    say(f"\n{'':<12}" + "".join(f"{head:>{width}}" for head, width in zip(heads, _WIDTHS, strict=True)))
    for case, runs in found.items():
        if not runs:
            continue
        middle = {name: statistics.median(run[name] for run in runs) for name in _SHOWN}
        seconds = [run["seconds"] for run in runs]
        ratio = {name: f"{value:.2f}" for name, value in ratios.get(case, {}).items()}
        shown = (
            f"{middle['seconds']:.2f} ({min(seconds):.1f}-{max(seconds):.1f})",
            f"{middle['cells_per_second']:,.0f}",
            ratio.get("seconds", "-"),
            f"{middle['cpu_seconds']:.1f}",
            ratio.get("cpu_seconds", "-"),
            f"{middle['cpu_share']:.0%}",
            f"{middle['machine_share']:.0%}",
            f"{middle['peak_memory_bytes'] / 1e6:,.0f} MB",
            f"{middle['data_bytes'] / 1e6:,.1f} MB",
        )
        say(f"{case:<12}" + "".join(f"{text:>{width}}" for text, width in zip(shown, _WIDTHS, strict=True)))
    one = next((runs[0] for runs in found.values() if runs), None)
    if one:
        say(f"\n{one['cells']:,} cells, {one['rows']:,} rows; CPU: share of {os.cpu_count()} cores; machine: with")
        say("all that ran beside it; memory: greatest of all processes together, what they share counted once")
    for case, error in failures.items():
        say(f"\nFAILED {case}: {error}")


_SHOWN = ("seconds", "cells_per_second", "cpu_seconds", "cpu_share", "machine_share", "peak_memory_bytes", "data_bytes")
_WIDTHS = (20, 9, 12, 8, 12, 6, 9, 10, 9)


def ratios_of(found: Mapping[str, list[Figures]]) -> dict[str, dict[str, float]]:
    """Return the time and processor time of each case against threads in the same repetition."""
    base = found.get("threads", [])
    return {
        case: {
            name: statistics.median(run[name] / threads[name] for run, threads in zip(runs, base, strict=True))
            for name in ("seconds", "cpu_seconds")
        }
        for case, runs in found.items()
        if base and len(runs) == len(base)
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Iterable[str]) -> int:
    """Measure, print, and return the exit code."""
    cases = [*EXECUTORS, PLAIN]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=cases, default=cases, help="only these; default: all")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--run", nargs=2, metavar=("CASE", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args([*arguments])
    if chosen.run is not None:
        case, folder = chosen.run[0], Path(chosen.run[1])
        print(json.dumps(plain(folder) if case == PLAIN else backfill(folder, case)))
        return 0
    found: dict[str, list[Figures]] = {case: [] for case in chosen.cases}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="assets-backfill-") as name:
        template = Path(name) / "template"
        shutil.copytree(SAMPLE, template, ignore=shutil.ignore_patterns(".assets", "landing", "__pycache__"))
        landed = [sys.executable, str(SAMPLE / "land.py"), "--landing", str(template / "landing")]
        subprocess.run(landed, check=True, stdout=subprocess.DEVNULL)
        say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {chosen.repetitions} (least-greatest)")
        for repetition in range(chosen.repetitions):
            for case in chosen.cases:
                try:
                    found[case].append(measure(case, template, Path(name) / f"{case.replace(' ', '-')}-{repetition}"))
                except Failed as error:
                    failures[case] = str(error)
    if len({run["rows"] for runs in found.values() for run in runs}) > 1:
        failures["rows"] = str({case: [run["rows"] for run in runs] for case, runs in found.items()})
    versions = {case: sorted({run["versions"] for run in found.get(case, [])}) for case in EXECUTORS}
    if len({version for of_case in versions.values() for version in of_case}) > 1:
        failures["versions"] = f"the executors published other versions: {versions}"
    ratios = ratios_of(found)
    print_table(found, failures, ratios)
    print(json.dumps({"repetitions": chosen.repetitions, "cases": found, "ratios": ratios, "failures": failures}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
