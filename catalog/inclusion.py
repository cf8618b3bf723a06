"""A small proof that some records are in the journal: what a stranger needs to check them against a published root.

Made by `assets audit prove`; docs/journal.md shows the lines that check one. It must not know what the records mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import merkle
from .errors import CatalogError
from .seals import Seal, record_leaves, seal_of, segment_leaf
from .segments import HASH, TEXT, Segment, segments


def inclusion_proof(folder: Path, seqs: Sequence[int]) -> dict[str, Any]:
    """Return the proof that the records with these sequence numbers are under the newest seal.

    *Raises* CatalogError where one of them is not under a seal yet, or where its text was pruned; JournalDamaged.
    """
    try:
        return _proof(folder, seqs)
    except FileNotFoundError:  # a segment was replaced by a smaller form meanwhile
        return _proof(folder, seqs)


def _proof(folder: Path, seqs: Sequence[int]) -> dict[str, Any]:
    found = segments(folder)
    seal = seal_of(found[-1]) if found else None
    if seal is None or max(seqs) > seal["last"]:
        raise CatalogError(
            f"record {max(seqs)} is not under a seal yet", remedy="seal what is there: assets audit anchor"
        )
    leaves = [_leaf(before, after) for before, after in pairwise(found)]
    return {
        "records": [_record(found, leaves, seq) for seq in sorted(seqs)],
        "seal": {name: seal[name] for name in ("segments", "last", "last_digest", "root", "public_key", "signature")},
    }


def _leaf(segment: Segment, following: Segment) -> bytes:
    """Return the leaf of a segment in the tree of segments, from the seal that follows it."""
    seal: Seal | None = seal_of(following)
    if seal is None:
        raise CatalogError(f"{following.path} does not begin with a seal", remedy="run: assets audit verify")
    return segment_leaf(segment.name, seal["records"], seal["segment_root"])


def _record(found: Sequence[Segment], leaves: Sequence[bytes], seq: int) -> dict[str, Any]:
    number = max(index for index, segment in enumerate(found) if segment.first <= seq)
    segment = found[number]
    content = segment.content()
    lines = content.split(b"\n")
    line = lines[seq - segment.first]
    if len(line) <= TEXT:
        raise CatalogError(
            f"the text of record {seq} was pruned by retention", remedy="prove from a backup that still has it"
        )
    hashes = record_leaves(content)
    if seq > segment.first:
        previous = lines[seq - segment.first - 1][:HASH].decode()
    elif number:
        previous = found[number - 1].content().split(b"\n")[-2][:HASH].decode()
    else:
        previous = bytes(32).hex()
    return {
        "seq": seq,
        "previous": previous,
        "text": line[TEXT:].decode(),
        "path": _texts(merkle.path(hashes, seq - segment.first)),
        "segment": segment.name,
        "segment_records": len(hashes),
        "segment_path": _texts(merkle.path(leaves, number)),
    }


def _texts(path: Sequence[tuple[str, bytes]]) -> list[list[str]]:
    return [[side, neighbour.hex()] for side, neighbour in path]
