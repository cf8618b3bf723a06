"""A Dask cluster of separate processes for tests: a scheduler, workers without a nanny, and what can go wrong between.

Used by the tests of the executor `dask`. Everything listens on the loopback device, if nobody
says otherwise, on ports that were free.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from distributed import Client

LONGEST_SECONDS = 30.0
TTL_SECONDS = 5  # the least that Dask can do: ten times the time between two signs of life
SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "1s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false",
    "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "false",
}

# Runs a module as `python -m` does; it ends when whoever has started it does, however that came about.
_BEGIN = """
import ctypes, os, runpy, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv.pop(1)): sys.exit()
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def until(happened: Callable[[], object]) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass(slots=True)
class Cluster:
    """A scheduler at `address`, and its workers, in the order in which they were started."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    def begin(self) -> None:
        """Begin a scheduler, and wait until it answers."""
        told = self.folder / f"scheduler-{time.monotonic_ns()}.json"
        self.scheduler = self._start(
            *("scheduler", "--host", self.host, "--port", str(self.port)),
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(told)),
        )
        until(lambda: told.exists() and told.read_text())

    def add(
        self, *options: str, at: str | None = None, env: Mapping[str, str] | None = None, by: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Begin a worker of one thread; `at`: where it finds the scheduler; `by`: the command that begins it."""
        worker = self._start(
            *("worker", at or self.address, "--no-nanny", "--nthreads", "1", "--memory-limit", "0"),
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--local-directory", str(self.folder)),
            *(options or ("--host", self.host)),
            env=env,
            by=by,
        )
        self.workers.append(worker)
        return worker

    def _start(
        self, what: str, *options: str, env: Mapping[str, str] | None = None, by: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*by, sys.executable, "-P", "-c", _BEGIN, str(os.getpid()), f"distributed.cli.dask_{what}", *options],
                env={**os.environ, **SETTINGS, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_for(self, workers: int) -> None:
        """Wait until the scheduler knows of so many workers, no more and no less."""
        with Client(self.address, set_as_default=False, timeout=LONGEST_SECONDS) as client:
            until(lambda: len(client.nthreads()) == workers)

    def renew(self, *options: str, at: str | None = None, env: Mapping[str, str] | None = None) -> None:
        """Have a new worker in the place of all others."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.wait_for(0)
        self.add(*options, at=at, env=env)
        self.wait_for(1)

    def close(self) -> None:
        """End every process, the scheduler first."""
        processes = [*([self.scheduler] if self.scheduler else []), *self.workers]
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        self.workers.clear()


@cache
def shared_cluster() -> Cluster:
    """Return a cluster of two workers that no test harms: one for all tests of this process."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    cluster = Cluster(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(cluster.close)
    cluster.begin()
    cluster.add()
    cluster.add()
    cluster.wait_for(2)
    return cluster


class Proxy:
    """Hands bytes to a port, until it is cut: from then on they are taken, and go nowhere, as in a network that is
    gone. Nobody is told."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._is_cut = threading.Event()
        self._is_closed = threading.Event()
        self._sockets: list[socket.socket] = [self._server]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        self._is_cut.set()

    def close(self) -> None:
        self._is_closed.set()
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        while self._is_readable(self._server):
            near, _ = self._server.accept()
            self._sockets.append(near)
            if self._is_cut.is_set():
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets.append(far)
            for source, target in ((near, far), (far, near)):
                thread = threading.Thread(target=self._forward, args=(source, target), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _is_readable(self, source: socket.socket) -> bool:
        """Wait until there is something to read; False when all is over."""
        while not self._is_closed.is_set():
            if select.select([source], [], [], 0.05)[0]:
                return True
        return False

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while self._is_readable(source) and (data := source.recv(1 << 16)):
                if not self._is_cut.is_set():
                    target.sendall(data)
        if not self._is_cut.is_set():
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)
