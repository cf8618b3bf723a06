"""A hundred thousand cells in one backfill: does it take the same time and memory for a cell from first to last?

Run it: `make bench-many-cells`. Frames have one row. Cells settled, seconds, processor time and memory are noted at
every tenth of the way, in the process of the run. A table goes to stderr, all figures as one JSON object to the last
line of stdout; exit 1 where the last tenth took more than the allowed multiple of the first, or memory grew more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from projects import Case, write_project

if TYPE_CHECKING:
    from assets_core.model.run import Progress

CELLS = 100_000
TENTHS = 10
SHAPES = {"10 assets": 10, "2 assets": 2}
START = datetime(2000, 1, 1, tzinfo=UTC)

# What is aimed at: the last tenth against the second, processor time of a cell; memory a cell from the second tenth on.
# The first tenth imports, opens and fills what is then kept.
AIM_TIME = 1.15
AIM_BYTES_A_CELL = 1_500

Figures = dict[str, Any]


def case_of(shape: str, cells: int) -> Case:
    """Return a chain of assets over hours: the first makes a row from its hour, each of the others adds to it."""
    assets = SHAPES[shape]
    hours = cells // assets
    end = START + timedelta(hours=hours)
    links = [
        f"""

@asset(partitions=HOURS)
def link_{number}(link_{number - 1}: pl.DataFrame) -> pl.DataFrame:
    return link_{number - 1}.with_columns(pl.col("number") + 1)
"""
        for number in range(1, assets)
    ]
    definitions = f"""import polars as pl

from assets_core import HourlyPartitions, Partition, asset

HOURS = HourlyPartitions("{START:%Y-%m-%dT%H:%M}", "{end:%Y-%m-%dT%H:%M}")


@asset(partitions=HOURS)
def link_0(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({{"hour": [partition.key], "number": [0]}})
{"".join(links)}"""
    return Case(f"{assets} assets x {hours:,} hours", assets * hours, definitions)


# One run, in a process of its own


@dataclass(slots=True)
class Way:
    """Notes how far a run is at every tenth of its way, and its greatest memory within each."""

    tenths: list[Figures] = field(default_factory=list)
    peak_bytes: int = 0

    def note(self, progress: Progress) -> None:
        resident = resident_bytes()
        self.peak_bytes = max(self.peak_bytes, resident)
        if progress.settled * TENTHS >= progress.planned * len(self.tenths):
            # Seconds on the clock of this benchmark: the first note comes before the first step is given out.
            self.tenths.append(
                {
                    "cells": progress.settled,
                    "at_seconds": time.perf_counter(),
                    "at_cpu_seconds": time.process_time(),
                    "rss_bytes": resident,
                    "peak_bytes": self.peak_bytes,
                }
            )
            self.peak_bytes = 0


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(folder: Path) -> Figures:
    """Backfill a new project and return what each tenth of it took."""
    from assets_core.materialize import materialize, plan
    from assets_core.project import find_project

    project, way = find_project(folder), Way()
    started = time.perf_counter()
    result = materialize(project, kind="backfill", on_progress=way.note)
    ended = time.perf_counter()
    again = find_project(folder)
    if plan(again).stale or result.made != way.tenths[-1]["cells"]:
        raise SystemExit(f"not all was made: {result}")
    tenths = [
        {
            "cells": now["cells"] - before["cells"],
            "seconds": now["at_seconds"] - before["at_seconds"],
            "cpu_seconds": now["at_cpu_seconds"] - before["at_cpu_seconds"],
            "rss_bytes": now["rss_bytes"],
            "peak_bytes": now["peak_bytes"],
        }
        for before, now in zip(way.tenths, way.tenths[1:], strict=False)
    ]
    return {
        "cells": result.made,
        "seconds": ended - started,
        "before_seconds": way.tenths[0]["at_seconds"] - started,
        "after_seconds": ended - way.tenths[-1]["at_seconds"],
        "noop_seconds": _timed_noop(folder),
        "tenths": tenths,
        "journal_bytes": sum(file.stat().st_size for file in (again.state / "journal").glob("*.jsonl")),
        "index_bytes": (again.state / "catalog.duckdb").stat().st_size,
    }


def _timed_noop(folder: Path) -> float:
    from assets_core.materialize import materialize
    from assets_core.project import find_project

    started = time.perf_counter()
    if materialize(find_project(folder)).run is not None:
        raise SystemExit("there was something to do")
    return time.perf_counter() - started


# All of it


def judged(found: Figures) -> Figures:
    """Return the figures with what they come to: growth of time and memory from the second tenth to the last."""
    tenths = found["tenths"]
    first, last = tenths[1], tenths[-1]
    cells = sum(one["cells"] for one in tenths[2:])
    return {
        **found,
        "cells_per_second": found["cells"] / found["seconds"],
        "time_ratio": _a_cell(last, "seconds") / _a_cell(first, "seconds"),
        "cpu_ratio": _a_cell(last, "cpu_seconds") / _a_cell(first, "cpu_seconds"),
        "grown_bytes": last["rss_bytes"] - first["rss_bytes"],
        "grown_bytes_a_cell": (last["rss_bytes"] - first["rss_bytes"]) / cells,
    }


def _a_cell(tenth: Mapping[str, float], what: str) -> float:
    return tenth[what] / tenth["cells"]


def print_table(title: str, found: Figures) -> None:
    """Print what a person wants to see on stderr."""
    say(f"\n{title}: {found['cells']:,} cells in {found['seconds']:.1f} s, {found['cells_per_second']:,.0f} cells/s")
    say(
        f"  before the first step {found['before_seconds']:.2f} s, after the last {found['after_seconds']:.2f} s,"
        f" again (no-op) {found['noop_seconds']:.2f} s; journal {found['journal_bytes'] / 1e6:.0f} MB,"
        f" index {found['index_bytes'] / 1e6:.0f} MB"
    )
    say(f"  {'tenth':<7}{'cells/s':>9}{'ms a cell':>11}{'CPU ms a cell':>15}{'memory':>11}{'greatest':>11}")
    for number, tenth in enumerate(found["tenths"], 1):
        say(
            f"  {number:<7}{tenth['cells'] / tenth['seconds']:>9,.0f}{_a_cell(tenth, 'seconds') * 1000:>11.2f}"
            f"{_a_cell(tenth, 'cpu_seconds') * 1000:>15.2f}{tenth['rss_bytes'] / 1e6:>8,.0f} MB"
            f"{tenth['peak_bytes'] / 1e6:>8,.0f} MB"
        )
    say(
        f"  last tenth to the second: time {found['time_ratio']:.2f}, processor time {found['cpu_ratio']:.2f}"
        f" (aim: under {AIM_TIME}); memory grew by {found['grown_bytes'] / 1e6:,.0f} MB,"
        f" {found['grown_bytes_a_cell']:,.0f} bytes a cell (aim: under {AIM_BYTES_A_CELL:,})"
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Iterable[str]) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[CELLS], help=f"how many; default: {CELLS}")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=[*SHAPES], help="only these; default: all")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args([*arguments])
    if chosen.run is not None:
        print(json.dumps(run(chosen.run)))
        return 0
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    cases: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="assets-many-cells-") as name:
        for number, (cells, shape) in enumerate((cells, shape) for cells in chosen.cells for shape in chosen.shapes):
            case = case_of(shape, cells)
            folder = Path(name) / str(number)
            write_project(case, "many_cells", folder)
            done = subprocess.run([sys.executable, __file__, "--run", str(folder)], stdout=subprocess.PIPE, text=True)
            if done.returncode:
                raise SystemExit(f"{case.title}: exit {done.returncode}")
            cases.append({"title": case.title, **judged(json.loads(done.stdout.splitlines()[-1]))})
            print_table(case.title, cases[-1])
    largest = [case for case in cases if case["cells"] == max(case["cells"] for case in cases)]
    print(json.dumps({"cases": cases}))
    return int(any(case["cpu_ratio"] > AIM_TIME or case["grown_bytes_a_cell"] > AIM_BYTES_A_CELL for case in largest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
