"""The journal's files: which there are, reading records from them, proving that none was altered.

Everything that reads the journal comes through here; appending is in journal.py. It must not know DuckDB nor what a
payload means; the format is described in docs/journal.md.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from . import head
from .errors import JournalDamaged, RecordsLost
from .records import START, Line, Record, Tail

HASH = 64
TEXT = HASH + 1
_FILE = re.compile(r"([0-9]{20})(\.pruned)?\.jsonl(\.gz)?")
_HEAD = re.compile(
    rb'[0-9a-f]{64} \{"seq":([0-9]+),"at":"[^"\\]*","by":[0-9]+,"kind":"([a-z_]+)","v":([0-9]+),"payload":\{'
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment and the file that holds it now: plain while it is written, later compressed, later pruned."""

    first: int
    path: Path
    is_pruned: bool
    is_compressed: bool

    @property
    def name(self) -> str:
        """Return the name by which places refer to it, however it is stored."""
        return segment_name(self.first)

    def first_line(self) -> bytes:
        """Return its first line without the line end; empty where there is none.

        *Raises* FileNotFoundError where it has been replaced by another form since it was listed.
        """
        try:
            with gzip.open(self.path) if self.is_compressed else self.path.open("rb") as file:
                return file.readline().removesuffix(b"\n")
        except FileNotFoundError:
            raise
        except (OSError, EOFError, zlib.error) as error:
            raise JournalDamaged(self.first, self.path, f"the file cannot be read ({error})") from error

    def content(self, offset: int = 0) -> bytes:
        """Return its text from a byte on. *Raises* FileNotFoundError as `first_line` does."""
        try:
            with gzip.open(self.path) if self.is_compressed else self.path.open("rb") as file:
                file.seek(offset)
                return file.read()
        except FileNotFoundError:
            raise
        except (OSError, EOFError, zlib.error) as error:
            raise JournalDamaged(self.first, self.path, f"the file cannot be read ({error})") from error


def segment_name(first: int) -> str:
    """Return the name of the segment that begins with a record."""
    return f"{first:020}.jsonl"


def segments(folder: Path) -> list[Segment]:
    """Return the segments, in order; of one that is stored twice (compaction was cut short) the smaller form.

    *Raises* JournalDamaged where the first is missing, or a file is none of a journal's.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith((".jsonl", ".jsonl.gz")))
    except FileNotFoundError:
        return []
    found: dict[int, Segment] = {}
    for name in names:  # in this order: plain, compressed, pruned
        parts = _FILE.fullmatch(name)
        if parts is None:
            raise JournalDamaged(0, folder / name, "this file is not part of a journal")
        found[int(parts[1])] = Segment(int(parts[1]), folder / name, parts[2] is not None, parts[3] is not None)
    if found and 1 not in found:
        raise JournalDamaged(1, folder / segment_name(1), "the file is missing")
    return [found[first] for first in sorted(found)]


def tail(folder: Path) -> Tail:
    """Return the end of the journal, reading only the end of its last file.

    *Raises* JournalDamaged when the last record is not what was written, naming the first bad record of all, and when
    records are gone that were there before.
    """
    witness = head.read(folder)  # before the files: what it speaks of was in them already
    try:
        end = _tail(segments(folder))
    except JournalDamaged:
        verify(folder)  # names the first bad record; finds none where a writer was just cutting off an incomplete line
        end = _tail(segments(folder))
    if witness is not None:
        refuse_loss(folder, end, witness)
    return end


def refuse_loss(folder: Path, end: Tail, known: Tail) -> None:
    """Raise RecordsLost where somebody knows of records that the journal does not have, JournalDamaged where the last
    one is another than they know."""
    if known.seq > end.seq:
        gone = f"records {end.seq + 1} to {known.seq} are gone" if known.seq > end.seq + 1 else "it is gone"
        raise RecordsLost(
            end.seq + 1,
            folder / (end.segment or segment_name(1)),
            f"{gone}: the journal was cut, or an older copy was put in its place",
        )
    if known.seq == end.seq and known.digest != end.digest:
        raise JournalDamaged(end.seq, folder / end.segment, "it is another record than the one that was written")


def read(folder: Path, after: int = 0) -> Iterator[Record]:
    """Yield the records that follow record `after`; an incomplete last line is left out, the hashes are not proved."""
    found = segments(folder)
    begin = max(bisect_right([segment.first for segment in found], after + 1) - 1, 0)
    expected = found[begin].first if found else 1
    for segment in found[begin:]:
        _require_next(segment, expected)
        segment, lines, _ = _lines(folder, segment, START)  # as it is stored now
        skipped = min(max(after + 1 - expected, 0), len(lines))
        expected += skipped
        for line in lines[skipped:]:
            if len(line) == HASH and segment.is_pruned:
                expected += 1
                continue
            try:
                record = Record(**json.loads(line[TEXT:]))
            except (ValueError, TypeError) as error:
                raise JournalDamaged(expected, segment.path, f"it cannot be read ({error})") from error
            if record.seq != expected:
                raise JournalDamaged(expected, segment.path, f"record {record.seq} stands in its place")
            yield record
            expected += 1


def read_lines(folder: Path, position: Tail = START) -> Iterator[Line]:
    """Yield the lines that follow a place, each proved to continue the chain from there.

    *Raises* JournalDamaged at the first that does not, or when the place itself is gone.
    """
    found = segments(folder)
    begin = 0
    if position.segment:
        known = [segment.name for segment in found]
        if position.segment not in known:
            raise JournalDamaged(position.seq, folder / position.segment, "the file is missing")
        begin = known.index(position.segment)
    for segment in found[begin:]:
        if segment.name != position.segment:
            _require_next(segment, position.seq + 1)
            position = Tail(position.seq, position.digest, segment.name, 0)
        line = None
        for line in _proved_lines(folder, segment, position, is_last=segment is found[-1]):
            yield line
        position = position if line is None else line.after


def verify(folder: Path) -> int:
    """Prove the whole chain and return the number of records.

    *Raises* JournalDamaged, naming the first bad record and its file.
    """
    count = 0
    for line in read_lines(folder):
        count = line.seq
    return count


def _proved_lines(folder: Path, segment: Segment, position: Tail, *, is_last: bool) -> Iterator[Line]:
    segment, lines, rest = _lines(folder, segment, position)
    seq, digest, name, end = position.seq, position.digest, segment.name, position.offset
    match = _HEAD.match
    for text in lines:
        seq += 1
        end += len(text) + 1
        if len(text) == HASH and segment.is_pruned:
            digest = _pruned_digest(seq, text, segment.path)
            yield Line(seq, "", 0, b"", digest, name, end)
            continue
        body = text[TEXT:]
        digest = blake3(digest + body).digest()
        parts = match(text)
        if parts is None or text[:HASH] != digest.hex().encode() or int(parts[1]) != seq:
            raise _damage(seq, segment.path, text, digest)
        yield Line(seq, parts[2].decode(), int(parts[3]), body, digest, name, end)
    if rest and not is_last:
        raise JournalDamaged(seq + 1, segment.path, "its line is incomplete, though other files follow")
    _refuse_altered_end(rest, segment.path, Tail(seq, digest, name, end))


def _damage(seq: int, path: Path, text: bytes, digest: bytes) -> JournalDamaged:
    if text[:HASH] != digest.hex().encode():
        what = "its hash does not fit its text and the record before it: one was altered"
    else:
        what = "it is not a record with that sequence number, though its hash fits"
    return JournalDamaged(seq, path, what)


def _pruned_digest(seq: int, text: bytes, path: Path) -> bytes:
    try:
        return bytes.fromhex(text.decode())
    except ValueError as error:
        raise JournalDamaged(seq, path, "what is left of it is not a hash") from error


def _tail(found: Sequence[Segment]) -> Tail:
    if not found:
        return START
    last = found[-1]
    if last.is_compressed or last.is_pruned:
        raise JournalDamaged(last.first, last.path, "the segment behind it is missing: only closed ones are compressed")
    with last.path.open("rb") as file:
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
        parts = _HEAD.match(lines[-1])
        if parts is None or not _HEAD.match(lines[-2]):
            raise JournalDamaged(last.first, last.path, "one of its last two lines is not a record")
        digest = bytes.fromhex(lines[-2][:HASH].decode())
        before = Tail(int(parts[1]) - 1, digest, last.name, size - len(rest) - len(lines[-1]) - 1)
    else:
        before = Tail(last.first - 1, _digest_before(found, lines), last.name, 0)
    end = before
    for text in lines[-1:]:
        end = _proved(text, last.path, before)
    _refuse_altered_end(rest, last.path, end)
    return end


def _digest_before(found: Sequence[Segment], lines: Sequence[bytes]) -> bytes:
    """Return the hash of the record before the last segment, of which the only line, if there is one, is given."""
    *closed, last = found
    if not closed:
        _require_next(last, 1)
        return START.digest
    if lines and b'"kind":"sealed"' in lines[0]:
        # A seal repeats the hash that it follows: to believe it is enough, since its own hash is made from both.
        with suppress(ValueError, KeyError, TypeError):
            return bytes.fromhex(json.loads(lines[0][TEXT:])["payload"]["last_digest"])
    segment, before, _ = _lines(last.path.parent, closed[-1], START)
    _require_next(last, segment.first + len(before))
    return _pruned_digest(last.first - 1, before[-1][:HASH], segment.path) if before else b""


def _proved(text: bytes, path: Path, before: Tail) -> Tail:
    seq = before.seq + 1
    digest = blake3(before.digest + text[TEXT:]).digest()
    parts = _HEAD.match(text)
    if parts is None or text[:HASH] != digest.hex().encode() or int(parts[1]) != seq:
        raise _damage(seq, path, text, digest)
    return Tail(seq, digest, before.segment, before.offset + len(text) + 1)


def _refuse_altered_end(rest: bytes, path: Path, before: Tail) -> None:
    """Tell a whole last record whose line end was altered (damage) from a line that a crash cut short (harmless)."""
    if len(rest) > TEXT and blake3(before.digest + rest[TEXT:-1]).hexdigest().encode() == rest[:HASH]:
        raise JournalDamaged(before.seq + 1, path, "the end of its line was altered")


def _require_next(segment: Segment, expected: int) -> None:
    if segment.first != expected:
        raise JournalDamaged(expected, segment.path, f"the file before it ends with record {expected - 1}")


def _lines(folder: Path, segment: Segment, position: Tail) -> tuple[Segment, list[bytes], bytes]:
    """Return the segment as it is stored now, its whole lines behind a place in it, and what is incomplete at its end.

    It may be replaced by a smaller form at any time. Of a pruned one lines are counted: offsets are those of the text.
    """
    while True:
        try:
            if not segment.is_pruned:
                *lines, rest = segment.content(position.offset).split(b"\n")
                return segment, lines, rest
            *lines, rest = segment.content().split(b"\n")
            return segment, lines[position.seq + 1 - segment.first if position.offset else 0 :], rest
        except FileNotFoundError as error:
            again = [other for other in segments(folder) if other.first == segment.first]
            if not again or again[0] == segment:
                raise JournalDamaged(segment.first, segment.path, "the file is missing") from error
            segment = again[0]
