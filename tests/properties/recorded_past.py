"""A catalog in dictionaries: all that was recorded of a random project, and the port of the past answered from it.

Used by `array_world.py`. It must not know what is fresh.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from naive_oracle import Cell, Made

from assets_core.model.code_part import CodePart
from assets_core.model.keys import AssetKey
from assets_core.planning.cells import Columns
from assets_core.versions.recipe import lanes_of


@dataclass(frozen=True)
class Entry:
    """A version of a cell that was published: `made` is what the oracle knows of it, the rest what a run records."""

    made: Made
    payload: Mapping[str, Any]
    inputs: Sequence[tuple[str, int, int, int]]
    reads: str | None
    as_of: int
    source_seq: int
    published_seq: int
    since: int
    made_us: int
    checks: str


@dataclass
class Recorded:
    """Everything that was recorded, and the port of the past answered from it."""

    seq: int = 0
    partitioned: frozenset[str] = frozenset()
    current: dict[Cell, Entry] = field(default_factory=dict)
    had: dict[Cell, list[Entry]] = field(default_factory=dict)
    observed: dict[Cell, tuple[str, int]] = field(default_factory=dict)
    declared: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    parts: dict[tuple[str, str], Sequence[CodePart]] = field(default_factory=dict)

    def next(self) -> int:
        self.seq += 1
        return self.seq

    def _rows(self, assets: Collection[AssetKey], rows: Any) -> dict[AssetKey, Columns]:
        """Return arrays of what `rows` gives for each current cell: a list of rows, each by name of the column."""
        found: dict[AssetKey, Columns] = {}
        for asset in assets:
            listed = [(cell[1], row) for cell, entry in self.current.items() if cell[0] == asset for row in rows(entry)]
            if listed:
                names = listed[0][1]
                columns: Columns = {name: np.array([row[name] for _, row in listed]) for name in names}
                keys = np.empty(len(listed), object)
                keys[:] = [key or "" for key, _ in listed]
                number = np.zeros(len(listed), np.int64)
                renumbered = np.array([asset in self.partitioned or key is not None for key, _ in listed], np.bool_)
                found[asset] = {
                    **columns,
                    "place": number,
                    "ordinal": number.copy(),
                    "partition": keys,
                    "is_renumbered": renumbered,
                }
        return found

    def details(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        def row(entry: Entry) -> list[dict[str, Any]]:
            names = ("version", "file", "rows", "bytes")
            return [
                {name: entry.payload[name] for name in names}
                | {
                    "signature": "",
                    "checks_version": entry.checks,
                    "source_seq": entry.source_seq,
                }
            ]

        return self._rows(assets, row)

    def recipes(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        def row(entry: Entry) -> list[dict[str, Any]]:
            if entry.payload["whole"] is None:
                return []
            a, b = lanes_of(entry.payload["recipe"])
            return [{"recipe_a": np.uint64(a), "recipe_b": np.uint64(b), "source_seq": entry.source_seq}]

        return self._rows(assets, row)

    def readings(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:
        found: dict[AssetKey, list[tuple[int, str | None]]] = {}
        for asset in assets:
            entries = {e.source_seq: e.reads for cell, had in self.had.items() if cell[0] == asset for e in had}
            for seq in sorted(entries):
                listed = found.setdefault(asset, [])
                if not listed or listed[-1][1] != entries[seq]:
                    listed.append((seq, entries[seq]))
        return found

    def inputs(self, assets: Collection[AssetKey]) -> tuple[Mapping[AssetKey, Columns], Sequence[str]]:
        names = sorted({name for entry in self.current.values() for name, *_ in entry.inputs})

        def rows(entry: Entry) -> list[dict[str, Any]]:
            return [
                {
                    "edge": names.index(name),
                    "first_ordinal": low,
                    "end_ordinal": high,
                    "digest": np.uint64(one),
                    "as_of": entry.as_of,
                    "seq": entry.source_seq,
                }
                for name, low, high, one in entry.inputs
            ]

        return self._rows(assets, rows), names

    def columns(self, assets: Collection[AssetKey]) -> tuple[Mapping[AssetKey, Columns], Sequence[tuple[str, str]]]:
        pairs = sorted({(name, kind) for entry in self.current.values() for name, kind, _ in entry.payload["columns"]})

        def rows(entry: Entry) -> list[dict[str, Any]]:
            return [
                {
                    "position": place,
                    "pair": pairs.index((name, kind)),
                    "digest_a": np.uint64(lanes_of(one)[0]),
                    "digest_b": np.uint64(lanes_of(one)[1]),
                }
                for place, (name, kind, one) in enumerate(entry.payload["columns"])
            ]

        return self._rows(assets, rows), pairs

    def since(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        return self._rows(assets, lambda entry: [{"since": entry.since}])

    def made_at(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        return self._rows(assets, lambda entry: [{"made_us": entry.made_us}])

    def rolled_back(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        def row(entry: Entry) -> list[dict[str, Any]]:
            return [{"seq": entry.published_seq, "reason": None}] if entry.made.rolled_back else []

        return self._rows(assets, row)

    def declarations(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:
        return {asset: self.declared[asset] for asset in assets if asset in self.declared}

    def file_digests(self, asset: AssetKey, versions: Collection[str]) -> Mapping[str, Sequence[str]]:  # noqa: ARG002
        return {}

    def changed_columns(self, asset: AssetKey, keys: Sequence[str | None], read_at: Sequence[int]) -> Sequence[str]:
        """Return the columns that differ between what was current as of some records and what is now."""
        found: set[str] = set()
        for key, seq in zip(keys, read_at, strict=True):
            had = [entry for entry in self.had.get((asset, key), ()) if entry.published_seq <= seq]
            then = [] if not had else had[-1].payload["columns"]
            now = [] if (asset, key) not in self.current else self.current[asset, key].payload["columns"]
            found |= {name for name, *_ in [*(c for c in then if c not in now), *(c for c in now if c not in then)]}
        return sorted(found)

    def code_versions(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[str]]:
        return {asset: [version for key, version in self.parts if key == asset] for asset in assets}

    def code_parts(self, versions: Collection[tuple[AssetKey, str]]) -> Mapping[Any, Sequence[CodePart]]:
        return {(asset, version): self.parts[asset, version] for asset, version in versions}
