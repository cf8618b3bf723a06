"""One process of a command, from its start to its end: attends to what it writes, says how it failed.

Used by `command.py`. It must not know inputs, outputs or partitions.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CommandFailed
from ..report import LEVELS
from . import command_guard
from .reported import Reported

SHOWN_LINES = 20
REPORT_LINE_BYTES = 1_000_000
_KEPT_LINE_BYTES = 1 << 16
_SHOWN_CHARACTERS = 2_000
_PART_BYTES = 1 << 16
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")


class RunningCommands:
    """The commands that run in this process: whoever has to, ends them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._controls: set[socket.socket] = set()
        self._is_over = False

    def add(self, control: socket.socket) -> None:
        with self._lock:
            self._controls.add(control)
            if self._is_over:
                _end(control)

    def remove(self, control: socket.socket) -> None:
        with self._lock:
            self._controls.discard(control)

    def end(self) -> None:
        """Kill all of them, with everything that they have started, and those to come; their steps fail."""
        with self._lock:
            self._is_over = True
            for control in self._controls:
                _end(control)


def _end(control: socket.socket) -> None:
    with suppress(OSError):
        control.shutdown(socket.SHUT_WR)


@dataclass(slots=True)
class _Lines:
    """Splits what comes into lines; of a longer one than `limit` bytes, only the beginning is kept."""

    limit: int
    _line: bytearray = field(default_factory=bytearray)
    _is_long: bool = False

    def take(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield each line that is now complete, and whether it was longer."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._add(part)
            yield bytes(self._line), self._is_long
            self._line.clear()
            self._is_long = False
        self._add(rest)

    def finish(self) -> Iterator[tuple[bytes, bool]]:
        if self._line:
            yield bytes(self._line), self._is_long

    def _add(self, part: bytes) -> None:
        free = self.limit - len(self._line)
        self._line += part[:free]
        self._is_long = self._is_long or len(part) > free


@dataclass(slots=True)
class CommandProcess:
    """A command of one cell, with all that it is given."""

    cell: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    reported: Reported
    _last: deque[str] = field(default_factory=lambda: deque(maxlen=SHOWN_LINES))
    _malformed: int = 0

    def run(self, running: RunningCommands) -> None:
        """Run it to its end. Raises: CommandFailed."""
        path = self._executable()
        with ExitStack() as stack:
            ours, theirs = socket.socketpair()
            stack.callback(ours.close)
            stack.callback(theirs.close)
            report, to_report = os.pipe()
            stack.enter_context(os.fdopen(report, "rb", buffering=0))
            written = stack.enter_context(os.fdopen(to_report, "wb", buffering=0))
            process = stack.enter_context(self._guard(theirs.fileno(), to_report))
            stack.callback(ours.close)  # before it is waited for
            theirs.close()
            written.close()
            running.add(ours)
            stack.callback(running.remove, ours)
            with suppress(BrokenPipeError):  # its guard was killed, which is told below
                ours.sendall(command_guard.message(*self._encoded(path)))
            assert process.stdout is not None  # noqa: S101  # both are pipes
            assert process.stderr is not None  # noqa: S101
            answer = self._attend(ours, process.stdout.fileno(), process.stderr.fileno(), report)
            process.wait()
        self._judge(answer)

    def _guard(self, control: int, report: int) -> subprocess.Popen[bytes]:
        """Start what runs the command; it ends, with all of it, when the other end of `control` is closed."""
        try:
            return subprocess.Popen(  # noqa: S603  # our own file
                [sys.executable, "-I", "-S", "-X", "utf8", command_guard.__file__, str(report)],
                cwd=self.folder,
                stdin=control,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[report],
                start_new_session=True,  # so whoever kills the group of this process leaves it time to do so
            )
        except OSError as error:
            raise CommandFailed(
                f"the command of {self.cell} cannot be started in {self.folder}: {error.strerror}",
                remedy="see that the folder is there, and that the machine has processes and memory left",
            ) from error

    def _executable(self) -> Path:
        """Return the file of the command. Raises: CommandFailed where there is none that can be run."""
        name = self.arguments[0]
        if os.sep in name:
            path = Path(os.path.normpath(self.folder / name))
            if not path.is_file():
                raise CommandFailed(
                    f"there is no file {name} in {self.folder} to run for {self.cell}",
                    remedy="name a file that is there, relative to the folder in which the command runs",
                )
            if not os.access(path, os.X_OK):
                raise CommandFailed(
                    f"{name} may not be executed", remedy=f"chmod +x {name}, or name its interpreter before it"
                )
            return path
        found = shutil.which(name, path=self.environment.get("PATH", os.environ.get("PATH")))
        if found is None:
            raise CommandFailed(
                f"there is no command {name!r} on the PATH to run for {self.cell}",
                remedy='install it, write its path, or give the command the right PATH: environment=["PATH"]',
            )
        return Path(found).absolute()

    def _encoded(self, path: Path) -> tuple[bytes, list[bytes], dict[bytes, bytes]]:
        # By its path, as a shell without it would call it: a Python finds its packages by that.
        arguments = [os.fsencode(path), *(_bytes(argument) for argument in self.arguments[1:])]
        return os.fsencode(path), arguments, {_bytes(name): _bytes(value) for name, value in self.environment.items()}

    def _attend(self, control: socket.socket, out: int, err: int, report: int) -> dict[str, int]:
        """Take everything that the command writes until it has ended; return what its guard said of it."""
        answer: dict[str, int] = {}
        lines = {out: _Lines(_KEPT_LINE_BYTES), err: _Lines(_KEPT_LINE_BYTES), report: _Lines(REPORT_LINE_BYTES)}
        heard = _Lines(_KEPT_LINE_BYTES)
        with selectors.DefaultSelector() as selector:
            for descriptor in lines:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            selector.register(control, selectors.EVENT_READ)
            is_guarded = True
            while is_guarded:
                for key, _ in selector.select():
                    if key.fileobj is not control:
                        if not self._take(key.fd, lines[key.fd], err, report):
                            selector.unregister(key.fd)
                        continue
                    data = _received(control)
                    is_guarded = bool(data)
                    for line, _ in heard.take(data):
                        word, number = line.decode().split()
                        answer[word] = int(number)
        if "pid" in answer and not answer.keys() & {"exit", "signal"}:  # its guard was killed
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(answer["pid"], signal.SIGKILL)
        for descriptor, each in lines.items():
            while self._take(descriptor, each, err, report):
                pass
            for line, is_long in each.finish():
                self._line(line, is_long, descriptor == err, descriptor == report)
        if self._malformed > 1:
            self.reported.log(f"{self._malformed} lines of its reports could not be read", "warning")
        return answer

    def _take(self, descriptor: int, lines: _Lines, err: int, report: int) -> bool:
        """Read what there is; return whether there may be more."""
        try:
            data = os.read(descriptor, _PART_BYTES)
        except BlockingIOError:
            return False
        for line, is_long in lines.take(data):
            self._line(line, is_long, descriptor == err, descriptor == report)
        return bool(data)

    def _line(self, line: bytes, is_long: bool, is_error: bool, is_report: bool) -> None:
        if is_report:
            if line.strip():
                self._report(line, is_long)
            return
        text = self._shown(line)
        if is_error:
            self._last.append(text)
        self.reported.say("stderr" if is_error else "stdout", text)

    def _shown(self, line: bytes) -> str:
        """Return a line of a command as it may be shown: masked, without what moves the cursor, and not too long."""
        text = line.decode("utf-8", "backslashreplace").rstrip("\r").rpartition("\r")[2]
        text = self.reported.mask(_ESCAPES.sub("", text))
        text = "".join(letter if letter.isprintable() or letter == "\t" else repr(letter)[1:-1] for letter in text)
        return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."

    def _report(self, line: bytes, is_long: bool) -> None:
        """Take one line of the report pipe: a JSON object, of which each member is one report."""
        try:
            if is_long:
                raise ValueError(f"it has more than {REPORT_LINE_BYTES} bytes")
            document = json.loads(line, parse_constant=str)
            if not isinstance(document, dict) or not document:
                raise ValueError("it is no JSON object with members")
            _take_report(document, self.reported)
        except (ValueError, RecursionError) as error:
            self._malformed += 1
            if self._malformed == 1:
                shown = self._shown(line[:_KEPT_LINE_BYTES])[:200]
                self.reported.log(f"a line of its reports cannot be read ({str(error)[:200]}): {shown}", "warning")

    def _judge(self, answer: Mapping[str, int]) -> None:
        """Raise what a command's end means, where it did not end well."""
        if answer.get("exit") == 0:
            return
        if "error" in answer:
            number = answer["error"]
            raise CommandFailed(
                f"the command cannot be started: {os.strerror(number)}: {self._command_line()}",
                remedy="a script needs an interpreter that is there, in a first line such as #!/bin/sh, or before it",
            )
        if "exit" in answer:
            end = f"ended with exit status {answer['exit']}"
        elif "signal" in answer:
            end = f"was ended by signal {answer['signal']} ({signal.strsignal(answer['signal'])})"
        else:
            end = "was lost: the process that watched it was ended"
        said = "".join(f"\n    {line}" for line in self._last)
        last = f"the last lines of its standard error:{said}" if said else "it wrote nothing to standard error"
        raise CommandFailed(
            f"the command {end}: {self._command_line()}\n  {last}",
            remedy=f"see what it says; it runs in {self.folder}, with no variables but those of environment=...",
        )

    def _command_line(self) -> str:
        return self._shown(_bytes(shlex.join(self.arguments).replace("\r", "\\r")))


def _received(control: socket.socket) -> bytes:
    try:
        return control.recv(_PART_BYTES)
    except ConnectionResetError:
        return b""


def _bytes(text: str) -> bytes:
    """Return a text as a command gets it: UTF-8, and what was no text of the file system as it was."""
    return text.encode("utf-8", "surrogateescape" if _is_escaped(text) else "surrogatepass")


def _is_escaped(text: str) -> bool:
    return all(not "\ud800" <= letter <= "\udfff" or "\udc80" <= letter <= "\udcff" for letter in text)


def _take_report(document: Mapping[str, Any], reported: Reported) -> None:
    """Hand on the reports of one line. Raises: ValueError where it is none."""
    for name, value in document.items():
        match name, value:
            case "metadata", dict():
                reported.metadata(value)
            case "progress", int() | float() if not isinstance(value, bool) and 0 <= value <= 1:
                message = document.get("message", "")
                if not isinstance(message, str):
                    raise ValueError("its message is no text")
                reported.progress(value, message)
            case "message", _ if "progress" in document:
                continue
            case "log", {"text": str(text), **rest} if (level := rest.get("level", "info")) in LEVELS:
                reported.log(text, str(level))
            case "version", str():
                reported.version(value)
            case _:
                raise ValueError(f"it has {name[:100]!r} with a value that is no report")
