"""Is a run still at work? Every run holds a lease: a locked file, and a beat in it that goes on while its process runs.

The kernel drops the lock when the process dies, in whatever way; a process that is paused keeps the lock, but its beat
stops. Either way another run may take over after that. Used by the coordinator; it must not know what a run does.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_BEATS_A_LEASE = 5


class Lease:
    """Held by a run from before its first record until after its last one; `seconds` is how long a beat counts."""

    def __init__(self, folder: Path, run: str, seconds: float) -> None:
        self._file = folder / run
        self._seconds = seconds
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="assets-lease", daemon=True)
        self._descriptor = -1

    def __enter__(self) -> Lease:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        _note(self._descriptor)
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._beating.join()
        self._file.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _beat(self) -> None:
        while not self._ended.wait(self._seconds / _BEATS_A_LEASE):
            with suppress(OSError):  # a disk that is full: the beat that is there already can still be written over
                _note(self._descriptor)


def is_alive(folder: Path, run: str, seconds: float) -> bool:
    """Return whether a run is at work: its lease is locked, and its last beat is not older than `seconds`."""
    try:
        descriptor = os.open(folder / run, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        boot, _, beat = os.pread(descriptor, 200, 0).decode(errors="replace").strip().partition(" ")
        with suppress(ValueError):  # a note of another boot or machine says nothing here: then the lock decides
            return boot != _boot() or time.monotonic() - float(beat) <= seconds
        return True
    finally:
        os.close(descriptor)
    return False


def forget(folder: Path, run: str) -> None:
    """Remove the lease of a run that is not at work."""
    (folder / run).unlink(missing_ok=True)


def _note(descriptor: int) -> None:
    """Note the present by the clock that all processes of a machine share and that is never set."""
    os.pwrite(descriptor, f"{_boot()} {time.monotonic():.3f}".ljust(80).encode(), 0)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return os.uname().nodename
