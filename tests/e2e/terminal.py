"""A small terminal: what a person sees after a program has written to it, and the size that it was told.

Used by the tests of what is painted. It knows the few orders that the product may give and refuses all others, so that
no text of a user's reaches a terminal as an order.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from command import COMMAND, LONGEST_SECONDS
from rich.cells import cell_len

_ORDER = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Terminal:
    """Lines of cells, with those that have scrolled away in `gone`; modes that a program leaves behind can be seen."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        self.gone: list[str] = []
        self.shows_cursor = self.wraps = True
        self.has_colours = False
        self._lines: list[list[str]] = [[]]
        self._row = self._column = 0
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._kept = ""

    @property
    def screen(self) -> list[str]:
        """Return the lines that can be seen, down to the last that is not empty."""
        lines = ["".join(line).rstrip() for line in self._lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def all(self) -> list[str]:
        """Return also what has scrolled away."""
        return self.gone + self.screen

    def write(self, data: bytes) -> None:
        text = self._kept + self._decode(data)
        self._kept = ""
        place = 0
        while place < len(text):
            letter = text[place]
            if letter == "\x1b":
                order = _ORDER.match(text, place)
                if order is None:
                    if len(text) - place < 12:  # the rest of it comes with the next write
                        self._kept = text[place:]
                        return
                    raise AssertionError(f"not an order: {text[place : place + 20]!r}")
                self._obey(*order.groups())
                place = order.end()
                continue
            place += 1
            if letter == "\r":
                self._column = 0
            elif letter == "\n":
                self._down()
            else:
                self._put(letter)

    def _put(self, letter: str) -> None:
        assert letter.isprintable(), f"a terminal was sent {letter!r}"
        width = cell_len(letter)
        if self._column + width > self.columns:
            if not self.wraps:
                return
            self._column = 0
            self._down()
        line = self._lines[self._row]
        line.extend(" " * (self._column + width - len(line)))
        if width:
            line[self._column : self._column + width] = [letter, *[""] * (width - 1)]
        elif self._column:
            line[self._column - 1] += letter
        self._column += width

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append([])
        if len(self._lines) > self.rows:
            self.gone.append("".join(self._lines.pop(0)).rstrip())
            self._row -= 1

    def _obey(self, mark: str, numbers: str, letter: str) -> None:
        match mark, numbers, letter:
            case "?", "25", "l" | "h":
                self.shows_cursor = letter == "h"
            case "?", "7", "l" | "h":
                self.wraps = letter == "h"
            case "", _, "m":
                self.has_colours |= bool(re.search(r"\b(3[0-8]|4[0-8]|9\d)\b", numbers))
            case "", "", "J":
                del self._lines[self._row][self._column :]
                del self._lines[self._row + 1 :]
            case "", "", "K":
                del self._lines[self._row][self._column :]
            case "", _, "A":
                self._row -= int(numbers)
                assert self._row >= 0, "the cursor was sent above the terminal"
            case _:
                raise AssertionError(f"no terminal was promised \\x1b[{mark}{numbers}{letter}")


class OnTerminal:
    """The command, as a process whose errors, and whose facts unless told otherwise, go to a terminal."""

    def __init__(
        self, root: Path, *arguments: str, columns: int = 80, rows: int = 24, variables: dict[str, str], **options: Any
    ) -> None:
        self.terminal = Terminal(columns, rows)
        self.sent = b""
        self._ours, theirs = os.openpty()
        self.resize(columns, rows)
        environment = {
            name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")
        }
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            **{"cwd": root, "stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True, **options},
            env={**environment, "TERM": "xterm-256color", "PYTHONUTF8": "1", **variables},
        )
        os.close(theirs)

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal another size; what is on it stays where it is."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.terminal.columns, self.terminal.rows = columns, rows

    def until(self, seen: Callable[[Sequence[str]], bool]) -> list[str]:
        """Return what can be seen when something can."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not seen(self.terminal.screen):
            assert time.monotonic() < deadline, "\n".join(self.terminal.all)
            assert self._more(), "\n".join(self.terminal.all)
        return self.terminal.screen

    def hang_up(self) -> int:
        """Close the terminal under the process; return its exit code when it has ended."""
        os.close(self._ours)
        return self.process.wait(LONGEST_SECONDS)

    def end(self) -> int:
        """Read until the process ends; return its exit code."""
        while self._more():
            pass
        os.close(self._ours)
        return self.process.wait(LONGEST_SECONDS)

    def _more(self) -> bool:
        """Take in what was sent; False where nothing will come any more."""
        if not select.select([self._ours], [], [], LONGEST_SECONDS)[0]:
            raise AssertionError("nothing is sent any more: " + "\n".join(self.terminal.all))
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # how a terminal says that nobody writes to it any more
            return False
        self.sent += data
        self.terminal.write(data)
        return bool(data)
