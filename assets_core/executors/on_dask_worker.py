"""What a Dask worker does for a run: it hands the steps of a batch to processes of its own, and returns what they say.

Called by Dask, by name, with JSON; sent by `on_dask.py`. It imports neither the project nor Dask: a worker outlives
many versions of the definitions, so a step runs in a process that has loaded the one that is asked for.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue
from sys import version_info
from typing import Any

from ..errors import AssetsError, Place
from ..model.asset import Asset, AssetKind
from ..model.handling import Handling
from ..model.keys import AssetKey, PartitionKey
from ..model.partitions import Partition
from ..steps.wire import outcome_to_json
from ..steps.work import StepOutcome, Work
from ..version import __version__
from .executor import CANCELLED, lost
from .processes import Processes
from .workplace import Setup

PROJECT = "ASSETS_PROJECT"
"""The variable that says where a worker has the project, if it is not where the coordinator has it."""
_IDLE_SECONDS = 60.0  # after which the processes of a run are ended: its coordinator may be dead
_LOOK_SECONDS = 5.0

Document = dict[str, Any]


def run_batch(payload: bytes) -> bytes:
    """Run the steps of a batch one after the other; return their outcomes, or why none can be run here."""
    document = json.loads(payload)
    try:
        _require_versions(document["versions"])
        answer: Document = {"outcomes": _runs().work(document["run"], Setup(**document["setup"]), document["works"])}
    except Exception as error:  # noqa: BLE001  # whatever it is, the coordinator tells it
        what = str(error) if isinstance(error, AssetsError) else f"{type(error).__name__}: {error}"
        answer = {"refused": what, "host": socket.gethostname()}
    return json.dumps(answer, separators=(",", ":")).encode("ascii")


async def end_run(run: str, *, kills: bool) -> None:
    """End the processes of a run; `kills`: also in the midst of a step, else after it."""
    await asyncio.to_thread(_runs().end, run, kills=kills)


def mark_of(setup: Setup, run: str) -> Path:
    """Return the folder by which a worker sees that it shares a folder with the coordinator."""
    return Path(setup.store["staging"]) / f"shared-with-{run}"


def work_of(given: Mapping[str, Any]) -> Work:
    """Return what the processes of a worker have to know of a step, without the project."""
    document = given["work"]
    handling = Handling(timeout_seconds=given["timeout_seconds"], memory_bytes=given["memory_bytes"])
    return Work(
        step=document["step"],
        asset=Asset(AssetKey(document["asset"]), AssetKind.FUNCTION, Place(""), "", handling=handling),
        ordinals=tuple(document["ordinals"]),
        partitions=tuple(
            None if partition is None else Partition(PartitionKey(partition["key"]))
            for partition in document["partitions"]
        ),
        attempt=document["attempt"],
    )


def versions() -> dict[str, str]:
    """Return what has to be equal at both ends."""
    python = f"{version_info.major}.{version_info.minor}"
    return {"python": python, "assets-core": __version__, "distributed": metadata.version("distributed")}


def _require_versions(theirs: Mapping[str, str]) -> None:
    ours = versions()
    differing = [f"{name} is {ours[name]} here and {theirs[name]} there" for name in ours if ours[name] != theirs[name]]
    if differing:
        raise AssetsError(
            f"the worker is not of the coordinator's versions: {', '.join(differing)}",
            remedy="install the same versions on every machine of the cluster",
        )


def placed(setup: Setup, root: str) -> Setup:
    """Return what a run needs, as it is where a worker has the project in a folder of its own.

    Raises: AssetsError where the data lies in the coordinator's.
    """
    if Path(root) == Path(setup.root):
        return setup
    folder = setup.store["files"].get("folder")
    if folder is not None and Path(folder).is_relative_to(setup.root):
        raise AssetsError(
            f"the data lies in {folder}, and the worker has the project in {root}",
            remedy="give [storage] a url that all machines reach, or share the project's folder and unset " + PROJECT,
        )
    return replace(
        setup,
        root=root,
        staging=_moved(setup.staging, setup.root, root),
        shared=None if setup.shared is None else _moved(setup.shared, setup.root, root),
        store={**setup.store, "staging": _moved(setup.store["staging"], setup.root, root)},
    )


def _moved(path: str, root: str, other: str) -> str:
    """Return a path as it is below another folder, if it is below `root`."""
    return str(Path(other) / Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path


def _require_shared(setup: Setup, run: str) -> None:
    if "folder" in setup.store["files"] and not mark_of(setup, run).exists():
        raise AssetsError(
            f"the worker does not see what the coordinator wrote to {setup.store['staging']}",
            remedy="share the folder of the data between all machines, or give [storage] the url of a bucket",
        )


class _Lane:
    """One step at a time, in a process that is kept for the next one."""

    def __init__(self, setup: Setup) -> None:
        self._outcomes: SimpleQueue[StepOutcome | BaseException] = SimpleQueue()
        self._processes = Processes(setup, 1, self._outcomes.put)

    def run(self, given: Sequence[Mapping[str, Any]]) -> list[Document]:
        for one in given:
            self._processes.submit(work_of(one), one["work"])
        answers = []
        for _ in given:
            outcome = self._outcomes.get()
            if isinstance(outcome, BaseException):
                raise outcome
            answers.append(outcome_to_json(outcome))
        return answers

    def kill(self) -> None:
        for work in self._processes.cancel():
            self._outcomes.put(lost(work, CANCELLED, "the run was cancelled before the step began"))
        self._processes.kill()

    def close(self) -> None:
        self._processes.close()


@dataclass(slots=True)
class _Run:
    """The lanes of one run, those at work and those that wait for some. `own`: a folder that nobody else removes."""

    setup: Setup
    own: Path | None
    used: list[_Lane] = field(default_factory=list)
    free: list[_Lane] = field(default_factory=list)
    opened: int = 0
    idle_since: float = 0.0

    def lane(self) -> _Lane:
        if not self.free:
            self.opened += 1
            name = f"dask-{socket.gethostname()}-{os.getpid()}-{self.opened}"
            self.free.append(_Lane(self.setup.apart(name)))
        self.used.append(self.free.pop())
        return self.used[-1]

    def close(self) -> None:
        for lane in self.free:
            lane.close()
        if self.own is not None and not self.used:
            shutil.rmtree(self.own, ignore_errors=True)


class _Runs:
    """The runs that this worker works for, by what their executors call themselves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        threading.Thread(target=self._look, name="assets-runs", daemon=True).start()

    def work(self, name: str, setup: Setup, works: Sequence[Document]) -> list[Document]:
        """Run some steps one after the other."""
        with self._lock:
            run = self._runs.get(name)
            if run is None:
                run = self._runs[name] = _opened(setup, name)
            lane = run.lane()
        is_whole = False
        try:
            answers = lane.run(works)
            is_whole = True
        finally:
            with self._lock:
                run.used.remove(lane)
                run.idle_since = time.monotonic()
                is_kept = is_whole and self._runs.get(name) is run
                if is_kept:
                    run.free.append(lane)
            if not is_kept:
                lane.close()
        return answers

    def end(self, name: str, *, kills: bool) -> None:
        with self._lock:
            run = self._runs.pop(name, None)
            if run is not None and kills:
                for lane in run.used:
                    lane.kill()
        if run is not None:
            run.close()

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            before = time.monotonic() - _IDLE_SECONDS
            with self._lock:
                idle = [name for name, run in self._runs.items() if not run.used and run.idle_since < before]
                ended = [self._runs.pop(name) for name in idle]
            for run in ended:
                run.close()


@cache
def _runs() -> _Runs:
    """Return what this process holds between two calls: Dask knows a function by its name only."""
    return _Runs()


def _opened(setup: Setup, run: str) -> _Run:
    here = placed(setup, os.environ.get(PROJECT) or setup.root)
    _require_shared(here, run)
    if here.shared is not None:  # each machine has one of its own, also where they share a folder
        here = replace(here, shared=f"{here.shared}-{socket.gethostname()}")
    return _Run(here, None if here is setup or here.root == setup.root else Path(here.staging))
