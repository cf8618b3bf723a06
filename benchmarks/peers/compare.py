"""The same work in this product and in its peers, in turn, in one run: seconds, ratios, and whether the aims are met.

Run it: `make bench-peers`. Each peer runs in its own environment (environments.py), each case in a process of its own
(PEER/run.py), on data that is checked (same_work.py). A table goes to stderr, all figures as one JSON object to the
last line of stdout; exit 1 where a peer could not be installed or failed. README.md beside the folder says more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import HERE, PEERS, NotInstalled, interpreter_of, version_of
from same_work import CASES

OURS = "ours"
REPETITIONS = 3
SLOW_SECONDS = 120  # a case that would take longer is done on a tenth of the work
LIMIT_SECONDS = 900  # of a process, before it is ended

TITLES = {
    "chain": "chain of 100",
    "fan_out": "fan-out of 1,000 from one",
    "days": "3 assets x 365 days",
    "batched": "3 assets x 365 days, one call an asset",
}
# What a peer cannot sensibly do.
LEFT_OUT = {
    ("hamilton", "batched"): "a node has no partitions: it would be three cells",
    ("luigi", "batched"): "a task has no partitions: it would be three cells",
    ("prefect", "batched"): "a task has no partitions: it would be three cells",
    ("redun", "batched"): "a task has no partitions: it would be three cells",
}
NOTES = {
    "dagster": "chain, fan-out and batched: one run; days: a run a partition; pickles on disk, batched: Parquet",
    "hamilton": "stored: its cache; not stored: no cache; days: an execution a day",
    "luigi": "local scheduler, one worker; Parquet files",
    "prefect": "a local server of its own process, started before; pickles on disk; until all task runs are recorded",
    "redun": "always records values: in a file, or in memory",
    "sqlmesh": "SQL models in DuckDB; one plan; days: batch_size 1",
    OURS: "always stored, durably; days has a contract and a check as well",
}


@dataclass(frozen=True, slots=True)
class Aim:
    """How many times as long as ours a peer's stored case should at least take."""

    peer: str
    times: float


AIMS = (Aim("hamilton", 1), Aim("luigi", 3), Aim("redun", 10), Aim("dagster", 10))
AIM_MS_PER_CELL = 0.7
AIM_BATCHED_SECONDS = 0.45

Figures = dict[str, Any]
Key = tuple[str, str, bool]  # case, peer, and whether it stores


class Failed(Exception):
    """A process did not do its case."""


def run_case(interpreter: Path, peer: str, case: str, store: Path | None, tenth: bool) -> Figures:
    """Run one case in a process of its own and return its figures.

    Raises: Failed.
    """
    command = [str(interpreter), str(HERE / peer / "run.py"), case]
    command += ["--store", str(store)] if store is not None else []
    command += ["--tenth"] if tenth else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{case}: not done after {LIMIT_SECONDS} s") from error
    finally:
        if store is not None:
            shutil.rmtree(store, ignore_errors=True)
    if done.returncode:
        raise Failed(f"{case}: exit {done.returncode}: {done.stderr.strip()[-1500:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    scale = 10 if tenth else 1
    return {**figures, "seconds": figures["seconds"] * scale, "cells": figures["cells"], "extrapolated": tenth}


class Comparison:
    """All runs so far, which peers could not be measured, and which cases are too slow to be done whole."""

    def __init__(self, folder: Path, quick: bool) -> None:
        self.runs: dict[Key, dict[int, Figures]] = {}  # by repetition
        self.failures: dict[str, str] = {}
        self.interpreters = {OURS: Path(sys.executable)}
        self.quick = quick
        self._folder = folder
        self._tenth: dict[Key, bool] = {}

    def install(self, peers: Sequence[str]) -> None:
        for peer in peers:
            try:
                self.interpreters[peer] = interpreter_of(peer)
            except NotInstalled as error:
                self.failures[peer] = f"not installed: {error}"

    def measure(self, repetition: int, case: str, peer: str, stored: bool) -> None:
        """Run a case of a peer once more."""
        key = case, peer, stored
        if (peer, case) in LEFT_OUT or (peer == OURS and not stored):
            return
        try:
            self.runs.setdefault(key, {})[repetition] = self._run(key, self._is_slow(key))
        except Failed as error:
            self.failures[f"{peer}, {case}, {_words(stored)}"] = str(error)

    def _run(self, key: Key, tenth: bool) -> Figures:
        case, peer, stored = key
        store = self._folder / f"{peer}-{case}" if stored else None
        return run_case(self.interpreters[peer], peer, case, store, tenth)

    def _is_slow(self, key: Key) -> bool:
        """Return whether to do a tenth; found by doing one, the first time."""
        if key[1] == OURS:
            return False
        if key not in self._tenth:
            self._tenth[key] = self.quick or self._run(key, True)["seconds"] > SLOW_SECONDS
        return self._tenth[key]

    def ratio(self, case: str, peer: str, stored: bool) -> float | None:
        """Return how many times as long as ours, in the same repetition, the median of all; None where ours failed."""
        ours = self.runs.get((case, OURS, True), {})
        theirs = self.runs.get((case, peer, stored), {})
        ratios = [theirs[number]["seconds"] / ours[number]["seconds"] for number in theirs if number in ours]
        return statistics.median(ratios) if ratios else None

    def median(self, case: str, peer: str, stored: bool, figure: str) -> float:
        values: list[float] = [run[figure] for run in self.runs[case, peer, stored].values()]
        return statistics.median(values)


def _words(stored: bool) -> str:
    return "stored" if stored else "not stored"


def judge(found: Comparison) -> list[tuple[str, bool]]:
    """Return each aim, with what was found, and whether it is met; none of a quick run, which measures nothing."""
    verdicts: list[tuple[str, bool]] = []
    if found.quick:
        return verdicts
    for case in CASES:
        if not found.runs.get((case, OURS, True)):
            continue
        seconds, cells = (found.median(case, OURS, True, figure) for figure in ("seconds", "cells"))
        if case == "batched":
            text = f"{case}: {seconds:.2f} s in all, aim under {AIM_BATCHED_SECONDS} s"
            verdicts.append((text, seconds < AIM_BATCHED_SECONDS))
        else:
            each = seconds * 1000 / cells
            verdicts.append((f"{case}: {each:.2f} ms a cell, aim at most {AIM_MS_PER_CELL}", each <= AIM_MS_PER_CELL))
        for aim in AIMS:
            times = found.ratio(case, aim.peer, True)
            if times is not None:
                text = f"{case}: {aim.peer}, stored, takes {times:.1f} times as long, aim more than {aim.times:g}"
                verdicts.append((text, times > aim.times))
    return verdicts


def print_tables(found: Comparison, repetitions: int) -> None:
    """Print what a person wants to see on stderr."""
    load = os.getloadavg()[0]
    say(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}; medians of {repetitions}")
    for peer in found.interpreters:
        say(f"  {peer} {'' if peer == OURS else version_of(peer)}: {NOTES[peer]}")
    for case in dict.fromkeys(case for case, _, _ in found.runs):
        say(f"\n{TITLES[case]}")
        say(f"  {'':<10}{'':<12}{'seconds':>10}{'ms a cell':>11}{'/ ours':>9}{'memory':>10}")
        for peer in found.interpreters:
            if (peer, case) in LEFT_OUT:
                say(f"  {peer:<10}left out: {LEFT_OUT[peer, case]}")
            for stored in (True, False):
                runs = found.runs.get((case, peer, stored))
                if not runs:
                    continue
                one, ratio = next(iter(runs.values())), found.ratio(case, peer, stored)
                seconds, extrapolated = found.median(case, peer, stored, "seconds"), one["extrapolated"]
                cells = one["cells"] * (10 if extrapolated else 1)
                say(
                    f"  {peer:<10}{_words(stored):<12}{'~' if extrapolated else '':>1}{seconds:>9.3f}"
                    f"{seconds * 1000 / cells:>11.3f}{'-' if ratio is None else f'{ratio:.2f}':>9}"
                    f"{found.median(case, peer, stored, 'peak_rss_bytes') / 1e6:>7.0f} MB"
                )
    say("\n~ a tenth of the work, times ten")
    for text, met in judge(found):
        say(f"  {'met   ' if met else 'MISSED'} {text}")
    for what, error in found.failures.items():
        say(f"\nFAILED {what}: {error}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Iterable[str]) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="run everything once, the peers on a tenth of the work")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS, help="only these; default: all")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="only these; default: all")
    chosen = parser.parse_args([*arguments])
    repetitions = 1 if chosen.quick else REPETITIONS
    with tempfile.TemporaryDirectory(prefix="assets-peers-") as name:
        found = Comparison(Path(name), chosen.quick)
        found.install(chosen.peers)
        for repetition in range(repetitions):
            for case in chosen.cases:
                for peer in found.interpreters:
                    for stored in (True, False):
                        found.measure(repetition, case, peer, stored)
    print_tables(found, repetitions)
    runs = [
        {
            "case": case,
            "peer": peer,
            "stored": stored,
            "ratio_to_ours": found.ratio(case, peer, stored),
            "runs": [*runs.values()],
        }
        for (case, peer, stored), runs in found.runs.items()
    ]
    verdicts = [{"aim": text, "met": met} for text, met in judge(found)]
    print(json.dumps({"repetitions": repetitions, "cases": runs, "aims": verdicts, "failures": found.failures}))
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
