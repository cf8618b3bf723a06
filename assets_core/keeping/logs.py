"""What the steps of a run said: read from the files that every process of the run has written, in the order of time.

Called by `assets logs`. Lines are picked by their bytes, as `steps/logs.py` writes them, and only those that are
wanted are read as JSON. It must not know how they are shown.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from time import sleep
from typing import Any

from catalog.queries import load as query

from ..errors import SelectionError, UserError, did_you_mean
from ..execution.lease import is_alive
from ..model.keys import Cell
from ..model.partitions import parse_partitions
from ..planning.bound import bound_partitions
from ..project import Project

LEVELS = ("debug", "info", "warning", "error", "critical")
_LOOK_SECONDS = 0.1  # how soon a line is shown to who follows
_CHUNK_BYTES = 1 << 22
_TIME = slice(len('{"time":"'), len('{"time":"') + 27)  # 2026-01-31T08:00:00.000000Z
_LEVEL_AT = _TIME.stop + len('","level":"')
_TEXT = b'"text":"'
_END = b'"}'


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: of a cell or an asset, from a level on, with a text in them, of an attempt, from a time on.

    `tail`: only so many at the end, of those that are there already.
    """

    cell: Cell | None = None
    level: str = LEVELS[0]
    text: str = ""
    attempt: int | None = None
    since: datetime | None = None
    tail: int | None = None


def lines(folder: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield the wanted lines of a run, whose logs are in a folder."""
    yield from _parsed(_last(_Reader(folder, wanted).new_lines(), wanted.tail))


def followed(project: Project, run: str, wanted: Wanted) -> Iterator[list[dict[str, Any]]]:
    """Yield the wanted lines of a run that are there, then, again and again, those that have come, until it is over."""
    reader, tail = _Reader(log_folder(project, run), wanted), wanted.tail
    goes_on = True
    while goes_on:
        goes_on = is_alive(project.state / "runs", run, float("inf"))  # asked before, lest the last lines are missed
        yield list(_parsed(_last(reader.new_lines(), tail)))
        tail = None
        if goes_on:
            sleep(_LOOK_SECONDS)


def log_folder(project: Project, run: str) -> Path:
    """Return the folder of what the steps of a run said; there is none where they said nothing."""
    return project.state / "logs" / run


def require_cell(project: Project, cell: Cell) -> None:
    """Raise SelectionError where no asset, or no partition of it, is or was of that name, with the nearest that is."""
    with project.catalog.read() as connection:
        known = dict(connection.sql(query("declared_ever")).fetchall())
        if cell.asset not in known:
            near = did_you_mean(cell.asset, known)
            raise SelectionError(f"there is no asset {cell.asset!r}{near}", remedy="see: assets list")
        definitions = [None if text is None else parse_partitions(json.loads(text)) for text in known[cell.asset]]
        definitions = [one and bound_partitions(one, connection) for one in definitions]
    if cell.partition is None or not definitions:
        return
    problem: SelectionError | None = None
    for definition in definitions:
        try:
            if definition is None:
                raise SelectionError(f"{cell.asset} has no partitions", remedy=f"write {cell.asset}")
            definition.ordinal(cell.partition)
        except SelectionError as error:
            problem = problem or error
        else:
            return
    if problem is not None:
        raise problem


def since_time(text: str, now: datetime) -> datetime:
    """Return the time that a text means: in ISO form (UTC unless it says), or so long ago, as 90s, 15m, 2h, 1d.

    Raises: UserError.
    """
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:])
    try:
        if seconds is not None and text[:-1].isdecimal():
            return datetime.fromtimestamp(now.timestamp() - int(text[:-1]) * seconds, UTC)
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UserError(
            f"{text!r} is not a time", remedy="write one like 2026-01-31T08:00 (UTC), or how long ago: 90s, 15m, 2h, 1d"
        ) from None


@dataclass(slots=True)
class _Reader:
    """The files of one run, each read as far as it is written.

    `steps`: numbers of steps of several partitions that have the wanted one. `shown`: by file of last lines, the time
    up to which it was read.
    """

    folder: Path
    wanted: Wanted
    files: dict[Path, _File] = field(default_factory=dict)
    steps: set[bytes] = field(default_factory=set)
    shown: dict[Path, tuple[int, bytes]] = field(default_factory=dict)

    def new_lines(self) -> Iterator[bytes]:
        """Yield the wanted lines that were written since the last call, in the order of time."""
        cell = self.wanted.cell
        if cell is not None and cell.partition is not None:
            for file in self._opened("steps/*.jsonl"):
                self._learn(file.lines(b""), cell)
        picked = _Picked(self.wanted, self.steps)
        sources = [picked.of(file.lines(picked.needle)) for file in self._opened("*.jsonl")]
        sources += [picked.of(self._last_lines(path)) for path in sorted(self.folder.glob("last/*.jsonl"))]
        return merge(*sources, key=_time_of)

    def _opened(self, pattern: str) -> list[_File]:
        return [self.files.setdefault(path, _File(path)) for path in sorted(self.folder.glob(pattern))]

    def _learn(self, lines: Iterable[bytes], cell: Cell) -> None:
        for line in lines:
            with suppress(ValueError):
                told = json.loads(line)
                if told["asset"] == cell.asset and cell.partition in told["partitions"]:
                    self.steps.add(b'"partition":null,"step":%d,' % told["step"])

    def _last_lines(self, path: Path) -> Iterator[bytes]:
        """Yield the lines of a file that is written anew while its attempt goes on."""
        with suppress(FileNotFoundError):
            changed, shown = self.shown.get(path, (0, b""))
            if (now := path.stat().st_mtime_ns) != changed:
                found = [line for line in path.read_bytes().split(b"\n")[:-1] if _time_of(line) > shown]
                self.shown[path] = now, _time_of(found[-1]) if found else shown
                yield from found


@dataclass(slots=True)
class _File:
    """A file that lines are added to, read up to `offset`; opened for each piece, so that any number can be merged."""

    path: Path
    offset: int = 0

    def lines(self, needle: bytes) -> Iterator[bytes]:
        """Yield the lines that are whole and have `needle` in them, from where the last call ended."""
        with suppress(FileNotFoundError):
            end, size = self.path.stat().st_size, _CHUNK_BYTES
            while self.offset < end:
                with self.path.open("rb") as file:
                    file.seek(self.offset)
                    chunk = file.read(min(size, end - self.offset))
                whole = chunk.rfind(b"\n") + 1
                if not whole:
                    if len(chunk) < size:
                        return
                    size *= 2
                    continue
                self.offset += whole
                yield from _with(chunk[:whole], needle)


def _with(chunk: bytes, needle: bytes) -> Iterator[bytes]:
    """Yield the lines of a chunk that have a text in them."""
    if not needle:
        yield from chunk.split(b"\n")[:-1]
        return
    at = chunk.find(needle)
    while at >= 0:
        end = chunk.find(b"\n", at)
        yield chunk[chunk.rfind(b"\n", 0, at) + 1 : end]
        at = chunk.find(needle, end)


class _Picked:
    """Picks lines by their bytes. `needle`: what every wanted line has in it, the rarest thing that is known."""

    def __init__(self, wanted: Wanted, steps: set[bytes]) -> None:
        self._text = _json(wanted.text)[1:-1]
        self._parts: list[bytes] = []
        self._places: tuple[bytes, ...] = ()
        if (cell := wanted.cell) is not None:
            self._parts.append(b'"asset":' + _json(cell.asset) + b",")
            if cell.partition is not None:
                self._places = (b'"partition":' + _json(cell.partition) + b",", *steps)
        if wanted.attempt is not None:
            self._parts.append(b'"attempt":%d,' % wanted.attempt)
        levels = LEVELS[LEVELS.index(wanted.level) :]
        self._levels = () if len(levels) == len(LEVELS) else tuple(f'{level}"'.encode() for level in levels)
        since = wanted.since
        self._since = b"" if since is None else since.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
        self.needle = self._text or next(iter(self._parts), b"")

    def of(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        return (line for line in lines if self._is_wanted(line))

    def _is_wanted(self, line: bytes) -> bool:
        if not line.endswith(_END) or not line.startswith(b'{"time":"'):  # torn, when the disk was full
            return False
        if self._levels and not line.startswith(self._levels, _LEVEL_AT):
            return False
        if self._since and line[_TIME] < self._since:
            return False
        if not all(part in line for part in self._parts):
            return False
        if self._places and not any(place in line for place in self._places):
            return False
        return not self._text or line.find(self._text, line.find(_TEXT) + len(_TEXT), len(line) - len(_END)) >= 0


def _json(text: str) -> bytes:
    """Return a text as it stands in the files."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _time_of(line: bytes) -> bytes:
    return line[_TIME]


def _last(lines: Iterator[bytes], count: int | None) -> Iterator[bytes]:
    return lines if count is None else iter(deque(lines, maxlen=count))


def _parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError):
            yield json.loads(line)
