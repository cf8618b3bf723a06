"""Look at what was published: files that are gone or changed from outside, versions that are older than they may be.

Used before a plan is made. A folder whose files are those of the last look, by their signs, is not looked into again. A
file whose sign does not say that it is the one that was published is read: its bytes decide, or else its content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from ..io.data_folder import DataFolder, Sign, Signs
from ..io.notes import write_note
from ..model.keys import AssetKey
from ..versions.recipe import Ordinals
from .state import AssetState
from .world import World

_AT_ONCE = 8
"""Files that are read at the same time."""


def expire(world: World) -> None:
    """Flag the cells of assets with an age limit that were published longer ago than that."""
    limits = {
        key: limit for key, asset in world.graph.assets.items() if (limit := asset.expires_after_seconds) is not None
    }
    now_us = int(world.now.timestamp() * 1e6)
    for key, made_us in world.made_us(list(limits)).items():
        cells = world.states[key].cells
        np.logical_and(cells.present, now_us - made_us > limits[key] * 1_000_000, out=cells.expired)


def look_at_files(world: World, data: DataFolder, notes: Path) -> None:
    """Flag the cells whose file is not what was published; `notes`: what was found to be in order at the last look."""
    known = _read(notes)
    seen: dict[str, Any] = {}
    moved: dict[AssetKey, Signs] = {}
    published = [
        key
        for key, asset in world.graph.assets.items()
        if not asset.is_external and world.states[key].cells.present.any()
    ]
    signs_in = data.glance({key: int(world.states[key].cells.present.sum()) for key in published})
    written = data.written()
    for key in published:
        files = signs_in(key)
        stamp = _stamp(world.states[key], files)
        note = known.get(key)
        if note is None or note["stamp"] != stamp:
            note = {"stamp": stamp, "read": {} if note is None else dict(note["read"])}
            moved[key] = files
        seen[key] = note
    for file, sign in written.items():
        if (asset := file.rpartition("/")[0]) in moved:
            seen[AssetKey(asset)]["read"][file] = sign
    world.require_details(moved)
    for key, made_us in world.made_us(list(moved)).items():
        if not _compare(world, world.states[key], data, moved[key], made_us, seen[key]["read"]):
            seen[key]["stamp"] = ""  # to be looked at again as long as something is wrong
    if seen != known:
        with suppress(OSError):
            write_note(notes, json.dumps(seen))
            data.noted()


def _stamp(state: AssetState, files: Signs) -> str:
    cells = state.cells
    parts = [f"{int(cells.present.sum())} {int(cells.position.max())}"]
    parts += sorted(f"{name} {sign}" for name, sign in files.items())
    return blake3("\n".join(parts).encode()).hexdigest(16)


def _compare(
    world: World,
    state: AssetState,
    data: DataFolder,
    files: Signs,
    made_us: Ordinals,
    read: dict[str, Sign],
) -> bool:
    """Flag the cells of an asset whose file is not in order; return whether all are. `read`: files that were read, or
    written, and right, as they were then; more are added."""
    key = state.asset.key
    details = world.details(key)
    verdicts: dict[str, bool] = {}
    touched: dict[str, tuple[str, Sign]] = {}
    present = [at for at in np.flatnonzero(state.cells.present).tolist() if details.file[at] is not None]
    elsewhere = [file for at in present if (file := details.file[at]).rpartition("/")[0] != key]
    others = dict(zip(elsewhere, data.stats(elsewhere), strict=True))
    signs: dict[str, Sign] = {f"{key}/{name}": sign for name, sign in files.items()}
    signs |= {file: stat.sign for file, stat in others.items() if stat is not None}
    for position in present:
        file = details.file[position]
        sign = signs.get(file)
        if sign is None:
            verdicts[file] = False
        elif data.is_as_written(sign, details.size_bytes[position], made_us[position]):
            continue
        elif read.get(file) != sign:
            touched[file] = details.version[position], sign
    digests = world.past.file_digests(key, {version for version, _ in touched.values()}) if touched else {}

    def look(file: str) -> bool:
        version = touched[file][0]
        return data.wrong_with(file, version, digests.get(version, ())) is None

    if touched:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for (file, (_, sign)), is_right in zip(touched.items(), pool.map(look, touched), strict=True):
                verdicts[file] = is_right
                if is_right:
                    read[file] = sign
    for position in present:
        state.cells.drifted[position] = not verdicts.get(details.file[position], True)
    for file in [file for file, sign in read.items() if signs.get(file) != sign]:
        del read[file]
    return not state.cells.drifted.any()


def _read(notes: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(notes.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and all(map(_is_note, found.values())) else {}


def _is_note(found: object) -> bool:
    return isinstance(found, dict) and isinstance(found.get("stamp"), str) and isinstance(found.get("read"), dict)
