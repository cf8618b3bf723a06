"""The executor of worker processes: a step there can be ended from outside, and takes nobody with it when it crashes.

Opened by `conduct.py`. One thread serves all workers: it gives out steps, takes outcomes, sees to limits of time and
memory. A worker that ends is replaced when there is work for another one.
"""

from __future__ import annotations

import os
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import AssetsError
from ..model.keys import AssetKey
from ..steps.logs import Attempt, Logbook
from ..steps.secrets import longest_secret, masked
from ..steps.wire import outcome_from_json, work_to_json
from ..steps.work import Work
from .executor import CANCELLED, OUT_OF_MEMORY, TIMED_OUT, WORKER_DIED, Deliver, Running, lost
from .frames import TURN, Frames, framed
from .memory_use import held_bytes
from .workplace import Setup, log_folder

_RECEIVED_BYTES = 1 << 18
_LAST_WORDS_BYTES = 4_000  # of what a worker wrote before it died
_LOOK_SECONDS = 0.05  # how often it is seen how much memory a step holds that has a limit
_QUICK_SECONDS = 0.05  # a step that takes less is worth having at hand behind another one that does
_LEAVE_SECONDS = 2.0  # how long a worker may take to end by itself


@dataclass(frozen=True, slots=True)
class _Given:
    """A step to be done, as it crosses; `turn` is its number among all."""

    turn: int
    work: Work
    message: bytes


@dataclass(slots=True, eq=False)
class _Job:
    """A step at a worker: since when it is at work, how much memory the worker held before, and what is `said` by what
    comes out of the worker's descriptors meanwhile."""

    given: _Given
    said: Attempt
    since: float
    started_at: datetime
    held_bytes: int = 0

    @property
    def work(self) -> Work:
        return self.given.work

    @property
    def deadline(self) -> float | None:
        seconds = self.work.asset.handling.timeout_seconds
        return None if seconds is None else self.since + seconds


@dataclass(slots=True, eq=False)
class _Worker:
    """A process with its streams, and what tells its end. `ended`: why it was killed, as kind and message.

    `turns`: both ends of a pipe of numbers. The worker begins a step only if it can take its number out: so one that
    has not begun can be taken back without asking, since whoever takes the number has the step.
    """

    process: subprocess.Popen[bytes]
    channel: socket.socket
    words: int
    turns: tuple[int, int]
    end: int
    staging: Path
    frames: Frames = field(default_factory=Frames)
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    last_words: bytes = b""
    is_ready: bool = False
    is_gone: bool = False
    jobs: deque[_Job] = field(default_factory=deque)  # the one at work, and perhaps one that follows it
    ended: tuple[str, str] | None = None
    leaves_by: float | None = None

    @property
    def job(self) -> _Job | None:
        """Return the step at work."""
        return self.jobs[0] if self.jobs else None

    @property
    def takes_steps(self) -> bool:
        return self.is_ready and not self.is_gone and self.ended is None and self.leaves_by is None

    def kill(self) -> None:
        """End the process with all that it has started; it is not reaped before, so its number is its own."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Processes:
    """Runs steps in up to `slots` processes, which are started as steps come and kept until this is closed."""

    backlog = 16  # so that one group of records covers several steps

    def __init__(self, setup: Setup, slots: int, deliver: Deliver) -> None:
        self.slots = slots
        self._setup = setup
        self._deliver = deliver
        self._logbook = Logbook(log_folder(setup), "-workers")
        self._works: deque[_Given] = deque()
        self._turn = 0
        self._lock = threading.Lock()  # around what other threads than the one below change, or look at
        self._running: dict[int, Running] = {}
        self._seconds: dict[AssetKey, float] = {}  # how long the steps of an asset take
        self._is_awaited = False
        self._kills = self._closes = self._is_broken = False
        self._workers: list[_Worker] = []
        self._started = 0
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="assets-processes", daemon=True)
        self._thread.start()

    def submit(self, work: Work, document: Mapping[str, Any] | None = None) -> None:
        """Take a step; `document`: it as JSON, where somebody else has written that."""
        self._turn += 1
        known = work_to_json(work) if document is None else document
        try:
            message = framed({**known, "turn": self._turn})
        except AssetsError as error:
            self._deliver(lost(work, type(error).__name__, str(error)))
            return
        with self._lock:
            self._works.append(_Given(self._turn, work, message))
            is_awaited, self._is_awaited = self._is_awaited, False
        if is_awaited:
            self._ring()

    def resize(self, slots: int) -> None:
        self.slots = slots
        self._ring()

    def running(self) -> list[Running]:
        return list(self._running.copy().values())

    def cancel(self) -> list[Work]:
        with self._lock:
            handed = [given for worker in self._workers if (given := self._take_back(worker)) is not None]
            dropped = [given.work for given in (*handed, *self._works)]
            self._works.clear()
        return dropped

    def kill(self) -> None:
        self._kills = True
        self._ring()

    def close(self) -> None:
        self.cancel()
        self._closes = True
        self._ring()
        self._thread.join()

    def _ring(self) -> None:
        with suppress(OSError):  # nobody is there any more
            self._rope.send(b"!")

    # All that follows runs in the one thread

    def _serve(self) -> None:
        self._selector.register(self._bell, selectors.EVENT_READ, self._answer)
        try:
            while not self._closes or self._workers:
                self._give_out()
                for key, events in self._selector.select(self._patience()):
                    key.data(events)
                self._see_to_limits()
        except BaseException as error:  # noqa: BLE001  # handed to the coordinator, which raises it
            self._deliver(error)
        finally:
            for worker in self._workers:
                worker.kill()
                worker.process.wait()
                shutil.rmtree(worker.staging, ignore_errors=True)
            self._logbook.close()
            self._selector.close()
            self._bell.close()
            self._rope.close()
            if self._setup.shared is not None:
                shutil.rmtree(self._setup.shared, ignore_errors=True)

    def _answer(self, events: int) -> None:
        del events
        self._bell.recv(_RECEIVED_BYTES)
        if self._kills:
            self._kills = False
            for worker in self._workers:
                if worker.job is not None and worker.ended is None:
                    with self._lock:
                        if (follower := self._take_back(worker)) is not None:
                            self._works.appendleft(follower)
                    self._end(worker, CANCELLED, "the run was cancelled while the step ran")

    def _patience(self) -> float | None:
        """Return after how many seconds something has to be seen to though nothing is heard."""
        now, moments = time.monotonic(), []
        for worker in self._workers:
            if worker.leaves_by is not None:
                moments.append(worker.leaves_by)
            if worker.job is not None and worker.ended is None:
                if worker.job.deadline is not None:
                    moments.append(worker.job.deadline)
                if worker.job.work.asset.handling.memory_bytes is not None:
                    moments.append(now + _LOOK_SECONDS)
        return max(0.0, min(moments) - now) if moments else None

    def _give_out(self) -> None:
        """Give steps to workers that have none; start as many more as there are steps for."""
        for worker in self._workers:
            if worker.takes_steps and not worker.jobs and (given := self._take()) is not None:
                self._hand(worker, given)
        for worker in self._workers:
            if worker.takes_steps and len(worker.jobs) == 1 and self._is_quick(worker.jobs[0].work):
                if (given := self._take_quick()) is None:
                    break
                self._hand(worker, given)
        if self._closes:
            for worker in self._workers:
                if worker.job is None and worker.leaves_by is None:
                    self._dismiss(worker)
            return
        starting = sum(not worker.is_ready for worker in self._workers)
        with self._lock:
            wanted = min(len(self._works) - starting, self.slots - len(self._workers))
            # If any wait now, every worker has one, or will when it has started: then one more is no news.
            self._is_awaited = not self._works
        for _ in range(wanted):
            self._start()

    def _take(self) -> _Given | None:
        """Take a step for a worker that has none: perhaps one that waits behind another at another worker."""
        with self._lock:
            if len(self._running) >= self.slots:
                return None
            if self._works:
                return self._works.popleft()
            return next((given for worker in self._workers if (given := self._take_back(worker)) is not None), None)

    def _take_back(self, worker: _Worker) -> _Given | None:
        """Return one of two steps of a worker that has not begun; called with the lock held."""
        if len(worker.jobs) < 2:
            return None
        try:
            (turn,) = TURN.unpack(os.read(worker.turns[0], TURN.size))
        except BlockingIOError:
            return None
        job = next(job for job in worker.jobs if job.given.turn == turn)
        worker.jobs.remove(job)
        self._running[worker.process.pid] = Running(worker.jobs[0].work, worker.jobs[0].since)
        return job.given

    def _take_quick(self) -> _Given | None:
        """Take a step that may wait behind another: a worker would idle until this thread has its turn at Python.

        Measured on a run of steps of 18 ms, whose coordinator is busy, too: 23 % of the time of its workers.
        """
        with self._lock:
            return self._works.popleft() if self._works and self._is_quick(self._works[0].work) else None

    def _is_quick(self, work: Work) -> bool:
        known = self._seconds.get(work.asset.key)
        return known is not None and known < _QUICK_SECONDS and not work.asset.handling.is_bounded

    def _hand(self, worker: _Worker, given: _Given) -> None:
        work = given.work
        said = Attempt(self._logbook, work.asset.key, work.partitions, work.step, work.attempt)
        with self._lock:
            worker.jobs.append(_Job(given, said, time.monotonic(), datetime.now(UTC)))
            os.write(worker.turns[1], TURN.pack(given.turn))
        if len(worker.jobs) == 1:
            self._begin(worker)
        worker.unsent = memoryview(bytes(worker.unsent) + given.message)
        self._send(worker)

    def _begin(self, worker: _Worker) -> None:
        """Note that a worker is at work on the first of its steps."""
        job = worker.jobs[0]
        job.since, job.started_at = time.monotonic(), datetime.now(UTC)
        if job.work.asset.handling.memory_bytes is not None:
            job.held_bytes = held_bytes(worker.process.pid)
        self._running[worker.process.pid] = Running(job.work, job.since)

    def _settle(self, worker: _Worker) -> _Job:
        """Return the step that a worker was at, and is not any more."""
        with self._lock:
            del self._running[worker.process.pid]
            job = worker.jobs.popleft()
        job.said.end()
        return job

    def _send(self, worker: _Worker) -> None:
        try:
            while worker.unsent:
                worker.unsent = worker.unsent[worker.channel.send(worker.unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # it has died, which is heard of in a moment
            worker.unsent = memoryview(b"")
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.unsent else 0)
        if self._selector.get_key(worker.channel).events != wanted:
            self._selector.modify(worker.channel, wanted, self._selector.get_key(worker.channel).data)

    # A worker begins and ends

    def _start(self) -> None:
        self._started += 1
        setup = self._setup.apart(f"worker-{self._started}")
        ours, theirs = socket.socketpair()
        words, their_words = os.pipe()
        turns = os.pipe()
        given = [theirs.fileno(), turns[0]]
        command = [sys.executable, "-P", "-u", "-m", "assets_core.executors.worker", *map(str, given)]
        try:
            process = subprocess.Popen(  # noqa: S603  # it is this Python
                command,
                stdin=subprocess.DEVNULL,
                stdout=their_words,
                stderr=their_words,
                pass_fds=given,
                start_new_session=True,  # Ctrl-C in a terminal is not for it, and it ends with all that it starts
            )
        except OSError as error:
            ours.close()
            for descriptor in (words, *turns):
                os.close(descriptor)
            self._give_up(f"{command[0]} cannot be run: {error}")
            return
        finally:
            theirs.close()
            os.close(their_words)
        ours.setblocking(False)
        os.set_blocking(words, False)
        os.set_blocking(turns[0], False)  # at both ends: it is one open file
        worker = _Worker(process, ours, words, turns, _end_of(process.pid), Path(setup.store["staging"]))
        worker.unsent = memoryview(framed(setup.to_json()))
        self._workers.append(worker)
        self._heed(worker, ours, lambda events: self._talk(worker, events))
        self._heed(worker, words, lambda _: self._listen(worker))
        if worker.end >= 0:
            self._heed(worker, worker.end, lambda _: self._bury(worker))
        self._send(worker)

    def _heed(self, worker: _Worker, stream: socket.socket | int, handle: Callable[[int], None]) -> None:
        def handle_if_known(events: int) -> None:
            if worker in self._workers:  # or else it has been buried in the same round
                handle(events)

        self._selector.register(stream, selectors.EVENT_READ, handle_if_known)

    def _talk(self, worker: _Worker, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._send(worker)
        if events & selectors.EVENT_READ and not self._hear(worker):
            worker.is_gone = True  # it has closed its end, so it is ending, or it talks nonsense
            worker.kill()
            if worker.end < 0:
                self._bury(worker)
            else:
                self._selector.unregister(worker.channel)

    def _hear(self, worker: _Worker) -> bool:
        """Take what a worker says; return whether it may go on."""
        try:
            data = worker.channel.recv(_RECEIVED_BYTES)
            for message in worker.frames.feed(data):
                self._take_message(worker, message)
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            return False
        return bool(data)

    def _take_message(self, worker: _Worker, message: dict[str, Any]) -> None:
        self._listen(worker)
        if worker.jobs:
            job = self._settle(worker)
            if worker.jobs:
                self._begin(worker)
            outcome = outcome_from_json(message, job.work)
            key = job.work.asset.key
            self._seconds[key] = max(outcome.seconds, self._seconds.get(key, 0.0) / 2)
            self._give_out()  # before it is delivered, so that the worker does not wait for who is woken by that
            self._deliver(outcome)
        elif "ready" in message:
            worker.is_ready = True
        else:
            self._give_up(message["refused"])

    def _listen(self, worker: _Worker) -> None:
        """Take what comes out of a worker's stdout and stderr: it is said by the step that runs, or else passed on."""
        with suppress(BlockingIOError, KeyError):  # nothing now, or no more, which was known
            while data := os.read(worker.words, _RECEIVED_BYTES):
                worker.last_words = (worker.last_words + data)[-_LAST_WORDS_BYTES:]
                if worker.job is None:
                    os.write(2, data)
                else:
                    worker.job.said.write_bytes("output", data, "worker")
            self._selector.unregister(worker.words)

    def _end(self, worker: _Worker, kind: str, message: str) -> None:
        worker.ended = (kind, message)
        worker.kill()

    def _dismiss(self, worker: _Worker) -> None:
        """Let a worker end that has nothing to do."""
        worker.leaves_by = time.monotonic() + _LEAVE_SECONDS
        if worker.is_ready:
            with suppress(OSError):
                worker.channel.shutdown(socket.SHUT_WR)
        else:
            self._end(worker, CANCELLED, "")

    def _bury(self, worker: _Worker) -> None:
        """Take leave of a process that has ended: what it said last counts, what it has started ends too."""
        worker.is_gone = True
        while self._hear(worker):
            if not select.select([worker.channel], [], [], 0)[0]:
                break
        self._listen(worker)
        worker.kill()
        code = worker.process.wait()
        with self._lock:
            self._workers.remove(worker)
        for stream in (worker.channel, worker.words, worker.end):
            with suppress(KeyError, ValueError):
                self._selector.unregister(stream)
        worker.channel.close()
        for descriptor in (worker.words, *worker.turns, worker.end):
            if descriptor >= 0:
                os.close(descriptor)
        shutil.rmtree(worker.staging, ignore_errors=True)
        if worker.jobs:
            job = self._settle(worker)
            kind, message = worker.ended or (WORKER_DIED, _how_it_died(code, worker.last_words))
            with self._lock:
                self._works.extendleft(follower.given for follower in worker.jobs)  # it has not begun
            self._deliver(lost(job.work, kind, message, job.started_at, time.monotonic() - job.since))
        elif not worker.is_ready and worker.ended is None:
            self._give_up(_how_it_died(code, worker.last_words))

    def _give_up(self, why: str) -> None:
        """Tell once that no worker can start; what waits for one is dropped."""
        self.cancel()
        self._closes = True
        if not self._is_broken:
            self._is_broken = True
            self._deliver(
                AssetsError(f"a worker process could not start: {why}", remedy="correct that, then run again")
            )

    # Limits

    def _see_to_limits(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.leaves_by is not None and now >= worker.leaves_by:
                worker.kill()
            if worker.job is None or worker.ended is not None:
                continue
            handling, job = worker.job.work.asset.handling, worker.job
            if job.deadline is not None and now >= job.deadline:
                self._end(worker, TIMED_OUT, f"the step took longer than {handling.timeout_seconds:g} s, and was ended")
            elif handling.memory_bytes is not None:
                more = held_bytes(worker.process.pid, job.held_bytes + handling.memory_bytes) - job.held_bytes
                if more > handling.memory_bytes:
                    message = f"the step held {more:,} bytes of memory, more than {handling.memory_bytes:,}"
                    self._end(worker, OUT_OF_MEMORY, f"{message}, and was ended")


def _end_of(process: int) -> int:
    """Return a descriptor that can be read when a process has ended; -1 where there is no such thing."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return -1


def _how_it_died(code: int, last_words: bytes) -> str:
    if code >= 0:
        how = f"the worker process ended by itself, with exit code {code}"
    else:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        how = f"the worker process was ended by signal {-code} ({name})"
        if -code == signal.SIGKILL:
            how += ", perhaps by the kernel for want of memory"
    words = masked(last_words.decode(errors="replace"))
    if len(last_words) == _LAST_WORDS_BYTES:  # they may begin with the end of a secret
        words = words[longest_secret() :]
    words = words.strip()
    return f"{how}; the last it wrote:\n{words}" if words else how
