"""Static partitions: a list of keys, of any text, that stands in the definition.

Ordinals are positions in the list.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .keyed import KeyedPartitions
from .port import PartitionsError


@dataclass(frozen=True)
class StaticPartitions(KeyedPartitions):
    """A fixed list of keys, of any text."""

    keys: tuple[str, ...]
    kind: ClassVar[str] = "static"

    def __init__(self, keys: Sequence[str]) -> None:
        # a set would order the keys, and with them the ordinals, anew in each process
        in_order = isinstance(keys, Sequence) and not isinstance(keys, str)
        if not in_order or not keys or not all(isinstance(key, str) and key for key in keys):
            raise PartitionsError(
                f"static partitions need a list of texts that are not empty, not {keys!r}",
                remedy='write StaticPartitions(["eu", "us"])',
            )
        object.__setattr__(self, "keys", tuple(keys))
        if twice := [key for key, count in Counter(keys).items() if count > 1]:
            raise PartitionsError(f"static partitions name {twice[0]!r} twice", remedy="name each key once")

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "keys": list(self.keys)}

    @functools.cached_property
    def _scheme(self) -> str:
        return f"static {hashlib.blake2b(json.dumps(self.keys).encode(), digest_size=8).hexdigest()}"

    @property
    def scheme(self) -> str:
        return self._scheme

    @property
    def window_rule(self) -> str:
        return self.kind
