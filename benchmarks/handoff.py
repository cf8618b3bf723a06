"""A gigabyte of Arrow from one step to the next: how long it takes, and how much memory.

Run it: `make bench-handoff`. Ours in memory, across processes and through storage; files between plain processes as the
floor; Dagster, Prefect and Kedro with their defaults. A table goes to stderr, all figures as one JSON object to the
last line of stdout; exit 1 where a case failed, or where "in memory" was not the same memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from environments import NotInstalled, interpreter_of

HERE = Path(__file__).parent
GIGABYTE = 1_000_000_000
REPETITIONS = 3
LIMIT_SECONDS = 600
SAMPLE_SECONDS = 0.05

# A step keeps a table in memory up to hand_off_bytes / (2 * threads), hence two threads.
OURS: Mapping[str, Mapping[str, object]] = {
    "ours, in memory": {"executor": "threads", "threads": 2, "hand_off_bytes": 4 << 30},
    "ours, across processes": {"executor": "processes", "threads": 2, "processes": 2, "hand_off_bytes": 4 << 30},
    "ours, through storage": {"executor": "threads", "threads": 2, "hand_off_bytes": 1},
}
PLAIN = {"plain Arrow file, mapped": "arrow", "plain Parquet file": "parquet"}
PEERS = ("dagster", "prefect", "kedro")
IN_MEMORY = "ours, in memory"

_DEFINITIONS = """import gigabyte
import pyarrow as pa

from assets_core import asset


@asset()
def made() -> pa.Table:
    return gigabyte.made()


@asset()
def received(made: pa.Table) -> pa.Table:
    return gigabyte.received(made)
"""

Figures = dict[str, Any]


class Failed(Exception):
    """A case could not be measured."""


@dataclass(slots=True)
class Memory:
    """The greatest memory of a process and all that it started, where pages that they share count once."""

    root: int
    peak_bytes: int = 0

    def watch(self, ended: threading.Event) -> None:
        while not ended.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, sum(map(memory_of, tree_of(self.root))))


def tree_of(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
    tree = [root]
    for process in tree:  # grows while it is read
        tree += [child for child, parent in parents.items() if parent == process]
    return tree


def memory_of(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def command_of(case: str, folder: Path) -> list[str]:
    """Return the command that does a case in a folder.

    Raises: NotInstalled.
    """
    if case in PLAIN:
        return [sys.executable, str(HERE / "peers" / "plain" / "hand_off.py"), PLAIN[case], str(folder)]
    if case in PEERS:
        return [str(interpreter_of(case)), str(HERE / "peers" / case / "hand_off.py"), str(folder)]
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in OURS[case].items())
    (folder / "definitions").mkdir()
    (folder / "assets.toml").write_text(f'[project]\nname = "handoff"\n\n[run]\n{settings}', encoding="utf-8")
    (folder / "definitions" / "steps.py").write_text(_DEFINITIONS, encoding="utf-8")
    return [sys.executable, str(HERE / "one_run.py"), "first", str(folder)]


def measure(case: str, size_bytes: int) -> Figures:
    """Do a case once, on files of its own.

    Raises: Failed, NotInstalled.
    """
    with tempfile.TemporaryDirectory(prefix="assets-handoff-") as name:
        folder = Path(name)
        notes = folder / "notes"
        notes.mkdir()
        about = {"HANDOFF_NOTES": str(notes), "HANDOFF_BYTES": str(size_bytes), "PYTHONPATH": str(HERE / "peers")}
        with (folder / "talk").open("w+b") as talk:
            process = subprocess.Popen(
                command_of(case, folder), env=os.environ | about, stdout=talk, stderr=subprocess.STDOUT
            )
            memory, ended = Memory(process.pid), threading.Event()
            watcher = threading.Thread(target=memory.watch, args=(ended,))
            watcher.start()
            try:
                process.wait(LIMIT_SECONDS)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise Failed(f"not done after {LIMIT_SECONDS} s") from error
            finally:
                ended.set()
                watcher.join()
            talk.seek(0)
            said = talk.read().decode(errors="replace").strip()
        if process.returncode or not (notes / "received.json").exists():
            raise Failed(f"exit {process.returncode}: {said[-1500:]}")
        made, received = (json.loads((notes / f"{name}.json").read_text()) for name in ("made", "received"))
    if made["sums"].keys() != received["sums"].keys() or any(
        abs(value - received["sums"][column]) > abs(value) * 1e-9 for column, value in made["sums"].items()
    ):
        raise Failed(f"another table arrived: {made['sums']} became {received['sums']}")
    return {
        "rows": received["rows"],
        "bytes": received["bytes"],
        "hand_off_seconds": received["had_at"] - made["at"],
        "touched_seconds": received["touched_at"] - made["at"],
        "peak_memory_bytes": memory.peak_bytes,
        "same_buffers": made["process"] == received["process"] and made["addresses"] == received["addresses"],
        "same_process": made["process"] == received["process"],
    }


def print_table(found: Mapping[str, list[Figures]], failures: Mapping[str, str], repetitions: int) -> None:
    """Print what a person wants to see on stderr."""
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {repetitions} (least-greatest)")
    say(f"\n{'':<26}{'has the table':>24}{'touched it all':>24}{'peak memory':>14}  memory of the table")
    for case, runs in found.items():
        if not runs:
            continue
        shown = "".join(
            f"{_spread([run[name] for run in runs]):>24}" for name in ("hand_off_seconds", "touched_seconds")
        )
        peak = statistics.median(run["peak_memory_bytes"] for run in runs) / 1e6
        same = "the same" if all(run["same_buffers"] for run in runs) else "another"
        where = "" if runs[0]["same_process"] else ", another process"
        say(f"{case:<26}{shown}{peak:>11,.0f} MB  {same}{where}")
    one = next((runs[0] for runs in found.values() if runs), None)
    if one:
        say(f"\n{one['rows']:,} rows, {one['bytes'] / 1e6:,.0f} MB; from the end of the first function, in seconds")
    for case, error in failures.items():
        say(f"\nFAILED {case}: {error}")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.4f} ({min(values):.3f}-{max(values):.3f})"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Iterable[str]) -> int:
    """Measure, print, and return the exit code."""
    cases = [*OURS, *PLAIN, *PEERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="run everything once, with a tenth of a gigabyte")
    parser.add_argument("--cases", nargs="+", choices=cases, default=cases, help="only these; default: all")
    chosen = parser.parse_args([*arguments])
    repetitions, size_bytes = (1, GIGABYTE // 10) if chosen.quick else (REPETITIONS, GIGABYTE)
    found: dict[str, list[Figures]] = {case: [] for case in chosen.cases}
    failures: dict[str, str] = {}
    for _ in range(repetitions):
        for case in chosen.cases:
            try:
                found[case].append(measure(case, size_bytes))
            except (Failed, NotInstalled) as error:
                failures[case] = str(error)
    if not all(run["same_buffers"] for run in found.get(IN_MEMORY, [])):
        failures[IN_MEMORY] = "the second function was handed a copy: its buffers have other addresses"
    print_table(found, failures, repetitions)
    print(json.dumps({"bytes": size_bytes, "repetitions": repetitions, "cases": found, "failures": failures}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
