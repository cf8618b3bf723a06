"""Run one command and see to it that nothing of it outlives whoever asked for it, however that one ends.

Started by `command.py` as a process of its own, by path, with the end of a socket as its standard input and the number
of the report pipe as its argument. It must import nothing of this package: it has to start at once.

The command runs in a session of this process. When it ends, or when the other end of the socket is closed (also by the
death of its process), everything that the command has started is killed: its group, and whatever has left that but
still descends from it, which on Linux becomes a child of this process when its own parent is gone.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys

REPORT = 3  # the file descriptor that the command reports to: a shell can name one digit only

_ABOVE = 10
_PR_SET_CHILD_SUBREAPER = 36
_LEFT_TO_THE_COMMAND = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT]


def message(path: bytes, arguments: list[bytes], environment: dict[bytes, bytes]) -> bytes:
    """Return what is to be run as bytes, with their length before them."""
    pairs = [name + b"=" + value for name, value in environment.items()]
    body = b"\0".join([path, b"%d" % len(arguments), *arguments, *pairs])
    return b"%020d" % len(body) + body


def _read(control: int, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = os.read(control, length - len(data))
        if not part:
            sys.exit(0)  # whoever started this has ended
        data += part
    return data


def _main() -> None:
    control = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    report = int(sys.argv[1])
    if report != REPORT:
        os.dup2(report, REPORT)
        os.close(report)
    _adopt_orphans()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    for number in _LEFT_TO_THE_COMMAND:
        signal.signal(number, signal.SIG_IGN)
    path, count, *rest = _read(control, int(_read(control, 20))).split(b"\0")
    arguments, pairs = rest[: int(count)], rest[int(count) :]
    environment = dict(pair.split(b"=", 1) for pair in pairs)
    restored = [*_LEFT_TO_THE_COMMAND, signal.SIGPIPE, signal.SIGXFSZ]
    try:
        child = os.posix_spawn(path, arguments, environment, setpgroup=0, setsigdef=restored, setsigmask=[])
    except OSError as error:
        _tell(control, b"error %d\n" % (error.errno or 0))
        return
    _tell(control, b"pid %d\n" % child)
    status = None
    while status is None and control not in select.select([control, woken], [], [])[0]:
        os.read(woken, 1 << 16)
        status = _reaped(child)
    status = _end_all(child, status)
    signalled = os.WIFSIGNALED(status)
    _tell(control, b"signal %d\n" % os.WTERMSIG(status) if signalled else b"exit %d\n" % os.WEXITSTATUS(status))


def _tell(control: int, line: bytes) -> None:
    try:
        os.write(control, line)
    except OSError:  # whoever started this has ended
        return


def _adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, where the system knows how."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return


def _reaped(child: int) -> int | None:
    """Take note of the children that have ended; return the status of the command if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _end_all(child: int, status: int | None) -> int:
    """Kill the command and all that it has started; return its status."""
    while True:
        for pid, kill in ((child, os.killpg), *((each, os.kill) for each in _children())):
            try:
                kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        try:
            pid, ended = os.waitpid(-1, 0)
        except ChildProcessError:
            return status or 0
        if pid == child:
            status = ended


def _children() -> list[int]:
    """Return the processes whose parent is this one, where the system tells them."""
    own, found = os.getpid(), []
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if len(fields) > 1 and int(fields[1]) == own:
            found.append(int(name))
    return found


if __name__ == "__main__":
    _main()
