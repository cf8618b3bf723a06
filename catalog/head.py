"""The witness: where the journal ended, noted beside it after every append, so that records cannot go missing unseen.

Written by the journal and read by whoever looks for its end. The note is made after the records are durable and is not
synced itself: it may be behind the journal after a crash, and never ahead of it.
"""

from __future__ import annotations

import os
from pathlib import Path

from blake3 import blake3

from .records import Tail

NAME = "lock"
"""The file that writers lock holds the note, too: both live as long as the journal."""

_LENGTH = 160


def write(descriptor: int, end: Tail) -> None:
    """Note the end of the journal in the open file."""
    text = f"{end.seq} {end.digest.hex()} {end.segment} {end.offset}"
    os.pwrite(descriptor, f"{text} {_check(text)}".ljust(_LENGTH).encode() + b"\n", 0)


def read(folder: Path) -> Tail | None:
    """Return what was noted; None where nothing readable was."""
    try:
        *members, check = (folder / NAME).read_text(encoding="ascii").split()
        seq, digest, segment, offset = members
        if check != _check(" ".join(members)):
            return None
        return Tail(int(seq), bytes.fromhex(digest), segment, int(offset))
    except (OSError, ValueError):
        return None


def _check(text: str) -> str:
    return blake3(text.encode()).hexdigest()[:16]
