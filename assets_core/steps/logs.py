"""What steps say while they run: kept line by line, with time and level, in a file of this process.

`capture.py` brings what is written to stdout, stderr and logging here; `step.py` says which attempt runs. It must not
know the catalog or the journal. `keeping/logs.py` reads what is written here, line by line in the order of time:

    {"time","level","stream","asset","partition","step","attempt","text"}

`partition` is null for a step of several, whose partitions stand in the folder `steps`. The last lines of an attempt
that says too much stand in the folder `last`, in a file of its own. A line of the stream `traceback` has `full`, too.
"""

from __future__ import annotations

import codecs
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from ..model.keys import AssetKey
from ..model.partitions import Partition
from .secrets import longest_secret, masked

LINES = 10_000
CHARACTERS = 1 << 20
LAST_LINES = 200
LINE_CHARACTERS = 16_000
"""How much of an attempt is kept: so many lines, so many characters together, so many lines of the rest, and so much of
a line."""
FLUSH_SECONDS = 0.2
_FULL_CHARACTERS = 64_000
_FLUSH_BYTES = 1 << 16
_MICROSECONDS = 1_000_000
_LEVELS = {"stdout": "info", "stderr": "warning", "output": "info"}

_current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


def current() -> Attempt | None:
    """Return the attempt that runs in this thread, or in what it awaits; not in threads that a step starts."""
    attempt = _current.get()
    return attempt if attempt is not None and attempt.logbook.is_here else None


def note_failure(error: BaseException, shown: str) -> None:
    """Keep the whole traceback of what ended a step or a cell that runs here, beside what is shown of it."""
    attempt = current()
    if attempt is not None:
        attempt.fail(error, shown)


class Logbook:
    """The files of one process in the folder of a run; none is made before there is a line to keep.

    `part`: tells its files from those of another logbook of the same process.
    """

    def __init__(self, folder: Path, part: str = "") -> None:
        self.lock = threading.RLock()  # whoever is interrupted by a finalizer that prints comes here twice
        self._folder = folder
        self._process = os.getpid()
        writer = f"{socket.gethostname()}-{self._process}{part}"
        self._writer = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in writer)
        self._writing = threading.RLock()
        self._waiting: list[bytes] = []
        self._waiting_steps: list[bytes] = []
        self._waiting_bytes = 0
        self._overflowing: dict[Attempt, None] = {}
        self._descriptors: dict[str, int] = {}
        self._is_torn: set[str] = set()
        self._lost = 0
        self._why = ""
        self._ended = threading.Event()
        self._woken = threading.Event()
        self._hurry = threading.Event()
        self._flusher: threading.Thread | None = None
        self._last_time = 0
        self._second = (0, "")

    @property
    def is_here(self) -> bool:
        """Return whether this is the process that opened it, and no child of it."""
        return os.getpid() == self._process

    @property
    def writer(self) -> str:
        """Return the name of this process among those that write."""
        return self._writer

    def now(self) -> str:
        """Return the time, later than whatever it returned before: so lines are sorted by it, and no two are equal."""
        self._last_time = max(time.time_ns() // 1000, self._last_time + 1)
        second, microsecond = divmod(self._last_time, _MICROSECONDS)
        if second != self._second[0]:
            self._second = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._second[1]}.{microsecond:06d}Z"

    def add(self, line: bytes) -> None:
        """Keep a line; called with the lock held."""
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self._wake()

    def add_step(self, line: bytes) -> None:
        """Keep which partitions the step of the lines to come has; called with the lock held."""
        self._waiting_steps.append(line)

    def overflow(self, attempt: Attempt) -> None:
        """Keep the last lines of an attempt, as they will be; called with the lock held."""
        self._overflowing[attempt] = None
        self._wake()

    def _wake(self) -> None:
        if self._flusher is None:
            self._flusher = threading.Thread(target=self._flush_now_and_then, name="assets-logs", daemon=True)
            self._flusher.start()
        self._woken.set()
        if self._waiting_bytes > _FLUSH_BYTES:
            self._hurry.set()  # not here: who writes has the lock, which is needed

    def _flush_now_and_then(self) -> None:
        while not self._ended.is_set():
            self._woken.wait()
            self._woken.clear()
            self._hurry.wait(FLUSH_SECONDS)
            self._hurry.clear()
            self.flush()

    def flush(self) -> None:
        """Write what waits. A disk that is full is no failure of a step: what it refuses is dropped, and counted."""
        with self._writing:
            with self.lock:
                steps, self._waiting_steps = self._waiting_steps, []
                lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
                last = [(attempt.file, attempt.last_lines()) for attempt in self._overflowing]
                self._overflowing.clear()
            if steps:
                self._append(f"steps/{self._writer}.jsonl", steps)
            if lines:
                self._append(f"{self._writer}.jsonl", lines)
            for name, kept in last:
                self._replace(name, kept)

    def _append(self, name: str, lines: list[bytes]) -> None:
        content = b"".join(lines)
        if name in self._is_torn:  # a line that was begun ends here, and is none
            content = b"\n" + content
        written = 0
        try:
            descriptor = self._descriptors.get(name)
            if descriptor is None:
                file = self._folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                descriptor = self._descriptors[name] = os.open(file, flags, 0o644)
            while written < len(content):
                written += os.write(descriptor, content[written:])
            self._is_torn.discard(name)
        except OSError as error:
            self._lose(content[written:].lstrip(b"\n").count(b"\n"), error)
            if written:
                self._is_torn.add(name)

    def _replace(self, name: str, lines: list[bytes]) -> None:
        file = self._folder / name
        scratch = file.with_suffix(".new")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(b"".join(lines))
            scratch.replace(file)
        except OSError as error:
            self._lose(len(lines), error)
            with suppress(OSError):
                scratch.unlink(missing_ok=True)

    def _lose(self, lines: int, error: OSError) -> None:
        self._lost += lines
        self._why = self._why or f"{error.filename or self._folder}: {error.strerror or error}"

    def close(self) -> None:
        """Write what waits; say how much was lost, if anything was."""
        self._ended.set()
        self._hurry.set()
        self._woken.set()
        if self._flusher is not None:
            self._flusher.join()
        self.flush()
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        if self._lost and sys.stderr is not None:
            sys.stderr.write(f"logs: {self._lost} lines of what steps said could not be kept: {self._why}\n")


class Attempt:
    """One attempt of one step, from the moment that it runs until it ends: what is said meanwhile is its own."""

    __slots__ = (
        "_asset",
        "_characters",
        "_decoders",
        "_failure",
        "_head",
        "_last",
        "_lines",
        "_number",
        "_omitted",
        "_partial",
        "_partitions",
        "_step",
        "_token",
        "logbook",
    )

    def __init__(
        self, logbook: Logbook, asset: AssetKey, partitions: Sequence[Partition | None], step: int, number: int
    ) -> None:
        self.logbook = logbook
        self._asset = asset
        self._partitions = partitions
        self._step = step
        self._number = number
        self._head = ""
        self._lines = 0
        self._characters = 0
        self._omitted = 0
        self._last: deque[tuple[str, str, str, str]] | None = None
        self._partial: dict[tuple[str, object], tuple[str, int]] = {}
        self._decoders: dict[tuple[str, object], codecs.IncrementalDecoder] = {}
        self._failure: BaseException | None = None
        self._token: Token[Attempt | None] | None = None

    @property
    def file(self) -> str:
        """Return the name of the file for what is said at last, where too much is said."""
        return f"last/{self.logbook.writer}.{self._step}-{self._number}.jsonl"

    def __enter__(self) -> Attempt:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None  # noqa: S101  # it was entered
        _current.reset(self._token)
        self._failure = None
        self.end()

    def end(self) -> None:
        """Keep what was begun and not ended, and see to it that all is written."""
        if (self._lines or self._partial) and self.logbook.is_here:
            with self.logbook.lock:
                for (stream, source), decoder in self._decoders.items():
                    self.write(stream, decoder.decode(b"", final=True), source)
                for (stream, _), (text, more) in self._partial.items():
                    if text:
                        self._say(stream, _LEVELS[stream], text, more)
                self._partial.clear()
            self.logbook.flush()

    def write(self, stream: str, text: str, source: object = None) -> None:
        """Take text as it is written to `stdout`, `stderr` or `output`, which is either: whole lines are kept, the rest
        waits for its end.

        `source`: who writes, where several write into one stream.
        """
        place = stream, source or threading.get_ident()
        with self.logbook.lock:
            before, more = self._partial.get(place, ("", 0))
            if "\n" in text:
                first, *whole, rest = text.split("\n")
                self._say(stream, _LEVELS[stream], before + first, more)
                for line in whole:
                    self._say(stream, _LEVELS[stream], line)
                before, more = "", 0
            else:
                rest = text
            text = _last_state(before + rest)
            room = 2 * LINE_CHARACTERS + longest_secret() if len(text) > 2 * LINE_CHARACTERS else len(text)
            self._partial[place] = text[:room], more + len(text) - room if len(text) > room else more

    def write_bytes(self, stream: str, content: bytes, source: object) -> None:
        """Take bytes as text; those that are no UTF-8 as what they are, in hex digits."""
        with self.logbook.lock:
            if (decoder := self._decoders.get((stream, source))) is None:
                decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
                self._decoders[stream, source] = decoder
            self.write(stream, decoder.decode(content), source)

    def record(self, level: str, text: str) -> None:
        """Keep what was said by way of logging."""
        with self.logbook.lock:
            self._say("logging", level, text)

    def fail(self, error: BaseException, shown: str) -> None:
        """Keep a traceback, `shown` without our own frames, and the whole; once where it ends several cells."""
        if self._failure is error:
            return
        self._failure = error
        full = masked("".join(traceback.format_exception(error)))[-_FULL_CHARACTERS:]
        with self.logbook.lock:
            self._keep("traceback", "error", shown[-LINE_CHARACTERS:].rstrip("\n"), full)

    def _say(self, stream: str, level: str, text: str, more: int = 0) -> None:
        text = _last_state(text).rstrip("\r")
        text = _cut(text, more) if len(text) > LINE_CHARACTERS or more else masked(text)
        if self._last is None and (self._lines >= LINES or self._characters + len(text) > CHARACTERS):
            self._last = deque(maxlen=LAST_LINES)
        if self._last is None:
            self._keep(stream, level, text)
            return
        self._omitted += len(self._last) == LAST_LINES
        self._last.append((self.logbook.now(), level, stream, text))
        self.logbook.overflow(self)

    def _keep(self, stream: str, level: str, text: str, full: str | None = None) -> None:
        if not self._lines and len(self._partitions) > 1:
            keys = [None if partition is None else partition.key for partition in self._partitions]
            told = {"step": self._step, "asset": self._asset, "partitions": keys}
            self.logbook.add_step(_json(told) + b"\n")
        self._lines += 1
        self._characters += len(text)
        self.logbook.add(self._line(self.logbook.now(), level, stream, text, full))

    def last_lines(self) -> list[bytes]:
        """Return the last lines of what was said too much, and in front of them how many were left out."""
        assert self._last is not None  # noqa: S101  # asked for of those that overflow
        lines = [self._line(*said) for said in self._last]
        if self._omitted:
            told = f"{self._omitted} lines are left out here: of one attempt, {LINES} lines or {CHARACTERS} characters"
            lines.insert(0, self._line(self._last[0][0], "warning", "logs", f"{told} and the last lines are kept"))
        return lines

    def _line(self, at: str, level: str, stream: str, text: str, full: str | None = None) -> bytes:
        if not self._head:
            only = self._partitions[0] if len(self._partitions) == 1 else None
            key = None if only is None else only.key
            head = {"asset": self._asset, "partition": key, "step": self._step, "attempt": self._number}
            self._head = _json(head)[1:-1].decode()
        more = b"" if full is None else b',"full":' + _json(full)
        line = f'{{"time":"{at}","level":"{level}","stream":"{stream}",{self._head}'
        return line.encode() + more + b',"text":' + _json(text) + b"}\n"


def _json(value: object) -> bytes:
    """Return compact JSON; half of a surrogate pair becomes the escape that means it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _last_state(text: str) -> str:
    """Return what a terminal would show at last of a line that is written over again and again."""
    if "\r" not in text:
        return text
    return text[text.rstrip("\r").rfind("\r") + 1 :]


def _cut(text: str, more: int) -> str:
    """Return a long line cut short; first the secrets are masked, also the one that a cut may have gone through."""
    room = 2 * LINE_CHARACTERS + longest_secret()
    whole = masked(text[:room])
    if more or len(text) > room:
        whole = whole[: max(0, len(whole) - longest_secret())]
    more += len(text) - min(len(text), LINE_CHARACTERS)
    return f"{whole[:LINE_CHARACTERS]} ... ({more} more characters)"
