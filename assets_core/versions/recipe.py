"""The recipe of a cell: one digest of its code and of exactly what it reads, on arrays of cells.

Used by planning (all cells at once) and by a run (the cells that it is about to start): the same functions, so that
they cannot disagree. A digest is two 64-bit lanes; the lanes of a set of partitions are sums, wrapping, so that the
lanes of an interval are a difference of prefix sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import blake3
import numpy as np
import numpy.typing as npt

Lane = npt.NDArray[np.uint64]
Ordinals = npt.NDArray[np.int64]

_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)
_COUNT_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Lanes:
    """Two arrays of one length: 128 bits for each cell."""

    a: Lane
    b: Lane

    def __getitem__(self, index: Ordinals | slice) -> Lanes:
        return Lanes(self.a[index], self.b[index])

    def __len__(self) -> int:
        return len(self.a)

    def prefixes(self) -> Lanes:
        """Return the wrapping sums of the first 0, 1, 2... digests."""
        sums = zeros(len(self) + 1)
        np.cumsum(self.a, out=sums.a[1:])
        np.cumsum(self.b, out=sums.b[1:])
        return sums

    def differ(self, other: Lanes) -> npt.NDArray[np.bool_]:
        """Return for each cell whether the two digests differ."""
        different: npt.NDArray[np.bool_] = (self.a != other.a) | (self.b != other.b)
        return different

    def hexadecimal(self) -> list[str]:
        """Return each digest as 32 hexadecimal digits."""
        return [f"{a:016x}{b:016x}" for a, b in zip(self.a.tolist(), self.b.tolist(), strict=True)]


def zeros(count: int) -> Lanes:
    """Return digests of zero."""
    return Lanes(np.zeros(count, np.uint64), np.zeros(count, np.uint64))


def text_lanes(*parts: str) -> tuple[int, int]:
    """Return the two lanes of a digest of texts; parts cannot run into each other."""
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode()
        pieces += (len(data).to_bytes(8, "little"), data)
    digest = blake3.blake3(b"".join(pieces)).digest(16)
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def token(partition: str | None, version: str) -> tuple[int, int]:
    """Return the lanes by which one partition at one version enters the sum of what a cell reads."""
    return text_lanes("" if partition is None else f"@{partition}", version)


def lanes_text(lanes: tuple[int, int]) -> str:
    """Return a pair of lanes as 32 hexadecimal digits."""
    return f"{lanes[0]:016x}{lanes[1]:016x}"


def lanes_of(text: str) -> tuple[int, int]:
    """Return the lanes that 32 hexadecimal digits spell; the inverse of `lanes_text`."""
    return int(text[:16], 16), int(text[16:], 16)


def edge_digest(sums: Lanes, counts: Ordinals, name: str, upstream: str) -> Lanes:
    """Return the digest of one edge from the sums of the tokens that each cell reads and their number."""
    salt_a, salt_b = text_lanes("edge", name, upstream)
    number = counts.astype(np.uint64) * _COUNT_FACTOR
    return mixed(Lanes(sums.a + number + np.uint64(salt_a), sums.b + number + np.uint64(salt_b)))


def edge_digest_of_one(tokens: Lanes, salts: Lanes) -> Lanes:
    """Return the digests of edges that read one cell each; `salts`: `text_lanes("edge", name, upstream)` of each."""
    return mixed(Lanes(tokens.a + _COUNT_FACTOR + salts.a, tokens.b + _COUNT_FACTOR + salts.b))


def recipe(code: Lanes, edges: Sequence[Lanes]) -> Lanes:
    """Return the recipe of each cell from its code lanes and the digests of its edges (their order does not count)."""
    sums = zeros(len(code))
    for edge in edges:
        np.add(sums.a, edge.a, out=sums.a)
        np.add(sums.b, edge.b, out=sums.b)
    return recipe_of_sums(code, sums)


def recipe_of_sums(code: Lanes, edges: Lanes) -> Lanes:
    """Return the recipe of each cell from its code lanes and the sum of the digests of its edges."""
    return mixed(Lanes(code.a + edges.a, code.b + edges.b))


def full_lanes(lanes: tuple[int, int], count: int) -> Lanes:
    """Return one digest for each of `count` cells."""
    return Lanes(np.full(count, lanes[0], np.uint64), np.full(count, lanes[1], np.uint64))


def mixed(lanes: Lanes) -> Lanes:
    """Return both lanes of each digest scrambled, so that sums of them do not cancel out."""
    return Lanes(_mix(lanes.a), _mix(lanes.b))


def _mix(values: Lane) -> Lane:
    """Return each value scrambled by a bijection in which every bit depends on every bit.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    """
    values = (values ^ (values >> np.uint64(30))) * _FIRST_FACTOR
    values = (values ^ (values >> np.uint64(27))) * _SECOND_FACTOR
    return values ^ (values >> np.uint64(31))
