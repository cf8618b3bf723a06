"""Prove the journal: its chain, its seals and their signatures, what was pruned, anchors that a witness kept.

Called by `assets audit verify`, which adds the index and the files. It reads every record once and changes nothing; it
must not know DuckDB nor what a payload of a fact means.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import head, merkle
from .errors import JournalDamaged
from .records import START, Line, Tail
from .seals import Seal, segment_leaf, statement
from .segments import read_lines, refuse_loss, segment_name
from .signing import is_signed

Anchor = Mapping[str, Any]
"""What `assets audit anchor` printed: `segments`, `last`, `root`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written. `seq` is the record it begins with, where it is one of the journal."""

    what: str
    file: Path | str
    seq: int | None = None

    def __str__(self) -> str:
        return f"{self.file}: {self.what}" if self.seq is None else f"record {self.seq} in {self.file}: {self.what}"


@dataclass(slots=True)
class Proof:
    """What was proved of a journal, and what is wrong with it.

    `records`: how many are intact, from the first on. `sealed`, `signed`: the last record under a seal, under a
    signature that may be trusted. `pruned`: how many texts retention dropped; `dropped`: the records that say so, each
    with how many. `losses`: what an operator accepted as
    lost. `notes`: what is worth knowing and no damage.
    """

    records: int = 0
    segments: int = 0
    seals: int = 0
    sealed: int = 0
    signed: int = 0
    pruned: int = 0
    root: str | None = None
    keys: set[str] = field(default_factory=set)
    dropped: list[tuple[int, int]] = field(default_factory=list)
    losses: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Segment:
    """One segment while it is read."""

    name: str
    first: int
    seal: Seal | None = None
    leaves: list[bytes] = field(default_factory=list)
    pruned: int = 0
    last_digest: str = ""


def prove(
    folder: Path, *, trusted_keys: Sequence[str] = (), anchors: Iterable[Anchor] = (), known: Tail | None = None
) -> Proof:
    """Prove a journal. `trusted_keys`: who may sign, as hex digits (empty: anybody). `known`: the last record that
    another witness, as the index, knows of."""
    proof = Proof()
    closed: list[_Segment] = []
    stated: dict[str, int] = {}
    end = START
    witness = head.read(folder)
    try:
        for line in read_lines(folder):
            if line.segment != end.segment:
                closed.append(_Segment(line.segment, line.seq))
            _take(line, closed[-1], proof, stated)
            end = line.after
    except JournalDamaged as damage:
        proof.problems.append(Problem(damage.problem, damage.file, damage.seq))
    else:
        for noted in (witness, known):
            try:
                if noted is not None:
                    refuse_loss(folder, end, noted)
            except JournalDamaged as damage:
                proof.problems.append(Problem(damage.problem, damage.file, damage.seq))
    proof.records, proof.segments = end.seq, len(closed)
    _note_witness(folder, witness, end, proof)
    _prove_seals(folder, closed, trusted_keys, proof)
    _prove_pruning(folder, closed, stated, trusted_keys, proof)
    for anchor in anchors:
        _prove_anchor(folder, closed, anchor, proof)
    return proof


def _take(line: Line, segment: _Segment, proof: Proof, stated: dict[str, int]) -> None:
    segment.leaves.append(merkle.leaf(line.digest))
    segment.last_digest = line.digest.hex()
    if not line.kind:
        segment.pruned += 1
        proof.pruned += 1
    elif line.kind == "sealed" and line.seq == segment.first:
        segment.seal = json.loads(line.text)["payload"]
    elif line.kind == "pruned":
        dropped = {name: dropped for name, _, dropped in json.loads(line.text)["payload"]["segments"]}
        proof.dropped.append((line.seq, sum(dropped.values())))
        stated.update(dropped)
    elif line.kind == "loss_accepted":
        proof.losses.append(json.loads(line.text)["payload"])


def _note_witness(folder: Path, witness: Tail | None, end: Tail, proof: Proof) -> None:
    if proof.problems or end.seq == 0:
        return
    if witness is None:
        proof.notes.append(
            f"{folder / head.NAME}: the note of the journal's end cannot be read; the next append renews it"
        )
    elif witness.seq < end.seq:
        proof.notes.append(
            f"{folder / head.NAME}: it notes record {witness.seq} as the last, not {end.seq}: a writer was stopped in"
            " between, or an older note was put back; the next append renews it"
        )


def _prove_seals(folder: Path, read: Sequence[_Segment], trusted_keys: Sequence[str], proof: Proof) -> None:
    """Compare each seal with what it was made over: the segments before it."""
    frontier: list[bytes] = []
    for number, (sealed, holder) in enumerate(pairwise(read)):
        segment_root = merkle.root(sealed.leaves).hex()
        leaf = segment_leaf(sealed.name, len(sealed.leaves), segment_root)
        frontier = merkle.grown(frontier, number, leaf)
        expected = {
            "segment": sealed.name,
            "records": len(sealed.leaves),
            "segment_root": segment_root,
            "segments": number + 1,
            "last": holder.first - 1,
            "last_digest": sealed.last_digest,
            "root": merkle.frontier_root(frontier).hex(),
            "frontier": [part.hex() for part in frontier],
        }
        seal, place = holder.seal, (folder / holder.name, holder.first)
        if seal is None:
            proof.problems.append(Problem("the seal over the segments before it is missing", *place))
            continue
        wrong = [name for name, value in expected.items() if seal.get(name) != value]
        if wrong:
            proof.problems.append(Problem(f"the seal states another {', '.join(wrong)} than the records give", *place))
            continue
        proof.seals, proof.sealed, proof.root = proof.seals + 1, holder.first - 1, seal["root"]
        key, signature = seal.get("public_key"), seal.get("signature")
        if signature is None:
            continue
        if not is_signed(str(key), str(signature), statement(seal)):
            proof.problems.append(Problem(f"the signature by {key} is not one of this seal", *place))
        elif trusted_keys and key not in trusted_keys:
            proof.problems.append(Problem(f"the seal is signed by {key}, which is not trusted", *place))
        else:
            proof.signed = holder.first - 1
            proof.keys.add(str(key))
    if trusted_keys and proof.records and not proof.signed:
        proof.problems.append(Problem("no seal is signed by a trusted key", folder))
    elif trusted_keys and proof.signed < proof.records:
        proof.notes.append(f"records from {proof.signed + 1} on are under no trusted signature yet")


def _prove_pruning(
    folder: Path, read: Sequence[_Segment], stated: Mapping[str, int], trusted_keys: Sequence[str], proof: Proof
) -> None:
    """Require that texts are missing only where a record says that they were dropped.

    Hashes alone cannot tell whether what was dropped was needed: so who dropped it is told, and must be vouched for.
    """
    for seq, count in proof.dropped:
        proof.notes.append(
            f"record {seq} tells that {count} texts of old records were dropped; who did it stands there"
        )
        if trusted_keys and seq > proof.signed:
            what = (
                "texts were dropped, and no trusted signature is over the record that says so: anchor, if it is right"
            )
            proof.problems.append(Problem(what, folder, seq))
    for segment in read:
        if segment.pruned > stated.get(segment.name, 0):
            what = f"{segment.pruned} texts are missing, {stated.get(segment.name, 0)} were pruned"
            proof.problems.append(Problem(what, folder / segment.name, segment.first))


def _prove_anchor(folder: Path, read: Sequence[_Segment], anchor: Anchor, proof: Proof) -> None:
    """Require that the journal still begins with what an anchor was taken of."""
    count = anchor["segments"]
    closed = read[:-1]
    if len(closed) < count:
        what = (
            f"an anchor was taken when {count} segments, up to record {anchor['last']}, were sealed; {len(closed)} are:"
            " the journal was cut, or an older copy was put in its place"
        )
        proof.problems.append(Problem(what, folder))
        return
    leaves = [
        segment_leaf(segment.name, len(segment.leaves), merkle.root(segment.leaves).hex()) for segment in closed[:count]
    ]
    if merkle.root(leaves).hex() != anchor["root"]:
        what = f"the records up to {anchor['last']} are not those of the anchor with root {anchor['root'][:16]}"
        proof.problems.append(Problem(what, folder / segment_name(1), 1))
