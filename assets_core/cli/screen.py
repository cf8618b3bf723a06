"""Lines at the bottom of a terminal that are painted again and again, while others print above them.

Used by `live.py`. It must not know what the lines say.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PRINT_SECONDS = 0.05  # how long what is printed may be kept, to be painted together with more
_LONGEST_LINE = 65_536  # bytes that are kept because the end of their line has not come
_ERASE_BELOW = "\x1b[J"
_ERASE_RIGHT = "\x1b[K"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"  # what happens to what is longer than a line


class Screen:
    """The lines below. Between two writes the terminal is as it was: nothing has to be restored after a kill.

    The cursor rests where the lines begin. What somebody prints past this, such as a handler of signals or a program
    that a step has started, begins there and pushes the lines down with the next paint, whatever its height was, and
    whatever size the terminal has become.
    """

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal
        self._alone = threading.RLock()
        self._painted: Sequence[str] = ()
        self._above: list[str] = []
        self._written_at = 0.0
        self._has_painted = False
        self._is_open = True
        self._is_gone = False
        self._lines = _Lines(self)
        self.stream: TextIO = io.TextIOWrapper(
            io.BufferedWriter(self._lines), "utf-8", "surrogateescape", newline="", line_buffering=True
        )

    @property
    def terminal(self) -> IO[str]:
        return self._terminal

    def paint(self, lines: Sequence[str]) -> None:
        """Paint lines, none longer than the terminal is wide, in place of those that are there."""
        with self._alone:
            self._painted = lines
            self._write()

    def print(self, text: str) -> None:
        """Print whole lines above, at once or soon."""
        with self._alone:
            self._above.append(text)
            if not self._is_open or time.monotonic() - self._written_at > _PRINT_SECONDS:
                self._write()

    def close(self) -> None:
        """Take the lines away; what is printed from now on goes through."""
        self.stream.flush()
        self._lines.end()
        with self._alone:
            self._painted = ()
            self._write()
            self._is_open = False

    def _write(self) -> None:
        text = "".join(self._above)
        self._above.clear()
        if self._painted:
            above = _ERASE_BELOW + text if text else ""
            lines = "\r\n".join(line + _ERASE_RIGHT for line in self._painted)
            back = f"\x1b[{len(self._painted) - 1}A" * (len(self._painted) > 1)
            text = f"{_HIDE}\r{above}{_CUT}{lines}{_ERASE_BELOW}{_WRAP}\r{back}{_SHOW}"
        elif self._has_painted:
            text = f"\r{_ERASE_BELOW}{text}"
        self._has_painted = bool(self._painted)
        if self._is_gone:
            return
        try:
            self._terminal.write(text)
            self._terminal.flush()
        except OSError:  # a terminal that was closed is no reason to end a run
            self._is_gone = True
        self._written_at = time.monotonic()


class _Lines(io.RawIOBase):
    """Takes what a stream is given, and hands it on in whole lines."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._kept = b""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._screen.terminal.isatty()

    def fileno(self) -> int:
        return self._screen.terminal.fileno()

    def write(self, data: ReadableBuffer, /) -> int:
        content = bytes(data)
        whole, newline, self._kept = (self._kept + content).rpartition(b"\n")
        if newline:
            self._screen.print(_text(whole) + "\n")
        if len(self._kept) > _LONGEST_LINE:
            self.end()
        return len(content)

    def end(self) -> None:
        """Hand on what has no end of line."""
        kept, self._kept = self._kept, b""
        if kept:
            self._screen.print(_text(kept) + "\n")


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")
