"""Addresses: which asset, which partition, which cell.

Used everywhere. Keys are plain text at run time and distinct types for the type checker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

from ..errors import SelectionError

AssetKey = NewType("AssetKey", str)
PartitionKey = NewType("PartitionKey", str)

_ASSET_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*)*")


def asset_key(text: str) -> AssetKey:
    """Return the asset key that a text spells.

    Raises: SelectionError where the text is not words of letters, digits and `_` joined by `/`.
    """
    if not _ASSET_KEY.fullmatch(text):
        raise SelectionError(
            f"{text!r} is not an asset key",
            remedy="write words of letters, digits and _ joined by /, for example finance/revenue",
        )
    return AssetKey(text)


@dataclass(frozen=True, slots=True)
class Cell:
    """One partition of one asset, written `asset@partition`; `asset` alone where it has no partitions.

    Cells sort by asset, then partition; the one without a partition, of an asset that once had none, comes first.
    """

    asset: AssetKey
    partition: PartitionKey | None = None

    def __str__(self) -> str:
        return self.asset if self.partition is None else f"{self.asset}@{self.partition}"

    def __lt__(self, other: Cell) -> bool:
        return (self.asset, self.partition or "") < (other.asset, other.partition or "")


def cell(text: str) -> Cell:
    """Return the cell that `asset@partition` or `asset` spells; the partition may hold any text, `@` too.

    Raises: SelectionError where the asset is not an asset key, or the partition is empty.
    """
    asset, at, partition = text.partition("@")
    if at and not partition:
        raise SelectionError(f"{text!r} names no partition", remedy=f"write {asset} alone, or a key behind the @")
    return Cell(asset_key(asset), PartitionKey(partition) if at else None)


def join_dimensions(keys: tuple[str, ...]) -> PartitionKey:
    r"""Return the key of a product's partition: the dimensions' keys joined by `|`, with `|` and `\` escaped by `\`."""
    return PartitionKey("|".join(key.replace("\\", "\\\\").replace("|", "\\|") for key in keys))


def split_dimensions(key: str) -> tuple[str, ...]:
    """Return the dimensions' keys of a product's partition key; the inverse of `join_dimensions`."""
    parts, part, escaped = [], [], False
    for letter in key:
        if escaped or letter not in "\\|":
            part.append(letter)
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            parts.append("".join(part))
            part = []
    return (*parts, "".join(part))
