"""Sets of dynamic partitions: which keys there are; add some, remove some.

Called by the commands, and by whatever sees that something new is there (a sensor). Each change is decided while nobody
else can write the journal, so that of two who add the same key one does. It must not know what reads the partitions.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalog.apply import position_of
from catalog.journal import Fact
from catalog.records import Line
from catalog.session import Catalog

from .errors import SelectionError, did_you_mean
from .execution.actor import open_journal
from .materialize import keep_out_of_git
from .model.keys import AssetKey
from .model.partitions import dynamic_names
from .planning.bound import Sets, read_sets
from .project import Project

_ADDED, _REMOVED = "partitions_added", "partitions_removed"


@dataclass(frozen=True, slots=True)
class PartitionSet:
    """The keys of a set in the order of addition, and the assets whose partitions they are.

    `generation`: the record that last removed a key; 0 where none did.
    """

    name: str
    keys: tuple[str, ...]
    generation: int
    assets: tuple[AssetKey, ...]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What became of a set: the keys that were added or removed by record `seq`; None where nothing was to do."""

    name: str
    keys: tuple[str, ...]
    unchanged: int
    seq: int | None


def add_partitions(project: Project, name: str, keys: Iterable[str]) -> KeyChange:
    """Add keys to a set of dynamic partitions; of those that are there already nothing is written.

    Raises: SelectionError where no asset declares the set, or a key cannot be one; CatalogBusy, CatalogError.
    """
    return _change(project, name, keys, _ADDED)


def remove_partitions(project: Project, name: str, keys: Iterable[str]) -> KeyChange:
    """Remove keys from a set of dynamic partitions; what was made for them and its records are kept.

    Keys that are not there are passed over.

    Raises: SelectionError where there is no such set, or a key cannot be one; CatalogBusy, CatalogError.
    """
    return _change(project, name, keys, _REMOVED)


def partitions_of(project: Project, name: str) -> PartitionSet:
    """Return a set of dynamic partitions.

    Raises: SelectionError where there is none of that name.
    """
    known = {each.name: each for each in partition_sets(project)}
    if name not in known:
        raise _unknown(name, known)
    return known[name]


def partition_sets(project: Project) -> list[PartitionSet]:
    """Return the sets that the project's assets declare, and those of which keys are recorded."""
    with Catalog(project.state).read() as connection:
        sets = read_sets(connection)
    return _known(project, sets)


def _known(project: Project, sets: Sets) -> list[PartitionSet]:
    readers: dict[str, list[AssetKey]] = {}
    for key, asset in project.graph.assets.items():
        for name in dynamic_names(asset.partitions) if asset.partitions is not None else ():
            readers.setdefault(name, []).append(key)
    return [
        PartitionSet(name, *sets.get(name, ((), 0)), tuple(readers.get(name, ())))
        for name in sorted(readers.keys() | sets.keys())
    ]


def _change(project: Project, name: str, keys: Iterable[str], kind: str) -> KeyChange:
    wanted = tuple(dict.fromkeys(_checked(key) for key in keys))
    with Catalog(project.state).read() as connection:
        sets, position = read_sets(connection), position_of(connection)
    known = [each.name for each in _known(project, sets) if each.assets or kind == _REMOVED]
    if name not in known:
        raise _unknown(name, known)
    present = set(sets.get(name, ((), 0))[0])

    def left() -> tuple[str, ...]:
        return tuple(key for key in wanted if (key in present) == (kind == _REMOVED))

    if not left():
        return KeyChange(name, (), len(wanted), None)
    keep_out_of_git(project)

    def decide(lines: Sequence[Line]) -> list[Fact]:
        _learn(present, name, lines)
        changed = left()
        return [(kind, {"set": name, "keys": list(changed)})] if changed else []

    journal = open_journal(project, position)
    try:
        records = journal.turn(decide)
    finally:
        journal.close()
    if not records:  # another process was first
        return KeyChange(name, (), len(wanted), None)
    changed = tuple(records[-1].payload["keys"])
    return KeyChange(name, changed, len(wanted) - len(changed), records[-1].seq)


def _learn(present: set[str], name: str, lines: Sequence[Line]) -> None:
    """Take in what others have written since the set was read."""
    for line in lines:
        if line.v == 1 and line.kind in (_ADDED, _REMOVED):
            payload = line.record().payload
            if payload["set"] == name:
                (present.update if line.kind == _ADDED else present.difference_update)(payload["keys"])


def _checked(key: str) -> str:
    """Return a key, where a text can be one."""
    if not key:
        raise SelectionError("a partition key is empty", remedy="give a text")
    for letter in key:
        if unicodedata.category(letter) in ("Cc", "Cs"):
            raise SelectionError(
                f"partition key {key!r} holds the control character {letter!r}", remedy="leave it out of the key"
            )
    return key


def _unknown(name: str, known: Iterable[str]) -> SelectionError:
    known = list(known)
    remedy = f"use one of {', '.join(known[:8])}" if known else "declare it: partitions=DynamicPartitions(NAME)"
    return SelectionError(f"no asset has dynamic partitions {name!r}{did_you_mean(name, known)}", remedy=remedy)
