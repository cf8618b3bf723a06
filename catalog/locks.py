"""Who may go first: bounded waits for files that several processes share.

Called by the journal and by the session; it must not know what the files hold. Locks are those of `flock`: they belong
to an open file, so they also keep the threads of one process apart, and the kernel drops them when their holder dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import CatalogBusy, CatalogError

PATIENCE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 0.01


def patiently(attempt: Callable[[], str | None]) -> None:
    """Repeat the attempt with growing pauses until it returns None; what it returns otherwise says who is in the way.

    *Raises* CatalogBusy after PATIENCE_SECONDS.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause_seconds = 0.0005
    while (in_the_way := attempt()) is not None:
        if time.monotonic() > deadline:
            raise CatalogBusy(
                f"{in_the_way} (waited {PATIENCE_SECONDS:g} s)",
                remedy="wait for the other process to finish, or end it, then try again",
            )
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)


@contextmanager
def held(descriptor: int, name: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of an open file; `name` is the file's, for the message to whoever waits in vain."""
    _lock(descriptor, name, exclusive=exclusive)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def in_turn(name: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock file `name`, having queued for it.

    Whoever waits for the lock holds a second one, `<name>.turn`, which all must pass: a writer in a tight loop cannot
    overtake a reader that waits, nor an endless relay of readers a writer.
    """
    turn_name = name.with_name(f"{name.name}.turn")
    with _opened(turn_name) as turn, _opened(name) as lock:
        with held(turn, turn_name, exclusive=True):
            _lock(lock, name, exclusive=exclusive)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)


def _holder(descriptor: int) -> str:
    """Return who holds the lock of an open file, as far as the system tells."""
    inode = str(os.fstat(descriptor).st_ino)
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
        process = next(words[4] for words in locks if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode)
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError, StopIteration):
        return "another process"
    return f"process {process}{', which is stopped,' if state == 'T' else ''}"


def require_working_locks(name: Path) -> None:
    """Try out whether locks keep others away where a file is.

    *Raises* CatalogError on a file system without them: two writers there would destroy each other's records.
    """
    with _opened(name) as first, _opened(name) as second:
        try:
            fcntl.flock(first, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # somebody holds it, so they do
        except OSError as error:
            raise _without_locks(name, f"a lock is refused ({error.strerror})") from error
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        raise _without_locks(name, "two can hold the same lock")


def _without_locks(name: Path, what: str) -> CatalogError:
    return CatalogError(
        f"the file system of {name.parent} has no working locks: {what}",
        remedy="put the project on a local disk, or on a network file system mounted with locking",
    )


def wait_until_unlocked(file: Path) -> None:
    """Wait until no other process holds a `lockf` lock on a file, as DuckDB does on what it has open."""

    def attempt() -> str | None:
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return f"another process has {file} open"
        finally:
            os.close(descriptor)
        return None

    patiently(attempt)


@contextmanager
def _opened(name: Path) -> Iterator[int]:
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, name: Path, *, exclusive: bool) -> None:
    mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH

    def attempt() -> str | None:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return f"{_holder(descriptor)} holds {name}"
        except OSError as error:
            raise _without_locks(name, f"a lock is refused ({error.strerror})") from error
        return None

    patiently(attempt)
