"""What every executor is tried on: a small project, steps of it made by hand, outcomes awaited.

Used by the tests of executors. A new executor is one more entry of `KINDS`. A step of `act` does what the key of its
partition says; where it waits, a test hears from it by one named pipe and lets it go by another.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from dask_cluster import shared_cluster

from assets_core.executors.executor import Deliver, Executor
from assets_core.executors.in_process import Threads
from assets_core.executors.on_dask import OnDask
from assets_core.executors.processes import Processes
from assets_core.executors.workplace import Setup, opened, sources_version
from assets_core.io.local_folder import LocalFolder
from assets_core.io.manager import Reference
from assets_core.io.parquet_store import ParquetStore
from assets_core.loading.load import Loaded
from assets_core.model.asset import HandOff
from assets_core.model.handling import Handling
from assets_core.model.keys import AssetKey, PartitionKey
from assets_core.model.partitions import Partition
from assets_core.project import find_project
from assets_core.steps.work import StepOutcome, Work, WorkInput, Workshop

LONGEST_SECONDS = 60.0
NO_LIMIT = Handling()


@dataclass(frozen=True, slots=True)
class Kind:
    """An executor: how to open one; `is_apart`: whether a step of it can be ended from outside."""

    name: str
    open: Callable[[Setup, Workshop, int, Deliver], Executor]
    is_apart: bool


KINDS = (
    Kind("threads", lambda setup, workshop, slots, deliver: Threads(workshop, slots, deliver), is_apart=False),
    Kind("processes", lambda setup, workshop, slots, deliver: Processes(setup.among(slots), slots, deliver), True),
    Kind("dask", lambda setup, workshop, slots, deliver: OnDask(setup, shared_cluster().address, slots, deliver), True),
)

SETTINGS = """
[project]
name = "contract"
[run]
hand_off_bytes = 50000000
threads = 2
processes = 2
"""

ACTS = r"""
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
from assets_core import Partition, StaticPartitions, asset

KEYS = StaticPartitions(["done"])

def batches(count):
    schema = pa.schema([("n", pa.int64())])
    column = pa.array(range(1_000_000), pa.int64())
    return pa.RecordBatchReader.from_batches(schema, (pa.record_batch([column], schema) for _ in range(count)))

@asset(partitions=KEYS)
def act(partition: Partition) -> pl.DataFrame:
    what, _, value = partition.key.partition(":")
    if what == "wait":
        Path(value, "begun").write_text(str(os.getpid()))
        Path(value, "go").read_text()
    elif what == "wait with a child":
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
        Path(value, "begun").write_text(f"{os.getpid()} {child.pid}")
        child.wait()
    elif what == "spin":
        while True:
            pass
    elif what == "exit":
        os.write(2, b"about to leave\n")
        os._exit(int(value))
    elif what == "signal":
        os.kill(os.getpid(), getattr(signal, value))
    elif what == "read nowhere":
        ctypes.string_at(0)
    elif what == "grow":
        kept = []
        while len(kept) < 500:
            kept.append(b"x" * (8 << 20))
    elif what == "raise":
        raise ValueError(value)
    elif what == "leave":
        raise SystemExit(value)
    elif what == "stream":
        return batches(int(value))
    elif what == "rows":
        return pl.DataFrame({"n": pl.int_range(int(value), eager=True), "key": partition.key})
    elif what == "modules":
        return pl.DataFrame({"name": sorted(sys.modules)})
    return pl.DataFrame({"key": [partition.key], "process": [os.getpid()]})

@asset()
def reader(given: pa.Table) -> pl.DataFrame:
    address = given.column(0).chunk(0).buffers()[1].address
    maps = [line for line in open("/proc/self/maps") if int(line.split("-")[0], 16) <= address]
    return pl.DataFrame({"rows": [given.num_rows], "from": [maps[-1].split()[-1]]})

@asset(key="given")
def given() -> pl.DataFrame:
    return pl.DataFrame({"n": [1]})
"""


def write_project(folder: Path, definitions: str = ACTS) -> Path:
    """Write a project that declares what a text says; return its folder."""
    (folder / "definitions").mkdir(parents=True)
    (folder / "assets.toml").write_text(textwrap.dedent(SETTINGS))
    (folder / "definitions" / "acts.py").write_text(definitions)
    return folder


@dataclass(slots=True)
class Bench:
    """An executor with a project to run steps of."""

    setup: Setup
    loaded: Loaded
    workshop: Workshop
    outcomes: SimpleQueue[StepOutcome | BaseException]
    executor: Executor
    steps: int = 0
    seen: list[StepOutcome] = field(default_factory=list)

    @property
    def staging(self) -> Path:
        return Path(self.setup.staging)

    def work(self, key: str = "done", handling: Handling = NO_LIMIT, attempt: int = 1, *, is_read: bool = True) -> Work:
        """Return a new step of `act`."""
        self.steps += 1
        asset = next(asset for asset in self.loaded.assets if asset.key == "act")
        partition = Partition(PartitionKey(key))
        return Work(
            self.steps,
            replace(asset, handling=handling),
            (0,),
            (partition,),
            attempt=attempt,
            is_read=is_read,
        )

    def reading(self, outcome: StepOutcome) -> Work:
        """Return a new step that reads what another one made."""
        self.steps += 1
        asset = next(asset for asset in self.loaded.assets if asset.key == "reader")
        stored = outcome.cells[0].stored
        assert stored is not None, outcome.cells[0].message
        reference = Reference(AssetKey("act"), stored.data.digest, stored.file)
        given = WorkInput("given", HandOff.ARROW_TABLE, None, False, ((None, reference),))
        return Work(self.steps, asset, (0,), (None,), (given,))

    def submit(self, *works: Work) -> None:
        for work in works:
            self.executor.submit(work)

    def next(self) -> StepOutcome:
        """Wait for the next outcome."""
        outcome = self.outcomes.get(timeout=LONGEST_SECONDS)
        if isinstance(outcome, BaseException):
            raise outcome
        self.seen.append(outcome)
        return outcome

    def run(self, work: Work) -> StepOutcome:
        """Run one step, and nothing beside it."""
        self.submit(work)
        outcome = self.next()
        assert (outcome.work.step, outcome.work.attempt) == (work.step, work.attempt)
        return outcome

    def table(self, outcome: StepOutcome) -> dict[str, list[object]]:
        """Return what a step made, as it is stored."""
        stored = outcome.cells[0].stored
        assert stored is not None, outcome.cells[0].message
        reference = Reference(outcome.work.asset.key, stored.data.digest, stored.file)
        return self.workshop.store.load([reference], None).table().to_pydict()


@contextmanager
def bench(kind: Kind, root: Path, slots: int = 2, memory_bytes: int = 16 << 20) -> Iterator[Bench]:
    """Open an executor on a project; everything that it holds is given back at the end."""
    loaded = find_project(root).loaded
    staging = root / ".assets" / "staging" / "run"
    store = ParquetStore(LocalFolder(root / ".assets" / "data"), staging, memory_bytes)
    setup = Setup(str(root), "run", store.describe(), sources_version(loaded.assets), str(staging), 1 << 28)
    outcomes: SimpleQueue[StepOutcome | BaseException] = SimpleQueue()
    with opened(setup, loaded.runtimes) as workshop:
        executor = kind.open(setup, workshop, slots, outcomes.put)
        try:
            yield Bench(setup, loaded, workshop, outcomes, executor)
        finally:
            executor.kill()
            executor.close()


class Pipes:
    """Two named pipes by which a step that waits and a test hear of each other."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        os.mkfifo(self.folder / "begun")
        os.mkfifo(self.folder / "go")

    def begun(self) -> Sequence[int]:
        """Wait until the step has begun; return the numbers of the processes that it told."""
        return [int(number) for number in (self.folder / "begun").read_text().split()]

    def go(self) -> None:
        (self.folder / "go").write_text("")


def is_alive(process: int) -> bool:
    """Return whether a process runs: one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
