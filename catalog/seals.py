"""Seals: what the first record of a segment states of all the segments before it, and what must be true of it.

Made by the journal when it closes a segment, checked by the audit. Two trees of the shape of RFC 6962: one over the
record hashes of a segment, one over the segments. It must not know who appends, nor the index.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import merkle
from .errors import JournalDamaged
from .segments import HASH, TEXT, Segment

Seal = Mapping[str, Any]
"""The payload of a `sealed` record; see docs/journal.md."""

Sign = Callable[[bytes], tuple[str, str]]
"""Returns the public key and the signature of a message, as hex digits."""


def record_leaves(content: bytes) -> list[bytes]:
    """Return the leaf hashes of a segment: of the hash of each record, so that a pruned segment has the same ones."""
    return [merkle.leaf(bytes.fromhex(line[:HASH].decode())) for line in content.split(b"\n")[:-1]]


def segment_leaf(name: str, records: int, segment_root: str) -> bytes:
    """Return the leaf hash that stands for a segment."""
    return merkle.leaf(f"{name} {records} {segment_root}".encode())


def statement(seal: Seal) -> bytes:
    """Return what is signed."""
    return "assets-core seal\n{segments} {last} {last_digest} {root}\n".format(**seal).encode()


def seal_of(segment: Segment) -> Seal | None:
    """Return the seal that a segment begins with; None where it begins with another record, as the first one does."""
    first = segment.first_line()
    if b'"kind":"sealed"' not in first[: TEXT + 200]:
        return None
    try:
        record = json.loads(first[TEXT:])
    except ValueError as error:
        raise JournalDamaged(segment.first, segment.path, f"the seal cannot be read ({error})") from error
    return record["payload"] if record["kind"] == "sealed" else None


def made(found: Sequence[Segment], reason: str, sign: Sign | None) -> dict[str, Any]:
    """Return the seal over some segments; all but the last are sealed already.

    *Raises* JournalDamaged where the last does not begin with the seal over those before it.
    """
    last = found[-1]
    content = last.content()
    leaves = record_leaves(content)
    segment_root = merkle.root(leaves).hex()
    frontier: list[bytes] = []
    if len(found) > 1:
        before = seal_of(last)
        if before is None or before["segments"] != len(found) - 1:
            raise JournalDamaged(last.first, last.path, "it is not the seal over the segments before it")
        frontier = [bytes.fromhex(text) for text in before["frontier"]]
    frontier = merkle.grown(frontier, len(found) - 1, segment_leaf(last.name, len(leaves), segment_root))
    seal: dict[str, Any] = {
        "segment": last.name,
        "records": len(leaves),
        "segment_root": segment_root,
        "segments": len(found),
        "last": last.first + len(leaves) - 1,
        "last_digest": content[content.rfind(b"\n", 0, -1) + 1 :][:HASH].decode(),
        "root": merkle.frontier_root(frontier).hex(),
        "frontier": [part.hex() for part in frontier],
        "reason": reason,
        "public_key": None,
        "signature": None,
    }
    if sign is not None:
        seal["public_key"], seal["signature"] = sign(statement(seal))
    return seal
