"""Merkle trees of the shape of RFC 6962, with BLAKE3: roots, frontiers, paths.

Used by the seals and the proofs; the lines that check a path stand in docs/journal.md. It must not know what
the leaves stand for.
"""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

Frontier = list[bytes]
"""The roots of the perfect subtrees that a tree of n leaves consists of, the largest first: one for each 1 bit of n."""


def leaf(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return blake3(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return blake3(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of at least one leaf. *Source* RFC 6962, section 2.1."""
    level = list(leaves)
    while len(level) > 1:
        pairs = [node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]  # an odd last one goes up as it is: the same tree as the RFC's
    return level[0]


def grown(frontier: Sequence[bytes], count: int, added: bytes) -> Frontier:
    """Return the frontier of a tree of `count` leaves after the hash of one more leaf."""
    kept = list(frontier)
    while count & 1:
        added = node(kept.pop(), added)
        count >>= 1
    return [*kept, added]


def frontier_root(frontier: Sequence[bytes]) -> bytes:
    """Return the root of the tree that a frontier describes."""
    *rest, found = frontier
    for left in reversed(rest):
        found = node(left, found)
    return found


def path(leaves: Sequence[bytes], index: int) -> list[tuple[str, bytes]]:
    """Return what proves that the leaf at `index` is in the tree: neighbours from the leaf up, and on which side."""
    steps: list[tuple[str, bytes]] = []
    level = list(leaves)
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            steps.append(("left" if neighbour < index else "right", level[neighbour]))
        pairs = [node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
        index >>= 1
    return steps
