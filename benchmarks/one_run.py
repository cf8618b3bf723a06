"""One process of a benchmark: materialize a new project, or find that nothing is left to do; print figures as JSON.

Run by `overhead.py` as `python one_run.py WHAT FOLDER`, a process each, so that peak memory is that of this run.
WHAT is `first`, `again`, or `profile`: a first run with tables of functions on stderr, for each kind of thread.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from assets_core.materialize import look, materialize, plan
from assets_core.project import Project, find_project

Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[Result, float, float]:
    """Return what the work gives, its seconds, and the seconds of processor time of all threads meanwhile."""
    started, started_cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - started, time.process_time() - started_cpu


def load(folder: Path) -> Project:
    """Return the project with its definitions and the engine imported: what is measured begins after that."""
    project = find_project(folder)
    project.loaded  # noqa: B018  # the property loads
    project.graph  # noqa: B018
    import assets_core.execution.conduct  # noqa: F401

    return project


def first(folder: Path) -> dict[str, float]:
    """Run the project's first run and return what it took."""
    project, load_seconds, _ = timed(lambda: load(folder))
    result, seconds, cpu_seconds = timed(lambda: materialize(project))
    if result.failed or result.blocked:
        raise SystemExit(f"the run is not what is to be measured: {result}")
    return {
        "load_seconds": load_seconds,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "ms_per_cell": seconds * 1000 / result.made,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cells": result.made,
    }


def again(folder: Path) -> dict[str, float]:
    """Find that nothing is left to do, as a later command would, and return what that took and what the run left."""
    decided, noop_seconds, noop_cpu_seconds = timed(lambda: materialize(remembering(folder)))
    warm = [timed(lambda: materialize(remembering(folder)))[1] for _ in range(5)]
    planned, plan_seconds, _ = timed(lambda: plan(remembering(folder)))
    if decided.run is not None or planned.stale:
        raise SystemExit(f"there was something to do: {decided}, {planned.stale} stale")
    project = find_project(folder)
    events = project.state / "lineage" / "events.jsonl"
    world = look(project).world
    return {
        "noop_seconds": noop_seconds,
        "noop_cpu_seconds": noop_cpu_seconds,
        "noop_warm_seconds": statistics.median(warm),
        "plan_warm_seconds": plan_seconds,
        "rows": int(sum(world.details(key).rows.sum() for key in world.states)),
        "data_bytes": sum(file.stat().st_size for file in (project.state / "data").rglob("*.parquet")),
        "journal_bytes": sum(file.stat().st_size for file in (project.state / "journal").glob("*.jsonl")),
        "index_bytes": (project.state / "catalog.duckdb").stat().st_size,
        "events": sum(1 for _ in events.open(encoding="utf-8")),
    }


def remembering(folder: Path) -> Project:
    """Return the project with its definitions remembered, not imported.

    Raises: SystemExit where they are not, since then the no-op would be the measure of something else.
    """
    project = find_project(folder)
    project.graph  # noqa: B018  # the property reads them
    if "loaded" in project.__dict__:
        raise SystemExit("the definitions were not remembered: was the product edited meanwhile?")
    return project


def profile(folder: Path) -> dict[str, float]:
    """Profile the run by processor time, thread by thread: waiting for a disk, a lock or another thread is left out."""
    project = load(folder)
    profiles: dict[str, list[cProfile.Profile]] = {}

    def begin(*_: object) -> None:
        profiler = cProfile.Profile(time.thread_time)
        profiles.setdefault(threading.current_thread().name.rstrip("0123456789_"), []).append(profiler)
        profiler.enable()

    threading.setprofile(begin)  # replaced by the profiler at a thread's first call
    begin()
    _, seconds, cpu_seconds = timed(lambda: materialize(project))
    threading.setprofile(None)
    for name, found in profiles.items():
        for profiler in found:
            profiler.disable()
        table = pstats.Stats(*found, stream=sys.stderr)
        print(f"\n=== {name}: {len(found)} thread(s)", file=sys.stderr)
        table.sort_stats("tottime").print_stats(40)
        table.sort_stats("cumulative").print_stats(40)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


if __name__ == "__main__":
    what, folder = {"first": first, "again": again, "profile": profile}[sys.argv[1]], Path(sys.argv[2])
    print(json.dumps(what(folder)))
