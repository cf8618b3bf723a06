"""What a backup consists of: its files with their digests, and the place in the journal up to which it is whole.

Written last by backup.py: a backup without it does not exist. Read by restore.py, and by the next backup.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from blake3 import blake3

from catalog.errors import JournalDamaged, disk_errors
from catalog.records import START, Tail
from catalog.segments import read_lines

from ..errors import AssetsError
from .destination import Destination

_FORMAT = 1
_NAME = re.compile(r"backup-[0-9]{20}\.json")
PARTIAL = ".json.partial"
AT_ONCE = 8
"""Files that are copied or read at the same time."""


class BackupDamaged(AssetsError):
    """What lies at a destination is not what was written there."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its `name` in the project's state folder, that by which it is `stored`, and what its bytes are."""

    name: str
    stored: str
    size: int
    blake3: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where the data lies that a backup speaks of and does not hold, and how many files of it were there then."""

    url: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup: of which project, up to which place of its journal, made by whom and when (UTC).

    `data`: where the data lies, if it is not part of the backup.
    """

    project: str
    place: Tail
    files: tuple[Entry, ...]
    product: str
    by: Mapping[str, Any]
    at: str
    data: Elsewhere | None = None

    @property
    def stem(self) -> str:
        """Return its name without an ending."""
        return f"backup-{self.place.seq:020}"

    @property
    def name(self) -> str:
        """Return the name under which it counts."""
        return f"{self.stem}.json"

    def to_bytes(self) -> bytes:
        document = {
            "format": _FORMAT,
            "project": self.project,
            "place": self.place._asdict() | {"digest": self.place.digest.hex()},
            "files": [asdict(entry) for entry in self.files],
            "product": self.product,
            "by": dict(self.by),
            "at": self.at,
        }
        if self.data is not None:
            document["data"] = asdict(self.data)
        return json.dumps(document | {"digest": _digest(document)}, ensure_ascii=False, indent=1).encode()


def manifests(there: Destination, sizes: Mapping[str, int]) -> Iterator[Manifest]:
    """Yield the backups at a destination, of which all files are given; the newest first.

    Raises: BackupDamaged.
    """
    for name in sorted(filter(_NAME.fullmatch, sizes), reverse=True):
        yield _read(there, name)


def _read(there: Destination, name: str) -> Manifest:
    try:
        document = json.loads(b"".join(there.read(name)))
        if document.pop("digest") != _digest(document):
            raise ValueError("its digest does not fit")
        if document["format"] != _FORMAT:
            raise ValueError(f"its form {document['format']} is not known to this version of assets-core")
        place, data = document["place"], document.get("data")
        return Manifest(
            document["project"],
            Tail(**place | {"digest": bytes.fromhex(place["digest"])}),
            tuple(_entry(**entry) for entry in document["files"]),
            document["product"],
            document["by"],
            document["at"],
            None if data is None else Elsewhere(**data),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupDamaged(
            f"{there}: {name} cannot be used: {error}",
            remedy="remove that file: an older backup then counts as the newest, and another one can be made",
        ) from error


def _entry(name: str, stored: str, size: int, blake3: str) -> Entry:
    for text in (name, stored):
        path = PurePosixPath(text)
        is_inside = not path.is_absolute() and ".." not in path.parts and "\0" not in text
        if not is_inside or path.parts[:1] not in (("journal",), ("data",)):
            raise ValueError(f"it lists {text!r}")
    return Entry(name, stored, int(size), blake3)


def _digest(document: Mapping[str, Any]) -> str:
    return blake3(json.dumps(document, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def fetch(there: Destination, manifest: Manifest, folder: Path, *, with_data: bool) -> None:
    """Read all files of a backup and prove each, and the journal's chain up to the end; keep them in a folder.

    Where not `with_data`, the data is read and proved, but not kept.

    *Raises* BackupDamaged.
    """

    def fetch_one(entry: Entry) -> None:
        if entry.name.startswith("data/") and not with_data:
            for _ in _proved(there, entry):
                pass
            return
        target = folder / entry.name
        with disk_errors(folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                file.writelines(_proved(there, entry))
                file.flush()
                os.fsync(file.fileno())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(fetch_one, manifest.files):
            pass
    end = START
    try:
        for line in read_lines(folder / "journal"):
            end = line.after
    except JournalDamaged as damage:
        raise _damaged(there, manifest.name, f"record {damage.seq} in {damage.file.name}: {damage.problem}") from damage
    if (end.seq, end.digest) != (manifest.place.seq, manifest.place.digest):
        raise _damaged(there, manifest.name, f"its journal ends with record {end.seq}, not {manifest.place.seq}")


def _proved(there: Destination, entry: Entry) -> Iterator[bytes]:
    """Yield the content of a file; raise BackupDamaged at its end where it is not what was written."""
    hasher, size = blake3(), 0
    for part in there.read(entry.stored):
        hasher.update(part)
        size += len(part)
        if size > entry.size:
            raise _damaged(there, entry.stored, f"more than {entry.size} bytes")
        yield part
    if (size, hasher.hexdigest()) != (entry.size, entry.blake3):
        what = f"{size} bytes with hash {hasher.hexdigest()[:12]} instead of {entry.size} with {entry.blake3[:12]}"
        raise _damaged(there, entry.stored, what)


def _damaged(there: Destination, name: str, what: str) -> BackupDamaged:
    return BackupDamaged(
        f"{there}: {name} is damaged: {what}",
        remedy="remove that file there and back up again from the project where it is intact: it is copied anew",
    )
