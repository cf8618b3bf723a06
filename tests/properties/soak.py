"""Try many more random projects than the suite does: `python tests/properties/soak.py --examples 10000 --seed 7`.

Run from the project's folder. So many histories in total: of 20, 18 go through the planner alone, as arrays, and 2
through files and runs. It tells how many hold of each, and every example that breaks the law; a seed gives the same
examples again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

sys.path.insert(0, str(Path(__file__).parent))

from array_world import check_plans
from histories import History, full_runs, partial_runs
from scenario import check_full_runs, check_partial_runs


class Property(NamedTuple):
    """What is checked of which histories; `share`: so many of 20; `at_once`: so many in one process."""

    check: Callable[[History], None]
    histories: SearchStrategy[History]
    share: int
    at_once: int
    through: str


PROPERTIES = {
    "plans of full runs": Property(check_plans, full_runs(may_be_open=True), 9, 250, "arrays"),
    "plans of partial runs": Property(check_plans, partial_runs(may_be_open=True), 9, 250, "arrays"),
    "full runs": Property(check_full_runs, full_runs(), 1, 25, "files"),  # each load leaves a hook that slows it down
    "partial runs": Property(check_partial_runs, partial_runs(), 1, 25, "files"),
}


class Chunk(NamedTuple):
    """Some examples of one property, tried in one process."""

    name: str
    examples: int
    seed: int


def main() -> None:
    """Check so many histories in processes side by side, each for some of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--property", choices=PROPERTIES, help="only this one, in this process")
    asked = parser.parse_args()
    if asked.property is not None:
        number, failure = check(Chunk(asked.property, asked.examples, asked.seed))
        sys.stdout.write(f"{number} hold\n")
        if failure is not None:
            raise failure
        return
    chunks = sorted(chunks_of(asked.examples, asked.seed), key=lambda chunk: chunk.seed)
    start, held, broken = time.monotonic(), Counter[str](), Counter[str]()
    with ThreadPoolExecutor(asked.processes) as pool:
        for done in as_completed([pool.submit(_run, chunk) for chunk in chunks]):
            chunk, number, output = done.result()
            held[chunk.name] += number
            if output is not None:
                broken[chunk.name] += 1
                sys.stdout.write(f"{output}\nbroken: {' '.join(_command(chunk))}\n")
            sys.stdout.write(f"{time.monotonic() - start:.0f} s: {_told(held, broken)}\n")
            sys.stdout.flush()
    raise SystemExit(1 if broken else 0)


def chunks_of(examples: int, number: int) -> list[Chunk]:
    """Return what the processes are given to do."""
    found: list[Chunk] = []
    for name, one in PROPERTIES.items():
        wanted = max(1, examples * one.share // 20)
        starts = range(0, wanted, one.at_once)
        # by their seeds chunks are in order so that all properties advance alike
        found += [Chunk(name, min(one.at_once, wanted - done), number + done * 20 // one.share) for done in starts]
    return found


def _told(held: Mapping[str, int], broken: Mapping[str, int]) -> str:
    """Return how many examples hold, in total, as arrays and through files, and of each property."""
    through = {way: sum(held[n] for n, one in PROPERTIES.items() if one.through == way) for way in ("arrays", "files")}
    each = ", ".join(f"{held[name]} {name}" for name in PROPERTIES)
    ways = " and ".join(f"{number} through {way}" for way, number in through.items())
    return f"{sum(through.values())} examples hold, {ways} ({each}); {sum(broken.values())} examples break the law"


def _command(chunk: Chunk) -> list[str]:
    members = ["--property", chunk.name, "--examples", str(chunk.examples), "--seed", str(chunk.seed)]
    return [sys.executable, __file__, *members]


def _run(chunk: Chunk) -> tuple[Chunk, int, str | None]:
    """Try a chunk in a process of its own; return how many hold, and what it said where an example breaks the law."""
    done = subprocess.run(_command(chunk), check=False, capture_output=True, text=True)
    first = done.stdout.split(maxsplit=1)[:1]
    held = int(first[0]) if first and first[0].isdecimal() else 0
    return chunk, held, None if done.returncode == 0 else done.stdout + done.stderr


def check(chunk: Chunk) -> tuple[int, BaseException | None]:
    """Check some histories in this process; return how many hold, until the first that does not, and that one."""
    held, is_broken = 0, False
    one = PROPERTIES[chunk.name]
    is_cheap = one.through == "arrays"  # a run costs too much to try again
    phases = [Phase.generate, Phase.shrink] if is_cheap else [Phase.generate]

    def counted(history: History) -> None:
        nonlocal held, is_broken
        try:
            one.check(history)
        except BaseException:
            is_broken = True
            raise
        held += not is_broken  # what is tried to make a failing example smaller does not count

    healthy = list(HealthCheck)
    many = settings(
        max_examples=chunk.examples, deadline=None, database=None, suppress_health_check=healthy, phases=phases
    )
    try:
        seed(chunk.seed)(many(given(one.histories)(counted)))()
    except Exception as failure:  # noqa: BLE001  # whatever it is, it is told
        return held, failure
    return held, None


if __name__ == "__main__":
    main()
