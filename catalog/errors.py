"""Every error of the catalog, drawn as a tree; each says what happened, where, with which value, and the remedy.

    CatalogError            exit 3  the journal or the index cannot be used as asked
    |-- CatalogBusy         exit 4  another process holds what this one needs
    `-- JournalDamaged      exit 1  a record was altered, or is missing
        `-- RecordsLost             records that were there are gone from the end

The command line turns `exit_code` into the exit status. Nothing here knows who reads or writes the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CatalogError(Exception):
    """The root. `remedy` is one sentence that says what to do about it."""

    exit_code = 3

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  remedy: {self.remedy}" if self.remedy else self.what


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Raise CatalogError where the operating system refuses something inside of the block, which works on `place`."""
    try:
        yield
    except OSError as error:
        raise CatalogError(
            f"{error.filename or place}: {error.strerror or error}",
            remedy="see to the disk (space, permissions, health), then run again: nothing acknowledged is lost",
        ) from error


class CatalogBusy(CatalogError):
    """Another process holds the journal or the index, longer than is worth waiting for."""

    exit_code = 4


class JournalDamaged(CatalogError):
    """The journal is not what was written: `seq` is the first bad record, `file` the segment it stands in."""

    exit_code = 1

    def __init__(self, seq: int, file: Path, what: str) -> None:
        super().__init__(
            f"journal record {seq} in {file}: {what}",
            remedy=(
                f"put {file.name} back from a backup (the records before {seq} are intact), or go on without it and say"
                ' why: assets catalog rebuild --accept-loss "REASON"'
            ),
        )
        self.seq = seq
        self.file = file
        self.problem = what


class RecordsLost(JournalDamaged):
    """Somebody knows of records that the journal does not have any more: it was cut, or an older copy put back."""
