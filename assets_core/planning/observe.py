"""Observe external assets: which version of each source is there now.

Used before a plan is made and by a run, which records what it saw. A file's version is its content; a file whose
size, times and inode are those recorded is not read again, unless it was so young when it was recorded that a later
change could hide.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import blake3

from ..errors import StepError, UserError
from ..model.asset import Asset
from ..model.keys import AssetKey, Cell, PartitionKey, split_dimensions
from ..model.partitions import ProductPartitions
from ..versions.recipe import token
from .cells import NOT_RECORDED
from .state import AssetState, Details
from .world import World

_SETTLED_NANOSECONDS = 2_000_000_000
_CHUNK_BYTES = 1 << 20

VersionFunctions = Mapping[AssetKey, Callable[..., object] | None]


@dataclass(frozen=True, slots=True)
class Observation:
    """A version of one external cell that differs from the recorded one (or a signature that does)."""

    asset: AssetKey
    partition: PartitionKey | None
    ordinal: int
    version: str
    token: tuple[int, int]
    signature: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A text by which an unchanged source is known again without reading it.

    `settled`: the source is old enough that a later change cannot hide behind equal times.
    """

    text: str
    settled: bool


_NONE = Signature("", True)


def observe(world: World, root: Path, functions: Callable[[], VersionFunctions]) -> list[Observation]:
    """Bring the external assets of a world up to date with their sources; return what is not recorded yet.

    `functions` gives the version functions of the project; it is called only where an asset has one.
    """
    changed: list[Observation] = []
    external = [asset for asset in world.graph.assets.values() if asset.is_external]
    world.require_details(asset.key for asset in external)
    for asset in external:
        version = None if asset.path is not None else functions()[asset.key]
        changed.extend(_observe_asset(world.states[asset.key], world.details(asset.key), root, version, world.now))
    return changed


def _observe_asset(
    state: AssetState, details: Details, root: Path, function: Callable[..., object] | None, now: datetime
) -> Iterator[Observation]:
    for position, ordinal in enumerate(state.ordinals.tolist()):
        recorded = details.version[position], details.signature[position] or ""
        if function is None:
            version, signature = _path_version(state.asset, state.key(ordinal), root, recorded, now)
        else:
            version, signature = _function_version(state, ordinal, function), _NONE
        state.cells.present[position] = version is not None
        if version is None:  # what was made from it is not what would be made now
            details.version[position] = None
            state.cells.position[position] = NOT_RECORDED
            state.cells.token.a[position] = state.cells.token.b[position] = 0
            continue
        details.signature[position] = signature.text
        to_record = signature.text if signature.settled else ""
        if (version, to_record) == recorded:
            continue
        lanes = token(state.key(ordinal), version)
        details.version[position] = version
        state.cells.position[position] = NOT_RECORDED
        state.cells.token.a[position], state.cells.token.b[position] = lanes
        yield Observation(state.asset.key, state.key(ordinal), ordinal, version, lanes, to_record)


def _path_version(
    asset: Asset, partition: PartitionKey | None, root: Path, recorded: tuple[str | None, str], now: datetime
) -> tuple[str | None, Signature]:
    path = source_path(asset, partition, root)
    try:
        signature = path_signature(path, asset.code_version, now)
        if recorded[0] is not None and signature.text == recorded[1]:
            return recorded[0], signature
        return _with_reader(content_version(path), asset), signature
    except (FileNotFoundError, NotADirectoryError):
        return None, _NONE
    except OSError as error:
        raise StepError(
            f"the source of {Cell(asset.key, partition)} cannot be read: {error}",
            remedy=f"make {path} readable, or correct the path of {asset.key} ({asset.place})",
        ) from error


def _function_version(state: AssetState, ordinal: int, function: Callable[..., object]) -> str | None:
    asset = state.asset
    arguments = () if asset.partitions is None else (asset.partitions.partition(ordinal),)
    try:
        with redirect_stdout(sys.stderr):  # stdout is for facts, not for what a function prints
            version = function(*arguments)
    except (Exception, SystemExit) as error:
        raise StepError(
            f"the version of {state.cell(ordinal)} could not be asked: {type(error).__name__}: {error}",
            remedy=f"correct the version function of {asset.key} ({asset.place}), or make its source reachable",
        ) from error
    if version is None:
        return None
    if not isinstance(version, str) or not version:
        raise UserError(
            f"the version function of {asset.key} ({asset.place}) returned {version!r} for {state.cell(ordinal)}",
            remedy="return a text that changes with the data, or None while there is no data",
        )
    return _with_reader(version, asset)


def _with_reader(version: str, asset: Asset) -> str:
    """Return a version that also changes with the code that reads the source."""
    return blake3.blake3(f"{asset.code_version} {version}".encode()).hexdigest()


def source_path(asset: Asset, partition: PartitionKey | None, root: Path) -> Path:
    """Return the file or folder of an external cell.

    Raises: UserError where a partition key cannot be part of a path.
    """
    assert asset.path is not None  # noqa: S101  # callers ask for path assets only
    if partition is None:
        return root / asset.path
    parts: dict[str, str] = {"partition": partition}
    if isinstance(asset.partitions, ProductPartitions):
        names = [name for name, _ in asset.partitions.dimensions]
        parts |= dict(zip(names, split_dimensions(partition), strict=True))
    if any(_leaves_its_place(part) for part in parts.values()):
        raise UserError(
            f"partition key {partition!r} of {asset.key} cannot be part of a path",
            remedy="use keys without /, \\ and .., or give version= and read= functions instead of a path",
        )
    return root / asset.path.format_map(parts)


def _leaves_its_place(part: str) -> bool:
    return part in (".", "..") or any(letter in part for letter in "/\\\0")


def _files(path: Path) -> Iterable[tuple[str, Path]]:
    """Return the files that make a source, by relative name: itself, or everything in the folder."""
    if not path.is_dir():
        return [("", path)]
    found: list[tuple[str, Path]] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        seen.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(folder, name)) not in seen]
        found.extend((Path(folder, name).relative_to(path).as_posix(), Path(folder, name)) for name in names)
    return sorted(found)


def path_signature(path: Path, reader: str, now: datetime) -> Signature:
    """Return the signature of a source that is read by the code of version `reader`.

    Raises: FileNotFoundError.
    """
    hasher = blake3.blake3(reader.encode())
    newest = 0
    for name, file in _files(path):
        stat = file.stat()
        newest = max(newest, stat.st_mtime_ns, stat.st_ctime_ns)
        hasher.update(f"{name}\0{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}\0".encode())
    return Signature(hasher.hexdigest(16), int(now.timestamp() * 1e9) - newest > _SETTLED_NANOSECONDS)


def content_version(path: Path) -> str:
    """Return the digest of a file's content, or of a folder's names and contents.

    Raises: FileNotFoundError.
    """
    whole = blake3.blake3()
    for name, file in _files(path):
        content = blake3.blake3()
        with open(file, "rb", buffering=0) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                content.update(chunk)
        whole.update(name.encode() + b"\0" + content.digest())
    return whole.hexdigest()
