"""The executor of a Dask cluster: steps are packed into batches of about a second, which Dask gives to its workers.

Opened by `conduct.py`, where the package distributed is installed. One thread serves the cluster. What crosses is JSON:
steps there, manifests back; the workers (`on_dask_worker.py`) read and write the store themselves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, KilledWorker
from distributed.utils import silence_logging_cmgr
from distributed.versions import VersionMismatchWarning

from ..errors import AssetsError
from ..steps.wire import outcome_from_json, work_to_json
from ..steps.work import Work
from .executor import CANCELLED, WORKER_DIED, Deliver, Running, lost
from .on_dask_batches import Batch, Given, Waiting
from .on_dask_cluster import OwnCluster
from .on_dask_worker import end_run, mark_of, run_batch, versions
from .workplace import Setup

_GATHER_SECONDS = 0.004  # how long a step waits for others to share its batch with
CONNECT_SECONDS = 20.0
WORKERS_SECONDS = 60.0
"""How long is waited for a scheduler, and for a cluster without workers to have one."""
_ANSWER_SECONDS = 30.0  # after which a scheduler that says nothing is taken for gone
_LOOK_SECONDS = 1.0  # how often it is seen how many workers there are
_END_SECONDS = 5.0  # how long workers may take to end their processes
_LOSSES = 3  # schedulers lost one after the other, without a batch that came back, before it is given up


class OnDask:
    """Runs steps on the cluster at `address`, or on one of `workers` processes that is started for the run."""

    def __init__(self, setup: Setup, address: str | None, workers: int, deliver: Deliver) -> None:
        self._setup = setup
        self._name = uuid.uuid4().hex  # by which the workers know what they hold for this
        self._told: Mapping[str, Any] = {}  # what they are told to set up
        self._address = address
        self._workers = workers
        self._deliver = deliver
        self.slots = workers
        self._is_resized = False
        self._waiting = Waiting()
        self.backlog = self._waiting.backlog
        self._batches: dict[Batch, asyncio.Task[None]] = {}
        self._running: dict[int, Running] = {}
        self._cluster: OwnCluster | None = None
        self._client: Client | None = None
        self._losses = 0
        self._is_lost = self._kills = self._closes = self._is_broken = False
        self._refused: list[BaseException] = []
        self._opened = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="assets-dask", daemon=True)
        self._thread.start()
        self._opened.wait()
        if self._refused:
            self._thread.join()
            raise self._refused[0]

    def submit(self, work: Work) -> None:
        handling = work.asset.handling
        try:
            document = {
                "work": work_to_json(work),
                "timeout_seconds": handling.timeout_seconds,
                "memory_bytes": handling.memory_bytes,
            }
            text = json.dumps(document, separators=(",", ":"))
        except (AssetsError, TypeError, ValueError) as error:
            self._deliver(lost(work, type(error).__name__, str(error)))
            return
        if self._waiting.add(Given(work, text)):
            self._wake()

    def resize(self, slots: int) -> None:
        self._is_resized = True
        self.slots = slots
        self._wake()

    def running(self) -> list[Running]:
        """Return a step of each batch: the workers do not tell which one they are at."""
        return list(self._running.copy().values())

    def cancel(self) -> list[Work]:
        """Drop the steps that are in no batch yet, and return them."""
        return self._waiting.clear()

    def kill(self) -> None:
        self._kills = True
        self._wake()

    def close(self) -> None:
        self.cancel()
        self._closes = True
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # nobody is there any more
                self._loop.call_soon_threadsafe(self._woken.set)

    # All that follows runs in the one thread

    def _serve(self) -> None:
        warnings.filterwarnings("ignore", category=VersionMismatchWarning)  # versions are compared by the workers
        try:
            with silence_logging_cmgr(logging.CRITICAL + 1):
                asyncio.run(self._work())
        except BaseException as error:  # noqa: BLE001  # handed to the coordinator, which raises it
            if self._opened.is_set():
                self._deliver(error)
            else:
                self._refused.append(error)
        finally:
            if self._cluster is not None:
                self._cluster.close()
            with suppress(OSError):
                self._mark.rmdir()
            self._opened.set()

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._mark.mkdir(parents=True, exist_ok=True)
        try:
            await self._connect()
            self._opened.set()
            look = asyncio.create_task(self._look())
            while not (self._closes and not self._batches):
                if self._is_lost:
                    await self._reconnect()
                if self._kills:
                    await self._kill()
                if self._waiting:
                    await self._gather()
                    self._give_out()
                await self._woken.wait()
                self._woken.clear()
            look.cancel()
            await self._end_on_workers(kills=False)
        finally:
            await self._disconnect()

    @property
    def _mark(self) -> Path:
        """Return a folder by which the workers see that they share a folder."""
        return mark_of(self._setup, self._name)

    # The cluster

    async def _connect(self) -> None:
        """Come to have a client of a cluster that has workers.

        Raises: AssetsError.
        """
        if self._address is None:
            self._cluster = OwnCluster(self._workers, Path(self._setup.staging) / "dask")
            address = await asyncio.to_thread(self._cluster.address)
            self._client = await self._reached(address, security=self._cluster.security)
        else:
            self._client = await self._reached(self._address)
        until = time.monotonic() + WORKERS_SECONDS
        while not (threads := await self._client.nthreads()):
            if time.monotonic() > until or self._closes:
                raise self._no_workers()
            await asyncio.sleep(_LOOK_SECONDS / 10)
        self._fit(threads)
        on_host: Counter[str | None] = Counter()
        for worker, number in threads.items():
            on_host[urlsplit(worker).hostname] += number
        self._told = self._setup.among(max(on_host.values())).to_json()

    def _fit(self, threads: Mapping[str, int]) -> None:
        """Have as many batches on the way as the cluster has threads, if nobody says otherwise."""
        if not self._is_resized and self.slots != sum(threads.values()):
            self.slots = sum(threads.values())
            self._woken.set()

    async def _reached(self, address: str, **options: Any) -> Client:
        client: Client | None = None
        try:
            client = Client(address, asynchronous=True, set_as_default=False, timeout=CONNECT_SECONDS, **options)
            await client
        except (OSError, ValueError, ImportError, TypeError) as error:
            await self._closed(client)
            raise AssetsError(
                f"no Dask cluster could be reached at {address}: {error}",
                remedy="start one there (dask scheduler, dask worker), correct [dask] address, or leave it out: then a"
                " cluster is started on this machine",
            ) from error
        return client

    async def _closed(self, client: Client | None) -> None:
        if client is not None:
            with suppress(Exception):  # it may be gone, which is what is wanted
                await asyncio.wait_for(client.close(), _END_SECONDS)

    async def _disconnect(self) -> None:
        await self._closed(self._client)
        self._client = None
        if self._cluster is not None:
            self._cluster.close()
        self._cluster = None

    async def _reconnect(self) -> None:
        """Come to have a cluster again; what was on the one before is lost."""
        while self._batches:  # each of them hears of it, and says so
            await asyncio.wait(self._batches.values())
        await self._disconnect()
        self._is_lost = False
        self._losses += 1
        if self._losses >= _LOSSES:
            raise AssetsError(
                f"{self._where} was lost {self._losses} times, and nothing came back from it meanwhile",
                remedy="see what it says; then run again",
            )
        until = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                return await self._connect()
            except AssetsError:
                await self._disconnect()
                if time.monotonic() > until or self._closes:
                    raise
                await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        """See now and then how many workers there are, and whether the scheduler is."""
        seen = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            client = self._client
            if client is None or self._is_lost:
                seen = time.monotonic()
                continue
            try:
                if client.status != "running":
                    raise OSError("the connection is lost")
                threads = await asyncio.wait_for(client.nthreads(), _ANSWER_SECONDS)
            except (OSError, TimeoutError):
                self._lose()
                continue
            if threads or not (self._waiting or self._batches):
                seen = time.monotonic()
            elif time.monotonic() - seen > WORKERS_SECONDS:
                self._give_up(self._no_workers())
            if threads:
                self._fit(threads)

    def _lose(self) -> None:
        """Take the scheduler for gone: with it goes what was given to it."""
        if not self._is_lost:
            self._is_lost = True
            for batch, task in self._batches.items():
                self._leave(batch, task, WORKER_DIED, f"{self._where} is gone")
            self._woken.set()

    def _leave(self, batch: Batch, task: asyncio.Task[None], kind: str, message: str) -> None:
        """Wait no more for a batch: what may come back of it is not heard."""
        batch.ended = batch.ended or (kind, message)
        task.cancel()

    @property
    def _where(self) -> str:
        return "the Dask cluster of this machine" if self._address is None else f"the scheduler at {self._address}"

    def _no_workers(self) -> AssetsError:
        return AssetsError(
            f"{self._where} has no workers", remedy="start some: dask worker, in an environment that has assets-core"
        )

    def _give_up(self, error: AssetsError) -> None:
        """Tell once that nothing can run; what waits is dropped, what comes back is not heard any more."""
        self.cancel()
        self._closes = True
        if not self._is_broken:
            self._is_broken = True
            self._deliver(error)
        for task in self._batches.values():
            task.cancel()
        self._woken.set()

    # Batches

    async def _gather(self) -> None:
        """Wait for steps that come at the same time."""
        if time.monotonic() - self._waiting.added_at < _GATHER_SECONDS:
            await asyncio.sleep(_GATHER_SECONDS)

    def _give_out(self) -> None:
        while len(self._batches) < self.slots and not self._closes and (given := self._waiting.pack(self.slots)):
            batch = Batch(given)
            self._batches[batch] = asyncio.create_task(self._follow(batch))
            self._running[id(batch)] = Running(given[0].work, batch.since)

    async def _follow(self, batch: Batch) -> None:
        """Have a batch run, and deliver what becomes of it."""
        try:
            await self._run(batch)
        except KilledWorker as error:
            self._lose_worker(batch, f"the Dask worker at {error.last_worker.address} died, or was cut off")
        except asyncio.CancelledError:
            if batch.ended is not None:
                self._deliver_all(batch, *batch.ended)
        except (CancelledError, OSError):
            self._deliver_all(batch, WORKER_DIED, f"{self._where} is gone")
            self._lose()
        except AssetsError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001  # what Dask says of a worker that cannot run what it is sent
            self._give_up(
                AssetsError(
                    f"a Dask worker could not take a step: {type(error).__name__}: {error}",
                    remedy="install the same assets-core, Python and distributed on every machine of the cluster",
                )
            )
        finally:
            del self._batches[batch]
            del self._running[id(batch)]
            self._woken.set()

    async def _run(self, batch: Batch) -> None:
        """Send a batch, and take what comes back.

        Raises: AssetsError where the worker refuses it, KilledWorker, CancelledError and whatever Dask has to say.
        """
        assert self._client is not None  # noqa: S101  # there is one while batches are given out
        head = json.dumps({"versions": versions(), "run": self._name, "setup": self._told})
        payload = f'{head[:-1]},"works":[{",".join(given.text for given in batch.given)}]}}'.encode("ascii")
        future = self._client.submit(run_batch, payload, key=f"assets-{uuid.uuid4().hex}", pure=False, retries=0)
        answer = json.loads(await future)
        if "refused" in answer:
            raise AssetsError(
                f"a Dask worker on {answer['host']} cannot work for this run: {answer['refused']}",
                remedy="correct that on every machine of the cluster, then run again",
            )
        self._losses = 0
        works = {(given.work.step, given.work.attempt): given.work for given in batch.given}
        outcomes = [outcome_from_json(one, works.pop((one["step"], one["attempt"]))) for one in answer["outcomes"]]
        for outcome in outcomes:
            self._waiting.learn(outcome)
        self.backlog = self._waiting.backlog
        for outcome in outcomes:
            self._deliver(outcome)

    def _lose_worker(self, batch: Batch, message: str) -> None:
        """Of several steps one may have done it: each is tried once more, by itself. A single one has failed."""
        if len(batch.given) == 1 or self._closes:
            self._deliver_all(batch, WORKER_DIED, message)
            return
        self._waiting.add_again(batch.given)

    def _deliver_all(self, batch: Batch, kind: str, message: str) -> None:
        for one in batch.given:
            self._deliver(lost(one.work, kind, message, batch.started_at, time.monotonic() - batch.since))

    # Ends

    async def _kill(self) -> None:
        """End what runs; a worker that cannot be reached is not waited for."""
        self._kills = False
        batches = dict(self._batches)
        await self._end_on_workers(kills=True)
        if batches:
            await asyncio.wait(batches.values(), timeout=_END_SECONDS)
        for batch, task in batches.items():
            if not task.done():
                self._leave(batch, task, CANCELLED, "the run was cancelled while the step ran")

    async def _end_on_workers(self, *, kills: bool) -> None:
        if self._client is not None and not self._is_lost:
            with suppress(Exception):  # a worker that cannot be reached ends its processes by itself, when it is
                ended = self._client.run(end_run, self._name, kills=kills, on_error="ignore")
                await asyncio.wait_for(ended, _END_SECONDS)
