"""The journal: append facts, read them back, prove that none was altered.

The coordinator appends, the session and every follower read. It must not know DuckDB nor what a payload means; the
format is described in docs/journal.md.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blake3 import blake3

from .errors import CatalogError, JournalDamaged
from .locks import held

SEGMENT_BYTES = 64 * 2**20
"""A segment longer than this is not appended to; the next record opens a new one."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_HASH = 64
_TEXT = _HASH + 1
_SEGMENT = re.compile(r"[0-9]{20}\.jsonl")
_KIND = re.compile(r"[a-z]+(_[a-z]+)*")
_HEAD = re.compile(
    rb'[0-9a-f]{64} \{"seq":([0-9]+),"at":"[^"\\]*","by":[0-9]+,"kind":"([a-z_]+)","v":([0-9]+),"payload":\{'
)


@dataclass(frozen=True, slots=True)
class Record:
    """One fact. `at` is UTC text, `by` the sequence number of the `session` record of the process that wrote it."""

    seq: int
    at: str
    by: int
    kind: str
    v: int
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tail:
    """A place in the journal: after record `seq`, whose hash is `digest`, at byte `offset` of the file `segment`."""

    seq: int
    digest: bytes
    segment: str
    offset: int


@dataclass(frozen=True, slots=True)
class Line:
    """One record as it stands in the file, its hash proved; `after` is the place behind it."""

    seq: int
    kind: str
    v: int
    text: bytes
    after: Tail


START = Tail(0, bytes(32), "", 0)
"""The place before the first record."""


class Journal:
    """The journal, open for appending by this process.

    `session` is the payload of the `session` record that comes before the first fact; `clock` returns an aware time.
    Threads may share one; a forked child must not use it.
    """

    def __init__(
        self, folder: Path, session: Mapping[str, object], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._folder = folder
        self._session = dict(session)
        self._clock = clock
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._known: Tail | None = None
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

    def append(self, facts: Sequence[tuple[str, Mapping[str, object]]]) -> list[Record]:
        """Append facts, each a kind and its payload, as one group; return once all of them are durable.

        *Raises* CatalogError (nothing of the group is written, or the disk refused it), CatalogBusy, JournalDamaged.
        """
        if os.getpid() != self._process:
            raise CatalogError(
                f"process {os.getpid()} was forked from {self._process} and uses its journal {self._folder}",
                remedy="start worker processes by spawning, and leave appending to the coordinator",
            )
        texts = [_payload_text(kind, payload) for kind, payload in facts]
        if not texts:
            return []
        with self._mutex:
            if self._lock < 0:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            with held(self._lock, self._folder / "lock", exclusive=True):
                return self._append(facts, texts)

    def _append(self, facts: Sequence[tuple[str, Mapping[str, object]]], texts: Sequence[str]) -> list[Record]:
        at = _timestamp(self._clock())
        before = self._writable_end()
        session_seq = self._session_seq
        group = list(zip(facts, texts, strict=True))
        if session_seq == 0:
            session_seq = before.seq + 1
            group.insert(0, (("session", self._session), _payload_text("session", self._session)))
        lines: list[bytes] = []
        records: list[Record] = []
        digest = before.digest
        for seq, ((kind, payload), text) in enumerate(group, before.seq + 1):
            head = f'{{"seq":{seq},"at":"{at}","by":{session_seq},"kind":"{kind}","v":1,"payload":'
            line = f"{head}{text}}}".encode()
            digest = blake3(digest + line).digest()
            lines.append(b"%b %b\n" % (digest.hex().encode(), line))
            records.append(Record(seq, at, session_seq, kind, 1, dict(payload)))
        data = b"".join(lines)
        self._write(data, before)
        self._known = Tail(records[-1].seq, digest, before.segment, before.offset + len(data))
        self._session_seq = session_seq
        return records[-len(facts) :]

    def _writable_end(self) -> Tail:
        """Return the end of the journal, with its last segment open and nothing incomplete behind it."""
        names = _segments(self._folder)
        if self._known is None:
            self._known = tail(self._folder)
        end = self._known
        last = names[-1] if names else ""
        size = (self._folder / last).stat().st_size if names else 0
        if (end.segment, end.offset) != (last, size):
            for line in read_lines(self._folder, end):
                end = line.after
            if end.segment != last:
                end = replace(end, segment=last, offset=0)
            if size < end.offset:
                raise JournalDamaged(end.seq, self._folder / last, "the file is shorter than it was: records are gone")
        if size > end.offset:
            self._open(last)
            os.ftruncate(self._file, end.offset)
            os.fsync(self._file)
            sys.stderr.write(
                f"journal: cut {size - end.offset} bytes of an incomplete line off {self._folder / last}: "
                f"a writer was stopped before record {end.seq + 1} was durable\n"
            )
        if not names or end.offset > SEGMENT_BYTES:
            end = replace(end, segment=_segment_name(end.seq + 1), offset=0)
        self._open(end.segment)
        return end

    def _open(self, segment: str) -> None:
        path = self._folder / segment
        is_new = not path.exists()
        if self._file >= 0:
            if not is_new and os.path.samestat(os.fstat(self._file), path.stat()):
                return
            os.close(self._file)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if is_new:
            _sync_folder(self._folder)
            _sync_folder(self._folder.parent)

    def _write(self, data: bytes, before: Tail) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as error:
            # Nothing was acknowledged; what did arrive is taken back, or else the next writer finds and chains it.
            self._known = None
            with suppress(OSError):
                os.ftruncate(self._file, before.offset)
            raise CatalogError(
                f"records from {before.seq + 1} on were not written to {self._folder / before.segment}: {error}",
                remedy="see to the disk (space, permissions, health), then run again: nothing of them counts",
            ) from error


def tail(folder: Path) -> Tail:
    """Return the end of the journal, reading only the end of its last file.

    *Raises* JournalDamaged when the last record is not what was written, naming the first bad record of all.
    """
    try:
        return _tail(folder, _segments(folder))
    except JournalDamaged:
        verify(folder)  # names the first bad record; finds none where a writer was just cutting off an incomplete line
        return _tail(folder, _segments(folder))


def read(folder: Path, after: int = 0) -> Iterator[Record]:
    """Yield the records that follow record `after`; an incomplete last line is left out, the hashes are not proved."""
    names = _segments(folder)
    begin = max(bisect_right([_first_seq(folder, name) for name in names], after + 1) - 1, 0)
    expected = _first_seq(folder, names[begin]) if names else 1
    for name in names[begin:]:
        path = folder / name
        if _first_seq(folder, name) != expected:
            raise JournalDamaged(expected, path, f"the file before it ends with record {expected - 1}")
        lines = path.read_bytes().split(b"\n")[:-1]
        skipped = min(max(after + 1 - expected, 0), len(lines))
        expected += skipped
        for line in lines[skipped:]:
            try:
                record = Record(**json.loads(line[_TEXT:]))
            except (ValueError, TypeError) as error:
                raise JournalDamaged(expected, path, f"it cannot be read ({error})") from error
            if record.seq != expected:
                raise JournalDamaged(expected, path, f"record {record.seq} stands in its place")
            yield record
            expected += 1


def read_lines(folder: Path, position: Tail = START) -> Iterator[Line]:
    """Yield the lines that follow a place, each proved to continue the chain from there.

    *Raises* JournalDamaged at the first that does not, or when the place itself is gone.
    """
    names = _segments(folder)
    if position.segment and position.segment not in names:
        raise JournalDamaged(position.seq, folder / position.segment, "the file is missing")
    for name in names[names.index(position.segment) if position.segment else 0 :]:
        path = folder / name
        if name != position.segment:
            if _first_seq(folder, name) != position.seq + 1:
                raise JournalDamaged(position.seq + 1, path, f"the file before it ends with record {position.seq}")
            position = replace(position, segment=name, offset=0)
        *lines, rest = _read_from(path, position.offset).split(b"\n")
        for text in lines:
            line = _proved(text, path, position)
            position = line.after
            yield line
        if rest and name != names[-1]:
            raise JournalDamaged(position.seq + 1, path, "its line is incomplete, though other files follow")
        _refuse_altered_end(rest, path, position)


def verify(folder: Path) -> int:
    """Prove the whole chain and return the number of records.

    *Raises* JournalDamaged, naming the first bad record and its file.
    """
    count = 0
    for line in read_lines(folder):
        count = line.seq
    return count


def _tail(folder: Path, names: Sequence[str]) -> Tail:
    if not names:
        return START
    path = folder / names[-1]
    first = _first_seq(folder, names[-1])
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        wanted = 2**16
        while True:
            begin = max(size - wanted, 0)
            file.seek(begin)
            *lines, rest = file.read(size - begin).split(b"\n")
            # The first piece may be the end of a longer line; the last line and the hash before it must be whole.
            if begin == 0 or len(lines) > 2:
                break
            wanted *= 8
    if len(lines) > 1:
        head = _HEAD.match(lines[-1])
        if head is None or not _HEAD.match(lines[-2]):
            raise JournalDamaged(first, path, "one of its last two lines is not a record")
        digest = bytes.fromhex(lines[-2][:_HASH].decode())
        before = Tail(int(head[1]) - 1, digest, names[-1], size - len(rest) - len(lines[-1]) - 1)
    else:
        before = replace(_tail(folder, names[:-1]), segment=names[-1], offset=0)
        if before.seq != first - 1:
            raise JournalDamaged(before.seq + 1, path, f"the file before it ends with record {before.seq}")
    end = _proved(lines[-1], path, before).after if lines else before
    _refuse_altered_end(rest, path, end)
    return end


def _proved(text: bytes, path: Path, before: Tail) -> Line:
    seq = before.seq + 1
    digest = blake3(before.digest + text[_TEXT:]).digest()
    if text[:_HASH] != digest.hex().encode():
        raise JournalDamaged(seq, path, "its hash does not fit its text and the record before it: one was altered")
    head = _HEAD.match(text)
    if head is None or int(head[1]) != seq:
        raise JournalDamaged(seq, path, "it is not a record with that sequence number, though its hash fits")
    after = Tail(seq, digest, before.segment, before.offset + len(text) + 1)
    return Line(seq, head[2].decode(), int(head[3]), text[_TEXT:], after)


def _refuse_altered_end(rest: bytes, path: Path, before: Tail) -> None:
    """Tell a whole last record whose line end was altered (damage) from a line that a crash cut short (harmless)."""
    if len(rest) > _TEXT and blake3(before.digest + rest[_TEXT:-1]).hexdigest().encode() == rest[:_HASH]:
        raise JournalDamaged(before.seq + 1, path, "the end of its line was altered")


def _segments(folder: Path) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))
    except FileNotFoundError:
        return []
    if names and names[0] != _segment_name(1):
        raise JournalDamaged(1, folder / _segment_name(1), "the file is missing")
    return names


def _segment_name(first_seq: int) -> str:
    return f"{first_seq:020}.jsonl"


def _first_seq(folder: Path, name: str) -> int:
    if not _SEGMENT.fullmatch(name):
        raise JournalDamaged(0, folder / name, "this file is not part of a journal")
    return int(name[:20])


def _read_from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()


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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
