"""Which named step of the product does a call belong to?

Used by the crash matrix, to be sure that a fault was tried at every step. A call that fits no rule has no step, and
that fails the test: whoever adds a file to `.assets` adds its rule here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from failing_io import Call

RULES = tuple(
    (step, calls, path)
    for step, calls, path in (
        ("folder: make", "mkdir|fsync", ""),
        ("folder: make", "create|open|write", r"\.gitignore"),
        ("lease: take", "mkdir|create|open|pwrite", "runs(/.*)?"),
        ("lease: give back", "unlink", "runs/.*"),
        ("definitions: note", "create|open|write|rename|unlink", r"definitions(-code)?\.\d+\.new"),
        ("outputs: note", "create|open|write|rename|unlink", r"outputs\.\d+\.new"),
        ("index lock: open", "create|open", r"catalog\.lock(\.turn)?"),
        ("journal: open", "mkdir|create|open", r"journal|journal/lock"),
        ("witness: note the end", "pwrite", "journal/lock"),
        ("journal: open", "open", r"journal/\d+\.jsonl"),
        ("journal: new segment", "create", r"journal/\d+\.jsonl"),
        ("journal: new segment", "fsync", "journal"),
        ("journal: cut an incomplete line", "ftruncate", r"journal/\d+\.jsonl"),
        ("journal: write group", "write", r"journal/\d+\.jsonl"),
        ("journal: fsync", "fsync", r"journal/\d+\.jsonl"),
        ("compaction: take turns", "create|open", r"journal/compaction\.lock(\.turn)?"),
        ("compaction: write draft", "create|open|write|fsync", r"journal/\d+(\.pruned)?\.jsonl\.gz\.new"),
        ("compaction: rename into place", "rename", r"journal/\d+(\.pruned)?\.jsonl\.gz\.new"),
        ("compaction: remove what was replaced", "unlink", r"journal/\d+\.jsonl(\.gz)?"),
        ("index: remove", "unlink", r"catalog\.duckdb"),
        ("collection: remove file", "unlink", r"data/.*\.parquet"),
        ("data: prepare staging", "rmdir|unlink|mkdir", "staging(/.*)?"),
        ("data: write staging", "create|open|write", r"staging/.*\.parquet"),
        ("data: fsync staging", "fsync", r"staging/.*\.parquet"),
        ("data: rename into place", "rename", r"staging/.*\.parquet"),
        ("data: make folder", "mkdir", "data(/.*)?"),
        ("data: fsync folder", "fsync", "data(/.*)?"),
        ("index draft: remove", "unlink", r"catalog\.duckdb\.new\.\d+(\.wal)?"),
        ("index draft: write", "create|open|p?write|ftruncate", r"catalog\.duckdb\.new\.\d+(\.wal)?"),
        ("index draft: fsync", "fdatasync", r"catalog\.duckdb\.new\.\d+(\.wal)?"),
        ("index: rename into place", "rename", r"catalog\.duckdb\.new\.\d+"),
        ("index: write", "create|open|pwrite|ftruncate", r"catalog\.duckdb"),
        ("index: fsync", "fdatasync", r"catalog\.duckdb"),
        ("index: write write-ahead log", "create|open|write|ftruncate", r"catalog\.duckdb\.wal"),
        ("index: fsync write-ahead log", "fdatasync", r"catalog\.duckdb\.wal"),
        ("index: remove write-ahead log", "unlink", r"catalog\.duckdb\.wal"),
        ("stamp: write", "create|open|write|unlink", r"catalog\.stamp"),
        ("lineage: write", "mkdir", "lineage"),
        ("lineage: write", "create|open|write", r"lineage/events\.jsonl"),
    )
)

AREAS = (
    ".assets/lineage",
    ".assets/catalog.",
    ".assets/journal",
    ".assets/runs",
    ".assets/staging",
    ".assets/data",
    "",
)
"""Beginnings of paths. Calls are counted in one area, for threads work side by side, but in each area it is one."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A call with its step, and its number among the calls of its area."""

    step: str
    area: str
    at: int
    call: Call


def step_of(call: Call, folder: Path) -> str:
    """Return the name of the step that a call belongs to."""
    state = folder / ".assets"
    path = "" if call.path == str(state) else call.path.removeprefix(f"{state}/")
    for step, calls, paths in RULES:
        if re.fullmatch(calls, call.name) and re.fullmatch(paths, path):
            return step
    return f"without a name: {call.name} {path}"


def placed(calls: Iterable[Call], folder: Path) -> list[Placed]:
    """Return calls with their steps."""
    counts = dict.fromkeys(AREAS, 0)
    found = []
    for call in calls:
        names = [name.removeprefix(f"{folder}/") for name in (call.path, call.other) if name is not None]
        for area in AREAS:
            counts[area] += any(name.startswith(area) for name in names)
        area = next(area for area in AREAS if names[0].startswith(area))
        found.append(Placed(step_of(call, folder), area, counts[area], call))
    return found
