"""Back up: copy a project's journal up to a place, and the files that it speaks of, while runs go on.

Called by `assets catalog backup`. Data files are immutable: what an earlier backup copied is not copied again. A backup
counts when its manifest is there, which is written last, after all that it lists was read back and proved. Data that
`[storage]` keeps elsewhere is not copied: the manifest says where it lies, and that all of it was there.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

from blake3 import blake3

from catalog.apply import position_of
from catalog.compaction import unchanging
from catalog.errors import disk_errors
from catalog.locks import in_turn
from catalog.queries import load as query
from catalog.records import Tail
from catalog.segments import HASH, segments, tail
from catalog.session import Catalog

from ..errors import AssetsError, UserError
from ..execution.actor import session
from ..execution.lease import Lease
from ..io.parquet_store import wrong_with
from ..project import Project
from ..version import __version__
from .destination import Destination
from .manifest import AT_ONCE, PARTIAL, Elsewhere, Entry, Manifest, fetch, manifests

_FILE_DIGEST = 32
"""Hex digits of a digest that are recorded of a file's bytes: the first ones of the whole."""
_ACTOR = ("user", "identity", "on_behalf_of", "host")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that counts: its manifest, what was copied this time, and files of old versions that are gone here."""

    manifest: Manifest
    copied: int
    copied_bytes: int
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file to be backed up: where it is, its name in the project's state folder, the version that it must have.

    `digests`: of the bytes that it was written with.
    """

    source: Path
    name: str
    version: str | None = None
    is_current: bool = True
    digests: Sequence[str] = ()


def back_up(project: Project, there: Destination, now: datetime) -> Backup:
    """Copy what is recorded and published now; return once it was read back from there and proved.

    *Raises* CatalogBusy, JournalDamaged, UserError, BackupDamaged, AssetsError.
    """
    if tail(project.state / "journal").seq == 0:
        raise UserError(f"{project.root} has nothing to back up yet", remedy="materialize something first")
    name = str(uuid.uuid4())
    scratch = project.state / "staging" / name  # who collects files removes it, should this process be killed
    # All that the journal speaks of is read: as of its beginning, so nothing is collected meanwhile.
    with in_turn(project.state / "backup.lock", exclusive=True), Lease(project.state / "readers", name, 0):
        try:
            return _back_up(project, there, scratch, now)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _back_up(project: Project, there: Destination, scratch: Path, now: datetime) -> Backup:
    sizes = there.sizes()
    for left in [name for name in sizes if name.endswith(PARTIAL)]:
        there.remove(left)
    known = _Known(there, sizes)
    with unchanging(project.state / "journal"):  # or else it may lose texts of which no record up to the place tells
        place, data, elsewhere, gone_there = _published(project)
        if known.newest is not None:
            _require_same_journal(project.state / "journal", there, known.newest.place, place)
        journal = [_stored(one, None, known) for one in _journal(project.state / "journal", place, scratch)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [*journal, *pool.map(_stored, data, [known.of(one.name) for one in data], repeat(known))]
    copied = [entry for entry, is_copied in found if entry is not None and is_copied]
    gone = (
        *gone_there,
        *(one.name for one, (entry, _) in zip(data, found[len(journal) :], strict=True) if entry is None),
    )
    manifest = known.newest
    is_new = manifest is None or manifest.place.seq < place.seq
    if manifest is None or is_new:
        who = session(project.root)
        manifest = Manifest(
            project.settings.name,
            place,
            tuple(entry for entry, _ in found if entry is not None),
            __version__,
            {member: who[member] for member in _ACTOR},
            now.astimezone(UTC).isoformat(timespec="seconds"),
            elsewhere,
        )
        there.write(f"{manifest.stem}{PARTIAL}", manifest.to_bytes())
    fetch(there, manifest, scratch / "read back", with_data=False)
    if is_new:
        there.write_new(manifest.name, manifest.to_bytes())
        there.remove(f"{manifest.stem}{PARTIAL}")
    return Backup(manifest, len(copied), sum(entry.size for entry in copied), gone)


class _Known:
    """What is at a destination already: all files with their sizes, and what its backups say of them."""

    def __init__(self, there: Destination, sizes: Mapping[str, int]) -> None:
        self.there = there
        self.sizes = sizes
        self._older = manifests(there, sizes)
        self.newest = next(self._older, None)
        self._entries = {} if self.newest is None else {entry.stored: entry for entry in self.newest.files}

    def of(self, stored: str) -> Entry | None:
        """Return what a backup says of a file, if the file is there; older ones are read only where need be."""
        while stored in self.sizes and stored not in self._entries:
            manifest = next(self._older, None)
            if manifest is None:
                return None
            self._entries = {entry.stored: entry for entry in manifest.files} | self._entries
        entry = self._entries.get(stored)
        return entry if entry is not None and self.sizes.get(stored) == entry.size else None


def _published(project: Project) -> tuple[Tail, list[_Wanted], Elsewhere | None, tuple[str, ...]]:
    """Return the end of the journal, and the files of the versions that were published up to it: those to be copied, or
    where they lie and which of them, of old versions, are not there any more."""
    with Catalog(project.state).read() as connection:
        place = position_of(connection)
        rows = connection.sql(query("files_to_back_up")).fetchall()
    if project.settings.storage is None:
        wanted = [_Wanted(Path(project.data.place(file)), f"data/{file}", *members) for file, *members in rows]
        return place, wanted, None, ()
    stats = project.data.stats([file for file, *_ in rows])
    gone = [(file, is_current) for (file, _, is_current, _), stat in zip(rows, stats, strict=True) if stat is None]
    for file, is_current in gone:
        if is_current:
            raise _unusable(project.data.place(file), "the file is missing")
    there = [stat.size_bytes for stat in stats if stat is not None]
    where = Elsewhere(str(project.data), len(there), sum(there))
    return place, [], where, tuple(project.data.place(file) for file, _ in gone)


def _journal(folder: Path, place: Tail, scratch: Path) -> Iterator[_Wanted]:
    """Yield the files of the journal; of the one that a place is in, a copy up to there."""
    for segment in segments(folder):
        if segment.first > place.seq:
            return
        if segment.name == place.segment:
            copy = scratch / segment.name
            with disk_errors(scratch):
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(segment.content()[: place.offset])
            yield _Wanted(copy, f"journal/{segment.name}")
        else:
            yield _Wanted(segment.path, f"journal/{segment.path.name}")


def _require_same_journal(folder: Path, there: Destination, then: Tail, now: Tail) -> None:
    """Refuse to mix the backups of two journals."""
    if then.seq <= now.seq:
        segment = [segment for segment in segments(folder) if segment.first <= then.seq][-1]
        if segment.content().split(b"\n")[then.seq - segment.first][:HASH].decode() == then.digest.hex():
            return
    raise UserError(
        f"{there} holds a backup up to record {then.seq} of another journal, or of a later state of this one",
        remedy="back up to another place",
    )


def _stored(one: _Wanted, earlier: Entry | None, known: _Known) -> tuple[Entry | None, bool]:
    """See to it that a file is at the destination; return what it is there, and whether it had to be copied.

    `earlier`: what an earlier backup says of it. None is returned where it is one of an old version and gone from here.
    """
    if earlier is not None and (not one.digests or earlier.blake3[:_FILE_DIGEST] in one.digests):
        return earlier, False
    try:
        digest, size = _digest(one.source)
    except FileNotFoundError:
        if not one.is_current:
            return None, False
        raise _unusable(one.source, "the file is missing") from None
    if one.version is not None and (wrong := wrong_with(one.source, one.version, one.digests)) is not None:
        raise _unusable(one.source, wrong)
    # There may be another one under the same name, of the journal or of equal data: then it is stored under another.
    stored = one.name if one.version is not None and earlier is None else f"{one.name}.{digest[:16]}"
    entry = Entry(one.name, stored, size, digest)
    if known.sizes.get(stored) == size:
        return entry, False
    known.there.put(stored, one.source)
    return entry, True


def _digest(file: Path) -> tuple[str, int]:
    hasher, size = blake3(), 0
    with file.open("rb") as source:
        while part := source.read(1 << 20):
            hasher.update(part)
            size += len(part)
    return hasher.hexdigest(), size


def _unusable(source: Path | str, what: str) -> AssetsError:
    return AssetsError(
        f"nothing was backed up: {source}: {what}",
        remedy="see which cells that concerns: assets audit verify; then materialize them again with --force",
    )
