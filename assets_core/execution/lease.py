"""Who is at work? A lease is a locked file; it says as of which journal position its holder reads, and since when.

A run's lease also has a beat that goes on while its process does. The kernel drops the lock when the process dies, in
whatever way; a process that is paused keeps the lock, but its beat stops: either way another run may take over. What
the holder of any lease reads is not collected. Used by runs and readers; it must not know what they do.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from catalog.errors import disk_errors

_BEATS_A_LEASE = 5


class Lease:
    """Held by a run from before its first record until after its last one, or by a reader while it reads.

    `position`: the number of the record as of which it reads. `seconds`: how long a beat counts; without it there is
    none.
    """

    def __init__(self, folder: Path, name: str, position: int, seconds: float | None = None) -> None:
        self._file = folder / name
        self._position = position
        self._seconds = seconds
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="assets-lease", daemon=True)
        self._descriptor = -1

    def __enter__(self) -> Lease:
        with disk_errors(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = _locked(self._file)
            self._note()
        if self._seconds is not None:
            self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._seconds is not None:
            self._beating.join()
        os.close(self._descriptor)
        with suppress(OSError):  # it is not locked any more: that says all
            self._file.unlink(missing_ok=True)

    def _beat(self) -> None:
        assert self._seconds is not None  # noqa: S101  # or else the thread does not start
        while not self._ended.wait(self._seconds / _BEATS_A_LEASE):
            with suppress(OSError):  # a disk that is full: the beat that is there already can still be written over
                self._note()

    def _note(self) -> None:
        """Note position and present, by the clock that all processes of a machine share and that is never set."""
        text = f"{self._position} {_boot()} {time.monotonic():.3f}"
        os.pwrite(self._descriptor, text.ljust(100).encode(), 0)


def sweep(folder: Path) -> None:
    """Remove the leases that nobody holds."""
    for file in folder.glob("*"):
        if _text_if_locked(file) is None:
            file.unlink(missing_ok=True)


def _locked(file: Path) -> int:
    """Return the descriptor of a new lease, locked; whoever sweeps may have removed it before it was."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if file.exists() and os.path.samestat(os.fstat(descriptor), file.stat()):
            return descriptor
        os.close(descriptor)


def is_alive(folder: Path, run: str, seconds: float) -> bool:
    """Return whether a run is at work: its lease is locked, and its last beat is not older than `seconds`."""
    text = _text_if_locked(folder / run)
    if text is None:
        return False
    with suppress(ValueError):  # a note of another boot or machine says nothing here: then the lock decides
        _, boot, beat = text.split()
        return boot != _boot() or time.monotonic() - float(beat) <= seconds
    return True


def read_positions(folder: Path) -> list[int]:
    """Return as of which journal positions the holders of the leases in a folder read, paused ones too."""
    positions: list[int] = []
    for file in sorted(folder.glob("*")):
        text = _text_if_locked(file)
        if text is not None:
            with suppress(ValueError, IndexError):
                positions.append(int(text.split()[0]))
    return positions


def _text_if_locked(file: Path) -> str | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode(errors="replace")
    finally:
        os.close(descriptor)
    return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return os.uname().nodename
