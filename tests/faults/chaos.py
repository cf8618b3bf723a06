"""Runs on every executor are disturbed at random: does the result equal an undisturbed run?

`python tests/faults/chaos.py --seconds 60` prints what was done and what was wrong afterwards; it ends with 1 where
anything was. Workers and coordinators are killed and paused, the disk is full for a while, sources change.
test_chaos.py has it run for some seconds; what must hold is in chaos_judged.py.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos_judged import judge

COMMAND = str(Path(sys.executable).parent / "assets")
DISK_BYTES = 512 << 20
DAYS = 28
LEASE_SECONDS = 2
_TURN_SECONDS = 0.4
_LONGEST_RUN_SECONDS = 120.0

SETTINGS = f"""
[project]
name = "chaos"
[run]
threads = 2
processes = 2
lease_seconds = {LEASE_SECONDS}
[pools]
narrow = 2
"""

ASSETS = """
import hashlib
import time

import polars as pl
from assets_core import DailyPartitions, MonthlyPartitions, Partition, Retries, TimeWindow, Upstream, asset, external
from assets_core import sql_asset
from typing import Annotated

DAYS = DailyPartitions("2024-02-01", "2024-02-29")
external("raw", path="raw/{partition}.csv", partitions=DAYS)
AGAIN = Retries(4)


@asset(partitions=DAYS, pool="narrow", retries=AGAIN)
def cleaned(raw: pl.DataFrame) -> pl.DataFrame:
    time.sleep(0.02)
    return raw.with_columns(digest=pl.lit(hashlib.sha256(str(raw["number"].to_list()).encode()).hexdigest()))


@asset(partitions=DAYS, retries=AGAIN)
def weekly(cleaned: Annotated[pl.LazyFrame, Upstream(mapping=TimeWindow(last=3))]) -> pl.LazyFrame:
    time.sleep(0.01)
    return cleaned.select(pl.col("number").sum(), pl.len().alias("rows"))


@asset(partitions=DAYS, retries=AGAIN, executor="processes", pool="narrow", weight=2, timeout="20s")
def alone(cleaned: pl.DataFrame) -> pl.DataFrame:
    return cleaned.select(pl.col("number").max())


@asset(partitions=MonthlyPartitions("2024-02-01", "2024-03-01"), retries=AGAIN, concurrency=1)
def month(weekly: pl.DataFrame, alone: pl.DataFrame) -> pl.DataFrame:
    return weekly.select(pl.col("number").sum(), most=pl.lit(alone["number"].max()))


sql_asset("total", "SELECT sum(number) AS number, count(*) AS months FROM month", retries=AGAIN)
"""


@dataclass(slots=True)
class Chaos:
    """One project under disturbance. `done`: what was done, by name."""

    root: Path
    chance: random.Random
    executors: Sequence[str]
    done: Counter[str] = field(default_factory=Counter)
    ends: Counter[int] = field(default_factory=Counter)
    coordinators: list[subprocess.Popen[bytes]] = field(default_factory=list)
    paused: list[tuple[float, int]] = field(default_factory=list)
    filler: Path | None = None

    def prepare(self) -> None:
        (self.root / "raw").mkdir(parents=True)
        (self.root / "definitions").mkdir()
        (self.root / "assets.toml").write_text(SETTINGS, encoding="utf-8")
        (self.root / "definitions" / "assets.py").write_text(ASSETS, encoding="utf-8")
        for day in range(1, DAYS + 1):
            self._deliver(day)

    def _deliver(self, day: int) -> None:
        draft = self.root / "draft.csv"
        rows = "\n".join(str(self.chance.randrange(10**6)) for _ in range(20))
        draft.write_text(f"number\n{rows}\n", encoding="utf-8")
        draft.replace(self.root / "raw" / f"2024-02-{day:02}.csv")

    def run(self, seconds: float) -> None:
        """Disturb for so long."""
        until = time.monotonic() + seconds
        deeds: list[tuple[Callable[[], None], int]] = [
            (self.start, 12),
            (self.edit, 3),
            (self.kill_worker, 8),
            (self.pause_worker, 4),
            (self.kill_coordinator, 1),
            (self.pause_coordinator, 1),
            (self.interrupt_coordinator, 1),
            (self.fill_disk, 1),
        ]
        while time.monotonic() < until:
            with suppress(OSError):  # a file of ours that finds no space, a process that has just ended
                self.chance.choices([deed for deed, _ in deeds], [weight for _, weight in deeds])[0]()
            self.look()
            time.sleep(_TURN_SECONDS * self.chance.random())

    def look(self) -> None:
        """Let go on what was paused for long enough, and take note of what has ended."""
        now = time.monotonic()
        for due, process in [one for one in self.paused if one[0] <= now]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
            self.paused.remove((due, process))
        for coordinator in [one for one in self.coordinators if one.poll() is not None]:
            self.ends[coordinator.returncode] += 1
            self.coordinators.remove(coordinator)
        if self.filler is not None and self.chance.random() < 0.3:
            self.filler.unlink()
            self.filler = None

    def start(self) -> None:
        if len(self.coordinators) >= 2:
            return
        executor = self.chance.choice(self.executors)
        self.done[f"run on {executor}"] += 1
        log = (self.root.parent / "commands.log").open("ab")
        with log:
            self.coordinators.append(
                subprocess.Popen(
                    [COMMAND, "materialize", "--executor", executor, "--project", str(self.root)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def edit(self) -> None:
        self._deliver(self.chance.randint(1, DAYS))
        self.done["source changed"] += 1

    def _workers(self) -> list[int]:
        return [process for coordinator in self.coordinators for process in children(coordinator.pid)]

    def kill_worker(self) -> None:
        if workers := self._workers():
            os.kill(self.chance.choice(workers), signal.SIGKILL)
            self.done["worker killed"] += 1

    def pause_worker(self) -> None:
        if workers := self._workers():
            self._pause(self.chance.choice(workers), self.chance.random())
            self.done["worker paused"] += 1

    def _pause(self, process: int, seconds: float) -> None:
        os.kill(process, signal.SIGSTOP)
        self.paused.append((time.monotonic() + seconds, process))

    def kill_coordinator(self) -> None:
        if self.coordinators:
            self.chance.choice(self.coordinators).kill()
            self.done["coordinator killed"] += 1

    def pause_coordinator(self) -> None:
        if self.coordinators:
            self._pause(self.chance.choice(self.coordinators).pid, self.chance.choice((0.2, LEASE_SECONDS + 1.5)))
            self.done["coordinator paused"] += 1

    def interrupt_coordinator(self) -> None:
        if self.coordinators:
            self.chance.choice(self.coordinators).send_signal(signal.SIGINT)
            self.done["coordinator interrupted"] += 1

    def fill_disk(self) -> None:
        if self.filler is None and self.root.parent.is_mount():
            self.filler = self.root.parent / "filler"
            free = shutil.disk_usage(self.root.parent).free
            with self.filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(free - self.chance.choice((0, 4_096, 65_536)), 1))
            self.done["disk full"] += 1

    def settle(self) -> str:
        """Stop disturbing; let what runs end, and run once more to the end; return what that printed."""
        if self.filler is not None:
            self.filler.unlink()
        for _, process in self.paused:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
        for coordinator in self.coordinators:
            try:
                coordinator.wait(_LONGEST_RUN_SECONDS)
            except subprocess.TimeoutExpired:
                coordinator.kill()
                coordinator.wait()
                return f"a run did not end within {_LONGEST_RUN_SECONDS} s of peace"
            self.ends[coordinator.returncode] += 1
        done = subprocess.run(
            [COMMAND, "materialize", "--project", str(self.root)], capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else f"the last run ended with {done.returncode}: {done.stderr[-2000:]}"


def children(process: int) -> list[int]:
    """Return the processes that one has started, and those that these have, and so on."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


@contextmanager
def disk() -> Iterator[Path]:
    """A folder on a small file system of its own where mounting is permitted, else just a folder."""
    with tempfile.TemporaryDirectory(prefix="assets-chaos-") as name:
        folder = Path(name).resolve() / "disk"
        folder.mkdir()
        options = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
        is_mounted = os.getuid() == 0 and subprocess.run(options, check=False, capture_output=True).returncode == 0
        try:
            yield folder
        finally:
            if is_mounted:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> None:
    """Disturb, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executors", default="threads,processes")
    asked = parser.parse_args()
    with disk() as folder:
        chance = random.Random(asked.seed)  # noqa: S311  # repeats a case, keeps no secret
        chaos = Chaos(folder / "project", chance, asked.executors.split(","))
        chaos.prepare()
        chaos.run(asked.seconds)
        wrong = [text for text in [chaos.settle()] if text] + judge(chaos.root)
        for name, count in sorted(chaos.done.items()):
            say(f"{count:6} x {name}")
        say(f"       exits of the runs: {dict(sorted(chaos.ends.items()))}")
        for text in wrong:
            say(f"WRONG: {text}")
        if wrong:
            kept = Path(tempfile.mkdtemp(prefix="assets-chaos-kept-"))
            shutil.copytree(folder, kept / "disk")
            say(f"kept at {kept}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
