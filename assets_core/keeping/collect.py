"""Collect: remove the files that nobody needs. Called by the command; readers and runs say by leases what they need.

First it is decided, while nobody can write the journal, and recorded (`collected`): from then on a version counts as
gone. Then file by file is removed, each only if no record since has named its version, again while nobody can write.
Whoever is killed in between leaves files that the next one removes.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from catalog.apply import position_of
from catalog.journal import Fact
from catalog.queries import load as query
from catalog.records import Line, Tail
from catalog.session import Catalog

from ..execution.actor import open_journal
from ..execution.lease import is_alive, read_positions, sweep
from ..project import Project

_FILES_A_TURN = 32
_VERSIONS_A_RECORD = 1000
_YOUNG = timedelta(days=1)
"""A file that is younger may be one of which a run is about to tell."""
LONGEST_DAYS = 365_000
_NAMING = frozenset(("materialized", "published", "rolled_back"))


@dataclass(frozen=True, slots=True)
class Unneeded:
    """A file of the data, by its name there, or the staging `folder` of a run, that nobody needs, and why.

    `place`: where it is, for people. `asset`, `version`: of the materializations that named it, None for what no record
    names. `superseded_seq`: the record since which no pointer named it, None where none ever did. `is_recorded`: a
    record says that it was removed.
    """

    place: str
    size_bytes: int
    reason: str
    asset: str | None = None
    version: str | None = None
    partitions: tuple[str | None, ...] = ()
    runs: tuple[str, ...] = ()
    file: str = ""
    folder: Path | None = None
    superseded_seq: int | None = None
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """How long versions are kept that are no longer current, and how many of each cell however old they are.

    `log_days`: how long is kept what the steps of a run said.
    """

    days: int
    versions: int
    log_days: int = 30


def unneeded(project: Project, kept: Kept, now: datetime) -> list[Unneeded]:
    """Return what `collect` would remove now; nothing is written."""
    found, _ = _found(project, kept, now)
    return list(_Turn(project, now).still(found))


def collect(project: Project, kept: Kept, now: datetime) -> list[Unneeded]:
    """Remove what nobody needs, and return it.

    Raises: CatalogError; what was decided is then removed by the next call.
    """
    project.data.claim()
    found, known = _found(project, kept, now)
    turn = _Turn(project, now)
    journal = open_journal(project, known)
    removed: list[Unneeded] = []
    sweep(project.state / "readers")

    def decide(lines: Sequence[Line]) -> list[Fact]:
        turn.learn(lines)
        found[:] = list(turn.still(found))
        return _facts(found, kept)

    def remove(lines: Sequence[Line], group: Sequence[Unneeded]) -> list[Fact]:
        turn.learn(lines)
        still = list(turn.still(group))
        for one in still:
            if one.folder is not None:
                shutil.rmtree(one.folder, ignore_errors=True)
        project.data.remove([one.file for one in still if one.folder is None])
        removed.extend(still)
        return []

    try:
        if found:
            journal.turn(decide)
        for begin in range(0, len(found), _FILES_A_TURN):
            group = found[begin : begin + _FILES_A_TURN]
            journal.turn(lambda lines, group=group: remove(lines, group))  # type: ignore[misc]
            project.data.settle_removed([one.file for one in group if one.folder is None])
    finally:
        journal.close()
    return removed


def _facts(found: Sequence[Unneeded], kept: Kept) -> list[Fact]:
    """Return the records that say what is removed: of what records name, and none says so yet."""
    facts: list[Fact] = []
    for is_published in (True, False):
        versions = [
            [one.asset, one.version, one.file]
            for one in found
            if one.version is not None and not one.is_recorded and (one.superseded_seq is not None) == is_published
        ]
        reason = (
            f"superseded more than {kept.days} days ago and not among the newest {kept.versions} versions of a cell"
            if is_published
            else "never published, and its run is over"
        )
        parts = (versions[begin : begin + _VERSIONS_A_RECORD] for begin in range(0, len(versions), _VERSIONS_A_RECORD))
        facts += [("collected", {"versions": part, "reason": reason}) for part in parts]
    return facts


@dataclass(slots=True)
class _Turn:
    """What is needed after all, as told by leases and by records since the index was read; asked while none is written.

    `named`: assets and versions, and files, that such a record names. `collected`: those of which one says that they
    were removed.
    """

    project: Project
    now: datetime
    named: set[tuple[str, str]] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    collected: set[tuple[str, str]] = field(default_factory=set)

    def learn(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if line.v != 1 or line.kind not in (*_NAMING, "collected"):
                continue
            payload = line.record().payload
            match line.kind:
                case "materialized":
                    self.named.add((payload["asset"], payload["version"]))
                    self.files.add(payload["file"])
                case "collected":
                    self.collected.update((asset, version) for asset, version, _ in payload["versions"])
                case _:
                    self.named.update((asset, version) for asset, _, version, *_ in payload["cells"])

    def still(self, found: Iterable[Unneeded]) -> Iterator[Unneeded]:
        """Yield what nobody needs after all that is known now, with the size that it has now."""
        data = self.project.data
        runs, readers = (self.project.state / name for name in ("runs", "readers"))
        at_work = read_positions(runs)
        positions = [*at_work, *read_positions(readers)]
        oldest = min(positions, default=None)
        held = cache(lambda run: _holds(runs, run) or _holds(readers, run))
        found = list(found)
        stats = dict(zip(files := [one.file for one in found if one.folder is None], data.stats(files), strict=True))
        for one in found:
            if one.version is not None and (one.asset, one.version) in self.named:
                continue
            if one.file in self.files or any(held(run) for run in one.runs):
                continue
            if one.superseded_seq is not None and oldest is not None and one.superseded_seq > oldest:
                continue
            if one.folder is not None:
                if one.folder.exists():
                    yield replace(one, size_bytes=_size(one.folder))
                continue
            if (stat := stats[one.file]) is None:
                continue
            # A run may have made it anew just now, and have told nobody yet.
            is_young = _time(stat.modified) > self.now - _YOUNG
            if is_young and (one.version is None or at_work):
                continue
            is_recorded = one.is_recorded or (one.asset, one.version) in self.collected
            yield replace(one, is_recorded=is_recorded, size_bytes=stat.size_bytes)


def _holds(folder: Path, name: str) -> bool:
    """Return whether the holder of a lease lives, be it paused for however long."""
    return is_alive(folder, name, math.inf)


def _found(project: Project, kept: Kept, now: datetime) -> tuple[list[Unneeded], Tail]:
    """Return what nobody needs as far as the index knows, leases aside, and the place that it has reached."""
    data = project.data
    since = (now - timedelta(days=min(kept.days, LONGEST_DAYS))).astimezone(UTC).replace(tzinfo=None)
    with Catalog(project.state).read() as connection:
        rows = connection.sql(query("collectable"), params={"since": since, "versions": kept.versions}).fetchall()
        recorded = {file for (file,) in connection.sql(query("recorded_files")).fetchall()}
        known = position_of(connection)
    there = set(data.names())
    found: list[Unneeded] = []
    for file, asset, version, partitions, runs, superseded_seq, superseded_at, is_removed in rows:
        if file not in there:
            continue
        reason = "never published, and its run is over"
        if superseded_seq is not None:
            reason = f"superseded {superseded_at or 'long ago'} (UTC)"
        if is_removed:
            reason += "; what removed it was stopped before it did"
        cells = tuple(sorted(partitions, key=lambda key: key or ""))
        one = Unneeded(
            _place(project, file),
            0,
            reason,
            asset,
            version,
            cells,
            tuple(runs),
            file,
            superseded_seq=superseded_seq,
            is_recorded=is_removed,
        )
        found.append(one)
    orphans = sorted(there - recorded)
    found += [Unneeded(_place(project, file), 0, "no record names it", file=file) for file in orphans]
    return [*found, *_left_behind(project), *_old_logs(project, kept.log_days, now)], known


def _left_behind(project: Project) -> Iterator[Unneeded]:
    """Yield the folders of runs; those that belong to a run at work fall out when leases are looked at."""
    for folder in dict.fromkeys((project.state / "staging", project.staging)):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            place = path.relative_to(project.state) if path.is_relative_to(project.state) else path
            yield Unneeded(str(place), 0, "left behind by a run that is over", runs=(path.name,), folder=path)


def _old_logs(project: Project, days: int, now: datetime) -> Iterator[Unneeded]:
    """Yield the folders of logs to which nothing was added for so many days."""
    since = now - timedelta(days=min(days, LONGEST_DAYS))
    folder = project.state / "logs"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        newest = max((file.stat().st_mtime for file in (path, *path.rglob("*"))), default=0.0)
        if _time(newest) <= since:
            reason = f"said more than {days} days ago"
            yield Unneeded(str(path.relative_to(project.state)), 0, reason, runs=(path.name,), folder=path)


def _place(project: Project, file: str) -> str:
    return f"data/{file}" if project.settings.storage is None else project.data.place(file)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
