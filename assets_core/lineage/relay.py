"""Keep a file of OpenLineage events up with the journal, each event in it exactly once, and send them on if configured.

Called while a run goes on and by `assets lineage events`. The file is its own bookmark: the last event in it says which
record it was made from. Beside it lies what the mapper knew at some time, so that not all of the journal is read again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from catalog.errors import JournalDamaged
from catalog.locks import held
from catalog.records import START, Tail
from catalog.segments import read_lines

from ..version import __version__
from .events import JOURNAL_FACET, EventMapper
from .receiver import Client, Receiver, is_configured, is_disabled

_NOTED_EVERY = 20_000  # records; to read so many again takes a fifth of a second
_WRITTEN_AT_ONCE = 500  # events

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)

Bookmark = tuple[int, int]
"""The last event of the file: the sequence number of its record, and its position among that record's events."""


class Relay:
    """Delivers the events of a journal. `namespace` names the project: its jobs are in it, its datasets below it.

    Keep it: later calls of `catch_up` read only what is new. Threads must not share one; processes may share the file.
    """

    def __init__(
        self, journal_folder: Path, events_file: Path, namespace: str, *, client: Client | None = None
    ) -> None:
        self._journal = journal_folder
        self._events_file = events_file
        self._notes_file = events_file.with_name(f"{events_file.name}.state")
        self._namespace = namespace
        self._receiver = Receiver(events_file, client) if client is not None or is_configured() else None
        self._forget()

    def _forget(self) -> None:
        self._mapper = EventMapper(self._namespace, f"assets-core://{self._namespace}")
        self._position = START
        self._bookmark: Bookmark = (0, 0)
        self._noted = 0
        self._from_notes = False

    def catch_up(self) -> int:
        """Append the events of all records that are new, and send them on; return how many were appended.

        Nothing is done where OPENLINEAGE_DISABLED says so; a later call makes up for it.

        *Raises* JournalDamaged, CatalogBusy where another process holds the file for too long.
        """
        if is_disabled():
            return 0
        self._events_file.parent.mkdir(parents=True, exist_ok=True)
        with self._events_file.open("ab+") as file, held(file.fileno(), self._events_file, exclusive=True):
            self._find_place(file)
            try:
                count = self._append(file)
            except JournalDamaged:
                if not self._from_notes:
                    raise
                self._forget()  # the notes were of another journal
                self._bookmark = _last_bookmark(file)
                count = self._append(file)
        if self._receiver is not None:
            self._receiver.deliver()
        return count

    def _find_place(self, file: IO[bytes]) -> None:
        """Know which event is the last in the file, and be at its record or before it."""
        bookmark = _last_bookmark(file)
        if bookmark < self._bookmark or self._position == START:
            self._forget()
            self._recall(bookmark)
        self._bookmark = bookmark

    def _append(self, file: IO[bytes]) -> int:
        count = 0
        lines: list[bytes] = []
        for line in read_lines(self._journal, self._position):
            if not line.kind:  # pruned: its events were made long ago
                self._position = line.after
                continue
            record = line.record()
            if record.seq < self._bookmark[0]:
                self._mapper.pass_over(record)
            else:
                for event in self._mapper.feed(record):
                    number = _bookmark(event)
                    if number > self._bookmark:
                        self._bookmark = number
                        lines.append(_ENCODER.encode(event).encode() + b"\n")
            self._position = line.after
            if len(lines) >= _WRITTEN_AT_ONCE:
                count += _write(file, lines)
        count += _write(file, lines)
        if self._position.seq >= self._noted + _NOTED_EVERY:
            self._note()
        return count

    def _note(self) -> None:
        """Write down what the mapper knows, so that a later process need not read the journal up to here."""
        tail = self._position
        notes = {
            "product": __version__,
            "namespace": self._namespace,
            "bookmark": self._bookmark,
            "position": [tail.seq, tail.digest.hex(), tail.segment, tail.offset],
            "story": self._mapper.to_json(),
        }
        draft = self._notes_file.with_name(f"{self._notes_file.name}.new")
        draft.write_text(json.dumps(notes, separators=(",", ":")), encoding="utf-8")
        draft.replace(self._notes_file)
        self._noted = tail.seq

    def _recall(self, bookmark: Bookmark) -> None:
        """Begin from the notes, if they are of this version and not ahead of the file."""
        try:
            notes = json.loads(self._notes_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if (notes["product"], notes["namespace"]) != (__version__, self._namespace):
            return
        if tuple(notes["bookmark"]) > bookmark:
            return
        seq, digest, segment, offset = notes["position"]
        self._mapper.resume(notes["story"])
        self._position = Tail(seq, bytes.fromhex(digest), segment, offset)
        self._noted = seq
        self._from_notes = True


def forget_events(events_file: Path, seq: int) -> None:
    """Cut off the events of record `seq` and later ones: these records are gone, and others will have their numbers."""
    if not events_file.exists():
        return
    with events_file.open("ab+") as file, held(file.fileno(), events_file, exclusive=True):
        while _last_bookmark(file) >= (seq, 0):
            start, _ = _line_before(file, file.seek(0, os.SEEK_END))
            file.truncate(start)
    events_file.with_name(f"{events_file.name}.state").unlink(missing_ok=True)


def _bookmark(event: dict[str, Any]) -> Bookmark:
    number = event["run"]["facets"][JOURNAL_FACET]
    return number["seq"], number["event"]


def _write(file: IO[bytes], lines: list[bytes]) -> int:
    count = len(lines)
    file.write(b"".join(lines))
    file.flush()
    lines.clear()
    return count


def _last_bookmark(file: IO[bytes]) -> Bookmark:
    """Return the bookmark of the last whole event, and cut off what a crash left behind it."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start, line = _line_before(file, end)
        try:
            if not line.endswith(b"\n"):
                raise ValueError
            return _bookmark(json.loads(line))
        except (ValueError, KeyError, TypeError):
            end = start
            file.truncate(end)
    return 0, 0


def _line_before(file: IO[bytes], end: int) -> tuple[int, bytes]:
    """Return where the last line before an offset begins, and the line."""
    wanted = 2**16
    while True:
        begin = max(end - wanted, 0)
        file.seek(begin)
        text = file.read(end - begin)
        break_at = text.rfind(b"\n", 0, len(text) - 1)
        if break_at >= 0 or begin == 0:
            return begin + break_at + 1, text[break_at + 1 :]
        wanted *= 8
