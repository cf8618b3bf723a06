"""Which versions a cell has had, and which of them a person means.

Used by rollback and diff. It must not know what they do with one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from catalog.queries import load as query
from catalog.session import Catalog

from ..errors import InputError, SelectionError, UserError, did_you_mean
from ..model.keys import AssetKey, Cell, PartitionKey
from ..project import Project
from ..published import removal_words
from .moments import position_of

_SHOWN_DIGITS = 12
_SHOWN_VERSIONS = 5
_DIGITS = re.compile(r"[0-9a-f]{1,64}")
_FEWEST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Publication:
    """One version of a cell, current from record `published_seq` until `superseded_seq`; None: it still is.

    `file` is relative to the data's folder, None where none was recorded; `removed_seq`: the record that says that it
    was removed; `digests`: of the bytes that it was written with.
    """

    published_seq: int
    superseded_seq: int | None
    version: str
    file: str | None
    made_at: str
    removed_seq: int | None
    digests: Sequence[str]


Publications = dict[Cell, list[Publication]]
"""What each cell had, the oldest first."""


def publications_of(project: Project, assets: Iterable[AssetKey]) -> Publications:
    """Return every version that the cells of some assets had."""
    with Catalog(project.state).read() as connection:
        rows = connection.sql(query("publications"), params={"assets": sorted(assets)}).fetchall()
    found: Publications = {}
    for asset, partition, *members in rows:
        cell = Cell(AssetKey(asset), None if partition is None else PartitionKey(partition))
        found.setdefault(cell, []).append(Publication(*members))
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which version is meant: the one whose name begins with `prefix`, or else the one current at `position`.

    `text` is how it was asked for. Without both it is `current` or `previous`.
    """

    text: str
    prefix: str | None = None
    position: int | None = None

    def of(self, cell: Cell, had: Sequence[Publication]) -> Publication:
        """Return it among the versions that a cell had.

        Raises: SelectionError where there is none, or more than one.
        """
        if not had:
            remedy = f"run: assets materialize {cell.asset}"
            raise SelectionError(f"nothing of {cell} was ever published", remedy=remedy)
        if self.prefix is not None:
            return self._named(cell, had)
        if self.position is not None:
            for one in had:
                if one.published_seq <= self.position < (one.superseded_seq or self.position + 1):
                    return one
            raise SelectionError(
                f"{cell} was not published at {self.text} (record {self.position}): its first version came with record"
                f" {had[0].published_seq}",
                remedy=f"give a version, or a moment from record {had[0].published_seq} on; it had {_list(had)}",
            )
        if self.text == "current":
            return had[-1]
        for one in reversed(had):
            if one.version != had[-1].version:
                return one
        raise SelectionError(f"{cell} had no other version than {_list(had)}", remedy="there is nothing to compare")

    def _named(self, cell: Cell, had: Sequence[Publication]) -> Publication:
        assert self.prefix is not None  # noqa: S101  # asked with one only
        matching = [one for one in had if one.version.startswith(self.prefix)]
        if not matching:
            shown = [one.version[: len(self.prefix)] for one in had]
            raise SelectionError(
                f"{cell} never had a version {self.text}{did_you_mean(self.prefix, shown)}",
                remedy=f"it had {_list(had)}",
            )
        if len({one.version for one in matching}) > 1:
            raise SelectionError(
                f"{self.text} is the beginning of several versions of {cell}: {_list(matching)}",
                remedy="write more of its digits",
            )
        return matching[-1]


def wanted(project: Project, text: str, now: datetime, words: Sequence[str] = ()) -> Wanted:
    """Return which version a text means: one of some words, six or more hex digits, or a time or position.

    Raises: UserError.
    """
    if text in words:
        return Wanted(text)
    digits = text.lower()
    if not digits.isdigit() and _DIGITS.fullmatch(digits):
        if len(digits) < _FEWEST_DIGITS:
            raise SelectionError(
                f"{text} is too little of a version", remedy=f"write {_FEWEST_DIGITS} of its digits, or more"
            )
        return Wanted(text, prefix=digits)
    try:
        return Wanted(text, position=position_of(project, text, now))
    except UserError:
        if digits.isdigit() and len(digits) >= _FEWEST_DIGITS:  # a version may begin with numbers alone
            return Wanted(text, prefix=digits)
        raise


def intact_file(project: Project, cell: Cell, one: Publication, scratch: Path) -> Path:
    """Return the file of a version, which is there and holds its content, or a copy of it below a folder.

    Raises: InputError where it was removed, is gone, or is another.
    """
    require_intact(project, cell, one)
    assert one.file is not None  # noqa: S101  # or else it would not be intact
    return project.data.at_hand(one.file, scratch)


def require_intact(project: Project, cell: Cell, one: Publication) -> None:
    """Require that the file of a version is there and holds its content.

    Raises: InputError where it was removed, is gone, or is another.
    """
    version = one.version[:_SHOWN_DIGITS]
    if one.removed_seq is not None:
        words = removal_words(project, cell.asset, one.version)
        raise InputError(
            f"the data of {cell} at version {version} {words}",
            remedy="choose a version that is still there, or make it again from the code of that time",
        )
    data = project.data
    wrong = "no file was recorded for it"
    if one.file is not None:
        found = data.wrong_with(one.file, one.version, one.digests)
        if found is None:
            return
        wrong = found
    gone = "is gone" if one.file is None or data.stats([one.file]) == [None] else "is damaged"
    raise InputError(
        f"the data of {cell} at version {version} {gone}: {data.place(one.file or '')}: {wrong}",
        remedy="put the file back from a backup, or choose another version",
    )


def _list(had: Sequence[Publication]) -> str:
    newest = list(dict.fromkeys(one.version[:_SHOWN_DIGITS] for one in reversed(had)))
    more = f" and {len(newest) - _SHOWN_VERSIONS} older ones" if len(newest) > _SHOWN_VERSIONS else ""
    return ", ".join(newest[:_SHOWN_VERSIONS]) + more
