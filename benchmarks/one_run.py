"""Materialize a new project once, then find that nothing is left to do; print the figures of both as JSON.

Run by `overhead.py` as `python one_run.py FOLDER`, in a process of its own, so that peak memory is that of this run.
With `--profile` the run is profiled instead: a table of functions for each kind of thread on stderr.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import resource
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


def figures(folder: Path) -> dict[str, float]:
    """Run the project's only run and return what it took and what it left behind."""
    project, load_seconds, _ = timed(lambda: load(folder))
    result, seconds, cpu_seconds = timed(lambda: materialize(project))
    peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    again, noop_seconds, noop_cpu_seconds = timed(lambda: materialize(remembering(folder)))
    planned, plan_seconds, _ = timed(lambda: plan(remembering(folder)))
    if result.failed or result.blocked or again.run is not None or planned.stale:
        raise SystemExit(f"the run is not what is to be measured: {result}, then {again}, {planned.stale} stale")
    states = look(project).world.states.values()
    events = project.state / "lineage" / "events.jsonl"
    return {
        "load_seconds": load_seconds,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "ms_per_cell": seconds * 1000 / result.made,
        "noop_seconds": noop_seconds,
        "noop_cpu_seconds": noop_cpu_seconds,
        "plan_seconds": plan_seconds,
        "peak_rss_bytes": peak_rss_bytes,
        "cells": result.made,
        "rows": int(sum(state.rows.sum() for state in states)),
        "data_bytes": sum(file.stat().st_size for file in (project.state / "data").rglob("*.parquet")),
        "journal_bytes": sum(file.stat().st_size for file in (project.state / "journal").glob("*.jsonl")),
        "index_bytes": (project.state / "catalog.duckdb").stat().st_size,
        "events": sum(1 for _ in events.open(encoding="utf-8")),
    }


def remembering(folder: Path) -> Project:
    """Return the project as the next command would find it: its definitions remembered, not imported.

    Raises: SystemExit where they are not, since then the no-op would be the measure of something else.
    """
    project = find_project(folder)
    project.graph  # noqa: B018
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
    folder = Path(sys.argv[1])
    print(json.dumps(profile(folder) if "--profile" in sys.argv[2:] else figures(folder)))
