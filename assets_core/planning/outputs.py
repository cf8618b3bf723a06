"""Look at what was published: files that are gone or changed from outside, versions that are older than they may be.

Used before a plan is made. A folder whose files are those of the last look (names, sizes, times and inodes) is not
looked into again. A file that was touched after it was published is read: its bytes decide, or else its content.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from ..io.notes import write_note
from ..model.keys import AssetKey
from ..versions.recipe import Ordinals
from .state import AssetState
from .world import World

_Files = dict[str, list[int]]
"""Size, times of change (content, inode) in nanoseconds and inode of the files in a folder, by name."""


def expire(world: World) -> None:
    """Flag the cells of assets with an age limit that were published longer ago than that."""
    limits = {
        key: limit for key, asset in world.graph.assets.items() if (limit := asset.expires_after_seconds) is not None
    }
    now_us = int(world.now.timestamp() * 1e6)
    for key, made_us in world.made_us(list(limits)).items():
        cells = world.states[key].cells
        np.logical_and(cells.present, now_us - made_us > limits[key] * 1_000_000, out=cells.expired)


def look_at_files(world: World, data_folder: Path, notes: Path) -> None:
    """Flag the cells whose file is not what was published; `notes`: what was found to be in order at the last look."""
    known = _read(notes)
    seen: dict[str, Any] = {}
    moved: dict[AssetKey, _Files] = {}
    for key, asset in world.graph.assets.items():
        state = world.states[key]
        if asset.is_external or not state.cells.present.any():
            continue
        files = _files_in(data_folder / key)
        stamp = _stamp(state, files)
        note = known.get(key)
        if note is None or note["stamp"] != stamp:
            note = {"stamp": stamp, "read": {} if note is None else note["read"]}
            moved[key] = files
        seen[key] = note
    world.require_details(moved)
    for key, made_us in world.made_us(list(moved)).items():
        if not _compare(world, world.states[key], data_folder, moved[key], made_us, seen[key]["read"]):
            seen[key]["stamp"] = ""  # to be looked at again as long as something is wrong
    if seen != known:
        with suppress(OSError):
            write_note(notes, json.dumps(seen))


def _files_in(folder: Path) -> _Files:
    try:
        with os.scandir(folder) as entries:
            stats = {entry.name: entry.stat() for entry in entries if entry.name.endswith(".parquet")}
    except FileNotFoundError:
        return {}
    return {name: [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino] for name, s in stats.items()}


def _stamp(state: AssetState, files: _Files) -> str:
    cells = state.cells
    parts = [f"{int(cells.present.sum())} {int(cells.position.max())}"]
    parts += sorted(
        f"{name} {size} {changed} {touched} {inode}" for name, (size, changed, touched, inode) in files.items()
    )
    return blake3("\n".join(parts).encode()).hexdigest(16)


def _compare(
    world: World,
    state: AssetState,
    data_folder: Path,
    files: _Files,
    made_us: Ordinals,
    read: dict[str, list[int]],
) -> bool:
    """Flag the cells of an asset whose file is not in order; return whether all are. `read`: files that were read
    and right, as they were then; more are added."""
    key = state.asset.key
    details = world.details(key)
    verdicts: dict[str, bool] = {}
    touched: dict[str, tuple[str, list[int]]] = {}
    present = [at for at in np.flatnonzero(state.cells.present).tolist() if details.file[at] is not None]
    for position in present:
        file = details.file[position]
        folder, _, name = file.rpartition("/")
        stat = files.get(name) if folder == key else _stat(data_folder / file)
        touched_ns = 0 if stat is None else max(stat[1], stat[2])
        if stat is None:
            verdicts[file] = False
        elif stat[0] == details.size_bytes[position] and touched_ns <= made_us[position] * 1_000:
            continue
        elif read.get(file) != stat:
            touched[file] = details.version[position], stat
    digests = world.past.file_digests(key, {version for version, _ in touched.values()}) if touched else {}
    for file, (version, stat) in touched.items():
        verdicts[file] = _is_right(data_folder / file, version, digests.get(version, ()))
        if verdicts[file]:
            read[file] = stat
    for position in present:
        state.cells.drifted[position] = not verdicts.get(details.file[position], True)
    for file in read.keys() - {file for file in details.file.tolist() if file is not None}:
        del read[file]
    return not state.cells.drifted.any()


def _stat(path: Path) -> list[int] | None:
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _is_right(path: Path, version: str, digests: Sequence[str]) -> bool:
    from ..io.parquet_store import wrong_with  # the data libraries are seldom needed here

    return wrong_with(path, version, digests) is None


def _read(notes: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(notes.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and all(map(_is_note, found.values())) else {}


def _is_note(found: object) -> bool:
    return isinstance(found, dict) and isinstance(found.get("stamp"), str) and isinstance(found.get("read"), dict)
