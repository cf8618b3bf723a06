"""The values of the journal: a record, a line of a file, a place.

Used by everything that writes or reads the journal; it must not know files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Record:
    """One fact. `at` is UTC text, `by` the sequence number of the `session` record of the process that wrote it."""

    seq: int
    at: str
    by: int
    kind: str
    v: int
    payload: dict[str, Any]


class Tail(NamedTuple):
    """A place in the journal: after record `seq`, whose hash is `digest`, at byte `offset` of the segment `segment`."""

    seq: int
    digest: bytes
    segment: str
    offset: int


class Line(NamedTuple):
    """One record as it stands in the file, its hash proved. Of one that was pruned, `kind` and `text` are empty."""

    seq: int
    kind: str
    v: int
    text: bytes
    digest: bytes
    segment: str
    end: int

    @property
    def after(self) -> Tail:
        """Return the place behind it."""
        return Tail(self.seq, self.digest, self.segment, self.end)

    def record(self) -> Record:
        """Return it as a record."""
        return Record(**json.loads(self.text.decode()))


START = Tail(0, bytes(32), "", 0)
"""The place before the first record."""
