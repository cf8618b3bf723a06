"""Compress the closed segments of a journal, each in a way that a crash at any moment leaves readable.

Called by `assets catalog compact`; retention rewrites segments with the same means, and a backup keeps both away while
it copies. It must not know what a record means; that readers prefer the smaller form is in segments.py.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .durable import sync
from .errors import CatalogError, JournalDamaged, disk_errors
from .journal import Journal
from .locks import in_turn
from .segments import Segment, segments

_LOCK = "compaction.lock"
_DRAFT = ".new"
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many segments were compressed, and how large they were and are."""

    segments: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


@contextmanager
def unchanging(folder: Path) -> Iterator[None]:
    """Keep other processes from storing closed segments in another form.

    *Raises* CatalogBusy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with in_turn(folder / _LOCK, exclusive=True):
        yield


def compress(folder: Path, journal: Journal) -> Compacted:
    """Compress every closed segment that is plain, and put away what a call that was cut short has left.

    *Raises* CatalogBusy, JournalDamaged where a segment is there twice with different content.
    """
    count = bytes_before = bytes_after = 0
    with unchanging(folder), disk_errors(folder):
        remove_drafts(folder)
        for segment in segments(folder)[:-1]:
            plain, packed = folder / segment.name, folder / f"{segment.name}.gz"
            if segment.is_pruned or (segment.is_compressed and not plain.exists()):
                continue
            content = plain.read_bytes()
            if not segment.is_compressed:
                count, bytes_before = count + 1, bytes_before + len(content)
                draft = written(packed, content)
                bytes_after += draft.stat().st_size
                with journal.alone():
                    put_in_place(draft, segment)
            elif segment.content() != content:
                raise JournalDamaged(segment.first, packed, f"it does not hold what {plain.name} beside it holds")
            with journal.alone():
                discard(plain)
    return Compacted(count, bytes_before, bytes_after)


def written(target: Path, content: bytes) -> Path:
    """Write the compressed form of a content beside its place, durable and read back; return the file.

    Its name is none of a segment's. Equal contents give equal files.
    """
    draft = target.with_name(f"{target.name}{_DRAFT}")
    with draft.open("wb") as file:
        with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
            packed.write(content)
        file.flush()
        os.fsync(file.fileno())
    with gzip.open(draft) as packed:
        if packed.read() != content:
            raise CatalogError(
                f"{draft} does not read back as it was written",
                remedy="see to the disk and the memory of the machine; nothing was changed",
            )
    return draft


def put_in_place(draft: Path, segment: Segment) -> None:
    """Give a draft its name, while the segment that it is made of is still there."""
    if not segment.path.exists():
        draft.unlink()
        raise JournalDamaged(segment.first, segment.path, "the file was moved away while it was compressed")
    draft.replace(draft.with_name(draft.name.removesuffix(_DRAFT)))
    sync(draft.parent)


def discard(*forms: Path) -> None:
    """Remove forms of a segment that a smaller one stands for."""
    for form in forms:
        form.unlink(missing_ok=True)
    sync(forms[0].parent)


def remove_drafts(folder: Path) -> None:
    """Remove what a process that was killed has left unfinished."""
    for draft in folder.glob(f"*.jsonl.gz{_DRAFT}"):
        draft.unlink()
