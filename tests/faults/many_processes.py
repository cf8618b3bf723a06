"""Many processes write and read one project at a time, some are killed, some stopped, for a minute or `--seconds`.

`python tests/faults/many_processes.py` prints a table of what was done and what was wrong of it; it ends with 1 where
anything was. test_many_processes.py has it run for some seconds. What a process does is in many_roles.py, what must
hold in many_judged.py.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import pkgutil
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crash_case import independent_verifier
from many_judged import Stop, Verdict, judge
from many_roles import LEASE_SECONDS, Notes, live, prepare
from operations import command

import assets_core
import catalog

_LOOK_SECONDS = 0.01
_LONG_SECONDS = 6.5  # a process that waits for a lock gives up after five
_LONGEST_END_SECONDS = 60.0
SHARES = (("median", 0.5), ("99 %", 0.99), ("most", 1.0))
_UNEXPECTED = 70


def main() -> None:
    """Run a crowd, judge it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    import_all()
    with tempfile.TemporaryDirectory() as folder:
        crowd = Crowd(Path(folder).resolve(), asked.seconds, asked.seed)
        crowd.run(asked.writers, asked.readers)
        verdict = judge(crowd.root, sorted(crowd.folder.glob("*.notes")), crowd.stops, independent_verifier())
    verdict.wrong = crowd.wrong + verdict.wrong
    sys.stdout.write(table(crowd, verdict))
    sys.stdout.flush()
    os._exit(1 if verdict.wrong else 0)  # an orderly end would have DuckDB's bindings complain that modules are frozen


def import_all() -> None:
    """Import the product, so that a forked process has it at once."""
    for package in (catalog, assets_core):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in ("pandera.polars", "polars", "pyarrow.parquet"):
        importlib.import_module(name)
    gc.freeze()  # so that a child's collector copies none of the pages that it shares


@dataclass(slots=True)
class Crowd:
    """Keeps so many processes going, each for some acts before another takes its place, and disturbs them."""

    folder: Path
    seconds: float
    seed: int
    alive: dict[int, tuple[str, int]] = field(default_factory=dict)
    killed: set[int] = field(default_factory=set)
    stops: list[Stop] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    started: int = 0
    stopped: tuple[int, float, float, bool] | None = None
    """The process that does not run, since when, until when, and whether it holds a lock."""

    @property
    def root(self) -> Path:
        return self.folder / "project"

    def run(self, writers: int, readers: int) -> None:
        prepare(self.root)
        self.first_run()
        chance = random.Random(self.seed)  # noqa: S311
        until = time.monotonic() + self.seconds
        for kind, count in (("writer", writers), ("reader", readers)):
            for slot in range(count):
                self.start(kind, slot, until)
        next_kill, next_stop = (time.monotonic() + chance.uniform(0.5, 1.5) for _ in range(2))
        while (now := time.monotonic()) < until:
            for kind, slot in self.ended():
                if kind != "rival":
                    self.start(kind, slot, until)
            if now > next_kill:
                self.kill(chance)
                next_kill = now + chance.uniform(0.5, 2.0)
            if self.stopped is None and now > next_stop:
                self.stop(chance, until)
            if self.stopped is not None and now > self.stopped[2]:
                self.go_on()
                next_stop = now + chance.uniform(0.5, 3.0)
            time.sleep(_LOOK_SECONDS)
        if self.stopped is not None:
            self.go_on()
        self.end(until)

    def first_run(self) -> None:
        """Make everything once, in a child: this process must not have used DuckDB when it forks."""
        child = os.fork()
        if child == 0:
            os._exit(1 if command(self.root, "materialize")["code"] else 0)
        if os.waitpid(child, 0)[1] != 0:
            raise SystemExit("the project cannot be made")

    def start(self, kind: str, slot: int, until: float) -> None:
        self.started += 1
        name = f"{kind} {slot} {self.started}"
        child = os.fork()
        if child == 0:
            status = _UNEXPECTED
            try:
                printed = os.open(self.folder / f"{name}.printed", os.O_WRONLY | os.O_CREAT, 0o644)
                for descriptor in (1, 2):
                    os.dup2(printed, descriptor)
                live(kind, self.root, Notes(self.folder / f"{name}.notes"), f"{self.seed} {name}", until)
                status = 0
            except BaseException:  # noqa: BLE001  # a child must end here whatever happens
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        self.alive[child] = kind, slot

    def ended(self) -> Iterator[tuple[str, int]]:
        """Yield the places of processes that have ended since the last call."""
        for process in list(self.alive):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                kind, slot = self.alive.pop(process)
                code = os.waitstatus_to_exitcode(status)
                if code != 0 and not (process in self.killed and code == -signal.SIGKILL):
                    self.wrong.append(
                        f"process {process}, {kind} {slot}, ended with {code}: {self.printed(kind, slot)}"
                    )
                yield kind, slot

    def printed(self, kind: str, slot: int) -> str:
        newest = max(self.folder.glob(f"{kind} {slot} *.printed"), key=lambda file: file.stat().st_mtime)
        return newest.read_text(encoding="utf-8", errors="replace")[-3000:]

    def writers(self) -> list[int]:
        stopped = None if self.stopped is None else self.stopped[0]
        return [process for process, (kind, _) in self.alive.items() if kind == "writer" and process != stopped]

    def kill(self, chance: random.Random) -> None:
        """Kill a writer in a way that it cannot notice."""
        if processes := self.writers():
            process = chance.choice(processes)
            self.killed.add(process)
            os.kill(process, signal.SIGKILL)

    def stop(self, chance: random.Random, until: float) -> None:
        """Stop a writer for longer than its lease: mostly one in the midst of a run, now and then one inside a lock."""
        wants_lock = chance.random() < 0.3
        for process in chance.sample(self.writers(), len(self.writers())):
            if process in self.killed:
                continue
            os.kill(process, signal.SIGSTOP)
            held = locks_of(process)
            is_inside = bool(held & self.inodes(".assets/catalog.*", ".assets/journal/*lock*"))
            has_lease = bool(held & self.inodes(".assets/runs/*"))
            if is_inside if wants_lock else has_lease and not is_inside:
                now, is_long = (
                    time.monotonic(),
                    is_inside and self.seconds > 2 * _LONG_SECONDS and chance.random() < 0.5,
                )
                seconds = _LONG_SECONDS if is_long else chance.uniform(2.5, 4.0) * LEASE_SECONDS
                self.stopped = process, now, min(now + seconds, until), is_inside
                if has_lease:
                    self.start("rival", 0, until)
                return
            os.kill(process, signal.SIGCONT)

    def go_on(self) -> None:
        assert self.stopped is not None
        process, began, _, is_inside = self.stopped
        os.kill(process, signal.SIGCONT)
        self.stops.append(Stop(began, time.monotonic(), is_inside))
        self.stopped = None

    def inodes(self, *patterns: str) -> set[int]:
        found = set()
        for pattern in patterns:
            for file in self.root.glob(pattern):
                try:
                    found.add(file.stat().st_ino)
                except FileNotFoundError:  # of a run that has just ended
                    continue
        return found

    def end(self, until: float) -> None:
        """Wait for all to end what they do."""
        while self.alive and time.monotonic() < until + _LONGEST_END_SECONDS:
            for _ in self.ended():
                pass
            time.sleep(_LOOK_SECONDS)
        for process, (kind, slot) in self.alive.items():
            self.wrong.append(f"process {process}, {kind} {slot}, does not end: {self.printed(kind, slot)}")
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def locks_of(process: int) -> set[int]:
    """Return the inodes of the files on which a process holds a lock."""
    lines = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    return {int(words[5].rpartition(":")[2]) for words in lines if words[1] != "->" and words[4] == str(process)}


def table(crowd: Crowd, verdict: Verdict) -> str:
    """Return in lines of text what was done, how long readers waited, and what is wrong."""
    rows: list[tuple[object, ...]] = [("act", "times", "by exit code")]
    for act in sorted({act for act, _ in verdict.acts}):
        codes = {code: count for (name, code), count in sorted(verdict.acts.items()) if name == act}
        rows.append((act, sum(codes.values()), ", ".join(f"{code}: {count}" for code, count in codes.items())))
    inside = sum(stop.is_inside for stop in crowd.stops)
    rows += [
        ("processes", crowd.started, f"{len(crowd.killed)} killed, {len(crowd.stops)} stopped, {inside} inside a lock"),
        ("records", sum(verdict.records.values()), f"{verdict.acknowledged} acknowledged to somebody who noted it"),
        *((f"  {kind}", count, "") for kind, count in verdict.records.most_common()),
        ("runs refused", verdict.refused, "when they woke: another run had taken over"),
        ("exit code 4", verdict.excused, "while a process was stopped inside a lock"),
        ("looks at the counter", verdict.seen, ""),
        ("sessions", len(verdict.sessions), "of readers with the catalog, outside of stops inside a lock"),
    ]
    for name, seconds in (("to get one", verdict.sessions), ("waiting for a turn", verdict.waits)):
        parts = ", ".join(f"{word} {share(seconds, part)}" for word, part in SHARES)
        rows.append((f"  {name}", len(seconds), parts))
    rows.append(("  turns held", f"{verdict.held:.1f} s", f"{verdict.delayed:.1f} s of it without a core"))
    rows.append(("  longest wait", f"{verdict.longest_wait * 1000:.0f} ms", "if every process had a core"))
    rows.append(("findings", len(verdict.wrong), ""))
    lines = ["\t".join(map(str, row)) for row in rows]
    return "\n".join([*lines, *verdict.wrong]) + "\n"


def share(seconds: list[float], part: float) -> str:
    """Return the time below which a part of all lies."""
    if not seconds:
        return "none"
    return f"{sorted(seconds)[max(round(part * len(seconds)) - 1, 0)] * 1000:.0f} ms"


if __name__ == "__main__":
    main()
