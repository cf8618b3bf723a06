"""Bring what a step writes to stdout, stderr and logging to the logbook, and nothing that others write meanwhile.

Opened by whatever runs steps in a process, for as long as it does. Which attempt writes is told by a context variable,
which goes along with what a step awaits, but not into threads that it starts: what those write goes where it always
went. In worker processes that is a pipe: `processes.py` keeps what comes out of it as said by the step that runs there,
so also what libraries of other languages, child processes and crashes write.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from .logs import Logbook, current

_installing = threading.Lock()
_READ_BYTES = 1 << 20
_LEVELS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


@contextmanager
def capturing(folder: Path) -> Iterator[Logbook]:
    """Keep what the steps of this process say in a folder, while the block goes on."""
    logbook = Logbook(folder)
    try:
        with _streams(), _logging():
            yield logbook
    finally:
        logbook.close()


class _Stream(io.TextIOBase):
    """Stands in for stdout or stderr: what an attempt writes is its own, everything else goes to `original`."""

    def __init__(self, name: str, original: TextIO | None) -> None:
        self.stream = name
        self.original = original
        self.users = 0

    def write(self, text: str) -> int:
        attempt = current()
        if attempt is None:
            return len(text) if self.original is None else self.original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        attempt.write(self.stream, text)
        return len(text)

    @property
    def buffer(self) -> _Bytes:
        """Return where bytes can be written."""
        return _Bytes(self.stream, getattr(self.original, "buffer", None))

    def flush(self) -> None:
        """Write out at once what waits: whoever asks for it may be about to crash."""
        if (attempt := current()) is not None:
            attempt.logbook.flush()
        elif self.original is not None:
            self.original.flush()

    def isatty(self) -> bool:
        return self.original is not None and current() is None and self.original.isatty()

    def fileno(self) -> int:
        if self.original is None:
            raise io.UnsupportedOperation("fileno")
        return self.original.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing: what it stands in for is not the step's to close."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read only here, as in every stream of text
        return getattr(self.original, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return getattr(self.original, "errors", None) or "backslashreplace"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class _Bytes(io.RawIOBase):
    """The bytes below a `_Stream`; those that are no UTF-8 are kept as what they are, in hex digits."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self._original = original

    def write(self, content: Any) -> int:
        attempt = current()
        if attempt is None:
            return len(content) if self._original is None else int(self._original.write(content))
        attempt.write_bytes(self._name, bytes(content), threading.get_ident())
        return len(content)

    def flush(self) -> None:
        if self._original is not None and current() is None:
            self._original.flush()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing, as `_Stream`."""


@contextmanager
def _streams() -> Iterator[None]:
    """Stand in for stdout and stderr, once for all runs that go on in this process."""
    with _installing:
        mine = [_stand_in(name) for name in ("stdout", "stderr")]
    try:
        yield
    finally:
        with _installing:
            for name, stream in zip(("stdout", "stderr"), mine, strict=True):
                stream.users -= 1
                if not stream.users and getattr(sys, name) is stream:
                    setattr(sys, name, stream.original)


def _stand_in(name: str) -> _Stream:
    there = getattr(sys, name)
    stream = there if isinstance(there, _Stream) and there.stream == name else _Stream(name, there)
    stream.users += 1
    setattr(sys, name, stream)
    return stream


class _Handler(logging.Handler):
    """Brings records of logging to the attempt that makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.users = 0
        self.root_level: int | None = None
        self.printing: list[logging.Handler] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def createLock(self) -> None:  # noqa: N802  # its name in logging
        """Need none: the logbook has its own."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        attempt = current()
        if attempt is None:
            self._pass_on(record)
            return
        try:
            level = next((name for number, name in _LEVELS if record.levelno >= number), "debug")
            attempt.record(level, self.format(record))
        except Exception:  # noqa: BLE001  # arguments that do not fit, as of any handler: told, and no failure
            self.handleError(record)

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Do what logging would have done without this handler: print warnings where no other handler is."""
        last, logger = logging.lastResort, logging.getLogger(record.name)
        while logger is not None and last is not None:
            if any(handler is not self for handler in logger.handlers):
                return
            if not logger.propagate or logger.parent is None:
                break
            logger = logger.parent
        if last is not None and record.levelno >= last.level:
            last.handle(record)


def _is_outside(record: logging.LogRecord) -> bool:
    """Return whether no attempt makes a record: those that do are in the logbook, and need not be on the terminal."""
    del record
    return current() is None


@contextmanager
def _logging() -> Iterator[None]:
    """Listen at the root logger, once for all runs that go on; where nobody has set it up, from level info on."""
    root = logging.getLogger()
    with _installing:
        handler = next((one for one in root.handlers if isinstance(one, _Handler)), None)
        if handler is None:
            handler = _Handler()
            if not root.handlers and root.level == logging.WARNING:
                handler.root_level = root.level
                root.setLevel(logging.INFO)
            root.addHandler(handler)
        handler.users += 1
        for one in root.handlers:
            if _prints(one) and _is_outside not in one.filters:
                one.addFilter(_is_outside)
                handler.printing.append(one)
    try:
        yield
    finally:
        with _installing:
            handler.users -= 1
            if not handler.users:
                root.removeHandler(handler)
                if handler.root_level is not None and root.level == logging.INFO:
                    root.setLevel(handler.root_level)
                for one in handler.printing:
                    one.removeFilter(_is_outside)


def _prints(handler: logging.Handler) -> bool:
    stream = getattr(handler, "stream", None)
    streams = (sys.stdout, sys.stderr)
    originals = [one.original if isinstance(one, _Stream) else one for one in streams]
    return stream is not None and stream in (*streams, *originals, sys.__stdout__, sys.__stderr__)
