"""The journal: append facts, as groups that are durable together.

The coordinator and the commands that change something append; reading is in segments.py. It must not know DuckDB nor
what a payload means; the format is described in docs/journal.md.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blake3 import blake3

from . import head
from .durable import sync
from .errors import CatalogError, JournalDamaged, disk_errors
from .locks import held, require_working_locks
from .records import START, Line, Record, Tail
from .seals import Seal, Sign, made, seal_of
from .segments import HASH, TEXT, Segment, read_lines, refuse_loss, segment_name, segments, tail

SEGMENT_BYTES = 64 * 2**20
"""A segment longer than this is not appended to; the next record opens a new one."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_KIND = re.compile(r"[a-z]+(_[a-z]+)*")

Fact = tuple[str, Mapping[str, object]]
"""A kind of record and its payload."""

Decide = Callable[[Sequence[Line]], Sequence[Fact]]
"""Given what other processes have written since the last turn, returns what to append."""


@dataclass(slots=True)
class _Turn:
    """Something to append: decided when its turn has come; `done` once it is durable, or was refused."""

    decide: Decide
    records: list[Record] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class Journal:
    """The journal, open for appending by this process.

    `session` is the payload of the `session` record that comes before the first fact; `clock` returns an aware time;
    `known` is the place up to which the caller knows the journal (its end, unless given); `sign` signs the seals.
    Threads may share one, and share the syncs of the disk; a forked child must not use it.
    """

    def __init__(
        self,
        folder: Path,
        session: Mapping[str, object],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        known: Tail | None = None,
        sign: Sign | None = None,
    ) -> None:
        self._folder = folder
        self._session = dict(session)
        self._clock = clock
        self._sign = sign
        self._process = os.getpid()
        self._free = threading.Condition()
        self._waiting: list[_Turn] = []
        self._is_busy = False
        self._known = known
        self._session_seq = 0
        self._lock = -1
        self._file = -1

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; the next append opens them again."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    @property
    def tail(self) -> Tail:
        """The end of the journal as it is now, records of other processes included."""
        return tail(self._folder)

    def append(self, facts: Sequence[Fact]) -> list[Record]:
        """Append facts as one group; return once all of them are durable.

        *Raises* CatalogError (nothing of the group is written, or the disk refused it), CatalogBusy, JournalDamaged.
        """
        return self.turn(lambda _: facts)

    def turn(self, decide: Decide) -> list[Record]:
        """Append what `decide` returns when it is given what others have written, while nobody else can write.

        What it raises is raised here, and nothing of it is written. *Raises* also what `append` does.
        """
        self._refuse_fork()
        mine = _Turn(decide)
        with self._free:
            self._waiting.append(mine)
            while self._is_busy and not mine.done:
                self._free.wait()
            turns: list[_Turn] = []
            if not mine.done:  # who comes first writes for all who have come since
                self._is_busy, turns, self._waiting = True, self._waiting, []
        if turns:
            self._take(turns)
        if mine.error is not None:
            raise mine.error
        return mine.records

    def seal(self, reason: str) -> Seal | None:
        """Close the segment, unless nothing was added since the last seal; return the seal over all closed ones.

        None where there is no record at all.
        """
        self._refuse_fork()
        with self.alone():
            self._learn()
            if self._known is None or self._known.seq == 0:
                return None
            last = segments(self._folder)[-1]
            if not self._is_new(last):
                self._end_to_write()
                self._known = Tail(self._known.seq, self._known.digest, segment_name(self._known.seq + 1), 0)
                self._write([], reason)
                last = segments(self._folder)[-1]
            return seal_of(last)

    def _is_new(self, segment: Segment) -> bool:
        """Return whether a segment holds nothing but a seal, and who sealed."""
        assert self._known is not None  # noqa: S101  # asked by `seal` only
        seal = seal_of(segment)
        if self._known.seq > segment.first + 1 or seal is None or (self._sign is not None and not seal["signature"]):
            return False
        return all(b'"kind":"sealed"' in line or b'"kind":"session"' in line for line in segment.content().splitlines())

    def accept_loss(self, reason: str, known: Tail | None) -> dict[str, Any] | None:
        """Go on from the last intact record: set aside what cannot be read, and record what is gone.

        `known` is the last record that somebody else, as the index, knows of. Returns the payload of the record, None
        where nothing is gone.
        """
        self._refuse_fork()
        with self.alone():
            end = _last_intact(self._folder)
            witnesses = [place.seq for place in (head.read(self._folder), known) if place is not None]
            last = max([end.seq, *witnesses])
            set_aside, is_plain = _set_aside(self._folder, end)
            if not set_aside and last == end.seq:
                return None
            # Only a plain segment is written on to; behind another form a new one begins, with the seal over it.
            self._known = end if is_plain else Tail(end.seq, end.digest, segment_name(end.seq + 1), 0)
            lost: dict[str, Any] = {"first": end.seq + 1, "last": last, "set_aside": set_aside, "reason": reason}
            self._write([("loss_accepted", _payload_text("loss_accepted", lost))])
            return lost

    def _refuse_fork(self) -> None:
        if os.getpid() != self._process:
            raise CatalogError(
                f"process {os.getpid()} was forked from {self._process} and uses its journal {self._folder}",
                remedy="start worker processes by spawning, and leave appending to the coordinator",
            )

    # A turn

    def _take(self, turns: Sequence[_Turn]) -> None:
        """Take the turns of all who wait, as one group, and wake them."""
        try:
            with self._held():
                self._take_all(turns)
        except BaseException as error:  # noqa: BLE001  # raised by each on its own thread
            for turn in turns:
                turn.error = turn.error or error
        finally:
            with self._free:
                for turn in turns:
                    turn.done = True
                self._is_busy = False
                self._free.notify_all()

    def _take_all(self, turns: Sequence[_Turn]) -> None:
        foreign = self._learn()
        group: list[tuple[str, str]] = []
        decided: list[tuple[_Turn, Sequence[Fact]]] = []
        for turn in turns:
            try:
                facts = turn.decide(foreign)
                group += [(kind, _payload_text(kind, payload)) for kind, payload in facts]
            except BaseException as error:  # noqa: BLE001  # raised by `turn` on the thread whose turn it is
                turn.error = error
                continue
            decided.append((turn, facts))
        if not group:
            return
        seq, at = self._write(group)
        for turn, facts in decided:
            for kind, payload in facts:
                turn.records.append(Record(seq, at, self._session_seq, kind, 1, dict(payload)))
                seq += 1

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the other threads and the other processes from writing."""
        with self._free:
            while self._is_busy:
                self._free.wait()
            self._is_busy = True
        try:
            with self._held():
                yield
        finally:
            with self._free:
                self._is_busy = False
                self._free.notify_all()

    @contextmanager
    def _held(self) -> Iterator[None]:
        name = self._folder / head.NAME
        with disk_errors(self._folder):
            while True:
                if self._lock < 0:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    self._lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                    require_working_locks(name)
                with held(self._lock, name, exclusive=True):
                    if name.exists() and os.path.samestat(os.fstat(self._lock), name.stat()):
                        yield
                        return
                self.close()  # another journal was put in the place of the one that was opened

    def _learn(self) -> list[Line]:
        """Bring what is known of the journal up to its end; return what others have written since."""
        noted = head.read(self._folder)
        if self._known is None:
            self._known = tail(self._folder)
        lines: list[Line] = []
        is_as_noted = noted is not None and noted == self._known and self._size(noted.segment) == noted.offset
        # Somebody may have begun the next segment, and have been stopped before it could be noted.
        if not is_as_noted or (self._folder / segment_name(self._known.seq + 1)).exists():
            lines = list(read_lines(self._folder, self._known))
            if lines:
                self._known = lines[-1].after
        if noted is not None:
            refuse_loss(self._folder, self._known, noted)
        return lines

    def _size(self, segment: str) -> int:
        try:
            return (self._folder / segment).stat().st_size
        except FileNotFoundError:
            return -1

    def _write(self, group: Sequence[tuple[str, str]], reason: str = "full") -> tuple[int, str]:
        """Write one group of kinds and payloads; return the number of its first record, and its time.

        A seal comes before it where it begins a segment, a session record where it is the first of this process.
        """
        end = self._end_to_write()
        at = _timestamp(self._clock())
        opening: list[tuple[str, str]] = []
        if end.offset == 0 and end.seq:
            closed = [segment for segment in segments(self._folder) if segment.first <= end.seq]
            opening.append(("sealed", _payload_text("sealed", made(closed, reason, self._sign))))
        by = self._session_seq
        if by == 0:
            opening.append(("session", _payload_text("session", self._session)))
            by = end.seq + len(opening)
        lines: list[bytes] = []
        digest = end.digest
        for seq, (kind, text) in enumerate([*opening, *group], end.seq + 1):
            line = f'{{"seq":{seq},"at":"{at}","by":{by},"kind":"{kind}","v":1,"payload":{text}}}'.encode()
            digest = blake3(digest + line).digest()
            lines.append(b"%b %b\n" % (digest.hex().encode(), line))
        data = b"".join(lines)
        self._write_out(data, end)
        self._known = Tail(end.seq + len(lines), digest, end.segment, end.offset + len(data))
        self._session_seq = by
        with suppress(OSError):  # a witness that is behind harms nothing
            head.write(self._lock, self._known)
        return end.seq + len(opening) + 1, at

    def _end_to_write(self) -> Tail:
        """Return the place to write at, with its segment open and nothing incomplete behind it."""
        assert self._known is not None  # noqa: S101  # learned at the beginning of the turn
        end = self._known
        following = segment_name(end.seq + 1)
        is_begun = (self._folder / following).exists()  # by a writer that died before it wrote the first record
        if not is_begun and end.offset:
            self._open_at(end)
        if is_begun or end.offset == 0 or end.offset > SEGMENT_BYTES:
            end = Tail(end.seq, end.digest, following, 0)
            self._open_at(end)
        return end

    def _open_at(self, end: Tail) -> None:
        """Open the segment of a place and cut off what lies behind it."""
        path = self._folder / end.segment
        is_new = not path.exists()
        if is_new and end.offset:
            raise JournalDamaged(end.seq, path, "the file is gone")
        if self._file < 0 or is_new or not os.path.samestat(os.fstat(self._file), path.stat()):
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if is_new:
            sync(self._folder)
            sync(self._folder.parent)
        size = os.fstat(self._file).st_size
        if size < end.offset:
            raise JournalDamaged(end.seq, path, "the file is shorter than it was: records are gone")
        if size > end.offset:
            self._refuse_whole(path, end)
            os.ftruncate(self._file, end.offset)
            os.fsync(self._file)
            sys.stderr.write(
                f"journal: cut {size - end.offset} bytes of an incomplete line off {path}: "
                f"a writer was stopped before record {end.seq + 1} was durable\n"
            )

    def _refuse_whole(self, path: Path, end: Tail) -> None:
        """Raise JournalDamaged where a whole record lies behind a place: it is not for a writer to cut off."""
        with path.open("rb") as file:
            file.seek(end.offset)
            line = file.readline()
        if (
            line.endswith(b"\n")
            and len(line) > TEXT
            and blake3(end.digest + line[TEXT:-1]).hexdigest().encode() == line[:HASH]
        ):
            raise JournalDamaged(end.seq + 1, path, "a record is there that this writer had not read")

    def _write_out(self, data: bytes, end: Tail) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as error:
            # Nothing was acknowledged; what did arrive is taken back, or else the next writer finds and chains it.
            with suppress(OSError):
                os.ftruncate(self._file, end.offset)
            raise CatalogError(
                f"records from {end.seq + 1} on were not written to {self._folder / end.segment}: {error}",
                remedy="see to the disk (space, permissions, health), then run again: nothing of them counts",
            ) from error


def _last_intact(folder: Path) -> Tail:
    """Return the place behind the last record before which everything is intact."""
    end = START
    with suppress(JournalDamaged):
        for line in read_lines(folder):
            end = line.after
    return end


def _set_aside(folder: Path, end: Tail) -> tuple[list[str], bool]:
    """Move what lies behind a place out of the way, into files that are no segments.

    Returns their names, and whether the segment that the place is in is a plain file.
    """
    names: list[str] = []
    is_plain = True
    for path in sorted(folder.iterdir()):
        if not path.name.endswith((".jsonl", ".jsonl.gz")) or not path.name[:20].isdigit():
            continue
        aside = path.with_name(f"{path.name}.lost")
        if path.name[:20] < end.segment[:20]:
            continue
        if path.name[:20] > end.segment[:20]:
            path.rename(aside)
            names.append(aside.name)
            continue
        # In the order of the names: plain, compressed, pruned. The last one is what counts.
        is_plain = path.name == end.segment
        if _cut(path, aside, end):
            names.append(aside.name)
    sync(folder)
    return names, is_plain


def _cut(path: Path, aside: Path, end: Tail) -> bool:
    """Move what stands in a segment behind a place into another file; return whether anything did."""
    is_compressed = path.suffix == ".gz"
    try:
        content = gzip.decompress(path.read_bytes()) if is_compressed else path.read_bytes()
    except (OSError, EOFError, zlib.error):  # another form of it is what was read
        path.rename(aside)
        return True
    lines = content.split(b"\n")
    intact = b"".join(line + b"\n" for line in lines[: end.seq - int(path.name[:20]) + 1])
    rest = content[len(intact) :]
    if not rest or (not is_compressed and b"\n" not in rest):  # an incomplete line is cut off by the next writer
        return False
    aside.write_bytes(rest)
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(gzip.compress(intact, mtime=0) if is_compressed else intact)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    return True


def _payload_text(kind: str, payload: Mapping[str, object]) -> str:
    if not _KIND.fullmatch(kind):
        raise CatalogError(f"{kind!r} is not a kind of record", remedy="write it in small letters and underscores")
    try:
        text = _ENCODER.encode(dict(payload))
        text.encode()
    except (TypeError, ValueError) as error:
        raise CatalogError(
            f"a {kind!r} record cannot be written as JSON: {error}",
            remedy="give text that is valid Unicode, finite numbers, lists and objects with text keys",
        ) from error
    return text


def _timestamp(now: datetime) -> str:
    if now.tzinfo is None:
        raise CatalogError(f"the clock of the journal says {now} without a time zone", remedy="give it an aware clock")
    return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
